/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which states an object has: by the name that is used and by its other names; and what of that is kept with inodes.
 *
 * Programs of type LSM keep states with the inode; those of type fmod_ret cannot and resolve the name each time (the
 * directory is cached for both). `storage` is a constant in every caller.
 */
#ifndef SG_BPF_STATES_H
#define SG_BPF_STATES_H

#include "agent.bpf.h"
#include "dead.bpf.h"

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

/* The directory of a dentry, where the kernel lets inode storage be asked with what was walked to. */
static __always_inline struct inode *sg_dir_of(struct dentry *dentry)
{
    return sg_typed ? dentry->d_parent->d_inode : NULL;
}

/*
 * Up to 6.6 the file that an overlay opens beneath itself has the overlay's path and the inode of the layer. What it is
 * worth is what one of the inode's own names is worth: the overlay holds one.
 */
static __always_inline int sg_opens_beneath(void)
{
    return !bpf_core_field_exists(struct backing_file, user_path);
}

static __always_inline int sg_is_backing(const struct inode *inode, const struct dentry *dentry)
{
    return sg_opens_beneath() && inode != dentry->d_inode;
}

/*
 * Nothing in this directory is any rule's business: the answer to nearly every access, without a look at the image. Kept apart
 * (`stacked`) for directories whose files may be opened with another inode than the name's, so that others need not be asked.
 */
static __always_inline int sg_dir_is_dead(struct inode *dir)
{
    const struct sg_node *node;

    if (!dir)
        return 0;
    node = bpf_inode_storage_get(&sg_nodes, dir, 0, 0);
    return node &&
           (node->dir == sg_generation || (sg_opens_beneath() && node->stacked == sg_generation));
}

/* Does this directory's file system open files beneath itself? */
static __always_inline int sg_is_stacked(const struct inode *dir)
{
    return sg_opens_beneath() && dir->i_sb->s_stack_depth;
}

/*
 * Where a name's first byte is in a directory's node: its word, and its bit there. False: not kept for this byte, or the
 * name is too long to be in the dentry itself.
 */
static __always_inline int sg_first_of(const struct dentry *dentry, __u64 *ret_word, __u64 *ret_bit)
{
    __u64 first;

    if (!bpf_core_field_exists(dentry->d_iname) ||
        dentry->d_name.len >= bpf_core_field_size(dentry->d_iname))
        return 0;
    first = dentry->d_iname[0] - (__u64)SG_FIRST_LOWEST;
    asm volatile("" : "+r"(first)); /* the bound must hold in this register */
    if (first >= SG_FIRST_COUNT)
        return 0;
    *ret_word = first >> 4;
    *ret_bit = first & 15;
    asm volatile("" : "+r"(*ret_word), "+r"(*ret_bit));
    return 1;
}

/* Is no name that begins like this one any rule's business in this directory? */
static __always_inline int sg_first_is_dead(const struct sg_node *dir, const struct dentry *dentry,
                                            __u64 generation)
{
    __u64 word, bit, bits;

    if (!sg_first_of(dentry, &word, &bit))
        return 0;
    bits = dir->first[word] ^ generation;
    return !(bits >> SG_STATE_BITS) && (bits >> bit) & 1;
}

/* A name is dead in a directory whose children start with `children`: notes it where its first byte alone makes it so. */
static __noinline int sg_first_learn(const struct sg_request *q, __u32 policy_id, __u32 children,
                                     __u64 generation)
{
    struct sg_node *dir = bpf_inode_storage_get(&sg_nodes, q->dir, 0, 0);
    __u64 word, bit;

    /* A name says nothing of what is opened beneath it. */
    if (sg_is_stacked(q->dir))
        return 0;
    if (!dir || !sg_first_of(q->dentry, &word, &bit) ||
        sg_run_word(policy_id, children, SG_FIRST_LOWEST + word * 16 + bit, 1))
        return 0;
    dir->first[word] =
        (sg_word_is_of(dir->first[word], generation) ? dir->first[word] : generation) | 1ull << bit;
    dir->more = generation;
    return 1;
}

/* Steps of their own, here and below: the stack of those who ask is nearly full. 0: of no generation. */
static __noinline __u64 sg_dir_kept(struct inode *dir)
{
    struct sg_node *node = bpf_inode_storage_get(&sg_nodes, dir, 0, 0);

    if (!node)
        return 0;
    return sg_is_stacked(dir) ? *(volatile __u64 *)&node->stacked : *(volatile __u64 *)&node->dir;
}

