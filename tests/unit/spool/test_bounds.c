// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/spool/rig.h"

#include <sys/wait.h>

static void begin_small(struct rig *rig)
{
    rig_begin(rig);
    rig->options.max_bytes = 1 << 20;
    rig->options.segment_bytes = 64 << 10;
    rig_again(rig, BOOT_A);
}

static void append_kib(struct rig *rig, enum stream_class class, int kib)
{
    for (int i = 0; i < kib; i += 10)
        rig_append(rig, class, 10, 999);
}

static uint64_t disk(struct rig *rig)
{
    DIR *dir = opendir(rig->dir);
    const struct dirent *entry;
    uint64_t sum = 0;
    struct stat st;

    while ((entry = readdir(dir)))
        if (str_endswith(entry->d_name, ".seg") || str_endswith(entry->d_name, ".corrupt")) {
            assert_int_equal(stat(unit_path(rig->dir, entry->d_name), &st), 0);
            sum += (uint64_t)st.st_size;
        }
    (void)closedir(dir);
    return sum;
}

// accepted = committed + waiting + dropped, whatever happened.
static void nothing_is_unaccounted(struct rig *rig, enum stream_class class)
{
    struct spool_counters c = rig_counters(rig, class);
    uint64_t sum = c.committed + c.waiting;

    for (int i = SPOOL_BY_BYTES; i <= SPOOL_CORRUPT; i++)
        sum += c.dropped[i].records;
    assert_int_equal(c.accepted, sum);
}

static void test_oldest_audit_goes_first(void **state)
{
    struct spool_counters audit, security;
    struct rig rig;

    (void)state;
    begin_small(&rig);
    append_kib(&rig, STREAM_SECURITY, 300);
    append_kib(&rig, STREAM_AUDIT, 2000);
    assert_true(disk(&rig) <= 1 << 20);
    audit = rig_counters(&rig, STREAM_AUDIT);
    security = rig_counters(&rig, STREAM_SECURITY);
    assert_int_equal(security.dropped[SPOOL_BY_BYTES].records, 0);
    assert_true(audit.dropped[SPOOL_BY_BYTES].records > 1000);
    assert_true(audit.dropped[SPOOL_BY_BYTES].bytes > 1000 * 1000);
    nothing_is_unaccounted(&rig, STREAM_AUDIT);
    // The newest ones are there, without a gap.
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, audit.dropped[SPOOL_BY_BYTES].records + 1),
                     audit.waiting);
    assert_int_equal(rig_drain(&rig, STREAM_SECURITY, 1), 300);
    rig_end(&rig);
}

static void test_security_goes_last(void **state)
{
    struct spool_counters audit, security;
    struct rig rig;

    (void)state;
    begin_small(&rig);
    append_kib(&rig, STREAM_AUDIT, 500);
    append_kib(&rig, STREAM_SECURITY, 900);
    assert_true(disk(&rig) <= 1 << 20);
    audit = rig_counters(&rig, STREAM_AUDIT);
    security = rig_counters(&rig, STREAM_SECURITY);
    assert_int_equal(security.dropped[SPOOL_BY_BYTES].records, 0);
    assert_in_range(audit.dropped[SPOOL_BY_BYTES].records, 380, 499);
    append_kib(&rig, STREAM_SECURITY, 600);
    assert_true(disk(&rig) <= 1 << 20);
    audit = rig_counters(&rig, STREAM_AUDIT);
    security = rig_counters(&rig, STREAM_SECURITY);
    assert_int_equal(audit.dropped[SPOOL_BY_BYTES].records, 500); // even what is appended to
    assert_in_range(security.dropped[SPOOL_BY_BYTES].records, 450, 700);
    nothing_is_unaccounted(&rig, STREAM_SECURITY);
    assert_int_equal(rig_drain(&rig, STREAM_SECURITY, security.dropped[SPOOL_BY_BYTES].records + 1),
                     security.waiting);
    // Audit records have room again as soon as the others are sent.
    append_kib(&rig, STREAM_AUDIT, 100);
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 501), 100);
    rig_end(&rig);
}

