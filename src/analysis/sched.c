// SPDX-License-Identifier: Apache-2.0
#include "analysis/sched.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"

#define LINKS_MAX 8
#define PROCESSES 16384u                                  // of one reading
#define TOLD_MAX  (131072 * sizeof(struct sg_sched_told)) // bytes
#define LOG_BYTES (4u << 20)

struct sched {
    struct bpf_object *object;
    struct bpf_link *links[LINKS_MAX];
    size_t n_links;
    struct bpf_link *each; // the iterator
    int processes, hosts;  // maps, on loan from the object
    int n_cpus;
    uint64_t forgotten; // processes that had ended
    uint64_t unknown;   // switches before all tasks were listed
};

struct sched *sched_close(struct sched *s)
{
    if (!s)
        return NULL;
    for (size_t i = 0; i < s->n_links; i++)
        (void)bpf_link__destroy(s->links[i]);
    (void)bpf_link__destroy(s->each);
    bpf_object__close(s->object);
    free(s);
    return NULL;
}

// What this kernel has, from its types.
struct kernel_has {
    bool task_storage;
    int switch_args; // 0: no such tracepoint
};

static bool has_member(const struct btf *btf, const char *type, const char *member)
{
    int id = btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT);
    const struct btf_type *t = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;

    for (int i = 0; t && i < btf_vlen(t); i++)
        if (streq(btf__name_by_offset(btf, btf_members(t)[i].name_off), member))
            return true;
    return false;
}

