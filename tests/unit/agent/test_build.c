// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "agent/build.h"
#include "agent/bundle.h"
#include "base/fd.h"
#include "base/macro.h"
#include "policy/explain.h"

static const char demo[] = "safeguard: 1\nname: demo\nmode: enforce\nfiles:\n"
                           "  - {path: /srv/vault/**, access: any, do: deny}\n"
                           "  - {path: /etc/**, access: write, do: audit}\n"
                           "  - {path: /opt/**, access: exec, do: allow}\n";
// Tries to get in front of the agent's own rule.
static const char sly[] =
    "safeguard: 1\nname: sly\nmode: enforce\nfiles:\n  - {path: \"/**\", access: any, do: allow}\n";

static void put(const char *dir, const char *name, const char *text)
{
    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path(dir, name), text, strlen(text), 0600),
                     0);
}

static uint8_t verdict_at(const struct loaded *l, const char *path, uint32_t op, bool *ret_monitor)
{
    const struct policy_query q = {.path = path,
                                   .path_len = strlen(path),
                                   .ops = op,
                                   .facts = {.login_uid = UINT32_MAX, .session = -1}};
    struct policy_decision d;

    assert_int_equal(policy_explain(l->image, &q, &d), 0);
    if (ret_monitor)
        *ret_monitor = d.overall.monitor;
    return d.overall.verdict;
}

static void test_directory(void **state)
{
    char *dir = unit_mkdtemp();
    const struct build_options options = {.dir = dir, .run_dir = "/run/sg"};
    struct policy_diags diags = {};
    struct loaded *l = NULL;
    struct error err = {};

    (void)state;
    put(dir, "20-demo.yaml", demo);
    put(dir, "3-sly.yml", sly);
    put(dir, ".hidden.yaml", "nonsense");
    put(dir, "readme.txt", "nonsense");
    assert_int_equal(build_policy(&options, &diags, &l, &err), 0);
    assert_int_equal(l->n_own, 3);
    assert_int_equal(l->n_rules, 7);
    // In natural order of names: 3 before 20.
    assert_non_null(strstr(l->policy->files[1].path, "3-sly.yml"));
    assert_int_equal(l->ops, SG_OPS_ANY); // the agent's own rule and allow need no hooks
    assert_int_equal(verdict_at(l, "/run/sg/canary/x", SG_OP_READ, NULL), SG_DENY);
    assert_int_equal(verdict_at(l, "/srv/vault/x", SG_OP_READ, NULL), SG_ALLOW); // sly comes first
    assert_int_equal(l->rules[4].line, 5);
    assert_memory_equal(l->rules[4].name.s, "/srv/vault/**", 13);
    assert_memory_equal(l->rules[4].policy.s, "demo", 4);
    loaded_unref(l);
    policy_diags_done(&diags);
    unit_rmdir(dir);
}

// A policy that is not in force any more is worth its rules' names, and no more memory than they need.
static void test_keeps_names(void **state)
{
    char *dir = unit_mkdtemp();
    const struct build_options options = {.dir = dir, .run_dir = "/run/sg"};
    struct policy_diags diags = {};
    struct loaded *l = NULL;
    struct error err = {};
    const char *path;

    (void)state;
    put(dir, "20-demo.yaml", demo);
    put(dir, "30-sly.yaml", sly);
    assert_int_equal(build_policy(&options, &diags, &l, &err), 0);
    loaded_ref(l); // a scan
    loaded_keep_names(l);
    assert_non_null(l->image);
    assert_non_null(l->policy);
    loaded_unref(l);
    assert_null(l->image);
    assert_null(l->policy);
    assert_int_equal(l->n_rules, 7);
    assert_int_equal(l->rules[3].line, 5);
    assert_int_equal(l->rules[3].policy.len, 4);
    assert_memory_equal(l->rules[3].policy.s, "demo", 4);
    assert_int_equal(l->rules[4].name.len, 7);
    assert_memory_equal(l->rules[4].name.s, "/etc/**", 7);
    path = unit_path(dir, "30-sly.yaml");
    assert_int_equal(l->rules[6].file.len, strlen(path));
    assert_memory_equal(l->rules[6].file.s, path, strlen(path));
    assert_memory_equal(l->rules[6].name.s, "/**", 3);
    assert_null(loaded_drop_names(l));

    // A scan that outlasts even that needs all of it to its end.
    l = NULL;
    assert_int_equal(build_policy(&options, &diags, &l, &err), 0);
    loaded_ref(l);
    loaded_keep_names(l);
    loaded_drop_names(l);
    assert_int_equal(verdict_at(l, "/srv/vault/x", SG_OP_READ, NULL), SG_DENY);
    loaded_unref(l);
    policy_diags_done(&diags);
    unit_rmdir(dir);
}

