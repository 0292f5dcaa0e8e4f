// SPDX-License-Identifier: Apache-2.0
//
// Questions to the person at the terminal. The terminal is asked, not standard input, unless a password is to come from there. For
// programs; prints nothing but the question.
#pragma once

#include <stdbool.h>

#include "base/error.h"

#define PASSWORD_MAX 1024 // bytes

// A password, not shown while it is typed; with from_stdin the first line of standard input. "" for an empty line. The caller
// wipes (prompt_wipep) what it gets. -ENOTTY: there is no terminal; -ENODATA: standard input has ended; -EINTR: Ctrl-C; -E2BIG.
int prompt_password(const char *question, bool from_stdin, char **ret_password, struct error *err);

// One that is to be set: asked for twice at a terminal. -EINVAL: the two differ.
int prompt_new_password(bool from_stdin, char **ret_password, struct error *err);

void prompt_wipep(char **password);

// "yes" typed out. 1, 0, -ENOTTY.
int prompt_yes(const char *question, struct error *err);
