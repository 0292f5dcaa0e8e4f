// SPDX-License-Identifier: Apache-2.0
#include "agent/net.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/inet.h"
#include "base/log.h"

// By what a flow that goes on is known: of a connection its socket, of datagrams their ends as well.
static size_t key_of(const struct flow *f, struct sg_flow_key *ret)
{
    flow_key_of(f, ret);
    return f->datagrams ? sizeof(*ret) : sizeof(ret->socket);
}

static struct bytes text(const char *s)
{
    return (struct bytes){s, s ? (uint32_t)strlen(s) : 0};
}

// Who it is for people: the path, or what the kernel calls it.
static struct bytes program_of(const struct who *who)
{
    return !who ? (struct bytes){} : who->exe.len ? who->exe : who->comm;
}

// An event of this kind and process; the rest is the caller's. On loan until the next one.
static struct event *begin_event(struct agent *a, enum event_kind kind,
                                 const struct process_ref *ref, uint32_t uid)
{
    static const char nobody[] = "unknown";
    struct event *ev = a->net.event;
    struct event_process *p = &ev->process;

    event_reset(ev);
    ev->kind = kind;
    ev->ring = EVENT_RING_NETWORK;
    ev->count = 1;
    ev->rule_index = SG_RULE_NONE;
    p->ref = *ref;
    p->tid = ref->tgid;
    p->uid = p->euid = uid;
    p->login_uid = p->session_id = ID_NONE;
    ev->who = ref->tgid ? process_table_who(a->processes, ref) : NULL;
    if (ev->who) {
        p->comm_len = (uint8_t)MIN(ev->who->comm.len, (uint32_t)sizeof(p->comm));
        memcpy(p->comm, ev->who->comm.s, p->comm_len);
    } else {
        p->comm_len = sizeof(nobody) - 1;
        memcpy(p->comm, nobody, p->comm_len);
    }
    return ev;
}

static void set_times(const struct agent *a, struct event *ev, uint64_t first_ns, uint64_t last_ns)
{
    ev->time_ns = last_ns;
    ev->first_ns = first_ns;
    ev->realtime_ns = boottime_to_realtime_ns(last_ns, a->records.realtime_offset_ns);
    ev->first_realtime_ns = boottime_to_realtime_ns(first_ns, a->records.realtime_offset_ns);
}

// The number of an interface is one of its own network namespace.
static struct bytes interface_of(const struct agent *a, const struct sg_ends *ends,
                                 char buf[IF_NAMESIZE])
{
    if (!ends->ifindex || (a->host.net_ns && ends->net_ns != a->host.net_ns))
        return (struct bytes){};
    return text(if_indextoname(ends->ifindex, buf));
}

// Numbered here, so that a number that is missing somewhere is a record that is.
static void tell(struct agent *a, struct event *ev, const struct network_event *network)
{
    ev->network = network;
    ev->seq = ++a->net.seq;
    records_put(a, ev);
    ev->network = NULL;
}

static void tell_flow(struct agent *a, struct event *ev, struct network_event *network)
{
    const struct flow *f = network->flow;
    char interface[IF_NAMESIZE];

    network->interface = interface_of(a, &f->ends, interface);
    ev->error = f->error;
    tell(a, ev, network);
}

// Each ring has an order of its own: that a process had become another program before it connected is known once the records of
// that time are read.
static void read_lives(struct agent *a, uint64_t time_ns)
{
    if (time_ns < a->net.drained_ns)
        return;
    a->net.drained_ns = now_ns(CLOCK_BOOTTIME);
    records_drain(a);
}

static bool is_local(const struct sg_ends *ends)
{
    return ends->flags & SG_ENDS_HAS_REMOTE
               ? inet_is_loopback(ends->remote) || memcmp(ends->local, ends->remote, 16) == 0
               : ends->flags & SG_ENDS_HAS_LOCAL && inet_is_loopback(ends->local);
}

// The name that the other end was learnt by, looked up when the flow begins: when it ends the name may be over. Datagrams begin with
// a record of ours only when they end, so that theirs is looked up then at the latest.
static struct bytes name_of(struct agent *a, const struct flow *f)
{
    struct dns_name names[SG_NAMES_MAX];
    struct net *n = &a->net;
    struct sg_flow_key key;
    size_t len = key_of(f, &key);
    char *known = map_get_mem(n->names, &key, len);

