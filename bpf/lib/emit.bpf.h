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
    struct sg_seen seen; /* of a directory on the way up */
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

/* Wakes the reader of a ring, or leaves it to look by itself: flags for the ring's helpers. */
static __always_inline __u64 sg_wake(enum sg_ring ring, __u64 now)
{
    if (now - sg_woken_ns[ring] < SG_WAKE_NS)
        return BPF_RB_NO_WAKEUP;
    sg_woken_ns[ring] = now;
    return BPF_RB_FORCE_WAKEUP;
}

/* A buffer that nobody else writes to until it is given back; SG_BUFFERS: none is free. */
__noinline __u32 sg_claim(void)
{
    for (__u32 i = 0; i < SG_BUFFERS; i++) {
        __u32 slot = i;
        struct sg_buffer *b = bpf_map_lookup_elem(&sg_buffers, &slot);

        if (!b)
            break;
        /* Whoever finds that it was the only one to add is the owner; two at once both go on to the next buffer. */
        __sync_fetch_and_add(&b->claims, 1);
        if (*(volatile __u64 *)&b->claims == 1)
            return i;
        __sync_fetch_and_add(&b->claims, -1);
    }
    return SG_BUFFERS;
}

static __always_inline struct sg_buffer *sg_buffer_of(__u32 slot)
{
    return bpf_map_lookup_elem(&sg_buffers, &slot);
}

static __always_inline void sg_give_back(struct sg_buffer *b)
{
    __sync_fetch_and_add(&b->claims, -1);
}

/* Puts one name, followed by NUL, into a record. Returns the new end; 0: there is no room. */
static __always_inline __u64 sg_put_name(__u8 *bytes, __u64 start, __u64 end, __u64 len,
                                         const void *name)
{
    if (end - start + len + 1 > SG_PATH_BYTES_MAX)
        return 0;
    asm volatile("" : "+r"(len), "+r"(end)); /* the bounds must hold in these registers */
    if (len > SG_NAME_MAX || end > SG_RECORD_MAX - 512)
        return 0;
    bpf_probe_read_kernel(bytes + end, len, name);
    bytes[end + len] = 0;
    return end + len + 1;
}

#define SG_PUT_CUT (1ull << 32) /* not all names are there */

/*
 * The names from the dentry at `address` up to the root of its file system into buffer `slot` from `end` on; `start` is where
 * the path begins. Returns the new end, with SG_PUT_CUT when the record has no room for all.
 * By numbers, to be verified once and not once for every way to a record.
 */
__noinline __u64 sg_put_names(__u32 slot, __u64 start, __u64 end, __u64 address)
{
    struct sg_buffer *b = sg_buffer_of(slot);
    __u64 next;

    if (!b)
        return end | SG_PUT_CUT;
    for (int i = 0; i < SG_PATH_COMPONENTS_MAX; i++) {
        if (sg_see(&b->seen, address))
            return end | SG_PUT_CUT;
        if (b->seen.parent == address)
            return end;
        next = sg_put_name(b->bytes, start, end, b->seen.hash_len >> 32, (void *)b->seen.text);
        if (!next)
            break;
        end = next;
        address = b->seen.parent;
    }
    return end | SG_PUT_CUT;
}

/* Ends the path field at `at`, whose names sg_put_names() has put there. Returns where the next field begins. */
static __always_inline __u64 sg_end_path(__u8 *bytes, __u64 at, __u64 end, __u16 type, __u16 cut,
                                         __u16 *flags)
{
    struct sg_field *field;

    if (end & SG_PUT_CUT)
        *flags |= cut;
    end = (__u32)end;
    if (at > SG_RECORD_MAX - 512 || end > SG_RECORD_MAX)
        return at;
    field = (struct sg_field *)(bytes + at);
    field->type = type;
    field->len = (__u16)(end - at - sizeof(*field));
    field->reserved = 0;
    return (end + 7) & ~7ull;
}

/*
 * Appends a path as a field: names from the leaf, the dentry at `address`, up to the root of its file system. Returns the new
 * end. What does not fit is cut at the root's end, and *flags says it with `cut`.
 */
