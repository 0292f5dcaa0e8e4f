/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Safeguard's own defence, where no path leads to what is to be defended: the agent's process, its maps, programs and links, and the
 * switch that turns all attached programs off. Files, cgroups and pins are defended by built-in rules (src/agent/own.c), which
 * yield to the same window.
 *
 * Signals that the kernel itself sends (memory has ended, a fault, the terminal) pass no hook and are none of this. The service
 * manager is pid 1 of the host: it may ask the agent to end (SIGTERM; the agent decides), and end one that said it will, or that
 * has not said for a while that it lives. When pid 1 is no service manager any more (the host goes down), it may do anything.
 */
#ifndef SG_BPF_GUARD_H
#define SG_BPF_GUARD_H

#include "lib/agent.bpf.h"
#include "lib/control.bpf.h"
#include "lib/hook.bpf.h"

#define BPF_CMD_LINK_UPDATE 29 /* include/uapi/linux/bpf.h */
#define BPF_CMD_LINK_DETACH 34
#define SIGTERM_NUMBER      15
#define SIGHUP_NUMBER       1
#define GUARD_FDS_MAX       1048576u

/* "kernel/ftrace_enabled", both processors being little-endian */
#define FTRACE_NAME_LEN 21
#define FTRACE_NAME_0   0x662f6c656e72656bull /* kernel/f */
#define FTRACE_NAME_1   0x6e655f6563617274ull /* trace_en */
#define FTRACE_NAME_2   0x64656c6261ull       /* abled */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct bpf_map___guard {
    __u32 id;
};

struct bpf_prog_aux___guard {
    __u32 id;
};

struct bpf_prog___guard {
    struct bpf_prog_aux___guard *aux;
};

struct bpf_link___guard {
    __u32 id;
};

struct file___guard {
    void *private_data;
};

#pragma clang attribute pop

struct kernel_siginfo;

/* The control kind that an act is nearest to, for the key that equal records are counted under. */
static __always_inline __u32 sg_guard_kind(__u32 act)
{
    return act == SG_GUARD_SIGNAL || act == SG_GUARD_SIGIO     ? SG_CONTROL_signal
           : act >= SG_GUARD_BPF_MAP && act <= SG_GUARD_FTRACE ? SG_CONTROL_bpf
                                                               : SG_CONTROL_ptrace;
}

/* Completes a record that was begun in a buffer; returns its length. */
static __always_inline __u64 sg_guard_write(struct sg_buffer *b, const struct sg_merge_key *key,
                                            __u32 policy_id, __u32 what, __u64 argument,
                                            __u64 target)
{
    struct sg_record *r = (struct sg_record *)b->bytes;
    struct sg_field *field = (struct sg_field *)(r + 1);
    struct sg_control_field *c = (struct sg_control_field *)(field + 1);
    struct task_struct *task = (void *)target;

    r->policy_id = policy_id;
    r->rule = SG_RULE_DEFENCE;
    r->verdict = SG_DENY;
    r->error = EPERM;
    r->access = SG_OP_CONTROL;
    r->ino = key->ino;
    r->dev = key->dev;
    field->type = SG_FIELD_CONTROL;
    field->len = sizeof(*c);
    field->reserved = 0;
    c->kind = SG_CONTROL_DEV_KIND(key->dev);
    c->reserved = 0;
    c->target_tgid = target ? BPF_CORE_READ(task, tgid) : 0;
    c->target_start_ns = target ? BPF_CORE_READ(task, group_leader, start_boottime) : 0;
    c->number[0] = argument;
    c->number[1] = SG_GUARD_WHAT_ACT(what);
    c->number[2] = SG_GUARD_WHAT_WHOM(what);
    r->size = sizeof(*r) + sizeof(*field) + sizeof(*c);
    return sizeof(*r) + sizeof(*field) + sizeof(*c);
}

/* Is it the self-test's process that is refused? As sg_is_canary(), by what programs of every type may ask. */
static __always_inline int sg_guard_tests(struct task_struct *task, __u32 tgid)
{
    return tgid == (__u32)sg_canary &&
           sg_is_agent(sg_agent_get(), BPF_CORE_READ(task, real_parent));
}

