// SPDX-License-Identifier: Apache-2.0
//
// What serves a rule: hooks that a kernel has or has not, a filter, or nothing, which is a mistake.
#include "tests/unit/policy/compiled.h"

#include "policy/served.h"

#define VERSION(major, minor) ((uint32_t)(major) << 16 | (minor))
#define RULES(rules)                                                                                \
    "safeguard: 1\nmode: enforce\nsubjects: {l: {launched: true}}\nfiles:\n  - {path: /a, access: " \
    "xattr, do: audit}\n" rules

static struct policy *load(const char *text)
{
    struct policy_diags d = {};
    struct policy *p = NULL;

    if (policy_load_buffer("t.yaml", text, strlen(text), &names_options, &d, &p) < 0)
        fail_msg("%s", d.n ? d.items[0].message : "?");
    policy_diags_done(&d);
    return p;
}

static bool has(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool no_hook(void *ctx, const char *hook)
{
    (void)ctx;
    (void)hook;
    return false;
}

static bool all_but(void *ctx, const char *hook)
{
    return strcmp(ctx, hook) != 0;
}

static void test_versions(void **state)
{
    static const struct policy_kernel old = {.version = VERSION(5, 10)},
                                      young = {.version = VERSION(6, 12)};
    struct policy *p = load(RULES(""));
    struct policy_served s;

    (void)state;
    assert_int_equal(policy_served(&p->rules[0], &old, &s), 0);
    assert_int_equal(s.by, POLICY_SERVED_BY_HOOKS);
    assert_true(has(s.hooks, s.n_hooks, "inode_setxattr"));
    assert_true(has(s.absent, s.n_absent, "inode_set_acl"));
    assert_int_equal(s.n_unseen, 0); // there these pass inode_setxattr
    assert_int_equal(s.lost, 0);
    policy_served_done(&s);
    assert_int_equal(policy_served(&p->rules[0], &young, &s), 0);
    assert_true(has(s.hooks, s.n_hooks, "inode_set_acl"));
    assert_int_equal(s.n_absent, 0);
    policy_served_done(&s);
    policy_free(p);
}

// Of whatever section: each rule that the kernel was to serve is a mistake, none that a filter serves.
static void test_nothing(void **state)
{
    static const struct policy_kernel none = {.has_hook = no_hook};
    struct policy *p = load(
        RULES("processes:\n  - {exec: /a, do: deny}\n  - {load: /b, do: deny}\n"
              "  - {syscall: getpid, by: l, do: deny}\n  - {syscall: bpf, do: deny}\n"
              "control:\n  - {ptrace: any, do: deny}\n"));
    static const uint32_t lines[] = {5, 7, 8, 10, 12};
    struct policy_diags d = {};
    struct policy_served s;

    (void)state;
    assert_int_equal(policy_check_served(p, &none, &d), 0);
    assert_int_equal(d.n_errors, ARRAY_SIZE(lines));
    for (size_t i = 0; i < d.n; i++) {
        assert_int_equal(d.items[i].line, lines[i]);
        assert_non_null(strstr(d.items[i].message, "nothing serves this rule"));
        assert_non_null(d.items[i].cure);
        assert_non_null(d.items[i].source);
    }
    assert_int_equal(policy_served(&p->rules[3], &none, &s), 0);
    assert_int_equal(s.by, POLICY_SERVED_BY_FILTER);
    assert_string_equal(policy_mechanism_name(s.by), "seccomp");
    policy_served_done(&s);
    policy_diags_done(&d);
    policy_free(p);
}

// One hook that is missing is no mistake where another sees the same; what it decides besides is said.
static void test_some(void **state)
{
    const struct policy_kernel k = {.has_hook = all_but, .ctx = (char[]){"inode_set_acl"}};
    struct policy *p = load(RULES("processes:\n  - {syscall: [kill, bpf], do: audit}\n"));
    struct policy_diags d = {};
    struct policy_served s;

    (void)state;
    assert_int_equal(policy_served(&p->rules[0], &k, &s), 0);
    assert_int_equal(s.by, POLICY_SERVED_BY_HOOKS);
    assert_int_equal(s.n_absent, 1);
    assert_string_equal(s.absent[0], "inode_set_acl");
    assert_int_equal(s.lost, 0);
    policy_served_done(&s);
    assert_int_equal(policy_served(&p->rules[1], &k, &s), 0);
    assert_int_equal(s.wider.n, 1);
    assert_non_null(strstr(s.wider.items[0], "tgkill"));
    policy_served_done(&s);
    policy_diags_done(&d);
    policy_free(p);
}

// What serves it, what of it is not seen, and whether it is refused: by what the rule asks with, not by its kind alone.
static const struct word {
    const char *rule;
    uint32_t version;
    const char *by, *hooks, *unseen; // hooks and parts joined by blanks and commas
    uint32_t needs;                  // not 0: nothing serves it before
} words[] = {
    {"control:\n  - {io_uring: setup, do: deny}\n", VERSION(5, 10), "hooks",
     "socket_create control_mmap", "", 0},
    {"control:\n  - {io_uring: setup, do: deny}\n", VERSION(5, 15), "hooks",
     "socket_create control_mmap", "", 0},
    {"control:\n  - {io_uring: setup, do: deny}\n", VERSION(6, 1), "hooks",
     "inode_init_security_anon", "", 0},
    {"control:\n  - {io_uring: sqpoll, do: deny}\n", VERSION(5, 10), "nothing", "", "",
     VERSION(5, 16)},
    {"control:\n  - {io_uring: [setup, command], do: deny}\n", VERSION(5, 16), "hooks",
     "inode_init_security_anon", "", VERSION(6, 0)},
    {"control:\n  - {io_uring: any, do: deny}\n", VERSION(5, 10), "hooks",
     "socket_create control_mmap", "sqpoll,personality,command", 0},
    {"control:\n  - {setgid: 27, do: deny}\n", VERSION(5, 10), "hooks",
     "task_fix_setgid bprm_creds_from_file", "supplementary groups", 0},
    {"control:\n  - {setgid: 27, do: deny}\n", VERSION(6, 0), "hooks",
     "task_fix_setgid task_fix_setgroups bprm_creds_from_file", "", 0},
    {"control:\n  - {unshare: user, do: deny}\n", VERSION(5, 10), "hooks",
     "task_alloc cred_prepare", "", 0},
    {"control:\n  - {unshare: user, do: deny}\n", VERSION(6, 1), "hooks",
     "task_alloc userns_create", "", 0},
    {"control:\n  - {unshare: net, do: deny}\n", VERSION(6, 1), "hooks", "task_alloc capable", "",
     0},
    {"control:\n  - {mount: tmpfs, do: deny}\n", VERSION(6, 1), "hooks",
     "control_mount sb_set_mnt_opts", "", 0},
    {"control:\n  - {mount: \"u*\", do: deny}\n", VERSION(6, 1), "hooks",
     "control_mount sb_set_mnt_opts control_umount", "", 0},
    {"control:\n  - {mount: pivot_root, do: deny}\n", VERSION(6, 1), "hooks", "control_pivotroot",
     "", 0},
    {"control:\n  - {ptrace: traceme, do: deny}\n", VERSION(6, 1), "hooks", "ptrace_traceme", "",
     0},
    {"control:\n  - {fork: any, do: deny}\n", VERSION(6, 1), "hooks", "task_alloc", "", 0},
    {"control:\n  - {fork: any, do: audit}\n", VERSION(6, 1), "tracepoint", "sched_process_fork",
     "", 0},
    {"control:\n  - {exit: any, do: audit}\n", VERSION(6, 1), "tracepoint", "sched_process_exit",
     "", 0},
    // What only keeps objects known decides nothing.
    {"files:\n  - {path: /a, access: read, do: deny}\n", VERSION(6, 1), "hooks",
     "file_open file_receive bprm_check_security", "", 0},
    {"files:\n  - {path: /a, access: rename, do: deny}\n", VERSION(6, 1), "hooks", "inode_rename",
     "", 0},
    {"processes:\n  - {load: /a, do: deny}\n", VERSION(6, 1), "hooks", "mmap_file file_mprotect",
     "", 0},
};

static bool joined_are(const char *const *names, size_t n, char between, const char *wanted)
{
    char all[256] = "";
    size_t len = 0;

    for (size_t i = 0; i < n; i++)
        len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s",
                                i ? (char[]){between, '\0'} : "", names[i]);
    return strcmp(all, wanted) == 0;
}

