/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Descriptors that would pass to another program by exec. A program that may not open a file may not be handed it either:
 * the exec is refused while the old program still runs and can be told.
 *
 * Only policies that know subjects by their program come here; the question is asked for the program that is about to run,
 * with the ids that the task has now.
 */
#ifndef SG_BPF_FILE_INHERIT_H
#define SG_BPF_FILE_INHERIT_H

#include "lib/exec.bpf.h"
#include "lib/follow.bpf.h"
#include "lib/hook.bpf.h"

#define SG_INHERIT_WORDS 1024 /* of 64 descriptors each */
#define SG_INHERIT_OPS   (SG_OP_READ | SG_OP_WRITE)
#define SG_INHERIT_TRIES 2 /* one run sees one change of the policy at most, see enum sg_try */

struct sg_inherited {
    __u64 decision;
    __u64 dentry;
    __u64 file;              /* the last one that was looked at: descriptors often share one */
    struct sg_states states; /* of that one */
    __u32 again;             /* the policy changed meanwhile: ask again by the next one */
};

/* By thread: what the search found. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8192);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u32);
    __type(value, struct sg_inherited);
} sg_inherited SEC(".maps");

static const struct sg_inherited sg_inherited_zero = {};

/*
 * The states of an open file, none where no rule can have to do with it: first by its file system, which settles it for pipes,
 * sockets and most devices. Returns 0, or a failed answer.
 */
static __always_inline __u64 sg_inherit_states(struct file *file, __u32 policy_id,
                                               struct sg_states *ret)
{
    struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
    struct sg_root_key key = {.policy_id = policy_id};
    const struct sg_root *root;
    __u64 answer;

    __builtin_memset(ret, 0, sizeof(*ret));
    ret->policy_id = policy_id;
    key.dev = BPF_CORE_READ(dentry, d_sb, s_dev);
    root = bpf_map_lookup_elem(&sg_roots, &key);
    if (!root || !root->state || sg_stays_open(BPF_CORE_READ(file, f_inode)))
        return 0;
    answer = sg_state_at_rest((__u64)dentry, policy_id);
    if (SG_ANSWER_FAILED(answer))
        return answer;
    ret->state = (__u32)answer;
    return sg_pinned_at(BPF_CORE_READ(file, f_inode), ret) ? SG_ANSWER_FAIL(SG_REASON_MEMORY) : 0;
}

/*
 * What the next program may not have of descriptor `fd`; notes the strongest. `who` is SG_WHO_SOMEBODY: only whether any rule
 * can have to do with it: 1 or 0.
 */
__noinline __u32 sg_inherit_fd(__u64 files_address, __u32 fd, __u32 policy_id, __u32 who)
{
    struct file **table = BPF_CORE_READ((struct files_struct *)files_address, fdt, fd);
    __u32 tid = (__u32)bpf_get_current_pid_tgid(), ops;
    struct sg_inherited *found = bpf_map_lookup_elem(&sg_inherited, &tid);
    struct file *file = NULL;
    __u64 answer, decision, stronger;

    if (!found || bpf_probe_read_kernel(&file, sizeof(file), table + fd) || !file ||
        found->file == (__u64)file)
        return 0;
    found->file = (__u64)file;
    answer = sg_inherit_states(file, policy_id, &found->states);
    if (!answer && !sg_any_state(&found->states))
        return 0;
    if (who == SG_WHO_SOMEBODY)
        return 1;
    ops = BPF_CORE_READ(file, f_mode) & SG_INHERIT_OPS; /* of the same bits */
    if (!answer)
        decision = sg_decide_states(&found->states, ops, who);
    else if ((answer & 0xff) == SG_REASON_IMAGE)
        decision = SG_DECISION_RETRY;
    else
        decision = sg_unresolved((__u64)BPF_CORE_READ(file, f_inode, i_sb), ops, policy_id,
                                 answer & 0xff);
    if (decision & SG_DECISION_AGAIN)
        found->again = 1;
    if (decision & SG_DECISION_AGAIN || SG_DECISION_VERDICT(decision) < SG_DENY)
        return 1;
    stronger = sg_stronger(found->decision, decision);
    if (stronger != found->decision) {
        found->decision = stronger;
        found->dentry = (__u64)BPF_CORE_READ(file, f_path.dentry);
    }
    return 1;
}

/* The descriptors of one word of the table that stay open over an exec. Returns whether any is of a rule's business. */
__noinline __u32 sg_inherit_word(__u64 files_address, __u32 word, __u32 policy_id, __u32 who)
{
    struct fdtable *fdt = BPF_CORE_READ((struct files_struct *)files_address, fdt);
    unsigned long open = 0, closing = 0;
    __u32 any = 0;

    bpf_probe_read_kernel(&open, sizeof(open), BPF_CORE_READ(fdt, open_fds) + word);
    bpf_probe_read_kernel(&closing, sizeof(closing), BPF_CORE_READ(fdt, close_on_exec) + word);
    open &= ~closing;
    for (__u32 bit = 0; bit < 64; bit++) {
        if (!open)
            break;
        if (open & 1)
            any |= sg_inherit_fd(files_address, word * 64 + bit, policy_id, who);
        open >>= 1;
    }
    return any;
}

