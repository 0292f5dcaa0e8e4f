// SPDX-License-Identifier: Apache-2.0
#include "server/policycheck.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/macro.h"
#include "base/table.h"
#include "server/write.h"

#define FIRST_NUMBER 0x70000000u // beyond what systems give
#define LOOKUP_MAX   16384

struct check_names {
    struct map *users, *groups; // name → number + 1
    uint32_t next;
    struct policy_diags *diags;
    const char *file;
};

static bool user_here(const char *name)
{
    _cleanup_free_ char *buf = mallocz(LOOKUP_MAX);
    struct passwd pw, *found = NULL;

    return buf && getpwnam_r(name, &pw, buf, LOOKUP_MAX, &found) == 0 && found;
}

static bool group_here(const char *name)
{
    _cleanup_free_ char *buf = mallocz(LOOKUP_MAX);
    struct group gr, *found = NULL;

    return buf && getgrnam_r(name, &gr, buf, LOOKUP_MAX, &found) == 0 && found;
}

static void warn(struct check_names *n, const char *what, const char *name)
{
    struct policy_diag *diag =
        policy_diag_add(n->diags, POLICY_WARNING, n->file, 0, 0,
                        "there is no %s '%s' on the server: each host looks it up by itself", what,
                        name);

    policy_diag_cure(
        n->diags, diag,
        "see that hosts with this policy have it: one that has not refuses the policy");
}

// The same number for the same name, and 0 for root.
static int number_of(struct check_names *n, struct map *map, const char *what,
                     bool (*here)(const char *name), const char *name, uint32_t *ret)
{
    uintptr_t number = (uintptr_t)map_get_str(map, name);

    if (number == 0) {
        number = streq(name, "root") ? 1 : (uintptr_t)n->next++ + 1;
        // Linters take a number for a pointer as little as compilers do; nothing is behind it.
        if (map_put_str(map, name, (void *)number) < 0)
            return -ESRCH;
        if (!here(name))
            warn(n, what, name);
    }
    *ret = (uint32_t)(number - 1);
    return 0;
}

static int on_user(void *ctx, const char *name, uint32_t *ret_uid)
{
    struct check_names *n = ctx;

    return number_of(n, n->users, "user", user_here, name, ret_uid);
}

static int on_group(void *ctx, const char *name, uint32_t *ret_gid)
{
    struct check_names *n = ctx;

    return number_of(n, n->groups, "group", group_here, name, ret_gid);
}

static int names_new(struct check *c, const char *file, struct error *err)
{
    c->names = new0(struct check_names, 1);
    if (!c->names || map_new(MAP_STR, CHECK_NAMES_MAX, NULL, &c->names->users) < 0 ||
        map_new(MAP_STR, CHECK_NAMES_MAX, NULL, &c->names->groups) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    c->names->next = FIRST_NUMBER;
    c->names->diags = &c->diags;
    c->names->file = file;
    return 0;
}

int check_policy(const char *name, const char *text, size_t len, struct check *ret,
                 struct error *err)
{
    struct policy_resolver resolver = {.user = on_user, .group = on_group};
    const struct policy_load_options options = {.resolver = &resolver};
    const struct policy_compile_options compile = {.max_ms = 5000};
    int r;

    *ret = (struct check){};
    r = names_new(ret, name, err);
    if (r < 0)
        return r;
    resolver.ctx = ret->names;
    r = policy_load_buffer(name, text, len, &options, &ret->diags, &ret->policy);
    if (r == 0)
        r = policy_compile(ret->policy, NULL, &compile, &ret->diags, &ret->image);
    policy_diags_sort(&ret->diags);
    if (r == 0 || ret->diags.n_errors > 0)
        return 0;
    return error_set(err, r, "the policy could not be checked: %s", strerror(-r));
}

void check_done(struct check *c)
{
    policy_diags_done(&c->diags);
    policy_image_free(c->image);
    policy_free(c->policy);
    if (c->names) {
        map_free(c->names->users);
        map_free(c->names->groups);
    }
    free(c->names);
    *c = (struct check){};
}

int check_user(const struct check *c, const char *name, size_t len, uint32_t *ret_uid)
{
    uintptr_t number = (uintptr_t)map_get_mem(c->names->users, name, len);

    if (number == 0)
        return -ENOENT;
    *ret_uid = (uint32_t)(number - 1);
    return 0;
}

static void write_diag(const struct policy_diag *d, struct jw *out)
{
    jw_begin_object(out);
    jw_kv_str(out, "severity", d->severity == POLICY_ERROR ? "error" : "warning");
    jw_kv_u64(out, "line", d->line);
    jw_kv_u64(out, "column", d->column);
    jw_kv_u64(out, "width", d->width);
    jw_kv_str(out, "message", strempty(d->message));
    write_text(out, "expected", d->expected);
    write_text(out, "cure", d->cure);
    write_text(out, "source", d->source);
    jw_end_object(out);
}

void check_write(const struct check *c, struct jw *out)
{
    jw_begin_object(out);
    jw_kv_u64(out, "errors", c->diags.n_errors);
    jw_kv_u64(out, "warnings", c->diags.n_warnings);
    jw_kv_array(out, "diagnostics");
    for (size_t i = 0; i < c->diags.n; i++)
        write_diag(&c->diags.items[i], out);
    jw_end_array(out);
    jw_end_object(out);
}
