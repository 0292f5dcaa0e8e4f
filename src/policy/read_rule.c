// SPDX-License-Identifier: Apache-2.0
//
// Rules: what those of all sections have in common.
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "model/names.h"
#include "policy/loader.h"

static void rule_draft_done(struct rule_draft *d)
{
    free(d->by);
    free(d->syscalls);
    pattern_list_done(&d->paths);
}

static int add_by(struct rule_draft *d, uint32_t index)
{
    if (!GREEDY(d->by, d->cap_by, d->n_by + 1))
        return -ENOMEM;
    d->by[d->n_by++] = index;
    return 0;
}

static int by_name(struct loader *ld, const struct yaml_node *node, struct rule_draft *d)
{
    void *known = map_get_mem(ld->names, node->text, node->len);
    const char *words[64];
    struct map_iter it = {};
    const char *near;
    size_t n = 0;
    struct policy_diag *diag;

    if (known && (uintptr_t)known != UINT32_MAX) {
        ld->used[(uintptr_t)known - 1] = true;
        return add_by(d, (uint32_t)((uintptr_t)known - 1));
    }
    ld->bad = true;
    if (known)
        return 0; // its mistakes were reported
    while (n < ARRAY_SIZE(words) && map_next(ld->names, &it))
        words[n++] = it.key_str;
    near = nearest_word(node->text, words, n);
    diag = near ? read_error(ld, node, "there is no subject '%s' in this file; did you mean '%s'?",
                             node->text, near)
                : read_error(ld, node, "there is no subject '%s' in this file", node->text);
    policy_diag_cure(ld->diags, diag,
                     "name it under `subjects` in this file: subjects of other files are not seen");
    return 0;
}

static int by_one(struct loader *ld, const struct yaml_node *node, struct rule_draft *d)
{
    uint32_t index;
    int r;

    if (node->kind == YAML_SCALAR)
        return read_is_word(ld, node, "the name of a subject") ? by_name(ld, node, d) : 0;
    if (node->kind == YAML_LIST) {
        policy_diag_expected(ld->diags, read_error(ld, node, "this is a list in a list"),
                             "the name of a subject, or a subject in {...}");
        return 0;
    }
    r = read_subject(ld, node, NULL, &index);
    if (r < 0)
        return r;
    if (index == UINT32_MAX)
        return 0;
    ld->used[index] = true;
    return add_by(d, index);
}

// The subjects of a list, or of one that stands by itself, in `d->by`. `empty`: the cure of a list without any.
static int each_by(struct loader *ld, const struct yaml_node *value, struct rule_draft *d,
                   int (*one)(struct loader *, const struct yaml_node *, struct rule_draft *),
                   const char *empty, uint32_t **ret_copy)
{
    int r = 0;

    d->n_by = 0;
    if (value->kind == YAML_LIST) {
        if (value->n == 0)
            policy_diag_cure(ld->diags, read_error(ld, value, "the list is empty"), "%s", empty);
        for (const struct yaml_node *e = value->first; r == 0 && e; e = e->next)
            r = one(ld, e, d);
    } else {
        r = one(ld, value, d);
    }
    if (r < 0)
        return r;
    *ret_copy = arena_dup(ld->arena, d->by, d->n_by, sizeof(*d->by));
    return *ret_copy ? 0 : -ENOMEM;
}

static int read_by(struct loader *ld, const struct yaml_node *key, const struct yaml_node *value,
                   void *ctx)
{
    struct rule_draft *d = ctx;
    bool not_by = streq(key->text, "not_by");
    uint32_t *copy;
    int r;

    r = each_by(ld, value, d, by_one,
                not_by ? "leave `not_by` out" : "leave `by` out: then it is everybody", &copy);
    if (r < 0)
        return r;
    if (not_by) {
        d->r.not_by = copy;
        d->r.n_not_by = (uint32_t)d->n_by;
    } else {
        d->r.by_given = true;
        d->r.by = copy;
        d->r.n_by = (uint32_t)d->n_by;
    }
    return 0;
}

#define OTHER_USER "other_user"

