// SPDX-License-Identifier: Apache-2.0
//
// What the host passes on for others, as the kernel has added it up.
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"
#include "flows/internal.h"

#define STEPS_MAX (4 * SG_FORWARDS_MAX)

void forwards_done(struct forwards *d)
{
    free(d->items);
    *d = (struct forwards){};
}

static int by_key(const void *a, const void *b)
{
    return memcmp(&((const struct forward *)a)->key, &((const struct forward *)b)->key,
                  sizeof(struct sg_forward_key));
}

static int by_bytes(const void *a, const void *b)
{
    const struct forward *x = a, *y = b;

    if (x->value.bytes != y->value.bytes)
        return x->value.bytes < y->value.bytes ? 1 : -1;
    return by_key(a, b);
}

int flows_forwards(struct flows *f, struct forwards *ret)
{
    _cleanup_(forwards_done) struct forwards d = {};
    struct sg_forward_key key, *at = NULL;
    struct sg_forward_value value;
    size_t n = 0;

    for (size_t i = 0; i < STEPS_MAX && bpf_map_get_next_key(f->forwards, at, &key) == 0; i++) {
        at = &key;
        if (bpf_map_lookup_elem(f->forwards, &key, &value) < 0)
            continue;
        if (!GREEDY(d.items, d.cap, d.n + 1))
            return -ENOMEM;
        d.items[d.n++] = (struct forward){.key = key, .value = value};
    }
    // A walk that somebody made begin again has met some twice.
    if (d.n)
        qsort(d.items, d.n, sizeof(*d.items), by_key);
    for (size_t i = 0; i < d.n; i++)
        if (n == 0 || by_key(&d.items[n - 1], &d.items[i]) != 0)
            d.items[n++] = d.items[i];
    d.n = n;
    if (d.n)
        qsort(d.items, d.n, sizeof(*d.items), by_bytes);
    *ret = d;
    d = (struct forwards){};
    return 0;
}

void flows_forwards_forget(struct flows *f, uint64_t now_ns)
{
    struct sg_forward_key key, next;
    struct sg_forward_value value;
    bool more = bpf_map_get_next_key(f->forwards, NULL, &next) == 0;

    for (size_t i = 0; more && i < STEPS_MAX; i++) {
        key = next;
        // Before this one goes: behind a key that is not there the walk begins again.
        more = bpf_map_get_next_key(f->forwards, &key, &next) == 0;
        if (bpf_map_lookup_elem(f->forwards, &key, &value) == 0 &&
            value.last_ns + FORWARDS_KEPT_NS < now_ns)
            (void)bpf_map_delete_elem(f->forwards, &key);
    }
}
