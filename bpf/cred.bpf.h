/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where credentials are looked at, and where their legitimate changes are seen. See lib/cred.bpf.h.
 *
 * What happens often (opens, capabilities) compares a few words and goes on when they are what they were; what changes
 * credentials, or hands them to another program, looks at all of them.
 */
#ifndef SG_BPF_CRED_H
#define SG_BPF_CRED_H

#include "lib/cred_quick.bpf.h"
#include "lib/hook.bpf.h"

/* Where rules about files are, their program at this hook looks, too, and this one is not attached: one costs less than two. */
SG_PROGRAMS(cred_open, file_open, SG_CRED_QUICK(SG_CRED_FILES, SG_HOOK_file_open),
            struct file *file)
SG_PROGRAMS(cred_capable, capable, SG_CRED_QUICK(SG_CRED_CAPS, SG_HOOK_NONE),
            const struct cred *cred)
SG_PROGRAMS(cred_kill, task_kill, SG_CRED_QUICK(SG_CRED_ALL, SG_HOOK_NONE), struct task_struct *p)
SG_PROGRAMS(cred_socket, socket_create, SG_CRED_QUICK(SG_CRED_ALL, SG_HOOK_NONE), int family)
/* Who owns a file needs neither a descriptor nor a capability for these. Their first arguments differ between kernels. */
SG_PROGRAMS(cred_setattr, inode_setattr, SG_CRED_QUICK(SG_CRED_FILES, SG_HOOK_inode_setattr),
            const void *first)
SG_PROGRAMS(cred_create, inode_create, SG_CRED_QUICK(SG_CRED_FILES, SG_HOOK_inode_create),
            const void *first)
SG_PROGRAMS(cred_unlink, inode_unlink, SG_CRED_QUICK(SG_CRED_FILES, SG_HOOK_inode_unlink),
            const void *first)
SG_PROGRAMS(cred_rename, inode_rename, SG_CRED_QUICK(SG_CRED_FILES, SG_HOOK_inode_rename),
            const void *first)
SG_PROGRAMS(cred_link, inode_link, SG_CRED_QUICK(SG_CRED_FILES, SG_HOOK_inode_link),
            const void *first)
SG_PROGRAMS(cred_mkdir, inode_mkdir, SG_CRED_QUICK(SG_CRED_FILES, SG_HOOK_inode_mkdir),
            const void *first)
SG_PROGRAMS(cred_rmdir, inode_rmdir, SG_CRED_QUICK(SG_CRED_FILES, SG_HOOK_inode_rmdir),
            const void *first)
SG_PROGRAMS(cred_mknod, inode_mknod, SG_CRED_QUICK(SG_CRED_FILES, SG_HOOK_inode_mknod),
            const void *first)
SG_PROGRAMS(cred_symlink, inode_symlink, SG_CRED_QUICK(SG_CRED_FILES, SG_HOOK_inode_symlink),
            const void *first)
SG_PROGRAMS(cred_setxattr, inode_setxattr, SG_CRED_QUICK(SG_CRED_FILES, SG_HOOK_inode_setxattr),
            const void *first)
SG_PROGRAMS(cred_removexattr, inode_removexattr,
            SG_CRED_QUICK(SG_CRED_FILES, SG_HOOK_inode_removexattr), const void *first)
/* From 6.2 on; before, access control lists are extended attributes like others. */
SG_PROGRAMS(cred_set_acl, inode_set_acl, SG_CRED_QUICK(SG_CRED_FILES, SG_HOOK_inode_set_acl),
            const void *first)
SG_PROGRAMS(cred_remove_acl, inode_remove_acl,
            SG_CRED_QUICK(SG_CRED_FILES, SG_HOOK_inode_remove_acl), const void *first)
/* Whom the other end sees (SO_PEERCRED, SCM_CREDENTIALS), and whose socket it may be. */
SG_PROGRAMS(cred_connect, unix_stream_connect, SG_CRED_QUICK(SG_CRED_ALL, SG_HOOK_NONE),
            const void *first)
SG_PROGRAMS(cred_send, unix_may_send, SG_CRED_QUICK(SG_CRED_ALL, SG_HOOK_NONE), const void *first)
/* What belongs to users and is no file. */
SG_PROGRAMS(cred_ipc, ipc_permission, SG_CRED_QUICK(SG_CRED_ALL, SG_HOOK_NONE), const void *first)
SG_PROGRAMS(cred_key, key_permission, SG_CRED_QUICK(SG_CRED_ALL, SG_HOOK_NONE), const void *first)
/* Processes of the same user: what they may use, and when they run. */
SG_PROGRAMS(cred_trace, ptrace_access_check, SG_CRED_QUICK(SG_CRED_ALL, SG_HOOK_NONE),
            const void *first)
