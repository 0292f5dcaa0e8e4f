// SPDX-License-Identifier: Apache-2.0
//
// What a file is, beyond its name: what is in it, and which package it belongs to. Made by the files room in a
// thread of the agent, put into records by ocsf, shown by `safeguard ps`. A plain record; its texts are on loan.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/event.h"

#define FILE_SHA256_BYTES 32

// Whether the hash is known, and why not.
enum file_hash {
    FILE_HASH_NONE = 0,       // nobody asked
    FILE_HASH_WAITING = 1,    // asked for; the answer comes later
    FILE_HASH_KNOWN = 2,      // in sha256
    FILE_HASH_LATE = 3,       // the record could not wait for it any longer
    FILE_HASH_BUSY = 4,       // too many waited, or too much was to be read, for one more
    FILE_HASH_LARGE = 5,      // more bytes than are read
    FILE_HASH_GONE = 6,       // the process has ended, and its file is not at its path
    FILE_HASH_OTHER = 7,      // what is there now cannot be shown to be the file that was executed
    FILE_HASH_CHANGED = 8,    // it was written to since
    FILE_HASH_UNREADABLE = 9, // an error of the file system
};
#define FILE_HASH_COUNT 10

// "late"; NULL: no such number.
const char *file_hash_name(enum file_hash hash);

struct file_facts {
    enum file_hash hash;
    uint8_t sha256[FILE_SHA256_BYTES];
    struct bytes package; // name; empty: of no package, or not known
    struct bytes version; // of the package; empty: not known
    // Of the script that the program was executed for; NULL: for none, or nobody asked.
    const struct file_facts *script;
};
