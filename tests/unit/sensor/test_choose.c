// SPDX-License-Identifier: Apache-2.0
//
// Which of the object's programs serve a kernel. The object is the real one; the kernels are made up.
#include "tests/unit/unit.h"

#include <bpf/libbpf.h>

#include "base/macro.h"
#include "base/strutil.h"
#include "sensor/internal.h"
#include "sensor/object.h"
#include "tests/unit/sensor/kernel_btf.h"

static struct bpf_object *open_object(void)
{
    size_t len;
    const void *bytes = object_bytes(&len);
    struct bpf_object *object = bpf_object__open_mem(bytes, len, NULL);

    assert_non_null(object);
    return object;
}

// A kernel that has every hook with as many arguments as the plain program expects, but for those named.
static struct btf *kernel_without(const char *missing)
{
    struct btf *btf = fake_btf_new();
    char name[64];

    for (size_t i = 0; i < HOOKS; i++) {
        if (missing && streq(hook_row(i)->id, missing))
            continue;
        (void)snprintf(name, sizeof(name), "bpf_lsm_%s", hook_row(i)->id);
        fake_btf_function(btf, name, 99);
    }
    fake_btf_function(btf, "bpf_lsm_file_open", 99); // file_opened attaches there, too
    fake_btf_function(btf, "locks_remove_file", 1);  // … and file_close here
    fake_btf_tracepoint(btf, "btf_trace_sched_process_fork");
    fake_btf_tracepoint(btf, "btf_trace_sched_process_exec");
    fake_btf_tracepoint(btf, "btf_trace_sched_process_exit");
    fake_btf_file(btf, 0);
    return btf;
}

static int wanted(const struct choices *c, uint32_t ops, uint32_t needs, bool old_descriptors,
                  struct names *ret, struct error *err)
{
    const struct wants wants = {.ops = ops, .needs = needs, .old_descriptors = old_descriptors};

    return choose_wanted(c, &wants, ret, err);
}

static const char *chosen(const struct choices *c, const char *id)
{
    return c->hooks[hook_index(id)].program;
}

static void test_every_hook_has_its_program(void **state)
{
    struct bpf_object *object = open_object();
    struct btf *btf = kernel_without(NULL);
    struct choices c;

    (void)state;
    choose_programs(object, btf, "6.1.0", SENSOR_ATTACH_LSM, &c);
    for (size_t i = 0; i < HOOKS; i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "lsm_%s", hook_row(i)->id);
        assert_string_equal(c.hooks[i].program, hook_successor(hook_row(i)->id) ? "" : name);
        assert_non_null(bpf_object__find_program_by_name(object, name));
        (void)snprintf(name, sizeof(name), "fmod_%s", hook_row(i)->id);
        assert_non_null(bpf_object__find_program_by_name(object, name));
    }
    assert_true(c.typed);
    btf__free(btf);
    bpf_object__close(object);
}

static void test_arguments_decide(void **state)
{
    struct bpf_object *object = open_object();
    struct choices c;

    (void)state;
    for (int n_args = 2; n_args <= 3; n_args++) {
        struct btf *btf = fake_btf_new();

        fake_btf_function(btf, "bpf_lsm_inode_setattr", n_args);
        choose_programs(object, btf, "6.1.0", SENSOR_ATTACH_LSM, &c);
        assert_string_equal(chosen(&c, "inode_setattr"),
                            n_args == 3 ? "lsm_inode_setattr_3" : "lsm_inode_setattr");
        btf__free(btf);
    }
    bpf_object__close(object);
}

static void test_arguments_decide_for_other_functions_too(void **state)
{
    struct bpf_object *object = open_object();
    struct choices c;
    struct names names;
    struct error err = {};

    (void)state;
    for (int n_args = 4; n_args <= 5; n_args++) {
        struct btf *btf = kernel_without(NULL);

        fake_btf_function(btf, "vfs_link", n_args);
        choose_programs(object, btf, "6.1.0", SENSOR_ATTACH_LSM, &c);
        assert_int_equal(wanted(&c, SG_OP_READ, 0, false, &names, &err), 0);
        assert_int_equal(names_has(&names, "fexit_vfs_link_4"), n_args == 4);
        assert_int_equal(names_has(&names, "fexit_vfs_link"), n_args == 5);
        btf__free(btf);
    }
    bpf_object__close(object);
}

