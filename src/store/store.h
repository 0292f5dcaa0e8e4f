// SPDX-License-Identifier: Apache-2.0
//
// Records of all hosts: kept, found again, counted. Called by the server's writer (append, retain, follow) and by its request
// handlers (everything else). Owns the files of records and nothing else: hosts, users, alerts are another room's.
//
// A record is (host, stream, number) and a line of OCSF JSON. It is stored exactly once, however often it is sent: a store
// keeps for each stream the highest number it has, in the same transaction as the records.
//
// Threads: store_append*(), store_follow() and store_close() from one thread, the writer; everything else from any thread at the same
// time. Readers never wait for the writer, nor it for them.
//
// Backends are behind one table (src/store/backend.h) and chosen by the scheme of the URL. What one cannot do is in its
// capabilities; such a call returns -EOPNOTSUPP.
//
// Times are milliseconds since 1970. Nothing here logs; what people should know of (a file that was set aside, removed
// records) is told through store_options.told.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "model/batch.h"
#include "store/extract.h"

struct store;

enum store_capability {
    STORE_KEEPS =
        1
        << 0, // what was appended can be read again; otherwise only numbers are remembered, while it is open
    STORE_DURABLE = 1 << 1, // what was appended survives a power cut and is there at the next open
    STORE_CHARTS = 1 << 2,  // rollup, top, timeline
    STORE_TEXT = 1 << 3,    // filter.text
    STORE_RETAINS = 1 << 4, // store_retain()
};

enum store_told {
    STORE_TOLD_CORRUPT, // a file was damaged and set aside; the error says which, how and what to do
    STORE_TOLD_REMOVED, // retention removed a file: "20260131-001: 1234567 records from ... to ..., 1234 MiB"
    STORE_TOLD_FULL, // no room: nothing of this append was stored. Told once until an append works again
};

struct store_options {
    uint64_t file_bytes; // a new file is begun when the one in use is larger; 0: 2 GiB
    uint32_t
        threads; // that read records beside the writer; 0: one less than the processors there are, 1 at the least
    uint32_t scan_ms; // how long one query may look for further records; 0: 150
    uint64_t (*now_ms)(
        void *
            ctx); // the clock that decides on which day a batch came, when it does not say; NULL: the system's
    // May be called from any thread, also while an append or a query runs; must not call the store.
    void (*told)(void *ctx, enum store_told kind, const struct error *what);
    void *ctx;
};

// ---- open

// "sqlite:DIRECTORY" (made if missing, mode 0700) or "null:". A damaged file is set aside and told; the rest is opened.
int store_open(const char *url, const struct store_options *options, struct store **ret_store,
               struct error *err);
struct store *store_close(
    struct store *st); // NULL is fine, returns NULL. No query may be on its way
DEFINE_CLEANUP(struct store *, store_close)

unsigned store_capabilities(const struct store *st); // bits of store_capability
const char *const *store_schemes(size_t *ret_n);     // of all backends: "sqlite", "null"

// ---- append

struct store_appended {
    uint64_t acked; // highest number of the stream that is stored now, or was dropped by its host
    uint32_t n_stored;
    uint32_t n_duplicate; // were there already
    uint64_t n_missing;   // numbers between the last batch and this one: they never came
    uint32_t
        n_unreadable; // of n_stored: not JSON, not an object, too deep: kept as they are, found by host and time of receipt
};

// All of a batch or nothing. When it returns 0 the records survive a power cut (STORE_DURABLE) and may be acknowledged.
// -ENOSPC: no room; nothing was stored, the host keeps it, later calls may work again. -EINVAL: a batch that contradicts itself
// (numbers, blocks, host that is no name); none of the batches was stored.
int store_append(struct store *st, const struct record_batch *batch,
                 struct store_appended *ret_appended, struct error *err);
// Several batches with one commit: as fast as a disk can be told to be durable. ret_appended has n elements.
int store_append_many(struct store *st, const struct record_batch *const *batches, size_t n,
                      struct store_appended *ret_appended, struct error *err);

// The highest number of the stream that is stored, 0 when there is none.
int store_acked(struct store *st, const char *host, const struct stream_id *stream,
                uint64_t *ret_seq);

struct store_stream {
    const char *host;
    struct stream_id stream;
    enum stream_class class;
    uint64_t acked;
    uint64_t missing;     // numbers that never came, all in all
    uint64_t received_ms; // of its last batch
};
// All streams that the store remembers, in no order. Ends at the first result of fn that is not 0 and returns it.
typedef int (*store_stream_fn)(void *ctx, const struct store_stream *stream);
int store_streams(struct store *st, store_stream_fn fn, void *ctx, struct error *err);

