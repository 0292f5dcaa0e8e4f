// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <bpf/bpf.h>

#include "abi/guard.h"
#include "base/clock.h"
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

static const struct sg_merge_key *key_of(const struct big *one)
{
    static struct sg_merge_key key;

    key = (struct sg_merge_key){.ino = one->record.ino,
                                .start_ns = one->record.start_ns,
                                .dev = one->record.dev,
                                .tgid = one->record.tgid,
                                .access = one->record.access,
                                .policy = (uint16_t)one->record.policy_id,
                                .rule = one->record.rule,
                                .hook = one->record.hook};
    return &key;
}

// As a pass over the kernel's table does it: the index is made once and goes when something new is remembered.
static const struct sg_record *find(struct merged *m, const struct big *one, size_t *ret_len)
{
    const struct sg_record *record;

    m->index = map_free(m->index);
    record = merged_find(m, key_of(one), ret_len);
    m->index = map_free(m->index);
    return record;
}

static void test_the_latest_is_found(void **state)
{
    struct big one = denial(1), other = denial(2);
    const struct sg_record *record;
    struct merged m;
    size_t len = 0;

    (void)state;
    assert_int_equal(merged_open(&m), 0);
    assert_null(find(&m, &one, &len));
    for (int i = 0; i < 100; i++) {
        one.record.time_ns = (uint64_t)i;
        merged_remember(&m, &one.record, sizeof(one) - 5);
    }
    merged_remember(&m, &other.record, sizeof(other.record));
    record = find(&m, &one, &len);
    assert_non_null(record);
    assert_int_equal(record->time_ns, 99);
    assert_int_equal(len, sizeof(one) - 5);
    record = find(&m, &other, &len);
    assert_non_null(record);
    assert_int_equal(record->ino, 2);
    assert_int_equal(len, sizeof(other.record));
    one.record.access = SG_OP_WRITE;
    assert_null(find(&m, &one, &len));
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
    assert_int_equal(m.n, 0);
    assert_null(m.bytes);
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
        size_t len = ino <= 2000 ? sizeof(one) : sizeof(one.record), got = 0;

        merged_remember(&m, &one.record, len);
        assert_true(m.last - m.first <= 1 << 20);
        assert_true(m.cap <= 4 << 20);
        assert_true(m.n <= 2048);
        if (ino % 500 == 0) {
            assert_non_null(find(&m, &one, &got));
            assert_int_equal(got, len);
        }
    }
    assert_int_equal(m.n, 2048);
    for (uint64_t ino = 10000 - 2047; ino <= 10000; ino += 89) {
        struct big one = denial(ino);
        size_t len;

        assert_int_equal(find(&m, &one, &len)->ino, ino);
    }
    merged_close(&m);
    assert_null(m.bytes);
}

static void remember_at(struct merged *m, uint64_t ino, uint64_t ns)
{
    struct big one = denial(ino);

    one.record.time_ns = ns;
    merged_remember(m, &one.record, sizeof(one.record));
}

#define S UINT64_C(1000000000)

// Asked for once for each record, when its window is over, and not before: that is what it costs.
static void test_when_to_ask(void **state)
{
    struct merged m;

    (void)state;
    assert_int_equal(merged_open(&m), 0);
    assert_int_equal(merged_turn(&m, 100 * S), MERGED_LOOK); // what an earlier agent left
    merged_looked(&m, 100 * S);
    assert_int_equal(merged_turn(&m, 101 * S), MERGED_NOTHING);
    remember_at(&m, 1, 101 * S);
    remember_at(&m, 2, 102 * S);
    assert_int_equal(merged_turn(&m, 101 * S + S / 2), MERGED_NOTHING);
    assert_int_equal(merged_turn(&m, 102 * S + S / 2), MERGED_ASK);
    merged_looked(&m, 102 * S + S / 2);
    assert_int_equal(merged_turn(&m, 102 * S + S / 2), MERGED_NOTHING);
    // A program may have been late with its number: asked again.
    assert_int_equal(merged_turn(&m, 103 * S), MERGED_ASK);
    merged_looked(&m, 103 * S);
    assert_int_equal(merged_turn(&m, 103 * S + S / 5), MERGED_ASK);
    merged_looked(&m, 103 * S + S / 5);
    assert_int_equal(merged_turn(&m, 104 * S), MERGED_NOTHING);
    // The same again is a new window.
    remember_at(&m, 1, 105 * S);
    assert_int_equal(merged_turn(&m, 106 * S + S / 2), MERGED_ASK);
    merged_close(&m);
}

