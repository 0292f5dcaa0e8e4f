// SPDX-License-Identifier: Apache-2.0
//
// Processes that were stopped at their exec, see abi/sched.h.
#include "sensor/stops.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/macro.h"
#include "sensor/internal.h"

static int on_told(void *ctx _unused_, void *data _unused_, size_t len _unused_)
{
    return 0; // that one came is all that it says
}

int stops_open(struct sensor *s, struct stops *ret, struct error *err)
{
    int fd = map_fd(s, "sg_stops");
    struct stops stops = {};

    stops.view.memory = mmap(NULL, sizeof(*stops.view.memory), PROT_READ | PROT_WRITE, MAP_SHARED,
                             fd, 0);
    if (stops.view.memory == MAP_FAILED)
        return error_set(err, -errno, "the processes that were stopped cannot be seen: %m");
    stops.told = ring_buffer__new(map_fd(s, "sg_stops_told"), on_told, NULL, NULL);
    if (libbpf_get_error(stops.told)) {
        int r = -errno;

        (void)munmap(stops.view.memory, sizeof(*stops.view.memory));
        return error_set(err, r, "nobody says which processes were stopped: %m");
    }
    stops.settled = map_fd(s, "sg_settled");
    *ret = stops;
    return 0;
}

void stops_close(struct stops *s)
{
    if (!s->view.memory)
        return;
    ring_buffer__free(s->told);
    (void)munmap(s->view.memory, sizeof(*s->view.memory));
    *s = (struct stops){};
}

int stops_fd(const struct stops *s)
{
    return ring_buffer__epoll_fd(s->told);
}

void stops_seen(struct stops *s)
{
    (void)ring_buffer__consume(s->told);
}

static void count_late(struct stops_view *v)
{
    (void)__atomic_fetch_add(&v->memory->late, 1, __ATOMIC_RELAXED);
}

// Whoever is claimed without being stopped is about to be, or died on the way; or who looked at him died before he let him go on.
static bool was_left(struct stops_view *v, size_t i, uint64_t now)
{
    struct sg_stopped *slot = &v->memory->slots[i];
    uint64_t claims = __atomic_load_n(&slot->claims, __ATOMIC_SEQ_CST);

    if (!claims)
        v->claimed_ns[i] = 0;
    else if (!v->claimed_ns[i])
        v->claimed_ns[i] = now;
    if (!claims || now - v->claimed_ns[i] < SG_STOP_LATE_NS)
        return false;
    v->claimed_ns[i] = 0;
    if (slot->tgid) {
        count_late(v);
        (void)kill((pid_t)slot->tgid, SIGCONT);
    }
    return __atomic_compare_exchange_n(&slot->claims, &claims, 0, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

size_t stops_each(struct stops_view *v, uint64_t older_ns, stops_fn fn, void *ctx)
{
    uint64_t now = now_ns(CLOCK_BOOTTIME);
    size_t n = 0;

    for (size_t i = 0; i < SG_STOPS_MAX; i++) {
        struct sg_stopped *slot = &v->memory->slots[i];
        struct sg_stopped one;

        if (!__atomic_load_n(&slot->stopped, __ATOMIC_SEQ_CST)) {
            n += was_left(v, i, now);
            continue;
        }
        v->claimed_ns[i] = 0;
        // Who was stopped since the clock was looked at is as new as can be.
        if (older_ns && now < slot->time_ns + older_ns)
            continue;
        // Of several who look, one has him.
        if (!__atomic_exchange_n(&slot->stopped, 0, __ATOMIC_SEQ_CST))
            continue;
        one = *slot;
        if (fn)
            fn(ctx, &one);
        else
            count_late(v);
        // Harmless for another who has the number by now: he is not stopped, or was it by us.
        (void)kill((pid_t)one.tgid, SIGCONT);
        slot->tgid = 0;
        // Not a plain 0: somebody who asked for it at the same time as its owner still takes his own claim back.
        (void)__atomic_fetch_sub(&slot->claims, 1, __ATOMIC_SEQ_CST);
        n++;
    }
    return n;
}

int stops_settle(const struct stops *s, uint64_t cgroup_id, uint32_t policy_id, uint32_t rule)
{
    const struct sg_settled_key key = {.cgroup_id = cgroup_id,
                                       .policy_id = policy_id,
                                       .rule = rule};
    const uint32_t one = 1;

    return bpf_map_update_elem(s->settled, &key, &one, BPF_ANY) < 0 ? -errno : 0;
}
