// SPDX-License-Identifier: Apache-2.0
//
// Hosts: what they are, what they reported, and those that this database does not know.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/alloc.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "base/table.h"
#include "registry/bundle.h"
#include "registry/condition.h"
#include "registry/host.h"
#include "registry/state.h"
#include "server/live_json.h"
#include "server/server.h"
#include "server/write.h"
#include "store/store.h"

#define HEALTH    "health"
#define DAY_MS    UINT64_C(86400000)
#define TOP_HOSTS 1000

// Denials of the last day --------------------------------------------------------------------------

static int on_top(void *ctx, const char *key, const struct store_count *count)
{
    uint64_t *n = malloc(sizeof(*n));

    if (!n)
        return -ENOMEM;
    *n = count->events;
    if (map_put_str(ctx, key, n) < 0)
        free(n);
    return 0;
}

// A chart that cannot be had leaves the list of hosts without these numbers, not without hosts.
static struct map *denials(struct server *s, const char *host)
{
    struct store_filter filter = {.from_ms = server_now() - DAY_MS,
                                  .outcomes = 1u << STORE_DENIED,
                                  .hosts = host ? &host : NULL,
                                  .n_hosts = host != NULL};
    struct store_chart chart;
    struct map *m = NULL;

    if (map_new(MAP_STR, TOP_HOSTS, free, &m) < 0)
        return NULL;
    if (store_capabilities(s->store) & STORE_CHARTS)
        (void)store_top(s->store, &filter, STORE_BY_HOST, TOP_HOSTS, on_top, m, &chart, NULL);
    return m;
}

// One host -----------------------------------------------------------------------------------------

static int on_row(void *ctx, const struct registry_state_row *row)
{
    struct json_object **ret = ctx;

    json_object_put(*ret);
    *ret = json_tokener_parse(row->value);
    return 0;
}

// A row of the health table; the caller puts it. NULL: it has none.
static struct json_object *health_row(struct server *s, const char *host, const char *key)
{
    struct json_object *o = NULL;

    (void)registry_state_get(s->registry, host, HEALTH, key, on_row, &o, NULL);
    return o;
}

static void write_number(struct jw *out, const char *key, struct json_object *o, const char *name)
{
    struct json_object *value = json_get(o, name);

    if (json_object_is_type(value, json_type_int) && json_object_get_int64(value) >= 0)
        jw_kv_i64(out, key, json_object_get_int64(value));
    else
        jw_kv_null(out, key);
}

static const char *bundle_state(const struct registry_host *h)
{
    if (!*h->bundle_wanted)
        return "none";
    if (streq(h->bundle_wanted, h->bundle_applied))
        return "applied";
    return *h->bundle_error ? "failed" : "waiting";
}

static void write_conditions(const struct registry_host *h, struct jw *out)
{
    jw_kv_array(out, "conditions");
    for (unsigned i = 0; i < CONDITIONS; i++) {
        _cleanup_(sb_done) struct strbuf what = {};

        if (!(h->conditions & CONDITION_BIT(i)))
            continue;
        condition_text(h, (enum host_condition)i, &what);
        jw_begin_object(out);
        jw_kv_str(out, "name", condition_row((enum host_condition)i)->name);
        jw_kv_str(out, "what", sb_str(&what));
        jw_kv_str(out, "cure", condition_row((enum host_condition)i)->cure);
        jw_end_object(out);
    }
    jw_end_array(out);
}

static void write_defence(struct server *s, const char *host, struct jw *out)
{
    struct json_object *row = health_row(s, host, "defence");

    jw_kv_object(out, "defence");
    live_defence_state_json(row, out);
    live_self_test_row_json(row, out);
    jw_end_object(out);
    json_object_put(row);
}

static void write_isolation(struct server *s, const char *host, struct jw *out)
{
    struct json_object *row = health_row(s, host, "isolation");

    jw_kv_object(out, "isolation");
    live_isolation_row_json(row, out);
    jw_end_object(out);
    json_object_put(row);
}

