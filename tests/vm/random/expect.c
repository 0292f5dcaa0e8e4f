// SPDX-License-Identifier: Apache-2.0
//
// What `policy explain` says of a case. It decides one operation on one path; an access that has two names, or a
// file that has several, is put together from such decisions as bpf/file_name.bpf.h says.
#include "random.h"

#include <string.h>

#include "base/macro.h"
#include "policy/explain.h"

struct asking {
    const struct policy_image *image;
    struct model *model;
    struct policy_facts facts;
};

static struct policy_decision ask(const struct asking *a, const char *path, uint32_t ops)
{
    const struct policy_query q = {
        .path = path,
        .path_len = strlen(path),
        .ops = ops,
        .facts = a->facts,
    };
    struct policy_decision d = {0};

    // A case that cannot be put is one that nothing is said about, which the comparison tells.
    (void)policy_explain(a->image, &q, &d);
    return d;
}

static int strength(const struct expected *e)
{
    if (!e->recorded)
        return 0;
    if (e->verdict == SG_AUDIT)
        return 1;
    return e->monitor ? 2 : e->verdict == SG_KILL ? 5 : 4;
}

// Of equally strong ones the earlier rule's.
static void stronger(struct expected *best, const struct expected *other)
{
    int a = strength(best), b = strength(other);

    if (b > a || (b == a && b > 0 && other->rule < best->rule))
        *best = *other;
}

static struct expected from_decision(const struct policy_op_decision *d)
{
    return (struct expected){
        .recorded = d->matched && d->verdict != SG_ALLOW,
        .rule = d->rule,
        .verdict = d->verdict,
        .monitor = d->monitor,
    };
}

// The names that a path's file counts as; the path itself first.
static size_t names_of(const struct asking *a, const char *path, const char *ret[NAMES_MAX + 1])
{
    const struct node *node = model_find(a->model, path);
    const struct name_group *g = node ? &a->model->groups[node->group] : NULL;
    size_t n = 0;

    ret[n++] = path;
    for (size_t i = 0; node && node->group && i < g->n; i++)
        if (strcmp(g->names[i], path) != 0)
            ret[n++] = g->names[i];
    return n;
}

static struct expected decide(const struct asking *a, const char *path, uint32_t ops)
{
    const char *names[NAMES_MAX + 1];
    size_t n = names_of(a, path, names);
    struct expected best = {0};

    for (size_t i = 0; i < n; i++) {
        struct policy_decision d = ask(a, names[i], ops);
        struct expected e = from_decision(&d.overall);

        stronger(&best, &e);
    }
    return best;
}

// May the object leave what any of its names says of it, or what is beneath a directory?
static struct expected relabel(const struct asking *a, const char *path, bool is_dir)
{
    const char *names[NAMES_MAX + 1];
    size_t n = names_of(a, path, names);
    struct expected best = {0};

    for (size_t i = 0; i < n; i++) {
        struct policy_decision d = ask(a, names[i], SG_OPS_ANY);
        struct expected e = from_decision(&d.overall);

        if (d.overall.verdict < SG_DENY || !d.overall.matched)
            e = (struct expected){.recorded = is_dir && (d.below_enforced || d.below_monitored),
                                  .rule = SG_RULE_BENEATH,
                                  .verdict = SG_DENY,
                                  .monitor = !d.below_enforced};
        stronger(&best, &e);
    }
    return best;
}

static struct expected change_of_name(const struct asking *a, const struct hand_order *o)
{
    bool moves = o->act == ACT_RENAME, replaces = moves && model_find(a->model, o->path2);
    const struct node *from = model_find(a->model, o->path);
    bool is_dir = from && from->kind == KIND_DIR;
    struct expected e = decide(a, o->path, moves ? SG_OP_RENAME : SG_OP_LINK), other;

    other = decide(a, o->path2, SG_OP_CREATE | (replaces ? SG_OP_DELETE : 0));
    stronger(&e, &other);
    if (ask(a, o->path, SG_OP_READ).state == ask(a, o->path2, SG_OP_READ).state)
        return e;
    other = relabel(a, o->path, is_dir);
    if (!other.recorded && is_dir)
        other = relabel(a, o->path2, true);
    stronger(&e, &other);
    return e;
}

// The operations that the system calls of an access ask for, one after another.
static const uint32_t steps[ACT_COUNT][2] = {
    [ACT_OPEN_READ] = {SG_OP_READ},
    [ACT_OPEN_WRITE] = {SG_OP_WRITE},
    [ACT_OPEN_BOTH] = {SG_OP_READ | SG_OP_WRITE},
    [ACT_OPEN_TRUNC] = {SG_OP_WRITE},
    [ACT_READDIR] = {SG_OP_READ},
    [ACT_MMAP] = {SG_OP_READ, SG_OP_MMAP},
    [ACT_EXEC] = {SG_OP_EXEC},
    [ACT_TRUNCATE] = {SG_OP_WRITE},
    [ACT_CREATE] = {SG_OP_CREATE, SG_OP_WRITE},
    [ACT_MKDIR] = {SG_OP_CREATE},
    [ACT_MKNOD] = {SG_OP_CREATE},
    [ACT_SYMLINK] = {SG_OP_CREATE},
    [ACT_UNLINK] = {SG_OP_DELETE},
    [ACT_RMDIR] = {SG_OP_DELETE},
    [ACT_RENAME] = {SG_OP_RENAME},
    [ACT_LINK] = {SG_OP_LINK},
    [ACT_CHMOD] = {SG_OP_CHMOD},
    [ACT_UTIMES] = {SG_OP_CHMOD},
    [ACT_CHOWN] = {SG_OP_CHOWN},
    [ACT_SETXATTR] = {SG_OP_XATTR},
    [ACT_REMOVEXATTR] = {SG_OP_XATTR},
};

size_t expect(const struct policy_image *image, struct model *m, const struct hand_order *o,
              const struct case_facts *facts, struct expected ret[EXPECTED_MAX])
{
    const struct asking a = {image, m, case_policy_facts(facts)};
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(steps[0]) && steps[o->act][i]; i++) {
        struct expected *e = &ret[n++];

        *e = o->act == ACT_RENAME || o->act == ACT_LINK ? change_of_name(&a, o)
                                                        : decide(&a, o->path, steps[o->act][i]);
        e->access = steps[o->act][i];
        e->refused = e->recorded && e->verdict >= SG_DENY && !e->monitor;
        if (e->refused)
            break;
    }
    return n;
}
