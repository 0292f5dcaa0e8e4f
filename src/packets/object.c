// SPDX-License-Identifier: Apache-2.0
//
// The object of bpf/packet.bpf.c as bytes of this program. Alone in its file: only this one sees the generated header.
#include "abi/packet.h"
#include "packet.skel.h"

#include "packets/internal.h"

const void *packets_object_bytes(size_t *ret_len)
{
    return packet_bpf__elf_bytes(ret_len);
}
