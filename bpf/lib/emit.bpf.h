/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records to the rings.
 *
 * A record is put together in a buffer of this CPU (lib/path) and goes out as long as it is. What finds no buffer free, or no
 * room in the ring, is counted per CPU and ring; sequence numbers show the reader where.
 */
#ifndef SG_BPF_EMIT_H
#define SG_BPF_EMIT_H

#include "path.bpf.h"

/* In sg_report.text_type: `text` is the address of a dentry, the object; `dentry` is what it would be handed to. */
#define SG_TEXT_IS_DENTRY 0xffffu

/* What a hook says about its decision. */
struct sg_report {
    struct dentry *dentry;  /* the object, or where it would come to be */
    struct inode *inode;    /* NULL: it does not exist yet */
    struct dentry *dentry2; /* the other name; NULL: none */
    const char *text;       /* symlink target or attribute name; NULL: none */
    __u64 decision;
    __u32 access;
    __u32 policy_id;
    __u16 hook;
    __u16 flags; /* SG_RECORD_* */
    __u16 text_type;
    __u16 type; /* SG_RECORD_FILE when 0 */
    __u8 error;
};

/* What has to be read as memory is where the verifier does not know the task. */
static __always_inline void sg_fill_task_read(struct sg_record *r, struct task_struct *task)
{
    struct task_struct *parent = BPF_CORE_READ(task, real_parent);
    const struct cred *cred = sg_cred_of(task);

    r->uid = BPF_CORE_READ(cred, uid.val);
    r->gid = BPF_CORE_READ(cred, gid.val);
    r->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
    r->ppid = BPF_CORE_READ(parent, tgid);
    r->parent_start_ns = BPF_CORE_READ(parent, group_leader, start_boottime);
    r->euid = BPF_CORE_READ(cred, euid.val);
    r->egid = BPF_CORE_READ(cred, egid.val);
    r->login_uid = BPF_CORE_READ(task, loginuid.val);
    r->session_id = BPF_CORE_READ(task, sessionid);
    r->pid_ns = sg_pid_ns_of(task);
    r->mnt_ns = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
    if (BPF_CORE_READ(task, flags) & PF_KTHREAD)
        r->flags |= SG_RECORD_KTHREAD;
}

/* All of it as memory, for programs of types that have no helpers to ask with. */
static __always_inline void sg_fill_process_read(struct sg_record *r)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();

    r->tgid = BPF_CORE_READ(task, tgid);
    r->tid = BPF_CORE_READ(task, pid);
    sg_fill_task_read(r, task);
    r->cgroup_id = bpf_get_current_cgroup_id();
    bpf_core_read_str(r->comm, sizeof(r->comm), &task->comm);
}

static __always_inline void sg_fill_process(struct sg_record *r)
{
    __u64 pid = bpf_get_current_pid_tgid();
    const struct cred *cred;

    r->tgid = pid >> 32;
    r->tid = (__u32)pid;
    if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf)) {
        struct task_struct *t = bpf_get_current_task_btf();

        r->start_ns = t->group_leader->start_boottime;
        r->ppid = t->real_parent->tgid;
        r->parent_start_ns = t->real_parent->group_leader->start_boottime;
        cred = sg_cred_typed(t);
        r->uid = cred->uid.val;
        r->gid = cred->gid.val;
        r->euid = cred->euid.val;
        r->egid = cred->egid.val;
        r->login_uid = t->loginuid.val;
        r->session_id = t->sessionid;
        r->pid_ns = sg_pid_ns_typed(t);
        r->mnt_ns = t->nsproxy ? t->nsproxy->mnt_ns->ns.inum : 0;
        if (t->flags & PF_KTHREAD)
            r->flags |= SG_RECORD_KTHREAD;
    } else {
        sg_fill_task_read(r, (struct task_struct *)bpf_get_current_task());
    }
    r->cgroup_id = bpf_get_current_cgroup_id();
    bpf_get_current_comm(r->comm, sizeof(r->comm));
}

/* Begins a record in a buffer: what it is, and when. NULL: none is free; sg_send() counts it. */
static __always_inline struct sg_buffer *sg_begin_empty(__u32 *ret_slot, __u16 type)
{
    struct sg_record *r;
    struct sg_buffer *b;

    *ret_slot = sg_claim();
    b = sg_buffer_of(*ret_slot);
    if (!b)
        return NULL;
    r = (struct sg_record *)b->bytes;
    __builtin_memset(r, 0, sizeof(*r));
    r->type = type;
    r->time_ns = bpf_ktime_get_boot_ns();
    r->cpu = bpf_get_smp_processor_id();
    r->count = 1;
    r->rule = SG_RULE_NONE;
    r->size = sizeof(*r);
    return b;
}

