// SPDX-License-Identifier: Apache-2.0
//
// Ends of sockets in records. Private to src/ocsf.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ocsf/objects.h"

// The name of an IP protocol, NULL: it has none here.
const char *protocol_name(uint8_t number);

// "loopback", "private" …: where an address is, by RFC 6890 and what came after it.
const char *zone_name(const struct endpoint_view *e);

// Of the caption table boundary: whether the other end is this host, its own network, or the world.
uint8_t boundary_of(const struct endpoint_view *e);

// "curl (pid 7) <connected to 10.0.0.1:443 (tcp), www.example: 12 bytes out, 3,000 in>", "... <asked 127.0.0.53:53 for www.example (A): …>"
void ocsf_put_network_sentence(struct out *out, const struct record_view *v);

// Did a rule of the section `network` decide it?
bool is_network(const struct event *ev);

// Did a rule decide it that has the name by which the other end was learnt?
bool is_by_name(const struct event *ev);

// A socket without addresses of the Internet.
bool has_other_family(const struct event *ev);

void ocsf_view_network(const struct event *ev, struct network_view *ret);

// "10.0.0.1:443", "[::1]:443", without a port the address alone.
void ocsf_put_end(struct out *out, const struct endpoint_view *e);

// "10.0.0.1:443 (tcp)", "10.0.0.1:443 (tcp), db.example.com", "10.0.0.7:4711 at 10.0.0.1:22 (tcp)".
void ocsf_put_ends(struct out *out, const struct event *ev, bool other, bool own);
