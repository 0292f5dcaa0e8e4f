// SPDX-License-Identifier: Apache-2.0
//
// The section `control`: one key a kind of abi/control.def.
#include "policy/control.h"
#include "policy/explain.h"
#include "policy/loader.h"

struct value_ctx {
    struct rule_draft *draft;
    enum sg_control kind;
};

static int read_value(struct loader *ld, const struct yaml_node *node, void *ctx)
{
    const struct value_ctx *v = ctx;

    return read_control_value(ld, v->kind, node, &v->draft->paths);
}

static int read_kind(struct loader *ld, const struct yaml_node *key, const struct yaml_node *value,
                     void *ctx)
{
    struct value_ctx v = {.draft = ctx, .kind = policy_control_kind(key->text)};

    if (v.kind == SG_CONTROL_schedule) {
        policy_diag_cure(ld->diags, read_error(ld, key, "`schedule` is a key of `processes`"),
                         "write the rule under `processes`");
        return 0;
    }
    if (control_asks_with_ends(v.kind)) {
        policy_diag_cure(ld->diags, read_error(ld, key, "`%s` is an access of sockets", key->text),
                         "write the rule under `network`, with `access: %s`", key->text);
        return 0;
    }
    v.draft->what = key;
    v.draft->r.ops = SG_OP_CONTROL;
    return read_each(ld, value, policy_control_expected(v.kind), read_value, &v);
}

static const struct key_row keys[] = {
#define SG_CONTROL(id, arg, text) {.name = #id, .read = read_kind, .help = (text)},
#include "abi/control.def"
    {.name = "to",
     .read = read_to,
     .help =
         "Of `signal` alone: which process it is for, as `by` says who: the name of a subject, a subject in braces, other_user, or a list of these, of which one has to hold. other_user: neither the sender's real nor its effective user is the real or the saved one of that process, as where the kernel asks for CAP_KILL. Without it: every other process. A denial holds where it cannot be found out, a permission does not."},
};

static void check(struct loader *ld, const struct yaml_node *node, struct rule_draft *d)
{
    if (!d->what)
        policy_diag_expected(ld->diags,
                             read_error(ld, node, "the rule does not say what it is about"),
                             "ptrace: any, module: [nf_tables], capability: sys_admin …");
    for (size_t i = 0; d->to && i < d->paths.n; i++)
        if (d->paths.items[i].control && d->paths.items[i].control->kind != SG_CONTROL_signal) {
            policy_diag_cure(ld->diags,
                             read_error(ld, d->to, "`to` is about signals, and not about `%s`",
                                        policy_control_name(d->paths.items[i].control->kind)),
                             "take it out, or write a rule about `signal` by itself");
            return;
        }
    // It has happened when anybody is asked.
    for (size_t i = 0; d->r.verdict >= SG_DENY && i < d->paths.n; i++)
        if (d->paths.items[i].control && d->paths.items[i].control->kind == SG_CONTROL_exit) {
            policy_diag_expected(ld->diags,
                                 read_error(ld, node, "the end of a process cannot be refused"),
                                 "do: audit");
            return;
        }
}

const struct section section_control = {
    .id = POLICY_SECTION_CONTROL,
    .keys = keys,
    .n_keys = ARRAY_SIZE(keys),
    .example = "{ptrace: any, by: web, do: deny}",
    .check = check,
};
