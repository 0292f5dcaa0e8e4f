// SPDX-License-Identifier: Apache-2.0
/*
 * sg-do: single things that a VM case wants done and that no ordinary tool does. Each is a row of do.def; a row's function
 * gets the words behind its name. Exit status: 0 done; 1 refused (EPERM, EACCES); 77 this kernel does not have it; 2 anything
 * else, with a message.
 *
 * Never: knows what safeguard is, or leaves anything running.
 */
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stddef.h>

enum { DONE = 0, REFUSED = 1, FAILED = 2, ABSENT = 77 };

/* What a failed call means, by errno, with a message on standard error. */
int do_failed(const char *what);

#define DO(name, function, n_words, help) int function(char **words);
#include "do.def"
#undef DO
