// SPDX-License-Identifier: Apache-2.0
//
// The policies of the server on this host's disk: a directory with their files, as the server has them, and manifest.json,
// which says which bundle it is and the mode of each file. Called by build.c (reads) and serverpolicies.c (writes), in
// the thread that builds policies. Owns nothing.
//
// A directory is written beside the one in use, tried, and takes its place in one step, or is removed: what is in
// use is whole at any moment, and whoever reads it finds out when it is not what the server sent.
#pragma once

#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "model/bundle.h"

#define BUNDLE_MANIFEST "manifest.json"

// Texts are owned.
struct bundle_dir {
    char id[BUNDLE_ID_TEXT]; // "": no bundle
    struct bundle_file *files;
    size_t n;
};

void bundle_dir_done(struct bundle_dir *b);

// Makes dir hold the bundle and nothing else, durably. -EINVAL: the files are not those of the id.
int bundle_dir_write(const char *dir, const char *id, const struct bundle_file *files, size_t n,
                     struct error *err);

// 0, also when there is no such directory: then there are no policies of a server. -EBADMSG with err: it is not as it was
// written.
int bundle_dir_read(const char *dir, struct bundle_dir *ret, struct error *err);

// Puts `from` in the place of `to`, and removes what was there; without `from` only that.
int bundle_dir_replace(const char *from, const char *to, struct error *err);
int bundle_dir_remove(const char *dir);
