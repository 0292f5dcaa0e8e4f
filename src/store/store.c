// SPDX-License-Identifier: Apache-2.0
//
// The contract's functions: arguments are checked, then the backend is called.
#include "store/store.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strutil.h"
#include "store/backend.h"

#define FILE_BYTES  (UINT64_C(2) << 30)
#define SCAN_MS     150
#define HOST_MAX    63
#define BUCKETS_MAX 2000
#define SERIES_MAX  1000
#define BATCHES_MAX 4096

static const struct store_backend *const backends[] = {
#define STORE_BACKEND(variable) &variable,
#include "store/backends.def"
#undef STORE_BACKEND
};

static const char *const dim_names[STORE_DIM_COUNT] = {
#define STORE_DIM(id, name) [STORE_BY_##id] = (name),
#include "store/dims.def"
#undef STORE_DIM
};

const char *store_dim_name(enum store_dim dim)
{
    return (unsigned)dim < STORE_DIM_COUNT ? dim_names[dim] : NULL;
}

int store_dim_find(const char *name, enum store_dim *ret_dim)
{
    for (unsigned i = 0; i < STORE_DIM_COUNT; i++) {
        if (streq(dim_names[i], name)) {
            *ret_dim = (enum store_dim)i;
            return 0;
        }
    }
    return -ENOENT;
}

const char *const *store_schemes(size_t *ret_n)
{
    static const char *const schemes[] = {"sqlite", "null"};

    STATIC_ASSERT(ARRAY_SIZE(schemes) == ARRAY_SIZE(backends), "one for each backend");
    *ret_n = ARRAY_SIZE(schemes);
    return schemes;
}

uint64_t store_now_ms(const struct store *st)
{
    return st->options.now_ms ? st->options.now_ms(st->options.ctx)
                              : now_ns(CLOCK_REALTIME) / NS_PER_MS;
}

// ---- open

int store_open(const char *url, const struct store_options *options, struct store **ret_store,
               struct error *err)
{
    struct store_options o = options ? *options : (struct store_options){};
    const char *colon = strchr(url, ':');
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    struct store *st = NULL;
    int r;

    o.file_bytes = o.file_bytes ? o.file_bytes : FILE_BYTES;
    o.scan_ms = o.scan_ms ? o.scan_ms : SCAN_MS;
    if (o.threads == 0)
        o.threads = processors > 2 ? (unsigned)processors - 1 : 1;
    for (size_t i = 0; colon && i < ARRAY_SIZE(backends); i++) {
        const struct store_backend *b = backends[i];

        if (strlen(b->scheme) != (size_t)(colon - url) ||
            strncmp(b->scheme, url, strlen(b->scheme)) != 0)
            continue;
        r = b->open(colon + 1, &o, &st, err);
        if (r < 0)
            return r;
        st->backend = b;
        st->options = o;
        *ret_store = st;
        return 0;
    }
    (void)error_set(err, -EPROTONOSUPPORT, "'%.64s' names no kind of store", url);
    error_expected(err, "sqlite:/directory/of/records, or null:");
    return -EPROTONOSUPPORT;
}

struct store *store_close(struct store *st)
{
    if (st)
        st->backend->close(st);
    return NULL;
}

unsigned store_capabilities(const struct store *st)
{
    return st->backend->capabilities;
}

void store_follow(struct store *st, store_follow_fn fn, void *ctx)
{
    st->follow = fn;
    st->follow_ctx = ctx;
}

// ---- append

static bool host_is_name(const char *host)
{
    size_t len = host ? strlen(host) : 0;

    if (len == 0 || len > HOST_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)host[i] <= ' ' || (unsigned char)host[i] >= 0x7f)
            return false;
    return true;
}

static int check_batch(const struct record_batch *b, struct error *err)
{
    uint64_t n = 0;

    if (!host_is_name(b->host))
        return error_set(err, -EINVAL, "a batch comes from no host");
    if ((unsigned)b->class >= STREAM_CLASSES || stream_id_is_none(&b->stream))
        return error_set(err, -EINVAL, "a batch of host %s is of no stream", b->host);
    for (uint32_t i = 0; i < b->n_blocks; i++)
        n += b->blocks[i].n_records;
    if (n != b->n_records)
        return error_set(err, -EINVAL,
                         "a batch of host %s says it has %u records, and its blocks have %llu",
                         b->host, b->n_records, (unsigned long long)n);
    if (b->first_seq == 0 || b->first_seq > STREAM_NUMBER_MAX ||
        b->n_records > STREAM_NUMBER_MAX - b->first_seq)
        return error_set(err, -EINVAL, "a batch of host %s has numbers that are none", b->host);
    return 0;
}

int store_append_many(struct store *st, const struct record_batch *const *batches, size_t n,
                      struct store_appended *ret_appended, struct error *err)
{
    int r = 0;

    if (n > BATCHES_MAX)
        return error_set(err, -E2BIG, "more than %d batches at once", BATCHES_MAX);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = check_batch(batches[i], err);
    if (r < 0 || n == 0)
        return r;
    return st->backend->append_many(st, batches, n, ret_appended, err);
}

