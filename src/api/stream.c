// SPDX-License-Identifier: Apache-2.0
//
// Answers that are made while they are read: a worker fills a buffer, the loop sends it, and only then is the next one
// asked for. The connection is suspended in between, so that the two never touch the buffer at once.
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"

#define BLOCK_SIZE ((size_t)16 << 10)

struct stream {
    struct job job;
    struct api *api;
    api_pull pull;
    void *ctx;
    void (*free_ctx)(void *);
    struct strbuf buffer;
    size_t sent;
    struct auth_standing standing;
    int state; // 1: there is more, 0: that was all, negative: cut
    struct MHD_Connection *connection;
};

int api_stream(struct api_request *rq, const char *content_type, api_pull pull, void *ctx,
               void (*free_ctx)(void *), struct error *err)
{
    struct api *api = rq->api;
    struct stream *s = new0(struct stream, 1);
    bool full;

    (void)pthread_mutex_lock(&api->lock);
    full = api->n_streams >= api->limits.streams;
    if (!full && s)
        api->n_streams++;
    (void)pthread_mutex_unlock(&api->lock);
    if (full || !s) {
        free(s);
        if (free_ctx)
            free_ctx(ctx);
        if (!full)
            return error_set(err, -ENOMEM, "%m");
        return error_set(err, -ENOBUFS, "%u exports are under way, and that is as many as may be",
                         api->limits.streams);
    }
    *s = (struct stream){.api = api, .pull = pull, .ctx = ctx, .free_ctx = free_ctx, .state = 1};
    auth_stand(rq, &s->standing);
    rq->answer.stream = s;
    rq->answer.content_type = content_type;
    return HANDLER_STREAM;
}

void stream_abandon(struct stream *s)
{
    (void)pthread_mutex_lock(&s->api->lock);
    s->api->n_streams--;
    (void)pthread_mutex_unlock(&s->api->lock);
    if (s->free_ctx)
        s->free_ctx(s->ctx);
    sb_done(&s->buffer);
    explicit_bzero(&s->standing, sizeof(s->standing));
    free(s);
}

static void fill(struct job *job)
{
    struct stream *s = container_of(job, struct stream, job);
    struct api *api = s->api;

    if (atomic_load(&api->stopping))
        s->state = -ESHUTDOWN;
    else if (!auth_stands(api, &s->standing, now_ns(CLOCK_MONOTONIC) / NS_PER_MS))
        s->state = -EACCES;
    else
        s->state = s->pull(s->ctx, &s->buffer);
    if (s->buffer.failed)
        s->state = -ENOMEM;
    // From here on its loop may free it.
    MHD_resume_connection(s->connection);
    atomic_fetch_sub(&api->suspended, 1);
}

static ssize_t read_stream(void *cls, uint64_t pos _unused_, char *buf, size_t max)
{
    struct stream *s = cls;
    size_t len = MIN(s->buffer.len - s->sent, max);

    if (len > 0) {
        memcpy(buf, s->buffer.s + s->sent, len);
        s->sent += len;
        return (ssize_t)len;
    }
    if (s->state == 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (s->state < 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    sb_reset(&s->buffer);
    s->sent = 0;
    s->job.fn = fill;
    atomic_fetch_add(&s->api->suspended, 1);
    if (atomic_load(&s->api->stopping)) {
        atomic_fetch_sub(&s->api->suspended, 1);
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    MHD_suspend_connection(s->connection);
    (void)workers_add(s->api->pools[LANE_PEOPLE], &s->job, true);
    return 0;
}

static void free_stream(void *cls)
{
    stream_abandon(cls);
}

struct MHD_Response *stream_response(struct api_request *rq)
{
    struct stream *s = rq->answer.stream;
    struct MHD_Response *response;

    s->connection = rq->connection;
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, read_stream, s,
                                                 free_stream);
    if (response)
        rq->answer.stream = NULL;
    return response;
}
