// SPDX-License-Identifier: Apache-2.0
//
// Roll-outs that hosts refuse are paused by the server: nobody goes on to the next stage without having seen why.
#include "registry/policy.h"
#include "registry/rollout.h"

#include "base/alloc.h"
#include "registry/audit.h"
#include "registry/internal.h"

struct running {
    uint64_t ids[64];
    size_t n;
};

static int find_running(struct registry *rg, struct running *ret, struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    // Only where some host refuses something at all: the common round ends here.
    int r = reading_query(
        rg,
        "SELECT id FROM rollouts WHERE state = 0 AND EXISTS (SELECT 1 FROM hosts h JOIN bundle_files w ON w.bundle ="
        " h.bundle_wanted WHERE h.bundle_error <> '' AND h.lifecycle = 0 AND w.policy = rollouts.policy AND"
        " w.version = rollouts.version) ORDER BY id",
        &rd, &st, err);

    while (r >= 0 && (r = db_step(st, err)) > 0 && ret->n < ARRAY_SIZE(ret->ids))
        ret->ids[ret->n++] = db_col_u64(st, 0);
    return MIN(r, 0);
}

struct refusal {
    uint64_t failed, of, tolerated;
    char *host, *reason, *policy;
    uint64_t version, stage;
};

static void refusal_done(struct refusal *f)
{
    free(f->host);
    free(f->reason);
    free(f->policy);
}

static int count(struct change *c, uint64_t id, struct refusal *f, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = db_query(
        c->db,
        "SELECT sum((a.bundle IS NULL OR a.version <> w.version OR a.monitor <> w.monitor) AND h.bundle_error <> ''),"
        " count(*), r.tolerated, r.policy, r.version, r.stage FROM rollouts r JOIN bundle_files w ON w.policy ="
        " r.policy AND w.version = r.version JOIN hosts h ON h.bundle_wanted = w.bundle AND h.lifecycle = 0 LEFT JOIN"
        " bundle_files a ON a.bundle = h.bundle_applied AND a.policy = w.policy WHERE r.id = ?1 AND r.state = 0",
        &st, err);

    if (r < 0)
        return r;
    db_bind_u64(st, 1, id);
    r = db_step(st, err);
    if (r <= 0 || db_col_null(st, 3))
        return MIN(r, 0);
    f->failed = db_col_u64(st, 0);
    f->of = db_col_u64(st, 1);
    f->tolerated = db_col_u64(st, 2);
    f->version = db_col_u64(st, 4);
    f->stage = db_col_u64(st, 5);
    return db_col_dup(st, 3, &f->policy) < 0 ? error_set(err, -ENOMEM, "out of memory") : 1;
}

// The first of those that refuse it, with what it says.
static int example(struct change *c, struct refusal *f, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = db_query(
        c->db,
        "SELECT h.id, h.bundle_error FROM bundle_files w JOIN hosts h ON h.bundle_wanted = w.bundle AND h.lifecycle ="
        " 0 WHERE w.policy = ?1 AND w.version = ?2 AND h.bundle_error <> '' ORDER BY h.name, h.id LIMIT 1",
        &st, err);

    if (r < 0)
        return r;
    db_bind(st, "su", f->policy, f->version);
    r = db_step(st, err);
    if (r > 0 && (db_col_dup(st, 0, &f->host) < 0 || db_col_dup(st, 1, &f->reason) < 0))
        r = error_set(err, -ENOMEM, "out of memory");
    return r;
}

static int stop(struct registry *rg, uint64_t id, struct error *err)
{
    uint64_t at = registry_setting_u64(rg, SETTING_ROLLOUT_STOP);
    _cleanup_(change_done) struct change c = {};
    _cleanup_(refusal_done) struct refusal f = {};
    char target[24];
    int r = change_begin(rg, &registry_self, DURABLE, &c, err);

    if (r == 0)
        r = count(&c, id, &f, err);
    // Whoever let it go on has seen those that refuse it already.
    if (r <= 0 || at == 0 || f.failed <= f.tolerated || f.failed * 100 < at * f.of)
        return MIN(r, 0);
    r = example(&c, &f, err);
    if (r <= 0)
        return r;
    r = db_do(
        c.db, err,
        "UPDATE rollouts SET state = ?2, changed_ms = ?3, stop_failed = ?4, stop_of = ?5, stop_host = ?6,"
        " stop_reason = ?7 WHERE id = ?1",
        "uuuuuss", id, (uint64_t)ROLLOUT_PAUSED, c.now, f.failed, f.of, f.host, f.reason);
    (void)snprintf(target, sizeof(target), "%llu", (unsigned long long)id);
    if (r == 0)
        r = change_audit(&c, err, "rollout.stop", target, "suuuuss", "policy", f.policy, "version",
                         f.version, "stage", f.stage + 1, "refused", f.failed, "hosts", f.of,
                         "host", f.host, "reason", f.reason);
    return r < 0 ? r : change_commit(&c, err);
}

int rollouts_stop(struct registry *rg, struct error *err)
{
    struct running running = {};
    int r = find_running(rg, &running, err);

    for (size_t i = 0; r == 0 && i < running.n; i++)
        r = stop(rg, running.ids[i], err);
    return r;
}
