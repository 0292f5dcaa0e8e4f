// SPDX-License-Identifier: Apache-2.0
//
// Labels of hosts and selectors over them. A selector is a list of terms, all of which have to hold:
//
//     env=prod, role!=db, zone in (eu1, eu2), zone notin (us1), canary, !old
//
// An empty selector selects every host. `k!=v` and `k notin (…)` also hold where there is no k. Keys have 1 to 63
// letters, digits and any of . _ - /, values 0 to 63 of them (no blanks). No state; pure functions.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/strbuf.h"

#define LABELS_MAX          32   // of one host
#define LABEL_PART_MAX      63   // bytes of a key or value
#define SELECTOR_TEXT_MAX   2048 // bytes
#define SELECTOR_TERMS_MAX  32
#define SELECTOR_VALUES_MAX 64 // in one pair of brackets

struct label {
    char *key, *value;
};

// Sorted by key, each key once.
struct labels {
    struct label *items;
    size_t n;
};

void labels_done(struct labels *l);
const char *labels_get(const struct labels *l, const char *key); // NULL: not there

// A JSON object whose values are strings. -EINVAL with err; *ret is the caller's to give back with labels_done().
int labels_from_json(const char *json, struct labels *ret, struct error *err);
// "k=v", one at a time, for the command line: replaces an earlier value.
int labels_set(struct labels *l, const char *pair, struct error *err);
int labels_to_json(const struct labels *l, char **ret_json);

struct selector;

// NULL and "" select all. err has the column and what was expected there.
int selector_parse(const char *text, struct selector **ret, struct error *err);
struct selector *selector_free(struct selector *s);
DEFINE_CLEANUP(struct selector *, selector_free)
bool selector_matches(const struct selector *s, const struct labels *l);
// The selector in its one form: terms in their order, one blank after each comma. Parses to the same again.
int selector_format(const struct selector *s, char **ret_text);
