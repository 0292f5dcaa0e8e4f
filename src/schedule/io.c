// SPDX-License-Identifier: Apache-2.0
#include "schedule/io.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/macro.h"
#include "schedule/group.h"

#define TEXT_MAX ((size_t)64 << 10)

// Lines of devices: "254:0 enable=1 ctrl=auto ...".
static bool has_iocost(const char *root)
{
    _cleanup_free_ char *text = NULL;
    char path[GROUP_PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/io.cost.qos", root);
    return read_file_bounded(AT_FDCWD, path, TEXT_MAX, &text, NULL) == 0 &&
           strstr(text, " enable=1");
}

static int look_for_bfq(void *ctx, int dir, const struct dirent *entry)
{
    _cleanup_free_ char *text = NULL;
    bool *found = ctx;
    char path[300];

    (void)snprintf(path, sizeof(path), "%s/queue/scheduler", entry->d_name);
    // The one in charge stands in brackets.
    if (read_file_bounded(dir, path, TEXT_MAX, &text, NULL) == 0 && strstr(text, "[bfq]"))
        *found = true;
    return 0;
}

const char *io_weight_served(const char *root, const char *block)
{
    bool bfq = false;

    (void)opendir_foreach(AT_FDCWD, block ? block : "/sys/block", look_for_bfq, &bfq);
    if (bfq)
        return "bfq";
    return has_iocost(root ? root : GROUP_ROOT) ? "iocost" : IO_SERVED_NOBODY;
}
