// SPDX-License-Identifier: Apache-2.0
#include "policy/explain.h"

#include <errno.h>
#include <string.h>

#include "policy/control.h"
#include "policy/facts.h"
#include "policy/image_read.h"

static int start_state(const struct policy_image *image, const struct policy_query *q,
                       uint32_t *ret_state)
{
    if (!q->has_dev) {
        *ret_state = image->start;
        return 0;
    }
    for (size_t i = 0; i < image->n_roots; i++)
        if (image->roots[i].dev == q->dev) {
            *ret_state = image->roots[i].root.state;
            return 0;
        }
    return -ENODEV;
}

// The operations that fit what is asked about.
static bool ops_ok(const struct policy_query *q)
{
    if (q->control)
        return q->ops == SG_OP_CONTROL;
    return q->ops != 0 && q->ops < SG_OP_CONTROL;
}

static bool path_ok(const struct policy_query *q)
{
    if (q->control)
        return true;
    return q->path_len > 0 && q->path[0] == '/' &&
           (q->path_len == 1 || q->path[q->path_len - 1] != '/');
}

// Which subjects a process is, and which predicates hold for it.
static int find_preds(const struct policy_image *image, const struct policy_query *query,
                      uint64_t ret_subjects[SG_SUBJECT_WORDS], uint64_t ret_preds[SG_PRED_WORDS])
{
    const struct sg_image *h = policy_image_head(image);
    const struct sg_pred *preds = image_record(image, h->preds_off);
    __u64 subjects[SG_SUBJECT_WORDS] = {};
    struct task_facts facts;
    int r;

    r = facts_init(image, query, &facts);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < image->n_subjects; i++)
        if (facts_subject(&facts, i))
            subjects[i / 64] |= SG_BIT(i % 64);
    for (uint32_t i = 0; i < h->n_preds; i++)
        if (sg_pred_holds(&preds[i], subjects))
            ret_preds[i / 64] |= SG_BIT(i % 64);
    memcpy(ret_subjects, subjects, sizeof(subjects));
    return 0;
}

bool explain_holds(const struct policy_image *image, const struct policy_query *query,
                   const struct policy_decision *d, const struct sg_entry *e)
{
    const struct sg_image *h = policy_image_head(image);
    const struct sg_target *t = image_record(image, h->targets_off);

    if (!(d->preds[e->pred / 64] >> (e->pred % 64) & 1))
        return false;
    if (h->n_targets == 0)
        return true;
    t += e->pred;
    if ((!t->to && !t->flags) || (t->flags & SG_TARGET_OTHER_USER && query->other_user))
        return true;
    if (!query->target)
        return e->verdict >= SG_DENY;
    return t->to && d->to_preds[t->to / 64] >> (t->to % 64) & 1;
}

static uint8_t error_of(uint8_t verdict, uint8_t flags)
{
    if (verdict < SG_DENY)
        return 0;
    return SG_ENTRY_ERRNO(flags) ? SG_ENTRY_ERRNO(flags) : EPERM;
}

// Operations that a rule took are noted one by one.
static void note_ops(struct policy_decision *d, uint32_t took, const struct sg_entry *e)
{
    for (size_t i = 0; i < d->n_ops; i++)
        if (took & d->ops[i].op) {
            d->ops[i].matched = true;
            d->ops[i].rule = e->rule;
            d->ops[i].verdict = e->verdict;
            d->ops[i].error = error_of(e->verdict, e->flags);
            d->ops[i].monitor = e->flags & SG_ENTRY_MONITOR;
        }
}

