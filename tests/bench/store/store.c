// SPDX-License-Identifier: Apache-2.0
//
// What the store costs: appending, bytes a record, every kind of query that a page makes, beside a table without an index as the floor.
//
//   sg-bench-store [--records N] [--directory D] [--batch N] [--group N] [--hours N] [--keep] [--queries-only] [--floor]
//                  [--scan-ms N] [--retain-mib N] [--only PART-OF-A-NAME]
//
// Records are made between the appends and not counted. Queries are made 40 times each, with values that differ.
#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "db/db.h"
#include "store/store.h"
#include "tests/bench/store/store_records.h"

#define ROUNDS    40
#define MS_HOUR   UINT64_C(3600000)
#define START_MS  UINT64_C(1764115200000) // 2025-11-26, 00:00
#define GROUP_MAX 256

struct options {
    uint64_t records, retain;
    unsigned batch, group, hours, scan_ms;
    const char *directory, *only;
    bool keep, queries_only, floor;
};

static double seconds(void)
{
    return (double)now_ns(CLOCK_MONOTONIC) / 1e9;
}

static double thread_seconds(void)
{
    return (double)now_ns(CLOCK_THREAD_CPUTIME_ID) / 1e9;
}

static double cpu_seconds(void)
{
    struct rusage u;

    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void fail(const char *what, const struct error *err)
{
    (void)fprintf(stderr, "%s\n", what);
    error_print(err, stderr);
    exit(1);
}

// ---- appending

struct group {
    struct made made[GROUP_MAX];
    const struct record_batch *batches[GROUP_MAX];
    struct store_appended out[GROUP_MAX];
};

static void make_group(struct maker *m, struct group *g, unsigned n, unsigned batch)
{
    for (unsigned i = 0; i < n; i++) {
        maker_batch(m, batch, &g->made[i]);
        g->batches[i] = &g->made[i].batch;
    }
}

static void append(struct store *st, const struct options *o)
{
    struct group *g = calloc(1, sizeof(*g));
    struct error err = {};
    struct maker m;
    struct store_stats stats;
    uint64_t done = 0, next = 1000000, raw = 0;
    double spent = 0, cpu = 0, part = 0, part_cpu = 0, longest = 0, longest_retain = 0;

    maker_init(&m, 1, START_MS, o->hours * UINT64_C(3600000000) / o->records);
    while (done < o->records) {
        double before, cpu_before;

        make_group(&m, g, o->group, o->batch);
        for (unsigned i = 0; i < o->group; i++)
            for (unsigned b = 0; b < g->made[i].batch.n_blocks; b++)
                raw += g->made[i].blocks[b].raw_len;
        before = seconds();
        cpu_before = cpu_seconds();
        if (store_append_many(st, g->batches, o->group, g->out, &err) < 0)
            fail("append", &err);
        before = seconds() - before;
        spent += before;
        part += before;
        longest = before > longest ? before : longest;
        cpu_before = cpu_seconds() - cpu_before;
        cpu += cpu_before;
        part_cpu += cpu_before;
        done += (uint64_t)o->group * o->batch;
        before = seconds();
        if (o->retain && store_retain(st, o->retain, 0, NULL, &err) < 0)
            fail("retain", &err);
        before = seconds() - before;
        longest_retain = before > longest_retain ? before : longest_retain;
        if (done >= next) {
            (void)printf(
                "  %3llu M: %7.0f records/s, %.1f us of CPU a record (this million), longest append %.0f ms\n",
                (unsigned long long)(done / 1000000), 1000000 / part, part_cpu, longest * 1000);
            (void)fflush(stdout);
            next += 1000000;
            part = part_cpu = longest = 0;
        }
    }
    (void)store_stats(st, &stats);
    if (o->retain)
        (void)printf("retention: %llu files removed, the longest took %.1f ms, %llu MiB are left\n",
                     (unsigned long long)stats.removed_files, longest_retain * 1000,
                     (unsigned long long)(stats.bytes >> 20));
    (void)printf(
        "append: %llu records, %.0f records/s, %.1f CPU-s per 100,000, %.0f bytes a record of %.0f (%llu MiB)\n",
        (unsigned long long)done, (double)done / spent, cpu * 100000 / (double)done,
        (double)stats.bytes / (double)done, (double)raw / (double)done,
        (unsigned long long)(stats.bytes >> 20));
    for (unsigned i = 0; i < GROUP_MAX; i++)
        made_done(&g->made[i]);
    free(g);
}

// The floor: the same lines into a table without an index.
static void append_floor(const struct options *o)
{
    struct group *g = calloc(1, sizeof(*g));
    struct error err = {};
    struct db *db = NULL;
    struct db_stmt *st = NULL;
    struct maker m;
    uint64_t done = 0, n = o->records < 1000000 ? o->records : 1000000;
    double spent = 0;
    char path[4096];

    (void)snprintf(path, sizeof(path), "%s/floor.db", o->directory);
    (void)remove(path);
    if (db_open(path, &(struct db_options){.create = true, .keep_deleted = true}, &db, &err) < 0 ||
        db_exec(db, "CREATE TABLE t (id INTEGER PRIMARY KEY, host TEXT, time INTEGER, line TEXT)",
                &err) < 0 ||
        db_prepare(db, "INSERT INTO t (host, time, line) VALUES (?1, ?2, ?3)", &st, &err) < 0)
        fail("floor", &err);
    maker_init(&m, 1, START_MS, 1000);
    while (done < n) {
        struct db_txn txn = {};
        double before;

        make_group(&m, g, o->group, o->batch);
        before = seconds();
        (void)db_begin(db, DB_WRITE, &txn, &err);
        for (unsigned i = 0; i < o->group; i++) {
            for (unsigned b = 0; b < g->made[i].batch.n_blocks; b++) {
                const char *p = g->made[i].blocks[b].raw;

                for (unsigned k = 0; k < g->made[i].blocks[b].n_records; k++) {
                    const char *end = strchr(p, '\n');

                    db_reset(st);
                    db_bind_str(st, 1, g->made[i].host);
                    db_bind_u64(st, 2, m.time_ms);
                    db_bind_strn(st, 3, p, (size_t)(end - p));
                    (void)db_run(st, &err);
                    p = end + 1;
                }
            }
        }
        if (db_commit(&txn, &err) < 0)
            fail("floor", &err);
        spent += seconds() - before;
        done += (uint64_t)o->group * o->batch;
    }
    (void)printf("floor (a table without an index): %.0f records/s\n", (double)done / spent);
    db_done(st);
    db_close(db);
    (void)remove(path);
    for (unsigned i = 0; i < GROUP_MAX; i++)
        made_done(&g->made[i]);
    free(g);
}

// ---- queries

struct asked {
    struct store *st;
    uint64_t seed, from_ms, to_ms;
    char id[STORE_ID_SIZE];
    uint64_t rows, truncated;
    struct error err;
    char host[40], text[256], other[256];
};

static int on_row(void *ctx, const struct store_row *row)
{
    struct asked *a = ctx;

    (void)snprintf(a->id, sizeof(a->id), "%s", row->id);
    a->rows++;
    return 0;
}

static int on_point(void *ctx, const char *key, uint64_t from_ms, const struct store_count *count)
{
    (void)key;
    (void)from_ms;
    ((struct asked *)ctx)->rows += count->records > 0;
    return 0;
}

static int on_top(void *ctx, const char *key, const struct store_count *count)
{
    return on_point(ctx, key, 0, count);
}

static int on_bucket(void *ctx, uint64_t from_ms, const struct store_count counts[STORE_OUTCOMES])
{
    (void)from_ms;
    ((struct asked *)ctx)->rows += counts[STORE_AUDITED].records > 0;
    return 0;
}

static void list(struct asked *a, const struct store_filter *f)
{
    struct store_page page;

    if (store_query(a->st, f, 50, NULL, true, on_row, a, &page, &a->err) < 0)
        fail("query", &a->err);
    a->truncated += page.truncated;
}

static void q_newest(struct asked *a)
{
    list(a, &(struct store_filter){});
}

static void q_time(struct asked *a)
{
    list(a, &(struct store_filter){.to_ms = a->from_ms +
                                            made_random(&a->seed) % (a->to_ms - a->from_ms)});
}

static void q_host(struct asked *a)
{
    const char *host = a->host;

    made_host((unsigned)(made_random(&a->seed) % MADE_HOSTS), a->host);
    list(a, &(struct store_filter){.hosts = &host, .n_hosts = 1});
}

static void q_rule(struct asked *a)
{
    list(a, &(struct store_filter){
                .rule = made_rule((unsigned)(made_random(&a->seed) % MADE_RULES), a->text)});
}

static void q_program(struct asked *a)
{
    list(a,
         &(struct store_filter){
             .program = made_program((unsigned)(made_random(&a->seed) % MADE_PROGRAMS), a->text)});
}

static void q_user_denied(struct asked *a)
{
    list(a, &(struct store_filter){.user = made_user((unsigned)(made_random(&a->seed) % MADE_USERS),
                                                     a->text),
                                   .outcomes = 1u << STORE_DENIED});
}

static void q_path(struct asked *a)
{
    list(a, &(struct store_filter){
                .path = made_path((unsigned)(made_random(&a->seed) % MADE_PATHS), a->text)});
}

static void q_path_prefix(struct asked *a)
{
    static const char *const prefixes[] = {"/etc/*", "/home/ann/.ssh/key*", "/root/*",
                                           "/opt/app/conf/token-4*"};

    list(a, &(struct store_filter){.path = prefixes[made_random(&a->seed) % 4]});
}

static void q_severity(struct asked *a)
{
    list(a, &(struct store_filter){.severity_min = 3, .class_uid = 1001});
}

static void q_nothing(struct asked *a)
{
    list(a, &(struct store_filter){.rule = "no-such-rule"});
}

// Both are frequent, and never together: an exec has no path of a file in /root.
static void q_never_together(struct asked *a)
{
    list(a, &(struct store_filter){.class_uid = 1007, .path = "/root/*"});
}

static void q_rare_pair(struct asked *a)
{
    list(a, &(struct store_filter){
                .user = made_user(20 + (unsigned)(made_random(&a->seed) % 5), a->text),
                .path = made_path((unsigned)(made_random(&a->seed) % MADE_PATHS), a->other)});
}

static void q_word(struct asked *a)
{
    static const char *const words[] = {"shadow", "invoice", "postgres", "monitor", "backup"};

    list(a, &(struct store_filter){.text = words[made_random(&a->seed) % 5]});
}

static void q_two_words(struct asked *a)
{
    (void)snprintf(a->other, sizeof(a->other), "%s nginx",
                   made_path((unsigned)(made_random(&a->seed) % MADE_PATHS), a->text));
    list(a, &(struct store_filter){.text = a->other});
}

static void q_rare_words(struct asked *a)
{
    (void)snprintf(a->other, sizeof(a->other), "\"pid %u\" \"job %u\"",
                   1000 + (unsigned)(made_random(&a->seed) % 30000),
                   (unsigned)(made_random(&a->seed) % 500));
    list(a, &(struct store_filter){.text = a->other});
}

static void q_word_prefix(struct asked *a)
{
    list(a, &(struct store_filter){.text = "invoi* cron", .outcomes = 1u << STORE_DENIED});
}

static const char *made_process(struct asked *a, unsigned *ret_pid)
{
    *ret_pid = 1000 + (unsigned)(made_random(&a->seed) % 30000);
    (void)snprintf(a->text, sizeof(a->text), "11111111-2222-3333-4444-555555555555:%u:%u", *ret_pid,
                   *ret_pid * 3);
    return a->text;
}

static void q_process(struct asked *a)
{
    unsigned pid;
    const char *const processes[] = {made_process(a, &pid), NULL};

    list(a, &(struct store_filter){.marks[STORE_MARK_PROCESS] = processes});
}

static void q_children(struct asked *a)
{
    const char *parents[] = {a->other, NULL};
    unsigned pid;

    (void)made_process(a, &pid);
    (void)snprintf(a->other, sizeof(a->other), "11111111-2222-3333-4444-555555555555:%u:10000",
                   pid);
    list(a, &(struct store_filter){.marks[STORE_MARK_PARENT] = parents, .class_uid = 1007});
}

static void q_exec_history(struct asked *a)
{
    static const char *const exec[] = {"exec", NULL};
    const char *host = a->host;

    made_host((unsigned)(made_random(&a->seed) % MADE_HOSTS), a->host);
    list(a, &(struct store_filter){.marks[STORE_MARK_LAUNCH] = exec, .hosts = &host, .n_hosts = 1});
}

static void q_command_line(struct asked *a)
{
    (void)snprintf(a->other, sizeof(a->other), "\"job %u\"",
                   (unsigned)(made_random(&a->seed) % 500));
    list(a, &(struct store_filter){.cmd_line = a->other});
}

static void q_process_denials(struct asked *a)
{
    struct store_chart c;
    unsigned pid;
    const char *const processes[] = {made_process(a, &pid), NULL};
    struct store_filter f = {.marks[STORE_MARK_PROCESS] = processes,
                             .from_ms = a->from_ms,
                             .to_ms = a->to_ms};

    if (store_timeline(a->st, &f, 1, on_bucket, a, &c, &a->err) < 0)
        fail("timeline", &a->err);
    a->truncated += c.truncated;
}

static void q_get(struct asked *a)
{
    if (store_get(a->st, a->id, on_row, a, &a->err) < 0)
        fail("get", &a->err);
}

static void chart(struct asked *a, enum store_dim by, uint64_t hours, uint64_t step_ms,
                  const struct store_filter *extra)
{
    struct store_filter f = *extra;
    struct store_chart c;

    f.from_ms = a->to_ms - hours * MS_HOUR;
    f.to_ms = a->to_ms;
    if (store_rollup(a->st, &f, by, step_ms, 20, on_point, a, &c, &a->err) < 0)
        fail("rollup", &a->err);
    a->truncated += c.truncated;
}

static void q_chart_day(struct asked *a)
{
    chart(a, STORE_BY_OUTCOME, 24, MS_HOUR / 4, &(struct store_filter){});
}

static void q_chart_programs(struct asked *a)
{
    chart(a, STORE_BY_PROGRAM, 24, MS_HOUR, &(struct store_filter){});
}

static void q_chart_minutes(struct asked *a)
{
    chart(a, STORE_BY_RULE, 1, 60000, &(struct store_filter){});
}

static void q_chart_host(struct asked *a)
{
    const char *host = a->host;

    made_host((unsigned)(made_random(&a->seed) % MADE_HOSTS), a->host);
    chart(a, STORE_BY_RULE, 1, 60000, &(struct store_filter){.hosts = &host, .n_hosts = 1});
}

static void top(struct asked *a, enum store_dim by, const struct store_filter *extra)
{
    struct store_filter f = *extra;
    struct store_chart c;

    f.from_ms = a->from_ms;
    f.to_ms = a->to_ms;
    if (store_top(a->st, &f, by, 20, on_top, a, &c, &a->err) < 0)
        fail("top", &a->err);
    a->truncated += c.truncated;
}

static void q_top_users(struct asked *a)
{
    top(a, STORE_BY_USER, &(struct store_filter){.outcomes = 1u << STORE_DENIED});
}

static void q_top_paths(struct asked *a)
{
    top(a, STORE_BY_PATH, &(struct store_filter){});
}

static void q_top_hosts(struct asked *a)
{
    top(a, STORE_BY_HOST, &(struct store_filter){});
}

static void timeline(struct asked *a, const struct store_filter *extra)
{
    struct store_filter f = *extra;
    struct store_chart c;

    f.from_ms = a->from_ms;
    f.to_ms = a->to_ms;
    if (store_timeline(a->st, &f, 100, on_bucket, a, &c, &a->err) < 0)
        fail("timeline", &a->err);
    a->truncated += c.truncated;
}

static void q_timeline(struct asked *a)
{
    timeline(a, &(struct store_filter){});
}

static void q_timeline_path(struct asked *a)
{
    timeline(a, &(struct store_filter){
                    .path = made_path((unsigned)(made_random(&a->seed) % MADE_PATHS), a->text)});
}

static void q_timeline_user_class(struct asked *a)
{
    timeline(a, &(struct store_filter){
                    .user = made_user((unsigned)(made_random(&a->seed) % MADE_USERS), a->text),
                    .class_uid = 1001});
}

static const struct {
    const char *name;
    void (*ask)(struct asked *a);
} queries[] = {
    {"newest 50", q_newest},
    {"50 before a time", q_time},
    {"host", q_host},
    {"rule", q_rule},
    {"program", q_program},
    {"user, denied", q_user_denied},
    {"path", q_path},
    {"path prefix", q_path_prefix},
    {"severity and class", q_severity},
    {"matches nothing", q_nothing},
    {"frequent, never together", q_never_together},
    {"rare user and path", q_rare_pair},
    {"word", q_word},
    {"path and word", q_two_words},
    {"rare phrases", q_rare_words},
    {"word prefix, denied", q_word_prefix},
    {"process", q_process},
    {"children of a process", q_children},
    {"executed on a host", q_exec_history},
    {"command line", q_command_line},
    {"denials of a process", q_process_denials},
    {"record by id", q_get},
    {"chart: outcome, day", q_chart_day},
    {"chart: program, day", q_chart_programs},
    {"chart: rule, hour", q_chart_minutes},
    {"chart: rule, host, hour", q_chart_host},
    {"top users, denied", q_top_users},
    {"top paths", q_top_paths},
    {"top hosts", q_top_hosts},
    {"time-line", q_timeline},
    {"time-line: path", q_timeline_path},
    {"time-line: user, class", q_timeline_user_class},
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void ask_all(struct store *st, const char *only)
{
    struct store_stats stats;
    struct asked a = {.st = st, .seed = 99};
    double t[ROUNDS], cpu[ROUNDS];

    (void)store_stats(st, &stats);
    a.from_ms = stats.oldest_ms;
    a.to_ms = stats.newest_ms + 1;
    (void)printf("%-26s %9s %9s %9s %8s %9s\n", "query", "p50 ms", "p95 ms", "max ms", "rows",
                 "truncated");
    for (size_t q = 0; q < sizeof(queries) / sizeof(queries[0]); q++) {
        if (only && !strstr(queries[q].name, only))
            continue;
        a.rows = a.truncated = 0;
        for (unsigned i = 0; i < ROUNDS; i++) {
            double before = seconds(), cpu_before = thread_seconds();

            queries[q].ask(&a);
            t[i] = (seconds() - before) * 1000;
            cpu[i] = (thread_seconds() - cpu_before) * 1000;
        }
        qsort(t, ROUNDS, sizeof(t[0]), by_value);
        qsort(cpu, ROUNDS, sizeof(cpu[0]), by_value);
        (void)printf("%-26s %9.2f %9.2f %9.2f %9.2f %8.1f %6llu/%d\n", queries[q].name,
                     t[ROUNDS / 2], t[ROUNDS * 95 / 100], t[ROUNDS - 1], cpu[ROUNDS * 95 / 100],
                     (double)a.rows / ROUNDS, (unsigned long long)a.truncated, ROUNDS);
        (void)fflush(stdout);
    }
}

// ---- main

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static void read_options(int argc, char **argv, struct options *o)
{
    static const struct option long_options[] = {
        {"records", required_argument, NULL, 'r'},    {"directory", required_argument, NULL, 'd'},
        {"batch", required_argument, NULL, 'b'},      {"group", required_argument, NULL, 'g'},
        {"hours", required_argument, NULL, 'h'},      {"keep", no_argument, NULL, 'k'},
        {"queries-only", no_argument, NULL, 'q'},     {"floor", no_argument, NULL, 'f'},
        {"retain-mib", required_argument, NULL, 'R'}, {"scan-ms", required_argument, NULL, 's'},
        {"only", required_argument, NULL, 'o'},       {},
    };
    int c;

    while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (c) {
        case 'r': o->records = strtoull(optarg, NULL, 10); break;
        case 'd': o->directory = optarg; break;
        case 'b': o->batch = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'g': o->group = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'h': o->hours = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'k': o->keep = true; break;
        case 'q': o->queries_only = o->keep = true; break;
        case 'f': o->floor = true; break;
        case 'R': o->retain = strtoull(optarg, NULL, 10) << 20; break;
        case 's': o->scan_ms = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'o': o->only = optarg; break;
        default: exit(2);
        }
    }
    if (o->records == 0 || o->batch == 0 || o->batch > 3000 || o->group == 0 ||
        o->group > GROUP_MAX || o->hours == 0)
        exit(2);
}

int main(int argc, char **argv)
{
    struct options o = {.records = 1000000,
                        .batch = 500,
                        .group = 16,
                        .hours = 23,
                        .directory = "/tmp/sg-bench-store"};
    struct store *st = NULL;
    struct error err = {};
    char url[4200];

    read_options(argc, argv, &o);
    if (!o.queries_only)
        (void)nftw(o.directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    (void)snprintf(url, sizeof(url), "sqlite:%s", o.directory);
    if (store_open(url, &(struct store_options){.scan_ms = o.scan_ms, .file_bytes = o.retain / 8},
                   &st, &err) < 0)
        fail("open", &err);
    if (!o.queries_only)
        append(st, &o);
    ask_all(st, o.only);
    store_close(st);
    if (o.floor)
        append_floor(&o);
    if (!o.keep)
        (void)nftw(o.directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