static void write_host(struct server *s, const struct registry_host *h, const struct map *denied,
                       struct jw *out)
{
    const uint64_t *n = denied ? map_get_str(denied, h->id) : NULL;
    struct json_object *resources = health_row(s, h->id, "resources");

    jw_begin_object(out);
    jw_kv_str(out, "id", h->id);
    jw_kv_str(out, "name", h->name);
    jw_kv_str(out, "state", host_state_name(h->state));
    write_text(out, "reason", h->reason);
    write_text(out, "cure", h->cure);
    write_conditions(h, out);
    write_json(out, "labels", h->labels);
    jw_kv_str(out, "os", h->os);
    jw_kv_str(out, "kernel", h->kernel);
    jw_kv_str(out, "arch", h->arch);
    jw_kv_str(out, "version", h->version);
    write_text(out, "address", h->address);
    jw_kv_str(out, "boot_id", h->boot_id);
    write_time(out, "last_seen", h->seen_ms);
    jw_kv_u64(out, "enrolled", h->enrolled_ms);
    write_time(out, "certificate_expires", h->cert_not_after_ms);
    if (h->skew_known)
        jw_kv_i64(out, "clock_ms", h->skew_ms);
    else
        jw_kv_null(out, "clock_ms");
    jw_kv_object(out, "bundle");
    write_text(out, "wanted", h->bundle_wanted);
    write_text(out, "applied", h->bundle_applied);
    jw_kv_str(out, "state", bundle_state(h));
    write_text(out, "error", h->bundle_error);
    jw_end_object(out);
    write_defence(s, h->id, out);
    write_isolation(s, h->id, out);
    jw_kv_u64(out, "denials_24h", n ? *n : 0);
    write_number(out, "cpu_permille", resources, "cpu_permille");
    write_number(out, "rss", resources, "resident_bytes");
    jw_end_object(out);
    json_object_put(resources);
}

// Lists --------------------------------------------------------------------------------------------

struct listing {
    struct server *s;
    struct map *denied;
    struct jw *out;
};

static int on_host(void *ctx, const struct registry_host *h)
{
    struct listing *l = ctx;

    write_host(l->s, h, l->denied, l->out);
    return 0;
}

static unsigned find_state(const char *word)
{
    return host_state_find(word);
}

// label=env=prod&label=role=web → "env=prod,role=web"; other forms of selectors are taken as well.
static char *selector_of(const struct api_request *rq)
{
    const char *const *labels = api_query_list(rq, "label");
    _cleanup_(sb_done) struct strbuf sb = {};
    char *text = NULL;

    for (; labels && *labels; labels++)
        sb_printf(&sb, "%s%s", sb.len ? "," : "", *labels);
    (void)sb_finish(&sb, &text);
    return text;
}

int route_hosts(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    const struct registry_page page = page_of(rq, 100);
    _cleanup_free_ char *selector = selector_of(rq);
    _cleanup_(map_freep) struct map *denied = denials(s, NULL);
    struct registry_host_filter filter = {.state = -1,
                                          .selector = selector,
                                          .text = api_query_str(rq, "q", NULL),
                                          .name = api_query_str(rq, "name", NULL)};
    struct listing l = {s, denied, out};
    struct registry_next next = {};
    int r;

    filter.states = query_bits(rq, "state", find_state, HOST_STATES);
    begin_items(out);
    r = registry_host_list(s->registry, &filter, &page, on_host, &l, &next, err);
    end_items(out, &next);
    return r;
}

// A host with its state ----------------------------------------------------------------------------

static int on_hook(void *ctx, const struct registry_state_row *row)
{
    struct json_object *o = json_tokener_parse(row->value), *proved;
    struct jw *out = ctx;

    // Rows of hooks say how they are attached and in which state they are; the others are about the agent as a whole.
    if (json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, "attach", NULL) &&
        json_get_str(o, "state", NULL)) {
        proved = json_get(o, "proved_ms");
        jw_begin_object(out);
        jw_kv_str(out, "id", row->key);
        jw_kv_str(out, "state", json_get_str(o, "state", ""));
        write_text(out, "attach", json_get_str(o, "attach", NULL));
        write_time(out, "proved_ms", proved ? json_object_get_uint64(proved) : 0);
        write_text(out, "reason", json_get_str(o, "reason", NULL));
        write_text(out, "cure", json_get_str(o, "cure", NULL));
        jw_end_object(out);
    }
    json_object_put(o);
    return 0;
}

