/* SPDX-License-Identifier: GPL-2.0-only */
/* Files that are mapped into memory, also those that an overlay maps in the place of its own, and those that no path leads to. */
#ifndef SG_BPF_FILE_MAP_H
#define SG_BPF_FILE_MAP_H

#include "file_open.bpf.h"
#include "lib/kernel_io.h"

#define OVERLAYFS_SUPER_MAGIC 0x794c7630 /* include/uapi/linux/magic.h */
#define STACK_DEPTH           2          /* include/linux/fs.h: FILESYSTEM_MAX_STACK_DEPTH */
#define VM_SHARED             0x8ul      /* include/linux/mm.h */

/* From 6.13 on (fs/overlayfs/file.c, struct ovl_file) the private data of an overlay's file points to what holds the file beneath. */
const volatile bool sg_overlay_wraps = false;

/* How a mapping is made. */
#define SG_MAP_EXEC    1u /* it becomes executable */
#define SG_MAP_PRIVATE 2u

/*
 * The file that an overlay maps in the place of this one; 0: there is none. It was opened for reading when this one was, and no
 * hook is asked about its mapping.
 */
static __always_inline __u64 sg_file_beneath(__u64 file_address)
{
    struct file *file = (struct file *)file_address;
    struct super_block *sb = BPF_CORE_READ(file, f_inode, i_sb);
    __u64 beneath;

    if (BPF_CORE_READ(sb, s_magic) != OVERLAYFS_SUPER_MAGIC)
        return 0;
    beneath = (__u64)BPF_CORE_READ(file, private_data);
    if (sg_overlay_wraps && bpf_probe_read_kernel(&beneath, sizeof(beneath), (void *)beneath))
        return 0;
    return beneath;
}

/* What rules say of what lies beneath an overlay's file, and of which name of it. */
struct sg_beneath {
    __u64 dentry;
    __u32 policy_id;
};

static __noinline __u64 sg_beneath_decide(__u64 file, __u32 ops, struct sg_beneath *ret)
{
    __u64 inode, decision;

    for (int i = 0; i < STACK_DEPTH; i++) {
        file = sg_file_beneath(file);
        if (!file)
            break;
        inode = (__u64)BPF_CORE_READ((struct file *)file, f_inode);
        ret->dentry = sg_opens_beneath() ? sg_alias_of((struct inode *)inode)
                                         : (__u64)BPF_CORE_READ((struct file *)file, f_path.dentry);
        ret->policy_id = sg_policy_now();
        decision = sg_decide_at(ret->dentry, inode, ops, ret->policy_id, SG_TRY_FIRST);
        if (decision & SG_DECISION_AGAIN)
            decision = sg_decide_again(ret->dentry, inode, ops, &ret->policy_id);
        /* What may be executed and is only recorded is in the record of the exec. */
        if (SG_DECISION_VERDICT(decision) >= SG_DENY ||
            (SG_DECISION_VERDICT(decision) != SG_ALLOW && !sg_is_launch(decision)))
            return decision;
    }
    return SG_DECISION_NONE;
}

/* The record has the name of what lies beneath, and the one by which it was reached. */
static __noinline int sg_beneath_conclude(struct file *file, __u32 ops, __u16 hook, __u64 decision,
                                          const struct sg_beneath *at)
{
    struct sg_request q = {.dentry = file->f_path.dentry,
                           .inode = file->f_inode,
                           .text = (const char *)at->dentry,
                           .ops = sg_ops_recorded(file, ops, decision),
                           .hook = hook,
                           .text_type = SG_TEXT_IS_DENTRY};

    return sg_conclude(&q, decision, at->policy_id, false);
}

static __always_inline int sg_beneath_refused(struct file *file, __u32 ops, __u16 hook)
{
    struct sg_beneath at = {};
    __u64 decision = sg_beneath_decide(sg_address(file), ops, &at);

    return SG_DECISION_VERDICT(decision) != SG_ALLOW &&
           sg_beneath_conclude(file, ops, hook, decision, &at);
}

/* What rules say of a file that no path leads to, and of which a part of a program is made: what the dynamic linker maps. */
static __noinline __u64 sg_map_kind_decide(struct file *file, __u32 *ret_policy_id)
{
    return sg_exec_kind_decision(file, ret_policy_id);
}

