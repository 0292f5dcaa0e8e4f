// SPDX-License-Identifier: Apache-2.0
//
// Alerts: what waits for somebody, and what was done about it.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/jsonget.h"
#include "base/macro.h"
#include "registry/alert.h"
#include "registry/condition.h"
#include "registry/host.h"
#include "server/event_json.h"
#include "server/exception.h"
#include "server/server.h"
#include "server/write.h"
#include "store/store.h"

static void write_alert(struct jw *out, const struct registry_alert *a)
{
    enum host_condition c = condition_find(a->condition);
    char title[600];

    (void)snprintf(title, sizeof(title), "%s %s %s", *a->program ? a->program : "a program",
                   a->outcome, a->path);
    jw_begin_object(out);
    write_id(out, "id", a->id);
    jw_kv_str(out, "title", *a->message ? a->message : title);
    jw_kv_str(out, "status", alert_state_name(a->state));
    jw_kv_u64(out, "severity", a->severity);
    jw_kv_u64(out, "class", a->class_uid);
    jw_kv_str(out, "outcome", a->outcome);
    jw_kv_str(out, "host", a->host);
    jw_kv_str(out, "host_name", a->host_name);
    write_text(out, "rule", a->rule);
    write_text(out, "policy", a->policy);
    write_text(out, "program", a->program);
    write_text(out, "user", a->user);
    write_text(out, "path", a->path);
    jw_kv_u64(out, "count", a->count);
    jw_kv_u64(out, "first_seen", a->first_ms);
    jw_kv_u64(out, "last_seen", a->last_ms);
    write_text(out, "owner", a->owner);
    jw_kv_u64(out, "comments", a->comments);
    write_text(out, "condition", a->condition);
    write_text(out, "cure", c == CONDITIONS ? "" : condition_row(c)->cure);
    jw_end_object(out);
}

static int on_alert(void *ctx, const struct registry_alert *a)
{
    write_alert(ctx, a);
    return 0;
}

static unsigned find_state(const char *word)
{
    return alert_state_find(word);
}

int route_alerts(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    const struct registry_page page = page_of(rq, 50);
    const struct registry_alert_filter filter = {
        .state = -1,
        .states = query_bits(rq, "status", find_state, ALERT_STATES),
        .severity_min = (unsigned)api_query_u64(rq, "severity", 0),
        .host = api_query_str(rq, "host", NULL),
        .rule = api_query_str(rq, "rule", NULL),
        .text = api_query_str(rq, "q", NULL),
    };
    struct registry_next next = {};
    int r;

    begin_items(out);
    r = registry_alert_list(s->registry, &filter, &page, on_alert, out, &next, err);
    end_items(out, &next);
    return r;
}

// One alert ----------------------------------------------------------------------------------------

static int on_note(void *ctx, const struct registry_alert_comment *c)
{
    struct jw *out = ctx;

    jw_begin_object(out);
    jw_kv_u64(out, "time", c->time_ms);
    jw_kv_str(out, "by", c->author);
    jw_kv_str(out, "kind", c->kind);
    jw_kv_str(out, "text", c->text);
    jw_end_object(out);
    return 0;
}

// The last one counts.
static int on_exception(void *ctx, const struct registry_alert_exception *x,
                        const char *author _unused_, uint64_t time_ms _unused_)
{
    struct strbuf *sb = ctx;
    struct jw jw;

    sb_reset(sb);
    jw_init(&jw, sb);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "policy", x->policy);
    jw_kv_str(&jw, "text", x->rule_text);
    jw_kv_str(&jw, "reason", x->reason);
    jw_end_object(&jw);
    return jw_finish(&jw);
}

static int write_detail(struct server *s, uint64_t id, struct jw *out, struct error *err)
{
    _cleanup_(sb_done) struct strbuf exception = {};
    int r;

    jw_begin_object(out);
    jw_key(out, "alert");
    r = registry_alert_get(s->registry, id, on_alert, out, err);
    if (r < 0)
        return r;
    jw_kv_array(out, "history");
    r = registry_alert_comments(s->registry, id, on_note, out, err);
    jw_end_array(out);
    if (r == 0)
        r = registry_alert_exceptions(s->registry, id, on_exception, &exception, err);
    write_json(out, "exception", sb_str(&exception));
    jw_end_object(out);
    return r;
}

static int id_of(const struct api_request *rq, uint64_t *ret, struct error *err)
{
    return read_id(api_path(rq, "id"), "alert", ret, err);
}

int route_alert(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    uint64_t id = 0;
    int r = id_of(rq, &id, err);

    return r < 0 ? r : write_detail(s, id, out, err);
}

// null is nobody; what is not there stays as it is.
static struct registry_alert_patch patch_of(struct json_object *body)
{
    const char *status = json_get_str(body, "status", NULL);

    return (struct registry_alert_patch){
        .state = status ? (int)alert_state_find(status) : -1,
        .owner = json_object_object_get_ex(body, "owner", NULL) ? json_get_str(body, "owner", "")
                                                                : NULL,
    };
}

int route_alert_change(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    const struct registry_alert_patch patch = patch_of(api_body(rq));
    uint64_t id = 0;
    int r = id_of(rq, &id, err);

    if (r == 0)
        r = registry_alert_update(s->registry, api_actor(rq), &id, 1, &patch, err);
    return r < 0 ? r : write_detail(s, id, out, err);
}

