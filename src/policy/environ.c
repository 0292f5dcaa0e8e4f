// SPDX-License-Identifier: Apache-2.0
#include "policy/environ.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"

#define NAME_MAX_BYTES 128

struct environ_draft {
    const char *name;
    struct policy_pattern *items;
    size_t n, cap;
};

// POSIX: letters, digits and underscores, no digit in front.
static bool good_name(const struct yaml_node *key)
{
    if (key->len == 0 || key->len > NAME_MAX_BYTES || isdigit((unsigned char)key->text[0]))
        return false;
    for (uint32_t i = 0; i < key->len; i++)
        if (!isalnum((unsigned char)key->text[i]) && key->text[i] != '_')
            return false;
    return true;
}

static int read_value(struct loader *ld, const struct yaml_node *node, void *ctx)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct environ_draft *d = ctx;
    char *text;

    if (node->len > 0 && strchr(node->text, '[') && !strstr(node->text, "\\[")) {
        policy_diag_cure(ld->diags,
                         read_error(ld, node, "sets are not there in values of variables"),
                         "use * or ?, or \\[ for the bracket itself");
        return 0;
    }
    if (node->text[node->len - 1] == '\\' && (node->len < 2 || node->text[node->len - 2] != '\\')) {
        policy_diag_expected(ld->diags, read_error(ld, node, "nothing follows the backslash"),
                             "\\\\ for a backslash");
        return 0;
    }
    if (d->n >= POLICY_LIST_MAX) {
        read_error(ld, node, "the list has more than %d entries", POLICY_LIST_MAX);
        return 0;
    }
    sb_printf(&sb, "%s=%s", d->name, node->text);
    text = sb.failed ? NULL : arena_strn(ld->arena, sb_str(&sb), sb.len);
    if (!text || !GREEDY(d->items, d->cap, d->n + 1))
        return -ENOMEM;
    d->items[d->n++] = (struct policy_pattern){.text = text,
                                               .len = (uint32_t)sb.len,
                                               .env = true,
                                               .pos = read_pos(ld, node)};
    return 0;
}

static int read_variable(struct loader *ld, const struct yaml_node *key, struct policy_env *ret)
{
    struct environ_draft d = {};
    int r;

    if (!good_name(key)) {
        policy_diag_expected(ld->diags,
                             read_error(ld, key, "'%s' is not the name of a variable", key->text),
                             "letters, digits and _, at most %d", NAME_MAX_BYTES);
        return 0;
    }
    d.name = ret->name = arena_strn(ld->arena, key->text, key->len);
    if (!d.name)
        return -ENOMEM;
    r = read_each(ld, key->next, "a value, or \"*\" for any", read_value, &d);
    ret->values.items = arena_dup(ld->arena, d.items, d.n, sizeof(*d.items));
    ret->values.n = (uint32_t)d.n;
    free(d.items);
    return r < 0 ? r : ret->values.items ? 0 : -ENOMEM;
}

int read_environ(struct loader *ld, const struct yaml_node *map, struct policy_env **ret_envs,
                 uint32_t *ret_n)
{
    struct policy_env *envs;
    uint32_t n = 0;
    int r = 0;

    *ret_n = 0;
    if (map->reported)
        return 0;
    if (map->kind != YAML_MAP || map->n == 0 || map->n > SG_ENVS_MAX) {
        policy_diag_expected(ld->diags,
                             read_error(ld, map, "`env` has to be a map of 1 to %u variables",
                                        SG_ENVS_MAX),
                             "env: {LD_PRELOAD: \"*\"}");
        return 0;
    }
    envs = arena_new0(ld->arena, struct policy_env, map->n);
    if (!envs)
        return -ENOMEM;
    for (const struct yaml_node *key = map->first; r == 0 && key; key = key->next->next)
        if (key->kind == YAML_SCALAR)
            r = read_variable(ld, key, &envs[n++]);
    *ret_envs = envs;
    *ret_n = n;
    return r;
}

static int add(struct glob *g, struct glob_item item)
{
    if (!GREEDY(g->items, g->cap, g->n + 1))
        return -ENOMEM;
    g->items[g->n++] = item;
    return 0;
}

int environ_glob(const char *text, size_t len, struct glob *ret_glob)
{
    const char *equals = memchr(text, '=', len);

    return value_glob(text, len, equals ? (size_t)(equals - text) + 1 : len, ret_glob);
}

int value_glob(const char *text, size_t len, size_t value, struct glob *ret_glob)
{
    int r = 0;

    // Set 0: any byte, also a slash.
    if (!GREEDY(ret_glob->sets, ret_glob->cap_sets, 1))
        return -ENOMEM;
    memset(&ret_glob->sets[0], 0xff, sizeof(ret_glob->sets[0]));
    ret_glob->sets[0].bits[0] &= ~UINT64_C(1);
    ret_glob->n_sets = 1;
    for (size_t i = 0; r == 0 && i < len; i++) {
        struct glob_item item = {.kind = GLOB_BYTE, .byte = (uint8_t)text[i]};

        if (i >= value && text[i] == '*')
            item = (struct glob_item){.kind = GLOB_ANY};
        else if (i >= value && text[i] == '?')
            item = (struct glob_item){.kind = GLOB_SET, .set = 0};
        else if (i >= value && text[i] == '\\' && i + 1 < len)
            item.byte = (uint8_t)text[++i];
        // Two stars say no more than one.
        if (item.kind == GLOB_ANY && ret_glob->n > 0 &&
            ret_glob->items[ret_glob->n - 1].kind == GLOB_ANY)
            continue;
        r = add(ret_glob, item);
    }
    return r;
}