/*
 * Counts a refusal, which of the self-test is no attempt, and makes the key that it is told from others by. True: it is equal to one
 * of this second, and there is no more to be done.
 */
static __always_inline int sg_guard_merged(struct sg_merge_key *key, __u32 policy_id, __u32 what,
                                           __u64 argument, __u64 target)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();

    sg_count(SG_COUNT_DENIED);
    key->ino = SG_CONTROL_INO((__u64)SG_GUARD_WHAT_IN(what, argument),
                              target ? (__u32)BPF_CORE_READ((struct task_struct *)target, tgid)
                                     : 0);
    key->dev = SG_CONTROL_DEV(sg_guard_kind(SG_GUARD_WHAT_ACT(what)));
    key->tgid = (__u32)BPF_CORE_READ(task, tgid);
    if (!sg_guard_tests(task, key->tgid))
        sg_guard_count(SG_GUARD_REFUSED);
    key->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
    key->access = SG_OP_CONTROL;
    key->policy = (__u16)policy_id;
    key->rule = SG_RULE_DEFENCE;
    return sg_merge(key, policy_id);
}

/*
 * Records a refusal, or counts one that is like another of this second. `what`: SG_GUARD_WHAT(); `target`: the address of the task,
 * 0: none. By numbers, to be verified once and not once for every way to a refusal. Returns 1.
 */
__noinline int sg_guard_record(__u32 what, __u64 argument, __u64 target)
{
    const struct sg_guard *g = sg_guard_get();
    __u32 policy_id = g ? g->policy_id : 0, slot;
    struct sg_merge_key key = {};
    struct sg_buffer *b;
    __u64 len = 0;

    if (sg_guard_merged(&key, policy_id, what, argument, target))
        return 1;
    b = sg_begin(&slot, SG_RECORD_CONTROL);
    if (b)
        len = sg_guard_write(b, &key, policy_id, what, argument, target);
    sg_send(slot, b, len, SG_RING_SECURITY);
    return 1;
}

static __always_inline int sg_guard_refuse(__u32 act, __u32 whom, __u64 argument,
                                           struct task_struct *target)
{
    return sg_guard_record(SG_GUARD_WHAT(act, whom), argument, target ? sg_address(target) : 0);
}

static __always_inline int sg_guard_is_agent(struct task_struct *task)
{
    return sg_is_agent(sg_agent_get(), task);
}

/*
 * One of the agent's own processes: itself, or what it forked of itself (the self-test and what that forks), which has its memory
 * and its descriptors, until it ends. What one of them executes is another program.
 */
static __always_inline int sg_guard_is_ours(const struct sg_guard *g, struct task_struct *task)
{
    struct task_struct *parent = BPF_CORE_READ(task, real_parent);

    if (sg_guard_is_agent(task))
        return 1;
    return (sg_guard_is_agent(parent) || sg_guard_is_agent(BPF_CORE_READ(parent, real_parent))) &&
           (!BPF_CORE_READ(task, mm) || sg_guard_program_of(g, task) == SG_GUARD_OF_AGENT);
}

static __always_inline struct task_struct *sg_guard_current(void)
{
    return (struct task_struct *)bpf_get_current_task();
}

/* May the current task do to this one of the agent's processes what nobody else may? To the agent: nobody but itself. */
static __always_inline int sg_guard_among_ours(const struct sg_guard *g, struct task_struct *target)
{
    struct task_struct *task = sg_guard_current();

    return sg_guard_is_agent(task) || (!sg_guard_is_agent(target) && sg_guard_is_ours(g, task));
}

/* May pid 1 do this to the agent? */
static __always_inline int sg_guard_manager_may(const struct sg_guard *g, struct task_struct *task,
                                                int sig)
{
    __u64 now = bpf_ktime_get_boot_ns();

    if ((__u32)BPF_CORE_READ(task, tgid) != 1)
        return 0;
    if (sg_guard_program_of(g, task) != SG_GUARD_OF_MANAGER)
        return 1;
    return sig == SIGTERM_NUMBER || sig == SIGHUP_NUMBER || g->ending ||
           (now > g->alive_ns && now - g->alive_ns > SG_GUARD_ALIVE_NS);
}

