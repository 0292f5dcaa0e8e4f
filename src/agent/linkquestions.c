// SPDX-License-Identifier: Apache-2.0
//
// What the server asks for somebody who looks at this host now: a row and a function each. Nothing that is enforced is changed by
// a look, nothing is kept of it, and an answer that nobody waits for any more is thrown away.
#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "agent/agent.h"
#include "base/jsonget.h"

// An answer has at most MSG_RESULT_TEXT_MAX, and a row of a list comes on top of its bound.
#define LIST_BYTES ((size_t)96 << 10)

// {"from": where the piece before ended, or 0}
static int ask_processes(struct agent *a, struct json_object *args, struct jw *jw,
                         struct error *err _unused_)
{
    uint64_t from = json_get_u64(args, "from", 0);

    processlist_json(a, (uint32_t)MIN(from, (uint64_t)UINT32_MAX), LIST_BYTES, jw);
    return 0;
}

// As top_answer().
static int ask_scheduling(struct agent *a, struct json_object *args, struct jw *jw,
                          struct error *err)
{
    int r;

    jw_begin_object(jw);
    jw_key(jw, "top");
    r = top_answer(a, args, LIST_BYTES, jw, err);
    if (r < 0)
        return r;
    jw_key(jw, "scheduling");
    schedule_json(a, jw);
    jw_key(jw, "rules");
    schedule_rules_json(a, jw);
    jw_end_object(jw);
    return 0;
}

static int ask_defence(struct agent *a, struct json_object *args _unused_, struct jw *jw,
                       struct error *err _unused_)
{
    jw_begin_object(jw);
    jw_key(jw, "defence");
    defence_json(a, jw);
    jw_key(jw, "self_test");
    status_self_test_json(a, jw);
    jw_end_object(jw);
    return 0;
}

// As net_answer(). That a setting is off is an answer, too: who looks is told so.
static int ask_network(struct agent *a, struct json_object *args, struct jw *jw, struct error *err)
{
    struct error why = {};
    int r;

    jw_begin_object(jw);
    if (net_is_on(a, args, &why)) {
        jw_key(jw, "network");
        r = net_answer(a, args, LIST_BYTES, jw, &why);
        if (r < 0)
            return error_set(err, r, "%s", why.what);
    } else {
        status_error(jw, "off", &why);
    }
    jw_end_object(jw);
    return 0;
}

static const struct {
    const char *name;
    int (*ask)(struct agent *a, struct json_object *args, struct jw *jw, struct error *err);
} rows[] = {
    {"processes", ask_processes},
    {"scheduling", ask_scheduling},
    {"defence", ask_defence},
    {"network", ask_network},
};

static void run(struct agent *a, const struct msg_command *question, size_t row)
{
    struct json_object *args = json_tokener_parse(question->args);
    _cleanup_(sb_done) struct strbuf sb = {};
    struct error err = {};
    struct jw jw;
    int r;

    jw_init(&jw, &sb);
    r = rows[row].ask(a, args, &jw, &err);
    if (r == 0)
        r = jw_finish(&jw);
    if (r < 0 && !error_is_set(&err))
        (void)error_set(&err, r, "%m");
    if (r < 0)
        uplink_answer(a, question->id, MSG_FAILED, NULL, &err);
    else
        uplink_answer(a, question->id, MSG_DONE, sb_str(&sb), NULL);
    json_object_put(args);
}

void uplink_question(struct agent *a, const struct msg_command *question)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (streq(rows[i].name, question->name)) {
            run(a, question, i);
            return;
        }
    uplink_failed(a, question, -EOPNOTSUPP, "this agent cannot be asked that");
}
