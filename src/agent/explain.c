// SPDX-License-Identifier: Apache-2.0
#include "agent/explain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/jsonget.h"
#include "control/message.h"

static size_t length(struct json_object *list)
{
    return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

static int read_ancestors(struct json_object *list, struct policy_facts *facts,
                          struct explain_lists *ret, struct error *err)
{
    if (length(list) > POLICY_ANCESTORS_MAX)
        return error_set(err, -EINVAL, "at most %d ancestors", POLICY_ANCESTORS_MAX);
    facts->n_ancestors = length(list);
    facts->ancestors = ret->ancestors;
    for (size_t i = 0; i < facts->n_ancestors; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);

        if (!json_object_is_type(item, json_type_string))
            return error_set(err, -EINVAL, "an ancestor has to be the path of its executable");
        ret->ancestors[i] = json_object_get_string(item);
    }
    return 0;
}

// Those that are not there are root's.
static void read_ancestor_uids(struct json_object *list, struct policy_facts *facts,
                               struct explain_lists *ret)
{
    for (size_t i = 0; i < length(list) && i < facts->n_ancestors; i++)
        ret->ancestor_uids[i] = (uint32_t)json_object_get_int64(json_object_array_get_idx(list, i));
    facts->ancestor_uids = ret->ancestor_uids;
}

static int read_gids(struct json_object *list, struct policy_facts *facts,
                     struct explain_lists *ret, struct error *err)
{
    if (length(list) > EXPLAIN_GIDS_MAX)
        return error_set(err, -EINVAL, "at most %d groups", EXPLAIN_GIDS_MAX);
    facts->n_gids = length(list);
    facts->gids = ret->gids;
    for (size_t i = 0; i < facts->n_gids; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        int64_t gid = json_object_is_type(item, json_type_int) ? json_object_get_int64(item) : -1;

        if (gid < 0 || gid > UINT32_MAX)
            return error_set(err, -EINVAL, "a group has to be a number");
        ret->gids[i] = (uint32_t)gid;
    }
    return 0;
}

static int read_env(struct json_object *list, struct policy_facts *facts, struct explain_lists *ret,
                    struct error *err)
{
    if (length(list) > EXPLAIN_ENVS_MAX)
        return error_set(err, -EINVAL, "at most %d variables", EXPLAIN_ENVS_MAX);
    facts->n_env = length(list);
    facts->env = ret->env;
    for (size_t i = 0; i < facts->n_env; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);

        if (!json_object_is_type(item, json_type_string))
            return error_set(err, -EINVAL, "a variable has to be NAME=VALUE");
        ret->env[i] = json_object_get_string(item);
    }
    return 0;
}

static int read_control(struct json_object *o, struct explain_args *ret, struct error *err)
{
    struct policy_control *control = &ret->control;
    const char *name = json_get_str(o, "name", NULL);
    uint64_t number = json_get_u64(o, "number", 0);

    control->kind = policy_control_kind(json_get_str(o, "kind", ""));
    if (control->kind >= SG_CONTROL_COUNT || number > UINT32_MAX)
        return error_set(err, -EINVAL, "what is asked for is nothing that rules are about");
    // The kind says whether numbers are ids.
    if (!name) {
        char text[16];

        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
        if (policy_control_from_word(control->kind, text, control) < 0 ||
            control->what == POLICY_CONTROL_NAME)
            return error_set(err, -EINVAL, "this kind is asked for by a name");
    } else {
        if (policy_control_from_word(control->kind, name, control) < 0 ||
            control->what != POLICY_CONTROL_NAME)
            return error_set(err, -EINVAL, "this kind is asked for by a number");
    }
    ret->query.control = control;
    return 0;
}

static int read_path(struct json_object *args, struct explain_args *ret, struct error *err)
{
    struct policy_query *q = &ret->query;

    q->path = json_get_str(args, "path", NULL);
    if (!q->path || q->path[0] != '/')
        return error_set(err, -EINVAL, "an absolute path is needed");
    q->path_len = strlen(q->path);
    return 0;
}

static int read_facts(struct json_object *args, struct policy_facts *ret_facts,
                      struct explain_lists *lists, struct error *err)
{
    int r;

    *ret_facts = (struct policy_facts){
        .exe = json_get_str(args, "exe", NULL),
        .uid = (uint32_t)json_get_u64(args, "uid", 0),
        .login_uid = (uint32_t)json_get_u64(args, "login_uid", UINT32_MAX),
        .caps = json_get_u64(args, "caps", 0),
        .cgroup = json_get_str(args, "cgroup", NULL),
        .session = (int)json_get_i64(args, "session", -1),
        .container = json_get_bool(args, "container", 0),
    };
    r = read_ancestors(json_get(args, "ancestors"), ret_facts, lists, err);
    read_ancestor_uids(json_get(args, "ancestor_uids"), ret_facts, lists);
    r = r < 0 ? r : read_gids(json_get(args, "gids"), ret_facts, lists, err);
    return r < 0 ? r : read_env(json_get(args, "env"), ret_facts, lists, err);
}

int explain_args_read(struct json_object *args, struct explain_args *ret, struct error *err)
{
    struct policy_query *q = &ret->query;
    int r;

    *ret = (struct explain_args){};
    r = json_get(args, "control") ? read_control(json_get(args, "control"), ret, err)
                                  : read_path(args, ret, err);
    if (r < 0)
        return r;
    q->ops = (uint32_t)json_get_u64(args, "ops", q->control ? SG_OP_CONTROL : SG_OP_READ);
    q->has_when = json_get(args, "when") != NULL;
    q->when = (time_t)json_get_i64(args, "when", 0);
    q->other_user = json_get_bool(args, "other_user", 0);
    if (json_get(args, "to")) {
        r = read_facts(json_get(args, "to"), &ret->target, &ret->target_lists, err);
        q->target = &ret->target;
    }
    return r < 0 ? r : read_facts(args, &q->facts, &ret->lists, err);
}
