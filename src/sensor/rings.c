// SPDX-License-Identifier: Apache-2.0
#include <bpf/libbpf.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/mappings.h"
#include "base/strutil.h"
#include "sensor/internal.h"

// In one go from each ring, so that a full audit ring does not keep denials waiting; and in one call, so that
// the caller's loop gets to its other work. What is left makes the descriptor readable again.
#define TURN         ((size_t)512)
#define PROCESS_TURN 4096
#define CALL         8192

static const char *const ring_maps[RINGS] = {
    [RING_SECURITY] = "sg_security",
    [RING_AUDIT] = "sg_audit",
    [RING_PROCESS] = "sg_process",
};

// Denials first, then what says who did it, then bulk.
static const enum ring order[RINGS] = {RING_SECURITY, RING_PROCESS, RING_AUDIT};

// After records: when to look whether more have come, of which programs did not tell (SG_WAKE_NS). And once
// more, for one that a program was interrupted at.
#define LOOK_AGAIN_NS (SG_WAKE_NS + NS_PER_MS)
#define LOOK_LAST_NS  (100 * NS_PER_MS)

static bool is_record(const void *data, size_t len)
{
    const struct sg_record *r = data;

    return len >= sizeof(*r) && r->size >= sizeof(*r) && r->size <= len;
}

static int on_record(void *ctx, void *data, size_t len)
{
    struct rings *r = ctx;
    struct sensor *s = r->sensor;
    bool record = is_record(data, len);

    if (record && canary_take(&s->canary, data))
        return 0;
    if (record && (r->reading == RING_SECURITY ||
                   ((const struct sg_record *)data)->type == SG_RECORD_CONTROL))
        merged_remember(&s->merged, data, len);
    r->result = r->fn(r->userdata, data, len);
    if (r->result >= 0) {
        r->handed++;
        r->budget--;
    }
    // libbpf stops after this record, which counts as read.
    return r->result < 0 || r->budget == 0 ? -ECANCELED : 0;
}

static int on_record_while_testing(void *ctx, void *data, size_t len)
{
    struct rings *r = ctx;
    struct queued *q;

    if (is_record(data, len) && canary_take(&r->sensor->canary, data))
        return 0;
    if (r->queued_bytes + len > QUEUE_BYTES_MAX || !(q = mallocz(sizeof(*q) + len))) {
        r->dropped++;
        return 0;
    }
    q->len = len;
    memcpy(q->data, data, len);
    *r->last = q;
    r->last = &q->next;
    r->queued_bytes += len;
    if (r->first == q)
        (void)eventfd_write(r->event_fd, 1);
    return r->reading == RING_AUDIT && r->queued_bytes >= QUEUE_BYTES_MAX / 2 ? -ECANCELED : 0;
}

static int on_any(void *ctx, void *data, size_t len)
{
    struct rings *r = ctx;

    return r->fn ? on_record(ctx, data, len) : on_record_while_testing(ctx, data, len);
}

