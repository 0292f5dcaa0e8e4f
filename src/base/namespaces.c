// SPDX-License-Identifier: Apache-2.0
#include "base/namespaces.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macro.h"

// The one below the first on the way up from `fd`, which is taken; -1: `fd` is the first itself.
static int outermost(int fd)
{
    int below = -1;

    for (;;) {
        int parent = ioctl(fd, NS_GET_PARENT); // refused for the first one

        if (parent < 0) {
            (void)safe_close(fd);
            return below;
        }
        (void)safe_close(below);
        below = fd;
        fd = parent;
    }
}

bool process_contained(int pid_dir)
{
    _cleanup_close_ int pid_ns = -1, user_ns = -1;
    uid_t owner = UINT32_MAX;
    int fd = openat(pid_dir, "ns/pid", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    pid_ns = outermost(fd);
    if (pid_ns < 0)
        return false;
    fd = ioctl(pid_ns, NS_GET_USERNS);
    if (fd < 0)
        return false;
    user_ns = outermost(fd);
    return user_ns < 0 || (ioctl(user_ns, NS_GET_OWNER_UID, &owner) == 0 && owner == 0);
}

bool process_in_first_user_ns(int pid_dir)
{
    int fd = openat(pid_dir, "ns/user", O_RDONLY | O_CLOEXEC);
    _cleanup_close_ int below = -1;

    if (fd < 0)
        return true;
    below = outermost(fd);
    return below < 0;
}
