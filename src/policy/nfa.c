// SPDX-License-Identifier: Apache-2.0
#include "policy/nfa.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sort.h"

// What leads from a node to a shared child. Part of the key of `children`.
enum child_kind {
    CHILD_BYTE,
    CHILD_SET,
    CHILD_STAR,
    CHILD_DEEP,
    CHILD_BENEATH,
    CHILD_ANY,
};

int nfa_new(struct nfa **ret_nfa)
{
    _cleanup_(nfa_freep) struct nfa *nfa = new0(struct nfa, 1);
    int r;

    if (!nfa || !GREEDY(nfa->nodes, nfa->cap_nodes, 1) || !GREEDY(nfa->edges, nfa->cap_edges, 1) ||
        !GREEDY(nfa->marks, nfa->cap_marks, 1))
        return -ENOMEM;
    nfa->n_nodes = nfa->n_edges = nfa->n_marks = 1;
    r = map_new(MAP_U64, 0, NULL, &nfa->children);
    if (r < 0)
        return r;
    *ret_nfa = TAKE_PTR(nfa);
    return 0;
}

struct nfa *nfa_free(struct nfa *nfa)
{
    if (!nfa)
        return NULL;
    free(nfa->nodes);
    free(nfa->edges);
    free(nfa->marks);
    free(nfa->sets);
    free(nfa->owners);
    map_free(nfa->children);
    free(nfa);
    return NULL;
}

int nfa_add_node(struct nfa *nfa, uint32_t *ret_node)
{
    if (nfa->n_nodes >= UINT32_MAX / 2 || !GREEDY(nfa->nodes, nfa->cap_nodes, nfa->n_nodes + 1))
        return -ENOMEM;
    nfa->nodes[nfa->n_nodes] = (struct nfa_node){};
    *ret_node = (uint32_t)nfa->n_nodes++;
    return 0;
}

static int add_edge(struct nfa *nfa, uint32_t from, struct nfa_edge edge)
{
    if (nfa->n_edges >= UINT32_MAX / 2 || !GREEDY(nfa->edges, nfa->cap_edges, nfa->n_edges + 1))
        return -ENOMEM;
    edge.next = nfa->nodes[from].edges;
    nfa->edges[nfa->n_edges] = edge;
    nfa->nodes[from].edges = (uint32_t)nfa->n_edges++;
    return 0;
}

int nfa_add_byte_edge(struct nfa *nfa, uint32_t from, uint8_t byte, uint32_t target)
{
    return add_edge(nfa, from, (struct nfa_edge){.kind = NFA_BYTE, .byte = byte, .target = target});
}

int nfa_add_mark(struct nfa *nfa, uint32_t node, uint32_t mark)
{
    if (nfa->n_marks >= UINT32_MAX / 2 || !GREEDY(nfa->marks, nfa->cap_marks, nfa->n_marks + 1))
        return -ENOMEM;
    nfa->marks[nfa->n_marks] = (struct nfa_mark){.next = nfa->nodes[node].marks, .id = mark};
    nfa->nodes[node].marks = (uint32_t)nfa->n_marks++;
    return 0;
}

static int intern_set(struct nfa *nfa, const struct glob_set *set, uint16_t *ret_index)
{
    size_t i;

    for (i = 0; i < nfa->n_sets; i++)
        if (memcmp(&nfa->sets[i], set, sizeof(*set)) == 0)
            break;
    if (i == nfa->n_sets) {
        if (i > UINT16_MAX)
            return -E2BIG;
        if (!GREEDY(nfa->sets, nfa->cap_sets, i + 1))
            return -ENOMEM;
        nfa->sets[nfa->n_sets++] = *set;
    }
    *ret_index = (uint16_t)i;
    return 0;
}

int nfa_add_set_edge(struct nfa *nfa, uint32_t from, const struct glob_set *set, uint32_t target)
{
    const struct glob_set read = *set; // it may lie in nfa->sets, which may move
    uint16_t index;
    int r;

    if (memcmp(&read, &glob_name_bytes, sizeof(read)) == 0)
        return add_edge(nfa, from, (struct nfa_edge){.kind = NFA_NAME, .target = target});
    r = intern_set(nfa, &read, &index);
    return r < 0 ? r
                 : add_edge(nfa, from,
                            (struct nfa_edge){.kind = NFA_SET, .set = index, .target = target});
}

// "**" in the middle: a node from which the rest starts, which is reached again behind every
// "name/".
static int make_deep(struct nfa *nfa, uint32_t from, uint32_t head)
{
    uint32_t name;
    int r;

    r = nfa_add_node(nfa, &name);
    if (r < 0)
        return r;
    nfa->nodes[name].loop = NFA_LOOP_NAME;
    nfa->nodes[from].deep = head;
    r = add_edge(nfa, head, (struct nfa_edge){.kind = NFA_NAME, .target = name});
    if (r < 0)
        return r;
    return nfa_add_byte_edge(nfa, name, '/', head);
}

