/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules that say how a process is scheduled: whoever begins a program that one speaks of is stopped until the agent has done what
 * the rule says. The signal is sent from within the exec, so that not one instruction of the new program runs before.
 *
 * Nobody is stopped while no agent runs. What was stopped stands in a map that outlives the agent.
 */
#ifndef SG_BPF_SCHEDULE_H
#define SG_BPF_SCHEDULE_H

#include "abi/sched.h"

#include "lib/agent.bpf.h"
#include "lib/decide.bpf.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct sg_stops);
} sg_stops SEC(".maps");

/* Wakes the agent: a number that says nothing. Apart from records, which wait while their destination is slow. */
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} sg_stops_told SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1024);
    __type(key, struct sg_settled_key);
    __type(value, __u32);
} sg_settled SEC(".maps");

/* lsm_exec_begins stops, not the program on the tracepoint. */
const volatile bool sg_stopped_by_hook = false;

/* What the rules say about how the current task is scheduled. */
__noinline __u64 sg_schedule_decide(__u32 policy_id)
{
    void *image = sg_image_get();
    const struct sg_image *header;
    struct sg_view view;
    __u32 state;

    if (!image)
        return SG_DECISION_NONE;
    header = sg_image_header(image);
    if (!header || header->policy_id != policy_id)
        return SG_DECISION_NONE;
    sg_view_of(header, &view);
    state = sg_step(image, &view, header->control_state[SG_CONTROL_schedule], SG_CONTROL_NUMBER(0));
    return sg_decide(state, SG_OP_CONTROL, policy_id, SG_WHO_CURRENT);
}

/* Is it the agent, or one that it started for a test? These are waited for by who would have to continue them. */
static __always_inline int sg_of_agent(const struct sg_agent *agent, struct task_struct *task)
{
    return (__u32)BPF_CORE_READ(task, tgid) == agent->tgid ||
           (__u32)BPF_CORE_READ(task, real_parent, tgid) == agent->tgid;
}

static __always_inline struct sg_stopped *sg_stop_slot(struct sg_stops *stops, __u32 tgid)
{
    for (__u32 i = 0; i < SG_STOP_TRIES; i++) {
        struct sg_stopped *slot = &stops->slots[(tgid + i) & (SG_STOPS_MAX - 1)];

        if (!*(volatile __u64 *)&slot->claims && sg_claimed(&slot->claims))
            return slot;
    }
    __sync_fetch_and_add(&stops->full, 1);
    return NULL;
}

/* Stops the current task on behalf of a rule. */
__noinline __u32 sg_schedule_stop(__u32 policy_id, __u32 rule)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    struct sg_settled_key key = {.policy_id = policy_id, .rule = rule};
    __u32 zero = 0, tgid = bpf_get_current_pid_tgid() >> 32;
    struct sg_stops *stops = bpf_map_lookup_elem(&sg_stops, &zero);
    const struct sg_agent *agent = sg_agent_get();
    struct sg_stopped *slot;

    if (!stops || !agent || !agent->tgid || tgid == 1 || sg_of_agent(agent, task))
        return 0;
    key.cgroup_id = bpf_get_current_cgroup_id();
    if (bpf_map_lookup_elem(&sg_settled, &key))
        return 0;
    slot = sg_stop_slot(stops, tgid);
    if (!slot)
        return 0;
    slot->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
    slot->time_ns = bpf_ktime_get_boot_ns();
    slot->cgroup_id = key.cgroup_id;
    slot->policy_id = policy_id;
    slot->rule = rule;
    slot->tgid = tgid;
    if (bpf_send_signal(SIGSTOP_NUMBER)) {
        __sync_fetch_and_add(&stops->failed, 1);
        slot->tgid = 0;
        *(volatile __u64 *)&slot->claims = 0;
        return 0;
    }
    /* Last: who continues it must not be faster than the signal. */
    asm volatile("" ::: "memory");
    *(volatile __u32 *)&slot->stopped = 1;
    bpf_ringbuf_output(&sg_stops_told, &key.rule, sizeof(key.rule), BPF_RB_FORCE_WAKEUP);
    return 1;
}

static __always_inline void sg_schedule_unknown(void)
{
    __u32 zero = 0;
    struct sg_stops *stops = bpf_map_lookup_elem(&sg_stops, &zero);

    if (stops)
        __sync_fetch_and_add(&stops->unknown, 1);
}

/* At the end of an exec: is the new program one that a rule schedules? */
static __always_inline void sg_schedule_begins(void)
{
    const struct sg_image *header = sg_header_now();
    __u64 decision;
    __u32 policy_id;

    if (!header || !(header->controls & 1ull << SG_CONTROL_schedule))
        return;
    policy_id = header->policy_id;
    decision = sg_schedule_decide(policy_id);
    /* What others rename meanwhile is in the way of finding out who it is. */
    for (int i = 0; i < SG_STOP_TRIES && decision & SG_DECISION_SUBJECT; i++) {
        sg_subject_prepare();
        decision = sg_schedule_decide(policy_id);
    }
    if (decision & (SG_DECISION_SUBJECT | SG_DECISION_RETRY)) {
        sg_schedule_unknown();
        return;
    }
    if (SG_DECISION_VERDICT(decision) != SG_AUDIT || SG_DECISION_FLAGS(decision) & SG_ENTRY_MONITOR)
        return;
    sg_schedule_stop(policy_id, SG_DECISION_RULE(decision));
}

#endif
