/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What rules say besides files: one piece for all kinds of abi/control.def. An access of a kind is a word of the automaton, from
 * the kind's own start on: no rule speaks of the kind, or none of what is asked with, and one step is all.
 *
 * An access may ask with several arguments at once (the ids that a call changes, the namespaces that it makes): each is decided,
 * and the strongest decision counts.
 *
 * Who is exempt: threads of the kernel's own, since a rule about capabilities would otherwise stop the kernel; and the running
 * agent, which has to be able to take the rule back.
 */
#ifndef SG_BPF_CONTROL_H
#define SG_BPF_CONTROL_H

#include "abi/control.h"
#include "hook.bpf.h"

#define SG_ASKED_MAX 4
#define SG_CONTROL_NAME_LEN \
    128 /* of a name, with its NUL; longer ones are known by what comes before */

/* One access. */
struct sg_asked {
    __u16 kind; /* enum sg_control */
    __u16 hook;
    __u8 arg; /* enum sg_control_arg */
    __u8 n;   /* how many values */
    __u8
        quiet; /* a question without consequences, as the kernel marks them: decided, not recorded */
    __u8 denials; /* only these: what passes has a record of another kind */
    __u32 target_tgid;
    __u32 by_file; /* a descriptor does it, and not the current task: see SG_ASKED_FILE */
    __u64 target_start_ns;
    __u64 value
        [SG_ASKED_MAX]; /* numbers or ids; of a name the address of a string with a NUL, 0: none */
    __u64 more[2];      /* for the record, as the hook says */
};

/* Of what a descriptor does: its file, and the users that it acts for. In the place of `more`: the stack of programs is full. */
#define SG_ASKED_FILE(a)       ((a)->by_file ? (a)->more[1] : 0)
#define SG_ASKED_USER(a)       ((__u32)(a)->more[0])
#define SG_ASKED_EFFECTIVE(a)  ((__u32)((a)->more[0] >> 32))
#define SG_ASKED_USERS(uid, e) ((__u64)(e) << 32 | (uid))

/*
 * The self-test's process, and in the high half the hook that is tested: what it asks there is decided by what nobody else asks,
 * and its other questions pass. Set by itself, and good while it is the agent's child.
 */
volatile __u64 sg_canary = 0;

static const volatile char sg_self_name[] = SG_CONTROL_SELF_NAME;

static __always_inline int sg_is_canary(void)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    __u32 tgid = (__u32)sg_canary;

    return tgid && tgid == bpf_get_current_pid_tgid() >> 32 &&
           sg_is_agent(sg_agent_get(), BPF_CORE_READ(task, real_parent));
}

/* Which of these do rules speak of? `kinds`: bits. */
static __always_inline __u64 sg_control_which(__u64 kinds)
{
    const struct sg_image *header = sg_header_now();

    return header ? header->controls & kinds : 0;
}

static __always_inline int sg_control_any(__u64 kinds)
{
    return sg_control_which(kinds) != 0;
}

#define SG_KIND_BIT(kind) (1ull << SG_CONTROL_##kind)

/* A kind's start, 0: no rule speaks of it; in the high half 1: another policy is in force. */
static __always_inline __u64 sg_control_start(__u32 kind, __u32 policy_id)
{
    const struct sg_image *header = sg_header_now();

    if (!header || header->policy_id != policy_id)
        return 1ull << 32;
    return header->control_state[kind & (SG_CONTROL_MAX - 1)];
}

static __always_inline __u64 sg_control_judge(__u64 answer, __u32 policy_id, __u32 who)
{
    if (SG_ANSWER_FAILED(answer))
        return SG_DECISION_RETRY;
    return answer ? sg_decide((__u32)answer, SG_OP_CONTROL, policy_id, who) : SG_DECISION_NONE;
}

