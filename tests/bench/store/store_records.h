// SPDX-License-Identifier: Apache-2.0
//
// Records as a fleet of hosts sends them, the same ones for the same seed: thousands of paths, dozens of programs, users and
// hosts, some of each far more often than others; packed into blocks as the link does.
#pragma once

#include <stdint.h>

#include "base/strbuf.h"
#include "model/batch.h"

#define MADE_HOSTS    40
#define MADE_PROGRAMS 60
#define MADE_USERS    25
#define MADE_RULES    30
#define MADE_PATHS    5000
#define MADE_BLOCK    (128u << 10)

struct maker {
    uint64_t seed;
    uint64_t time_ms; // when the next batch begins; its records are a millisecond apart
    uint64_t step_us; // for each record of all hosts
    uint64_t step_left, in_batch;
    uint64_t next[MADE_HOSTS]; // numbers
};

// A batch of n records of one host. Memory is used again by the next call with the same structure.
struct made {
    struct record_batch batch;
    struct record_block blocks[64];
    struct strbuf raw[64], packed[64];
    char host[40];
};

void maker_init(struct maker *m, uint64_t seed, uint64_t start_ms, uint64_t step_us);
void maker_batch(struct maker *m, unsigned n, struct made *b);
void made_done(struct made *b);

void made_host(unsigned i, char ret[40]);
const char *made_program(unsigned i, char buf[64]);
const char *made_user(unsigned i, char buf[64]);
const char *made_rule(unsigned i, char buf[64]);
const char *made_path(unsigned i, char buf[128]);
uint64_t made_random(uint64_t *seed);
unsigned made_zipf(uint64_t *seed, unsigned n);
