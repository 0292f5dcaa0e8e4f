// SPDX-License-Identifier: Apache-2.0
//
// The audit trail.
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "registry/audit.h"
#include "server/server.h"
#include "server/write.h"

#define PIECE 500 // rows that an export reads at a time

static void write_entry(struct jw *out, const struct registry_audit *row, bool hash)
{
    jw_begin_object(out);
    jw_kv_u64(out, "id", row->seq);
    jw_kv_u64(out, "time", row->time_ms);
    jw_kv_str(out, "actor", row->actor);
    write_text(out, "address", row->address);
    jw_kv_str(out, "action", row->action);
    write_text(out, "object", row->target);
    write_json(out, "detail", row->detail);
    if (hash)
        jw_kv_str(out, "hash", row->hash);
    jw_end_object(out);
}

static int on_entry(void *ctx, const struct registry_audit *row)
{
    write_entry(ctx, row, false);
    return 0;
}

static struct registry_audit_filter filter_of(const struct api_request *rq)
{
    return (struct registry_audit_filter){.from_ms = api_query_time(rq, "from", 0),
                                          .to_ms = api_query_time(rq, "to", 0)};
}

int route_audit(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    const struct registry_page page = page_of(rq, 100);
    struct registry_audit_filter filter = filter_of(rq);
    struct registry_next next = {};
    int r;

    filter.actor = api_query_str(rq, "actor", NULL);
    filter.action = api_query_str(rq, "action", NULL);
    begin_items(out);
    r = registry_audit_list(s->registry, &filter, &page, on_entry, out, &next, err);
    end_items(out, &next);
    return r;
}

struct export
{
    struct registry *registry;
    struct registry_audit_filter filter;
    struct strbuf *out;
    uint64_t after;
    unsigned n;
};

// Rows as lines, with their hash: whoever has the lines can see whether one was changed.
static int on_line(void *ctx, const struct registry_audit *row)
{
    struct export *x = ctx;
    struct jw jw;
    int r;

    jw_init(&jw, x->out);
    write_entry(&jw, row, true);
    r = jw_finish(&jw);
    sb_putc(x->out, '\n');
    x->after = row->seq;
    x->n++;
    return r;
}

static int pull(void *ctx, struct strbuf *out)
{
    struct export *x = ctx;
    int r;

    x->out = out;
    x->n = 0;
    r = registry_audit_after(x->registry, &x->filter, x->after, PIECE, on_line, x, NULL);
    return r < 0 ? r : x->n == PIECE;
}

int route_audit_export(struct server *s, struct api_request *rq, struct jw *out _unused_,
                       struct error *err)
{
    struct export *x;
    // That somebody took the trail along is in it.
    int r = registry_audit_note(s->registry, api_actor(rq), "audit.export", "", NULL, err);

    if (r < 0)
        return r;
    x = new0(struct export, 1);
    if (!x)
        return error_set(err, -ENOMEM, "out of memory");
    x->registry = s->registry;
    x->filter = filter_of(rq);
    return api_stream(rq, "application/x-ndjson", pull, x, free, err);
}
