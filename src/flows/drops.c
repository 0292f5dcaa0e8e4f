// SPDX-License-Identifier: Apache-2.0
//
// What the kernel has added up of dropped packets, with names.
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "flows/internal.h"

#define STEPS_MAX (4 * SG_DROPS_MAX)

void drops_done(struct drops *d)
{
    free(d->items);
    *d = (struct drops){};
}

static int by_key(const void *a, const void *b)
{
    return memcmp(&((const struct drop *)a)->key, &((const struct drop *)b)->key,
                  sizeof(struct sg_drop_key));
}

static int by_packets(const void *a, const void *b)
{
    const struct drop *x = a, *y = b;

    if (x->value.packets != y->value.packets)
        return x->value.packets < y->value.packets ? 1 : -1;
    return by_key(a, b);
}

// A walk that somebody made begin again has met some twice.
static void make_one_of_each(struct drops *d)
{
    size_t n = 0;

    if (d->n)
        qsort(d->items, d->n, sizeof(*d->items), by_key);
    for (size_t i = 0; i < d->n; i++)
        if (n == 0 || by_key(&d->items[n - 1], &d->items[i]) != 0)
            d->items[n++] = d->items[i];
    d->n = n;
    if (d->n)
        qsort(d->items, d->n, sizeof(*d->items), by_packets);
}

static int read_drops(const struct flows *f, struct drops *d)
{
    struct sg_drop_key key, *at = NULL;
    struct sg_drop_value value;

    for (size_t i = 0; i < STEPS_MAX && bpf_map_get_next_key(f->drops, at, &key) == 0; i++) {
        at = &key;
        if (bpf_map_lookup_elem(f->drops, &key, &value) < 0)
            continue;
        if (!GREEDY(d->items, d->cap, d->n + 1))
            return -ENOMEM;
        d->items[d->n++] = (struct drop){.key = key, .value = value};
    }
    return 0;
}

static int name_them(const struct flows *f, struct drops *d)
{
    _cleanup_free_ struct place *places = new0(struct place, d->n);
    _cleanup_fclose_ FILE *symbols = fopen("/proc/kallsyms", "re");

    if (!places)
        return -ENOMEM;
    for (size_t i = 0; i < d->n; i++)
        places[i].address = d->items[i].key.place;
    places_name(symbols, places, d->n);
    for (size_t i = 0; i < d->n; i++) {
        struct drop *drop = &d->items[i];

        (void)snprintf(drop->place, sizeof(drop->place), "%s", places[i].name);
        reason_name(f->reasons, drop->key.reason, drop->reason, sizeof(drop->reason));
    }
    return 0;
}

int flows_drops(struct flows *f, struct drops *ret)
{
    _cleanup_(drops_done) struct drops d = {};
    int r = read_drops(f, &d);

    if (r < 0)
        return r;
    make_one_of_each(&d);
    r = d.n ? name_them(f, &d) : 0;
    if (r < 0)
        return r;
    *ret = d;
    d = (struct drops){};
    return 0;
}
