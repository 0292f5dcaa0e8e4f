// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer harness for src/flows: any bytes as what the kernel answers give rows within them, or an error.
#include <stdint.h>
#include <stdlib.h>

#include "flows/diag.h"

static int on_row(void *ctx, const struct diag_row *row)
{
    size_t *n = ctx;

    (*n)++;
    return row->rtt_us == 0xdeadbeef ? -1000 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = 0;

    (void)diag_parse(data, size, on_row, &n);
    // A message has a head and a row of its own.
    if (n * 16 > size)
        abort();
    return 0;
}
