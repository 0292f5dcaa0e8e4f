// SPDX-License-Identifier: Apache-2.0
//
// Stages of roll-outs as they are stored.
#pragma once

#include "registry/rollout.h"

// -EUCLEAN: not what was written.
int stages_parse(const char *text, struct rollout_stage *stages, unsigned *ret_n);
