// SPDX-License-Identifier: Apache-2.0
#include "agent/netmerge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "base/table.h"

// What rows are told apart by. No byte of it is left to chance.
struct row_key {
    uint64_t process, start; // ticks
    uint8_t peer[16];
    uint16_t port, qtype;
    uint8_t is_flow, what, why, protocol;
    uint8_t incoming, wide, reserved[6];
    char name[SG_NET_NAME_MAX + 3];
};
STATIC_ASSERT(sizeof(struct row_key) == 48 + SG_NET_NAME_MAX + 3, "no hidden bytes");

struct share {
    uint32_t single, exact, peers;
};

struct net_merge {
    struct map *rows;   // by row_key
    struct map *shares; // by process
    uint64_t began_ns;  // the window; 0: none has
    uint32_t single;    // of all, in this window
    struct net_merge_counts counts;
};

int net_merge_new(struct net_merge **ret)
{
    _cleanup_(net_merge_freep) struct net_merge *m = new0(struct net_merge, 1);
    int r = m ? map_new(MAP_STR, 2 * NET_ROWS_MAX, free, &m->rows) : -ENOMEM;

    r = r < 0 ? r : map_new(MAP_STR, NET_PROCESSES, free, &m->shares);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(m);
    return 0;
}

struct net_merge *net_merge_free(struct net_merge *m)
{
    if (m) {
        (void)map_free(m->rows);
        (void)map_free(m->shares);
        free(m);
    }
    return NULL;
}

static void set_process(struct row_key *key, const struct process_ref *ref)
{
    key->process = ref->tgid;
    key->start = process_ref_ticks(ref);
}

// NULL: there are too many processes, or there is no memory.
static struct share *share_of(struct net_merge *m, const struct row_key *key)
{
    const uint64_t id[3] = {key->process, key->start, key->is_flow};
    struct share *s = map_get_mem(m->shares, id, sizeof(id));

    if (s)
        return s;
    s = new0(struct share, 1);
    if (s && map_put_mem(m->shares, id, sizeof(id), s) < 0) {
        free(s);
        s = NULL;
    }
    return s;
}

// Takes out of the key what there are too many of.
static void widen(struct row_key *key, enum network_wide wide)
{
    key->wide = (uint8_t)wide;
    key->port = 0;
    key->qtype = 0;
    memset(key->name, 0, sizeof(key->name));
    if (wide == NETWORK_PEERS) {
        memset(key->peer, 0, sizeof(key->peer));
        key->why = 0;
    }
}

static struct net_merged *find(const struct net_merge *m, const struct row_key *key)
{
    return map_get_mem(m->rows, key, sizeof(*key));
}

static struct net_merged *make(struct net_merge *m, const struct row_key *key)
{
    struct net_merged *row = new0(struct net_merged, 1);

    if (row && map_put_mem(m->rows, key, sizeof(*key), row) < 0) {
        free(row);
        row = NULL;
    }
    return row;
}

// The row for a record beyond its process's own, NULL: there is no memory. *key becomes that of the row.
static struct net_merged *row_of(struct net_merge *m, struct row_key *key, struct share *s)
{
    bool room = map_len(m->rows) < NET_ROWS_MAX;
    struct net_merged *row = find(m, key);

    if (row)
        return row;
    if (s && room && s->exact < NET_EXACT_MAX) {
        row = make(m, key);
        s->exact += row != NULL;
        return row;
    }
    m->counts.wide++;
    widen(key, key->is_flow ? NETWORK_PORTS : NETWORK_NAMES);
    row = find(m, key);
    if (row)
        return row;
    if (s && room && s->peers < NET_PEERS_MAX) {
        row = make(m, key);
        s->peers += row != NULL;
        return row;
    }
    widen(key, key->is_flow ? NETWORK_PEERS : NETWORK_NAMES);
    if (!key->is_flow)
        memset(key->peer, 0, sizeof(key->peer));
    if (!room || !s) {
        set_process(key, &(struct process_ref){});
        m->counts.nobody++;
    }
    row = find(m, key);
    return row ? row : make(m, key);
}

static void add_sums(struct sg_flow_sums *to, const struct sg_flow_sums *more)
{
    to->bytes_out += more->bytes_out;
    to->bytes_in += more->bytes_in;
    to->packets_out += more->packets_out;
    to->packets_in += more->packets_in;
}

static void add_time(struct net_merged *row, uint64_t first_ns, uint64_t last_ns)
{
    row->first_ns = row->count ? MIN(row->first_ns, first_ns) : first_ns;
    row->last_ns = MAX(row->last_ns, last_ns);
    row->count++;
}

