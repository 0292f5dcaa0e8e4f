// SPDX-License-Identifier: Apache-2.0
#include "spool/segment.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "base/macro.h"

// Bytes that no line has: lines are text.
#define MARK_RECORD 0xff52001eu
#define MARK_FOOT   0xff46001eu

// In the order of the host's bytes: a spool does not leave its host.
struct label_bytes {
    char magic[8];
    uint32_t version, class;
    uint64_t order, seed;
    uint8_t stream[STREAM_ID_SIZE], boot[STREAM_ID_SIZE];
    uint64_t first_seq;
    uint32_t first_index, zero;
    uint64_t created_ms, generation, check;
};
#define LABEL_CHECKED offsetof(struct label_bytes, check)

struct head_bytes {
    uint32_t mark, len, index, age_ms;
    uint32_t line_check, head_check;
};
#define HEAD_CHECKED offsetof(struct head_bytes, head_check)

static const char magic[8] = {'S', 'G', 'S', 'P', 'O', 'O', 'L', '\n'};

STATIC_ASSERT(sizeof(struct label_bytes) == SEGMENT_LABEL_SIZE, "a label has no gaps");
STATIC_ASSERT(sizeof(struct head_bytes) == SEGMENT_HEAD, "a head has no gaps");

void segment_label_encode(const struct segment_label *label, uint8_t *ret)
{
    struct label_bytes b = {
        .version = SEGMENT_VERSION,
        .class = (uint32_t)label->class,
        .order = label->order,
        .seed = label->seed,
        .first_seq = label->first_seq,
        .first_index = label->first_index,
        .created_ms = label->created_ms,
        .generation = label->generation,
    };

    memcpy(b.magic, magic, sizeof(magic));
    memcpy(b.stream, label->stream.b, STREAM_ID_SIZE);
    memcpy(b.boot, label->boot.b, STREAM_ID_SIZE);
    b.check = XXH3_64bits(&b, LABEL_CHECKED);
    memcpy(ret, &b, sizeof(b));
}

static int decode_one(const uint8_t *bytes, struct segment_label *ret_label)
{
    struct label_bytes b;

    memcpy(&b, bytes, sizeof(b));
    if (memcmp(b.magic, magic, sizeof(magic)) != 0)
        return -EBADMSG;
    if (b.version != SEGMENT_VERSION)
        return -EPROTONOSUPPORT;
    if (b.check != XXH3_64bits(&b, LABEL_CHECKED) || b.class >= STREAM_CLASSES ||
        b.first_seq == 0 || b.first_seq > STREAM_NUMBER_MAX - SEGMENT_INDEX_MAX || b.zero)
        return -EBADMSG;
    *ret_label = (struct segment_label){
        .class = (enum stream_class)b.class,
        .order = b.order,
        .seed = b.seed,
        .first_seq = b.first_seq,
        .first_index = b.first_index,
        .created_ms = b.created_ms,
        .generation = b.generation,
    };
    memcpy(ret_label->stream.b, b.stream, STREAM_ID_SIZE);
    memcpy(ret_label->boot.b, b.boot, STREAM_ID_SIZE);
    return stream_id_is_none(&ret_label->stream) ? -EBADMSG : 0;
}

int segment_label_decode(const uint8_t *bytes, size_t len, struct segment_label *ret_label)
{
    struct segment_label first = {}, second = {};
    int r, r2;

    if (len < SEGMENT_DATA)
        return -EBADMSG;
    r = decode_one(bytes, &first);
    r2 = decode_one(bytes + SEGMENT_LABEL_AT, &second);
    if (r < 0 && r2 < 0)
        return r2 == -EPROTONOSUPPORT ? r2 : r;
    *ret_label = r < 0 || (r2 == 0 && second.generation > first.generation) ? second : first;
    return 0;
}

static uint32_t check_of(uint64_t seed, const void *mem, size_t len)
{
    return (uint32_t)XXH3_64bits_withSeed(mem, len, seed);
}

static void encode(uint64_t seed, struct head_bytes *h, uint8_t *ret)
{
    h->head_check = check_of(seed, h, HEAD_CHECKED);
    memcpy(ret, h, sizeof(*h));
}

void segment_head_encode(uint64_t seed, uint32_t index, uint32_t age_ms, uint32_t len,
                         uint8_t *head)
{
    struct head_bytes h = {
        .mark = MARK_RECORD,
        .len = len,
        .index = index,
        .age_ms = age_ms,
        .line_check = check_of(seed, head + SEGMENT_HEAD, len),
    };

    encode(seed, &h, head);
}

void segment_foot_encode(uint64_t seed, uint32_t n, uint32_t age_ms, uint8_t *ret)
{
    struct head_bytes h = {.mark = MARK_FOOT, .index = n, .age_ms = age_ms};

    encode(seed, &h, ret);
}

static bool head_is_whole(uint64_t seed, const struct head_bytes *h)
{
    if (h->mark != MARK_RECORD && h->mark != MARK_FOOT)
        return false;
    if (h->head_check != check_of(seed, h, HEAD_CHECKED))
        return false;
    return h->mark == MARK_FOOT ? h->len == 0 : h->len >= 2 && h->len <= RECORD_MAX + 1;
}

int64_t segment_record_decode(uint64_t seed, const uint8_t *bytes, size_t len,
                              struct segment_record *ret_record)
{
    struct segment_record record;
    struct head_bytes h;

    if (len < SEGMENT_HEAD)
        return 0;
    memcpy(&h, bytes, sizeof(h));
    if (!head_is_whole(seed, &h))
        return -EBADMSG;
    record = (struct segment_record){
        .index = h.index,
        .age_ms = h.age_ms,
        .len = h.len,
        .foot = h.mark == MARK_FOOT,
    };
    if (len - SEGMENT_HEAD < h.len) {
        *ret_record = record;
        return 0;
    }
    record.line = bytes + SEGMENT_HEAD;
    record.whole = record.foot || (h.line_check == check_of(seed, record.line, h.len) &&
                                   record.line[h.len - 1] == '\n');
    *ret_record = record;
    return (int64_t)SEGMENT_HEAD + h.len;
}

size_t segment_resync(uint64_t seed, uint32_t index, const uint8_t *bytes, size_t len)
{
    // The marks' first byte in the file, on a host whose bytes are in either order.
    static const uint32_t mark = MARK_RECORD;
    const uint8_t first = *(const uint8_t *)&mark;
    struct head_bytes h;
    size_t at = 0;

    while (at < len) {
        const uint8_t *next = memchr(bytes + at, first, len - at);

        if (!next)
            return len;
        at = (size_t)(next - bytes);
        if (len - at < SEGMENT_HEAD)
            return at;
        memcpy(&h, next, sizeof(h));
        if (head_is_whole(seed, &h) && h.index >= index)
            return at;
        at++;
    }
    return len;
}
