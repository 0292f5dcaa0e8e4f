// SPDX-License-Identifier: Apache-2.0
//
// A decision in words and as JSON.
#include <errno.h>
#include <string.h>

#include "base/color.h"
#include "base/utf8.h"
#include "model/names.h"
#include "policy/facts.h"
#include "policy/image_read.h"

#define ATOM_TEXT_MAX 200 // bytes of a list of paths that are shown

struct teller {
    const struct policy_image *image;
    const struct policy_query *query;
    const struct policy_decision *decision;
    struct task_facts facts;
    const uint64_t *subjects; // what of the decision these facts came to
    bool color;
};

static bool subject_on(const struct teller *t, uint32_t subject)
{
    return t->subjects[subject / 64] >> (subject % 64) & 1;
}

static void put_path(struct strbuf *sb, const char *path)
{
    if (path)
        utf8_escape(sb, path, strlen(path));
    else
        sb_puts(sb, "unknown");
}

static void put_atom(const struct teller *t, uint64_t atom, struct strbuf *sb)
{
    const char *text = atom < t->image->n_atoms ? t->image->atoms[atom].text : NULL;
    size_t len = strlen(strempty(text));

    utf8_escape(sb, strempty(text), len < ATOM_TEXT_MAX ? len : ATOM_TEXT_MAX);
    if (len > ATOM_TEXT_MAX)
        sb_puts(sb, " ...");
}

static void put_id(uint64_t id, struct strbuf *sb)
{
    if (id == UINT32_MAX)
        sb_puts(sb, "none");
    else
        sb_printf(sb, "%llu", (unsigned long long)id);
}

static void put_caps(uint64_t caps, struct strbuf *sb)
{
    static const struct {
        const char *name;
        unsigned number;
    } rows[] = {
#define CAP(name, number) {#name, number},
#include "model/caps.def"
#undef CAP
    };
    const char *comma = "";

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (caps >> rows[i].number & 1) {
            sb_printf(sb, "%s%s", comma, rows[i].name);
            comma = " ";
        }
}

// What the process has, in the dimension of a term.
static void put_fact(const struct teller *t, const struct sg_term *term, struct strbuf *sb)
{
    const struct policy_facts *g = t->facts.given;

    switch (term->dim) {
    case SG_DIM_EXE:
        sb_puts(sb, "exe is ");
        put_path(sb, t->facts.views[0].exe);
        break;
    case SG_DIM_PARENT:
        sb_puts(sb, "parent is ");
        put_path(sb, t->facts.views[0].parent);
        break;
    case SG_DIM_ANCESTOR: sb_puts(sb, "no ancestor is in the list"); break;
    case SG_DIM_USER: sb_printf(sb, "user is %u", g->uid); break;
    case SG_DIM_GROUP: sb_puts(sb, "no group is in the list"); break;
    case SG_DIM_LOGIN:
        sb_puts(sb, "login_user is ");
        put_id(g->login_uid, sb);
        break;
    case SG_DIM_CAP:
        sb_puts(sb, "these capabilities are missing: ");
        put_caps(term->value & ~g->caps, sb);
        break;
    case SG_DIM_CGROUP:
        sb_puts(sb, "cgroup is ");
        put_path(sb, g->cgroup ? g->cgroup : "/");
        break;
    case SG_DIM_SESSION:
        sb_printf(sb, "session is %s", strempty(session_name(t->facts.views[0].session)));
        break;
    case SG_DIM_NAMESPACE:
        sb_puts(sb, g->container ? "it is in a container" : "it is on the host");
        break;
    default: sb_puts(sb, "no variable of its environment is it"); break;
    }
}

