// SPDX-License-Identifier: Apache-2.0
//
// The packages of Debian and its relatives, from the files of dpkg: see dpkg-query(1), dpkg-divert(1).
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "files/packages.h"

#define LIST_MAX   ((size_t)16 << 20)
#define STATUS_MAX ((size_t)64 << 20)

static int read_list(void *ctx, int dir, const struct dirent *entry)
{
    _cleanup_free_ char *text = NULL;
    size_t len, name = strlen(entry->d_name);
    int r;

    if (!str_endswith(entry->d_name, ".list"))
        return 0;
    r = read_file_bounded(dir, entry->d_name, LIST_MAX, &text, &len);
    if (r < 0)
        return r == -ENOMEM ? r : 0; // removed meanwhile, or no list of a package
    r = packages_add_list(ctx, (struct bytes){entry->d_name, (uint32_t)name - sizeof(".list") + 1},
                          text, len);
    return r == -ENOMEM ? r : 0;
}

typedef int (*add_fn)(struct packages *p, const char *text, size_t len);

static int read_one(const char *dpkg, const char *name, add_fn add, struct packages *p)
{
    _cleanup_free_ char *text = NULL;
    char path[PATH_MAX];
    size_t len;
    int r;

    if (snprintf(path, sizeof(path), "%s/%s", dpkg, name) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    r = read_file_bounded(AT_FDCWD, path, STATUS_MAX, &text, &len);
    return r < 0 ? r : add(p, text, len);
}

int packages_read_dpkg(const char *dpkg, const char *root, struct packages **ret_packages)
{
    _cleanup_(packages_freep) struct packages *p = NULL;
    char info[PATH_MAX];
    int r;

    if (snprintf(info, sizeof(info), "%s/info", dpkg) >= (int)sizeof(info))
        return -ENAMETOOLONG;
    r = packages_new(&p);
    r = r < 0 ? r : packages_read_links(p, root);
    if (r < 0)
        return r;
    r = read_one(dpkg, "diversions", packages_add_diversions, p);
    if (r < 0 && r != -ENOENT)
        return r;
    r = opendir_foreach(AT_FDCWD, info, read_list, p);
    if (r < 0)
        return r;
    r = read_one(dpkg, "status", packages_add_versions, p);
    if (r < 0 && r != -ENOENT)
        return r;
    r = packages_finish(p);
    if (r < 0)
        return r;
    *ret_packages = TAKE_PTR(p);
    return 0;
}