static int to_one(struct loader *ld, const struct yaml_node *node, struct rule_draft *d)
{
    size_t before = d->n_by;
    int r;

    if (node->kind == YAML_SCALAR && streq(node->text, OTHER_USER)) {
        if (map_get_mem(ld->names, node->text, node->len))
            policy_diag_cure(ld->diags,
                             read_error(ld, node,
                                        "`to` has a word " OTHER_USER
                                        ", and this file a subject of that name"),
                             "give the subject another name");
        d->r.to_other_user = true;
        return 0;
    }
    r = by_one(ld, node, d);
    // The kernel side reads an environment when its own process asks for something, and of nobody else.
    if (r == 0 && d->n_by > before && ld->subjects[d->by[before]].keys & POLICY_KEY_ENV)
        policy_diag_cure(ld->diags,
                         read_error(ld, node, "the environment of another process is not known"),
                         "name its program, user or cgroup, without `env`");
    return r;
}

int read_to(struct loader *ld, const struct yaml_node *key, const struct yaml_node *value,
            void *ctx)
{
    struct rule_draft *d = ctx;
    uint32_t *copy;
    int r;

    d->to = key;
    r = each_by(ld, value, d, to_one, "leave `to` out: then it is every process", &copy);
    if (r < 0)
        return r;
    d->r.to = copy;
    d->r.n_to = (uint32_t)d->n_by;
    return 0;
}

// Verbs that policies know and this version does not.
static const struct {
    const char *verb, *why;
} refused_verbs[] = {
    {"redirect", "`redirect` is not there yet: this version does not lead accesses elsewhere"},
    {"drop", "`drop` is a verb of packets"},
    {"rewrite", "`rewrite` is a verb of packets"},
    {"route", "`route` is a verb of packets"},
};

static bool refuse_verb(struct loader *ld, const struct yaml_node *node)
{
    for (size_t i = 0; i < ARRAY_SIZE(refused_verbs); i++)
        if (streq(node->text, refused_verbs[i].verb)) {
            policy_diag_cure(ld->diags, read_error(ld, node, "%s", refused_verbs[i].why),
                             "use allow, audit, deny, kill or stop");
            return true;
        }
    return false;
}

// `do: {errno: EACCES}`: a denial with another error than EPERM.
static void read_errno(struct loader *ld, const struct yaml_node *node, struct rule_draft *d)
{
    int error;

    if (!read_is_word(ld, node, "an error such as EACCES"))
        return;
    error = errno_from_name(node->text);
    if (error <= 0 || error > SG_ERRNO_MAX) {
        policy_diag_expected(
            ld->diags,
            read_error(ld, node, "'%s' is not an error that can be returned", node->text),
            "a name of errno(3) such as EPERM, EACCES, ENOENT, ENOSYS or EOPNOTSUPP");
        return;
    }
    d->r.verdict = SG_DENY;
    d->r.error = error == EPERM ? 0 : (uint8_t)error;
}

static int read_do(struct loader *ld, const struct yaml_node *key _unused_,
                   const struct yaml_node *value, void *ctx)
{
    const char *words[SG_VERDICT_COUNT];
    struct rule_draft *d = ctx;

    d->verdict = true;
    if (value->kind == YAML_MAP && value->n == 1 && value->first->kind == YAML_SCALAR) {
        if (streq(value->first->text, "errno")) {
            read_errno(ld, value->first->next, d);
            return 0;
        }
        if (refuse_verb(ld, value->first))
            return 0;
    }
    if (!read_is_word(ld, value, "one of allow, audit, deny, kill, stop, or {errno: EACCES}") ||
        refuse_verb(ld, value))
        return 0;
    for (unsigned v = 0; v < SG_VERDICT_COUNT; v++) {
        words[v] = event_verdict_name((enum sg_verdict)v);
        if (streq(value->text, words[v])) {
            d->r.verdict = (uint8_t)v;
            return 0;
        }
    }
    read_unknown_word(ld, value, "something to do", words, ARRAY_SIZE(words));
    return 0;
}

static int read_rule_mode(struct loader *ld, const struct yaml_node *key _unused_,
                          const struct yaml_node *value, void *ctx)
{
    read_mode_word(ld, value, &((struct rule_draft *)ctx)->r.monitor);
    return 0;
}

