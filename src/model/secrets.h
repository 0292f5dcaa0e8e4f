// SPDX-License-Identifier: Apache-2.0
//
// Passwords on command lines and in environments, overwritten before anybody keeps them: the table of processes and
// the records are made of what is left. What a secret is called is in secrets.def.
//
//   --db-password=hunter2        → --db-password=***         up to the end of the argument
//   --token hunter2              → --token ***               the next argument
//   user=a&password=b&x=1        → user=a&password=*&x=1     up to & ; , a blank or a quote
//   {"secret": "hunter2"}        → {"secret": "***"}         up to the same quote
//   https://ann:hunter2@host/    → https://ann:***@host/
//   Authorization: Bearer x.y.z  → Authorization: ***        all that follows
//
// Never longer than before, so that it is done in place. What has no name ("mysql -phunter2") cannot be known.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event;

// Arguments, each followed by NUL but for the last, which may be cut. Returns the new length.
uint32_t secrets_mask_args(char *args, uint32_t len);

// Variables "NAME=value", likewise. Names that begin with LD_ keep their values: they are paths, and say which code was
// put into a program.
uint32_t secrets_mask_env(char *env, uint32_t len);

// Both for what an event has in its arena.
void secrets_mask_event(struct event *ev);
