// SPDX-License-Identifier: Apache-2.0
//
// The form of a segment, the file that records wait in. Used by this room only. Bytes in, values out:
// opens no file and allocates nothing.
//
//     0      label, twice (at 0 and at SEGMENT_LABEL_AT): who the records are
//     1024   records: head, line, newline
//     end    a foot, in segments that nobody appends to any more: how many records there are
//
// A record's number is that of the label's first record and the distance to it, so that a segment gets
// another stream by writing its label anew, in place. Of the two labels the later one that is whole counts.
//
// Everything is under a checksum with a seed of its own in each file, which is not part of what leaves the
// host: bytes that a process had written into the text of a record cannot pass for a head, and where a
// head cannot be read, the next one that can is looked for.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/stream.h"

#define SEGMENT_VERSION   1u
#define SEGMENT_LABEL_AT  512u
#define SEGMENT_DATA      1024u // where records begin
#define SEGMENT_HEAD      24u   // bytes in front of each line, and of the foot
#define SEGMENT_INDEX_MAX UINT32_MAX
#define SEGMENT_BYTES_MAX ((uint64_t)1 << 30)

struct segment_label {
    enum stream_class class;
    uint64_t order; // of segments of a class; also in the file's name
    uint64_t seed;
    struct stream_id stream;
    struct stream_id boot; // of the host
    uint64_t first_seq;    // number of the record first_index
    uint32_t first_index;  // what is in front of it was somebody else's
    uint64_t created_ms;   // by the spool's clock
    uint64_t generation;   // grows when the label is written anew
};

// One label, SEGMENT_LABEL_SIZE bytes.
#define SEGMENT_LABEL_SIZE 104u
void segment_label_encode(const struct segment_label *label, uint8_t *ret);

// From the first bytes of a file. -EBADMSG: neither label is whole, or it makes no sense; -EPROTONOSUPPORT: of
// another version of this program.
int segment_label_decode(const uint8_t *bytes, size_t len, struct segment_label *ret_label);

struct segment_record {
    uint32_t index;      // in the file, from 0
    uint32_t age_ms;     // when it was appended, after created_ms
    uint32_t len;        // of the line with its newline; a foot: 0
    bool foot;           // no record: `index` is how many there are
    const uint8_t *line; // on loan
    bool whole;          // the line is what was written
};

// Puts the head in front of a line that lies at head + SEGMENT_HEAD. len as above.
void segment_head_encode(uint64_t seed, uint32_t index, uint32_t age_ms, uint32_t len,
                         uint8_t *head);
void segment_foot_encode(uint64_t seed, uint32_t n, uint32_t age_ms, uint8_t *ret);

// The record at the beginning of bytes. > 0: bytes that it takes; 0: the head is whole, the line goes on behind the
// end of bytes (only index, age_ms, len are set), or there are fewer bytes than a head has; -EBADMSG: no
// head that can be read.
int64_t segment_record_decode(uint64_t seed, const uint8_t *bytes, size_t len,
                              struct segment_record *ret_record);

// The distance to the next place in bytes where a whole head with an index of at least `index` stands, or to the
// first where one may begin that is not all there. `len` when there is none.
size_t segment_resync(uint64_t seed, uint32_t index, const uint8_t *bytes, size_t len);
