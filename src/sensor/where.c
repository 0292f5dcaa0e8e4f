// SPDX-License-Identifier: Apache-2.0
#include "sensor/where.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "base/strutil.h"

// Undoes the octal escapes (\040) of mountinfo in place.
static void unescape(char *s)
{
    char *to = s;

    while (*s) {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
            s[3] >= '0' && s[3] <= '7') {
            *to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 4;
        } else {
            *to++ = *s++;
        }
    }
    *to = '\0';
}

struct line {
    uint32_t major, minor;
    char root[1024], point[1024];
};

// The next word of a line, which loses it. False: there is none, or it does not fit.
static bool next_word(const char **line, const char *end, char *buf, size_t size)
{
    const char *s = *line, *blank;
    size_t len;

    while (s < end && *s == ' ')
        s++;
    blank = memchr(s, ' ', (size_t)(end - s));
    len = (size_t)((blank ? blank : end) - s);
    *line = s + len;
    if (len == 0 || len >= size)
        return false;
    memcpy(buf, s, len);
    buf[len] = '\0';
    return true;
}

static bool parse_line(const char *s, const char *end, struct line *ret)
{
    char word[32], *minor;

    // 36 35 98:0 /mnt1 /mnt2 rw,noatime ... (proc(5)); longer names than these are none of ours.
    if (!next_word(&s, end, word, sizeof(word)) || !next_word(&s, end, word, sizeof(word)) ||
        !next_word(&s, end, word, sizeof(word)) ||
        !next_word(&s, end, ret->root, sizeof(ret->root)) ||
        !next_word(&s, end, ret->point, sizeof(ret->point)))
        return false;
    minor = strchr(word, ':');
    if (!minor)
        return false;
    *minor++ = '\0';
    if (parse_u32(word, &ret->major) < 0 || parse_u32(minor, &ret->minor) < 0)
        return false;
    unescape(ret->root);
    unescape(ret->point);
    return true;
}

// What of path is behind the mount point, or NULL when it is not below it: "/run" + "/run/x" → "/x".
static const char *below(const char *point, const char *path)
{
    size_t len = strlen(point);

    if (len == 1)
        return streq(path, "/") ? path + 1 : path;
    if (strncmp(path, point, len) != 0 || (path[len] != '/' && path[len] != '\0'))
        return NULL;
    return path + len;
}

int where_find(const char *mountinfo, size_t len, const char *path, struct where *ret)
{
    const char *end = mountinfo + len, *eol;
    size_t best_len = 0;
    struct line line, best;
    bool found = false;
    const char *rest;
    struct where w = {};
    int n;

    for (const char *s = mountinfo; s < end; s = eol + 1) {
        eol = memchr(s, '\n', (size_t)(end - s));
        eol = eol ? eol : end;
        if (!parse_line(s, eol, &line) || !below(line.point, path))
            continue;
        // Of equal ones the later lies on top.
        if (strlen(line.point) < best_len)
            continue;
        best_len = strlen(line.point);
        best = line;
        found = true;
    }
    if (!found)
        return -ENOENT;
    rest = below(best.point, path);
    w.dev = best.major << 20 | (best.minor & 0xfffff);
    w.mountpoint = *rest == '\0';
    n = snprintf(w.path, sizeof(w.path), "%s%s", streq(best.root, "/") ? "" : best.root, rest);
    if (n < 0 || (size_t)n >= sizeof(w.path))
        return -ENAMETOOLONG;
    *ret = w;
    return 0;
}
