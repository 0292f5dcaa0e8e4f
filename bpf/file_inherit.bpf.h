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

#include "lib/hook.bpf.h"

#define SG_INHERIT_WORDS 1024 /* of 64 descriptors each */

struct sg_inherited {
    __u64 decision;
    __u64 dentry;
    __u64 file; /* the last one that was looked at: descriptors often share one */
};

/* By thread: what the search found. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8192);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u32);
    __type(value, struct sg_inherited);
} sg_inherited SEC(".maps");

/*
 * The state of an open file, 0 where no rule can have to do with it: first by its file system, which settles it for pipes,
 * sockets and most devices.
 */
static __always_inline __u64 sg_inherit_state(struct dentry *dentry, __u32 policy_id)
{
    struct sg_root_key key = {.policy_id = policy_id};
    const struct sg_root *root;
    __u64 answer;

    key.dev = BPF_CORE_READ(dentry, d_sb, s_dev);
    root = bpf_map_lookup_elem(&sg_roots, &key);
    if (!root || !root->state)
        return 0;
    answer = sg_object_state((__u64)dentry, policy_id);
    return SG_ANSWER_FAILED(answer) ? 0 : answer;
}

/*
 * What the next program may not have of descriptor `fd`; notes the strongest. Without `decide` only whether any rule
 * can have to do with it: 1 or 0.
 */
__noinline __u32 sg_inherit_fd(__u64 files_address, __u32 fd, __u32 policy_id, __u32 decide)
{
    struct file **table = BPF_CORE_READ((struct files_struct *)files_address, fdt, fd);
    __u32 tid = (__u32)bpf_get_current_pid_tgid(), ops = 0, mode;
    struct sg_inherited *found = bpf_map_lookup_elem(&sg_inherited, &tid);
    struct file *file = NULL;
    struct dentry *dentry;
    __u64 answer, decision, stronger;

    if (!found || bpf_probe_read_kernel(&file, sizeof(file), table + fd) || !file ||
        found->file == (__u64)file)
        return 0;
    found->file = (__u64)file;
    dentry = BPF_CORE_READ(file, f_path.dentry);
    answer = sg_inherit_state(dentry, policy_id);
    if (!answer || !decide)
        return answer != 0;
    mode = BPF_CORE_READ(file, f_mode);
    if (mode & FMODE_READ)
        ops |= SG_OP_READ;
    if (mode & FMODE_WRITE)
        ops |= SG_OP_WRITE;
    decision = sg_decide((__u32)answer, ops, policy_id, SG_WHO_NEXT);
    if (decision & SG_DECISION_AGAIN || SG_DECISION_VERDICT(decision) < SG_DENY)
        return 1;
    stronger = sg_stronger(found->decision, decision);
    if (stronger != found->decision) {
        found->decision = stronger;
        found->dentry = (__u64)dentry;
    }
    return 1;
}

/* The descriptors of one word of the table that stay open over an exec. Returns whether any is of a rule's business. */
__noinline __u32 sg_inherit_word(__u64 files_address, __u32 word, __u32 policy_id, __u32 decide)
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
            any |= sg_inherit_fd(files_address, word * 64 + bit, policy_id, decide);
        open >>= 1;
    }
    return any;
}

/* All descriptors: decided, or whether any is of a rule's business. */
static __always_inline __u32 sg_inherit_all(__u32 policy_id, __u32 decide)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    struct files_struct *files = BPF_CORE_READ(task, files);
    __u32 words = (BPF_CORE_READ(files, fdt, max_fds) + 63) / 64, any = 0;

    for (__u32 word = 0; word < SG_INHERIT_WORDS; word++) {
        if (word >= words)
            return any;
        any |= sg_inherit_word((__u64)files, word, policy_id, decide);
        if (any && !decide)
            return any;
    }
    if (decide)
        sg_count(SG_COUNT_DESCRIPTORS);
    return any;
}

/* What the program of `q` may not have of this task's descriptors. */
static __always_inline __u64 sg_inherit_decide(struct sg_request *q, __u32 policy_id)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid(), next = SG_TID_NEXT(tid);
    const struct sg_image *header;
    struct sg_inherited none = {}, *found;
    __u64 decision = SG_DECISION_NONE;

    if (bpf_map_update_elem(&sg_inherited, &tid, &none, BPF_ANY))
        return decision;
    if (sg_inherit_all(policy_id, 0)) {
        header = sg_header_now();
        if (header)
            sg_subject_refresh(header);
        found = bpf_map_lookup_elem(&sg_inherited, &tid);
        if (found)
            found->file = 0;
        if (sg_subject_next(sg_address(q->dentry), policy_id)) {
            sg_inherit_all(policy_id, 1);
            found = bpf_map_lookup_elem(&sg_inherited, &tid);
            if (found) {
                decision = found->decision;
                q->text = (const char *)found->dentry;
                q->text_type = SG_TEXT_IS_DENTRY;
            }
        }
        bpf_map_delete_elem(&sg_subjects, &next);
    }
    bpf_map_delete_elem(&sg_inherited, &tid);
    return decision;
}

static __always_inline int sg_on_exec(struct linux_binprm *bprm)
{
    const struct sg_image *header = sg_header_now();
    struct file *file = bprm->file;
    struct sg_request q = {.dentry = file->f_path.dentry,
                           .inode = file->f_inode,
                           .hook = SG_HOOK_bprm_check_security};
    __u32 policy_id;
    __u64 decision;

    if (!header || !(header->needs & SG_NEEDS_PROGRAM))
        return 0;
    /* A script: its interpreter comes next, and that is the program. */
    if (bprm->buf[0] == '#' && bprm->buf[1] == '!')
        return 0;
    policy_id = header->policy_id;
    decision = sg_inherit_decide(&q, policy_id);
    if (SG_DECISION_VERDICT(decision) < SG_DENY)
        return 0;
    q.ops = SG_DECISION_OPS(decision);
    q.flags = SG_RECORD_INHERITED;
    return sg_conclude(&q, decision, policy_id, false); /* the stack is full */
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