static __noinline int sg_map_kind_conclude(struct file *file, __u16 hook, __u64 decision,
                                           __u32 policy_id)
{
    struct sg_request q = {.dentry = file->f_path.dentry,
                           .inode = file->f_inode,
                           .ops = SG_OP_LOAD,
                           .hook = hook};

    if (file->f_inode->i_sb->s_flags & (SB_KERNMOUNT | SB_NOUSER)) {
        q.text = (const char *)sg_address(file->f_path.dentry->d_name.name);
        q.text_type = SG_FIELD_NAME;
    }
    return sg_conclude(&q, decision, policy_id, false);
}

/* What is only recorded of such files is in the record of an exec. */
static __always_inline int sg_map_kind_refused(struct file *file, __u16 hook)
{
    __u32 policy_id = 0;
    __u64 decision = sg_map_kind_decide(file, &policy_id);

    return SG_DECISION_VERDICT(decision) >= SG_DENY &&
           sg_map_kind_conclude(file, hook, decision, policy_id);
}

static __always_inline unsigned long sg_vm_flags(struct vm_area_struct *vma)
{
    return ((struct vm_area_struct___exec *)vma)->vm_flags;
}

/*
 * What a mapping asks for. What the kernel itself maps of a program, and of the interpreter that it names, was opened for
 * execution by its caller and decided then.
 */
static __always_inline int sg_on_map(struct file *file, __u32 how, __u16 hook, bool storage)
{
    const struct sg_image *header;
    __u32 ops = SG_OP_MMAP;
    bool executable;

    if (!sg_address(file) || !file)
        return 0;
    executable = how & SG_MAP_EXEC && !(file->f_flags & FMODE_EXEC);
    if (executable)
        ops |= SG_OP_LOAD | SG_OP_LAUNCH;
    if (sg_file_access(file, ops, hook, 0, storage))
        return 1;
    header = sg_header_now();
    if (!header)
        return 0;
    /* What is mapped already is the file beneath. */
    if (hook == SG_HOOK_mmap_file && file->f_inode->i_sb->s_stack_depth && header->ops & ops &&
        sg_beneath_refused(file, ops, hook))
        return 1;
    return executable && how & SG_MAP_PRIVATE && header->control_state[SG_CONTROL_exec] &&
           sg_map_kind_refused(file, hook);
}

static __always_inline __u32 sg_how_mapped(bool exec, unsigned long flags)
{
    return (exec ? SG_MAP_EXEC : 0) | ((flags & MAP_TYPE) == MAP_PRIVATE ? SG_MAP_PRIVATE : 0);
}

static __always_inline __u32 sg_how_protected(struct vm_area_struct *vma, unsigned long prot)
{
    unsigned long flags = sg_vm_flags(vma);

    return (prot & PROT_EXEC && !(flags & VM_EXEC) ? SG_MAP_EXEC : 0) |
           (flags & VM_SHARED ? 0 : SG_MAP_PRIVATE);
}

/* `prot` is what the mapping will have: more than was asked for where reading implies executing (personality(2)). */
SG_LSM(mmap_file, mmap_file,
       sg_on_map(file, sg_how_mapped(prot &PROT_EXEC, flags), SG_HOOK_mmap_file, storage),
       struct file *file, unsigned long asked, unsigned long prot, unsigned long flags)

static __always_inline bool sg_read_is_exec(unsigned long prot)
{
    struct task_struct___exec *task = (void *)bpf_get_current_task();

    return prot & PROT_READ && BPF_CORE_READ(task, personality) & READ_IMPLIES_EXEC;
}

SG_FMOD(mmap_file, mmap_file,
        sg_on_map(file, sg_how_mapped(prot &PROT_EXEC || sg_read_is_exec(prot), flags),
                  SG_HOOK_mmap_file, storage),
        struct file *file, unsigned long prot, unsigned long flags)

SG_PROGRAMS(file_mprotect, file_mprotect,
            sg_on_map(vma->vm_file, sg_how_protected(vma, prot), SG_HOOK_file_mprotect, storage),
            struct vm_area_struct *vma, unsigned long asked, unsigned long prot)

#endif
