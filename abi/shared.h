/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Values of the maps that kernel programs and the sensor share, besides the policy image and the records.
 * Included by both sides, includes nothing of ours.
 */
#ifndef SG_ABI_SHARED_H
#define SG_ABI_SHARED_H

#include <linux/types.h>

/*
 * The generation under which cached states are valid. The kernel counts moves of directories in the low half, the
 * sensor writes the policy's id into the high half; both together are read as one aligned 64-bit word.
 */
union sg_generation {
    __u64 both;
    struct {
        __u32 moves;     /* raised by the kernel */
        __u32 policy_id; /* written by the sensor, after the image was replaced */
    };
};

/* Which of the two sets of switches is a policy's. */
#define SG_SWITCHES(policy_id) ((policy_id)&1)

/* Key of a cached directory. The pointer alone could be reused, so could the number: together with the generation no. */
struct sg_dir_key {
    __u64 inode; /* address */
    __u64 ino;
    __u32 dev;
    __u32 igeneration;
};

struct sg_dir {
    __u64 generation;
    __u64 parent;   /* address of the parent's dentry */
    __u64 hash_len; /* of its name */
    __u32 state;    /* as an object */
    __u32 children; /* after the '/' */
};

/*
 * A cached inode, in inode storage. State and validity share one word, so that nobody ever sees one without the other:
 *   dir    what its children start with: SG_DIR_WORD(generation, state)
 *   leaf   its own state by its last name seen: a 44-bit digest of generation, parent and name, and the state
 */
struct sg_node {
    __u64 dir;
    __u64 leaf;
    __u32 other[SG_PIN_STATES]; /* states of its other names, from the table of pinned objects */
    __u32 other_policy;         /* policy that they speak of; 0: not asked yet */
    __u32 other_moves;          /* and moves: raised when an object is pinned that may be cached */
};

#define SG_STATE_BITS 20
#define SG_STATE_MASK ((1ull << SG_STATE_BITS) - 1)
#define SG_DIR_WORD(generation, state)                                                        \
    ((__u64)(generation).moves << 32 | ((generation).policy_id & 0xfffull) << SG_STATE_BITS | \
     (state))

/* What a task is to the policy. Recomputed when any of the first fields is no longer what the task has. */
struct sg_subject {
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
    __u32 term_subject,
        term_dim; /* while the terms are walked: whose and of which dimension the last one was */
    __u32 term_all,
        term_any;  /* … whether all earlier dimensions matched, and any term of this one */
    __u32 exe_dev; /* what it executed, as the exec saw it: mm->exe_file can be set by its owner */
    __u64 exe_ino;
    __u32 exe_exec_id; /* which exec that was */
    __u32 reserved;
};

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

/* Numbers of the hooks in records. */
enum sg_hook {
    SG_HOOK_NONE = 0,
#define SG_HOOK(id, ops, canary, help) SG_HOOK_##id,
#include "hooks.def"
    SG_HOOK_COUNT,
};

_Static_assert(sizeof(union sg_generation) == 8, "sg_generation");
_Static_assert(sizeof(struct sg_dir_key) == 24, "sg_dir_key");
_Static_assert(sizeof(struct sg_dir) == 32, "sg_dir");
_Static_assert(sizeof(struct sg_node) == 40, "sg_node");
_Static_assert(SG_STATES_MAX == 1u << SG_STATE_BITS, "a state fits into its part of a word");
_Static_assert(sizeof(struct sg_agent) == 24 + 16 * SG_AGENT_DIRS, "sg_agent");
_Static_assert(sizeof(struct sg_merge_key) == 32, "sg_merge_key");

#endif
