// SPDX-License-Identifier: Apache-2.0
//
// What a rule about packets does: the value of its key `do`.
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "policy/ends.h"
#include "policy/packets.h"

#define RATE_MAX \
    UINT64_C(    \
        1000000000000) // a second; with it, what a burst earns fits into a number of nanoseconds
#define REWRITE_HELP "an address, one with a port (10.0.0.10:8080), or a port alone (':8080')"

// Names of RFC 2474, 2597, 3246, 5865, 8622.
static const struct {
    const char *word;
    uint8_t dscp;
} dscps[] = {
    {"cs0", 0},   {"le", 1},    {"cs1", 8},   {"af11", 10}, {"af12", 12}, {"af13", 14},
    {"cs2", 16},  {"af21", 18}, {"af22", 20}, {"af23", 22}, {"cs3", 24},  {"af31", 26},
    {"af32", 28}, {"af33", 30}, {"cs4", 32},  {"af41", 34}, {"af42", 36}, {"af43", 38},
    {"cs5", 40},  {"va", 44},   {"ef", 46},   {"cs6", 48},  {"cs7", 56},
};

bool read_dscp(struct loader *ld, const struct yaml_node *node, uint8_t *ret)
{
    const char *words[ARRAY_SIZE(dscps)];
    uint32_t number;

    if (!read_is_word(ld, node, DSCP_HELP))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(dscps); i++) {
        words[i] = dscps[i].word;
        if (streq(node->text, words[i])) {
            *ret = dscps[i].dscp;
            return true;
        }
    }
    if (parse_u32(node->text, &number) == 0 && number < 64) {
        *ret = (uint8_t)number;
        return true;
    }
    read_unknown_word(ld, node, "a DSCP (0 to 63, or a name)", words, ARRAY_SIZE(words));
    return false;
}

// "7", "7/0xff": a mark, and which of its bits count.
static int read_mark(struct loader *ld, const struct yaml_node *key _unused_,
                     const struct yaml_node *value, void *ctx)
{
    struct packet_rule *rule = &((struct packet_draft *)ctx)->rule;
    _cleanup_free_ char *mark = NULL;
    const char *slash;

    if (!read_is_word(ld, value, "a number, or a number and a mask: 0x10/0xf0"))
        return 0;
    slash = strchr(value->text, '/');
    mark = xstrndup(value->text, slash ? (size_t)(slash - value->text) : value->len);
    if (!mark)
        return -ENOMEM;
    rule->mark_mask = ~0u;
    rule->actions |= SG_PACKET_DO_MARK;
    if (parse_u32(mark, &rule->mark) < 0 || (slash && parse_u32(slash + 1, &rule->mark_mask) < 0) ||
        rule->mark & ~rule->mark_mask)
        policy_diag_expected(
            ld->diags, read_error(ld, value, "'%s' is not a mark", value->text),
            "a number of 32 bits, or a number and a mask that covers it: 0x10/0xf0");
    return 0;
}

static int read_new_dscp(struct loader *ld, const struct yaml_node *key _unused_,
                         const struct yaml_node *value, void *ctx)
{
    struct packet_rule *rule = &((struct packet_draft *)ctx)->rule;

    if (read_dscp(ld, value, &rule->dscp))
        rule->actions |= SG_PACKET_DO_DSCP;
    return 0;
}

static int read_flag(struct loader *ld, const struct yaml_node *key, const struct yaml_node *value,
                     void *ctx)
{
    struct packet_rule *rule = &((struct packet_draft *)ctx)->rule;
    uint32_t action = streq(key->text, "drop") ? SG_PACKET_DO_DROP : SG_PACKET_DO_AUDIT;
    bool yes;

    if (!read_is_word(ld, value, "true or false"))
        return 0;
    if (parse_bool(value->text, &yes) < 0)
        policy_diag_expected(ld->diags, read_error(ld, value, "'%s' is neither", value->text),
                             "true or false");
    else if (yes)
        rule->actions |= action;
    return 0;
}

// An interface by its name.
static int read_device(struct loader *ld, const struct yaml_node *value, const char **ret)
{
    if (!read_is_word(ld, value, "the name of an interface"))
        return 0;
    if (value->len > 15 || strchr(value->text, '/')) {
        policy_diag_expected(ld->diags,
                             read_error(ld, value, "'%s' is no name of an interface", value->text),
                             "at most 15 bytes without a slash");
        return 0;
    }
    *ret = arena_strn(ld->arena, value->text, value->len);
    return *ret ? 0 : -ENOMEM;
}