// What a row cannot say of all that it is made of, it does not say of one.
static void blur(struct net_merged *row, const struct row_key *key)
{
    struct flow *f = &row->flow;

    row->wide = (enum network_wide)key->wide;
    f->ends.cookie = 0;
    f->rtt_us = 0;
    // The port of who began is another one each time.
    if (f->ends.flags & SG_ENDS_INCOMING)
        f->ends.remote_port = 0;
    else if (f->ends.flags & SG_ENDS_HAS_REMOTE)
        f->ends.local_port = 0;
    if (key->wide) {
        f->ends.local_port = f->ends.remote_port = 0;
        row->dns.name_len = 0;
        memset(row->dns.name, 0, sizeof(row->dns.name));
        row->dns.n_answers = 0;
    }
    if (key->wide == NETWORK_PEERS)
        f->ends.flags &= (uint8_t)~SG_ENDS_HAS_REMOTE;
    if (!key->process) {
        f->who = (struct sg_flow_who){.uid = f->who.uid};
        row->dns.process = (struct process_ref){};
    }
}

// Is this record one of those that are written by themselves?
static bool is_single(struct net_merge *m, struct share *s)
{
    if (!s || s->single >= NET_SINGLE_MAX || m->single >= NET_SINGLE_ALL) {
        m->counts.merged++;
        return false;
    }
    s->single++;
    m->single++;
    m->counts.single++;
    return true;
}

// The row that a record becomes part of; NULL: it is written by itself (*ret_single), or there is no memory.
static struct net_merged *take(struct net_merge *m, struct row_key *key, uint64_t now_ns,
                               bool *ret_single)
{
    struct share *s;

    if (!m->began_ns)
        m->began_ns = now_ns;
    s = share_of(m, key);
    *ret_single = is_single(m, s);
    return *ret_single ? NULL : row_of(m, key, s);
}

bool net_merge_flow(struct net_merge *m, const struct flow *flow, uint64_t now_ns)
{
    const struct process_ref ref = {flow->who.tgid, flow->who.start_ns};
    bool incoming = flow->ends.flags & SG_ENDS_INCOMING,
         remote = flow->ends.flags & SG_ENDS_HAS_REMOTE;
    struct row_key key = {
        .port = incoming || !remote ? flow->ends.local_port : flow->ends.remote_port,
        .is_flow = 1,
        .what = (uint8_t)flow->type,
        .why = (uint8_t)flow->reason,
        .protocol = flow->ends.protocol,
        .incoming = incoming,
    };
    struct net_merged *row;
    bool single;

    set_process(&key, &ref);
    memcpy(key.peer, remote ? flow->ends.remote : flow->ends.local, sizeof(key.peer));
    row = take(m, &key, now_ns, &single);
    if (!row)
        return single;
    if (!row->count) {
        row->is_flow = true;
        row->flow = *flow;
        blur(row, &key);
    } else {
        add_sums(&row->flow.sums, &flow->sums);
        row->flow.retransmits += flow->retransmits;
    }
    add_time(row, flow->begin_ns ? flow->begin_ns : flow->last_ns, flow->last_ns);
    return false;
}

bool net_merge_dns(struct net_merge *m, const struct dns_record *dns, bool unanswered,
                   uint64_t now_ns)
{
    struct row_key key = {
        .port = dns->server_port,
        .qtype = dns->qtype,
        .what = dns->is_answer,
        .why = (uint8_t)(unanswered ? 0xff : SG_DNS_RCODE(dns->header)),
        .protocol = dns->tcp,
    };
    struct net_merged *row;
    bool single;

    set_process(&key, &dns->process);
    memcpy(key.peer, dns->server, sizeof(key.peer));
    memcpy(key.name, dns->name, dns->name_len);
    row = take(m, &key, now_ns, &single);
    if (!row)
        return single;
    if (!row->count) {
        row->dns = *dns;
        row->unanswered = unanswered;
        blur(row, &key);
    }
    add_time(row, dns->time_ns, dns->time_ns);
    return false;
}

void net_merge_tick(struct net_merge *m, uint64_t now_ns, net_merged_fn fn, void *ctx)
{
    struct map_iter it = {};

    if (!m->began_ns || (now_ns != UINT64_MAX && now_ns < m->began_ns + NET_WINDOW_NS))
        return;
    while (map_next(m->rows, &it))
        fn(ctx, it.value);
    map_clear(m->rows);
    map_clear(m->shares);
    m->single = 0;
    m->began_ns = 0;
}

void net_merge_counts(const struct net_merge *m, struct net_merge_counts *ret)
{
    *ret = m->counts;
}
