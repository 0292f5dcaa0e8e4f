// SPDX-License-Identifier: Apache-2.0
//
// The maps of the set in force: made once, pinned, shared by every object that is loaded afterwards.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "sensor/capture.h"
#include "sensor/internal.h"
#include "sensor/kernel.h"
#include "sensor/object.h"
#include "sensor/probe.h"

// Takes the descriptor.
static int maps_add(struct maps *m, const char *name, int fd)
{
    struct sensor_map *map = &m->items[m->n];
    struct bpf_map_info info = {};
    uint32_t len = sizeof(info);

    if (m->n == SENSOR_MAPS_MAX || bpf_obj_get_info_by_fd(fd, &info, &len) < 0) {
        int r = m->n == SENSOR_MAPS_MAX ? -E2BIG : -errno;

        (void)safe_close(fd);
        return r;
    }
    (void)snprintf(map->name, sizeof(map->name), "%s", name);
    map->fd = fd;
    map->type = info.type;
    map->key_size = info.key_size;
    map->value_size = info.value_size;
    map->max_entries = info.max_entries;
    m->n++;
    return 0;
}

// The memory of a section, mapped once.
static void *section_memory(struct maps *m, const char *section)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct sensor_map *map = &m->items[i];
        struct shared_words *w = &m->words;
        void *address;

        if (!streq(map->name, section + 1))
            continue;
        for (size_t k = 0; k < w->n_mapped; k++)
            if (w->mapped[k].map == i)
                return w->mapped[k].address;
        if (w->n_mapped == ARRAY_SIZE(w->mapped))
            return NULL;
        address = mmap(NULL, map->value_size, PROT_READ | PROT_WRITE, MAP_SHARED, map->fd, 0);
        if (address == MAP_FAILED)
            return NULL;
        w->mapped[w->n_mapped].map = i;
        w->mapped[w->n_mapped].address = address;
        w->mapped[w->n_mapped].size = map->value_size;
        w->n_mapped++;
        return address;
    }
    return NULL;
}

static int words_find(struct maps *m, const struct bpf_object *object, struct error *err)
{
    const struct {
        const char *name;
        size_t size;
        void **at;
    } wanted[] = {
        {"sg_generation", sizeof(uint64_t), (void **)&m->words.generation},
        {"sg_policy_id", sizeof(uint32_t), (void **)&m->words.policy_id},
        {"sg_subjects_on", 2 * SG_SUBJECT_WORDS * sizeof(uint64_t), (void **)&m->words.subjects_on},
        {"sg_subject_epoch", sizeof(uint32_t), (void **)&m->words.subject_epoch},
        {"sg_host_mnt_ns", sizeof(uint32_t), (void **)&m->words.host_mnt_ns},
        {"sg_env_names", sizeof(struct sg_env_names), (void **)&m->words.env_names},
        {"sg_canary", sizeof(uint64_t), (void **)&m->words.canary},
        {"sg_cred_mode", sizeof(uint32_t), (void **)&m->words.cred_mode},
        {"sg_cred_epoch", sizeof(uint64_t), (void **)&m->words.cred_epoch},
    };

    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        struct object_variable v;
        char *mem = NULL;

        if (object_find_variable(object, wanted[i].name, &v) == 0 && v.size == wanted[i].size)
            mem = section_memory(m, v.section);
        if (!mem)
            return error_set(err, -EBADMSG, "the kernel programs do not share %s", wanted[i].name);
        *wanted[i].at = mem + v.offset;
    }
    return 0;
}

static int pin_path(const char *dir, const char *name, char *ret_path, size_t size)
{
    int n = snprintf(ret_path, size, "%s/%s", dir, name);

    return n > 0 && (size_t)n < size ? 0 : -ENAMETOOLONG;
}

static int make_and_pin(struct sensor *s, struct bpf_object *object, const char *dir,
                        struct error *err)
{
    struct bpf_map *map;

