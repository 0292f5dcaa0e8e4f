/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The parser of DNS messages (RFC 1035 4), once for both sides: kernel programs that see them pass, tests and fuzzers.
 *
 * The includer says how a message is read, before including this:
 *   SG_DNS_T             type of a handle on a message
 *   sg_dns_byte(m, at)   byte `at` of it, which is below the length that the parser was told
 *   SG_DNS_WALK(m, d)    calls sg_dns_walk(m, d), and SG_DNS_HOP(m, d) sg_dns_hop(d): the two long loops, of which kernel programs
 *                        make functions that are verified once
 *
 * Nothing here trusts the message. Each loop is bounded by a constant of abi/dns.h, and whatever is wrong has its reason there.
 * All that differs from round to round is in `struct sg_dns` and not in variables: verifiers follow those, and would walk a loop
 * once for each of their values.
 *
 * A name is compared by a sum over it in lower case. Whoever makes two names with one sum wins nothing: the name that is learnt is
 * the one that was asked for, as text, and which addresses it has is up to the same answer.
 */
#ifndef SG_ABI_DNS_PARSE_H
#define SG_ABI_DNS_PARSE_H

#include "dns.h"

#define SG_DNS_INLINE static inline __attribute__((always_inline))

/* Nothing is kept in variables from one round to the next. */
#define SG_DNS_ANEW() __asm__ volatile("" : : : "memory")

#define SG_DNS_SUM_START 0xcbf29ce484222325ull /* FNV-1a */
#define SG_DNS_SUM_PRIME 0x100000001b3ull

/* A record of the answer section. */
struct sg_dns_rr {
    __u64 owner;  /* sum of the name that it is of */
    __u64 target; /* CNAME: sum of the name that it leads to */
    __u32 ttl_s;
    __u16 type;  /* 0: none that is looked at */
    __u16 data;  /* where its data begin */
    __u32 taken; /* it is an address of the name that was asked for */
    __u32 reserved;
};

/* A message, while it is parsed and after that. Its memory is the includer's; sg_dns_begin() takes it as it is. */
struct sg_dns {
    __u32 len; /* bytes of the message */
    __u32 reason;
    __u32 at; /* of what is read next */
    __u16 id, header;
    __u16 records; /* of the answer section, as the header says */
    __u16 qtype, qclass;
    __u16 reserved;
    __u32 n; /* of rr */
    __u32 addresses;
    __u32 ttl_s; /* the shortest of the chain */
    /* of the name that is being read */
    __u32 name_at, segment; /* the next byte; where what a pointer has led to begins */
    __u32 left;             /* bytes of the label */
    __u32 wire, pointers;
    __u32 keep; /* as text */
    __u64 sum;
    /* the question's name */
    __u64 question;
    __u32 unusable; /* bytes of it that no rule can speak of */
    __u32 name_len;
    __u8 name[256]; /* zero bytes behind it */
    __u64 want;     /* where the chain is at */
    struct sg_dns_rr rr[SG_DNS_ANSWERS_MAX];
};

SG_DNS_INLINE int sg_dns_fail(struct sg_dns *d, __u32 reason)
{
    d->reason = reason;
    return -1;
}

/* Two bytes; the caller knows that they are there. */
SG_DNS_INLINE __u32 sg_dns_u16(SG_DNS_T m, __u32 at)
{
    return (__u32)sg_dns_byte(m, at) << 8 | sg_dns_byte(m, at + 1);
}

/* Text has no byte of its own for anything else, and rules end names at '/' and cut them at '.'. */
SG_DNS_INLINE int sg_dns_is_usable(__u32 c)
{
    return c > ' ' && c < 127 && c != '/' && c != '.';
}

SG_DNS_INLINE void sg_dns_put(struct sg_dns *d, __u32 c)
{
    d->name[d->name_len & 255] = (__u8)c;
    d->name_len++;
}

/* A length, or a pointer. 1: there is more of the name; 0: it has ended; -1: it is wrong. */
SG_DNS_INLINE int sg_dns_label(SG_DNS_T m, struct sg_dns *d, __u32 c)
{
    __u32 at = d->name_at, to;

    if (c >= 0xc0) {
        if (at + 1 >= d->len)
            return sg_dns_fail(d, SG_DNS_CUT);
        to = (c & 0x3f) << 8 | sg_dns_byte(m, at + 1);
        if (!d->pointers)
            d->at = at + 2;
        if (to >= d->segment || to < SG_DNS_HEADER_BYTES)
            return sg_dns_fail(d, SG_DNS_POINTER);
        if (++d->pointers > SG_DNS_POINTERS_MAX)
            return sg_dns_fail(d, SG_DNS_POINTERS);
        d->segment = d->name_at = to;
        return 1;
    }
    if (c & 0xc0)
        return sg_dns_fail(d, SG_DNS_LABEL);
    d->wire += c + 1;
    if (d->wire > SG_DNS_NAME_WIRE_MAX)
        return sg_dns_fail(d, SG_DNS_NAME_LONG);
    d->sum = (d->sum ^ c) * SG_DNS_SUM_PRIME;
    if (!c) {
        if (!d->pointers)
            d->at = at + 1;
        return 0;
    }
    if (d->keep && d->name_len)
        sg_dns_put(d, '.');
    d->left = c;
    d->name_at = at + 1;
    return 1;
}

