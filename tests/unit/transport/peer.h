// SPDX-License-Identifier: Apache-2.0
//
// A server for tests of the link: real TLS with a real CA, HTTP by libmicrohttpd, as the product's server has it.
// Keeps what it was sent, and does as it is told: refuses, is slow, forgets.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "model/stream.h"
#include "transport/ca.h"
#include "transport/msg_hello.h"
#include "transport/wire.h"

#define PEER_STREAMS 8
#define PEER_NUMBERS 100000

struct peer_stream {
    enum stream_class class;
    struct stream_id id;
    uint64_t acked;    // highest number that came
    uint8_t *times;    // how often each number came
    uint64_t n, wrong; // different numbers; numbers that came with another text
    uint64_t *hashes;  // of the texts
};

// What comes in place of an answer. status 0: the real answer.
struct peer_script {
    unsigned status;
    enum wire_code code;
    unsigned retry_after_s;
    unsigned times; // 0: until it is changed
};

struct peer {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int event_fd; // signalled on every request
    struct ca *ca;
    struct MHD_Daemon *daemon;
    uint16_t port;
    char url[64];
    char *key, *chain;
    bool stopping;
    const char *file; // what was stored is appended to, NULL: none

    char session[WIRE_ID_MAX + 1];
    struct peer_stream streams[PEER_STREAMS];
    size_t n_streams;
    struct peer_script hello, records, renew, state, result, bundle;
    unsigned records_delay_ms;
    uint32_t refuse_seq; // a frame with this number is refused; 0: none
    uint64_t acked_lie;  // what answers say is acknowledged; 0: the truth
    bool keep_session;   // sessions of before are still good
    bool renew_asked;
    uint64_t now_ms; // 0: the clock

    const char *bundle_id, *bundle_body;
    const char *command; // an answer to poll in full, once
    char token_hash[65];
    const char *other_ca; // what answers to enrol call the CA; NULL: the truth

    // Seen.
    unsigned n_enrol, n_renew, n_hello, n_records, n_poll, n_bundle, n_state, n_result,
        n_lost_session;
    unsigned parked;
    uint64_t n_duplicates;
    uint64_t table_checksum;
    struct state_set *table;
    char last_result[4096], last_after[WIRE_ID_MAX + 1], last_path[512];
    char agent[WIRE_UUID_TEXT];
};

void peer_init(struct peer *p, const char *ca_dir);
// port 0: any. key and chain from p, made for 127.0.0.1 unless they are there.
void peer_start(struct peer *p, uint16_t port);
// Connections end, parked polls too; what was kept stays.
void peer_stop(struct peer *p);
void peer_done(struct peer *p);
struct peer_stream *peer_stream_of(struct peer *p, enum stream_class class,
                                   const struct stream_id *id);
// Reads what an earlier peer stored in p->file.
void peer_reload(struct peer *p);
