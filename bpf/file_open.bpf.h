/* SPDX-License-Identifier: GPL-2.0-only */
/* Files that are opened, received, truncated: accesses through a struct file. */
#ifndef SG_BPF_FILE_OPEN_H
#define SG_BPF_FILE_OPEN_H

#include "lib/exec.bpf.h"
#include "lib/file.bpf.h"
#include "lib/hook.bpf.h"

/* What was asked for; of a mapping that becomes executable, which is asked for twice, what was decided. */
static __always_inline __u32 sg_ops_recorded(const struct file *file, __u32 ops, __u64 decision)
{
    if (!ops)
        ops = sg_ops_of_open(file);
    if (ops & SG_OP_LOAD)
        ops &= SG_DECISION_OPS(decision);
    return ops & ~SG_OP_LAUNCH;
}

/* What opened, mapped or received files are refused, or recorded, for. */
static __always_inline int sg_file_conclude(struct file *file, __u32 ops, __u32 hook_flags,
                                            __u64 decision, __u32 policy_id, bool storage)
{
    struct sg_request q = {.dentry = file->f_path.dentry,
                           .inode = file->f_inode,
                           .ops = sg_ops_recorded(file, ops, decision),
                           .hook = (__u16)hook_flags,
                           .flags = hook_flags >> 16};

    if (sg_is_backing(file->f_inode, file->f_path.dentry)) {
        q.text = (const char *)sg_alias_of(file->f_inode);
        q.text_type = q.text ? SG_TEXT_IS_DENTRY : 0;
    }
    return sg_conclude(&q, decision, policy_id, storage);
}

static __noinline int sg_file_conclude_lsm(struct file *file, __u32 ops, __u32 hook_flags,
                                           __u64 decision, __u32 policy_id)
{
    return sg_file_conclude(file, ops, hook_flags, decision, policy_id, true);
}

static __noinline int sg_file_conclude_fmod(struct file *file, __u32 ops, __u32 hook_flags,
                                            __u64 decision, __u32 policy_id)
{
    return sg_file_conclude(file, ops, hook_flags, decision, policy_id, false);
}

static __noinline __u64 sg_file_long_lsm(struct file *file, __u32 ops, __u64 quick,
                                         __u32 *ret_policy_id)
{
    return sg_file_long(file, ops, quick, ret_policy_id, true);
}

/* Is it a rule about programs that decided? Then it is told by the record of the exec. */
static __always_inline int sg_is_launch(__u64 decision)
{
    return SG_DECISION_OPS(decision) & SG_OP_LAUNCH;
}

/* What such a rule says about a file that is opened for execution (ops 0), or mapped for it. */
static __noinline int sg_file_launch(struct file *file, __u32 ops, __u32 hook_flags, __u64 decision,
                                     __u32 policy_id)
{
    if (!ops)
        return sg_exec_conclude(file, hook_flags, decision, policy_id);
    if (SG_DECISION_VERDICT(decision) < SG_DENY)
        return 0;
    return sg_file_conclude_fmod(file, ops, hook_flags, decision, policy_id);
}

/* SG_QUICK_UNKNOWN, of which a verifier knows nothing: it would go through what follows once more for this number. */
__noinline __u64 sg_quick_unknown(void)
{
    __u64 decision = SG_QUICK_UNKNOWN;

    asm volatile("" : "+r"(decision));
    return decision;
}

/* For programs of type LSM. What is no rule's business ends in the program itself, which therefore needs few registers. */
static __always_inline int sg_file_access_lsm(struct file *file, __u32 ops, __u32 hook_flags)
{
    struct dentry *dentry = file->f_path.dentry, *parent = dentry->d_parent;
    __u32 policy_id;
    __u64 decision;

    if (sg_quick_cannot(file->f_inode, dentry, parent)) {
        decision = sg_quick_unknown();
        policy_id = 0;
    } else if (sg_quick_dead(file, dentry, parent, true)) {
        return 0;
    } else {
        decision = sg_quick_live(file, dentry, ops, &policy_id);
        if (decision == SG_DECISION_NONE)
            return 0;
    }
    if (decision & SG_DECISION_AGAIN)
        decision = sg_file_long_lsm(file, ops, decision, &policy_id);
    if (sg_is_launch(decision))
        return sg_file_launch(file, ops, hook_flags, decision, policy_id);
    return SG_DECISION_VERDICT(decision) != SG_ALLOW &&
           sg_file_conclude_lsm(file, ops, hook_flags, decision, policy_id);
}

static __always_inline int sg_file_access_fmod(struct file *file, __u32 ops, __u32 hook_flags)
{
    struct dentry *dentry = file->f_path.dentry, *parent = dentry->d_parent;
    __u32 policy_id = 0;
    __u64 decision;

    if (!sg_quick_cannot(file->f_inode, dentry, parent) &&
        sg_quick_dead(file, dentry, parent, false))
        return 0;
    decision = sg_file_long(file, ops, SG_QUICK_UNKNOWN, &policy_id, false);
    if (sg_is_launch(decision))
        return sg_file_launch(file, ops, hook_flags, decision, policy_id);
    return SG_DECISION_VERDICT(decision) != SG_ALLOW &&
           sg_file_conclude_fmod(file, ops, hook_flags, decision, policy_id);
}

/* An access through a file, to be refused? `ops` 0: as it was opened. */
static __always_inline int sg_file_access(struct file *file, __u32 ops, __u16 hook, __u16 flags,
                                          bool storage)
{
    __u32 hook_flags = hook | (__u32)flags << 16;

    return storage ? sg_file_access_lsm(file, ops, hook_flags)
                   : sg_file_access_fmod(file, ops, hook_flags);
}