static void write_problems(struct jw *out, struct json_object *o)
{
    struct json_object *list = json_object_is_type(o, json_type_object) ? json_get(o, "problems")
                                                                        : o;
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

    jw_kv_array(out, "problems");
    for (size_t i = 0; i < n; i++) {
        struct json_object *one = json_object_array_get_idx(list, i);

        jw_begin_object(out);
        jw_kv_str(out, "what",
                  json_object_is_type(one, json_type_string) ? json_object_get_string(one)
                                                             : json_get_str(one, "what", ""));
        write_text(out, "cure", json_get_str(one, "cure", NULL));
        jw_end_object(out);
    }
    jw_end_array(out);
}

static void write_object(struct jw *out, const char *key, struct json_object *o)
{
    write_json(out, key,
               json_object_is_type(o, json_type_object)
                   ? json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN)
                   : "{}");
}

struct host_policies {
    struct jw *out;
    const char *state;
};

static int on_file(void *ctx, const struct registry_bundle_file *f)
{
    struct host_policies *p = ctx;

    jw_begin_object(p->out);
    jw_kv_str(p->out, "policy", f->name);
    jw_kv_u64(p->out, "version", f->version);
    jw_kv_str(p->out, "mode", bundle_mode_name(f->monitor ? BUNDLE_MONITOR : BUNDLE_POLICY));
    jw_kv_str(p->out, "state", p->state);
    jw_end_object(p->out);
    return 0;
}

static void write_own_policies(struct jw *out, struct json_object *row)
{
    struct json_object *files = json_get(row, "files");
    size_t n = json_object_is_type(files, json_type_array) ? json_object_array_length(files) : 0;

    jw_kv_array(out, "own_policies");
    for (size_t i = 0; i < n; i++) {
        struct json_object *one = json_object_array_get_idx(files, i);
        bool monitor = streq(json_get_str(one, "mode", ""), "monitor");

        jw_begin_object(out);
        jw_kv_str(out, "file", json_get_str(one, "file", ""));
        jw_kv_str(out, "mode", monitor ? "monitor" : "enforce");
        jw_end_object(out);
    }
    jw_end_array(out);
}

static int on_rival(void *ctx, const struct registry_rival *r)
{
    struct jw *out = ctx;

    jw_begin_object(out);
    jw_kv_str(out, "name", r->name);
    jw_kv_str(out, "machine_id", r->machine_id);
    jw_kv_str(out, "boot_id", r->boot_id);
    write_text(out, "address", r->address);
    jw_kv_u64(out, "first_seen", r->first_ms);
    jw_kv_u64(out, "last_seen", r->last_ms);
    jw_end_object(out);
    return 0;
}

static int on_detail(void *ctx, const struct registry_host *h)
{
    struct listing *l = ctx;
    struct json_object *problems = health_row(l->s, h->id, "problems"),
                       *policy = health_row(l->s, h->id, "policy"),
                       *resources = health_row(l->s, h->id, "resources"),
                       *losses = health_row(l->s, h->id, "losses");
    struct host_policies p = {l->out, bundle_state(h)};

    jw_begin_object(l->out);
    jw_key(l->out, "host");
    write_host(l->s, h, l->denied, l->out);
    jw_kv_array(l->out, "health");
    (void)registry_state_list(l->s->registry, h->id, HEALTH, on_hook, l->out, NULL, NULL);
    jw_end_array(l->out);
    write_problems(l->out, problems);
    write_object(l->out, "resources", resources);
    write_object(l->out, "losses", losses);
    jw_kv_array(l->out, "policies");
    if (*h->bundle_wanted)
        (void)registry_bundle_files(l->s->registry, h->id, h->bundle_wanted, on_file, &p, NULL);
    jw_end_array(l->out);
    write_own_policies(l->out, policy);
    jw_kv_array(l->out, "rivals");
    (void)registry_rival_list(l->s->registry, h->id, on_rival, l->out, NULL);
    jw_end_array(l->out);
    jw_end_object(l->out);
    json_object_put(problems);
    json_object_put(policy);
    json_object_put(resources);
    json_object_put(losses);
    return 0;
}

