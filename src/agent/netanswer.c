// SPDX-License-Identifier: Apache-2.0
//
// What there is to say of the network now, as JSON: for `safeguard net`, for a server, and in the status.
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/inet.h"
#include "base/jsonget.h"
#include "flows/diag.h"

#define ROWS_USUAL 200u
#define ROWS_MAX   5000u

// Of a connection over TCP that goes on, as it is at this moment.
struct now {
    struct map *rows; // by ends: struct diag_row *
};

struct answer {
    struct now now;
    struct agent *a;
    struct jw *jw;
    size_t max; // bytes
    uint64_t left;
    uint64_t more; // rows that were left out
};

static void put_address(struct jw *jw, const char *key, const uint8_t address[16])
{
    bool v4 = inet_is_mapped(address);
    char buf[INET6_ADDRSTRLEN];

    if (inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? address + INET_MAPPED_BYTES : address, buf,
                  sizeof(buf)))
        jw_kv_str(jw, key, buf);
}

static void put_text(struct jw *jw, const char *key, const char *s)
{
    if (s && *s)
        jw_kv_str(jw, key, s);
}

static uint64_t real_ms(const struct agent *a, uint64_t boot_ns)
{
    return boottime_to_realtime_ns(boot_ns, a->records.realtime_offset_ns) / NS_PER_MS;
}

// Room for a row? It is counted when there is none.
static bool has_room(struct answer *to)
{
    if (to->left == 0 || to->jw->out->len >= to->max) {
        to->more++;
        return false;
    }
    to->left--;
    return true;
}

static void put_ends(struct jw *jw, const struct sg_ends *e)
{
    jw_kv_u64(jw, "protocol", e->protocol);
    jw_kv_bool(jw, "incoming", e->flags & SG_ENDS_INCOMING);
    if (e->flags & SG_ENDS_HAS_LOCAL) {
        put_address(jw, "local", e->local);
        jw_kv_u64(jw, "local_port", e->local_port);
    }
    if (e->flags & SG_ENDS_HAS_REMOTE) {
        put_address(jw, "remote", e->remote);
        jw_kv_u64(jw, "remote_port", e->remote_port);
    }
}

static void put_who(struct agent *a, struct jw *jw, const struct process_ref *ref,
                    const char *program)
{
    const struct who *who = ref->tgid ? process_table_who(a->processes, ref) : NULL;

    if (ref->tgid) {
        jw_kv_u64(jw, "pid", ref->tgid);
        processlist_uid_json(a, "process_uid", ref, jw);
    }
    if (who && who->exe.len)
        jw_kv_strn(jw, "program", who->exe.s, who->exe.len);
    else if (program && *program)
        jw_kv_str(jw, "program", program);
    else if (who && who->comm.len)
        jw_kv_strn(jw, "program", who->comm.s, who->comm.len);
    if (who && who->user.len)
        jw_kv_strn(jw, "user", who->user.s, who->user.len);
    if (who && who->container_id.len)
        jw_kv_strn(jw, "container", who->container_id.s, who->container_id.len);
}

static void put_sums(struct jw *jw, const struct sg_flow_sums *s)
{
    jw_kv_u64(jw, "bytes_out", s->bytes_out);
    jw_kv_u64(jw, "bytes_in", s->bytes_in);
    jw_kv_u64(jw, "packets_out", s->packets_out);
    jw_kv_u64(jw, "packets_in", s->packets_in);
}

// known: its sums are, though it goes on.
static void put_flow(struct answer *to, const struct flow *f, bool known, const char *program,
                     const char *name)
{
    const struct process_ref ref = {f->who.tgid, f->who.start_ns};
    bool ended = flow_is_end(f);
    struct jw *jw = to->jw;

    jw_begin_object(jw);
    jw_kv_str(jw, "type", flow_type_name(f->type));
    if (ended)
        jw_kv_str(jw, "reason", flow_reason_name(f->reason));
    put_who(to->a, jw, &ref, program);
    put_ends(jw, &f->ends);
    put_text(jw, "name", name);
    put_text(jw, "peer_program", net_recent_peer(to->a->net.recent, f));
    if (f->begin_ns)
        jw_kv_u64(jw, "begin_ms", real_ms(to->a, f->begin_ns));
    if (ended)
        jw_kv_u64(jw, "end_ms", real_ms(to->a, f->last_ns));
    if (ended || f->datagrams || known)
        put_sums(jw, &f->sums);
    if (f->rtt_us)
        jw_kv_u64(jw, "rtt_us", f->rtt_us);
    if (f->retransmits)
        jw_kv_u64(jw, "retransmits", f->retransmits);
    if (f->error)
        jw_kv_str(jw, "error", strerrorname_np((int)f->error));
    jw_end_object(jw);
}