static void test_words(void **state)
{
    unsigned bad = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        const struct word *w = &words[i];
        const struct policy_kernel k = {.version = w->version};
        struct policy_diags d = {};
        struct policy_served s;
        char text[512];
        struct policy *p;
        bool tracepoint = strcmp(w->by, "tracepoint") == 0;

        (void)snprintf(text, sizeof(text), "safeguard: 1\nmode: enforce\n%s", w->rule);
        p = load(text);
        assert_int_equal(policy_served(&p->rules[0], &k, &s), 0);
        assert_int_equal(policy_check_served(p, &k, &d), 0);
        if (strcmp(policy_mechanism_name(s.by), w->by) != 0 ||
            !joined_are(tracepoint ? s.tracepoints : s.hooks,
                        tracepoint ? s.n_tracepoints : s.n_hooks, ' ', w->hooks) ||
            !joined_are(s.unseen, s.n_unseen, ',', w->unseen) || s.needs != w->needs ||
            d.n_errors != (w->needs != 0)) {
            print_error("%sby %s, first %s of %zu, unseen %zu, needs %x, %zu errors\n", w->rule,
                        policy_mechanism_name(s.by), s.n_hooks ? s.hooks[0] : "none", s.n_hooks,
                        s.n_unseen, s.needs, d.n_errors);
            bad++;
        }
        policy_served_done(&s);
        policy_diags_done(&d);
        policy_free(p);
    }
    assert_int_equal(bad, 0);
}

