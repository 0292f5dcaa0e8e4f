// SPDX-License-Identifier: Apache-2.0
//
// What every reader of the YAML tree needs: maps by tables of keys, lists, words, path patterns.
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "base/utf8.h"
#include "policy/glob.h"
#include "policy/loader.h"

#define WORDS_MAX 64

struct policy_pos read_pos(const struct loader *ld, const struct yaml_node *node)
{
    return (struct policy_pos){.file = (uint32_t)ld->n_files - 1,
                               .line = node->line,
                               .column = node->column,
                               .width = node->width};
}

static struct policy_diag *report(struct loader *ld, enum policy_severity severity,
                                  struct policy_pos pos, const char *fmt, va_list ap)
    _printf_(4, 0);

static struct policy_diag *report(struct loader *ld, enum policy_severity severity,
                                  struct policy_pos pos, const char *fmt, va_list ap)
{
    const struct policy_source *file = &ld->files[pos.file];
    _cleanup_(sb_done) struct strbuf sb = {};
    struct policy_diag *d;

    sb_vprintf(&sb, fmt, ap);
    if (severity == POLICY_ERROR)
        ld->bad = true;
    d = policy_diag_add(ld->diags, severity, file->path, pos.line, pos.column, "%s", sb_str(&sb));
    policy_diag_source(ld->diags, d, file->text, file->text_len, pos.width);
    return d;
}

struct policy_diag *read_error(struct loader *ld, const struct yaml_node *node, const char *fmt,
                               ...)
{
    struct policy_diag *d;
    va_list ap;

    va_start(ap, fmt);
    d = report(ld, POLICY_ERROR, read_pos(ld, node), fmt, ap);
    va_end(ap);
    return d;
}

struct policy_diag *read_warning(struct loader *ld, const struct yaml_node *node, const char *fmt,
                                 ...)
{
    struct policy_diag *d;
    va_list ap;

    va_start(ap, fmt);
    d = report(ld, POLICY_WARNING, read_pos(ld, node), fmt, ap);
    va_end(ap);
    return d;
}

struct policy_diag *read_warning_at(struct loader *ld, struct policy_pos pos, const char *fmt, ...)
{
    struct policy_diag *d;
    va_list ap;

    va_start(ap, fmt);
    d = report(ld, POLICY_WARNING, pos, fmt, ap);
    va_end(ap);
    return d;
}

static struct policy_diag *error_at_pos(struct loader *ld, struct policy_pos pos, const char *fmt,
                                        ...) _printf_(3, 4);

static struct policy_diag *error_at_pos(struct loader *ld, struct policy_pos pos, const char *fmt,
                                        ...)
{
    struct policy_diag *d;
    va_list ap;

    va_start(ap, fmt);
    d = report(ld, POLICY_ERROR, pos, fmt, ap);
    va_end(ap);
    return d;
}

static void expected_words(struct loader *ld, struct policy_diag *d, const char *const *words,
                           size_t n)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    for (size_t i = 0; i < n; i++)
        sb_printf(&sb, "%s%s", i > 0 ? ", " : "", words[i]);
    policy_diag_expected(ld->diags, d, "%s%s", n > 1 ? "one of " : "", sb_str(&sb));
}

void read_unknown_word(struct loader *ld, const struct yaml_node *node, const char *what,
                       const char *const *words, size_t n_words)
{
    const char *near = nearest_word(node->text, words, n_words);
    struct policy_diag *d;

    d = near ? read_error(ld, node, "'%s' is not %s; did you mean '%s'?", node->text, what, near)
             : read_error(ld, node, "'%s' is not %s", node->text, what);
    expected_words(ld, d, words, n_words);
}

static void unknown_key(struct loader *ld, const struct yaml_node *key, const struct key_row *rows,
                        size_t n_rows, const char *what)
{
    const char *words[WORDS_MAX], *near;
    struct policy_diag *d;
    size_t n = 0;

    for (size_t i = 0; i < n_rows && n < WORDS_MAX; i++)
        if (!rows[i].refuse)
            words[n++] = rows[i].name;
    near = nearest_word(key->text, words, n);
    d = near ? read_error(ld, key, "unknown key '%s' in %s; did you mean '%s'?", key->text, what,
                          near)
             : read_error(ld, key, "unknown key '%s' in %s", key->text, what);
    expected_words(ld, d, words, n);
}

static int read_key(struct loader *ld, const struct yaml_node *key, const struct yaml_node *value,
                    const struct key_row *rows, size_t n_rows, const char *what, void *ctx)
{
    for (size_t i = 0; i < n_rows; i++) {
        if (!streq(key->text, rows[i].name))
            continue;
        if (!rows[i].refuse)
            return rows[i].read(ld, key, value, ctx);
        policy_diag_cure(ld->diags, read_error(ld, key, "%s", rows[i].refuse), "%s", rows[i].cure);
        return 0;
    }
    unknown_key(ld, key, rows, n_rows, what);
    return 0;
}

int read_map(struct loader *ld, const struct yaml_node *map, const struct key_row *rows,
             size_t n_rows, const char *what, void *ctx)
{
    int r = 0;

    if (map->reported)
        return 0;
    if (map->kind != YAML_MAP) {
        policy_diag_expected(ld->diags,
                             read_error(ld, map, "%s has to be a map, this is %s", what,
                                        yaml_kind_name(map)),
                             "keys and values");
        return 0;
    }
    for (const struct yaml_node *key = map->first; r == 0 && key; key = key->next->next)
        if (key->kind == YAML_SCALAR) // others were reported when the tree was made
            r = read_key(ld, key, key->next, rows, n_rows, what, ctx);
    return r;
}

