/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Structures of the kernel that only the records of executed programs look at (lib/launch.bpf.h), with the fields that are
 * used; see kernel.h.
 */
#ifndef SG_BPF_KERNEL_EXEC_H
#define SG_BPF_KERNEL_EXEC_H

#include "kernel.h"
#include "kernel_sock.h"

/* Constants of the kernel that are macros there and so not in BTF. */
#define S_IFIFO 0010000 /* include/uapi/linux/stat.h */
#define S_IFBLK 0060000
#ifndef S_IFREG
#define S_IFREG 0100000
#endif
#define ELFCLASS32        1 /* include/uapi/linux/elf.h */
#define EI_CLASS          4
#define PROT_READ         0x1ul /* include/uapi/asm-generic/mman-common.h */
#define PROT_EXEC         0x4ul
#define VM_EXEC           0x4ul      /* include/linux/mm.h */
#define READ_IMPLIES_EXEC 0x0400000u /* include/uapi/linux/personality.h */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct mm_struct___exec {
    unsigned long arg_start, arg_end, env_start, env_end;
};

struct linux_binprm___exec {
    int argc, envc;
    const char *filename, *interp;
    unsigned int secureexec : 1;
};

struct uts_namespace {
    struct ns_common ns;
};

struct ipc_namespace {
    struct ns_common ns;
};

struct time_namespace {
    struct ns_common ns;
};

struct cgroup_namespace {
    struct ns_common ns;
};

struct user_namespace___exec {
    struct ns_common ns;
};

struct nsproxy___exec {
    struct uts_namespace *uts_ns;
    struct ipc_namespace *ipc_ns;
    struct mnt_namespace *mnt_ns;
    struct net *net_ns;
    struct time_namespace *time_ns;
    struct cgroup_namespace *cgroup_ns;
};

struct cred___exec {
    kernel_cap_t cap_permitted, cap_effective, cap_ambient;
    struct user_namespace___exec *user_ns;
};

struct tty_driver {
    int major, minor_start;
};

struct tty_struct {
    struct tty_driver *driver;
    int index;
};

struct signal_struct___exec {
    struct tty_struct *tty;
};

struct fs_struct___exec {
    struct path pwd;
};

struct vm_area_struct___exec {
    unsigned long vm_flags;
};

struct task_struct___exec {
    const struct cred___exec *real_cred;
    struct mm_struct___exec *mm;
    struct fs_struct___exec *fs;
    struct files_struct *files;
    struct nsproxy___exec *nsproxy;
    struct signal_struct___exec *signal;
    unsigned int personality;
};

struct hlist_bl_node {
    void *next, *pprev;
};

struct dentry___hashed {
    struct hlist_bl_node d_hash;
};

struct socket_alloc {
    struct socket socket;
    struct inode vfs_inode;
};

struct unix_sock {
    struct path path;
    struct sock *peer;
};

struct file___socket {
    void *private_data;
};

#pragma clang attribute pop

#endif
