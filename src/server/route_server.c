// SPDX-License-Identifier: Apache-2.0
//
// The server about itself: whether it runs, how it is, numbers for a first look, and what it answers to.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"
#include "registry/alert.h"
#include "registry/host.h"
#include "server/ingest.h"
#include "server/server.h"
#include "store/store.h"
#include "transport/ca.h"

#define DAY_MS           ((uint64_t)86400000)
#define STUCK_MS         10000
#define FREE_WARN        ((uint64_t)1 << 30)
#define CERT_WARN_DAYS   7
#define REFUSED_SHOWN_MS (15 * 60 * 1000ull)

int route_healthz(struct server *s _unused_, struct api_request *rq _unused_, struct jw *out,
                  struct error *err _unused_)
{
    jw_begin_object(out);
    jw_kv_bool(out, "ok", true);
    jw_end_object(out);
    return 0;
}

int route_openapi(struct server *s _unused_, struct api_request *rq _unused_, struct jw *out,
                  struct error *err)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    int r = api_openapi(&server_tables, &sb, err);

    if (r == 0)
        jw_raw(out, sb_str(&sb), sb.len);
    return r;
}

// Health -----------------------------------------------------------------------------------------

struct health {
    struct api_counters http;
    struct ingest_stats ingest;
    struct store_stats store;
    struct upkeep_report upkeep;
    uint64_t free_bytes; // UINT64_MAX: not known
    unsigned problems;
};

