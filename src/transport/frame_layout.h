// SPDX-License-Identifier: Apache-2.0
//
// Where the numbers of a frame lie (frame.h says what they mean), for frame_read.c and frame_write.c.
#pragma once

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <xxhash.h>

#include "transport/frame.h"

#define FRAME_MAGIC   0x31424753u // "SGB1"
#define FRAME_VERSION 1

enum {
    AT_VERSION = 4,
    AT_CLASS = 5,
    AT_ZERO = 6,
    AT_STREAM = 8,
    AT_FIRST = 24,
    AT_RECORDS = 32,
    AT_BLOCKS = 36,
    AT_RAW = 40,
    AT_BODY = 44,
    AT_HASH = 48,
    AT_ZERO_TOO = 56,
};

enum {
    AT_BLOCK_RECORDS = 0,
    AT_BLOCK_RAW = 4,
    AT_BLOCK_PACKED = 8,
    AT_BLOCK_ZERO = 12,
};

static inline uint16_t get16(const uint8_t *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof(v));
    return le16toh(v);
}

static inline uint32_t get32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return le32toh(v);
}

static inline uint64_t get64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return le64toh(v);
}

static inline void put32(uint8_t *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof(v));
}

static inline void put64(uint8_t *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof(v));
}

// Over everything but itself and what has to be zero.
static inline uint64_t frame_hash(const uint8_t *frame, size_t len)
{
    return XXH3_64bits_withSeed(frame + FRAME_HEAD, len - FRAME_HEAD, XXH3_64bits(frame, AT_HASH));
}