static __always_inline int sg_guard_signal(struct task_struct *target, int sig)
{
    struct task_struct *task = sg_guard_current();
    struct sg_guard *g = sg_guard_get();

    /* Who only asks whether it lives may know. */
    if (sg_guard_down(g) || !sig || !sg_guard_is_ours(g, target))
        return 0;
    if (sg_guard_among_ours(g, target))
        return sig == SG_GUARD_CANARY_SIGNAL && sg_guard_is_agent(target);
    if (sg_guard_manager_may(g, task, sig))
        return 0;
    return sg_guard_refuse(SG_GUARD_SIGNAL, SG_GUARD_OF_AGENT, (__u32)sig, target);
}

/* What somebody else wants of the agent's process. */
static __always_inline int sg_guard_touch(struct task_struct *target, __u32 act, __u64 argument)
{
    struct sg_guard *g = sg_guard_get();

    if (sg_guard_down(g) || !sg_guard_is_ours(g, target) || sg_guard_among_ours(g, target))
        return 0;
    return sg_guard_refuse(act, SG_GUARD_OF_AGENT, argument, target);
}

static __always_inline int sg_guard_ptrace(struct task_struct *target, __u32 mode)
{
    struct sg_guard *g = sg_guard_get();
    __u32 whom;

    if (!(mode & PTRACE_MODE_ATTACH) || sg_guard_down(g))
        return 0;
    if (sg_guard_is_ours(g, target))
        whom = SG_GUARD_OF_AGENT;
    else if (sg_guard_program_of(g, target) == SG_GUARD_OF_SERVER)
        whom = SG_GUARD_OF_SERVER;
    else
        return 0;
    if (sg_guard_among_ours(g, target))
        return 0;
    return sg_guard_refuse(SG_GUARD_PTRACE, whom, mode, target);
}

/* The agent, or one that starts while none runs: from its own file, and nobody's debuggee. */
static __always_inline int sg_guard_may_hold(const struct sg_guard *g)
{
    struct task_struct *task = sg_guard_current();
    const struct sg_agent *a = sg_agent_get();

    if (sg_guard_is_agent(task))
        return 1;
    return a && !a->tgid && !BPF_CORE_READ((struct task_struct___guard *)task, ptrace) &&
           sg_guard_program_of(g, task) == SG_GUARD_OF_AGENT;
}

static __always_inline int sg_guard_object(__u32 kind, __u32 id, __u32 act)
{
    struct sg_guard_id key = {.kind = kind, .id = id};
    struct sg_guard *g = sg_guard_get();

    if (sg_guard_down(g) || !bpf_map_lookup_elem(&sg_guard_ids, &key) || sg_guard_may_hold(g))
        return 0;
    return sg_guard_refuse(act, SG_GUARD_OF_AGENT, id, NULL);
}

/* The link that a descriptor of the current task is, by its id. A descriptor of something else gives a number without a meaning. */
static __always_inline __u32 sg_guard_link_of(__u32 fd)
{
    struct task_struct *task = sg_guard_current();
    struct fdtable *table = BPF_CORE_READ(task, files, fdt);
    struct file___guard *file = NULL;
    struct bpf_link___guard *link;
    struct file **files;

    if (fd >= GUARD_FDS_MAX || fd >= BPF_CORE_READ(table, max_fds))
        return 0;
    files = BPF_CORE_READ(table, fd);
    if (bpf_probe_read_kernel(&file, sizeof(file), &files[fd]) || !file)
        return 0;
    link = BPF_CORE_READ(file, private_data);
    return link ? BPF_CORE_READ(link, id) : 0;
}

static __always_inline int sg_guard_bpf(int cmd, const void *attr)
{
    __u32 fd = 0, id;

    /* Both begin with the link's descriptor, in a copy that the kernel made. */
    if (cmd != BPF_CMD_LINK_UPDATE && cmd != BPF_CMD_LINK_DETACH)
        return 0;
    if (bpf_probe_read_kernel(&fd, sizeof(fd), attr))
        return 0;
    id = sg_guard_link_of(fd);
    return id && sg_guard_object(SG_GUARD_LINK_ID, id, SG_GUARD_BPF_LINK);
}