static bool blocks(const struct loaded *l, const char *exe, uint32_t uid, const char *path,
                   uint32_t op)
{
    const struct policy_query q = {
        .path = path,
        .path_len = strlen(path),
        .ops = op,
        .facts = {.exe = exe, .uid = uid, .login_uid = UINT32_MAX, .session = -1},
    };
    struct policy_decision d;

    assert_int_equal(policy_explain(l->image, &q, &d), 0);
    return d.blocked;
}

// A policy that refuses everything: root can still start this program, which is what the agent takes for itself.
static void test_locked_out(void **state)
{
    static const char everything[] = "safeguard: 1\nmode: enforce\nfiles:\n"
                                     "  - {path: \"/**\", access: any, do: deny}\n";
    char *dir = unit_mkdtemp(), self[4096] = "";
    struct build_options options = {.dir = dir,
                                    .run_dir = "/run/sg",
                                    .config_path = "/etc/safeguard/agent.yaml"};
    struct policy_diags diags = {};
    struct loaded *l = NULL;

    (void)state;
    assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    put(dir, "a.yaml", everything);
    assert_int_equal(build_policy(&options, &diags, &l, NULL), 0);
    assert_int_equal(l->n_own, BUILD_KEPT_RULES + 3);
    assert_true(diags.n > 0); // it is warned of
    assert_false(blocks(l, "/usr/bin/bash", 0, self, SG_OP_EXEC));
    assert_true(blocks(l, "/usr/bin/bash", 1000, self, SG_OP_EXEC));
    assert_false(blocks(l, self, 0, self, SG_OP_READ | SG_OP_MMAP));
    assert_false(blocks(l, self, 0, "/etc/ld.so.cache", SG_OP_READ));
    assert_false(blocks(l, self, 0, "/etc/safeguard/agent.yaml", SG_OP_READ));
    assert_false(blocks(l, self, 0, "/dev/pts/7", SG_OP_READ | SG_OP_WRITE));
    assert_true(blocks(l, self, 0, "/etc/shadow", SG_OP_READ));
    assert_true(blocks(l, self, 0, "/etc/safeguard/agent.yaml", SG_OP_WRITE));
    assert_true(blocks(l, "/usr/bin/cat", 0, "/etc/ld.so.cache", SG_OP_READ));
    assert_true(blocks(l, self, 0, "/run/sg/canary/x", SG_OP_READ));
    l = loaded_unref(l);

    // In monitor mode nothing is locked out, and names come with the numbers of what is in force.
    options.monitor = true;
    assert_int_equal(build_policy(&options, &diags, &l, NULL), 0);
    assert_int_equal(l->n_own, BUILD_KEPT_RULES);
    l = loaded_unref(l);
    options.monitor = false;
    options.only_names = true;
    assert_int_equal(build_policy(&options, &diags, &l, NULL), 0);
    assert_int_equal(l->n_own, BUILD_KEPT_RULES + 3);
    assert_null(l->image);
    loaded_unref(l);
    policy_diags_done(&diags);
    unit_rmdir(dir);
}

// Kinds that the host's rules speak of get one rule more each, which refuses what only the self-test asks with.
static void test_kinds_are_proved(void **state)
{
    static const char text[] = "safeguard: 1\nmode: enforce\ncontrol:\n"
                               "  - {ptrace: read, do: audit}\n"
                               "  - {mount: tmpfs, by: {user: 1000}, do: deny}\n";
    char *dir = unit_mkdtemp();
    struct build_options options = {.dir = dir, .run_dir = "/run/sg"};
    struct policy_diags diags = {};
    struct loaded *l = NULL;
    const struct sg_image *head;

    (void)state;
    put(dir, "a.yaml", text);
    assert_int_equal(build_policy(&options, &diags, &l, NULL), 0);
    assert_int_equal(l->n_own, BUILD_KEPT_RULES + 2);
    head = l->image->mem;
    assert_int_equal(head->controls, SG_BIT(SG_CONTROL_ptrace) | SG_BIT(SG_CONTROL_mount));
    assert_true(l->image->rules[BUILD_KEPT_RULES].verdict == SG_DENY);
    loaded_unref(l);
    policy_diags_done(&diags);
    unit_rmdir(dir);
}

