// SPDX-License-Identifier: Apache-2.0
//
// Columns of a run, written. Layout, little-endian: version, width of an index; kinds: u16 how many, 10 bytes each; then for each
// column of strings: u16 how many, u32 hash each; u16 a record: milliseconds after the first; for each column with more than one
// entry, kinds last: its indices; u16 how many counts other than 1, {u16 record, u64 count} each; u16 how many marks, u32 hash each; u16
// how many sets of them, {u8 how many, mark each} each; when there is more than one, a record: its set. Numbers of marks and of sets are a
// byte where there are up to 256, and two otherwise.
#include "store/cols.h"

#include <errno.h>
#include <xxhash.h>
#include <zstd.h>

#include "base/alloc.h"
#include "store/cols_internal.h"

struct name {
    struct store_str s;
    uint32_t hash;
};

struct dictionary {
    struct name *names;
    size_t n, cap;
    uint16_t slots[2 * COLS_RECORDS_MAX]; // 1 + number, 0: free
    uint16_t index[COLS_RECORDS_MAX];
};

struct mark {
    struct store_str s;
    uint32_t hash;
    enum store_mark mark;
};

// Members in the order of their slots: two records with the same values have the same set.
struct mark_set {
    uint8_t n;
    uint16_t at[STORE_MARK_SLOTS];
};

struct mark_dictionary {
    struct mark marks[COLS_MARKS_MAX];
    uint32_t n;
    uint16_t slots[2 * COLS_MARKS_MAX]; // 1 + number, 0: free
    struct mark_set sets[COLS_RECORDS_MAX];
    uint32_t n_sets;
    uint16_t index[COLS_RECORDS_MAX];
};

struct cols_writer {
    struct mark_dictionary marks;
    struct dictionary strings[COLS_STRINGS];
    struct cols_kind kinds[COLS_RECORDS_MAX];
    uint32_t n_kinds;
    uint16_t kind_index[COLS_RECORDS_MAX];
    uint64_t times[COLS_RECORDS_MAX];
    uint64_t counts[COLS_RECORDS_MAX];
    uint32_t n;
    uint64_t time_min, time_max;
    ZSTD_CCtx *zstd;
    struct strbuf plain;
};

int cols_writer_new(struct cols_writer **ret_w)
{
    struct cols_writer *w = new0(struct cols_writer, 1);

    if (!w)
        return -ENOMEM;
    w->zstd = ZSTD_createCCtx();
    if (!w->zstd) {
        free(w);
        return -ENOMEM;
    }
    *ret_w = w;
    return 0;
}

struct cols_writer *cols_writer_free(struct cols_writer *w)
{
    if (!w)
        return NULL;
    for (unsigned i = 0; i < COLS_STRINGS; i++)
        free(w->strings[i].names);
    (void)ZSTD_freeCCtx(w->zstd);
    sb_done(&w->plain);
    free(w);
    return NULL;
}

uint32_t cols_hash(const char *s, size_t len)
{
    uint32_t hash;

    if (len == 0)
        return 0;
    hash = (uint32_t)XXH3_64bits(s, len);
    return hash ? hash : 1;
}

uint32_t cols_mark_hash(enum store_mark mark, const char *s, size_t len)
{
    uint32_t hash = (uint32_t)XXH3_64bits_withSeed(s, len, 1 + (uint64_t)mark);

    return hash ? hash : 1;
}

bool cols_fits(const struct cols_writer *w, uint64_t time_ms)
{
    return w->n == 0 ||
           (w->n < COLS_RECORDS_MAX && w->marks.n + STORE_MARK_SLOTS <= COLS_MARKS_MAX &&
            MAX(w->time_max, time_ms) - MIN(w->time_min, time_ms) <= COLS_SPAN_MS);
}

// The number of a string in the dictionary, where it is put when it is not there; negative errno.
static int number_of(struct dictionary *d, struct store_str s)
{
    uint32_t hash, at;

    s.len = MIN(s.len, (uint32_t)COLS_NAME_MAX);
    hash = cols_hash(s.s, s.len);
    for (at = hash % ARRAY_SIZE(d->slots); d->slots[at]; at = (at + 1) % ARRAY_SIZE(d->slots)) {
        const struct name *name = &d->names[d->slots[at] - 1];

        if (name->hash == hash && name->s.len == s.len &&
            (s.len == 0 || memcmp(name->s.s, s.s, s.len) == 0))
            return d->slots[at] - 1;
    }
    if (!GREEDY(d->names, d->cap, d->n + 1))
        return -ENOMEM;
    d->names[d->n] = (struct name){s, hash};
    d->slots[at] = (uint16_t)++d->n;
    return (int)d->n - 1;
}