static uint64_t resident(void)
{
    _cleanup_free_ char *text = NULL;
    char *rest;
    size_t len;

    // "size resident …", in pages.
    if (read_file_bounded(AT_FDCWD, "/proc/self/statm", 4096, &text, &len) < 0)
        return 0;
    (void)strtoull(text, &rest, 10);
    return strtoull(rest, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t cpu_permille(const struct server *s)
{
    uint64_t used_ms = now_ns(CLOCK_PROCESS_CPUTIME_ID) / NS_PER_MS;
    uint64_t up_ms = server_now() - s->started_ms;

    return up_ms ? used_ms * 1000 / up_ms : 0;
}

static void gather(struct server *s, struct health *h)
{
    struct statvfs fs;

    api_counters(s->api, &h->http);
    ingest_stats(s->ingest, &h->ingest);
    (void)store_stats(s->store, &h->store);
    upkeep_report(s->upkeep, &h->upkeep);
    h->free_bytes = UINT64_MAX;
    if (statvfs(s->config.data_dir, &fs) == 0)
        h->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
}

static void problem(struct health *h, struct jw *out, const char *what, const char *cure)
{
    h->problems++;
    jw_begin_object(out);
    jw_kv_str(out, "what", what);
    if (*cure)
        jw_kv_str(out, "cure", cure);
    jw_end_object(out);
}

static void write_registry_problems(struct server *s, struct health *h, struct jw *out)
{
    struct registry_stats stats;
    char text[256];

    if (registry_stats(s->registry, &stats, NULL) < 0) {
        problem(h, out, "the server's database cannot be read",
                "look for the reason in the server's log");
        return;
    }
    if (stats.audit_broken)
        problem(
            h, out, "the audit trail was changed by somebody else",
            "compare it with an exported trail or a backup; the server's log says from which row on");
    if (stats.restored)
        problem(
            h, out,
            "an older copy of the database was brought back: hosts that were revoked since are revoked again",
            "look through hosts, users and policies: other changes since that copy are gone");
    if (stats.strangers) {
        (void)
            snprintf(text, sizeof(text),
                     "%llu hosts have a certificate of this server that its database does not know",
                     (unsigned long long)stats.strangers);
        problem(h, out, text, "adopt them, if they are yours");
    }
}

static void write_problems(struct server *s, struct health *h, struct jw *out)
{
    char text[256];

    jw_kv_array(out, "problems");
    if (h->ingest.last_error) {
        (void)snprintf(text, sizeof(text), "records cannot be stored: %s",
                       strerror(-h->ingest.last_error));
        problem(h, out, text, "make room, or repair the disk; agents keep their records meanwhile");
    }
    if (h->ingest.stuck_ms > STUCK_MS)
        problem(h, out, "the store has not answered for a while", "look at the disk of the server");
    if (h->ingest.alerts_behind)
        problem(h, out, "alerts are behind the records", "look for the reason in the server's log");
    if (h->free_bytes < FREE_WARN)
        problem(h, out, "less than 1 GiB is free where the server keeps its data",
                "make room, or keep fewer records (records.max_bytes)");
    if (h->store.corrupt_files)
        problem(h, out, "a file of records was damaged and set aside",
                "look for its name in the server's log; check the disk");
    if (h->upkeep.problem[0])
        problem(h, out, h->upkeep.problem, h->upkeep.cure);
    if (h->upkeep.certificate_ends_ms &&
        h->upkeep.certificate_ends_ms < server_now() + CERT_WARN_DAYS * DAY_MS)
        problem(h, out, "the server's certificate ends soon and was not renewed",
                "look for the reason in the server's log");
    if (h->http.refused_ms + REFUSED_SHOWN_MS > server_now())
        problem(h, out, "connections of an address that has as many as it may were refused",
                "where many hosts are behind one address, raise connections_per_address");
    if (!s->config.ui_dir || access(s->config.ui_dir, F_OK) < 0)
        problem(h, out, "the files of the web interface are missing",
                "install them, or set ui_dir");
    write_registry_problems(s, h, out);
    jw_end_array(out);
}

static void write_parts(const struct health *h, struct jw *out)
{
    jw_kv_object(out, "http");
    jw_kv_u64(out, "connections", h->http.connections);
    jw_kv_u64(out, "coming", h->http.shaking + h->http.waiting);
    jw_kv_u64(out, "parked", h->http.parked);
    jw_kv_u64(out, "events", h->http.events);
    jw_kv_u64(out, "requests", h->http.requests);
    jw_kv_u64(out, "errors_4xx", h->http.errors_4xx);
    jw_kv_u64(out, "errors_5xx", h->http.errors_5xx);
    jw_kv_u64(out, "refused_busy", h->http.refused_busy);
    jw_kv_u64(out, "refused_address", h->http.connections_refused);
    jw_kv_u64(out, "timed_out", h->http.connections_timed_out);
    jw_end_object(out);
    jw_kv_object(out, "ingest");
    jw_kv_u64(out, "batches", h->ingest.batches);
    jw_kv_u64(out, "records", h->ingest.records);
    jw_kv_u64(out, "duplicates", h->ingest.duplicates);
    jw_kv_u64(out, "missing", h->ingest.missing);
    jw_kv_u64(out, "unreadable", h->ingest.unreadable);
    jw_kv_u64(out, "refused", h->ingest.refused);
    jw_kv_u64(out, "waiting", h->ingest.waiting);
    jw_kv_u64(out, "per_s", h->ingest.per_s);
    jw_end_object(out);
}

static void time_or_null(struct jw *out, const char *key, uint64_t ms)
{
    if (ms)
        jw_kv_u64(out, key, ms);
    else
        jw_kv_null(out, key);
}

int route_server(struct server *s, struct api_request *rq _unused_, struct jw *out,
                 struct error *err _unused_)
{
    struct health h = {};

    gather(s, &h);
    jw_begin_object(out);
    jw_kv_str(out, "version", SAFEGUARD_VERSION);
    jw_kv_u64(out, "started", s->started_ms);
    write_problems(s, &h, out);
    jw_kv_str(out, "state", h.problems ? "degraded" : "ok");
    jw_kv_u64(out, "cpu_permille", cpu_permille(s));
    jw_kv_u64(out, "rss", resident());
    write_parts(&h, out);
    jw_kv_object(out, "store");
    jw_kv_u64(out, "records", h.store.records);
    jw_kv_u64(out, "bytes", h.store.bytes);
    time_or_null(out, "oldest_ms", h.store.oldest_received_ms);
    if (h.free_bytes == UINT64_MAX)
        jw_kv_null(out, "free_bytes");
    else
        jw_kv_u64(out, "free_bytes", h.free_bytes);
    jw_end_object(out);
    time_or_null(out, "certificate_expires", h.upkeep.certificate_ends_ms);
    time_or_null(out, "ca_expires", (uint64_t)ca_info(s->ca)->not_after_ms);
    jw_end_object(out);
    return 0;
}

// Overview ---------------------------------------------------------------------------------------

struct outcomes {
    uint64_t denied, would_deny, audited;
};

static int on_outcome(void *ctx, const char *key, const struct store_count *count)
{
    struct outcomes *o = ctx;

    if (streq(key, store_outcome_name(STORE_DENIED)))
        o->denied = count->events;
    else if (streq(key, store_outcome_name(STORE_WOULD_DENY)))
        o->would_deny = count->events;
    else if (streq(key, store_outcome_name(STORE_AUDITED)))
        o->audited = count->events;
    return 0;
}

static int count_outcomes(struct server *s, struct outcomes *o, struct error *err)
{
    const struct store_filter filter = {.from_ms = server_now() - DAY_MS};
    struct store_chart chart;

    if (!(store_capabilities(s->store) & STORE_CHARTS))
        return 0;
    return store_top(s->store, &filter, STORE_BY_OUTCOME, STORE_OUTCOMES, on_outcome, o, &chart,
                     err);
}

static int write_hosts(struct server *s, struct jw *out, struct error *err)
{
    uint64_t counts[HOST_STATES] = {}, total = 0;
    int r = registry_host_counts(s->registry, counts, err);

    if (r < 0)
        return r;
    for (unsigned i = 0; i < HOST_STATES; i++)
        total += i == HOST_RETIRED ? 0 : counts[i];
    jw_begin_object(out);
    jw_kv_u64(out, "total", total);
    jw_kv_u64(out, "ok", counts[HOST_OK]);
    jw_kv_u64(out, "degraded", counts[HOST_DEGRADED]);
    jw_kv_u64(out, "silent", counts[HOST_SILENT]);
    jw_kv_u64(out, "cloned", counts[HOST_CLONED]);
    jw_kv_u64(out, "revoked", counts[HOST_REVOKED]);
    jw_end_object(out);
    return 0;
}

int route_fleet(struct server *s, struct api_request *rq _unused_, struct jw *out,
                struct error *err)
{
    return write_hosts(s, out, err);
}

static int write_alerts(struct server *s, struct jw *out, struct error *err)
{
    uint64_t counts[ALERT_STATES] = {};
    int r = registry_alert_counts(s->registry, counts, err);

    if (r < 0)
        return r;
    jw_kv_object(out, "alerts");
    jw_kv_u64(out, "new", counts[ALERT_NEW]);
    jw_kv_u64(out, "acknowledged", counts[ALERT_ACKNOWLEDGED]);
    jw_end_object(out);
    return 0;
}

int route_overview(struct server *s, struct api_request *rq _unused_, struct jw *out,
                   struct error *err)
{
    struct outcomes outcomes = {};
    struct health h = {};
    int r = count_outcomes(s, &outcomes, err);

    if (r < 0)
        return r;
    gather(s, &h);
    jw_begin_object(out);
    jw_key(out, "hosts");
    r = write_hosts(s, out, err);
    r = r < 0 ? r : write_alerts(s, out, err);
    if (r < 0)
        return r;
    jw_kv_u64(out, "denials_24h", outcomes.denied);
    jw_kv_u64(out, "would_deny_24h", outcomes.would_deny);
    jw_kv_u64(out, "audited_24h", outcomes.audited);
    jw_kv_object(out, "losses");
    jw_kv_u64(out, "agents", h.upkeep.lost_agents);
    jw_kv_u64(out, "spool", h.upkeep.lost_spool);
    jw_kv_u64(out, "server", h.ingest.missing);
    jw_end_object(out);
    jw_kv_object(out, "ingest");
    jw_kv_u64(out, "per_s", h.ingest.per_s);
    jw_end_object(out);
    jw_kv_object(out, "store");
    jw_kv_u64(out, "bytes", h.store.bytes);
    time_or_null(out, "oldest_ms", h.store.oldest_received_ms);
    jw_end_object(out);
    jw_end_object(out);
    return 0;
}
