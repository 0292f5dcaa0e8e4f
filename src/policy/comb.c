// SPDX-License-Identifier: Apache-2.0
//
// First fit, the states with most edges first, so that those with few fill the holes. A search
// looks at a bounded number of places, and a class of states never goes back to a part of the array
// where states of its size found no room: the whole is linear in practice.
#include "policy/comb.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"

#define TRIES   256 // places looked at for one state
#define CLASSES 9   // by the logarithm of the number of edges

struct packer {
    const struct dfa *dfa;
    struct comb comb;
    uint64_t *used; // one bit a slot, as long as comb.cap
    size_t cap_used;
    size_t high;           // slots from here on are free
    size_t start[CLASSES]; // where states of that many edges search from
    size_t max_slots;
};

void comb_done(struct comb *c)
{
    free(c->base);
    free(c->edges);
    *c = (struct comb){};
}

static void packer_done(struct packer *p)
{
    comb_done(&p->comb);
    free(p->used);
}

static unsigned class_of(uint32_t n_edges)
{
    return n_edges < 2 ? n_edges : 32 - (unsigned)__builtin_clz(n_edges - 1);
}

// Room for slots up to `need`, with what the padding takes.
static int reserve(struct packer *p, size_t need)
{
    if (need > p->max_slots)
        return -E2BIG;
    if (!GREEDY(p->comb.edges, p->comb.cap, need) ||
        !GREEDY(p->used, p->cap_used, p->comb.cap / 64 + 1))
        return -ENOMEM;
    return 0;
}

static bool is_used(const struct packer *p, size_t slot)
{
    return p->used[slot / 64] >> (slot % 64) & 1;
}

// The first free slot from `slot` on; at most p->high.
static size_t next_free(const struct packer *p, size_t slot)
{
    while (slot < p->high) {
        uint64_t free_bits = ~p->used[slot / 64] >> (slot % 64);

        if (free_bits != 0) {
            slot += (size_t)__builtin_ctzll(free_bits);
            return slot < p->high ? slot : p->high;
        }
        slot = (slot / 64 + 1) * 64;
    }
    return p->high;
}

static bool fits(const struct packer *p, const struct dfa_edge *edges, uint32_t n, size_t base)
{
    for (uint32_t i = 0; i < n; i++) {
        size_t slot = base + edges[i].byte;

        if (slot < p->high && is_used(p, slot))
            return false;
    }
    return true;
}

static size_t find_base(struct packer *p, const struct dfa_edge *edges, uint32_t n)
{
    size_t *start = &p->start[class_of(n)];
    size_t first = edges[0].byte;
    size_t slot = next_free(p, *start > first ? *start : first);
    unsigned tries = 0;

    while (slot < p->high && !fits(p, edges, n, slot - first)) {
        if (++tries == TRIES) {
            // No room in what was looked at: the next of this size starts behind it.
            *start = slot;
            slot = p->high;
            break;
        }
        slot = next_free(p, slot + 1);
    }
    if (tries == 0)
        *start = slot;
    return slot > first ? slot - first : 0;
}

static int place(struct packer *p, uint32_t state)
{
    const struct dfa_state *s = &p->dfa->states[state];
    const struct dfa_edge *edges;
    size_t base;
    int r;

    if (s->n_edges == 0)
        return 0;
    edges = p->dfa->edges + s->edges;
    base = find_base(p, edges, s->n_edges);
    r = reserve(p, base + 512);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < s->n_edges; i++) {
        size_t slot = base + edges[i].byte;

        p->used[slot / 64] |= UINT64_C(1) << (slot % 64);
        p->comb.edges[slot] = (struct sg_edge){.check = state, .next = edges[i].next};
        if (slot >= p->high)
            p->high = slot + 1;
    }
    p->comb.base[state] = (uint32_t)base;
    return 0;
}

int comb_pack(const struct dfa *dfa, size_t max_slots, struct comb *ret_comb)
{
    _cleanup_(packer_done) struct packer p = {.dfa = dfa, .max_slots = max_slots};
    size_t count[257] = {};
    _cleanup_free_ uint32_t *order = NULL;
    size_t sum = 0;
    int r;

    p.comb.base = new0(uint32_t, dfa->n_states);
    order = new0(uint32_t, dfa->n_states);
    if (!p.comb.base || !order)
        return -ENOMEM;
    r = reserve(&p, 512);
    if (r < 0)
        return r;

    // By number of edges, most first; states of the same number stay in order, for locality.
    for (size_t s = 0; s < dfa->n_states; s++)
        count[dfa->states[s].n_edges]++;
    for (size_t n = 257; n-- > 0;) {
        size_t here = count[n];

        count[n] = sum;
        sum += here;
    }
    for (size_t s = 0; s < dfa->n_states; s++)
        order[count[dfa->states[s].n_edges]++] = (uint32_t)s;

    for (size_t i = 0; r == 0 && i < dfa->n_states; i++)
        r = place(&p, order[i]);
    if (r < 0)
        return r;
    // Every base is at most high - 1.
    p.comb.n_slots = p.high + 256;
    *ret_comb = p.comb;
    p.comb = (struct comb){};
    return 0;
}
