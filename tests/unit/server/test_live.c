// SPDX-License-Identifier: Apache-2.0
//
// What a host is asked while somebody looks at it: the question goes down with its poll, once for all who wait, the answer comes up
// and is given to them; and what is said when none comes.
#include "tests/unit/unit.h"

#include "tests/unit/server/polls.h"
#include "tests/unit/server/say.h"

// Somebody who looks, in a thread of his own.
struct view {
    struct peer peer;
    char target[160];
    pthread_t thread;
};

static void *do_look(void *ctx)
{
    struct view *v = ctx;

    (void)peer_get(&v->peer, v->target);
    return NULL;
}

static void look(struct view *v, const struct agent *a, const char *what)
{
    (void)snprintf(v->target, sizeof(v->target), "/api/v1/hosts/%s/live/%s", a->id, what);
    assert_int_equal(pthread_create(&v->thread, NULL, do_look, v), 0);
}

static void seen(struct view *v, const char *route)
{
    assert_int_equal(pthread_join(v->thread, NULL), 0);
    if (v->peer.answer.status != 200)
        (void)fprintf(stderr, "%s\n", sb_str(&v->peer.answer.body));
    assert_int_equal(v->peer.answer.status, 200);
    say_check(&v->peer, say_route(route));
}

// The host asks for news and gets a question: its id. There is one, whoever asked it.
static char *asked(struct agent *a, const char *name, const char *args)
{
    char target[256], *text, *id;

    (void)snprintf(target, sizeof(target), WIRE_POLL "?session=%s&bundle=&after=", a->session);
    assert_int_equal(peer_get(&a->peer, target), 200);
    text = said(&a->peer, "questions.0.name");
    assert_non_null(text);
    assert_string_equal(text, name);
    free(text);
    text = said(&a->peer, "questions.0.args");
    assert_non_null(strstr(text, args));
    free(text);
    assert_null(said(&a->peer, "questions.1"));
    assert_null(said(&a->peer, "commands.0"));
    id = said(&a->peer, "questions.0.id");
    assert_non_null(id);
    return id;
}

static void answer(struct agent *a, const char *id, const char *status, const char *result,
                   const char *error)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    sb_printf(&sb, "{\"command\":\"%s\",\"status\":\"%s\",\"result\":%s,\"error\":%s}", id, status,
              result, error);
    assert_int_equal(peer_send(&a->peer, "POST", WIRE_RESULT, sb_str(&sb)), 200);
}

static void open_all(struct rig **ret, struct agent *a, struct view *v, size_t n)
{
    char name[16];

    *ret = rig_new();
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(name, sizeof(name), "look-%zu", i);
        say_as(*ret, &v[i].peer, name, ROLE_VIEWER);
    }
    agent_new(a, *ret);
    assert_int_equal(agent_hello(a, NULL), 200);
}

static void close_all(struct rig *rig, struct agent *a, struct view *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        peer_done(&v[i].peer);
    agent_done(a);
    rig_free(rig);
}

#define INIT                                                                          \
    "{\"pid\":1,\"uid\":\"b:1:0\",\"started_ms\":1700000000000,\"comm\":\"systemd\"," \
    "\"program\":\"/usr/lib/systemd/systemd\",\"command\":\"/sbin/init\",\"user_id\":0,\"user\":\"root\"}"
#define SHELL                                                                               \
    "{\"pid\":9,\"uid\":\"b:9:7\",\"parent\":\"b:8:1\",\"below\":\"b:1:0\",\"started_ms\":" \
    "1700000001000,\"comm\":\"a-long-name-of-\",\"program\":\"/bin/a-long-name-of-a-shell\",\"command\":\"sh -c x\",\"deleted\":true,\"user_id\":1000}"

