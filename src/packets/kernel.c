// SPDX-License-Identifier: Apache-2.0
//
// The object, its tables, and how a policy takes the place of another.
//
// There are two halves; programs look at the one that packet_control names. The next policy is put into the other one, then named.
// Writing to a table of tables returns when no program can still see what was there: that is how the half which was left is known to
// be free.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "packets/internal.h"

#define LOG_BYTES (4u << 20)
#define FEW       64u // entries of a table that no rule needs

// Tables that a new object takes over from the one before: connections go on.
static const char *const kept[] = {"packet_conns", "packet_limits"};

static bool is_alike(const struct bpf_map *map, int fd)
{
    struct bpf_map_info info = {};
    uint32_t len = sizeof(info);

    return bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && info.type == bpf_map__type(map) &&
           info.key_size == bpf_map__key_size(map) && info.value_size == bpf_map__value_size(map) &&
           info.max_entries == bpf_map__max_entries(map);
}

static void path_of(const struct packets *p, const char *name, char path[PACKETS_PATH_MAX])
{
    (void)snprintf(path, PACKETS_PATH_MAX, "%.400s/%s", p->pin_dir, name);
}

static int take_over(struct packets *p)
{
    char path[PACKETS_PATH_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        struct bpf_map *map = bpf_object__find_map_by_name(p->object, kept[i]);
        int fd, r;

        path_of(p, kept[i], path);
        fd = bpf_obj_get(path);
        if (fd < 0)
            continue;
        r = is_alike(map, fd) ? bpf_map__reuse_fd(map, fd) : 0;
        (void)safe_close(fd);
        if (r < 0)
            return r;
    }
    return 0;
}

static int pin_kept(struct packets *p)
{
    char path[PACKETS_PATH_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        path_of(p, kept[i], path);
        (void)unlink(path);
        if (bpf_obj_pin(packets_map(p, kept[i]), path) < 0)
            return -errno;
    }
    return 0;
}

int packets_map(const struct packets *p, const char *name)
{
    return bpf_object__find_map_fd_by_name(p->object, name);
}

// By what the kernel calls it, since a patch may have brought it to an older one.
static bool knows_tables(void)
{
    struct btf *btf = btf__load_vmlinux_btf();
    bool found = false;

    if (libbpf_get_error(btf))
        return false;
    for (uint32_t id = 1; !found && id < btf__type_cnt(btf); id++) {
        const struct btf_type *t = btf__type_by_id(btf, id);
        const struct btf_enum *e = btf_enum(t);

        if (!btf_is_enum(t))
            continue;
        for (uint16_t i = 0; !found && i < btf_vlen(t); i++)
            found = streq(btf__name_by_offset(btf, e[i].name_off), "BPF_FIB_LOOKUP_TBID");
    }
    btf__free(btf);
    return found;
}

static int size_tables(struct packets *p, const struct packet_rules *rules)
{
    struct bpf_map *conns = bpf_object__find_map_by_name(p->object, "packet_conns");
    struct bpf_map *limits = bpf_object__find_map_by_name(p->object, "packet_limits");
    int r = 0;

    p->rewrites = p->limits = false;
    for (size_t i = 0; i < rules->n; i++) {
        p->rewrites = p->rewrites || rules->items[i].actions & SG_PACKET_DO_REWRITE;
        p->limits = p->limits || rules->items[i].actions & SG_PACKET_DO_LIMIT;
    }
    if (!p->rewrites)
        r = bpf_map__set_max_entries(conns, FEW);
    if (r == 0 && !p->limits)
        r = bpf_map__set_max_entries(limits, FEW);
    return r;
}

static int on_record(void *ctx, void *data, size_t len)
{
    struct packets *p = ctx;
    const struct sg_packet_record *record = data;
    struct packet_event e = {};

    if (len < sizeof(*record) || record->size != sizeof(*record) || !p->compiled || !p->fn)
        return 0;
    // A rule of a policy that was is not there any more.
    if (record->kind.generation != p->generation || record->kind.rule >= p->compiled->n_lines)
        return 0;
    e.rule = p->compiled->lines[record->kind.rule].rule;
    e.record = *record;
    if (!if_indextoname(record->kind.ifindex, e.interface))
        e.interface[0] = '\0';
    p->result = p->fn(p->ctx, &e);
    return p->result;
}

