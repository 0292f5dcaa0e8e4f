/* SPDX-License-Identifier: GPL-2.0-only */
/* Control kinds about processes: ids, capabilities, tracing, namespaces. */
#ifndef SG_BPF_CONTROL_PROCESS_H
#define SG_BPF_CONTROL_PROCESS_H

#include "lib/control.bpf.h"
#include "lib/syscall.bpf.h"

#define PTRACE_MODE_READ    0x01u /* include/linux/ptrace.h */
#define PTRACE_MODE_NOAUDIT 0x04u
#define CAP_OPT_NOAUDIT     0x02u /* include/linux/security.h */
#define CAP_SYS_ADMIN       21
#define CLONE_NEWUSER       0x10000000u
#define CLONE_THREAD        0x00010000u
#define NSFS_MAGIC          0x6e736673u
#define CLONE_NEWNS         0x00020000u
#define UNSHARE_EMPTY_MNTNS \
    0x00100000u                /* include/uapi/linux/sched.h, from 7.0 on as the next two */
#define FSMOUNT_NAMESPACE   2u /* include/uapi/linux/mount.h */
#define OPEN_TREE_NAMESPACE 2u
#define OPEN_TREE_CLONE     1u
#define SG_GROUPS_ASKED     64 /* supplementary groups that are looked at, one by one */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct cred___ids {
    kuid_t uid, suid, euid, fsuid;
    kgid_t gid, sgid, egid, fsgid;
    struct group_info *group_info;
};

struct linux_binprm___cred {
    struct cred *cred;
};

struct inode___private {
    void *i_private;
    struct super_block *i_sb;
};

struct proc_ns_operations {
    int type;
};

struct ns_common___typed { /* from 6.18 on */
    __u32 ns_type;
};

struct ns_common___ops {
    const struct proc_ns_operations *ops;
};

struct task_struct___files {
    struct files_struct *files;
};

#pragma clang attribute pop

/* Ids. -------------------------------------------------------------------------------------------------------------- */

/* One more value, unless it is what it was or was there before. */
static __always_inline void sg_ask_id(struct sg_asked *a, __u32 id, __u32 before)
{
    if (id == before)
        return;
#pragma unroll
    for (int i = 0; i < SG_ASKED_MAX; i++)
        if (i < a->n && a->value[i] == id)
            return;
#pragma unroll
    for (int i = 0; i < SG_ASKED_MAX; i++) {
        if (i == a->n) {
            a->value[i] = id;
            a->n = i + 1;
            return;
        }
    }
}

static __always_inline int sg_on_setuid(const struct cred *new_cred, const struct cred *old_cred)
{
    const struct cred___ids *new = (const void *)new_cred, *old = (const void *)old_cred;
    struct sg_asked a = {.kind = SG_CONTROL_setuid,
                         .hook = SG_HOOK_task_fix_setuid,
                         .arg = SG_CONTROL_ARG_ID};

    sg_ask_id(&a, new->euid.val, old->euid.val);
    sg_ask_id(&a, new->uid.val, old->uid.val);
    sg_ask_id(&a, new->suid.val, old->suid.val);
    sg_ask_id(&a, new->fsuid.val, old->fsuid.val);
    a.more[0] = old->euid.val;
    a.more[1] = old->uid.val;
    return a.n ? sg_control(&a) : 0;
}

SG_CONTROL_PROGRAMS(task_fix_setuid, task_fix_setuid, task_fix_setuid, sg_on_setuid(new, old),
                    const struct cred *new, const struct cred *old)

static __always_inline int sg_on_setgid(const struct cred *new_cred, const struct cred *old_cred)
{
    const struct cred___ids *new = (const void *)new_cred, *old = (const void *)old_cred;
    struct sg_asked a = {.kind = SG_CONTROL_setgid,
                         .hook = SG_HOOK_task_fix_setgid,
                         .arg = SG_CONTROL_ARG_ID};

    sg_ask_id(&a, new->egid.val, old->egid.val);
    sg_ask_id(&a, new->gid.val, old->gid.val);
    sg_ask_id(&a, new->sgid.val, old->sgid.val);
    sg_ask_id(&a, new->fsgid.val, old->fsgid.val);
    a.more[0] = old->egid.val;
    a.more[1] = old->gid.val;
    return a.n ? sg_control(&a) : 0;
}

