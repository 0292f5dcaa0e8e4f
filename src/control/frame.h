// SPDX-License-Identifier: Apache-2.0
//
// Frames of the local control protocol: how messages between the agent and the command line lie in
// a stream. Used by both ends (server.c, client.c) and by nobody else. Owns the bytes that were read
// and not yet handed on. Looks into no message.
//
// A frame is 8 bytes of head and then `len` bytes of payload:
//
//     0  'S' 'G'      2  version      3  kind      4  len, little endian
//
// Both ends are on one machine, but a head that does not depend on it can be checked byte by byte.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/strbuf.h"

#define CONTROL_VERSION   1
#define CONTROL_HEAD      8
#define CONTROL_FRAME_MAX ((size_t)1 << 20) // bytes of a payload

enum control_kind {
    CONTROL_REQUEST = 1,  // client to agent: a JSON object, see message.h
    CONTROL_RESPONSE = 2, // agent to client: a JSON object, one for each request
    CONTROL_EVENT = 3,    // after "events subscribe": one record, OCSF JSON without a newline
    CONTROL_LOST = 4,     // records left out because the client read too slowly: {"lost":N}
};
#define CONTROL_KIND_MAX CONTROL_LOST

struct control_frame {
    enum control_kind kind;
    const char *payload; // on loan, not followed by a NUL
    size_t len;
};

// Looks at the beginning of `buf`. 1: a whole frame, which takes *ret_used bytes; 0: more bytes are
// needed. Negative, and the stream cannot be read any further:
//   -EPROTO           this is not the protocol
//   -EPROTONOSUPPORT  another version of it
//   -EMSGSIZE         longer than CONTROL_FRAME_MAX
int control_frame_decode(const void *buf, size_t len, struct control_frame *ret_frame,
                         size_t *ret_used);

// The same from a descriptor. A zeroed structure is an empty reader.
struct control_reader {
    char *buf;
    size_t begin, end, cap; // unread bytes are [begin, end)
};

// Reads what is there, once. > 0: bytes; 0: the other side has closed; -EAGAIN; other negative errno.
ssize_t control_reader_fill(struct control_reader *r, int fd);

// The next frame, valid until the next call; results as control_frame_decode().
int control_reader_next(struct control_reader *r, struct control_frame *ret_frame);
void control_reader_done(struct control_reader *r);

// Appends a frame: begin, add the payload to sb, end. control_frame_end() takes back what was added and
// returns -EMSGSIZE when the payload is too long, -ENOMEM when sb has failed.
size_t control_frame_begin(struct strbuf *sb, enum control_kind kind);
int control_frame_end(struct strbuf *sb, size_t begin);
int control_frame_add(struct strbuf *sb, enum control_kind kind, const void *payload, size_t len);
