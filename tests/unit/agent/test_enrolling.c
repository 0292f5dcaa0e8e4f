// SPDX-License-Identifier: Apache-2.0
//
// What a host is told apart from others by, before a server is asked.
#include "tests/unit/unit.h"

#include "agent/enrolling.h"

static void test_machine_ids(void **state)
{
    static const struct {
        const char *id, *what; // what: of the message; NULL: it is one
    } rows[] = {
        {"5afe9a4d5afe9a4d5afe9a4d5afe9a4d", NULL},
        {"00000000000000000000000000000001", NULL},
        {"", "missing or empty"},
        {"uninitialized", "'uninitialized'"},
        {"00000000000000000000000000000000", "no id"},
        {"5AFE9A4D5AFE9A4D5AFE9A4D5AFE9A4D", "no id"},
        {"5afe9a4d5afe9a4d5afe9a4d5afe9a4", "no id"},
        {"5afe9a4d5afe9a4d5afe9a4d5afe9a4g", "no id"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct error err = {};

        assert_int_equal(enrolling_machine_id(rows[i].id, &err), rows[i].what ? -EINVAL : 0);
        assert_int_equal(error_is_set(&err), rows[i].what != NULL);
        if (rows[i].what) {
            assert_non_null(strstr(err.what, rows[i].what));
            assert_non_null(strstr(err.cure, "systemd-machine-id-setup"));
        }
    }
}

UNIT_MAIN(cmocka_unit_test(test_machine_ids))
