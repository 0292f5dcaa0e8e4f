// SPDX-License-Identifier: Apache-2.0
//
// Ids of records as text, DAY.RUN.RECORD ("20260131-001.1b2c3.f"), and their parts, which cursors have as well.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "store/sqlite.h"

struct record_id {
    char day[DAY_NAME_SIZE];
    uint64_t run;
    uint32_t record; // of the run, from 0
};

void record_id_format(const struct record_id *id, char ret_text[STORE_ID_SIZE]);
// From *p on, which is left behind it. False: there is none.
bool record_id_read(const char **p, struct record_id *ret_id);

// Up to 16 hexadecimal digits, as %x writes them. False: none, or more than `digits`.
bool hex_read(const char **p, unsigned digits, uint64_t *ret_value);
