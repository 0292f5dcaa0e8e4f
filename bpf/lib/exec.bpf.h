/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An exec on its way, by the address of its task (which stays, while a thread's number changes): the script that was looked
 * at first, and what rules said of the files that were opened for it. From the first look at what is executed until the new
 * program begins.
 */
#ifndef SG_BPF_LIB_EXEC_H
#define SG_BPF_LIB_EXEC_H

#include "launch_call.bpf.h"
#include "place.bpf.h"

#define EM_386     3 /* include/uapi/linux/elf-em.h */
#define EM_ARM     40
#define EM_X86_64  62
#define EM_AARCH64 183

struct sg_exec {
    __u64 script, script_ino; /* address of its dentry; 0: none */
    __u32 script_dev;
    __u32 script_is; /* SG_LAUNCH_* of the file */
    __u64 opened;    /* address of the file that was opened last, of which a rule spoke */
    __u64 opened_decision;
    __u64 decision;  /* the strongest of what was decided */
    __u32 policy_id; /* of decisions */
    __u32 reserved;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u64);
    __type(value, struct sg_exec);
} sg_execs SEC(".maps");

static const struct sg_exec sg_exec_zero = {};

static __always_inline struct sg_exec *sg_exec_get(void)
{
    __u64 task = bpf_get_current_task();

    return bpf_map_lookup_elem(&sg_execs, &task);
}

static __always_inline struct sg_exec *sg_exec_make(void)
{
    __u64 task = bpf_get_current_task();
    struct sg_exec *e = bpf_map_lookup_elem(&sg_execs, &task);

    if (e)
        return e;
    bpf_map_update_elem(&sg_execs, &task, &sg_exec_zero, BPF_ANY);
    e = bpf_map_lookup_elem(&sg_execs, &task);
    if (!e)
        sg_count(SG_COUNT_TASK_STORAGE_FULL);
    return e;
}

static __always_inline void sg_exec_forget(void)
{
    __u64 task = bpf_get_current_task();

    bpf_map_delete_elem(&sg_execs, &task);
}

/* May rules have spoken of the files of an exec? */
static __always_inline int sg_exec_decides(void)
{
    const struct sg_image *header = sg_header_now();

    return header && (header->ops & SG_OP_LAUNCH || header->controls & 1ull << SG_CONTROL_exec);
}

/*
 * SG_LAUNCH_MEMORY, _DELETED or _FOREIGN. Foreign is what neither hangs on a mount of the host's nor lies in a file system that
 * the host has mounted.
 */
__noinline __u32 sg_file_at_is(__u64 file_address)
{
    struct file *file = (struct file *)file_address;
    struct inode *inode = BPF_CORE_READ(file, f_inode);
    struct super_block *sb = BPF_CORE_READ(inode, i_sb);
    struct sg_root_key key = {.policy_id = sg_policy_id};
    const struct sg_root *root;
    struct mnt_namespace *ns;
    struct mount *mount;
    __u32 is = 0;

    if (BPF_CORE_READ(sb, s_flags) & (SB_KERNMOUNT | SB_NOUSER))
        return SG_LAUNCH_MEMORY;
    if (!BPF_CORE_READ(inode, __i_nlink))
        is = SG_LAUNCH_DELETED;
    mount = sg_mount_of((__u64)BPF_CORE_READ(file, f_path.mnt));
    ns = BPF_CORE_READ(mount, mnt_ns);
    if (ns && BPF_CORE_READ(ns, ns.inum) == sg_host_mnt_ns)
        return is;
    key.dev = BPF_CORE_READ(sb, s_dev);
    root = bpf_map_lookup_elem(&sg_roots, &key);
    return root && !(root->flags & SG_ROOT_FOREIGN) ? is : is | SG_LAUNCH_FOREIGN;
}

static __always_inline __u32 sg_file_is(struct file *file)
{
    return sg_file_at_is(sg_address(file));
}

/* A program of this machine's own: no interpreter comes after it. */
static __always_inline int sg_is_native(const struct linux_binprm *bprm)
{
    __u16 machine = (__u8)bprm->buf[18] | (__u16)(__u8)bprm->buf[19] << 8;

    if (bprm->buf[0] != 0x7f || bprm->buf[1] != 'E' || bprm->buf[2] != 'L' || bprm->buf[3] != 'F')
        return 0;
#ifdef __TARGET_ARCH_arm64
    return machine == EM_AARCH64 || machine == EM_ARM;
#else
    return machine == EM_X86_64 || machine == EM_386;
#endif
}

/*
 * Is what was opened last the file that is looked at now? By its name; an overlay opens another one beneath it, and what rules say
 * of that one counts, too.
 */
