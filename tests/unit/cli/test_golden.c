// SPDX-License-Identifier: Apache-2.0
//
// What the commands print, compared with files in tests/golden/cli. UPDATE_GOLDEN=1 writes the files anew: look
// at the difference before keeping it.
#include "tests/unit/unit.h"

#include <spawn.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "cli/cli.h"
#include "cli/policies.h"
#include "cli/render.h"

#define GOLDEN SOURCE_ROOT "/tests/golden/cli/"

extern char **environ;

static char *read_golden(const char *name)
{
    char *text = NULL;
    char path[4096];

    (void)snprintf(path, sizeof(path), GOLDEN "%s", name);
    assert_int_equal(read_file_bounded(AT_FDCWD, path, 1 << 20, &text, NULL), 0);
    return text;
}

static struct json_object *read_json(const char *name)
{
    _cleanup_free_ char *text = read_golden(name);
    struct json_object *o = json_tokener_parse(text);

    assert_non_null(o);
    return o;
}

static void assert_golden(const char *name, const struct strbuf *sb)
{
    _cleanup_free_ char *expected = NULL;
    char path[4096];

    assert_false(sb->failed);
    if (getenv("UPDATE_GOLDEN")) {
        (void)snprintf(path, sizeof(path), GOLDEN "%s", name);
        assert_int_equal(write_file_atomic(AT_FDCWD, path, sb_str(sb), sb->len, 0644), 0);
        return;
    }
    expected = read_golden(name);
    assert_string_equal(sb_str(sb), expected);
}

static void status(const char *from, const char *to, bool color, bool all, bool well)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct json_object *o = read_json(from);

    assert_int_equal(render_status(o, color, all, &sb), well);
    assert_golden(to, &sb);
    json_object_put(o);
}

static void test_status(void **state)
{
    (void)state;
    status("status.json", "status.txt", false, false, true);
    status("status.json", "status-all-color.txt", true, true, true);
    status("status-server.json", "status-server.txt", false, false, true);
    status("status-problems.json", "status-problems.txt", false, false, false);
    status("status-empty.json", "status-empty.txt", false, false, false);
}

// Anything may be missing or of another type: nothing to fall over.
static void test_status_of_another_version(void **state)
{
    static const char *const texts[] = {
        "{}", "[]", "7", "{\"policy\":[],\"hooks\":{},\"problems\":\"x\"}",
        "{\"policy\":{\"id\":\"x\",\"files\":[1,2]},\"hooks\":[1,null],"
        "\"problems\":[null],\"losses\":{\"x\":\"y\"},\"now_ms\":-5}"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        _cleanup_(sb_done) struct strbuf sb = {};
        struct json_object *o = json_tokener_parse(texts[i]);

        (void)render_status(o, true, true, &sb);
        assert_false(sb.failed);
        json_object_put(o);
    }
}

static void events(const char *to, bool color)
{
    _cleanup_free_ char *text = read_golden("events.ndjson");
    _cleanup_(strv_freep) char **lines = NULL;
    _cleanup_(sb_done) struct strbuf sb = {};
    char day[16] = "";

    assert_int_equal(strv_split(text, "\n", &lines), 0);
    STRV_FOREACH (line, lines) {
        struct json_object *o = control_json_parse(*line, strlen(*line));

        assert_non_null(o);
        render_event(o, color, day, &sb);
        json_object_put(o);
    }
    assert_golden(to, &sb);
}

static void test_events(void **state)
{
    (void)state;
    events("events.txt", false);
    events("events-color.txt", true);
}

static void test_events_of_another_version(void **state)
{
    static const char *const texts[] = {
        "{}", "{\"file\":{}}", "{\"file\":7,\"unmapped\":[],\"actor\":1}",
        "{\"time\":-1,\"file\":{\"path\":1},\"unmapped\":{\"access\":[1,null]}}"};
    char day[16] = "";

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        _cleanup_(sb_done) struct strbuf sb = {};
        struct json_object *o = json_tokener_parse(texts[i]);

        render_event(o, false, day, &sb);
        assert_int_equal(sb.s[sb.len - 1], '\n');
        json_object_put(o);
    }
}

