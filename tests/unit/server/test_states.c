// SPDX-License-Identifier: Apache-2.0
//
// What goes wrong between a host and its server, from end to end: a whole server, and of the agent its spool, its link and its
// enrolment. Whatever it is, it is said with its cure, and after the cure every record is there once.
#include "tests/unit/unit.h"

#include <dirent.h>
#include <poll.h>
#include <sys/wait.h>

#include "tests/unit/server/rig.h"
#include "tests/unit/server/say.h"

#include "agent/feed.h"
#include "base/jsonget.h"
#include "registry/alert.h"
#include "registry/cert.h"
#include "registry/command.h"
#include "registry/condition.h"
#include "registry/host.h"
#include "store/store.h"
#include "transport/enrol.h"
#include "transport/identity.h"

#define WAIT_MS UINT64_C(30000)
#define DAY_MS  UINT64_C(86400000)
#define BOOT_A  "0a0a0a0a-1111-4222-8333-000000000001"
#define BOOT_B  "0b0b0b0b-1111-4222-8333-000000000002"
#define MACHINE "11112222333344445555666677778888"

// A host: of the agent, what has to do with the server.
struct host {
    struct rig *rig;
    char *dir;
    const char *boot;
    char id[HOST_ID_SIZE], identity[512], spool[512];
    struct feed feed;
    uint64_t lines;
};

static uint64_t now_ms(void)
{
    return now_ns(CLOCK_MONOTONIC) / NS_PER_MS;
}