// ---- read

#define STORE_ID_SIZE     40 // of a record, text with its NUL
#define STORE_CURSOR_SIZE 80
#define STORE_LIMIT_MAX   1000
#define STORE_HOSTS_MAX   256
#define STORE_CLASSES_MAX 32
#define STORE_NOT_MAX     32
#define STORE_TEXT_MAX    1024
#define STORE_MARK_MAX    64 // values that are asked for of one mark

// A record. Everything is on loan until the function that got it returns.
struct store_row {
    const char *id; // "" in store_follow() of a store that does not keep
    const char *host;
    enum stream_class class;
    struct stream_id stream;
    uint64_t number;
    uint64_t received_ms;
    struct store_columns columns; // .time_ms is the host's own clock
    const char *line;             // as it came, without newline, not NUL-terminated
    size_t len;
};
// Not 0 ends the reading and is returned.
typedef int (*store_row_fn)(void *ctx, const struct store_row *row);

// A zeroed filter lets everything through. Strings on loan. rule, policy, user, program and path are compared whole, or, with '*' at their
// end, as a prefix.
struct store_filter {
    uint64_t from_ms;         // inclusive
    uint64_t to_ms;           // exclusive; 0: no end
    const char *const *hosts; // any of these; n_hosts at most STORE_HOSTS_MAX
    size_t n_hosts;
    uint32_t class_uid;      // 0: any
    const uint32_t *classes; // any of these; n_classes at most STORE_CLASSES_MAX
    size_t n_classes;
    uint32_t activity; // 0: any
    uint32_t severity_min;
    unsigned outcomes; // bits 1 << enum store_outcome; 0: any
    unsigned streams;  // bits 1 << enum stream_class; 0: any
    const char *rule;
    const char *policy;
    const char *user;
    const char *program;
    const char *path;
    // Words that are all in the record, wherever: in its message, paths, command lines, names. A word is found where it stands as a
    // whole ("shadow" in /etc/shadow), with '*' at its end also as the beginning of one; "/etc/shadow" and text in "double quotes" must
    // stand together. Case of ASCII letters does not matter.
    const char *text;
    // The same, in the command line of the process that the record is about or the path that it has. Their bounds are those of `text`.
    const char *cmd_line;
    // Of each mark (marks.def): with one of these values, compared whole. Lists end with NULL, or are NULL; at most STORE_MARK_MAX values.
    const char *const *marks[STORE_MARKS];
    // None of these, whatever is asked for above. Lists end with NULL, or are NULL; at most STORE_NOT_MAX values each.
    const char *const *not_hosts, *const *not_rules, *const *not_policies,
                                                         *const *not_users, *const *not_programs,
                                                                                *const *not_paths;
    const uint32_t *not_classes; // n_not_classes at most STORE_CLASSES_MAX
    size_t n_not_classes;
    unsigned not_outcomes; // bits
};
// 0, or -EINVAL and what is wrong with which field.
int store_filter_check(const struct store_filter *filter, struct error *err);
// Whether rows that come from store_follow() belong to a live view with this filter. Not for several threads at once. The filter and what
// it points to stay on loan.
struct store_matcher;
int store_matcher_new(const struct store_filter *filter, struct store_matcher **ret_m,
                      struct error *err);
struct store_matcher *store_matcher_free(struct store_matcher *m);
DEFINE_CLEANUP(struct store_matcher *, store_matcher_free)
bool store_matcher_matches(struct store_matcher *m, const struct store_row *row);

struct store_page {
    char cursor[STORE_CURSOR_SIZE]; // where to go on; "" when there is nothing more
    bool more;                      // there is, or may be, more
    bool
        truncated; // the time was over before `limit` records were found: what is there is right, and the cursor goes on from there
    uint64_t
        until_ms; // with truncated: everything newer (older, when oldest first) than that was looked at
    uint64_t scanned; // records that were looked at
    uint32_t n;       // rows
};

// Up to `limit` records (at most STORE_LIMIT_MAX) by the hosts' time, newest or oldest first. cursor NULL or "": from the
// beginning; otherwise the same filter and order as before. Ends a page early when lines sum up to 8 MiB. fn is called when all
// locks are given back, and may take its time. -EINVAL: cursor or filter.
int store_query(struct store *st, const struct store_filter *filter, uint32_t limit,
                const char *cursor, bool newest_first, store_row_fn fn, void *ctx,
                struct store_page *ret_page, struct error *err);

