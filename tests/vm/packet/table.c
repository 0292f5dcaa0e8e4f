// SPDX-License-Identifier: Apache-2.0
//
// sg-packet-table: gives the programs for packets frames by BPF_PROG_TEST_RUN, one row each, and looks at what they answer and at what
// the frame is afterwards. Prints TAP.
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/macro.h"
#include "base/strbuf.h"
#include "packets/internal.h"
#include "policy/policy.h"
#include "tests/unit/abi/packet.h"

#define PASS  UINT32_MAX // TC_ACT_UNSPEC
#define SHOT  2
#define EARLY 1 // XDP_DROP
#define ON    2 // XDP_PASS

static const char rules[] =
    "safeguard: 1\nmode: enforce\npackets:\n"
    "  - {interface: lo, direction: in, protocol: udp, to: '10.0.0.2:53', do: drop}\n"
    "  - {interface: lo, direction: in, protocol: udp, to: '10.0.0.3:53', do: allow}\n"
    "  - {interface: lo, direction: in, protocol: udp, to: 10.0.0.3, do: drop}\n"
    "  - {interface: lo, direction: in, protocol: tcp, to: '10.0.0.2:80', do: {rewrite: {to: '10.0.0.9:8080'}}}\n"
    "  - {interface: lo, direction: in, protocol: tcp, to: '[2001:db8::2]:80', do: {rewrite: {to: '[2001:db8::9]:8080'}}}\n"
    "  - {interface: lo, direction: in, protocol: tcp, from: '2001:db8::/32', port: 443, do: drop}\n"
    "  - {interface: lo, direction: in, protocol: udp, port: 7, do: {dscp: 8, mark: 5}}\n"
    "  - {interface: lo, direction: in, dscp: ef, protocol: udp, port: 9, do: drop}\n"
    "  - {interface: lo, direction: out, protocol: udp, port: 11, do: drop}\n"
    "  - {interface: lo, direction: in, protocol: udp, port: 13, mode: monitor, do: drop}\n"
    "  - {interface: lo, direction: in, protocol: udp, from: 10.0.0.4, do: {limit: {packets: 1, burst: 3}}}\n";

static struct build b;
static struct sg_packet p;
static int failed;

static void udp4(unsigned src, unsigned dst, unsigned port)
{
    put_ethernet(&b, SG_ETH_IP);
    put_ipv4(&b, 0, SG_IP_UDP, 0, 8 + 18, src, dst);
    put_udp(&b, 4000, port, 18);
    put_data(&b, 18);
}

static void tcp(unsigned family, unsigned src, unsigned dst, unsigned sport, unsigned port,
                unsigned flags)
{
    struct frame f;
    uint16_t sum;

    put_ethernet(&b, family == 4 ? SG_ETH_IP : SG_ETH_IPV6);
    if (family == 4)
        put_ipv4(&b, 1, SG_IP_TCP, 0x4000, 20, src, dst);
    else
        put_ipv6(&b, SG_IP_TCP, 20, src, dst);
    put_tcp(&b, sport, port, flags);
    f = frame_of(b.bytes, b.len);
    (void)frame_parse(&f, &p);
    sum = (uint16_t)~sum_transport(
        &f, &p.ip); // protocol and length are left out, here and where it is looked at
    memcpy(b.bytes + p.ip.l4 + 16, &sum, 2);
    free(f.bytes);
}

// Runs a program over the frame in `b`, which is afterwards what the program has made of it.
static void run(const char *name, int prog_fd, uint32_t expected)
{
    static uint8_t out[sizeof(b.bytes) + 256];
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = b.bytes, .data_size_in = (uint32_t)b.len,
                .data_out = out, .data_size_out = sizeof(out), .repeat = 1);
    int r = bpf_prog_test_run_opts(prog_fd, &opts);
    bool fine = r == 0 && opts.retval == expected;

    printf("%sok table.%s\n", fine ? "" : "not ", name);
    if (!fine)
        printf("# %s: answer %d (expected %d)\n", r ? strerror(-r) : "", (int)opts.retval,
               (int)expected);
    failed += !fine;
    if (r == 0 && opts.data_size_out <= sizeof(b.bytes)) {
        memcpy(b.bytes, out, opts.data_size_out);
        b.len = opts.data_size_out;
    }
}

