/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In which system call a hook was reached, and with what arguments. Several calls have no hook of their own and are known by
 * what else they ask: the registers that they came with say which it is. Nobody but a tracer can change those meanwhile.
 */
#ifndef SG_BPF_SYSCALL_H
#define SG_BPF_SYSCALL_H

#include "common.bpf.h"

/* The calls that anybody here asks for; numbers differ by processor and by the size of the caller's words. */
enum sg_call {
    SG_CALL_OTHER = 0,
    SG_CALL_UNSHARE,
    SG_CALL_SETNS,
    SG_CALL_OPEN_TREE,
    SG_CALL_OPEN_TREE_ATTR,
    SG_CALL_FSCONFIG,
    SG_CALL_FSMOUNT,
    SG_CALL_MOUNT_SETATTR,
    SG_CALL_IO_URING_SETUP,
    SG_CALL_EXECVE,
    SG_CALL_EXECVEAT,
};

#if defined(__TARGET_ARCH_x86)
#define SG_REGS_SIZE bpf_core_type_size(struct pt_regs___x86)
#else
#define SG_REGS_SIZE bpf_core_type_size(struct pt_regs___call)
#endif
#define SG_THREAD_SIZE \
    16384 /* of a kernel stack, where no helper finds the registers (up to 5.14) */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pt_regs___x86 {
    unsigned long bx, cx, dx, si, di, r10, orig_ax;
};

struct pt_regs___call {
    __u64 regs[31];
    __u64 orig_x0;
    int syscallno;
};

struct thread_info___status {
    __u32 status; /* x86 */
};

struct thread_info___flags {
    unsigned long flags;
};

struct task_struct___call {
    struct thread_info___status thread_info;
    void *stack;
};

struct task_struct___call_flags {
    struct thread_info___flags thread_info;
};

#pragma clang attribute pop

/* The registers of the current task's system call, as an address; 0: it is in none. */
static __always_inline __u64 sg_call_regs(void)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();

    if (BPF_CORE_READ(task, flags) & PF_KTHREAD)
        return 0;
    if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
        return (__u64)bpf_task_pt_regs(bpf_get_current_task_btf());
    return (__u64)BPF_CORE_READ((struct task_struct___call *)task, stack) + SG_THREAD_SIZE -
           SG_REGS_SIZE;
}

#if defined(__TARGET_ARCH_x86)
#define SG_TS_COMPAT 0x2u /* arch/x86/include/asm/thread_info.h */
#define SG_X32_BIT   0x40000000u

static __always_inline int sg_call_is_compat(void)
{
    struct task_struct___call *task = (void *)bpf_get_current_task();

    return BPF_CORE_READ(task, thread_info.status) & SG_TS_COMPAT;
}

static __always_inline __u32 sg_call_number(__u64 regs)
{
    return (__u32)BPF_CORE_READ((struct pt_regs___x86 *)regs, orig_ax) & ~SG_X32_BIT;
}

static __always_inline __u64 sg_call_argument(__u64 regs, __u32 index, int compat)
{
    struct pt_regs___x86 *r = (void *)regs;

    if (compat)
        return (__u32)(index == 0   ? BPF_CORE_READ(r, bx)
                       : index == 1 ? BPF_CORE_READ(r, cx)
                       : index == 2 ? BPF_CORE_READ(r, dx)
                                    : BPF_CORE_READ(r, si));
    return index == 0   ? BPF_CORE_READ(r, di)
           : index == 1 ? BPF_CORE_READ(r, si)
           : index == 2 ? BPF_CORE_READ(r, dx)
                        : BPF_CORE_READ(r, r10);
}

/* Bytes of a pointer in the caller's memory. */
static __always_inline __u32 sg_call_width_of(__u64 regs, int compat)
{
    return compat || BPF_CORE_READ((struct pt_regs___x86 *)regs, orig_ax) & SG_X32_BIT ? 4 : 8;
}

