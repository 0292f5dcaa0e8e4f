/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every map of the kernel side. The sensor pins all of them by name: enforcement and caches outlive the agent.
 * Sizes here are defaults that the sensor may change before loading.
 */
#ifndef SG_BPF_MAPS_H
#define SG_BPF_MAPS_H

#include "common.bpf.h"

/* One page of a policy image; images are arrays of such pages, as long as they need to be. */
struct sg_page {
    __u8 bytes[SG_IMAGE_PAGE];
};

struct image_map {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_INNER_MAP);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, sizeof(struct sg_page));
};

/* The policy in force: replaced in one step. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, 1);
    __type(key, __u32);
    __array(values, struct image_map);
} sg_images SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct sg_root_key);
    __type(value, struct sg_root);
} sg_roots SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 65536);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct sg_pin_key);
    __type(value, struct sg_pin);
} sg_pins SEC(".maps");

/* Files and the directories next to them. LSM programs only; made an ordinary array of one where it cannot be used. */
struct {
    __uint(type, BPF_MAP_TYPE_INODE_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct sg_node);
} sg_nodes SEC(".maps");

#ifndef SG_DIRS_MAX
#define SG_DIRS_MAX 16384
#endif

/* The path of a directory that records speak of often. */
#define SG_TEXT_MAX  240
#define SG_TEXT_MASK 255 /* the same to verifiers */
struct sg_text {
    __u64 mark; /* of the directory, in the table: see sg_dir_mark() */
    __u64 made_ns;
    __u32 sequence; /* of rename_lock, when nothing had moved on the way */
    __u32 len;
    __u8 bytes[SG_TEXT_MAX]; /* as in a record's path, from the directory's own name on */
};

struct {
    __uint(type, BPF_MAP_TYPE_INODE_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct sg_text);
} sg_texts SEC(".maps");

/*
 * The same by the address of the directory's dentry, for programs that cannot ask inode storage for a directory. Entries are
 * used again for other directories while they are read.
 */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1024);
    __type(key, __u64);
    __type(value, struct sg_text);
} sg_dir_texts SEC(".maps");

/* Directories on the way, found by address. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, SG_DIRS_MAX);
    __type(key, struct sg_dir_key);
    __type(value, struct sg_dir);
} sg_dirs SEC(".maps");

/* Subjects, by thread id: works from 5.10 on. Entries go with their thread. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 65536);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u32);
    __type(value, struct sg_subject);
} sg_subjects SEC(".maps");

/* The running agent. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct sg_agent);
} sg_agents SEC(".maps");

/* What of it the quick way asks for, where tasks have storage (5.11) and programs are of type LSM. */
struct {
    __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct sg_known);
} sg_tasks SEC(".maps");

/* What is about to be moved to a place where other rules hold, by the address of its dentry. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 4096);
    __type(key, __u64);
    __type(value, __u64);
} sg_moves SEC(".maps");

/* Of a file: its states at the old name and at the new one, and the lowest bits of the policy that they belong to. */
#define SG_MOVE_OF_DIRECTORY 1ull
#define SG_MOVE(from, to, policy_id) \
    (1ull << 63 | (policy_id & 0x7fffffull) << 40 | (__u64)(to) << SG_STATE_BITS | (from))
#define SG_MOVE_STATES(move) \
    (((move) >> SG_STATE_BITS & SG_STATE_MASK) << 32 | ((move)&SG_STATE_MASK))
#define SG_MOVE_IS_OF(move, policy_id) (!(((move) ^ SG_MOVE(0, 0, policy_id)) >> 40))

/* When it is full, denials are sent one by one: nothing that counts is put out for something newer. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8192);
    __type(key, struct sg_merge_key);
    __type(value, struct sg_merge);
} sg_merged SEC(".maps");

/* Denials are not crowded out by bulk audit: a ring of their own. */
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4 << 20);
} sg_security SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 16 << 20);
} sg_audit SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4 << 20);
} sg_process SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, SG_COUNT_MAX);
    __type(key, __u32);
    __type(value, __u64);
} sg_counters SEC(".maps");

/* Shared words, mapped by the sensor as .bss and .rodata of the object. */
volatile __u64 sg_generation = 0;
volatile __u32 sg_policy_id = 0; /* the policy of which the sensor last said that it comes */
/*
 * Subjects whose time window is open, of the policies with even and with odd numbers: the next one's are there before it is
 * in force. The epoch rises after a change. In .data: all are open at first.
 */
volatile __u64 sg_subjects_on[2][SG_SUBJECT_WORDS] = {{~0ull, ~0ull, ~0ull, ~0ull},
                                                      {~0ull, ~0ull, ~0ull, ~0ull}};
volatile __u32 sg_subject_epoch = 1;
/* When the reader of each ring was last woken. */
enum sg_ring { SG_RING_SECURITY, SG_RING_AUDIT, SG_RING_PROCESS, SG_RINGS };
volatile __u64 sg_woken_ns[SG_RINGS] = {};

/* The same of the task that last asked on a processor: found without a call. */
struct sg_known sg_known_last[SG_KNOWN_CPUS] = {};
/* Marks of directories in which nothing is any rule's business, see sg_dir_mark(). */
volatile __u64 sg_dead_dirs[SG_DEAD_DIRS] = {};

/* Odd, set by the sensor when it loads the programs: what is bound by one agent's programs is nothing to the next one's. */
const volatile __u64 sg_factors[SG_FACTORS] = {};

const volatile bool sg_typed =
    true; /* inode storage may be asked with what is walked from a hook's arguments */
const volatile __u32 sg_agent_tgid =
    0; /* unused by decisions; the agent's own records are marked */
const volatile __u64 sg_rename_lock = 0; /* address of rename_lock from kallsyms, 0: unknown */

#endif
