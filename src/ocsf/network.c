// SPDX-License-Identifier: Apache-2.0
//
// Records of sockets: both ends as OCSF has them, and as people write them: "curl (pid 7) was not allowed to connect to
// 10.0.0.1:443 (tcp)".
#include <arpa/inet.h>
#include <string.h>

#include "base/inet.h"
#include "base/macro.h"
#include "model/network.h"
#include "ocsf/network.h"

static const struct {
    uint8_t number;
    const char *name;
} protocols[] = {
    {IPPROTO_ICMP, "icmp"}, {IPPROTO_IGMP, "igmp"},       {IPPROTO_TCP, "tcp"},
    {IPPROTO_UDP, "udp"},   {IPPROTO_DCCP, "dccp"},       {IPPROTO_GRE, "gre"},
    {IPPROTO_ESP, "esp"},   {IPPROTO_ICMPV6, "icmp6"},    {IPPROTO_SCTP, "sctp"},
    {IPPROTO_RAW, "raw"},   {IPPROTO_UDPLITE, "udplite"},
};

const char *protocol_name(uint8_t number)
{
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
        if (protocols[i].number == number)
            return protocols[i].name;
    return NULL;
}

bool is_network(const struct event *ev)
{
    return ev->kind == EVENT_CONTROL && !ev->control.defence &&
           SG_NET_KINDS >> ev->control.kind & 1;
}

bool is_by_name(const struct event *ev)
{
    return is_network(ev) && ev->control.ends.flags & SG_ENDS_NAMED;
}

bool has_other_family(const struct event *ev)
{
    uint16_t family = ev->control.ends.family;

    return ev->kind == EVENT_CONTROL && ev->control.has_ends && family != AF_INET &&
           family != AF_INET6;
}

static struct endpoint_view view_of(const uint8_t address[16], uint16_t port)
{
    if (inet_is_mapped(address))
        return (struct endpoint_view){address + INET_MAPPED_BYTES, AF_INET, port, {}, {}};
    return (struct endpoint_view){address, AF_INET6, port, {}, {}};
}

// Who asks, and whom: a question has no ends of its own.
static struct sg_ends ends_of_dns(const struct dns_record *d)
{
    struct sg_ends e = {
        .local_port = d->local_port,
        .remote_port = d->server_port,
        .family = inet_is_mapped(d->server) ? AF_INET : AF_INET6,
        .protocol = d->tcp ? IPPROTO_TCP : IPPROTO_UDP,
        .flags = SG_ENDS_HAS_LOCAL | SG_ENDS_HAS_REMOTE,
        .net_ns = d->net_ns,
        .cookie = d->cookie,
    };

    memcpy(e.local, d->local, sizeof(e.local));
    memcpy(e.remote, d->server, sizeof(e.remote));
    return e;
}

static void view_answers(const struct dns_record *d, struct network_view *ret)
{
    for (uint32_t i = 0; i < d->n_answers; i++)
        ret->answers[i] = (struct answer_view){view_of(d->answers[i].address, 0),
                                               d->answers[i].ttl_s};
}

static void view_ends(const struct sg_ends *e, bool known, const struct network_event *more,
                      struct network_view *ret)
{
    struct endpoint_view local = view_of(e->local, e->local_port),
                         remote = view_of(e->remote, e->remote_port);
    bool incoming = e->flags & SG_ENDS_INCOMING, own = e->flags & SG_ENDS_HAS_LOCAL,
         other = e->flags & SG_ENDS_HAS_REMOTE;

    remote.name = more->name;
    local.interface = more->interface;
    ret->ends = e;
    ret->local = local;
    ret->remote = remote;
    ret->has_local = known && own;
    ret->has_remote = known && other;
    // Who began is the source. What waits for others is their destination.
    ret->src = incoming ? remote : local;
    ret->dst = incoming || !other ? local : remote;
    ret->has_src = known && (incoming ? other : own && other);
    ret->has_dst = known && (incoming || !other ? own : other);
    ret->direction = incoming || (own && !other) ? 1 : other ? 2 : 0;
}

void ocsf_view_network(const struct event *ev, struct network_view *ret)
{
    const struct network_event *n = ev->network;

    *ret = (struct network_view){};
    if (!n) {
        view_ends(&ev->control.ends, ev->control.has_ends,
                  &(struct network_event){.name = ev->control.name}, ret);
        return;
    }
    ret->flow = n->flow;
    ret->dns = n->dns;
    ret->wide = n->wide;
    ret->unanswered = n->unanswered;
    if (n->dns) {
        ret->asked = ends_of_dns(n->dns);
        view_answers(n->dns, ret);
    }
    view_ends(n->flow ? &n->flow->ends : &ret->asked, true, n, ret);
}

