// SPDX-License-Identifier: Apache-2.0
//
// Records, rows, policies and commands between an agent's part of the link and a real server: spool, link and TLS are the
// product's. What the agent does with what comes down is only written down.
#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/resource.h>

#include "agent/agent.h"
#include "agent/bundle.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/jsonget.h"
#include "tests/unit/transport/bench.h"

static struct {
    unsigned n_reloads, n_tests, n_notices;
    bool build; // a reload begins a build
} now;

void __wrap_notice(struct agent *a, const struct notice *n);
void __wrap_notice(struct agent *a, const struct notice *n _unused_)
{
    (void)a;
    now.n_notices++;
}

void __wrap_policies_reload(struct agent *a, const char *why);
void __wrap_policies_reload(struct agent *a, const char *why _unused_)
{
    now.n_reloads++;
    a->policies.building = now.build;
}

void __wrap_health_test(struct agent *a);
void __wrap_health_test(struct agent *a _unused_)
{
    now.n_tests++;
}

const struct sensor_hook *__wrap_sensor_hooks(struct sensor *s, size_t *ret_n);
const struct sensor_hook *__wrap_sensor_hooks(struct sensor *s _unused_, size_t *ret_n)
{
    static const struct sensor_hook hooks[] = {
        {.id = "file_open", .help = "opening files", .state = SENSOR_HOOK_PROVED, .proved_ns = 5},
        {.id = "bprm", .help = "programs", .state = SENSOR_HOOK_FAILED, .reason = "it passed"},
    };

    *ret_n = ARRAY_SIZE(hooks);
    return hooks;
}

#define A_VALUE(name, type)                             \
    void __wrap_##name(type *a, struct jw *jw);         \
    void __wrap_##name(type *a _unused_, struct jw *jw) \
    {                                                   \
        jw_begin_object(jw);                            \
        jw_end_object(jw);                              \
    }
A_VALUE(status_agent_json, struct agent)
A_VALUE(status_problems_json, struct agent)
A_VALUE(status_resources_json, const struct agent)
A_VALUE(losses_json, const struct agent)

void __wrap_status_policy_summary(const struct agent *a, struct jw *jw);
void __wrap_status_policy_summary(const struct agent *a _unused_, struct jw *jw)
{
    jw_kv_str(jw, "state", "in force");
}

void __wrap_processlist_json(struct agent *a, uint32_t from, size_t max, struct jw *jw);
void __wrap_processlist_json(struct agent *a _unused_, uint32_t from, size_t max, struct jw *jw)
{
    jw_begin_object(jw);
    jw_kv_u64(jw, "from", from);
    jw_kv_bool(jw, "fits", max < MSG_RESULT_TEXT_MAX - ((size_t)80 << 10));
    jw_end_object(jw);
}

struct desk {
    struct bench b; // its peer and its identity; the source and the link are the agent's
    struct agent *a;
    char *dir;
    uint64_t lines[STREAM_CLASSES];
    int boot;
};

static void begin_agent(struct desk *d)
{
    struct agent *a = d->a = calloc(1, sizeof(*a));

    assert_non_null(a);
    memset(&now, 0, sizeof(now));
    assert_int_equal(config_init(&a->config), 0);
    assert_int_equal(config_set(&a->config, CONFIG_ID_state_dir, d->dir, NULL), 0);
    assert_int_equal(config_set(&a->config, CONFIG_ID_spool_dir, unit_path(d->dir, "spool"), NULL),
                     0);
    assert_int_equal(config_set(&a->config, CONFIG_ID_server_url, d->b.peer.url, NULL), 0);
    (void)snprintf(a->host.boot_id, sizeof(a->host.boot_id), "0a0a0a0a-1111-4222-8333-%012d",
                   d->boot + 1);
    (void)snprintf(a->host.machine_id, sizeof(a->host.machine_id), MACHINE);
    (void)snprintf(a->host.hostname, sizeof(a->host.hostname), "web-1");
    assert_int_equal(loop_new(&a->loop), 0);
    assert_int_equal(worker_new(a->loop, "builder", 8, false, &a->builder), 0);
    assert_int_equal(uplink_paths(a), 0);
    uplink_start(a);
    assert_false(error_is_set(&a->uplink.error));
}

static void end_agent(struct desk *d)
{
    struct agent *a = d->a;

    a->stopping = true;
    a->builder = worker_free(a->builder);
    assert_true(uplink_stop(a));
    a->loop = loop_free(a->loop);
    config_done(&a->config);
    free(a);
}