/* One byte of a name, or one pointer; returns as sg_dns_label(). */
SG_DNS_INLINE int sg_dns_round(SG_DNS_T m, struct sg_dns *d)
{
    __u32 c;

    if (d->name_at >= d->len)
        return sg_dns_fail(d, SG_DNS_CUT);
    c = sg_dns_byte(m, d->name_at);
    if (!d->left)
        return sg_dns_label(m, d, c);
    if (c - 'A' < 26)
        c += 'a' - 'A';
    d->sum = (d->sum ^ c) * SG_DNS_SUM_PRIME;
    d->left--;
    d->name_at++;
    if (d->keep) {
        if (!sg_dns_is_usable(c)) {
            d->unusable++;
            c = '?';
        }
        sg_dns_put(d, c);
    }
    return 1;
}

/* The name at d->name_at, of which sg_dns_read_name() has set the rest. As many rounds as the longest name has. */
SG_DNS_INLINE void sg_dns_walk(SG_DNS_T m, struct sg_dns *d)
{
    for (__u32 i = 0; i < SG_DNS_NAME_WIRE_MAX + SG_DNS_POINTERS_MAX + 1; i++) {
        if (sg_dns_round(m, d) <= 0)
            return;
        SG_DNS_ANEW();
    }
}

/* Reads the name at d->at, which is behind it then. `keep`: its text goes to d->name. Returns 0, or -1 with a reason. */
SG_DNS_INLINE int sg_dns_read_name(SG_DNS_T m, struct sg_dns *d, __u32 keep)
{
    d->name_at = d->segment = d->at;
    d->left = d->wire = d->pointers = 0;
    d->keep = keep;
    d->sum = SG_DNS_SUM_START;
    SG_DNS_WALK(m, d);
    return d->reason ? -1 : 0;
}

/*
 * Begins with a message of `len` bytes: its header and its question. Returns 0, or -1 with a reason. What is no query, or has not
 * one question, is not taken.
 */
SG_DNS_INLINE int sg_dns_begin(SG_DNS_T m, struct sg_dns *d, __u32 len)
{
    __builtin_memset(d, 0, __builtin_offsetof(struct sg_dns, rr));
    d->len = len;
    if (len < SG_DNS_HEADER_BYTES)
        return sg_dns_fail(d, SG_DNS_SHORT);
    if (len > SG_DNS_MESSAGE_MAX)
        return sg_dns_fail(d, SG_DNS_LONG);
    d->id = (__u16)sg_dns_u16(m, 0);
    d->header = (__u16)sg_dns_u16(m, 2);
    if (SG_DNS_OPCODE(d->header))
        return sg_dns_fail(d, SG_DNS_OPCODE_OTHER);
    if (sg_dns_u16(m, 4) != 1)
        return sg_dns_fail(d, SG_DNS_QUESTIONS);
    d->records = (__u16)sg_dns_u16(m, 6);
    d->at = SG_DNS_HEADER_BYTES;
    if (sg_dns_read_name(m, d, 1))
        return -1;
    d->question = d->sum;
    if (d->at + 4 > len)
        return sg_dns_fail(d, SG_DNS_CUT);
    d->qtype = (__u16)sg_dns_u16(m, d->at);
    d->qclass = (__u16)sg_dns_u16(m, d->at + 2);
    d->at += 4;
    return d->qclass == SG_DNS_CLASS_IN ? 0 : sg_dns_fail(d, SG_DNS_CLASS);
}

/* What the data of a record have to be, `end` being behind them. */
SG_DNS_INLINE int sg_dns_data(SG_DNS_T m, struct sg_dns *d, struct sg_dns_rr *rr, __u32 end)
{
    __u32 bytes = end - rr->data;

    if (rr->type == SG_DNS_A)
        return bytes == 4 ? 0 : sg_dns_fail(d, SG_DNS_DATA);
    if (rr->type == SG_DNS_AAAA)
        return bytes == 16 ? 0 : sg_dns_fail(d, SG_DNS_DATA);
    if (rr->type != SG_DNS_CNAME)
        return 0;
    if (sg_dns_read_name(m, d, 0))
        return -1;
    rr->target = d->sum;
    return d->at == end ? 0 : sg_dns_fail(d, SG_DNS_DATA);
}