static size_t ends_key(const uint8_t local[16], uint16_t local_port, const uint8_t remote[16],
                       uint16_t remote_port, uint8_t ret[36])
{
    memcpy(ret, local, 16);
    memcpy(ret + 16, remote, 16);
    memcpy(ret + 32, &local_port, 2);
    memcpy(ret + 34, &remote_port, 2);
    return 36;
}

static int on_row(void *ctx, const struct diag_row *row)
{
    struct now *now = ctx;
    struct diag_row *copy = new0(struct diag_row, 1);
    uint8_t key[36];
    size_t len = ends_key(row->local, row->local_port, row->remote, row->remote_port, key);

    if (!copy)
        return -ENOMEM;
    *copy = *row;
    if (map_put_mem(now->rows, key, len, copy) < 0)
        free(copy);
    return 0;
}

// The kernel tells the sums of a connection when it ends. Until then it is asked; of other network namespaces nothing is known.
static bool fill_now(const struct answer *to, const struct flow *f, struct flow *ret)
{
    const struct sg_ends *e = &f->ends;
    const struct diag_row *row;
    uint8_t key[36];
    size_t len = ends_key(e->local, e->local_port, e->remote, e->remote_port, key);

    if (f->datagrams || (to->a->host.net_ns && e->net_ns != to->a->host.net_ns))
        return false;
    row = to->now.rows ? map_get_mem(to->now.rows, key, len) : NULL;
    if (!row)
        return false;
    *ret = *f;
    ret->sums = row->sums;
    ret->rtt_us = row->rtt_us;
    ret->retransmits = row->retransmits;
    return true;
}

static int on_live(void *ctx, const struct flow *f)
{
    struct answer *to = ctx;
    struct net *n = &to->a->net;
    struct sg_flow_key key;
    struct flow filled;
    bool known = fill_now(to, f, &filled);

    if (!has_room(to))
        return 0;
    flow_key_of(f, &key);
    put_flow(to, known ? &filled : f, known, NULL,
             map_get_mem(n->names, &key, f->datagrams ? sizeof(key) : sizeof(key.socket)));
    return 0;
}

static int answer_flows(struct answer *to)
{
    const struct net *n = &to->a->net;
    const struct net_closed *c;
    int r = 0;

    jw_kv_array(to->jw, "live");
    // Without an answer of the kernel's there is a list without numbers.
    if (map_new(MAP_STR, DIAG_ROWS_MAX, free, &to->now.rows) == 0)
        (void)diag_read(on_row, &to->now);
    if (n->flows)
        r = flows_each(n->flows, on_live, to);
    to->now.rows = map_free(to->now.rows);
    jw_end_array(to->jw);
    jw_kv_array(to->jw, "closed");
    for (size_t i = 0; (c = net_recent_closed(n->recent, i)); i++)
        if (has_room(to))
            put_flow(to, &c->flow, true, c->program, c->name);
    jw_end_array(to->jw);
    return r;
}

static void put_question(struct answer *to, const struct net_asked *q)
{
    const struct dns_record *d = &q->record;
    struct jw *jw = to->jw;
    const char *word;

    jw_begin_object(jw);
    jw_kv_u64(jw, "time_ms", real_ms(to->a, d->time_ns));
    jw_kv_strn(jw, "name", d->name, d->name_len);
    word = dns_type_name(d->qtype);
    put_text(jw, "type", word);
    jw_kv_u64(jw, "type_number", d->qtype);
    put_who(to->a, jw, &d->process, q->program);
    put_address(jw, "server", d->server);
    jw_kv_u64(jw, "server_port", d->server_port);
    jw_kv_bool(jw, "answered", d->is_answer);
    if (d->is_answer) {
        word = dns_rcode_name(SG_DNS_RCODE(d->header));
        jw_kv_str(jw, "rcode", word ? word : "Unassigned");
        jw_kv_u64(jw, "duration_us", d->duration_ns / NS_PER_US);
    }
    jw_kv_array(jw, "answers");
    for (uint32_t i = 0; i < d->n_answers; i++) {
        jw_begin_object(jw);
        put_address(jw, "address", d->answers[i].address);
        jw_kv_u64(jw, "ttl", d->answers[i].ttl_s);
        jw_end_object(jw);
    }
    jw_end_array(jw);
    jw_end_object(jw);
}

