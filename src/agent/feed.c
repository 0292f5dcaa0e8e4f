// SPDX-License-Identifier: Apache-2.0
#include "agent/feed.h"

#include <errno.h>

static struct spool *spool_of(void *ctx)
{
    const struct feed *f = ctx;

    return f->spool;
}

static void wake(const struct feed *f)
{
    struct link *link = __atomic_load_n(&f->link, __ATOMIC_ACQUIRE);

    if (link)
        link_wake(link);
}

static int source_streams(void *ctx, struct msg_stream ret[MSG_STREAMS_MAX])
{
    struct spool_stream streams[MSG_STREAMS_MAX];
    size_t n = spool_streams(spool_of(ctx), streams, MSG_STREAMS_MAX);

    for (size_t i = 0; i < n; i++)
        ret[i] = (struct msg_stream){
            .class = streams[i].class,
            .id = streams[i].id,
            .first = streams[i].first,
            .next = streams[i].next,
            .acked = streams[i].acked,
        };
    return (int)n;
}

static int source_lease(void *ctx, enum stream_class class, uint32_t max_records, size_t max_bytes,
                        struct record_lease *ret)
{
    struct spool_lease lease;
    int r = spool_lease(spool_of(ctx), class, max_records, max_bytes, &lease);

    if (r > 0)
        *ret = (struct record_lease){
            .class = lease.class,
            .stream = lease.stream,
            .first_seq = lease.first_seq,
            .n = lease.n,
            .data = lease.data,
            .len = lease.len,
        };
    return r;
}

static int source_commit(void *ctx, enum stream_class class, const struct stream_id *id,
                         uint64_t acked)
{
    struct spool *s = spool_of(ctx);
    struct spool_counters c;
    int r = spool_commit(s, class, id, acked);

    // More than was ever handed out, and less than was numbered since: this host was set back, and has gone on.
    if (r == -ERANGE)
        r = spool_new_stream(s, class, id);
    // A lease ends with its segment: that it was short does not mean that it was the last one.
    spool_counters(s, class, &c);
    if (c.waiting)
        wake(ctx);
    return r;
}

static int source_rollback(void *ctx, enum stream_class class)
{
    spool_rollback(spool_of(ctx), class);
    return 0;
}

// Which of them the server is ahead of is not said: all that wait.
static int source_new_stream(void *ctx)
{
    struct spool_stream streams[MSG_STREAMS_MAX];
    struct spool *s = spool_of(ctx);
    size_t n = spool_streams(s, streams, MSG_STREAMS_MAX);
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++)
        r = spool_new_stream(s, streams[i].class, &streams[i].id);
    return r;
}

void feed_written(void *ctx)
{
    wake(ctx);
}

struct link_source feed_source(struct feed *feed)
{
    return (struct link_source){feed,          source_streams,  source_lease,
                                source_commit, source_rollback, source_new_stream};
}
