// SPDX-License-Identifier: Apache-2.0
#include "do.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *help;
    int (*function)(char **words);
    int n_words;
} rows[] = {
#define DO(name, function, n_words, help) {name, help, function, n_words},
#include "do.def"
};

int do_failed(const char *what)
{
    int err = errno;

    fprintf(stderr, "sg-do: %s: %s\n", what, strerror(err));
    if (err == EPERM || err == EACCES)
        return REFUSED;
    return err == ENOSYS || err == EOPNOTSUPP ? ABSENT : FAILED;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(argv[1], rows[i].name) == 0 && argc - 2 >= rows[i].n_words)
            return rows[i].function(argv + 2);
    fprintf(stderr, "usage: sg-do WHAT ...\n");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        fprintf(stderr, "  %-20s %s\n", rows[i].name, rows[i].help);
    return FAILED;
}
