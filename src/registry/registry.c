// SPDX-License-Identifier: Apache-2.0
//
// Opening, and what is done from time to time.
#include "registry/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "registry/internal.h"

#define APPLICATION  0x53475247 // "SGRG"
#define HASHING_MAX  2
#define BOOT_AGE     (365 * MS_PER_DAY)
#define COMMAND_AGE  (30 * MS_PER_DAY)
#define STRANGER_AGE (30 * MS_PER_DAY)
#define THROTTLE_AGE MS_PER_DAY

const struct actor registry_self = {.kind = ACTOR_SERVER, .roles = ROLES_ALL};

uint64_t registry_now(struct registry *rg)
{
    if (rg->options.now_ms)
        return rg->options.now_ms(rg->options.ctx);
    return now_ns(CLOCK_REALTIME) / NS_PER_MS;
}

static int lock_dir(struct registry *rg, int dirfd, struct error *err)
{
    rg->lock_fd = openat(dirfd, "server.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (rg->lock_fd < 0)
        return error_set(err, -errno, "%s/server.lock: %m", rg->options.dir);
    if (flock(rg->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    (void)error_set(err, errno == EWOULDBLOCK ? -EBUSY : -errno, "%s is in use by another server",
                    rg->options.dir);
    error_cure(err, "stop that one first, or use another directory");
    return errno == EWOULDBLOCK ? -EBUSY : -errno;
}

static struct db_options writer_options(void)
{
    return (struct db_options){.create = true, .application = APPLICATION};
}

static int damaged(struct registry *rg, int r, struct error *err)
{
    if (r != -EUCLEAN)
        return r;
    error_context(err, "the server's database is damaged");
    error_expected(err, "a sound SQLite database at %s", rg->path);
    error_cure(
        err,
        "stop the server, move server.db away with its -wal and -shm, and put a copy from a backup in its "
        "place; hosts that the copy does not know are listed as strangers and can be adopted, and "
        "records are not touched. Without a copy start anew and enrol the hosts again");
    return r;
}

static int open_database(struct registry *rg, struct error *err)
{
    const struct db_options options = writer_options();
    _cleanup_free_ char *id = NULL;
    int r = db_open(rg->path, &options, &rg->writer, err);

    if (r == 0)
        r = db_check(rg->writer, true, err);
    if (r == 0)
        r = db_migrate(rg->writer, registry_migrations, registry_n_migrations, err);
    if (r == 0)
        r = db_get_str(rg->writer, err, &id, "SELECT value FROM meta WHERE key = 'id'", "");
    if (r == 0 || (id && strlen(id) != 32))
        r = r < 0 ? r : error_set(err, -EUCLEAN, "it has no id of its own");
    if (r < 0)
        return damaged(rg, r, err);
    memcpy(rg->id, id, sizeof(rg->id));
    return 0;
}

static int make_paths(struct registry *rg, int *ret_dir, struct error *err)
{
    const char *dir = rg->options.dir;
    int r = mkdir_p(AT_FDCWD, dir, 0700);

    if (r < 0)
        return error_set(err, r, "%s: %s", dir, strerror(-r));
    if (asprintf(&rg->path, "%s/server.db", dir) < 0 ||
        asprintf(&rg->journal, "%s/server.revoked", dir) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    *ret_dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret_dir < 0 ? error_set(err, -errno, "%s: %m", dir) : 0;
}

static struct registry *registry_new(const struct registry_options *options)
{
    struct registry *rg = new0(struct registry, 1);

    if (!rg)
        return NULL;
    rg->options = *options;
    rg->lock_fd = -1;
    (void)pthread_mutex_init(&rg->write_lock, NULL);
    (void)pthread_mutex_init(&rg->pool_lock, NULL);
    (void)pthread_mutex_init(&rg->settings_lock, NULL);
    (void)pthread_mutex_init(&rg->live_lock, NULL);
    (void)pthread_mutex_init(&rg->dummy_lock, NULL);
    (void)sem_init(&rg->hashing, 0, HASHING_MAX);
    return rg;
}

int registry_open(const struct registry_options *options, struct registry **ret, struct error *err)
{
    _cleanup_(registry_freep) struct registry *rg = registry_new(options);
    _cleanup_close_ int dirfd = -1;
    int r;

    if (!rg || sodium_init() < 0)
        return error_set(err, -ENOMEM, "the registry could not be set up");
    r = make_paths(rg, &dirfd, err);
    if (r == 0)
        r = lock_dir(rg, dirfd, err);
    if (r == 0)
        r = open_database(rg, err);
    if (r == 0)
        r = secret_key_load(rg, dirfd, err);
    if (r == 0)
        r = settings_load(rg, err);
    if (r == 0)
        r = live_begin(rg, err);
    if (r == 0)
        r = journal_apply(rg, err);
    if (r < 0)
        return r;
    rg->opened_ms = registry_now(rg);
    atomic_init(&rg->listening_ms, rg->opened_ms);
    atomic_init(&rg->health_changed, false);
    *ret = TAKE_PTR(rg);
    return 0;
}

struct registry *registry_free(struct registry *rg)
{
    if (!rg)
        return NULL;
    if (rg->live)
        (void)live_flush(rg, NULL);
    while (rg->readers) {
        struct reader *next = rg->readers->next;

        db_close(rg->readers->db);
        free(rg->readers);
        rg->readers = next;
    }
    db_close(rg->writer);
    map_free(rg->live);
    settings_free(rg);
    sodium_memzero(rg->key, sizeof(rg->key));
    free(rg->dummy_hash);
    free(rg->path);
    free(rg->journal);
    safe_close(rg->lock_fd);
    (void)sem_destroy(&rg->hashing);
    (void)pthread_mutex_destroy(&rg->dummy_lock);
    (void)pthread_mutex_destroy(&rg->live_lock);
    (void)pthread_mutex_destroy(&rg->settings_lock);
    (void)pthread_mutex_destroy(&rg->pool_lock);
    (void)pthread_mutex_destroy(&rg->write_lock);
    free(rg);
    return NULL;
}

int reading_begin(struct registry *rg, struct reading *ret, struct error *err)
{
    // Readers wait for nobody; a lock is met for moments only, when the log is moved into the file.
    const struct db_options options = {.readonly = true,
                                       .application = APPLICATION,
                                       .cache_kib = 2048};
    struct reader *reader;

    *ret = (struct reading){.rg = rg};
    (void)pthread_mutex_lock(&rg->pool_lock);
    reader = rg->readers;
    if (reader) {
        rg->readers = reader->next;
        rg->n_readers--;
    }
    (void)pthread_mutex_unlock(&rg->pool_lock);
    if (!reader)
        return damaged(rg, db_open(rg->path, &options, &ret->db, err), err);
    ret->db = reader->db;
    free(reader);
    return 0;
}

int reading_query(struct registry *rg, const char *sql, struct reading *ret,
                  struct db_stmt **ret_st, struct error *err)
{
    int r = reading_begin(rg, ret, err);

    return r < 0 ? r : db_query(ret->db, sql, ret_st, err);
}

void reading_done(struct reading *r)
{
    struct reader *reader;

    if (!r->db)
        return;
    reader = new0(struct reader, 1);
    (void)pthread_mutex_lock(&r->rg->pool_lock);
    if (reader && r->rg->n_readers < REGISTRY_READERS_KEPT) {
        reader->db = TAKE_PTR(r->db);
        reader->next = r->rg->readers;
        r->rg->readers = TAKE_PTR(reader);
        r->rg->n_readers++;
    }
    (void)pthread_mutex_unlock(&r->rg->pool_lock);
    free(reader);
    r->db = db_close(r->db);
}

static int tidy_people(struct change *c, struct error *err)
{
    uint64_t idle = registry_setting_u64(c->rg, SETTING_SESSION_IDLE),
             longest = registry_setting_u64(c->rg, SETTING_SESSION_MAX);
    int r = db_do(c->db, err,
                  "DELETE FROM sessions WHERE used_ms + ?1 < ?3 OR created_ms + ?2 < ?3", "uuu",
                  idle, longest, c->now);

    if (r == 0)
        r = db_do(c->db, err, "DELETE FROM login_codes WHERE expires_ms < ?1", "u", c->now);
    if (r == 0)
        r = db_do(c->db, err, "DELETE FROM api_tokens WHERE expires_ms + ?1 < ?2", "uu",
                  30 * MS_PER_DAY, c->now);
    if (r == 0)
        r = db_do(c->db, err, "DELETE FROM throttle WHERE last_ms + ?1 < ?2", "uu", THROTTLE_AGE,
                  c->now);
    if (r == 0)
        r = db_do(c->db, err,
                  "DELETE FROM enrol_tokens WHERE expires_ms + ?1 < ?2 OR"
                  " (revoked_ms > 0 AND revoked_ms + ?1 < ?2)",
                  "uu", 30 * MS_PER_DAY, c->now);
    return r;
}

static int tidy_hosts(struct change *c, struct error *err)
{
    uint64_t age = registry_setting_u64(c->rg, SETTING_RECORDS_AGE);
    int r = db_do(
        c->db, err,
        "UPDATE commands SET state = 3, finished_ms = ?1, error = 'the host did not take it in time'"
        " WHERE state = 0 AND deadline_ms < ?1",
        "u", c->now);

    if (r == 0)
        r = db_do(c->db, err, "DELETE FROM commands WHERE state > 0 AND finished_ms + ?1 < ?2",
                  "uu", COMMAND_AGE, c->now);
    if (r == 0)
        r = db_do(c->db, err,
                  "DELETE FROM bundles WHERE created_ms + ?1 < ?2 AND"
                  " NOT EXISTS (SELECT 1 FROM hosts WHERE bundle_wanted = bundles.id) AND"
                  " NOT EXISTS (SELECT 1 FROM hosts WHERE bundle_applied = bundles.id)",
                  "uu", MS_PER_DAY, c->now);
    if (r == 0)
        r = db_do(c->db, err, "DELETE FROM certs WHERE max(not_after_ms, issued_ms) + ?1 < ?2",
                  "uu", BOOT_AGE, c->now);
    if (r == 0)
        r = db_do(c->db, err, "DELETE FROM strangers WHERE last_ms + ?1 < ?2", "uu", STRANGER_AGE,
                  c->now);
    // A stream whose records may still be in the store has to keep its watermark: it would be counted again.
    if (r == 0)
        r = db_do(c->db, err, "DELETE FROM watermarks WHERE changed_ms + ?1 < ?2", "uu",
                  age + 30 * MS_PER_DAY, c->now);
    if (r == 0)
        r = db_do(c->db, err, "DELETE FROM alerts WHERE state >= 2 AND last_ms + ?1 < ?2", "uu",
                  registry_setting_u64(c->rg, SETTING_ALERT_AGE), c->now);
    return r;
}

// What waits for a channel that was turned off does not wait for ever.
static int tidy_outbox(struct change *c, struct error *err)
{
    uint64_t patience = registry_setting_u64(c->rg, SETTING_NOTIFY_AGE) + MS_PER_DAY;
    int r = db_do(
        c->db, err,
        "UPDATE channels SET dropped = dropped + (SELECT count(*) FROM outbox WHERE channel = channels.id AND"
        " outbox.created_ms + ?1 < ?2)",
        "uu", patience, c->now);

    return r < 0 ? r
                 : db_do(c->db, err, "DELETE FROM outbox WHERE created_ms + ?1 < ?2", "uu",
                         patience, c->now);
}

int registry_tidy(struct registry *rg, struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    int r = live_flush(rg, err);

    if (r == 0)
        r = change_begin(rg, &registry_self, RELAXED, &c, err);
    if (r == 0)
        r = tidy_people(&c, err);
    if (r == 0)
        r = tidy_hosts(&c, err);
    if (r == 0)
        r = tidy_outbox(&c, err);
    return r < 0 ? r : change_commit(&c, err);
}

int registry_backup(struct registry *rg, const char *path, struct error *err)
{
    _cleanup_(reading_done) struct reading rd = {};
    struct stat st;
    int r;

    if (lstat(path, &st) == 0)
        return error_set(err, -EEXIST, "%s is there already", path);
    r = reading_begin(rg, &rd, err);
    return r < 0 ? r : db_backup(rd.db, path, err);
}

int registry_stats(struct registry *rg, struct registry_stats *ret, struct error *err)
{
    static const char *const suffixes[] = {"", "-wal"};
    _cleanup_(reading_done) struct reading rd = {};
    struct registry_stats stats = {.opened_ms = rg->opened_ms,
                                   .restored = rg->restored,
                                   .audit_broken = atomic_load(&rg->audit_broken)};
    int64_t schema = 0, strangers = 0, waiting = 0, dropped = 0;
    char name[4096];
    struct stat st;
    int r = reading_begin(rg, &rd, err);

    if (r == 0)
        r = db_get_i64(rd.db, err, &schema, "PRAGMA user_version", "");
    if (r >= 0)
        r = db_get_i64(rd.db, err, &strangers, "SELECT count(*) FROM strangers", "");
    if (r >= 0)
        r = db_get_i64(rd.db, err, &waiting, "SELECT count(*) FROM outbox", "");
    if (r >= 0)
        r = db_get_i64(rd.db, err, &dropped, "SELECT sum(dropped) FROM channels", "");
    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        (void)snprintf(name, sizeof(name), "%s%s", rg->path, suffixes[i]);
        if (stat(name, &st) == 0)
            stats.bytes += (uint64_t)st.st_size;
    }
    memcpy(stats.id, rg->id, sizeof(stats.id));
    stats.schema = (int)schema;
    stats.strangers = (uint64_t)strangers;
    stats.outbox_waiting = (uint64_t)waiting;
    stats.outbox_dropped = (uint64_t)dropped;
    *ret = stats;
    return 0;
}
