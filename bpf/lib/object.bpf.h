/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From an access to its verdict: which states the object has, what the rules say, and the record of it.
 *
 * Programs of type LSM keep states with the inode; those of type fmod_ret cannot and resolve the name each time (the
 * directory is cached for both). `storage` is a constant in every caller.
 */
#ifndef SG_BPF_OBJECT_H
#define SG_BPF_OBJECT_H

#include "agent.bpf.h"

/* One access to one object. */
struct sg_request {
    struct dentry *dentry;
    struct inode *inode; /* NULL: a name that does not exist */
    struct inode *dir;   /* the directory's inode as the hook handed it over; NULL: by the dentry */
    struct dentry *dentry2; /* for the record */
    const char *text;       /* for the record */
    __u32 ops;
    __u16 hook;
    __u16 flags; /* SG_RECORD_* */
    __u16 text_type;
};

/* The states of an object: by the name that is used, and by its other names. */
struct sg_states {
    __u32 state;
    __u32 other[SG_PIN_STATES];
    __u32 policy_id;
};

/* qstr.hash_len; as its halves, because verifiers see the first member of the union only. */
static __always_inline __u64 sg_hash_len(const struct dentry *dentry)
{
    return (__u64)dentry->d_name.len << 32 | dentry->d_name.hash;
}

static __always_inline __u64 sg_leaf_digest(__u64 generation, __u64 parent, __u64 hash_len)
{
    __u64 x = (generation ^ parent) * 0x9e3779b97f4a7c15ull;

    x = (x ^ (x >> 32) ^ hash_len) * 0xd6e8feb86659fd93ull;
    return (x ^ (x >> 29)) & ~SG_STATE_MASK;
}

/* The directory of a dentry, where the kernel lets inode storage be asked with what was walked to. */
static __always_inline struct inode *sg_dir_of(struct dentry *dentry)
{
    return sg_typed ? dentry->d_parent->d_inode : NULL;
}

/* Nothing in this directory is any rule's business: the answer to nearly every access, without a look at the image. */
static __always_inline int sg_dir_is_dead(struct inode *dir)
{
    const struct sg_node *node;
    union sg_generation g;

    if (!dir)
        return 0;
    node = bpf_inode_storage_get(&sg_nodes, dir, 0, 0);
    if (!node)
        return 0;
    g.both = sg_generation.both;
    return node->dir == SG_DIR_WORD(g, 0);
}

