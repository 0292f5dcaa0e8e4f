// SPDX-License-Identifier: Apache-2.0
#include "api/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "base/utf8.h"

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

// In place. In queries '+' is a blank. Control characters are in no name or value that we know.
static int decode(char *text, bool query)
{
    char *to = text;

    for (const char *from = text; *from; from++) {
        int c = (unsigned char)*from;

        if (c == '%') {
            int high = hex(from[1]), low = high < 0 ? -1 : hex(from[2]);

            if (low < 0)
                return -EINVAL;
            c = high << 4 | low;
            from += 2;
        } else if (c == '+' && query) {
            c = ' ';
        }
        if (c < ' ' || c == 0x7f)
            return -EINVAL;
        *to++ = (char)c;
    }
    *to = '\0';
    return utf8_valid(text, (size_t)(to - text)) ? 0 : -EINVAL;
}

static int parse_path(struct target *t, char *path)
{
    if (*path != '/')
        return -EINVAL;
    while (path) {
        char *segment = path + 1, *end = strchr(segment, '/');

        if (end)
            *end = '\0';
        if (!*segment && !end) {
            t->directory = t->n_segments > 0;
            return 0;
        }
        // Cut first, then decoded: an encoded slash is part of a name.
        if (!*segment || decode(segment, false) < 0 || streq(segment, ".") || streq(segment, ".."))
            return -EINVAL;
        if (t->n_segments == TARGET_SEGMENTS_MAX)
            return -E2BIG;
        t->segments[t->n_segments++] = segment;
        path = end;
    }
    return 0;
}

static int parse_query(struct target *t, char *query)
{
    while (query) {
        char *next = strchr(query, '&'), *value;

        if (next)
            *next++ = '\0';
        value = strchr(query, '=');
        if (value)
            *value++ = '\0';
        if (*query) {
            if (decode(query, true) < 0 || (value && decode(value, true) < 0))
                return -EINVAL;
            if (t->n_params == API_PARAMS_MAX)
                return -E2BIG;
            t->params[t->n_params].name = query;
            t->params[t->n_params++].value = value ? value : "";
        } else if (value) {
            return -EINVAL;
        }
        query = next;
    }
    return 0;
}

int target_parse(const char *text, struct target *ret, struct error *err)
{
    size_t len = strnlen(text, API_TARGET_MAX + 1);
    struct target t = {};
    char *query;
    int r;

    if (len > API_TARGET_MAX)
        return error_set(err, -E2BIG, "the address is longer than %d bytes", API_TARGET_MAX);
    t.text = xstrndup(text, len);
    if (!t.text)
        return error_set(err, -ENOMEM, "%m");
    query = strchr(t.text, '?');
    if (query)
        *query++ = '\0';
    r = parse_path(&t, t.text);
    if (r < 0)
        (void)error_set(err, r,
                        r == -E2BIG ? "the path has too many parts"
                                    : "the path is not well-formed");
    if (r == 0) {
        r = parse_query(&t, query);
        if (r == -E2BIG)
            (void)error_set(err, r, "the query has more than %d parameters", API_PARAMS_MAX);
        else if (r < 0)
            (void)error_set(err, r, "the query is not well-formed");
    }
    if (r < 0) {
        target_done(&t);
        return r;
    }
    *ret = t;
    return 0;
}

void target_done(struct target *t)
{
    free(t->text);
    *t = (struct target){};
}

const char *cookie_find(const char *header, const char *name, size_t *ret_len)
{
    const char *found = NULL;
    size_t name_len = strlen(name), found_len = 0;

    while (header && *header) {
        size_t len;

        header += strspn(header, "; \t");
        len = strcspn(header, ";");
        if (len > name_len && strncmp(header, name, name_len) == 0 && header[name_len] == '=') {
            // Two of one name: one of them was put there by somebody else.
            if (found)
                return NULL;
            found = header + name_len + 1;
            found_len = len - name_len - 1;
            while (found_len > 0 && (found[found_len - 1] == ' ' || found[found_len - 1] == '\t'))
                found_len--;
        }
        header += len;
    }
    if (!found)
        return NULL;
    *ret_len = found_len;
    return found;
}
