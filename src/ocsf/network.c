// SPDX-License-Identifier: Apache-2.0
//
// Records of sockets: both ends as OCSF has them, and as people write them: "curl (pid 7) was not allowed to connect to
// 10.0.0.1:443 (tcp)".
#include <arpa/inet.h>
#include <string.h>

#include "base/inet.h"
#include "base/macro.h"
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
        return (struct endpoint_view){address + INET_MAPPED_BYTES, AF_INET, port, {}};
    return (struct endpoint_view){address, AF_INET6, port, {}};
}

void ocsf_view_network(const struct event *ev, struct network_view *ret)
{
    const struct sg_ends *e = &ev->control.ends;
    struct endpoint_view local = view_of(e->local, e->local_port),
                         remote = view_of(e->remote, e->remote_port);
    remote.name = ev->control.name;
    bool incoming = e->flags & SG_ENDS_INCOMING, own = e->flags & SG_ENDS_HAS_LOCAL,
         other = e->flags & SG_ENDS_HAS_REMOTE, known = ev->control.has_ends;

    *ret = (struct network_view){
        .ends = e,
        .local = local,
        .remote = remote,
        .has_local = known && own,
        .has_remote = known && other,
        // Who began is the source. What waits for others is their destination.
        .src = incoming ? remote : local,
        .dst = incoming || !other ? local : remote,
        .has_src = known && (incoming ? other : own && other),
        .has_dst = known && (incoming || !other ? own : other),
        .direction = incoming || (own && !other) ? 1
                     : other                     ? 2
                                                 : 0,
    };
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

void ocsf_put_ends(struct out *out, const struct event *ev, bool other, bool own)
{
    struct network_view n;
    const char *name;

    ocsf_view_network(ev, &n);
    if (!n.has_local && !n.has_remote) {
        out_lit(out, "another end");
        return;
    }
    if (other && n.has_remote) {
        if (n.remote.name.len) {
            out_text(out, n.remote.name);
            out_lit(out, " at ");
        }
        ocsf_put_end(out, &n.remote);
    }
    if (other && own && n.has_remote && n.has_local)
        out_lit(out, " at ");
    if (own && n.has_local)
        ocsf_put_end(out, &n.local);
    name = protocol_name(n.ends->protocol);
    if (name) {
        out_lit(out, " (");
        out_bytes(out, (struct bytes){name, (uint32_t)strlen(name)});
        out_char(out, ')');
    }
}
