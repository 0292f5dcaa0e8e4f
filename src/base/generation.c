// SPDX-License-Identifier: Apache-2.0
#include "base/generation.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#include "base/macro.h"
#include "base/strutil.h"

// The kernel puts words of its own byte order into a handle.
struct form {
    const char *fstype;
    int type; // handle_type
    uint8_t ino_at, ino_len, generation_at;
};

static const struct form forms[] = {
    {"ext2", 1, 0, 4, 4}, {"ext3", 1, 0, 4, 4},   {"ext4", 1, 0, 4, 4},      {"f2fs", 1, 0, 4, 4},
    {"xfs", 1, 0, 4, 4},  {"xfs", 0x81, 0, 8, 8}, {"btrfs", 0x4d, 0, 8, 16}, {"tmpfs", 1, 4, 8, 0},
};

struct handle {
    struct file_handle head;
    unsigned char bytes[MAX_HANDLE_SZ];
};

// The low half is all that some file systems have of the number.
static bool is_inode(const struct form *f, const unsigned char *bytes, uint64_t ino)
{
    uint32_t words[2];

    memcpy(words, bytes + f->ino_at, f->ino_len);
    if (f->ino_len == 4)
        return words[0] == (uint32_t)ino;
    // In two words, or in one of 64 bits: the same only where the low one comes first.
    return (words[0] == (uint32_t)ino && words[1] == (uint32_t)(ino >> 32)) ||
           memcmp(words, &ino, sizeof(ino)) == 0;
}

uint32_t file_generation(int dirfd, const char *name, const char *fstype, uint64_t ino)
{
    struct handle h = {.head.handle_bytes = sizeof(h.bytes)};
    uint32_t generation;
    int mount_id;

    if (name_to_handle_at(dirfd, name, &h.head, &mount_id, 0) < 0)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        const struct form *f = &forms[i];

        if (!streq(f->fstype, fstype) || f->type != h.head.handle_type ||
            h.head.handle_bytes < f->generation_at + sizeof(generation) ||
            h.head.handle_bytes < (unsigned)(f->ino_at + f->ino_len) ||
            !is_inode(f, h.head.f_handle, ino))
            continue;
        memcpy(&generation, h.head.f_handle + f->generation_at, sizeof(generation));
        return generation;
    }
    return 0;
}
