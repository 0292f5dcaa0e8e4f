/* SPDX-License-Identifier: GPL-2.0-only */
/* Structures of the kernel about sockets, with the fields that are used; see kernel.h. */
#ifndef SG_BPF_KERNEL_SOCK_H
#define SG_BPF_KERNEL_SOCK_H

#include "kernel.h"

/* Constants of the kernel that are macros there and so not in BTF: include/linux/socket.h, net.h, in.h. */
#define AF_UNSPEC  0
#define AF_UNIX    1
#define AF_INET    2
#define AF_INET6   10
#define AF_NETLINK 16
#define AF_PACKET  17
#define AF_ALG     38
#define AF_VSOCK   40
#define AF_SMC     43
#define AF_XDP     44
#define AF_MCTP    45
#ifndef S_IFSOCK
#define S_IFSOCK 0140000 /* include/uapi/linux/stat.h */
#endif
#define SOCK_STREAM   1
#define SOCK_RAW      3
#define IPPROTO_ICMP  1
#define IPPROTO_TCP   6
#define IPPROTO_UDP   17
#define IPPROTO_DCCP  33
#define IPPROTO_ICMP6 58
#define IPPROTO_SCTP  132
#define IPPROTO_LITE  136 /* UDP-Lite */
#define IPPROTO_MPTCP 262
#define MSG_FASTOPEN  0x20000000u

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct in6_addr {
    __u8 in6_u[16];
};

struct net {
    struct ns_common ns;
};

typedef struct {
    struct net *net;
} possible_net_t;

typedef struct {
    long long counter;
} atomic64_t;

struct sock_common {
    unsigned short skc_family;
    __u32 skc_daddr, skc_rcv_saddr;
    __u16 skc_dport, skc_num;
    struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
    int skc_bound_dev_if;
    possible_net_t skc_net;
    atomic64_t skc_cookie;
};

struct socket {
    short type;
    struct sock *sk;
};

struct sock {
    struct sock_common __sk_common;
    __u16 sk_protocol; /* a bit field up to 5.5 */
    __u16 sk_type;
    struct socket *sk_socket;
};

struct ipv6_pinfo {
    int mcast_oif;
};

struct inet_sock {
    struct ipv6_pinfo *pinet6;
    int mc_index;
};

/* The first of the connections that an MPTCP socket is made of. */
struct mptcp_sock {
    struct sock *first;
};

struct sockaddr {
    __u16 sa_family;
};

struct sockaddr_in {
    __u16 sin_family;
    __u16 sin_port;
    __u32 sin_addr;
};

struct msghdr {
    void *msg_name;
    int msg_namelen;
    unsigned int msg_flags;
};

#pragma clang attribute pop

/* As user space has them: not relocated. */
struct sg_sockaddr_in6 {
    __u16 family, port;
    __u32 flowinfo;
    __u8 addr[16];
    __u32 scope;
};

struct sg_sockaddr_vm {
    __u16 family, reserved;
    __u32 port, cid;
};

#endif