SG_CONTROL_PROGRAMS(task_fix_setgid, task_fix_setgid, task_fix_setgid, sg_on_setgid(new, old),
                    const struct cred *new, const struct cred *old)

/* Whether a list of groups has this one; lists are sorted. */
__noinline __u32 sg_list_has(__u64 list, __u32 gid)
{
    const struct group_info *groups = (void *)list;
    __u32 from = 0, to = BPF_CORE_READ(groups, ngroups);

    for (int i = 0; i < SG_GROUPS_STEPS; i++) {
        __u32 middle = from + (to - from) / 2;
        kgid_t one;

        if (from >= to || bpf_probe_read_kernel(&one, sizeof(one), &groups->gid[middle]))
            break;
        if (one.val == gid)
            return 1;
        if (one.val < gid)
            from = middle + 1;
        else
            to = middle;
    }
    return 0;
}

/* The decision about group `index` of a list: none where the old list has it, too. */
__noinline __u64 sg_group_decision(__u64 list, __u64 old, __u32 index, __u32 policy_id, __u32 who)
{
    const struct group_info *groups = (void *)list;
    kgid_t one;

    if (bpf_probe_read_kernel(&one, sizeof(one), &groups->gid[index]) || sg_list_has(old, one.val))
        return SG_DECISION_NONE;
    return sg_control_id(SG_CONTROL_setgid, one.val, policy_id, who);
}

/* Which group of a new list the strongest decision is about; the list's length behind it when it is too long to look at all. */
__noinline __u32 sg_groups_worst(__u64 list, __u64 old, __u32 policy_id)
{
    const struct group_info *groups = (void *)list;
    __u32 n = BPF_CORE_READ(groups, ngroups), worst = 0;
    __u64 decision = SG_DECISION_NONE, one;

    for (__u32 i = 0; i < SG_GROUPS_ASKED; i++) {
        if (i >= n)
            break;
        one = sg_group_decision(list, old, i, policy_id, SG_WHO_ANYBODY);
        if (one > decision) {
            decision = one;
            worst = i;
        }
        /* Which one was the strongest so far is not for a verifier to tell rounds apart by. */
        decision = sg_opaque_long(decision);
        worst = sg_opaque(worst);
    }
    return worst;
}

/* Supplementary groups: the one that the strongest decision is about is asked with. */
static __always_inline int sg_on_setgroups(const struct cred *new_cred, const struct cred *old_cred)
{
    const struct cred___ids *new = (const void *)new_cred, *old = (const void *)old_cred;
    __u64 list = (__u64)BPF_CORE_READ(new, group_info),
          before = (__u64)BPF_CORE_READ(old, group_info);
    struct sg_asked a = {.kind = SG_CONTROL_setgid,
                         .hook = SG_HOOK_task_fix_setgroups,
                         .arg = SG_CONTROL_ARG_ID,
                         .n = 1};
    const struct sg_image *header = sg_header_now();
    const struct group_info *groups = (void *)list;
    __u32 n = BPF_CORE_READ(groups, ngroups);
    kgid_t one;

    if (!header || (!n && !sg_canary))
        return 0;
    sg_subject_refresh(header);
    if (n && !bpf_probe_read_kernel(&one, sizeof(one),
                                    &groups->gid[sg_groups_worst(list, before, sg_policy_now())]))
        a.value[0] = one.val;
    else if (!sg_is_canary())
        return 0;
    if (n && sg_list_has(before, one.val) && !sg_is_canary())
        return 0;
    a.more[0] = BPF_CORE_READ(old, egid.val);
    a.more[1] = n;
    return sg_control(&a);
}

SG_CONTROL_PROGRAMS(task_fix_setgroups, task_fix_setgroups, task_fix_setgroups,
                    sg_on_setgroups(new, old), const struct cred *new, const struct cred *old)

