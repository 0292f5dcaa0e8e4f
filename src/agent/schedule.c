// SPDX-License-Identifier: Apache-2.0
#include "agent/schedule.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/facts.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macro.h"
#include "schedule/group.h"
#include "schedule/io.h"

#define ROUND_NS  (10 * NS_PER_SEC) // from one look at all processes to the next
#define TICKS     9u                // in which a look is done, where these bounds let it
#define EACH_TICK 64u               // that are looked at in one, at least
#define TICK_NS   (100 * NS_PER_MS) // of a CPU, for one

static void failed(struct agent *a, const struct error *err)
{
    struct scheduling *s = &a->scheduling;

    s->failed++;
    s->error = *err;
    if (!s->told)
        (void)log_error_struct(err);
    s->told = true;
}

static void count(struct agent *a, int r, const struct error *err)
{
    if (r > 0)
        a->scheduling.applied++;
    else if (r < 0 && r != -ESRCH)
        failed(a, err);
}

static const struct schedule_rule *rule_of(const struct agent *a, uint16_t rule)
{
    for (size_t i = 0; i < a->scheduling.n_rules; i++)
        if (a->scheduling.rules[i].rule == rule)
            return &a->scheduling.rules[i];
    return NULL;
}

// The control groups that a rule names.
static void apply_groups(struct agent *a, const struct schedule_rule *r)
{
    const struct policy *p = a->policies.now->policy;

    for (uint32_t i = 0; i < r->policy_rule->n_by; i++) {
        const struct policy_patterns *groups = &p->subjects[r->policy_rule->by[i]].cgroup;

        for (uint32_t k = 0; k < groups->n; k++) {
            struct error err = {};
            int done = book_group(a->scheduling.book, groups->items[k].text, r->name,
                                  r->policy_rule->schedule, &err);

            // One that is not there gets it when somebody begins in it.
            count(a, done == -ENOENT && !error_is_set(&err) ? 0 : done, &err);
        }
    }
}

static void apply(struct agent *a, const struct schedule_rule *r, const struct book_subject *who)
{
    struct schedule values = *r->policy_rule->schedule;
    struct error err = {};

    if (r->groups)
        values.set &= ~(uint32_t)SCHEDULE_OF_GROUP;
    count(a, book_process(a->scheduling.book, who, r->name, &values, &err), &err);
}

// What the one that it comes from was given is nothing that it had before.
static void note_descent(struct agent *a, const struct who *who)
{
    for (uint32_t i = 0; who && i < who->n_ancestors; i++) {
        const struct process_ref *from = &who->ancestors[i].ref;

        if (book_child(a->scheduling.book, who->ref.tgid, who->ref.start_ns, from->tgid,
                       from->start_ns))
            return;
    }
}

static void apply_at_exec(struct agent *a, const struct schedule_rule *r,
                          const struct sg_stopped *stopped)
{
    struct process_ref ref = {stopped->tgid, stopped->start_ns};
    char path[32], exe[PATH_MAX];
    ssize_t n;

    note_descent(a, process_table_who(a->processes, &ref));
    (void)snprintf(path, sizeof(path), "/proc/%u/exe", ref.tgid);
    n = readlink(path, exe, sizeof(exe) - 1);
    exe[n > 0 ? n : 0] = '\0';
    apply(a, r, &(struct book_subject){ref.tgid, ref.start_ns, n > 0 ? exe : NULL});
}

static void on_stopped(void *ctx, const struct sg_stopped *stopped)
{
    struct agent *a = ctx;
    struct scheduling *s = &a->scheduling;
    const struct loaded *now = a->policies.now;
    const struct schedule_rule *r = NULL;

    s->stopped++;
    // Under another policy than this one: the look at all processes that follows its change finds it.
    if (now && now->id == stopped->policy_id)
        r = rule_of(a, (uint16_t)stopped->rule);
    if (!r)
        return;
    if (r->groups)
        apply_groups(a, r);
    apply_at_exec(a, r, stopped);
    if (r->groups && !(r->policy_rule->schedule->set & SCHEDULE_OF_PROCESS))
        (void)stops_settle(&s->stops, stopped->cgroup_id, stopped->policy_id, stopped->rule);
}

static int on_readable(void *ctx, int fd _unused_, uint32_t events _unused_)
{
    struct agent *a = ctx;

    stops_seen(&a->scheduling.stops);
    (void)stops_each(&a->scheduling.stops.view, 0, on_stopped, a);
    return 0;
}

// Also those of an earlier agent, of which it could not say so any more.
static void tell_late(struct sg_stops *stops)
{
    uint64_t late = __atomic_load_n(&stops->late, __ATOMIC_RELAXED);

    if (late != stops->told)
        log_warning("%llu processes were continued before they were scheduled as their rules say:"
                    " no agent answered in time; the next look schedules them",
                    (unsigned long long)(late - stops->told));
    stops->told = late;
}

