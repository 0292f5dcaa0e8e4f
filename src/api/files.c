// SPDX-License-Identifier: Apache-2.0
//
// The files of the UI. All of them are read when the server starts and are served from memory by their names: no path
// from outside ever reaches the file system. A file with ".gz" at its end is the packed form of the one without.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "api/internal.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "base/table.h"

#define FILES_MAX ((size_t)4096)
#define BYTES_MAX ((size_t)128 << 20)
#define DEPTH_MAX 8
#define PATH_SIZE 512
#define INDEX     "index.html"

struct asset {
    const char *type;
    char *content;
    size_t len;
    char etag[40];
    bool hashed; // its name changes with its content
};

struct files {
    atomic_uint refs;
    struct map *by_path; // "assets/app.js"
    size_t bytes;
};

static const struct {
    const char *suffix, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".map", "application/json"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
    {".txt", "text/plain; charset=utf-8"},
    {".webmanifest", "application/manifest+json"},
};

static const char *type_of(const char *path)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (str_endswith(path, types[i].suffix))
            return types[i].type;
    return "application/octet-stream";
}

// "app-3QX5KF2A.js", "app.0f3a9b2c.css": eight or more letters and digits, among them a digit, before the last dot.
static bool is_hashed(const char *path)
{
    const char *dot = strrchr(path, '.'), *start = dot;
    bool digit = false;

    while (start && start > path &&
           ((start[-1] >= '0' && start[-1] <= '9') || (start[-1] >= 'A' && start[-1] <= 'Z') ||
            (start[-1] >= 'a' && start[-1] <= 'z'))) {
        start--;
        digit = digit || (*start >= '0' && *start <= '9');
    }
    return start && start > path && (start[-1] == '-' || start[-1] == '.') && dot - start >= 8 &&
           digit;
}

static void asset_free(void *p)
{
    struct asset *a = p;

    free(a->content);
    free(a);
}

struct files *files_ref(struct files *f)
{
    atomic_fetch_add(&f->refs, 1);
    return f;
}

struct files *files_unref(struct files *f)
{
    if (f && atomic_fetch_sub(&f->refs, 1) == 1) {
        (void)map_free(f->by_path);
        free(f);
    }
    return NULL;
}

struct walk {
    struct files *files;
    char path[PATH_SIZE]; // of the directory, with a slash at the end unless it is the first
    unsigned depth;
    struct error *err;
};

static int add_file(struct walk *w, int dir, const char *name, const char *path)
{
    struct files *f = w->files;
    struct asset *a = new0(struct asset, 1);
    XXH128_hash_t hash;
    int r;

    if (!a)
        return -ENOMEM;
    r = read_file_bounded(dir, name, BYTES_MAX - f->bytes, &a->content, &a->len);
    if (r == 0) {
        hash = XXH3_128bits(a->content, a->len);
        (void)snprintf(a->etag, sizeof(a->etag), "\"%016" PRIx64 "%016" PRIx64 "\"", hash.high64,
                       hash.low64);
        a->type = type_of(path);
        a->hashed = is_hashed(path);
        r = map_put_str(f->by_path, path, a);
    }
    if (r < 0) {
        asset_free(a);
        return r;
    }
    f->bytes += a->len;
    return 0;
}

static int add_entry(void *ctx, int dir, const struct dirent *entry);

static int add_dir(struct walk *w, int dir, const char *name)
{
    size_t before = strlen(w->path);
    int n, r;

    if (w->depth == DEPTH_MAX)
        return -ELOOP;
    n = snprintf(w->path + before, sizeof(w->path) - before, "%s/", name);
    if (n < 0 || (size_t)n >= sizeof(w->path) - before)
        return -ENAMETOOLONG;
    w->depth++;
    r = opendir_foreach(dir, name, add_entry, w);
    w->depth--;
    w->path[before] = '\0';
    return r;
}

