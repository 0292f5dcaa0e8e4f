/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * What the kinds of abi/control.def are asked with: the numbers of those kinds whose numbers are not the kernel's own, and the
 * names of those that are asked with names which no file system and no module has.
 *
 * The kernel's own are: capabilities (linux/capability.h), signals, commands of bpf (linux/bpf.h: enum bpf_cmd).
 *
 * Included by both sides, includes nothing. Append only: numbers stand in images and in records.
 */
#ifndef SG_ABI_CONTROL_H
#define SG_ABI_CONTROL_H

/*
 * What only the self-test asks with, in every kind: no access of anybody else has it, and only the agent's own rules speak of it.
 * As an id it is the one that the kernel takes for "none".
 */
#define SG_CONTROL_SELF_TEST    253
#define SG_CONTROL_SELF_TEST_ID 0xffffffffu
#define SG_CONTROL_SELF_NAME    "safeguard-self-test"

enum sg_control_ptrace {
    SG_PTRACE_READ = 0,    /* memory maps, environment, descriptors: PTRACE_MODE_READ */
    SG_PTRACE_ATTACH = 1,  /* trace it, write to it, take a descriptor: PTRACE_MODE_ATTACH */
    SG_PTRACE_TRACEME = 2, /* be traced by the parent */
};

/* Of unshare and setns. */
enum sg_control_namespace {
    SG_NAMESPACE_MOUNT = 0,
    SG_NAMESPACE_UTS = 1,
    SG_NAMESPACE_IPC = 2,
    SG_NAMESPACE_USER = 3,
    SG_NAMESPACE_PID = 4,
    SG_NAMESPACE_NET = 5,
    SG_NAMESPACE_CGROUP = 6,
    SG_NAMESPACE_TIME = 7,
};
#define SG_NAMESPACE_COUNT 8
#define SG_NAMESPACE_FLAGS \
    0x7e020080u /* the flags of clone(2) for them, linux/sched.h; CLONE_NEWTIME is 0x80 */

/* enum key_need_perm of linux/key.h, and 0 where a key is made. */
enum sg_control_keyctl {
    SG_KEY_CREATE = 0,
    SG_KEY_VIEW = 1,
    SG_KEY_READ = 2,
    SG_KEY_WRITE = 3,
    SG_KEY_SEARCH = 4,
    SG_KEY_LINK = 5,
    SG_KEY_SETATTR = 6,
    SG_KEY_UNLINK = 7,
    SG_KEY_OVERRIDE = 8, /* CAP_SYS_ADMIN, or the authority to make the key */
};

enum sg_control_uring {
    SG_URING_SETUP = 0,
    SG_URING_SQPOLL = 1,      /* a thread of the kernel's that looks for work */
    SG_URING_PERSONALITY = 2, /* credentials that were registered earlier */
    SG_URING_COMMAND = 3,     /* commands to devices */
};

enum sg_control_socket {
    SG_SOCKET_RAW = 0,    /* AF_INET and AF_INET6 with SOCK_RAW */
    SG_SOCKET_PACKET = 1, /* AF_PACKET */
    SG_SOCKET_XDP = 2,    /* AF_XDP */
    SG_SOCKET_VSOCK = 3,  /* AF_VSOCK: the hypervisor */
    SG_SOCKET_ALG = 4,    /* AF_ALG: the kernel's ciphers */
};

enum sg_control_memory {
    SG_MEMORY_ANONYMOUS = 0,
    SG_MEMORY_STACK = 1, /* of the first thread; those of others are anonymous memory */
    SG_MEMORY_HEAP = 2,
    SG_MEMORY_MODIFIED = 3, /* a private mapping of a file that was written to */
    SG_MEMORY_SHARED = 4,   /* System V shared memory, a file that others can write to */
};

enum sg_control_kexec {
    SG_KEXEC_FILE = 0,   /* kexec_file_load(2) */
    SG_KEXEC_MEMORY = 1, /* kexec_load(2) */
};

enum sg_control_syslog {
    SG_SYSLOG_READ = 0,
    SG_SYSLOG_CLEAR = 1,
    SG_SYSLOG_CONSOLE = 2,
};

/* What is asked with in place of the type of a file system, and of the name of a module. */
#define SG_MOUNT_BIND        "bind"
#define SG_MOUNT_MOVE        "move"
#define SG_MOUNT_REMOUNT     "remount"
#define SG_MOUNT_UMOUNT      "umount"
#define SG_MOUNT_PROPAGATION "propagation"
#define SG_MOUNT_PIVOT_ROOT  "pivot_root"
#define SG_MODULE_MEMORY     "memory"   /* init_module(2): its name is known later */
#define SG_MODULE_UNSIGNED   "unsigned" /* no signature, or none by a key that the kernel knows */
#define SG_MODULE_COMPRESSED \
    "compressed" /* unpacked by the kernel, which then asks whether it is signed */

#endif