void schedule_start(struct agent *a)
{
    struct scheduling *s = &a->scheduling;
    struct error err = {};
    int r;

    s->watch.pipe = -1;
    if (stops_open(a->sensor, &s->stops, &err) < 0) {
        failed(a, &err);
        return;
    }
    // An earlier agent may have left somebody.
    (void)stops_each(&s->stops.view, 0, NULL, NULL);
    r = loop_add_fd(a->loop, stops_fd(&s->stops), EPOLLIN, on_readable, a, &s->source);
    if (r < 0)
        (void)log_error_code(r, "stopped processes cannot be watched: %m");
}

static int open_book(struct agent *a)
{
    _cleanup_(sb_done) struct strbuf path = {};
    int r;

    if (a->scheduling.book)
        return 0;
    sb_printf(&path, "%s/schedule.json", a->config.run_dir);
    if (path.failed)
        return -ENOMEM;
    // Without rules it is needed for what an earlier agent did only.
    if (a->scheduling.n_rules == 0 && access(sb_str(&path), F_OK) < 0)
        return 0;
    r = book_new(&(struct book_options){.path = sb_str(&path)}, &a->scheduling.book);
    if (r < 0)
        (void)log_error_code(r, "what is done for rules cannot be kept: %m");
    return r;
}

// No rule is about it as it is now. What it was given stays with it when that is only since it began another program; else, such as
// in another group, it goes back.
static void look_at_unruled(struct agent *a, const struct process_ref *ref,
                            struct policy_facts *facts, time_t now)
{
    const struct policy_image *image = a->policies.now->image;
    struct error err = {};
    const char *exe;
    uint16_t rule;

    if (!book_knows(a->scheduling.book, ref->tgid, ref->start_ns, &exe))
        return;
    if (exe) {
        facts->exe = exe;
        if (policy_schedule_of(image, facts, now, &rule) == 0)
            return;
    }
    count(a, book_leave(a->scheduling.book, ref->tgid, ref->start_ns, &err), &err);
}

static void look_at(struct agent *a, uint32_t pid)
{
    const struct policy_image *image = a->policies.now->image;
    char group[GROUP_PATH_MAX];
    time_t now = time(NULL);
    _cleanup_(facts_done) struct facts facts = {};
    _cleanup_(opened_task_done) struct opened_task t = {};
    const struct schedule_rule *r;
    _cleanup_close_ int dir = -1;
    const struct who *who;
    char path[32];
    uint16_t rule;
    int found;

    (void)snprintf(path, sizeof(path), "/proc/%u", pid);
    dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || opened_task_read(dir, dir, pid, image, &t) < 0)
        return;
    who = process_table_who(a->processes, &(struct process_ref){pid, t.start_ns});
    if (!who || who->kthread || facts_of(who, &t, &facts) < 0)
        return;
    // The table learns of a move when the process does something that is recorded.
    if (a->scheduling.unified && group_of("/proc", pid, group) == 0)
        facts.facts.cgroup = group;
    note_descent(a, who);
    found = policy_schedule_of(image, &facts.facts, now, &rule);
    if (found == -ENOENT)
        look_at_unruled(a, &who->ref, &facts.facts, now);
    r = found < 0 ? NULL : rule_of(a, rule);
    if (r)
        apply(a, r, &(struct book_subject){pid, who->ref.start_ns, facts.facts.exe});
}

static int note_pid(void *ctx, int dir _unused_, const struct dirent *entry)
{
    struct scheduling *s = ctx;
    char *end;
    unsigned long pid = strtoul(entry->d_name, &end, 10);

    if (*end || pid == 0 || pid > INT32_MAX || pid == (unsigned long)getpid())
        return 0;
    if (!GREEDY(s->pids, s->cap_pids, s->n_pids + 1))
        return -ENOMEM;
    s->pids[s->n_pids++] = (uint32_t)pid;
    return 0;
}

// `each` of those that are left, unless that takes too much of a CPU.
static void look_at_some(struct agent *a, size_t each, uint64_t within_ns)
{
    struct scheduling *s = &a->scheduling;
    uint64_t start = now_ns(CLOCK_THREAD_CPUTIME_ID);

    if (s->n_pids == 0)
        return;
    for (size_t i = 0; s->n_pids > 0 && i < each; i++) {
        if (i >= EACH_TICK && now_ns(CLOCK_THREAD_CPUTIME_ID) - start > within_ns)
            break;
        look_at(a, s->pids[--s->n_pids]);
    }
    s->used_ns += now_ns(CLOCK_THREAD_CPUTIME_ID) - start;
    if (s->n_pids == 0) {
        s->look_ns = now_ns(CLOCK_MONOTONIC) - s->round_ns;
        s->look_cpu_ns = s->used_ns;
        s->used_ns = 0;
    }
}

static bool weighs_io(const struct scheduling *s)
{
    for (size_t i = 0; i < s->n_rules; i++)
        if (s->rules[i].policy_rule->schedule->set & SCHEDULE_IO_WEIGHT)
            return true;
    return false;
}

