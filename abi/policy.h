/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The compiled policy as kernel and user space share it.
 *
 * A policy compiles into one *image*: a flat, position-independent block of bytes that the kernel programs read through
 * an array map of SG_IMAGE_PAGE sized pages. The image is immutable; a change of policy builds a new image and replaces
 * the map in one step, so that every decision is made by one image as a whole.
 *
 * What is in an image:
 *   states    a deterministic automaton over the BYTES of canonical paths ("/etc/shadow"), all patterns of all rules at once.
 *             State 0 is dead: nothing that starts with what was read can match any more.
 *   edges     the transitions, in comb form: next(s, c) = edges[s.base + c].check == s ? edges[…].next : s.dflt
 *   accepts   what it means to be in a state: which rules match an object with this path, and what may be beneath it
 *   entries   the rules of an accept, in the order in which they are tried
 *   belows    predicates of deny rules that match something beneath a state (a move of a directory takes those along)
 *   atoms     which of the named path lists (exe, parent, cgroup …) a path belongs to: bit sets
 *   terms     the conditions of the subjects, sorted by subject and dimension
 *   preds     `by`/`not_by` pairs over subjects; a rule's subject part is one predicate
 *   targets   what a predicate asks of the process that an access is about (`to`)
 * Control groups, variables of environments and what abi/control.def knows are words of the same automaton, each with a
 * start of its own.
 *
 * Included by both sides, includes nothing of ours. Append only: a layout change raises SG_IMAGE_VERSION.
 */
#ifndef SG_ABI_POLICY_H
#define SG_ABI_POLICY_H

#include <linux/types.h>

#define SG_IMAGE_MAGIC   0x49504753u /* "SGPI" */
#define SG_IMAGE_VERSION 3u

#define SG_IMAGE_PAGE_SHIFT 16
#define SG_IMAGE_PAGE       (1u << SG_IMAGE_PAGE_SHIFT)
#define SG_IMAGE_PAGES_MAX  4096u /* 256 MiB */
#define SG_IMAGE_ALIGN      64u   /* every section starts on a multiple of this */

/* Bounds that the kernel's loops rely on. `policy check` names the rule that goes beyond one. */
#define SG_SUBJECTS_MAX  256u /* distinct subjects, named and inline */
#define SG_SUBJECT_WORDS (SG_SUBJECTS_MAX / 64u)
#define SG_ATOMS_MAX     256u /* distinct path lists used in subjects */
#define SG_ATOM_WORDS    (SG_ATOMS_MAX / 64u)
#define SG_PREDS_MAX     512u /* distinct by/not_by pairs; predicate 0 is "everybody" */
#define SG_PRED_WORDS    (SG_PREDS_MAX / 64u)
#define SG_TERMS_MAX     512u
#define SG_ENTRIES_MAX \
    128u /* rules that compete for one object, after shadowed ones were removed */
#define SG_RULES_MAX  16384u     /* rules in one policy */
#define SG_STATES_MAX (1u << 20) /* a cached state shares a word with its validity */
#define SG_NAME_MAX   255u       /* bytes of one path component, NAME_MAX of limits.h */

