// SPDX-License-Identifier: Apache-2.0
#include "registry/policy.h"

#include <sodium.h>
#include <stdio.h>

#include "base/utf8.h"
#include "registry/internal.h"
#include "registry/label.h"

#define POLICIES_MAX 1000
#define VERSIONS_MAX 100000

#define COLUMNS                                                                                          \
    "name, selector, (SELECT max(version) FROM policy_versions WHERE policy = name), in_force, monitor," \
    " created_ms, changed_ms, (SELECT id FROM rollouts WHERE policy = name AND state < 2)"

static int hand_policies(struct db_stmt *st, registry_policy_fn fn, void *ctx, unsigned *ret_n,
                         struct error *err)
{
    int r;

    while ((r = db_step(st, err)) > 0) {
        const struct registry_policy p = {
            .name = db_col_str(st, 0),
            .selector = db_col_str(st, 1),
            .version = (unsigned)db_col_u64(st, 2),
            .in_force = (unsigned)db_col_u64(st, 3),
            .monitor = db_col_bool(st, 4),
            .created_ms = db_col_u64(st, 5),
            .changed_ms = db_col_u64(st, 6),
            .rollout = db_col_u64(st, 7),
        };

        ++*ret_n;
        r = fn(ctx, &p);
        if (r != 0)
            return r;
    }
    return r;
}

int registry_policy_list(struct registry *rg, registry_policy_fn fn, void *ctx, struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    unsigned n = 0;
    int r = reading_query(rg, "SELECT " COLUMNS " FROM policies WHERE deleted_ms = 0 ORDER BY name",
                          &rd, &st, err);

    return r < 0 ? r : hand_policies(st, fn, ctx, &n, err);
}

int registry_policy_get(struct registry *rg, const char *name, registry_policy_fn fn, void *ctx,
                        struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    unsigned n = 0;
    int r = reading_query(rg, "SELECT " COLUMNS " FROM policies WHERE deleted_ms = 0 AND name = ?1",
                          &rd, &st, err);

    if (r < 0)
        return r;
    db_bind_str(st, 1, name);
    r = hand_policies(st, fn, ctx, &n, err);
    return r == 0 && n == 0 ? not_found(err, "policy", name) : r;
}

static int check_policy_name(struct error *err, const char *name)
{
    int r = check_name(err, "the name of a policy", name, POLICY_NAME_BYTES_MAX);

    if (r < 0 || bundle_name_check(name) == 0)
        return r;
    (void)error_set(err, -EINVAL, "the name of a policy ends in .yaml");
    error_expected(err, "a name such as 50-web.yaml");
    return -EINVAL;
}

static int check_policy_text(struct error *err, const char *text, size_t len)
{
    if (len > BUNDLE_TEXT_MAX)
        return error_set(err, -EINVAL, "a policy has at most %u bytes", BUNDLE_TEXT_MAX);
    if (!utf8_valid(text, len) || memchr(text, '\0', len))
        return error_set(err, -EINVAL, "the policy is not UTF-8 text");
    return 0;
}

// In the one form that is stored.
static int clean_selector(const char *selector, char **ret, struct error *err)
{
    _cleanup_(selector_freep) struct selector *s = NULL;
    int r = selector_parse(selector, &s, err);

    if (r == 0 && (r = selector_format(s, ret)) < 0)
        return error_set(err, r, "out of memory");
    return r;
}

static void sha256_hex(const char *text, size_t len, char ret[65])
{
    uint8_t hash[crypto_hash_sha256_BYTES];

    (void)crypto_hash_sha256(hash, (const uint8_t *)text, len);
    hex_of(hash, sizeof(hash), ret);
}

static int insert_version(struct change *c, const char *name, const char *text, size_t len,
                          const char *comment, unsigned *ret_version, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    char sha256[65];
    int64_t version = 0;
    int r = db_get_i64(c->db, err, &version,
                       "SELECT max(version) FROM policy_versions WHERE policy = ?1", "s", name);

    if (r >= 0 && version >= VERSIONS_MAX)
        return error_set(err, -EDQUOT, "this policy has %d versions", VERSIONS_MAX);
    if (r >= 0)
        r = db_query(c->db, "INSERT INTO policy_versions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)", &st,
                     err);
    if (r < 0)
        return r;
    sha256_hex(text, len, sha256);
    db_bind_str(st, 1, name);
    db_bind_i64(st, 2, ++version);
    db_bind_strn(st, 3, text, len);
    db_bind_str(st, 4, sha256);
    db_bind_str(st, 5, sb_str(&c->actor));
    db_bind_str(st, 6, strempty(comment));
    db_bind_u64(st, 7, c->now);
    r = db_run(st, err);
    if (r == 0)
        r = change_audit(c, err, "policy.version", name, "uss", "version", (uint64_t)version,
                         "sha256", sha256, "comment", strempty(comment));
    if (r == 0)
        *ret_version = (unsigned)version;
    return r;
}

static int insert_policy(struct change *c, const char *name, const char *selector,
                         struct error *err)
{
    int64_t n = 0;
    int r = db_get_i64(c->db, err, &n, "SELECT count(*) FROM policies WHERE deleted_ms = 0", "");

