// SPDX-License-Identifier: Apache-2.0
//
// The columns of a record, from its line of OCSF JSON: read in one pass, without building a tree. What the pass does not know how
// to read the same way as json-c (duplicate keys, fractions where whole numbers are expected, odd escapes) goes to json-c, so that
// a line means one thing. Which member becomes which column: fields.def.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum store_outcome {
#define STORE_OUTCOME(id, name, help) STORE_##id,
#include "store/outcomes.def"
#undef STORE_OUTCOME
    STORE_OUTCOMES,
};
const char *store_outcome_name(enum store_outcome outcome);
int store_outcome_find(const char *name, enum store_outcome *ret_outcome); // -ENOENT

// Later times (from about the year 2109 on) are no times: whatever clock that was.
#define STORE_TIME_MAX ((UINT64_C(1) << 42) - 1)

// UTF-8 (as good as json-c asks for), may hold any character, NUL-terminated only by chance; NULL: the record has none.
struct store_str {
    const char *s;
    uint32_t len;
};

enum store_mark {
#define STORE_MARK(id, letter, name) STORE_MARK_##id,
#include "store/marks.def"
    STORE_MARKS,
};
enum store_mark_slot {
#define STORE_MARK_SLOT(mark, string) STORE_SLOT_##string,
#include "store/mark_slots.def"
    STORE_MARK_SLOTS,
};
enum store_mark store_mark_of(enum store_mark_slot slot);

struct store_columns {
    uint64_t
        time_ms; // of the host, up to STORE_TIME_MAX; when the record was received where it has none
    uint64_t count; // how often it happened; 1 at the least
    uint32_t class_uid, activity, severity;
    uint32_t pid; // of the actor
    uint32_t rule_line;
    enum store_outcome outcome;
    bool unreadable;       // nothing else but time_ms is set
    struct store_str rule; // name, else "file:line" of it
    struct store_str rule_file;
    struct store_str policy;
    struct store_str user;    // who logged in: name, else number
    struct store_str program; // path of the actor's program, else its name
    struct store_str process; // process.uid of the actor
    struct store_str path;    // of the file; of the new program where there is no file
    struct store_str message;
    struct store_str cmd_line; // of the process that the record is about
    struct store_str marks[STORE_MARK_SLOTS];
};

// Strings of columns that had to be decoded are kept here until extract_reset(). One for each thread.
struct extract;
int extract_new(struct extract **ret_x);
struct extract *extract_free(struct extract *x);
void extract_reset(struct extract *x);

// Calls fn for each string of the record that people search in, decoded; they stay until extract_reset(). May be NULL.
typedef void (*extract_text_fn)(void *ctx, const char *s, size_t len);

// Never fails: a line that cannot be read (not JSON, no object, deeper than 32, no memory) is `unreadable`, and its bytes
// are the one string that is searched in. Strings point into line or into x.
void extract_line(struct extract *x, const char *line, size_t len, uint64_t received_ms,
                  extract_text_fn fn, void *ctx, struct store_columns *ret_columns);
