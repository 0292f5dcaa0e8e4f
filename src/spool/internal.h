// SPDX-License-Identifier: Apache-2.0
//
// What the files of this room share. Three locks, taken in this order and none held for longer than said:
//
//     writing   who appends, and whatever changes the file that is appended to; held over writes
//     saving    the state file; held over one write
//     lock      all values that both threads know; never held over anything that may wait
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "spool/segment.h"
#include "spool/spool.h"

#define SPOOL_SEGMENTS_MAX 4096u // files; a host that is booted again and again without a server
#define SPOOL_BUFFER       ((size_t)128 << 10) // bytes that are written without being asked for
#define SPOOL_RETRY_MS     1000u // appends after a write that failed do not try again before
#define SPOOL_NAME_SIZE    64u
#define SPOOL_PAGE         UINT64_C(4096) // what a file takes at the least

struct segment {
    struct segment *next;
    struct segment_label label;
    uint64_t end;       // of the records
    uint64_t newest_ms; // the spool's clock when the last of them was appended
    uint32_t n;         // records, from index 0 on
    uint32_t index;     // everything before this is committed
    uint64_t at;        // where the record `index` stands, or one before it
    uint64_t synced;    // bytes that are on the disk for certain
    bool linked;        // so is its name
    bool sealed;        // nothing is appended any more
    bool damaged;       // something in it could not be read
};

struct lease {
    bool on;
    bool dropped; // its segment is gone: for the reason below
    bool
        doubtful; // so is the lease, and its answer may have been lost: what the server says next settles it
    enum spool_reason reason;
    uint64_t order;
    struct stream_id stream;
    uint64_t first_seq, begin; // begin: where it starts in the file
    uint32_t first_index, n;
    uint32_t *ends,
        *ages; // of each record, SPOOL_LEASE_MAX: the offset behind it, when it was appended
    uint8_t *data;
    size_t cap;
};

struct queue {
    struct segment *first, *last;
    size_t n_segments;
    struct stream_id stream; // of what is appended
    uint64_t next_seq;       // of the next record that is written
    uint64_t leased_seq;     // the highest number of that stream that was handed out
    uint64_t acked_seq;      // and that the server has said to have stored
    uint64_t next_order;
    uint64_t
        oldest_ms; // the spool's clock when the oldest waiting record was appended; 0: none waits
    uint64_t accepted, leased, committed;
    struct spool_loss dropped[SPOOL_REASONS], told[SPOOL_REASONS];
    struct lease lease;

    // Of the reader alone.
    int read_fd;
    uint64_t read_order;
    unsigned read_failures;

    // Under `writing`.
    struct strbuf buf; // records whose heads are not filled in
    uint32_t buf_n;
    int fd; // of `last`, when records are appended to it; else -1
};

// A file that was set aside.
struct corrupt {
    char name[SPOOL_NAME_SIZE];
    uint64_t bytes;
};

struct spool {
    struct spool_options options;
    char *dir;
    int dirfd, state_fd;
    bool loaded; // what was found is known as a whole: only then anything is written
    struct stream_id boot;

    pthread_mutex_t writing, saving, lock;
    struct queue queues[STREAM_CLASSES];
    struct corrupt corrupt[SPOOL_CORRUPT_MAX];
    size_t n_corrupt;
    uint64_t clock_base; // the spool's clock minus the host's
    uint64_t clock_last; // it never goes back
    uint64_t generation; // of the state, the last one written
    uint64_t torn_bytes, sync_failures, write_failures;
    int error;
    uint64_t retry_ms; // by the spool's clock
};

// What is to be done to files once nothing is locked.
struct chores {
    struct {
        char from[SPOOL_NAME_SIZE], to[SPOOL_NAME_SIZE]; // to: "" when it is removed
    } v[8];
    size_t n;
};

static inline uint64_t segment_last_seq(const struct segment *seg)
{
    return seg->label.first_seq + (seg->n - seg->label.first_index) - 1;
}

static inline uint64_t segment_seq(const struct segment *seg, uint32_t index)
{
    return seg->label.first_seq + (index - seg->label.first_index);
}

static inline uint64_t lease_bytes(const struct lease *l)
{
    return l->n ? l->ends[l->n - 1] - l->begin : 0;
}

static inline void locked(pthread_mutex_t *mutex)
{
    (void)pthread_mutex_lock(mutex);
}

static inline void unlocked(pthread_mutex_t *mutex)
{
    (void)pthread_mutex_unlock(mutex);
}

// spool.c
uint64_t spool_now(struct spool *s); // under `lock`
void segment_name(const struct segment_label *label, char ret_name[SPOOL_NAME_SIZE]);
struct segment *queue_find(const struct queue *q, uint64_t order);
void queue_remove(struct queue *q, struct segment *seg); // frees it
void queue_add(struct queue *q, struct segment *seg);
bool queue_waits(const struct queue *q);

// open.c: all segments of the directory, and the streams that follow from them.
int spool_load(struct spool *s, struct error *err);

// state.c
int state_load(struct spool *s, bool *ret_found, bool *ret_same_boot);
// Position of the reader as it was saved: put into the segment it belongs to.
void state_save(struct spool *s, bool durable);

// write.c: under `writing`.
void writer_seal(struct spool *s, struct queue *q);
int writer_reopen_dir(struct spool *s);
// What has to be done where nothing is appended any more: see to the age of what waits, and try again to write what could
// not be written. Takes `writing`, unless somebody has it.
void spool_tend(struct spool *s);

// bounds.c
uint64_t spool_bytes(const struct spool *s); // under `lock`
// Gives up what waits in the segment; under `lock`.
void segment_drop(struct spool *s, enum stream_class class, struct segment *seg,
                  enum spool_reason reason, struct chores *chores);
// Removes segments that were read to their ends.
void spool_finish(struct spool *s, enum stream_class class);
void segment_discard(struct spool *s, enum stream_class class, struct segment *seg,
                     struct chores *chores);
void chores_do(struct spool *s, struct chores *chores);
// Makes room for `more` bytes, and drops what is too old; under `writing`.
void spool_bound(struct spool *s, uint64_t more);
// The oldest audit segment gives way to what is more important; under `writing`. false: there is none.
bool spool_make_room(struct spool *s);
bool spool_overdue(struct spool *s); // something is too old; under `lock`
// A file whose name is no longer of use gets another one, and the oldest of these goes; under `lock`.
void corrupt_add(struct spool *s, const char *name, uint64_t bytes, struct chores *chores);

// read.c
struct cursor {
    int fd;
    uint64_t seed, limit; // where records end
    uint64_t off;         // in the file, of buf[0]
    uint8_t *buf;
    size_t cap, got, p; // bytes read, and the place within
};
// Reads on from where it stands, so that at least `need` bytes are there if the file has them.
int cursor_fill(struct cursor *c, size_t need);
// The next whole head, with its line: 1; 0: the end. *ret_skipped grows by bytes that nobody can read.
// Needs the buffer for itself.
int cursor_next(struct cursor *c, uint32_t index, struct segment_record *ret_record,
                int64_t *ret_size, uint64_t *ret_skipped);
void lease_end(struct spool *s, enum stream_class class, uint32_t stored); // under `lock`
