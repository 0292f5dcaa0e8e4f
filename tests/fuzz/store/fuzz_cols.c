// SPDX-License-Identifier: Apache-2.0
//
// The columns of a run as a damaged file may hold them: what is accepted can be read without leaving it.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "store/cols.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const struct cols *c, uint64_t *sum)
{
    for (uint32_t i = 0; i < c->n; i++) {
        *sum += cols_time(c, i) + cols_count_of(c, i);
        for (unsigned column = 0; column < COLS_STRINGS; column++) {
            if (cols_index(c, column, i) >= c->strings[column].n)
                abort();
            *sum += cols_hash_at(c, (enum filter_text)column, cols_index(c, column, i));
        }
        if (cols_index(c, COLS_STRINGS, i) >= c->n_kinds ||
            cols_kind_at(c, cols_index(c, COLS_STRINGS, i)).outcome >= STORE_OUTCOMES)
            abort();
    }
}

static void read_marks(const struct cols *c, uint64_t *sum)
{
    uint32_t marks[STORE_MARK_SLOTS];
    const uint8_t *set = c->sets;
    unsigned n;

    for (uint32_t i = 0; i < c->n_sets; i++) {
        set = cols_set(c, set, marks, &n);
        for (unsigned k = 0; k < n; k++) {
            if (marks[k] >= c->n_marks)
                abort();
            *sum += cols_mark_at(c, marks[k]);
        }
    }
    for (uint32_t i = 0; c->marked && i < c->n; i++)
        if (cols_index(c, COLS_SETS, i) >= c->n_sets)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cols_names names = {};
    uint64_t sum = 0;
    struct cols c;
    size_t split;
    uint32_t n;

    if (size < 4)
        return 0;
    n = (uint32_t)data[0] + 1;
    split = (size_t)data[1] << 4;
    data += 2;
    size -= 2;
    split = split < size ? split : size;
    if (cols_parse(data, split, n, 1000, &c) < 0)
        return 0;
    read_all(&c, &sum);
    read_marks(&c, &sum);
    if (cols_names_parse(&c, data + split, size - split, &names) == 0)
        for (unsigned column = 0; column < COLS_STRINGS; column++)
            for (uint32_t i = 0; i < c.strings[column].n; i++)
                for (uint32_t k = 0; k < cols_names_at(&names, (enum filter_text)column, i).len;
                     k++)
                    sum += (uint64_t)cols_names_at(&names, (enum filter_text)column, i).s[k];
    cols_names_done(&names);
    __asm__ volatile("" : : "r"(sum)); // is read
    return 0;
}
