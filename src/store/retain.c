// SPDX-License-Identifier: Apache-2.0
//
// Old files go as wholes: no deleting of rows, no file that is full of holes. Files that were set aside go first when room is short, and by age.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/strutil.h"
#include "store/sqlite.h"

#define MIB (1u << 20)

struct aside {
    struct sqlite_store *st;
    uint64_t before_ms; // those that are older go
    bool all;
    uint64_t bytes; // of what stays
    struct store_retained *removed;
};

static int look_aside(void *ctx, int dir, const struct dirent *entry)
{
    struct aside *a = ctx;
    struct stat found;

    if (!strstr(entry->d_name, ".db.corrupt") ||
        fstatat(dir, entry->d_name, &found, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    if (!a->all && (uint64_t)found.st_mtime * 1000 >= a->before_ms) {
        a->bytes += (uint64_t)found.st_size;
        return 0;
    }
    if (unlinkat(dir, entry->d_name, 0) < 0)
        return 0;
    a->removed->bytes += (uint64_t)found.st_size;
    if (!str_endswith(entry->d_name, ".db.corrupt"))
        return 0;
    a->removed->files++;
    store_lock(a->st);
    a->st->corrupt_files -= a->st->corrupt_files > 0;
    store_unlock(a->st);
    return 0;
}

static void tell(const struct sqlite_store *st, const struct day *day, const struct day_bounds *b,
                 uint64_t bytes)
{
    char from[RFC3339_MS_SIZE] = "", to[RFC3339_MS_SIZE] = "";
    struct error told = {};

    (void)format_rfc3339_ms(b->received_min * NS_PER_MS, from, sizeof(from));
    (void)format_rfc3339_ms(b->received_max * NS_PER_MS, to, sizeof(to));
    (void)error_set(&told, -ESTALE, "%s: %llu records that came from %s to %s, %llu MiB", day->name,
                    (unsigned long long)b->records, from, to, (unsigned long long)(bytes / MIB));
    store_tell(st, STORE_TOLD_REMOVED, &told);
}

// The oldest file that may go, with a reference; the newest one, which is written to, never does.
static struct day *oldest(struct sqlite_store *st, struct day_bounds *ret_bounds,
                          uint64_t *ret_bytes)
{
    struct day *day = NULL;

    store_lock(st);
    *ret_bytes = 0;
    for (size_t i = 0; i < st->n_days; i++)
        *ret_bytes += day_bytes(st->days[i]);
    if (st->n_days > 1) {
        day = st->days[0];
        day->refs++;
        *ret_bounds = day->bounds;
    }
    store_unlock(st);
    return day;
}

int sqlite_retain(struct store *base, uint64_t max_bytes, uint64_t max_age_ms,
                  struct store_retained *ret_removed, struct error *err)
{
    struct sqlite_store *st = sqlite_of(base);
    uint64_t now_ms = store_now_ms(base),
             before_ms = max_age_ms && max_age_ms < now_ms ? now_ms - max_age_ms : 0, bytes;
    struct store_retained removed = {};
    struct aside a = {.st = st, .before_ms = before_ms, .removed = &removed};
    struct day_bounds bounds = {};
    struct day *day;
    int r = opendir_foreach(AT_FDCWD, st->dir, look_aside, &a);

    if (r < 0)
        return error_set(err, r, "cannot look through %s: %m", st->dir);
    while ((day = oldest(st, &bounds, &bytes))) {
        bool too_old = before_ms && bounds.received_max < before_ms,
             too_many = max_bytes && bytes + a.bytes > max_bytes;
        uint64_t own = day_bytes(day);

        if (too_many && a.bytes > 0) {
            a = (struct aside){.st = st, .all = true, .removed = &removed};
            (void)opendir_foreach(AT_FDCWD, st->dir, look_aside, &a);
            day_unref(st, day);
            a.bytes = 0;
            continue;
        }
        if (too_old || too_many) {
            day_remove(st, day);
            removed.files++;
            removed.records += bounds.records;
            removed.bytes += own;
            tell(st, day, &bounds, own);
        }
        day_unref(st, day);
        if (!too_old && !too_many)
            break;
    }
    store_lock(st);
    st->stats.removed_files += removed.files;
    st->stats.removed_records += removed.records;
    store_unlock(st);
    if (ret_removed)
        *ret_removed = removed;
    return 0;
}