SG_PROGRAMS(file_open, file_open,
            SG_CRED_ALSO(SG_CRED_FILES, SG_HOOK_file_open) ||
                sg_file_access(file, 0, SG_HOOK_file_open, 0, storage),
            struct file *file)

/* A descriptor that comes from somebody else gives no more than its new owner could open. */
static __always_inline int sg_on_receive(struct file *file, bool storage)
{
    __u32 ops = file->f_mode & (FMODE_READ | FMODE_WRITE); /* as bits of ops; O_PATH has none */

    return ops && sg_file_access(file, ops, SG_HOOK_file_receive, SG_RECORD_INHERITED, storage);
}

SG_PROGRAMS(file_receive, file_receive, sg_on_receive(file, storage), struct file *file)

/* Attached only while descriptors exist that were opened before the rule that denies them. */
static __always_inline int sg_on_permission(struct file *file, int mask, bool storage)
{
    __u32 ops = 0;

    if (mask & (MAY_WRITE | MAY_APPEND))
        ops |= SG_OP_WRITE;
    /* The kernel reads what it is about to execute. */
    if (mask & MAY_READ)
        ops |= file->f_flags & FMODE_EXEC ? SG_OP_EXEC : SG_OP_READ;
    return ops && !sg_stays_open(file->f_inode) &&
           sg_file_access(file, ops, SG_HOOK_file_permission, SG_RECORD_INHERITED, storage);
}

SG_PROGRAMS(file_permission, file_permission, sg_on_permission(file, mask, storage),
            struct file *file, int mask)

/* Descriptors that can write may truncate; what opens with O_TRUNC is truncated here, too. */
SG_PROGRAMS(file_truncate, file_truncate,
            sg_file_access(file, SG_OP_WRITE, SG_HOOK_file_truncate, 0, storage), struct file *file)

static __always_inline int sg_on_path_truncate(const struct path *path, bool storage)
{
    struct dentry *dentry = path->dentry;
    struct sg_request q = {.dentry = dentry,
                           .inode = dentry->d_inode,
                           .ops = SG_OP_WRITE,
                           .hook = SG_HOOK_path_truncate};

    if (storage)
        q.dir = sg_dir_of(dentry);
    return q.inode && sg_access(&q, storage);
}

SG_PROGRAMS(path_truncate, path_truncate, sg_on_path_truncate(path, storage),
            const struct path *path)

/* As ext4 numbers it on 64 and 32 bits, and as everybody else does. */
#define EXT4_IOC_SETVERSION   0x40086604u
#define EXT4_IOC32_SETVERSION 0x40046604u
#define FS_IOC_SETVERSION     0x40087602u
#define FS_IOC32_SETVERSION   0x40047602u
/* Content changes places with that of an inode that no name leads to, and from there with that of any file; needs a descriptor
 * for writing alone. Both get a new generation. */
#define EXT4_IOC_SWAP_BOOT    0x6611u

/* What pins of other names go by, see struct sg_pin_key: so these hooks are attached, too, where no rule is about chmod. */
static __always_inline int sg_sets_generation(unsigned int cmd)
{
    return cmd == EXT4_IOC_SETVERSION || cmd == EXT4_IOC32_SETVERSION || cmd == FS_IOC_SETVERSION ||
           cmd == FS_IOC32_SETVERSION || cmd == EXT4_IOC_SWAP_BOOT;
}

/*
 * Refused to everybody on file systems that the policy knows, where it enforces anything: whoever owns a file could have it
 * forgotten what its other names are worth. Whether the file has such names does not matter: the new number can be kept from
 * the kernel, behind this question, until the file has them. None but chattr -v asks, of ext2 and of ext4 without check sums,
 * and boot loaders' installers, of ext4.
 */
static __noinline int sg_keep_generation(struct file *file, __u16 hook)
{
    struct sg_request q = {.dentry = file->f_path.dentry,
                           .inode = file->f_inode,
                           .ops = SG_OP_CHMOD,
                           .hook = hook};
    const struct sg_image *header = sg_header_now();
    __u64 decision = SG_DECISION(4, SG_RULE_NONE, SG_DENY, 0, SG_OP_CHMOD) |
                     (__u64)SG_REASON_GENERATION << 16;
    __u32 policy_id;

    if (!header || !(header->needs & SG_NEED_GUARD))
        return 0;
    policy_id = header->policy_id;
    return sg_root_state(q.inode->i_sb, policy_id) && sg_conclude(&q, decision, policy_id, false);
}

/* Inode flags (immutable, append only …) change by ioctl. */
static __always_inline int sg_on_ioctl(struct file *file, unsigned int cmd, __u16 hook,
                                       bool storage)
{
    if (sg_sets_generation(cmd)) {
        if (sg_keep_generation(file, hook))
            return 1;
    } else if (cmd != FS_IOC_SETFLAGS && cmd != FS_IOC32_SETFLAGS && cmd != FS_IOC_FSSETXATTR) {
        return 0;
    }
    return sg_file_access(file, SG_OP_CHMOD, hook, 0, storage);
}

SG_PROGRAMS(file_ioctl, file_ioctl, sg_on_ioctl(file, cmd, SG_HOOK_file_ioctl, storage),
            struct file *file, unsigned int cmd)
SG_PROGRAMS(file_ioctl_compat, file_ioctl_compat,
            sg_on_ioctl(file, cmd, SG_HOOK_file_ioctl_compat, storage), struct file *file,
            unsigned int cmd)

#endif