static __noinline int sg_dir_keep_fmod(struct dentry *parent, __u64 word)
{
    return word & SG_STATE_MASK ? 0 : sg_dead_learn(parent, word);
}

/* `parent` is what the word is about: the request's dentry may have moved to another one meanwhile. */
static __noinline int sg_dir_keep_lsm(const struct sg_request *q, struct dentry *parent, __u64 word)
{
    struct sg_node *node;

    if (!q->dir)
        return sg_dir_keep_fmod(parent, word);
    node = bpf_inode_storage_get(&sg_nodes, q->dir, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
    if (!node)
        return 0;
    if (sg_is_stacked(q->dir)) {
        node->stacked = word;
        node->more = word & ~SG_STATE_MASK;
    } else {
        node->dir = word;
    }
    return 0;
}

static __always_inline __u64 sg_children_of_parent(const struct sg_request *q,
                                                   struct dentry *parent, __u32 policy_id,
                                                   __u64 generation, bool storage)
{
    __u64 answer, word;

    if (storage && q->dir) {
        /* Moved since the request was made: what is kept with the one directory is not the other's. */
        if (q->dir != parent->d_inode)
            return SG_ANSWER_FAIL(SG_REASON_RACE);
        word = sg_dir_kept(q->dir);
        if (sg_word_is_of(word, generation))
            return SG_ANSWER(word & SG_STATE_MASK);
    }
    answer = sg_children(sg_address(parent), policy_id);
    if (SG_ANSWER_FAILED(answer) || !sg_generation_caches(generation))
        return answer;
    word = generation | (answer & SG_STATE_MASK);
    if (storage)
        sg_dir_keep_lsm(q, parent, word);
    else
        sg_dir_keep_fmod(parent, word);
    return answer;
}

/* What is cached of an object: its own state, or SG_ANSWER_NONE. */
static __always_inline __u64 sg_leaf_known(const struct sg_node *node, __u64 generation,
                                           __u64 distance, __u64 hash)
{
    __u64 leaf = *(volatile __u64 *)&node->leaf;

    if (!sg_word_is_of(leaf, generation) ||
        *(volatile __u64 *)&node->check != sg_leaf_check(leaf, distance, hash))
        return SG_ANSWER_NONE;
    return SG_ANSWER(leaf & SG_STATE_MASK);
}

/* `distance` and `hash` are those that the name had when its state was found: a rename may have changed them since. */
static __noinline int sg_leaf_keep(const struct sg_request *q, __u32 policy_id, __u64 leaf,
                                   __u64 distance, __u64 hash)
{
    struct sg_node *node = bpf_inode_storage_get(&sg_nodes, q->inode, 0,
                                                 BPF_LOCAL_STORAGE_GET_F_CREATE);
    __u64 rules[SG_NODE_RULES];
    __u32 state = leaf & SG_STATE_MASK;

    if (!node)
        return 0;
    node->check = sg_leaf_check(leaf, distance, hash);
    node->leaf = leaf;
#pragma unroll
    for (int i = 0; i < SG_NODE_RULES; i++) {
        rules[i] = state ? sg_rule_of(state, policy_id, i) : 0;
        node->rules[i] = rules[i];
    }
    node->quick = rules[0] == SG_RULES_MORE
                      ? 0
                      : sg_quick_check(leaf & ~SG_STATE_MASK, distance, hash, rules);
    return 0;
}

/*
 * An object is about to get another name. What is kept by the old one is bound to a hash of 32 bits, which the new name may have,
 * too: once in four billion renames, if it were kept. Returns 0.
 */
static __noinline int sg_leaf_forget(struct inode *inode)
{
    struct sg_node *node = bpf_inode_storage_get(&sg_nodes, inode, 0, 0);

    if (node) {
        node->quick = 0;
        node->leaf = 0;
    }
    return 0;
}

/* The entry of user space for an inode; where the file system tells it no generations, it is for whichever has the number. */
static __always_inline const struct sg_pin *sg_users_pin(struct sg_pin_key *key)
{
    const struct sg_pin *pin;

    key->writer = SG_PIN_BY_USER;
    pin = bpf_map_lookup_elem(&sg_pins, key);
    if (pin)
        return pin;
    key->generation = 0;
    return bpf_map_lookup_elem(&sg_pins, key);
}

/*
 * What an object's other names are worth, from the table of pinned objects; `generation` is the inode's. True: they are more than
 * there is room for, since both entries of the object have a state in one place.
 */
static __always_inline int sg_pinned_states(__u64 ino, __u32 dev, __u32 generation,
                                            struct sg_states *ret)
{
    struct sg_pin_key key = {.policy_id = ret->policy_id,
                             .ino = ino,
                             .dev = dev,
                             .generation = generation};
    const struct sg_pin *kernels = bpf_map_lookup_elem(&sg_pins, &key);
    const struct sg_pin *users = sg_users_pin(&key);
    int clash = 0;

    if (!kernels) {
        barrier(); /* compilers would make one number of both pointers */
        if (!users)
            return 0;
    }
#pragma unroll
    for (int i = 0; i < SG_PIN_STATES; i++) {
        __u32 state = kernels ? kernels->state[i] : 0, other = users ? users->state[i] : 0;

        clash |= state && other && state != other;
        ret->other[i] = state ? state : other;
    }
    return clash;
}

/* The same of an inode by its address; one name is one state. */
static __always_inline int sg_pinned_at(const struct inode *inode, struct sg_states *ret)
{
    return BPF_CORE_READ(inode, __i_nlink) > 1 &&
           (BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFDIR &&
           sg_pinned_states(BPF_CORE_READ(inode, i_ino), BPF_CORE_READ(inode, i_sb, s_dev),
                            BPF_CORE_READ(inode, i_generation), ret);
}

/* The same, kept with the node when there is one. */
static __noinline int sg_other_states(const struct sg_request *q, struct sg_node *node,
                                      struct sg_states *ret)
{
    __u64 generation = sg_generation_of(ret->policy_id);

    if (node) {
        for (int i = 0; i < SG_PIN_STATES; i++)
            ret->other[i] = *(volatile __u32 *)&node->other[i];
        if (*(volatile __u64 *)&node->others == sg_others_check(generation, ret->other))
            return 0;
        for (int i = 0; i < SG_PIN_STATES; i++)
            ret->other[i] = 0;
    }
    /* The inode's device: the dentry's may be an overlay's. */
    if (sg_pinned_states(q->inode->i_ino, q->inode->i_sb->s_dev, q->inode->i_generation, ret))
        return 1;
    if (node && sg_generation_caches(generation)) {
        for (int i = 0; i < SG_PIN_STATES; i++)
            node->other[i] = ret->other[i];
        node->others = sg_others_check(generation, ret->other);
    }
    return 0;
}

/* Finds the states of the object under the policy `ret->policy_id`. Returns 0 or a failed answer. */
static __always_inline __u64 sg_find_states_body(const struct sg_request *q, bool storage,
                                                 struct sg_states *ret)
{
    struct dentry *dentry = q->dentry, *parent = dentry->d_parent;
    __u64 generation = sg_generation_of(ret->policy_id), hash_len, distance, answer, children;
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
    children = sg_children_of_parent(q, parent, ret->policy_id, generation, storage);
    if (SG_ANSWER_FAILED(children))
        return children;
    if (q->inode && (q->inode->i_mode & S_IFMT) != S_IFDIR)
        nlink = q->inode->i_nlink;
    if (!children && nlink <= 1)
        return 0;
    if (storage && q->inode)
        node = bpf_inode_storage_get(&sg_nodes, q->inode, 0,
                                     nlink > 1 ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
    hash_len = sg_hash_len(dentry);
    /* Which name, as the distance from the inode that the node belongs to: a subtraction may be made of pointers. */
    distance = q->inode ? (__u64)dentry - (__u64)q->inode : 0;
    answer = node ? sg_leaf_known(node, generation, distance, (__u32)hash_len) : SG_ANSWER_NONE;
    if (!SG_ANSWER_IS_NONE(answer)) {
        ret->state = (__u32)answer;
    } else if (children) {
        sequence = sg_rename_sequence();
        answer = sg_run(ret->policy_id, (__u32)children, sg_address(dentry->d_name.name),
                        dentry->d_name.len);
        if (SG_ANSWER_FAILED(answer))
            return answer;
        if (dentry->d_parent != parent || sg_hash_len(dentry) != hash_len)
            return SG_ANSWER_FAIL(SG_REASON_RACE);
        ret->state = (__u32)answer;
        /* What a rename may have interfered with is good for this decision, not for later ones. */
        if (storage && q->inode && !(sequence & 1) && sequence == sg_rename_sequence() &&
            sg_generation_caches(generation) &&
            (answer || !q->dir || !sg_first_learn(q, ret->policy_id, (__u32)children, generation)))
            sg_leaf_keep(q, ret->policy_id, generation | (answer & SG_STATE_MASK), distance,
                         (__u32)hash_len);
    }
    if (nlink > 1 && sg_other_states(q, node, ret))
        return SG_ANSWER_FAIL(SG_REASON_MEMORY);
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

#endif