bool read_is_word(struct loader *ld, const struct yaml_node *node, const char *expected)
{
    if (node->kind == YAML_SCALAR && node->len > 0)
        return true;
    if (node->reported)
        return false;
    policy_diag_expected(ld->diags,
                         read_error(ld, node, "this is %s",
                                    node->kind == YAML_SCALAR ? "empty" : yaml_kind_name(node)),
                         "%s", expected);
    return false;
}

int read_each(struct loader *ld, const struct yaml_node *node, const char *expected, read_one_fn fn,
              void *ctx)
{
    int r = 0;

    if (node->kind != YAML_LIST)
        return read_is_word(ld, node, expected) ? fn(ld, node, ctx) : 0;
    if (node->n == 0)
        policy_diag_expected(ld->diags, read_error(ld, node, "the list is empty"), "%s", expected);
    for (const struct yaml_node *e = node->first; r == 0 && e; e = e->next)
        if (read_is_word(ld, e, expected))
            r = fn(ld, e, ctx);
    return r;
}

// Where a byte of a scalar stands. A scalar with escapes or line breaks is not in the file as it
// reads: then the whole scalar is meant.
static struct policy_pos pos_in_scalar(const struct loader *ld, const struct yaml_node *node,
                                       size_t offset, size_t width)
{
    const struct policy_source *file = &ld->files[ld->n_files - 1];
    struct policy_pos pos = read_pos(ld, node);
    const char *s = file->text, *end = file->text + file->text_len;
    uint32_t skip = node->column - 1;

    for (uint32_t line = 1; line < node->line && s; line++) {
        s = memchr(s, '\n', (size_t)(end - s));
        s = s ? s + 1 : NULL;
    }
    for (; s && s < end && skip > 0; skip--) {
        size_t n = utf8_decode(s, (size_t)(end - s), NULL);

        s += n > 0 ? n : 1;
    }
    if (!s || (size_t)(end - s) < node->len || memcmp(s, node->text, node->len) != 0)
        return pos;
    for (size_t at = 0; at < offset;) {
        size_t n = utf8_decode(node->text + at, node->len - at, NULL);

        at += n > 0 ? n : 1;
        pos.column++;
    }
    pos.width = width > 0 ? (uint32_t)width : 1;
    return pos;
}

void pattern_list_done(struct pattern_list *l)
{
    free(l->items);
    *l = (struct pattern_list){};
}

// Braces are letters here. Whoever writes {a,b} means something else.
static bool has_braces(const char *text)
{
    const char *open = strchr(text, '{'), *comma = open ? strchr(open, ',') : NULL;

    return comma && strchr(comma, '}') && (open == text || open[-1] != '\\');
}

int read_pattern(struct loader *ld, const struct yaml_node *node, void *ctx)
{
    _cleanup_(glob_done) struct glob g = {};
    struct pattern_list *list = ctx;
    struct glob_error err = {};
    uint32_t len = node->len;
    int r;

    // A slash after a backslash is not a trailing slash but a mistake that glob_parse() explains.
    if (len > 1 && node->text[len - 1] == '/' && node->text[len - 2] != '/' &&
        node->text[len - 2] != '\\') {
        len--;
        policy_diag_cure(ld->diags,
                         read_warning(ld, node, "the slash at the end of '%s' is dropped",
                                      node->text),
                         "write %.*s for the directory itself, %.*s/** for what is beneath it",
                         (int)len, node->text, (int)len, node->text);
    }
    r = glob_parse(node->text, len, &g, &err);
    if (r == -EINVAL) {
        struct policy_diag *d = error_at_pos(ld, pos_in_scalar(ld, node, err.offset, err.width),
                                             "%s", err.what);

        if (err.expected)
            policy_diag_expected(ld->diags, d, "%s", err.expected);
        if (err.cure)
            policy_diag_cure(ld->diags, d, "%s", err.cure);
        return 0;
    }
    if (r < 0)
        return r;
    if (has_braces(node->text))
        policy_diag_cure(ld->diags, read_warning(ld, node, "braces in a path stand for themselves"),
                         "write a list of paths, or \\{ to say that they are meant");
    if (!GREEDY(list->items, list->cap, list->n + 1))
        return -ENOMEM;
    list->items[list->n] =
        (struct policy_pattern){.len = len, .cgroup = list->cgroup, .pos = read_pos(ld, node)};
    list->items[list->n].text = arena_strn(ld->arena, node->text, len);
    return list->items[list->n++].text ? 0 : -ENOMEM;
}

int read_patterns(struct loader *ld, const struct yaml_node *node, bool cgroup,
                  struct policy_patterns *ret_patterns)
{
    _cleanup_(pattern_list_done) struct pattern_list list = {.cgroup = cgroup};
    int r;

    r = read_each(ld, node, cgroup ? "a path of a control group" : "an absolute path", read_pattern,
                  &list);
    if (r < 0)
        return r;
    return pattern_list_keep(ld, &list, ret_patterns);
}

int pattern_list_keep(struct loader *ld, const struct pattern_list *list,
                      struct policy_patterns *ret_patterns)
{
    ret_patterns->items = arena_dup(ld->arena, list->items, list->n, sizeof(*list->items));
    ret_patterns->n = (uint32_t)list->n;
    return ret_patterns->items ? 0 : -ENOMEM;
}
