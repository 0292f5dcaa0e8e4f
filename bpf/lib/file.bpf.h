/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Decisions on accesses through a struct file, the long way. What an overlay opens beneath itself (up to 6.6) has the overlay's
 * path and the layer's inode: it is decided by a name of the inode's own, and nothing is kept of it.
 */
#ifndef SG_BPF_FILE_H
#define SG_BPF_FILE_H

#include "quick.bpf.h"

/* Any name of an inode, as an address; 0: it has none in memory. */
static __always_inline __u64 sg_alias_of(struct inode *inode)
{
    __u64 first;

    if (!bpf_core_field_exists(struct dentry, d_u.d_alias))
        return 0;
    first = (__u64)BPF_CORE_READ(inode, i_dentry.first);
    return first ? first - bpf_core_field_offset(struct dentry, d_u.d_alias) : 0;
}

/* Steps of their own: registers and stack that the quick way does not need would cost every access. */
static __always_inline __u64 sg_file_decide(struct file *file, __u32 ops, __u32 *ret_policy_id,
                                            bool storage)
{
    struct dentry *dentry = file->f_path.dentry;
    struct sg_request q = {.dentry = dentry,
                           .inode = file->f_inode,
                           .dir = storage ? sg_dir_of(dentry) : NULL,
                           .ops = ops};

    return sg_check(&q, storage, ret_policy_id);
}

static __noinline __u64 sg_file_decide_lsm(struct file *file, __u32 ops, __u32 *ret_policy_id)
{
    return sg_file_decide(file, ops, ret_policy_id, true);
}

static __noinline __u64 sg_file_decide_fmod(struct file *file, __u32 ops, __u32 *ret_policy_id)
{
    return sg_file_decide(file, ops, ret_policy_id, false);
}

/* The long way: what `quick`, a SG_QUICK_*, leaves open. */
static __always_inline __u64 sg_file_long(struct file *file, __u32 ops, __u64 quick,
                                          __u32 *ret_policy_id, bool storage)
{
    bool backing = sg_is_backing(file->f_inode, file->f_path.dentry);
    __u64 dentry = backing ? sg_alias_of(file->f_inode) : sg_address(file->f_path.dentry);
    __u64 inode = sg_address(file->f_inode), decision;

    if (!ops)
        ops = sg_ops_of_open(file);
    if (backing) {
        *ret_policy_id = sg_policy_now();
        decision = sg_decide_at(dentry, inode, ops, *ret_policy_id, SG_TRY_FIRST);
    } else {
        decision = storage ? sg_file_decide_lsm(file, ops, ret_policy_id)
                           : sg_file_decide_fmod(file, ops, ret_policy_id);
    }
    if (decision & SG_DECISION_AGAIN)
        decision = sg_decide_again(dentry, inode, ops, ret_policy_id);
    if (storage && quick == SG_QUICK_SUBJECT)
        sg_known_learn();
    return decision;
}

#endif
