/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What all records of flows share: the ring and its losses, who a task is, both ends of a socket.
 *
 * Sockets are known by their address, which every program has at no cost. It is used again for other sockets: who keeps something
 * by it takes it out at the socket's end, or compares the cookie.
 */
#ifndef SG_BPF_LIB_FLOW_H
#define SG_BPF_LIB_FLOW_H

#include "common.bpf.h"
#include "kernel_flow.h"

#include <bpf/bpf_endian.h>

#include "abi/flow.h"

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 2 << 20);
} flow_ring SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct sg_flow_counts);
} flow_counts SEC(".maps");

/* A name among the constants: without one the object would have no type information on 5.10. */
const volatile __u32 flow_version = 1;

/* Programs that look at sockets run in system calls and in interrupts between them, on one CPU: nothing may get lost. */
#define SG_FLOW_COUNT(what)                                \
    do {                                                   \
        __u32 zero = 0;                                    \
        struct sg_flow_counts *counts;                     \
                                                           \
        counts = bpf_map_lookup_elem(&flow_counts, &zero); \
        if (counts)                                        \
            __sync_fetch_and_add(&counts->what, 1);        \
    } while (0)

static __always_inline void sg_flow_who_now(struct sg_flow_who *ret)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();

    ret->tgid = bpf_get_current_pid_tgid() >> 32;
    ret->uid = (__u32)bpf_get_current_uid_gid();
    ret->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
    ret->cgroup_id = bpf_get_current_cgroup_id();
}

/* An address of IPv4, in network order, as one of IPv6. */
static __always_inline void sg_flow_map_ipv4(__u8 ret[16], __u32 address)
{
    __u32 *words = (__u32 *)ret;

    words[0] = 0;
    words[1] = 0;
    words[2] = bpf_htonl(0xffff);
    words[3] = address;
}

static __always_inline bool sg_flow_is_ipv4(const __u8 address[16])
{
    const __u32 *words = (const __u32 *)address;

    return !words[0] && !words[1] && words[2] == bpf_htonl(0xffff);
}

static __always_inline bool sg_flow_is_zero(const __u8 address[16])
{
    const __u64 *words = (const __u64 *)address;

    return !words[0] && !words[1];
}

/*
 * Kernels that lend programs of this type the helper (5.12, like check_mtu) give a socket its cookie when it is asked for; before,
 * it has one only when somebody else has asked.
 */
static __always_inline __u64 sg_flow_cookie(struct sock *sk)
{
    if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_check_mtu))
        return bpf_get_socket_cookie(sk);
    return sk->__sk_common.skc_cookie.counter;
}

static __always_inline __u16 sg_flow_local_port(struct sock *sk)
{
    /* Not skc_num: a socket that is closed has given it back. */
    return bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
}

/* Of a socket of AF_INET or AF_INET6, that is connected or not. */
static __always_inline void sg_flow_ends_of(struct sg_ends *ret, struct sock *sk)
{
    ret->family = sk->__sk_common.skc_family;
    if (ret->family == AF_INET6) {
        bpf_core_read(ret->local, sizeof(ret->local), &sk->__sk_common.skc_v6_rcv_saddr);
        bpf_core_read(ret->remote, sizeof(ret->remote), &sk->__sk_common.skc_v6_daddr);
        if (sg_flow_is_ipv4(ret->remote) ||
            (sg_flow_is_ipv4(ret->local) && sg_flow_is_zero(ret->remote)))
            ret->family = AF_INET;
    } else {
        sg_flow_map_ipv4(ret->local, sk->__sk_common.skc_rcv_saddr);
        if (sk->__sk_common.skc_daddr)
            sg_flow_map_ipv4(ret->remote, sk->__sk_common.skc_daddr);
    }
    ret->local_port = sg_flow_local_port(sk);
    ret->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
    ret->protocol = sk->sk_protocol;
    ret->net_ns = sk->__sk_common.skc_net.net->ns.inum;
    ret->ifindex = sk->__sk_common.skc_bound_dev_if;
    ret->cookie = sg_flow_cookie(sk);
    ret->flags |= SG_ENDS_HAS_LOCAL;
    if (ret->remote_port)
        ret->flags |= SG_ENDS_HAS_REMOTE;
}

/* When the reader was last woken. */
volatile __u64 flow_woken_ns = 0;

/* Wakes the reader, or leaves it to look by itself: flags for the ring's helpers. `now`: the record's own time will do. */
static __always_inline __u64 sg_flow_wake(__u64 now)
{
    if (now - flow_woken_ns < SG_WAKE_NS)
        return BPF_RB_NO_WAKEUP;
    flow_woken_ns = now;
    return BPF_RB_FORCE_WAKEUP;
}

/* Room in the ring, with what every record has; NULL: none, which is counted. The caller fills in and submits. */
static __always_inline struct sg_flow_record *sg_flow_reserve(struct sock *sk, __u8 type)
{
    struct sg_flow_record *r = bpf_ringbuf_reserve(&flow_ring, sizeof(*r), 0);

    if (!r) {
        SG_FLOW_COUNT(lost);
        return NULL;
    }
    SG_FLOW_COUNT(records);
    __builtin_memset(r, 0, sizeof(*r));
    r->size = sizeof(*r);
    r->type = type;
    r->socket = (__u64)sk;
    r->time_ns = bpf_ktime_get_boot_ns();
    r->cpu = bpf_get_smp_processor_id();
    return r;
}

#endif