int route_alert_comment(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    uint64_t id = 0;
    int r = id_of(rq, &id, err);

    if (r == 0)
        r = registry_alert_comment(s->registry, api_actor(rq), id,
                                   json_get_str(api_body(rq), "text", ""), err);
    return r < 0 ? r : write_detail(s, id, out, err);
}

int route_alert_exception(struct server *s, struct api_request *rq, struct jw *out,
                          struct error *err)
{
    const char *scope = json_get_str(api_body(rq), "scope", ""),
               *reason = json_get_str(api_body(rq), "reason", "");
    struct proposal p = {};
    uint64_t id = 0;
    int r = id_of(rq, &id, err);

    if (r == 0)
        r = exception_propose(s, id,
                              streq(scope, "path")      ? EXCEPTION_PATH
                              : streq(scope, "program") ? EXCEPTION_PROGRAM
                                                        : EXCEPTION_USER,
                              reason, &p, err);
    if (r == 0) {
        jw_begin_object(out);
        jw_kv_str(out, "policy", p.policy);
        jw_kv_str(out, "text", p.text);
        jw_kv_str(out, "reason", reason);
        jw_end_object(out);
    }
    proposal_done(&p);
    return r;
}

// Many at once: those that are not there are named, the others are changed together.
int route_alerts_bulk(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    struct json_object *ids = json_get(api_body(rq), "ids");
    const struct registry_alert_patch patch = patch_of(api_body(rq));
    uint64_t found[REGISTRY_PAGE_MAX];
    size_t n = 0;
    int r = 0;

    jw_begin_object(out);
    jw_kv_array(out, "missing");
    for (size_t i = 0; i < json_object_array_length(ids) && n < ARRAY_SIZE(found); i++) {
        const char *text = json_object_get_string(json_object_array_get_idx(ids, i));

        if (read_id(text, "alert", &found[n], NULL) == 0 &&
            registry_alert_exists(s->registry, found[n]))
            n++;
        else
            jw_cstr(out, text);
    }
    jw_end_array(out);
    if (n > 0)
        r = registry_alert_update(s->registry, api_actor(rq), found, n, &patch, err);
    jw_kv_u64(out, "changed", n);
    jw_end_object(out);
    return r;
}

// Its records --------------------------------------------------------------------------------------

// What makes records one alert.
struct key {
    char host[HOST_ID_SIZE];
    char rule[HOST_FACT_MAX + 2], policy[HOST_FACT_MAX + 2], program[HOST_FACT_MAX + 2];
    char *host_name;
    uint32_t class_uid;
    enum store_outcome outcome;
    bool known_outcome;
    bool of_host; // it has no records
};

// A text that was cut is the beginning of what is looked for.
static void copy_text(char *to, size_t size, const char *from)
{
    (void)snprintf(to, size, "%s%s", from, strlen(from) >= HOST_FACT_MAX - 3 ? "*" : "");
}

static int copy_key(void *ctx, const struct registry_alert *a)
{
    struct key *k = ctx;

    (void)snprintf(k->host, sizeof(k->host), "%s", a->host);
    copy_text(k->rule, sizeof(k->rule), a->rule);
    copy_text(k->policy, sizeof(k->policy), a->policy);
    copy_text(k->program, sizeof(k->program), a->program);
    k->host_name = strdup(a->host_name);
    k->class_uid = a->class_uid;
    k->of_host = *a->condition != '\0';
    k->known_outcome = store_outcome_find(a->outcome, &k->outcome) == 0;
    return k->host_name ? 0 : -ENOMEM;
}

struct events {
    struct jw *out;
    const char *host_name;
};

static int on_event(void *ctx, const struct store_row *row)
{
    struct events *e = ctx;

    event_json_write(e->out, row, e->host_name);
    return 0;
}

static int write_events(struct server *s, struct api_request *rq, const struct key *k,
                        struct jw *out, struct error *err)
{
    const char *host = k->host;
    const struct store_filter filter = {
        .hosts = &host,
        .n_hosts = 1,
        .class_uid = k->class_uid,
        .outcomes = k->known_outcome ? 1u << k->outcome : 0,
        .rule = *k->rule ? k->rule : NULL,
        .policy = *k->policy ? k->policy : NULL,
        .program = *k->program ? k->program : NULL,
    };
    struct events e = {out, k->host_name};
    struct store_page page = {};
    int r;

    begin_items(out);
    r = k->of_host ? 0
                   : store_query(s->store, &filter, (uint32_t)api_query_u64(rq, "limit", 50),
                                 api_query_str(rq, "cursor", NULL), true, on_event, &e, &page, err);
    jw_end_array(out);
    write_text(out, "next", page.more ? page.cursor : NULL);
    jw_kv_bool(out, "truncated", page.truncated);
    jw_end_object(out);
    return r;
}

int route_alert_events(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    struct key k = {};
    uint64_t id = 0;
    int r = id_of(rq, &id, err);

    if (r == 0)
        r = registry_alert_get(s->registry, id, copy_key, &k, err);
    if (r == 0)
        r = write_events(s, rq, &k, out, err);
    free(k.host_name);
    return r;
}
