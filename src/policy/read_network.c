// SPDX-License-Identifier: Apache-2.0
//
// The section `network`: what sockets may do, and with whom. A rule's keys become one pattern for each kind of access and
// each end that it names.
#include <errno.h>

#include "abi/control.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "policy/control.h"
#include "policy/ends.h"
#include "policy/explain.h"
#include "policy/loader.h"

#define BIT(kind)    SG_BIT(SG_CONTROL_##kind)
#define KINDS_OUT    (BIT(connect) | BIT(send))
#define KINDS_FROM   (BIT(accept) | BIT(receive))
#define KINDS_OWN    (BIT(bind) | BIT(listen))
#define ADDRESS_HELP "an address such as 10.0.0.0/8, one with a port, or a list of these"

// Whose address a rule names, and which accesses have such an address.
static const struct {
    const char *key;
    uint64_t kinds;
} sides[] = {
    {"to", KINDS_OUT},
    {"from", KINDS_FROM},
    {"at", KINDS_OWN},
};

static const struct {
    const char *word;
    uint64_t kinds;
} directions[] = {
    {"out", KINDS_OUT},
    // Who may not be connected to need not wait for it.
    {"in", KINDS_FROM | BIT(listen)},
    {"any", SG_NET_KINDS},
};

struct network_draft {
    struct policy_ends ends; // what holds of every end of the rule
    uint64_t kinds;
    const struct yaml_node *ports;
    struct pattern_list *paths;
};

static int read_side(struct loader *ld, const struct yaml_node *key, const struct yaml_node *value,
                     void *ctx)
{
    struct rule_draft *d = ctx;

    if (d->what)
        policy_diag_cure(ld->diags, read_error(ld, key, "a rule has one of `to`, `from` and `at`"),
                         "write a rule for each");
    d->what = key;
    d->net.end = value;
    for (size_t i = 0; i < ARRAY_SIZE(sides); i++)
        if (streq(key->text, sides[i].key))
            d->net.side = sides[i].kinds;
    return 0;
}

static int read_direction(struct loader *ld, const struct yaml_node *key _unused_,
                          const struct yaml_node *value, void *ctx)
{
    const char *words[ARRAY_SIZE(directions)];
    struct rule_draft *d = ctx;

    d->net.direction = value;
    if (!read_is_word(ld, value, "out, in or any"))
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(directions); i++) {
        words[i] = directions[i].word;
        if (streq(value->text, words[i])) {
            d->net.kinds |= directions[i].kinds;
            return 0;
        }
    }
    read_unknown_word(ld, value, "a direction", words, ARRAY_SIZE(words));
    return 0;
}

static int read_one_access(struct loader *ld, const struct yaml_node *node, void *ctx)
{
    const char *words[SG_CONTROL_COUNT];
    struct rule_draft *d = ctx;
    size_t n = 0;

    for (unsigned kind = 0; kind < SG_CONTROL_COUNT; kind++)
        if (SG_NET_KINDS & SG_BIT(kind)) {
            words[n++] = policy_control_name(kind);
            if (streq(node->text, words[n - 1])) {
                d->net.kinds |= SG_BIT(kind);
                return 0;
            }
        }
    read_unknown_word(ld, node, "an access of sockets", words, n);
    return 0;
}

static int read_access(struct loader *ld, const struct yaml_node *key _unused_,
                       const struct yaml_node *value, void *ctx)
{
    ((struct rule_draft *)ctx)->access = value;
    return read_each(ld, value, "connect, send, bind, listen, accept, receive, or a list of these",
                     read_one_access, ctx);
}

static int note_protocol(struct loader *ld _unused_, const struct yaml_node *key _unused_,
                         const struct yaml_node *value, void *ctx)
{
    ((struct rule_draft *)ctx)->net.protocol = value;
    return 0;
}

static int note_ports(struct loader *ld _unused_, const struct yaml_node *key _unused_,
                      const struct yaml_node *value, void *ctx)
{
    ((struct rule_draft *)ctx)->net.ports = value;
    return 0;
}

static int read_protocol(struct loader *ld, const struct yaml_node *node, void *ctx)
{
    struct network_draft *n = ctx;
    uint8_t number, byte;

    if (streq(node->text, "any"))
        return 0;
    if (ends_protocol(node->text, &number) < 0) {
        policy_diag_expected(ld->diags, read_error(ld, node, "'%s' is not a protocol", node->text),
                             "tcp, udp, icmp, icmp6, sctp, udplite …, a number, or any");
        return 0;
    }
    byte = SG_NET_PROTOCOL(number);
    n->ends.protocols[byte / 64] |= UINT64_C(1) << byte % 64;
    return 0;
}

// A pattern for each of the rule's accesses.
static int put(struct loader *ld, const struct yaml_node *node, struct network_draft *n,
               const struct policy_ends *ends)
{
    const struct policy_ends *copy = arena_dup(ld->arena, ends, 1, sizeof(*ends));
    bool unsaid = false;
    int r = copy ? 0 : -ENOMEM;

    for (unsigned kind = 0; r == 0 && kind < SG_CONTROL_COUNT; kind++) {
        if (!(n->kinds & SG_BIT(kind)))
            continue;
        r = control_put_ends(ld, node, (enum sg_control)kind, copy, n->paths);
        if (r == 0)
            n->paths->items[n->paths->n - 1].unsaid = unsaid;
        unsaid = true;
    }
    return r;
}

// The ends with each of the ports of the rule.
static int read_port(struct loader *ld, const struct yaml_node *node, void *ctx)
{
    struct network_draft *n = ctx;
    struct policy_ends ends = n->ends;

    if (!streq(node->text, "any") && ends_parse_ports(node->text, &ends.ports) < 0) {
        policy_diag_expected(ld->diags, read_error(ld, node, "'%s' is not a port", node->text),
                             "443, a range such as 8000-8100, a list of these, or any");
        return 0;
    }
    return put(ld, node, n, &ends);
}

