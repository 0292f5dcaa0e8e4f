// SPDX-License-Identifier: Apache-2.0
#include "base/color.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/macro.h"

static const char *const modes[] = {
    [COLOR_AUTO] = "auto",
    [COLOR_ALWAYS] = "always",
    [COLOR_NEVER] = "never",
};

static const char *const sequences[] = {
    [COLOR_RESET] = "\033[0m", [COLOR_BOLD] = "\033[1m",     [COLOR_DIM] = "\033[2m",
    [COLOR_RED] = "\033[31m",  [COLOR_GREEN] = "\033[32m",   [COLOR_YELLOW] = "\033[33m",
    [COLOR_BLUE] = "\033[34m", [COLOR_MAGENTA] = "\033[35m", [COLOR_CYAN] = "\033[36m",
};
STATIC_ASSERT(ARRAY_SIZE(sequences) == N_COLORS, "one sequence a colour");

int color_mode_parse(const char *s, enum color_mode *ret_mode)
{
    for (size_t i = 0; s && i < ARRAY_SIZE(modes); i++) {
        if (streq(s, modes[i])) {
            *ret_mode = (enum color_mode)i;
            return 0;
        }
    }
    return -EINVAL;
}

bool color_enabled(enum color_mode mode, FILE *f)
{
    const char *term = getenv("TERM");

    if (mode != COLOR_AUTO)
        return mode == COLOR_ALWAYS;
    return str_isempty(getenv("NO_COLOR")) && !str_isempty(term) && !streq(term, "dumb") &&
           isatty(fileno(f)) == 1;
}

const char *color_seq(bool on, enum color color)
{
    return on ? sequences[color] : "";
}
