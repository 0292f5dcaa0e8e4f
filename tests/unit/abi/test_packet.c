// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/macro.h"
#include "tests/unit/abi/packet.h"

static struct sg_packet p;
static struct build b;

static uint32_t parse(void)
{
    struct frame f = frame_of(b.bytes, b.len);
    uint32_t reason = frame_parse(&f, &p);

    free(f.bytes);
    return reason;
}

static uint8_t *mapped(unsigned n)
{
    static uint8_t addr[2][16];
    static unsigned turn;
    uint8_t *to = addr[turn++ % 2];

    sg_packet_map_ipv4(to, (uint8_t[]){10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n});
    return to;
}

static void test_tcp(void **state)
{
    (void)state;
    put_ethernet(&b, SG_ETH_IP);
    put_ipv4(&b, 2, SG_IP_TCP, 0x4000, 20, 1, 2);
    put_tcp(&b, 1000, 443, 2);
    put_data(&b, 6); // what Ethernet pads with
    assert_int_equal(parse(), SG_PACKET_FINE);
    assert_int_equal(p.ip.family, 4);
    assert_memory_equal(p.ip.src, mapped(1), 16);
    assert_memory_equal(p.ip.dst, mapped(2), 16);
    assert_int_equal(p.ip.sport, 1000);
    assert_int_equal(p.ip.dport, 443);
    assert_int_equal(p.ip.protocol, SG_IP_TCP);
    assert_int_equal(p.ip.tos, 0xb9);
    assert_int_equal(p.ip.hops, 64);
    assert_int_equal(p.ip.l3, 14);
    assert_int_equal(p.ip.l4, 42);
    assert_int_equal(p.ip.end, 62);
    assert_int_equal(p.ip.flags, SG_PACKET_HAS_PORTS | SG_PACKET_IS_SYN);
}

static void test_tags(void **state)
{
    static const uint16_t tags[] = {SG_ETH_QINQ, SG_ETH_VLAN, SG_ETH_VLAN, SG_ETH_VLAN,
                                    SG_ETH_VLAN};

    (void)state;
    for (size_t n = 1; n <= ARRAY_SIZE(tags); n++) {
        put_ethernet(&b, tags[0]);
        for (size_t i = 1; i < n; i++) {
            put16(&b, 5);
            put16(&b, tags[i]);
        }
        put16(&b, 5);
        put16(&b, SG_ETH_IP);
        put_ipv4(&b, 0, SG_IP_UDP, 0, 8, 1, 2);
        put_udp(&b, 1, 53, 0);
        assert_int_equal(parse(), n <= SG_PACKET_TAGS_MAX ? SG_PACKET_FINE : SG_PACKET_TAGS);
        if (n <= SG_PACKET_TAGS_MAX)
            assert_int_equal(p.ip.dport, 53);
    }
    put_ethernet(&b, SG_ETH_VLAN);
    put16(&b, 5);
    assert_int_equal(parse(), SG_PACKET_CUT);
    put_ethernet(&b, 0x0806);
    put_data(&b, 28);
    assert_int_equal(parse(), SG_PACKET_OTHER);
}

static void test_fragments(void **state)
{
    (void)state;
    put_ethernet(&b, SG_ETH_IP);
    put_ipv4(&b, 0, SG_IP_UDP, 0x2000, 16, 1, 2);
    put_udp(&b, 1, 53, 100);
    put_data(&b, 8);
    assert_int_equal(parse(), SG_PACKET_FINE);
    assert_int_equal(p.ip.flags, SG_PACKET_HAS_PORTS | SG_PACKET_IS_FIRST);
    assert_int_equal(p.ip.frag_id, 0x1234);

    put_ethernet(&b, SG_ETH_IP);
    put_ipv4(&b, 0, SG_IP_UDP, 2, 8, 1, 2);
    put_data(&b, 8);
    assert_int_equal(parse(), SG_PACKET_FINE);
    assert_int_equal(p.ip.flags, SG_PACKET_IS_LATER);
    assert_int_equal(p.ip.sport, 0);

    // A first fragment that ends in the header of TCP, and a second one that would replace its flags.
    put_ethernet(&b, SG_ETH_IP);
    put_ipv4(&b, 0, SG_IP_TCP, 0x2000, 8, 1, 2);
    put_data(&b, 8);
    assert_int_equal(parse(), SG_PACKET_TINY);
    put_ethernet(&b, SG_ETH_IP);
    put_ipv4(&b, 0, SG_IP_TCP, 1, 8, 1, 2);
    put_data(&b, 8);
    assert_int_equal(parse(), SG_PACKET_TINY);
}

