// SPDX-License-Identifier: Apache-2.0
//
// Passwords that the server makes for people who were given none.
#pragma once

#include "base/error.h"

#define PASSWORD_MADE_SIZE 25 // five groups of four, hyphens and a NUL

// Some 98 bits, in letters and digits that are not taken for one another.
int password_make(char ret[PASSWORD_MADE_SIZE], struct error *err);
