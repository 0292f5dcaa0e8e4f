// SPDX-License-Identifier: Apache-2.0
#include "agent/isolation_spec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/jsonget.h"
#include "base/strutil.h"
#include "policy/policy.h"

#define HTTPS_PORT 443

// What keeps the address that the link needs: nothing else of theirs may pass.
static const char leases[] =
    "/usr/sbin/dhclient, /sbin/dhclient, /usr/sbin/dhcpcd, /sbin/dhcpcd, /usr/sbin/dhcp6c, /usr/sbin/NetworkManager, "
    "/usr/lib/systemd/systemd-networkd, /lib/systemd/systemd-networkd, /usr/sbin/wickedd, /usr/lib/wicked/bin/*";

void isolation_done(struct isolation *i)
{
    strv_free(i->allow);
    *i = (struct isolation){};
}

int isolation_parse(const char *text, struct isolation *ret)
{
    struct json_object *o = json_tokener_parse(text), *allow;
    struct isolation i = {};
    int r = 0;

    if (!json_object_is_type(o, json_type_object)) {
        json_object_put(o);
        return -EBADMSG;
    }
    i.since_ms = json_get_u64(o, "since_ms", 0);
    i.until_ms = json_get_u64(o, "until_ms", 0);
    i.until_boot_ms = json_get_u64(o, "until_boot_ms", 0);
    i.server_port = (uint32_t)json_get_u64(o, "server_port", 0);
    i.by_server = json_get_bool(o, "by_server", 0);
    (void)snprintf(i.boot_id, sizeof(i.boot_id), "%s", json_get_str(o, "boot_id", ""));
    (void)snprintf(i.server, sizeof(i.server), "%s", json_get_str(o, "server", ""));
    (void)snprintf(i.by, sizeof(i.by), "%s", json_get_str(o, "by", ""));
    (void)snprintf(i.reason, sizeof(i.reason), "%s", json_get_str(o, "reason", ""));
    allow = json_get(o, "allow");
    if (!json_object_is_type(allow, json_type_array) || i.until_ms <= i.since_ms ||
        i.until_ms - i.since_ms > ISOLATION_MS_MAX ||
        json_object_array_length(allow) > ISOLATION_ALLOW_MAX)
        r = -EBADMSG;
    for (size_t k = 0; r == 0 && k < json_object_array_length(allow); k++)
        r = strv_append(&i.allow,
                        strempty(json_object_get_string(json_object_array_get_idx(allow, k))));
    json_object_put(o);
    if (r < 0) {
        isolation_done(&i);
        return r;
    }
    *ret = i;
    return 0;
}

int isolation_format(const struct isolation *i, struct strbuf *out)
{
    struct jw jw;

    jw_init(&jw, out);
    jw_begin_object(&jw);
    jw_kv_u64(&jw, "since_ms", i->since_ms);
    jw_kv_u64(&jw, "until_ms", i->until_ms);
    jw_kv_u64(&jw, "until_boot_ms", i->until_boot_ms);
    jw_kv_str(&jw, "boot_id", i->boot_id);
    jw_kv_str(&jw, "server", i->server);
    jw_kv_u64(&jw, "server_port", i->server_port);
    jw_kv_str(&jw, "by", i->by);
    jw_kv_str(&jw, "reason", i->reason);
    jw_kv_bool(&jw, "by_server", i->by_server);
    jw_kv_array(&jw, "allow");
    STRV_FOREACH (address, i->allow)
        jw_cstr(&jw, *address);
    jw_end_array(&jw);
    jw_end_object(&jw);
    return jw_finish(&jw);
}

uint64_t isolation_left_ms(const struct isolation *i, const char *boot_id, uint64_t boot_ms,
                           uint64_t real_ms)
{
    uint64_t whole = i->until_ms - i->since_ms, left;

    if (streq(i->boot_id, boot_id))
        left = i->until_boot_ms > boot_ms ? i->until_boot_ms - boot_ms : 0;
    else
        left = i->until_ms > real_ms ? i->until_ms - real_ms : 0;
    return left < whole ? left : whole;
}

// What goes between quotes of YAML as it is: numbers of addresses, prefixes, ports; and no name, as "cafe.de:80" would be.
static bool is_address_text(const char *s)
{
    const char *colon = strchr(s, ':');
    bool is_ipv6 = colon && strchr(colon + 1, ':');

    return *s && strlen(s) < 100 &&
           s[strspn(s, is_ipv6 ? "0123456789abcdefABCDEF.:/[]-" : "0123456789.:/-")] == '\0';
}

static void put_list(struct strbuf *sb, char *const *list)
{
    STRV_FOREACH (address, list)
        sb_printf(sb, ", \"%s\"", *address);
}

// "10.0.0.0/8:22" without its port, whose text is returned; NULL: it has none.
static const char *split_port(const char *address, char *host, size_t size)
{
    const char *close = strchr(address, ']'), *colon = strchr(close ? close : address, ':');

    // IPv6 without brackets has none.
    if (!close && colon && strchr(colon + 1, ':'))
        colon = NULL;
    (void)snprintf(host, size, "%.*s", (int)(colon ? (size_t)(colon - address) : strlen(address)),
                   address);
    return colon ? colon + 1 : NULL;
}

