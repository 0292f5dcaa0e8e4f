// SPDX-License-Identifier: Apache-2.0
//
// Policies: texts, versions, which hosts they are for, what a text would do.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "registry/host.h"
#include "registry/policy.h"
#include "registry/rollout.h"
#include "server/dryrun.h"
#include "server/exception.h"
#include "server/policycheck.h"
#include "server/rollout_json.h"
#include "server/server.h"
#include "server/write.h"

#define DAY_MS UINT64_C(86400000)

// Author and comment of the newest version.
struct newest {
    char *author, *comment;
};

static int on_newest(void *ctx, const struct registry_policy_version *v)
{
    struct newest *n = ctx;

    n->author = strdup(v->author);
    n->comment = strdup(v->comment);
    return 0;
}

static int copy_count(void *ctx, const char *name _unused_,
                      const struct registry_policy_count *count)
{
    *(struct registry_policy_count *)ctx = *count;
    return 0;
}

static void write_policy(struct server *s, const struct registry_policy *p,
                         const struct registry_policy_count *count, struct jw *out)
{
    struct newest n = {};

    (void)registry_policy_version(s->registry, p->name, 0, on_newest, &n, NULL);
    jw_begin_object(out);
    jw_kv_str(out, "name", p->name);
    jw_kv_u64(out, "version", p->version);
    jw_kv_str(out, "selector", p->selector);
    jw_kv_str(out, "author", strempty(n.author));
    jw_kv_u64(out, "changed", p->changed_ms);
    jw_kv_str(out, "comment", strempty(n.comment));
    jw_key(out, "rollout");
    if (!p->rollout || rollout_json_get(s, p->rollout, out, NULL) < 0)
        jw_null(out);
    jw_key(out, "hosts");
    count_json_write(count, out);
    jw_end_object(out);
    free(n.author);
    free(n.comment);
}

// Numbers come in the order of names, as policies do.
struct listing {
    struct server *s;
    struct jw *out;
    struct registry_policy_count *counts;
    char **names;
    size_t n, cap, cap_names;
};

static int on_count(void *ctx, const char *name, const struct registry_policy_count *count)
{
    struct listing *l = ctx;

    if (!GREEDY(l->counts, l->cap, l->n + 1) || !GREEDY(l->names, l->cap_names, l->n + 1))
        return -ENOMEM;
    l->names[l->n] = strdup(name);
    l->counts[l->n++] = *count;
    return 0;
}

static int on_policy(void *ctx, const struct registry_policy *p)
{
    static const struct registry_policy_count none;
    const struct registry_policy_count *count = &none;
    struct listing *l = ctx;

    for (size_t i = 0; i < l->n; i++)
        if (streq_ptr(l->names[i], p->name))
            count = &l->counts[i];
    write_policy(l->s, p, count, l->out);
    return 0;
}

int route_policies(struct server *s, struct api_request *rq _unused_, struct jw *out,
                   struct error *err)
{
    struct listing l = {.s = s, .out = out};
    int r = registry_policy_counts(s->registry, NULL, on_count, &l, err);

    begin_items(out);
    if (r == 0)
        r = registry_policy_list(s->registry, on_policy, &l, err);
    end_items(out, NULL);
    for (size_t i = 0; i < l.n; i++)
        free(l.names[i]);
    free(l.names);
    free(l.counts);
    return r;
}

// One policy ---------------------------------------------------------------------------------------

struct detail {
    struct server *s;
    struct jw *out;
    const struct check *check; // NULL: it was not looked at
};

static int on_text(void *ctx, const struct registry_policy_version *v)
{
    struct jw *out = ctx;

    jw_kv_strn(out, "text", v->text, v->text_len);
    return 0;
}

