/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * What the scheduler for sched_ext (bpf/ext.bpf.c) tells the agent (src/schedule/ext.c). Included by both sides, includes nothing
 * of ours.
 */
#ifndef SG_ABI_EXT_H
#define SG_ABI_EXT_H

#include <linux/types.h>

#define SG_EXT_REASON 64
#define SG_EXT_TEXT   256

struct sg_ext_state {
    __u64
        ended; /* 1: it is not in charge any more, and the rest of the line says why; written last */
    __s64 exit_code;
    __u32 kind;   /* enum scx_exit_kind of the kernel */
    __u32 groups; /* control groups that it serves */
    __u64
        groups_joined; /* … that there was no room for, or that lie too deep: served with the one above */
    __u64 parked;  /* how often a task waited for its quota */
    __u64 unknown; /* tasks that nothing could be kept of: served one after the other */
    char reason[SG_EXT_REASON];
    char text[SG_EXT_TEXT];
};

/* What the agent finds out before it loads the object: all of its constants. */
struct sg_ext_constants {
    __s32 online;    /* CPUs; when their number changes the kernel wants the object loaded anew */
    __u32 set_slice; /* 1: the kernel has scx_bpf_task_set_slice() */
};

/* Of scx_exit_info.exit_code: the kernel wants it loaded anew, since CPUs came or went (enum scx_exit_code). */
#define SG_EXT_RESTART (1ull << 48)

/* Groups that are told apart, with the root; and how deep beneath it. */
#define SG_EXT_GROUPS 4096u
#define SG_EXT_DEPTH  16

_Static_assert(sizeof(struct sg_ext_state) == 48 + SG_EXT_REASON + SG_EXT_TEXT, "sg_ext_state");

#endif