// -ENOENT: no such record (any more). -EINVAL: not an id.
int store_get(struct store *st, const char *id, store_row_fn fn, void *ctx, struct error *err);

// Records of one stream with numbers above `after`, in their order: for whoever counts by number and has to catch up. n_rows at most
// `limit`; 0 rows: there are no more.
int store_since(struct store *st, const char *host, const struct stream_id *stream, uint64_t after,
                uint32_t limit, store_row_fn fn, void *ctx, uint32_t *ret_n, struct error *err);

// ---- counts

enum store_dim {
#define STORE_DIM(id, name) STORE_BY_##id,
#include "store/dims.def"
#undef STORE_DIM
    STORE_DIM_COUNT,
};
const char *store_dim_name(enum store_dim dim);
int store_dim_find(const char *name, enum store_dim *ret_dim); // -ENOENT

struct store_count {
    uint64_t records;
    uint64_t events; // what these records stand for: a merged denial counts as often as it happened
};

// A point of a series: its key (host, rule, ... as text; "" when a record has none; "total" by NONE) and where its step begins.
// Points come series by series, within one by time; steps without records do not come.
typedef int (*store_point_fn)(void *ctx, const char *key, uint64_t from_ms,
                              const struct store_count *count);

struct store_chart {
    uint64_t from_ms, to_ms, step_ms; // as they were used: whole minutes or hours
    bool truncated; // the time was over: counts are complete for what is newer than until_ms
    uint64_t until_ms;
    bool
        estimated; // top lists of paths: counts may be too small by up to `error_max`, and rarer paths may be missing
    uint64_t error_max;
};

// Counts over time. step_ms is rounded up to whole minutes, at least (to - from) / 2000, so that a series has 2000 points at
// most; filter.to_ms 0: now. At most `limit` series: the largest, the rest as one with the key "(other)". Roll-up tables answer filters of times,
// hosts, outcomes and one of the other columns (whole); everything else is counted record by record within scan_ms.
int store_rollup(struct store *st, const struct store_filter *filter, enum store_dim by,
                 uint64_t step_ms, uint32_t limit, store_point_fn fn, void *ctx,
                 struct store_chart *ret_chart, struct error *err);

// The most frequent keys, by events, most frequent first.
typedef int (*store_top_fn)(void *ctx, const char *key, const struct store_count *count);
int store_top(struct store *st, const struct store_filter *filter, enum store_dim by,
              uint32_t limit, store_top_fn fn, void *ctx, struct store_chart *ret_chart,
              struct error *err);

// from..to in up to n_buckets (at most 2000) equal parts, each by outcome, for any filter: fn gets all, oldest first, also those without
// records. Where roll-up tables answer, the parts are whole minutes or hours, and ret_chart tells which.
typedef int (*store_bucket_fn)(void *ctx, uint64_t from_ms,
                               const struct store_count counts[STORE_OUTCOMES]);
int store_timeline(struct store *st, const struct store_filter *filter, uint32_t n_buckets,
                   store_bucket_fn fn, void *ctx, struct store_chart *ret_chart, struct error *err);

// ---- care

struct store_retained {
    uint32_t files;
    uint64_t records;
    uint64_t bytes;
};
// Removes whole files, oldest receipt first: those whose records all came more than max_age_ms ago (0: no limit), and as many as
// the sum of all needs to get below max_bytes (0: no limit). Never the one in use. Readers of a file finish first. From any thread.
int store_retain(struct store *st, uint64_t max_bytes, uint64_t max_age_ms,
                 struct store_retained *ret_removed, struct error *err);

struct store_stats {
    uint64_t records;
    uint64_t bytes; // on the disk
    uint32_t files;
    uint32_t corrupt_files;        // set aside
    uint64_t oldest_ms, newest_ms; // by the hosts' clocks; 0: no record
    uint64_t oldest_received_ms;
    // Since the store was opened:
    uint64_t appended, duplicates, missing, unreadable;
    uint64_t removed_records, removed_files;
    uint64_t commits, full; // appends that found no room
};
int store_stats(struct store *st, struct store_stats *ret_stats);

// fn gets the new records of each commit, when they are durable: in the writer's thread, block by block, in the order of their numbers. NULL: nobody.
// A server that dies between the commit and this call finds what it missed by store_since().
typedef void (*store_follow_fn)(void *ctx, const struct store_row *rows, size_t n_rows);
void store_follow(struct store *st, store_follow_fn fn, void *ctx);