static void begin(struct desk *d)
{
    *d = (struct desk){};
    bench_open(&d->b);
    peer_start(&d->b.peer, 0);
    d->dir = unit_mkdtemp();
    begin_agent(d);
}

static void end(struct desk *d)
{
    end_agent(d);
    bench_close(&d->b);
    unit_rmdir(d->dir);
}

static void enrol_host(struct desk *d)
{
    (void)snprintf(d->b.identity, sizeof(d->b.identity), "%s/%s", d->dir, UPLINK_IDENTITY);
    bench_enrol(&d->b, 0);
    link_retry(d->a->uplink.feed.link);
}

static void add(struct desk *d, enum stream_class class, int n)
{
    char line[128];

    for (int i = 0; i < n; i++) {
        int len = snprintf(line, sizeof(line), "{\"class\":%d,\"n\":%llu}", (int)class,
                           (unsigned long long)++d->lines[class]);

        uplink_record(d->a, class, class == STREAM_SECURITY, line, (size_t)len);
    }
}

// The agent's loop goes on until something is so.
#define UNTIL(d, condition)                                 \
    do {                                                    \
        uint64_t until_end = bench_now() + WAIT_S * 1000;   \
                                                            \
        while (!(condition)) {                              \
            if (bench_now() > until_end)                    \
                fail_msg("waited in vain for " #condition); \
            (void)loop_run_once((d)->a->loop, 20);          \
        }                                                   \
    } while (0)

static struct link_status status_of(struct desk *d)
{
    struct link_status s;

    link_status(d->a->uplink.feed.link, &s);
    return s;
}

static uint64_t came(struct desk *d, enum stream_class class)
{
    struct peer *p = &d->b.peer;
    uint64_t n = 0;

    (void)pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->n_streams; i++)
        if (p->streams[i].class == class) {
            assert_int_equal(p->streams[i].wrong, 0);
            n += p->streams[i].n;
        }
    (void)pthread_mutex_unlock(&p->lock);
    return n;
}

static uint64_t waits(struct desk *d, enum stream_class class)
{
    struct spool_counters c;

    spool_counters(d->a->uplink.feed.spool, class, &c);
    return c.waiting;
}

static bool all_came(struct desk *d)
{
    // And the agent knows it: else it is sent again after the next start, as it should be.
    return waits(d, STREAM_SECURITY) == 0 && waits(d, STREAM_AUDIT) == 0 &&
           came(d, STREAM_SECURITY) == d->lines[STREAM_SECURITY] &&
           came(d, STREAM_AUDIT) == d->lines[STREAM_AUDIT];
}

static struct json_object *told(struct desk *d)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct json_object *o;
    struct jw jw;

    jw_init(&jw, &sb);
    uplink_json(d->a, &jw);
    assert_int_equal(jw_finish(&jw), 0);
    o = control_json_parse(sb.s, sb.len);
    assert_non_null(o);
    return o;
}

// Records wait from the first one on, and are sent once this host is enrolled; nothing has to be started anew.
static void test_enrolled_later(void **state)
{
    struct json_object *o;
    struct desk d;

    (void)state;
    begin(&d);
    add(&d, STREAM_SECURITY, 3);
    add(&d, STREAM_AUDIT, 5000);
    UNTIL(&d, status_of(&d).state == LINK_none && now.n_notices == 1); // that it is not enrolled
    o = told(&d);
    assert_string_equal(json_get_str(json_get(o, "link"), "state", ""), "not-enrolled");
    assert_int_equal(json_get_bool(json_get(o, "link"), "stuck", 0), 1);
    json_object_put(o);
    enrol_host(&d);
    UNTIL(&d, all_came(&d));
    assert_int_equal(status_of(&d).state, LINK_online);
    add(&d, STREAM_AUDIT, 10);
    UNTIL(&d, all_came(&d));
    o = told(&d);
    assert_string_equal(json_get_str(json_get(o, "link"), "url", ""), d.b.peer.url);
    assert_int_equal(json_get_u64(json_get(json_get(o, "spool"), "audit"), "accepted", 0), 5010);
    json_object_put(o);
    assert_int_equal(now.n_notices, 1);
    end(&d);
}

struct said {
    unsigned n;
    char severity[16], what[1400], cure[512];
};

