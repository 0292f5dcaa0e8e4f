/* SPDX-License-Identifier: GPL-2.0-only */
/* Names that come, go and move: create, mkdir, mknod, symlink, link, unlink, rmdir, rename. */
#ifndef SG_BPF_FILE_NAME_H
#define SG_BPF_FILE_NAME_H

#include "lib/hook.bpf.h"

/* A new name in a directory. The dentry has no inode yet. */
static __always_inline int sg_on_create(struct inode *dir, struct dentry *dentry,
                                        const char *target, __u16 hook, bool storage)
{
    struct sg_request q = {.dentry = dentry,
                           .dir = dir,
                           .ops = SG_OP_CREATE,
                           .hook = hook,
                           .text = target,
                           .text_type = SG_FIELD_PATH2};

    if (storage && sg_dir_is_dead(dir))
        return 0;
    return sg_access(&q, storage);
}

SG_PROGRAMS(inode_create, inode_create,
            sg_on_create(dir, dentry, NULL, SG_HOOK_inode_create, storage), struct inode *dir,
            struct dentry *dentry)
SG_PROGRAMS(inode_mkdir, inode_mkdir, sg_on_create(dir, dentry, NULL, SG_HOOK_inode_mkdir, storage),
            struct inode *dir, struct dentry *dentry)
SG_PROGRAMS(inode_mknod, inode_mknod, sg_on_create(dir, dentry, NULL, SG_HOOK_inode_mknod, storage),
            struct inode *dir, struct dentry *dentry)
SG_PROGRAMS(inode_symlink, inode_symlink,
            sg_on_create(dir, dentry, target, SG_HOOK_inode_symlink, storage), struct inode *dir,
            struct dentry *dentry, const char *target)

/* A name that goes. */
static __always_inline int sg_on_remove(struct inode *dir, struct dentry *dentry, __u16 hook,
                                        bool storage)
{
    struct inode *inode = dentry->d_inode;
    struct sg_request q = {
        .dentry = dentry, .inode = inode, .dir = dir, .ops = SG_OP_DELETE, .hook = hook};

    if (!inode)
        return 0;
    if (storage && inode->i_nlink <= 1 && sg_dir_is_dead(dir))
        return 0;
    return sg_access(&q, storage);
}

SG_PROGRAMS(inode_unlink, inode_unlink, sg_on_remove(dir, dentry, SG_HOOK_inode_unlink, storage),
            struct inode *dir, struct dentry *dentry)
SG_PROGRAMS(inode_rmdir, inode_rmdir, sg_on_remove(dir, dentry, SG_HOOK_inode_rmdir, storage),
            struct inode *dir, struct dentry *dentry)

/* Keeps what an object's names are worth, for when it is met by another of them. False: the table is full. */
static __always_inline int sg_pin(struct inode *inode, const struct sg_states *s, __u32 more)
{
    struct sg_pin_key key = {.policy_id = s->policy_id,
                             .ino = inode->i_ino,
                             .dev = inode->i_sb->s_dev};
    struct sg_pin fresh = {}, *pin = bpf_map_lookup_elem(&sg_pins, &key);
    __u32 wanted[2] = {s->state, more};

    if (!s->state && !more)
        return 1;
    if (!pin) {
        fresh.state[0] = s->state;
        fresh.state[1] = more;
        if (!bpf_map_update_elem(&sg_pins, &key, &fresh, BPF_NOEXIST))
            return 1;
        pin = bpf_map_lookup_elem(&sg_pins, &key);
        if (!pin)
            return 0;
    }
    for (int w = 0; w < 2; w++) {
        int done = !wanted[w];

        for (int i = 0; i < SG_PIN_STATES && !done; i++) {
            if (!pin->state[i])
                pin->state[i] = wanted[w];
            done = pin->state[i] == wanted[w];
        }
        if (!done)
            return 0;
    }
    return 1;
}

/*
 * One direction of a change of names: `from` gets, or is about to have, the name `to`.
 * Finds the states of both under one policy.
 */
