// SPDX-License-Identifier: Apache-2.0
//
// Subjects → bits, terms, atoms and predicates. Subjects that say the same share a bit; subjects
// that no rule uses get none.
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sort.h"
#include "base/strbuf.h"
#include "model/names.h"
#include "policy/compiler.h"

#define UNUSED UINT16_MAX

STATIC_ASSERT((int)SG_DIM_COUNT == 19, "a new dimension needs its terms here");

// The signature of a list of numbers or patterns does not depend on the order in which it was
// written.
static int compare_pattern(const void *a, const void *b)
{
    const struct policy_pattern *x = *(const struct policy_pattern *const *)a;
    const struct policy_pattern *y = *(const struct policy_pattern *const *)b;
    uint32_t n = x->len < y->len ? x->len : y->len;
    int order = memcmp(x->text, y->text, n);

    return order != 0 ? order : x->len < y->len ? -1 : x->len > y->len;
}

static int sign_patterns(struct strbuf *sb, char kind, const struct policy_patterns *list)
{
    _cleanup_free_ const struct policy_pattern **sorted = NULL;

    if (list->n == 0)
        return 0;
    sorted = new0(const struct policy_pattern *, list->n);
    if (!sorted)
        return -ENOMEM;
    for (uint32_t i = 0; i < list->n; i++)
        sorted[i] = &list->items[i];
    qsort(sorted, list->n, sizeof(*sorted), compare_pattern);
    sb_putc(sb, kind);
    for (uint32_t i = 0; i < list->n; i++) {
        // A NUL cannot be part of a pattern: it ends each.
        if (i > 0 && compare_pattern(&sorted[i - 1], &sorted[i]) == 0)
            continue;
        sb_add(sb, sorted[i]->text, sorted[i]->len);
        sb_putc(sb, '\0');
    }
    sb_putc(sb, '\0');
    return 0;
}

static int sign_ids(struct strbuf *sb, char kind, const struct policy_ids *ids)
{
    _cleanup_free_ uint32_t *sorted = memdup(ids->items, ids->n * sizeof(uint32_t));
    uint32_t n = 0;

    if (!sorted)
        return -ENOMEM;
    if (ids->n > 0)
        qsort(sorted, ids->n, sizeof(*sorted), compare_u32);
    for (uint32_t i = 0; i < ids->n; i++)
        if (n == 0 || sorted[n - 1] != sorted[i])
            sorted[n++] = sorted[i];
    sb_putc(sb, kind);
    sb_add(sb, &n, sizeof(n));
    sb_add(sb, sorted, n * sizeof(*sorted));
    return 0;
}

// Everything that decides whom a subject matches, as bytes.
static int sign_subject(struct strbuf *sb, const struct policy_subject *s)
{
    const uint32_t fixed[] = {s->keys, s->sessions, s->namespaces, s->descendants, s->n_windows};
    int r;

    sb_add(sb, fixed, sizeof(fixed));
    sb_add(sb, &s->caps, sizeof(s->caps));
    for (uint32_t i = 0; i < s->n_windows; i++) {
        const uint32_t window[] = {s->windows[i].days, s->windows[i].from, s->windows[i].to};

        sb_add(sb, window, sizeof(window));
    }
    r = sign_patterns(sb, 'e', &s->exe);
    if (r == 0)
        r = sign_patterns(sb, 'p', &s->parent);
    if (r == 0)
        r = sign_patterns(sb, 'a', &s->ancestor);
    if (r == 0)
        r = sign_patterns(sb, 'c', &s->cgroup);
    if (r == 0)
        r = sign_patterns(sb, 'd', &s->container);
    if (r == 0)
        r = sign_patterns(sb, 'r', &s->launched);
    for (uint32_t i = 0; r == 0 && i < s->n_envs; i++)
        r = sign_patterns(sb, 'v', &s->envs[i].values);
    if (r == 0)
        r = sign_ids(sb, 'u', &s->users);
    if (r == 0)
        r = sign_ids(sb, 'g', &s->groups);
    if (r == 0)
        r = sign_ids(sb, 'l', &s->logins);
    return r < 0 ? r : sb->failed ? -ENOMEM : 0;
}

