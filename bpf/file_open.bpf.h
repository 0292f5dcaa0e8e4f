/* SPDX-License-Identifier: GPL-2.0-only */
/* Files that are opened, received, mapped, truncated: accesses through a struct file. */
#ifndef SG_BPF_FILE_OPEN_H
#define SG_BPF_FILE_OPEN_H

#include "lib/hook.bpf.h"

/* The operations that an open asks for. What is opened for execution is not read by who executes it. */
static __always_inline __u32 sg_ops_of_open(struct file *file)
{
    __u32 mode = file->f_mode, flags = file->f_flags, ops = 0;

    if (flags & FMODE_EXEC)
        return SG_OP_EXEC;
    if (mode & FMODE_READ)
        ops |= SG_OP_READ;
    if (mode & FMODE_WRITE || flags & O_TRUNC)
        ops |= SG_OP_WRITE;
    return ops;
}

/*
 * Up to 6.7 the file that an overlay opens beneath itself has the overlay's path and the inode of the layer. What it is
 * worth is what one of the inode's own names is worth: the overlay holds one.
 */
static __always_inline int sg_is_backing(struct file *file)
{
    return file->f_inode != file->f_path.dentry->d_inode;
}

static __always_inline const char *sg_alias_of(struct inode *inode)
{
    struct hlist_node *first;

    if (!bpf_core_field_exists(struct dentry, d_u.d_alias))
        return NULL;
    first = BPF_CORE_READ(inode, i_dentry.first);
    return first ? (const char *)first - bpf_core_field_offset(struct dentry, d_u.d_alias) : NULL;
}

/* As sg_check(), of the name whose address is in q->text. */
static __noinline __u64 sg_check_backing(const struct sg_request *q, __u32 try,
                                         __u32 *ret_policy_id)
{
    struct sg_states states = {.policy_id = sg_policy_now()};
    __u64 answer;

    *ret_policy_id = states.policy_id;
    if (!states.policy_id || !q->inode)
        return SG_DECISION_NONE;
    answer = q->text ? sg_object_state((__u64)q->text, states.policy_id)
                     : SG_ANSWER_FAIL(SG_REASON_DISCONNECTED);
    if (SG_ANSWER_FAILED(answer))
        return sg_failed(q, states.policy_id, answer, try);
    states.state = (__u32)answer;
    if (q->inode->i_nlink > 1)
        sg_other_states(q, NULL, &states);
    return sg_decide_states(&states, q->ops, try == SG_TRY_LAST);
}

static __always_inline int sg_file_access(struct file *file, __u32 ops, __u16 hook, __u16 flags,
                                          bool storage)
{
    struct dentry *dentry = file->f_path.dentry;
    struct sg_request q = {
        .dentry = dentry, .inode = file->f_inode, .ops = ops, .hook = hook, .flags = flags};

    if (sg_is_backing(file)) {
        __u32 policy_id = 0;
        __u64 decision;

        q.text = sg_alias_of(file->f_inode);
        q.text_type = q.text ? SG_TEXT_IS_DENTRY : 0;
        decision = SG_TRY(sg_check_backing, &q);
        return SG_DECISION_VERDICT(decision) != SG_ALLOW && sg_conclude(&q, decision, policy_id);
    }
    if (storage)
        q.dir = sg_dir_of(dentry);
    return sg_access(&q, storage);
}

/* Known to be no rule's business: nothing in its directory is, or this very name is not. */
static __always_inline int sg_open_is_dead(struct file *file)
{
    struct dentry *dentry = file->f_path.dentry, *parent = dentry->d_parent;
    struct inode *inode = file->f_inode;
    const struct sg_node *node;
    union sg_generation g;

    if (parent == dentry || (inode->i_nlink > 1 && (inode->i_mode & S_IFMT) != S_IFDIR))
        return 0;
    node = bpf_inode_storage_get(&sg_nodes, parent->d_inode, 0, 0);
    if (!node)
        return 0;
    g.both = sg_generation.both;
    if (node->dir == SG_DIR_WORD(g, 0))
        return 1;
    node = bpf_inode_storage_get(&sg_nodes, inode, 0, 0);
    return node &&
           node->leaf == sg_leaf_digest(g.both, (__u64)parent - (__u64)inode, sg_hash_len(dentry));
}

static __always_inline int sg_on_open(struct file *file, bool storage)
{
    if (storage && sg_typed && !sg_is_backing(file) && sg_open_is_dead(file))
        return 0;
    return sg_file_access(file, sg_ops_of_open(file), SG_HOOK_file_open, 0, storage);
}

SG_PROGRAMS(file_open, file_open, sg_on_open(file, storage), struct file *file)

/* A descriptor that comes from somebody else gives no more than its new owner could open. */
static __always_inline int sg_on_receive(struct file *file, bool storage)
{
    __u32 ops = sg_ops_of_open(file) & (SG_OP_READ | SG_OP_WRITE);

    return ops && sg_file_access(file, ops, SG_HOOK_file_receive, SG_RECORD_INHERITED, storage);
}

SG_PROGRAMS(file_receive, file_receive, sg_on_receive(file, storage), struct file *file)

/* Attached only while descriptors exist that were opened before the rule that denies them. */
static __always_inline int sg_on_permission(struct file *file, int mask, bool storage)
{
    __u32 ops = 0;

    if (mask & (MAY_WRITE | MAY_APPEND))
        ops |= SG_OP_WRITE;
    if (mask & MAY_READ)
        ops |= SG_OP_READ;
    return ops && sg_file_access(file, ops, SG_HOOK_file_permission, SG_RECORD_INHERITED, storage);
}

SG_PROGRAMS(file_permission, file_permission, sg_on_permission(file, mask, storage),
            struct file *file, int mask)

static __always_inline int sg_on_map(struct file *file, __u16 hook, bool storage)
{
    return sg_address(file) && file && sg_file_access(file, SG_OP_MMAP, hook, 0, storage);
}

SG_PROGRAMS(mmap_file, mmap_file, sg_on_map(file, SG_HOOK_mmap_file, storage), struct file *file)
SG_PROGRAMS(file_mprotect, file_mprotect, sg_on_map(vma->vm_file, SG_HOOK_file_mprotect, storage),
            struct vm_area_struct *vma)

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

/* Inode flags (immutable, append only …) change by ioctl. */
static __always_inline int sg_on_ioctl(struct file *file, unsigned int cmd, __u16 hook,
                                       bool storage)
{
    if (cmd != FS_IOC_SETFLAGS && cmd != FS_IOC32_SETFLAGS && cmd != FS_IOC_FSSETXATTR)
        return 0;
    return sg_file_access(file, SG_OP_CHMOD, hook, 0, storage);
}

SG_PROGRAMS(file_ioctl, file_ioctl, sg_on_ioctl(file, cmd, SG_HOOK_file_ioctl, storage),
            struct file *file, unsigned int cmd)
SG_PROGRAMS(file_ioctl_compat, file_ioctl_compat,
            sg_on_ioctl(file, cmd, SG_HOOK_file_ioctl_compat, storage), struct file *file,
            unsigned int cmd)

#endif
