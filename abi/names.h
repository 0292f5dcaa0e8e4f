/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The table of names by address (struct sg_names of abi/network.h): how an entry is proved to be whole and of its address.
 *
 * One object writes it (bpf/dns.bpf.c), under a lock; everybody else reads it as it is: the other kernel programs at a connect,
 * user space for what it shows. An entry can change under a reader, and the kernel can give its memory to another address. So
 * `check` is a sum over the rest and over the address. Who finds it wrong looks again, a few times: it is right as soon as the
 * writer is done, within a microsecond.
 *
 * Included by both sides.
 */
#ifndef SG_ABI_NAMES_H
#define SG_ABI_NAMES_H

#include "network.h"

#define SG_NAMES_INLINE static inline __attribute__((always_inline))
#define SG_NAME_WORDS   (sizeof(((struct sg_name *)0)->name) / sizeof(__u64))
#define SG_NAME_PRIME   0x9e3779b97f4a7c15ull

/* The sum of an entry with this end, length and name (as struct sg_name has it, aligned to 8 bytes), of this address. */
SG_NAMES_INLINE __u32 sg_name_sum(const struct sg_name_key *key, __u64 expires_ns, __u32 len,
                                  const __u8 *name)
{
    const __u64 *words = (const __u64 *)(const void *)name;
    __u64 sum = expires_ns, address[2];

    __builtin_memcpy(address, key->addr, sizeof(address));
    sum = (sum ^ address[0]) * SG_NAME_PRIME;
    sum = (sum ^ address[1]) * SG_NAME_PRIME;
    sum = (sum ^ len) * SG_NAME_PRIME;
    for (__u32 i = 0; i < SG_NAME_WORDS; i++)
        sum = (sum ^ words[i]) * SG_NAME_PRIME;
    return (__u32)(sum >> 32);
}

/* Is the entry in use at this time (CLOCK_BOOTTIME), whole and of this address? `copy` is nobody else's. */
SG_NAMES_INLINE int sg_name_holds(const struct sg_name_key *key, const struct sg_name *copy,
                                  __u64 now_ns)
{
    return copy->expires_ns > now_ns && copy->len && copy->len <= SG_NET_NAME_MAX &&
           copy->check == sg_name_sum(key, copy->expires_ns, copy->len, copy->name);
}

#endif