static void test_what_is_missing_is_said(void **state)
{
    struct bpf_object *object = open_object();
    struct btf *btf = kernel_without("file_truncate");
    struct choices c;

    (void)state;
    choose_programs(object, btf, "6.14.1", SENSOR_ATTACH_LSM, &c);
    assert_string_equal(chosen(&c, "file_truncate"), "");
    assert_non_null(
        strstr(c.hooks[hook_index("file_truncate")].reason, "path_truncate sees the same"));
    assert_string_equal(chosen(&c, "path_truncate"), "lsm_path_truncate");
    assert_false(c.typed);
    // The functions that fmod_ret changes are not there at all.
    choose_programs(object, btf, "6.14.1", SENSOR_ATTACH_FMOD_RET, &c);
    assert_string_equal(chosen(&c, "file_open"), "");
    assert_true(*c.hooks[hook_index("file_open")].reason != '\0');
    btf__free(btf);
    bpf_object__close(object);
}

// What a newer hook sees better is left to it, where there is that one.
static void test_a_newer_hook_takes_over(void **state)
{
    struct bpf_object *object = open_object();
    struct btf *btf = kernel_without("userns_create");
    struct choices c;

    (void)state;
    choose_programs(object, btf, "5.10.0", SENSOR_ATTACH_LSM, &c);
    assert_string_equal(chosen(&c, "cred_prepare"), "lsm_cred_prepare");
    assert_non_null(strstr(c.hooks[hook_index("userns_create")].reason, "cred_prepare sees"));
    btf__free(btf);
    btf = kernel_without(NULL);
    choose_programs(object, btf, "6.1.0", SENSOR_ATTACH_LSM, &c);
    assert_string_equal(chosen(&c, "cred_prepare"), "");
    assert_non_null(strstr(c.hooks[hook_index("cred_prepare")].reason, "userns_create sees"));
    btf__free(btf);
    bpf_object__close(object);
}

// Who is scheduled is stopped on a hook where a program on a tracepoint may be skipped, and where hooks are of that type.
static void test_who_is_scheduled_is_stopped_where_nobody_is_missed(void **state)
{
    static const struct {
        const char *release;
        enum sensor_attach attach;
        bool by_hook, twice;
    } kernels[] = {
        {"6.19.4", SENSOR_ATTACH_LSM, false, false},
        {"7.0.0", SENSOR_ATTACH_LSM, true, true},
        {"7.3.4+deb13", SENSOR_ATTACH_LSM, true, true},
        {"7.3.4", SENSOR_ATTACH_FMOD_RET, false, true},
    };
    struct bpf_object *object = open_object();
    struct btf *btf = kernel_without(NULL);
    struct wants wants = {.controls = SG_BIT(SG_CONTROL_schedule)};
    struct choices c;
    struct names names;
    struct error err = {};

    (void)state;
    fake_btf_function(btf, "bpf_lsm_bprm_committed_creds", 1);
    for (size_t i = 0; i < ARRAY_SIZE(kernels); i++) {
        choose_programs(object, btf, kernels[i].release, kernels[i].attach, &c);
        assert_int_equal(choice_extra(&c, "lsm_exec_begins") != NULL, kernels[i].by_hook);
        assert_int_equal(choice_extra(&c, "tp_exec_again") != NULL, kernels[i].twice);
        assert_int_equal(choose_wanted(&c, &wants, &names, &err), 0);
        assert_int_equal(names_has(&names, "lsm_exec_begins"), kernels[i].by_hook);
        assert_int_equal(wanted(&c, SG_OP_READ, 0, false, &names, &err), 0);
        assert_false(names_has(&names, "lsm_exec_begins"));
    }
    btf__free(btf);
    bpf_object__close(object);
}

