// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/clock.h"
#include "base/macro.h"
#include "tests/unit/transport/bench.h"

static int source_streams(void *ctx, struct msg_stream ret[MSG_STREAMS_MAX])
{
    struct source *s = ctx;

    (void)pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < STREAM_CLASSES; i++)
        ret[i] = (struct msg_stream){
            .class = (enum stream_class)i,
            .id = s->streams[i].id,
            .first = s->streams[i].committed + 1,
            .next = s->streams[i].next,
        };
    (void)pthread_mutex_unlock(&s->lock);
    return STREAM_CLASSES;
}

static void add_line(const struct source *s, struct source_stream *t, enum stream_class class,
                     uint64_t seq)
{
    sb_printf(&t->data, "{\"class\":%u,\"seq\":%llu,\"pad\":\"", class, (unsigned long long)seq);
    for (size_t i = 0; i < s->pad; i++)
        sb_putc(&t->data, (char)('a' + (seq * 7 + i * i) % 26));
    sb_puts(&t->data, "\"}\n");
}

static int source_lease(void *ctx, enum stream_class class, uint32_t max_records, size_t max_bytes,
                        struct record_lease *ret)
{
    struct source *s = ctx;
    struct source_stream *t = &s->streams[class];
    uint32_t n = 0;
    int r = 0;

    (void)pthread_mutex_lock(&s->lock);
    assert_false(t->leased);
    sb_reset(&t->data);
    while (n < max_records && t->committed + 1 + n < t->next && t->data.len + s->pad < max_bytes)
        add_line(s, t, class, t->committed + 1 + n++);
    if (s->lease_code) {
        r = s->lease_code;
    } else if (n > 0) {
        *ret = (struct record_lease){class, t->id, t->committed + 1, n, t->data.s, t->data.len};
        t->leased = true;
        r = 1;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return r;
}

static int source_commit(void *ctx, enum stream_class class, const struct stream_id *id,
                         uint64_t acked)
{
    struct source *s = ctx;
    struct source_stream *t = &s->streams[class];

    (void)pthread_mutex_lock(&s->lock);
    assert_true(stream_id_equal(id, &t->id));
    assert_true(acked < t->next);
    t->committed = MAX(t->committed, acked);
    t->leased = false;
    s->n_commits++;
    (void)pthread_mutex_unlock(&s->lock);
    (void)eventfd_write(s->event_fd, 1);
    return 0;
}

static int source_rollback(void *ctx, enum stream_class class)
{
    struct source *s = ctx;

    (void)pthread_mutex_lock(&s->lock);
    assert_true(s->streams[class].leased);
    s->streams[class].leased = false;
    s->n_rollbacks++;
    (void)pthread_mutex_unlock(&s->lock);
    return 0;
}

// What waits gets new numbers in a new stream.
static int source_new_stream(void *ctx)
{
    struct source *s = ctx;

    (void)pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < STREAM_CLASSES; i++) {
        struct source_stream *t = &s->streams[i];

        assert_false(t->leased);
        assert_int_equal(stream_id_new(&t->id), 0);
        t->next -= t->committed;
        t->committed = 0;
    }
    s->n_new_streams++;
    (void)pthread_mutex_unlock(&s->lock);
    return 0;
}

void source_add(struct source *s, enum stream_class class, uint64_t n)
{
    (void)pthread_mutex_lock(&s->lock);
    s->streams[class].next += n;
    (void)pthread_mutex_unlock(&s->lock);
}

bool source_empty(struct source *s)
{
    bool empty = true;

    (void)pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < STREAM_CLASSES; i++)
        empty = empty && s->streams[i].committed + 1 == s->streams[i].next;
    (void)pthread_mutex_unlock(&s->lock);
    return empty;
}

uint64_t bench_now(void)
{
    return now_ns(CLOCK_MONOTONIC) / NS_PER_MS;
}

static void on_bundle(void *ctx, const char *id, const struct bundle_file *files, size_t n)
{
    struct bench *b = ctx;

    b->n_bundles++;
    (void)snprintf(b->bundle, sizeof(b->bundle), "%s", id ? id : "none");
    (void)snprintf(b->policy, sizeof(b->policy), "%s", n > 0 ? files[0].text : "");
}

