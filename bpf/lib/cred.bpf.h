/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the credentials of a task were when they were last looked at, and whether what they are now can have come of it by any
 * system call.
 *
 * Who can write to the kernel's memory makes himself root there, past every check. The kernel itself never changes credentials
 * that a task has: it makes others and puts them in place (commit_creds, kernel/cred.c), and the rules of that are narrow:
 *
 *   ids             change by set*id calls, which ask a hook first, and by exec
 *   capabilities    no others come to the permitted ones but by exec or with another user namespace; whatever a task puts into its
 *                   effective, inheritable or ambient ones it had permitted, or in its bounding set with CAP_SETPCAP
 *   user namespace  only ever another one beneath it (unshare, setns; kernel/user_namespace.c)
 *
 * So a task is compared with itself, by these rules, and nothing has to be seen of what lowers or keeps its privileges: groups,
 * keyrings, securebits, bounding sets, profiles. Credentials that the kernel lends for a while (overlay, nfsd, io_uring) are in
 * task->cred; looked at is task->real_cred. Kernel threads act for the kernel and are left alone.
 *
 * Never a finding on doubt: whatever could have been missed (no room, programs that the kernel did not run for a while) raises
 * sg_cred_epoch, under which all tasks are looked at as if for the first time.
 */
#ifndef SG_BPF_LIB_CRED_H
#define SG_BPF_LIB_CRED_H

#include "finding.bpf.h"
#include "task.bpf.h"

#define SG_CAP_SETPCAP (1ull << 8) /* include/uapi/linux/capability.h */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct cred___whole {
    kuid_t uid;
    kgid_t gid;
    kuid_t suid;
    kgid_t sgid;
    kuid_t euid;
    kgid_t egid;
    kuid_t fsuid;
    kgid_t fsgid;
    unsigned securebits;
    kernel_cap_t cap_inheritable;
    kernel_cap_t cap_permitted;
    kernel_cap_t cap_effective;
    kernel_cap_t cap_bset;
    kernel_cap_t cap_ambient;
    struct user_namespace *user_ns;
};

/* From 6.3 on. */
struct cred___word {
    struct {
        __u64 val;
    } cap_effective;
};

struct user_namespace___named {
    struct user_namespace___named *parent;
    int level;
    struct ns_common ns;
};

#pragma clang attribute pop

/* What is kept of a task. */
struct sg_cred_kept {
    __u64 start_ns; /* of the task: addresses are used again */
    __u64 epoch;    /* sg_cred_epoch that it was looked at under; 0: not yet */
    __u64 cred;     /* addresses of its credentials and of their user namespace */
    __u64 user_ns;
    __u64 child; /* address of the task that it is about to fork */
    __u32
        ids[8]; /* that a set*id call is about to give it, in the order of struct sg_credentials */
    __u32 has_ids;
    __u32 reserved;
    struct sg_credentials now;
};

/* From 5.11 on. */
struct {
    __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct sg_cred_kept);
} sg_creds SEC(".maps");

/* Before, by the address of the task. What finds no room is not looked at, and counted. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 32768);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u64);
    __type(value, struct sg_cred_kept);
} sg_creds_by_address SEC(".maps");

/*
 * What was last found in order on a CPU, for whoever comes next and is the same: most of what asks is one task many times. Who
 * writes claims the entry, and is nobody's while it does; a place of its own for each, so that no CPU waits for another one's.
 */
#define SG_CRED_CPUS 512 /* those beyond are looked up in what is kept of the task */
struct sg_cred_seen {
    __u64 task; /* address of it; 0: being written */
    __u64 claims;
    __u64 start_ns, epoch, cred, caps, user_ns;
    __u32 fsuid, fsgid, euid, egid;
} __attribute__((aligned(128)));
static struct sg_cred_seen sg_cred_seen[SG_CRED_CPUS];

/* Set by the sensor: 0 while programs are put in place or taken away. */
enum { SG_CREDENTIALS_OFF = 0, SG_CREDENTIALS_RECORD = 1, SG_CREDENTIALS_ENFORCE = 2 };
volatile __u32 sg_cred_mode = SG_CREDENTIALS_OFF;
volatile __u64 sg_cred_epoch = 1;