// Makes `to` the child of `from` for one item.
static int link_child(struct nfa *nfa, uint32_t from, enum child_kind kind, uint16_t value,
                      uint32_t to)
{
    switch (kind) {
    case CHILD_BYTE: return nfa_add_byte_edge(nfa, from, (uint8_t)value, to);
    case CHILD_SET: return nfa_add_set_edge(nfa, from, &nfa->sets[value], to);
    case CHILD_STAR:
        nfa->nodes[from].star = to;
        nfa->nodes[to].loop = NFA_LOOP_NAME;
        return 0;
    case CHILD_ANY:
        nfa->nodes[from].star = to;
        nfa->nodes[to].loop = NFA_LOOP_ALL;
        return 0;
    case CHILD_DEEP: return make_deep(nfa, from, to);
    case CHILD_BENEATH:
        nfa->nodes[to].loop = NFA_LOOP_ALL;
        return add_edge(nfa, from, (struct nfa_edge){.kind = NFA_NAME, .target = to});
    }
    return -EINVAL;
}

static int child(struct nfa *nfa, uint32_t from, enum child_kind kind, uint16_t value,
                 uint32_t *ret_to)
{
    uint64_t key = (uint64_t)from << 32 | (uint64_t)kind << 16 | value;
    void *known = map_get_u64(nfa->children, key);
    uint32_t to;
    int r;

    if (known) {
        *ret_to = (uint32_t)(uintptr_t)known;
        return 0;
    }
    r = nfa_add_node(nfa, &to);
    if (r < 0)
        return r;
    r = link_child(nfa, from, kind, value, to);
    if (r < 0)
        return r;
    r = map_put_u64(nfa->children, key, (void *)(uintptr_t)to);
    if (r < 0)
        return r;
    *ret_to = to;
    return 0;
}

int nfa_add_glob(struct nfa *nfa, uint32_t start, const struct glob *glob, uint32_t mark)
{
    static const enum child_kind kinds[] = {
        [GLOB_BYTE] = CHILD_BYTE, [GLOB_SET] = CHILD_SET,         [GLOB_STAR] = CHILD_STAR,
        [GLOB_DEEP] = CHILD_DEEP, [GLOB_BENEATH] = CHILD_BENEATH, [GLOB_ANY] = CHILD_ANY,
    };
    uint32_t node = start;
    int r;

    for (size_t i = 0; i < glob->n; i++) {
        const struct glob_item *item = &glob->items[i];
        uint16_t value = 0;

        if (item->kind == GLOB_BYTE) {
            value = item->byte;
        } else if (item->kind == GLOB_SET) {
            r = intern_set(nfa, &glob->sets[item->set], &value);
            if (r < 0)
                return r;
        }
        r = child(nfa, node, kinds[item->kind], value, &node);
        if (r < 0)
            return r;
    }
    return nfa_add_mark(nfa, node, mark);
}

static void sort_unique(struct nfa_list *l)
{
    size_t n = 0;

    // Most lists are short and nearly in order.
    if (l->n <= 16) {
        for (size_t i = 1; i < l->n; i++)
            for (size_t j = i; j > 0 && l->items[j - 1] > l->items[j]; j--) {
                uint32_t swap = l->items[j];

                l->items[j] = l->items[j - 1];
                l->items[j - 1] = swap;
            }
    } else {
        qsort(l->items, l->n, sizeof(*l->items), compare_u32);
    }
    for (size_t i = 0; i < l->n; i++)
        if (n == 0 || l->items[n - 1] != l->items[i])
            l->items[n++] = l->items[i];
    l->n = n;
}

static int list_add(struct nfa_list *l, uint32_t node)
{
    if (!GREEDY(l->items, l->cap, l->n + 1))
        return -ENOMEM;
    l->items[l->n++] = node;
    return 0;
}

static uint32_t join_owners(uint32_t a, uint32_t b)
{
    if (a == NFA_OWNER_NONE || a == b)
        return b;
    return b == NFA_OWNER_NONE ? a : NFA_OWNER_MANY;
}

