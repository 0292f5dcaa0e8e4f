/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs that are executed: their records.
 *
 * The kernel looks at a script first and then at its interpreter, and has let go of the script when the new program begins:
 * what it was is noted when it is looked at.
 */
#ifndef SG_BPF_EXEC_H
#define SG_BPF_EXEC_H

#include "lib/exec.bpf.h"
#include "lib/follow.bpf.h"
#include "lib/hook.bpf.h"
#include "lib/life.bpf.h"
#include "schedule.bpf.h"

/* Before the verdict of the hook; a file that cannot be executed ends here, too. */
SEC("fentry/security_bprm_check")
int BPF_PROG(fentry_bprm_check, struct linux_binprm *bprm)
{
    sg_exec_begin(bprm);
    return 0;
}

/* What is executed, before the new program can say anything else about itself or its file can move. */
static __always_inline void sg_remember_program(struct inode *inode, struct dentry *dentry,
                                                __u32 policy_id)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    __u64 answer = sg_state_at_rest(sg_address(dentry), policy_id);
    struct sg_draft *d = sg_draft_open();

    if (!d)
        return;
    if (sg_draft_load((__u64)task)) {
        sg_exe_is(&d->s, (struct inode *)sg_address(inode),
                  (__u32)BPF_CORE_READ(task, self_exec_id));
        sg_set_exe(&d->s, answer, policy_id);
        sg_draft_publish(d, (__u32)bpf_get_current_pid_tgid());
    }
    sg_draft_close();
}

/* What the record says of the file. */
static __always_inline void sg_exec_file(struct sg_launch_head *head, struct linux_binprm *bprm)
{
    struct linux_binprm___exec *b = (void *)bprm;
    struct file *file = bprm->file;
    struct inode *inode = file->f_inode;
    __u32 flags = sg_file_is(file);

    head->record.dev = inode->i_sb->s_dev;
    head->record.ino = inode->i_ino;
    head->record.mode = inode->i_mode;
    head->record.nlink = inode->__i_nlink;
    head->launch.argc = b->argc;
    head->launch.envc = b->envc;
    if (b->interp != b->filename)
        flags |= SG_LAUNCH_SCRIPT;
    if (BPF_CORE_READ_BITFIELD(b, secureexec))
        flags |= SG_LAUNCH_SECURE;
    if (bprm->buf[EI_CLASS] == ELFCLASS32)
        flags |= SG_LAUNCH_COMPAT;
    head->launch.flags = flags;
}

/* Records the program that the current task has just become. */
static __always_inline void sg_exec_record(struct linux_binprm *bprm)
{
    struct dentry *dentry = bprm->file->f_path.dentry;
    struct sg_launch_head *head;
    struct sg_buffer *b;
    __u64 end = sizeof(*head);
    __u16 flags = 0;
    __u32 slot;

    b = sg_begin(&slot, SG_RECORD_EXEC);
    if (b) {
        head = (struct sg_launch_head *)b->bytes;
        sg_launch_numbers(slot);
        sg_launch_stdio(slot);
        sg_exec_file(head, bprm);
        end = sg_add_path_kept(slot, b, end, dentry, head->record.time_ns, &flags, false);
        head->record.flags |= flags;
        end = sg_exec_name(b->bytes, end, dentry, head->launch.flags);
        end = sg_launch_args(slot, end);
        end = sg_launch_cwd(slot, end);
        if (head->launch.flags & SG_LAUNCH_SCRIPT || sg_exec_decides())
            end = sg_exec_end(slot, end);
        end = sg_launch_env(slot, end);
        end = sg_launch_stdio_paths(slot, end);
        head->record.size = end;
    }
    sg_send(slot, b, end, SG_RING_PROCESS);
}

static __always_inline void sg_executed(__u32 old_pid, struct linux_binprm *bprm)
{
    const struct sg_image *header = sg_header_now();

    if (header && header->needs & SG_NEEDS_PROGRAM) {
        sg_follow_end(old_pid);
        sg_remember_program(bprm->file->f_inode, bprm->file->f_path.dentry, header->policy_id);
        /* What it hands on counts even when it executes another program before anybody asks. */
        if (header->needs & SG_NEEDS_LINEAGE)
            sg_subject_prepare();
    }
    sg_exec_record(bprm);
    if (!sg_stopped_by_hook)
        sg_schedule_begins();
}

SG_LIFE(sched_process_exec, tp_exec, task, task->self_exec_id, sg_executed((__u32)old_pid, bprm),
        struct task_struct *task, int old_pid, struct linux_binprm *bprm)

/* Where programs on tracepoints may be skipped (lib/life.bpf.h): those on hooks never are. */
SEC("lsm/bprm_committed_creds")
int BPF_PROG(lsm_exec_begins, struct linux_binprm *bprm)
{
    sg_schedule_begins();
    return 0;
}

#endif
