// SPDX-License-Identifier: Apache-2.0
//
// The queue of records on the host's disk: what was appended waits here, over restarts, until the server
// has stored it. Called by src/agent: one thread appends, another one leases, sends and commits. Owns the
// files in its directory, which nobody else may have open. Knows nothing of the network or of what a
// line says, and waits for nobody but the disk.
//
//     spool_append() ... spool_flush()                       what is flushed survives the process (page cache)
//     spool_lease()  →  send  →  spool_commit()              what is leased survives the power (fdatasync)
//                             →  spool_rollback()
//
// A record gets its stream and number when it is written; both stay with it. Each class has one stream
// at a time, with a new id in each boot of the host: numbers of the last moments before a power cut,
// which the disk may have forgotten, are not given again. Records are leased in the order they were
// appended in, each class by itself.
//
// Bounds are in bytes of disk and in age. When there is too much, the oldest segment of audit records
// goes first and the last one of security records last. The same when the disk is full and a security
// record needs the room. What is dropped is counted for good, and kept as "untold" until somebody has
// told people about it.
//
// Age is counted by a clock of the spool: the time that the host ran (suspended or not) since the record
// was appended, whatever the calendar said meanwhile. Time during which the host was off does not count.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "model/stream.h"

#define SPOOL_BYTES_MIN     ((uint64_t)256 << 10) // of spool_options.max_bytes
#define SPOOL_SEGMENT_BYTES ((uint64_t)8 << 20)
#define SPOOL_CORRUPT_MAX   4u // files that are kept for people to look at
#define SPOOL_LEASE_MAX     8192u

struct spool_options {
    const char *dir;     // made when it is missing, mode 0700; what is in it is the spool's
    uint64_t max_bytes;  // of all files together, SPOOL_BYTES_MIN at the least
    uint64_t max_age_ms; // 0: whatever their age
    uint64_t
        segment_bytes; // of one file; 0: SPOOL_SEGMENT_BYTES, and not more than an eighth of max_bytes
    const char *boot_id; // of this boot of the host, as the kernel writes it

    // Milliseconds since the host was booted, suspended time counted; NULL: CLOCK_BOOTTIME.
    uint64_t (*clock_ms)(void *ctx);
    // Called when records were written, by the thread that flushed, with nothing locked. May be NULL.
    void (*written)(void *ctx);
    void *ctx;
};

// Why records are gone. Numbers are part of files: append only.
enum spool_reason {
    SPOOL_BY_BYTES, // more than max_bytes waited
    SPOOL_BY_AGE,   // older than max_age_ms
    SPOOL_CORRUPT, // could not be read back, or somebody removed the file; records as far as they can be known
    SPOOL_NO_SPACE, // could not be written, or had to make room for a security record
    SPOOL_TOO_LONG, // longer than RECORD_MAX, empty, or more than a line
    SPOOL_REASONS,
};

struct spool_loss {
    uint64_t records, bytes;
};

struct spool_counters {
    uint64_t accepted, leased,
        committed; // records, since there is a spool; leased twice counts twice
    struct spool_loss dropped[SPOOL_REASONS];
    uint64_t waiting, waiting_bytes; // records written and not committed, leased ones among them
    uint64_t unwritten;              // records that the next flush writes
    uint64_t oldest_ms;              // how long the oldest of them has waited; 0: none waits
};

struct spool_health {
    uint64_t bytes, max_bytes;  // of disk
    uint64_t segments, corrupt; // files
    uint64_t torn_bytes;        // ends of files that were cut off: what nobody was promised
    uint64_t sync_failures;     // fdatasync(2) failed; the records are sent all the same
    uint64_t write_failures;
    int error; // negative errno of the last attempt to write, 0: it went well
};

struct spool;

// Opens the spool, or makes one. -EBUSY: another process has it. err says what and how to cure it.
int spool_new(const struct spool_options *options, struct spool **ret_spool, struct error *err);
// Flushes what it can.
struct spool *spool_free(struct spool *s);
DEFINE_CLEANUP(struct spool *, spool_free)

// Takes one line, without its newline. From any thread. What was taken waits in memory until
// spool_flush(), or until there is a good deal of it. -EMSGSIZE, -EINVAL: no line that can be taken;
// else the error of a file system that takes nothing more (-ENOSPC, -EDQUOT, -EROFS, -EIO, ...). All of
// it is counted as dropped.
int spool_append(struct spool *s, enum stream_class class, const char *line, size_t len);

// Writes what waits in memory. What could not be written still waits, and is tried again by the next flush, or by
// spool_lease() after a second.
int spool_flush(struct spool *s);

struct spool_lease {
    enum stream_class class;
    struct stream_id stream;
    uint64_t first_seq; // numbers are first_seq ... first_seq + n - 1
    uint32_t n;
    const char *data; // n lines, each with its newline; on loan until the lease ends
    size_t len;
};

// The functions from here to spool_streams() are called by one thread at a time.

// 1: the next records of the class, at most max_records (SPOOL_LEASE_MAX) of max_bytes together, or one
// that is longer; 0: none waits. They are on the disk before this returns. A lease that was not committed
// comes to its end here; its records are handed out again.
int spool_lease(struct spool *s, enum stream_class class, uint32_t max_records, size_t max_bytes,
                struct spool_lease *ret_lease);

// The server has stored everything of the stream up to acked_seq; with or without a lease. A lease of which
// only a part was stored comes to its end. -ERANGE, and nothing is done: the server has more than
// was ever handed out (spool_new_stream()).
int spool_commit(struct spool *s, enum stream_class class, const struct stream_id *stream,
                 uint64_t acked_seq);
void spool_rollback(struct spool *s, enum stream_class class);

// What waits of the stream gets another one, with numbers from 1 on: the server knows other records by these
// numbers than we do, because this host was set back to an earlier state of itself. May lead to
// records that are stored twice, never to records that are taken for others.
int spool_new_stream(struct spool *s, enum stream_class class, const struct stream_id *stream);

struct spool_stream {
    enum stream_class class;
    struct stream_id id;
    uint64_t first; // number that is leased next
    uint64_t next;  // number that the next record gets; in streams of earlier boots: would have got
    uint64_t acked; // the highest that spool_commit() was told of; 0: none, or not known any more
};

// Streams of which something waits, and the one of each class that records are appended to, oldest first.
// Returns how many were put into ret, at most max.
size_t spool_streams(struct spool *s, struct spool_stream *ret, size_t max);

// From any thread, and without waiting for the disk.
void spool_counters(struct spool *s, enum stream_class class, struct spool_counters *ret);
void spool_health(struct spool *s, struct spool_health *ret);

// What was dropped and nobody has told people about yet. true: something.
bool spool_untold(struct spool *s, enum stream_class class, struct spool_loss ret[SPOOL_REASONS]);
// It was told. In the file with the next flush, so that this waits for nothing.
void spool_told(struct spool *s, enum stream_class class,
                const struct spool_loss told[SPOOL_REASONS]);

// "by-bytes", ...; NULL: no such reason.
const char *spool_reason_name(enum spool_reason reason);
