/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The arguments that a task has just asked an exec with, for the record of one that is refused: from the registers that it
 * entered the kernel with, and its memory. By then the task could have changed them: they are what it asked for if it is
 * honest, and nothing is decided by them.
 */
#ifndef SG_BPF_LAUNCH_CALL_H
#define SG_BPF_LAUNCH_CALL_H

#include "launch.bpf.h"

#define SG_CALL_ARGS_MAX 256  /* that are looked at */
#define SG_CALL_ARG_MAX  1024 /* bytes of one, a power of two */
#define SG_THREAD_SIZE \
    16384 /* of kernel stacks where there is no helper for the registers; both machines */

#define SG_CALL_X32      0x40000000u /* arch/x86/include/uapi/asm/unistd.h */
#define SG_TS_COMPAT     0x2u        /* arch/x86/include/asm/thread_info.h */
#define SG_TIF_32BIT     22          /* arch/arm64/include/asm/thread_info.h */
#define SG_COMPAT_EXECVE 11          /* of 32-bit programs, of both machines */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

#ifdef __TARGET_ARCH_arm64
struct pt_regs___call {
    __u64 regs[31];
    int syscallno;
};
#else
struct pt_regs___call {
    unsigned long r10, cx, dx, si, di, orig_ax;
};
#endif

struct thread_info {
    unsigned long flags;
    __u32 status; /* of x86 */
};

struct task_struct___call {
    struct thread_info thread_info;
    void *stack;
};

#pragma clang attribute pop

struct sg_call {
    __u64 argv;  /* user address; 0: not known */
    __u32 width; /* bytes of a pointer there */
};

/* The registers that the current task entered the kernel with, as an address. */
static __always_inline __u64 sg_call_regs(void)
{
    struct task_struct___call *task = (void *)bpf_get_current_task();

    if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
        return sg_address((void *)bpf_task_pt_regs(bpf_get_current_task_btf()));
    return (__u64)BPF_CORE_READ(task, stack) + SG_THREAD_SIZE -
           bpf_core_type_size(struct pt_regs___call);
}

#ifdef __TARGET_ARCH_arm64
static __always_inline void sg_call_find(struct sg_call *ret)
{
    struct task_struct___call *task = (void *)bpf_get_current_task();
    struct pt_regs___call *regs = (void *)sg_call_regs();
    int number = BPF_CORE_READ(regs, syscallno);

    if (BPF_CORE_READ(task, thread_info.flags) >> SG_TIF_32BIT & 1) {
        ret->width = 4;
        ret->argv = number == SG_COMPAT_EXECVE ? BPF_CORE_READ(regs, regs[1])
                    : number == 387            ? BPF_CORE_READ(regs, regs[2])
                                               : 0;
    } else {
        ret->width = 8;
        ret->argv = number == 221   ? BPF_CORE_READ(regs, regs[1])
                    : number == 281 ? BPF_CORE_READ(regs, regs[2])
                                    : 0;
    }
}
#else
static __always_inline void sg_call_find(struct sg_call *ret)
{
    struct task_struct___call *task = (void *)bpf_get_current_task();
    struct pt_regs___call *regs = (void *)sg_call_regs();
    __u32 number = (__u32)BPF_CORE_READ(regs, orig_ax);

    if (BPF_CORE_READ(task, thread_info.status) & SG_TS_COMPAT) {
        ret->width = 4;
        ret->argv = number == SG_COMPAT_EXECVE ? (__u32)BPF_CORE_READ(regs, cx)
                    : number == 358            ? (__u32)BPF_CORE_READ(regs, dx)
                                               : 0;
        return;
    }
    ret->width = number & SG_CALL_X32 ? 4 : 8;
    number &= ~SG_CALL_X32;
    ret->argv = number == 59 || number == 520    ? BPF_CORE_READ(regs, si)
                : number == 322 || number == 545 ? BPF_CORE_READ(regs, dx)
                                                 : 0;
}
#endif

/* Argument at the user address `from`, put at `at` of the record. Returns its bytes with the NUL; 0: none, or it is not in memory. */
__noinline __u32 sg_call_arg(__u32 slot, __u64 at, __u64 from)
{
    struct sg_launch_head *head = sg_launch_head(slot);
    long n;

    asm volatile("" : "+r"(at));
    if (!head || at > SG_RECORD_MAX - SG_CALL_ARG_MAX - 512)
        return 0;
    n = bpf_probe_read_user_str((__u8 *)head + at, SG_CALL_ARG_MAX, (void *)from);
    if (n <= 0 || n > SG_CALL_ARG_MAX)
        return 0;
    if (n == SG_CALL_ARG_MAX)
        head->launch.flags |= SG_LAUNCH_ARGS_CUT;
    return (__u32)n;
}

/* The arguments of the exec that the current task asks for. Returns the record's new end. */
__noinline __u64 sg_call_args(__u32 slot, __u64 at)
{
    struct sg_launch_head *head = sg_launch_head(slot);
    __u64 start = at + sizeof(struct sg_field), end = start;
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    struct sg_call call = {};
    __u32 n = 0;

    if (!head || BPF_CORE_READ(task, flags) & PF_KTHREAD)
        return at;
    sg_call_find(&call);
    if (!call.argv)
        return at;
    for (__u32 i = 0; i < SG_CALL_ARGS_MAX; i++) {
        __u64 from = 0;

        if (bpf_probe_read_user(&from, sizeof(from), (void *)call.argv)) {
            head->launch.flags |= SG_LAUNCH_ARGS_CUT;
            break;
        }
        if (call.width == 4)
            from = (__u32)from;
        if (!from)
            break;
        call.argv += call.width;
        n = sg_call_arg(slot, end, from);
        if (!n || end - start + n > SG_ARGS_BYTES_MAX) {
            head->launch.flags |= SG_LAUNCH_ARGS_CUT;
            break;
        }
        head->launch.argc++;
        end += n;
    }
    return sg_end_field((__u8 *)head, at, end - start, SG_FIELD_ARGS);
}

#endif
