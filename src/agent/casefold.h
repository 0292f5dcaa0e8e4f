// SPDX-License-Identifier: Apache-2.0
//
// Which file systems were made so that names which Unicode folds to the same are one file's: ext4 and f2fs. The mount
// table does not tell. Reads sysfs and the superblock on the device; never writes.
#pragma once

#include "policy/mounts.h"

// Adds POLICY_MOUNT_NOCASE and POLICY_MOUNT_UNICODE to the mounts of such file systems. What cannot be looked at
// (no device node, no right to read it) is left as it is. -ENOMEM.
int casefold_mark(struct policy_mounts *m);

// The same by another look than the one at the device: once for each file system, however often it is mounted. Nothing is
// kept from one table to the next: the next file system on a device can be another one.
int casefold_mark_by(struct policy_mounts *m, bool (*folds)(const struct policy_mount *mount));
