// SPDX-License-Identifier: Apache-2.0
//
// The generation of an inode: the number of an inode is used again, both together are not. The kernel keeps it as i_generation
// and puts it into file handles, each file system in a form of its own. A handle is asked for by name: nothing is opened,
// so that no device is touched, and no permission on the file is needed.
#pragma once

#include <stdint.h>

// The generation of dirfd/name, which is inode `ino` of a file system of this type (as in /proc/mounts). A symlink is not
// followed. 0: not known; file systems whose handles are not known have none, either.
uint32_t file_generation(int dirfd, const char *name, const char *fstype, uint64_t ino);
