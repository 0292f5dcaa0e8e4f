// SPDX-License-Identifier: Apache-2.0
//
// The key `schedule` of the section `processes`: how those are scheduled whom the rule names with `by`.
#include "policy/read_schedule.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/strutil.h"
#include "policy/control.h"

#define CPUS_MAX       8192u // CONFIG_NR_CPUS is no larger on any distribution
#define QUOTA_PERMILLE 1000000L

static const char *const class_words[] = {"normal", "batch", "idle", "fifo", "rr"};
static const int class_policies[] = {SCHED_OTHER, SCHED_BATCH, SCHED_IDLE, SCHED_FIFO, SCHED_RR};
static const char *const io_words[] = {"real-time", "best-effort", "idle"}; // class 1, 2, 3

const char *policy_schedule_class(int policy)
{
    for (size_t i = 0; i < ARRAY_SIZE(class_policies); i++)
        if (class_policies[i] == policy)
            return class_words[i];
    return NULL;
}

const char *policy_schedule_io_class(int class)
{
    return class >= 1 && class <= (int)ARRAY_SIZE(io_words) ? io_words[class - 1] : NULL;
}

static bool read_number(struct loader *ld, const struct yaml_node *node, long least, long most,
                        long *ret)
{
    char expected[64], *end;

    (void)snprintf(expected, sizeof(expected), "a number from %ld to %ld", least, most);
    if (!read_is_word(ld, node, expected))
        return false;
    errno = 0;
    *ret = strtol(node->text, &end, 10);
    if (errno == 0 && end != node->text && *end == '\0' && *ret >= least && *ret <= most)
        return true;
    policy_diag_expected(ld->diags, read_error(ld, node, "'%s' is not valid", node->text), "%s",
                         expected);
    return false;
}

static int read_weight(struct loader *ld, const struct yaml_node *key _unused_,
                       const struct yaml_node *value, void *ctx)
{
    struct schedule *s = ctx;
    long n;

    if (read_number(ld, value, 1, 10000, &n)) {
        s->weight = (uint32_t)n;
        s->set |= SCHEDULE_WEIGHT;
    }
    return 0;
}

static int read_io_weight(struct loader *ld, const struct yaml_node *key _unused_,
                          const struct yaml_node *value, void *ctx)
{
    struct schedule *s = ctx;
    long n;

    if (read_number(ld, value, 1, 10000, &n)) {
        s->io_weight = (uint32_t)n;
        s->set |= SCHEDULE_IO_WEIGHT;
    }
    return 0;
}

static int read_nice(struct loader *ld, const struct yaml_node *key _unused_,
                     const struct yaml_node *value, void *ctx)
{
    struct schedule *s = ctx;
    long n;

    if (read_number(ld, value, -20, 19, &n)) {
        s->nice = (int)n;
        s->set |= SCHEDULE_NICE;
    }
    return 0;
}

static int read_priority(struct loader *ld, const struct yaml_node *key _unused_,
                         const struct yaml_node *value, void *ctx)
{
    struct schedule *s = ctx;
    long n;

    if (read_number(ld, value, 1, 99, &n))
        s->priority = (int)n;
    return 0;
}

static int read_quota(struct loader *ld, const struct yaml_node *key _unused_,
                      const struct yaml_node *value, void *ctx)
{
    static const char expected[] = "a share of one CPU such as 50%, or 250% for two and a half";
    struct schedule *s = ctx;
    char *end;
    double n;

    if (!read_is_word(ld, value, expected))
        return 0;
    errno = 0;
    n = strtod(value->text, &end) * 10;
    if (errno || end == value->text || !streq(end, "%") || !(n >= 10) || n > QUOTA_PERMILLE) {
        policy_diag_expected(ld->diags,
                             read_error(ld, value, "'%s' is not a quota from 1%% to 100000%%",
                                        value->text),
                             "%s", expected);
        return 0;
    }
    s->quota_permille = (uint32_t)(n + 0.5);
    s->set |= SCHEDULE_QUOTA;
    return 0;
}

static int read_cpus(struct loader *ld, const struct yaml_node *key _unused_,
                     const struct yaml_node *value, void *ctx)
{
    static const char expected[] =
        "numbers of CPUs in ascending order, such as 0, \"0-3\" or \"0-3,8\"";
    struct schedule *s = ctx;

    if (!read_is_word(ld, value, expected))
        return 0;
    if (value->len >= sizeof(s->cpus) || !schedule_cpus_valid(value->text, CPUS_MAX)) {
        policy_diag_expected(ld->diags,
                             read_error(ld, value, "'%.80s' is no list of CPUs", value->text), "%s",
                             expected);
        return 0;
    }
    memcpy(s->cpus, value->text, value->len + 1);
    s->set |= SCHEDULE_CPUS;
    return 0;
}

static int find_word(struct loader *ld, const struct yaml_node *value, const char *what,
                     const char *const *words, size_t n)
{
    if (!read_is_word(ld, value, "a word"))
        return -1;
    for (size_t i = 0; i < n; i++)
        if (streq(value->text, words[i]))
            return (int)i;
    read_unknown_word(ld, value, what, words, n);
    return -1;
}

static int read_class(struct loader *ld, const struct yaml_node *key _unused_,
                      const struct yaml_node *value, void *ctx)
{
    struct schedule *s = ctx;
    int i;

    if (value->kind == YAML_SCALAR && streq(value->text, "deadline")) {
        policy_diag_cure(ld->diags,
                         read_error(ld, value, "`deadline` needs a runtime that no rule can know"),
                         "use fifo or rr with a priority");
        return 0;
    }
    i = find_word(ld, value, "a class", class_words, ARRAY_SIZE(class_words));
    if (i >= 0) {
        s->policy = class_policies[i];
        s->set |= SCHEDULE_CLASS;
    }
    return 0;
}

