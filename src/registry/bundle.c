// SPDX-License-Identifier: Apache-2.0
#include "registry/bundle.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "registry/internal.h"
#include "registry/label.h"
#include "registry/stages.h"

// A policy as far as it matters to which host gets what.
struct offer {
    char *name;
    struct selector *selector;
    unsigned in_force; // 0: none
    bool monitor;
    unsigned version; // of the roll-out that is under way; 0: none
    struct rollout_stage stages[ROLLOUT_STAGES_MAX];
    unsigned n_stages; // up to the present one
};

struct pick {
    const struct offer *offer;
    unsigned version;
    bool monitor;
};

struct plan {
    struct offer *offers;
    size_t n, cap;
    struct map *ids; // which picks → id, so that each bundle is put together once
};

static void plan_done(struct plan *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->offers[i].name);
        selector_free(p->offers[i].selector);
    }
    free(p->offers);
    map_free(p->ids);
}

static int add_offer(struct plan *p, struct db_stmt *st, struct error *err)
{
    struct offer *o;
    unsigned n = 0;
    int r;

    if (!GREEDY(p->offers, p->cap, p->n + 1))
        return error_set(err, -ENOMEM, "out of memory");
    o = &p->offers[p->n++];
    r = db_col_dup(st, 0, &o->name);
    if (r == 0)
        r = selector_parse(db_col_str(st, 1), &o->selector, err);
    if (r < 0)
        return r;
    o->in_force = (unsigned)db_col_u64(st, 2);
    o->monitor = db_col_bool(st, 3);
    o->version = (unsigned)db_col_u64(st, 4);
    if (o->version == 0)
        return 0;
    r = stages_parse(strempty(db_col_str(st, 5)), o->stages, &n);
    if (r < 0 || db_col_u64(st, 6) >= n)
        return error_set(err, -EUCLEAN, "the stages of a roll-out of '%s' are not what was written",
                         o->name);
    o->n_stages = (unsigned)db_col_u64(st, 6) + 1;
    return 0;
}

static int load_plan(struct change *c, struct plan *p, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = map_new(MAP_STR, 0, free, &p->ids);

    if (r < 0)
        return error_set(err, r, "out of memory");
    r = db_query(
        c->db,
        "SELECT p.name, p.selector, p.in_force, p.monitor, r.version, r.stages, r.stage FROM policies p"
        " LEFT JOIN rollouts r ON r.policy = p.name AND r.state < 2 WHERE p.deleted_ms = 0 ORDER BY p.name",
        &st, err);
    while (r >= 0 && (r = db_step(st, err)) > 0)
        r = add_offer(p, st, err);
    return r;
}

// What the policy gives this host: the latest stage that it is in, else what was in force before.
static struct pick pick_of(const struct offer *o, const char *host)
{
    unsigned bucket;

    if (o->version > 0) {
        bucket = rollout_bucket(host, o->name);
        for (unsigned i = o->n_stages; i-- > 0;)
            if (bucket < o->stages[i].share)
                return (struct pick){o, o->version, o->stages[i].monitor};
    }
    return (struct pick){o, o->in_force, o->monitor};
}

static int insert_files(struct change *c, const char *id, const struct pick *picks, size_t n,
                        struct error *err)
{
    int r =
        db_do(c->db, err,
              "INSERT INTO bundles VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET created_ms = ?2",
              "su", id, c->now);

    // Of two versions with one text, the one that was asked for last.
    if (r == 0)
        r = db_do(c->db, err, "DELETE FROM bundle_files WHERE bundle = ?1", "s", id);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = db_do(c->db, err, "INSERT INTO bundle_files VALUES (?1, ?2, ?3, ?4)", "ssuu", id,
                  picks[i].offer->name, (uint64_t)picks[i].version, (uint64_t)picks[i].monitor);
    return r;
}

static int hash_files(struct change *c, const struct pick *picks, size_t n, char *ret_id,
                      struct error *err)
{
    _cleanup_free_ struct bundle_file *files = new0(struct bundle_file, n);
    int r = files ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < n; i++) {
        char *text = NULL;

        r = db_get_str(c->db, err, &text,
                       "SELECT text FROM policy_versions WHERE policy = ?1 AND version = ?2", "su",
                       picks[i].offer->name, (uint64_t)picks[i].version);
        r = r < 0    ? r
            : r == 0 ? error_set(err, -EUCLEAN, "version %u of '%s' is gone", picks[i].version,
                                 picks[i].offer->name)
                     : 0;
        files[i] = (struct bundle_file){.name = picks[i].offer->name,
                                        .text = text,
                                        .len = text ? strlen(text) : 0,
                                        .mode = picks[i].monitor ? BUNDLE_MONITOR : BUNDLE_POLICY};
    }
    if (r == 0) {
        r = bundle_id(files, n, ret_id);
        if (r == -E2BIG || r == -EMSGSIZE)
            r = error_set(err, -E2BIG, "a host would get more than %d policies or %u bytes of them",
                          BUNDLE_FILES_MAX, BUNDLE_BYTES_MAX);
        else if (r < 0)
            r = error_set(err, r, "a bundle could not be put together");
    }
    for (size_t i = 0; files && i < n; i++)
        free((char *)files[i].text);
    return r;
}