static int on_detail(void *ctx, const struct registry_policy *p)
{
    struct registry_policy_count count = {};
    struct detail *d = ctx;
    int r = registry_policy_counts(d->s->registry, p->name, copy_count, &count, NULL);

    jw_begin_object(d->out);
    jw_key(d->out, "policy");
    write_policy(d->s, p, &count, d->out);
    if (r == 0)
        r = registry_policy_version(d->s->registry, p->name, 0, on_text, d->out, NULL);
    if (d->check) {
        jw_key(d->out, "check");
        check_write(d->check, d->out);
    }
    jw_end_object(d->out);
    return r;
}

int route_policy(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    return registry_policy_get(s->registry, api_path(rq, "name"), on_detail,
                               &(struct detail){s, out, NULL}, err);
}

static const struct policy_diag *first_error(const struct policy_diags *diags)
{
    for (size_t i = 0; i < diags->n; i++)
        if (diags->items[i].severity == POLICY_ERROR)
            return &diags->items[i];
    return NULL;
}

// A text with mistakes is refused: what is stored can be rolled out.
static int check_text_of(struct json_object *body, const char *name, struct check *check,
                         struct error *err)
{
    const char *text = json_get_str(body, "text", "");
    int r = check_policy(name, text, strlen(text), check, err);
    const struct policy_diag *d;

    if (r < 0 || check->image)
        return r;
    d = first_error(&check->diags);
    r = error_at(err, -EINVAL, NULL, d ? d->line : 0, d ? d->column : 0, "line %u, column %u: %s",
                 d ? d->line : 0, d ? d->column : 0,
                 d ? strempty(d->message) : "the policy has mistakes");
    if (d && d->expected)
        error_expected(err, "%s", d->expected);
    if (d && d->cure)
        error_cure(err, "%s", d->cure);
    return r;
}

int route_policy_new(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    struct json_object *body = api_body(rq);
    const char *name = json_get_str(body, "name", ""), *text = json_get_str(body, "text", "");
    _cleanup_(check_done) struct check check = {};
    int r = check_text_of(body, name, &check, err);

    if (r == 0)
        r = registry_policy_create(s->registry, api_actor(rq), name, text, strlen(text),
                                   json_get_str(body, "selector", ""),
                                   json_get_str(body, "comment", ""), err);
    return r < 0 ? r
                 : registry_policy_get(s->registry, name, on_detail,
                                       &(struct detail){s, out, &check}, err);
}

static int copy_text(void *ctx, const struct registry_policy_version *v)
{
    *(char **)ctx = xstrndup(v->text, v->text_len);
    return *(char **)ctx ? 0 : -ENOMEM;
}

int route_policy_write(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    struct json_object *body = api_body(rq);
    const char *name = api_path(rq, "name"), *text = json_get_str(body, "text", "");
    unsigned base = (unsigned)json_get_u64(body, "base", 0), version = 0;
    _cleanup_(check_done) struct check check = {};
    _cleanup_free_ char *before = NULL;
    int r = check_text_of(body, name, &check, err);

    if (r == 0)
        r = registry_policy_version(s->registry, name, base ? base : UINT32_MAX, copy_text, &before,
                                    err);
    if (r == 0)
        r = registry_policy_add_version(s->registry, api_actor(rq), name, text, strlen(text), base,
                                        json_get_str(body, "comment", ""), &version, err);
    if (r == 0)
        exceptions_note(s, api_actor(rq), name, version, before, text);
    return r < 0 ? r
                 : registry_policy_get(s->registry, name, on_detail,
                                       &(struct detail){s, out, &check}, err);
}

int route_policy_change(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    int r = registry_policy_set_selector(s->registry, api_actor(rq), api_path(rq, "name"),
                                         json_get_str(api_body(rq), "selector", ""), err);

    return r < 0 ? r : route_policy(s, rq, out, err);
}

int route_policy_delete(struct server *s, struct api_request *rq, struct jw *out _unused_,
                        struct error *err)
{
    return registry_policy_delete(s->registry, api_actor(rq), api_path(rq, "name"), err);
}

// Versions -----------------------------------------------------------------------------------------

