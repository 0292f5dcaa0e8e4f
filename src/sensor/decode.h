// SPDX-License-Identifier: Apache-2.0
//
// From the bytes that the kernel programs wrote (abi/event.h) to a `struct event`. Called by the
// agent for every record, and by the command line for recorded ones. Owns nothing, keeps nothing,
// allocates nothing; believes nothing that the bytes say about themselves. The text of the event is
// copied into its arena, so the record's memory may go back to the ring afterwards.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "model/event.h"

// Where the host sees a part of a file system.
struct decode_mount {
    uint32_t dev;       // s_dev as the kernel has it: major << 20 | minor
    struct bytes root;  // what of the file system is mounted: "/", or "/sub"
    struct bytes point; // where: "/", "/home"
};

struct decode_context {
    int64_t realtime_offset_ns;        // CLOCK_REALTIME minus CLOCK_BOOTTIME
    enum event_ring ring;              // that the record came from
    const struct decode_mount *mounts; // on loan, in the order of decode_mounts_sort()
    size_t n_mounts;
};

// By device, the deepest root first; of equal ones the first mount point in the order of bytes.
void decode_mounts_sort(struct decode_mount *mounts, size_t n);

// Empties and fills `ev`. `data` needs no alignment; bytes after the record's own size are ignored.
//
//   -EBADMSG     it contradicts itself: sizes, a field twice, a component with '/', numbers outside
//                their enum
//   -EOPNOTSUPP  a type of record that this program does not know
//   -ENOBUFS     it does not fit the arena (mount points longer than PATH_MAX)
//
// On failure `ev` holds nothing of use.
int decode_record(const void *data, size_t len, const struct decode_context *ctx, struct event *ev);

// decode_control.c, for decode_record(): the fields of a SG_RECORD_CONTROL. -EBADMSG, -ENOBUFS.
struct fields;
int decode_control(const struct fields *fields, struct event *ev);