/* Operations on objects. One bit each; a rule has a set of them, an access asks for one or more. */
enum sg_op {
    SG_OP_READ = 1u << 0,   /* open for reading, list a directory */
    SG_OP_WRITE = 1u << 1,  /* open for writing, truncate, fallocate */
    SG_OP_CREATE = 1u << 2, /* create, mkdir, mknod, symlink; the new name of link and rename */
    SG_OP_DELETE = 1u << 3, /* unlink, rmdir; the name that a rename replaces */
    SG_OP_RENAME = 1u << 4, /* the old name of a rename */
    SG_OP_LINK = 1u << 5,   /* a further hard link to the object */
    SG_OP_CHMOD = 1u << 6,  /* mode, times, inode flags */
    SG_OP_CHOWN = 1u << 7,  /* owner, group */
    SG_OP_XATTR = 1u << 8,  /* extended attributes, ACLs */
    SG_OP_EXEC = 1u << 9,   /* open for execution */
    SG_OP_MMAP = 1u << 10,  /* map into memory */
    SG_OP_IO = 1u << 11,    /* close, with the bytes read and written since open */
    SG_OP_MOUNT = 1u << 12, /* mount over, unmount, move a mount, pivot_root */
    SG_OP_LOAD =
        1u << 13, /* map for execution: shared libraries, programs handed to a dynamic linker */
    SG_OP_LAUNCH =
        1u
        << 14, /* of rules about programs: the record is that of the exec, not of the open for it */
    SG_OP_CONTROL = 1u << 15, /* what abi/control.def knows; never together with a path */
};
#define SG_OP_COUNT  16
#define SG_OPS_FILES (SG_OP_LOAD - 1) /* what rules about files may name */
#define SG_OPS_EXEC \
    (SG_OP_EXEC | SG_OP_LOAD | SG_OP_LAUNCH) /* what rules about programs are made of */
#define SG_OPS_WRITE                                                                       \
    (SG_OP_WRITE | SG_OP_CREATE | SG_OP_DELETE | SG_OP_RENAME | SG_OP_LINK | SG_OP_CHMOD | \
     SG_OP_CHOWN | SG_OP_XATTR | SG_OP_MOUNT)
#define SG_OPS_ANY    (SG_OPS_WRITE | SG_OP_READ | SG_OP_EXEC | SG_OP_MMAP)
#define SG_OPS_OBJECT (SG_OPS_ANY | SG_OP_LOAD) /* what an object must stay known for */

/*
 * Devices whose descriptors stay usable, whatever rule comes after they were opened, by the numbers of their drivers
 * (Documentation/admin-guide/devices.txt). Terminals: consoles and serial lines, /dev/tty and /dev/ptmx, pseudo terminals,
 * low-density serial lines, consoles of hypervisors. And what holds nothing: /dev/null, zero, full, random, urandom.
 */
#define SG_STAYS_OPEN(major, minor)                                                          \
    ((major) == 4 || (major) == 5 || ((major) >= 128 && (major) <= 143) || (major) == 204 || \
     (major) == 229 ||                                                                       \
     ((major) == 1 && ((minor) == 3 || (minor) == 5 || ((minor) >= 7 && (minor) <= 9))))

/* What a rule does. Ordered by strength: of several names of one object the strongest verdict counts. */
enum sg_verdict {
    SG_ALLOW = 0, /* pass, no record */
    SG_AUDIT = 1, /* pass, record */
    SG_DENY = 2,  /* refuse with EPERM, record */
    SG_KILL = 3,  /* refuse with EPERM, record, SIGKILL to the process */
    SG_STOP = 4,  /* refuse with EPERM, record, SIGSTOP to the process */
};
#define SG_VERDICT_COUNT 5

/* sg_entry.flags */
enum {
    SG_ENTRY_MONITOR = 1u << 0, /* decide and record, never block */
};
/* The errno of what is refused, in the other bits of the flags; 0: EPERM. */
#define SG_ENTRY_ERRNO(flags)  ((__u8)(flags) >> 1)
#define SG_ENTRY_FLAGS(errno_) ((__u8)((errno_) << 1))
#define SG_ERRNO_MAX           127

/*
 * Kinds of what the section `control` speaks of. An access is a word of the same automaton that paths are, from a start of its own
 * (sg_image.control_state, by kind), and its operation is SG_OP_CONTROL:
 *   NUMBER  one byte, SG_CONTROL_NUMBER(n)
 *   ID      five bytes, SG_CONTROL_ID(id, 0 … 4)
 *   NAME    its bytes
 *   ENDS    what abi/network.h says
 */
