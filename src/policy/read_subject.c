// SPDX-License-Identifier: Apache-2.0
//
// The section `subjects`, and subjects written inline.
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strutil.h"
#include "model/names.h"
#include "policy/environ.h"
#include "policy/launch.h"
#include "policy/loader.h"

// Capabilities are a mask of 64 bits.
#define CAP(name, number) STATIC_ASSERT((number) < 64, #name);
#include "model/caps.def"
#undef CAP

static const char *const cap_names[] = {
#define CAP(name, number) #name,
#include "model/caps.def"
#undef CAP
};

static const uint8_t cap_numbers[] = {
#define CAP(name, number) number,
#include "model/caps.def"
#undef CAP
};

// A subject while it is read.
struct draft {
    struct policy_subject s;
    const struct yaml_node *cgroup_key, *container_key, *launched_key;
    uint32_t *ids; // of the key at hand
    size_t n_ids, cap_ids;
    bool group, none_allowed; // what the ids are
    struct policy_window *windows;
    size_t n_windows, cap_windows;
};

static void draft_done(struct draft *d)
{
    free(d->ids);
    free(d->windows);
}

static int read_exe(struct loader *ld, const struct yaml_node *key, const struct yaml_node *value,
                    void *ctx)
{
    struct draft *d = ctx;

    if (streq(key->text, "exe")) {
        d->s.keys |= POLICY_KEY_EXE;
        return read_patterns(ld, value, false, &d->s.exe);
    }
    if (streq(key->text, "parent")) {
        d->s.keys |= POLICY_KEY_PARENT;
        return read_patterns(ld, value, false, &d->s.parent);
    }
    if (streq(key->text, "ancestor")) {
        d->s.keys |= POLICY_KEY_ANCESTOR;
        return read_patterns(ld, value, false, &d->s.ancestor);
    }
    d->s.keys |= POLICY_KEY_CGROUP;
    d->cgroup_key = key;
    return read_patterns(ld, value, true, &d->s.cgroup);
}

static int read_descendants(struct loader *ld, const struct yaml_node *key _unused_,
                            const struct yaml_node *value, void *ctx)
{
    struct draft *d = ctx;

    if (!read_is_word(ld, value, "true or false"))
        return 0;
    if (value->quoted || (!streq(value->text, "true") && !streq(value->text, "false"))) {
        policy_diag_expected(ld->diags,
                             read_error(ld, value, "'%s' is not true or false", value->text),
                             "true or false, without quotes");
        return 0;
    }
    if (streq(value->text, "true")) {
        d->s.descendants = true;
        d->s.keys |= POLICY_KEY_DESCENDANTS;
    }
    return 0;
}

static int resolve(struct loader *ld, const struct yaml_node *node, bool group, bool none_allowed,
                   uint32_t *ret_id, bool *ret_known)
{
    const char *what = group ? "group" : "user";
    int r;

    *ret_known = false;
    if (strspn(node->text, "0123456789") == node->len) {
        // (uid_t)-1 stands for nobody: no process has it.
        if (parse_u32(node->text, ret_id) < 0 || *ret_id == UINT32_MAX)
            policy_diag_expected(ld->diags,
                                 read_error(ld, node, "'%s' is not the number of a %s", node->text,
                                            what),
                                 "a name, or a number from 0 to 4294967294");
        else
            *ret_known = true;
        return 0;
    }
    if (none_allowed && streq(node->text, "none")) {
        *ret_id = UINT32_MAX;
        *ret_known = true;
        return 0;
    }
    r = group ? ld->resolver->group(ld->resolver->ctx, node->text, ret_id)
              : ld->resolver->user(ld->resolver->ctx, node->text, ret_id);
    if (r == -ENOMEM)
        return r;
    if (r == -ESRCH)
        policy_diag_cure(ld->diags,
                         read_error(ld, node, "there is no %s '%s' on this host", what, node->text),
                         "create it before, write its number, or take it out");
    else if (r < 0)
        policy_diag_cure(ld->diags,
                         read_error(ld, node, "the %s '%s' could not be looked up: %s", what,
                                    node->text, strerror(-r)),
                         "write its number");
    *ret_known = r >= 0;
    return 0;
}

int read_host_id(struct loader *ld, const struct yaml_node *node, bool group, uint32_t *ret_id)
{
    uint32_t id;
    bool known;
    int r;

    r = resolve(ld, node, group, false, &id, &known);
    if (r < 0)
        return r;
    if (!known)
        return -EINVAL;
    *ret_id = id;
    return 0;
}

