// SPDX-License-Identifier: Apache-2.0
/* System calls on mounts that mount(8) of the guest does not make. */
#include "do.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

int mount_new(char **words)
{
    int context = fsopen("tmpfs", FSOPEN_CLOEXEC), fd;

    if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return FAILED;
    fd = fsmount(context, FSMOUNT_CLOEXEC, 0);
    if (fd < 0)
        return FAILED;
    if (move_mount(fd, "", AT_FDCWD, words[0], MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return do_failed("move_mount");
    return DONE;
}

int mount_move(char **words)
{
    return mount(words[0], words[1], NULL, MS_MOVE, NULL) < 0 ? do_failed("mount") : DONE;
}

int bind_private(char **words)
{
    return mount(words[0], words[1], NULL, MS_BIND | MS_PRIVATE, NULL) < 0 ? do_failed("mount")
                                                                           : DONE;
}

int move_mount_at(char **words)
{
    return move_mount(AT_FDCWD, words[0], AT_FDCWD, words[1], 0) < 0 ? do_failed("move_mount")
                                                                     : DONE;
}

int umount_at(char **words)
{
    return umount2(words[0], 0) < 0 ? do_failed("umount") : DONE;
}

int pivot(char **words)
{
    return syscall(SYS_pivot_root, words[0], words[1]) < 0 ? do_failed("pivot_root") : DONE;
}

static int put_file(int dir, const char *name)
{
    char byte;
    int fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    if (fd < 0 || write(fd, "secret\n", 7) != 7 || pread(fd, &byte, 1, 0) != 1)
        return do_failed(name);
    close(fd);
    // And once more by its name: what is in no place yet is nobody's business, and may be kept as such.
    fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return do_failed(name);
    close(fd);
    return DONE;
}

int mount_file(char **words)
{
    int dir, result;

    if (mount("none", words[0], "tmpfs", 0, NULL) < 0)
        return do_failed("mount");
    dir = open(words[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return do_failed(words[0]);
    result = put_file(dir, words[1]);
    close(dir);
    return result;
}

int mount_warm(char **words)
{
    int context = fsopen("tmpfs", FSOPEN_CLOEXEC), fd, result;

    if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return FAILED;
    fd = fsmount(context, FSMOUNT_CLOEXEC, 0);
    if (fd < 0)
        return FAILED;
    result = put_file(fd, words[1]);
    if (result != DONE)
        return result;
    if (move_mount(fd, "", AT_FDCWD, words[0], MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return do_failed("move_mount");
    return DONE;
}
