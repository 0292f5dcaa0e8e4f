// SPDX-License-Identifier: Apache-2.0
//
// The object of bpf/ext.bpf.c as bytes of this program. Alone in its file: only this one sees the generated header.
#include "abi/ext.h"
#include "ext.skel.h"

#include "schedule/ext.h"

const void *ext_object_bytes(size_t *ret_len)
{
    return ext_bpf__elf_bytes(ret_len);
}
