// SPDX-License-Identifier: Apache-2.0
//
// Patterns as a file system reads them in which "SECRET" and "secret" are one file: nodes of nfa.h get twins that
// read what the file system takes for the same. Private to the room.
//
//   letters    either way
//   others     bytes above 0x7f in a pattern stand for any text: which of them are one letter is the file system's
//              own table
//   unicode    besides, bytes above 0x7f in a name stand for nothing or for any one letter of the pattern: "K" (the
//              sign for kelvin) is a k, "ﬁ" is f and i, some characters do not count at all
//
// Through a twin a pattern may match more than what the file system takes for the same name. It matches no less, if its
// own letters are written as one character each ("é", not "e" with an accent behind it, "ss" and not "ß" for either).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/table.h"
#include "policy/nfa.h"

// Twins that were made, so that superblocks share them. A zeroed structure has none.
struct fold {
    struct map *twins[2]; // node → twin, by `unicode`
    struct nfa_list open; // twins whose edges are still to be made: node, twin
};

// The twins of a closed list; they mark what its nodes mark. 0 or -ENOMEM, -E2BIG.
int fold_nodes(struct fold *f, struct nfa *nfa, bool unicode, const struct nfa_list *from,
               struct nfa_list *ret_to);
void fold_done(struct fold *f);