static void on_command(void *ctx, const struct msg_command *command)
{
    struct bench *b = ctx;

    b->n_commands++;
    (void)snprintf(b->command, sizeof(b->command), "%s", command->id);
    b->question = command->question;
    (void)snprintf(b->args, sizeof(b->args), "%s", command->args);
}

static void on_status(void *ctx)
{
    struct bench *b = ctx;

    b->n_status++;
}

void bench_open(struct bench *b)
{
    struct source *s = &b->source;

    memset(b, 0, sizeof(*b));
    b->dir = unit_mkdtemp();
    (void)unit_path_in(b->identity, sizeof(b->identity), b->dir, "identity.json");
    peer_init(&b->peer, b->dir);
    (void)pthread_mutex_init(&s->lock, NULL);
    s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->pad = 100;
    for (unsigned i = 0; i < STREAM_CLASSES; i++) {
        assert_int_equal(stream_id_new(&s->streams[i].id), 0);
        s->streams[i].next = 1;
    }
    b->options = (struct link_options){
        .identity_path = b->identity,
        .machine_id = MACHINE,
        .boot_id = "boot",
        .host = {.name = "web1"},
        .version = "0.1",
        .source = {s, source_streams, source_lease, source_commit, source_rollback,
                   source_new_stream},
        .handlers = {b, on_bundle, on_command, on_status},
        .linger_ms = 20,
        .backoff_min_ms = 20,
        .backoff_max_ms = 200,
        .connect_ms = 5000,
        .stall_ms = 10000,
    };
}

void bench_unlink(struct bench *b)
{
    b->link = link_free(b->link);
    for (unsigned i = 0; i < STREAM_CLASSES; i++)
        assert_false(b->source.streams[i].leased);
}

void bench_close(struct bench *b)
{
    if (b->link)
        bench_unlink(b);
    peer_done(&b->peer);
    for (unsigned i = 0; i < STREAM_CLASSES; i++)
        sb_done(&b->source.streams[i].data);
    (void)close(b->source.event_fd);
    (void)pthread_mutex_destroy(&b->source.lock);
    unit_rmdir(b->dir);
}

void bench_enrol(struct bench *b, uint64_t issued_ms)
{
    uint64_t now = issued_ms ? issued_ms : now_ns(CLOCK_REALTIME) / NS_PER_MS;
    _cleanup_(identity_freep) struct identity *id = NULL;
    _cleanup_free_ char *csr = NULL, *pem = NULL;
    struct cert_info info;
    struct error err = {};
    char *key = NULL;

    assert_int_equal(identity_new_key(&key, &csr, &err), 0);
    assert_int_equal(ca_sign_agent(b->peer.ca, csr, AGENT, now, &pem, &info, &err), 0);
    assert_int_equal(identity_new(AGENT, b->peer.url, MACHINE, key, pem, ca_pem(b->peer.ca),
                                  now + ca_renew_after_ms(), &id, &err),
                     0);
    identity_key_free(key);
    assert_int_equal(identity_store(b->identity, id, &err), 0);
}

void bench_link(struct bench *b)
{
    struct error err = {};

    assert_int_equal(link_new(&b->options, &b->link, &err), 0);
}

struct link_status bench_status(struct bench *b)
{
    struct link_status status;

    link_status(b->link, &status);
    return status;
}

void bench_wait(struct bench *b, uint64_t end_ms)
{
    struct pollfd fds[] = {
        {.fd = b->peer.event_fd, .events = POLLIN},
        {.fd = b->source.event_fd, .events = POLLIN},
        {.fd = b->link ? link_fd(b->link) : -1, .events = POLLIN},
    };
    uint64_t now = bench_now();
    eventfd_t n;

    (void)poll(fds, ARRAY_SIZE(fds), (int)MIN(end_ms > now ? end_ms - now : 0, UINT64_C(100)));
    (void)eventfd_read(b->peer.event_fd, &n);
    (void)eventfd_read(b->source.event_fd, &n);
    if (b->link)
        link_dispatch(b->link);
}

void bench_open_online(struct bench *b)
{
    bench_open(b);
    peer_start(&b->peer, 0);
    bench_enrol(b, 0);
    bench_link(b);
    WAIT(b, bench_status(b).state == LINK_online);
}
