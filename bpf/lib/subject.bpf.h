/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who asks: the subjects of the policy that a task is, as bits, kept by thread id.
 *
 * Computed when something that a subject can name has changed (program, ids, capabilities, cgroup, policy) and kept until
 * then. What a task inherits (ancestors, subjects with `descendants`, the session) is handed on by the fork hook; tasks
 * older than the policy get it from their living ancestors. What cannot be found out now (a rename on the way to the program)
 * is asked again; until then the task is not known, and counts as one that every denial speaks of.
 */
#ifndef SG_BPF_SUBJECT_H
#define SG_BPF_SUBJECT_H

#include "cgroup.bpf.h"
#include "draft.bpf.h"

#define SG_REST_TRIES 8 /* to find a path while others rename */

/*
 * Numbers of a thread's own in sg_subjects, besides its own (threads have up to 22 bits): what it will be after an exec, who its
 * signal is for, and who one is for that a descriptor sends while the thread was interrupted.
 */
#define SG_TID_NEXT(tid)       ((tid) | 0x80000000u)
#define SG_TID_TARGET(tid)     ((tid) | 0x40000000u)
#define SG_TID_SIGIO(tid)      ((tid) | 0xc0000000u)
#define SG_TID_INTERRUPTS(key) ((key) >> 30 == 3)

/*
 * Is `inode` what the task executed? A process may set its own mm->exe_file (PR_SET_MM_EXE_FILE); what the exec hook, or
 * the first look at a task older than it, saw is what counts.
 */
static __always_inline int sg_exe_is_true(const struct sg_subject *s, struct inode *inode)
{
    return s->exe_inode == (__u64)inode && s->exe_ino == BPF_CORE_READ(inode, i_ino) &&
           s->exe_dev == BPF_CORE_READ(inode, i_sb, s_dev) &&
           s->exe_generation == BPF_CORE_READ(inode, i_generation);
}

static __always_inline void sg_exe_is(struct sg_subject *s, struct inode *inode, __u32 exec_id)
{
    s->exe_inode = (__u64)inode;
    s->exe_ino = BPF_CORE_READ(inode, i_ino);
    s->exe_dev = BPF_CORE_READ(inode, i_sb, s_dev);
    s->exe_generation = BPF_CORE_READ(inode, i_generation);
    s->exe_exec_id = exec_id;
}

/* Is it to be asked again? */
static __always_inline int sg_answer_again(__u64 answer)
{
    return answer == SG_ANSWER_FAIL(SG_REASON_RACE) || answer == SG_ANSWER_FAIL(SG_REASON_DEPTH);
}

/* As sg_object_state(), of a path that nothing moves meanwhile: what a rename spoils is asked again. */
static __always_inline __u64 sg_state_at_rest(__u64 dentry, __u32 policy_id)
{
    __u64 answer = 0;

    for (int i = 0; i < SG_REST_TRIES; i++) {
        answer = sg_object_state(dentry, policy_id);
        if (!sg_answer_again(answer))
            break;
    }
    return answer;
}

/*
 * Sets the path lists of a subject's program from the state that the program's path has. A program without a path is known
 * to be none of them. False: it is not known now.
 */
static __always_inline int sg_set_exe(struct sg_subject *s, __u64 answer, __u32 policy_id)
{
    void *image = sg_image_get();
    const struct sg_image *header = image ? sg_image_header(image) : NULL;

    s->exe_policy = 0;
    if (!header || header->policy_id != policy_id)
        return 0;
    for (int i = 0; i < (int)SG_ATOM_WORDS; i++)
        s->exe[i] = 0;
    if (!SG_ANSWER_FAILED(answer))
        sg_atoms_of_state(image, header, (__u32)answer, s->exe);
    else if (answer != SG_ANSWER_FAIL(SG_REASON_DISCONNECTED))
        return 0;
    s->exe_policy = policy_id;
    return 1;
}

/* Answers of sg_subject_exe() that are no address. */
#define SG_EXE_NOT     0ull /* it is not known now */
#define SG_EXE_KNOWN   1ull /* its path lists are in the draft */
#define SG_EXE_NO_PATH 2ull /* it has none, or another one than it executed */

/* The program of the draft's task: the dentry whose state says which path lists it is in, or one of the above. */
static __always_inline __u64 sg_subject_exe(struct sg_draft *d, __u64 task_address, __u32 policy_id)
{
    struct task_struct *task = (void *)task_address;
    __u32 exec_id = (__u32)BPF_CORE_READ(task, self_exec_id);
    struct inode *inode;
    struct file *file;

    if (d->s.exe_ino && d->s.exe_policy == policy_id && d->s.exe_exec_id == exec_id)
        return SG_EXE_KNOWN;
    file = BPF_CORE_READ(task, mm, exe_file);
    if (!file)
        return SG_EXE_NO_PATH;
    inode = BPF_CORE_READ(file, f_inode);
    if (!d->s.exe_ino || d->s.exe_exec_id != exec_id)
        sg_exe_is(&d->s, inode, exec_id);
    if (sg_exe_is_true(&d->s, inode))
        return (__u64)BPF_CORE_READ(file, f_path.dentry);
    sg_count(SG_COUNT_EXE_SPOOFED);
    return SG_EXE_NO_PATH;
}