static void test_counters_survive(void **state)
{
    struct spool_loss loss[SPOOL_REASONS];
    struct spool_counters before, after;
    struct rig rig;

    (void)state;
    begin_small(&rig);
    assert_false(spool_untold(rig.spool, STREAM_AUDIT, loss));
    append_kib(&rig, STREAM_AUDIT, 1500);
    before = rig_counters(&rig, STREAM_AUDIT);
    rig_again(&rig, BOOT_B);
    after = rig_counters(&rig, STREAM_AUDIT);
    assert_memory_equal(&before.dropped, &after.dropped, sizeof(before.dropped));
    assert_int_equal(before.accepted, after.accepted);

    assert_true(spool_untold(rig.spool, STREAM_AUDIT, loss));
    assert_int_equal(loss[SPOOL_BY_BYTES].records, before.dropped[SPOOL_BY_BYTES].records);
    rig_again(&rig, BOOT_B);
    assert_true(spool_untold(rig.spool, STREAM_AUDIT, loss));
    append_kib(&rig, STREAM_AUDIT, 100); // more is dropped while that is being told
    spool_told(rig.spool, STREAM_AUDIT, loss);
    rig_again(&rig, BOOT_B);
    before = rig_counters(&rig, STREAM_AUDIT);
    uint64_t told = loss[SPOOL_BY_BYTES].records;
    assert_true(spool_untold(rig.spool, STREAM_AUDIT, loss));
    assert_int_equal(loss[SPOOL_BY_BYTES].records, before.dropped[SPOOL_BY_BYTES].records - told);
    spool_told(rig.spool, STREAM_AUDIT, loss);
    assert_false(spool_untold(rig.spool, STREAM_AUDIT, loss));
    rig_end(&rig);
}

// What is on its way when its segment is dropped is lost only if the server did not take it.
static void test_leased_when_dropped(void **state)
{
    struct spool_lease lease;
    struct spool_counters c;
    uint64_t dropped;
    struct rig rig;

    (void)state;
    begin_small(&rig);
    append_kib(&rig, STREAM_AUDIT, 50);
    assert_int_equal(spool_lease(rig.spool, STREAM_AUDIT, 20, 1 << 20, &lease), 1);
    append_kib(&rig, STREAM_AUDIT, 1500);
    rig_expect(&lease, 1);
    assert_int_equal(spool_commit(rig.spool, STREAM_AUDIT, &lease.stream, 15), 0);
    c = rig_counters(&rig, STREAM_AUDIT);
    assert_int_equal(c.committed, 15);
    nothing_is_unaccounted(&rig, STREAM_AUDIT);

    assert_int_equal(spool_lease(rig.spool, STREAM_AUDIT, 20, 1 << 20, &lease), 1);
    append_kib(&rig, STREAM_AUDIT, 1500);
    spool_rollback(rig.spool, STREAM_AUDIT);
    nothing_is_unaccounted(&rig, STREAM_AUDIT);
    c = rig_counters(&rig, STREAM_AUDIT);
    assert_int_equal(c.committed, 15);
    // Whether it arrived is not known before somebody asks for more.
    dropped = c.dropped[SPOOL_BY_BYTES].records;
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 16 + dropped + 20), c.waiting - 20);
    assert_int_equal(rig_counters(&rig, STREAM_AUDIT).dropped[SPOOL_BY_BYTES].records,
                     dropped + 20);
    nothing_is_unaccounted(&rig, STREAM_AUDIT);
    rig_end(&rig);
}

// Its answer was lost: what the server says when they meet again tells what became of it.
static void test_dropped_and_arrived(void **state)
{
    struct spool_lease lease;
    struct spool_counters c;
    uint64_t dropped;
    struct rig rig;

    (void)state;
    begin_small(&rig);
    append_kib(&rig, STREAM_AUDIT, 50);
    assert_int_equal(spool_lease(rig.spool, STREAM_AUDIT, 20, 1 << 20, &lease), 1);
    append_kib(&rig, STREAM_AUDIT, 1500);
    spool_rollback(rig.spool, STREAM_AUDIT);
    dropped = rig_counters(&rig, STREAM_AUDIT).dropped[SPOOL_BY_BYTES].records;
    for (int again = 0; again < 2; again++) {
        assert_int_equal(spool_commit(rig.spool, STREAM_AUDIT, &lease.stream, 12), 0);
        c = rig_counters(&rig, STREAM_AUDIT);
        assert_int_equal(c.committed, 12);
        assert_int_equal(c.dropped[SPOOL_BY_BYTES].records, dropped + 8);
        nothing_is_unaccounted(&rig, STREAM_AUDIT);
    }
    rig_end(&rig);
}

// Whoever is killed while it is on its way does not hear whether it arrived: it is lost, and that is known.
static void test_killed_when_dropped(void **state)
{
    struct spool_counters c;
    struct rig rig;
    pid_t pid;

    (void)state;
    begin_small(&rig);
    append_kib(&rig, STREAM_AUDIT, 50);
    rig_close(&rig);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct spool_lease lease;

        rig_open(&rig);
        if (spool_lease(rig.spool, STREAM_AUDIT, 20, 1 << 20, &lease) != 1)
            _exit(1);
        append_kib(&rig, STREAM_AUDIT, 1500);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &(int){1}, 0), pid);
    rig_open(&rig);
    c = rig_counters(&rig, STREAM_AUDIT);
    assert_int_equal(c.accepted, 1550);
    assert_int_equal(c.committed, 0);
    nothing_is_unaccounted(&rig, STREAM_AUDIT);
    rig_end(&rig);
}

static void begin_aged(struct rig *rig)
{
    rig_begin(rig);
    rig->options.max_age_ms = 8000;
    rig_again(rig, BOOT_A);
}

