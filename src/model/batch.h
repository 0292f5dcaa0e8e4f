// SPDX-License-Identifier: Apache-2.0
//
// Records on their way: what the spool hands to the link, and what the link's other end hands to
// the store. Plain records on loan; who fills them in says for how long.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "model/stream.h"

// Records of one stream with numbers that follow one another.
struct record_lease {
    enum stream_class class;
    struct stream_id stream;
    uint64_t first_seq;
    uint32_t n;       // records
    const char *data; // lines, each ended by \n
    size_t len;
};

// Lines that were packed together. `packed` is one zstd frame whose header tells raw_len; a store
// may keep it as it is.
struct record_block {
    uint32_t n_records;
    const char *raw; // lines, each ended by \n
    uint32_t raw_len;
    const void *packed;
    uint32_t packed_len;
};

// Records as they came from a host: numbers first_seq to first_seq + n_records - 1, in the order of
// the blocks. Lines hold any bytes but \n: nobody has looked yet whether they are JSON.
struct record_batch {
    const char *host; // UUID of the agent, as text
    enum stream_class class;
    struct stream_id stream;
    uint64_t first_seq;
    uint32_t n_records;
    const struct record_block *blocks;
    uint32_t n_blocks;
    uint64_t received_ms; // since 1970, the server's clock
};
