// SPDX-License-Identifier: Apache-2.0
//
// The object of bpf/ as bytes of this program. Alone in its file: only this one sees the generated header.
#include "abi/policy.h"
#include "abi/shared.h"
#include "safeguard.skel.h"

#include "sensor/internal.h"

const void *object_bytes(size_t *ret_len)
{
    return safeguard_bpf__elf_bytes(ret_len);
}