const char *zone_name(const struct endpoint_view *e)
{
    const uint8_t *a = e->address;

    if (e->family == AF_INET) {
        if (a[0] == 127)
            return "loopback";
        if (a[0] == 10 || (a[0] == 172 && a[1] >> 4 == 1) || (a[0] == 192 && a[1] == 168) ||
            (a[0] == 100 && a[1] >> 6 == 1))
            return "private";
        if (a[0] == 169 && a[1] == 254)
            return "link-local";
        if (a[0] >> 4 == 14 || (a[0] & a[1] & a[2] & a[3]) == 255)
            return "multicast";
        return a[0] == 0 ? "any" : a[0] >= 240 ? "reserved" : "public";
    }
    if (a[0] == 0xff)
        return "multicast";
    if (a[0] == 0xfe && a[1] >> 6 == 2)
        return "link-local";
    if (a[0] >> 1 == 0x7e)
        return "private";
    if (a[0] >> 5 == 1 || (a[0] == 0 && a[1] == 0x64 && a[2] == 0xff && a[3] == 0x9b))
        return "public";
    for (size_t i = 0; i < 15; i++)
        if (a[i])
            return "reserved";
    return a[15] == 1 ? "loopback" : a[15] == 0 ? "any" : "reserved";
}

uint8_t boundary_of(const struct endpoint_view *e)
{
    static const struct {
        const char *zone;
        uint8_t boundary;
    } rows[] = {{"loopback", 1}, {"private", 2}, {"link-local", 2}, {"public", 3}};
    const char *zone = zone_name(e);

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (streq(rows[i].zone, zone))
            return rows[i].boundary;
    return 0;
}

void ocsf_put_end(struct out *out, const struct endpoint_view *e)
{
    char buf[INET6_ADDRSTRLEN];

    if (!inet_ntop(e->family, e->address, buf, sizeof(buf)))
        return;
    if (e->family == AF_INET6 && e->port)
        out_char(out, '[');
    out_bytes(out, (struct bytes){buf, (uint32_t)strlen(buf)});
    if (e->family == AF_INET6 && e->port)
        out_char(out, ']');
    if (e->port) {
        out_char(out, ':');
        out_u64(out, e->port);
    }
}

static void put_words(struct out *out, const char *words)
{
    out_bytes(out, (struct bytes){words, (uint32_t)strlen(words)});
}

static void put_view(struct out *out, const struct network_view *n, bool other, bool own)
{
    const char *name = protocol_name(n->ends->protocol);

    if (!n->has_local && !n->has_remote) {
        out_lit(out, "another end");
        return;
    }
    if (other && n->has_remote)
        ocsf_put_end(out, &n->remote);
    if (other && own && n->has_remote && n->has_local)
        out_lit(out, " at ");
    if (own && n->has_local)
        ocsf_put_end(out, &n->local);
    if (name) {
        out_lit(out, " (");
        put_words(out, name);
        out_char(out, ')');
    }
    if (other && n->has_remote && n->remote.name.len) {
        out_lit(out, ", ");
        out_text(out, n->remote.name);
    }
}

void ocsf_put_ends(struct out *out, const struct event *ev, bool other, bool own)
{
    struct network_view n;

    ocsf_view_network(ev, &n);
    put_view(out, &n, other, own);
}

static void put_flow(struct out *out, const struct record_view *v, const struct network_view *n)
{
    const struct sg_flow_sums *sums = &n->flow->sums;
    enum ocsf_object object = (enum ocsf_object)v->op->object;

    put_view(out, n, object != OCSF_OWN_END, object != OCSF_OTHER_END);
    if (n->wide == NETWORK_PORTS)
        out_lit(out, " at several ports");
    if (n->wide == NETWORK_PEERS)
        out_lit(out, " at several addresses");
    if (sums->packets_in || sums->packets_out) {
        out_lit(out, ": ");
        out_u64(out, sums->bytes_out);
        out_lit(out, " bytes out, ");
        out_u64(out, sums->bytes_in);
        out_lit(out, " in");
    }
}

static void put_question(struct out *out, const struct network_view *n)
{
    const struct dns_record *d = n->dns;
    uint16_t rcode = SG_DNS_RCODE(d->header);

    ocsf_put_end(out, &n->remote);
    if (n->wide == NETWORK_NAMES) {
        out_lit(out, " for several names");
        return;
    }
    out_lit(out, " for ");
    out_text(out, d->name_len ? (struct bytes){d->name, d->name_len} : BYTES("."));
    if (dns_type_name(d->qtype)) {
        out_lit(out, " (");
        put_words(out, dns_type_name(d->qtype));
        out_char(out, ')');
    }
    if (n->unanswered)
        out_lit(out, ", and had no answer");
    else if (d->is_answer && rcode) {
        out_lit(out, ": ");
        put_words(out, dns_rcode_name(rcode) ? dns_rcode_name(rcode) : "an error");
    }
    for (uint32_t i = 0; i < d->n_answers; i++) {
        put_words(out, i ? ", " : ": ");
        ocsf_put_end(out, &n->answers[i].end);
    }
}

void ocsf_put_network_sentence(struct out *out, const struct record_view *v)
{
    const struct event *ev = v->ev;
    struct network_view n;

    ocsf_view_network(ev, &n);
    out_bytes(out, v->phrase);
    if (n.flow)
        put_flow(out, v, &n);
    else
        put_question(out, &n);
    if (ev->count > 1) {
        out_lit(out, ", ");
        out_u64(out, ev->count);
        out_lit(out, " times");
    }
}
