/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mounts, as far as they concern identity: a file system that comes while a policy runs gets the state of its mount point
 * before anybody can reach into it, and nobody who is denied anything at a place, or beneath it, mounts over it or takes a mount
 * away from it: what the host's paths lead to would be something else.
 *
 * The host's own mount namespace is guarded, and whatever shares its changes with others (place.bpf.h). What a process mounts in
 * a namespace of its own hides things from itself, and the objects keep their identity there. Nor does a file system get a place
 * from where it lies in another namespace: anybody can make one and lay a program of his own over one that a policy trusts.
 */
#ifndef SG_BPF_MOUNT_H
#define SG_BPF_MOUNT_H

#include "lib/hook.bpf.h"
#include "lib/place.bpf.h"

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

static __always_inline int sg_in_host_mnt_ns(void)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();

    return BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum) == sg_host_mnt_ns;
}

static __always_inline void sg_tell_mount(__u16 hook)
{
    __u32 slot;
    struct sg_buffer *b = sg_begin(&slot, SG_RECORD_MOUNT);

    if (b)
        ((struct sg_record *)b->bytes)->hook = hook;
    sg_send(slot, b, sizeof(struct sg_record), SG_RING_PROCESS);
}

/*
 * Seeds a file system with the state of the directory that it covers, unless user space has said what it is: what a hook
 * said before gives way, since a file system is made first and gets its place later. So does what is said of one that is nowhere
 * else: that was another with its number, or where it was. `alone`: how often such a one is held; 0: it does not come as a whole.
 * True: it has the wrong state, for want of room.
 *
 * No entry says the same as one with state 0.
 */
static __always_inline int sg_seed(struct super_block *sb, const struct sg_mounting *m, int alone)
{
    struct sg_root_key key = {.policy_id = m->policy_id};
    struct sg_root root = {.state = m->state, .flags = SG_ROOT_PROVISIONAL};
    const struct sg_root *known;
    __u32 before = 0;

    key.dev = BPF_CORE_READ(sb, s_dev);
    known = bpf_map_lookup_elem(&sg_roots, &key);
    if (known) {
        if (!(known->flags & SG_ROOT_PROVISIONAL) &&
            (!alone || BPF_CORE_READ(sb, s_active.counter) > alone))
            return 0;
        before = known->state;
    } else if (!m->state) {
        return 0;
    }
    if (bpf_map_update_elem(&sg_roots, &key, &root, BPF_ANY) && before != m->state) {
        sg_count(SG_COUNT_ROOT_FULL);
        return 1;
    }
    /* Who made it may have looked into it before it had a place. */
    if (before != m->state)
        sg_forget_states();
    return 0;
}

/* True: refuse. Without its state a file system would pass as one that no rule speaks of. */
static __always_inline int sg_no_room(struct dentry *shown, __u32 policy_id, __u16 hook)
{
    struct sg_request q = {.dentry = shown,
                           .inode = shown->d_inode,
                           .ops = SG_OP_MOUNT,
                           .hook = hook};
    const struct sg_image *header = sg_header_now();

    if (!header || !(header->needs & SG_NEED_GUARD))
        return 0;
    return sg_conclude(&q,
                       SG_DECISION(4, SG_RULE_NONE, SG_DENY, 0,
                                   SG_OP_MOUNT | (__u64)SG_REASON_MEMORY << 16),
                       policy_id, false);
}

/* Decides about a change at a place. */
static __always_inline __u64 sg_place_decision(__u32 state, __u32 policy_id)
{
    __u64 decision = sg_decide_place(state, policy_id, 0);

    if (decision & SG_DECISION_AGAIN) {
        sg_subject_prepare();
        decision = sg_decide_place(state, policy_id, 0);
        if (decision & SG_DECISION_AGAIN)
            decision = sg_decide_place(state, policy_id, 1);
    }
    return decision;
}

/*
 * True: refuse. `mnt` and `dentry` say where; `shown` is what the record names. ret->state: what a file system gets that comes to
 * be there.
 */
static __always_inline int sg_mount_over(__u64 mnt, __u64 dentry, struct dentry *shown, __u16 hook,
                                         struct sg_mounting *ret)
{
    struct sg_request q = {.dentry = shown,
                           .inode = shown->d_inode,
                           .ops = SG_OP_MOUNT,
                           .hook = hook};
    __u64 answer, decision;

    ret->policy_id = sg_policy_now();
    if (!ret->policy_id)
        return 0;
    answer = sg_place_state(mnt, dentry, ret->policy_id);
    if (SG_ANSWER_FAILED(answer)) {
        decision = sg_unresolved(sg_sb_of(&q), q.ops, ret->policy_id, answer & 0xff);
        goto conclude;
    }
    ret->state = (__u32)answer;
    if (!ret->state || !sg_mount_is_hosts(mnt))
        return 0;
    decision = sg_place_decision(ret->state, ret->policy_id);
conclude:
    return SG_DECISION_VERDICT(decision) != SG_ALLOW &&
           sg_conclude(&q, decision, ret->policy_id, false);
}

/*
 * A change that can be anywhere on the host: refused to whoever is denied anything anywhere, when something is enforced besides
 * the agent's own rule. `vfsmount` is any mount of the host.
 */
