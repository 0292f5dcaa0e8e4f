// SPDX-License-Identifier: Apache-2.0
//
// Which conditions a host is in, and how that is said.
#include "registry/condition.h"

#include <inttypes.h>

#include "base/clock.h"
#include "registry/hostrow.h"
#include "registry/internal.h"

#define CLOCK_SLACK_MS MS_PER_MINUTE
#define LOSS_MS        (60 * MS_PER_MINUTE) // so long after the last loss they are told of as going on
#define MS_PER_HOUR    (60 * MS_PER_MINUTE)

#define SEVERITY_HIGH     4
#define SEVERITY_CRITICAL 5

static const struct condition_row rows[CONDITIONS] = {
#define CONDITION(id, name, severity, settle_ms, state, resolves, title, cure) \
    [CONDITION_##id] = {(name), (severity), (settle_ms), (state), (resolves), (title), (cure)},
#include "registry/conditions.def"
};
STATIC_ASSERT(CONDITIONS <= 32, "the conditions of a host are bits of 32");

const struct condition_row *condition_row(enum host_condition c)
{
    return &rows[c];
}

enum host_condition condition_find(const char *name)
{
    for (unsigned i = 0; i < CONDITIONS; i++)
        if (streq(rows[i].name, name))
            return (enum host_condition)i;
    return CONDITIONS;
}

// A time ahead of the clock was written before somebody set it back, and says nothing.
static bool is_silent(struct registry *rg, const struct registry_host *h, uint64_t now)
{
    uint64_t after = registry_setting_u64(rg, SETTING_HOST_SILENT);
    bool heard = h->seen_ms + after >= now && h->seen_ms <= now + CLOCK_SLACK_MS;

    // Who was silent before stays so until it speaks.
    return !heard && (h->told & CONDITION_BIT(CONDITION_SILENT) ||
                      atomic_load(&rg->listening_ms) + after < now);
}

// An agent asks every WIRE_PARK_MS (5 s) whether there is anything for it. Who does not is ended, stopped, frozen or cut off.
static bool is_unheard(struct registry *rg, const struct registry_host *h, uint64_t now)
{
    uint64_t after = registry_setting_u64(rg, SETTING_HOST_UNHEARD);

    return h->seen_ms && h->seen_ms + after < now && atomic_load(&rg->listening_ms) + after < now;
}

static bool is_off(struct registry *rg, const struct registry_host *h)
{
    int64_t off = (int64_t)registry_setting_u64(rg, SETTING_CLOCK_OFF);

    return h->skew_known && (h->skew_ms > off || h->skew_ms < -off);
}

static uint32_t certificate(struct registry *rg, const struct registry_host *h, uint64_t now)
{
    // Half of what is left when it should have been renewed, where certificates are short.
    uint64_t end = h->cert_not_after_ms,
             warn = MIN(registry_setting_u64(rg, SETTING_CERT_WARN),
                        registry_setting_u64(rg, SETTING_CERT_LIFE) / 6);

    if (!end)
        return 0;
    if (end <= now)
        return CONDITION_BIT(CONDITION_EXPIRED);
    return end <= now + warn ? CONDITION_BIT(CONDITION_EXPIRING) : 0;
}

// Agents report policies that they refuse as a problem, too: told once.
static uint32_t health(const struct registry_host *h)
{
    bool refused = *h->bundle_error != '\0';
    uint32_t bits = refused ? CONDITION_BIT(CONDITION_REFUSED) : 0;

    if (!*h->health)
        return bits;
    if (h->health_severity >= SEVERITY_CRITICAL)
        return bits | CONDITION_BIT(CONDITION_UNPROTECTED);
    // Without a severity: from before it was kept.
    if (!refused && (h->health_severity >= SEVERITY_HIGH || h->health_severity == 0))
        bits |= CONDITION_BIT(CONDITION_DEGRADED);
    return bits;
}

uint32_t conditions_judge(struct registry *rg, const struct registry_host *h, int64_t lifecycle,
                          uint64_t now)
{
    uint32_t bits;

    if (lifecycle == HOST_CLONED)
        return CONDITION_BIT(CONDITION_CLONED);
    if (lifecycle != 0)
        return 0;
    bits = certificate(rg, h, now) | health(h);
    if (is_silent(rg, h, now))
        bits |= CONDITION_BIT(CONDITION_SILENT);
    else if (is_unheard(rg, h, now))
        bits |= CONDITION_BIT(CONDITION_UNHEARD);
    if (is_off(rg, h))
        bits |= CONDITION_BIT(CONDITION_CLOCK);
    if (h->lost_ms && h->lost_ms + LOSS_MS > now)
        bits |= CONDITION_BIT(CONDITION_LOSSES);
    return bits;
}

// As texts ----------------------------------------------------------------------------------------

static void put_time(struct strbuf *sb, uint64_t ms)
{
    char text[RFC3339_MS_SIZE];

    if (ms && format_rfc3339_ms(ms * NS_PER_MS, text, sizeof(text)) == 0)
        sb_puts(sb, text);
    else
        sb_puts(sb, "an unknown time");
}

static void put_span(struct strbuf *sb, uint64_t ms)
{
    static const struct {
        uint64_t ms;
        const char *name;
    } units[] = {
        {365 * MS_PER_DAY, "years"}, {MS_PER_DAY, "days"}, {MS_PER_HOUR, "hours"},
        {MS_PER_MINUTE, "minutes"},  {1000, "seconds"},
    };
    size_t i = 0;

    while (i + 1 < ARRAY_SIZE(units) && ms < 2 * units[i].ms)
        i++;
    sb_printf(sb, "%" PRIu64 " %s", (ms + units[i].ms / 2) / units[i].ms, units[i].name);
}

void condition_text(const struct registry_host *h, enum host_condition c, struct strbuf *sb)
{
    switch (c) {
    case CONDITION_SILENT:
    case CONDITION_UNHEARD:
        sb_puts(sb, "nothing was heard of it since ");
        put_time(sb, h->seen_ms);
        break;
    case CONDITION_EXPIRED:
        sb_puts(sb, "its certificate expired at ");
        put_time(sb, h->cert_not_after_ms);
        sb_puts(sb, "; what it enforces goes on, and its records wait there");
        break;
    case CONDITION_EXPIRING:
        sb_puts(sb, "its certificate expires at ");
        put_time(sb, h->cert_not_after_ms);
        sb_puts(sb, " and was not renewed");
        break;
    case CONDITION_UNPROTECTED:
    case CONDITION_DEGRADED: sb_puts(sb, h->health); break;
    case CONDITION_REFUSED:
        sb_printf(sb, "it cannot load its policies: %s", h->bundle_error);
        break;
    case CONDITION_CLOCK:
        sb_puts(sb, "its clock is ");
        put_span(sb, (uint64_t)(h->skew_ms < 0 ? -h->skew_ms : h->skew_ms));
        sb_printf(sb, " %s that of the server; its records carry its time",
                  h->skew_ms < 0 ? "behind" : "ahead of");
        break;
    case CONDITION_LOSSES:
        sb_printf(sb, "%" PRIu64 " records of it were lost, the last at ", h->lost);
        put_time(sb, h->lost_ms);
        break;
    case CONDITION_CLONED:
        sb_puts(sb, !str_isempty(h->reason) ? h->reason : rows[CONDITION_CLONED].title);
        break;
    case CONDITIONS: break;
    }
}