static __always_inline __u64 sg_both_states(const struct sg_request *from,
                                            const struct sg_request *to, bool storage,
                                            struct sg_states *ret_from, struct sg_states *ret_to)
{
    __u64 answer;

    ret_from->policy_id = ret_to->policy_id = sg_policy_now();
    if (!ret_from->policy_id)
        return 0;
    answer = sg_find_states(from, storage, ret_from);
    if (!answer)
        answer = sg_find_states(to, storage, ret_to);
    return answer;
}

static __always_inline int sg_is_dir(const struct inode *inode)
{
    return (inode->i_mode & S_IFMT) == S_IFDIR;
}

/* After the rules on the names themselves: would the object leave, or what is beneath it enter, the reach of a rule? */
static __always_inline __u64 sg_relabel(const struct sg_request *from, const struct sg_states *a,
                                        const struct sg_states *b, __u32 anybody)
{
    __u64 decision = sg_relabel_states(a, anybody);

    if (decision == SG_DECISION_NONE && sg_is_dir(from->inode))
        decision = sg_relabel_states(b, anybody);
    return SG_DECISION_VERDICT(decision) >= SG_DENY || decision & SG_DECISION_AGAIN
               ? decision
               : SG_DECISION_NONE;
}

/* What changes with the names, once nobody objects: cached places beneath a directory, a file with a further name. */
static __always_inline int sg_note_change(const struct sg_request *from, const struct sg_states *a,
                                          const struct sg_states *b, bool moves)
{
    if (a->state == b->state)
        return 1;
    if (!moves)
        return sg_pin(from->inode, a, b->state);
    if (sg_is_dir(from->inode) &&
        sg_enter(a->policy_id, a->state) != sg_enter(b->policy_id, b->state)) {
        __u64 key = sg_address(from->dentry), one = 1;

        bpf_map_update_elem(&sg_moves, &key, &one, BPF_ANY);
        sg_forget_states();
    }
    return 1;
}

/* Decides a change of names: the old name's rules, the new name's, and whether the object may change its place. */
static __always_inline __u64 sg_change_of_name(const struct sg_request *from,
                                               const struct sg_request *to, bool storage,
                                               bool moves, __u32 try, __u32 *ret_policy_id)
{
    struct sg_states a = {}, b = {};
    __u64 answer = sg_both_states(from, to, storage, &a, &b), decision;
    __u32 anybody = try == SG_TRY_LAST;

    *ret_policy_id = a.policy_id;
    if (answer)
        return sg_failed(from, a.policy_id, answer, try);
    if (!a.policy_id)
        return SG_DECISION_NONE;
    decision = sg_decide_states(&a, from->ops, anybody);
    decision = sg_stronger(decision, sg_decide_states(&b, to->ops, anybody));
    if (a.state != b.state)
        decision = sg_stronger(decision, sg_relabel(from, &a, &b, anybody));
    if (decision & SG_DECISION_AGAIN || sg_decision_refuses(decision))
        return decision;
    if (!sg_note_change(from, &a, &b, moves)) {
        sg_count(SG_COUNT_PIN_FULL);
        return sg_unresolved(from, a.policy_id, SG_REASON_MEMORY);
    }
    return decision;
}

#define SG_CHANGE_OF_NAME(what, storage, moves)                                              \
    static __noinline __u64 what(const struct sg_request *from, const struct sg_request *to, \
                                 __u32 try, __u32 *ret_policy_id)                            \
    {                                                                                        \
        return sg_change_of_name(from, to, storage, moves, try, ret_policy_id);              \
    }

SG_CHANGE_OF_NAME(sg_move_lsm, true, true)
SG_CHANGE_OF_NAME(sg_move_fmod, false, true)
SG_CHANGE_OF_NAME(sg_link_lsm, true, false)
SG_CHANGE_OF_NAME(sg_link_fmod, false, false)

