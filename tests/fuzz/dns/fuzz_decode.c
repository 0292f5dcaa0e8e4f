// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer harness for src/dns: any bytes as a record give an error, or a record that holds what model/dns.h promises.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dns/decode.h"

static void check(bool cond)
{
    if (!cond)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_record r;

    if (dns_decode(data, size, &r) < 0)
        return 0;
    check(r.name_len <= SG_NET_NAME_MAX && strlen(r.name) == r.name_len);
    check(r.n_answers <= SG_DNS_TOLD_MAX && (r.is_answer || !r.n_answers));
    check(dns_reason_name(r.reason) && (r.is_answer || r.reason == SG_DNS_FINE));
    check(r.duration_ns <= r.time_ns);
    return 0;
}
