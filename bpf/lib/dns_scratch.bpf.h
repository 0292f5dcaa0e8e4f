/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory in which a message is parsed, its question remembered and its record put together; the tables of the room, its counters.
 *
 * A question passes in the sender's context and is interrupted by answers that come in, and both may be preempted: a CPU has several
 * pieces of memory, and who finds none counts it. Functions are global and take a piece's number, to be verified once.
 */
#ifndef SG_BPF_DNS_SCRATCH_H
#define SG_BPF_DNS_SCRATCH_H

#include "names.bpf.h"

#include "abi/dns.h"

/* A message, and in which piece it lies. */
struct dns_message {
    __u32 slot;
    __u8 bytes[SG_DNS_MESSAGE_MAX];
};

#define SG_DNS_T           const struct dns_message *
#define sg_dns_byte(m, at) ((m)->bytes[(at) & (SG_DNS_MESSAGE_MAX - 1)])
#define SG_DNS_WALK(m, d)  dns_walk((m)->slot)
#define SG_DNS_HOP(m, d)   dns_hop((m)->slot)

__noinline int dns_walk(__u32 slot);
__noinline int dns_hop(__u32 slot);

#include "abi/dns_parse.h"

#define DNS_SCRATCHES 4
#define DNS_ASKED_MAX 4096 /* questions that wait for an answer */
#define DNS_LOCKS     64   /* a power of two */

/* A packet to or from a server. */
struct dns_packet {
    __u8 server[16], local[16];
    __u16 server_port, local_port;
    __u16 protocol;
    __u16 outgoing;
    __u32 at, len; /* of the message */
};

/* A question that waits for an answer. The server is part of it: some ask several at once, with one socket and one id. */
struct dns_key {
    __u64 cookie;
    __u64 sum; /* of the name; the name itself is compared, too */
    __u8 server[16];
    __u16 server_port, protocol, id, qtype;
};

struct dns_asked {
    __u64 first_ns, last_ns;
    __u64 start_ns;
    __u32 tgid, uid;
    __u32 sent;
    __u32 flags; /* SG_DNS_NOBODY */
    __u8 name[256];
};

struct dns_scratch {
    __u64 claims;
    __u32 net_ns;
    struct dns_packet packet;
    struct dns_key key;
    struct dns_asked asked;
    struct sg_name_key address;
    struct sg_dns_server server;
    struct sg_dns d;
    struct sg_dns_record record;
    struct dns_message message;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, DNS_SCRATCHES);
    __type(key, __u32);
    __type(value, struct dns_scratch);
} dns_scratches SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, DNS_ASKED_MAX);
    __type(key, struct dns_key);
    __type(value, struct dns_asked);
} dns_asked SEC(".maps");

struct dns_lock {
    struct bpf_spin_lock lock;
};

/* Writers of the table of names, by address. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, DNS_LOCKS);
    __type(key, __u32);
    __type(value, struct dns_lock);
} dns_locks SEC(".maps");

/* The servers that are believed, where dns_servers_only is set. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 256);
    __type(key, struct sg_dns_server);
    __type(value, __u8);
} dns_servers SEC(".maps");

/* struct sg_dns_record, the last addresses that are not there left out. */
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 20);
} dns_records SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, SG_DNS_COUNT_MAX);
    __type(key, __u32);
    __type(value, __u64);
} dns_counters SEC(".maps");

static __always_inline void dns_count(__u32 what)
{
    __u64 *n = bpf_map_lookup_elem(&dns_counters, &what);

    if (n)
        __sync_fetch_and_add(n, 1);
}

static __always_inline struct dns_scratch *dns_scratch_of(__u32 slot)
{
    return bpf_map_lookup_elem(&dns_scratches, &slot);
}

/* The number of a piece that is nobody else's until it is given back; DNS_SCRATCHES: none is free. */
__noinline __u32 dns_claim(void)
{
    for (__u32 i = 0; i < DNS_SCRATCHES; i++) {
        __u32 slot = i;
        struct dns_scratch *s = dns_scratch_of(slot);

        if (!s)
            break;
        if (sg_claimed(&s->claims)) {
            s->message.slot = i;
            return i;
        }
    }
    dns_count(SG_DNS_COUNT_BUSY);
    return DNS_SCRATCHES;
}

__noinline int dns_walk(__u32 slot)
{
    struct dns_scratch *s = dns_scratch_of(slot);

    if (s)
        sg_dns_walk(&s->message, &s->d);
    return 0;
}

__noinline int dns_hop(__u32 slot)
{
    struct dns_scratch *s = dns_scratch_of(slot);

    if (s)
        sg_dns_hop(&s->d);
    return 0;
}

#endif