static int load(struct packets *p, const struct packet_rules *rules, struct error *err)
{
    _cleanup_free_ char *log = new0(char, LOG_BYTES);
    LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "sg_packet", .kernel_log_buf = log,
                .kernel_log_size = LOG_BYTES);
    const void *bytes;
    size_t len;
    int r;

    if (!log)
        return error_set(err, -ENOMEM, "out of memory");
    bytes = packets_object_bytes(&len);
    p->object = bpf_object__open_mem(bytes, len, &opts);
    r = (int)libbpf_get_error(p->object);
    if (r < 0) {
        p->object = NULL;
        return error_set(err, r, "the programs for packets cannot be read: %s", strerror(-r));
    }
    r = size_tables(p, rules);
    r = r < 0 ? r : take_over(p);
    r = r < 0 ? r : bpf_object__load(p->object);
    if (r < 0)
        return error_kernel_refused(err, r, "for packets", log);
    r = pin_kept(p);
    return r < 0 ? error_set(err, r, "the tables for packets cannot be kept in %s: %s", p->pin_dir,
                             strerror(-r))
                 : 0;
}

static int program(const struct packets *p, const char *name)
{
    const struct bpf_program *prog = bpf_object__find_program_by_name(p->object, name);

    return prog ? bpf_program__fd(prog) : -ENOENT;
}

int packets_load(struct packets *p, const struct packet_rules *rules, struct error *err)
{
    int r = load(p, rules, err);

    if (r == 0) {
        p->ring = ring_buffer__new(packets_map(p, "packet_records"), on_record, p, NULL);
        if (!p->ring)
            r = error_set(err, -errno, "the ring of packets: %m");
    }
    if (r < 0) {
        bpf_object__close(p->object);
        p->object = NULL;
        return r;
    }
    p->ingress_fd = program(p, "packet_ingress");
    p->egress_fd = program(p, "packet_egress");
    p->early_fd = program(p, "packet_early");
    p->knows_tables = knows_tables();
    p->half = 1; // the first policy goes into the other
    p->generation = 0;
    return 0;
}

static int fill_trie(const struct compiled_prefix *prefixes, size_t n, int fd)
{
    for (size_t i = 0; i < n; i++)
        if (bpf_map_update_elem(fd, &prefixes[i].key, &prefixes[i].row, BPF_ANY) < 0)
            return -errno;
    return 0;
}

// A new table in its place in a table of tables.
static int put_in(const struct packets *p, const char *outer, uint32_t half, int fd)
{
    uint32_t value = (uint32_t)fd;

    return bpf_map_update_elem(packets_map(p, outer), &half, &value, BPF_ANY) < 0 ? -errno : 0;
}

static int put_trie(const struct packets *p, const char *outer, uint32_t half,
                    const struct compiled_prefix *prefixes, size_t n)
{
    LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
    _cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "packet_trie",
                                            sizeof(struct sg_packet_prefix), sizeof(uint32_t),
                                            SG_PACKET_PREFIXES_MAX, &opts);
    int r = fd < 0 ? -errno : fill_trie(prefixes, n, fd);

    return r < 0 ? r : put_in(p, outer, half, fd);
}