// Kinds are few: the last ones are compared first.
static uint32_t kind_of(struct cols_writer *w, const struct store_columns *c)
{
    struct cols_kind kind = {c->class_uid, c->activity, (uint8_t)MIN(c->severity, 255u),
                             (uint8_t)c->outcome};

    for (uint32_t i = w->n_kinds; i > 0 && w->n_kinds - i < 64; i--) {
        const struct cols_kind *k = &w->kinds[i - 1];

        if (k->class_uid == kind.class_uid && k->activity == kind.activity &&
            k->severity == kind.severity && k->outcome == kind.outcome)
            return i - 1;
    }
    w->kinds[w->n_kinds] = kind;
    return w->n_kinds++;
}

static uint16_t number_of_mark(struct mark_dictionary *d, enum store_mark mark, struct store_str s)
{
    uint32_t hash = cols_mark_hash(mark, s.s, s.len), at;

    for (at = hash % ARRAY_SIZE(d->slots); d->slots[at]; at = (at + 1) % ARRAY_SIZE(d->slots)) {
        const struct mark *m = &d->marks[d->slots[at] - 1];

        if (m->hash == hash && m->mark == mark && m->s.len == s.len &&
            memcmp(m->s.s, s.s, s.len) == 0)
            return (uint16_t)(d->slots[at] - 1);
    }
    d->marks[d->n] = (struct mark){s, hash, mark};
    d->slots[at] = (uint16_t)++d->n;
    return (uint16_t)(d->n - 1);
}

static void add_marks(struct mark_dictionary *d, uint32_t record, const struct store_columns *c)
{
    struct mark_set set = {};

    for (unsigned slot = 0; slot < STORE_MARK_SLOTS; slot++) {
        uint16_t number;
        bool there = false;

        if (c->marks[slot].len == 0)
            continue;
        number = number_of_mark(d, store_mark_of((enum store_mark_slot)slot), c->marks[slot]);
        for (unsigned i = 0; i < set.n; i++)
            there = there || set.at[i] == number;
        if (!there)
            set.at[set.n++] = number;
    }
    // Records of one process follow one another: the last sets are compared.
    for (uint32_t i = d->n_sets; i > 0 && d->n_sets - i < 16; i--) {
        if (d->sets[i - 1].n == set.n &&
            memcmp(d->sets[i - 1].at, set.at, set.n * sizeof(set.at[0])) == 0) {
            d->index[record] = (uint16_t)(i - 1);
            return;
        }
    }
    d->sets[d->n_sets] = set;
    d->index[record] = (uint16_t)d->n_sets++;
}

int cols_add(struct cols_writer *w, const struct store_columns *c, uint64_t time_ms)
{
    for (unsigned i = 0; i < COLS_STRINGS; i++) {
        int number = number_of(&w->strings[i], filter_text_of(c, (enum filter_text)i));

        if (number < 0)
            return number;
        w->strings[i].index[w->n] = (uint16_t)number;
    }
    w->kind_index[w->n] = (uint16_t)kind_of(w, c);
    add_marks(&w->marks, w->n, c);
    w->times[w->n] = time_ms;
    w->counts[w->n] = c->count;
    w->time_min = w->n ? MIN(w->time_min, time_ms) : time_ms;
    w->time_max = w->n ? MAX(w->time_max, time_ms) : time_ms;
    w->n++;
    return 0;
}

uint32_t cols_count(const struct cols_writer *w)
{
    return w->n;
}

uint32_t cols_n_kinds(const struct cols_writer *w)
{
    return w->n_kinds;
}

const struct cols_kind *cols_kind(const struct cols_writer *w, uint32_t i)
{
    return &w->kinds[i];
}

uint32_t cols_n_names(const struct cols_writer *w, enum filter_text column)
{
    return (uint32_t)w->strings[column].n;
}

struct store_str cols_name(const struct cols_writer *w, enum filter_text column, uint32_t i)
{
    return w->strings[column].names[i].s;
}

uint32_t cols_n_marks(const struct cols_writer *w)
{
    return w->marks.n;
}

struct store_str cols_mark(const struct cols_writer *w, uint32_t i, enum store_mark *ret_mark)
{
    *ret_mark = w->marks.marks[i].mark;
    return w->marks.marks[i].s;
}

// ---- bytes

static void put(struct strbuf *sb, uint64_t value, unsigned bytes)
{
    uint8_t b[8];

    for (unsigned i = 0; i < bytes; i++)
        b[i] = (uint8_t)(value >> (8 * i));
    sb_add(sb, b, bytes);
}

