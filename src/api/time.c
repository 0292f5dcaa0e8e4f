// SPDX-License-Identifier: Apache-2.0
#include "api/time.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/strutil.h"

#define TIME_MAX_MS ((uint64_t)253402300799999) // the end of 9999

static bool digits(const char **at, unsigned n, int *ret)
{
    int value = 0;

    for (unsigned i = 0; i < n; i++) {
        if ((*at)[i] < '0' || (*at)[i] > '9')
            return false;
        value = value * 10 + ((*at)[i] - '0');
    }
    *at += n;
    *ret = value;
    return true;
}

static bool one_of(const char **at, const char *set)
{
    if (!**at || !strchr(set, **at))
        return false;
    (*at)++;
    return true;
}

// ".123456" in milliseconds; what is finer is cut off.
static bool fraction(const char **at, int *ret_ms)
{
    int ms = 0, n = 0;

    if (**at == '.') {
        (*at)++;
        for (; **at >= '0' && **at <= '9'; (*at)++, n++)
            if (n < 3)
                ms = ms * 10 + (**at - '0');
        if (n == 0 || n > 9)
            return false;
        for (; n < 3; n++)
            ms *= 10;
    }
    *ret_ms = ms;
    return true;
}

static bool offset(const char **at, int *ret_minutes)
{
    bool minus;
    int h, m;

    *ret_minutes = 0;
    if (one_of(at, "Zz"))
        return true;
    // A blank is a plus that somebody forgot to encode.
    minus = **at == '-';
    if (!one_of(at, "+- ") || !digits(at, 2, &h) || !one_of(at, ":") || !digits(at, 2, &m) ||
        h > 23 || m > 59)
        return false;
    *ret_minutes = (minus ? -1 : 1) * (h * 60 + m);
    return true;
}

static bool calendar(const char *text, uint64_t *ret_ms)
{
    struct tm tm = {};
    int ms, minutes, year, month;
    time_t seconds;

    if (!digits(&text, 4, &year) || !one_of(&text, "-") || !digits(&text, 2, &month) ||
        !one_of(&text, "-") || !digits(&text, 2, &tm.tm_mday) || !one_of(&text, "Tt ") ||
        !digits(&text, 2, &tm.tm_hour) || !one_of(&text, ":") || !digits(&text, 2, &tm.tm_min) ||
        !one_of(&text, ":") || !digits(&text, 2, &tm.tm_sec) || !fraction(&text, &ms) ||
        !offset(&text, &minutes) || *text)
        return false;
    if (year < 1970 || month < 1 || month > 12 || tm.tm_mday < 1 || tm.tm_hour > 23 ||
        tm.tm_min > 59 || tm.tm_sec > 60)
        return false;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    seconds = timegm(&tm);
    // timegm() makes the 2nd of March of the 30th of February.
    if (tm.tm_mon != month - 1)
        return false;
    seconds -= (time_t)minutes * 60;
    if (seconds < 0)
        return false;
    *ret_ms = (uint64_t)seconds * 1000 + (uint64_t)ms;
    return true;
}

int api_time_parse(const char *text, uint64_t *ret_ms, struct error *err)
{
    uint64_t now = now_ns(CLOCK_REALTIME) / NS_PER_MS, ms;
    int r;

    if (streq(text, "now"))
        ms = now;
    else if (text[0] == '-' && parse_duration_ms(text + 1, &ms) == 0)
        ms = ms < now ? now - ms : 0;
    else if ((strspn(text, "0123456789") != strlen(text) || parse_u64(text, &ms) < 0) &&
             !calendar(text, &ms))
        ms = UINT64_MAX;
    if (ms > TIME_MAX_MS) {
        r = error_set(err, -EINVAL, "the value is not a time");
        error_expected(
            err, "milliseconds since 1970, 2026-01-31T23:59:59Z, now, or -1h for an hour ago");
        return r;
    }
    *ret_ms = ms;
    return 0;
}
