// SPDX-License-Identifier: Apache-2.0
#include "transport/msg_hello.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"

#define TIME_MAX ((uint64_t)INT64_MAX / 1000000) // as nanoseconds they fit 64 bits

static void write_streams(struct jw *jw, const struct msg_stream *streams, size_t n, bool agent)
{
    jw_kv_array(jw, "streams");
    for (size_t i = 0; i < n; i++) {
        char id[STREAM_ID_TEXT];

        stream_id_format(&streams[i].id, id);
        jw_begin_object(jw);
        jw_kv_str(jw, "class", stream_class_name(streams[i].class));
        jw_kv_str(jw, "id", id);
        if (agent) {
            jw_kv_u64(jw, "first", streams[i].first);
            jw_kv_u64(jw, "next", streams[i].next);
        }
        jw_kv_u64(jw, "acked", streams[i].acked);
        jw_end_object(jw);
    }
    jw_end_array(jw);
}

static int read_stream(struct json_object *o, bool agent, struct msg_stream *ret, struct error *err)
{
    const char *class = NULL, *id = NULL;
    struct msg_stream s = {};
    int r;

    r = wire_get_str(o, "class", WIRE_ID_MAX, &class, err);
    if (r == 0)
        r = wire_get_str(o, "id", STREAM_ID_TEXT - 1, &id, err);
    if (r < 0)
        return r;
    if (stream_class_find(class, &s.class) < 0 || stream_id_parse(id, &s.id) < 0)
        return error_set(err, -EBADMSG, "a stream has no class or id that can be");
    r = wire_get_u64(o, "acked", STREAM_NUMBER_MAX, &s.acked, err);
    if (r == 0 && agent)
        r = wire_get_u64(o, "first", STREAM_NUMBER_MAX, &s.first, err);
    if (r == 0 && agent)
        r = wire_get_u64(o, "next", STREAM_NUMBER_MAX, &s.next, err);
    if (r < 0)
        return r;
    if (agent && (s.first == 0 || s.next < s.first || s.acked >= s.next))
        return error_set(err, -EBADMSG, "a stream has numbers that cannot be");
    *ret = s;
    return 0;
}

static int read_streams(struct json_object *o, bool agent, struct msg_stream *streams,
                        size_t *ret_n, struct error *err)
{
    struct json_object *array = NULL;
    size_t n = 0;
    int r;

    r = wire_get_array(o, "streams", MSG_STREAMS_MAX, &array, &n, err);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = read_stream(json_object_array_get_idx(array, i), agent, &streams[i], err);
    if (r == 0)
        *ret_n = n;
    return r;
}

int msg_hello_write(struct strbuf *out, const struct msg_hello *m)
{
    struct jw jw;

    jw_init(&jw, out);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "boot_id", m->boot_id);
    jw_kv_str(&jw, "machine_id", m->machine_id);
    msg_host_write(&jw, &m->host);
    jw_kv_str(&jw, "version", m->version);
    jw_kv_u64(&jw, "time_ms", m->time_ms);
    write_streams(&jw, m->streams, m->n_streams, true);
    jw_end_object(&jw);
    return jw_finish(&jw);
}

int msg_hello_read(const char *text, size_t len, struct msg_hello *ret, struct error *err)
{
    struct msg_hello m = {};
    int r;

    r = wire_parse(text, len, WIRE_HELLO_MAX, 512, "hello", &m.root, err);
    if (r == 0)
        r = wire_get_str(m.root, "boot_id", WIRE_NAME_MAX, &m.boot_id, err);
    if (r == 0)
        r = wire_get_str(m.root, "machine_id", WIRE_NAME_MAX, &m.machine_id, err);
    if (r == 0)
        r = wire_get_str(m.root, "version", WIRE_NAME_MAX, &m.version, err);
    if (r == 0)
        r = msg_host_read(m.root, &m.host, err);
    if (r == 0)
        r = wire_get_u64(m.root, "time_ms", TIME_MAX, &m.time_ms, err);
    if (r == 0)
        r = read_streams(m.root, true, m.streams, &m.n_streams, err);
    if (r < 0) {
        msg_hello_done(&m);
        return r;
    }
    *ret = m;
    return 0;
}

void msg_hello_done(struct msg_hello *m)
{
    json_object_put(m->root);
    *m = (struct msg_hello){};
}

int msg_hello_answer_write(struct strbuf *out, const struct msg_hello_answer *m)
{
    struct jw jw;

    jw_init(&jw, out);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "session", m->session);
    jw_kv_u64(&jw, "time_ms", m->time_ms);
    write_streams(&jw, m->streams, m->n_streams, false);
    jw_kv_str(&jw, "bundle", m->bundle);
    jw_kv_bool(&jw, "renew", m->renew);
    jw_end_object(&jw);
    return jw_finish(&jw);
}

int msg_hello_answer_read(const char *text, size_t len, struct msg_hello_answer *ret,
                          struct error *err)
{
    struct msg_hello_answer m = {};
    int r;

    r = wire_parse(text, len, WIRE_ANSWER_MAX, 512, "answer to hello", &m.root, err);
    if (r == 0)
        r = wire_get_str(m.root, "session", WIRE_ID_MAX, &m.session, err);
    if (r == 0 && !wire_id_valid(m.session))
        r = error_set(err, -EBADMSG, "'session' is not an id");
    if (r == 0)
        r = wire_get_u64(m.root, "time_ms", TIME_MAX, &m.time_ms, err);
    if (r == 0)
        r = read_streams(m.root, false, m.streams, &m.n_streams, err);
    if (r == 0)
        r = wire_get_str_opt(m.root, "bundle", WIRE_ID_MAX, &m.bundle, err);
    if (r == 0 && m.bundle && !wire_id_valid(m.bundle))
        r = error_set(err, -EBADMSG, "'bundle' is not an id");
    if (r == 0)
        r = wire_get_bool(m.root, "renew", &m.renew, err);
    if (r < 0) {
        msg_hello_answer_done(&m);
        return r;
    }
    *ret = m;
    return 0;
}

void msg_hello_answer_done(struct msg_hello_answer *m)
{
    json_object_put(m->root);
    *m = (struct msg_hello_answer){};
}

int msg_records_answer_write(struct strbuf *out, const struct msg_records_answer *m)
{
    struct jw jw;

    jw_init(&jw, out);
    jw_begin_object(&jw);
    jw_kv_u64(&jw, "acked", m->acked);
    jw_kv_u64(&jw, "stored", m->stored);
    jw_kv_u64(&jw, "duplicates", m->duplicates);
    jw_end_object(&jw);
    return jw_finish(&jw);
}

int msg_records_answer_read(const char *text, size_t len, struct msg_records_answer *ret,
                            struct error *err)
{
    struct json_object *root = NULL;
    struct msg_records_answer m;
    int r;

    r = wire_parse(text, len, WIRE_ANSWER_MAX, 32, "answer to records", &root, err);
    if (r == 0)
        r = wire_get_u64(root, "acked", STREAM_NUMBER_MAX, &m.acked, err);
    if (r == 0)
        r = wire_get_u64(root, "stored", UINT32_MAX, &m.stored, err);
    if (r == 0)
        r = wire_get_u64(root, "duplicates", UINT32_MAX, &m.duplicates, err);
    json_object_put(root);
    if (r == 0)
        *ret = m;
    return r;
}
