// SPDX-License-Identifier: Apache-2.0
//
// The journal of what was revoked: a file of lines beside the database, "host <id>". Whoever brings back an older database
// would let somebody in again; when it is opened, hosts that the journal has are revoked once more. A line is written before the
// change is committed: where the server dies in between, what was to be revoked is.
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/strutil.h"
#include "registry/internal.h"

#define JOURNAL_MAX ((size_t)64 << 20)
#define KIND        "host "

int journal_add(struct registry *rg, const char *host, struct error *err)
{
    _cleanup_close_ int fd = open(rg->journal, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                                  0600);
    char line[128];
    int len, r;

    // The newline first: what a power cut tore stays a line of its own.
    len = snprintf(line, sizeof(line), "\n" KIND "%s\n", host);
    if (fd < 0)
        return error_set(err, -errno, "%s: %m", rg->journal);
    r = write_all(fd, line, (size_t)len);
    if (r == 0 && fdatasync(fd) < 0)
        r = negative_errno();
    if (r == 0)
        r = fsync_parent(AT_FDCWD, rg->journal);
    return r < 0 ? error_set(err, r, "%s could not be written: %s", rg->journal, strerror(-r)) : 0;
}

typedef int (*journal_fn)(void *ctx, const char *host, struct error *err);

static int journal_foreach(struct registry *rg, journal_fn fn, void *ctx, struct error *err)
{
    _cleanup_(strv_freep) char **lines = NULL;
    _cleanup_free_ char *text = NULL;
    int r = read_file_bounded(AT_FDCWD, rg->journal, JOURNAL_MAX, &text, NULL);

    if (r == -ENOENT)
        return 0;
    if (r == 0)
        r = strv_split(text, "\n", &lines);
    if (r < 0)
        return error_set(err, r, "%s: %s", rg->journal, strerror(-r));
    STRV_FOREACH (line, lines) {
        const char *host = str_startswith(*line, KIND);

        if (!host || check_host(NULL, host) < 0)
            continue;
        r = fn(ctx, host, err);
        if (r != 0)
            return r;
    }
    return 0;
}

static int apply_line(void *ctx, const char *host, struct error *err)
{
    struct change *c = ctx;
    int r = db_do(
        c->db, err,
        "UPDATE hosts SET lifecycle = 4, session = '', reason = 'revoked before this database was brought"
        " back' WHERE id = ?1 AND lifecycle NOT IN (4, 5)",
        "s", host);

    if (r < 0 || db_changes(c->db) == 0)
        return r;
    c->rg->restored++;
    return change_audit(c, err, "host.revoke", host, "s", "reason",
                        "the journal beside the database says so");
}

int journal_apply(struct registry *rg, struct error *err)
{
    _cleanup_(change_done) struct change c = {};
    int r = change_begin(rg, &registry_self, DURABLE, &c, err);

    if (r == 0)
        r = journal_foreach(rg, apply_line, &c, err);
    return r < 0 ? r : change_commit(&c, err);
}

static int same_host(void *ctx, const char *host, struct error *err)
{
    (void)err;
    return streq(host, (const char *)ctx);
}

int journal_has(struct registry *rg, const char *host, struct error *err)
{
    return journal_foreach(rg, same_host, (void *)(uintptr_t)host, err);
}
