/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Domain names from the wire: which addresses were answered for which name, and who asked.
 *
 * Two programs on the root of the hierarchy of cgroups see what leaves and what comes to a socket of this host. A question is
 * remembered by its socket, server, id, type and name; an answer is taken if somebody waits for it, and then the addresses that the
 * CNAMEs of the answer lead to are in the table of names before the answer is in the socket's queue: whoever connects has been told
 * by then. A server on the host itself (127.0.0.53) is a server like others: what leaves a client is a question, what comes to one
 * is an answer, and neither of these ways is the server's.
 *
 * What is learnt is what a server says, and no more true than that. With dns_servers_only nothing is learnt of servers that are not
 * in dns_servers: a program that may ask whomever it likes has an answer of its own otherwise. A server is believed in its network
 * namespace, since in a namespace of one's own everybody can be 127.0.0.53.
 *
 * Not seen: what is encrypted (DoT, DoH), other ports, addresses in other records than A and AAAA (SVCB), and questions whose
 * destination netfilter has changed on this host, since the answer comes back from another server then.
 */
#ifndef SG_BPF_DNS_H
#define SG_BPF_DNS_H

#include "lib/dns_packet.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct net___dns {
    struct ns_common ns;
};

struct sock_common___dns {
    struct {
        struct net___dns *net;
    } skc_net;
};

struct sock___dns {
    struct sock_common___dns __sk_common;
    struct {
        int owned;
    } sk_lock;
    kuid_t sk_uid;
};

struct sk_buff___dns {
    struct sock___dns *sk;
};

struct cred___dns {
    kuid_t fsuid;
};

#pragma clang attribute pop

/* Set by whoever loads this: names are learnt of the servers in dns_servers only. */
volatile __u32 dns_servers_only = 0;

/* A name among the constants: without one the object would have no type information on 5.10. */
const volatile __u32 dns_version = 1;

static const struct sg_names dns_no_names = {};

/* The socket, as the kernel has it: programs of this type may read memory, but their context hides where. */
static __always_inline struct sock___dns *dns_sock(struct __sk_buff *skb)
{
    struct sk_buff___dns *kernel_skb = (void *)sg_address(skb);

    return BPF_CORE_READ(kernel_skb, sk);
}

/*
 * Is who runs now who sends this? UDP leaves in the sender's system call, but what somebody else lets go on (a queue of netfilter's)
 * leaves in his: so the socket has to have been made by the same user in the same cgroup. TCP leaves whenever the other end makes
 * room, in interrupts, too: who has the socket locked is in a system call on it, and while he has, nobody else sends.
 */
static __always_inline bool dns_is_sender(struct __sk_buff *skb, struct task_struct *task,
                                          __u32 protocol)
{
    struct sock___dns *sk = dns_sock(skb);
    struct cred___dns *cred = (void *)BPF_CORE_READ(task, cred);

    if ((BPF_CORE_READ(task, flags) & (PF_KTHREAD | PF_IO_WORKER)) == PF_KTHREAD)
        return false;
    if (protocol == DNS_IP_TCP)
        return BPF_CORE_READ(sk, sk_lock.owned) != 0;
    return BPF_CORE_READ(sk, sk_uid.val) == BPF_CORE_READ(cred, fsuid.val) &&
           bpf_skb_cgroup_id(skb) == BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
}

static __always_inline void dns_fill_who(struct __sk_buff *skb, struct dns_asked *a, __u32 protocol)
{
    struct task_struct *task = (void *)bpf_get_current_task();

    if (dns_is_sender(skb, task, protocol)) {
        a->tgid = BPF_CORE_READ(task, tgid);
        a->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
        a->uid = BPF_CORE_READ(task, real_cred, uid.val);
        a->flags = 0;
    } else {
        a->tgid = 0;
        a->start_ns = 0;
        a->uid = ~0u;
        a->flags = SG_DNS_NOBODY;
    }
}

