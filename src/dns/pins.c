// SPDX-License-Identifier: Apache-2.0
//
// What outlives this process. Programs are replaced first, each in one step, and work by maps of their own until these are pinned in
// the place of others: whoever is killed in between leaves what the next one brings in order. Maps are taken over by their kind and
// sizes; what is in them is append only (abi/), proves itself (names), or is of no use to a program that has it otherwise (questions
// whose name is not the answer's).
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "dns/internal.h"

static int remove_entry(void *ctx, int dir, const struct dirent *entry)
{
    (void)ctx;
    return unlinkat(dir, entry->d_name, 0) < 0 ? -errno : 0;
}

static int empty_dir(const char *dir, const char *name)
{
    char path[PATH_MAX];
    int r;

    if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    r = opendir_foreach(AT_FDCWD, path, remove_entry, NULL);
    if (r == 0 && rmdir(path) < 0)
        r = -errno;
    return r == -ENOENT ? 0 : r;
}

static int make_dirs(const char *dir)
{
    static const char *const names[] = {"maps", "links"};
    char path[PATH_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (snprintf(path, sizeof(path), "%s/%s", dir, names[i]) >= (int)sizeof(path))
            return -ENAMETOOLONG;
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return -errno;
    }
    return 0;
}

static int lock(struct dns_pins *p, const char *dir, struct error *err)
{
    struct statfs fs;
    int r;

    p->lock_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (p->lock_fd < 0)
        return error_set(err, -errno, "%s: %m", dir);
    if (fstatfs(p->lock_fd, &fs) < 0 || fs.f_type != BPF_FS_MAGIC) {
        r = error_set(err, -EMEDIUMTYPE, "%s is not in a bpf file system", dir);
        error_cure(err, "choose a directory below /sys/fs/bpf");
        return r;
    }
    if (flock(p->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return error_set(err, errno == EWOULDBLOCK ? -EBUSY : -errno, "%s is in use", dir);
    return 0;
}

int dns_pins_open(struct dns_pins *p, const char *dir, struct error *err)
{
    int r;

    p->lock_fd = -1;
    if (!dir)
        return 0;
    if (strlen(dir) + 64 > sizeof(p->dir))
        return error_set(err, -ENAMETOOLONG, "%s: the name is too long", dir);
    r = mkdir_p(AT_FDCWD, dir, 0700);
    if (r < 0)
        return error_set(err, r, "%s: %m", dir);
    r = lock(p, dir, err);
    if (r == 0) {
        r = make_dirs(dir);
        if (r < 0)
            (void)error_set(err, r, "%s: %m", dir);
    }
    if (r < 0) {
        dns_pins_close(p);
        return r;
    }
    (void)snprintf(p->dir, sizeof(p->dir), "%s", dir);
    return 0;
}

void dns_pins_close(struct dns_pins *p)
{
    p->lock_fd = safe_close(p->lock_fd);
}

int dns_pins_path(const struct dns_pins *p, const char *kind, const char *name, char *ret,
                  size_t size)
{
    return snprintf(ret, size, "%s/%s/%s", p->dir, kind, name) < (int)size ? 0 : -ENAMETOOLONG;
}

bool dns_pins_wants(const struct bpf_map *map)
{
    const char *name = bpf_map__name(map);

    // The variables of an object and the memory that its programs work in are nobody else's.
    return !strchr(name, '.') && !streq(name, "dns_scratches");
}

static uint32_t id_of(int fd)
{
    struct bpf_map_info info = {};
    uint32_t len = sizeof(info);

    return fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len) == 0 ? info.id : 0;
}

static int pin_map(const struct dns_pins *p, const struct bpf_map *map)
{
    _cleanup_close_ int pinned = -1;
    char path[PATH_MAX];
    int r;

    r = dns_pins_path(p, "maps", bpf_map__name(map), path, sizeof(path));
    if (r < 0)
        return r;
    pinned = bpf_obj_get(path);
    if (pinned >= 0 && id_of(pinned) == id_of(bpf_map__fd(map)))
        return 0;
    if (unlink(path) < 0 && errno != ENOENT)
        return -errno;
    return bpf_obj_pin(bpf_map__fd(map), path) < 0 ? -errno : 0;
}

int dns_pins_maps(const struct dns_pins *p, const struct bpf_object *object, struct error *err)
{
    struct bpf_map *map;
    int r = 0;

    if (!p->dir[0])
        return 0;
    bpf_object__for_each_map(map, object)
    {
        r = r < 0 || !dns_pins_wants(map) ? r : pin_map(p, map);
    }
    return r < 0 ? error_set(err, r, "the maps of domain names cannot be pinned at %s: %s", p->dir,
                             strerror(-r))
                 : 0;
}

int dns_remove(const char *pin_dir, struct error *err)
{
    struct dns_pins p = {.lock_fd = -1};
    struct stat st;
    int r;

    if (stat(pin_dir, &st) < 0 && errno == ENOENT)
        return 0;
    r = lock(&p, pin_dir, err);
    if (r == 0) {
        // Links first: nothing may be learnt by maps that are half gone.
        r = empty_dir(pin_dir, "links");
        r = r < 0 ? r : empty_dir(pin_dir, "maps");
        if (r == 0 && rmdir(pin_dir) < 0)
            r = -errno;
        if (r < 0)
            (void)error_set(err, r, "%s cannot be removed: %s", pin_dir, strerror(-r));
    }
    dns_pins_close(&p);
    return r;
}
