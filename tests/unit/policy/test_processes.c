// SPDX-License-Identifier: Apache-2.0
//
// Rules about programs and about what is asked of the kernel: what is read, what the image says of a question, and what is
// left for the filters of `safeguard run`.
#include "tests/unit/policy/compiled.h"

#include "abi/network.h"
#include "base/strbuf.h"
#include "policy/explain.h"
#include "policy/launch.h"

#define H "safeguard: 1\nname: p\nmode: enforce\nsubjects: {w: {exe: /w}, l: {launched: true}}\n"

static struct policy *load(const char *text)
{
    struct policy_diags d = {};
    struct policy *p = NULL;

    if (policy_load_buffer("t.yaml", text, strlen(text), &names_options, &d, &p) < 0)
        fail_msg("%s%s", text, d.n ? d.items[0].message : "?");
    policy_diags_done(&d);
    return p;
}

// Reading --------------------------------------------------------------------------------------------

static const struct {
    const char *section, *rule;
    uint32_t ops;
    uint8_t verdict, error;
    uint32_t n_paths;
    const char *about;
} read_rows[] = {
    {"processes", "{exec: /tmp/**, do: deny}", SG_OPS_EXEC, SG_DENY, 0, 1, "/tmp/**"},
    {"processes", "{exec: [/a, memfd, deleted], do: kill}", SG_OPS_EXEC | SG_OP_CONTROL, SG_KILL, 0,
     3, "/a memfd deleted"},
    {"processes", "{exec: foreign, do: stop}", SG_OP_CONTROL, SG_STOP, 0, 1, "foreign"},
    {"processes", "{exec: any, do: audit}", SG_OPS_EXEC | SG_OP_CONTROL, SG_AUDIT, 0, 2, "any"},
    {"processes", "{load: [/a, /b/**], do: {errno: EACCES}}", SG_OP_LOAD, SG_DENY, EACCES, 2,
     "/a /b/**"},
    {"processes", "{load: /a, do: {errno: EPERM}}", SG_OP_LOAD, SG_DENY, 0, 1, "/a"},
    {"processes", "{syscall: bpf, do: {errno: ENOSYS}}", SG_OP_CONTROL, SG_DENY, ENOSYS, 1,
     "syscall:bpf"},
    {"processes", "{syscall: [mount, umount2], by: w, do: stop}", SG_OP_CONTROL, SG_STOP, 0, 2,
     "syscall:mount syscall:umount2"},
    {"processes", "{syscall: ptrace, do: deny}", SG_OP_CONTROL, SG_DENY, 0, 2, "syscall:ptrace"},
    {"processes", "{syscall: [mount, getpid], by: l, do: stop}", 0, SG_STOP, 0, 0,
     "syscall:mount syscall:getpid"},
    {"control", "{capability: [CAP_SYS_ADMIN, net_raw], do: deny}", SG_OP_CONTROL, SG_DENY, 0, 2,
     "capability:CAP_SYS_ADMIN capability:net_raw"},
    {"control", "{setuid: [ann, 7, any], do: deny}", SG_OP_CONTROL, SG_DENY, 0, 3,
     "setuid:ann setuid:7 setuid:any"},
    {"control", "{setgid: web, do: allow}", SG_OP_CONTROL, SG_ALLOW, 0, 1, "setgid:web"},
    {"control", "{module: \"nf_*\", mount: [bind, tmpfs], do: {errno: EACCES}}", SG_OP_CONTROL,
     SG_DENY, EACCES, 3, "module:nf_* mount:bind mount:tmpfs"},
    {"control", "{ptrace: any, bpf: any, do: kill}", SG_OP_CONTROL, SG_KILL, 0, 2,
     "ptrace:any bpf:any"},
};

static void about(const struct policy_rule *rule, struct strbuf *sb)
{
    bool more = true;

    for (uint32_t i = 0; more; i++) {
        _cleanup_(sb_done) struct strbuf one = {};

        more = policy_rule_about(rule, i, &one);
        if (one.len)
            sb_printf(sb, "%s%s", sb->len ? " " : "", sb_str(&one));
    }
}

