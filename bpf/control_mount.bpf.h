/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control kind `mount`: what is mounted is asked with, not where. By mount(2) in the order of path_mount(), by the new
 * interface when the file system is made; a mount that is attached later was asked about then (lib/syscall, hook capable).
 */
#ifndef SG_BPF_CONTROL_MOUNT_H
#define SG_BPF_CONTROL_MOUNT_H

#include "lib/control.bpf.h"
#include "lib/place.bpf.h"
#include "lib/short_name.bpf.h"
#include "lib/syscall.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct file_system_type {
    const char *name;
};

struct super_block___typed {
    struct file_system_type *s_type;
};

#pragma clang attribute pop

static const volatile char sg_mount_bind[] = SG_MOUNT_BIND;
static const volatile char sg_mount_move[] = SG_MOUNT_MOVE;
static const volatile char sg_mount_remount[] = SG_MOUNT_REMOUNT;
static const volatile char sg_mount_umount[] = SG_MOUNT_UMOUNT;
static const volatile char sg_mount_propagation[] = SG_MOUNT_PROPAGATION;
static const volatile char sg_mount_pivot_root[] = SG_MOUNT_PIVOT_ROOT;

static __always_inline int sg_ask_mount(__u16 hook, __u64 name)
{
    struct sg_asked a = {.kind = SG_CONTROL_mount,
                         .hook = hook,
                         .arg = SG_CONTROL_ARG_NAME,
                         .n = 1,
                         .value = {name}};

    return sg_control(&a);
}

/* A type with a subtype (fuse.sshfs) is asked about as it is said and as the kernel looks it up. */
static __always_inline int sg_ask_type(__u64 type)
{
    struct sg_asked a = {.kind = SG_CONTROL_mount,
                         .hook = SG_HOOK_control_mount,
                         .arg = SG_CONTROL_ARG_NAME,
                         .n = 2,
                         .value = {type, sg_short_name(type, 0)}};

    return sg_control(&a);
}

static __always_inline int sg_on_control_mount(__u64 type, unsigned long flags)
{
    __u64 name = 0;

    if (flags & MS_REMOUNT)
        name = sg_address((const void *)sg_mount_remount);
    else if (flags & MS_BIND)
        name = sg_address((const void *)sg_mount_bind);
    else if (flags & (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE))
        name = sg_address((const void *)sg_mount_propagation);
    else if (flags & MS_MOVE)
        name = sg_address((const void *)sg_mount_move);
    if (name)
        return sg_ask_mount(SG_HOOK_control_mount, name);
    return type ? sg_ask_type(type) : 0;
}

SG_CONTROL_PROGRAMS(control_mount, sb_mount, sb_mount,
                    ((void)dev_name, (void)path, sg_on_control_mount((__u64)type, flags)),
                    const char *dev_name, const void *path, const char *type, unsigned long flags)

SG_CONTROL_PROGRAMS(control_umount, sb_umount, sb_umount,
                    ((void)mnt, sg_ask_mount(SG_HOOK_control_umount,
                                             sg_address((const void *)sg_mount_umount))),
                    void *mnt)

SG_CONTROL_PROGRAMS(control_pivotroot, sb_pivotroot, sb_pivotroot,
                    ((void)old_path, sg_ask_mount(SG_HOOK_control_pivotroot,
                                                  sg_address((const void *)sg_mount_pivot_root))),
                    const void *old_path)

/* One that is nowhere yet is its own parent, and was asked about when it was made. */
static __always_inline int sg_on_control_move(const struct path *from)
{
    struct mount *mount = sg_mount_of(sg_address(from->mnt));

    if (BPF_CORE_READ(mount, mnt_parent) == mount && !sg_is_canary())
        return 0;
    return sg_ask_mount(SG_HOOK_control_move_mount, sg_address((const void *)sg_mount_move));
}

SG_CONTROL_PROGRAMS(control_move_mount, move_mount, move_mount, sg_on_control_move(from),
                    const struct path *from)

/* File systems are made by many: here only by who says so with fsconfig(2). */
static __always_inline int sg_on_new_super(struct super_block *sb)
{
    if (sg_call() != SG_CALL_FSCONFIG)
        return 0;
    return sg_ask_mount(SG_HOOK_sb_set_mnt_opts,
                        (__u64)BPF_CORE_READ((struct super_block___typed *)sb, s_type, name));
}

SG_CONTROL_PROGRAMS(sb_set_mnt_opts, sb_set_mnt_opts, sb_set_mnt_opts, sg_on_new_super(sb),
                    struct super_block *sb)

static __always_inline int sg_on_new_remount(struct super_block *sb)
{
    if (sg_call() != SG_CALL_FSCONFIG)
        return 0;
    return sg_ask_mount(SG_HOOK_sb_remount, sg_address((const void *)sg_mount_remount));
}

SG_CONTROL_PROGRAMS(sb_remount, sb_remount, sb_remount, sg_on_new_remount(sb),
                    struct super_block *sb)

#endif