// A kind that a rule speaks of calls for its hooks, and for no others.
// 5.12 to 5.15: the hook is there, and io_urings do not pass it.
static void test_a_hook_that_is_not_asked_yet(void **state)
{
    struct bpf_object *object = open_object();
    struct btf *btf = kernel_without("uring_sqpoll");
    struct choices c;

    (void)state;
    choose_programs(object, btf, "5.15.1", SENSOR_ATTACH_LSM, &c);
    assert_string_equal(chosen(&c, "inode_init_security_anon"), "");
    assert_non_null(strstr(c.hooks[hook_index("inode_init_security_anon")].reason,
                           "socket_create sees the same"));
    btf__free(btf);
    bpf_object__close(object);
}

static void test_one_program_looks_at_credentials_at_an_open(void **state)
{
    struct bpf_object *object = open_object();
    struct btf *btf = kernel_without(NULL);
    struct wants wants = {.features = SENSOR_FEATURE_CREDENTIALS};
    struct error err = {};
    struct choices c;
    struct names names;

    (void)state;
    choose_programs(object, btf, "6.1.0", SENSOR_ATTACH_LSM, &c);
    assert_int_equal(choose_wanted(&c, &wants, &names, &err), 0);
    assert_true(names_has(&names, "lsm_cred_open") && names_has(&names, "lsm_cred_create"));
    // Rules about opens bring a program that looks, too.
    wants.ops = SG_OP_READ;
    assert_int_equal(choose_wanted(&c, &wants, &names, &err), 0);
    assert_true(names_has(&names, "lsm_file_open") && names_has(&names, "lsm_cred_create"));
    assert_false(names_has(&names, "lsm_cred_open"));
    wants.features = 0;
    assert_int_equal(choose_wanted(&c, &wants, &names, &err), 0);
    assert_false(names_has(&names, "lsm_cred_open") || names_has(&names, "lsm_cred_create"));
    btf__free(btf);
    bpf_object__close(object);
}

static void test_kinds_decide_what_is_attached(void **state)
{
    struct bpf_object *object = open_object();
    struct btf *btf = kernel_without(NULL);
    struct wants wants = {.controls = SG_BIT(SG_CONTROL_ptrace)};
    struct error err = {};
    struct choices c;
    struct names names;

    (void)state;
    choose_programs(object, btf, "6.1.0", SENSOR_ATTACH_LSM, &c);
    assert_int_equal(choose_wanted(&c, &wants, &names, &err), 0);
    assert_true(names_has(&names, "lsm_ptrace_access_check") &&
                names_has(&names, "lsm_ptrace_traceme"));
    assert_false(names_has(&names, "lsm_task_kill") || names_has(&names, "lsm_capable") ||
                 names_has(&names, "lsm_file_open"));
    wants.controls = SG_BIT(SG_CONTROL_setns);
    assert_int_equal(choose_wanted(&c, &wants, &names, &err), 0);
    assert_true(names_has(&names, "lsm_capable"));
    assert_false(names_has(&names, "lsm_ptrace_access_check"));
    wants.controls = SG_BIT(SG_CONTROL_mount);
    assert_int_equal(choose_wanted(&c, &wants, &names, &err), 0);
    assert_true(names_has(&names, "lsm_control_mount"));
    assert_false(names_has(&names, "lsm_sb_mount")); // that is for files
    btf__free(btf);
    bpf_object__close(object);
}

static void test_operations_decide_what_is_attached(void **state)
{
    struct bpf_object *object = open_object();
    struct btf *btf = kernel_without(NULL);
    struct error err = {};
    struct choices c;
    struct names names;

    (void)state;
    choose_programs(object, btf, "6.1.0", SENSOR_ATTACH_LSM, &c);
    assert_int_equal(wanted(&c, 0, 0, false, &names, &err), 0);
    assert_int_equal(names.n, 3);
    assert_true(names_has(&names, "tp_fork") && names_has(&names, "tp_exec") &&
                names_has(&names, "tp_exit"));

    assert_int_equal(wanted(&c, SG_OP_EXEC, 0, false, &names, &err), 0);
    assert_true(names_has(&names, "lsm_file_open") && names_has(&names, "lsm_inode_rename"));
    assert_false(names_has(&names, "lsm_inode_setattr"));
    assert_false(names_has(&names, "lsm_file_permission"));

    assert_int_equal(wanted(&c, SG_OPS_ANY, SG_NEED_EXE, true, &names, &err), 0);
    assert_true(names_has(&names, "lsm_inode_setattr") && names_has(&names, "lsm_file_permission"));
    assert_true(names_has(&names, "lsm_bprm_check_security"));
    // No rule asks for the program.
    assert_int_equal(wanted(&c, SG_OPS_ANY, SG_NEED_CGROUP, true, &names, &err), 0);
    assert_false(names_has(&names, "lsm_bprm_check_security"));
    // What pins go by is looked after wherever something is enforced.
    assert_int_equal(wanted(&c, SG_OP_READ, 0, false, &names, &err), 0);
    assert_false(names_has(&names, "lsm_file_ioctl"));
    assert_int_equal(wanted(&c, SG_OP_READ, SG_NEED_GUARD, false, &names, &err), 0);
    assert_true(names_has(&names, "lsm_file_ioctl") && names_has(&names, "lsm_file_ioctl_compat"));
    // This kernel has no d_move: the rest goes on without.
    assert_false(names_has(&names, "fexit_d_move"));
    btf__free(btf);
    bpf_object__close(object);
}

