/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Records as they travel from the kernel programs to the agent.
 *
 * A record is a header of fixed size followed by typed fields of variable length, each padded to 8 bytes. Readers skip
 * field types that they do not know. Integers are in host order: a record never leaves the host in this form.
 * Kernel memory is copied as it is: a path can hold any byte but '/' and NUL within a component.
 *
 * Included by both sides, includes nothing of ours. Append only: types and fields are never renumbered or reused.
 */
#ifndef SG_ABI_EVENT_H
#define SG_ABI_EVENT_H

#include <linux/types.h>

enum sg_record_type {
    SG_RECORD_FILE = 1, /* a rule decided an operation on a file */
    SG_RECORD_FORK = 2, /* a process (not a thread) came to be */
    SG_RECORD_EXEC = 3, /* a process executes a new program */
    SG_RECORD_EXIT = 4, /* the last thread of a process ended */
    SG_RECORD_MOUNT =
        5, /* the mount table changed in a way that matters to identity: look at mountinfo */
    SG_RECORD_CANARY = 6, /* a self-test's access was seen by the hook named in `hook` */
    SG_RECORD_ENTERED =
        7, /* an object got a name at which somebody is denied it: who has it open already? */
    SG_RECORD_CONTROL =
        8, /* a rule decided what abi/control.def knows; SG_FIELD_CONTROL says what */
    SG_RECORD_FINDING =
        9, /* something is wrong, whatever the policy says; SG_FIELD_FINDING says what */
};

/* sg_record.flags */
enum {
    SG_RECORD_MONITOR = 1u << 0, /* the rule is in monitor mode: the verdict was not enforced */
    SG_RECORD_PATH_CUT =
        1u
        << 1, /* PATH has more components or bytes than the record has room for: the leaf's end is kept */
    SG_RECORD_UNRESOLVED =
        1u << 2, /* the object could not be resolved to a canonical path; see `reason` */
    SG_RECORD_RELABEL =
        1u
        << 3, /* denied because the move or link would take an object out of, or into, the reach of the rule */
    SG_RECORD_INHERITED =
        1u << 4, /* a descriptor opened earlier by another subject (exec, SCM_RIGHTS) */
    /* 1u << 5 is free */
    SG_RECORD_KTHREAD = 1u << 6,   /* a kernel thread on behalf of somebody */
    SG_RECORD_PATH2_CUT = 1u << 7, /* of the second path what PATH_CUT says of the first */
};

/* Why an object could not be resolved; the last one: what cannot be granted if objects are to be known again. */
enum sg_reason {
    SG_REASON_NONE = 0,
    SG_REASON_DISCONNECTED = 1, /* a dentry without a way to the root (file handles) */
    SG_REASON_DEPTH = 2,        /* deeper than one look-up goes; trying again goes further */
    SG_REASON_RACE = 3,         /* renames during the walk, twice */
    SG_REASON_IMAGE = 4,        /* the policy image could not be read */
    SG_REASON_MEMORY = 5,       /* a map was full */
    SG_REASON_GENERATION = 6,   /* an inode's generation was to be changed; not counted */
    SG_REASON_TARGET = 7,       /* what the process is that a signal is for; not counted */
    SG_REASON_SENDER = 8,       /* who made a descriptor send signals; not counted */
};
#define SG_REASON_COUNT 9

/*
 * Header of every record. The process is the thread group; `start_ns` is its start in nanoseconds since boot
 * (task_struct.start_boottime of the leader), which together with tgid and the boot id identifies it for good.
 */
