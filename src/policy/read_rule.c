// SPDX-License-Identifier: Apache-2.0
//
// The section `files`: its rules.
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "model/names.h"
#include "policy/loader.h"

// A rule while it is read.
struct rule_draft {
    struct policy_rule r;
    uint32_t *by; // of the key at hand
    size_t n_by, cap_by;
    bool access, path, verdict, bad_by;
    const struct yaml_node *access_node;
};

static void rule_draft_done(struct rule_draft *d)
{
    free(d->by);
}

static int read_path(struct loader *ld, const struct yaml_node *key _unused_,
                     const struct yaml_node *value, void *ctx)
{
    struct rule_draft *d = ctx;

    d->path = true;
    return read_patterns(ld, value, false, &d->r.paths);
}

static int read_op(struct loader *ld, const struct yaml_node *node, void *ctx)
{
    const char *words[SG_OP_COUNT + 1];
    uint32_t ops = policy_ops_from_word(node->text);

    ((struct rule_draft *)ctx)->r.ops |= ops;
    if (ops != 0)
        return 0;
    for (unsigned i = 0; i < SG_OP_COUNT; i++)
        words[i] = policy_op_name(1u << i);
    words[SG_OP_COUNT] = "any";
    read_unknown_word(ld, node, "an access", words, ARRAY_SIZE(words));
    return 0;
}

static int read_access(struct loader *ld, const struct yaml_node *key _unused_,
                       const struct yaml_node *value, void *ctx)
{
    struct rule_draft *d = ctx;

    d->access = true;
    d->access_node = value;
    return read_each(ld, value, "a word such as read, write or any, or a list of them", read_op, d);
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
    d->bad_by = true;
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
    if (index == UINT32_MAX) {
        d->bad_by = true;
        return 0;
    }
    ld->used[index] = true;
    return add_by(d, index);
}