static void test_only_needed_hooks(void **state)
{
    static const char text[] =
        "safeguard: 1\nmode: enforce\nfiles:\n  - {path: /a, access: read, do: deny}\n"
        "  - {path: /b, access: exec, do: audit}\n"
        "  - {path: /c, access: write, do: allow}\n";
    char *dir = unit_mkdtemp();
    const struct build_options options = {.dir = dir, .run_dir = "/run/sg"};
    struct policy_diags diags = {};
    struct loaded *l = NULL;

    (void)state;
    put(dir, "a.yaml", text);
    assert_int_equal(build_policy(&options, &diags, &l, NULL), 0);
    assert_int_equal(l->ops, SG_OP_READ | SG_OP_EXEC);
    loaded_unref(l);
    policy_diags_done(&diags);
    unit_rmdir(dir);
}

static void test_monitor_spares_the_own_rule(void **state)
{
    char *dir = unit_mkdtemp();
    const struct build_options options = {.dir = dir, .run_dir = "/run/sg", .monitor = true};
    struct policy_diags diags = {};
    struct loaded *l = NULL;
    bool monitor;

    (void)state;
    put(dir, "demo.yaml", demo);
    assert_int_equal(build_policy(&options, &diags, &l, NULL), 0);
    assert_int_equal(verdict_at(l, "/srv/vault/x", SG_OP_READ, &monitor), SG_DENY);
    assert_true(monitor);
    assert_int_equal(verdict_at(l, "/run/sg/canary/x", SG_OP_READ, &monitor), SG_DENY);
    assert_false(monitor);
    loaded_unref(l);
    policy_diags_done(&diags);
    unit_rmdir(dir);
}

static void test_one_bad_file_refuses_all(void **state)
{
    char *dir = unit_mkdtemp();
    const struct build_options options = {.dir = dir, .run_dir = "/run/sg"};
    struct policy_diags diags = {};
    struct loaded *l = NULL;
    struct error err = {};

    (void)state;
    put(dir, "10-demo.yaml", demo);
    put(dir, "20-bad.yaml",
        "safeguard: 1\nmode: enforce\nfiles:\n  - {path: /a, acess: read, do: deny}\n");
    assert_int_equal(build_policy(&options, &diags, &l, &err), -EINVAL);
    assert_null(l);
    assert_int_equal(diags.n_errors >= 1, 1);
    assert_non_null(strstr(diags.items[0].file, "20-bad.yaml"));
    assert_int_equal(diags.items[0].line, 4);
    policy_diags_done(&diags);
    // A file that cannot be read is not just left out.
    assert_int_equal(unlink(unit_path(dir, "20-bad.yaml")), 0);
    assert_int_equal(symlink("/nonexistent", unit_path(dir, "20-bad.yaml")), 0);
    assert_int_equal(build_policy(&options, &diags, &l, &err), -EINVAL);
    assert_null(l);
    policy_diags_done(&diags);
    unit_rmdir(dir);
}

static void test_empty_and_missing(void **state)
{
    char *dir = unit_mkdtemp();
    struct build_options options = {.dir = dir, .run_dir = "/run/sg"};
    struct policy_diags diags = {};
    struct loaded *l = NULL;
    struct error err = {};

    (void)state;
    assert_int_equal(build_policy(&options, &diags, &l, &err), 0);
    assert_int_equal(diags.n_warnings, 1);
    assert_int_equal(l->ops, 0);
    l = loaded_unref(l);
    policy_diags_done(&diags);
    options.dir = "/nonexistent/policies";
    assert_int_equal(build_policy(&options, &diags, &l, &err), -ENOENT);
    assert_true(err.cure[0] != '\0');
    options.dir = NULL;
    assert_int_equal(build_policy(&options, &diags, &l, &err), 0);
    assert_int_equal(l->n_rules, l->n_own);
    l = loaded_unref(l);
    options.run_dir = "/run/[x]";
    assert_int_equal(build_policy(&options, &diags, &l, &err), -EINVAL);
    policy_diags_done(&diags);
    unit_rmdir(dir);
}

