// SPDX-License-Identifier: Apache-2.0
//
// All patterns of rules and subjects → one nondeterministic automaton with four starts: files,
// cgroups, variables of environments and what abi/control.def knows.
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "policy/compiler.h"
#include "policy/control.h"
#include "policy/environ.h"

static int add_mark(struct compiler *c, uint32_t rule, uint32_t what, uint32_t *ret_mark)
{
    if (!GREEDY(c->marks, c->cap_marks, c->n_marks + 1))
        return -ENOMEM;
    c->marks[c->n_marks] = (struct mark){.rule = rule, .what = what};
    *ret_mark = (uint32_t)c->n_marks++;
    return 0;
}

static int add_text(struct compiler *c, uint32_t start, const char *text, size_t len, uint32_t mark)
{
    _cleanup_(glob_done) struct glob g = {};
    int r;

    r = glob_parse(text, len, &g, NULL);
    return r < 0 ? r : nfa_add_glob(c->nfa, start, &g, mark);
}

// A path of a cgroup also stands for everything beneath it.
static int add_cgroup(struct compiler *c, const char *text, size_t len, uint32_t mark)
{
    _cleanup_(glob_done) struct glob g = {};
    static const struct glob_item beneath[] = {{.kind = GLOB_BYTE, .byte = '/'},
                                               {.kind = GLOB_BENEATH}};
    int r;

    r = glob_parse(text, len, &g, NULL);
    if (r == 0)
        r = nfa_add_glob(c->nfa, c->cgroup_start, &g, mark);
    if (r < 0 || g.beneath)
        return r;
    if (!GREEDY(g.items, g.cap, g.n + ARRAY_SIZE(beneath)))
        return -ENOMEM;
    memcpy(g.items + g.n, beneath, sizeof(beneath));
    g.n += ARRAY_SIZE(beneath);
    return nfa_add_glob(c->nfa, c->cgroup_start, &g, mark);
}

static int add_variable(struct compiler *c, const char *text, size_t len, uint32_t mark)
{
    _cleanup_(glob_done) struct glob g = {};
    int r;

    r = environ_glob(text, len, &g);
    return r < 0 ? r : nfa_add_glob(c->nfa, c->env_start, &g, mark);
}

static int add_atom(struct compiler *c, uint32_t number)
{
    const struct atom *atom = &c->atoms[number];
    uint32_t mark;
    int r;

    if (!atom->patterns && !atom->paths)
        return 0;
    r = add_mark(c, UINT32_MAX, number, &mark);
    for (size_t i = 0; r == 0 && atom->paths && atom->paths[i]; i++)
        r = add_text(c, c->file_start, atom->paths[i], strlen(atom->paths[i]), mark);
    for (uint32_t i = 0; r == 0 && atom->patterns && i < atom->patterns->n; i++) {
        const struct policy_pattern *p = &atom->patterns->items[i];

        r = p->cgroup ? add_cgroup(c, p->text, p->len, mark)
            : p->env  ? add_variable(c, p->text, p->len, mark)
                      : add_text(c, c->file_start, p->text, p->len, mark);
    }
    return r;
}

// Which kinds have rules by domain names: in these, addresses that rules name have words of their own.
static void find_names(struct compiler *c)
{
    for (uint32_t i = 0; i < c->policy->n_rules; i++) {
        const struct policy_patterns *paths = &c->policy->rules[i].paths;

        for (uint32_t k = 0; k < paths->n; k++)
            if (paths->items[k].control && control_is_named(paths->items[k].control))
                c->controls |= SG_CONTROL_NAMED(paths->items[k].control->kind);
    }
}

static int add_control(struct compiler *c, const struct policy_control *control, uint32_t mark)
{
    bool named = c->controls & SG_CONTROL_NAMED(control->kind);
    int r = 0;

    c->controls |= SG_BIT(control->kind);
    for (size_t i = 0; r == 0; i++) {
        _cleanup_(glob_done) struct glob g = {};

        r = control_glob(control, i, named, &g);
        if (r == 0)
            r = nfa_add_glob(c->nfa, c->control_start, &g, mark);
    }
    return r == -ENOENT ? 0 : r;
}

static int add_rule(struct compiler *c, uint32_t number)
{
    const struct policy_rule *rule = &c->policy->rules[number];
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < rule->paths.n; i++) {
        const struct policy_pattern *p = &rule->paths.items[i];
        uint32_t mark;

        r = add_mark(c, number, i, &mark);
        if (r == 0)
            r = p->control ? add_control(c, p->control, mark)
                           : add_text(c, c->file_start, p->text, p->len, mark);
    }
    return r;
}

// Rules come first, then atoms.
static int set_owners(struct compiler *c)
{
    _cleanup_free_ uint32_t *owners = new0(uint32_t, c->n_marks);

    if (!owners)
        return -ENOMEM;
    for (size_t i = 0; i < c->n_marks; i++)
        owners[i] = c->marks[i].rule != UINT32_MAX ? c->marks[i].rule
                                                   : c->policy->n_rules + c->marks[i].what;
    return nfa_set_owners(c->nfa, owners);
}

int compile_patterns(struct compiler *c)
{
    int r;

    r = nfa_new(&c->nfa);
    if (r == 0)
        r = nfa_add_node(c->nfa, &c->file_start);
    if (r == 0)
        r = nfa_add_node(c->nfa, &c->cgroup_start);
    if (r == 0)
        r = nfa_add_node(c->nfa, &c->env_start);
    if (r == 0)
        r = nfa_add_node(c->nfa, &c->control_start);
    find_names(c);
    for (uint32_t i = 0; r == 0 && i < c->policy->n_rules; i++)
        r = add_rule(c, i);
    for (uint32_t i = 0; r == 0 && i < c->n_atoms; i++)
        r = add_atom(c, i);
    return r < 0 ? r : set_owners(c);
}
