// SPDX-License-Identifier: Apache-2.0
//
// What `explain` says about a question, and which questions it does not take.
#include "tests/unit/policy/compiled.h"

#include "base/json.h"
#include "base/strbuf.h"
#include "policy/explain.h"

static const char web[] = "safeguard: 1\nmode: enforce\n"
                          "subjects:\n"
                          "  backup: {exe: /usr/bin/restic, user: root}\n"
                          "  web: {exe: /usr/sbin/nginx, descendants: true}\n"
                          "  office: {time: \"mon-fri 08:00-18:00\"}\n"
                          "files:\n"
                          "  - {path: /etc/shadow, access: read, not_by: backup, do: deny}\n"
                          "  - {path: /etc/**, access: write, by: web, do: kill}\n"
                          "  - {path: /etc/**, access: write, not_by: office, do: audit}\n";

static void expect_text(const struct policy_image *image, const struct policy_query *q,
                        const char *want)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct policy_decision d;

    assert_int_equal(policy_explain(image, q, &d), 0);
    policy_explain_format(image, q, &d, false, &sb);
    assert_string_equal(sb_str(&sb), want);
}

static void test_text(void **state)
{
    static const char *const ancestors[] = {"/usr/sbin/nginx", "/usr/lib/systemd/systemd"};
    struct policy_image *image = compile(web);
    struct policy_query q = {
        .path = "/etc/shadow",
        .path_len = 11,
        .ops = SG_OP_READ | SG_OP_WRITE,
        .facts = {.exe = "/usr/bin/cat", .ancestors = ancestors, .n_ancestors = 2, .session = -1}};

    (void)state;
    expect_text(
        image, &q,
        "/etc/shadow\n"
        "  read    deny  by t.yaml:8\n"
        "  write   kill  by t.yaml:9\n"
        "rules that were tried, in their order:\n"
        "    t.yaml:8  deny read: decides\n"
        "      not_by backup: does not match: exe is /usr/bin/cat; wanted: /usr/bin/restic\n"
        "    t.yaml:9  kill write (everything that changes): decides\n"
        "      by web: matches: descends from /usr/sbin/nginx\n");
    q.facts.exe = "/usr/bin/restic";
    q.facts.n_ancestors = 0;
    q.ops = SG_OP_READ | SG_OP_CHMOD;
    q.has_when = true;
    q.when = 1700000000 - 1700000000 % 86400 + 4 * 86400 + 3600; // a Saturday
    expect_text(
        image, &q,
        "/etc/shadow\n"
        "  read    allow  (no rule matches)\n"
        "  chmod   audit  by t.yaml:10\n"
        "rules that were tried, in their order:\n"
        "    t.yaml:8  deny read: does not match\n"
        "      not_by backup: matches\n"
        "    t.yaml:9  kill write (everything that changes): does not match\n"
        "      by web: does not match: exe is /usr/bin/restic; wanted: /usr/sbin/nginx; nor "
        "does an ancestor\n"
        "    t.yaml:10  audit write (everything that changes): decides\n"
        "      not_by office: does not match: it is outside its time windows\n");
    q.path = "/srv";
    q.path_len = 4;
    q.ops = SG_OP_READ;
    expect_text(image, &q,
                "/srv\n  read    allow  (no rule matches)\n"
                "no rule is about this path, nor about anything beneath it\n");
    q.path = "/etc";
    q.ops = SG_OP_RENAME;
    q.facts.exe = "/usr/sbin/nginx";
    expect_text(image, &q,
                "/etc\n  rename  allow  (no rule matches)\n"
                "something beneath it is denied, and moving it takes that along\n");
    policy_image_free(image);
}

