// SPDX-License-Identifier: Apache-2.0
#include "registry/command.h"

#include <stdio.h>

#include "registry/internal.h"

#define LIFE_MIN 1000
#define LIFE_MAX (7 * MS_PER_DAY)
#define COLUMNS \
    "id, host, name, args, created_by, created_ms, deadline_ms, finished_ms, state, result, error"

static const char *const names[] = {"waiting", "done", "failed", "expired"};
STATIC_ASSERT(ARRAY_SIZE(names) == COMMAND_STATES, "a state has no name");

const char *command_state_name(enum command_state state)
{
    return (unsigned)state < COMMAND_STATES ? names[state] : NULL;
}

enum command_state command_state_find(const char *name)
{
    for (unsigned i = 0; i < COMMAND_STATES; i++)
        if (streq(names[i], name))
            return (enum command_state)i;
    return COMMAND_STATES;
}

static int check_may(struct change *c, const char *host, struct error *err)
{
    int64_t lifecycle = 0, waiting = 0;
    int r = db_get_i64(c->db, err, &lifecycle, "SELECT lifecycle FROM hosts WHERE id = ?1", "s",
                       host);

    if (r == 0)
        return not_found(err, "host", host);
    if (r > 0 && lifecycle != 0)
        return error_set(err, -EACCES, "this host takes no commands: it is %s",
                         host_state_name((enum host_state)lifecycle));
    if (r > 0)
        r = db_get_i64(
            c->db, err, &waiting,
            "SELECT count(*) FROM commands WHERE host = ?1 AND state = 0 AND deadline_ms > ?2",
            "su", host, c->now);
    if (r < 0)
        return r;
    return waiting < COMMAND_WAITING_MAX
               ? 0
               : error_set(err, -EDQUOT, "%d commands wait for this host already",
                           COMMAND_WAITING_MAX);
}

int registry_command_create(struct registry *rg, const struct actor *actor, const char *host,
                            const char *name, const char *args, uint64_t life_ms, uint64_t *ret_id,
                            struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    const char *json = args ? args : "{}";
    uint64_t id = 0;
    int r = check_name(err, "the name of a command", name, REGISTRY_NAME_MAX);

    if (r == 0)
        r = check_json(err, "the arguments of a command", json, COMMAND_ARGS_MAX, true);
    if (r == 0 && (life_ms < LIFE_MIN || life_ms > LIFE_MAX))
        r = error_set(err, -EINVAL, "a command waits between a second and 7 days");
    if (r == 0)
        r = change_begin(rg, actor, DURABLE, &c, err);
    if (r == 0)
        r = check_may(&c, host, err);
    if (r == 0)
        r = db_do(c.db, err,
                  "INSERT INTO commands (host, name, args, created_by, created_ms, deadline_ms)"
                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                  "ssssuu", host, name, json, sb_str(&c.actor), c.now, c.now + life_ms);
    if (r == 0)
        id = (uint64_t)db_last_id(c.db);
    if (r == 0)
        r = change_audit(&c, err, "command.create", host, "usj", "id", id, "name", name, "args",
                         json);
    change_tell(&c, REGISTRY_COMMANDS, host);
    if (r == 0)
        r = change_commit(&c, err);
    if (r == 0)
        *ret_id = id;
    return r;
}

static int hand(struct db_stmt *st, registry_command_fn fn, void *ctx, uint64_t *ret_id)
{
    const struct registry_command cmd = {
        .id = db_col_u64(st, 0),
        .host = db_col_str(st, 1),
        .name = db_col_str(st, 2),
        .args = db_col_str(st, 3),
        .created_by = db_col_str(st, 4),
        .created_ms = db_col_u64(st, 5),
        .deadline_ms = db_col_u64(st, 6),
        .finished_ms = db_col_u64(st, 7),
        .state = (enum command_state)db_col_i64(st, 8),
        .result = db_col_str(st, 9),
        .error = db_col_str(st, 10),
    };

    *ret_id = cmd.id;
    return fn(ctx, &cmd);
}

