/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What sched_ext looks like from here (kernel/sched/ext*.[ch], from 6.17 on): the part of struct sched_ext_ops that is used, and the
 * kernel's functions. Members are found by their names when the object is loaded. Flags are those of the kernel; they are 64 bits,
 * which this compiler has no relocatable enumerations for, and the same in all kernels that have them.
 */
#ifndef SG_BPF_LIB_SCX_H
#define SG_BPF_LIB_SCX_H

#include "kernel.h"

#include <bpf/bpf_helpers.h>

#define SG_SCX_DSQ_LOCAL    0x8000000000000002ull
#define SG_SCX_ENQ_WAKEUP   1ull
#define SG_SCX_ENQ_PREEMPT  (1ull << 32)
#define SG_SCX_ENQ_LAST     (1ull << 41)
#define SG_SCX_KICK_IDLE    1ull
#define SG_SCX_KICK_PREEMPT 2ull
#define SG_SCX_OPS_ENQ_LAST 2ull
#define SG_SCX_TASK_QUEUED  1u

enum scx_exit_kind { SCX_EXIT_NONE = 0 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct cpumask {
    unsigned long bits[1];
};

struct sched_ext_entity {
    __u32 flags;
    __u32 weight;
    __u64 slice;
    __u64 dsq_vtime;
};

struct task_struct___scx {
    unsigned int flags;
    unsigned int policy;
    int nr_cpus_allowed;
    const struct cpumask *cpus_ptr;
    struct sched_ext_entity scx;
};

struct cgroup_subsys_state {
    struct cgroup *cgroup;
    struct cgroup_subsys_state *parent;
};

struct cgroup___scx {
    struct cgroup_subsys_state self;
    int level;
};

struct scx_init_task_args {
    bool fork;
    struct cgroup *cgroup;
};

struct scx_exit_task_args {
    bool cancelled;
};

struct scx_cgroup_init_args {
    __u32 weight;
    __u64 bw_period_us;
    __u64 bw_quota_us;
    __u64 bw_burst_us;
};

struct scx_exit_info {
    enum scx_exit_kind kind;
    __s64 exit_code;
    const char *reason;
    char *msg;
};

#pragma clang attribute pop

struct bpf_iter_scx_dsq {
    __u64 opaque[6];
} __attribute__((aligned(8)));

struct sched_ext_ops {
    __s32 (*select_cpu)(struct task_struct *, __s32, __u64);
    void (*enqueue)(struct task_struct *, __u64);
    void (*dispatch)(__s32, struct task_struct *);
    void (*runnable)(struct task_struct *, __u64);
    void (*running)(struct task_struct *);
    void (*stopping)(struct task_struct *, bool);
    void (*quiescent)(struct task_struct *, __u64);
    void (*set_weight)(struct task_struct *, __u32);
    __s32 (*init_task)(struct task_struct *, struct scx_init_task_args *);
    void (*exit_task)(struct task_struct *, struct scx_exit_task_args *);
    __s32 (*cgroup_init)(struct cgroup *, struct scx_cgroup_init_args *);
    void (*cgroup_exit)(struct cgroup *);
    void (*cgroup_move)(struct task_struct *, struct cgroup *, struct cgroup *);
    void (*cgroup_set_weight)(struct cgroup *, __u32);
    void (*cgroup_set_bandwidth)(struct cgroup *, __u64, __u64, __u64);
    __s32 (*init)(void);
    void (*exit)(struct scx_exit_info *);
    __u64 flags;
    __u32 timeout_ms;
    char name[128];
};

extern __s32 scx_bpf_create_dsq(__u64 dsq_id, __s32 node) __ksym;
extern void scx_bpf_dsq_insert(struct task_struct *p, __u64 dsq_id, __u64 slice,
                               __u64 enq_flags) __ksym;
extern void scx_bpf_dsq_insert_vtime(struct task_struct *p, __u64 dsq_id, __u64 slice, __u64 vtime,
                                     __u64 enq_flags) __ksym;
extern bool scx_bpf_dsq_move_to_local(__u64 dsq_id) __ksym;
extern __s32 scx_bpf_dsq_nr_queued(__u64 dsq_id) __ksym;
extern void scx_bpf_dsq_move_set_slice(struct bpf_iter_scx_dsq *it__iter, __u64 slice) __ksym;
extern void scx_bpf_dsq_move_set_vtime(struct bpf_iter_scx_dsq *it__iter, __u64 vtime) __ksym;
extern bool scx_bpf_dsq_move_vtime(struct bpf_iter_scx_dsq *it__iter, struct task_struct *p,
                                   __u64 dsq_id, __u64 enq_flags) __ksym;
extern int bpf_iter_scx_dsq_new(struct bpf_iter_scx_dsq *it, __u64 dsq_id, __u64 flags) __ksym;
extern struct task_struct *bpf_iter_scx_dsq_next(struct bpf_iter_scx_dsq *it) __ksym;
extern void bpf_iter_scx_dsq_destroy(struct bpf_iter_scx_dsq *it) __ksym;
extern __s32 scx_bpf_select_cpu_dfl(struct task_struct *p, __s32 prev_cpu, __u64 wake_flags,
                                    bool *is_idle) __ksym;
extern __s32 scx_bpf_pick_idle_cpu(const struct cpumask *cpus_allowed, __u64 flags) __ksym;
extern __s32 scx_bpf_pick_any_cpu(const struct cpumask *cpus_allowed, __u64 flags) __ksym;
extern __u32 scx_bpf_nr_cpu_ids(void) __ksym;
extern void scx_bpf_kick_cpu(__s32 cpu, __u64 flags) __ksym;
extern __s32 scx_bpf_task_cpu(const struct task_struct *p) __ksym;
/* Later kernels have this; before that the field is written. */
extern bool scx_bpf_task_set_slice(struct task_struct *p, __u64 slice) __ksym __weak;

#endif
