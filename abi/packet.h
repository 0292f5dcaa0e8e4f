/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Rules about packets: what the kernel side decides by (bpf/packet.bpf.c), and what it says of it (src/packets).
 *
 * A rule is a bit. Whatever a packet is asked about (source, destination, both ports, protocol, DSCP, interface with direction) leads
 * to a row of bits: the rules that do not mind. The lowest bit that is in all seven rows is the rule that decides. It costs the same
 * whatever the rules say; with fewer rules, fewer words are looked at.
 *
 * Addresses are 16 bytes in network order, IPv4 as IPv4-mapped; ports are in host order. Times are CLOCK_BOOTTIME in nanoseconds.
 *
 * A policy is one struct sg_packet_tables and two tries. Two of them have places in the kernel, `half` 0 and 1; which of them is in
 * force is one word, read once for each packet: no packet sees half of a policy.
 *
 * Included by both sides. Append only.
 */
#ifndef SG_ABI_PACKET_H
#define SG_ABI_PACKET_H

#include <linux/types.h>

#define SG_PACKET_RULES_MAX      1024u
#define SG_PACKET_WORDS          (SG_PACKET_RULES_MAX / 64)
#define SG_PACKET_ROWS_MAX       8192u /* a power of two */
#define SG_PACKET_PREFIXES_MAX   65536u
#define SG_PACKET_INTERFACES_MAX 4096u
#define SG_PACKET_NO_RULE        0xffffffffu

#define SG_PACKET_CONNS_MAX  131072u /* two entries a connection that is rewritten */
#define SG_PACKET_FRAGS_MAX  8192u   /* first fragments that are remembered */
#define SG_PACKET_LIMITS_MAX 65536u  /* sources that are held to a rate */
#define SG_PACKET_KINDS_MAX  8192u   /* kinds of packets that records are kept of */
#define SG_PACKET_LOCKS      256u    /* a power of two */

#define SG_PACKET_FRAG_NS 60000000000ull /* RFC 8200 4.5: as long as a datagram may take */
#define SG_PACKET_TELL_NS 1000000000ull  /* from one record of a kind to its next */

enum sg_packet_direction { SG_PACKET_IN = 0, SG_PACKET_OUT = 1 };

/* What a packet is not, or why it cannot be decided as others are. Counted by reason. */
enum sg_packet_reason {
    SG_PACKET_FINE = 0,
    SG_PACKET_OTHER = 1, /* neither IPv4 nor IPv6: no rule speaks of it, and it passes */
    /* What the stack would not take either, or what could hide from rules: see SG_PACKET_DROPS_BAD. */
    SG_PACKET_CUT = 2,     /* ends before a header does */
    SG_PACKET_TAGS = 3,    /* more than SG_PACKET_TAGS_MAX tags of VLANs */
    SG_PACKET_VERSION = 4, /* another version than its type says */
    SG_PACKET_HEADER = 5,  /* a header whose length cannot be */
    SG_PACKET_LENGTH = 6,  /* says that it is longer than it is */
    SG_PACKET_EXTENSIONS =
        7, /* more than SG_PACKET_EXTENSIONS_MAX headers of IPv6, or one where none may be */
    SG_PACKET_TINY =
        8, /* a fragment that ends in the transport's header, or overlaps it (RFC 1858) */
};
#define SG_PACKET_REASONS 9u

#define SG_PACKET_TAGS_MAX       4u
#define SG_PACKET_EXTENSIONS_MAX 8u
#define SG_PACKET_HEADERS_MAX    2048u /* bytes within which all headers are */

/* Counters of the whole. Those of reasons come first. */
enum sg_packet_count {
    SG_PACKET_COUNT_REASON = 0,
    SG_PACKET_COUNT_BAD_DROPPED = 16,  /* of those reasons */
    SG_PACKET_COUNT_FRAG_UNKNOWN = 17, /* a later fragment whose first one was not seen */
    SG_PACKET_COUNT_LOST = 18,         /* records for which the ring had no room */
    SG_PACKET_COUNT_RECORDS = 19,
    SG_PACKET_COUNT_FULL = 20,       /* a table took no further entry */
    SG_PACKET_COUNT_CONNS = 21,      /* connections that were begun to be rewritten */
    SG_PACKET_COUNT_PORT_MOVED = 22, /* … with another port, since theirs was taken */
    SG_PACKET_COUNT_NO_PORT = 23,    /* … dropped: no port was free */
    SG_PACKET_COUNT_UNWRITABLE = 24, /* dropped: not of a kind that can be rewritten */
    SG_PACKET_COUNT_BACK = 25,       /* packets of the way back */
    SG_PACKET_COUNT_QUOTED = 26,     /* ICMP errors, translated with what they quote */
    SG_PACKET_COUNT_MIRROR_FAILED = 27,
    SG_PACKET_COUNT_NO_ROUTE = 28,    /* dropped: the way that the rule says is not there */
    SG_PACKET_COUNT_EDIT_FAILED = 29, /* dropped: the kernel did not let its bytes be changed */
    SG_PACKET_COUNT_NO_POLICY = 30,   /* passed: no tables where they should be */
    SG_PACKET_COUNT_HOPS = 31,        /* left to the stack: its hops were used up */
    SG_PACKET_COUNT_AGED = 32, /* connections that gave way since nothing was heard of them */
};
#define SG_PACKET_COUNT_MAX 40u

