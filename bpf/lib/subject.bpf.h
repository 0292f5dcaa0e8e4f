/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who asks: the subjects of the policy that a task is, as bits, kept by thread id.
 *
 * Computed when something that a subject can name has changed (program, ids, capabilities, cgroup, policy) and kept until
 * then. What a task inherits (ancestors, subjects with `descendants`, the session) is handed on by the fork hook; tasks
 * older than the policy get it from their living ancestors.
 */
#ifndef SG_BPF_SUBJECT_H
#define SG_BPF_SUBJECT_H

#include "cgroup.bpf.h"
#include "environ.bpf.h"
#include "task.bpf.h"

#define SG_LINEAGE_MAX 24 /* living ancestors that are computed for a task older than the policy */

static const struct sg_subject sg_subject_zero = {};

/* The path lists that a file is in: ORs them into `bits`. */
static __always_inline void sg_atoms_of_state(void *image, const struct sg_image *header,
                                              __u32 state, __u64 *bits)
{
    const struct sg_state *s;
    const struct sg_accept *accept;
    const struct sg_atoms *atoms;
    __u32 index;

    if (!state)
        return;
    s = sg_state_of(image, header, state);
    if (!s || !s->accept)
        return;
    accept = sg_accept_of(image, header, s);
    if (!accept || !accept->atoms)
        return;
    index = accept->atoms;
    atoms = sg_image_at(image, header->atoms_off + index * (__u32)sizeof(*atoms), sizeof(*atoms));
    if (!atoms)
        return;
    for (int i = 0; i < (int)SG_ATOM_WORDS; i++)
        bits[i] |= atoms->bits[i];
}

static __always_inline int sg_bit(const __u64 *bits, __u64 index)
{
    index &= SG_ATOMS_MAX - 1;
    return (bits[index / 64] >> (index % 64)) & 1;
}

/*
 * Term `index`, taken into account for the task whose entry is under `tid`: alternatives within a dimension, all dimensions
 * of a subject. What is found so far is in the entry: terms and predicates are looked at by functions of their own, one at a
 * time, because a verifier walks every step of every loop.
 * Returns 0 behind the last term, after which the last subject is settled.
 */
__noinline __u32 sg_term(__u64 task_address, __u32 tid, __u32 index)
{
    void *image = sg_image_get();
    const struct sg_image *header;
    struct sg_subject *s = bpf_map_lookup_elem(&sg_subjects, &tid);
    const struct sg_term *t = NULL;
    __u32 matches = 0;
    __u64 word;

    if (!image || !s)
        return 0;
    header = sg_image_header(image);
    if (!header)
        return 0;
    if (index < header->n_terms)
        t = sg_image_at(image, header->terms_off + index * (__u32)sizeof(*t), sizeof(*t));
    if (!t || t->subject != s->term_subject) {
        word = s->term_subject / 64;
        asm volatile("" : "+r"(word));
        if (word < SG_SUBJECT_WORDS)
            s->subjects[word] |= (__u64)(s->term_all & s->term_any) << (s->term_subject % 64);
        if (!t)
            return 0;
        s->term_subject = t->subject;
        s->term_dim = t->dim;
        s->term_all = 1;
        s->term_any = 0;
    } else if (t->dim != s->term_dim) {
        s->term_dim = t->dim;
        s->term_all &= s->term_any;
        s->term_any = 0;
    }
    switch (t->dim) {
    case SG_DIM_EXE: matches = sg_bit(s->exe, t->value); break;
    case SG_DIM_PARENT: matches = sg_bit(s->parent_exe, t->value); break;
    case SG_DIM_ANCESTOR: matches = sg_bit(s->ancestors, t->value); break;
    case SG_DIM_USER: matches = s->euid == (__u32)t->value; break;
    case SG_DIM_GROUP: matches = sg_in_group(task_address, (__u32)t->value); break;
    case SG_DIM_LOGIN: matches = s->login_uid == (__u32)t->value; break;
    case SG_DIM_CAP: matches = (s->caps & t->value) == t->value; break;
    case SG_DIM_CGROUP: matches = sg_bit(s->cgroup, t->value); break;
    case SG_DIM_SESSION: matches = s->session == (__u32)t->value; break;
    case SG_DIM_NAMESPACE: matches = s->container == (__u32)t->value; break;
    default: /* SG_DIM_ENV and those behind it */
        matches = sg_environ_has(tid, s->start_ns, t->value);
        break;
    }
    s->term_any |= matches;
    return 1;
}

