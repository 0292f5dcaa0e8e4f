// SPDX-License-Identifier: Apache-2.0
//
// The nondeterministic automaton and the mount table → the deterministic automaton with one start
// for the host's paths, one for cgroups, and one for every superblock.
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "policy/compiler.h"
#include "policy/control.h"
#include "policy/environ.h"
#include "policy/fold.h"

#define JOIN_BYTES_MAX (4u << 20) // of sub-directories that are mounted, all together

// A superblock and the nodes where its root starts.
struct super {
    uint32_t dev;
    bool seen; // at least one mount leads to a path of the host
    struct nfa_list start;
    uint64_t mounts; // digest of those that lead there
};

struct supers {
    struct super *items;
    size_t n, cap;
    struct fold fold;
};

static void supers_done(struct supers *s)
{
    for (size_t i = 0; i < s->n; i++)
        nfa_list_done(&s->items[i].start);
    free(s->items);
    fold_done(&s->fold);
}

static int list_append(struct nfa_list *l, const uint32_t *items, size_t n)
{
    if (n == 0)
        return 0;
    if (!GREEDY(l->items, l->cap, l->n + n))
        return -ENOMEM;
    memcpy(l->items + l->n, items, n * sizeof(*items));
    l->n += n;
    return 0;
}

// The nodes of a chain that reads fs_root and then goes on as the nodes of the mountpoint do: as an
// object at its end, or behind a slash. Nothing else can follow.
static int join(struct compiler *c, const char *fs_root, const struct nfa_list *at,
                uint32_t *ret_head)
{
    _cleanup_(nfa_list_done) struct nfa_list behind = {};
    uint32_t node = 0, next = 0;
    int r;

    r = nfa_step(c->nfa, at, '/', &behind);
    if (r == 0)
        r = nfa_add_node(c->nfa, &node);
    if (r < 0)
        return r;
    *ret_head = node;
    for (const char *s = fs_root; *s; s++) {
        r = nfa_add_node(c->nfa, &next);
        if (r == 0)
            r = nfa_add_byte_edge(c->nfa, node, (uint8_t)*s, next);
        if (r < 0)
            return r;
        node = next;
    }
    for (size_t i = 0; i < at->n; i++)
        for (uint32_t m = c->nfa->nodes[at->items[i]].marks; m != NFA_NONE;
             m = c->nfa->marks[m].next) {
            r = nfa_add_mark(c->nfa, node, c->nfa->marks[m].id);
            if (r < 0)
                return r;
        }
    for (size_t i = 0; i < behind.n; i++) {
        r = nfa_add_byte_edge(c->nfa, node, '/', behind.items[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

// True when no pattern ends in the nodes and none goes on behind a slash: an object there, and all
// that is beneath it, matches nothing.
static int is_idle(struct compiler *c, const struct nfa_list *at, bool *ret_idle)
{
    _cleanup_(nfa_list_done) struct nfa_list behind = {};
    int r;

    for (size_t i = 0; i < at->n; i++)
        if (c->nfa->nodes[at->items[i]].marks != NFA_NONE) {
            *ret_idle = false;
            return 0;
        }
    r = nfa_step(c->nfa, at, '/', &behind);
    if (r < 0)
        return r;
    *ret_idle = behind.n == 0;
    return 0;
}

// Adds the nodes where a mounted file system's root starts, as the file system compares names.
static int add_start(struct compiler *c, struct fold *fold, struct super *super,
                     const struct policy_mount *m, const struct nfa_list *nodes)
{
    _cleanup_(nfa_list_done) struct nfa_list twins = {};
    int r;

    if (!(m->flags & POLICY_MOUNT_NOCASE))
        return list_append(&super->start, nodes->items, nodes->n);
    r = fold_nodes(fold, c->nfa, m->flags & POLICY_MOUNT_UNICODE, nodes, &twins);
    return r < 0 ? r : list_append(&super->start, twins.items, twins.n);
}

static int add_mount(struct compiler *c, struct fold *fold, struct super *super,
                     const struct policy_mount *m, size_t *join_bytes)
{
    _cleanup_(nfa_list_done) struct nfa_list at = {};
    const char *path = streq(m->mountpoint, "/") ? "" : m->mountpoint;
    uint32_t head = 0;
    bool idle = false;
    int r;

    r = nfa_run(c->nfa, c->file_start, path, strlen(path), &at);
    if (r == 0)
        r = is_idle(c, &at, &idle);
    if (r < 0 || idle)
        return r;
    if (streq(m->fs_root, "/"))
        return add_start(c, fold, super, m, &at);

    *join_bytes += strlen(m->fs_root);
    if (*join_bytes > JOIN_BYTES_MAX) {
        policy_diag_add(c->diags, POLICY_ERROR, NULL, 0, 0,
                        "the rules are about too many mounted sub-directories (bind mounts)");
        return -EINVAL;
    }
    r = join(c, m->fs_root, &at, &head);
    return r < 0 ? r : add_start(c, fold, super, m, &(struct nfa_list){.items = &head, .n = 1});
}

// The superblock that mounts[0 … n) are of.
static int add_super(struct compiler *c, const struct policy_mount *const *mounts, size_t n,
                     size_t *join_bytes, struct supers *out)
{
    struct super *super;
    int r = 0;

    if (!GREEDY(out->items, out->cap, out->n + 1))
        return -ENOMEM;
    super = &out->items[out->n++];
    *super = (struct super){.dev = mounts[0]->dev};
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (!mount_leads(mounts[i], c->options.drop_hidden))
            continue;
        super->seen = true;
        super->mounts = mount_digest(super->mounts, mounts[i]);
        r = add_mount(c, &out->fold, super, mounts[i], join_bytes);
    }
    return r;
}

static int collect_supers(struct compiler *c, struct supers *out)
{
    _cleanup_free_ const struct policy_mount **sorted = NULL;
    size_t join_bytes = 0;
    int r;

    r = mounts_sort(c->mounts, &sorted);
    for (size_t i = 0, same; r == 0 && i < c->mounts->n; i += same) {
        same = mounts_of_one(sorted + i, c->mounts->n - i);
        r = add_super(c, sorted + i, same, &join_bytes, out);
    }
    for (size_t i = 0; r == 0 && i < out->n; i++)
        r = nfa_close(c->nfa, &out->items[i].start);
    return r;
}

// Makes room for the nodes that an automaton of one pattern needs, to find the one that explodes.
static int states_alone(const struct policy_pattern *p, uint32_t max_states, uint32_t *ret_states)
{
    _cleanup_(nfa_freep) struct nfa *nfa = NULL;
    _cleanup_(dfa_freep) struct dfa *dfa = NULL;
    _cleanup_(nfa_list_done) struct nfa_list start = {};
    _cleanup_(glob_done) struct glob g = {};
    const struct dfa_limits limits = {.max_states = max_states, .max_bytes = SIZE_MAX};
    uint32_t node, state;
    int r;

    r = p->control ? control_glob(p->control, 0, false, &g)
        : p->env   ? environ_glob(p->text, p->len, &g)
                   : glob_parse(p->text, p->len, &g, NULL);
    if (r < 0 || (!g.wild && !p->control && !p->env)) {
        *ret_states = 0; // a literal path never explodes
        return r;
    }
    r = nfa_new(&nfa);
    if (r == 0)
        r = nfa_add_node(nfa, &node);
    if (r == 0)
        r = nfa_add_glob(nfa, node, &g, 0);
    if (r == 0)
        r = nfa_run(nfa, node, "", 0, &start);
    if (r == 0)
        r = dfa_build(nfa, &start, 1, &limits, &state, &dfa);
    if (!dfa)
        return r < 0 ? r : -EINVAL;
    *ret_states = (uint32_t)dfa->n_states;
    return 0;
}

// The pattern that needs most states when it stands alone; a few thousand are enough to tell.
static int worst_pattern(const struct compiler *c, const struct policy_pattern **ret_worst,
                         uint32_t *ret_states)
{
    const uint64_t deadline = dfa_now() + UINT64_C(2000000000);
    const uint32_t limit = 20000;

    *ret_worst = NULL;
    *ret_states = 0;
    for (size_t i = 0; i < c->n_marks; i++) {
        const struct policy_patterns *list;
        uint32_t first = 0, n, states = 0;

        if (c->marks[i].rule != UINT32_MAX) {
            list = &c->policy->rules[c->marks[i].rule].paths;
            first = c->marks[i].what;
            n = 1;
        } else {
            list = c->atoms[c->marks[i].what].patterns;
            n = list ? list->n : 0;
        }
        for (uint32_t k = first; k < first + n; k++) {
            int r = states_alone(&list->items[k], limit, &states);

            if (r < 0)
                return r;
            if (states > *ret_states) {
                *ret_states = states;
                *ret_worst = &list->items[k];
            }
            if (states >= limit || dfa_now() > deadline)
                return 0;
        }
    }
    return 0;
}

static int exploded(struct compiler *c, enum dfa_stop why)
{
    static const char *const reasons[] = {
        [DFA_TOO_MANY_STATES] = "states",
        [DFA_TOO_MANY_BYTES] = "memory",
        [DFA_TOO_LONG] = "time",
    };
    const struct policy_pattern *worst;
    struct policy_diag *d;
    uint32_t states;
    int r;

    r = worst_pattern(c, &worst, &states);
    if (r < 0)
        return r;
    if (!worst) {
        d = policy_diag_add(c->diags, POLICY_ERROR, NULL, 0, 0,
                            "the paths of the policy need more %s than there may be", reasons[why]);
        policy_diag_cure(c->diags, d, "use fewer rules, or patterns in the place of many paths");
        return -EINVAL;
    }
    d = compile_diag(
        c, POLICY_ERROR, worst->pos,
        "the path patterns of the policy need more %s than there may be; '%.*s' is the "
        "worst of them (%s%u states alone)",
        reasons[why], (int)worst->len, worst->text, states >= 20000 ? "more than " : "", states);
    policy_diag_cure(
        c->diags, d,
        "use fewer '*' and '**' in one pattern, literal components in front of them, or "
        "one rule with a list of paths instead of many rules");
    return -EINVAL;
}

static int put_roots(struct compiler *c, const struct supers *supers, const uint32_t *states)
{
    c->roots = new0(struct policy_root, supers->n + 1);
    if (!c->roots)
        return -ENOMEM;
    c->n_roots = supers->n;
    for (size_t i = 0; i < supers->n; i++) {
        c->roots[i].dev = supers->items[i].dev;
        c->roots[i].mounts = supers->items[i].mounts;
        c->roots[i].root.state = states[i];
        c->roots[i].root.flags = supers->items[i].seen ? 0 : SG_ROOT_FOREIGN;
    }
    if (!c->mounts) {
        c->n_roots = 1;
        c->roots[0].root.state = c->start;
    }
    return 0;
}

// The host's paths, cgroups, variables, the kinds of `control`; file systems follow.
#define FIXED_STARTS 4

int compile_automaton(struct compiler *c)
{
    const struct dfa_limits limits = {
        .max_states = c->options.max_states,
        .max_bytes = c->options.max_bytes,
        .deadline = c->started + (uint64_t)c->options.max_ms * 1000000,
    };
    _cleanup_(supers_done) struct supers supers = {};
    _cleanup_(nfa_list_done) struct nfa_list file = {}, cgroup = {}, env = {}, control = {};
    _cleanup_free_ struct nfa_list *starts = NULL;
    _cleanup_free_ uint32_t *states = NULL;
    int r = 0;

    if (c->mounts)
        r = collect_supers(c, &supers);
    if (r == 0)
        r = nfa_run(c->nfa, c->file_start, "", 0, &file);
    if (r == 0)
        r = nfa_run(c->nfa, c->cgroup_start, "", 0, &cgroup);
    if (r == 0)
        r = nfa_run(c->nfa, c->env_start, "", 0, &env);
    if (r == 0)
        r = nfa_run(c->nfa, c->control_start, "", 0, &control);
    if (r < 0)
        return r;
    starts = new0(struct nfa_list, supers.n + FIXED_STARTS);
    states = new0(uint32_t, supers.n + FIXED_STARTS);
    if (!starts || !states)
        return -ENOMEM;
    starts[0] = file; // all on loan
    starts[1] = cgroup;
    starts[2] = env;
    starts[3] = control;
    for (size_t i = 0; i < supers.n; i++)
        starts[FIXED_STARTS + i] = supers.items[i].start;

    r = dfa_build(c->nfa, starts, supers.n + FIXED_STARTS, &limits, states, &c->dfa);
    if (r == -E2BIG)
        return exploded(c, c->dfa->stop);
    if (r < 0)
        return r;
    c->start = states[0];
    c->cgroup_state = states[1];
    c->env_state = states[2];
    for (unsigned kind = 0; kind < SG_CONTROL_COUNT; kind++)
        c->control_state[kind] = dfa_next(c->dfa, states[3], SG_CONTROL_KIND(kind));
    return put_roots(c, &supers, states + FIXED_STARTS);
}