static void walk_entries(const struct policy_image *image, const struct policy_query *query,
                         const struct sg_accept *accept, struct policy_decision *d)
{
    const struct sg_image *h = policy_image_head(image);
    const struct sg_entry *entries = image_record(image, h->entries_off);
    __u64 pending = query->ops, best = SG_DECISION_NONE;

    for (uint32_t i = 0; i < accept->n_entries; i++) {
        const struct sg_entry *e = &entries[accept->entry + i];
        __u64 holds = explain_holds(image, query, d, e);
        __u64 before = pending;

        best = sg_consider(e, holds, &pending, best);
        note_ops(d, (uint32_t)(before & ~pending), e);
    }
    if (best == SG_DECISION_NONE)
        return;
    d->overall = (struct policy_op_decision){
        .op = SG_DECISION_OPS(best),
        .matched = true,
        .rule = SG_DECISION_RULE(best),
        .verdict = SG_DECISION_VERDICT(best),
        .error = error_of(SG_DECISION_VERDICT(best), SG_DECISION_FLAGS(best)),
        .monitor = SG_DECISION_FLAGS(best) & SG_ENTRY_MONITOR,
    };
    d->blocked = d->overall.verdict >= SG_DENY && !d->overall.monitor;
}

static void look_below(const struct policy_image *image, const struct sg_accept *accept,
                       struct policy_decision *d)
{
    const struct sg_image *h = policy_image_head(image);
    const struct sg_below *below =
        image_record(image, h->belows_off + accept->below * (uint32_t)sizeof(*below));

    for (size_t w = 0; w < SG_PRED_WORDS; w++) {
        d->below_enforced |= (below->enforce[w] & d->preds[w]) != 0;
        d->below_monitored |= (below->monitor[w] & d->preds[w]) != 0;
    }
}

// The states after what the query asks about. 0; -EINVAL, -ENODEV.
static int find_states(const struct policy_image *image, const struct policy_query *q,
                       struct control_states *ret)
{
    struct control_states states = {};
    uint32_t start;
    int r;

    if (q->control)
        return control_walk(image, q->control, ret);
    r = start_state(image, q, &start);
    if (r < 0)
        return r;
    states.state = policy_image_walk(image, start, q->path, q->path_len == 1 ? 0 : q->path_len);
    *ret = states;
    return 0;
}

// What the rules of a state say, into a decision whose subjects are there.
static void decide(const struct policy_image *image, const struct policy_query *query,
                   uint32_t number, struct policy_decision *d)
{
    const struct sg_image *h = policy_image_head(image);
    const struct sg_state *state;
    const struct sg_accept *accept;

    d->state = number;
    for (uint32_t op = 1; op < 1u << SG_OP_COUNT; op <<= 1)
        if (query->ops & op)
            d->ops[d->n_ops++].op = op;
    state = image_record(image, h->states_off + number * (uint32_t)sizeof(*state));
    accept = image_record(image, h->accepts_off + state->accept * (uint32_t)sizeof(*accept));
    walk_entries(image, query, accept, d);
    look_below(image, accept, d);
}

// The name by which an address was learnt, as bpf/lib/network_name.bpf.h has it: the first rule of both decides; but what a name is
// allowed stays denied where a rule denies its address.
static void decide_name(const struct policy_image *image, const struct policy_query *query,
                        const struct control_states *states, const struct policy_decision *who,
                        struct policy_decision *d)
{
    struct policy_decision name = *who, given = *who;

    decide(image, query, states->name, &name);
    if (!name.overall.matched || (d->overall.matched && d->overall.rule <= name.overall.rule))
        return;
    *d = name;
    if (name.overall.verdict >= SG_DENY)
        return;
    decide(image, query, states->given, &given);
    if (given.overall.matched && given.overall.verdict >= SG_DENY)
        *d = given;
}

int policy_explain(const struct policy_image *image, const struct policy_query *query,
                   struct policy_decision *ret_decision)
{
    struct policy_query target = *query;
    struct policy_decision who = {}, d;
    struct control_states states;
    int r;

    if (!path_ok(query) || !ops_ok(query))
        return -EINVAL;
    r = find_preds(image, query, who.subjects, who.preds);
    if (r == 0 && query->target) {
        target.facts = *query->target;
        r = find_preds(image, &target, who.to_subjects, who.to_preds);
    }
    if (r == 0)
        r = find_states(image, query, &states);
    if (r < 0)
        return r;
    d = who;
    decide(image, query, states.state, &d);
    if (states.name)
        decide_name(image, query, &states, &who, &d);
    *ret_decision = d;
    return 0;
}
