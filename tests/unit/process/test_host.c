// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"
#include "process/host.h"

static void put(const char *dir, const char *name, const char *text)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    *strrchr(path, '/') = '\0';
    assert_int_equal(mkdir_p(AT_FDCWD, path, 0755), 0);
    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path(dir, name), text, strlen(text), 0644),
                     0);
}

#define BOOT "11111111-2222-3333-4444-555555555555"

static void test_files(void **state)
{
    char *dir = unit_mkdtemp();
    struct host h = {.boot_ns = 7};

    (void)state;
    assert_int_equal(host_read(dir, &h), -EINVAL); // no boot id
    assert_int_equal(h.boot_ns, 7);
    put(dir, "proc/sys/kernel/random/boot_id", BOOT "\n");
    assert_int_equal(host_read(dir, &h), 0);
    assert_string_equal(h.boot_id, BOOT);
    assert_string_equal(h.os_name, "Linux");
    assert_string_equal(h.machine_id, "");
    assert_int_equal(h.pid_ns, 0);
    put(dir, "etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    put(dir, "usr/lib/os-release",
        "NAME='Old'\nXVERSION_ID=1\nVERSION_ID=\"12\"\nVERSION_ID_X=3\n");
    assert_int_equal(host_read(dir, &h), 0);
    assert_string_equal(h.os_name, "Old");
    assert_string_equal(h.os_version, "12");
    assert_string_equal(h.machine_id, "0123456789abcdef0123456789abcdef");
    put(dir, "etc/os-release", "PRETTY_NAME=\"New \xff\"\nNAME=x");
    assert_int_equal(host_read(dir, &h), 0);
    assert_string_equal(h.os_name, "New \xff");
    assert_string_equal(h.os_version, "");
    unit_rmdir(dir);
}

static void test_this_host(void **state)
{
    char link[32], found[32] = {};
    struct utsname names;
    struct host h;
    ssize_t n;

    (void)state;
    assert_int_equal(uname(&names), 0);
    assert_int_equal(host_read("", &h), 0);
    assert_string_equal(h.hostname, names.nodename);
    assert_string_equal(h.kernel, names.release);
    assert_int_equal(strlen(h.boot_id), 36);
    // Not everybody may look at process 1.
    (void)snprintf(link, sizeof(link), "pid:[%u]", h.pid_ns);
    n = readlink("/proc/1/ns/pid", found, sizeof(found) - 1);
    assert_string_equal(link, n < 0 ? "pid:[0]" : found);
    assert_int_equal(h.pid_ns == 0, h.mnt_ns == 0);
    assert_true(h.boot_ns > 1000000000000000000); // after 2001
}

UNIT_MAIN(cmocka_unit_test(test_files), cmocka_unit_test(test_this_host))
