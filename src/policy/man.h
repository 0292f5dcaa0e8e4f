// SPDX-License-Identifier: Apache-2.0
//
// The manual page of the policy language, from the tables that its reader goes by.
#pragma once

#include "base/strbuf.h"

// safeguard-policy(5) as roff.
void policy_man(struct strbuf *sb);
