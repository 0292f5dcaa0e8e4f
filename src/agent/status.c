// SPDX-License-Identifier: Apache-2.0
//
// The status: one JSON object with everything that this agent knows about itself. docs: the keys are the
// contract with `safeguard status` and its tests (tests/golden/cli/status).
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/strutil.h"

static void kv_ms(struct jw *jw, const char *key, uint64_t ns)
{
    if (ns)
        jw_kv_u64(jw, key, ns / NS_PER_MS);
    else
        jw_kv_null(jw, key);
}

static void kv_word(struct jw *jw, const char *key, enum config_id id, uint32_t value)
{
    char buf[32];

    jw_kv_str(jw, key, config_word(id, value, buf, sizeof(buf)));
}

void status_error(struct jw *jw, const char *key, const struct error *err)
{
    if (!error_is_set(err)) {
        jw_kv_null(jw, key);
        return;
    }
    jw_kv_object(jw, key);
    jw_kv_str(jw, "what", err->what);
    if (err->file[0])
        jw_kv_str(jw, "file", err->file);
    if (err->line)
        jw_kv_u64(jw, "line", err->line);
    if (err->column)
        jw_kv_u64(jw, "column", err->column);
    if (err->expected[0])
        jw_kv_str(jw, "expected", err->expected);
    if (err->cure[0])
        jw_kv_str(jw, "cure", err->cure);
    jw_end_object(jw);
}

void status_hooks_json(struct agent *a, struct jw *jw)
{
    int64_t offset = boottime_to_realtime_offset_ns();
    const struct sensor_hook *hooks;
    size_t n;

    hooks = sensor_hooks(a->sensor, &n);
    jw_begin_array(jw);
    for (size_t i = 0; i < n; i++) {
        const struct sensor_hook *h = &hooks[i];

        jw_begin_object(jw);
        jw_kv_str(jw, "id", h->id);
        jw_kv_str(jw, "help", h->help);
        jw_kv_str(jw, "state", sensor_hook_state_name(h->state));
        if (h->state != SENSOR_HOOK_OFF && h->state != SENSOR_HOOK_UNAVAILABLE)
            jw_kv_str(jw, "attach", sensor_attach_name(h->attach));
        if (h->proved_ns)
            kv_ms(jw, "proved_ms", boottime_to_realtime_ns(h->proved_ns, offset));
        if (h->missed)
            jw_kv_u64(jw, "missed", h->missed);
        if (h->reason[0])
            jw_kv_str(jw, "reason", h->reason);
        if (h->cure[0])
            jw_kv_str(jw, "cure", h->cure);
        jw_end_object(jw);
    }
    jw_end_array(jw);
}

static void put_files(struct jw *jw, const struct policy *p)
{
    jw_kv_array(jw, "files");
    for (uint32_t f = 1; f < p->n_files; f++) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < p->n_rules; i++)
            n += p->rules[i].pos.file == f;
        jw_begin_object(jw);
        jw_kv_str(jw, "path", p->files[f].path);
        jw_kv_str(jw, "name", p->files[f].name);
        jw_kv_str(jw, "mode", p->files[f].monitor ? "monitor" : "enforce");
        jw_kv_u64(jw, "rules", n);
        jw_end_object(jw);
    }
    jw_end_array(jw);
}

void status_policy_files(const struct agent *a, size_t max, struct jw *jw)
{
    const struct policy *p = a->policies.now ? a->policies.now->policy : NULL;
    size_t len = strlen(strempty(a->uplink.policies_path)), shown = 0;

    jw_kv_array(jw, "files");
    // The first has the agent's own rules.
    for (uint32_t f = 1; p && f < p->n_files && shown < max; f++) {
        const struct policy_source *file = &p->files[f];
        const char *slash = strrchr(strempty(file->path), '/'),
                   *base = slash ? slash + 1 : strempty(file->path);

        // Those of the server the server knows.
        if (slash && len && strncmp(file->path, a->uplink.policies_path, len) == 0 &&
            file->path[len] == '/')
            continue;
        shown++;
        jw_begin_object(jw);
        jw_key(jw, "file");
        jw_str(jw, base, strnlen(base, STATUS_FILE_MAX));
        jw_kv_str(jw, "mode", file->monitor ? "monitor" : "enforce");
        jw_end_object(jw);
    }
    jw_end_array(jw);
}

