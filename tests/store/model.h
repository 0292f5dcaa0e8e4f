// SPDX-License-Identifier: Apache-2.0
//
// Random records and filters, and what they ought to give: by looking at every record.
#pragma once

#include "tests/store/suite.h"

#define MODEL_HOSTS   5
#define MODEL_RECORDS 3000

struct model {
    struct made_record records[MODEL_RECORDS];
    size_t n;
    uint64_t seed;
    bool once[MODEL_RECORDS]; // was met
};

uint64_t model_random(struct model *m, uint64_t below);
const char *model_host(unsigned i);
// Appends n more in batches of random sizes, with clocks that run apart.
void model_append(struct model *m, struct fixture *f, size_t n);
struct made_record *model_find(struct model *m, const char *host, const struct stream_id *stream,
                               uint64_t number);

struct model_filter {
    struct store_filter f;
    const char *hosts[MODEL_HOSTS];
    uint32_t classes[2], not_classes[2];
    const char *not_hosts[3], *not_texts[5][3]; // rule, policy, user, program, path
    const char *word;                           // of f.text: one that stands alone in messages
    char text[256];
    const char *marks[STORE_MARKS][3];
    const char *cmd_word;
};
void model_filter(struct model *m, struct model_filter *f);
bool model_matches(const struct model_filter *f, const struct made_record *r);
