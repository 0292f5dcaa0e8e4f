// SPDX-License-Identifier: Apache-2.0
//
//     sg-bench-fleet --token sg1.… [--agents 1000] [--dir DIR] [--seconds 60] [--period-ms 1000] [--ramp 200]
//                    [--name fleet] [--boot 0] [--skew-s 0] [--refuse TEXT]
//
// Identities are kept in DIR and used again by the next run. SIGUSR1 says that a policy was published just now; without it
// the time counts from the first agent that was told.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "tests/bench/fleet/fleet.h"
#include "transport/enrol.h"
#include "transport/pki.h"
#include "transport/token.h"

#define EVENTS 512

struct options {
    const char *token, *server, *dir, *name, *refuse;
    uint32_t agents, seconds, period_ms, ramp, boot;
    int64_t skew_s;
};

uint64_t fleet_now(void)
{
    return now_ns(CLOCK_MONOTONIC) / NS_PER_MS;
}

static void die(const struct error *err)
{
    error_print(err, stderr);
    exit(1);
}

static void machine_id_of(unsigned number, char ret_text[33])
{
    (void)snprintf(ret_text, 33, "f1ee7000000000000000%012x", number);
}

void fleet_boot_id(unsigned number, unsigned boot, char ret_text[WIRE_UUID_TEXT])
{
    (void)snprintf(ret_text, WIRE_UUID_TEXT, "f1ee7000-%04x-4000-8000-%012x", boot & 0xffff,
                   number);
}

// As a real agent does, one after the other.
static void enrol_one(const struct options *o, unsigned number, struct identity **ret_id)
{
    char path[4096], machine_id[33], boot_id[WIRE_UUID_TEXT], name[32];
    struct error err = {};

    machine_id_of(number, machine_id);
    fleet_boot_id(number, o->boot, boot_id);
    (void)snprintf(path, sizeof(path), "%s/%05u.json", o->dir, number);
    (void)snprintf(name, sizeof(name), "%s-%05u", o->name, number);
    if (identity_load(path, machine_id, ret_id, &err) == 0)
        return;
    if (enrol(&(struct enrol_options){.token = o->token,
                                      .server_url = o->server,
                                      .host = {.name = name,
                                               .machine_id = machine_id,
                                               .boot_id = boot_id},
                                      .version = SAFEGUARD_VERSION,
                                      .path = path},
              ret_id, &err) < 0)
        die(&err);
}

static void resolve(struct fleet *f)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    const char *host = f->url + strlen("https://"), *colon = strrchr(host, ':');
    struct error err = {};
    int r;

    (void)snprintf(f->host, sizeof(f->host), "%.*s", (int)(colon - host), host);
    (void)snprintf(f->port, sizeof(f->port), "%s", colon + 1);
    if (f->host[0] == '[') {
        memmove(f->host, f->host + 1, strlen(f->host));
        f->host[strlen(f->host) - 1] = '\0';
    }
    r = getaddrinfo(f->host, f->port, &hints, &list);
    if (r != 0) {
        (void)error_set(&err, -EHOSTUNREACH, "%s: %s", f->url, gai_strerror(r));
        die(&err);
    }
    memcpy(&f->address, list->ai_addr, list->ai_addrlen);
    f->address_len = list->ai_addrlen;
    freeaddrinfo(list);
}

