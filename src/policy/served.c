// SPDX-License-Identifier: Apache-2.0
#include "policy/served.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "model/schedule.h"
#include "policy/explain.h"
#include "policy/syscalls.h"

#define VERSION(major, minor) ((uint32_t)(major) << 16 | (minor))

enum weight { NEEDED, PART, SAME };

// What sees what. `op` is 0 in rows about a kind.
static const struct seer {
    uint32_t op;
    enum sg_control kind;
    const char *word, *hook;
    enum weight weight;
    const char *part;
    const char *without; // counts where the kernel does not have this hook; NULL: everywhere
} seers[] = {
#define SEEN(op, hook, weight, part) {SG_OP_##op, 0, "", #hook, weight, part, NULL},
#define SEEN_CONTROL(kind, word, hook, weight, part) \
    {0, SG_CONTROL_##kind, word, #hook, weight, part, NULL},
#define SEEN_WITHOUT(kind, word, hook, other) {0, SG_CONTROL_##kind, word, #hook, SAME, "", #other},
#include "policy/served_by.def"
};

static const struct {
    enum sg_control kind;
    const char *tracepoint;
} always[] = {
#define SEEN_ALWAYS(kind, tracepoint) {SG_CONTROL_##kind, #tracepoint},
#include "policy/served_by.def"
};

static const struct fixed {
    enum sg_control kind;
    const char *word, *hook, *calls; // hook NULL: of the kind, whatever serves it
    int error;
} fixed[] = {
#define FIXED_ERROR(kind, word, hook, error, calls) {SG_CONTROL_##kind, word, #hook, calls, error},
#define FIXED_KIND(kind, error)                     {SG_CONTROL_##kind, "", NULL, #kind, error},
#include "policy/served_by.def"
};

static const struct {
    uint32_t value; // SCHEDULE_*
    const char *by;
} setters[] = {
#define SET_BY(value, by) {SCHEDULE_##value, by},
#include "policy/served_by.def"
};

static const struct {
    const char *id;
    uint32_t since, until;
} versions[] = {
#define HOOK_SINCE(hook, major, minor) {#hook, VERSION(major, minor), 0},
#define HOOK_UNTIL(hook, major, minor) {#hook, 0, VERSION(major, minor)},
#include "policy/hook_since.def"
};

static uint32_t hook_since(const char *hook)
{
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
        if (versions[i].since && streq(versions[i].id, hook))
            return versions[i].since;
    return 0;
}

bool policy_kernel_has(const struct policy_kernel *k, const char *hook)
{
    if (k->has_hook)
        return k->has_hook(k->ctx, hook);
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
        if (streq(versions[i].id, hook) && (k->version < versions[i].since ||
                                            (versions[i].until && k->version >= versions[i].until)))
            return false;
    return true;
}

const char *policy_mechanism_name(enum policy_mechanism m)
{
    static const char *const names[] = {
        [POLICY_SERVED_BY_HOOKS] = "hooks",
        [POLICY_SERVED_BY_TRACEPOINT] = "tracepoint",
        [POLICY_SERVED_BY_FILTER] = "seccomp",
        [POLICY_SERVED_BY_NOTHING] = "nothing",
    };

    return (size_t)m < ARRAY_SIZE(names) ? names[m] : NULL;
}

static void add_name(const char **names, size_t *n, const char *name)
{
    for (size_t i = 0; i < *n; i++)
        if (streq(names[i], name))
            return;
    if (*n < SERVED_HOOKS_MAX)
        names[(*n)++] = name;
}

// One thing that a rule is about: an operation, or a kind with what it is asked with.
struct asked {
    uint32_t op;
    const struct policy_control *control;
};

// What one thing is seen by.
struct view {
    const char *hooks[SERVED_HOOKS_MAX], *absent[SERVED_HOOKS_MAX], *unseen[SERVED_HOOKS_MAX];
    size_t n_hooks, n_absent, n_unseen;
    bool lacks; // a hook without which nothing of it is seen
};

// Is this the word of the row, or one that it stands for?
static bool is_word(const struct policy_control *c, const char *word)
{
    struct policy_control known;

    switch (c->what) {
    case POLICY_CONTROL_NUMBER:
        return policy_control_from_word(c->kind, word, &known) == 0 && known.number == c->number;
    case POLICY_CONTROL_NAME: return fnmatch(c->name, word, 0) == 0;
    default: return c->what == POLICY_CONTROL_ANY;
    }
}

static bool is_pattern(const struct policy_control *c)
{
    return c->what == POLICY_CONTROL_ANY ||
           (c->what == POLICY_CONTROL_NAME && strpbrk(c->name, "*?"));
}

// A row without a word is about what no other row of the kind names.
static bool row_is_about(const struct seer *row, const struct asked *a)
{
    if (!a->control)
        return row->op == a->op;
    if (row->op || row->kind != a->control->kind)
        return false;
    if (*row->word)
        return is_word(a->control, row->word);
    for (size_t i = 0; i < ARRAY_SIZE(seers); i++)
        if (!seers[i].op && seers[i].kind == row->kind && *seers[i].word &&
            is_word(a->control, seers[i].word))
            return is_pattern(a->control);
    return true;
}

static void look_at(const struct policy_kernel *k, const struct asked *a, const struct seer *row,
                    struct view *v)
{
    // Of one word among others that are asked for together only that word is lost.
    bool alone = !a->control || !is_pattern(a->control) || !*row->word;

    if (row->without && policy_kernel_has(k, row->without))
        return;
    if (policy_kernel_has(k, row->hook)) {
        add_name(v->hooks, &v->n_hooks, row->hook);
        return;
    }
    add_name(v->absent, &v->n_absent, row->hook);
    if (row->weight == NEEDED && alone)
        v->lacks = true;
    else if (row->weight == NEEDED)
        add_name(v->unseen, &v->n_unseen, row->word);
    else if (row->weight == PART)
        add_name(v->unseen, &v->n_unseen, row->part);
}

static const char *tracepoint_of(const struct asked *a)
{
    for (size_t i = 0; a->control && i < ARRAY_SIZE(always); i++)
        if (always[i].kind == a->control->kind)
            return always[i].tracepoint;
    return NULL;
}

// Adds what one thing is seen by. False: nothing sees it.
static bool look(const struct policy_kernel *k, const struct policy_rule *rule,
                 const struct asked *a, struct policy_served *s, struct view *ret)
{
    const char *tracepoint = rule->verdict < SG_DENY || rule->schedule ? tracepoint_of(a) : NULL;
    struct view v = {};

    if (tracepoint) {
        add_name(s->tracepoints, &s->n_tracepoints, tracepoint);
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(seers); i++)
        if (row_is_about(&seers[i], a))
            look_at(k, a, &seers[i], &v);
    for (size_t i = 0; i < v.n_absent; i++)
        add_name(s->absent, &s->n_absent, v.absent[i]);
    *ret = v;
    if (v.lacks || v.n_hooks == 0)
        return false;
    for (size_t i = 0; i < v.n_hooks; i++)
        add_name(s->hooks, &s->n_hooks, v.hooks[i]);
    for (size_t i = 0; i < v.n_unseen; i++)
        add_name(s->unseen, &s->n_unseen, v.unseen[i]);
    return true;
}

// The oldest kernel that has one of those that would serve what nothing serves.
static void note_lost(const struct view *v, struct policy_served *s)
{
    for (size_t i = 0; i < v->n_absent; i++) {
        uint32_t since = hook_since(v->absent[i]);

        if (since && (!s->needs || since < s->needs))
            s->needs = since;
    }
    if (!s->missing && v->n_absent)
        s->missing = v->absent[0];
}

static void look_at_all(const struct policy_kernel *k, const struct policy_rule *rule,
                        struct policy_served *s)
{
    // Whose record there will be is asked together with these.
    uint32_t ops = rule->ops & ~(uint32_t)(SG_OP_LAUNCH | SG_OP_CONTROL);
    struct view v = {};

    for (unsigned i = 0; i < SG_OP_COUNT; i++)
        if (ops >> i & 1 && !look(k, rule, &(struct asked){.op = 1u << i}, s, &v)) {
            s->lost |= 1u << i;
            note_lost(&v, s);
        }
    for (uint32_t i = 0; i < rule->paths.n; i++) {
        const struct asked a = {.control = rule->paths.items[i].control};

        if (!a.control || look(k, rule, &a, s, &v))
            continue;
        if (!s->lost_control)
            s->lost_control = &rule->paths.items[i];
        note_lost(&v, s);
    }
}

static bool has_name(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (streq(names[i], name))
            return true;
    return false;
}

static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = strstr(words, word); at; at = strstr(at + 1, word))
        if ((at == words || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
            return true;
    return false;
}

static void note_fixed_of(const struct policy_rule *rule, const struct policy_pattern *p,
                          struct policy_served *s)
{
    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
        const struct fixed *f = &fixed[i];

        if (f->kind != p->control->kind || (*f->word && !is_word(p->control, f->word)) ||
            (f->hook && !has_name(s->hooks, s->n_hooks, f->hook)) ||
            f->error == (rule->error ? rule->error : EPERM))
            continue;
        // As a call by its name it gives this one alone; as a kind, others may do as the rule says.
        if (rule->error && !s->refused &&
            (!f->hook || (rule->syscalls.n && has_word(f->calls, p->text)))) {
            s->refused = p;
            s->refused_error = f->error;
        }
        if (s->n_fixed < SERVED_FIXED_MAX)
            s->fixed[s->n_fixed++] = (struct policy_fixed){f->calls, f->error};
    }
}

