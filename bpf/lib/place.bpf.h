/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a mount is, and whether what changes there is the host's business: for mount.bpf.h.
 *
 * A path of the host means something else after a mount over it, over a directory above it, or after the mount that it lies on
 * has gone or moved. So the question is asked about the *place*: the directory that a mount covers, in the file system that it
 * is in, and everything beneath it. A bind mount of a protected directory at another place is no protected place.
 */
#ifndef SG_BPF_PLACE_H
#define SG_BPF_PLACE_H

#include "object.bpf.h"

#define SG_MOUNTS_UP 8 /* mounts on one mount point, one on top of the other */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct mount {
    struct mount *mnt_parent;
    struct dentry *mnt_mountpoint;
    struct vfsmount mnt;
    struct mnt_namespace *mnt_ns;
    int mnt_group_id;
};

struct fs_struct {
    struct path root;
};

struct task_struct___fs {
    struct fs_struct *fs;
};

#pragma clang attribute pop

volatile __u32 sg_host_mnt_ns =
    0; /* inode number of the host's mount namespace, set by the sensor */

/* A place in the tree of mounts, as addresses. */
struct sg_place {
    __u64 mount;
    __u64 dentry;
};

static __always_inline struct mount *sg_mount_of(__u64 vfsmount)
{
    return (struct mount *)(vfsmount - bpf_core_field_offset(struct mount, mnt));
}

/*
 * Is a change on this mount seen on the host? It is in the host's namespace, or shares its changes with others: the host's
 * namespace can be among them, and who is cannot be changed unseen. What a process does on a mount of its own alone hides things
 * from itself.
 */
__noinline __u32 sg_mount_is_hosts(__u64 vfsmount)
{
    struct mount *mount = sg_mount_of(vfsmount);
    struct mnt_namespace *ns = BPF_CORE_READ(mount, mnt_ns);

    return (ns && BPF_CORE_READ(ns, ns.inum) == sg_host_mnt_ns) ||
           BPF_CORE_READ(mount, mnt_group_id) != 0;
}

/*
 * Does all of a namespace hang on this mount? It is its own parent, or (from 7.0 on, where nullfs is beneath the kernel's first
 * file system) what it hangs on is.
 */
static __always_inline int sg_mount_is_bottom(struct mount *mount)
{
    struct mount *parent = BPF_CORE_READ(mount, mnt_parent);

    return parent == mount || BPF_CORE_READ(parent, mnt_parent) == parent;
}

/*
 * The root of a mount stands for the directory that the mount covers. Not where that is in a file system on which all of a
 * namespace hangs: no path leads there (where one does, it has an entry).
 */
static __always_inline int sg_place_up(struct sg_place *place, __u32 policy_id)
{
    struct mount *mount = sg_mount_of(place->mount), *parent = BPF_CORE_READ(mount, mnt_parent);
    struct sg_root_key key = {.policy_id = policy_id};
    struct dentry *point;

    if ((__u64)BPF_CORE_READ(mount, mnt.mnt_root) != place->dentry || parent == mount)
        return 0;
    point = BPF_CORE_READ(mount, mnt_mountpoint);
    key.dev = BPF_CORE_READ(point, d_sb, s_dev);
    if (sg_mount_is_bottom(parent) && !bpf_map_lookup_elem(&sg_roots, &key))
        return 0;
    place->mount = (__u64)parent + bpf_core_field_offset(struct mount, mnt);
    place->dentry = (__u64)point;
    return 1;
}

/* The state of a place, as sg_object_state() answers. */
__noinline __u64 sg_place_state(__u64 vfsmount, __u64 dentry, __u32 policy_id)
{
    struct sg_place place = {.mount = vfsmount, .dentry = dentry};

    for (int i = 0; i < SG_MOUNTS_UP; i++)
        if (!sg_place_up(&place, policy_id))
            break;
    return sg_object_state(place.dentry, policy_id);
}

/* May the current task change what this place is: the rules on mounting over it, and whatever it is denied there or beneath. */
__noinline __u64 sg_decide_place(__u32 state, __u32 policy_id, __u32 anybody)
{
    __u64 decision = sg_decide(state, SG_OP_MOUNT, policy_id, anybody), relabel;

    if (decision & SG_DECISION_AGAIN)
        return decision;
    relabel = sg_decide_relabel(state, policy_id, anybody);
    if (relabel & SG_DECISION_AGAIN)
        return relabel;
    if (SG_DECISION_VERDICT(relabel) >= SG_DENY)
        decision = sg_stronger(decision, relabel & ~SG_DECISION_RELABEL) == decision ? decision
                                                                                     : relabel;
    return decision;
}

#endif
