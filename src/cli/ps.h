// SPDX-License-Identifier: Apache-2.0
//
// What `safeguard ps` shows: rows out of what the agent says, chosen, put in order, and printed. Rows lend their texts from the
// JSON. Anything in that may be missing or of another type.
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

#define PS_WIDTH_UNBOUNDED UINT32_MAX

// Zero and NULL: everything.
struct ps_filter {
    const char *user, *login; // name or number
    const char *session;      // "ssh", ...; "none"
    const char *container;    // how its id begins; "": any container
    const char *package;      // name; "none": programs of no package
    bool deleted;             // programs without a name, or that the host does not see
    char *const *names;       // pid, name, or path of the program: one of them
    int n_names;
};

struct ps_options {
    struct ps_filter filter;
    bool tree, ids, hashes, color;
    uint32_t width; // of the terminal; PS_WIDTH_UNBOUNDED: none
    uint64_t now_ms;
};

struct ps_row {
    struct json_object *process;
    const char *uid, *below;
    uint64_t pid, started_ms;
    size_t parent;            // row of `below`; n_rows: none
    size_t first, last, next; // children, and the next of the parent's; n_rows: none
    bool shown;
};

struct ps_rows {
    struct ps_row *rows; // by pid
    size_t n, cap;
};

bool ps_matches(struct json_object *process, const struct ps_filter *f);

// Adds the processes of a piece. -ENOMEM.
int ps_add(struct ps_rows *rows, struct json_object *array);

// In order, with who belongs below whom, and which are shown: those that match, and with `tree` all that descends from them.
// Returns how many.
size_t ps_choose(struct ps_rows *rows, const struct ps_options *o);

void render_ps(const struct ps_rows *rows, const struct ps_options *o, struct strbuf *sb);
void ps_done(struct ps_rows *rows);
