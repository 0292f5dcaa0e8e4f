// SPDX-License-Identifier: Apache-2.0
#include "server/host_names.h"

#include <stdlib.h>

#include "base/strutil.h"
#include "registry/host.h"
#include "server/server.h"

#define NAMES_MAX    4096
#define NAMES_FOR_MS 60000 // names change rarely, live views last long

const char *host_names_get(struct host_names *n, const char *host)
{
    char *name = n->names ? map_get_str(n->names, host) : NULL;
    uint64_t now_ms = server_now();

    if (name && now_ms - n->since_ms < NAMES_FOR_MS)
        return name;
    if (!n->names && map_new(MAP_STR, 0, free, &n->names) < 0)
        return host;
    if (now_ms - n->since_ms >= NAMES_FOR_MS || map_len(n->names) >= NAMES_MAX) {
        map_clear(n->names);
        n->since_ms = now_ms;
    }
    name = NULL;
    if (registry_host_name(n->registry, host, &name) < 0 || !name)
        name = strdup(host);
    if (!name || map_set_str(n->names, host, name) < 0) {
        free(name);
        return host;
    }
    return name;
}

void host_names_done(struct host_names *n)
{
    n->names = map_free(n->names);
}
