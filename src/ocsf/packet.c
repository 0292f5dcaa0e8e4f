// SPDX-License-Identifier: Apache-2.0
//
// Records of packets that rules have decided: "dropped 12 packets from 10.0.0.7:4711 to 10.0.0.1:22 (tcp) that came in by eth0".
#include <arpa/inet.h>
#include <string.h>

#include "base/clock.h"
#include "base/inet.h"
#include "base/json.h"
#include "base/macro.h"
#include "ocsf/network.h"
#include "ocsf/ocsf.h"

// What became of packets: in the framework's numbers, and in words. Without the decision: `would`.
static const struct verdict {
    const char *name, *past, *would;
    uint8_t activity;
    const char *activity_name;
    uint8_t severity, status, action, disposition;
    const char *action_name, *disposition_name;
} verdicts[SG_PACKET_VERDICTS] = {
    [SG_PACKET_PASSED] = {"passed", "let through", "would have let through", 6, "Traffic", 1, 1, 3,
                          17, "Observed", "Logged"},
    [SG_PACKET_DROPPED] = {"dropped", "dropped", "would have dropped", 5, "Refuse", 3, 2, 2, 2,
                           "Denied", "Blocked"},
    [SG_PACKET_LIMITED] = {"limited", "dropped for its rate", "would have dropped for its rate", 5,
                           "Refuse", 3, 2, 2, 2, "Denied", "Blocked"},
    [SG_PACKET_CHANGED] = {"changed", "changed", "would have changed", 6, "Traffic", 1, 1, 3, 17,
                           "Observed", "Logged"},
    [SG_PACKET_ROUTED] = {"routed", "sent another way", "would have sent another way", 6, "Traffic",
                          1, 1, 3, 17, "Observed", "Logged"},
    [SG_PACKET_REFUSED] = {"refused", "dropped, since it could not be handled as the rule says,",
                           "", 5, "Refuse", 3, 2, 2, 2, "Denied", "Blocked"},
};

struct end {
    char ip[INET6_ADDRSTRLEN];
    const char *zone;
    uint16_t port;
};

static struct end end_of(const uint8_t addr[16], uint16_t port)
{
    bool four = inet_is_mapped(addr);
    const struct endpoint_view view = {four ? addr + INET_MAPPED_BYTES : addr,
                                       four ? AF_INET : AF_INET6, port};
    struct end e = {.zone = zone_name(&view), .port = port};

    (void)inet_ntop(view.family, view.address, e.ip, sizeof(e.ip));
    return e;
}

static void put_endpoint(struct jw *jw, const char *key, const struct end *e)
{
    jw_kv_object(jw, key);
    jw_kv_str(jw, "ip", e->ip);
    if (e->port)
        jw_kv_u64(jw, "port", e->port);
    jw_kv_str(jw, "zone", e->zone);
    jw_end_object(jw);
}

static void put_end_text(struct strbuf *sb, const struct end *e)
{
    bool six = strchr(e->ip, ':') != NULL;

    sb_printf(sb, "%s%s%s", six && e->port ? "[" : "", e->ip, six && e->port ? "]" : "");
    if (e->port)
        sb_printf(sb, ":%u", e->port);
}

// What is told by, and what was done.
static void put_decision(struct jw *jw, const struct verdict *v, bool monitor)
{
    jw_kv_u64(jw, "activity_id", v->activity);
    jw_kv_str(jw, "activity_name", v->activity_name);
    jw_kv_u64(jw, "category_uid", 4);
    jw_kv_u64(jw, "class_uid", 4001);
    jw_kv_u64(jw, "type_uid", 400100u + v->activity);
    jw_kv_u64(jw, "severity_id", monitor && v->severity > 1 ? 2 : v->severity);
    jw_kv_u64(jw, "status_id", monitor ? 1 : v->status);
    jw_kv_u64(jw, "action_id", monitor ? 3 : v->action);
    jw_kv_str(jw, "action", monitor ? "Observed" : v->action_name);
    jw_kv_u64(jw, "disposition_id", monitor && v->status == 2 ? 15 : v->disposition);
    jw_kv_str(jw, "disposition", monitor && v->status == 2 ? "Detected" : v->disposition_name);
    jw_kv_bool(jw, "is_alert", v->status == 2);
}

