// SPDX-License-Identifier: Apache-2.0
//
// sg-random from inside.
//
//   generate.c  policies and names by chance      model.c   which files there are
//   hands.c     the processes that ask            expect.c  what `policy explain` says of a case
//   random.c    the cases, and what the kernel made of them
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "cli/case.h"
#include "force.h"
#include "hand.h"

#define ROOT "/srv/r" // the tree that policies are about
#define EXES "/srv/x" // programs of the hands

// generate.c -------------------------------------------------------------------------------------------

struct chance {
    uint64_t state;
};

uint32_t chance_below(struct chance *c, uint32_t n);
static inline bool chance_percent(struct chance *c, uint32_t percent)
{
    return chance_below(c, 100) < percent;
}
#define CHANCE_PICK(c, list) (list)[chance_below(c, ARRAY_SIZE(list))]

// A name of a file; few of them, so that patterns meet.
const char *generate_name(struct chance *c);
void generate_policy(struct chance *c, struct strbuf *ret_yaml);

// model.c ----------------------------------------------------------------------------------------------

enum kind { KIND_NONE, KIND_FILE, KIND_DIR, KIND_OTHER };

#define NODES_MAX 512
#define NAMES_MAX 8 // that a file with several names has had under one policy

struct node {
    char path[HAND_PATH];
    enum kind kind;
    uint32_t group; // files that are one; 0: has one name
};

// Names that a file has, or had while it had several: what any of them is worth counts.
struct name_group {
    char names[NAMES_MAX][HAND_PATH];
    size_t n, n_now;
};

struct model {
    struct node nodes[NODES_MAX];
    size_t n;
    struct name_group groups[NODES_MAX]; // [0]: none
    size_t n_groups;
};

// Removes what there is and makes another tree. 0 or a negative errno.
int model_make(struct model *m, struct chance *c);
struct node *model_pick(struct model *m, struct chance *c, enum kind kind);
struct node *model_find(struct model *m, const char *path);
// Is there a file with several names beneath a directory?
bool model_linked_beneath(const struct model *m, const char *path);
// A name that is free, in a directory that there is. False: none was found.
bool model_free_name(struct model *m, struct chance *c, char ret_path[HAND_PATH]);
// What an access that was done has changed.
void model_did(struct model *m, const struct hand_order *o);
// Under a new policy only the names that there are count.
void model_forget_names(struct model *m);

// hands.c ----------------------------------------------------------------------------------------------

#define HANDS 10

struct hand {
    int fd;
    int pid;    // that acts, in our pid namespace
    bool owner; // may change what belongs to others
    const char *what;
    struct case_facts own, fresh; // as itself, as a process that it forks
};

int hands_start(struct hand hands[HANDS]);
int hand_refresh(struct hand *h);                // its facts, read anew
int hand_move(struct hand *h, struct chance *c); // to another cgroup
int hand_do(const struct hand *h, const struct hand_order *o, struct hand_answer *ret);
void hands_stop(struct hand hands[HANDS]);

// expect.c ---------------------------------------------------------------------------------------------

struct expected {
    bool recorded; // by `rule`
    uint16_t rule;
    uint8_t verdict;
    bool monitor;
    uint32_t access;
    bool refused;
};

#define EXPECTED_MAX 3

// What becomes of an order under an image, system call by system call, up to one that is refused. Returns how many.
size_t expect(const struct policy_image *image, struct model *m, const struct hand_order *o,
              const struct case_facts *facts, struct expected ret[EXPECTED_MAX]);
