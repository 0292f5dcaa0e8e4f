// SPDX-License-Identifier: Apache-2.0
#include "server/counting.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "base/table.h"
#include "registry/alert.h"
#include "registry/settings.h"

#define STREAMS_MAX      ((size_t)100000) // that are kept in memory between two flushes
// Of which of one host: one that makes a stream for each record is not counted beyond that, and all others are.
#define HOST_STREAMS_MAX ((size_t)2048)
#define KEY_SIZE         (HOST_ID_SIZE + STREAM_ID_TEXT)
#define PAGE             STORE_LIMIT_MAX
#define TEXT_MAX         512u // the registry keeps no more

struct stream {
    char host[HOST_ID_SIZE];
    char id[STREAM_ID_TEXT];
    struct stream_id stream;
    uint64_t up_to;
    bool dirty;  // up_to is ahead of the watermark, with nothing to count in between
    bool behind; // something was not counted
    bool touched;
    struct alert_input *inputs;
    char **texts;
    size_t n, cap, cap_texts;
};

struct counting {
    struct store *store;
    struct registry *registry;
    struct map *streams; // "host stream"
    struct map *hosts;   // host → size_t, how many of them are its
    struct stream **touched;
    size_t n_touched, cap_touched, n_behind;
};

static void drop_inputs(struct stream *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->texts[i]);
    s->n = 0;
}

static void stream_free(void *p)
{
    struct stream *s = p;

    drop_inputs(s);
    free(s->inputs);
    free(s->texts);
    free(s);
}

int counting_new(struct store *store, struct registry *registry, struct counting **ret)
{
    _cleanup_(counting_freep) struct counting *c = new0(struct counting, 1);
    int r = c ? map_new(MAP_STR, STREAMS_MAX, stream_free, &c->streams) : -ENOMEM;

    r = r < 0 ? r : map_new(MAP_STR, 0, free, &c->hosts);
    if (r < 0)
        return r;
    c->store = store;
    c->registry = registry;
    *ret = TAKE_PTR(c);
    return 0;
}

struct counting *counting_free(struct counting *c)
{
    if (!c)
        return NULL;
    (void)map_free(c->streams);
    (void)map_free(c->hosts);
    free(c->touched);
    free(c);
    return NULL;
}

// The counter of a host's streams; NULL: it has as many as it may, or there is no memory.
static size_t *room_of(struct counting *c, const char *host)
{
    size_t *n = map_get_str(c->hosts, host);

    if (n)
        return *n < HOST_STREAMS_MAX ? n : NULL;
    n = new0(size_t, 1);
    if (n && map_put_str(c->hosts, host, n) < 0) {
        free(n);
        n = NULL;
    }
    return n;
}

static void forget(struct counting *c, const struct stream *s)
{
    size_t *n = map_get_str(c->hosts, s->host);
    char key[KEY_SIZE];

    if (n && --*n == 0)
        (void)map_delete_str(c->hosts, s->host);
    (void)snprintf(key, sizeof(key), "%s %s", s->host, s->id);
    (void)map_delete_str(c->streams, key);
}

static struct stream *find(struct counting *c, const char *host, const struct stream_id *id)
{
    char key[KEY_SIZE], text[STREAM_ID_TEXT];
    struct stream *s;
    size_t *n;

    stream_id_format(id, text);
    (void)snprintf(key, sizeof(key), "%.36s %s", host, text);
    s = map_get_str(c->streams, key);
    if (s)
        return s;
    n = room_of(c, host);
    s = n ? new0(struct stream, 1) : NULL;
    if (!s)
        return NULL;
    (void)snprintf(s->host, sizeof(s->host), "%.36s", host);
    memcpy(s->id, text, sizeof(text));
    s->stream = *id;
    if (map_put_str(c->streams, key, s) < 0) {
        stream_free(s);
        return NULL;
    }
    ++*n;
    return s;
}

