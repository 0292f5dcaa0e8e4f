// SPDX-License-Identifier: Apache-2.0
//
// What the steps of the compiler share: compile.c runs them in the order in which they stand here.
// Private to the room.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/policy.h"
#include "base/table.h"
#include "policy/arena.h"
#include "policy/comb.h"
#include "policy/compile.h"
#include "policy/dfa.h"
#include "policy/nfa.h"

// What the end of a pattern stands for.
struct mark {
    uint32_t rule;  // UINT32_MAX: an atom
    uint32_t what;  // number of the pattern in the rule, or of the atom
    bool alive;     // the rule decides something through this pattern
    uint16_t hider; // rule + 1 that took the last of it somewhere; 0: none
};

// The path lists of subjects.
struct atom {
    const struct policy_patterns *patterns; // on loan from the policy
    const char *const *paths;               // or a table of fixed paths; NULL ends
};

// The entries of an accept, shared by all states whose subsets end the same patterns.
struct entry_list {
    uint32_t first, n; // in entries
    uint32_t ops;
    uint32_t own; // its deny rules as an index into belows
    uint32_t atoms;
};

// What happened to a rule.
struct rule_fate {
    uint32_t alive;              // operations that it decides somewhere
    uint16_t hider[SG_OP_COUNT]; // rule + 1 that took the operation away; 0: none
};

// A rule's `by`, `not_by` and `to`: a predicate of the image.
struct asked {
    struct sg_pred pred;
    struct sg_target target;
    uint32_t reserved; // equal ones are equal bytes
};

// Records that are equal are kept once.
struct interned {
    void *items;
    size_t n, cap, size; // size: of one record
    struct map *index;
};

struct compiler {
    const struct policy *policy;
    const struct policy_mounts *mounts;
    struct policy_compile_options options;
    struct policy_diags *diags;
    struct policy_image *image;
    uint64_t started; // processor time

    // subjects.c
    uint16_t *subject_bit; // of every subject of the policy; UINT16_MAX: not used
    struct atom atoms[SG_ATOMS_MAX];
    uint32_t n_atoms;
    struct map *subject_index, *atom_index;
    struct sg_term *terms;
    size_t n_terms, cap_terms;
    struct interned asked; // struct asked: what rules ask of who acts and of whom they act on
    struct sg_pred *preds; // the same apart, by the number of struct asked
    struct sg_target *targets;
    size_t n_preds;
    bool any_target; // some rule asks for one
    uint16_t *rule_pred;
    uint64_t descendants[SG_SUBJECT_WORDS];
    uint32_t needs;
    uint64_t (*covers)[SG_PRED_WORDS]; // bit b of row a: a holds wherever b does

    // patterns.c
    struct nfa *nfa;
    uint32_t file_start, cgroup_start, env_start, control_start;
    uint64_t controls; // kinds that rules speak of, SG_CONTROL_NAMED
    struct mark *marks;
    size_t n_marks, cap_marks;

    // automaton.c
    struct dfa *dfa;
    uint32_t start, cgroup_state, env_state, control_state[SG_CONTROL_COUNT];
    struct policy_root *roots;
    size_t n_roots;

    // accepts.c
    struct interned entry_lists; // struct entry_list; 0 is the empty one
    struct interned belows;      // struct sg_below; 0 is empty
    struct interned atom_sets;   // struct sg_atoms; 0 is empty
    struct sg_entry *entries;
    size_t n_entries, cap_entries;
    uint32_t *list_of; // of every state: index into entry_lists
    struct rule_fate *fate;

    // belows.c
    uint32_t *below_of; // of every state

    // image.c
    struct interned accepts; // struct sg_accept; 0 is empty
    uint32_t *accept_of;
    struct comb comb;
};

int compile_subjects(struct compiler *c);
int compile_patterns(struct compiler *c);
int compile_automaton(struct compiler *c);
int compile_accepts(struct compiler *c);
int compile_belows(struct compiler *c);
int compile_image(struct compiler *c);
// Warnings of rules that can never match, that hide others, cost much, or lock people out.
int compile_lint(struct compiler *c);

// The number of a record that is equal to *record, which is added when it is new. -E2BIG at max.
int interned_get(struct interned *in, const void *record, size_t max, uint32_t *ret_index);
int interned_init(struct interned *in, size_t size);
void interned_done(struct interned *in);

// A diagnostic at a place in the policy, with its source line. NULL when it was only counted.
struct policy_diag *compile_diag(struct compiler *c, enum policy_severity severity,
                                 struct policy_pos pos, const char *fmt, ...) _printf_(4, 5);

// "10-base.yaml:12" of a rule.
const char *compile_rule_name(const struct compiler *c, uint32_t rule, char *buf, size_t size);

// A path on which the automaton is in `state`, for people. The caller frees. "" when there is none.
int compile_example(const struct compiler *c, uint32_t state, char **ret_path);
