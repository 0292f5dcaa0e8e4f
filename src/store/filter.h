// SPDX-License-Identifier: Apache-2.0
//
// A filter, made ready for many records: what is text is parsed, what is a pattern is told apart from what is whole.
#pragma once

#include "store/store.h"
#include "store/text.h"

// Columns that a filter compares with a text.
enum filter_text {
    FILTER_RULE,
    FILTER_POLICY,
    FILTER_USER,
    FILTER_PROGRAM,
    FILTER_PATH,
    FILTER_TEXTS,
};

struct filter_pattern {
    const char *s; // NULL: anything goes
    size_t len;    // without the '*'
    bool prefix;
};

// Values of a mark that are asked for; any of them will do.
struct filter_mark {
    size_t n; // 0: not asked for
    uint32_t hashes[STORE_MARK_MAX];
};

struct filter {
    struct store_filter f;
    struct filter_pattern texts[FILTER_TEXTS];
    struct filter_pattern not_texts[FILTER_TEXTS][STORE_NOT_MAX];
    size_t n_not_texts[FILTER_TEXTS];
    struct filter_mark marks[STORE_MARKS];
    bool marked; // one of them is asked for
    struct text_query query, cmd_query;
};

// filter stays on loan. filter_done() in every case.
int filter_prepare(const struct store_filter *filter, struct filter *ret_filter, struct error *err);
void filter_done(struct filter *f);

bool filter_pattern_matches(const struct filter_pattern *pattern, const char *s, size_t len);
// Whether the text is one of those that are not wanted.
bool filter_text_excluded(const struct filter *f, enum filter_text which, const char *s,
                          size_t len);
bool filter_texts_match(const struct filter *f,
                        const struct store_columns *c); // rule, policy, user, program, path
bool filter_marks_match(const struct filter *f, const struct store_columns *c);
// All but host, stream and text.
bool filter_columns_match(const struct filter *f, const struct store_columns *c);
bool filter_outcome_matches(const struct filter *f, unsigned outcome);
bool filter_class_matches(const struct filter *f, uint32_t class_uid);
// Nothing is asked but what roll-up tables may know: no text is excluded, no class, and neither words nor marks are asked for.
bool filter_is_plain(const struct filter *f);

// What has to be read from the record itself: its words, and its marks where columns do not have them.
static inline bool filter_asks_line(const struct filter *f, bool columns_marked)
{
    return f->query.n || f->cmd_query.n || (f->marked && !columns_marked);
}
// Whether the record has all words and marks. x is reset, and used.
bool filter_line_matches(const struct filter *f, struct extract *x, const char *line, size_t len);
bool filter_host_matches(const struct filter *f, const char *host);
struct store_str filter_text_of(const struct store_columns *c, enum filter_text which);
