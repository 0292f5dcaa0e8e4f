// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/spool/rig.h"

static void test_in_order_and_once(void **state)
{
    struct spool_lease lease;
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    assert_int_equal(spool_lease(rig.spool, STREAM_AUDIT, 10, 1000, &lease), 0);
    rig_append(&rig, STREAM_AUDIT, 1000, 100);
    rig_append(&rig, STREAM_SECURITY, 10, 0);
    rig_append(&rig, STREAM_AUDIT, 1000, 1900);
    assert_int_equal(rig_drain(&rig, STREAM_SECURITY, 1), 10);
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 1), 2000);
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 1), 0);
    rig_append(&rig, STREAM_AUDIT, 1, 100);
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 2001), 1);
    rig_end(&rig);
}

static void test_waits_for_the_flush(void **state)
{
    struct spool_lease lease;
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    assert_int_equal(rig_try(&rig, STREAM_AUDIT, 100), 0);
    assert_int_equal(spool_lease(rig.spool, STREAM_AUDIT, 10, 1000, &lease), 0);
    assert_int_equal(rig_counters(&rig, STREAM_AUDIT).unwritten, 1);
    assert_int_equal(spool_flush(rig.spool), 0);
    assert_int_equal(rig_counters(&rig, STREAM_AUDIT).unwritten, 0);
    assert_int_equal(rig_counters(&rig, STREAM_AUDIT).waiting, 1);
    assert_int_equal(spool_lease(rig.spool, STREAM_AUDIT, 10, 1000, &lease), 1);
    rig_end(&rig);
}

static void test_bounds_of_a_lease(void **state)
{
    struct spool_lease lease;
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    rig_append(&rig, STREAM_AUDIT, 100, 99); // 100 bytes with the newline
    assert_int_equal(spool_lease(rig.spool, STREAM_AUDIT, 7, 1 << 20, &lease), 1);
    assert_int_equal(lease.n, 7);
    assert_int_equal(lease.first_seq, 1);
    assert_int_equal(lease.len, 700);
    spool_rollback(rig.spool, STREAM_AUDIT);
    assert_int_equal(spool_lease(rig.spool, STREAM_AUDIT, 100, 1050, &lease), 1);
    assert_in_range(lease.n, 1, 10);
    assert_true(lease.len <= 1050);
    // One that is longer than the bound comes alone.
    assert_int_equal(spool_lease(rig.spool, STREAM_AUDIT, 100, 10, &lease), 1);
    assert_int_equal(lease.n, 1);
    rig_expect(&lease, 1);
    assert_int_equal(spool_lease(rig.spool, STREAM_AUDIT, 0, 10, &lease), -EINVAL);
    rig_end(&rig);
}