// What is kept builds the same policy later, also when the directory is broken by then.
static void test_accepted(void **state)
{
    char *dir = unit_mkdtemp(), *elsewhere = unit_mkdtemp();
    struct build_options options = {.dir = dir, .run_dir = "/run/sg"};
    struct policy_diags diags = {};
    struct loaded *l = NULL;
    struct error err = {};
    char kept[4096];

    (void)state;
    (void)unit_path_in(kept, sizeof(kept), elsewhere, "accepted");
    put(dir, "10-demo.yaml", demo);
    assert_int_equal(build_policy(&options, &diags, &l, &err), 0);
    l->id = 7;
    assert_int_equal(build_keep(l, "boot", kept), 0);
    assert_false(l->accepted);
    l = loaded_unref(l);

    put(dir, "10-demo.yaml", "{");
    options.accepted = kept;
    assert_int_equal(build_policy(&options, &diags, &l, &err), 0);
    assert_true(l->accepted);
    assert_int_equal(l->n_rules, 6);
    assert_int_equal(verdict_at(l, "/srv/vault/x", SG_OP_READ, NULL), SG_DENY);
    assert_non_null(strstr(l->policy->files[1].path, "10-demo.yaml"));
    l = loaded_unref(l);

    // Of another policy the numbers of rules mean others; as policies they are as good as any.
    options.only_names = true;
    options.policy_id = 7;
    options.boot_id = "boot";
    assert_int_equal(build_policy(&options, &diags, &l, &err), 0);
    assert_null(l->image);
    assert_int_equal(l->rules[3].line, 5);
    l = loaded_unref(l);
    options.policy_id = 8;
    assert_int_equal(build_policy(&options, &diags, &l, &err), -ESTALE);
    options.policy_id = 7;
    options.boot_id = "boot before";
    assert_int_equal(build_policy(&options, &diags, &l, &err), -ESTALE);
    // As earlier agents wrote it.
    put(elsewhere, "accepted", "[]");
    assert_int_equal(build_policy(&options, &diags, &l, &err), -ESTALE);
    options.only_names = false;
    assert_int_equal(build_policy(&options, &diags, &l, &err), 0);
    l = loaded_unref(l);

    put(elsewhere, "accepted", "{\"not\": \"ours\"}");
    assert_int_equal(build_policy(&options, &diags, &l, &err), -EBADMSG);
    put(elsewhere, "accepted", "[{\"file\": 1}]");
    assert_int_equal(build_policy(&options, &diags, &l, &err), -EBADMSG);
    put(elsewhere, "accepted", "[{\"file\": \"x.yaml\", \"text\": \"safegu");
    assert_int_equal(build_policy(&options, &diags, &l, &err), -EBADMSG);
    policy_diags_done(&diags);
    unit_rmdir(dir);
    unit_rmdir(elsewhere);
}