static int answer_dns(struct answer *to)
{
    const struct net_asked *q;

    jw_kv_array(to->jw, "questions");
    for (size_t i = 0; (q = net_recent_question(to->a->net.recent, i)); i++)
        if (has_room(to))
            put_question(to, q);
    jw_end_array(to->jw);
    return 0;
}

static void put_drop(struct answer *to, const struct drop *d)
{
    struct jw *jw = to->jw;

    jw_begin_object(jw);
    put_text(jw, "reason", d->reason);
    put_text(jw, "place", d->place);
    jw_kv_u64(jw, "protocol", d->key.protocol);
    jw_kv_u64(jw, "ethertype", d->key.ethertype);
    jw_kv_u64(jw, "service", d->key.service);
    jw_kv_u64(jw, "packets", d->value.packets);
    jw_kv_u64(jw, "bytes", d->value.bytes);
    jw_kv_u64(jw, "first_ms", real_ms(to->a, d->value.first_ns));
    jw_kv_u64(jw, "last_ms", real_ms(to->a, d->value.last_ns));
    // Of the one that came first.
    put_address(jw, "source", d->value.source);
    put_address(jw, "destination", d->value.destination);
    jw_end_object(jw);
}

static int answer_drops(struct answer *to)
{
    _cleanup_(drops_done) struct drops drops = {};
    int r = to->a->net.flows ? flows_drops(to->a->net.flows, &drops) : 0;

    if (r < 0)
        return r;
    jw_kv_array(to->jw, "drops");
    for (size_t i = 0; i < drops.n; i++)
        if (has_room(to))
            put_drop(to, &drops.items[i]);
    jw_end_array(to->jw);
    return 0;
}

static int answer_forwarded(struct answer *to)
{
    _cleanup_(forwards_done) struct forwards list = {};
    int r = to->a->net.flows ? flows_forwards(to->a->net.flows, &list) : 0;
    struct jw *jw = to->jw;

    if (r < 0)
        return r;
    jw_kv_array(jw, "forwarded");
    for (size_t i = 0; i < list.n; i++) {
        const struct forward *f = &list.items[i];

        if (!has_room(to))
            continue;
        jw_begin_object(jw);
        put_address(jw, "source", f->key.source);
        put_address(jw, "destination", f->key.destination);
        jw_kv_u64(jw, "protocol", f->key.protocol);
        jw_kv_u64(jw, "service", f->key.service);
        jw_kv_bool(jw, "other_namespace",
                   to->a->host.net_ns && f->key.net_ns != to->a->host.net_ns);
        jw_kv_u64(jw, "packets", f->value.packets);
        jw_kv_u64(jw, "bytes", f->value.bytes);
        jw_kv_u64(jw, "first_ms", real_ms(to->a, f->value.first_ns));
        jw_kv_u64(jw, "last_ms", real_ms(to->a, f->value.last_ns));
        jw_end_object(jw);
    }
    jw_end_array(jw);
    return 0;
}

static int answer_map(struct answer *to)
{
    const struct net_edge *e;
    struct jw *jw = to->jw;

    jw_kv_array(jw, "edges");
    for (size_t i = 0; (e = net_recent_edge(to->a->net.recent, i)); i++) {
        if (!has_room(to))
            continue;
        jw_begin_object(jw);
        put_text(jw, "program", e->program);
        put_text(jw, "peer_program", e->peer_program);
        put_text(jw, "name", e->name);
        put_address(jw, "peer", e->peer);
        jw_kv_u64(jw, "port", e->port);
        jw_kv_u64(jw, "protocol", e->protocol);
        jw_kv_bool(jw, "incoming", e->incoming);
        jw_kv_u64(jw, "flows", e->flows);
        jw_kv_u64(jw, "failed", e->failed);
        put_sums(jw, &e->sums);
        jw_kv_u64(jw, "last_ms", real_ms(to->a, e->last_ns));
        jw_end_object(jw);
    }
    jw_end_array(jw);
    jw_kv_u64(jw, "edges_gone", net_recent_edges_gone(to->a->net.recent));
    return 0;
}

static const struct {
    const char *what;
    int (*answer)(struct answer *to);
    bool dns; // of that setting; else of `flows`
} answers[] = {
    {"flows", answer_flows, false},         {"dns", answer_dns, true},
    {"drops", answer_drops, false},         {"map", answer_map, false},
    {"forwarded", answer_forwarded, false},
};

static void put_state(const struct agent *a, struct jw *jw)
{
    const struct net *n = &a->net;

    jw_kv_u64(jw, "now_ms", now_ns(CLOCK_REALTIME) / NS_PER_MS);
    jw_kv_bool(jw, "flows", n->flows != NULL);
    jw_kv_bool(jw, "dns", n->dns != NULL);
    status_error(jw, "flows_error", &n->flows_part.error);
    status_error(jw, "dns_error", &n->dns_part.error);
}

