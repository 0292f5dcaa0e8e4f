/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a directory to its state: the automaton run over the canonical path, from the root of the superblock down.
 *
 * The walk goes up by parents until it meets a directory whose state is known (cached, or the root, which user space
 * seeded), then comes down stepping one name at a time and leaves the states it found in the cache. It never crosses a
 * mount. Functions here take addresses as numbers: they are global functions, verified once each and not once a caller,
 * and global functions of 5.10 take nothing else.
 *
 * A walk races with renames. rename_lock's sequence is compared before and after; what was not proved is not cached.
 */
#ifndef SG_BPF_WALK_H
#define SG_BPF_WALK_H

#include "image.bpf.h"

#define SG_WALK_KEPT \
    256 /* directories that a walk remembers on its way up, a power of two; the upper ones of more */
#define SG_WALK_REACH 512 /* levels that a walk goes up */

/*
 * Room for a walk in progress, by thread: programs are preempted and have 512 bytes of stack among all their functions.
 * Made for the walk and deleted after it; only walks that the cache cannot spare pay for it.
 */
struct sg_walk {
    __u64 up[SG_WALK_KEPT];
    struct sg_dir_key key;
    struct sg_dir dir;
    char name[SG_NAME_MAX + 1]; /* of a cgroup */
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 32768);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u32);
    __type(value, struct sg_walk);
} sg_walks SEC(".maps");

static const struct sg_walk sg_walk_zero = {};

/* A walk's answer: a state, or why there is none. */
#define SG_ANSWER(state)       ((__u64)(state))
#define SG_ANSWER_NONE         (1ull << 32) /* not known (yet) */
#define SG_ANSWER_FAIL(reason) ((1ull << 33) | (reason))
#define SG_ANSWER_FAILED(a)    ((a) >> 33)
#define SG_ANSWER_IS_NONE(a)   ((a)&SG_ANSWER_NONE)

static __always_inline __u32 sg_rename_sequence(void)
{
    __u32 sequence = 0;

    if (sg_rename_lock)
        bpf_probe_read_kernel(&sequence, sizeof(sequence), (void *)sg_rename_lock);
    return sequence;
}

/* The generation that cached states of this policy must carry. */
static __always_inline __u64 sg_generation_of(__u32 policy_id)
{
    union sg_generation g;

    g.both = sg_generation.both;
    g.policy_id = policy_id;
    return g.both;
}

/* Up to eight bytes of a name, the first in the lowest bits; short, because a verifier walks every step of every loop. */
__noinline __u64 sg_run_word(__u32 policy_id, __u32 state, __u64 word, __u32 n)
{
    void *image = sg_image_get();
    const struct sg_image *header;
    struct sg_view view;

    if (!image)
        return SG_ANSWER_FAIL(SG_REASON_IMAGE);
    header = sg_image_header(image);
    if (!header || header->policy_id != policy_id)
        return SG_ANSWER_FAIL(SG_REASON_IMAGE);
    sg_view_of(header, &view);
    for (__u32 i = 0; i < sizeof(word); i++) {
        if (i >= n || !state)
            break;
        state = sg_step(image, &view, state, (__u8)word);
        word >>= 8;
    }
    return SG_ANSWER(state);
}

/*
 * Runs the automaton over the `len` bytes at kernel address `name`. Names are padded to eight bytes where the kernel keeps
 * them, so that they can be fetched in words.
 * Returns the state, or a failure when the image is no longer the one asked for.
 */
__noinline __u64 sg_run(__u32 policy_id, __u32 state, __u64 name, __u32 len)
{
    __u64 answer = SG_ANSWER(state), word;

    for (__u32 off = 0; off <= SG_NAME_MAX; off += sizeof(word)) {
        if (off >= len || !answer || SG_ANSWER_FAILED(answer))
            break;
        if (bpf_probe_read_kernel(&word, sizeof(word), (void *)(name + off)))
            return SG_ANSWER_FAIL(SG_REASON_RACE);
        answer = sg_run_word(policy_id, (__u32)answer, word, len - off);
    }
    return answer;
}

