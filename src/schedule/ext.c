// SPDX-License-Identifier: Apache-2.0
#include "schedule/ext.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"

#define LOG_BYTES  65536
#define IN_CHARGE  "/sys/kernel/sched_ext/root/ops"
#define NAME_BYTES 160

// Of the kernel's bpf.h from 6.4 on. Without the flag the scheduler would outlive this process.
#define MAP_WITH_LINK     (1u << 13)
#define ATTACH_STRUCT_OPS 44

struct ext {
    struct bpf_object *object;
    int link;
    const struct sg_ext_state *state; // mapped; NULL: not yet
};

struct ext *ext_close(struct ext *e)
{
    if (!e)
        return NULL;
    (void)safe_close(e->link);
    if (e->state)
        (void)munmap((void *)(uintptr_t)e->state, sizeof(*e->state));
    bpf_object__close(e->object);
    free(e);
    return NULL;
}

static bool has_member(const struct btf *btf, const char *type, const char *member)
{
    int id = btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT);
    const struct btf_type *t = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;

    for (int i = 0; t && i < btf_vlen(t); i++)
        if (streq(strempty(btf__name_by_offset(btf, btf_members(t)[i].name_off)), member))
            return true;
    return false;
}

static int look_at_kernel(struct sg_ext_constants *ret, struct error *err)
{
    struct btf *btf = btf__load_vmlinux_btf();
    bool has, quotas, set_slice;
    int r = (int)libbpf_get_error(btf);

    if (r < 0)
        return error_set(err, -ENOTSUP, "the kernel has no type information: %s", strerror(-r));
    has = has_member(btf, "sched_ext_ops", "enqueue");
    quotas = has_member(btf, "sched_ext_ops", "cgroup_set_bandwidth");
    set_slice = btf__find_by_name_kind(btf, "scx_bpf_task_set_slice", BTF_KIND_FUNC) > 0;
    btf__free(btf);
    if (!has)
        return error_set(err, -ENOTSUP, "this kernel has no sched_ext");
    if (!quotas)
        return error_set(err, -ENOTSUP,
                         "sched_ext of this kernel says nothing of quotas (before 6.17)");
    *ret = (struct sg_ext_constants){.online = (int)sysconf(_SC_NPROCESSORS_ONLN),
                                     .set_slice = set_slice};
    return 0;
}

int ext_supported(struct error *err)
{
    struct sg_ext_constants constants;

    return look_at_kernel(&constants, err);
}

// The kernel may call these where they can wait.
static bool may_sleep(const char *program)
{
    static const char *const names[] = {"ext_init", "ext_init_task", "ext_cgroup_init",
                                        "ext_cgroup_exit"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (streq(names[i], program))
            return true;
    return false;
}

static int put_constants(struct bpf_map *map, const struct sg_ext_constants *constants)
{
    size_t size = 0;
    // libbpf lends it as const, for reading after the load; before the load it is what will be loaded.
    void *mem = (void *)(uintptr_t)bpf_map__initial_value(map, &size);

    if (!mem || size != sizeof(*constants))
        return -EINVAL;
    memcpy(mem, constants, sizeof(*constants));
    return 0;
}

static int prepare(struct bpf_object *object, const struct sg_ext_constants *constants)
{
    struct bpf_program *program;
    struct bpf_map *map;
    int r = 0;

    bpf_object__for_each_program(program, object)
    {
        if (may_sleep(bpf_program__name(program)))
            r = r < 0 ? r : bpf_program__set_flags(program, BPF_F_SLEEPABLE);
    }
    bpf_object__for_each_map(map, object)
    {
        if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS)
            r = r < 0 ? r : bpf_map__set_map_flags(map, MAP_WITH_LINK);
        else if (strstr(bpf_map__name(map), ".rodata"))
            r = r < 0 ? r : put_constants(map, constants);
    }
    return r;
}

