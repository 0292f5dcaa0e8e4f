/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Decisions on files that were met before, without a look at the image: from what is kept with the directory, the file
 * and the task. Programs of type fmod_ret have no more of it than the table of dead directories.
 *
 * All that is used must be of one policy: the words of nodes, the sums in them and the keys of tasks carry its generation.
 */
#ifndef SG_BPF_QUICK_H
#define SG_BPF_QUICK_H

#include "known.bpf.h"
#include "object.bpf.h"

#define SG_QUICK_UNKNOWN SG_DECISION_RETRY   /* only the long way knows */
#define SG_QUICK_SUBJECT SG_DECISION_SUBJECT /* … and the task is to be remembered */

/*
 * The operations that an open asks for, by its flags: its f_mode never has more. What is opened for execution is not read by
 * who executes it.
 */
static __always_inline __u32 sg_ops_of_open(const struct file *file)
{
    __u32 flags = file->f_flags;

    _Static_assert(SG_OP_READ == FMODE_READ && SG_OP_WRITE == FMODE_WRITE &&
                       O_TRUNC == SG_OP_WRITE << 8,
                   "the bits that they are");
    if (flags & FMODE_EXEC)
        return SG_OP_EXEC | SG_OP_LAUNCH;
    return ((flags + 1) & (SG_OP_READ | SG_OP_WRITE)) | (flags >> 8 & SG_OP_WRITE);
}

/* Decides by the rules that are kept with a file: as sg_decide() does by those in the image. */
static __always_inline __u64 sg_quick_decide(const __u64 *rules, __u64 ops, __u64 generation)
{
    __u64 best = SG_DECISION_NONE, pending = ops;

#pragma unroll
    for (int i = 0; i < SG_NODE_RULES; i++) {
        __u64 entry = rules[i], decides = entry >> 16 & pending, pred = entry & (SG_PREDS_MAX - 1),
              verdict = entry >> 48 & 0xff, preds;

        if (!decides)
            continue;
        if (pred) {
            if (!sg_known(pred, generation, &preds))
                return SG_QUICK_SUBJECT;
            if (!(preds >> (pred % 64) & 1))
                continue;
        }
        pending &= ~SG_TAKES(decides);
        if (verdict)
            best = sg_stronger(best,
                               SG_DECISION(sg_strength(verdict, entry >> 56), entry >> 32 & 0xffff,
                                           verdict, entry >> 56, decides));
    }
    return best;
}

/*
 * The decision on an access through `file`, of which `dentry` is the name, by what is kept with its inode. `ops` 0: as it was
 * opened. SG_DECISION_NONE: it passes, and nobody wants to know; SG_QUICK_*: not known here.
 *
 * Rules are bound to a dentry of the inode: for a file that an overlay opened beneath itself there are none.
 */
static __noinline __u64 sg_quick_live(struct file *file, struct dentry *dentry, __u64 ops,
                                      __u32 *ret_policy_id)
{
    struct inode *inode = file->f_inode;
    __u64 generation = sg_generation, decision, rules[SG_NODE_RULES];
    const struct sg_node *node = bpf_inode_storage_get(&sg_nodes, inode, 0, 0);
    __u32 policy_id;

    *ret_policy_id = 0;
    if (!node)
        return SG_QUICK_UNKNOWN;
    for (int i = 0; i < SG_NODE_RULES; i++)
        rules[i] = *(volatile __u64 *)&node->rules[i];
    if (*(volatile __u64 *)&node->quick !=
        sg_quick_check(generation, (__u64)dentry - (__u64)inode, dentry->d_name.hash, rules))
        return SG_QUICK_UNKNOWN;
    decision = sg_quick_decide(rules, ops ? ops : sg_ops_of_open(file), generation);
    if (decision == SG_DECISION_NONE)
        return decision;
    /* The whole number, of which the generation has the lowest bits: they differ while the sensor writes them. */
    policy_id = sg_policy_id;
    *ret_policy_id = policy_id;
    return generation == sg_generation_by(generation, policy_id) ? decision : SG_QUICK_UNKNOWN;
}

/* Is the name a root, or one of several names? Then the directory says nothing. */
static __always_inline int sg_quick_cannot(const struct inode *inode, const struct dentry *dentry,
                                           const struct dentry *parent)
{
    return parent == dentry || (inode->i_nlink > 1 && (inode->i_mode & S_IFMT) != S_IFDIR);
}

/*
 * Does the directory alone, or with the first byte of the name, say that an access is no rule's business? Each load through a
 * pointer that was walked to is checked, at the cost of several; each register that has to outlive a call costs two.
 */
static __always_inline int sg_quick_dead(const struct file *file, struct dentry *dentry,
                                         struct dentry *parent, bool storage)
{
    const struct sg_node *dir;
    __u64 generation;

    if (!storage || !sg_typed)
        return sg_dead_known(parent, sg_generation) && !sg_is_backing(file->f_inode, dentry);
    dir = bpf_inode_storage_get(&sg_nodes, parent->d_inode, 0, 0);
    if (!dir)
        return 0;
    generation = sg_generation;
    if (dir->dir == generation)
        return 1;
    if (dir->more != generation)
        return 0;
    return sg_first_is_dead(dir, dentry, generation) ||
           (sg_opens_beneath() && dir->stacked == generation &&
            !sg_is_backing(file->f_inode, dentry));
}

#endif