static int read_io_class(struct loader *ld, const struct yaml_node *key _unused_,
                         const struct yaml_node *value, void *ctx)
{
    struct schedule *s = ctx;
    int i = find_word(ld, value, "a class of I/O", io_words, ARRAY_SIZE(io_words));

    if (i >= 0) {
        s->io_class = i + 1;
        s->set |= SCHEDULE_IO_CLASS;
    }
    return 0;
}

static const struct key_row keys[] = {
    {.name = "weight", .read = read_weight},       {.name = "quota", .read = read_quota},
    {.name = "cpus", .read = read_cpus},           {.name = "nice", .read = read_nice},
    {.name = "class", .read = read_class},         {.name = "priority", .read = read_priority},
    {.name = "io_weight", .read = read_io_weight}, {.name = "io_class", .read = read_io_class},
};

static void check_values(struct loader *ld, const struct yaml_node *node, const struct schedule *s)
{
    bool real_time = s->set & SCHEDULE_CLASS && (s->policy == SCHED_FIFO || s->policy == SCHED_RR);

    if (!s->set)
        policy_diag_expected(ld->diags, read_error(ld, node, "`schedule` says nothing"),
                             "{weight: 20, quota: 50%%, cpus: \"0-1\", nice: 10, class: batch}");
    if (real_time && !s->priority)
        policy_diag_expected(ld->diags, read_error(ld, node, "the class has no `priority`"),
                             "priority: 1 … 99");
    if (!real_time && s->priority)
        policy_diag_cure(ld->diags,
                         read_error(ld, node, "`priority` is for the classes fifo and rr alone"),
                         "use `nice`, or give the class");
    if (real_time && s->set & SCHEDULE_NICE)
        policy_diag_cure(ld->diags,
                         read_error(ld, node, "`nice` means nothing for real-time classes"),
                         "leave it out");
}

int read_schedule(struct loader *ld, const struct yaml_node *key, const struct yaml_node *value,
                  void *ctx)
{
    const struct yaml_node any = {.kind = YAML_SCALAR,
                                  .text = "any",
                                  .len = 3,
                                  .line = key->line,
                                  .column = key->column,
                                  .width = key->width};
    struct rule_draft *d = ctx;
    struct schedule s = {};
    int r;

    r = read_map(ld, value, keys, ARRAY_SIZE(keys), "`schedule`", &s);
    if (r < 0)
        return r;
    if (value->kind == YAML_MAP && !ld->bad)
        check_values(ld, value, &s);
    if (d->verdict)
        policy_diag_cure(ld->diags, read_error(ld, key, "a rule with `schedule` has no `do`"),
                         "leave `do` out");
    if (d->what)
        policy_diag_cure(ld->diags,
                         read_error(ld, key, "a rule has either `%s` or `schedule`", d->what->text),
                         "name programs in `by`: {by: {exe: /usr/bin/make}, schedule: {nice: 10}}");
    d->what = key;
    d->verdict = true;
    d->r.verdict = SG_AUDIT;
    d->r.ops = SG_OP_CONTROL;
    d->r.schedule = arena_dup(ld->arena, &s, 1, sizeof(s));
    if (!d->r.schedule)
        return -ENOMEM;
    return read_control_value(ld, SG_CONTROL_schedule, &any, &d->paths);
}

// Does the subject name control groups by their paths, and nothing else?
static bool names_groups(const struct policy_subject *s)
{
    for (uint32_t i = 0; i < s->cgroup.n; i++)
        if (strpbrk(s->cgroup.items[i].text, "*?["))
            return false;
    return s->keys == POLICY_KEY_CGROUP;
}

bool policy_schedule_groups(const struct policy *p, const struct policy_rule *rule)
{
    for (uint32_t i = 0; i < rule->n_by; i++)
        if (!names_groups(&p->subjects[rule->by[i]]))
            return false;
    return rule->n_by > 0 && rule->n_not_by == 0;
}

void check_schedule(struct loader *ld, const struct yaml_node *node, const struct rule_draft *d)
{
    const struct policy view = {.subjects = ld->subjects};

    if (!d->r.schedule)
        return;
    if (!streq(d->what->text, "schedule"))
        policy_diag_cure(ld->diags,
                         read_error(ld, d->what, "a rule has either `schedule` or `%s`",
                                    d->what->text),
                         "name programs in `by`: {by: {exe: /usr/bin/make}, schedule: {nice: 10}}");
    else if (d->r.verdict != SG_AUDIT)
        policy_diag_cure(ld->diags, read_error(ld, node, "a rule with `schedule` has no `do`"),
                         "leave `do` out");
    else if (!d->r.n_by)
        policy_diag_expected(ld->diags,
                             read_error(ld, node, "a rule with `schedule` has to say for whom"),
                             "by: {exe: /usr/bin/make} or by: {cgroup: /system.slice/x.service}");
    else if (d->r.schedule->set & SCHEDULE_IO_WEIGHT && !policy_schedule_groups(&view, &d->r))
        policy_diag_cure(ld->diags,
                         read_error(ld, node,
                                    "`io_weight` is of control groups: processes do not have one"),
                         "name control groups in `by`, without patterns, or use `io_class`");
}
