// SPDX-License-Identifier: Apache-2.0
//
// Counts of one transaction, before they are added to the roll-up tables: how many records of a host, in a minute, had this value
// of a column, by outcome. Hosts and texts by their numbers in the file.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "store/store.h"

enum cell_step {
    CELL_MINUTE,
    CELL_HOUR,
};

// Host 0: all hosts. A minute has cells of a single host only by outcome, class and severity: the others of one host are few
// enough to be counted record by record.
struct cell {
    uint8_t step, dim, outcome;
    uint32_t host;
    uint32_t bucket;         // minutes or hours since 1970
    uint32_t key;            // number of a text; class, severity themselves
    uint64_t records, extra; // extra: events beyond one a record
};

struct cells {
    struct cell *slots; // records 0: free
    size_t n, cap;
};

int cells_add(struct cells *c, const struct cell *add); // -ENOMEM
// Adds a minute's cell of a host to the hour, and both to all hosts'; then to the tables.
int cells_flush(struct cells *c, struct db *db, struct error *err);
void cells_clear(struct cells *c);
void cells_done(struct cells *c);
