// SPDX-License-Identifier: Apache-2.0
//
// The SHA-256 of a file that is open. Private to src/files.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/file.h"

// Reads `size` bytes from the start; what is not exactly as long has been written to. FILE_HASH_KNOWN, _CHANGED, _UNREADABLE,
// or _LATE when `stop` says so.
enum file_hash hash_fd(int fd, uint64_t size, bool (*stop)(void *ctx), void *ctx,
                       uint8_t ret_sha256[FILE_SHA256_BYTES]);
