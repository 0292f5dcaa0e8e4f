// SPDX-License-Identifier: Apache-2.0
//
// What connections over TCP that go on have sent by now, as the kernel says it to who asks (sock_diag(7)): of the network namespace
// that this process is in. Costs nothing but the asking.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "abi/flow.h"

#define DIAG_ROWS_MAX 65536u // of one look

struct diag_row {
    uint8_t local[16], remote[16]; // network order, IPv4 as IPv4-mapped
    uint16_t local_port, remote_port;
    struct sg_flow_sums sums; // as abi/flow.h has them
    uint32_t rtt_us;
    uint32_t retransmits; // segments
};

// Negative stops, and is returned.
typedef int (*diag_fn)(void *ctx, const struct diag_row *row);

// All connections. 0, or a negative errno; -E2BIG: there are more than DIAG_ROWS_MAX, fn had so many.
int diag_read(diag_fn fn, void *ctx);

// What came of a read from the kernel: whole messages. 1: that was the end; 0: there is more; or a negative errno: -EBADMSG, or what
// the kernel says.
int diag_parse(const void *buf, size_t len, diag_fn fn, void *ctx);
