// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/jsonget.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "cli/columns.h"
#include "cli/render.h"

#define BAR_MAX         30u
#define HISTOGRAM_LINES 40u // of a screen: a lower one is for the table

// "12.3": permille of one processor as percent.
static void put_percent(struct columns *c, uint64_t permille)
{
    char buf[32];

    (void)snprintf(buf, sizeof(buf), "%llu.%llu", (unsigned long long)(permille / 10),
                   (unsigned long long)(permille % 10));
    columns_put(c, buf);
}

static void put_ns_cell(struct columns *c, uint64_t ns)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    if (ns)
        put_ns(&sb, ns);
    columns_put(c, sb_str(&sb));
}

static void put_bytes_cell(struct columns *c, uint64_t n)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    if (n)
        put_bytes(&sb, n);
    columns_put(c, sb_str(&sb));
}

static void put_who(struct columns *c, struct json_object *row)
{
    char number[24];

    (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)json_get_u64(row, "pid", 0));
    columns_put(c, number);
    (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)json_get_u64(row, "uid", 0));
    columns_put(c, json_get_str(row, "user", json_get(row, "uid") ? number : ""));
}

// What it is, and in which container.
static void put_name(struct columns *c, struct json_object *row)
{
    const char *container = json_get_str(row, "container", NULL);
    _cleanup_(sb_done) struct strbuf sb = {};

    sb_puts(&sb, json_get_str(row, "name", "?"));
    if (json_get_bool(row, "ended", 0))
        sb_puts(&sb, " (ended)");
    if (container)
        sb_printf(&sb, " [%.12s]", container);
    columns_put(c, sb_str(&sb));
}

static void put_usage(struct columns *c, struct json_object *row)
{
    put_who(c, row);
    columns_put(c, json_get_str(row, "state", "?"));
    put_percent(c, json_get_u64(row, "cpu_permille", 0));
    put_bytes_cell(c, json_get_u64(row, "rss_bytes", 0));
    put_bytes_cell(c, json_get_u64(row, "read_bytes", 0));
    put_bytes_cell(c, json_get_u64(row, "written_bytes", 0));
    columns_put_count(c, json_get_u64(row, "threads", 0));
    put_name(c, row);
}

static void put_sched(struct columns *c, struct json_object *row)
{
    struct json_object *s = json_get(row, "sched"), *delay = json_get(s, "delay");
    struct json_object *off = json_get(s, "off_permille");

    put_who(c, row);
    put_name(c, row);
    put_percent(c, json_get_u64(row, "cpu_permille", 0));
    columns_put_count(c, json_get_u64(s, "switches", 0));
    put_percent(c, json_get_u64(s, "wait_permille", 0));
    put_ns_cell(c, json_get_u64(delay, "mean_ns", 0));
    put_ns_cell(c, json_get_u64(delay, "p95_ns", 0));
    put_ns_cell(c, json_get_u64(delay, "max_ns", 0));
    put_percent(c, json_get_u64(off, "sleep", 0));
    put_percent(c, json_get_u64(off, "io", 0));
    put_percent(c, json_get_u64(off, "lock", 0));
}

// What could not be counted, when there is any.
static void put_lost(struct json_object *lost, bool color, struct strbuf *sb)
{
    uint64_t n = json_get_u64(lost, "evicted", 0) + json_get_u64(lost, "full", 0) +
                 json_get_u64(lost, "unknown", 0) + json_get_u64(lost, "untold", 0);

    if (!n)
        return;
    sb_puts(sb, color_seq(color, COLOR_YELLOW));
    sb_printf(sb, "not counted: %llu processes put out for others, ",
              (unsigned long long)json_get_u64(lost, "evicted", 0));
    sb_printf(sb, "%llu periods without room, %llu switches of unknown tasks, %llu left out\n",
              (unsigned long long)json_get_u64(lost, "full", 0),
              (unsigned long long)json_get_u64(lost, "unknown", 0),
              (unsigned long long)json_get_u64(lost, "untold", 0));
    sb_puts(sb, color_seq(color, COLOR_RESET));
}

