// SPDX-License-Identifier: Apache-2.0
//
// What is allowed and probably not meant. Looks at the compiled rules, so that it says what the
// image does, not what the text seems to say.
#include <errno.h>
#include <string.h>

#include "base/strbuf.h"
#include "model/names.h"
#include "policy/compiler.h"
#include "policy/control.h"
#include "policy/explain.h"
#include "policy/image_read.h"

// Beneath directories of this depth there are so many files that a pattern about all of them costs.
#define SHALLOW 1

static const struct policy_rule *rule_of(const struct compiler *c, uint32_t rule)
{
    return &c->policy->rules[rule];
}

static const char *mode_name(const struct policy_rule *r)
{
    return r->monitor ? " (monitor)" : "";
}

// The rule in front lets pass, or only records, what this one would refuse.
static bool is_weaker(const struct policy_rule *front, const struct policy_rule *r)
{
    if (r->verdict < SG_DENY)
        return false;
    return front->verdict < SG_DENY || (front->monitor && !r->monitor);
}

static void warn_hidden_rule(struct compiler *c, uint32_t rule, uint32_t front)
{
    const struct policy_rule *r = rule_of(c, rule), *f = rule_of(c, front);
    struct policy_diag *d;
    char name[256];

    compile_rule_name(c, front, name, sizeof(name));
    if (is_weaker(f, r))
        d = compile_diag(c, POLICY_WARNING, r->pos,
                         "this %s never acts: %s (%s%s) matches first, and the first match decides",
                         event_verdict_name(r->verdict), name, event_verdict_name(f->verdict),
                         mode_name(f));
    else
        d = compile_diag(c, POLICY_WARNING, r->pos,
                         "this rule can never match: %s decides everything that it names", name);
    policy_diag_cure(c->diags, d, "put it in front of %s, or take it out", name);
}

static void warn_hidden_path(struct compiler *c, const struct mark *m)
{
    const struct policy_rule *r = rule_of(c, m->rule), *f = rule_of(c, m->hider - 1u);
    const struct policy_pattern *p = &r->paths.items[m->what];
    struct policy_diag *d;
    char name[256];

    compile_rule_name(c, m->hider - 1u, name, sizeof(name));
    d = compile_diag(c, POLICY_WARNING, p->pos,
                     "'%.*s' can never match here: %s (%s%s) matches first", (int)p->len, p->text,
                     name, event_verdict_name(f->verdict), mode_name(f));
    policy_diag_cure(c->diags, d, "put the rule in front of %s, or take the path out", name);
}

// The rule + 1 that decides an operation in the place of `rule`; 0: none. Whoever hides it may be
// hidden for that operation, too.
static uint32_t hider_of(const struct compiler *c, uint32_t rule, unsigned op)
{
    uint32_t front = c->fate[rule].hider[op];

    while (front != 0 && !(c->fate[front - 1].alive >> op & 1) && c->fate[front - 1].hider[op] != 0)
        front = c->fate[front - 1].hider[op];
    return front;
}

static uint32_t any_hider(const struct compiler *c, uint32_t rule)
{
    for (unsigned i = 0; i < SG_OP_COUNT; i++)
        if (c->fate[rule].hider[i] != 0)
            return hider_of(c, rule, i);
    return 0;
}

// A deny of which some operations are lost everywhere.
static void warn_hidden_ops(struct compiler *c, uint32_t rule)
{
    const struct policy_rule *r = rule_of(c, rule);
    const struct rule_fate *fate = &c->fate[rule];
    uint32_t lost = r->ops & ~fate->alive;

    while (lost != 0) {
        uint32_t front = hider_of(c, rule, (unsigned)__builtin_ctz(lost));
        _cleanup_(sb_done) struct strbuf sb = {};
        struct policy_diag *d;
        uint32_t same = 0;
        char name[256];

        for (unsigned i = 0; i < SG_OP_COUNT; i++)
            if (lost >> i & 1 && hider_of(c, rule, i) == front)
                same |= 1u << i;
        lost &= ~same;
        if (front == 0 || !is_weaker(rule_of(c, front - 1u), r))
            continue;
        policy_ops_format(same, &sb);
        compile_rule_name(c, front - 1u, name, sizeof(name));
        d = compile_diag(c, POLICY_WARNING, r->pos,
                         "this %s never acts on %s: %s (%s%s) matches first",
                         event_verdict_name(r->verdict), sb_str(&sb), name,
                         event_verdict_name(rule_of(c, front - 1u)->verdict),
                         mode_name(rule_of(c, front - 1u)));
        policy_diag_cure(c->diags, d, "put it in front of %s, or name only the other accesses",
                         name);
    }
}

// `by` lets in nobody whom `not_by` does not keep out.
static bool names_nobody(const struct compiler *c, uint32_t rule)
{
    const struct sg_pred *p = &c->preds[c->rule_pred[rule]];
    uint64_t any = 0, left = 0;

    for (size_t w = 0; w < SG_SUBJECT_WORDS; w++) {
        any |= p->by[w];
        left |= p->by[w] & ~p->not_by[w];
    }
    return any != 0 && left == 0;
}

