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
#define SG_WALK_REACH  512 /* levels that a walk goes up */
#define SG_WALK_STRIDE 32  /* of these in one step: a verifier walks every round of every loop */

/* What is read of a dentry in one go: from d_parent on, where the kernel keeps the rest close behind. */
#define SG_BLOCK_BYTES 96

/* What is needed of a dentry of which only the address is known. */
struct sg_seen {
    __u64 parent, inode, sb, text; /* addresses */
    __u64 hash_len;                /* qstr.hash_len of its name */
    __u8 block[SG_BLOCK_BYTES];
};

/* A walk in progress. */
struct sg_walk {
    __u64 generation;
    __u32 sequence; /* of rename_lock, before the walk */
    __u32 n;        /* directories that it has passed on its way up */
    __u64 at;       /* the one that it has come to */
    __u64 up[SG_WALK_KEPT];
    struct sg_seen seen; /* of the dentry at hand */
    struct sg_dir_key key;
    struct sg_dir dir;
    char name[SG_NAME_MAX + 1]; /* of a cgroup */
};

/*
 * Room for walks: programs have 512 bytes of stack among all their functions. Programs are preempted, so a room of this CPU is
 * claimed before use; when none is free (somebody may hold many, by threads that never get to run again), one is allocated
 * for the thread. A walk without room fails.
 */
#define SG_ROOMS 16
#ifndef SG_ROOMS_USED
#define SG_ROOMS_USED SG_ROOMS
#endif
#define SG_ROOM_OWN  SG_ROOMS /* the thread's own */
#define SG_ROOM_NONE (SG_ROOMS + 1)
struct sg_room {
    __u64 claims;
    struct sg_walk walk;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, SG_ROOMS);
    __type(key, __u32);
    __type(value, struct sg_room);
} sg_rooms SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u32);
    __type(value, struct sg_walk);
} sg_walks SEC(".maps");

static const struct sg_walk sg_walk_zero = {};

/* The walk of a room by its number. */
static __always_inline struct sg_walk *sg_walk_of(__u32 room)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    struct sg_room *r;

    if (room >= SG_ROOMS)
        return room == SG_ROOM_OWN ? bpf_map_lookup_elem(&sg_walks, &tid) : NULL;
    r = bpf_map_lookup_elem(&sg_rooms, &room);
    return r ? &r->walk : NULL;
}

/* A room that nobody else uses until it is given back; SG_ROOM_NONE, which has no walk, when there is no memory. */
__noinline __u32 sg_room_claim(void)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid(), rooms = SG_ROOMS_USED;

    for (__u32 i = 0; i < rooms; i++) {
        __u32 number = i;
        struct sg_room *r = bpf_map_lookup_elem(&sg_rooms, &number);

        if (!r)
            break;
        if (sg_claimed(&r->claims))
            return i;
    }
    return bpf_map_update_elem(&sg_walks, &tid, &sg_walk_zero, BPF_ANY) ? SG_ROOM_NONE
                                                                        : SG_ROOM_OWN;
}

static __always_inline void sg_room_free(__u32 room)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    struct sg_room *r;

    if (room < SG_ROOMS) {
        r = bpf_map_lookup_elem(&sg_rooms, &room);
        if (r)
            sg_unclaim(&r->claims);
    } else if (room == SG_ROOM_OWN) {
        bpf_map_delete_elem(&sg_walks, &tid);
    }
}

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
    return sg_generation_by(sg_generation, policy_id);
}

