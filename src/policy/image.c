// SPDX-License-Identifier: Apache-2.0
//
// Lays the parts out as abi/policy.h says: sections one behind the other, each at a multiple of its
// record's size (a power of two), so that no record straddles a page.
#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "policy/compiler.h"

#define HEADER_SIZE 512

STATIC_ASSERT(sizeof(struct sg_image) <= HEADER_SIZE, "the header has room");

struct section {
    const void *records; // NULL: filled in place
    size_t n, size;      // records, bytes of one
    size_t off;          // result
};

enum {
    S_STATES,
    S_EDGES,
    S_ACCEPTS,
    S_ENTRIES,
    S_BELOWS,
    S_ATOMS,
    S_TERMS,
    S_PREDS,
    S_TARGETS,
    S_COUNT,
};

// Only those belows that an accept refers to go into the image.
struct below_map {
    struct interned kept;
    uint32_t *number; // of every below, + 1
};

static void below_map_done(struct below_map *m)
{
    interned_done(&m->kept);
    free(m->number);
}

static int too_many(struct compiler *c, const char *what, size_t max)
{
    struct policy_diag *d = policy_diag_add(c->diags, POLICY_ERROR, NULL, 0, 0,
                                            "the policy makes more than %zu %s", max, what);

    policy_diag_cure(c->diags, d, "use fewer different subjects, or split the policy");
    return -EINVAL;
}

static int keep_below(struct compiler *c, struct below_map *m, uint32_t below, uint16_t *ret_number)
{
    const struct sg_below *record = (const struct sg_below *)c->belows.items + below;
    int r;

    if (m->number[below] == 0) {
        uint32_t number = 0;

        r = interned_get(&m->kept, record, (size_t)UINT16_MAX + 1, &number);
        if (r == -E2BIG)
            return too_many(c, "different sets of denials beneath directories", UINT16_MAX);
        if (r < 0)
            return r;
        m->number[below] = number + 1;
    }
    *ret_number = (uint16_t)(m->number[below] - 1);
    return 0;
}

static int make_accepts(struct compiler *c, struct below_map *m)
{
    const struct entry_list *lists = c->entry_lists.items;
    const struct sg_accept nothing = {};
    uint16_t none;
    uint32_t zero;
    int r;

    c->accept_of = new0(uint32_t, c->dfa->n_states);
    m->number = new0(uint32_t, c->belows.n);
    if (!c->accept_of || !m->number)
        return -ENOMEM;
    r = interned_init(&m->kept, sizeof(struct sg_below));
    if (r == 0)
        r = interned_init(&c->accepts, sizeof(struct sg_accept));
    if (r == 0)
        r = interned_get(&c->accepts, &nothing, SIZE_MAX, &zero);
    if (r == 0)
        r = keep_below(c, m, 0, &none);
    for (size_t s = 1; r == 0 && s < c->dfa->n_states; s++) {
        const struct entry_list *list = &lists[c->list_of[s]];
        struct sg_accept a = {.entry = list->first,
                              .n_entries = (uint16_t)list->n,
                              .atoms = list->atoms};

        r = keep_below(c, m, c->below_of[s], &a.below);
        if (r == 0)
            r = interned_get(&c->accepts, &a, SIZE_MAX, &c->accept_of[s]);
    }
    return r;
}

static size_t align_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static int lay_out(struct compiler *c, struct section sections[S_COUNT], size_t *ret_size)
{
    size_t off = HEADER_SIZE;

    for (size_t i = 0; i < S_COUNT; i++) {
        struct section *s = &sections[i];

        off = align_up(off, s->size > SG_IMAGE_ALIGN ? s->size : SG_IMAGE_ALIGN);
        s->off = off;
        off += s->n * s->size;
    }
    off = align_up(off, SG_IMAGE_PAGE);
    if (off > c->options.max_bytes || off / SG_IMAGE_PAGE > SG_IMAGE_PAGES_MAX) {
        struct policy_diag *d =
            policy_diag_add(c->diags, POLICY_ERROR, NULL, 0, 0,
                            "the compiled policy takes %zu KiB, more than the %zu KiB it may take",
                            off >> 10, c->options.max_bytes >> 10);

        policy_diag_cure(c->diags, d, "use fewer rules, or fewer '*' and '**' in one pattern");
        return -EINVAL;
    }
    *ret_size = off;
    return 0;
}

static void fill_states(const struct compiler *c, struct sg_state *out)
{
    const struct entry_list *lists = c->entry_lists.items;

    for (size_t s = 1; s < c->dfa->n_states; s++)
        out[s] = (struct sg_state){
            .base = c->comb.base[s],
            .dflt = c->dfa->states[s].dflt,
            .accept = c->accept_of[s],
            .ops = lists[c->list_of[s]].ops,
        };
}