static void lint_matches(struct compiler *c)
{
    for (uint32_t i = 0; i < c->policy->n_rules; i++) {
        const struct rule_fate *fate = &c->fate[i];

        if (names_nobody(c, i)) {
            policy_diag_cure(c->diags,
                             compile_diag(c, POLICY_WARNING, rule_of(c, i)->pos,
                                          "this rule can never match: `not_by` names everybody "
                                          "whom `by` names"),
                             "take one of them out");
            continue;
        }
        if (fate->alive == 0 && any_hider(c, i) != 0)
            warn_hidden_rule(c, i, any_hider(c, i) - 1);
        else if (fate->alive != rule_of(c, i)->ops)
            warn_hidden_ops(c, i);
    }
    for (size_t i = 0; i < c->n_marks; i++) {
        const struct mark *m = &c->marks[i];

        if (m->rule != UINT32_MAX && !m->alive && m->hider != 0 && c->fate[m->rule].alive != 0)
            warn_hidden_path(c, m);
    }
}

static int lint_cost_of(struct compiler *c, const struct policy_pattern *p)
{
    _cleanup_(glob_done) struct glob g = {};
    struct policy_diag *d;
    int r;

    if (p->control)
        return 0;
    r = glob_parse(p->text, p->len, &g, NULL);
    if (r < 0)
        return r;
    if (g.deep ? g.literal_depth > SHALLOW : !g.beneath || g.literal_depth > 0)
        return 0;
    d = compile_diag(c, POLICY_WARNING, p->pos,
                     "'%.*s' makes the kernel follow every file beneath its first '**': about 400 "
                     "instructions more for each open, 200 to 400 bytes for each file in the cache",
                     (int)p->len, p->text);
    policy_diag_cure(c->diags, d, "name the directories that matter in front of '**'");
    return 0;
}

static int lint_cost(struct compiler *c)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < c->n_marks; i++) {
        const struct mark *m = &c->marks[i];
        const struct policy_patterns *atom;

        if (m->rule != UINT32_MAX) {
            r = lint_cost_of(c, &rule_of(c, m->rule)->paths.items[m->what]);
            continue;
        }
        atom = c->atoms[m->what].patterns;
        for (uint32_t k = 0; r == 0 && atom && k < atom->n; k++)
            if (!atom->items[k].cgroup && !atom->items[k].env)
                r = lint_cost_of(c, &atom->items[k]);
    }
    return r;
}

// Root is among those whom a predicate names, and nothing about root's process makes an exception:
// by is empty, or has a subject that asks for no more than user 0.
static bool hits_root(const struct compiler *c, uint32_t pred)
{
    const struct sg_pred *p = &c->preds[pred];
    bool any = false;

    // A signal to some processes alone is nothing that a host needs, to those of all other users it is.
    if (c->targets[pred].to && !c->targets[pred].flags)
        return false;
    for (size_t w = 0; w < SG_SUBJECT_WORDS; w++) {
        if (p->not_by[w] != 0)
            return false;
        any |= p->by[w] != 0;
    }
    if (!any)
        return true;
    for (uint32_t s = 0; s < c->image->n_subjects; s++) {
        size_t n = 0;
        bool root = false;

        if (!(p->by[s / 64] >> (s % 64) & 1) || c->image->subjects[s].n_windows > 0)
            continue;
        for (size_t i = 0; i < c->n_terms; i++)
            if (c->terms[i].subject == s &&
                (c->terms[i].dim != SG_DIM_CAP || c->terms[i].value != 0)) {
                n++;
                root |= c->terms[i].dim == SG_DIM_USER && c->terms[i].value == 0;
            }
        if (n == 0 || (n == 1 && root))
            return true;
    }
    return false;
}

// The first entry for an operation decides: a deny that hits everybody, when no rule in front of it
// makes an exception.
static const struct sg_entry *locking_entry(const struct compiler *c, uint32_t s, uint32_t op)
{
    const struct sg_image *h = policy_image_head(c->image);
    const struct sg_state *state;
    const struct sg_accept *accept;

    state = image_record(c->image, h->states_off + s * (uint32_t)sizeof(*state));
    accept = image_record(c->image, h->accepts_off + state->accept * (uint32_t)sizeof(*accept));
    for (uint32_t i = 0; i < accept->n_entries; i++) {
        const struct sg_entry *e = &c->entries[accept->entry + i];

        bool others = !hits_root(c, e->pred);

        // What is denied to others is no exception for root.
        if (!(e->ops & op) || (others && e->verdict >= SG_DENY))
            continue;
        return e->verdict < SG_DENY || e->flags & SG_ENTRY_MONITOR ? NULL : e;
    }
    return NULL;
}

// A path with an operation, or a kind of abi/control.def with a word of it; then path is NULL.
static const struct essential {
    const char *path;
    enum sg_control kind;
    const char *word, *fails;
    uint32_t op;
} essentials[] = {
#define ESSENTIAL(path, op, fails)           {path, 0, NULL, fails, SG_OP_##op},
#define ESSENTIAL_CONTROL(kind, word, fails) {NULL, SG_CONTROL_##kind, word, fails, SG_OP_CONTROL},
#include "policy/essentials.def"
};

