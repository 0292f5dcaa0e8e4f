// SPDX-License-Identifier: Apache-2.0
//
// What `policy check` says of the mechanisms: which hooks or which filter serve each rule, on this kernel or on another.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "cli/served.h"
#include "schedule/io.h"
#include "sensor/kernel.h"

#define SHOWN_MAX 50 // rules that get a line of their own

// By number.
static const char *const hook_ids[SG_HOOK_COUNT] = {
#define SG_HOOK(id, ops, canary, help) [SG_HOOK_##id] = #id,
#include "abi/hooks.def"
};

static bool kernel_has(void *ctx, const char *hook)
{
    const struct served_kernel *k = ctx;

    for (size_t i = 1; i < SG_HOOK_COUNT; i++)
        if (streq(hook_ids[i], hook))
            return k->has[i];
    return false;
}

// What a hook of type fmod_ret refuses is let through where a task is preempted inside it.
static void find_preemption(const struct sensor_probe *p, struct served_kernel *ret)
{
    for (size_t i = 0; i < p->n_capabilities; i++) {
        const struct sensor_capability *c = &p->capabilities[i];

        if (ret->lsm || c->ok || !streq(c->id, "preemption"))
            continue;
        ret->records = true;
        (void)snprintf(ret->cure, sizeof(ret->cure), "%s", c->cure);
    }
}

int served_this_kernel(struct served_kernel *ret)
{
    struct sensor_probe probe;
    int r = sensor_probe(&probe);

    *ret = (struct served_kernel){};
    if (r < 0)
        return r;
    (void)snprintf(ret->name, sizeof(ret->name), "%s", probe.release);
    // Without privileges nothing can be tried: what the kernel lists is what counts then.
    ret->lsm = probe.attach == SENSOR_ATTACH_LSM || strstr(probe.lsm, "bpf");
    find_preemption(&probe, ret);
    ret->io_weight = io_weight_served(NULL, NULL);
    ret->sched_ext = access("/sys/kernel/sched_ext/state", F_OK) == 0;
    r = sensor_hooks_here(&probe, ret->lsm ? SENSOR_ATTACH_LSM : SENSOR_ATTACH_FMOD_RET, ret->has);
    if (r < 0)
        return r;
    if (!ret->has[SG_HOOK_file_open])
        return -EOPNOTSUPP;
    ret->kernel = (struct policy_kernel){.has_hook = kernel_has, .ctx = ret};
    return 0;
}

int served_version(const char *version, struct served_kernel *ret)
{
    *ret = (struct served_kernel){.lsm = true, .kernel = {.version = kernel_version(version)}};
    (void)snprintf(ret->name, sizeof(ret->name), "%s", version);
    return ret->kernel.version ? 0 : -EINVAL;
}

static void put_about(const struct policy_rule *rule, struct strbuf *sb)
{
    bool more = true;

    for (uint32_t i = 0, n = 0; more && n <= 4; i++) {
        _cleanup_(sb_done) struct strbuf one = {};

        more = policy_rule_about(rule, i, &one);
        if (one.len && ++n <= 4) {
            sb_putc(sb, ' ');
            put_escaped(sb, sb_str(&one));
        } else if (one.len) {
            sb_puts(sb, " ...");
        }
    }
}

static void put_names(struct strbuf *sb, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sb_printf(sb, "%s%s", i ? ", " : "", names[i]);
}

static void put_hooks(const struct policy_served *s, bool lsm, struct strbuf *sb)
{
    if (s->n_hooks) {
        sb_puts(sb, lsm ? "LSM " : "fmod_ret ");
        put_names(sb, s->hooks, s->n_hooks);
    }
    if (s->n_tracepoints) {
        sb_printf(sb, "%stracepoint ", s->n_hooks ? "; " : "");
        put_names(sb, s->tracepoints, s->n_tracepoints);
    }
}

static void put_served(const struct policy *p, const struct policy_rule *rule,
                       const struct policy_served *s, bool lsm, struct strbuf *sb)
{
    const struct policy_source *file = &p->files[rule->pos.file];
    const char *slash = strrchr(file->path, '/');

    sb_puts(sb, "  ");
    put_escaped(sb, slash ? slash + 1 : file->path);
    sb_printf(sb, ":%u ", rule->pos.line);
    if (rule->schedule) {
        sb_puts(sb, " schedule: ");
        put_names(sb, s->setters, s->n_setters);
        sb_puts(sb, "; from an exec on, by ");
    } else {
        put_about(rule, sb);
        sb_puts(sb, ": ");
    }
    if (s->by == POLICY_SERVED_BY_FILTER) {
        sb_puts(sb, "seccomp, for what 'safeguard run --policy ");
        put_escaped(sb, file->name);
        sb_puts(sb, "' starts\n");
        return;
    }
    if (s->by == POLICY_SERVED_BY_NOTHING) {
        sb_puts(sb, "nothing\n");
        return;
    }
    put_hooks(s, lsm, sb);
    if (s->n_unseen) {
        sb_puts(sb, "; not seen on this kernel: ");
        put_names(sb, s->unseen, s->n_unseen);
    }
    for (size_t i = 0; i < s->n_fixed; i++)
        sb_printf(sb, "; %s from %s whatever the rule says", strerrorname_np(s->fixed[i].error),
                  s->fixed[i].calls);
    for (uint32_t i = 0; i < s->wider.n; i++)
        sb_printf(sb, "%s%s", i ? ", " : "; decides also: ", s->wider.items[i]);
    sb_putc(sb, '\n');
}