// What is for an address and comes from it: of a port, whichever of the two has it.
static void put_exception(struct strbuf *sb, const char *address, const char *protocol)
{
    char host[128];
    const char *port = split_port(address, host, sizeof(host));

    sb_printf(sb, "  - {%sto: \"%s\", do: allow}\n  - {%sfrom: \"%s\", do: allow}\n", protocol,
              address, protocol, address);
    if (!port)
        return;
    sb_printf(sb, "  - {direction: out, protocol: icmp6, to: \"%s\", do: allow}\n", host);
    if (!*protocol)
        sb_printf(sb,
                  "  - {from: \"%s\", to: \"any:%s\", do: allow}\n"
                  "  - {to: \"%s\", from: \"any:%s\", do: allow}\n",
                  host, port, host, port);
}

/*
 * The same for what no process of this host sends or gets: what is forwarded, and what its kernel answers by itself. Neighbours of
 * IPv6 are found by ICMP; what comes in of it (a packet too large) is needed by the link.
 */
static void put_packets(const struct isolation *i, const char *server, struct strbuf *sb)
{
    sb_puts(sb, "packets:\n"
                "  - {protocol: udp, from: \"any:67-68\", to: \"any:67-68\", do: allow}\n"
                "  - {protocol: udp, from: \"any:546-547\", to: \"any:546-547\", do: allow}\n"
                "  - {direction: in, protocol: [icmp, icmp6], do: allow}\n"
                "  - {direction: out, protocol: icmp6, to: [link-local, multicast], do: allow}\n");
    if (*server)
        put_exception(sb, server, "protocol: tcp, ");
    STRV_FOREACH (address, i->allow)
        put_exception(sb, *address, "");
    sb_puts(sb, "  - {do: drop}\n");
}

static void put_text(const struct isolation *i, char *const *own, struct strbuf *sb)
{
    char server[sizeof(i->server) + 16] = "";

    if (*i->server)
        (void)snprintf(server, sizeof(server), strchr(i->server, ':') ? "[%s]:%u" : "%s:%u",
                       i->server, i->server_port);
    sb_puts(sb, "safeguard: 1\nname: isolation\nmode: enforce\n");
    sb_printf(sb, "subjects:\n  leases: {exe: [%s]}\nnetwork:\n", leases);
    sb_puts(sb, "  - {to: [loopback");
    put_list(sb, own);
    put_list(sb, i->allow);
    sb_puts(sb, "], do: allow}\n  - {from: [loopback");
    put_list(sb, own);
    put_list(sb, i->allow);
    sb_puts(sb, "], do: allow}\n");
    if (*server)
        sb_printf(sb, "  - {to: \"%s\", protocol: tcp, do: allow}\n", server);
    sb_puts(sb, "  - {by: leases, to: any, protocol: udp, port: [67, 547], do: allow}\n"
                "  - {by: leases, to: packet, do: allow}\n"
                "  - {by: leases, access: receive, protocol: udp, port: [68, 546], do: allow}\n"
                "  - {direction: out, do: deny}\n"
                "  - {access: [accept, receive], do: deny}\n");
    put_packets(i, server, sb);
}

int isolation_policy(const struct isolation *i, char *const *own, struct strbuf *out,
                     struct error *err)
{
    struct policy_diags diags = {};
    struct policy *policy = NULL;
    int r;

    STRV_FOREACH (address, i->allow)
        if (!is_address_text(*address)) {
            (void)error_set(err, -EINVAL, "'%s' is not an address that can stay reachable",
                            *address);
            error_expected(err, "10.0.0.5, 10.0.0.0/8, [fc00::1]:443; names are not looked up "
                                "while a host is isolated");
            return -EINVAL;
        }
    put_text(i, own, out);
    if (out->failed)
        return error_set(err, -ENOMEM, "%m");
    r = policy_load_buffer(ISOLATION_FILE, sb_str(out), out->len, NULL, &diags, &policy);
    if (r == -EINVAL && diags.n > 0)
        (void)error_set(err, r, "%s", diags.items[0].message);
    else if (r < 0)
        (void)error_set(err, r, "%m");
    policy_free(policy);
    policy_diags_done(&diags);
    return r;
}

uint32_t isolation_port_of(const char *url)
{
    const char *host = strstr(url, "://"), *colon;
    char number[8];
    uint32_t port;
    size_t len;

    host = host ? host + 3 : url;
    colon = *host == '[' ? strchr(host, ']') : host;
    colon = colon ? strchr(colon, ':') : NULL;
    if (!colon)
        return HTTPS_PORT;
    len = strspn(colon + 1, "0123456789");
    if (len == 0 || len >= sizeof(number))
        return HTTPS_PORT;
    memcpy(number, colon + 1, len);
    number[len] = '\0';
    return parse_u32(number, &port) < 0 || port > UINT16_MAX ? HTTPS_PORT : port;
}
