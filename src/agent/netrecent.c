// SPDX-License-Identifier: Apache-2.0
#include "agent/netrecent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "base/table.h"

// What edges are told apart by: all but the sums.
#define EDGE_KEY offsetof(struct net_edge, flows)

// A connection by its two ends, the lower one first, and the programs at each.
struct pair {
    uint8_t ends[2][18];
    char program[2][NET_TEXT];
};

struct net_recent {
    struct net_closed *closed;
    struct net_asked *asked;
    struct net_edge *edges;
    struct pair *pairs;
    struct map *by_key; // edges, on loan
    uint64_t n_closed, n_asked;
    size_t n_edges;
    uint64_t edges_gone;
};

// Memory that was not written to yet is none.
int net_recent_new(struct net_recent **ret)
{
    _cleanup_(net_recent_freep) struct net_recent *r = new0(struct net_recent, 1);

    if (!r)
        return -ENOMEM;
    r->closed = new0(struct net_closed, NET_CLOSED_MAX);
    r->asked = new0(struct net_asked, NET_ASKED_MAX);
    r->edges = new0(struct net_edge, NET_EDGES_MAX);
    r->pairs = new0(struct pair, NET_PAIRS);
    if (!r->closed || !r->asked || !r->edges || !r->pairs ||
        map_new(MAP_STR, NET_EDGES_MAX, NULL, &r->by_key) < 0)
        return -ENOMEM;
    *ret = TAKE_PTR(r);
    return 0;
}

struct net_recent *net_recent_free(struct net_recent *r)
{
    if (r) {
        free(r->closed);
        free(r->asked);
        free(r->edges);
        free(r->pairs);
        (void)map_free(r->by_key);
        free(r);
    }
    return NULL;
}

// The end of a path says more than its beginning.
static void keep(char to[NET_TEXT], struct bytes text)
{
    uint32_t len = MIN(text.len, NET_TEXT - 1);

    memset(to, 0, NET_TEXT);
    if (len)
        memcpy(to, text.s + (text.len - len), len);
}

static void put_end(uint8_t to[18], const uint8_t address[16], uint16_t port)
{
    memcpy(to, address, 16);
    memcpy(to + 16, &port, sizeof(port));
}

// The place of a connection, and which of its two ends is the flow's own.
static struct pair *pair_of(const struct net_recent *r, const struct flow *f, bool make,
                            unsigned *ret_own)
{
    uint8_t ends[2][18];
    uint64_t hash = 14695981039346656037ull; // FNV-1a: chance enough for a cache
    unsigned own = 0;
    struct pair *p;

    put_end(ends[0], f->ends.local, f->ends.local_port);
    put_end(ends[1], f->ends.remote, f->ends.remote_port);
    if (memcmp(ends[0], ends[1], sizeof(ends[0])) > 0) {
        put_end(ends[0], f->ends.remote, f->ends.remote_port);
        put_end(ends[1], f->ends.local, f->ends.local_port);
        own = 1;
    }
    for (size_t i = 0; i < sizeof(ends); i++)
        hash = (hash ^ ((const uint8_t *)ends)[i]) * 1099511628211ull;
    p = &r->pairs[(hash ^ hash >> 32) & (NET_PAIRS - 1)];
    *ret_own = own;
    if (memcmp(p->ends, ends, sizeof(ends)) == 0)
        return p;
    if (!make)
        return NULL;
    memset(p, 0, sizeof(*p));
    memcpy(p->ends, ends, sizeof(ends));
    return p;
}

void net_recent_open(struct net_recent *r, const struct flow *flow, struct bytes program)
{
    unsigned own;

    keep(pair_of(r, flow, true, &own)->program[own], program);
}

const char *net_recent_peer(const struct net_recent *r, const struct flow *flow)
{
    unsigned own;
    const struct pair *p = pair_of(r, flow, false, &own);

    return p ? p->program[!own] : "";
}

// The one that is oldest gives way.
static struct net_edge *edge_place(struct net_recent *r)
{
    struct net_edge *oldest = r->edges;

    if (r->n_edges < NET_EDGES_MAX)
        return &r->edges[r->n_edges++];
    for (size_t i = 1; i < NET_EDGES_MAX; i++)
        if (r->edges[i].last_ns < oldest->last_ns)
            oldest = &r->edges[i];
    (void)map_delete_mem(r->by_key, oldest, EDGE_KEY);
    r->edges_gone++;
    return oldest;
}

static bool failed(const struct flow *f)
{
    return f->reason == SG_FLOW_TIMED_OUT || f->reason == SG_FLOW_REFUSED ||
           f->reason == SG_FLOW_UNREACHABLE || f->reason == SG_FLOW_FAILED;
}

static void add_edge(struct net_recent *r, const struct flow *f, struct bytes program,
                     struct bytes name)
{
    bool incoming = f->ends.flags & SG_ENDS_INCOMING;
    struct net_edge key, *edge;

    memset(&key, 0, sizeof(key)); // with what is between members
    keep(key.program, program);
    keep(key.name, name);
    keep(key.peer_program,
         (struct bytes){net_recent_peer(r, f), (uint32_t)strlen(net_recent_peer(r, f))});
    memcpy(key.peer, f->ends.remote, sizeof(key.peer));
    key.port = incoming ? f->ends.local_port : f->ends.remote_port;
    key.protocol = f->ends.protocol;
    key.incoming = incoming;
    edge = map_get_mem(r->by_key, &key, EDGE_KEY);
    if (!edge) {
        edge = edge_place(r);
        *edge = key;
        if (map_put_mem(r->by_key, &key, EDGE_KEY, edge) < 0)
            r->edges_gone++;
    }
    edge->flows++;
    edge->failed += failed(f);
    edge->sums.bytes_out += f->sums.bytes_out;
    edge->sums.bytes_in += f->sums.bytes_in;
    edge->sums.packets_out += f->sums.packets_out;
    edge->sums.packets_in += f->sums.packets_in;
    edge->last_ns = MAX(edge->last_ns, f->last_ns);
}

void net_recent_end(struct net_recent *r, const struct flow *flow, struct bytes program,
                    struct bytes name)
{
    struct net_closed *c = &r->closed[r->n_closed++ % NET_CLOSED_MAX];

    c->flow = *flow;
    keep(c->program, program);
    keep(c->name, name);
    if (flow->ends.flags & SG_ENDS_HAS_REMOTE)
        add_edge(r, flow, program, name);
}

void net_recent_asked(struct net_recent *r, const struct dns_record *record, bool unanswered,
                      struct bytes program)
{
    struct net_asked *a = &r->asked[r->n_asked++ % NET_ASKED_MAX];

    a->record = *record;
    a->unanswered = unanswered;
    keep(a->program, program);
}

const struct net_closed *net_recent_closed(const struct net_recent *r, size_t i)
{
    return i < MIN(r->n_closed, (uint64_t)NET_CLOSED_MAX)
               ? &r->closed[(r->n_closed - 1 - i) % NET_CLOSED_MAX]
               : NULL;
}

const struct net_asked *net_recent_question(const struct net_recent *r, size_t i)
{
    return i < MIN(r->n_asked, (uint64_t)NET_ASKED_MAX)
               ? &r->asked[(r->n_asked - 1 - i) % NET_ASKED_MAX]
               : NULL;
}

const struct net_edge *net_recent_edge(const struct net_recent *r, size_t i)
{
    return i < r->n_edges ? &r->edges[i] : NULL;
}

uint64_t net_recent_edges_gone(const struct net_recent *r)
{
    return r->edges_gone;
}