static void test_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(read_rows); i++) {
        _cleanup_(sb_done) struct strbuf text = {}, got = {};
        struct policy *p;

        sb_printf(&text, H "%s:\n  - %s\n", read_rows[i].section, read_rows[i].rule);
        p = load(sb_str(&text));
        assert_int_equal(p->n_rules, 1);
        assert_string_equal(policy_section_name(p->rules[0].section), read_rows[i].section);
        assert_int_equal(p->rules[0].ops, read_rows[i].ops);
        assert_int_equal(p->rules[0].verdict, read_rows[i].verdict);
        assert_int_equal(p->rules[0].error, read_rows[i].error);
        assert_int_equal(p->rules[0].paths.n, read_rows[i].n_paths);
        about(&p->rules[0], &got);
        assert_string_equal(sb_str(&got), read_rows[i].about);
        policy_free(p);
    }
}

// Every key of the section is read for its kind, whatever its kind is asked with.
static void test_every_kind(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < SG_CONTROL_COUNT; kind++) {
        _cleanup_(sb_done) struct strbuf text = {};
        const struct policy_control *c;
        struct policy *p;

        assert_int_equal(policy_control_kind(policy_control_name(kind)), kind);
        // Keys of other sections.
        if (kind == SG_CONTROL_schedule || SG_NET_KINDS >> kind & 1)
            continue;
        sb_printf(&text, H "control:\n  - {%s: any, do: audit}\n", policy_control_name(kind));
        p = load(sb_str(&text));
        c = p->rules[0].paths.items[0].control;
        assert_non_null(c);
        assert_int_equal(c->kind, kind);
        assert_int_equal(c->what, POLICY_CONTROL_ANY);
        assert_true(*policy_control_expected(kind));
        policy_free(p);
    }
    assert_null(policy_control_name(SG_CONTROL_COUNT));
    assert_null(policy_control_expected(SG_CONTROL_COUNT));
    assert_int_equal(policy_control_kind("nothing"), SG_CONTROL_COUNT);
}

