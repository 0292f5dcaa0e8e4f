// SPDX-License-Identifier: Apache-2.0
#include "agent/own.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

#include "abi/control.h"
#include "abi/network.h"
#include "base/alloc.h"
#include "base/mappings.h"
#include "base/strutil.h"
#include "model/names.h"
#include "policy/explain.h"

// Beside its libraries, in the order in which a program comes across them. libgcrypt, which libsystemd uses, ends the
// program when it is refused the last one.
static const char *const at_start[] = {"/etc/ld.so.cache", "/proc/sys/crypto/fips_enabled"};

// What a program is handed as its standard input and output.
static const char terminals[] =
    "/dev/null, /dev/tty, /dev/console, \"/dev/pts/*\", \"/dev/tty[0-9]*\", \"/dev/ttyS*\"";

// It becomes part of a pattern in YAML: what has a meaning in either is not for a name.
static bool is_plain(const char *path)
{
    for (const char *p = path; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
              strchr("/._-+", *p)))
            return false;
    return path[0] == '/';
}

static int add(char ***list, const char *path)
{
    STRV_FOREACH (known, *list)
        if (streq(*known, path))
            return 0;
    return is_plain(path) ? strv_append(list, path) : 0;
}

static int add_mapped(void *list, const struct mapping *m)
{
    return m->perms[2] == 'x' && m->path[0] == '/' ? add(list, m->path) : 0;
}

// What the command line is linked with, and the agent is not.
static int add_library(char ***list, const char *name)
{
    void *library = dlopen(name, RTLD_LAZY | RTLD_LOCAL);
    struct link_map *map = NULL;
    int r = 0;

    if (!library)
        return 0; // then it does not start anyway
    if (dlinfo(library, RTLD_DI_LINKMAP, &map) == 0) {
        _cleanup_free_ char *real = realpath(map->l_name, NULL);

        r = real ? add(list, real) : 0;
    }
    (void)dlclose(library);
    return r;
}

// ld-linux-x86-64.so.2 and its kin.
static bool is_interpreter(const char *path)
{
    return str_startswith(strrchr(path, '/') + 1, "ld-") != NULL;
}

static int add_executed(struct own_files *f)
{
    int r = 0;

    STRV_FOREACH (program, f->programs)
        r = r < 0 ? r : add(&f->executed, *program);
    STRV_FOREACH (file, f->files)
        if (r == 0 && is_interpreter(*file))
            r = add(&f->executed, *file);
    return r;
}

// safeguard-agent in …/sbin and safeguard in …/bin, or each in a directory of its own name as in a build directory.
static int add_programs(char ***list)
{
    static const char *const places[] = {"/safeguard", "/../bin/safeguard", "/../cli/safeguard"};
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    char *slash;
    int r;

    if (n < 0)
        return negative_errno();
    exe[n] = '\0';
    r = add(list, exe);
    slash = strrchr(exe, '/');
    for (size_t i = 0; r == 0 && slash && i < ARRAY_SIZE(places); i++) {
        _cleanup_(sb_done) struct strbuf sb = {};
        _cleanup_free_ char *real = NULL;

        sb_printf(&sb, "%.*s%s", (int)(slash - exe), exe, places[i]);
        real = realpath(sb_str(&sb), NULL);
        if (real && access(real, X_OK) == 0)
            r = add(list, real);
    }
    return r;
}

int own_files_find(const char *config_path, struct own_files *ret)
{
    struct own_files f = {};
    int r;

    r = add_programs(&f.programs);
    r = r < 0 ? r : mappings_each(add_mapped, &f.files);
    r = r < 0 ? r : add_library(&f.files, "libseccomp.so.2");
    r = r < 0 ? r : add_executed(&f);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(at_start); i++)
        r = add(&f.files, at_start[i]);
    if (r == 0 && config_path)
        r = add(&f.files, config_path);
    if (r < 0) {
        own_files_done(&f);
        return r;
    }
    *ret = f;
    return 0;
}

void own_files_done(struct own_files *f)
{
    strv_free(f->programs);
    strv_free(f->executed);
    strv_free(f->files);
    *f = (struct own_files){};
}

static bool refused(const struct policy_image *image, const char *exe, const char *path,
                    uint32_t ops)
{
    const struct policy_query q = {
        .path = path,
        .path_len = strlen(path),
        .ops = ops,
        .facts = {.exe = exe, .login_uid = UINT32_MAX, .session = -1},
    };
    struct policy_decision d;

    return policy_explain(image, &q, &d) == 0 && d.blocked;
}

