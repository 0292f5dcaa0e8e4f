// SPDX-License-Identifier: Apache-2.0
//
// All patterns of a policy as one nondeterministic automaton over bytes. Patterns share the nodes
// of what they have in common from the start, so that 10,000 literal paths are a trie and the
// subsets that dfa.h makes of it stay small. Private to the room.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/table.h"
#include "policy/glob.h"

#define NFA_NONE 0u // no node, edge or mark

enum nfa_loop {
    NFA_LOOP_NONE,
    NFA_LOOP_NAME, // every byte of a name leads back here
    NFA_LOOP_ALL,  // every byte leads back here
};

enum nfa_edge_kind {
    NFA_BYTE, // on `byte`
    NFA_NAME, // on every byte of a name
    NFA_SET,  // on the bytes of sets[set]
};

struct nfa_edge {
    uint32_t next; // of the same node; NFA_NONE ends
    uint32_t target;
    uint16_t set;
    uint8_t kind;
    uint8_t byte;
};

struct nfa_mark {
    uint32_t next;
    uint32_t id; // what the node accepts; the caller's numbers
};

struct nfa_node {
    uint32_t edges; // head of its list
    uint32_t marks;
    uint32_t star, deep; // nodes that are reached without reading
    uint8_t loop;        // enum nfa_loop
};

// Whom everything that a node leads to belongs to, when it is one rule or one path list.
#define NFA_OWNER_NONE UINT32_MAX
#define NFA_OWNER_MANY (UINT32_MAX - 1)

struct nfa {
    struct nfa_node *nodes; // node 0 is not used
    size_t n_nodes, cap_nodes;
    struct nfa_edge *edges;
    size_t n_edges, cap_edges;
    struct nfa_mark *marks;
    size_t n_marks, cap_marks;
    struct glob_set *sets;
    size_t n_sets, cap_sets;
    uint32_t *owners; // of the first n_owners nodes; those after them count as owned by many
    size_t n_owners;
    struct map *children; // (node, what is read) → node, for sharing
};

// A growing list of nodes.
struct nfa_list {
    uint32_t *items;
    size_t n, cap;
};

static inline void nfa_list_done(struct nfa_list *l)
{
    free(l->items);
    *l = (struct nfa_list){};
}

int nfa_new(struct nfa **ret_nfa);
struct nfa *nfa_free(struct nfa *nfa);
DEFINE_CLEANUP(struct nfa *, nfa_free)

// A node that nothing leads to: where a family of patterns starts.
int nfa_add_node(struct nfa *nfa, uint32_t *ret_node);

// Adds a pattern behind `start`; its end is marked with `mark`.
int nfa_add_glob(struct nfa *nfa, uint32_t start, const struct glob *glob, uint32_t mark);

int nfa_add_mark(struct nfa *nfa, uint32_t node, uint32_t mark);
int nfa_add_byte_edge(struct nfa *nfa, uint32_t from, uint8_t byte, uint32_t target);
int nfa_add_set_edge(struct nfa *nfa, uint32_t from, const struct glob_set *set, uint32_t target);

// Says whom the nodes that are there now belong to, from the owner of each mark. From then on a
// list of nodes in which an owner is certain of all that follows (its pattern ends in "**") holds
// no other node of that owner: without this, k such patterns of one rule make 2^k states.
int nfa_set_owners(struct nfa *nfa, const uint32_t *owner_of_mark);

// Replaces the list by all nodes that it reaches without reading; sorted, each once.
int nfa_close(const struct nfa *nfa, struct nfa_list *list);

// The closed list that is reached from a closed list by reading one byte, or a text.
int nfa_step(const struct nfa *nfa, const struct nfa_list *from, uint8_t byte,
             struct nfa_list *ret_to);
int nfa_run(const struct nfa *nfa, uint32_t start, const char *text, size_t len,
            struct nfa_list *ret_to);
