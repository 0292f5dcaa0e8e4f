// SPDX-License-Identifier: Apache-2.0
//
// The servers that this host asks: those of resolv.conf, and those that systemd-resolved asks in its turn. The files are watched.
// A file that is gone, or has nothing, says that there are no servers of its own: no error.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define RESOLV_SERVERS_MAX 64u // of one file
#define RESOLV_BYTES_MAX   65536u

struct resolv_watch;

struct resolv_servers {
    uint8_t address[RESOLV_SERVERS_MAX][16]; // network order, IPv4 as IPv4-mapped
    size_t n;
    uint64_t full; // servers for which there was no room
};

// Adds what lines "nameserver ADDRESS" of a resolv.conf(5) say; a scope (%eth0) is left out. Lines of any other kind are passed over.
void resolv_parse(const char *text, size_t len, struct resolv_servers *to);

// root: in front of all paths, "". -ENOMEM, -EMFILE …
int resolv_watch_new(const char *root, struct resolv_watch **ret);
struct resolv_watch *resolv_watch_free(struct resolv_watch *w);
DEFINE_CLEANUP(struct resolv_watch *, resolv_watch_free)

// Readable when something happened near the files. On loan.
int resolv_watch_fd(const struct resolv_watch *w);

// Takes what happened: true when one of the files may have changed since they were read.
bool resolv_watch_changed(struct resolv_watch *w);

// Reads all of the files, each server once.
void resolv_watch_read(struct resolv_watch *w, struct resolv_servers *ret);
