// SPDX-License-Identifier: Apache-2.0
//
// The section `packets`: what is done with packets, on which interface and in which direction.
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "policy/ends.h"
#include "policy/packets.h"

#define ADDRESS_HELP   "an address such as 10.0.0.0/8, one with a port, or a list of these"
#define INTERFACE_HELP "eth0, a pattern such as 'veth*', or a list of these"
#define INTERFACE_MAX  15u // bytes of a name (IFNAMSIZ without its end)

// A growing list of names or ends while it is read; kept in the arena.
struct names {
    const char **items;
    size_t n, cap;
};

static int read_interface(struct loader *ld, const struct yaml_node *node, void *ctx)
{
    struct names *names = ctx;

    if (node->len > INTERFACE_MAX || strchr(node->text, '/')) {
        policy_diag_expected(ld->diags,
                             read_error(ld, node, "'%s' is no name of an interface", node->text),
                             "at most %u bytes without a slash: " INTERFACE_HELP, INTERFACE_MAX);
        return 0;
    }
    if (names->n == POLICY_LIST_MAX) {
        read_error(ld, node, "more than %u interfaces", POLICY_LIST_MAX);
        return 0;
    }
    if (!GREEDY(names->items, names->cap, names->n + 1))
        return -ENOMEM;
    names->items[names->n] = arena_strn(ld->arena, node->text, node->len);
    return names->items[names->n++] ? 0 : -ENOMEM;
}

static int read_interfaces(struct loader *ld, const struct yaml_node *key _unused_,
                           const struct yaml_node *value, void *ctx)
{
    struct packet_rule *rule = &((struct packet_draft *)ctx)->rule;
    struct names names = {};
    int r = read_each(ld, value, INTERFACE_HELP, read_interface, &names);

    if (r == 0) {
        rule->interfaces = arena_dup(ld->arena, names.items, names.n, sizeof(*names.items));
        rule->n_interfaces = names.n;
        r = rule->interfaces ? 0 : -ENOMEM;
    }
    free(names.items);
    return r;
}

static int read_direction(struct loader *ld, const struct yaml_node *key _unused_,
                          const struct yaml_node *value, void *ctx)
{
    static const char *const words[] = {"in", "out", "any"};
    struct packet_rule *rule = &((struct packet_draft *)ctx)->rule;

    if (!read_is_word(ld, value, "in, out or any"))
        return 0;
    rule->in = streq(value->text, "in") || streq(value->text, "any");
    rule->out = streq(value->text, "out") || streq(value->text, "any");
    if (!rule->in && !rule->out)
        read_unknown_word(ld, value, "a direction", words, ARRAY_SIZE(words));
    return 0;
}

static int read_protocol(struct loader *ld, const struct yaml_node *node, void *ctx)
{
    uint64_t *protocols = ((struct packet_draft *)ctx)->rule.protocols;
    uint8_t number;

    if (streq(node->text, "any"))
        memset(protocols, 0xff, 4 * sizeof(*protocols));
    else if (ends_protocol(node->text, &number) < 0)
        policy_diag_expected(ld->diags, read_error(ld, node, "'%s' is not a protocol", node->text),
                             "tcp, udp, icmp, icmp6, sctp, udplite …, a number, or any");
    else
        protocols[number / 64] |= UINT64_C(1) << number % 64;
    return 0;
}

static int read_protocols(struct loader *ld, const struct yaml_node *key _unused_,
                          const struct yaml_node *value, void *ctx)
{
    return read_each(ld, value, "tcp, udp, icmp, a list of these, or any", read_protocol, ctx);
}

static int read_one_dscp(struct loader *ld, const struct yaml_node *node, void *ctx)
{
    uint8_t dscp;

    if (read_dscp(ld, node, &dscp))
        ((struct packet_draft *)ctx)->rule.dscps |= UINT64_C(1) << dscp;
    return 0;
}

static int read_dscps(struct loader *ld, const struct yaml_node *key _unused_,
                      const struct yaml_node *value, void *ctx)
{
    return read_each(ld, value, DSCP_HELP, read_one_dscp, ctx);
}

static int note(struct loader *ld _unused_, const struct yaml_node *key,
                const struct yaml_node *value, void *ctx)
{
    struct packet_draft *d = ctx;

    if (streq(key->text, "from"))
        d->from = value;
    else if (streq(key->text, "to"))
        d->to = value;
    else if (streq(key->text, "port"))
        d->ports = value;
    else
        d->verb = value;
    return 0;
}

static int read_mode(struct loader *ld, const struct yaml_node *key _unused_,
                     const struct yaml_node *value, void *ctx)
{
    struct packet_rule *rule = &((struct packet_draft *)ctx)->rule;
    bool monitor = rule->actions & SG_PACKET_DO_MONITOR;

    read_mode_word(ld, value, &monitor);
    rule->actions &= ~(uint32_t)SG_PACKET_DO_MONITOR;
    rule->actions |= monitor ? SG_PACKET_DO_MONITOR : 0;
    return 0;
}

