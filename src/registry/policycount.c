// SPDX-License-Identifier: Apache-2.0
//
// How far policies are with their hosts.
#include <stdlib.h>

#include "base/alloc.h"
#include "base/sort.h"
#include "registry/internal.h"
#include "registry/label.h"
#include "registry/policy.h"

struct counted {
    char *name;
    struct selector *selector;
    struct registry_policy_count count;
};

struct counts {
    struct counted *items;
    size_t n, cap;
};

static void counts_done(struct counts *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->items[i].name);
        selector_free(c->items[i].selector);
    }
    free(c->items);
}

static int load_policies(struct db *db, const char *name, struct counts *c, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = db_query(
        db,
        "SELECT name, selector FROM policies WHERE deleted_ms = 0 AND (?1 IS NULL OR name = ?1)"
        " ORDER BY name",
        &st, err);

    if (r < 0)
        return r;
    db_bind_str(st, 1, name);
    while ((r = db_step(st, err)) > 0) {
        if (!GREEDY(c->items, c->cap, c->n + 1))
            return error_set(err, -ENOMEM, "out of memory");
        c->n++;
        if (db_col_dup(st, 0, &c->items[c->n - 1].name) < 0)
            return error_set(err, -ENOMEM, "out of memory");
        r = selector_parse(db_col_str(st, 1), &c->items[c->n - 1].selector, err);
        if (r < 0)
            return r;
    }
    return r;
}

// Labels are often the same from host to host: they are read again only where they differ.
static int count_selected(struct db *db, struct counts *c, struct error *err)
{
    _cleanup_(labels_done) struct labels labels = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = db_query(db, "SELECT labels, count(*) FROM hosts WHERE lifecycle = 0 GROUP BY labels",
                     &st, err);

    while (r >= 0 && (r = db_step(st, err)) > 0) {
        labels_done(&labels);
        r = labels_from_json(db_col_str(st, 0), &labels, err);
        for (size_t i = 0; r == 0 && i < c->n; i++)
            if (selector_matches(c->items[i].selector, &labels))
                c->items[i].count.selected += (unsigned)db_col_u64(st, 1);
    }
    return r;
}

static struct counted *find(struct counts *c, const char *name)
{
    size_t at = LOWER_BOUND(c->n, i, strcmp(c->items[i].name, name) < 0);

    return at < c->n && streq(c->items[at].name, name) ? &c->items[at] : NULL;
}

#define STATES                                                                                                \
    "sum(a.bundle IS NOT NULL AND a.version = w.version AND a.monitor = w.monitor),"                          \
    " sum((a.bundle IS NULL OR a.version <> w.version OR a.monitor <> w.monitor) AND h.bundle_error <> ''),"  \
    " count(*), sum(w.monitor = ?2) FROM hosts h JOIN bundle_files w ON w.bundle = h.bundle_wanted LEFT JOIN" \
    " bundle_files a ON a.bundle = h.bundle_applied AND a.policy = w.policy WHERE h.lifecycle = 0"

static void read_states(struct db_stmt *st, int first, struct registry_policy_count *ret)
{
    ret->applied = (unsigned)db_col_u64(st, first);
    ret->failed = (unsigned)db_col_u64(st, first + 1);
    ret->waiting = (unsigned)db_col_u64(st, first + 2) - ret->applied - ret->failed;
}

static int count_states(struct db *db, const char *name, struct counts *c, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = db_query(db,
                     "SELECT w.policy, " STATES
                     " AND (?1 IS NULL OR w.policy = ?1) GROUP BY w.policy",
                     &st, err);

    if (r < 0)
        return r;
    db_bind(st, "su", name, (uint64_t)0);
    while ((r = db_step(st, err)) > 0) {
        struct counted *one = find(c, strempty(db_col_str(st, 0)));

        if (one)
            read_states(st, 1, &one->count);
    }
    return r;
}

int registry_policy_counts(struct registry *rg, const char *name, registry_policy_count_fn fn,
                           void *ctx, struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_txn_done) struct db_txn txn = {};
    _cleanup_(counts_done) struct counts c = {};
    int r = reading_begin(rg, &rd, err);

    if (r == 0)
        r = db_begin(rd.db, DB_READ, &txn, err);
    if (r == 0)
        r = load_policies(rd.db, name, &c, err);
    if (r == 0)
        r = count_selected(rd.db, &c, err);
    if (r == 0)
        r = count_states(rd.db, name, &c, err);
    for (size_t i = 0; r == 0 && i < c.n; i++)
        r = fn(ctx, c.items[i].name, &c.items[i].count);
    return r;
}

int registry_policy_version_counts(struct registry *rg, const char *name, unsigned version,
                                   bool monitor, struct registry_policy_count *ret,
                                   struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    struct registry_policy_count count = {};
    int r = reading_query(rg, "SELECT " STATES " AND w.policy = ?1 AND w.version = ?3", &rd, &st,
                          err);

    if (r < 0)
        return r;
    db_bind(st, "suu", name, (uint64_t)monitor, (uint64_t)version);
    r = db_step(st, err);
    if (r < 0)
        return r;
    if (r > 0) {
        read_states(st, 0, &count);
        count.selected = (unsigned)db_col_u64(st, 3);
    }
    *ret = count;
    return 0;
}
