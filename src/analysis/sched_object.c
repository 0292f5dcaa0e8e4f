// SPDX-License-Identifier: Apache-2.0
//
// The object of bpf/sched.bpf.c as bytes of this program. Alone in its file: only this one sees the generated header.
#include "abi/sched.h"
#include "sched.skel.h"

#include "analysis/sched.h"

const void *sched_object_bytes(size_t *ret_len)
{
    return sched_bpf__elf_bytes(ret_len);
}
