// SPDX-License-Identifier: Apache-2.0
#include "base/strutil.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return INT_MAX;
}

// The digits at *s; *s moves behind them. An overflow is remembered while the rest is still
// checked, so that "not a number" wins over "too large".
static int take_digits(const char **s, unsigned base, uint64_t *ret_value)
{
    uint64_t value = 0;
    bool overflow = false;
    const char *p = *s;

    for (int d; (d = digit_value(*p)) < (int)base; p++) {
        overflow |= __builtin_mul_overflow(value, base, &value);
        overflow |= __builtin_add_overflow(value, (uint64_t)d, &value);
    }
    if (p == *s)
        return -EINVAL;
    *s = p;
    if (overflow)
        return -ERANGE;
    *ret_value = value;
    return 0;
}

int parse_u64(const char *s, uint64_t *ret_value)
{
    unsigned base = 10;
    uint64_t value = 0;
    int r;

    if (!s)
        return -EINVAL;
    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
        base = 16;
        s += 2;
    }
    r = take_digits(&s, base, &value);
    if (r == -EINVAL || *s)
        return -EINVAL;
    if (r < 0)
        return r;
    *ret_value = value;
    return 0;
}

int parse_u32(const char *s, uint32_t *ret_value)
{
    uint64_t value;
    int r;

    r = parse_u64(s, &value);
    if (r < 0)
        return r;
    if (value > UINT32_MAX)
        return -ERANGE;
    *ret_value = (uint32_t)value;
    return 0;
}

int parse_i64(const char *s, int64_t *ret_value)
{
    bool negative;
    uint64_t value;
    int r;

    if (!s)
        return -EINVAL;
    negative = *s == '-';
    if (*s == '-' || *s == '+')
        s++;
    r = parse_u64(s, &value);
    if (r < 0)
        return r;
    if (value > (uint64_t)INT64_MAX + negative)
        return -ERANGE;
    *ret_value = negative ? (int64_t)-value : (int64_t)value;
    return 0;
}

int parse_size(const char *s, uint64_t *ret_bytes)
{
    static const char units[] = "KMGTPE";
    unsigned shift = 0;
    uint64_t value = 0;
    const char *unit;
    int r;

    if (!s)
        return -EINVAL;
    r = take_digits(&s, 10, &value);
    if (r == -EINVAL)
        return r;
    if (*s) {
        unit = strchr(units, toupper((unsigned char)*s));
        if (!unit)
            return -EINVAL;
        shift = 10 * (unsigned)(unit - units + 1);
        s++;
        if (*s && !streq(s, "iB"))
            return -EINVAL;
    }
    if (r < 0 || value > UINT64_MAX >> shift)
        return -ERANGE;
    *ret_bytes = value << shift;
    return 0;
}

// Longest first: a unit may only be followed by a row further down.
static const struct {
    const char *name;
    uint64_t ms;
} duration_units[] = {
    {"w", 7 * 24 * 3600 * UINT64_C(1000)},
    {"d", 24 * 3600 * UINT64_C(1000)},
    {"h", 3600 * UINT64_C(1000)},
    {"min", 60 * UINT64_C(1000)},
    {"m", 60 * UINT64_C(1000)},
    {"s", 1000},
    {"ms", 1},
};

static int take_duration_unit(const char **s, size_t *row, uint64_t *ret_ms)
{
    size_t len = 0;

    while (isalpha((unsigned char)(*s)[len]))
        len++;
    for (size_t i = *row; i < ARRAY_SIZE(duration_units); i++) {
        if (strlen(duration_units[i].name) != len || memcmp(*s, duration_units[i].name, len) != 0)
            continue;
        *s += len;
        *ret_ms = duration_units[i].ms;
        // "min" and "m" are one unit.
        while (*row < ARRAY_SIZE(duration_units) && duration_units[*row].ms >= *ret_ms)
            (*row)++;
        return 0;
    }
    return -EINVAL;
}

int parse_duration_ms(const char *s, uint64_t *ret_ms)
{
    uint64_t total = 0;
    bool overflow = false;
    size_t row = 0;

    if (!s || !*s)
        return -EINVAL;
    if (streq(s, "0")) {
        *ret_ms = 0;
        return 0;
    }
    while (*s) {
        uint64_t n = 0, unit = 0;
        int r;

        r = take_digits(&s, 10, &n);
        if (r == -EINVAL)
            return r;
        overflow |= r < 0;
        r = take_duration_unit(&s, &row, &unit);
        if (r < 0)
            return r;
        overflow |= __builtin_mul_overflow(n, unit, &n);
        overflow |= __builtin_add_overflow(total, n, &total);
    }
    if (overflow)
        return -ERANGE;
    *ret_ms = total;
    return 0;
}

