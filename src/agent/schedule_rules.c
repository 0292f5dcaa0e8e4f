// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <xxhash.h>

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