// What would have matched: all terms of the dimension that failed.
static void put_wanted(const struct teller *t, const struct sg_term *first, size_t n,
                       struct strbuf *sb)
{
    for (size_t i = 0; i < n && first[i].dim == first->dim; i++) {
        const struct sg_term *term = &first[i];

        sb_puts(sb, i > 0 ? ", " : "");
        switch (term->dim) {
        case SG_DIM_EXE:
        case SG_DIM_PARENT:
        case SG_DIM_ANCESTOR:
        case SG_DIM_CGROUP: put_atom(t, term->value, sb); break;
        case SG_DIM_CAP: put_caps(term->value, sb); break;
        case SG_DIM_SESSION: sb_puts(sb, strempty(session_name((uint32_t)term->value))); break;
        case SG_DIM_NAMESPACE: sb_puts(sb, term->value ? "container" : "host"); break;
        case SG_DIM_USER:
        case SG_DIM_GROUP:
        case SG_DIM_LOGIN: put_id(term->value, sb); break;
        default: put_atom(t, term->value, sb); break;
        }
    }
}

// Why a subject matches or not.
static void put_reason(const struct teller *t, uint32_t subject, struct strbuf *sb)
{
    const struct sg_term *failed = NULL, *terms;
    size_t n;

    if (!(t->facts.on[subject / 64] >> (subject % 64) & 1)) {
        sb_puts(sb, "does not match: it is outside its time windows");
        return;
    }
    if (facts_view(&t->facts, subject, 0, &failed)) {
        sb_puts(sb, "matches");
        return;
    }
    if (subject_on(t, subject)) {
        for (size_t v = 1; v < t->facts.n_views; v++)
            if (facts_view(&t->facts, subject, v, NULL)) {
                sb_puts(sb, "matches: descends from ");
                put_path(sb, t->facts.views[v].exe);
                return;
            }
    }
    terms = facts_terms(t->image, subject, &n);
    sb_puts(sb, "does not match: ");
    put_fact(t, failed, sb);
    sb_puts(sb, "; wanted: ");
    put_wanted(t, failed, n - (size_t)(failed - terms), sb);
    if (facts_inherited(t->image, subject))
        sb_puts(sb, "; nor does an ancestor");
}

static void put_subject_name(const struct teller *t, uint32_t subject, struct strbuf *sb)
{
    const struct policy_image_subject *s = &t->image->subjects[subject];

    if (*s->name)
        utf8_escape(sb, s->name, strlen(s->name));
    else
        sb_printf(sb, "the subject in line %u", s->line);
}

static void put_rule_place(const struct policy_image_rule *rule, struct strbuf *sb)
{
    utf8_escape(sb, rule->file, strlen(rule->file));
    sb_printf(sb, ":%u", rule->line);
}

static const struct sg_accept *accept_of(const struct teller *t)
{
    const struct sg_image *h = policy_image_head(t->image);
    const struct sg_state *state =
        image_record(t->image, h->states_off + t->decision->state * (uint32_t)sizeof(*state));

    return image_record(t->image,
                        h->accepts_off + state->accept * (uint32_t)sizeof(struct sg_accept));
}

static const struct sg_entry *entry_of(const struct teller *t, uint32_t index)
{
    const struct sg_image *h = policy_image_head(t->image);

    return image_record(t->image, h->entries_off + index * (uint32_t)sizeof(struct sg_entry));
}

static const struct sg_pred *pred_of(const struct teller *t, uint32_t pred)
{
    const struct sg_image *h = policy_image_head(t->image);

    return image_record(t->image, h->preds_off + pred * (uint32_t)sizeof(struct sg_pred));
}

// "deny", "deny (EACCES)"
static void put_verdict(uint8_t verdict, uint8_t error, struct strbuf *sb)
{
    const char *name = error ? strerrorname_np(error) : NULL;

    sb_puts(sb, event_verdict_name(verdict));
    if (name && error != EPERM)
        sb_printf(sb, " (%s)", name);
}

