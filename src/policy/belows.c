// SPDX-License-Identifier: Apache-2.0
//
// What is denied beneath each state: the deny rules that any state reachable behind its next '/'
// accepts. All states of a cycle reach the same, so the components are merged first (Tarjan), each
// after those that it leads to.
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "policy/compiler.h"

#define BELOWS_MAX (1u << 18) // on the way; image.c checks what is left

struct frame {
    uint32_t state, pos; // pos: the next successor to look at
};

struct search {
    struct compiler *c;
    uint32_t *order; // number of the visit + 1; 0: not visited
    uint32_t *low;   // the earliest visit that it leads to
    uint32_t *reach; // result: index into belows
    uint32_t *open;  // states whose component is not complete
    bool *is_open;
    struct frame *frames;
    size_t n_open, n_frames;
    uint32_t visits;
    struct map *unions; // (a, b) → a ∪ b, + 1
};

static void search_done(struct search *s)
{
    free(s->order);
    free(s->low);
    free(s->reach);
    free(s->open);
    free(s->is_open);
    free(s->frames);
    map_free(s->unions);
}

static int join_belows(struct search *s, uint32_t a, uint32_t b, uint32_t *ret_union)
{
    uint64_t key = a < b ? (uint64_t)a << 32 | b : (uint64_t)b << 32 | a;
    const struct sg_below *x, *y;
    struct sg_below sum;
    void *known;
    int r;

    if (a == b || b == 0 || a == 0) {
        *ret_union = a | b;
        return 0;
    }
    known = map_get_u64(s->unions, key);
    if (known) {
        *ret_union = (uint32_t)((uintptr_t)known - 1);
        return 0;
    }
    x = (const struct sg_below *)s->c->belows.items + a;
    y = (const struct sg_below *)s->c->belows.items + b;
    for (size_t w = 0; w < SG_PRED_WORDS; w++) {
        sum.enforce[w] = x->enforce[w] | y->enforce[w];
        sum.monitor[w] = x->monitor[w] | y->monitor[w];
    }
    r = interned_get(&s->c->belows, &sum, BELOWS_MAX, ret_union);
    if (r == -E2BIG) {
        struct policy_diag *d =
            policy_diag_add(s->c->diags, POLICY_ERROR, NULL, 0, 0,
                            "the deny rules make more than %u different sets beneath directories",
                            BELOWS_MAX);

        policy_diag_cure(s->c->diags, d, "use fewer different subjects in deny rules");
        return -EINVAL;
    }
    if (r < 0)
        return r;
    return map_put_u64(s->unions, key, (void *)(uintptr_t)(*ret_union + 1u));
}

static uint32_t successor(const struct dfa *dfa, uint32_t state, uint32_t pos)
{
    const struct dfa_state *s = &dfa->states[state];

    return pos == 0 ? s->dflt : dfa->edges[s->edges + pos - 1].next;
}

static void visit(struct search *s, uint32_t state)
{
    const struct entry_list *lists = s->c->entry_lists.items;

    s->order[state] = s->low[state] = ++s->visits;
    s->reach[state] = lists[s->c->list_of[state]].own;
    s->open[s->n_open++] = state;
    s->is_open[state] = true;
    s->frames[s->n_frames++] = (struct frame){.state = state};
}

// All of a complete component reach what its first state reaches.
static void close_component(struct search *s, uint32_t first)
{
    uint32_t state;

    do {
        state = s->open[--s->n_open];
        s->is_open[state] = false;
        s->reach[state] = s->reach[first];
    } while (state != first);
}

static int search_from(struct search *s, uint32_t start)
{
    const struct dfa *dfa = s->c->dfa;
    int r;

    visit(s, start);
    while (s->n_frames > 0) {
        struct frame *f = &s->frames[s->n_frames - 1];
        uint32_t state = f->state, next;

        if (f->pos <= dfa->states[state].n_edges) {
            next = successor(dfa, state, f->pos++);
            if (next == DFA_DEAD)
                continue;
            if (s->order[next] == 0) {
                f->pos--; // looked at again when it is complete
                visit(s, next);
                continue;
            }
            if (s->is_open[next] && s->low[next] < s->low[state])
                s->low[state] = s->low[next];
            r = join_belows(s, s->reach[state], s->reach[next], &s->reach[state]);
            if (r < 0)
                return r;
            continue;
        }
        s->n_frames--;
        if (s->low[state] == s->order[state])
            close_component(s, state);
    }
    return 0;
}

int compile_belows(struct compiler *c)
{
    size_t n = c->dfa->n_states;
    _cleanup_(search_done) struct search s = {
        .c = c,
        .order = new0(uint32_t, n),
        .low = new0(uint32_t, n),
        .reach = new0(uint32_t, n),
        .open = new0(uint32_t, n),
        .is_open = new0(bool, n),
        .frames = new0(struct frame, n),
    };
    int r;

    c->below_of = new0(uint32_t, n);
    if (!s.order || !s.low || !s.reach || !s.open || !s.is_open || !s.frames || !c->below_of)
        return -ENOMEM;
    r = map_new(MAP_U64, 0, NULL, &s.unions);
    for (uint32_t state = 1; r == 0 && state < n; state++)
        if (s.order[state] == 0)
            r = search_from(&s, state);
    if (r < 0)
        return r;
    for (uint32_t state = 1; state < n; state++)
        c->below_of[state] = s.reach[dfa_next(c->dfa, state, '/')];
    return 0;
}
