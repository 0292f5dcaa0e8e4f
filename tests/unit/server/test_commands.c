// SPDX-License-Identifier: Apache-2.0
//
// Commands on the server's own machine, by the server that runs and without one; and the settings file.
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "tests/unit/server/rig.h"

#include "base/fd.h"

struct said {
    struct strbuf out, errs;
    int status;
};

static void said_done(struct said *s)
{
    sb_done(&s->out);
    sb_done(&s->errs);
}

#define RUN(s, secret, ...) run_words(s, secret, (const char *[]){__VA_ARGS__, NULL})
static struct said run_words(struct server *s, const char *secret, const char *const *words)
{
    char *argv[16] = {};
    struct said said = {};
    int argc = 0;

    for (; words[argc]; argc++)
        argv[argc] = xstrndup(words[argc], strlen(words[argc]));
    said.status = command_run(s, argc, argv, secret, &said.out, &said.errs);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    return said;
}

static void test_commands(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct server *s = &rig->server;
    struct said said;
    struct agent a;
    struct peer p;

    said = RUN(s, PASSWORD, "user", "add", "anna", "--role", "admin", "--role=viewer");
    assert_int_equal(said.status, 0);
    said_done(&said);
    rig_peer(rig, &p);
    assert_int_equal(peer_login(&p, "anna", PASSWORD), 200);
    said = RUN(s, "short", "user", "add", "otto");
    assert_int_equal(said.status, 1);
    assert_true(said.errs.len > 0);
    said_done(&said);
    said = RUN(s, NULL, "user", "add", "otto", "--role", "king");
    assert_int_equal(said.status, 2);
    said_done(&said);
    said = RUN(s, "another horse battery", "user", "passwd", "anna");
    assert_int_equal(said.status, 0);
    said_done(&said);
    assert_int_equal(peer_login(&p, "anna", PASSWORD), 401);
    said = RUN(s, NULL, "user", "list");
    assert_non_null(strstr(sb_str(&said.out), "anna"));
    assert_non_null(strstr(sb_str(&said.out), "viewer,admin"));
    said_done(&said);
    said = RUN(s, NULL, "user", "code", "anna");
    assert_non_null(strstr(sb_str(&said.out), "/#once="));
    said_done(&said);
    // A token that lets one host in.
    said = RUN(s, NULL, "token", "create", "--expires", "10m", "--label", "env=prod", "--note",
               "web");
    assert_int_equal(said.status, 0);
    agent_init(&a, rig);
    sb_truncate(&said.out, said.out.len - 1);
    assert_int_equal(agent_enrol_with(&a, sb_str(&said.out)), 200);
    said_done(&said);
    said = RUN(s, NULL, "token", "list");
    assert_non_null(strstr(sb_str(&said.out), "1 of 1"));
    said_done(&said);
    said = RUN(s, NULL, "token", "revoke", "00000000");
    assert_int_equal(said.status, 1);
    said_done(&said);
    said = RUN(s, NULL, "ca", "show");
    assert_non_null(strstr(sb_str(&said.out), ca_fingerprint_text(s->ca)));
    said_done(&said);
    said = RUN(s, NULL, "toke", "create");
    assert_int_equal(said.status, 2);
    assert_non_null(strstr(sb_str(&said.errs), "token create"));
    said_done(&said);
    said = RUN(s, NULL, "token", "revoke");
    assert_int_equal(said.status, 2);
    said_done(&said);
    said = RUN(s, NULL, "token", "create", "--help");
    assert_int_equal(said.status, 0);
    assert_non_null(strstr(sb_str(&said.out), "--expires"));
    said_done(&said);
    agent_done(&a);
    peer_done(&p);
    rig_free(rig);
}

struct asking {
    const char *run_dir;
    struct said said;
    int r;
    pthread_t thread;
};

static void *ask(void *ctx)
{
    char user[] = "user", list[] = "list";
    char *argv[] = {user, list, NULL};
    struct asking *a = ctx;

    a->r = local_ask(a->run_dir, 2, argv, NULL, &a->said.out, &a->said.errs, &a->said.status);
    return NULL;
}

static void test_by_the_server_that_runs(void **state _unused_)
{
    struct rig *rig = rig_new();
    struct server *s = &rig->server;
    struct asking a = {.run_dir = s->config.run_dir};
    struct error err = {};
    struct stat st;
    char path[4096];

    (void)ask(&a);
    assert_int_equal(a.r, -ENOENT);
    rig_user(rig, "anna", ROLE_ADMIN);
    assert_int_equal(loop_new(&s->loop), 0);
    assert_int_equal(local_new(s, &s->local, &err), 0);
    assert_int_equal(stat(unit_path_in(path, sizeof(path), s->config.run_dir, "admin.sock"), &st),
                     0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(pthread_create(&a.thread, NULL, ask, &a), 0);
    assert_int_equal(loop_run_once(s->loop, 10000), 1);
    assert_int_equal(pthread_join(a.thread, NULL), 0);
    assert_int_equal(a.r, 0);
    assert_int_equal(a.said.status, 0);
    assert_non_null(strstr(sb_str(&a.said.out), "anna"));
    said_done(&a.said);
    s->local = local_free(s->local);
    assert_int_equal(stat(path, &st), -1);
    s->loop = loop_free(s->loop);
    rig_free(rig);
}

static void test_settings(void **state _unused_)
{
    static const char bad[] = "port: 99999\nprot: 8443\nstore: [a]\ndata_dir: relative\n";
    _cleanup_(sb_done) struct strbuf text = {};
    char *dir = unit_mkdtemp(), path[4096];
    struct server_config c;

    assert_int_equal(server_config_init(&c), 0);
    assert_int_equal(c.port, 8443);
    assert_int_equal(server_config_read(&c, SOURCE_ROOT "/packaging/server.yaml", &text), 0);
    assert_int_equal(text.len, 0);
    assert_int_equal(server_config_read(&c, "/nowhere/server.yaml", &text), -ENOENT);
    sb_reset(&text);
    (void)unit_path_in(path, sizeof(path), dir, "server.yaml");
    assert_int_equal(write_file_atomic(AT_FDCWD, path, bad, strlen(bad), 0644), 0);
    assert_int_equal(server_config_read(&c, path, &text), -EINVAL);
    assert_non_null(strstr(sb_str(&text), "server.yaml:1:7"));
    assert_non_null(strstr(sb_str(&text), "did you mean 'port'?"));
    assert_non_null(strstr(sb_str(&text), "server.yaml:3:8"));
    assert_non_null(strstr(sb_str(&text), "server.yaml:4:11"));
    server_config_done(&c);
    unit_rmdir(dir);
}

static void test_names(void **state _unused_)
{
    struct server_config c;
    char **names = NULL;

    assert_int_equal(server_config_init(&c), 0);
    assert_int_equal(server_names(&c, &names), 0);
    assert_true(strv_contains(names, "localhost"));
    names = strv_free(names);
    assert_int_equal(conf_set(&server_conf, &c, SERVER_CONFIG_names, "a.example, 10.0.0.1", NULL),
                     0);
    assert_int_equal(server_names(&c, &names), 0);
    assert_int_equal(strv_len(names), 2);
    names = strv_free(names);
    server_config_done(&c);
}

UNIT_MAIN(cmocka_unit_test(test_commands), cmocka_unit_test(test_by_the_server_that_runs),
          cmocka_unit_test(test_settings), cmocka_unit_test(test_names))
