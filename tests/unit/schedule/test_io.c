// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/fd.h"
#include "schedule/io.h"

static void put(const char *dir, const char *file, const char *text)
{
    assert_int_equal(write_file_atomic(AT_FDCWD, unit_path(dir, file), text, strlen(text), 0644),
                     0);
}

static void test_served(void **state)
{
    char *dir = unit_mkdtemp();

    (void)state;
    assert_string_equal(io_weight_served("/nowhere", "/nowhere"), IO_SERVED_NOBODY);
    assert_int_equal(mkdir_p(AT_FDCWD, unit_path(dir, "vda/queue"), 0755), 0);
    assert_int_equal(mkdir_p(AT_FDCWD, unit_path(dir, "vdb/queue"), 0755), 0);
    put(dir, "vda/queue/scheduler", "[none]\n");
    put(dir, "vdb/queue/scheduler", "[mq-deadline] bfq none\n");
    assert_string_equal(io_weight_served(dir, dir), IO_SERVED_NOBODY);
    put(dir, "io.cost.qos", "254:0 enable=0 ctrl=auto\n");
    assert_string_equal(io_weight_served(dir, dir), IO_SERVED_NOBODY);
    put(dir, "io.cost.qos", "254:0 enable=0 ctrl=auto\n254:16 enable=1 ctrl=user\n");
    assert_string_equal(io_weight_served(dir, dir), "iocost");
    put(dir, "vdb/queue/scheduler", "mq-deadline [bfq] none\n");
    assert_string_equal(io_weight_served(dir, dir), "bfq");
    unit_rmdir(dir);
}

UNIT_MAIN(cmocka_unit_test(test_served))
