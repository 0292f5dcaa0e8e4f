// SPDX-License-Identifier: Apache-2.0
//
// Members of a JSON object that came from outside: each is asked for with its type, and what is missing or of another type is
// "otherwise". Writing is json.h's.
#pragma once

#include <json-c/json_object.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One value and nothing behind it, strict, UTF-8, at most `depth` deep. NULL: it is not that, or there is no memory. The caller puts it.
struct json_object *json_parse(const char *text, size_t len, int depth);

// o may be NULL or of any type. What is returned is on loan from it.
struct json_object *json_get(struct json_object *o, const char *key);
const char *json_get_str(struct json_object *o, const char *key, const char *otherwise);
uint64_t json_get_u64(struct json_object *o, const char *key, uint64_t otherwise);
int64_t json_get_i64(struct json_object *o, const char *key, int64_t otherwise);
int json_get_bool(struct json_object *o, const char *key, int otherwise); // 0, 1 or otherwise
