// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/spool/rig.h"

static struct stream_id lease_one(struct rig *rig, enum stream_class class, uint64_t seq,
                                  uint64_t line)
{
    struct spool_lease lease;

    assert_int_equal(spool_lease(rig->spool, class, 1, 1 << 20, &lease), 1);
    assert_int_equal(lease.first_seq, seq);
    rig_expect(&lease, line);
    return lease.stream;
}

static void test_same_boot_same_stream(void **state)
{
    struct stream_id first, second;
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    rig_append(&rig, STREAM_AUDIT, 3, 20);
    first = lease_one(&rig, STREAM_AUDIT, 1, 1);
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 1), 3);
    rig_again(&rig, BOOT_A);
    rig_append(&rig, STREAM_AUDIT, 1, 20);
    second = lease_one(&rig, STREAM_AUDIT, 4, 4);
    assert_true(stream_id_equal(&first, &second));
    rig_append(&rig, STREAM_SECURITY, 1, 20);
    second = lease_one(&rig, STREAM_SECURITY, 1, 1);
    assert_false(stream_id_equal(&first, &second));
    rig_end(&rig);
}

// What waits keeps its stream and its numbers, what comes after the boot gets others.
static void test_another_boot(void **state)
{
    struct spool_stream streams[8];
    struct stream_id first, second;
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    rig_append(&rig, STREAM_AUDIT, 5, 20);
    first = lease_one(&rig, STREAM_AUDIT, 1, 1);
    assert_int_equal(spool_commit(rig.spool, STREAM_AUDIT, &first, 1), 0);
    rig_again(&rig, BOOT_B);
    rig_append(&rig, STREAM_AUDIT, 2, 20);
    assert_int_equal(spool_streams(rig.spool, streams, 8), 3);
    assert_int_equal(streams[0].class, STREAM_SECURITY);
    assert_int_equal(streams[0].first, 1);
    assert_int_equal(streams[0].next, 1);
    assert_int_equal(streams[1].class, STREAM_AUDIT);
    assert_true(stream_id_equal(&streams[1].id, &first));
    assert_int_equal(streams[1].first, 2);
    assert_int_equal(streams[1].next, 6);
    assert_false(stream_id_equal(&streams[2].id, &first));
    assert_int_equal(streams[2].first, 1);
    assert_int_equal(streams[2].next, 3);
    assert_int_equal(streams[2].acked, 0);

    second = lease_one(&rig, STREAM_AUDIT, 2, 2);
    assert_true(stream_id_equal(&first, &second));
    assert_int_equal(spool_commit(rig.spool, STREAM_AUDIT, &first, 5), 0);
    second = lease_one(&rig, STREAM_AUDIT, 1, 6);
    assert_true(stream_id_equal(&streams[2].id, &second));
    // A stream of which we have nothing any more: whatever is said of it is fine.
    assert_int_equal(spool_commit(rig.spool, STREAM_AUDIT, &first, 100), 0);
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 6), 2);
    rig_again(&rig, BOOT_B);
    assert_int_equal(spool_streams(rig.spool, streams, 8), 2);
    assert_int_equal(streams[1].acked, 2);
    rig_end(&rig);
}

static void test_more_streams_than_asked_for(void **state)
{
    struct spool_stream streams[4];
    struct stream_id first;
    struct rig rig;
    char boot[37];

    (void)state;
    rig_begin(&rig);
    rig_append(&rig, STREAM_AUDIT, 1, 20);
    first = lease_one(&rig, STREAM_AUDIT, 1, 1);
    for (int i = 1; i < 10; i++) {
        (void)snprintf(boot, sizeof(boot), "%08x-1111-4222-8333-444444444444", i);
        rig_again(&rig, boot);
        rig_append(&rig, STREAM_AUDIT, 1, 20);
    }
    assert_int_equal(spool_streams(rig.spool, streams, 4), 4);
    assert_true(stream_id_equal(&streams[1].id, &first)); // the oldest, which is sent first
    assert_int_equal(streams[3].next, 2);
    assert_int_equal(streams[3].first, 2 - 1);
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 1), 10);
    rig_end(&rig);
}

// The host was set back: the server knows other records by the numbers that we would give next.
static void test_server_is_ahead(void **state)
{
    struct stream_id old, fresh, again;
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    rig_append(&rig, STREAM_AUDIT, 10, 20);
    old = lease_one(&rig, STREAM_AUDIT, 1, 1);
    assert_int_equal(spool_commit(rig.spool, STREAM_AUDIT, &old, 1), 0);
    assert_int_equal(spool_commit(rig.spool, STREAM_AUDIT, &old, 500), -ERANGE);
    assert_int_equal(rig_counters(&rig, STREAM_AUDIT).waiting, 9);

    assert_int_equal(spool_new_stream(rig.spool, STREAM_AUDIT, &old), 0);
    fresh = lease_one(&rig, STREAM_AUDIT, 1, 2);
    assert_false(stream_id_equal(&old, &fresh));
    rig_append(&rig, STREAM_AUDIT, 1, 20);
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 2), 10);

    rig_append(&rig, STREAM_AUDIT, 1, 20);
    again = lease_one(&rig, STREAM_AUDIT, 11, 12);
    assert_true(stream_id_equal(&again, &fresh));
    rig_again(&rig, BOOT_A);
    again = lease_one(&rig, STREAM_AUDIT, 11, 12);
    assert_true(stream_id_equal(&again, &fresh));
    rig_end(&rig);
}

