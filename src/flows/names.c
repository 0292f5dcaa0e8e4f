// SPDX-License-Identifier: Apache-2.0
#include "flows/names.h"

#include <bpf/btf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "base/strutil.h"

#define PREFIX         "SKB_DROP_REASON_"
#define REASONS_MAX    4096u
#define SUBSYSTEM_BITS 16 // include/net/dropreason.h: SKB_DROP_REASON_SUBSYS_SHIFT
#define FUNCTION_MAX   (UINT64_C(1) << 20)
#define LINE_BYTES     1024

struct reason_names {
    char **items; // by number; NULL: no name
    size_t n;
};

struct reason_names *reason_names_free(struct reason_names *n)
{
    if (!n)
        return NULL;
    for (size_t i = 0; i < n->n; i++)
        free(n->items[i]);
    free(n->items);
    free(n);
    return NULL;
}

static int add_reason(struct reason_names *n, size_t *cap, uint32_t number, const char *name)
{
    if (number >= REASONS_MAX || !name)
        return 0;
    if (!GREEDY(n->items, *cap, (size_t)number + 1))
        return -ENOMEM;
    n->n = MAX(n->n, (size_t)number + 1);
    name += str_startswith(name, PREFIX) ? strlen(PREFIX) : 0;
    free(n->items[number]);
    n->items[number] = xstrndup(name, 47);
    return n->items[number] ? 0 : -ENOMEM;
}

int reason_names_new(const struct btf *btf, struct reason_names **ret)
{
    _cleanup_(reason_names_freep) struct reason_names *n = new0(struct reason_names, 1);
    int id = btf__find_by_name_kind(btf, "skb_drop_reason", BTF_KIND_ENUM), r = 0;
    const struct btf_type *t = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
    size_t cap = 0;

    if (!n)
        return -ENOMEM;
    for (int i = 0; t && r == 0 && i < btf_vlen(t); i++)
        r = add_reason(n, &cap, (uint32_t)btf_enum(t)[i].val,
                       btf__name_by_offset(btf, btf_enum(t)[i].name_off));
    if (r < 0)
        return r;
    *ret = TAKE_PTR(n);
    return 0;
}

void reason_name(const struct reason_names *n, uint32_t reason, char *ret, size_t size)
{
    if (!reason)
        (void)snprintf(ret, size, "%s", "");
    else if (reason < n->n && n->items[reason])
        (void)snprintf(ret, size, "%s", n->items[reason]);
    else if (reason >> SUBSYSTEM_BITS)
        (void)snprintf(ret, size, "subsystem %u, %u", reason >> SUBSYSTEM_BITS,
                       reason & ((1u << SUBSYSTEM_BITS) - 1));
    else
        (void)snprintf(ret, size, "reason %u", reason);
}

static int by_address(const void *a, const void *b)
{
    const struct place *const *x = a, *const *y = b;

    return ((*x)->address > (*y)->address) - ((*x)->address < (*y)->address);
}

// "ffffffff81000000 T name" with more behind it. Code only: t, T, w, W.
static bool parse_symbol(char *line, uint64_t *ret_address, char **ret_name)
{
    char *end, *name;
    uint64_t address;

    errno = 0;
    address = strtoull(line, &end, 16);
    if (end == line || errno || !address || end[0] != ' ' || !end[1] || !strchr("tTwW", end[1]) ||
        end[2] != ' ')
        return false;
    name = end + 3;
    name[strcspn(name, " \t\n")] = '\0';
    *ret_address = address;
    *ret_name = name;
    return *name != '\0';
}

// The first place at or behind the address.
static size_t first_from(struct place *const *sorted, size_t n, uint64_t address)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (sorted[middle]->address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// Symbols come in no order: the nearest one before a place stays. `near` has what it begins at.
static void offer(struct place *const *sorted, uint64_t *near, size_t n, uint64_t address,
                  const char *name)
{
    for (size_t i = first_from(sorted, n, address); i < n; i++) {
        uint64_t offset = sorted[i]->address - address;

        if (offset >= FUNCTION_MAX)
            break;
        if (near[i] > address)
            continue;
        // Of two names for one function the first.
        if (near[i] == address)
            continue;
        near[i] = address;
        (void)snprintf(sorted[i]->name, sizeof(sorted[i]->name), "%.40s+0x%" PRIx64, name, offset);
    }
}

void places_name(FILE *symbols, struct place *places, size_t n)
{
    _cleanup_free_ struct place **sorted = new0(struct place *, n);
    _cleanup_free_ uint64_t *near = new0(uint64_t, n);
    char line[LINE_BYTES], *name;
    uint64_t address;

    for (size_t i = 0; i < n; i++)
        (void)snprintf(places[i].name, sizeof(places[i].name), "0x%" PRIx64, places[i].address);
    if (!sorted || !near || !symbols)
        return;
    for (size_t i = 0; i < n; i++)
        sorted[i] = &places[i];
    qsort(sorted, n, sizeof(*sorted), by_address);
    while (fgets(line, sizeof(line), symbols))
        if (parse_symbol(line, &address, &name))
            offer(sorted, near, n, address, name);
}