static void check(const char *name, bool fine)
{
    printf("%sok table.%s\n", fine ? "" : "not ", name);
    failed += !fine;
}

// What the frame is now: ends, and checksums that are right.
static void check_tcp(const char *name, unsigned src, unsigned dst, unsigned sport, unsigned dport)
{
    struct frame f = frame_of(b.bytes, b.len);
    bool fine = frame_parse(&f, &p) == SG_PACKET_FINE;

    fine = fine && p.ip.src[15] == src && p.ip.dst[15] == dst && p.ip.sport == sport &&
           p.ip.dport == dport && sum_transport(&f, &p.ip) == 0xffff &&
           (p.ip.family == 6 || sum_header(&f, &p.ip) == 0xffff);
    check(name, fine);
    if (!fine)
        printf("# %u:%u > %u:%u, sums %x %x\n", p.ip.src[15], p.ip.sport, p.ip.dst[15], p.ip.dport,
               sum_transport(&f, &p.ip), p.ip.family == 4 ? sum_header(&f, &p.ip) : 0);
    free(f.bytes);
}

static void plain(int in, int out, int early)
{
    udp4(1, 2, 53);
    run("udp.in", in, SHOT);
    udp4(1, 2, 53);
    run("udp.early", early, EARLY);
    udp4(1, 2, 54);
    run("udp.other_port", in, PASS);
    run("udp.other_port_early", early, ON);
    udp4(1, 2, 53);
    run("udp.out", out, PASS);
    udp4(1, 5, 11);
    run("udp.only_out", out, SHOT);
    udp4(1, 5, 11);
    run("udp.not_in", in, PASS);
    udp4(1, 5, 9);
    run("udp.dscp", in, SHOT);
    b.bytes[15] = 0;
    run("udp.other_dscp", in, PASS);
    udp4(1, 5, 13);
    run("udp.monitor", in, PASS);
    udp4(1, 5, 13);
    run("udp.monitor_early", early, ON);
    tcp(6, 1, 2, 4000, 443, 2);
    run("tcp6.in", in, SHOT);
    udp4(1, 5, 7);
    run("dscp.in", in, PASS);
    check("dscp.written", b.bytes[15] == (8 << 2 | 1));
    for (int i = 0; i < 3; i++) {
        udp4(4, 5, 20);
        run("limit.within", early, ON);
    }
    udp4(4, 5, 20);
    run("limit.above", early, EARLY);
    udp4(4, 5, 20);
    run("limit.not_twice", in, PASS); // what XDP let pass is not taken again
}

static void tagged(int in, int early)
{
    put_ethernet(&b, SG_ETH_QINQ);
    put16(&b, 5);
    put16(&b, SG_ETH_VLAN);
    put16(&b, 6);
    put16(&b, SG_ETH_IP);
    put_ipv4(&b, 2, SG_IP_UDP, 0, 26, 1, 2);
    put_udp(&b, 4000, 53, 18);
    put_data(&b, 18);
    run("vlan.in", in, SHOT);
    run("vlan.early", early, EARLY);
    put_ethernet(&b, SG_ETH_IPV6);
    put_ipv6(&b, SG_IP_HOP, 8 + 8 + 20, 1, 2);
    put(&b, "\x3c\0\1\4\0\0\0\0", 8);
    put(&b, "\x06\0\1\4\0\0\0\0", 8);
    put_tcp(&b, 4000, 443, 2);
    run("extensions.in", in, SHOT);
    run("extensions.early", early, EARLY);
}

