// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/macro.h"
#include "model/file.h"
#include "model/names.h"

// Every number of a table has a word of its own, and the one behind the last has none.
#define CHECK(func, type, first, count)                            \
    do {                                                           \
        for (unsigned i = (first); i < (count); i++) {             \
            assert_non_null(func((type)i));                        \
            for (unsigned k = (first); k < i; k++)                 \
                assert_false(streq(func((type)i), func((type)k))); \
        }                                                          \
        assert_null(func((type)(count)));                          \
        assert_null(func((type)UINT32_MAX));                       \
    } while (0)

static void test_tables(void **state)
{
    (void)state;
    CHECK(event_kind_name, enum event_kind, 1, EVENT_KIND_COUNT);
    CHECK(event_hook_name, enum sg_hook, 1, SG_HOOK_COUNT);
    CHECK(event_mode_name, enum event_mode, 0, EVENT_MODE_COUNT);
    CHECK(event_outcome_name, enum event_outcome, 0, EVENT_OUTCOME_COUNT);
    CHECK(event_verdict_name, enum sg_verdict, 0, SG_VERDICT_COUNT);
    CHECK(event_control_name, enum sg_control, 0, SG_CONTROL_COUNT);
    CHECK(event_defence_name, unsigned, 1, SG_GUARD_ACTS + 1);
    CHECK(event_reason_name, enum sg_reason, 0, SG_REASON_COUNT);
    CHECK(event_ring_name, enum event_ring, 0, EVENT_RING_COUNT);
    CHECK(event_path_kind_name, enum event_path_kind, 0, EVENT_PATH_KIND_COUNT);
    CHECK(session_name, enum sg_session, 0, SG_SESSION_COUNT);
    CHECK(access_name, unsigned, 0, SG_OP_COUNT);
    CHECK(event_flag_name, unsigned, 0, EVENT_FLAG_COUNT);
    CHECK(stdio_kind_name, enum sg_stdio_kind, 0, SG_STDIO_COUNT);
    CHECK(launch_flag_name, unsigned, 0, LAUNCH_FLAG_COUNT);
    CHECK(capability_name, unsigned, 0, CAPABILITY_COUNT);
    CHECK(file_hash_name, enum file_hash, 0, FILE_HASH_COUNT);
    assert_null(event_hook_name(SG_HOOK_NONE));
    assert_null(event_kind_name(EVENT_NONE));
    assert_null(event_defence_name(0));
}

static void test_words(void **state)
{
    (void)state;
    assert_string_equal(event_hook_name(SG_HOOK_inode_rename), "inode_rename");
    assert_string_equal(access_name(9), "exec");
    assert_int_equal(1u << 9, SG_OP_EXEC);
    assert_string_equal(event_flag_name(4), "inherited");
    assert_int_equal(1u << 4, SG_RECORD_INHERITED);
    assert_string_equal(session_name(SG_SESSION_CONSOLE), "console");
    assert_string_equal(launch_flag_name(3), "secure");
    assert_int_equal(1u << 3, SG_LAUNCH_SECURE);
    assert_string_equal(capability_name(21), "CAP_SYS_ADMIN");
    assert_string_equal(event_control_name(SG_CONTROL_quota), "quota");
    assert_string_equal(event_defence_name(1 + SG_GUARD_BPF_LINK), "bpf_link");
    assert_string_equal(control_word(SG_CONTROL_signal, 9), "kill");
    assert_string_equal(control_word(SG_CONTROL_signal, 64), "64");
    assert_string_equal(control_word(SG_CONTROL_capability, 21), "CAP_SYS_ADMIN");
    assert_string_equal(control_word(SG_CONTROL_bpf, 36), "token_create");
    assert_null(control_word(SG_CONTROL_setuid, 0));
    assert_null(control_word(SG_CONTROL_signal, UINT64_C(1) << 40));
}

UNIT_MAIN(cmocka_unit_test(test_tables), cmocka_unit_test(test_words))
