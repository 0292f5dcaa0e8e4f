// SPDX-License-Identifier: Apache-2.0
//
// Runs of all files that may have records for a filter, in the order of time: newest first by the ends of their times, or oldest first.
// What the index cannot say is decided by the columns of each run (scan_match()); words are looked for by the caller.
#pragma once

#include "store/sqlite.h"

struct scan_stream {
    char host[64];
    struct stream_id id;
    enum stream_class class;
    bool wanted;
};

struct scan_run {
    struct scan_day *day;
    uint64_t id;
    int64_t block;
    const struct scan_stream *stream; // on loan until scan_close()
    uint64_t number, received_ms;     // of its first record
    uint32_t first, n;
    struct cols cols; // on loan until scan_next()
    const void *names;
    size_t names_len;
};

struct scan_day {
    struct day_view *view;
    struct db *db;
    struct db_stmt *runs;
    struct map *streams; // row → struct scan_stream
    bool begun, ended;
    uint64_t id; // of the run that comes next
};

struct scan {
    struct sqlite_store *st;
    const struct filter *filter;
    bool newest_first;
    uint64_t from_ms, to_ms; // to_ms exclusive
    char *match;             // for the index; "": no use of it
    char *match_unmarked;    // the same, for files whose index has no marks
    struct day_view *views;
    size_t n_views;
    struct scan_day *days;
    struct scan_day *last; // whose run was handed out
    uint64_t deadline_ns;
    struct cols_names names;
    bool names_read;
    bool allowed[COLS_STRINGS + 2][COLS_RECORDS_MAX];
    bool asked[COLS_STRINGS + 2]; // columns that `allowed` is about
};

// from, to: as the filter's, or nearer (a cursor). to_ms 0: no end. scan_close() in every case.
int scan_open(struct scan *s, struct sqlite_store *st, const struct filter *filter,
              bool newest_first, uint64_t from_ms, uint64_t to_ms, struct error *err);
void scan_close(struct scan *s);
// Gives back files and connections, before what was found is handed out: streams of runs stay until scan_close().
void scan_release(struct scan *s);

// Newest first: no run that is still to come has a record that is as young as ret_ms or younger. Oldest first: as none that is older than
// ret_ms. 1; 0: there are no more runs; negative errno. What scan_next() handed out is gone.
int scan_bound(struct scan *s, uint64_t *ret_ms, struct error *err);
// The next run that is wanted by host and stream. 1, 0: there are no more, negative errno.
int scan_next(struct scan *s, struct scan_run *ret_run, struct error *err);

// Whether record i of the run passes all of the filter but its words, and its marks where the run does not have them (filter_asks_line()). scan_match_begin() first: false when none does.
bool scan_match_begin(struct scan *s, const struct scan_run *run);
bool scan_match(const struct scan *s, const struct scan_run *run, uint32_t i);
// The strings of the run; NULL when they cannot be read.
const struct cols_names *scan_names(struct scan *s, const struct scan_run *run);

bool scan_late(const struct scan *s);
// After a failure in a file: a damaged one is set aside, and the scan goes on without it: 0. Else r.
int scan_failed(struct scan *s, struct scan_day *day, int r, struct error *err);
