/* SPDX-License-Identifier: GPL-2.0-only */
/* Structures of the kernel's network that flows are read from (flow.bpf.c), with the fields that are used; see kernel.h. */
#ifndef SG_BPF_KERNEL_FLOW_H
#define SG_BPF_KERNEL_FLOW_H

#include "kernel.h"

/* Constants of the kernel that are macros there and so not in BTF. */
#define AF_INET      2
#define AF_INET6     10
#define SOCK_RAW     3 /* include/linux/net.h */
#define ETH_P_IP     0x0800
#define ETH_P_IPV6   0x86dd
#define EPIPE        32
#define ENETUNREACH  101
#define ECONNABORTED 103
#define ECONNRESET   104
#define ETIMEDOUT    110
#define ECONNREFUSED 111
#define EHOSTDOWN    112
#define EHOSTUNREACH 113

/* include/net/tcp_states.h */
enum {
    SG_TCP_ESTABLISHED = 1,
    SG_TCP_SYN_SENT = 2,
    SG_TCP_SYN_RECV = 3,
    SG_TCP_FIN_WAIT1 = 4,
    SG_TCP_FIN_WAIT2 = 5,
    SG_TCP_CLOSE = 7,
    SG_TCP_CLOSE_WAIT = 8,
    SG_TCP_LAST_ACK = 9,
    SG_TCP_LISTEN = 10,
    SG_TCP_CLOSING = 11,
};

/* include/net/sock.h, enum sock_flags: the other end has said that it sends no more. */
#define SG_SOCK_DONE (1ul << 1)

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
    __s64 counter;
} atomic64_t;

struct net {
    struct ns_common ns;
};

typedef struct {
    struct net *net;
} possible_net_t;

struct in6_addr {
    union {
        __u32 u6_addr32[4];
    } in6_u;
};

struct sock_common {
    __u32 skc_daddr, skc_rcv_saddr;
    __u16 skc_dport; /* in network order */
    __u16 skc_num;
    unsigned short skc_family;
    volatile unsigned char skc_state;
    int skc_bound_dev_if;
    possible_net_t skc_net;
    struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
    atomic64_t skc_cookie;
    unsigned long skc_flags;
};

struct sock {
    struct sock_common __sk_common;
    __u16 sk_type, sk_protocol;
    int sk_err;
};

struct inet_sock {
    __u16 inet_sport; /* in network order; still there when the port was given back */
};

struct tcp_sock {
    __u64 bytes_sent, bytes_retrans, bytes_received;
    __u32 segs_in, segs_out;
    __u32 total_retrans;
    __u32 srtt_us; /* eighths */
};

/* From 5.12 on. */
struct tcp_sock___mptcp {
    bool is_mptcp;
};

struct socket {
    struct sock *sk;
};

struct msghdr {
    void *msg_name; /* in the kernel's memory, NULL: the socket is connected */
};

struct net_device {
    int ifindex;
    possible_net_t nd_net;
};

typedef struct refcount_struct {
    atomic_t refs;
} refcount_t;

struct sk_buff {
    struct net_device *dev;
    struct sock *sk;
    unsigned int len;
    int skb_iif;
    __u16 protocol; /* in network order */
    __u16 transport_header, network_header;
    unsigned char *head, *data;
    refcount_t users;
};

struct flowi_common {
    int flowic_oif;
};

union flowi_uli {
    struct {
        __u16 dport, sport;
    } ports;
};

struct flowi4 {
    struct flowi_common __fl_common;
    __u32 saddr, daddr;
    union flowi_uli uli;
};

struct flowi6 {
    struct flowi_common __fl_common;
    struct in6_addr daddr, saddr;
    union flowi_uli uli;
};

struct inet_cork {
    __u16 gso_size;
};

#pragma clang attribute pop

#endif
