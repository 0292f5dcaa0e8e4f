// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <sched.h>

#include "base/macro.h"
#include "policy/compile.h"
#include "policy/schedule.h"

#define HEAD "safeguard: 1\nname: x\nmode: enforce\nprocesses:\n"

static int load(const char *rules, struct policy_diags *diags, struct policy **ret)
{
    char text[2048];
    int n = snprintf(text, sizeof(text), HEAD "%s", rules);

    return policy_load_buffer("x.yaml", text, (size_t)n, NULL, diags, ret);
}

static void test_values(void **state)
{
    _cleanup_(policy_diags_done) struct policy_diags diags = {};
    _cleanup_(policy_freep) struct policy *p = NULL;
    const struct schedule *s;

    (void)state;
    assert_int_equal(
        load(
            "  - {by: {exe: /bin/a}, schedule: {weight: 20, quota: 12.5%, cpus: \"0-3,8\", nice: -5,"
            " class: batch, io_class: real-time}}\n"
            "  - {by: {cgroup: /a.slice}, schedule: {io_weight: 7, class: rr, priority: 50}}\n",
            &diags, &p),
        0);
    s = p->rules[0].schedule;
    assert_int_equal(s->set,
                     SCHEDULE_WEIGHT | SCHEDULE_QUOTA | SCHEDULE_CPUS | SCHEDULE_OF_PROCESS);
    assert_int_equal(s->weight, 20);
    assert_int_equal(s->quota_permille, 125);
    assert_string_equal(s->cpus, "0-3,8");
    assert_int_equal(s->nice, -5);
    assert_int_equal(s->policy, SCHED_BATCH);
    assert_int_equal(s->io_class, 1);
    assert_int_equal(p->rules[0].verdict, SG_AUDIT);
    assert_false(policy_schedule_groups(p, &p->rules[0]));
    s = p->rules[1].schedule;
    assert_int_equal(s->set, SCHEDULE_IO_WEIGHT | SCHEDULE_CLASS);
    assert_int_equal(s->priority, 50);
    assert_true(policy_schedule_groups(p, &p->rules[1]));
}

static void test_mistakes(void **state)
{
    static const char *const rules[] = {
        "{schedule: {nice: 1}}",
        "{by: {exe: /bin/a}, schedule: {}}",
        "{by: {exe: /bin/a}, schedule: 7}",
        "{by: {exe: /bin/a}, schedule: {weight: 0}}",
        "{by: {exe: /bin/a}, schedule: {weight: 10001}}",
        "{by: {exe: /bin/a}, schedule: {nice: 20}}",
        "{by: {exe: /bin/a}, schedule: {nice: 1x}}",
        "{by: {exe: /bin/a}, schedule: {quota: 50}}",
        "{by: {exe: /bin/a}, schedule: {quota: 0%}}",
        "{by: {exe: /bin/a}, schedule: {quota: nan%}}",
        "{by: {exe: /bin/a}, schedule: {cpus: 3-1}}",
        "{by: {exe: /bin/a}, schedule: {class: deadline}}",
        "{by: {exe: /bin/a}, schedule: {class: slow}}",
        "{by: {exe: /bin/a}, schedule: {class: fifo}}",
        "{by: {exe: /bin/a}, schedule: {class: batch, priority: 3}}",
        "{by: {exe: /bin/a}, schedule: {class: fifo, priority: 3, nice: 1}}",
        "{by: {exe: /bin/a}, schedule: {io_class: none}}",
        "{by: {exe: /bin/a}, schedule: {io_weight: 50}}",
        "{by: {cgroup: /a*}, schedule: {io_weight: 50}}",
        "{by: {cgroup: /a, user: 0}, schedule: {io_weight: 50}}",
        "{by: {exe: /bin/a}, schedule: {colour: 1}}",
        "{by: {exe: /bin/a}, schedule: {nice: 1}, do: deny}",
        "{by: {exe: /bin/a}, do: audit, schedule: {nice: 1}}",
        "{by: {exe: /bin/a}, schedule: {nice: 1}, exec: /bin/b}",
        "{by: {exe: /bin/a}, exec: /bin/b, schedule: {nice: 1}}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        _cleanup_(policy_diags_done) struct policy_diags diags = {};
        _cleanup_(policy_freep) struct policy *p = NULL;
        char text[256];

        (void)snprintf(text, sizeof(text), "  - %s\n", rules[i]);
        if (load(text, &diags, &p) != -EINVAL)
            fail_msg("taken: %s", rules[i]);
        assert_true(diags.n > 0);
    }
}

