// SPDX-License-Identifier: Apache-2.0
//
// Channels: where alerts are told.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/alloc.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "registry/audit.h"
#include "registry/channel.h"
#include "server/notify.h"
#include "server/server.h"
#include "server/write.h"

static int on_channel(void *ctx, const struct registry_channel *c)
{
    struct json_object *config = json_tokener_parse(c->config);
    struct jw *out = ctx;

    jw_begin_object(out);
    write_id(out, "id", c->id);
    jw_kv_str(out, "name", c->name);
    jw_kv_str(out, "kind", channel_kind_name(c->kind));
    jw_kv_str(out, "target", json_get_str(config, "target", ""));
    jw_kv_u64(out, "severity", c->severity_min);
    jw_kv_bool(out, "enabled", c->enabled);
    jw_kv_bool(out, "has_secret", c->has_secret);
    jw_kv_u64(out, "sent", c->sent);
    jw_kv_u64(out, "failed", c->failed);
    jw_kv_u64(out, "dropped", c->dropped);
    write_time(out, "last_sent", c->last_ms);
    write_text(out, "last_error", c->last_error);
    jw_end_object(out);
    json_object_put(config);
    return 0;
}

int route_channels(struct server *s, struct api_request *rq _unused_, struct jw *out,
                   struct error *err)
{
    int r;

    begin_items(out);
    r = registry_channel_list(s->registry, on_channel, out, err);
    end_items(out, NULL);
    return r;
}

// {"target":…}; the caller frees. NULL: there is none in the body.
static int config_of(struct json_object *body, enum channel_kind kind, char **ret,
                     struct error *err)
{
    const char *target = json_get_str(body, "target", NULL);
    _cleanup_(sb_done) struct strbuf sb = {};
    struct jw jw;
    int r;

    *ret = NULL;
    if (!target)
        return 0;
    r = notify_check_target(kind, target, err);
    if (r < 0)
        return r;
    jw_init(&jw, &sb);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "target", target);
    jw_end_object(&jw);
    r = jw_finish(&jw);
    r = r < 0 ? r : sb_finish(&sb, ret);
    return r < 0 ? error_set(err, r, "out of memory") : 0;
}

static struct registry_channel_spec spec_of(struct json_object *body, const char *config,
                                            bool *enabled)
{
    struct json_object *on = json_get(body, "enabled");

    *enabled = !on || json_object_get_boolean(on);
    return (struct registry_channel_spec){
        .name = json_get_str(body, "name", NULL),
        .config = config,
        .secret = json_get_str(body, "secret", NULL),
        .enabled = on ? enabled : NULL,
        // 0 is everything, as 1 is.
        .severity_min = json_get(body, "severity")
                            ? (unsigned)MAX(json_get_u64(body, "severity", 1), UINT64_C(1))
                            : 0,
    };
}

int route_channel_new(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    struct json_object *body = api_body(rq);
    enum channel_kind kind = channel_kind_find(json_get_str(body, "kind", ""));
    _cleanup_free_ char *config = NULL;
    struct registry_channel_spec spec;
    uint64_t id = 0;
    bool enabled;
    int r = config_of(body, kind, &config, err);

    if (r < 0)
        return r;
    spec = spec_of(body, config, &enabled);
    r = registry_channel_create(s->registry, api_actor(rq), kind, &spec, &id, err);
    return r < 0 ? r : registry_channel_get(s->registry, id, on_channel, out, err);
}

static int copy_kind(void *ctx, const struct registry_channel *c)
{
    *(enum channel_kind *)ctx = c->kind;
    return 0;
}

int route_channel_change(struct server *s, struct api_request *rq, struct jw *out,
                         struct error *err)
{
    enum channel_kind kind = CHANNEL_WEBHOOK;
    _cleanup_free_ char *config = NULL;
    struct registry_channel_spec spec;
    uint64_t id = 0;
    bool enabled;
    int r = read_id(api_path(rq, "id"), "channel", &id, err);

    if (r == 0)
        r = registry_channel_get(s->registry, id, copy_kind, &kind, err);
    if (r == 0)
        r = config_of(api_body(rq), kind, &config, err);
    if (r < 0)
        return r;
    spec = spec_of(api_body(rq), config, &enabled);
    r = registry_channel_update(s->registry, api_actor(rq), id, &spec, err);
    return r < 0 ? r : registry_channel_get(s->registry, id, on_channel, out, err);
}

int route_channel_delete(struct server *s, struct api_request *rq, struct jw *out _unused_,
                         struct error *err)
{
    uint64_t id = 0;
    int r = read_id(api_path(rq, "id"), "channel", &id, err);

    return r < 0 ? r : registry_channel_delete(s->registry, api_actor(rq), id, err);
}

int route_channel_test(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    enum channel_kind kind;
    struct error why = {};
    uint64_t id = 0;
    int r = read_id(api_path(rq, "id"), "channel", &id, err), sent;

    if (r == 0)
        r = registry_channel_get(s->registry, id, copy_kind, &kind, err);
    if (r == 0)
        r = registry_audit_note(s->registry, api_actor(rq), "channel.test", api_path(rq, "id"),
                                NULL, err);
    if (r < 0)
        return r;
    sent = notify_test(s, id, &why);
    jw_begin_object(out);
    jw_kv_bool(out, "sent", sent == 0);
    write_text(out, "error", sent < 0 ? why.what : NULL);
    jw_end_object(out);
    return 0;
}