static void test_bad_questions(void **state)
{
    struct policy_image *image = compile(web);
    const struct policy_query good = {.path = "/etc",
                                      .path_len = 4,
                                      .ops = SG_OP_READ,
                                      .facts = {.session = -1}};
    static const char *const relative[] = {"bin/cat"};
    struct policy_decision d;
    struct policy_query q;

    (void)state;
#define BAD(change, code) \
    q = good;             \
    q.change;             \
    assert_int_equal(policy_explain(image, &q, &d), code)
    BAD(ops = SG_OP_READ, 0);
    BAD(ops = 0, -EINVAL);
    BAD(ops = 1u << SG_OP_COUNT, -EINVAL);
    BAD(path_len = 0, -EINVAL);
    BAD(path = "etc/", -EINVAL);
    BAD(path = "/et/", -EINVAL);
    BAD(facts.exe = "cat", -EINVAL);
    BAD(facts.cgroup = "/a/", -EINVAL);
    BAD(facts.session = SG_SESSION_COUNT, -EINVAL);
    BAD(facts.n_ancestors = POLICY_ANCESTORS_MAX + 1, -EINVAL);
    BAD(facts = ((struct policy_facts){.ancestors = relative, .n_ancestors = 1}), -EINVAL);
    BAD(has_dev = true, 0);
    BAD(has_dev = true; q.dev = 7, -ENODEV);
#undef BAD
    policy_image_free(image);
}

// Without a session given, the nearest starter among the ancestors tells.
static void test_session(void **state)
{
    struct policy_image *image = compile(
        "safeguard: 1\nmode: enforce\nfiles:\n"
        "  - {path: /a, access: read, by: {session: ssh}, do: audit}\n"
        "  - {path: /a, access: read, by: {session: cron}, do: allow}\n"
        "  - {path: /a, access: read, by: {session: none}, do: kill}\n"
        "  - {path: /a, access: read, by: {session: service}, do: deny}\n");
    static const char *const chain[] = {"/usr/bin/bash", "/usr/sbin/sshd", "/usr/sbin/cron"};
    struct policy_query q = {.path = "/a",
                             .path_len = 2,
                             .ops = SG_OP_READ,
                             .facts = {.exe = "/usr/bin/cat", .session = -1}};
    struct policy_decision d;

    (void)state;
    q.facts.ancestors = chain;
    q.facts.n_ancestors = 3;
    assert_int_equal(policy_explain(image, &q, &d), 0);
    assert_int_equal(d.overall.rule, 0);
    q.facts.exe = "/usr/sbin/crond";
    assert_int_equal(policy_explain(image, &q, &d), 0);
    assert_int_equal(d.overall.rule, 1);
    // Only root's programs start one; the next starter on the way up is asked.
    q.facts.uid = 1000;
    assert_int_equal(policy_explain(image, &q, &d), 0);
    assert_int_equal(d.overall.rule, 0);
    q.facts.ancestor_uids = (const uint32_t[]){1000, 1000, 0};
    assert_int_equal(policy_explain(image, &q, &d), 0);
    assert_int_equal(d.overall.rule, 1);
    q.facts.ancestor_uids = NULL;
    q.facts.uid = 0;
    q.facts.exe = "/usr/bin/cat";
    q.facts.n_ancestors = 1;
    assert_int_equal(policy_explain(image, &q, &d), 0);
    assert_int_equal(d.overall.rule, 3);
    assert_true(d.blocked);
    q.facts.n_ancestors = 0;
    assert_int_equal(policy_explain(image, &q, &d), 0);
    assert_int_equal(d.overall.verdict, SG_KILL);
    policy_image_free(image);
}

// One access may ask for several operations: the strongest answer is the one that counts, what is
// enforced before what is monitored.
static void test_strongest(void **state)
{
    struct policy_image *image = compile("safeguard: 1\nmode: enforce\nfiles:\n"
                                         "  - {path: /a, access: read, do: audit}\n"
                                         "  - {path: /a, access: exec, do: kill, mode: monitor}\n"
                                         "  - {path: /a, access: chmod, do: deny}\n");
    struct policy_query q = {.path = "/a",
                             .path_len = 2,
                             .ops = SG_OPS_ANY,
                             .facts = {.session = -1}};
    struct policy_decision d;

    (void)state;
    assert_int_equal(policy_explain(image, &q, &d), 0);
    assert_int_equal(d.overall.rule, 2);
    assert_true(d.blocked);
    q.ops = SG_OP_READ | SG_OP_EXEC;
    assert_int_equal(policy_explain(image, &q, &d), 0);
    assert_int_equal(d.overall.rule, 1);
    assert_true(d.overall.monitor);
    assert_false(d.blocked);
    policy_image_free(image);
}

UNIT_MAIN(cmocka_unit_test(test_text), cmocka_unit_test(test_bad_questions),
          cmocka_unit_test(test_session), cmocka_unit_test(test_strongest))
