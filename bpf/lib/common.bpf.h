/* SPDX-License-Identifier: GPL-2.0-only */
/* What every kernel program includes: kernel types, helpers, the ABI. */
#ifndef SG_BPF_COMMON_H
#define SG_BPF_COMMON_H

#include "kernel.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "abi/policy.h"

#include "abi/event.h"
#include "abi/shared.h"

/* Constants of the kernel that are macros there and so not in BTF. */
#define EPERM              1
#define EEXIST             17
#define FMODE_READ         0x1u /* include/linux/fs.h */
#define FMODE_WRITE        0x2u
#define FMODE_EXEC         0x20u
#define O_TRUNC            01000
#define S_IFMT             00170000
#define S_IFCHR            0020000
#define S_IFDIR            0040000
#define SB_KERNMOUNT       (1ul << 22)
#define SB_NOUSER          (1ul << 31)
#define PF_KTHREAD         0x00200000u /* include/linux/sched.h */
#define PF_IO_WORKER       0x00000010u /* from 5.12 on; kernel threads before */
#define SIGKILL_NUMBER     9
#define SIGSTOP_NUMBER     19        /* x86, arm64 */
#define ATTR_MODE          (1u << 0) /* include/linux/fs.h */
#define ATTR_UID           (1u << 1)
#define ATTR_GID           (1u << 2)
#define ATTR_SIZE          (1u << 3)
#define ATTR_ATIME         (1u << 4)
#define ATTR_MTIME         (1u << 5)
#define ATTR_CTIME         (1u << 6)
#define ATTR_FORCE         (1u << 9)
#define MAY_WRITE          2
#define MAY_READ           4
#define MAY_APPEND         8
#define RENAME_EXCHANGE    (1u << 1) /* include/uapi/linux/fs.h */
#define FS_IOC_SETFLAGS    0x40086602u
#define FS_IOC32_SETFLAGS  0x40046602u
#define FS_IOC_FSSETXATTR  0x401c5820u
#define PTRACE_MODE_ATTACH 0x02u  /* include/linux/ptrace.h */
#define MS_REMOUNT         32ul   /* include/uapi/linux/mount.h */
#define MNT_SHARED         0x1000 /* include/linux/mount.h */
#define MS_BIND            4096ul
#define MS_MOVE            8192ul
#define MS_UNBINDABLE      (1ul << 17)
#define MS_PRIVATE         (1ul << 18)
#define MS_SLAVE           (1ul << 19)
#define MS_SHARED          (1ul << 20)

/*
 * A typed pointer as the number that it is, for global functions and keys: a copy through memory, since the verifier
 * keeps the type on every other way. Costs a helper call.
 */
static __always_inline __u64 sg_address(const void *pointer)
{
    __u64 address = 0;

    bpf_probe_read_kernel(&address, sizeof(address), &pointer);
    return address;
}

/*
 * Pointers that may be NULL where verifiers up to 6.12 take for granted that they are not (the inode of a dentry, the file
 * of a mapping): they would remove an ordinary test, and the program would fault. The test is made on the number.
 */
#define SG_OR_NULL(pointer)                                                        \
    ({                                                                             \
        typeof(pointer) typed = (pointer);                                         \
        sg_address(typed) && typed                                                 \
            ? typed                                                                \
            : NULL; /* later verifiers know, and want the ordinary test as well */ \
    })

/*
 * Programs are preempted, and what several would write to is claimed before. Whoever finds that it was the only one to add is
 * the owner; two at once both take theirs back and go on.
 */
static __always_inline int sg_claimed(__u64 *claims)
{
    __sync_fetch_and_add(claims, 1);
    if (*(volatile __u64 *)claims == 1)
        return 1;
    __sync_fetch_and_add(claims, -1);
    return 0;
}

static __always_inline void sg_unclaim(__u64 *claims)
{
    __sync_fetch_and_add(claims, -1);
}

#endif