/* Predicate `index`; 0 behind the last one. */
__noinline __u32 sg_pred(__u32 tid, __u32 index)
{
    void *image = sg_image_get();
    const struct sg_image *header;
    struct sg_subject *s = bpf_map_lookup_elem(&sg_subjects, &tid);
    const struct sg_pred *p;
    __u64 word = index / 64;

    if (!image || !s)
        return 0;
    header = sg_image_header(image);
    if (!header || index >= header->n_preds)
        return 0;
    p = sg_image_at(image, header->preds_off + index * (__u32)sizeof(*p), sizeof(*p));
    asm volatile("" : "+r"(word)); /* the bound must hold in this register */
    if (!p || word >= SG_PRED_WORDS)
        return 0;
    s->preds[word] |= sg_pred_holds(p, s->subjects) << (index % 64);
    return 1;
}

static __always_inline struct sg_subject *sg_subject_find(struct task_struct *task)
{
    __u32 tid = BPF_CORE_READ(task, pid);
    struct sg_subject *s = bpf_map_lookup_elem(&sg_subjects, &tid);

    return s && s->start_ns == BPF_CORE_READ(task, start_boottime) ? s : NULL;
}

/* The task's entry, made when there is none. */
static __always_inline struct sg_subject *sg_subject_entry(struct task_struct *task)
{
    __u32 tid = BPF_CORE_READ(task, pid);
    __u64 start = BPF_CORE_READ(task, start_boottime);
    struct sg_subject *s = bpf_map_lookup_elem(&sg_subjects, &tid);

    if (s && s->start_ns == start)
        return s;
    bpf_map_update_elem(&sg_subjects, &tid, &sg_subject_zero, BPF_ANY);
    s = bpf_map_lookup_elem(&sg_subjects, &tid);
    if (!s) {
        sg_count(SG_COUNT_TASK_STORAGE_FULL);
        return NULL;
    }
    s->start_ns = start;
    return s;
}

/*
 * Is `inode` what the task executed? A process may set its own mm->exe_file (PR_SET_MM_EXE_FILE); what the exec hook, or
 * the first look at a task older than it, saw is what counts.
 */
static __always_inline int sg_exe_is_true(struct sg_subject *s, struct inode *inode, __u32 exec_id)
{
    __u64 ino = BPF_CORE_READ(inode, i_ino);
    __u32 dev = BPF_CORE_READ(inode, i_sb, s_dev);

    if (!s->exe_ino || s->exe_exec_id != exec_id) {
        s->exe_ino = ino;
        s->exe_dev = dev;
        s->exe_exec_id = exec_id;
        return 1;
    }
    return s->exe_ino == ino && s->exe_dev == dev;
}

/* Sets the path lists of an entry's program from the state that the program's path has. */
static __always_inline int sg_set_exe(struct sg_subject *s, __u64 answer, __u32 policy_id)
{
    void *image = sg_image_get();
    const struct sg_image *header = image ? sg_image_header(image) : NULL;

    if (!header || header->policy_id != policy_id)
        return 0;
    s->exe_policy = 0;
    for (int i = 0; i < (int)SG_ATOM_WORDS; i++)
        s->exe[i] = 0;
    if (!SG_ANSWER_FAILED(answer)) {
        sg_atoms_of_state(image, header, (__u32)answer, s->exe);
        s->exe_policy = policy_id;
    }
    return 1;
}