    if (r >= 0 && n >= POLICIES_MAX)
        return error_set(err, -EDQUOT, "there are %d policies already", POLICIES_MAX);
    if (r >= 0)
        r = db_do(
            c->db, err,
            "INSERT INTO policies (name, selector, created_ms, changed_ms) VALUES (?1, ?2, ?3, ?3)"
            " ON CONFLICT (name) DO UPDATE SET selector = ?2, changed_ms = ?3, deleted_ms = 0, in_force = 0,"
            " monitor = 0 WHERE deleted_ms > 0",
            "ssu", name, selector, c->now);
    if (r == 0 && db_changes(c->db) == 0)
        return error_set(err, -EEXIST, "there is a policy '%s' already", name);
    return r < 0 ? r : change_audit(c, err, "policy.create", name, "s", "selector", selector);
}

int registry_policy_create(struct registry *rg, const struct actor *actor, const char *name,
                           const char *text, size_t len, const char *selector, const char *comment,
                           struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    _cleanup_free_ char *clean = NULL;
    unsigned version;
    int r = check_policy_name(err, name);

    if (r == 0)
        r = check_policy_text(err, text, len);
    if (r == 0)
        r = check_text(err, "the comment", comment, REGISTRY_TEXT_MAX, true);
    if (r == 0)
        r = clean_selector(selector, &clean, err);
    if (r == 0)
        r = change_begin(rg, actor, DURABLE, &c, err);
    if (r == 0)
        r = insert_policy(&c, name, clean, err);
    if (r == 0)
        r = insert_version(&c, name, text, len, comment, &version, err);
    return r < 0 ? r : change_commit(&c, err);
}

static int policy_exists(struct change *c, const char *name, struct error *err)
{
    int64_t one;
    int r = db_get_i64(c->db, err, &one,
                       "SELECT 1 FROM policies WHERE name = ?1 AND deleted_ms = 0", "s", name);

    return r < 0 ? r : r == 0 ? not_found(err, "policy", name) : 0;
}

static int check_base(struct change *c, const char *name, unsigned base, const char *text,
                      size_t len, bool *ret_same, unsigned *ret_version, struct error *err)
{
    _cleanup_free_ char *sha256 = NULL;
    int64_t newest = 0;
    char mine[65];
    int r = db_get_i64(c->db, err, &newest,
                       "SELECT max(version) FROM policy_versions WHERE policy = ?1", "s", name);

    if (r >= 0 && newest != base)
        return error_set(err, -ESTALE,
                         "somebody else made version %lld while version %u was edited",
                         (long long)newest, base);
    if (r >= 0)
        r = db_get_str(c->db, err, &sha256,
                       "SELECT sha256 FROM policy_versions WHERE policy = ?1 AND version = ?2",
                       "si", name, newest);
    if (r < 0)
        return r;
    sha256_hex(text, len, mine);
    *ret_same = streq_ptr(sha256, mine);
    *ret_version = (unsigned)newest;
    return 0;
}

int registry_policy_add_version(struct registry *rg, const struct actor *actor, const char *name,
                                const char *text, size_t len, unsigned base, const char *comment,
                                unsigned *ret_version, struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    unsigned version = 0;
    bool same = false;
    int r = check_policy_text(err, text, len);

    if (r == 0)
        r = check_text(err, "the comment", comment, REGISTRY_TEXT_MAX, true);
    if (r == 0)
        r = change_begin(rg, actor, DURABLE, &c, err);
    if (r == 0)
        r = policy_exists(&c, name, err);
    if (r == 0)
        r = check_base(&c, name, base, text, len, &same, &version, err);
    if (r == 0 && !same)
        r = insert_version(&c, name, text, len, comment, &version, err);
    if (r == 0 && !same)
        r = db_do(c.db, err, "UPDATE policies SET changed_ms = ?1 WHERE name = ?2", "us", c.now,
                  name);
    if (r == 0)
        r = change_commit(&c, err);
    if (r == 0 && ret_version)
        *ret_version = version;
    return r;
}

int registry_policy_set_selector(struct registry *rg, const struct actor *actor, const char *name,
                                 const char *selector, struct error *err)
{
    _cleanup_free_ char *clean = NULL, *before = NULL;
    _cleanup_(change_done) struct change c = {};
    int r = clean_selector(selector, &clean, err);

    if (r == 0)
        r = change_begin(rg, actor, DURABLE, &c, err);
    if (r == 0)
        r = policy_exists(&c, name, err);
    if (r == 0)
        r = db_get_str(c.db, err, &before, "SELECT selector FROM policies WHERE name = ?1", "s",
                       name);
    if (r < 0 || streq_ptr(before, clean))
        return r < 0 ? r : 0;
    r = db_do(c.db, err, "UPDATE policies SET selector = ?1, changed_ms = ?2 WHERE name = ?3",
              "sus", clean, c.now, name);
    if (r == 0)
        r = change_audit(&c, err, "policy.selector", name, "ss", "from", before, "to", clean);
    if (r == 0)
        r = bundles_refresh(&c, NULL, err);
    return r < 0 ? r : change_commit(&c, err);
}

