// SPDX-License-Identifier: Apache-2.0
//
// What a host says of its network, as the types of schemas.def: of each value what has the type of its place, and no more rows than
// there can be.
#include <string.h>

#include "server/live_json.h"
#include "server/live_put.h"

#define ROWS_MAX    2048u
#define ANSWERS_MAX 16u

static void maybe_count(struct jw *out, const char *key, struct json_object *o, const char *name)
{
    if (json_object_is_type(json_get(o, name), json_type_int))
        live_count(out, key, o, name);
    else
        jw_kv_null(out, key);
}

static void who(struct json_object *o, struct jw *out)
{
    live_text(out, "process", o, "process_uid");
    maybe_count(out, "pid", o, "pid");
    live_text(out, "program", o, "program");
    live_text(out, "container", o, "container");
}

static void flow(struct json_object *o, struct jw *out)
{
    jw_kv_str(out, "type", json_get_str(o, "type", ""));
    live_text(out, "ended", o, "reason");
    who(o, out);
    live_text(out, "user", o, "user");
    live_count(out, "protocol", o, "protocol");
    live_flag(out, "incoming", o, "incoming");
    live_text(out, "local", o, "local");
    live_count(out, "local_port", o, "local_port");
    live_text(out, "remote", o, "remote");
    live_count(out, "remote_port", o, "remote_port");
    live_text(out, "name", o, "name");
    live_text(out, "peer_program", o, "peer_program");
    live_when(out, "begin", o, "begin_ms");
    live_when(out, "end", o, "end_ms");
    maybe_count(out, "bytes_out", o, "bytes_out");
    maybe_count(out, "bytes_in", o, "bytes_in");
    maybe_count(out, "rtt_us", o, "rtt_us");
    live_count(out, "retransmits", o, "retransmits");
    live_text(out, "error", o, "error");
}

static void question(struct json_object *o, struct jw *out)
{
    struct json_object *list = json_get(o, "answers");
    size_t n = live_length(list);

    live_when(out, "time", o, "time_ms");
    jw_kv_str(out, "name", json_get_str(o, "name", ""));
    jw_kv_str(out, "type", json_get_str(o, "type", ""));
    who(o, out);
    live_text(out, "server", o, "server");
    live_text(out, "rcode", o, "rcode");
    maybe_count(out, "duration_us", o, "duration_us");
    jw_kv_array(out, "answers");
    for (size_t i = 0; i < MIN(n, (size_t)ANSWERS_MAX); i++)
        jw_cstr(out, json_get_str(json_object_array_get_idx(list, i), "address", ""));
    jw_end_array(out);
}

static void drop(struct json_object *o, struct jw *out)
{
    live_text(out, "reason", o, "reason");
    live_text(out, "place", o, "place");
    live_count(out, "protocol", o, "protocol");
    live_count(out, "service", o, "service");
    live_count(out, "packets", o, "packets");
    live_count(out, "bytes", o, "bytes");
    live_when(out, "last", o, "last_ms");
    live_text(out, "source", o, "source");
    live_text(out, "destination", o, "destination");
}

static void edge(struct json_object *o, struct jw *out)
{
    live_text(out, "program", o, "program");
    live_text(out, "peer_program", o, "peer_program");
    live_text(out, "name", o, "name");
    live_text(out, "peer", o, "peer");
    live_count(out, "port", o, "port");
    live_count(out, "protocol", o, "protocol");
    live_flag(out, "incoming", o, "incoming");
    live_count(out, "flows", o, "flows");
    live_count(out, "failed", o, "failed");
    live_count(out, "bytes_out", o, "bytes_out");
    live_count(out, "bytes_in", o, "bytes_in");
    live_when(out, "last", o, "last_ms");
}

static void rows(struct json_object *list, void (*one)(struct json_object *o, struct jw *out),
                 struct jw *out)
{
    size_t n = live_length(list);

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
    live_flag(out, "looks", network, dns ? "dns" : "flows");
    live_text(out, "error", error, "what");
    live_text(out, "cure", error, "cure");
    live_count(out, "more", network, "more");
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