static int add_entry(void *ctx, int dir, const struct dirent *entry)
{
    struct walk *w = ctx;
    char path[PATH_SIZE];
    struct stat st;
    int n, r;

    if (entry->d_name[0] == '.')
        return 0;
    // A link would lead out of the directory.
    if (fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return negative_errno();
    if (S_ISDIR(st.st_mode))
        return add_dir(w, dir, entry->d_name);
    if (!S_ISREG(st.st_mode))
        return 0;
    n = snprintf(path, sizeof(path), "%s%s", w->path, entry->d_name);
    if (n < 0 || (size_t)n >= sizeof(path))
        return -ENAMETOOLONG;
    r = add_file(w, dir, entry->d_name, path);
    if (r < 0)
        (void)error_set(w->err, r, "%s: %m", path);
    return r;
}

int files_load(const char *dir, struct files **ret, struct error *err)
{
    _cleanup_(files_unrefp) struct files *f = new0(struct files, 1);
    struct walk w = {.files = f, .err = err};
    int r;

    if (!f)
        return error_set(err, -ENOMEM, "%m");
    atomic_init(&f->refs, 1);
    r = map_new(MAP_STR, FILES_MAX, asset_free, &f->by_path);
    if (r == 0)
        r = opendir_foreach(AT_FDCWD, dir, add_entry, &w);
    if (r < 0 && !error_is_set(err))
        (void)error_set(err, r, "%m");
    if (r < 0) {
        error_context(err, "the files of the UI in %s", dir);
        return r;
    }
    *ret = TAKE_PTR(f);
    return 0;
}

const char *asset_content(const struct asset *a, size_t *ret_len)
{
    *ret_len = a->len;
    return a->content;
}

// "a", "b" → "a/b". False: longer than any file.
static bool join(const struct target *t, char *buf, size_t size)
{
    size_t len = 0;

    buf[0] = '\0';
    for (size_t i = 0; i < t->n_segments; i++) {
        int n = snprintf(buf + len, size - len, "%s%s", i ? "/" : "", t->segments[i]);

        if (n < 0 || (size_t)n >= size - len || strchr(t->segments[i], '/'))
            return false;
        len += (size_t)n;
    }
    return true;
}

// "br, gzip;q=0.5": one of them, and not with a weight of nothing.
static bool accepts_gzip(const struct api_request *rq)
{
    const char *at = strempty(api_header(rq, "Accept-Encoding"));

    while (*at) {
        const char *weight;
        size_t len;

        at += strspn(at, " ,");
        len = strcspn(at, ",");
        if (strncmp(at, "gzip", 4) == 0 && (len == 4 || at[4] == ' ' || at[4] == ';')) {
            weight = memmem(at, len, "q=", 2);
            return !weight || strspn(weight + 2, "0.") < strcspn(weight + 2, ", ");
        }
        at += len;
    }
    return false;
}

static bool etag_matches(const char *header, const char *etag)
{
    return header && (streq(header, "*") || strstr(header, etag));
}

static void answer_with(struct api_request *rq, struct files *f, const char *path,
                        const struct asset *asset)
{
    struct answer *a = &rq->answer;
    const struct asset *packed = NULL;
    char name[PATH_SIZE + 4];

    a->content_type = asset->type;
    (void)snprintf(name, sizeof(name), "%s.gz", path);
    packed = map_get_str(f->by_path, name);
    if (packed) {
        (void)api_set_header(rq, "Vary", "Accept-Encoding");
        if (accepts_gzip(rq)) {
            (void)api_set_header(rq, "Content-Encoding", "gzip");
            asset = packed;
        }
    }
    (void)api_set_header(rq, "ETag", asset->etag);
    (void)api_set_header(rq, "Cache-Control",
                         is_hashed(path) ? "public, max-age=31536000, immutable" : "no-cache");
    if (etag_matches(api_header(rq, "If-None-Match"), asset->etag)) {
        a->status = 304;
        return;
    }
    a->status = 200;
    a->asset = asset;
    a->files = files_ref(f);
}

void files_answer(struct api_request *rq)
{
    _cleanup_(files_unrefp) struct files *f = NULL;
    const struct asset *asset = NULL;
    char path[PATH_SIZE];
    const char *last = rq->target.n_segments ? rq->target.segments[rq->target.n_segments - 1] : "";

    (void)pthread_mutex_lock(&rq->api->lock);
    if (rq->api->files)
        f = files_ref(rq->api->files);
    (void)pthread_mutex_unlock(&rq->api->lock);
    if (f && join(&rq->target, path, sizeof(path))) {
        asset = map_get_str(f->by_path, path);
        // The UI has addresses of its own, for which there are no files.
        if (!asset && !strchr(last, '.')) {
            (void)snprintf(path, sizeof(path), "%s", INDEX);
            asset = map_get_str(f->by_path, path);
        }
    }
    if (asset)
        answer_with(rq, f, path, asset);
    else
        request_refuse_as(rq, 404, "not-found", "there is nothing at this address");
}
