// SPDX-License-Identifier: Apache-2.0
//
// What the files of this room share.
#pragma once

#include <sqlite3.h>

#include "base/table.h"
#include "db/db.h"

#define DB_STATEMENTS_MAX 256 // kept by a connection; further ones are prepared each time

struct db {
    sqlite3 *handle;
    char *path;
    struct map *statements; // text → struct db_stmt
    struct db_options options;
    uint32_t wal_pages;
};

struct db_stmt {
    sqlite3_stmt *handle;
    struct db *db;
    int failed; // the first mistake of a binding
    bool kept;  // belongs to the cache
    bool taken;
};

// Fills err with what SQLite says about the last call on this connection and returns its errno.
int db_fail(struct db *db, int code, struct error *err);
void db_stmt_free(void *st);
