// SPDX-License-Identifier: Apache-2.0
//
// One suite for every backend: tests/unit/store/test_<scheme>.c says which, and which rows of STORE_TESTS below: what a backend cannot do
// (its capabilities) is asked for all the same, and has to be refused.
#pragma once

#include "tests/unit/unit.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/macro.h"
#include "base/strbuf.h"
#include "store/store.h"

// "sqlite" or "null": defined by the program.
extern const char *const suite_scheme;

struct fixture {
    char *dir;
    char url[4200];
    struct store *st;
    struct store_options options;
    struct error err;
    uint64_t now_ms;
    unsigned told[3];
    struct error last_told;
};

void fixture_begin(struct fixture *f);
void fixture_open(struct fixture *f); // again, after store_close()
void fixture_reopen(struct fixture *f);
void fixture_end(struct fixture *f);

// A record as the model has it; NULL: not there.
struct made_record {
    uint64_t time_ms, count;
    unsigned host, class_uid, activity, severity;
    enum store_outcome outcome;
    const char *rule, *policy, *user, *program, *path, *message;
    const char *process, *parent, *run_user, *session, *container; // of the actor
    const char *target, *target_parent,
        *cmd_line;   // of the process that it is about; target NULL: there is none
    unsigned launch; // 2: forked, 3: executed
    bool exec_asked; // the access is one of execution
    enum stream_class class;
    uint64_t number;
};
void made_json(const struct made_record *r, struct strbuf *sb); // one line with its newline

// A batch of one block; text are lines. Everything on loan.
struct one_batch {
    struct record_block block;
    struct record_batch batch;
};
void batch_of(struct one_batch *b, const char *host, unsigned stream, uint64_t first,
              const char *text);
int append_text(struct fixture *f, const char *host, unsigned stream, uint64_t first,
                const char *text, struct store_appended *ret);
struct stream_id stream_of(unsigned n);

// Lines of a list, one after another, each with a newline.
struct lines {
    struct strbuf text;
    char last_id[STORE_ID_SIZE];
    unsigned n;
};
int collect_line(void *lines, const struct store_row *row);

// X(name): test_<name>(). Of every backend; of those that keep (and find text); of those that have charts.
#define STORE_TESTS(X)       \
    X(append_once)           \
    X(append_overlap)        \
    X(append_gap)            \
    X(append_many)           \
    X(append_bad)            \
    X(append_all_or_nothing) \
    X(append_packed_only)    \
    X(append_follow)         \
    X(append_streams)        \
    X(append_across_days)    \
    X(append_unreadable)     \
    X(marks_live)            \
    X(refused)

#define STORE_TESTS_KEEPS(X) \
    X(query_newest)          \
    X(query_random)          \
    X(query_out_of_order)    \
    X(query_text)            \
    X(query_hostile)         \
    X(query_long_lines)      \
    X(query_bad)             \
    X(query_skewed)          \
    X(marks_each)            \
    X(marks_bad)             \
    X(get_and_since)

#define STORE_TESTS_CHARTS(X) \
    X(chart_random)           \
    X(chart_keys)             \
    X(chart_paths)

#define STORE_TEST_DECLARE(name) void test_##name(void **state);
STORE_TESTS(STORE_TEST_DECLARE)
STORE_TESTS_KEEPS(STORE_TEST_DECLARE)
STORE_TESTS_CHARTS(STORE_TEST_DECLARE)
#define STORE_TEST_ROW(name) cmocka_unit_test(test_##name),
