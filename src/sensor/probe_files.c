// SPDX-License-Identifier: Apache-2.0
//
// What can be read from files about what this kernel can do.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/strutil.h"
#include "sensor/hostfile.h"
#include "sensor/kernel.h"
#include "sensor/preempt.h"
#include "sensor/probe.h"

#define DETAIL(c, ...) (void)snprintf((c)->detail, sizeof((c)->detail), __VA_ARGS__)
#define CURE(c, ...)   (void)snprintf((c)->cure, sizeof((c)->cure), __VA_ARGS__)

#define CAP_NUMBER_SYS_ADMIN 21 // linux/capability.h

static void probe_privilege(struct sensor_probe *p, const char *root)
{
    struct sensor_capability *c;
    const char *line = NULL;
    uint64_t effective = 0;
    char text[8192];
    bool ok;

    if (hostfile_read(root, "/proc/self/status", text, sizeof(text)) == 0)
        line = strstr(text, "\nCapEff:");
    if (line)
        effective = strtoull(line + strlen("\nCapEff:"), NULL, 16);
    ok = effective & SG_BIT(CAP_NUMBER_SYS_ADMIN);
    c = probe_add(p, "privilege", ok, true);
    DETAIL(c, "%s", ok ? "CAP_SYS_ADMIN" : "this process may not load kernel programs");
    if (!ok)
        CURE(c, "run it as root (sudo), outside of an unprivileged container");
}

// Trampolines are made for each architecture, from this version on.
static const struct {
    const char *machine;
    uint32_t since;
} machines[] = {
    {"x86_64", KERNEL(5, 10)},
    {"aarch64", KERNEL(6, 4)},
};

static void probe_version(struct sensor_probe *p)
{
    uint32_t version = kernel_version(p->release);
    struct sensor_capability *c;
    uint32_t since = 0;

    c = probe_add(p, "kernel", version >= KERNEL(5, 10), true);
    DETAIL(c, "Linux %s", p->release);
    if (!c->ok)
        CURE(c, "a kernel of version 5.10 or later");
    for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
        if (streq(machines[i].machine, p->machine))
            since = machines[i].since;
    c = probe_add(p, "trampoline", since && version >= since, true);
    if (!since) {
        DETAIL(c, "programs cannot be attached to kernel functions on %s", p->machine);
        CURE(c, "an x86-64 machine, or an arm64 machine with a kernel of version 6.4 or later");
    } else {
        DETAIL(c, "%s from Linux %u.%u on", p->machine, since >> 16, since & 0xffff);
        if (!c->ok)
            CURE(c, "a kernel of version %u.%u or later", since >> 16, since & 0xffff);
    }
}

// The list for lsm= that has what is active now and bpf at its end; "capability" is always there.
static void lsm_with_bpf(const char *active, char *ret_list, size_t size)
{
    size_t at = 0;

    ret_list[0] = '\0';
    for (const char *s = active; *s; s += strcspn(s, ","), s += *s == ',') {
        size_t len = strcspn(s, ",");

        if (len == strlen("capability") && memcmp(s, "capability", len) == 0)
            continue;
        if (at + len + 1 + sizeof("bpf") > size)
            break;
        memcpy(ret_list + at, s, len);
        at += len;
        ret_list[at++] = ',';
    }
    memcpy(ret_list + at, "bpf", sizeof("bpf"));
}

static bool lsm_has_bpf(const char *active)
{
    for (const char *s = active; *s; s += strcspn(s, ","), s += *s == ',')
        if (strcspn(s, ",") == 3 && memcmp(s, "bpf", 3) == 0)
            return true;
    return false;
}

static void probe_lsm(struct sensor_probe *p, const char *root)
{
    struct sensor_capability *c;
    char list[150], cmdline[4096] = "";
    bool given, ok;
    int r;

    r = hostfile_read_kernel(root, "/sys/kernel/security", "securityfs", "lsm", p->lsm,
                             sizeof(p->lsm));
    if (r < 0) {
        c = probe_add(p, "bpf-lsm", false, false);
        DETAIL(c,
               "the list of active security modules cannot be read: /sys/kernel/security/lsm: %s",
               strerror(-r));
        CURE(c, "as root: mount -t securityfs securityfs /sys/kernel/security");
        return;
    }
    ok = lsm_has_bpf(p->lsm);
    c = probe_add(p, "bpf-lsm", ok, false);
    if (ok) {
        DETAIL(c, "active: %.150s", p->lsm);
        return;
    }
    DETAIL(c, "programs on LSM hooks would attach and never run: bpf is not in %.120s", p->lsm);
    lsm_with_bpf(p->lsm, list, sizeof(list));
    (void)hostfile_read(root, "/proc/cmdline", cmdline, sizeof(cmdline));
    given = str_startswith(cmdline, "lsm=") || strstr(cmdline, " lsm=");
    CURE(c, "%s lsm=%s in GRUB_CMDLINE_LINUX of /etc/default/grub, run update-grub, restart",
         given ? "replace lsm= by" : "put", list);
}