// Many at once are looked for in one go, and taken out in one go when no window is open.
static void test_when_there_are_many(void **state)
{
    struct merged m;

    (void)state;
    assert_int_equal(merged_open(&m), 0);
    assert_int_equal(merged_turn(&m, 100 * S), MERGED_LOOK);
    for (uint64_t ino = 1; ino <= 1000; ino++)
        remember_at(&m, ino, 100 * S + ino);
    assert_int_equal(m.entries, 1000);
    remember_at(&m, 1001, 101 * S);
    assert_int_equal(merged_turn(&m, 100 * S + S / 2), MERGED_NOTHING);
    assert_int_equal(merged_turn(&m, 101 * S + S / 2), MERGED_LOOK);
    assert_int_equal(merged_turn(&m, 103 * S), MERGED_SWEEP);
    merged_close(&m);
}

static void test_when_to_sweep(void **state)
{
    struct merged m;

    (void)state;
    assert_int_equal(merged_open(&m), 0);
    assert_int_equal(merged_turn(&m, 100 * S), MERGED_LOOK);
    assert_int_equal(merged_turn(&m, 129 * S), MERGED_NOTHING);
    assert_int_equal(merged_turn(&m, 130 * S), MERGED_SWEEP);
    assert_int_equal(merged_turn(&m, 130 * S), MERGED_NOTHING);
    // Not in the middle of a window, unless windows never end ...
    remember_at(&m, 1, 170 * S);
    assert_int_equal(merged_turn(&m, 170 * S + S / 2), MERGED_NOTHING);
    assert_int_equal(merged_turn(&m, 190 * S), MERGED_SWEEP);
    merged_looked(&m, 190 * S);
    // ... or the table fills.
    remember_at(&m, 2, 191 * S);
    m.entries = 8000;
    assert_int_equal(merged_turn(&m, 191 * S), MERGED_SWEEP);
    merged_close(&m);
}

// Forgetting does not lose the place up to which was looked.
static void test_open_windows_survive(void **state)
{
    struct merged m;

    (void)state;
    assert_int_equal(merged_open(&m), 0);
    assert_int_equal(merged_turn(&m, 100 * S), MERGED_LOOK);
    for (uint64_t ino = 1; ino <= 5000; ino++)
        remember_at(&m, ino, 100 * S + ino);
    assert_int_equal(m.n, 2048);
    assert_int_equal(m.open, m.first);
    merged_looked(&m, 103 * S);
    assert_int_equal(m.open, m.last);
    assert_int_equal(merged_turn(&m, 103 * S), MERGED_NOTHING);
    remember_at(&m, 4000, 104 * S);
    assert_int_equal(merged_turn(&m, 104 * S + S / 2), MERGED_NOTHING);
    assert_int_equal(merged_turn(&m, 105 * S + S / 2), MERGED_ASK);
    merged_close(&m);
}

#define TABLE  8192
#define CANARY 99

// A sensor that has nothing but the kernel's table; NULL: this kernel or user may not make one.
static struct sensor *sensor_with_table(void)
{
    int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "sg_merged", sizeof(struct sg_merge_key),
                            sizeof(struct sg_merge), TABLE, NULL);
    struct sensor *s;

    if (fd < 0)
        return NULL;
    s = calloc(1, sizeof(*s));
    assert_non_null(s);
    s->maps.items[0] = (struct sensor_map){.name = "sg_merged", .fd = fd};
    s->maps.n = 1;
    s->canary.dev = CANARY;
    assert_int_equal(merged_open(&s->merged), 0);
    return s;
}