// Rules about programs decide `launch` as well, which only says whose record there will be: shown where it differs.
static bool goes_without_saying(const struct policy_decision *d,
                                const struct policy_op_decision *op)
{
    if (op->op != SG_OP_LAUNCH || d->n_ops == 1)
        return false;
    for (size_t i = 0; i < d->n_ops; i++)
        if (d->ops[i].op & (SG_OP_EXEC | SG_OP_LOAD) && d->ops[i].matched && op->matched &&
            d->ops[i].rule == op->rule)
            return true;
    return !op->matched;
}

static void put_op(const struct teller *t, const struct policy_op_decision *op, struct strbuf *sb)
{
    enum color hue = !op->matched || op->verdict == SG_ALLOW  ? COLOR_GREEN
                     : op->verdict == SG_AUDIT || op->monitor ? COLOR_YELLOW
                                                              : COLOR_RED;

    sb_printf(sb, "  %-7s %s", policy_op_name(op->op), color_seq(t->color, hue));
    put_verdict(op->matched ? op->verdict : SG_ALLOW, op->error, sb);
    sb_puts(sb, color_seq(t->color, COLOR_RESET));
    if (!op->matched) {
        sb_puts(sb, "  (no rule matches)\n");
        return;
    }
    if (op->monitor)
        sb_puts(sb, op->verdict >= SG_DENY ? " (monitor: recorded, not refused)" : " (monitor)");
    sb_puts(sb, "  by ");
    put_rule_place(&t->image->rules[op->rule], sb);
    sb_putc(sb, '\n');
}

static void put_subjects(const struct teller *t, const char *list, const __u64 *set,
                         struct strbuf *sb)
{
    for (uint32_t i = 0; i < t->image->n_subjects; i++) {
        if (!(set[i / 64] >> (i % 64) & 1))
            continue;
        sb_printf(sb, "      %s ", list);
        put_subject_name(t, i, sb);
        sb_puts(sb, ": ");
        put_reason(t, i, sb);
        sb_putc(sb, '\n');
    }
}

static const struct sg_target *target_of(const struct teller *t, uint32_t pred)
{
    static const struct sg_target none;
    const struct sg_image *h = policy_image_head(t->image);

    if (h->n_targets == 0)
        return &none;
    return image_record(t->image, h->targets_off + pred * (uint32_t)sizeof(struct sg_target));
}

// Tells of the process that a signal is for. False: nothing is known of it.
static bool teller_of_target(const struct teller *t, struct policy_query *query, struct teller *ret)
{
    if (!t->query->target)
        return false;
    *query = *t->query;
    query->facts = *t->query->target;
    *ret = *t;
    ret->query = query;
    ret->subjects = t->decision->to_subjects;
    return facts_init(t->image, query, &ret->facts) == 0;
}

static const char *other_user_reason(const struct teller *t)
{
    return t->query->other_user ? "matches"
           : t->query->target   ? "does not match: it is one of the same user"
                                : "whom the signal is for is not known";
}

static void put_target(const struct teller *t, const struct sg_target *to, struct strbuf *sb)
{
    struct policy_query query;
    struct teller target;

    if (to->flags & SG_TARGET_OTHER_USER)
        sb_printf(sb, "      to other_user: %s\n", other_user_reason(t));
    if (!to->to)
        return;
    if (teller_of_target(t, &query, &target))
        put_subjects(&target, "to", pred_of(t, to->to)->by, sb);
    else
        sb_puts(sb, "      to: whom the signal is for is not known; a denial holds then\n");
}

