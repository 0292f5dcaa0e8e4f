// SPDX-License-Identifier: Apache-2.0
//
// For tests: a policy as text, its image, and what the image says of a path.
#pragma once

#include "tests/unit/unit.h"

#include "policy/compile.h"
#include "tests/unit/policy/names.h"

#define HEAD "safeguard: 1\nmode: enforce\nfiles:\n" // rules start in line 4

static inline struct policy_image *compile_with(const char *text,
                                                const struct policy_compile_options *options,
                                                struct policy_diags *diags)
{
    struct policy_image *image = NULL;
    struct policy *p = NULL;
    int r;

    if (policy_load_buffer("t.yaml", text, strlen(text), &names_options, diags, &p) < 0)
        fail_msg("%s", diags->n > 0 ? diags->items[0].message : text);
    r = policy_compile(p, NULL, options, diags, &image);
    assert_true(r == 0 || (r == -EINVAL && diags->n_errors > 0));
    if (image)
        assert_int_equal(policy_image_validate(image->mem, image->size), 0);
    policy_free(p);
    return image;
}

static inline struct policy_image *compile(const char *text)
{
    struct policy_diags d = {};
    struct policy_image *image = compile_with(text, NULL, &d);

    if (!image)
        fail_msg("%s", d.items[d.n - 1].message);
    policy_diags_done(&d);
    return image;
}

static inline const void *section(const struct policy_image *image, uint32_t off)
{
    return (const char *)image->mem + off;
}

static inline const struct sg_state *state_at(const struct policy_image *image, const char *path)
{
    const struct sg_image *h = policy_image_head(image);
    const struct sg_state *states = section(image, h->states_off);

    return &states[policy_image_walk(image, image->start, path, strlen(path))];
}

static inline const struct sg_accept *accept_at(const struct policy_image *image, const char *path)
{
    const struct sg_accept *accepts = section(image, policy_image_head(image)->accepts_off);

    return &accepts[state_at(image, path)->accept];
}

static inline const struct sg_entry *entry_at(const struct policy_image *image, const char *path,
                                              uint32_t i)
{
    const struct sg_entry *entries = section(image, policy_image_head(image)->entries_off);

    assert_true(i < accept_at(image, path)->n_entries);
    return &entries[accept_at(image, path)->entry + i];
}

static inline const struct sg_below *below_at(const struct policy_image *image, const char *path)
{
    const struct sg_below *belows = section(image, policy_image_head(image)->belows_off);

    return &belows[accept_at(image, path)->below];
}