static int find_bundle(struct change *c, struct plan *p, const struct pick *picks, size_t n,
                       const char **ret_id, struct error *err)
{
    _cleanup_(sb_done) struct strbuf key = {};
    _cleanup_free_ char *id = NULL;
    int r;

    for (size_t i = 0; i < n; i++)
        sb_printf(&key, "%s %u %d\n", picks[i].offer->name, picks[i].version, picks[i].monitor);
    if (key.failed)
        return error_set(err, -ENOMEM, "out of memory");
    *ret_id = map_get_mem(p->ids, sb_str(&key), key.len);
    if (*ret_id)
        return 0;
    id = mallocz(BUNDLE_ID_TEXT);
    r = id ? hash_files(c, picks, n, id, err) : error_set(err, -ENOMEM, "out of memory");
    if (r == 0)
        r = insert_files(c, id, picks, n, err);
    if (r == 0 && map_put_mem(p->ids, sb_str(&key), key.len, id) < 0)
        r = error_set(err, -ENOMEM, "out of memory");
    if (r == 0)
        *ret_id = TAKE_PTR(id);
    return r;
}

static int refresh_host(struct change *c, struct plan *p, const char *host, const char *labels_json,
                        const char *wanted, struct error *err)
{
    _cleanup_free_ struct pick *picks = new0(struct pick, p->n);
    _cleanup_(labels_done) struct labels labels = {};
    const char *id = NULL;
    size_t n = 0;
    int r = picks ? labels_from_json(labels_json, &labels, err)
                  : error_set(err, -ENOMEM, "out of memory");

    if (r < 0)
        return r;
    for (size_t i = 0; i < p->n; i++) {
        if (!selector_matches(p->offers[i].selector, &labels))
            continue;
        picks[n] = pick_of(&p->offers[i], host);
        n += picks[n].version > 0;
    }
    if (n == 0 && !*wanted)
        return 0;
    r = find_bundle(c, p, picks, n, &id, err);
    if (r < 0 || streq(id, wanted))
        return r;
    change_tell(c, REGISTRY_BUNDLES, host);
    return db_do(
        c->db, err,
        "UPDATE hosts SET bundle_wanted = ?1, bundle_wanted_ms = ?2, bundle_error = '' WHERE id = ?3",
        "sus", id, c->now, host);
}

// Rows are gathered first: they are changed while it goes on.
struct host_row {
    char id[HOST_ID_SIZE];
    char *labels, *wanted;
};

struct host_rows {
    struct host_row *items;
    size_t n, cap;
};

static void host_rows_done(struct host_rows *h)
{
    for (size_t i = 0; i < h->n; i++) {
        free(h->items[i].labels);
        free(h->items[i].wanted);
    }
    free(h->items);
}

static int load_hosts(struct change *c, const char *host, struct host_rows *h, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = db_query(
        c->db,
        "SELECT id, labels, bundle_wanted FROM hosts WHERE lifecycle <> 5 AND (?1 IS NULL OR id = ?1)",
        &st, err);

    if (r < 0)
        return r;
    db_bind_str(st, 1, host);
    while ((r = db_step(st, err)) > 0) {
        struct host_row *row;

        if (!GREEDY(h->items, h->cap, h->n + 1))
            return error_set(err, -ENOMEM, "out of memory");
        row = &h->items[h->n++];
        (void)snprintf(row->id, sizeof(row->id), "%s", db_col_str(st, 0));
        if (db_col_dup(st, 1, &row->labels) < 0 || db_col_dup(st, 2, &row->wanted) < 0)
            return error_set(err, -ENOMEM, "out of memory");
    }
    return r;
}

