// SPDX-License-Identifier: Apache-2.0
#include "sensor/object.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/macro.h"
#include "sensor/capture.h"
#include "sensor/internal.h"
#include "sensor/kernel.h"

#define RING_BYTES_DEFAULT (8u << 20)
#define RING_BYTES_MAX     (256u << 20)

bool object_map_shared(const struct bpf_map *map, char *ret_name, size_t size)
{
    const char *name = bpf_map__name(map), *dot = strchr(name, '.');

    if (dot && !streq(dot, ".bss") && !streq(dot, ".data"))
        return false;
    (void)snprintf(ret_name, size, "%s", dot ? dot + 1 : name);
    return true;
}

int object_find_variable(const struct bpf_object *object, const char *name,
                         struct object_variable *ret)
{
    const char *const sections[] = {".bss", ".data", ".rodata"};
    const struct btf *btf = bpf_object__btf(object);

    for (size_t s = 0; s < ARRAY_SIZE(sections); s++) {
        int id = btf__find_by_name_kind(btf, sections[s], BTF_KIND_DATASEC);
        const struct btf_type *section = id < 0 ? NULL : btf__type_by_id(btf, (uint32_t)id);

        for (int i = 0; section && i < btf_vlen(section); i++) {
            const struct btf_var_secinfo *v = btf_var_secinfos(section) + i;
            const struct btf_type *var = btf__type_by_id(btf, v->type);

            if (!streq(strempty(btf__name_by_offset(btf, var->name_off)), name))
                continue;
            *ret = (struct object_variable){sections[s], v->offset, v->size};
            return 0;
        }
    }
    return -ENOENT;
}

// Sets a constant of the programs, of the size that it has there.
static void set_bytes(struct bpf_object *object, const char *name, const void *value, size_t n)
{
    struct object_variable v;
    struct bpf_map *map;

    // A build may do without one.
    if (object_find_variable(object, name, &v) < 0 || !streq(v.section, ".rodata"))
        return;
    bpf_object__for_each_map(map, object)
    {
        const char *dot = strchr(bpf_map__name(map), '.');
        size_t size = 0;
        // libbpf lends it as const, for reading after the load; before the load it is what will be loaded.
        char *mem = (char *)(uintptr_t)bpf_map__initial_value(map, &size);

        if (dot && streq(dot, v.section) && mem && v.size <= n && (size_t)v.offset + v.size <= size)
            memcpy(mem + v.offset, value, v.size);
    }
}

static void set_constant(struct bpf_object *object, const char *name, uint64_t value)
{
    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
                   "any size begins with the lowest bytes");
    set_bytes(object, name, &value, sizeof(value));
}

// What sums in the kernel are made with that nobody must be able to make equal. -errno: no random numbers.
static int set_factors(struct bpf_object *object)
{
    uint64_t factors[SG_FACTORS];

    if (getrandom(factors, sizeof(factors), 0) != (ssize_t)sizeof(factors))
        return errno > 0 ? -errno : -EIO;
    for (size_t i = 0; i < ARRAY_SIZE(factors); i++)
        factors[i] |= 1;
    set_bytes(object, "sg_factors", factors, sizeof(factors));
    return 0;
}

static uint32_t ring_bytes(uint32_t wanted, bool half)
{
    uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE), n = page;

    wanted = MIN(wanted ? wanted : RING_BYTES_DEFAULT, RING_BYTES_MAX) >> half;
    while (n < wanted)
        n <<= 1;
    return n;
}

int map_fd(const struct sensor *s, const char *name)
{
    for (size_t i = 0; i < s->maps.n; i++)
        if (streq(s->maps.items[i].name, name))
            return s->maps.items[i].fd;
    return -ENOENT;
}

static bool has_task_storage(const struct sensor_probe *p)
{
    for (size_t i = 0; i < p->n_capabilities; i++)
        if (streq(p->capabilities[i].id, "task-storage"))
            return p->capabilities[i].ok;
    return false;
}