// What rules say of groups and, from here on, of all processes.
static void begin_round(struct agent *a)
{
    struct scheduling *s = &a->scheduling;

    s->round_ns = now_ns(CLOCK_MONOTONIC);
    s->told = false;
    s->used_ns = 0;
    for (size_t i = 0; i < s->n_rules; i++)
        if (s->rules[i].groups)
            apply_groups(a, &s->rules[i]);
    s->n_pids = 0;
    (void)opendir_foreach(AT_FDCWD, "/proc", note_pid, s);
    s->io_served = weighs_io(s) ? io_weight_served(NULL, NULL) : NULL;
    s->each = MAX(s->n_pids / TICKS + 1, (size_t)EACH_TICK);
    s->unified = access(GROUP_ROOT "/cgroup.controllers", F_OK) == 0;
}

static void drop_others(struct agent *a)
{
    struct scheduling *s = &a->scheduling;
    _cleanup_free_ const char **names = new0(const char *, s->n_rules + 1);
    struct error err = {};

    if (!names)
        return;
    for (size_t i = 0; i < s->n_rules; i++)
        names[i] = s->rules[i].name;
    if (book_keep_only(s->book, names, s->n_rules, &err) > 0)
        failed(a, &err);
}

void schedule_policy_changed(struct agent *a)
{
    struct scheduling *s = &a->scheduling;
    struct schedule_rule *rules = NULL;
    size_t n = 0;
    int r;

    r = schedule_rules_of(a->policies.now->policy, &rules, &n);
    if (r < 0) {
        (void)log_error_code(r, "the rules that schedule cannot be listed: %m");
        return;
    }
    free(s->rules);
    s->rules = rules;
    s->n_rules = n;
    schedule_ext_judge(a);
    if (open_book(a) < 0 || !s->book)
        return;
    if (n > 0 && s->stops.view.memory) {
        r = schedule_watch_start(s);
        if (r < 0)
            (void)log_error_code(r, "nobody would continue stopped processes after this agent: %m");
    }
    drop_others(a);
    begin_round(a);
    look_at_some(a, SIZE_MAX, UINT64_MAX);
    r = book_save(s->book);
    if (r < 0)
        (void)log_error_code(r, "what was done for rules cannot be written down: %m");
}

void schedule_tick(struct agent *a)
{
    struct scheduling *s = &a->scheduling;

    // Those whose message did not come.
    if (s->stops.view.memory) {
        (void)stops_each(&s->stops.view, NS_PER_SEC, on_stopped, a);
        tell_late(s->stops.view.memory);
    }
    if (s->watch.pid && waitpid(s->watch.pid, NULL, WNOHANG) == s->watch.pid) {
        (void)safe_close(s->watch.pipe);
        s->watch.pid = 0;
        s->watch.pipe = -1;
        (void)schedule_watch_start(s);
    }
    schedule_ext_judge(a);
    if (!s->book || !a->policies.now || !s->n_rules)
        return;
    look_at_some(a, s->each, TICK_NS);
    if (s->n_pids == 0 && now_ns(CLOCK_MONOTONIC) - s->round_ns >= ROUND_NS) {
        drop_others(a);
        begin_round(a);
    }
    (void)book_save(s->book);
}

void schedule_stop(struct agent *a, bool detach)
{
    struct scheduling *s = &a->scheduling;

    s->source = loop_source_free(s->source);
    if (s->stops.view.memory)
        (void)stops_each(&s->stops.view, 0, NULL, NULL);
    schedule_watch_end(s);
    schedule_ext_stop(a);
    if (s->book && detach) {
        s->n_rules = 0;
        drop_others(a);
    }
    if (s->book)
        (void)book_save(s->book);
    s->book = book_free(s->book);
    stops_close(&s->stops);
    free(s->rules);
    free(s->pids);
    s->rules = NULL;
    s->pids = NULL;
}

void schedule_json(const struct agent *a, struct jw *jw)
{
    const struct scheduling *s = &a->scheduling;
    const struct sg_stops *stops = s->stops.view.memory;
    struct book_counters counters = {};

    if (s->book)
        book_counters(s->book, &counters);
    jw_begin_object(jw);
    jw_kv_u64(jw, "rules", s->n_rules);
    jw_kv_u64(jw, "processes", counters.processes);
    jw_kv_u64(jw, "groups", counters.groups);
    jw_kv_u64(jw, "stopped", s->stopped);
    jw_kv_u64(jw, "applied", s->applied);
    jw_kv_u64(jw, "failed", s->failed);
    jw_kv_u64(jw, "continued_late", stops ? stops->late : 0);
    jw_kv_u64(jw, "not_stopped", stops ? stops->full + stops->failed + stops->unknown : 0);
    jw_kv_u64(jw, "unbooked", counters.unbooked);
    jw_kv_str(jw, "io_weight", s->n_rules ? s->io_served : NULL);
    jw_kv_u64(jw, "look_ms", s->look_ns / NS_PER_MS);
    jw_kv_u64(jw, "look_cpu_ms", s->look_cpu_ns / NS_PER_MS);
    status_error(jw, "error", &s->error);
    jw_key(jw, "sched_ext");
    schedule_ext_json(a, jw);
    jw_end_object(jw);
}
