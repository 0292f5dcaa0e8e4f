// SPDX-License-Identifier: Apache-2.0
//
// Random patterns over a small alphabet, and paths that have a chance to match them.
#pragma once

#include "tests/unit/policy/reference.h"

#define REF_TEXT 256 // room for a pattern, or a path

// Appends to a text; fails the test when there is no room.
void ref_add(char *text, const char *more);

void ref_pattern(struct ref_random *r, char *text);
void ref_path(struct ref_random *r, char *text);

// A path made from a pattern, so that matches are not rare.
void ref_path_from(struct ref_random *r, const char *pattern, char *text);
