// SPDX-License-Identifier: Apache-2.0
//
// One thread appends, another one leases and commits, a third looks at the counters; bounds drop segments meanwhile.
#include "tests/unit/spool/rig.h"

#include <pthread.h>
#include <semaphore.h>

#include "base/clock.h"

#define LINES 20000

static uint64_t real_clock(void *ctx _unused_)
{
    return now_ns(CLOCK_BOOTTIME) / NS_PER_MS;
}

struct shared {
    struct rig rig;
    sem_t written;
    bool done;
    uint64_t got[STREAM_CLASSES], last[STREAM_CLASSES];
};

static void on_written(void *ctx)
{
    struct shared *s = ctx;

    (void)sem_post(&s->written);
}

static void *appender(void *arg)
{
    struct shared *s = arg;

    for (int i = 0; i < LINES; i++) {
        enum stream_class c = i % 8 ? STREAM_AUDIT : STREAM_SECURITY;

        assert_int_equal(rig_try(&s->rig, c, 200), 0);
        if (i % 50 == 0)
            assert_int_equal(spool_flush(s->rig.spool), 0);
    }
    assert_int_equal(spool_flush(s->rig.spool), 0);
    __atomic_store_n(&s->done, true, __ATOMIC_RELEASE);
    (void)sem_post(&s->written);
    return NULL;
}

static int take(struct shared *s, enum stream_class c, int turn)
{
    const char *at, *end;
    struct spool_lease lease;
    int r = spool_lease(s->rig.spool, c, 100, 64 << 10, &lease);

    if (r <= 0)
        return r;
    if (turn % 5 == 0) {
        spool_rollback(s->rig.spool, c);
        return 1;
    }
    if (turn % 97 == 0) {
        assert_int_equal(spool_new_stream(s->rig.spool, c, &lease.stream), 0);
        return 1;
    }
    at = lease.data;
    end = at + lease.len;
    for (uint32_t i = 0; i < lease.n; i++) {
        uint64_t line = rig_number(&at, end, c);

        assert_true(line > s->last[c]);
        s->last[c] = line;
    }
    s->got[c] += lease.n;
    assert_int_equal(spool_commit(s->rig.spool, c, &lease.stream, lease.first_seq + lease.n - 1),
                     0);
    return 1;
}

static void *sender(void *arg)
{
    struct shared *s = arg;
    int turn = 0;
    bool done;

    do {
        (void)sem_wait(&s->written);
        done = __atomic_load_n(&s->done, __ATOMIC_ACQUIRE);
        for (int c = 0; c < STREAM_CLASSES; c++)
            while (take(s, (enum stream_class)c, ++turn) > 0)
                ;
    } while (!done);
    return NULL;
}

static void *watcher(void *arg)
{
    struct shared *s = arg;
    struct spool_loss loss[SPOOL_REASONS];
    struct spool_counters c;
    struct spool_health health;

    while (!__atomic_load_n(&s->done, __ATOMIC_ACQUIRE)) {
        spool_counters(s->rig.spool, STREAM_AUDIT, &c);
        assert_true(c.accepted >= c.committed);
        spool_health(s->rig.spool, &health);
        assert_true(health.bytes <= health.max_bytes);
        if (spool_untold(s->rig.spool, STREAM_AUDIT, loss))
            spool_told(s->rig.spool, STREAM_AUDIT, loss);
        (void)sched_yield();
    }
    return NULL;
}

static void run(uint64_t max_bytes, struct spool_counters c[STREAM_CLASSES])
{
    pthread_t threads[3];
    struct shared s = {};

    rig_begin(&s.rig);
    rig_close(&s.rig);
    assert_int_equal(sem_init(&s.written, 0, 0), 0);
    s.rig.options.max_bytes = max_bytes;
    s.rig.options.segment_bytes = 32 << 10;
    s.rig.options.clock_ms = real_clock;
    s.rig.options.written = on_written;
    s.rig.options.ctx = &s;
    rig_open(&s.rig);
    assert_int_equal(pthread_create(&threads[0], NULL, appender, &s), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, sender, &s), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, watcher, &s), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < STREAM_CLASSES; i++) {
        spool_counters(s.rig.spool, (enum stream_class)i, &c[i]);
        assert_int_equal(c[i].waiting, 0);
        assert_int_equal(c[i].committed, s.got[i]);
        assert_int_equal(c[i].accepted, s.got[i] + c[i].dropped[SPOOL_BY_BYTES].records);
    }
    assert_int_equal(c[0].accepted + c[1].accepted, LINES);
    (void)sem_destroy(&s.written);
    rig_end(&s.rig);
}

static void test_all_of_it_arrives(void **state)
{
    struct spool_counters c[STREAM_CLASSES];

    (void)state;
    run(64 << 20, c);
    assert_int_equal(c[STREAM_AUDIT].committed + c[STREAM_SECURITY].committed, LINES);
}

// So little room that segments are dropped while they are read.
static void test_dropped_while_read(void **state)
{
    struct spool_counters c[STREAM_CLASSES];

    (void)state;
    run(SPOOL_BYTES_MIN, c);
}

UNIT_MAIN(cmocka_unit_test(test_all_of_it_arrives), cmocka_unit_test(test_dropped_while_read))