/* Which path lists its cgroup is in. */
__noinline __u32 sg_subject_cgroup(__u64 task_address, __u32 policy_id)
{
    struct sg_draft *d = sg_draft_get();
    void *image = sg_image_get();
    const struct sg_image *header;
    __u64 answer;

    if (!d || !image)
        return 0;
    header = sg_image_header(image);
    if (!header || header->policy_id != policy_id)
        return 0;
    for (int i = 0; i < (int)SG_ATOM_WORDS; i++)
        d->s.cgroup[i] = 0;
    d->s.cgroup_id = sg_task_cgroup((struct task_struct *)task_address);
    answer = sg_cgroup_state(task_address, policy_id, header->cgroup_state);
    if (SG_ANSWER_FAILED(answer))
        return 0;
    sg_atoms_of_state(image, header, (__u32)answer, d->s.cgroup);
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

static __always_inline const struct sg_image *sg_header_now(void)
{
    void *image = sg_image_get();

    return image ? sg_image_header(image) : NULL;
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

/* Completes the draft of `task` from its path lists and the task's credentials. */
__noinline __u32 sg_subject_compute(__u64 task_address, __u32 policy_id)
{
    struct task_struct *task = (void *)task_address;
    const struct cred *cred = sg_cred_of(task);
    const struct sg_image *header = sg_header_now();
    struct sg_draft *d = sg_draft_get();
    const struct sg_subject *p;
    struct sg_subject *s;

    if (!d || !header || header->policy_id != policy_id)
        return 0;
    sg_count(SG_COUNT_SUBJECTS);
    s = &d->s;
    p = d->from.start_ns ? &d->from : NULL;
    sg_subject_inherit(s, p, policy_id);
    for (int i = 0; i < (int)SG_ATOM_WORDS; i++)
        s->parent_exe[i] = p ? p->exe[i] : 0;
    s->exec_id = (__u32)BPF_CORE_READ(task, self_exec_id);
    s->euid = BPF_CORE_READ(cred, euid.val);
    s->egid = BPF_CORE_READ(cred, egid.val);
    if (header->needs & SG_NEED_SESSION)
        s->session = sg_session_of(s, p, BPF_CORE_READ(task, real_parent, tgid));
    s->login_uid = BPF_CORE_READ(task, loginuid.val);
    s->caps = sg_task_caps(task);
    s->container = sg_task_contained(task);
    s->epoch = sg_subject_epoch;
    if (header->needs & SG_NEED_GROUPS)
        s->groups = sg_groups_digest(task_address);
    sg_settle(d, header, task_address);
    s->atoms_policy = policy_id;
    s->policy_id = policy_id;
    return 1;
}

/* The next task to look at: the oldest ancestor that is left, or the task that is asked about. */
static __always_inline __u64 sg_draft_next(const struct sg_draft *d, __u64 task)
{
    return d->n_up ? d->up[(d->n_up - 1) & (SG_UP_KEPT - 1)] : task;
}

/* Begins with a task: what is known of it is in the draft, returned is where its program lies (SG_EXE_*, or a dentry). */
__noinline __u64 sg_subject_begin(__u64 task, __u32 policy_id, __u32 needs)
{
    struct sg_draft *d = sg_draft_get();

    if (!d || !sg_draft_load(task))
        return SG_EXE_NOT;
    return needs & SG_NEEDS_PROGRAM ? sg_subject_exe(d, task, policy_id) : SG_EXE_KNOWN;
}

/* How the subjects of a lineage stand after one more task. */
enum sg_prepared {
    SG_PREPARED_NOT = 0,  /* it is not known now */
    SG_PREPARED_MORE = 1, /* what descends from that task comes next */
    SG_PREPARED = 2,      /* that of the task that is asked about is in place */
};

/* Completes a task, given the state of its program's path (SG_ANSWER_NONE: the draft knows it). */
__noinline __u32 sg_subject_end(__u64 task, __u32 policy_id, __u32 needs, __u64 answer)
{
    struct sg_draft *d = sg_draft_get();

    if (!d || (!SG_ANSWER_IS_NONE(answer) && !sg_set_exe(&d->s, answer, policy_id)))
        return SG_PREPARED_NOT;
    if (needs & SG_NEED_ENV && task == bpf_get_current_task())
        sg_environ_update(policy_id);
    if (!sg_subject_compute(task, policy_id))
        return SG_PREPARED_NOT;
    if (!d->n_up)
        return sg_draft_publish(d, (__u32)d->key) ? SG_PREPARED : SG_PREPARED_NOT;
    bpf_probe_read_kernel(&d->from, sizeof(d->from), &d->s);
    d->n_up--;
    return SG_PREPARED_MORE;
}

/*
 * The subject of a task, after those of its ancestors when the policy asks about these, in an entry under a number of the current
 * task's own. False: it is not known now.
 * Called by programs themselves, not from within a decision: the walk to a program's path needs the stack. Verifiers walk every
 * round, so what a round does is in functions of its own; not the walks, which need all eight frames that verifiers follow.
 */
__noinline __u32 sg_subject_prepare_as(__u64 of, __u32 key)
{
    const struct sg_image *header = sg_header_now();
    __u32 policy_id, prepared = SG_PREPARED_MORE;
    struct sg_draft *d;

    if (!header)
        return 0;
    d = SG_TID_INTERRUPTS(key) ? sg_draft_open_in_interrupt() : sg_draft_open();
    if (!d)
        return 0;
    d->key = key;
    policy_id = header->policy_id;
    if (header->needs & SG_NEEDS_LINEAGE && !sg_draft_lineage(of, policy_id))
        prepared = SG_PREPARED_NOT;
    for (int i = 0; prepared == SG_PREPARED_MORE && i <= SG_LINEAGE_MAX + SG_REST_TRIES; i++) {
        /* Read anew: of what a verifier knows of it from one round, the next ones are walked for each case apart. */
        __u32 needs = *(const volatile __u32 *)&header->needs;
        __u64 task = sg_draft_next(d, of), answer = SG_ANSWER_NONE;
        __u64 exe = sg_subject_begin(task, policy_id, needs);

        if (exe == SG_EXE_NO_PATH)
            answer = 0;
        else if (exe > SG_EXE_NO_PATH)
            answer = sg_object_state(exe, policy_id);
        /* Nothing moves that path for long: what a rename spoils is asked again. */
        if (sg_answer_again(answer))
            continue;
        if (exe == SG_EXE_NOT || (needs & SG_NEED_CGROUP && !sg_subject_cgroup(task, policy_id)))
            break;
        prepared = sg_subject_end(task, policy_id, needs, answer);
    }
    sg_draft_close();
    return prepared == SG_PREPARED;
}

/* Brings the current task's own up to date. */
static __always_inline __u32 sg_subject_prepare(void)
{
    return sg_subject_prepare_as(bpf_get_current_task(), (__u32)bpf_get_current_pid_tgid());
}

/* Is what every decision looks at as it was? Plain loads where the kernel lends the task typed (5.11). */
static __always_inline int sg_subject_is_current(const struct sg_subject *s)
{
    if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf)) {
        struct task_struct *task = bpf_get_current_task_btf();

        return s->start_ns == task->start_boottime && s->exec_id == (__u32)task->self_exec_id &&
               s->euid == sg_cred_typed(task)->euid.val && s->login_uid == task->loginuid.val;
    } else {
        struct task_struct *task = (struct task_struct *)bpf_get_current_task();

        return s->start_ns == BPF_CORE_READ(task, start_boottime) &&
               s->exec_id == (__u32)BPF_CORE_READ(task, self_exec_id) &&
               s->euid == sg_euid_of((__u64)task) &&
               s->login_uid == BPF_CORE_READ(task, loginuid.val);
    }
}