int bundles_refresh(struct change *c, const char *host, struct error *err)
{
    _cleanup_(host_rows_done) struct host_rows hosts = {};
    _cleanup_(plan_done) struct plan plan = {};
    int r = load_plan(c, &plan, err);

    if (r == 0)
        r = load_hosts(c, host, &hosts, err);
    for (size_t i = 0; r == 0 && i < hosts.n; i++)
        r = refresh_host(c, &plan, hosts.items[i].id, hosts.items[i].labels, hosts.items[i].wanted,
                         err);
    return r;
}

int registry_bundle_wanted(struct registry *rg, const char *host, char ret_id[BUNDLE_ID_TEXT],
                           struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_free_ char *id = NULL;
    int r = reading_begin(rg, &rd, err);

    if (r == 0)
        r = db_get_str(rd.db, err, &id, "SELECT bundle_wanted FROM hosts WHERE id = ?1", "s", host);
    if (r <= 0)
        return r < 0 ? r : not_found(err, "host", host);
    (void)snprintf(ret_id, BUNDLE_ID_TEXT, "%s", id);
    return 0;
}

static int may_read(struct reading *rd, const char *host, const char *id, struct error *err)
{
    int64_t one = 0;
    int r = db_get_i64(
        rd->db, err, &one,
        "SELECT 1 FROM bundles b WHERE b.id = ?1 AND (?2 IS NULL OR EXISTS (SELECT 1 FROM hosts WHERE id ="
        " ?2 AND (bundle_wanted = ?1 OR bundle_applied = ?1)))",
        "ss", id, host);

    return r < 0 ? r : r == 0 ? not_found(err, "bundle", id) : 0;
}

int registry_bundle_files(struct registry *rg, const char *host, const char *id,
                          registry_bundle_file_fn fn, void *ctx, struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_txn_done) struct db_txn txn = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = reading_begin(rg, &rd, err);

    if (r == 0)
        r = db_begin(rd.db, DB_READ, &txn, err);
    if (r == 0)
        r = may_read(&rd, host, id, err);
    if (r == 0)
        r = db_query(
            rd.db,
            "SELECT f.policy, f.version, f.monitor, v.text FROM bundle_files f JOIN policy_versions v ON v.policy ="
            " f.policy AND v.version = f.version WHERE f.bundle = ?1 ORDER BY f.policy",
            &st, err);
    if (r < 0)
        return r;
    db_bind_str(st, 1, id);
    while ((r = db_step(st, err)) > 0) {
        const char *text = strempty(db_col_str(st, 3));

        r = fn(ctx, &(struct registry_bundle_file){db_col_str(st, 0), (unsigned)db_col_u64(st, 1),
                                                   db_col_bool(st, 2), text, strlen(text)});
        if (r != 0)
            return r;
    }
    return r;
}

static int note_applied(struct change *c, const char *host, const char *id, const char *why,
                        struct error *err)
{
    if (*why)
        return db_do(
            c->db, err,
            "UPDATE hosts SET bundle_error = ?1 WHERE id = ?2 AND bundle_wanted = ?3 AND bundle_error <> ?1",
            "sss", why, host, id);
    return db_do(
        c->db, err,
        "UPDATE hosts SET bundle_applied = ?1, bundle_applied_ms = ?2, bundle_error = CASE WHEN bundle_wanted = ?1"
        " THEN '' ELSE bundle_error END WHERE id = ?3 AND (bundle_applied <> ?1 OR (bundle_wanted = ?1 AND"
        " bundle_error <> ''))",
        "sus", id, c->now, host);
}

int registry_bundle_applied(struct registry *rg, const char *host, const char *id,
                            const char *error, struct error *err)
{
    const struct actor actor = {.kind = ACTOR_AGENT, .name = host};
    _cleanup_(change_done) struct change c = {};
    int64_t before = 0;
    struct fact why;
    int r = *id ? check_hex(err, "the id of a bundle", id, BUNDLE_ID_TEXT - 1) : 0;

    (void)fact_clean(&why, error, HOST_FACT_MAX);
    if (r == 0)
        r = change_begin(rg, &actor, RELAXED, &c, err);
    if (r == 0)
        r = db_get_i64(c.db, err, &before, "SELECT bundle_applied_ms FROM hosts WHERE id = ?1", "s",
                       host);
    if (r == 0)
        return not_found(err, "host", host);
    if (r > 0)
        r = note_applied(&c, host, id, why.s, err);
    // A host that says something else each second does not fill the trail.
    if (r == 0 && db_changes(c.db) > 0 && (uint64_t)before + MS_PER_MINUTE < c.now)
        r = change_audit(&c, err, *why.s ? "bundle.refused" : "bundle.applied", host, "ss",
                         "bundle", id, "error", why.s);
    return r < 0 ? r : change_commit(&c, err);
}