static struct stream *touch(struct counting *c, const char *host, const struct stream_id *id)
{
    struct stream *s = find(c, host, id);

    if (!s || s->touched)
        return s;
    if (!GREEDY(c->touched, c->cap_touched, c->n_touched + 1))
        return NULL;
    c->touched[c->n_touched++] = s;
    s->touched = true;
    return s;
}

static void fall_behind(struct counting *c, struct stream *s)
{
    if (!s->behind)
        c->n_behind++;
    s->behind = true;
}

static bool counts(const struct counting *c, const struct store_columns *col)
{
    if (col->unreadable)
        return false;
    if (col->outcome == STORE_DENIED || col->outcome == STORE_NOT_HELD)
        return true;
    if (col->outcome == STORE_WOULD_DENY)
        return registry_setting_u64(c->registry, SETTING_ALERT_WOULD_DENY);
    return col->severity >= registry_setting_u64(c->registry, SETTING_ALERT_SEVERITY) &&
           col->severity <= 6;
}

static const char *copy_text(char **at, const struct store_str *from)
{
    size_t len = MIN(from->len, TEXT_MAX);
    char *to = *at;

    if (!from->s)
        return NULL;
    memcpy(to, from->s, len);
    to[len] = '\0';
    *at += len + 1;
    return to;
}

// Texts of a record that an alert keeps: from where, to where.
static const struct {
    size_t from, to;
} texts[] = {
#define TEXT(name)                                                               \
    {                                                                            \
        offsetof(struct store_columns, name), offsetof(struct alert_input, name) \
    }
    TEXT(policy), TEXT(rule), TEXT(rule_file), TEXT(program), TEXT(user), TEXT(path), TEXT(message),
#undef TEXT
};

static const struct store_str *text_of(const struct store_columns *col, size_t i)
{
    return (const void *)((const char *)col + texts[i].from);
}

