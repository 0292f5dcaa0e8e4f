// SPDX-License-Identifier: Apache-2.0
//
// Types of parameters, bodies and answers, written as short texts in rows. From the rows come the checks of what
// arrives, the OpenAPI document, and the tests of what is answered. Called by src/api, and by tests.
//
//     string  string(1..64)        UTF-8 without NUL; length in characters
//     integer  integer(0..100)     a whole number of 64 bits
//     number  boolean  object  any
//     time                         in JSON milliseconds since 1970; in a query also RFC 3339, now, -1h, -7d
//     uuid                         36 characters, lower case
//     word(a|b|c)                  one of these
//     [T]  [T](0..10)              a list
//     {T}  {T}(0..10)              an object with any names and values of one type
//     Name                         an object of the rows, or a type that a row gives a name
//     T?                           or null
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "api/api.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"

enum api_kind {
    API_TYPE_STRING,
    API_TYPE_INTEGER,
    API_TYPE_NUMBER,
    API_TYPE_BOOLEAN,
    API_TYPE_OBJECT, // of any kind
    API_TYPE_ANY,
    API_TYPE_TIME,
    API_TYPE_UUID,
    API_TYPE_WORD,
    API_TYPE_LIST,
    API_TYPE_MAP,
    API_TYPE_NAME,
};

struct api_type {
    enum api_kind kind;
    bool nullable, bounded;
    int64_t min, max;      // when bounded
    struct api_type *item; // LIST, MAP
    char **words;          // WORD
    char *name;            // NAME
};

int api_type_parse(const char *text, struct api_type **ret, struct error *err);
struct api_type *api_type_free(struct api_type *t);
DEFINE_CLEANUP(struct api_type *, api_type_free)

// The objects of the rows, with each type parsed and each name resolved. The rows are on loan.
struct api_schemas;
int api_schemas_new(const struct api_field *fields, size_t n_fields, struct api_schemas **ret,
                    struct error *err);
struct api_schemas *api_schemas_free(struct api_schemas *s);
DEFINE_CLEANUP(struct api_schemas *, api_schemas_free)

bool api_schemas_have(const struct api_schemas *s, const struct api_type *t);

// Whether the value has the type. -EINVAL with err: where ("stages[2].share"), what, and what was expected. Members that no row
// names are refused, with the nearest name.
int api_schemas_check(const struct api_schemas *s, const struct api_type *t,
                      struct json_object *value, struct error *err);

// Whether the text of a query's parameter has the type; a list is one value of it. `ret_time` (may be NULL) for API_TYPE_TIME.
int api_type_check_text(const struct api_schemas *s, const struct api_type *t, const char *text,
                        uint64_t *ret_time, struct error *err);

// As JSON Schema (2020-12, as OpenAPI 3.1 has it); names as "#/components/schemas/Name".
void api_type_write(const struct api_type *t, struct jw *jw);
// The members of components.schemas.
void api_schemas_write(const struct api_schemas *s, struct jw *jw);
