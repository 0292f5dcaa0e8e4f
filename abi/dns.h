/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * What is learnt of domain names from the wire: bounds, why a message is not taken, and the records of questions and answers as
 * they travel from the kernel programs (bpf/dns.bpf.c) to whoever reads their ring. The parser itself is abi/dns_parse.h.
 *
 * Numbers are in host order unless they are addresses: 16 bytes in network order, IPv4 as abi/network.h keeps it. Times are
 * nanoseconds of CLOCK_BOOTTIME.
 *
 * Included by both sides, includes nothing of ours. Append only.
 */
#ifndef SG_ABI_DNS_H
#define SG_ABI_DNS_H

#include <linux/types.h>

#define SG_DNS_PORT 53u
#define SG_DNS_MESSAGE_MAX \
    4096u /* bytes of a message that is looked at, a power of two; what is longer is counted */
#define SG_DNS_HEADER_BYTES 12u
#define SG_DNS_NAME_WIRE_MAX \
    255u /* RFC 1035 2.3.4: bytes of a name with the lengths of its labels and the root's */
#define SG_DNS_POINTERS_MAX 32u /* compression pointers of one name */
#define SG_DNS_ANSWERS_MAX \
    64u /* records of the answer section that are looked at; what is behind them is not learnt */
#define SG_DNS_CHAIN_MAX 16u /* CNAMEs from the question to the addresses */

/*
 * An address keeps a name as long as the answer says, but not less than this: programs go on to use what they were told, and many
 * answers say 0. And not more than that, whatever an answer says.
 */
#define SG_DNS_LIFE_MIN_S 60u
#define SG_DNS_LIFE_MAX_S 86400u

/* An answer that comes later is nobody's: no resolver waits as long. */
#define SG_DNS_WAIT_NS 60000000000ull

/* Types of records that are told apart (RFC 1035 3.2.2, RFC 3596 2.1); 255 is asked for by who wants all. */
enum sg_dns_type {
    SG_DNS_A = 1,
    SG_DNS_CNAME = 5,
    SG_DNS_AAAA = 28,
    SG_DNS_ANY = 255,
};
#define SG_DNS_CLASS_IN 1u

/* Bits of the second word of a header. */
#define SG_DNS_IS_RESPONSE 0x8000u
#define SG_DNS_OPCODE(w)   (((w) >> 11) & 15u)
#define SG_DNS_RCODE(w)    ((w)&15u) /* without what EDNS adds */
#define SG_DNS_TRUNCATED   0x0200u

/* Why nothing is taken from a message. Each one is counted. */
enum sg_dns_reason {
    SG_DNS_FINE = 0,
    SG_DNS_SHORT = 1,        /* no room for a header */
    SG_DNS_LONG = 2,         /* more than SG_DNS_MESSAGE_MAX */
    SG_DNS_OPCODE_OTHER = 3, /* updates, notifications … */
    SG_DNS_QUESTIONS = 4,    /* not one question */
    SG_DNS_CLASS = 5,        /* not the Internet's */
    SG_DNS_CUT = 6,          /* ends within a name or a record */
    SG_DNS_LABEL = 7,        /* a label of a kind that there is not (RFC 6891 5) */
    SG_DNS_POINTER = 8,      /* a pointer that does not lead back, or into the header */
    SG_DNS_POINTERS = 9,     /* too many of them in one name */
    SG_DNS_NAME_LONG = 10,
    SG_DNS_DATA = 11,  /* data of a record that are not what its type has */
    SG_DNS_CHAIN = 12, /* CNAMEs in a circle, or too many of them */
};
#define SG_DNS_REASONS 13

