// SPDX-License-Identifier: Apache-2.0
//
// Orders for qsort() and bsearch() of the C library, and a search in what has an order.
#pragma once

#include <stddef.h>
#include <stdint.h>

static inline int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

// The first of `n` entries that is not below what is looked for; `n`: all are. `is_below`: an expression over the index `i`, true for
// the entries below it, which stand in front of the others.
#define LOWER_BOUND(n, i, is_below)                     \
    ({                                                  \
        size_t low_ = 0, high_ = (n);                   \
                                                        \
        while (low_ < high_) {                          \
            const size_t i = low_ + (high_ - low_) / 2; \
                                                        \
            if (is_below)                               \
                low_ = i + 1;                           \
            else                                        \
                high_ = i;                              \
        }                                               \
        low_;                                           \
    })