/* Which path lists the task's program is in. A step of its own: the walk needs the stack. */
__noinline __u32 sg_subject_exe(__u64 task_address, __u32 policy_id)
{
    struct task_struct *task = (void *)task_address;
    struct sg_subject *s = sg_subject_find(task);
    struct file *file;
    __u64 answer = 0;

    if (s && s->exe_ino && s->exe_policy == policy_id &&
        s->exe_exec_id == (__u32)BPF_CORE_READ(task, self_exec_id))
        return 1;
    file = BPF_CORE_READ(task, mm, exe_file);
    if (file)
        answer = sg_object_state((__u64)BPF_CORE_READ(file, f_path.dentry), policy_id);
    s = sg_subject_entry(task);
    if (!s)
        return 0;
    if (file && !sg_exe_is_true(s, BPF_CORE_READ(file, f_inode),
                                (__u32)BPF_CORE_READ(task, self_exec_id))) {
        sg_count(SG_COUNT_EXE_SPOOFED);
        answer = 0;
    }
    return sg_set_exe(s, answer, policy_id);
}

/* Which path lists its cgroup is in. */
__noinline __u32 sg_subject_cgroup(__u64 task_address, __u32 policy_id)
{
    struct task_struct *task = (void *)task_address;
    struct sg_subject *s = sg_subject_entry(task);
    void *image = sg_image_get();
    const struct sg_image *header;
    __u64 answer;

    if (!s || !image)
        return 0;
    header = sg_image_header(image);
    if (!header || header->policy_id != policy_id)
        return 0;
    for (int i = 0; i < (int)SG_ATOM_WORDS; i++)
        s->cgroup[i] = 0;
    answer = sg_cgroup_state(task_address, policy_id, header->cgroup_state);
    if (!SG_ANSWER_FAILED(answer))
        sg_atoms_of_state(image, header, (__u32)answer, s->cgroup);
    s->cgroup_id = sg_task_cgroup(task);
    return 1;
}

/* Which session the program of `s` starts, or what the parent's is. Sessions are root's to start: others may run sshd, too. */
static __always_inline __u32 sg_session_of(const struct sg_subject *s,
                                           const struct sg_subject *parent, __u32 parent_tgid)
{
    if (!s->euid && sg_bit(s->exe, SG_ATOM_SESSION_SSH))
        return SG_SESSION_SSH;
    if (!s->euid && sg_bit(s->exe, SG_ATOM_SESSION_CRON))
        return SG_SESSION_CRON;
    if (!s->euid && sg_bit(s->exe, SG_ATOM_SESSION_CONSOLE))
        return SG_SESSION_CONSOLE;
    if (s->session)
        return s->session;
    if (parent && parent->session)
        return parent->session;
    return parent_tgid == 1 ? SG_SESSION_SERVICE : SG_SESSION_NONE;
}

/* What the task has from those it descends from, unless it was born with it (fork hook). */
static __always_inline void sg_subject_inherit(struct sg_subject *s,
                                               const struct sg_subject *parent, __u32 policy_id)
{
    if (s->atoms_policy == policy_id)
        return;
    for (int i = 0; i < (int)SG_ATOM_WORDS; i++)
        s->ancestors[i] = parent ? parent->ancestors[i] | parent->exe[i] : 0;
    for (int i = 0; i < (int)SG_SUBJECT_WORDS; i++)
        s->sticky[i] = parent ? parent->sticky[i] : 0;
    s->session = SG_SESSION_NONE;
}

