// SPDX-License-Identifier: Apache-2.0
//
// Points in time as people write them.
#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "base/strutil.h"
#include "cli/render.h"

// All of the text has to be of the form.
static bool matches(const char *text, const char *form, struct tm *tm)
{
    const char *end = strptime(text, form, tm);

    return end && *end == '\0';
}

int parse_since(const char *text, time_t now, uint64_t *ret_ms)
{
    static const char *const forms[] = {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d",
                                        "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"};
    struct tm today, tm;
    uint64_t ms;
    time_t t;

    if (parse_duration_ms(text, &ms) == 0) {
        *ret_ms = (uint64_t)now * 1000 > ms ? (uint64_t)now * 1000 - ms : 0;
        return 0;
    }
    tm = (struct tm){};
    if (matches(text, "%Y-%m-%dT%H:%M:%SZ", &tm)) {
        t = timegm(&tm);
        *ret_ms = t > 0 ? (uint64_t)t * 1000 : 0;
        return 0;
    }
    if (!localtime_r(&now, &today))
        return -EINVAL;
    tm = (struct tm){.tm_year = today.tm_year, .tm_mon = today.tm_mon, .tm_mday = today.tm_mday};
    if (!matches(text, "%H:%M", &tm) && !matches(text, "%H:%M:%S", &tm)) {
        size_t i = 0;

        for (; i < ARRAY_SIZE(forms); i++) {
            tm = (struct tm){};
            if (matches(text, forms[i], &tm))
                break;
        }
        if (i == ARRAY_SIZE(forms))
            return -EINVAL;
    }
    tm.tm_isdst = -1;
    t = mktime(&tm);
    *ret_ms = t > 0 ? (uint64_t)t * 1000 : 0;
    return 0;
}