static int watch(struct rings *r, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void look_again(struct rings *r, uint64_t ns)
{
    struct itimerspec in = {.it_value = {.tv_nsec = (long)ns}};

    // Also makes the descriptor unreadable.
    (void)timerfd_settime(r->timer_fd, 0, &in, NULL);
    r->look_ns = ns;
}

// A pause of the records ends with a last look.
static void plan_look(struct rings *r)
{
    uint64_t expired;

    if (r->handed)
        look_again(r, LOOK_AGAIN_NS);
    else if (read(r->timer_fd, &expired, sizeof(expired)) > 0 && r->look_ns == LOOK_AGAIN_NS)
        look_again(r, LOOK_LAST_NS);
}

int rings_open(struct sensor *s, struct error *err)
{
    struct rings *r = &s->rings;
    int k;

    *r = (struct rings){
        .sensor = s, .epoll_fd = -1, .event_fd = -1, .timer_fd = -1, .last = &r->first};
    r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    r->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (r->epoll_fd < 0 || r->event_fd < 0 || r->timer_fd < 0)
        return error_set(err, -errno, "no descriptors: %m");
    k = watch(r, r->event_fd);
    k = k < 0 ? k : watch(r, r->timer_fd);
    look_again(r, LOOK_AGAIN_NS); // what an earlier reader was told of
    for (size_t i = 0; i < RINGS && k == 0; i++) {
        int fd = map_fd(s, ring_maps[i]);

        r->rings[i] = ring_buffer__new(fd, on_any, r, NULL);
        k = r->rings[i] ? watch(r, fd) : -errno;
        if (k < 0)
            return error_set(err, k, "ring %s: %s", ring_maps[i], strerror(-k));
    }
    mappings_rings_stay(); // of which a test would have copies
    return k;
}

static void queue_pop(struct rings *r)
{
    struct queued *q = r->first;

    r->first = q->next;
    if (!r->first)
        r->last = &r->first;
    r->queued_bytes -= q->len;
    free(q);
}

void rings_close(struct rings *r)
{
    for (size_t i = 0; i < RINGS; i++)
        ring_buffer__free(r->rings[i]);
    while (r->first)
        queue_pop(r);
    (void)safe_close(r->epoll_fd);
    (void)safe_close(r->event_fd);
    (void)safe_close(r->timer_fd);
    *r = (struct rings){.epoll_fd = -1, .event_fd = -1, .timer_fd = -1};
}

static int deliver_queue(struct rings *r)
{
    eventfd_t value;

    while (r->first) {
        struct queued *q = r->first;
        int k;

        if (is_record(q->data, q->len) &&
            (((const struct sg_record *)q->data)->verdict >= SG_DENY ||
             ((const struct sg_record *)q->data)->type == SG_RECORD_CONTROL))
            merged_remember(&r->sensor->merged, (const struct sg_record *)q->data, q->len);
        k = r->fn(r->userdata, q->data, q->len);
        queue_pop(r);
        if (k < 0)
            return k;
        r->handed++;
    }
    (void)eventfd_read(r->event_fd, &value);
    return 0;
}

// Reads up to `budget` records of one ring. 1: there may be more.
static int take_turn(struct rings *r, enum ring ring, size_t budget)
{
    int k;

    r->reading = ring;
    r->budget = budget;
    r->result = 0;
    k = ring_buffer__consume(r->rings[ring]);
    if (r->result < 0)
        return r->result;
    if (k < 0 && k != -ECANCELED)
        return k;
    return r->budget == 0;
}

int sensor_consume_some(struct sensor *s, size_t max, sensor_record_fn fn, void *userdata)
{
    struct rings *r = &s->rings;
    int more = 1, k;

    r->fn = fn;
    r->userdata = userdata;
    r->handed = 0;
    k = deliver_queue(r);
    while (k >= 0 && more && r->handed < max) {
        more = 0;
        for (size_t i = 0; i < RINGS && k >= 0; i++) {
            // Whose denial it is that was just read is in here: not to be left for the next turn.
            k = take_turn(r, order[i], order[i] == RING_PROCESS ? PROCESS_TURN : MIN(max, TURN));
            more |= k > 0;
        }
    }
    r->fn = NULL;
    plan_look(r);
    return k < 0 ? k : (int)r->handed;
}

int sensor_consume(struct sensor *s, sensor_record_fn fn, void *userdata)
{
    return sensor_consume_some(s, CALL, fn, userdata);
}

static int drain(struct rings *r, enum ring ring)
{
    int k = ring_buffer__consume(r->rings[ring]);

    return k == -ECANCELED ? 0 : k;
}

bool rings_full(const struct sensor *s)
{
    return s->rings.queued_bytes >= QUEUE_BYTES_MAX / 2;
}

int rings_drain(struct sensor *s, bool audit, uint64_t deadline_ns)
{
    struct rings *r = &s->rings;
    struct pollfd p[2] = {
        {.fd = map_fd(s, ring_maps[RING_SECURITY]), .events = POLLIN},
        {.fd = map_fd(s, ring_maps[RING_AUDIT]), .events = POLLIN},
    };
    uint64_t now = now_ns(CLOCK_MONOTONIC);
    int k, wait;

    // What does not fit into the queue stays in its ring.
    audit = audit && !rings_full(s);
    wait = now < deadline_ns ? (int)((deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS) : 0;
    // Not of every record is told.
    k = poll(p, audit ? 2 : 1, MIN(wait, (int)(LOOK_AGAIN_NS / NS_PER_MS)));
    if (k < 0)
        return errno == EINTR ? 0 : -errno;
    look_again(r, LOOK_AGAIN_NS);
    k = drain(r, RING_SECURITY);
    if (k >= 0 && audit) {
        r->reading = RING_AUDIT;
        k = drain(r, RING_AUDIT);
    }
    r->reading = RING_SECURITY;
    return k;
}

int sensor_fd(struct sensor *s)
{
    return s->rings.epoll_fd;
}
