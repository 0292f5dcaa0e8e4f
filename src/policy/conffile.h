// SPDX-License-Identifier: Apache-2.0
//
// Settings (base/conf.h) from a file: a YAML map of keys and values, read as policies are, with the same messages.
#pragma once

#include "base/conf.h"
#include "policy/diag.h"

#define CONFFILE_MAX ((size_t)1 << 20) // bytes

// Takes what the text says; diags gets every mistake with its place. 0, -EINVAL, -ENOMEM.
int conffile_read(const struct conf *c, void *values, const char *name, const char *text,
                  size_t len, struct policy_diags *diags);
