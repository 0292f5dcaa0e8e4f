// SPDX-License-Identifier: Apache-2.0
//
// A host that makes numbered records as fast as it may, with the agent's spool and link. Whoever kills it finds in DIR/accepted
// how many the spool had taken by then: a record is accepted when append and flush have returned. The second number in
// that file, unless it is 0, is one that no record is made from until it is another.
//
//     sg-producer DIR TOKEN COUNT PER_SECOND SPOOL_BYTES
//
// Enrols with the token unless DIR has an identity, makes records up to number COUNT, waits until nothing waits in the spool any
// more, prints what the spool counted, and ends.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/feed.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/strutil.h"
#include "transport/enrol.h"

#define AT_ONCE 100

struct shared {
    uint64_t accepted, until, not_taken, unanswered;
};

struct producer {
    const char *dir, *token;
    char spool[512], identity[512], boot[64];
    uint64_t count, per_second, spool_bytes;
    struct feed feed;
    struct shared *shared; // a page of the file: there as soon as it is written, whoever is killed
};

static int fail(const struct error *err)
{
    error_print(err, stderr);
    return 1;
}

static int open_accepted(struct producer *p)
{
    char path[512];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/accepted", p->dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(*p->shared)) < 0)
        return negative_errno();
    p->shared = mmap(NULL, sizeof(*p->shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    return p->shared == MAP_FAILED ? negative_errno() : 0;
}

static struct msg_host host_of(const struct producer *p)
{
    return (struct msg_host){"producer", "0123456789abcdef0123456789abcdef", p->boot, "test", "0",
                             "x86_64"};
}

static int enrol_once(const struct producer *p, struct error *err)
{
    const struct enrol_options options = {
        .token = p->token,
        .host = host_of(p),
        .version = SAFEGUARD_VERSION,
        .path = p->identity,
    };
    _cleanup_(identity_freep) struct identity *id = NULL;

    return access(p->identity, F_OK) == 0 ? 0 : enrol(&options, &id, err);
}

static int start(struct producer *p, struct error *err)
{
    const struct spool_options spool = {
        .dir = p->spool,
        .max_bytes = p->spool_bytes,
        .boot_id = p->boot,
        .written = feed_written,
        .ctx = &p->feed,
    };
    struct link_options options = {
        .identity_path = p->identity,
        .machine_id = host_of(p).machine_id,
        .boot_id = p->boot,
        .host = host_of(p),
        .version = SAFEGUARD_VERSION,
        .backoff_min_ms = 100,
        .backoff_max_ms = 1000,
        .stall_ms = 3000,
    };
    struct link *link = NULL;
    int r;

    r = spool_new(&spool, &p->feed.spool, err);
    if (r < 0)
        return r;
    options.source = feed_source(&p->feed);
    r = link_new(&options, &link, err);
    __atomic_store_n(&p->feed.link, link, __ATOMIC_RELEASE);
    return r;
}

// The form of a record, with what makes it one of its own.
static size_t line_of(char line[1024], uint64_t n)
{
    return (size_t)snprintf(
        line, 1024,
        "{\"class_uid\":1001,\"activity_id\":14,\"severity_id\":%d,\"time\":%llu,\"action_id\":%d,\"disposition_id\":%d,"
        "\"actor\":{\"user\":{\"name\":\"ann\"},\"process\":{\"pid\":%u,\"uid\":\"b:%u:1\",\"name\":\"cat\",\"file\":{\"path\":"
        "\"/usr/bin/cat\"}}},\"file\":{\"path\":\"/srv/data/%llu\"},\"message\":\"cat read a file\",\"unmapped\":{"
        "\"rule\":\"data\",\"number\":%llu}}",
        n % 5 ? 1 : 3, (unsigned long long)(now_ns(CLOCK_REALTIME) / NS_PER_MS), n % 5 ? 3 : 2,
        n % 5 ? 17 : 2, (unsigned)(n / 1000), (unsigned)(n / 1000), (unsigned long long)(n % 5000),
        (unsigned long long)n);
}

// From `first` on. A full disk refuses some: they were not accepted. What could not be flushed waits.
static int make(struct producer *p, uint64_t first)
{
    char line[1024];
    int r;

    for (uint64_t n = first; n < first + AT_ONCE; n++) {
        r = spool_append(p->feed.spool, n % 5 ? STREAM_AUDIT : STREAM_SECURITY, line,
                         line_of(line, n));
        p->shared->not_taken += r == -ENOSPC;
        if (r < 0 && r != -ENOSPC)
            return r;
    }
    r = spool_flush(p->feed.spool);
    return r == -ENOSPC ? 0 : r;
}

static bool waiting(struct producer *p)
{
    for (int class = 0; class < STREAM_CLASSES; class ++) {
        struct spool_counters c;

        spool_counters(p->feed.spool, (enum stream_class) class, &c);
        if (c.waiting || c.unwritten)
            return true;
    }
    return false;
}

static void pause_until(struct producer *p, uint64_t until)
{
    struct pollfd fd = {link_fd(p->feed.link), POLLIN, 0};

    for (;;) {
        uint64_t now = now_ns(CLOCK_MONOTONIC);

        if (poll(&fd, 1, now < until ? (int)((until - now) / NS_PER_MS) + 1 : 0) > 0)
            link_dispatch(p->feed.link);
        if (now >= until)
            return;
    }
}

// Whoever looks on sees that answers were lost.
static void tell(struct producer *p)
{
    struct link_status status;

    link_status(p->feed.link, &status);
    __atomic_store_n(&p->shared->unanswered,
                     status.counters.unanswered + status.counters.duplicates, __ATOMIC_RELEASE);
}

static bool held(const struct producer *p, uint64_t first)
{
    uint64_t until = __atomic_load_n(&p->shared->until, __ATOMIC_ACQUIRE);

    return until && first >= until;
}

static int run(struct producer *p)
{
    const uint64_t step = NS_PER_SEC * AT_ONCE / p->per_second;
    uint64_t due = now_ns(CLOCK_MONOTONIC), first;
    int r = 0;

    // What an earlier one was at when it was killed may be in the spool or not: these numbers are not given again.
    for (first = p->shared->accepted ? p->shared->accepted + AT_ONCE : 0; first < p->count;
         first += AT_ONCE) {
        while (held(p, first))
            pause_until(p, due = now_ns(CLOCK_MONOTONIC) + 10 * NS_PER_MS);
        r = make(p, first);
        if (r < 0)
            return r;
        __atomic_store_n(&p->shared->accepted, first + AT_ONCE, __ATOMIC_RELEASE);
        due += step;
        pause_until(p, due);
        tell(p);
    }
    while (waiting(p))
        pause_until(p, now_ns(CLOCK_MONOTONIC) + 20 * NS_PER_MS);
    return 0;
}

static void print_counters(struct producer *p)
{
    uint64_t accepted = 0, dropped = 0, leased = 0;
    struct link_status status;

    for (int class = 0; class < STREAM_CLASSES; class ++) {
        struct spool_counters c;

        spool_counters(p->feed.spool, (enum stream_class) class, &c);
        accepted += c.accepted;
        leased += c.leased;
        for (int i = 0; i < SPOOL_REASONS; i++)
            dropped += c.dropped[i].records;
    }
    link_status(p->feed.link, &status);
    (void)printf(
        "accepted %llu not_taken %llu dropped %llu leased %llu refused %llu behind %llu duplicates %llu unanswered %llu\n",
        (unsigned long long)accepted, (unsigned long long)p->shared->not_taken,
        (unsigned long long)dropped, (unsigned long long)leased,
        (unsigned long long)status.counters.refused, (unsigned long long)status.counters.behind,
        (unsigned long long)status.counters.duplicates,
        (unsigned long long)status.counters.unanswered);
}

static int read_arguments(struct producer *p, char **argv)
{
    char *boot = NULL;
    int r;

    p->dir = argv[1];
    p->token = argv[2];
    (void)snprintf(p->spool, sizeof(p->spool), "%s/spool", p->dir);
    (void)snprintf(p->identity, sizeof(p->identity), "%s/identity.json", p->dir);
    r = read_file_bounded(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &boot, NULL);
    if (r == 0)
        (void)snprintf(p->boot, sizeof(p->boot), "%.36s", boot);
    free(boot);
    r = r < 0 ? r : parse_u64(argv[3], &p->count);
    r = r < 0 ? r : parse_u64(argv[4], &p->per_second);
    r = r < 0 ? r : parse_u64(argv[5], &p->spool_bytes);
    return r < 0 || p->per_second == 0 ? -EINVAL : mkdir_p(AT_FDCWD, p->dir, 0700);
}

int main(int argc, char **argv)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct producer p = {};
    struct error err = {};
    int r;

    (void)sigaction(SIGPIPE, &ignore, NULL);
    if (argc != 6 || read_arguments(&p, argv) < 0) {
        (void)fprintf(stderr, "%s DIR TOKEN COUNT PER_SECOND SPOOL_BYTES\n", argv[0]);
        return 2;
    }
    r = open_accepted(&p);
    r = r < 0 ? error_set(&err, r, "%s: %m", p.dir) : enrol_once(&p, &err);
    r = r < 0 ? r : start(&p, &err);
    if (r < 0)
        return fail(&err);
    r = run(&p);
    if (r < 0)
        (void)error_set(&err, r, "records cannot be kept: %m");
    print_counters(&p);
    (void)link_free(p.feed.link);
    (void)spool_free(p.feed.spool);
    return r < 0 ? fail(&err) : 0;
}
