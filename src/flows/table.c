// SPDX-License-Identifier: Apache-2.0
#include "flows/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "base/table.h"

struct row {
    struct flow flow;
    uint64_t look; // in which it was met last
};

struct flow_table {
    struct map *rows;
    uint64_t idle_ns;
    uint64_t look;    // number of the one that goes on, or went on last
    uint64_t look_ns; // when it began
    struct flow_table_counts counts;
};

// Of a connection its socket, of datagrams all of their key: they differ in length.
struct row_key {
    struct sg_flow_key bytes;
    size_t len;
};

static void key_of(const struct flow *flow, struct row_key *ret)
{
    flow_key_of(flow, &ret->bytes);
    ret->len = flow->datagrams ? sizeof(ret->bytes) : sizeof(ret->bytes.socket);
}

int flow_table_new(size_t max_rows, uint64_t idle_ns, struct flow_table **ret)
{
    _cleanup_(flow_table_freep) struct flow_table *t = new0(struct flow_table, 1);
    int r;

    if (!t)
        return -ENOMEM;
    t->idle_ns = idle_ns;
    r = map_new(MAP_STR, max_rows, free, &t->rows);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(t);
    return 0;
}

struct flow_table *flow_table_free(struct flow_table *t)
{
    if (!t)
        return NULL;
    (void)map_free(t->rows);
    free(t);
    return NULL;
}

static struct row *find(const struct flow_table *t, const struct flow *flow)
{
    struct row_key key;

    key_of(flow, &key);
    return map_get_mem(t->rows, &key.bytes, key.len);
}

static void forget(struct flow_table *t, const struct flow *flow)
{
    struct row_key key;

    key_of(flow, &key);
    (void)map_delete_mem(t->rows, &key.bytes, key.len);
}

// NULL: no room, which is counted.
static struct row *add(struct flow_table *t, const struct flow *flow)
{
    struct row *row = new0(struct row, 1);
    struct row_key key;

    key_of(flow, &key);
    if (!row || map_put_mem(t->rows, &key.bytes, key.len, row) < 0) {
        free(row);
        t->counts.full++;
        return NULL;
    }
    row->flow = *flow;
    return row;
}

// The end of a flow of datagrams that no record tells of.
static int hand_end(const struct flow *last, enum sg_flow_reason reason, flow_fn fn, void *ctx)
{
    struct flow end = *last;

    end.type = SG_FLOW_END;
    end.reason = reason;
    return fn(ctx, &end);
}

// Whose beginning was told again: the end before it was not.
static int replace(struct flow_table *t, struct row *row, const struct flow *flow, flow_fn fn,
                   void *ctx)
{
    struct flow before = row->flow;

    row->flow = *flow;
    row->look = t->look;
    if (!flow->datagrams) {
        t->counts.replaced++;
        return 0;
    }
    // A look may have met the new one before its record was read.
    if (before.begin_ns == flow->begin_ns) {
        row->flow.sums = before.sums;
        row->flow.last_ns = MAX(before.last_ns, flow->last_ns);
        return 0;
    }
    t->counts.evicted++;
    return hand_end(&before, SG_FLOW_EVICTED, fn, ctx);
}

int flow_table_record(struct flow_table *t, const struct flow *flow, flow_fn fn, void *ctx)
{
    struct row *row = find(t, flow);
    int r = 0;

    if (flow_is_end(flow)) {
        // What the kernel put out has begun anew meanwhile, and this is not its end.
        if (row && (!flow->datagrams || row->flow.begin_ns <= flow->begin_ns))
            forget(t, flow);
    } else if (row) {
        r = replace(t, row, flow, fn, ctx);
    } else {
        row = add(t, flow);
        if (row)
            row->look = t->look;
    }
    return r < 0 ? r : fn(ctx, flow);
}

void flow_table_look(struct flow_table *t, uint64_t now_ns)
{
    t->look++;
    t->look_ns = now_ns;
}

bool flow_table_entry(struct flow_table *t, const struct flow *entry)
{
    struct row *row = find(t, entry);

    if (!row)
        row = add(t, entry);
    // Another flow of the same ends: the record of its beginning is still to come.
    if (row && row->flow.begin_ns == entry->begin_ns) {
        row->flow.sums = entry->sums;
        row->flow.last_ns = entry->last_ns;
    }
    if (row)
        row->look = t->look;
    return t->look_ns > entry->last_ns && t->look_ns - entry->last_ns >= t->idle_ns;
}

int flow_table_idle(struct flow_table *t, const struct flow *entry, flow_fn fn, void *ctx)
{
    t->counts.idle++;
    forget(t, entry);
    return hand_end(entry, SG_FLOW_IDLE, fn, ctx);
}

int flow_table_look_end(struct flow_table *t, flow_fn fn, void *ctx)
{
    struct map_iter it = {};
    int r = 0;

    while (r >= 0 && map_next(t->rows, &it)) {
        struct row *row = it.value;
        struct flow last = row->flow;

        if (!last.datagrams || row->look == t->look || last.begin_ns >= t->look_ns)
            continue;
        forget(t, &last);
        t->counts.evicted++;
        r = hand_end(&last, SG_FLOW_EVICTED, fn, ctx);
    }
    return r < 0 ? r : 0;
}

size_t flow_table_prune(struct flow_table *t, bool (*lives)(void *ctx, uint64_t socket), void *ctx)
{
    struct map_iter it = {};
    size_t n = 0;

    while (map_next(t->rows, &it)) {
        struct flow flow = ((struct row *)it.value)->flow;

        if (flow.datagrams || lives(ctx, flow.socket))
            continue;
        forget(t, &flow);
        t->counts.replaced++;
        n++;
    }
    return n;
}

size_t flow_table_len(const struct flow_table *t)
{
    return map_len(t->rows);
}

void flow_table_counts(const struct flow_table *t, struct flow_table_counts *ret)
{
    *ret = t->counts;
}

int flow_table_each(const struct flow_table *t, flow_fn fn, void *ctx)
{
    struct map_iter it = {};
    int r = 0;

    while (r >= 0 && map_next(t->rows, &it))
        r = fn(ctx, &((const struct row *)it.value)->flow);
    return r < 0 ? r : 0;
}
