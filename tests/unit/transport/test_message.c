// SPDX-License-Identifier: Apache-2.0
//
// Every message there and back, and what the readers refuse.
#include "tests/unit/unit.h"

#include "base/macro.h"
#include "transport/msg_enrol.h"
#include "transport/msg_hello.h"
#include "transport/msg_poll.h"
#include "transport/msg_result.h"
#include "transport/msg_state.h"

#define BAD_ROUNDS 3 // members that are taken out, of another type, or null

static const struct msg_host host = {"web1", "mid", "bid", "Debian", "6.1.0", "x86_64"};

static void assert_host(const struct msg_host *got)
{
    assert_string_equal(got->name, host.name);
    assert_string_equal(got->machine_id, host.machine_id);
    assert_string_equal(got->boot_id, host.boot_id);
    assert_string_equal(got->os, host.os);
    assert_string_equal(got->kernel, host.kernel);
    assert_string_equal(got->arch, host.arch);
}

static void test_enrol(void **state)
{
    struct msg_enrol m = {.token = "sg1.x", .csr = "PEM\n", .host = host, .version = "0.1"}, got;
    _cleanup_(sb_done) struct strbuf sb = {};

    (void)state;
    assert_int_equal(msg_enrol_write(&sb, &m), 0);
    assert_int_equal(msg_enrol_read(sb.s, sb.len, &got, NULL), 0);
    assert_string_equal(got.token, "sg1.x");
    assert_string_equal(got.csr, "PEM\n");
    assert_string_equal(got.version, "0.1");
    assert_host(&got.host);
    msg_enrol_done(&got);
}

static void test_certificates(void **state)
{
    struct msg_certificate m = {.agent_id = "01234567-89ab-cdef-0123-456789abcdef",
                                .certificate = "C",
                                .ca = "A",
                                .renew_after_ms = 7},
                           got;
    _cleanup_(sb_done) struct strbuf sb = {}, renew = {};
    struct msg_renew r = {.csr = "R"}, got_renew;

    (void)state;
    assert_int_equal(msg_certificate_write(&sb, &m), 0);
    assert_int_equal(msg_certificate_read(sb.s, sb.len, &got, NULL), 0);
    assert_string_equal(got.agent_id, m.agent_id);
    assert_string_equal(got.certificate, "C");
    assert_string_equal(got.ca, "A");
    assert_int_equal(got.renew_after_ms, 7);
    msg_certificate_done(&got);
    sb_reset(&sb);
    m.agent_id = NULL;
    assert_int_equal(msg_certificate_write(&sb, &m), 0);
    assert_int_equal(msg_certificate_read(sb.s, sb.len, &got, NULL), 0);
    assert_null(got.agent_id);
    msg_certificate_done(&got);
    sb_reset(&sb);
    m.agent_id = "somebody";
    assert_int_equal(msg_certificate_write(&sb, &m), 0);
    assert_int_equal(msg_certificate_read(sb.s, sb.len, &got, NULL), -EBADMSG);
    assert_int_equal(msg_renew_write(&renew, &r), 0);
    assert_int_equal(msg_renew_read(renew.s, renew.len, &got_renew, NULL), 0);
    assert_string_equal(got_renew.csr, "R");
    msg_renew_done(&got_renew);
}

static void test_hello(void **state)
{
    struct msg_hello m = {.boot_id = "b",
                          .machine_id = "m",
                          .host = host,
                          .version = "1",
                          .time_ms = 1700000000000,
                          .n_streams = 2},
                     got;
    _cleanup_(sb_done) struct strbuf sb = {};

    (void)state;
    m.streams[0] = (struct msg_stream){STREAM_SECURITY, {{1}}, 5, 9, 4};
    m.streams[1] = (struct msg_stream){STREAM_AUDIT, {{2}}, 1, STREAM_NUMBER_MAX, 0};
    assert_int_equal(msg_hello_write(&sb, &m), 0);
    assert_int_equal(msg_hello_read(sb.s, sb.len, &got, NULL), 0);
    assert_string_equal(got.boot_id, "b");
    assert_string_equal(got.machine_id, "m");
    assert_host(&got.host);
    assert_true(got.time_ms == m.time_ms);
    assert_int_equal(got.n_streams, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(got.streams[i].class, m.streams[i].class);
        assert_true(stream_id_equal(&got.streams[i].id, &m.streams[i].id));
        assert_true(got.streams[i].first == m.streams[i].first);
        assert_true(got.streams[i].next == m.streams[i].next);
        assert_true(got.streams[i].acked == m.streams[i].acked);
    }
    msg_hello_done(&got);
}

