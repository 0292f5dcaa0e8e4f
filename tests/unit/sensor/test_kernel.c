// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/fd.h"
#include "sensor/kernel.h"
#include "sensor/sensor.h"
#include "tests/unit/sensor/kernel_btf.h"

static void test_version(void **state)
{
    (void)state;
    assert_int_equal(kernel_version("6.12.117+deb13-cloud-amd64"), KERNEL(6, 12));
    assert_int_equal(kernel_version("5.10.0-46-amd64"), KERNEL(5, 10));
    assert_true(kernel_version("6.2-rc1") < kernel_version("6.10"));
    assert_int_equal(kernel_version("linux"), 0);
    assert_int_equal(kernel_version(""), 0);
}

static void test_target_names(void **state)
{
    char name[32];

    (void)state;
    assert_int_equal(kernel_target_name("lsm/file_open", name, sizeof(name)), 0);
    assert_string_equal(name, "bpf_lsm_file_open");
    assert_int_equal(kernel_target_name("lsm.s/file_open", name, sizeof(name)), 0);
    assert_string_equal(name, "bpf_lsm_file_open");
    assert_int_equal(kernel_target_name("fmod_ret/security_bprm_check", name, sizeof(name)), 0);
    assert_string_equal(name, "security_bprm_check");
    assert_int_equal(kernel_target_name("tp_btf/sched_process_fork", name, sizeof(name)), 0);
    assert_string_equal(name, "btf_trace_sched_process_fork");
    assert_int_equal(kernel_target_name("kprobe/x", name, sizeof(name)), -EINVAL);
    assert_int_equal(kernel_target_name("lsm/a_name_that_is_far_too_long_for_it", name,
                                        sizeof(name)),
                     -ENOSPC);
}

static void test_arguments_are_counted(void **state)
{
    struct btf *btf = fake_btf_new();

    (void)state;
    fake_btf_function(btf, "bpf_lsm_inode_setattr", 2);
    fake_btf_function(btf, "security_inode_setattr", 3);
    fake_btf_function(btf, "d_move", 0);
    fake_btf_tracepoint(btf, "btf_trace_sched_process_exec");
    assert_int_equal(kernel_target_args(btf, "lsm/inode_setattr"), 2);
    assert_int_equal(kernel_target_args(btf, "fmod_ret/security_inode_setattr"), 3);
    assert_int_equal(kernel_target_args(btf, "fexit/d_move"), 0);
    assert_int_equal(kernel_target_args(btf, "tp_btf/sched_process_exec"), 0);
    assert_int_equal(kernel_target_args(btf, "tp_btf/sched_process_fork"), -ENOENT);
    assert_int_equal(kernel_target_args(btf, "lsm/file_truncate"), -ENOENT);
    // A type of that name is no function.
    assert_int_equal(kernel_target_args(btf, "fexit/int"), -ENOENT);
    btf__free(btf);
}

static void test_f_path(void **state)
{
    (void)state;
    for (int in_union = 0; in_union < 2; in_union++) {
        struct btf *btf = fake_btf_new();

        fake_btf_file(btf, in_union);
        assert_int_equal(kernel_f_path_in_union(btf), in_union);
        btf__free(btf);
    }
}

static int symbol(const char *dir, const char *text, uint64_t *ret)
{
    const char *path = unit_path(dir, "kallsyms");

    assert_int_equal(write_file_atomic(AT_FDCWD, path, text, strlen(text), 0600), 0);
    return kernel_symbol(path, "rename_lock", ret);
}

static void test_symbols(void **state)
{
    char *dir = unit_mkdtemp();
    uint64_t address = 7;

    (void)state;
    assert_int_equal(symbol(dir,
                            "ffffffff81000000 T _text\n"
                            "ffffffffc0000000 d rename_lock\t[module]\n"
                            "ffffffff82000000 d my_rename_lock\n"
                            "ffffffff82d095c0 D rename_lock\n",
                            &address),
                     0);
    assert_int_equal(address, 0xffffffff82d095c0);
    address = 7;
    assert_int_equal(symbol(dir, "0000000000000000 D rename_lock\n", &address), -EACCES);
    assert_int_equal(symbol(dir, "ffffffff81000000 T _text\n", &address), -ENOENT);
    assert_int_equal(symbol(dir, "", &address), -ENOENT);
    // Cut off, or not of the form.
    assert_int_equal(symbol(dir, "ffffffff81000000 D rename_lock", &address), -ENOENT);
    assert_int_equal(symbol(dir, "rename_lock\n\n\nx rename_lock\n", &address), -ENOENT);
    assert_int_equal(kernel_symbol(unit_path(dir, "none"), "rename_lock", &address), -ENOENT);
    assert_int_equal(address, 7);
    unit_rmdir(dir);
}

static void test_program_names(void **state)
{
    static const char *const expected[] = {"lsm_file_open_1_u", "lsm_file_open_u",
                                           "lsm_file_open_1", "lsm_file_open"};
    char name[64];

    (void)state;
    for (unsigned i = 0; i < KERNEL_PROGRAM_NAMES; i++) {
        kernel_program_name(i, "lsm", "file_open", 1, name, sizeof(name));
        assert_string_equal(name, expected[i]);
    }
    kernel_program_name(3, "lsm", "file_open", 1, name, 5);
    assert_string_equal(name, "");
}

// The errno of reading, not libbpf's own for all of them.
static void test_types_from_a_file(void **state)
{
    char *dir = unit_mkdtemp();
    struct btf *btf = NULL;
    char path[4096];
    struct error err = {};

    (void)state;
    (void)unit_path_in(path, sizeof(path), dir, "btf");
    assert_int_equal(write_file_atomic(AT_FDCWD, path, "no types", 8, 0600), 0);
    assert_true(kernel_btf_from(path, &btf) < 0);
    assert_int_not_equal(kernel_btf_from(path, &btf), -ESRCH);
    assert_true(kernel_btf_from(dir, &btf) < 0);
    assert_int_not_equal(kernel_btf_from(dir, &btf), -ESRCH);
    assert_null(btf);
    assert_int_equal(kernel_btf_error(&err, -ENOMEM), -ENOMEM);
    assert_string_equal(
        err.what,
        "the kernel's types (/sys/kernel/btf/vmlinux) cannot be read: Cannot allocate memory");
    assert_string_equal(err.cure, SENSOR_MEMORY_CURE);
    unit_rmdir(dir);
}

static void test_target_ids(void **state)
{
    struct btf *btf = fake_btf_new();

    (void)state;
    fake_btf_function(btf, "bpf_lsm_file_open", 1);
    fake_btf_tracepoint(btf, "btf_trace_sched_process_exit");
    assert_true(kernel_target_id(btf, "lsm/file_open") > 0);
    assert_true(kernel_target_id(btf, "tp_btf/sched_process_exit") > 0);
    assert_int_equal(kernel_target_id(btf, "lsm/file_close"), -ENOENT);
    assert_int_equal(kernel_target_id(btf, "kprobe/x"), -EINVAL);
    btf__free(btf);
}

UNIT_MAIN(cmocka_unit_test(test_types_from_a_file), cmocka_unit_test(test_target_ids),
          cmocka_unit_test(test_version), cmocka_unit_test(test_target_names),
          cmocka_unit_test(test_arguments_are_counted), cmocka_unit_test(test_f_path),
          cmocka_unit_test(test_symbols), cmocka_unit_test(test_program_names))
