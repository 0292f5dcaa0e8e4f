// SPDX-License-Identifier: Apache-2.0
//
// Settings that are changed while the server runs.
#include <errno.h>
#include <stdio.h>

#include <json-c/json.h>

#include "base/jsonget.h"
#include "base/macro.h"
#include "registry/settings.h"
#include "server/server.h"
#include "server/write.h"

static void write_value(struct jw *out, const char *key, enum setting_type type, uint64_t value,
                        const char *text)
{
    if (type == SETTING_TEXT)
        jw_kv_str(out, key, strempty(text));
    else if (type == SETTING_BOOL)
        jw_kv_bool(out, key, value != 0);
    else
        jw_kv_u64(out, key, value);
}

static int on_setting(void *ctx, const struct registry_setting *s)
{
    struct jw *out = ctx;

    jw_begin_object(out);
    jw_kv_str(out, "key", s->name);
    write_value(out, "value", s->type, s->value, s->text);
    write_value(out, "default", s->type, s->fallback, s->fallback_text);
    jw_kv_str(out, "help", s->help);
    jw_kv_str(out, "type", setting_type_name(s->type));
    jw_kv_u64(out, "min", s->min);
    jw_kv_u64(out, "max", s->max);
    jw_end_object(out);
    return 0;
}

int route_settings(struct server *s, struct api_request *rq _unused_, struct jw *out,
                   struct error *err)
{
    int r;

    begin_items(out);
    r = registry_setting_list(s->registry, on_setting, out, err);
    end_items(out, NULL);
    return r;
}

// All are looked at before the first is changed.
int route_settings_change(struct server *s, struct api_request *rq, struct jw *out,
                          struct error *err)
{
    struct json_object *set = json_get(api_body(rq), "set");
    struct registry_setting_value values[SETTING_N];
    size_t n = 0;
    int r;

    json_object_object_foreach(set, key, value)
    {
        if (n == ARRAY_SIZE(values))
            return error_set(err, -EINVAL, "there are only %d settings", SETTING_N);
        if (value && (json_object_is_type(value, json_type_object) ||
                      json_object_is_type(value, json_type_array)))
            return error_set(err, -EINVAL, "the value of '%.64s' is neither a text nor a number",
                             key);
        values[n++] = (struct registry_setting_value){key,
                                                      value ? json_object_get_string(value) : NULL};
    }
    r = registry_setting_set_many(s->registry, api_actor(rq), values, n, err);
    return r < 0 ? r : route_settings(s, rq, out, err);
}