static void test_streams_that_cannot_be(void **state)
{
    static const char head[] =
        "{\"boot_id\":\"b\",\"machine_id\":\"m\",\"host\":{},\"version\":\"1\","
        "\"time_ms\":1,\"streams\":[{\"class\":\"audit\",\"id\":\"";
    static const struct {
        const char *rest;
        int code;
    } rows[] = {
        {"00000000000000000000000000000001\",\"first\":1,\"next\":1,\"acked\":0}]}", 0},
        {"00000000000000000000000000000001\",\"first\":3,\"next\":9,\"acked\":8}]}", 0},
        {"00000000000000000000000000000000\",\"first\":1,\"next\":1,\"acked\":0}]}", -EBADMSG},
        {"0001\",\"first\":1,\"next\":1,\"acked\":0}]}", -EBADMSG},
        {"00000000000000000000000000000001\",\"first\":0,\"next\":1,\"acked\":0}]}", -EBADMSG},
        {"00000000000000000000000000000001\",\"first\":2,\"next\":1,\"acked\":0}]}", -EBADMSG},
        {"00000000000000000000000000000001\",\"first\":1,\"next\":1,\"acked\":1}]}", -EBADMSG},
        {"00000000000000000000000000000001\",\"first\":1,\"next\":9223372036854775808,\"acked\":0}]}",
         -EBADMSG},
        {"00000000000000000000000000000001\",\"first\":1,\"next\":1.5,\"acked\":0}]}", -EBADMSG},
        {"00000000000000000000000000000001\",\"first\":1,\"next\":-1,\"acked\":0}]}", -EBADMSG},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_(sb_done) struct strbuf sb = {};
        struct msg_hello got;

        sb_printf(&sb, "%s%s", head, rows[i].rest);
        assert_int_equal(msg_hello_read(sb.s, sb.len, &got, NULL), rows[i].code);
        if (rows[i].code == 0)
            msg_hello_done(&got);
    }
}

static void test_hello_answer(void **state)
{
    struct msg_hello_answer m = {.session = "s-1", .time_ms = 5, .n_streams = 1, .renew = true},
                            got;
    struct msg_records_answer r = {.acked = 12, .stored = 3, .duplicates = 4}, got_r;
    _cleanup_(sb_done) struct strbuf sb = {};

    (void)state;
    m.streams[0] = (struct msg_stream){.class = STREAM_AUDIT, .id = {{9}}, .acked = 77};
    assert_int_equal(msg_hello_answer_write(&sb, &m), 0);
    assert_int_equal(msg_hello_answer_read(sb.s, sb.len, &got, NULL), 0);
    assert_string_equal(got.session, "s-1");
    assert_null(got.bundle);
    assert_true(got.renew);
    assert_int_equal(got.streams[0].acked, 77);
    msg_hello_answer_done(&got);
    sb_reset(&sb);
    m.session = "s 1";
    assert_int_equal(msg_hello_answer_write(&sb, &m), 0);
    assert_int_equal(msg_hello_answer_read(sb.s, sb.len, &got, NULL), -EBADMSG);
    sb_reset(&sb);
    assert_int_equal(msg_records_answer_write(&sb, &r), 0);
    assert_int_equal(msg_records_answer_read(sb.s, sb.len, &got_r, NULL), 0);
    assert_memory_equal(&r, &got_r, sizeof(r));
}

static void test_poll(void **state)
{
    static const char older[] = "{\"bundle\":null,\"commands\":[]}";
    struct msg_poll m = {.bundle = "abc", .n_commands = 2, .n_questions = 1}, got;
    _cleanup_(sb_done) struct strbuf sb = {}, path = {};

    (void)state;
    m.commands[0] = (struct msg_command){"c-1", "rescan", "{\"a\":[1,\"/x\"]}", 99};
    m.commands[1] = (struct msg_command){.id = "c-2", .name = "status"};
    m.questions[0] =
        (struct msg_command){.id = "q1-1", .name = "processes", .args = "{\"from\":0}"};
    assert_int_equal(msg_poll_write(&sb, &m), 0);
    assert_int_equal(msg_poll_read(sb.s, sb.len, &got, NULL), 0);
    assert_string_equal(got.bundle, "abc");
    assert_int_equal(got.n_commands, 2);
    assert_string_equal(got.commands[0].id, "c-1");
    assert_string_equal(got.commands[0].name, "rescan");
    assert_non_null(strstr(got.commands[0].args, "[1,"));
    assert_int_equal(got.commands[0].deadline_ms, 99);
    assert_string_equal(got.commands[1].args, "{}");
    assert_false(got.commands[1].question);
    assert_int_equal(got.n_questions, 1);
    assert_string_equal(got.questions[0].id, "q1-1");
    assert_string_equal(got.questions[0].name, "processes");
    assert_non_null(strstr(got.questions[0].args, "\"from\""));
    assert_true(got.questions[0].question);
    msg_poll_done(&got);
    assert_int_equal(msg_poll_read(older, strlen(older), &got, NULL), 0);
    assert_int_equal(got.n_questions, 0);
    msg_poll_done(&got);
    assert_int_equal(msg_poll_path(&path, "s", "b", NULL), 0);
    assert_string_equal(path.s, "/agent/v1/poll?session=s&bundle=b&after=");
    assert_int_equal(msg_poll_path(&path, "s&x", "b", NULL), -EINVAL);
    assert_int_equal(msg_poll_path(&path, "s", "b", "a&b"), -EINVAL);
}

