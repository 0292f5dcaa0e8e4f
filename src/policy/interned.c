// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "policy/compiler.h"

int interned_init(struct interned *in, size_t size)
{
    *in = (struct interned){.size = size};
    return map_new(MAP_STR, 0, NULL, &in->index);
}

void interned_done(struct interned *in)
{
    free(in->items);
    map_free(in->index);
    *in = (struct interned){};
}

int interned_get(struct interned *in, const void *record, size_t max, uint32_t *ret_index)
{
    void *known = map_get_mem(in->index, record, in->size);
    int r;

    if (known) {
        *ret_index = (uint32_t)((uintptr_t)known - 1);
        return 0;
    }
    if (in->n >= max)
        return -E2BIG;
    if (!grow(&in->items, &in->cap, in->n + 1, in->size))
        return -ENOMEM;
    r = map_put_mem(in->index, record, in->size, (void *)(uintptr_t)(in->n + 1));
    if (r < 0)
        return r;
    memcpy((char *)in->items + in->n * in->size, record, in->size);
    *ret_index = (uint32_t)in->n++;
    return 0;
}
