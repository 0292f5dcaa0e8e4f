// SPDX-License-Identifier: Apache-2.0
//
// The section `processes`: which programs may be executed, and what of them is recorded.
#include "base/strutil.h"
#include "policy/control.h"
#include "policy/loader.h"
#include "policy/read_schedule.h"
#include "policy/syscalls.h"

static void about(struct rule_draft *d, const struct yaml_node *key)
{
    d->several |= d->what != NULL;
    d->what = key;
}

// A path, or one of the words for programs that no path leads to.
static int read_program(struct loader *ld, const struct yaml_node *node, void *ctx)
{
    struct rule_draft *d = ctx;
    int r;

    if (node->text[0] != '/') {
        if (streq(node->text, "any")) {
            const struct yaml_node all = {.kind = YAML_SCALAR,
                                          .text = "/**",
                                          .len = 3,
                                          .line = node->line,
                                          .column = node->column,
                                          .width = node->width};

            d->r.ops |= SG_OPS_EXEC;
            r = read_pattern(ld, &all, &d->paths);
            if (r < 0)
                return r;
            d->paths.items[d->paths.n - 1].unsaid = true;
        }
        d->r.ops |= SG_OP_CONTROL;
        return read_control_value(ld, SG_CONTROL_exec, node, &d->paths);
    }
    d->r.ops |= SG_OPS_EXEC;
    return read_pattern(ld, node, &d->paths);
}

static int read_exec(struct loader *ld, const struct yaml_node *key, const struct yaml_node *value,
                     void *ctx)
{
    struct rule_draft *d = ctx;

    about(d, key);
    return read_each(ld, value, "a path, memfd, deleted, foreign or any, or a list of them",
                     read_program, d);
}

static int read_library(struct loader *ld, const struct yaml_node *node, void *ctx)
{
    struct rule_draft *d = ctx;

    d->r.ops |= SG_OP_LOAD;
    return read_pattern(ld, node, &d->paths);
}

static int read_load(struct loader *ld, const struct yaml_node *key, const struct yaml_node *value,
                     void *ctx)
{
    struct rule_draft *d = ctx;

    about(d, key);
    return read_each(ld, value, "a path, or a list of paths", read_library, d);
}

static int read_syscalls(struct loader *ld, const struct yaml_node *key,
                         const struct yaml_node *value, void *ctx)
{
    struct rule_draft *d = ctx;
    const char **items;
    int r;

    about(d, key);
    r = read_each(ld, value, "the name of a system call, a list of names, or any", read_syscall, d);
    if (r < 0)
        return r;
    items = arena_new0(ld->arena, const char *, d->n_syscalls);
    if (!items)
        return -ENOMEM;
    for (size_t i = 0; i < d->n_syscalls; i++) {
        items[i] = arena_strn(ld->arena, d->syscalls[i]->text, d->syscalls[i]->len);
        if (!items[i])
            return -ENOMEM;
    }
    d->r.syscalls = (struct policy_names){.items = items, .n = (uint32_t)d->n_syscalls};
    return 0;
}

static const struct key_row keys[] = {
    {.name = "exec",
     .read = read_exec,
     .help =
         "Which programs: paths as in `files`, of scripts and of interpreters alike; memfd for programs in memory, deleted for files without a name, foreign for file systems that no path of the host leads to, any for all of these. What may be executed may be mapped for execution, too, and the other way round: as a shared library, or as a program that is handed to a dynamic linker."},
    {.name = "load",
     .read = read_load,
     .help =
         "Which files may be mapped for execution: shared libraries, programs handed to a dynamic linker. A rule has one of `exec`, `load` and `syscall`."},
    {.name = "syscall",
     .read = read_syscalls,
     .help =
         "Which system calls, by name, or any: for subjects that say `launched: true` by a filter that 'safeguard run' gives them; for others those that a security hook sees, with all else that this hook cannot tell from them ('safeguard policy check' says which)."},
    {.name = "schedule",
     .read = read_schedule,
     .help =
         "How those are scheduled whom `by` names, from their first instruction on: weight (1 to 10000, 100 is usual) and quota (50%) of CPU time, cpus (\"0-3,8\"), nice, class (normal, batch, idle, fifo, rr, the last two with priority), io_weight of control groups, io_class (real-time, best-effort, idle). Such a rule has no `do`."},
};

static void check(struct loader *ld, const struct yaml_node *node, struct rule_draft *d)
{
    if (d->r.schedule)
        check_schedule(ld, node, d);
    else if (!d->what)
        policy_diag_expected(ld->diags,
                             read_error(ld, node, "the rule does not say what it is about"),
                             "exec: /tmp/**, load: /tmp/**, syscall: ptrace");
    else if (d->several)
        policy_diag_cure(ld->diags,
                         read_error(ld, d->what, "a rule has one of `exec`, `load` and `syscall`"),
                         "write a rule for each");
    else if (d->n_syscalls > 0)
        check_syscalls(ld, d->what, d);
}

const struct section section_processes = {
    .id = POLICY_SECTION_PROCESSES,
    .keys = keys,
    .n_keys = ARRAY_SIZE(keys),
    .example = "{exec: /tmp/**, do: deny}",
    .check = check,
};