static int on_version(void *ctx, const struct registry_policy_version *v)
{
    struct jw *out = ctx;

    jw_begin_object(out);
    jw_kv_u64(out, "version", v->version);
    jw_kv_str(out, "author", v->author);
    jw_kv_str(out, "comment", v->comment);
    jw_kv_u64(out, "created", v->created_ms);
    if (v->text)
        jw_kv_strn(out, "text", v->text, v->text_len);
    jw_end_object(out);
    return 0;
}

int route_policy_versions(struct server *s, struct api_request *rq, struct jw *out,
                          struct error *err)
{
    int r;

    begin_items(out);
    r = registry_policy_versions(s->registry, api_path(rq, "name"), on_version, out, err);
    end_items(out, NULL);
    return r;
}

int route_policy_version(struct server *s, struct api_request *rq, struct jw *out,
                         struct error *err)
{
    uint64_t n = 0;
    int r = read_id(api_path(rq, "n"), "version", &n, err);

    if (r == 0 && n > UINT32_MAX)
        return error_set(err, -ENOENT, "there is no such version");
    return r < 0 ? r
                 : registry_policy_version(s->registry, api_path(rq, "name"), (unsigned)n,
                                           on_version, out, err);
}

// Its hosts ----------------------------------------------------------------------------------------

struct hosts {
    struct server *s;
    struct jw *out;
};

static int copy_state(void *ctx, const struct registry_host *h)
{
    *(enum host_state *)ctx = h->state;
    return 0;
}

static int on_host(void *ctx, const struct registry_policy_host *h)
{
    bool applied = h->wanted == h->applied && h->wanted_monitor == h->applied_monitor;
    enum host_state state = HOST_OK;
    struct hosts *hosts = ctx;
    struct jw *out = hosts->out;

    (void)registry_host_get(hosts->s->registry, h->id, copy_state, &state, NULL);
    jw_begin_object(out);
    jw_kv_str(out, "host", h->id);
    jw_kv_str(out, "name", h->name);
    if (h->wanted) {
        jw_kv_u64(out, "version", h->wanted);
        jw_kv_str(out, "mode",
                  bundle_mode_name(h->wanted_monitor ? BUNDLE_MONITOR : BUNDLE_POLICY));
    } else {
        jw_kv_null(out, "version");
        jw_kv_null(out, "mode");
    }
    jw_kv_str(out, "state",
              state >= HOST_SILENT ? "silent"
              : applied            ? "applied"
              : *h->error          ? "failed"
                                   : "waiting");
    write_time(out, "proved", applied ? h->applied_ms : 0);
    write_text(out, "reason", h->error);
    jw_end_object(out);
    return 0;
}

int route_policy_hosts(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    const struct registry_page page = page_of(rq, 100);
    struct registry_next next = {};
    int r;

    begin_items(out);
    r = registry_policy_hosts(s->registry, api_path(rq, "name"), &page, on_host,
                              &(struct hosts){s, out}, &next, err);
    end_items(out, &next);
    return r;
}

// What a text would do -----------------------------------------------------------------------------

int route_policy_check(struct server *s _unused_, struct api_request *rq, struct jw *out,
                       struct error *err)
{
    struct json_object *body = api_body(rq);
    const char *text = json_get_str(body, "text", "");
    _cleanup_(check_done) struct check check = {};
    int r = check_policy(json_get_str(body, "name", ""), text, strlen(text), &check, err);

    if (r == 0)
        check_write(&check, out);
    return r;
}

int route_policy_dryrun(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    struct json_object *body = api_body(rq);
    const char *name = json_get_str(body, "name", "");
    uint64_t to = json_get_u64(body, "to", 0), end = to ? to : server_now(),
             from = json_get_u64(body, "from", end > DAY_MS ? end - DAY_MS : 0);
    _cleanup_(check_done) struct check check = {};
    int r = check_text_of(body, name, &check, err);

    return r < 0 ? r : dryrun(s->store, &check, name, from, to, out, err);
}
