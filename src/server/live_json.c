// SPDX-License-Identifier: Apache-2.0
#include "server/live_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/jsonget.h"
#include "base/macro.h"
#include "server/live_put.h"
#include "server/write.h"

#define COMM_MAX  15u
#define SLOTS_MAX 64u
#define RULES_MAX 50u
#define NAMES_MAX 8u

static void maybe_number(struct jw *out, const char *key, struct json_object *o, const char *name)
{
    struct json_object *value = json_get(o, name);
    int64_t n = json_object_is_type(value, json_type_int) ? json_object_get_int64(value)
                                                          : INT64_MIN;

    if (n == INT64_MIN || n > (int64_t)LIVE_COUNT_MAX || n < -(int64_t)LIVE_COUNT_MAX)
        jw_kv_null(out, key);
    else
        jw_kv_i64(out, key, n);
}

static void error(struct jw *out, struct json_object *o)
{
    live_text(out, "error", o, "what");
    live_text(out, "cure", o, "cure");
}

// By name, or by number where the host has no name for it.
static void user(struct jw *out, struct json_object *o, const char *name, const char *number)
{
    const char *known = json_get_str(o, name, NULL);
    char digits[24];

    (void)snprintf(digits, sizeof(digits), "%" PRIu64, json_get_u64(o, number, 0));
    write_text(out, "user", known ? known : json_get(o, number) ? digits : NULL);
}

// The kernel keeps 15 bytes of a name: where the program's begins so, that is it.
static void put_name(struct jw *out, const char *comm, const char *program)
{
    const char *slash = program ? strrchr(program, '/') : NULL;

    if (comm && slash && strlen(comm) == COMM_MAX && strncmp(slash + 1, comm, COMM_MAX) == 0)
        comm = slash + 1;
    write_text(out, "name", comm);
}

// Processes ------------------------------------------------------------------------------------------

static void process(struct json_object *o, struct jw *out)
{
    jw_begin_object(out);
    jw_kv_str(out, "uid", json_get_str(o, "uid", ""));
    // Who forked it may have ended: then the nearest that lives of those above it.
    write_text(out, "parent", json_get_str(o, "below", json_get_str(o, "parent", NULL)));
    maybe_number(out, "pid", o, "pid");
    put_name(out, json_get_str(o, "comm", NULL), json_get_str(o, "program", NULL));
    live_text(out, "program", o, "program");
    live_text(out, "cmd_line", o, "command");
    user(out, o, "user", "user_id");
    live_when(out, "started", o, "started_ms");
    live_text(out, "login_user", o, "login");
    live_text(out, "session", o, "session");
    live_text(out, "container", o, "container");
    live_text(out, "package", o, "package");
    live_flag(out, "kernel_thread", o, "kernel_thread");
    live_flag(out, "deleted", o, "deleted");
    live_flag(out, "foreign", o, "foreign");
    jw_end_object(out);
}

void live_processes_json(struct json_object *o, struct jw *out)
{
    struct json_object *list = json_get(o, "processes");

    for (size_t i = 0; i < live_length(list); i++)
        process(json_object_array_get_idx(list, i), out);
}

// Scheduling -----------------------------------------------------------------------------------------

static void delay(struct jw *out, struct json_object *o)
{
    jw_kv_object(out, "delay");
    live_count(out, "count", o, "count");
    live_count(out, "mean_ns", o, "mean_ns");
    live_count(out, "p95_ns", o, "p95_ns");
    live_count(out, "max_ns", o, "max_ns");
    jw_end_object(out);
}

static void scheduled(struct json_object *o, struct jw *out)
{
    static const char *const reasons[] = {"sleep", "io", "lock", "preempted", "stopped", "other"};
    struct json_object *off = json_get(o, "off_permille");

    if (!json_object_is_type(o, json_type_object)) {
        jw_kv_null(out, "sched");
        return;
    }
    jw_kv_object(out, "sched");
    live_count(out, "switches", o, "switches");
    live_count(out, "involuntary", o, "involuntary");
    live_count(out, "wait_permille", o, "wait_permille");
    delay(out, json_get(o, "delay"));
    jw_kv_object(out, "off_permille");
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        live_count(out, reasons[i], off, reasons[i]);
    jw_end_object(out);
    jw_end_object(out);
}

