// SPDX-License-Identifier: Apache-2.0
//
// The words for the numbers of dropped packets: reasons, as the running kernel's types have them, and places, by its symbols. Both
// differ from kernel to kernel, so that neither can be a table of ours.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/cleanup.h"

struct btf;
struct reason_names;

// From enum skb_drop_reason; empty on kernels before 5.17, which have none.
int reason_names_new(const struct btf *btf, struct reason_names **ret);
struct reason_names *reason_names_free(struct reason_names *n);
DEFINE_CLEANUP(struct reason_names *, reason_names_free)

// "NO_SOCKET"; "" for 0; "reason 4711" without a name, "subsystem 2, 5" where a module has its own (the upper half says which).
void reason_name(const struct reason_names *n, uint32_t reason, char *ret, size_t size);

// An address, and the text that it gets.
struct place {
    uint64_t address;
    char name[64]; // "tcp_v4_rcv+0x9a"; the address as a number when no symbol is near enough
};

// Names all of them by lines of /proc/kallsyms ("address type name [module]"), read once to its end. Lines that are none, and
// symbols that are no code, are passed over.
void places_name(FILE *symbols, struct place *places, size_t n);