/* Decides about a number or an id. */
__noinline __u64 sg_control_number(__u32 kind, __u32 value, __u32 policy_id, __u32 who)
{
    __u64 start = sg_control_start(kind, policy_id);

    if (!start || start >> 32)
        return start ? SG_DECISION_RETRY : SG_DECISION_NONE;
    return sg_control_judge(sg_run_word(policy_id, (__u32)start, SG_CONTROL_NUMBER(value), 1),
                            policy_id, who);
}

__noinline __u64 sg_control_id(__u32 kind, __u32 value, __u32 policy_id, __u32 who)
{
    __u64 start = sg_control_start(kind, policy_id), word = 0;

    if (!start || start >> 32)
        return start ? SG_DECISION_RETRY : SG_DECISION_NONE;
    for (int i = 0; i < SG_CONTROL_ID_BYTES; i++)
        word |= (__u64)SG_CONTROL_ID(value, i) << (8 * i);
    return sg_control_judge(sg_run_word(policy_id, (__u32)start, word, SG_CONTROL_ID_BYTES),
                            policy_id, who);
}

/* The same about the name at a kernel address. */
__noinline __u64 sg_control_name(__u32 kind, __u64 address, __u32 policy_id, __u32 who)
{
    __u64 start = sg_control_start(kind, policy_id), answer;
    __u64 words[SG_CONTROL_NAME_LEN / 8] = {};
    long len;

    if (!start || start >> 32)
        return start ? SG_DECISION_RETRY : SG_DECISION_NONE;
    len = bpf_probe_read_kernel_str(words, sizeof(words), (void *)address) - 1;
    answer = SG_ANSWER(start);
#pragma unroll
    for (int i = 0; i < SG_CONTROL_NAME_LEN / 8; i++) {
        if (len <= 8 * i || !answer || SG_ANSWER_FAILED(answer))
            break;
        answer = sg_run_word(policy_id, (__u32)answer, words[i], (__u32)len - 8 * i);
    }
    return sg_control_judge(answer, policy_id, who);
}

static __always_inline __u64 sg_control_value(const struct sg_asked *a, __u64 value,
                                              __u32 policy_id, __u32 who)
{
    if (a->arg == SG_CONTROL_ARG_NAME)
        return value ? sg_control_name(a->kind, value, policy_id, who) : SG_DECISION_NONE;
    if (a->arg == SG_CONTROL_ARG_ID)
        return sg_control_id(a->kind, (__u32)value, policy_id, who);
    return sg_control_number(a->kind, (__u32)value, policy_id, who);
}

/* One try; leaves the value that decided in the first place. */
static __noinline __u64 sg_control_try(struct sg_asked *a, __u32 policy_id, __u32 who)
{
    __u64 decision = SG_DECISION_NONE, one, which = a->value[0];

#pragma unroll
    for (int i = 0; i < SG_ASKED_MAX; i++) {
        if (i >= a->n)
            break;
        one = sg_control_value(a, a->value[i], policy_id, who);
        if (one > decision) {
            decision = one;
            which = a->value[i];
        }
    }
    if (!(decision & SG_DECISION_AGAIN))
        a->value[0] = which;
    return decision;
}

/*
 * Who a file's signals are sent for, and who waits at a socket: see bpf/control_signal.bpf.h and control_socket_in.bpf.h. Made when
 * he says so, by the address of the file or the socket.
 */
struct sg_owner {
    __u64 start_ns; /* of the process */
    __u32 tgid;
    __u32 policy_id; /* 0: his predicates are not known */
    __u32 epoch;
    __u32 reserved;
    __u64 preds[SG_PRED_WORDS];
};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, __u64);
    __type(value, struct sg_owner);
} sg_owners SEC(".maps");

static __noinline int sg_owner_put(__u64 address)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    const struct sg_image *header = sg_header_now();
    const struct sg_subject *s = header ? sg_subject_current(header) : NULL;
    struct sg_owner owner = {};

    owner.tgid = bpf_get_current_pid_tgid() >> 32;
    owner.start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
    if (s) {
        owner.policy_id = s->policy_id;
        owner.epoch = s->epoch;
        for (int i = 0; i < (int)SG_PRED_WORDS; i++)
            owner.preds[i] = s->preds[i];
    }
    bpf_map_update_elem(&sg_owners, &address, &owner, BPF_ANY);
    return 0;
}