static void top(const char *from, const char *to, bool color, unsigned lines, unsigned width)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct json_object *o = read_json(from);

    render_top(o, color, lines, width, &sb);
    assert_golden(to, &sb);
    json_object_put(o);
}

static void test_top(void **state)
{
    (void)state;
    top("top.json", "top.txt", false, 0, 0);
    top("top-sched.json", "top-sched.txt", false, 0, 0);
    top("top-sched.json", "top-sched-color.txt", true, 0, 0);
    top("top-sched.json", "top-sched-small.txt", false, 9, 40);
    top("top-refused.json", "top-refused.txt", true, 0, 0);
}

static void net(const char *what, const char *from, const char *to, const struct net_filter *f,
                bool color)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct json_object *o = read_json(from), *before = read_json("net-before.json");

    if (f)
        net_filter_apply(o, f);
    render_net(what, o, streq(what, "flows") ? before : NULL, color, 0, 0, &sb);
    assert_golden(to, &sb);
    json_object_put(before);
    json_object_put(o);
}

static void test_net(void **state)
{
    const struct net_filter live = {.live = true}, psql = {.process = "psql"},
                            name = {.peer = "*.example"}, pid = {.process = "812"};

    (void)state;
    net("flows", "net-flows.json", "net-flows.txt", NULL, false);
    net("flows", "net-flows.json", "net-flows-color.txt", NULL, true);
    net("flows", "net-flows.json", "net-flows-live.txt", &live, false);
    net("flows", "net-flows.json", "net-flows-psql.txt", &psql, false);
    net("flows", "net-flows.json", "net-flows-name.txt", &name, false);
    net("flows", "net-flows.json", "net-flows-pid.txt", &pid, false);
    net("dns", "net-dns.json", "net-dns.txt", NULL, false);
    net("drops", "net-drops.json", "net-drops.txt", NULL, false);
    net("map", "net-map.json", "net-map.txt", NULL, false);
    net("forwarded", "net-forwarded.json", "net-forwarded.txt", NULL, false);
}

static void test_net_of_another_version(void **state)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        "7",
        "{\"live\":[7,null,{}],\"closed\":{},\"flows_error\":7}",
        "{\"edges\":[[]],\"drops\":[{\"packets\":-1}],\"questions\":[{\"answers\":[1]}],\"more\":\"x\"}",
        "{\"live\":[{\"end_ms\":1,\"begin_ms\":9,\"bytes_out\":18446744073709551615}]}"};
    static const char *const whats[] = {"flows", "dns", "drops", "map", "forwarded"};
    const struct net_filter f = {.process = "x", .peer = "y", .live = true};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        for (size_t k = 0; k < 2 * ARRAY_SIZE(whats); k++) {
            _cleanup_(sb_done) struct strbuf sb = {};
            struct json_object *o = json_tokener_parse(texts[i]);

            if (k >= ARRAY_SIZE(whats))
                net_filter_apply(o, &f);
            render_net(whats[k % ARRAY_SIZE(whats)], o, o, true, 5, 20, &sb);
            assert_false(sb.failed);
            json_object_put(o);
        }
}

// Anything may be missing or of another type.
static void test_top_of_another_version(void **state)
{
    static const char *const texts[] = {
        "{}", "[]", "7", "{\"rows\":[7,null,{}],\"scheduling\":true,\"host\":[]}",
        "{\"rows\":{},\"host\":{\"slot_ns\":18446744073709551615,\"delays\":[-1,1,\"x\"]},\"scheduling\":true}"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        _cleanup_(sb_done) struct strbuf sb = {};
        struct json_object *o = json_tokener_parse(texts[i]);

        render_top(o, true, 5, 20, &sb);
        assert_false(sb.failed);
        json_object_put(o);
    }
}

static void test_rules(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct json_object *o = read_json("rules.json");

    (void)state;
    render_rules(o, false, &sb);
    assert_golden("rules.txt", &sb);
    json_object_put(o);
}

