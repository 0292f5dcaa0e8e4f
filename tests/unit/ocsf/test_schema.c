// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <json-c/json.h>

#include "base/macro.h"
#include "base/strbuf.h"
#include "ocsf/ocsf.h"

static struct json_object *schema(void)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct json_object *o;

    assert_int_equal(ocsf_schema(&sb), 0);
    o = json_tokener_parse(sb.s);
    assert_non_null(o);
    return o;
}

// Every object is closed, and what it requires it also describes.
static void test_closed(void **state)
{
    struct json_object *root = schema(), *defs = json_object_object_get(root, "$defs");

    (void)state;
    assert_true(json_object_object_length(defs) > 15);
    json_object_object_foreach(defs, name, object)
    {
        struct json_object *properties = json_object_object_get(object, "properties");
        struct json_object *required = json_object_object_get(object, "required");
        struct json_object *more = json_object_object_get(object, "additionalProperties");

        if (!more || json_object_get_boolean(more))
            fail_msg("%s is open", name);
        assert_true(json_object_object_length(properties) > 0);
        for (size_t i = 0; i < json_object_array_length(required); i++) {
            const char *key = json_object_get_string(json_object_array_get_idx(required, i));

            if (!json_object_object_get(properties, key))
                fail_msg("%s requires %s, which it does not have", name, key);
        }
    }
    json_object_put(root);
}

// Every reference leads somewhere, and every object is referred to.
static void test_references(void **state)
{
    struct json_object *root = schema(), *defs = json_object_object_get(root, "$defs");
    const char *text = json_object_to_json_string_ext(root, JSON_C_TO_STRING_NOSLASHESCAPE);
    static const char start[] = "#/$defs/";
    char name[64];

    (void)state;
    for (const char *at = text; (at = strstr(at, start));) {
        at += sizeof(start) - 1;
        (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(at, "\""), at);
        if (!json_object_object_get(defs, name))
            fail_msg("%s is not there", name);
    }
    json_object_object_foreach(defs, key, object)
    {
        (void)object;
        (void)snprintf(name, sizeof(name), "%s%s\"", start, key);
        if (!strstr(text, name))
            fail_msg("%s is not used", key);
    }
    json_object_put(root);
}

UNIT_MAIN(cmocka_unit_test(test_closed), cmocka_unit_test(test_references))
