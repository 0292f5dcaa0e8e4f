// SPDX-License-Identifier: Apache-2.0
#include "flows/flows.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "abi/policy.h"

#include "abi/shared.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/mappings.h"
#include "flows/internal.h"

// Of a look: a walk that somebody makes begin again ends all the same.
#define STEPS_MAX (4 * SG_FLOW_DATAGRAMS_MAX)

// After records: when to look whether more have come, of which programs did not tell (SG_WAKE_NS). And once more, for one that a
// program was interrupted at.
#define LOOK_AGAIN_NS (SG_WAKE_NS + NS_PER_MS)
#define LOOK_LAST_NS  (100 * NS_PER_MS)

struct flows *flows_close(struct flows *f)
{
    if (!f)
        return NULL;
    ring_buffer__free(f->ring);
    for (size_t i = 0; i < f->n_links; i++)
        (void)bpf_link__destroy(f->links[i]);
    bpf_object__close(f->object);
    (void)flow_table_free(f->table);
    (void)reason_names_free(f->reasons);
    (void)safe_close(f->epoll_fd);
    (void)safe_close(f->timer_fd);
    free(f->absent);
    free(f);
    return NULL;
}

static int on_record(void *ctx, void *data, size_t len)
{
    struct flows *f = ctx;
    struct flow flow;

    if (flow_decode(data, len, &flow) < 0) {
        f->bad++;
        return 0;
    }
    f->result = flow_table_record(f->table, &flow, f->fn, f->ctx);
    // libbpf stops after this record, which counts as read.
    return f->result < 0 ? -ECANCELED : 0;
}

