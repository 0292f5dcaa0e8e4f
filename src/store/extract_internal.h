// SPDX-License-Identifier: Apache-2.0
//
// What the two ways of reading a record share: where its members go, and what columns are made of them.
#pragma once

#include "base/strbuf.h"
#include "store/extract.h"

// Places of an object in a record. At TEXT and QUIET no member is a column.
enum extract_place {
    PLACE_ROOT,
    PLACE_POLICY,
    PLACE_ACTOR,
    PLACE_USER,
    PLACE_SESSION,
    PLACE_ACTOR_PROCESS,
    PLACE_ACTOR_PROGRAM,
    PLACE_ACTOR_RUN_USER,
    PLACE_ACTOR_CONTAINER,
    PLACE_ACTOR_PARENT,
    PLACE_FILE,
    PLACE_PROCESS,
    PLACE_PROGRAM,
    PLACE_TARGET_RUN_USER,
    PLACE_TARGET_CONTAINER,
    PLACE_TARGET_PARENT,
    PLACE_TARGET_SESSION,
    PLACE_FINDING,
    PLACE_SRC,
    PLACE_DST,
    PLACE_QUERY,
    PLACE_UNMAPPED,
    PLACES_OF_FIELDS,
    PLACE_TEXT = PLACES_OF_FIELDS,
    PLACE_QUIET,
};

enum extract_number {
    NUMBER_TIME,
    NUMBER_COUNT,
    NUMBER_CLASS,
    NUMBER_ACTIVITY,
    NUMBER_SEVERITY,
    NUMBER_ACTION,
    NUMBER_DISPOSITION,
    NUMBER_PID,
    NUMBER_RULE_LINE,
    NUMBER_LAUNCH_TYPE,
    NUMBER_DST_PORT,
    NUMBER_EXEC_ASKED, // 1: the access has the word "exec"
    NUMBERS,
};

enum extract_string {
    STRING_MESSAGE,
    STRING_POLICY_NAME,
    STRING_USER_NAME,
    STRING_USER_UID,
    STRING_PROCESS_UID,
    STRING_PROGRAM_NAME,
    STRING_PROGRAM_PATH,
    STRING_FILE_PATH,
    STRING_NEW_PATH,
    STRING_FINDING_TITLE,
    STRING_RULE,
    STRING_RULE_FILE,
    STRING_SESSION_UID,
    STRING_RUN_USER,
    STRING_CONTAINER_UID,
    STRING_PARENT_UID,
    STRING_TARGET_UID,
    STRING_CMD_LINE,
    STRING_TARGET_RUN_USER,
    STRING_TARGET_CONTAINER_UID,
    STRING_TARGET_PARENT_UID,
    STRING_TARGET_SESSION_UID,
    STRING_SRC_IP,
    STRING_SRC_NAME,
    STRING_DST_IP,
    STRING_DST_NAME,
    STRING_ASKED_NAME,
    STRING_LAUNCH, // made of numbers, as the next one
    STRING_PORT,
    STRINGS,
};

enum extract_kind { FIELD_NUMBER, FIELD_STRING, FIELD_OBJECT, FIELD_WORDS, FIELD_QUIET };

struct extract_field {
    uint8_t place;
    uint8_t kind;
    uint8_t what; // number, string or place
    uint8_t len;
    const char *key;
};

struct extract_values {
    uint64_t numbers[NUMBERS]; // 0: not there, or not a whole number from 0 up
    struct store_str strings[STRINGS];
};

struct extract_chunk;

struct extract {
    struct extract_chunk *chunks;        // of decoded strings, the newest first
    struct json_tokener *tokener;        // made when it is first needed
    uint8_t begin[PLACES_OF_FIELDS + 1]; // of a place's rows
};

// What is read, by whichever way.
struct extract_job {
    struct extract *x;
    const char *line;
    size_t len;
    extract_text_fn fn;
    void *ctx;
    struct extract_values values;
};

// Room for len bytes until extract_reset(); NULL when memory ended.
char *extract_keep(struct extract *x, size_t len);

#define EXTRACT_FIELDS_MAX 128
extern const struct extract_field extract_fields[]; // at most EXTRACT_FIELDS_MAX

// The row for a member of an object at this place, NULL: none.
const struct extract_field *extract_field_find(const struct extract *x, enum extract_place place,
                                               const char *key, size_t len);
// One string of a list (FIELD_WORDS).
void extract_word(struct extract_job *job, const struct extract_field *field, const char *s,
                  size_t len);
// Where the members of a value are that has this key.
enum extract_place extract_place_below(enum extract_place place, const struct extract_field *field,
                                       const char *key, size_t len);

// In one pass: false when there is something that is better left to json-c; values are of no use then.
bool extract_fast(struct extract_job *job);
// By json-c: false when it is no record.
bool extract_tree(struct extract_job *job);
// Without columns of an unreadable record; for tests, which compare both.
void extract_columns(struct extract_job *job, uint64_t received_ms,
                     struct store_columns *ret_columns);
