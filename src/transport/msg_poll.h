// SPDX-License-Identifier: Apache-2.0
//
// What comes down to the agent: the id of its bundle, commands, questions, and the bundle itself.
//
//     GET /agent/v1/poll?session=&bundle=&after=  -> {"bundle":"id"|null,"commands":[{"id","name","args","deadline_ms"}],
//                                                     "questions":[the same]}
//     GET /agent/v1/bundle/ID                     -> {"id","files":[{"name","text","mode"}]}
//
// A poll is parked while the server has nothing that the agent does not know by `bundle` and `after`.
//
// A question changes nothing on the host and is told once: whoever asked waits for its answer (msg_result.h) and asks again
// when none comes. `after` does not count it. An older server sends none.
// Texts as in msg_enrol.h.
#pragma once

#include "model/bundle.h"
#include "transport/wire.h"

#define MSG_COMMANDS_MAX     64 // in one answer
#define MSG_QUESTIONS_MAX    16 // likewise
#define MSG_COMMAND_ARGS_MAX (16u << 10)

struct msg_command {
    const char *id;
    const char *name;
    const char *args;     // text of a JSON object, never NULL when read; NULL is written as {}
    uint64_t deadline_ms; // since 1970, the server's clock; 0: none
    bool question;
};

struct msg_poll {
    const char *bundle; // NULL: none
    struct msg_command commands[MSG_COMMANDS_MAX];
    size_t n_commands;
    struct msg_command questions[MSG_QUESTIONS_MAX];
    size_t n_questions;
    struct json_object *root;
};

struct msg_bundle {
    const char *id;
    struct bundle_file *files; // owned when read
    size_t n_files;
    struct json_object *root;
};

// Path and query; the agent's words. NULL is left empty.
int msg_poll_path(struct strbuf *out, const char *session, const char *bundle, const char *after);

int msg_poll_write(struct strbuf *out, const struct msg_poll *m);
int msg_poll_read(const char *text, size_t len, struct msg_poll *ret, struct error *err);
void msg_poll_done(struct msg_poll *m);

// Reading proves that the content has the id that it says; -EBADMSG otherwise.
int msg_bundle_write(struct strbuf *out, const struct msg_bundle *m);
int msg_bundle_read(const char *text, size_t len, struct msg_bundle *ret, struct error *err);
void msg_bundle_done(struct msg_bundle *m);
