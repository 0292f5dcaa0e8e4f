// SPDX-License-Identifier: Apache-2.0
#include "transport/msg_result.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"

static const char *const statuses[] = {
    [MSG_DONE] = "done",
    [MSG_FAILED] = "failed",
    [MSG_EXPIRED] = "expired",
};
STATIC_ASSERT(ARRAY_SIZE(statuses) == MSG_STATUSES, "a name for every status");

const char *msg_status_name(enum msg_status status)
{
    return (unsigned)status < MSG_STATUSES ? statuses[status] : NULL;
}

int msg_status_find(const char *name, enum msg_status *ret_status)
{
    for (unsigned i = 0; i < MSG_STATUSES; i++) {
        if (streq_ptr(name, statuses[i])) {
            *ret_status = (enum msg_status)i;
            return 0;
        }
    }
    return -ENOENT;
}

static void write_error(struct jw *jw, const struct error *e)
{
    jw_kv_object(jw, "error");
    jw_kv_str(jw, "what", e->what);
    if (*e->expected)
        jw_kv_str(jw, "expected", e->expected);
    if (*e->cure)
        jw_kv_str(jw, "cure", e->cure);
    if (*e->file)
        jw_kv_str(jw, "file", e->file);
    if (e->line)
        jw_kv_u64(jw, "line", e->line);
    if (e->column)
        jw_kv_u64(jw, "column", e->column);
    jw_kv_u64(jw, "errno", (uint64_t)-e->code);
    jw_end_object(jw);
}

int msg_result_write(struct strbuf *out, const struct msg_result *m)
{
    size_t len = m->result ? strlen(m->result) : 0;
    struct jw jw;

    if (!wire_id_valid(m->command) || !msg_status_name(m->status))
        return -EINVAL;
    if (len > MSG_RESULT_TEXT_MAX)
        return -EMSGSIZE;
    jw_init(&jw, out);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "command", m->command);
    jw_kv_str(&jw, "status", msg_status_name(m->status));
    if (m->result) {
        jw_key(&jw, "result");
        jw_raw(&jw, m->result, len);
    } else {
        jw_kv_null(&jw, "result");
    }
    if (error_is_set(&m->error))
        write_error(&jw, &m->error);
    else
        jw_kv_null(&jw, "error");
    jw_end_object(&jw);
    return jw_finish(&jw);
}

static unsigned small_number(struct json_object *o, const char *key)
{
    uint64_t n = 0;

    return wire_get_u64(o, key, UINT32_MAX, &n, NULL) < 0 ? 0 : (unsigned)n;
}

static int read_error(struct json_object *root, struct error *ret, struct error *err)
{
    const char *what = NULL, *expected = NULL, *cure = NULL, *file = NULL;
    struct json_object *o = NULL;
    unsigned code;
    int r;

    if (!json_object_object_get_ex(root, "error", &o) || !o)
        return 0;
    r = wire_get_str(o, "what", sizeof(ret->what) - 1, &what, err);
    if (r == 0)
        r = wire_get_str_opt(o, "expected", sizeof(ret->expected) - 1, &expected, err);
    if (r == 0)
        r = wire_get_str_opt(o, "cure", sizeof(ret->cure) - 1, &cure, err);
    if (r == 0)
        r = wire_get_str_opt(o, "file", sizeof(ret->file) - 1, &file, err);
    if (r < 0)
        return r;
    code = small_number(o, "errno");
    (void)error_at(ret, code > 0 && code < 4096 ? -(int)code : -EIO, file, small_number(o, "line"),
                   small_number(o, "column"), "%s", what);
    if (expected)
        error_expected(ret, "%s", expected);
    if (cure)
        error_cure(ret, "%s", cure);
    return 0;
}

int msg_result_read(const char *text, size_t len, struct msg_result *ret, struct error *err)
{
    struct json_object *result = NULL;
    const char *status = NULL;
    struct msg_result m = {};
    int r;

    r = wire_parse(text, len, WIRE_RESULT_MAX, 16384, "result", &m.root, err);
    if (r == 0)
        r = wire_get_str(m.root, "command", WIRE_ID_MAX, &m.command, err);
    if (r == 0 && !wire_id_valid(m.command))
        r = error_set(err, -EBADMSG, "'command' is not an id");
    if (r == 0)
        r = wire_get_str(m.root, "status", WIRE_ID_MAX, &status, err);
    if (r == 0 && msg_status_find(status, &m.status) < 0)
        r = error_set(err, -EBADMSG, "'status' is none that this version knows");
    if (r == 0)
        r = read_error(m.root, &m.error, err);
    if (r == 0 && json_object_object_get_ex(m.root, "result", &result) && result) {
        m.result = json_object_to_json_string_ext(result, JSON_C_TO_STRING_PLAIN);
        if (!m.result)
            r = error_set(err, -ENOMEM, "no memory");
    }
    if (r < 0) {
        msg_result_done(&m);
        return r;
    }
    *ret = m;
    return 0;
}

void msg_result_done(struct msg_result *m)
{
    json_object_put(m->root);
    *m = (struct msg_result){};
}