/* The current task's subject under this policy. NULL: not known, or something that a subject can name has changed. */
static __always_inline struct sg_subject *sg_subject_current(const struct sg_image *header)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    struct sg_subject *s = bpf_map_lookup_elem(&sg_subjects, &tid);

    if (!s || s->policy_id != header->policy_id || s->epoch != sg_subject_epoch ||
        !sg_subject_is_current(s))
        return NULL;
    if (header->needs & SG_NEED_CAP && s->caps != sg_task_caps(task))
        return NULL;
    if (header->needs & SG_NEED_NAMESPACE && s->container != sg_task_contained(task))
        return NULL;
    if (header->needs & SG_NEED_GROUPS && s->groups != sg_groups_digest((__u64)task))
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
 * whether it may take its descriptors along. No entry: that is not known now.
 */

__noinline __u32 sg_subject_next(__u64 dentry, __u32 policy_id)
{
    __u64 task = bpf_get_current_task(), answer = sg_state_at_rest(dentry, policy_id);
    const struct sg_image *header = sg_header_now();
    struct sg_draft *d;
    __u32 ready;

    if (!header || header->policy_id != policy_id)
        return 0;
    d = sg_draft_open();
    if (!d)
        return 0;
    ready = sg_draft_load(task) && d->s.policy_id == policy_id &&
            sg_set_exe(&d->s, answer, policy_id);
    if (ready) {
        sg_settle(d, header, task);
        ready = sg_draft_publish(d, SG_TID_NEXT((__u32)bpf_get_current_pid_tgid()));
    }
    sg_draft_close();
    return ready;
}

#endif
