// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <zlib.h>

#include "base/fd.h"
#include "sensor/preempt.h"

#define RELEASE "6.1.0-test"

static void put(const char *root, const char *path, const char *text)
{
    char dir[4096], *slash;

    (void)snprintf(dir, sizeof(dir), "%s%s", root, path);
    slash = strrchr(dir, '/');
    *slash = '\0';
    assert_int_equal(mkdir_p(AT_FDCWD, dir, 0700), 0);
    *slash = '/';
    assert_int_equal(write_file_atomic(AT_FDCWD, dir, text, strlen(text), 0600), 0);
}

static enum sensor_preemption read_it(const char *root, const char *version,
                                      const char *expected_source)
{
    char source[128] = "";
    enum sensor_preemption is = preemption_read(root, RELEASE, version, source, sizeof(source));

    assert_string_equal(source, expected_source);
    return is;
}

static void test_words(void **state)
{
    (void)state;
    assert_int_equal(preemption_of_debugfs("none (voluntary) full "), SENSOR_PREEMPT_VOLUNTARY);
    assert_int_equal(preemption_of_debugfs("full (lazy) "), SENSOR_PREEMPT_LAZY);
    assert_int_equal(preemption_of_debugfs("(full)"), SENSOR_PREEMPT_FULL);
    assert_int_equal(preemption_of_debugfs("(undefined)"), SENSOR_PREEMPT_UNKNOWN);
    assert_int_equal(preemption_of_debugfs("none voluntary"), SENSOR_PREEMPT_UNKNOWN);
    assert_int_equal(preemption_of_debugfs("(full"), SENSOR_PREEMPT_UNKNOWN);
    assert_int_equal(preemption_of_cmdline("ro quiet preempt=full"), SENSOR_PREEMPT_FULL);
    assert_int_equal(preemption_of_cmdline("preempt=none preempt=lazy ro"), SENSOR_PREEMPT_LAZY);
    assert_int_equal(preemption_of_cmdline("preempt=none preempt=no"), SENSOR_PREEMPT_NONE);
    assert_int_equal(preemption_of_cmdline("nopreempt=full ro"), SENSOR_PREEMPT_UNKNOWN);
    assert_int_equal(preemption_of_cmdline(""), SENSOR_PREEMPT_UNKNOWN);
}

static void test_version_alone(void **state)
{
    char *root = unit_mkdtemp();

    (void)state;
    assert_int_equal(read_it(root, "#1 SMP Debian 5.10", "uname -v"), SENSOR_PREEMPT_VOLUNTARY);
    assert_int_equal(read_it(root, "#1 SMP PREEMPT Debian", "uname -v"), SENSOR_PREEMPT_FULL);
    assert_int_equal(read_it(root, "#1 SMP PREEMPT_RT Debian", "uname -v"), SENSOR_PREEMPT_RT);
    assert_int_equal(read_it(root, "#1 SMP PREEMPT_DYNAMIC Debian", "uname -v"),
                     SENSOR_PREEMPT_UNKNOWN);
    unit_rmdir(root);
}

// Each source is believed more than those before it.
static void test_sources(void **state)
{
    static const char dynamic[] = "#1 SMP PREEMPT_DYNAMIC Debian 6.1";
    char *root = unit_mkdtemp();

    (void)state;
    put(root, "/boot/config-" RELEASE,
        "# CONFIG_PREEMPT_NONE is not set\nCONFIG_PREEMPT_VOLUNTARY=y\nCONFIG_PREEMPT_DYNAMIC=y\n");
    assert_int_equal(read_it(root, dynamic, "/boot/config-" RELEASE), SENSOR_PREEMPT_VOLUNTARY);
    put(root, "/proc/cmdline", "root=/dev/vda preempt=full\n");
    assert_int_equal(read_it(root, dynamic, "/proc/cmdline"), SENSOR_PREEMPT_FULL);
    // A kernel that cannot change it does not listen to its command line.
    assert_int_equal(read_it(root, "#1 SMP Debian", "/boot/config-" RELEASE),
                     SENSOR_PREEMPT_VOLUNTARY);
    put(root, "/sys/kernel/debug/sched/preempt", "none voluntary full (lazy)\n");
    assert_int_equal(read_it(root, dynamic, "/sys/kernel/debug/sched/preempt"),
                     SENSOR_PREEMPT_LAZY);
    put(root, "/sys/kernel/realtime", "0\n");
    assert_int_equal(read_it(root, dynamic, "/sys/kernel/debug/sched/preempt"),
                     SENSOR_PREEMPT_LAZY);
    put(root, "/sys/kernel/realtime", "1\n");
    assert_int_equal(read_it(root, dynamic, "/sys/kernel/realtime"), SENSOR_PREEMPT_RT);
    unit_rmdir(root);
}

static void test_compressed_configuration(void **state)
{
    char *root = unit_mkdtemp(), path[4096];
    gzFile f;

    (void)state;
    put(root, "/proc/x", "");
    (void)snprintf(path, sizeof(path), "%s/proc/config.gz", root);
    f = gzopen(path, "wb");
    assert_non_null(f);
    assert_true(gzputs(f, "CONFIG_PREEMPT_BUILD=y\nCONFIG_PREEMPT=y\nCONFIG_PREEMPT_RCU=y\n") > 0);
    assert_int_equal(gzclose(f), Z_OK);
    assert_int_equal(read_it(root, "#1 SMP PREEMPT_DYNAMIC", "/proc/config.gz"),
                     SENSOR_PREEMPT_FULL);
    put(root, "/proc/config.gz", "\x1f\x8b broken");
    assert_int_equal(read_it(root, "#1 SMP PREEMPT_DYNAMIC", "uname -v"), SENSOR_PREEMPT_UNKNOWN);
    unit_rmdir(root);
}

UNIT_MAIN(cmocka_unit_test(test_words), cmocka_unit_test(test_version_alone),
          cmocka_unit_test(test_sources), cmocka_unit_test(test_compressed_configuration))