int nfa_set_owners(struct nfa *nfa, const uint32_t *owner_of_mark)
{
    uint32_t *owners = new0(uint32_t, nfa->n_nodes);

    if (!owners)
        return -ENOMEM;
    for (size_t n = 0; n < nfa->n_nodes; n++)
        owners[n] = NFA_OWNER_NONE;
    // A node was made before those that it leads to, except for the way back from behind a name to
    // "**".
    for (size_t n = nfa->n_nodes; n-- > 1;) {
        const struct nfa_node *node = &nfa->nodes[n];
        uint32_t owner = NFA_OWNER_NONE;

        for (uint32_t m = node->marks; m != NFA_NONE; m = nfa->marks[m].next)
            owner = join_owners(owner, owner_of_mark[nfa->marks[m].id]);
        for (uint32_t e = node->edges; e != NFA_NONE; e = nfa->edges[e].next)
            owner = join_owners(owner, owners[nfa->edges[e].target]);
        if (node->star != NFA_NONE)
            owner = join_owners(owner, owners[node->star]);
        if (node->deep != NFA_NONE)
            owner = join_owners(owner, owners[node->deep]);
        owners[n] = owner;
    }
    for (size_t n = 1; n < nfa->n_nodes; n++)
        for (uint32_t e = nfa->nodes[n].edges; e != NFA_NONE; e = nfa->edges[e].next)
            if (nfa->edges[e].target < n)
                owners[n] = owners[nfa->edges[e].target];
    free(nfa->owners);
    nfa->owners = owners;
    nfa->n_owners = nfa->n_nodes;
    return 0;
}

static uint32_t owner_of(const struct nfa *nfa, uint32_t node)
{
    return node < nfa->n_owners ? nfa->owners[node] : NFA_OWNER_MANY;
}

// The owner that a node makes certain of everything that follows.
static uint32_t certain_owner(const struct nfa *nfa, uint32_t id)
{
    const struct nfa_node *node = &nfa->nodes[id];
    uint32_t owner = owner_of(nfa, id);

    return node->loop == NFA_LOOP_ALL && node->marks != NFA_NONE && owner != NFA_OWNER_MANY
               ? owner
               : NFA_OWNER_NONE;
}

// Drops, from a sorted list, what adds nothing to a certain node in it.
static void drop_covered(const struct nfa *nfa, struct nfa_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        uint32_t owner = certain_owner(nfa, l->items[i]), by = l->items[i];
        size_t kept = 0;

        if (owner == NFA_OWNER_NONE)
            continue;
        for (size_t k = 0; k < l->n; k++)
            if (l->items[k] == by || owner_of(nfa, l->items[k]) != owner)
                l->items[kept++] = l->items[k];
        l->n = kept;
        // What was in front of it may be gone: go on behind it.
        while (i >= l->n || l->items[i] != by)
            i--;
    }
}

int nfa_close(const struct nfa *nfa, struct nfa_list *list)
{
    int r;

    sort_unique(list);
    // What is added at the end is looked at in its turn. It ends: the nodes are a tree, and two
    // stars never follow one another.
    for (size_t i = 0; i < list->n; i++) {
        const struct nfa_node *node = &nfa->nodes[list->items[i]];

        if (node->star != NFA_NONE) {
            r = list_add(list, node->star);
            if (r < 0)
                return r;
        }
        if (node->deep != NFA_NONE) {
            r = list_add(list, node->deep);
            if (r < 0)
                return r;
        }
    }
    sort_unique(list);
    if (nfa->owners)
        drop_covered(nfa, list);
    return 0;
}

static bool edge_reads(const struct nfa *nfa, const struct nfa_edge *e, uint8_t byte)
{
    switch (e->kind) {
    case NFA_BYTE: return e->byte == byte;
    case NFA_NAME: return glob_set_has(&glob_name_bytes, byte);
    default: return glob_set_has(&nfa->sets[e->set], byte);
    }
}

int nfa_step(const struct nfa *nfa, const struct nfa_list *from, uint8_t byte,
             struct nfa_list *ret_to)
{
    int r;

    ret_to->n = 0;
    for (size_t i = 0; i < from->n; i++) {
        const struct nfa_node *node = &nfa->nodes[from->items[i]];

        if (node->loop == NFA_LOOP_ALL ||
            (node->loop == NFA_LOOP_NAME && glob_set_has(&glob_name_bytes, byte))) {
            r = list_add(ret_to, from->items[i]);
            if (r < 0)
                return r;
        }
        for (uint32_t e = node->edges; e != NFA_NONE; e = nfa->edges[e].next)
            if (edge_reads(nfa, &nfa->edges[e], byte)) {
                r = list_add(ret_to, nfa->edges[e].target);
                if (r < 0)
                    return r;
            }
    }
    return nfa_close(nfa, ret_to);
}

int nfa_run(const struct nfa *nfa, uint32_t start, const char *text, size_t len,
            struct nfa_list *ret_to)
{
    _cleanup_(nfa_list_done) struct nfa_list at = {}, next = {};
    int r;

    r = list_add(&at, start);
    if (r < 0)
        return r;
    r = nfa_close(nfa, &at);
    for (size_t i = 0; r == 0 && i < len && at.n > 0; i++) {
        struct nfa_list swap = at;

        r = nfa_step(nfa, &swap, (uint8_t)text[i], &next);
        at = next;
        next = swap;
    }
    if (r < 0)
        return r;
    nfa_list_done(ret_to);
    *ret_to = at;
    at = (struct nfa_list){};
    return 0;
}