static void test_server_is_ahead_of_nothing(void **state)
{
    struct stream_id old, fresh;
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    rig_append(&rig, STREAM_AUDIT, 2, 20);
    old = lease_one(&rig, STREAM_AUDIT, 1, 1);
    assert_int_equal(spool_commit(rig.spool, STREAM_AUDIT, &old, 2), -ERANGE); // one was leased
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 1), 2);
    assert_int_equal(spool_commit(rig.spool, STREAM_AUDIT, &old, 3), -ERANGE);
    assert_int_equal(spool_new_stream(rig.spool, STREAM_AUDIT, &old), 0);
    rig_append(&rig, STREAM_AUDIT, 1, 20);
    fresh = lease_one(&rig, STREAM_AUDIT, 1, 3);
    assert_false(stream_id_equal(&old, &fresh));
    assert_int_equal(spool_commit(rig.spool, STREAM_AUDIT, &fresh, 2), -ERANGE);
    rig_end(&rig);
}

// Over many segments, an older stream in front of them and another class beside them.
static void test_only_that_stream_changes(void **state)
{
    struct stream_id old, current, now;
    struct spool_lease lease;
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    rig.options.segment_bytes = 64 << 10;
    rig_again(&rig, BOOT_A);
    rig_append(&rig, STREAM_AUDIT, 10, 1000);
    old = lease_one(&rig, STREAM_AUDIT, 1, 1);
    rig_again(&rig, BOOT_B);
    for (int i = 0; i < 5; i++)
        rig_append(&rig, STREAM_AUDIT, 50, 1000);
    rig_append(&rig, STREAM_SECURITY, 3, 20);
    assert_int_equal(rig_try(&rig, STREAM_AUDIT, 1000), 0); // not written yet

    struct spool_stream streams[4];
    assert_int_equal(spool_streams(rig.spool, streams, 4), 3);
    current = streams[2].id;
    assert_int_equal(spool_new_stream(rig.spool, STREAM_AUDIT, &current), 0);
    assert_int_equal(spool_flush(rig.spool), 0);
    now = lease_one(&rig, STREAM_AUDIT, 1, 1);
    assert_true(stream_id_equal(&now, &old));
    assert_int_equal(spool_commit(rig.spool, STREAM_AUDIT, &now, 1), 0);
    rig_again(&rig, BOOT_B);
    for (uint64_t line = 2, seq = 2; line <= 261; line += lease.n, seq += lease.n) {
        assert_int_equal(spool_lease(rig.spool, STREAM_AUDIT, 7, 1 << 20, &lease), 1);
        assert_false(stream_id_equal(&lease.stream, &current));
        if (line == 11) {
            assert_false(stream_id_equal(&lease.stream, &old));
            seq = 1;
        }
        assert_int_equal(lease.first_seq, seq);
        rig_expect(&lease, line);
        assert_int_equal(spool_commit(rig.spool, STREAM_AUDIT, &lease.stream, seq + lease.n - 1),
                         0);
    }
    (void)lease_one(&rig, STREAM_SECURITY, 1, 1);
    rig_end(&rig);
}

// Without its state a spool counts anew and sends twice, but gives no number twice.
static void test_state_is_lost(void **state)
{
    struct stream_id first, second;
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    rig_append(&rig, STREAM_AUDIT, 10, 20);
    first = lease_one(&rig, STREAM_AUDIT, 1, 1);
    assert_int_equal(spool_commit(rig.spool, STREAM_AUDIT, &first, 1), 0);
    rig_close(&rig);
    assert_int_equal(unlink(unit_path(rig.dir, "state")), 0);
    rig_open(&rig);
    rig_append(&rig, STREAM_AUDIT, 1, 20);
    second = lease_one(&rig, STREAM_AUDIT, 1, 1);
    assert_true(stream_id_equal(&first, &second));
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 1), 11);

    // One of its two halves torn: the other one is an earlier state, which is as good.
    rig_append(&rig, STREAM_AUDIT, 3, 20);
    rig_close(&rig);
    rig_flip(unit_path(rig.dir, "state"), 100, 4);
    rig_open(&rig);
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 12), 3);
    rig_end(&rig);
}

UNIT_MAIN(cmocka_unit_test(test_same_boot_same_stream), cmocka_unit_test(test_another_boot),
          cmocka_unit_test(test_more_streams_than_asked_for),
          cmocka_unit_test(test_server_is_ahead), cmocka_unit_test(test_server_is_ahead_of_nothing),
          cmocka_unit_test(test_only_that_stream_changes), cmocka_unit_test(test_state_is_lost))