static void probe_lockdown(struct sensor_probe *p, const char *root)
{
    struct sensor_capability *c;
    char text[128];
    int r;

    r = hostfile_read_kernel(root, "/sys/kernel/security", "securityfs", "lockdown", text,
                             sizeof(text));
    c = probe_add(p, "lockdown", r < 0 || !strstr(text, "[confidentiality]"), true);
    DETAIL(c, "%s", r < 0 ? "not in this kernel" : text);
    if (!c->ok)
        CURE(c,
             "lockdown=integrity on the kernel's command line: confidentiality forbids programs to "
             "read kernel memory");
}

static void probe_switches(struct sensor_probe *p, const char *root)
{
    struct sensor_capability *c;
    char text[64];
    int r;

    r = hostfile_read(root, "/proc/sys/net/core/bpf_jit_enable", text, sizeof(text));
    c = probe_add(p, "jit", r == 0 && !streq(text, "0"), true);
    DETAIL(c, "net.core.bpf_jit_enable: %s", r < 0 ? strerror(-r) : text);
    if (!c->ok)
        CURE(c, "%s",
             r < 0 ? "a kernel with CONFIG_BPF_JIT" : "sysctl -w net.core.bpf_jit_enable=1");

    r = hostfile_read(root, "/proc/sys/kernel/ftrace_enabled", text, sizeof(text));
    c = probe_add(p, "ftrace", r < 0 || !streq(text, "0"), true);
    DETAIL(c, "kernel.ftrace_enabled: %s", r < 0 ? "not in this kernel" : text);
    if (!c->ok)
        CURE(c, "sysctl -w kernel.ftrace_enabled=1: while it is 0 no attached program runs");
}

static void probe_places(struct sensor_probe *p, const char *root)
{
    struct sensor_capability *c;
    char path[512], mounts[65536];
    uint64_t address;
    int r;

    (void)snprintf(path, sizeof(path), "%s/proc/kallsyms", root);
    r = kernel_symbol(path, "rename_lock", &address);
    c = probe_add(p, "kallsyms", r == 0, false);
    DETAIL(c, "%s",
           r == 0         ? "rename_lock found"
           : r == -EACCES ? "addresses are hidden"
                          : "rename_lock is not listed");
    if (!c->ok)
        CURE(
            c,
            r == -EACCES
                ? "sysctl -w kernel.kptr_restrict=1"
                : "a kernel with CONFIG_KALLSYMS_ALL=y; without it renames during a look-up are noticed by names only");

    if (hostfile_read(root, "/proc/self/mounts", mounts, sizeof(mounts)) < 0)
        mounts[0] = '\0';
    c = probe_add(p, "cgroup2", strstr(mounts, " cgroup2 ") != NULL, false);
    DETAIL(c, "%s",
           c->ok ? "mounted" : "not mounted: subjects by cgroup or container match nobody");
    if (!c->ok)
        CURE(c, "boot with systemd.unified_cgroup_hierarchy=1");
}

static void probe_memlock(struct sensor_probe *p)
{
    bool counted = kernel_version(p->release) < KERNEL(5, 11);
    struct rlimit limit = {};
    struct sensor_capability *c;

    // From 5.11 on maps count against the cgroup's memory. Before, libbpf raises the limit, which needs
    // a privilege that is asked for above.
    (void)getrlimit(RLIMIT_MEMLOCK, &limit);
    c = probe_add(p, "memlock", true, false);
    if (!counted)
        DETAIL(c, "maps are counted by cgroup");
    else if (limit.rlim_cur == RLIM_INFINITY)
        DETAIL(c, "unlimited");
    else
        DETAIL(c, "%llu bytes; raised when maps are made", (unsigned long long)limit.rlim_cur);
}

void probe_files(struct sensor_probe *p, const char *root, const char *version)
{
    struct sensor_capability *c;
    char source[128] = "";

    probe_version(p);
    probe_privilege(p, root);
    probe_lsm(p, root);
    probe_lockdown(p, root);
    probe_switches(p, root);
    probe_places(p, root);
    probe_memlock(p);

    p->preemption = preemption_read(root, p->release, version, source, sizeof(source));
    c = probe_add(p, "preemption",
                  p->preemption == SENSOR_PREEMPT_NONE || p->preemption == SENSOR_PREEMPT_VOLUNTARY,
                  false);
    DETAIL(c, "%s (%s)", sensor_preemption_name(p->preemption), source);
    // probe_conclude() adds the cure: only programs that are not on LSM hooks care.
}