/* From an entry's path lists and ids to its subjects and predicates. */
static __always_inline void sg_settle(struct sg_subject *s, const struct sg_image *header,
                                      __u64 task_address, __u32 tid)
{
    for (int i = 0; i < (int)SG_SUBJECT_WORDS; i++)
        s->subjects[i] = 0;
    for (int i = 0; i < (int)SG_PRED_WORDS; i++)
        s->preds[i] = 0;
    s->term_subject = SG_SUBJECTS_MAX;
    s->term_all = s->term_any = 0;
    for (__u32 i = 0; i <= SG_TERMS_MAX; i++)
        if (!sg_term(task_address, tid, i))
            break;
    for (int i = 0; i < (int)SG_SUBJECT_WORDS; i++) {
        s->sticky[i] |= s->subjects[i] & header->descendants[i];
        s->subjects[i] = (s->subjects[i] | s->sticky[i]) &
                         sg_subjects_on[SG_SWITCHES(header->policy_id)][i];
    }
    for (__u32 i = 0; i < SG_PREDS_MAX; i++)
        if (!sg_pred(tid, i))
            break;
}

/*
 * Computes what `task` is, from its entry's path lists and its credentials. Entries are only ever written with the same
 * values by whoever computes them at the same time; policy_id, written last, says that one is complete.
 */
__noinline __u32 sg_subject_compute(__u64 task_address, __u32 policy_id)
{
    struct task_struct *task = (void *)task_address, *parent = BPF_CORE_READ(task, real_parent);
    void *image = sg_image_get();
    const struct sg_image *header;
    struct sg_subject *s = sg_subject_entry(task), *p = NULL;
    __u32 tid = BPF_CORE_READ(task, pid);

    if (!image || !s)
        return 0;
    header = sg_image_header(image);
    if (!header || header->policy_id != policy_id)
        return 0;
    sg_count(SG_COUNT_SUBJECTS);
    s->policy_id = 0;
    if (parent && parent != task)
        p = sg_subject_find(parent);
    if (p && p->atoms_policy != policy_id)
        p = NULL;
    sg_subject_inherit(s, p, policy_id);
    for (int i = 0; i < (int)SG_ATOM_WORDS; i++)
        s->parent_exe[i] = p ? p->exe[i] : 0;
    s->exec_id = (__u32)BPF_CORE_READ(task, self_exec_id);
    s->euid = BPF_CORE_READ(task, cred, euid.val);
    s->egid = BPF_CORE_READ(task, cred, egid.val);
    if (header->needs & SG_NEED_SESSION)
        s->session = sg_session_of(s, p, BPF_CORE_READ(parent, tgid));
    s->login_uid = BPF_CORE_READ(task, loginuid.val);
    s->caps = sg_task_caps(task);
    s->container = sg_task_contained(task);
    s->epoch = sg_subject_epoch;
    if (header->needs & SG_NEED_GROUPS)
        s->groups = sg_groups_digest(task_address);
    sg_settle(s, header, task_address, tid);
    s->atoms_policy = policy_id;
    barrier();
    s->policy_id = policy_id;
    return 1;
}

/* The oldest living ancestor of a task, or the task itself, that is not known under this policy. */
__noinline __u64 sg_oldest_unknown(__u64 task_address, __u32 policy_id)
{
    struct task_struct *task = (void *)task_address;

    for (int i = 0; i < SG_LINEAGE_MAX; i++) {
        struct task_struct *parent = BPF_CORE_READ(task, real_parent);
        struct sg_subject *p;

        if (!parent || parent == task || BPF_CORE_READ(parent, pid) == 0)
            break;
        p = sg_subject_find(parent);
        if (p && p->atoms_policy == policy_id)
            break;
        task = parent;
    }
    return (__u64)task;
}

static __always_inline const struct sg_image *sg_header_now(void)
{
    void *image = sg_image_get();

    return image ? sg_image_header(image) : NULL;
}

/*
 * Brings the current task's subject up to date, after its ancestors when the policy asks about those.
 * Called by programs themselves, not from within a decision: the walk to a program's path needs the stack.
 */
