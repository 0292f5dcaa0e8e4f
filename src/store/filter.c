// SPDX-License-Identifier: Apache-2.0
#include "store/filter.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "store/cols.h"

#define VALUE_MAX 4096 // bytes of a text of a filter

static const char *const text_names[FILTER_TEXTS] = {"rule", "policy", "user", "program", "path"};

static const char *text_in(const struct store_filter *f, enum filter_text which)
{
    switch (which) {
    case FILTER_RULE: return f->rule;
    case FILTER_POLICY: return f->policy;
    case FILTER_USER: return f->user;
    case FILTER_PROGRAM: return f->program;
    case FILTER_PATH: return f->path;
    case FILTER_TEXTS:
    default: return NULL;
    }
}

static const char *const *not_texts_in(const struct store_filter *f, enum filter_text which)
{
    switch (which) {
    case FILTER_RULE: return f->not_rules;
    case FILTER_POLICY: return f->not_policies;
    case FILTER_USER: return f->not_users;
    case FILTER_PROGRAM: return f->not_programs;
    case FILTER_PATH: return f->not_paths;
    case FILTER_TEXTS:
    default: return NULL;
    }
}

struct store_str filter_text_of(const struct store_columns *c, enum filter_text which)
{
    switch (which) {
    case FILTER_RULE: return c->rule;
    case FILTER_POLICY: return c->policy;
    case FILTER_USER: return c->user;
    case FILTER_PROGRAM: return c->program;
    case FILTER_PATH: return c->path;
    case FILTER_TEXTS:
    default: return (struct store_str){};
    }
}

static int check_bounds(const struct store_filter *f, struct error *err)
{
    if (f->to_ms && f->to_ms <= f->from_ms)
        return error_set(err, -EINVAL, "the end of the time is not after its beginning");
    if (f->n_hosts > STORE_HOSTS_MAX)
        return error_set(err, -EINVAL, "more than %d hosts", STORE_HOSTS_MAX);
    for (size_t i = 0; f->not_hosts && f->not_hosts[i]; i++)
        if (i == STORE_NOT_MAX)
            return error_set(err, -EINVAL, "more than %d hosts", STORE_NOT_MAX);
    if (f->n_classes > STORE_CLASSES_MAX || f->n_not_classes > STORE_CLASSES_MAX)
        return error_set(err, -EINVAL, "more than %d classes", STORE_CLASSES_MAX);
    if ((f->outcomes | f->not_outcomes) >= 1u << STORE_OUTCOMES ||
        f->streams >= 1u << STREAM_CLASSES)
        return error_set(err, -EINVAL, "there is no such outcome or stream");
    if (f->cmd_line && strlen(f->cmd_line) > STORE_TEXT_MAX)
        return error_set(err, -EINVAL, "command line: more than %d bytes", STORE_TEXT_MAX);
    if (f->text && strlen(f->text) > STORE_TEXT_MAX)
        return error_set(err, -EINVAL, "text: more than %d bytes", STORE_TEXT_MAX);
    return 0;
}

static int prepare_pattern(const char *s, enum filter_text which, struct filter_pattern *ret,
                           struct error *err)
{
    size_t len = strlen(s);

    if (len > VALUE_MAX)
        return error_set(err, -EINVAL, "%s: more than %d bytes", text_names[which], VALUE_MAX);
    ret->s = s;
    ret->prefix = len > 0 && s[len - 1] == '*';
    ret->len = len - ret->prefix;
    return 0;
}

static int prepare_texts(struct filter *f, enum filter_text which, struct error *err)
{
    const char *const *not = not_texts_in(&f->f, which);
    struct filter_pattern *pattern = &f->texts[which];
    const char *s = text_in(&f->f, which);
    int r = s ? prepare_pattern(s, which, pattern, err) : 0;

    if (pattern->prefix && pattern->len == 0)
        pattern->s = NULL; // "*" is everything
    for (size_t i = 0; r == 0 && not &&not [i]; i++) {
        if (i == STORE_NOT_MAX)
            return error_set(err, -EINVAL, "%s: more than %d values that are not wanted",
                             text_names[which], STORE_NOT_MAX);
        r = prepare_pattern(not [i], which, &f -> not_texts[which][i], err);
        f->n_not_texts[which] = i + 1;
    }
    return r;
}