static int explain_load(struct error *err, int r, const char *log)
{
    // The last line but one says what was refused, the last one counts.
    const char *line = str_last_lines(log, 2);

    return error_set(err, r, "the kernel refused the scheduler: %s%s%.200s", strerror(-r),
                     *line ? ": " : "", line);
}

static int load(struct ext *e, struct error *err)
{
    _cleanup_free_ char *log = new0(char, LOG_BYTES);
    LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "sg_ext", .kernel_log_buf = log,
                .kernel_log_size = LOG_BYTES);
    struct sg_ext_constants constants = {};
    const void *bytes;
    void *state;
    size_t len;
    int r;

    if (!log)
        return error_set(err, -ENOMEM, "out of memory");
    r = look_at_kernel(&constants, err);
    if (r < 0)
        return r;
    bytes = ext_object_bytes(&len);
    e->object = bpf_object__open_mem(bytes, len, &opts);
    r = (int)libbpf_get_error(e->object);
    if (r < 0) {
        e->object = NULL;
        return error_set(err, r, "the scheduler cannot be read: %s", strerror(-r));
    }
    r = prepare(e->object, &constants);
    if (r < 0)
        return error_set(err, r, "the scheduler cannot be prepared: %s", strerror(-r));
    r = bpf_object__load(e->object);
    if (r < 0)
        return explain_load(err, r, log);
    state = mmap(NULL, sizeof(*e->state), PROT_READ, MAP_SHARED,
                 bpf_object__find_map_fd_by_name(e->object, "ext_state"), 0);
    if (state == MAP_FAILED)
        return error_set(err, -errno, "what the scheduler says cannot be seen: %m");
    e->state = state;
    return 0;
}

// Two steps: the operations become part of the map, then a link puts them in charge, for as long as it is open.
static int attach(struct ext *e, struct error *err)
{
    const struct bpf_map *map = bpf_object__find_map_by_name(e->object, "ext_ops");
    struct bpf_link *filled = bpf_map__attach_struct_ops(map);
    int r = (int)libbpf_get_error(filled), fd;
    _cleanup_free_ char *name = NULL;

    if (r < 0)
        return error_set(err, r, "the kernel does not take the scheduler: %s", strerror(-r));
    bpf_link__disconnect(filled);
    (void)bpf_link__destroy(filled);
    fd = bpf_link_create(bpf_map__fd(map), 0, (enum bpf_attach_type)ATTACH_STRUCT_OPS, NULL);
    if (fd >= 0) {
        e->link = fd;
        return 0;
    }
    r = fd;
    if (r == -EBUSY && read_file_bounded(AT_FDCWD, IN_CHARGE, NAME_BYTES, &name, NULL) >= 0) {
        name[strcspn(name, "\n")] = '\0';
        return error_set(err, r, "another scheduler is in charge by sched_ext: %s", name);
    }
    if (e->state->ended)
        return error_set(err, r, "the scheduler did not come into charge: %s: %s", e->state->reason,
                         e->state->text);
    return error_set(err, r, "the scheduler cannot be put in charge: %s", strerror(-r));
}

int ext_open(struct ext **ret, struct error *err)
{
    _cleanup_(ext_closep) struct ext *e = new0(struct ext, 1);
    int r;

    if (!e)
        return error_set(err, -ENOMEM, "out of memory");
    e->link = -1;
    r = load(e, err);
    r = r < 0 ? r : attach(e, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(e);
    return 0;
}

void ext_read(const struct ext *e, struct sg_ext_state *ret, struct error *err)
{
    bool ended = __atomic_load_n(&e->state->ended, __ATOMIC_ACQUIRE);

    *ret = *e->state;
    ret->ended = ended;
    ret->reason[sizeof(ret->reason) - 1] = ret->text[sizeof(ret->text) - 1] = '\0';
    if (ended)
        (void)error_set(err, -ECANCELED, "the kernel took the scheduler out of charge: %s%s%s",
                        ret->reason, *ret->text ? ": " : "", ret->text);
}
