// SPDX-License-Identifier: Apache-2.0
//
// Where a path of this host is: which file system, and which path in it. From the text of mountinfo.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct where {
    uint32_t dev;    // s_dev as the kernel has it: major << 20 | minor
    bool mountpoint; // path is itself a mount point
    char path[1024]; // from the root of the file system, "" for the root itself
};

// `mountinfo` is the text of that file, `len` bytes. `path` is absolute, without symbolic links and trailing slash. -ENOENT: no
// mount holds it (never so in a whole mountinfo); -ENAMETOOLONG.
int where_find(const char *mountinfo, size_t len, const char *path, struct where *ret);
