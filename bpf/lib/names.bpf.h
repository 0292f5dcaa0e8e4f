/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of names by address. bpf/network.bpf.c fills it; other objects read it by including this header: the map is then
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

#endif