/* None of them asks which kind of program it is in. */
#define GUARD(name, hook, refuse, args...) SG_PROGRAMS(name, hook, ((void)storage, (refuse)), args)

GUARD(guard_task_kill, task_kill, sg_guard_signal(p, sig), struct task_struct *p,
      struct kernel_siginfo *info, int sig)
GUARD(guard_sigio, file_send_sigiotask, sg_guard_touch(p, SG_GUARD_SIGIO, (__u32)sig),
      struct task_struct *p, void *fown, int sig)
GUARD(guard_ptrace, ptrace_access_check, sg_guard_ptrace(child, mode), struct task_struct *child,
      unsigned int mode)
GUARD(guard_setnice, task_setnice, sg_guard_touch(p, SG_GUARD_NICE, (__u32)nice),
      struct task_struct *p, int nice)
GUARD(guard_setioprio, task_setioprio, sg_guard_touch(p, SG_GUARD_IOPRIO, (__u32)ioprio),
      struct task_struct *p, int ioprio)
GUARD(guard_setscheduler, task_setscheduler, sg_guard_touch(p, SG_GUARD_SCHEDULER, 0),
      struct task_struct *p)
GUARD(guard_movememory, task_movememory, sg_guard_touch(p, SG_GUARD_MOVEMEMORY, 0),
      struct task_struct *p)
GUARD(guard_setrlimit, task_setrlimit, sg_guard_touch(p, SG_GUARD_RLIMIT, resource),
      struct task_struct *p, unsigned int resource)
GUARD(guard_bpf, bpf, sg_guard_bpf(cmd, attr), int cmd, void *attr)
GUARD(guard_bpf_map, bpf_map,
      sg_guard_object(SG_GUARD_MAP_ID, BPF_CORE_READ(map, id), SG_GUARD_BPF_MAP),
      struct bpf_map___guard *map)
GUARD(guard_bpf_prog, bpf_prog,
      sg_guard_object(SG_GUARD_PROG_ID, BPF_CORE_READ(prog, aux, id), SG_GUARD_BPF_PROG),
      struct bpf_prog___guard *prog)

#undef GUARD

/* As sg_guard_record(), with what programs of this type may ask: 5.10 gives them neither pid nor name. */
static __noinline int sg_guard_record_sysctl(void)
{
    const __u32 what = SG_GUARD_WHAT(SG_GUARD_FTRACE, SG_GUARD_OF_AGENT);
    const struct sg_guard *g = sg_guard_get();
    __u32 policy_id = g ? g->policy_id : 0, slot;
    struct sg_merge_key key = {};
    struct sg_buffer *b;
    __u64 len = 0;

    if (sg_guard_merged(&key, policy_id, what, 0, 0))
        return 0;
    b = sg_begin_empty(&slot, SG_RECORD_CONTROL);
    if (b) {
        sg_fill_process_read((struct sg_record *)b->bytes);
        len = sg_guard_write(b, &key, policy_id, what, 0, 0);
    }
    sg_send(slot, b, len, SG_RING_SECURITY);
    return 0;
}

/*
 * kernel.ftrace_enabled = 0 takes all of this off without an error (6.1 and later). A rule about the file speaks of the host's
 * procfs; this one of all of them. To set it to anything else is nobody's harm.
 */
SEC("cgroup/sysctl")
int guard_sysctl(struct bpf_sysctl *ctx)
{
    /* Words and no string: a string would be a section of its own, and cost the object its types on 5.10. */
    union {
        char text[32];
        __u64 words[4];
    } name = {};
    char value[8] = {};

    if (!ctx->write || bpf_sysctl_get_name(ctx, name.text, sizeof(name.text), 0) != FTRACE_NAME_LEN)
        return 1;
    if (name.words[0] != FTRACE_NAME_0 || name.words[1] != FTRACE_NAME_1 ||
        name.words[2] != FTRACE_NAME_2)
        return 1;
    if (sg_guard_down(sg_guard_get()))
        return 1;
    if (bpf_sysctl_get_new_value(ctx, value, sizeof(value)) > 0 && value[0] >= '1' &&
        value[0] <= '9')
        return 1;
    sg_guard_record_sysctl();
    return 0;
}

#endif
