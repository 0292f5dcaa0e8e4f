// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/macro.h"
#include "model/bundle.h"
#include "model/stream.h"

static void test_ids(void **state)
{
    static const char *const bad[] = {NULL,
                                      "",
                                      "00000000000000000000000000000000",
                                      "0123456789abcdef0123456789abcde",
                                      "0123456789abcdef0123456789abcdef0",
                                      "0123456789abcdef0123456789abcdeg"};
    char text[STREAM_ID_TEXT];
    struct stream_id a, b;

    (void)state;
    assert_int_equal(stream_id_new(&a), 0);
    assert_int_equal(stream_id_new(&b), 0);
    assert_false(stream_id_equal(&a, &b));
    stream_id_format(&a, text);
    assert_int_equal(strlen(text), 32);
    assert_int_equal(stream_id_parse(text, &b), 0);
    assert_true(stream_id_equal(&a, &b));
    assert_false(stream_id_is_none(&a));
    assert_int_equal(stream_id_parse("0123456789ABCDEF0123456789abcdef", &b), 0);
    stream_id_format(&b, text);
    assert_string_equal(text, "0123456789abcdef0123456789abcdef");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(stream_id_parse(bad[i], &b), -EINVAL);
}

static void test_classes(void **state)
{
    enum stream_class class;

    (void)state;
    for (unsigned i = 0; i < STREAM_CLASSES; i++) {
        assert_int_equal(stream_class_find(stream_class_name((enum stream_class)i), &class), 0);
        assert_int_equal(class, i);
    }
    assert_null(stream_class_name(STREAM_CLASSES));
    assert_int_equal(stream_class_find(NULL, &class), -ENOENT);
    assert_int_equal(stream_class_find("Audit", &class), -ENOENT);
}

static void test_bundle_id(void **state)
{
    struct bundle_file files[] = {
        {"10-a.yaml", "x: 1\n", 5, BUNDLE_POLICY},
        {"20-b.yaml", "", 0, BUNDLE_MONITOR},
    };
    char id[BUNDLE_ID_TEXT], other[BUNDLE_ID_TEXT];

    (void)state;
    assert_int_equal(bundle_id(files, 2, id), 0);
    // What an earlier version hands out must not change.
    assert_string_equal(id, "a44fa2e8d00e1ad13470d422c65c05c3f304753b8285a334a0a4b1173c9a43a5");
    files[1].mode = BUNDLE_POLICY;
    assert_int_equal(bundle_id(files, 2, other), 0);
    assert_string_not_equal(id, other);
    assert_int_equal(bundle_id(files, 1, other), 0);
    assert_string_not_equal(id, other);
    assert_int_equal(bundle_id(NULL, 0, other), 0);
    assert_string_equal(other, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    files[1].name = "10-a.yaml";
    assert_int_equal(bundle_id(files, 2, other), -EINVAL);
    files[1].name = "05-a.yaml";
    assert_int_equal(bundle_id(files, 2, other), -EINVAL);
    files[1].name = "20-b.yaml";
    files[1].len = BUNDLE_TEXT_MAX + 1;
    assert_int_equal(bundle_id(files, 2, other), -EMSGSIZE);
    assert_int_equal(bundle_id(files, BUNDLE_FILES_MAX + 1, other), -E2BIG);
}

static void test_bundle_names(void **state)
{
    static const char *const bad[] = {NULL,    "",         ".yaml",   "../a.yaml", "a/b.yaml",
                                      "a.yml", "a b.yaml", ".a.yaml", "a.yaml\n",  "a"};
    enum bundle_mode mode;

    (void)state;
    assert_int_equal(bundle_name_check("50-web_2.x.yaml"), 0);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(bundle_name_check(bad[i]), -EINVAL);
    for (unsigned i = 0; i < BUNDLE_MODES; i++) {
        assert_int_equal(bundle_mode_find(bundle_mode_name((enum bundle_mode)i), &mode), 0);
        assert_int_equal(mode, i);
    }
    assert_int_equal(bundle_mode_find("enforce", &mode), -ENOENT);
}

UNIT_MAIN(cmocka_unit_test(test_ids), cmocka_unit_test(test_classes),
          cmocka_unit_test(test_bundle_id), cmocka_unit_test(test_bundle_names))
