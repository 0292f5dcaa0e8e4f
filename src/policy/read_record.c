// SPDX-License-Identifier: Apache-2.0
//
// What records have besides what they always have: variables of the environment. Those that `record` names have to fit; those
// that subjects ask about come behind them, as many as fit.
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "abi/policy.h"

#include "abi/shared.h"
#include "base/alloc.h"
#include "base/strutil.h"
#include "policy/loader.h"

static const char *const always[] = {SG_ENV_NAMES_ALWAYS};
STATIC_ASSERT(ARRAY_SIZE(always) + POLICY_RECORD_ENV_MAX == SG_ENV_NAMES_MAX,
              "the sensor has room for what is always recorded and what policies name");

#define NAME_BYTES (SG_ENV_NAME_MAX - 1)

// Letters, digits and underscores, no digit in front; a star at the end for all that begin so.
static bool good_name(const struct yaml_node *node)
{
    uint32_t len = node->len;

    if (len > 0 && node->text[len - 1] == '*')
        len--;
    if (len == 0 || len > NAME_BYTES || isdigit((unsigned char)node->text[0]))
        return false;
    for (uint32_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)node->text[i]) && node->text[i] != '_')
            return false;
    return true;
}

static bool covers(const char *name, const char *other)
{
    size_t len = strlen(name);

    return name[len - 1] == '*' ? strncmp(name, other, len - 1) == 0 : streq(name, other);
}

static bool is_recorded(const struct loader *ld, const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(always); i++)
        if (covers(always[i], name))
            return true;
    for (size_t i = 0; i < ld->n_record_env; i++)
        if (covers(ld->record_env[i], name))
            return true;
    return false;
}

// `len` bytes of a name and `end`. 0; -ENOSPC: there is no room; -ENOMEM.
static int add(struct loader *ld, const char *name, size_t len, const char *end)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    sb_add(&sb, name, len);
    sb_puts(&sb, end);
    if (sb.failed)
        return -ENOMEM;
    if (is_recorded(ld, sb_str(&sb)))
        return 0;
    if (ld->n_record_env >= POLICY_RECORD_ENV_MAX)
        return -ENOSPC;
    if (!GREEDY(ld->record_env, ld->cap_record_env, ld->n_record_env + 1))
        return -ENOMEM;
    ld->record_env[ld->n_record_env] = arena_strn(ld->arena, sb_str(&sb), sb.len);
    return ld->record_env[ld->n_record_env++] ? 0 : -ENOMEM;
}

static int read_name(struct loader *ld, const struct yaml_node *node, void *ctx _unused_)
{
    int r;

    if (!good_name(node)) {
        policy_diag_expected(ld->diags,
                             read_error(ld, node, "'%s' is not the name of a variable", node->text),
                             "letters, digits and _, at most %u, and * at the end for all that "
                             "begin so",
                             NAME_BYTES);
        return 0;
    }
    r = add(ld, node->text, node->len, "");
    if (r == -ENOSPC) {
        policy_diag_cure(ld->diags,
                         read_error(ld, node, "the policies name more than %d variables to record",
                                    POLICY_RECORD_ENV_MAX),
                         "take some out, or name several by how they begin: \"AWS_*\"");
        return 0;
    }
    return r;
}

static int read_env(struct loader *ld, const struct yaml_node *key _unused_,
                    const struct yaml_node *value, void *ctx)
{
    return read_each(ld, value, "the name of a variable, or a list of names", read_name, ctx);
}

static const struct key_row keys[] = {
    {.name = "env",
     .read = read_env,
     .help =
         "Variables of the environment that records of programs have besides LD_PRELOAD, LD_LIBRARY_PATH, LD_AUDIT and SSH_*: names, or how they begin (AWS_*), at most 28 in all files. Those that subjects ask about are recorded without being named here."},
};
STATIC_ASSERT(POLICY_RECORD_ENV_MAX == 28, "the help says so");

const struct key_row *read_record_keys(size_t *ret_n)
{
    *ret_n = ARRAY_SIZE(keys);
    return keys;
}

int read_record(struct loader *ld, const struct yaml_node *node)
{
    return read_map(ld, node, keys, ARRAY_SIZE(keys), "`record`", NULL);
}

static int add_of_subject(struct loader *ld, const struct policy_env *env)
{
    size_t len = strlen(env->name);
    int r = len > NAME_BYTES ? add(ld, env->name, NAME_BYTES, "*") : add(ld, env->name, len, "");

    if (r != -ENOSPC)
        return r;
    policy_diag_cure(ld->diags,
                     read_warning_at(ld, env->values.items[0].pos,
                                     "records of programs have no room for the variable '%s'; the "
                                     "rules about it hold",
                                     env->name),
                     "name several by how they begin: record: {env: \"AWS_*\"}");
    return 0;
}

int record_subjects(struct loader *ld)
{
    int r = 0;

    for (size_t i = 0; i < ld->n_subjects; i++)
        for (uint32_t v = 0; r == 0 && v < ld->subjects[i].n_envs; v++)
            r = add_of_subject(ld, &ld->subjects[i].envs[v]);
    return r;
}
