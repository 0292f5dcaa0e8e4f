// SPDX-License-Identifier: Apache-2.0
#include "tiny_image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATES 1024u
#define EDGES  (STATES * 256u)

// Every state has 256 edges of its own, so nothing has to be packed.
struct build {
    struct sg_state states[STATES];
    struct sg_edge edges[EDGES];
    struct sg_accept accepts[STATES];
    struct sg_entry entries[STATES];
    uint32_t n_states, n_accepts, n_entries;
};

static uint32_t new_state(struct build *b)
{
    if (b->n_states == STATES) {
        (void)fprintf(stderr, "tiny_image: too many states\n");
        abort();
    }
    b->states[b->n_states].base = b->n_states * 256;
    return b->n_states++;
}

static uint32_t step(struct build *b, uint32_t from, uint8_t byte)
{
    struct sg_edge *e = &b->edges[b->states[from].base + byte];

    if (e->check != from) {
        e->check = from;
        e->next = new_state(b);
    }
    return e->next;
}

static struct sg_accept *accept_of(struct build *b, uint32_t state)
{
    if (!b->states[state].accept) {
        b->accepts[b->n_accepts].entry = b->n_entries;
        b->states[state].accept = b->n_accepts++;
    }
    return &b->accepts[b->states[state].accept];
}

static void add_entry(struct build *b, uint32_t state, const struct tiny_rule *rule, uint16_t index)
{
    struct sg_accept *a = accept_of(b, state);

    // One rule a state is all that tests need.
    a->entry = b->n_entries;
    a->n_entries = 1;
    b->entries[b->n_entries++] = (struct sg_entry){.ops = rule->ops,
                                                   .rule = index,
                                                   .verdict = rule->verdict,
                                                   .flags = rule->flags};
    b->states[state].ops |= rule->ops;
}

static void add_rule(struct build *b, const struct tiny_rule *rule, uint16_t index)
{
    bool denies = rule->verdict >= SG_DENY && !(rule->flags & SG_ENTRY_MONITOR);
    uint32_t state = TINY_START;

    for (const char *s = rule->path; *s; s++) {
        state = step(b, state, (uint8_t)*s);
        if (denies && (s[1] == '/' || (s[1] == '\0' && rule->beneath)))
            accept_of(b, state)->below = 1;
    }
    if (rule->beneath) {
        uint32_t inside;

        state = step(b, state, '/');
        inside = new_state(b);
        b->states[state].dflt = inside;
        b->states[inside].dflt = inside;
        state = inside;
        if (denies)
            accept_of(b, state)->below = 1;
    }
    add_entry(b, state, rule, index);
}

static uint32_t put(char *mem, uint32_t *at, const void *from, size_t size)
{
    uint32_t off = *at;

    if (mem)
        memcpy(mem + off, from, size);
    *at = (uint32_t)((off + size + SG_IMAGE_PAGE - 1) & ~(size_t)(SG_IMAGE_PAGE - 1));
    return off;
}

static uint32_t lay_out(const struct build *b, struct sg_image *head, char *mem)
{
    const struct sg_below belows[2] = {[1] = {.enforce = {1}}};
    const struct sg_atoms atoms = {};
    const struct sg_term terms = {};
    const struct sg_pred preds = {};
    uint32_t at = SG_IMAGE_PAGE;

    head->states_off = put(mem, &at, b->states, sizeof(b->states));
    head->edges_off = put(mem, &at, b->edges, sizeof(b->edges));
    head->accepts_off = put(mem, &at, b->accepts, sizeof(b->accepts));
    head->entries_off = put(mem, &at, b->entries, sizeof(b->entries));
    head->belows_off = put(mem, &at, belows, sizeof(belows));
    head->atoms_off = put(mem, &at, &atoms, sizeof(atoms));
    head->terms_off = put(mem, &at, &terms, sizeof(terms));
    head->preds_off = put(mem, &at, &preds, sizeof(preds));
    head->n_pages = at / SG_IMAGE_PAGE;
    if (mem)
        memcpy(mem, head, sizeof(*head));
    return at;
}

void tiny_image(const struct tiny_rule *rules, size_t n, void **ret, size_t *ret_len)
{
    struct build *b = calloc(1, sizeof(*b));
    struct sg_image head = {
        .magic = SG_IMAGE_MAGIC,
        .version = SG_IMAGE_VERSION,
        .policy_id = 1,
        .n_states = STATES,
        .n_edges = EDGES,
        .n_accepts = STATES,
        .n_entries = STATES,
        .n_belows = 2,
        .n_atoms = 1,
        .n_terms = 0,
        .n_preds = 1,
        .n_rules = (uint32_t)n,
    };
    char *mem;

    if (!b)
        abort();
    b->n_states = TINY_START;
    b->n_accepts = 1;
    (void)new_state(b);
    for (size_t i = 0; i < n; i++) {
        add_rule(b, &rules[i], (uint16_t)i);
        head.ops |= rules[i].ops;
        if (rules[i].verdict >= SG_DENY && !(rules[i].flags & SG_ENTRY_MONITOR))
            head.enforce_ops |= rules[i].ops;
    }
    *ret_len = lay_out(b, &head, NULL);
    mem = calloc(1, *ret_len);
    if (!mem)
        abort();
    (void)lay_out(b, &head, mem);
    free(b);
    *ret = mem;
}