// Which calls do not give the errno that the rule says.
static void note_fixed(const struct policy_rule *rule, struct policy_served *s)
{
    for (uint32_t i = 0; rule->verdict == SG_DENY && i < rule->paths.n; i++)
        if (rule->paths.items[i].control)
            note_fixed_of(rule, &rule->paths.items[i], s);
}

static void note_setters(const struct policy_rule *rule, struct policy_served *s)
{
    for (size_t i = 0; rule->schedule && i < ARRAY_SIZE(setters); i++)
        if (rule->schedule->set & setters[i].value)
            add_name(s->setters, &s->n_setters, setters[i].by);
}

static int note_wider(const struct policy_rule *rule, struct policy_served *s)
{
    for (uint32_t i = 0; i < rule->syscalls.n; i++) {
        const struct syscall_row *row = syscall_row(rule->syscalls.items[i]);
        const char **grown;

        if (!row || !*row->wider)
            continue;
        grown = reallocarray(s->wider.items, s->wider.n + 1, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        s->wider.items = grown;
        s->wider.items[s->wider.n++] = row->wider;
    }
    return 0;
}

int policy_served(const struct policy_rule *rule, const struct policy_kernel *kernel,
                  struct policy_served *ret)
{
    struct policy_served s = {};

    if (rule->launched) {
        s.by = POLICY_SERVED_BY_FILTER;
        *ret = s;
        return 0;
    }
    look_at_all(kernel, rule, &s);
    note_fixed(rule, &s);
    note_setters(rule, &s);
    s.by = s.n_hooks         ? POLICY_SERVED_BY_HOOKS
           : s.n_tracepoints ? POLICY_SERVED_BY_TRACEPOINT
                             : POLICY_SERVED_BY_NOTHING;
    if (note_wider(rule, &s) < 0) {
        policy_served_done(&s);
        return -ENOMEM;
    }
    *ret = s;
    return 0;
}

void policy_served_done(struct policy_served *s)
{
    free(s->wider.items);
    *s = (struct policy_served){};
}

static void put_lost(const struct policy_served *s, struct strbuf *sb)
{
    policy_ops_format(s->lost, sb);
    if (s->lost_control) {
        sb_puts(sb, sb->len ? ", " : "");
        policy_control_format(s->lost_control->control, sb);
    }
}

static void report(const struct policy *p, const struct policy_rule *rule,
                   const struct policy_served *s, struct policy_diags *diags)
{
    const struct policy_source *file = &p->files[rule->pos.file];
    const struct policy_pos *pos = s->lost_control ? &s->lost_control->pos : &rule->pos;
    _cleanup_(sb_done) struct strbuf lost = {};
    struct policy_diag *d;

    put_lost(s, &lost);
    if (!s->missing) {
        d = policy_diag_add(diags, POLICY_ERROR, file->path, pos->line, pos->column,
                            "nothing serves this rule: this version has no program for %s",
                            sb_str(&lost));
        policy_diag_cure(diags, d, "take it out: a rule that is not enforced protects nothing");
    } else {
        d = policy_diag_add(diags, POLICY_ERROR, file->path, pos->line, pos->column,
                            "nothing serves this rule on this kernel: %s is seen by the hook %s, "
                            "which it does not have",
                            sb_str(&lost), s->missing);
        if (s->needs)
            policy_diag_cure(diags, d, "use kernel %u.%u or later, or take it out", s->needs >> 16,
                             s->needs & 0xffff);
        else
            policy_diag_cure(diags, d, "use a kernel with this hook, or take it out");
    }
    policy_diag_source(diags, d, file->text, file->text_len, pos->width);
}

static void report_errno(const struct policy *p, const struct policy_rule *rule,
                         const struct policy_served *s, struct policy_diags *diags)
{
    const struct policy_source *file = &p->files[rule->pos.file];
    const struct policy_pos *pos = &s->refused->pos;
    const char *given = strerrorname_np(s->refused_error);
    _cleanup_(sb_done) struct strbuf what = {};
    struct policy_diag *d;

    if (rule->syscalls.n)
        sb_puts(&what, s->refused->text);
    else
        policy_control_format(s->refused->control, &what);
    d = policy_diag_add(diags, POLICY_ERROR, file->path, pos->line, pos->column,
                        "%s gives its caller %s on this kernel, and never the %s of this rule",
                        sb_str(&what), given, strerrorname_np(rule->error));
    policy_diag_cure(diags, d, "write `do: deny`, in a rule of its own");
    policy_diag_source(diags, d, file->text, file->text_len, pos->width);
}

int policy_check_served(const struct policy *p, const struct policy_kernel *kernel,
                        struct policy_diags *diags)
{
    for (uint32_t i = 0; i < p->n_rules; i++) {
        struct policy_served s;
        int r = policy_served(&p->rules[i], kernel, &s);

        if (r < 0)
            return r;
        if (s.lost || s.lost_control)
            report(p, &p->rules[i], &s, diags);
        else if (s.refused)
            report_errno(p, &p->rules[i], &s, diags);
        policy_served_done(&s);
    }
    return 0;
}
