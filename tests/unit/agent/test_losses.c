// SPDX-License-Identifier: Apache-2.0
//
// Every loss that is counted becomes a record of its own and stands in the status: row by row over losses.def, and
// every counter of abi/event.h is either in there or known to be no loss.
#include "tests/unit/unit.h"

#include "agent/agent.h"
#include "base/fd.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "control/message.h"

static const struct row {
    const char *counter, *key; // counter NULL: the agent's own
    int number, severity;
    const char *text;
} rows[] = {
#define LOSS(counter, key, severity, text, cure) \
    {#counter, key, SG_COUNT_##counter, severity, text},
#define OWN_LOSS(counter, key, severity, text, cure) {NULL, key, -1, severity, text},
#include "agent/losses.def"
};

// Counters that tell what was done, not what was not.
static const char *const no_losses[] = {
    "SECURITY_SENT", "AUDIT_SENT", "PROCESS_SENT", "MERGED", "UNRESOLVED",
    "UNKNOWN_FS", // in the status, under records
    "RESOLVED_COLD", "WALK_RETRY", "SUBJECTS",     "DENIED", "WOULD_DENY",
};

// What losses.c asks and tells, in place of the sensor, the output and the records.
static uint64_t kernel[SG_COUNT_MAX];
static struct output_counters output, server_output;
static uint64_t spool_lost[STREAM_CLASSES], spool_known[STREAM_CLASSES]; // of these: told
static uint64_t forgotten_by_server, skipped, flows_lost, dns_lost;
static struct process_counters processes;
static bool taken_over;
static struct {
    unsigned n;
    char kind[16], message[256], key[64];
    int severity;
    uint64_t number;
} told;

int sensor_counters(struct sensor *s, uint64_t ret[SG_COUNT_MAX])
{
    (void)s;
    memcpy(ret, kernel, sizeof(kernel));
    return 0;
}

// On the second of three CPUs, but for one on the third.
int sensor_counters_by_cpu(struct sensor *s, uint64_t **ret_values, size_t *ret_n_cpus)
{
    (void)s;
    *ret_n_cpus = 3;
    *ret_values = calloc(3 * (size_t)SG_COUNT_MAX, sizeof(**ret_values));
    assert_non_null(*ret_values);
    for (size_t i = 0; i < SG_COUNT_MAX; i++) {
        (*ret_values)[i * 3 + 1] = kernel[i] ? kernel[i] - 1 : 0;
        (*ret_values)[i * 3 + 2] = kernel[i] ? 1 : 0;
    }
    return 0;
}

uint64_t sensor_skipped(const struct sensor *s)
{
    (void)s;
    return skipped;
}

void sensor_facts(struct sensor *s, struct sensor_facts *ret)
{
    (void)s;
    *ret = (struct sensor_facts){.taken_over = taken_over};
}

uint64_t net_flows_lost(const struct agent *a)
{
    (void)a;
    return flows_lost;
}

uint64_t net_dns_lost(const struct agent *a)
{
    (void)a;
    return dns_lost;
}

// What tells the two outputs, and the spool, from nothing; nobody looks behind it.
#define THERE ((void *)8)

void output_counters(const struct output *o, struct output_counters *ret)
{
    *ret = o ? server_output : output;
}

void spool_counters(struct spool *s, enum stream_class class, struct spool_counters *ret)
{
    assert_non_null(s);
    *ret = (struct spool_counters){};
    ret->dropped[SPOOL_BY_AGE].records = spool_lost[class];
}

bool spool_untold(struct spool *s, enum stream_class class, struct spool_loss ret[SPOOL_REASONS])
{
    assert_non_null(s);
    memset(ret, 0, SPOOL_REASONS * sizeof(*ret));
    ret[SPOOL_BY_AGE].records = spool_lost[class] - spool_known[class];
    return ret[SPOOL_BY_AGE].records;
}

void spool_told(struct spool *s, enum stream_class class,
                const struct spool_loss loss[SPOOL_REASONS])
{
    assert_non_null(s);
    spool_known[class] += loss[SPOOL_BY_AGE].records;
}

void link_status(struct link *l, struct link_status *ret)
{
    assert_non_null(l);
    *ret = (struct link_status){.counters.behind = forgotten_by_server};
}

const char *spool_reason_name(enum spool_reason reason)
{
    return reason == SPOOL_BY_AGE ? "by-age" : "another";
}

static struct agent *new_agent(void)
{
    struct agent *a = calloc(1, sizeof(*a));

    assert_non_null(a);
    a->uplink.feed.spool = THERE;
    a->uplink.feed.link = THERE;
    a->uplink.out = THERE;
    return a;
}

void process_table_counters(const struct process_table *t, struct process_counters *ret)
{
    (void)t;
    *ret = processes;
}

void notice(struct agent *a, const struct notice *n)
{
    (void)a;
    told.n++;
    (void)snprintf(told.kind, sizeof(told.kind), "%s", n->kind);
    (void)snprintf(told.message, sizeof(told.message), "%s", n->message);
    (void)snprintf(told.key, sizeof(told.key), "%s", n->n_numbers ? n->numbers[0].key : "");
    told.severity = n->severity;
    told.number = n->n_numbers ? n->numbers[0].value : 0;
}

static void reset(void)
{
    memset(kernel, 0, sizeof(kernel));
    memset(&told, 0, sizeof(told));
    output = server_output = (struct output_counters){};
    memset(spool_lost, 0, sizeof(spool_lost));
    forgotten_by_server = skipped = flows_lost = dns_lost = 0;
    memset(spool_known, 0, sizeof(spool_known));
    processes = (struct process_counters){};
    taken_over = false;
}

// Makes a loss of `n` in all.
static void lose(struct agent *a, const struct row *row, uint64_t n)
{
    if (row->number >= 0)
        kernel[row->number] = n;
    else if (streq(row->key, "records_dropped"))
        output.dropped = n;
    else if (streq(row->key, "server_records_dropped"))
        server_output.dropped = n;
    else if (streq(row->key, "spool_security_dropped"))
        spool_lost[STREAM_SECURITY] = n;
    else if (streq(row->key, "spool_audit_dropped"))
        spool_lost[STREAM_AUDIT] = n;
    else if (streq(row->key, "server_forgot"))
        forgotten_by_server = n;
    else if (streq(row->key, "lives_skipped"))
        skipped = n;
    else if (streq(row->key, "flows_lost"))
        flows_lost = n;
    else if (streq(row->key, "dns_lost"))
        dns_lost = n;
    else if (streq(row->key, "records_bad"))
        a->records.bad = n;
    else if (streq(row->key, "records_unknown"))
        a->records.unknown = n;
    else if (streq(row->key, "processes_forgotten"))
        processes.evicted_live = n;
    else
        fail_msg("this test does not know how %s is counted", row->key);
}

static uint64_t in_status(const struct agent *a, const char *key)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct json_object *o;
    struct jw jw;
    uint64_t n;

    jw_init(&jw, &sb);
    losses_json(a, &jw);
    assert_int_equal(jw_finish(&jw), 0);
    o = control_json_parse(sb.s, sb.len);
    assert_non_null(o);
    n = json_get_u64(o, key, UINT64_MAX);
    json_object_put(o);
    return n;
}