static const struct sensor_probe degraded = {
    .release = "5.10.0-30-amd64",
    .machine = "x86_64",
    .lsm = "lockdown,capability,yama,apparmor",
    .preemption = SENSOR_PREEMPT_VOLUNTARY,
    .attach = SENSOR_ATTACH_FMOD_RET,
    .can_enforce = true,
    .can_record = true,
    .capabilities =
        {
            {.id = "kernel", .ok = true, .required = true, .detail = "Linux 5.10.0-30-amd64"},
            {.id = "bpf-lsm",
             .detail = "not active: lockdown,capability,yama,apparmor",
             .cure = "add lsm=lockdown,yama,apparmor,bpf to the kernel's command line"},
            {.id = "btf",
             .required = true,
             .detail = "the kernel does not describe its types",
             .cure = "a kernel with CONFIG_DEBUG_INFO_BTF=y"},
        },
    .n_capabilities = 3,
};

static void test_probe(void **state)
{
    _cleanup_(sb_done) struct strbuf text = {}, json = {}, color = {};
    struct sensor_probe p = degraded;

    (void)state;
    render_probe(&p, false, &text);
    assert_golden("doctor.txt", &text);
    render_probe_json(&p, &json);
    assert_golden("doctor.json", &json);
    assert_int_equal(probe_verdict(&p), 1);
    p.attach = SENSOR_ATTACH_LSM;
    assert_int_equal(probe_verdict(&p), 0);
    p.can_enforce = false;
    assert_int_equal(probe_verdict(&p), 1);
    p.can_record = false;
    assert_int_equal(probe_verdict(&p), 2);
    render_probe(&p, true, &color);
    assert_golden("doctor-color.txt", &color);
}

static void check(const char *dir, const char *text_name, const char *json_name)
{
    _cleanup_(policy_image_freep) struct policy_image *image = NULL;
    _cleanup_(policy_diags_done) struct policy_diags diags = {};
    _cleanup_(policy_freep) struct policy *policy = NULL;
    _cleanup_(sb_done) struct strbuf text = {}, json = {};
    char *paths[] = {(char *)dir};

    // The names of the files are what people typed.
    assert_int_equal(chdir(GOLDEN), 0);
    if (policies_load(paths, 1, &diags, &policy, NULL) == 0)
        assert_int_equal(policy_compile(policy, NULL, NULL, &diags, &image), 0);
    render_check(policy, image, &diags, false, &text);
    assert_golden(text_name, &text);
    render_check_json(policy, image, &diags, NULL, &json);
    assert_golden(json_name, &json);
}

static void test_check(void **state)
{
    (void)state;
    check("check-good", "check-good.txt", "check-good.json");
    check("check-bad", "check-bad.txt", "check-bad.json");
}

static void test_load_errors(void **state)
{
    _cleanup_(policy_diags_done) struct policy_diags diags = {};
    struct policy *policy = NULL;
    char *paths[] = {(char[]){"/nonexistent/x"}};
    struct error err = {};

    (void)state;
    assert_int_equal(policies_load(paths, 1, &diags, &policy, &err), -ENOENT);
    assert_true(error_is_set(&err));
}

#define NOW_MS UINT64_C(1700000200000)

// What a server answers; anything in it may be of another type, and names are chosen by whoever runs the host.
static void test_server_lists(void **state)
{
    _cleanup_(sb_done) struct strbuf hosts = {}, host = {}, alerts = {}, alert = {};
    struct json_object *h = read_json("hosts.json"), *a = read_json("alerts.json"),
                       *one = read_json("host.json"), *detail = read_json("alert.json");

    (void)state;
    assert_false(render_hosts(h, NOW_MS, false, &hosts));
    assert_golden("hosts.txt", &hosts);
    assert_false(render_host(one, NOW_MS, true, &host));
    assert_golden("host-color.txt", &host);
    render_alerts(a, NOW_MS, false, &alerts);
    assert_golden("alerts.txt", &alerts);
    render_alert(detail, false, &alert);
    assert_golden("alert.txt", &alert);
    json_object_put(h);
    json_object_put(a);
    json_object_put(one);
    json_object_put(detail);
}

