// SPDX-License-Identifier: Apache-2.0
//
// Many agents in one process, for loads that no test bench has hosts for: each with an identity of its own that was
// enrolled as a real one is, a parked poll, and a connection for records; all of them in one thread over OpenSSL.
// What an agent of the product does beyond that (state tables, renewal, retries that grow) is left out; one that is to refuse
// policies (--refuse TEXT: those whose text has it) says of each bundle what became of it.
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/strbuf.h"
#include "model/bundle.h"
#include "transport/frame.h"
#include "transport/identity.h"

#define TICK_MS       10
#define LATENCIES_MAX (1u << 20)

struct fleet;

// One connection, one request at a time.
struct conn {
    struct fleet *fleet;
    void (*done)(struct conn *c,
                 unsigned status); // status 0: the connection broke; the answer is in `in`
    void *ctx;
    SSL *ssl;
    int fd;
    bool connected, shaken, busy;
    struct strbuf out, in;
    size_t sent;
    size_t body_at, body_len; // of the answer; body_at 0: its head is not whole yet
    uint64_t asked_at;
};

struct agent {
    struct fleet *fleet;
    unsigned number;
    char id[WIRE_UUID_TEXT];
    char boot_id[WIRE_UUID_TEXT], machine_id[33];
    EVP_PKEY *key;
    X509 *cert;
    struct conn work, poll;
    char session[WIRE_ID_MAX + 1], bundle[BUNDLE_ID_TEXT], after[WIRE_ID_MAX + 1];
    bool in_session, fetch;
    bool report, reporting, refused; // what became of the bundle
    struct stream_id stream;
    uint64_t next, acked, pending; // records
    uint32_t sending;
    uint64_t start_at; // ms; not before
};

// Of one thing that was waited for.
struct latencies {
    uint32_t *ms;
    size_t n;
};

struct fleet {
    SSL_CTX *tls;
    int epoll_fd;
    char host[256], port[8], url[TOKEN_URL_MAX + 1];
    struct sockaddr_storage address;
    unsigned address_len;
    struct agent *agents;
    uint32_t n_agents;
    uint64_t period_ms;
    struct frame_writer *writer;
    const char *refuse, *name; // NULL: none; "fleet"
    uint32_t boot;             // another one is another boot
    int64_t skew_ms;           // of the clocks of all
    char *line[3];             // of a denial, around its number and its time

    // Counted since the last report.
    uint64_t acked, frames, bytes, polls, errors, refused;
    // Now.
    uint64_t online, parked, connections;
    struct latencies records; // from asking to the answer
    // The latest policies.
    char bundle[BUNDLE_ID_TEXT];
    uint64_t bundle_at, marked_at; // when the first agent was told; when SIGUSR1 came
    struct latencies policy;
};

uint64_t fleet_now(void);
void fleet_boot_id(unsigned number, unsigned boot,
                   char ret_text[WIRE_UUID_TEXT]); // the same in each run

// conn.c
void conn_init(struct conn *c, struct fleet *f, void (*done)(struct conn *c, unsigned status),
               void *ctx);
int conn_ask(struct conn *c, EVP_PKEY *key, X509 *cert, const char *method, const char *path,
             const char *type, const char *session, const struct strbuf *body);
void conn_ready(struct conn *c);
void conn_close(struct conn *c);

// agent.c
void agent_init(struct agent *a, struct fleet *f, unsigned number, const struct identity *id);
void agent_tick(struct agent *a, uint64_t now, bool due); // due: one record more

// report.c
void latency_add(struct latencies *l, uint64_t ms);
void report(struct fleet *f, double seconds);
void report_policy(struct fleet *f);
