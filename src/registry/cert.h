// SPDX-License-Identifier: Apache-2.0
//
// Certificates that the server's CA gave to hosts, by serial number (hex, lower case). The registry makes none; it
// remembers which there are and which are no longer good.
#pragma once

#include "registry/registry.h"

struct registry_cert {
    const char *serial, *host;
    uint64_t issued_ms, not_after_ms;
    uint64_t revoked_ms; // 0: good
    const char *reason;
};

typedef int (*registry_cert_fn)(void *ctx, const struct registry_cert *c);

// The newest first; of one host.
int registry_cert_list(struct registry *rg, const char *host, registry_cert_fn fn, void *ctx,
                       struct error *err);

// A new one for a host that may have it (renewal). -EACCES: the host is refused; -EDQUOT: it got 50 within a day.
int registry_cert_add(struct registry *rg, const char *host, const char *serial,
                      uint64_t not_after_ms, struct error *err);

// 0: good; -EKEYREVOKED; -ENOENT: not known (after a backup was brought back), the host decides.
int registry_cert_check(struct registry *rg, const char *host, const char *serial);
