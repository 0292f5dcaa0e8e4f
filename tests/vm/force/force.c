// SPDX-License-Identifier: Apache-2.0
#include "force.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/generation.h"
#include "base/strbuf.h"

static int say(int r, const char *what, const struct error *err)
{
    fprintf(stderr, "%s: %s\n", what, strerror(-r));
    if (err)
        error_print(err, stderr);
    return r;
}

// The mounts of this host for the compiler, and the same for the decoder.
static int read_mounts(struct force *f)
{
    _cleanup_free_ char *text = NULL;
    size_t len;
    int r = read_file_bounded(AT_FDCWD, "/proc/self/mountinfo", 16 << 20, &text, &len);

    if (r < 0)
        return r;
    r = mounts_parse(text, len, &f->mounts);
    if (r < 0)
        return r;
    f->decode = calloc(f->mounts->n + 1, sizeof(*f->decode));
    if (!f->decode)
        return -ENOMEM;
    for (size_t i = 0; i < f->mounts->n; i++) {
        const struct policy_mount *m = &f->mounts->items[i];

        if (m->flags & POLICY_MOUNT_HIDDEN)
            continue;
        f->decode[f->n_decode++] = (struct decode_mount){
            .dev = m->dev,
            .root = {.s = m->fs_root, .len = (uint32_t)strlen(m->fs_root)},
            .point = {.s = m->mountpoint, .len = (uint32_t)strlen(m->mountpoint)},
        };
    }
    decode_mounts_sort(f->decode, f->n_decode);
    return 0;
}

int force_open(struct force *f, const struct sensor_options *options)
{
    struct error err = {0};
    int r;

    *f = (struct force){0};
    r = event_new(&f->event);
    r = r < 0 ? r : read_mounts(f);
    if (r < 0)
        return say(r, "the mounts cannot be read", NULL);
    r = sensor_new(options, &f->sensor, &err);
    return r < 0 ? say(r, "the sensor did not start", &err) : 0;
}

static int compile(struct force *f, int r, struct policy *policy, struct policy_diags *diags,
                   struct policy_image **ret)
{
    const struct policy_compile_options options = {.no_warnings = true};

    if (r >= 0)
        r = policy_compile(policy, f->mounts, &options, diags, ret);
    if (r >= 0)
        r = sensor_set_env_names(f->sensor, policy->record_env.items, policy->record_env.n);
    if (r < 0) {
        _cleanup_(sb_done) struct strbuf sb = {0};

        policy_diags_format(diags, false, &sb);
        fprintf(stderr, "%s", sb.s ? sb.s : "");
        (void)say(r, "the policy was refused", NULL);
    }
    policy_free(policy);
    policy_diags_done(diags);
    return r;
}

int force_compile(struct force *f, const char *name, const char *text, struct policy_image **ret)
{
    struct policy_diags diags = {0};
    struct policy *policy = NULL;
    int r = policy_load_buffer(name, text, strlen(text), NULL, &diags, &policy);

    return compile(f, r, policy, &diags, ret);
}

int force_compile_files(struct force *f, const char *const *files, size_t n_files,
                        struct policy_image **ret)
{
    struct policy_diags diags = {0};
    struct policy *policy = NULL;
    int r = policy_load_files(files, n_files, NULL, &diags, &policy);

    return compile(f, r, policy, &diags, ret);
}

uint32_t force_ops(const struct policy_image *image)
{
    uint32_t ops = 0;

    for (size_t i = 0; i < image->n_rules; i++)
        ops |= image->rules[i].ops;
    return ops;
}

// The roots of an image and `n` others with that state; the caller frees them.
static struct sensor_root *make_roots(const struct policy_image *image, size_t n, uint32_t state)
{
    struct sensor_root *roots = calloc(image->n_roots + n + 1, sizeof(*roots));

    for (size_t i = 0; roots && i < image->n_roots; i++)
        roots[n + i] = (struct sensor_root){.dev = image->roots[i].dev,
                                            .root = image->roots[i].root};
    for (size_t i = 0; roots && i < n; i++)
        roots[i] = (struct sensor_root){.dev = policy_dev(0xfff, (uint32_t)i), .root.state = state};
    return roots;
}

int force_set(struct force *f, const struct policy_image *image, uint32_t ops)
{
    _cleanup_free_ struct sensor_root *roots = make_roots(image, f->n_idle, 0);
    struct error err = {0};
    int r;

    if (!roots)
        return say(-ENOMEM, "roots", NULL);
    r = sensor_set_policy(f->sensor, image->mem, image->size, ops, roots,
                          image->n_roots + f->n_idle, &err);
    return r != 0 ? say(err.code, "the policy could not be put in force whole", &err) : 0;
}

bool force_fill(struct force *f, const struct policy_image *image, size_t n)
{
    _cleanup_free_ struct sensor_root *roots = make_roots(image, n, image->start);
    struct error err = {0};
    int r;

    r = roots ? sensor_set_roots(f->sensor, roots, image->n_roots + n, &err) : -ENOMEM;
    if (r < 0)
        (void)say(r, "the roots", &err);
    return r == -E2BIG;
}

// The mount at a path, which says what s_dev is: what stat says of a subvolume of btrfs is another number.
static const struct policy_mount *mount_at(const struct force *f, const char *path)
{
    struct statx stx;

    if (statx(AT_FDCWD, path, 0, STATX_MNT_ID, &stx) < 0)
        return NULL;
    for (size_t i = 0; i < f->mounts->n; i++)
        if (f->mounts->items[i].id == stx.stx_mnt_id)
            return &f->mounts->items[i];
    return NULL;
}

int force_find_linked(struct force *f, const struct policy_image *image, const char *tree,
                      struct sensor_object *ret, size_t max, size_t *ret_n)
{
    char *const trees[] = {(char *)(uintptr_t)tree, NULL};
    FTS *fts = fts_open(trees, FTS_PHYSICAL | FTS_XDEV, NULL);
    const struct policy_mount *mount = mount_at(f, tree);
    size_t n = 0;
    FTSENT *e;

    if (!fts)
        return -errno;
    if (!mount) {
        fts_close(fts);
        return -ENOENT;
    }
    while (n < max && (e = fts_read(fts))) {
        const struct stat *st = e->fts_statp;
        uint32_t state;

        if (e->fts_info != FTS_F || st->st_nlink < 2)
            continue;
        state = policy_image_walk(image, image->start, e->fts_path, e->fts_pathlen);
        if (state)
            ret[n++] = (struct sensor_object){
                .dev = mount->dev,
                .ino = st->st_ino,
                .state = state,
                .generation = file_generation(AT_FDCWD, e->fts_accpath, mount->fstype, st->st_ino),
            };
    }
    fts_close(fts);
    *ret_n = n;
    return n == max ? -ENOSPC : 0;
}

int force_decode(struct force *f, const void *data, size_t len)
{
    const struct decode_context ctx = {.mounts = f->decode, .n_mounts = f->n_decode};

    return decode_record(data, len, &ctx, f->event);
}

int force_close(struct force *f)
{
    struct error err = {0};
    int r = sensor_detach(f->sensor, &err);

    if (r != 0)
        r = say(err.code, "detaching failed", &err);
    f->sensor = sensor_free(f->sensor);
    f->event = event_free(f->event);
    mounts_free(f->mounts);
    free(f->decode);
    return r;
}
