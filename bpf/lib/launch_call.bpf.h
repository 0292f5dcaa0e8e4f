/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The arguments that a task has just asked an exec with, for the record of one that is refused: from the registers that it
 * entered the kernel with, and its memory. By then the task could have changed them: they are what it asked for if it is
 * honest, and nothing is decided by them.
 */
#ifndef SG_BPF_LAUNCH_CALL_H
#define SG_BPF_LAUNCH_CALL_H

#include "launch.bpf.h"
#include "syscall.bpf.h"

#define SG_CALL_ARGS_MAX 256  /* that are looked at */
#define SG_CALL_ARG_MAX  1024 /* bytes of one, a power of two */

/* Where the vector of arguments is that an exec was asked with, in the caller's memory. 0: it is no exec. */
static __always_inline __u64 sg_call_argv(void)
{
    __u32 call = sg_call();

    return call == SG_CALL_EXECVE ? sg_call_arg(1) : call == SG_CALL_EXECVEAT ? sg_call_arg(2) : 0;
}

/* Argument at the user address `from`, put at `at` of the record. Returns its bytes with the NUL; 0: none, or it is not in memory. */
__noinline __u32 sg_call_text(__u32 slot, __u64 at, __u64 from)
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

/* The argument that a pointer at `argv` leads to, at `end` of a field that began at `start`. Returns the new end; 0: there is none. */
__noinline __u64 sg_call_one(__u32 slot, __u64 start, __u64 end, __u64 argv)
{
    struct sg_launch_head *head = sg_launch_head(slot);
    __u64 from = 0;
    __u32 n;

    if (!head)
        return 0;
    if (bpf_probe_read_user(&from, sizeof(from), (void *)argv)) {
        head->launch.flags |= SG_LAUNCH_ARGS_CUT;
        return 0;
    }
    if (sg_call_width() == 4)
        from = (__u32)from;
    if (!from)
        return 0;
    n = sg_call_text(slot, end, from);
    if (!n || end - start + n > SG_ARGS_BYTES_MAX) {
        head->launch.flags |= SG_LAUNCH_ARGS_CUT;
        return 0;
    }
    head->launch.argc++;
    return end + n;
}

/* The arguments of the exec that the current task asks for. Returns the record's new end. */
__noinline __u64 sg_call_args(__u32 slot, __u64 at)
{
    struct sg_launch_head *head = sg_launch_head(slot);
    __u64 start = at + sizeof(struct sg_field), end = start, next;
    __u64 argv = sg_call_argv();
    __u32 width = sg_call_width(), i;

    if (!head || !argv)
        return at;
    for (i = 0; i < SG_CALL_ARGS_MAX; i++) {
        next = sg_call_one(slot, start, end, argv);
        if (!next)
            break;
        end = next;
        argv += width;
    }
    if (i == SG_CALL_ARGS_MAX)
        head->launch.flags |= SG_LAUNCH_ARGS_CUT;
    return sg_end_field((__u8 *)head, at, end - start, SG_FIELD_ARGS);
}

#endif
