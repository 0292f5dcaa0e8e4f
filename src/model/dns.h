// SPDX-License-Identifier: Apache-2.0
//
// A question about a domain name, or its answer: what the room that reads them from the wire (src/dns) hands to those that show or
// record them. Plain values, owned by whoever has the structure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/dns.h"
#include "abi/network.h"
#include "model/event.h"

struct dns_record {
    bool is_answer;                // that somebody was given; else a question
    bool tcp;                      // else UDP
    bool nameless;                 // some bytes of the name are no host name's: '?' in `name`
    bool more;                     // there are more addresses than are in here
    bool partial;                  // the server says that it is not all (TC)
    bool ignored;                  // nothing was learnt: its server is not believed
    uint64_t time_ns;              // CLOCK_BOOTTIME
    uint64_t duration_ns;          // of an answer: since it was asked first
    uint64_t cookie;               // of the socket
    struct process_ref process;    // that asked; tgid 0: not known
    uint32_t uid;                  // ID_NONE: not known
    uint32_t net_ns;               // inode number
    uint8_t server[16], local[16]; // network order, IPv4 as IPv4-mapped
    uint16_t server_port, local_port;
    uint16_t id, qtype, qclass;
    uint16_t header;           // of an answer: its second word, with SG_DNS_RCODE()
    uint16_t sent;             // of an answer: how often it was asked until then
    uint16_t records;          // of an answer: in its answer section
    enum sg_dns_reason reason; // why nothing was taken from an answer; SG_DNS_FINE
    uint16_t name_len;
    char name[SG_NET_NAME_MAX +
              1]; // lower case, without the last dot, a NUL behind it; empty: the root
    uint32_t n_answers;
    struct {
        uint8_t address[16];
        uint32_t ttl_s;
    } answers[SG_DNS_TOLD_MAX];
};

const char *dns_type_name(uint16_t type);   // "AAAA", ...; NULL: it has no name here
const char *dns_rcode_name(uint16_t rcode); // "NXDomain", ... as OCSF has them; NULL: none
const char *dns_reason_name(enum sg_dns_reason reason); // "cut", ...; "none"
