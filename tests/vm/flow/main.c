// SPDX-License-Identifier: Apache-2.0
//
// sg-flow [-i IDLE_MS] [-t TICK_MS] [-r ROWS] [-q]: prints what src/flows says as lines of JSON, until SIGTERM or SIGINT. First
// {"type":"ready","absent":PLACES}; at the end {"type":"live",…} for each row, {"type":"drop",…} for each reason and place, {"type":"counts",…}.
// SIGUSR1 prints the same without an end, SIGUSR2 stops reading and, the second time, goes on. -q prints no events.
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/inet.h"
#include "base/json.h"
#include "base/macro.h"
#include "flows/flows.h"

struct context {
    struct flows *flows;
    bool quiet, stopped;
    const char *type; // instead of the flow's own; NULL: that
};

static int print(struct jw *jw, struct strbuf *sb)
{
    int r = jw_finish(jw);

    if (r == 0)
        printf("%s\n", sb_str(sb));
    return r;
}

static void put_address(struct jw *jw, const char *key, const uint8_t address[16])
{
    char text[INET6_ADDRSTRLEN] = "";

    if (inet_is_mapped(address))
        (void)inet_ntop(AF_INET, address + INET_MAPPED_BYTES, text, sizeof(text));
    else
        (void)inet_ntop(AF_INET6, address, text, sizeof(text));
    jw_kv_str(jw, key, text);
}

static int on_flow(void *userdata, const struct flow *f)
{
    struct context *ctx = userdata;
    _cleanup_(sb_done) struct strbuf sb = {};
    struct jw jw;

    if (ctx->quiet && !ctx->type)
        return 0;
    jw_init(&jw, &sb);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "type", ctx->type ? ctx->type : flow_type_name(f->type));
    jw_kv_str(&jw, "reason", flow_reason_name(f->reason));
    jw_kv_bool(&jw, "unseen", f->unseen);
    jw_kv_u64(&jw, "family", f->ends.family == AF_INET ? 4 : 6);
    jw_kv_u64(&jw, "protocol", f->ends.protocol);
    jw_kv_bool(&jw, "incoming", f->ends.flags & SG_ENDS_INCOMING);
    put_address(&jw, "local", f->ends.local);
    jw_kv_u64(&jw, "local_port", f->ends.local_port);
    put_address(&jw, "remote", f->ends.remote);
    jw_kv_u64(&jw, "remote_port", f->ends.remote_port);
    jw_kv_u64(&jw, "net_ns", f->ends.net_ns);
    jw_kv_u64(&jw, "cookie", f->ends.cookie);
    jw_kv_u64(&jw, "pid", f->who.tgid);
    jw_kv_u64(&jw, "uid", f->who.uid);
    jw_kv_u64(&jw, "start_ns", f->who.start_ns);
    jw_kv_u64(&jw, "cgroup", f->who.cgroup_id);
    jw_kv_u64(&jw, "bytes_out", f->sums.bytes_out);
    jw_kv_u64(&jw, "bytes_in", f->sums.bytes_in);
    jw_kv_u64(&jw, "packets_out", f->sums.packets_out);
    jw_kv_u64(&jw, "packets_in", f->sums.packets_in);
    jw_kv_u64(&jw, "duration_ns", flow_duration_ns(f));
    jw_kv_u64(&jw, "rtt_us", f->rtt_us);
    jw_kv_u64(&jw, "retransmits", f->retransmits);
    jw_kv_u64(&jw, "error", f->error);
    jw_end_object(&jw);
    return print(&jw, &sb);
}

static int print_drop(const struct drop *d)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct jw jw;

    jw_init(&jw, &sb);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "type", "drop");
    jw_kv_str(&jw, "reason", d->reason);
    jw_kv_str(&jw, "place", d->place);
    jw_kv_u64(&jw, "ethertype", d->key.ethertype);
    jw_kv_u64(&jw, "protocol", d->key.protocol);
    jw_kv_u64(&jw, "service", d->key.service);
    jw_kv_u64(&jw, "packets", d->value.packets);
    jw_kv_u64(&jw, "bytes", d->value.bytes);
    put_address(&jw, "source", d->value.source);
    put_address(&jw, "destination", d->value.destination);
    jw_kv_u64(&jw, "source_port", d->value.source_port);
    jw_kv_u64(&jw, "destination_port", d->value.destination_port);
    jw_end_object(&jw);
    return print(&jw, &sb);
}

