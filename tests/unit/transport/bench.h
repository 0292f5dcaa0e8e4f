// SPDX-License-Identifier: Apache-2.0
//
// What tests of the link share: a peer, an identity, a source that keeps its records in memory, and a link between
// them. WAIT() waits for events of all of these, not for time to pass.
#pragma once

#include <poll.h>
#include <sys/eventfd.h>

#include "tests/unit/transport/peer.h"
#include "transport/identity.h"
#include "transport/link.h"

#define AGENT   "01234567-89ab-cdef-0123-456789abcdef"
#define MACHINE "0123456789abcdef0123456789abcdef"
#define WAIT_S  30

struct source_stream {
    struct stream_id id;
    uint64_t next, committed;
    bool leased;
    struct strbuf data;
};

struct source {
    pthread_mutex_t lock;
    int event_fd;
    struct source_stream streams[STREAM_CLASSES];
    unsigned n_new_streams, n_rollbacks, n_commits;
    size_t pad;     // bytes of each line
    int lease_code; // in place of a lease; 0: none
};

struct bench {
    char *dir;
    char identity[4096];
    struct peer peer;
    struct source source;
    struct link *link;
    struct link_options options;
    // From the handlers.
    unsigned n_bundles, n_commands, n_status;
    char bundle[WIRE_ID_MAX + 1], policy[256], command[WIRE_ID_MAX + 1], args[256];
    bool question; // the last command was one
};

void bench_open(struct bench *b);
void bench_open_online(struct bench *b); // all of what follows, in a session
void bench_close(struct bench *b);
void bench_enrol(struct bench *b, uint64_t issued_ms); // writes the identity; 0: issued now
void bench_link(struct bench *b);
void bench_unlink(struct bench *b);
struct link_status bench_status(struct bench *b);

void source_add(struct source *s, enum stream_class class, uint64_t n);
// All that was ever added is acknowledged.
bool source_empty(struct source *s);

// Until something happened, at most 100 ms.
void bench_wait(struct bench *b, uint64_t end_ms);
uint64_t bench_now(void);

#define WAIT(b, condition)                                  \
    do {                                                    \
        uint64_t wait_end = bench_now() + WAIT_S * 1000;    \
                                                            \
        while (!(condition)) {                              \
            if (bench_now() > wait_end)                     \
                fail_msg("waited in vain for " #condition); \
            bench_wait(b, wait_end);                        \
        }                                                   \
    } while (0)

#define LOCKED(p, expression)                               \
    __extension__({                                         \
        (void)pthread_mutex_lock(&(p)->lock);               \
        __typeof__(expression) locked_value = (expression); \
        (void)pthread_mutex_unlock(&(p)->lock);             \
        locked_value;                                       \
    })
