// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/strutil.h"
#include "files/packages.h"

int packages_read_links(struct packages *p, const char *root)
{
    static const char *const tops[] = {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"};

    for (size_t i = 0; i < ARRAY_SIZE(tops); i++) {
        char path[PATH_MAX], target[48], to[64];
        ssize_t n;

        if (snprintf(path, sizeof(path), "%s%s", root, tops[i]) >= (int)sizeof(path))
            return -ENAMETOOLONG;
        n = readlink(path, target, sizeof(target) - 1);
        if (n <= 0)
            continue;
        target[n] = '\0';
        (void)snprintf(to, sizeof(to), "%s%s", target[0] == '/' ? "" : "/", target);
        if (str_startswith(to, "/usr/"))
            (void)packages_add_alias(p, tops[i], to);
    }
    return 0;
}
