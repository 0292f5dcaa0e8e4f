// SPDX-License-Identifier: Apache-2.0
//
// What the files of this room share.
#pragma once

#include <bpf/libbpf.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "dns/dns.h"
#include "dns/servers.h"

#define DNS_PROGRAMS 2

// Where a set is pinned.
struct dns_pins {
    char dir[PATH_MAX]; // "": nothing is pinned
    int lock_fd;        // the directory; -1
};

struct dns {
    struct bpf_object *object;
    struct bpf_link *links[DNS_PROGRAMS];
    struct ring_buffer *ring;
    int epoll_fd;
    int names, counters, servers; // maps, on loan from the object
    int n_cpus;
    uint32_t net_ns; // this process's, inode number
    struct sg_dns_server own[DNS_SERVERS_MAX];
    size_t n_own; // of options.servers
    uint64_t n_servers, servers_full;
    uint64_t bad; // records that were none
    struct resolv_watch *watch;
    struct dns_pins pins;
    dns_fn fn; // while records are read
    void *ctx;
    int result;
};

const void *dns_object_bytes(size_t *ret_len);
// Of an object that is loaded or about to be. -ENOENT: it has no such variable.
int dns_object_servers_only(const struct bpf_object *object, bool only);

// load.c: makes the maps, or takes pinned ones and the caller's, loads the programs, and puts them to work.
int dns_load(struct dns *d, const struct dns_options *options, struct error *err);
int dns_attach(struct dns *d, struct error *err);

// pins.c. dir NULL: nothing is pinned, and all of these are done.
int dns_pins_open(struct dns_pins *p, const char *dir, struct error *err);
void dns_pins_close(struct dns_pins *p);
// The path of a map or link; kind "maps" or "links". -ENAMETOOLONG.
int dns_pins_path(const struct dns_pins *p, const char *kind, const char *name, char *ret,
                  size_t size);
// Is this one of those that are pinned?
bool dns_pins_wants(const struct bpf_map *map);
// The maps of this object take the place of those that are pinned and are others.
int dns_pins_maps(const struct dns_pins *p, const struct bpf_object *object, struct error *err);
