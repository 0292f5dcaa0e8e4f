// SPDX-License-Identifier: Apache-2.0
//
// Nothing is lost in silence: the counters of the kernel side and of the output are looked at once a second,
// and what was added becomes a record and a line of the log, of each kind at most one in ten seconds.
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"

#define AGAIN_NS (10 * NS_PER_SEC)

enum own_loss {
#define LOSS(counter, key, severity, text, cure)
#define OWN_LOSS(counter, key, severity, text, cure) OWN_##counter,
#include "agent/losses.def"
    OWN_COUNT
};

static const struct row {
    const char *key, *text, *cure;
    unsigned counter; // enum sg_counter, or enum own_loss
    int severity;
    bool own;
} rows[] = {
#define LOSS(counter, key, severity, text, cure) \
    {key, text, cure, SG_COUNT_##counter, severity, false},
#define OWN_LOSS(counter, key, severity, text, cure) \
    {key, text, cure, OWN_##counter, severity, true},
#include "agent/losses.def"
};

STATIC_ASSERT(ARRAY_SIZE(rows) <= LOSSES_MAX, "a place a row");

// All that the spool has dropped of a class, ever.
static uint64_t spool_dropped(const struct agent *a, enum stream_class class)
{
    struct spool_counters c;
    uint64_t n = 0;

    if (!a->uplink.feed.spool)
        return 0;
    spool_counters(a->uplink.feed.spool, class, &c);
    for (int i = 0; i < SPOOL_REASONS; i++)
        n += c.dropped[i].records;
    return n;
}

// By a server that came back with an older state.
static uint64_t forgotten(const struct agent *a)
{
    struct link_status s;

    if (!a->uplink.feed.link)
        return 0;
    link_status(a->uplink.feed.link, &s);
    return s.counters.behind;
}

static uint64_t own_loss(const struct agent *a, enum own_loss loss)
{
    struct output_counters output = {};
    struct process_counters processes;

    switch (loss) {
    case OWN_LIVES_SKIPPED: return a->losses.skipped;
    case OWN_RECORDS_DROPPED: output_counters(a->output, &output); return output.dropped;
    case OWN_SERVER_RECORDS_DROPPED:
        if (a->uplink.out)
            output_counters(a->uplink.out, &output);
        return output.dropped;
    case OWN_SPOOL_SECURITY: return spool_dropped(a, STREAM_SECURITY);
    case OWN_SPOOL_AUDIT: return spool_dropped(a, STREAM_AUDIT);
    case OWN_RECORDS_BAD: return a->records.bad;
    case OWN_RECORDS_UNKNOWN: return a->records.unknown;
    case OWN_PROCESSES_FORGOTTEN:
        process_table_counters(a->processes, &processes);
        return processes.evicted_live;
    case OWN_SERVER_FORGOT: return forgotten(a);
    case OWN_FLOWS_LOST: return net_flows_lost(a);
    case OWN_DNS_LOST: return net_dns_lost(a);
    case OWN_COUNT: break;
    }
    return 0;
}

static uint64_t value(const struct agent *a, const struct row *row)
{
    return row->own ? own_loss(a, row->counter) : a->losses.counters[row->counter];
}

// -1: no row of the spool's.
static int spool_class(const struct row *row)
{
    if (!row->own)
        return -1;
    return row->counter == OWN_SPOOL_SECURITY ? (int)STREAM_SECURITY
           : row->counter == OWN_SPOOL_AUDIT  ? (int)STREAM_AUDIT
                                              : -1;
}

// With the reasons, and known to the spool as told: the next run of the agent does not tell it again.
static void tell_spool(struct agent *a, const struct row *row, enum stream_class class, uint64_t n)
{
    struct spool_loss loss[SPOOL_REASONS];
    struct notice_number numbers[1 + 2 * SPOOL_REASONS] = {{row->key, n}};
    _cleanup_(sb_done) struct strbuf text = {};
    size_t n_numbers = 1;

    (void)spool_untold(a->uplink.feed.spool, class, loss);
    sb_printf(&text, "%llu %s", (unsigned long long)n, row->text);
    for (int i = 0; i < SPOOL_REASONS; i++) {
        if (!loss[i].records && !loss[i].bytes)
            continue;
        sb_printf(&text, "%s %llu %s (%llu bytes)", n_numbers == 1 ? ":" : ",",
                  (unsigned long long)loss[i].records, spool_reason_name((enum spool_reason)i),
                  (unsigned long long)loss[i].bytes);
        numbers[n_numbers++] = (struct notice_number){spool_reason_name((enum spool_reason)i),
                                                      loss[i].records};
    }
    notice(a, &(struct notice){.kind = "loss",
                               .severity = row->severity,
                               .message = sb_str(&text),
                               .cure = row->cure,
                               .numbers = numbers,
                               .n_numbers = n_numbers});
    spool_told(a->uplink.feed.spool, class, loss);
}

static void tell(struct agent *a, const struct row *row, uint64_t n, const char *when)
{
    const struct notice_number number = {row->key, n};
    char text[256];

    (void)snprintf(text, sizeof(text), "%s%llu %s", when, (unsigned long long)n, row->text);
    notice(a, &(struct notice){.kind = "loss",
                               .severity = row->severity,
                               .message = text,
                               .cure = row->cure,
                               .numbers = &number,
                               .n_numbers = 1});
}

static void look_at(struct agent *a, size_t i, uint64_t now)
{
    struct losses *l = &a->losses;
    uint64_t n = value(a, &rows[i]);

    if (n < l->reported[i])
        l->reported[i] = 0; // the maps are new
    if (n == l->reported[i] || (l->reported_ns[i] && now - l->reported_ns[i] < AGAIN_NS))
        return;
    if (spool_class(&rows[i]) >= 0)
        tell_spool(a, &rows[i], (enum stream_class)spool_class(&rows[i]), n - l->reported[i]);
    else
        tell(a, &rows[i], n - l->reported[i], "");
    l->reported[i] = n;
    l->reported_ns[i] = now;
}

// The output: once when it fails, once when it goes again.
static void look_at_output(struct agent *a)
{
    struct losses *l = &a->losses;
    struct output_counters c;
    char text[192];

    output_counters(a->output, &c);
    if (c.failing_since && !l->output_failing) {
        (void)snprintf(text, sizeof(text), "records cannot be written: %s; they wait in memory",
                       strerror(-c.error));
        notice(a, &(struct notice){.kind = "loss",
                                   .severity = NOTICE_HIGH,
                                   .message = text,
                                   .cure = "make room or repair the destination of the records"});
    } else if (!c.failing_since && l->output_failing) {
        log_info("records can be written again");
    }
    l->output_failing = c.failing_since != 0;
}

void losses_tick(struct agent *a)
{
    uint64_t now = now_ns(CLOCK_MONOTONIC), counters[SG_COUNT_MAX];

    look_at_output(a);
    if (sensor_counters(a->sensor, counters) == 0)
        memcpy(a->losses.counters, counters, sizeof(counters));
    a->losses.skipped = sensor_skipped(a->sensor);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        // What is dropped while nothing can be written is told when it goes again.
        if (!(rows[i].own && rows[i].counter == OWN_RECORDS_DROPPED && a->losses.output_failing))
            look_at(a, i, now);
}

void losses_spool_opened(struct agent *a)
{
    struct spool_loss loss[SPOOL_REASONS];

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int class = spool_class(&rows[i]);
        uint64_t untold = 0;

        if (class < 0)
            continue;
        (void)spool_untold(a->uplink.feed.spool, (enum stream_class) class, loss);
        for (int k = 0; k < SPOOL_REASONS; k++)
            untold += loss[k].records;
        a->losses.reported[i] = value(a, &rows[i]) - untold;
    }
}

// The counters of an agent before this one go on; what they stand at is told once.
void losses_start(struct agent *a)
{
    struct losses *l = &a->losses;
    struct sensor_facts facts;

    sensor_facts(a->sensor, &facts);
    if (!facts.taken_over || sensor_counters(a->sensor, l->counters) < 0)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t n = rows[i].own ? 0 : l->counters[rows[i].counter];

        if (n)
            tell(a, &rows[i], n, "before this agent started, ");
        if (spool_class(&rows[i]) < 0)
            l->reported[i] = n;
    }
}

