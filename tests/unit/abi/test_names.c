// SPDX-License-Identifier: Apache-2.0
//
// An entry of the table of names is believed when it is whole, in use and of the address that it is asked for.
#include "tests/unit/unit.h"

#include "abi/names.h"

static void test_holds(void **state)
{
    struct sg_name_key key = {.addr = {1, 2, 3}}, other = {.addr = {1, 2, 3, [15] = 1}};
    struct sg_name whole = {.expires_ns = 1000, .len = 11, .name = "www.example"}, n;

    (void)state;
    whole.check = sg_name_sum(&key, whole.expires_ns, whole.len, whole.name);
    assert_true(sg_name_holds(&key, &whole, 999));
    assert_false(sg_name_holds(&key, &whole, 1000));
    assert_false(sg_name_holds(&other, &whole, 999));
    // Any byte of it that is another's.
    for (size_t i = 0; i < sizeof(whole); i++) {
        n = whole;
        ((uint8_t *)&n)[i] ^= 1;
        assert_false(sg_name_holds(&key, &n, 999));
    }
    // Halves of two names.
    n = whole;
    memcpy(n.name, "abc", 3);
    assert_false(sg_name_holds(&key, &n, 999));
    memset(&n, 0, sizeof(n));
    assert_false(sg_name_holds(&key, &n, 0));
}

UNIT_MAIN(cmocka_unit_test(test_holds))
