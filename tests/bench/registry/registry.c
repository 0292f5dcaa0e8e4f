// SPDX-License-Identifier: Apache-2.0
//
// What the registry costs with a fleet: hosts that say hello, lists, bundles put together anew, alerts counted. Beside each
// number stands a floor: the same number of plain inserts or commits of SQLite into a file on the same disk.
//
//     sg-bench-registry [hosts]      in $TMPDIR or /tmp; a minute for 10,000 where a disk makes 160 commits a second
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strutil.h"
#include "db/db.h"
#include "registry/alert.h"
#include "registry/condition.h"
#include "registry/enrol.h"
#include "registry/policy.h"
#include "registry/rollout.h"

#define POLICIES 50
#define BATCHES  2000
#define BATCH    100
#define READS    200000

static const struct actor me = {.kind = ACTOR_LOCAL, .roles = ROLES_ALL};
static char (*hosts)[HOST_ID_SIZE];
static uint32_t n_hosts = 10000;
static unsigned serial;

static void must(int r, const struct error *err)
{
    if (r >= 0)
        return;
    error_print(err, stderr);
    exit(1);
}

static double seconds(uint64_t since)
{
    return (double)(now_ns(CLOCK_MONOTONIC) - since) / (double)NS_PER_SEC;
}

static int sign(void *ctx, const char *host, char ret_serial[REGISTRY_ID_MAX],
                uint64_t *ret_not_after_ms, struct error *err)
{
    (void)ctx;
    (void)host;
    (void)err;
    (void)snprintf(ret_serial, REGISTRY_ID_MAX, "%032x", ++serial);
    *ret_not_after_ms = 4000000000000;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

// Commits that are on the disk, and inserts in one transaction, a second.
static void floors(const char *dir, double *ret_commits, double *ret_inserts)
{
    const struct db_options options = {.create = true};
    struct db_txn txn = {};
    struct error err = {};
    struct db *db = NULL;
    char path[512];
    uint64_t start;

    (void)snprintf(path, sizeof(path), "%s/floor.db", dir);
    must(db_open(path, &options, &db, &err), &err);
    must(db_exec(db, "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)", &err), &err);
    start = now_ns(CLOCK_MONOTONIC);
    for (unsigned i = 0; i < 1000; i++)
        must(db_do(db, &err, "INSERT INTO t (b) VALUES (?1)", "s", "x"), &err);
    *ret_commits = 1000 / seconds(start);
    start = now_ns(CLOCK_MONOTONIC);
    must(db_begin(db, DB_WRITE, &txn, &err), &err);
    for (unsigned i = 0; i < 200000; i++)
        must(db_do(db, &err, "INSERT INTO t (b) VALUES (?1)", "s", "x"), &err);
    must(db_commit(&txn, &err), &err);
    *ret_inserts = 200000 / seconds(start);
    db_close(db);
}

static double enrol_all(struct registry *rg)
{
    const struct registry_enrol_spec spec = {.life_ms = 3600000,
                                             .labels = "{\"env\":\"prod\",\"role\":\"web\"}"};
    uint8_t secret[ENROL_SECRET_SIZE];
    struct error err = {};
    uint64_t start;
    char id[9], name[32];

    must(registry_enrol_token_create(rg, &me, &spec, secret, id, &err), &err);
    start = now_ns(CLOCK_MONOTONIC);
    for (uint32_t i = 0; i < n_hosts; i++) {
        const struct host_facts facts = {.name = name,
                                         .machine_id = name,
                                         .boot_id = "b",
                                         .os = "Debian 12"};

        (void)snprintf(name, sizeof(name), "host-%u", i);
        must(registry_enrol(rg, secret, &facts, NULL, sign, NULL, hosts[i], &err), &err);
    }
    return n_hosts / seconds(start);
}

static double hello_all(struct registry *rg)
{
    uint64_t start = now_ns(CLOCK_MONOTONIC);
    struct error err = {};
    char name[32], number[REGISTRY_ID_MAX];

    for (uint32_t i = 0; i < n_hosts; i++) {
        const struct host_facts facts = {.name = name,
                                         .machine_id = name,
                                         .boot_id = "b",
                                         .os = "Debian 12"};
        struct registry_hello hello;

        (void)snprintf(name, sizeof(name), "host-%u", i);
        (void)snprintf(number, sizeof(number), "%032x", i + 1);
        must(registry_hello(rg, hosts[i], number, &facts, &hello, &err), &err);
        if (hello.admission != HOST_ADMITTED)
            must(-1, &err);
    }
    return n_hosts / seconds(start);
}

static void make_policies(struct registry *rg)
{
    const struct rollout_stage stages[] = {{100, true}, {50, false}, {100, false}};
    struct error err = {};
    char name[32];
    uint64_t id;

    for (unsigned i = 0; i < POLICIES; i++) {
        (void)snprintf(name, sizeof(name), "%02u.yaml", i);
        must(registry_policy_create(rg, &me, name, "safeguard: 1\n", 13,
                                    i % 2 ? "role=db" : "env in (prod), role=web", "", &err),
             &err);
        if (i + 1 < POLICIES)
            continue;
        must(registry_rollout_create(rg, &me, name, 1, stages, 3, &id, &err), &err);
    }
}

static int ignore_host(void *ctx, const struct registry_host *h)
{
    ++*(uint64_t *)ctx;
    return h->id ? 0 : -1;
}

static int ignore_count(void *ctx, const char *name, const struct registry_policy_count *count)
{
    *(uint64_t *)ctx += count->selected;
    return name ? 0 : -1;
}

static double count_alerts(struct registry *rg)
{
    struct alert_input in[BATCH];
    uint64_t start = now_ns(CLOCK_MONOTONIC);
    struct alert_counted counted;
    struct error err = {};
    char programs[40][16];

    for (unsigned i = 0; i < 40; i++)
        (void)snprintf(programs[i], sizeof(programs[i]), "/bin/p%u", i);
    for (unsigned b = 0; b < BATCHES; b++) {
        for (unsigned i = 0; i < BATCH; i++)
            in[i] = (struct alert_input){.seq = (uint64_t)(b / 100) * BATCH + i + 1,
                                         .time_ms = 1,
                                         .class_uid = 1001,
                                         .severity = 4,
                                         .outcome = "denied",
                                         .policy = "web",
                                         .rule = "shadow",
                                         .program = programs[i % 40],
                                         .path = "/etc/shadow",
                                         .message = "denied"};
        must(registry_alert_count(rg, hosts[b % 100], "00000000000000000000000000000001",
                                  (uint64_t)(b / 100 + 1) * BATCH, in, BATCH, &counted, &err),
             &err);
    }
    return BATCHES * BATCH / seconds(start);
}

static void reads(struct registry *rg)
{
    uint64_t start, n = 0;
    struct error err = {};
    struct registry_next next = {};

    start = now_ns(CLOCK_MONOTONIC);
    must(registry_host_list(rg, NULL, &(struct registry_page){.limit = 100}, ignore_host, &n, &next,
                            &err),
         &err);
    (void)printf("page of 100 hosts               %9.2f ms\n", 1000 * seconds(start));
    start = now_ns(CLOCK_MONOTONIC);
    must(registry_host_list(rg,
                            &(struct registry_host_filter){.state = -1, .selector = "role=nosuch"},
                            NULL, ignore_host, &n, &next, &err),
         &err);
    (void)printf("selector over all hosts         %9.2f ms\n", 1000 * seconds(start));
    start = now_ns(CLOCK_MONOTONIC);
    must(registry_policy_counts(rg, NULL, ignore_count, &n, &err), &err);
    (void)printf("numbers of %u policies          %9.2f ms\n", POLICIES, 1000 * seconds(start));
    start = now_ns(CLOCK_MONOTONIC);
    for (unsigned i = 0; i < READS; i++)
        (void)registry_host_session(rg, hosts[i % n_hosts], "0");
    (void)printf("whether a session is good       %9.0f a second\n", READS / seconds(start));
}

// As every five seconds on a server; and when the whole fleet gets into a condition, and out of it.
static void rounds(struct registry *rg)
{
    static const struct {
        const char *what;
        uint64_t clock_ms; // of all hosts; 0: as it was
    } rows[] = {{"a round, nothing is new", 0},
                {"a round, all clocks are wrong", 1},
                {"a round, they still are", 0},
                {"a round, all are right again", UINT64_MAX}};
    uint64_t start;
    struct error err = {};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (uint32_t h = 0; h < n_hosts && rows[i].clock_ms; h++)
            registry_host_clock(rg, hosts[h],
                                rows[i].clock_ms == 1 ? 1 : now_ns(CLOCK_REALTIME) / NS_PER_MS);
        start = now_ns(CLOCK_MONOTONIC);
        must(registry_conditions_round(rg, NULL, &err), &err);
        (void)printf("%-31s %9.2f ms\n", rows[i].what, 1000 * seconds(start));
    }
}