static void test_processes(void **state _unused_)
{
    struct view v[2];
    struct agent a;
    struct rig *rig;
    char *id;

    open_all(&rig, &a, v, 2);
    look(&v[0], &a, "processes");
    look(&v[1], &a, "processes");
    await_parked(rig, 2);
    id = asked(&a, "processes", "\"from\": 0");
    // The whole list in pieces.
    answer(&a, id, "done", "{\"now_ms\":5,\"processes\":[" INIT "],\"next\":7}", "null");
    free(id);
    id = asked(&a, "processes", "\"from\": 7");
    answer(&a, id, "done", "{\"now_ms\":5,\"processes\":[" SHELL "]}", "null");
    for (size_t i = 0; i < 2; i++) {
        struct peer *p = &v[i].peer;

        seen(&v[i], "host_live_processes");
        expect_said(p, "live.state", "answered");
        expect_said(p, "host_name", "web-1");
        expect_said(p, "truncated", "false");
        expect_said(p, "nodes.0.name", "systemd");
        expect_said(p, "nodes.0.user", "root");
        expect_said(p, "nodes.1.cmd_line", "sh -c x");
        expect_said(p, "nodes.1.name", "a-long-name-of-a-shell");
        expect_said(p, "nodes.1.parent", "b:1:0");
        expect_said(p, "nodes.1.user", "1000");
        expect_said(p, "nodes.1.deleted", "true");
        assert_null(said(p, "nodes.2"));
    }
    // Nobody waits for it any more: no mistake of the host's, and of no consequence.
    answer(&a, id, "done", "{\"processes\":[]}", "null");
    answer(&a, "q0000000000000000-1", "done", "null", "null");
    free(id);
    close_all(rig, &a, v, 2);
}

// A list that does not end is cut, and that is said.
static void test_endless(void **state _unused_)
{
    struct view v[1];
    struct agent a;
    struct rig *rig;

    open_all(&rig, &a, v, 1);
    look(&v[0], &a, "processes");
    for (unsigned i = 0; i < 8; i++) {
        char *id = asked(&a, "processes", "\"from\"");
        char text[512];

        (void)snprintf(text, sizeof(text), "{\"processes\":[" INIT "],\"next\":%u}", i + 1);
        answer(&a, id, "done", text, "null");
        free(id);
    }
    seen(&v[0], "host_live_processes");
    expect_said(&v[0].peer, "truncated", "true");
    close_all(rig, &a, v, 1);
}

static void test_failed_and_away(void **state _unused_)
{
    struct error err = {};
    struct view v[1];
    struct peer *p = &v[0].peer;
    struct agent a, b;
    struct rig *rig;
    char *id;

    open_all(&rig, &a, v, 1);
    agent_new(&b, rig);
    assert_int_equal(agent_hello(&b, NULL), 200);
    look(&v[0], &a, "processes");
    id = asked(&a, "processes", "{");
    // Another host has no say in it.
    answer(&b, id, "done", "{\"processes\":[" INIT "]}", "null");
    answer(&a, id, "failed", "null",
           "{\"what\":\"no such thing\",\"cure\":\"a newer agent\",\"errno\":95}");
    free(id);
    seen(&v[0], "host_live_processes");
    expect_said(p, "live.state", "failed");
    expect_said(p, "live.error", "no such thing");
    expect_said(p, "live.cure", "a newer agent");
    assert_null(said(p, "nodes.0"));
    look(&v[0], &a, "defence");
    id = asked(&a, "defence", "{");
    answer(
        &a, id, "done",
        "{\"defence\":{\"state\":\"unlocked\",\"unlocked_until_ms\":1700000000000,\"unlocked_by\":\"ann\","
        "\"attempts\":3},\"self_test\":{\"time_ms\":1700000000001,\"failing\":1}}",
        "null");
    free(id);
    seen(&v[0], "host_live_defence");
    expect_said(p, "live.state", "answered");
    expect_said(p, "defence.state", "unlocked");
    expect_said(p, "defence.by", "ann");
    expect_said(p, "defence.self_test.failing", "1");
    // A host that may not speak is not asked; what it said last is shown, with its time.
    assert_int_equal(registry_host_revoke(rig->server.registry, &test_actor, a.id, "lost", &err),
                     0);
    look(&v[0], &a, "defence");
    seen(&v[0], "host_live_defence");
    expect_said(p, "live.state", "away");
    assert_non_null(strstr(sb_str(&p->answer.body), "\"answered\":1"));
    expect_said(p, "defence.by", "ann");
    agent_done(&b);
    close_all(rig, &a, v, 1);
}

