// SPDX-License-Identifier: Apache-2.0
//
// sg-packets PIN_DIR POLICY STATUS: puts the policy's rules about packets into force, says "ready", and prints each record as a line of
// JSON. SIGHUP: reads the policy again ("again"). SIGUSR1: writes what there is to know to STATUS, by a rename. SIGTERM: ends, and
// what is in force stays. "sg-packets PIN_DIR clear" takes everything away.
#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/inet.h"
#include "base/macro.h"
#include "base/strbuf.h"
#include "base/strutil.h"
#include "packets/packets.h"
#include "policy/policy.h"

static void put_address(char *to, size_t size, const uint8_t addr[16])
{
    if (inet_is_mapped(addr))
        (void)inet_ntop(AF_INET, addr + 12, to, (socklen_t)size);
    else
        (void)inet_ntop(AF_INET6, addr, to, (socklen_t)size);
}

static int on_event(void *ctx _unused_, const struct packet_event *e)
{
    const struct sg_packet_kind *k = &e->record.kind;
    char src[64], dst[64];

    put_address(src, sizeof(src), k->src);
    put_address(dst, sizeof(dst), k->dst);
    printf(
        "{\"line\":%u,\"interface\":\"%s\",\"direction\":%u,\"src\":\"%s\",\"dst\":\"%s\",\"sport\":%u,"
        "\"port\":%u,\"protocol\":%u,\"verdict\":%u,\"monitor\":%u,\"packets\":%llu,\"bytes\":%llu,\"length\":%u}\n",
        e->rule->line, e->interface, k->direction, src, dst, e->record.sport, k->port, k->protocol,
        k->verdict, k->monitor, (unsigned long long)e->record.packets,
        (unsigned long long)e->record.bytes, e->record.length);
    fflush(stdout);
    return 0;
}

static void put_places(FILE *f, const struct packets *p)
{
    struct packets_place place;
    const char *what, *cure;

    fprintf(f, "{\"places\":[");
    for (size_t i = 0; packets_place(p, i, &place); i++)
        fprintf(f, "%s{\"interface\":\"%s\",\"in\":\"%s\",\"out\":\"%s\",\"early\":\"%s\"}",
                i ? "," : "", place.interface, place.in ? packets_way_name(place.in) : "",
                place.out ? packets_way_name(place.out) : "",
                place.early ? packets_way_name(place.early) : "");
    fprintf(f, "],\"problems\":[");
    for (size_t i = 0; packets_problem(p, i, &what, &cure); i++)
        fprintf(f, "%s\"%s\"", i ? "," : "", what);
}

static int put_status(const char *path, const struct packets *p, const struct packet_rules *rules)
{
    uint64_t counts[SG_PACKET_COUNT_MAX] = {0};
    char tmp[512];
    FILE *f;

    (void)snprintf(tmp, sizeof(tmp), "%s.new", path);
    f = fopen(tmp, "we");
    if (!f)
        return -errno;
    put_places(f, p);
    fprintf(f, "],\"rules\":{");
    for (size_t i = 0; i < rules->n; i++) {
        struct sg_packet_sums sums = {};

        (void)packets_sums(p, rules->items[i].number, &sums);
        fprintf(f, "%s\"%u\":[%llu,%llu,%llu]", i ? "," : "", rules->items[i].line,
                (unsigned long long)sums.packets, (unsigned long long)sums.bytes,
                (unsigned long long)sums.drops);
    }
    (void)packets_counts(p, counts);
    fprintf(f, "},\"counts\":[");
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
        fprintf(f, "%s%llu", i ? "," : "", (unsigned long long)counts[i]);
    fprintf(f, "]}\n");
    return fclose(f) == 0 && rename(tmp, path) == 0 ? 0 : -errno;
}

// The policy before is kept until the next one is in force.
static int load(const char *path, struct packets *p, struct policy **policy)
{
    _cleanup_(policy_diags_done) struct policy_diags diags = {};
    _cleanup_(sb_done) struct strbuf said = {};
    struct policy *next = NULL;
    struct error err = {};
    int r = policy_load_files(&path, 1, NULL, &diags, &next);

    policy_diags_format(&diags, false, &said);
    (void)fputs(sb_str(&said), stderr);
    if (r < 0)
        return r;
    r = packets_apply(p, &next->packets, &err);
    if (r < 0) {
        error_print(&err, stderr);
        (void)policy_free(next);
        return r;
    }
    (void)policy_free(*policy);
    *policy = next;
    return 0;
}

static int serve(char **argv, struct packets *p, struct policy **policy)
{
    struct pollfd fds[2] = {{.events = POLLIN}, {.fd = packets_fd(p), .events = POLLIN}};
    struct signalfd_siginfo info;
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGUSR1);
    (void)sigaddset(&set, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    fds[0].fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    puts("ready");
    fflush(stdout);
    for (;;) {
        int r;

        if (poll(fds, 2, 1000) < 0 && errno != EINTR)
            return -errno;
        r = packets_tick(p, on_event, NULL);
        if (r < 0)
            return r;
        if (read(fds[0].fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
            continue;
        if (info.ssi_signo == SIGTERM)
            return 0;
        r = info.ssi_signo == SIGHUP ? load(argv[2], p, policy)
                                     : put_status(argv[3], p, &(*policy)->packets);
        printf("%s %d\n", info.ssi_signo == SIGHUP ? "again" : "status", r);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    struct rlimit memory = {RLIM_INFINITY, RLIM_INFINITY};
    _cleanup_(packets_freep) struct packets *p = NULL;
    _cleanup_(policy_freep) struct policy *policy = NULL;
    struct error err = {};
    int r;

    if (argc < 3)
        return 2;
    (void)setrlimit(RLIMIT_MEMLOCK, &memory); // kernels before 5.11
    (void)libbpf_set_print(NULL);
    if (streq(argv[2], "clear")) {
        r = packets_clear(argv[1], &err);
    } else {
        r = packets_new(argv[1], &p, &err);
        if (r == 0 && load(argv[2], p, &policy) < 0)
            return 1;
        r = r < 0 ? r : serve(argv, p, &policy);
    }
    error_print(&err, stderr);
    return r < 0;
}