/* The same, and who. */
static __always_inline struct sg_buffer *sg_begin(__u32 *ret_slot, __u16 type)
{
    struct sg_buffer *b = sg_begin_empty(ret_slot, type);

    if (b)
        sg_fill_process((struct sg_record *)b->bytes);
    return b;
}

/* Wakes the reader of a ring, or leaves it to look by itself: flags for the ring's helpers. */
static __always_inline __u64 sg_wake(enum sg_ring ring, __u64 now)
{
    if (now - sg_woken_ns[ring] < SG_WAKE_NS)
        return BPF_RB_NO_WAKEUP;
    sg_woken_ns[ring] = now;
    return BPF_RB_FORCE_WAKEUP;
}

/* Appends a number of 32 bits. */
static __always_inline __u64 sg_add_number(__u8 *bytes, __u64 at, __u32 number, __u16 type)
{
    struct sg_field *field;

    if (at > SG_RECORD_MAX - 512)
        return at;
    field = (struct sg_field *)(bytes + at);
    field->type = type;
    field->len = sizeof(number);
    field->reserved = 0;
    *(__u64 *)(field + 1) = 0;
    *(__u32 *)(field + 1) = number;
    return at + sizeof(*field) + 8;
}

/* The object of a report that has only its address; the dentry of the report is what it would be handed to. */
static __always_inline __u64 sg_add_object_at(__u32 slot, __u8 *bytes, __u64 at,
                                              const struct sg_report *p, __u16 *flags)
{
    struct sg_record *r = (struct sg_record *)bytes;
    struct dentry *dentry = (void *)p->text;
    struct inode *inode = BPF_CORE_READ(dentry, d_inode);

    at = sg_add_number(bytes, at, r->dev, SG_FIELD_DEV2);
    r->dev = BPF_CORE_READ(dentry, d_sb, s_dev);
    r->ino = BPF_CORE_READ(inode, i_ino);
    r->mode = BPF_CORE_READ(inode, i_mode);
    r->nlink = BPF_CORE_READ(inode, __i_nlink);
    return sg_add_path(slot, bytes, at, (__u64)dentry, SG_FIELD_PATH, SG_RECORD_PATH_CUT, flags);
}

/* Appends a string of the kernel's, up to 255 bytes. */
static __always_inline __u64 sg_add_text(__u8 *bytes, __u64 at, const char *text, __u16 type)
{
    struct sg_field *field;
    long len;

    if (at > SG_RECORD_MAX - 512)
        return at;
    field = (struct sg_field *)(bytes + at);
    len = bpf_probe_read_kernel_str(bytes + at + sizeof(*field), 256, text);
    if (len < 1)
        return at;
    field->type = type;
    field->len = (__u16)(len - 1);
    field->reserved = 0;
    /* The NUL that came along is not part of the field: whatever comes next may begin where it is. */
    return (at + sizeof(*field) + (__u64)len - 1 + 7) & ~7ull;
}

/* What was decided of which object. */
static __always_inline void sg_record_decision(struct sg_record *r, const struct sg_report *p,
                                               __u16 *flags)
{
    r->policy_id = p->policy_id;
    r->hook = p->hook;
    r->rule = SG_DECISION_RULE(p->decision);
    r->verdict = SG_DECISION_VERDICT(p->decision);
    r->access = p->access;
    r->reason = SG_DECISION_REASON(p->decision);
    r->error = p->error;
    if (SG_DECISION_FLAGS(p->decision) & SG_ENTRY_MONITOR)
        *flags |= SG_RECORD_MONITOR;
    if (r->reason)
        *flags |= SG_RECORD_UNRESOLVED;
    if (p->decision & SG_DECISION_RELABEL)
        *flags |= SG_RECORD_RELABEL;
    r->dev = p->dentry->d_sb->s_dev;
    if (p->inode) {
        r->ino = p->inode->i_ino;
        r->mode = p->inode->i_mode;
        r->nlink = p->inode->__i_nlink;
    }
}

/* Completes the record of a report that was begun in a buffer; returns its length. */
static __always_inline __u64 sg_write_file_record(__u32 slot, struct sg_buffer *b,
                                                  const struct sg_report *p, bool typed)
{
    bool at_address = p->text_type == SG_TEXT_IS_DENTRY;
    __u8 *bytes = b->bytes;
    struct sg_record *r = (struct sg_record *)bytes;
    __u64 end = sizeof(*r);
    __u16 flags = p->flags;

    sg_record_decision(r, p, &flags);
    if (at_address) {
        end = sg_add_path(slot, bytes, end, sg_address(p->dentry), SG_FIELD_PATH2,
                          SG_RECORD_PATH2_CUT, &flags);
        end = sg_add_object_at(slot, bytes, end, p, &flags);
    } else {
        end = sg_add_path_kept(slot, b, end, p->dentry, r->time_ns, &flags, typed);
    }
    if (p->dentry2)
        end = sg_add_path(slot, bytes, end, sg_address(p->dentry2), SG_FIELD_PATH2,
                          SG_RECORD_PATH2_CUT, &flags);
    if (p->text && !at_address)
        end = sg_add_text(bytes, end, p->text, p->text_type);
    r->flags |= flags;
    r->size = end;
    return end;
}

