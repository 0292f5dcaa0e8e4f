// SPDX-License-Identifier: Apache-2.0
#include "files/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"
#include "files/hash.h"
#include "files/identity.h"
#include "files/packages.h"
#include "files/times.h"

#define NO_ENTRY UINT32_MAX

// A file with its content, as far as fstat() tells: where times tell (times.h), whoever writes to it changes ctime, which only who
// sets the clock can choose.
struct identity {
    uint64_t dev, ino, size;
    int64_t mtime_ns, ctime_ns;
};
STATIC_ASSERT(sizeof(struct identity) == 40, "compared as bytes");

struct entry {
    struct identity id;
    uint8_t sha256[FILE_SHA256_BYTES];
    uint32_t older, younger; // in the order of use
    uint32_t next;           // in its bucket
    uint8_t hash;            // enum file_hash: KNOWN, LARGE
};

struct files {
    int proc_fd;
    char *dpkg, *root;
    uint64_t max_bytes, again_bytes;
    bool (*tells)(int fd);
    int64_t again_left; // bytes; below 0: owed
    uint64_t again_ns;  // CLOCK_MONOTONIC: when that was so

    struct entry *entries;
    uint32_t n, max;
    uint32_t *buckets; // as many as `max`, a power of two
    uint32_t oldest, youngest;

    struct packages *packages; // NULL: none
    struct identity database;  // of dpkg's status, or rpm's database, when they were read
    struct files_counters counters;
};

static uint32_t power_of_two(uint32_t n)
{
    uint32_t p = 1;

    while (p < n && p < 1u << 20)
        p *= 2;
    return p;
}

int files_new(const struct files_options *options, struct files **ret_files)
{
    const struct files_options *o = options ? options : &(const struct files_options){};
    _cleanup_(files_freep) struct files *f = new0(struct files, 1);

    if (!f)
        return -ENOMEM;
    f->proc_fd = -1;
    f->max_bytes = o->max_bytes ? o->max_bytes : FILES_BYTES_DEFAULT;
    f->again_bytes = o->again_bytes ? o->again_bytes : FILES_AGAIN_BYTES_DEFAULT;
    f->tells = o->tells ? o->tells : times_tell;
    f->max = power_of_two(o->max_cached ? o->max_cached : FILES_CACHED_MAX);
    f->oldest = f->youngest = NO_ENTRY;
    f->dpkg = strdup(o->dpkg ? o->dpkg : "/var/lib/dpkg");
    f->root = strdup(o->root ? o->root : "");
    f->entries = new0(struct entry, f->max);
    f->buckets = new0(uint32_t, f->max);
    if (!f->dpkg || !f->root || !f->entries || !f->buckets)
        return -ENOMEM;
    for (uint32_t i = 0; i < f->max; i++)
        f->buckets[i] = NO_ENTRY;
    f->proc_fd = open(o->proc ? o->proc : "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->proc_fd < 0)
        return -errno;
    *ret_files = TAKE_PTR(f);
    return 0;
}

struct files *files_free(struct files *f)
{
    if (f) {
        (void)safe_close(f->proc_fd);
        (void)packages_free(f->packages);
        free(f->dpkg);
        free(f->root);
        free(f->entries);
        free(f->buckets);
        free(f);
    }
    return NULL;
}

static int64_t in_ns(const struct timespec *t)
{
    return (int64_t)t->tv_sec * (int64_t)NS_PER_SEC + t->tv_nsec;
}

static struct identity identity_of(const struct stat *st)
{
    return (struct identity){
        .dev = st->st_dev,
        .ino = st->st_ino,
        .size = (uint64_t)st->st_size,
        .mtime_ns = in_ns(&st->st_mtim),
        .ctime_ns = in_ns(&st->st_ctim),
    };
}

// The cache.

static uint32_t *bucket_of(struct files *f, const struct identity *id)
{
    return &f->buckets[XXH3_64bits(id, sizeof(*id)) & (f->max - 1)];
}

static void unlink_entry(struct files *f, uint32_t i)
{
    struct entry *e = &f->entries[i];

    *(e->older == NO_ENTRY ? &f->oldest : &f->entries[e->older].younger) = e->younger;
    *(e->younger == NO_ENTRY ? &f->youngest : &f->entries[e->younger].older) = e->older;
}

static void link_youngest(struct files *f, uint32_t i)
{
    struct entry *e = &f->entries[i];

    e->older = f->youngest;
    e->younger = NO_ENTRY;
    *(f->youngest == NO_ENTRY ? &f->oldest : &f->entries[f->youngest].younger) = i;
    f->youngest = i;
}

static struct entry *find(struct files *f, const struct identity *id)
{
    for (uint32_t i = *bucket_of(f, id); i != NO_ENTRY; i = f->entries[i].next) {
        if (memcmp(&f->entries[i].id, id, sizeof(*id)) != 0)
            continue;
        unlink_entry(f, i);
        link_youngest(f, i);
        return &f->entries[i];
    }
    return NULL;
}

static uint32_t take_entry(struct files *f)
{
    uint32_t i = f->oldest, *at;

    if (f->n < f->max)
        return f->n++;
    unlink_entry(f, i);
    at = bucket_of(f, &f->entries[i].id);
    while (*at != i)
        at = &f->entries[*at].next;
    *at = f->entries[i].next;
    return i;
}

static void keep(struct files *f, const struct identity *id, enum file_hash hash,
                 const uint8_t sha256[FILE_SHA256_BYTES])
{
    uint32_t i = take_entry(f), *bucket = bucket_of(f, id);
    struct entry *e = &f->entries[i];

    *e = (struct entry){.id = *id, .hash = (uint8_t)hash, .next = *bucket};
    memcpy(e->sha256, sha256, FILE_SHA256_BYTES);
    *bucket = i;
    link_youngest(f, i);
}

// Finding the file.

// Through the process that executed it: nobody can write to what runs. What was written to later does not run any more, so that the
// process has executed it anew since. O_PATH: opening waits for no file system and tells nobody.
static int open_exe(const struct files *f, const struct files_ask *ask, struct stat *ret_st)
{
    _cleanup_close_ int fd = -1;
    char path[32];

    (void)snprintf(path, sizeof(path), "%u/exe", ask->ref.tgid);
    fd = openat(f->proc_fd, path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fstat(fd, ret_st) < 0)
        return -errno;
    if (!identity_is(f->proc_fd, fd, ret_st, ask->ref.tgid, ask->dev, ask->ino))
        return -ESTALE;
    if (ask->exec_ns &&
        MIN(in_ns(&ret_st->st_ctim), in_ns(&ret_st->st_mtim)) > (int64_t)ask->exec_ns)
        return -ESTALE;
    return TAKE_FD(fd);
}

// By its path: it has to be what it was when it was executed, and nothing holds it there but its times.
static int open_path(const struct files *f, const struct files_ask *ask, struct stat *ret_st)
{
    _cleanup_close_ int fd = -1;

    if (!ask->path)
        return -ENOENT;
    fd = open(ask->path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, ret_st) < 0)
        return -errno;
    if (!identity_is(f->proc_fd, fd, ret_st, 0, ask->dev, ask->ino))
        return -ESTALE;
    if (!f->tells(fd) || !times_settled(in_ns(&ret_st->st_ctim), ask->exec_ns))
        return -ESTALE;
    return TAKE_FD(fd);
}

