// SPDX-License-Identifier: Apache-2.0
//
// What is told from the names of pins alone; the rest needs a bpf file system (tests/vm/cases/takeover.sh).
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "sensor/internal.h"

static void make_dir(const char *dir, const char *name)
{
    assert_int_equal(mkdir(unit_path(dir, name), 0700), 0);
}

static void make_pin(const char *dir, const char *name)
{
    int fd = open(unit_path(dir, name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    (void)close(fd);
}

// The agent before this one had a reason for the hook on reads and writes: it is in the set that is in force, under the
// name of either way to attach, also when this agent works on another set.
static void test_finds_a_link_by_a_part_of_its_name(void **state)
{
    char *dir = unit_mkdtemp();
    struct pins pins = {.lock_fd = -1, .next = true, .made = true};

    (void)state;
    assert_int_equal(snprintf(pins.dir, sizeof(pins.dir), "%s", dir), strlen(dir));
    assert_false(pins_has_link(&pins, "_file_permission"));
    make_dir(dir, "links");
    make_dir(dir, "next");
    make_dir(dir, "next/links");
    make_pin(dir, "links/lsm_file_open");
    make_pin(dir, "next/links/lsm_file_permission");
    assert_false(pins_has_link(&pins, "_file_permission"));
    make_pin(dir, "links/fmod_file_permission");
    assert_true(pins_has_link(&pins, "_file_permission"));
    unit_rmdir(dir);
}

UNIT_MAIN(cmocka_unit_test(test_finds_a_link_by_a_part_of_its_name))
