// SPDX-License-Identifier: Apache-2.0
//
// The scheduler for sched_ext (bpf/ext.bpf.c): finds out whether the kernel takes it, puts it in charge, says how it is, takes it
// away. Called by src/agent. It is in charge only while this process has it open: the kernel puts the default scheduler back when
// the process ends, however that happens. One thread owns a struct ext.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "abi/ext.h"
#include "base/cleanup.h"
#include "base/error.h"

struct ext;

// 0: this kernel has all that it needs; -ENOTSUP with err.
int ext_supported(struct error *err);

// Puts it in charge. -ENOTSUP; -EBUSY: another scheduler of that kind is; … with err.
int ext_open(struct ext **ret, struct error *err);
struct ext *ext_close(struct ext *e);
DEFINE_CLEANUP(struct ext *, ext_close)

// What it says of itself now. err: why it is not in charge any more, when `ended` is set.
void ext_read(const struct ext *e, struct sg_ext_state *ret, struct error *err);

// The object that was built with this program.
const void *ext_object_bytes(size_t *ret_len);
