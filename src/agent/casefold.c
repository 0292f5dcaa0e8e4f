// SPDX-License-Identifier: Apache-2.0
#include "agent/casefold.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/strutil.h"
#include "base/table.h"

// Documentation/filesystems/ext4/super.rst: the superblock is at 1024, s_magic in it at 0x38, s_feature_incompat at 0x60.
#define EXT4_SUPERBLOCK 1024
#define EXT4_MAGIC_AT   0x38
#define EXT4_MAGIC      0xef53
#define EXT4_INCOMPAT   0x60
#define EXT4_CASEFOLD   0x20000u

#define TEXT_MAX ((size_t)64 << 10) // of a file in sysfs

// The kernel's name of a block device ("sda1", "dm-0").
static bool device_name(uint32_t dev, char *buf, size_t size)
{
    static const char key[] = "DEVNAME=";
    _cleanup_free_ char *text = NULL;
    char path[64];
    const char *at;
    size_t len;

    (void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/uevent", dev >> 20, dev & 0xfffff);
    if (read_file_bounded(AT_FDCWD, path, TEXT_MAX, &text, NULL) < 0)
        return false;
    at = strstr(text, key);
    if (!at)
        return false;
    at += strlen(key);
    len = strcspn(at, "\n");
    if (len == 0 || len >= size)
        return false;
    memcpy(buf, at, len);
    buf[len] = '\0';
    return true;
}

static bool ext4_folds(const char *name, uint32_t dev)
{
    _cleanup_close_ int fd = -1;
    uint8_t super[EXT4_INCOMPAT + sizeof(uint32_t)];
    uint16_t magic;
    uint32_t incompat;
    char path[96];
    struct stat st;

    (void)snprintf(path, sizeof(path), "/dev/%.64s", name);
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode) ||
        policy_dev(major(st.st_rdev), minor(st.st_rdev)) != dev ||
        pread(fd, super, sizeof(super), EXT4_SUPERBLOCK) != (ssize_t)sizeof(super))
        return false;
    memcpy(&magic, super + EXT4_MAGIC_AT, sizeof(magic));
    memcpy(&incompat, super + EXT4_INCOMPAT, sizeof(incompat));
    return le16toh(magic) == EXT4_MAGIC && (le32toh(incompat) & EXT4_CASEFOLD);
}

static bool f2fs_folds(const char *name)
{
    _cleanup_free_ char *text = NULL;
    char path[128];

    (void)snprintf(path, sizeof(path), "/sys/fs/f2fs/%.64s/features", name);
    return read_file_bounded(AT_FDCWD, path, TEXT_MAX, &text, NULL) == 0 &&
           strstr(text, "casefold");
}

static bool device_folds(const struct policy_mount *mount)
{
    char name[64];

    return device_name(mount->dev, name, sizeof(name)) &&
           (streq(mount->fstype, "ext4") ? ext4_folds(name, mount->dev) : f2fs_folds(name));
}

int casefold_mark_by(struct policy_mounts *m, bool (*folds)(const struct policy_mount *mount))
{
    _cleanup_(map_freep) struct map *known = NULL;
    static const bool yes = true, no = false;
    int r;

    r = map_new(MAP_U64, 0, NULL, &known);
    for (size_t i = 0; r == 0 && i < m->n; i++) {
        struct policy_mount *mount = &m->items[i];
        const bool *answer;

        if (!streq(mount->fstype, "ext4") && !streq(mount->fstype, "f2fs"))
            continue;
        answer = map_get_u64(known, mount->dev);
        if (!answer) {
            answer = folds(mount) ? &yes : &no;
            r = map_set_u64(known, mount->dev, (void *)answer);
        }
        if (*answer)
            mount->flags |= POLICY_MOUNT_NOCASE | POLICY_MOUNT_UNICODE;
    }
    return r;
}

int casefold_mark(struct policy_mounts *m)
{
    return casefold_mark_by(m, device_folds);
}
