// SPDX-License-Identifier: Apache-2.0
#include "policy/facts.h"

#include <errno.h>
#include <string.h>

#include "policy/image_read.h"

static bool has_atom(const struct sg_atoms *set, uint64_t atom)
{
    return set->bits[atom / 64 % SG_ATOM_WORDS] >> (atom % 64) & 1;
}

static void atoms_of(const struct policy_image *image, uint32_t start, const char *path,
                     struct sg_atoms *ret_atoms)
{
    const struct sg_image *h = policy_image_head(image);
    const struct sg_state *state;
    const struct sg_accept *accept;
    size_t len = path ? strlen(path) : 0;
    uint32_t s;

    *ret_atoms = (struct sg_atoms){};
    if (!path)
        return;
    s = policy_image_walk(image, start, path, streq(path, "/") ? 0 : len);
    state = image_record(image, h->states_off + s * (uint32_t)sizeof(*state));
    accept = image_record(image, h->accepts_off + state->accept * (uint32_t)sizeof(*accept));
    *ret_atoms = *(const struct sg_atoms *)image_record(
        image, h->atoms_off + accept->atoms * (uint32_t)sizeof(*ret_atoms));
}

static bool path_ok(const char *path)
{
    size_t len = path ? strlen(path) : 0;

    return !path || (path[0] == '/' && (len == 1 || path[len - 1] != '/'));
}

// The session that the nearest starter on the way up opened. What descends from anything else is
// a service; what has no ancestors was started by the kernel. Sessions are root's to start.
static bool may_start_session(const struct policy_facts *g, size_t view)
{
    if (view == 0)
        return g->uid == 0;
    return !g->ancestor_uids || g->ancestor_uids[view - 1] == 0;
}

static uint32_t derived_session(const struct task_facts *f, size_t view)
{
    static const uint32_t kinds[] = {
        [SG_ATOM_SESSION_SSH] = SG_SESSION_SSH,
        [SG_ATOM_SESSION_CRON] = SG_SESSION_CRON,
        [SG_ATOM_SESSION_CONSOLE] = SG_SESSION_CONSOLE,
    };

    for (size_t v = view; v < f->n_views; v++)
        for (uint32_t atom = 0; atom < ARRAY_SIZE(kinds); atom++)
            if (may_start_session(f->given, v) && has_atom(&f->views[v].exe_in, atom))
                return kinds[atom];
    return f->n_views > 1 ? SG_SESSION_SERVICE : SG_SESSION_NONE;
}

static void fill_views(struct task_facts *f)
{
    const struct policy_facts *g = f->given;

    f->n_views = 1 + g->n_ancestors;
    for (size_t v = 0; v < f->n_views; v++) {
        f->views[v].exe = v == 0 ? g->exe : g->ancestors[v - 1];
        atoms_of(f->image, f->image->start, f->views[v].exe, &f->views[v].exe_in);
    }
    for (size_t v = f->n_views; v-- > 0;) {
        struct task_view *view = &f->views[v], *up = v + 1 < f->n_views ? view + 1 : NULL;

        if (up) {
            view->parent = up->exe;
            view->parent_in = up->exe_in;
            view->ancestors_in = up->ancestors_in;
            for (size_t w = 0; w < SG_ATOM_WORDS; w++)
                view->ancestors_in.bits[w] |= up->exe_in.bits[w];
        }
        view->session = g->session >= 0 ? (uint32_t)g->session : derived_session(f, v);
    }
}

// Every variable runs through the automaton on its own.
static void fill_env(struct task_facts *f)
{
    const struct policy_facts *g = f->given;
    struct sg_atoms one;

    for (size_t i = 0; i < g->n_env; i++) {
        atoms_of(f->image, policy_image_head(f->image)->env_state, g->env[i], &one);
        for (size_t w = 0; w < SG_ATOM_WORDS; w++)
            f->env_in.bits[w] |= one.bits[w];
    }
}

int facts_init(const struct policy_image *image, const struct policy_query *query,
               struct task_facts *ret_facts)
{
    const struct policy_facts *g = &query->facts;
    time_t next;

    if (g->n_ancestors > POLICY_ANCESTORS_MAX || g->session >= SG_SESSION_COUNT ||
        !path_ok(g->exe) || !path_ok(g->cgroup))
        return -EINVAL;
    for (size_t i = 0; i < g->n_ancestors; i++)
        if (!path_ok(g->ancestors[i]))
            return -EINVAL;
    *ret_facts = (struct task_facts){.image = image, .given = g};
    atoms_of(image, policy_image_head(image)->cgroup_state, g->cgroup ? g->cgroup : "/",
             &ret_facts->cgroup_in);
    fill_env(ret_facts);
    fill_views(ret_facts);
    if (query->has_when)
        policy_time_subjects(image, query->when, ret_facts->on, &next);
    else
        memset(ret_facts->on, 0xff, sizeof(ret_facts->on));
    return 0;
}

bool facts_term(const struct task_facts *f, size_t view, const struct sg_term *term)
{
    const struct policy_facts *g = f->given;
    const struct task_view *v = &f->views[view];

    switch (term->dim) {
    case SG_DIM_EXE: return has_atom(&v->exe_in, term->value);
    case SG_DIM_PARENT: return has_atom(&v->parent_in, term->value);
    case SG_DIM_ANCESTOR: return has_atom(&v->ancestors_in, term->value);
    case SG_DIM_CGROUP: return has_atom(&f->cgroup_in, term->value);
    case SG_DIM_USER: return g->uid == term->value;
    case SG_DIM_LOGIN: return g->login_uid == term->value;
    case SG_DIM_CAP: return (g->caps & term->value) == term->value;
    case SG_DIM_SESSION: return v->session == term->value;
    case SG_DIM_NAMESPACE: return (g->container ? 1u : 0u) == term->value;
    case SG_DIM_GROUP:
        for (size_t i = 0; i < g->n_gids; i++)
            if (g->gids[i] == term->value)
                return true;
        return false;
    default: return term->dim >= SG_DIM_ENV && has_atom(&f->env_in, term->value);
    }
}

const struct sg_term *facts_terms(const struct policy_image *image, uint32_t subject, size_t *ret_n)
{
    const struct sg_image *h = policy_image_head(image);
    const struct sg_term *terms = image_record(image, h->terms_off);
    size_t first = 0, n;

    while (first < h->n_terms && terms[first].subject < subject)
        first++;
    for (n = 0; first + n < h->n_terms && terms[first + n].subject == subject; n++)
        ;
    *ret_n = n;
    return terms + first;
}

bool facts_view(const struct task_facts *f, uint32_t subject, size_t view,
                const struct sg_term **ret_failed)
{
    size_t n, i = 0;
    const struct sg_term *terms = facts_terms(f->image, subject, &n);

    while (i < n) {
        const struct sg_term *first = &terms[i];
        bool any = false;

        // Within a dimension one is enough.
        for (; i < n && terms[i].dim == first->dim; i++)
            any |= facts_term(f, view, &terms[i]);
        if (!any) {
            if (ret_failed)
                *ret_failed = first;
            return false;
        }
    }
    return true;
}

bool facts_subject(const struct task_facts *f, uint32_t subject)
{
    size_t n_views = facts_inherited(f->image, subject) ? f->n_views : 1;

    if (!(f->on[subject / 64] >> (subject % 64) & 1))
        return false;
    for (size_t v = 0; v < n_views; v++)
        if (facts_view(f, subject, v, NULL))
            return true;
    return false;
}
