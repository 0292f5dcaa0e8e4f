// SPDX-License-Identifier: Apache-2.0
//
// Users and API tokens.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/jsonget.h"
#include "base/macro.h"
#include "registry/apitoken.h"
#include "registry/user.h"
#include "server/password.h"
#include "server/server.h"
#include "server/write.h"

#define TOKEN_LIFE_MS UINT64_C(7776000000)

static int on_user(void *ctx, const struct registry_user *u)
{
    struct jw *out = ctx;

    jw_begin_object(out);
    jw_kv_str(out, "name", u->name);
    write_roles(out, "roles", u->roles);
    jw_kv_bool(out, "enabled", !u->disabled);
    jw_kv_bool(out, "has_password", u->has_password);
    jw_kv_u64(out, "created", u->created_ms);
    write_time(out, "last_login", u->last_login_ms);
    jw_end_object(out);
    return 0;
}

int route_users(struct server *s, struct api_request *rq _unused_, struct jw *out,
                struct error *err)
{
    int r;

    begin_items(out);
    r = registry_user_list(s->registry, on_user, out, err);
    end_items(out, NULL);
    return r;
}

int route_user_new(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    struct json_object *body = api_body(rq);
    const char *name = json_get_str(body, "name", ""),
               *given = json_get_str(body, "password", NULL);
    char made[PASSWORD_MADE_SIZE] = "";
    int r = given ? 0 : password_make(made, err);

    if (r == 0)
        r = registry_user_create(s->registry, api_actor(rq), name, given ? given : made,
                                 read_roles(json_get(body, "roles"), 0), err);
    if (r == 0) {
        jw_begin_object(out);
        jw_key(out, "user");
        r = registry_user_get(s->registry, name, on_user, out, err);
        write_text(out, "password", made);
        jw_end_object(out);
    }
    explicit_bzero(made, sizeof(made));
    return r;
}

int route_user_change(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    struct json_object *body = api_body(rq), *enabled = json_get(body, "enabled"),
                       *list = json_get(body, "roles");
    uint32_t roles = read_roles(list, 0);
    bool disabled = enabled && !json_object_get_boolean(enabled);
    const struct registry_user_patch patch = {
        .roles = list ? &roles : NULL,
        .disabled = enabled ? &disabled : NULL,
        .password = json_get_str(body, "password", NULL),
    };
    int r = registry_user_update(s->registry, api_actor(rq), api_path(rq, "name"), &patch, err);

    return r < 0 ? r : registry_user_get(s->registry, api_path(rq, "name"), on_user, out, err);
}

int route_user_delete(struct server *s, struct api_request *rq, struct jw *out _unused_,
                      struct error *err)
{
    return registry_user_delete(s->registry, api_actor(rq), api_path(rq, "name"), err);
}

// Tokens -------------------------------------------------------------------------------------------

static void write_token(struct jw *out, const struct registry_api_token *t)
{
    jw_begin_object(out);
    jw_kv_str(out, "id", t->id);
    jw_kv_str(out, "name", t->name);
    jw_kv_str(out, "user", t->owner);
    write_roles(out, "roles", t->roles);
    jw_kv_u64(out, "created", t->created_ms);
    write_time(out, "expires", t->expires_ms);
    write_time(out, "last_used", t->used_ms);
    jw_end_object(out);
}

static int on_token(void *ctx, const struct registry_api_token *t)
{
    write_token(ctx, t);
    return 0;
}

int route_tokens(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    const char *owner = api_may(API_OVERSEE, api_identity(rq)) ? NULL : api_identity(rq)->user;
    int r;

    begin_items(out);
    r = registry_api_token_list(s->registry, owner, on_token, out, err);
    end_items(out, NULL);
    return r;
}

struct made {
    struct jw *out;
    const char *id;
};

static int on_made(void *ctx, const struct registry_api_token *t)
{
    struct made *m = ctx;

    if (streq(t->id, m->id))
        write_token(m->out, t);
    return 0;
}

int route_token_new(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    const struct api_identity *who = api_identity(rq);
    struct json_object *body = api_body(rq);
    char text[API_TOKEN_SIZE], id[9];
    struct made m = {out, id};
    int r = registry_api_token_create(s->registry, api_actor(rq), who->user,
                                      json_get_str(body, "name", ""),
                                      read_roles(json_get(body, "roles"), who->roles),
                                      json_get_u64(body, "expires_in", TOKEN_LIFE_MS), text, id,
                                      err);

    if (r < 0)
        return r;
    jw_begin_object(out);
    jw_key(out, "token");
    r = registry_api_token_list(s->registry, who->user, on_made, &m, err);
    jw_kv_str(out, "text", text);
    jw_end_object(out);
    explicit_bzero(text, sizeof(text));
    return r;
}

int route_token_delete(struct server *s, struct api_request *rq, struct jw *out _unused_,
                       struct error *err)
{
    const char *owner = api_may(API_ADMINISTER, api_identity(rq)) ? NULL : api_identity(rq)->user;

    return registry_api_token_revoke(s->registry, api_actor(rq), owner, api_path(rq, "id"), err);
}
