// SPDX-License-Identifier: Apache-2.0
#include "policy/launch.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/table.h"
#include "policy/syscalls.h"

// A policy may be called anything: what cannot be part of a path, or would be another pattern, is written as %XX.
void policy_launch_group(const char *policy, struct strbuf *sb)
{
    sb_puts(sb, POLICY_LAUNCH_GROUP "/");
    for (const char *s = policy; *s; s++) {
        unsigned char c = (unsigned char)*s;

        if ((isalnum(c) && c < 0x80) || c == '-' || c == '_' || (c == '.' && s > policy))
            sb_putc(sb, (char)c);
        else
            sb_printf(sb, "%%%02X", c);
    }
}

struct calls_draft {
    struct policy_calls calls;
    size_t cap;
    struct map *seen;
};

static void draft_done(struct calls_draft *d)
{
    policy_calls_done(&d->calls);
    map_free(d->seen);
}

static int add_one(struct calls_draft *d, const struct policy_rule *rule, uint32_t number,
                   const char *name)
{
    int r = map_put_str(d->seen, name, d);

    if (r == -EEXIST)
        return 0; // a rule in front decides
    if (r < 0)
        return r;
    if (!GREEDY(d->calls.items, d->cap, d->calls.n + 1))
        return -ENOMEM;
    d->calls.items[d->calls.n++] = (struct policy_call){
        .name = name,
        .rule = number,
        .verdict = rule->verdict,
        .error = rule->verdict < SG_DENY ? 0
                 : rule->error           ? rule->error
                                         : EPERM,
        .monitor = rule->monitor,
    };
    return 0;
}

// With all its forms: 32-bit programs have them under other names.
static int add_call(struct calls_draft *d, const struct policy_rule *rule, uint32_t number,
                    const char *name)
{
    const char *const *form = syscall_forms(name);
    int r = add_one(d, rule, number, name);

    for (; r == 0 && form && *form; form++)
        r = add_one(d, rule, number, *form);
    return r;
}

int policy_calls(const struct policy *p, uint32_t file, struct policy_calls *ret_calls)
{
    _cleanup_(draft_done) struct calls_draft d = {};
    bool all = false;
    int r;

    r = map_new(MAP_STR, 0, NULL, &d.seen);
    for (uint32_t i = 0; r == 0 && i < p->n_rules && !all; i++) {
        const struct policy_rule *rule = &p->rules[i];
        const char *any = NULL;

        if (!rule->launched || rule->pos.file != file)
            continue;
        for (uint32_t k = 0; r == 0 && k < rule->syscalls.n; k++)
            if (streq(rule->syscalls.items[k], "any"))
                any = rule->syscalls.items[k];
            else
                r = add_call(&d, rule, i, rule->syscalls.items[k]);
        if (r == 0 && any)
            r = add_call(&d, rule, i, any);
        all = any;
    }
    if (r < 0)
        return r;
    *ret_calls = d.calls;
    d.calls = (struct policy_calls){};
    return 0;
}

void policy_calls_done(struct policy_calls *calls)
{
    free(calls->items);
    *calls = (struct policy_calls){};
}

const char *policy_calls_missing(const struct policy_calls *calls)
{
    static const char start[] = "execve";

    // "any" is the last.
    for (size_t i = 0; i < calls->n; i++)
        if (streq(calls->items[i].name, start) || streq(calls->items[i].name, "any"))
            return calls->items[i].verdict >= SG_DENY && !calls->items[i].monitor ? start : NULL;
    return NULL;
}

int policy_find(const struct policy *p, const char *name, uint32_t *ret_file)
{
    uint32_t found = p->n_files;

    for (uint32_t i = 0; i < p->n_files; i++)
        if (streq(p->files[i].name, name)) {
            if (found < p->n_files)
                return -EEXIST;
            found = i;
        }
    if (found == p->n_files)
        return -ENOENT;
    *ret_file = found;
    return 0;
}

static bool any_launched(const struct policy *p, const uint32_t *subjects, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (p->subjects[subjects[i]].keys & POLICY_KEY_LAUNCHED)
            return true;
    return false;
}

bool policy_needs_group(const struct policy *p, uint32_t file)
{
    for (uint32_t i = 0; i < p->n_rules; i++) {
        const struct policy_rule *rule = &p->rules[i];

        if (rule->pos.file == file && !rule->launched &&
            (any_launched(p, rule->by, rule->n_by) ||
             any_launched(p, rule->not_by, rule->n_not_by)))
            return true;
    }
    return false;
}
