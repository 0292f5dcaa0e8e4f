// SPDX-License-Identifier: Apache-2.0
#include "agent/top.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/jsonget.h"
#include "base/log.h"

#define RETRY_NS      (60 * NS_PER_SEC)
#define ROWS          40u // of an answer that does not say how many
// What is older says nothing of now.
#define WINDOW_MAX_NS (60 * NS_PER_SEC)

static const char *const reasons[SG_SCHED_REASONS] = {
    [SG_SCHED_PREEMPTED] = "preempted", [SG_SCHED_SLEEP] = "sleep",     [SG_SCHED_IO] = "io",
    [SG_SCHED_LOCK] = "lock",           [SG_SCHED_STOPPED] = "stopped", [SG_SCHED_OTHER] = "other",
};

// Asked for: on from now on for a while at least.
static void want_sched(struct agent *a)
{
    struct top *t = &a->top;
    uint64_t now = now_ns(CLOCK_MONOTONIC);
    int r;

    if (a->config.scheduling == CONFIG_SCHEDULING_OFF) {
        (void)error_set(&t->error, -EPERM, "the setting `scheduling` is off");
        return;
    }
    t->lease_ns = now + TOP_LEASE_SEC * NS_PER_SEC;
    if (t->sched || now < t->retry_ns)
        return;
    error_reset(&t->error);
    agent_patience(a, true);
    r = sched_open(&t->sched, &t->error);
    agent_patience(a, false);
    if (r < 0) {
        t->retry_ns = now + RETRY_NS;
        log_warning("scheduling cannot be looked at: %s", t->error.what);
    } else {
        log_info("scheduling is looked at%s", a->config.scheduling == CONFIG_SCHEDULING_ON
                                                  ? ""
                                                  : ", for as long as somebody asks");
    }
}

void top_start(struct agent *a)
{
    if (a->config.scheduling == CONFIG_SCHEDULING_ON)
        want_sched(a);
}

static void drop_samples(struct top *t)
{
    for (size_t i = 0; i < TOP_SAMPLES; i++)
        top_sample_done(&t->samples[i]);
}

void top_tick(struct agent *a)
{
    struct top *t = &a->top;
    uint64_t now = now_ns(CLOCK_MONOTONIC);

    if (a->config.scheduling == CONFIG_SCHEDULING_ON) {
        want_sched(a);
        return;
    }
    if (!t->lease_ns || now < t->lease_ns)
        return;
    t->lease_ns = 0;
    if (t->sched)
        log_info("scheduling is no longer looked at: nobody asks");
    t->sched = sched_close(t->sched);
    drop_samples(t);
}

void top_stop(struct agent *a)
{
    a->top.sched = sched_close(a->top.sched);
    drop_samples(&a->top);
}

static int take_sample(struct top *t)
{
    struct top_sample sample = {.number = t->n_samples + 1, .time_ns = now_ns(CLOCK_BOOTTIME)};
    int r = procstat_read(NULL, &sample.processes);

    if (r == 0 && t->sched) {
        sample.time_ns = now_ns(CLOCK_BOOTTIME);
        r = sched_read(t->sched, &sample.sched);
        sample.has_sched = r == 0;
    }
    if (r < 0) {
        top_sample_done(&sample);
        return r;
    }
    top_sample_done(&t->samples[TOP_SAMPLES - 1]);
    memmove(t->samples + 1, t->samples, (TOP_SAMPLES - 1) * sizeof(t->samples[0]));
    t->samples[0] = sample;
    t->n_samples++;
    return 0;
}

static const struct top_sample *sample_of(const struct top *t, uint64_t number)
{
    for (size_t i = 1; number && i < TOP_SAMPLES; i++)
        if (t->samples[i].number == number)
            return &t->samples[i];
    return NULL;
}

static const struct top_sample *sample_before(const struct top *t, uint64_t window_ms)
{
    for (size_t i = 1; window_ms && i < TOP_SAMPLES && t->samples[i].number; i++) {
        uint64_t age = t->samples[0].time_ns - t->samples[i].time_ns;

        if (age >= window_ms * NS_PER_MS)
            return age <= WINDOW_MAX_NS ? &t->samples[i] : NULL;
    }
    return NULL;
}

static void put_delay(struct jw *jw, const struct top_delay *d)
{
    jw_kv_object(jw, "delay");
    jw_kv_u64(jw, "count", d->count);
    jw_kv_u64(jw, "mean_ns", d->mean_ns);
    jw_kv_u64(jw, "p95_ns", d->p95_ns);
    jw_kv_u64(jw, "max_ns", d->max_ns);
    jw_end_object(jw);
}

static void put_sched(struct jw *jw, const struct top_sched *s)
{
    jw_kv_object(jw, "sched");
    jw_kv_u64(jw, "switches", s->switches);
    jw_kv_u64(jw, "involuntary", s->involuntary);
    jw_kv_u64(jw, "on_permille", s->on_permille);
    jw_kv_u64(jw, "wait_permille", s->wait_permille);
    put_delay(jw, &s->delay);
    jw_kv_object(jw, "off_permille");
    for (size_t i = 0; i < SG_SCHED_REASONS; i++)
        jw_kv_u64(jw, reasons[i], s->off_permille[i]);
    jw_end_object(jw);
    jw_end_object(jw);
}

static void put_bytes_kv(struct jw *jw, const char *key, struct bytes b)
{
    if (b.len)
        jw_kv_strn(jw, key, b.s, b.len);
}

