// SPDX-License-Identifier: Apache-2.0
//
// What the agent answers at its local socket: one function for each row of control/commands.def.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/explain.h"
#include "base/alloc.h"
#include "base/jsonget.h"
#include "base/log.h"
#include "control/frame.h"
#include "model/names.h"

#define SHOW_BYTES_MAX (CONTROL_FRAME_MAX / 2) // of one piece of "policy show"

typedef int (*do_fn)(struct agent *a, const struct control_caller *caller,
                     const struct control_request *request, struct jw *result, struct error *err);

static int do_status(struct agent *a, const struct control_caller *caller _unused_,
                     const struct control_request *request _unused_, struct jw *result,
                     struct error *err _unused_)
{
    status_json(a, result);
    return 0;
}

static int do_hooks(struct agent *a, const struct control_caller *caller _unused_,
                    const struct control_request *request _unused_, struct jw *result,
                    struct error *err _unused_)
{
    status_hooks_json(a, result);
    return 0;
}

static int need_policy(const struct agent *a, struct error *err)
{
    if (a->policies.now)
        return 0;
    (void)error_set(err, -ENOENT, "no policy that this agent put in force");
    error_cure(err, "'safeguard status' says why");
    return -ENOENT;
}

static void put_about(struct jw *jw, const struct policy_rule *rule)
{
    bool more = true;

    for (uint32_t k = 0; more && jw->out->len < SHOW_BYTES_MAX; k++) {
        _cleanup_(sb_done) struct strbuf sb = {};

        more = policy_rule_about(rule, k, &sb);
        if (sb.len)
            jw_str(jw, sb_str(&sb), sb.len);
    }
}

static void put_rule(struct jw *jw, const struct policy *p, uint32_t i)
{
    const struct policy_rule *rule = &p->rules[i];

    jw_begin_object(jw);
    jw_kv_u64(jw, "index", i);
    jw_kv_str(jw, "file", p->files[rule->pos.file].path);
    jw_kv_u64(jw, "line", rule->pos.line);
    jw_kv_u64(jw, "column", rule->pos.column);
    jw_kv_str(jw, "policy", p->files[rule->pos.file].name);
    jw_kv_str(jw, "section", policy_section_name(rule->section));
    jw_kv_str(jw, "do", event_verdict_name((enum sg_verdict)rule->verdict));
    if (rule->error)
        jw_kv_str(jw, "errno", strempty(strerrorname_np(rule->error)));
    jw_kv_str(jw, "mode", rule->monitor ? "monitor" : "enforce");
    jw_kv_array(jw, "access");
    for (unsigned bit = 0; bit < SG_OP_COUNT; bit++)
        if (rule->ops >> bit & 1)
            jw_cstr(jw, access_name(bit));
    jw_end_array(jw);
    jw_kv_array(jw, "path");
    put_about(jw, rule);
    jw_end_array(jw);
    for (int not_by = 0; not_by < 2; not_by++) {
        const uint32_t *list = not_by ? rule->not_by : rule->by;
        uint32_t n = not_by ? rule->n_not_by : rule->n_by;

        if (n == 0)
            continue;
        jw_kv_array(jw, not_by ? "not_by" : "by");
        for (uint32_t k = 0; k < n; k++)
            jw_cstr(jw, p->subjects[list[k]].name ? p->subjects[list[k]].name : "(inline)");
        jw_end_array(jw);
    }
    jw_end_object(jw);
}

// In pieces: {"from":N} begins there, "next" says where the next piece begins.
static int do_policy_show(struct agent *a, const struct control_caller *caller _unused_,
                          const struct control_request *request, struct jw *result,
                          struct error *err)
{
    uint64_t from = json_get_u64(request->args, "from", 0);
    const struct policy *p;
    uint32_t i;
    int r;