static void fragment(unsigned dst, unsigned id, unsigned off, unsigned port)
{
    put_ethernet(&b, SG_ETH_IP);
    put_ipv4(&b, 0, SG_IP_UDP, off, 8 + 16, 1, dst);
    b.bytes[18] = (uint8_t)(id >> 8);
    b.bytes[19] = (uint8_t)id;
    put_udp(&b, 4000, port, 100);
    put_data(&b, 16);
}

// A later fragment gets what its first one got; one whose first was not seen, what is said without ports.
static void fragments(int prog, uint32_t drop, uint32_t pass, const char *where)
{
    char name[64];

#define NAME(what) (snprintf(name, sizeof(name), "fragment.%s_%s", what, where), name)
    fragment(2, 77, 3, 0);
    run(NAME("alone"), prog, pass);
    fragment(2, 77, 0x2000, 53);
    run(NAME("first"), prog, drop);
    fragment(2, 77, 3, 0);
    run(NAME("later"), prog, drop);
    fragment(3, 78, 0x2000, 53);
    run(NAME("allowed_first"), prog, pass);
    fragment(3, 78, 3, 0);
    run(NAME("allowed_later"), prog, pass);
    fragment(3, 79, 3, 0);
    run(NAME("unknown"), prog, drop);
#undef NAME
}

static void malformed(int in, int early)
{
    static const struct {
        const char *name;
        unsigned at, value;
    } rows[] = {
        {"version", 14, 0x65},
        {"header", 14, 0x41},
        {"length", 17, 0xff},
        {"short", 17, 0x16},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        udp4(1, 5, 99);
        b.bytes[rows[i].at] = (uint8_t)rows[i].value;
        run(rows[i].name, in, SHOT);
        run(rows[i].name, early, EARLY);
    }
    put_ethernet(&b, 0x0806);
    put_data(&b, 28);
    run("arp", in, PASS);
    run("arp.early", early, ON);
}

static void rewriting(int in, int out)
{
    for (unsigned family = 4; family <= 6; family += 2) {
        tcp(family, 1, 2, 4000, 80, 2);
        run("rewrite.in", in, PASS);
        check_tcp("rewrite.there", 1, 9, 4000, 8080);
        // The way back, seen going out.
        tcp(family, 9, 1, 8080, 4000, 0x12);
        run("rewrite.out", out, PASS);
        check_tcp("rewrite.back", 2, 1, 80, 4000);
    }
    tcp(4, 1, 2, 4001, 80, 0x10);
    run("rewrite.stood_before", in, PASS);
    check_tcp("rewrite.is_left", 1, 2, 4001, 80);
}

int main(void)
{
    struct rlimit memory = {RLIM_INFINITY, RLIM_INFINITY};
    _cleanup_(policy_diags_done) struct policy_diags diags = {};
    _cleanup_(sb_done) struct strbuf said = {};
    struct policy *policy = NULL;
    struct packets *packets = NULL;
    struct error err = {};
    int r;

    (void)setrlimit(RLIMIT_MEMLOCK, &memory);
    (void)libbpf_set_print(NULL);
    r = policy_load_buffer("rules", rules, sizeof(rules) - 1, NULL, &diags, &policy);
    if (r < 0)
        policy_diags_format(&diags, false, &said);
    (void)fputs(sb_str(&said), stderr);
    r = r < 0 ? r : packets_new("/sys/fs/bpf/sg-table", &packets, &err);
    r = r < 0 ? r : packets_apply(packets, &policy->packets, &err);
    if (r < 0) {
        error_print(&err, stderr);
        printf("not ok table.load\n");
        return 1;
    }
    plain(packets->ingress_fd, packets->egress_fd, packets->early_fd);
    tagged(packets->ingress_fd, packets->early_fd);
    fragments(packets->ingress_fd, SHOT, PASS, "in");
    fragments(packets->early_fd, EARLY, ON, "early");
    malformed(packets->ingress_fd, packets->early_fd);
    rewriting(packets->ingress_fd, packets->egress_fd);
    (void)packets_free(packets);
    check("clear", packets_clear("/sys/fs/bpf/sg-table", &err) == 0);
    (void)policy_free(policy);
    return failed > 0;
}
