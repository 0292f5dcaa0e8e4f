// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/spool/rig.h"

#include "spool/segment.h"

#define LINE  ((off_t)100)                     // bytes of a line with its newline
#define STEP  ((off_t)SEGMENT_HEAD + LINE)     // of a record
#define AT(n) ((off_t)SEGMENT_DATA + (n)*STEP) // where the record with index n begins

static void begin(struct rig *rig, int records)
{
    rig_begin(rig);
    rig_append(rig, STREAM_AUDIT, records, LINE - 1);
}

// Drains, checks that exactly the lines but for those in [from, to) came, each with its own number.
static void all_but(struct rig *rig, uint64_t total, uint64_t from, uint64_t to)
{
    uint64_t expected = 1;
    struct spool_lease lease;
    int r;

    while ((r = spool_lease(rig->spool, STREAM_AUDIT, 1000, 1 << 20, &lease)) > 0) {
        if (expected == from)
            expected = to;
        assert_int_equal(lease.first_seq, expected);
        rig_expect(&lease, expected);
        expected += lease.n;
        assert_int_equal(spool_commit(rig->spool, STREAM_AUDIT, &lease.stream,
                                      lease.first_seq + lease.n - 1),
                         0);
    }
    assert_int_equal(r, 0);
    if (expected == from)
        expected = to;
    assert_int_equal(expected, total + 1);
    assert_int_equal(rig_counters(rig, STREAM_AUDIT).dropped[SPOOL_CORRUPT].records, to - from);
    assert_int_equal(rig_counters(rig, STREAM_AUDIT).waiting, 0);
}

static const struct {
    const char *what;
    off_t at;
    size_t n;
    uint64_t from, to; // lines that are lost
} flips[] = {
    {"a byte of a line", AT(10) + SEGMENT_HEAD + 50, 1, 11, 12},
    {"the newline", AT(10) + STEP - 1, 1, 11, 12},
    {"the mark", AT(10), 1, 11, 12},
    {"the length", AT(10) + 4, 1, 11, 12},
    {"all of the length", AT(10) + 4, 4, 11, 12},
    {"the index", AT(10) + 8, 1, 11, 12},
    {"a check", AT(10) + 16, 1, 11, 12},
    {"the head's check", AT(10) + 20, 1, 11, 12},
    {"two records", AT(10) + 30, (size_t)STEP, 11, 13},
    {"a page of records", AT(10), 4096, 11, 45},
    {"the first record", AT(0) + 4, 2, 1, 2},
    {"the last record's head", AT(99), 1, 100, 101},
    {"the last record's line", AT(99) + 60, 1, 100, 101},
    {"one label", 20, 8, 0, 0},
    {"the other label", SEGMENT_LABEL_AT + 20, 8, 0, 0},
    {"between the labels", 300, 100, 0, 0},
};

// While the spool is open.
static void test_flips(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(flips); i++) {
        struct rig rig;

        begin(&rig, 100);
        rig_flip(rig_file(&rig, "audit", 0), flips[i].at, flips[i].n);
        all_but(&rig, 100, flips[i].from, flips[i].to);
        rig_end(&rig);
    }
}

// Found by the next run; a foot says how many there should be, and the file is kept for people to look at.
static void test_flips_of_sealed_segments(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(flips); i++) {
        struct rig rig;

        begin(&rig, 100);
        rig_again(&rig, BOOT_B);
        rig_append(&rig, STREAM_AUDIT, 1, LINE - 1);
        rig_close(&rig);
        rig_flip(rig_file(&rig, "audit", 0), flips[i].at, flips[i].n);
        rig_open(&rig);
        // The stream changes behind the segment, and with it the numbers.
        struct spool_lease lease;
        uint64_t n = 0;
        while (spool_lease(rig.spool, STREAM_AUDIT, 1000, 1 << 20, &lease) > 0) {
            n += lease.n;
            assert_int_equal(spool_commit(rig.spool, STREAM_AUDIT, &lease.stream,
                                          lease.first_seq + lease.n - 1),
                             0);
        }
        assert_int_equal(n, 101 - (flips[i].to - flips[i].from));
        assert_int_equal(rig_counters(&rig, STREAM_AUDIT).dropped[SPOOL_CORRUPT].records,
                         flips[i].to - flips[i].from);
        assert_int_equal(rig_files(&rig, ".corrupt"), flips[i].from ? 1 : 0);
        rig_end(&rig);
    }
}

static void test_labels_are_gone(void **state)
{
    struct spool_loss loss[SPOOL_REASONS];
    struct spool_health health;
    struct spool_lease lease;
    struct stream_id before;
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    rig.options.segment_bytes = 64 << 10;
    rig_again(&rig, BOOT_A);
    for (int i = 0; i < 3; i++)
        rig_append(&rig, STREAM_AUDIT, 500, LINE - 1); // a segment each
    assert_int_equal(rig_files(&rig, ".seg"), 3);
    rig_close(&rig);
    rig_flip(rig_file(&rig, "audit", 1), 30, 1);
    rig_flip(rig_file(&rig, "audit", 1), SEGMENT_LABEL_AT + 30, 1);
    rig_open(&rig);
    assert_int_equal(rig_files(&rig, ".corrupt"), 1);
    assert_int_equal(rig_counters(&rig, STREAM_AUDIT).waiting, 1500);
    assert_true(spool_untold(rig.spool, STREAM_AUDIT, loss));
    assert_true(loss[SPOOL_CORRUPT].bytes >= 500 * 100);
    all_but(&rig, 1500, 501, 1001); // the numbers around it say how many there were
    spool_health(rig.spool, &health);
    assert_int_equal(health.corrupt, 1);

    // The one that was appended to: nobody knows which numbers it gave.
    rig_append(&rig, STREAM_AUDIT, 1, LINE - 1);
    assert_int_equal(spool_lease(rig.spool, STREAM_AUDIT, 1, 1000, &lease), 1);
    before = lease.stream;
    rig_close(&rig);
    assert_int_equal(truncate(rig_file(&rig, "audit", 0), 1000), 0);
    rig_open(&rig);
    rig_append(&rig, STREAM_AUDIT, 1, LINE - 1);
    assert_int_equal(spool_lease(rig.spool, STREAM_AUDIT, 1, 1000, &lease), 1);
    assert_int_equal(lease.first_seq, 1);
    assert_false(stream_id_equal(&before, &lease.stream));
    rig_end(&rig);
}

