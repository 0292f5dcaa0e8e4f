// SPDX-License-Identifier: Apache-2.0
//
// What the kernel side of safeguard's own defence is told: whom it is about, which maps, programs and links are ours, and which rules
// of the policy in force yield to its window. Everything is in pinned maps: a window ends by itself.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"
#include "sensor/internal.h"
#include "sensor/where.h"

#define CGROUP2_MAGIC 0x63677270 // include/uapi/linux/magic.h
#define MOUNTINFO_MAX ((size_t)16 << 20)
#define IDS_MAX       1024

const char *guard_cgroup_root(void)
{
    static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    struct statfs fs;

    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        if (statfs(places[i], &fs) == 0 && fs.f_type == CGROUP2_MAGIC)
            return places[i];
    return NULL;
}

int guard_adopt(struct sensor *s)
{
    uint32_t zero = 0;

    return bpf_map_lookup_elem(map_fd(s, "sg_guards"), &zero, &s->guard) < 0 ? -errno : 0;
}

int guard_write(struct sensor *s)
{
    uint32_t zero = 0;

    return bpf_map_update_elem(map_fd(s, "sg_guards"), &zero, &s->guard, BPF_ANY) < 0 ? -errno : 0;
}

int sensor_guard(struct sensor *s, const struct sensor_guard *g)
{
    s->guard.unlocked_until_ns = g->unlocked_until_ns;
    s->guard.alive_ns = g->alive_ns;
    s->guard.ending = g->ending;
    s->guard.on = g->on;
    s->guard.cgroup = g->cgroup;
    memcpy(s->guard.programs, g->programs, sizeof(s->guard.programs));
    return guard_write(s);
}

void sensor_guard_before(const struct sensor *s, struct sensor_guard *ret)
{
    *ret = (struct sensor_guard){
        .unlocked_until_ns = s->guard.unlocked_until_ns,
        .on = s->guard.on,
    };
    memcpy(ret->programs, s->guard.programs, sizeof(ret->programs));
}

bool guard_is_up(const struct sensor *s)
{
    return s->guard.on && s->guard.unlocked_until_ns <= now_ns(CLOCK_BOOTTIME);
}

void guard_policy_changed(struct sensor *s)
{
    bool on = s->wants.features & SENSOR_FEATURE_DEFENCE;

    s->guard.policy_id = s->policy_id;
    s->guard.first_rule = s->guard_first;
    s->guard.n_rules = on ? s->guard_rules : 0;
    (void)guard_write(s);
}

int sensor_guard_program(const char *path, uint32_t whom, struct sg_guard_program *ret)
{
    _cleanup_free_ char *real = realpath(path, NULL), *mountinfo = NULL;
    struct where where;
    struct stat st;
    size_t len;
    int r;

    if (!real || stat(real, &st) < 0)
        return -errno;
    r = read_file_bounded(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &mountinfo, &len);
    // Not st_dev: some file systems give each of their parts a device of its own.
    r = r < 0 ? r : where_find(mountinfo, len, real, &where);
    if (r < 0)
        return r;
    *ret = (struct sg_guard_program){.ino = st.st_ino, .dev = where.dev, .whom = whom};
    return 0;
}

struct ids {
    struct sg_guard_id items[IDS_MAX];
    size_t n;
};

static void ids_add(struct ids *ids, enum sg_guard_kind kind, uint32_t id)
{
    if (id && ids->n < ARRAY_SIZE(ids->items))
        ids->items[ids->n++] = (struct sg_guard_id){kind, id};
}

static bool ids_have(const struct ids *ids, const struct sg_guard_id *id)
{
    for (size_t i = 0; i < ids->n; i++)
        if (ids->items[i].kind == id->kind && ids->items[i].id == id->id)
            return true;
    return false;
}

static void collect_ids(const struct sensor *s, struct ids *ids)
{
    uint32_t zero = 0, image = 0;

    for (size_t i = 0; i < s->maps.n; i++) {
        struct bpf_map_info info = {};
        uint32_t len = sizeof(info);

        if (bpf_obj_get_info_by_fd(s->maps.items[i].fd, &info, &len) == 0)
            ids_add(ids, SG_GUARD_MAP_ID, info.id);
    }
    // What is asked of a map of maps is the other's id.
    if (bpf_map_lookup_elem(map_fd(s, "sg_images"), &zero, &image) == 0)
        ids_add(ids, SG_GUARD_MAP_ID, image);
    for (size_t i = 0; i < s->links.n; i++) {
        struct bpf_link_info info = {};
        uint32_t len = sizeof(info);

        ids_add(ids, SG_GUARD_PROG_ID, s->links.items[i].prog_id);
        if (bpf_obj_get_info_by_fd(bpf_link__fd(s->links.items[i].link), &info, &len) == 0)
            ids_add(ids, SG_GUARD_LINK_ID, info.id);
    }
}

void guard_ids(struct sensor *s)
{
    _cleanup_free_ struct ids *ids = calloc(1, sizeof(*ids));
    int fd = map_fd(s, "sg_guard_ids");
    struct sg_guard_id key, last, *at = NULL;
    uint32_t one = 1;

    if (!ids || fd < 0)
        return;
    collect_ids(s, ids);
    for (size_t i = 0; i < ids->n; i++)
        (void)bpf_map_update_elem(fd, &ids->items[i], &one, BPF_ANY);
    // What is not ours any more may be somebody else's next. A key that was removed has no next one: from the start again.
    while (bpf_map_get_next_key(fd, at, &key) == 0) {
        if (!ids_have(ids, &key)) {
            if (bpf_map_delete_elem(fd, &key) < 0)
                return;
            at = NULL;
            continue;
        }
        last = key;
        at = &last;
    }
}

int sensor_guard_counts(struct sensor *s, uint64_t ret[SG_GUARD_COUNTS])
{
    uint64_t counts[SG_GUARD_COUNTS] = {};
    int fd = map_fd(s, "sg_guard_counts");

    for (uint32_t i = 0; i < SG_GUARD_COUNTS; i++)
        if (bpf_map_lookup_elem(fd, &i, &counts[i]) < 0)
            return -errno;
    memcpy(ret, counts, sizeof(counts));
    return 0;
}

size_t sensor_guard_attached(const struct sensor *s, char *ret_missing, size_t size)
{
    const struct extra_row *row;
    size_t n = 0;

    *ret_missing = '\0';
    for (size_t i = 0; (row = extra_row(i)); i++) {
        const struct choice *c = &s->choices.extras[i];

        if (row->feature != SENSOR_FEATURE_DEFENCE)
            continue;
        if (links_of(&s->links, c))
            n++;
        else if (!*ret_missing)
            (void)snprintf(ret_missing, size, "%s%s%s", row->without, *c->reason ? ": " : "",
                           c->reason);
    }
    return n;
}