static __always_inline int sg_exec_is_of(const struct sg_exec *e, struct file *file)
{
    return e->opened &&
           (e->opened == sg_address(file->f_path.dentry) || file->f_inode->i_sb->s_stack_depth);
}

/* The first file of an exec is looked at: what is left of an exec that failed goes, and a script is noted. */
static __always_inline void sg_exec_begin(struct linux_binprm *bprm)
{
    struct linux_binprm___exec *b = (void *)bprm;
    struct file *file = bprm->file;
    struct sg_exec *e;
    bool script;

    if (b->interp != b->filename)
        return;
    script = !sg_is_native(bprm);
    e = script ? sg_exec_make() : sg_exec_get();
    if (!e)
        return;
    e->decision = sg_exec_is_of(e, file) ? e->opened_decision : 0;
    e->opened = 0;
    e->script = 0;
    if (!script) {
        if (!e->decision)
            sg_exec_forget();
        return;
    }
    e->script = sg_address(file->f_path.dentry);
    e->script_ino = file->f_inode->i_ino;
    e->script_dev = file->f_inode->i_sb->s_dev;
    e->script_is = sg_file_is(file);
}

/* A rule spoke of a file that was opened for execution. */
static __always_inline void sg_exec_opened(__u64 name, __u64 decision, __u32 policy_id)
{
    struct sg_exec *e = sg_exec_make();

    if (!e)
        return;
    if (e->policy_id != policy_id)
        e->decision = 0;
    e->policy_id = policy_id;
    e->opened_decision = e->opened == name ? sg_stronger(e->opened_decision, decision) : decision;
    e->opened = name;
    e->decision = sg_stronger(e->decision, decision);
}

/* What a file in memory was called when it was made: it has no path. */
static __always_inline __u64 sg_exec_name(__u8 *bytes, __u64 end, struct dentry *dentry, __u32 is)
{
    if (!(is & SG_LAUNCH_MEMORY))
        return end;
    asm volatile("" : "+r"(end));
    return sg_add_text(bytes, end, (const char *)dentry->d_name.name, SG_FIELD_NAME);
}

/* The record of an exec that is refused: who asked, and for what. */
static __always_inline void sg_exec_refused(struct file *file, const struct sg_report *p)
{
    struct sg_launch_head *head;
    struct sg_buffer *b;
    __u64 end = sizeof(*head);
    __u16 flags = p->flags;
    __u32 slot;

    if (sg_merged_away(p))
        return;
    b = sg_begin(&slot, SG_RECORD_EXEC);
    if (b) {
        head = (struct sg_launch_head *)b->bytes;
        sg_launch_numbers(slot);
        sg_launch_stdio(slot);
        head->launch.flags = sg_file_is(file) | SG_LAUNCH_CALLER;
        sg_record_decision(&head->record, p, &flags);
        end = sg_add_path_kept(slot, b, end, p->dentry, head->record.time_ns, &flags, false);
        head->record.flags |= flags;
        end = sg_exec_name(b->bytes, end, p->dentry, head->launch.flags);
        end = sg_call_args(slot, end);
        end = sg_launch_cwd(slot, end);
        end = sg_launch_stdio_paths(slot, end);
        head->record.size = end;
    }
    sg_send(slot, b, end, SG_RING_SECURITY);
}

/*
 * What becomes of a decision on a file that is opened, or looked at, for execution. Returns whether it is refused. What passes is
 * in the record of the exec.
 */
static __noinline int sg_exec_conclude(struct file *file, __u32 hook, __u64 decision,
                                       __u32 policy_id)
{
    struct sg_report report = {
        .dentry = file->f_path.dentry,
        .inode = file->f_inode,
        .decision = decision,
        .access = SG_OP_EXEC,
        .policy_id = policy_id,
        .hook = (__u16)hook,
        .error = EPERM,
    };

    if (SG_DECISION_VERDICT(decision) >= SG_DENY &&
        sg_agent_may(sg_address(file->f_path.dentry), 0, SG_OP_EXEC, SG_DECISION_RULE(decision),
                     policy_id))
        return 0;
    if (!sg_decision_refuses(decision)) {
        if (SG_DECISION_VERDICT(decision) >= SG_DENY)
            sg_count(SG_COUNT_WOULD_DENY);
        sg_exec_opened(sg_address(file->f_path.dentry), decision, policy_id);
        return 0;
    }
    sg_count(SG_COUNT_DENIED);
    sg_exec_refused(file, &report);
    sg_punish(decision);
    return 1;
}