// A rule about a call decides what the call asks for, and of its kind no more than that.
static void test_calls_are_narrow(void **state)
{
    static const struct {
        const char *call;
        enum sg_control kind;
        const char *denied, *passed; // words of the kind
    } rows[] = {
        {"ptrace", SG_CONTROL_ptrace, "traceme", "read"},
        {"ptrace", SG_CONTROL_ptrace, "attach", "read"},
        {"process_vm_readv", SG_CONTROL_ptrace, "attach", "traceme"},
        {"pidfd_getfd", SG_CONTROL_ptrace, "attach", "read"},
        {"umount2", SG_CONTROL_mount, "umount", "tmpfs"},
        {"pivot_root", SG_CONTROL_mount, "pivot_root", "bind"},
        {"init_module", SG_CONTROL_module, "memory", "ext4"},
        {"add_key", SG_CONTROL_keyctl, "write", "view"},
        {"io_uring_setup", SG_CONTROL_io_uring, "setup", "command"},
        {"kexec_file_load", SG_CONTROL_kexec, "file", "memory"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_(sb_done) struct strbuf text = {};
        struct policy_image *image;

        sb_printf(&text, "safeguard: 1\nmode: enforce\nprocesses:\n  - {syscall: %s, do: deny}\n",
                  rows[i].call);
        image = compile(sb_str(&text));
        for (int passed = 0; passed < 2; passed++) {
            struct policy_query q = {.ops = SG_OP_CONTROL};
            struct policy_control c;
            struct policy_decision d;

            assert_int_equal(policy_control_from_word(rows[i].kind,
                                                      passed ? rows[i].passed : rows[i].denied, &c),
                             0);
            q.control = &c;
            assert_int_equal(policy_explain(image, &q, &d), 0);
            if (d.blocked == passed)
                fail_msg("%s: %s", rows[i].call, passed ? rows[i].passed : rows[i].denied);
        }
        policy_image_free(image);
    }
}

// Deciding -------------------------------------------------------------------------------------------

// Rules from line 5 (processes) on.
static const char decided[] = H "processes:\n"
                                "  - {exec: /opt/ok, do: allow}\n"                        // 0
                                "  - {exec: [\"/opt/**\", memfd], do: {errno: EACCES}}\n" // 1
                                "  - {load: \"/lib/**\", by: w, do: stop}\n"              // 2
                                "  - {exec: any, by: w, do: kill}\n"                      // 3
                                "  - {syscall: bpf, by: w, do: {errno: ENOSYS}}\n"        // 4
                                "  - {syscall: [bpf, getpid], by: l, do: kill}\n"         // 5
                                "control:\n"
                                "  - {setuid: [root, bob], not_by: w, do: deny}\n"       // 6
                                "  - {setuid: any, do: audit}\n"                         // 7
                                "  - {module: [\"nf_*\", x?z], do: deny}\n"              // 8
                                "  - {module: any, do: audit, by: w}\n"                  // 9
                                "  - {capability: sys_admin, do: deny, mode: monitor}\n" // 10
                                "  - {bpf: any, do: deny}\n";                            // 11

static const struct {
    const char *path, *word;
    enum sg_control kind;
    uint32_t ops;
    const char *exe;
    int rule;
    uint8_t verdict, error;
    bool blocked;
} decided_rows[] = {
#define EXEC (SG_OP_EXEC | SG_OP_LAUNCH)
#define LOAD (SG_OP_LOAD | SG_OP_LAUNCH)
    {"/opt/ok", NULL, 0, EXEC, NULL, 0, SG_ALLOW, 0, false},
    {"/opt/ok", NULL, 0, LOAD, "/w", 0, SG_ALLOW, 0, false},
    {"/opt/x", NULL, 0, EXEC, NULL, 1, SG_DENY, EACCES, true},
    {"/opt/x", NULL, 0, LOAD, NULL, 1, SG_DENY, EACCES, true},
    {"/opt/x", NULL, 0, SG_OP_READ, NULL, -1, 0, 0, false},
    {"/lib/x", NULL, 0, LOAD, "/w", 2, SG_STOP, EPERM, true}, // and not 3, which has launch, too
    {"/lib/x", NULL, 0, SG_OP_LOAD, "/w", 2, SG_STOP, EPERM, true},
    {"/lib/x", NULL, 0, LOAD, NULL, -1, 0, 0, false},
    {"/lib/x", NULL, 0, EXEC, "/w", 3, SG_KILL, EPERM, true},
    {NULL, "memfd", SG_CONTROL_exec, 0, NULL, 1, SG_DENY, EACCES, true},
    {NULL, "deleted", SG_CONTROL_exec, 0, NULL, -1, 0, 0, false},
    {NULL, "deleted", SG_CONTROL_exec, 0, "/w", 3, SG_KILL, EPERM, true},
    {NULL, "0", SG_CONTROL_setuid, 0, NULL, 6, SG_DENY, EPERM, true},
    {NULL, "1001", SG_CONTROL_setuid, 0, NULL, 6, SG_DENY, EPERM, true},
    {NULL, "1001", SG_CONTROL_setuid, 0, "/w", 7, SG_AUDIT, 0, false},
    {NULL, "1000", SG_CONTROL_setuid, 0, NULL, 7, SG_AUDIT, 0, false},
    {NULL, "4294967294", SG_CONTROL_setuid, 0, NULL, 7, SG_AUDIT, 0, false},
    {NULL, "0", SG_CONTROL_setgid, 0, NULL, -1, 0, 0, false},
    {NULL, "nf_tables", SG_CONTROL_module, 0, "/w", 8, SG_DENY, EPERM, true},
    {NULL, "xyz", SG_CONTROL_module, 0, NULL, 8, SG_DENY, EPERM, true},
    {NULL, "xyyz", SG_CONTROL_module, 0, "/w", 9, SG_AUDIT, 0, false},
    {NULL, "xyyz", SG_CONTROL_module, 0, NULL, -1, 0, 0, false},
    {NULL, "nf", SG_CONTROL_module, 0, NULL, -1, 0, 0, false},
    {NULL, "CAP_SYS_ADMIN", SG_CONTROL_capability, 0, NULL, 10, SG_DENY, EPERM, false},
    {NULL, "sys_admin", SG_CONTROL_capability, 0, NULL, 10, SG_DENY, EPERM, false},
    {NULL, "CAP_NET_RAW", SG_CONTROL_capability, 0, NULL, -1, 0, 0, false},
    {NULL, "5", SG_CONTROL_bpf, 0, "/w", 4, SG_DENY, ENOSYS, true},
    {NULL, "253", SG_CONTROL_bpf, 0, NULL, 11, SG_DENY, EPERM, true},
    {NULL, "70000", SG_CONTROL_bpf, 0, NULL, 11, SG_DENY, EPERM, true},
    {NULL, "5", SG_CONTROL_ptrace, 0, "/w", -1, 0, 0, false},
};

static void test_decided(void **state)
{
    struct policy_image *image = compile(decided);
    unsigned bad = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(decided_rows); i++) {
        const char *path = decided_rows[i].path;
        struct policy_control control;
        struct policy_query q = {
            .path = path,
            .path_len = path ? strlen(path) : 0,
            .ops = path ? decided_rows[i].ops : SG_OP_CONTROL,
            .facts = {.exe = decided_rows[i].exe},
        };
        struct policy_decision d;

        if (!path) {
            assert_int_equal(policy_control_from_word(decided_rows[i].kind, decided_rows[i].word,
                                                      &control),
                             0);
            q.control = &control;
        }
        assert_int_equal(policy_explain(image, &q, &d), 0);
        if (d.overall.matched != (decided_rows[i].rule >= 0) ||
            (d.overall.matched && d.overall.rule != decided_rows[i].rule) ||
            d.overall.verdict != decided_rows[i].verdict ||
            d.overall.error != decided_rows[i].error || d.blocked != decided_rows[i].blocked) {
            print_error("row %zu: rule %d verdict %u errno %u blocked %d\n", i,
                        d.overall.matched ? d.overall.rule : -1, d.overall.verdict, d.overall.error,
                        d.blocked);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
    policy_image_free(image);
}

// Nothing but what can be asked is taken for a question.
static void test_bad_questions(void **state)
{
    struct policy_image *image = compile(decided);
    const struct policy_control any = {.kind = SG_CONTROL_bpf, .what = POLICY_CONTROL_ANY};
    const struct policy_control none = {.kind = SG_CONTROL_COUNT, .what = POLICY_CONTROL_NUMBER};
    const struct policy_control good = {.kind = SG_CONTROL_bpf, .what = POLICY_CONTROL_NUMBER};
    const struct {
        const struct policy_control *control;
        uint32_t ops;
    } rows[] = {{&any, SG_OP_CONTROL}, {&none, SG_OP_CONTROL}, {&good, SG_OP_READ}, {&good, 0}};
    struct policy_query path = {.path = "/opt/x", .path_len = 6, .ops = SG_OP_CONTROL};
    struct policy_control c;
    struct policy_decision d;

    (void)state;
    assert_int_equal(policy_explain(image, &path, &d), -EINVAL);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct policy_query q = {.control = rows[i].control, .ops = rows[i].ops};

        assert_int_equal(policy_explain(image, &q, &d), -EINVAL);
    }
    assert_int_equal(policy_control_from_word(SG_CONTROL_bpf, "any", &c), -EINVAL);
    assert_int_equal(policy_control_from_word(SG_CONTROL_bpf, "", &c), -EINVAL);
    assert_int_equal(policy_control_from_word(SG_CONTROL_bpf, "x", &c), -EINVAL);
    assert_int_equal(policy_control_from_word(SG_CONTROL_COUNT, "1", &c), -EINVAL);
    policy_image_free(image);
}

// Libraries may be loaded of which nothing may be executed, whatever the verdicts.
static void test_load_in_front(void **state)
{
    static const char *const verbs[] = {"allow", "audit", "deny", "kill", "stop"};

    (void)state;
    for (size_t a = 0; a < ARRAY_SIZE(verbs); a++)
        for (size_t b = 0; b < ARRAY_SIZE(verbs); b++) {
            _cleanup_(sb_done) struct strbuf text = {};
            struct policy_query q = {.path = "/lib/x", .path_len = 6};
            struct policy_decision d;
            struct policy_image *image;

            sb_printf(&text,
                      H "processes:\n  - {load: \"/lib/**\", do: %s}\n  - {exec: any, do: %s}\n",
                      verbs[a], verbs[b]);
            image = compile(sb_str(&text));
            q.ops = LOAD;
            assert_int_equal(policy_explain(image, &q, &d), 0);
            assert_int_equal(d.overall.rule, 0);
            assert_int_equal(d.overall.verdict, a);
            q.ops = EXEC;
            assert_int_equal(policy_explain(image, &q, &d), 0);
            assert_int_equal(d.overall.rule, 1);
            assert_int_equal(d.overall.verdict, b);
            policy_image_free(image);
        }
}

// A kind costs nothing where no rule speaks of it.
static void test_image(void **state)
{
    const uint64_t wanted = SG_BIT(SG_CONTROL_exec) | SG_BIT(SG_CONTROL_setuid) |
                            SG_BIT(SG_CONTROL_module) | SG_BIT(SG_CONTROL_capability) |
                            SG_BIT(SG_CONTROL_bpf);
    struct policy_image *image = compile(decided);
    const struct sg_image *h = policy_image_head(image);

    (void)state;
    assert_int_equal(h->controls, wanted);
    for (unsigned kind = 0; kind < SG_CONTROL_COUNT; kind++)
        assert_int_equal(h->control_state[kind] != 0, wanted >> kind & 1);
    policy_image_free(image);
    image = compile(H "files:\n  - {path: /a, access: read, do: audit}\n");
    assert_int_equal(policy_image_head(image)->controls, 0);
    policy_image_free(image);
}

// An image with a state that is not there is refused.
static void test_broken_image(void **state)
{
    struct policy_image *image = compile(decided);
    struct sg_image *h = image->mem;

    (void)state;
    h->control_state[SG_CONTROL_bpf] = h->n_states;
    assert_int_equal(policy_image_validate(image->mem, image->size), -EBADMSG);
    policy_image_free(image);
}

// Launching ------------------------------------------------------------------------------------------

static void test_calls(void **state)
{
    static const char text[] = H
        "processes:\n"
        "  - {syscall: [read, mount], by: l, do: allow}\n"
        "  - {syscall: [mount, bpf], by: l, do: {errno: ENOSYS}}\n"
        "  - {syscall: bpf, by: w, do: kill}\n"
        "  - {syscall: getpid, by: {launched: true}, do: stop, mode: monitor}\n"
        "  - {syscall: [kill, any], by: l, do: deny}\n"
        "  - {syscall: getuid, by: l, do: allow}\n";
    static const struct {
        const char *name;
        uint32_t rule;
        uint8_t verdict, error;
        bool monitor;
    } want[] = {
        {"read", 0, SG_ALLOW, 0, false},    {"mount", 0, SG_ALLOW, 0, false},
        {"bpf", 1, SG_DENY, ENOSYS, false}, {"getpid", 3, SG_STOP, EPERM, true},
        {"kill", 4, SG_DENY, EPERM, false}, {"any", 4, SG_DENY, EPERM, false},
    };
    struct policy *p = load(text);
    struct policy_calls calls;
    uint32_t file = 7;

    (void)state;
    assert_int_equal(policy_find(p, "p", &file), 0);
    assert_int_equal(file, 0);
    assert_int_equal(policy_find(p, "q", &file), -ENOENT);
    assert_int_equal(policy_calls(p, file, &calls), 0);
    assert_int_equal(calls.n, ARRAY_SIZE(want));
    for (size_t i = 0; i < calls.n; i++) {
        assert_string_equal(calls.items[i].name, want[i].name);
        assert_int_equal(calls.items[i].rule, want[i].rule);
        assert_int_equal(calls.items[i].verdict, want[i].verdict);
        assert_int_equal(calls.items[i].error, want[i].error);
        assert_int_equal(calls.items[i].monitor, want[i].monitor);
    }
    policy_calls_done(&calls);
    assert_int_equal(policy_calls(p, 1, &calls), 0); // another file
    assert_int_equal(calls.n, 0);
    assert_false(policy_needs_group(p, 0));
    policy_free(p);
    p = load(H "processes:\n  - {exec: /a, by: l, do: deny}\n");
    assert_true(policy_needs_group(p, 0));
    policy_free(p);
    p = load(H "control:\n  - {ptrace: any, not_by: l, do: deny}\n");
    assert_true(policy_needs_group(p, 0));
    policy_free(p);
}

static void test_two_of_a_name(void **state)
{
    static const char text[] = H "control: [{ptrace: any, by: [w, l], do: deny}]\n";
    const struct policy_buffer buffers[] = {{"a.yaml", text, sizeof(text) - 1},
                                            {"b.yaml", text, sizeof(text) - 1}};
    struct policy *p = NULL;
    uint32_t file;

    (void)state;
    assert_int_equal(policy_load_buffers(buffers, 2, &names_options, NULL, &p), 0);
    assert_int_equal(policy_find(p, "p", &file), -EEXIST);
    policy_free(p);
}

// A launched process is known by the control group that only root can make, whatever the policy is called.
static void test_group(void **state)
{
    static const struct {
        const char *name, *group;
    } rows[] = {
        {"web", "/safeguard.run/web"},         {"a b/*", "/safeguard.run/a%20b%2F%2A"},
        {"..", "/safeguard.run/%2E."},         {"a.b", "/safeguard.run/a.b"},
        {"\303\251", "/safeguard.run/%C3%A9"}, {"a%20b", "/safeguard.run/a%2520b"},
    };
    struct policy_decision d;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_(sb_done) struct strbuf text = {}, group = {}, inside = {}, beside = {};
        struct policy_query q = {.path = "/a", .path_len = 2, .ops = SG_OP_EXEC};
        struct policy_image *image;

        policy_launch_group(rows[i].name, &group);
        assert_string_equal(sb_str(&group), rows[i].group);
        sb_printf(&text,
                  "safeguard: 1\nname: \"%s\"\nmode: enforce\nprocesses:\n"
                  "  - {exec: /a, by: {launched: true}, do: deny}\n",
                  rows[i].name);
        image = compile(sb_str(&text));
        sb_printf(&inside, "%s/77/more", rows[i].group);
        sb_printf(&beside, "/user.slice%s", rows[i].group);
        q.facts.cgroup = sb_str(&inside);
        assert_int_equal(policy_explain(image, &q, &d), 0);
        assert_true(d.blocked);
        q.facts.cgroup = sb_str(&beside);
        assert_int_equal(policy_explain(image, &q, &d), 0);
        assert_false(d.blocked);
        policy_image_free(image);
    }
}

UNIT_MAIN(cmocka_unit_test(test_read), cmocka_unit_test(test_every_kind),
          cmocka_unit_test(test_calls_are_narrow), cmocka_unit_test(test_decided),
          cmocka_unit_test(test_bad_questions), cmocka_unit_test(test_load_in_front),
          cmocka_unit_test(test_image), cmocka_unit_test(test_broken_image),
          cmocka_unit_test(test_calls), cmocka_unit_test(test_two_of_a_name),
          cmocka_unit_test(test_group))
