/* SPDX-License-Identifier: GPL-2.0-only */
/* The policy image as kernel programs read it: pages of an array map, found anew in every program run. */
#ifndef SG_BPF_IMAGE_H
#define SG_BPF_IMAGE_H

#include "maps.bpf.h"

#define SG_IMAGE_T void *

static __always_inline const void *sg_image_at(void *image, __u32 off, __u32 size)
{
    __u32 page = off >> SG_IMAGE_PAGE_SHIFT;
    const struct sg_page *p = bpf_map_lookup_elem(image, &page);

    /* Records lie on multiples of their size and never straddle a page: the mask changes nothing but tells the verifier. */
    return p ? p->bytes + (off & (SG_IMAGE_PAGE - size)) : NULL;
}

#include "abi/decide.h"

/* The image in force; NULL before the first policy. The handle is good for this program run only. */
static __always_inline void *sg_image_get(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&sg_images, &zero);
}

static __always_inline const struct sg_image *sg_image_header(void *image)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(image, &zero);
}

static __always_inline const struct sg_state *sg_state_of(void *image,
                                                          const struct sg_image *header,
                                                          __u32 state)
{
    return sg_image_at(image, header->states_off + state * (__u32)sizeof(struct sg_state),
                       sizeof(struct sg_state));
}

/* What rules and path lists have to say about a state. */
static __always_inline const struct sg_accept *sg_accept_of(void *image,
                                                            const struct sg_image *header,
                                                            const struct sg_state *state)
{
    return sg_image_at(image, header->accepts_off + state->accept * (__u32)sizeof(struct sg_accept),
                       sizeof(struct sg_accept));
}

/* Of this CPU, and still atomic: a program that is preempted here must not lose what another one counted. */
static __always_inline void sg_count(__u32 counter)
{
    __u64 *n = bpf_map_lookup_elem(&sg_counters, &counter);

    if (n)
        __sync_fetch_and_add(n, 1);
}

/* A scalar that the verifier knows nothing about: keeps it from exploring every constant on its own. */
__noinline __u32 sg_opaque(__u32 x)
{
    asm volatile("" : "+r"(x));
    return x;
}

__noinline __u64 sg_opaque_long(__u64 x)
{
    asm volatile("" : "+r"(x));
    return x;
}

#endif