SG_PROGRAMS(cred_prlimit, task_prlimit, SG_CRED_QUICK(SG_CRED_ALL, SG_HOOK_NONE), const void *first)
SG_PROGRAMS(cred_scheduler, task_setscheduler, SG_CRED_QUICK(SG_CRED_ALL, SG_HOOK_NONE),
            const void *first)
SG_PROGRAMS(cred_nice, task_setnice, SG_CRED_QUICK(SG_CRED_ALL, SG_HOOK_NONE), const void *first)
SG_PROGRAMS(cred_ioprio, task_setioprio, SG_CRED_QUICK(SG_CRED_ALL, SG_HOOK_NONE),
            const void *first)
SG_LSM(cred_exec, bprm_check_security,
       ((void)storage, sg_cred_check(SG_HOOK_bprm_check_security, 1)), struct linux_binprm *bprm)
/* The kernel's own name for it is another one. */
SG_FMOD(cred_exec, bprm_check, ((void)storage, sg_cred_check(SG_HOOK_bprm_check_security, 1)),
        struct linux_binprm *bprm)
SG_PROGRAMS(cred_capset, capset, sg_cred_check(SG_HOOK_NONE, 1), struct cred *new)

static __always_inline int sg_on_setid(struct cred *new)
{
    if (sg_cred_check(SG_HOOK_NONE, 1))
        return 1;
    sg_cred_announce(sg_address(new));
    return 0;
}

SG_PROGRAMS(cred_setuid, task_fix_setuid, sg_on_setid(new), struct cred *new)
SG_PROGRAMS(cred_setgid, task_fix_setgid, sg_on_setid(new), struct cred *new)

SEC("lsm/bprm_committed_creds")
int BPF_PROG(lsm_cred_committed, struct linux_binprm *bprm)
{
    sg_cred_committed();
    return 0;
}

SEC("fentry/security_bprm_committed_creds")
int BPF_PROG(fmod_cred_committed, struct linux_binprm *bprm)
{
    sg_cred_committed();
    return 0;
}

/*
 * A child has what its parent has, or what is made of that. Its own credentials are held against it when they are first
 * looked at.
 *
 * The hook and the tracepoint see the same fork. When the hook did not, the kernel runs none of them (ftrace can be switched
 * off, and all programs on hooks with it, without an error): what was changed meanwhile was not seen.
 */
static __always_inline int sg_cred_on_alloc(struct task_struct *task)
{
    struct sg_cred_kept *k;

    if (sg_cred_mode == SG_CREDENTIALS_OFF)
        return 0;
    k = sg_cred_kept_own(false);
    if (k)
        k->child = sg_address(task);
    return 0;
}

SG_PROGRAMS(cred_alloc, task_alloc, sg_cred_on_alloc(task), struct task_struct *task)

static __always_inline void sg_cred_hand_on(struct sg_cred_kept *c, const struct sg_cred_kept *k,
                                            struct task_struct *child)
{
    c->now = k->now;
    __builtin_memcpy(c->ids, k->ids, sizeof(c->ids));
    c->has_ids = k->has_ids;
    c->user_ns = k->user_ns;
    c->cred = sg_address(child->real_cred);
    c->start_ns = child->start_boottime;
    c->epoch = k->epoch;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(tp_cred_fork, struct task_struct *parent, struct task_struct *child)
{
    struct sg_cred_kept *k, *c;
    __u64 address = sg_address(child);

    if (sg_cred_mode == SG_CREDENTIALS_OFF)
        return 0;
    k = sg_cred_kept_own(false);
    if (!k || k->epoch != sg_cred_epoch)
        return 0;
    if (k->child != address) {
        sg_cred_doubt();
        return 0;
    }
    if (SG_HAS_TASK_STORAGE) {
        c = bpf_task_storage_get(&sg_creds, child, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
    } else {
        bpf_map_update_elem(&sg_creds_by_address, &address, k, BPF_ANY);
        c = bpf_map_lookup_elem(&sg_creds_by_address, &address);
    }
    if (c)
        sg_cred_hand_on(c, k, child);
    else
        sg_count(SG_COUNT_CREDENTIALS_FULL);
    return 0;
}

/* Where tasks have no storage of their own. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(tp_cred_exit, struct task_struct *task)
{
    __u64 address = bpf_get_current_task();

    bpf_map_delete_elem(&sg_creds_by_address, &address);
    return 0;
}

#endif
