// SPDX-License-Identifier: Apache-2.0
//
// What a backend is: one table of functions, one row in backends.def. Arguments were checked before (store.c): batches do not
// contradict themselves, filters are within their bounds, limits are from 1 to their maximum. Members may be NULL where the
// capabilities do not have them.
#pragma once

#include "store/filter.h"
#include "store/store.h"

struct store_backend {
    const char *scheme;
    unsigned capabilities;
    // `where` is what follows the scheme. ret_store is the first member of the backend's own structure; store.c fills it in.
    int (*open)(const char *where, const struct store_options *options, struct store **ret_store,
                struct error *err);
    void (*close)(struct store *st);
    int (*append_many)(struct store *st, const struct record_batch *const *batches, size_t n,
                       struct store_appended *ret_appended, struct error *err);
    int (*acked)(struct store *st, const char *host, const struct stream_id *stream,
                 uint64_t *ret_seq);
    int (*streams)(struct store *st, store_stream_fn fn, void *ctx, struct error *err);
    int (*query)(struct store *st, const struct filter *filter, uint32_t limit, const char *cursor,
                 bool newest_first, store_row_fn fn, void *ctx, struct store_page *ret_page,
                 struct error *err);
    int (*get)(struct store *st, const char *id, store_row_fn fn, void *ctx, struct error *err);
    int (*since)(struct store *st, const char *host, const struct stream_id *stream, uint64_t after,
                 uint32_t limit, store_row_fn fn, void *ctx, uint32_t *ret_n, struct error *err);
    int (*rollup)(struct store *st, const struct filter *filter, enum store_dim by,
                  uint64_t step_ms, uint32_t limit, store_point_fn fn, void *ctx,
                  struct store_chart *ret_chart, struct error *err);
    int (*top)(struct store *st, const struct filter *filter, enum store_dim by, uint32_t limit,
               store_top_fn fn, void *ctx, struct store_chart *ret_chart, struct error *err);
    int (*timeline)(struct store *st, const struct filter *filter, uint32_t n_buckets,
                    store_bucket_fn fn, void *ctx, struct store_chart *ret_chart,
                    struct error *err);
    int (*retain)(struct store *st, uint64_t max_bytes, uint64_t max_age_ms,
                  struct store_retained *ret_removed, struct error *err);
    int (*stats)(struct store *st, struct store_stats *ret_stats);
};

struct store {
    const struct store_backend *backend;
    struct store_options options; // without zeroes where they mean a default
    store_follow_fn follow;
    void *follow_ctx;
};

extern const struct store_backend store_sqlite, store_null;

uint64_t store_now_ms(const struct store *st);