/* What a rule does, as bits. */
enum {
    SG_PACKET_DO_DROP = 1u << 0,
    SG_PACKET_DO_LIMIT = 1u << 1,
    SG_PACKET_DO_MARK = 1u << 2,
    SG_PACKET_DO_DSCP = 1u << 3,
    SG_PACKET_DO_FROM = 1u << 4, /* the source is rewritten */
    SG_PACKET_DO_TO = 1u << 5,   /* the destination is */
    SG_PACKET_DO_ROUTE = 1u << 6,
    SG_PACKET_DO_MIRROR = 1u << 7,
    SG_PACKET_DO_AUDIT = 1u << 8,
    SG_PACKET_DO_BYTES = 1u << 9,    /* the limit is one of bytes, not of packets */
    SG_PACKET_DO_MONITOR = 1u << 10, /* decided and recorded, not done */
    SG_PACKET_DO_ADDRESS = 1u << 11, /* with FROM and TO: the address; without it only the port */
    SG_PACKET_DO_VIA = 1u << 12,     /* ROUTE: by a next hop */
    SG_PACKET_DO_TABLE = 1u << 13,   /* ROUTE: by a table */
};
#define SG_PACKET_DO_REWRITE (SG_PACKET_DO_FROM | SG_PACKET_DO_TO)
/* What is decided before the stack has made anything of a packet. */
#define SG_PACKET_DO_EARLY   (SG_PACKET_DO_DROP | SG_PACKET_DO_LIMIT)

struct sg_packet_rule {
    __u32 id; /* of what it does, by content: the same in another policy that says the same */
    __u32 actions;
    __u32 mark, mark_mask;
    __u64 rate;     /* a second */
    __u64 burst_ns; /* for how long it may be exceeded */
    __u8 from[16], to[16];
    __u16 from_first, from_last; /* ports; 0 and 0: as it is if that is free, else any above 1023 */
    __u16 to_port;               /* 0: as it is */
    __u8 dscp;
    __u8 family; /* of `from` and `to`: 4, 6; 0: ports only */
    __u32 route_ifindex, route_table;
    __u8 via[16];    /* IPv4 as IPv4-mapped */
    __u8 via_family; /* 4, 6 */
    __u8 reserved[3];
    __u32 mirror_ifindex; /* 0: there is no such interface now; the same holds of route_ifindex */
};

struct sg_packet_row {
    __u64 words[SG_PACKET_WORDS];
};

enum {
    SG_PACKET_REWRITES = 1u << 0, /* some rule rewrites: there may be ways back */
};

struct sg_packet_tables {
    __u32 words; /* of rows that can have a bit; 0: no rule */
    __u32 flags;
    __u32 generation;
    __u32 n_rows;
    __u16 sport[65536], dport[65536]; /* rows, by port */
    __u16 protocol[256], dscp[64];
    __u16 no_sport, no_dport; /* of what has no ports */
    __u32 reserved;
    struct sg_packet_rule rules[SG_PACKET_RULES_MAX];
    struct sg_packet_row rows[SG_PACKET_ROWS_MAX];
};

/* Key of the tries of sources and destinations, whose values are rows (__u32). */
struct sg_packet_prefix {
    __u32 bits;
    __u8 addr[16];
};

struct sg_packet_interface_key {
    __u32 half;
    __u32 ifindex;
};

enum {
    SG_PACKET_IF_RAW = 1u << 0, /* packets begin with IP: tunnels */
    SG_PACKET_IF_EARLY =
        1u
        << 1, /* the XDP program decides what it can; the one at tc does not take from a limit again */
};

struct sg_packet_interface {
    __u16 row[2]; /* by direction */
    __u16 flags;  /* SG_PACKET_IF_* */
    __u8 drops_bad
        [2]; /* by direction: what cannot be read is dropped, since rules that are enforced refuse something here */
};

/* The word by which a policy comes into force. */
struct sg_packet_control {
    __u32 half;
    __u32 generation; /* 0: none */
};

/* A packet, or one that an ICMP error quotes, as far as it was read. */
enum {
    SG_PACKET_HAS_PORTS = 1u << 0,
    SG_PACKET_IS_LATER = 1u << 1,  /* a fragment that is not the first */
    SG_PACKET_IS_FIRST = 1u << 2,  /* a fragment, and the first */
    SG_PACKET_IS_ECHO = 1u << 3,   /* its identifier is in sport; with IS_REPLY in dport */
    SG_PACKET_IS_ERROR = 1u << 4,  /* of ICMP, and quotes a packet */
    SG_PACKET_IS_ROUTED = 1u << 5, /* a routing header names further hops */
    SG_PACKET_IS_SYN = 1u << 6,    /* asks for a connection */
    SG_PACKET_IS_END = 1u << 7,    /* FIN or RST */
    SG_PACKET_IS_REPLY = 1u << 8,  /* an echo that answers */
};