const volatile bool sg_record_only =
    false;                             /* programs may be skipped here: nothing is to be enforced */
const volatile __u64 sg_init_cred = 0; /* address of init_cred, 0: unknown */

static __always_inline void sg_cred_doubt(void)
{
    __sync_fetch_and_add(&sg_cred_epoch, 1);
    sg_count(SG_COUNT_CREDENTIALS_DOUBT);
}

#define SG_HAS_TASK_STORAGE bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_storage_get)

/* What is kept of the current task; NULL: nothing. `make`: an empty one then, NULL when there is no room. */
static __always_inline struct sg_cred_kept *sg_cred_kept_own(bool make)
{
    if (SG_HAS_TASK_STORAGE) {
        return bpf_task_storage_get(&sg_creds, bpf_get_current_task_btf(), 0,
                                    make ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
    } else {
        static const struct sg_cred_kept empty;
        __u64 task = bpf_get_current_task();
        struct sg_cred_kept *k = bpf_map_lookup_elem(&sg_creds_by_address, &task);

        if (k || !make)
            return k;
        bpf_map_update_elem(&sg_creds_by_address, &task, &empty, BPF_NOEXIST);
        return bpf_map_lookup_elem(&sg_creds_by_address, &task);
    }
}

/* The words that are read of credentials: word(name in struct sg_credentials, name in the kernel's). Sets are one word or two. */
#define SG_CRED_WORDS(word)                                                               \
    word(uid, uid) word(euid, euid) word(suid, suid) word(fsuid, fsuid) word(gid, gid)    \
        word(egid, egid) word(sgid, sgid) word(fsgid, fsgid) word(securebits, securebits) \
            word(caps_effective, cap_effective) word(caps_permitted, cap_permitted)       \
                word(caps_inheritable, cap_inheritable) word(caps_bounding, cap_bset)     \
                    word(caps_ambient, cap_ambient)

/* Where the kernel keeps them together, as it does unless structures are shuffled, they are fetched in one go. */
#define SG_CRED_BLOCK 80
#define SG_CRED_AT(from)                                       \
    ((__u64)bpf_core_field_offset(struct cred___whole, from) - \
     (__u64)bpf_core_field_offset(struct cred___whole, uid))
#define SG_CRED_IN_BLOCK(member, from) \
    &&SG_CRED_AT(from) <= SG_CRED_BLOCK - sizeof(((struct sg_credentials *)0)->member)
#define SG_CRED_OF_BLOCK(member, from) \
    sg_cred_take(&ret->member, block + SG_CRED_AT(from), sizeof(ret->member));
#define SG_CRED_BY_ITSELF(member, from)                      \
    bpf_probe_read_kernel(&ret->member, sizeof(ret->member), \
                          __builtin_preserve_access_index(&cred->from));

/* By words of 32 bits: what is two of them in the kernel need not lie on a multiple of 8. */
static __always_inline void sg_cred_take(void *to, const void *from, __u64 size)
{
    for (__u64 i = 0; i < size / sizeof(__u32); i++)
        ((__u32 *)to)[i] = ((const __u32 *)from)[i];
}

/* A step of its own, by address: what it reads must not take from the stack of its callers. */
static __noinline int sg_cred_read(__u64 address, struct sg_credentials *ret)
{
    const struct cred___whole *cred = (void *)address;
    const struct user_namespace___named *user_ns = (void *)BPF_CORE_READ(cred, user_ns);
    __u8 block[SG_CRED_BLOCK] __attribute__((aligned(8))) = {};

    ret->user_ns = BPF_CORE_READ(user_ns, ns.inum);
    if (1 SG_CRED_WORDS(SG_CRED_IN_BLOCK)) {
        bpf_probe_read_kernel(block, sizeof(block), __builtin_preserve_access_index(&cred->uid));
        SG_CRED_WORDS(SG_CRED_OF_BLOCK)
    } else {
        SG_CRED_WORDS(SG_CRED_BY_ITSELF)
    }
    return 0;
}

/* Does one user namespace lie beneath the other? Their levels are bounded by the kernel. */
__noinline __u32 sg_user_ns_beneath(__u64 address, __u64 above)
{
    const struct user_namespace___named *ns = (void *)address;

    for (int i = 0; i <= SG_USER_NS_LEVELS && ns; i++) {
        ns = BPF_CORE_READ(ns, parent);
        if ((__u64)ns == above)
            return 1;
    }
    return 0;
}

static __always_inline int sg_cred_same_ids(const struct sg_credentials *c, const __u32 *ids)
{
    const __u32 *own = &c->uid;
    __u32 differs = 0;

    for (int i = 0; i < 8; i++)
        differs |= own[i] ^ ids[i];
    return !differs;
}

/* Capabilities that no system call gives to who had those of `old`, in the same user namespace. */
static __always_inline int sg_cred_raised(const struct sg_credentials *old,
                                          const struct sg_credentials *now)
{
    __u64 permitted = old->caps_permitted, inherits = old->caps_inheritable | permitted;

    if (permitted & SG_CAP_SETPCAP)
        inherits |= old->caps_bounding;
    return (now->caps_permitted & ~permitted) ||
           (now->caps_effective & ~(permitted | old->caps_effective)) ||
           (now->caps_inheritable & ~inherits) ||
           (now->caps_ambient & ~(permitted | old->caps_ambient)) ||
           (now->caps_bounding & ~old->caps_bounding);
}

/* What is wrong with credentials, given what is kept: a SG_FINDING_*, SG_FINDING_NONE when nothing is. */
static __always_inline __u32 sg_cred_judge(const struct sg_cred_kept *k,
                                           const struct sg_credentials *now, __u64 cred,
                                           __u64 user_ns)
{
    __u32 kind = SG_FINDING_NONE;

    if (user_ns != k->user_ns) {
        if (!sg_user_ns_beneath(user_ns, k->user_ns))
            kind = SG_FINDING_credential_user_ns;
    } else if (!sg_record_only && sg_cred_raised(&k->now, now)) {
        /* Where programs may be skipped it is not known that no exec gave them, nor ids by a call. */
        kind = SG_FINDING_credential_caps;
    }
    if (!sg_record_only && !sg_cred_same_ids(now, &k->now.uid) &&
        !(k->has_ids && sg_cred_same_ids(now, k->ids)))
        kind = SG_FINDING_credential_ids;
    if (kind && cred != k->cred)
        kind = SG_FINDING_credential_replaced;
    return kind;
}

static __always_inline void sg_cred_report(const struct sg_cred_kept *k,
                                           const struct sg_credentials *now, __u32 kind, __u16 hook,
                                           bool refused)
{
    struct sg_find f = {
        .finding = kind,
        .evidence = SG_EVIDENCE_CREDENTIALS,
        .hook = hook,
        .verdict = sg_cred_mode == SG_CREDENTIALS_ENFORCE ? SG_KILL : SG_AUDIT,
        .error = refused ? EPERM : 0,
        .size = 2 * sizeof(*now),
    };
    struct sg_credentials *evidence;
    struct sg_buffer *b;
    __u32 slot;

    evidence = sg_finding_begin(&slot, &b, &f);
    if (evidence) {
        __builtin_memcpy(&evidence[0], &k->now, sizeof(*now));
        __builtin_memcpy(&evidence[1], now, sizeof(*now));
    }
    sg_finding_send(slot, b, &f);
}

static __always_inline void sg_cred_adopt(struct sg_cred_kept *k, const struct sg_credentials *now,
                                          __u64 cred, __u64 user_ns)
{
    k->now = *now;
    k->cred = cred;
    k->user_ns = user_ns;
}

/* Leaves on this CPU what is kept of the current task. */
static __always_inline void sg_cred_leave(const struct sg_cred_kept *k, __u64 task)
{
    __u32 cpu = bpf_get_smp_processor_id();
    struct sg_cred_seen *e;

    if (!SG_HAS_TASK_STORAGE || cpu >= SG_CRED_CPUS)
        return;
    e = &sg_cred_seen[cpu];
    if (!sg_claimed(&e->claims))
        return;
    *(volatile __u64 *)&e->task = 0;
    asm volatile("" : : : "memory");
    e->start_ns = k->start_ns;
    e->epoch = k->epoch;
    e->cred = k->cred;
    e->caps = k->now.caps_effective;
    e->user_ns = k->user_ns;
    e->fsuid = k->now.fsuid;
    e->fsgid = k->now.fsgid;
    e->euid = k->now.euid;
    e->egid = k->now.egid;
    asm volatile("" : : : "memory");
    *(volatile __u64 *)&e->task = task;
    sg_unclaim(&e->claims);
}

/* Credentials that are nobody's but the kernel's own. */
static __always_inline int sg_cred_is_kernels(__u64 cred)
{
    return sg_init_cred && cred == sg_init_cred;
}

/*
 * Looks at the current task as a whole. `acting`: what it acts with has to be its own (exec and set*id, where the kernel itself
 * insists on that: commit_creds). True: what it asks for is to be refused, and it ends.
 */
__noinline __u32 sg_cred_check(__u32 hook, __u32 acting)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    __u64 cred = (__u64)BPF_CORE_READ(task, real_cred), epoch = sg_cred_epoch;
    __u64 user_ns = (__u64)BPF_CORE_READ((struct cred *)cred, user_ns);
    __u64 start = BPF_CORE_READ(task, start_boottime);
    struct sg_credentials now;
    __u32 kind = SG_FINDING_NONE, refused;
    struct sg_cred_kept *k;
    bool first;

    if (sg_cred_mode == SG_CREDENTIALS_OFF || BPF_CORE_READ(task, flags) & SG_ACTS_FOR_OTHERS ||
        !BPF_CORE_READ(task, mm))
        return 0;
    k = sg_cred_kept_own(true);
    if (!k) {
        sg_count(SG_COUNT_CREDENTIALS_FULL);
        return 0;
    }
    sg_cred_read(cred, &now);
    first = k->epoch != epoch || k->start_ns != start;
    if (first) {
        sg_cred_adopt(k, &now, cred, user_ns);
        k->start_ns = start;
        k->has_ids = 0;
        k->epoch = epoch;
    } else {
        kind = sg_cred_judge(k, &now, cred, user_ns);
    }
    if (sg_cred_is_kernels(cred) && (first || k->cred != cred))
        kind = SG_FINDING_credential_replaced;
    if (acting && (__u64)BPF_CORE_READ(task, cred) != cred)
        kind = SG_FINDING_credential_replaced;
    refused = kind && sg_cred_mode == SG_CREDENTIALS_ENFORCE && !sg_record_only;
    if (kind)
        sg_cred_report(k, &now, kind, hook, refused);
    /* Said once. Ids that were announced and have come are the task's own now. */
    if (!sg_cred_same_ids(&now, &k->now.uid))
        k->has_ids = 0;
    sg_cred_adopt(k, &now, cred, user_ns);
    if (refused)
        bpf_send_signal(SIGKILL_NUMBER);
    else
        sg_cred_leave(k, (__u64)task);
    return refused;
}

