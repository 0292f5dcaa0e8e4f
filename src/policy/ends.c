// SPDX-License-Identifier: Apache-2.0
#include "policy/ends.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/inet.h"
#include "base/macro.h"
#include "base/strutil.h"

#define PREFIXES_MAX 64
#define LABEL_MAX    63 // RFC 1035 2.3.4
#define OTHER_BITS   14 // of an address family

static const struct {
    const char *name;
    uint8_t number;
} protocols[] = {
    {"icmp", 1},  {"igmp", 2},   {"tcp", 6},    {"udp", 17},      {"dccp", 33},
    {"ipv6", 41}, {"gre", 47},   {"esp", 50},   {"ah", 51},       {"icmp6", 58},
    {"ospf", 89}, {"sctp", 132}, {"l2tp", 115}, {"udplite", 136},
};

// Zones: what is on this host, in networks of the house, on the link, a group, and everything else. RFC 6890 and the
// registries that it founded; 64:ff9b::/96 is IPv4 behind a translator (RFC 6052).
static const struct {
    const char *word;
    const char *prefixes[8]; // none: of `any` all, of `public` what is in no other zone
} zones[] = {
    {"any", {NULL}},
    {"loopback", {"127.0.0.0/8", "::1/128"}},
    {"private", {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"}},
    {"link-local", {"169.254.0.0/16", "fe80::/10"}},
    {"multicast", {"224.0.0.0/4", "ff00::/8", "255.255.255.255/32"}},
    {"public", {NULL}},
};

#define ZONE_ANY    0
#define ZONE_PUBLIC (ARRAY_SIZE(zones) - 1)

// What is not public of IPv4, besides the zones above it.
static const char *const reserved4[] = {"0.0.0.0/8", "240.0.0.0/4"};
static const char *const public6[] = {"2000::/3", "64:ff9b::/96"};

struct prefixes {
    struct policy_prefix items[PREFIXES_MAX];
    size_t n;
};

static unsigned bit_of(const uint8_t *addr, unsigned i)
{
    return addr[i / 8] >> (7 - i % 8) & 1u;
}

static uint8_t width_of(uint8_t family)
{
    return family == SG_NET_IPV4 ? 32 : 128;
}

// Do two prefixes have addresses in common? Then the longer one is within the shorter.
static bool overlap(const struct policy_prefix *a, const struct policy_prefix *b)
{
    unsigned n = MIN(a->bits, b->bits);

    if (a->family != b->family)
        return false;
    for (unsigned i = 0; i < n; i++)
        if (bit_of(a->addr, i) != bit_of(b->addr, i))
            return false;
    return true;
}

static int put(struct prefixes *list, const struct policy_prefix *p)
{
    if (list->n == PREFIXES_MAX)
        return -E2BIG;
    list->items[list->n++] = *p;
    return 0;
}

int ends_address(const char *text, struct policy_prefix *ret)
{
    struct policy_prefix p = {.family = SG_NET_IPV4};

    if (inet_pton(AF_INET, text, p.addr) != 1) {
        p.family = SG_NET_IPV6;
        if (inet_pton(AF_INET6, text, p.addr) != 1)
            return -EINVAL;
    }
    p.bits = width_of(p.family);
    *ret = p;
    return 0;
}

void ends_unmap(struct policy_prefix *p)
{
    if (p->family != SG_NET_IPV6 || p->bits < 96 || !inet_is_mapped(p->addr))
        return;
    p->family = SG_NET_IPV4;
    p->bits = (uint8_t)(p->bits - 96);
    memmove(p->addr, p->addr + INET_MAPPED_BYTES, 4);
    memset(p->addr + 4, 0, INET_MAPPED_BYTES);
}

// "ADDRESS[/BITS]"; bits of the address behind the prefix have to be 0.
static int parse_prefix(const char *text, struct policy_prefix *ret, struct ends_error *err)
{
    struct policy_prefix p = {};
    char buf[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    uint32_t bits;

    if (len >= sizeof(buf))
        return -EINVAL;
    memcpy(buf, text, len);
    buf[len] = '\0';
    if (ends_address(buf, &p) < 0)
        return -EINVAL;
    bits = p.bits;
    if (slash && (parse_u32(slash + 1, &bits) < 0 || bits > width_of(p.family))) {
        *err = (struct ends_error){"this is not a length of a prefix", "0 to 32, of IPv6 to 128"};
        return -EINVAL;
    }
    p.bits = (uint8_t)bits;
    for (unsigned i = p.bits; i < width_of(p.family); i++)
        if (bit_of(p.addr, i)) {
            *err = (struct ends_error){"the address has bits behind its prefix",
                                       "the first address of the network, such as 10.0.0.0/8"};
            return -EINVAL;
        }
    *ret = p;
    return 0;
}

static int put_text(struct prefixes *list, const char *text)
{
    struct ends_error err;
    struct policy_prefix p;
    int r = parse_prefix(text, &p, &err);

    return r < 0 ? r : put(list, &p);
}

// All of `from` that is in none of `without`.
static int put_others(struct prefixes *list, const struct policy_prefix *from,
                      const struct prefixes *without)
{
    struct policy_prefix half = *from;
    bool free = true;
    int r;

    for (size_t i = 0; i < without->n; i++) {
        if (!overlap(from, &without->items[i]))
            continue;
        if (without->items[i].bits <= from->bits)
            return 0;
        free = false;
    }
    if (free)
        return put(list, from);
    half.bits++;
    r = put_others(list, &half, without);
    half.addr[from->bits / 8] |= (uint8_t)(0x80u >> from->bits % 8);
    return r < 0 ? r : put_others(list, &half, without);
}

static int put_public(struct prefixes *list)
{
    const struct policy_prefix all4 = {.family = SG_NET_IPV4};
    struct prefixes without = {};
    int r = 0;

    for (size_t z = 0; z < ARRAY_SIZE(zones); z++)
        for (size_t i = 0; r == 0 && zones[z].prefixes[i]; i++)
            r = put_text(&without, zones[z].prefixes[i]);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(reserved4); i++)
        r = put_text(&without, reserved4[i]);
    if (r == 0)
        r = put_others(list, &all4, &without);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(public6); i++)
        r = put_text(list, public6[i]);
    return r;
}

static int put_zone(struct prefixes *list, size_t zone)
{
    int r = 0;

    if (zone == ZONE_PUBLIC)
        return put_public(list);
    for (size_t i = 0; r == 0 && zones[zone].prefixes[i]; i++)
        r = put_text(list, zones[zone].prefixes[i]);
    return r;
}

int ends_parse_ports(const char *text, struct policy_range *ret)
{
    const char *dash = strchr(text, '-');
    struct policy_range range;
    char from[8];
    size_t len = dash ? (size_t)(dash - text) : strlen(text);

    if (len == 0 || len >= sizeof(from))
        return -EINVAL;
    memcpy(from, text, len);
    from[len] = '\0';
    if (parse_u32(from, &range.from) < 0)
        return -EINVAL;
    range.to = range.from;
    if (dash && parse_u32(dash + 1, &range.to) < 0)
        return -EINVAL;
    if (range.to > ENDS_PORT_MAX || range.from > range.to)
        return -EINVAL;
    *ret = range;
    return 0;
}

// Cuts the port off: behind a bracket, behind a word or an IPv4 address. IPv6 without brackets has none.
static const char *split(char *text, char **ret_address)
{
    char *close = text[0] == '[' ? strchr(text, ']') : NULL, *colon;

    *ret_address = text;
    if (close) {
        *ret_address = text + 1;
        colon = strchr(close, ':');
        if (colon)
            *colon = '\0';
        // "[fc00::]/7" and "[fc00::/7]" are the same.
        memmove(close, close + 1, strlen(close + 1) + 1);
        return colon ? colon + 1 : NULL;
    }
    colon = strchr(text, ':');
    if (!colon || strchr(colon + 1, ':'))
        return NULL;
    *colon = '\0';
    return colon + 1;
}

// Is it meant as a name? Those have a dot and letters, and no colon. What is beyond ASCII is meant as one as well.
static bool is_name(const char *address)
{
    bool letter = false;

    for (const char *p = address; *p; p++) {
        if (*p == ':' || *p == '/')
            return false;
        letter |= (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p & 0x80;
    }
    return letter && strchr(address, '.');
}

static bool is_label_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

int ends_name(const char *text, char ret[SG_NET_NAME_MAX + 1])
{
    size_t len = strlen(text), label = 0;
    char name[SG_NET_NAME_MAX + 1];

    if (!strchr(text, '.'))
        return -EINVAL;
    if (text[len - 1] == '.')
        len--;
    if (len == 0 || len > SG_NET_NAME_MAX)
        return -EINVAL;
    for (size_t i = 0; i < len; i++) {
        name[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] - 'A' + 'a' : text[i]);
        label = name[i] == '.' ? 0 : label + 1;
        if (name[i] == '.' ? i == 0 || name[i - 1] == '.' || i == len - 1
                           : label > LABEL_MAX || !is_label_byte(name[i]))
            return -EINVAL;
    }
    name[len] = '\0';
    memcpy(ret, name, len + 1);
    return 0;
}

static int put_name(struct policy_arena *arena, const char *text, struct policy_ends *ends,
                    struct ends_error *err)
{
    bool beneath = str_startswith(text, "*.");
    char name[SG_NET_NAME_MAX + 1];

    if (ends_name(beneath ? text + 2 : text, name) < 0) {
        *err = (struct ends_error){
            "this is not a domain name",
            "db.example.com, or *.example.com for what is beneath it; letters that are not of "
            "ASCII as DNS has them (xn--…), a name without a dot with one behind it (db.)"};
        return -EINVAL;
    }
    ends->beneath = beneath;
    ends->name = arena_strn(arena, name, strlen(name));
    return ends->name ? 0 : -ENOMEM;
}

static void put_bits(struct policy_prefix *p, uint32_t number, unsigned bits)
{
    for (unsigned i = 0; i < bits; i++)
        p->addr[i / 8] |= (uint8_t)((number >> (bits - 1 - i) & 1u) << (7 - i % 8));
    p->bits = (uint8_t)bits;
}

// Sockets of a family that has no addresses here.
static int put_family(struct prefixes *list, uint32_t family)
{
    struct policy_prefix p = {.family = SG_NET_OTHER};

    put_bits(&p, family, OTHER_BITS);
    return put(list, &p);
}

// What is behind "vsock": nothing, ":CONTEXT" or ":CONTEXT:PORT"; a context is a number, a word of vsock(7) or any.
static int put_vsock(struct prefixes *list, const char *more, struct policy_ends *ends,
                     struct ends_error *err)
{
    static const struct {
        const char *word;
        uint32_t number;
    } contexts[] = {{"hypervisor", VMADDR_CID_HYPERVISOR},
                    {"local", VMADDR_CID_LOCAL},
                    {"host", VMADDR_CID_HOST}};
    struct policy_prefix p = {.family = SG_NET_VSOCK};
    const char *port = *more ? strchr(more + 1, ':') : NULL;
    char context[16] = "any";
    uint32_t number = 0;
    bool known = false;

    *err = (struct ends_error){"this is not an address of vsock",
                               "vsock, vsock:3, vsock:host:1024, vsock:any:1000-2000"};
    if (*more)
        (void)snprintf(context, sizeof(context), "%.*s",
                       (int)MIN(port ? (size_t)(port - more - 1) : strlen(more + 1), (size_t)15),
                       more + 1);
    for (size_t i = 0; i < ARRAY_SIZE(contexts); i++)
        if (streq(context, contexts[i].word)) {
            number = contexts[i].number;
            known = true;
        }
    if (!known && !streq(context, "any") && parse_u32(context, &number) < 0)
        return -EINVAL;
    if (port && ends_parse_ports(port + 1, &ends->ports) < 0)
        return -EINVAL;
    if (!streq(context, "any"))
        put_bits(&p, number, 32);
    // One that is used says no more than its family.
    if (streq(context, "any") && !port && put_family(list, AF_VSOCK) < 0)
        return -ENOMEM;
    return put(list, &p);
}

bool ends_has_no_protocol(const struct policy_ends *ends)
{
    return ends->n_prefixes &&
           (ends->prefixes[0].family == SG_NET_VSOCK || ends->prefixes[0].family == SG_NET_OTHER);
}

static int put_address(struct prefixes *list, const char *address, bool *ret_wide,
                       struct ends_error *err)
{
    struct policy_prefix p;
    int r;

    for (size_t i = 0; i < ARRAY_SIZE(zones); i++)
        if (streq(address, zones[i].word)) {
            *ret_wide = i == ZONE_ANY || i == ZONE_PUBLIC;
            return put_zone(list, i);
        }
    r = parse_prefix(address, &p, err);
    if (r < 0)
        return r;
    ends_unmap(&p);
    *ret_wide = p.bits == 0;
    return put(list, &p);
}

static int keep(struct policy_arena *arena, const struct prefixes *list, struct policy_ends *ends,
                struct policy_ends *ret)
{
    ends->n_prefixes = list->n;
    ends->prefixes = arena_dup(arena, list->items, list->n, sizeof(list->items[0]));
    if (!ends->prefixes)
        return -ENOMEM;
    *ret = *ends;
    return 0;
}

int ends_parse(struct policy_arena *arena, const char *text, struct policy_ends *ret,
               struct ends_error *err)
{
    const char *vsock = str_startswith(text, "vsock");
    struct prefixes list = {};
    struct policy_ends ends = *ret;
    char buf[SG_NET_NAME_MAX + 32], *address;
    const char *ports;
    int r;

    if (vsock && (!*vsock || *vsock == ':')) {
        r = put_vsock(&list, vsock, &ends, err);
        return r < 0 ? r : keep(arena, &list, &ends, ret);
    }
    if (streq(text, "packet"))
        return put_family(&list, AF_PACKET) < 0 ? -ENOMEM : keep(arena, &list, &ends, ret);
    *err = (struct ends_error){
        "this is not an address",
        "10.0.0.1, 10.0.0.0/8, fc00::/7, with a port 10.0.0.1:443, [::1]:80-90, a name such as "
        "db.example.com or *.example.com, or loopback, private, link-local, multicast, public, any"};
    if (strlen(text) >= sizeof(buf))
        return -EINVAL;
    memcpy(buf, text, strlen(text) + 1);
    ports = split(buf, &address);
    r = is_name(address) ? put_name(arena, address, &ends, err)
                         : put_address(&list, address, &ends.wide, err);
    if (r < 0)
        return r;
    if (ports && ends_parse_ports(ports, &ends.ports) < 0) {
        *err = (struct ends_error){"this is not a port", "443, or a range such as 8000-8100"};
        return -EINVAL;
    }
    return keep(arena, &list, &ends, ret);
}

int ends_protocol(const char *text, uint8_t *ret_protocol)
{
    uint32_t number;

    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
        if (streq(text, protocols[i].name)) {
            *ret_protocol = protocols[i].number;
            return 0;
        }
    if (parse_u32(text, &number) < 0 || number > UINT8_MAX)
        return -EINVAL;
    *ret_protocol = (uint8_t)number;
    return 0;
}