static void test_every_loss_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_free_ struct agent *a = new_agent();
        char text[256];

        reset();
        losses_tick(a);
        assert_int_equal(told.n, 0);
        lose(a, &rows[i], 5);
        losses_tick(a);
        assert_int_equal(told.n, 1);
        assert_string_equal(told.kind, "loss");
        assert_string_equal(told.key, rows[i].key);
        assert_int_equal(told.number, 5);
        assert_int_equal(told.severity, rows[i].severity);
        (void)snprintf(text, sizeof(text), "5 %s", rows[i].text);
        assert_memory_equal(told.message, text, strlen(text));
        if (str_startswith(rows[i].key, "spool_"))
            assert_string_equal(told.message + strlen(text), ": 5 by-age (0 bytes)");
        else
            assert_int_equal(strlen(told.message), strlen(text));
        assert_int_equal(in_status(a, rows[i].key), 5);

        // The same once, more of it after a while, and then all of what came meanwhile.
        losses_tick(a);
        lose(a, &rows[i], 6);
        losses_tick(a);
        assert_int_equal(told.n, 1);
        assert_int_equal(in_status(a, rows[i].key), 6);
        lose(a, &rows[i], 9);
        a->losses.reported_ns[i] = 1;
        losses_tick(a);
        assert_int_equal(told.n, 2);
        assert_int_equal(told.number, 4);
    }
}

