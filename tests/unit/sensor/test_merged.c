// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "sensor/internal.h"

struct big {
    struct sg_record record;
    char path[4096];
};

static struct big denial(uint64_t ino)
{
    return (struct big){.record = {.size = sizeof(struct big),
                                   .type = SG_RECORD_FILE,
                                   .ino = ino,
                                   .dev = 1,
                                   .tgid = 42,
                                   .start_ns = 7,
                                   .access = SG_OP_READ,
                                   .hook = SG_HOOK_file_open}};
}

static void test_equal_ones_are_kept_once(void **state)
{
    struct big one = denial(1);
    struct merged m;

    (void)state;
    assert_int_equal(merged_open(&m), 0);
    for (int i = 0; i < 100; i++)
        merged_remember(&m, &one.record, sizeof(one));
    assert_int_equal(map_len(m.records), 1);
    assert_int_equal(m.bytes, sizeof(one));
    one.record.access = SG_OP_WRITE;
    merged_remember(&m, &one.record, sizeof(one));
    assert_int_equal(map_len(m.records), 2);
    merged_close(&m);
}

static void test_what_is_never_merged(void **state)
{
    struct big one = denial(0); // a name that does not exist yet
    struct merged m;

    (void)state;
    assert_int_equal(merged_open(&m), 0);
    merged_remember(&m, &one.record, sizeof(one));
    one = denial(1);
    one.record.type = SG_RECORD_EXEC;
    merged_remember(&m, &one.record, sizeof(one));
    assert_int_equal(map_len(m.records), 0);
    merged_close(&m);
}

static void test_bounded(void **state)
{
    struct merged m;

    (void)state;
    assert_int_equal(merged_open(&m), 0);
    for (uint64_t ino = 1; ino <= 10000; ino++) {
        struct big one = denial(ino);
        // Long ones reach the bound of bytes, short ones that of records.
        size_t len = ino <= 2000 ? sizeof(one) : sizeof(one.record);

        merged_remember(&m, &one.record, len);
        assert_true(m.bytes <= 1 << 20);
        assert_true(map_len(m.records) <= 2048);
    }
    assert_int_equal(map_len(m.records), 2048);
    assert_int_equal(m.bytes, 2048 * sizeof(struct sg_record));
    merged_close(&m);
    assert_int_equal(m.bytes, 0);
}

UNIT_MAIN(cmocka_unit_test(test_equal_ones_are_kept_once),
          cmocka_unit_test(test_what_is_never_merged), cmocka_unit_test(test_bounded))
