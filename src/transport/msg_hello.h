// SPDX-License-Identifier: Apache-2.0
//
// The beginning of a session: who is there, which streams it has, how far the server is with them.
//
//     POST /agent/v1/hello {"boot_id","machine_id","host":{...},"version","time_ms",
//                           "streams":[{"class","id","first","next","acked"}]}
//       -> {"session","time_ms","streams":[{"class","id","acked"}],"bundle":"id"|null,"renew":bool}
//
// and what the server answers to records:
//
//     POST /agent/v1/records, a frame -> {"acked","stored","duplicates"}
//
// Texts as in msg_enrol.h.
#pragma once

#include "model/stream.h"
#include "transport/msg_enrol.h"
#include "transport/wire.h"

#define MSG_STREAMS_MAX 16 // of earlier boots, too

struct msg_stream {
    enum stream_class class;
    struct stream_id id;
    uint64_t first; // the lowest number that the agent still has; next when it has none
    uint64_t next;  // the number that the next record will get
    uint64_t acked; // highest number that the sender knows to be stored; 0: none
};

struct msg_hello {
    const char *boot_id, *machine_id;
    struct msg_host host;
    const char *version;
    uint64_t time_ms; // since 1970
    struct msg_stream streams[MSG_STREAMS_MAX];
    size_t n_streams;
    struct json_object *root;
};

struct msg_hello_answer {
    const char *session;
    uint64_t time_ms;
    struct msg_stream streams[MSG_STREAMS_MAX]; // class, id and acked
    size_t n_streams;
    const char *bundle; // NULL: none
    bool renew;         // the agent has to renew its certificate now
    struct json_object *root;
};

int msg_hello_write(struct strbuf *out, const struct msg_hello *m);
int msg_hello_read(const char *text, size_t len, struct msg_hello *ret, struct error *err);
void msg_hello_done(struct msg_hello *m);

int msg_hello_answer_write(struct strbuf *out, const struct msg_hello_answer *m);
int msg_hello_answer_read(const char *text, size_t len, struct msg_hello_answer *ret,
                          struct error *err);
void msg_hello_answer_done(struct msg_hello_answer *m);

struct msg_records_answer {
    uint64_t
        acked; // highest number of the frame's stream up to which all is stored, or was dropped
    uint64_t stored, duplicates;
};

int msg_records_answer_write(struct strbuf *out, const struct msg_records_answer *m);
int msg_records_answer_read(const char *text, size_t len, struct msg_records_answer *ret,
                            struct error *err);