    if (known || !n->dns || !(f->ends.flags & SG_ENDS_HAS_REMOTE) ||
        !dns_names_of(n->dns, f->ends.remote, names))
        return text(known);
    known = xstrndup(names[0].name, SG_NET_NAME_MAX);
    if (known && map_put_mem(n->names, &key, len, known) < 0) {
        free(known);
        known = NULL;
        n->names_full++;
    }
    return text(known);
}

static void forget_name(struct agent *a, const struct flow *f)
{
    struct sg_flow_key key;
    size_t len = key_of(f, &key);

    (void)map_delete_mem(a->net.names, &key, len);
}

// Is it one of those that records are written of? What begins with datagrams is told when it ends, with what was sent.
static bool is_told(struct agent *a, const struct flow *f)
{
    if (f->type == SG_FLOW_BEGIN)
        return false;
    if (!a->config.flows_loopback && is_local(&f->ends)) {
        a->net.left_out++;
        return false;
    }
    return net_merge_flow(a->net.merge, f, now_ns(CLOCK_BOOTTIME));
}

static int on_flow(void *ctx, const struct flow *f)
{
    struct agent *a = ctx;
    const struct process_ref ref = {f->who.tgid, f->who.start_ns};
    struct network_event network = {.flow = f};
    struct bytes program;
    struct event *ev;
    bool begins;

    read_lives(a, f->last_ns);
    ev = begin_event(a, EVENT_FLOW, &ref, f->who.uid);
    program = program_of(ev->who);
    begins = f->type == SG_FLOW_CONNECT || f->type == SG_FLOW_ACCEPT || f->type == SG_FLOW_BEGIN;
    // A socket is known by its address, which may have been another's whose end was lost.
    if (begins)
        forget_name(a, f);
    network.name = name_of(a, f);
    if (begins)
        net_recent_open(a->net.recent, f, program);
    if (f->type == SG_FLOW_CLOSE || f->type == SG_FLOW_END)
        net_recent_end(a->net.recent, f, program, network.name);
    if (is_told(a, f)) {
        set_times(a, ev, f->begin_ns ? f->begin_ns : f->last_ns, f->last_ns);
        tell_flow(a, ev, &network);
    }
    if (flow_is_end(f))
        forget_name(a, f);
    return 0;
}

static void write_dns(struct agent *a, const struct dns_record *d, bool unanswered,
                      enum network_wide wide, const struct net_merged *merged)
{
    struct network_event network = {.dns = d, .unanswered = unanswered, .wide = wide};
    struct event *ev = begin_event(a, EVENT_DNS, &d->process, d->uid);

    if (!merged) {
        net_recent_asked(a->net.recent, d, unanswered, program_of(ev->who));
        if (!net_merge_dns(a->net.merge, d, unanswered, now_ns(CLOCK_BOOTTIME)))
            return;
        set_times(a, ev, d->time_ns, d->time_ns);
    } else {
        ev->count = (uint32_t)MIN(merged->count, (uint64_t)UINT32_MAX);
        set_times(a, ev, merged->first_ns, merged->last_ns);
    }
    tell(a, ev, &network);
}

// What a question and its answer are told by.
static size_t question_key(const struct dns_record *d, uint8_t ret[64])
{
    uint8_t *at = ret;

    memcpy(at, &d->cookie, 8);
    memcpy(at + 8, d->server, 16);
    memcpy(at + 24, &d->server_port, 2);
    memcpy(at + 26, &d->id, 2);
    memcpy(at + 28, &d->qtype, 2);
    return 30;
}

static void take_question(struct agent *a, const struct dns_record *d)
{
    struct net *n = &a->net;
    struct dns_record *copy = new0(struct dns_record, 1);
    uint8_t key[64];
    size_t len = question_key(d, key);

    if (copy) {
        *copy = *d;
        if (map_set_mem(n->pending, key, len, copy) == 0)
            return;
        free(copy);
    }
    // Nobody can wait for its answer: it is told without.
    n->pending_full++;
    write_dns(a, d, false, NETWORK_ONE, NULL);
}

static int on_dns(void *ctx, const struct dns_record *d)
{
    struct agent *a = ctx;
    uint8_t key[64];
    size_t len;

    // For the rules alone: no records are asked for.
    if (a->config.dns != CONFIG_DNS_ON)
        return 0;
    read_lives(a, d->time_ns);
    if (!d->is_answer) {
        take_question(a, d);
        return 0;
    }
    len = question_key(d, key);
    (void)map_delete_mem(a->net.pending, key, len);
    write_dns(a, d, false, NETWORK_ONE, NULL);
    return 0;
}

