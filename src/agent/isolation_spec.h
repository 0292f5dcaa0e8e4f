// SPDX-License-Identifier: Apache-2.0
//
// Isolation of this host, as it is kept and as the rules that it becomes: everything but the link to the server and what was named is
// cut. Called by isolation.c, and by tests; touches nothing.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/strbuf.h"

#define ISOLATION_ALLOW_MAX  64 // addresses that stay reachable
#define ISOLATION_OWN_MAX    64 // addresses of the host itself
#define ISOLATION_MS_MIN     UINT64_C(1000)
#define ISOLATION_MS_DEFAULT (24 * UINT64_C(3600000))
#define ISOLATION_MS_MAX     (30 * 24 * UINT64_C(3600000))
#define ISOLATION_TEXT_MAX   500 // bytes of a reason
// What people see as the file of its rules.
#define ISOLATION_FILE       "(isolation)"

struct isolation {
    uint64_t since_ms, until_ms; // CLOCK_REALTIME
    uint64_t until_boot_ms;      // CLOCK_BOOTTIME, of the boot that it began in
    char boot_id[40];
    char **allow;    // "10.0.0.5", "10.0.0.0/8:22", "[fc00::1]:443"
    char server[64]; // its address; "": this host has no server, or none that was ever reached
    uint32_t server_port;
    char by[160], reason[ISOLATION_TEXT_MAX + 1];
    bool by_server; // who may end it is the server, or whoever may open the defence
};

void isolation_done(struct isolation *i);

// As it is kept: a JSON object. -EBADMSG: it is not what isolation_format() writes; -ENOMEM.
int isolation_parse(const char *text, struct isolation *ret);
int isolation_format(const struct isolation *i, struct strbuf *out);

// How long it has still to go; 0: it is over. While the host runs that it began on, nobody's setting of the clock makes it shorter.
uint64_t isolation_left_ms(const struct isolation *i, const char *boot_id, uint64_t boot_ms,
                           uint64_t real_ms);

// Its policy, and whether it is one: -EINVAL with err names what in `allow` is no address. `own`: addresses of this host, with which
// its programs talk to each other; NULL: none.
int isolation_policy(const struct isolation *i, char *const *own, struct strbuf *out,
                     struct error *err);

// Host and port of "https://HOST:PORT"; 443 where it says none.
uint32_t isolation_port_of(const char *url);
