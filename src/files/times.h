// SPDX-License-Identifier: Apache-2.0
//
// What the times of a file tell of changes of its content. Private to src/files.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Whether each store changes ctime, through mappings, too: once for a page that was clean, and exec(2) refuses files that have a
// writable mapping. On tmpfs, whose pages are never cleaned, a mapping that was read through is written to without a trace; that an
// overlay may lie on one is left aside, since containers execute from it all the time; what a server (network, FUSE) says of times is its own business. The descriptor may be one of O_PATH.
bool times_tell(int fd);

// Whether whoever changed the file after `at_ns` (CLOCK_REALTIME) would have given it another ctime: the clock of these times
// lags, by a tick of 100 Hz, or by what a file system with whole seconds (ext4 with small inodes) leaves off.
bool times_settled(int64_t ctime_ns, uint64_t at_ns);