static void sensor_done(struct sensor *s)
{
    merged_close(&s->merged);
    (void)close(s->maps.items[0].fd);
    free(s);
}

static void count_in_kernel(struct sensor *s, uint64_t ino, uint32_t dev, uint64_t n, uint64_t ns)
{
    struct sg_merge_key key = {.ino = ino, .dev = dev};
    struct sg_merge merge = {.first_ns = ns, .last_ns = ns, .count = n, .policy_id = 1};

    assert_int_equal(bpf_map_update_elem(s->maps.items[0].fd, &key, &merge, BPF_ANY), 0);
}

static unsigned left_in_kernel(struct sensor *s)
{
    struct sg_merge_key key, *before = NULL;
    unsigned n = 0;

    for (; bpf_map_get_next_key(s->maps.items[0].fd, before, &key) == 0; before = &key)
        n++;
    return n;
}

struct told {
    uint64_t by_ino[TABLE];
    unsigned n;
    int result;
};

static int tell(void *userdata, const void *data, size_t len)
{
    const struct sg_record *record = data;
    struct told *told = userdata;

    assert_true(len >= sizeof(*record) && record->ino < TABLE);
    told->by_ino[record->ino] += record->count;
    told->n++;
    return told->result;
}

// A look takes the numbers whose window is over and nothing else; a sweep takes all. Each number is told once.
static void test_numbers_are_told_once(void **state)
{
    struct sensor *s = sensor_with_table();
    uint64_t now = now_ns(CLOCK_BOOTTIME);
    struct told told = {};

    (void)state;
    if (!s)
        skip();
    for (uint64_t ino = 1; ino <= 3000; ino++)
        count_in_kernel(s, ino, 1, ino % 3 ? ino : 0, now - 5 * S);
    count_in_kernel(s, 3001, 1, 5, now + 100 * S); // its window is not over
    count_in_kernel(s, 3002, CANARY, 7, now - 5 * S);
    assert_int_equal(sensor_flush_merged(s, tell, &told), 2000);
    for (uint64_t ino = 1; ino <= 3002; ino++)
        assert_int_equal(told.by_ino[ino], ino <= 3000 && ino % 3 ? ino : 0);
    assert_int_equal(left_in_kernel(s), 1001);
    assert_int_equal(sensor_flush_merged(s, tell, &told), 0);
    assert_int_equal(left_in_kernel(s), 1001);

    count_in_kernel(s, 6, 1, 60, now - 5 * S);
    s->merged.swept_ns = 1;
    assert_int_equal(sensor_flush_merged(s, tell, &told), 2);
    assert_int_equal(told.n, 2002);
    assert_int_equal(told.by_ino[6], 60);
    assert_int_equal(told.by_ino[3001], 5);
    assert_int_equal(left_in_kernel(s), 0);
    sensor_done(s);
}

// By their keys: those of records whose window is over, once, with what the record said.
static void test_numbers_that_are_asked_for(void **state)
{
    struct sensor *s = sensor_with_table();
    uint64_t now = now_ns(CLOCK_BOOTTIME);
    struct told told = {};
    struct big one = {};

    (void)state;
    if (!s)
        skip();
    s->merged.swept_ns = now;
    for (uint64_t ino = 1; ino <= 50; ino++) {
        one.record = (struct sg_record){.size = sizeof(one.record),
                                        .type = SG_RECORD_FILE,
                                        .ino = ino,
                                        .dev = 1};
        one.record.time_ns = ino <= 40 ? now - 5 * S : now;
        merged_remember(&s->merged, &one.record, sizeof(one.record));
        count_in_kernel(s, ino, 1, ino % 2 ? ino : 0, one.record.time_ns);
    }
    count_in_kernel(s, 60, 1, 60, now - 5 * S); // its record was lost: for a sweep
    assert_int_equal(merged_turn(&s->merged, now), MERGED_ASK);
    assert_int_equal(sensor_flush_merged(s, tell, &told), 20);
    for (uint64_t ino = 1; ino <= 60; ino++)
        assert_int_equal(told.by_ino[ino], ino <= 40 && ino % 2 ? ino : 0);
    assert_int_equal(left_in_kernel(s), 31);
    assert_int_equal(sensor_flush_merged(s, tell, &told), 0);
    s->merged.swept_ns = 1;
    assert_int_equal(sensor_flush_merged(s, tell, &told), 6);
    assert_int_equal(told.by_ino[60], 60);
    assert_int_equal(told.by_ino[49], 49);
    assert_int_equal(left_in_kernel(s), 0);
    sensor_done(s);
}

