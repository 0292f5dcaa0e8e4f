// SPDX-License-Identifier: Apache-2.0
#include "packets/packets.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "packets/internal.h"

#define QUIET_NS UINT64_C(5000000000) // a kind that nothing came of is told of to its end
#define SWEEP_NS UINT64_C(2000000000) // from one look at all kinds to the next

static const char *const ways[] = {
    [PACKETS_TCX] = "tcx",
    [PACKETS_CLSACT] = "clsact",
    [PACKETS_XDP_NATIVE] = "xdp native",
    [PACKETS_XDP_GENERIC] = "xdp generic",
};

const char *packets_way_name(enum packets_way way)
{
    return (size_t)way < ARRAY_SIZE(ways) ? ways[way] : NULL;
}

void packets_add_problem(struct packets *p, const char *cure, const char *fmt, ...)
{
    struct problem *to;
    va_list args;

    if (p->n_problems == PACKETS_PROBLEMS_MAX)
        return;
    to = &p->problems[p->n_problems++];
    va_start(args, fmt);
    (void)vsnprintf(to->what, sizeof(to->what), fmt, args);
    va_end(args);
    (void)snprintf(to->cure, sizeof(to->cure), "%s", cure);
}

static int watch_fd(struct packets *p, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

int packets_new(const char *pin_dir, struct packets **ret, struct error *err)
{
    _cleanup_(packets_freep) struct packets *p = new0(struct packets, 1);
    int r;

    if (!p)
        return error_set(err, -ENOMEM, "out of memory");
    p->netlink_fd = p->epoll_fd = -1;
    if (strlen(pin_dir) > 400)
        return error_set(err, -ENAMETOOLONG, "%s: the name is too long", pin_dir);
    (void)snprintf(p->pin_dir, sizeof(p->pin_dir), "%s", pin_dir);
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (p->epoll_fd < 0)
        return error_set(err, -errno, "no descriptor to wait for packets: %m");
    r = packets_watch(p, err);
    if (r < 0)
        return r;
    r = watch_fd(p, p->netlink_fd);
    if (r < 0)
        return error_set(err, r, "changes of interfaces cannot be waited for: %s", strerror(-r));
    *ret = TAKE_PTR(p);
    return 0;
}

// Everything of one object, while another takes its place.
static void drop_object(struct ring_buffer *ring, struct bpf_object *object,
                        struct sg_packet_tables *tables)
{
    ring_buffer__free(ring);
    bpf_object__close(object);
    if (tables)
        (void)munmap(tables, sizeof(*tables));
}

struct packets *packets_free(struct packets *p)
{
    if (!p)
        return NULL;
    for (size_t i = 0; i < p->n; i++) {
        (void)safe_close(p->items[i].in_fd);
        (void)safe_close(p->items[i].out_fd);
        (void)safe_close(p->items[i].early_fd);
    }
    drop_object(p->ring, p->object, p->tables);
    (void)compiled_free(p->compiled);
    (void)packet_rules_free(p->rules);
    (void)safe_close(p->netlink_fd);
    (void)safe_close(p->epoll_fd);
    free(p->items);
    free(p);
    return NULL;
}

// What a rule asks for that this kernel or host does not have.
void packets_find_problems(struct packets *p)
{
    const struct packet_rules *rules = p->rules;

    for (size_t i = 0; i < rules->n; i++) {
        const struct packet_rule *r = &rules->items[i];

        if (r->actions & SG_PACKET_DO_TABLE && !p->knows_tables)
            packets_add_problem(
                p,
                "write `route: {via: …}`, or mark the packets as they come in and use ip rule … fwmark",
                "rule at line %u of %s: this kernel cannot route by a table (it is there from 6.5 on); its packets are dropped",
                r->line, r->policy);
        if (r->route_interface && !if_nametoindex(r->route_interface))
            packets_add_problem(
                p, "set the interface up, or change the rule",
                "rule at line %u of %s: there is no interface %s; its packets are dropped", r->line,
                r->policy, r->route_interface);
        if (r->mirror && !if_nametoindex(r->mirror))
            packets_add_problem(p, "set the interface up, or change the rule",
                                "rule at line %u of %s: there is no interface %s to send copies to",
                                r->line, r->policy, r->mirror);
    }
}

static bool needs_object(const struct packets *p, const struct packet_rules *rules)
{
    for (size_t i = 0; i < rules->n; i++)
        if ((rules->items[i].actions & SG_PACKET_DO_REWRITE && !p->rewrites) ||
            (rules->items[i].actions & SG_PACKET_DO_LIMIT && !p->limits))
            return true;
    return !p->object;
}

// Programs and tables are there and nothing is in them: compiles, and lets the new policy decide.
static int bring_in(struct packets *p, const struct packet_rules *rules, struct error *err)
{
    _cleanup_(packet_rules_freep) struct packet_rules *own = NULL;
    _cleanup_(compiled_freep) struct compiled *c = NULL;
    int r = packet_rules_copy(rules, &own);

    if (r < 0)
        return error_set(err, r, "out of memory");
    r = compiled_new(own, &c, err);
    if (r < 0)
        return r;
    r = packets_scan(p);
    r = r < 0 ? r : packets_want(p, c);
    if (r < 0)
        return error_set(err, r, "interfaces cannot be looked at: %s", strerror(-r));
    r = packets_swap(p, c, err);
    if (r < 0)
        return r;
    (void)compiled_free(p->compiled);
    p->compiled = TAKE_PTR(c);
    (void)packet_rules_free(p->rules);
    p->rules = TAKE_PTR(own);
    return 0;
}

// What stays as it was when a policy does not come into force.
struct before {
    struct ring_buffer *ring;
    struct bpf_object *object;
    struct sg_packet_tables *tables;
    uint32_t half, generation;
    int ingress_fd, egress_fd, early_fd;
    bool rewrites, limits;
};

static struct before keep(const struct packets *p)
{
    return (struct before){p->ring,       p->object,    p->tables,   p->half,     p->generation,
                           p->ingress_fd, p->egress_fd, p->early_fd, p->rewrites, p->limits};
}

static void give_back(struct packets *p, const struct before *b)
{
    p->ring = b->ring;
    p->object = b->object;
    p->tables = b->tables;
    p->half = b->half;
    p->generation = b->generation;
    p->ingress_fd = b->ingress_fd;
    p->egress_fd = b->egress_fd;
    p->early_fd = b->early_fd;
    p->rewrites = b->rewrites;
    p->limits = b->limits;
}

// The same with an object of its own, since the one that is there has no room for what rules ask for. It takes over the places of the
// old one when it has the policy.
static int replace(struct packets *p, const struct packet_rules *rules, struct error *err)
{
    struct before old = keep(p);
    int r;

    p->ring = NULL;
    p->object = NULL;
    p->tables = NULL;
    if (mkdir(p->pin_dir, 0700) < 0 && errno != EEXIST)
        r = error_set(err, -errno, "%s: %m", p->pin_dir);
    else
        r = packets_load(p, rules, err);
    r = r < 0 ? r : bring_in(p, rules, err);
    r = r < 0 ? r : watch_fd(p, ring_buffer__epoll_fd(p->ring));
    if (r < 0) {
        drop_object(p->ring, p->object, p->tables);
        give_back(p, &old);
        return r;
    }
    for (size_t i = 0; i < p->n; i++)
        packets_renew(p, &p->items[i]);
    drop_object(old.ring, old.object, old.tables);
    return 0;
}

static int unload(struct packets *p, struct error *err)
{
    for (size_t i = 0; i < p->n; i++)
        packets_detach(p, &p->items[i]);
    drop_object(p->ring, p->object, p->tables);
    p->ring = NULL;
    p->object = NULL;
    p->tables = NULL;
    p->rewrites = p->limits = false;
    p->compiled = compiled_free(p->compiled);
    p->rules = packet_rules_free(p->rules);
    p->n = 0;
    return packets_clear(p->pin_dir, err);
}

// Links that an earlier process left on interfaces that no rule is about any more.
static int drop_stray(void *ctx, int dir, const struct dirent *entry)
{
    static const char *const kinds[] = {"in-", "out-", "xdp-"};
    const struct packets *p = ctx;
    uint32_t ifindex;

    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        const char *rest = str_startswith(entry->d_name, kinds[k]);
        bool used = false;

        if (!rest || parse_u32(rest, &ifindex) < 0)
            continue;
        for (size_t i = 0; i < p->n; i++)
            used = used || (p->items[i].ifindex == ifindex &&
                            (k < 2 ? p->items[i].want[k] : p->items[i].early != PACKETS_NOT));
        if (!used)
            (void)unlinkat(dir, entry->d_name, 0);
    }
    return 0;
}