// Those that nobody has answered; all: whatever their time.
static void tell_pending(struct agent *a, bool all)
{
    struct net *n = &a->net;
    uint64_t now = now_ns(CLOCK_BOOTTIME);
    struct map_iter it = {};

    while (map_next(n->pending, &it)) {
        struct dns_record *d = it.value;

        if (!all && now < d->time_ns + NET_PENDING_NS)
            continue;
        n->unanswered += !all;
        write_dns(a, d, !all, NETWORK_ONE, NULL);
        (void)map_delete_mem(n->pending, it.key_str, it.key_len);
    }
}

static void on_merged(void *ctx, const struct net_merged *row)
{
    struct agent *a = ctx;
    struct network_event network = {.flow = &row->flow, .wide = row->wide};
    const struct process_ref ref = {row->flow.who.tgid, row->flow.who.start_ns};
    struct event *ev;

    if (!row->is_flow) {
        write_dns(a, &row->dns, row->unanswered, row->wide, row);
        return;
    }
    ev = begin_event(a, EVENT_FLOW, &ref, row->flow.who.uid);
    ev->count = (uint32_t)MIN(row->count, (uint64_t)UINT32_MAX);
    set_times(a, ev, row->first_ns, row->last_ns);
    tell_flow(a, ev, &network);
}

// The ends of datagrams that go on belong to nobody else when this run of the agent is over.
static int on_left(void *ctx, const struct flow *f)
{
    struct flow end = *f;

    if (!f->datagrams)
        return 0;
    end.type = SG_FLOW_END;
    return on_flow(ctx, &end);
}

static int on_flows_readable(void *ctx, int fd _unused_, uint32_t events _unused_)
{
    struct agent *a = ctx;

    (void)flows_consume(a->net.flows, on_flow, a);
    return 0;
}

static int on_dns_readable(void *ctx, int fd _unused_, uint32_t events _unused_)
{
    struct agent *a = ctx;

    (void)dns_consume(a->net.dns, on_dns, a);
    return 0;
}

// It is tried again later, and said once.
static void failed(struct net_part *part, const char *what)
{
    bool told = part->retry_ns != 0;

    part->retry_ns = now_ns(CLOCK_MONOTONIC) + NET_RETRY_NS;
    if (!told)
        log_warning("%s: %s", what, part->error.what);
}

static void open_flows(struct agent *a)
{
    struct net *n = &a->net;
    struct error *err = &n->flows_part.error;
    int r;

    error_reset(err);
    agent_patience(a, true);
    r = flows_open(NULL, &n->flows, err);
    agent_patience(a, false);
    if (r == 0)
        r = loop_add_fd(a->loop, flows_fd(n->flows), EPOLLIN, on_flows_readable, a,
                        &n->flows_part.source);
    if (r == 0)
        return;
    n->flows = flows_close(n->flows);
    if (!error_is_set(err))
        (void)error_set(err, r, "%m");
    failed(&n->flows_part, "flows are not looked at");
}

// Where what is learnt outlives the agent.
static int names_dir(const struct agent *a, char ret[4096])
{
    int n = snprintf(ret, 4096, "%s/names", a->config.pin_dir);

    return n < 0 || n >= 4096 ? -ENAMETOOLONG : 0;
}

/*
 * Rules by names believe no server but those of this host: else a program would ask one of its own for the name that it may go
 * to, and be told the address that it wants.
 */
static void open_dns(struct agent *a)
{
    struct net *n = &a->net;
    struct dns_options options = {.names_fd = sensor_names_fd(a->sensor),
                                  .servers_only = n->by_names};
    struct error *err = &n->dns_part.error;
    char dir[4096];
    int r = names_dir(a, dir);

    error_reset(err);
    if (n->by_names)
        options.pin_dir = dir;
    agent_patience(a, true);
    r = r < 0 ? r : dns_open(&options, &n->dns, err);
    agent_patience(a, false);
    if (r == 0)
        r = loop_add_fd(a->loop, dns_fd(n->dns), EPOLLIN, on_dns_readable, a, &n->dns_part.source);
    if (r == 0)
        return;
    n->dns = dns_close(n->dns);
    if (!error_is_set(err))
        (void)error_set(err, r, "%m");
    failed(&n->dns_part, n->by_names ? "rules by domain names know no names"
                                     : "questions about names are not looked at");
}

static void close_dns(struct agent *a)
{
    struct net *n = &a->net;

    n->dns_part.source = loop_source_free(n->dns_part.source);
    n->dns = dns_close(n->dns);
    n->dns_part.retry_ns = 0;
}