static char *pattern_texts(struct compiler *c, const struct policy_subject *s,
                           const struct policy_patterns *list)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    if (list == &s->container) {
        sb_printf(&sb, "container %s", s->container_names);
    } else {
        for (uint32_t i = 0; i < list->n; i++) {
            sb_puts(&sb, i > 0 ? " " : "");
            sb_add(&sb, list->items[i].text, list->items[i].len);
        }
    }
    return sb.failed ? NULL : arena_strn(c->image->arena, sb_str(&sb), sb.len);
}

// The atom of a list of patterns. `kind`: over files 'f', cgroups 'c' and variables 'v', which are never the same atom.
static int get_atom(struct compiler *c, const struct policy_subject *s, char kind,
                    const struct policy_patterns *list, uint32_t *ret_atom)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    uint32_t atom;
    void *known;
    int r;

    r = sign_patterns(&sb, kind, list);
    if (r < 0 || sb.failed)
        return -ENOMEM;
    known = map_get_mem(c->atom_index, sb.s, sb.len);
    if (known) {
        *ret_atom = (uint32_t)((uintptr_t)known - 1);
        return 0;
    }
    if (c->n_atoms >= SG_ATOMS_MAX) {
        struct policy_diag *d =
            compile_diag(c, POLICY_ERROR, s->pos,
                         "the subjects of the policy use more than %u different path lists",
                         SG_ATOMS_MAX - SG_ATOM_FIRST_FREE);

        policy_diag_cure(c->diags, d, "use the same list in several subjects, or join subjects");
        return -EINVAL;
    }
    atom = c->n_atoms;
    c->atoms[atom].patterns = list;
    c->image->atoms[atom].text = pattern_texts(c, s, list);
    if (!c->image->atoms[atom].text)
        return -ENOMEM;
    r = map_put_mem(c->atom_index, sb.s, sb.len, (void *)(uintptr_t)(atom + 1));
    if (r < 0)
        return r;
    c->n_atoms++;
    *ret_atom = atom;
    return 0;
}

static int add_term(struct compiler *c, const struct policy_subject *s, uint16_t bit,
                    enum sg_dim dim, uint64_t value)
{
    if (c->n_terms >= SG_TERMS_MAX) {
        struct policy_diag *d =
            compile_diag(c, POLICY_ERROR, s->pos,
                         "the subjects of the policy have more than %u conditions", SG_TERMS_MAX);

        policy_diag_cure(c->diags, d, "use groups instead of lists of users, or join subjects");
        return -EINVAL;
    }
    if (!GREEDY(c->terms, c->cap_terms, c->n_terms + 1))
        return -ENOMEM;
    c->terms[c->n_terms++] = (struct sg_term){.subject = bit, .dim = (uint8_t)dim, .value = value};
    return 0;
}

static int add_atom_term(struct compiler *c, const struct policy_subject *s, uint16_t bit,
                         enum sg_dim dim, const struct policy_patterns *list)
{
    uint32_t atom;
    int r;

    if (list->n == 0)
        return 0;
    r = get_atom(c, s, dim == SG_DIM_CGROUP ? 'c' : dim >= SG_DIM_ENV ? 'v' : 'f', list, &atom);
    return r < 0 ? r : add_term(c, s, bit, dim, atom);
}

static int add_id_terms(struct compiler *c, const struct policy_subject *s, uint16_t bit,
                        enum sg_dim dim, const struct policy_ids *ids)
{
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < ids->n; i++)
        r = add_term(c, s, bit, dim, ids->items[i]);
    return r;
}

static int add_bit_terms(struct compiler *c, const struct policy_subject *s, uint16_t bit,
                         enum sg_dim dim, uint32_t set)
{
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < 32; i++)
        if (set >> i & 1)
            r = add_term(c, s, bit, dim, i);
    return r;
}