static int read_mirror(struct loader *ld, const struct yaml_node *key _unused_,
                       const struct yaml_node *value, void *ctx)
{
    struct packet_rule *rule = &((struct packet_draft *)ctx)->rule;

    rule->actions |= SG_PACKET_DO_MIRROR;
    return read_device(ld, value, &rule->mirror);
}

static int read_amount(struct loader *ld, const struct yaml_node *key,
                       const struct yaml_node *value, void *ctx)
{
    struct packet_rule *rule = &((struct packet_draft *)ctx)->rule;
    bool burst = streq(key->text, "burst"), bytes = streq(key->text, "bytes");
    uint64_t *to = burst ? &rule->burst : &rule->rate;

    if (!read_is_word(ld, value, "a number, such as 100 or 10M"))
        return 0;
    if (parse_size(value->text, to) < 0 || *to == 0 || *to > RATE_MAX) {
        policy_diag_expected(ld->diags, read_error(ld, value, "'%s' is no amount", value->text),
                             "a number from 1 on, such as 100 or 10M");
        return 0;
    }
    if (!burst && rule->actions & SG_PACKET_DO_LIMIT)
        policy_diag_cure(ld->diags, read_error(ld, key, "packets and bytes are both limited"),
                         "write a rule for one of them");
    if (!burst)
        rule->actions |= SG_PACKET_DO_LIMIT | (bytes ? SG_PACKET_DO_BYTES : 0);
    return 0;
}

static const struct key_row limit_keys[] = {
    {.name = "packets", .read = read_amount, .help = "So many packets a second from each source."},
    {.name = "bytes", .read = read_amount, .help = "So many bytes a second from each source: 10M."},
    {.name = "burst",
     .read = read_amount,
     .help = "How many at once; without it: those of a second."},
};

static int read_limit(struct loader *ld, const struct yaml_node *key _unused_,
                      const struct yaml_node *value, void *ctx)
{
    struct packet_rule *rule = &((struct packet_draft *)ctx)->rule;
    const uint64_t least = 65536; // the longest packet, also one that a card will cut into segments
    int r = read_map(ld, value, limit_keys, ARRAY_SIZE(limit_keys), "a limit", ctx);

    if (r < 0 || value->kind != YAML_MAP || ld->bad)
        return r;
    if (!rule->rate)
        policy_diag_cure(ld->diags, read_error(ld, value, "the limit does not say how many"),
                         "add `packets: 100` or `bytes: 10M`, both of a second");
    if (!rule->burst)
        rule->burst = rule->rate;
    if (rule->actions & SG_PACKET_DO_BYTES && rule->burst < least) {
        if (rule->burst != rule->rate)
            read_warning(ld, value, "the burst is taken as %llu bytes: a packet may have as many",
                         (unsigned long long)least);
        rule->burst = least;
    }
    return 0;
}

