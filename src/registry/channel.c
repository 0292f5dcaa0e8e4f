// SPDX-License-Identifier: Apache-2.0
#include "registry/channel.h"

#include <sodium.h>
#include <stdio.h>

#include "registry/internal.h"

static const char *const kinds[] = {"webhook", "email", "syslog"};
STATIC_ASSERT(ARRAY_SIZE(kinds) == CHANNEL_KINDS, "a kind has no name");

const char *channel_kind_name(enum channel_kind kind)
{
    return (unsigned)kind < CHANNEL_KINDS ? kinds[kind] : NULL;
}

enum channel_kind channel_kind_find(const char *name)
{
    for (unsigned i = 0; i < CHANNEL_KINDS; i++)
        if (streq(kinds[i], name))
            return (enum channel_kind)i;
    return CHANNEL_KINDS;
}

#define COLUMNS                                                                                                      \
    "id, name, kind, config, enabled, secret IS NOT NULL, severity_min, created_ms, sent, failed, dropped, last_ms," \
    " last_error"

static int hand_channels(struct db_stmt *st, registry_channel_fn fn, void *ctx, unsigned *ret_n,
                         struct error *err)
{
    int r;

    while ((r = db_step(st, err)) > 0) {
        const struct registry_channel ch = {
            .id = db_col_u64(st, 0),
            .name = db_col_str(st, 1),
            .kind = channel_kind_find(strempty(db_col_str(st, 2))),
            .config = db_col_str(st, 3),
            .enabled = db_col_bool(st, 4),
            .has_secret = db_col_bool(st, 5),
            .severity_min = (unsigned)db_col_u64(st, 6),
            .created_ms = db_col_u64(st, 7),
            .sent = db_col_u64(st, 8),
            .failed = db_col_u64(st, 9),
            .dropped = db_col_u64(st, 10),
            .last_ms = db_col_u64(st, 11),
            .last_error = db_col_str(st, 12),
        };

        ++*ret_n;
        r = fn(ctx, &ch);
        if (r != 0)
            return r;
    }
    return r;
}

int registry_channel_list(struct registry *rg, registry_channel_fn fn, void *ctx, struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    unsigned n = 0;
    int r = reading_query(rg, "SELECT " COLUMNS " FROM channels ORDER BY name", &rd, &st, err);

    return r < 0 ? r : hand_channels(st, fn, ctx, &n, err);
}

static int no_channel(struct error *err, uint64_t id)
{
    return error_set(err, -ENOENT, "there is no channel %llu", (unsigned long long)id);
}

int registry_channel_get(struct registry *rg, uint64_t id, registry_channel_fn fn, void *ctx,
                         struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    unsigned n = 0;
    int r = reading_query(rg, "SELECT " COLUMNS " FROM channels WHERE id = ?1", &rd, &st, err);

    if (r < 0)
        return r;
    db_bind_u64(st, 1, id);
    r = hand_channels(st, fn, ctx, &n, err);
    return r == 0 && n == 0 ? no_channel(err, id) : r;
}

static int check_spec(const struct registry_channel_spec *spec, struct error *err)
{
    int r = spec->name ? check_name(err, "the name of a channel", spec->name, REGISTRY_NAME_MAX)
                       : 0;

    if (r == 0 && spec->config)
        r = check_json(err, "the configuration of a channel", spec->config, CHANNEL_CONFIG_MAX,
                       true);
    if (r == 0)
        r = check_text(err, "the secret of a channel", spec->secret, CHANNEL_SECRET_MAX, false);
    if (r == 0 && spec->severity_min > 6)
        r = error_set(err, -EINVAL, "a severity is 1 to 6");
    return r;
}

// The channel's id is bound to the secret, and what the id is bound to, the database.
static void bound_to(struct registry *rg, uint64_t id, char ret[80])
{
    (void)snprintf(ret, 80, "channel:%llu:%s", (unsigned long long)id, rg->id);
}

static int put_secret(struct change *c, uint64_t id, const char *secret, struct error *err)
{
    _cleanup_free_ char *blob = NULL;
    size_t len = 0;
    char what[80];
    int r;

    bound_to(c->rg, id, what);
    r = *secret ? secret_seal(c->rg, what, secret, &blob, &len) : 0;
    if (r < 0)
        return error_set(err, r, "out of memory");
    return db_do(c->db, err, "UPDATE channels SET secret = ?1 WHERE id = ?2", "bu",
                 (const void *)blob, len, id);
}

static int audit_channel(struct change *c, const char *action, uint64_t id,
                         const struct registry_channel_spec *spec, struct error *err)
{
    char target[24];

    (void)snprintf(target, sizeof(target), "%llu", (unsigned long long)id);
    return change_audit(c, err, action, target, "sjbub", "name", spec->name, "config",
                        spec->config ? spec->config : "null", "secret_set", spec->secret != NULL,
                        "severity_min", (uint64_t)spec->severity_min, "enabled",
                        spec->enabled ? *spec->enabled : true);
}