static bool lives_twice(const struct sensor *s)
{
    return choice_extra(&s->choices, "tp_exec_again") != NULL;
}

// Sizes and kinds for this kernel; the descriptor when there is one already.
static int fit_map(const struct sensor *s, struct bpf_map *map)
{
    char name[32];
    int r = 0, fd;

    if (!object_map_shared(map, name, sizeof(name)))
        return 0;
    // Lives of processes are short records, and known from procfs, too.
    if (bpf_map__type(map) == BPF_MAP_TYPE_RINGBUF && !streq(name, "sg_stops_told"))
        r = bpf_map__set_max_entries(map, ring_bytes(s->ring_bytes, streq(name, "sg_process")));
    if (r == 0 && bpf_map__type(map) == BPF_MAP_TYPE_INODE_STORAGE &&
        s->attach != SENSOR_ATTACH_LSM) {
        // Kernels without bpf among their security modules refuse this kind, and none of the programs
        // that are loaded there uses it.
        r = bpf_map__set_type(map, BPF_MAP_TYPE_ARRAY);
        r = r < 0 ? r : bpf_map__set_map_flags(map, 0);
        r = r < 0 ? r : bpf_map__set_max_entries(map, 1);
    }
    if (r == 0 && bpf_map__type(map) == BPF_MAP_TYPE_TASK_STORAGE && !has_task_storage(&s->probe)) {
        // Likewise: programs ask whether the kernel has the helper.
        r = bpf_map__set_type(map, BPF_MAP_TYPE_ARRAY);
        r = r < 0 ? r : bpf_map__set_map_flags(map, 0);
        r = r < 0 ? r : bpf_map__set_max_entries(map, 1);
    }
    if (r == 0 && streq(name, "sg_lives") && !lives_twice(s))
        r = bpf_map__set_max_entries(map, 1); // nobody uses it
    fd = map_fd(s, name);
    if (r == 0 && fd >= 0)
        r = bpf_map__reuse_fd(map, fd);
    return r;
}

int object_open(struct sensor *s, bool typed, struct bpf_object **ret, struct error *err)
{
    LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "safeguard");
    struct bpf_object *object;
    struct bpf_program *program;
    struct capture log;
    struct bpf_map *map;
    const void *bytes;
    size_t len;
    int r;

    bytes = object_bytes(&len);
    capture_begin(&log);
    object = bpf_object__open_mem(bytes, len, &opts);
    r = (int)libbpf_get_error(object);
    if (r < 0) {
        (void)error_set(err, r, "the kernel programs cannot be read");
        capture_explain(&log, NULL, err);
        capture_end(&log);
        return r;
    }
    capture_end(&log);
    bpf_object__for_each_program(program, object)(void) bpf_program__set_autoload(program, false);
    bpf_object__for_each_map(map, object)
    {
        r = fit_map(s, map);
        if (r < 0) {
            r = error_set(err, r, "map %s: %s", bpf_map__name(map), strerror(-r));
            bpf_object__close(object);
            return r;
        }
    }
    set_constant(object, "sg_typed", typed);
    set_constant(object, "sg_rename_lock", s->rename_lock);
    set_constant(object, "sg_init_cred", s->init_cred);
    set_constant(object, "sg_agent_tgid", (uint64_t)getpid());
    set_constant(object, "sg_record_only", !s->enforcing);
    set_constant(object, "sg_lives_twice", lives_twice(s));
    set_constant(object, "sg_overlay_wraps", kernel_version(s->probe.release) >= KERNEL(6, 13));
    set_constant(object, "sg_stopped_by_hook",
                 choice_extra(&s->choices, "lsm_exec_begins") != NULL);
    r = set_factors(object);
    if (r < 0) {
        bpf_object__close(object);
        return error_set(err, r, "the kernel has no random numbers for the programs: %s",
                         strerror(-r));
    }
    *ret = object;
    return 0;
}
