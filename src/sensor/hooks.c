// SPDX-License-Identifier: Apache-2.0
//
// What became of each hook, in words for people.
#include <bpf/bpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/strutil.h"
#include "sensor/hostfile.h"
#include "sensor/internal.h"

#define REASON(h, ...) (void)snprintf((h)->reason, sizeof((h)->reason), __VA_ARGS__)
#define CURE(h, ...)   (void)snprintf((h)->cure, sizeof((h)->cure), __VA_ARGS__)

static const char *const attach_names[] = {
    [SENSOR_ATTACH_NONE] = "none",
    [SENSOR_ATTACH_LSM] = "lsm",
    [SENSOR_ATTACH_FMOD_RET] = "fmod_ret",
};

static const char *const preemption_names[] = {
    [SENSOR_PREEMPT_UNKNOWN] = "unknown",     [SENSOR_PREEMPT_NONE] = "none",
    [SENSOR_PREEMPT_VOLUNTARY] = "voluntary", [SENSOR_PREEMPT_FULL] = "full",
    [SENSOR_PREEMPT_LAZY] = "lazy",           [SENSOR_PREEMPT_RT] = "rt",
};

static const char *const state_names[] = {
    [SENSOR_HOOK_OFF] = "off",
    [SENSOR_HOOK_PROVED] = "proved",
    [SENSOR_HOOK_ATTACHED] = "attached",
    [SENSOR_HOOK_RECORDING] = "recording",
    [SENSOR_HOOK_FAILED] = "failed",
    [SENSOR_HOOK_UNAVAILABLE] = "unavailable",
    [SENSOR_HOOK_UNTESTABLE] = "untestable",
};

const char *sensor_attach_name(enum sensor_attach a)
{
    return (size_t)a < ARRAY_SIZE(attach_names) ? attach_names[a] : "?";
}

const char *sensor_preemption_name(enum sensor_preemption p)
{
    return (size_t)p < ARRAY_SIZE(preemption_names) ? preemption_names[p] : "?";
}

const char *sensor_hook_state_name(enum sensor_hook_state s)
{
    return (size_t)s < ARRAY_SIZE(state_names) ? state_names[s] : "?";
}

const struct choice *row_choice(const struct sensor *s, size_t i)
{
    return i < HOOKS ? &s->choices.hooks[i] : &s->choices.extras[guard_extra(i - HOOKS)];
}

const struct link *row_link(const struct sensor *s, size_t i)
{
    return links_of(&s->links, row_choice(s, i));
}

enum canary_kind row_canary(size_t i)
{
    return i < HOOKS ? hook_row(i)->canary : guard_row(i - HOOKS)->canary;
}

// Not by a hook, and so never skipped: the program of the root of all cgroups.
static bool row_hooked(size_t i)
{
    return row_canary(i) != CANARY_guard_sysctl;
}

bool row_enforces(const struct sensor *s, size_t i)
{
    return s->enforcing || !row_hooked(i);
}

static uint64_t missed_runs(uint32_t prog_id)
{
    _cleanup_close_ int fd = bpf_prog_get_fd_by_id(prog_id);
    struct bpf_prog_info info = {};
    uint32_t len = sizeof(info);

    if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
        return 0;
    return info.recursion_misses;
}

static void explain_failure(const struct proof *p, struct sensor_hook *h)
{
    char text[16];

    if (p->seen)
        REASON(h, "the self-test was recorded but not refused (%s)",
               p->error ? strerror(p->error) : "it passed");
    else if (p->denied)
        REASON(h, "the self-test was refused but its record did not come");
    else
        REASON(h, "the self-test was neither refused nor recorded (%s)",
               p->error ? strerror(p->error) : "it passed");
    if (hostfile_read("", "/proc/sys/kernel/ftrace_enabled", text, sizeof(text)) == 0 &&
        streq(text, "0"))
        CURE(h, "sysctl -w kernel.ftrace_enabled=1: somebody switched all attached programs off");
    else if (!p->seen && !p->denied)
        CURE(
            h,
            "see that bpf is in /sys/kernel/security/lsm ('safeguard doctor'), and restart the agent");
    else
        CURE(h, "run 'safeguard doctor'; when records are lost, give the rings more room");
}

static void explain_recording(const struct sensor *s, struct sensor_hook *h)
{
    REASON(
        h,
        "fmod_ret is skipped for a task that comes while another is preempted in it (preemption: %s)",
        sensor_preemption_name(s->probe.preemption));
    CURE(h, "make bpf an active security module: 'safeguard doctor' prints the lsm= line");
}

static const char *why_guard_untestable(const struct sensor *s, enum canary_kind kind, int error)
{
    switch (error) {
    case 0:
    case ENOBUFS: return NULL;
    case ENOSYS: return "this kernel does not have the system call that it guards";
    case EACCES: return "something else refuses it before the defence is asked";
    case EBADF:
        return kind == CANARY_guard_sysctl
                   ? "kernel.ftrace_enabled cannot be written to; its value is looked at once a second"
                   : NULL;
    case ECANCELED:
        if (!guard_is_up(s))
            return "the defence is down";
        return kind == CANARY_guard_sysctl
                   ? "a built-in rule refuses it first; the value is looked at once a second"
                   : NULL;
    default: return NULL;
    }
}