static void test_longest_lines(void **state)
{
    static char line[RECORD_MAX + 2];
    struct spool_lease lease;
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    memset(line, 'x', sizeof(line));
    assert_int_equal(spool_append(rig.spool, STREAM_AUDIT, line, RECORD_MAX + 1), -EMSGSIZE);
    assert_int_equal(spool_append(rig.spool, STREAM_AUDIT, line, 0), -EINVAL);
    assert_int_equal(spool_append(rig.spool, STREAM_AUDIT, "a\nb", 3), -EINVAL);
    assert_int_equal(spool_append(rig.spool, STREAM_AUDIT, "y", 1), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(spool_append(rig.spool, STREAM_AUDIT, line, RECORD_MAX), 0);
    assert_int_equal(spool_flush(rig.spool), 0);
    for (uint64_t seq = 1; seq <= 4; seq++) {
        assert_int_equal(spool_lease(rig.spool, STREAM_AUDIT, 10, 1000, &lease), 1);
        assert_int_equal(lease.n, 1);
        assert_int_equal(lease.first_seq, seq);
        assert_int_equal(lease.len, seq == 1 ? 2 : RECORD_MAX + 1);
        assert_int_equal(spool_commit(rig.spool, STREAM_AUDIT, &lease.stream, seq), 0);
    }
    assert_int_equal(rig_counters(&rig, STREAM_AUDIT).dropped[SPOOL_TOO_LONG].records, 3);
    rig_end(&rig);
}

static void test_part_of_a_lease(void **state)
{
    struct spool_lease lease;
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    rig_append(&rig, STREAM_SECURITY, 100, 50);
    assert_int_equal(spool_lease(rig.spool, STREAM_SECURITY, 60, 1 << 20, &lease), 1);
    assert_int_equal(spool_commit(rig.spool, STREAM_SECURITY, &lease.stream, 25), 0);
    assert_int_equal(rig_counters(&rig, STREAM_SECURITY).committed, 25);
    assert_int_equal(spool_lease(rig.spool, STREAM_SECURITY, 10, 1 << 20, &lease), 1);
    assert_int_equal(lease.first_seq, 26);
    rig_expect(&lease, 26);
    // Nothing of it was stored.
    assert_int_equal(spool_commit(rig.spool, STREAM_SECURITY, &lease.stream, 25), 0);
    assert_int_equal(rig_drain(&rig, STREAM_SECURITY, 26), 75);
    assert_int_equal(rig_counters(&rig, STREAM_SECURITY).waiting, 0);
    rig_end(&rig);
}

static void test_rollback(void **state)
{
    struct spool_lease first, second;
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    rig_append(&rig, STREAM_SECURITY, 10, 50);
    assert_int_equal(spool_lease(rig.spool, STREAM_SECURITY, 4, 1 << 20, &first), 1);
    spool_rollback(rig.spool, STREAM_SECURITY);
    spool_rollback(rig.spool, STREAM_SECURITY);
    assert_int_equal(spool_lease(rig.spool, STREAM_SECURITY, 4, 1 << 20, &second), 1);
    assert_true(stream_id_equal(&first.stream, &second.stream));
    assert_int_equal(first.first_seq, second.first_seq);
    assert_int_equal(rig_drain(&rig, STREAM_SECURITY, 1), 10);
    rig_end(&rig);
}

// Without a lease, as the server says it when a connection begins.
static void test_commit_without_a_lease(void **state)
{
    struct spool_stream streams[4];
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    rig_append(&rig, STREAM_AUDIT, 100, 50);
    assert_int_equal(rig_drain(&rig, STREAM_SECURITY, 1), 0);
    assert_int_equal(spool_streams(rig.spool, streams, 4), 2);
    assert_int_equal(spool_commit(rig.spool, STREAM_AUDIT, &streams[1].id, 0), 0);
    // Nothing was handed out in this life: the server cannot have it.
    assert_int_equal(spool_commit(rig.spool, STREAM_AUDIT, &streams[1].id, 1), -ERANGE);

    struct spool_lease lease;
    assert_int_equal(spool_lease(rig.spool, STREAM_AUDIT, 60, 1 << 20, &lease), 1);
    spool_rollback(rig.spool, STREAM_AUDIT);
    assert_int_equal(spool_commit(rig.spool, STREAM_AUDIT, &lease.stream, 40), 0);
    assert_int_equal(rig_counters(&rig, STREAM_AUDIT).waiting, 60);
    rig_again(&rig, BOOT_A);
    assert_int_equal(rig_counters(&rig, STREAM_AUDIT).waiting, 60);
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 41), 60);
    rig_end(&rig);
}

static void test_over_restarts(void **state)
{
    struct spool_counters c;
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    for (int i = 0; i < 20; i++) {
        rig_append(&rig, STREAM_AUDIT, 50, 500);
        rig_again(&rig, BOOT_A);
    }
    assert_int_equal(rig_files(&rig, ".seg"), 1); // restarts do not make files
    c = rig_counters(&rig, STREAM_AUDIT);
    assert_int_equal(c.accepted, 1000);
    assert_int_equal(c.waiting, 1000);
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 1), 1000);
    rig_again(&rig, BOOT_A);
    c = rig_counters(&rig, STREAM_AUDIT);
    assert_int_equal(c.accepted, 1000);
    assert_int_equal(c.committed, 1000);
    assert_int_equal(c.waiting, 0);
    rig_append(&rig, STREAM_AUDIT, 1, 500);
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 1001), 1);
    rig_end(&rig);
}

