// SPDX-License-Identifier: Apache-2.0
#include "base/strbuf.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *sb_reserve(struct strbuf *sb, size_t more)
{
    size_t need, want;
    char *bigger;

    if (sb->failed)
        return NULL;
    if (__builtin_add_overflow(sb->len, more, &need) || __builtin_add_overflow(need, 1, &need)) {
        sb->failed = true;
        return NULL;
    }
    if (need <= sb->cap)
        return sb->s + sb->len;

    want = sb->cap > SIZE_MAX / 2 ? need : sb->cap * 2;
    if (want < need)
        want = need;
    if (want < 64)
        want = 64;
    bigger = realloc(sb->s, want);
    if (!bigger) {
        sb->failed = true;
        return NULL;
    }
    sb->s = bigger;
    sb->cap = want;
    sb->s[sb->len] = '\0';
    return sb->s + sb->len;
}

void sb_written(struct strbuf *sb, size_t len)
{
    sb->len += len;
    sb->s[sb->len] = '\0';
}

void sb_add(struct strbuf *sb, const void *mem, size_t len)
{
    char *end = sb_reserve(sb, len);

    if (!end)
        return;
    if (len)
        memcpy(end, mem, len);
    sb_written(sb, len);
}

void sb_puts(struct strbuf *sb, const char *s)
{
    sb_add(sb, s, strlen(s));
}

void sb_putc(struct strbuf *sb, char c)
{
    if (sb->failed || sb->cap - sb->len < 2) {
        sb_add(sb, &c, 1);
        return;
    }
    sb->s[sb->len++] = c;
    sb->s[sb->len] = '\0';
}

void sb_vprintf(struct strbuf *sb, const char *fmt, va_list ap)
{
    va_list again;
    size_t room;
    char *end;
    int n;

    // Most texts fit what is there, or one small step; then they are formatted only once.
    end = sb_reserve(sb, 32);
    if (!end)
        return;
    room = sb->cap - sb->len;
    va_copy(again, ap);
    n = vsnprintf(end, room, fmt, ap);
    if (n >= 0 && (size_t)n >= room) {
        end = sb_reserve(sb, (size_t)n);
        if (end)
            n = vsnprintf(end, (size_t)n + 1, fmt, again);
    }
    va_end(again);
    if (n < 0)
        sb->failed = true;
    if (sb->failed)
        sb->s[sb->len] = '\0';
    else
        sb_written(sb, (size_t)n);
}

void sb_printf(struct strbuf *sb, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    sb_vprintf(sb, fmt, ap);
    va_end(ap);
}

void sb_truncate(struct strbuf *sb, size_t len)
{
    if (len >= sb->len)
        return;
    sb->len = len;
    sb->s[len] = '\0';
}

void sb_reset(struct strbuf *sb)
{
    sb_truncate(sb, 0);
    sb->failed = false;
}

void sb_done(struct strbuf *sb)
{
    int saved = errno;

    free(sb->s);
    *sb = (struct strbuf){};
    errno = saved;
}

const char *sb_str(const struct strbuf *sb)
{
    return sb->s ? sb->s : "";
}

int sb_finish(struct strbuf *sb, char **ret_str)
{
    if (!sb_reserve(sb, 0))
        return -ENOMEM;
    *ret_str = sb->s;
    *sb = (struct strbuf){};
    return 0;
}
