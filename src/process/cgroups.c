// SPDX-License-Identifier: Apache-2.0
#include "process/cgroups.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/table.h"

// Type of the handles of kernfs, enum fid_type of include/linux/exportfs.h: the 64 bits of the
// inode number.
#define FILEID_KERNFS 0xfe

struct cgroups {
    struct map *by_id;   // of those whose id is known; on loan from by_path
    struct map *by_path; // holds one reference each
    char *root;
    int fd; // of root; -1: none
};

static void cgroup_unref_value(void *cgroup)
{
    (void)cgroup_unref(cgroup);
}

static int open_root(const char *root, char **ret_root)
{
    static const char *const candidates[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};
    const char *chosen = root;
    int fd = -1;

    for (size_t i = 0; !root && fd < 0 && i < ARRAY_SIZE(candidates); i++) {
        char probe[64];

        (void)snprintf(probe, sizeof(probe), "%s/cgroup.controllers", candidates[i]);
        if (access(probe, F_OK) < 0)
            continue;
        chosen = candidates[i];
        fd = open(chosen, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (root)
        fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        *ret_root = strdup(chosen);
        if (!*ret_root)
            return safe_close(fd);
    }
    return fd;
}

int cgroups_new(const char *root, struct cgroups **ret_cgroups)
{
    _cleanup_(cgroups_freep) struct cgroups *c = new0(struct cgroups, 1);
    int r;

    if (!c)
        return -ENOMEM;
    c->fd = -1;
    r = map_new(MAP_U64, 0, NULL, &c->by_id);
    if (r < 0)
        return r;
    r = map_new(MAP_STR, 0, cgroup_unref_value, &c->by_path);
    if (r < 0)
        return r;
    c->fd = open_root(root, &c->root);
    *ret_cgroups = TAKE_PTR(c);
    return 0;
}

struct cgroups *cgroups_free(struct cgroups *c)
{
    if (c) {
        (void)map_free(c->by_id);
        (void)map_free(c->by_path);
        (void)safe_close(c->fd);
        free(c->root);
        free(c);
    }
    return NULL;
}

struct cgroup *cgroup_ref(struct cgroup *cgroup)
{
    if (cgroup)
        cgroup->refs++;
    return cgroup;
}

struct cgroup *cgroup_unref(struct cgroup *cgroup)
{
    if (cgroup && --cgroup->refs == 0)
        free(cgroup);
    return NULL;
}

enum id_form { HEX64, NAME };

static const struct container_row {
    struct bytes runtime, parent, prefix, suffix;
    enum id_form form;
} container_rows[] = {
#define CONTAINER_HELPER(prefix)
#define CONTAINER(runtime, parent, prefix, suffix, form) \
    {BYTES(runtime), BYTES(parent), BYTES(prefix), BYTES(suffix), form},
#define CONTAINER_POD(prefix, suffix)
#include "process/containers.def"
};

static const struct bytes helper_rows[] = {
#define CONTAINER_HELPER(prefix) BYTES(prefix),
#define CONTAINER(runtime, parent, prefix, suffix, form)
#define CONTAINER_POD(prefix, suffix)
#include "process/containers.def"
};

static const struct pod_row {
    struct bytes prefix, suffix;
} pod_rows[] = {
#define CONTAINER_HELPER(prefix)
#define CONTAINER(runtime, parent, prefix, suffix, form)
#define CONTAINER_POD(prefix, suffix) {BYTES(prefix), BYTES(suffix)},
#include "process/containers.def"
};

static bool starts_with(struct bytes text, struct bytes prefix)
{
    return prefix.len == 0 || (text.len >= prefix.len && memcmp(text.s, prefix.s, prefix.len) == 0);
}

// What lies between prefix and suffix; false when they are not there.
static bool between(struct bytes text, struct bytes prefix, struct bytes suffix,
                    struct bytes *ret_middle)
{
    if (text.len < prefix.len + suffix.len || !starts_with(text, prefix) ||
        memcmp(text.s + text.len - suffix.len, suffix.s, suffix.len) != 0)
        return false;
    *ret_middle = (struct bytes){text.s + prefix.len, text.len - prefix.len - suffix.len};
    return true;
}

static bool is_hex(struct bytes text)
{
    for (uint32_t i = 0; i < text.len; i++) {
        char c = text.s[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    }
    return true;
}

static bool row_fits(const struct container_row *row, struct bytes parent, struct bytes part,
                     struct bytes *ret_id)
{
    struct bytes id;

    if (!starts_with(parent, row->parent) || !between(part, row->prefix, row->suffix, &id))
        return false;
    if (row->form == HEX64 ? id.len != 64 || !is_hex(id) : id.len == 0)
        return false;
    *ret_id = id;
    return true;
}

static bool find_container(struct bytes parent, struct bytes part, struct bytes *ret_id,
                           struct bytes *ret_runtime)
{
    for (size_t i = 0; i < ARRAY_SIZE(container_rows); i++) {
        if (row_fits(&container_rows[i], parent, part, ret_id)) {
            *ret_runtime = container_rows[i].runtime;
            return true;
        }
    }
    return false;
}

static bool is_helper(struct bytes part)
{
    for (size_t i = 0; i < ARRAY_SIZE(helper_rows); i++) {
        if (starts_with(part, helper_rows[i]))
            return true;
    }
    return false;
}

static void find_pod(struct bytes part, char pod[POD_UID_LEN], struct bytes *ret_pod)
{
    struct bytes uid;

    for (size_t i = 0; i < ARRAY_SIZE(pod_rows); i++) {
        if (!between(part, pod_rows[i].prefix, pod_rows[i].suffix, &uid) || uid.len != POD_UID_LEN)
            continue;
        for (uint32_t k = 0; k < uid.len; k++)
            pod[k] = uid.s[k] == '_' ? '-' : uid.s[k];
        *ret_pod = (struct bytes){pod, POD_UID_LEN};
        return;
    }
}

void cgroup_classify(struct bytes path, char pod[POD_UID_LEN], struct bytes *ret_id,
                     struct bytes *ret_runtime, struct bytes *ret_pod)
{
    const char *at = path.s, *end = path.s + path.len;
    struct bytes parent = {};

    *ret_id = *ret_runtime = *ret_pod = (struct bytes){};
    while (at < end) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        struct bytes part = {at, (uint32_t)((slash ? slash : end) - at)};

        if (is_helper(part))
            break;
        if (find_container(parent, part, ret_id, ret_runtime))
            return;
        find_pod(part, pod, ret_pod);
        parent = part;
        at = slash ? slash + 1 : end;
    }
    *ret_pod = (struct bytes){};
}

// A copy whose texts lie behind it: the path, then the pod's uid.
static struct cgroup *cgroup_make(struct bytes path, uint64_t id)
{
    struct cgroup *cgroup = mallocz(sizeof(*cgroup) + path.len + POD_UID_LEN);

    if (!cgroup)
        return NULL;
    cgroup->refs = 1;
    cgroup->id = id;
    memcpy(cgroup->text, path.s, path.len);
    cgroup->path = (struct bytes){cgroup->text, path.len};
    cgroup_classify(cgroup->path, cgroup->text + path.len, &cgroup->container_id, &cgroup->runtime,
                    &cgroup->pod_uid);
    return cgroup;
}

// Takes what is known under a path out of both tables.
static void forget_path(struct cgroups *c, struct bytes path)
{
    struct cgroup *old = map_get_mem(c->by_path, path.s, path.len);

    if (!old)
        return;
    if (old->id && map_get_u64(c->by_id, old->id) == old)
        (void)map_delete_u64(c->by_id, old->id);
    (void)map_delete_mem(c->by_path, path.s, path.len);
}

// Forgets the cgroups that only this table knows of.
static void forget_unused(struct cgroups *c)
{
    struct map_iter it = {};

    while (map_next(c->by_path, &it)) {
        struct cgroup *cgroup = it.value;

        if (cgroup->refs == 1)
            forget_path(c, cgroup->path);
    }
}

// Inode of the directory at `path` below the root: the number that records carry. 0: not found.
static uint64_t id_of_path(const struct cgroups *c, struct bytes path)
{
    char name[PATH_MAX];
    struct stat st;

    if (c->fd < 0 || path.len >= sizeof(name))
        return 0;
    (void)snprintf(name, sizeof(name), ".%.*s", (int)path.len, path.s);
    return fstatat(c->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : st.st_ino;
}

static int remember(struct cgroups *c, struct bytes path, uint64_t id, struct cgroup **ret_cgroup)
{
    struct cgroup *cgroup = map_get_mem(c->by_path, path.s, path.len);
    int r;

    if (cgroup && (!id || cgroup->id == id)) {
        *ret_cgroup = cgroup_ref(cgroup);
        return 0;
    }
    // A path can come to name another cgroup: removed, and made again.
    forget_path(c, path);
    if (map_len(c->by_path) >= CGROUPS_MAX)
        forget_unused(c);
    cgroup = cgroup_make(path, id);
    if (!cgroup)
        return -ENOMEM;
    r = map_put_mem(c->by_path, path.s, path.len, cgroup);
    if (r < 0) {
        free(cgroup);
        return r;
    }
    // Where there is no memory for the number, it is found by its path only.
    if (id)
        (void)map_set_u64(c->by_id, id, cgroup);
    *ret_cgroup = cgroup_ref(cgroup);
    return 0;
}

int cgroups_by_path(struct cgroups *c, struct bytes path, struct cgroup **ret_cgroup)
{
    struct cgroup *cgroup;

    if (path.len == 0 || path.s[0] != '/' || path.len >= PATH_MAX)
        return -EINVAL;
    cgroup = map_get_mem(c->by_path, path.s, path.len);
    if (cgroup && cgroup->id) {
        *ret_cgroup = cgroup_ref(cgroup);
        return 0;
    }
    return remember(c, path, id_of_path(c, path), ret_cgroup);
}

// Path of the directory behind a descriptor, below the root.
static int path_of_fd(const struct cgroups *c, int fd, char *buf, size_t size,
                      struct bytes *ret_path)
{
    size_t skip = strlen(c->root);
    char link[64];
    ssize_t n;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, buf, size);
    if (n < 0)
        return -errno;
    if ((size_t)n >= size || (size_t)n < skip || memcmp(buf, c->root, skip) != 0)
        return -ENOENT;
    *ret_path = (struct bytes){buf + skip, (uint32_t)((size_t)n - skip)};
    if (ret_path->len == 0)
        *ret_path = BYTES("/");
    return ret_path->s[0] == '/' ? 0 : -ENOENT;
}

int cgroups_by_id(struct cgroups *c, uint64_t id, struct cgroup **ret_cgroup)
{
    union {
        struct file_handle handle;
        char room[sizeof(struct file_handle) + sizeof(uint64_t)];
    } h = {.handle = {.handle_bytes = sizeof(uint64_t), .handle_type = FILEID_KERNFS}};
    struct cgroup *cgroup = map_get_u64(c->by_id, id);
    _cleanup_close_ int fd = -1;
    char buf[PATH_MAX];
    struct bytes path = {};
    int r;

    if (cgroup) {
        *ret_cgroup = cgroup_ref(cgroup);
        return 0;
    }
    if (id == 0 || c->fd < 0)
        return -ENOENT;
    memcpy(h.handle.f_handle, &id, sizeof(id));
    fd = open_by_handle_at(c->fd, &h.handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -ENOENT;
    r = path_of_fd(c, fd, buf, sizeof(buf), &path);
    if (r < 0)
        return -ENOENT;
    return remember(c, path, id, ret_cgroup);
}
