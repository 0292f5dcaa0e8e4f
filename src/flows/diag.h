// SPDX-License-Identifier: Apache-2.0
//
// What connections over TCP that go on have sent by now, as the kernel says it to who asks (sock_diag(7)), and their end where somebody
// wants it: of the network namespace that this process is in. Costs nothing but the asking.
#pragma once

#include <linux/inet_diag.h>
#include <stdbool.h>
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
    bool listens;
    uint8_t family;             // AF_*
    uint32_t inode;             // of the socket in /proc/PID/fd; 0: no process has it
    struct inet_diag_sockid id; // as the kernel names it
};

// Negative stops, and is returned.
typedef int (*diag_fn)(void *ctx, const struct diag_row *row);

// All connections. 0, or a negative errno; -E2BIG: there are more than DIAG_ROWS_MAX, fn had so many.
int diag_read(diag_fn fn, void *ctx);

// The same with those that wait for connections.
int diag_read_all(diag_fn fn, void *ctx);

// Ends a connection: its process is told ECONNABORTED, its peer a reset. 0; -ENOENT: it is gone; -EOPNOTSUPP: this kernel cannot;
// -EPERM.
int diag_destroy(const struct diag_row *row);

// What came of a read from the kernel: whole messages. 1: that was the end; 0: there is more; or a negative errno: -EBADMSG, or what
// the kernel says.
int diag_parse(const void *buf, size_t len, diag_fn fn, void *ctx);