static int check_on(const struct agent *a, bool dns, struct error *err)
{
    if (dns ? a->config.dns == CONFIG_DNS_ON : a->config.flows == CONFIG_FLOWS_ON)
        return 0;
    (void)error_set(err, -EPERM, "the setting `%s` is off", dns ? "dns" : "flows");
    error_cure(err, "%s: on in agent.yaml, and start the agent anew", dns ? "dns" : "flows");
    return -EPERM;
}

bool net_is_on(const struct agent *a, struct json_object *args, struct error *err)
{
    return check_on(a, streq(json_get_str(args, "what", "flows"), "dns"), err) == 0;
}

int net_answer(struct agent *a, struct json_object *args, size_t max, struct jw *result,
               struct error *err)
{
    const char *what = json_get_str(args, "what", "flows");
    struct answer to = {
        .a = a,
        .jw = result,
        .max = max,
        .left = MIN(json_get_u64(args, "limit", ROWS_USUAL), (uint64_t)ROWS_MAX),
    };
    int r;

    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        if (!streq(answers[i].what, what))
            continue;
        r = check_on(a, answers[i].dns, err);
        if (r < 0)
            return r;
        jw_begin_object(result);
        put_state(a, result);
        r = answers[i].answer(&to);
        jw_kv_u64(result, "more", to.more);
        jw_end_object(result);
        return r < 0 ? error_set(err, r, "%m") : 0;
    }
    return error_set(err, -EINVAL, "'%.40s' is nothing that the network is asked for", what);
}

static void put_flow_counts(const struct net *n, struct jw *jw)
{
    struct flows_counts c;

    if (!n->flows || flows_counts(n->flows, &c) < 0)
        return;
    jw_kv_u64(jw, "live", c.live);
    jw_kv_u64(jw, "connections", c.kernel.connections);
    jw_kv_u64(jw, "datagram_flows", c.kernel.flows);
    put_text(jw, "not_seen", flows_absent(n->flows));
}

static void put_dns_counts(const struct net *n, struct jw *jw)
{
    struct dns_counts c;

    if (!n->dns || dns_counts(n->dns, &c) < 0)
        return;
    jw_kv_u64(jw, "questions", c.kernel[SG_DNS_COUNT_QUESTIONS]);
    jw_kv_u64(jw, "answers", c.kernel[SG_DNS_COUNT_ANSWERS]);
    jw_kv_u64(jw, "unanswered", n->unanswered);
    jw_kv_u64(jw, "names_learnt", c.kernel[SG_DNS_COUNT_LEARNT]);
    jw_kv_u64(jw, "answers_unasked", c.kernel[SG_DNS_COUNT_UNASKED]);
}

void net_json(const struct agent *a, struct jw *jw)
{
    const struct net *n = &a->net;
    struct net_merge_counts merge;

    jw_begin_object(jw);
    jw_kv_bool(jw, "flows", n->flows != NULL);
    status_error(jw, "flows_error", &n->flows_part.error);
    put_flow_counts(n, jw);
    jw_kv_bool(jw, "dns", n->dns != NULL);
    status_error(jw, "dns_error", &n->dns_part.error);
    put_dns_counts(n, jw);
    net_merge_counts(n->merge, &merge);
    jw_kv_u64(jw, "records", n->seq);
    jw_kv_u64(jw, "merged", merge.merged);
    jw_kv_u64(jw, "merged_without_port_or_name", merge.wide);
    jw_kv_u64(jw, "merged_without_process", merge.nobody);
    jw_kv_u64(jw, "loopback_left_out", n->left_out);
    jw_kv_u64(jw, "names_forgotten", n->names_full);
    jw_kv_u64(jw, "questions_told_at_once", n->pending_full);
    jw_end_object(jw);
}

void net_problems(const struct agent *a, uplink_problem_fn fn, void *ctx)
{
    const struct net *n = &a->net;

    if (error_is_set(&n->flows_part.error))
        fn(ctx, "medium", n->flows_part.error.cure, n->flows_part.error.what);
    if (n->flows && *flows_absent(n->flows))
        fn(ctx, "low", NULL,
           "some flows are not seen: this kernel lacks a place for their programs");
    if (error_is_set(&n->dns_part.error))
        fn(ctx, n->by_names ? "critical" : "medium", n->dns_part.error.cure,
           n->dns_part.error.what);
}
