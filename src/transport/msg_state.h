// SPDX-License-Identifier: Apache-2.0
//
// Rows of state tables (model/state.h) on their way up:
//
//     POST /agent/v1/state {"table","base":checksum|null,"rows":[{"key","value":"text"|null}],"checksum","full":bool}
//       -> {"checksum"} | 409 "resync"
//
// `full`: the table holds these rows and no others. Otherwise they are put into, or (null) taken out of, rows that
// have the checksum `base`. Afterwards the table has `checksum`. A table that does not fit into one message
// comes as a full one with its first rows, followed by others on top of it. A value is a text that holds JSON, not a
// JSON value: the checksum is over its bytes, which must not be written anew on the way. Texts as in msg_enrol.h.
#pragma once

#include "model/state.h"
#include "transport/wire.h"

#define MSG_TABLE_MAX      32   // bytes of a table's name: lower-case letters, digits, '-', '_'
#define MSG_STATE_ROWS_MAX 4096 // in one message

struct msg_state {
    const char *table;
    bool full;
    bool has_base;
    uint64_t base, checksum;
    struct state_row *rows; // owned when read; value NULL: to be removed
    size_t n_rows;
    struct json_object *root;
};

int msg_state_write(struct strbuf *out, const struct msg_state *m);
int msg_state_read(const char *text, size_t len, struct msg_state *ret, struct error *err);
void msg_state_done(struct msg_state *m);

int msg_state_answer_write(struct strbuf *out, uint64_t checksum);
int msg_state_answer_read(const char *text, size_t len, uint64_t *ret_checksum, struct error *err);

bool msg_table_valid(const char *name);
