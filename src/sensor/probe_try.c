// SPDX-License-Identifier: Apache-2.0
//
// What the kernel says when it is asked to do what the sensor will ask of it. What files say is not enough: a
// sandbox, a container or another security module may refuse what the kernel could do. Leaves nothing behind.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "sensor/internal.h"
#include "sensor/kernel.h"
#include "sensor/probe.h"

#define DETAIL(c, ...) (void)snprintf((c)->detail, sizeof((c)->detail), __VA_ARGS__)
#define CURE(c, ...)   (void)snprintf((c)->cure, sizeof((c)->cure), __VA_ARGS__)

#define BPFFS   "/sys/fs/bpf"
#define HOST_NS "/proc/1/ns/mnt"
#define NOT_BOXED \
    "run it on the host itself: a container, a sandbox or a security module refuses this"

// One kind of program that the sensor attaches.
static const struct {
    const char *id, *section, *what;
    enum bpf_prog_type type;
    enum bpf_attach_type attach;
    bool required;
} kinds[] = {
    {"try-lsm", "lsm/file_open", "hooks of security modules", BPF_PROG_TYPE_LSM, BPF_LSM_MAC,
     false},
    {"try-fmod-ret", "fmod_ret/security_file_open", "security_* functions", BPF_PROG_TYPE_TRACING,
     BPF_MODIFY_RETURN, false},
    {"try-tracing", "tp_btf/sched_process_exit", "the lives of processes", BPF_PROG_TYPE_TRACING,
     BPF_TRACE_RAW_TP, true},
};

// Loads a program that does nothing and attaches it for a moment. 0 or a negative errno; *ret_step says at
// what it failed.
static int try_kind(size_t i, const struct btf *btf, const char **ret_step)
{
    const struct bpf_insn nothing[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
        {.code = BPF_JMP | BPF_EXIT},
    };
    LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = kinds[i].attach);
    _cleanup_close_ int program = -1, link = -1;
    int id = kernel_target_id(btf, kinds[i].section);

    *ret_step = "is not in this kernel";
    if (id < 0)
        return id;
    opts.attach_btf_id = (uint32_t)id;
    *ret_step = "a program is not loaded";
    program = bpf_prog_load(kinds[i].type, "sg_probe", "GPL", nothing, ARRAY_SIZE(nothing), &opts);
    if (program < 0)
        return -errno;
    *ret_step = "a program is loaded, but not attached";
    link = bpf_raw_tracepoint_open(NULL, program);
    return link < 0 ? -errno : 0;
}

static void try_programs(struct sensor_probe *p, const struct btf *btf)
{
    const struct sensor_capability *ftrace = probe_get(p, "ftrace");

    // Taking off the last program while ftrace is switched off ends ftrace in the kernel until the next boot.
    // Without the kernel's types there is a row that says so.
    if (!btf || (ftrace && !ftrace->ok))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        const char *step;
        int r = try_kind(i, btf, &step);
        struct sensor_capability *c = probe_add(p, kinds[i].id, r == 0, kinds[i].required);

        if (r == 0) {
            DETAIL(c, "a program on %s was attached, and taken off again", kinds[i].what);
            continue;
        }
        DETAIL(c, "%s (%s): %s: %s", strchr(kinds[i].section, '/') + 1, kinds[i].what, step,
               strerror(-r));
        if (r == -ENOMEM)
            CURE(c, "%s", SENSOR_MEMORY_CURE);
        else if (r == -ENOENT)
            CURE(c, "a kernel with CONFIG_BPF_LSM=y and CONFIG_DEBUG_INFO_BTF=y");
        else if (r == -EBUSY || r == -E2BIG)
            CURE(c, "other programs use up the places of this function: see 'bpftool link'");
        else
            CURE(c, NOT_BOXED);
    }
}

// All maps of this build at their real sizes, except for the rings.
static void try_maps(struct sensor_probe *p)
{
    struct error err = {};
    int r = maps_try(p, &err);
    struct sensor_capability *c = probe_add(p, "try-maps", r == 0, true);

    if (r == 0) {
        DETAIL(c, "all maps were made, and removed again");
        return;
    }
    DETAIL(c, "%.180s", err.what);
    CURE(c, "%.250s", r == -ENOMEM ? SENSOR_MEMORY_CURE : *err.cure ? err.cure : NOT_BOXED);
}

static void try_host(struct sensor_probe *p)
{
    struct sensor_capability *c;
    struct stat st;
    int r = stat(HOST_NS, &st) < 0 ? -errno : 0;

    c = probe_add(p, "host", r == 0, true);
    if (r == 0) {
        DETAIL(c, "the host's mount namespace can be told (%s)", HOST_NS);
        return;
    }
    DETAIL(c, "the host's mount namespace cannot be told: %s: %s", HOST_NS, strerror(-r));
    CURE(c, NOT_BOXED " (it takes CAP_SYS_PTRACE)");
}

// A bpf file system that is mounted nowhere, by the new mount interface (5.2).
static int try_new_bpffs(void)
{
    _cleanup_close_ int context = (int)syscall(SYS_fsopen, "bpf", FSOPEN_CLOEXEC), mounted = -1;

    if (context < 0)
        return -errno;
    if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -errno;
    mounted = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
    return mounted < 0 ? -errno : 0;
}

static void try_bpffs(struct sensor_probe *p)
{
    struct sensor_capability *c;
    struct statfs fs;
    bool mounted;
    int r;

    mounted = statfs(BPFFS, &fs) == 0 && fs.f_type == BPF_FS_MAGIC;
    if (mounted)
        r = access(BPFFS, W_OK | X_OK) < 0 ? -errno : 0;
    else
        r = access(BPFFS, F_OK) < 0 ? -errno : try_new_bpffs();
    c = probe_add(p, "bpffs", r == 0, true);
    if (r == 0) {
        DETAIL(c, "%s", mounted ? BPFFS : "not mounted at " BPFFS " yet; the agent can mount it");
        return;
    }
    DETAIL(c, "%s: %s", mounted ? BPFFS " cannot be written to" : BPFFS " cannot be mounted",
           strerror(-r));
    CURE(c, "%s",
         mounted        ? "mount -o remount,rw " BPFFS
         : r == -ENODEV ? "a kernel with CONFIG_BPF_SYSCALL=y"
         : r == -ENOENT ? "mount -t sysfs sysfs /sys"
                        : NOT_BOXED);
}

void probe_try(struct sensor_probe *p, const struct btf *btf)
{
    const struct sensor_capability *privilege = probe_get(p, "privilege");

    if (!privilege || !privilege->ok)
        return;
    try_host(p);
    try_bpffs(p);
    try_programs(p, btf);
    try_maps(p);
}