// Programs of a feature are there while that is wanted, and are of the kind that those of hooks are.
static void test_features(void **state)
{
    static const char *const hooks[] = {
        "capable",       "task_kill",       "socket_create",       "capset",
        "task_alloc",    "task_fix_setuid", "task_fix_setgid",     "bprm_committed_creds",
        "inode_setattr", "inode_create",    "ptrace_access_check",
    };
    const struct wants wants = {.features = SENSOR_FEATURE_CREDENTIALS};
    struct bpf_object *object = open_object();
    struct btf *btf = kernel_without(NULL);
    struct error err = {};
    struct names names;
    struct choices c;
    char name[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
        for (int k = 0; k < 2; k++) {
            (void)snprintf(name, sizeof(name), "%s_%s", k ? "security" : "bpf_lsm", hooks[i]);
            fake_btf_function(btf, name, 2);
        }
    }
    choose_programs(object, btf, "6.1.0", SENSOR_ATTACH_LSM, &c);
    assert_int_equal(choose_wanted(&c, &wants, &names, &err), 0);
    assert_true(names_has(&names, "lsm_cred_capable") && names_has(&names, "lsm_cred_open") &&
                names_has(&names, "lsm_cred_committed") && names_has(&names, "tp_cred_fork"));
    assert_false(names_has(&names, "lsm_file_open"));
    assert_int_equal(wanted(&c, SG_OP_READ, 0, false, &names, &err), 0);
    assert_false(names_has(&names, "lsm_cred_capable") || names_has(&names, "tp_cred_fork"));
    choose_programs(object, btf, "6.1.0", SENSOR_ATTACH_FMOD_RET, &c);
    assert_int_equal(choose_wanted(&c, &wants, &names, &err), 0);
    assert_true(names_has(&names, "fmod_cred_capable") && names_has(&names, "fmod_cred_committed"));
    assert_false(names_has(&names, "lsm_cred_capable"));
    btf__free(btf);
    bpf_object__close(object);
}

static void test_no_lineage_no_policy(void **state)
{
    struct bpf_object *object = open_object();
    struct btf *btf = fake_btf_new();
    struct error err = {};
    struct choices c;
    struct names names;

    (void)state;
    choose_programs(object, btf, "6.1.0", SENSOR_ATTACH_LSM, &c);
    assert_int_equal(wanted(&c, SG_OP_READ, 0, false, &names, &err), -ENOTSUP);
    assert_non_null(strstr(err.what, "tp_fork"));
    btf__free(btf);
    bpf_object__close(object);
}

static void test_shared_words_are_found(void **state)
{
    struct bpf_object *object = open_object();
    struct object_variable v;

    (void)state;
    assert_int_equal(object_find_variable(object, "sg_generation", &v), 0);
    assert_string_equal(v.section, ".bss");
    assert_int_equal(v.size, 8);
    assert_int_equal(v.offset % 8, 0);
    assert_int_equal(object_find_variable(object, "sg_subjects_on", &v), 0);
    assert_string_equal(v.section, ".data");
    assert_int_equal(object_find_variable(object, "sg_typed", &v), 0);
    assert_string_equal(v.section, ".rodata");
    assert_int_equal(object_find_variable(object, "sg_no_such_word", &v), -ENOENT);
    bpf_object__close(object);
}

