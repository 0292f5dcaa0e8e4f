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

#define MOUNTINFO_MAX ((size_t)32 << 20)

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
        if (streq(v->all->items[i].fs_root, "/") && !(v->all->items[i].flags & POLICY_MOUNT_HIDDEN))
            r = map_set_u64(whole, v->all->items[i].dev, v);
    if (r < 0)
        return r;
    for (size_t i = 0; i < v->all->n; i++) {
        const struct policy_mount *m = &v->all->items[i];

        // Where a file system is mounted as a whole, that is where its files are; a further mount of
        // a part of it, which anybody with the right to mount can make, is not to give them another name.
        if (!(m->flags & POLICY_MOUNT_HIDDEN) &&
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

int mount_view_read(const char *path, struct mount_view *ret_view)
{
    _cleanup_(mount_view_done) struct mount_view v = {};
    int r;

    r = read_table(path, &v.all);
    r = r < 0 ? r : casefold_mark(v.all);
    r = r < 0 ? r : make_decode(&v);
    if (r < 0)
        return r;
    v.digest = digest(v.all);
    *ret_view = v;
    v = (struct mount_view){};
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

        if (!(mount->flags & POLICY_MOUNT_HIDDEN) && is_beneath(path, mount->mountpoint) &&
            (!found || strlen(mount->mountpoint) >= strlen(found->mountpoint)))
            found = mount;
    }
    return found && locate(found, path, buf, size, ret_dev, ret_path);
}