#define UNTIL(h, condition)                                                \
    do {                                                                   \
        uint64_t until_end = now_ms() + WAIT_MS;                           \
                                                                           \
        while (!(condition)) {                                             \
            struct pollfd until_fd = {link_fd((h)->feed.link), POLLIN, 0}; \
                                                                           \
            if (now_ms() > until_end)                                      \
                fail_msg("waited in vain for " #condition);                \
            (void)poll(&until_fd, 1, 20);                                  \
            link_dispatch((h)->feed.link);                                 \
        }                                                                  \
    } while (0)

static void copy_tree(const char *from, const char *to)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        (void)execlp("cp", "cp", "-a", from, to, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void host_start(struct host *h)
{
    const struct spool_options spool = {.dir = h->spool,
                                        .max_bytes = (uint64_t)64 << 20,
                                        .boot_id = h->boot,
                                        .written = feed_written,
                                        .ctx = &h->feed};
    struct link_options options = {
        .identity_path = h->identity,
        .machine_id = MACHINE,
        .boot_id = h->boot,
        .host = {"web-1", MACHINE, h->boot, "Debian 12", "6.1.0", "x86_64"},
        .version = "0.1.0",
        .linger_ms = 10,
        .backoff_min_ms = 10,
        .backoff_max_ms = 200,
    };
    struct error err = {};

    assert_int_equal(spool_new(&spool, &h->feed.spool, &err), 0);
    options.source = feed_source(&h->feed);
    assert_int_equal(link_new(&options, &h->feed.link, &err), 0);
}

static void host_stop(struct host *h)
{
    h->feed.link = link_free(h->feed.link);
    h->feed.spool = spool_free(h->feed.spool);
}

static void host_enrol(struct host *h)
{
    struct enrol_options options = {.host = {"web-1", MACHINE, h->boot, "Debian 12", "6.1.0",
                                             "x86_64"},
                                    .version = "0.1.0",
                                    .path = h->identity};
    char token[TOKEN_TEXT_MAX], url[64];
    struct identity *id = NULL;
    struct error err = {};

    token_text(h->rig, 1, token);
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%d", (int)api_port(h->rig->server.api));
    options.token = token;
    options.server_url = url;
    if (enrol(&options, &id, &err) < 0)
        error_print(&err, stderr);
    assert_non_null(id);
    (void)snprintf(h->id, sizeof(h->id), "%s", id->agent_id);
    (void)identity_free(id);
}

static void host_new(struct host *h, struct rig *rig, const char *name, const char *boot)
{
    *h = (struct host){.rig = rig, .boot = boot};
    h->dir = unit_mkdtemp();
    (void)snprintf(h->identity, sizeof(h->identity), "%s/%s.json", h->dir, name);
    (void)snprintf(h->spool, sizeof(h->spool), "%s/spool", h->dir);
}

static void host_done(struct host *h)
{
    host_stop(h);
    unit_rmdir(h->dir);
}

static void add(struct host *h, unsigned n)
{
    char line[160];

    for (unsigned i = 0; i < n; i++) {
        int len = snprintf(line, sizeof(line),
                           "{\"class_uid\":1001,\"time\":%llu,\"message\":\"record %llu\"}",
                           (unsigned long long)server_now(), (unsigned long long)++h->lines);

        assert_int_equal(spool_append(h->feed.spool, STREAM_SECURITY, line, (size_t)len), 0);
    }
    assert_int_equal(spool_flush(h->feed.spool), 0);
    link_wake(h->feed.link);
}

static uint64_t waits(struct host *h)
{
    struct spool_counters c;

    spool_counters(h->feed.spool, STREAM_SECURITY, &c);
    return c.waiting;
}

static struct link_status status(struct host *h)
{
    struct link_status s;

    link_status(h->feed.link, &s);
    return s;
}

// What the server has of a host: each record once.
struct kept {
    unsigned n, seen[200];
};

static int on_kept(void *ctx, const struct store_row *row)
{
    struct kept *k = ctx;
    char line[256];
    const char *at;
    unsigned i;

    (void)snprintf(line, sizeof(line), "%.*s", (int)MIN(row->len, sizeof(line) - 1), row->line);
    at = strstr(line, "record ");
    assert_non_null(at);
    i = (unsigned)strtoul(at + 7, NULL, 10);
    assert_in_range(i, 1, ARRAY_SIZE(k->seen) - 1);
    assert_int_equal(k->seen[i]++, 0);
    k->n++;
    return 0;
}

static struct kept kept(struct rig *rig, const char *id)
{
    const struct store_filter filter = {.hosts = &id, .n_hosts = 1};
    struct store_page page = {};
    struct error err = {};
    struct kept k = {};

    assert_int_equal(store_query(rig->server.store, &filter, 1000, NULL, true, on_kept, &k, &page,
                                 &err),
                     0);
    assert_false(page.more);
    return k;
}

static struct peer *ask_host(struct peer *op, const char *id)
{
    char target[128];

    (void)snprintf(target, sizeof(target), "/api/v1/hosts/%s", id);
    say(op, "host", target, NULL, 200);
    return op;
}

static unsigned n_hosts(struct peer *op)
{
    struct json_object *o, *items;
    unsigned n;

    say(op, "hosts", "/api/v1/hosts", NULL, 200);
    o = json_tokener_parse(sb_str(&op->answer.body));
    assert_true(json_object_object_get_ex(o, "items", &items));
    n = (unsigned)json_object_array_length(items);
    json_object_put(o);
    return n;
}

// A certificate that ended ten days ago takes the place of the one there is, on both sides.
static void let_expire(struct host *h)
{
    uint64_t then = server_now() - (CA_AGENT_DAYS + 10) * DAY_MS;
    struct identity *old = NULL, *id = NULL;
    char *key, *csr, *certificate;
    struct cert_info info;
    struct error err = {};

    assert_int_equal(identity_load(h->identity, MACHINE, &old, &err), 0);
    assert_int_equal(identity_new_key(&key, &csr, &err), 0);
    assert_int_equal(ca_sign_agent(h->rig->server.ca, csr, h->id, then, &certificate, &info, &err),
                     0);
    assert_int_equal(registry_cert_add(h->rig->server.registry, h->id, info.serial,
                                       (uint64_t)info.not_after_ms, &err),
                     0);
    // Not to be renewed first: the server would not let it in for that, either.
    assert_int_equal(identity_new(h->id, old->server_url, MACHINE, key, certificate, old->ca,
                                  UINT64_MAX / 2, &id, &err),
                     0);
    assert_int_equal(identity_store(h->identity, id, &err), 0);
    (void)identity_key_free(key);
    free(csr);
    free(certificate);
    (void)identity_free(old);
    (void)identity_free(id);
}

static void test_certificate_expires_while_away(void **state _unused_)
{
    struct rig *rig = rig_new();
    char id[HOST_ID_SIZE];
    struct link_status s;
    struct peer op;
    struct host h;

    say_as(rig, &op, "op", ROLE_OPERATOR);
    host_new(&h, rig, "identity", BOOT_A);
    host_enrol(&h);
    host_start(&h);
    add(&h, 10);
    UNTIL(&h, waits(&h) == 0);
    host_stop(&h);
    let_expire(&h);
    host_start(&h);
    add(&h, 5);
    UNTIL(&h, status(&h).state == LINK_expired);
    s = status(&h);
    assert_true(link_state_stuck(s.state));
    assert_true(s.not_after_ms > 0 && s.not_after_ms < server_now());
    assert_non_null(strstr(s.error.cure, "safeguard-agent enrol --server https://127.0.0.1:"));
    assert_int_equal(waits(&h), 5);
    ask_host(&op, h.id);
    expect_said(&op, "host.state", "degraded");
    expect_said(&op, "host.conditions.0.name", "certificate-expired");
    expect_said(&op, "host.cure", condition_row(CONDITION_EXPIRED)->cure);
    // The cure: the same host, every record, once.
    (void)snprintf(id, sizeof(id), "%s", h.id);
    host_enrol(&h);
    assert_string_equal(h.id, id);
    link_retry(h.feed.link);
    UNTIL(&h, waits(&h) == 0);
    assert_int_equal(status(&h).state, LINK_online);
    assert_int_equal(kept(rig, h.id).n, 15);
    ask_host(&op, h.id);
    expect_said(&op, "host.state", "ok");
    assert_null(said(&op, "host.conditions.0"));
    assert_int_equal(n_hosts(&op), 1);
    host_done(&h);
    peer_done(&op);
    rig_free(rig);
}

static void test_two_machines(void **state _unused_)
{
    struct rig *rig = rig_new();
    char former[HOST_ID_SIZE], *boots[2];
    struct host a, b;
    struct peer op;

    say_as(rig, &op, "op", ROLE_OPERATOR);
    host_new(&a, rig, "identity", BOOT_A);
    host_new(&b, rig, "identity", BOOT_B);
    host_enrol(&a);
    (void)snprintf(former, sizeof(former), "%s", a.id);
    copy_tree(a.identity, b.identity);
    host_start(&a);
    add(&a, 5);
    UNTIL(&a, waits(&a) == 0);
    // The copy takes its place; when the first one notices, both are refused.
    host_start(&b);
    add(&b, 5);
    UNTIL(&b, waits(&b) == 0 || status(&b).state == LINK_cloned);
    add(&a, 5);
    UNTIL(&a, status(&a).state == LINK_cloned);
    add(&b, 5);
    UNTIL(&b, status(&b).state == LINK_cloned);
    assert_non_null(strstr(status(&a).error.cure, "enrol anew"));
    ask_host(&op, former);
    expect_said(&op, "host.state", "cloned");
    expect_said(&op, "host.conditions.0.name", "cloned");
    expect_said(&op, "host.cure", condition_row(CONDITION_CLONED)->cure);
    expect_said(&op, "rivals.0.address", "127.0.0.1");
    boots[0] = said(&op, "rivals.0.boot_id");
    boots[1] = said(&op, "rivals.1.boot_id");
    assert_null(said(&op, "rivals.2"));
    assert_true((streq(boots[0], BOOT_A) && streq(boots[1], BOOT_B)) ||
                (streq(boots[0], BOOT_B) && streq(boots[1], BOOT_A)));
    free(boots[0]);
    free(boots[1]);
    // Each becomes a host of its own, with what waited there.
    host_enrol(&a);
    host_enrol(&b);
    assert_string_not_equal(a.id, former);
    assert_string_not_equal(b.id, former);
    assert_string_not_equal(a.id, b.id);
    link_retry(a.feed.link);
    link_retry(b.feed.link);
    UNTIL(&a, waits(&a) == 0);
    UNTIL(&b, waits(&b) == 0);
    assert_int_equal(kept(rig, a.id).n, 5);
    assert_true(kept(rig, b.id).n >= 5);
    host_done(&a);
    host_done(&b);
    peer_done(&op);
    rig_free(rig);
}

// An older copy of all that the server has is put in its place.
static void restore(struct rig *rig, const char *copy)
{
    char path[700], from[700];
    static const char *const parts[] = {"data", "records"};

    rig_close(rig);
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", rig->dir, parts[i]);
        (void)snprintf(from, sizeof(from), "%s/%s", copy, parts[i]);
        unit_rmdir(strdup(path));
        copy_tree(from, path);
    }
    rig_open(rig);
}

static void back_up(struct rig *rig, char *copy, size_t size)
{
    static const char *const parts[] = {"data", "records"};
    char from[600];

    (void)snprintf(copy, size, "%s/backup", rig->dir);
    // On the same port from here on, as a server is.
    (void)snprintf(from, sizeof(from), "%d", (int)api_port(rig->server.api));
    rig_set(rig, SERVER_CONFIG_port, from);
    rig_close(rig);
    assert_int_equal(mkdir(copy, 0700), 0);
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        (void)snprintf(from, sizeof(from), "%s/%s", rig->dir, parts[i]);
        copy_tree(from, copy);
    }
    rig_open(rig);
}