/* What programs count, by CPU. Nothing is lost without a count here. */
enum sg_dns_counter {
    SG_DNS_COUNT_SENT = 0,      /* records put into the ring */
    SG_DNS_COUNT_LOST = 1,      /* its ring was full */
    SG_DNS_COUNT_QUESTIONS = 2, /* that were remembered */
    SG_DNS_COUNT_ANSWERS = 3,   /* to questions that were remembered */
    SG_DNS_COUNT_UNASKED =
        4, /* answers that nobody asked for: wrong id, name, type, server or socket, late, or a second one */
    SG_DNS_COUNT_LEARNT = 5,   /* pairs of a name and an address, those learnt again among them */
    SG_DNS_COUNT_FULL = 6,     /* what found no room in a table */
    SG_DNS_COUNT_BUSY = 7,     /* messages for which there was no scratch memory */
    SG_DNS_COUNT_UNUSABLE = 8, /* questions and answers with a name that no rule can speak of */
    SG_DNS_COUNT_MORE = 9,     /* answers with more records than are looked at */
    SG_DNS_COUNT_FRAGMENT =
        10, /* packets to or from somewhere, in parts, as who makes them himself sends them */
    SG_DNS_COUNT_HEADERS = 11, /* IPv6 with more extension headers than are looked through */
    SG_DNS_COUNT_SEGMENT =
        12, /* TCP: messages that are not one segment, and segments that are not one message */
    SG_DNS_COUNT_WINDOW = 13,    /* TCP: segments that are no answer to what the socket is at */
    SG_DNS_COUNT_UNTRUSTED = 14, /* answers of servers that nothing is learnt from */
    SG_DNS_COUNT_REASON = 15,    /* + enum sg_dns_reason */
    SG_DNS_COUNT_MAX = 32,
};

enum sg_dns_record_type {
    SG_DNS_QUESTION =
        1, /* somebody asks; not of one that is sent again while it waits for an answer */
    SG_DNS_ANSWER = 2, /* he has the answer next */
};

/* sg_dns_record.flags */
enum {
    SG_DNS_TCP = 1u << 0,
    SG_DNS_NOBODY = 1u << 1, /* who asks is not known: what runs is not who has the socket */
    SG_DNS_NAMELESS =
        1u << 2, /* the name has bytes that no rule can speak of; they are '?' in `name` */
    SG_DNS_MORE =
        1u
        << 3, /* there are more addresses than the record has room for, or more records than are looked at */
    SG_DNS_PARTIAL = 1u << 4, /* the server says that it is not all (TC) */
    SG_DNS_BAD = 1u << 5,     /* nothing was learnt, `reason` says why */
    SG_DNS_IGNORED =
        1u << 6, /* nothing was learnt: the server is none of those that are believed */
};

/* An address that was learnt. */
struct sg_dns_answer {
    __u8 addr[16];
    __u32 ttl_s; /* as it was answered, the shortest of the chain */
    __u32 reserved;
};

/* Addresses in a record; more are learnt than told. */
#define SG_DNS_TOLD_MAX 16u

struct sg_dns_record {
    __u32 size;
    __u16 type;  /* enum sg_dns_record_type */
    __u16 flags; /* SG_DNS_* */
    __u64 time_ns;
    __u64 duration_ns; /* ANSWER: since it was asked first */
    __u64 cookie;      /* of the socket (SO_COOKIE) */
    __u64 start_ns;    /* of the process that asked, with tgid, as in sg_record; 0: not known */
    __u32 tgid;
    __u32 uid; /* in the initial user namespace; (__u32)-1: not known */
    __u8 server[16], local[16];
    __u16 server_port, local_port;
    __u32 net_ns; /* inode number of the network namespace */
    __u16 id, qtype, qclass;
    __u16 header;   /* ANSWER: its second word, with rcode and flags */
    __u16 sent;     /* ANSWER: how often it was asked until then, ≥ 1 */
    __u16 records;  /* ANSWER: of the answer section, as many as the header says */
    __u8 reason;    /* enum sg_dns_reason */
    __u8 n_answers; /* ≤ SG_DNS_TOLD_MAX */
    __u16 name_len;
    __u8 name[256]; /* lower case, without the last dot; zero bytes behind it */
    struct sg_dns_answer answers[SG_DNS_TOLD_MAX];
};

/* A server whose answers are believed, in a network namespace (its inode number), or in all of them (0). */
struct sg_dns_server {
    __u8 addr[16];
    __u32 net_ns;
};

_Static_assert(sizeof(struct sg_dns_answer) == 24, "sg_dns_answer");
_Static_assert(sizeof(struct sg_dns_server) == 20, "sg_dns_server");
_Static_assert(sizeof(struct sg_dns_record) == 744, "sg_dns_record has no hidden padding");

#endif
