// SPDX-License-Identifier: Apache-2.0
//
// Columns of a run, read. They come from a file: nothing in them is believed before it was looked at.
#include <errno.h>
#include <zstd.h>

#include "base/alloc.h"
#include "store/cols.h"
#include "store/cols_internal.h"

struct reader {
    const uint8_t *p, *end;
    bool failed;
};

static const uint8_t *skip(struct reader *r, size_t len)
{
    const uint8_t *p = r->p;

    if (r->failed || (size_t)(r->end - r->p) < len) {
        r->failed = true;
        return NULL;
    }
    r->p += len;
    return p;
}

static uint32_t u16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t u32(const uint8_t *p)
{
    return u16(p) | u16(p + 2) << 16;
}

static uint64_t u64(const uint8_t *p)
{
    return u32(p) | (uint64_t)u32(p + 4) << 32;
}

static uint32_t get16(struct reader *r)
{
    const uint8_t *p = skip(r, 2);

    return p ? u16(p) : 0;
}

static unsigned width_of(const struct cols *c, unsigned column)
{
    return column == COLS_SETS ? COLS_WIDTH(c->n_sets) : c->width;
}

static uint32_t index_at(const struct cols *c, unsigned column, uint32_t record)
{
    const uint8_t *index = c->index[column];

    return width_of(c, column) == 1 ? index[record] : u16(index + 2 * (size_t)record);
}

static bool indices_fit(const struct cols *c, unsigned column, uint32_t n_entries)
{
    for (uint32_t i = 0; i < c->n; i++)
        if (index_at(c, column, i) >= n_entries)
            return false;
    return true;
}

static void get_index(struct reader *r, struct cols *c, unsigned column, uint32_t n_entries)
{
    if (n_entries == 0) {
        r->failed = true;
    } else if (n_entries > 1) {
        c->index[column] = skip(r, (size_t)c->n * width_of(c, column));
        if (c->index[column] && !indices_fit(c, column, n_entries))
            r->failed = true;
    }
}

static void get_marks(struct reader *r, struct cols *c)
{
    unsigned width;

    c->n_marks = get16(r);
    c->marks = skip(r, (size_t)c->n_marks * 4);
    width = COLS_WIDTH(c->n_marks);
    c->n_sets = get16(r);
    c->sets = r->p;
    for (uint32_t i = 0; i < c->n_sets && !r->failed; i++) {
        const uint8_t *n = skip(r, 1), *at = n ? skip(r, (size_t)*n * width) : NULL;

        if (!at || *n > STORE_MARK_SLOTS) {
            r->failed = true;
            return;
        }
        for (unsigned k = 0; k < *n; k++)
            if ((width == 1 ? at[k] : u16(at + 2 * (size_t)k)) >= c->n_marks)
                r->failed = true;
    }
    if (c->n_marks > COLS_MARKS_MAX || c->n_sets > COLS_RECORDS_MAX)
        r->failed = true;
    get_index(r, c, COLS_SETS, c->n_sets);
    c->marked = true;
}

int cols_parse(const void *mem, size_t len, uint32_t n, uint64_t time_min, struct cols *ret_cols)
{
    struct reader r = {.p = mem, .end = (const uint8_t *)mem + len};
    struct cols c = {.n = n, .time_min = time_min};
    const uint8_t *head = skip(&r, 2);

    if (!head || (head[0] != COLS_VERSION && head[0] != COLS_UNMARKED) || head[1] < 1 ||
        head[1] > 2 || n == 0 || n > COLS_RECORDS_MAX)
        return -EBADMSG;
    c.width = head[1];
    c.n_kinds = get16(&r);
    c.kinds = skip(&r, (size_t)c.n_kinds * COLS_KIND_SIZE);
    for (unsigned i = 0; i < COLS_STRINGS; i++) {
        c.strings[i].n = get16(&r);
        c.strings[i].hashes = skip(&r, (size_t)c.strings[i].n * 4);
    }
    c.deltas = skip(&r, 2 * (size_t)n);
    for (unsigned i = 0; i < COLS_STRINGS; i++)
        get_index(&r, &c, i, c.strings[i].n);
    get_index(&r, &c, COLS_STRINGS, c.n_kinds);
    c.n_counts = get16(&r);
    c.counts = skip(&r, (size_t)c.n_counts * COLS_COUNT_SIZE);
    if (head[0] == COLS_VERSION)
        get_marks(&r, &c);
    if (r.failed || r.p != r.end)
        return -EBADMSG;
    for (uint32_t i = 0; i < c.n_kinds; i++)
        if (cols_kind_at(&c, i).outcome >= STORE_OUTCOMES)
            return -EBADMSG;
    *ret_cols = c;
    return 0;
}

