// SPDX-License-Identifier: Apache-2.0
//
// Windows of local time: "08:00-18:00", "mon-fri", "mon,wed 22:00-06:00".
#include <errno.h>
#include <string.h>

#include "policy/compile.h"
#include "policy/loader.h"

#define MINUTES_A_DAY 1440
#define EVERY_DAY     0x7f

static const char *const days[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

static int parse_day(const char **s)
{
    for (int i = 0; i < (int)ARRAY_SIZE(days); i++)
        if (strncmp(*s, days[i], 3) == 0) {
            *s += 3;
            return i;
        }
    return -EINVAL;
}

// "mon-fri" or "mon,wed,fri"; a range may run over the end of the week.
static int parse_days(const char **s, uint8_t *ret_days)
{
    *ret_days = 0;
    for (;;) {
        int from = parse_day(s), to = from;

        if (from < 0)
            return from;
        if (**s == '-') {
            (*s)++;
            to = parse_day(s);
            if (to < 0)
                return to;
        }
        for (int d = from;; d = (d + 1) % 7) {
            *ret_days |= (uint8_t)(1u << d);
            if (d == to)
                break;
        }
        if (**s != ',')
            return 0;
        (*s)++;
    }
}

static int parse_clock(const char **s, uint16_t *ret_minutes)
{
    unsigned hour = 0, minute = 0;
    const char *p = *s;

    for (int i = 0; i < 5; i++)
        if (i == 2 ? p[i] != ':' : p[i] < '0' || p[i] > '9')
            return -EINVAL;
    hour = (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
    minute = (unsigned)(p[3] - '0') * 10 + (unsigned)(p[4] - '0');
    if (minute > 59 || hour * 60 + minute > MINUTES_A_DAY)
        return -EINVAL;
    *s += 5;
    *ret_minutes = (uint16_t)(hour * 60 + minute);
    return 0;
}

const char *window_parse(const char *text, struct policy_window *ret_window)
{
    struct policy_window w = {.days = EVERY_DAY};
    const char *s = text;

    if (*s >= 'a' && *s <= 'z') {
        if (parse_days(&s, &w.days) < 0)
            return "the days are not of the form mon-fri or mon,wed,fri";
        if (*s == '\0') {
            *ret_window = w;
            return NULL;
        }
        if (*s != ' ')
            return "a blank has to stand between days and times";
        while (*s == ' ')
            s++;
    }
    if (parse_clock(&s, &w.from) < 0 || *s++ != '-' || parse_clock(&s, &w.to) < 0 || *s != '\0')
        return "the times are not of the form 08:00-18:00";
    if (w.from == w.to)
        return "the window begins and ends at the same time";
    if (w.from == MINUTES_A_DAY)
        return "a window cannot begin at 24:00";
    *ret_window = w;
    return NULL;
}

// The moment `minutes` after the midnight in front of day `offset` from the day of `tm`.
static time_t moment(const struct tm *tm, int offset, int minutes)
{
    struct tm at = {
        .tm_year = tm->tm_year,
        .tm_mon = tm->tm_mon,
        .tm_mday = tm->tm_mday + offset,
        .tm_hour = minutes / 60,
        .tm_min = minutes % 60,
        .tm_isdst = -1,
    };

    return mktime(&at);
}

// One window: is it open, and when does it open or close next (if that is before *next)?
static bool window_open(const struct policy_window *w, const struct tm *tm, time_t now,
                        time_t *next)
{
    bool open = false;

    // A window that began yesterday may still be open; a week ahead holds every change.
    for (int offset = -1; offset <= 7; offset++) {
        int day = (tm->tm_wday + offset + 7) % 7;
        bool over = w->to <= w->from; // ends on the next day; equal: a whole day
        time_t from, to;

        if (!(w->days >> day & 1))
            continue;
        from = moment(tm, offset, w->from);
        to = moment(tm, over ? offset + 1 : offset, w->to);
        open |= from <= now && now < to;
        if (from > now && (*next == 0 || from < *next))
            *next = from;
        if (to > now && (*next == 0 || to < *next))
            *next = to;
    }
    return open;
}

void policy_time_subjects(const struct policy_image *image, time_t now,
                          uint64_t ret_on[SG_SUBJECT_WORDS], time_t *ret_next_change)
{
    struct tm tm = {};
    time_t next = 0;

    memset(ret_on, 0xff, SG_SUBJECT_WORDS * sizeof(*ret_on));
    (void)localtime_r(&now, &tm);
    for (size_t i = 0; i < image->n_subjects; i++) {
        const struct policy_image_subject *s = &image->subjects[i];
        bool open = s->n_windows == 0;

        for (uint32_t w = 0; w < s->n_windows; w++)
            open |= window_open(&s->windows[w], &tm, now, &next);
        if (!open)
            ret_on[i / 64] &= ~SG_BIT(i % 64);
    }
    *ret_next_change = next;
}