static void use_of(struct json_object *o, struct jw *out)
{
    jw_begin_object(out);
    live_text(out, "uid", o, "process_uid");
    maybe_number(out, "pid", o, "pid");
    put_name(out, json_get_str(o, "name", NULL), json_get_str(o, "exe", NULL));
    live_text(out, "program", o, "exe");
    live_text(out, "cmd_line", o, "command");
    user(out, o, "user", "uid");
    live_text(out, "container", o, "container");
    live_text(out, "cgroup", o, "cgroup");
    live_flag(out, "ended", o, "ended");
    live_count(out, "cpu_permille", o, "cpu_permille");
    live_count(out, "read_bytes", o, "read_bytes");
    live_count(out, "written_bytes", o, "written_bytes");
    maybe_number(out, "rss_bytes", o, "rss_bytes");
    maybe_number(out, "threads", o, "threads");
    scheduled(json_get(o, "sched"), out);
    jw_end_object(out);
}

static void whole_host(struct json_object *o, struct jw *out)
{
    struct json_object *slots = json_get(o, "delays"), *lost = json_get(o, "lost");

    live_count(out, "cpus", o, "cpus");
    live_count(out, "switches", o, "switches");
    delay(out, json_get(o, "delay"));
    live_count(out, "slot_ns", o, "slot_ns");
    jw_kv_array(out, "delays");
    for (size_t i = 0; i < MIN(live_length(slots), (size_t)SLOTS_MAX); i++) {
        struct json_object *n = json_object_array_get_idx(slots, i);

        jw_u64(out, json_object_is_type(n, json_type_int)
                        ? MIN(json_object_get_uint64(n), LIVE_COUNT_MAX)
                        : 0);
    }
    jw_end_array(out);
    jw_kv_u64(out, "uncounted",
              MIN(live_count_of(lost, "evicted") + live_count_of(lost, "full") +
                      live_count_of(lost, "unknown") + live_count_of(lost, "untold"),
                  LIVE_COUNT_MAX));
}

static void use(struct json_object *o, struct jw *out)
{
    struct json_object *rows = json_get(o, "rows");

    if (!json_object_is_type(o, json_type_object)) {
        jw_kv_null(out, "use");
        return;
    }
    jw_kv_object(out, "use");
    jw_kv_u64(out, "interval_ms", live_count_of(o, "interval_ns") / 1000000);
    live_flag(out, "since_start", o, "since_start");
    live_count(out, "processes", o, "processes");
    live_flag(out, "scheduling", o, "scheduling");
    error(out, json_get(o, "scheduling_error"));
    whole_host(json_get(o, "host"), out);
    jw_kv_array(out, "rows");
    for (size_t i = 0; i < live_length(rows); i++)
        use_of(json_object_array_get_idx(rows, i), out);
    jw_end_array(out);
    jw_end_object(out);
}

static void rule(struct json_object *o, struct jw *out)
{
    struct json_object *values = json_get(o, "values"), *groups = json_get(o, "groups");

    jw_begin_object(out);
    jw_kv_str(out, "file", json_get_str(o, "file", ""));
    live_count(out, "line", o, "line");
    maybe_number(out, "weight", values, "weight");
    maybe_number(out, "quota_permille", values, "quota_permille");
    live_text(out, "cpus", values, "cpus");
    maybe_number(out, "io_weight", values, "io_weight");
    maybe_number(out, "nice", values, "nice");
    live_text(out, "class", values, "class");
    maybe_number(out, "priority", values, "priority");
    live_text(out, "io_class", values, "io_class");
    live_flag(out, "named_groups", o, "named_groups");
    jw_kv_array(out, "groups");
    for (size_t i = 0; i < MIN(live_length(groups), (size_t)NAMES_MAX); i++) {
        struct json_object *name = json_object_array_get_idx(groups, i);

        jw_cstr(out,
                json_object_is_type(name, json_type_string) ? json_object_get_string(name) : "");
    }
    jw_end_array(out);
    live_text(out, "own_group", o, "own_group");
    live_count(out, "processes", o, "processes");
    live_count(out, "serving_groups", o, "serving_groups");
    jw_end_object(out);
}