struct sg_record {
    __u32 size; /* of the whole record with its fields, ≤ SG_RECORD_MAX */
    __u16 type; /* enum sg_record_type */
    __u16 flags;
    __u64 time_ns; /* CLOCK_BOOTTIME */
    __u64 seq;     /* SG_SEQ(): no other record of its CPU and ring has it */
    __u32 cpu;
    __u32 tgid, tid;
    __u32 ppid;     /* thread group of the real parent */
    __u64 start_ns; /* of the process */
    __u64 parent_start_ns;
    __u32 uid, euid, gid, egid;  /* in the initial user namespace */
    __u32 login_uid, session_id; /* audit; (__u32)-1: none */
    __u64 cgroup_id;
    __u32 pid_ns, mnt_ns; /* inode numbers of the namespaces */
    __u16 hook;           /* enum sg_hook: where it was seen */
    __u16 rule;           /* index in the policy; SG_RULE_NONE: none */
    __u8 verdict;         /* enum sg_verdict, as decided */
    __u8 reason;          /* enum sg_reason */
    __u16 access;         /* enum sg_op bits asked for */
    __u32 policy_id;
    __u32 count;    /* how many equal ones this record stands for, ≥ 1 */
    __u64 first_ns; /* of the first of them; 0 when count is 1; io: of the open */
    __u64 ino;      /* the object; 0 when it does not exist yet */
    __u32 dev, mode, nlink;
    __u32 error; /* errno that the hook returned, positive; 0: passed */
    __u64 value
        [2]; /* FILE: io: bytes read, bytes written; EXIT: [0] code as wait(2) has it, [1] 0; FORK: child tgid, child start_ns */
    char comm[16]; /* for display only; anybody can set it */
    /* struct sg_field … */
};

enum sg_field_type {
    SG_FIELD_PATH =
        1, /* components from the leaf to the superblock's root, each followed by NUL; the root has none */
    SG_FIELD_PATH2 =
        2, /* likewise: the other name of rename and link, target of symlink as one component */
    SG_FIELD_ARGS = 3,    /* argument vector, each followed by NUL, cut at the end */
    SG_FIELD_XATTR = 4,   /* name of the extended attribute */
    SG_FIELD_DEV2 = 5,    /* __u32 s_dev that PATH2 lies in, when not that of PATH */
    SG_FIELD_EXE_ID = 6,  /* EXEC: __u64 ino, __u32 dev of the executed file; its path is PATH */
    SG_FIELD_CONTROL = 7, /* struct sg_control_field */
    SG_FIELD_NAME =
        8, /* CONTROL: the name that was asked with (module, file system); EXEC: of a file in memory,
            * of PATH if that is one, else of SCRIPT; bytes */
    SG_FIELD_CWD = 9,      /* EXEC: working directory, as PATH */
    SG_FIELD_SCRIPT = 10,  /* EXEC: the script that PATH interprets, as PATH */
    SG_FIELD_ENV = 11,     /* EXEC: chosen variables "NAME=value", each followed by NUL */
    SG_FIELD_STDIO = 12,   /* EXEC: struct sg_stdio[3], of descriptors 0-2 */
    SG_FIELD_LAUNCH = 13,  /* EXEC: struct sg_launch */
    SG_FIELD_FINDING = 14, /* FINDING: struct sg_finding_field, then its evidence */
    SG_FIELD_STDIO_PATH0 =
        15, /* EXEC: the files that descriptors 0-2 are, and the names of sockets of AF_UNIX, as PATH;
             * none where an earlier one has the same dev and ino */
    SG_FIELD_STDIO_PATH1 = 16,
    SG_FIELD_STDIO_PATH2 = 17,
    SG_FIELD_ENDS =
        18, /* CONTROL, of kinds that sockets ask about: struct sg_ends of abi/network.h */
};

/* What an exec was, as far as it is a number. */
struct sg_launch {
    __u64 caps_effective, caps_permitted, caps_ambient;               /* of the new program */
    __u32 mnt_ns, pid_ns, net_ns, user_ns, uts_ns, ipc_ns, cgroup_ns; /* inode numbers */
    __u32 tty;        /* device number of the controlling terminal, 0: none */
    __u32 argc, envc; /* as many as were handed over, whatever the record has room for */
    __u32 flags;      /* SG_LAUNCH_* */
    __u32 script_dev; /* s_dev that SCRIPT lies in */
    __u32 cwd_dev;    /* … and CWD */
    __u32 timens;     /* as mnt_ns; 0: the kernel has none */
    __u64 script_ino; /* of SCRIPT; 0: not known */
};

