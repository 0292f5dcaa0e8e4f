// SPDX-License-Identifier: Apache-2.0
//
// A policy image made by hand, for tests of the sensor that want to depend on nothing else: literal paths
// and everything beneath them, for everybody, without subjects.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/policy.h"

struct tiny_rule {
    const char *path; // "/etc/shadow", or "/srv/x" with beneath
    bool beneath;     // "/srv/x/**": not itself
    uint16_t ops;
    uint8_t verdict; // enum sg_verdict
    uint8_t flags;   // SG_ENTRY_*
};

#define TINY_START 1u // the state of the root of the file system that is mounted at "/"

// The caller frees *ret. The rules' number in records is their index. Aborts when memory ends.
void tiny_image(const struct tiny_rule *rules, size_t n, void **ret, size_t *ret_len);
