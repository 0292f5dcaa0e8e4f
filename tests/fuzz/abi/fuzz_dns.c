// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer harness for abi/dns_parse: any bytes give a reason or a message that holds what the header promises, and no byte outside
// of them is read.
#include "tests/unit/abi/dns.h"

static void check(int cond)
{
    if (!cond)
        abort();
}

static void check_name(const struct sg_dns *d)
{
    unsigned marks = 0;

    check(d->name_len <= 253);
    for (uint32_t i = 0; i < sizeof(d->name); i++) {
        uint8_t c = d->name[i];

        check(i < d->name_len ? c > ' ' && c < 127 && c != '/' && !(c >= 'A' && c <= 'Z') : c == 0);
        marks += c == '?';
    }
    check(d->unusable <= marks);
    check(d->name_len == 0 || (d->name[0] != '.' && d->name[d->name_len - 1] != '.'));
}

// The chain by itself, from the records as they were read: an address is taken if, and only if, it leads there.
static void check_taken(const struct sg_dns *d)
{
    uint64_t names[SG_DNS_ANSWERS_MAX + 1] = {d->question};
    uint32_t n = 1, taken = 0;

    for (uint32_t at = 0; at < n; at++) {
        uint64_t next = 0;

        for (uint32_t i = 0; i < d->n; i++)
            if (d->rr[i].type == SG_DNS_CNAME && d->rr[i].owner == names[at])
                next = d->rr[i].target;
        check(n <= SG_DNS_CHAIN_MAX + 1);
        if (next)
            names[n++] = next;
    }
    for (uint32_t i = 0; i < d->n; i++) {
        int chained = 0;

        for (uint32_t at = 0; at < n; at++)
            chained |= d->rr[i].owner == names[at];
        check(d->rr[i].taken == (uint32_t)(chained && sg_dns_is_asked(d, d->rr[i].type)));
        check(!d->rr[i].taken || d->rr[i].data + 4u <= d->len);
        taken += d->rr[i].taken;
    }
    check(taken == d->addresses);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct message m;
    static struct sg_dns d;

    if (size > sizeof(m.bytes))
        return 0;
    m.len = size;
    if (size)
        memcpy(m.bytes, data, size);
    if (parse(&m, &d)) {
        check(d.reason < SG_DNS_REASONS);
        return 0;
    }
    check_name(&d);
    check(d.qclass == SG_DNS_CLASS_IN && d.at <= d.len && d.n <= SG_DNS_ANSWERS_MAX);
    if (d.header & SG_DNS_IS_RESPONSE)
        check_taken(&d);
    return 0;
}
