// SPDX-License-Identifier: Apache-2.0
//
// Nothing is lost in silence: the counters of the kernel side and of the output are looked at once a second,
// and what was added becomes a record and a line of the log, of each kind at most one in ten seconds.
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/log.h"

#define AGAIN_NS (10 * NS_PER_SEC)

static const struct row {
    enum sg_counter counter;
    const char *key;
    int severity;
    const char *text, *cure;
} rows[] = {
#define LOSS(counter, key, severity, text, cure) {SG_COUNT_##counter, key, severity, text, cure},
#include "agent/losses.def"
};

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

static void look_at_kernel(struct agent *a)
{
    struct losses *l = &a->losses;
    uint64_t now = now_ns(CLOCK_MONOTONIC), counters[SG_COUNT_MAX];

    if (sensor_counters(a->sensor, counters) < 0)
        return;
    memcpy(l->counters, counters, sizeof(counters));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        enum sg_counter c = rows[i].counter;

        if (counters[c] < l->reported[c])
            l->reported[c] = 0; // the maps are new
        if (counters[c] == l->reported[c] ||
            (l->reported_ns[c] && now - l->reported_ns[c] < AGAIN_NS))
            continue;
        tell(a, &rows[i], counters[c] - l->reported[c], "");
        l->reported[c] = counters[c];
        l->reported_ns[c] = now;
    }
}

// The output: once when it fails, once when it goes again, and what was dropped meanwhile.
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
    if (c.dropped > l->output_reported && !c.failing_since) {
        const struct notice_number number = {"records_dropped", c.dropped - l->output_reported};

        (void)snprintf(text, sizeof(text),
                       "%llu records were dropped: more than %zu MiB waited to be written",
                       (unsigned long long)number.value, OUTPUT_BYTES_MAX >> 20);
        notice(a, &(struct notice){.kind = "loss",
                                   .severity = NOTICE_HIGH,
                                   .message = text,
                                   .numbers = &number,
                                   .n_numbers = 1});
        l->output_reported = c.dropped;
    }
}

void losses_tick(struct agent *a)
{
    look_at_kernel(a);
    look_at_output(a);
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
        uint64_t n = l->counters[rows[i].counter];

        if (n)
            tell(a, &rows[i], n, "before this agent started, ");
        l->reported[rows[i].counter] = n;
    }
}

void losses_json(const struct agent *a, struct jw *jw)
{
    struct output_counters c;

    output_counters(a->output, &c);
    jw_begin_object(jw);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        jw_kv_u64(jw, rows[i].key, a->losses.counters[rows[i].counter]);
    jw_kv_u64(jw, "records_dropped", c.dropped);
    jw_kv_u64(jw, "records_bad", a->records.bad);
    jw_kv_u64(jw, "records_unknown", a->records.unknown);
    jw_end_object(jw);
}