static int read_one_id(struct loader *ld, const struct yaml_node *node, void *ctx)
{
    struct draft *d = ctx;
    uint32_t id;
    bool known;
    int r;

    r = resolve(ld, node, d->group, d->none_allowed, &id, &known);
    if (r < 0 || !known)
        return r;
    if (d->n_ids >= POLICY_LIST_MAX) {
        read_error(ld, node, "the list has more than %d entries", POLICY_LIST_MAX);
        return 0;
    }
    if (!GREEDY(d->ids, d->cap_ids, d->n_ids + 1))
        return -ENOMEM;
    d->ids[d->n_ids++] = id;
    return 0;
}

static int read_ids(struct loader *ld, const struct yaml_node *key, const struct yaml_node *value,
                    void *ctx)
{
    struct draft *d = ctx;
    struct policy_ids *out;
    int r;

    d->n_ids = 0;
    d->group = streq(key->text, "group");
    d->none_allowed = streq(key->text, "login_user");
    out = d->group ? &d->s.groups : d->none_allowed ? &d->s.logins : &d->s.users;
    d->s.keys |= d->group ? POLICY_KEY_GROUP : d->none_allowed ? POLICY_KEY_LOGIN : POLICY_KEY_USER;
    r = read_each(ld, value,
                  d->group          ? "the name or number of a group"
                  : d->none_allowed ? "the name or number of a user, or none"
                                    : "the name or number of a user",
                  read_one_id, d);
    if (r < 0)
        return r;
    out->items = arena_dup(ld->arena, d->ids, d->n_ids, sizeof(*d->ids));
    out->n = (uint32_t)d->n_ids;
    return out->items ? 0 : -ENOMEM;
}

static int read_cap(struct loader *ld, const struct yaml_node *node, void *ctx)
{
    struct draft *d = ctx;

    for (size_t i = 0; i < ARRAY_SIZE(cap_names); i++)
        if (streq(node->text, cap_names[i])) {
            d->s.caps |= SG_BIT(cap_numbers[i]);
            return 0;
        }
    read_unknown_word(ld, node, "a capability", cap_names, ARRAY_SIZE(cap_names));
    return 0;
}

static int read_caps(struct loader *ld, const struct yaml_node *key _unused_,
                     const struct yaml_node *value, void *ctx)
{
    ((struct draft *)ctx)->s.keys |= POLICY_KEY_CAP;
    return read_each(ld, value, "the name of a capability, such as CAP_SYS_ADMIN", read_cap, ctx);
}

static int read_container(struct loader *ld, const struct yaml_node *key,
                          const struct yaml_node *value, void *ctx)
{
    struct draft *d = ctx;

    d->s.keys |= POLICY_KEY_CONTAINER;
    d->container_key = key;
    return read_containers(ld, value, &d->s.container, &d->s.container_names);
}

static int read_session_name(struct loader *ld, const struct yaml_node *node, void *ctx)
{
    const char *names[SG_SESSION_COUNT];

    for (uint32_t i = 0; i < SG_SESSION_COUNT; i++) {
        names[i] = session_name(i);
        if (streq(node->text, names[i])) {
            ((struct draft *)ctx)->s.sessions |= 1u << i;
            return 0;
        }
    }
    read_unknown_word(ld, node, "a kind of session", names, ARRAY_SIZE(names));
    return 0;
}

static int read_session(struct loader *ld, const struct yaml_node *key _unused_,
                        const struct yaml_node *value, void *ctx)
{
    ((struct draft *)ctx)->s.keys |= POLICY_KEY_SESSION;
    return read_each(ld, value, "ssh, cron, console, service or none", read_session_name, ctx);
}

