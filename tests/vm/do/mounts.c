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
