// SPDX-License-Identifier: Apache-2.0
#include "policy/fold.h"

#include <errno.h>

#include "base/alloc.h"

#define HIGH 0x80u // the first byte that is not ASCII

void fold_done(struct fold *f)
{
    map_free(f->twins[0]);
    map_free(f->twins[1]);
    nfa_list_done(&f->open);
    *f = (struct fold){};
}

static bool is_letter(uint8_t byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

static void set_add(struct glob_set *set, uint8_t byte)
{
    set->bits[byte / 64] |= UINT64_C(1) << (byte % 64);
}

static void set_add_high(struct glob_set *set)
{
    set->bits[2] = set->bits[3] = UINT64_MAX;
}

// Closes a set under what the file system takes for the same.
static struct glob_set folded(struct glob_set set, bool unicode)
{
    struct glob_set all = set;
    bool letters = false;

    for (unsigned c = 0; c < HIGH; c++)
        if (is_letter((uint8_t)c) && glob_set_has(&set, (uint8_t)c)) {
            set_add(&all, (uint8_t)c ^ 0x20);
            letters = true;
        }
    if (set.bits[2] || set.bits[3] || (unicode && letters))
        set_add_high(&all);
    return all;
}

static int twin(struct fold *f, struct nfa *nfa, bool unicode, uint32_t node, uint32_t *ret_twin)
{
    void *known = map_get_u64(f->twins[unicode], node);
    uint32_t made;
    int r;

    if (known) {
        *ret_twin = (uint32_t)(uintptr_t)known;
        return 0;
    }
    r = nfa_add_node(nfa, &made);
    if (r == 0)
        r = map_put_u64(f->twins[unicode], node, (void *)(uintptr_t)made);
    if (r < 0)
        return r;
    if (!GREEDY(f->open.items, f->open.cap, f->open.n + 2))
        return -ENOMEM;
    f->open.items[f->open.n++] = node;
    f->open.items[f->open.n++] = made;
    *ret_twin = made;
    return 0;
}

// Any text of at least one byte: to a node that goes on reading, or on to the target without reading.
static int add_text_edge(struct nfa *nfa, uint32_t from, uint32_t to)
{
    uint32_t text;
    int r;

    r = nfa_add_node(nfa, &text);
    if (r < 0)
        return r;
    nfa->nodes[text].loop = NFA_LOOP_NAME;
    nfa->nodes[text].star = to;
    return nfa_add_set_edge(nfa, from, &glob_name_bytes, text);
}

// What an edge of the original reads, as an edge of the twin.
static int copy_edge(struct nfa *nfa, bool unicode, struct nfa_edge edge, uint32_t from,
                     uint32_t to)
{
    struct glob_set set = {};

    if (edge.kind == NFA_NAME)
        return nfa_add_set_edge(nfa, from, &glob_name_bytes, to);
    if (edge.kind == NFA_BYTE && edge.byte >= HIGH)
        return add_text_edge(nfa, from, to);
    if (edge.kind == NFA_BYTE && !is_letter(edge.byte))
        return nfa_add_byte_edge(nfa, from, edge.byte, to);
    if (edge.kind == NFA_BYTE)
        set_add(&set, edge.byte);
    else
        set = nfa->sets[edge.set];
    set = folded(set, unicode);
    return nfa_add_set_edge(nfa, from, &set, to);
}

static int copy_node(struct fold *f, struct nfa *nfa, bool unicode, uint32_t node, uint32_t to)
{
    const struct nfa_node original = nfa->nodes[node];
    struct glob_set high = {};
    uint32_t target;
    int r = 0;

    nfa->nodes[to].loop = original.loop;
    for (uint32_t m = original.marks; r == 0 && m != NFA_NONE; m = nfa->marks[m].next)
        r = nfa_add_mark(nfa, to, nfa->marks[m].id);
    for (uint32_t e = original.edges; r == 0 && e != NFA_NONE; e = nfa->edges[e].next) {
        r = twin(f, nfa, unicode, nfa->edges[e].target, &target);
        if (r == 0)
            r = copy_edge(nfa, unicode, nfa->edges[e], to, target);
    }
    if (r == 0 && original.star != NFA_NONE) {
        r = twin(f, nfa, unicode, original.star, &target);
        nfa->nodes[to].star = r == 0 ? target : NFA_NONE;
    }
    if (r == 0 && original.deep != NFA_NONE) {
        r = twin(f, nfa, unicode, original.deep, &target);
        nfa->nodes[to].deep = r == 0 ? target : NFA_NONE;
    }
    if (r < 0 || !unicode || nfa->nodes[to].loop != NFA_LOOP_NONE)
        return r;
    set_add_high(&high);
    return nfa_add_set_edge(nfa, to, &high, to);
}

int fold_nodes(struct fold *f, struct nfa *nfa, bool unicode, const struct nfa_list *from,
               struct nfa_list *ret_to)
{
    int r = 0;

    if (!f->twins[unicode])
        r = map_new(MAP_U64, 0, NULL, &f->twins[unicode]);
    ret_to->n = 0;
    for (size_t i = 0; r == 0 && i < from->n; i++) {
        uint32_t made = 0;

        r = twin(f, nfa, unicode, from->items[i], &made);
        if (r == 0 && !GREEDY(ret_to->items, ret_to->cap, ret_to->n + 1))
            r = -ENOMEM;
        if (r == 0)
            ret_to->items[ret_to->n++] = made;
    }
    while (r == 0 && f->open.n > 0) {
        f->open.n -= 2;
        r = copy_node(f, nfa, unicode, f->open.items[f->open.n], f->open.items[f->open.n + 1]);
    }
    return r < 0 ? r : nfa_close(nfa, ret_to);
}
