// SPDX-License-Identifier: Apache-2.0
#include "agent/guarded.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strbuf.h"

#define CGROUP_TEXT_MAX ((size_t)64 << 10)

static const char unit[] = "safeguard-agent.service";

// Where units and what changes them may lie. `%s` is the unit; those without one hold for all services.
static const char *const unit_places[] = {
    "/usr/lib/systemd/system/%s",
    "/usr/lib/systemd/system/%s.d",
    "/usr/local/lib/systemd/system/%s",
    "/usr/local/lib/systemd/system/%s.d",
    "/etc/systemd/system/%s",
    "/etc/systemd/system/%s.d",
    "/run/systemd/system/%s",
    "/run/systemd/system/%s.d",
    "/etc/systemd/system.control/%s",
    "/etc/systemd/system.control/%s.d",
    "/run/systemd/system.control/%s",
    "/run/systemd/system.control/%s.d",
    "/run/systemd/transient/%s",
    "/run/systemd/transient/%s.d",
    "/etc/systemd/system/*.wants/%s",
    "/etc/systemd/system/safeguard-.service.d",
    "/run/systemd/system/service.d",
    "/etc/systemd/system/service.d",
    "/usr/lib/systemd/system/service.d",
    "/usr/local/lib/systemd/system/service.d",
    "/run/systemd/system/safeguard-.service.d",
    // What generators make, which run anew at each reload.
    "/run/systemd/generator*/%s",
    "/run/systemd/generator*/%s.d",
    "/run/systemd/generator*/service.d",
    // What the service manager hands to all services.
    "/usr/lib/systemd/system.conf",
    "/usr/lib/systemd/system.conf.d",
    "/usr/local/lib/systemd/system.conf",
    "/usr/local/lib/systemd/system.conf.d",
    "/etc/systemd/system.conf",
    "/etc/systemd/system.conf.d",
    "/run/systemd/system.conf",
    "/run/systemd/system.conf.d",
};

// Of the cgroups that the agent's lies in. Of its own nobody writes to any file, or makes another one beneath it.
static const char *const cgroup_files[] = {
    "cgroup.kill",      "cgroup.freeze",  "cgroup.type",           "cgroup.subtree_control",
    "cpu.max",          "cpu.weight",     "cpu.weight.nice",       "cpu.idle",
    "cpu.uclamp.max",   "cpuset.cpus",    "cpuset.cpus.partition", "cpuset.mems",
    "memory.max",       "memory.high",    "memory.swap.max",       "memory.swap.high",
    "memory.zswap.max", "memory.reclaim", "memory.oom.group",      "pids.max",
    "io.max",           "io.weight",      "io.bfq.weight",         "io.latency",
};

// It becomes part of a pattern in YAML: what has a meaning in either is not for a name.
static bool is_plain(const char *path)
{
    for (const char *p = path; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
              strchr("/._-+@:", *p)))
            return false;
    return path[0] == '/';
}

static int add(struct guarded *g, enum guarded_kind kind, const char *pattern)
{
    return strv_contains(g->patterns[kind], pattern) ? 0 : strv_append(&g->patterns[kind], pattern);
}

// A path by the name that it really has, where it is there, with something behind it.
static int add_path(struct guarded *g, enum guarded_kind kind, const char *path, const char *more)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    _cleanup_free_ char *real = path ? realpath(path, NULL) : NULL;
    const char *name = real ? real : path;

    if (!name || !is_plain(name) || streq(name, "/"))
        return 0;
    sb_printf(&sb, "%s%s", name, more);
    return sb.failed ? -ENOMEM : add(g, kind, sb_str(&sb));
}

// The directory of records, where it is nobody else's, too.
static const char *logs_of(const struct guarded_places *p)
{
    static const char logs[] = "/var/log/safeguard";

    return p->output_path && str_startswith(p->output_path, logs) ? logs : NULL;
}

// Does it lie in what the rule about files speaks of? That one comes first, and another one about it could never match.
static bool is_beneath_files(const struct guarded *g, const char *path)
{
    STRV_FOREACH (pattern, g->patterns[GUARDED_FILES]) {
        size_t len = strlen(*pattern);

        if (len > 2 && str_endswith(*pattern, "/**") && strncmp(path, *pattern, len - 2) == 0)
            return true;
    }
    return false;
}

static int add_directory(struct guarded *g, const char *path)
{
    _cleanup_free_ char *real = path ? realpath(path, NULL) : NULL;
    const char *name = real ? real : path;

    return name && !is_beneath_files(g, name) ? add_path(g, GUARDED_MODES, name, "") : 0;
}

static int add_files(struct guarded *g, const struct guarded_places *p)
{
    const struct {
        const char *path, *more;
    } rows[] = {
        {"/etc/safeguard", "/**"}, {p->config_path, ""},  {p->policy_dir, "/**"},
        {p->state_dir, "/**"},     {p->spool_dir, "/**"}, {p->run_dir, "/**"},
        {p->pin_dir, "/**"},       {p->output_path, "*"},
    };
    const char *const dirs[] = {
        "/etc/safeguard", p->policy_dir, p->state_dir, p->spool_dir,
        p->run_dir,       p->pin_dir,    logs_of(p),
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(rows); i++)
        r = add_path(g, GUARDED_FILES, rows[i].path, rows[i].more);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(dirs); i++)
        r = add_directory(g, dirs[i]);
    return r;
}

