// SPDX-License-Identifier: Apache-2.0
#include "registry/rollout.h"

#include <sodium.h>
#include <stdio.h>

#include "base/strutil.h"
#include "registry/internal.h"
#include "registry/stages.h"

const char *rollout_state_name(enum rollout_state state)
{
    static const char *const names[] = {"running", "paused", "done", "rolled-back"};

    STATIC_ASSERT(ARRAY_SIZE(names) == ROLLOUT_STATES, "a state has no name");
    return (unsigned)state < ROLLOUT_STATES ? names[state] : NULL;
}

unsigned rollout_bucket(const char *host, const char *policy)
{
    crypto_hash_sha256_state st;
    uint8_t hash[crypto_hash_sha256_BYTES];

    (void)crypto_hash_sha256_init(&st);
    (void)crypto_hash_sha256_update(&st, (const uint8_t *)host, strlen(host) + 1);
    (void)crypto_hash_sha256_update(&st, (const uint8_t *)policy, strlen(policy));
    (void)crypto_hash_sha256_final(&st, hash);
    return (unsigned)(((uint32_t)hash[0] << 24 | (uint32_t)hash[1] << 16 | (uint32_t)hash[2] << 8 |
                       hash[3]) %
                      100);
}

// "10m 50m 100p": share and mode of each stage.
static int format_stages(const struct rollout_stage *stages, unsigned n, struct strbuf *sb)
{
    for (unsigned i = 0; i < n; i++)
        sb_printf(sb, "%s%u%c", i ? " " : "", stages[i].share, stages[i].monitor ? 'm' : 'p');
    return sb->failed ? -ENOMEM : 0;
}

int stages_parse(const char *text, struct rollout_stage *stages, unsigned *ret_n)
{
    _cleanup_(strv_freep) char **words = NULL;
    unsigned n = 0;
    int r = strv_split(text, " ", &words);

    if (r < 0)
        return r;
    STRV_FOREACH (word, words) {
        size_t len = strlen(*word);
        char mode = (*word)[len - 1];
        uint32_t share;

        (*word)[len - 1] = '\0';
        if (n == ROLLOUT_STAGES_MAX || parse_u32(*word, &share) < 0 || share == 0 || share > 100 ||
            (mode != 'm' && mode != 'p'))
            return -EUCLEAN;
        stages[n++] = (struct rollout_stage){share, mode == 'm'};
    }
    *ret_n = n;
    return n > 0 ? 0 : -EUCLEAN;
}

#define COLUMNS                                                                                              \
    "id, policy, version, stages, stage, state, before, before_monitor, created_by, created_ms, changed_ms," \
    " stop_failed, stop_of, stop_host, stop_reason"

static int read_rollout(struct db_stmt *st, struct registry_rollout *ro, struct error *err)
{
    int r;

    *ro = (struct registry_rollout){
        .id = db_col_u64(st, 0),
        .policy = db_col_str(st, 1),
        .version = (unsigned)db_col_u64(st, 2),
        .stage = (unsigned)db_col_u64(st, 4),
        .state = (enum rollout_state)db_col_i64(st, 5),
        .before = (unsigned)db_col_u64(st, 6),
        .before_monitor = db_col_bool(st, 7),
        .created_by = db_col_str(st, 8),
        .created_ms = db_col_u64(st, 9),
        .changed_ms = db_col_u64(st, 10),
        .stop = {(unsigned)db_col_u64(st, 11), (unsigned)db_col_u64(st, 12), db_col_str(st, 13),
                 db_col_str(st, 14)},
    };
    r = stages_parse(strempty(db_col_str(st, 3)), ro->stages, &ro->n_stages);
    if (r == 0 && (ro->stage >= ro->n_stages || (unsigned)ro->state >= ROLLOUT_STATES))
        r = -EUCLEAN;
    return r < 0 ? error_set(err, r, "roll-out %llu is not what was written",
                             (unsigned long long)ro->id)
                 : 0;
}

int registry_rollout_list(struct registry *rg, const char *policy, uint32_t states,
                          const struct registry_page *page, registry_rollout_fn fn, void *ctx,
                          struct registry_next *ret_next, struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    unsigned limit = page_limit(page), n = 0;
    uint64_t before = 0, last = 0;
    struct registry_rollout ro;
    int r = page_number(page, &before, err);

    if (r == 0)
        r = reading_begin(rg, &rd, err);
    if (r == 0)
        r = db_query(
            rd.db,
            "SELECT " COLUMNS
            " FROM rollouts WHERE (?1 IS NULL OR policy = ?1) AND (?2 = 0 OR id < ?2) AND (?4 = 0 OR (?4 >> state) & 1)"
            " ORDER BY id DESC LIMIT ?3",
            &st, err);
    if (r < 0)
        return r;
    db_bind(st, "suuu", policy, before, (uint64_t)limit + 1, (uint64_t)states);
    while ((r = db_step(st, err)) > 0 && n++ < limit) {
        r = read_rollout(st, &ro, err);
        if (r == 0)
            r = fn(ctx, &ro);
        if (r != 0)
            return r;
        last = ro.id;
    }
    if (r >= 0)
        next_number(ret_next, r > 0 ? last : 0);
    return r < 0 ? r : 0;
}

