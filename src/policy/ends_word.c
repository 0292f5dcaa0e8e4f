// SPDX-License-Identifier: Apache-2.0
//
// Ends of sockets as words of the automaton, and patterns over these.
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "policy/ends.h"

#define GROUP_ANY  127u // the greatest number of a group
#define PORT_WIDTH 3
#define CUTS_MAX   5

STATIC_ASSERT(SG_NET_GROUPS(16) == PORT_WIDTH, "groups of a port");

// Numbers whose groups are each between two bounds.
struct cut {
    uint8_t from[PORT_WIDTH], to[PORT_WIDTH];
};

static void groups_of(uint32_t number, uint8_t out[PORT_WIDTH])
{
    for (size_t i = 0; i < PORT_WIDTH; i++)
        out[i] = number >> (7 * (PORT_WIDTH - 1 - i)) & 0x7f;
}

static void put_cut(struct cut *cuts, size_t *n, uint32_t from, uint32_t to)
{
    groups_of(from, cuts[*n].from);
    groups_of(to, cuts[*n].to);
    (*n)++;
}

// The parts of a range of ports in each of which the groups are independent of one another.
static size_t cut_ports(struct policy_range range, struct cut cuts[CUTS_MAX])
{
    uint32_t from = range.from, to = range.to;
    size_t n = 0;

    // Up to where the last group, then the last two, may be anything; and down again.
    for (uint32_t step = 1u << 7; step <= 1u << 14; step <<= 7) {
        uint32_t end = from | (step - 1);

        if (!(from & (step - 1)))
            continue;
        if (end >= to)
            break;
        put_cut(cuts, &n, from, end);
        from = end + 1;
    }
    for (uint32_t step = 1u << 14; step > 1 && from <= to; step >>= 7) {
        uint32_t start = (to + 1) & ~(step - 1);

        if (start <= from)
            continue;
        put_cut(cuts, &n, from, start - 1);
        from = start;
    }
    if (from <= to)
        put_cut(cuts, &n, from, to);
    return n;
}

static int add(struct glob *g, struct glob_item item)
{
    if (!GREEDY(g->items, g->cap, g->n + 1))
        return -ENOMEM;
    g->items[g->n++] = item;
    return 0;
}

static int add_byte(struct glob *g, uint8_t byte)
{
    return add(g, (struct glob_item){.kind = GLOB_BYTE, .byte = byte});
}

static int add_set(struct glob *g, const struct glob_set *set)
{
    if (!GREEDY(g->sets, g->cap_sets, g->n_sets + 1))
        return -ENOMEM;
    g->sets[g->n_sets] = *set;
    return add(g, (struct glob_item){.kind = GLOB_SET, .set = (uint16_t)g->n_sets++});
}

static int add_group(struct glob *g, unsigned from, unsigned to)
{
    struct glob_set set = {};

    if (from == to)
        return add_byte(g, SG_NET_GROUP(from));
    for (unsigned n = from; n <= to; n++)
        set.bits[SG_NET_GROUP(n) / 64] |= UINT64_C(1) << SG_NET_GROUP(n) % 64;
    return add_set(g, &set);
}

// Group `i` of an address of `width` bits, of which `bits` are given.
static int add_address_group(struct glob *g, const struct policy_prefix *p, unsigned width,
                             unsigned i)
{
    unsigned n = SG_NET_GROUPS(width), end = width - 7 * (n - 1 - i), first = i ? end - 7 : 0;
    unsigned from = 0, to = 0;

    for (unsigned bit = first; bit < end; bit++) {
        unsigned set = p->addr[bit / 8] >> (7 - bit % 8) & 1u;

        from = from << 1 | (bit < p->bits ? set : 0);
        to = to << 1 | (bit < p->bits ? set : 1);
    }
    return add_group(g, from, to);
}

static int add_protocol(struct glob *g, const uint64_t protocols[4])
{
    struct glob_set set;

    memcpy(set.bits, protocols, sizeof(set.bits));
    if (ENDS_PROTOCOLS_ANY(protocols)) {
        memset(set.bits, 0xff, sizeof(set.bits));
        set.bits[0] &= ~(UINT64_C(1) | UINT64_C(1) << '/');
    }
    return add_set(g, &set);
}

static bool any_port(const struct policy_ends *ends)
{
    return ends->ports.from == 0 && ends->ports.to == ENDS_PORT_MAX;
}

