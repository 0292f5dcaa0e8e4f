// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/fd.h"
#include "base/macro.h"
#include "sensor/probe.h"
#include "tests/unit/sensor/kernel_btf.h"

#define ROOT_CAPS "Name:\tx\nCapEff:\t000001ffffffffff\nSeccomp:\t0\n"

static void put(const char *root, const char *path, const char *text)
{
    char full[4096], *slash;

    (void)snprintf(full, sizeof(full), "%s%s", root, path);
    slash = strrchr(full, '/');
    *slash = '\0';
    assert_int_equal(mkdir_p(AT_FDCWD, full, 0700), 0);
    *slash = '/';
    assert_int_equal(write_file_atomic(AT_FDCWD, full, text, strlen(text), 0600), 0);
}

// A host where everything is as it should be.
static char *good_host(void)
{
    char *root = unit_mkdtemp();

    put(root, "/proc/self/status", ROOT_CAPS);
    put(root, "/proc/self/mounts",
        "bpf /sys/fs/bpf bpf rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
    put(root, "/proc/cmdline", "root=/dev/vda ro\n");
    put(root, "/proc/kallsyms", "ffffffff82d095c0 D rename_lock\n");
    put(root, "/proc/sys/net/core/bpf_jit_enable", "1\n");
    put(root, "/proc/sys/kernel/ftrace_enabled", "1\n");
    put(root, "/sys/kernel/security/lsm", "lockdown,capability,yama,apparmor,bpf");
    put(root, "/sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
    put(root, "/sys/kernel/debug/sched/preempt", "none (voluntary) full\n");
    return root;
}

static void probe(struct sensor_probe *p, const char *root, const char *release,
                  const char *machine)
{
    struct btf *btf = fake_btf_new();

    *p = (struct sensor_probe){};
    (void)snprintf(p->release, sizeof(p->release), "%s", release);
    (void)snprintf(p->machine, sizeof(p->machine), "%s", machine);
    fake_btf_function(btf, "bpf_lsm_file_open", 1);
    fake_btf_function(btf, "security_file_open", 1);
    probe_files(p, root, "#1 SMP PREEMPT_DYNAMIC");
    probe_btf(p, btf, 0);
    btf__free(btf);
    // Instead of asking this kernel.
    probe_add(p, "ringbuf", true, true)->detail[0] = '-';
    probe_add(p, "inode-storage", true, false)->detail[0] = '-';
    probe_add(p, "task-storage", true, false)->detail[0] = '-';
    probe_conclude(p);
}

static void expect(const struct sensor_probe *p, const char *id, bool ok, const char *cure)
{
    const struct sensor_capability *c = probe_get(p, id);

    assert_non_null(c);
    if (c->ok != ok || (cure && !strstr(c->cure, cure)))
        fail_msg("%s: ok %d, detail '%s', cure '%s'", id, c->ok, c->detail, c->cure);
    assert_true(*c->detail != '\0');
    assert_true(c->ok || *c->cure != '\0');
}

static void test_a_good_host(void **state)
{
    char *root = good_host();
    struct sensor_probe p;

    (void)state;
    probe(&p, root, "6.1.0-31-amd64", "x86_64");
    for (size_t i = 0; i < p.n_capabilities; i++)
        expect(&p, p.capabilities[i].id, true, NULL);
    assert_true(p.n_capabilities < SENSOR_CAPABILITIES_MAX - 1);
    assert_int_equal(p.attach, SENSOR_ATTACH_LSM);
    assert_true(p.can_enforce && p.can_record);
    assert_int_equal(p.preemption, SENSOR_PREEMPT_VOLUNTARY);
    assert_string_equal(p.lsm, "lockdown,capability,yama,apparmor,bpf");
    unit_rmdir(root);
}

static void test_bpf_is_not_active(void **state)
{
    char *root = good_host();
    struct sensor_probe p;

    (void)state;
    put(root, "/sys/kernel/security/lsm", "lockdown,capability,yama,apparmor");
    probe(&p, root, "6.1.0", "x86_64");
    expect(&p, "bpf-lsm", false, "put lsm=lockdown,yama,apparmor,bpf in GRUB_CMDLINE_LINUX");
    assert_int_equal(p.attach, SENSOR_ATTACH_FMOD_RET);
    assert_true(p.can_enforce);
    // The line that is there is replaced; a name that only contains it is not it.
    put(root, "/proc/cmdline", "ro lsm=yama,bpfx\n");
    put(root, "/sys/kernel/security/lsm", "capability,yama,bpfx");
    probe(&p, root, "6.1.0", "x86_64");
    expect(&p, "bpf-lsm", false, "replace lsm= by lsm=yama,bpfx,bpf ");
    unit_rmdir(root);
}

static void test_fmod_ret_and_preemption(void **state)
{
    static const struct {
        const char *model;
        bool enforces;
    } rows[] = {{"(none) full", true},
                {"none (full)", false},
                {"full (lazy)", false},
                {"?", false}};
    char *root = good_host();
    struct sensor_probe p;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        put(root, "/sys/kernel/debug/sched/preempt", rows[i].model);
        put(root, "/sys/kernel/security/lsm", "capability,yama");
        probe(&p, root, "6.12.0", "x86_64");
        assert_true(p.can_record);
        assert_int_equal(p.can_enforce, rows[i].enforces);
        expect(&p, "preemption", rows[i].enforces,
               rows[i].enforces ? "" : "active security module");
        // LSM programs are never skipped: the model is no fault there.
        put(root, "/sys/kernel/security/lsm", "capability,yama,bpf");
        probe(&p, root, "6.12.0", "x86_64");
        assert_true(p.can_enforce);
        expect(&p, "preemption", true, "");
    }
    unit_rmdir(root);
}

static void test_each_requirement(void **state)
{
    static const struct {
        const char *path, *text, *id, *cure;
    } rows[] = {
        {"/proc/self/status", "Name:\tx\nCapEff:\t0000000000000000\n", "privilege", "root"},
        {"/proc/self/status", "garbage", "privilege", "root"},
        {"/sys/kernel/security/lockdown", "none integrity [confidentiality]\n", "lockdown",
         "lockdown=integrity"},
        {"/proc/sys/net/core/bpf_jit_enable", "0\n", "jit", "bpf_jit_enable=1"},
        {"/proc/sys/kernel/ftrace_enabled", "0\n", "ftrace", "ftrace_enabled=1"},
    };
    struct sensor_probe p;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *root = good_host();

        put(root, rows[i].path, rows[i].text);
        probe(&p, root, "6.1.0", "x86_64");
        expect(&p, rows[i].id, false, rows[i].cure);
        assert_false(p.can_enforce || p.can_record);
        unit_rmdir(root);
    }
}

