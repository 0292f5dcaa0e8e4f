// SPDX-License-Identifier: Apache-2.0
//
// /proc/PID/stat: the name in it may be anything that a process calls itself.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "analysis/procstat.h"
#include "base/alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = xstrndup((const char *)data, size);
    struct procstat s;

    if (text && procstat_parse(text, &s) == 0 && s.comm_len > sizeof(s.comm))
        __builtin_trap();
    return 0;
}
