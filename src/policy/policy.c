// SPDX-License-Identifier: Apache-2.0
//
// Loading: where the files come from, and what is handed out.
#include "policy/policy.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/strutil.h"
#include "policy/loader.h"
#include "policy/packets.h"

#define LOOKUP_MAX ((size_t)1 << 20) // bytes of one entry of passwd or group

static int system_user(void *ctx _unused_, const char *name, uint32_t *ret_uid)
{
    for (size_t size = 1024; size <= LOOKUP_MAX; size *= 4) {
        _cleanup_free_ char *buf = mallocz(size);
        struct passwd pw, *found = NULL;
        int r;

        if (!buf)
            return -ENOMEM;
        r = getpwnam_r(name, &pw, buf, size, &found);
        if (r == ERANGE)
            continue;
        if (!found)
            // What glibc gives for "not found" depends on the source that was asked.
            return r == 0 || r == ENOENT || r == ESRCH || r == EBADF || r == EPERM ? -ESRCH : -r;
        *ret_uid = found->pw_uid;
        return 0;
    }
    return -ERANGE;
}

static int system_group(void *ctx _unused_, const char *name, uint32_t *ret_gid)
{
    for (size_t size = 1024; size <= LOOKUP_MAX; size *= 4) {
        _cleanup_free_ char *buf = mallocz(size);
        struct group gr, *found = NULL;
        int r;

        if (!buf)
            return -ENOMEM;
        r = getgrnam_r(name, &gr, buf, size, &found);
        if (r == ERANGE)
            continue;
        if (!found)
            return r == 0 || r == ENOENT || r == ESRCH || r == EBADF || r == EPERM ? -ESRCH : -r;
        *ret_gid = found->gr_gid;
        return 0;
    }
    return -ERANGE;
}

static const struct policy_resolver system_resolver = {
    .user = system_user,
    .group = system_group,
};

static void loader_done(struct loader *ld)
{
    arena_free(ld->arena);
    free(ld->files);
    free(ld->subjects);
    free(ld->rules);
    free(ld->used);
    free(ld->packets);
    free(ld->record_env);
    map_free(ld->names);
}

static int loader_start(struct loader *ld, const struct policy_load_options *options,
                        struct policy_diags *diags)
{
    *ld = (struct loader){.diags = diags};
    ld->resolver = options && options->resolver ? options->resolver : &system_resolver;
    return arena_new(&ld->arena);
}

static int loader_finish(struct loader *ld, struct policy **ret_policy)
{
    struct policy *p;
    struct packet_rule *packets;
    int r = record_subjects(ld);

    if (r < 0)
        return r;
    packets_lint(ld);
    if (ld->diags)
        policy_diags_sort(ld->diags);
    if (ld->bad)
        return -EINVAL;
    p = new0(struct policy, 1);
    if (!p)
        return -ENOMEM;
    p->files = arena_dup(ld->arena, ld->files, ld->n_files, sizeof(*ld->files));
    p->subjects = arena_dup(ld->arena, ld->subjects, ld->n_subjects, sizeof(*ld->subjects));
    p->rules = arena_dup(ld->arena, ld->rules, ld->n_rules, sizeof(*ld->rules));
    p->record_env.items = arena_dup(ld->arena, ld->record_env, ld->n_record_env,
                                    sizeof(*ld->record_env));
    p->record_env.n = (uint32_t)ld->n_record_env;
    packets = arena_new0(ld->arena, struct packet_rule, ld->n_packets + 1);
    for (size_t i = 0; packets && i < ld->n_packets; i++)
        packets[i] = ld->packets[i].rule;
    p->packets = (struct packet_rules){packets, ld->n_packets};
    if (!packets || !p->files || !p->subjects || !p->rules || !p->record_env.items) {
        free(p);
        return -ENOMEM;
    }
    p->n_files = (uint32_t)ld->n_files;
    p->n_subjects = (uint32_t)ld->n_subjects;
    p->n_rules = (uint32_t)ld->n_rules;
    p->arena = TAKE_PTR(ld->arena);
    *ret_policy = p;
    return 0;
}

struct policy *policy_free(struct policy *p)
{
    if (!p)
        return NULL;
    arena_free(p->arena);
    free(p);
    return NULL;
}