static int put_ports(struct loader *ld, const struct yaml_node *node, struct network_draft *n)
{
    return n->ports
               ? read_each(ld, n->ports, "443, 8000-8100, a list of these, or any", read_port, n)
               : put(ld, node, n, &n->ends);
}

static int read_end(struct loader *ld, const struct yaml_node *node, void *ctx)
{
    struct network_draft *n = ctx;
    struct network_draft one = *n;
    struct ends_error err;
    int r;

    if (streq(node->text, SG_CONTROL_SELF_NAME)) {
        one.ends = (struct policy_ends){.self = true};
        return put(ld, node, &one, &one.ends);
    }
    r = ends_parse(ld->arena, node->text, &one.ends, &err);
    if (r == -EINVAL) {
        policy_diag_expected(ld->diags, read_error(ld, node, "'%s': %s", node->text, err.what),
                             "%s", err.expected);
        return 0;
    }
    if (r < 0)
        return r;
    if (one.ends.name && n->kinds & ~KINDS_OUT) {
        policy_diag_cure(ld->diags,
                         read_error(ld, node, "names are known of what this host asks for"),
                         "write it with `to`; who comes in is known by the address");
        return 0;
    }
    if (ends_has_no_protocol(&one.ends) && !ENDS_PROTOCOLS_ANY(one.ends.protocols)) {
        policy_diag_cure(ld->diags, read_error(ld, node, "'%s' has no protocols of IP", node->text),
                         "leave `protocol` out, or write a rule of its own for it");
        return 0;
    }
    if (one.ports && (one.ends.ports.from != 0 || one.ends.ports.to != ENDS_PORT_MAX)) {
        policy_diag_cure(ld->diags,
                         read_error(ld, node, "the port is said here and by `port` as well"),
                         "leave one of them out");
        return 0;
    }
    return put_ports(ld, node, &one);
}

// Which accesses: those that are named, or those that the keys are about.
static uint64_t kinds_of(struct loader *ld, const struct rule_draft *d)
{
    uint64_t kinds = d->net.kinds ? d->net.kinds : d->net.side ? d->net.side : SG_NET_KINDS;

    if (d->access && d->net.direction)
        policy_diag_cure(ld->diags,
                         read_error(ld, d->access, "`access` and `direction` are both there"),
                         "leave `direction` out: `access` says the same and more");
    if (!d->net.side || !d->net.kinds)
        return kinds;
    // "direction: in" and "from": whom it waits for is not known yet.
    if (!d->access)
        kinds &= d->net.side;
    if (!kinds || kinds & ~d->net.side)
        policy_diag_cure(
            ld->diags,
            read_error(ld, d->what, "`%s` is not about all of these accesses", d->what->text),
            "`to` goes with connect and send, `from` with accept and receive, `at` with "
            "bind and listen: write a rule for each");
    return kinds ? kinds : d->net.side;
}

static int finish(struct loader *ld, const struct yaml_node *node, struct rule_draft *d)
{
    struct network_draft n = {
        .ends = {.ports = {0, ENDS_PORT_MAX}},
        .ports = d->net.ports,
        .paths = &d->paths,
    };
    int r = 0;

    d->r.ops = SG_OP_CONTROL;
    n.kinds = kinds_of(ld, d);
    if (d->net.protocol)
        r = read_each(ld, d->net.protocol, "tcp, udp, icmp, a list of these, or any", read_protocol,
                      &n);
    if (r < 0)
        return r;
    return d->net.end ? read_each(ld, d->net.end, ADDRESS_HELP, read_end, &n)
                      : put_ports(ld, node, &n);
}

static const struct key_row keys[] = {
    {.name = "direction",
     .read = read_direction,
     .help =
         "out: what the process begins (connect, send). in: what others begin (accept, receive), and to wait for it (listen). any: all accesses. Without it and without `access`: what the other keys are about, or all."},
    {.name = "access",
     .read = read_access,
     .help =
         "connect, send (a datagram), bind, listen, accept, receive (a datagram that is no answer), or a list of these, in the place of `direction`."},
    {.name = "protocol",
     .read = note_protocol,
     .help =
         "tcp, udp, icmp, icmp6, sctp, udplite and others by name, a number, a list of these, or any."},
    {.name = "to",
     .read = read_side,
     .help =
         "The other end, of what the process begins: an address (10.0.0.1, fc00::1), a network (10.0.0.0/8), a domain name (db.example.com, or *.example.com for all beneath it), loopback, private, link-local, multicast, public (what is none of these) or any, each with a port or a range behind a colon if you like (10.0.0.1:443, [fc00::]/7:80-90), or a list of these. IPv4-mapped addresses are IPv4. A name stands for the addresses that this host was told for it, as long as that holds. Other sockets: vsock, vsock:CONTEXT or vsock:CONTEXT:PORT for those to virtual machines (a number, host, local, hypervisor or any), packet for whole frames."},
    {.name = "from",
     .read = read_side,
     .help =
         "The other end, of what others begin, in the same way. A port behind it is that of this host."},
    {.name = "at",
     .read = read_side,
     .help = "The address of this host that a socket is bound to or listens at, in the same way."},
    {.name = "port",
     .read = note_ports,
     .help =
         "The port of the service: of the other end where the process goes out, of this host where others come in. 443, 8000-8100, a list of these, or any."},
};

const struct section section_network = {
    .id = POLICY_SECTION_NETWORK,
    .keys = keys,
    .n_keys = ARRAY_SIZE(keys),
    .example = "{by: web, direction: out, do: deny}",
    .finish = finish,
};
