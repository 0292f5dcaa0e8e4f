// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <xxhash.h>

#include "agent/agent.h"
#include "agent/schedule.h"
#include "base/alloc.h"
#include "base/strbuf.h"

static void put_patterns(struct strbuf *sb, char key, const struct policy_patterns *p)
{
    for (uint32_t i = 0; i < p->n; i++)
        sb_printf(sb, "%c%.*s\n", key, (int)p->items[i].len, p->items[i].text);
}

static void put_ids(struct strbuf *sb, char key, const struct policy_ids *ids)
{
    for (uint32_t i = 0; i < ids->n; i++)
        sb_printf(sb, "%c%u\n", key, ids->items[i]);
}

static void put_subject(struct strbuf *sb, const struct policy_subject *s)
{
    sb_printf(sb, "s%u %llu %u %u %d\n", s->keys, (unsigned long long)s->caps, s->sessions,
              s->namespaces, s->descendants);
    put_patterns(sb, 'e', &s->exe);
    put_patterns(sb, 'p', &s->parent);
    put_patterns(sb, 'a', &s->ancestor);
    put_patterns(sb, 'c', &s->cgroup);
    put_patterns(sb, 'n', &s->container);
    put_ids(sb, 'u', &s->users);
    put_ids(sb, 'g', &s->groups);
    put_ids(sb, 'l', &s->logins);
    for (uint32_t i = 0; i < s->n_windows; i++)
        sb_printf(sb, "w%u %u %u\n", s->windows[i].days, s->windows[i].from, s->windows[i].to);
    for (uint32_t i = 0; i < s->n_envs; i++) {
        sb_printf(sb, "v%s\n", s->envs[i].name);
        put_patterns(sb, '=', &s->envs[i].values);
    }
}

// All that it says, and of which file it is: what is written elsewhere in the file may move it.
static int name_rule(const struct policy *p, const struct policy_rule *r, char ret[BOOK_NAME])
{
    _cleanup_(sb_done) struct strbuf sb = {};
    const struct schedule *s = r->schedule;

    sb_printf(&sb, "%s\n%u %u %u %u %d %d %d %d %s\n", p->files[r->pos.file].path, s->set,
              s->weight, s->quota_permille, s->io_weight, s->nice, s->policy, s->priority,
              s->io_class, s->cpus);
    for (uint32_t i = 0; i < r->n_by; i++)
        put_subject(&sb, &p->subjects[r->by[i]]);
    sb_puts(&sb, "not\n");
    for (uint32_t i = 0; i < r->n_not_by; i++)
        put_subject(&sb, &p->subjects[r->not_by[i]]);
    if (sb.failed)
        return -ENOMEM;
    (void)snprintf(ret, BOOK_NAME, BOOK_GROUP "%016llx",
                   (unsigned long long)XXH3_64bits(sb_str(&sb), sb.len));
    return 0;
}

int schedule_rules_of(const struct policy *p, struct schedule_rule **ret_rules, size_t *ret_n)
{
    struct schedule_rule *rules = NULL;
    size_t n = 0, cap = 0;

    for (uint32_t i = 0; i < p->n_rules; i++) {
        const struct policy_rule *r = &p->rules[i];

        if (!r->schedule || r->monitor)
            continue;
        if (!GREEDY(rules, cap, n + 1)) {
            free(rules);
            return -ENOMEM;
        }
        rules[n] = (struct schedule_rule){.rule = (uint16_t)i,
                                          .groups = policy_schedule_groups(p, r),
                                          .policy_rule = r};
        if (name_rule(p, r, rules[n].name) < 0) {
            free(rules);
            return -ENOMEM;
        }
        n++;
    }
    *ret_rules = rules;
    *ret_n = n;
    return 0;
}

// What is shown ----------------------------------------------------------------------------------------

#define GROUPS_SHOWN 8u

static void put_groups(const struct policy *p, const struct policy_rule *r, struct jw *jw)
{
    uint32_t n = 0;

    jw_kv_array(jw, "groups");
    for (uint32_t i = 0; i < r->n_by; i++) {
        const struct policy_patterns *groups = &p->subjects[r->by[i]].cgroup;

        for (uint32_t k = 0; k < groups->n && n < GROUPS_SHOWN; k++, n++)
            jw_str(jw, groups->items[k].text, groups->items[k].len);
    }
    jw_end_array(jw);
}

// Those that the rule says.
static void put_values(const struct schedule *s, struct jw *jw)
{
    jw_kv_object(jw, "values");
    if (s->set & SCHEDULE_WEIGHT)
        jw_kv_u64(jw, "weight", s->weight);
    if (s->set & SCHEDULE_QUOTA)
        jw_kv_u64(jw, "quota_permille", s->quota_permille);
    if (s->set & SCHEDULE_CPUS)
        jw_kv_str(jw, "cpus", s->cpus);
    if (s->set & SCHEDULE_IO_WEIGHT)
        jw_kv_u64(jw, "io_weight", s->io_weight);
    if (s->set & SCHEDULE_NICE)
        jw_kv_i64(jw, "nice", s->nice);
    if (s->set & SCHEDULE_CLASS) {
        jw_kv_str(jw, "class", policy_schedule_class(s->policy));
        if (s->priority > 0)
            jw_kv_i64(jw, "priority", s->priority);
    }
    if (s->set & SCHEDULE_IO_CLASS)
        jw_kv_str(jw, "io_class", policy_schedule_io_class(s->io_class));
    jw_end_object(jw);
}

static void put_rule(const struct agent *a, const struct schedule_rule *rule, struct jw *jw)
{
    const struct policy *p = a->policies.now->policy;
    const struct policy_rule *r = rule->policy_rule;
    struct book_counters counters = {};

    if (a->scheduling.book)
        book_counters_of(a->scheduling.book, rule->name, &counters);
    jw_begin_object(jw);
    jw_kv_str(jw, "file", p->files[r->pos.file].path);
    jw_kv_u64(jw, "line", r->pos.line);
    put_values(r->schedule, jw);
    // By which the values of control groups are set: groups that the rule names, or one of its own.
    jw_kv_bool(jw, "named_groups", rule->groups);
    put_groups(p, r, jw);
    jw_kv_str(jw, "own_group", rule->groups ? NULL : rule->name);
    jw_kv_u64(jw, "processes", counters.processes);
    jw_kv_u64(jw, "serving_groups", counters.groups);
    jw_end_object(jw);
}

void schedule_rules_json(const struct agent *a, struct jw *jw)
{
    const struct scheduling *s = &a->scheduling;

    jw_begin_array(jw);
    for (size_t i = 0;
         a->policies.now && a->policies.now->policy && i < s->n_rules && i < SCHEDULE_RULES_SHOWN;
         i++)
        put_rule(a, &s->rules[i], jw);
    jw_end_array(jw);
}
