// SPDX-License-Identifier: Apache-2.0
#include "dns/dns.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/names.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/mappings.h"
#include "dns/decode.h"
#include "dns/internal.h"

#define LOOKS 4 // at an entry that is being written

struct dns *dns_close(struct dns *d)
{
    if (!d)
        return NULL;
    ring_buffer__free(d->ring);
    // Which closes a descriptor: what is pinned goes on.
    for (size_t i = 0; i < DNS_PROGRAMS; i++)
        (void)bpf_link__destroy(d->links[i]);
    bpf_object__close(d->object);
    (void)resolv_watch_free(d->watch);
    (void)safe_close(d->epoll_fd);
    dns_pins_close(&d->pins);
    free(d);
    return NULL;
}

static int on_bytes(void *ctx, void *data, size_t len)
{
    struct dns *d = ctx;
    struct dns_record record;

    if (dns_decode(data, len, &record) < 0) {
        d->bad++;
        return 0;
    }
    d->result = d->fn(d->ctx, &record);
    // libbpf stops after this record, which counts as read.
    return d->result < 0 ? -ECANCELED : 0;
}

static int watch(const struct dns *d, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return fd < 0 || epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_ring(struct dns *d)
{
    int fd = bpf_object__find_map_fd_by_name(d->object, "dns_records"), r;

    d->ring = ring_buffer__new(fd, on_bytes, d, NULL);
    if (!d->ring)
        return negative_errno();
    mappings_rings_stay();
    d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    r = watch(d, fd);
    return r < 0 ? r : watch(d, resolv_watch_fd(d->watch));
}

// The servers that are to be believed: the caller's, then this host's, in its own network.
static size_t list_servers(struct dns *d, struct sg_dns_server list[DNS_SERVERS_MAX])
{
    struct resolv_servers host;
    size_t n = d->n_own;

    resolv_watch_read(d->watch, &host);
    memcpy(list, d->own, n * sizeof(list[0]));
    d->servers_full = host.full;
    for (size_t i = 0; i < host.n; i++) {
        if (n == DNS_SERVERS_MAX) {
            d->servers_full++;
            continue;
        }
        list[n].net_ns = d->net_ns;
        memcpy(list[n++].addr, host.address[i], sizeof(list[0].addr));
    }
    return n;
}

static bool is_listed(const struct sg_dns_server *list, size_t n, const struct sg_dns_server *s)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&list[i], s, sizeof(*s)) == 0)
            return true;
    return false;
}

// Those that are believed no more; as many steps as there can be entries.
static void forget_servers(const struct dns *d, const struct sg_dns_server *list, size_t n)
{
    struct sg_dns_server key, next;
    bool more = bpf_map_get_next_key(d->servers, NULL, &next) == 0;

    for (size_t i = 0; more && i < 2 * DNS_SERVERS_MAX; i++) {
        key = next;
        // Before this one goes: behind a key that is not there the walk begins again.
        more = bpf_map_get_next_key(d->servers, &key, &next) == 0;
        if (!is_listed(list, n, &key))
            (void)bpf_map_delete_elem(d->servers, &key);
    }
}

static void settle_servers(struct dns *d)
{
    struct sg_dns_server list[DNS_SERVERS_MAX];
    size_t n = list_servers(d, list);
    uint8_t one = 1;

    // Room first: a table full of former servers takes no new one. One that is on both lists is never missing.
    forget_servers(d, list, n);
    d->n_servers = 0;
    for (size_t i = 0; i < n; i++) {
        if (bpf_map_update_elem(d->servers, &list[i], &one, BPF_ANY) == 0)
            d->n_servers++;
        else
            d->servers_full++;
    }
}

