// SPDX-License-Identifier: Apache-2.0
//
// Where records end up: a file that is rotated, standard output, the journal, or the spool, where they wait for a
// server. Called by output.c, in its worker's thread. Owns the descriptor. Loses nothing: what could not be written is
// still the caller's; what the spool drops, it counts.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/config.h"
#include "base/cleanup.h"
#include "model/stream.h"

struct spool;

struct sink_options {
    enum config_output kind;
    const char *path;     // CONFIG_OUTPUT_FILE
    uint64_t rotate_size; // 0: never
    uint32_t rotate_keep;
    struct spool *
        spool; // not NULL: there instead of all these; lines begin with their class, see sink_class()
};

// The byte in front of a line for the spool.
static inline char sink_class(enum stream_class class)
{
    return (char)('0' + (int)class);
}

struct sink_counters {
    uint64_t bytes, rotations, reopened;
    uint64_t rotate_failures; // the file grows beyond its size then
};

struct sink;

// Opens what can be opened; a file that cannot be is tried again by every sink_write().
int sink_new(const struct sink_options *options, struct sink **ret_sink);
struct sink *sink_free(struct sink *s);
DEFINE_CLEANUP(struct sink *, sink_free)

// Writes lines, each with its newline. *ret_written is how many bytes of buf were taken, also on failure;
// the caller comes again with the rest, which may begin within a line. Errors are those of open(2)
// and write(2): -ENOSPC, -EDQUOT, -EROFS, -EPIPE ...; -EBADF: what lies at the path is no regular file.
int sink_write(struct sink *s, const char *buf, size_t len, size_t *ret_written);

// Closes the file; the next write opens what is at its path then (after logrotate has moved it away).
void sink_reopen(struct sink *s);

void sink_counters(const struct sink *s, struct sink_counters *ret);
