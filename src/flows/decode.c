// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/inet.h"
#include "base/macro.h"
#include "flows/flow.h"

// An end that is not there is no address of either family.
static bool ends_agree(const struct sg_ends *ends)
{
    if (ends->family == AF_INET)
        return inet_is_mapped(ends->local) &&
               (inet_is_mapped(ends->remote) || !(ends->flags & SG_ENDS_HAS_REMOTE));
    return ends->family == AF_INET6;
}

static bool reason_fits(const struct sg_flow_record *r)
{
    switch (r->type) {
    case SG_FLOW_CLOSE: return r->reason > SG_FLOW_GOES_ON && r->reason <= SG_FLOW_FAILED;
    case SG_FLOW_END: return r->reason == SG_FLOW_CLOSED;
    default: return r->reason == SG_FLOW_GOES_ON;
    }
}

static bool record_is_sound(const struct sg_flow_record *r)
{
    bool datagrams = r->type == SG_FLOW_BEGIN || r->type == SG_FLOW_END;

    return r->size == sizeof(*r) && r->type > SG_FLOW_NONE && r->type < SG_FLOW_TYPES &&
           reason_fits(r) && !(r->flags & ~SG_FLOW_UNSEEN) && r->begin_ns <= r->time_ns &&
           r->socket && ends_agree(&r->ends) && (datagrams || r->ends.protocol == IPPROTO_TCP);
}

int flow_decode(const void *data, size_t len, struct flow *ret)
{
    struct sg_flow_record r;

    if (len < sizeof(r))
        return -EBADMSG;
    memcpy(&r, data, sizeof(r));
    if (!record_is_sound(&r))
        return -EBADMSG;
    *ret = (struct flow){
        .type = r.type,
        .reason = r.reason,
        .unseen = r.flags & SG_FLOW_UNSEEN,
        .datagrams = r.type == SG_FLOW_BEGIN || r.type == SG_FLOW_END,
        .socket = r.socket,
        .begin_ns = r.begin_ns,
        .last_ns = r.time_ns,
        .ends = r.ends,
        .who = r.who,
        .sums = r.sums,
        .rtt_us = r.rtt_us,
        .retransmits = r.retransmits,
        .error = r.error,
    };
    return 0;
}

int flow_of_entry(const struct sg_flow_key *key, const struct sg_flow_value *value,
                  struct flow *ret)
{
    struct sg_flow_record r = {
        .size = sizeof(r),
        .type = SG_FLOW_BEGIN,
        .socket = key->socket,
        .begin_ns = value->first_ns,
        // Two CPUs may have written it in the wrong order.
        .time_ns = MAX(value->last_ns, value->first_ns),
        .who = value->who,
        .sums = value->sums,
    };
    struct sg_ends *ends = &r.ends;

    memcpy(ends->local, key->local, sizeof(ends->local));
    memcpy(ends->remote, key->remote, sizeof(ends->remote));
    ends->local_port = key->local_port;
    ends->remote_port = key->remote_port;
    ends->family = value->family;
    ends->protocol = key->protocol;
    ends->flags = (uint8_t)value->flags | SG_ENDS_HAS_LOCAL | SG_ENDS_HAS_REMOTE;
    ends->net_ns = value->net_ns;
    ends->ifindex = value->ifindex;
    ends->cookie = value->cookie;
    return flow_decode(&r, sizeof(r), ret);
}

void flow_key_of(const struct flow *flow, struct sg_flow_key *ret)
{
    *ret = (struct sg_flow_key){
        .socket = flow->socket,
        .local_port = flow->ends.local_port,
        .remote_port = flow->ends.remote_port,
        .protocol = flow->ends.protocol,
    };
    memcpy(ret->local, flow->ends.local, sizeof(ret->local));
    memcpy(ret->remote, flow->ends.remote, sizeof(ret->remote));
}