/* The current task is who something is for from now on: a file, or a socket, by its address. */
static __always_inline void sg_owner_set(__u64 address)
{
    const struct sg_image *header = sg_header_now();

    if (!header)
        return;
    sg_subject_refresh(header);
    sg_owner_put(address);
}

/* NULL: the current task does it itself, or nobody knows for whom the file does. */
static __always_inline const struct sg_owner *sg_owner_of(const struct sg_asked *a)
{
    __u64 file = SG_ASKED_FILE(a);

    return file ? bpf_map_lookup_elem(&sg_owners, &file) : NULL;
}

/* A number for what is asked, where equal records are counted: of the kind and the process that it is asked about. */
static __always_inline __u64 sg_control_key(const struct sg_asked *a)
{
    __u64 what = a->value[0];

    /* Of a name its first bytes. */
    if (a->arg == SG_CONTROL_ARG_NAME && bpf_probe_read_kernel(&what, sizeof(what), (void *)what))
        what = 0;
    if (a->arg == SG_CONTROL_ARG_NAME)
        what = what * 0x9e3779b97f4a7c15ull >> 24;
    return SG_CONTROL_INO(what, a->target_tgid);
}

/* Equal ones within a second are one record with a number. */
static __noinline int sg_control_merged_away(const struct sg_asked *a, __u64 decision,
                                             __u32 policy_id)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    const struct sg_owner *owner = sg_owner_of(a);
    struct sg_merge_key key = {};

    key.ino = sg_control_key(a);
    key.dev = SG_CONTROL_DEV(a->kind);
    key.tgid = owner ? owner->tgid : bpf_get_current_pid_tgid() >> 32;
    key.start_ns = owner ? owner->start_ns : BPF_CORE_READ(task, group_leader, start_boottime);
    key.access = SG_OP_CONTROL;
    key.policy = (__u16)policy_id;
    key.rule = SG_DECISION_RULE(decision);
    key.hook = a->hook;
    return sg_merge(&key, policy_id);
}

static __always_inline __u64 sg_add_control(__u8 *bytes, const struct sg_asked *a)
{
    struct sg_record *r = (struct sg_record *)bytes;
    struct sg_field *field = (struct sg_field *)(bytes + sizeof(*r));
    struct sg_control_field *c = (struct sg_control_field *)(field + 1);

    field->type = SG_FIELD_CONTROL;
    field->len = sizeof(*c);
    field->reserved = 0;
    c->kind = a->kind;
    c->reserved = 0;
    c->target_tgid = a->target_tgid;
    c->target_start_ns = a->target_start_ns;
    c->number[0] = a->arg == SG_CONTROL_ARG_NAME ? 0 : a->value[0];
    c->number[1] = a->by_file ? 0 : a->more[0];
    c->number[2] = a->by_file ? 0 : a->more[1];
    if (a->arg != SG_CONTROL_ARG_NAME)
        return sizeof(*r) + sizeof(*field) + sizeof(*c);
    return sg_add_text(bytes, sizeof(*r) + sizeof(*field) + sizeof(*c), (const char *)a->value[0],
                       SG_FIELD_NAME);
}

/* Who did it. Of somebody else than the current task there is no more than this, the rest is for the agent to know. */
static __always_inline void sg_fill_owner(struct sg_record *r, const struct sg_owner *owner,
                                          __u32 uid, __u32 euid)
{
    if (!owner || owner->tgid == bpf_get_current_pid_tgid() >> 32) {
        sg_fill_process(r);
        return;
    }
    r->tgid = r->tid = owner->tgid;
    r->start_ns = owner->start_ns;
    r->uid = uid;
    r->euid = euid;
    r->login_uid = ~0u;
}

