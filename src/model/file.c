// SPDX-License-Identifier: Apache-2.0
#include "model/file.h"

#include <stddef.h>

#include "base/macro.h"

static const char *const hashes[] = {
    [FILE_HASH_NONE] = "none",       [FILE_HASH_WAITING] = "waiting",
    [FILE_HASH_KNOWN] = "known",     [FILE_HASH_LATE] = "late",
    [FILE_HASH_BUSY] = "busy",       [FILE_HASH_LARGE] = "large",
    [FILE_HASH_GONE] = "gone",       [FILE_HASH_OTHER] = "other",
    [FILE_HASH_CHANGED] = "changed", [FILE_HASH_UNREADABLE] = "unreadable",
};
STATIC_ASSERT(ARRAY_SIZE(hashes) == FILE_HASH_COUNT, "a word for every number");

const char *file_hash_name(enum file_hash hash)
{
    return (size_t)hash < ARRAY_SIZE(hashes) ? hashes[(size_t)hash] : NULL;
}
