// SPDX-License-Identifier: Apache-2.0
//
// The SQLite backend, for its own files. A directory with one file a day of receipt (more when a day is long); a file:
//
//   blocks   packed records as they came from the host
//   runs     what is kept of a block beside them (cols.h): one row for records that follow one another within COLS_SPAN_MS. Its id is in
//            the order of the hosts' time, so that the newest records are found at the end
//   words    full-text index, one row a run: which words and values (terms.h) occur in it
//   streams  the highest number of each stream: of all streams in each file, so that removing old files forgets none
//   cells, paths   counts by minute and hour
//
// Threads: the writer owns `w`; lists of files and streams, and all counters are under `lock`. A reader takes the files it needs (references), and a
// connection to each from the file's idle ones. A file that is removed or set aside leaves the list at once, and the disk
// when its last reader has gone.
#pragma once

#include <pthread.h>

#include "base/table.h"
#include "db/db.h"
#include "store/backend.h"
#include "store/cells.h"
#include "store/pool.h"

#define DAY_NAME_SIZE    16         // "20260131-001"
#define DAY_IDLE_READERS 4          // connections kept open, of the newest file
#define DAYS_WITH_IDLE   8          // of so many of the newest files, one at the least
#define DAY_APPLICATION  0x53475231 // "SGR1"

// Ids of runs: the end of a quarter of a second (256 ms) in which the last of its records lies, and a number in it.
#define RUN_UNIT_BITS 8
#define RUN_SEQ_BITS  12
#define RUN_SEQ_MAX   ((UINT64_C(1) << RUN_SEQ_BITS) - 1)

// Every record of a run is older than that.
static inline uint64_t run_end_ms(uint64_t id)
{
    return ((id >> RUN_SEQ_BITS) + 1) << RUN_UNIT_BITS;
}

// The first id whose records may be as young as that.
static inline uint64_t run_first_id(uint64_t time_ms)
{
    return (time_ms >> RUN_UNIT_BITS) << RUN_SEQ_BITS;
}

struct day_bounds {
    uint64_t records;
    uint64_t time_min, time_max; // of the hosts' clocks; both 0: no record
    uint64_t received_min, received_max;
    uint64_t slack_ms; // how much older than run_end_ms() a record of a run may be
    bool
        marked; // its index and its columns have marks; otherwise it is of a time before them, and only read
};

struct day {
    char name[DAY_NAME_SIZE];
    char *path;
    struct day_bounds bounds;
    unsigned refs;  // of readers, of the list and of the writer
    bool removed;   // leaves the disk with the last reference
    bool condemned; // is set aside with the last reference
    struct db *idle[DAY_IDLE_READERS];
    unsigned n_idle;
};

// A stream of a host, as it stands in the newest file.
struct stream_state {
    char host[64];
    struct stream_id stream;
    enum stream_class class;
    uint64_t acked, missing, received_ms; // committed
    uint64_t new_acked, new_missing;      // with what is being appended
    int64_t row;                          // in the file that is written to; 0: not there yet
    bool touched;                         // part of the append that runs
    struct stream_state *next;            // of the same host
};

// Streams of a host that are remembered. A host has two for each of its boots, and at most 16 at a time that it still asks
// about; one that makes a stream for each record makes itself forget, and nobody else.
#define STREAMS_HOST_MAX 1024

struct stream_host {
    struct stream_state *first;
    size_t n;
};

// A quarter of a second whose ids are used up, and where there were free ones last: somebody may send any number of records of one
// moment, and none of them should cost more than another.
struct unit_hint {
    uint64_t unit, next; // next 0: nothing is known
};
#define UNIT_HINTS 64

// What the writer keeps of the file it writes to.
struct writer {
    struct day *day;
    struct db *db;
    struct db_stmt *add_block, *add_run, *last_in_unit, *add_words, *set_stream;
    struct map *keys; // dimension and text → number of the key
    uint32_t n_keys[STORE_DIM_COUNT];
    struct day_bounds bounds; // with what is being appended
    int64_t next_block;
    struct unit_hint hints[UNIT_HINTS];
    struct cells cells;
    struct map *path_counts; // of this transaction: paths.c
    bool full;               // told
};

struct words_row {
    uint64_t run;
    struct digest *digest;
    const struct digest_run *of;
};

struct sqlite_store {
    struct store base;
    char *dir;
    int lock_fd; // nobody else writes here
    struct pool *pool;
    struct writer w;
    struct digest *digests; // memory of the last append, used again
    size_t n_digests, cap_digests;
    struct words_row *words;
    size_t n_words, cap_words;
    pthread_mutex_t lock;
    struct day **days; // by name, the newest last
    size_t n_days, cap_days;
    struct map *streams;      // host and stream → struct stream_state
    struct map *stream_hosts; // host → struct stream_host
    struct store_stats stats; // what counts since it was opened
    uint32_t corrupt_files;
};

static inline struct sqlite_store *sqlite_of(struct store *st)
{
    return (struct sqlite_store *)st;
}

