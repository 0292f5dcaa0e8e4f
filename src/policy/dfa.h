// SPDX-License-Identifier: Apache-2.0
//
// The deterministic automaton: subsets of the nodes of nfa.h. State 0 is dead. Bounded in states,
// memory and time, because a few wildcards can ask for more states than there are atoms. Private to
// the room.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "policy/nfa.h"

#define DFA_DEAD      0u
#define DFA_NODES_MAX ((size_t)32 << 20) // nodes in all subsets: 128 MiB

struct dfa_limits {
    uint32_t max_states;
    size_t max_bytes;  // of states and edges in the image
    uint64_t deadline; // processor time of this thread in ns; 0: none
};

enum dfa_stop {
    DFA_COMPLETE,
    DFA_TOO_MANY_STATES,
    DFA_TOO_MANY_BYTES,
    DFA_TOO_LONG,
};

struct dfa_edge {
    uint32_t next;
    uint8_t byte;
};

struct dfa_state {
    size_t nodes; // its subset: first in dfa.nodes
    uint32_t n_nodes;
    uint32_t hash;
    uint32_t dflt;    // next state for every byte without an edge
    uint32_t n_edges; // sorted by byte; none leads to dflt
    size_t edges;     // first in dfa.edges
};

struct dfa {
    const struct nfa *nfa; // on loan
    struct dfa_state *states;
    size_t n_states, cap_states;
    struct dfa_edge *edges;
    size_t n_edges, cap_edges;
    uint32_t *nodes;
    size_t n_nodes, cap_nodes;
    uint32_t *slots; // hash table of the subsets
    size_t n_slots;
    enum dfa_stop stop; // why it is not complete
};

// The automaton for all starts (lists as nfa_close() leaves them); ret_starts gets the state of
// each. 0; -E2BIG when a limit was reached: then *ret_dfa is the part that was made and `stop` says
// why; -ENOMEM.
int dfa_build(const struct nfa *nfa, const struct nfa_list *starts, size_t n_starts,
              const struct dfa_limits *limits, uint32_t *ret_starts, struct dfa **ret_dfa);

struct dfa *dfa_free(struct dfa *dfa);
DEFINE_CLEANUP(struct dfa *, dfa_free)

uint32_t dfa_next(const struct dfa *dfa, uint32_t state, uint8_t byte);

// Processor time of the calling thread, for deadlines.
uint64_t dfa_now(void);
