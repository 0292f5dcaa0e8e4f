// SPDX-License-Identifier: Apache-2.0
#include "agent/mounts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "agent/casefold.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/strutil.h"
#include "base/table.h"

#define MOUNTINFO_MAX  ((size_t)32 << 20)
#define NAMESPACES_MAX 4096

void mount_view_done(struct mount_view *v)
{
    mounts_free(v->all);
    free(v->decode);
    *v = (struct mount_view){};
}

static int read_table(const char *path, struct policy_mounts **ret)
{
    _cleanup_free_ char *text = NULL;
    size_t len;
    int r;

    r = read_file_bounded(AT_FDCWD, path, MOUNTINFO_MAX, &text, &len);
    return r < 0 ? r : mounts_parse(text, len, ret);
}

static int note_devs(struct map *devs, const struct policy_mounts *m)
{
    for (size_t i = 0; i < m->n; i++) {
        int r = map_put_u64(devs, m->items[i].dev, m->items);

        if (r < 0 && r != -EEXIST)
            return r;
    }
    return 0;
}

// Appends what is only in other namespaces.
static int add_foreign(struct policy_mounts *all, const struct policy_mounts *foreign)
{
    _cleanup_(map_freep) struct map *devs = NULL;
    int r;

    r = map_new(MAP_U64, 0, NULL, &devs);
    r = r < 0 ? r : note_devs(devs, all);
    for (size_t i = 0; r == 0 && foreign && i < foreign->n; i++)
        if (!map_get_u64(devs, foreign->items[i].dev))
            r = mounts_add(all, foreign->items[i].dev, foreign->items[i].fs_root,
                           foreign->items[i].mountpoint, POLICY_MOUNT_FOREIGN);
    return r;
}

static struct bytes bytes_of(const char *s)
{
    return (struct bytes){s, (uint32_t)strlen(s)};
}

static int make_decode(struct mount_view *v)
{
    _cleanup_(map_freep) struct map *whole = NULL;
    int r;

    v->decode = new0(struct decode_mount, v->all->n);
    if (!v->decode)
        return -ENOMEM;
    r = map_new(MAP_U64, 0, NULL, &whole);
    for (size_t i = 0; r == 0 && i < v->all->n; i++)
        if (streq(v->all->items[i].fs_root, "/") &&
            !(v->all->items[i].flags & (POLICY_MOUNT_FOREIGN | POLICY_MOUNT_HIDDEN)))
            r = map_set_u64(whole, v->all->items[i].dev, v);
    if (r < 0)
        return r;
    for (size_t i = 0; i < v->all->n; i++) {
        const struct policy_mount *m = &v->all->items[i];

        // Where a file system is mounted as a whole, that is where its files are; a further mount of
        // a part of it, which anybody with the right to mount can make, is not to give them another name.
        if (!(m->flags & (POLICY_MOUNT_FOREIGN | POLICY_MOUNT_HIDDEN)) &&
            (streq(m->fs_root, "/") || !map_get_u64(whole, m->dev)))
            v->decode[v->n_decode++] = (struct decode_mount){.dev = m->dev,
                                                             .root = bytes_of(m->fs_root),
                                                             .point = bytes_of(m->mountpoint)};
    }
    decode_mounts_sort(v->decode, v->n_decode);
    return 0;
}

static uint64_t digest(const struct policy_mounts *m)
{
    uint64_t h = m->n;

    for (size_t i = 0; i < m->n; i++)
        h = mount_digest(h, &m->items[i]);
    return h;
}

int mount_view_read(const char *path, const struct policy_mounts *foreign,
                    struct mount_view *ret_view)
{
    _cleanup_(mount_view_done) struct mount_view v = {};
    int r;

    r = read_table(path, &v.all);
    if (r == 0)
        casefold_mark(v.all);
    r = r < 0 ? r : add_foreign(v.all, foreign);
    r = r < 0 ? r : make_decode(&v);
    if (r < 0)
        return r;
    v.digest = digest(v.all);
    *ret_view = v;
    v = (struct mount_view){};
    return 0;
}

struct search {
    const char *proc;
    bool (*stop)(void *ctx);
    void *ctx;
    struct map *namespaces; // inode numbers that were seen
    struct map *devs;       // file systems that were seen
    struct policy_mounts *found;
};

static int take_namespace(struct search *s, const char *pid)
{
    _cleanup_(mounts_freep) struct policy_mounts *m = NULL;
    char path[64];
    int r;

    (void)snprintf(path, sizeof(path), "%s/%.16s/mountinfo", s->proc, pid);
    if (read_table(path, &m) < 0)
        return 0; // it ended, or is none of ours to read
    for (size_t i = 0; i < m->n && s->found->n < POLICY_MOUNTS_MAX; i++) {
        r = map_put_u64(s->devs, m->items[i].dev, s);
        if (r == -EEXIST)
            continue;
        if (r == 0)
            r = mounts_add(s->found, m->items[i].dev, m->items[i].fs_root, m->items[i].mountpoint,
                           POLICY_MOUNT_FOREIGN);
        if (r < 0)
            return r;
    }
    return 0;
}