static void test_kernels_and_machines(void **state)
{
    static const struct {
        const char *release, *machine;
        bool works;
    } rows[] = {
        {"5.10.0-46-amd64", "x86_64", true}, {"5.9.16", "x86_64", false},
        {"6.4.1", "aarch64", true},          {"6.3.9", "aarch64", false},
        {"7.3.4", "riscv64", false},         {"strange", "x86_64", false},
    };
    char *root = good_host();
    struct sensor_probe p;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        probe(&p, root, rows[i].release, rows[i].machine);
        assert_int_equal(p.can_record, rows[i].works);
    }
    unit_rmdir(root);
}

static void test_an_empty_host(void **state)
{
    char *root = unit_mkdtemp();
    struct sensor_probe p;

    (void)state;
    probe(&p, root, "6.1.0", "x86_64");
    expect(&p, "bpf-lsm", false, "mount -t securityfs");
    expect(&p, "cgroup2", false, NULL);
    expect(&p, "kallsyms", false, NULL);
    expect(&p, "lockdown", true, "");
    assert_false(p.can_record);
    unit_rmdir(root);
}

// What was tried counts for more than what files say.
static void test_what_was_refused(void **state)
{
    struct sensor_capability *c;
    char *root = good_host();
    struct sensor_probe p;

    (void)state;
    probe(&p, root, "6.1.0", "x86_64");
    c = probe_add(&p, "try-lsm", true, false);
    probe_conclude(&p);
    assert_int_equal(p.attach, SENSOR_ATTACH_LSM);
    c->ok = false;
    probe_conclude(&p);
    assert_int_equal(p.attach, SENSOR_ATTACH_FMOD_RET);
    assert_true(p.can_record);
    probe_add(&p, "host", false, true);
    probe_conclude(&p);
    assert_false(p.can_record || p.can_enforce);
    unit_rmdir(root);
}

static void test_a_full_table(void **state)
{
    struct sensor_probe p = {};

    (void)state;
    for (int i = 0; i < 100; i++)
        assert_non_null(probe_add(&p, "x", true, false));
    assert_true(p.n_capabilities < SENSOR_CAPABILITIES_MAX);
    assert_null(probe_get(&p, "y"));
}

static void test_this_host(void **state)
{
    struct sensor_probe p;

    (void)state;
    assert_int_equal(sensor_probe(&p), 0);
    assert_true(p.n_capabilities >= 15);
    for (size_t i = 0; i < p.n_capabilities; i++)
        assert_true(p.capabilities[i].ok || *p.capabilities[i].cure != '\0' ||
                    streq(p.capabilities[i].id, "task-storage"));
}

// What kept the kernel's types from being read is said, and its own cure.
static void test_types_that_cannot_be_read(void **state)
{
    static const struct {
        int error;
        const char *detail, *cure;
    } rows[] = {
        {-ENOMEM, "Cannot allocate memory", "more memory"},
        {-EACCES, "Permission denied", "let it read /sys/kernel/btf/vmlinux"},
        {-ENOENT, "No such file or directory", "CONFIG_DEBUG_INFO_BTF=y"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sensor_probe p = {};

        probe_btf(&p, NULL, rows[i].error);
        expect(&p, "btf", false, rows[i].cure);
        assert_non_null(strstr(probe_get(&p, "btf")->detail, rows[i].detail));
    }
}

UNIT_MAIN(cmocka_unit_test(test_types_that_cannot_be_read), cmocka_unit_test(test_a_good_host),
          cmocka_unit_test(test_bpf_is_not_active), cmocka_unit_test(test_fmod_ret_and_preemption),
          cmocka_unit_test(test_each_requirement), cmocka_unit_test(test_kernels_and_machines),
          cmocka_unit_test(test_an_empty_host), cmocka_unit_test(test_a_full_table),
          cmocka_unit_test(test_what_was_refused), cmocka_unit_test(test_this_host))