static void put_numbers(struct jw *jw, const struct loaded *l)
{
    size_t enforced = 0, monitored = 0;

    for (uint32_t i = (uint32_t)l->n_own; i < l->policy->n_rules; i++) {
        const struct policy_rule *rule = &l->policy->rules[i];

        if (rule->verdict >= SG_DENY)
            *(rule->monitor ? &monitored : &enforced) += 1;
    }
    jw_kv_u64(jw, "id", l->id);
    jw_kv_str(jw, "from", l->accepted ? "accepted" : "directory");
    jw_kv_u64(jw, "rules", l->n_rules - l->n_own);
    jw_kv_u64(jw, "denying", enforced);
    jw_kv_u64(jw, "monitoring", monitored);
}

static void put_loaded(struct jw *jw, const struct loaded *l)
{
    put_numbers(jw, l);
    jw_kv_u64(jw, "image_bytes", l->image->size);
    jw_kv_u64(jw, "states", l->image->stats.n_states);
    jw_kv_u64(jw, "compile_ms", l->image->stats.compile_us / 1000);
    put_files(jw, l->policy);
}

static const char *policy_state(const struct agent *a, const struct sensor_facts *facts)
{
    const struct policies *p = &a->policies;

    if (p->now)
        return p->refused_ns ? "refused" : "in force";
    return p->building ? "building" : facts->policy_id ? "inherited" : "none";
}

void status_policy_summary(const struct agent *a, struct jw *jw)
{
    const struct policies *p = &a->policies;
    struct sensor_facts facts;

    sensor_facts(a->sensor, &facts);
    jw_kv_str(jw, "state", policy_state(a, &facts));
    kv_ms(jw, "changed_ms", p->changed_ns);
    kv_ms(jw, "refused_ms", p->refused_ns);
    if (p->now)
        put_numbers(jw, p->now);
}

void status_policy_json(const struct agent *a, struct jw *jw)
{
    const struct policies *p = &a->policies;
    struct sensor_facts facts;

    sensor_facts(a->sensor, &facts);
    jw_begin_object(jw);
    jw_kv_str(jw, "directory", a->config.policy_dir);
    jw_kv_str(jw, "state", policy_state(a, &facts));
    jw_kv_u64(jw, "generation", facts.generation);
    kv_ms(jw, "changed_ms", p->changed_ns);
    kv_ms(jw, "refused_ms", p->refused_ns);
    jw_kv_u64(jw, "changes", p->n_changes);
    jw_kv_u64(jw, "refusals", p->n_refusals);
    status_error(jw, "error", p->refused_ns ? &p->error : &(struct error){});
    if (p->now)
        put_loaded(jw, p->now);
    jw_key(jw, "found");
    if (p->diags)
        jw_raw(jw, p->diags, strlen(p->diags));
    else
        jw_null(jw);
    jw_end_object(jw);
}

static void put_kernel(const struct agent *a, struct jw *jw)
{
    jw_kv_object(jw, "kernel");
    jw_kv_str(jw, "release", a->probe.release);
    jw_kv_str(jw, "machine", a->probe.machine);
    jw_kv_str(jw, "lsm", a->probe.lsm);
    jw_kv_str(jw, "preemption", sensor_preemption_name(a->probe.preemption));
    jw_kv_array(jw, "missing");
    for (size_t i = 0; i < a->probe.n_capabilities; i++) {
        const struct sensor_capability *c = &a->probe.capabilities[i];

        if (c->ok)
            continue;
        jw_begin_object(jw);
        jw_kv_str(jw, "id", c->id);
        jw_kv_str(jw, "detail", c->detail);
        jw_kv_str(jw, "cure", c->cure);
        jw_end_object(jw);
    }
    jw_end_array(jw);
    jw_end_object(jw);
}

static void put_quick(const struct sensor_quick *q, struct jw *jw)
{
    jw_kv_object(jw, "quick_decisions");
    jw_kv_bool(jw, "on", q->on);
    if (!q->on) {
        jw_kv_bool(jw, "refused", q->refused);
        jw_kv_str(jw, "reason", q->reason);
        jw_kv_str(jw, "costs", SENSOR_QUICK_COST);
        jw_kv_str(jw, "log", q->log[0] ? q->log : NULL);
        jw_kv_str(jw, "cure", q->cure[0] ? q->cure : NULL);
    }
    jw_end_object(jw);
}

