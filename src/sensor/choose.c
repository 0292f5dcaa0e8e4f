// SPDX-License-Identifier: Apache-2.0
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>

#include "base/macro.h"
#include "base/strutil.h"
#include "sensor/internal.h"
#include "sensor/kernel.h"

static bool is_here(const struct bpf_object *object, const struct btf *btf, const char *prefix,
                    const char *id)
{
    const struct bpf_program *program;
    char name[PROGRAM_NAME];

    kernel_program_name(KERNEL_PROGRAM_NAMES - 1, prefix, id, 0, name, sizeof(name));
    program = bpf_object__find_program_by_name(object, name);
    return program && kernel_target_args(btf, bpf_program__section_name(program)) >= 0;
}

// What the hook is there for does not pass it on this kernel: says so.
static bool passed_by(const struct bpf_object *object, const struct btf *btf, const char *prefix,
                      const char *id, struct choice *ret)
{
    const char *companion = hook_companion(id), *sibling = hook_sibling(id);

    if (!companion || is_here(object, btf, prefix, companion))
        return false;
    (void)snprintf(ret->reason, sizeof(ret->reason),
                   "this kernel does not ask it yet; hook %s sees the same", strempty(sibling));
    return true;
}

// A newer hook sees the same on this kernel: says so.
static bool superseded(const struct bpf_object *object, const struct btf *btf, const char *prefix,
                       uint32_t version, const char *id, struct choice *ret)
{
    const char *successor = hook_successor(id), *by;
    uint32_t until = hook_until(id, &by);

    if (until && version >= until)
        successor = by;
    else if (!successor || !is_here(object, btf, prefix, successor))
        return false;
    (void)snprintf(ret->reason, sizeof(ret->reason), "hook %s sees the same on this kernel",
                   successor);
    return true;
}

// The most special program that exists for the function's number of arguments.
static void choose_hook(const struct bpf_object *object, const struct btf *btf, const char *prefix,
                        uint32_t version, const char *id, bool in_union, struct choice *ret)
{
    const struct bpf_program *base;
    char name[PROGRAM_NAME];
    int n_args;

    kernel_program_name(KERNEL_PROGRAM_NAMES - 1, prefix, id, 0, name, sizeof(name));
    base = bpf_object__find_program_by_name(object, name);
    if (!base) {
        (void)snprintf(ret->reason, sizeof(ret->reason), "this build has no program %s", name);
        return;
    }
    n_args = kernel_target_args(btf, bpf_program__section_name(base));
    if (n_args < 0) {
        const char *sibling = hook_sibling(id);

        (void)snprintf(ret->reason, sizeof(ret->reason), "this kernel does not have it%s%s%s",
                       sibling ? "; hook " : "", strempty(sibling),
                       sibling ? " sees the same" : "");
        return;
    }
    if (superseded(object, btf, prefix, version, id, ret) ||
        passed_by(object, btf, prefix, id, ret))
        return;
    for (unsigned i = in_union ? 0 : 2; i < KERNEL_PROGRAM_NAMES; i++) {
        kernel_program_name(i, prefix, id, n_args, name, sizeof(name));
        if (bpf_object__find_program_by_name(object, name))
            break;
    }
    (void)snprintf(ret->program, sizeof(ret->program), "%s", name);
}

// Likewise.
static void choose_extra(const struct bpf_object *object, const struct btf *btf, const char *prefix,
                         uint32_t version, const struct extra_row *row, struct choice *ret)
{
    const struct bpf_program *program;
    char base[PROGRAM_NAME], name[PROGRAM_NAME];
    int n_args, n;

    if (row->since > version || (row->lsm_only && !streq(prefix, "lsm"))) {
        (void)snprintf(ret->reason, sizeof(ret->reason), "this kernel does without %s",
                       row->program);
        ret->needless = true;
        return;
    }
    (void)snprintf(base, sizeof(base), "%s%s%s", row->on_hook ? prefix : "",
                   row->on_hook ? "_" : "", row->program);
    program = bpf_object__find_program_by_name(object, base);
    if (!program) {
        (void)snprintf(ret->reason, sizeof(ret->reason), "this build has no program %s", base);
        return;
    }
    if (str_startswith(bpf_program__section_name(program), "cgroup/")) {
        if (guard_cgroup_root())
            (void)snprintf(ret->program, sizeof(ret->program), "%s", base);
        else
            (void)snprintf(ret->reason, sizeof(ret->reason),
                           "there is no cgroup2 at /sys/fs/cgroup");
        return;
    }
    n_args = kernel_target_args(btf, bpf_program__section_name(program));
    if (n_args < 0) {
        (void)snprintf(ret->reason, sizeof(ret->reason),
                       "this kernel does not have what %s attaches to", base);
        return;
    }
    n = snprintf(name, sizeof(name), "%s_%d", base, n_args);
    if (n < 0 || (size_t)n >= sizeof(name) || !bpf_object__find_program_by_name(object, name))
        (void)snprintf(name, sizeof(name), "%s", base);
    (void)snprintf(ret->program, sizeof(ret->program), "%s", name);
}

