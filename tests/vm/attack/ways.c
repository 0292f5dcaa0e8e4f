// SPDX-License-Identifier: Apache-2.0
/* The tables: deeds.def and ways.def. */
#include "attack.h"
#include "tree.h"

#include <fcntl.h>
#include <string.h>

enum {
#define DEED(id, flags, use, access, modifies) DEED_##id,
#define NO_USE(id, access, modifies)           DEED_##id,
#include "deeds.def"
#undef DEED
#undef NO_USE
    DEED_MAX
};

static const struct deed deeds[DEED_MAX] = {
#define DEED(id, flags, use, access, modifies) {access, flags, use, modifies},
#define NO_USE(id, access, modifies)           {access, 0, NULL, modifies},
#include "deeds.def"
#undef DEED
#undef NO_USE
};

const struct way ways[] = {
#define WAY(name, reach, deed, object, needs, expect, help) \
    {name, object, help, reach, &deeds[DEED_##deed], needs, EXPECT_##expect},
#include "ways.def"
#undef WAY
};
const size_t n_ways = ARRAY_LEN(ways);

const char *way_mark(const struct way *w)
{
    for (size_t i = 0; i < n_objects; i++)
        if (objects[i].kind == KIND_PUBLIC && strcmp(objects[i].path, w->object) == 0)
            return MARK_PUBLIC;
    return w->expect == EXPECT_ALLOWED ? MARK_PUBLIC : MARK_SECRET;
}

const struct way *way_find(const char *name)
{
    for (size_t i = 0; i < n_ways; i++)
        if (strcmp(ways[i].name, name) == 0)
            return &ways[i];
    return NULL;
}