static int keep_options(struct dns *d, const struct dns_options *options, struct error *err)
{
    struct stat st;
    int r;

    if (options->n_servers > DNS_SERVERS_MAX)
        return error_set(err, -E2BIG, "at most %u servers can be believed", DNS_SERVERS_MAX);
    if (options->n_servers)
        memcpy(d->own, options->servers, options->n_servers * sizeof(d->own[0]));
    d->n_own = options->n_servers;
    if (stat("/proc/self/ns/net", &st) < 0)
        return error_set(err, -errno, "/proc/self/ns/net: %m");
    d->net_ns = (uint32_t)st.st_ino;
    r = resolv_watch_new(options->root ? options->root : "", &d->watch);
    return r < 0 ? error_set(err, r, "resolv.conf cannot be watched: %s", strerror(-r)) : 0;
}

int dns_open(const struct dns_options *options, struct dns **ret, struct error *err)
{
    _cleanup_(dns_closep) struct dns *d = new0(struct dns, 1);
    int r;

    if (!d)
        return error_set(err, -ENOMEM, "out of memory");
    d->epoll_fd = d->pins.lock_fd = -1;
    r = keep_options(d, options, err);
    r = r < 0 ? r : dns_pins_open(&d->pins, options->pin_dir, err);
    r = r < 0 ? r : dns_load(d, options, err);
    if (r < 0)
        return r;
    // Before the first answer comes, and before the first record is made.
    settle_servers(d);
    r = open_ring(d);
    if (r < 0)
        return error_set(err, r, "the ring of questions and answers: %s", strerror(-r));
    r = dns_attach(d, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(d);
    return 0;
}

int dns_fd(const struct dns *d)
{
    return d->epoll_fd;
}

int dns_names_fd(const struct dns *d)
{
    return d->names;
}

int dns_consume(struct dns *d, dns_fn fn, void *ctx)
{
    int r;

    if (resolv_watch_changed(d->watch))
        settle_servers(d);
    d->fn = fn;
    d->ctx = ctx;
    d->result = 0;
    r = ring_buffer__consume(d->ring);
    return d->result < 0 ? d->result : r;
}

// One place of an entry, which changes under its readers, for a moment each. False: it is free, over, or nobody's.
static bool read_name(const struct dns *d, const struct sg_name_key *key, size_t i, uint64_t now,
                      struct dns_name *ret)
{
    struct sg_names names;

    for (int look = 0; look < LOOKS; look++) {
        const struct sg_name *n = &names.name[i];

        if (bpf_map_lookup_elem(d->names, key, &names) < 0 || !n->expires_ns)
            return false;
        if (!sg_name_holds(key, n, now))
            continue;
        *ret = (struct dns_name){.expires_ns = n->expires_ns};
        memcpy(ret->name, n->name, n->len);
        return true;
    }
    return false;
}

size_t dns_names_of(const struct dns *d, const uint8_t address[16],
                    struct dns_name ret_names[SG_NAMES_MAX])
{
    uint64_t now = now_ns(CLOCK_BOOTTIME);
    struct sg_name_key key;
    struct dns_name name;
    size_t n = 0, at;

    memcpy(key.addr, address, sizeof(key.addr));
    for (size_t i = 0; i < SG_NAMES_MAX; i++) {
        if (!read_name(d, &key, i, now, &name))
            continue;
        for (at = n++; at > 0 && ret_names[at - 1].expires_ns < name.expires_ns; at--)
            ret_names[at] = ret_names[at - 1];
        ret_names[at] = name;
    }
    return n;
}

int dns_counts(const struct dns *d, struct dns_counts *ret)
{
    _cleanup_free_ uint64_t *cpus = new0(uint64_t, (size_t)d->n_cpus);
    struct dns_counts counts = {.bad = d->bad,
                                .servers = d->n_servers,
                                .servers_full = d->servers_full};

    if (!cpus)
        return -ENOMEM;
    for (uint32_t i = 0; i < SG_DNS_COUNT_MAX; i++) {
        if (bpf_map_lookup_elem(d->counters, &i, cpus) < 0)
            return -errno;
        for (int cpu = 0; cpu < d->n_cpus; cpu++)
            counts.kernel[i] += cpus[cpu];
    }
    *ret = counts;
    return 0;
}
