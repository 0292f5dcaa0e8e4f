// SPDX-License-Identifier: Apache-2.0
#include "store/cells.h"

#include <errno.h>
#include <xxhash.h>

#include "base/alloc.h"

#define SLOTS_MIN 4096

struct cell_id {
    uint32_t kind, host, bucket, key;
};

static struct cell_id id_of(const struct cell *c)
{
    return (struct cell_id){(uint32_t)c->step << 16 | (uint32_t)c->dim << 8 | c->outcome, c->host,
                            c->bucket, c->key};
}

static size_t place_of(const struct cells *c, const struct cell *cell)
{
    struct cell_id id = id_of(cell);
    size_t at = XXH3_64bits(&id, sizeof(id)) & (c->cap - 1);

    while (c->slots[at].records) {
        struct cell_id other = id_of(&c->slots[at]);

        if (memcmp(&other, &id, sizeof(id)) == 0)
            break;
        at = (at + 1) & (c->cap - 1);
    }
    return at;
}

static int enlarge(struct cells *c)
{
    struct cells larger = {.n = c->n, .cap = c->cap ? 2 * c->cap : SLOTS_MIN};

    larger.slots = new0(struct cell, larger.cap);
    if (!larger.slots)
        return -ENOMEM;
    for (size_t i = 0; i < c->cap; i++)
        if (c->slots[i].records)
            larger.slots[place_of(&larger, &c->slots[i])] = c->slots[i];
    free(c->slots);
    *c = larger;
    return 0;
}

int cells_add(struct cells *c, const struct cell *add)
{
    struct cell *slot;
    int r;

    if (2 * (c->n + 1) > c->cap && (r = enlarge(c)) < 0)
        return r;
    slot = &c->slots[place_of(c, add)];
    if (slot->records) {
        slot->records += add->records;
        slot->extra += add->extra;
    } else {
        *slot = *add;
        c->n++;
    }
    return 0;
}

void cells_clear(struct cells *c)
{
    if (c->n)
        memset(c->slots, 0, c->cap * sizeof(*c->slots));
    c->n = 0;
}

void cells_done(struct cells *c)
{
    free(c->slots);
    *c = (struct cells){};
}

// ---- into the tables

static int compare(const void *a, const void *b)
{
    const struct cell *x = a, *y = b;

#define BY(member)              \
    if (x->member != y->member) \
    return x->member < y->member ? -1 : 1
    BY(step);
    BY(dim);
    BY(host);
    BY(bucket);
    BY(key);
    BY(outcome);
#undef BY
    return 0;
}

// What a minute of a host adds to.
static int spread(const struct cells *minutes, struct cells *all)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < minutes->cap; i++) {
        struct cell c = minutes->slots[i];

        if (c.records == 0)
            continue;
        if (c.dim == STORE_BY_NONE || c.dim == STORE_BY_CLASS || c.dim == STORE_BY_SEVERITY)
            r = cells_add(all, &c);
        if (r == 0) {
            c.step = CELL_HOUR;
            c.bucket /= 60;
            r = cells_add(all, &c);
        }
        c.host = 0;
        if (r == 0)
            r = cells_add(all, &c);
        if (r == 0) {
            c.step = CELL_MINUTE;
            c.bucket = minutes->slots[i].bucket;
            r = cells_add(all, &c);
        }
    }
    return r;
}

static int write_cells(const struct cell *cells, size_t n, struct db *db, struct error *err)
{
    _cleanup_(db_donep) struct db_stmt *st = NULL;
    int r = db_query(db,
                     "INSERT INTO cells (step, dim, host, bucket, key, outcome, records, extra) "
                     "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE SET "
                     "records = records + excluded.records, extra = extra + excluded.extra",
                     &st, err);

    for (size_t i = 0; r == 0 && i < n; i++) {
        const struct cell *c = &cells[i];

        db_bind(st, "iiiiiiuu", (int64_t)c->step, (int64_t)c->dim, (int64_t)c->host,
                (int64_t)c->bucket, (int64_t)c->key, (int64_t)c->outcome, c->records, c->extra);
        r = db_run(st, err);
    }
    return r;
}

int cells_flush(struct cells *c, struct db *db, struct error *err)
{
    struct cells all = {};
    size_t n = 0;
    int r = spread(c, &all);

    if (r < 0) {
        cells_done(&all);
        return error_set(err, r, "no memory for counts");
    }
    for (size_t i = 0; i < all.cap; i++)
        if (all.slots[i].records)
            all.slots[n++] = all.slots[i];
    // In the order of the table: neighbours are on one page.
    qsort(all.slots, n, sizeof(*all.slots), compare);
    r = write_cells(all.slots, n, db, err);
    cells_done(&all);
    cells_clear(c);
    return r;
}