int registry_command_waiting(struct registry *rg, const char *host, uint64_t after,
                             registry_command_fn fn, void *ctx, struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    uint64_t id;
    int r = reading_query(
        rg,
        "SELECT " COLUMNS
        " FROM commands WHERE host = ?1 AND id > ?2 AND state = 0 AND deadline_ms > ?3"
        " ORDER BY id LIMIT ?4",
        &rd, &st, err);

    if (r < 0)
        return r;
    db_bind(st, "suuu", host, MIN(after, (uint64_t)INT64_MAX), registry_now(rg),
            (uint64_t)COMMAND_WAITING_MAX);
    while ((r = db_step(st, err)) > 0) {
        r = hand(st, fn, ctx, &id);
        if (r != 0)
            return r;
    }
    return r;
}

int registry_command_result(struct registry *rg, const char *host, uint64_t id,
                            enum command_state state, const char *result, const char *error,
                            struct error *err)
{
    const struct actor actor = {.kind = ACTOR_AGENT, .name = host};
    _cleanup_(change_done) struct change c = {};
    int64_t there = 0;
    int r = state == COMMAND_WAITING || (unsigned)state >= COMMAND_STATES
                ? error_set(err, -EINVAL, "a result is done, failed or expired")
                : 0;

    if (r == 0 && !str_isempty(result))
        r = check_json(err, "the result of a command", result, COMMAND_RESULT_MAX, false);
    if (r == 0)
        r = check_text(err, "the error of a command", error, REGISTRY_TEXT_MAX, true);
    if (r == 0)
        r = change_begin(rg, &actor, DURABLE, &c, err);
    if (r == 0)
        r = db_get_i64(c.db, err, &there, "SELECT 1 FROM commands WHERE id = ?1 AND host = ?2",
                       "us", id, host);
    if (r == 0)
        return error_set(err, -ENOENT, "there is no command %llu for this host",
                         (unsigned long long)id);
    // One that came after its deadline still says what was done.
    if (r > 0)
        r = db_do(
            c.db, err,
            "UPDATE commands SET state = ?1, result = ?2, error = ?3, finished_ms = ?4 WHERE id = ?5 AND"
            " state IN (0, 3) AND NOT (state = 3 AND ?1 = 3)",
            "ussuu", (uint64_t)state, strempty(result), strempty(error), c.now, id);
    if (r == 0 && db_changes(c.db) > 0)
        r = change_audit(&c, err, "command.result", host, "us", "id", id, "status",
                         command_state_name(state));
    return r < 0 ? r : change_commit(&c, err);
}

int registry_command_list(struct registry *rg, const char *host, const struct registry_page *page,
                          registry_command_fn fn, void *ctx, struct registry_next *ret_next,
                          struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    unsigned limit = page_limit(page), n = 0;
    uint64_t before = 0, last = 0;
    int r = page_number(page, &before, err);

    if (r == 0)
        r = reading_begin(rg, &rd, err);
    if (r == 0)
        r = db_query(
            rd.db,
            "SELECT " COLUMNS
            " FROM commands WHERE host = ?1 AND (?2 = 0 OR id < ?2) ORDER BY id DESC LIMIT ?3",
            &st, err);
    if (r < 0)
        return r;
    db_bind(st, "suu", host, before, (uint64_t)limit + 1);
    while ((r = db_step(st, err)) > 0 && n++ < limit) {
        r = hand(st, fn, ctx, &last);
        if (r != 0)
            return r;
    }
    if (r >= 0)
        next_number(ret_next, r > 0 ? last : 0);
    return r < 0 ? r : 0;
}

int registry_command_get(struct registry *rg, uint64_t id, registry_command_fn fn, void *ctx,
                         struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = reading_query(rg, "SELECT " COLUMNS " FROM commands WHERE id = ?1", &rd, &st, err);

    if (r < 0)
        return r;
    db_bind_u64(st, 1, id);
    r = db_step(st, err);
    if (r <= 0)
        return r < 0 ? r
                     : error_set(err, -ENOENT, "there is no command %llu", (unsigned long long)id);
    return hand(st, fn, ctx, &id);
}
