/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records to the rings.
 *
 * A record is put together in a buffer of this CPU and goes out as long as it is. Programs are preempted: a buffer is
 * claimed before use, and there are as many as programs can be stacked up on a CPU in practice. What finds none free, or no
 * room in the ring, is counted per CPU and ring; sequence numbers show the reader where.
 */
#ifndef SG_BPF_EMIT_H
#define SG_BPF_EMIT_H

#include "decide.bpf.h"

#define SG_PATH_COMPONENTS_MAX 128

#define SG_BUFFERS 4

struct sg_buffer {
    __u64 claims;
    __u8 bytes[SG_RECORD_MAX];
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, SG_BUFFERS);
    __type(key, __u32);
    __type(value, struct sg_buffer);
} sg_buffers SEC(".maps");

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

static __always_inline void sg_fill_process(struct sg_record *r)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    __u64 pid = bpf_get_current_pid_tgid(), ids = bpf_get_current_uid_gid();
    struct task_struct *parent;
    const struct cred *cred;

    r->tgid = pid >> 32;
    r->tid = (__u32)pid;
    r->uid = (__u32)ids;
    r->gid = ids >> 32;
    if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf)) {
        struct task_struct *t = bpf_get_current_task_btf();

        r->start_ns = t->group_leader->start_boottime;
        r->ppid = t->real_parent->tgid;
        r->parent_start_ns = t->real_parent->group_leader->start_boottime;
        r->euid = t->cred->euid.val;
        r->egid = t->cred->egid.val;
        r->login_uid = t->loginuid.val;
        r->session_id = t->sessionid;
        r->pid_ns = t->nsproxy ? t->nsproxy->pid_ns_for_children->ns.inum : 0;
        r->mnt_ns = t->nsproxy ? t->nsproxy->mnt_ns->ns.inum : 0;
        if (t->flags & PF_KTHREAD)
            r->flags |= SG_RECORD_KTHREAD;
    } else {
        parent = BPF_CORE_READ(task, real_parent);
        cred = BPF_CORE_READ(task, cred);
        r->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
        r->ppid = BPF_CORE_READ(parent, tgid);
        r->parent_start_ns = BPF_CORE_READ(parent, group_leader, start_boottime);
        r->euid = BPF_CORE_READ(cred, euid.val);
        r->egid = BPF_CORE_READ(cred, egid.val);
        r->login_uid = BPF_CORE_READ(task, loginuid.val);
        r->session_id = BPF_CORE_READ(task, sessionid);
        r->pid_ns = BPF_CORE_READ(task, nsproxy, pid_ns_for_children, ns.inum);
        r->mnt_ns = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
        if (BPF_CORE_READ(task, flags) & PF_KTHREAD)
            r->flags |= SG_RECORD_KTHREAD;
    }
    r->cgroup_id = bpf_get_current_cgroup_id();
    bpf_get_current_comm(r->comm, sizeof(r->comm));
}

static __always_inline void sg_start_record(struct sg_record *r, __u16 type, __u16 flags)
{
    r->type = type;
    r->flags = flags;
    r->time_ns = bpf_ktime_get_boot_ns();
    r->cpu = bpf_get_smp_processor_id();
    r->count = 1;
    r->rule = SG_RULE_NONE;
}

#define SG_CUT_FLAG(type) ((type) == SG_FIELD_PATH2 ? SG_RECORD_PATH2_CUT : SG_RECORD_PATH_CUT)

/*
 * Appends a path as a field: names from the leaf up to the root of its file system.
 * `bytes` is SG_RECORD_MAX long; returns the new end. What does not fit is cut at the root's end, and said.
 */
