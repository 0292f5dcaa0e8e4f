// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/clock.h"

static void test_now_moves(void **state)
{
    uint64_t a = now_ns(CLOCK_MONOTONIC), b = now_ns(CLOCK_MONOTONIC);

    (void)state;
    assert_true(b >= a);
    assert_true(a > 0);
    assert_true(now_ns(CLOCK_REALTIME) > UINT64_C(1700000000) * NS_PER_SEC);
}

static void test_offset_joins_the_clocks(void **state)
{
    int64_t offset = boottime_to_realtime_offset_ns();
    uint64_t before = now_ns(CLOCK_REALTIME);
    uint64_t mine = boottime_to_realtime_ns(now_ns(CLOCK_BOOTTIME), offset);
    uint64_t after = now_ns(CLOCK_REALTIME);

    (void)state;
    // 50 ms: far more than the two clocks drift apart, far less than any mistake in the sum.
    assert_true(mine + 50 * NS_PER_MS >= before);
    assert_true(mine <= after + 50 * NS_PER_MS);
}

static void test_boottime_never_wraps(void **state)
{
    (void)state;
    assert_int_equal(boottime_to_realtime_ns(1000, 5), 1005);
    assert_int_equal(boottime_to_realtime_ns(1000, -5), 995);
    assert_int_equal(boottime_to_realtime_ns(4, -5), 0);
    assert_int_equal(boottime_to_realtime_ns(4, INT64_MIN), 0);
    assert_true(boottime_to_realtime_ns(UINT64_MAX, 1) == UINT64_MAX);
}

static void test_rfc3339(void **state)
{
    static const struct {
        uint64_t ns;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {999999, "1970-01-01T00:00:00.000Z"},
        {1000000, "1970-01-01T00:00:00.001Z"},
        {UINT64_C(951782400) * 1000000000 + 123456789, "2000-02-29T00:00:00.123Z"},
        {UINT64_C(1767225599) * 1000000000 + 999999999, "2025-12-31T23:59:59.999Z"},
        {UINT64_MAX, "2554-07-21T23:34:33.709Z"},
    };
    char text[RFC3339_MS_SIZE], small[RFC3339_MS_SIZE - 1] = "kept";

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(format_rfc3339_ms(rows[i].ns, text, sizeof(text)), 0);
        assert_string_equal(text, rows[i].text);
    }
    assert_int_equal(format_rfc3339_ms(0, small, sizeof(small)), -ENOSPC);
    assert_string_equal(small, "kept");
}

UNIT_MAIN(cmocka_unit_test(test_now_moves), cmocka_unit_test(test_offset_joins_the_clocks),
          cmocka_unit_test(test_boottime_never_wraps), cmocka_unit_test(test_rfc3339))