/* Nothing that is cached may be believed any more. */
static __always_inline void sg_forget_states(void)
{
    __sync_fetch_and_add((__u64 *)&sg_generation, sg_generation_raise(sg_generation));
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
static __always_inline __u64 sg_run_inline(__u32 policy_id, __u32 state, __u64 name, __u32 len)
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

__noinline __u64 sg_run(__u32 policy_id, __u32 state, __u64 name, __u32 len)
{
    return sg_run_inline(policy_id, state, name, len);
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

#define SG_DENTRY_AT(field) ((__u64)bpf_core_field_offset(struct dentry, field))
/* A field's place in the block. */
#define SG_BLOCK_AT(field)  (SG_DENTRY_AT(field) - SG_DENTRY_AT(d_parent))
#define SG_BLOCK_HAS(field) (SG_BLOCK_AT(field) <= SG_BLOCK_BYTES - sizeof(__u64))
/* Is all of it in the block? Constants to the verifier, which follows one side only. */
#define SG_BLOCK_WHOLE                                                                  \
    (SG_BLOCK_HAS(d_name.hash) && SG_BLOCK_HAS(d_name.name) && SG_BLOCK_HAS(d_inode) && \
     SG_BLOCK_HAS(d_sb))
#define SG_BLOCK(block, field) (*(__u64 *)((__u8 *)(block) + SG_BLOCK_AT(field)))

/* Where short names lie in a dentry; 0: not known. */
static __always_inline __u64 sg_name_offset(void)
{
    if (bpf_core_field_exists(struct dentry, d_iname))
        return SG_DENTRY_AT(d_iname);
    if (bpf_core_field_exists(struct dentry___short, d_shortname))
        return bpf_core_field_offset(struct dentry___short, d_shortname);
    return 0;
}

static __always_inline void sg_dir_key_of(struct sg_dir_key *key, struct inode *inode,
                                          struct super_block *sb)
{
    key->inode = (__u64)inode;
    bpf_core_read(&key->ino, sizeof(key->ino), &inode->i_ino);
    bpf_core_read(&key->dev, sizeof(key->dev), &sb->s_dev);
    bpf_core_read(&key->igeneration, sizeof(key->igeneration), &inode->i_generation);
}

/*
 * What is known of a directory without walking: the state its children start with.
 * A root is known from the table of roots, another directory from the cache; otherwise SG_ANSWER_NONE.
 */
__noinline __u64 sg_dir_known(__u64 dentry, __u32 policy_id)
{
    struct dentry *d = (void *)dentry;
    struct super_block *sb = BPF_CORE_READ(d, d_sb);
    const struct sg_dir *dir;
    struct inode *inode;
    __u64 parent, hash_len;
    __u32 children;
    union {
        __u64 head[4];
        struct sg_dir_key key;
    } u = {};

    /* Not the whole block, and one after the other: the stack is full. */
    if (SG_BLOCK_AT(d_name.hash) <= 24 && SG_BLOCK_AT(d_inode) <= 24) {
        if (bpf_probe_read_kernel(u.head, sizeof(u.head),
                                  (void *)(dentry + SG_DENTRY_AT(d_parent))))
            return SG_ANSWER_FAIL(SG_REASON_RACE);
        parent = SG_BLOCK(u.head, d_parent);
        hash_len = SG_BLOCK(u.head, d_name.hash);
        inode = (void *)SG_BLOCK(u.head, d_inode);
    } else {
        parent = (__u64)BPF_CORE_READ(d, d_parent);
        hash_len = BPF_CORE_READ(d, d_name.hash_len);
        inode = BPF_CORE_READ(d, d_inode);
    }
    if (parent == dentry) {
        if ((__u64)BPF_CORE_READ(sb, s_root) != dentry)
            return SG_ANSWER_FAIL(SG_REASON_DISCONNECTED);
        return sg_enter(policy_id, (__u32)sg_root_state(sb, policy_id));
    }
    if (!inode)
        return SG_ANSWER_FAIL(SG_REASON_DISCONNECTED);
    sg_dir_key_of(&u.key, inode, sb);
    dir = bpf_map_lookup_elem(&sg_dirs, &u.key);
    if (!dir)
        return SG_ANSWER_NONE;
    children = *(volatile __u32 *)&dir->children;
    if (*(volatile __u64 *)&dir->check !=
        sg_dir_check(sg_factors, sg_generation_of(policy_id), &u.key, parent, hash_len, children))
        return SG_ANSWER_NONE;
    return SG_ANSWER(children);
}

/* Fetches what is needed of a dentry: in one go where it lies together. */
static __always_inline long sg_see(struct sg_seen *ret, __u64 address)
{
    struct dentry *dentry = (struct dentry *)address;

    if (SG_BLOCK_WHOLE) {
        if (bpf_probe_read_kernel(ret->block, SG_BLOCK_BYTES,
                                  (void *)(address + SG_DENTRY_AT(d_parent))))
            return -1;
        ret->parent = SG_BLOCK(ret->block, d_parent);
        ret->hash_len = SG_BLOCK(ret->block, d_name.hash);
        ret->text = SG_BLOCK(ret->block, d_name.name);
        ret->inode = SG_BLOCK(ret->block, d_inode);
        ret->sb = SG_BLOCK(ret->block, d_sb);
        return 0;
    }
    return bpf_core_read(&ret->parent, sizeof(__u64), &dentry->d_parent) ||
           bpf_core_read(&ret->hash_len, sizeof(__u64), &dentry->d_name.hash_len) ||
           bpf_core_read(&ret->text, sizeof(__u64), &dentry->d_name.name) ||
           bpf_core_read(&ret->inode, sizeof(__u64), &dentry->d_inode) ||
           bpf_core_read(&ret->sb, sizeof(__u64), &dentry->d_sb);
}

/* Runs the automaton over a directory's name, which has been fetched, and the '/' behind it. */
static __always_inline __u64 sg_run_dir(struct sg_walk *w, __u64 dentry, __u32 policy_id,
                                        __u64 answer)
{
    __u64 name_at = sg_name_offset(), at = name_at - SG_DENTRY_AT(d_parent),
          len = w->seen.hash_len >> 32;

    /* In the block, with room for the '/'? */
    if (SG_BLOCK_WHOLE && name_at && at <= SG_BLOCK_BYTES - 32 &&
        w->seen.text == dentry + name_at) {
        asm volatile("" : "+r"(len));
        if (len < 32) {
            w->seen.block[at + len] = '/';
            len++;
#pragma unroll
            for (__u32 i = 0; i < 4; i++) {
                if (len <= 8 * i || !answer || SG_ANSWER_FAILED(answer))
                    break;
                answer = sg_run_word(policy_id, (__u32)answer,
                                     *(__u64 *)(w->seen.block + at + 8 * i), (__u32)len - 8 * i);
            }
            return answer;
        }
    }
    /* Not sg_run(): the deepest of all ways leads through here, and verifiers count frames. */
    answer = sg_run_inline(policy_id, (__u32)answer, w->seen.text, (__u32)len);
    return SG_ANSWER_FAILED(answer) ? answer : sg_enter(policy_id, (__u32)answer);
}

/*
 * One name down: from the state that a parent's children start with to the same of the directory that the walk passed as its
 * `n`th, left in the cache.
 */
__noinline __u64 sg_dir_step(__u32 n, __u64 children, __u32 policy_id, __u32 room)
{
    struct sg_walk *w = sg_walk_of(room);
    __u64 answer, dentry, slot = n & (SG_WALK_KEPT - 1);

    if (!w)
        return SG_ANSWER_FAIL(SG_REASON_MEMORY);
    dentry = w->up[slot];
    if (sg_see(&w->seen, dentry))
        return SG_ANSWER_FAIL(SG_REASON_RACE);
    answer = sg_run_dir(w, dentry, policy_id, children);
    if (SG_ANSWER_FAILED(answer))
        return answer;
    if (sg_rename_sequence() != w->sequence)
        return SG_ANSWER_FAIL(SG_REASON_RACE);
    if (sg_generation_caches(w->generation)) {
        sg_dir_key_of(&w->key, (struct inode *)w->seen.inode, (struct super_block *)w->seen.sb);
        w->dir.children = (__u32)answer;
        w->dir.check = sg_dir_check(sg_factors, w->generation, &w->key, w->seen.parent,
                                    w->seen.hash_len, (__u32)answer);
        bpf_map_update_elem(&sg_dirs, &w->key, &w->dir, BPF_ANY);
    }
    return answer;
}

/* Some levels up. SG_ANSWER_NONE: nothing is known of these, the next ones follow. */
__noinline __u64 sg_walk_up(__u32 policy_id, __u32 room)
{
    struct sg_walk *w = sg_walk_of(room);
    __u64 answer = SG_ANSWER_NONE;

    if (!w)
        return SG_ANSWER_FAIL(SG_REASON_MEMORY);
    for (int i = 0; i < SG_WALK_STRIDE; i++) {
        __u64 slot = w->n & (SG_WALK_KEPT - 1), at = w->at;

        /* The first is known not to be known. */
        if (w->n)
            answer = sg_dir_known(at, policy_id);
        if (!SG_ANSWER_IS_NONE(answer))
            break;
        w->up[slot] = at;
        w->at = (__u64)BPF_CORE_READ((struct dentry *)at, d_parent);
        w->n++;
    }
    return answer;
}

/*
 * The walk proper: up to what is known, down again. More levels than are kept: what is nearest to the root is resolved
 * and cached, and the answer is SG_REASON_DEPTH; the next walk gets further.
 */
static __always_inline __u64 sg_walk_from(__u64 dentry, __u32 policy_id, __u32 room)
{
    struct sg_walk *w = sg_walk_of(room);
    __u64 answer = SG_ANSWER_NONE;
    __u32 n;

    if (!w)
        return SG_ANSWER_FAIL(SG_REASON_MEMORY);
    w->generation = sg_generation_of(policy_id);
    w->sequence = sg_rename_sequence();
    if (w->sequence & 1)
        return SG_ANSWER_FAIL(SG_REASON_RACE);
    w->at = dentry;
    w->n = 0;
    for (int i = 0; i < SG_WALK_REACH / SG_WALK_STRIDE && SG_ANSWER_IS_NONE(answer); i++)
        answer = sg_walk_up(policy_id, room);
    if (SG_ANSWER_IS_NONE(answer))
        return SG_ANSWER_FAIL(SG_REASON_DEPTH);
    n = w->n;
    for (int i = 0; i < SG_WALK_KEPT; i++) {
        if (SG_ANSWER_FAILED(answer) || !n)
            return answer;
        n--;
        answer = sg_dir_step(n, answer, policy_id, room);
    }
    return n ? SG_ANSWER_FAIL(SG_REASON_DEPTH) : answer;
}

/* The state that children of a directory start with. A walk that met a rename is not repeated here: callers ask again. */
__noinline __u64 sg_children(__u64 dentry, __u32 policy_id)
{
    __u64 answer = sg_dir_known(dentry, policy_id);
    __u32 room;

    if (!SG_ANSWER_IS_NONE(answer))
        return answer;
    sg_count(SG_COUNT_RESOLVED_COLD);
    room = sg_room_claim();
    answer = sg_walk_from(dentry, policy_id, room);
    sg_room_free(room);
    return answer;
}

/* The state of `dentry` as an object: its parent's children stepped by its name; a root's is seeded. */
__noinline __u64 sg_object_state(__u64 dentry_address, __u32 policy_id)
{
    struct dentry *dentry = (void *)dentry_address, *parent;
    struct super_block *sb = BPF_CORE_READ(dentry, d_sb);
    __u32 sequence = sg_rename_sequence();
    __u64 answer, hash_len;

    if (BPF_CORE_READ(sb, s_root) == dentry)
        return sg_root_state(sb, policy_id);
    parent = BPF_CORE_READ(dentry, d_parent);
    hash_len = BPF_CORE_READ(dentry, d_name.hash_len);
    if (parent == dentry)
        return SG_ANSWER_FAIL(SG_REASON_DISCONNECTED);
    answer = sg_children((__u64)parent, policy_id);
    if (SG_ANSWER_FAILED(answer) || !answer)
        return answer;
    answer = sg_run(policy_id, (__u32)answer, (__u64)BPF_CORE_READ(dentry, d_name.name),
                    hash_len >> 32);
    if ((!sg_rename_lock || sequence & 1 || sequence != sg_rename_sequence()) &&
        (BPF_CORE_READ(dentry, d_parent) != parent ||
         BPF_CORE_READ(dentry, d_name.hash_len) != hash_len))
        return SG_ANSWER_FAIL(SG_REASON_RACE);
    return answer;
}
#endif
