// SPDX-License-Identifier: Apache-2.0
#include "files/identity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/fd.h"

#define FDINFO_MAX    4096u
#define MOUNTINFO_MAX ((size_t)8 << 20)

// As the kernel puts it together: MINORBITS is 20.
static uint32_t kernel_dev(unsigned major, unsigned minor)
{
    return (uint32_t)major << 20 | (minor & 0xfffffu);
}

static const char *take_number(const char *at, const char *end, uint64_t *ret)
{
    uint64_t value = 0;
    const char *start = at;

    for (; at < end && *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return NULL;
    if (at == start)
        return NULL;
    *ret = value;
    return at;
}

int identity_fdinfo(const char *text, size_t len, const char *key, uint64_t *ret)
{
    const char *at = text, *end = text + len;
    size_t n = strlen(key);

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;

        if ((size_t)(stop - at) > n && memcmp(at, key, n) == 0)
            return take_number(at + n, stop, ret) ? 0 : -ENOENT;
        at = stop + 1;
    }
    return -ENOENT;
}

// "36 35 98:0 /mnt1 ..." : the mount's id, its parent's, the device.
static bool mount_line(const char *at, const char *end, uint64_t mount_id, uint32_t *ret_dev)
{
    uint64_t id, parent, major, minor;

    at = take_number(at, end, &id);
    if (!at || id != mount_id || at == end || *at++ != ' ')
        return false;
    at = take_number(at, end, &parent);
    if (!at || at == end || *at++ != ' ')
        return false;
    at = take_number(at, end, &major);
    if (!at || at == end || *at++ != ':')
        return false;
    at = take_number(at, end, &minor);
    if (!at)
        return false;
    *ret_dev = kernel_dev((unsigned)major, (unsigned)minor);
    return true;
}

uint32_t identity_mount_dev(const char *text, size_t len, uint64_t mount_id)
{
    const char *at = text, *end = text + len;
    uint32_t dev;

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;

        if (mount_line(at, stop, mount_id, &dev))
            return dev;
        at = stop + 1;
    }
    return 0;
}

// What the kernel itself says of the descriptor; the inode from 5.14 on.
static bool ask_kernel(int proc_fd, int fd, uint32_t tgid, uint64_t *ino, uint32_t *ret_dev)
{
    _cleanup_free_ char *info = NULL, *mounts = NULL;
    uint64_t mount_id;
    char path[64];
    size_t len;

    (void)snprintf(path, sizeof(path), "self/fdinfo/%d", fd);
    if (read_file_bounded(proc_fd, path, FDINFO_MAX, &info, &len) < 0 ||
        identity_fdinfo(info, len, "mnt_id:\t", &mount_id) < 0)
        return false;
    (void)identity_fdinfo(info, len, "ino:\t", ino);
    if (tgid)
        (void)snprintf(path, sizeof(path), "%u/mountinfo", tgid);
    else
        (void)snprintf(path, sizeof(path), "self/mountinfo");
    if (read_file_bounded(proc_fd, path, MOUNTINFO_MAX, &mounts, &len) < 0)
        return false;
    *ret_dev = identity_mount_dev(mounts, len, mount_id);
    return *ret_dev != 0;
}

bool identity_is(int proc_fd, int fd, const struct stat *st, uint32_t tgid, uint32_t dev,
                 uint64_t ino)
{
    uint32_t now_dev = kernel_dev(major(st->st_dev), minor(st->st_dev));
    uint64_t now_ino = st->st_ino;

    if (now_dev == dev && now_ino == ino)
        return true;
    if (!ino || !ask_kernel(proc_fd, fd, tgid, &now_ino, &now_dev))
        return false;
    return now_dev == dev && now_ino == ino;
}
