/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Values of the maps that kernel programs and the sensor share, besides the policy image and the records.
 * Included by both sides, includes nothing of ours.
 */
#ifndef SG_ABI_SHARED_H
#define SG_ABI_SHARED_H

#include <linux/types.h>

#define SG_NODE_RULES  2
#define SG_FIRST_WORDS 5

/*
 * The generation under which cached states are valid, in the place that it has in a cached word:
 *   bits 22-63  a count that rises with every change of policy and every move of a directory to where other rules hold
 *   bits 20-21  the lowest bits of the policy's number: what one policy cached is not another's, even while one replaces
 *               the other and both have the same count
 *   bits  0-19  0: the place of a state
 * The count never returns to an earlier value: it stands still at SG_GENERATION_LAST. From there on nothing is cached any
 * more, so that no word ever carries such a generation: decisions are slower then, and as right as before. A million
 * moves a second lead there in 25 days.
 */
#define SG_STATE_BITS      20
#define SG_STATE_MASK      ((1ull << SG_STATE_BITS) - 1)
#define SG_GENERATION_STEP (1ull << 22)
#define SG_GENERATION_LAST \
    (~0ull << 38) /* 2^16 steps below the top: as many may raise it at the same time */
#define SG_GENERATION_POLICY(policy_id) ((__u64)((policy_id)&3u) << SG_STATE_BITS)

/* May what is found under this generation be cached? */
static inline __attribute__((always_inline)) int sg_generation_caches(__u64 generation)
{
    return generation < SG_GENERATION_LAST;
}

/* By how much the generation is to be raised. */
static inline __attribute__((always_inline)) __u64 sg_generation_raise(__u64 generation)
{
    return sg_generation_caches(generation) ? SG_GENERATION_STEP : 0;
}

/* The generation for what is found by this policy. */
static inline __attribute__((always_inline)) __u64 sg_generation_by(__u64 generation,
                                                                    __u32 policy_id)
{
    return (generation & ~SG_GENERATION_POLICY(3)) | SG_GENERATION_POLICY(policy_id);
}

/* Does a cached word belong to this generation? */
static inline __attribute__((always_inline)) int sg_word_is_of(__u64 word, __u64 generation)
{
    return (word ^ generation) >> SG_STATE_BITS == 0;
}

/* Which of the two sets of switches is a policy's. */
#define SG_SWITCHES(policy_id) ((policy_id)&1)

/* Key of a cached directory. The pointer alone could be reused, so could the number: together with the generation no. */
struct sg_dir_key {
    __u64 inode; /* address */
    __u64 ino;
    __u32 dev;
    __u32 igeneration;
};

/* Entries are taken for other directories while somebody reads them: all that is believed is in the sum. */
struct sg_dir {
    __u64 check;    /* sg_dir_check() */
    __u32 children; /* the state that they start with */
    __u32 reserved;
};

/*
 * Binds a directory to the state that its children start with. `parent`: address of the parent's dentry; `hash_len`: of its name.
 * `factors`: secret ones, since all else is the choice of who makes the directory.
 */
static inline __attribute__((always_inline)) __u64 sg_dir_check(const volatile __u64 *factors,
                                                                __u64 generation,
                                                                const struct sg_dir_key *key,
                                                                __u64 parent, __u64 hash_len,
                                                                __u32 children)
{
    return (generation + children) * factors[0] + key->inode * factors[1] + key->ino * factors[2] +
           ((__u64)key->igeneration << 32 | key->dev) * factors[3] + parent * factors[4] +
           hash_len * factors[5];
}

/*
 * A cached inode, in inode storage. State and generation share one word, so that nobody ever sees one without the other.
 * What belongs together but does not fit into one word is bound by `check`: processors write a node at the same time.
 */
struct sg_node {
    __u64 dir;  /* of a directory: the state that its children start with */
    __u64 more; /* the generation, when one of the next two may say something */
    __u64
        stacked; /* as `dir`, where files are opened with another inode than the name's: see sg_dir_is_dead() */
    __u64 first
        [SG_FIRST_WORDS]; /* of a directory: first bytes after which a name is dead; see SG_FIRST_* */
    __u64 quick;          /* sg_quick_check() of the generation, the name and rules */
    __u64 rules
        [SG_NODE_RULES]; /* of anything: the entries (struct sg_entry) that speak of it, by its last name seen */
    __u64 leaf;                 /* its own state by that name */
    __u64 check;                /* sg_leaf_check() of leaf and name */
    __u64 others;               /* sg_others_check() of what follows */
    __u32 other[SG_PIN_STATES]; /* states of its other names, from the table of pinned objects */
};

