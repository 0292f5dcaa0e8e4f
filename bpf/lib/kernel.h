/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's structures, with the fields that are used here and no others. Offsets are the running kernel's: every
 * access is relocated when the object is loaded (CO-RE), so the order and the gaps mean nothing, and the object does not
 * depend on the kernel of the machine that it is built on.
 *
 * Names of types and fields are those of Linux 5.10 to today; where they differ, a flavour (___suffix) says from when.
 */
#ifndef SG_BPF_KERNEL_H
#define SG_BPF_KERNEL_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#ifndef NULL
#define NULL ((void *)0)
#endif

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
    int counter;
} atomic_t;

typedef struct {
    unsigned int val;
} kuid_t;

typedef struct {
    unsigned int val;
} kgid_t;

struct qstr {
    union {
        struct {
            __u32 hash;
            __u32 len;
        };
        __u64 hash_len;
    };
    const unsigned char *name;
};

struct super_block {
    __u32 s_dev;
    int s_stack_depth;
    unsigned long s_flags, s_magic;
    struct dentry *s_root;
    atomic_t s_active;
};

struct hlist_node {
    struct hlist_node *next;
};

struct hlist_head {
    struct hlist_node *first;
};

struct inode {
    unsigned short i_mode;
    struct super_block *i_sb;
    unsigned long i_ino;
    union {
        const unsigned int i_nlink;
        unsigned int __i_nlink;
    };
    __u32 i_rdev;
    __u32 i_generation;
    struct hlist_head i_dentry;
};

struct dentry {
    struct dentry *d_parent;
    struct qstr d_name;
    struct inode *d_inode;
    unsigned char d_iname[32]; /* the name itself when it is shorter; up to 6.15 */
    struct super_block *d_sb;
    union {
        struct hlist_node d_alias;
    } d_u;
};

/* From 6.17 on. */
struct mount___listed {
    void *mnt_next_for_sb;
};

/* From 6.16 on. */
struct dentry___short {
    struct {
        unsigned char string[1];
    } d_shortname;
};

struct vfsmount {
    struct dentry *mnt_root;
    struct super_block *mnt_sb;
    int mnt_flags;
};

struct path {
    struct vfsmount *mnt;
    struct dentry *dentry;
};

/* What an overlay opens beneath itself. The field is there from 6.7 on, when `file` got the path of the layer. */
struct backing_file {
    struct path user_path;
};

struct file {
    struct path f_path;
    struct inode *f_inode;
    unsigned int f_flags;
    unsigned int f_mode;
    void *private_data;
};

struct iattr {
    unsigned int ia_valid;
};

struct vm_area_struct {
    struct file *vm_file;
};

struct mm_struct {
    struct file *exe_file;
};

struct linux_binprm {
    char buf[256];
    struct file *file;
};

struct fdtable {
    unsigned int max_fds;
    struct file **fd;
    unsigned long *close_on_exec;
    unsigned long *open_fds;
};

struct files_struct {
    struct fdtable *fdt;
};

struct ns_common {
    unsigned int inum;
};

struct user_namespace {
    int level;
};

struct pid_namespace {
    unsigned int level;
    struct ns_common ns;
};

struct mnt_namespace {
    struct ns_common ns;
};

struct nsproxy {
    struct mnt_namespace *mnt_ns;
};

struct group_info {
    int ngroups;
    kgid_t gid[0];
};

/* One word of 64 bits from 6.3 on, two of 32 before: read by address. */
typedef struct {
    __u32 cap[2];
} kernel_cap_t;

struct cred {
    kuid_t uid;
    kgid_t gid;
    kuid_t euid;
    kgid_t egid;
    kernel_cap_t cap_effective;
    struct user_namespace *user_ns;
    struct group_info *group_info;
};

struct kernfs_node {
    struct kernfs_node *parent;
    const char *name;
    __u64 id;
};

/* From 6.15 on the parent is under RCU and has another name. */
struct kernfs_node___rcu {
    struct kernfs_node *__parent;
};

struct cgroup {
    struct kernfs_node *kn;
};

struct css_set {
    struct cgroup *dfl_cgrp;
};

struct signal_struct {
    atomic_t live;
    int nr_threads;
    int group_exit_code;
    unsigned long long sum_sched_runtime; /* of threads that are gone */
};

struct task_struct {
    unsigned int flags;
    int pid;
    int tgid;
    int exit_code;
    __u64 start_boottime;
    __u64 self_exec_id; /* 32 bits up to 5.6 */
    unsigned int sessionid;
    kuid_t loginuid;
    struct task_struct *real_parent;
    struct task_struct *group_leader;
    const struct cred *real_cred;
    const struct cred *cred;
    struct mm_struct *mm;
    struct files_struct *files;
    struct nsproxy *nsproxy;
    struct css_set *cgroups;
    struct signal_struct *signal;
    char comm[16];
};

#pragma clang attribute pop

#endif
