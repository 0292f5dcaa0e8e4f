// SPDX-License-Identifier: Apache-2.0
//
// What rpm writes of its packages: whatever is found of it has a name and a version.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "files/packages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    // Of exactly that size, so that whoever reads on is found out.
    _cleanup_free_ char *text = memdup(data, size);
    _cleanup_(packages_freep) struct packages *p = NULL;

    if (!text || packages_new(&p) < 0)
        return 0;
    if (packages_add_rpm(p, text, size) < 0 || packages_finish(p) < 0)
        abort();
    for (size_t at = 0; at < size; at++) {
        const char *end = text[at] == '/' ? memchr(text + at, '\n', size - at) : NULL;
        struct bytes name, version;

        if (!end || !packages_find(p, (struct bytes){text + at, (uint32_t)(end - text - (long)at)},
                                   &name, &version))
            continue;
        if (name.len == 0 || version.len == 0 || name.s[name.len] || version.s[version.len])
            abort();
    }
    return 0;
}
