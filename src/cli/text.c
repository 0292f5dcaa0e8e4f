// SPDX-License-Identifier: Apache-2.0
//
// Numbers, sizes and times as people read them.
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/utf8.h"
#include "cli/render.h"

void put_escaped(struct strbuf *sb, const char *s)
{
    utf8_escape(sb, strempty(s), strlen(strempty(s)));
}

void put_count(struct strbuf *sb, uint64_t n)
{
    char digits[32];
    int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);

    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            sb_putc(sb, ',');
        sb_putc(sb, digits[i]);
    }
}

void put_bytes(struct strbuf *sb, uint64_t n)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    uint64_t tenths = n * 10 / 1024;
    size_t i = 0;

    if (n < 1024) {
        sb_printf(sb, "%llu B", (unsigned long long)n);
        return;
    }
    while (tenths >= 10240 && i + 1 < ARRAY_SIZE(units)) {
        tenths /= 1024;
        i++;
    }
    sb_printf(sb, "%llu.%llu %s", (unsigned long long)(tenths / 10),
              (unsigned long long)(tenths % 10), units[i]);
}

void put_ns(struct strbuf *sb, uint64_t ns)
{
    static const struct {
        uint64_t from;
        const char *unit;
    } units[] = {{NS_PER_SEC, "s"}, {NS_PER_MS, "ms"}, {NS_PER_US, "µs"}};

    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        uint64_t whole = ns / units[i].from, tenth = ns % units[i].from * 10 / units[i].from;

        if (!whole)
            continue;
        if (whole < 10)
            sb_printf(sb, "%llu.%llu %s", (unsigned long long)whole, (unsigned long long)tenth,
                      units[i].unit);
        else
            sb_printf(sb, "%llu %s", (unsigned long long)whole, units[i].unit);
        return;
    }
    sb_printf(sb, "%llu ns", (unsigned long long)ns);
}

void put_span(struct strbuf *sb, uint64_t ms)
{
    static const struct {
        uint64_t ms;
        const char *unit;
    } rows[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (ms < rows[i].ms)
            continue;
        sb_printf(sb, "%llu %s", (unsigned long long)(ms / rows[i].ms), rows[i].unit);
        ms %= rows[i].ms;
        // Two units say enough; seconds beside minutes say too much.
        if (i < 2 && ms >= rows[i + 1].ms)
            sb_printf(sb, " %llu %s", (unsigned long long)(ms / rows[i + 1].ms), rows[i + 1].unit);
        return;
    }
    sb_printf(sb, "%llu ms", (unsigned long long)ms);
}

void put_time(struct strbuf *sb, uint64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    char text[32];
    struct tm tm;

    if (localtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) > 0)
        sb_puts(sb, text);
    else
        sb_puts(sb, "?");
}

void put_cut(const struct strbuf *from, unsigned lines, unsigned width, struct strbuf *sb)
{
    const char *s = sb_str(from);
    size_t left = from->len, len;
    unsigned line = 0, column = 0;
    uint32_t cp;

    while (left && (!lines || line < lines)) {
        bool sequence = *s == '\033';

        len = sequence ? strcspn(s, "m") + 1 : utf8_decode(s, left, &cp);
        len = len == 0 ? 1 : len;
        len = len > left ? left : len;
        if (*s == '\n') {
            line++;
            column = 0;
            if (line < lines || !lines)
                sb_putc(sb, '\n');
        } else if (sequence || !width || column < width) {
            sb_add(sb, s, len);
            column += !sequence;
        }
        s += len;
        left -= len;
    }
}