int registry_rollout_get(struct registry *rg, uint64_t id, registry_rollout_fn fn, void *ctx,
                         struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    struct registry_rollout ro;
    int r = reading_query(rg, "SELECT " COLUMNS " FROM rollouts WHERE id = ?1", &rd, &st, err);

    if (r < 0)
        return r;
    db_bind_u64(st, 1, id);
    r = db_step(st, err);
    if (r == 0)
        return error_set(err, -ENOENT, "there is no roll-out %llu", (unsigned long long)id);
    if (r > 0)
        r = read_rollout(st, &ro, err);
    return r < 0 ? r : fn(ctx, &ro);
}

static int check_stages(const struct rollout_stage *stages, unsigned n, struct error *err)
{
    if (n == 0 || n > ROLLOUT_STAGES_MAX)
        return error_set(err, -EINVAL, "a roll-out has 1 to %d stages", ROLLOUT_STAGES_MAX);
    for (unsigned i = 0; i < n; i++)
        if (stages[i].share == 0 || stages[i].share > 100)
            return error_set(err, -EINVAL, "stage %u has a share of %u: 1 to 100 per cent", i + 1,
                             stages[i].share);
    if (stages[n - 1].share != 100)
        return error_set(err, -EINVAL, "the last stage has to have a share of 100");
    return 0;
}

static int insert_rollout(struct change *c, const char *policy, unsigned version,
                          const char *stages, uint64_t *ret_id, struct error *err)
{
    int64_t there = 0;
    int r = db_get_i64(
        c->db, err, &there,
        "SELECT 1 FROM policies p JOIN policy_versions v ON v.policy = p.name WHERE p.name = ?1 AND"
        " p.deleted_ms = 0 AND v.version = ?2",
        "su", policy, (uint64_t)version);

    if (r == 0)
        return error_set(err, -ENOENT, "there is no version %u of '%.64s'", version, policy);
    if (r > 0)
        r = db_do(
            c->db, err,
            "INSERT INTO rollouts (policy, version, stages, before, before_monitor, created_by, created_ms,"
            " changed_ms) SELECT name, ?2, ?3, in_force, monitor, ?4, ?5, ?5 FROM policies WHERE name = ?1",
            "sussu", policy, (uint64_t)version, stages, sb_str(&c->actor), c->now);
    if (r == -EEXIST) {
        (void)error_set(err, -EBUSY, "another roll-out of '%s' is under way", policy);
        error_cure(err, "let it end, or roll it back");
        return -EBUSY;
    }
    if (r == 0)
        *ret_id = (uint64_t)db_last_id(c->db);
    return r;
}

static int audit_rollout(struct change *c, const char *action, uint64_t id, const char *policy,
                         unsigned version, unsigned stage, const char *stages, struct error *err)
{
    char target[24];

    (void)snprintf(target, sizeof(target), "%llu", (unsigned long long)id);
    return change_audit(c, err, action, target, "suus", "policy", policy, "version",
                        (uint64_t)version, "stage", (uint64_t)stage + 1, "stages", stages);
}

int registry_rollout_create(struct registry *rg, const struct actor *actor, const char *policy,
                            unsigned version, const struct rollout_stage *stages, unsigned n_stages,
                            uint64_t *ret_id, struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    _cleanup_(sb_done) struct strbuf text = {};
    uint64_t id = 0;
    int r = check_stages(stages, n_stages, err);

    if (r == 0)
        r = format_stages(stages, n_stages, &text);
    if (r == 0)
        r = change_begin(rg, actor, DURABLE, &c, err);
    if (r == 0)
        r = insert_rollout(&c, policy, version, sb_str(&text), &id, err);
    if (r == 0)
        r = audit_rollout(&c, "rollout.create", id, policy, version, 0, sb_str(&text), err);
    if (r == 0)
        r = bundles_refresh(&c, NULL, err);
    if (r == 0)
        r = change_commit(&c, err);
    if (r == 0)
        *ret_id = id;
    return r;
}

static int load(struct change *c, uint64_t id, struct registry_rollout *ret, char **ret_policy,
                struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = db_query(c->db, "SELECT " COLUMNS " FROM rollouts WHERE id = ?1", &st, err);

    if (r < 0)
        return r;
    db_bind_u64(st, 1, id);
    r = db_step(st, err);
    if (r == 0)
        return error_set(err, -ENOENT, "there is no roll-out %llu", (unsigned long long)id);
    if (r > 0)
        r = read_rollout(st, ret, err);
    if (r == 0)
        r = db_col_dup(st, 1, ret_policy);
    ret->policy = *ret_policy;
    ret->created_by = NULL;
    ret->stop.host = ret->stop.reason = NULL;
    return r;
}

static int put_state(struct change *c, const struct registry_rollout *ro, enum rollout_state state,
                     unsigned stage, struct error *err)
{
    return db_do(c->db, err,
                 "UPDATE rollouts SET state = ?1, stage = ?2, changed_ms = ?3 WHERE id = ?4",
                 "uuuu", (uint64_t)state, (uint64_t)stage, c->now, ro->id);
}

