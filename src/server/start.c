// SPDX-License-Identifier: Apache-2.0
//
// The order in which the parts of the server begin and end.
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "registry/host.h"
#include "server/asking.h"
#include "server/ingest.h"
#include "server/notify.h"
#include "server/server.h"
#include "server/tail.h"
#include "store/store.h"
#include "transport/ca.h"
#include "transport/token.h"

// Hands are shaken by the loops: a fleet that comes back at once is let in by all processors. Beyond that: libmicrohttpd goes
// through all suspended connections of a loop when one of them goes on, and every agent's poll is one.
#define LOOPS     16
#define STOP_MS   5000
#define NAMES_MAX 32

// Names ------------------------------------------------------------------------------------------

static int add_name(char ***names, const char *name)
{
    if (!*name || strv_contains(*names, name) || strv_len(*names) >= NAMES_MAX)
        return 0;
    return strv_append(names, name);
}

static int add_addresses(char ***names)
{
    char text[INET6_ADDRSTRLEN];
    struct ifaddrs *list = NULL;
    int r = 0;

    if (getifaddrs(&list) < 0)
        return 0; // without them the name has to do
    for (const struct ifaddrs *i = list; i && r == 0; i = i->ifa_next) {
        const struct sockaddr_in *v4 = (const void *)i->ifa_addr;
        const struct sockaddr_in6 *v6 = (const void *)i->ifa_addr;

        if (!i->ifa_addr || !(i->ifa_flags & IFF_UP))
            continue;
        if (i->ifa_addr->sa_family == AF_INET &&
            inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text)))
            r = add_name(names, text);
        else if (i->ifa_addr->sa_family == AF_INET6 && !IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr) &&
                 inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text)))
            r = add_name(names, text);
    }
    freeifaddrs(list);
    return r;
}

static int own_names(char ***names)
{
    char host[256] = "";
    int r = 0;

    if (gethostname(host, sizeof(host) - 1) == 0)
        r = add_name(names, host);
    r = r < 0 ? r : add_name(names, "localhost");
    return r < 0 ? r : add_addresses(names);
}

int server_names(const struct server_config *config, char ***ret)
{
    _cleanup_(strv_freep) char **names = NULL;
    int r = strv_split(config->names, ", ", &names);

    if (r == 0 && strv_len(names) == 0)
        r = own_names(&names);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(names);
    return 0;
}

char *server_url(const struct server *s)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    const char *name = s->names && s->names[0] ? s->names[0] : "localhost";
    bool v6 = strchr(name, ':') != NULL;
    char *url = NULL;

    if (*s->config.url)
        sb_puts(&sb, s->config.url);
    else
        sb_printf(&sb, "https://%s%s%s:%u", v6 ? "[" : "", name, v6 ? "]" : "", s->config.port);
    (void)sb_finish(&sb, &url);
    return url;
}

// Opening ----------------------------------------------------------------------------------------

static void on_changed(void *ctx, enum registry_change change, const char *host)
{
    struct server *s = ctx;

    if (!s->api)
        return;
    switch (change) {
    case REGISTRY_BUNDLES:
    case REGISTRY_COMMANDS:
    case REGISTRY_REVOKED:
        if (host)
            api_wake(s->api, server_host_key(host));
        else
            api_wake_all(s->api);
        break;
    case REGISTRY_OUTBOX:
    case REGISTRY_SETTINGS: notify_wake(s->notify); break;
    case REGISTRY_ALERTS:
    case REGISTRY_CHANGES: break;
    }
}

static void on_store_told(void *ctx _unused_, enum store_told kind, const struct error *what)
{
    if (kind == STORE_TOLD_REMOVED)
        log_info("records were removed: %s", what->what);
    else
        (void)log_warning_struct(what);
}

static int open_store(struct server *s, struct error *err)
{
    const struct store_options options = {.told = on_store_told, .ctx = s};
    _cleanup_(sb_done) struct strbuf url = {};

    if (*s->config.store)
        sb_puts(&url, s->config.store);
    else
        sb_printf(&url, "sqlite:%s/records", s->config.data_dir);
    return store_open(sb_str(&url), &options, &s->store, err);
}

int server_open(struct server *s, bool with_store, struct error *err)
{
    const struct registry_options options = {.dir = s->config.data_dir,
                                             .changed = on_changed,
                                             .ctx = s};
    _cleanup_(sb_done) struct strbuf ca = {};
    int r = mkdir_p(AT_FDCWD, s->config.data_dir, 0700);

    if (r < 0)
        return error_set(err, r, "%s: %m", s->config.data_dir);
    s->started_ms = server_now();
    r = server_names(&s->config, &s->names);
    if (r < 0)
        return error_set(err, r, "%m");
    sb_printf(&ca, "%s/ca", s->config.data_dir);
    r = registry_open(&options, &s->registry, err);
    r = r < 0 ? r : ca_open(sb_str(&ca), &s->ca, err);
    if (r == 0 && with_store)
        r = open_store(s, err);
    return r;
}