/* A program with the ids of its file's owner: refused while the old one still runs and can be told. */
static __always_inline int sg_on_set_id_exec(struct linux_binprm *bprm)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    const struct cred___ids *new = (void *)BPF_CORE_READ((struct linux_binprm___cred *)bprm, cred);
    const struct cred___ids *old = (void *)BPF_CORE_READ(task, cred);
    __u32 euid = BPF_CORE_READ(new, euid.val), old_euid = BPF_CORE_READ(old, euid.val);
    __u32 egid = BPF_CORE_READ(new, egid.val), old_egid = BPF_CORE_READ(old, egid.val);
    struct sg_asked a = {.hook = SG_HOOK_bprm_creds_from_file, .arg = SG_CONTROL_ARG_ID, .n = 1};
    int canary = sg_is_canary(), error = 0;

    if (euid != old_euid || canary) {
        a.kind = SG_CONTROL_setuid;
        a.value[0] = euid;
        a.more[0] = old_euid;
        a.more[1] = BPF_CORE_READ(old, uid.val);
        error = sg_control(&a);
    }
    if (!error && (egid != old_egid || canary)) {
        a.kind = SG_CONTROL_setgid;
        a.value[0] = egid;
        a.more[0] = old_egid;
        a.more[1] = BPF_CORE_READ(old, gid.val);
        error = sg_control(&a);
    }
    return error;
}

SG_CONTROL_PROGRAMS(bprm_creds_from_file, bprm_creds_from_file, bprm_creds_from_file,
                    sg_on_set_id_exec(bprm), struct linux_binprm *bprm)

/* Namespaces. ------------------------------------------------------------------------------------------------------- */

/* The number of the n'th flag of clone(2) for a namespace, in the order of enum sg_control_namespace. */
static __always_inline __u32 sg_namespace_flag(int i)
{
    switch (i) {
    case SG_NAMESPACE_MOUNT: return 0x00020000u;
    case SG_NAMESPACE_UTS: return 0x04000000u;
    case SG_NAMESPACE_IPC: return 0x08000000u;
    case SG_NAMESPACE_USER: return CLONE_NEWUSER;
    case SG_NAMESPACE_PID: return 0x20000000u;
    case SG_NAMESPACE_NET: return 0x40000000u;
    case SG_NAMESPACE_CGROUP: return 0x02000000u;
    default: return 0x00000080u;
    }
}

/* The strongest of what rules say about the namespaces of these flags, as the number of its namespace. */
__noinline __u32 sg_namespace_worst(__u32 kind, __u32 flags, __u32 policy_id)
{
    __u64 decision = SG_DECISION_NONE, one;
    __u32 worst = SG_NAMESPACE_COUNT;

#pragma unroll
    for (int i = 0; i < SG_NAMESPACE_COUNT; i++) {
        if (!(flags & sg_namespace_flag(i)))
            continue;
        if (worst == SG_NAMESPACE_COUNT)
            worst = i;
        one = sg_control_number(kind, i, policy_id, SG_WHO_ANYBODY);
        if (one > decision) {
            decision = one;
            worst = i;
        }
    }
    return worst;
}

/* Makes it a question about the namespaces of these flags. 0: there are none. In place: the stack of programs is small. */
static __always_inline int sg_asks_namespaces(struct sg_asked *a, __u16 kind, __u32 flags)
{
    const struct sg_image *header = sg_header_now();

    if (!(flags & SG_NAMESPACE_FLAGS) || !header || !(header->controls & 1ull << kind))
        return 0;
    sg_subject_refresh(header);
    a->kind = kind;
    a->arg = SG_CONTROL_ARG_NUMBER;
    a->denials = 0;
    a->more[0] = flags;
    a->value[0] = sg_namespace_worst(kind, flags, sg_policy_now());
    return 1;
}

static __always_inline int sg_on_task_alloc(__u64 clone_flags)
{
    struct sg_asked a = {.kind = SG_CONTROL_fork, .hook = SG_HOOK_task_alloc, .n = 1, .denials = 1};
    int error = 0;

    /* A process, not a thread; what passes is recorded when it is there. */
    if (!(clone_flags & CLONE_THREAD) && sg_control_any(SG_KIND_BIT(fork)))
        error = sg_control(&a);
    if (error || !sg_asks_namespaces(&a, SG_CONTROL_unshare, (__u32)clone_flags))
        return error;
    return sg_control(&a);
}