/* A set*id call is about to give the current task the ids of these credentials. */
__noinline __u32 sg_cred_announce(__u64 cred)
{
    struct sg_cred_kept *k;
    struct sg_credentials next;

    if (sg_cred_mode == SG_CREDENTIALS_OFF)
        return 0;
    k = sg_cred_kept_own(true);
    if (!k) {
        sg_cred_doubt();
        return 0;
    }
    sg_cred_read(cred, &next);
    __builtin_memcpy(k->ids, &next.uid, sizeof(k->ids));
    k->has_ids = 1;
    return 0;
}

/* The current task has what its new program gives it. */
__noinline __u32 sg_cred_committed(void)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    __u64 cred = (__u64)BPF_CORE_READ(task, real_cred);
    struct sg_credentials now;
    struct sg_cred_kept *k;

    if (sg_cred_mode == SG_CREDENTIALS_OFF)
        return 0;
    k = sg_cred_kept_own(true);
    if (!k) {
        sg_cred_doubt();
        return 0;
    }
    sg_cred_read(cred, &now);
    sg_cred_adopt(k, &now, cred, (__u64)BPF_CORE_READ((struct cred *)cred, user_ns));
    k->start_ns = BPF_CORE_READ(task, start_boottime);
    k->has_ids = 0;
    k->epoch = sg_cred_epoch;
    return 0;
}

#endif