enum sg_control_arg {
    SG_CONTROL_ARG_NUMBER,
    SG_CONTROL_ARG_ID,
    SG_CONTROL_ARG_NAME,
    SG_CONTROL_ARG_ENDS,
};
enum sg_control {
#define SG_CONTROL(id, arg, help) SG_CONTROL_##id,
#include "control.def"
    SG_CONTROL_COUNT,
};
#define SG_CONTROL_MAX        32
#define SG_CONTROL_KIND(kind) ((__u8)(1 + (kind))) /* in front of it, from the common start */
#define SG_CONTROL_NAMED(kind) \
    (1ull << (SG_CONTROL_MAX + (kind))) /* some rule of the kind has a domain name */
#define SG_CONTROL_NUMBER(n) ((__u8)((n) < 254 ? 1 + (n) : 255))
#define SG_CONTROL_ID_BYTES  5
#define SG_CONTROL_ID(id, i) ((__u8)(0x80 | ((__u32)(id) >> (28 - 7 * (i)) & 0x7f)))
#define SG_CONTROL_NAME_MAX  255u

/* Numbers of SG_CONTROL_exec. */
enum sg_control_exec {
    SG_EXEC_MEMORY = 0,  /* memfd_create(2), or another file system that nothing is mounted from */
    SG_EXEC_DELETED = 1, /* the file has no name any more */
    SG_EXEC_FOREIGN = 2, /* a file system that no path of the host leads to */
};

/* Section directory. Offsets are bytes from the start of the image, counts are records. */
struct sg_image {
    __u32 magic, version;
    __u32 policy_id; /* never 0; the high half of the generation */
    __u32 n_pages;   /* the image's length in pages */
    __u32 states_off, n_states;
    __u32 edges_off, n_edges;
    __u32 accepts_off, n_accepts;
    __u32 entries_off, n_entries;
    __u32 belows_off, n_belows;
    __u32 atoms_off, n_atoms; /* bit sets, not atoms: record 0 is the empty set */
    __u32 terms_off, n_terms;
    __u32 preds_off, n_preds;
    __u32 needs; /* SG_NEED_*: what the subjects use; what no subject uses is not computed */
    __u32 ops;   /* union of the operations of all rules */
    __u32
        enforce_ops; /* of the deny and kill rules that are enforced: these are refused where an object cannot be resolved */
    __u32 cgroup_state; /* start state for cgroup paths (the cgroup root, before the first '/') */
    __u32 n_rules;
    __u32 env_state; /* start state for the variables of an environment, "NAME=value" */
    __u64 descendants[SG_SUBJECT_WORDS]; /* subjects that their descendants inherit */
    __u64 controls; /* bit 1 << enum sg_control: some rule speaks of the kind; SG_CONTROL_NAMED */
    __u32 control_state[SG_CONTROL_MAX]; /* start state of each kind; 0: no rule speaks of it */
    __u32 targets_off, n_targets; /* as many as predicates, or 0: no rule asks for a target */
    __u64 checksum;               /* XXH3 of the rest of the image; user space only */
};

enum {
    SG_NEED_EXE = 1u << 0,
    SG_NEED_PARENT = 1u << 1,
    SG_NEED_ANCESTOR = 1u << 2,
    SG_NEED_DESCENDANTS = 1u << 3,
    SG_NEED_GROUPS = 1u << 4,
    SG_NEED_CGROUP = 1u << 5,
    SG_NEED_SESSION = 1u << 6,
    SG_NEED_ENV = 1u << 7,
    SG_NEED_TIME = 1u << 8,
    SG_NEED_NAMESPACE = 1u << 9,
    SG_NEED_CAP = 1u << 10,
    SG_NEED_GUARD =
        1u << 11, /* not a subject's: something is enforced besides the agent's own rules */
};
/* Any of these and the lineage hooks (fork, exec) are attached. */
#define SG_NEEDS_LINEAGE (SG_NEED_PARENT | SG_NEED_ANCESTOR | SG_NEED_DESCENDANTS | SG_NEED_SESSION)
/* Any of these and what a task executes is remembered when it does. */
#define SG_NEEDS_PROGRAM (SG_NEEDS_LINEAGE | SG_NEED_EXE | SG_NEED_ENV)

