// SPDX-License-Identifier: Apache-2.0
#include "policy/compile.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "policy/compiler.h"

static void compiler_done(struct compiler *c)
{
    policy_image_free(c->image);
    free(c->subject_bit);
    map_free(c->subject_index);
    map_free(c->atom_index);
    free(c->terms);
    interned_done(&c->asked);
    free(c->preds);
    free(c->targets);
    free(c->rule_pred);
    free(c->covers);
    nfa_free(c->nfa);
    free(c->marks);
    dfa_free(c->dfa);
    free(c->roots);
    interned_done(&c->entry_lists);
    interned_done(&c->belows);
    interned_done(&c->atom_sets);
    free(c->entries);
    free(c->list_of);
    free(c->fate);
    free(c->below_of);
    interned_done(&c->accepts);
    free(c->accept_of);
    comb_done(&c->comb);
}

struct policy_image *policy_image_free(struct policy_image *image)
{
    if (!image)
        return NULL;
    free(image->mem);
    free(image->roots);
    arena_free(image->arena);
    free(image);
    return NULL;
}

struct policy_diag *compile_diag(struct compiler *c, enum policy_severity severity,
                                 struct policy_pos pos, const char *fmt, ...)
{
    const struct policy_source *file = &c->policy->files[pos.file];
    struct policy_diag *d;
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    d = policy_diag_add(c->diags, severity, file->path, pos.line, pos.column, "%s", text);
    policy_diag_source(c->diags, d, file->text, file->text_len, pos.width);
    return d;
}

const char *compile_rule_name(const struct compiler *c, uint32_t rule, char *buf, size_t size)
{
    const struct policy_pos *pos = &c->policy->rules[rule].pos;
    const char *path = c->policy->files[pos->file].path;
    const char *slash = strrchr(path, '/');

    (void)snprintf(buf, size, "%s:%u", slash ? slash + 1 : path, pos->line);
    return buf;
}

// Which state and byte led to each state first.
struct trail {
    uint32_t *from;
    uint8_t *byte;
    uint32_t *queue;
};

static void trail_done(struct trail *t)
{
    free(t->from);
    free(t->byte);
    free(t->queue);
}

// A byte that takes the default, preferably a letter.
static uint8_t default_byte(const struct dfa *dfa, uint32_t state)
{
    for (unsigned i = 0; i < 255; i++) {
        uint8_t c = (uint8_t)('a' + i);

        if (c != 0 && c != '/' && dfa_next(dfa, state, c) == dfa->states[state].dflt)
            return c;
    }
    return '/';
}

static void reach(struct trail *t, uint32_t from, uint32_t to, uint8_t byte, size_t *n)
{
    if (to == DFA_DEAD || t->from[to] != 0)
        return;
    t->from[to] = from;
    t->byte[to] = byte;
    t->queue[(*n)++] = to;
}

static int spell(const struct trail *t, uint32_t start, uint32_t state, char **ret_path)
{
    _cleanup_(sb_done) struct strbuf sb = {}, shown = {};

    while (state != start && sb.len < POLICY_PATTERN_MAX) {
        sb_putc(&sb, (char)t->byte[state]);
        state = t->from[state];
    }
    for (size_t i = 0; i < sb.len / 2; i++) {
        char swap = sb.s[i];

        sb.s[i] = sb.s[sb.len - 1 - i];
        sb.s[sb.len - 1 - i] = swap;
    }
    utf8_escape(&shown, sb_str(&sb), sb.len);
    if (sb.failed)
        return -ENOMEM;
    return sb_finish(&shown, ret_path);
}

int compile_example(const struct compiler *c, uint32_t state, char **ret_path)
{
    const struct dfa *dfa = c->dfa;
    size_t n_states = dfa->n_states, n = 0;
    _cleanup_(trail_done) struct trail t = {
        .from = new0(uint32_t, n_states),
        .byte = new0(uint8_t, n_states),
        .queue = new0(uint32_t, n_states),
    };

    if (!t.from || !t.byte || !t.queue)
        return -ENOMEM;
    t.from[c->start] = c->start;
    t.queue[n++] = c->start;
    for (size_t i = 0; i < n && t.from[state] == 0; i++) {
        const struct dfa_state *s = &dfa->states[t.queue[i]];

        for (uint32_t e = 0; e < s->n_edges; e++)
            reach(&t, t.queue[i], dfa->edges[s->edges + e].next, dfa->edges[s->edges + e].byte, &n);
        reach(&t, t.queue[i], s->dflt, default_byte(dfa, t.queue[i]), &n);
    }
    if (t.from[state] == 0) {
        *ret_path = strdup("");
        return *ret_path ? 0 : -ENOMEM;
    }
    return spell(&t, c->start, state, ret_path);
}

static int describe_rules(struct compiler *c)
{
    struct policy_image *image = c->image;
    const struct policy *p = c->policy;
    _cleanup_free_ const char **paths = new0(const char *, p->n_files);
    _cleanup_free_ const char **names = new0(const char *, p->n_files);

    image->rules = arena_new0(image->arena, struct policy_image_rule, p->n_rules);
    if (!image->rules || !paths || !names)
        return -ENOMEM;
    image->n_rules = p->n_rules;
    for (uint32_t i = 0; i < p->n_files; i++) {
        paths[i] = arena_str(image->arena, p->files[i].path);
        names[i] = arena_str(image->arena, p->files[i].name);
        if (!paths[i] || !names[i])
            return -ENOMEM;
    }
    for (uint32_t i = 0; i < p->n_rules; i++) {
        const struct policy_rule *r = &p->rules[i];

        image->rules[i] = (struct policy_image_rule){
            .file = paths[r->pos.file],
            .policy = names[r->pos.file],
            .line = r->pos.line,
            .column = r->pos.column,
            .ops = r->ops,
            .verdict = r->verdict,
            .monitor = r->monitor,
            .pred = c->rule_pred[i],
        };
    }
    return 0;
}

static void set_defaults(struct compiler *c, const struct policy_compile_options *options)
{
    if (options)
        c->options = *options;
    if (c->options.policy_id == 0)
        c->options.policy_id = 1;
    if (c->options.max_bytes == 0)
        c->options.max_bytes = POLICY_IMAGE_BYTES_DEFAULT;
    if (c->options.max_states == 0 || c->options.max_states > SG_STATES_MAX)
        c->options.max_states = SG_STATES_MAX;
    if (c->options.max_ms == 0)
        c->options.max_ms = POLICY_COMPILE_MS_DEFAULT;
}

int policy_compile(const struct policy *policy, const struct policy_mounts *mounts,
                   const struct policy_compile_options *options, struct policy_diags *diags,
                   struct policy_image **ret_image)
{
    static int (*const steps[])(struct compiler *) = {
        compile_subjects, describe_rules, compile_patterns, compile_automaton,
        compile_accepts,  compile_belows, compile_image,    compile_lint,
    };
    _cleanup_(compiler_done) struct compiler c = {.policy = policy,
                                                  .mounts = mounts,
                                                  .diags = diags,
                                                  .started = dfa_now()};
    int r = 0;

    set_defaults(&c, options);
    c.image = new0(struct policy_image, 1);
    if (!c.image)
        return -ENOMEM;
    r = arena_new(&c.image->arena);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(steps); i++)
        r = steps[i](&c);
    if (diags)
        policy_diags_sort(diags);
    if (r < 0)
        return r;
    *ret_image = TAKE_PTR(c.image);
    return 0;
}