static int too_large(struct loader *ld, const char *name)
{
    struct policy_diag *d =
        policy_diag_add(ld->diags, POLICY_ERROR, name, 0, 0,
                        "the file is larger than the %u MiB that a policy may have",
                        POLICY_FILE_MAX >> 20);

    policy_diag_cure(ld->diags, d, "split it into several files");
    ld->bad = true;
    return 0;
}

static int load_buffer(struct loader *ld, const struct policy_buffer *b)
{
    return b->len > POLICY_FILE_MAX ? too_large(ld, b->name)
                                    : read_file(ld, b->name, b->text, b->len);
}

// `path` is opened relative to dirfd, `name` is what people see.
static int load_path(struct loader *ld, const char *path)
{
    _cleanup_free_ char *text = NULL;
    size_t len;
    int r;

    r = read_file_bounded(AT_FDCWD, path, POLICY_FILE_MAX, &text, &len);
    if (r == -EFBIG)
        return too_large(ld, path);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        // One file that cannot be read must not make the others count as the whole policy.
        policy_diag_add(ld->diags, POLICY_ERROR, path, 0, 0, "the file cannot be read: %s",
                        r == -EINVAL ? "it is not a regular file" : strerror(-r));
        ld->bad = true;
        return 0;
    }
    return read_file(ld, path, text, len);
}

int policy_load_buffers(const struct policy_buffer *buffers, size_t n_buffers,
                        const struct policy_load_options *options, struct policy_diags *diags,
                        struct policy **ret_policy)
{
    _cleanup_(loader_done) struct loader ld = {};
    int r;

    if (n_buffers > POLICY_FILES_MAX)
        return -E2BIG;
    r = loader_start(&ld, options, diags);
    for (size_t i = 0; r == 0 && i < n_buffers; i++)
        r = load_buffer(&ld, &buffers[i]);
    return r < 0 ? r : loader_finish(&ld, ret_policy);
}

int policy_load_buffer(const char *name, const char *text, size_t len,
                       const struct policy_load_options *options, struct policy_diags *diags,
                       struct policy **ret_policy)
{
    const struct policy_buffer buffer = {.name = name, .text = text, .len = len};

    return policy_load_buffers(&buffer, 1, options, diags, ret_policy);
}

int policy_load_files(const char *const *paths, size_t n_paths,
                      const struct policy_load_options *options, struct policy_diags *diags,
                      struct policy **ret_policy)
{
    _cleanup_(loader_done) struct loader ld = {};
    int r;

    if (n_paths > POLICY_FILES_MAX)
        return -E2BIG;
    r = loader_start(&ld, options, diags);
    for (size_t i = 0; r == 0 && i < n_paths; i++)
        r = load_path(&ld, paths[i]);
    return r < 0 ? r : loader_finish(&ld, ret_policy);
}

static int list_dir(const char *dir, char ***ret_paths)
{
    static const char *const suffixes[] = {".yaml", ".yml"};
    _cleanup_(strv_freep) char **paths = NULL;
    int r;

    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        _cleanup_(strv_freep) char **names = NULL;

        r = dir_names(AT_FDCWD, dir, suffixes[i], POLICY_FILES_MAX, &names);
        if (r < 0)
            return r;
        STRV_FOREACH (name, names) {
            _cleanup_(sb_done) struct strbuf sb = {};

            sb_printf(&sb, "%s%s%s", dir, str_endswith(dir, "/") ? "" : "/", *name);
            r = sb.failed ? -ENOMEM : strv_append(&paths, sb_str(&sb));
            if (r < 0)
                return r;
        }
    }
    strv_sort_natural(paths);
    *ret_paths = TAKE_PTR(paths);
    return 0;
}

int policy_load_dir(const char *dir, const struct policy_load_options *options,
                    struct policy_diags *diags, struct policy **ret_policy)
{
    _cleanup_(strv_freep) char **paths = NULL;
    size_t n;
    int r;

    r = list_dir(dir, &paths);
    if (r < 0)
        return r;
    n = strv_len(paths);
    if (n == 0)
        policy_diag_add(diags, POLICY_WARNING, dir, 0, 0,
                        "there is no policy here: no file ends in .yaml or .yml");
    return policy_load_files((const char *const *)paths, n, options, diags, ret_policy);
}