/* What rules say of a number of SG_CONTROL_exec, for the current task. */
__noinline __u64 sg_exec_decide_number(__u32 number, __u32 policy_id, __u32 who)
{
    const struct sg_image *header = sg_header_now();
    __u64 answer;

    if (!header || header->policy_id != policy_id)
        return SG_DECISION_RETRY;
    answer = sg_run_word(policy_id, header->control_state[SG_CONTROL_exec],
                         SG_CONTROL_NUMBER(number), 1);
    if (SG_ANSWER_FAILED(answer))
        return SG_DECISION_RETRY;
    return answer ? sg_decide((__u32)answer, SG_OP_CONTROL, policy_id, who) : SG_DECISION_NONE;
}

/* The strongest of what they say of all that a file is. SG_DECISION_AGAIN: not yet. */
static __always_inline __u64 sg_exec_decide_kind(__u32 is, __u32 policy_id, __u32 who)
{
    __u64 decision = SG_DECISION_NONE;

    if (is & SG_LAUNCH_MEMORY)
        decision = sg_exec_decide_number(SG_EXEC_MEMORY, policy_id, who);
    if (is & SG_LAUNCH_DELETED)
        decision = sg_exec_decide_number(SG_EXEC_DELETED, policy_id, who);
    /* What asks for another try is the greater number. */
    if (is & SG_LAUNCH_FOREIGN)
        decision = sg_stronger(decision, sg_exec_decide_number(SG_EXEC_FOREIGN, policy_id, who));
    return decision;
}

/* What rules say of a file because no path leads to it. */
static __always_inline __u64 sg_exec_kind_decision(struct file *file, __u32 *ret_policy_id)
{
    const struct sg_image *header = sg_header_now();
    __u64 decision = SG_DECISION_NONE;
    __u32 is, policy_id = 0;

    if (!header || !header->control_state[SG_CONTROL_exec])
        return SG_DECISION_NONE;
    is = sg_file_is(file);
    if (!is)
        return SG_DECISION_NONE;
    for (int i = SG_TRY_FIRST; i <= SG_TRY_LAST; i++) {
        policy_id = sg_policy_now();
        decision = sg_exec_decide_kind(is, policy_id,
                                       i == SG_TRY_LAST ? SG_WHO_ANYBODY : SG_WHO_CURRENT);
        if (!(decision & SG_DECISION_AGAIN))
            break;
        sg_subject_prepare();
    }
    *ret_policy_id = policy_id;
    if (decision & SG_DECISION_AGAIN)
        decision = sg_unresolved(0, SG_OP_CONTROL, policy_id, SG_REASON_IMAGE);
    return decision;
}

/* Is a file refused that is about to be executed, because no path leads to it? */
static __always_inline int sg_exec_kind_refused(struct file *file)
{
    __u32 policy_id = 0;
    __u64 decision = sg_exec_kind_decision(file, &policy_id);

    return SG_DECISION_VERDICT(decision) != SG_ALLOW &&
           sg_exec_conclude(file, SG_HOOK_bprm_check_security, decision, policy_id);
}

/* Adds to a record what was noted of the exec, and forgets it. Returns the record's new end. */
__noinline __u64 sg_exec_end(__u32 slot, __u64 at)
{
    struct sg_launch_head *head = sg_launch_head(slot);
    const struct sg_exec *e = sg_exec_get();
    struct dentry *script;
    __u64 decision;

    if (!head || !e)
        return at;
    decision = e->decision;
    if (SG_DECISION_VERDICT(decision) != SG_ALLOW) {
        head->record.rule = SG_DECISION_RULE(decision);
        head->record.verdict = SG_DECISION_VERDICT(decision);
        head->record.access = SG_OP_EXEC;
        head->record.policy_id = e->policy_id;
        if (SG_DECISION_FLAGS(decision) & SG_ENTRY_MONITOR)
            head->record.flags |= SG_RECORD_MONITOR;
    }
    script = (struct dentry *)e->script;
    /* The kernel lets go of the script, but not before this task returns to its program. */
    if (head->launch.flags & SG_LAUNCH_SCRIPT && script &&
        BPF_CORE_READ(script, d_inode, i_ino) == e->script_ino) {
        head->launch.script_dev = e->script_dev;
        head->launch.script_ino = e->script_ino;
        at = sg_launch_path(slot, at, (__u64)script, SG_FIELD_SCRIPT, SG_LAUNCH_SCRIPT_CUT);
        asm volatile("" : "+r"(at));
        if (e->script_is & SG_LAUNCH_MEMORY && !(head->launch.flags & SG_LAUNCH_MEMORY))
            at = sg_add_text((__u8 *)head, at, (const char *)BPF_CORE_READ(script, d_name.name),
                             SG_FIELD_NAME);
        head->launch.flags |= e->script_is;
    }
    sg_exec_forget();
    return at;
}

#endif
