// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/macro.h"
#include "base/strbuf.h"
#include "model/names.h"
#include "policy/loader.h"
#include "policy/man.h"

// A key that the reader takes is explained; one that it refuses says why when it is met.
static void test_every_key_is_explained(void **state)
{
    const struct key_row *(*const tables[])(size_t *) = {read_file_keys, read_rule_keys,
                                                         read_subject_keys};

    (void)state;
    for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
        size_t n;
        const struct key_row *rows = tables[t](&n);

        assert_true(n > 0);
        for (size_t i = 0; i < n; i++)
            if (!rows[i].read == !rows[i].refuse || !rows[i].help == !rows[i].refuse)
                fail_msg("%s: has to be read and explained, or refused", rows[i].name);
    }
}

// Those of the sections as well.
static void test_every_section(void **state)
{
    static const struct section *const sections[] = {&section_files, &section_processes,
                                                     &section_control, &section_network};
    _cleanup_(sb_done) struct strbuf page = {};

    (void)state;
    policy_man(&page);
    for (size_t s = 0; s < ARRAY_SIZE(sections); s++)
        for (size_t i = 0; i < sections[s]->n_keys; i++) {
            const struct key_row *row = &sections[s]->keys[i];
            _cleanup_(sb_done) struct strbuf item = {};

            if (!row->read == !row->refuse || !row->help == !row->refuse)
                fail_msg("%s: has to be read and explained, or refused", row->name);
            sb_printf(&item, "\n.TP\n\\fB%s\\fR\n", row->name);
            if (!strstr(sb_str(&page), sb_str(&item)))
                fail_msg("%s is not in the manual", row->name);
        }
}

static void test_page(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    (void)state;
    policy_man(&sb);
    assert_false(sb.failed);
    assert_non_null(strstr(sb_str(&sb), "\n.TP\n\\fBnot_by\\fR\n"));
    assert_non_null(strstr(sb_str(&sb), "\n.TP\n\\fBany\\fR\n"));
    for (unsigned i = 0; (SG_OPS_FILES >> i & 1) != 0; i++) {
        _cleanup_(sb_done) struct strbuf item = {};

        sb_printf(&item, "\n.TP\n\\fB%s\\fR\n", access_name(i));
        assert_non_null(strstr(sb_str(&sb), sb_str(&item)));
    }
    // No line of the text is taken for a request of roff.
    assert_null(strstr(sb_str(&sb), "\n.."));
    assert_null(strstr(sb_str(&sb), "\n'"));
}

UNIT_MAIN(cmocka_unit_test(test_every_key_is_explained), cmocka_unit_test(test_every_section),
          cmocka_unit_test(test_page))
