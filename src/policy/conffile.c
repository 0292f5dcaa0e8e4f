// SPDX-License-Identifier: Apache-2.0
#include "policy/conffile.h"

#include <errno.h>

#include "base/macro.h"
#include "base/strutil.h"
#include "policy/arena.h"
#include "policy/yaml.h"

#define DEPTH_MAX 4
#define NODES_MAX 1000
#define NAMES_MAX 64

struct source {
    const struct conf *conf;
    const char *name, *text;
    size_t len;
    struct policy_diags *diags;
};

static struct policy_diag *complain(const struct source *s, const struct yaml_node *at,
                                    const char *what)
{
    struct policy_diag *d = policy_diag_add(s->diags, POLICY_ERROR, s->name, at->line, at->column,
                                            "%s", what);

    policy_diag_source(s->diags, d, s->text, s->len, at->width);
    return d;
}

static int unknown_key(const struct source *s, const struct yaml_node *key)
{
    size_t n = MIN(s->conf->n_rows, (size_t)NAMES_MAX);
    _cleanup_(sb_done) struct strbuf sb = {};
    const char *names[NAMES_MAX], *near;
    struct policy_diag *d;

    for (size_t i = 0; i < n; i++)
        names[i] = s->conf->rows[i].key;
    sb_puts(&sb, "unknown key '");
    utf8_escape(&sb, key->text, key->len);
    sb_puts(&sb, "'");
    d = complain(s, key, sb_str(&sb));
    near = nearest_word(key->text, names, n);
    if (near)
        policy_diag_cure(s->diags, d, "did you mean '%s'?", near);
    return -EINVAL;
}

static int read_pair(const struct source *s, void *values, const struct yaml_node *key,
                     const struct yaml_node *value)
{
    size_t row = conf_find(s->conf, key->text);
    struct error err = {};
    struct policy_diag *d;
    int r;

    if (row == s->conf->n_rows)
        return unknown_key(s, key);
    if (value->kind != YAML_SCALAR) {
        d = complain(s, value, "a single value is expected here");
        policy_diag_expected(s->diags, d, "%s: %s", key->text, s->conf->rows[row].dflt);
        return -EINVAL;
    }
    r = conf_set(s->conf, values, row, value->text, &err);
    if (r == -EINVAL) {
        d = complain(s, value, err.what);
        policy_diag_expected(s->diags, d, "%s", err.expected);
    }
    return r;
}

int conffile_read(const struct conf *c, void *values, const char *name, const char *text,
                  size_t len, struct policy_diags *diags)
{
    const struct yaml_source yaml = {name, text, len, DEPTH_MAX, NODES_MAX};
    const struct source source = {c, name, text, len, diags};
    _cleanup_(arena_freep) struct policy_arena *arena = NULL;
    struct yaml_node *root = NULL;
    int r, result;

    r = arena_new(&arena);
    if (r < 0)
        return r;
    result = yaml_read(&yaml, arena, diags, &root);
    if (root && root->kind != YAML_MAP) {
        (void)complain(&source, root, "a map of settings is expected");
        result = -EINVAL;
    }
    if (root && root->kind == YAML_MAP)
        for (const struct yaml_node *key = root->first; key && key->next; key = key->next->next) {
            r = read_pair(&source, values, key, key->next);
            if (r < 0 && result != -ENOMEM)
                result = r;
        }
    return result;
}
