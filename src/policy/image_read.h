// SPDX-License-Identifier: Apache-2.0
//
// How the code of abi/decide.h, which the kernel programs run too, reads an image in user space.
// Private to the room.
#pragma once

#include <stddef.h>

#include "abi/policy.h"
#include "policy/compile.h"

#define SG_IMAGE_T const struct policy_image *

static inline const void *sg_image_at(const struct policy_image *image, uint32_t off, size_t size)
{
    if (off > image->size || size > image->size - off)
        return NULL;
    return (const char *)image->mem + off;
}

#include "abi/decide.h"

// The record at an offset that the compiler made, or that policy_image_validate() has proved.
static inline const void *image_record(const struct policy_image *image, uint32_t off)
{
    return (const char *)image->mem + off;
}