static int read_by(struct loader *ld, const struct yaml_node *key, const struct yaml_node *value,
                   void *ctx)
{
    struct rule_draft *d = ctx;
    bool not_by = streq(key->text, "not_by");
    uint32_t *copy;
    int r = 0;

    d->n_by = 0;
    if (value->kind == YAML_LIST) {
        if (value->n == 0)
            policy_diag_cure(ld->diags, read_error(ld, value, "the list is empty"),
                             not_by ? "leave `not_by` out"
                                    : "leave `by` out: then it is everybody");
        for (const struct yaml_node *e = value->first; r == 0 && e; e = e->next)
            r = by_one(ld, e, d);
    } else {
        r = by_one(ld, value, d);
    }
    if (r < 0)
        return r;
    copy = arena_dup(ld->arena, d->by, d->n_by, sizeof(*d->by));
    if (!copy)
        return -ENOMEM;
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

// Verbs that policies know and this section, or this version, does not.
static const struct {
    const char *verb, *why;
} refused_verbs[] = {
    {"redirect", "`redirect` is not there yet: this version does not lead accesses elsewhere"},
    {"errno", "`errno` is a verb of processes"},
    {"drop", "`drop` is a verb of packets"},
    {"rewrite", "`rewrite` is a verb of packets"},
    {"route", "`route` is a verb of packets"},
    {"schedule", "`schedule` is a verb of processes"},
};

static bool refuse_verb(struct loader *ld, const struct yaml_node *node)
{
    for (size_t i = 0; i < ARRAY_SIZE(refused_verbs); i++)
        if (streq(node->text, refused_verbs[i].verb)) {
            policy_diag_cure(ld->diags, read_error(ld, node, "%s", refused_verbs[i].why),
                             "use allow, audit, deny or kill");
            return true;
        }
    return false;
}

static int read_do(struct loader *ld, const struct yaml_node *key _unused_,
                   const struct yaml_node *value, void *ctx)
{
    const char *words[SG_KILL + 1];
    struct rule_draft *d = ctx;

    d->verdict = true;
    if (value->kind == YAML_MAP && value->n == 1 && value->first->kind == YAML_SCALAR &&
        refuse_verb(ld, value->first))
        return 0;
    if (!read_is_word(ld, value, "one of allow, audit, deny, kill") || refuse_verb(ld, value))
        return 0;
    for (unsigned v = SG_ALLOW; v <= SG_KILL; v++) {
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
    {.name = "path",
     .read = read_path,
     .help =
         "Which objects: a pattern, or a list of patterns, over canonical paths of the host. An object is what it is wherever it is reached from: through links, bind mounts, another root directory or a descriptor. Required."},
    {.name = "access",
     .read = read_access,
     .help = "Which operations: a word of ACCESS, or a list of words. Required."},
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
    {.name = "content",
     .refuse = "content audit is not there yet",
     .cure = "take `content` out; `do: audit` records the access itself"},
    {.name = "redirect",
     .refuse = "`redirect` is not there yet: this version does not lead accesses elsewhere",
     .cure = "use allow, audit, deny or kill"},
};

static void check_rule(struct loader *ld, const struct yaml_node *node, const struct rule_draft *d)
{
    const struct {
        bool there;
        const char *key, *expected;
    } required[] = {
        {d->path, "path", "path: /etc/shadow, or a list of paths"},
        {d->access, "access", "access: read, write, any …"},
        {d->verdict, "do", "do: allow, audit, deny or kill"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(required); i++)
        if (!required[i].there)
            policy_diag_expected(ld->diags,
                                 read_error(ld, node, "the rule has no `%s`", required[i].key),
                                 "%s", required[i].expected);
    if ((d->r.ops & SG_OP_IO) && d->r.verdict >= SG_DENY && d->access)
        policy_diag_cure(ld->diags,
                         read_error(ld, d->access_node,
                                    "`io` tells what was read and written when a file is closed: "
                                    "it cannot be refused"),
                         "use `do: audit` for io, and read or write here");
}

static int read_rule(struct loader *ld, const struct yaml_node *node)
{
    _cleanup_(rule_draft_done) struct rule_draft d = {
        .r = {.pos = read_pos(ld, node), .monitor = ld->files[ld->n_files - 1].monitor}};
    bool bad_before = ld->bad, bad;
    int r;

    ld->bad = false;
    r = read_map(ld, node, rule_keys, ARRAY_SIZE(rule_keys), "a rule", &d);
    if (r < 0)
        return r;
    if (node->kind == YAML_MAP && !ld->bad)
        check_rule(ld, node, &d);
    bad = ld->bad;
    ld->bad |= bad_before;
    ld->n_patterns += d.r.paths.n;
    if (bad)
        return 0;
    if (ld->n_rules >= POLICY_RULES_MAX || ld->n_patterns > POLICY_PATTERNS_MAX) {
        if (ld->n_rules == POLICY_RULES_MAX || ld->n_patterns - d.r.paths.n <= POLICY_PATTERNS_MAX)
            policy_diag_cure(ld->diags,
                             read_error(ld, node, "the policy has more than %u %s",
                                        ld->n_rules >= POLICY_RULES_MAX ? POLICY_RULES_MAX
                                                                        : POLICY_PATTERNS_MAX,
                                        ld->n_rules >= POLICY_RULES_MAX ? "rules" : "paths"),
                             "join rules with lists of paths, or use patterns");
        ld->bad = true;
        return 0;
    }
    if (!GREEDY(ld->rules, ld->cap_rules, ld->n_rules + 1))
        return -ENOMEM;
    ld->rules[ld->n_rules++] = d.r;
    return 0;
}

int read_rules(struct loader *ld, const struct yaml_node *node)
{
    int r = 0;

    if (node->kind != YAML_LIST) {
        policy_diag_expected(ld->diags,
                             read_error(ld, node, "`files` has to be a list of rules, this is %s",
                                        yaml_kind_name(node)),
                             "rules such as - {path: /etc/shadow, access: write, do: deny}");
        return 0;
    }
    for (const struct yaml_node *e = node->first; r == 0 && e; e = e->next)
        r = read_rule(ld, e);
    return r;
}

const struct key_row *read_rule_keys(size_t *ret_n)
{
    *ret_n = ARRAY_SIZE(rule_keys);
    return rule_keys;
}