/* One record for both names: the strongest of what was decided. */
#define SG_NAMES(what, from, to)                                                          \
    ({                                                                                    \
        __u32 policy_id = 0;                                                              \
        __u64 outcome = SG_TRY(what, from, to);                                           \
        SG_DECISION_VERDICT(outcome) != SG_ALLOW &&sg_conclude(from, outcome, policy_id); \
    })

static __always_inline int sg_on_link(struct dentry *old, struct inode *dir, struct dentry *new,
                                      bool storage)
{
    struct inode *inode = old->d_inode;
    struct sg_request from = {.dentry = old,
                              .inode = inode,
                              .ops = SG_OP_LINK,
                              .hook = SG_HOOK_inode_link,
                              .dentry2 = new};
    struct sg_request to = {
        .dentry = new, .dir = dir, .ops = SG_OP_CREATE, .hook = SG_HOOK_inode_link, .dentry2 = old};

    if (!inode)
        return 0;
    if (storage) {
        from.dir = sg_dir_of(old);
        if (inode->i_nlink <= 1 && sg_dir_is_dead(from.dir) && sg_dir_is_dead(dir))
            return 0;
    }
    return storage ? SG_NAMES(sg_link_lsm, &from, &to) : SG_NAMES(sg_link_fmod, &from, &to);
}

SG_PROGRAMS(inode_link, inode_link, sg_on_link(old_dentry, dir, new_dentry, storage),
            struct dentry *old_dentry, struct inode *dir, struct dentry *new_dentry)

static __always_inline int sg_on_rename(struct inode *old_dir, struct dentry *old,
                                        struct inode *new_dir, struct dentry *new, bool storage)
{
    struct inode *inode = old->d_inode, *replaced = SG_OR_NULL(new->d_inode);
    struct sg_request from = {.dentry = old,
                              .inode = inode,
                              .dir = old_dir,
                              .ops = SG_OP_RENAME,
                              .hook = SG_HOOK_inode_rename,
                              .dentry2 = new};
    struct sg_request to = {.dentry = new,
                            .inode = replaced,
                            .dir = new_dir,
                            .ops = SG_OP_CREATE,
                            .hook = SG_HOOK_inode_rename,
                            .dentry2 = old};

    if (!inode)
        return 0;
    if (storage && inode->i_nlink <= 1 && (!replaced || replaced->i_nlink <= 1) &&
        sg_dir_is_dead(old_dir) && sg_dir_is_dead(new_dir))
        return 0;
    if (replaced)
        to.ops |= SG_OP_DELETE;
    return storage ? SG_NAMES(sg_move_lsm, &from, &to) : SG_NAMES(sg_move_fmod, &from, &to);
}

SG_LSM(inode_rename, inode_rename, sg_on_rename(old_dir, old_dentry, new_dir, new_dentry, storage),
       struct inode *old_dir, struct dentry *old_dentry, struct inode *new_dir,
       struct dentry *new_dentry)

/* The LSM hook is called once for each direction of an exchange; security_inode_rename is called once. */
SG_FMOD(inode_rename, inode_rename,
        sg_on_rename(old_dir, old_dentry, new_dir, new_dentry, storage) ||
            (flags & RENAME_EXCHANGE &&
             sg_on_rename(new_dir, new_dentry, old_dir, old_dentry, storage)),
        struct inode *old_dir, struct dentry *old_dentry, struct inode *new_dir,
        struct dentry *new_dentry, unsigned int flags)

/* After a directory has moved to where other rules hold, nothing that is cached beneath it may be believed. */
static __always_inline void sg_moved(struct dentry *dentry)
{
    __u64 key = (__u64)dentry;

    if (bpf_map_lookup_elem(&sg_moves, &key)) {
        sg_forget_states();
        bpf_map_delete_elem(&sg_moves, &key);
    }
}

SEC("fexit/d_move")
int BPF_PROG(fexit_d_move, struct dentry *dentry, struct dentry *target)
{
    sg_moved(dentry);
    return 0;
}

SEC("fexit/d_exchange")
int BPF_PROG(fexit_d_exchange, struct dentry *one, struct dentry *other)
{
    sg_moved(one);
    sg_moved(other);
    return 0;
}

#endif
