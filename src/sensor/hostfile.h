// SPDX-License-Identifier: Apache-2.0
//
// Small text files that the kernel makes, below a root that tests replace.
#pragma once

#include <stddef.h>

// The text of root + path, without the newline at its end. 0, -EFBIG when it does not fit, or the errno of
// opening and reading. `ret_text` is untouched on failure.
int hostfile_read(const char *root, const char *path, char *ret_text, size_t size);

// The same of a file in a file system of the kernel's own ("debugfs", "securityfs") that need not be
// mounted: it is looked at through a mount that nobody else can see and that is gone afterwards.
// -EPERM without CAP_SYS_ADMIN.
int hostfile_read_detached(const char *fstype, const char *path, char *ret_text, size_t size);

// From a kernel file system that is usually mounted: at its usual place below root; when it is not there
// and root is the running system, detached.
int hostfile_read_kernel(const char *root, const char *mountpoint, const char *fstype,
                         const char *path, char *ret_text, size_t size);