int registry_channel_create(struct registry *rg, const struct actor *actor, enum channel_kind kind,
                            const struct registry_channel_spec *spec, uint64_t *ret_id,
                            struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    int64_t n = 0;
    uint64_t id = 0;
    int r = check_spec(spec, err);

    if (r == 0 && (!spec->name || !spec->config || (unsigned)kind >= CHANNEL_KINDS))
        r = error_set(
            err, -EINVAL,
            "a channel has a name, a kind (webhook, email or syslog) and a configuration");
    if (r == 0)
        r = change_begin(rg, actor, DURABLE, &c, err);
    if (r == 0)
        r = db_get_i64(c.db, err, &n, "SELECT count(*) FROM channels", "");
    if (r >= 0 && n >= CHANNELS_MAX)
        return error_set(err, -EDQUOT, "there are %d channels already", CHANNELS_MAX);
    if (r >= 0)
        r = db_do(c.db, err,
                  "INSERT INTO channels (name, kind, config, enabled, severity_min, created_ms)"
                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                  "sssuuu", spec->name, channel_kind_name(kind), spec->config,
                  (uint64_t)(spec->enabled ? *spec->enabled : true),
                  (uint64_t)(spec->severity_min ? spec->severity_min : 4), c.now);
    if (r == -EEXIST)
        return error_set(err, -EEXIST, "there is a channel '%s' already", spec->name);
    if (r == 0)
        id = (uint64_t)db_last_id(c.db);
    if (r == 0 && !str_isempty(spec->secret))
        r = put_secret(&c, id, spec->secret, err);
    if (r == 0)
        r = audit_channel(&c, "channel.create", id, spec, err);
    if (r == 0)
        r = change_commit(&c, err);
    if (r == 0)
        *ret_id = id;
    return r;
}

int registry_channel_update(struct registry *rg, const struct actor *actor, uint64_t id,
                            const struct registry_channel_spec *spec, struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    int r = check_spec(spec, err);

    if (r == 0)
        r = change_begin(rg, actor, DURABLE, &c, err);
    if (r == 0)
        r = db_do(
            c.db, err,
            "UPDATE channels SET name = coalesce(?1, name), config = coalesce(?2, config), enabled = CASE WHEN ?3 < 0"
            " THEN enabled ELSE ?3 END, severity_min = CASE WHEN ?4 = 0 THEN severity_min ELSE ?4 END WHERE id = ?5",
            "ssiuu", spec->name, spec->config, (int64_t)(spec->enabled ? *spec->enabled : -1),
            (uint64_t)spec->severity_min, id);
    if (r == -EEXIST)
        return error_set(err, -EEXIST, "there is a channel '%s' already", spec->name);
    if (r == 0 && db_changes(c.db) == 0)
        return no_channel(err, id);
    if (r == 0 && spec->secret)
        r = put_secret(&c, id, spec->secret, err);
    if (r == 0)
        r = audit_channel(&c, "channel.update", id, spec, err);
    change_tell(&c, REGISTRY_OUTBOX, NULL);
    return r < 0 ? r : change_commit(&c, err);
}

int registry_channel_delete(struct registry *rg, const struct actor *actor, uint64_t id,
                            struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    char target[24];
    int r = change_begin(rg, actor, DURABLE, &c, err);

    (void)snprintf(target, sizeof(target), "%llu", (unsigned long long)id);
    if (r == 0)
        r = db_do(c.db, err, "DELETE FROM channels WHERE id = ?1", "u", id);
    if (r == 0 && db_changes(c.db) == 0)
        return no_channel(err, id);
    if (r == 0)
        r = change_audit(&c, err, "channel.delete", target, "");
    return r < 0 ? r : change_commit(&c, err);
}

int registry_channel_secret(struct registry *rg, uint64_t id, char **ret_secret, struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    const void *blob;
    size_t len = 0;
    char what[80];
    int r = reading_query(rg, "SELECT secret FROM channels WHERE id = ?1", &rd, &st, err);

    if (r < 0)
        return r;
    db_bind_u64(st, 1, id);
    r = db_step(st, err);
    if (r <= 0)
        return r < 0 ? r : no_channel(err, id);
    blob = db_col_blob(st, 0, &len);
    bound_to(rg, id, what);
    if (blob) {
        r = secret_open(rg, what, blob, len, ret_secret);
    } else {
        *ret_secret = strdup("");
        r = *ret_secret ? 0 : -ENOMEM;
    }
    if (r >= 0)
        return 0;
    (void)error_set(err, r, "the secret of this channel cannot be read with the key that is there");
    error_cure(err, "set it again");
    return r;
}
