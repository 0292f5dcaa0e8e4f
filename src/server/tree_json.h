// SPDX-License-Identifier: Apache-2.0
//
// The processes that a record names, from the oldest ancestor to the one that acted, and, where it started another, that one.
#pragma once

#include <stddef.h>

#include "base/json.h"

// Writes TreeProcess objects of schemas.def into an array that is open. Nothing when the line is no record.
void tree_json_write(struct jw *out, const char *line, size_t len);
