// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "tests/bench/fleet/fleet.h"

void latency_add(struct latencies *l, uint64_t ms)
{
    if (!l->ms)
        l->ms = new0(uint32_t, LATENCIES_MAX);
    if (l->ms && l->n < LATENCIES_MAX)
        l->ms[l->n++] = (uint32_t)(ms < UINT32_MAX ? ms : UINT32_MAX);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

// Sorts them.
static void print_latencies(struct latencies *l)
{
    if (l->n == 0) {
        (void)printf("none");
        return;
    }
    qsort(l->ms, l->n, sizeof(*l->ms), compare);
    (void)printf("50%% %u ms, 99%% %u ms, last %u ms", l->ms[l->n / 2], l->ms[l->n * 99 / 100],
                 l->ms[l->n - 1]);
}

static long memory_mb(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss / 1024 : 0;
}

void report(struct fleet *f, double seconds)
{
    (void)printf(
        "%llu online, %llu parked, %llu connections; acked %.0f records/s in %.0f frames/s of "
        "%.0f bytes; errors %llu, refused %llu; ",
        (unsigned long long)f->online, (unsigned long long)f->parked,
        (unsigned long long)f->connections, (double)f->acked / seconds, (double)f->frames / seconds,
        f->frames ? (double)f->bytes / (double)f->frames : 0, (unsigned long long)f->errors,
        (unsigned long long)f->refused);
    print_latencies(&f->records);
    (void)printf("; memory %ld MB\n", memory_mb());
    (void)fflush(stdout);
    f->acked = f->frames = f->bytes = f->polls = f->errors = f->refused = 0;
    f->records.n = 0;
    if (f->policy.n >= f->online && f->policy.n > 0)
        report_policy(f);
}

void report_policy(struct fleet *f)
{
    if (f->policy.n == 0)
        return;
    (void)printf("policies %.12s: %zu agents were told, ", f->bundle, f->policy.n);
    print_latencies(&f->policy);
    (void)printf(" after %s\n", f->marked_at ? "SIGUSR1" : "the first of them");
    (void)fflush(stdout);
    f->policy.n = 0;
    f->marked_at = 0;
}