static void put_output(const struct agent *a, struct jw *jw)
{
    struct control_server_counters control;
    struct output_counters c;

    output_counters(a->output, &c);
    control_server_counters(a->control, &control);
    jw_kv_object(jw, "output");
    kv_word(jw, "kind", CONFIG_ID_output, a->config.output);
    if (a->config.output == CONFIG_OUTPUT_FILE)
        jw_kv_str(jw, "path", a->config.output_path);
    jw_kv_u64(jw, "records", c.lines);
    jw_kv_u64(jw, "bytes", c.sink.bytes);
    jw_kv_u64(jw, "rotations", c.sink.rotations);
    jw_kv_u64(jw, "waiting_bytes", c.waiting);
    jw_kv_u64(jw, "failures", c.failures);
    jw_kv_str(jw, "error", c.failing_since ? strerror(-c.error) : NULL);
    kv_ms(jw, "failing_since_ms", c.failing_since);
    jw_kv_u64(jw, "subscribers", control.subscribers);
    jw_end_object(jw);
}

static void put_records(const struct agent *a, struct jw *jw)
{
    const struct records *r = &a->records;

    jw_kv_object(jw, "records");
    jw_kv_u64(jw, "read", r->read);
    jw_kv_u64(jw, "denied", r->denied);
    jw_kv_u64(jw, "would_deny", r->would_deny);
    jw_kv_u64(jw, "findings", r->findings);
    jw_kv_u64(jw, "audited", r->audited);
    jw_kv_u64(jw, "merged", a->losses.counters[SG_COUNT_MERGED]);
    jw_kv_u64(jw, "unknown_file_systems", a->losses.counters[SG_COUNT_UNKNOWN_FS]);
    jw_end_object(jw);
}

static void put_mounts(const struct agent *a, struct jw *jw)
{
    const struct policy_mounts *all = a->mounts.view.all;

    jw_kv_object(jw, "mounts");
    jw_kv_u64(jw, "known", all ? all->n : 0);
    jw_kv_u64(jw, "left_out", all ? all->n_dropped : 0);
    jw_kv_u64(jw, "unreadable", all ? all->n_bad : 0);
    jw_kv_u64(jw, "changes", a->mounts.n_changes);
    status_error(jw, "error", &a->mounts.error);
    jw_end_object(jw);
}

static void put_links(const struct agent *a, struct jw *jw)
{
    const struct link_scan *l = &a->links;

    jw_kv_object(jw, "hard_links");
    jw_kv_bool(jw, "scanning", l->running);
    kv_ms(jw, "scanned_ms", l->looked_ns);
    jw_kv_u64(jw, "looked_at", l->seen);
    jw_kv_u64(jw, "pinned", l->pinned);
    jw_kv_str(jw, "incomplete", l->incomplete);
    jw_end_object(jw);
}

void status_self_test_json(const struct agent *a, struct jw *jw)
{
    const struct health *h = &a->health;

    jw_begin_object(jw);
    kv_ms(jw, "time_ms", h->tested_ns);
    jw_kv_u64(jw, "rounds", h->rounds);
    jw_kv_u64(jw, "failing", h->failing);
    status_error(jw, "error", &h->error);
    jw_end_object(jw);
}

