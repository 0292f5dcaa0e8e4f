// SPDX-License-Identifier: Apache-2.0
//
// Whatever the mount table: every line is kept or counted, and what the image says of the roots of
// new mounts is what compiling with them says.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/compile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] =
    "safeguard: 1\nmode: enforce\nfiles:\n"
    "  - {path: [/etc/shadow, /a/**, \"/m/*/x\", /m], access: read, do: deny}\n";

static size_t lines(const uint8_t *data, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < size; i++)
        n += data[i] != '\n' && (i + 1 == size || data[i + 1] == '\n');
    return n;
}

// The same roots, and the same at one step inside.
static void compare(const struct policy_image *a, const struct policy_root *roots, size_t n,
                    const struct policy_image *b)
{
    static const char *const inside[] = {"/shadow", "/x", "/b/x"};

    if (n != b->n_roots)
        abort();
    for (size_t i = 0; i < n; i++) {
        if (roots[i].dev != b->roots[i].dev || roots[i].root.flags != b->roots[i].root.flags ||
            !roots[i].root.state != !b->roots[i].root.state)
            abort();
        for (size_t k = 0; k < 3; k++)
            if (!policy_image_walk(a, roots[i].root.state, inside[k], strlen(inside[k])) !=
                !policy_image_walk(b, b->roots[i].root.state, inside[k], strlen(inside[k])))
                abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy_image *plain = NULL, *image = NULL;
    struct policy_root *roots = NULL;
    struct policy_mounts *m = NULL;
    struct policy *p = NULL;
    size_t n = 0;

    if (mounts_parse((const char *)data, size, &m) < 0 ||
        m->n + m->n_bad + m->n_dropped != lines(data, size) ||
        policy_load_buffer("f", text, strlen(text), NULL, NULL, &p) < 0 ||
        policy_compile(p, NULL, NULL, NULL, &plain) < 0 ||
        policy_compile(p, m, NULL, NULL, &image) < 0 ||
        policy_image_validate(image->mem, image->size) < 0)
        abort();
    if (policy_image_roots(plain, m, false, &roots, &n) == 0)
        compare(plain, roots, n, image);
    free(roots);
    policy_image_free(plain);
    policy_image_free(image);
    policy_free(p);
    mounts_free(m);
    return 0;
}