#define SG_NR_UNSHARE(compat)  ((compat) ? 310u : 272u)
#define SG_NR_SETNS(compat)    ((compat) ? 346u : 308u)
#define SG_NR_EXECVE(compat)   ((compat) ? 11u : 59u)
#define SG_NR_EXECVEAT(compat) ((compat) ? 358u : 322u)
#define SG_NR_X32_EXECVE       520u /* arch/x86/entry/syscalls/syscall_64.tbl */
#define SG_NR_X32_EXECVEAT     545u
#else
#define SG_TIF_32BIT 22 /* arch/arm64/include/asm/thread_info.h */

static __always_inline int sg_call_is_compat(void)
{
    struct task_struct___call_flags *task = (void *)bpf_get_current_task();

    return BPF_CORE_READ(task, thread_info.flags) >> SG_TIF_32BIT & 1;
}

static __always_inline __u32 sg_call_number(__u64 regs)
{
    return (__u32)BPF_CORE_READ((struct pt_regs___call *)regs, syscallno);
}

static __always_inline __u64 sg_call_argument(__u64 regs, __u32 index, int compat)
{
    struct pt_regs___call *r = (void *)regs;
    __u64 value = index == 0   ? BPF_CORE_READ(r, orig_x0)
                  : index == 1 ? BPF_CORE_READ(r, regs[1])
                  : index == 2 ? BPF_CORE_READ(r, regs[2])
                               : BPF_CORE_READ(r, regs[3]);

    return compat ? (__u32)value : value;
}

static __always_inline __u32 sg_call_width_of(__u64 regs, int compat)
{
    return compat ? 4 : 8;
}

#define SG_NR_UNSHARE(compat)  ((compat) ? 337u : 97u)
#define SG_NR_SETNS(compat)    ((compat) ? 375u : 268u)
#define SG_NR_EXECVE(compat)   ((compat) ? 11u : 221u)
#define SG_NR_EXECVEAT(compat) ((compat) ? 387u : 281u)
#define SG_NR_X32_EXECVE       SG_NR_EXECVE(0)
#define SG_NR_X32_EXECVEAT     SG_NR_EXECVEAT(0)
#endif

/* Which call it is. A function of its own: what it reads must not take from the stack of the decision. */
__noinline __u32 sg_call(void)
{
    __u64 regs = sg_call_regs();
    int compat = sg_call_is_compat();
    __u32 number;

    if (!regs)
        return SG_CALL_OTHER;
    number = sg_call_number(regs);
    if (number == SG_NR_UNSHARE(compat))
        return SG_CALL_UNSHARE;
    if (number == SG_NR_SETNS(compat))
        return SG_CALL_SETNS;
    if (number == SG_NR_EXECVE(compat) || (!compat && number == SG_NR_X32_EXECVE))
        return SG_CALL_EXECVE;
    if (number == SG_NR_EXECVEAT(compat) || (!compat && number == SG_NR_X32_EXECVEAT))
        return SG_CALL_EXECVEAT;
    switch (number) { /* the same everywhere from 424 on */
    case 425: return SG_CALL_IO_URING_SETUP;
    case 428: return SG_CALL_OPEN_TREE;
    case 431: return SG_CALL_FSCONFIG;
    case 432: return SG_CALL_FSMOUNT;
    case 442: return SG_CALL_MOUNT_SETATTR;
    case 467: return SG_CALL_OPEN_TREE_ATTR;
    default: return SG_CALL_OTHER;
    }
}

/* Bytes of a pointer in its caller's memory. */
__noinline __u32 sg_call_width(void)
{
    __u64 regs = sg_call_regs();

    return regs ? sg_call_width_of(regs, sg_call_is_compat()) : 8;
}

/* Its argument `index`, 0 … 3. */
__noinline __u64 sg_call_arg(__u32 index)
{
    __u64 regs = sg_call_regs();

    return regs ? sg_call_argument(regs, index, sg_call_is_compat()) : 0;
}

#endif
