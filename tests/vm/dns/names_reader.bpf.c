// SPDX-License-Identifier: GPL-2.0-only
/*
 * Another object that reads the table of names, as one that decides about connections does: those to 127.9.0.0/16 are refused but
 * where the address is known by a name that ends in "connect.example".
 */
#include "lib/names.bpf.h"

#define WATCHED     127 /* 127.9.0.0/16, the first bytes */
#define WATCHED_TOO 9

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct sg_name);
} reader_copies SEC(".maps");

const volatile char reader_wanted[16] = "connect.example";

static __always_inline int ends_as_wanted(const struct sg_name *n)
{
    if (n->len < sizeof(reader_wanted) - 1)
        return 0;
    for (__u32 i = 0; i < sizeof(reader_wanted) - 1; i++)
        if (n->name[(n->len - (sizeof(reader_wanted) - 1) + i) & 255] != (__u8)reader_wanted[i])
            return 0;
    return 1;
}

SEC("cgroup/connect4")
int names_connect4(struct bpf_sock_addr *ctx)
{
    struct sg_name_key key = {.addr = {[10] = 0xff, 0xff}};
    __u64 now = bpf_ktime_get_boot_ns();
    __u32 zero = 0, address = ctx->user_ip4;
    struct sg_name *copy = bpf_map_lookup_elem(&reader_copies, &zero);

    __builtin_memcpy(key.addr + 12, &address, sizeof(address));
    if (!copy || key.addr[12] != WATCHED || key.addr[13] != WATCHED_TOO)
        return 1;
    for (__u32 i = 0; i < SG_NAMES_MAX; i++)
        if (sg_names_copy(&key, i, now, copy) && ends_as_wanted(copy))
            return 1;
    return 0;
}

char _license[] SEC("license") = "GPL";
