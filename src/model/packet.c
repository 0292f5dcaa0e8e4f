// SPDX-License-Identifier: Apache-2.0
#include "model/packet.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"

static int copy_ends(const struct packet_end *from, size_t n, const struct packet_end **ret)
{
    struct packet_end *to = new0(struct packet_end, n);

    *ret = to; // from here on it is the rule's, also when what follows fails
    if (!to)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        to[i] = from[i];
        to[i].prefixes = memdup(from[i].prefixes, from[i].n_prefixes * sizeof(*from[i].prefixes));
        if (!to[i].prefixes)
            return -ENOMEM;
    }
    return 0;
}

static int copy_text(const char *from, const char **ret)
{
    *ret = from ? xstrndup(from, strlen(from)) : NULL;
    return from && !*ret ? -ENOMEM : 0;
}

static int copy_rule(const struct packet_rule *from, struct packet_rule *to)
{
    const char **names = new0(const char *, from->n_interfaces);
    int r = names ? 0 : -ENOMEM;

    *to = *from;
    to->policy = to->route_interface = to->mirror = NULL;
    to->from = to->to = NULL;
    to->interfaces = names;
    for (size_t i = 0; r == 0 && i < from->n_interfaces; i++)
        r = copy_text(from->interfaces[i], &names[i]);
    r = r < 0 ? r : copy_ends(from->from, from->n_from, &to->from);
    r = r < 0 ? r : copy_ends(from->to, from->n_to, &to->to);
    r = r < 0 ? r : copy_text(from->policy, &to->policy);
    r = r < 0 ? r : copy_text(from->route_interface, &to->route_interface);
    return r < 0 ? r : copy_text(from->mirror, &to->mirror);
}

static void free_ends(const struct packet_end *ends, size_t n)
{
    for (size_t i = 0; ends && i < n; i++)
        free((void *)ends[i].prefixes);
    free((void *)ends);
}

struct packet_rules *packet_rules_free(struct packet_rules *rules)
{
    if (!rules)
        return NULL;
    for (size_t i = 0; i < rules->n; i++) {
        const struct packet_rule *r = &rules->items[i];

        for (size_t k = 0; r->interfaces && k < r->n_interfaces; k++)
            free((void *)r->interfaces[k]);
        free((void *)r->interfaces);
        free_ends(r->from, r->n_from);
        free_ends(r->to, r->n_to);
        free((void *)r->policy);
        free((void *)r->route_interface);
        free((void *)r->mirror);
    }
    free((void *)rules->items);
    free(rules);
    return NULL;
}

int packet_rules_copy(const struct packet_rules *from, struct packet_rules **ret)
{
    _cleanup_(packet_rules_freep) struct packet_rules *to = new0(struct packet_rules, 1);
    struct packet_rule *items = to ? new0(struct packet_rule, from->n) : NULL;
    int r = 0;

    if (!items)
        return -ENOMEM;
    to->items = items;
    for (; r == 0 && to->n < from->n; to->n++)
        r = copy_rule(&from->items[to->n], &items[to->n]);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(to);
    return 0;
}