static void test_help(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    (void)state;
    cli_help(&sb);
    for (size_t i = 0; i < CLI_N_COMMANDS; i++) {
        struct options o = cli_command_options(&cli_commands[i]);

        sb_puts(&sb, "\n----\n");
        options_help(&o, 80, &sb);
    }
    assert_golden("help.txt", &sb);
}

static void test_manual(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    (void)state;
    cli_man(&sb);
    for (size_t i = 0; i < CLI_N_COMMANDS; i++)
        assert_non_null(strstr(sb_str(&sb), cli_commands[i].words));
    assert_non_null(strstr(sb_str(&sb), ".SH EXIT STATUS"));
}

// Every command and every option is in every script; bash finds no mistake in its own.
static void test_completion(void **state)
{
    static const char *const shells[] = {"bash", "zsh", "fish"};
    char *dir = unit_mkdtemp(), *argv[] = {(char[]){"bash"}, (char[]){"-n"}, NULL, NULL};
    char path[4096];
    int status;
    pid_t pid;

    (void)state;
    for (size_t k = 0; k < ARRAY_SIZE(shells); k++) {
        _cleanup_(sb_done) struct strbuf sb = {};

        assert_int_equal(cli_completion(shells[k], &sb), 0);
        for (size_t i = 0; i < CLI_N_COMMANDS; i++) {
            const struct command *c = &cli_commands[i];

            for (size_t r = 0; r < c->options->n_rows; r++)
                assert_non_null(strstr(sb_str(&sb), c->options->rows[r].long_name));
        }
        if (k == 0) {
            (void)unit_path_in(path, sizeof(path), dir, "completion");
            assert_int_equal(write_file_atomic(AT_FDCWD, path, sb.s, sb.len, 0600), 0);
            argv[2] = path;
            assert_int_equal(posix_spawnp(&pid, "bash", NULL, NULL, argv, environ), 0);
            assert_int_equal(waitpid(pid, &status, 0), pid);
            assert_int_equal(status, 0);
        }
    }
    assert_int_equal(cli_completion("csh", NULL), -EINVAL);
    unit_rmdir(dir);
}

static void test_numbers(void **state)
{
    static const struct {
        uint64_t n;
        const char *count, *bytes, *span;
    } rows[] = {
        {0, "0", "0 B", "0 ms"},
        {999, "999", "999 B", "999 ms"},
        {1000, "1,000", "1000 B", "1 s"},
        {1023, "1,023", "1023 B", "1 s"},
        {1024, "1,024", "1.0 KiB", "1 s"},
        {65000, "65,000", "63.4 KiB", "1 min"},
        {3600000, "3,600,000", "3.4 MiB", "1 h"},
        {3661000, "3,661,000", "3.4 MiB", "1 h 1 min"},
        {UINT64_C(273600000), "273,600,000", "260.9 MiB", "3 d 4 h"},
        {UINT64_C(5) << 40, "5,497,558,138,880", "5.0 TiB", "63629 d 3 h"},
        {UINT64_C(1) << 50, "1,125,899,906,842,624", "1024.0 TiB", "13031248 d 22 h"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_(sb_done) struct strbuf count = {}, bytes = {}, span = {};

        put_count(&count, rows[i].n);
        put_bytes(&bytes, rows[i].n);
        put_span(&span, rows[i].n);
        assert_string_equal(sb_str(&count), rows[i].count);
        assert_string_equal(sb_str(&bytes), rows[i].bytes);
        assert_string_equal(sb_str(&span), rows[i].span);
    }
}

static int in_utc(void **state)
{
    (void)state;
    return setenv("TZ", "UTC", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_status_of_another_version),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_events_of_another_version),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_load_errors),
        cmocka_unit_test(test_server_lists),
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_manual),
        cmocka_unit_test(test_completion),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_top),
        cmocka_unit_test(test_net),
        cmocka_unit_test(test_net_of_another_version),
        cmocka_unit_test(test_top_of_another_version),
    };
    int before = unit_count_fds();
    int failed = cmocka_run_group_tests(tests, in_utc, NULL);

    return failed ? failed : before != unit_count_fds();
}
