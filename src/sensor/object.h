// SPDX-License-Identifier: Apache-2.0
//
// Looking things up in an open object. For object.c and layout.c.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_map;
struct bpf_object;

// Is this a map that outlives the object (everything but constants and configuration)? Then its name
// without the object's own in front: "sg_images", "bss".
bool object_map_shared(const struct bpf_map *map, char *ret_name, size_t size);

// Where a global variable of the programs lies. -ENOENT.
struct object_variable {
    const char *section; // ".bss"; on loan from the object
    uint32_t offset, size;
};
int object_find_variable(const struct bpf_object *object, const char *name,
                         struct object_variable *ret);
