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
#define SG_TEXT_LIFE_NS        1000000000ull /* a text that is out of date is not replaced earlier */

#define SG_BUFFERS 4

struct sg_buffer {
    __u64 claims;
    __u8 bytes[SG_RECORD_MAX];
    struct sg_text text; /* being made */
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, SG_BUFFERS);
    __type(key, __u32);
    __type(value, struct sg_buffer);
} sg_buffers SEC(".maps");

/* In sg_report.text_type: `text` is the address of a dentry, the other object. */
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

/* Wakes the reader of a ring, or leaves it to look by itself: flags for the ring's helpers. */
static __always_inline __u64 sg_wake(enum sg_ring ring, __u64 now)
{
    if (now - sg_woken_ns[ring] < SG_WAKE_NS)
        return BPF_RB_NO_WAKEUP;
    sg_woken_ns[ring] = now;
    return BPF_RB_FORCE_WAKEUP;
}

/*
 * Names from `*dentry` up, each followed by NUL, at most `most` of them, into `bytes` from `end` on; `start` is where the
 * path begins. Returns the new end; *dentry is the first that is not there.
 */
static __always_inline __u64 sg_put_names(__u8 *bytes, __u64 start, __u64 end,
                                          struct dentry **dentry, int most)
{
    for (int i = 0; i < most; i++) {
        struct dentry *parent = (*dentry)->d_parent;
        __u64 len = (*dentry)->d_name.len;

        if (parent == *dentry || end - start + len + 1 > SG_PATH_BYTES_MAX)
            break;
        asm volatile("" : "+r"(len), "+r"(end)); /* the bounds must hold in these registers */
        if (len > SG_NAME_MAX || end > SG_RECORD_MAX - 512)
            break;
        bpf_probe_read_kernel(bytes + end, len, (*dentry)->d_name.name);
        bytes[end + len] = 0;
        end += len + 1;
        *dentry = parent;
    }
    return end;
}

/*
 * Appends a path as a field: names from the leaf up to the root of its file system.
 * `bytes` is SG_RECORD_MAX long; returns the new end. What does not fit is cut at the root's end, and *flags says it.
 */
static __always_inline __u64 sg_add_path(__u8 *bytes, __u64 at, struct dentry *dentry, __u16 type,
                                         __u16 cut, __u16 *flags)
{
    struct sg_field *field;
    __u64 start, end;

    if (at > 4400)
        return at;
    field = (struct sg_field *)(bytes + at);
    start = at + sizeof(*field);
    end = sg_put_names(bytes, start, start, &dentry, SG_PATH_COMPONENTS_MAX);
    if (dentry->d_parent != dentry)
        *flags |= cut;
    field->type = type;
    field->len = (__u16)(end - start);
    field->reserved = 0;
    return (end + 7) & ~7ull;
}

