// SPDX-License-Identifier: Apache-2.0
//
// Fingerprints: of a build, and of what its maps look like. Two builds whose maps look the same share the
// maps that one of them left pinned; others start with maps of their own.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/macro.h"
#include "sensor/internal.h"
#include "sensor/object.h"

#define DEPTH_MAX 8 // of types in types; the maps' own go three deep

static void put(XXH3_state_t *h, const void *mem, size_t len)
{
    (void)XXH3_64bits_update(h, mem, len);
}

static void put_str(XXH3_state_t *h, const char *s)
{
    put(h, s, strlen(s) + 1);
}

static void put_u32(XXH3_state_t *h, uint32_t x)
{
    put(h, &x, sizeof(x));
}

static void put_type(XXH3_state_t *h, const struct btf *btf, uint32_t id, int depth)
{
    const struct btf_type *t = btf__type_by_id(btf, id);

    while (t && (btf_is_typedef(t) || btf_is_mod(t)))
        t = btf__type_by_id(btf, t->type);
    if (!t || depth > DEPTH_MAX)
        return;
    put_u32(h, btf_kind(t));
    if (btf_is_composite(t)) {
        const struct btf_member *m = btf_members(t);

        put_u32(h, t->size);
        for (int i = 0; i < btf_vlen(t); i++) {
            put_str(h, strempty(btf__name_by_offset(btf, m[i].name_off)));
            put_u32(h, m[i].offset);
            put_type(h, btf, m[i].type, depth + 1);
        }
    } else if (btf_is_array(t)) {
        put_u32(h, btf_array(t)->nelems);
        put_type(h, btf, btf_array(t)->type, depth + 1);
    } else if (btf_is_datasec(t)) {
        const struct btf_var_secinfo *v = btf_var_secinfos(t);

        for (int i = 0; i < btf_vlen(t); i++) {
            const struct btf_type *var = btf__type_by_id(btf, v[i].type);

            put_str(h, var ? strempty(btf__name_by_offset(btf, var->name_off)) : "");
            put_u32(h, v[i].offset);
            put_u32(h, v[i].size);
            if (var)
                put_type(h, btf, var->type, depth + 1);
        }
    } else if (!btf_is_ptr(t) && !btf_is_func_proto(t)) {
        put_u32(h, t->size);
    }
}

static void put_map(XXH3_state_t *h, const struct btf *btf, const struct bpf_map *map)
{
    put_u32(h, bpf_map__type(map));
    put_u32(h, bpf_map__key_size(map));
    put_u32(h, bpf_map__value_size(map));
    put_u32(h, bpf_map__map_flags(map));
    // The size of a ring is the user's choice and no program's business.
    if (bpf_map__type(map) != BPF_MAP_TYPE_RINGBUF)
        put_u32(h, bpf_map__max_entries(map));
    put_type(h, btf, bpf_map__btf_key_type_id(map), 0);
    put_type(h, btf, bpf_map__btf_value_type_id(map), 0);
}

static void format(uint64_t hash, char ret_hash[OBJECT_HASH])
{
    (void)snprintf(ret_hash, OBJECT_HASH, "%016llx", (unsigned long long)hash);
}

void object_build(char ret_hash[OBJECT_HASH])
{
    size_t len;
    const void *bytes = object_bytes(&len);

    format(XXH3_64bits(bytes, len), ret_hash);
}

int object_layout(const struct bpf_object *object, char ret_hash[OBJECT_HASH])
{
    const struct btf *btf = bpf_object__btf(object);
    XXH3_state_t *h = XXH3_createState();
    struct bpf_map *map;

    if (!h)
        return -ENOMEM;
    (void)XXH3_64bits_reset(h);
    bpf_object__for_each_map(map, object)
    {
        char name[32];

        if (!object_map_shared(map, name, sizeof(name)))
            continue;
        put_str(h, name);
        put_map(h, btf, map);
        if (bpf_map__inner_map(map))
            put_map(h, btf, bpf_map__inner_map(map));
    }
    format(XXH3_64bits_digest(h), ret_hash);
    (void)XXH3_freeState(h);
    return 0;
}
