// SPDX-License-Identifier: Apache-2.0
//
// The automaton of an image, run in memory by the same code as in the kernel.
#include "sensor/internal.h"

#define SG_IMAGE_T const struct image_view *

static const void *sg_image_at(const struct image_view *image, uint32_t off, uint32_t size)
{
    if (off % size != 0 || off > image->len || image->len - off < size)
        return NULL;
    return (const char *)image->mem + off;
}

#include "abi/decide.h"

uint32_t image_walk(const struct image_view *image, uint32_t state, const char *path, size_t len)
{
    struct sg_view view;

    sg_view_of(image->mem, &view);
    for (size_t i = 0; i < len && state; i++)
        state = sg_step(image, &view, state, (uint8_t)path[i]);
    return state;
}

bool image_denies_all(const struct image_view *image, uint32_t state, uint32_t op)
{
    const struct sg_image *head = image->mem;
    const struct sg_accept *accept;
    const struct sg_state *s;
    struct sg_view view;

    sg_view_of(head, &view);
    s = state ? sg_state_at(image, &view, state) : NULL;
    if (!s || !s->accept)
        return false;
    accept = sg_image_at(image, head->accepts_off + s->accept * (uint32_t)sizeof(*accept),
                         sizeof(*accept));
    if (!accept)
        return false;
    for (uint32_t i = 0; i < accept->n_entries; i++) {
        const struct sg_entry *e =
            sg_image_at(image, head->entries_off + (accept->entry + i) * (uint32_t)sizeof(*e),
                        sizeof(*e));

        if (!e)
            return false;
        // An earlier rule for some does not take away what a later one says of everybody else.
        if (e->ops & op && e->pred == 0)
            return e->verdict >= SG_DENY && !(e->flags & SG_ENTRY_MONITOR);
    }
    return false;
}
