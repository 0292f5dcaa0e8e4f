// SPDX-License-Identifier: Apache-2.0
//
// State tables: what changed goes up; where the two sides differ, all of it.
//
// `sent` is changed as a message is put together. If its answer never comes, nobody knows which of the two the server
// has, and the next message, on top of what it would have, finds out: the server refuses one that does not fit.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "transport/link_private.h"

// Bytes of the rows of one message. Each may become six when it is escaped.
#define ROWS_BYTES ((WIRE_STATE_MAX - (16u << 10)) / 6)
#define ROW_COST   64 // of a row in a message, besides its texts

STATIC_ASSERT(STATE_KEY_MAX + STATE_VALUE_MAX + ROW_COST <= ROWS_BYTES, "a row fits a message");

void link_tables_free(struct link *l)
{
    for (size_t i = 0; i < l->n_tables; i++) {
        state_set_free(l->tables[i].now);
        state_set_free(l->tables[i].sent);
    }
    l->n_tables = 0;
}

static int make_table(struct link_table *t, const char *name)
{
    _cleanup_(state_set_freep) struct state_set *now = NULL, *sent = NULL;
    int r;

    r = state_set_new(&now);
    if (r == 0)
        r = state_set_new(&sent);
    if (r < 0)
        return r;
    (void)snprintf(t->name, sizeof(t->name), "%s", name);
    t->now = TAKE_PTR(now);
    t->sent = TAKE_PTR(sent);
    return 0;
}

// Under the lock.
static int find_table(struct link *l, const char *name, struct link_table **ret)
{
    int r;

    if (!msg_table_valid(name))
        return -EINVAL;
    for (size_t i = 0; i < l->n_tables; i++) {
        if (streq(l->tables[i].name, name)) {
            *ret = &l->tables[i];
            return 0;
        }
    }
    if (l->n_tables == TABLES_MAX)
        return -ENOSPC;
    r = make_table(&l->tables[l->n_tables], name);
    if (r == 0)
        *ret = &l->tables[l->n_tables++];
    return r;
}

// Under the lock. What changes soon after goes with it.
static void changed(struct link *l, struct link_table *t)
{
    if (t->due == 0) {
        t->due = link_now() + l->o.linger_ms;
        (void)eventfd_write(l->wake_fd, 1);
    }
}

int link_state_put(struct link *l, const char *table, const char *key, const void *value,
                   size_t len)
{
    struct link_table *t = NULL;
    int r;

    link_lock(l);
    r = find_table(l, table, &t);
    if (r == 0)
        r = state_set_put(t->now, key, value, len);
    if (r > 0)
        changed(l, t);
    link_unlock(l);
    return MIN(r, 0);
}

int link_state_remove(struct link *l, const char *table, const char *key)
{
    struct link_table *t = NULL;
    int r;

    link_lock(l);
    r = find_table(l, table, &t);
    if (r == 0 && state_set_remove(t->now, key))
        changed(l, t);
    link_unlock(l);
    return r;
}

int link_state_replace(struct link *l, const char *table, const struct state_set *rows)
{
    struct link_table *t = NULL;
    int r;

    link_lock(l);
    r = find_table(l, table, &t);
    if (r == 0)
        r = state_set_assign(t->now, rows);
    if (r == 0)
        changed(l, t);
    link_unlock(l);
    return r;
}

// The thread's part ---------------------------------------------------------------------------

uint64_t link_state_due(struct link *l)
{
    uint64_t at = UINT64_MAX;

    link_lock(l);
    for (size_t i = 0; i < l->n_tables; i++)
        if (l->tables[i].due)
            at = MIN(at, l->tables[i].due);
    link_unlock(l);
    return at;
}

void link_state_unsure(struct link *l)
{
    uint64_t now = link_now();

    link_lock(l);
    for (size_t i = 0; i < l->n_tables; i++)
        l->tables[i].due = now;
    link_unlock(l);
}

struct gathering {
    struct state_row *rows;
    size_t n, cap, bytes;
};

