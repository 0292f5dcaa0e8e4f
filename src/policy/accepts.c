// SPDX-License-Identifier: Apache-2.0
//
// What each state accepts: the entries of its rules, without those that others in front of them
// hide, and its atoms. Computed once for each set of patterns that end together, not for each
// state.
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "policy/compiler.h"

// What ends in one node of the nondeterministic automaton, without what is hidden there already.
struct node_end {
    uint32_t *marks;
    uint32_t n;
};

struct ends {
    struct node_end *nodes; // by node
    size_t n_nodes;
    struct map *lists;   // nodes that end patterns in one state → entry list + 1
    struct nfa_list key; // the nodes of the state at hand
    struct nfa_list marks;
};

static void ends_done(struct ends *e)
{
    for (size_t i = 0; i < e->n_nodes; i++)
        free(e->nodes[i].marks);
    free(e->nodes);
    map_free(e->lists);
    nfa_list_done(&e->key);
    nfa_list_done(&e->marks);
}

// The entries of one object while they are put together.
struct shadow {
    struct sg_entry entries[SG_ENTRIES_MAX];
    uint32_t n;
    bool full;      // there would have been more
    uint16_t hider; // rule + 1 that took the last of what was added last
};

// Appends a rule unless those in front of it leave it nothing to decide. First match decides: what
// an earlier entry takes that holds wherever this one does is lost, also when that one only
// monitors.
static void shadow_add(struct compiler *c, struct shadow *s, uint32_t rule, bool *ret_alive)
{
    const struct policy_rule *r = &c->policy->rules[rule];
    uint16_t pred = c->rule_pred[rule];
    uint32_t left = r->ops;

    for (uint32_t i = 0; i < s->n && left != 0; i++) {
        const struct sg_entry *e = &s->entries[i];
        uint32_t lost;

        if (!(c->covers[e->pred][pred / 64] >> (pred % 64) & 1))
            continue;
        s->hider = (uint16_t)(e->rule + 1);
        for (lost = left & e->ops; lost != 0; lost &= lost - 1)
            c->fate[rule].hider[__builtin_ctz(lost)] = (uint16_t)(e->rule + 1);
        left &= ~(uint32_t)e->ops;
    }
    *ret_alive = left != 0;
    if (left == 0)
        return;
    if (s->n == SG_ENTRIES_MAX) {
        s->full = true;
        return;
    }
    s->entries[s->n++] = (struct sg_entry){
        .pred = pred,
        .ops = (uint16_t)left,
        .rule = (uint16_t)rule,
        .verdict = r->verdict,
        .flags = SG_ENTRY_FLAGS(r->error) | (r->monitor ? SG_ENTRY_MONITOR : 0),
    };
}