// What was learnt stays: the table is the rules' own.
static void remove_names(struct agent *a)
{
    struct error err = {};
    char dir[4096];

    if (names_dir(a, dir) == 0 && dns_remove(dir, &err) < 0)
        log_warning("%s", err.what);
}

static bool wants_dns(const struct agent *a)
{
    return a->config.dns == CONFIG_DNS_ON || a->net.by_names;
}

void net_by_names(struct agent *a, bool by_names)
{
    struct net *n = &a->net;

    if (n->by_names == by_names && n->settled)
        return;
    n->settled = true;
    n->by_names = by_names;
    close_dns(a);
    if (!by_names)
        remove_names(a);
    if (wants_dns(a))
        open_dns(a);
}

void net_detach(struct agent *a)
{
    close_dns(a);
    remove_names(a);
}

// Names first: a connection follows its answer.
static void open_parts(struct agent *a)
{
    struct net *n = &a->net;
    uint64_t now = now_ns(CLOCK_MONOTONIC);

    if (wants_dns(a) && !n->dns && now >= n->dns_part.retry_ns)
        open_dns(a);
    if (a->config.flows == CONFIG_FLOWS_ON && !n->flows && now >= n->flows_part.retry_ns)
        open_flows(a);
}

int net_start(struct agent *a, struct error *err)
{
    struct net *n = &a->net;
    int r = event_new(&n->event);

    r = r < 0 ? r : net_merge_new(&n->merge);
    r = r < 0 ? r : net_recent_new(&n->recent);
    r = r < 0 ? r : map_new(MAP_STR, NET_NAMED_MAX, free, &n->names);
    r = r < 0 ? r : map_new(MAP_STR, NET_PENDING_MAX, free, &n->pending);
    if (r < 0)
        return error_set(err, r, "what is told of the network has no room: %m");
    open_parts(a);
    return 0;
}

// What was not seen since the programs were loaded.
static uint64_t count_flows_lost(const struct net *n)
{
    struct flows_counts c;

    if (!n->flows || flows_counts(n->flows, &c) < 0)
        return n->flows_lost;
    return c.kernel.lost + c.kernel.connections_full + c.kernel.flows_full +
           c.kernel.forwards_full + c.table.full + c.table.evicted + c.bad + c.missed;
}

static uint64_t count_dns_lost(const struct net *n)
{
    struct dns_counts c;

    if (!n->dns || dns_counts(n->dns, &c) < 0)
        return n->dns_lost;
    return c.kernel[SG_DNS_COUNT_LOST] + c.kernel[SG_DNS_COUNT_FULL] + c.kernel[SG_DNS_COUNT_BUSY] +
           c.bad;
}

// Each number is a call into the kernel: not every second.
static void look(struct agent *a)
{
    struct net *n = &a->net;

    if (n->flows)
        (void)flows_tick(n->flows, on_flow, a);
    n->flows_lost = count_flows_lost(n);
    n->dns_lost = count_dns_lost(n);
}

uint64_t net_flows_lost(const struct agent *a)
{
    return a->net.flows_lost;
}

uint64_t net_dns_lost(const struct agent *a)
{
    return a->net.dns_lost;
}

void net_tick(struct agent *a)
{
    struct net *n = &a->net;
    uint64_t now = now_ns(CLOCK_MONOTONIC);

    open_parts(a);
    if ((n->flows || n->dns) && now - n->looked_ns >= NET_LOOK_NS) {
        n->looked_ns = now;
        look(a);
    }
    tell_pending(a, false);
    net_merge_tick(n->merge, now_ns(CLOCK_BOOTTIME), on_merged, a);
}

void net_stop(struct agent *a)
{
    struct net *n = &a->net;

    if (!n->recent) // it never began
        return;
    if (n->dns)
        (void)dns_consume(n->dns, on_dns, a);
    if (n->flows && flows_tick(n->flows, on_flow, a) == 0)
        (void)flows_each(n->flows, on_left, a);
    tell_pending(a, true);
    net_merge_tick(n->merge, UINT64_MAX, on_merged, a);
    n->flows_part.source = loop_source_free(n->flows_part.source);
    n->dns_part.source = loop_source_free(n->dns_part.source);
    n->flows = flows_close(n->flows);
    n->dns = dns_close(n->dns);
    n->merge = net_merge_free(n->merge);
    n->recent = net_recent_free(n->recent);
    n->names = map_free(n->names);
    n->pending = map_free(n->pending);
    n->event = event_free(n->event);
}