    bpf_object__for_each_map(map, object)
    {
        char name[32], path[SENSOR_PATH_MAX];
        int fd, r;

        if (!object_map_shared(map, name, sizeof(name)))
            continue;
        r = pin_path(dir, name, path, sizeof(path));
        if (r == 0 && bpf_obj_pin(bpf_map__fd(map), path) < 0)
            r = -errno;
        if (r < 0)
            return error_set(err, r, "map %s cannot be pinned in %s: %s", name, dir, strerror(-r));
        fd = fcntl(bpf_map__fd(map), F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
            return error_set(err, -errno, "map %s: %m", name);
        r = maps_add(&s->maps, name, fd);
        if (r < 0)
            return error_set(err, r, "map %s: %s", name, strerror(-r));
    }
    return words_find(&s->maps, object, err);
}

static int load_maps(struct bpf_object *object, struct error *err)
{
    struct capture log;
    int r;

    capture_begin(&log);
    // No program is wanted yet: this makes the maps.
    r = bpf_object__load(object);
    if (r < 0) {
        r = kernel_load_error(err, "the maps", r);
        capture_explain(&log, NULL, err);
        if (r == -EPERM)
            error_cure(err,
                       "run it as root; on kernels before 5.11 raise the limit of locked memory");
        else if (r == -ENOMEM)
            error_cure(err, "%s", SENSOR_MEMORY_CURE);
    }
    capture_end(&log);
    return r;
}

int maps_try(const struct sensor_probe *p, struct error *err)
{
    const struct sensor_capability *storage = probe_get(p, "inode-storage");
    _cleanup_free_ struct sensor *s = new0(struct sensor, 1);
    struct bpf_object *object = NULL;
    int r;

    if (!s)
        return error_set(err, -ENOMEM, "out of memory");
    s->attach = storage && storage->ok ? SENSOR_ATTACH_LSM : SENSOR_ATTACH_FMOD_RET;
    s->ring_bytes = 1;
    r = object_open(s, true, &object, err);
    if (r < 0)
        return r;
    r = load_maps(object, err);
    bpf_object__close(object);
    return r;
}

int maps_make(struct sensor *s, const char *dir, struct error *err)
{
    struct bpf_object *object = NULL;
    int r;

    r = object_open(s, true, &object, err);
    if (r < 0)
        return r;
    r = load_maps(object, err);
    if (r == 0)
        r = make_and_pin(s, object, dir, err);
    if (r < 0)
        maps_close(&s->maps);
    bpf_object__close(object);
    return r;
}

int maps_adopt(struct sensor *s, const char *dir, struct error *err)
{
    struct bpf_object *object = NULL;
    struct bpf_map *map;
    int r;

    r = object_open(s, true, &object, err);
    if (r < 0)
        return r;
    bpf_object__for_each_map(map, object)
    {
        char name[32], path[SENSOR_PATH_MAX];
        int fd;

        if (!object_map_shared(map, name, sizeof(name)))
            continue;
        r = pin_path(dir, name, path, sizeof(path));
        if (r < 0)
            break;
        fd = bpf_obj_get(path);
        r = fd < 0 ? -errno : maps_add(&s->maps, name, fd);
        if (r < 0) {
            (void)error_set(err, r, "pinned map %s: %s", path, strerror(-r));
            break;
        }
        if (s->maps.items[s->maps.n - 1].type != bpf_map__type(map) ||
            s->maps.items[s->maps.n - 1].value_size != bpf_map__value_size(map)) {
            r = error_set(err, -EBADMSG, "pinned map %s is of another kind", path);
            break;
        }
    }
    if (r == 0)
        r = words_find(&s->maps, object, err);
    if (r < 0)
        maps_close(&s->maps);
    bpf_object__close(object);
    return r;
}

void maps_close(struct maps *m)
{
    for (size_t i = 0; i < m->words.n_mapped; i++)
        (void)munmap(m->words.mapped[i].address, m->words.mapped[i].size);
    for (size_t i = 0; i < m->n; i++)
        (void)safe_close(m->items[i].fd);
    *m = (struct maps){};
}