static void test_layout_knows_the_kinds_of_maps(void **state)
{
    struct bpf_object *object = open_object();
    char one[OBJECT_HASH], two[OBJECT_HASH];
    struct bpf_map *map;

    (void)state;
    assert_int_equal(object_layout(object, one), 0);
    assert_int_equal(object_layout(object, two), 0);
    assert_string_equal(one, two);
    // The size of a ring is not part of it, the size of a table is.
    map = bpf_object__find_map_by_name(object, "sg_audit");
    assert_int_equal(bpf_map__set_max_entries(map, 1 << 12), 0);
    assert_int_equal(object_layout(object, two), 0);
    assert_string_equal(one, two);
    map = bpf_object__find_map_by_name(object, "sg_roots");
    assert_int_equal(bpf_map__set_max_entries(map, 17), 0);
    assert_int_equal(object_layout(object, two), 0);
    assert_string_not_equal(one, two);
    bpf_object__close(object);
}

static void test_constants_have_no_map_of_their_own(void **state)
{
    struct bpf_object *object = open_object();
    struct bpf_map *map;
    size_t shared = 0, sections = 0;
    char name[32];

    (void)state;
    bpf_object__for_each_map(map, object)
    {
        if (!object_map_shared(map, name, sizeof(name))) {
            assert_non_null(strstr(bpf_map__name(map), ".rodata"));
            continue;
        }
        assert_null(strchr(name, '.')); // bpffs takes no dots
        shared++;
        sections += streq(name, "bss") || streq(name, "data");
    }
    assert_int_equal(sections, 2);
    assert_true(shared > 10 && shared <= SENSOR_MAPS_MAX);
    bpf_object__close(object);
}

// What no rule asks for is attached when its feature is on, in the way of the kernel's hooks, as far as there are any.
static void test_defence(void **state)
{
    struct bpf_object *object = open_object();
    struct btf *btf = kernel_without(NULL);
    struct wants wants = {.ops = SG_OP_READ};
    struct names names;
    struct choices c;

    (void)state;
    choose_programs(object, btf, "6.1.0", SENSOR_ATTACH_LSM, &c);
    assert_int_equal(choose_wanted(&c, &wants, &names, NULL), 0);
    assert_false(names_has(&names, "lsm_guard_task_kill"));
    wants.features = SENSOR_FEATURE_DEFENCE;
    assert_int_equal(choose_wanted(&c, &wants, &names, NULL), 0);
    assert_true(names_has(&names, "lsm_guard_task_kill"));
    assert_false(names_has(&names, "lsm_guard_setnice"));
    fake_btf_function(btf, "security_task_kill", 4);
    choose_programs(object, btf, "6.1.0", SENSOR_ATTACH_FMOD_RET, &c);
    assert_int_equal(choose_wanted(&c, &wants, &names, NULL), 0);
    assert_true(names_has(&names, "fmod_guard_task_kill"));
    btf__free(btf);
    bpf_object__close(object);
}

UNIT_MAIN(cmocka_unit_test(test_defence), cmocka_unit_test(test_every_hook_has_its_program),
          cmocka_unit_test(test_arguments_decide),
          cmocka_unit_test(test_arguments_decide_for_other_functions_too),
          cmocka_unit_test(test_what_is_missing_is_said),
          cmocka_unit_test(test_who_is_scheduled_is_stopped_where_nobody_is_missed),
          cmocka_unit_test(test_a_newer_hook_takes_over),
          cmocka_unit_test(test_a_hook_that_is_not_asked_yet),
          cmocka_unit_test(test_one_program_looks_at_credentials_at_an_open),
          cmocka_unit_test(test_kinds_decide_what_is_attached),
          cmocka_unit_test(test_operations_decide_what_is_attached),
          cmocka_unit_test(test_features), cmocka_unit_test(test_no_lineage_no_policy),
          cmocka_unit_test(test_shared_words_are_found),
          cmocka_unit_test(test_layout_knows_the_kinds_of_maps),
          cmocka_unit_test(test_constants_have_no_map_of_their_own))