#define ERRNO_LAST 133 // EHWPOISON

int errno_from_name(const char *name)
{
    for (int i = 1; i <= ERRNO_LAST; i++) {
        const char *known = strerrorname_np(i);

        if (known && streq(known, name))
            return i;
    }
    return -EINVAL;
}

int parse_bool(const char *s, bool *ret_value)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {
        {"yes", true}, {"no", false},  {"true", true}, {"false", false},
        {"on", true},  {"off", false}, {"1", true},    {"0", false},
    };

    if (!s)
        return -EINVAL;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcasecmp(s, words[i].word) == 0) {
            *ret_value = words[i].value;
            return 0;
        }
    }
    return -EINVAL;
}

const char *str_startswith(const char *s, const char *prefix)
{
    size_t len = strlen(prefix);

    return strncmp(s, prefix, len) == 0 ? s + len : NULL;
}

bool str_endswith(const char *s, const char *suffix)
{
    size_t len = strlen(s), suffix_len = strlen(suffix);

    return len >= suffix_len && memcmp(s + len - suffix_len, suffix, suffix_len) == 0;
}

const char *str_last_lines(const char *s, unsigned n)
{
    const char *line = s + strlen(s);

    if (line > s && line[-1] == '\n')
        line--;
    for (unsigned breaks = 0; line > s; line--) {
        breaks += line[-1] == '\n';
        if (breaks == n)
            break;
    }
    return line;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// Compares the runs of digits at *a and *b by value, whatever their length, and moves behind them.
static int compare_digits(const char **a, const char **b)
{
    size_t len_a = 0, len_b = 0;
    int r;

    while (**a == '0')
        (*a)++;
    while (**b == '0')
        (*b)++;
    while (is_digit((*a)[len_a]))
        len_a++;
    while (is_digit((*b)[len_b]))
        len_b++;
    r = len_a != len_b ? (len_a < len_b ? -1 : 1) : memcmp(*a, *b, len_a);
    *a += len_a;
    *b += len_b;
    return r;
}

int natural_cmp(const char *a, const char *b)
{
    const char *p = a, *q = b;

    while (*p && *q) {
        if (is_digit(*p) && is_digit(*q)) {
            int r = compare_digits(&p, &q);

            if (r != 0)
                return r;
            continue;
        }
        if (*p != *q)
            return (unsigned char)*p < (unsigned char)*q ? -1 : 1;
        p++;
        q++;
    }
    if (*p != *q)
        return *p ? 1 : -1;
    return strcmp(a, b);
}

int natural_cmp_qsort(const void *a, const void *b)
{
    return natural_cmp(*(char *const *)a, *(char *const *)b);
}

#define NEAREST_MAX 32 // longer words are not compared

// Damerau-Levenshtein distance (optimal string alignment), three rows of the matrix at a time.
static unsigned edit_distance(const char *a, size_t len_a, const char *b, size_t len_b)
{
    unsigned rows[3][NEAREST_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];

    for (size_t j = 0; j <= len_b; j++)
        last[j] = before[j] = (unsigned)j;
    for (size_t i = 1; i <= len_a; i++) {
        unsigned *oldest = before;

        now[0] = (unsigned)i;
        for (size_t j = 1; j <= len_b; j++) {
            unsigned best = last[j - 1] + (a[i - 1] != b[j - 1]);

            best = MIN(best, last[j] + 1);
            best = MIN(best, now[j - 1] + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = MIN(best, before[j - 2] + 1);
            now[j] = best;
        }
        before = last;
        last = now;
        now = oldest;
    }
    return last[len_b];
}

const char *nearest_word(const char *word, const char *const *words, size_t n_words)
{
    size_t len = strlen(word);
    unsigned best = (unsigned)(len / 3) + (len < 3);
    const char *found = NULL;

    if (len == 0 || len > NEAREST_MAX)
        return NULL;
    for (size_t i = 0; i < n_words; i++) {
        size_t other = strlen(words[i]);
        unsigned d;

        if (other > NEAREST_MAX)
            continue;
        d = edit_distance(word, len, words[i], other);
        // At equal distance the first word stays; a distance of the whole length means nothing.
        if (d < len && (d < best || (d == best && !found))) {
            best = d;
            found = words[i];
        }
    }
    return found;
}
