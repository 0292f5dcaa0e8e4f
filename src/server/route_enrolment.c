// SPDX-License-Identifier: Apache-2.0
//
// Tokens that let hosts in.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/jsonget.h"
#include "base/macro.h"
#include "registry/enrol.h"
#include "server/server.h"
#include "server/write.h"
#include "transport/ca.h"
#include "transport/token.h"

#define LIFE_MS UINT64_C(3600000)

static void write_token(struct jw *out, const struct registry_enrol_token *t)
{
    jw_begin_object(out);
    jw_kv_str(out, "id", t->id);
    jw_kv_u64(out, "created", t->created_ms);
    write_time(out, "expires", t->expires_ms);
    jw_kv_str(out, "by", t->created_by);
    if (t->uses)
        jw_kv_u64(out, "uses_left", t->uses > t->used ? t->uses - t->used : 0);
    else
        jw_kv_null(out, "uses_left");
    jw_kv_u64(out, "used", t->used);
    write_json(out, "labels", t->labels);
    write_text(out, "comment", t->note);
    jw_end_object(out);
}

// Those that are good yet.
static int on_token(void *ctx, const struct registry_enrol_token *t)
{
    bool over = t->revoked_ms || t->expires_ms <= server_now() || (t->uses && t->used >= t->uses);

    if (!over)
        write_token(ctx, t);
    return 0;
}

int route_enrolment_tokens(struct server *s, struct api_request *rq _unused_, struct jw *out,
                           struct error *err)
{
    int r;

    begin_items(out);
    r = registry_enrol_token_list(s->registry, on_token, out, err);
    end_items(out, NULL);
    return r;
}

struct made {
    struct jw *out;
    const char *id;
};

static int on_made(void *ctx, const struct registry_enrol_token *t)
{
    struct made *m = ctx;

    if (streq(t->id, m->id))
        write_token(m->out, t);
    return 0;
}

static int write_made(struct server *s, const char *id, struct token *token, struct jw *out,
                      struct error *err)
{
    _cleanup_free_ char *url = server_url(s);
    struct made m = {out, id};
    char text[TOKEN_TEXT_MAX], command[TOKEN_TEXT_MAX + 512];
    int r;

    if (!url)
        return error_set(err, -ENOMEM, "out of memory");
    memcpy(token->fingerprint, ca_fingerprint(s->ca), sizeof(token->fingerprint));
    (void)snprintf(token->url, sizeof(token->url), "%s", url);
    r = token_format(token, text);
    if (r < 0)
        return error_set(err, r, "the token could not be written");
    (void)snprintf(command, sizeof(command), "safeguard-agent enrol --server %s --token %s", url,
                   text);
    jw_begin_object(out);
    jw_key(out, "token");
    r = registry_enrol_token_list(s->registry, on_made, &m, err);
    jw_kv_str(out, "text", text);
    jw_kv_str(out, "command", command);
    jw_end_object(out);
    explicit_bzero(text, sizeof(text));
    explicit_bzero(command, sizeof(command));
    return r;
}

int route_enrolment_token_new(struct server *s, struct api_request *rq, struct jw *out,
                              struct error *err)
{
    struct json_object *body = api_body(rq), *labels = json_get(body, "labels");
    const struct registry_enrol_spec spec = {
        .note = json_get_str(body, "comment", ""),
        .labels = labels ? json_object_to_json_string_ext(labels, JSON_C_TO_STRING_PLAIN) : NULL,
        // null is any number, nothing at all is one.
        .uses = json_object_object_get_ex(body, "uses", NULL)
                    ? (unsigned)json_get_u64(body, "uses", 0)
                    : 1,
        .life_ms = json_get_u64(body, "expires_in", LIFE_MS),
    };
    struct token token = {};
    char id[9];
    int r = registry_enrol_token_create(s->registry, api_actor(rq), &spec, token.secret, id, err);

    if (r == 0)
        r = write_made(s, id, &token, out, err);
    token_wipe(&token);
    return r;
}

int route_enrolment_token_delete(struct server *s, struct api_request *rq, struct jw *out _unused_,
                                 struct error *err)
{
    return registry_enrol_token_revoke(s->registry, api_actor(rq), api_path(rq, "id"), err);
}
