// SPDX-License-Identifier: Apache-2.0
//
// Files in protected places that have further names. The kernel learns what a file is from the name that it
// is reached by; an older hard link outside of the place would be reached as if nobody had said anything
// about it. So these files are looked for, and links.c has the kernel remember them by device and number.
//
// Only directories beneath which something is denied are read: the image itself says which. What a policy that
// is in force already hides from the agent cannot be found again, so what was found once is kept by name
// and only checked. Reads directories and nothing else; runs in workers.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "policy/compile.h"
#include "policy/mounts.h"
#include "sensor/sensor.h"

#define OBJECTS_ENTRIES_MAX 2000000u
#define OBJECTS_PINS_MAX    65536u

struct objects {
    struct sensor_object *pins;
    size_t n, cap;
    struct strbuf paths;    // of the pins in their order, each followed by a NUL
    uint64_t seen;          // entries of directories
    uint64_t refused;       // directories that could not be read
    const char *incomplete; // why there may be more; NULL
};

struct objects_limits {
    uint64_t max_ns;  // 0: none
    const char *skip; // a directory that is not looked into; NULL: none
    bool (*stop)(void *ctx);
    void *ctx;
};

// Fills *o, also on failure. `mounts` is the host's table. `known` (may be NULL) are paths, each followed by a
// NUL, that are looked at, too. -ENOMEM.
int objects_find(const struct policy_image *image, const struct policy_mounts *mounts,
                 const struct strbuf *known, const struct objects_limits *limits,
                 struct objects *o);
void objects_done(struct objects *o);

// The names of what was found by device and number, for records of an object that was reached by a further one, and
// for descriptors of it. The list is shared, and never changed: whoever has one keeps what it was.
struct object_names {
    struct name_list *list; // NULL: empty
};

// Replaces what *names holds. -ENOMEM: it is as it was.
int object_names_set(struct object_names *names, const struct objects *found);

// The name that the rules are about of an object that was reached by the name `used`; NULL when it is not known
// or `used` is one of them. On loan until the next call of object_names_set().
const char *object_names_find(const struct object_names *names, uint32_t dev, uint64_t ino,
                              const char *used, size_t used_len);

// One after the other all names of an object, from *at = 0 on; NULL: that was all. On loan as above.
const char *object_names_next(const struct object_names *names, uint32_t dev, uint64_t ino,
                              size_t *at);

// The same list once more, for a thread to read. To be called, as object_names_done() of it, by the one thread that has
// the other.
struct object_names object_names_share(const struct object_names *names);
void object_names_done(struct object_names *names);

// The paths of what was found, in a file for the next run of the agent. -ENOENT: there is none yet.
int objects_save(const struct objects *o, const char *path);
int objects_load(const char *path, struct strbuf *ret_known);