static int prepare_marks(struct filter *f, struct error *err)
{
    static const char *const names[STORE_MARKS] = {
#define STORE_MARK(id, letter, name) name,
#include "store/marks.def"
    };

    for (unsigned m = 0; m < STORE_MARKS; m++) {
        const char *const *values = f->f.marks[m];
        struct filter_mark *mark = &f->marks[m];

        for (; values && values[mark->n]; mark->n++) {
            size_t len = strlen(values[mark->n]);

            if (mark->n == STORE_MARK_MAX)
                return error_set(err, -EINVAL, "%s: more than %d values", names[m], STORE_MARK_MAX);
            if (len > VALUE_MAX)
                return error_set(err, -EINVAL, "%s: more than %d bytes", names[m], VALUE_MAX);
            mark->hashes[mark->n] = cols_mark_hash((enum store_mark)m, values[mark->n], len);
        }
        f->marked = f->marked || mark->n > 0;
    }
    return 0;
}

int filter_prepare(const struct store_filter *filter, struct filter *ret_filter, struct error *err)
{
    int r;

    *ret_filter = (struct filter){.f = *filter};
    r = check_bounds(filter, err);
    if (r < 0)
        return r;
    // Class 0 is one, too, and stands for none in class_uid.
    if (filter->n_classes == 1 && filter->classes[0] && !filter->class_uid) {
        ret_filter->f.class_uid = filter->classes[0];
        ret_filter->f.n_classes = 0;
    }
    for (unsigned i = 0; i < FILTER_TEXTS && r == 0; i++)
        r = prepare_texts(ret_filter, (enum filter_text)i, err);
    if (r == 0)
        r = prepare_marks(ret_filter, err);
    if (r == 0)
        r = text_query_parse(filter->text, &ret_filter->query, err);
    return r < 0 ? r : text_query_parse(filter->cmd_line, &ret_filter->cmd_query, err);
}

void filter_done(struct filter *f)
{
    text_query_done(&f->query);
    text_query_done(&f->cmd_query);
}

bool filter_pattern_matches(const struct filter_pattern *pattern, const char *s, size_t len)
{
    if (!pattern->s)
        return true;
    if (pattern->prefix ? len < pattern->len : len != pattern->len)
        return false;
    return pattern->len == 0 || memcmp(s, pattern->s, pattern->len) == 0;
}

bool filter_text_excluded(const struct filter *f, enum filter_text which, const char *s, size_t len)
{
    for (size_t i = 0; i < f->n_not_texts[which]; i++)
        if (filter_pattern_matches(&f->not_texts[which][i], s, len))
            return true;
    return false;
}

bool filter_texts_match(const struct filter *f, const struct store_columns *c)
{
    for (unsigned i = 0; i < FILTER_TEXTS; i++) {
        struct store_str text = filter_text_of(c, (enum filter_text)i);

        if (!filter_pattern_matches(&f->texts[i], text.s, text.len) ||
            filter_text_excluded(f, (enum filter_text)i, text.s, text.len))
            return false;
    }
    return true;
}

static bool has_mark(const struct store_columns *c, enum store_mark mark, const char *value)
{
    for (unsigned slot = 0; slot < STORE_MARK_SLOTS; slot++)
        if (store_mark_of((enum store_mark_slot)slot) == mark && c->marks[slot].len > 0 &&
            strlen(value) == c->marks[slot].len &&
            memcmp(value, c->marks[slot].s, c->marks[slot].len) == 0)
            return true;
    return false;
}

bool filter_marks_match(const struct filter *f, const struct store_columns *c)
{
    for (unsigned m = 0; m < STORE_MARKS; m++) {
        bool found = f->marks[m].n == 0;

        for (size_t i = 0; i < f->marks[m].n && !found; i++)
            found = has_mark(c, (enum store_mark)m, f->f.marks[m][i]);
        if (!found)
            return false;
    }
    return true;
}

struct look {
    const struct text_query *query;
    uint32_t found;
};

