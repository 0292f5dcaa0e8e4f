// SPDX-License-Identifier: Apache-2.0
//
// Windows of time: when subjects are on, and when that changes.
#include "tests/unit/policy/names.h"
#include "tests/unit/unit.h"

#include <time.h>

#include "policy/compile.h"

#define MINUTE 60
#define HOUR   3600
#define DAY    86400
#define MONDAY (1699833600) // 2023-11-13 00:00 UTC

static struct policy_image *compile(const char *const *windows, size_t n,
                                    struct policy **ret_policy)
{
    struct policy_image *image = NULL;
    char text[4096];
    int len;

    len = snprintf(text, sizeof(text), "safeguard: 1\nmode: monitor\nfiles:\n");
    for (size_t i = 0; i < n; i++)
        len += snprintf(text + len, sizeof(text) - (size_t)len,
                        "  - {path: /%zu, access: read, by: {user: %zu, time: %s}, do: audit}\n", i,
                        i, windows[i]);
    assert_int_equal(policy_load_buffer("t", text, (size_t)len, &names_options, NULL, ret_policy),
                     0);
    assert_int_equal(policy_compile(*ret_policy, NULL, NULL, NULL, &image), 0);
    return image;
}

static bool is_on(const struct policy_image *image, size_t subject, time_t now, time_t *ret_next)
{
    uint64_t on[SG_SUBJECT_WORDS];

    policy_time_subjects(image, now, on, ret_next);
    return on[subject / 64] >> (subject % 64) & 1;
}

static void zone(const char *tz)
{
    assert_int_equal(setenv("TZ", tz, 1), 0);
    tzset();
}

static void test_windows(void **state)
{
    static const struct {
        const char *window;
        time_t now;
        bool on;
        time_t next;
    } rows[] = {
        {"\"08:00-18:00\"", MONDAY + 8 * HOUR - 1, false, MONDAY + 8 * HOUR},
        {"\"08:00-18:00\"", MONDAY + 8 * HOUR, true, MONDAY + 18 * HOUR},
        {"\"08:00-18:00\"", MONDAY + 18 * HOUR - 1, true, MONDAY + 18 * HOUR},
        {"\"08:00-18:00\"", MONDAY + 18 * HOUR, false, MONDAY + DAY + 8 * HOUR},
        {"\"mon-fri 08:00-18:00\"", MONDAY + 4 * DAY + 20 * HOUR, false,
         MONDAY + 7 * DAY + 8 * HOUR},
        {"\"22:00-06:00\"", MONDAY + 23 * HOUR, true, MONDAY + DAY + 6 * HOUR},
        {"\"22:00-06:00\"", MONDAY + 5 * HOUR, true, MONDAY + 6 * HOUR},
        {"\"22:00-06:00\"", MONDAY + 6 * HOUR, false, MONDAY + 22 * HOUR},
        // The day is the one on which the window starts.
        {"\"mon 22:00-06:00\"", MONDAY + 5 * HOUR, false, MONDAY + 22 * HOUR},
        {"\"mon 22:00-06:00\"", MONDAY + DAY + 5 * HOUR, true, MONDAY + DAY + 6 * HOUR},
        {"\"sat,sun\"", MONDAY - 1, true, MONDAY},
        {"\"sat,sun\"", MONDAY, false, MONDAY + 5 * DAY},
        {"\"fri-mon\"", MONDAY + 10, true, MONDAY + DAY},
        {"\"tue\"", MONDAY + 10, false, MONDAY + DAY},
        {"\"mon\"", MONDAY + DAY, false, MONDAY + 7 * DAY},
        {"\"00:00-24:00\"", MONDAY + 10, true, MONDAY + DAY},
        {"[\"08:00-09:00\", \"08:30-10:00\"]", MONDAY + 8 * HOUR + 10, true,
         MONDAY + 8 * HOUR + 30 * MINUTE},
        {"[\"08:00-09:00\", \"08:30-10:00\"]", MONDAY + 9 * HOUR, true, MONDAY + 10 * HOUR},
    };

    (void)state;
    zone("UTC");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct policy *p = NULL;
        struct policy_image *image = compile(&rows[i].window, 1, &p);
        time_t next;
        bool on = is_on(image, 0, rows[i].now, &next);

        if (on != rows[i].on || next != rows[i].next)
            fail_msg("row %zu: %d until %lld, expected %d until %lld", i, on, (long long)next,
                     rows[i].on, (long long)rows[i].next);
        policy_image_free(image);
        policy_free(p);
    }
}

// Subjects without time are always on, and nothing ever changes.
static void test_always(void **state)
{
    static const char text[] = "safeguard: 1\nmode: monitor\nfiles:\n"
                               "  - {path: /a, access: read, by: {user: 1}, do: audit}\n";
    struct policy_image *image = NULL;
    struct policy *p = NULL;
    time_t next = 1;

    (void)state;
    assert_int_equal(policy_load_buffer("t", text, strlen(text), NULL, NULL, &p), 0);
    assert_int_equal(policy_compile(p, NULL, NULL, NULL, &image), 0);
    assert_true(is_on(image, 0, MONDAY, &next));
    assert_int_equal(next, 0);
    policy_image_free(image);
    policy_free(p);
}

// Nothing changes before the moment that is announced: minute by minute over two weeks, also where
// clocks are put forward and back.
static void test_no_change_is_missed(void **state)
{
    static const char *const windows[] = {"\"08:00-18:00\"", "\"mon-fri 22:30-02:30\"",
                                          "[\"sun 01:00-03:00\", \"wed\"]",
                                          "\"sat-sun 02:15-02:45\""};
    static const struct {
        const char *tz;
        time_t from;
    } zones[] = {{"UTC", MONDAY},
                 {"CET-1CEST,M3.5.0,M10.5.0/3", 1711324800 - 7 * DAY},
                 {"CET-1CEST,M3.5.0,M10.5.0/3", 1698537600 - 7 * DAY}};

    (void)state;
    for (size_t z = 0; z < sizeof(zones) / sizeof(*zones); z++) {
        struct policy *p = NULL;
        struct policy_image *image;
        uint64_t before = 0;
        time_t announced = 0;

        zone(zones[z].tz);
        image = compile(windows, 4, &p);
        for (time_t now = zones[z].from; now < zones[z].from + 14 * DAY; now += MINUTE) {
            uint64_t on[SG_SUBJECT_WORDS];
            time_t next;

            policy_time_subjects(image, now, on, &next);
            assert_true(next > now);
            if (announced != 0 && now < announced && (on[0] & 15) != before)
                fail_msg("%s: a change at %lld, before %lld", zones[z].tz, (long long)now,
                         (long long)announced);
            before = on[0] & 15;
            announced = next;
        }
        policy_image_free(image);
        policy_free(p);
    }
    zone("UTC");
}

UNIT_MAIN(cmocka_unit_test(test_windows), cmocka_unit_test(test_always),
          cmocka_unit_test(test_no_change_is_missed))