static void test_bundle(void **state)
{
    struct bundle_file files[] = {{"10-a.yaml", "x: \"1\"\n", 7, BUNDLE_POLICY},
                                  {"20-b.yaml", "y\n", 2, BUNDLE_MONITOR}};
    struct msg_bundle m = {.files = files, .n_files = 2}, got;
    _cleanup_(sb_done) struct strbuf sb = {};
    struct error err = {};
    char id[BUNDLE_ID_TEXT];

    (void)state;
    assert_int_equal(bundle_id(files, 2, id), 0);
    m.id = id;
    assert_int_equal(msg_bundle_write(&sb, &m), 0);
    assert_int_equal(msg_bundle_read(sb.s, sb.len, &got, &err), 0);
    assert_int_equal(got.n_files, 2);
    assert_string_equal(got.files[0].text, files[0].text);
    assert_int_equal(got.files[1].mode, BUNDLE_MONITOR);
    msg_bundle_done(&got);
    // Content under another id.
    sb_reset(&sb);
    files[0].text = "x: \"2\"\n";
    assert_int_equal(msg_bundle_write(&sb, &m), 0);
    assert_int_equal(msg_bundle_read(sb.s, sb.len, &got, &err), -EBADMSG);
    // A name that would leave the directory.
    sb_reset(&sb);
    files[0].name = "../../etc/x.yaml";
    assert_int_equal(msg_bundle_write(&sb, &m), 0);
    assert_int_equal(msg_bundle_read(sb.s, sb.len, &got, &err), -EBADMSG);
}

static void test_state(void **state)
{
    struct state_row rows[] = {{"a", "{\"x\":\"/y\"}", 10}, {"b", NULL, 0}, {"c", "", 0}};
    struct msg_state m = {.table = "health",
                          .has_base = true,
                          .base = 5,
                          .checksum = ~UINT64_C(0),
                          .rows = rows,
                          .n_rows = 3},
                     got;
    _cleanup_(sb_done) struct strbuf sb = {};
    uint64_t checksum;

    (void)state;
    assert_int_equal(msg_state_write(&sb, &m), 0);
    assert_int_equal(msg_state_read(sb.s, sb.len, &got, NULL), 0);
    assert_string_equal(got.table, "health");
    assert_true(got.has_base && got.base == 5 && !got.full);
    assert_true(got.checksum == ~UINT64_C(0));
    assert_int_equal(got.n_rows, 3);
    assert_string_equal(got.rows[0].value, rows[0].value);
    assert_int_equal(got.rows[0].value_len, 10);
    assert_null(got.rows[1].value);
    assert_string_equal(got.rows[2].value, "");
    msg_state_done(&got);
    // A full table has no base, any other has one.
    sb_reset(&sb);
    m.full = true;
    assert_int_equal(msg_state_write(&sb, &m), 0);
    assert_int_equal(msg_state_read(sb.s, sb.len, &got, NULL), -EBADMSG);
    sb_reset(&sb);
    m.has_base = false;
    assert_int_equal(msg_state_write(&sb, &m), 0);
    assert_int_equal(msg_state_read(sb.s, sb.len, &got, NULL), 0);
    msg_state_done(&got);
    sb_reset(&sb);
    m.table = "../x";
    assert_int_equal(msg_state_write(&sb, &m), 0);
    assert_int_equal(msg_state_read(sb.s, sb.len, &got, NULL), -EBADMSG);
    sb_reset(&sb);
    assert_int_equal(msg_state_answer_write(&sb, 0xabc), 0);
    assert_int_equal(msg_state_answer_read(sb.s, sb.len, &checksum, NULL), 0);
    assert_int_equal(checksum, 0xabc);
}