static int print_counts(const struct flows_counts *c)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"records", c->kernel.records},
        {"lost", c->kernel.lost},
        {"connections", c->kernel.connections},
        {"connections_full", c->kernel.connections_full},
        {"unseen_ends", c->kernel.unseen},
        {"flows", c->kernel.flows},
        {"flows_full", c->kernel.flows_full},
        {"flows_ended", c->kernel.flows_ended},
        {"drops_full", c->kernel.drops_full},
        {"drops_other", c->kernel.drops_other},
        {"full", c->table.full},
        {"replaced", c->table.replaced},
        {"evicted", c->table.evicted},
        {"idle", c->table.idle},
        {"bad", c->bad},
        {"missed", c->missed},
        {"live", c->live},
    };
    _cleanup_(sb_done) struct strbuf sb = {};
    struct jw jw;

    jw_init(&jw, &sb);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "type", "counts");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        jw_kv_u64(&jw, rows[i].name, rows[i].value);
    jw_end_object(&jw);
    return print(&jw, &sb);
}

static int print_all(struct context *ctx)
{
    _cleanup_(drops_done) struct drops drops = {};
    struct flows_counts counts;
    int r = flows_tick(ctx->flows, on_flow, ctx);

    ctx->type = "live";
    r = r < 0 ? r : flows_each(ctx->flows, on_flow, ctx);
    ctx->type = NULL;
    r = r < 0 ? r : flows_drops(ctx->flows, &drops);
    for (size_t i = 0; r >= 0 && i < drops.n; i++)
        r = print_drop(&drops.items[i]);
    r = r < 0 ? r : flows_counts(ctx->flows, &counts);
    r = r < 0 ? r : print_counts(&counts);
    (void)fflush(stdout);
    return r;
}

static int signals_open(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGUSR1);
    (void)sigaddset(&set, SIGUSR2);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

// 1: go on, 0: the end, negative: an error.
static int on_signal(struct context *ctx, int fd)
{
    struct signalfd_siginfo info;
    int r;

    if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return 1;
    if (info.ssi_signo == SIGUSR2) {
        ctx->stopped = !ctx->stopped;
        return 1;
    }
    r = print_all(ctx);
    return r < 0 ? r : info.ssi_signo == SIGUSR1;
}

static int run(struct context *ctx, uint64_t tick_ms)
{
    _cleanup_close_ int signals = signals_open();
    uint64_t next = now_ns(CLOCK_MONOTONIC) + tick_ms * NS_PER_MS, now;
    int r = 1;

    while (r > 0) {
        struct pollfd p[] = {
            {.fd = signals, .events = POLLIN},
            {.fd = ctx->stopped ? -1 : flows_fd(ctx->flows), .events = POLLIN},
        };

        now = now_ns(CLOCK_MONOTONIC);
        if (poll(p, ARRAY_SIZE(p), now < next ? (int)((next - now) / NS_PER_MS) + 1 : 0) < 0)
            return -errno;
        if (p[1].revents)
            r = flows_consume(ctx->flows, on_flow, ctx) < 0 ? -EIO : 1;
        if (r > 0 && !ctx->stopped && now_ns(CLOCK_MONOTONIC) >= next) {
            r = flows_tick(ctx->flows, on_flow, ctx) < 0 ? -EIO : 1;
            next = now_ns(CLOCK_MONOTONIC) + tick_ms * NS_PER_MS;
        }
        (void)fflush(stdout);
        if (r > 0 && p[0].revents)
            r = on_signal(ctx, signals);
    }
    return r;
}

int main(int argc, char **argv)
{
    _cleanup_(flows_closep) struct flows *flows = NULL;
    struct flows_options options = {};
    struct context ctx = {};
    struct error err = {};
    uint64_t tick_ms = 1000;
    int c, r;

    while ((c = getopt(argc, argv, "i:t:r:q")) != -1)
        switch (c) {
        case 'i': options.idle_ns = strtoull(optarg, NULL, 10) * NS_PER_MS; break;
        case 't': tick_ms = strtoull(optarg, NULL, 10); break;
        case 'r': options.max_rows = strtoull(optarg, NULL, 10); break;
        case 'q': ctx.quiet = true; break;
        default: return 2;
        }
    r = flows_open(&options, &flows, &err);
    if (r < 0) {
        error_print(&err, stderr);
        return 1;
    }
    ctx.flows = flows;
    printf("{\"type\":\"ready\",\"absent\":\"%s\"}\n", flows_absent(flows));
    (void)fflush(stdout);
    r = run(&ctx, tick_ms);
    if (r < 0)
        fprintf(stderr, "sg-flow: %s\n", strerror(-r));
    return r < 0;
}
