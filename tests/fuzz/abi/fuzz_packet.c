// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer harness for abi/packet_parse and abi/packet_edit: any bytes give a reason or a packet that lies within them; and whatever
// its ends, DSCP and hops become, each sum that a checksum keeps stays what it was, also of what an error quotes.
#include "tests/unit/abi/packet.h"

#define SETTINGS 40

static void check(int cond)
{
    if (!cond)
        abort();
}

static void check_ip(const struct frame *f, const struct sg_packet_ip *ip, int quoted)
{
    uint32_t least = ip->family == 4 ? 20 : 40;

    check(ip->family == 4 || ip->family == 6);
    check(ip->l3 + least <= ip->l4);
    check(ip->end <= f->len);
    check(quoted || ip->l4 <= ip->end);
    check(ip->hops == f->bytes[ip->l3 + (ip->family == 4 ? 8 : 7)]);
    if (ip->flags & (SG_PACKET_HAS_PORTS | SG_PACKET_IS_ECHO | SG_PACKET_IS_ERROR)) {
        check(!(ip->flags & SG_PACKET_IS_LATER));
        check(ip->l4 + 8 <= f->len);
    }
    if (ip->flags & SG_PACKET_HAS_PORTS) {
        check(ip->sport == (f->bytes[ip->l4] << 8 | f->bytes[ip->l4 + 1]));
        check(ip->dport == (f->bytes[ip->l4 + 2] << 8 | f->bytes[ip->l4 + 3]));
    }
}

// Has it a checksum that can be followed?
static int has_sum(const struct frame *f, const struct sg_packet_ip *ip)
{
    uint32_t at = sg_packet_sum_at(ip);

    if (!at || at + 2 > ip->end || !sg_packet_can_write(ip, 1))
        return 0;
    return (ip->protocol != SG_IP_UDP && ip->protocol != SG_IP_UDPLITE) || f->bytes[at] ||
           f->bytes[at + 1];
}

static void choose(struct sg_packet_ends *e, const uint8_t *settings, uint8_t family)
{
    memcpy(e, settings, sizeof(*e));
    if (family != 4)
        return;
    sg_packet_map_ipv4(e->src, settings);
    sg_packet_map_ipv4(e->dst, settings + 16);
}

static void change(struct frame *f, struct sg_packet *p, const uint8_t *settings)
{
    int writes = sg_packet_can_write(&p->ip, 1), sums = has_sum(f, &p->ip);
    uint32_t transport = sums ? sum_transport(f, &p->ip) : 0, header = sum_header(f, &p->ip);
    struct sg_packet again;
    struct sg_packet_ends e;

    choose(&e, settings, p->ip.family);
    if (writes)
        check(sg_packet_write(f, &p->ip, &e) == 0);
    check(sg_packet_write_dscp(f, &p->ip, settings[38] & 63) == 0);
    if (p->ip.hops > 1)
        check(sg_packet_write_hops(f, &p->ip) == 0);
    check(sum_header(f, &p->ip) == header);
    if (sums && f->summed != SUM_PARTIAL)
        check(sum_transport(f, &p->ip) == transport);
    // Ports of UDP without a checksum are the exception: nobody looks at the card's then.
    if (f->summed == SUM_COMPLETE && (sums || !writes))
        check(f->whole == sum_bytes(0, f->bytes, f->len));
    check(frame_parse(f, &again) == SG_PACKET_FINE);
    check(again.ip.tos >> 2 == (settings[38] & 63) && (again.ip.tos & 3) == (p->ip.tos & 3));
    check(p->ip.hops <= 1 || again.ip.hops == p->ip.hops - 1);
    if (writes) {
        check(memcmp(again.ip.src, e.src, 16) == 0 && memcmp(again.ip.dst, e.dst, 16) == 0);
        if (p->ip.flags & SG_PACKET_HAS_PORTS)
            check(again.ip.sport == e.sport && again.ip.dport == e.dport);
    }
}

static void change_quoted(struct frame *f, struct sg_packet *p, const uint8_t *settings)
{
    uint32_t outer = sum_transport(f, &p->ip), header, transport = 0;
    struct sg_packet_ends e;
    int sums;

    if (sg_packet_quoted(f, p) < 0)
        return;
    check(p->reason == SG_PACKET_FINE);
    check_ip(f, &p->quoted, 1);
    check(p->quoted.end <= p->ip.end);
    sums = p->quoted.end > p->quoted.l4 && has_sum(f, &p->quoted);
    header = sum_header(f, &p->quoted);
    if (sums)
        transport = sum_transport(f, &p->quoted);
    choose(&e, settings, p->quoted.family);
    check(sg_packet_write_quoted(f, p, &e) == 0);
    check(sum_transport(f, &p->ip) == outer);
    check(sum_header(f, &p->quoted) == header);
    if (sums)
        check(sum_transport(f, &p->quoted) == transport);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sg_packet p;
    struct frame f;

    if (size < SETTINGS)
        return 0;
    f = frame_of(data + SETTINGS, size - SETTINGS);
    f.summed = (enum summed)(data[39] % 3);
    f.whole = sum_bytes(0, f.bytes, f.len);
    if (frame_parse(&f, &p) == SG_PACKET_FINE) {
        check_ip(&f, &p.ip, 0);
        if (p.ip.flags & SG_PACKET_IS_ERROR) {
            f.summed = SUM_NONE; // nobody leaves these to a card
            change_quoted(&f, &p, data);
        } else {
            change(&f, &p, data);
        }
    } else {
        check(p.reason < SG_PACKET_REASONS);
    }
    free(f.bytes);
    return 0;
}