bool own_locked_out(const struct own_files *f, const struct policy_image *image)
{
    STRV_FOREACH (path, f->executed)
        if (refused(image, "/usr/bin/bash", *path, SG_OP_EXEC))
            return true;
    STRV_FOREACH (program, f->programs) {
        if (refused(image, *program, *program, SG_OP_READ | SG_OP_MMAP) ||
            refused(image, *program, "/dev/null", SG_OP_READ | SG_OP_WRITE))
            return true;
        STRV_FOREACH (file, f->files)
            if (refused(image, *program, *file, SG_OP_READ | SG_OP_MMAP | SG_OP_EXEC))
                return true;
    }
    return false;
}

static void put_list(struct strbuf *sb, char *const *list)
{
    for (size_t i = 0; list && list[i]; i++)
        sb_printf(sb, "%s\"%s\"", i ? ", " : "", list[i]);
}

// How a kind is asked about in the policy: what only the self-test asks with.
static const struct {
    uint64_t kinds;
    const char *section;
    const char *
        key; // the kind is a value of `access`, and this key has what is asked with; NULL: the kind is the key
} asked[] = {
    {~(SG_BIT(SG_CONTROL_exec) | SG_NET_KINDS), "control", NULL},
    {SG_BIT(SG_CONTROL_connect) | SG_BIT(SG_CONTROL_send), "network", "to"},
    {SG_BIT(SG_CONTROL_bind) | SG_BIT(SG_CONTROL_listen), "network", "at"},
    {SG_BIT(SG_CONTROL_accept) | SG_BIT(SG_CONTROL_receive), "network", "from"},
};

static void put_controls(struct strbuf *sb, uint64_t kinds)
{
    const char *said = "";

    // Nobody is refused to end, or to be scheduled.
    kinds &= ~(SG_BIT(SG_CONTROL_exit) | SG_BIT(SG_CONTROL_schedule));
    for (size_t i = 0; i < ARRAY_SIZE(asked); i++)
        for (unsigned kind = 0; kind < SG_CONTROL_COUNT; kind++) {
            const char *name = event_control_name((enum sg_control)kind);

            if (!(kinds & asked[i].kinds & SG_BIT(kind)))
                continue;
            if (!streq(said, asked[i].section))
                sb_printf(sb, "%s:\n", asked[i].section);
            said = asked[i].section;
            if (asked[i].key)
                sb_printf(sb, "  - {access: %s, %s: " SG_CONTROL_SELF_NAME ", do: deny}\n", name,
                          asked[i].key);
            else
                sb_printf(sb, "  - {%s: " SG_CONTROL_SELF_NAME ", do: deny}\n", name);
        }
}

static void put_guards(struct strbuf *sb, const struct guarded *guarded)
{
    for (size_t i = 0; i < GUARDED_KINDS; i++) {
        sb_puts(sb, "  - {path: [");
        put_list(sb, guarded->patterns[i]);
        sb_printf(sb, "], access: %s, do: deny}\n",
                  i == GUARDED_MODES ? "[chmod, chown, xattr]" : "write");
    }
}

int own_policy(const char *run_dir, const struct guarded *guarded, const struct own_files *files,
               uint64_t controls, struct strbuf *sb, struct error *err)
{
    if (!is_plain(run_dir)) {
        (void)error_set(err, -EINVAL,
                        "run_dir: '%s' has characters that a path pattern cannot hold", run_dir);
        error_expected(err, "letters, digits and / . _ - +");
        return -EINVAL;
    }
    sb_puts(sb, "safeguard: 1\nname: safeguard\nmode: enforce\n");
    if (files && files->programs) {
        sb_puts(sb, "subjects:\n  own: {exe: [");
        put_list(sb, files->programs);
        sb_puts(sb, "]}\n  root: {user: 0}\n");
    }
    sb_printf(sb,
              "files:\n"
              "  - {path: \"%s/canary/io/**\", access: io, do: audit}\n"
              "  - {path: \"%s/canary/io/**\", access: any, do: allow}\n"
              "  - {path: \"%s/canary/**\", access: any, do: deny}\n",
              run_dir, run_dir, run_dir);
    if (guarded)
        put_guards(sb, guarded);
    if (files && files->programs && files->files) {
        sb_puts(sb, "  - {path: [");
        put_list(sb, files->executed);
        sb_puts(sb, "], access: exec, by: root, do: allow}\n  - {path: [");
        put_list(sb, files->programs);
        sb_puts(sb, ", ");
        put_list(sb, files->files);
        sb_printf(sb,
                  "], access: [read, exec, mmap], by: own, do: allow}\n"
                  "  - {path: [%s], access: [read, write], by: own, do: allow}\n",
                  terminals);
    }
    put_controls(sb, controls);
    return sb->failed ? error_set(err, -ENOMEM, "%m") : 0;
}