static void test_bounded_in_number(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    for (int i = 0; i < 10; i++) {
        char boot[37];

        rig_append(&rig, STREAM_SECURITY, 1, 10);
        rig_close(&rig);
        assert_int_equal(truncate(rig_file(&rig, "security", 0), 1020), 0);
        (void)snprintf(boot, sizeof(boot), "%08x-1111-4222-8333-444444444444", i + 1);
        rig.options.boot_id = memcpy(malloc(37), boot, 37);
        rig_open(&rig);
        free((char *)rig.options.boot_id);
        assert_int_equal(rig_files(&rig, ".corrupt"), MIN(i + 1, (int)SPOOL_CORRUPT_MAX));
    }
    assert_int_equal(rig_drain(&rig, STREAM_SECURITY, 1), 0);
    rig_end(&rig);
}

static void test_file_was_cut(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 100);
    assert_int_equal(truncate(rig_file(&rig, "audit", 0), AT(40) + 10), 0);
    all_but(&rig, 100, 41, 101);
    rig_append(&rig, STREAM_AUDIT, 1, LINE - 1);
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 101), 1);
    rig_end(&rig);
}

static void test_files_were_removed(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    rig.options.segment_bytes = 64 << 10;
    rig_again(&rig, BOOT_A);
    for (int i = 0; i < 4; i++)
        rig_append(&rig, STREAM_AUDIT, 500, LINE - 1);
    assert_int_equal(unlink(rig_file(&rig, "audit", 1)), 0);
    all_but(&rig, 2000, 501, 1001);
    // That which is appended to: the next flush begins another one.
    rig_append(&rig, STREAM_AUDIT, 10, LINE - 1);
    assert_int_equal(unlink(rig_file(&rig, "audit", 0)), 0);
    rig_append(&rig, STREAM_AUDIT, 10, LINE - 1);
    assert_int_equal(rig_files(&rig, ".seg"), 1);
    assert_true(rig_drain(&rig, STREAM_AUDIT, 2001) >= 10);
    rig_end(&rig);
}

static void test_directory_was_removed(void **state)
{
    char command[4096];
    struct rig rig;

    (void)state;
    begin(&rig, 10);
    (void)snprintf(command, sizeof(command), "%s", rig.dir);
    assert_int_equal(nftw(command, unit_remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
    rig_append(&rig, STREAM_AUDIT, 10, LINE - 1);
    rig_append(&rig, STREAM_SECURITY, 10, LINE - 1);
    assert_int_equal(rig_drain(&rig, STREAM_SECURITY, 1), 10);
    assert_int_equal(rig_files(&rig, ".seg"), 2);
    rig_again(&rig, BOOT_A);
    rig_append(&rig, STREAM_SECURITY, 1, LINE - 1);
    assert_int_equal(rig_drain(&rig, STREAM_SECURITY, 11), 1);
    rig_end(&rig);
}

static void test_strangers_in_the_directory(void **state)
{
    static const char *const names[] = {
        "audit-00000000000000ff.seg.bak",
        "audit-1.seg",
        "notes",
        ".hidden",
        "audit-000000000000000G.seg",
        "other-0000000000000001.seg",
    };
    struct rig rig;
    int fd;

    (void)state;
    begin(&rig, 10);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        fd = open(unit_path(rig.dir, names[i]), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        (void)close(fd);
    }
    // Named as a segment, and none: a directory, a link to somewhere, an empty file.
    assert_int_equal(mkdir(unit_path(rig.dir, "audit-0000000000000100.seg"), 0700), 0);
    assert_int_equal(symlink("/etc/passwd", unit_path(rig.dir, "audit-0000000000000101.seg")), 0);
    rig_again(&rig, BOOT_B);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_int_equal(access(unit_path(rig.dir, names[i]), F_OK), 0);
    assert_int_equal(access("/etc/passwd", R_OK), 0);
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 1), 10);
    rig_append(&rig, STREAM_AUDIT, 1, 10);
    assert_int_equal(rig_drain(&rig, STREAM_AUDIT, 11), 1);
    rig_end(&rig);
}

UNIT_MAIN(cmocka_unit_test(test_flips), cmocka_unit_test(test_flips_of_sealed_segments),
          cmocka_unit_test(test_labels_are_gone), cmocka_unit_test(test_bounded_in_number),
          cmocka_unit_test(test_file_was_cut), cmocka_unit_test(test_files_were_removed),
          cmocka_unit_test(test_directory_was_removed),
          cmocka_unit_test(test_strangers_in_the_directory))