// What was dropped and told in an earlier run is no news, what was not told is.
static void test_spool_of_an_earlier_run(void **state)
{
    _cleanup_free_ struct agent *a = new_agent();

    (void)state;
    reset();
    spool_lost[STREAM_SECURITY] = 7;
    spool_known[STREAM_SECURITY] = 3;
    spool_lost[STREAM_AUDIT] = spool_known[STREAM_AUDIT] = 9;
    losses_spool_opened(a);
    losses_start(a);
    losses_tick(a);
    assert_int_equal(told.n, 1);
    assert_string_equal(told.key, "spool_security_dropped");
    assert_int_equal(told.number, 4);
    assert_int_equal(spool_known[STREAM_SECURITY], 7);
}

static void test_by_cpu(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct agent *a = new_agent();
        _cleanup_(sb_done) struct strbuf sb = {};
        struct json_object *o, *cpus;
        struct jw jw;

        reset();
        lose(a, &rows[i], 5);
        jw_init(&jw, &sb);
        losses_by_cpu_json(a, &jw);
        assert_int_equal(jw_finish(&jw), 0);
        o = control_json_parse(sb.s, sb.len);
        assert_non_null(o);
        json_object_object_foreach(o, key, value)
        {
            assert_int_equal(json_object_object_length(value), streq(key, rows[i].key) ? 2 : 0);
        }
        cpus = json_get(o, rows[i].key);
        assert_int_equal(cpus == NULL, rows[i].number < 0); // the agent's own have no CPU
        if (cpus) {
            assert_int_equal(json_get_u64(cpus, "1", 0), 4);
            assert_int_equal(json_get_u64(cpus, "2", 0), 1);
        }
        json_object_put(o);
        free(a);
    }
}

static void test_losses_before(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_free_ struct agent *a = calloc(1, sizeof(*a));

        if (rows[i].number < 0)
            continue;
        reset();
        taken_over = true;
        lose(a, &rows[i], 3);
        losses_start(a);
        losses_tick(a);
        assert_int_equal(told.n, 1);
        assert_int_equal(told.number, 3);
        assert_non_null(strstr(told.message, "before this agent started, 3 "));
        assert_int_equal(in_status(a, rows[i].key), 3);
    }
}

static void test_output_that_fails(void **state)
{
    struct agent *a = calloc(1, sizeof(*a));

    (void)state;
    reset();
    output = (struct output_counters){.error = -ENOSPC, .failing_since = 1, .dropped = 7};
    losses_tick(a);
    assert_int_equal(told.n, 1);
    assert_non_null(strstr(told.message, "No space left"));
    losses_tick(a);
    assert_int_equal(told.n, 1);
    assert_int_equal(losses_records_untold(a), 7);
    output.failing_since = 0;
    losses_tick(a);
    assert_int_equal(told.n, 2);
    assert_string_equal(told.key, "records_dropped");
    assert_int_equal(told.number, 7);
    assert_int_equal(losses_records_untold(a), 0);
    free(a);
}

static bool is_known(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].counter && strlen(rows[i].counter) == len &&
            memcmp(rows[i].counter, name, len) == 0)
            return true;
    for (size_t i = 0; i < ARRAY_SIZE(no_losses); i++)
        if (strlen(no_losses[i]) == len && memcmp(no_losses[i], name, len) == 0)
            return true;
    return false;
}

// A counter that is added to the kernel side has to say here what it is.
static void test_every_counter_is_known(void **state)
{
    _cleanup_free_ char *text = NULL;
    const char *at;
    size_t n = 0;

    (void)state;
    assert_int_equal(read_file_bounded(AT_FDCWD, SOURCE_ROOT "/abi/event.h", 1 << 20, &text, NULL),
                     0);
    at = strstr(text, "enum sg_counter {");
    assert_non_null(at);
    for (const char *end = strchr(at, '}'); (at = strstr(at, "SG_COUNT_")) && at < end; n++) {
        size_t len;

        at += strlen("SG_COUNT_");
        len = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
        if (len == 3 && memcmp(at, "MAX", len) == 0)
            continue;
        if (!is_known(at, len))
            fail_msg("SG_COUNT_%.*s is neither in losses.def nor known to be no loss", (int)len,
                     at);
    }
    assert_true(n > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_loss_is_told),
        cmocka_unit_test(test_by_cpu),
        cmocka_unit_test(test_losses_before),
        cmocka_unit_test(test_output_that_fails),
        cmocka_unit_test(test_every_counter_is_known),
        cmocka_unit_test(test_spool_of_an_earlier_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