static void state_of_rules(struct json_object *o, struct jw *out)
{
    static const char *const counts[] = {"rules",          "processes",   "groups",
                                         "stopped",        "applied",     "failed",
                                         "continued_late", "not_stopped", "unbooked"};

    if (!json_object_is_type(o, json_type_object)) {
        jw_kv_null(out, "scheduling");
        return;
    }
    jw_kv_object(out, "scheduling");
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
        live_count(out, counts[i], o, counts[i]);
    error(out, json_get(o, "error"));
    jw_end_object(out);
}

void live_scheduling_json(struct json_object *o, struct jw *out)
{
    struct json_object *rules = json_get(o, "rules");

    use(json_get(o, "top"), out);
    state_of_rules(json_get(o, "scheduling"), out);
    jw_kv_array(out, "rules");
    for (size_t i = 0; i < MIN(live_length(rules), (size_t)RULES_MAX); i++)
        rule(json_object_array_get_idx(rules, i), out);
    jw_end_array(out);
}

// Defence --------------------------------------------------------------------------------------------

static void self_test(struct json_object *o, struct jw *out)
{
    jw_kv_object(out, "self_test");
    live_when(out, "time", o, "time_ms");
    live_count(out, "rounds", o, "rounds");
    live_count(out, "failing", o, "failing");
    error(out, json_get(o, "error"));
    jw_end_object(out);
}

void live_defence_json(struct json_object *o, struct jw *out)
{
    struct json_object *d = json_get(o, "defence");

    if (!json_object_is_type(d, json_type_object)) {
        jw_kv_null(out, "defence");
        return;
    }
    jw_kv_object(out, "defence");
    live_defence_state_json(d, out);
    live_flag(out, "secret", d, "secret");
    live_count(out, "programs", d, "programs");
    live_text(out, "missing", d, "missing");
    live_count(out, "refused", d, "refused");
    self_test(json_get(o, "self_test"), out);
    jw_end_object(out);
}

void live_defence_state_json(struct json_object *o, struct jw *out)
{
    static const char *const states[] = {"locked", "unlocked", "off"};
    const char *state = json_get_str(o, "state", ""), *known = "unknown";

    for (size_t i = 0; i < ARRAY_SIZE(states); i++)
        if (streq(state, states[i]))
            known = states[i];
    jw_kv_str(out, "state", known);
    live_when(out, "until", o, "unlocked_until_ms");
    live_text(out, "by", o, "unlocked_by");
    live_count(out, "attempts", o, "attempts");
    live_count(out, "repairs", o, "repairs");
}

void live_isolation_row_json(struct json_object *o, struct jw *out)
{
    struct json_object *allow = json_get(o, "allow");
    bool on = json_get_bool(o, "on", 0), in_force = json_get_bool(o, "in_force", 0);

    jw_kv_str(out, "state", !o ? "unknown" : !on ? "off" : in_force ? "on" : "coming");
    live_when(out, "since", o, "since_ms");
    live_when(out, "until", o, "until_ms");
    live_text(out, "by", o, "by");
    live_text(out, "reason", o, "reason");
    jw_kv_array(out, "allow");
    for (size_t i = 0; json_object_is_type(allow, json_type_array) && i < ISOLATION_ALLOW_SHOWN &&
                       i < json_object_array_length(allow);
         i++)
        jw_cstr(out, strempty(json_object_get_string(json_object_array_get_idx(allow, i))));
    jw_end_array(out);
}

void live_self_test_row_json(struct json_object *o, struct jw *out)
{
    live_when(out, "self_test", o, "self_test_ms");
    live_count(out, "failing", o, "failing");
}
