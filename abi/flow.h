/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Who talks to whom: what the kernel side says of connections, of flows of datagrams and of packets that were dropped
 * (bpf/flow.bpf.c), and how the reader takes it (src/flows).
 *
 * A connection has records: it came about, a program took it, it ended. A flow of datagrams (UDP, ICMP, raw sockets) has an entry
 * in a table that is added up in the kernel, a record when it begins, and one when a connected socket is closed; whatever ends
 * otherwise the reader finds by its age. Times are CLOCK_BOOTTIME in nanoseconds, ends those of abi/network.h.
 *
 * Bytes are those of programs, without headers, except that a raw socket of IPv4 receives the header of IP as well. Bytes out of a
 * connection are those that were sent once or more often; packets are segments of TCP, those without data among them, or datagrams.
 *
 * Included by both sides. Append only.
 */
#ifndef SG_ABI_FLOW_H
#define SG_ABI_FLOW_H

#include <linux/types.h>

#include "network.h"

enum sg_flow_type {
    SG_FLOW_NONE = 0,
    SG_FLOW_CONNECT = 1,    /* this host began, and the other end has answered */
    SG_FLOW_ACCEPT = 2,     /* a program took what others had begun */
    SG_FLOW_LISTEN = 3,     /* a socket takes connections from now on */
    SG_FLOW_LISTEN_END = 4, /* … no more */
    SG_FLOW_CLOSE = 5,      /* the end of a connection, or of an attempt to connect */
    SG_FLOW_BEGIN = 6,      /* the first datagram between two ends */
    SG_FLOW_END = 7,        /* a connected socket of datagrams was closed */
};
#define SG_FLOW_TYPES 8

/* Why it ended. */
enum sg_flow_reason {
    SG_FLOW_GOES_ON = 0,
    SG_FLOW_FIN_BY_US = 1,      /* this end was the first to say that it sends no more */
    SG_FLOW_FIN_BY_THEM = 2,    /* the other end was */
    SG_FLOW_RESET_SENT = 3,     /* closed with data unread, or SO_LINGER of 0 s */
    SG_FLOW_RESET_RECEIVED = 4, /* in the middle of it */
    SG_FLOW_TIMED_OUT = 5,      /* nobody answered */
    SG_FLOW_REFUSED = 6, /* a reset, or ICMP port unreachable, was the answer to the first packet */
    SG_FLOW_UNREACHABLE = 7, /* ICMP says so, or nothing leads there */
    SG_FLOW_ABORTED = 8,     /* by the host: an administrator's SOCK_DESTROY */
    SG_FLOW_CANCELLED = 9,   /* closed by its program before it was connected */
    SG_FLOW_FAILED = 10,     /* `error` says why */
    SG_FLOW_CLOSED = 11,     /* the socket of datagrams */
    SG_FLOW_IDLE = 12,       /* no datagram for a while; said by the reader only */
    SG_FLOW_EVICTED =
        13, /* put out for others: sums are what was known last; said by the reader only */
};
#define SG_FLOW_REASONS 14

enum {
    SG_FLOW_UNSEEN =
        1u << 0, /* its beginning was not: older than the programs, or there was no room */
};

/* In whose name: who connected, accepted, listened, or sent or received the first datagram. */
struct sg_flow_who {
    __u64 start_ns; /* of the leader of the thread group */
    __u64 cgroup_id;
    __u32 tgid; /* 0: nobody yet, or not known */
    __u32 uid;
};

struct sg_flow_sums {
    __u64 bytes_out, bytes_in;
    __u64 packets_out, packets_in;
};

struct sg_flow_record {
    __u32 size;  /* of this structure */
    __u8 type;   /* enum sg_flow_type */
    __u8 reason; /* enum sg_flow_reason */
    __u16 flags; /* SG_FLOW_UNSEEN */
    __u64
        socket; /* its address: the same in all records of a socket, and again that of another one later */
    __u64 time_ns;
    __u64 begin_ns; /* 0: not known */
    struct sg_ends ends;
    struct sg_flow_who who;
    struct sg_flow_sums sums;
    __u32 rtt_us;      /* smoothed (srtt); 0: not known */
    __u32 retransmits; /* segments, all in all */
    __u32 error;       /* errno of the socket or the call at its end; 0: none */
    __u32 cpu;
};

