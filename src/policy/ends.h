// SPDX-License-Identifier: Apache-2.0
//
// Ends of sockets in rules: "10.0.0.0/8:443", "[fc00::]/7", "private:80-90", "*.example.com:443", and the words of the
// automaton that they stand for (abi/network.h). Private to the room.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/network.h"
#include "policy/arena.h"
#include "policy/glob.h"
#include "policy/policy.h"

// Protocols of a rule, one bit a byte of SG_NET_PROTOCOL(). None at all: any.
#define ENDS_PROTOCOLS_ANY(p) (!((p)[0] | (p)[1] | (p)[2] | (p)[3]))

struct policy_prefix {
    uint8_t
        family; // SG_NET_IPV4, SG_NET_IPV6; SG_NET_VSOCK: the context; SG_NET_OTHER: AF_* in 14 bits
    uint8_t bits;     // of the address that count
    uint8_t addr[16]; // network order, from the first bit on
};

struct policy_range {
    uint32_t from, to;
};

// What a rule says of one end. Within prefixes and ports any is enough.
struct policy_ends {
    const struct policy_prefix *prefixes; // none: wherever it leads out of the host or in
    size_t n_prefixes;
    bool wide; // the prefixes are all addresses, or all public ones: no address is meant by itself
    const char *name; // a domain name in the place of prefixes, lower case, without the last dot
    bool beneath;     // what is beneath the name, and not itself: "*.example.com"
    uint64_t protocols[4];
    struct policy_range ports; // 0 … 65535: any
    bool self;                 // the agent's self-test, and nobody else
};

#define ENDS_PORT_MAX 65535u

// What is wrong with a text; the messages are constants.
struct ends_error {
    const char *what, *expected;
};

// "ADDRESS[:PORT[-PORT]]" into *ret, whose protocols stay as they are: an address with or without "/BITS" (IPv6 in brackets when a
// port follows), or a word for several (loopback, private …). 0, -EINVAL with *err, -ENOMEM.
int ends_parse(struct policy_arena *arena, const char *text, struct policy_ends *ret,
               struct ends_error *err);

// A domain name by RFC 1123 2.1, with '_' as services have it (RFC 8552), in lower case and without its last dot. Names are
// known by a dot: "db." is one, "db" is none. 0 or -EINVAL.
int ends_name(const char *text, char ret[SG_NET_NAME_MAX + 1]);

// Is it about sockets without protocols of IP?
bool ends_has_no_protocol(const struct policy_ends *ends);

// One address, of which all bits count. 0 or -EINVAL.
int ends_address(const char *text, struct policy_prefix *ret);

// What is written as IPv4-mapped IPv6 is IPv4 to sockets.
void ends_unmap(struct policy_prefix *p);

// "443", "1000-2000". 0 or -EINVAL.
int ends_parse_ports(const char *text, struct policy_range *ret);

// The number of an IP protocol by its word ("tcp") or number; -EINVAL.
int ends_protocol(const char *text, uint8_t *ret_protocol);

// Alternative `i` of the patterns that an end stands for, behind the start of its kind; `named`: some rule of the kind has a name.
// 0, -ENOENT: there is none, -ENOMEM.
int ends_glob(const struct policy_ends *ends, size_t i, bool named, struct glob *g);

// One end as it is asked with.
struct ends_asked {
    uint8_t family; // SG_NET_IPV4 or SG_NET_IPV6
    uint8_t addr[16];
    uint8_t protocol;
    uint16_t port;
    char name[SG_NET_NAME_MAX + 1]; // by which the address was learnt; "": by none
};

// "tcp:10.0.0.1:443", "17:[::1]:53", "10.0.0.1" (then TCP, and the port 0); numbers of protocols in front of IPv4 and of brackets.
// IPv4-mapped addresses are IPv4. With a name in front of the address, "tcp:db.example.com@10.0.0.1:443", or in its place: then the
// address is one that only rules about all addresses, or all public ones, have. 0 or -EINVAL.
int ends_parse_asked(const char *text, struct ends_asked *ret);

// The word of the address; returns its length. `given`: as rules that name some addresses have it.
size_t ends_word(const struct ends_asked *asked, bool given, char word[SG_NET_WORD_MAX]);

// The word of the name; returns its length.
size_t ends_word_name(const struct ends_asked *asked, char word[SG_NET_NAME_WORD_MAX]);
