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
    v.draft->what = key;
    v.draft->r.ops = SG_OP_CONTROL;
    return read_each(ld, value, policy_control_expected(v.kind), read_value, &v);
}

static const struct key_row keys[] = {
#define SG_CONTROL(id, arg, text) {.name = #id, .read = read_kind, .help = (text)},
#include "abi/control.def"
};

static void check(struct loader *ld, const struct yaml_node *node, struct rule_draft *d)
{
    if (!d->what)
        policy_diag_expected(ld->diags,
                             read_error(ld, node, "the rule does not say what it is about"),
                             "ptrace: any, module: [nf_tables], capability: sys_admin …");
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