static void test_older_database(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct host known, later;
    char copy[600], id[HOST_ID_SIZE], *what;
    struct peer op;
    struct kept k;

    say_as(rig, &op, "op", ROLE_OPERATOR | ROLE_ADMIN);
    peer_done(&op);
    host_new(&known, rig, "identity", BOOT_A);
    host_new(&later, rig, "identity", BOOT_B);
    host_enrol(&known);
    host_start(&known);
    add(&known, 10);
    UNTIL(&known, waits(&known) == 0);
    back_up(rig, copy, sizeof(copy));
    add(&known, 20);
    UNTIL(&known, waits(&known) == 0);
    host_enrol(&later);
    host_start(&later);
    add(&later, 3);
    UNTIL(&later, waits(&later) == 0);
    assert_int_equal(kept(rig, known.id).n, 30);
    restore(rig, copy);
    rig_peer(rig, &op);
    peer_be(&op, "op");
    // What comes now and what waits is stored; what is gone is said, with its number.
    add(&known, 5);
    UNTIL(&known, waits(&known) == 0 && status(&known).state == LINK_online);
    k = kept(rig, known.id);
    assert_int_equal(k.n, 15);
    assert_int_equal(k.seen[10] + k.seen[11] + k.seen[30] + k.seen[31] + k.seen[35], 3);
    say(&op, "overview", "/api/v1/overview", NULL, 200);
    expect_said(&op, "losses.server", "20");
    ask_host(&op, known.id);
    expect_said(&op, "host.conditions.0.name", "losses");
    what = said(&op, "host.conditions.0.what");
    assert_non_null(strstr(what, "20 records of it were lost"));
    free(what);
    // Whom the copy does not know is a stranger, with what waits there.
    add(&later, 3);
    UNTIL(&later, status(&later).state == LINK_unknown);
    assert_non_null(strstr(status(&later).error.cure, "enrol"));
    assert_int_equal(waits(&later), 3);
    say(&op, "strangers", "/api/v1/strangers", NULL, 200);
    expect_said(&op, "items.0.id", later.id);
    // It enrols again and is who it was; nobody has to adopt it.
    (void)snprintf(id, sizeof(id), "%s", later.id);
    host_enrol(&later);
    assert_string_equal(later.id, id);
    link_retry(later.feed.link);
    UNTIL(&later, waits(&later) == 0);
    assert_int_equal(kept(rig, later.id).n, 3);
    say(&op, "strangers", "/api/v1/strangers", NULL, 200);
    assert_null(said(&op, "items.0"));
    host_done(&known);
    host_done(&later);
    peer_done(&op);
    rig_free(rig);
}

