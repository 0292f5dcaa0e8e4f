// SPDX-License-Identifier: Apache-2.0
//
// Tables of state that agents keep up to date, and what their rows say about a host.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "base/alloc.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "registry/bundle.h"
#include "registry/host.h"
#include "registry/state.h"
#include "server/server.h"
#include "transport/msg_state.h"

#define HEALTH "health"

struct health {
    char reason[512];
    unsigned problems, severity;
};

static struct json_object *parse(const char *text)
{
    return json_parse(text, strlen(text), API_JSON_DEPTH);
}

// As in OCSF; 0: what is low is for whoever looks, and no reason to worry.
static unsigned severity_of(struct json_object *problem)
{
    const char *word = json_get_str(problem, "severity", "");

    return streq(word, "low") ? 0 : streq(word, "medium") ? 3 : streq(word, "critical") ? 5 : 4;
}

// [{"severity","what","cure"?}]
static int on_problems(void *ctx, const struct registry_state_row *row)
{
    struct json_object *list = parse(row->value);
    struct health *h = ctx;

    for (size_t i = 0;
         json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++) {
        struct json_object *problem = json_object_array_get_idx(list, i);
        unsigned severity = severity_of(problem);

        if (severity == 0)
            continue;
        h->problems++;
        // The first of the worst.
        if (severity > h->severity)
            (void)snprintf(h->reason, sizeof(h->reason), "%.400s",
                           json_get_str(problem, "what", "the agent reports a problem"));
        h->severity = MAX(h->severity, severity);
    }
    json_object_put(list);
    return 0;
}

static int judge(struct server *s, const char *host, struct error *err)
{
    struct health h = {};
    size_t len;
    int r = registry_state_get(s->registry, host, HEALTH, "problems", on_problems, &h, err);

    if (r < 0 && r != -ENOENT)
        return r;
    len = strlen(h.reason);
    if (h.problems > 1)
        (void)snprintf(h.reason + len, sizeof(h.reason) - len, " (and %u more)", h.problems - 1);
    return registry_host_set_health(s->registry, host, h.reason, h.severity, err);
}

static int keep_value(void *ctx, const struct registry_state_row *row)
{
    *(struct json_object **)ctx = parse(row->value);
    return 0;
}

static const char *bundle_of(struct json_object *bundle, const char *key)
{
    const char *id = json_get_str(bundle, key, "");

    return strlen(id) == BUNDLE_ID_TEXT - 1 ? id : NULL;
}

// {"bundle":{"wanted","applied","state"},"error":{"what"}|null}: what is in force there, and what could not be put in force.
static void note_bundle(struct server *s, const char *host)
{
    struct json_object *o = NULL, *bundle;
    const char *applied, *wanted;

    if (registry_state_get(s->registry, host, HEALTH, "policy", keep_value, &o, NULL) < 0)
        return;
    bundle = json_get(o, "bundle");
    applied = bundle_of(bundle, "applied");
    wanted = bundle_of(bundle, "wanted");
    if (applied)
        (void)registry_bundle_applied(s->registry, host, applied, "", NULL);
    if (wanted && streq(json_get_str(bundle, "state", ""), "refused"))
        (void)registry_bundle_applied(s->registry, host, wanted,
                                      json_get_str(json_get(o, "error"), "what", "it was refused"),
                                      NULL);
    json_object_put(o);
}

static int on_lost(void *ctx, const struct registry_state_row *row)
{
    struct json_object *o = parse(row->value);

    *(uint64_t *)ctx = losses_of(o);
    json_object_put(o);
    return 0;
}

static void note_losses(struct server *s, const char *host, const struct msg_state *m)
{
    uint64_t lost = 0;

    for (size_t i = 0; i < m->n_rows; i++)
        if (streq(m->rows[i].key, "losses") &&
            registry_state_get(s->registry, host, HEALTH, "losses", on_lost, &lost, NULL) == 0)
            (void)registry_host_set_lost(s->registry, host, lost, NULL);
}

static int apply(struct server *s, const char *host, const struct msg_state *m,
                 char ret_checksum[STATE_CHECKSUM_TEXT], struct error *err)
{
    char base[STATE_CHECKSUM_TEXT], checksum[STATE_CHECKSUM_TEXT];
    struct registry_state_row *rows = new0(struct registry_state_row, m->n_rows);
    struct registry_state_delta delta;
    int r;

    if (!rows)
        return error_set(err, -ENOMEM, "%m");
    for (size_t i = 0; i < m->n_rows; i++)
        rows[i] = (struct registry_state_row){.key = m->rows[i].key, .value = m->rows[i].value};
    state_checksum_format(m->base, base);
    state_checksum_format(m->checksum, checksum);
    delta = (struct registry_state_delta){
        .table = m->table,
        .base = m->has_base ? base : NULL,
        .rows = rows,
        .n_rows = m->n_rows,
        .checksum = checksum,
        .full = m->full,
    };
    r = registry_state_apply(s->registry, host, &delta, ret_checksum, err);
    free(rows);
    return r;
}

int route_agent_state(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    const char *host = api_identity(rq)->name, *text;
    char checksum[STATE_CHECKSUM_TEXT];
    struct msg_state m = {};
    size_t len;
    int r;

    r = registry_host_session(s->registry, host, strempty(api_header(rq, WIRE_SESSION_HEADER)));
    if (r == -ESTALE)
        return wire_fail(rq, error_set(err, r, "the session has ended"), WIRE_session);
    if (r < 0)
        return wire_fail(rq, error_set(err, r, "this host may not speak any more"), WIRE_revoked);
    text = api_body_raw(rq, &len);
    r = msg_state_read(text, len, &m, err);
    if (r < 0)
        return wire_fail(rq, r, WIRE_bad_request);
    r = apply(s, host, &m, checksum, err);
    if (r == -ESTALE)
        r = wire_fail(rq, r, WIRE_resync);
    else if (r == -EDQUOT)
        r = wire_fail(rq, r, WIRE_too_large);
    if (r == 0 && streq(m.table, HEALTH)) {
        r = judge(s, host, err);
        note_bundle(s, host);
        note_losses(s, host, &m);
    }
    msg_state_done(&m);
    if (r < 0)
        return r;
    jw_begin_object(out);
    jw_kv_str(out, "checksum", checksum);
    jw_end_object(out);
    return 0;
}
