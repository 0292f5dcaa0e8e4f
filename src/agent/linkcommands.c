// SPDX-License-Identifier: Apache-2.0
//
// What the server may ask this host to do: a row and a function each. Nothing that would change which policies are
// enforced, but for what cuts the host off; a window in the defence is for whoever maintains the host.
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/jsonget.h"
#include "base/log.h"

void uplink_answer(struct agent *a, const char *command, enum msg_status status, const char *result,
                   const struct error *err)
{
    struct msg_result m = {.command = command, .status = status, .result = result};
    int r;

    if (err)
        m.error = *err;
    if (!a->uplink.feed.link)
        return;
    r = link_result(a->uplink.feed.link, &m);
    if (r < 0)
        (void)log_warning_code(r, "the server will not hear what became of its command %s: %m",
                               command);
}

void uplink_failed(struct agent *a, const struct msg_command *command, int code, const char *what)
{
    struct error err = {};

    (void)error_set(&err, code, "%s", what);
    uplink_answer(a, command->id, MSG_FAILED, NULL, &err);
}

// Answered by the build that follows.
static void do_policy_reload(struct agent *a, const struct msg_command *command)
{
    struct uplink *u = &a->uplink;
    struct uplink_reload *reload = &u->reloads[u->n_reloads];

    if (u->n_reloads == UPLINK_RELOADS_MAX) {
        uplink_failed(a, command, -EBUSY, "too many wait for the policies already");
        return;
    }
    *reload = (struct uplink_reload){};
    (void)snprintf(reload->command, sizeof(reload->command), "%s", command->id);
    u->n_reloads++;
    policies_reload(a, "the server asked for it");
    if (!a->policies.building) {
        u->n_reloads--;
        uplink_failed(a, command, -EIO, "the policies cannot be read again now");
    }
}

static void do_self_test(struct agent *a, const struct msg_command *command)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct jw jw;

    if (!a->policies.now) {
        uplink_failed(a, command, -ENOENT,
                      "no policy that this agent put in force: there is nothing to prove");
        return;
    }
    health_test(a);
    uplink_rows_changed(a);
    jw_init(&jw, &sb);
    jw_begin_object(&jw);
    jw_key(&jw, "hooks");
    status_hooks_json(a, &jw);
    jw_end_object(&jw);
    uplink_answer(a, command->id, error_is_set(&a->health.error) ? MSG_FAILED : MSG_DONE,
                  sb_str(&sb), error_is_set(&a->health.error) ? &a->health.error : NULL);
}

static void answer_defence(struct agent *a, const struct msg_command *command)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct jw jw;

    jw_init(&jw, &sb);
    jw_begin_object(&jw);
    jw_key(&jw, "defence");
    defence_json(a, &jw);
    jw_end_object(&jw);
    uplink_answer(a, command->id, jw_finish(&jw) < 0 ? MSG_FAILED : MSG_DONE, sb_str(&sb), NULL);
}

// Who asked for it is in the server's audit trail, with the number of the command.
static void do_unlock(struct agent *a, const struct msg_command *command)
{
    struct json_object *args = json_tokener_parse(command->args);
    const char *reason = json_get_str(args, "reason", "");
    struct error err = {};
    char by[160];

    (void)snprintf(by, sizeof(by),
                   *reason ? "the server's command %s: %s" : "the server's command %s", command->id,
                   reason);
    if (defence_unlock(a, NULL, true, json_get_u64(args, "for_ms", 0), by, &err) < 0)
        uplink_answer(a, command->id, MSG_FAILED, NULL, &err);
    else
        answer_defence(a, command);
    json_object_put(args);
}

static void do_lock(struct agent *a, const struct msg_command *command)
{
    char by[120];

    (void)snprintf(by, sizeof(by), "the server's command %s", command->id);
    defence_lock(a, by);
    answer_defence(a, command);
}

static void answer_isolated(struct agent *a, const struct msg_command *command, int r,
                            const struct error *err)
{
    if (r < 0)
        uplink_answer(a, command->id, MSG_FAILED, NULL, err);
    else
        do_policy_reload(a, command);
}

static void do_isolate(struct agent *a, const struct msg_command *command)
{
    struct json_object *args = json_tokener_parse(command->args);
    struct error err = {};
    char by[120];

    (void)snprintf(by, sizeof(by), "the server's command %s", command->id);
    answer_isolated(a, command, isolation_begin(a, args, true, by, &err), &err);
    json_object_put(args);
}

static void do_isolate_end(struct agent *a, const struct msg_command *command)
{
    struct error err = {};
    char by[120];

    (void)snprintf(by, sizeof(by), "the server's command %s", command->id);
    answer_isolated(a, command, isolation_end(a, true, by, &err), &err);
}

static const struct {
    const char *name;
    void (*run)(struct agent *a, const struct msg_command *command);
} rows[] = {
    {"policy-reload", do_policy_reload},
    {"self-test", do_self_test},
    {"unlock", do_unlock},
    {"lock", do_lock},
    {"isolate", do_isolate},
    {"isolate-end", do_isolate_end},
};

// By the server's clock, as far as it is known.
static bool is_late(struct agent *a, const struct msg_command *command)
{
    struct link_status status;
    int64_t now = (int64_t)(now_ns(CLOCK_REALTIME) / NS_PER_MS);

    if (!command->deadline_ms)
        return false;
    link_status(a->uplink.feed.link, &status);
    return now + (status.skew_known ? status.skew_ms : 0) > (int64_t)command->deadline_ms;
}

void uplink_command(void *ctx, const struct msg_command *command)
{
    struct agent *a = ctx;

    if (a->stopping)
        return; // told again to the next agent
    if (command->question) {
        uplink_question(a, command);
        return;
    }
    log_info("the server asks for '%s'", command->name);
    if (is_late(a, command)) {
        uplink_answer(a, command->id, MSG_EXPIRED, NULL, NULL);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (streq(rows[i].name, command->name)) {
            rows[i].run(a, command);
            return;
        }
    uplink_failed(a, command, -EOPNOTSUPP, "this agent knows no such command");
}

void uplink_reloads_begin(struct agent *a)
{
    for (size_t i = 0; i < a->uplink.n_reloads; i++)
        a->uplink.reloads[i].served = true;
}

void uplink_reloads_done(struct agent *a, int result, const struct error *err)
{
    struct uplink *u = &a->uplink;
    size_t left = 0;

    for (size_t i = 0; i < u->n_reloads; i++) {
        if (u->reloads[i].served)
            uplink_answer(a, u->reloads[i].command, result < 0 ? MSG_FAILED : MSG_DONE, NULL,
                          result < 0 ? err : NULL);
        else
            u->reloads[left++] = u->reloads[i];
    }
    u->n_reloads = left;
    uplink_rows_changed(a);
}
