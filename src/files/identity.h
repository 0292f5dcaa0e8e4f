// SPDX-License-Identifier: Apache-2.0
//
// Is a file that is open the one with the device and inode that the kernel knows? What stat() says is not always that: btrfs
// gives each subvolume a device of its own, an overlay shows numbers of the layers beneath. Private to src/files.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

// `st` is what fstat() said of `fd`. `tgid`: in whose mount namespace the file system is mounted; 0: in ours.
bool identity_is(int proc_fd, int fd, const struct stat *st, uint32_t tgid, uint32_t dev,
                 uint64_t ino);

// The number behind `key` at the beginning of a line of a fdinfo: "ino:\t". 0 and *ret; -ENOENT.
int identity_fdinfo(const char *text, size_t len, const char *key, uint64_t *ret);

// s_dev of a mount by its id, from the text of a mountinfo; 0: it is not there.
uint32_t identity_mount_dev(const char *text, size_t len, uint64_t mount_id);