/* One state of the automaton. */
struct sg_state {
    __u32 base;   /* edges[base + byte] is this state's transition if its check names this state */
    __u32 dflt;   /* next state otherwise */
    __u32 accept; /* index into accepts; 0: no rule, no atom, nothing denied beneath */
    __u32
        ops; /* union of the operations of the accept's entries: the first question of every decision */
};

struct sg_edge {
    __u32 check; /* the state that this transition belongs to; 0: free */
    __u32 next;
};

/* What being at a path means. 16 bytes. */
struct sg_accept {
    __u32 entry;     /* first of its entries */
    __u16 n_entries; /* ≤ SG_ENTRIES_MAX */
    __u16 below;     /* index into belows; 0: nothing is denied beneath */
    __u32 atoms;     /* index into atoms; 0: in no path list */
    __u32 reserved;
};

/* A rule as one object sees it. */
struct sg_entry {
    __u16 pred;
    __u16 ops;
    __u16 rule; /* index of the rule in the policy, for records and `policy explain` */
    __u8 verdict;
    __u8 flags;
};

/* Predicates of the deny rules that match anything strictly beneath a state. */
struct sg_below {
    __u64 enforce[SG_PRED_WORDS];
    __u64 monitor[SG_PRED_WORDS];
};

struct sg_atoms {
    __u64 bits[SG_ATOM_WORDS];
};

/* Dimensions of a subject: within one the terms are alternatives, all dimensions of a subject must match. */
enum sg_dim {
    SG_DIM_EXE = 1,      /* value: atom; the executable of the process (mm->exe_file) */
    SG_DIM_PARENT = 2,   /* value: atom; the executable of the real parent */
    SG_DIM_ANCESTOR = 3, /* value: atom; the executable of any ancestor */
    SG_DIM_USER = 4,     /* value: effective uid */
    SG_DIM_GROUP = 5,    /* value: effective gid or a supplementary group */
    SG_DIM_LOGIN = 6,    /* value: audit login uid; (uid_t)-1: none */
    SG_DIM_CAP = 7,      /* value: mask of capabilities that are all effective */
    SG_DIM_CGROUP =
        8, /* value: atom; the path of the process's cgroup (v2) below the cgroup root */
    SG_DIM_SESSION = 9, /* value: enum sg_session */
    SG_DIM_NAMESPACE =
        10, /* value: 0 host, 1 container (a pid or user namespace other than the first) */
    SG_DIM_ENV =
        11, /* value: atom; variables of the environment at exec. One dimension a variable: 11, 12 … */
};
#define SG_ENVS_MAX  8 /* variables that one subject asks about */
#define SG_DIM_COUNT (SG_DIM_ENV + SG_ENVS_MAX)

enum sg_session {
    SG_SESSION_NONE = 0, /* kernel threads, early boot */
    SG_SESSION_SERVICE = 1,
    SG_SESSION_SSH = 2,
    SG_SESSION_CRON = 3,
    SG_SESSION_CONSOLE = 4,
};
#define SG_SESSION_COUNT 5

/* Atoms with a fixed number: a process that executes one of these starts a session of that kind. */
enum {
    SG_ATOM_SESSION_SSH = 0,
    SG_ATOM_SESSION_CRON = 1,
    SG_ATOM_SESSION_CONSOLE = 2,
    SG_ATOM_FIRST_FREE = 3,
};

/* One condition. Sorted by (subject, dim); a subject without terms matches everybody. 16 bytes. */
struct sg_term {
    __u16 subject;
    __u8 dim;
    __u8 reserved[5];
    __u64 value;
};

