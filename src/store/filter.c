// SPDX-License-Identifier: Apache-2.0
#include "store/filter.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"

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
    if (f->n_classes > STORE_CLASSES_MAX)
        return error_set(err, -EINVAL, "more than %d classes", STORE_CLASSES_MAX);
    if (f->outcomes >= 1u << STORE_OUTCOMES || f->streams >= 1u << STREAM_CLASSES)
        return error_set(err, -EINVAL, "there is no such outcome or stream");
    if (f->text && strlen(f->text) > STORE_TEXT_MAX)
        return error_set(err, -EINVAL, "text: more than %d bytes", STORE_TEXT_MAX);
    return 0;
}

int filter_prepare(const struct store_filter *filter, struct filter *ret_filter, struct error *err)
{
    int r;

    *ret_filter = (struct filter){.f = *filter};
    r = check_bounds(filter, err);
    if (r < 0)
        return r;
    if (filter->n_classes == 1 && !filter->class_uid) {
        ret_filter->f.class_uid = filter->classes[0];
        ret_filter->f.n_classes = 0;
    }
    for (unsigned i = 0; i < FILTER_TEXTS; i++) {
        struct filter_pattern *pattern = &ret_filter->texts[i];

        pattern->s = text_in(filter, (enum filter_text)i);
        if (!pattern->s)
            continue;
        pattern->len = strlen(pattern->s);
        if (pattern->len > VALUE_MAX)
            return error_set(err, -EINVAL, "%s: more than %d bytes", text_names[i], VALUE_MAX);
        pattern->prefix = pattern->len > 0 && pattern->s[pattern->len - 1] == '*';
        pattern->len -= pattern->prefix;
        if (pattern->prefix && pattern->len == 0)
            pattern->s = NULL; // "*" is everything
    }
    return text_query_parse(filter->text, &ret_filter->query, err);
}

void filter_done(struct filter *f)
{
    text_query_done(&f->query);
}

bool filter_pattern_matches(const struct filter_pattern *pattern, const char *s, size_t len)
{
    if (!pattern->s)
        return true;
    if (pattern->prefix ? len < pattern->len : len != pattern->len)
        return false;
    return pattern->len == 0 || memcmp(s, pattern->s, pattern->len) == 0;
}

bool filter_texts_match(const struct filter *f, const struct store_columns *c)
{
    for (unsigned i = 0; i < FILTER_TEXTS; i++) {
        struct store_str text = filter_text_of(c, (enum filter_text)i);

        if (!filter_pattern_matches(&f->texts[i], text.s, text.len))
            return false;
    }
    return true;
}

bool filter_columns_match(const struct filter *f, const struct store_columns *c)
{
    const struct store_filter *w = &f->f;

    if (c->time_ms < w->from_ms || (w->to_ms && c->time_ms >= w->to_ms))
        return false;
    if (!filter_class_matches(f, c->class_uid) || (w->activity && c->activity != w->activity) ||
        c->severity < w->severity_min || (w->outcomes && !(w->outcomes & 1u << c->outcome)))
        return false;
    return filter_texts_match(f, c);
}

bool filter_class_matches(const struct filter *f, uint32_t class_uid)
{
    if (f->f.class_uid && class_uid != f->f.class_uid)
        return false;
    for (size_t i = 0; i < f->f.n_classes; i++)
        if (f->f.classes[i] == class_uid)
            return true;
    return f->f.n_classes == 0;
}

bool filter_host_matches(const struct filter *f, const char *host)
{
    for (size_t i = 0; i < f->f.n_hosts; i++)
        if (streq(f->f.hosts[i], host))
            return true;
    return f->f.n_hosts == 0;
}

// ---- for live views

struct store_matcher {
    struct filter f;
    struct extract *x;
    uint32_t found; // phrases, in the record that is looked at
};

static void look(void *ctx, const char *s, size_t len)
{
    struct store_matcher *m = ctx;

    text_query_look(&m->f.query, s, len, &m->found);
}

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
    struct store_columns ignored;

    if ((m->f.f.streams && !(m->f.f.streams & 1u << row->class)) ||
        !filter_host_matches(&m->f, row->host) || !filter_columns_match(&m->f, &row->columns))
        return false;
    if (m->f.query.n == 0)
        return true;
    m->found = 0;
    extract_reset(m->x);
    extract_line(m->x, row->line, row->len, row->received_ms, look, m, &ignored);
    return text_query_all(&m->f.query, m->found);
}

int store_filter_check(const struct store_filter *filter, struct error *err)
{
    struct filter f;
    int r = filter_prepare(filter, &f, err);

    filter_done(&f);
    return r;
}