/* What a question and its answer are told by. */
static __always_inline void dns_fill_key(struct __sk_buff *skb, struct dns_scratch *s)
{
    s->key.cookie = bpf_get_socket_cookie(skb);
    s->key.sum = s->d.question;
    __builtin_memcpy(s->key.server, s->packet.server, 16);
    s->key.server_port = s->packet.server_port;
    s->key.protocol = s->packet.protocol;
    s->key.id = s->d.id;
    s->key.qtype = s->d.qtype;
}

static __always_inline __u32 dns_net_ns(struct __sk_buff *skb)
{
    struct sock___dns *sk = dns_sock(skb);

    return BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
}

/* Begins a record with all that a question and its answer have in common. */
static __always_inline void dns_begin_record(struct dns_scratch *s, __u16 type, __u64 now)
{
    struct sg_dns_record *r = &s->record;

    __builtin_memset(r, 0, __builtin_offsetof(struct sg_dns_record, name));
    r->type = type;
    r->flags = (__u16)s->asked.flags;
    if (s->packet.protocol == DNS_IP_TCP)
        r->flags |= SG_DNS_TCP;
    if (s->d.unusable)
        r->flags |= SG_DNS_NAMELESS;
    r->time_ns = now;
    r->cookie = s->key.cookie;
    r->start_ns = s->asked.start_ns;
    r->tgid = s->asked.tgid;
    r->uid = s->asked.uid;
    __builtin_memcpy(r->server, s->packet.server, 16);
    __builtin_memcpy(r->local, s->packet.local, 16);
    r->server_port = s->packet.server_port;
    r->local_port = s->packet.local_port;
    r->net_ns = s->net_ns;
    r->id = s->d.id;
    r->qtype = s->d.qtype;
    r->qclass = s->d.qclass;
    r->header = s->d.header;
    r->name_len = (__u16)s->d.name_len;
    __builtin_memcpy(r->name, s->d.name, sizeof(r->name));
}

static __always_inline void dns_send(struct dns_scratch *s)
{
    __u64 n = s->record.n_answers;

    if (n > SG_DNS_TOLD_MAX)
        n = SG_DNS_TOLD_MAX;
    n = __builtin_offsetof(struct sg_dns_record, answers) + n * sizeof(struct sg_dns_answer);
    s->record.size = (__u32)n;
    asm volatile("" : "+r"(n)); /* the bounds must hold in this register */
    if (n > sizeof(s->record))
        n = sizeof(s->record);
    dns_count(bpf_ringbuf_output(&dns_records, &s->record, n, 0) ? SG_DNS_COUNT_LOST
                                                                 : SG_DNS_COUNT_SENT);
}

/* Somebody asks. */
__noinline int dns_ask(struct __sk_buff *skb, __u32 slot)
{
    struct dns_scratch *s = dns_scratch_of(slot);
    __u64 now = bpf_ktime_get_boot_ns();
    struct dns_asked *again;

    if (!s || s->d.header & SG_DNS_IS_RESPONSE)
        return 0;
    dns_fill_key(skb, s);
    again = bpf_map_lookup_elem(&dns_asked, &s->key);
    if (again && now - again->last_ns < SG_DNS_WAIT_NS) {
        again->sent++;
        again->last_ns = now;
        return 0;
    }
    s->net_ns = dns_net_ns(skb);
    s->asked.first_ns = s->asked.last_ns = now;
    s->asked.sent = 1;
    dns_fill_who(skb, &s->asked, s->packet.protocol);
    __builtin_memcpy(s->asked.name, s->d.name, sizeof(s->asked.name));
    if (bpf_map_update_elem(&dns_asked, &s->key, &s->asked, BPF_ANY))
        dns_count(SG_DNS_COUNT_FULL);
    dns_count(SG_DNS_COUNT_QUESTIONS);
    if (s->d.unusable)
        dns_count(SG_DNS_COUNT_UNUSABLE);
    dns_begin_record(s, SG_DNS_QUESTION, now);
    dns_send(s);
    return 0;
}

