// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <bpf/libbpf.h>

#include "base/fd.h"
#include "sensor/capture.h"

static const char refused[] =
    "libbpf: prog 'lsm_file_open': BPF program load failed: Permission denied\n"
    "libbpf: prog 'lsm_file_open': -- BEGIN PROG LOAD LOG --\n"
    "0: R1=ctx(off=0,imm=0) R10=fp0\n"
    "R2 type=trusted_ptr_or_null_ expected=ptr_\n"
    "processed 812 insns (limit 1000000) max_states_per_insn 3\n"
    "-- END PROG LOAD LOG --\n"
    "libbpf: prog 'lsm_file_open': failed to load: -13\n"
    "libbpf: failed to load object 'safeguard'\n";

static void test_program(void **state)
{
    char name[16];

    (void)state;
    assert_true(capture_program(refused, name, sizeof(name)));
    assert_string_equal(name, "lsm_file_open");
    assert_false(capture_program(refused, name, 4));
    assert_false(capture_program("libbpf: failed\n", name, sizeof(name)));
    assert_false(capture_program("libbpf: prog 'cut", name, sizeof(name)));
}

static void test_the_telling_line(void **state)
{
    char *dir = unit_mkdtemp(), *text = NULL;
    const char *path = unit_path(dir, "verifier.log");
    struct error err = {};
    struct capture c;

    (void)state;
    capture_begin(&c);
    sb_puts(&c.text, refused);
    (void)error_set(&err, -EACCES, "the kernel refused the programs");
    capture_explain(&c, path, &err);
    capture_end(&c);
    assert_string_equal(err.what, "program lsm_file_open: the kernel refused the programs");
    assert_non_null(strstr(err.expected, "R2 type=trusted_ptr_or_null_ expected=ptr_"));
    assert_null(strstr(err.expected, "processed"));
    assert_non_null(strstr(err.cure, path));
    assert_int_equal(read_file_bounded(AT_FDCWD, path, 1 << 16, &text, NULL), 0);
    assert_string_equal(text, refused);
    free(text);
    unit_rmdir(dir);
}

static void test_in_one_line(void **state)
{
    char said[128], cut[16];
    struct capture c;

    (void)state;
    capture_begin(&c);
    capture_said(&c, said, sizeof(said));
    assert_string_equal(said, "");
    sb_puts(&c.text, refused);
    capture_said(&c, said, sizeof(said));
    assert_string_equal(said, "lsm_file_open: R2 type=trusted_ptr_or_null_ expected=ptr_");
    capture_said(&c, cut, sizeof(cut));
    assert_string_equal(cut, "lsm_file_open: ");
    capture_end(&c);
}

static void test_without_a_log(void **state)
{
    struct error err = {};
    struct capture c;

    (void)state;
    capture_begin(&c);
    capture_explain(&c, NULL, &err);
    assert_false(error_is_set(&err));
    sb_puts(
        &c.text,
        "libbpf: map 'sg_nodes': failed to create: Operation not supported(-95)\nlibbpf: more\n");
    (void)error_set(&err, -EOPNOTSUPP, "the kernel refused the maps");
    capture_explain(&c, NULL, &err);
    capture_end(&c);
    assert_non_null(strstr(err.expected, "sg_nodes"));
    assert_null(strstr(err.expected, "more"));
    assert_string_equal(err.cure, "");
}

static void test_libbpf_is_heard_and_silent(void **state)
{
    static const char junk[] =
        "this is no object file at all, but long enough to look like one ........";
    struct capture outer, inner;

    (void)state;
    capture_begin(&outer);
    capture_begin(&inner);
    assert_null(bpf_object__open_mem(junk, sizeof(junk), NULL));
    assert_true(inner.text.len > 0);
    assert_int_equal(outer.text.len, 0);
    capture_end(&inner);
    assert_null(bpf_object__open_mem(junk, sizeof(junk), NULL));
    assert_true(outer.text.len > 0);
    capture_end(&outer);
    assert_null(bpf_object__open_mem(junk, sizeof(junk), NULL));
}

UNIT_MAIN(cmocka_unit_test(test_program), cmocka_unit_test(test_the_telling_line),
          cmocka_unit_test(test_in_one_line), cmocka_unit_test(test_without_a_log),
          cmocka_unit_test(test_libbpf_is_heard_and_silent))
