// SPDX-License-Identifier: Apache-2.0
//
// Hosts that spoke since the server was started: their session and when they were heard of, so that neither a batch of
// records nor a poll costs a transaction.
#include <stdio.h>

#include "base/alloc.h"
#include "registry/internal.h"

#define LIVE_MAX 200000

int live_begin(struct registry *rg, struct error *err)
{
    int r = map_new(MAP_STR, LIVE_MAX, free, &rg->live);

    return r < 0 ? error_set(err, r, "out of memory") : 0;
}

// With the lock. NULL: no memory, or more hosts than may be.
static struct live *get(struct registry *rg, const char *host)
{
    struct live *l = map_get_str(rg->live, host);

    if (l)
        return l;
    l = new0(struct live, 1);
    if (l && map_put_str(rg->live, host, l) < 0) {
        free(l);
        l = NULL;
    }
    return l;
}

void live_set(struct registry *rg, const struct live_change *change)
{
    struct live *l;

    (void)pthread_mutex_lock(&rg->live_lock);
    l = get(rg, change->host);
    if (l) {
        l->refused = change->refused;
        (void)snprintf(l->session, sizeof(l->session), "%s", strempty(change->session));
        if (change->session) {
            l->seen_ms = registry_now(rg);
            l->dirty = true;
        }
        if (change->skew_known) {
            l->skew_known = true;
            l->skew_ms = change->skew_ms;
        }
    }
    (void)pthread_mutex_unlock(&rg->live_lock);
}

void live_get(struct registry *rg, const char *host, struct live *ret)
{
    const struct live *l;

    (void)pthread_mutex_lock(&rg->live_lock);
    l = map_get_str(rg->live, host);
    if (l)
        *ret = *l;
    (void)pthread_mutex_unlock(&rg->live_lock);
}

bool live_fell_quiet(struct registry *rg, uint64_t after_ms, uint64_t last_ms, uint64_t now_ms)
{
    struct map_iter it = {};
    bool found = false;

    (void)pthread_mutex_lock(&rg->live_lock);
    while (!found && map_next(rg->live, &it)) {
        const struct live *l = it.value;

        found = l->seen_ms && l->seen_ms + after_ms < now_ms && l->seen_ms + after_ms >= last_ms;
    }
    (void)pthread_mutex_unlock(&rg->live_lock);
    return found;
}

void registry_host_clock(struct registry *rg, const char *id, uint64_t time_ms)
{
    uint64_t now = registry_now(rg);
    struct live *l;

    if (time_ms == 0 || time_ms > INT64_MAX)
        return;
    (void)pthread_mutex_lock(&rg->live_lock);
    l = map_get_str(rg->live, id);
    if (l) {
        l->skew_known = l->dirty = true;
        l->skew_ms = (int64_t)time_ms - (int64_t)now;
    }
    (void)pthread_mutex_unlock(&rg->live_lock);
}

void registry_host_seen(struct registry *rg, const char *id)
{
    struct live *l;

    (void)pthread_mutex_lock(&rg->live_lock);
    l = map_get_str(rg->live, id);
    if (l) {
        l->seen_ms = registry_now(rg);
        l->dirty = true;
    }
    (void)pthread_mutex_unlock(&rg->live_lock);
}

// 1 when it is known in memory, and what of it in *ret.
static int session_in_memory(struct registry *rg, const char *id, const char *session, int *ret)
{
    const struct live *l;
    bool known;

    (void)pthread_mutex_lock(&rg->live_lock);
    l = map_get_str(rg->live, id);
    known = l && (l->refused || l->session[0]);
    if (known)
        *ret = l->refused ? -EACCES : streq(l->session, session) ? 0 : -ESTALE;
    (void)pthread_mutex_unlock(&rg->live_lock);
    return known;
}

int registry_host_session(struct registry *rg, const char *id, const char *session)
{
    _cleanup_(change_done) struct change c = {};
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r;

    if (session_in_memory(rg, id, session, &r))
        return r;
    if (check_host(NULL, id) < 0)
        return -ESTALE;
    // With the write lock, so that nothing that is read here is older than what is kept.
    r = change_begin(rg, &registry_self, RELAXED, &c, NULL);
    if (r == 0)
        r = db_query(c.db, "SELECT session, lifecycle FROM hosts WHERE id = ?1", &st, NULL);
    if (r < 0)
        return r;
    db_bind_str(st, 1, id);
    r = db_step(st, NULL);
    if (r <= 0)
        return r < 0 ? r : -EACCES;
    if (db_col_i64(st, 1) != 0)
        return -EACCES;
    if (str_isempty(db_col_str(st, 0)) || !streq(db_col_str(st, 0), session))
        return -ESTALE;
    live_set(rg, &(struct live_change){.host = id, .session = session});
    return 0;
}

struct seen {
    char id[HOST_ID_SIZE];
    uint64_t ms;
    int64_t skew_ms;
    bool skew_known;
};

// Takes what was not written yet; *ret is the caller's.
static int take_dirty(struct registry *rg, struct seen **ret, size_t *ret_n)
{
    struct map_iter it = {};
    struct seen *seen;
    size_t n = 0;

    (void)pthread_mutex_lock(&rg->live_lock);
    seen = new0(struct seen, map_len(rg->live));
    while (seen && map_next(rg->live, &it)) {
        struct live *l = it.value;

        if (!l->dirty)
            continue;
        (void)snprintf(seen[n].id, sizeof(seen[n].id), "%s", it.key_str);
        seen[n].skew_known = l->skew_known;
        seen[n].skew_ms = l->skew_ms;
        seen[n++].ms = l->seen_ms;
        l->dirty = false;
    }
    (void)pthread_mutex_unlock(&rg->live_lock);
    if (!seen)
        return -ENOMEM;
    *ret = seen;
    *ret_n = n;
    return 0;
}

int live_flush(struct registry *rg, struct error *err)
{
    _cleanup_free_ struct seen *seen = NULL;
    _cleanup_(change_done) struct change c = {};
    size_t n = 0;
    int r = take_dirty(rg, &seen, &n);

    if (r < 0 || n == 0)
        return r < 0 ? error_set(err, r, "out of memory") : 0;
    r = change_begin(rg, &registry_self, RELAXED, &c, err);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = db_do(c.db, err,
                  "UPDATE hosts SET seen_ms = CASE WHEN ?1 > 0 THEN ?1 ELSE seen_ms END,"
                  " skew_ms = CASE WHEN ?3 THEN ?4 ELSE skew_ms END WHERE id = ?2",
                  "usui", seen[i].ms, seen[i].id, (uint64_t)seen[i].skew_known, seen[i].skew_ms);
    return r < 0 ? r : change_commit(&c, err);
}