/* Reads the record at d->at, the `i`th of the answer section. Returns 0, or -1 with a reason. */
SG_DNS_INLINE int sg_dns_record_at(SG_DNS_T m, struct sg_dns *d, __u32 i)
{
    struct sg_dns_rr *rr = &d->rr[i & (SG_DNS_ANSWERS_MAX - 1)];
    __u32 at, end, high;

    if (sg_dns_read_name(m, d, 0))
        return -1;
    at = d->at;
    if (at + 10 > d->len)
        return sg_dns_fail(d, SG_DNS_CUT);
    end = at + 10 + sg_dns_u16(m, at + 8);
    if (end > d->len)
        return sg_dns_fail(d, SG_DNS_CUT);
    rr->owner = d->sum;
    rr->target = 0;
    rr->taken = 0;
    high = sg_dns_u16(m, at + 4);
    /* RFC 2181 8: with the highest bit it is 0. */
    rr->ttl_s = high & 0x8000 ? 0 : high << 16 | sg_dns_u16(m, at + 6);
    rr->type = (__u16)sg_dns_u16(m, at);
    if (sg_dns_u16(m, at + 2) != SG_DNS_CLASS_IN)
        rr->type = 0;
    rr->data = (__u16)(at + 10);
    d->at = at + 10;
    d->n = i + 1;
    if (sg_dns_data(m, d, rr, end))
        return -1;
    d->at = end;
    return 0;
}

/* Of which type addresses are that answer the question. */
SG_DNS_INLINE int sg_dns_is_asked(const struct sg_dns *d, __u32 type)
{
    if (type != SG_DNS_A && type != SG_DNS_AAAA)
        return 0;
    return d->qtype == type || d->qtype == SG_DNS_ANY;
}

/* Takes the addresses of the name that the chain is at, and goes on to where its CNAME leads, or to 0. */
SG_DNS_INLINE void sg_dns_hop(struct sg_dns *d)
{
    __u64 next = 0;

    for (__u32 i = 0; i < SG_DNS_ANSWERS_MAX; i++) {
        struct sg_dns_rr *rr = &d->rr[i];

        SG_DNS_ANEW();
        if (i >= d->n)
            break;
        if (rr->owner != d->want)
            continue;
        if (sg_dns_is_asked(d, rr->type) && !rr->taken) {
            rr->taken = 1;
            d->addresses++;
        }
        if (rr->type == SG_DNS_CNAME) {
            next = rr->target;
            if (rr->ttl_s < d->ttl_s)
                d->ttl_s = rr->ttl_s;
        }
    }
    d->want = next;
}

/*
 * Reads the answers of a response that sg_dns_begin() has taken, in whatever order they are. What is not of the name that was asked
 * for, or of where its CNAMEs lead, is not taken. Returns 0, or -1 with a reason: then nothing of it is to be used.
 */
SG_DNS_INLINE int sg_dns_answers(SG_DNS_T m, struct sg_dns *d)
{
    for (__u32 i = 0; i < SG_DNS_ANSWERS_MAX; i++) {
        if (i >= d->records)
            break;
        if (sg_dns_record_at(m, d, i))
            return -1;
    }
    d->ttl_s = ~0u;
    d->want = d->question;
    for (__u32 i = 0; i <= SG_DNS_CHAIN_MAX; i++) {
        if (!d->want)
            break;
        SG_DNS_HOP(m, d);
    }
    return d->want ? sg_dns_fail(d, SG_DNS_CHAIN) : 0;
}

/* The address of a record that was taken. */
SG_DNS_INLINE void sg_dns_address(SG_DNS_T m, const struct sg_dns_rr *rr, __u8 ret[16])
{
    if (rr->type == SG_DNS_AAAA) {
        for (__u32 i = 0; i < 16; i++)
            ret[i] = sg_dns_byte(m, rr->data + i);
        return;
    }
    for (__u32 i = 0; i < 10; i++)
        ret[i] = 0;
    ret[10] = ret[11] = 0xff;
    for (__u32 i = 0; i < 4; i++)
        ret[12 + i] = sg_dns_byte(m, rr->data + i);
}

/* How long a name is kept for it, in seconds. */
SG_DNS_INLINE __u32 sg_dns_life(const struct sg_dns *d, const struct sg_dns_rr *rr)
{
    __u32 ttl = rr->ttl_s < d->ttl_s ? rr->ttl_s : d->ttl_s;

    if (ttl < SG_DNS_LIFE_MIN_S)
        return SG_DNS_LIFE_MIN_S;
    return ttl > SG_DNS_LIFE_MAX_S ? SG_DNS_LIFE_MAX_S : ttl;
}

#endif
