// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/jsonget.h"
#include "base/macro.h"
#include "control/frame.h"
#include "control/message.h"

static struct control_frame only_frame(const struct strbuf *sb)
{
    struct control_frame frame;
    size_t used;

    assert_int_equal(control_frame_decode(sb->s, sb->len, &frame, &used), 1);
    assert_int_equal(used, sb->len);
    return frame;
}

static void test_every_command_has_a_name(void **state)
{
    (void)state;
    for (unsigned i = 1; i < CONTROL_COMMAND_COUNT; i++) {
        const char *name = control_command_name((enum control_command)i);

        assert_non_null(name);
        assert_int_equal(control_command_find(name), i);
    }
    assert_null(control_command_name(CONTROL_COMMAND_COUNT));
    assert_int_equal(control_command_find("status "), CONTROL_UNKNOWN);
}

static void test_request(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct control_request request;
    struct control_frame frame;

    (void)state;
    assert_int_equal(control_request_write(&sb, 7, CONTROL_policy_show, "{\"from\":12}"), 0);
    frame = only_frame(&sb);
    assert_int_equal(frame.kind, CONTROL_REQUEST);
    assert_int_equal(control_request_parse(frame.payload, frame.len, &request, NULL), 0);
    assert_int_equal(request.id, 7);
    assert_int_equal(request.command, CONTROL_policy_show);
    assert_int_equal(json_get_u64(request.args, "from", 0), 12);
    control_request_done(&request);
}

static void test_bad_requests(void **state)
{
    static const char *const rows[] = {
        "",
        "x",
        "[]",
        "{}",
        "{\"id\":1}",
        "{\"id\":0,\"command\":\"status\"}",
        "{\"id\":-1,\"command\":\"status\"}",
        "{\"id\":1,\"command\":7}",
        "{\"id\":1,\"command\":\"status\",\"args\":[]}",
        "{\"id\":1,\"command\":\"status\"}{}",
        "{\"id\":1,\"command\":\"sta\xff\"}",
    };
    struct control_request request;
    struct error err = {};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(control_request_parse(rows[i], strlen(rows[i]), &request, &err), -EBADMSG);
    assert_true(error_is_set(&err));
}

static void test_unknown_command_keeps_the_number(void **state)
{
    static const char text[] = "{\"id\":9,\"command\":\"fly\"}";
    struct control_request request;
    struct error err = {};

    (void)state;
    assert_int_equal(control_request_parse(text, strlen(text), &request, &err), -EOPNOTSUPP);
    assert_int_equal(request.id, 9);
    assert_non_null(strstr(err.what, "fly"));
    control_request_done(&request);
}

static void test_response(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {}, result = {};
    struct control_response response;
    struct control_frame frame;

    (void)state;
    sb_puts(&result, "{\"a\":[1,2]}");
    assert_int_equal(control_response_write(&sb, 3, &result), 0);
    frame = only_frame(&sb);
    assert_int_equal(control_response_parse(frame.payload, frame.len, &response, NULL), 0);
    assert_int_equal(response.id, 3);
    assert_int_equal(response.code, 0);
    assert_int_equal(json_object_array_length(json_get(response.result, "a")), 2);
    json_object_put(response.result);
}

static void test_errors_arrive_whole(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct control_response response;
    struct error err = {}, got = {};
    struct control_frame frame;

    (void)state;
    (void)error_at(&err, -EINVAL, "/etc/x.yaml", 3, 7, "bad \"thing\"");
    error_expected(&err, "a good one");
    error_cure(&err, "write it");
    assert_int_equal(control_response_write_error(&sb, 4, &err), 0);
    frame = only_frame(&sb);
    assert_int_equal(control_response_parse(frame.payload, frame.len, &response, &got), 0);
    assert_int_equal(response.code, -EINVAL);
    assert_null(response.result);
    assert_string_equal(got.what, err.what);
    assert_string_equal(got.expected, err.expected);
    assert_string_equal(got.cure, err.cure);
    assert_string_equal(got.file, err.file);
    assert_int_equal(got.line, 3);
    assert_int_equal(got.column, 7);
}

static void test_bad_responses(void **state)
{
    static const char *const rows[] = {"", "{}", "[1]", "{\"id\":\"x\"}",
                                       "{\"id\":0,\"result\":1}"};
    struct control_response response;
    struct error err = {};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(control_response_parse(rows[i], strlen(rows[i]), &response, &err),
                         -EBADMSG);
    // About the connection as a whole.
    assert_int_equal(control_response_parse("{\"id\":0,\"error\":{\"errno\":99999}}", 32, &response,
                                            &err),
                     0);
    assert_int_equal(response.code, -EIO);
}

static void test_depth_is_bounded(void **state)
{
    char text[200];

    (void)state;
    memset(text, '[', 100);
    memset(text + 100, ']', 100);
    assert_null(control_json_parse(text, 200));
}

static void test_getters(void **state)
{
    static const char text[] = "{\"s\":\"x\",\"n\":-5,\"b\":true,\"o\":{}}";
    struct json_object *o = control_json_parse(text, strlen(text));

    (void)state;
    assert_non_null(o);
    assert_string_equal(json_get_str(o, "s", "-"), "x");
    assert_string_equal(json_get_str(o, "n", "-"), "-");
    assert_int_equal(json_get_u64(o, "n", 8), 8);
    assert_int_equal(json_get_i64(o, "n", 8), -5);
    assert_int_equal(json_get_bool(o, "b", 0), 1);
    assert_int_equal(json_get_bool(o, "s", 2), 2);
    assert_null(json_get(NULL, "s"));
    json_object_put(o);
}

UNIT_MAIN(cmocka_unit_test(test_every_command_has_a_name), cmocka_unit_test(test_request),
          cmocka_unit_test(test_bad_requests),
          cmocka_unit_test(test_unknown_command_keeps_the_number), cmocka_unit_test(test_response),
          cmocka_unit_test(test_errors_arrive_whole), cmocka_unit_test(test_bad_responses),
          cmocka_unit_test(test_depth_is_bounded), cmocka_unit_test(test_getters))
