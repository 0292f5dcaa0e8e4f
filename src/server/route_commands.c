// SPDX-License-Identifier: Apache-2.0
//
// Commands to hosts, and what came of them.
#include "base/jsonget.h"
#include "base/macro.h"
#include "registry/command.h"
#include "server/server.h"
#include "server/write.h"

#define LIFE_MS         UINT64_C(3600000)
// Nobody expects the defence of a host to go down an hour after he asked for it.
#define LIFE_UNLOCK_MS  UINT64_C(300000)
// A host that is away is cut off when it comes back.
#define LIFE_ISOLATE_MS UINT64_C(86400000)

static int on_command(void *ctx, const struct registry_command *c)
{
    struct jw *out = ctx;

    jw_begin_object(out);
    write_id(out, "id", c->id);
    jw_kv_str(out, "name", c->name);
    write_json(out, "args", c->args);
    jw_kv_str(out, "by", c->created_by);
    jw_kv_u64(out, "created", c->created_ms);
    jw_kv_u64(out, "deadline", c->deadline_ms);
    jw_kv_str(out, "status", command_state_name(c->state));
    write_json(out, "result", c->result);
    write_text(out, "error", c->error);
    jw_end_object(out);
    return 0;
}

static bool is_blank(const char *s)
{
    return s[strspn(s, " \t\r\n")] == '\0';
}

int route_host_commands(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    const struct registry_page page = page_of(rq, 50);
    struct registry_next next = {};
    int r;

    begin_items(out);
    r = registry_command_list(s->registry, api_path(rq, "id"), &page, on_command, out, &next, err);
    end_items(out, &next);
    return r;
}

int route_host_command(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    struct json_object *args = json_get(api_body(rq), "args");
    const char *name = json_get_str(api_body(rq), "name", "");
    bool unlock = streq(name, "unlock");
    uint64_t id = 0;
    int r;

    if (unlock && is_blank(json_get_str(args, "reason", "")))
        return error_set(
            err, -EINVAL,
            "the defence of a host goes down for a reason, which is kept: \"reason\" in \"args\"");
    r = registry_command_create(s->registry, api_actor(rq), api_path(rq, "id"), name,
                                args ? json_object_to_json_string_ext(args, JSON_C_TO_STRING_PLAIN)
                                     : NULL,
                                unlock                   ? LIFE_UNLOCK_MS
                                : streq(name, "isolate") ? LIFE_ISOLATE_MS
                                                         : LIFE_MS,
                                &id, err);
    if (r < 0)
        return r;
    return registry_command_get(s->registry, id, on_command, out, err);
}
