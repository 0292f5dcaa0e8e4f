// SPDX-License-Identifier: Apache-2.0
#include <sys/random.h>

#include "base/macro.h"
#include "transport/link_private.h"

uint64_t link_random(uint64_t below)
{
    uint64_t random = 0;

    // A time to wait need not be a secret; without random numbers everybody waits the shortest.
    if (below == 0 || getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
        return 0;
    return random % below;
}

uint64_t link_retry_next(struct link_retry *retry, uint32_t min_ms, uint32_t max_ms)
{
    uint64_t last = MAX(retry->last, (uint64_t)min_ms), top = MIN(last * 3, (uint64_t)max_ms);

    retry->last = top <= min_ms ? min_ms : min_ms + link_random(top - min_ms + 1);
    return retry->last;
}