// Serving ----------------------------------------------------------------------------------------

int server_renew_certificate(struct server *s, struct error *err)
{
    _cleanup_free_ char *chain = NULL;
    struct cert_info info;
    char *key = NULL;
    int r = ca_server_renew(s->ca, (const char *const *)s->names, strv_len(s->names), server_now(),
                            err);

    if (r <= 0 || !s->serving)
        return r;
    r = ca_server_read(s->ca, &key, &chain, &info, err);
    if (r == 0)
        r = api_set_certificate(s->api, chain, key, err);
    (void)ca_key_free(key);
    return r < 0 ? r : 1;
}

static void on_stored(void *ctx, uint64_t key)
{
    struct server *s = ctx;

    api_wake(s->api, key);
}

static void on_ingest_told(void *ctx _unused_, const struct error *what)
{
    (void)log_warning_struct(what);
}

static void on_done(struct server *s _unused_, const struct api_done *d)
{
    if (d->error)
        log_error("%s %s: %u, request %s: %s", d->method, d->path, d->status, d->request_id,
                  d->error->what);
    else
        log_debug("%s %s %s %u %s %llu us", strempty(d->address), d->method, d->path, d->status,
                  d->identity ? d->identity->name : "-", (unsigned long long)d->duration_us);
}

static int make_api(struct server *s, const char *key, const char *chain, struct error *err)
{
    const struct server_config *c = &s->config;
    bool ui = access(c->ui_dir, F_OK) == 0;
    const struct api_options options = {
        .address = *c->address ? c->address : NULL,
        .port = (uint16_t)c->port,
        .certificate_pem = chain,
        .key_pem = key,
        .ca_pem = ca_pem(s->ca),
        .names = (const char *const *)s->names,
        .ui_dir = ui ? c->ui_dir : NULL,
        .threads = MAX(c->threads, 1u),
        .loops = LOOPS,
        .connections = MAX(c->connections, 16u),
        // Each of them asks for one thing at a time: when a policy goes out, all agents do so at once, and none is sent away.
        .queue = MAX(c->connections, 16u),
        .connections_per_address = MAX(c->connections_per_address, 4u),
        .tables = server_tables,
        .hooks = {who_session, who_token, who_agent, on_done},
        .server = s,
    };

    if (!ui)
        log_warning("there is no web interface at %s", c->ui_dir);
    return api_new(&options, &s->api, err);
}

static int start_parts(struct server *s, struct error *err)
{
    const struct ingest_options ingest = {
        .store = s->store,
        .registry = s->registry,
        .tail = s->tail,
        .max_bytes = s->config.ingest_queue,
        .done = on_stored,
        .told = on_ingest_told,
        .ctx = s,
    };
    int r = notify_new(s, &s->notify, err);

    if (r == 0)
        r = ingest_new(&ingest, &s->ingest, err);
    if (r == 0) {
        r = upkeep_new(s, &s->upkeep);
        if (r < 0)
            (void)error_set(err, r, "%m");
    }
    if (r == 0)
        r = api_start(s->api, err);
    s->serving = r == 0;
    return r;
}

int server_start(struct server *s, struct error *err)
{
    _cleanup_free_ char *chain = NULL;
    struct cert_info info;
    char *key = NULL;
    int r = server_renew_certificate(s, err);

    if (r >= 0)
        r = ca_server_read(s->ca, &key, &chain, &info, err);
    if (r == 0)
        r = tail_new(&s->tail) < 0 || asking_new(&s->asking) < 0 ? error_set(err, -ENOMEM, "%m")
                                                                 : 0;
    if (r == 0)
        r = make_api(s, key, chain, err);
    if (r == 0)
        r = start_parts(s, err);
    (void)ca_key_free(key);
    return r;
}

bool server_stop(struct server *s)
{
    s->serving = false;
    if (s->api && api_stop(s->api, STOP_MS) < 0)
        return false;
    s->upkeep = upkeep_free(s->upkeep);
    if (s->ingest && !ingest_stop(s->ingest, STOP_MS))
        return false;
    s->ingest = ingest_free(s->ingest);
    // After all who change something in the registry.
    s->notify = notify_free(s->notify);
    s->api = api_free(s->api);
    s->tail = tail_free(s->tail);
    s->asking = asking_free(s->asking);
    return true;
}

void server_close(struct server *s)
{
    s->store = store_close(s->store);
    s->ca = ca_free(s->ca);
    s->registry = registry_free(s->registry);
    s->names = strv_free(s->names);
}
