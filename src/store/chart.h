// SPDX-License-Identifier: Apache-2.0
//
// How a chart is counted: from the roll-up tables where they have what is asked for, record by record otherwise. Used by chart.c.
#pragma once

#include "store/scan.h"
#include "store/series.h"

struct chart {
    struct sqlite_store *st;
    const struct filter *filter;
    enum store_dim by;
    struct series_set series;
    struct store_chart out;
    struct error *err;
};

// Which cells answer a filter.
struct cell_plan {
    enum store_dim dim;          // of the cells
    const char *key;             // only this text; NULL: all
    uint32_t number, number_max; // of class and severity
    bool numbers;                // only keys from number to number_max
    bool hosts;                  // cells of single hosts
};
// False: no cells do. `minutes`: whole hours are not enough.
bool chart_plan(const struct chart *c, bool minutes, struct cell_plan *ret_plan);
// Adds what cells of this step say about from..to (whole steps).
int chart_add_cells(struct chart *c, const struct cell_plan *plan, enum cell_step step,
                    uint64_t from_ms, uint64_t to_ms);
// The most frequent paths of whole hours.
int chart_add_paths(struct chart *c, uint64_t from_ms, uint64_t to_ms);
// Record by record, newest first, as long as the time lets.
int chart_add_records(struct chart *c, uint64_t from_ms, uint64_t to_ms);