static const struct sg_entry *find_locking(const struct compiler *c, const struct essential *e)
{
    struct policy_control control;
    struct control_states states = {};

    if (e->path)
        states.state = policy_image_walk(c->image, c->image->start, e->path, strlen(e->path));
    else if (policy_control_from_word(e->kind, e->word, &control) < 0 ||
             control_walk(c->image, &control, &states) < 0)
        return NULL;
    return locking_entry(c, states.state, e->op);
}

// Did an earlier essential of this rule's say the same?
static bool said_before(const struct sg_entry *const *locking, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (locking[k] && locking[k]->rule == locking[i]->rule &&
            streq(essentials[k].fails, essentials[i].fails))
            return true;
    return false;
}

// "the host would not start, no program would start, nobody could log in": what this rule brings about, each once.
static void put_consequences(const struct sg_entry *const *locking, uint16_t rule,
                             struct strbuf *sb)
{
    for (size_t i = 0; i < ARRAY_SIZE(essentials); i++)
        if (locking[i] && locking[i]->rule == rule && !said_before(locking, i))
            sb_printf(sb, "%s%s", sb->len ? ", " : "", essentials[i].fails);
}

// "exec of /bin/sh", "capability:sys_admin"; a kind that is asked with nothing by its name alone.
static void put_essential(const struct essential *e, struct strbuf *sb)
{
    if (e->path)
        sb_printf(sb, "%s of %s", policy_op_name(e->op), e->path);
    else if (e->kind == SG_CONTROL_fork)
        sb_puts(sb, policy_control_name(e->kind));
    else
        sb_printf(sb, "%s:%s", policy_control_name(e->kind), e->word);
}

static int lint_lockout(struct compiler *c)
{
    const struct sg_entry *locking[ARRAY_SIZE(essentials)];
    _cleanup_free_ bool *warned = NULL;

    warned = calloc(c->policy->n_rules + 1, sizeof(*warned));
    if (!warned)
        return -ENOMEM;
    for (size_t i = 0; i < ARRAY_SIZE(essentials); i++)
        locking[i] = find_locking(c, &essentials[i]);
    for (size_t i = 0; i < ARRAY_SIZE(essentials); i++) {
        const struct sg_entry *e = locking[i];
        _cleanup_(sb_done) struct strbuf what = {}, fails = {};
        struct policy_diag *d;

        if (!e || warned[e->rule])
            continue;
        warned[e->rule] = true;
        put_essential(&essentials[i], &what);
        put_consequences(locking, e->rule, &fails);
        d = compile_diag(c, POLICY_WARNING, rule_of(c, e->rule)->pos,
                         "this rule locks out: it refuses %s to everybody, and %s", sb_str(&what),
                         sb_str(&fails));
        policy_diag_cure(c->diags, d,
                         "name who may in `not_by`, and try it with `mode: monitor` first");
    }
    return 0;
}

// The first of the subjects that asks for no more than what its process, or who started it, can say of itself.
static const struct policy_subject *easily_had(const struct compiler *c, const uint32_t *subjects,
                                               uint32_t n)
{
    const uint32_t said = POLICY_KEY_ENV | POLICY_KEY_LOGIN;

    for (uint32_t i = 0; i < n; i++) {
        const struct policy_subject *s = &c->policy->subjects[subjects[i]];

        if (s->keys & said && !(s->keys & ~(said | POLICY_KEY_TIME | POLICY_KEY_DESCENDANTS)))
            return s;
    }
    return NULL;
}

// An exception that everybody can make for himself.
static void lint_exceptions(struct compiler *c)
{
    for (uint32_t i = 0; i < c->policy->n_rules; i++) {
        const struct policy_rule *r = rule_of(c, i);
        const struct policy_subject *s = r->verdict < SG_DENY
                                             ? easily_had(c, r->by, r->n_by)
                                             : easily_had(c, r->not_by, r->n_not_by);

        if (s && s->keys & POLICY_KEY_ENV)
            policy_diag_cure(c->diags,
                             compile_diag(c, POLICY_WARNING, r->pos,
                                          "this rule makes an exception for a variable of the "
                                          "environment, which whoever starts a program sets"),
                             "name the program as well (`exe`), or use `env` to deny");
        else if (s && r->verdict != SG_AUDIT)
            policy_diag_cure(c->diags,
                             compile_diag(c, POLICY_WARNING, r->pos,
                                          "this rule makes an exception for a login user, which a "
                                          "process that nobody logged in to may set itself"),
                             "add `session` to the subject, or name the program (`exe`)");
    }
}

int compile_lint(struct compiler *c)
{
    int r;

    if (c->options.no_warnings)
        return 0;
    lint_matches(c);
    lint_exceptions(c);
    r = lint_cost(c);
    return r < 0 ? r : lint_lockout(c);
}