static int watch(struct flows *f, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return fd < 0 || epoll_ctl(f->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_ring(struct flows *f)
{
    int fd = bpf_object__find_map_fd_by_name(f->object, "flow_ring"), r;

    f->ring = ring_buffer__new(fd, on_record, f, NULL);
    if (!f->ring)
        return negative_errno();
    f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    f->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    mappings_rings_stay();
    r = watch(f, f->timer_fd);
    return r < 0 ? r : watch(f, fd);
}

int flows_open(const struct flows_options *options, struct flows **ret, struct error *err)
{
    _cleanup_(flows_closep) struct flows *f = new0(struct flows, 1);
    size_t rows = options && options->max_rows ? options->max_rows : FLOWS_ROWS_MAX;
    uint64_t idle = options && options->idle_ns ? options->idle_ns : FLOWS_IDLE_NS;
    int r;

    if (!f)
        return error_set(err, -ENOMEM, "out of memory");
    f->epoll_fd = f->timer_fd = -1;
    if (flow_table_new(rows, idle, &f->table) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    r = flows_load(f, err);
    if (r < 0)
        return r;
    // Before the first record is made.
    r = open_ring(f);
    if (r < 0)
        return error_set(err, r, "the ring of flows: %s", strerror(-r));
    r = flows_attach(f, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(f);
    return 0;
}

const char *flows_absent(const struct flows *f)
{
    return f->absent;
}

int flows_fd(const struct flows *f)
{
    return f->epoll_fd;
}

static void look_again(struct flows *f, uint64_t ns)
{
    struct itimerspec in = {.it_value = {.tv_nsec = (long)ns}};

    // Also makes the descriptor unreadable.
    (void)timerfd_settime(f->timer_fd, 0, &in, NULL);
    f->look_ns = ns;
}

// A pause of the records ends with a last look.
static void plan_look(struct flows *f, bool any)
{
    uint64_t expired;

    if (any)
        look_again(f, LOOK_AGAIN_NS);
    else if (read(f->timer_fd, &expired, sizeof(expired)) > 0 && f->look_ns == LOOK_AGAIN_NS)
        look_again(f, LOOK_LAST_NS);
}

int flows_consume(struct flows *f, flow_fn fn, void *ctx)
{
    int r;

    f->fn = fn;
    f->ctx = ctx;
    f->result = 0;
    r = ring_buffer__consume(f->ring);
    plan_look(f, r != 0);
    return f->result < 0 ? f->result : r;
}

// Takes an idle flow out of the kernel's table and hands on its end. From 5.14 on that is one step; before, what comes in between
// is not in its sums.
static int take_idle(struct flows *f, const struct sg_flow_key *key, struct sg_flow_value *value,
                     flow_fn fn, void *ctx)
{
    struct flow flow;

    if (bpf_map_lookup_and_delete_elem(f->datagrams, key, value) < 0 &&
        (errno == ENOENT || bpf_map_delete_elem(f->datagrams, key) < 0))
        return 0;
    if (flow_of_entry(key, value, &flow) < 0) {
        f->bad++;
        return 0;
    }
    return flow_table_idle(f->table, &flow, fn, ctx);
}

static int walk(struct flows *f, flow_fn fn, void *ctx)
{
    struct sg_flow_key key, next;
    struct sg_flow_value value;
    bool more = bpf_map_get_next_key(f->datagrams, NULL, &next) == 0;
    struct flow flow;
    int r = 0;

    f->walked_any = more;
    for (size_t i = 0; r >= 0 && more && i < STEPS_MAX; i++) {
        key = next;
        // Before this one goes: behind a key that is not there the walk begins again.
        more = bpf_map_get_next_key(f->datagrams, &key, &next) == 0;
        if (bpf_map_lookup_elem(f->datagrams, &key, &value) < 0)
            continue;
        if (flow_of_entry(&key, &value, &flow) < 0)
            f->bad++;
        else if (flow_table_entry(f->table, &flow))
            r = take_idle(f, &key, &value, fn, ctx);
    }
    return r < 0 ? r : 0;
}

static bool lives(void *ctx, uint64_t socket)
{
    const struct flows *f = ctx;
    uint8_t value[64];

    return bpf_map_lookup_elem(f->connections, &socket, value) == 0 || errno != ENOENT;
}

static void sum_up(struct sg_flow_counts *to, const struct sg_flow_counts *more)
{
    // Nothing but numbers of 64 bits.
    const uint64_t *from = (const uint64_t *)more;
    uint64_t *sums = (uint64_t *)to;

    for (size_t i = 0; i < sizeof(*to) / sizeof(uint64_t); i++)
        sums[i] += from[i];
}

static int read_counts(const struct flows *f, struct sg_flow_counts *ret)
{
    _cleanup_free_ struct sg_flow_counts *cpus = new0(struct sg_flow_counts, (size_t)f->n_cpus);
    struct sg_flow_counts sum = {};
    uint32_t zero = 0;

    if (!cpus)
        return -ENOMEM;
    if (bpf_map_lookup_elem(f->counts, &zero, cpus) < 0)
        return -errno;
    for (int cpu = 0; cpu < f->n_cpus; cpu++)
        sum_up(&sum, &cpus[cpu]);
    *ret = sum;
    return 0;
}

// Kernels that do not count it leave the field at 0.
static uint64_t misses_of(const struct bpf_program *program)
{
    struct bpf_prog_info info = {};
    uint32_t len = sizeof(info);

    if (!bpf_program__autoload(program) ||
        bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &len) < 0)
        return 0;
    return info.recursion_misses;
}

static uint64_t read_missed(const struct flows *f)
{
    uint64_t missed = 0, first = 0, again = 0;
    struct bpf_program *program;

    bpf_object__for_each_program(program, f->object)
    {
        const char *name = bpf_program__name(program);

        if (streq(name, "flow_state"))
            first = misses_of(program);
        else if (streq(name, "flow_state_again"))
            again = misses_of(program);
        else
            missed += misses_of(program);
    }
    // What one of the two was left out at the other one has done, unless it was, too.
    return missed + MIN(first, again);
}

static int look(struct flows *f, uint64_t now, flow_fn fn, void *ctx)
{
    int r;

    flow_table_look(f->table, now);
    r = walk(f, fn, ctx);
    // What went with its socket during the walk has told so before.
    r = r < 0 ? r : flows_consume(f, fn, ctx);
    return r < 0 ? r : flow_table_look_end(f->table, fn, ctx);
}

int flows_tick(struct flows *f, flow_fn fn, void *ctx)
{
    uint64_t now = now_ns(CLOCK_BOOTTIME);
    struct sg_flow_counts counts;
    int r = flows_consume(f, fn, ctx);

    r = r < 0 ? r : read_counts(f, &counts);
    if (r < 0)
        return r;
    // A walk through an empty table is one through all of it.
    if (f->walked_any || counts.flows != f->flows_met) {
        f->flows_met = counts.flows;
        r = look(f, now, fn, ctx);
        if (r < 0)
            return r;
    }
    if (now - f->forgot_ns > FORWARDS_KEPT_NS / 10) {
        f->forgot_ns = now;
        flows_forwards_forget(f, now);
    }
    if (counts.lost != f->lost) {
        f->lost = counts.lost;
        (void)flow_table_prune(f->table, lives, f);
    }
    return 0;
}

int flows_each(const struct flows *f, flow_fn fn, void *ctx)
{
    return flow_table_each(f->table, fn, ctx);
}

int flows_counts(const struct flows *f, struct flows_counts *ret)
{
    struct flows_counts counts = {.bad = f->bad, .live = flow_table_len(f->table)};
    int r = read_counts(f, &counts.kernel);

    if (r < 0)
        return r;
    flow_table_counts(f->table, &counts.table);
    counts.missed = read_missed(f);
    *ret = counts;
    return 0;
}
