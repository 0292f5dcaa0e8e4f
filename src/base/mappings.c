// SPDX-License-Identifier: Apache-2.0
#include "base/mappings.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"

#define TEXT_MAX ((size_t)1 << 20)

// "from-to perms offset device inode      path". False: a kernel that writes it otherwise.
static bool parse(const char *line, struct mapping *ret)
{
    int at_path = 0;

    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %" SCNx64 " %*s %*s %n", &ret->from, &ret->to,
               ret->perms, &ret->offset, &at_path) != 4)
        return false;
    ret->path = at_path ? line + at_path : "";
    return true;
}

int mappings_each(mapping_fn fn, void *ctx)
{
    _cleanup_free_ char *text = NULL;
    int r = read_file_bounded(AT_FDCWD, "/proc/self/maps", TEXT_MAX, &text, NULL);

    for (char *line = text, *end; r >= 0 && line && *line; line = end ? end + 1 : NULL) {
        struct mapping m = {};

        end = strchr(line, '\n');
        if (end)
            *end = '\0';
        if (parse(line, &m))
            r = fn(ctx, &m);
    }
    return r;
}

// The library that maps them does not say where they are; each is the only part of a map that is mapped from its second page on and
// read only.
static int keep_from_children(void *ctx _unused_, const struct mapping *m)
{
    if (str_endswith(m->path, "anon_inode:bpf-map") && streq(m->perms, "r--s") &&
        m->offset == (uint64_t)sysconf(_SC_PAGESIZE))
        (void)madvise((void *)m->from, m->to - m->from, MADV_DONTFORK);
    return 0;
}

void mappings_rings_stay(void)
{
    (void)mappings_each(keep_from_children, NULL);
}
