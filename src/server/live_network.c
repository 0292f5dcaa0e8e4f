// SPDX-License-Identifier: Apache-2.0
//
// What a host says of its network, as the types of schemas.def: of each value what has the type of its place, and no more rows than
// there can be.
#include <string.h>

#include "base/jsonget.h"
#include "base/macro.h"
#include "server/live_json.h"
#include "server/write.h"

#define TIME_MAX    UINT64_C(253402300799999) // the end of the year 9999
#define COUNT_MAX   ((uint64_t)1 << 53)       // what every reader of JSON has exactly
#define ROWS_MAX    2048u
#define ANSWERS_MAX 16u

static void text(struct jw *out, const char *key, struct json_object *o, const char *name)
{
    write_text(out, key, json_get_str(o, name, NULL));
}

static void count(struct jw *out, const char *key, struct json_object *o, const char *name)
{
    jw_kv_u64(out, key, MIN(json_get_u64(o, name, 0), COUNT_MAX));
}

static void maybe_count(struct jw *out, const char *key, struct json_object *o, const char *name)
{
    if (json_object_is_type(json_get(o, name), json_type_int))
        count(out, key, o, name);
    else
        jw_kv_null(out, key);
}

static void when(struct jw *out, const char *key, struct json_object *o, const char *name)
{
    uint64_t ms = json_get_u64(o, name, 0);

    write_time(out, key, ms <= TIME_MAX ? ms : 0);
}

static void flag(struct jw *out, const char *key, struct json_object *o, const char *name)
{
    jw_kv_bool(out, key, json_get_bool(o, name, 0) == 1);
}

static void who(struct json_object *o, struct jw *out)
{
    text(out, "process", o, "process_uid");
    maybe_count(out, "pid", o, "pid");
    text(out, "program", o, "program");
    text(out, "container", o, "container");
}

static void flow(struct json_object *o, struct jw *out)
{
    jw_kv_str(out, "type", json_get_str(o, "type", ""));
    text(out, "ended", o, "reason");
    who(o, out);
    text(out, "user", o, "user");
    count(out, "protocol", o, "protocol");
    flag(out, "incoming", o, "incoming");
    text(out, "local", o, "local");
    count(out, "local_port", o, "local_port");
    text(out, "remote", o, "remote");
    count(out, "remote_port", o, "remote_port");
    text(out, "name", o, "name");
    text(out, "peer_program", o, "peer_program");
    when(out, "begin", o, "begin_ms");
    when(out, "end", o, "end_ms");
    maybe_count(out, "bytes_out", o, "bytes_out");
    maybe_count(out, "bytes_in", o, "bytes_in");
    maybe_count(out, "rtt_us", o, "rtt_us");
    count(out, "retransmits", o, "retransmits");
    text(out, "error", o, "error");
}

static void question(struct json_object *o, struct jw *out)
{
    struct json_object *list = json_get(o, "answers");
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

    when(out, "time", o, "time_ms");
    jw_kv_str(out, "name", json_get_str(o, "name", ""));
    jw_kv_str(out, "type", json_get_str(o, "type", ""));
    who(o, out);
    text(out, "server", o, "server");
    text(out, "rcode", o, "rcode");
    maybe_count(out, "duration_us", o, "duration_us");
    jw_kv_array(out, "answers");
    for (size_t i = 0; i < MIN(n, (size_t)ANSWERS_MAX); i++)
        jw_cstr(out, json_get_str(json_object_array_get_idx(list, i), "address", ""));
    jw_end_array(out);
}

static void drop(struct json_object *o, struct jw *out)
{
    text(out, "reason", o, "reason");
    text(out, "place", o, "place");
    count(out, "protocol", o, "protocol");
    count(out, "service", o, "service");
    count(out, "packets", o, "packets");
    count(out, "bytes", o, "bytes");
    when(out, "last", o, "last_ms");
    text(out, "source", o, "source");
    text(out, "destination", o, "destination");
}

static void edge(struct json_object *o, struct jw *out)
{
    text(out, "program", o, "program");
    text(out, "peer_program", o, "peer_program");
    text(out, "name", o, "name");
    text(out, "peer", o, "peer");
    count(out, "port", o, "port");
    count(out, "protocol", o, "protocol");
    flag(out, "incoming", o, "incoming");
    count(out, "flows", o, "flows");
    count(out, "failed", o, "failed");
    count(out, "bytes_out", o, "bytes_out");
    count(out, "bytes_in", o, "bytes_in");
    when(out, "last", o, "last_ms");
}

static void rows(struct json_object *list, void (*one)(struct json_object *o, struct jw *out),
                 struct jw *out)
{
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

    for (size_t i = 0; i < MIN(n, (size_t)ROWS_MAX); i++) {
        jw_begin_object(out);
        one(json_object_array_get_idx(list, i), out);
        jw_end_object(out);
    }
}

// That it is switched off, or why it does not work; which of the two errors is for what was asked.
static void state(struct json_object *o, struct json_object *network, struct jw *out)
{
    bool dns = json_get(network, "questions") != NULL;
    struct json_object *error = json_get(o, "off");

    if (!error)
        error = json_get(network, dns ? "dns_error" : "flows_error");
    jw_kv_bool(out, "answered", json_object_is_type(o, json_type_object));
    flag(out, "looks", network, dns ? "dns" : "flows");
    text(out, "error", error, "what");
    text(out, "cure", error, "cure");
    count(out, "more", network, "more");
}

void live_network_json(struct json_object *o, struct jw *out)
{
    static const struct {
        const char *key, *lists[2];
        void (*one)(struct json_object *o, struct jw *out);
    } members[] = {
        {"flows", {"live", "closed"}, flow},
        {"questions", {"questions"}, question},
        {"drops", {"drops"}, drop},
        {"edges", {"edges"}, edge},
    };
    struct json_object *network = json_get(o, "network");

    state(o, network, out);
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        jw_kv_array(out, members[i].key);
        for (size_t k = 0; k < ARRAY_SIZE(members[i].lists) && members[i].lists[k]; k++)
            rows(json_get(network, members[i].lists[k]), members[i].one, out);
        jw_end_array(out);
    }
}
