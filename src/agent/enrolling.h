// SPDX-License-Identifier: Apache-2.0
//
// `safeguard-agent enrol`: makes this host known to a server with a token that somebody got there. Writes the identity into
// the state directory, where a running agent finds it. Called by main.c.
#pragma once

#include "agent/config.h"
#include "base/error.h"
#include "base/options.h"

// The options beside those of the settings.
extern const struct options enrol_options_table;

// Whether this is what a host is told apart from others by: -EINVAL with err, and what to do, when it is nothing, or what an
// image has in place of one.
int enrolling_machine_id(const char *id, struct error *err);

// argv[0] is the word "enrol". Returns the status of the program.
int enrol_main(int argc, char **argv);
