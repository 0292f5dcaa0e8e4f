// SPDX-License-Identifier: Apache-2.0
//
// Vectors of strings, declared in base/strutil.h.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/strutil.h"

char **strv_free(char **v)
{
    STRV_FOREACH (s, v)
        free(*s);
    free(v);
    return NULL;
}

size_t strv_len(char *const *v)
{
    size_t n = 0;

    while (v && v[n])
        n++;
    return n;
}

bool strv_contains(char *const *v, const char *s)
{
    STRV_FOREACH (i, v) {
        if (streq(*i, s))
            return true;
    }
    return false;
}

int strv_append_n(char ***v, const char *s, size_t len)
{
    size_t n = strv_len(*v);
    _cleanup_free_ char *copy = NULL;
    char **bigger;

    copy = strndup(s, len);
    if (!copy)
        return -ENOMEM;
    bigger = reallocarray(*v, n + 2, sizeof(char *));
    if (!bigger)
        return -ENOMEM;
    *v = bigger;
    (*v)[n] = TAKE_PTR(copy);
    (*v)[n + 1] = NULL;
    return 0;
}

int strv_append(char ***v, const char *s)
{
    return strv_append_n(v, s, strlen(s));
}

int strv_split(const char *s, const char *separators, char ***ret_v)
{
    _cleanup_(strv_freep) char **v = NULL;

    v = new0(char *, 1);
    if (!v)
        return -ENOMEM;
    for (;;) {
        size_t len;
        int r;

        s += strspn(s, separators);
        if (!*s)
            break;
        len = strcspn(s, separators);
        r = strv_append_n(&v, s, len);
        if (r < 0)
            return r;
        s += len;
    }
    *ret_v = TAKE_PTR(v);
    return 0;
}

int strv_join(char *const *v, const char *separator, char **ret_s)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    STRV_FOREACH (s, v) {
        if (s != v)
            sb_puts(&sb, separator);
        sb_puts(&sb, *s);
    }
    return sb_finish(&sb, ret_s);
}

void strv_sort_natural(char **v)
{
    size_t n = strv_len(v);

    if (n > 1)
        qsort(v, n, sizeof(*v), natural_cmp_qsort);
}