int render_served(const struct policy *p, const struct served_kernel *k, struct strbuf *sb)
{
    size_t shown = 0, files = 0;
    bool schedules = false, weighs_io = false;

    for (uint32_t i = 0; i < p->n_rules; i++) {
        struct policy_served s;
        int r;

        schedules = schedules || p->rules[i].schedule;
        weighs_io = weighs_io ||
                    (p->rules[i].schedule && p->rules[i].schedule->set & SCHEDULE_IO_WEIGHT);
        if (p->rules[i].section == POLICY_SECTION_FILES) {
            files++;
            continue;
        }
        if (++shown > SHOWN_MAX)
            continue;
        r = policy_served(&p->rules[i], &k->kernel, &s);
        if (r < 0)
            return r;
        if (shown == 1)
            sb_printf(sb, "served on %s by:\n", k->name);
        put_served(p, &p->rules[i], &s, k->lsm, sb);
        policy_served_done(&s);
    }
    if (shown > SHOWN_MAX)
        sb_printf(sb, "  and %zu more rules; --json has all of them\n", shown - SHOWN_MAX);
    if (shown && files)
        sb_printf(sb, "  %zu rules about files: %s\n", files, k->lsm ? "LSM" : "fmod_ret");
    if (schedules && k->sched_ext)
        sb_puts(
            sb,
            "  with 'sched_ext: on' in agent.yaml safeguard's own scheduler serves those that schedule\n");
    if (weighs_io && k->io_weight && streq(k->io_weight, IO_SERVED_NOBODY))
        sb_puts(
            sb,
            "  io_weight has no effect here: no disk has the scheduler BFQ, and iocost is enabled for none\n");
    if (k->records)
        sb_printf(
            sb,
            "on %s rules only record: its hooks are attached by fmod_ret, and it preempts inside them\n"
            "  to do: %s\n",
            k->name, k->cure);
    return 0;
}

static void json_names(struct jw *jw, const char *key, const char *const *names, size_t n)
{
    jw_kv_array(jw, key);
    for (size_t i = 0; i < n; i++)
        jw_cstr(jw, names[i]);
    jw_end_array(jw);
}

int render_served_json(const struct policy *p, const struct served_kernel *k, struct jw *jw)
{
    jw_kv_object(jw, "served");
    jw_kv_str(jw, "kernel", k->name);
    jw_kv_str(jw, "attach", k->lsm ? "lsm" : "fmod_ret");
    jw_kv_bool(jw, "records_only", k->records);
    jw_kv_bool(jw, "sched_ext", k->sched_ext);
    jw_kv_str(jw, "io_weight", k->io_weight);
    jw_kv_array(jw, "rules");
    for (uint32_t i = 0; i < p->n_rules; i++) {
        const struct policy_rule *rule = &p->rules[i];
        struct policy_served s;
        int r = policy_served(rule, &k->kernel, &s);

        if (r < 0)
            return r;
        jw_begin_object(jw);
        jw_kv_str(jw, "file", p->files[rule->pos.file].path);
        jw_kv_u64(jw, "line", rule->pos.line);
        jw_kv_str(jw, "section", policy_section_name(rule->section));
        jw_kv_str(jw, "by", policy_mechanism_name(s.by));
        json_names(jw, "hooks", s.hooks, s.n_hooks);
        json_names(jw, "absent", s.absent, s.n_absent);
        json_names(jw, "tracepoints", s.tracepoints, s.n_tracepoints);
        json_names(jw, "setters", s.setters, s.n_setters);
        json_names(jw, "unseen", s.unseen, s.n_unseen);
        if (s.needs) {
            char needs[16];

            (void)snprintf(needs, sizeof(needs), "%u.%u", s.needs >> 16, s.needs & 0xffff);
            jw_kv_str(jw, "needs", needs);
        }
        jw_end_object(jw);
        policy_served_done(&s);
    }
    jw_end_array(jw);
    jw_end_object(jw);
    return 0;
}