static __noinline int sg_control_emit(const struct sg_asked *a, __u64 decision, __u32 policy_id,
                                      __u32 error)
{
    struct sg_buffer *b;
    struct sg_record *r;
    __u64 len = 0;
    __u32 slot;

    if (sg_control_merged_away(a, decision, policy_id))
        return 0;
    b = sg_begin_empty(&slot, SG_RECORD_CONTROL);
    if (b) {
        r = (struct sg_record *)b->bytes;
        sg_fill_owner(r, sg_owner_of(a), SG_ASKED_USER(a), SG_ASKED_EFFECTIVE(a));
        r->policy_id = policy_id;
        r->hook = a->hook;
        r->rule = SG_DECISION_RULE(decision);
        r->verdict = SG_DECISION_VERDICT(decision);
        r->reason = SG_DECISION_REASON(decision);
        r->access = SG_OP_CONTROL;
        r->error = error;
        r->ino = sg_control_key(a);
        r->dev = SG_CONTROL_DEV(a->kind);
        if (SG_DECISION_FLAGS(decision) & SG_ENTRY_MONITOR)
            r->flags |= SG_RECORD_MONITOR;
        if (r->reason)
            r->flags |= SG_RECORD_UNRESOLVED;
        len = sg_add_control(b->bytes, a);
        r->size = len;
    }
    if (SG_DECISION_VERDICT(decision) >= SG_DENY)
        sg_send(slot, b, len, SG_RING_SECURITY);
    else
        sg_send(slot, b, len, SG_RING_AUDIT);
    return 0;
}

/* Is the current task one that such rules are not for? */
static __always_inline int sg_control_is_exempt(__u64 decision)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    struct sg_agent *agent = sg_agent_get();

    if ((BPF_CORE_READ(task, flags) & (PF_KTHREAD | PF_IO_WORKER)) == PF_KTHREAD)
        return 1;
    return sg_is_agent(agent, task) && SG_DECISION_RULE(decision) >= agent->kept_rules;
}

/* Records a decision. Returns the errno that is refused with, 0: it passes. */
static __noinline int sg_control_conclude(const struct sg_asked *a, __u64 decision, __u32 policy_id)
{
    int refused = sg_decision_refuses(decision);
    __u32 error = SG_ENTRY_ERRNO(SG_DECISION_FLAGS(decision));

    /* Of what a descriptor does the current task is whoever was interrupted. */
    if ((!a->by_file && sg_control_is_exempt(decision)) ||
        (a->denials && SG_DECISION_VERDICT(decision) < SG_DENY))
        return 0;
    if (!error)
        error = EPERM;
    if (refused)
        sg_count(SG_COUNT_DENIED);
    else if (SG_DECISION_VERDICT(decision) >= SG_DENY)
        sg_count(SG_COUNT_WOULD_DENY);
    if (!a->quiet)
        sg_control_emit(a, decision, policy_id, refused ? error : 0);
    if (refused && !a->by_file)
        sg_punish(decision);
    return refused ? error : 0;
}

/* What the self-test's process asks: of the hook that is tested by what nobody else asks with. False: it passes. */
static __always_inline int sg_control_tests(struct sg_asked *a)
{
    if (sg_canary >> 32 != a->hook)
        return 0;
    a->n = 1;
    a->quiet = 0;
    a->value[0] = a->arg == SG_CONTROL_ARG_NAME ? sg_address((const void *)sg_self_name)
                  : a->arg == SG_CONTROL_ARG_ID ? SG_CONTROL_SELF_TEST_ID
                                                : SG_CONTROL_SELF_TEST;
    return 1;
}

/* What comes of a decision. Returns the errno that is refused with, 0: it passes. */
static __always_inline int sg_control_end(const struct sg_asked *a, __u64 decision, __u32 policy_id)
{
    if (decision & SG_DECISION_AGAIN)
        decision = sg_unresolved(0, SG_OP_CONTROL, policy_id, SG_REASON_IMAGE);
    if (SG_DECISION_VERDICT(decision) == SG_ALLOW)
        return 0;
    return sg_control_conclude(a, decision, policy_id);
}