static int add_units(struct guarded *g)
{
    int r = add(g, GUARDED_PROGRAMS, "/etc/ld.so.preload");

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(unit_places); i++) {
        const char *at = strstr(unit_places[i], "%s"), *rest = at ? at + 2 : "";
        _cleanup_(sb_done) struct strbuf sb = {};

        sb_printf(&sb, "%.*s%s%s", at ? (int)(at - unit_places[i]) : (int)strlen(unit_places[i]),
                  unit_places[i], at ? unit : "", rest);
        r = sb.failed ? -ENOMEM : add(g, GUARDED_PROGRAMS, sb_str(&sb));
        if (r == 0 && str_endswith(unit_places[i], ".d")) {
            sb_puts(&sb, "/**");
            r = sb.failed ? -ENOMEM : add(g, GUARDED_PROGRAMS, sb_str(&sb));
        }
    }
    return r;
}

static int add_programs(struct guarded *g, char *const *programs)
{
    int r = 0;

    STRV_FOREACH (program, programs) {
        const char *slash = strrchr(*program, '/');
        _cleanup_(sb_done) struct strbuf server = {};

        r = r < 0 ? r : add_path(g, GUARDED_PROGRAMS, *program, "");
        // The server's, where it is installed beside the agent.
        sb_printf(&server, "%.*s/safeguard-server", (int)(slash - *program), *program);
        if (r == 0 && access(sb_str(&server), F_OK) == 0)
            r = add_path(g, GUARDED_PROGRAMS, sb_str(&server), "");
    }
    return r < 0 ? r : add_units(g);
}

// The cgroup of version 2, from /proc/self/cgroup: "0::/system.slice/safeguard-agent.service". Empty: the root.
static int own_cgroup(char *ret, size_t size)
{
    _cleanup_free_ char *text = NULL;
    char *line, *end;
    int r;

    r = read_file_bounded(AT_FDCWD, "/proc/self/cgroup", CGROUP_TEXT_MAX, &text, NULL);
    if (r < 0)
        return r;
    line = str_startswith(text, "0::") ? text : strstr(text, "\n0::");
    if (!line)
        return -ENOENT;
    line = strchr(line, '/');
    if (!line)
        return -ENOENT;
    end = strchr(line, '\n');
    if (end)
        *end = '\0';
    if (strlen(line) >= size)
        return -ENAMETOOLONG;
    (void)snprintf(ret, size, "%s", streq(line, "/") ? "" : line);
    return 0;
}

static int add_cgroup_file(struct guarded *g, enum guarded_kind kind, const char *root,
                           const char *path, const char *file)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    sb_printf(&sb, "%s%s/%s", root, path, file);
    return sb.failed ? -ENOMEM : add(g, kind, sb_str(&sb));
}

// One that the agent's lies in. Whose mode lets nobody write is asked for a capability when he moves the agent (bpf/guard_cgroup).
static int add_parent(struct guarded *g, const char *root, const char *path)
{
    int r = add_cgroup_file(g, GUARDED_MODES, root, path, "cgroup.procs");

    // The root has none of these files that would matter.
    for (size_t i = 0; r == 0 && *path && i < ARRAY_SIZE(cgroup_files); i++)
        r = add_cgroup_file(g, GUARDED_CGROUPS, root, path, cgroup_files[i]);
    return r;
}

// The agent's cgroup and each that it lies in.
static int add_cgroups(struct guarded *g)
{
    const char *root = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0
                           ? "/sys/fs/cgroup"
                           : "/sys/fs/cgroup/unified";
    char path[4096];
    int r = own_cgroup(path, sizeof(path));

    // A rule has to have a path: of a host without cgroups this one.
    if (r < 0 || !*path || !is_plain(path))
        return add(g, GUARDED_CGROUPS, "/sys/fs/cgroup/safeguard-agent.service/cgroup.kill");
    r = add_cgroup_file(g, GUARDED_CGROUPS, root, path, "**");
    for (char *slash = strrchr(path, '/'); r == 0 && slash; slash = strrchr(path, '/')) {
        *slash = '\0';
        r = add_parent(g, root, path);
    }
    return r;
}

static int add_kernel(struct guarded *g)
{
    char own[64];
    int r;

    (void)snprintf(own, sizeof(own), "/proc/%d/**", (int)getpid());
    r = add(g, GUARDED_KERNEL, "/proc/sys/kernel/ftrace_enabled");
    r = r < 0 ? r : add(g, GUARDED_KERNEL, "/proc/sysrq-trigger");
    return r < 0 ? r : add(g, GUARDED_KERNEL, own);
}

int guarded_find(const struct guarded_places *places, char *const *programs, struct guarded *ret)
{
    struct guarded g = {};
    int r;

    r = add_files(&g, places);
    r = r < 0 ? r : add_programs(&g, programs);
    r = r < 0 ? r : add_cgroups(&g);
    r = r < 0 ? r : add_kernel(&g);
    if (r < 0) {
        guarded_done(&g);
        return r;
    }
    *ret = g;
    return 0;
}

void guarded_done(struct guarded *g)
{
    for (size_t i = 0; i < GUARDED_KINDS; i++)
        strv_free(g->patterns[i]);
    *g = (struct guarded){};
}
