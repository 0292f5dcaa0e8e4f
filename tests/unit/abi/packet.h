// SPDX-License-Identifier: Apache-2.0
//
// Frames for tests of abi/packet_parse.h and abi/packet_edit.h: put together piece by piece, read from memory that ends where they do,
// and changed by helpers that do what those of the kernel do (net/core/filter.c, net/core/utils.c), with what the kernel keeps beside
// a packet: nothing, a checksum that a card will finish, or one that a card has made.
#ifndef SAFEGUARD_TESTS_UNIT_ABI_PACKET_H
#define SAFEGUARD_TESTS_UNIT_ABI_PACKET_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum summed { SUM_NONE, SUM_PARTIAL, SUM_COMPLETE };

struct frame {
    uint8_t *bytes;
    size_t len;
    enum summed summed;
    uint32_t whole; // SUM_COMPLETE: over all bytes
};

static inline int frame_load(struct frame *f, uint32_t at, void *to, size_t n)
{
    if (at > f->len || n > f->len - at)
        return -1;
    memcpy(to, f->bytes + at, n);
    return 0;
}

// Sums of ones' complement (RFC 1071), as bytes lie in memory; both of its zeros are 0xffff.
static inline uint32_t sum_fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum ? (uint32_t)sum : 0xffff;
}

static inline uint32_t sum_bytes(uint64_t sum, const uint8_t *bytes, size_t len)
{
    uint16_t w;

    for (; len >= 2; len -= 2, bytes += 2) {
        memcpy(&w, bytes, 2);
        sum += w;
    }
    if (len) {
        w = 0;
        memcpy(&w, bytes, 1);
        sum += w;
    }
    return sum_fold(sum);
}

// What a number that replaces another adds.
static inline uint32_t sum_change(uint32_t from, uint32_t to)
{
    return sum_fold((uint64_t)(uint16_t)~from + (uint16_t) ~(from >> 16) + (to & 0xffff) +
                    (to >> 16));
}

static inline int frame_store(struct frame *f, uint32_t at, const void *from, size_t n,
                              uint64_t flags);
static inline int frame_l3_csum(struct frame *f, uint32_t at, uint32_t from, uint32_t to,
                                uint64_t size);
static inline int frame_l4_csum(struct frame *f, uint32_t at, uint32_t from, uint32_t to,
                                uint64_t flags);

#define SG_PACKET_T                               struct frame *
#define sg_packet_load(m, at, to, n)              frame_load(m, at, to, n)
#define sg_packet_store(m, at, from, n, flags)    frame_store(m, at, from, n, flags)
#define sg_packet_l3_csum(m, at, from, to, size)  frame_l3_csum(m, at, from, to, size)
#define sg_packet_l4_csum(m, at, from, to, flags) frame_l4_csum(m, at, from, to, flags)
#include "abi/packet_edit.h"

static inline int frame_store(struct frame *f, uint32_t at, const void *from, size_t n,
                              uint64_t flags)
{
    if (at > f->len || n > f->len - at || at % 2)
        return -1;
    if (flags & BPF_F_RECOMPUTE_CSUM && f->summed == SUM_COMPLETE)
        f->whole = sum_fold((uint64_t)f->whole + (uint16_t)~sum_bytes(0, f->bytes + at, n) +
                            sum_bytes(0, from, n));
    memcpy(f->bytes + at, from, n);
    return 0;
}

static inline int frame_l3_csum(struct frame *f, uint32_t at, uint32_t from, uint32_t to,
                                uint64_t size)
{
    uint16_t sum;

    assert(size == 2 || size == 4);
    if (frame_load(f, at, &sum, 2) < 0)
        return -1;
    sum = (uint16_t)~sum_fold((uint64_t)(uint16_t)~sum + sum_change(from, to));
    memcpy(f->bytes + at, &sum, 2);
    return 0;
}

static inline int frame_l4_csum(struct frame *f, uint32_t at, uint32_t from, uint32_t to,
                                uint64_t flags)
{
    bool pseudo = flags & BPF_F_PSEUDO_HDR, mangled = flags & BPF_F_MARK_MANGLED_0;
    uint16_t sum;

    assert((flags & 15) == 2 || (flags & 15) == 4);
    if (frame_load(f, at, &sum, 2) < 0)
        return -1;
    if (mangled && !sum)
        return 0;
    if (f->summed != SUM_PARTIAL) {
        sum = (uint16_t)~sum_fold((uint64_t)(uint16_t)~sum + sum_change(from, to));
        if (f->summed == SUM_COMPLETE && pseudo)
            f->whole = sum_fold((uint64_t)f->whole + (uint16_t)~sum_change(from, to));
    } else if (pseudo) {
        sum = (uint16_t)sum_fold((uint64_t)sum + sum_change(from, to));
    }
    if (mangled && !sum)
        sum = 0xffff;
    memcpy(f->bytes + at, &sum, 2);
    return 0;
}