/*
 * Numbers the record of `len` bytes in a buffer, sends it, and gives the buffer back. The numbers are the buffer's own: of
 * programs that interrupt each other on a CPU no two have the same. NULL: no buffer was free. What does not arrive is counted.
 */
static __always_inline void sg_send(__u32 slot, struct sg_buffer *b, __u64 len, enum sg_ring ring)
{
    struct sg_record *r;
    long lost = 1;
    __u64 wake;

    if (b) {
        r = (struct sg_record *)b->bytes;
        r->seq = SG_SEQ(slot, ++b->sent[ring]);
        wake = sg_wake(ring, r->time_ns);
        asm volatile("" : "+r"(len));
        if (len > SG_RECORD_MAX)
            len = SG_RECORD_MAX;
        if (ring == SG_RING_SECURITY)
            lost = bpf_ringbuf_output(&sg_security, b->bytes, len, wake);
        else if (ring == SG_RING_PROCESS)
            lost = bpf_ringbuf_output(&sg_process, b->bytes, len, wake);
        else
            lost = bpf_ringbuf_output(&sg_audit, b->bytes, len, wake);
        sg_give_back(b);
    }
    sg_count(SG_COUNT_SENT(ring) + (lost ? 1 : 0));
}

/* Counts one that is equal to what was recorded under this key within a second: true when it was only counted. */
static __always_inline int sg_merge(const struct sg_merge_key *key, __u32 policy_id)
{
    __u64 now = bpf_ktime_get_boot_ns();
    struct sg_merge fresh = {.first_ns = now, .last_ns = now, .policy_id = policy_id};
    struct sg_merge *m = bpf_map_lookup_elem(&sg_merged, key);

    /* A window that is over but whose number has not been fetched yet goes on counting: the sensor closes it. */
    if (m && (now - m->first_ns < SG_MERGE_WINDOW_NS || m->count)) {
        __sync_fetch_and_add(&m->count, 1);
        m->last_ns = now;
        sg_count(SG_COUNT_MERGED);
        return 1;
    }
    /* In place: somebody else may be counting here already. */
    if (m)
        m->first_ns = m->last_ns = now;
    else
        bpf_map_update_elem(&sg_merged, key, &fresh, BPF_NOEXIST);
    return 0;
}

/*
 * Equal denials within a second are one record with a number: true when this one was only counted.
 */
static __noinline int sg_merged_away(const struct sg_report *p)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    struct sg_merge_key key = {};
    struct inode *inode = p->inode;

    if (!inode)
        return 0;
    key.ino = inode->i_ino;
    key.dev = inode->i_sb->s_dev;
    key.tgid = bpf_get_current_pid_tgid() >> 32;
    key.start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
    key.access = (__u16)p->access;
    key.policy = (__u16)p->policy_id;
    key.rule = SG_DECISION_RULE(p->decision);
    key.hook = p->hook;
    return sg_merge(&key, p->policy_id);
}

static __always_inline void sg_emit_body(const struct sg_report *p, bool typed)
{
    int denial = SG_DECISION_VERDICT(p->decision) >= SG_DENY;
    struct sg_buffer *b;
    __u64 len = 0;
    __u32 slot;

    if (denial && sg_merged_away(p))
        return;
    b = sg_begin(&slot, p->type ? p->type : SG_RECORD_FILE);
    if (b)
        len = sg_write_file_record(slot, b, p, typed);
    if (denial)
        sg_send(slot, b, len, SG_RING_SECURITY);
    else if (p->type == SG_RECORD_ENTERED)
        sg_send(slot, b, len, SG_RING_PROCESS);
    else
        sg_send(slot, b, len, SG_RING_AUDIT);
}

/* Reports a decision: denials to their own ring, programs' lives to theirs, the rest to the audit ring. */
static __noinline void sg_emit(const struct sg_report *p)
{
    sg_emit_body(p, false);
}

/* The same for programs of type LSM, where inode storage may be asked with what was walked to. */
static __noinline void sg_emit_lsm(const struct sg_report *p)
{
    sg_emit_body(p, true);
}

#endif