// Which errno is given by calls for which the rule's cannot be, and where nothing gives it.
static void test_errno(void **state)
{
    static const struct {
        const char *rule;
        uint32_t version;
        size_t fixed;
        int error; // not 0: the rule is a mistake, since only this one is given
        const char *calls;
    } rows[] = {
        {"control:\n  - {setns: uts, do: {errno: EACCES}}\n", VERSION(6, 1), 1, EPERM, "setns"},
        {"control:\n  - {setns: uts, do: {errno: EPERM}}\n", VERSION(6, 1), 0, 0, ""},
        {"control:\n  - {setns: uts, do: deny}\n", VERSION(6, 1), 0, 0, ""},
        {"control:\n  - {capability: sys_chroot, do: {errno: ENOSYS}}\n", VERSION(6, 1), 1, EPERM,
         "capability"},
        {"control:\n  - {unshare: net, do: {errno: ENOSYS}}\n", VERSION(6, 1), 1, 0,
         "unshare fsmount open_tree open_tree_attr"},
        {"processes:\n  - {syscall: unshare, do: {errno: ENOSYS}}\n", VERSION(6, 1), 1, EPERM,
         "unshare fsmount open_tree open_tree_attr"},
        {"control:\n  - {unshare: user, do: {errno: ENOSYS}}\n", VERSION(6, 1), 0, 0, ""},
        {"control:\n  - {unshare: user, do: {errno: ENOSYS}}\n", VERSION(5, 10), 1, 0, "unshare"},
        {"control:\n  - {unshare: user, do: deny}\n", VERSION(5, 10), 1, 0, "unshare"},
        {"control:\n  - {mount: bind, do: {errno: ENOSYS}}\n", VERSION(6, 1), 1, 0,
         "open_tree open_tree_attr"},
        {"control:\n  - {mount: tmpfs, do: {errno: ENOSYS}}\n", VERSION(6, 1), 0, 0, ""},
        {"processes:\n  - {syscall: ptrace, do: {errno: ENOSYS}}\n", VERSION(6, 1), 1, 0,
         "process_vm_readv process_vm_writev pidfd_getfd"},
        {"processes:\n  - {syscall: pidfd_getfd, do: {errno: ENOSYS}}\n", VERSION(6, 1), 1, EPERM,
         "process_vm_readv process_vm_writev pidfd_getfd"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct policy_kernel k = {.version = rows[i].version};
        struct policy_diags d = {};
        struct policy_served s;
        char text[512];
        struct policy *p;

        (void)snprintf(text, sizeof(text), "safeguard: 1\nmode: enforce\n%s", rows[i].rule);
        p = load(text);
        assert_int_equal(policy_served(&p->rules[0], &k, &s), 0);
        assert_int_equal(policy_check_served(p, &k, &d), 0);
        if (s.n_fixed != rows[i].fixed || (s.refused ? s.refused_error : 0) != rows[i].error ||
            d.n_errors != (rows[i].error != 0))
            fail_msg("%s%zu fixed, %zu errors", rows[i].rule, s.n_fixed, d.n_errors);
        if (s.n_fixed)
            assert_string_equal(s.fixed[0].calls, rows[i].calls);
        if (d.n) {
            assert_int_equal(d.items[0].line, 4);
            assert_non_null(strstr(d.items[0].message, " gives its caller EPERM on this kernel"));
            assert_non_null(d.items[0].cure);
        }
        policy_served_done(&s);
        policy_diags_done(&d);
        policy_free(p);
    }
}

// By what its values are set, and nothing else.
static void test_schedule(void **state)
{
    static const struct policy_kernel kernel = {.version = VERSION(5, 10)};
    struct policy *p = load(
        "safeguard: 1\nmode: enforce\nprocesses:\n  - {by: {exe: /a}, schedule: "
        "{weight: 20, cpus: \"0\", class: batch}}\n");
    struct policy_served s;

    (void)state;
    assert_int_equal(policy_served(&p->rules[0], &kernel, &s), 0);
    assert_int_equal(s.by, POLICY_SERVED_BY_TRACEPOINT);
    assert_int_equal(s.n_setters, 3);
    assert_string_equal(s.setters[0], "cpu.weight");
    assert_string_equal(s.setters[1], "cpuset.cpus");
    assert_string_equal(s.setters[2], "sched_setscheduler");
    policy_served_done(&s);
    p = policy_free(p);
    p = load(RULES(""));
    assert_int_equal(policy_served(&p->rules[0], &kernel, &s), 0);
    assert_int_equal(s.n_setters, 0);
    policy_served_done(&s);
    (void)policy_free(p);
}

// Without the hook that an operation needs it is lost, whatever else is attached for it.
static void test_needed(void **state)
{
    static const struct {
        const char *access, *hook;
        bool lost;
    } rows[] = {
        {"read", "file_open", true},      {"rename", "inode_rename", true},
        {"link", "inode_link", true},     {"chmod", "inode_setattr", true},
        {"mmap", "mmap_file", true},      {"io", "file_close", true},
        {"create", "inode_mkdir", false}, {"read", "inode_rename", false},
        {"rename", "sb_mount", false},    {"delete", "inode_rmdir", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct policy_kernel k = {.has_hook = all_but,
                                        .ctx = (void *)(uintptr_t)rows[i].hook};
        struct policy_diags d = {};
        char text[256];
        struct policy *p;

        (void)snprintf(text, sizeof(text), HEAD "  - {path: /a, access: %s, do: audit}\n",
                       rows[i].access);
        p = load(text);
        assert_int_equal(policy_check_served(p, &k, &d), 0);
        if ((d.n_errors != 0) != rows[i].lost)
            fail_msg("%s without %s: %zu errors", rows[i].access, rows[i].hook, d.n_errors);
        policy_diags_done(&d);
        policy_free(p);
    }
}

UNIT_MAIN(cmocka_unit_test(test_versions), cmocka_unit_test(test_nothing),
          cmocka_unit_test(test_some), cmocka_unit_test(test_words), cmocka_unit_test(test_errno),
          cmocka_unit_test(test_schedule), cmocka_unit_test(test_needed))
