// SPDX-License-Identifier: Apache-2.0
//
// The policies of a host as the server hands them out: files with a mode, under one id that is the
// hash of all of them. Made by the server, carried by the link, checked by the agent. Plain values
// on loan.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define BUNDLE_ID_TEXT   65 // 64 hexadecimal digits and a NUL
#define BUNDLE_FILES_MAX 256
#define BUNDLE_NAME_MAX  128        // bytes of a file's name
#define BUNDLE_TEXT_MAX  (1u << 20) // bytes of a file's text
#define BUNDLE_BYTES_MAX (4u << 20) // of all texts

// Append only.
enum bundle_mode {
    BUNDLE_POLICY,  // as the policy itself says
    BUNDLE_MONITOR, // never blocks, whatever it says
    BUNDLE_MODES,
};

struct bundle_file {
    const char
        *name; // "50-web.yaml": letters, digits, '-', '_', '.'; not a dot first; ends in ".yaml"
    const char *text;
    size_t len;
    enum bundle_mode mode;
};

const char *bundle_mode_name(enum bundle_mode mode); // "policy", "monitor"; NULL: no such mode
int bundle_mode_find(const char *name, enum bundle_mode *ret_mode); // -ENOENT

// -EINVAL: a name that is not of the form above.
int bundle_name_check(const char *name);

// Hexadecimal SHA-256 over "name\0mode\0length\0text" of each file. -EINVAL: names out of order, twice, or not
// of the form; -E2BIG: too many, -EMSGSIZE: too long. No files have an id, too.
int bundle_id(const struct bundle_file *files, size_t n, char ret_id[BUNDLE_ID_TEXT]);
