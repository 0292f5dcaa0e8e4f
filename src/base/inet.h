// SPDX-License-Identifier: Apache-2.0
//
// Addresses of the Internet as 16 bytes in network order.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define INET_MAPPED_BYTES 12u // in front of the four of IPv4

// ::ffff:a.b.c.d (RFC 4291 2.5.5.2)?
static inline bool inet_is_mapped(const uint8_t address[16])
{
    static const uint8_t prefix[INET_MAPPED_BYTES] = {[10] = 0xff, [11] = 0xff};

    return memcmp(address, prefix, sizeof(prefix)) == 0;
}

// 127.0.0.0/8, ::1
static inline bool inet_is_loopback(const uint8_t address[16])
{
    static const uint8_t one[16] = {[15] = 1};

    return inet_is_mapped(address) ? address[INET_MAPPED_BYTES] == 127
                                   : memcmp(address, one, sizeof(one)) == 0;
}
