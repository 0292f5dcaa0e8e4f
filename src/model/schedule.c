// SPDX-License-Identifier: Apache-2.0
#include "model/schedule.h"

#include <stdlib.h>

static bool number(const char **at, long max, long *ret)
{
    char *end;

    if (**at < '0' || **at > '9')
        return false;
    *ret = strtol(*at, &end, 10);
    *at = end;
    return *ret < max;
}

bool schedule_cpus_valid(const char *text, unsigned max)
{
    long last = -1, from, to;

    for (;;) {
        if (!number(&text, (long)max, &from) || from <= last)
            return false;
        to = from;
        if (*text == '-') {
            text++;
            if (!number(&text, (long)max, &to) || to < from)
                return false;
        }
        last = to;
        if (*text == '\0')
            return true;
        if (*text++ != ',')
            return false;
    }
}