    r = need_policy(a, err);
    if (r < 0)
        return r;
    p = a->policies.now->policy;
    i = (uint32_t)MIN(MAX(from, (uint64_t)a->policies.now->n_own), (uint64_t)p->n_rules);
    jw_begin_object(result);
    jw_key(result, "policy");
    status_policy_json(a, result);
    jw_kv_array(result, "rules");
    for (; i < p->n_rules && result->out->len < SHOW_BYTES_MAX; i++)
        put_rule(result, p, i);
    jw_end_array(result);
    if (i < p->n_rules)
        jw_kv_u64(result, "next", i);
    jw_end_object(result);
    return 0;
}

static int do_policy_check(struct agent *a, const struct control_caller *caller _unused_,
                           const struct control_request *request _unused_, struct jw *result,
                           struct error *err _unused_)
{
    status_policy_json(a, result);
    return 0;
}

static int do_policy_reload(struct agent *a, const struct control_caller *caller,
                            const struct control_request *request _unused_,
                            struct jw *result _unused_, struct error *err)
{
    int r = policies_reload_for(a, caller);

    return r < 0 ? error_set(err, r, "the policies cannot be read again now: %m") : CONTROL_LATER;
}

// By the file system that the path leads to, as the kernel does: it may be seen at several places, and have its own way
// to compare names.
static int decide_as_kernel(struct agent *a, const struct policy_query *query,
                            struct policy_decision *ret_decision)
{
    struct policy_query q = *query;
    char buf[PATH_MAX];
    int r = -ENODEV;

    if (!q.control && mounts_place(a->mounts.view.all, q.path, buf, sizeof(buf), &q.dev, &q.path)) {
        q.path_len = strlen(q.path);
        q.has_dev = true;
        r = policy_explain(a->policies.now->image, &q, ret_decision);
    }
    return r == -ENODEV ? policy_explain(a->policies.now->image, query, ret_decision) : r;
}

static int do_policy_explain(struct agent *a, const struct control_caller *caller _unused_,
                             const struct control_request *request, struct jw *result,
                             struct error *err)
{
    _cleanup_free_ struct explain_args *args = new0(struct explain_args, 1);
    _cleanup_(sb_done) struct strbuf text = {};
    struct policy_decision decision;
    int r;

    if (!args)
        return error_set(err, -ENOMEM, "%m");
    r = need_policy(a, err);
    r = r < 0 ? r : explain_args_read(request->args, args, err);
    if (r < 0)
        return r;
    r = decide_as_kernel(a, &args->query, &decision);
    if (r < 0)
        return error_set(err, r, "the case cannot be decided: a path or a fact is not of its form");
    policy_explain_format(a->policies.now->image, &args->query, &decision, false, &text);
    jw_begin_object(result);
    jw_kv_str(result, "text", sb_str(&text));
    jw_key(result, "decision");
    policy_explain_json(a->policies.now->image, &args->query, &decision, result);
    jw_end_object(result);
    return 0;
}

static int do_events_subscribe(struct agent *a, const struct control_caller *caller,
                               const struct control_request *request _unused_, struct jw *result,
                               struct error *err _unused_)
{
    control_server_subscribe(a->control, caller);
    jw_begin_object(result);
    jw_kv_bool(result, "subscribed", true);
    jw_end_object(result);
    return 0;
}

static int do_processes(struct agent *a, const struct control_caller *caller _unused_,
                        const struct control_request *request, struct jw *result,
                        struct error *err _unused_)
{
    uint64_t from = json_get_u64(request->args, "from", 0);

    processlist_json(a, (uint32_t)MIN(from, (uint64_t)UINT32_MAX), CONTROL_FRAME_MAX / 2, result);
    return 0;
}

static const char *caller_text(const struct control_caller *caller, char *buf, size_t size)
{
    (void)snprintf(buf, size, "process %d (uid %u) of this host", caller->pid, caller->uid);
    return buf;
}

static void put_defence(struct agent *a, struct jw *result)
{
    jw_begin_object(result);
    jw_key(result, "defence");
    defence_json(a, result);
    jw_end_object(result);
}

static int do_unlock(struct agent *a, const struct control_caller *caller,
                     const struct control_request *request, struct jw *result, struct error *err)
{
    char by[80];
    int r = defence_unlock(a, json_get_str(request->args, "secret", NULL), false,
                           json_get_u64(request->args, "for_ms", 0),
                           caller_text(caller, by, sizeof(by)), err);

    if (r == 0)
        put_defence(a, result);
    return r;
}