static __always_inline __u64 sg_add_path(__u32 slot, __u8 *bytes, __u64 at, __u64 address,
                                         __u16 type, __u16 cut, __u16 *flags)
{
    __u64 start = at + sizeof(struct sg_field);

    return sg_end_path(bytes, at, sg_put_names(slot, start, start, address), type, cut, flags);
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
 * The same for an object's own path, with the directory's part from its storage where nothing has moved since: paths of
 * records cost the same at any depth.
 */
static __always_inline __u64 sg_add_path_kept(__u32 slot, struct sg_buffer *b, __u64 at,
                                              struct dentry *dentry, __u64 now, __u16 *flags)
{
    __u32 sequence = sg_rename_lock ? sg_rename_sequence() : 1;
    __u64 start = at + sizeof(struct sg_field), end = start, dir_start, len = SG_TEXT_MAX + 1;
    struct dentry *parent = dentry->d_parent;
    struct inode *dir = parent->d_inode;
    const struct sg_text *text = NULL;

    if (parent != dentry)
        end = sg_put_name(b->bytes, start, start, dentry->d_name.len, dentry->d_name.name);
    end = dir_start = end ? end : start; /* one name always has room */
    if (!(sequence & 1))
        text = bpf_inode_storage_get(&sg_texts, dir, 0, 0);
    if (text && text->sequence == sequence)
        len = text->len;
    asm volatile("" : "+r"(len), "+r"(end));
    if (text && len <= SG_TEXT_MAX && end <= SG_RECORD_MAX - 512) {
        bpf_probe_read_kernel(b->bytes + end, len, text->bytes);
        end += len;
    } else {
        end = sg_put_names(slot, start, end, sg_address(parent));
        if (!(end & SG_PUT_CUT) && !(sequence & 1) &&
            (!text || now - text->made_ns > SG_TEXT_LIFE_NS) && sequence == sg_rename_sequence())
            sg_text_keep(b, dir, dir_start, end, sequence, now);
    }
    return sg_end_path(b->bytes, at, end, SG_FIELD_PATH, SG_RECORD_PATH_CUT, flags);
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

/* Puts the record of a report into a buffer; returns its length. `kept`: texts of directories may be used. */
static __always_inline __u64 sg_write_file_record(__u32 slot, struct sg_buffer *b,
                                                  const struct sg_report *p, bool kept)
{
    bool at_address = p->text_type == SG_TEXT_IS_DENTRY;
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
    if (at_address) {
        end = sg_add_path(slot, bytes, end, sg_address(p->dentry), SG_FIELD_PATH2,
                          SG_RECORD_PATH2_CUT, &flags);
        end = sg_add_object_at(slot, bytes, end, p, &flags);
    } else if (kept) {
        end = sg_add_path_kept(slot, b, end, p->dentry, r->time_ns, &flags);
    } else {
        end = sg_add_path(slot, bytes, end, sg_address(p->dentry), SG_FIELD_PATH,
                          SG_RECORD_PATH_CUT, &flags);
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

static __always_inline void sg_sent(__u8 *bytes, __u32 sent_counter)
{
    struct sg_record *r = (struct sg_record *)bytes;
    __u64 *n = bpf_map_lookup_elem(&sg_counters, &sent_counter);

    if (n)
        r->seq = ++*n;
}

/* A buffer's record to its ring; not 0: it is lost. */
#define SG_OUTPUT(map, ring, buffer, len)          \
    bpf_ringbuf_output(&map, (buffer)->bytes, len, \
                       sg_wake(ring, ((struct sg_record *)(buffer)->bytes)->time_ns))

/*
 * Equal denials within a second are one record with a number: true when this one was only counted.
 */
static __noinline int sg_merged_away(const struct sg_report *p)
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

static __always_inline void sg_emit_body(const struct sg_report *p, bool kept)
{
    int denial = SG_DECISION_VERDICT(p->decision) >= SG_DENY;
    __u32 sent = denial                      ? SG_COUNT_SECURITY_SENT
                 : p->type == SG_RECORD_EXEC ? SG_COUNT_PROCESS_SENT
                                             : SG_COUNT_AUDIT_SENT;
    struct sg_buffer *b;
    long lost = 1;
    __u32 slot;
    __u64 len;

    if (denial && sg_merged_away(p))
        return;
    slot = sg_claim();
    b = sg_buffer_of(slot);
    if (b) {
        len = sg_write_file_record(slot, b, p, kept);
        sg_sent(b->bytes, sent);
        asm volatile("" : "+r"(len));
        if (len > SG_RECORD_MAX)
            len = SG_RECORD_MAX;
        if (denial)
            lost = SG_OUTPUT(sg_security, SG_RING_SECURITY, b, len);
        else if (p->type == SG_RECORD_EXEC)
            lost = SG_OUTPUT(sg_process, SG_RING_PROCESS, b, len);
        else
            lost = SG_OUTPUT(sg_audit, SG_RING_AUDIT, b, len);
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

/* The same for programs of type LSM, where inode storage may be asked with what was walked to. */
static __noinline void sg_emit_lsm(const struct sg_report *p)
{
    sg_emit_body(p, true);
}

#endif