int main(int argc, char **argv)
{
    const char *tmp = getenv("TMPDIR");
    char dir[256];
    double commits, inserts, rate;
    struct registry_options options = {.dir = dir};
    struct registry *rg = NULL;
    struct error err = {};
    uint64_t start;

    if (argc > 1)
        must(parse_u32(argv[1], &n_hosts), &err);
    (void)snprintf(dir, sizeof(dir), "%s/sg-bench-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    hosts = calloc(n_hosts, sizeof(*hosts));
    if (n_hosts < 100 || !hosts || !mkdtemp(dir))
        return 1;
    floors(dir, &commits, &inserts);
    (void)printf("floor: %.0f commits, %.0f inserts a second\n", commits, inserts);
    must(registry_open(&options, &rg, &err), &err);
    rate = enrol_all(rg);
    (void)printf("enrolments                      %9.0f a second, %.2f of the commits\n", rate,
                 rate / commits);
    rate = hello_all(rg);
    (void)printf("hellos                          %9.0f a second, %.2f of the commits\n", rate,
                 rate / commits);
    make_policies(rg);
    start = now_ns(CLOCK_MONOTONIC);
    must(registry_rollout_advance(rg, &me, 1, -1, &err), &err);
    (void)printf("a stage for %u hosts         %9.2f ms\n", n_hosts, 1000 * seconds(start));
    rate = count_alerts(rg);
    (void)printf("records counted for alerts      %9.0f a second, %.2f of the inserts\n", rate,
                 rate / inserts);
    reads(rg);
    rounds(rg);
    registry_free(rg);
    free(hosts);
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
