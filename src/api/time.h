// SPDX-License-Identifier: Apache-2.0
//
// Times in queries.
#pragma once

#include <stdint.h>

#include "base/error.h"

// Milliseconds since 1970 from: such a number, RFC 3339 ("2026-01-31T23:59:59Z", with a fraction or an offset), "now",
// "-1h" and the like (so long ago). -EINVAL with err.
int api_time_parse(const char *text, uint64_t *ret_ms, struct error *err);
