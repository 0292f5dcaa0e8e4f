// SPDX-License-Identifier: Apache-2.0
//
// From the bytes of the ring to a record (model/dns.h). Nothing in them is taken for granted.
#pragma once

#include "model/dns.h"

// -EBADMSG: no record, or one that contradicts itself.
int dns_decode(const void *data, size_t len, struct dns_record *ret);
