// SPDX-License-Identifier: Apache-2.0
//
// Writes JSON (RFC 8259) into a strbuf, value by value, without allocating anything else: for the
// hot path of events. Compact, no blanks, no newline at the end. Reading is json-c's work.
//
// The first mistake (a value without a key, a key outside an object, an end without a beginning,
// too deep, memory) sticks; everything after it is ignored and jw_finish() returns it.
//
//     struct jw jw;
//     jw_init(&jw, &sb);
//     jw_begin_object(&jw);
//     jw_kv_u64(&jw, "pid", pid);
//     jw_kv_strn(&jw, "name", comm, comm_len);
//     jw_end_object(&jw);
//     r = jw_finish(&jw);
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

#define JW_MAX_DEPTH 32

struct jw {
    struct strbuf *out; // on loan
    uint32_t objects;   // bit d: level d is an object
    uint32_t filled;    // bit d: level d has a member
    uint8_t depth;      // open objects and arrays
    bool have_key;      // a key waits for its value
    bool have_root;     // the one value at the top has begun
    int error;          // 0 or the first mistake: -EINVAL, -E2BIG (depth), -ENOMEM
};

// Appends to out, which may hold something already (a line before this one).
void jw_init(struct jw *jw, struct strbuf *out);

// 0 when exactly one whole value was written, else the first mistake; -EINVAL when it is
// incomplete.
int jw_finish(struct jw *jw);

void jw_begin_object(struct jw *jw);
void jw_end_object(struct jw *jw);
void jw_begin_array(struct jw *jw);
void jw_end_array(struct jw *jw);

void jw_key(struct jw *jw, const char *key);

// Any bytes: each byte that is not part of well-formed UTF-8 becomes U+FFFD.
void jw_str(struct jw *jw, const void *mem, size_t len);
void jw_cstr(struct jw *jw, const char *s); // NULL: null
void jw_u64(struct jw *jw, uint64_t value);
void jw_i64(struct jw *jw, int64_t value);
void jw_bool(struct jw *jw, bool value);
void jw_null(struct jw *jw);

// A whole value that is JSON already; nobody looks whether it is.
void jw_raw(struct jw *jw, const void *mem, size_t len);

void jw_kv_object(struct jw *jw, const char *key); // key and the beginning of an object
void jw_kv_array(struct jw *jw, const char *key);
void jw_kv_str(struct jw *jw, const char *key, const char *s); // NULL: null
void jw_kv_strn(struct jw *jw, const char *key, const void *mem, size_t len);
void jw_kv_u64(struct jw *jw, const char *key, uint64_t value);
void jw_kv_i64(struct jw *jw, const char *key, int64_t value);
void jw_kv_bool(struct jw *jw, const char *key, bool value);
void jw_kv_null(struct jw *jw, const char *key);