/* Takes the question that this answers out of the table; 0: there is none. */
__noinline int dns_take(struct __sk_buff *skb, __u32 slot)
{
    struct dns_scratch *s = dns_scratch_of(slot);
    __u64 now = bpf_ktime_get_boot_ns(), differs = 0;
    const __u64 *asked, *answered;
    struct dns_asked *a;

    if (!s || !(s->d.header & SG_DNS_IS_RESPONSE))
        return 0;
    dns_fill_key(skb, s);
    a = bpf_map_lookup_elem(&dns_asked, &s->key);
    if (!a || now - a->last_ns >= SG_DNS_WAIT_NS) {
        dns_count(SG_DNS_COUNT_UNASKED);
        return 0;
    }
    s->asked = *a;
    asked = (const void *)s->asked.name;
    answered = (const void *)s->d.name;
    for (__u32 i = 0; i < sizeof(s->d.name) / 8; i++)
        differs |= asked[i] ^ answered[i];
    if (differs) {
        dns_count(SG_DNS_COUNT_UNASKED);
        return 0;
    }
    bpf_map_delete_elem(&dns_asked, &s->key);
    s->net_ns = dns_net_ns(skb);
    dns_count(SG_DNS_COUNT_ANSWERS);
    if (s->d.unusable)
        dns_count(SG_DNS_COUNT_UNUSABLE);
    return 1;
}

/* Parses the answers. 1: names may be learnt of them. */
__noinline int dns_parse(__u32 slot)
{
    struct dns_scratch *s = dns_scratch_of(slot);

    if (!s)
        return 0;
    if (sg_dns_answers(&s->message, &s->d)) {
        dns_count(SG_DNS_COUNT_REASON + s->d.reason);
        return 0;
    }
    if (s->d.records > SG_DNS_ANSWERS_MAX)
        dns_count(SG_DNS_COUNT_MORE);
    return 1;
}

/* Is the server of this answer one that names are learnt of? */
static __always_inline bool dns_is_believed(struct dns_scratch *s)
{
    if (!dns_servers_only)
        return true;
    __builtin_memcpy(s->server.addr, s->packet.server, 16);
    s->server.net_ns = s->net_ns;
    if (bpf_map_lookup_elem(&dns_servers, &s->server))
        return true;
    s->server.net_ns = 0;
    return bpf_map_lookup_elem(&dns_servers, &s->server) != NULL;
}

/* Which of the names of an address gives way for this one: itself, one that is over, the one that ends first. */
static __always_inline __u32 dns_place(const struct sg_names *names, const __u64 *name, __u64 now)
{
    __u64 first = ~0ull;
    __u32 place = 0;

    for (__u32 i = 0; i < SG_NAMES_MAX; i++) {
        const __u64 *words = (const void *)names->name[i].name;
        __u64 ends = names->name[i].expires_ns, differs = 0;

        for (__u32 k = 0; k < SG_NAME_WORDS; k++)
            differs |= words[k] ^ name[k];
        if (!differs)
            ends = 0;
        else if (ends <= now)
            ends = 1;
        if (ends < first) {
            first = ends;
            place = i;
        }
    }
    return place;
}

/* Gives the address in s->address the name of the message for `life_s` from `now` on. */
static __always_inline void dns_learn(struct dns_scratch *s, __u64 now, __u32 life_s)
{
    __u64 expires_ns = now + life_s * 1000000000ull;
    const __u64 *name = (const void *)s->d.name;
    __u32 len = s->d.name_len, check, place, bucket;
    struct sg_names *names;
    struct dns_lock *lock;
    struct sg_name *n;
    __u64 *words;

    names = bpf_map_lookup_elem(&sg_names, &s->address);
    if (!names) {
        bpf_map_update_elem(&sg_names, &s->address, &dns_no_names, BPF_NOEXIST);
        names = bpf_map_lookup_elem(&sg_names, &s->address);
    }
    check = sg_name_sum(&s->address, expires_ns, len, s->d.name);
    bucket = (s->address.addr[15] ^ s->address.addr[14]) & (DNS_LOCKS - 1);
    lock = bpf_map_lookup_elem(&dns_locks, &bucket);
    if (!names || !lock) {
        dns_count(SG_DNS_COUNT_FULL);
        return;
    }
    bpf_spin_lock(&lock->lock);
    place = dns_place(names, name, now) & (SG_NAMES_MAX - 1);
    n = &names->name[place];
    words = (void *)n->name;
    for (__u32 k = 0; k < SG_NAME_WORDS; k++)
        words[k] = name[k];
    n->len = len;
    n->check = check;
    n->expires_ns = expires_ns;
    bpf_spin_unlock(&lock->lock);
    dns_count(SG_DNS_COUNT_LEARNT);
}