enum {
    SG_LAUNCH_MEMORY = 1u << 0,  /* memfd or another file system that nothing is mounted from */
    SG_LAUNCH_DELETED = 1u << 1, /* the file has no name any more */
    SG_LAUNCH_FOREIGN = 1u << 2, /* no path of the host leads to its file system */
    SG_LAUNCH_SECURE = 1u << 3,  /* AT_SECURE: set-user-id, file capabilities … */
    SG_LAUNCH_SCRIPT = 1u << 4,  /* PATH is the interpreter of SCRIPT */
    SG_LAUNCH_ARGS_CUT = 1u << 5,
    SG_LAUNCH_ENV_CUT =
        1u << 6, /* more chosen variables than there is room for, or too many to look through */
    SG_LAUNCH_COMPAT = 1u << 7, /* a 32-bit program */
    SG_LAUNCH_SCRIPT_CUT =
        1u << 8, /* of the paths what SG_RECORD_PATH_CUT says of PATH: the leaf's end is kept */
    SG_LAUNCH_CWD_CUT = 1u << 9,
    SG_LAUNCH_STDIO_CUT = 1u << 10, /* of any of them */
    SG_LAUNCH_CWD_DELETED = 1u << 11,
    SG_LAUNCH_CALLER =
        1u
        << 12, /* refused: who asked, not a new program; ARGS as the caller had them at that moment */
};
#define SG_LAUNCH_FLAGS 13

/* Bounds of an exec's record; what is longer is cut, and its flags say so. */
#define SG_ARGS_BYTES_MAX 4096u /* of all arguments, their NULs counted */
#define SG_ENV_BYTES_MAX  1024u /* of all chosen variables */
#define SG_ENV_VALUE_MAX  512u  /* of one of them with its name, a power of two */
#define SG_ENV_SCAN_MAX   512u  /* variables that are looked at */

/* What a descriptor is. */
enum sg_stdio_kind {
    SG_STDIO_CLOSED = 0,
    SG_STDIO_FILE = 1,
    SG_STDIO_TTY = 2,
    SG_STDIO_PIPE = 3,
    SG_STDIO_SOCKET = 4,
    SG_STDIO_NULL = 5,  /* /dev/null */
    SG_STDIO_OTHER = 6, /* anonymous inodes, other devices */
};
#define SG_STDIO_COUNT 7

struct sg_stdio {
    __u8 kind;                     /* enum sg_stdio_kind */
    __u8 protocol;                 /* of a socket: IPPROTO_* */
    __u16 family;                  /* AF_* */
    __u16 local_port, remote_port; /* in host order */
    __u32 dev;                     /* s_dev; of a terminal its own device number */
    __u32 path_dev;                /* s_dev that its path lies in */
    __u64 ino;                     /* pipes and sockets: the same number is the same one */
    __u8 local[16],
        remote
            [16]; /* addresses in network order, IPv4 in the first four bytes; AF_UNIX: remote begins with
               the __u64 ino of the socket at the other end */
};

/* What was asked for. */
struct sg_control_field {
    __u16 kind; /* enum sg_control */
    __u16 reserved;
    __u32
        target_tgid; /* of whom it is asked: the process that is traced, signalled …; 0: nobody else */
    __u64 target_start_ns;
    __u64 number[3]; /* by kind, as its hook says; the first one is what rules are asked with */
};

/* What was found: rows of abi/finding.def. */
enum sg_finding {
    SG_FINDING_NONE = 0,
#define SG_FINDING(id, severity, tactic, technique, title, text) SG_FINDING_##id,
#include "finding.def"
    SG_FINDING_COUNT,
};

/* What a finding rests on. */
enum sg_evidence {
    SG_EVIDENCE_NONE = 0,
    SG_EVIDENCE_CREDENTIALS =
        1, /* struct sg_credentials[2]: as they were, and as they were found */
};
#define SG_EVIDENCE_COUNT 2

/* Of which process, in the header: who was found to be, or to do, so. */
struct sg_finding_field {
    __u16 finding;     /* enum sg_finding */
    __u16 evidence;    /* enum sg_evidence, behind this struct */
    __u32 target_tgid; /* the process that it was done to; 0: nobody else */
    __u64 target_start_ns;
};

/* Credentials of a task, as numbers; never an address. */
struct sg_credentials {
    __u32 uid, euid, suid, fsuid; /* in the initial user namespace */
    __u32 gid, egid, sgid, fsgid;
    __u64 caps_effective, caps_permitted, caps_inheritable, caps_bounding, caps_ambient;
    __u32 user_ns; /* inode number */
    __u32 securebits;
};

/* A field: this header, then `len` bytes, then zero bytes up to a multiple of 8. */
struct sg_field {
    __u16 type;
    __u16 len;
    __u32 reserved;
};