// Nothing is wrong with a hook that the policy gives nothing to refuse, or that this process cannot come to.
static const char *why_untestable(const struct sensor *s, size_t i, int error)
{
    enum canary_kind kind = row_canary(i);

    if (i >= HOOKS)
        return why_guard_untestable(s, kind, error);
    if (kind == CANARY_none)
        return "it refuses nothing and records nothing, it prepares what others do";
    if (kind == CANARY_ioctl_compat && error == ENOSYS)
        return "the agent cannot make 32-bit system calls on this machine";
    if (kind == CANARY_ioctl_compat && error == EACCES)
        return "the agent is confined to native system calls (seccomp)";
    if (kind == CANARY_pivot_root && error && !(s->wants.needs & SG_NEED_GUARD))
        return "it refuses something only where rules besides the agent's are enforced";
    if (kind == CANARY_inherit && error && !(s->wants.needs & SG_NEEDS_PROGRAM))
        return "descriptors are looked at only where rules ask for programs";
    if (hook_row(i)->control && error == ECANCELED)
        return "no rule of the policy refuses what the self-test asks with";
    if (hook_row(i)->control && error == EACCES)
        return "the agent is confined (seccomp, capabilities) and cannot reach it";
    return NULL;
}

static void explain_skipped(const struct sensor *s, size_t i, int error, struct sensor_hook *h)
{
    if (error == ENOBUFS)
        REASON(
            h,
            "not proved: it refused, but records were lost meanwhile, or too many wait to be read");
    else if (canary_on_host(row_canary(i)) && error == ECANCELED)
        REASON(h, "not proved: there is no mount at %.80s to try it on", s->canary.umount_path);
    else
        REASON(h, "not proved: the self-test could not be made ready (%s)", strerror(error));
}

static bool proof_failed(const struct sensor *s, size_t i)
{
    const struct proof *p = &s->proofs[i];

    return p->tested && !p->skipped && (!p->seen || (row_enforces(s, i) && !p->denied));
}

static void judge_attached(const struct sensor *s, size_t i, struct sensor_hook *h)
{
    const struct proof *p = &s->proofs[i];
    const char *untestable = why_untestable(s, i, p->tested ? p->skipped : 0);
    bool enforces = row_enforces(s, i);

    h->proved_ns = p->proved_ns;
    h->state = enforces ? SENSOR_HOOK_ATTACHED : SENSOR_HOOK_RECORDING;
    if (untestable) {
        REASON(h, "not proved: %s", untestable);
        if (enforces)
            h->state = SENSOR_HOOK_UNTESTABLE;
    } else if (!p->tested) {
        REASON(h, "the self-test has not run");
    } else if (p->skipped) {
        explain_skipped(s, i, p->skipped, h);
    } else if (proof_failed(s, i)) {
        h->state = SENSOR_HOOK_FAILED;
        explain_failure(p, h);
        return;
    } else if (enforces) {
        h->state = SENSOR_HOOK_PROVED;
        return;
    }
    if (!enforces)
        explain_recording(s, h);
}

static void fill_attached(const struct sensor *s, size_t i, struct sensor_hook *h)
{
    h->attach = row_hooked(i) ? s->attach : SENSOR_ATTACH_NONE;
    h->missed = missed_runs(row_link(s, i)->prog_id);
    judge_attached(s, i, h);
}

// Those of the defence are attached while it is on.
static void fill_guard(const struct sensor *s, size_t i, struct sensor_hook *h)
{
    const struct guard_row *row = guard_row(i - HOOKS);
    const struct choice *c = row_choice(s, i);

    *h = (struct sensor_hook){.id = row->program, .help = row->help};
    if (row_link(s, i)) {
        fill_attached(s, i, h);
    } else if (!*c->program) {
        h->state = SENSOR_HOOK_UNAVAILABLE;
        REASON(h, "%s", c->reason);
        CURE(h, "a later kernel; what it guards is not guarded here");
    }
}

static void fill(const struct sensor *s, size_t i, struct sensor_hook *h)
{
    const struct choice *c = &s->choices.hooks[i];
    const struct hook_row *row = hook_row(i);
    const char *sibling = hook_sibling(row->id);
    const char *successor = hook_successor(row->id);

    *h = (struct sensor_hook){.id = row->id, .help = row->help, .ops = row->ops};
    if (row_link(s, i)) {
        fill_attached(s, i, h);
    } else if (!*c->program) {
        bool served = (sibling && *s->choices.hooks[hook_index(sibling)].program) ||
                      (successor && *s->choices.hooks[hook_index(successor)].program);

        h->state = served ? SENSOR_HOOK_OFF : SENSOR_HOOK_UNAVAILABLE;
        REASON(h, "%s", c->reason);
        if (!served)
            CURE(h, "a later kernel; what it guards is not guarded here");
    }
}

// Nothing else is asked of the kernel for it: this is looked at after every self-test.
bool sensor_hook_failed(const struct sensor *s, size_t i)
{
    return i < PROVED && proof_failed(s, i) && row_link(s, i);
}

const struct sensor_hook *sensor_hooks(struct sensor *s, size_t *ret_n)
{
    for (size_t i = 0; i < PROVED; i++)
        (i < HOOKS ? fill : fill_guard)(s, i, &s->hooks[i]);
    *ret_n = PROVED;
    return s->hooks;
}

uint64_t sensor_skipped(const struct sensor *s)
{
    const struct extra_row *row;
    uint64_t n = 0;

    for (size_t i = 0; (row = extra_row(i)); i++) {
        const struct link *link = links_of(&s->links, &s->choices.extras[i]), *second;
        const struct choice *twin;
        char again[PROGRAM_NAME];
        uint64_t missed;

        if (!link || row->on_hook || row->lsm_only || row->ops || row->feature ||
            str_endswith(row->program, "_again"))
            continue;
        (void)snprintf(again, sizeof(again), "%s_again", row->program);
        missed = missed_runs(link->prog_id);
        twin = choice_extra(&s->choices, again);
        second = twin ? links_of(&s->links, twin) : NULL;
        // Whom the second one met was not missed; how often both were skipped for the same one is not known any better.
        n += second ? MIN(missed, missed_runs(second->prog_id)) : missed;
    }
    return n;
}
