// SPDX-License-Identifier: Apache-2.0
#include "transport/msg_state.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"

bool msg_table_valid(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t len = strnlen(strempty(name), MSG_TABLE_MAX + 1);

    return len > 0 && len <= MSG_TABLE_MAX && strspn(name, allowed) == len;
}

static void kv_checksum(struct jw *jw, const char *key, uint64_t checksum)
{
    char text[STATE_CHECKSUM_TEXT];

    state_checksum_format(checksum, text);
    jw_kv_str(jw, key, text);
}

int msg_state_write(struct strbuf *out, const struct msg_state *m)
{
    struct jw jw;

    jw_init(&jw, out);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "table", m->table);
    if (m->has_base)
        kv_checksum(&jw, "base", m->base);
    else
        jw_kv_null(&jw, "base");
    kv_checksum(&jw, "checksum", m->checksum);
    jw_kv_bool(&jw, "full", m->full);
    jw_kv_array(&jw, "rows");
    for (size_t i = 0; i < m->n_rows; i++) {
        const struct state_row *row = &m->rows[i];

        jw_begin_object(&jw);
        jw_kv_str(&jw, "key", row->key);
        if (row->value)
            jw_kv_strn(&jw, "value", row->value, row->value_len);
        else
            jw_kv_null(&jw, "value");
        jw_end_object(&jw);
    }
    jw_end_array(&jw);
    jw_end_object(&jw);
    return jw_finish(&jw);
}

static int get_checksum(struct json_object *o, const char *key, uint64_t *ret, struct error *err)
{
    const char *text = NULL;
    int r;

    r = wire_get_str(o, key, STATE_CHECKSUM_TEXT - 1, &text, err);
    if (r == 0 && state_checksum_parse(text, ret) < 0)
        r = error_set(err, -EBADMSG, "'%s' is not a checksum", key);
    return r;
}

static int read_row(struct json_object *o, struct state_row *ret, struct error *err)
{
    struct state_row row = {};
    int r;

    r = wire_get_str(o, "key", STATE_KEY_MAX, &row.key, err);
    if (r == 0)
        r = wire_get_str_opt(o, "value", STATE_VALUE_MAX, &row.value, err);
    if (r < 0)
        return r;
    if (!*row.key)
        return error_set(err, -EBADMSG, "a row has an empty key");
    row.value_len = row.value ? strlen(row.value) : 0;
    *ret = row;
    return 0;
}

static int read_head(struct msg_state *m, struct error *err)
{
    struct json_object *base = NULL;
    int r;

    r = wire_get_str(m->root, "table", MSG_TABLE_MAX, &m->table, err);
    if (r == 0 && !msg_table_valid(m->table))
        r = error_set(err, -EBADMSG, "'table' is not the name of a table");
    if (r == 0)
        r = wire_get_bool(m->root, "full", &m->full, err);
    if (r == 0)
        r = get_checksum(m->root, "checksum", &m->checksum, err);
    if (r < 0)
        return r;
    m->has_base = json_object_object_get_ex(m->root, "base", &base) && base;
    if (m->has_base)
        r = get_checksum(m->root, "base", &m->base, err);
    if (r == 0 && m->full == m->has_base) {
        (void)error_set(err, -EBADMSG, "'base' and 'full' do not fit");
        error_expected(err, "a base, or full");
        r = -EBADMSG;
    }
    return r;
}

int msg_state_read(const char *text, size_t len, struct msg_state *ret, struct error *err)
{
    struct json_object *rows = NULL;
    struct msg_state m = {};
    size_t n = 0;
    int r;

    r = wire_parse(text, len, WIRE_STATE_MAX, 4 * MSG_STATE_ROWS_MAX, "state", &m.root, err);
    if (r == 0)
        r = read_head(&m, err);
    if (r == 0)
        r = wire_get_array(m.root, "rows", MSG_STATE_ROWS_MAX, &rows, &n, err);
    if (r == 0) {
        m.rows = new0(struct state_row, n);
        if (!m.rows)
            r = error_set(err, -ENOMEM, "no memory");
    }
    for (size_t i = 0; r == 0 && i < n; i++)
        r = read_row(json_object_array_get_idx(rows, i), &m.rows[i], err);
    if (r < 0) {
        msg_state_done(&m);
        return r;
    }
    m.n_rows = n;
    *ret = m;
    return 0;
}

void msg_state_done(struct msg_state *m)
{
    if (m->root)
        free(m->rows);
    json_object_put(m->root);
    *m = (struct msg_state){};
}

int msg_state_answer_write(struct strbuf *out, uint64_t checksum)
{
    struct jw jw;

    jw_init(&jw, out);
    jw_begin_object(&jw);
    kv_checksum(&jw, "checksum", checksum);
    jw_end_object(&jw);
    return jw_finish(&jw);
}

int msg_state_answer_read(const char *text, size_t len, uint64_t *ret_checksum, struct error *err)
{
    struct json_object *root = NULL;
    int r;

    r = wire_parse(text, len, WIRE_ANSWER_MAX, 16, "answer to state", &root, err);
    if (r == 0)
        r = get_checksum(root, "checksum", ret_checksum, err);
    json_object_put(root);
    return r;
}
