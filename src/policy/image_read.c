// SPDX-License-Identifier: Apache-2.0
//
// Reading a compiled image: the proof that it is whole, the automaton, the roots for a mount table.
#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "policy/compile.h"
#include "policy/image_read.h"

struct range {
    uint32_t off, n;
    size_t size; // of one record
};

static bool range_ok(const struct range *r, size_t image_size)
{
    size_t align = r->size > SG_IMAGE_ALIGN ? r->size : SG_IMAGE_ALIGN;

    return r->off % align == 0 && r->off >= sizeof(struct sg_image) && r->off <= image_size &&
           (uint64_t)r->n * r->size <= image_size - r->off;
}

static const void *at(const void *mem, uint32_t off)
{
    return (const char *)mem + off;
}

static bool states_ok(const struct sg_image *h)
{
    const struct sg_state *s = at(h, h->states_off);
    const struct sg_edge *e = at(h, h->edges_off);

    if (h->n_states == 0 || h->n_states > SG_STATES_MAX || h->n_edges < 256)
        return false;
    for (uint32_t i = 0; i < h->n_states; i++)
        if (s[i].base > h->n_edges - 256 || s[i].dflt >= h->n_states ||
            s[i].accept >= h->n_accepts || s[i].ops >= 1u << SG_OP_COUNT)
            return false;
    for (uint32_t i = 0; i < SG_CONTROL_MAX; i++)
        if (h->control_state[i] >= h->n_states)
            return false;
    for (uint32_t i = 0; i < h->n_edges; i++)
        if (e[i].check >= h->n_states || e[i].next >= h->n_states)
            return false;
    return s[0].dflt == 0 && s[0].accept == 0 && s[0].ops == 0 && h->cgroup_state < h->n_states &&
           h->env_state < h->n_states;
}

static bool accepts_ok(const struct sg_image *h)
{
    const struct sg_accept *a = at(h, h->accepts_off);
    const struct sg_entry *e = at(h, h->entries_off);

    for (uint32_t i = 0; i < h->n_accepts; i++)
        if (a[i].n_entries > SG_ENTRIES_MAX || a[i].entry > h->n_entries ||
            a[i].n_entries > h->n_entries - a[i].entry || a[i].below >= h->n_belows ||
            a[i].atoms >= h->n_atoms)
            return false;
    for (uint32_t i = 0; i < h->n_entries; i++)
        if (e[i].pred >= h->n_preds || e[i].rule >= h->n_rules || e[i].verdict >= SG_VERDICT_COUNT)
            return false;
    return true;
}

static bool targets_ok(const struct sg_image *h)
{
    const struct sg_target *t = at(h, h->targets_off);

    if (h->n_targets != 0 && h->n_targets != h->n_preds)
        return false;
    for (uint32_t i = 0; i < h->n_targets; i++)
        if (t[i].to >= h->n_preds || t[i].flags & ~SG_TARGET_OTHER_USER)
            return false;
    return true;
}

static bool terms_ok(const struct sg_image *h)
{
    const struct sg_term *t = at(h, h->terms_off);

    if (h->n_terms > SG_TERMS_MAX || h->n_preds > SG_PREDS_MAX || h->n_preds == 0)
        return false;
    for (uint32_t i = 0; i < h->n_terms; i++) {
        bool atom = t[i].dim == SG_DIM_EXE || t[i].dim == SG_DIM_PARENT ||
                    t[i].dim == SG_DIM_ANCESTOR || t[i].dim == SG_DIM_CGROUP ||
                    t[i].dim >= SG_DIM_ENV;

        if (t[i].subject >= SG_SUBJECTS_MAX || t[i].dim == 0 || t[i].dim >= SG_DIM_COUNT ||
            (atom && t[i].value >= SG_ATOMS_MAX))
            return false;
        if (i > 0 && (t[i].subject < t[i - 1].subject ||
                      (t[i].subject == t[i - 1].subject && t[i].dim < t[i - 1].dim)))
            return false;
    }
    return true;
}

static bool checksum_ok(const void *mem, size_t size)
{
    const struct sg_image *h = mem;
    struct sg_image copy = *h;
    XXH3_state_t *state;
    bool ok;

    state = XXH3_createState();
    if (!state)
        return false;
    copy.checksum = 0;
    XXH3_64bits_reset(state);
    XXH3_64bits_update(state, &copy, sizeof(copy));
    XXH3_64bits_update(state, (const char *)mem + sizeof(copy), size - sizeof(copy));
    ok = XXH3_64bits_digest(state) == h->checksum;
    XXH3_freeState(state);
    return ok;
}