static int do_lock(struct agent *a, const struct control_caller *caller,
                   const struct control_request *request _unused_, struct jw *result,
                   struct error *err _unused_)
{
    char by[80];

    defence_lock(a, caller_text(caller, by, sizeof(by)));
    put_defence(a, result);
    return 0;
}

static int do_unlock_secret(struct agent *a, const struct control_caller *caller,
                            const struct control_request *request _unused_, struct jw *result,
                            struct error *err)
{
    char by[80], secret[SECRET_TEXT];
    int r = defence_new_secret(a, caller_text(caller, by, sizeof(by)), secret, err);

    if (r < 0)
        return r;
    jw_begin_object(result);
    jw_kv_str(result, "secret", secret);
    jw_end_object(result);
    explicit_bzero(secret, sizeof(secret));
    return 0;
}

// Answered when the rules are in force.
static int do_isolate(struct agent *a, const struct control_caller *caller,
                      const struct control_request *request, struct jw *result _unused_,
                      struct error *err)
{
    char by[80];
    int r = isolation_begin(a, request->args, false, caller_text(caller, by, sizeof(by)), err);

    return r < 0 ? r : do_policy_reload(a, caller, request, result, err);
}

static int do_isolate_end(struct agent *a, const struct control_caller *caller,
                          const struct control_request *request, struct jw *result,
                          struct error *err)
{
    char by[80];
    int r = isolation_end(a, false, caller_text(caller, by, sizeof(by)), err);

    return r < 0 ? r : do_policy_reload(a, caller, request, result, err);
}

static int do_top(struct agent *a, const struct control_caller *caller _unused_,
                  const struct control_request *request, struct jw *result, struct error *err)
{
    return top_answer(a, request->args, CONTROL_FRAME_MAX / 2, result, err);
}

static int do_net(struct agent *a, const struct control_caller *caller _unused_,
                  const struct control_request *request, struct jw *result, struct error *err)
{
    return net_answer(a, request->args, CONTROL_FRAME_MAX / 2, result, err);
}

static int do_stop(struct agent *a, const struct control_caller *caller,
                   const struct control_request *request, struct jw *result, struct error *err)
{
    bool detach = json_get_bool(request->args, "detach", 0);
    int r = defence_may_stop(a, err);

    if (r < 0)
        return r;

    log_info("asked to stop by pid %d (uid %u)%s", caller->pid, caller->uid,
             detach ? ", and to end the enforcement" : "");
    if (detach) {
        net_detach(a);
        packets_detach_all(a);
        r = sensor_detach(a->sensor, err);
    }
    if (r < 0)
        return r;
    // Without its links there is nothing that this agent could go on with.
    jw_begin_object(result);
    detach = detach && (r == 0 || sensor_left(a->config.pin_dir) == 0);
    jw_kv_bool(result, "detached", detach);
    if (r > 0) {
        log_error("something is left over: %s%s%s", err->what, err->cure[0] ? "; to do: " : "",
                  err->cure);
        jw_kv_str(result, "left", err->what);
        jw_kv_str(result, "cure", err->cure);
        error_reset(err);
    }
    jw_end_object(result);
    agent_stop(a, detach);
    return 0;
}

static const do_fn functions[CONTROL_COMMAND_COUNT] = {
#define CONTROL_COMMAND(id, name, help) [CONTROL_##id] = do_##id,
#include "control/commands.def"
};

static int on_request(void *ctx, const struct control_caller *caller,
                      const struct control_request *request, struct jw *result, struct error *err)
{
    struct agent *a = ctx;

    if (a->stopping)
        return error_set(err, -ESHUTDOWN, "the agent is about to end");
    return functions[request->command](a, caller, request, result, err);
}

int control_start(struct agent *a, struct error *err)
{
    return control_server_new(a->loop, a->socket_path, on_request, a, &a->control, err);
}