int store_append(struct store *st, const struct record_batch *batch,
                 struct store_appended *ret_appended, struct error *err)
{
    return store_append_many(st, &batch, 1, ret_appended, err);
}

int store_acked(struct store *st, const char *host, const struct stream_id *stream,
                uint64_t *ret_seq)
{
    return st->backend->acked(st, host, stream, ret_seq);
}

int store_streams(struct store *st, store_stream_fn fn, void *ctx, struct error *err)
{
    return st->backend->streams(st, fn, ctx, err);
}

// ---- read

static int cannot(const struct store *st, struct error *err)
{
    return error_set(err, -EOPNOTSUPP, "a store of kind '%s' cannot do that", st->backend->scheme);
}

int store_query(struct store *st, const struct store_filter *filter, uint32_t limit,
                const char *cursor, bool newest_first, store_row_fn fn, void *ctx,
                struct store_page *ret_page, struct error *err)
{
    struct filter f;
    int r;

    if (!st->backend->query)
        return cannot(st, err);
    if (limit == 0 || limit > STORE_LIMIT_MAX)
        return error_set(err, -EINVAL, "limit: from 1 to %d", STORE_LIMIT_MAX);
    r = filter_prepare(filter, &f, err);
    if (r == 0)
        r = st->backend->query(st, &f, limit, strempty(cursor), newest_first, fn, ctx, ret_page,
                               err);
    filter_done(&f);
    return r;
}

int store_get(struct store *st, const char *id, store_row_fn fn, void *ctx, struct error *err)
{
    return st->backend->get ? st->backend->get(st, id, fn, ctx, err) : cannot(st, err);
}

int store_since(struct store *st, const char *host, const struct stream_id *stream, uint64_t after,
                uint32_t limit, store_row_fn fn, void *ctx, uint32_t *ret_n, struct error *err)
{
    if (!st->backend->since)
        return cannot(st, err);
    if (limit == 0 || limit > STORE_LIMIT_MAX)
        return error_set(err, -EINVAL, "limit: from 1 to %d", STORE_LIMIT_MAX);
    return st->backend->since(st, host, stream, after, limit, fn, ctx, ret_n, err);
}

// ---- counts

// Charts have an end: now, when none is asked for.
static int chart_filter(struct store *st, const struct store_filter *filter, struct filter *ret_f,
                        struct error *err)
{
    struct store_filter f = *filter;

    if (f.to_ms == 0)
        f.to_ms = MAX(store_now_ms(st), f.from_ms) + 1;
    return filter_prepare(&f, ret_f, err);
}

int store_rollup(struct store *st, const struct store_filter *filter, enum store_dim by,
                 uint64_t step_ms, uint32_t limit, store_point_fn fn, void *ctx,
                 struct store_chart *ret_chart, struct error *err)
{
    struct filter f;
    int r;

    if (!st->backend->rollup)
        return cannot(st, err);
    if ((unsigned)by >= STORE_DIM_COUNT || by == STORE_BY_PATH || limit == 0 || limit > SERIES_MAX)
        return error_set(err, -EINVAL, "there is no such chart");
    r = chart_filter(st, filter, &f, err);
    if (r == 0)
        r = st->backend->rollup(st, &f, by, step_ms, limit, fn, ctx, ret_chart, err);
    filter_done(&f);
    return r;
}

int store_top(struct store *st, const struct store_filter *filter, enum store_dim by,
              uint32_t limit, store_top_fn fn, void *ctx, struct store_chart *ret_chart,
              struct error *err)
{
    struct filter f;
    int r;

    if (!st->backend->top)
        return cannot(st, err);
    if ((unsigned)by >= STORE_DIM_COUNT || limit == 0 || limit > SERIES_MAX)
        return error_set(err, -EINVAL, "there is no such list");
    r = chart_filter(st, filter, &f, err);
    if (r == 0)
        r = st->backend->top(st, &f, by, limit, fn, ctx, ret_chart, err);
    filter_done(&f);
    return r;
}

int store_timeline(struct store *st, const struct store_filter *filter, uint32_t n_buckets,
                   store_bucket_fn fn, void *ctx, struct store_chart *ret_chart, struct error *err)
{
    struct filter f;
    int r;

    if (!st->backend->timeline)
        return cannot(st, err);
    if (n_buckets == 0 || n_buckets > BUCKETS_MAX)
        return error_set(err, -EINVAL, "buckets: from 1 to %d", BUCKETS_MAX);
    r = chart_filter(st, filter, &f, err);
    if (r == 0)
        r = st->backend->timeline(st, &f, n_buckets, fn, ctx, ret_chart, err);
    filter_done(&f);
    return r;
}

// ---- care

int store_retain(struct store *st, uint64_t max_bytes, uint64_t max_age_ms,
                 struct store_retained *ret_removed, struct error *err)
{
    return st->backend->retain ? st->backend->retain(st, max_bytes, max_age_ms, ret_removed, err)
                               : cannot(st, err);
}

int store_stats(struct store *st, struct store_stats *ret_stats)
{
    return st->backend->stats(st, ret_stats);
}
