// SPDX-License-Identifier: Apache-2.0
//
// Messages for tests of the parser of abi/dns_parse.h: put together piece by piece, then read from memory that ends where they do,
// so that a byte too many is seen by the sanitizer.
#ifndef SAFEGUARD_TESTS_UNIT_ABI_DNS_H
#define SAFEGUARD_TESTS_UNIT_ABI_DNS_H

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SG_DNS_T          const uint8_t *
#define sg_dns_byte(m, a) ((m)[a])
#define SG_DNS_WALK(m, d) sg_dns_walk(m, d)
#define SG_DNS_HOP(m, d)  sg_dns_hop(d)
#include "abi/dns_parse.h"

struct message {
    size_t len;
    uint8_t bytes[8192];
};

static inline void put(struct message *m, const void *bytes, size_t len)
{
    assert(m->len + len <= sizeof(m->bytes));
    memcpy(m->bytes + m->len, bytes, len);
    m->len += len;
}

static inline void put16(struct message *m, unsigned n)
{
    put(m, (uint8_t[]){(uint8_t)(n >> 8), (uint8_t)n}, 2);
}

static inline void put32(struct message *m, unsigned n)
{
    put16(m, n >> 16);
    put16(m, n & 0xffff);
}

static inline void begin(struct message *m, unsigned id, unsigned header, unsigned answers)
{
    m->len = 0;
    put16(m, id);
    put16(m, header);
    put16(m, 1);
    put16(m, answers);
    put32(m, 0);
}

// Labels of a name with dots; "@12" at its end is a pointer to byte 12. Any bytes but '.' and '@' are taken as they are.
static inline void put_name(struct message *m, const char *name)
{
    const char *pointer = strchr(name, '@'), *dot;
    size_t len = pointer ? (size_t)(pointer - name) : strlen(name);

    while (len > 0) {
        size_t label;

        dot = memchr(name, '.', len);
        label = dot ? (size_t)(dot - name) : len;
        put(m, &(uint8_t){(uint8_t)label}, 1);
        put(m, name, label);
        label += dot ? 1 : 0;
        name += label;
        len -= label;
    }
    if (pointer)
        put16(m, 0xc000u | (unsigned)strtoul(pointer + 1, NULL, 10));
    else
        put(m, "", 1);
}

static inline void put_question(struct message *m, const char *name, unsigned type)
{
    put_name(m, name);
    put16(m, type);
    put16(m, 1);
}

static inline void put_record(struct message *m, const char *owner, unsigned type, unsigned ttl,
                              const void *data, size_t len)
{
    put_name(m, owner);
    put16(m, type);
    put16(m, 1);
    put32(m, ttl);
    put16(m, (unsigned)len);
    put(m, data, len);
}

static inline void put_cname(struct message *m, const char *owner, unsigned ttl, const char *target)
{
    struct message name = {};

    put_name(&name, target);
    put_record(m, owner, SG_DNS_CNAME, ttl, name.bytes, name.len);
}

#define put_a(m, owner, ttl, address) put_record(m, owner, SG_DNS_A, ttl, address, 4)

// Parses it from memory of exactly its length; answers only of a response. Returns the reason.
static inline unsigned parse(const struct message *m, struct sg_dns *d)
{
    uint8_t *exact = malloc(m->len ? m->len : 1);

    assert(exact);
    memcpy(exact, m->bytes, m->len);
    memset(d, 0xa5, sizeof(*d));
    if (sg_dns_begin(exact, d, (uint32_t)m->len) == 0 && d->header & SG_DNS_IS_RESPONSE)
        (void)sg_dns_answers(exact, d);
    free(exact);
    return d->reason;
}

#endif
