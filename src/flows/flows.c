// SPDX-License-Identifier: Apache-2.0
#include "flows/flows.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"
#include "flows/internal.h"

// Of a look: a walk that somebody makes begin again ends all the same.
#define STEPS_MAX (4 * SG_FLOW_DATAGRAMS_MAX)

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

int flows_open(const struct flows_options *options, struct flows **ret, struct error *err)
{
    _cleanup_(flows_closep) struct flows *f = new0(struct flows, 1);
    size_t rows = options && options->max_rows ? options->max_rows : FLOWS_ROWS_MAX;
    uint64_t idle = options && options->idle_ns ? options->idle_ns : FLOWS_IDLE_NS;
    int r;

    if (!f || flow_table_new(rows, idle, &f->table) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    r = flows_load(f, err);
    if (r < 0)
        return r;
    // Before the first record is made.
    f->ring = ring_buffer__new(bpf_object__find_map_fd_by_name(f->object, "flow_ring"), on_record,
                               f, NULL);
    if (!f->ring)
        return error_set(err, -errno, "the ring of flows: %m");
    r = flows_attach(f, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(f);
    return 0;
}

int flows_fd(const struct flows *f)
{
    return ring_buffer__epoll_fd(f->ring);
}

int flows_consume(struct flows *f, flow_fn fn, void *ctx)
{
    int r;

    f->fn = fn;
    f->ctx = ctx;
    f->result = 0;
    r = ring_buffer__consume(f->ring);
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

int flows_tick(struct flows *f, flow_fn fn, void *ctx)
{
    struct sg_flow_counts counts;
    int r = flows_consume(f, fn, ctx);

    if (r < 0)
        return r;
    flow_table_look(f->table, now_ns(CLOCK_BOOTTIME));
    r = walk(f, fn, ctx);
    // What went with its socket during the walk has told so before.
    r = r < 0 ? r : flows_consume(f, fn, ctx);
    r = r < 0 ? r : flow_table_look_end(f->table, fn, ctx);
    r = r < 0 ? r : read_counts(f, &counts);
    if (r < 0)
        return r;
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
    *ret = counts;
    return 0;
}