static const struct key_row keys[] = {
    {.name = "interface",
     .read = read_interfaces,
     .help =
         "Names or patterns (eth0, 'veth*'), or a list of these. Interfaces that come later, or get such a name, are meant as well. Without it: all but loopback devices, which hold only for rules that name them."},
    {.name = "direction",
     .read = read_direction,
     .help =
         "in: as packets come from the interface. out: as they leave by it. any, and without it: both. What the host forwards is met at both."},
    {.name = "from",
     .read = note,
     .help =
         "The source: an address or a network, loopback, private, link-local, multicast, public or any, each with a port or a range behind a colon if you like, or a list of these."},
    {.name = "to", .read = note, .help = "The destination, in the same way."},
    {.name = "port",
     .read = note,
     .help =
         "The port of the destination, in the place of ports in `to`: 443, 8000-8100, a list of these, or any."},
    {.name = "protocol",
     .read = read_protocols,
     .help = "tcp, udp, icmp, icmp6, sctp and others by name, a number, a list of these, or any."},
    {.name = "dscp",
     .read = read_dscps,
     .help =
         "What the packet asks of the network: 0 to 63, ef, cs0 to cs7, af11 to af43, or a list of these."},
    {.name = "do",
     .read = note,
     .help =
         "What is done: allow, audit, drop; or a map of several (audit, drop, limit, mark, dscp, rewrite, route, mirror). Required."},
    {.name = "mode", .read = read_mode, .help = "enforce or monitor, in the place of the file's."},
    {.name = "by",
     .refuse = "packets have no owner: a rule about packets is not about who sends them",
     .cure = "write a rule of the section `network`, which is about processes"},
    {.name = "not_by",
     .refuse = "packets have no owner: a rule about packets is not about who sends them",
     .cure = "write a rule of the section `network`, which is about processes"},
    {.name = "at",
     .refuse = "this version rewrites packets, not calls of connect",
     .cure = "leave it out: packets are rewritten on their way"},
};

const struct key_row *read_packet_keys(size_t *ret_n)
{
    *ret_n = ARRAY_SIZE(keys);
    return keys;
}

int read_packet_end(struct loader *ld, const struct yaml_node *node, struct packet_end *ret)
{
    struct policy_ends ends = {.ports = {0, ENDS_PORT_MAX}};
    struct packet_prefix *prefixes;
    struct ends_error err;
    int r = ends_parse(ld->arena, node->text, &ends, &err);

    if (r == -EINVAL) {
        policy_diag_expected(ld->diags, read_error(ld, node, "'%s': %s", node->text, err.what),
                             "%s", err.expected);
        return r;
    }
    prefixes = r == 0 ? arena_new0(ld->arena, struct packet_prefix, ends.n_prefixes + 1) : NULL;
    if (!prefixes)
        return -ENOMEM;
    for (size_t i = 0; i < ends.n_prefixes; i++) {
        const struct policy_prefix *p = &ends.prefixes[i];

        prefixes[i].bits = p->bits;
        if (p->family == SG_NET_IPV4) {
            prefixes[i].bits = (uint8_t)(p->bits + 96);
            prefixes[i].addr[10] = prefixes[i].addr[11] = 0xff;
            memcpy(prefixes[i].addr + 12, p->addr, 4);
        } else {
            memcpy(prefixes[i].addr, p->addr, 16);
        }
    }
    *ret = (struct packet_end){prefixes, ends.n_prefixes, (uint16_t)ends.ports.from,
                               (uint16_t)ends.ports.to};
    return 0;
}

struct end_list {
    struct packet_end *items;
    size_t n, cap;
    const struct packet_end *port; // in the place of what an end says; NULL: nothing
};

static int add_end(struct end_list *list, const struct packet_end *end)
{
    if (!GREEDY(list->items, list->cap, list->n + 1))
        return -ENOMEM;
    list->items[list->n++] = *end;
    return 0;
}

static int read_end(struct loader *ld, const struct yaml_node *node, void *ctx)
{
    struct end_list *list = ctx;
    struct packet_end end;
    int r = read_packet_end(ld, node, &end);

    if (r < 0)
        return r == -EINVAL ? 0 : r;
    if (list->port && (end.first != 0 || end.last != PACKET_PORT_MAX)) {
        policy_diag_cure(ld->diags,
                         read_error(ld, node, "the port is said here and by `port` as well"),
                         "leave one of them out");
        return 0;
    }
    if (list->n == POLICY_LIST_MAX) {
        read_error(ld, node, "more than %u ends", POLICY_LIST_MAX);
        return 0;
    }
    return add_end(list, &end);
}

