// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/policy/reference.h"

#include <fnmatch.h>
#include <string.h>
#include <time.h>

// One member or range of a set at *p; true when it holds c. Advances behind it.
static bool set_member(const char **p, unsigned char c)
{
    unsigned char low, high;

    if (**p == '\\')
        (*p)++;
    low = high = (unsigned char)*(*p)++;
    if (**p == '-' && (*p)[1] != ']') {
        (*p)++;
        if (**p == '\\')
            (*p)++;
        high = (unsigned char)*(*p)++;
    }
    return c >= low && c <= high;
}

// Behind '[': does the set hold c? *p ends behind ']'.
static bool in_set(const char **p, unsigned char c)
{
    bool negate = **p == '!', found = false;

    if (negate)
        (*p)++;
    do
        found |= set_member(p, c);
    while (**p != ']');
    (*p)++;
    return found != negate;
}

// One component against one name: [p, p_end) and [s, s_end).
static bool match_name(const char *p, const char *p_end, const char *s, const char *s_end)
{
    if (p == p_end)
        return s == s_end;
    if (*p == '*') {
        for (const char *rest = s; rest <= s_end; rest++)
            if (match_name(p + 1, p_end, rest, s_end))
                return true;
        return false;
    }
    if (s == s_end)
        return false;
    if (*p == '[') {
        p++;
        return in_set(&p, (unsigned char)*s) && match_name(p, p_end, s + 1, s_end);
    }
    if (*p == '?')
        return match_name(p + 1, p_end, s + 1, s_end);
    if (*p == '\\')
        p++;
    return *p == *s && match_name(p + 1, p_end, s + 1, s_end);
}

// A slash ends a component also inside what looks like a set: patterns of the tests hold no such
// set.
static const char *component_end(const char *s)
{
    return s + strcspn(s, "/");
}

// Both start with a slash or are at their end.
static bool match_components(const char *p, const char *s)
{
    const char *p_end, *s_end;

    if (*p == '\0')
        return *s == '\0';
    p_end = component_end(p + 1);
    if (p_end - p == 3 && p[1] == '*' && p[2] == '*') {
        if (*p_end == '\0')
            return *s != '\0';
        // No component, or one more.
        if (match_components(p_end, s))
            return true;
        return *s != '\0' && match_components(p, component_end(s + 1));
    }
    if (*s == '\0')
        return false;
    s_end = component_end(s + 1);
    return match_name(p + 1, p_end, s + 1, s_end) && match_components(p_end, s_end);
}

bool ref_match(const char *pattern, const char *path)
{
    return match_components(strcmp(pattern, "/") == 0 ? "" : pattern,
                            strcmp(path, "/") == 0 ? "" : path);
}

static bool any_path(const struct policy_patterns *list, const char *path)
{
    for (uint32_t i = 0; path && i < list->n; i++)
        if (!list->items[i].control && ref_match(list->items[i].text, path))
            return true;
    return false;
}

// Names are patterns of fnmatch(3), where a star also stands for slashes. Numbers from 254 on are one.
static bool is_control(const struct policy_control *pattern, const struct policy_control *asked)
{
    uint32_t a = pattern->number, b = asked->number;

    if (pattern->kind != asked->kind)
        return false;
    switch (pattern->what) {
    case POLICY_CONTROL_ANY: return true;
    case POLICY_CONTROL_ID: return a == b;
    case POLICY_CONTROL_NUMBER: return a == b || (a >= 254 && b >= 254);
    case POLICY_CONTROL_NAME: return fnmatch(pattern->name, asked->name, 0) == 0;
    case POLICY_CONTROL_ENDS: break; // of tests/unit/policy/test_network.c
    }
    return false;
}

static bool any_control(const struct policy_patterns *list, const struct policy_control *asked)
{
    for (uint32_t i = 0; i < list->n; i++)
        if (list->items[i].control && is_control(list->items[i].control, asked))
            return true;
    return false;
}

// A cgroup is in the list when it or one above it is.
static bool any_cgroup(const struct policy_patterns *list, const char *path)
{
    char up[4096];
    size_t len = strlen(path);

    memcpy(up, path, len + 1);
    for (;;) {
        char *slash;

        if (any_path(list, up))
            return true;
        if (strcmp(up, "/") == 0)
            return false;
        slash = strrchr(up, '/');
        slash[slash == up ? 1 : 0] = '\0';
    }
}

static bool has_id(const struct policy_ids *ids, uint32_t id)
{
    for (uint32_t i = 0; i < ids->n; i++)
        if (ids->items[i] == id)
            return true;
    return false;
}

