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

/* The entry of the kernel side, made when it is not there. NULL: there is no room. */
static __always_inline struct sg_pin *sg_pin_entry(const struct sg_pin_key *key)
{
    struct sg_pin fresh = {}, *pin = bpf_map_lookup_elem(&sg_pins, key);

    if (pin)
        return pin;
    /* An error: somebody else was quicker, or there is no room. */
    bpf_map_update_elem(&sg_pins, key, &fresh, BPF_NOEXIST);
    return bpf_map_lookup_elem(&sg_pins, key);
}

/* One state more for an object: 0 no room, 1 known already, 2 new. For who has claimed the entry. */
static __always_inline __u32 sg_pin_state(struct sg_pin *pin, const struct sg_pin *users,
                                          __u32 state)
{
    int free = -1;

#pragma unroll
    for (int i = SG_PIN_STATES - 1; i >= 0; i--) {
        __u32 at = pin->state[i], other = users ? users->state[i] : 0;

        /* In whichever place: user space fills them from the other end. */
        if (at == state || other == state)
            return 1;
        if (!at && !other)
            free = i;
    }
#pragma unroll
    for (int i = 0; i < SG_PIN_STATES; i++) {
        if (i == free) {
            pin->state[i] = state;
            return 2;
        }
    }
    return 0;
}

/*
 * Keeps what an object's names are worth, for when it is met by another of them. `states`: two of them, one above the other, 0
 * for none. Returns 0: there is no room, 1: known already, 2: something is new. By numbers: verified once for all callers.
 */
#define SG_PIN_TRIES 32
__noinline __u32 sg_pin_states(__u64 ino, __u32 dev, __u32 policy_id, __u32 generation,
                               __u64 states)
{
    struct sg_pin_key key = {.policy_id = policy_id,
                             .ino = ino,
                             .dev = dev,
                             .generation = generation};
    struct sg_pin *pin = sg_pin_entry(&key);
    const struct sg_pin *users;
    __u32 known = 1, first = 1, second = 1;
    int claimed = 0;

    if (!pin)
        return 0;
    users = sg_users_pin(&key);
    /* One that is preempted keeps the others out: they are refused. */
    for (int i = 0; i < SG_PIN_TRIES && !claimed; i++)
        claimed = sg_claimed(&pin->claims);
    if (!claimed)
        return 0;
    if ((__u32)states)
        first = sg_pin_state(pin, users, (__u32)states);
    if (states >> 32)
        second = sg_pin_state(pin, users, states >> 32);
    sg_unclaim(&pin->claims);
    if (!first || !second)
        known = 0;
    else if (first > 1 || second > 1)
        known = 2;
    return known;
}

/* The same for an inode. False: the table is full. */
static __always_inline int sg_pin(struct inode *inode, const struct sg_states *s, __u32 more)
{
    __u32 known;

    if (!s->state && !more)
        return 1;
    known = sg_pin_states(inode->i_ino, inode->i_sb->s_dev, s->policy_id, inode->i_generation,
                          (__u64)more << 32 | s->state);
    /* What its other names are worth may be cached, also while it has none: of those that it had. */
    if (known > 1)
        sg_forget_states();
    return known > 0;
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
    __u64 decision;

    if (sg_is_dir(from->inode)) {
        decision = sg_relabel_states(a, anybody);
        if (decision == SG_DECISION_NONE)
            decision = sg_relabel_states(b, anybody);
    } else { /* nothing is beneath it, whatever rules say of paths that begin with its own */
        decision = sg_decide_states(a, SG_OPS_OBJECT, anybody);
        if (!(decision & SG_DECISION_AGAIN) && SG_DECISION_VERDICT(decision) >= SG_DENY)
            decision |= SG_DECISION_RELABEL;
    }
    return SG_DECISION_VERDICT(decision) >= SG_DENY || decision & SG_DECISION_AGAIN
               ? decision
               : SG_DECISION_NONE;
}

/*
 * What changes with the names, once nobody objects: cached places beneath a directory, a file with a further name. A file with
 * one name only may have another one by the time it is moved, see sg_moved().
 */
static __always_inline int sg_note_change(const struct sg_request *from, const struct sg_states *a,
                                          const struct sg_states *b, bool moves)
{
    __u64 key = sg_address(from->dentry), move;

    if (a->state == b->state)
        return 1;
    if (!moves || (from->inode->i_nlink > 1 && !sg_is_dir(from->inode)))
        return sg_pin(from->inode, a, b->state);
    if (!sg_is_dir(from->inode)) {
        move = SG_MOVE(a->state, b->state, a->policy_id);
        bpf_map_update_elem(&sg_moves, &key, &move, BPF_ANY);
    } else if (sg_enter(a->policy_id, a->state) != sg_enter(b->policy_id, b->state)) {
        move = SG_MOVE_OF_DIRECTORY;
        bpf_map_update_elem(&sg_moves, &key, &move, BPF_ANY);
        sg_forget_states();
    }
    return 1;
}