// The rest, behind an address of which `given` groups were put.
static int add_service(struct glob *g, const struct policy_ends *ends, unsigned missing,
                       const struct cut *cut)
{
    int r = 0;

    if (any_port(ends) && ENDS_PROTOCOLS_ANY(ends->protocols))
        return add(g, (struct glob_item){.kind = GLOB_ANY});
    for (unsigned i = 0; r == 0 && i < missing; i++)
        r = add_group(g, 0, GROUP_ANY);
    if (r == 0)
        r = add_protocol(g, ends->protocols);
    if (r == 0 && any_port(ends))
        return add(g, (struct glob_item){.kind = GLOB_ANY});
    for (unsigned i = 0; r == 0 && i < PORT_WIDTH; i++)
        r = add_group(g, cut->from[i], cut->to[i]);
    return r;
}

// A family as it is in words of rules that name some addresses.
static uint8_t given_family(uint8_t family)
{
    return family == SG_NET_IPV4 ? SG_NET_GIVEN4 : SG_NET_GIVEN6;
}

// The port stands in the last three groups of five.
static int add_vsock(struct glob *g, const struct policy_ends *ends, const struct policy_prefix *p,
                     const struct cut *cut)
{
    int r = add_byte(g, p->family);

    if (any_port(ends) && p->bits == 0)
        return r < 0 ? r : add(g, (struct glob_item){.kind = GLOB_ANY});
    for (unsigned i = 0; r == 0 && i < SG_NET_GROUPS(32); i++)
        r = p->bits ? add_address_group(g, p, 32, i) : add_group(g, 0, GROUP_ANY);
    if (r == 0 && any_port(ends))
        return add(g, (struct glob_item){.kind = GLOB_ANY});
    for (unsigned i = 0; r == 0 && i < SG_NET_GROUPS(32) - PORT_WIDTH; i++)
        r = add_group(g, 0, 0);
    for (unsigned i = 0; r == 0 && i < PORT_WIDTH; i++)
        r = add_group(g, cut->from[i], cut->to[i]);
    return r;
}

static int add_other(struct glob *g, const struct policy_prefix *p)
{
    int r = add_byte(g, p->family);

    for (unsigned i = 0; r == 0 && p->bits && i < SG_NET_GROUPS((unsigned)p->bits); i++)
        r = add_address_group(g, p, p->bits, i);
    return r < 0 || p->bits ? r : add(g, (struct glob_item){.kind = GLOB_ANY});
}

static int add_prefix(struct glob *g, const struct policy_ends *ends, const struct policy_prefix *p,
                      bool as_given, const struct cut *cut)
{
    unsigned width = p->family == SG_NET_IPV4 ? 32 : 128, n = SG_NET_GROUPS(width);
    unsigned ahead = 7 * n - width, given = (p->bits + ahead + 6) / 7;
    int r = add_byte(g, as_given ? given_family(p->family) : p->family);

    if (p->bits == 0)
        given = 0;
    for (unsigned i = 0; r == 0 && i < given; i++)
        r = add_address_group(g, p, width, i);
    return r < 0 ? r : add_service(g, ends, n - given, cut);
}

// No byte of a name is the one behind it, so that what stands for any number of bytes ends there.
static int add_name(struct glob *g, const struct policy_ends *ends, const struct cut *cut)
{
    int r = add_byte(g, SG_NET_NAME);

    if (r == 0 && ends->beneath) {
        r = add(g, (struct glob_item){.kind = GLOB_ANY});
        if (r == 0)
            r = add_byte(g, '.');
    }
    for (const char *p = ends->name; r == 0 && *p; p++)
        r = add_byte(g, (uint8_t)*p);
    if (r == 0)
        r = add_byte(g, SG_NET_END);
    return r < 0 ? r : add_service(g, ends, 0, cut);
}

// Does a rule name some addresses, and not all? What it says of them is not undone by a name (bpf/lib/network_name.bpf.h).
static bool gives_addresses(const struct policy_ends *ends)
{
    return ends->n_prefixes && !ends->wide && !ends_has_no_protocol(ends);
}

