// SPDX-License-Identifier: Apache-2.0
//
// What a program wants to attach to, and whether this kernel has it: questions to the kernel's BTF and to
// kallsyms. Used when the sensor chooses its programs. Owns nothing; the BTF is the caller's.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct btf;

// "6.12.117-amd64" → 6 << 16 | 12; 0 when it is not of the form.
uint32_t kernel_version(const char *release);
#define KERNEL(major, minor) ((uint32_t)(major) << 16 | (minor))

// The function (or tracepoint type) that a program of this ELF section attaches to: "lsm/file_open" →
// "bpf_lsm_file_open", "fmod_ret/security_x" → "security_x", "tp_btf/x" → "btf_trace_x".
// -EINVAL: not a section of a kind that the sensor uses; -ENOSPC: longer than size.
int kernel_target_name(const char *section, char *ret_name, size_t size);

// The kernel's types, to be freed with btf__free(), or the errno that kept them from being read: libbpf by itself says
// -ESRCH whatever that was.
#define KERNEL_BTF "/sys/kernel/btf/vmlinux"
int kernel_btf(struct btf **ret);
// The same of any file and with libbpf's own way where there is no such file, for tests.
int kernel_btf_from(const char *path, struct btf **ret);
// What to do about that errno; and all of it as an error, which returns it.
const char *kernel_btf_cure(int error);
int kernel_btf_error(struct error *err, int error);
// Why bpf_object__load() failed: "the kernel refused WHAT: …", or that its types cannot be read, which is -ESRCH to libbpf whatever the
// reason. Asked again, the kernel has one.
int kernel_load_error(struct error *err, const char *what, int error);

// The id of what a program of this ELF section attaches to. -ENOENT: this kernel has none of that name.
int kernel_target_id(const struct btf *btf, const char *section);

// How many arguments the function has, 0 for a tracepoint. -ENOENT: this kernel has none of that name.
int kernel_target_args(const struct btf *btf, const char *section);

// Is file->f_path in a union (from 6.18 on)? Pointers walked from there are not trusted by the verifier.
bool kernel_f_path_in_union(const struct btf *btf);

// Address of a symbol in a file of kallsyms' form. -ENOENT: not listed; -EACCES: listed, but addresses are
// hidden; or the errno of reading.
int kernel_symbol(const char *kallsyms, const char *name, uint64_t *ret_address);

// The names that a hook's program may have, the most special first: with the number of arguments, with
// `_u` where f_path is in a union. Writes i'th (0 … KERNEL_PROGRAM_NAMES - 1) into ret_name.
#define KERNEL_PROGRAM_NAMES 4
void kernel_program_name(unsigned i, const char *prefix, const char *id, int n_args, char *ret_name,
                         size_t size);