// The tables as memory of the kernel that this process sees; *ret_fd is the caller's.
static int make_tables(const struct compiled *c, struct sg_packet_tables **ret, int *ret_fd)
{
    LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
    _cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "packet_tables", sizeof(uint32_t),
                                            sizeof(struct sg_packet_tables), 1, &opts);
    void *at;

    if (fd < 0)
        return -errno;
    at = mmap(NULL, sizeof(struct sg_packet_tables), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return -errno;
    memcpy(at, c->tables, sizeof(struct sg_packet_tables));
    *ret = at;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int put_entry(const struct packets *p, uint32_t half, const struct packets_interface *i)
{
    struct sg_packet_interface_key key = {half, i->ifindex};
    int fd = packets_map(p, "packet_interfaces");
    int r;

    if (!i->wanted) {
        r = bpf_map_delete_elem(fd, &key) < 0 ? -errno : 0;
        return r == -ENOENT ? 0 : r;
    }
    return bpf_map_update_elem(fd, &key, &i->entry, BPF_ANY) < 0 ? -errno : 0;
}

int packets_put_interface(struct packets *p, const struct packets_interface *i)
{
    // A row that was new is there before anything leads to it.
    if (i->wanted)
        memcpy(p->tables->rows, p->compiled->tables->rows,
               p->compiled->tables->n_rows * sizeof(*p->tables->rows));
    return put_entry(p, p->half, i);
}

static void clear_interfaces(const struct packets *p, uint32_t half)
{
    struct sg_packet_interface_key key, next;
    int fd = packets_map(p, "packet_interfaces");
    void *last = NULL;

    while (bpf_map_get_next_key(fd, last, &next) == 0) {
        if (last && key.half == half)
            (void)bpf_map_delete_elem(fd, &key);
        key = next;
        last = &key;
    }
    if (last && key.half == half)
        (void)bpf_map_delete_elem(fd, &key);
}

static int clear_sums(const struct packets *p, uint32_t half)
{
    int n = libbpf_num_possible_cpus(), fd = packets_map(p, "packet_sums");
    _cleanup_free_ struct sg_packet_sums *zero = n > 0 ? new0(struct sg_packet_sums, (size_t)n)
                                                       : NULL;

    if (!zero)
        return -ENOMEM;
    for (uint32_t i = 0; i < SG_PACKET_RULES_MAX; i++) {
        uint32_t at = half * SG_PACKET_RULES_MAX + i;

        if (bpf_map_update_elem(fd, &at, zero, BPF_ANY) < 0)
            return -errno;
    }
    return 0;
}

// Entries of connections whose rule the new policy does not have: nothing is rewritten that no rule asks for.
static void end_connections(const struct packets *p, const struct compiled *c)
{
    struct sg_packet_conn_key key, next;
    int fd = packets_map(p, "packet_conns");
    struct sg_packet_conn conn;
    bool more = bpf_map_get_next_key(fd, NULL, &next) == 0;

    while (more) {
        bool stays = false;

        key = next;
        more = bpf_map_get_next_key(fd, &key, &next) == 0;
        if (bpf_map_lookup_elem(fd, &key, &conn) < 0)
            continue;
        for (size_t i = 0; !stays && i < c->n_lines; i++)
            stays = c->tables->rules[i].id == conn.id &&
                    c->lines[i].rule->actions & SG_PACKET_DO_REWRITE;
        if (!stays)
            (void)bpf_map_delete_elem(fd, &key);
    }
}

static void resolve(const struct compiled *c, struct sg_packet_tables *t)
{
    for (size_t i = 0; i < c->n_lines; i++) {
        const struct packet_rule *rule = c->lines[i].rule;
        uint32_t route = rule->route_interface ? if_nametoindex(rule->route_interface) : 0;
        uint32_t mirror = rule->mirror ? if_nametoindex(rule->mirror) : 0;

        __atomic_store_n(&t->rules[i].route_ifindex, route, __ATOMIC_RELAXED);
        __atomic_store_n(&t->rules[i].mirror_ifindex, mirror, __ATOMIC_RELAXED);
    }
}

void packets_resolve(struct packets *p)
{
    if (p->tables)
        resolve(p->compiled, p->tables);
}

int packets_swap(struct packets *p, struct compiled *c, struct error *err)
{
    struct sg_packet_control control = {.half = !p->half, .generation = p->generation + 1};
    uint32_t zero = 0, half = control.half, old = p->half;
    struct sg_packet_tables *tables = NULL;
    _cleanup_close_ int fd = -1;
    int r;

    clear_interfaces(p, half);
    c->tables->generation = control.generation;
    r = make_tables(c, &tables, &fd);
    if (r == 0)
        resolve(c, tables);
    r = r < 0 ? r : put_trie(p, "packet_sources", half, c->sources, c->n_sources);
    r = r < 0 ? r : put_trie(p, "packet_targets", half, c->targets, c->n_targets);
    r = r < 0 ? r : put_in(p, "packet_tables", half, fd);
    for (size_t i = 0; r == 0 && i < p->n; i++)
        if (p->items[i].wanted)
            r = put_entry(p, half, &p->items[i]);
    r = r < 0 ? r : clear_sums(p, half);
    if (r == 0 &&
        bpf_map_update_elem(packets_map(p, "packet_control"), &zero, &control, BPF_ANY) < 0)
        r = -errno;
    if (r < 0) {
        if (tables)
            (void)munmap(tables, sizeof(*tables));
        return error_set(err, r, "the rules about packets cannot be put into the kernel: %s",
                         strerror(-r));
    }
    if (p->tables)
        (void)munmap(p->tables, sizeof(*p->tables));
    p->tables = tables;
    p->half = half;
    p->generation = control.generation;
    // Writing the same once more waits for whoever may still look at the other half; then that one is taken apart.
    (void)put_in(p, "packet_tables", half, fd);
    (void)bpf_map_delete_elem(packets_map(p, "packet_tables"), &old);
    (void)bpf_map_delete_elem(packets_map(p, "packet_sources"), &old);
    (void)bpf_map_delete_elem(packets_map(p, "packet_targets"), &old);
    clear_interfaces(p, old);
    end_connections(p, c);
    return 0;
}