int ends_glob(const struct policy_ends *ends, size_t i, bool named, struct glob *g)
{
    // All that leads out of the host, or in; where a protocol or a port is asked for, what has these.
    static const struct policy_prefix everywhere[] = {{.family = SG_NET_IPV4},
                                                      {.family = SG_NET_IPV6},
                                                      {.family = SG_NET_VSOCK},
                                                      {.family = SG_NET_OTHER}};
    bool plain = any_port(ends) && ENDS_PROTOCOLS_ANY(ends->protocols);
    const struct policy_prefix *prefixes = ends->n_prefixes ? ends->prefixes : everywhere;
    size_t n = ends->name         ? 1
               : ends->n_prefixes ? ends->n_prefixes
               : plain            ? ARRAY_SIZE(everywhere)
                                  : 2,
           cuts = 1;
    struct cut cut[CUTS_MAX];
    bool as_given;

    if (ends->self)
        return i == 0 ? add_byte(g, SG_NET_SELF) : -ENOENT;
    if (!any_port(ends))
        cuts = cut_ports(ends->ports, cut);
    as_given = named && gives_addresses(ends) && i >= n * cuts;
    if (as_given)
        i -= n * cuts;
    if (i >= n * cuts)
        return -ENOENT;
    g->wild = true;
    if (ends->name)
        return add_name(g, ends, &cut[i]);
    if (prefixes[i / cuts].family == SG_NET_VSOCK)
        return add_vsock(g, ends, &prefixes[i / cuts], &cut[i % cuts]);
    if (prefixes[i / cuts].family == SG_NET_OTHER)
        return add_other(g, &prefixes[i / cuts]);
    return add_prefix(g, ends, &prefixes[i / cuts], as_given, &cut[i % cuts]);
}

static size_t put_service(const struct ends_asked *asked, char *word)
{
    uint8_t port[PORT_WIDTH];
    size_t len = 0;

    word[len++] = (char)SG_NET_PROTOCOL(asked->protocol);
    groups_of(asked->port, port);
    for (unsigned i = 0; i < PORT_WIDTH; i++)
        word[len++] = (char)SG_NET_GROUP(port[i]);
    return len;
}

size_t ends_word_name(const struct ends_asked *asked, char word[SG_NET_NAME_WORD_MAX])
{
    size_t len = strlen(asked->name);

    word[0] = SG_NET_NAME;
    memcpy(word + 1, asked->name, len);
    word[1 + len] = SG_NET_END;
    return len + 2 + put_service(asked, word + len + 2);
}

size_t ends_word(const struct ends_asked *asked, bool given, char word[SG_NET_WORD_MAX])
{
    unsigned width = asked->family == SG_NET_IPV4 ? 32 : 128;
    unsigned n = SG_NET_GROUPS(width);
    size_t len = 0;

    word[len++] = (char)(given ? given_family(asked->family) : asked->family);
    for (unsigned i = 0; i < n; i++) {
        unsigned end = width - 7 * (n - 1 - i), first = i ? end - 7 : 0, group = 0;

        for (unsigned bit = first; bit < end; bit++)
            group = group << 1 | (asked->addr[bit / 8] >> (7 - bit % 8) & 1u);
        word[len++] = (char)SG_NET_GROUP(group);
    }
    return len + put_service(asked, word + len);
}

// Cuts "tcp:" off. A number is one where what follows cannot be the rest of an address.
static char *take_protocol(char *text, uint8_t *protocol)
{
    char *colon = strchr(text, ':');

    if (!colon)
        return text;
    *colon = '\0';
    if ((text[0] < '0' || text[0] > '9' || colon[1] == '[' || strchr(colon + 1, '.')) &&
        ends_protocol(text, protocol) == 0)
        return colon + 1;
    *colon = ':';
    return text;
}

// Cuts ":443" off, and brackets.
static int take_port(char **address, uint16_t *ret_port)
{
    char *close = (*address)[0] == '[' ? strchr(*address, ']') : NULL;
    char *colon = strchr(close ? close : *address, ':');
    uint32_t port = 0;

    if (colon && (close || !strchr(colon + 1, ':'))) {
        *colon = '\0';
        if (parse_u32(colon + 1, &port) < 0 || port > ENDS_PORT_MAX)
            return -EINVAL;
    }
    if (close) {
        *close = '\0';
        (*address)++;
    }
    *ret_port = (uint16_t)port;
    return 0;
}

int ends_parse_asked(const char *text, struct ends_asked *ret)
{
    struct ends_asked asked = {.protocol = IPPROTO_TCP};
    char buf[SG_NET_NAME_MAX + 128], *address, *at;
    struct policy_prefix p;

    if (strlen(text) >= sizeof(buf))
        return -EINVAL;
    memcpy(buf, text, strlen(text) + 1);
    address = take_protocol(buf, &asked.protocol);
    at = strchr(address, '@');
    if (at) {
        *at = '\0';
        if (ends_name(address, asked.name) < 0)
            return -EINVAL;
        address = at + 1;
    }
    if (take_port(&address, &asked.port) < 0)
        return -EINVAL;
    if (ends_address(address, &p) < 0) {
        // Kept for documentation (RFC 5737): no rule means it.
        if (at || ends_name(address, asked.name) < 0 || ends_address("192.0.2.1", &p) < 0)
            return -EINVAL;
    }
    ends_unmap(&p);
    asked.family = p.family;
    memcpy(asked.addr, p.addr, sizeof(asked.addr));
    *ret = asked;
    return 0;
}
