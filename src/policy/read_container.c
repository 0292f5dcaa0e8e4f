// SPDX-License-Identifier: Apache-2.0
//
// The key `container` of a subject: names and ids of containers, as patterns over the control groups that their
// engines put them in.
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "policy/glob.h"
#include "policy/loader.h"

static const struct {
    const char *prefix, *suffix;
} containers[] = {
#define CONTAINER(engine, prefix, suffix) {prefix, suffix},
#include "policy/containers.def"
#undef CONTAINER
};

// The key while it is read.
struct container_draft {
    struct policy_pattern *patterns;
    size_t n_patterns, cap_patterns;
    struct strbuf names;
};

static void draft_done(struct container_draft *d)
{
    free(d->patterns);
    sb_done(&d->names);
}

static int add_container(struct loader *ld, const struct yaml_node *node, struct container_draft *d,
                         const char *name, const char *more)
{
    for (size_t i = 0; i < ARRAY_SIZE(containers); i++) {
        _cleanup_(sb_done) struct strbuf sb = {};
        _cleanup_(glob_done) struct glob g = {};
        struct glob_error err = {};
        char *text;
        int r;

        sb_printf(&sb, "%s%s%s%s", containers[i].prefix, name, more, containers[i].suffix);
        if (sb.failed)
            return -ENOMEM;
        r = glob_parse(sb_str(&sb), sb.len, &g, &err);
        if (r == -EINVAL) {
            policy_diag_expected(ld->diags,
                                 read_error(ld, node, "the name of a container: %s", err.what),
                                 "any, or a container's name or id");
            return 0;
        }
        if (r < 0)
            return r;
        text = arena_strn(ld->arena, sb_str(&sb), sb.len);
        if (!text || !GREEDY(d->patterns, d->cap_patterns, d->n_patterns + 1))
            return -ENOMEM;
        d->patterns[d->n_patterns++] = (struct policy_pattern){.text = text,
                                                               .len = (uint32_t)sb.len,
                                                               .cgroup = true,
                                                               .pos = read_pos(ld, node)};
    }
    return 0;
}

static int read_container_name(struct loader *ld, const struct yaml_node *node, void *ctx)
{
    struct container_draft *d = ctx;
    size_t hex = strspn(node->text, "0123456789abcdef");

    if (strchr(node->text, '/')) {
        policy_diag_cure(ld->diags, read_error(ld, node, "the name of a container holds no slash"),
                         "use `cgroup` for the path of a control group");
        return 0;
    }
    if (d->n_patterns >= POLICY_LIST_MAX) {
        read_error(ld, node, "the list has too many entries");
        return 0;
    }
    sb_printf(&d->names, "%s%s", d->names.len > 0 ? " " : "", node->text);
    if (streq(node->text, "any"))
        return add_container(ld, node, d, "*", "");
    // People know ids by their first 12 digits.
    return add_container(ld, node, d, node->text,
                         hex == node->len && hex >= 12 && hex < 64 ? "*" : "");
}

int read_containers(struct loader *ld, const struct yaml_node *node,
                    struct policy_patterns *ret_patterns, const char **ret_names)
{
    _cleanup_(draft_done) struct container_draft d = {};
    struct policy_pattern *items;
    char *text;
    int r;

    r = read_each(ld, node, "any, or a container's name or id", read_container_name, &d);
    if (r < 0)
        return r;
    items = arena_dup(ld->arena, d.patterns, d.n_patterns, sizeof(*d.patterns));
    text = arena_strn(ld->arena, sb_str(&d.names), d.names.len);
    if (!items || !text || d.names.failed)
        return -ENOMEM;
    *ret_patterns = (struct policy_patterns){.items = items, .n = (uint32_t)d.n_patterns};
    *ret_names = text;
    return 0;
}