// What it has to be built with. The distributions that safeguard is made for do.
static int check_notes(const struct btf *btf, struct error *err)
{
    static const struct {
        const char *type, *member, *option;
    } needed[] = {
        {"sched_info", "last_arrival", "CONFIG_SCHED_INFO"},
        {"cfs_rq", "rq", "CONFIG_FAIR_GROUP_SCHED"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
        if (!has_member(btf, needed[i].type, needed[i].member))
            return error_set(err, -ENOTSUP, "this kernel was built without %s", needed[i].option);
    return 0;
}

static int look_at_kernel(struct kernel_has *ret, struct error *err)
{
    struct btf *btf = btf__load_vmlinux_btf();
    const struct btf_type *t, *helpers;
    int r = (int)libbpf_get_error(btf), id;

    if (r < 0)
        return error_set(err, -ENOTSUP, "the kernel has no type information: %s", strerror(-r));
    *ret = (struct kernel_has){};
    id = btf__find_by_name_kind(btf, "btf_trace_sched_switch", BTF_KIND_TYPEDEF);
    t = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
    t = t ? btf__type_by_id(btf, t->type) : NULL; // the pointer
    t = t ? btf__type_by_id(btf, t->type)
          : NULL; // the function, with one argument of its own in front
    if (t && btf_is_func_proto(t))
        ret->switch_args = btf_vlen(t) - 1;
    id = btf__find_by_name_kind(btf, "bpf_func_id", BTF_KIND_ENUM);
    helpers = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
    for (int i = 0; helpers && i < btf_vlen(helpers); i++)
        if (streq(btf__name_by_offset(btf, btf_enum(helpers)[i].name_off),
                  "BPF_FUNC_task_storage_get"))
            ret->task_storage = true;
    r = check_notes(btf, err);
    btf__free(btf);
    if (r < 0)
        return r;
    if (ret->switch_args != 3 && ret->switch_args != 4)
        return error_set(err, -ENOTSUP,
                         "the tracepoint sched_switch of this kernel has %d arguments, not 3 or 4",
                         ret->switch_args);
    return 0;
}

static int shrink(struct bpf_map *map, enum bpf_map_type type)
{
    int r = bpf_map__set_type(map, type);

    r = r < 0 ? r : bpf_map__set_map_flags(map, 0);
    return r < 0 ? r : bpf_map__set_max_entries(map, 1);
}

// Leaves out what this kernel lacks or does not need.
static int fit(struct bpf_object *object, const struct kernel_has *has)
{
    const char *unused = has->switch_args == 4 ? "sched_switch_3" : "sched_switch_4";
    struct bpf_program *program;
    struct bpf_map *map;
    int r = 0;

    bpf_object__for_each_program(program, object)
    {
        const char *name = bpf_program__name(program);

        if (streq(name, unused))
            r = r < 0 ? r : bpf_program__set_autoload(program, false);
    }
    bpf_object__for_each_map(map, object)
    {
        const char *name = bpf_map__name(map);

        if (streq(name, "sched_tasks") && !has->task_storage)
            r = r < 0 ? r : shrink(map, BPF_MAP_TYPE_ARRAY);
        else if (streq(name, "sched_addresses") && has->task_storage)
            r = r < 0 ? r : bpf_map__set_max_entries(map, 1);
    }
    return r;
}

static int load(struct sched *s, struct error *err)
{
    _cleanup_free_ char *log = new0(char, LOG_BYTES);
    LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "sg_sched", .kernel_log_buf = log,
                .kernel_log_size = LOG_BYTES);
    struct kernel_has has = {};
    const void *bytes;
    size_t len;
    int r;

    if (!log)
        return error_set(err, -ENOMEM, "out of memory");
    r = look_at_kernel(&has, err);
    if (r < 0)
        return r;
    bytes = sched_object_bytes(&len);
    s->object = bpf_object__open_mem(bytes, len, &opts);
    r = (int)libbpf_get_error(s->object);
    if (r < 0) {
        s->object = NULL;
        return error_set(err, r, "the programs that look at scheduling cannot be read: %s",
                         strerror(-r));
    }
    r = fit(s->object, &has);
    r = r < 0 ? r : bpf_object__load(s->object);
    if (r < 0)
        return error_kernel_refused(err, r, "that look at scheduling", log);
    s->processes = bpf_object__find_map_fd_by_name(s->object, "sched_processes");
    s->hosts = bpf_object__find_map_fd_by_name(s->object, "sched_hosts");
    s->n_cpus = libbpf_num_possible_cpus();
    return s->n_cpus < 0 ? error_set(err, s->n_cpus, "the number of CPUs: %m") : 0;
}

// Runs the iterator: what it writes is a struct sg_sched_told each.
static int each_task(struct sched *s, char **ret, size_t *ret_len)
{
    _cleanup_close_ int fd = bpf_iter_create(bpf_link__fd(s->each));

    if (fd < 0)
        return fd;
    return read_fd_bounded(fd, TOLD_MAX, ret, ret_len);
}

static int read_host(struct sched *s, struct sched_reading *r)
{
    _cleanup_free_ struct sg_sched_host *cpus = new0(struct sg_sched_host, (size_t)s->n_cpus);
    uint32_t zero = 0;

    if (!cpus)
        return -ENOMEM;
    if (bpf_map_lookup_elem(s->hosts, &zero, cpus) < 0)
        return -errno;
    for (int cpu = 0; cpu < s->n_cpus; cpu++) {
        r->host.switches += cpus[cpu].switches;
        r->host.delay_ns += cpus[cpu].delay_ns;
        r->host.created += cpus[cpu].created;
        r->host.full += cpus[cpu].full;
        r->host.unknown += cpus[cpu].unknown;
        for (int i = 0; i < SG_SCHED_SLOTS; i++)
            r->host.delays[i] += cpus[cpu].delays[i];
    }
    r->host.unknown -= MIN(s->unknown, (uint64_t)r->host.unknown);
    return 0;
}

static int attach(struct sched *s, struct error *err)
{
    struct bpf_program *program;
    _cleanup_free_ char *text = NULL;
    struct sched_reading first = {};
    int r;

    bpf_object__for_each_program(program, s->object)
    {
        bool each = streq(bpf_program__name(program), "sched_each");
        struct bpf_link *link;

        if (!bpf_program__autoload(program))
            continue;
        link = bpf_program__attach(program);
        r = (int)libbpf_get_error(link);
        if (r < 0)
            return error_set(err, r, "program %s cannot be attached: %s",
                             bpf_program__name(program), strerror(-r));
        if (each)
            s->each = link;
        else if (s->n_links < LINKS_MAX)
            s->links[s->n_links++] = link;
        else
            (void)bpf_link__destroy(link);
    }
    // Tasks that are older than the programs.
    r = each_task(s, &text, NULL);
    if (r < 0 && r != -EFBIG)
        return error_set(err, r, "the tasks cannot be listed: %s", strerror(-r));
    r = read_host(s, &first);
    s->unknown = first.host.unknown;
    return r < 0 ? error_set(err, r, "the sums cannot be read: %s", strerror(-r)) : 0;
}

int sched_open(struct sched **ret, struct error *err)
{
    _cleanup_(sched_closep) struct sched *s = new0(struct sched, 1);
    int r;

    if (!s)
        return error_set(err, -ENOMEM, "out of memory");
    r = load(s, err);
    r = r < 0 ? r : attach(s, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(s);
    return 0;
}

void sched_reading_done(struct sched_reading *r)
{
    free(r->items);
    *r = (struct sched_reading){};
}

int sched_key_cmp(const void *a, const void *b)
{
    const struct sg_sched_key *x = a, *y = b;

    if (x->tgid != y->tgid)
        return x->tgid < y->tgid ? -1 : 1;
    return (x->start_ns > y->start_ns) - (x->start_ns < y->start_ns);
}

const struct sched_process *sched_find(const struct sched_reading *r,
                                       const struct sg_sched_key *key)
{
    return r->n ? bsearch(key, r->items, r->n, sizeof(*r->items), sched_key_cmp) : NULL;
}

static void add_sums(struct sched_process *to, const struct sched_process *more)
{
    to->sums.on_ns += more->sums.on_ns;
    for (int i = 0; i < SG_SCHED_REASONS; i++)
        to->sums.off_ns[i] += more->sums.off_ns[i];
    to->sums.delay_ns += more->sums.delay_ns;
    to->sums.switches += more->sums.switches;
    to->sums.involuntary += more->sums.involuntary;
    for (int i = 0; i < SG_SCHED_SLOTS; i++)
        to->sums.delays[i] += more->sums.delays[i];
    to->ended |= more->ended;
}

// Sorts, and leaves one of each: what is there again is added to the first, or dropped (`add` NULL).
static void make_one_of_each(struct sched_reading *r, void (*add)(struct sched_process *to,
                                                                  const struct sched_process *more))
{
    size_t n = 0;

    if (r->n)
        qsort(r->items, r->n, sizeof(*r->items), sched_key_cmp);
    for (size_t i = 0; i < r->n; i++) {
        if (n == 0 || sched_key_cmp(&r->items[n - 1], &r->items[i]) != 0)
            r->items[n++] = r->items[i];
        else if (add)
            add(&r->items[n - 1], &r->items[i]);
    }
    r->n = n;
}

void sched_merge(struct sched_reading *r)
{
    make_one_of_each(r, add_sums);
    r->untold += r->n > PROCESSES ? r->n - PROCESSES : 0;
    r->n = MIN(r->n, (size_t)PROCESSES);
}

static int add_tasks(struct sched_reading *r, const struct sg_sched_told *told, size_t n)
{
    if (!GREEDY(r->items, r->cap, r->n + n))
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        r->items[r->n++] = (struct sched_process){.key = told[i].process, .sums = told[i].sums};
    return 0;
}

static int read_processes(struct sched *s, struct sched_reading *r)
{
    struct sg_sched_key key, *at = NULL;
    struct sg_sched_process left;

    // One by one: the calls for many at once are not there for this kind of map on every kernel.
    while (bpf_map_get_next_key(s->processes, at, &key) == 0) {
        at = &key;
        if (r->n == PROCESSES) {
            r->untold++;
            break;
        }
        if (!GREEDY(r->items, r->cap, r->n + 1))
            return -ENOMEM;
        if (bpf_map_lookup_elem(s->processes, &key, &left) == 0)
            r->items[r->n++] =
                (struct sched_process){.key = key, .sums = left.sums, .ended = left.ended != 0};
    }
    // A walk that somebody made begin again has seen some twice.
    make_one_of_each(r, NULL);
    return 0;
}

// After the walk: a key that is gone would make it begin again.
static void forget_ended(struct sched *s, struct sched_reading *r)
{
    uint64_t known = r->n + s->forgotten;

    r->evicted = r->host.created > known && r->untold == 0 ? r->host.created - known : 0;
    for (size_t i = 0; i < r->n; i++)
        if (r->items[i].ended && bpf_map_delete_elem(s->processes, &r->items[i].key) == 0)
            s->forgotten++;
}

int sched_read(struct sched *s, struct sched_reading *ret)
{
    _cleanup_(sched_reading_done) struct sched_reading reading = {};
    _cleanup_free_ char *text = NULL;
    size_t len = 0, n;
    int r;

    // Tasks first: what ends meanwhile is in its process as well, and too much for a moment, not lost.
    r = each_task(s, &text, &len);
    if (r == -EFBIG)
        reading.untold++;
    else if (r < 0)
        return r;
    n = r < 0 ? 0 : len / sizeof(struct sg_sched_told);
    r = read_processes(s, &reading);
    r = r < 0 ? r : read_host(s, &reading);
    if (r < 0)
        return r;
    forget_ended(s, &reading);
    r = add_tasks(&reading, (const struct sg_sched_told *)text, n);
    if (r < 0)
        return r;
    sched_merge(&reading);
    *ret = reading;
    reading = (struct sched_reading){};
    return 0;
}