void choose_programs(const struct bpf_object *object, const struct btf *btf, const char *release,
                     enum sensor_attach attach, struct choices *ret)
{
    const char *prefix = attach == SENSOR_ATTACH_LSM ? "lsm" : "fmod";
    uint32_t version = kernel_version(release);
    bool in_union = kernel_f_path_in_union(btf);
    const struct extra_row *row;

    *ret = (struct choices){.typed = version < KERNEL(6, 13)};
    for (size_t i = 0; i < HOOKS; i++)
        choose_hook(object, btf, prefix, version, hook_row(i)->id, in_union, &ret->hooks[i]);
    for (size_t i = 0; (row = extra_row(i)) && i < ARRAY_SIZE(ret->extras); i++)
        choose_extra(object, btf, prefix, version, row, &ret->extras[i]);
}

const struct choice *choice_within(const struct choices *c, const struct extra_row *row)
{
    size_t i = row->within ? hook_index(row->within) : HOOKS;

    return i < HOOKS && *c->hooks[i].program ? &c->hooks[i] : NULL;
}

const struct choice *choice_extra(const struct choices *c, const char *program)
{
    for (size_t i = 0; i < ARRAY_SIZE(c->extras); i++)
        if (streq(c->extras[i].program, program))
            return &c->extras[i];
    return NULL;
}

bool names_has(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++)
        if (streq(names->items[i], name))
            return true;
    return false;
}

static void names_add(struct names *names, const struct choice *c)
{
    if (*c->program && names->n < ARRAY_SIZE(names->items))
        names->items[names->n++] = c->program;
}

static bool hook_wanted(size_t i, const struct wants *w)
{
    const struct hook_row *row = hook_row(i);
    uint32_t condition = hook_needs(row->id);

    if (w->old_descriptors && streq(row->id, "file_permission"))
        return true;
    if (hook_besides(row->id) & w->needs || hook_controls(i) & w->controls)
        return true;
    return row->ops & w->ops && (!condition || condition & w->needs);
}

static bool extra_wanted(const struct choices *c, const struct extra_row *row,
                         const struct wants *w, const struct names *hooks, bool renames)
{
    const struct choice *within = choice_within(c, row);

    if (within && names_has(hooks, within->program))
        return false;
    if (row->feature)
        return row->feature & w->features;
    if (row->controls && !(row->controls & w->controls))
        return false;
    return (renames || !row->with_rename) && (!row->ops || row->ops & w->ops);
}

int choose_wanted(const struct choices *c, const struct wants *wants, struct names *ret,
                  struct error *err)
{
    size_t rename_row = hook_index("inode_rename");
    struct names names = {};
    const struct extra_row *row;
    bool renames = false;

    for (size_t i = 0; i < HOOKS; i++) {
        if (!hook_wanted(i, wants))
            continue;
        names_add(&names, &c->hooks[i]);
        renames = renames || i == rename_row;
    }
    for (size_t i = 0; (row = extra_row(i)) && i < ARRAY_SIZE(c->extras); i++) {
        if (row->required && !*c->extras[i].program)
            return error_set(err, -ENOTSUP, "%s", c->extras[i].reason);
        if (extra_wanted(c, row, wants, &names, renames))
            names_add(&names, &c->extras[i]);
    }
    *ret = names;
    return 0;
}
