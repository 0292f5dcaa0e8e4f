// SPDX-License-Identifier: Apache-2.0
#include "files/times.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include "base/clock.h"
#include "base/macro.h"

// A tick, twice.
#define LAG_NS INT64_C(20000000)

// Of fs/xfs/libxfs/xfs_format.h.
#define XFS_MAGIC 0x58465342

static const uint32_t telling[] = {
    EXT4_SUPER_MAGIC, // ext2 and ext3, too
    XFS_MAGIC,
    BTRFS_SUPER_MAGIC,
    F2FS_SUPER_MAGIC,
    EROFS_SUPER_MAGIC_V1,
    SQUASHFS_MAGIC,
    ISOFS_SUPER_MAGIC,     // nobody writes to these
    OVERLAYFS_SUPER_MAGIC, // says what the file system beneath says, which is not asked
};

bool times_tell(int fd)
{
    struct statfs fs;

    if (fstatfs(fd, &fs) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(telling); i++)
        if ((uint32_t)fs.f_type == telling[i])
            return true;
    return false;
}

bool times_settled(int64_t ctime_ns, uint64_t at_ns)
{
    int64_t lag = LAG_NS + (ctime_ns % (int64_t)NS_PER_SEC == 0 ? (int64_t)NS_PER_SEC : 0);

    return ctime_ns + lag <= (int64_t)at_ns;
}