static void test_not_of_control(void **state)
{
    _cleanup_(policy_diags_done) struct policy_diags diags = {};
    _cleanup_(policy_freep) struct policy *p = NULL;
    static const char text[] =
        "safeguard: 1\nname: x\nmode: enforce\ncontrol:\n  - {schedule: any, do: deny}\n";

    (void)state;
    assert_int_equal(policy_load_buffer("x.yaml", text, strlen(text), NULL, &diags, &p), -EINVAL);
}

static void test_whose(void **state)
{
    _cleanup_(policy_diags_done) struct policy_diags diags = {};
    _cleanup_(policy_image_freep) struct policy_image *image = NULL;
    _cleanup_(policy_freep) struct policy *p = NULL;
    struct policy_facts facts = {.exe = "/bin/a",
                                 .uid = 7,
                                 .login_uid = (uint32_t)-1,
                                 .session = -1};
    uint16_t rule = 99;

    (void)state;
    assert_int_equal(
        load("  - {exec: /bin/x, do: deny}\n"
             "  - {by: {exe: /bin/m}, mode: monitor, schedule: {nice: 1}}\n"
             "  - {by: {exe: [/bin/a, /bin/m]}, not_by: {user: 8}, schedule: {nice: 2}}\n"
             "  - {by: {user: [8, 9]}, schedule: {nice: 3}}\n",
             &diags, &p),
        0);
    assert_int_equal(policy_compile(p, NULL, NULL, &diags, &image), 0);
    assert_true(policy_schedules(image));
    assert_int_equal(policy_schedule_of(image, &facts, 0, &rule), 0);
    assert_int_equal(rule, 2);
    facts.uid = 8;
    assert_int_equal(policy_schedule_of(image, &facts, 0, &rule), 0);
    assert_int_equal(rule, 3);
    facts.exe = "/bin/b";
    facts.uid = 7;
    assert_int_equal(policy_schedule_of(image, &facts, 0, &rule), -ENOENT);
    // The first that matches decides, also where it does nothing.
    facts.exe = "/bin/m";
    assert_int_equal(policy_schedule_of(image, &facts, 0, &rule), -ENOENT);
    facts.exe = "no path";
    assert_int_equal(policy_schedule_of(image, &facts, 0, &rule), -EINVAL);
}

static void test_none(void **state)
{
    _cleanup_(policy_diags_done) struct policy_diags diags = {};
    _cleanup_(policy_image_freep) struct policy_image *image = NULL;
    _cleanup_(policy_freep) struct policy *p = NULL;
    const struct policy_facts facts = {.exe = "/bin/x", .session = -1};
    uint16_t rule;

    (void)state;
    assert_int_equal(load("  - {exec: /bin/x, do: deny}\n", &diags, &p), 0);
    assert_int_equal(policy_compile(p, NULL, NULL, &diags, &image), 0);
    assert_false(policy_schedules(image));
    assert_int_equal(policy_schedule_of(image, &facts, 0, &rule), -ENOENT);
}

UNIT_MAIN(cmocka_unit_test(test_values), cmocka_unit_test(test_mistakes),
          cmocka_unit_test(test_not_of_control), cmocka_unit_test(test_whose),
          cmocka_unit_test(test_none))
