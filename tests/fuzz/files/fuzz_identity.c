// SPDX-License-Identifier: Apache-2.0
//
// What the kernel says of descriptors and mounts: nothing reads past the end, and an id that is found stands there.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "files/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    // Of exactly that size, so that whoever reads on is found out.
    _cleanup_free_ char *text = memdup(data, size);
    uint64_t value = 0;

    if (!text)
        return 0;
    if (identity_fdinfo(text, size, "ino:\t", &value) == 0 && !memmem(text, size, "ino:\t", 5))
        abort();
    for (uint64_t id = 0; id < 40; id++) {
        if (identity_mount_dev(text, size, id) && !memchr(text, ':', size))
            abort();
    }
    return 0;
}