// The server's policies among those of the host, by their names; and what the server holds back does not block.
static void test_server(void **state)
{
    static const char server[] = "safeguard: 1\nname: server\nmode: enforce\nfiles:\n"
                                 "  - {path: /srv/server/**, access: any, do: deny}\n";
    const struct bundle_file files[] = {
        {"10-mine.yaml", server, sizeof(server) - 1, BUNDLE_POLICY},
        {"15-held.yaml", demo, sizeof(demo) - 1, BUNDLE_MONITOR},
    };
    char *dir = unit_mkdtemp(), *bundle = unit_mkdtemp(), *elsewhere = unit_mkdtemp();
    struct build_options options = {.dir = dir,
                                    .run_dir = "/run/sg",
                                    .server_dir = bundle,
                                    .server_shown = "/var/lib/sg/server-policies"};
    struct policy_diags diags = {};
    struct loaded *l = NULL;
    struct error err = {};
    char id[BUNDLE_ID_TEXT];
    bool monitor;

    (void)state;
    put(dir, "10-mine.yaml", demo);
    put(dir, "9-sly.yaml",
        "safeguard: 1\nmode: enforce\nfiles:\n"
        "  - {path: /srv/server/public/**, access: any, do: allow}\n");
    assert_int_equal(bundle_id(files, 2, id), 0);
    assert_int_equal(bundle_dir_write(bundle, id, files, 2, NULL), 0);
    for (int accepted = 0; accepted < 2; accepted++) {
        assert_int_equal(build_policy(&options, &diags, &l, &err), 0);
        assert_string_equal(l->bundle, id);
        assert_int_equal(l->policy->n_files, 5);
        assert_string_equal(l->policy->files[2].path, unit_path(dir, "10-mine.yaml"));
        assert_string_equal(l->policy->files[3].path, "/var/lib/sg/server-policies/10-mine.yaml");
        assert_string_equal(l->policy->files[4].path, "/var/lib/sg/server-policies/15-held.yaml");
        assert_int_equal(verdict_at(l, "/srv/server/public/x", SG_OP_READ, NULL), SG_ALLOW);
        assert_int_equal(verdict_at(l, "/srv/server/x", SG_OP_READ, &monitor), SG_DENY);
        assert_false(monitor);
        assert_false(l->policy->files[2].monitor);
        assert_true(l->policy->files[4].monitor);
        assert_int_equal(build_keep(l, "boot", unit_path(elsewhere, "accepted")), 0);
        l = loaded_unref(l);
        policy_diags_done(&diags);
        diags = (struct policy_diags){};
        options.accepted = unit_path_in((char[4096]){0}, 4096, elsewhere, "accepted");
    }
    // The host may have none of its own.
    options.accepted = NULL;
    options.dir = "/nowhere";
    assert_int_equal(build_policy(&options, &diags, &l, &err), 0);
    assert_int_equal(l->policy->n_files, 3);
    l = loaded_unref(l);
    put(bundle, "10-mine.yaml", demo);
    assert_int_equal(build_policy(&options, &diags, &l, &err), -EBADMSG);
    policy_diags_done(&diags);
    unit_rmdir(dir);
    unit_rmdir(bundle);
    unit_rmdir(elsewhere);
}

// As it is shipped, directories lie in one another: no rule is behind one that always comes first.
static void test_defended_as_shipped(void **state)
{
    char *dir = unit_mkdtemp();
    const struct guarded_places places = {
        .config_path = "/etc/safeguard/agent.yaml",
        .policy_dir = "/etc/safeguard/policies",
        .state_dir = "/var/lib/safeguard",
        .spool_dir = "/var/lib/safeguard/spool",
        .run_dir = "/run/safeguard",
        .pin_dir = "/sys/fs/bpf/safeguard",
        .output_path = "/var/log/safeguard/events.ndjson",
    };
    const struct build_options options = {.dir = dir,
                                          .run_dir = "/run/safeguard",
                                          .defended = &places};
    struct policy_diags diags = {};
    struct loaded *l = NULL;

    (void)state;
    put(dir, "10-mine.yaml", demo);
    assert_int_equal(build_policy(&options, &diags, &l, NULL), 0);
    assert_int_equal(diags.n, 0);
    assert_int_equal(verdict_at(l, "/etc/safeguard/policies", SG_OP_CHMOD, NULL), SG_DENY);
    assert_int_equal(verdict_at(l, "/var/lib/safeguard", SG_OP_CHMOD, NULL), SG_DENY);
    assert_int_equal(verdict_at(l, "/var/log/safeguard", SG_OP_XATTR, NULL), SG_DENY);
    loaded_unref(l);
    policy_diags_done(&diags);
    unit_rmdir(dir);
}

