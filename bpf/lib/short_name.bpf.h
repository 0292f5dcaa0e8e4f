/* SPDX-License-Identifier: GPL-2.0-only */
/* What stands in a name before its first dot: what a module is called, and the type of a file system that is said with a subtype. */
#ifndef SG_BPF_SHORT_NAME_H
#define SG_BPF_SHORT_NAME_H

#include "control.bpf.h"

struct sg_short_name {
    char bytes[SG_CONTROL_NAME_LEN];
};

/* By thread. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 256);
    __type(key, __u32);
    __type(value, struct sg_short_name);
} sg_short_names SEC(".maps");

static const struct sg_short_name sg_short_name_zero = {};

/*
 * The part of the string at this kernel address; `module`: with '-' as '_'. Its address, for this thread until it asks again; 0:
 * there is no room.
 */
__noinline __u64 sg_short_name(__u64 address, __u32 module)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    struct sg_short_name *s;
    char byte;

    bpf_map_update_elem(&sg_short_names, &tid, &sg_short_name_zero, BPF_ANY);
    s = bpf_map_lookup_elem(&sg_short_names, &tid);
    if (!s)
        return 0;
    bpf_probe_read_kernel_str(s->bytes, sizeof(s->bytes), (void *)address);
    for (__u32 i = 0; i < SG_CONTROL_NAME_LEN; i++) {
        byte = s->bytes[i];
        if (byte == '-' && module)
            s->bytes[i] = '_';
        if (byte == '.')
            s->bytes[i] = 0;
        if (!byte || byte == '.')
            break;
    }
    return sg_address(s->bytes);
}

#endif
