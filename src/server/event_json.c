// SPDX-License-Identifier: Apache-2.0
#include "server/event_json.h"

static void text(struct jw *jw, const char *key, const struct store_str *s)
{
    if (s->s)
        jw_kv_strn(jw, key, s->s, s->len);
    else
        jw_kv_null(jw, key);
}

void event_json_members(struct jw *jw, const struct store_row *row, const char *host_name)
{
    const struct store_columns *c = &row->columns;

    jw_kv_str(jw, "id", row->id);
    jw_kv_str(jw, "host", row->host);
    jw_kv_str(jw, "host_name", host_name);
    jw_kv_u64(jw, "time", c->time_ms);
    jw_kv_u64(jw, "received", row->received_ms);
    jw_kv_u64(jw, "class", c->class_uid);
    jw_kv_u64(jw, "activity", c->activity);
    jw_kv_u64(jw, "severity", c->severity);
    jw_kv_str(jw, "outcome", store_outcome_name(c->outcome));
    jw_kv_u64(jw, "count", c->count);
    text(jw, "rule", &c->rule);
    text(jw, "policy", &c->policy);
    text(jw, "user", &c->user);
    text(jw, "program", &c->program);
    text(jw, "path", &c->path);
    text(jw, "message", &c->message);
}

void event_json_write(struct jw *jw, const struct store_row *row, const char *host_name)
{
    jw_begin_object(jw);
    event_json_members(jw, row, host_name);
    jw_end_object(jw);
}