/* Of a decision about a change of names: somebody is denied the object at its new name who was not at the old one. */
#define SG_DECISION_ENTERS (1ull << 63)

/* What a rule enforces at a state against anybody at all. */
static __always_inline __u32 sg_denied_to_somebody(__u32 state, __u32 policy_id, bool beneath)
{
    __u64 d = SG_DECISION_NONE;

    if (state)
        d = beneath ? sg_decide_relabel(state, policy_id, SG_WHO_SOMEBODY)
                    : sg_decide(state, SG_OP_READ | SG_OP_WRITE, policy_id, SG_WHO_SOMEBODY);
    return !(d & SG_DECISION_AGAIN) && sg_decision_refuses(d) ? SG_DECISION_RULE(d) + 1 : 0;
}

/* Descriptors that are open go on without a question: the agent is told to look for them. */
static __noinline int sg_enters(const struct sg_states *a, const struct sg_states *b, bool is_dir)
{
    __u32 rule = sg_denied_to_somebody(b->state, b->policy_id, is_dir);

    return rule && rule != sg_denied_to_somebody(a->state, a->policy_id, is_dir);
}

static __noinline int sg_tell_entered(const struct sg_request *from, const struct sg_request *to)
{
    struct sg_report report = {.dentry = to->dentry,
                               .inode = from->inode,
                               .hook = from->hook,
                               .type = SG_RECORD_ENTERED};

    sg_emit(&report);
    return 0;
}

