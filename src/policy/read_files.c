// SPDX-License-Identifier: Apache-2.0
//
// The section `files`.
#include "base/strutil.h"
#include "model/names.h"
#include "policy/loader.h"

static int read_path(struct loader *ld, const struct yaml_node *key, const struct yaml_node *value,
                     void *ctx)
{
    struct rule_draft *d = ctx;

    d->what = key;
    return read_patterns(ld, value, false, &d->r.paths);
}

#define FILE_OPS 13
STATIC_ASSERT(1u << FILE_OPS == SG_OPS_FILES + 1, "every operation on files has its word");

static int read_op(struct loader *ld, const struct yaml_node *node, void *ctx)
{
    const char *words[FILE_OPS + 1];
    uint32_t ops = policy_ops_from_word(node->text) & SG_OPS_FILES;

    ((struct rule_draft *)ctx)->r.ops |= ops;
    if (ops != 0)
        return 0;
    for (unsigned i = 0; i < FILE_OPS; i++)
        words[i] = policy_op_name(1u << i);
    words[FILE_OPS] = "any";
    read_unknown_word(ld, node, "an access", words, ARRAY_SIZE(words));
    return 0;
}

static int read_access(struct loader *ld, const struct yaml_node *key _unused_,
                       const struct yaml_node *value, void *ctx)
{
    struct rule_draft *d = ctx;

    d->access = value;
    return read_each(ld, value, "a word such as read, write or any, or a list of them", read_op, d);
}

static const struct key_row keys[] = {
    {.name = "path",
     .read = read_path,
     .help =
         "Which objects: a pattern, or a list of patterns, over canonical paths of the host. An object is what it is wherever it is reached from: through links, bind mounts, another root directory or a descriptor. Required."},
    {.name = "access",
     .read = read_access,
     .help = "Which operations: a word of ACCESS, or a list of words. Required."},
    {.name = "content",
     .refuse = "content audit is not there yet",
     .cure = "take `content` out; `do: audit` records the access itself"},
    {.name = "redirect",
     .refuse = "`redirect` is not there yet: this version does not lead accesses elsewhere",
     .cure = "use allow, audit, deny or kill"},
};

static void check(struct loader *ld, const struct yaml_node *node, struct rule_draft *d)
{
    if (!d->what)
        policy_diag_expected(ld->diags, read_error(ld, node, "the rule has no `path`"),
                             "path: /etc/shadow, or a list of paths");
    if (!d->access)
        policy_diag_expected(ld->diags, read_error(ld, node, "the rule has no `access`"),
                             "access: read, write, any …");
    if ((d->r.ops & SG_OP_IO) && d->r.verdict >= SG_DENY)
        policy_diag_cure(ld->diags,
                         read_error(ld, d->access,
                                    "`io` tells what was read and written when a file is closed: "
                                    "it cannot be refused"),
                         "use `do: audit` for io, and read or write here");
    if (d->r.error)
        policy_diag_cure(ld->diags,
                         read_error(ld, node, "`errno` is a verb of processes and control"),
                         "use deny: files are refused with EPERM");
}

const struct section section_files = {
    .id = POLICY_SECTION_FILES,
    .keys = keys,
    .n_keys = ARRAY_SIZE(keys),
    .example = "{path: /etc/shadow, access: write, do: deny}",
    .check = check,
};