/* All descriptors: decided, or (SG_WHO_SOMEBODY) whether any is of a rule's business. */
static __always_inline __u32 sg_inherit_all(__u32 policy_id, __u32 who)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    struct files_struct *files = BPF_CORE_READ(task, files);
    __u32 words = (BPF_CORE_READ(files, fdt, max_fds) + 63) / 64, any = 0;

    for (__u32 word = 0; word < SG_INHERIT_WORDS; word++) {
        if (word >= words)
            return any;
        any |= sg_inherit_word((__u64)files, word, policy_id, who);
        if (any && who == SG_WHO_SOMEBODY)
            return any;
    }
    if (who != SG_WHO_SOMEBODY)
        sg_count(SG_COUNT_DESCRIPTORS);
    return any;
}

/* What the program of `q` may not have of this task's descriptors. SG_DECISION_AGAIN: the policy changed meanwhile. */
static __always_inline __u64 sg_inherit_decide(struct sg_request *q, __u32 policy_id)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid(), next = SG_TID_NEXT(tid);
    const struct sg_image *header;
    struct sg_inherited *found;
    __u64 decision = SG_DECISION_NONE;

    if (bpf_map_update_elem(&sg_inherited, &tid, &sg_inherited_zero, BPF_ANY))
        return sg_unresolved(0, SG_INHERIT_OPS, policy_id, SG_REASON_MEMORY);
    if (sg_inherit_all(policy_id, SG_WHO_SOMEBODY)) {
        header = sg_header_now();
        if (header)
            sg_subject_refresh(header);
        found = bpf_map_lookup_elem(&sg_inherited, &tid);
        if (found)
            found->file = 0;
        /* Who is not known by then has no permission. */
        sg_subject_next(sg_address(q->dentry), policy_id);
        sg_inherit_all(policy_id, SG_WHO_NEXT);
        found = bpf_map_lookup_elem(&sg_inherited, &tid);
        if (found) {
            decision = found->again ? SG_DECISION_RETRY : found->decision;
            q->text = (const char *)found->dentry;
            q->text_type = SG_TEXT_IS_DENTRY;
        }
        bpf_map_delete_elem(&sg_subjects, &next);
    }
    bpf_map_delete_elem(&sg_inherited, &tid);
    return decision;
}

/* Are the program's descriptors refused to it? */
static __always_inline int sg_inherit_refused(struct linux_binprm *bprm)
{
    const struct sg_image *header = sg_header_now();
    struct file *file = bprm->file;
    struct sg_request q = {.dentry = file->f_path.dentry,
                           .inode = file->f_inode,
                           .hook = SG_HOOK_bprm_check_security};
    __u64 decision = SG_DECISION_NONE;
    __u32 policy_id = 0;

    if (!header || !(header->needs & SG_NEEDS_PROGRAM))
        return 0;
    sg_follow_begin();
    /* A script: its interpreter comes next, and that is the program. */
    if (bprm->buf[0] == '#' && bprm->buf[1] == '!')
        return 0;
    for (int i = 0; i < SG_INHERIT_TRIES; i++) {
        header = sg_header_now();
        if (!header)
            return 0;
        policy_id = header->policy_id;
        decision = sg_inherit_decide(&q, policy_id);
        if (!(decision & SG_DECISION_AGAIN))
            break;
    }
    if (decision & SG_DECISION_AGAIN)
        decision = sg_unresolved(0, SG_INHERIT_OPS, policy_id, SG_REASON_IMAGE);
    if (SG_DECISION_VERDICT(decision) < SG_DENY)
        return 0;
    q.ops = SG_DECISION_OPS(decision);
    q.flags = SG_RECORD_INHERITED;
    return sg_conclude(&q, decision, policy_id, false); /* the stack is full */
}

static __always_inline int sg_on_exec(struct linux_binprm *bprm)
{
    return sg_inherit_refused(bprm) || sg_exec_kind_refused(bprm->file);
}

SG_LSM(bprm_check_security, bprm_check_security, ((void)storage, sg_on_exec(bprm)),
       struct linux_binprm *bprm)
/* The function that calls the hook has a shorter name. */
SEC("fmod_ret/security_bprm_check")
int BPF_PROG(fmod_bprm_check_security, struct linux_binprm *bprm)
{
    return sg_on_exec(bprm) ? -EPERM : 0;
}

#endif