static int read_namespace_name(struct loader *ld, const struct yaml_node *node, void *ctx)
{
    static const char *const names[] = {"host", "container"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (streq(node->text, names[i])) {
            ((struct draft *)ctx)->s.namespaces |= 1u << i;
            return 0;
        }
    read_unknown_word(ld, node, "a namespace", names, ARRAY_SIZE(names));
    return 0;
}

static int read_namespace(struct loader *ld, const struct yaml_node *key _unused_,
                          const struct yaml_node *value, void *ctx)
{
    ((struct draft *)ctx)->s.keys |= POLICY_KEY_NAMESPACE;
    return read_each(ld, value, "host or container", read_namespace_name, ctx);
}

static int read_window(struct loader *ld, const struct yaml_node *node, void *ctx)
{
    struct draft *d = ctx;
    struct policy_window window;
    const char *wrong = window_parse(node->text, &window);

    if (wrong) {
        policy_diag_expected(ld->diags, read_error(ld, node, "%s", wrong),
                             "such as \"08:00-18:00\", \"mon-fri 08:00-18:00\" or \"sat,sun\"");
        return 0;
    }
    if (d->n_windows >= POLICY_LIST_MAX) {
        read_error(ld, node, "the list has more than %d entries", POLICY_LIST_MAX);
        return 0;
    }
    if (!GREEDY(d->windows, d->cap_windows, d->n_windows + 1))
        return -ENOMEM;
    d->windows[d->n_windows++] = window;
    return 0;
}

static int read_time(struct loader *ld, const struct yaml_node *key _unused_,
                     const struct yaml_node *value, void *ctx)
{
    struct draft *d = ctx;
    int r;

    d->s.keys |= POLICY_KEY_TIME;
    r = read_each(ld, value, "a time such as \"08:00-18:00\"", read_window, d);
    if (r < 0)
        return r;
    d->s.windows = arena_dup(ld->arena, d->windows, d->n_windows, sizeof(*d->windows));
    d->s.n_windows = (uint32_t)d->n_windows;
    return d->s.windows ? 0 : -ENOMEM;
}

static int read_env(struct loader *ld, const struct yaml_node *key _unused_,
                    const struct yaml_node *value, void *ctx)
{
    struct draft *d = ctx;

    d->s.keys |= POLICY_KEY_ENV;
    return read_environ(ld, value, &d->s.envs, &d->s.n_envs);
}

// By its control group, which has the name of the policy: only root can put something there.
static int launched_by(struct loader *ld, const struct yaml_node *value, struct draft *d)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct policy_pattern *p = arena_new0(ld->arena, struct policy_pattern, 1);

    policy_launch_group(ld->files[ld->n_files - 1].name, &sb);
    if (!p || sb.failed)
        return -ENOMEM;
    p->text = arena_strn(ld->arena, sb_str(&sb), sb.len);
    p->len = (uint32_t)sb.len;
    p->cgroup = true;
    p->pos = read_pos(ld, value);
    d->s.launched = (struct policy_patterns){.items = p, .n = 1};
    return p->text ? 0 : -ENOMEM;
}

static int read_launched(struct loader *ld, const struct yaml_node *key,
                         const struct yaml_node *value, void *ctx)
{
    struct draft *d = ctx;

    if (!read_is_word(ld, value, "true"))
        return 0;
    if (value->quoted || !streq(value->text, "true")) {
        policy_diag_cure(ld->diags, read_error(ld, value, "'%s' is not true", value->text),
                         "write true without quotes, or take the key out");
        return 0;
    }
    d->launched_key = key;
    d->s.keys |= POLICY_KEY_LAUNCHED;
    return launched_by(ld, value, d);
}

static const struct key_row subject_keys[] = {
    {.name = "exe",
     .read = read_exe,
     .help = "Its program, by pattern. What it executed counts, not what it says of itself."},
    {.name = "parent", .read = read_exe, .help = "The program of its parent."},
    {.name = "ancestor", .read = read_exe, .help = "The program of any of its ancestors."},
    {.name = "descendants",
     .read = read_descendants,
     .help =
         "true: also everything that descends from such a process, whatever it executes or becomes later."},
    {.name = "user", .read = read_ids, .help = "Its effective user, by name or number."},
    {.name = "group",
     .read = read_ids,
     .help = "Its effective group or one of its supplementary groups."},
    {.name = "login_user",
     .read = read_ids,
     .help =
         "Who logged in, whatever user that has become since (audit's loginuid); none: nobody, as for services."},
    {.name = "capability",
     .read = read_caps,
     .help = "Capabilities that are effective, such as CAP_SYS_ADMIN; of a list all."},
    {.name = "cgroup",
     .read = read_exe,
     .help =
         "Its control group (version 2), by pattern from the root of the hierarchy, with all beneath it."},
    {.name = "container",
     .read = read_container,
     .help =
         "The container that it is in, by name or id as the engine has it in the name of its control group; * for some."},
    {.name = "launched",
     .read = read_launched,
     .help =
         "true: what root started with 'safeguard run --policy NAME', where NAME is the name of this policy, and everything that descends from it."},
    {.name = "session",
     .read = read_session,
     .help = "The kind of session that it descends from: ssh, cron, console, service, or none."},
    {.name = "namespace",
     .read = read_namespace,
     .help = "host, or container: in a pid or user namespace other than the first."},
    {.name = "time",
     .read = read_time,
     .help =
         "When the subject is one: \"08:00-18:00\", \"mon-fri 08:00-18:00\", \"sat,sun\"; local time."},
    {.name = "env",
     .read = read_env,
     .help =
         "Variables of its environment when it executed its program, {NAME: value or pattern}; whoever starts a program chooses them."},
};

