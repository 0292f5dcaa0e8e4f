// SPDX-License-Identifier: Apache-2.0
//
// Trust nothing that was not proved. All hooks prove themselves when a policy is put in force and every seven seconds from then
// on (self_test): what each of them has to refuse is tried, and its record has to come. So who switches a program off behind our
// back is noticed in seconds, whichever it is.
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/strutil.h"

// Where a test takes long, because the machine has no time for it, it has this part of the agent's time at most; but one that stood
// still for once (a disk, a host of virtual machines) must not be the last one for long: so many times the usual pause.
#define TEST_PART   8
#define PAUSE_TIMES 2

#define TEST_MAX (8 * NS_PER_SEC) // see sensor_self_test()

static void tell_hook(struct agent *a, const struct sensor_hook *h, bool failed)
{
    char text[320];

    (void)snprintf(text, sizeof(text), "hook %s (%s): %s%s", h->id, h->help,
                   failed ? "its self-test failed: " : "it proved itself again",
                   failed ? h->reason : "");
    notice(a, &(struct notice){.kind = "self-test",
                               .severity = failed ? NOTICE_CRITICAL : NOTICE_INFO,
                               .message = text,
                               .cure = failed && h->cure[0] ? h->cure : NULL});
}

// Compares what failed with what failed before.
static void judge(struct agent *a)
{
    struct health *health = &a->health;
    bool before[SENSOR_HOOKS_MAX];
    const struct sensor_hook *hooks;
    size_t n;

    memcpy(before, health->failed, sizeof(before));
    health->failing = 0;
    for (size_t i = 0; i < ARRAY_SIZE(health->failed); i++) {
        health->failed[i] = sensor_hook_failed(a->sensor, i);
        health->failing += health->failed[i];
    }
    if (memcmp(before, health->failed, sizeof(before)) == 0)
        return;
    hooks = sensor_hooks(a->sensor, &n);
    for (size_t i = 0; i < MIN(n, ARRAY_SIZE(before)); i++)
        if (before[i] != health->failed[i] &&
            (health->failed[i] || hooks[i].state == SENSOR_HOOK_PROVED))
            tell_hook(a, &hooks[i], health->failed[i]);
    // Whoever watches from afar is told at once.
    uplink_rows_changed(a);
}

void health_test(struct agent *a)
{
    struct health *h = &a->health;
    uint64_t pause = MAX(a->config.self_test, UINT64_C(1000)) * NS_PER_MS;
    uint64_t began_ns = now_ns(CLOCK_MONOTONIC), now;
    struct error before = h->error;
    int r;

    error_reset(&h->error);
    r = sensor_self_test(a->sensor, &h->error);
    now = now_ns(CLOCK_MONOTONIC);
    h->tested_ns = now_ns(CLOCK_REALTIME);
    h->due_ns = now + pause;
    // The loop did not go round. What took longer than a test can was no test.
    if (now - began_ns < TEST_MAX)
        a->defence.watch.looked_ns = 0;
    h->rounds++;
    // Another reason than that of the last test is news.
    if (r < 0 && !streq(before.what, h->error.what))
        notice(a, &(struct notice){.kind = "self-test",
                                   .severity = NOTICE_CRITICAL,
                                   .message = h->error.what,
                                   .cure = h->error.cure[0] ? h->error.cure : NULL});
    judge(a);
    // With something that fails it waits for records that do not come, and there is nothing more important.
    if (!h->failing && r >= 0)
        h->due_ns = now + CLAMP(TEST_PART * (now - began_ns), pause, PAUSE_TIMES * pause);
}

void health_tick(struct agent *a)
{
    if (a->policies.now && now_ns(CLOCK_MONOTONIC) >= a->health.due_ns)
        health_test(a);
}
