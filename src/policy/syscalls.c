// SPDX-License-Identifier: Apache-2.0
#include "policy/syscalls.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "policy/control.h"

static const struct syscall_row rows[] = {
#define SYSCALL(name, kind, word, wider) {#name, SG_CONTROL_##kind, word, wider},
#include "policy/syscalls.def"
};

static const char *const names[] = {
#define NAME(name) #name,
#include "policy/syscall_names.def"
};

static const char *const forms[][5] = {
#define FORMS(...) {__VA_ARGS__, NULL},
#include "policy/syscall_forms.def"
};

const char *const *syscall_forms(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
        for (size_t k = 0; forms[i][k]; k++)
            if (streq(forms[i][k], name))
                return forms[i];
    return NULL;
}

const struct syscall_row *syscall_row(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (streq(rows[i].name, name))
            return &rows[i];
    return NULL;
}

static bool is_known(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (streq(names[i], name))
            return true;
    return false;
}

static void unknown(struct loader *ld, const struct yaml_node *node)
{
    const char *near = nearest_word(node->text, names, ARRAY_SIZE(names));
    struct policy_diag *d;

    d = near ? read_error(ld, node, "'%s' is not a system call; did you mean '%s'?", node->text,
                          near)
             : read_error(ld, node, "'%s' is not a system call", node->text);
    policy_diag_expected(ld->diags, d, "a name as in syscalls(2), or any");
}

// The patterns of the kind that the call asks for, at the place of its name.
static int add_kind(struct loader *ld, const struct yaml_node *node, const struct syscall_row *row,
                    struct rule_draft *d)
{
    size_t before = d->paths.n;
    int r = 0;

    for (const char *word = row->words; r == 0 && *word;) {
        struct yaml_node one = *node;
        size_t len = strcspn(word, " ");

        one.text = arena_strn(ld->arena, word, len);
        one.len = (uint32_t)len;
        r = one.text ? read_control_value(ld, row->kind, &one, &d->paths) : -ENOMEM;
        word += len + (word[len] == ' ');
    }
    for (size_t i = before; r == 0 && i < d->paths.n; i++) {
        d->paths.items[i].text = arena_strn(ld->arena, node->text, node->len);
        d->paths.items[i].len = node->len;
        r = d->paths.items[i].text ? 0 : -ENOMEM;
    }
    return r;
}

int read_syscall(struct loader *ld, const struct yaml_node *node, void *ctx)
{
    struct rule_draft *d = ctx;
    const struct syscall_row *row = syscall_row(node->text);

    if (!streq(node->text, "any") && !is_known(node->text)) {
        unknown(ld, node);
        return 0;
    }
    if (!GREEDY(d->syscalls, d->cap_syscalls, d->n_syscalls + 1))
        return -ENOMEM;
    d->syscalls[d->n_syscalls++] = node;
    d->r.ops |= SG_OP_CONTROL;
    return row ? add_kind(ld, node, row, d) : 0;
}

#define BESIDES ((uint32_t) ~(POLICY_KEY_LAUNCHED | POLICY_KEY_DESCENDANTS))

// How many of the subjects are nothing but launched, and the first that is launched and something besides.
static uint32_t count_launched(const struct loader *ld, const struct policy_rule *r,
                               const struct policy_subject **ret_mixed)
{
    uint32_t n = 0;

    *ret_mixed = NULL;
    for (uint32_t i = 0; i < r->n_by; i++) {
        const struct policy_subject *s = &ld->subjects[r->by[i]];

        if (!(s->keys & POLICY_KEY_LAUNCHED))
            continue;
        n += !(s->keys & BESIDES);
        if (s->keys & BESIDES && !*ret_mixed)
            *ret_mixed = s;
    }
    return n;
}

static void filter_knows_nothing(struct loader *ld, const struct yaml_node *node, const char *of)
{
    policy_diag_cure(ld->diags,
                     read_error(ld, node,
                                "a filter of system calls stays with all that the launched program "
                                "starts: it knows nothing of %s",
                                of),
                     "use a subject that says only `launched: true`, and no `not_by`");
}

// Served by a filter: the image has nothing of it.
static void check_filter(struct loader *ld, const struct yaml_node *node, struct rule_draft *d)
{
    if (d->r.n_not_by > 0)
        filter_knows_nothing(ld, node, "`not_by`");
    d->r.launched = true;
    d->r.ops = 0;
    d->r.paths = (struct policy_patterns){};
}

static void check_hooks(struct loader *ld, const struct rule_draft *d)
{
    for (size_t i = 0; i < d->n_syscalls; i++) {
        const struct yaml_node *name = d->syscalls[i];

        if (!syscall_row(name->text))
            policy_diag_cure(
                ld->diags,
                read_error(ld, name,
                           "no security hook sees the system call '%s': it can be decided "
                           "only for programs that `safeguard run` starts",
                           name->text),
                "use a subject with `launched: true`, or a rule of `control` or about exec");
    }
}

void check_syscalls(struct loader *ld, const struct yaml_node *node, struct rule_draft *d)
{
    const struct policy_subject *mixed;
    uint32_t n = count_launched(ld, &d->r, &mixed);

    if (n > 0 && n == d->r.n_by) {
        check_filter(ld, node, d);
        return;
    }
    if (n > 0) {
        policy_diag_cure(
            ld->diags,
            read_error(ld, node,
                       "some of these subjects are launched by `safeguard run`, others "
                       "are not: what serves the one does not serve the others"),
            "write two rules");
        return;
    }
    // What a hook sees it can also tell by whom.
    check_hooks(ld, d);
    if (mixed && ld->bad)
        filter_knows_nothing(ld, node, "the other keys of its subject");
}
