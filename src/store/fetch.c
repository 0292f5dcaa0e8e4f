// SPDX-License-Identifier: Apache-2.0
#include "store/fetch.h"

#include <errno.h>

#include "base/alloc.h"

static int find_lines(struct fetch_block *b)
{
    const char *s = b->text.s, *end = s + b->text.len, *newline;

    b->n = 0;
    while (s < end && (newline = memchr(s, '\n', (size_t)(end - s)))) {
        if (!GREEDY(b->lines, b->cap, b->n + 2))
            return -ENOMEM;
        b->lines[b->n++] = (uint32_t)(s - b->text.s);
        s = newline + 1;
    }
    if (b->n == 0 || s != end)
        return -EBADMSG;
    b->lines[b->n] = (uint32_t)b->text.len;
    return 0;
}

static int load(struct fetch_block *b, const void *file, struct db *db, int64_t block,
                struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *q = NULL;
    size_t len = 0;
    const void *packed;
    int r = db_query(db, "SELECT packed FROM blocks WHERE id = ?1", &q, err);

    b->file = NULL;
    if (r < 0)
        return r;
    db_bind_i64(q, 1, block);
    r = db_step(q, err);
    if (r <= 0)
        return r < 0 ? r : -EBADMSG;
    packed = db_col_blob(q, 0, &len);
    r = block_unpack(packed, len, &b->text);
    if (r == 0)
        r = find_lines(b);
    if (r < 0)
        return r;
    b->file = file;
    b->block = block;
    return 0;
}

int fetch_line(struct fetch *f, const void *file, struct db *db, int64_t block, uint32_t at,
               const char **ret_line, size_t *ret_len, struct error *err)
{
    struct fetch_block *found = NULL, *oldest = &f->blocks[0];
    int r;

    for (size_t i = 0; i < FETCH_BLOCKS && !found; i++) {
        struct fetch_block *b = &f->blocks[i];

        if (b->file == file && b->block == block)
            found = b;
        if (b->used < oldest->used)
            oldest = b;
    }
    if (!found) {
        found = oldest;
        r = load(found, file, db, block, err);
        if (r < 0)
            return r;
    }
    found->used = ++f->clock;
    if (at >= found->n)
        return -EBADMSG;
    *ret_line = found->text.s + found->lines[at];
    *ret_len = found->lines[at + 1] - found->lines[at] - 1;
    return 0;
}

void fetch_done(struct fetch *f)
{
    for (size_t i = 0; i < FETCH_BLOCKS; i++) {
        sb_done(&f->blocks[i].text);
        free(f->blocks[i].lines);
    }
    *f = (struct fetch){};
}