static int read_port(struct loader *ld, const struct yaml_node *node, void *ctx)
{
    struct policy_range range = {0, ENDS_PORT_MAX};
    struct packet_end end;

    if (!streq(node->text, "any") && ends_parse_ports(node->text, &range) < 0) {
        policy_diag_expected(ld->diags, read_error(ld, node, "'%s' is not a port", node->text),
                             "443, a range such as 8000-8100, a list of these, or any");
        return 0;
    }
    end = (struct packet_end){.first = (uint16_t)range.from, .last = (uint16_t)range.to};
    return add_end(ctx, &end);
}

static int keep_ends(struct loader *ld, const struct end_list *list, const struct packet_end **ret,
                     size_t *ret_n)
{
    *ret = arena_dup(ld->arena, list->items, list->n, sizeof(*list->items));
    *ret_n = list->n;
    return *ret ? 0 : -ENOMEM;
}

// Every address with every port.
static int cross(const struct end_list *ends, const struct end_list *ports, struct end_list *ret)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < (ends->n ? ends->n : 1); i++)
        for (size_t k = 0; r == 0 && k < ports->n; k++) {
            struct packet_end end = ports->items[k];

            if (ends->n) {
                end.prefixes = ends->items[i].prefixes;
                end.n_prefixes = ends->items[i].n_prefixes;
            }
            r = add_end(ret, &end);
        }
    return r;
}

static int read_ends(struct loader *ld, struct packet_draft *d)
{
    struct end_list from = {}, to = {}, ports = {}, both = {};
    int r = 0;

    if (d->from)
        r = read_each(ld, d->from, ADDRESS_HELP, read_end, &from);
    if (r == 0 && d->ports)
        r = read_each(ld, d->ports, "443, 8000-8100, a list of these, or any", read_port, &ports);
    to.port = ports.items;
    if (r == 0 && d->to)
        r = read_each(ld, d->to, ADDRESS_HELP, read_end, &to);
    if (r == 0 && ports.n > 0)
        r = cross(&to, &ports, &both);
    r = r < 0 ? r : keep_ends(ld, &from, &d->rule.from, &d->rule.n_from);
    r = r < 0 ? r : keep_ends(ld, ports.n > 0 ? &both : &to, &d->rule.to, &d->rule.n_to);
    free(from.items);
    free(to.items);
    free(ports.items);
    free(both.items);
    return r;
}

static int read_rule(struct loader *ld, const struct yaml_node *node)
{
    const struct policy_source *file = &ld->files[ld->n_files - 1];
    struct packet_draft d = {
        .pos = read_pos(ld, node),
        .rule = {.file = (uint32_t)ld->n_files - 1,
                 .line = node->line,
                 .policy = file->name,
                 .number = (uint32_t)ld->n_packets,
                 .in = true,
                 .out = true,
                 .actions = file->monitor ? SG_PACKET_DO_MONITOR : 0},
    };
    bool was_bad = ld->bad;
    int r;

    ld->bad = false;
    r = read_map(ld, node, keys, ARRAY_SIZE(keys), "a rule about packets", &d);
    r = r < 0 || ld->bad || node->kind != YAML_MAP ? r : read_ends(ld, &d);
    if (r == 0 && node->kind == YAML_MAP && !d.verb)
        policy_diag_cure(ld->diags, read_error(ld, node, "the rule does not say what is done"),
                         "add `do: drop`, or another of allow, audit, limit, rewrite …");
    else if (r == 0 && d.verb)
        r = read_packet_do(ld, d.verb, &d);
    if (r == 0 && !ld->bad) {
        if (!GREEDY(ld->packets, ld->cap_packets, ld->n_packets + 1))
            r = -ENOMEM;
        else
            ld->packets[ld->n_packets++] = d;
    }
    ld->bad = ld->bad || was_bad;
    return r;
}

int read_packets(struct loader *ld, const struct yaml_node *node)
{
    int r = 0;

    if (node->reported)
        return 0;
    if (node->kind != YAML_LIST) {
        policy_diag_expected(ld->diags,
                             read_error(ld, node, "`packets` has to be a list of rules, this is %s",
                                        yaml_kind_name(node)),
                             "- {interface: eth0, direction: in, from: 198.51.100.0/24, do: drop}");
        return 0;
    }
    for (const struct yaml_node *e = node->first; r == 0 && e; e = e->next) {
        if (ld->n_packets == SG_PACKET_RULES_MAX) {
            policy_diag_cure(ld->diags,
                             read_error(ld, e, "more than %u rules about packets",
                                        SG_PACKET_RULES_MAX),
                             "put what is done alike into one rule, with a list of ends");
            return 0;
        }
        r = read_rule(ld, e);
    }
    return r;
}
