// SPDX-License-Identifier: Apache-2.0
#include "store/extract.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "store/extract_internal.h"

#define CHUNK_SIZE (64u << 10)

struct extract_chunk {
    struct extract_chunk *next;
    size_t used, size;
    char mem[];
};

static const char *const outcome_names[STORE_OUTCOMES] = {
#define STORE_OUTCOME(id, name, help) [STORE_##id] = (name),
#include "store/outcomes.def"
#undef STORE_OUTCOME
};

const struct extract_field extract_fields[] = {
#define WHAT_NUMBER(what) NUMBER_##what
#define WHAT_STRING(what) STRING_##what
#define WHAT_OBJECT(what) PLACE_##what
#define WHAT_WORDS(what)  NUMBER_##what
#define WHAT_QUIET(what)  PLACE_##what
#define STORE_FIELD(place_, key_, kind_, what_) \
    {PLACE_##place_, FIELD_##kind_, WHAT_##kind_(what_), sizeof(key_) - 1, key_},
#include "store/fields.def"
#undef STORE_FIELD
};
STATIC_ASSERT(ARRAY_SIZE(extract_fields) <= EXTRACT_FIELDS_MAX, "a bit for each row");

static const enum store_mark slot_marks[STORE_MARK_SLOTS] = {
#define STORE_MARK_SLOT(mark, string) [STORE_SLOT_##string] = STORE_MARK_##mark,
#include "store/mark_slots.def"
};

static const enum extract_string slot_strings[STORE_MARK_SLOTS] = {
#define STORE_MARK_SLOT(mark, string) [STORE_SLOT_##string] = STRING_##string,
#include "store/mark_slots.def"
};

enum store_mark store_mark_of(enum store_mark_slot slot)
{
    return slot_marks[slot];
}

const char *store_outcome_name(enum store_outcome outcome)
{
    return (unsigned)outcome < STORE_OUTCOMES ? outcome_names[outcome] : NULL;
}

int store_outcome_find(const char *name, enum store_outcome *ret_outcome)
{
    for (unsigned i = 0; i < STORE_OUTCOMES; i++) {
        if (streq(outcome_names[i], name)) {
            *ret_outcome = (enum store_outcome)i;
            return 0;
        }
    }
    return -ENOENT;
}

// ---- memory

int extract_new(struct extract **ret_x)
{
    struct extract *x = new0(struct extract, 1);
    size_t at = 0;

    if (!x)
        return -ENOMEM;
    for (unsigned place = 0; place < PLACES_OF_FIELDS; place++) {
        x->begin[place] = (uint8_t)at;
        while (at < ARRAY_SIZE(extract_fields) && extract_fields[at].place == place)
            at++;
    }
    x->begin[PLACES_OF_FIELDS] = (uint8_t)at;
    assert(at ==
           ARRAY_SIZE(extract_fields)); // rows of one place stand together, places in their order
    *ret_x = x;
    return 0;
}

void extract_reset(struct extract *x)
{
    struct extract_chunk *c = x->chunks;

    // The last one stays: most often nothing has to be decoded, and then little.
    while (c && c->next) {
        x->chunks = c->next;
        free(c);
        c = x->chunks;
    }
    if (c)
        c->used = 0;
}

struct extract *extract_free(struct extract *x)
{
    if (!x)
        return NULL;
    extract_reset(x);
    free(x->chunks);
    if (x->tokener)
        json_tokener_free(x->tokener);
    free(x);
    return NULL;
}

char *extract_keep(struct extract *x, size_t len)
{
    struct extract_chunk *c = x->chunks;
    size_t size = MAX(len, (size_t)CHUNK_SIZE);

    if (!c || c->size - c->used < len) {
        c = malloc(sizeof(*c) + size);
        if (!c)
            return NULL;
        *c = (struct extract_chunk){.next = x->chunks, .size = size};
        x->chunks = c;
    }
    c->used += len;
    return c->mem + c->used - len;
}

// ---- rows

const struct extract_field *extract_field_find(const struct extract *x, enum extract_place place,
                                               const char *key, size_t len)
{
    if (place >= PLACES_OF_FIELDS)
        return NULL;
    for (size_t i = x->begin[place]; i < x->begin[place + 1]; i++)
        if (extract_fields[i].len == len && memcmp(extract_fields[i].key, key, len) == 0)
            return &extract_fields[i];
    return NULL;
}

enum extract_place extract_place_below(enum extract_place place, const struct extract_field *field,
                                       const char *key, size_t len)
{
    if (place == PLACE_QUIET || (len == 3 && memcmp(key, "uid", 3) == 0))
        return PLACE_QUIET;
    if (field && (field->kind == FIELD_OBJECT || field->kind == FIELD_QUIET))
        return (enum extract_place)field->what;
    return PLACE_TEXT;
}

void extract_word(struct extract_job *job, const struct extract_field *field, const char *s,
                  size_t len)
{
    if (field->what == NUMBER_EXEC_ASKED && len == 4 && memcmp(s, "exec", 4) == 0)
        job->values.numbers[NUMBER_EXEC_ASKED] = 1;
}

// ---- columns

static struct store_str first_of(const struct extract_values *v, enum extract_string a,
                                 enum extract_string b)
{
    return v->strings[a].s ? v->strings[a] : v->strings[b];
}

// A rule without a name is known by its place. Findings have no rule, and what was found is what tells them apart.
static struct store_str rule_of(struct extract *x, const struct extract_values *v)
{
    struct store_str file = v->strings[STRING_RULE_FILE];
    uint64_t line = v->numbers[NUMBER_RULE_LINE];
    char number[24];
    const char *slash;
    int n;
    char *s;

    if (v->strings[STRING_RULE].s || !file.s)
        return first_of(v, STRING_RULE, STRING_FINDING_TITLE);
    slash = memrchr(file.s, '/', file.len);
    if (slash) {
        file.len -= (uint32_t)(slash + 1 - file.s);
        file.s = slash + 1;
    }
    n = snprintf(number, sizeof(number), ":%llu", (unsigned long long)line);
    s = extract_keep(x, file.len + (size_t)n);
    if (!s)
        return (struct store_str){};
    memcpy(s, file.s, file.len);
    memcpy(s + file.len, number, (size_t)n);
    return (struct store_str){s, file.len + (uint32_t)n};
}

static enum store_outcome outcome_of(const struct extract_values *v)
{
    switch (v->numbers[NUMBER_DISPOSITION]) {
    case 15: return STORE_WOULD_DENY;
    case 19: return STORE_NOT_HELD;
    default: break;
    }
    switch (v->numbers[NUMBER_ACTION]) {
    case 1: return STORE_ALLOWED;
    case 2: return STORE_DENIED;
    case 3: return STORE_AUDITED;
    default: return STORE_OTHER;
    }
}

// Whoever was not allowed to execute a file has a record of that file: no process is there that it could be about.
static struct store_str launch_of(const struct extract_values *v)
{
    if (v->numbers[NUMBER_LAUNCH_TYPE] == 3 ||
        (v->numbers[NUMBER_EXEC_ASKED] && v->numbers[NUMBER_ACTION] == 2))
        return (struct store_str){"exec", 4};
    if (v->numbers[NUMBER_LAUNCH_TYPE] == 2)
        return (struct store_str){"fork", 4};
    return (struct store_str){};
}

// A port is looked for as text, as all marks are.
static struct store_str port_of(struct extract *x, const struct extract_values *v)
{
    uint64_t port = v->numbers[NUMBER_DST_PORT];
    char number[8];
    int n;
    char *s;

    if (!port || port > UINT16_MAX)
        return (struct store_str){};
    n = snprintf(number, sizeof(number), "%u", (unsigned)port);
    s = extract_keep(x, (size_t)n);
    if (!s)
        return (struct store_str){};
    memcpy(s, number, (size_t)n);
    return (struct store_str){s, (uint32_t)n};
}

static uint32_t number32(const struct extract_values *v, enum extract_number which)
{
    return (uint32_t)MIN(v->numbers[which], (uint64_t)UINT32_MAX);
}

void extract_columns(struct extract_job *job, uint64_t received_ms,
                     struct store_columns *ret_columns)
{
    const struct extract_values *v = &job->values;
    uint64_t time_ms = v->numbers[NUMBER_TIME];

    *ret_columns = (struct store_columns){
        .time_ms = time_ms > 0 && time_ms <= STORE_TIME_MAX ? time_ms : received_ms,
        // Sums of counts have to stay numbers.
        .count = CLAMP(v->numbers[NUMBER_COUNT], UINT64_C(1), UINT64_C(1) << 40),
        .class_uid = number32(v, NUMBER_CLASS),
        .activity = number32(v, NUMBER_ACTIVITY),
        .severity = number32(v, NUMBER_SEVERITY),
        .pid = number32(v, NUMBER_PID),
        .rule_line = number32(v, NUMBER_RULE_LINE),
        .outcome = outcome_of(v),
        .rule = rule_of(job->x, v),
        .rule_file = v->strings[STRING_RULE_FILE],
        .policy = v->strings[STRING_POLICY_NAME],
        .user = first_of(v, STRING_USER_NAME, STRING_USER_UID),
        .program = first_of(v, STRING_PROGRAM_PATH, STRING_PROGRAM_NAME),
        .process = v->strings[STRING_PROCESS_UID],
        .path = first_of(v, STRING_FILE_PATH, STRING_NEW_PATH),
        .message = v->strings[STRING_MESSAGE],
        .cmd_line = v->strings[STRING_CMD_LINE],
    };
    for (size_t i = 0; i < STORE_MARK_SLOTS; i++)
        ret_columns->marks[i] = v->strings[slot_strings[i]];
    ret_columns->marks[STORE_SLOT_LAUNCH] = launch_of(v);
    ret_columns->marks[STORE_SLOT_PORT] = port_of(job->x, v);
}

void extract_line(struct extract *x, const char *line, size_t len, uint64_t received_ms,
                  extract_text_fn fn, void *ctx, struct store_columns *ret_columns)
{
    struct extract_job job = {.x = x, .line = line, .len = len, .fn = fn, .ctx = ctx};

    if (extract_fast(&job)) {
        extract_columns(&job, received_ms, ret_columns);
        return;
    }
    job.values = (struct extract_values){};
    if (extract_tree(&job)) {
        extract_columns(&job, received_ms, ret_columns);
        return;
    }
    if (fn)
        fn(ctx, line, len);
    *ret_columns = (struct store_columns){.time_ms = received_ms,
                                          .count = 1,
                                          .outcome = STORE_OTHER,
                                          .unreadable = true};
}