// 1: the message is full.
static int gather(void *ctx, const struct state_row *row)
{
    struct gathering *g = ctx;

    size_t bytes = strlen(row->key) + row->value_len + ROW_COST;

    if (g->n > 0 && (g->n >= MSG_STATE_ROWS_MAX || g->bytes + bytes > ROWS_BYTES))
        return 1;
    if (!GREEDY(g->rows, g->cap, g->n + 1))
        return -ENOMEM;
    g->rows[g->n++] = *row;
    g->bytes += bytes;
    return 0;
}

static int apply(struct state_set *sent, const struct state_row *row)
{
    return row->value ? state_set_put(sent, row->key, row->value, row->value_len)
                      : state_set_remove(sent, row->key);
}

// Under the lock: the rows are on loan from `now` and `sent`. The message is written before `sent` changes.
static int write_message(struct link *l, struct link_table *t, struct gathering *g)
{
    struct msg_state m = {
        .table = t->name,
        .full = t->full,
        .has_base = !t->full,
        .base = state_set_checksum(t->sent),
        .checksum = state_set_checksum(t->sent),
        .rows = g->rows,
        .n_rows = g->n,
    };
    int r;

    for (size_t i = 0; i < g->n; i++) {
        struct state_row old;

        if (state_set_get(t->sent, g->rows[i].key, &old))
            m.checksum ^= state_row_hash(old.key, old.value, old.value_len);
        if (g->rows[i].value)
            m.checksum ^= state_row_hash(g->rows[i].key, g->rows[i].value, g->rows[i].value_len);
    }
    sb_reset(&l->call.body);
    r = msg_state_write(&l->call.body, &m);
    if (r == 0 && l->call.body.len > WIRE_STATE_MAX)
        r = -EMSGSIZE;
    return r;
}

// A row that goes is named by a key of `sent`, which goes with it.
static int apply_all(struct link_table *t, const struct gathering *g)
{
    for (size_t i = 0; i < g->n; i++) {
        int r = apply(t->sent, &g->rows[i]);

        if (r < 0)
            return r;
    }
    return 0;
}

static int make_message(struct link *l, struct link_table *t)
{
    struct gathering g = {};
    int r, more;

    if (!t->asked) {
        // Perhaps it has all of it since an earlier run of this agent.
        t->asked = true;
        r = state_set_assign(t->sent, t->now);
        if (r < 0)
            return r;
    }
    if (t->full)
        state_set_clear(t->sent);
    more = state_delta(t->sent, t->now, gather, &g);
    r = more < 0 ? more : write_message(l, t, &g);
    if (r == 0)
        r = apply_all(t, &g);
    free(g.rows);
    t->more = more > 0;
    return r;
}

int link_start_state(struct link *l, uint64_t now)
{
    struct link_table *t = NULL;
    int r = 0;

    link_lock(l);
    for (size_t i = 0; i < l->n_tables && !t; i++)
        if (l->tables[i].due && l->tables[i].due <= now)
            t = &l->tables[i];
    if (t) {
        t->due = 0;
        r = make_message(l, t);
        // What was not sent has to be, some time, and all of it: `sent` may have changed.
        if (r < 0) {
            t->full = true;
            t->due = now;
        }
    }
    link_unlock(l);
    if (!t || r < 0)
        return r;
    l->table = t;
    return link_start(l, WORK_STATE, WIRE_STATE, WIRE_JSON_TYPE, WIRE_ANSWER_MAX);
}

static void again(struct link *l, struct link_table *t)
{
    link_lock(l);
    t->due = link_now();
    link_unlock(l);
}

void link_on_state(struct link *l)
{
    struct link_table *t = l->table;
    struct error err = {};
    uint64_t checksum = 0;

    if (msg_state_answer_read(sb_str(&l->call.answer), l->call.answer.len, &checksum, &err) < 0) {
        link_down(l, LINK_retrying, &err, 0);
        return;
    }
    link_count(l, &l->status.counters.state_sent, 1);
    if (checksum != state_set_checksum(t->sent)) {
        link_state_differs(l);
        return;
    }
    t->full = false;
    if (t->more)
        again(l, t);
}

// Twice in a row would mean that the two never agree: then not as fast as the wire can.
void link_state_differs(struct link *l)
{
    struct link_table *t = l->table;

    link_count(l, &l->status.counters.resyncs, 1);
    if (t->full)
        link_hold(l, WORK_STATE, LONG_HOLD_MS);
    t->full = true;
    again(l, t);
}
