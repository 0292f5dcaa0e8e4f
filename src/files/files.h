// SPDX-License-Identifier: Apache-2.0
//
// What a file is: the SHA-256 of the program that a process executed, and the package that brought it. Called by the agent,
// from one thread, since files are read here: it may take as long as the disk does. Owns a cache of hashes by identity, and an
// index of the packages' files. Never logs, keeps no file open.
//
// The hash is that of the file that was executed or there is none. It is read through /proc/PID/exe, which leads to the file
// whatever became of its name, or by its path once the process is gone; either time what is found has to have the device
// and inode that the kernel's record says, and by the path it must not have changed since shortly before the exec, so that
// neither a number that comes round nor a later write is taken for it. What changes while it is read has no hash. Where times do not
// tell of all changes (tmpfs, network) no hash is kept, and by the path none is found: what is read for that is bounded.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "model/file.h"

#define FILES_BYTES_DEFAULT       (UINT64_C(64) << 20)
#define FILES_CACHED_MAX          1024 // files
#define FILES_AGAIN_BYTES_DEFAULT (UINT64_C(128) << 20)
#define FILES_TEXT_MAX            128 // bytes of the name of a package, and of its version

struct files;

struct files_options {
    const char *proc; // NULL: /proc
    const char *dpkg; // NULL: /var/lib/dpkg
    const char
        *root; // NULL: ""; where the links of a merged /usr and rpm's database are looked for
    uint64_t max_bytes; // of a file that is read; 0: FILES_BYTES_DEFAULT
    uint64_t
        again_bytes; // a second, of files whose hash cannot be kept; 0: FILES_AGAIN_BYTES_DEFAULT
    uint32_t max_cached; // 0: FILES_CACHED_MAX
    bool (*tells)(
        int fd); // whether a file's times tell of each change; NULL: its file system is asked
};

struct files_counters {
    uint64_t asked, cached; // cached: of them, those whose hash was known
    uint64_t hashed, bytes; // read
    uint64_t again;         // of these, what was not kept
    uint64_t missing[FILE_HASH_COUNT];
    uint64_t package_builds;
    uint32_t packages, package_files, package_files_dropped;
    size_t package_bytes; // of memory
    int package_error; // negative errno: why packages are not known, 0: they are, or there are none
};

// -ENOMEM, or the error of opening procfs.
int files_new(const struct files_options *options, struct files **ret_files);
struct files *files_free(struct files *f);
DEFINE_CLEANUP(struct files *, files_free)

// Reads the packages when they changed since the last time: that takes a while. Before the first time none are known.
void files_refresh(struct files *f);

struct files_ask {
    struct process_ref ref; // who executed it
    uint64_t ino;           // as the kernel has it
    uint32_t dev;           // s_dev, as the kernel has it
    uint64_t exec_ns;       // CLOCK_REALTIME; 0: not known, nothing is looked for by its path
    const char *path;       // with a NUL; as the host sees it, or NULL
    bool refused;           // it was not executed: /proc/PID/exe is another file
    bool aside;             // it was, and so is /proc/PID/exe
    // The script that it is the interpreter of. Nothing holds that one: it is what lies at its path, unchanged since before the exec.
    const char *script; // with a NUL; as the host sees it. NULL: none
    uint64_t script_ino;
    uint32_t script_dev;
};

struct files_fact {
    enum file_hash hash; // NONE: nobody asked; never WAITING
    uint8_t sha256[FILE_SHA256_BYTES];
    char package[FILES_TEXT_MAX], version[FILES_TEXT_MAX]; // "": none
};

struct files_answer {
    struct files_fact program, script;
};

// `stop` (may be NULL) is asked now and then: true gives up, as FILE_HASH_LATE. Fails never: what is not known is said.
void files_ask(struct files *f, const struct files_ask *ask, bool (*stop)(void *ctx), void *ctx,
               struct files_answer *ret);

// What would have to be read for it: 0 when the hashes are in the cache, or cannot be had.
uint64_t files_cost(struct files *f, const struct files_ask *ask);

void files_counters(const struct files *f, struct files_counters *ret);
