// SPDX-License-Identifier: Apache-2.0
//
// Which rules schedule, as whoever looks at the host is told: where each is written, what it sets, and by what.
#include "tests/unit/unit.h"

#include <string.h>

#include "agent/agent.h"
#include "base/jsonget.h"

static struct policy *load(const char *rules)
{
    _cleanup_(policy_diags_done) struct policy_diags diags = {};
    _cleanup_(sb_done) struct strbuf text = {};
    struct policy *p = NULL;

    sb_printf(&text, "safeguard: 1\nname: p\nmode: enforce\nprocesses:\n%s", rules);
    assert_int_equal(policy_load_buffer("/etc/safeguard/policies/70-batch.yaml", sb_str(&text),
                                        text.len, NULL, &diags, &p),
                     0);
    return p;
}

static struct json_object *shown(struct agent *a)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct json_object *o;
    struct jw jw;

    jw_init(&jw, &sb);
    schedule_rules_json(a, &jw);
    assert_int_equal(jw_finish(&jw), 0);
    o = json_tokener_parse(sb_str(&sb));
    assert_true(json_object_is_type(o, json_type_array));
    return o;
}

static void test_shown(void **state _unused_)
{
    struct loaded loaded = {};
    struct agent *a = calloc(1, sizeof(*a));
    struct json_object *list, *one, *values;

    assert_non_null(a);
    // No policy, and one without such rules.
    list = shown(a);
    assert_int_equal(json_object_array_length(list), 0);
    json_object_put(list);
    loaded.policy = load(
        "  - {by: {cgroup: [/b.slice, /c.slice]}, schedule: {weight: 20, io_weight: 7}}\n"
        "  - {by: {exe: /bin/a}, mode: monitor, schedule: {nice: 1}}\n"
        "  - {by: {exe: /bin/a}, schedule: {quota: 12.5%, cpus: \"0-3\","
        " class: rr, priority: 9, io_class: idle}}\n"
        "  - {by: {exe: /bin/b}, schedule: {nice: -5, class: batch}}\n");
    a->policies.now = &loaded;
    assert_int_equal(schedule_rules_of(loaded.policy, &a->scheduling.rules, &a->scheduling.n_rules),
                     0);
    list = shown(a);
    // Rules that are only monitored do nothing.
    assert_int_equal(json_object_array_length(list), 3);
    one = json_object_array_get_idx(list, 0);
    assert_string_equal(json_get_str(one, "file", ""), "/etc/safeguard/policies/70-batch.yaml");
    assert_int_equal(json_get_u64(one, "line", 0), 5);
    assert_int_equal(json_get_bool(one, "named_groups", -1), 1);
    assert_string_equal(json_object_to_json_string_ext(json_get(one, "groups"),
                                                       JSON_C_TO_STRING_PLAIN |
                                                           JSON_C_TO_STRING_NOSLASHESCAPE),
                        "[\"/b.slice\",\"/c.slice\"]");
    assert_null(json_get_str(one, "own_group", NULL));
    values = json_get(one, "values");
    assert_int_equal(json_object_object_length(values), 2);
    assert_int_equal(json_get_u64(values, "io_weight", 0), 7);
    one = json_object_array_get_idx(list, 1);
    assert_int_equal(json_get_u64(one, "line", 0), 7);
    assert_int_equal(json_get_bool(one, "named_groups", -1), 0);
    assert_non_null(str_startswith(json_get_str(one, "own_group", ""), BOOK_GROUP));
    values = json_get(one, "values");
    assert_int_equal(json_get_u64(values, "quota_permille", 0), 125);
    assert_string_equal(json_get_str(values, "class", ""), "rr");
    assert_int_equal(json_get_u64(values, "priority", 0), 9);
    assert_string_equal(json_get_str(values, "io_class", ""), "idle");
    values = json_get(json_object_array_get_idx(list, 2), "values");
    assert_int_equal(json_get_i64(values, "nice", 0), -5);
    assert_string_equal(json_get_str(values, "class", ""), "batch");
    assert_null(json_get(values, "priority"));
    json_object_put(list);
    free(a->scheduling.rules);
    policy_free(loaded.policy);
    free(a);
}

UNIT_MAIN(cmocka_unit_test(test_shown))