static void put_fragment(unsigned next, unsigned off)
{
    put8(&b, next);
    put8(&b, 0);
    put16(&b, off);
    put32(&b, 0xabcdef01);
}

static void test_extensions(void **state)
{
    (void)state;
    // Hops, a routing header with nothing left, options, one fragment that is whole, and UDP.
    put_ethernet(&b, SG_ETH_IPV6);
    put_ipv6(&b, SG_IP_HOP, 8 + 8 + 16 + 8 + 8, 1, 2);
    put(&b, "\x2b\0\1\4\0\0\0\0", 8);
    put(&b, "\x3c\0\4\0\0\0\0\0", 8);
    put(&b, "\x2c\1\1\14\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    put_fragment(SG_IP_UDP, 0);
    put_udp(&b, 7, 53, 0);
    assert_int_equal(parse(), SG_PACKET_FINE);
    assert_int_equal(p.ip.protocol, SG_IP_UDP);
    assert_int_equal(p.ip.flags, SG_PACKET_HAS_PORTS);
    assert_int_equal(p.ip.dport, 53);
    assert_int_equal(p.ip.l4, 14 + 40 + 40);

    put_ethernet(&b, SG_ETH_IPV6);
    put_ipv6(&b, SG_IP_FRAGMENT, 16, 1, 2);
    put_fragment(SG_IP_UDP, 8 * 16 | 1);
    put_data(&b, 8);
    assert_int_equal(parse(), SG_PACKET_FINE);
    assert_int_equal(p.ip.flags, SG_PACKET_IS_LATER);
    assert_int_equal(p.ip.frag_id, 0xabcdef01);
    assert_int_equal(p.ip.protocol, SG_IP_UDP);

    // A routing header that leads on: its addresses are not to be touched.
    put_ethernet(&b, SG_ETH_IPV6);
    put_ipv6(&b, SG_IP_ROUTING, 16, 1, 2);
    put(&b, "\x11\0\4\1\0\0\0\0", 8);
    put_udp(&b, 7, 53, 0);
    assert_int_equal(parse(), SG_PACKET_FINE);
    assert_int_equal(p.ip.flags, SG_PACKET_HAS_PORTS | SG_PACKET_IS_ROUTED);
    assert_false(sg_packet_can_write(&p.ip, 0));

    // Hops anywhere but in front; nine headers; a chain whose first fragment does not have its end.
    put_ethernet(&b, SG_ETH_IPV6);
    put_ipv6(&b, SG_IP_DESTINATION, 16, 1, 2);
    put(&b, "\0\0\1\4\0\0\0\0\x11\0\1\4\0\0\0\0", 16);
    assert_int_equal(parse(), SG_PACKET_EXTENSIONS);
    put_ethernet(&b, SG_ETH_IPV6);
    put_ipv6(&b, SG_IP_DESTINATION, 80, 1, 2);
    for (int i = 0; i < 8; i++)
        put(&b, "\x3c\0\1\4\0\0\0\0", 8);
    put(&b, "\x11\0\1\4\0\0\0\0", 8);
    put_udp(&b, 7, 53, 0);
    assert_int_equal(parse(), SG_PACKET_EXTENSIONS);
    put_ethernet(&b, SG_ETH_IPV6);
    put_ipv6(&b, SG_IP_FRAGMENT, 16, 1, 2);
    put_fragment(SG_IP_DESTINATION, 1);
    put(&b, "\x11\4\1\4\0\0\0\0", 8);
    assert_int_equal(parse(), SG_PACKET_TINY);
}

// What cannot be, as a change of one byte of a good packet, and as a length.
static void test_malformed(void **state)
{
    static const struct {
        unsigned family, at, value, reason;
    } rows[] = {
        {4, 14, 0x55, SG_PACKET_VERSION}, {4, 14, 0x44, SG_PACKET_HEADER},
        {4, 17, 0x13, SG_PACKET_HEADER},  {4, 17, 0xff, SG_PACKET_LENGTH},
        {4, 46, 0x40, SG_PACKET_HEADER},  {4, 46, 0xf0, SG_PACKET_HEADER},
        {4, 17, 0x20, SG_PACKET_CUT},     {6, 14, 0x40, SG_PACKET_VERSION},
        {6, 19, 0xff, SG_PACKET_LENGTH},  {6, 19, 0x04, SG_PACKET_CUT},
        {6, 20, 0, SG_PACKET_HEADER},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        put_ethernet(&b, rows[i].family == 4 ? SG_ETH_IP : SG_ETH_IPV6);
        if (rows[i].family == 4)
            put_ipv4(&b, 0, SG_IP_TCP, 0, 20, 1, 2);
        else
            put_ipv6(&b, SG_IP_TCP, 20, 1, 2);
        put_tcp(&b, 0x1109, 443, 2); // as a header of options: longer than the packet
        assert_int_equal(parse(), SG_PACKET_FINE);
        b.bytes[rows[i].at] = (uint8_t)rows[i].value;
        assert_int_equal(parse(), rows[i].reason);
    }
    // However much is missing, there is a reason, and nothing behind the end is read.
    put_ethernet(&b, SG_ETH_IPV6);
    put_ipv6(&b, SG_IP_TCP, 20, 1, 2);
    put_tcp(&b, 1, 2, 2);
    for (b.len--; b.len > 0; b.len--)
        assert_int_not_equal(parse(), SG_PACKET_FINE);
}

// Frames that are rewritten, each with the kernel's three ways of checksums.
static void put_sum(struct frame *f, enum summed summed)
{
    uint32_t at, first, end = p.ip.end;
    uint16_t sum;

    at = sg_packet_sum_at(&p.ip);
    first = summed == SUM_PARTIAL ? p.ip.l4 : end;
    memset(f->bytes + at, 0, 2);
    // A card goes on from the sum of the pseudo-header, protocol and length left out here and there alike.
    p.ip.end = first;
    sum = (uint16_t)(summed == SUM_PARTIAL ? sum_transport(f, &p.ip) : 0);
    p.ip.end = end;
    if (summed != SUM_PARTIAL)
        sum = (uint16_t)~sum_transport(f, &p.ip);
    memcpy(f->bytes + at, &sum, 2);
}

static void rewrite(enum summed summed, const struct sg_packet_ends *to)
{
    struct frame f = frame_of(b.bytes, b.len);
    uint32_t at, end;
    uint16_t sum;

    assert_int_equal(frame_parse(&f, &p), SG_PACKET_FINE);
    put_sum(&f, summed);
    f.summed = summed;
    f.whole = sum_bytes(0, f.bytes, f.len);
    assert_true(sg_packet_can_write(&p.ip, 1));
    assert_int_equal(sg_packet_write(&f, &p.ip, to), 0);
    assert_int_equal(frame_parse(&f, &p), SG_PACKET_FINE);
    assert_memory_equal(p.ip.src, to->src, 16);
    assert_memory_equal(p.ip.dst, to->dst, 16);
    if (p.ip.flags & SG_PACKET_HAS_PORTS) {
        assert_int_equal(p.ip.sport, to->sport);
        assert_int_equal(p.ip.dport, to->dport);
    }
    if (p.ip.family == 4)
        assert_int_equal(sum_header(&f, &p.ip), 0xffff);
    if (summed == SUM_PARTIAL) {
        at = sg_packet_sum_at(&p.ip);
        end = p.ip.end;
        memcpy(&sum, f.bytes + at, 2);
        p.ip.end = p.ip.l4;
        assert_int_equal(sum_fold(sum), sum_transport(&f, &p.ip));
        p.ip.end = end;
    } else {
        assert_int_equal(sum_transport(&f, &p.ip), 0xffff);
    }
    if (summed == SUM_COMPLETE)
        assert_int_equal(f.whole, sum_bytes(0, f.bytes, f.len));
    free(f.bytes);
}

static void test_rewrite(void **state)
{
    static const uint8_t protocols[] = {SG_IP_TCP, SG_IP_UDP, SG_IP_ICMP};
    struct sg_packet_ends to4 = {.sport = 2000, .dport = 8080}, to6 = to4;

    (void)state;
    memcpy(to4.src, mapped(0x10203), 16);
    memcpy(to4.dst, mapped(0xffff), 16);
    memset(to6.src, 0xfe, 16);
    memset(to6.dst, 0x3a, 16);
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
        for (unsigned family = 4; family <= 6; family += 2)
            for (enum summed summed = SUM_NONE; summed <= SUM_COMPLETE; summed++) {
                unsigned protocol = protocols[i];

                if (protocol == SG_IP_ICMP && summed == SUM_PARTIAL)
                    continue;
                put_ethernet(&b, family == 4 ? SG_ETH_IP : SG_ETH_IPV6);
                if (family == 4)
                    put_ipv4(&b, 1, protocol, 0, 31, 1, 2);
                else
                    put_ipv6(&b, protocol == SG_IP_ICMP ? SG_IP_ICMP6 : protocol, 31, 1, 2);
                if (protocol == SG_IP_TCP)
                    put_tcp(&b, 1000, 443, 2);
                else if (protocol == SG_IP_UDP)
                    put_udp(&b, 1000, 443, 23);
                else
                    put(&b, family == 4 ? "\x08\0\0\0\0\7\0\1" : "\x80\0\0\0\0\7\0\1", 8);
                put_data(&b, protocol == SG_IP_TCP ? 11 : 23);
                rewrite(summed, family == 4 ? &to4 : &to6);
            }
}

// UDP without a checksum has none afterwards, and one that comes out as zero is written as the other zero.
static void test_udp_zero(void **state)
{
    struct sg_packet_ends to = {.sport = 1000, .dport = 53};
    struct frame f;
    uint16_t sum;

    (void)state;
    memcpy(to.src, mapped(9), 16);
    memcpy(to.dst, mapped(2), 16);
    put_ethernet(&b, SG_ETH_IP);
    put_ipv4(&b, 0, SG_IP_UDP, 0, 8, 1, 2);
    put_udp(&b, 1000, 53, 0);
    f = frame_of(b.bytes, b.len);
    assert_int_equal(frame_parse(&f, &p), SG_PACKET_FINE);
    assert_int_equal(sg_packet_write(&f, &p.ip, &to), 0);
    assert_int_equal(f.bytes[40] << 8 | f.bytes[41], 0);
    free(f.bytes);

    // A checksum of 8 with 8 less to sum up: what is left is zero.
    b.bytes[41] = 8;
    f = frame_of(b.bytes, b.len);
    assert_int_equal(frame_parse(&f, &p), SG_PACKET_FINE);
    assert_int_equal(sg_packet_write(&f, &p.ip, &to), 0);
    memcpy(&sum, f.bytes + 40, 2);
    assert_int_equal(sum, 0xffff);
    free(f.bytes);
}

// An error that quotes a packet which was rewritten: as its sender knew it, with all checksums within it.
static void test_quoted(void **state)
{
    struct sg_packet_ends to = {.sport = 4000, .dport = 53};
    uint32_t outer, inner;
    struct frame f;

    (void)state;
    memcpy(to.src, mapped(77), 16);
    memcpy(to.dst, mapped(78), 16);
    put_ethernet(&b, SG_ETH_IP);
    put_ipv4(&b, 0, SG_IP_ICMP, 0, 8 + 20 + 8 + 6, 3, 1);
    put(&b, "\3\3\x12\x34\0\0\0\0", 8);
    put_ipv4(&b, 0, SG_IP_UDP, 0, 8 + 100, 1, 2); // longer than what is quoted
    put_udp(&b, 1000, 8053, 100);
    b.bytes[b.len - 1] = 0x77; // a checksum
    put_data(&b, 6);
    f = frame_of(b.bytes, b.len);
    assert_int_equal(frame_parse(&f, &p), SG_PACKET_FINE);
    assert_true(p.ip.flags & SG_PACKET_IS_ERROR);
    assert_int_equal(sg_packet_quoted(&f, &p), 0);
    assert_int_equal(p.quoted.sport, 1000);
    assert_int_equal(p.quoted.dport, 8053);
    outer = sum_transport(&f, &p.ip);
    inner = sum_transport(&f, &p.quoted);
    assert_int_equal(sg_packet_write_quoted(&f, &p, &to), 0);
    assert_int_equal(sum_transport(&f, &p.ip), outer);
    assert_int_equal(sum_transport(&f, &p.quoted), inner);
    assert_int_equal(sum_header(&f, &p.quoted), 0xffff);
    assert_int_equal(sg_packet_quoted(&f, &p), 0);
    assert_int_equal(p.quoted.sport, 4000);
    assert_int_equal(p.quoted.dport, 53);
    assert_memory_equal(p.quoted.src, to.src, 16);
    free(f.bytes);

    // What pads the frame is no part of what is quoted.
    put_ethernet(&b, SG_ETH_IP);
    put_ipv4(&b, 0, SG_IP_ICMP, 0, 8 + 20, 3, 1);
    put(&b, "\3\3\0\0\0\0\0\0", 8);
    put_ipv4(&b, 0, SG_IP_UDP, 0, 8, 1, 2);
    put_udp(&b, 1000, 8053, 0);
    f = frame_of(b.bytes, b.len);
    assert_int_equal(frame_parse(&f, &p), SG_PACKET_FINE);
    assert_int_equal(sg_packet_quoted(&f, &p), -1);
    assert_int_equal(p.reason, SG_PACKET_FINE);
    free(f.bytes);
}

static void test_label(void **state)
{
    struct frame f;

    (void)state;
    for (unsigned family = 4; family <= 6; family += 2) {
        put_ethernet(&b, family == 4 ? SG_ETH_IP : SG_ETH_IPV6);
        if (family == 4)
            put_ipv4(&b, 0, SG_IP_UDP, 0, 8, 1, 2);
        else
            put_ipv6(&b, SG_IP_UDP, 8, 1, 2);
        put_udp(&b, 1, 2, 0);
        f = frame_of(b.bytes, b.len);
        assert_int_equal(frame_parse(&f, &p), SG_PACKET_FINE);
        f.summed = SUM_COMPLETE;
        f.whole = sum_bytes(0, f.bytes, f.len);
        assert_int_equal(sg_packet_write_dscp(&f, &p.ip, 0x15), 0);
        assert_int_equal(sg_packet_write_hops(&f, &p.ip), 0);
        assert_int_equal(f.whole, sum_bytes(0, f.bytes, f.len));
        assert_int_equal(frame_parse(&f, &p), SG_PACKET_FINE);
        assert_int_equal(p.ip.tos, 0x15 << 2 | 1); // ECN is as it was
        assert_int_equal(p.ip.hops, 63);
        if (family == 4)
            assert_int_equal(sum_header(&f, &p.ip), 0xffff);
        free(f.bytes);
    }
}

static void test_lowest(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        assert_int_equal(sg_packet_lowest(UINT64_C(1) << i), i);
        assert_int_equal(sg_packet_lowest(UINT64_MAX << i), i);
    }
}

UNIT_MAIN(cmocka_unit_test(test_tcp), cmocka_unit_test(test_tags), cmocka_unit_test(test_fragments),
          cmocka_unit_test(test_extensions), cmocka_unit_test(test_malformed),
          cmocka_unit_test(test_rewrite), cmocka_unit_test(test_udp_zero),
          cmocka_unit_test(test_quoted), cmocka_unit_test(test_label),
          cmocka_unit_test(test_lowest))