/* The '/' behind a directory: from the state as an object to the state that its children start with. */
__noinline __u64 sg_enter(__u32 policy_id, __u32 state)
{
    void *image;
    const struct sg_image *header;
    struct sg_view view;

    if (!state)
        return SG_ANSWER(0);
    image = sg_image_get();
    if (!image)
        return SG_ANSWER_FAIL(SG_REASON_IMAGE);
    header = sg_image_header(image);
    if (!header || header->policy_id != policy_id)
        return SG_ANSWER_FAIL(SG_REASON_IMAGE);
    sg_view_of(header, &view);
    return SG_ANSWER(sg_step(image, &view, state, '/'));
}

static __always_inline __u64 sg_root_state(struct super_block *sb, __u32 policy_id)
{
    struct sg_root_key key = {.policy_id = policy_id};
    const struct sg_root *root;
    unsigned long flags;

    key.dev = BPF_CORE_READ(sb, s_dev);
    root = bpf_map_lookup_elem(&sg_roots, &key);
    if (root)
        return SG_ANSWER(root->state);
    /* Pipes, sockets, memfd: file systems of the kernel's own, that no path leads to. */
    flags = BPF_CORE_READ(sb, s_flags);
    if (!(flags & (SB_KERNMOUNT | SB_NOUSER)))
        sg_count(SG_COUNT_UNKNOWN_FS);
    return SG_ANSWER(0);
}

static __always_inline void sg_dir_key_of(struct sg_dir_key *key, struct inode *inode,
                                          struct super_block *sb)
{
    key->inode = (__u64)inode;
    key->ino = BPF_CORE_READ(inode, i_ino);
    key->dev = BPF_CORE_READ(sb, s_dev);
    key->igeneration = BPF_CORE_READ(inode, i_generation);
}

/*
 * What is known of a directory without walking: the state its children start with.
 * A root is known from the table of roots, another directory from the cache; otherwise SG_ANSWER_NONE.
 */
__noinline __u64 sg_dir_known(__u64 dentry_address, __u32 policy_id)
{
    struct dentry *dentry = (void *)dentry_address, *parent;
    struct inode *inode = BPF_CORE_READ(dentry, d_inode);
    struct super_block *sb = BPF_CORE_READ(dentry, d_sb);
    struct sg_dir_key key = {};
    const struct sg_dir *dir;
    __u64 root;

    if (BPF_CORE_READ(sb, s_root) == dentry) {
        root = sg_root_state(sb, policy_id);
        return sg_enter(policy_id, (__u32)root);
    }
    parent = BPF_CORE_READ(dentry, d_parent);
    if (parent == dentry || !inode)
        return SG_ANSWER_FAIL(SG_REASON_DISCONNECTED);
    sg_dir_key_of(&key, inode, sb);
    dir = bpf_map_lookup_elem(&sg_dirs, &key);
    if (dir && dir->generation == sg_generation_of(policy_id) && dir->parent == (__u64)parent &&
        dir->hash_len == BPF_CORE_READ(dentry, d_name.hash_len))
        return SG_ANSWER(dir->children);
    return SG_ANSWER_NONE;
}

/*
 * One name down: from the state that a parent's children start with to the same of `dentry`, left in the cache.
 *   generation, sequence   what the moves and rename_lock were before the walk
 */
__noinline __u64 sg_dir_step(__u64 dentry_address, __u64 children, __u64 generation, __u32 sequence)
{
    struct dentry *dentry = (void *)dentry_address;
    union sg_generation g = {.both = generation};
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    struct sg_walk *w = bpf_map_lookup_elem(&sg_walks, &tid);
    __u64 answer;

    if (!w)
        return SG_ANSWER_FAIL(SG_REASON_MEMORY);
    w->dir.generation = generation;
    w->dir.parent = (__u64)BPF_CORE_READ(dentry, d_parent);
    w->dir.hash_len = BPF_CORE_READ(dentry, d_name.hash_len);
    answer = sg_run(g.policy_id, (__u32)children, (__u64)BPF_CORE_READ(dentry, d_name.name),
                    BPF_CORE_READ(dentry, d_name.len));
    if (SG_ANSWER_FAILED(answer))
        return answer;
    w->dir.state = (__u32)answer;
    answer = sg_enter(g.policy_id, w->dir.state);
    if (SG_ANSWER_FAILED(answer))
        return answer;
    w->dir.children = (__u32)answer;
    if (sg_rename_sequence() != sequence || (sequence & 1))
        return SG_ANSWER_FAIL(SG_REASON_RACE);
    sg_dir_key_of(&w->key, BPF_CORE_READ(dentry, d_inode), BPF_CORE_READ(dentry, d_sb));
    bpf_map_update_elem(&sg_dirs, &w->key, &w->dir, BPF_ANY);
    return SG_ANSWER(w->dir.children);
}

