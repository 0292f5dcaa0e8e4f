// SPDX-License-Identifier: Apache-2.0
//
// What the files of the decoder (decode*.c) share. Nobody else includes it.
#pragma once

#include <stdbool.h>

#include "sensor/decode.h"

#define N_FIELDS (SG_FIELD_ENDS + 1)

// The fields of a record by type, on loan from it. `s` is NULL for what is not there.
struct fields {
    struct bytes f[N_FIELDS];
};

// Components of a record in the file system `dev` -> a path in the event's arena; `cut`: they end on the way to the root.
int decode_path(const struct decode_context *ctx, struct bytes list, uint32_t dev, bool cut,
                struct event *ev, struct event_path *ret_path);

// Text up to its first NUL, which records that are well have at its end, into the event's arena.
int decode_text(struct bytes text, struct event *ev, struct bytes *ret_text);
// Any bytes, likewise.
int decode_copy(struct bytes text, struct event *ev, struct bytes *ret_text);

// EXEC: ev->launch.
int decode_launch(const struct fields *fields, const struct decode_context *ctx, struct event *ev);