static void put_host(struct jw *jw, const struct host *h, const struct ocsf_packet *p)
{
    char uid[160];

    jw_kv_object(jw, "device");
    jw_kv_str(jw, "hostname", h->hostname);
    jw_kv_u64(jw, "type_id", 0);
    if (h->machine_id[0])
        jw_kv_str(jw, "uid", h->machine_id);
    jw_kv_object(jw, "os");
    jw_kv_str(jw, "name", h->os_name);
    jw_kv_u64(jw, "type_id", 200);
    jw_end_object(jw);
    jw_end_object(jw);
    (void)snprintf(uid, sizeof(uid), "%s:%llu:packets:0:%llu", h->boot_id,
                   (unsigned long long)p->run, (unsigned long long)p->number);
    jw_kv_object(jw, "metadata");
    jw_kv_str(jw, "version", OCSF_VERSION);
    jw_kv_array(jw, "profiles");
    jw_cstr(jw, "host");
    jw_cstr(jw, "security_control");
    jw_end_array(jw);
    jw_kv_object(jw, "product");
    jw_kv_str(jw, "name", "safeguard");
    jw_kv_str(jw, "vendor_name", "safeguard");
    jw_kv_str(jw, "version", SAFEGUARD_VERSION);
    jw_end_object(jw);
    jw_kv_str(jw, "uid", uid);
    jw_end_object(jw);
    (void)snprintf(uid, sizeof(uid), "%s:0:0", h->boot_id);
    jw_kv_object(jw, "actor");
    jw_kv_object(jw, "process");
    jw_kv_u64(jw, "pid", 0);
    jw_kv_str(jw, "uid", uid);
    jw_kv_str(jw, "name", "kernel");
    jw_end_object(jw);
    jw_end_object(jw);
}

static void put_rule(struct jw *jw, const struct ocsf_packet *p, const struct verdict *v)
{
    const struct packet_event *e = p->event;
    const struct sg_packet_record *r = &e->record;
    char number[16];

    (void)snprintf(number, sizeof(number), "%u", p->policy_id);
    jw_kv_object(jw, "policy");
    jw_kv_str(jw, "name", e->rule->policy);
    jw_kv_str(jw, "uid", number);
    jw_end_object(jw);
    jw_kv_object(jw, "unmapped");
    jw_kv_str(jw, "mode", r->kind.monitor ? "monitor" : "enforce");
    jw_kv_u64(jw, "rule_line", e->rule->line);
    if (e->interface[0])
        jw_kv_str(jw, "interface", e->interface);
    jw_kv_u64(jw, "packets", r->packets);
    jw_kv_u64(jw, "bytes", r->bytes);
    jw_kv_u64(jw, "length", r->length);
    jw_kv_str(jw, "packet_verdict", v->name);
    jw_end_object(jw);
}

static void put_message(struct jw *jw, const struct ocsf_packet *p, const struct verdict *v,
                        const struct end *src, const struct end *dst)
{
    const struct sg_packet_record *r = &p->event->record;
    const char *protocol = protocol_name(r->kind.protocol);
    _cleanup_(sb_done) struct strbuf sb = {};

    sb_printf(&sb, "%s ", r->kind.monitor && v->would[0] ? v->would : v->past);
    if (r->packets == 1)
        sb_puts(&sb, "a packet from ");
    else
        sb_printf(&sb, "%llu packets from ", (unsigned long long)r->packets);
    put_end_text(&sb, src);
    sb_puts(&sb, " to ");
    put_end_text(&sb, dst);
    if (protocol)
        sb_printf(&sb, " (%s)", protocol);
    sb_printf(&sb, " %s", r->kind.direction == SG_PACKET_IN ? "that came in" : "that went out");
    if (p->event->interface[0])
        sb_printf(&sb, " by %s", p->event->interface);
    sb_printf(&sb, " (rule %s:%u)", p->event->rule->policy, p->event->rule->line);
    jw_kv_strn(jw, "message", sb_str(&sb), sb.len);
}

int ocsf_packet(const struct host *host, const struct ocsf_packet *p, struct strbuf *out)
{
    const struct sg_packet_record *r = &p->event->record;
    const struct verdict *v = &verdicts[r->kind.verdict < SG_PACKET_VERDICTS ? r->kind.verdict : 0];
    struct end src = end_of(r->kind.src, r->sport), dst = end_of(r->kind.dst, r->kind.port);
    const char *protocol = protocol_name(r->kind.protocol);
    size_t before = out->len;
    struct jw jw;
    int e;

    jw_init(&jw, out);
    jw_begin_object(&jw);
    put_decision(&jw, v, r->kind.monitor);
    put_host(&jw, host, p);
    jw_kv_u64(&jw, "time", p->first_realtime_ns / NS_PER_MS);
    if (r->packets > 1) {
        jw_kv_u64(&jw, "count", r->packets);
        jw_kv_u64(&jw, "start_time", p->first_realtime_ns / NS_PER_MS);
        jw_kv_u64(&jw, "end_time", p->realtime_ns / NS_PER_MS);
    }
    put_message(&jw, p, v, &src, &dst);
    put_endpoint(&jw, "src_endpoint", &src);
    put_endpoint(&jw, "dst_endpoint", &dst);
    jw_kv_object(&jw, "connection_info");
    jw_kv_u64(&jw, "direction_id", r->kind.direction == SG_PACKET_IN ? 1 : 2);
    jw_kv_u64(&jw, "protocol_num", r->kind.protocol);
    if (protocol)
        jw_kv_str(&jw, "protocol_name", protocol);
    jw_end_object(&jw);
    put_rule(&jw, p, v);
    jw_end_object(&jw);
    e = jw_finish(&jw);
    if (e < 0)
        out->len = before;
    return e;
}