// What was taken out is told, also when telling the first one went wrong; a full table is swept at once.
static void test_a_sweep_loses_nothing(void **state)
{
    struct sensor *s = sensor_with_table();
    uint64_t now = now_ns(CLOCK_BOOTTIME);
    struct told told = {.result = -EIO};

    (void)state;
    if (!s)
        skip();
    for (uint64_t ino = 1; ino <= 100; ino++)
        count_in_kernel(s, ino, 1, 1, now);
    s->merged.swept_ns = 1;
    assert_int_equal(sensor_flush_merged(s, tell, &told), -EIO);
    assert_int_equal(told.n, 100);
    assert_int_equal(left_in_kernel(s), 0);

    // A full table is swept at once.
    told = (struct told){};
    for (uint64_t ino = 1; ino < TABLE - 1; ino++)
        count_in_kernel(s, ino, 1, 0, now);
    s->merged.entries = TABLE - 2;
    assert_int_equal(sensor_flush_merged(s, tell, &told), 0);
    assert_int_equal(left_in_kernel(s), 0);
    sensor_done(s);
}

// What is counted under a key whose record was lost still says what it was.
static void test_a_record_of_the_key(void **state)
{
    const uint32_t what = SG_GUARD_WHAT(SG_GUARD_BPF_LINK, SG_GUARD_OF_SERVER);
    struct sg_merge_key key = {.ino = SG_CONTROL_INO((uint64_t)9, 300),
                               .dev = SG_CONTROL_DEV(SG_CONTROL_signal),
                               .tgid = 42,
                               .start_ns = 7,
                               .rule = 3};
    struct merged_lone lone;

    (void)state;
    assert_int_equal(merged_lone(&key, &lone), sizeof(lone));
    assert_int_equal(lone.record.type, SG_RECORD_CONTROL);
    assert_int_equal(lone.record.tgid, 42);
    assert_int_equal(lone.control.kind, SG_CONTROL_signal);
    assert_int_equal(lone.control.number[0], 9);
    assert_int_equal(lone.control.target_tgid, 300);
    key.rule = SG_RULE_DEFENCE;
    key.ino = SG_CONTROL_INO(SG_GUARD_WHAT_IN(what, UINT64_C(0x5000077)), 300);
    key.dev = SG_CONTROL_DEV(SG_CONTROL_bpf);
    assert_int_equal(merged_lone(&key, &lone), sizeof(lone));
    assert_int_equal(lone.control.number[0], 0x77); // the low half
    assert_int_equal(lone.control.number[1], SG_GUARD_BPF_LINK);
    assert_int_equal(lone.control.number[2], SG_GUARD_OF_SERVER);
    assert_int_equal(lone.control.target_tgid, 300);
    key.dev = 1;
    key.rule = 3;
    assert_int_equal(merged_lone(&key, &lone), sizeof(lone.record));
    assert_int_equal(lone.record.type, SG_RECORD_FILE);
}

UNIT_MAIN(cmocka_unit_test(test_a_record_of_the_key), cmocka_unit_test(test_numbers_are_told_once),
          cmocka_unit_test(test_numbers_that_are_asked_for),
          cmocka_unit_test(test_a_sweep_loses_nothing), cmocka_unit_test(test_when_to_ask),
          cmocka_unit_test(test_when_there_are_many), cmocka_unit_test(test_when_to_sweep),
          cmocka_unit_test(test_open_windows_survive), cmocka_unit_test(test_the_latest_is_found),
          cmocka_unit_test(test_what_is_never_merged), cmocka_unit_test(test_bounded))
