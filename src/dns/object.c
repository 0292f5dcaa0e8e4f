// SPDX-License-Identifier: Apache-2.0
//
// The object of bpf/dns.bpf.c as bytes of this program, and its variable. Alone in its file: only this one sees the generated header.
#include <errno.h>

#include "abi/dns.h"
#include "dns.skel.h"

#include "dns/internal.h"

const void *dns_object_bytes(size_t *ret_len)
{
    return dns_bpf__elf_bytes(ret_len);
}

int dns_object_servers_only(const struct bpf_object *object, bool only)
{
    struct dns_bpf__bss *words;
    struct bpf_map *map;
    size_t size = 0;

    bpf_object__for_each_map(map, object)
    {
        const char *name = bpf_map__name(map), *end = strstr(name, ".bss");

        if (!end || end[4])
            continue;
        words = (void *)bpf_map__initial_value(map, &size);
        if (!words || size < sizeof(*words))
            return -ENOENT;
        words->dns_servers_only = only;
        return 0;
    }
    return -ENOENT;
}
