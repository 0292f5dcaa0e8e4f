// SPDX-License-Identifier: Apache-2.0
#include "policy/dfa.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "abi/policy.h"
#include "base/alloc.h"
#include "base/sort.h"

// How often the clock is read.
#define CHECK_EVERY 64

// What the nodes of one subset read, taken apart.
struct out {
    struct nfa_list all;  // targets on every byte
    struct nfa_list name; // targets on every byte of a name
    struct {
        uint32_t target, next; // `next` is an index + 1
    } * bytes;
    size_t n_bytes, cap_bytes;
    uint32_t head[256]; // of the lists in bytes: an index + 1
    struct {
        uint32_t target;
        uint16_t set;
    } * sets;
    size_t n_sets, cap_sets;
};

struct builder {
    const struct nfa *nfa;
    struct dfa *dfa;
    struct dfa_limits limits;
    struct out out;
    struct nfa_list list;  // the subset being made
    struct nfa_list stack; // states whose edges are still to be made
    uint32_t found;        // states that were looked at
};

static void builder_done(struct builder *b)
{
    nfa_list_done(&b->out.all);
    nfa_list_done(&b->out.name);
    free(b->out.bytes);
    free(b->out.sets);
    nfa_list_done(&b->list);
    nfa_list_done(&b->stack);
    dfa_free(b->dfa);
}

