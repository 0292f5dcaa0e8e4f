// SPDX-License-Identifier: Apache-2.0
//
// Lists on a terminal: cells in rows, as wide as they need to be. Text from outside is escaped here. A zeroed structure
// with titles is an empty list.
//
//     struct columns c = {.n = 2, .titles = {"NAME", "STATE"}};
//     columns_put(&c, name); columns_color(&c, COLOR_RED); columns_put(&c, state);
//     columns_print(&c, color, &sb);
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/color.h"
#include "base/strbuf.h"

#define COLUMNS_MAX 12

struct columns_cell {
    size_t offset;
    unsigned width; // characters
    enum color color;
};

struct columns {
    size_t n;                        // of columns
    const char *titles[COLUMNS_MAX]; // "" for none
    struct strbuf text;              // of all cells, each followed by a NUL
    struct columns_cell *cells;
    size_t n_cells, cap_cells;
    enum color next; // of the cell that comes
};

void columns_put(struct columns *c, const char *text);         // NULL: empty
void columns_put_escaped(struct columns *c, const char *text); // by put_escaped(), and perhaps cut
void columns_put_count(struct columns *c, uint64_t n);
// How long ago, "3 min" ; 0: "never".
void columns_put_ago(struct columns *c, uint64_t ms, uint64_t now_ms);
void columns_color(struct columns *c, enum color color); // of the next cell
void columns_print(const struct columns *c, bool color, struct strbuf *sb);
void columns_done(struct columns *c);

// Columns of a terminal that an escaped text takes, and how many bytes of it fit into so many columns.
unsigned columns_width(const char *s);
size_t columns_fit(const char *s, unsigned width);
