// SPDX-License-Identifier: Apache-2.0
#include "sensor/hostfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macro.h"

static int take_text(int fd, char *ret_text, size_t size)
{
    _cleanup_free_ char *buf = NULL;
    size_t len;
    int r;

    r = read_fd_bounded(fd, size - 1, &buf, &len);
    if (r < 0)
        return r;
    while (len > 0 && buf[len - 1] == '\n')
        len--;
    memcpy(ret_text, buf, len);
    ret_text[len] = '\0';
    return 0;
}

int hostfile_read(const char *root, const char *path, char *ret_text, size_t size)
{
    _cleanup_close_ int fd = -1;
    char full[4096];
    int n;

    n = snprintf(full, sizeof(full), "%s%s", root, path);
    if (n < 0 || (size_t)n >= sizeof(full))
        return -ENAMETOOLONG;
    fd = open(full, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    return take_text(fd, ret_text, size);
}

int hostfile_read_detached(const char *fstype, const char *path, char *ret_text, size_t size)
{
    _cleanup_close_ int context = -1, mount = -1, fd = -1;

    context = fsopen(fstype, FSOPEN_CLOEXEC);
    if (context < 0)
        return -errno;
    if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -errno;
    mount = fsmount(context, FSMOUNT_CLOEXEC,
                    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    if (mount < 0)
        return -errno;
    fd = openat(mount, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    return take_text(fd, ret_text, size);
}

int hostfile_read_kernel(const char *root, const char *mountpoint, const char *fstype,
                         const char *path, char *ret_text, size_t size)
{
    char full[512];
    int n, r;

    n = snprintf(full, sizeof(full), "%s/%s", mountpoint, path);
    if (n < 0 || (size_t)n >= sizeof(full))
        return -ENAMETOOLONG;
    r = hostfile_read(root, full, ret_text, size);
    if (r == -ENOENT && *root == '\0')
        r = hostfile_read_detached(fstype, path, ret_text, size);
    return r;
}
