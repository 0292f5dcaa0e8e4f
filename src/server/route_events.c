// SPDX-License-Identifier: Apache-2.0
//
// Records: a list, one with all that it says, all of them as lines, new ones as they come.
#include <errno.h>
#include <stdio.h>

#include <json-c/json.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "server/event_filter.h"
#include "server/event_json.h"
#include "server/host_names.h"
#include "server/server.h"
#include "server/tail.h"
#include "server/tree_json.h"
#include "server/write.h"

#define EXPORT_ROWS 64 // asked for at a time: about 128 KiB

// A list ------------------------------------------------------------------------------------------

struct list {
    struct jw *out;
    struct host_names names;
};

static int on_row(void *ctx, const struct store_row *row)
{
    struct list *l = ctx;

    event_json_write(l->out, row, host_names_get(&l->names, row->host));
    return 0;
}

int route_events(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    bool newest = streq(api_query_str(rq, "order", "newest"), "newest");
    struct list l = {.out = out, .names = {.registry = s->registry}};
    struct store_page page = {};
    struct event_filter filter;
    int r = event_filter_read(rq, &filter, err);

    if (r < 0)
        return r;
    begin_items(out);
    r = store_query(s->store, &filter.f, (uint32_t)api_query_u64(rq, "limit", 100),
                    api_query_str(rq, "cursor", NULL), newest, on_row, &l, &page, err);
    jw_end_array(out);
    write_text(out, "next", page.more ? page.cursor : NULL);
    jw_kv_bool(out, "truncated", page.truncated);
    jw_end_object(out);
    host_names_done(&l.names);
    return r;
}

// One ---------------------------------------------------------------------------------------------

static void put_record(struct jw *out, const struct store_row *row)
{
    jw_key(out, "record");
    if (row->columns.unreadable) {
        jw_null(out);
        jw_kv_strn(out, "raw", row->line, row->len);
    } else {
        jw_raw(out, row->line, row->len);
    }
}

static int on_detail(void *ctx, const struct store_row *row)
{
    struct list *l = ctx;
    struct jw *out = l->out;

    jw_begin_object(out);
    event_json_members(out, row, host_names_get(&l->names, row->host));
    put_record(out, row);
    jw_kv_array(out, "process_tree");
    if (!row->columns.unreadable)
        tree_json_write(out, row->line, row->len);
    jw_end_array(out);
    jw_end_object(out);
    return 0;
}

int route_event(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    struct list l = {.out = out, .names = {.registry = s->registry}};
    int r = store_get(s->store, api_path(rq, "id"), on_detail, &l, err);

    host_names_done(&l.names);
    return r;
}

// All of them, as lines ---------------------------------------------------------------------------

struct export
{
    struct store *store;
    struct store_filter *filter;
    char cursor[STORE_CURSOR_SIZE];
};

static void export_free(void *ctx)
{
    struct export *e = ctx;

    event_filter_free(e->filter);
    free(e);
}

// What could not be read is a line of JSON all the same.
static int add_line(void *ctx, const struct store_row *row)
{
    struct strbuf *out = ctx;
    struct jw jw;

    if (!row->columns.unreadable) {
        sb_add(out, row->line, row->len);
    } else {
        jw_init(&jw, out);
        jw_begin_object(&jw);
        jw_kv_strn(&jw, "unreadable", row->line, row->len);
        jw_end_object(&jw);
        (void)jw_finish(&jw);
    }
    sb_putc(out, '\n');
    return out->failed ? -ENOMEM : 0;
}

static int pull(void *ctx, struct strbuf *out)
{
    struct export *e = ctx;
    struct store_page page = {};
    char cursor[STORE_CURSOR_SIZE];
    int r;

    memcpy(cursor, e->cursor, sizeof(cursor));
    r = store_query(e->store, e->filter, EXPORT_ROWS, cursor, false, add_line, out, &page, NULL);
    if (r < 0)
        return r;
    memcpy(e->cursor, page.cursor, sizeof(e->cursor));
    return page.more;
}

int route_events_export(struct server *s, struct api_request *rq, struct jw *out _unused_,
                        struct error *err)
{
    struct event_filter filter;
    struct export *e;
    int r = event_filter_read(rq, &filter, err);

    if (r == 0)
        r = store_filter_check(&filter.f, err);
    if (r < 0)
        return r;
    // An end: what comes meanwhile is another export's, and this one has an end, too.
    if (filter.f.to_ms == 0)
        filter.f.to_ms = MAX(server_now(), filter.f.from_ms) + 1;
    e = new0(struct export, 1);
    if (!e || event_filter_keep(&filter.f, &e->filter) < 0) {
        free(e);
        return error_set(err, -ENOMEM, "no memory for an export");
    }
    e->store = s->store;
    (void)api_set_header(rq, "Content-Disposition", "attachment; filename=\"records.ndjson\"");
    return api_stream(rq, "application/x-ndjson", pull, e, export_free, err);
}

// New ones ----------------------------------------------------------------------------------------

struct live {
    struct tail *tail;
    uint64_t number;
    struct store_filter *filter;
    struct store_matcher *matcher;
    struct host_names names;
    struct api_events *events;
    struct strbuf line;
    bool full; // the record itself, too
};

static void live_free(struct live *l)
{
    host_names_done(&l->names);
    store_matcher_free(l->matcher);
    event_filter_free(l->filter);
    api_events_unref(l->events);
    sb_done(&l->line);
    free(l);
}

static void live_gone(void *ctx)
{
    struct live *l = ctx;

    tail_remove(l->tail, l->number);
    live_free(l);
}

// In the writer's thread. Who reads too slowly is told so by api_events_push(), and nobody waits.
static void on_new(void *ctx, const struct store_row *rows, size_t n)
{
    struct live *l = ctx;

    for (size_t i = 0; i < n; i++) {
        struct jw jw;

        if (!store_matcher_matches(l->matcher, &rows[i]))
            continue;
        sb_reset(&l->line);
        jw_init(&jw, &l->line);
        jw_begin_object(&jw);
        event_json_members(&jw, &rows[i], host_names_get(&l->names, rows[i].host));
        if (l->full)
            put_record(&jw, &rows[i]);
        jw_end_object(&jw);
        if (jw_finish(&jw) == 0)
            (void)api_events_push(l->events, rows[i].id, "record", l->line.s, l->line.len);
    }
}

static int live_new(struct server *s, struct api_request *rq, struct live **ret, struct error *err)
{
    struct event_filter filter;
    struct live *l;
    int r = event_filter_read(rq, &filter, err);

    if (r < 0)
        return r;
    l = new0(struct live, 1);
    if (!l) {
        (void)error_set(err, -ENOMEM, "no memory for a live view");
        return -ENOMEM;
    }
    l->tail = s->tail;
    l->names.registry = s->registry;
    l->full = api_query_bool(rq, "full", false);
    r = event_filter_keep(&filter.f, &l->filter);
    r = r < 0 ? error_set(err, r, "no memory for a live view")
              : store_matcher_new(l->filter, &l->matcher, err);
    if (r < 0) {
        live_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

int route_events_stream(struct server *s, struct api_request *rq, struct jw *out _unused_,
                        struct error *err)
{
    struct live *l = NULL;
    int r = live_new(s, rq, &l, err), added;

    if (r < 0)
        return r;
    // The client cannot go before this returns.
    r = api_events_begin(rq, live_gone, l, &l->events, err);
    if (r < 0) {
        live_free(l);
        return r;
    }
    added = tail_add(s->tail, on_new, l, &l->number);
    if (added < 0)
        (void)api_events_push(l->events, NULL, "full", "{}", 2);
    return r;
}