/*
 * The walk proper: up to what is known, down again. More levels than are kept: what is nearest to the root is resolved
 * and cached, and the answer is SG_REASON_DEPTH; the next walk gets further.
 */
static __always_inline __u64 sg_walk_from(__u64 dentry, __u32 policy_id, struct sg_walk *w)
{
    __u64 generation = sg_generation_of(policy_id), answer = SG_ANSWER_NONE;
    __u32 sequence = sg_rename_sequence(), n = 0;

    if (sequence & 1)
        return SG_ANSWER_FAIL(SG_REASON_RACE);
    for (int i = 0; i < SG_WALK_REACH; i++) {
        __u64 slot = i & (SG_WALK_KEPT - 1);

        answer = sg_dir_known(dentry, policy_id);
        if (!SG_ANSWER_IS_NONE(answer))
            break;
        w->up[slot] = dentry;
        dentry = (__u64)BPF_CORE_READ((struct dentry *)dentry, d_parent);
        n++;
    }
    n = sg_opaque(n);
    if (SG_ANSWER_IS_NONE(answer))
        return SG_ANSWER_FAIL(SG_REASON_DEPTH);
    for (int i = 0; i < SG_WALK_KEPT; i++) {
        __u64 slot;

        if (SG_ANSWER_FAILED(answer) || !n)
            return answer;
        n--;
        slot = n & (SG_WALK_KEPT - 1);
        answer = sg_dir_step(w->up[slot], answer, generation, sequence);
    }
    return n ? SG_ANSWER_FAIL(SG_REASON_DEPTH) : answer;
}

static __always_inline struct sg_walk *sg_walk_new(void)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();

    if (bpf_map_update_elem(&sg_walks, &tid, &sg_walk_zero, BPF_ANY))
        return NULL;
    return bpf_map_lookup_elem(&sg_walks, &tid);
}

static __always_inline void sg_walk_free(void)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();

    bpf_map_delete_elem(&sg_walks, &tid);
}

/* The state that children of a directory start with. A walk that met a rename is not repeated here: callers ask again. */
__noinline __u64 sg_children(__u64 dentry, __u32 policy_id)
{
    __u64 answer = sg_dir_known(dentry, policy_id);
    struct sg_walk *w;

    if (!SG_ANSWER_IS_NONE(answer))
        return answer;
    sg_count(SG_COUNT_RESOLVED_COLD);
    w = sg_walk_new();
    if (!w)
        return SG_ANSWER_FAIL(SG_REASON_MEMORY);
    answer = sg_walk_from(dentry, policy_id, w);
    sg_walk_free();
    return answer;
}

/* The state of `dentry` as an object: its parent's children stepped by its name; a root's is seeded. */
__noinline __u64 sg_object_state(__u64 dentry_address, __u32 policy_id)
{
    struct dentry *dentry = (void *)dentry_address, *parent;
    struct super_block *sb = BPF_CORE_READ(dentry, d_sb);
    __u32 sequence = sg_rename_sequence();
    __u64 answer;

    if (BPF_CORE_READ(sb, s_root) == dentry)
        return sg_root_state(sb, policy_id);
    parent = BPF_CORE_READ(dentry, d_parent);
    if (parent == dentry)
        return SG_ANSWER_FAIL(SG_REASON_DISCONNECTED);
    answer = sg_children((__u64)parent, policy_id);
    if (SG_ANSWER_FAILED(answer) || !answer)
        return answer;
    answer = sg_run(policy_id, (__u32)answer, (__u64)BPF_CORE_READ(dentry, d_name.name),
                    BPF_CORE_READ(dentry, d_name.len));
    if (sequence != sg_rename_sequence() && BPF_CORE_READ(dentry, d_parent) != parent)
        return SG_ANSWER_FAIL(SG_REASON_RACE);
    return answer;
}

#endif