// The conditions of one subject, in the order of their dimensions.
static int add_terms(struct compiler *c, const struct policy_subject *s, uint16_t bit)
{
    size_t before = c->n_terms;
    int r;

    r = add_atom_term(c, s, bit, SG_DIM_EXE, &s->exe);
    if (r == 0)
        r = add_atom_term(c, s, bit, SG_DIM_PARENT, &s->parent);
    if (r == 0)
        r = add_atom_term(c, s, bit, SG_DIM_ANCESTOR, &s->ancestor);
    if (r == 0)
        r = add_id_terms(c, s, bit, SG_DIM_USER, &s->users);
    if (r == 0)
        r = add_id_terms(c, s, bit, SG_DIM_GROUP, &s->groups);
    if (r == 0)
        r = add_id_terms(c, s, bit, SG_DIM_LOGIN, &s->logins);
    if (r == 0 && s->caps != 0)
        r = add_term(c, s, bit, SG_DIM_CAP, s->caps);
    if (r == 0)
        r = add_atom_term(c, s, bit, SG_DIM_CGROUP, &s->cgroup);
    if (r == 0)
        r = add_atom_term(c, s, bit, SG_DIM_CGROUP, &s->container);
    if (r == 0)
        r = add_atom_term(c, s, bit, SG_DIM_CGROUP, &s->launched);
    if (r == 0)
        r = add_bit_terms(c, s, bit, SG_DIM_SESSION, s->sessions);
    // Host and container together are everybody: no condition.
    if (r == 0 && s->namespaces != 3)
        r = add_bit_terms(c, s, bit, SG_DIM_NAMESPACE, s->namespaces);
    for (uint32_t i = 0; r == 0 && i < s->n_envs; i++)
        r = add_atom_term(c, s, bit, (enum sg_dim)(SG_DIM_ENV + i), &s->envs[i].values);
    // The kernel goes from term to term: who asks for nothing but a time has to have one, which always holds.
    if (r == 0 && c->n_terms == before)
        r = add_term(c, s, bit, SG_DIM_CAP, 0);
    return r;
}

static const struct {
    uint32_t key, need;
} needs[] = {
    {POLICY_KEY_EXE, SG_NEED_EXE},           {POLICY_KEY_PARENT, SG_NEED_PARENT},
    {POLICY_KEY_ANCESTOR, SG_NEED_ANCESTOR}, {POLICY_KEY_DESCENDANTS, SG_NEED_DESCENDANTS},
    {POLICY_KEY_GROUP, SG_NEED_GROUPS},      {POLICY_KEY_CAP, SG_NEED_CAP},
    {POLICY_KEY_CGROUP, SG_NEED_CGROUP},     {POLICY_KEY_CONTAINER, SG_NEED_CGROUP},
    {POLICY_KEY_SESSION, SG_NEED_SESSION},   {POLICY_KEY_NAMESPACE, SG_NEED_NAMESPACE},
    {POLICY_KEY_TIME, SG_NEED_TIME},         {POLICY_KEY_ENV, SG_NEED_ENV},
    {POLICY_KEY_LAUNCHED, SG_NEED_CGROUP},
};

static int describe_subject(struct compiler *c, const struct policy_subject *s,
                            struct policy_image_subject *out)
{
    struct policy_arena *arena = c->image->arena;

    out->name = arena_str(arena, strempty(s->name));
    out->file = arena_str(arena, c->policy->files[s->pos.file].path);
    out->line = s->pos.line;
    out->column = s->pos.column;
    out->windows = arena_dup(arena, s->windows, s->n_windows, sizeof(*s->windows));
    out->n_windows = s->n_windows;
    return out->name && out->file && out->windows ? 0 : -ENOMEM;
}

static int new_subject(struct compiler *c, const struct policy_subject *s, uint16_t *ret_bit)
{
    size_t bit = c->image->n_subjects;
    int r;

    if (bit >= SG_SUBJECTS_MAX) {
        struct policy_diag *d =
            compile_diag(c, POLICY_ERROR, s->pos,
                         "the rules of the policy use more than %u different subjects",
                         SG_SUBJECTS_MAX);

        policy_diag_cure(c->diags, d, "join subjects, or use the same subject in several rules");
        return -EINVAL;
    }
    r = describe_subject(c, s, &c->image->subjects[bit]);
    if (r < 0)
        return r;
    c->image->n_subjects++;
    if (s->descendants)
        c->descendants[bit / 64] |= SG_BIT(bit % 64);
    for (size_t i = 0; i < ARRAY_SIZE(needs); i++)
        if (s->keys & needs[i].key)
            c->needs |= needs[i].need;
    *ret_bit = (uint16_t)bit;
    return add_terms(c, s, (uint16_t)bit);
}

