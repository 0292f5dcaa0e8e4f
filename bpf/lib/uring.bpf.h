/* SPDX-License-Identifier: GPL-2.0-only */
/* What an io_uring is known by where it is made, and where it is mapped. */
#ifndef SG_BPF_URING_H
#define SG_BPF_URING_H

#include "control.bpf.h"

/* Which hooks this kernel has. */
union security_list_options {
    void *uring_sqpoll;
} __attribute__((preserve_access_index));

/*
 * Is an io_uring seen when it is made? Before 5.16 it is not, and it can be used once it is mapped. The hook is older (5.12), but
 * io_urings pass it since they have hooks of their own.
 */
#define SG_HAS_ANON_HOOK bpf_core_field_exists(union security_list_options, uring_sqpoll)

/* "[io_uring]", eight bytes and two. */
static __always_inline int sg_is_uring(const unsigned char *name)
{
    __u64 got[2] = {};

    bpf_probe_read_kernel_str(got, sizeof(got), name);
    return got[0] == 0x6e6972755f6f695bull && (got[1] & 0xffffff) == 0x5d67;
}

static __always_inline int sg_ask_uring(__u16 hook, __u32 number)
{
    return sg_control_ask_number(SG_CONTROL_io_uring, hook, number);
}

#endif