int route_host(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    _cleanup_(map_freep) struct map *denied = denials(s, api_path(rq, "id"));

    return registry_host_get(s->registry, api_path(rq, "id"), on_detail,
                             &(struct listing){s, denied, out}, err);
}

int route_host_change(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    struct json_object *labels = json_get(api_body(rq), "labels");
    int r = registry_host_set_labels(s->registry, api_actor(rq), api_path(rq, "id"),
                                     json_object_to_json_string_ext(labels, JSON_C_TO_STRING_PLAIN),
                                     err);

    return r < 0 ? r : route_host(s, rq, out, err);
}

int route_host_revoke(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    _cleanup_(map_freep) struct map *denied = denials(s, api_path(rq, "id"));
    int r = registry_host_revoke(s->registry, api_actor(rq), api_path(rq, "id"),
                                 "an admin revoked its identity", err);

    return r < 0 ? r
                 : registry_host_get(s->registry, api_path(rq, "id"), on_host,
                                     &(struct listing){s, denied, out}, err);
}

int route_host_delete(struct server *s, struct api_request *rq, struct jw *out _unused_,
                      struct error *err)
{
    return registry_host_retire(s->registry, api_actor(rq), api_path(rq, "id"), err);
}

static int on_state(void *ctx, const struct registry_state_row *row)
{
    struct jw *out = ctx;

    jw_begin_object(out);
    jw_kv_str(out, "key", row->key);
    write_json(out, "value", row->value);
    jw_kv_u64(out, "changed", row->changed_ms);
    jw_end_object(out);
    return 0;
}

static int ignore_host(void *ctx _unused_, const struct registry_host *h _unused_)
{
    return 0;
}

int route_host_state(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    char checksum[STATE_CHECKSUM_TEXT] = "";
    int r = registry_host_get(s->registry, api_path(rq, "id"), ignore_host, NULL, err);

    if (r < 0)
        return r;
    jw_begin_object(out);
    jw_kv_str(out, "table", api_path(rq, "table"));
    jw_kv_array(out, "rows");
    r = registry_state_list(s->registry, api_path(rq, "id"), api_path(rq, "table"), on_state, out,
                            checksum, err);
    jw_end_array(out);
    write_text(out, "checksum", checksum);
    jw_end_object(out);
    return r;
}

// Strangers ----------------------------------------------------------------------------------------

static int on_stranger(void *ctx, const struct registry_stranger *st)
{
    struct jw *out = ctx;

    jw_begin_object(out);
    jw_kv_str(out, "id", st->id);
    jw_kv_str(out, "name", st->name);
    jw_kv_str(out, "machine_id", st->machine_id);
    jw_kv_str(out, "os", st->os);
    write_text(out, "address", st->address);
    jw_kv_u64(out, "first_seen", st->first_ms);
    jw_kv_u64(out, "last_seen", st->last_ms);
    jw_end_object(out);
    return 0;
}

int route_strangers(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    const struct registry_page page = page_of(rq, 100);
    struct registry_next next = {};
    int r;

    begin_items(out);
    r = registry_stranger_list(s->registry, &page, on_stranger, out, &next, err);
    end_items(out, &next);
    return r;
}

int route_stranger_adopt(struct server *s, struct api_request *rq, struct jw *out,
                         struct error *err)
{
    struct json_object *labels = json_get(api_body(rq), "labels");
    int r = registry_stranger_adopt(
        s->registry, api_actor(rq), api_path(rq, "id"),
        labels ? json_object_to_json_string_ext(labels, JSON_C_TO_STRING_PLAIN) : NULL, err);

    if (r == -EKEYREVOKED)
        return api_fail(rq, r, 409, "revoked");
    return r < 0 ? r : route_host(s, rq, out, err);
}