static void check_subject(struct loader *ld, const struct yaml_node *node, const struct draft *d)
{
    if (d->cgroup_key && d->container_key)
        policy_diag_cure(ld->diags,
                         read_error(ld, d->container_key,
                                    "`container` and `cgroup` cannot stand in one subject"),
                         "write the control group of the container in `cgroup`");
    if (d->launched_key && (d->cgroup_key || d->container_key))
        policy_diag_cure(ld->diags,
                         read_error(ld, d->launched_key,
                                    "what is launched has a control group of its own: it is in no "
                                    "other and in no container"),
                         "take one of the keys out");
    if ((d->s.keys & ~(uint32_t)POLICY_KEY_DESCENDANTS) == 0)
        policy_diag_cure(ld->diags,
                         read_error(ld, node, "a subject without a condition is everybody"),
                         "say who is meant, or leave `by` out of the rule");
}

int read_subject(struct loader *ld, const struct yaml_node *node, const char *name,
                 uint32_t *ret_index)
{
    _cleanup_(draft_done) struct draft d = {.s = {.name = name, .pos = read_pos(ld, node)}};
    bool bad_before = ld->bad, bad;
    int r;

    *ret_index = UINT32_MAX;
    ld->bad = false;
    r = read_map(ld, node, subject_keys, ARRAY_SIZE(subject_keys), "a subject", &d);
    if (r < 0)
        return r;
    if (node->kind == YAML_MAP && !ld->bad)
        check_subject(ld, node, &d);
    bad = ld->bad;
    ld->bad |= bad_before;
    if (bad)
        return 0;
    if (ld->n_subjects >= POLICY_SUBJECTS_MAX) {
        read_error(ld, node, "the policy has more than %d subjects", POLICY_SUBJECTS_MAX);
        return 0;
    }
    if (!GREEDY(ld->subjects, ld->cap_subjects, ld->n_subjects + 1) ||
        !GREEDY(ld->used, ld->cap_used, ld->n_subjects + 1))
        return -ENOMEM;
    ld->subjects[ld->n_subjects] = d.s;
    *ret_index = (uint32_t)ld->n_subjects++;
    return 0;
}

static bool good_name(const struct yaml_node *key)
{
    for (uint32_t i = 0; i < key->len; i++) {
        unsigned char c = (unsigned char)key->text[i];

        if (!isalnum(c) && !strchr("-_.", c))
            return false;
    }
    return key->len > 0 && key->len <= POLICY_NAME_MAX;
}

static int named_subject(struct loader *ld, const struct yaml_node *key, uint32_t *ret_index)
{
    char *name = arena_strn(ld->arena, key->text, key->len);

    return name ? read_subject(ld, key->next, name, ret_index) : -ENOMEM;
}

int read_subjects(struct loader *ld, const struct yaml_node *node)
{
    uint32_t index;
    int r;

    if (node->kind != YAML_MAP) {
        policy_diag_expected(ld->diags,
                             read_error(ld, node, "`subjects` has to be a map, this is %s",
                                        yaml_kind_name(node)),
                             "names and their conditions: web: {exe: /usr/sbin/nginx}");
        return 0;
    }
    for (const struct yaml_node *key = node->first; key; key = key->next->next) {
        if (key->kind != YAML_SCALAR)
            continue;
        if (!good_name(key)) {
            policy_diag_expected(ld->diags,
                                 read_error(ld, key, "'%s' cannot be the name of a subject",
                                            key->text),
                                 "1 to %d letters, digits, '-', '_' or '.'", POLICY_NAME_MAX);
            continue;
        }
        r = named_subject(ld, key, &index);
        if (r < 0)
            return r;
        if (index != UINT32_MAX)
            ld->subjects[index].pos = read_pos(ld, key);
        // A bad subject keeps its name, so that rules that use it are not reported too.
        r = map_put_mem(ld->names, key->text, key->len,
                        (void *)(uintptr_t)(index == UINT32_MAX ? UINT32_MAX : index + 1));
        if (r < 0 && r != -EEXIST)
            return r;
    }
    return 0;
}

const struct key_row *read_subject_keys(size_t *ret_n)
{
    *ret_n = ARRAY_SIZE(subject_keys);
    return subject_keys;
}