static void look(void *ctx, const char *s, size_t len)
{
    struct look *l = ctx;

    text_query_look(l->query, s, len, &l->found);
}

bool filter_line_matches(const struct filter *f, struct extract *x, const char *line, size_t len)
{
    struct look l = {.query = &f->query};
    struct store_columns c;
    uint32_t found = 0;

    extract_reset(x);
    extract_line(x, line, len, 0, f->query.n ? look : NULL, &l, &c);
    if (!text_query_all(&f->query, l.found) || !filter_marks_match(f, &c))
        return false;
    if (f->cmd_query.n && c.cmd_line.s)
        text_query_look(&f->cmd_query, c.cmd_line.s, c.cmd_line.len, &found);
    if (f->cmd_query.n && c.path.s)
        text_query_look(&f->cmd_query, c.path.s, c.path.len, &found);
    return text_query_all(&f->cmd_query, found);
}

bool filter_columns_match(const struct filter *f, const struct store_columns *c)
{
    const struct store_filter *w = &f->f;

    if (c->time_ms < w->from_ms || (w->to_ms && c->time_ms >= w->to_ms))
        return false;
    if (!filter_class_matches(f, c->class_uid) || (w->activity && c->activity != w->activity) ||
        c->severity < w->severity_min || !filter_outcome_matches(f, c->outcome))
        return false;
    return filter_texts_match(f, c) && filter_marks_match(f, c);
}

bool filter_class_matches(const struct filter *f, uint32_t class_uid)
{
    if (f->f.class_uid && class_uid != f->f.class_uid)
        return false;
    for (size_t i = 0; i < f->f.n_not_classes; i++)
        if (f->f.not_classes[i] == class_uid)
            return false;
    for (size_t i = 0; i < f->f.n_classes; i++)
        if (f->f.classes[i] == class_uid)
            return true;
    return f->f.n_classes == 0;
}

bool filter_outcome_matches(const struct filter *f, unsigned outcome)
{
    unsigned bit = 1u << outcome % 32;

    return (!f->f.outcomes || f->f.outcomes & bit) && !(f->f.not_outcomes & bit);
}

bool filter_is_plain(const struct filter *f)
{
    if (f->marked || f->query.n || f->cmd_query.n)
        return false;
    for (unsigned i = 0; i < FILTER_TEXTS; i++)
        if (f->n_not_texts[i])
            return false;
    return f->f.n_not_classes == 0;
}

bool filter_host_matches(const struct filter *f, const char *host)
{
    for (size_t i = 0; f->f.not_hosts && f->f.not_hosts[i]; i++)
        if (streq(f->f.not_hosts[i], host))
            return false;
    for (size_t i = 0; i < f->f.n_hosts; i++)
        if (streq(f->f.hosts[i], host))
            return true;
    return f->f.n_hosts == 0;
}

// ---- for live views

struct store_matcher {
    struct filter f;
    struct extract *x;
};

int store_matcher_new(const struct store_filter *filter, struct store_matcher **ret_m,
                      struct error *err)
{
    struct store_matcher *m = new0(struct store_matcher, 1);
    int r;

    if (!m || extract_new(&m->x) < 0) {
        free(m);
        return error_set(err, -ENOMEM, "no memory for a filter");
    }
    r = filter_prepare(filter, &m->f, err);
    if (r < 0) {
        store_matcher_free(m);
        return r;
    }
    *ret_m = m;
    return 0;
}

struct store_matcher *store_matcher_free(struct store_matcher *m)
{
    if (m) {
        filter_done(&m->f);
        extract_free(m->x);
    }
    free(m);
    return NULL;
}

bool store_matcher_matches(struct store_matcher *m, const struct store_row *row)
{
    if ((m->f.f.streams && !(m->f.f.streams & 1u << row->class)) ||
        !filter_host_matches(&m->f, row->host) || !filter_columns_match(&m->f, &row->columns))
        return false;
    return !filter_asks_line(&m->f, true) || filter_line_matches(&m->f, m->x, row->line, row->len);
}

int store_filter_check(const struct store_filter *filter, struct error *err)
{
    struct filter f;
    int r = filter_prepare(filter, &f, err);

    filter_done(&f);
    return r;
}
