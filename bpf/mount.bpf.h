/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mounts, as far as they concern identity: a file system that comes while a policy runs gets the state of its mount point
 * before anybody can reach into it, and nobody mounts over a protected place or takes a mount away from it.
 *
 * Only the host's own mount namespace is guarded: what a process mounts in a namespace of its own hides things from
 * itself, and the objects keep their identity there.
 */
#ifndef SG_BPF_MOUNT_H
#define SG_BPF_MOUNT_H

#include "lib/hook.bpf.h"

/* A mount(2) on its way: the state of its mount point, by thread. */
struct sg_mounting {
    __u32 policy_id;
    __u32 state;
};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1024);
    __type(key, __u32);
    __type(value, struct sg_mounting);
} sg_mountings SEC(".maps");

volatile __u32 sg_host_mnt_ns =
    0; /* inode number of the host's mount namespace, set by the sensor */

static __always_inline int sg_in_host_mnt_ns(void)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();

    return BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum) == sg_host_mnt_ns;
}

static __always_inline void sg_tell_mount(__u16 hook)
{
    struct sg_record *r = bpf_ringbuf_reserve(&sg_process, sizeof(*r), 0);

    if (!r) {
        sg_count(SG_COUNT_PROCESS_LOST);
        return;
    }
    __builtin_memset(r, 0, sizeof(*r));
    sg_start_record(r, SG_RECORD_MOUNT, 0);
    sg_fill_process(r);
    r->hook = hook;
    r->size = sizeof(*r);
    sg_sent((__u8 *)r, SG_COUNT_PROCESS_SENT);
    bpf_ringbuf_submit(r, sg_wake(SG_RING_PROCESS, r->time_ns));
}

/*
 * Seeds a file system with the state of the directory that it covers, unless user space has said what it is: what a hook
 * said before gives way, since a file system is made first and gets its place later.
 */
static __always_inline void sg_seed(struct super_block *sb, const struct sg_mounting *m)
{
    struct sg_root_key key = {.policy_id = m->policy_id};
    struct sg_root root = {.state = m->state, .flags = SG_ROOT_PROVISIONAL};
    const struct sg_root *known;

    key.dev = BPF_CORE_READ(sb, s_dev);
    known = bpf_map_lookup_elem(&sg_roots, &key);
    if (!known || known->flags & SG_ROOT_PROVISIONAL)
        bpf_map_update_elem(&sg_roots, &key, &root, BPF_ANY);
}

static __always_inline int sg_mount_over(struct dentry *dentry, __u16 hook, struct sg_mounting *ret)
{
    struct sg_request q = {.dentry = dentry,
                           .inode = dentry->d_inode,
                           .ops = SG_OP_MOUNT,
                           .hook = hook};
    __u64 answer, decision;

    ret->policy_id = sg_policy_now();
    if (!ret->policy_id)
        return 0;
    answer = sg_object_state(sg_address(dentry), ret->policy_id);
    if (SG_ANSWER_FAILED(answer)) {
        decision = sg_unresolved(&q, ret->policy_id, answer & 0xff);
        goto conclude;
    }
    ret->state = (__u32)answer;
    if (!ret->state || !sg_in_host_mnt_ns())
        return 0;
    decision = sg_decide(ret->state, SG_OP_MOUNT, ret->policy_id, 0);
    if (decision & SG_DECISION_AGAIN) {
        sg_subject_prepare();
        decision = sg_decide(ret->state, SG_OP_MOUNT, ret->policy_id, 0);
        if (decision & SG_DECISION_AGAIN)
            decision = sg_decide(ret->state, SG_OP_MOUNT, ret->policy_id, 1);
    }
conclude:
    return SG_DECISION_VERDICT(decision) != SG_ALLOW && sg_conclude(&q, decision, ret->policy_id);
}

static __always_inline int sg_on_mount(const struct path *path, unsigned long flags)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    struct sg_mounting m = {};

    /* Flags of existing mounts change: nothing is mounted. */
    if (flags & (MS_REMOUNT | MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE))
        return 0;
    if (sg_mount_over(path->dentry, SG_HOOK_sb_mount, &m))
        return 1;
    /* A bind mount or a moved one brings no new file system. */
    if (m.policy_id && !(flags & (MS_BIND | MS_MOVE)))
        bpf_map_update_elem(&sg_mountings, &tid, &m, BPF_ANY);
    else
        bpf_map_delete_elem(&sg_mountings, &tid);
    sg_tell_mount(SG_HOOK_sb_mount);
    return 0;
}

SG_PROGRAMS(sb_mount, sb_mount, ((void)storage, sg_on_mount(path, flags)), const char *dev_name,
            const struct path *path, const char *type, unsigned long flags)

static __always_inline int sg_on_kern_mount(struct super_block *sb)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    struct sg_mounting *m = bpf_map_lookup_elem(&sg_mountings, &tid);

    if (m) {
        sg_seed(sb, m);
        bpf_map_delete_elem(&sg_mountings, &tid);
    }
    return 0;
}

SG_PROGRAMS(sb_kern_mount, sb_kern_mount, ((void)storage, sg_on_kern_mount(sb)),
            struct super_block *sb)

static __always_inline int sg_on_move_mount(const struct path *from, const struct path *to)
{
    struct sg_mounting m = {};

    if (sg_mount_over(to->dentry, SG_HOOK_move_mount, &m))
        return 1;
    if (m.policy_id)
        sg_seed(from->dentry->d_sb, &m);
    sg_tell_mount(SG_HOOK_move_mount);
    return 0;
}

SG_PROGRAMS(move_mount, move_mount, ((void)storage, sg_on_move_mount(from, to)),
            const struct path *from, const struct path *to)

static __always_inline int sg_on_umount(struct vfsmount *mnt)
{
    struct sg_mounting m = {};

    if (sg_mount_over(mnt->mnt_root, SG_HOOK_sb_umount, &m))
        return 1;
    sg_tell_mount(SG_HOOK_sb_umount);
    return 0;
}

SG_PROGRAMS(sb_umount, sb_umount, ((void)storage, sg_on_umount(mnt)), struct vfsmount *mnt)

#endif
