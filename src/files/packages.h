// SPDX-License-Identifier: Apache-2.0
//
// Which package a file belongs to: for every file of every package a hash of its path and the number of the package, sorted;
// 8 bytes a file. Documentation, headers and the like, which nobody executes, are left out. Private to src/files.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "model/event.h"

#define PACKAGES_MAX       65535u
#define PACKAGES_FILES_MAX (1u << 20)
#define PACKAGES_TEXT_MAX  ((size_t)8 << 20)

struct packages;

// -ENOMEM.
int packages_new(struct packages **ret_packages);
struct packages *packages_free(struct packages *p);
DEFINE_CLEANUP(struct packages *, packages_free)

// In this order: links of a merged /usr, diversions, lists, versions, packages_finish(); then packages_find().

// links.c: with a merged /usr the old places are links into it, and lists have the paths from before. `root`: see files.h.
int packages_read_links(struct packages *p, const char *root);

// What stands in packages' lists beneath `from` is beneath `to`: "/bin", "/usr/bin".
int packages_add_alias(struct packages *p, const char *from, const char *to);

// The text of a file "diversions": three lines each, the path, where it is instead, and for which package it is not
// (":": for none). A rest of less than three lines is ignored. -ENOMEM.
int packages_add_diversions(struct packages *p, const char *text, size_t len);

// The text of a file NAME.list or NAME:ARCH.list: a path a line. -ENOMEM; -ENOSPC: too many, counted.
int packages_add_list(struct packages *p, struct bytes name, const char *text, size_t len);

// The same with the package's version, which may be empty: versions of one name that are installed at once are kept apart.
int packages_add_version_list(struct packages *p, struct bytes name, struct bytes version,
                              const char *text, size_t len);

// The text of a file "status": stanzas with Package, Architecture and Version. -ENOMEM.
int packages_add_versions(struct packages *p, const char *text, size_t len);

int packages_finish(struct packages *p);

// False: of no package. Texts are on loan; the version is empty where it is not known.
bool packages_find(const struct packages *p, struct bytes path, struct bytes *ret_name,
                   struct bytes *ret_version);

void packages_size(const struct packages *p, uint32_t *ret_packages, uint32_t *ret_files,
                   uint32_t *ret_dropped, size_t *ret_memory);

// dpkg.c: all of it from a directory such as /var/lib/dpkg. -ENOENT: there is none. `root`: see files.h.
int packages_read_dpkg(const char *dpkg, const char *root, struct packages **ret_packages);

// rpm.c: likewise of the database that packages_rpm_database() found.
int packages_read_rpm(const char *database, const char *root, struct packages **ret_packages);

// The directory of rpm's database beneath `root`, and its file with its journal, which change with what is installed. False: there is
// none.
bool packages_rpm_database(const char *root, char *ret_dir, size_t size, struct stat *ret_st);

// What rpm writes in answer to packages_read_rpm(): an empty line, name, version, and a path a line for each package. -ENOMEM.
int packages_add_rpm(struct packages *p, const char *text, size_t len);
