// SPDX-License-Identifier: Apache-2.0
#include "dns/decode.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"

#define FLAGS                                                                                   \
    (SG_DNS_TCP | SG_DNS_NOBODY | SG_DNS_NAMELESS | SG_DNS_MORE | SG_DNS_PARTIAL | SG_DNS_BAD | \
     SG_DNS_IGNORED)

static size_t size_of(uint32_t n_answers)
{
    return offsetof(struct sg_dns_record, answers) + n_answers * sizeof(struct sg_dns_answer);
}

// The bytes behind a name are zero, and none is within: what reads it as text reads all of it.
static bool name_is_sound(const struct sg_dns_record *r)
{
    return r->name_len <= SG_NET_NAME_MAX && !r->name[r->name_len] &&
           !memchr(r->name, 0, r->name_len);
}

static bool is_sound(const struct sg_dns_record *r, size_t len)
{
    bool answer = r->type == SG_DNS_ANSWER;

    if (!answer && r->type != SG_DNS_QUESTION)
        return false;
    if (r->n_answers > SG_DNS_TOLD_MAX || r->size != size_of(r->n_answers) || r->size > len)
        return false;
    if (r->flags & ~FLAGS || r->reason >= SG_DNS_REASONS || !name_is_sound(r))
        return false;
    if (!answer)
        return !r->n_answers && !r->reason && !r->duration_ns && !r->sent;
    return r->sent >= 1 && r->duration_ns <= r->time_ns && !(r->flags & SG_DNS_BAD) == !r->reason &&
           (!r->reason || !r->n_answers);
}

static void take_answers(const struct sg_dns_record *r, struct dns_record *to)
{
    to->n_answers = r->n_answers;
    for (uint32_t i = 0; i < r->n_answers; i++) {
        memcpy(to->answers[i].address, r->answers[i].addr, sizeof(to->answers[i].address));
        to->answers[i].ttl_s = r->answers[i].ttl_s;
    }
}

int dns_decode(const void *data, size_t len, struct dns_record *ret)
{
    struct sg_dns_record r = {};

    if (len < size_of(0))
        return -EBADMSG;
    memcpy(&r, data, MIN(len, sizeof(r)));
    if (!is_sound(&r, len))
        return -EBADMSG;
    *ret = (struct dns_record){
        .is_answer = r.type == SG_DNS_ANSWER,
        .tcp = r.flags & SG_DNS_TCP,
        .nameless = r.flags & SG_DNS_NAMELESS,
        .more = r.flags & SG_DNS_MORE,
        .partial = r.flags & SG_DNS_PARTIAL,
        .ignored = r.flags & SG_DNS_IGNORED,
        .time_ns = r.time_ns,
        .duration_ns = r.duration_ns,
        .cookie = r.cookie,
        .process = {r.flags & SG_DNS_NOBODY ? 0 : r.tgid, r.start_ns},
        .uid = r.flags & SG_DNS_NOBODY ? ID_NONE : r.uid,
        .net_ns = r.net_ns,
        .server_port = r.server_port,
        .local_port = r.local_port,
        .id = r.id,
        .qtype = r.qtype,
        .qclass = r.qclass,
        .header = r.header,
        .sent = r.sent,
        .records = r.records,
        .reason = r.reason,
        .name_len = r.name_len,
    };
    memcpy(ret->server, r.server, sizeof(ret->server));
    memcpy(ret->local, r.local, sizeof(ret->local));
    memcpy(ret->name, r.name, r.name_len);
    take_answers(&r, ret);
    return 0;
}