/* True when (by is empty or the task is one of by) and the task is none of not_by. 64 bytes. */
struct sg_pred {
    __u64 by[SG_SUBJECT_WORDS];
    __u64 not_by[SG_SUBJECT_WORDS];
};

/*
 * Of a predicate, by its number: what the other process has to be for which a signal is. It is one of what `to` names, or, with the
 * flag, of another user. All 0: whatever it is.
 */
struct sg_target {
    __u16 to;    /* the predicate that has to hold for it; 0: none */
    __u16 flags; /* SG_TARGET_* */
};

enum {
    /* Neither the real nor the effective user of the sender is its real or saved one: the kernel asks for CAP_KILL. */
    SG_TARGET_OTHER_USER = 1u << 0,
};

/*
 * Key of the table of file-system roots: which state the root directory of a superblock has, before its first '/'.
 * Filled by user space from the host's mount table, and by the mount hooks for what is mounted while the policy runs.
 */
struct sg_root_key {
    __u32 policy_id;
    __u32 dev; /* s_dev as the kernel has it (MINORBITS 20) */
};

struct sg_root {
    __u32 state;
    __u32 flags; /* SG_ROOT_* */
};

enum {
    SG_ROOT_FOREIGN =
        1u << 0, /* not in the host's mount namespace: no path of the host leads there */
    SG_ROOT_PROVISIONAL =
        1u << 1, /* seeded by a mount hook; user space has not seen the mount yet */
};

/*
 * Key of pinned objects: files with several names whose state must outlive the inode cache. Each has an entry that the kernel
 * side writes to, and one that user space replaces: neither can undo what the other one does at the same time.
 */
enum {
    SG_PIN_BY_KERNEL = 0,
    SG_PIN_BY_USER = 1,
};

struct sg_pin_key {
    __u64 ino; /* numbers are used again, and on btrfs each subvolume has its own: */
    __u32 dev;
    __u32
        generation; /* of the inode; 0 in user space's entries where the file system does not tell it */
    __u32 policy_id;
    __u32 writer; /* SG_PIN_BY_* */
};

/*
 * The states of an object are those of its two entries, place by place: whoever adds one takes a place that is free in both, the
 * kernel side from the first one on and user space from the last one. Both in one place at the same time: more states than there
 * is room for.
 */
#define SG_PIN_STATES 4
struct sg_pin {
    __u32 state[SG_PIN_STATES]; /* of its protected names, 0 where unused */
    __u64 claims;               /* of those who are about to write; the kernel side's own */
};

#define SG_ABI_ASSERT(cond, name) _Static_assert(cond, name)
SG_ABI_ASSERT(sizeof(struct sg_state) == 16, "sg_state");
SG_ABI_ASSERT(sizeof(struct sg_edge) == 8, "sg_edge");
SG_ABI_ASSERT(sizeof(struct sg_accept) == 16, "sg_accept");
SG_ABI_ASSERT(sizeof(struct sg_entry) == 8, "sg_entry");
SG_ABI_ASSERT(sizeof(struct sg_below) == 128, "sg_below");
SG_ABI_ASSERT(sizeof(struct sg_atoms) == 32, "sg_atoms");
SG_ABI_ASSERT(sizeof(struct sg_term) == 16, "sg_term");
SG_ABI_ASSERT(sizeof(struct sg_pred) == 64, "sg_pred");
SG_ABI_ASSERT(sizeof(struct sg_target) == 4, "sg_target");
SG_ABI_ASSERT(sizeof(struct sg_image) == 28 * 4 + SG_SUBJECT_WORDS * 8 + 8 + SG_CONTROL_MAX * 4 + 8,
              "sg_image");
SG_ABI_ASSERT(SG_CONTROL_COUNT <= SG_CONTROL_MAX, "a bit and a state for each kind");
SG_ABI_ASSERT(SG_IMAGE_PAGE % sizeof(struct sg_below) == 0, "records never straddle a page");

#endif