static void put_dictionaries(const struct cols_writer *w, struct strbuf *sb)
{
    put(sb, w->n_kinds, 2);
    for (uint32_t i = 0; i < w->n_kinds; i++) {
        put(sb, w->kinds[i].class_uid, 4);
        put(sb, w->kinds[i].activity, 4);
        put(sb, w->kinds[i].severity, 1);
        put(sb, w->kinds[i].outcome, 1);
    }
    for (unsigned c = 0; c < COLS_STRINGS; c++) {
        put(sb, w->strings[c].n, 2);
        for (size_t i = 0; i < w->strings[c].n; i++)
            put(sb, w->strings[c].names[i].hash, 4);
    }
}

static void put_index(const struct cols_writer *w, struct strbuf *sb, const uint16_t *index,
                      size_t n_entries, unsigned width)
{
    if (n_entries <= 1)
        return;
    for (uint32_t i = 0; i < w->n; i++)
        put(sb, index[i], width);
}

static void put_counts(const struct cols_writer *w, struct strbuf *sb)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < w->n; i++)
        n += w->counts[i] != 1;
    put(sb, n, 2);
    for (uint32_t i = 0; i < w->n; i++) {
        if (w->counts[i] != 1) {
            put(sb, i, 2);
            put(sb, w->counts[i], 8);
        }
    }
}

static void put_marks(const struct cols_writer *w, struct strbuf *sb)
{
    const struct mark_dictionary *d = &w->marks;

    put(sb, d->n, 2);
    for (uint32_t i = 0; i < d->n; i++)
        put(sb, d->marks[i].hash, 4);
    put(sb, d->n_sets, 2);
    for (uint32_t i = 0; i < d->n_sets; i++) {
        put(sb, d->sets[i].n, 1);
        for (unsigned k = 0; k < d->sets[i].n; k++)
            put(sb, d->sets[i].at[k], COLS_WIDTH(d->n));
    }
    put_index(w, sb, d->index, d->n_sets, COLS_WIDTH(d->n_sets));
}

static int put_names(struct cols_writer *w, struct strbuf *names)
{
    size_t bound, packed;
    char *to;

    sb_reset(&w->plain);
    for (unsigned c = 0; c < COLS_STRINGS; c++) {
        for (size_t i = 0; i < w->strings[c].n; i++) {
            struct store_str s = w->strings[c].names[i].s;

            put(&w->plain, s.len, 2);
            if (s.len)
                sb_add(&w->plain, s.s, s.len);
        }
    }
    if (w->plain.failed)
        return -ENOMEM;
    bound = ZSTD_compressBound(w->plain.len);
    to = sb_reserve(names, bound);
    if (!to)
        return -ENOMEM;
    packed = ZSTD_compressCCtx(w->zstd, to, bound, w->plain.s, w->plain.len, 1);
    if (ZSTD_isError(packed))
        return -ENOMEM;
    sb_written(names, packed);
    return 0;
}

static void reset(struct cols_writer *w)
{
    for (unsigned c = 0; c < COLS_STRINGS; c++) {
        struct dictionary *d = &w->strings[c];

        // Only what was used: a run has far fewer strings than slots.
        for (size_t i = 0; i < d->n; i++)
            for (uint32_t at = d->names[i].hash % ARRAY_SIZE(d->slots); d->slots[at];
                 at = (at + 1) % ARRAY_SIZE(d->slots))
                d->slots[at] = 0;
        d->n = 0;
    }
    for (uint32_t i = 0; i < w->marks.n; i++)
        for (uint32_t at = w->marks.marks[i].hash % ARRAY_SIZE(w->marks.slots); w->marks.slots[at];
             at = (at + 1) % ARRAY_SIZE(w->marks.slots))
            w->marks.slots[at] = 0;
    w->marks.n = w->marks.n_sets = 0;
    w->n = w->n_kinds = 0;
}

int cols_finish(struct cols_writer *w, struct strbuf *cols, struct strbuf *names,
                uint64_t *ret_time_min, uint64_t *ret_time_max)
{
    unsigned width = 1;
    int r;

    for (unsigned c = 0; c < COLS_STRINGS; c++)
        width = w->strings[c].n > 256 ? 2 : width;
    if (w->n_kinds > 256)
        width = 2;
    put(cols, COLS_VERSION, 1);
    put(cols, width, 1);
    put_dictionaries(w, cols);
    for (uint32_t i = 0; i < w->n; i++)
        put(cols, w->times[i] - w->time_min, 2);
    for (unsigned c = 0; c < COLS_STRINGS; c++)
        put_index(w, cols, w->strings[c].index, w->strings[c].n, width);
    put_index(w, cols, w->kind_index, w->n_kinds, width);
    put_counts(w, cols);
    put_marks(w, cols);
    r = put_names(w, names);
    *ret_time_min = w->time_min;
    *ret_time_max = w->time_max;
    reset(w);
    return r < 0 || cols->failed || names->failed ? -ENOMEM : 0;
}