/*
 * A record's number: of the buffer in which it was put together (programs that interrupt each other on a CPU have different ones,
 * nearly all is done in 0), and how many were put together there for this ring, from 1. What is missing was lost.
 */
#define SG_SEQ_SLOT_SHIFT 48
#define SG_SEQ(slot, n)   ((__u64)(slot) << SG_SEQ_SLOT_SHIFT | (n))

#define SG_RULE_NONE 0xffffu
#define SG_RULE_BENEATH \
    0xfffeu /* some deny rule beneath a directory that was to be moved or mounted over */
#define SG_RULE_DEFENCE   0xfffdu /* safeguard's own defence */
#define SG_PATH_BYTES_MAX 4096u   /* of one path field */
#define SG_RECORD_MAX     12288u

/* What was not delivered, by CPU: the index of the loss counters' map. Nothing is lost without a count here. */
enum sg_counter {
    SG_COUNT_SECURITY_SENT = 0, /* records put into the ring of denials */
    SG_COUNT_SECURITY_LOST = 1, /* its ring was full */
    SG_COUNT_AUDIT_SENT = 2,
    SG_COUNT_AUDIT_LOST = 3,
    SG_COUNT_PROCESS_SENT = 4,
    SG_COUNT_PROCESS_LOST = 5,
    SG_COUNT_MERGED = 6, /* denials counted into an earlier record */
    SG_COUNT_UNRESOLVED =
        7, /* verdicts on objects that could not be resolved; + reason - 1 follow */
    SG_COUNT_UNRESOLVED_DISCONNECTED = 8,
    SG_COUNT_UNRESOLVED_DEPTH = 9,
    SG_COUNT_UNRESOLVED_RACE = 10,
    SG_COUNT_UNRESOLVED_IMAGE = 11,
    SG_COUNT_UNRESOLVED_MEMORY = 12,
    SG_COUNT_UNKNOWN_FS =
        13, /* accesses on file systems that have no entry: no path of the host leads there */
    SG_COUNT_RESOLVED_COLD = 14, /* walks */
    SG_COUNT_WALK_RETRY = 15,    /* walks repeated because of a rename */
    SG_COUNT_SUBJECTS = 16,      /* subjects computed */
    SG_COUNT_TASK_STORAGE_FULL = 17,
    SG_COUNT_PIN_FULL = 18,
    SG_COUNT_DENIED = 19,
    SG_COUNT_WOULD_DENY = 20,  /* monitor mode */
    SG_COUNT_EXE_SPOOFED = 21, /* programs whose mm->exe_file is not what they executed */
    SG_COUNT_DESCRIPTORS =
        22,                /* descriptors above the bound that an exec's check did not look at */
    SG_COUNT_IO_FULL = 23, /* open files whose reads and writes could not be counted */
    SG_COUNT_ENVIRON = 24, /* environments that could not be read whole */
    SG_COUNT_ROOT_FULL =
        25, /* file systems that came to a place without getting its state: no room */
    SG_COUNT_CREDENTIALS_FULL = 26, /* tasks whose credentials could not be kept: no room */
    SG_COUNT_CREDENTIALS_DOUBT =
        27, /* changes of credentials may have been missed: all are looked at anew */
    SG_COUNT_MAX = 32,
};

/* What arrived in a ring (0: denials, 1: audit, 2: processes); the next one is what did not. */
#define SG_COUNT_SENT(ring) ((__u32)(SG_COUNT_SECURITY_SENT + 2 * (ring)))

#define SG_EVENT_ASSERT(cond, name) _Static_assert(cond, name)
SG_EVENT_ASSERT(sizeof(struct sg_field) == 8, "sg_field");
SG_EVENT_ASSERT(sizeof(struct sg_control_field) == 40, "sg_control_field");
SG_EVENT_ASSERT(sizeof(struct sg_finding_field) == 16, "sg_finding_field");
SG_EVENT_ASSERT(sizeof(struct sg_credentials) == 80, "sg_credentials");
SG_EVENT_ASSERT(sizeof(struct sg_launch) == 88, "sg_launch");
SG_EVENT_ASSERT(sizeof(struct sg_stdio) == 56, "sg_stdio");
SG_EVENT_ASSERT(sizeof(struct sg_record) % 8 == 0, "sg_record is padded by hand");
SG_EVENT_ASSERT(sizeof(struct sg_record) == 176, "sg_record has no hidden padding");

#endif