static bool has_any_group(const struct policy_ids *ids, const struct policy_facts *f)
{
    for (size_t i = 0; i < f->n_gids; i++)
        if (has_id(ids, f->gids[i]))
            return true;
    return false;
}

static bool in_windows(const struct policy_subject *s, time_t when)
{
    struct tm tm;
    int minute;

    localtime_r(&when, &tm);
    minute = tm.tm_hour * 60 + tm.tm_min;
    for (uint32_t i = 0; i < s->n_windows; i++) {
        const struct policy_window *w = &s->windows[i];
        int yesterday = (tm.tm_wday + 6) % 7;
        bool today = w->days >> tm.tm_wday & 1;

        if (w->from < w->to) {
            if (today && minute >= w->from && minute < w->to)
                return true;
        } else if ((today && minute >= w->from) || ((w->days >> yesterday & 1) && minute < w->to)) {
            return true;
        }
    }
    return false;
}

// Values are patterns of fnmatch(3), where a star also stands for slashes.
static bool has_variable(const struct policy_env *env, const struct policy_facts *f)
{
    size_t len = strlen(env->name);

    for (size_t i = 0; i < f->n_env; i++)
        for (uint32_t v = 0; v < env->values.n; v++)
            if (strncmp(f->env[i], env->name, len) == 0 && f->env[i][len] == '=' &&
                fnmatch(env->values.items[v].text + len + 1, f->env[i] + len + 1, 0) == 0)
                return true;
    return false;
}

// The process `level` steps up: 0 is the one that asks.
static bool matches_at(const struct policy_subject *s, const struct policy_query *q, size_t level)
{
    const struct policy_facts *f = &q->facts;
    const char *exe = level == 0 ? f->exe : f->ancestors[level - 1];
    const char *parent = level < f->n_ancestors ? f->ancestors[level] : NULL;
    bool ancestor = false;

    for (size_t i = level; i < f->n_ancestors; i++)
        ancestor |= any_path(&s->ancestor, f->ancestors[i]);
    if ((s->exe.n > 0 && !any_path(&s->exe, exe)) ||
        (s->parent.n > 0 && !any_path(&s->parent, parent)) || (s->ancestor.n > 0 && !ancestor))
        return false;
    if ((s->users.n > 0 && !has_id(&s->users, f->uid)) ||
        (s->groups.n > 0 && !has_any_group(&s->groups, f)) ||
        (s->logins.n > 0 && !has_id(&s->logins, f->login_uid)))
        return false;
    if ((f->caps & s->caps) != s->caps)
        return false;
    if (s->cgroup.n > 0 && !any_cgroup(&s->cgroup, f->cgroup))
        return false;
    if (s->container.n > 0 && !any_cgroup(&s->container, f->cgroup))
        return false;
    if (s->launched.n > 0 && !any_cgroup(&s->launched, f->cgroup))
        return false;
    for (uint32_t i = 0; i < s->n_envs; i++)
        if (!has_variable(&s->envs[i], f))
            return false;
    if (s->sessions != 0 && !(s->sessions >> f->session & 1))
        return false;
    return s->namespaces == 0 || (s->namespaces >> (f->container ? 1 : 0) & 1);
}

bool ref_subject(const struct policy_subject *s, const struct policy_query *q)
{
    size_t up = s->descendants ? q->facts.n_ancestors : 0;

    if (s->n_windows > 0 && q->has_when && !in_windows(s, q->when))
        return false;
    for (size_t level = 0; level <= up; level++)
        if (matches_at(s, q, level))
            return true;
    return false;
}

static bool any_subject(const struct policy *p, const uint32_t *list, uint32_t n,
                        const struct policy_query *q)
{
    for (uint32_t i = 0; i < n; i++)
        if (ref_subject(&p->subjects[list[i]], q))
            return true;
    return false;
}

int ref_decide(const struct policy *p, const struct policy_query *q, uint32_t op)
{
    // Whoever decides a mapping for execution decides whose record it is.
    if (op == SG_OP_LAUNCH && q->ops & SG_OP_LOAD)
        op |= SG_OP_LOAD;
    for (uint32_t i = 0; i < p->n_rules; i++) {
        const struct policy_rule *r = &p->rules[i];

        if (!(r->ops & op))
            continue;
        if (q->control ? !any_control(&r->paths, q->control) : !any_path(&r->paths, q->path))
            continue;
        if (r->n_by > 0 && !any_subject(p, r->by, r->n_by, q))
            continue;
        if (any_subject(p, r->not_by, r->n_not_by, q))
            continue;
        return (int)i;
    }
    return -1;
}