static void test_scheduling(void **state _unused_)
{
    static const char good[] =
        "{\"top\":{\"sample\":2,\"interval_ns\":2000000000,\"since_start\":false,\"processes\":812,\"scheduling\":true,"
        "\"host\":{\"cpus\":4,\"switches\":900,\"delay\":{\"count\":5,\"mean_ns\":1000,\"p95_ns\":4000,\"max_ns\":9000},"
        "\"slot_ns\":1024,\"delays\":[1,2,\"x\",-3],\"lost\":{\"evicted\":1,\"full\":2}},"
        "\"rows\":[{\"pid\":7,\"process_uid\":\"b:7:1\",\"name\":\"make\",\"exe\":\"/usr/bin/make\",\"uid\":5,"
        "\"cpu_permille\":955,\"read_bytes\":4096,\"sched\":{\"switches\":40,\"wait_permille\":12,"
        "\"delay\":{\"p95_ns\":4000},\"off_permille\":{\"sleep\":3,\"io\":4,\"lock\":5}}}]},"
        "\"scheduling\":{\"rules\":1,\"failed\":2,\"error\":{\"what\":\"no cpu controller\",\"cure\":\"turn it on\"}},"
        "\"rules\":[{\"file\":\"/etc/safeguard/policies/50-a.yaml\",\"line\":12,\"values\":{\"weight\":20,\"nice\":-5,"
        "\"class\":\"batch\"},\"named_groups\":true,\"groups\":[\"/system.slice\",7],\"own_group\":null}]}";
    // Of all types but the right one.
    static const char *const odd[] = {
        "5", "\"x\"", "[]", "{\"top\":[],\"scheduling\":\"x\",\"rules\":{}}",
        "{\"top\":{\"host\":7,\"rows\":[5,{\"sched\":[],\"pid\":1e300,\"name\":{}}],\"interval_ns\":-1},\"scheduling\":{\"error\":5},"
        "\"rules\":[7,{\"values\":[],\"groups\":{},\"line\":true}]}"};
    struct view v[1];
    struct peer *p = &v[0].peer;
    struct agent a;
    struct rig *rig;
    char *id;

    open_all(&rig, &a, v, 1);
    look(&v[0], &a, "scheduling?sort=wait");
    id = asked(&a, "scheduling", "\"wait\"");
    answer(&a, id, "done", good, "null");
    free(id);
    seen(&v[0], "host_live_scheduling");
    expect_said(p, "use.interval_ms", "2000");
    expect_said(p, "use.delays.1", "2");
    expect_said(p, "use.delays.2", "0");
    expect_said(p, "use.uncounted", "3");
    expect_said(p, "use.rows.0.uid", "b:7:1");
    expect_said(p, "use.rows.0.user", "5");
    expect_said(p, "use.rows.0.sched.off_permille.lock", "5");
    expect_said(p, "scheduling.error", "no cpu controller");
    expect_said(p, "rules.0.nice", "-5");
    expect_said(p, "rules.0.groups.0", "/system.slice");
    assert_null(said(p, "rules.0.quota_permille"));
    say(p, "host_live_scheduling", "/api/v1/hosts/none/live/scheduling?sort=name", NULL, 400);
    say(p, "host_live_scheduling", "/api/v1/hosts/none/live/scheduling", NULL, 404);
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
        static const char *const sorts[] = {"cpu", "memory", "io", "threads", "switches"};
        char what[64];

        // Each another question: an answer serves all who ask the same for a second.
        (void)snprintf(what, sizeof(what), "scheduling?sort=%s", sorts[i]);
        look(&v[0], &a, what);
        id = asked(&a, "scheduling", sorts[i]);
        answer(&a, id, "done", odd[i], "null");
        free(id);
        seen(&v[0], "host_live_scheduling");
    }
    close_all(rig, &a, v, 1);
}