static int compare_marks(const void *a, const void *b)
{
    // Atoms have no rule and come last; marks were numbered in the order of rules.
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

// Fills `s` from sorted marks and keeps, in marks, only those that still mean something.
static void fill_shadow(struct compiler *c, struct shadow *s, uint32_t *marks, uint32_t *n)
{
    uint32_t kept = 0, last = UINT32_MAX;
    bool alive = false;

    s->n = 0;
    s->full = false;
    s->hider = 0;
    for (uint32_t i = 0; i < *n && !s->full; i++) {
        struct mark *m = &c->marks[marks[i]];

        if (m->rule != UINT32_MAX && m->rule != last) {
            shadow_add(c, s, m->rule, &alive);
            last = m->rule;
        }
        if (m->rule == UINT32_MAX || alive)
            marks[kept++] = marks[i];
        else
            m->hider = s->hider;
    }
    *n = kept;
}

// The marks of a node, sorted; hidden ones are dropped, because they are hidden in every state that
// contains the node. So 10,000 rules about one pattern are looked at once.
static int node_end(struct compiler *c, struct ends *e, uint32_t node, struct node_end **ret_end)
{
    struct node_end *end = &e->nodes[node];
    struct shadow s;
    uint32_t n = 0;

    *ret_end = end;
    if (end->marks)
        return 0;
    for (uint32_t m = c->nfa->nodes[node].marks; m != NFA_NONE; m = c->nfa->marks[m].next)
        n++;
    end->marks = new0(uint32_t, n);
    if (!end->marks)
        return -ENOMEM;
    for (uint32_t m = c->nfa->nodes[node].marks; m != NFA_NONE; m = c->nfa->marks[m].next)
        end->marks[end->n++] = c->nfa->marks[m].id;
    if (n > 1)
        qsort(end->marks, n, sizeof(*end->marks), compare_marks);
    fill_shadow(c, &s, end->marks, &end->n);
    return 0;
}

static int too_many_entries(struct compiler *c, const struct shadow *s, uint32_t state)
{
    _cleanup_free_ char *path = NULL;
    char first[256], last[256];
    struct policy_diag *d;
    int r;

    r = compile_example(c, state, &path);
    if (r < 0)
        return r;
    d = compile_diag(c, POLICY_ERROR, c->policy->rules[s->entries[s->n - 1].rule].pos,
                     "more than %u rules compete for one path, such as %s", SG_ENTRIES_MAX, path);
    policy_diag_expected(c->diags, d, "fewer; the first is %s, the last that fits is %s",
                         compile_rule_name(c, s->entries[0].rule, first, sizeof(first)),
                         compile_rule_name(c, s->entries[s->n - 1].rule, last, sizeof(last)));
    policy_diag_cure(c->diags, d,
                     "join rules that differ only in their subject: `by` takes a list");
    return -EINVAL;
}

// The deny rules among the entries, as predicates.
static int own_below(struct compiler *c, const struct shadow *s, uint32_t *ret_below)
{
    struct sg_below below = {};

    for (uint32_t i = 0; i < s->n; i++) {
        const struct sg_entry *e = &s->entries[i];
        __u64 *set = e->flags & SG_ENTRY_MONITOR ? below.monitor : below.enforce;

        if (e->verdict >= SG_DENY)
            set[e->pred / 64] |= SG_BIT(e->pred % 64);
    }
    return interned_get(&c->belows, &below, SIZE_MAX, ret_below);
}

static int put_list(struct compiler *c, const struct shadow *s, const struct nfa_list *marks,
                    uint32_t *ret_list)
{
    struct entry_list list = {.first = (uint32_t)c->n_entries, .n = s->n};
    struct sg_atoms atoms = {};
    int r;

    for (size_t i = 0; i < marks->n; i++) {
        struct mark *m = &c->marks[marks->items[i]];

        if (m->rule == UINT32_MAX)
            atoms.bits[m->what / 64] |= SG_BIT(m->what % 64);
        else
            m->alive = true;
    }
    r = interned_get(&c->atom_sets, &atoms, SIZE_MAX, &list.atoms);
    if (r == 0)
        r = own_below(c, s, &list.own);
    if (r < 0)
        return r;
    if (!GREEDY(c->entries, c->cap_entries, c->n_entries + s->n + 1))
        return -ENOMEM;
    for (uint32_t i = 0; i < s->n; i++) {
        c->entries[c->n_entries++] = s->entries[i];
        c->fate[s->entries[i].rule].alive |= s->entries[i].ops;
        list.ops |= s->entries[i].ops;
    }
    if (s->n == 0)
        list.first = 0;
    return interned_get(&c->entry_lists, &list, SIZE_MAX, ret_list);
}

static int make_list(struct compiler *c, struct ends *e, uint32_t state, uint32_t *ret_list)
{
    struct shadow s;
    uint32_t n;
    int r;

    e->marks.n = 0;
    for (size_t i = 0; i < e->key.n; i++) {
        struct node_end *end;

        r = node_end(c, e, e->key.items[i], &end);
        if (r < 0)
            return r;
        if (!GREEDY(e->marks.items, e->marks.cap, e->marks.n + end->n + 1))
            return -ENOMEM;
        memcpy(e->marks.items + e->marks.n, end->marks, end->n * sizeof(*end->marks));
        e->marks.n += end->n;
    }
    if (e->marks.n > 1)
        qsort(e->marks.items, e->marks.n, sizeof(*e->marks.items), compare_marks);
    n = (uint32_t)e->marks.n;
    fill_shadow(c, &s, e->marks.items, &n);
    e->marks.n = n;
    if (s.full)
        return too_many_entries(c, &s, state);
    return put_list(c, &s, &e->marks, ret_list);
}

static int state_list(struct compiler *c, struct ends *e, uint32_t state, uint32_t *ret_list)
{
    const struct dfa_state *s = &c->dfa->states[state];
    size_t bytes;
    void *known;
    int r;

    e->key.n = 0;
    for (uint32_t i = 0; i < s->n_nodes; i++) {
        uint32_t node = c->dfa->nodes[s->nodes + i];

        if (c->nfa->nodes[node].marks == NFA_NONE)
            continue;
        if (!GREEDY(e->key.items, e->key.cap, e->key.n + 1))
            return -ENOMEM;
        e->key.items[e->key.n++] = node;
    }
    if (e->key.n == 0) {
        *ret_list = 0;
        return 0;
    }
    bytes = e->key.n * sizeof(*e->key.items);
    known = map_get_mem(e->lists, e->key.items, bytes);
    if (known) {
        *ret_list = (uint32_t)((uintptr_t)known - 1);
        return 0;
    }
    r = make_list(c, e, state, ret_list);
    if (r < 0)
        return r;
    return map_put_mem(e->lists, e->key.items, bytes, (void *)(uintptr_t)(*ret_list + 1u));
}

static int empty_records(struct compiler *c)
{
    const struct entry_list list = {};
    const struct sg_below below = {};
    const struct sg_atoms atoms = {};
    uint32_t zero;
    int r;

    r = interned_init(&c->entry_lists, sizeof(list));
    if (r == 0)
        r = interned_init(&c->belows, sizeof(below));
    if (r == 0)
        r = interned_init(&c->atom_sets, sizeof(atoms));
    if (r == 0)
        r = interned_get(&c->entry_lists, &list, SIZE_MAX, &zero);
    if (r == 0)
        r = interned_get(&c->belows, &below, SIZE_MAX, &zero);
    if (r == 0)
        r = interned_get(&c->atom_sets, &atoms, SIZE_MAX, &zero);
    return r;
}

int compile_accepts(struct compiler *c)
{
    _cleanup_(ends_done) struct ends e = {};
    int r;

    c->list_of = new0(uint32_t, c->dfa->n_states);
    c->fate = new0(struct rule_fate, c->policy->n_rules);
    e.nodes = new0(struct node_end, c->nfa->n_nodes);
    if (!c->list_of || !c->fate || !e.nodes)
        return -ENOMEM;
    e.n_nodes = c->nfa->n_nodes;
    r = map_new(MAP_STR, 0, NULL, &e.lists);
    if (r == 0)
        r = empty_records(c);
    for (uint32_t s = 1; r == 0 && s < c->dfa->n_states; s++)
        r = state_list(c, &e, s, &c->list_of[s]);
    // Nobody needs it any more, and it is a third of what a large policy takes while it is compiled.
    c->nfa = nfa_free(c->nfa);
    return r;
}