static const struct key_row rule_keys[] = {
    {.name = "by",
     .read = read_by,
     .help =
         "Who: the name of a subject, a subject in braces, or a list of either. Without it: everybody."},
    {.name = "not_by",
     .read = read_by,
     .help = "Who not, in the same way. Whoever is one of these is not meant by the rule."},
    {.name = "do", .read = read_do, .help = "What is done: a word of VERBS. Required."},
    {.name = "mode",
     .read = read_rule_mode,
     .help = "enforce or monitor, for this rule; else that of the file."},
};

#define KEYS_MAX 64

static size_t all_keys(const struct section *section, struct key_row ret[KEYS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < section->n_keys && n < KEYS_MAX; i++)
        ret[n++] = section->keys[i];
    for (size_t i = 0; i < ARRAY_SIZE(rule_keys) && n < KEYS_MAX; i++)
        ret[n++] = rule_keys[i];
    return n;
}

static void check_rule(struct loader *ld, const struct section *section,
                       const struct yaml_node *node, struct rule_draft *d)
{
    if (section->check)
        section->check(ld, node, d);
    if (!d->verdict)
        policy_diag_expected(ld->diags, read_error(ld, node, "the rule has no `do`"),
                             "do: allow, audit, deny, kill or stop");
}

static int keep_rule(struct loader *ld, const struct yaml_node *node, const struct rule_draft *d)
{
    bool many_rules = ld->n_rules >= POLICY_RULES_MAX;

    if (many_rules || ld->n_patterns > POLICY_PATTERNS_MAX) {
        if (ld->n_rules == POLICY_RULES_MAX || ld->n_patterns - d->r.paths.n <= POLICY_PATTERNS_MAX)
            policy_diag_cure(ld->diags,
                             read_error(ld, node, "the policy has more than %u %s",
                                        many_rules ? POLICY_RULES_MAX : POLICY_PATTERNS_MAX,
                                        many_rules ? "rules" : "paths"),
                             "join rules with lists of paths, or use patterns");
        ld->bad = true;
        return 0;
    }
    if (!GREEDY(ld->rules, ld->cap_rules, ld->n_rules + 1))
        return -ENOMEM;
    ld->rules[ld->n_rules++] = d->r;
    return 0;
}

static int read_rule(struct loader *ld, const struct section *section, const struct key_row *keys,
                     size_t n_keys, const struct yaml_node *node)
{
    _cleanup_(rule_draft_done) struct rule_draft d = {
        .r = {.pos = read_pos(ld, node),
              .section = section->id,
              .monitor = ld->files[ld->n_files - 1].monitor}};
    bool bad_before = ld->bad, bad;
    int r;

    ld->bad = false;
    r = read_map(ld, node, keys, n_keys, "a rule", &d);
    if (r == 0 && section->finish && node->kind == YAML_MAP && !ld->bad)
        r = section->finish(ld, node, &d);
    if (r == 0 && d.paths.n > 0)
        r = pattern_list_keep(ld, &d.paths, &d.r.paths);
    if (r < 0)
        return r;
    if (node->kind == YAML_MAP && !ld->bad)
        check_rule(ld, section, node, &d);
    bad = ld->bad;
    ld->bad |= bad_before;
    ld->n_patterns += d.r.paths.n;
    return bad ? 0 : keep_rule(ld, node, &d);
}

int read_rules(struct loader *ld, const struct section *section, const struct yaml_node *node)
{
    struct key_row keys[KEYS_MAX];
    size_t n_keys = all_keys(section, keys);
    int r = 0;

    if (node->kind != YAML_LIST) {
        policy_diag_expected(ld->diags,
                             read_error(ld, node, "`%s` has to be a list of rules, this is %s",
                                        policy_section_name(section->id), yaml_kind_name(node)),
                             "rules such as - %s", section->example);
        return 0;
    }
    for (const struct yaml_node *e = node->first; r == 0 && e; e = e->next)
        r = read_rule(ld, section, keys, n_keys, e);
    return r;
}

const struct key_row *read_rule_keys(size_t *ret_n)
{
    *ret_n = ARRAY_SIZE(rule_keys);
    return rule_keys;
}