/* The `i`th record of the answer, if it is an address of the name: into the table, and into the record. */
__noinline int dns_learn_record(__u32 slot, __u32 i, __u32 usable)
{
    struct dns_scratch *s = dns_scratch_of(slot);
    struct sg_dns_answer *told;
    struct sg_dns_rr *rr;
    __u32 n;

    if (!s)
        return 0;
    rr = &s->d.rr[i & (SG_DNS_ANSWERS_MAX - 1)];
    if (!rr->taken)
        return 0;
    sg_dns_address(&s->message, rr, s->address.addr);
    if (usable)
        dns_learn(s, s->record.time_ns, sg_dns_life(&s->d, rr));
    n = s->record.n_answers;
    if (n >= SG_DNS_TOLD_MAX) {
        s->record.flags |= SG_DNS_MORE;
        return 0;
    }
    told = &s->record.answers[n & (SG_DNS_TOLD_MAX - 1)];
    __builtin_memcpy(told->addr, s->address.addr, 16);
    told->ttl_s = rr->ttl_s < s->d.ttl_s ? rr->ttl_s : s->d.ttl_s;
    told->reserved = 0;
    s->record.n_answers = (__u8)(n + 1);
    return 0;
}

/* Somebody is answered. */
__noinline int dns_answer(struct __sk_buff *skb, __u32 slot)
{
    struct dns_scratch *s = dns_scratch_of(slot);
    __u32 usable, fine;

    if (!s || !dns_take(skb, slot))
        return 0;
    fine = dns_parse(slot) != 0;
    dns_begin_record(s, SG_DNS_ANSWER, bpf_ktime_get_boot_ns());
    s->record.duration_ns = s->record.time_ns - s->asked.first_ns;
    s->record.sent = (__u16)s->asked.sent;
    s->record.records = s->d.records;
    s->record.reason = (__u8)s->d.reason;
    if (s->d.header & SG_DNS_TRUNCATED)
        s->record.flags |= SG_DNS_PARTIAL;
    if (!fine)
        s->record.flags |= SG_DNS_BAD;
    if (s->d.records > SG_DNS_ANSWERS_MAX)
        s->record.flags |= SG_DNS_MORE;
    usable = s->d.name_len > 0 && !s->d.unusable;
    if (fine && !dns_is_believed(s)) {
        s->record.flags |= SG_DNS_IGNORED;
        dns_count(SG_DNS_COUNT_UNTRUSTED);
        usable = 0;
    }
    for (__u32 i = 0; i < SG_DNS_ANSWERS_MAX; i++) {
        if (!fine || i >= s->d.n)
            break;
        dns_learn_record(slot, i, usable);
    }
    dns_send(s);
    return 0;
}

/* A packet that may be one of ours. */
__noinline int dns_see(struct __sk_buff *skb, __u32 outgoing)
{
    __u32 slot = dns_claim();
    struct dns_scratch *s = dns_scratch_of(slot);

    if (!s)
        return 0;
    if (dns_find(skb, slot, outgoing) == DNS_LOOK && dns_load(skb, slot) == DNS_LOOK) {
        if (outgoing)
            dns_ask(skb, slot);
        else
            dns_answer(skb, slot);
    }
    sg_unclaim(&s->claims);
    return 0;
}

SEC("cgroup_skb/egress")
int dns_egress(struct __sk_buff *skb)
{
    if (!dns_passes(skb, true))
        dns_see(skb, 1);
    return 1;
}

SEC("cgroup_skb/ingress")
int dns_ingress(struct __sk_buff *skb)
{
    if (!dns_passes(skb, false))
        dns_see(skb, 0);
    return 1;
}

#endif