// The rules in the order in which they were tried, until every operation was decided.
static void put_tried(const struct teller *t, struct strbuf *sb)
{
    const struct sg_accept *accept = accept_of(t);
    uint32_t pending = t->query->ops;

    if (accept->n_entries > 0)
        sb_puts(sb, "rules that were tried, in their order:\n");
    for (uint32_t i = 0; i < accept->n_entries && pending != 0; i++) {
        const struct sg_entry *e = entry_of(t, accept->entry + i);
        const struct sg_pred *pred = pred_of(t, e->pred);
        bool holds = explain_holds(t->image, t->query, t->decision, e);

        if (!(e->ops & pending))
            continue;
        sb_puts(sb, "    ");
        put_rule_place(&t->image->rules[e->rule], sb);
        sb_puts(sb, "  ");
        put_verdict(e->verdict, SG_ENTRY_ERRNO(e->flags), sb);
        sb_printf(sb, "%s ", e->flags & SG_ENTRY_MONITOR ? " (monitor)" : "");
        // A rule may be about paths and about words.
        policy_ops_format(e->ops & (t->query->control ? SG_OP_CONTROL : ~(uint32_t)SG_OP_CONTROL),
                          sb);
        sb_printf(sb, ": %s\n", holds ? "decides" : "does not match");
        put_subjects(t, "by", pred->by, sb);
        put_subjects(t, "not_by", pred->not_by, sb);
        put_target(t, target_of(t, e->pred), sb);
        if (holds)
            pending &= ~(uint32_t)e->ops;
    }
}

static bool teller_init(struct teller *t, const struct policy_image *image,
                        const struct policy_query *query, const struct policy_decision *decision)
{
    t->image = image;
    t->query = query;
    t->decision = decision;
    t->subjects = decision->subjects;
    return facts_init(image, query, &t->facts) == 0;
}

static void put_what(const struct policy_query *query, struct strbuf *sb)
{
    if (query->control)
        policy_control_format(query->control, sb);
    else
        utf8_escape(sb, query->path, query->path_len);
}

void policy_explain_format(const struct policy_image *image, const struct policy_query *query,
                           const struct policy_decision *decision, bool color, struct strbuf *sb)
{
    struct teller t = {.color = color};

    if (!teller_init(&t, image, query, decision))
        return;
    put_what(query, sb);
    sb_putc(sb, '\n');
    for (size_t i = 0; i < decision->n_ops; i++)
        if (!goes_without_saying(decision, &decision->ops[i]))
            put_op(&t, &decision->ops[i], sb);
    if (decision->state == 0)
        sb_puts(sb, query->control ? "no rule is about this\n"
                                   : "no rule is about this path, nor about anything beneath it\n");
    put_tried(&t, sb);
    if (query->ops & SG_OP_RENAME && (decision->below_enforced || decision->below_monitored))
        sb_printf(sb, "something beneath it is denied%s, and moving it takes that along\n",
                  decision->below_enforced ? "" : " (monitor)");
}

static void json_rule(const struct teller *t, uint16_t rule, struct jw *jw)
{
    const struct policy_image_rule *r = &t->image->rules[rule];

    jw_kv_str(jw, "file", r->file);
    jw_kv_u64(jw, "line", r->line);
    jw_kv_str(jw, "policy", r->policy);
}

static void json_subjects(const struct teller *t, const char *key, const __u64 *set, struct jw *jw)
{
    jw_kv_array(jw, key);
    for (uint32_t i = 0; i < t->image->n_subjects; i++) {
        _cleanup_(sb_done) struct strbuf sb = {};

        if (!(set[i / 64] >> (i % 64) & 1))
            continue;
        put_reason(t, i, &sb);
        jw_begin_object(jw);
        jw_kv_str(jw, "subject", t->image->subjects[i].name);
        jw_kv_u64(jw, "line", t->image->subjects[i].line);
        jw_kv_bool(jw, "matches", subject_on(t, i));
        jw_kv_strn(jw, "reason", sb_str(&sb), sb.len);
        jw_end_object(jw);
    }
    jw_end_array(jw);
}

// Only of rules that ask for one.
static void json_target(const struct teller *t, const struct sg_target *to, struct jw *jw)
{
    struct policy_query query;
    struct teller target;

    if (to->flags & SG_TARGET_OTHER_USER)
        jw_kv_str(jw, "to_other_user", other_user_reason(t));
    if (to->to && teller_of_target(t, &query, &target))
        json_subjects(&target, "to", pred_of(t, to->to)->by, jw);
    else if (to->to)
        jw_kv_str(jw, "to", "whom the signal is for is not known; a denial holds then");
}

