// SPDX-License-Identifier: Apache-2.0
//
// The inside of struct api_schemas, for the files of this room that check and write them.
#pragma once

#include "api/schema.h"
#include "base/table.h"

struct field {
    const struct api_field *row;
    struct api_type *type;
};

struct schema {
    const struct api_field *row;
    struct api_type *alias; // a name for a type; NULL: an object of fields
    struct field *fields;
    size_t n_fields, cap;
};

struct api_schemas {
    struct map *by_name;   // owns
    struct schema **order; // that of the rows
    size_t n, cap;
};