struct sg_packet_ip {
    __u8 src[16], dst[16];
    __u16 sport, dport;
    __u8 protocol;
    __u8 family; /* 4, 6 */
    __u8 tos;    /* the byte: DSCP and ECN */
    __u8 hops;
    __u32 l3, l4, end; /* where its header, its transport and its padding begin */
    __u32 frag_id;
    __u32 flags;
};

struct sg_packet {
    struct sg_packet_ip ip, quoted;
    __u32 len; /* of the frame */
    __u32 reason;
    __u32 at;   /* of what is read next */
    __u32 next; /* the header's number or type there */
};

/* A connection that is rewritten, as packets of one of its two ways are met. */
struct sg_packet_conn_key {
    __u8 src[16], dst[16];
    __u16 sport, dport;
    __u8 protocol;
    __u8 direction;
    __u16 reserved;
};

enum {
    SG_PACKET_CONN_BACK = 1u << 0,    /* the way back */
    SG_PACKET_CONN_ANSWER = 1u << 1,  /* the other end has answered */
    SG_PACKET_CONN_CLOSING = 1u << 2, /* a FIN or RST was seen */
};

struct sg_packet_conn {
    __u8 src[16], dst[16];
    __u16 sport, dport;
    __u32 id; /* of the rule */
    __u64 first_ns, last_ns;
    __u32 flags;
    __u32 reserved;
};

/* How long a connection is kept for which nothing is heard. */
#define SG_PACKET_AGE_TCP_NS   7440000000000ull /* RFC 5382 REQ-5: 2 h 4 min */
#define SG_PACKET_AGE_OPEN_NS  240000000000ull  /* … 4 min before it stands and after it ends */
#define SG_PACKET_AGE_UDP_NS   300000000000ull  /* RFC 4787 REQ-5 */
#define SG_PACKET_AGE_OTHER_NS 60000000000ull   /* RFC 5508 REQ-1 */

/* What the first fragment of a datagram got, for the later ones. */
struct sg_packet_frag_key {
    __u8 src[16], dst[16];
    __u32 id;
    __u32 ifindex;
    __u8 protocol;
    __u8 stage; /* 0: XDP, 1: tc in, 2: tc out */
    __u16 reserved;
};

struct sg_packet_frag {
    __u64 time_ns;
    __u32 rule; /* SG_PACKET_NO_RULE: none */
    __u32 generation;
    __u8 src[16], dst[16]; /* as they were rewritten */
    __u8 rewritten, dropped;
    __u8 reserved[6];
};

struct sg_packet_limit_key {
    __u8 src[16];
    __u32 id;
    __u32 reserved;
};

struct sg_packet_limit {
    __u64 until_ns; /* by when what was let through will have been earned */
    __u64 dropped;
};

/* Of each rule, per CPU; index: half × SG_PACKET_RULES_MAX + rule. */
struct sg_packet_sums {
    __u64 packets, bytes, drops;
};

enum sg_packet_verdict {
    SG_PACKET_PASSED = 0,
    SG_PACKET_DROPPED = 1,
    SG_PACKET_LIMITED = 2, /* dropped: more than the rate */
    SG_PACKET_CHANGED = 3, /* passed, and something was done to it */
    SG_PACKET_ROUTED = 4,
    SG_PACKET_REFUSED = 5, /* dropped: what the rule says could not be done */
};
#define SG_PACKET_VERDICTS 6

/* Packets that are one kind: they differ in no more than the port of who asks. */
struct sg_packet_kind {
    __u8 src[16], dst[16];
    __u32 rule, generation;
    __u32 ifindex;
    __u16 port; /* of the destination; type and code of ICMP */
    __u8 protocol;
    __u8 direction;
    __u8 verdict; /* enum sg_packet_verdict */
    __u8 monitor; /* it would have been */
    __u16 reserved;
};

struct sg_packet_seen {
    __u64 first_ns, last_ns;
    __u64 told_ns;        /* of its last record */
    __u64 packets, bytes; /* all of them */
    __u64 told_packets, told_bytes;
    __u32 length; /* of the first */
    __u16 sport;  /* of the first */
    __u16 reserved;
};

/* A kind: its first packet, and then what came of it since the last record. */
struct sg_packet_record {
    __u32 size; /* of this structure */
    __u32 actions;
    struct sg_packet_kind kind;
    __u64 first_ns, time_ns;
    __u64 packets, bytes; /* since the last record; 1 and its length: the first */
    __u32 length;         /* of this packet, from the header of IP on */
    __u16 sport;
    __u16 reserved;
};

#endif