#define SG_RULES_MORE (~0ull) /* more rules than fit: none of them is kept */

/* Names whose first byte is from '-' to '|': 16 of them to a word, below its generation. */
#define SG_FIRST_LOWEST '-'
#define SG_FIRST_COUNT  (16 * SG_FIRST_WORDS)

/*
 * Binds a node's leaf to the name that it was found by: its dentry (as the distance from the inode: a number that kernel programs
 * may form) and the hash of its name, which is salted with the directory (dentry->d_name.hash). Odd factors: no part can be
 * another while the rest is the same.
 */
static inline __attribute__((always_inline)) __u64 sg_leaf_check(__u64 leaf, __u64 distance,
                                                                 __u64 hash)
{
    return leaf * 0x9e3779b97f4a7c15ull + distance * 0xd6e8feb86659fd93ull +
           hash * 0xbf58476d1ce4e5b9ull;
}

/* The same for its rules. */
static inline __attribute__((always_inline)) __u64 sg_quick_check(__u64 generation, __u64 distance,
                                                                  __u64 hash, const __u64 *rules)
{
    _Static_assert(SG_NODE_RULES == 2, "a factor for each");
    return sg_leaf_check(generation, distance, hash) + rules[0] * 0x94d049bb133111ebull +
           rules[1] * 0xc2b2ae3d27d4eb4full;
}

/* The same for the states of its other names. The generation is raised when an object is pinned that may be cached. */
static inline __attribute__((always_inline)) __u64 sg_others_check(__u64 generation,
                                                                   const __u32 *other)
{
    _Static_assert(SG_PIN_STATES == 4, "two to a factor");
    return generation * 0x9e3779b97f4a7c15ull +
           ((__u64)other[1] << 32 | other[0]) * 0x94d049bb133111ebull +
           ((__u64)other[3] << 32 | other[2]) * 0xc2b2ae3d27d4eb4full;
}

/*
 * What a task is to the policy. Recomputed when any of the first fields is no longer what the task has. Written by the task
 * itself, or by its parent before it runs, and put in place as a whole.
 */
struct sg_subject {
    __u64 stamp; /* when it was put in place: shows whether it was replaced while it was read */
    __u32 policy_id;
    __u32 exec_id;
    __u32 euid, egid;
    __u32 login_uid;
    __u32 session; /* enum sg_session */
    __u64 caps;    /* effective */
    __u64 cgroup_id;
    __u64 groups;   /* digest of the supplementary groups */
    __u64 start_ns; /* guards against reuse where the key is a number */
    __u64 subjects[SG_SUBJECT_WORDS];
    __u64 sticky[SG_SUBJECT_WORDS]; /* subjects that its descendants are, too */
    __u64 preds[SG_PRED_WORDS];
    __u64 exe[SG_ATOM_WORDS];       /* path lists that its executable is in */
    __u64 ancestors[SG_ATOM_WORDS]; /* … that any of its ancestors' is in */
    __u64 parent_exe[SG_ATOM_WORDS];
    __u64 cgroup[SG_ATOM_WORDS]; /* path lists that its cgroup is in */
    __u32 atoms_policy;          /* policy that the sets above speak of */
    __u32 container;             /* 1: not in the first pid namespace or user namespace */
    __u32 epoch;                 /* sg_subject_epoch that `subjects` was computed under */
    /* What it executed, as the exec saw it: mm->exe_file can be set by its owner. Which exec that was, and the inode. */
    __u32 exe_exec_id;
    __u64 exe_inode; /* address */
    __u64 exe_ino;
    __u32 exe_dev;
    __u32 exe_generation; /* subvolumes of btrfs have numbers and device in common */
    __u32 exe_policy;     /* policy that `exe` speaks of; 0: it is not known what it executes */
    __u32 reserved;
};

/*
 * Predicates that hold for a task, for the quick way of decisions: with the task itself, and of the last task of each
 * processor. Only for policies whose subjects are no more than programs, users, logins and lineage.
 *
 * Each word is valid for who has the key that it is bound by, and for nobody else, whoever wrote the other words, and when: a
 * key is made of all that predicates may depend on (sg_task_key()).
 */
struct sg_known {
    struct {
        __u64 preds;
        __u64 bound; /* preds ^ key */
    } words[SG_PRED_WORDS];
};

#define SG_KNOWN_CPUS \
    256 /* last tasks that are kept, by the number of the processor; a power of two */