/* Keeps what lies from `start` to `end` of a record as the path of a directory. */
static __always_inline void sg_text_keep(struct sg_buffer *b, struct inode *dir, __u64 start,
                                         __u64 end, __u32 sequence, __u64 now)
{
    __u64 len = end - start;

    asm volatile("" : "+r"(len), "+r"(start));
    if (len > SG_TEXT_MAX || start > SG_RECORD_MAX - 512)
        return;
    b->text.made_ns = now;
    b->text.sequence = sequence;
    b->text.len = len;
    bpf_probe_read_kernel(b->text.bytes, len, b->bytes + start);
    bpf_inode_storage_delete(&sg_texts, dir);
    bpf_inode_storage_get(&sg_texts, dir, &b->text, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

/*
 * The same as sg_add_path() for an object's own path, with the directory's part from its storage where nothing has moved
 * since: paths of records cost the same at any depth.
 */
static __always_inline __u64 sg_add_path_kept(struct sg_buffer *b, __u64 at, struct dentry *dentry,
                                              __u64 now, __u16 *flags)
{
    __u32 sequence = sg_rename_lock ? sg_rename_sequence() : 1;
    __u64 start = at + sizeof(struct sg_field), end, dir_start, len = SG_TEXT_MAX + 1;
    struct sg_field *field = (struct sg_field *)(b->bytes + at);
    struct dentry *above = dentry;
    struct inode *dir = dentry->d_parent->d_inode;
    const struct sg_text *text = NULL;

    dir_start = end = sg_put_names(b->bytes, start, start, &above, 1);
    if (!(sequence & 1))
        text = bpf_inode_storage_get(&sg_texts, dir, 0, 0);
    if (text && text->sequence == sequence)
        len = text->len;
    asm volatile("" : "+r"(len), "+r"(end));
    if (text && len <= SG_TEXT_MAX && end <= SG_RECORD_MAX - 512) {
        bpf_probe_read_kernel(b->bytes + end, len, text->bytes);
        end += len;
    } else {
        end = sg_put_names(b->bytes, start, end, &above, SG_PATH_COMPONENTS_MAX);
        if (above->d_parent != above)
            *flags |= SG_RECORD_PATH_CUT;
        else if (!(sequence & 1) && (!text || now - text->made_ns > SG_TEXT_LIFE_NS) &&
                 sequence == sg_rename_sequence())
            sg_text_keep(b, dir, dir_start, end, sequence, now);
    }
    field->type = SG_FIELD_PATH;
    field->len = (__u16)(end - start);
    field->reserved = 0;
    return (end + 7) & ~7ull;
}

/* The same for a dentry of which only the address is known: each field is copied. */
static __always_inline __u64 sg_add_path_at(__u8 *bytes, __u64 at, __u64 address, __u16 type,
                                            __u16 cut, __u16 *flags)
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
        *flags |= cut;
    field->type = type;
    field->len = (__u16)(end - start);
    field->reserved = 0;
    return (end + 7) & ~7ull;
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
    return (at + sizeof(*field) + (__u64)len + 7) & ~7ull;
}

/* Puts the record of a report into a buffer; returns its length. `kept`: texts of directories may be used. */
static __always_inline __u64 sg_write_file_record(struct sg_buffer *b, const struct sg_report *p,
                                                  bool kept)
{
    __u8 *bytes = b->bytes;
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
    if (kept)
        end = sg_add_path_kept(b, end, p->dentry, r->time_ns, &flags);
    else
        end = sg_add_path(bytes, end, p->dentry, SG_FIELD_PATH, SG_RECORD_PATH_CUT, &flags);
    if (p->dentry2)
        end = sg_add_path(bytes, end, p->dentry2, SG_FIELD_PATH2, SG_RECORD_PATH2_CUT, &flags);
    if (!kept && p->text_type == SG_TEXT_IS_DENTRY)
        end = sg_add_path_at(bytes, end, (__u64)p->text, SG_FIELD_PATH2, SG_RECORD_PATH2_CUT,
                             &flags);
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
    key.access = p->access;
    key.rule = SG_DECISION_RULE(p->decision);
    key.hook = p->hook;
    m = bpf_map_lookup_elem(&sg_merged, &key);
    if (m && now - m->first_ns < SG_MERGE_WINDOW_NS) {
        __sync_fetch_and_add(&m->count, 1);
        m->last_ns = now;
        sg_count(SG_COUNT_MERGED);
        return 1;
    }
    if (m && m->count) {
        /* The window is over but what it counted has not been fetched yet: go on counting, the sensor closes it. */
        __sync_fetch_and_add(&m->count, 1);
        m->last_ns = now;
        sg_count(SG_COUNT_MERGED);
        return 1;
    }
    bpf_map_update_elem(&sg_merged, &key, &fresh, BPF_ANY);
    return 0;
}

static __always_inline void sg_emit_body(const struct sg_report *p, bool kept)
{
    int denial = SG_DECISION_VERDICT(p->decision) >= SG_DENY;
    __u32 sent = denial                      ? SG_COUNT_SECURITY_SENT
                 : p->type == SG_RECORD_EXEC ? SG_COUNT_PROCESS_SENT
                                             : SG_COUNT_AUDIT_SENT;
    struct sg_buffer *b;
    __u64 len, now;
    long lost = 1;

    if (denial && sg_merged_away(p))
        return;
    b = sg_claim();
    if (b) {
        len = sg_write_file_record(b, p, kept);
        now = ((struct sg_record *)b->bytes)->time_ns;
        sg_sent(b->bytes, sent);
        asm volatile("" : "+r"(len));
        if (len > SG_RECORD_MAX)
            len = SG_RECORD_MAX;
        if (denial)
            lost = bpf_ringbuf_output(&sg_security, b->bytes, len, sg_wake(SG_RING_SECURITY, now));
        else if (p->type == SG_RECORD_EXEC)
            lost = bpf_ringbuf_output(&sg_process, b->bytes, len, sg_wake(SG_RING_PROCESS, now));
        else
            lost = bpf_ringbuf_output(&sg_audit, b->bytes, len, sg_wake(SG_RING_AUDIT, now));
        sg_give_back(b);
    }
    if (lost)
        sg_count(sent + 1);
}

/* Reports a decision: denials to their own ring, programs' lives to theirs, the rest to the audit ring. */
static __noinline void sg_emit(const struct sg_report *p)
{
    sg_emit_body(p, false);
}

/*
 * The same for programs of type LSM, where inode storage may be asked with what was walked to. Not for the other object by
 * its address (SG_TEXT_IS_DENTRY).
 */
static __noinline void sg_emit_lsm(const struct sg_report *p)
{
    sg_emit_body(p, true);
}

#endif