static void on_problem(void *ctx, const char *severity, const char *cure, const char *what)
{
    struct said *s = ctx;

    s->n++;
    (void)snprintf(s->severity, sizeof(s->severity), "%s", severity);
    (void)snprintf(s->what, sizeof(s->what), "%s", what);
    (void)snprintf(s->cure, sizeof(s->cure), "%s", strempty(cure));
}

// A host that was away for too long says since when it is not let in any more, and how it is again; nothing is lost.
static void test_certificate_expired(void **state)
{
    uint64_t now_ms = now_ns(CLOCK_REALTIME) / NS_PER_MS;
    struct said s = {};
    struct desk d;

    (void)state;
    begin(&d);
    (void)snprintf(d.b.identity, sizeof(d.b.identity), "%s/%s", d.dir, UPLINK_IDENTITY);
    bench_enrol(&d.b, now_ms - UINT64_C(40) * 86400000);
    link_retry(d.a->uplink.feed.link);
    add(&d, STREAM_SECURITY, 5);
    UNTIL(&d, status_of(&d).state == LINK_expired && waits(&d, STREAM_SECURITY) == 5);
    uplink_problems(d.a, on_problem, &s);
    assert_int_equal(s.n, 1);
    assert_string_equal(s.severity, "high");
    assert_non_null(strstr(s.what, "the certificate of this host expired at 20"));
    assert_non_null(strstr(s.what, "records wait on this host"));
    assert_non_null(strstr(s.cure, "safeguard-agent enrol --server https://"));
    enrol_host(&d);
    UNTIL(&d, all_came(&d));
    s = (struct said){};
    uplink_problems(d.a, on_problem, &s);
    assert_int_equal(s.n, 0);
    end(&d);
}

// The server is away, the agent starts again meanwhile: all of it comes, once.
static void test_days_without_a_server(void **state)
{
    struct desk d;
    uint16_t port;

    (void)state;
    begin(&d);
    enrol_host(&d);
    add(&d, STREAM_AUDIT, 100);
    UNTIL(&d, all_came(&d));
    port = d.b.peer.port;
    peer_stop(&d.b.peer);
    for (int i = 0; i < 3; i++) {
        add(&d, STREAM_AUDIT, 1000);
        add(&d, STREAM_SECURITY, 10);
        end_agent(&d);
        begin_agent(&d);
    }
    UNTIL(&d, status_of(&d).state == LINK_retrying);
    peer_start(&d.b.peer, port);
    link_retry(d.a->uplink.feed.link);
    UNTIL(&d, all_came(&d));
    assert_int_equal(d.b.peer.n_duplicates, 0);
    end(&d);
}

static int copy_entry(void *ctx, int dir, const struct dirent *entry)
{
    _cleanup_free_ char *text = NULL;
    size_t len;

    assert_int_equal(read_file_bounded(dir, entry->d_name, 64 << 20, &text, &len), 0);
    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path(ctx, entry->d_name), text, len, 0600),
                     0);
    return 0;
}

static void copy_dir(const char *from, char *to)
{
    assert_int_equal(mkdir_p(AT_FDCWD, to, 0700), 0);
    assert_int_equal(opendir_foreach(AT_FDCWD, from, copy_entry, to), 0);
}