#define SG_DEAD_DIRS \
    4096 /* directories that are kept for programs without inode storage; a power of two */
#define SG_FACTORS 6 /* random factors of sums that others must not be able to make equal */

/* Equal denials are counted instead of sent again. */
struct sg_merge_key {
    __u64 ino;
    __u64 start_ns;
    __u32 dev;
    __u32 tgid;
    __u16 access;
    __u16 policy; /* low half of its number: the rule's is another rule under another policy */
    __u16 rule;
    __u16 hook;
};

struct sg_merge {
    __u64 first_ns; /* of the current window */
    __u64 last_ns;
    __u64 count; /* since the record that was sent */
    __u32 policy_id;
    __u32 lock; /* a hint, not a lock: set while a CPU opens a new window */
};

#define SG_MERGE_WINDOW_NS 1000000000ull

/*
 * What is no object has these in place of its number and its device (SG_RECORD_CONTROL): what is asked with, as a number of 40 bits,
 * and of whom; and the kind. No device has this major number.
 */
#define SG_CONTROL_INO(what, target) \
    (1ull << 63 | ((__u64)(target)&0x3fffff) << 40 | ((what)&0xffffffffffull))
#define SG_CONTROL_INO_WHAT(ino)   ((ino)&0xffffffffffull)
#define SG_CONTROL_INO_TARGET(ino) ((__u32)((ino) >> 40 & 0x3fffff))
#define SG_CONTROL_DEV(kind)       (0xfff00000u | (kind))
#define SG_CONTROL_IS_DEV(dev)     ((dev) >> 20 == 0xfff)
#define SG_CONTROL_DEV_KIND(dev)   ((dev)&0xfffff)

/*
 * Who the agent is, written by the agent itself through the map's descriptor and cleared when it exits. Identity is the
 * thread group and when it started, which the kernel side puts in when the agent first meets a rule: a number that is used
 * again has another start. What a rule refuses to everybody would otherwise blind the agent: it may read everything, and
 * change what lies below its own directories.
 */
#define SG_AGENT_DIRS 8
struct sg_agent {
    __u64 start_ns;   /* CLOCK_BOOTTIME, of the thread group's leader; 0: not seen yet */
    __u32 tgid;       /* 0: there is none */
    __u32 kept_rules; /* the first rules of every policy hold for the agent, too: its self-test */
    __u32 n_dirs;
    __u32 reserved;
    struct {
        __u64 ino;
        __u32 dev; /* s_dev as the kernel has it */
        __u32 reserved;
    } dirs[SG_AGENT_DIRS];
};

#define SG_AGENT_DEPTH_MAX 8 /* how far below its directories the agent's files may lie */

/*
 * The reader of a ring is woken at once when it has not been for this long, otherwise not at all: whoever was woken looks
 * again after that time. A wake-up costs whoever makes the record as much as the record itself, and more where the reader
 * runs at once.
 */
#define SG_WAKE_NS 2000000ull

/* Chosen variables, by how they begin: "NAME=" for one, "NAME_" for all that begin so. */
#define SG_ENV_NAMES_MAX    32
#define SG_ENV_NAME_MAX     32
#define SG_ENV_NAMES_ALWAYS "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "SSH_*"
struct sg_env_names {
    __u64 first; /* bit by the lowest six bits of the first byte: some name begins so */
    __u32 n;
    __u32 reserved;
    struct {
        __u64 text[SG_ENV_NAME_MAX / 8]; /* as in memory */
        __u64 mask[SG_ENV_NAME_MAX / 8]; /* of the bytes that count */
    } name[SG_ENV_NAMES_MAX];
};

/* Numbers of the hooks in records. */
enum sg_hook {
    SG_HOOK_NONE = 0,
#define SG_HOOK(id, ops, canary, help) SG_HOOK_##id,
#include "hooks.def"
    SG_HOOK_COUNT,
};

_Static_assert(sizeof(struct sg_dir_key) == 24, "sg_dir_key");
_Static_assert(sizeof(struct sg_dir) == 16, "sg_dir");
_Static_assert(sizeof(struct sg_node) == 128, "sg_node");
_Static_assert(SG_STATE_MASK + 1 == SG_STATES_MAX, "a state fits into its part of a word");
_Static_assert(sizeof(struct sg_agent) == 24 + 16 * SG_AGENT_DIRS, "sg_agent");
_Static_assert(sizeof(struct sg_merge_key) == 32, "sg_merge_key");

#endif