static __always_inline int sg_mount_anywhere(__u64 vfsmount, struct dentry *shown, __u16 hook)
{
    struct sg_request q = {.dentry = shown,
                           .inode = shown->d_inode,
                           .ops = SG_OP_MOUNT,
                           .hook = hook};
    const struct sg_image *header = sg_header_now();
    __u32 policy_id = sg_policy_now();
    struct mount *mount = sg_mount_of(vfsmount);

    if (!header || !(header->needs & SG_NEED_GUARD) || !sg_mount_is_hosts(vfsmount))
        return 0;
    for (int i = 0; i < SG_MOUNTS_UP; i++) {
        struct mount *parent = BPF_CORE_READ(mount, mnt_parent);
        __u64 answer = sg_object_state((__u64)BPF_CORE_READ(mount, mnt.mnt_root), policy_id);
        __u64 decision = SG_DECISION_NONE;

        if (!SG_ANSWER_FAILED(answer) && answer)
            decision = sg_place_decision((__u32)answer, policy_id);
        if (SG_DECISION_VERDICT(decision) >= SG_DENY)
            return sg_conclude(&q, decision, policy_id, false);
        if (parent == mount)
            break;
        mount = parent;
    }
    return 0;
}

static __always_inline int sg_on_mount(const struct path *path, unsigned long flags)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    struct sg_mounting m = {};

    /* Flags of existing mounts change: nothing is mounted. In the order of path_mount(), for which MS_BIND comes first. */
    if (flags & MS_REMOUNT ||
        (!(flags & MS_BIND) && flags & (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)))
        return 0;
    if (sg_mount_over(sg_address(path->mnt), sg_address(path->dentry), path->dentry,
                      SG_HOOK_sb_mount, &m))
        return 1;
    /* What is moved is known by a name only, which may lead there in many ways. move_mount(2) says what it moves. */
    if (flags & MS_MOVE && sg_mount_anywhere(sg_address(path->mnt), path->dentry, SG_HOOK_sb_mount))
        return 1;
    /* A bind mount or a moved one brings no new file system. */
    if (m.policy_id && !(flags & (MS_BIND | MS_MOVE)) && sg_in_host_mnt_ns())
        bpf_map_update_elem(&sg_mountings, &tid, &m, BPF_ANY);
    else
        bpf_map_delete_elem(&sg_mountings, &tid);
    sg_tell_mount(SG_HOOK_sb_mount);
    return 0;
}

SG_PROGRAMS(sb_mount, sb_mount, ((void)storage, sg_on_mount(path, flags)), const char *dev_name,
            const struct path *path, const char *type, unsigned long flags)

/* Kernels that list the mounts of a file system in this way make the mount before they ask. */
#define SG_REFERENCES_ALONE (bpf_core_field_exists(struct mount___listed, mnt_next_for_sb) ? 2 : 1)

static __always_inline int sg_on_kern_mount(struct super_block *sb)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    struct sg_mounting *found = bpf_map_lookup_elem(&sg_mountings, &tid), m;

    if (!found)
        return 0;
    m = *found;
    bpf_map_delete_elem(&sg_mountings, &tid);
    return sg_seed(sb, &m, SG_REFERENCES_ALONE) &&
           sg_no_room(sb->s_root, m.policy_id, SG_HOOK_sb_kern_mount);
}

SG_PROGRAMS(sb_kern_mount, sb_kern_mount, ((void)storage, sg_on_kern_mount(sb)),
            struct super_block *sb)

/* A mount goes from where it is; one that is nowhere yet is its own parent. */
static __always_inline int sg_leaves(__u64 vfsmount, struct dentry *shown, __u16 hook)
{
    struct mount *mount = sg_mount_of(vfsmount), *parent = BPF_CORE_READ(mount, mnt_parent);
    struct sg_mounting m = {};
    __u64 up = (__u64)parent + bpf_core_field_offset(struct mount, mnt);

    if (parent == mount)
        return 0;
    return sg_mount_over(up, (__u64)BPF_CORE_READ(mount, mnt_mountpoint), shown, hook, &m);
}

static __always_inline int sg_on_move_mount(const struct path *from, const struct path *to)
{
    struct super_block *sb = from->dentry->d_sb;
    struct sg_mounting m = {};

    if (sg_leaves(sg_address(from->mnt), from->dentry, SG_HOOK_move_mount))
        return 1;
    if (sg_mount_over(sg_address(to->mnt), sg_address(to->dentry), to->dentry, SG_HOOK_move_mount,
                      &m))
        return 1;
    if (m.policy_id && sg_in_host_mnt_ns() &&
        sg_seed(sb, &m, BPF_CORE_READ(sb, s_root) == from->dentry) &&
        sg_no_room(from->dentry, m.policy_id, SG_HOOK_move_mount))
        return 1;
    sg_tell_mount(SG_HOOK_move_mount);
    return 0;
}

SG_PROGRAMS(move_mount, move_mount, ((void)storage, sg_on_move_mount(from, to)),
            const struct path *from, const struct path *to)

static __always_inline int sg_on_umount(struct vfsmount *mnt)
{
    if (sg_leaves(sg_address(mnt), mnt->mnt_root, SG_HOOK_sb_umount))
        return 1;
    sg_tell_mount(SG_HOOK_sb_umount);
    return 0;
}

SG_PROGRAMS(sb_umount, sb_umount, ((void)storage, sg_on_umount(mnt)), struct vfsmount *mnt)

/* The caller's root goes, and with it what every path of those who share it means. */
static __always_inline int sg_on_pivot_root(const struct path *new_root)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    struct task_struct___fs *t = (void *)task;
    __u64 root = (__u64)BPF_CORE_READ(t, fs, root.mnt);

    if (sg_mount_anywhere(root, new_root->dentry, SG_HOOK_sb_pivotroot))
        return 1;
    sg_tell_mount(SG_HOOK_sb_pivotroot);
    return 0;
}

SG_PROGRAMS(sb_pivotroot, sb_pivotroot, ((void)storage, sg_on_pivot_root(new_path)),
            const struct path *old_path, const struct path *new_path)

#endif