int packets_apply(struct packets *p, const struct packet_rules *rules, struct error *err)
{
    bool first = !p->object;
    int r;

    p->n_problems = 0;
    p->tampers = 0;
    if (rules->n == 0)
        return unload(p, err);
    r = needs_object(p, rules) ? replace(p, rules, err) : bring_in(p, rules, err);
    if (r < 0)
        return r;
    packets_settle(p);
    if (first) {
        (void)opendir_foreach(AT_FDCWD, p->pin_dir, drop_stray, p);
        for (size_t i = 0; i < p->n; i++)
            packets_detach_stray(p, &p->items[i]);
    }
    packets_find_problems(p);
    return 0;
}

static int remove_pin(void *ctx _unused_, int dir, const struct dirent *entry)
{
    if (unlinkat(dir, entry->d_name, 0) == 0 || errno == EISDIR || errno == EPERM)
        return 0;
    return -errno;
}

static int remove_mark(void *ctx _unused_, int dir, const struct dirent *entry)
{
    return unlinkat(dir, entry->d_name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int packets_clear(const char *pin_dir, struct error *err)
{
    struct if_nameindex *list;
    int r;

    r = opendir_foreach(AT_FDCWD, pin_dir, remove_pin, NULL);
    if (r == -ENOENT)
        return 0;
    list = if_nameindex();
    if (r == 0 && !list)
        r = -errno;
    for (const struct if_nameindex *of = list; r == 0 && of->if_index; of++)
        packets_detach_filters(pin_dir, of->if_index);
    if (list)
        if_freenameindex(list);
    // Marks of interfaces that are gone.
    r = r < 0 ? r : opendir_foreach(AT_FDCWD, pin_dir, remove_mark, NULL);
    if (r == 0 && rmdir(pin_dir) < 0)
        r = -errno;
    return r < 0 ? error_set(err, r, "%s cannot be removed: %s", pin_dir, strerror(-r)) : 0;
}

int packets_fd(const struct packets *p)
{
    return p->epoll_fd;
}

int packets_consume(struct packets *p, packets_fn fn, void *ctx)
{
    int r = 0;

    packets_drain(p);
    p->fn = fn;
    p->ctx = ctx;
    p->result = 0;
    if (p->ring)
        r = ring_buffer__consume(p->ring);
    p->fn = NULL;
    return p->result < 0 ? p->result : r;
}

// One kind that has been quiet: what was not told of it yet. 1: it may go.
static int end_kind(struct packets *p, const struct sg_packet_kind *kind,
                    const struct sg_packet_seen *seen, packets_fn fn, void *ctx)
{
    struct packet_event e = {.record = {.size = sizeof(e.record), .kind = *kind}};
    int r;

    if (kind->generation != p->generation || kind->rule >= p->compiled->n_lines ||
        seen->packets <= seen->told_packets)
        return 1;
    e.rule = p->compiled->lines[kind->rule].rule;
    e.record.actions = e.rule->actions;
    e.record.first_ns = seen->first_ns;
    e.record.time_ns = seen->last_ns;
    e.record.packets = seen->packets - seen->told_packets;
    e.record.bytes = seen->bytes - seen->told_bytes;
    e.record.length = seen->length;
    e.record.sport = seen->sport;
    if (!if_indextoname(kind->ifindex, e.interface))
        e.interface[0] = '\0';
    r = fn(ctx, &e);
    return r < 0 ? r : 1;
}

int packets_tick(struct packets *p, packets_fn fn, void *ctx)
{
    uint64_t now = now_ns(CLOCK_BOOTTIME);
    struct sg_packet_kind kind, next;
    struct sg_packet_seen seen;
    bool more;
    int fd, r;

    if (!p->object)
        return 0;
    r = packets_consume(p, fn, ctx);
    if (r < 0 || !p->object || now - p->swept_ns < SWEEP_NS)
        return r;
    p->swept_ns = now;
    for (size_t i = 0; i < p->n; i++)
        packets_verify(p, &p->items[i]);
    fd = packets_map(p, "packet_kinds");
    more = bpf_map_get_next_key(fd, NULL, &next) == 0;
    for (size_t n = 0; more && n < 2 * SG_PACKET_KINDS_MAX; n++) {
        kind = next;
        more = bpf_map_get_next_key(fd, &kind, &next) == 0;
        if (bpf_map_lookup_elem(fd, &kind, &seen) < 0 || now - seen.last_ns < QUIET_NS)
            continue;
        r = end_kind(p, &kind, &seen, fn, ctx);
        if (r < 0)
            return r;
        (void)bpf_map_delete_elem(fd, &kind);
    }
    return 0;
}

bool packets_place(const struct packets *p, size_t i, struct packets_place *ret)
{
    for (size_t k = 0; k < p->n; k++) {
        const struct packets_interface *of = &p->items[k];

        if ((of->in || of->out || of->early) && i-- == 0) {
            *ret = (struct packets_place){of->name, of->ifindex, of->in, of->out, of->early};
            return true;
        }
    }
    return false;
}

bool packets_problem(const struct packets *p, size_t i, const char **ret_what,
                     const char **ret_cure)
{
    const struct problem *of = i < p->n_problems ? &p->problems[i] : &p->tamper;

    if (i >= p->n_problems + (p->tampers > 0))
        return false;
    *ret_what = of->what;
    *ret_cure = of->cure;
    return true;
}

int packets_sums(const struct packets *p, uint32_t number, struct sg_packet_sums *ret)
{
    int n = libbpf_num_possible_cpus(), fd;
    _cleanup_free_ struct sg_packet_sums *of = n > 0 ? new0(struct sg_packet_sums, (size_t)n)
                                                     : NULL;
    struct sg_packet_sums all = {};

    if (!of)
        return -ENOMEM;
    if (!p->object)
        return -ENOENT;
    fd = packets_map(p, "packet_sums");
    for (uint32_t i = 0; i < p->compiled->n_lines; i++) {
        uint32_t at = p->half * SG_PACKET_RULES_MAX + i;

        if (p->compiled->lines[i].rule->number != number)
            continue;
        if (bpf_map_lookup_elem(fd, &at, of) < 0)
            return -errno;
        for (int cpu = 0; cpu < n; cpu++) {
            all.packets += of[cpu].packets;
            all.bytes += of[cpu].bytes;
            all.drops += of[cpu].drops;
        }
    }
    *ret = all;
    return 0;
}

int packets_counts(const struct packets *p, uint64_t ret[SG_PACKET_COUNT_MAX])
{
    int n = libbpf_num_possible_cpus(), fd;
    _cleanup_free_ uint64_t *of = n > 0 ? new0(uint64_t, (size_t)n) : NULL;

    if (!of)
        return -ENOMEM;
    if (!p->object)
        return -ENOENT;
    fd = packets_map(p, "packet_counters");
    for (uint32_t i = 0; i < SG_PACKET_COUNT_MAX; i++) {
        if (bpf_map_lookup_elem(fd, &i, of) < 0)
            return -errno;
        ret[i] = 0;
        for (int cpu = 0; cpu < n; cpu++)
            ret[i] += of[cpu];
    }
    return 0;
}