int policy_image_validate(const void *mem, size_t size)
{
    const struct sg_image *h = mem;

    if (size < SG_IMAGE_PAGE || size % SG_IMAGE_PAGE != 0 || h->magic != SG_IMAGE_MAGIC ||
        h->version != SG_IMAGE_VERSION || h->policy_id == 0 || h->n_pages != size / SG_IMAGE_PAGE ||
        h->n_pages > SG_IMAGE_PAGES_MAX || h->n_rules > SG_RULES_MAX)
        return -EBADMSG;

    const struct range ranges[] = {
        {h->states_off, h->n_states, sizeof(struct sg_state)},
        {h->edges_off, h->n_edges, sizeof(struct sg_edge)},
        {h->accepts_off, h->n_accepts, sizeof(struct sg_accept)},
        {h->entries_off, h->n_entries, sizeof(struct sg_entry)},
        {h->belows_off, h->n_belows, sizeof(struct sg_below)},
        {h->atoms_off, h->n_atoms, sizeof(struct sg_atoms)},
        {h->terms_off, h->n_terms, sizeof(struct sg_term)},
        {h->preds_off, h->n_preds, sizeof(struct sg_pred)},
        {h->targets_off, h->n_targets, sizeof(struct sg_target)},
    };
    for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
        if (!range_ok(&ranges[i], size))
            return -EBADMSG;
    return states_ok(h) && accepts_ok(h) && terms_ok(h) && targets_ok(h) && checksum_ok(mem, size)
               ? 0
               : -EBADMSG;
}

uint32_t policy_image_walk(const struct policy_image *image, uint32_t state, const char *path,
                           size_t len)
{
    struct sg_view view;

    sg_view_of(policy_image_head(image), &view);
    for (size_t i = 0; i < len && state != 0; i++)
        state = sg_step(image, &view, state, (uint8_t)path[i]);
    return state;
}

// The state of a mount's root; 0 when nothing matches there or beneath.
static uint32_t mountpoint_state(const struct policy_image *image, const char *path)
{
    const struct sg_image *h = policy_image_head(image);
    const struct sg_state *states = at(h, h->states_off);
    uint32_t state;

    state = policy_image_walk(image, image->start, path, streq(path, "/") ? 0 : strlen(path));
    if (states[state].accept == 0 && policy_image_walk(image, state, "/", 1) == 0)
        return 0;
    return state;
}

static int join_root(const struct policy_image *image, const struct policy_mount *m,
                     struct policy_root *root)
{
    bool plain = streq(m->fs_root, "/") && !(m->flags & POLICY_MOUNT_NOCASE);
    uint32_t state = mountpoint_state(image, m->mountpoint);

    if (state == 0)
        return 0;
    if (!plain || (root->root.state != 0 && root->root.state != state))
        return -EAGAIN;
    root->root.state = state;
    return 0;
}

static int compare_root(const void *a, const void *b)
{
    const struct policy_root *x = a, *y = b;

    return (x->dev > y->dev) - (x->dev < y->dev);
}

// What the image knows of a superblock, if the mounts that lead there are still the same.
static const struct policy_root *known_root(const struct policy_image *image, uint32_t dev,
                                            uint64_t mounts)
{
    const struct policy_root wanted = {.dev = dev};
    const struct policy_root *found = bsearch(&wanted, image->roots, image->n_roots, sizeof(wanted),
                                              compare_root);

    return found && found->mounts == mounts ? found : NULL;
}

// The root of the superblock that mounts[0 … n) are of.
static int make_root(const struct policy_image *image, const struct policy_mount *const *mounts,
                     size_t n, bool drop_hidden, struct policy_root *root)
{
    const struct policy_root *known;
    int r = 0;

    *root = (struct policy_root){.dev = mounts[0]->dev, .root = {.flags = SG_ROOT_FOREIGN}};
    for (size_t i = 0; i < n; i++)
        if (mount_leads(mounts[i], drop_hidden)) {
            root->root.flags = 0;
            root->mounts = mount_digest(root->mounts, mounts[i]);
        }
    known = known_root(image, root->dev, root->mounts);
    if (known) {
        *root = *known;
        return 0;
    }
    for (size_t i = 0; r == 0 && i < n; i++)
        if (mount_leads(mounts[i], drop_hidden))
            r = join_root(image, mounts[i], root);
    return r;
}

int policy_image_roots(const struct policy_image *image, const struct policy_mounts *mounts,
                       bool drop_hidden, struct policy_root **ret_roots, size_t *ret_n)
{
    _cleanup_free_ const struct policy_mount **sorted = NULL;
    _cleanup_free_ struct policy_root *roots = NULL;
    size_t n = 0;
    int r;

    roots = new0(struct policy_root, mounts->n);
    if (!roots)
        return -ENOMEM;
    r = mounts_sort(mounts, &sorted);
    for (size_t i = 0, same; r == 0 && i < mounts->n; i += same) {
        same = mounts_of_one(sorted + i, mounts->n - i);
        r = make_root(image, sorted + i, same, drop_hidden, &roots[n++]);
    }
    if (r < 0)
        return r;
    *ret_roots = TAKE_PTR(roots);
    *ret_n = n;
    return 0;
}