// Resident pages are the second number of statm.
static uint64_t resident_bytes(void)
{
    _cleanup_free_ char *text = NULL;
    char **words = NULL;
    uint64_t pages = 0;

    if (read_file_bounded(AT_FDCWD, "/proc/self/statm", 4096, &text, NULL) < 0 ||
        strv_split(text, " \n", &words) < 0)
        return 0;
    if (strv_len(words) > 1)
        (void)parse_u64(words[1], &pages);
    strv_free(words);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void status_resources_json(const struct agent *a, struct jw *jw)
{
    struct process_counters processes;
    struct rusage usage = {};

    (void)getrusage(RUSAGE_SELF, &usage);
    process_table_counters(a->processes, &processes);
    jw_begin_object(jw);
    jw_kv_u64(jw, "resident_bytes", resident_bytes());
    jw_kv_u64(jw, "cpu_ms",
              (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
                  (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000);
    jw_kv_u64(jw, "cpu_permille", a->cpu_permille);
    jw_kv_u64(jw, "processes_known", processes.live);
    jw_end_object(jw);
}

struct problems {
    struct jw *jw;
    size_t n;
};

static void problem(struct problems *p, const char *severity, const char *cure, const char *fmt,
                    ...) _printf_(4, 5);

static void problem(struct problems *p, const char *severity, const char *cure, const char *fmt,
                    ...)
{
    _cleanup_(sb_done) struct strbuf text = {};
    va_list ap;

    va_start(ap, fmt);
    sb_vprintf(&text, fmt, ap);
    va_end(ap);
    jw_begin_object(p->jw);
    jw_kv_str(p->jw, "severity", severity);
    jw_kv_str(p->jw, "what", sb_str(&text));
    if (!str_isempty(cure))
        jw_kv_str(p->jw, "cure", cure);
    jw_end_object(p->jw);
    p->n++;
}

static void hook_problems(struct agent *a, struct problems *p)
{
    const struct sensor_hook *hooks;
    size_t n;

    hooks = sensor_hooks(a->sensor, &n);
    for (size_t i = 0; i < n; i++) {
        if (hooks[i].state == SENSOR_HOOK_FAILED)
            problem(p, "critical", hooks[i].cure, "hook %s: %s", hooks[i].id, hooks[i].reason);
        if (hooks[i].missed && hooks[i].attach == SENSOR_ATTACH_FMOD_RET)
            problem(p, "high", hooks[i].cure, "hook %s was skipped %llu times by the kernel",
                    hooks[i].id, (unsigned long long)hooks[i].missed);
    }
}

static void policy_problems(const struct agent *a, struct problems *p)
{
    const struct policies *policies = &a->policies;
    struct sensor_facts facts;

    sensor_facts(a->sensor, &facts);
    if (policies->refused_ns && policies->error.file[0])
        problem(p, "high", policies->error.cure,
                "the policies in the directory were refused: %s:%u:%u: %s", policies->error.file,
                policies->error.line, policies->error.column, policies->error.what);
    else if (policies->refused_ns)
        problem(p, "high", policies->error.cure, "the policies in the directory were refused: %s",
                policies->error.what);
    if (error_is_set(&policies->unfinished))
        problem(p, "high",
                policies->unfinished.cure[0] ? policies->unfinished.cure : POLICY_UNFINISHED_CURE,
                "the policy is in force, but the change to it could not be completed: %s",
                policies->unfinished.what);
    if (policies->now && policies->now->accepted)
        problem(p, "medium", NULL,
                "in force are the policies that were accepted last, not those in the directory");
    if (!policies->now && !policies->building)
        problem(p, "high", NULL,
                facts.policy_id ? "in force is what an earlier agent left there"
                                : "no policy is in force");
    if (a->policy_watch.error)
        problem(p, "medium", POLICYWATCH_CURE, "changes of %s are not noticed: %s",
                a->config.policy_dir, strerror(-a->policy_watch.error));
    if (!facts.enforcing)
        problem(p, "critical", "safeguard doctor",
                "this kernel cannot be trusted to deny: what is recorded may have passed");
    if (facts.quick.refused)
        problem(
            p, "medium", facts.quick.cure,
            "quick decisions are limited, since the kernel refused the programs that have them");
}

static void mount_problems(const struct agent *a, struct problems *p)
{
    const struct mount_watch *m = &a->mounts;
    const struct policy_mounts *all = m->view.all;

    if (error_is_set(&m->error))
        problem(p, "critical", m->error.cure, "some file systems are not under the policy: %s",
                m->error.what);
    if (m->unread)
        problem(p, "critical", NULL,
                "the mount table cannot be read, so that what was mounted since is not known: %s",
                strerror(-m->unread));
    if (all && all->n_dropped)
        problem(
            p, "critical", "unmount what is not needed",
            "%zu mounts are not looked at, since there are more than %u: rules may not hold there",
            all->n_dropped, POLICY_MOUNTS_MAX);
    if (all && all->n_bad)
        problem(p, "high", "please report it, with /proc/self/mountinfo",
                "%zu lines of the mount table cannot be read: rules may not hold there",
                all->n_bad);
}

static void uplink_problem(void *ctx, const char *severity, const char *cure, const char *what)
{
    problem(ctx, severity, cure, "%s", what);
}

void status_problems_json(struct agent *a, struct jw *jw)
{
    struct problems p = {.jw = jw};
    struct output_counters c;

    output_counters(a->output, &c);
    jw_begin_array(jw);
    policy_problems(a, &p);
    if (error_is_set(&a->health.error))
        problem(&p, "critical", a->health.error.cure, "%s", a->health.error.what);
    hook_problems(a, &p);
    mount_problems(a, &p);
    if (c.failing_since)
        problem(&p, "high", "make room or repair the destination of the records",
                "records cannot be written: %s", strerror(-c.error));
    uplink_problems(a, uplink_problem, &p);
    defence_problems(a, uplink_problem, &p);
    isolation_problems(a, uplink_problem, &p);
    schedule_problems(a, uplink_problem, &p);
    net_problems(a, uplink_problem, &p);
    packets_problems(a, uplink_problem, &p);
    if (a->links.incomplete)
        problem(&p, "low", NULL, "not every file with several names is known: %s",
                a->links.incomplete);
    if (a->descriptors.found)
        problem(&p, "medium", "restart the processes below",
                "%llu descriptors are open that were opened before the policy denied it",
                (unsigned long long)a->descriptors.found);
    jw_end_array(jw);
}

// What can be trusted to deny here, has not just been seen not to, and has more rules than the self-test's.
static bool is_enforcing(struct agent *a, const struct sensor_facts *facts)
{
    const struct sensor_hook *hooks;
    size_t n;

    if (!facts->enforcing || error_is_set(&a->health.error) || error_is_set(&a->mounts.error) ||
        (a->policies.now && a->policies.now->n_rules == a->policies.now->n_own))
        return false;
    hooks = sensor_hooks(a->sensor, &n);
    for (size_t i = 0; i < n; i++)
        if (hooks[i].state == SENSOR_HOOK_FAILED)
            return false;
    return true;
}

// What the status begins with.
static void put_agent(const struct agent *a, struct jw *jw)
{
    jw_kv_str(jw, "version", SAFEGUARD_VERSION);
    jw_kv_u64(jw, "pid", (uint64_t)getpid());
    jw_kv_str(jw, "hostname", a->host.hostname);
    kv_ms(jw, "started_ms", a->started_ns);
}

static void put_mode(struct agent *a, const struct sensor_facts *facts, struct jw *jw)
{
    kv_word(jw, "mode", CONFIG_ID_mode, a->config.mode);
    jw_kv_str(jw, "attach", sensor_attach_name(facts->attach));
    jw_kv_bool(jw, "enforcing", is_enforcing(a, facts));
    jw_kv_bool(jw, "taken_over", facts->taken_over);
    // "off" where something else was asked for: before the first policy, or for want of a hook.
    kv_word(jw, "credentials_wanted", CONFIG_ID_credentials, a->config.credentials);
    kv_word(jw, "credentials", CONFIG_ID_credentials, (uint32_t)facts->credentials);
}

void status_agent_json(struct agent *a, struct jw *jw)
{
    struct sensor_facts facts;

    sensor_facts(a->sensor, &facts);
    jw_begin_object(jw);
    put_agent(a, jw);
    put_mode(a, &facts, jw);
    jw_end_object(jw);
}

void status_json(struct agent *a, struct jw *jw)
{
    struct sensor_facts facts;

    sensor_facts(a->sensor, &facts);
    jw_begin_object(jw);
    put_agent(a, jw);
    kv_ms(jw, "now_ms", now_ns(CLOCK_REALTIME));
    put_mode(a, &facts, jw);
    jw_key(jw, "problems");
    status_problems_json(a, jw);
    put_kernel(a, jw);
    put_quick(&facts.quick, jw);
    jw_key(jw, "policy");
    status_policy_json(a, jw);
    jw_key(jw, "hooks");
    status_hooks_json(a, jw);
    put_records(a, jw);
    jw_key(jw, "programs");
    programs_json(a, jw);
    jw_key(jw, "losses");
    losses_json(a, jw);
    jw_key(jw, "scheduling");
    schedule_json(a, jw);
    jw_key(jw, "network");
    net_json(a, jw);
    jw_key(jw, "packets");
    packets_json(a, jw);
    jw_key(jw, "losses_by_cpu");
    losses_by_cpu_json(a, jw);
    put_output(a, jw);
    put_mounts(a, jw);
    put_links(a, jw);
    jw_key(jw, "old_descriptors");
    descriptors_json(a, jw);
    jw_key(jw, "self_test");
    status_self_test_json(a, jw);
    jw_key(jw, "defence");
    defence_json(a, jw);
    jw_key(jw, "isolation");
    isolation_json(a, jw);
    jw_key(jw, "resources");
    status_resources_json(a, jw);
    jw_key(jw, "server");
    uplink_json(a, jw);
    jw_end_object(jw);
}