SG_CONTROL_PROGRAMS(task_alloc, task_alloc, task_alloc, ((void)task, sg_on_task_alloc(clone_flags)),
                    struct task_struct *task, unsigned long clone_flags)

/* clone(2) asks for the same by task_alloc. */
static __always_inline int sg_on_userns(__u16 hook)
{
    struct sg_asked a = {.hook = hook, .n = 1};

    if (sg_call() != SG_CALL_UNSHARE || !(sg_call_arg(0) & CLONE_NEWUSER))
        return 0;
    return sg_asks_namespaces(&a, SG_CONTROL_unshare, CLONE_NEWUSER) ? sg_control(&a) : 0;
}

SG_CONTROL_PROGRAMS(userns_create, userns_create, create_user_ns,
                    ((void)cred, sg_on_userns(SG_HOOK_userns_create)), const struct cred *cred)
SG_CONTROL_PROGRAMS(cred_prepare, cred_prepare, prepare_creds,
                    ((void)new, sg_on_userns(SG_HOOK_cred_prepare)), struct cred *new)

/* The flag of the namespace that an open descriptor is; 0: it is none. */
__noinline __u32 sg_namespace_of_fd(__u32 fd)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
    struct inode___private *inode;
    struct file **table, *file = NULL;
    void *ns;

    if (fd >= BPF_CORE_READ(fdt, max_fds))
        return 0;
    table = BPF_CORE_READ(fdt, fd);
    if (bpf_probe_read_kernel(&file, sizeof(file), table + fd) || !file)
        return 0;
    inode = (void *)BPF_CORE_READ(file, f_inode);
    if (BPF_CORE_READ(inode, i_sb, s_magic) != NSFS_MAGIC)
        return 0;
    ns = BPF_CORE_READ(inode, i_private);
    if (bpf_core_field_exists(struct ns_common___typed, ns_type))
        return BPF_CORE_READ((struct ns_common___typed *)ns, ns_type);
    return (__u32)BPF_CORE_READ((struct ns_common___ops *)ns, ops, type);
}

static const volatile char sg_word_bind[] = SG_MOUNT_BIND, sg_word_remount[] = SG_MOUNT_REMOUNT;

static __always_inline int sg_asks_mount(struct sg_asked *a, const volatile char *word)
{
    a->kind = SG_CONTROL_mount;
    a->arg = SG_CONTROL_ARG_NAME;
    a->value[0] = sg_address((const void *)word);
    return sg_control_any(SG_KIND_BIT(mount));
}

/* What a call may ask for at once. */
enum sg_without_hook {
    SG_ASKS_NAMESPACE,
    SG_ASKS_MOUNT,
    SG_ASKS_ATTRIBUTES,
    SG_ASKS_COUNT,
};

static __always_inline int sg_asks_tree(struct sg_asked *a, int what, __u32 call)
{
    __u32 flags = (__u32)sg_call_arg(2);

    if (what == SG_ASKS_MOUNT)
        return flags & (OPEN_TREE_CLONE | OPEN_TREE_NAMESPACE) && sg_asks_mount(a, sg_word_bind);
    if (what == SG_ASKS_ATTRIBUTES)
        return call == SG_CALL_OPEN_TREE_ATTR && sg_call_arg(3) &&
               sg_asks_mount(a, sg_word_remount);
    return flags & OPEN_TREE_NAMESPACE && sg_asks_namespaces(a, SG_CONTROL_unshare, CLONE_NEWNS);
}

static __always_inline __u32 sg_unshared(void)
{
    __u32 flags = (__u32)sg_call_arg(0) & ~CLONE_NEWUSER;

    return flags & UNSHARE_EMPTY_MNTNS ? flags | CLONE_NEWNS : flags;
}

/*
 * What has no hook of its own, known by the capability that it asks for, in any user namespace. setns(2) by a descriptor of a
 * process names what it wants, by one of a namespace it may. 0: it is none of these, or does not ask for `what`.
 */
