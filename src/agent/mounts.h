// SPDX-License-Identifier: Apache-2.0
//
// Which file system is seen where: the host's mount table. What only other mount namespaces have is no rule's business: no path of
// the host leads there, and users make as many of them as they like. Reads procfs only; mountwatch.c says when.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/mounts.h"
#include "sensor/decode.h"

// The table as policies need it, and as the decoder of records does. A zeroed structure is empty.
struct mount_view {
    struct policy_mounts *all;   // in their order
    struct decode_mount *decode; // texts on loan from `all`
    size_t n_decode;
    uint64_t digest; // equal for equal tables
};

// `path` is a mountinfo file of the host's namespace. -ENOMEM, or the error of reading.
int mount_view_read(const char *path, struct mount_view *ret_view);
void mount_view_done(struct mount_view *v);

// Where `path`, as the mount with this id shows it, lies in its file system. False: no such mount in the
// table. *ret_path is on loan from `buf`.
bool mounts_locate(const struct policy_mounts *m, uint32_t mount_id, const char *path, char *buf,
                   size_t size, uint32_t *ret_dev, const char **ret_path);

// The same for a canonical path of the host: of the mount that is seen there.
bool mounts_place(const struct policy_mounts *m, const char *path, char *buf, size_t size,
                  uint32_t *ret_dev, const char **ret_path);

// s_dev of a mount by its id (statx's stx_mnt_id); 0: not in the table.
uint32_t mounts_dev(const struct policy_mounts *m, uint32_t mount_id);