// Clocks that are years off ----------------------------------------------------------------------------

static void send_at(struct agent *a, const struct stream_id *stream, uint64_t first, uint64_t ms)
{
    char line[256];

    (void)snprintf(
        line, sizeof(line),
        "{\"class_uid\":1001,\"activity_id\":2,\"severity_id\":4,\"time\":%llu,\"message\":\"x\","
        "\"action\":\"Denied\",\"action_id\":2,\"disposition\":\"Blocked\",\"disposition_id\":2}",
        (unsigned long long)ms);
    assert_int_equal(agent_send(a, stream, first, 10, line), 200);
}

static unsigned count_events(struct peer *op, const char *id, uint64_t from, uint64_t to)
{
    struct json_object *o, *items;
    char target[256];
    unsigned n;

    (void)snprintf(target, sizeof(target), "/api/v1/events?host=%s&from=%llu&to=%llu&limit=100", id,
                   (unsigned long long)from, (unsigned long long)to);
    say(op, "events", target, NULL, 200);
    o = json_tokener_parse(sb_str(&op->answer.body));
    assert_true(json_object_object_get_ex(o, "items", &items));
    n = (unsigned)json_object_array_length(items);
    for (unsigned i = 0; i < n; i++) {
        struct json_object *one = json_object_array_get_idx(items, i);

        // Its own time stays as it is, and when it came is known.
        assert_true(json_get_u64(one, "time", 0) >= from && json_get_u64(one, "time", 0) < to);
        assert_true(server_now() - json_get_u64(one, "received", 0) < 600000);
    }
    json_object_put(o);
    return n;
}

