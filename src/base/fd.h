// SPDX-License-Identifier: Apache-2.0
//
// Files and descriptors. Every path is relative to a directory descriptor (AT_FDCWD: the working
// directory), every descriptor is close-on-exec, every read has a limit. All return 0 or a negative
// errno; EINTR never comes out. Not for non-blocking descriptors, except where said.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/cleanup.h"

// The whole of a regular file (procfs and sysfs too), followed by a NUL that is not counted; the
// caller frees. ret_len may be NULL. -EFBIG when it holds more than max bytes, -EISDIR for
// a directory, -EINVAL for a pipe, socket or device (never waits for one).
int read_file_bounded(int dirfd, const char *path, size_t max, char **ret_buf, size_t *ret_len);

// The same from where fd stands, to its end, whatever fd is.
int read_fd_bounded(int fd, size_t max, char **ret_buf, size_t *ret_len);

// -EAGAIN from a non-blocking descriptor that is full; then an unknown part was written.
int write_all(int fd, const void *buf, size_t len);

// Makes the directory entry of path durable.
int fsync_parent(int dirfd, const char *path);

// Replaces path by a file with this content and mode (exactly: the umask does not apply). Readers,
// and a machine that loses power, see the old file or the new one. A symlink at path is replaced,
// not followed. On failure the old file stays and nothing is left behind; only the last step,
// making the new name durable, can fail with the new file in place.
int write_file_atomic(int dirfd, const char *path, const void *buf, size_t len, mode_t mode);

// Creates the directory and those above it that are missing. -ENOTDIR when something else is there.
int mkdir_p(int dirfd, const char *path, mode_t mode);

// Opens without following a symlink anywhere in path: -ELOOP. flags as for open(), O_CLOEXEC is
// added.
int open_nofollow(int dirfd, const char *path, int flags, mode_t mode, int *ret_fd);

// Calls fn for every entry except . and .., in no order. `dir` is the open directory, on loan. Ends
// at the first result that is not 0 and returns it.
typedef int (*opendir_fn)(void *ctx, int dir, const struct dirent *entry);
int opendir_foreach(int dirfd, const char *path, opendir_fn fn, void *ctx);

// The names that end in suffix (NULL: all) and do not start with a dot, in natural order, as a
// strv. -E2BIG when there are more than max.
int dir_names(int dirfd, const char *path, const char *suffix, size_t max, char ***ret_names);