static void set_up_tls(struct fleet *f, const struct identity *id)
{
    X509 *ca = pki_read_cert(id->ca);
    struct error err = {};

    f->tls = SSL_CTX_new(TLS_client_method());
    if (!f->tls || !ca || X509_STORE_add_cert(SSL_CTX_get_cert_store(f->tls), ca) != 1 ||
        SSL_CTX_set_min_proto_version(f->tls, TLS1_2_VERSION) != 1) {
        (void)error_set(&err, -ENOMEM, "TLS cannot be set up");
        die(&err);
    }
    X509_free(ca);
    SSL_CTX_set_verify(f->tls, SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_mode(f->tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_CTX_set_session_cache_mode(f->tls, SSL_SESS_CACHE_OFF);
}

static int make_line(char *line[3])
{
    static const char number[] = "\"sequence\":1", time[] = "1700000200000";
    _cleanup_free_ char *text = NULL;
    char *a, *b;
    int r;

    r = read_file_bounded(AT_FDCWD, SOURCE_ROOT "/tests/golden/ocsf/open-denied.json", RECORD_MAX,
                          &text, NULL);
    if (r < 0)
        return r;
    text[strcspn(text, "\n")] = '\0';
    a = strstr(text, number);
    b = a ? strstr(a, time) : NULL;
    if (!b)
        return -EBADMSG;
    line[0] = xstrndup(text, (size_t)(a - text) + sizeof(number) - 2);
    a += sizeof(number) - 1;
    line[1] = xstrndup(a, (size_t)(b - a));
    line[2] = strdup(b + sizeof(time) - 1);
    return line[0] && line[1] && line[2] ? 0 : -ENOMEM;
}

static void make_agents(struct fleet *f, const struct options *o)
{
    struct error err = {};

    f->n_agents = o->agents;
    f->agents = new0(struct agent, f->n_agents);
    f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!f->agents || make_line(f->line) < 0 || f->epoll_fd < 0 ||
        frame_writer_new(&f->writer) < 0) {
        (void)error_set(&err, -ENOMEM, "the fleet cannot be set up");
        die(&err);
    }
    for (uint32_t i = 0; i < f->n_agents; i++) {
        _cleanup_(identity_freep) struct identity *id = NULL;

        enrol_one(o, i, &id);
        if (i == 0) {
            memcpy(f->url, id->server_url, sizeof(f->url));
            resolve(f);
            set_up_tls(f, id);
        }
        agent_init(&f->agents[i], f, i, id);
    }
}

// Each agent has its turn once in a period, spread over it.
static void tick(struct fleet *f, uint64_t n)
{
    uint64_t slots = MAX(f->period_ms / TICK_MS, UINT64_C(1)), now = fleet_now();

    for (uint64_t i = n % slots; i < f->n_agents; i += slots)
        agent_tick(&f->agents[i], now, true);
}

// Those that wait for their turn to begin, or again.
static void begin_some(struct fleet *f)
{
    uint64_t now = fleet_now();

    for (uint32_t i = 0; i < f->n_agents; i++)
        if (!f->agents[i].in_session || f->agents[i].fetch || f->agents[i].report)
            agent_tick(&f->agents[i], now, false);
}

static void run(struct fleet *f, const struct options *o)
{
    uint64_t start = fleet_now(), end = start + (uint64_t)o->seconds * 1000, reported = start,
             n = 0;
    struct epoll_event events[EVENTS];
    struct signalfd_siginfo info;
    sigset_t set;
    int signals, got;

    for (uint32_t i = 0; i < f->n_agents; i++)
        f->agents[i].start_at = start + (uint64_t)i * 1000 / MAX(o->ramp, 1u);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR1);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    while (fleet_now() < end) {
        got = epoll_wait(f->epoll_fd, events, EVENTS, TICK_MS);
        for (int i = 0; i < got; i++)
            conn_ready(events[i].data.ptr);
        while (read(signals, &info, sizeof(info)) == sizeof(info))
            f->marked_at = fleet_now();
        while (start + n * TICK_MS <= fleet_now()) {
            tick(f, n++);
            if (n % 10 == 0)
                begin_some(f);
        }
        if (fleet_now() - reported >= 5000) {
            report(f, (double)(fleet_now() - reported) / 1000);
            reported = fleet_now();
        }
    }
    report_policy(f);
    (void)close(signals);
}

static uint32_t number(const char *text)
{
    struct error err = {};
    uint32_t n = 0;

    if (parse_u32(text, &n) < 0) {
        (void)error_set(&err, -EINVAL, "'%s' is not a number", text);
        die(&err);
    }
    return n;
}

static void read_options(struct options *o, int argc, char **argv)
{
    static const struct option rows[] = {
        {"token", required_argument, NULL, 't'},   {"server", required_argument, NULL, 's'},
        {"dir", required_argument, NULL, 'd'},     {"agents", required_argument, NULL, 'n'},
        {"seconds", required_argument, NULL, 'T'}, {"period-ms", required_argument, NULL, 'p'},
        {"ramp", required_argument, NULL, 'r'},    {"name", required_argument, NULL, 'N'},
        {"boot", required_argument, NULL, 'b'},    {"skew-s", required_argument, NULL, 'k'},
        {"refuse", required_argument, NULL, 'R'},  {},
    };
    int c;

    while ((c = getopt_long(argc, argv, "", rows, NULL)) >= 0) {
        switch (c) {
        case 't': o->token = optarg; break;
        case 's': o->server = optarg; break;
        case 'd': o->dir = optarg; break;
        case 'n': o->agents = number(optarg); break;
        case 'T': o->seconds = number(optarg); break;
        case 'p': o->period_ms = number(optarg); break;
        case 'r': o->ramp = number(optarg); break;
        case 'N': o->name = optarg; break;
        case 'b': o->boot = number(optarg); break;
        case 'k':
            o->skew_s = optarg[0] == '-' ? -(int64_t)number(optarg + 1) : (int64_t)number(optarg);
            break;
        case 'R': o->refuse = optarg; break;
        default: exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    struct options o = {.dir = "fleet",
                        .name = "fleet",
                        .agents = 1000,
                        .seconds = 60,
                        .period_ms = 1000,
                        .ramp = 200};
    struct rlimit files;
    struct fleet f = {};

    read_options(&o, argc, argv);
    if (!o.token || o.agents == 0) {
        (void)fprintf(stderr,
                      "%s --token T [--agents N] [--dir DIR] [--seconds S] [--period-ms P] "
                      "[--ramp N/s] [--name NAME] [--boot N] [--skew-s S] [--refuse TEXT]\n",
                      argv[0]);
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    (void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    f.period_ms = o.period_ms;
    f.name = o.name;
    f.boot = o.boot;
    f.refuse = o.refuse;
    f.skew_ms = o.skew_s * 1000;
    if (mkdir_p(AT_FDCWD, o.dir, 0700) < 0)
        return 1;
    make_agents(&f, &o);
    run(&f, &o);
    return 0;
}
