// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "sensor/internal.h"

static const struct link both[] = {{.program = "lsm_file_open", .quick = true},
                                   {.program = "lsm_inode_link", .quick = true}};

static struct sensor_quick describe(const struct sensor *s)
{
    struct sensor_quick q;

    memset(&q, 0xa5, sizeof(q));
    quick_describe(s, &q);
    return q;
}

static void test_on(void **state)
{
    struct link links[] = {both[0], both[1]};
    struct sensor s = {.attach = SENSOR_ATTACH_LSM, .typed = true, .choices.typed = true};
    struct sensor_quick q = describe(&s);

    (void)state;
    assert_true(q.on && !q.refused);
    s.links = (struct links){.items = links, .n = 2};
    q = describe(&s);
    assert_true(q.on);
    assert_string_equal(q.reason, "");
    assert_string_equal(q.cure, "");
}

// One program without them is enough, whatever is loaded from now on.
static void test_one_without(void **state)
{
    struct link links[] = {both[0], {.program = "lsm_inode_link"}};
    struct sensor s = {.attach = SENSOR_ATTACH_LSM,
                       .typed = true,
                       .choices.typed = true,
                       .links = {.items = links, .n = 2},
                       .quick = {.inherited = true}};
    struct sensor_quick q = describe(&s);

    (void)state;
    assert_true(!q.on && q.refused);
    assert_non_null(strstr(q.reason, "earlier agent"));
}

static void test_refused(void **state)
{
    struct sensor s = {.attach = SENSOR_ATTACH_LSM,
                       .choices.typed = true,
                       .quick = {.refused = true, .said = "lsm_file_open: R2 is bad"}};
    struct sensor_quick q = describe(&s);

    (void)state;
    assert_true(!q.on && q.refused);
    assert_non_null(strstr(q.reason, "refused"));
    assert_non_null(strstr(q.reason, "lsm_file_open: R2 is bad"));
    assert_string_equal(q.log, SENSOR_FAILURES);
    assert_non_null(strstr(q.cure, SENSOR_FAILURES));
}

// Where a kernel is known not to take them, directories are in a table by choice. Programs of type fmod_ret have no more than
// that, and there is a reason.
static void test_not_on_this_kernel(void **state)
{
    struct sensor s = {.attach = SENSOR_ATTACH_LSM};
    struct sensor_quick q = describe(&s);

    (void)state;
    assert_true(q.on && !q.refused);
    assert_string_equal(q.reason, "");
    s = (struct sensor){.attach = SENSOR_ATTACH_FMOD_RET, .typed = true};
    q = describe(&s);
    assert_true(!q.on && !q.refused);
    assert_string_not_equal(q.reason, "");
    assert_string_not_equal(q.cure, "");
}

// What cannot be asked counts as what this sensor would load.
static void test_programs_that_cannot_be_asked(void **state)
{
    struct quick q = {};

    (void)state;
    assert_true(quick_of_program(&q, UINT32_MAX, true));
    assert_false(quick_of_program(&q, UINT32_MAX, false));
    q.size = 1;
    assert_true(quick_of_program(&q, UINT32_MAX, true));
}

UNIT_MAIN(cmocka_unit_test(test_on), cmocka_unit_test(test_one_without),
          cmocka_unit_test(test_refused), cmocka_unit_test(test_not_on_this_kernel),
          cmocka_unit_test(test_programs_that_cannot_be_asked))