__noinline __u32 sg_subject_prepare(void)
{
    const struct sg_image *header = sg_header_now();
    __u64 current_task = bpf_get_current_task(), task = current_task;
    __u32 policy_id, needs;

    if (!header)
        return 0;
    policy_id = header->policy_id;
    needs = header->needs;
    for (int i = 0; i < SG_LINEAGE_MAX; i++) {
        if (needs & SG_NEEDS_LINEAGE)
            task = sg_oldest_unknown(current_task, policy_id);
        if (needs & SG_NEEDS_PROGRAM)
            sg_subject_exe(task, policy_id);
        if (needs & SG_NEED_CGROUP)
            sg_subject_cgroup(task, policy_id);
        if (needs & SG_NEED_ENV && task == current_task)
            sg_environ_update(policy_id);
        if (!sg_subject_compute(task, policy_id) || task == current_task)
            break;
    }
    return 1;
}

/* What of the current task every decision looks at. Plain loads where the kernel lends the task typed (5.11). */
struct sg_identity {
    __u64 start_ns;
    __u32 tid, exec_id, euid, login_uid;
};

static __always_inline void sg_identify(struct sg_identity *ret)
{
    if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf)) {
        struct task_struct *task = bpf_get_current_task_btf();

        ret->tid = task->pid;
        ret->start_ns = task->start_boottime;
        ret->exec_id = (__u32)task->self_exec_id;
        ret->euid = task->cred->euid.val;
        ret->login_uid = task->loginuid.val;
    } else {
        struct task_struct *task = (struct task_struct *)bpf_get_current_task();

        ret->tid = BPF_CORE_READ(task, pid);
        ret->start_ns = BPF_CORE_READ(task, start_boottime);
        ret->exec_id = (__u32)BPF_CORE_READ(task, self_exec_id);
        ret->euid = BPF_CORE_READ(task, cred, euid.val);
        ret->login_uid = BPF_CORE_READ(task, loginuid.val);
    }
}

/* The current task's subject under this policy. NULL: not known, or something that a subject can name has changed. */
static __always_inline struct sg_subject *sg_subject_current(const struct sg_image *header)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    struct sg_identity id;
    struct sg_subject *s;

    sg_identify(&id);
    s = bpf_map_lookup_elem(&sg_subjects, &id.tid);
    if (!s || s->start_ns != id.start_ns || s->policy_id != header->policy_id ||
        s->epoch != sg_subject_epoch || s->exec_id != id.exec_id || s->euid != id.euid ||
        s->login_uid != id.login_uid)
        return NULL;
    if (header->needs & SG_NEED_CAP && s->caps != sg_task_caps(task))
        return NULL;
    if (header->needs & SG_NEED_NAMESPACE && s->container != sg_task_contained(task))
        return NULL;
    if (header->needs & SG_NEED_GROUPS && (s->egid != BPF_CORE_READ(task, cred, egid.val) ||
                                           s->groups != sg_groups_digest((__u64)task)))
        return NULL;
    if (header->needs & SG_NEED_CGROUP && s->cgroup_id != sg_task_cgroup(task))
        return NULL;
    return s;
}

/* Brings it up to date where it is not. */
static __always_inline void sg_subject_refresh(const struct sg_image *header)
{
    if (!sg_subject_current(header))
        sg_subject_prepare();
}

/*
 * What the current task would be after executing `dentry`, in an entry of its own under SG_TID_NEXT: for the question
 * whether it may take its descriptors along.
 */
#define SG_TID_NEXT(tid) ((tid) | 0x80000000u)

__noinline __u32 sg_subject_next(__u64 dentry, __u32 policy_id)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid(), next = SG_TID_NEXT(tid);
    __u64 answer = sg_object_state(dentry, policy_id);
    const struct sg_image *header = sg_header_now();
    struct sg_subject *s = bpf_map_lookup_elem(&sg_subjects, &tid);

    if (!s || !header || header->policy_id != policy_id)
        return 0;
    bpf_map_update_elem(&sg_subjects, &next, s, BPF_ANY);
    s = bpf_map_lookup_elem(&sg_subjects, &next);
    if (!s) {
        sg_count(SG_COUNT_TASK_STORAGE_FULL);
        return 0;
    }
    if (!sg_set_exe(s, answer, policy_id))
        return 0;
    sg_settle(s, header, bpf_get_current_task(), next);
    return 1;
}

#endif