static int note_times(void *ctx, const struct registry_alert *a)
{
    uint64_t now = server_now();

    assert_true(a->last_ms <= now && a->last_ms + 600000 > now);
    *(unsigned *)ctx += 1;
    return 0;
}

static void try_clock(int64_t skew_ms)
{
    struct rig *rig = rig_new();
    uint64_t then = (uint64_t)((int64_t)server_now() + skew_ms);
    struct store_retained removed = {};
    struct store_stats stats;
    struct stream_id stream;
    struct error err = {};
    unsigned alerts = 0;
    uint64_t command = 0;
    char header[128];
    struct agent a;
    struct peer op;

    say_as(rig, &op, "op", ROLE_OPERATOR);
    assert_int_equal(stream_id_new(&stream), 0);
    agent_new(&a, rig);
    a.skew_ms = skew_ms;
    assert_int_equal(agent_hello(&a, &stream), 200);
    ask_host(&op, a.id);
    expect_said(&op, "host.state", "degraded");
    expect_said(&op, "host.conditions.0.name", "clock");
    expect_said(&op, "host.cure", condition_row(CONDITION_CLOCK)->cure);
    // Records of a clock that wanders over a thousand days: found by its time, in one file.
    for (unsigned i = 0; i < 100; i++)
        send_at(&a, &stream, 1 + (uint64_t)i * 10, then + i * 10 * DAY_MS);
    assert_int_equal(count_events(&op, a.id, then, then + 1), 10);
    assert_int_equal(count_events(&op, a.id, then, then + 95 * DAY_MS), 100);
    assert_int_equal(store_stats(rig->server.store, &stats), 0);
    assert_int_equal(stats.records, 1000);
    assert_int_equal(stats.files, 1);
    assert_true(server_now() - stats.oldest_received_ms < 600000);
    // Retention goes by when they came: neither at once nor never.
    assert_int_equal(store_retain(rig->server.store, 0, DAY_MS, &removed, &err), 0);
    assert_int_equal(removed.records, 0);
    // Alerts stand where they are seen.
    assert_int_equal(registry_alert_list(rig->server.registry, NULL, NULL, note_times, &alerts,
                                         NULL, &err),
                     0);
    assert_true(alerts > 0);
    // With the next poll it is known that somebody has put the clock right. A command ends it at once.
    assert_int_equal(registry_command_create(rig->server.registry, &test_actor, a.id, "status",
                                             "{}", 60000, &command, &err),
                     0);
    (void)snprintf(header, sizeof(header), WIRE_TIME_HEADER ": %llu",
                   (unsigned long long)server_now());
    peer_header(&a.peer, header);
    (void)snprintf(header, sizeof(header), WIRE_POLL "?session=%s", a.session);
    assert_int_equal(peer_get(&a.peer, header), 200);
    ask_host(&op, a.id);
    expect_said(&op, "host.state", "ok");
    agent_done(&a);
    peer_done(&op);
    rig_free(rig);
}

static void test_clock_ahead(void **state _unused_)
{
    try_clock((int64_t)(40 * 365 * DAY_MS));
}

static void test_clock_behind(void **state _unused_)
{
    try_clock(-(int64_t)(30 * 365 * DAY_MS));
}

UNIT_MAIN(cmocka_unit_test(test_certificate_expires_while_away),
          cmocka_unit_test(test_two_machines), cmocka_unit_test(test_older_database),
          cmocka_unit_test(test_clock_ahead), cmocka_unit_test(test_clock_behind))
