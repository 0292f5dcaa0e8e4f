// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"

#define STREAMS_MAX (4u << 20)

void store_tell(const struct sqlite_store *st, enum store_told kind, const struct error *what)
{
    if (st->base.options.told)
        st->base.options.told(st->base.options.ctx, kind, what);
}

static int lock_directory(struct sqlite_store *st, struct error *err)
{
    char name[4096];
    int r = mkdir_p(AT_FDCWD, st->dir, 0700);

    if (r < 0)
        return error_set(err, r, "cannot make the directory %s: %m", st->dir);
    if (snprintf(name, sizeof(name), "%s/lock", st->dir) >= (int)sizeof(name) - 64)
        return error_set(err, -ENAMETOOLONG, "the name of the directory of records is too long");
    st->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (st->lock_fd < 0)
        return error_set(err, negative_errno(), "cannot open %s: %m", name);
    if (flock(st->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    r = error_set(err, negative_errno(), "%s is in use by another process", st->dir);
    error_cure(err, "end the other server, or give this one a directory of its own");
    return r;
}

static void sqlite_close(struct store *base)
{
    struct sqlite_store *st = sqlite_of(base);

    writer_close(st);
    days_free(st);
    pool_free(st->pool);
    for (size_t i = 0; i < st->cap_digests; i++)
        digest_done(&st->digests[i]);
    free(st->digests);
    free(st->words);
    cells_done(&st->w.cells);
    map_free(st->stream_hosts);
    map_free(st->streams);
    (void)safe_close(st->lock_fd);
    (void)pthread_mutex_destroy(&st->lock);
    free(st->dir);
    free(st);
}

static int sqlite_open(const char *where, const struct store_options *options,
                       struct store **ret_store, struct error *err)
{
    struct sqlite_store *st;
    int r;

    if (where[0] == '\0') {
        (void)error_set(err, -EINVAL, "the store has no directory");
        error_expected(err, "sqlite:/directory/of/records");
        return -EINVAL;
    }
    st = new0(struct sqlite_store, 1);
    if (!st)
        return error_set(err, -ENOMEM, "cannot open the store: %m");
    st->lock_fd = -1;
    st->base.options = *options;
    (void)pthread_mutex_init(&st->lock, NULL);
    st->dir = strdup(where);
    r = st->dir && map_new(MAP_STR, STREAMS_MAX, free, &st->streams) == 0 &&
                map_new(MAP_STR, 0, free, &st->stream_hosts) == 0
            ? 0
            : error_set(err, -ENOMEM, "cannot open the store: %m");
    if (r == 0)
        r = lock_directory(st, err);
    if (r == 0)
        r = days_load(st, err);
    if (r == 0) {
        r = pool_new(options->threads, &st->pool);
        if (r < 0)
            (void)error_set(err, r, "cannot start threads: %m");
    }
    if (r < 0) {
        sqlite_close(&st->base);
        return r;
    }
    *ret_store = &st->base;
    return 0;
}

static int sqlite_stats(struct store *base, struct store_stats *ret_stats)
{
    struct sqlite_store *st = sqlite_of(base);
    struct store_stats s;

    store_lock(st);
    s = st->stats;
    s.records = s.bytes = s.oldest_ms = s.newest_ms = s.oldest_received_ms = 0;
    s.files = (uint32_t)st->n_days;
    s.corrupt_files = st->corrupt_files;
    for (size_t i = 0; i < st->n_days; i++) {
        const struct day_bounds *b = &st->days[i]->bounds;

        s.bytes += day_bytes(st->days[i]);
        if (b->records == 0)
            continue;
        s.oldest_ms = s.records ? MIN(s.oldest_ms, b->time_min) : b->time_min;
        s.newest_ms = MAX(s.newest_ms, b->time_max);
        s.oldest_received_ms = s.records ? MIN(s.oldest_received_ms, b->received_min)
                                         : b->received_min;
        s.records += b->records;
    }
    store_unlock(st);
    *ret_stats = s;
    return 0;
}

const struct store_backend store_sqlite = {
    .scheme = "sqlite",
    .capabilities = STORE_KEEPS | STORE_DURABLE | STORE_CHARTS | STORE_TEXT | STORE_RETAINS,
    .open = sqlite_open,
    .close = sqlite_close,
    .append_many = sqlite_append_many,
    .acked = sqlite_acked,
    .streams = sqlite_streams,
    .query = sqlite_query,
    .get = sqlite_get,
    .since = sqlite_since,
    .rollup = sqlite_rollup,
    .top = sqlite_top,
    .timeline = sqlite_timeline,
    .retain = sqlite_retain,
    .stats = sqlite_stats,
};