static __always_inline int sg_asks_without_hook(struct sg_asked *a, int what)
{
    __u32 call = sg_call(), flags;

    if (call == SG_CALL_OPEN_TREE || call == SG_CALL_OPEN_TREE_ATTR)
        return sg_asks_tree(a, what, call);
    if (what)
        return 0;
    switch (call) {
    case SG_CALL_UNSHARE: return sg_asks_namespaces(a, SG_CONTROL_unshare, sg_unshared());
    case SG_CALL_SETNS:
        flags = (__u32)sg_call_arg(1) & SG_NAMESPACE_FLAGS;
        if (!flags)
            flags = sg_namespace_of_fd((__u32)sg_call_arg(0));
        return sg_asks_namespaces(a, SG_CONTROL_setns, flags);
    case SG_CALL_FSMOUNT:
        return sg_call_arg(1) & FSMOUNT_NAMESPACE &&
               sg_asks_namespaces(a, SG_CONTROL_unshare, CLONE_NEWNS);
    case SG_CALL_MOUNT_SETATTR: return sg_asks_mount(a, sg_word_remount);
    default: return 0;
    }
}

#define SG_KINDS_WITHOUT_HOOK (SG_KIND_BIT(unshare) | SG_KIND_BIT(setns) | SG_KIND_BIT(mount))

/* Functions of their own, since their stacks together would be too large. */
__noinline int sg_capable_without_hook(void)
{
    struct sg_asked a = {.hook = SG_HOOK_capable, .n = 1};
    int error = 0;

    for (int what = 0; what < SG_ASKS_COUNT && !error; what++)
        error = sg_asks_without_hook(&a, what) ? sg_control(&a) : 0;
    return error;
}

__noinline int sg_capable_used(__u32 cap, __u32 quiet)
{
    struct sg_asked a = {.kind = SG_CONTROL_capability,
                         .hook = SG_HOOK_capable,
                         .n = 1,
                         .quiet = quiet,
                         .value = {cap}};

    return sg_control(&a);
}

/*
 * Capabilities of the host alone: what somebody may do in a user namespace of his own is no business of the host's. And one's
 * own: the kernel asks about others, too.
 */
static __always_inline int sg_on_capable(const struct cred *cred, struct user_namespace *ns,
                                         int cap, unsigned int opts)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    int error = 0;

    if (cap == CAP_SYS_ADMIN && sg_control_any(SG_KINDS_WITHOUT_HOOK))
        error = sg_capable_without_hook();
    if (error || !sg_control_any(SG_KIND_BIT(capability)) || ns->level ||
        (__u64)cred != (__u64)BPF_CORE_READ(task, cred))
        return error;
    return sg_capable_used((__u32)cap, !!(opts & CAP_OPT_NOAUDIT));
}

SG_CONTROL_PROGRAMS(capable, capable, capable, sg_on_capable(cred, ns, cap, opts),
                    const struct cred *cred, struct user_namespace *ns, int cap, unsigned int opts)

/* Tracing. ---------------------------------------------------------------------------------------------- */

static __always_inline int sg_on_ptrace(struct task_struct *child, unsigned int mode)
{
    struct sg_asked a = {.kind = SG_CONTROL_ptrace,
                         .hook = SG_HOOK_ptrace_access_check,
                         .n = 1,
                         .quiet = mode & PTRACE_MODE_NOAUDIT,
                         .value = {mode & PTRACE_MODE_ATTACH ? SG_PTRACE_ATTACH : SG_PTRACE_READ}};

    return sg_asked_target(&a, child) ? sg_control(&a) : 0;
}

SG_CONTROL_PROGRAMS(ptrace_access_check, ptrace_access_check, ptrace_access_check,
                    sg_on_ptrace(child, mode), struct task_struct *child, unsigned int mode)

static __always_inline int sg_on_traceme(struct task_struct *parent)
{
    struct sg_asked a = {.kind = SG_CONTROL_ptrace,
                         .hook = SG_HOOK_ptrace_traceme,
                         .n = 1,
                         .value = {SG_PTRACE_TRACEME}};

    sg_asked_target(&a, parent);
    return sg_control(&a);
}

SG_CONTROL_PROGRAMS(ptrace_traceme, ptrace_traceme, ptrace_traceme, sg_on_traceme(parent),
                    struct task_struct *parent)

#endif
