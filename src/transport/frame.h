// SPDX-License-Identifier: Apache-2.0
//
// Frames: the body of one upload of records, as it lies on the wire. Written by the agent's end of the
// link, read by the server, which hands the blocks on as they came. Looks into no record.
//
// All numbers are little endian. A head of 64 bytes:
//
//      0  "SGB1"           4  version, 1        5  class        6  0 (2 bytes)
//      8  id of the stream (16 bytes)          24  number of the first record (8 bytes)
//     32  records         36  blocks           40  bytes of raw text       44  bytes behind the head
//     48  XXH3-64 of what is behind the head, seeded with the XXH3-64 of bytes 0 to 47
//     56  0 (8 bytes)
//
// and then the blocks, each with a head of 16 bytes {records, raw bytes, packed bytes, 0} before one
// zstd frame that tells its size, uses no dictionary, and holds lines, each ended by \n.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/strbuf.h"
#include "model/batch.h"

#define FRAME_HEAD        64u
#define FRAME_BLOCK_HEAD  16u
#define FRAME_MAX         (4u << 20)  // bytes of a frame
#define FRAME_RAW_MAX     (16u << 20) // bytes of all lines of a frame
#define FRAME_RECORDS_MAX 8192u
#define FRAME_BLOCK_RAW   (128u << 10) // bytes of a block's lines, unless it is one longer line
// Lines of that many bytes fit a frame whatever is in them.
#define FRAME_LEASE_MAX   (3u << 20)

#define FRAME_CONTENT_TYPE "application/x-safeguard-frame"

// Encoder -------------------------------------------------------------------------------------

// Holds what zstd needs between frames (about 1 MB). For one thread at a time.
struct frame_writer;

int frame_writer_new(struct frame_writer **ret_writer);
struct frame_writer *frame_writer_free(struct frame_writer *w);
DEFINE_CLEANUP(struct frame_writer *, frame_writer_free)

// Appends the frame of these records to out, which is left as it was on failure. -EINVAL: the lease
// does not hold what it says (lines, numbers, a stream); -EMSGSIZE: more than a frame takes; -ENOMEM.
int frame_encode(struct frame_writer *w, const struct record_lease *lease, struct strbuf *out);

// Decoder -------------------------------------------------------------------------------------

// Holds what zstd needs (about 160 KB). For one thread at a time.
struct frame_reader;

int frame_reader_new(struct frame_reader **ret_reader);
struct frame_reader *frame_reader_free(struct frame_reader *r);
DEFINE_CLEANUP(struct frame_reader *, frame_reader_free)

// A frame that was read. Owns blocks and raw text; `packed` is on loan from the body it was read from.
// host and received_ms are for the caller to fill in.
struct frame {
    struct record_batch batch;
    struct record_block *blocks;
    char *raw;
    size_t raw_len;
};

struct frame *frame_free(struct frame *f);
DEFINE_CLEANUP(struct frame *, frame_free)

// Reads a whole body. Every size is checked against what it has to be before anything is allocated or
// unpacked; no more than FRAME_RAW_MAX bytes are ever unpacked. -EBADMSG: not a frame, or a damaged
// one; -EPROTONOSUPPORT: of another version; -EMSGSIZE: beyond a bound; each with err; -ENOMEM.
int frame_decode(struct frame_reader *r, const void *body, size_t len, struct frame **ret_frame,
                 struct error *err);