// Negative: FILE_HASH_OTHER for -ESTALE, else FILE_HASH_GONE.
static int open_file(const struct files *f, const struct files_ask *ask, struct stat *ret_st)
{
    int fd = ask->refused || ask->aside ? -ENOENT : open_exe(f, ask, ret_st), by_path;

    if (fd >= 0)
        return fd;
    by_path = open_path(f, ask, ret_st);
    return by_path >= 0 || fd != -ESTALE ? by_path : fd;
}

// The way from O_PATH to the content, for the same file whatever its name is by now.
static int reopen(const struct files *f, int fd)
{
    char path[64];
    int r;

    (void)snprintf(path, sizeof(path), "self/fd/%d", fd);
    r = openat(f->proc_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return r < 0 ? -errno : r;
}

static enum file_hash hash_it(struct files *f, int path_fd, const struct identity *id,
                              bool (*stop)(void *ctx), void *ctx,
                              uint8_t ret_sha256[FILE_SHA256_BYTES])
{
    _cleanup_close_ int fd = reopen(f, path_fd);
    struct identity after;
    enum file_hash hash;
    struct stat st;

    if (fd < 0)
        return FILE_HASH_UNREADABLE;
    hash = hash_fd(fd, id->size, stop, ctx, ret_sha256);
    if (hash != FILE_HASH_KNOWN)
        return hash;
    if (fstat(fd, &st) < 0)
        return FILE_HASH_UNREADABLE;
    after = identity_of(&st);
    f->counters.hashed++;
    f->counters.bytes += id->size;
    return memcmp(&after, id, sizeof(after)) == 0 ? FILE_HASH_KNOWN : FILE_HASH_CHANGED;
}

// What is read anew for each exec is bounded. False: not now.
static bool afford(struct files *f, uint64_t bytes)
{
    uint64_t now = now_ns(CLOCK_MONOTONIC), passed = MIN(now - f->again_ns, NS_PER_SEC);
    int64_t most = (int64_t)f->again_bytes;

    f->again_left = MIN(f->again_left + (int64_t)(f->again_bytes / 1000 * (passed / 1000000)),
                        most);
    f->again_ns = now - passed % 1000000;
    if (f->again_left <= 0)
        return false;
    f->again_left -= (int64_t)bytes;
    return true;
}

static enum file_hash hash_of(struct files *f, const struct files_ask *ask, bool (*stop)(void *ctx),
                              void *ctx, uint8_t ret_sha256[FILE_SHA256_BYTES])
{
    uint8_t sha256[FILE_SHA256_BYTES] = {};
    _cleanup_close_ int fd = -1;
    struct identity id;
    enum file_hash hash;
    struct entry *known;
    struct stat st;
    bool keeps;

    fd = open_file(f, ask, &st);
    if (fd < 0)
        return fd == -ESTALE ? FILE_HASH_OTHER : FILE_HASH_GONE;
    if (!S_ISREG(st.st_mode))
        return FILE_HASH_UNREADABLE;
    id = identity_of(&st);
    if (id.size > f->max_bytes)
        return FILE_HASH_LARGE;
    keeps = f->tells(fd);
    known = keeps ? find(f, &id) : NULL;
    if (known) {
        f->counters.cached++;
        memcpy(ret_sha256, known->sha256, FILE_SHA256_BYTES);
        return FILE_HASH_KNOWN;
    }
    // Nobody looked for writers at what was refused, and a change in this moment might not show later.
    keeps = keeps && !ask->refused && times_settled(id.ctime_ns, now_ns(CLOCK_REALTIME));
    if (!keeps && !afford(f, id.size))
        return FILE_HASH_BUSY;
    hash = hash_it(f, fd, &id, stop, ctx, sha256);
    if (hash != FILE_HASH_KNOWN)
        return hash;
    f->counters.again += !keeps;
    if (keeps)
        keep(f, &id, hash, sha256);
    memcpy(ret_sha256, sha256, FILE_SHA256_BYTES);
    return hash;
}

// /proc/PID/exe is the interpreter.
static struct files_ask script_of(const struct files_ask *ask)
{
    return (struct files_ask){
        .ino = ask->script_ino,
        .dev = ask->script_dev,
        .exec_ns = ask->exec_ns,
        .path = ask->script,
        .refused = ask->refused,
        .aside = true,
    };
}

static uint64_t cost_of(struct files *f, const struct files_ask *ask)
{
    _cleanup_close_ int fd = -1;
    struct identity id;
    struct stat st;

    fd = open_file(f, ask, &st);
    if (fd < 0 || !S_ISREG(st.st_mode))
        return 0;
    id = identity_of(&st);
    return id.size > f->max_bytes || find(f, &id) ? 0 : id.size;
}

uint64_t files_cost(struct files *f, const struct files_ask *ask)
{
    const struct files_ask script = script_of(ask);

    return cost_of(f, ask) + (ask->script ? cost_of(f, &script) : 0);
}

// Packages.

static void read_packages(struct files *f, const char *rpm)
{
    struct packages *packages = NULL;
    int r = rpm ? packages_read_rpm(rpm, f->root, &packages)
                : packages_read_dpkg(f->dpkg, f->root, &packages);

    f->counters.package_builds++;
    f->counters.package_error = r == -ENOENT ? 0 : r;
    if (r < 0)
        return;
    (void)packages_free(f->packages);
    f->packages = packages;
    packages_size(packages, &f->counters.packages, &f->counters.package_files,
                  &f->counters.package_files_dropped, &f->counters.package_bytes);
}

// dpkg writes `status` anew, in one piece, whenever anything was installed or removed; rpm writes into its database, which is
// asked where there is no dpkg.
void files_refresh(struct files *f)
{
    struct identity id = {};
    char path[4096];
    bool rpm = false;
    struct stat st;

    if (snprintf(path, sizeof(path), "%s/status", f->dpkg) >= (int)sizeof(path))
        return;
    if (stat(path, &st) == 0 || (rpm = packages_rpm_database(f->root, path, sizeof(path), &st)))
        id = identity_of(&st);
    if (memcmp(&id, &f->database, sizeof(id)) == 0)
        return;
    f->database = id;
    if (id.ino)
        read_packages(f, rpm ? path : NULL);
}

static void copy_text(char to[FILES_TEXT_MAX], struct bytes text)
{
    size_t len = MIN((size_t)text.len, (size_t)FILES_TEXT_MAX - 1);

    memcpy(to, text.s, len);
    to[len] = '\0';
}

static void find_package(struct files *f, const char *path, struct files_fact *ret)
{
    struct bytes name, version;

    if (!f->packages ||
        !packages_find(f->packages, (struct bytes){path, (uint32_t)strlen(path)}, &name, &version))
        return;
    copy_text(ret->package, name);
    copy_text(ret->version, version);
}

static void ask_one(struct files *f, const struct files_ask *ask, bool (*stop)(void *ctx),
                    void *ctx, struct files_fact *ret)
{
    f->counters.asked++;
    ret->package[0] = ret->version[0] = '\0';
    ret->hash = hash_of(f, ask, stop, ctx, ret->sha256);
    if (ret->hash != FILE_HASH_KNOWN)
        f->counters.missing[ret->hash]++;
    if (ask->path)
        find_package(f, ask->path, ret);
}

void files_ask(struct files *f, const struct files_ask *ask, bool (*stop)(void *ctx), void *ctx,
               struct files_answer *ret)
{
    const struct files_ask script = script_of(ask);

    ask_one(f, ask, stop, ctx, &ret->program);
    if (ask->script)
        ask_one(f, &script, stop, ctx, &ret->script);
    else
        ret->script.hash = FILE_HASH_NONE;
}

void files_counters(const struct files *f, struct files_counters *ret)
{
    *ret = f->counters;
}
