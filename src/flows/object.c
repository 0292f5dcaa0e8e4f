// SPDX-License-Identifier: Apache-2.0
//
// The object of bpf/flow.bpf.c as bytes of this program. Alone in its file: only this one sees the generated header.
#include "abi/flow.h"
#include "flow.skel.h"

#include "flows/internal.h"

const void *flows_object_bytes(size_t *ret_len)
{
    return flow_bpf__elf_bytes(ret_len);
}