// Files go when they are read, and numbers go on.
static void test_segments_are_removed(void **state)
{
    struct spool_lease lease;
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    rig.options.segment_bytes = 64 << 10;
    rig_again(&rig, BOOT_A);
    for (int i = 0; i < 10; i++)
        rig_append(&rig, STREAM_AUDIT, 60, 1000);
    assert_true(rig_files(&rig, ".seg") >= 9);
    rig_again(&rig, BOOT_A);
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 1), 600);
    assert_int_equal(rig_files(&rig, ".seg"), 1);
    rig_append(&rig, STREAM_AUDIT, 1, 1000);
    assert_int_equal(spool_lease(rig.spool, STREAM_AUDIT, 10, 10000, &lease), 1);
    assert_int_equal(lease.first_seq, 601);
    rig_end(&rig);
}

static void test_oldest(void **state)
{
    struct spool_lease lease;
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    assert_int_equal(rig_counters(&rig, STREAM_AUDIT).oldest_ms, 0);
    rig_append(&rig, STREAM_AUDIT, 1, 10);
    rig.clock_ms += 1000;
    rig_append(&rig, STREAM_AUDIT, 1, 10);
    rig.clock_ms += 500;
    assert_int_equal(rig_counters(&rig, STREAM_AUDIT).oldest_ms, 1500);
    assert_int_equal(spool_lease(rig.spool, STREAM_AUDIT, 10, 10000, &lease), 1);
    assert_int_equal(spool_commit(rig.spool, STREAM_AUDIT, &lease.stream, 1), 0);
    assert_int_equal(rig_counters(&rig, STREAM_AUDIT).oldest_ms, 500);
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 2), 1);
    assert_int_equal(rig_counters(&rig, STREAM_AUDIT).oldest_ms, 0);
    rig_end(&rig);
}

static void test_one_at_a_time(void **state)
{
    struct spool *second = NULL;
    struct error err = {};
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    assert_int_equal(spool_new(&rig.options, &second, &err), -EBUSY);
    assert_string_equal(err.file, rig.dir);
    assert_true(err.cure[0]);
    assert_null(second);
    rig_end(&rig);
}

static void test_options_that_cannot_be(void **state)
{
    struct spool *s = NULL;
    struct error err = {};
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    rig_close(&rig);
    rig.options.max_bytes = SPOOL_BYTES_MIN - 1;
    assert_int_equal(spool_new(&rig.options, &s, &err), -EINVAL);
    rig.options.max_bytes = SPOOL_BYTES_MIN;
    rig.options.boot_id = "not a boot";
    assert_int_equal(spool_new(&rig.options, &s, &err), -EINVAL);
    rig.options.boot_id = BOOT_A;
    rig.options.dir = "/proc/spool";
    assert_true(spool_new(&rig.options, &s, &err) < 0);
    assert_string_equal(err.file, "/proc/spool");
    unit_rmdir(rig.dir);
}

static void count_written(void *ctx)
{
    struct rig *rig = ctx;

    rig->appended[STREAM_SECURITY]++; // nothing else is counted there in this test
}

static void test_says_when_something_was_written(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    rig.options.written = count_written;
    rig_again(&rig, BOOT_A);
    assert_int_equal(spool_flush(rig.spool), 0);
    assert_int_equal(rig.appended[STREAM_SECURITY], 0);
    rig_append(&rig, STREAM_AUDIT, 10, 10);
    assert_int_equal(rig.appended[STREAM_SECURITY], 1);
    rig_end(&rig);
}

UNIT_MAIN(cmocka_unit_test(test_in_order_and_once), cmocka_unit_test(test_waits_for_the_flush),
          cmocka_unit_test(test_bounds_of_a_lease), cmocka_unit_test(test_longest_lines),
          cmocka_unit_test(test_part_of_a_lease), cmocka_unit_test(test_rollback),
          cmocka_unit_test(test_commit_without_a_lease), cmocka_unit_test(test_over_restarts),
          cmocka_unit_test(test_segments_are_removed), cmocka_unit_test(test_oldest),
          cmocka_unit_test(test_one_at_a_time), cmocka_unit_test(test_options_that_cannot_be),
          cmocka_unit_test(test_says_when_something_was_written))