static void test_result(void **state)
{
    struct msg_result m = {.command = "c-1", .status = MSG_FAILED, .result = "{\"n\":1}"}, got;
    _cleanup_(sb_done) struct strbuf sb = {};
    enum msg_status status;

    (void)state;
    (void)error_at(&m.error, -ENOENT, "/x", 3, 4, "no such file");
    error_cure(&m.error, "make it");
    assert_int_equal(msg_result_write(&sb, &m), 0);
    assert_int_equal(msg_result_read(sb.s, sb.len, &got, NULL), 0);
    assert_string_equal(got.command, "c-1");
    assert_int_equal(got.status, MSG_FAILED);
    assert_non_null(strstr(got.result, "\"n\""));
    assert_int_equal(got.error.code, -ENOENT);
    assert_string_equal(got.error.what, "no such file");
    assert_string_equal(got.error.cure, "make it");
    assert_int_equal(got.error.line, 3);
    msg_result_done(&got);
    sb_reset(&sb);
    m = (struct msg_result){.command = "c-2", .status = MSG_DONE};
    assert_int_equal(msg_result_write(&sb, &m), 0);
    assert_int_equal(msg_result_read(sb.s, sb.len, &got, NULL), 0);
    assert_null(got.result);
    assert_false(error_is_set(&got.error));
    msg_result_done(&got);
    m.command = "";
    assert_int_equal(msg_result_write(&sb, &m), -EINVAL);
    for (unsigned i = 0; i < MSG_STATUSES; i++) {
        assert_int_equal(msg_status_find(msg_status_name((enum msg_status)i), &status), 0);
        assert_int_equal(status, i);
    }
}

static void test_errors(void **state)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct error err = {}, got = {};

    (void)state;
    for (unsigned i = 1; i < WIRE_CODE_COUNT; i++) {
        const char *word = wire_code_word((enum wire_code)i);

        assert_non_null(word);
        assert_int_equal(wire_code_find(word), i);
        assert_in_range(wire_code_status((enum wire_code)i), 400, 599);
    }
    assert_int_equal(wire_code_find("no-such"), WIRE_CODE_NONE);
    assert_int_equal(wire_code_find(NULL), WIRE_CODE_NONE);
    (void)error_set(&err, -EACCES, "no \"entry\"");
    error_cure(&err, "ask");
    assert_int_equal(wire_error_write(&sb, WIRE_revoked, &err), 0);
    assert_int_equal(wire_error_read(sb.s, sb.len, -EPERM, &got), WIRE_revoked);
    assert_int_equal(got.code, -EPERM);
    assert_string_equal(got.what, "no \"entry\"");
    assert_string_equal(got.cure, "ask");
    got = (struct error){};
    assert_int_equal(wire_error_read("<html>", 6, -EPERM, &got), WIRE_CODE_NONE);
    assert_false(error_is_set(&got));
}

// Bodies that nobody who means well sends.
static void test_hostile_texts(void **state)
{
    _cleanup_(sb_done) struct strbuf deep = {}, many = {}, strings = {};
    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "null",
                                        "{}x",
                                        "{}{}",
                                        "{\"a\":\"\xff\"}",
                                        "{\"session\":{}}",
                                        "{'a':1}",
                                        "{\"a\":1,}",
                                        "\"\\"};
    struct json_object *root = NULL;
    struct error err = {};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct msg_hello_answer hello;
        struct msg_enrol enrol;
        struct msg_poll poll;
        struct msg_state rows;
        struct msg_result result;
        struct msg_bundle bundle;
        size_t len = strlen(texts[i]);

        assert_int_equal(msg_hello_answer_read(texts[i], len, &hello, &err), -EBADMSG);
        assert_int_equal(msg_enrol_read(texts[i], len, &enrol, &err), -EBADMSG);
        assert_int_equal(msg_poll_read(texts[i], len, &poll, &err), -EBADMSG);
        assert_int_equal(msg_state_read(texts[i], len, &rows, &err), -EBADMSG);
        assert_int_equal(msg_result_read(texts[i], len, &result, &err), -EBADMSG);
        assert_int_equal(msg_bundle_read(texts[i], len, &bundle, &err), -EBADMSG);
    }
    sb_puts(&deep, "{\"a\":");
    for (int i = 0; i < 40; i++)
        sb_putc(&deep, '[');
    for (int i = 0; i < 40; i++)
        sb_putc(&deep, ']');
    sb_putc(&deep, '}');
    assert_int_equal(wire_parse(deep.s, deep.len, 1 << 20, 1 << 20, "x", &root, &err), -EBADMSG);
    // Small to send, large to keep.
    sb_puts(&many, "{\"a\":[0");
    for (int i = 0; i < 10000; i++)
        sb_puts(&many, ",[]");
    sb_puts(&many, "]}");
    assert_int_equal(wire_parse(many.s, many.len, 1 << 20, 1000, "x", &root, &err), -EMSGSIZE);
    assert_int_equal(wire_parse(many.s, many.len, 1000, 1 << 20, "x", &root, &err), -EMSGSIZE);
    // What stands in strings is no value.
    sb_puts(&strings, "{\"a\":\"");
    for (int i = 0; i < 1000; i++)
        sb_puts(&strings, ",[{\\\"");
    sb_puts(&strings, "\"}");
    assert_int_equal(wire_parse(strings.s, strings.len, 1 << 20, 10, "x", &root, &err), 0);
    json_object_put(root);
}