static void test_age(void **state)
{
    struct spool_lease lease;
    struct rig rig;

    (void)state;
    begin_aged(&rig);
    rig_append(&rig, STREAM_AUDIT, 5, 100);
    rig_append(&rig, STREAM_SECURITY, 5, 100);
    rig.clock_ms += 5000;
    rig_append(&rig, STREAM_AUDIT, 5, 100);
    rig.clock_ms += 4000;
    rig_append(&rig, STREAM_AUDIT, 1, 100);
    assert_int_equal(rig_counters(&rig, STREAM_AUDIT).dropped[SPOOL_BY_AGE].records, 5);
    assert_int_equal(rig_counters(&rig, STREAM_SECURITY).dropped[SPOOL_BY_AGE].records, 5);
    nothing_is_unaccounted(&rig, STREAM_AUDIT);
    // Nothing is appended any more, somebody only looks.
    rig.clock_ms += 100000;
    assert_int_equal(spool_lease(rig.spool, STREAM_AUDIT, 20, 1 << 20, &lease), 0);
    assert_int_equal(rig_counters(&rig, STREAM_AUDIT).dropped[SPOOL_BY_AGE].records, 11);
    nothing_is_unaccounted(&rig, STREAM_AUDIT);
    rig_end(&rig);
}

// A boot begins with a clock of 0, and time in which the host was off does not count.
static void test_age_over_boots(void **state)
{
    struct rig rig;

    (void)state;
    begin_aged(&rig);
    rig.clock_ms = 50000;
    rig_append(&rig, STREAM_AUDIT, 5, 100);
    rig.clock_ms += 4000;
    rig_append(&rig, STREAM_SECURITY, 1, 100);
    rig.clock_ms = 20;
    rig_again(&rig, BOOT_B);
    assert_int_equal(rig_counters(&rig, STREAM_AUDIT).waiting, 5);
    rig.clock_ms = 3900;
    rig_append(&rig, STREAM_SECURITY, 1, 100);
    assert_int_equal(rig_counters(&rig, STREAM_AUDIT).waiting, 5);
    assert_int_equal(rig_counters(&rig, STREAM_AUDIT).oldest_ms, 7900);
    rig.clock_ms = 4200;
    rig_append(&rig, STREAM_SECURITY, 1, 100);
    assert_int_equal(rig_counters(&rig, STREAM_AUDIT).waiting, 0);
    assert_int_equal(rig_counters(&rig, STREAM_AUDIT).dropped[SPOOL_BY_AGE].records, 5);
    rig_end(&rig);
}

// The clock does not go back, and without its state the spool finds out where it was.
static void test_clock_jumps(void **state)
{
    struct rig rig;

    (void)state;
    begin_aged(&rig);
    rig.clock_ms = 50000;
    rig_append(&rig, STREAM_AUDIT, 5, 100);
    rig.clock_ms = 10;
    rig_append(&rig, STREAM_AUDIT, 5, 100);
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 1), 10);
    rig_append(&rig, STREAM_AUDIT, 5, 100);
    rig_close(&rig);
    assert_int_equal(unlink(unit_path(rig.dir, "state")), 0);
    rig_open(&rig);
    assert_in_range(rig_counters(&rig, STREAM_AUDIT).oldest_ms, 1, 49000);
    rig.clock_ms += 9000;
    rig_append(&rig, STREAM_SECURITY, 1, 100);
    assert_int_equal(rig_counters(&rig, STREAM_AUDIT).waiting, 0);
    rig_end(&rig);
}

// A host that is booted again and again does not fill the directory with files.
static void test_many_small_files(void **state)
{
    struct spool_health health;
    struct rig rig;
    char boot[37];

    (void)state;
    begin_small(&rig);
    for (int i = 1; i < 400; i++) {
        (void)snprintf(boot, sizeof(boot), "%08x-1111-4222-8333-444444444444", i);
        rig_again(&rig, boot);
        rig_append(&rig, STREAM_AUDIT, 1, 20);
    }
    spool_health(rig.spool, &health);
    assert_true(health.bytes <= health.max_bytes);
    assert_int_equal(health.segments, 256); // a page each
    assert_int_equal(rig_files(&rig, ".seg"), 256);
    nothing_is_unaccounted(&rig, STREAM_AUDIT);
    rig_end(&rig);
}

UNIT_MAIN(cmocka_unit_test(test_oldest_audit_goes_first), cmocka_unit_test(test_security_goes_last),
          cmocka_unit_test(test_counters_survive), cmocka_unit_test(test_leased_when_dropped),
          cmocka_unit_test(test_dropped_and_arrived), cmocka_unit_test(test_killed_when_dropped),
          cmocka_unit_test(test_age), cmocka_unit_test(test_age_over_boots),
          cmocka_unit_test(test_clock_jumps), cmocka_unit_test(test_many_small_files))