uint64_t cols_time(const struct cols *c, uint32_t record)
{
    return c->time_min + u16(c->deltas + 2 * (size_t)record);
}

struct cols_kind cols_kind_at(const struct cols *c, uint32_t i)
{
    const uint8_t *p = c->kinds + (size_t)i * COLS_KIND_SIZE;

    return (struct cols_kind){u32(p), u32(p + 4), p[8], p[9]};
}

uint32_t cols_index(const struct cols *c, unsigned column, uint32_t record)
{
    return c->index[column] ? index_at(c, column, record) : 0;
}

uint64_t cols_count_of(const struct cols *c, uint32_t record)
{
    uint32_t low = 0, high = c->n_counts;

    while (low < high) {
        uint32_t middle = (low + high) / 2;
        const uint8_t *p = c->counts + (size_t)middle * COLS_COUNT_SIZE;

        if (u16(p) == record)
            return u64(p + 2);
        if (u16(p) < record)
            low = middle + 1;
        else
            high = middle;
    }
    return 1;
}

uint32_t cols_hash_at(const struct cols *c, enum filter_text column, uint32_t i)
{
    return u32(c->strings[column].hashes + 4 * (size_t)i);
}

uint32_t cols_mark_at(const struct cols *c, uint32_t i)
{
    return u32(c->marks + 4 * (size_t)i);
}

const uint8_t *cols_set(const struct cols *c, const uint8_t *set,
                        uint32_t ret_marks[STORE_MARK_SLOTS], unsigned *ret_n)
{
    unsigned width = COLS_WIDTH(c->n_marks);

    *ret_n = *set++;
    for (unsigned i = 0; i < *ret_n; i++, set += width)
        ret_marks[i] = width == 1 ? *set : u16(set);
    return set;
}

// ---- names

static int unpack(ZSTD_DCtx *zstd, const void *mem, size_t len, size_t max, struct strbuf *to)
{
    unsigned long long size = ZSTD_getFrameContentSize(mem, len);
    size_t got;
    char *room;

    if (size > max) // also when it is not known
        return -EBADMSG;
    sb_reset(to);
    room = sb_reserve(to, (size_t)size + 1);
    if (!room)
        return -ENOMEM;
    got = ZSTD_decompressDCtx(zstd, room, (size_t)size, mem, len);
    if (ZSTD_isError(got) || got != size)
        return -EBADMSG;
    sb_written(to, got);
    return 0;
}

int cols_names_parse(const struct cols *c, const void *mem, size_t len, struct cols_names *names)
{
    struct reader reader;
    uint32_t n = 0;
    int r;

    for (unsigned i = 0; i < COLS_STRINGS; i++) {
        names->begin[i] = n;
        n += c->strings[i].n;
    }
    if (!GREEDY(names->at, names->cap, n))
        return -ENOMEM;
    if (!names->zstd && !(names->zstd = ZSTD_createDCtx()))
        return -ENOMEM;
    r = unpack(names->zstd, mem, len, (size_t)n * (COLS_NAME_MAX + 2), &names->text);
    if (r < 0)
        return r;
    reader = (struct reader){.p = (const uint8_t *)names->text.s,
                             .end = (const uint8_t *)names->text.s + names->text.len};
    for (uint32_t i = 0; i < n; i++) {
        uint32_t size = get16(&reader);

        names->at[i] = (struct store_str){(const char *)skip(&reader, size), size};
    }
    return reader.failed ? -EBADMSG : 0;
}

void cols_names_done(struct cols_names *names)
{
    (void)ZSTD_freeDCtx(names->zstd);
    sb_done(&names->text);
    free(names->at);
    *names = (struct cols_names){};
}