/* Decides a change of names: the old name's rules, the new name's, and whether the object may change its place. */
static __always_inline __u64 sg_change_of_name(const struct sg_request *from,
                                               const struct sg_request *to, bool storage,
                                               bool moves, __u32 try, __u32 *ret_policy_id)
{
    struct sg_states a = {}, b = {};
    __u64 answer = sg_both_states(from, to, storage, &a, &b), decision;
    __u32 anybody = try == SG_TRY_LAST;
    __u64 relabel;

    *ret_policy_id = a.policy_id;
    /* Whatever it is that is enforced: a new name that nobody knows of leads round it. */
    if (answer)
        return sg_failed(sg_sb_of(from), SG_OPS_ANY, a.policy_id, answer, try);
    if (!a.policy_id)
        return SG_DECISION_NONE;
    decision = sg_decide_states(&a, from->ops, anybody);
    decision = sg_stronger(decision, sg_decide_states(&b, to->ops, anybody));
    if (a.state != b.state) {
        relabel = sg_relabel(from, &a, &b, anybody);
        /* Their strengths count: the mark would beat everything, an enforced denial by a monitored one. */
        if (sg_stronger(decision, relabel & ~SG_DECISION_RELABEL) != decision)
            decision = relabel;
    }
    if (decision & SG_DECISION_AGAIN || sg_decision_refuses(decision))
        return decision;
    if (!sg_note_change(from, &a, &b, moves)) {
        sg_count(SG_COUNT_PIN_FULL);
        return sg_unresolved(sg_sb_of(from), SG_OPS_ANY, a.policy_id, SG_REASON_MEMORY);
    }
    if (a.state != b.state && sg_enters(&a, &b, sg_is_dir(from->inode)))
        decision |= SG_DECISION_ENTERS;
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

/* Tries `what` until it is a decision. A subject that is out of date is computed from here, where there is stack left. */
#define SG_TRY(what, args...)                                   \
    ({                                                          \
        __u64 decision = what(args, SG_TRY_FIRST, &policy_id);  \
        if (decision & SG_DECISION_AGAIN) {                     \
            sg_subject_prepare();                               \
            decision = what(args, SG_TRY_AGAIN, &policy_id);    \
            if (decision & SG_DECISION_AGAIN) {                 \
                sg_subject_prepare();                           \
                decision = what(args, SG_TRY_LAST, &policy_id); \
            }                                                   \
        }                                                       \
        decision;                                               \
    })

/* One record for both names: the strongest of what was decided. Concluded without storage: the stack is full. */
#define SG_NAMES(what, from, to)                                                                 \
    ({                                                                                           \
        __u32 policy_id = 0;                                                                     \
        __u64 outcome = SG_TRY(what, from, to);                                                  \
        if (outcome & SG_DECISION_ENTERS)                                                        \
            sg_tell_entered(from, to);                                                           \
        outcome &= ~SG_DECISION_ENTERS;                                                          \
        SG_DECISION_VERDICT(outcome) != SG_ALLOW &&sg_conclude(from, outcome, policy_id, false); \
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
    if (!storage)
        return SG_NAMES(sg_move_fmod, &from, &to);
    return SG_NAMES(sg_move_lsm, &from, &to) || sg_leaf_forget(inode);
}

SG_LSM(inode_rename, inode_rename, sg_on_rename(old_dir, old_dentry, new_dir, new_dentry, storage),
       struct inode *old_dir, struct dentry *old_dentry, struct inode *new_dir,
       struct dentry *new_dentry)

/*
 * The LSM hook is called once for each direction of an exchange; security_inode_rename is called once. The arguments of the
 * other direction are read again: kept over the first one, they would be 8 bytes of stack too many.
 */
SG_FMOD(inode_rename, inode_rename,
        sg_on_rename(old_dir, old_dentry, new_dir, new_dentry, storage) ||
            ((unsigned int)ctx[4] & RENAME_EXCHANGE &&
             sg_on_rename((struct inode *)ctx[2], (struct dentry *)ctx[3], (struct inode *)ctx[0],
                          (struct dentry *)ctx[1], storage)),
        struct inode *old_dir, struct dentry *old_dentry, struct inode *new_dir,
        struct dentry *new_dentry)

/* By addresses, for programs that hang on functions of the kernel. */
static __always_inline void sg_pin_late(struct dentry *dentry, __u32 policy_id, __u64 states)
{
    struct inode *inode = BPF_CORE_READ(dentry, d_inode);
    __u32 known;

    known = sg_pin_states(BPF_CORE_READ(inode, i_ino), BPF_CORE_READ(inode, i_sb, s_dev), policy_id,
                          BPF_CORE_READ(inode, i_generation), states);
    if (known > 1)
        sg_forget_states();
    else if (!known)
        sg_count(SG_COUNT_PIN_FULL);
}

/*
 * The kernel asks its security modules about a link, and about a rename, before it locks the file: vfs_link() and vfs_rename()
 * take the inode's i_rwsem behind their hooks, and the directories' locks are different ones when the new names lie in
 * different directories. So a link and a rename of a file with one name can both be asked about first, each without the
 * other's new name, and whoever holds the inode's lock, as a write to the file does, decides for how long. What was answered
 * is looked at once more when each of them is done. Of the two the one that comes second finds what the other one did: a
 * rename that the file has two names by now, a link that its old name has become another one. Programs of this type are skipped
 * for a task that comes while another one is preempted inside (recursion_misses): then the pin is missing as before.
 *
 * After a directory has moved to where other rules hold, nothing that is cached beneath it may be believed.
 */
static __always_inline void sg_moved(struct dentry *dentry)
{
    __u64 key = (__u64)dentry, *move = bpf_map_lookup_elem(&sg_moves, &key), states, now;
    __u32 policy_id = sg_policy_now();

    if (!move)
        return;
    if (*move == SG_MOVE_OF_DIRECTORY) {
        sg_forget_states();
    } else if (SG_MOVE_IS_OF(*move, policy_id) && BPF_CORE_READ(dentry, d_inode, __i_nlink) > 1) {
        states = SG_MOVE_STATES(*move);
        now = sg_object_state(sg_address(dentry), policy_id);
        /* Not what a rename left behind that failed: a dentry's address is used again. */
        if (SG_ANSWER_FAILED(now) || now == states >> 32)
            sg_pin_late(dentry, policy_id, states);
    }
    bpf_map_delete_elem(&sg_moves, &key);
}

/* A rename that has not ended makes one more try worth it; then the rename is the second of both. */
static __always_inline void sg_linked(struct dentry *old, struct dentry *new)
{
    __u32 policy_id = sg_policy_now();
    __u64 from, to;

    for (int i = 0; i < 2; i++) {
        from = sg_object_state(sg_address(old), policy_id);
        to = sg_object_state(sg_address(new), policy_id);
        if (!SG_ANSWER_FAILED(from) && !SG_ANSWER_FAILED(to)) {
            if (from != to)
                sg_pin_late(old, policy_id, to << 32 | from);
            return;
        }
    }
}

SEC("fexit/vfs_link")
int BPF_PROG(fexit_vfs_link, struct dentry *old, void *idmap, struct inode *dir, struct dentry *new,
             void *delegated, int error)
{
    if (!error)
        sg_linked(old, new);
    return 0;
}

/* Before 5.12. */
SEC("fexit/vfs_link")
int BPF_PROG(fexit_vfs_link_4, struct dentry *old, struct inode *dir, struct dentry *new,
             void *delegated, int error)
{
    if (!error)
        sg_linked(old, new);
    return 0;
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