/* Datagrams between two ends over one socket. Of ICMP and raw sockets: the local address is what the socket is bound to, if any. */
struct sg_flow_key {
    __u64 socket; /* its address */
    __u8 local[16], remote[16];
    __u16 local_port, remote_port; /* of a socket of ICMP echo: local_port is the identifier */
    __u8 protocol;
    __u8 reserved[3];
};

struct sg_flow_value {
    struct sg_flow_sums sums;
    __u64 first_ns, last_ns;
    struct sg_flow_who who;
    __u64 cookie; /* of the socket */
    __u32 net_ns;
    __u32 ifindex;
    __u16 flags; /* SG_ENDS_INCOMING: the first datagram was received */
    __u16 family;
    __u32 reserved;
};
#define SG_FLOW_DATAGRAMS_MAX 16384u /* entries; the least recently used one goes */
#define SG_FLOW_CONNECTIONS_MAX \
    65536u /* at the same time; beyond, they have an end without a beginning */

/* Packets that the kernel dropped, added up. Up to 5.16 the kernel knows of no reasons. */
struct sg_drop_key {
    __u64 place;  /* address of the code that dropped it */
    __u32 reason; /* enum skb_drop_reason of the running kernel; 0: it has none */
    __u16 ethertype;
    __u8 protocol; /* of IP; 0: neither IPv4 nor IPv6 */
    __u8 reserved;
    __u16
        service; /* the lower port as SG_DROP_* has it; 0: no ports, or not in the first fragment */
    __u16 reserved2[3];
};
#define SG_DROP_REGISTERED 1024u  /* for 1024 … 32767; lower ones stand for themselves */
#define SG_DROP_EPHEMERAL  32768u /* for those above */
#define SG_DROPS_MAX       4096u

struct sg_drop_value {
    __u64 packets, bytes;
    __u64 first_ns, last_ns;
    __u8 source[16], destination[16]; /* of the one that made the entry, as are all below */
    __u16 source_port, destination_port;
    __u32 net_ns;
    __u32 ifindex; /* that it came in by, or was to leave by; 0: neither */
    __u32 reserved;
};

/* Packets that are passed on for others, added up; the service as struct sg_drop_key has it. As the stack has them: several segments
 * that came together may be one. */
struct sg_forward_key {
    __u8 source[16], destination[16];
    __u32 net_ns;
    __u16 service;
    __u8 protocol;
    __u8 reserved;
};
#define SG_FORWARDS_MAX 4096u

struct sg_forward_value {
    __u64 packets, bytes; /* with the headers of IP */
    __u64 first_ns, last_ns;
};

/* Of one CPU. */
struct sg_flow_counts {
    __u64 records;          /* that were written */
    __u64 lost;             /* … for which the ring had no room */
    __u64 connections;      /* entries of connections and listeners that were made */
    __u64 connections_full; /* … for which there was no room */
    __u64 unseen;           /* ends without a beginning */
    __u64 flows;            /* entries of datagrams that were made */
    __u64 flows_full;       /* … that could not be made */
    __u64 flows_ended;      /* … that went with their socket */
    __u64 drops_full;       /* dropped packets that found no room in the table */
    __u64 drops_other;      /* … that are no network's: of unix sockets, netlink … */
    __u64 forwards_full;    /* forwarded packets that found no room in the table */
};

_Static_assert(sizeof(struct sg_flow_who) == 24, "sg_flow_who");
_Static_assert(sizeof(struct sg_flow_record) == 160, "sg_flow_record");
_Static_assert(sizeof(struct sg_flow_key) == 48, "sg_flow_key");
_Static_assert(sizeof(struct sg_flow_value) == 96, "sg_flow_value");
_Static_assert(sizeof(struct sg_drop_key) == 24, "sg_drop_key");
_Static_assert(sizeof(struct sg_drop_value) == 80, "sg_drop_value");
_Static_assert(sizeof(struct sg_forward_key) == 40, "sg_forward_key");
_Static_assert(sizeof(struct sg_forward_value) == 32, "sg_forward_value");

#endif
