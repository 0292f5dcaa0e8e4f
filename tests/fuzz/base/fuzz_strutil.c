// SPDX-License-Identifier: Apache-2.0
//
// Numbers from text agree with strtoull(); the order of names is an order; nothing reads past the
// end.
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/strutil.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int sign(int v)
{
    return (v > 0) - (v < 0);
}

static void check_u64(const char *s)
{
    uint64_t value = 0;
    int r = parse_u64(s, &value);
    char *end;

    if (strspn(s, "0123456789") != strlen(s) || !*s)
        return;
    errno = 0;
    if (r == 0 ? strtoull(s, &end, 10) != value || errno : r != -ERANGE)
        abort();
    if (r == -ERANGE && (strtoull(s, &end, 10), errno != ERANGE))
        abort();
}

static void check_order(const char *a, const char *b, const char *c)
{
    int ab = sign(natural_cmp(a, b)), bc = sign(natural_cmp(b, c)), ac = sign(natural_cmp(a, c));

    if (ab != -sign(natural_cmp(b, a)) || (ab == 0) != streq(a, b))
        abort();
    if (ab <= 0 && bc <= 0 && ac > 0)
        abort();
    if (ab >= 0 && bc >= 0 && ac < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(strv_freep) char **words = NULL;
    _cleanup_free_ char *s = strndup((const char *)data, size), *joined = NULL;
    uint64_t number;
    int64_t whole;
    bool yes;

    check_u64(s);
    (void)parse_i64(s, &whole);
    (void)parse_size(s, &number);
    (void)parse_duration_ms(s, &number);
    (void)parse_bool(s, &yes);
    if (strv_split(s, " \n", &words) < 0 || strv_join(words, " ", &joined) < 0)
        abort();
    if (strv_len(words) >= 3)
        check_order(words[0], words[1], words[2]);
    if (strv_len(words) >= 2)
        (void)nearest_word(words[0], (const char *const *)words + 1, strv_len(words) - 1);
    strv_sort_natural(words);
    return 0;
}