/* Decides one access. Returns the errno that is refused with, 0: it passes. */
static __always_inline int sg_control(struct sg_asked *a)
{
    __u32 policy_id = 0;
    __u64 decision = SG_DECISION_NONE;

    if (sg_is_canary() && !sg_control_tests(a))
        return 0;
#pragma unroll
    for (int try = SG_TRY_FIRST; try <= SG_TRY_LAST; try++) {
        policy_id = sg_policy_now();
        if (!policy_id)
            return 0;
        decision = sg_control_try(a, policy_id, try == SG_TRY_LAST);
        if (!(decision & SG_DECISION_AGAIN))
            break;
        if (try < SG_TRY_LAST)
            sg_subject_prepare();
    }
    return sg_control_end(a, decision, policy_id);
}

/* Rule and verdict of an access that has a record of its own, which nothing can be refused by. */
static __always_inline void sg_control_mark(struct sg_record *r, __u16 kind)
{
    __u32 policy_id = sg_policy_now();
    __u64 decision;

    if (!sg_control_any(1ull << kind))
        return;
    decision = sg_control_number(kind, 0, policy_id, SG_WHO_CURRENT);
    if (decision & SG_DECISION_AGAIN) {
        sg_subject_prepare();
        policy_id = sg_policy_now();
        decision = sg_control_number(kind, 0, policy_id, SG_WHO_ANYBODY);
    }
    if (decision & SG_DECISION_AGAIN || SG_DECISION_VERDICT(decision) != SG_AUDIT)
        return;
    r->policy_id = policy_id;
    r->rule = SG_DECISION_RULE(decision);
    r->verdict = SG_AUDIT;
}

/* About a process, and none of the caller's own. 0: it is the caller's. */
static __always_inline int sg_asked_target(struct sg_asked *a, struct task_struct *target)
{
    a->target_tgid = BPF_CORE_READ(target, tgid);
    a->target_start_ns = BPF_CORE_READ(target, group_leader, start_boottime);
    return a->target_tgid != bpf_get_current_pid_tgid() >> 32;
}

static __always_inline int sg_control_ask_number(__u16 kind, __u16 hook, __u64 number)
{
    struct sg_asked a = {.kind = kind, .hook = hook, .n = 1, .value = {number}};

    return sg_control(&a);
}

static __always_inline int sg_control_ask_name(__u16 kind, __u16 hook, const volatile char *name)
{
    struct sg_asked a = {.kind = kind,
                         .hook = hook,
                         .arg = SG_CONTROL_ARG_NAME,
                         .n = 1,
                         .value = {sg_address((const void *)name)}};

    return sg_control(&a);
}

/*
 * -errno of what is refused, in bounds that verifiers from 6.12 on see: they want it proved to be in [-4095, 0], and compilers
 * test one register and return another.
 */
#define SG_REFUSE_WITH(ask)                                                              \
    ({                                                                                   \
        __u64 error = (__u64)(ask);                                                      \
        long result = 0;                                                                 \
        asm volatile("%[e] &= 127\n\t%[r] -= %[e]" : [r] "+r"(result), [e] "+r"(error)); \
        result;                                                                          \
    })

/* As SG_PROGRAMS, of an expression that is an errno; `function` is what calls the hook, security_<function>. */
#define SG_CONTROL_PROGRAMS(name, hook, function, ask, args...) \
    SEC("lsm/" #hook)                                           \
    int BPF_PROG(lsm_##name, args)                              \
    {                                                           \
        return SG_REFUSE_WITH(ask);                             \
    }                                                           \
    SEC("fmod_ret/security_" #function)                         \
    int BPF_PROG(fmod_##name, args)                             \
    {                                                           \
        return SG_REFUSE_WITH(ask);                             \
    }

#endif
