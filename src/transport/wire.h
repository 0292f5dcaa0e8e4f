// SPDX-License-Identifier: Apache-2.0
//
// What all messages of the agent link share: paths, headers, bounds, codes of errors, and reading
// JSON that comes from outside. Used by both ends and by the msg_*.h beside this.
//
// Reading: a text is looked over before json-c sees it (size, depth, number of values), since a parsed
// value takes a hundred times the memory of its text. Members that nobody knows are skipped, so that
// either side may be older. Writing: base/json.h.
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/strbuf.h"

#define WIRE_ENROL   "/agent/v1/enrol"
#define WIRE_RENEW   "/agent/v1/renew"
#define WIRE_HELLO   "/agent/v1/hello"
#define WIRE_RECORDS "/agent/v1/records"
#define WIRE_POLL    "/agent/v1/poll"
#define WIRE_BUNDLE  "/agent/v1/bundle/" // and the id
#define WIRE_STATE   "/agent/v1/state"
#define WIRE_RESULT  "/agent/v1/result"

#define WIRE_SESSION_HEADER "Safeguard-Session"
#define WIRE_TIME_HEADER \
    "Safeguard-Time" // the agent's clock when it asked: milliseconds since 1970
#define WIRE_JSON_TYPE "application/json"
#define WIRE_PARK_MS   5000 // how long a poll is parked at most

// Bytes of a body; the server refuses what is longer before it reads it.
#define WIRE_ENROL_MAX  (32u << 10)
#define WIRE_HELLO_MAX  (32u << 10)
#define WIRE_STATE_MAX  (256u << 10)
#define WIRE_RESULT_MAX (256u << 10)
#define WIRE_ANSWER_MAX (64u << 10) // answers, but for those that follow
#define WIRE_POLL_MAX   (256u << 10)
#define WIRE_BUNDLE_MAX (8u << 20)

#define WIRE_UUID_TEXT 37 // of agents, the NUL counted
#define WIRE_ID_MAX    64 // bytes of a session's, command's or bundle's id
#define WIRE_NAME_MAX  255
#define WIRE_PEM_MAX   (8u << 10) // bytes of a certificate, request or key

// Words for errors that the other side acts on: the rows of codes.def.
enum wire_code {
    WIRE_CODE_NONE = 0, // no word, or one that this version does not know
#define WIRE_CODE(id, word, status, help) WIRE_##id,
#include "transport/codes.def"
    WIRE_CODE_COUNT,
};

const char *wire_code_word(enum wire_code code); // NULL: no such number
enum wire_code wire_code_find(const char *word); // NULL is fine
unsigned wire_code_status(enum wire_code code);  // of HTTP; 500 for WIRE_CODE_NONE

// An answer that says an error: {"error":{"code","what","expected","cure"}}.
int wire_error_write(struct strbuf *out, enum wire_code code, const struct error *err);
// WIRE_CODE_NONE with err unchanged when the text is of no such form; else err is filled with `errno_code`.
enum wire_code wire_error_read(const char *text, size_t len, int errno_code, struct error *err);

// Reading -------------------------------------------------------------------------------------

// A JSON object of at most max_len bytes, max_values values and 16 levels; -EBADMSG with err, -EMSGSIZE.
// The caller puts it. `what` names the message in err ("hello").
int wire_parse(const char *text, size_t len, size_t max_len, size_t max_values, const char *what,
               struct json_object **ret_root, struct error *err);

// A member of an object; -EBADMSG with err when it is missing or of another form. Texts are on loan from o,
// have at most max bytes, are UTF-8 and hold no NUL.
int wire_get_str(struct json_object *o, const char *key, size_t max, const char **ret_text,
                 struct error *err);
int wire_get_u64(struct json_object *o, const char *key, uint64_t max, uint64_t *ret_value,
                 struct error *err);
int wire_get_bool(struct json_object *o, const char *key, bool *ret_value, struct error *err);
int wire_get_object(struct json_object *o, const char *key, struct json_object **ret_value,
                    struct error *err);
// An array of at most max members.
int wire_get_array(struct json_object *o, const char *key, size_t max,
                   struct json_object **ret_value, size_t *ret_n, struct error *err);
// The same for what may be missing or null: *ret_text is NULL then.
int wire_get_str_opt(struct json_object *o, const char *key, size_t max, const char **ret_text,
                     struct error *err);

// 36 characters: lower-case hexadecimal digits in groups of 8, 4, 4, 4 and 12.
bool wire_uuid_valid(const char *text);
// Of sessions, commands and bundles: 1 to WIRE_ID_MAX letters, digits, '-', '_' or '.'.
bool wire_id_valid(const char *text);
