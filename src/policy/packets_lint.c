// SPDX-License-Identifier: Apache-2.0
//
// Rules about packets that are allowed and probably not meant: those that can never match, and those that take from a host what it
// cannot do without.
#include <string.h>

#include "base/strutil.h"
#include "policy/packets.h"

static bool covers_prefix(const struct packet_prefix *a, const struct packet_prefix *b)
{
    unsigned bytes = a->bits / 8, bits = a->bits % 8;
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    // What IPv6 says is not said of IPv4 (a->bits below 96 is of IPv6 alone).
    if (a->bits < 96 && b->bits >= 96 && memcmp(b->addr, mapped, sizeof(mapped)) == 0)
        return false;
    return a->bits <= b->bits && memcmp(a->addr, b->addr, bytes) == 0 &&
           (!bits || (a->addr[bytes] ^ b->addr[bytes]) >> (8 - bits) == 0);
}

static bool covers_end(const struct packet_end *a, const struct packet_end *b)
{
    if (a->first > b->first || a->last < b->last)
        return false;
    if (a->n_prefixes == 0)
        return true;
    for (size_t i = 0; i < b->n_prefixes; i++) {
        bool found = false;

        for (size_t k = 0; !found && k < a->n_prefixes; k++)
            found = covers_prefix(&a->prefixes[k], &b->prefixes[i]);
        if (!found)
            return false;
    }
    return b->n_prefixes > 0;
}

static bool covers_ends(const struct packet_end *a, size_t n_a, const struct packet_end *b,
                        size_t n_b)
{
    static const struct packet_end any = {.last = PACKET_PORT_MAX};

    if (n_a == 0)
        return true;
    if (n_b == 0)
        b = &any, n_b = 1;
    for (size_t i = 0; i < n_b; i++) {
        bool found = false;

        for (size_t k = 0; !found && k < n_a; k++)
            found = covers_end(&a[k], &b[i]);
        if (!found)
            return false;
    }
    return true;
}

static bool covers_interfaces(const struct packet_rule *a, const struct packet_rule *b)
{
    for (size_t i = 0; i < b->n_interfaces; i++) {
        bool found = a->n_interfaces == 0 && !streq(b->interfaces[i], "lo");

        for (size_t k = 0; !found && k < a->n_interfaces; k++)
            found = streq(a->interfaces[k], b->interfaces[i]);
        if (!found)
            return false;
    }
    return b->n_interfaces > 0 || a->n_interfaces == 0;
}

// No bit at all is any.
static bool covers_bits(const uint64_t *a, const uint64_t *b, size_t n)
{
    uint64_t all_a = 0, all_b = 0, more = 0;

    for (size_t i = 0; i < n; i++) {
        all_a |= a[i];
        all_b |= b[i];
        more |= b[i] & ~a[i];
    }
    return !all_a || (all_b && !more);
}

static bool hides(const struct packet_rule *a, const struct packet_rule *b)
{
    // One that rewrites addresses is about its own family only.
    if (a->actions & SG_PACKET_DO_ADDRESS &&
        (!(b->actions & SG_PACKET_DO_ADDRESS) || a->family != b->family))
        return false;
    return (a->in || !b->in) && (a->out || !b->out) && covers_interfaces(a, b) &&
           covers_bits(a->protocols, b->protocols, 4) && covers_bits(&a->dscps, &b->dscps, 1) &&
           covers_ends(a->from, a->n_from, b->from, b->n_from) &&
           covers_ends(a->to, a->n_to, b->to, b->n_to);
}

static void warn_hidden(struct loader *ld, const struct packet_draft *d,
                        const struct packet_draft *front)
{
    struct policy_diag *w = read_warning_at(
        ld, d->pos, "this rule can never match: the rule at line %u%s%s decides all its packets",
        front->rule.line, front->rule.file != d->rule.file ? " of " : "",
        front->rule.file != d->rule.file ? ld->files[front->rule.file].path : "");

    policy_diag_cure(ld->diags, w, "put it in front of that one, or take it out");
}

// Does the rule drop this, whoever is at the other end?
enum { IN = 0, OUT = 1 };

static const struct essential {
    bool out;
    uint8_t protocol;
    uint16_t port;
    const char *fails;
} essentials[] = {
#define ESSENTIAL_PACKET(direction, protocol, port, fails) {direction, protocol, port, fails},
#include "policy/essentials.def"
};

static bool drops(const struct packet_rule *r, const struct essential *e)
{
    const uint64_t protocol[4] = {[0] = UINT64_C(1) << e->protocol};
    const struct packet_end port = {.first = e->port, .last = e->port};

    return r->n_interfaces == 0 && r->actions & SG_PACKET_DO_DROP &&
           !(r->actions & SG_PACKET_DO_MONITOR) && (e->out ? r->out : r->in) && !r->dscps &&
           covers_bits(r->protocols, protocol, 4) && covers_ends(r->from, r->n_from, NULL, 0) &&
           (r->n_to == 0 || covers_ends(r->to, r->n_to, &port, 1));
}

static bool spares(const struct packet_rule *r, const struct essential *e)
{
    return !(r->actions & (SG_PACKET_DO_DROP | SG_PACKET_DO_MONITOR)) &&
           (e->out ? r->out : r->in) &&
           (!(r->protocols[0] | r->protocols[1] | r->protocols[2] | r->protocols[3]) ||
            r->protocols[0] >> e->protocol & 1);
}

static void warn_cut(struct loader *ld, size_t i)
{
    const struct packet_rule *rule = &ld->packets[i].rule;
    _cleanup_(sb_done) struct strbuf fails = {};
    struct policy_diag *w;

    for (size_t k = 0; k < ARRAY_SIZE(essentials); k++) {
        bool spared = !drops(rule, &essentials[k]);

        for (size_t front = 0; !spared && front < i; front++)
            spared = spares(&ld->packets[front].rule, &essentials[k]);
        if (!spared)
            sb_printf(&fails, "%s%s", fails.len ? ", " : "", essentials[k].fails);
    }
    if (!fails.len)
        return;
    w = read_warning_at(ld, ld->packets[i].pos, "this rule drops it from everybody: %s",
                        sb_str(&fails));
    policy_diag_cure(ld->diags, w,
                     "allow what is needed in front of it, or try it first with `mode: monitor`");
}

void packets_lint(struct loader *ld)
{
    if (ld->bad)
        return;
    for (size_t i = 0; i < ld->n_packets; i++) {
        bool hidden = false;

        for (size_t front = 0; !hidden && front < i; front++) {
            hidden = hides(&ld->packets[front].rule, &ld->packets[i].rule);
            if (hidden)
                warn_hidden(ld, &ld->packets[i], &ld->packets[front]);
        }
        if (!hidden)
            warn_cut(ld, i);
    }
}