int registry_policy_delete(struct registry *rg, const struct actor *actor, const char *name,
                           struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    int64_t running = 0;
    int r = change_begin(rg, actor, DURABLE, &c, err);

    if (r == 0)
        r = policy_exists(&c, name, err);
    if (r == 0)
        r = db_get_i64(c.db, err, &running,
                       "SELECT id FROM rollouts WHERE policy = ?1 AND state < 2", "s", name);
    if (r < 0)
        return r;
    if (running > 0)
        return error_set(
            err, -EBUSY,
            "roll-out %lld of this policy is under way: roll it back or let it end first",
            (long long)running);
    r = db_do(c.db, err,
              "UPDATE policies SET deleted_ms = ?1, in_force = 0, changed_ms = ?1 WHERE name = ?2",
              "us", c.now, name);
    if (r == 0)
        r = change_audit(&c, err, "policy.delete", name, "");
    if (r == 0)
        r = bundles_refresh(&c, NULL, err);
    return r < 0 ? r : change_commit(&c, err);
}

static int hand_version(struct db_stmt *st, bool text, registry_policy_version_fn fn, void *ctx)
{
    const struct registry_policy_version v = {
        .policy = db_col_str(st, 0),
        .version = (unsigned)db_col_u64(st, 1),
        .sha256 = db_col_str(st, 2),
        .author = db_col_str(st, 3),
        .comment = db_col_str(st, 4),
        .created_ms = db_col_u64(st, 5),
        .text = text ? db_col_str(st, 7) : NULL,
        .text_len = (size_t)db_col_u64(st, 6),
    };

    return fn(ctx, &v);
}

#define VERSION_COLUMNS \
    "policy, version, sha256, author, comment, created_ms, length(CAST(text AS BLOB))"

int registry_policy_versions(struct registry *rg, const char *name, registry_policy_version_fn fn,
                             void *ctx, struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    unsigned n = 0;
    int r =
        reading_query(rg,
                      "SELECT " VERSION_COLUMNS
                      " FROM policy_versions WHERE policy = ?1 ORDER BY version DESC LIMIT 10000",
                      &rd, &st, err);

    if (r < 0)
        return r;
    db_bind_str(st, 1, name);
    while ((r = db_step(st, err)) > 0) {
        n++;
        r = hand_version(st, false, fn, ctx);
        if (r != 0)
            return r;
    }
    return r == 0 && n == 0 ? not_found(err, "policy", name) : r;
}

int registry_policy_version(struct registry *rg, const char *name, unsigned version,
                            registry_policy_version_fn fn, void *ctx, struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r =
        reading_query(rg,
                      "SELECT " VERSION_COLUMNS
                      ", text FROM policy_versions WHERE policy = ?1 AND (version = ?2 OR ?2 = 0)"
                      " ORDER BY version DESC LIMIT 1",
                      &rd, &st, err);

    if (r < 0)
        return r;
    db_bind(st, "su", name, (uint64_t)version);
    r = db_step(st, err);
    if (r <= 0)
        return r < 0 ? r
                     : error_set(err, -ENOENT, "there is no version %u of '%.64s'", version, name);
    return hand_version(st, true, fn, ctx);
}

int registry_policy_hosts(struct registry *rg, const char *name, const struct registry_page *page,
                          registry_policy_host_fn fn, void *ctx, struct registry_next *ret_next,
                          struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    unsigned limit = page_limit(page), n = 0;
    struct registry_next next = {};
    int r = reading_query(
        rg,
        "SELECT h.id, h.name, w.version, a.version, w.monitor, a.monitor, h.bundle_error, h.bundle_applied_ms"
        " FROM hosts h LEFT JOIN bundle_files w ON w.bundle = h.bundle_wanted AND w.policy = ?1"
        " LEFT JOIN bundle_files a ON a.bundle = h.bundle_applied AND a.policy = ?1"
        " WHERE h.id > ?2 AND (w.bundle IS NOT NULL OR a.bundle IS NOT NULL) ORDER BY h.id LIMIT ?3",
        &rd, &st, err);

    if (r < 0)
        return r;
    db_bind(st, "ssu", name, strempty(page_cursor(page)), (uint64_t)limit + 1);
    while ((r = db_step(st, err)) > 0 && n++ < limit) {
        const struct registry_policy_host h = {
            .id = db_col_str(st, 0),
            .name = db_col_str(st, 1),
            .wanted = (unsigned)db_col_u64(st, 2),
            .applied = (unsigned)db_col_u64(st, 3),
            .wanted_monitor = db_col_bool(st, 4),
            .applied_monitor = db_col_bool(st, 5),
            .error = db_col_str(st, 6),
            .applied_ms = db_col_u64(st, 7),
        };

        (void)snprintf(next.cursor, sizeof(next.cursor), "%s", h.id);
        r = fn(ctx, &h);
        if (r != 0)
            return r;
    }
    if (r >= 0 && ret_next)
        *ret_next = r > 0 ? next : (struct registry_next){};
    return r < 0 ? r : 0;
}