// The bit of a subject of the policy, which gets one now when it has none.
static int subject_bit(struct compiler *c, uint32_t index, uint16_t *ret_bit)
{
    const struct policy_subject *s = &c->policy->subjects[index];
    _cleanup_(sb_done) struct strbuf sb = {};
    void *known;
    int r;

    if (c->subject_bit[index] != UNUSED) {
        *ret_bit = c->subject_bit[index];
        return 0;
    }
    r = sign_subject(&sb, s);
    if (r < 0)
        return r;
    known = map_get_mem(c->subject_index, sb.s, sb.len);
    if (known) {
        *ret_bit = (uint16_t)((uintptr_t)known - 1);
    } else {
        r = new_subject(c, s, ret_bit);
        if (r == 0)
            r = map_put_mem(c->subject_index, sb.s, sb.len, (void *)(uintptr_t)(*ret_bit + 1u));
        if (r < 0)
            return r;
    }
    c->subject_bit[index] = *ret_bit;
    return 0;
}

static int subject_set(struct compiler *c, const uint32_t *list, uint32_t n,
                       __u64 set[SG_SUBJECT_WORDS])
{
    for (uint32_t i = 0; i < n; i++) {
        uint16_t bit = 0;
        int r = subject_bit(c, list[i], &bit);

        if (r < 0)
            return r;
        set[bit / 64] |= SG_BIT(bit % 64);
    }
    return 0;
}

static int get_predicate(struct compiler *c, const struct policy_rule *rule,
                         const struct asked *asked, uint32_t *ret_number)
{
    int r = interned_get(&c->asked, asked, SG_PREDS_MAX, ret_number);

    if (r == -E2BIG) {
        struct policy_diag *d =
            compile_diag(c, POLICY_ERROR, rule->pos,
                         "the rules use more than %u different pairs of `by` and `not_by`",
                         SG_PREDS_MAX - 1);

        policy_diag_cure(c->diags, d, "use the same subjects in several rules, or name a group");
        return -EINVAL;
    }
    return r;
}

// What `to` names is a predicate of its own, which has to hold for the other process.
static int rule_target(struct compiler *c, const struct policy_rule *rule,
                       struct sg_target *ret_target)
{
    struct asked whom = {};
    uint32_t number = 0;
    int r;

    if (rule->to_other_user)
        ret_target->flags |= SG_TARGET_OTHER_USER;
    if (rule->n_to == 0)
        return 0;
    r = subject_set(c, rule->to, rule->n_to, whom.pred.by);
    if (r == 0)
        r = get_predicate(c, rule, &whom, &number);
    if (r == 0)
        ret_target->to = (uint16_t)number;
    return r;
}

static int rule_predicate(struct compiler *c, uint32_t index)
{
    const struct policy_rule *rule = &c->policy->rules[index];
    struct asked asked = {};
    uint32_t number = 0;
    int r;

    if (rule->launched)
        return 0; // the kernel is not asked about it
    r = subject_set(c, rule->by, rule->n_by, asked.pred.by);
    if (r == 0)
        r = subject_set(c, rule->not_by, rule->n_not_by, asked.pred.not_by);
    if (r == 0)
        r = rule_target(c, rule, &asked.target);
    if (r == 0)
        r = get_predicate(c, rule, &asked, &number);
    if (r == 0)
        c->rule_pred[index] = (uint16_t)number;
    return r;
}

// a is true wherever b is: b names no more subjects than a, and exempts at least those of a.
static bool pred_covers(const struct sg_pred *a, const struct sg_pred *b)
{
    uint64_t any_a = 0, any_b = 0, more = 0;

    for (size_t w = 0; w < SG_SUBJECT_WORDS; w++) {
        any_a |= a->by[w];
        any_b |= b->by[w];
        more |= b->by[w] & ~a->by[w];
        if (a->not_by[w] & ~b->not_by[w])
            return false;
    }
    return !any_a || (any_b && !more);
}

// The same of targets.
static bool target_covers(const struct compiler *c, const struct sg_target *a,
                          const struct sg_target *b)
{
    if (!a->to && !a->flags)
        return true;
    if ((!b->to && !b->flags) || b->flags & ~a->flags)
        return false;
    return !b->to || (a->to && pred_covers(&c->preds[a->to], &c->preds[b->to]));
}