static inline void store_lock(struct sqlite_store *st)
{
    (void)pthread_mutex_lock(&st->lock);
}

static inline void store_unlock(struct sqlite_store *st)
{
    (void)pthread_mutex_unlock(&st->lock);
}

void store_tell(const struct sqlite_store *st, enum store_told kind, const struct error *what);

// ---- day.c: files

// Finds all files, sets damaged ones aside, reads their bounds and streams.
int days_load(struct sqlite_store *st, struct error *err);
void days_free(struct sqlite_store *st);
// A new file for batches that come at this time; becomes the newest one.
int day_new(struct sqlite_store *st, uint64_t received_ms, struct day **ret_day, struct error *err);
// Whether the two times are of one day (UTC).
bool day_is(const struct day *day, uint64_t received_ms);
uint64_t day_bytes(const struct day *day);
// A connection that can write.
int day_open(const struct day *day, struct db **ret_db, struct error *err);
int day_bounds_read(struct db *db, struct day_bounds *ret_bounds, struct error *err);

// References: what is removed or condemned goes with the last one. Both take the lock.
void day_ref(struct sqlite_store *st, struct day *day);
void day_unref(struct sqlite_store *st, struct day *day);
// Out of the list: nobody new finds it. why: told. Takes the lock.
void day_condemn(struct sqlite_store *st, struct day *day, const struct error *why);
void day_remove(struct sqlite_store *st, struct day *day);

// The files that may have records of this time (to_ms 0: no end), each with a reference and its bounds as they are now.
struct day_view {
    struct day *day;
    struct day_bounds bounds;
};
int days_take(struct sqlite_store *st, uint64_t from_ms, uint64_t to_ms,
              struct day_view **ret_views, size_t *ret_n);
void days_give(struct sqlite_store *st, struct day_view *views, size_t n);
struct day *day_find(struct sqlite_store *st, const char *name); // with a reference, or NULL

int day_reader(struct sqlite_store *st, struct day *day, struct db **ret_db, struct error *err);
void day_reader_give(struct sqlite_store *st, struct day *day, struct db *db);
void days_close_idle(struct sqlite_store *st);

// ---- streams.c

// The state of a stream, made when it is new. Takes the lock.
int stream_get(struct sqlite_store *st, const char *host, const struct stream_id *id,
               enum stream_class class, struct stream_state **ret_state);
int streams_load(struct sqlite_store *st, struct db *db,
                 struct error *err); // of one file: the highest numbers win
int streams_carry(struct sqlite_store *st, struct db *db, struct error *err); // into a new file
void streams_forget_rows(struct sqlite_store *st);
int sqlite_acked(struct store *base, const char *host, const struct stream_id *stream,
                 uint64_t *ret_seq);
int sqlite_streams(struct store *base, store_stream_fn fn, void *ctx, struct error *err);

// ---- writer.c: the file that is written to

int writer_open(struct sqlite_store *st, uint64_t received_ms, struct error *err);
void writer_close(struct sqlite_store *st);
// A number for a text of a dimension; 0 stands for all that are too many.
int writer_key(struct sqlite_store *st, enum store_dim dim, const char *s, size_t len,
               uint32_t *ret_key, struct error *err);
void writer_checkpoint(struct sqlite_store *st);

// ---- append.c, paths.c

int sqlite_append_many(struct store *base, const struct record_batch *const *batches, size_t n,
                       struct store_appended *ret_appended, struct error *err);
int paths_count(struct sqlite_store *st, const struct store_columns *c, uint64_t time_ms);
int paths_flush(struct sqlite_store *st, struct error *err);

// ---- query.c, chart.c, retain.c

int sqlite_query(struct store *base, const struct filter *filter, uint32_t limit,
                 const char *cursor, bool newest_first, store_row_fn fn, void *ctx,
                 struct store_page *ret_page, struct error *err);
int sqlite_get(struct store *base, const char *id, store_row_fn fn, void *ctx, struct error *err);
int sqlite_since(struct store *base, const char *host, const struct stream_id *stream,
                 uint64_t after, uint32_t limit, store_row_fn fn, void *ctx, uint32_t *ret_n,
                 struct error *err);
int sqlite_rollup(struct store *base, const struct filter *filter, enum store_dim by,
                  uint64_t step_ms, uint32_t limit, store_point_fn fn, void *ctx,
                  struct store_chart *ret_chart, struct error *err);
int sqlite_top(struct store *base, const struct filter *filter, enum store_dim by, uint32_t limit,
               store_top_fn fn, void *ctx, struct store_chart *ret_chart, struct error *err);
int sqlite_timeline(struct store *base, const struct filter *filter, uint32_t n_buckets,
                    store_bucket_fn fn, void *ctx, struct store_chart *ret_chart,
                    struct error *err);
int sqlite_retain(struct store *base, uint64_t max_bytes, uint64_t max_age_ms,
                  struct store_retained *ret_removed, struct error *err);
