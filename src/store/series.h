// SPDX-License-Identifier: Apache-2.0
//
// Counts by key and step while a chart is put together: bounded, whatever keys there are. Used by chart.c alone.
#pragma once

#include "base/table.h"
#include "store/store.h"

#define SERIES_OTHER "(other)"

struct series {
    char *key;
    struct store_count total;
    struct store_count *points; // n_steps
};

struct series_set {
    uint64_t from_ms, step_ms;
    uint32_t n_steps;
    struct map *by_key;
    struct series **list;
    size_t n, cap;
    struct series other; // what is too much
};

int series_init(struct series_set *s, uint64_t from_ms, uint64_t step_ms, uint32_t n_steps);
void series_done(struct series_set *s);

// The series of a key, made when it is new; s->other when there are too many; NULL: no memory.
struct series *series_get(struct series_set *s, const char *key, size_t len);
// Times outside of the chart count for nothing.
void series_add(struct series_set *s, struct series *one, uint64_t time_ms, uint64_t records,
                uint64_t events);
// By events, most first; what is behind the first `limit` is added to `other`.
void series_sort(struct series_set *s, size_t limit);
