/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Decisions on files that were met before, without a look at the image: from what is kept with the directory, the file
 * and the task. For LSM programs on kernels that let inode storage be asked with what was walked to (sg_typed).
 *
 * All that is used must be of one policy: the words of the nodes carry its generation, and the task's entry its number.
 */
#ifndef SG_BPF_QUICK_H
#define SG_BPF_QUICK_H

#include "known.bpf.h"
#include "object.bpf.h"

#define SG_QUICK_UNKNOWN SG_DECISION_RETRY   /* only the long way knows */
#define SG_QUICK_SUBJECT SG_DECISION_SUBJECT /* … and the task is to be remembered */

/*
 * Up to 6.6 the file that an overlay opens beneath itself has the overlay's path and the inode of the layer. What it is
 * worth is what one of the inode's own names is worth: the overlay holds one.
 */
static __always_inline int sg_is_backing(const struct inode *inode, const struct dentry *dentry)
{
    return !bpf_core_field_exists(struct backing_file, user_path) && inode != dentry->d_inode;
}

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

/* Decides by the rules that are kept with a file: as sg_decide() does by those in the image. */
static __always_inline __u64 sg_quick_decide(const __u64 *rules, __u32 ops, __u32 policy_id)
{
    const struct sg_task *task = NULL;
    __u64 best = SG_DECISION_NONE, pending = ops;

#pragma unroll
    for (int i = 0; i < SG_NODE_RULES; i++) {
        __u64 entry = rules[i], decides = entry >> 16 & pending, pred = entry & (SG_PREDS_MAX - 1),
              verdict = entry >> 48 & 0xff;

        if (!decides)
            continue;
        if (pred) {
            if (!task)
                task = sg_task_known(policy_id);
            if (!task)
                return SG_QUICK_SUBJECT;
            if (!(task->preds[pred / 64] >> (pred % 64) & 1))
                continue;
        }
        pending &= ~decides;
        if (verdict)
            best = sg_stronger(best,
                               SG_DECISION(sg_strength(verdict, entry >> 56), entry >> 32 & 0xffff,
                                           verdict, entry >> 56, decides));
    }
    return best;
}

/*
 * The decision on an access through `file`, of whose live directory `dir` is the node. `ops` 0: as it was opened.
 * SG_DECISION_NONE: it passes, and nobody wants to know; SG_QUICK_*: not known here.
 */
static __noinline __u64 sg_quick_live(struct file *file, const struct sg_node *dir, __u32 ops,
                                      __u32 *ret_policy_id)
{
    struct dentry *dentry = file->f_path.dentry;
    struct inode *inode = file->f_inode;
    __u64 generation = sg_generation, leaf, rules[SG_NODE_RULES];
    const struct sg_node *node;
    __u32 policy_id;

    *ret_policy_id = 0;
    if (!sg_word_is_of(dir->dir, generation))
        return SG_QUICK_UNKNOWN;
    node = bpf_inode_storage_get(&sg_nodes, inode, 0, 0);
    if (!node)
        return SG_QUICK_UNKNOWN;
    leaf = *(volatile __u64 *)&node->leaf;
    if (!sg_word_is_of(leaf, generation))
        return SG_QUICK_UNKNOWN;
    for (int i = 0; i < SG_NODE_RULES; i++)
        rules[i] = *(volatile __u64 *)&node->rules[i];
    if (*(volatile __u64 *)&node->check !=
        sg_leaf_check(leaf, (__u64)dentry->d_parent - (__u64)inode, sg_hash_len(dentry), rules))
        return SG_QUICK_UNKNOWN;
    if (leaf == generation)
        return SG_DECISION_NONE;
    /* The whole number, of which the generation has the lowest bits: they differ while the sensor writes them. */
    policy_id = sg_policy_id;
    if (generation != sg_generation_by(generation, policy_id) || rules[0] == SG_RULES_MORE)
        return SG_QUICK_UNKNOWN;
    *ret_policy_id = policy_id;
    return sg_quick_decide(rules, ops ? ops : sg_ops_of_open(file), policy_id);
}

/*
 * The node of the directory that decides about an access through `file`; NULL: the long way has to. Everything is read once:
 * each load through a pointer that was walked to is checked, at the cost of several.
 */
static __always_inline const struct sg_node *sg_quick_dir(struct file *file, struct dentry *dentry)
{
    struct dentry *parent = dentry->d_parent;
    struct inode *inode = file->f_inode;

    /* A file that an overlay opened beneath itself; compilers would make a flag of it and test that. */
    if (sg_is_backing(inode, dentry)) {
        asm volatile("");
        return NULL;
    }
    /* A root; other names than this one. */
    if (parent == dentry || (inode->i_nlink > 1 && (inode->i_mode & S_IFMT) != S_IFDIR))
        return NULL;
    return bpf_inode_storage_get(&sg_nodes, parent->d_inode, 0, 0);
}

#endif
