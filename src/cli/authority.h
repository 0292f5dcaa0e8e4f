// SPDX-License-Identifier: Apache-2.0
//
// Which certificate authority a server shows, before anybody has said that it is the right one.
#pragma once

#include "base/error.h"

// The authority at the end of the chain that url shows, as PEM, and its SHA-256 fingerprint in hexadecimal; the caller frees both.
// With `fingerprint` (hexadecimal; colons and case do not matter) only the one that has it: -EKEYREJECTED. Sends nothing
// but the request for a page that is open to all. -ECONNREFUSED, -ETIMEDOUT, -EPROTO (shows no authority) with err.
int authority_fetch(const char *url, const char *fingerprint, char **ret_pem,
                    char **ret_fingerprint, struct error *err);
