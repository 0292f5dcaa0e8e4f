// SPDX-License-Identifier: Apache-2.0
//
// A line of a record, read in one pass and by json-c: what the pass accepts, json-c accepts, with the same columns and all the
// strings that are searched in.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/utf8.h"
#include "store/extract_internal.h"
#include "store/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Strings, each with its length in front.
static void collect(void *ctx, const char *s, size_t len)
{
    struct strbuf *sb = ctx;

    sb_add(sb, &len, sizeof(len));
    sb_add(sb, s, len);
}

static bool has(const struct strbuf *in, const char *s, size_t len)
{
    for (size_t at = 0, n; at < in->len; at += sizeof(n) + n) {
        memcpy(&n, in->s + at, sizeof(n));
        if (n == len && memcmp(in->s + at + sizeof(n), s, len) == 0)
            return true;
    }
    return false;
}

static void compare(const struct extract_values *a, const struct extract_values *b)
{
    for (unsigned i = 0; i < NUMBERS; i++)
        if (a->numbers[i] != b->numbers[i])
            abort();
    for (unsigned i = 0; i < STRINGS; i++) {
        if (!a->strings[i].s != !b->strings[i].s || a->strings[i].len != b->strings[i].len)
            abort();
        if (a->strings[i].len && memcmp(a->strings[i].s, b->strings[i].s, a->strings[i].len) != 0)
            abort();
    }
}

static void words(const char *line, size_t len)
{
    const char *p = line, *end = line + len;
    char word[TEXT_WORD_MAX];
    size_t n;

    while ((n = text_next_word(&p, end, word)) > 0)
        if (n > TEXT_WORD_MAX || p > end)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct strbuf fast_texts = {}, tree_texts = {};
    struct extract_job fast = {.line = (const char *)data,
                               .len = size,
                               .fn = collect,
                               .ctx = &fast_texts};
    struct extract_job tree = {.line = (const char *)data,
                               .len = size,
                               .fn = collect,
                               .ctx = &tree_texts};
    struct store_columns columns;
    struct extract *x = NULL;

    if (extract_new(&x) < 0)
        return 0;
    fast.x = tree.x = x;
    if (extract_fast(&fast)) {
        if (!extract_tree(&tree))
            abort();
        compare(&fast.values, &tree.values);
        for (size_t at = 0, n; at < tree_texts.len; at += sizeof(n) + n) {
            memcpy(&n, tree_texts.s + at, sizeof(n));
            if (!has(&fast_texts, tree_texts.s + at + sizeof(n), n))
                abort();
        }
    }
    extract_line(x, (const char *)data, size, 42, NULL, NULL, &columns);
    if (columns.time_ms == 0 || columns.count == 0 || (unsigned)columns.outcome >= STORE_OUTCOMES)
        abort();
    words((const char *)data, size);
    extract_free(x);
    sb_done(&fast_texts);
    sb_done(&tree_texts);
    return 0;
}