static void test_a_nul_in_a_text(void **state)
{
    static const char text[] = "{\"csr\":\"a\\u0000b\"}";
    struct msg_renew m;

    (void)state;
    assert_int_equal(msg_renew_read(text, strlen(text), &m, NULL), -EBADMSG);
}

// Each member of each object of a good message is taken away, made null and made something else: the reader
// refuses it or takes it for missing, and never falls over.
static void mutate(const char *good, int (*read)(const char *text, size_t len))
{
    struct json_object *root = json_tokener_parse(good);

    assert_non_null(root);
    assert_int_equal(read(good, strlen(good)), 0);
    struct json_object_iterator it = json_object_iter_begin(root), end = json_object_iter_end(root);

    for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
        for (int round = 0; round < BAD_ROUNDS; round++) {
            struct json_object *copy = NULL;
            const char *text;
            int r;

            assert_int_equal(json_object_deep_copy(root, &copy, NULL), 0);
            if (round == 0)
                json_object_object_del(copy, json_object_iter_peek_name(&it));
            else
                json_object_object_add(copy, json_object_iter_peek_name(&it),
                                       round == 1 ? NULL : json_object_new_double(1.5));
            text = json_object_to_json_string(copy);
            r = read(text, strlen(text));
            assert_true(r == -EBADMSG || (r == 0 && round < 2));
            json_object_put(copy);
        }
    }
    json_object_put(root);
}

#define READER(name)                                     \
    static int read_##name(const char *text, size_t len) \
    {                                                    \
        struct msg_##name m;                             \
        int r = msg_##name##_read(text, len, &m, NULL);  \
                                                         \
        if (r == 0)                                      \
            msg_##name##_done(&m);                       \
        return r;                                        \
    }
READER(enrol)
READER(certificate)
READER(hello)
READER(hello_answer)
READER(poll)
READER(state)
READER(result)

static void test_members(void **state)
{
    (void)state;
    mutate("{\"token\":\"t\",\"csr\":\"c\",\"host\":{},\"version\":\"1\"}", read_enrol);
    mutate("{\"certificate\":\"t\",\"ca\":\"c\",\"renew_after_ms\":1}", read_certificate);
    mutate("{\"boot_id\":\"b\",\"machine_id\":\"m\",\"host\":{},\"version\":\"1\",\"time_ms\":1,"
           "\"streams\":[]}",
           read_hello);
    mutate("{\"session\":\"s\",\"time_ms\":1,\"streams\":[],\"bundle\":null,\"renew\":false}",
           read_hello_answer);
    mutate("{\"bundle\":\"b\",\"commands\":[],\"questions\":[]}", read_poll);
    mutate("{\"table\":\"t\",\"base\":\"0000000000000000\",\"checksum\":\"0000000000000000\","
           "\"full\":false,\"rows\":[]}",
           read_state);
    mutate("{\"command\":\"c\",\"status\":\"done\"}", read_result);
}

UNIT_MAIN(cmocka_unit_test(test_enrol), cmocka_unit_test(test_certificates),
          cmocka_unit_test(test_hello), cmocka_unit_test(test_streams_that_cannot_be),
          cmocka_unit_test(test_hello_answer), cmocka_unit_test(test_poll),
          cmocka_unit_test(test_bundle), cmocka_unit_test(test_state),
          cmocka_unit_test(test_result), cmocka_unit_test(test_errors),
          cmocka_unit_test(test_hostile_texts), cmocka_unit_test(test_a_nul_in_a_text),
          cmocka_unit_test(test_members))
