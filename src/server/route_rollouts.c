// SPDX-License-Identifier: Apache-2.0
//
// Roll-outs.
#include <errno.h>

#include <json-c/json.h>

#include "base/jsonget.h"
#include "base/macro.h"
#include "model/bundle.h"
#include "registry/host.h"
#include "server/rollout_json.h"
#include "server/server.h"
#include "server/write.h"

void count_json_write(const struct registry_policy_count *count, struct jw *out)
{
    jw_begin_object(out);
    jw_kv_u64(out, "selected", count->selected);
    jw_kv_u64(out, "applied", count->applied);
    jw_kv_u64(out, "waiting", count->waiting);
    jw_kv_u64(out, "failed", count->failed);
    jw_end_object(out);
}

static const char *mode_name(bool monitor)
{
    return bundle_mode_name(monitor ? BUNDLE_MONITOR : BUNDLE_POLICY);
}

static void write_stop(struct server *s, const struct rollout_stop *stop, struct jw *out)
{
    _cleanup_free_ char *name = NULL;

    if (stop->failed == 0) {
        jw_kv_null(out, "stopped");
        return;
    }
    (void)registry_host_name(s->registry, stop->host, &name);
    jw_kv_object(out, "stopped");
    jw_kv_u64(out, "refused", stop->failed);
    jw_kv_u64(out, "of", stop->of);
    jw_kv_str(out, "host", stop->host);
    jw_kv_str(out, "host_name", name ? name : stop->host);
    jw_kv_str(out, "reason", stop->reason);
    jw_end_object(out);
}

void rollout_json_write(struct server *s, const struct registry_rollout *ro, struct jw *out)
{
    struct registry_policy_count count = {};

    (void)registry_policy_version_counts(s->registry, ro->policy, ro->version,
                                         ro->stages[ro->stage].monitor, &count, NULL);
    jw_begin_object(out);
    write_id(out, "id", ro->id);
    jw_kv_str(out, "policy", ro->policy);
    jw_kv_u64(out, "version", ro->version);
    if (ro->before)
        jw_kv_u64(out, "before", ro->before);
    else
        jw_kv_null(out, "before");
    jw_kv_array(out, "stages");
    for (unsigned i = 0; i < ro->n_stages; i++) {
        jw_begin_object(out);
        jw_kv_u64(out, "share", ro->stages[i].share);
        jw_kv_str(out, "mode", mode_name(ro->stages[i].monitor));
        jw_end_object(out);
    }
    jw_end_array(out);
    jw_kv_u64(out, "stage", ro->stage);
    jw_kv_str(out, "state", rollout_state_name(ro->state));
    jw_kv_str(out, "by", ro->created_by);
    jw_kv_u64(out, "created", ro->created_ms);
    jw_kv_u64(out, "changed", ro->changed_ms);
    jw_key(out, "hosts");
    count_json_write(&count, out);
    write_stop(s, &ro->stop, out);
    jw_end_object(out);
}

struct writing {
    struct server *s;
    struct jw *out;
};

static int on_rollout(void *ctx, const struct registry_rollout *ro)
{
    struct writing *w = ctx;

    rollout_json_write(w->s, ro, w->out);
    return 0;
}

int rollout_json_get(struct server *s, uint64_t id, struct jw *out, struct error *err)
{
    return registry_rollout_get(s->registry, id, on_rollout, &(struct writing){s, out}, err);
}

static unsigned find_state(const char *word)
{
    unsigned i = 0;

    while (i < ROLLOUT_STATES && !streq(word, rollout_state_name((enum rollout_state)i)))
        i++;
    return i;
}

int route_rollouts(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    const struct registry_page page = page_of(rq, 50);
    struct registry_next next = {};
    int r;

    begin_items(out);
    r = registry_rollout_list(s->registry, api_query_str(rq, "policy", NULL),
                              query_bits(rq, "state", find_state, ROLLOUT_STATES), &page,
                              on_rollout, &(struct writing){s, out}, &next, err);
    end_items(out, &next);
    return r;
}

int route_rollout_new(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    struct json_object *body = api_body(rq), *list = json_get(body, "stages");
    struct rollout_stage stages[ROLLOUT_STAGES_MAX];
    size_t n = json_object_array_length(list);
    uint64_t id = 0, version = json_get_u64(body, "version", 0);
    int r;

    if (n > ARRAY_SIZE(stages) || version > UINT32_MAX)
        return error_set(err, -EINVAL, "a roll-out has a version and at most %d stages",
                         ROLLOUT_STAGES_MAX);
    for (size_t i = 0; i < n; i++) {
        struct json_object *one = json_object_array_get_idx(list, i);

        stages[i] = (struct rollout_stage){(unsigned)json_get_u64(one, "share", 0),
                                           streq(json_get_str(one, "mode", ""), "monitor")};
    }
    r = registry_rollout_create(s->registry, api_actor(rq), api_path(rq, "name"), (unsigned)version,
                                stages, (unsigned)n, &id, err);
    return r < 0 ? r : rollout_json_get(s, id, out, err);
}

static int move(struct server *s, struct api_request *rq, struct jw *out,
                int (*fn)(struct registry *rg, const struct actor *actor, uint64_t id,
                          struct error *err),
                struct error *err)
{
    uint64_t id = 0;
    int r = read_id(api_path(rq, "id"), "roll-out", &id, err);

    if (r == 0)
        r = fn(s->registry, api_actor(rq), id, err);
    return r < 0 ? r : rollout_json_get(s, id, out, err);
}

int route_rollout_advance(struct server *s, struct api_request *rq, struct jw *out,
                          struct error *err)
{
    uint64_t id = 0;
    int r = read_id(api_path(rq, "id"), "roll-out", &id, err);

    if (r == 0)
        r = registry_rollout_advance(s->registry, api_actor(rq), id,
                                     (int)api_query_i64(rq, "stage", -1), err);
    return r < 0 ? r : rollout_json_get(s, id, out, err);
}

int route_rollout_pause(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    return move(s, rq, out, registry_rollout_pause, err);
}

int route_rollout_resume(struct server *s, struct api_request *rq, struct jw *out,
                         struct error *err)
{
    return move(s, rq, out, registry_rollout_resume, err);
}

int route_rollout_rollback(struct server *s, struct api_request *rq, struct jw *out,
                           struct error *err)
{
    return move(s, rq, out, registry_rollout_rollback, err);
}