uint64_t dfa_now(void)
{
    struct timespec ts = {};

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

struct dfa *dfa_free(struct dfa *dfa)
{
    if (!dfa)
        return NULL;
    free(dfa->states);
    free(dfa->edges);
    free(dfa->nodes);
    free(dfa->slots);
    free(dfa);
    return NULL;
}

static int push(struct nfa_list *l, uint32_t value)
{
    if (!GREEDY(l->items, l->cap, l->n + 1))
        return -ENOMEM;
    l->items[l->n++] = value;
    return 0;
}

static int grow_slots(struct dfa *dfa)
{
    size_t n = dfa->n_slots ? dfa->n_slots * 2 : 1024;
    uint32_t *slots = new0(uint32_t, n);

    if (!slots)
        return -ENOMEM;
    for (size_t s = 1; s < dfa->n_states; s++) {
        size_t i = dfa->states[s].hash & (n - 1);

        while (slots[i] != 0)
            i = (i + 1) & (n - 1);
        slots[i] = (uint32_t)s;
    }
    free(dfa->slots);
    dfa->slots = slots;
    dfa->n_slots = n;
    return 0;
}

static int stop(struct builder *b, enum dfa_stop why)
{
    b->dfa->stop = why;
    return -E2BIG;
}

static int new_state(struct builder *b, const struct nfa_list *l, uint32_t hash,
                     uint32_t *ret_state)
{
    struct dfa *dfa = b->dfa;
    uint32_t state = (uint32_t)dfa->n_states;
    int r;

    if (dfa->n_states >= b->limits.max_states)
        return stop(b, DFA_TOO_MANY_STATES);
    if (l->n > DFA_NODES_MAX - dfa->n_nodes)
        return stop(b, DFA_TOO_MANY_BYTES);
    if (!GREEDY(dfa->states, dfa->cap_states, dfa->n_states + 1) ||
        !GREEDY(dfa->nodes, dfa->cap_nodes, dfa->n_nodes + l->n))
        return -ENOMEM;
    memcpy(dfa->nodes + dfa->n_nodes, l->items, l->n * sizeof(*l->items));
    dfa->states[state] =
        (struct dfa_state){.nodes = dfa->n_nodes, .n_nodes = (uint32_t)l->n, .hash = hash};
    dfa->n_nodes += l->n;
    r = push(&b->stack, state);
    if (r < 0)
        return r;
    dfa->n_states++;
    *ret_state = state;
    return 0;
}

// The state of a closed list; a new one is put on the stack.
static int intern(struct builder *b, const struct nfa_list *l, uint32_t *ret_state)
{
    struct dfa *dfa = b->dfa;
    uint32_t hash;
    size_t i;
    int r;

    if (l->n == 0) {
        *ret_state = DFA_DEAD;
        return 0;
    }
    if (dfa->n_states * 2 >= dfa->n_slots) {
        r = grow_slots(dfa);
        if (r < 0)
            return r;
    }
    hash = (uint32_t)XXH3_64bits(l->items, l->n * sizeof(*l->items));
    for (i = hash & (dfa->n_slots - 1); dfa->slots[i] != 0; i = (i + 1) & (dfa->n_slots - 1)) {
        const struct dfa_state *s = &dfa->states[dfa->slots[i]];

        if (s->hash == hash && s->n_nodes == l->n &&
            memcmp(dfa->nodes + s->nodes, l->items, l->n * sizeof(*l->items)) == 0) {
            *ret_state = dfa->slots[i];
            return 0;
        }
    }
    r = new_state(b, l, hash, ret_state);
    if (r == 0)
        dfa->slots[i] = *ret_state;
    return r;
}

static int gather_edge(struct out *o, const struct nfa_edge *e)
{
    switch (e->kind) {
    case NFA_NAME: return push(&o->name, e->target);
    case NFA_BYTE:
        if (!GREEDY(o->bytes, o->cap_bytes, o->n_bytes + 1))
            return -ENOMEM;
        o->bytes[o->n_bytes].target = e->target;
        o->bytes[o->n_bytes].next = o->head[e->byte];
        o->head[e->byte] = (uint32_t)++o->n_bytes;
        return 0;
    default:
        if (!GREEDY(o->sets, o->cap_sets, o->n_sets + 1))
            return -ENOMEM;
        o->sets[o->n_sets].target = e->target;
        o->sets[o->n_sets++].set = e->set;
        return 0;
    }
}

static int gather(struct builder *b, uint32_t state)
{
    const struct dfa_state *s = &b->dfa->states[state];
    struct out *o = &b->out;
    int r = 0;

    o->all.n = o->name.n = o->n_bytes = o->n_sets = 0;
    memset(o->head, 0, sizeof(o->head));
    for (uint32_t i = 0; r == 0 && i < s->n_nodes; i++) {
        uint32_t id = b->dfa->nodes[s->nodes + i];
        const struct nfa_node *node = &b->nfa->nodes[id];

        if (node->loop != NFA_LOOP_NONE)
            r = push(node->loop == NFA_LOOP_ALL ? &o->all : &o->name, id);
        for (uint32_t e = node->edges; r == 0 && e != NFA_NONE; e = b->nfa->edges[e].next)
            r = gather_edge(o, &b->nfa->edges[e]);
    }
    return r;
}

static int append(struct nfa_list *l, const struct nfa_list *more)
{
    if (more->n == 0)
        return 0;
    if (!GREEDY(l->items, l->cap, l->n + more->n))
        return -ENOMEM;
    memcpy(l->items + l->n, more->items, more->n * sizeof(*more->items));
    l->n += more->n;
    return 0;
}

// The state that one byte leads to; `explicit` false: only what leads on from every byte of a name.
static int target_of(struct builder *b, uint8_t byte, bool explicit, uint32_t *ret_state)
{
    struct out *o = &b->out;
    int r;

    b->list.n = 0;
    r = append(&b->list, &o->all);
    if (r == 0 && glob_set_has(&glob_name_bytes, byte))
        r = append(&b->list, &o->name);
    for (uint32_t i = explicit ? o->head[byte] : 0; r == 0 && i != 0; i = o->bytes[i - 1].next)
        r = push(&b->list, o->bytes[i - 1].target);
    for (size_t i = 0; r == 0 && explicit && i < o->n_sets; i++)
        if (glob_set_has(&b->nfa->sets[o->sets[i].set], byte))
            r = push(&b->list, o->sets[i].target);
    if (r == 0)
        r = nfa_close(b->nfa, &b->list);
    return r < 0 ? r : intern(b, &b->list, ret_state);
}

// Numbers the bytes so that two with the same number have the same target.
static void partition(const struct builder *b, uint16_t block[256])
{
    const struct out *o = &b->out;
    uint16_t n = 1;

    // NUL and the slash are part of no name and of no set.
    for (unsigned c = 0; c < 256; c++)
        block[c] = o->head[c] != 0 || c == '/' || c == 0 ? n++ : 0;
    for (size_t i = 0; i < o->n_sets; i++) {
        const struct glob_set *set = &b->nfa->sets[o->sets[i].set];
        uint16_t renamed[512] = {}, fresh = 0, seen[512] = {};

        for (unsigned c = 0; c < 256; c++) {
            unsigned key = (unsigned)block[c] * 2 + glob_set_has(set, (uint8_t)c);

            if (!seen[key]) {
                seen[key] = 1;
                renamed[key] = fresh++;
            }
            block[c] = renamed[key];
        }
    }
}

// Writes the edges of a state from the target of every byte. The target of most bytes is the
// default; NUL is in no path and does not count.
static int put_edges(struct builder *b, uint32_t state, const uint32_t target[256])
{
    struct dfa *dfa = b->dfa;
    uint32_t best = target[1], best_n = 0;
    uint32_t n = 0;

    for (unsigned c = 1; c < 256; c++) {
        uint32_t count = 0;

        if (c > 1 && target[c] == target[c - 1])
            continue; // counted with the byte before
        for (unsigned d = 1; d < 256; d++)
            count += target[d] == target[c];
        if (count > best_n) {
            best = target[c];
            best_n = count;
        }
        if (best_n > 127)
            break;
    }
    dfa->states[state].dflt = best;
    dfa->states[state].edges = dfa->n_edges;
    for (unsigned c = 1; c < 256; c++) {
        if (target[c] == best)
            continue;
        if (!GREEDY(dfa->edges, dfa->cap_edges, dfa->n_edges + 1))
            return -ENOMEM;
        dfa->edges[dfa->n_edges++] = (struct dfa_edge){.byte = (uint8_t)c, .next = target[c]};
        n++;
    }
    dfa->states[state].n_edges = n;
    return 0;
}

static int expand(struct builder *b, uint32_t state)
{
    uint32_t target[256] = {}, of_block[256] = {}, dflt = DFA_DEAD;
    uint16_t block[256];
    bool known[256] = {};
    int r;

    r = gather(b, state);
    if (r < 0)
        return r;
    if (b->out.n_sets == 0) {
        // By far the most states: everything but a few bytes goes one way.
        r = target_of(b, 1, false, &dflt);
        for (unsigned c = 0; r == 0 && c < 256; c++) {
            target[c] = dflt;
            if (b->out.head[c] != 0 || (c == '/' && b->out.name.n > 0))
                r = target_of(b, (uint8_t)c, true, &target[c]);
        }
        return r < 0 ? r : put_edges(b, state, target);
    }
    partition(b, block);
    for (unsigned c = 0; r == 0 && c < 256; c++) {
        if (!known[block[c]]) {
            r = target_of(b, (uint8_t)c, true, &of_block[block[c]]);
            known[block[c]] = true;
        }
        target[c] = of_block[block[c]];
    }
    return r < 0 ? r : put_edges(b, state, target);
}

static int check_limits(struct builder *b)
{
    const struct dfa *dfa = b->dfa;

    if (dfa->n_states * sizeof(struct sg_state) + dfa->n_edges * sizeof(struct sg_edge) >
        b->limits.max_bytes)
        return stop(b, DFA_TOO_MANY_BYTES);
    if (b->limits.deadline != 0 && ++b->found % CHECK_EVERY == 0 && dfa_now() > b->limits.deadline)
        return stop(b, DFA_TOO_LONG);
    return 0;
}

int dfa_build(const struct nfa *nfa, const struct nfa_list *starts, size_t n_starts,
              const struct dfa_limits *limits, uint32_t *ret_starts, struct dfa **ret_dfa)
{
    _cleanup_(builder_done) struct builder b = {.nfa = nfa, .limits = *limits};
    int r = 0;

    b.dfa = new0(struct dfa, 1);
    if (!b.dfa || !GREEDY(b.dfa->states, b.dfa->cap_states, 1))
        return -ENOMEM;
    b.dfa->nfa = nfa;
    b.dfa->n_states = 1; // dead
    for (size_t i = 0; r == 0 && i < n_starts; i++) {
        r = intern(&b, &starts[i], &ret_starts[i]);
        while (r == 0 && b.stack.n > 0) {
            r = expand(&b, b.stack.items[--b.stack.n]);
            if (r == 0)
                r = check_limits(&b);
        }
    }
    if (r < 0 && r != -E2BIG)
        return r;
    *ret_dfa = TAKE_PTR(b.dfa);
    return r;
}

uint32_t dfa_next(const struct dfa *dfa, uint32_t state, uint8_t byte)
{
    const struct dfa_state *s = &dfa->states[state];
    const struct dfa_edge *edges = &dfa->edges[s->edges];
    size_t at = LOWER_BOUND(s->n_edges, i, edges[i].byte < byte);

    return at < s->n_edges && edges[at].byte == byte ? edges[at].next : s->dflt;
}
