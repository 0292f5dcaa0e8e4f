// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/macro.h"
#include "base/sort.h"

// Against a walk from the front, for every length up to that of the table and for what is in it, between and beyond.
static void test_lower_bound(void **state)
{
    static const unsigned items[] = {2, 4, 4, 4, 8, 10, 10, 12, 20};

    (void)state;
    for (size_t n = 0; n <= ARRAY_SIZE(items); n++)
        for (unsigned wanted = 0; wanted < 24; wanted++) {
            size_t first = 0;

            while (first < n && items[first] < wanted)
                first++;
            assert_int_equal(LOWER_BOUND(n, i, items[i] < wanted), first);
        }
}

UNIT_MAIN(cmocka_unit_test(test_lower_bound))