// "ADDRESS[:PORT[-PORT]]", ":PORT[-PORT]". False: it was reported, or *r is -ENOMEM.
static bool read_rewritten(struct loader *ld, const struct yaml_node *value,
                           struct packet_rule *rule, uint8_t addr[16], struct packet_end *end,
                           int *r)
{
    struct policy_range range;
    uint8_t family;

    if (!read_is_word(ld, value, REWRITE_HELP))
        return false;
    if (value->text[0] == ':' && value->text[1] != ':') {
        if (ends_parse_ports(value->text + 1, &range) == 0 && range.from > 0) {
            *end = (struct packet_end){.first = (uint16_t)range.from, .last = (uint16_t)range.to};
            return true;
        }
        policy_diag_expected(ld->diags, read_error(ld, value, "'%s' is not a port", value->text),
                             REWRITE_HELP);
        return false;
    }
    *r = read_packet_end(ld, value, end);
    if (*r == -EINVAL)
        *r = 0;
    else if (*r == 0 && (end->n_prefixes != 1 || end->prefixes[0].bits != 128))
        policy_diag_expected(ld->diags,
                             read_error(ld, value, "'%s' is not one address", value->text),
                             REWRITE_HELP);
    if (*r < 0 || ld->bad)
        return false;
    family = memcmp(end->prefixes[0].addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0 ? 4 : 6;
    if (rule->family && rule->family != family) {
        policy_diag_cure(ld->diags,
                         read_error(ld, value, "one address is of IPv4, the other of IPv6"),
                         "write a rule for each: a packet stays what it is");
        return false;
    }
    rule->family = family;
    rule->actions |= SG_PACKET_DO_ADDRESS;
    memcpy(addr, end->prefixes[0].addr, 16);
    return true;
}

static int read_rewrite_from(struct loader *ld, const struct yaml_node *key _unused_,
                             const struct yaml_node *value, void *ctx)
{
    struct packet_rule *rule = &((struct packet_draft *)ctx)->rule;
    struct packet_end end;
    int r = 0;

    rule->actions |= SG_PACKET_DO_FROM;
    if (!read_rewritten(ld, value, rule, rule->source, &end, &r))
        return r;
    if (end.first != 0) {
        rule->source_first = end.first;
        rule->source_last = end.last;
    }
    return 0;
}

static int read_rewrite_to(struct loader *ld, const struct yaml_node *key _unused_,
                           const struct yaml_node *value, void *ctx)
{
    struct packet_rule *rule = &((struct packet_draft *)ctx)->rule;
    struct packet_end end;
    int r = 0;

    rule->actions |= SG_PACKET_DO_TO;
    if (!read_rewritten(ld, value, rule, rule->target, &end, &r))
        return r;
    if (end.first != 0 && end.first != end.last)
        policy_diag_cure(ld->diags,
                         read_error(ld, value, "a packet goes to one port, not to several"),
                         "write one port");
    else if (end.first != 0)
        rule->target_port = end.first;
    return 0;
}

static const struct key_row rewrite_keys[] = {
    {.name = "from",
     .read = read_rewrite_from,
     .help =
         "The new source: an address, one with a port or a range, or a port or range alone (':2000-3000'). Without a port: its own while nobody else has it."},
    {.name = "to",
     .read = read_rewrite_to,
     .help = "The new destination: an address, one with a port, or a port alone (':8080')."},
};

// SG_PACKET_DO_ADDRESS is of both ends that are rewritten: the kernel has one such bit.
static int read_rewrite(struct loader *ld, const struct yaml_node *key _unused_,
                        const struct yaml_node *value, void *ctx)
{
    struct packet_rule *rule = &((struct packet_draft *)ctx)->rule;
    static const uint8_t zero[16];
    int r = read_map(ld, value, rewrite_keys, ARRAY_SIZE(rewrite_keys), "a rewrite", ctx);

    if (r < 0 || value->kind != YAML_MAP || ld->bad)
        return r;
    if (!(rule->actions & SG_PACKET_DO_REWRITE))
        policy_diag_cure(ld->diags, read_error(ld, value, "nothing is rewritten"),
                         "add `to` or `from`, or take `rewrite` out");
    else if ((rule->actions & SG_PACKET_DO_REWRITE) == SG_PACKET_DO_REWRITE &&
             rule->actions & SG_PACKET_DO_ADDRESS &&
             (!memcmp(rule->source, zero, 16) || !memcmp(rule->target, zero, 16)))
        policy_diag_cure(ld->diags,
                         read_error(ld, value,
                                    "one end has an address here, and the other only a port"),
                         "write both with an address, or both with ports alone");
    return 0;
}

static int read_via(struct loader *ld, const struct yaml_node *key _unused_,
                    const struct yaml_node *value, void *ctx)
{
    struct packet_rule *rule = &((struct packet_draft *)ctx)->rule;
    struct policy_prefix p;

    if (!read_is_word(ld, value, "an address"))
        return 0;
    if (ends_address(value->text, &p) < 0) {
        policy_diag_expected(ld->diags,
                             read_error(ld, value, "'%s' is not an address", value->text),
                             "the address of the next hop");
        return 0;
    }
    rule->via_family = p.family == SG_NET_IPV4 ? 4 : 6;
    if (rule->via_family == 4) {
        rule->via[10] = rule->via[11] = 0xff;
        memcpy(rule->via + 12, p.addr, 4);
    } else {
        memcpy(rule->via, p.addr, 16);
    }
    rule->actions |= SG_PACKET_DO_VIA;
    return 0;
}

static int read_route_interface(struct loader *ld, const struct yaml_node *key _unused_,
                                const struct yaml_node *value, void *ctx)
{
    return read_device(ld, value, &((struct packet_draft *)ctx)->rule.route_interface);
}

static int read_table(struct loader *ld, const struct yaml_node *key _unused_,
                      const struct yaml_node *value, void *ctx)
{
    struct packet_rule *rule = &((struct packet_draft *)ctx)->rule;

    if (!read_is_word(ld, value, "the number of a routing table"))
        return 0;
    if (parse_u32(value->text, &rule->route_table) < 0 || rule->route_table == 0)
        policy_diag_expected(ld->diags,
                             read_error(ld, value, "'%s' is no routing table", value->text),
                             "a number from 1 on, as `ip route show table` takes it");
    rule->actions |= SG_PACKET_DO_TABLE;
    return 0;
}

static const struct key_row route_keys[] = {
    {.name = "interface",
     .read = read_route_interface,
     .help = "The interface by which the packet leaves."},
    {.name = "via",
     .read = read_via,
     .help = "The next hop there, whatever the host's routes say."},
    {.name = "table",
     .read = read_table,
     .help = "The number of a routing table that knows both, in their place. From Linux 6.5 on."},
};

static int read_route(struct loader *ld, const struct yaml_node *key _unused_,
                      const struct yaml_node *value, void *ctx)
{
    struct packet_rule *rule = &((struct packet_draft *)ctx)->rule;
    int r;

    rule->actions |= SG_PACKET_DO_ROUTE;
    r = read_map(ld, value, route_keys, ARRAY_SIZE(route_keys), "a route", ctx);
    if (r < 0 || value->kind != YAML_MAP || ld->bad)
        return r;
    if (rule->actions & SG_PACKET_DO_TABLE ? rule->route_interface || rule->via_family
                                           : !rule->route_interface)
        policy_diag_cure(ld->diags, read_error(ld, value, "the route does not say one way"),
                         "write `interface`, with `via` if you like; or `table` alone");
    return 0;
}

static const struct key_row do_keys[] = {
    {.name = "audit", .read = read_flag, .help = "true: packets are recorded as well."},
    {.name = "drop", .read = read_flag, .help = "true: dropped; goes with `mirror`."},
    {.name = "limit",
     .read = read_limit,
     .help =
         "So many a second from each source, the rest is dropped: {packets: 100, burst: 20}, {bytes: 10M}."},
    {.name = "mark",
     .read = read_mark,
     .help =
         "The mark of the packet on this host, which ip rule, tc and netfilter can ask for: 7, 0x10/0xf0."},
    {.name = "dscp",
     .read = read_new_dscp,
     .help = "What the packet asks of the network from here on: 46, ef."},
    {.name = "rewrite",
     .read = read_rewrite,
     .help =
         "Other ends: {to: '10.0.0.10:8080'}, {from: 192.0.2.1}. Answers are rewritten on their way back."},
    {.name = "route",
     .read = read_route,
     .help = "Another way: {interface: eth1, via: 10.0.0.254}, {table: 100}."},
    {.name = "mirror", .read = read_mirror, .help = "A copy leaves by this interface: ids0."},
};

const struct key_row *read_packet_do_keys(size_t *ret_n)
{
    *ret_n = ARRAY_SIZE(do_keys);
    return do_keys;
}

static void read_verb(struct loader *ld, const struct yaml_node *node, struct packet_rule *rule)
{
    static const char *const words[] = {"allow", "audit", "drop"};

    if (streq(node->text, "audit"))
        rule->actions |= SG_PACKET_DO_AUDIT;
    else if (streq(node->text, "drop"))
        rule->actions |= SG_PACKET_DO_DROP;
    else if (streq(node->text, "deny"))
        policy_diag_cure(ld->diags, read_error(ld, node, "a packet is dropped, not denied"),
                         "write `drop`");
    else if (!streq(node->text, "allow"))
        read_unknown_word(ld, node, "a verb for packets", words, ARRAY_SIZE(words));
}

int read_packet_do(struct loader *ld, const struct yaml_node *node, struct packet_draft *d)
{
    const uint32_t with_drop = SG_PACKET_DO_DROP | SG_PACKET_DO_AUDIT | SG_PACKET_DO_MIRROR |
                               SG_PACKET_DO_MONITOR;
    int r;

    if (node->kind == YAML_SCALAR) {
        if (read_is_word(ld, node, "allow, audit, drop, or a map"))
            read_verb(ld, node, &d->rule);
        return 0;
    }
    r = read_map(ld, node, do_keys, ARRAY_SIZE(do_keys), "`do`", d);
    if (r < 0 || ld->bad)
        return r;
    if (d->rule.actions & SG_PACKET_DO_DROP && d->rule.actions & ~with_drop)
        policy_diag_cure(ld->diags,
                         read_error(ld, node, "what is dropped is not changed, limited or sent on"),
                         "leave `drop` out, or all but `audit` and `mirror`");
    return 0;
}
