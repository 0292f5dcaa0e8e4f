// SPDX-License-Identifier: Apache-2.0
//
// Which file systems were made so that names which Unicode folds to the same are one file's: ext4 and f2fs. The mount
// table does not tell. Reads sysfs and the superblock on the device; never writes.
#pragma once

#include "policy/mounts.h"

// Adds POLICY_MOUNT_NOCASE and POLICY_MOUNT_UNICODE to the mounts of such file systems. What cannot be looked at
// (no device node, no right to read it) is left as it is.
void casefold_mark(struct policy_mounts *m);