static int put_in_force(struct change *c, const char *policy, unsigned version, bool monitor,
                        struct error *err)
{
    return db_do(c->db, err,
                 "UPDATE policies SET in_force = ?1, monitor = ?2, changed_ms = ?3 WHERE name = ?4",
                 "uuus", (uint64_t)version, (uint64_t)monitor, c->now, policy);
}

static int not_now(const struct registry_rollout *ro, const char *what, struct error *err)
{
    return error_set(err, -EBUSY, "roll-out %llu is %s and cannot be %s",
                     (unsigned long long)ro->id, rollout_state_name(ro->state), what);
}

static int do_advance(struct change *c, const struct registry_rollout *ro, int from,
                      struct error *err)
{
    int r;

    if (ro->state != ROLLOUT_RUNNING)
        return not_now(ro, "advanced", err);
    if (from >= 0 && (unsigned)from != ro->stage)
        return error_set(err, -ESTALE, "roll-out %llu is at stage %u already",
                         (unsigned long long)ro->id, ro->stage + 1);
    if (ro->stage + 1 < ro->n_stages)
        return put_state(c, ro, ROLLOUT_RUNNING, ro->stage + 1, err);
    r = put_state(c, ro, ROLLOUT_DONE, ro->stage, err);
    return r < 0 ? r : put_in_force(c, ro->policy, ro->version, ro->stages[ro->stage].monitor, err);
}

static int do_pause(struct change *c, const struct registry_rollout *ro, int from,
                    struct error *err)
{
    (void)from;
    return ro->state == ROLLOUT_RUNNING ? put_state(c, ro, ROLLOUT_PAUSED, ro->stage, err)
                                        : not_now(ro, "paused", err);
}

static int do_resume(struct change *c, const struct registry_rollout *ro, int from,
                     struct error *err)
{
    int r;

    (void)from;
    if (ro->state != ROLLOUT_PAUSED)
        return not_now(ro, "resumed", err);
    r = put_state(c, ro, ROLLOUT_RUNNING, ro->stage, err);
    // It stops again when further hosts refuse it.
    return r < 0
               ? r
               : db_do(
                     c->db, err,
                     "UPDATE rollouts SET tolerated = stop_failed, stop_failed = 0, stop_of = 0, stop_host = '',"
                     " stop_reason = '' WHERE id = ?1 AND stop_failed > 0",
                     "u", ro->id);
}

static int do_rollback(struct change *c, const struct registry_rollout *ro, int from,
                       struct error *err)
{
    int64_t newest = 0;
    int r = db_get_i64(c->db, err, &newest, "SELECT max(id) FROM rollouts WHERE policy = ?1", "s",
                       ro->policy);

    (void)from;
    if (r < 0)
        return r;
    if (ro->state == ROLLOUT_ROLLED_BACK)
        return not_now(ro, "rolled back", err);
    if ((uint64_t)newest != ro->id)
        return error_set(err, -EBUSY, "there was another roll-out of '%s' since", ro->policy);
    r = put_state(c, ro, ROLLOUT_ROLLED_BACK, ro->stage, err);
    return r < 0 ? r : put_in_force(c, ro->policy, ro->before, ro->before_monitor, err);
}

typedef int (*move_fn)(struct change *c, const struct registry_rollout *ro, int from,
                       struct error *err);

static int move(struct registry *rg, const struct actor *actor, uint64_t id, int from, move_fn fn,
                const char *action, struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    _cleanup_(sb_done) struct strbuf text = {};
    _cleanup_free_ char *policy = NULL;
    struct registry_rollout ro = {};
    int r = change_begin(rg, actor, DURABLE, &c, err);

    if (r == 0)
        r = load(&c, id, &ro, &policy, err);
    if (r == 0)
        r = fn(&c, &ro, from, err);
    if (r == 0)
        r = format_stages(ro.stages, ro.n_stages, &text);
    if (r == 0)
        r = audit_rollout(&c, action, id, policy, ro.version, ro.stage, sb_str(&text), err);
    if (r == 0)
        r = bundles_refresh(&c, NULL, err);
    return r < 0 ? r : change_commit(&c, err);
}

int registry_rollout_advance(struct registry *rg, const struct actor *actor, uint64_t id, int from,
                             struct error *err)
{
    return move(rg, actor, id, from, do_advance, "rollout.advance", err);
}

int registry_rollout_pause(struct registry *rg, const struct actor *actor, uint64_t id,
                           struct error *err)
{
    return move(rg, actor, id, -1, do_pause, "rollout.pause", err);
}

int registry_rollout_resume(struct registry *rg, const struct actor *actor, uint64_t id,
                            struct error *err)
{
    return move(rg, actor, id, -1, do_resume, "rollout.resume", err);
}

int registry_rollout_rollback(struct registry *rg, const struct actor *actor, uint64_t id,
                              struct error *err)
{
    return move(rg, actor, id, -1, do_rollback, "rollout.rollback", err);
}
