/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of names by address. bpf/dns.bpf.c fills it; other objects read it by including this header: the map is then
 * defined in each of them, with the same types, and whoever loads them makes it one map, before bpf_object__load():
 *
 *     bpf_map__set_pin_path(map, "…/sg_names")   in both: who comes second takes what is pinned, if it is of the same kind and size,
 *                                                 and names outlive the agent as its other maps do
 *     bpf_map__reuse_fd(map, fd)                  in the second one, with the first one's descriptor, where nothing is pinned
 *
 * How a reader proves what it read: abi/names.h.
 */
#ifndef SG_BPF_NAMES_H
#define SG_BPF_NAMES_H

#include "common.bpf.h"

#include "abi/names.h"

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, SG_NAMES_ADDRS);
    __type(key, struct sg_name_key);
    __type(value, struct sg_names);
} sg_names SEC(".maps");

#define SG_NAMES_LOOKS 4

/*
 * Copies name `i` of an address, if it has one, to where nobody else writes. 1: `ret` has it. Entries change under their readers,
 * for a moment each: what is wrong is looked at again.
 */
static __always_inline int sg_names_copy(const struct sg_name_key *key, __u32 i, __u64 now_ns,
                                         struct sg_name *ret)
{
    const struct sg_names *names = bpf_map_lookup_elem(&sg_names, key);

    if (!names || i >= SG_NAMES_MAX)
        return 0;
    for (int look = 0; look < SG_NAMES_LOOKS; look++) {
        *ret = names->name[i];
        if (sg_name_holds(key, ret, now_ns))
            return 1;
        if (!ret->expires_ns)
            break;
        asm volatile("" ::: "memory");
    }
    return 0;
}

#endif