static __always_inline __u64 sg_add_path(__u8 *bytes, __u64 at, struct dentry *dentry, __u16 type,
                                         __u16 *flags)
{
    struct sg_field *field;
    __u64 start, end;

    if (at > 4400)
        return at;
    field = (struct sg_field *)(bytes + at);
    start = at + sizeof(*field);
    end = start;
    for (int i = 0; i < SG_PATH_COMPONENTS_MAX; i++) {
        struct dentry *parent = dentry->d_parent;
        __u64 len = dentry->d_name.len;

        if (parent == dentry || end - start + len + 1 > SG_PATH_BYTES_MAX)
            break;
        asm volatile("" : "+r"(len), "+r"(end)); /* the bounds must hold in these registers */
        if (len > SG_NAME_MAX || end > SG_RECORD_MAX - 512)
            break;
        bpf_probe_read_kernel(bytes + end, len, dentry->d_name.name);
        bytes[end + len] = 0;
        end += len + 1;
        dentry = parent;
    }
    if (dentry->d_parent != dentry)
        *flags |= SG_CUT_FLAG(type);
    field->type = type;
    field->len = (__u16)(end - start);
    field->reserved = 0;
    return (end + 7) & ~7ull;
}

/* The same for a dentry of which only the address is known: each field is copied. */
static __always_inline __u64 sg_add_path_at(__u8 *bytes, __u64 at, __u64 address, __u16 type,
                                            __u16 *flags)
{
    struct dentry *dentry = (void *)address, *parent = NULL;
    struct sg_field *field;
    __u64 start, end;

    if (at > 4400)
        return at;
    field = (struct sg_field *)(bytes + at);
    start = at + sizeof(*field);
    end = start;
    for (int i = 0; i < SG_PATH_COMPONENTS_MAX; i++) {
        __u64 len = BPF_CORE_READ(dentry, d_name.len);

        parent = BPF_CORE_READ(dentry, d_parent);
        if (parent == dentry || end - start + len + 1 > SG_PATH_BYTES_MAX)
            break;
        asm volatile("" : "+r"(len), "+r"(end));
        if (len > SG_NAME_MAX || end > SG_RECORD_MAX - 512)
            break;
        bpf_probe_read_kernel(bytes + end, len, BPF_CORE_READ(dentry, d_name.name));
        bytes[end + len] = 0;
        end += len + 1;
        dentry = parent;
    }
    if (parent != dentry)
        *flags |= SG_CUT_FLAG(type);
    field->type = type;
    field->len = (__u16)(end - start);
    field->reserved = 0;
    return (end + 7) & ~7ull;
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
static __always_inline __u64 sg_add_object_at(__u8 *bytes, __u64 at, const struct sg_report *p,
                                              __u16 *flags)
{
    struct sg_record *r = (struct sg_record *)bytes;
    struct dentry *dentry = (void *)p->text;
    struct inode *inode = BPF_CORE_READ(dentry, d_inode);

    at = sg_add_number(bytes, at, r->dev, SG_FIELD_DEV2);
    r->dev = BPF_CORE_READ(dentry, d_sb, s_dev);
    r->ino = BPF_CORE_READ(inode, i_ino);
    r->mode = BPF_CORE_READ(inode, i_mode);
    r->nlink = BPF_CORE_READ(inode, __i_nlink);
    return sg_add_path_at(bytes, at, (__u64)dentry, SG_FIELD_PATH, flags);
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

/* Puts the record of a report into `bytes`; returns its length. */
static __always_inline __u64 sg_write_file_record(__u8 *bytes, const struct sg_report *p)
{
    struct sg_record *r = (struct sg_record *)bytes;
    __u64 end = sizeof(*r);
    __u16 flags = p->flags;

    __builtin_memset(r, 0, sizeof(*r));
    sg_start_record(r, p->type ? p->type : SG_RECORD_FILE, 0);
    sg_fill_process(r);
    r->policy_id = p->policy_id;
    r->hook = p->hook;
    r->rule = SG_DECISION_RULE(p->decision);
    r->verdict = SG_DECISION_VERDICT(p->decision);
    r->access = p->access;
    r->reason = SG_DECISION_REASON(p->decision);
    r->error = p->error;
    if (SG_DECISION_FLAGS(p->decision) & SG_ENTRY_MONITOR)
        flags |= SG_RECORD_MONITOR;
    if (r->reason)
        flags |= SG_RECORD_UNRESOLVED;
    if (p->decision & SG_DECISION_RELABEL)
        flags |= SG_RECORD_RELABEL;
    r->dev = p->dentry->d_sb->s_dev;
    if (p->inode) {
        r->ino = p->inode->i_ino;
        r->mode = p->inode->i_mode;
        r->nlink = p->inode->__i_nlink;
    }
    end = sg_add_path(bytes, end, p->dentry,
                      p->text_type == SG_TEXT_IS_DENTRY ? SG_FIELD_PATH2 : SG_FIELD_PATH, &flags);
    if (p->dentry2)
        end = sg_add_path(bytes, end, p->dentry2, SG_FIELD_PATH2, &flags);
    if (p->text_type == SG_TEXT_IS_DENTRY)
        end = sg_add_object_at(bytes, end, p, &flags);
    else if (p->text)
        end = sg_add_text(bytes, end, p->text, p->text_type);
    r->flags |= flags;
    r->size = end;
    return end;
}

static __always_inline void sg_sent(__u8 *bytes, __u32 sent_counter)
{
    struct sg_record *r = (struct sg_record *)bytes;
    __u64 *n = bpf_map_lookup_elem(&sg_counters, &sent_counter);

    if (n)
        r->seq = ++*n;
}

/* A buffer that nobody else writes to until it is given back. */
static __always_inline struct sg_buffer *sg_claim(void)
{
#pragma unroll
    for (__u32 i = 0; i < SG_BUFFERS; i++) {
        __u32 slot = i;
        struct sg_buffer *b = bpf_map_lookup_elem(&sg_buffers, &slot);

        if (!b)
            return NULL;
        /* Whoever finds that it was the only one to add is the owner; two at once both go on to the next buffer. */
        __sync_fetch_and_add(&b->claims, 1);
        if (*(volatile __u64 *)&b->claims == 1)
            return b;
        __sync_fetch_and_add(&b->claims, -1);
    }
    return NULL;
}

static __always_inline void sg_give_back(struct sg_buffer *b)
{
    __sync_fetch_and_add(&b->claims, -1);
}

/*
 * Equal denials within a second are one record with a number: true when this one was only counted.
 */
static __always_inline int sg_merged_away(const struct sg_report *p)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    __u64 now = bpf_ktime_get_boot_ns();
    struct sg_merge_key key = {};
    struct sg_merge fresh = {.first_ns = now, .last_ns = now, .policy_id = p->policy_id};
    struct inode *inode = p->inode;
    struct sg_merge *m;

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
    m = bpf_map_lookup_elem(&sg_merged, &key);
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
        bpf_map_update_elem(&sg_merged, &key, &fresh, BPF_NOEXIST);
    return 0;
}

/* Reports a decision: denials to their own ring, programs' lives to theirs, the rest to the audit ring. */
static __noinline void sg_emit(const struct sg_report *p)
{
    int denial = SG_DECISION_VERDICT(p->decision) >= SG_DENY;
    __u32 sent = denial                      ? SG_COUNT_SECURITY_SENT
                 : p->type == SG_RECORD_EXEC ? SG_COUNT_PROCESS_SENT
                                             : SG_COUNT_AUDIT_SENT;
    struct sg_buffer *b;
    __u64 len;
    long lost = 1;

    if (denial && sg_merged_away(p))
        return;
    b = sg_claim();
    if (b) {
        len = sg_write_file_record(b->bytes, p);
        sg_sent(b->bytes, sent);
        asm volatile("" : "+r"(len));
        if (len > SG_RECORD_MAX)
            len = SG_RECORD_MAX;
        if (denial)
            lost = bpf_ringbuf_output(&sg_security, b->bytes, len, 0);
        else if (p->type == SG_RECORD_EXEC)
            lost = bpf_ringbuf_output(&sg_process, b->bytes, len, 0);
        else
            lost = bpf_ringbuf_output(&sg_audit, b->bytes, len, 0);
        sg_give_back(b);
    }
    if (lost)
        sg_count(sent + 1);
}

#endif
