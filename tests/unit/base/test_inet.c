// SPDX-License-Identifier: Apache-2.0
#include "../unit.h"

#include <arpa/inet.h>

#include "base/inet.h"
#include "base/macro.h"

static void test_addresses(void **state)
{
    static const struct {
        const char *address;
        bool mapped, loopback;
    } rows[] = {
        {"::ffff:127.0.0.1", true, true},
        {"::ffff:127.255.1.2", true, true},
        {"::ffff:128.0.0.1", true, false},
        {"::ffff:10.127.0.1", true, false},
        {"::1", false, true},
        {"::", false, false},
        {"::127.0.0.1", false, false},
        {"::2", false, false},
        {"1::1", false, false},
        {"fe80::1", false, false},
        {"::fffe:127.0.0.1", false, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint8_t address[16];

        assert_int_equal(inet_pton(AF_INET6, rows[i].address, address), 1);
        assert_int_equal(inet_is_mapped(address), rows[i].mapped);
        assert_int_equal(inet_is_loopback(address), rows[i].loopback);
    }
}

UNIT_MAIN(cmocka_unit_test(test_addresses))