// The defence's rules stand behind the self-test's and in front of all others, hold in monitor mode, and bring their hooks.
static void test_defended(void **state)
{
    char *dir = unit_mkdtemp();
    const struct guarded_places places = {
        .config_path = "/etc/safeguard/agent.yaml",
        .policy_dir = "/srv/policies",
        .state_dir = "/var/lib/sg-state",
        .spool_dir = "/var/lib/sg-spool",
        .run_dir = "/run/sg",
        .pin_dir = "/sys/fs/bpf/sg",
        .output_path = "/var/log/sg/[x]/events", // no pattern can hold it
    };
    struct build_options options = {.dir = dir, .run_dir = "/run/sg", .monitor = true};
    static const char *const denied[] = {
        "/etc/safeguard/policies/new.yaml",
        "/srv/policies/x",
        "/var/lib/sg-state/unlock-secret",
        "/var/lib/sg-spool/security/1",
        "/run/sg/control.sock",
        "/sys/fs/bpf/sg/maps/sg_images",
        "/etc/systemd/system/safeguard-agent.service",
        "/etc/systemd/system/safeguard-agent.service.d/mine.conf",
        "/etc/systemd/system/x.target.wants/safeguard-agent.service",
        "/etc/ld.so.preload",
        "/usr/lib/systemd/system/service.d/mine.conf",
        "/run/systemd/generator.late/safeguard-agent.service.d/mine.conf",
        "/etc/systemd/system.conf",
        "/proc/sys/kernel/ftrace_enabled",
        "/proc/sysrq-trigger",
    };
    static const char *const dirs[] = {
        "/etc/safeguard",    "/srv/policies", "/var/lib/sg-state",
        "/var/lib/sg-spool", "/run/sg",       "/sys/fs/bpf/sg",
    };
    struct policy_diags diags = {};
    struct loaded *l = NULL;
    bool monitor;

    (void)state;
    put(dir, "3-sly.yml", sly);
    assert_int_equal(build_policy(&options, &diags, &l, NULL), 0);
    assert_int_equal(l->n_own, BUILD_KEPT_RULES);
    assert_int_equal(l->ops, 0);
    for (size_t i = 0; i < ARRAY_SIZE(denied); i++)
        if (!strstr(denied[i], "/run/sg"))
            assert_int_equal(verdict_at(l, denied[i], SG_OP_WRITE, NULL), SG_ALLOW);
    l = loaded_unref(l);

    options.defended = &places;
    assert_int_equal(build_policy(&options, &diags, &l, NULL), 0);
    assert_int_equal(l->n_own, BUILD_KEPT_RULES + BUILD_GUARD_RULES);
    // Nobody moves mounts or exchanges roots, even where nothing else is enforced.
    assert_true(((const struct sg_image *)l->image->mem)->needs & SG_NEED_GUARD);
    assert_int_equal(l->ops, SG_OPS_WRITE);
    for (size_t i = 0; i < ARRAY_SIZE(denied); i++) {
        assert_int_equal(verdict_at(l, denied[i], SG_OP_WRITE, &monitor), SG_DENY);
        assert_false(monitor);
        assert_int_equal(verdict_at(l, denied[i], SG_OP_DELETE, NULL), SG_DENY);
        assert_int_equal(verdict_at(l, denied[i], SG_OP_READ, NULL), SG_ALLOW);
    }
    // Directories themselves: who changes them keeps the agent from writing, who makes a file there is refused at the file.
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
        assert_int_equal(verdict_at(l, dirs[i], SG_OP_CHMOD, NULL), SG_DENY);
        assert_int_equal(verdict_at(l, dirs[i], SG_OP_XATTR, NULL), SG_DENY);
        assert_int_equal(verdict_at(l, dirs[i], SG_OP_READ, NULL), SG_ALLOW);
    }
    assert_int_equal(verdict_at(l, "/etc/systemd/system/other.service", SG_OP_WRITE, NULL),
                     SG_ALLOW);
    assert_int_equal(verdict_at(l, "/run/sg/canary/x", SG_OP_READ, NULL), SG_DENY);
    loaded_unref(l);
    policy_diags_done(&diags);
    unit_rmdir(dir);
}

static void test_references(void **state)
{
    const struct build_options options = {.run_dir = "/run/sg"};
    struct policy_diags diags = {};
    struct loaded *l = NULL;

    (void)state;
    assert_int_equal(build_policy(&options, &diags, &l, NULL), 0);
    assert_ptr_equal(loaded_ref(l), l);
    assert_null(loaded_unref(l));
    assert_int_equal(l->refs, 1);
    assert_null(loaded_unref(l));
    assert_null(loaded_unref(NULL));
    policy_diags_done(&diags);
}

UNIT_MAIN(cmocka_unit_test(test_directory), cmocka_unit_test(test_keeps_names),
          cmocka_unit_test(test_locked_out), cmocka_unit_test(test_kinds_are_proved),
          cmocka_unit_test(test_only_needed_hooks),
          cmocka_unit_test(test_monitor_spares_the_own_rule),
          cmocka_unit_test(test_one_bad_file_refuses_all), cmocka_unit_test(test_empty_and_missing),
          cmocka_unit_test(test_accepted), cmocka_unit_test(test_server),
          cmocka_unit_test(test_defended), cmocka_unit_test(test_defended_as_shipped),
          cmocka_unit_test(test_references))
