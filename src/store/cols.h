// SPDX-License-Identifier: Apache-2.0
//
// The columns of a run as bytes: what a filter needs to find its records, and charts to count them, without unpacking the records
// themselves. A run is up to COLS_RECORDS_MAX records of one stream that follow one another in one block and are not further apart
// than COLS_SPAN_MS by the host's clock.
//
// Each column has a dictionary of what occurs in the run, and an index into it for each record; strings are in it by a hash, and
// in full in a second piece ("names"), which is packed. Marks (marks.def) are in it by a hash alone: a dictionary of them, a dictionary
// of the sets of them that occur, and an index into that for each record. Runs of version 1 have none.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "store/extract.h"
#include "store/filter.h"

#define COLS_RECORDS_MAX 4096
#define COLS_SPAN_MS     10000
#define COLS_MARKS_MAX   8192 // in a run
#define COLS_NAME_MAX    4097 // longer strings are cut: they equal nothing that a filter may ask for

struct cols_kind {
    uint32_t class_uid, activity;
    uint8_t severity; // 255: that or more
    uint8_t outcome;
};

// ---- put together

struct cols_writer;
int cols_writer_new(struct cols_writer **ret_w);
struct cols_writer *cols_writer_free(struct cols_writer *w);

// Whether a record that follows those that are there may join them.
bool cols_fits(const struct cols_writer *w, uint64_t time_ms);
// Strings of c stay on loan until cols_finish(). -ENOMEM.
int cols_add(struct cols_writer *w, const struct store_columns *c, uint64_t time_ms);
uint32_t cols_count(const struct cols_writer *w);

// Dictionaries of the run, for its index.
uint32_t cols_n_kinds(const struct cols_writer *w);
const struct cols_kind *cols_kind(const struct cols_writer *w, uint32_t i);
uint32_t cols_n_names(const struct cols_writer *w, enum filter_text column);
struct store_str cols_name(const struct cols_writer *w, enum filter_text column, uint32_t i);
uint32_t cols_n_marks(const struct cols_writer *w);
struct store_str cols_mark(const struct cols_writer *w, uint32_t i, enum store_mark *ret_mark);

// Appends the two pieces, and empties the writer. 0, -ENOMEM.
int cols_finish(struct cols_writer *w, struct strbuf *cols, struct strbuf *names,
                uint64_t *ret_time_min, uint64_t *ret_time_max);

// ---- read

#define COLS_STRINGS FILTER_TEXTS
#define COLS_SETS    (COLS_STRINGS + 1)

struct cols {
    uint32_t n;
    uint64_t time_min;
    const uint8_t *deltas; // u16 a record
    const uint8_t *counts; // {u16 record, u64 count}
    uint32_t n_counts;
    const uint8_t *kinds;
    uint32_t n_kinds;
    struct {
        const uint8_t *hashes; // u32 each
        uint32_t n;
    } strings[COLS_STRINGS];
    const uint8_t
        *index[COLS_STRINGS + 2]; // the last ones of kinds and of sets of marks; NULL: all are 0
    uint8_t width;                // of an index
    bool marked;                  // it has what follows
    const uint8_t *marks;         // u32 each
    uint32_t n_marks;
    const uint8_t *sets; // u8 how many, a number each
    uint32_t n_sets;
};

// -EBADMSG: that is no such piece. `mem` stays on loan.
int cols_parse(const void *mem, size_t len, uint32_t n, uint64_t time_min, struct cols *ret_cols);

uint64_t cols_time(const struct cols *c, uint32_t record);
struct cols_kind cols_kind_at(const struct cols *c, uint32_t i);
uint32_t cols_index(const struct cols *c, unsigned column,
                    uint32_t record); // column COLS_STRINGS: kind; COLS_SETS: set of marks
uint64_t cols_count_of(const struct cols *c, uint32_t record);
uint32_t cols_hash(const char *s, size_t len); // never 0; 0 stands for "has none"
uint32_t cols_hash_at(const struct cols *c, enum filter_text column, uint32_t i);
uint32_t cols_mark_hash(enum store_mark mark, const char *s, size_t len); // never 0
uint32_t cols_mark_at(const struct cols *c, uint32_t i);
// The members of a set, which begins at `set`: numbers of marks. Returns where the next one begins.
const uint8_t *cols_set(const struct cols *c, const uint8_t *set,
                        uint32_t ret_marks[STORE_MARK_SLOTS], unsigned *ret_n);

// All strings of the run's dictionaries. Memory is reused; cols_names_done() frees it.
struct cols_names {
    struct ZSTD_DCtx_s *zstd;
    struct strbuf text;
    struct store_str *at; // all columns, one after another
    size_t cap;
    uint32_t begin[COLS_STRINGS];
};
int cols_names_parse(const struct cols *c, const void *mem, size_t len, struct cols_names *names);
void cols_names_done(struct cols_names *names);
static inline struct store_str cols_names_at(const struct cols_names *names,
                                             enum filter_text column, uint32_t i)
{
    return names->at[names->begin[column] + i];
}