// This host was set back to an earlier state of its disk: the numbers of the server are not given again.
static void set_back(int after)
{
    uint16_t port;
    char spool[4096], saved[4096];
    struct desk d;

    begin(&d);
    enrol_host(&d);
    add(&d, STREAM_AUDIT, 10);
    UNTIL(&d, all_came(&d));
    end_agent(&d);
    (void)unit_path_in(saved, sizeof(saved), d.dir, "saved");
    (void)unit_path_in(spool, sizeof(spool), d.dir, "spool");
    copy_dir(spool, saved);
    begin_agent(&d);
    add(&d, STREAM_AUDIT, 20);
    UNTIL(&d, all_came(&d));
    end_agent(&d);
    assert_int_equal(nftw(spool, unit_remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
    assert_int_equal(rename(saved, spool), 0);
    port = d.b.peer.port;
    peer_stop(&d.b.peer);
    begin_agent(&d);
    add(&d, STREAM_AUDIT, after);
    UNTIL(&d, waits(&d, STREAM_AUDIT) == (uint64_t)after);
    peer_start(&d.b.peer, port);
    link_retry(d.a->uplink.feed.link);
    UNTIL(&d, all_came(&d)); // none was taken for another
    assert_true(d.b.peer.n_streams > 2);
    end(&d);
}

static void test_host_is_set_back(void **state)
{
    (void)state;
    set_back(15); // fewer than the server has had
    set_back(60); // more: the numbers alone would look right
}

// What waits lies in many short segments, and nothing comes any more: all of it is sent, without waiting for more.
static void test_many_segments(void **state)
{
    struct desk d;
    uint16_t port;

    (void)state;
    begin(&d);
    enrol_host(&d);
    port = d.b.peer.port;
    peer_stop(&d.b.peer);
    for (int i = 0; i < 5; i++) {
        add(&d, STREAM_AUDIT, 50);
        UNTIL(&d, waits(&d, STREAM_AUDIT) == d.lines[STREAM_AUDIT]);
        end_agent(&d);
        d.boot++; // another stream, and another file
        begin_agent(&d);
    }
    peer_start(&d.b.peer, port);
    link_retry(d.a->uplink.feed.link);
    UNTIL(&d, all_came(&d));
    end(&d);
}

// A file that may not grow: it is told, records wait in memory, and go on when it may.
static void test_no_room(void **state)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct rlimit before, none;
    struct desk d;

    (void)state;
    begin(&d);
    enrol_host(&d);
    add(&d, STREAM_AUDIT, 10);
    UNTIL(&d, all_came(&d));
    now.n_notices = 0;
    assert_int_equal(sigaction(SIGXFSZ, &ignore, NULL), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = (struct rlimit){1024, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    add(&d, STREAM_SECURITY, 100);
    UNTIL(&d, (uplink_tick(d.a), d.a->uplink.out_failing));
    assert_int_equal(now.n_notices, 1);
    assert_int_equal(came(&d, STREAM_SECURITY), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    add(&d, STREAM_SECURITY, 1);
    UNTIL(&d, all_came(&d));
    UNTIL(&d, (uplink_tick(d.a), !d.a->uplink.out_failing));
    end(&d);
}

static void test_rows(void **state)
{
    struct state_row row = {};
    struct desk d;

    (void)state;
    begin(&d);
    enrol_host(&d);
    UNTIL(&d, status_of(&d).state == LINK_online);
    uplink_tick(d.a);
    UNTIL(&d, LOCKED(&d.b.peer, d.b.peer.table && state_set_rows(d.b.peer.table) == 9));
    (void)pthread_mutex_lock(&d.b.peer.lock);
    assert_int_equal(state_set_get(d.b.peer.table, "bprm", &row), 1);
    assert_non_null(strstr(row.value, "\"state\":\"failed\""));
    assert_non_null(strstr(row.value, "it passed"));
    assert_int_equal(state_set_get(d.b.peer.table, "policy", &row), 1);
    assert_non_null(
        strstr(row.value, "\"bundle\":{\"wanted\":null,\"applied\":null,\"state\":\"none\"}"));
    for (const char *const *key =
             (const char *const[]){"agent", "losses", "resources", "problems", NULL};
         *key; key++)
        assert_int_equal(state_set_get(d.b.peer.table, *key, &row), 1);
    (void)pthread_mutex_unlock(&d.b.peer.lock);
    end(&d);
}

static void command(struct desk *d, const char *text)
{
    (void)pthread_mutex_lock(&d->b.peer.lock);
    d->b.peer.command = text;
    (void)pthread_cond_broadcast(&d->b.peer.changed);
    (void)pthread_mutex_unlock(&d->b.peer.lock);
}

static bool answered(struct desk *d, const char *what)
{
    return LOCKED(&d->b.peer, strstr(d->b.peer.last_result, what) != NULL);
}

static void test_commands(void **state)
{
    struct loaded loaded = {};
    struct desk d;

    (void)state;
    begin(&d);
    d.a->policies.now = &loaded;
    enrol_host(&d);
    UNTIL(&d, status_of(&d).state == LINK_online);
    command(
        &d,
        "{\"bundle\":null,\"commands\":[{\"id\":\"c1\",\"name\":\"self-test\",\"args\":{},\"deadline_ms\":0}]}");
    UNTIL(&d, answered(&d, "\"c1\""));
    assert_true(answered(&d, "\"done\"") && answered(&d, "file_open"));
    assert_int_equal(now.n_tests, 1);
    command(
        &d,
        "{\"bundle\":null,\"commands\":[{\"id\":\"c2\",\"name\":\"rm -rf\",\"args\":{},\"deadline_ms\":0}]}");
    UNTIL(&d, answered(&d, "\"c2\""));
    assert_true(answered(&d, "\"failed\"") && answered(&d, "knows no such command"));
    command(
        &d,
        "{\"bundle\":null,\"commands\":[{\"id\":\"c3\",\"name\":\"self-test\",\"args\":{},\"deadline_ms\":1000}]}");
    UNTIL(&d, answered(&d, "\"c3\""));
    assert_true(answered(&d, "\"expired\""));
    assert_int_equal(now.n_tests, 1);
    // Answered once the build that began after it is done.
    now.build = true;
    command(
        &d,
        "{\"bundle\":null,\"commands\":[{\"id\":\"c4\",\"name\":\"policy-reload\",\"args\":{},\"deadline_ms\":0}]}");
    UNTIL(&d, now.n_reloads == 1);
    uplink_reloads_done(d.a, 0, NULL); // of a build before
    uplink_reloads_begin(d.a);
    uplink_reloads_done(d.a, -EINVAL,
                        &(struct error){.code = -EINVAL, .what = "broken by the test"});
    UNTIL(&d, answered(&d, "\"c4\""));
    assert_true(answered(&d, "\"failed\"") && answered(&d, "broken by the test"));
    end(&d);
}

// What is asked is answered; what would change something is no question.
static void test_questions(void **state)
{
    struct desk d;

    (void)state;
    begin(&d);
    enrol_host(&d);
    UNTIL(&d, status_of(&d).state == LINK_online);
    command(
        &d,
        "{\"bundle\":null,\"commands\":[],\"questions\":[{\"id\":\"q1\",\"name\":\"processes\",\"args\":{\"from\":7},\"deadline_ms\":0}]}");
    UNTIL(&d, answered(&d, "\"q1\""));
    assert_true(answered(&d, "\"done\"") && answered(&d, "{\"from\":7,\"fits\":true}"));
    command(
        &d,
        "{\"bundle\":null,\"commands\":[],\"questions\":[{\"id\":\"q2\",\"name\":\"self-test\",\"args\":{},\"deadline_ms\":0}]}");
    UNTIL(&d, answered(&d, "\"q2\""));
    assert_true(answered(&d, "\"failed\"") && answered(&d, "cannot be asked that"));
    assert_int_equal(now.n_tests, 0);
    // And no question is a command.
    command(
        &d,
        "{\"bundle\":null,\"commands\":[{\"id\":\"c1\",\"name\":\"processes\",\"args\":{},\"deadline_ms\":0}]}");
    UNTIL(&d, answered(&d, "\"c1\""));
    assert_true(answered(&d, "\"failed\"") && answered(&d, "knows no such command"));
    end(&d);
}

static void test_bundle_comes_down(void **state)
{
    const struct bundle_file file = {"50-web.yaml", "safeguard: 1\n", 13, BUNDLE_MONITOR};
    struct msg_bundle m = {.files = (struct bundle_file *)&file, .n_files = 1};
    _cleanup_(bundle_dir_done) struct bundle_dir b = {};
    _cleanup_(sb_done) struct strbuf body = {};
    char id[BUNDLE_ID_TEXT];
    struct desk d;

    (void)state;
    assert_int_equal(bundle_id(&file, 1, id), 0);
    m.id = id;
    assert_int_equal(msg_bundle_write(&body, &m), 0);
    begin(&d);
    d.b.peer.bundle_body = sb_str(&body);
    d.b.peer.bundle_id = id;
    enrol_host(&d);
    UNTIL(&d, now.n_reloads == 1);
    assert_string_equal(d.a->uplink.wanted, id);
    assert_true(d.a->uplink.trying);
    assert_int_equal(bundle_dir_read(d.a->uplink.trying_path, &b, NULL), 0);
    assert_string_equal(b.id, id);
    assert_int_equal(b.n, 1);
    assert_int_equal(b.files[0].mode, BUNDLE_MONITOR);
    end(&d);
}

UNIT_MAIN(cmocka_unit_test(test_enrolled_later), cmocka_unit_test(test_certificate_expired),
          cmocka_unit_test(test_days_without_a_server), cmocka_unit_test(test_host_is_set_back),
          cmocka_unit_test(test_no_room), cmocka_unit_test(test_many_segments),
          cmocka_unit_test(test_rows), cmocka_unit_test(test_commands),
          cmocka_unit_test(test_questions), cmocka_unit_test(test_bundle_comes_down))