// The CPUs on which there were some: {"0": 7, "3": 1}.
static void put_cpus(const uint64_t *values, size_t n_cpus, struct jw *jw)
{
    char number[21];

    jw_begin_object(jw);
    for (size_t cpu = 0; cpu < n_cpus; cpu++) {
        if (values[cpu] == 0)
            continue;
        (void)snprintf(number, sizeof(number), "%zu", cpu);
        jw_kv_u64(jw, number, values[cpu]);
    }
    jw_end_object(jw);
}

void losses_by_cpu_json(const struct agent *a, struct jw *jw)
{
    _cleanup_free_ uint64_t *values = NULL;
    size_t n_cpus = 0;

    jw_begin_object(jw);
    if (sensor_counters_by_cpu(a->sensor, &values, &n_cpus) < 0)
        n_cpus = 0;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].own)
            continue;
        jw_key(jw, rows[i].key);
        put_cpus(n_cpus ? values + rows[i].counter * n_cpus : NULL, n_cpus, jw);
    }
    jw_end_object(jw);
}

uint64_t losses_records_untold(const struct agent *a)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].own && rows[i].counter == OWN_RECORDS_DROPPED)
            return value(a, &rows[i]) - a->losses.reported[i];
    return 0;
}

void losses_json(const struct agent *a, struct jw *jw)
{
    jw_begin_object(jw);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        jw_kv_u64(jw, rows[i].key, value(a, &rows[i]));
    jw_end_object(jw);
}