static int add_input(struct stream *s, const struct store_row *row)
{
    const struct store_columns *col = &row->columns;
    struct alert_input *in;
    char *text, *at;
    size_t size = 1;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        size += MIN(text_of(col, i)->len, TEXT_MAX) + 1;
    if (!GREEDY(s->inputs, s->cap, s->n + 1) || !GREEDY(s->texts, s->cap_texts, s->n + 1))
        return -ENOMEM;
    text = at = mallocz(size);
    if (!text)
        return -ENOMEM;
    in = &s->inputs[s->n];
    *in = (struct alert_input){
        .seq = row->number,
        .time_ms = col->time_ms,
        .count = col->count,
        .class_uid = col->class_uid,
        .severity = CLAMP(col->severity, 1u, 6u),
        .outcome = store_outcome_name(col->outcome),
        .rule_line = col->rule_line,
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        *(const char **)((char *)in + texts[i].to) = copy_text(&at, text_of(col, i));
    s->texts[s->n++] = text;
    return 0;
}

void counting_rows(struct counting *c, const struct store_row *rows, size_t n_rows)
{
    for (size_t i = 0; i < n_rows; i++) {
        struct stream *s;

        if (!counts(c, &rows[i].columns))
            continue;
        s = touch(c, rows[i].host, &rows[i].stream);
        // Without memory for it now, it is read again later.
        if (s && !s->behind && add_input(s, &rows[i]) < 0)
            fall_behind(c, s);
    }
}

void counting_batch(struct counting *c, const char *host, const struct stream_id *stream,
                    uint64_t up_to)
{
    struct stream *s = touch(c, host, stream);

    if (s)
        s->up_to = MAX(s->up_to, up_to);
}

static int count_stream(struct counting *c, struct stream *s, uint64_t up_to, struct error *err)
{
    struct alert_counted counted;
    int r = 0;

    for (size_t at = 0; (at < s->n || at == 0) && r == 0; at += ALERT_COUNT_MAX) {
        size_t n = MIN(s->n - at, (size_t)ALERT_COUNT_MAX);
        bool last = at + n == s->n;

        r = registry_alert_count(c->registry, s->host, s->id,
                                 last ? up_to : s->inputs[at + n - 1].seq, s->inputs + at, n,
                                 &counted, err);
    }
    drop_inputs(s);
    // A host that was removed has records and no alerts.
    if (r == -ENOENT) {
        error_reset(err);
        r = 0;
    }
    return r;
}

int counting_commit(struct counting *c, struct error *err)
{
    int result = 0, r;

    for (size_t i = 0; i < c->n_touched; i++) {
        struct stream *s = c->touched[i];

        s->touched = false;
        if (s->behind) {
            drop_inputs(s);
            continue;
        }
        if (s->n == 0) {
            s->dirty = true;
            continue;
        }
        r = count_stream(c, s, s->up_to, err);
        s->dirty = false;
        if (r < 0) {
            fall_behind(c, s);
            result = r;
        }
    }
    c->n_touched = 0;
    return result;
}

// Catching up ------------------------------------------------------------------------------------

struct page {
    struct counting *counting;
    struct stream *stream;
    uint64_t last;
};

static int on_row(void *ctx, const struct store_row *row)
{
    struct page *p = ctx;

    p->last = row->number;
    return counts(p->counting, &row->columns) ? add_input(p->stream, row) : 0;
}

static int catch_up_stream(struct counting *c, struct stream *s, struct error *err)
{
    uint64_t after = 0;
    uint32_t n = 1;
    int r;

    drop_inputs(s);
    r = registry_alert_watermark(c->registry, s->host, s->id, &after, err);
    if (r == -ENOENT) {
        error_reset(err);
        r = 0;
        n = 0;
    }
    while (r == 0 && n > 0) {
        struct page page = {.counting = c, .stream = s, .last = after};

        r = store_since(c->store, s->host, &s->stream, after, PAGE, on_row, &page, &n, err);
        if (r == 0 && n > 0) {
            r = count_stream(c, s, page.last, err);
            after = page.last;
        }
    }
    drop_inputs(s);
    if (r == 0 && s->behind) {
        s->behind = false;
        c->n_behind--;
    }
    s->dirty = r == 0 ? false : s->dirty;
    return r;
}

struct catching {
    struct counting *counting;
    struct error *err;
    int failed;
};

// One by one, so that there may be any number of them. What cannot be counted now stays behind, and is tried again.
static int on_stream(void *ctx, const struct store_stream *row)
{
    struct catching *a = ctx;
    struct stream *s = find(a->counting, row->host, &row->stream);

    if (!s)
        return -ENOMEM;
    fall_behind(a->counting, s);
    if (a->failed == 0)
        a->failed = catch_up_stream(a->counting, s, a->err);
    if (!s->behind)
        forget(a->counting, s);
    return 0;
}

int counting_catch_up(struct counting *c, bool all, struct error *err)
{
    struct catching all_of_them = {.counting = c, .err = err};
    struct map_iter it = {};
    int r = 0;

    if (!(store_capabilities(c->store) & STORE_KEEPS))
        return 0;
    if (all)
        r = store_streams(c->store, on_stream, &all_of_them, err);
    if (r == 0)
        r = all_of_them.failed;
    while (r == 0 && c->n_behind > 0 && map_next(c->streams, &it)) {
        struct stream *s = it.value;

        if (s->behind)
            r = catch_up_stream(c, s, err);
    }
    return r;
}

int counting_flush(struct counting *c, struct error *err)
{
    struct map_iter it = {};
    int r = 0;

    while (map_next(c->streams, &it)) {
        struct stream *s = it.value;

        if (s->dirty && !s->behind && r == 0) {
            r = count_stream(c, s, s->up_to, err);
            s->dirty = r < 0;
        }
        // What has nothing to be remembered for comes back by itself.
        if (!s->dirty && !s->behind && !s->touched)
            forget(c, s);
    }
    return r;
}

size_t counting_behind(const struct counting *c)
{
    return c->n_behind;
}
