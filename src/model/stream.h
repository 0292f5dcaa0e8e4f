// SPDX-License-Identifier: Apache-2.0
//
// Streams: what makes a record of a host the same record wherever it is met again. Used by the
// spool, the link and the store, which exchange (stream, number) and nothing else about a record's
// identity. Plain values, no logic beyond text and comparison.
//
// An agent has one stream of each class at a time. Its id is new whenever numbers could otherwise be
// given twice: in another boot of the host, and when the server has more of a stream than its
// host (a snapshot was restored). Numbers begin with 1 and grow by one a record; a number that was
// dropped is never given again. What has (stream, number) once never changes.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_ID_SIZE 16
#define STREAM_ID_TEXT (2 * STREAM_ID_SIZE + 1) // hexadecimal digits and a NUL

// Bytes of one record's line, without its newline.
#define RECORD_MAX (256u << 10)

// Numbers fit a signed 64-bit integer, which is what databases have.
#define STREAM_NUMBER_MAX ((uint64_t)INT64_MAX)

// Numbers and names are part of files and of the protocol: append only.
enum stream_class {
    STREAM_SECURITY, // denials, what would have been one, the agent's own notices
    STREAM_AUDIT,    // everything else
    STREAM_CLASSES,
};

struct stream_id {
    uint8_t b[STREAM_ID_SIZE];
};

// "security", "audit"; NULL: no such class.
const char *stream_class_name(enum stream_class class);
int stream_class_find(const char *name, enum stream_class *ret_class); // -ENOENT

// Random, never all zero.
int stream_id_new(struct stream_id *ret_id);

// All zero: no stream.
bool stream_id_is_none(const struct stream_id *id);
bool stream_id_equal(const struct stream_id *a, const struct stream_id *b);

// 32 lower-case hexadecimal digits and a NUL.
void stream_id_format(const struct stream_id *id, char ret_text[STREAM_ID_TEXT]);

// Exactly 32 hexadecimal digits, of either case, else -EINVAL; so is all zero.
int stream_id_parse(const char *text, struct stream_id *ret_id);