// The host's run-queue delay by powers of two, one line each that has any.
static void put_histogram(struct json_object *host, struct strbuf *sb)
{
    struct json_object *delays = json_get(host, "delays");
    uint64_t base = json_get_u64(host, "slot_ns", 0), most = 0;
    size_t n = cli_length(delays);

    for (size_t i = 0; i < n; i++) {
        int64_t one = json_object_get_int64(json_object_array_get_idx(delays, i));

        most = one > 0 && (uint64_t)one > most ? (uint64_t)one : most;
    }
    for (size_t i = 0; i < n && i < 63 && most; i++) {
        int64_t one = json_object_get_int64(json_object_array_get_idx(delays, i));
        _cleanup_(sb_done) struct strbuf below = {};

        if (one <= 0)
            continue;
        put_ns(&below, base << i);
        sb_printf(sb, "  below %-8s %8lld ", sb_str(&below), (long long)one);
        for (uint64_t k = 0; k < ((uint64_t)one * BAR_MAX + most - 1) / most; k++)
            sb_putc(sb, '#');
        sb_putc(sb, '\n');
    }
}

static void put_heading(struct json_object *top, bool color, unsigned lines, struct strbuf *sb)
{
    struct json_object *host = json_get(top, "host"), *delay = json_get(host, "delay");
    struct json_object *error = json_get(top, "scheduling_error");
    uint64_t interval = json_get_u64(top, "interval_ns", 0);

    sb_printf(sb, "%llu processes, %llu CPUs, over ",
              (unsigned long long)json_get_u64(top, "processes", 0),
              (unsigned long long)json_get_u64(host, "cpus", 0));
    if (interval)
        put_ns(sb, interval);
    else
        sb_puts(sb, "their lives");
    sb_putc(sb, '\n');
    if (error) {
        sb_puts(sb, color_seq(color, COLOR_RED));
        sb_puts(sb, "scheduling is not looked at: ");
        put_escaped(sb, json_get_str(error, "what", "?"));
        sb_printf(sb, "%s\n", color_seq(color, COLOR_RESET));
    }
    if (!json_get_bool(top, "scheduling", 0))
        return;
    sb_printf(sb, "%llu switches/s; waiting for a CPU: mean ",
              (unsigned long long)json_get_u64(host, "switches", 0));
    put_ns(sb, json_get_u64(delay, "mean_ns", 0));
    sb_puts(sb, ", 95 % below ");
    put_ns(sb, json_get_u64(delay, "p95_ns", 0));
    sb_puts(sb, ", all below ");
    put_ns(sb, json_get_u64(delay, "max_ns", 0));
    sb_putc(sb, '\n');
    if (!lines || lines >= HISTOGRAM_LINES)
        put_histogram(host, sb);
    put_lost(json_get(host, "lost"), color, sb);
}

void render_top(struct json_object *top, bool color, unsigned lines, unsigned width,
                struct strbuf *sb)
{
    static const struct columns usage = {
        .n = 9,
        .titles = {"PID", "USER", "S", "CPU %", "MEMORY", "READ/s", "WRITE/s", "THREADS", "NAME"},
    };
    static const struct columns sched = {
        .n = 12,
        // The name before what a narrow terminal cuts off.
        .titles = {"PID", "USER", "NAME", "CPU %", "SWITCH/s", "WAIT %", "MEAN", "95 %", "MAX",
                   "SLEEP %", "I/O %", "LOCK %"},
    };
    bool scheduling = json_get_bool(top, "scheduling", 0);
    _cleanup_(columns_done) struct columns c = scheduling ? sched : usage;
    _cleanup_(sb_done) struct strbuf all = {};
    struct json_object *rows = json_get(top, "rows");

    put_heading(top, color, lines, &all);
    for (size_t i = 0; i < cli_length(rows); i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);

        if (scheduling)
            put_sched(&c, row);
        else
            put_usage(&c, row);
    }
    columns_print(&c, color, &all);
    if (all.failed)
        sb->failed = true;
    put_cut(&all, lines, width, sb);
}
