// SPDX-License-Identifier: Apache-2.0
//
// What the host says about itself, for the head of every record. Called once at start by the agent
// and the command line.
#pragma once

#include "model/host.h"

// Reads below `root` ("" for the running system; a test's directory): os-release, machine-id, boot
// id. What is not there stays "". -EINVAL: no boot id, without which no process can be named.
int host_read(const char *root, struct host *ret_host);
