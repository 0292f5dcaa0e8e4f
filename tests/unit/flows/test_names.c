// SPDX-License-Identifier: Apache-2.0
#include "../unit.h"

#include <bpf/btf.h>

#include "base/macro.h"
#include "flows/names.h"

static struct reason_names *names_of(struct btf *btf)
{
    struct reason_names *n = NULL;

    assert_int_equal(reason_names_new(btf, &n), 0);
    btf__free(btf);
    return n;
}

static const char *name(const struct reason_names *n, uint32_t reason)
{
    static char text[48];

    reason_name(n, reason, text, sizeof(text));
    return text;
}

static void test_reasons(void **state)
{
    struct btf *btf = btf__new_empty();
    struct reason_names *n;

    (void)state;
    assert_true(btf__add_enum(btf, "skb_drop_reason", 4) > 0);
    assert_int_equal(btf__add_enum_value(btf, "SKB_NOT_DROPPED_YET", 0), 0);
    assert_int_equal(btf__add_enum_value(btf, "SKB_DROP_REASON_NO_SOCKET", 3), 0);
    assert_int_equal(btf__add_enum_value(btf, "SKB_DROP_REASON_SUBSYS_MASK", 0xffff0000), 0);
    n = names_of(btf);
    assert_string_equal(name(n, 0), "");
    assert_string_equal(name(n, 3), "NO_SOCKET");
    assert_string_equal(name(n, 1), "reason 1");
    assert_string_equal(name(n, 4096), "reason 4096");
    assert_string_equal(name(n, 0x20005), "subsystem 2, 5");
    (void)reason_names_free(n);
}

static void test_no_reasons(void **state)
{
    struct reason_names *n = names_of(btf__new_empty());

    (void)state;
    assert_string_equal(name(n, 0), "");
    assert_string_equal(name(n, 7), "reason 7");
    (void)reason_names_free(n);
    assert_null(reason_names_free(NULL));
}

static FILE *file_of(const char *text)
{
    FILE *f = tmpfile();

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    rewind(f);
    return f;
}

static void test_places(void **state)
{
    // In no order, with what is no code or no line at all among it.
    FILE *f = file_of("ffffffff81002000 T second\n"
                      "ffffffff81001000 t first\n"
                      "ffffffff81001000 T other_name_of_first\n"
                      "ffffffff81001010 d data_between\n"
                      "not a symbol\n"
                      "ffffffff81001018\n"
                      "ffffffff81001018 T\n"
                      "ffffffffc0000000 t in_module\t[veth]\n"
                      "0000000000000000 T hidden\n");
    struct place places[] = {
        {.address = 0xffffffffc0000010},
        {.address = 0xffffffff81001020},
        {.address = 0xffffffff81002000},
        {.address = 0xffffffff81001fff},
        {.address = 0x1000},
        {.address = 0xffffffff91002000},
    };

    (void)state;
    places_name(f, places, ARRAY_SIZE(places));
    (void)fclose(f);
    assert_string_equal(places[0].name, "in_module+0x10");
    assert_string_equal(places[1].name, "first+0x20");
    assert_string_equal(places[2].name, "second+0x0");
    assert_string_equal(places[3].name, "first+0xfff");
    assert_string_equal(places[4].name, "0x1000");
    assert_string_equal(places[5].name, "0xffffffff91002000");
}

static void test_no_symbols(void **state)
{
    struct place place = {.address = 16};

    (void)state;
    places_name(NULL, &place, 1);
    assert_string_equal(place.name, "0x10");
}

UNIT_MAIN(cmocka_unit_test(test_reasons), cmocka_unit_test(test_no_reasons),
          cmocka_unit_test(test_places), cmocka_unit_test(test_no_symbols))