static __always_inline __u64 sg_children_of_parent(const struct sg_request *q,
                                                   struct dentry *parent, __u64 generation,
                                                   bool storage)
{
    union sg_generation g = {.both = generation};
    struct sg_node *node;
    __u64 answer;

    if (storage && q->dir) {
        node = bpf_inode_storage_get(&sg_nodes, q->dir, 0, 0);
        if (node && node->dir >> SG_STATE_BITS == SG_DIR_WORD(g, 0) >> SG_STATE_BITS)
            return SG_ANSWER(node->dir & SG_STATE_MASK);
    }
    answer = sg_children(sg_address(parent), g.policy_id);
    if (SG_ANSWER_FAILED(answer))
        return answer;
    if (storage && q->dir) {
        node = bpf_inode_storage_get(&sg_nodes, q->dir, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
        if (node)
            node->dir = SG_DIR_WORD(g, (__u32)answer);
    }
    return answer;
}

static __noinline int sg_other_states(const struct sg_request *q, struct sg_node *node,
                                      struct sg_states *ret)
{
    struct sg_pin_key key = {.policy_id = ret->policy_id};
    __u32 moves = sg_generation.moves;
    const struct sg_pin *pin;

    if (node && node->other_policy == ret->policy_id && node->other_moves == moves) {
        for (int i = 0; i < SG_PIN_STATES; i++)
            ret->other[i] = node->other[i];
        return 0;
    }
    key.ino = q->inode->i_ino;
    key.dev = q->inode->i_sb->s_dev; /* not the dentry's, which may be an overlay's */
    pin = bpf_map_lookup_elem(&sg_pins, &key);
    if (pin)
        for (int i = 0; i < SG_PIN_STATES; i++)
            ret->other[i] = pin->state[i];
    if (node) {
        node->other_policy = 0;
        barrier();
        for (int i = 0; i < SG_PIN_STATES; i++)
            node->other[i] = ret->other[i];
        node->other_moves = moves;
        barrier();
        node->other_policy = ret->policy_id;
    }
    return 0;
}

/* Finds the states of the object under the policy `ret->policy_id`. Returns 0 or a failed answer. */
static __always_inline __u64 sg_find_states_body(const struct sg_request *q, bool storage,
                                                 struct sg_states *ret)
{
    struct dentry *dentry = q->dentry, *parent = dentry->d_parent;
    __u64 generation = sg_generation_of(ret->policy_id), hash_len, digest, answer;
    struct sg_node *node = NULL;
    __u32 sequence, nlink = 1;

    ret->state = 0;
    for (int i = 0; i < SG_PIN_STATES; i++)
        ret->other[i] = 0;
    if (parent == dentry) {
        struct super_block *sb = dentry->d_sb;

        if (sb->s_root != dentry)
            return SG_ANSWER_FAIL(SG_REASON_DISCONNECTED);
        ret->state = (__u32)sg_root_state(sb, ret->policy_id);
        return 0;
    }
    answer = sg_children_of_parent(q, parent, generation, storage);
    if (SG_ANSWER_FAILED(answer))
        return answer;
    if (q->inode && (q->inode->i_mode & S_IFMT) != S_IFDIR)
        nlink = q->inode->i_nlink;
    if (!answer && nlink <= 1)
        return 0;
    if (storage && q->inode)
        node = bpf_inode_storage_get(&sg_nodes, q->inode, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
    hash_len = sg_hash_len(dentry);
    /* Which directory, as the distance from the inode that the node belongs to: a subtraction may be made of pointers. */
    digest = sg_leaf_digest(generation, q->inode ? (__u64)parent - (__u64)q->inode : 0, hash_len);
    if (node && (node->leaf & ~SG_STATE_MASK) == digest) {
        ret->state = node->leaf & SG_STATE_MASK;
    } else if (answer) {
        sequence = sg_rename_sequence();
        answer = sg_run(ret->policy_id, (__u32)answer, sg_address(dentry->d_name.name),
                        dentry->d_name.len);
        if (SG_ANSWER_FAILED(answer))
            return answer;
        if (dentry->d_parent != parent || sg_hash_len(dentry) != hash_len)
            return SG_ANSWER_FAIL(SG_REASON_RACE);
        ret->state = (__u32)answer;
        /* What a rename may have interfered with is good for this decision, not for later ones. */
        if (node && !(sequence & 1) && sequence == sg_rename_sequence())
            node->leaf = digest | ret->state;
    }
    if (nlink > 1)
        sg_other_states(q, node, ret);
    return 0;
}

static __noinline __u64 sg_find_states_lsm(const struct sg_request *q, struct sg_states *ret)
{
    return sg_find_states_body(q, true, ret);
}

static __noinline __u64 sg_find_states_fmod(const struct sg_request *q, struct sg_states *ret)
{
    return sg_find_states_body(q, false, ret);
}

static __always_inline __u64 sg_find_states(const struct sg_request *q, bool storage,
                                            struct sg_states *ret)
{
    return storage ? sg_find_states_lsm(q, ret) : sg_find_states_fmod(q, ret);
}

/* Decisions that are none yet. */
#define SG_DECISION_AGAIN (SG_DECISION_RETRY | SG_DECISION_SUBJECT)

/* The strongest of what the rules say about any of the object's names. */
static __noinline __u64 sg_decide_states(const struct sg_states *s, __u32 ops, __u32 anybody)
{
    __u64 decision = SG_DECISION_NONE;

    if (s->state)
        decision = sg_decide(s->state, ops, s->policy_id, anybody);
#pragma unroll /* a loop around a call trips the verifiers of 6.1 */
    for (int i = 0; i < SG_PIN_STATES; i++)
        if (s->other[i] && s->other[i] != s->state)
            decision = sg_stronger(decision, sg_decide(s->other[i], ops, s->policy_id, anybody));
    return decision;
}

static __noinline __u64 sg_relabel_states(const struct sg_states *s, __u32 anybody)
{
    __u64 decision = SG_DECISION_NONE;

    if (s->state)
        decision = sg_decide_relabel(s->state, s->policy_id, anybody);
#pragma unroll
    for (int i = 0; i < SG_PIN_STATES; i++)
        if (s->other[i] && s->other[i] != s->state)
            decision = sg_stronger(decision, sg_decide_relabel(s->other[i], s->policy_id, anybody));
    return decision;
}

static __always_inline __u32 sg_policy_now(void)
{
    void *image = sg_image_get();
    const struct sg_image *header = image ? sg_image_header(image) : NULL;

    return header ? header->policy_id : 0;
}

/*
 * What cannot be resolved is refused where the policy enforces such operations and knows the file system; kernel threads
 * (nfsd) come with dentries without a path as a matter of course and pass. Always counted.
 */
static __noinline __u64 sg_unresolved(const struct sg_request *q, __u32 policy_id, __u32 reason)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    const struct sg_image *header = sg_header_now();
    struct super_block *sb = q->inode ? q->inode->i_sb : q->dentry->d_sb;

    if (!header || !sg_root_state(sb, policy_id))
        return SG_DECISION_NONE;
    sg_count(SG_COUNT_UNRESOLVED);
    if (reason && reason < SG_REASON_COUNT)
        sg_count(SG_COUNT_UNRESOLVED + reason);
    if (BPF_CORE_READ(task, flags) & PF_KTHREAD || !(header->enforce_ops & q->ops))
        return SG_DECISION_NONE;
    return SG_DECISION(4, SG_RULE_NONE, SG_DENY, 0, q->ops) | (__u64)reason << 16;
}

static __always_inline int sg_decision_refuses(__u64 decision)
{
    return SG_DECISION_VERDICT(decision) >= SG_DENY &&
           !(SG_DECISION_FLAGS(decision) & SG_ENTRY_MONITOR);
}

/* Records a decision and says whether the access is refused. */
static __noinline int sg_conclude(const struct sg_request *q, __u64 decision, __u32 policy_id)
{
    int refused = sg_decision_refuses(decision);
    struct sg_report report = {
        .dentry = q->dentry,
        .inode = q->inode,
        .dentry2 = q->dentry2,
        .text = q->text,
        .decision = decision,
        .access = q->ops,
        .policy_id = policy_id,
        .hook = q->hook,
        .flags = q->flags,
        .text_type = q->text_type,
        .error = refused ? EPERM : 0,
    };

    if (SG_DECISION_VERDICT(decision) >= SG_DENY &&
        sg_agent_may(sg_address(q->dentry), sg_address(q->dentry2), q->ops,
                     SG_DECISION_RULE(decision)))
        return 0;
    if (refused)
        sg_count(SG_COUNT_DENIED);
    else if (SG_DECISION_VERDICT(decision) >= SG_DENY)
        sg_count(SG_COUNT_WOULD_DENY);
    sg_emit(&report);
    if (refused && SG_DECISION_VERDICT(decision) == SG_KILL)
        bpf_send_signal(SIGKILL_NUMBER);
    return refused;
}

/*
 * How often a decision is tried: with what is known; after the subject was computed; with whatever there is. Who puts a
 * policy in force waits for the programs that run, so that one run sees one change at most: the last try meets none, and its
 * subject is missing only when there was no room for it.
 */
enum sg_try {
    SG_TRY_FIRST = 0,
    SG_TRY_AGAIN = 1,
    SG_TRY_LAST = 2,
};

/* What a failure to resolve means for this try: a changed policy and a rename on the way are worth another one. */
static __always_inline __u64 sg_failed(const struct sg_request *q, __u32 policy_id, __u64 answer,
                                       __u32 try)
{
    __u32 reason = answer & 0xff;

    if (try < SG_TRY_LAST && (reason == SG_REASON_IMAGE || reason == SG_REASON_RACE)) {
        sg_count(SG_COUNT_WALK_RETRY);
        return SG_DECISION_RETRY;
    }
    return sg_unresolved(q, policy_id, reason);
}

/* Decides one access; SG_DECISION_AGAIN before the last try: not yet. */
static __always_inline __u64 sg_check(const struct sg_request *q, bool storage, __u32 try,
                                      __u32 *ret_policy_id)
{
    struct sg_states states = {.policy_id = sg_policy_now()};
    __u64 answer;

    *ret_policy_id = states.policy_id;
    if (!states.policy_id)
        return SG_DECISION_NONE;
    answer = sg_find_states(q, storage, &states);
    if (answer)
        return sg_failed(q, states.policy_id, answer, try);
    return sg_decide_states(&states, q->ops, try == SG_TRY_LAST);
}

static __noinline __u64 sg_check_lsm(const struct sg_request *q, __u32 try, __u32 *ret_policy_id)
{
    return sg_check(q, true, try, ret_policy_id);
}

static __noinline __u64 sg_check_fmod(const struct sg_request *q, __u32 try, __u32 *ret_policy_id)
{
    return sg_check(q, false, try, ret_policy_id);
}

/* Tries `what(…, try, …)` until it is a decision. A subject that is out of date is computed from here, where there is stack left. */
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

/* True: refuse. */
static __always_inline int sg_access(struct sg_request *q, bool storage)
{
    __u32 policy_id = 0;
    __u64 decision = storage ? SG_TRY(sg_check_lsm, q) : SG_TRY(sg_check_fmod, q);

    return SG_DECISION_VERDICT(decision) != SG_ALLOW && sg_conclude(q, decision, policy_id);
}

#endif