static int on_process(void *ctx, int dir, const struct dirent *entry)
{
    struct search *s = ctx;
    char path[64];
    struct stat st;
    uint32_t pid;
    int r;

    if (s->stop && s->stop(s->ctx))
        return -ECANCELED;
    if (parse_u32(entry->d_name, &pid) < 0)
        return 0;
    (void)snprintf(path, sizeof(path), "%u/ns/mnt", pid);
    if (fstatat(dir, path, &st, 0) < 0)
        return 0;
    r = map_put_u64(s->namespaces, st.st_ino, s);
    if (r == -EEXIST || r == -ENOSPC)
        return 0;
    return r < 0 ? r : take_namespace(s, entry->d_name);
}

int mounts_foreign(const char *proc, bool (*stop)(void *ctx), void *ctx,
                   struct policy_mounts **ret_mounts)
{
    _cleanup_(mounts_freep) struct policy_mounts *found = NULL;
    _cleanup_(map_freep) struct map *namespaces = NULL, *devs = NULL;
    struct search s = {.proc = proc, .stop = stop, .ctx = ctx};
    char path[64];
    struct stat st;
    int r;

    r = mounts_new(&found);
    r = r < 0 ? r : map_new(MAP_U64, NAMESPACES_MAX, NULL, &namespaces);
    r = r < 0 ? r : map_new(MAP_U64, 0, NULL, &devs);
    if (r < 0)
        return r;
    s.namespaces = namespaces;
    s.devs = devs;
    s.found = found;
    (void)snprintf(path, sizeof(path), "%s/self/ns/mnt", proc);
    if (stat(path, &st) == 0)
        (void)map_put_u64(namespaces, st.st_ino, &s);
    r = opendir_foreach(AT_FDCWD, proc, on_process, &s);
    if (r < 0)
        return r;
    *ret_mounts = TAKE_PTR(found);
    return 0;
}

static const struct policy_mount *find_mount(const struct policy_mounts *m, uint32_t id)
{
    for (size_t i = 0; id != 0 && i < m->n; i++)
        if (m->items[i].id == id)
            return &m->items[i];
    return NULL;
}

uint32_t mounts_dev(const struct policy_mounts *m, uint32_t mount_id)
{
    const struct policy_mount *mount = find_mount(m, mount_id);

    return mount ? mount->dev : 0;
}

// True for the place itself, too.
static bool is_beneath(const char *path, const char *place)
{
    size_t len = streq(place, "/") ? 0 : strlen(place);

    return strncmp(path, place, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

// Where `path` lies in the file system of a mount that it is beneath.
static bool locate(const struct policy_mount *mount, const char *path, char *buf, size_t size,
                   uint32_t *ret_dev, const char **ret_path)
{
    const char *rest = path, *root = streq(mount->fs_root, "/") ? "" : mount->fs_root;
    int n;

    if (!is_beneath(path, mount->mountpoint))
        return false;
    if (!streq(mount->mountpoint, "/"))
        rest = path + strlen(mount->mountpoint);
    n = snprintf(buf, size, "%s%s", root, streq(rest, "/") ? "" : rest);
    if (n < 0 || (size_t)n >= size)
        return false;
    *ret_dev = mount->dev;
    *ret_path = n == 0 ? "/" : buf;
    return true;
}

bool mounts_locate(const struct policy_mounts *m, uint32_t mount_id, const char *path, char *buf,
                   size_t size, uint32_t *ret_dev, const char **ret_path)
{
    const struct policy_mount *mount = find_mount(m, mount_id);

    return mount && locate(mount, path, buf, size, ret_dev, ret_path);
}

bool mounts_place(const struct policy_mounts *m, const char *path, char *buf, size_t size,
                  uint32_t *ret_dev, const char **ret_path)
{
    const struct policy_mount *found = NULL;

    // Of those at one place the last lies over the others; what another mount covers is not seen.
    for (size_t i = 0; i < m->n; i++) {
        const struct policy_mount *mount = &m->items[i];

        if (!(mount->flags & (POLICY_MOUNT_FOREIGN | POLICY_MOUNT_HIDDEN)) &&
            is_beneath(path, mount->mountpoint) &&
            (!found || strlen(mount->mountpoint) >= strlen(found->mountpoint)))
            found = mount;
    }
    return found && locate(found, path, buf, size, ret_dev, ret_path);
}
