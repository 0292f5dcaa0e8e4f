/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * What rules, records and the kernel side know of sockets: their ends, and the names by which addresses were learnt.
 *
 * Addresses are 16 bytes in network order. IPv4 is IPv4-mapped (::ffff:a.b.c.d, RFC 4291 2.5.5.2) wherever this header keeps
 * one: what a program wrote the one way or the other is the same address to every rule and table. Ports are in host order.
 *
 * Included by both sides, includes nothing of ours. Append only.
 */
#ifndef SG_ABI_NETWORK_H
#define SG_ABI_NETWORK_H

#include <linux/types.h>

/*
 * An end of a socket as a word of the automaton, behind the start of its kind (abi/control.def: connect, send, bind, listen,
 * accept, receive). No byte of it is 0 or '/', which are in no word: numbers are cut into groups of 7 bits, as ids are.
 *
 *   IPV4    family | the address in 5 groups, 32 bits                  protocol   port in 3 groups
 *   IPV6    family   the address in 19 groups, 128 bits                protocol   port in 3 groups
 *   VSOCK   family   the context in 5 groups                           the port in 5 groups, 32 bits
 *   NAME    family   bytes of a domain name, lower case    SG_NET_END  protocol   port in 3 groups
 *   OTHER   family   address family in 2 groups: sockets that leave the host, or may, and are none of these
 *   UNIX    family   bytes of an abstract name, NUL as SG_NET_NUL
 *   SELF    family   what only the agent's self-test asks with
 *   GIVEN4  as IPV4, and GIVEN6 as IPV6, of rules that name some addresses and not all: in images that have names
 *
 * The port is that of the service: of the other end where the process goes out, its own where others come in. The protocol is
 * that of the IP header.
 */
enum sg_net_family {
    SG_NET_IPV4 = 1,
    SG_NET_IPV6 = 2,
    SG_NET_NAME = 3,
    SG_NET_VSOCK = 4,
    SG_NET_OTHER = 5,
    SG_NET_UNIX = 6,
    SG_NET_SELF = 7,
    SG_NET_GIVEN4 = 8,
    SG_NET_GIVEN6 = 9,
};
#define SG_NET_FAMILIES 10

#define SG_NET_END           1u   /* behind a name */
#define SG_NET_NUL           1u   /* in an abstract name */
#define SG_NET_NAME_MAX      253u /* RFC 1035 2.3.4, in its text form without the last dot */
#define SG_NET_WORD_MAX      24u  /* bytes of the longest word without a name, that of IPv6 */
/* Bytes of the longest word with one: family, name, its end, protocol, port. */
#define SG_NET_NAME_WORD_MAX (1 + SG_NET_NAME_MAX + 1 + 1 + 3)
#define SG_NET_GROUP(n)      ((__u8)(0x80 | ((n)&0x7f)))
#define SG_NET_GROUPS(b) \
    (((b) + 6) / 7) /* of a number of b bits; the first has what is left over */

/* A protocol as one byte that is neither 0 nor '/'. The last three of all, two of which are for experiments, are one. */
#define SG_NET_PROTOCOL(p) ((__u8)((p) < '/' - 1 ? (p) + 1 : (p) < 253 ? (p) + 2 : 255))

/* Kinds of abi/control.def that ask with ends, as bits. */
#define SG_NET_KINDS                                                                  \
    (1ull << SG_CONTROL_connect | 1ull << SG_CONTROL_send | 1ull << SG_CONTROL_bind | \
     1ull << SG_CONTROL_listen | 1ull << SG_CONTROL_accept | 1ull << SG_CONTROL_receive)

/* Both ends of a socket, in records and as a key. 56 bytes. */
struct sg_ends {
    __u8 local[16], remote[16];
    __u16 local_port, remote_port;
    __u16 family;  /* AF_*; of IPv4 over a socket of AF_INET6: AF_INET */
    __u8 protocol; /* IPPROTO_*: of an MPTCP socket TCP */
    __u8 flags;    /* SG_ENDS_* */
    __u32 net_ns;  /* inode number of the network namespace */
    __u32 ifindex; /* 0: not known, or not yet */
    __u64 cookie;  /* of the socket (SO_COOKIE); 0: it has none yet */
};

enum {
    SG_ENDS_INCOMING = 1u << 0, /* the other end began */
    SG_ENDS_MPTCP = 1u << 1,
    SG_ENDS_HAS_REMOTE = 1u << 2,
    SG_ENDS_HAS_LOCAL = 1u << 3,
    SG_ENDS_NAMED =
        1u << 4, /* decided by the name that the address was learnt by; SG_FIELD_NAME has it */
};

/*
 * The names by which an address was learnt, from answers to questions of this host. Two programs may have asked for two names
 * of one address; the oldest one goes when there is no room.
 */
#define SG_NAMES_MAX   4u
#define SG_NAMES_ADDRS 4096u /* entries of the table (4.6 MiB), the least recently used one goes */
struct sg_name_key {
    __u8 addr[16];
};

struct sg_name {
    __u64 expires_ns; /* CLOCK_BOOTTIME; 0: free */
    __u32 len;        /* bytes of the name */
    __u32 check;      /* sum over the rest: an entry is replaced while it is read */
    __u8 name[256];   /* lower case, without the last dot; zero bytes behind it */
};

struct sg_names {
    struct sg_name name[SG_NAMES_MAX];
};

_Static_assert(sizeof(struct sg_ends) == 56, "sg_ends");
_Static_assert(sizeof(struct sg_name_key) == 16, "sg_name_key");
_Static_assert(sizeof(struct sg_name) == 272, "sg_name");

#endif
