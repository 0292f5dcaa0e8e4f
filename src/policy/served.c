// SPDX-License-Identifier: Apache-2.0
#include "policy/served.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/shared.h"
#include "base/alloc.h"
#include "base/macro.h"
#include "policy/explain.h"
#include "policy/syscalls.h"

#define VERSION(major, minor) ((uint32_t)(major) << 16 | (minor))

static const struct {
    const char *id;
    uint32_t ops;
} hooks[] = {
#define SG_HOOK(id, ops, canary, help) {#id, ops},
#include "abi/hooks.def"
};

// By the number of the hook - 1.
static const struct {
    unsigned hook;
    enum sg_control kind;
} askers[] = {
#define SG_CONTROL_HOOK(kind, hook) {SG_HOOK_##hook, SG_CONTROL_##kind},
#include "abi/control.def"
    {SG_HOOK_NONE, 0},
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

static bool has_hook(const struct policy_kernel *k, const char *hook)
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
        [POLICY_SERVED_BY_FILTER] = "seccomp",
        [POLICY_SERVED_BY_NOTHING] = "nothing",
    };

    return (size_t)m < ARRAY_SIZE(names) ? names[m] : NULL;
}

static uint64_t kinds_of(const struct policy_rule *rule)
{
    uint64_t kinds = 0;

    for (uint32_t i = 0; i < rule->paths.n; i++)
        if (rule->paths.items[i].control)
            kinds |= SG_BIT(rule->paths.items[i].control->kind);
    return kinds;
}

static uint64_t hook_kinds(size_t hook)
{
    uint64_t kinds = 0;

    for (size_t i = 0; i < ARRAY_SIZE(askers); i++)
        if (askers[i].hook == hook + 1)
            kinds |= SG_BIT(askers[i].kind);
    return kinds;
}

static void note_hook(const struct policy_kernel *k, const char *hook, struct policy_served *s)
{
    uint32_t since = hook_since(hook);

    if (has_hook(k, hook)) {
        if (s->n_hooks < SERVED_HOOKS_MAX)
            s->hooks[s->n_hooks++] = hook;
        return;
    }
    if (s->n_absent < SERVED_HOOKS_MAX)
        s->absent[s->n_absent++] = hook;
    if (since && (!s->needs || since < s->needs))
        s->needs = since;
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
    // Whose record there will be is asked together with these.
    uint32_t ops = rule->ops & ~(uint32_t)(SG_OP_LAUNCH | SG_OP_CONTROL), seen = 0;
    // The programs at the beginning and the end of processes are no hooks, and always there.
    uint64_t kinds = kinds_of(rule), seen_kinds = SG_BIT(SG_CONTROL_fork) |
                                                  SG_BIT(SG_CONTROL_exit) |
                                                  SG_BIT(SG_CONTROL_schedule);
    struct policy_served s = {};

    if (rule->launched) {
        s.by = POLICY_SERVED_BY_FILTER;
        *ret = s;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
        if (!(hooks[i].ops & ops) && !(hook_kinds(i) & kinds))
            continue;
        note_hook(kernel, hooks[i].id, &s);
        if (!has_hook(kernel, hooks[i].id))
            continue;
        seen |= hooks[i].ops;
        seen_kinds |= hook_kinds(i);
    }
    s.lost = ops & ~seen;
    s.lost_kinds = kinds & ~seen_kinds;
    s.by = s.n_hooks > 0 || kinds & seen_kinds ? POLICY_SERVED_BY_HOOKS : POLICY_SERVED_BY_NOTHING;
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
    for (unsigned kind = 0; kind < SG_CONTROL_COUNT; kind++)
        if (s->lost_kinds >> kind & 1)
            sb_printf(sb, "%s%s", sb->len ? ", " : "", policy_control_name(kind));
}

static void report(const struct policy *p, const struct policy_rule *rule,
                   const struct policy_served *s, struct policy_diags *diags)
{
    const struct policy_source *file = &p->files[rule->pos.file];
    _cleanup_(sb_done) struct strbuf lost = {};
    struct policy_diag *d;

    put_lost(s, &lost);
    if (s->n_absent == 0) {
        d = policy_diag_add(diags, POLICY_ERROR, file->path, rule->pos.line, rule->pos.column,
                            "nothing serves this rule: this version has no program for %s",
                            sb_str(&lost));
        policy_diag_cure(diags, d, "take it out: a rule that is not enforced protects nothing");
    } else {
        d = policy_diag_add(diags, POLICY_ERROR, file->path, rule->pos.line, rule->pos.column,
                            "nothing serves this rule on this kernel: %s is seen by the hook %s, "
                            "which it does not have",
                            sb_str(&lost), s->absent[0]);
        if (s->needs)
            policy_diag_cure(diags, d, "use kernel %u.%u or later, or take it out", s->needs >> 16,
                             s->needs & 0xffff);
        else
            policy_diag_cure(diags, d, "use a kernel with this hook, or take it out");
    }
    policy_diag_source(diags, d, file->text, file->text_len, rule->pos.width);
}

int policy_check_served(const struct policy *p, const struct policy_kernel *kernel,
                        struct policy_diags *diags)
{
    for (uint32_t i = 0; i < p->n_rules; i++) {
        struct policy_served s;
        int r = policy_served(&p->rules[i], kernel, &s);

        if (r < 0)
            return r;
        if (s.lost || s.lost_kinds)
            report(p, &p->rules[i], &s, diags);
        policy_served_done(&s);
    }
    return 0;
}
