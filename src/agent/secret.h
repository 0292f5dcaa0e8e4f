// SPDX-License-Identifier: Apache-2.0
//
// The secret that opens a window in safeguard's own defence. Made here, shown once to whoever asked for it, and kept as a hash: who
// reads the host's disk cannot open a window. It has 125 random bits, so that one round of SHA-256 with a salt is as good as a slow
// function would be for words that people choose.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define SECRET_TEXT 30 // "ABCDE-FGHJK-MNPQR-STVWX-YZ012" and a NUL

// Makes one and writes its hash to the file, for root alone. The caller wipes the text. Negative errno with err.
int secret_make(const char *path, char ret_text[SECRET_TEXT], struct error *err);

// Is there one?
bool secret_exists(const char *path);

// 0: it is the one; -EACCES: it is not; -ENOENT: there is none; -EBADMSG: the file is none of ours. Case, spaces and dashes
// do not matter; letters that look like digits are taken for them.
int secret_check(const char *path, const char *text);
