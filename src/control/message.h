// SPDX-License-Identifier: Apache-2.0
//
// Requests and responses of the local control protocol, as JSON:
//
//     {"id":1,"command":"policy show","args":{"from":0}}
//     {"id":1,"result":{...}}
//     {"id":1,"error":{"errno":22,"what":"...","expected":"...","cure":"...","file":"...","line":3,"column":7}}
//
// Made and read by both ends. Unknown members are skipped, so that either side may be older.
#pragma once

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "base/strbuf.h"

// The rows of commands.def.
enum control_command {
    CONTROL_UNKNOWN = 0,
#define CONTROL_COMMAND(id, name, help) CONTROL_##id,
#include "control/commands.def"
    CONTROL_COMMAND_COUNT,
};

const char *control_command_name(enum control_command command); // NULL: no such number
enum control_command control_command_find(const char *name);    // CONTROL_UNKNOWN

struct control_request {
    uint64_t id;
    enum control_command command;
    struct json_object *args; // NULL: none; on loan from `root`
    struct json_object *root;
};

// -EBADMSG with err: not of the form; -EOPNOTSUPP: a command that this version does not know (id is
// set then, for the answer).
int control_request_parse(const char *payload, size_t len, struct control_request *ret_request,
                          struct error *err);
void control_request_done(struct control_request *request);

// Appends a whole frame. `args` is JSON text of an object, or NULL.
int control_request_write(struct strbuf *sb, uint64_t id, enum control_command command,
                          const char *args);

struct control_response {
    uint64_t id;
    int code;                   // 0, or the negative errno of err
    struct json_object *result; // owned, may be NULL for a null
};

// 0 also for a response that says an error: then code is not 0 and err is filled. -EBADMSG.
int control_response_parse(const char *payload, size_t len, struct control_response *ret_response,
                           struct error *err);

// Append whole frames. `result` is the text of one JSON value.
int control_response_write(struct strbuf *sb, uint64_t id, const struct strbuf *result);
int control_response_write_error(struct strbuf *sb, uint64_t id, const struct error *err);

// A JSON text of at most 1 MiB that nests at most 32 deep; NULL: it is none. The caller puts it.
struct json_object *control_json_parse(const char *text, size_t len);