static void fill_header(const struct compiler *c, const struct section sections[S_COUNT],
                        size_t size, struct sg_image *h)
{
    *h = (struct sg_image){
        .magic = SG_IMAGE_MAGIC,
        .version = SG_IMAGE_VERSION,
        .policy_id = c->options.policy_id,
        .n_pages = (uint32_t)(size / SG_IMAGE_PAGE),
        .needs = c->needs,
        .cgroup_state = c->cgroup_state,
        .env_state = c->env_state,
        .controls = c->controls,
        .n_rules = c->policy->n_rules,
    };
#define PUT(section, name)                           \
    h->name##_off = (uint32_t)sections[section].off; \
    h->n_##name = (uint32_t)sections[section].n
    PUT(S_STATES, states);
    PUT(S_EDGES, edges);
    PUT(S_ACCEPTS, accepts);
    PUT(S_ENTRIES, entries);
    PUT(S_BELOWS, belows);
    PUT(S_ATOMS, atoms);
    PUT(S_TERMS, terms);
    PUT(S_PREDS, preds);
    PUT(S_TARGETS, targets);
#undef PUT
    for (uint32_t i = 0; i < c->policy->n_rules; i++) {
        const struct policy_rule *r = &c->policy->rules[i];

        h->ops |= r->ops;
        if (r->verdict >= SG_DENY && !r->monitor) {
            h->enforce_ops |= r->ops;
            if ((r->ops & ~SG_OP_CONTROL) && (!c->options.own_file || r->pos.file > 0))
                h->needs |= SG_NEED_GUARD;
        }
    }
    memcpy(h->control_state, c->control_state, sizeof(c->control_state));
    memcpy(h->descendants, c->descendants, sizeof(h->descendants));
}

static void put_stats(struct compiler *c)
{
    c->image->stats = (struct policy_image_stats){
        .compile_us = (dfa_now() - c->started) / 1000,
        .n_states = (uint32_t)c->dfa->n_states,
        .n_edges = (uint32_t)c->dfa->n_edges,
        .n_edge_slots = (uint32_t)c->comb.n_slots,
        .n_accepts = (uint32_t)c->accepts.n,
        .n_entries = (uint32_t)c->n_entries,
        .n_belows = policy_image_head(c->image)->n_belows,
        .n_subjects = (uint32_t)c->image->n_subjects,
        .n_atoms = c->n_atoms,
        .n_preds = (uint32_t)c->n_preds,
        .n_terms = (uint32_t)c->n_terms,
    };
}

static int write_image(struct compiler *c, struct section sections[S_COUNT])
{
    struct sg_image *h;
    size_t size;
    int r;

    r = lay_out(c, sections, &size);
    if (r < 0)
        return r;
    h = aligned_alloc(4096, size);
    if (!h)
        return -ENOMEM;
    memset(h, 0, size);
    c->image->mem = h;
    c->image->size = size;
    for (size_t i = 0; i < S_COUNT; i++)
        if (sections[i].records && sections[i].n > 0)
            memcpy((char *)h + sections[i].off, sections[i].records,
                   sections[i].n * sections[i].size);
    fill_states(c, (void *)((char *)h + sections[S_STATES].off));
    fill_header(c, sections, size, h);
    h->checksum = XXH3_64bits(h, size); // while it is still 0
    return 0;
}

int compile_image(struct compiler *c)
{
    _cleanup_(below_map_done) struct below_map m = {};
    int r;

    r = make_accepts(c, &m);
    if (r == 0)
        r = comb_pack(c->dfa, c->options.max_bytes / sizeof(struct sg_edge) + 1024, &c->comb);
    if (r == -E2BIG)
        return too_many(c, "transitions", c->options.max_bytes / sizeof(struct sg_edge));
    if (r < 0)
        return r;

    struct section sections[S_COUNT] = {
        [S_STATES] = {NULL, c->dfa->n_states, sizeof(struct sg_state), 0},
        [S_EDGES] = {c->comb.edges, c->comb.n_slots, sizeof(struct sg_edge), 0},
        [S_ACCEPTS] = {c->accepts.items, c->accepts.n, sizeof(struct sg_accept), 0},
        [S_ENTRIES] = {c->entries, c->n_entries, sizeof(struct sg_entry), 0},
        [S_BELOWS] = {m.kept.items, m.kept.n, sizeof(struct sg_below), 0},
        [S_ATOMS] = {c->atom_sets.items, c->atom_sets.n, sizeof(struct sg_atoms), 0},
        [S_TERMS] = {c->terms, c->n_terms, sizeof(struct sg_term), 0},
        [S_PREDS] = {c->preds, c->n_preds, sizeof(struct sg_pred), 0},
        [S_TARGETS] = {c->targets, c->any_target ? c->n_preds : 0, sizeof(struct sg_target), 0},
    };
    r = write_image(c, sections);
    if (r < 0)
        return r;
    c->image->start = c->start;
    c->image->roots = TAKE_PTR(c->roots);
    c->image->n_roots = c->n_roots;
    put_stats(c);
    return 0;
}