static void json_ops(uint32_t ops, struct jw *jw)
{
    jw_kv_array(jw, "ops");
    for (uint32_t op = 1; op < 1u << SG_OP_COUNT; op <<= 1)
        if (ops & op)
            jw_cstr(jw, policy_op_name(op));
    jw_end_array(jw);
}

// Only where it is not what every denial gives.
static void json_error(uint8_t error, struct jw *jw)
{
    const char *name = error && error != EPERM ? strerrorname_np(error) : NULL;

    if (name)
        jw_kv_str(jw, "errno", name);
}

static void json_tried(const struct teller *t, struct jw *jw)
{
    const struct sg_accept *accept = accept_of(t);
    uint32_t pending = t->query->ops;

    jw_kv_array(jw, "tried");
    for (uint32_t i = 0; i < accept->n_entries && pending != 0; i++) {
        const struct sg_entry *e = entry_of(t, accept->entry + i);
        const struct sg_pred *pred = pred_of(t, e->pred);
        bool holds = explain_holds(t->image, t->query, t->decision, e);

        if (!(e->ops & pending))
            continue;
        jw_begin_object(jw);
        json_rule(t, e->rule, jw);
        jw_kv_str(jw, "verdict", event_verdict_name(e->verdict));
        json_error(SG_ENTRY_ERRNO(e->flags), jw);
        jw_kv_str(jw, "mode", e->flags & SG_ENTRY_MONITOR ? "monitor" : "enforce");
        json_ops(e->ops, jw);
        jw_kv_bool(jw, "matches", holds);
        json_subjects(t, "by", pred->by, jw);
        json_subjects(t, "not_by", pred->not_by, jw);
        json_target(t, target_of(t, e->pred), jw);
        jw_end_object(jw);
        if (holds)
            pending &= ~(uint32_t)e->ops;
    }
    jw_end_array(jw);
}

static void json_decided(const struct teller *t, const struct policy_op_decision *op, struct jw *jw)
{
    jw_kv_str(jw, "verdict", op->matched ? event_verdict_name(op->verdict) : "allow");
    jw_kv_bool(jw, "matched", op->matched);
    if (!op->matched)
        return;
    json_error(op->error, jw);
    jw_kv_str(jw, "mode", op->monitor ? "monitor" : "enforce");
    json_rule(t, op->rule, jw);
}

static void json_control(const struct policy_control *control, struct jw *jw)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    policy_control_format(control, &sb);
    jw_kv_strn(jw, "control", sb_str(&sb), sb.len);
}

void policy_explain_json(const struct policy_image *image, const struct policy_query *query,
                         const struct policy_decision *decision, struct jw *jw)
{
    struct teller t = {};

    jw_begin_object(jw);
    if (query->control)
        json_control(query->control, jw);
    else
        jw_kv_strn(jw, "path", query->path, query->path_len);
    jw_kv_u64(jw, "state", decision->state);
    jw_kv_bool(jw, "blocked", decision->blocked);
    if (teller_init(&t, image, query, decision)) {
        json_decided(&t, &decision->overall, jw);
        jw_kv_array(jw, "operations");
        for (size_t i = 0; i < decision->n_ops; i++) {
            jw_begin_object(jw);
            jw_kv_str(jw, "op", policy_op_name(decision->ops[i].op));
            json_decided(&t, &decision->ops[i], jw);
            jw_end_object(jw);
        }
        jw_end_array(jw);
        json_tried(&t, jw);
    }
    jw_kv_bool(jw, "below_enforced", decision->below_enforced);
    jw_kv_bool(jw, "below_monitored", decision->below_monitored);
    jw_end_object(jw);
}
