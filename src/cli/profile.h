// SPDX-License-Identifier: Apache-2.0
//
// Which servers somebody is logged in to: $XDG_CONFIG_HOME/safeguard/servers.json (~/.config), for its owner alone. Written
// by `safeguard login`, read by everything that asks a server. Holds tokens: never printed.
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/error.h"

struct profile {
    char *url;      // "https://host:8443", without a slash at its end
    char *token;    // of the API
    char *token_id; // by which the server ends it; may be NULL
    char *ca;       // PEM of the certificate authority
    char *user;
};

void profile_done(struct profile *p);

// The one for url, or with url NULL the one that was used last. -ENOENT: there is none. -EPERM: the file is open to others.
int profile_load(const char *url, struct profile *ret_profile, struct error *err);

// Adds or replaces, and makes it the last one.
int profile_save(const struct profile *p, struct error *err);

// Forgets it. -ENOENT.
int profile_remove(const char *url, struct error *err);

// "host", "host:port" and "https://host[:port][/]" become "https://host:port" (8443 where none is given). -EINVAL with err:
// another scheme, a user, a path (transport/token.h).
int server_url_parse(const char *text, char **ret_url, struct error *err);
