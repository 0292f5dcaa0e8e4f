// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer harness for src/dns: any bytes as a resolv.conf give servers within their bound, each once, and all of them again when
// they are written as lines of one.
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/inet.h"
#include "dns/servers.h"

static void check(bool cond)
{
    if (!cond)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct resolv_servers servers = {}, again = {};
    char text[RESOLV_SERVERS_MAX * 64] = "", address[INET6_ADDRSTRLEN];
    size_t len = 0;

    resolv_parse((const char *)data, size, &servers);
    check(servers.n <= RESOLV_SERVERS_MAX && (!servers.full || servers.n == RESOLV_SERVERS_MAX));
    for (size_t i = 0; i < servers.n; i++) {
        for (size_t k = 0; k < i; k++)
            check(memcmp(servers.address[i], servers.address[k], 16) != 0);
        check(inet_ntop(AF_INET6, servers.address[i], address, sizeof(address)) != NULL);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "nameserver\t%s%%lo \r\n", address);
    }
    resolv_parse(text, len, &again);
    check(again.n == servers.n && memcmp(again.address, servers.address, 16 * servers.n) == 0);
    return 0;
}
