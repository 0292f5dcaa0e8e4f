// SPDX-License-Identifier: Apache-2.0
//
// Orders for qsort() and bsearch() of the C library.
#pragma once

#include <stdint.h>

static inline int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}