// Each list as its question has it, that a setting is off, and answers of all types but the right one.
static void test_network(void **state _unused_)
{
    static const struct {
        const char *what, *answer, *path, *said;
    } rows[] = {
        {"flows",
         "{\"network\":{\"flows\":true,\"live\":[{\"type\":\"accept\",\"pid\":7,\"program\":\"/usr/sbin/nginx\",\"local\":\"::1\","
         "\"local_port\":443,\"incoming\":true,\"bytes_out\":12}],\"closed\":[{\"type\":\"close\",\"reason\":\"refused\",\"rtt_us\":5}],\"more\":3}}",
         "flows.1.ended", "refused"},
        {"dns",
         "{\"network\":{\"dns\":true,\"questions\":[{\"name\":\"www.example\",\"type\":\"A\",\"rcode\":\"NoError\","
         "\"answers\":[{\"address\":\"192.0.2.1\",\"ttl\":5},7]}]}}",
         "questions.0.answers.0", "192.0.2.1"},
        {"drops",
         "{\"network\":{\"flows\":true,\"drops\":[{\"reason\":\"NO_SOCKET\",\"packets\":9}]}}",
         "drops.0.reason", "NO_SOCKET"},
        {"map", "{\"network\":{\"flows\":true,\"edges\":[{\"program\":\"/bin/a\",\"flows\":4}]}}",
         "edges.0.flows", "4"},
    };
    struct view v[1];
    struct peer *p = &v[0].peer;
    struct agent a;
    struct rig *rig;
    char what[64], *id;

    open_all(&rig, &a, v, 1);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        (void)snprintf(what, sizeof(what), "network?what=%s", rows[i].what);
        look(&v[0], &a, what);
        id = asked(&a, "network", rows[i].what);
        answer(&a, id, "done", rows[i].answer, "null");
        free(id);
        seen(&v[0], "host_live_network");
        expect_said(p, rows[i].path, rows[i].said);
        expect_said(p, "looks", "true");
        expect_said(p, "answered", "true");
    }
    expect_said(p, "live.state", "answered");
    say(p, "host_live_network", "/api/v1/hosts/none/live/network?what=all", NULL, 400);
    close_all(rig, &a, v, 1);
}

// That a setting is off, and answers of all types but the right one. An answer serves all who ask the same for a second: each is another.
static void test_network_odd(void **state _unused_)
{
    static const struct {
        const char *what, *answer;
    } rows[] = {
        {"flows", "{\"off\":{\"what\":\"the setting is off\",\"cure\":\"turn it on\"}}"},
        {"dns", "5"},
        {"drops",
         "{\"network\":{\"drops\":[],\"flows\":false,\"flows_error\":{\"what\":\"no room\"},\"dns_error\":{\"what\":\"x\"}}}"},
        {"map",
         "{\"network\":{\"live\":[7,{\"type\":[],\"local\":9,\"bytes_out\":\"x\",\"begin_ms\":1e300}],\"closed\":{},\"more\":-5,"
         "\"questions\":[{\"answers\":{}}],\"drops\":[null],\"edges\":\"x\",\"flows\":7}}"},
    };
    struct view v[1];
    struct peer *p = &v[0].peer;
    struct agent a;
    struct rig *rig;

    open_all(&rig, &a, v, 1);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char what[64], *id;

        (void)snprintf(what, sizeof(what), "network?what=%s", rows[i].what);
        look(&v[0], &a, what);
        id = asked(&a, "network", rows[i].what);
        answer(&a, id, "done", rows[i].answer, "null");
        free(id);
        seen(&v[0], "host_live_network");
        if (i == 0) {
            expect_said(p, "looks", "false");
            expect_said(p, "error", "the setting is off");
            expect_said(p, "cure", "turn it on");
        }
        if (i == 2)
            expect_said(p, "error", "no room");
    }
    close_all(rig, &a, v, 1);
}

UNIT_MAIN(cmocka_unit_test(test_network), cmocka_unit_test(test_network_odd),
          cmocka_unit_test(test_processes), cmocka_unit_test(test_endless),
          cmocka_unit_test(test_failed_and_away), cmocka_unit_test(test_scheduling))