// Who it is, as records call it.
static void put_who(struct agent *a, struct jw *jw, const struct top_row *row)
{
    const struct who *who = process_table_who(a->processes, &row->ref);

    jw_kv_u64(jw, "pid", row->ref.tgid);
    jw_kv_u64(jw, "start_ns", row->ref.start_ns);
    processlist_uid_json(a, "process_uid", &row->ref, jw);
    if (row->process)
        jw_kv_strn(jw, "name", row->process->comm, row->process->comm_len);
    else if (who)
        jw_kv_strn(jw, "name", who->comm.s, who->comm.len);
    jw_kv_bool(jw, "ended", !row->process);
    if (!who)
        return;
    put_bytes_kv(jw, "exe", who->exe);
    put_bytes_kv(jw, "command", who->cmdline);
    if (who->user.len)
        jw_kv_strn(jw, "user", who->user.s, who->user.len);
    jw_kv_u64(jw, "uid", who->euid);
    put_bytes_kv(jw, "container", who->container_id);
    put_bytes_kv(jw, "cgroup", who->cgroup);
}

static void put_row(struct agent *a, struct jw *jw, const struct top_row *row)
{
    const char state[] = {row->process ? row->process->state : 'X'};

    jw_begin_object(jw);
    put_who(a, jw, row);
    jw_kv_u64(jw, "cpu_permille", row->has_sched ? row->sched.on_permille : row->cpu_permille);
    jw_kv_u64(jw, "read_bytes", row->read_bytes);
    jw_kv_u64(jw, "written_bytes", row->written_bytes);
    jw_kv_strn(jw, "state", state, sizeof(state));
    if (row->process) {
        jw_kv_u64(jw, "rss_bytes", row->process->rss_bytes);
        jw_kv_u64(jw, "threads", row->process->threads);
    }
    if (row->has_sched)
        put_sched(jw, &row->sched);
    jw_end_object(jw);
}

static void put_host(const struct top *t, const struct top_rows *rows, struct jw *jw)
{
    const struct sched_reading *r = &t->samples[0].sched;

    jw_kv_object(jw, "host");
    jw_kv_u64(jw, "cpus", (uint64_t)MAX(sysconf(_SC_NPROCESSORS_ONLN), 1L));
    jw_kv_u64(jw, "switches", rows->switches);
    put_delay(jw, &rows->delay);
    // Slot i holds delays below slot_ns << i.
    jw_kv_u64(jw, "slot_ns", SG_SCHED_SLOT_BASE);
    jw_kv_array(jw, "delays");
    for (size_t i = 0; i < SG_SCHED_SLOTS; i++)
        jw_u64(jw, rows->delays[i]);
    jw_end_array(jw);
    jw_kv_object(jw, "lost");
    jw_kv_u64(jw, "evicted", r->evicted);
    jw_kv_u64(jw, "full", r->host.full);
    jw_kv_u64(jw, "unknown", r->host.unknown);
    jw_kv_u64(jw, "untold", r->untold + t->samples[0].processes.untold);
    jw_end_object(jw);
    jw_end_object(jw);
}

static void put_answer(struct agent *a, const struct top_rows *rows,
                       const struct top_sample *before, bool asked, size_t max, struct jw *jw)
{
    const struct top *t = &a->top;

    jw_begin_object(jw);
    jw_kv_u64(jw, "sample", t->n_samples);
    jw_kv_u64(jw, "interval_ns", rows->time_ns);
    jw_kv_bool(jw, "since_start", !before); // of each process: there is no earlier sample
    jw_kv_u64(jw, "processes", rows->all);
    jw_kv_bool(jw, "scheduling", t->samples[0].has_sched);
    if (asked && !t->sched)
        status_error(jw, "scheduling_error", &t->error);
    put_host(t, rows, jw);
    jw_kv_array(jw, "rows");
    for (size_t i = 0; i < rows->n && jw->out->len < max; i++)
        put_row(a, jw, &rows->items[i]);
    jw_end_array(jw);
    jw_end_object(jw);
}

int top_answer(struct agent *a, struct json_object *args, size_t max, struct jw *result,
               struct error *err)
{
    const char *word = json_get_str(args, "sort", "cpu");
    uint64_t limit = MIN(json_get_u64(args, "limit", ROWS), (uint64_t)TOP_ROWS_MAX);
    uint64_t since = json_get_u64(args, "since", 0);
    _cleanup_(top_rows_done) struct top_rows rows = {};
    const struct top_sample *before;
    bool sched = json_get_bool(args, "sched", 0);
    struct top *t = &a->top;
    enum top_sort sort;
    int r;

    if (top_sort_find(word, &sort) < 0)
        return error_set(err, -EINVAL, "'%.40s' is nothing that processes are sorted by", word);
    if (sched)
        want_sched(a);
    else if (!t->lease_ns)
        t->lease_ns = now_ns(CLOCK_MONOTONIC) + TOP_LEASE_SEC * NS_PER_SEC; // of the samples
    r = take_sample(t);
    if (r < 0)
        return error_set(err, r, "what processes do cannot be read: %m");
    before = since ? sample_of(t, since)
                   : sample_before(t, MIN(json_get_u64(args, "window_ms", 0),
                                          WINDOW_MAX_NS / NS_PER_MS));
    r = top_compare(before, &t->samples[0], sort, (size_t)limit, &rows);
    if (r < 0)
        return error_set(err, r, "%m");
    put_answer(a, &rows, before, sched, max, result);
    return 0;
}