// Takes what rules ask for apart, and notes which predicate holds wherever another one does.
static int split_asked(struct compiler *c)
{
    const struct asked *asked = c->asked.items;

    c->n_preds = c->asked.n;
    c->preds = new0(struct sg_pred, c->n_preds);
    c->targets = new0(struct sg_target, c->n_preds);
    c->covers = mallocz_array(c->n_preds, sizeof(*c->covers));
    if (!c->preds || !c->targets || !c->covers)
        return -ENOMEM;
    for (size_t i = 0; i < c->n_preds; i++) {
        c->preds[i] = asked[i].pred;
        c->targets[i] = asked[i].target;
        c->any_target |= asked[i].target.to || asked[i].target.flags;
    }
    for (size_t a = 0; a < c->n_preds; a++)
        for (size_t b = 0; b < c->n_preds; b++)
            if (pred_covers(&c->preds[a], &c->preds[b]) &&
                target_covers(c, &c->targets[a], &c->targets[b]))
                c->covers[a][b / 64] |= SG_BIT(b % 64);
    return 0;
}

static int compare_terms(const void *a, const void *b)
{
    const struct sg_term *x = a, *y = b;

    if (x->subject != y->subject)
        return x->subject < y->subject ? -1 : 1;
    if (x->dim != y->dim)
        return x->dim < y->dim ? -1 : 1;
    return x->value < y->value ? -1 : x->value > y->value;
}

static void sort_terms(struct compiler *c)
{
    size_t n = 0;

    if (c->n_terms > 0)
        qsort(c->terms, c->n_terms, sizeof(*c->terms), compare_terms);
    for (size_t i = 0; i < c->n_terms; i++)
        if (n == 0 || compare_terms(&c->terms[n - 1], &c->terms[i]) != 0)
            c->terms[n++] = c->terms[i];
    c->n_terms = n;
}

static int fixed_atoms(struct compiler *c)
{
    static const char *const names[] = {"what starts ssh sessions", "what starts cron jobs",
                                        "what starts console sessions"};
    // All rows, by kind; each kind's list ends with NULL.
#define SESSION_PROGRAM(kind, path) {SG_ATOM_SESSION_##kind, path},
    static const struct {
        uint32_t atom;
        const char *path;
    } rows[] = {
#include "model/sessions.def"
    };

    if (!(c->needs & SG_NEED_SESSION))
        return 0;
    for (uint32_t atom = 0; atom < SG_ATOM_FIRST_FREE; atom++) {
        const char **paths = arena_new0(c->image->arena, const char *, ARRAY_SIZE(rows) + 1);
        size_t n = 0;

        if (!paths)
            return -ENOMEM;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
            if (rows[i].atom == atom)
                paths[n++] = rows[i].path;
        c->atoms[atom].paths = paths;
        c->image->atoms[atom].text = names[atom];
    }
    return 0;
}

int compile_subjects(struct compiler *c)
{
    const struct policy *p = c->policy;
    const struct asked everybody = {};
    uint32_t zero;
    int r;

    c->subject_bit = new0(uint16_t, p->n_subjects);
    c->rule_pred = new0(uint16_t, p->n_rules);
    c->image->subjects = arena_new0(c->image->arena, struct policy_image_subject, SG_SUBJECTS_MAX);
    c->image->atoms = arena_new0(c->image->arena, struct policy_image_atom, SG_ATOMS_MAX);
    if (!c->subject_bit || !c->rule_pred || !c->image->subjects || !c->image->atoms)
        return -ENOMEM;
    for (uint32_t i = 0; i < p->n_subjects; i++)
        c->subject_bit[i] = UNUSED;
    c->n_atoms = SG_ATOM_FIRST_FREE;
    r = map_new(MAP_STR, 0, NULL, &c->subject_index);
    if (r == 0)
        r = map_new(MAP_STR, 0, NULL, &c->atom_index);
    if (r == 0)
        r = interned_init(&c->asked, sizeof(struct asked));
    if (r == 0)
        r = interned_get(&c->asked, &everybody, SG_PREDS_MAX, &zero);
    for (uint32_t i = 0; r == 0 && i < p->n_rules; i++)
        r = rule_predicate(c, i);
    if (r < 0)
        return r;
    sort_terms(c);
    r = split_asked(c);
    if (r == 0)
        r = fixed_atoms(c);
    c->image->n_atoms = c->n_atoms;
    return r;
}