// Putting frames together.
struct build {
    size_t len;
    uint8_t bytes[4096];
};

static inline void put(struct build *b, const void *bytes, size_t len)
{
    assert(b->len + len <= sizeof(b->bytes));
    memcpy(b->bytes + b->len, bytes, len);
    b->len += len;
}

static inline void put8(struct build *b, unsigned n)
{
    put(b, &(uint8_t){(uint8_t)n}, 1);
}

static inline void put16(struct build *b, unsigned n)
{
    put8(b, n >> 8);
    put8(b, n & 0xff);
}

static inline void put32(struct build *b, unsigned n)
{
    put16(b, n >> 16);
    put16(b, n & 0xffff);
}

static inline void put_ethernet(struct build *b, unsigned type)
{
    b->len = 0;
    put(b, "\x02\0\0\0\0\1\x02\0\0\0\0\2", 12);
    put16(b, type);
}

static inline void put_address(struct build *b, unsigned family, unsigned n)
{
    if (family == 4) {
        put32(b, 0x0a000000u | n);
    } else {
        put(b, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0", 12);
        put32(b, n);
    }
}

// IPv4 with `words` words of options, from 10.0.0.`src` to 10.0.0.`dst`; its checksum is right.
static inline size_t put_ipv4(struct build *b, unsigned words, unsigned protocol, unsigned fragment,
                              size_t payload, unsigned src, unsigned dst)
{
    size_t at = b->len;
    uint16_t sum;

    put8(b, 0x45 + words);
    put8(b, 0xb9); // EF, ECT(1)
    put16(b, (unsigned)(20 + words * 4 + payload));
    put16(b, 0x1234);
    put16(b, fragment);
    put8(b, 64);
    put8(b, protocol);
    put16(b, 0);
    put_address(b, 4, src);
    put_address(b, 4, dst);
    for (unsigned i = 0; i < words; i++)
        put32(b, 0x01010101); // no operation
    sum = (uint16_t)~sum_bytes(0, b->bytes + at, b->len - at);
    memcpy(b->bytes + at + 10, &sum, 2);
    return at;
}

static inline size_t put_ipv6(struct build *b, unsigned next, size_t payload, unsigned src,
                              unsigned dst)
{
    size_t at = b->len;

    put32(b, 0x6b900000); // EF, ECT(1)
    put16(b, (unsigned)payload);
    put8(b, next);
    put8(b, 64);
    put_address(b, 6, src);
    put_address(b, 6, dst);
    return at;
}

static inline void put_tcp(struct build *b, unsigned sport, unsigned dport, unsigned flags)
{
    put16(b, sport);
    put16(b, dport);
    put32(b, 1000);
    put32(b, 0);
    put16(b, 0x5000 | flags);
    put16(b, 1024);
    put32(b, 0);
}

static inline void put_udp(struct build *b, unsigned sport, unsigned dport, size_t data)
{
    put16(b, sport);
    put16(b, dport);
    put16(b, (unsigned)(8 + data));
    put16(b, 0);
}

static inline void put_data(struct build *b, size_t len)
{
    for (size_t i = 0; i < len; i++)
        put8(b, (unsigned)(i * 7 + 1) & 0xff);
}

// A frame in memory of its own, exactly as long as it is.
static inline struct frame frame_of(const void *bytes, size_t len)
{
    struct frame f = {.bytes = malloc(len ? len : 1), .len = len};

    assert(f.bytes);
    if (len)
        memcpy(f.bytes, bytes, len);
    return f;
}

static inline uint32_t frame_parse(struct frame *f, struct sg_packet *p)
{
    memset(p, 0xa5, sizeof(*p));
    p->len = (uint32_t)f->len;
    p->reason = SG_PACKET_FINE;
    if (sg_packet_ethernet(f, p) == 0)
        (void)sg_packet_ip(f, p);
    return p->reason;
}

// Pseudo-header and transport, as far as it is there: whatever is changed, with its checksum this sum stays.
static inline uint32_t sum_transport(const struct frame *f, const struct sg_packet_ip *ip)
{
    size_t src = ip->l3 + (ip->family == 4 ? 12 : 8), width = ip->family == 4 ? 4 : 16;
    uint64_t sum = 0;

    if (ip->protocol != SG_IP_ICMP)
        sum = sum_bytes(0, f->bytes + src, 2 * width);
    return sum_bytes(sum, f->bytes + ip->l4, ip->end - ip->l4);
}

static inline uint32_t sum_header(const struct frame *f, const struct sg_packet_ip *ip)
{
    return ip->family == 4 ? sum_bytes(0, f->bytes + ip->l3, (f->bytes[ip->l3] & 15u) * 4) : 0;
}

#endif
