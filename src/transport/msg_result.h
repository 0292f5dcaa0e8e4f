// SPDX-License-Identifier: Apache-2.0
//
// What came of a command:
//
//     POST /agent/v1/result {"command","status":"done"|"failed"|"expired","result":value|null,"error":{...}|null} -> {}
//
// Texts as in msg_enrol.h.
#pragma once

#include "transport/wire.h"

#define MSG_RESULT_TEXT_MAX (192u << 10) // bytes of a result

enum msg_status {
    MSG_DONE,
    MSG_FAILED,
    MSG_EXPIRED, // its deadline had passed before it was begun
    MSG_STATUSES,
};

const char *msg_status_name(enum msg_status status);                // NULL: no such number
int msg_status_find(const char *name, enum msg_status *ret_status); // -ENOENT

struct msg_result {
    const char *command; // its id
    enum msg_status status;
    const char *result; // text of a JSON value; NULL: none
    struct error error; // not set: none
    struct json_object *root;
};

// -EMSGSIZE: longer than MSG_RESULT_TEXT_MAX; -EINVAL: not JSON.
int msg_result_write(struct strbuf *out, const struct msg_result *m);
int msg_result_read(const char *text, size_t len, struct msg_result *ret, struct error *err);
void msg_result_done(struct msg_result *m);
