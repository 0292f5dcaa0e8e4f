// SPDX-License-Identifier: Apache-2.0
#include "sensor/probe.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/macro.h"
#include "sensor/capture.h"
#include "sensor/kernel.h"

#define DETAIL(c, ...) (void)snprintf((c)->detail, sizeof((c)->detail), __VA_ARGS__)
#define CURE(c, ...)   (void)snprintf((c)->cure, sizeof((c)->cure), __VA_ARGS__)

struct sensor_capability *probe_add(struct sensor_probe *p, const char *id, bool ok, bool required)
{
    struct sensor_capability *c = &p->capabilities[p->n_capabilities];

    if (p->n_capabilities < SENSOR_CAPABILITIES_MAX - 1)
        p->n_capabilities++;
    *c = (struct sensor_capability){.id = id, .ok = ok, .required = required};
    return c;
}

const struct sensor_capability *probe_get(const struct sensor_probe *p, const char *id)
{
    for (size_t i = 0; i < p->n_capabilities; i++)
        if (streq(p->capabilities[i].id, id))
            return &p->capabilities[i];
    return NULL;
}

static bool probe_ok(const struct sensor_probe *p, const char *id)
{
    const struct sensor_capability *c = probe_get(p, id);

    return c && c->ok;
}

// It was tried and did not work.
static bool refused(const struct sensor_probe *p, const char *id)
{
    const struct sensor_capability *c = probe_get(p, id);

    return c && !c->ok;
}

void probe_btf(struct sensor_probe *p, const struct btf *btf, int error)
{
    struct sensor_capability *c;

    c = probe_add(p, "btf", btf != NULL, true);
    if (btf) {
        DETAIL(c, "the kernel describes its types");
    } else {
        DETAIL(c, KERNEL_BTF " cannot be read: %s", strerror(-error));
        CURE(c, "%s", kernel_btf_cure(error));
    }

    c = probe_add(p, "bpf-lsm-hooks", btf && kernel_target_args(btf, "lsm/file_open") > 0, false);
    DETAIL(c, "%s", c->ok ? "in this kernel" : "this kernel has no hooks for programs");
    if (!c->ok)
        CURE(c, "a kernel with CONFIG_BPF_LSM=y");

    c = probe_add(p, "fmod-ret", btf && kernel_target_args(btf, "fmod_ret/security_file_open") > 0,
                  false);
    DETAIL(c, "%s",
           c->ok ? "security_* functions can be changed"
                 : "security_file_open is not in this kernel");
    if (!c->ok)
        CURE(c, "a kernel with CONFIG_SECURITY=y and CONFIG_DEBUG_INFO_BTF=y");
}

static const struct {
    const char *id;
    enum bpf_map_type type;
    const char *what, *without;
    bool required;
} map_kinds[] = {
    {"ringbuf", BPF_MAP_TYPE_RINGBUF, "ring buffers", "no records", true},
    {"inode-storage", BPF_MAP_TYPE_INODE_STORAGE, "storage with inodes",
     "programs on LSM hooks cannot keep what they know of a file", false},
    {"task-storage", BPF_MAP_TYPE_TASK_STORAGE, "storage with tasks",
     "a table by thread number serves instead", false},
};

void probe_maps(struct sensor_probe *p)
{
    for (size_t i = 0; i < ARRAY_SIZE(map_kinds); i++) {
        int r = libbpf_probe_bpf_map_type(map_kinds[i].type, NULL);
        struct sensor_capability *c = probe_add(p, map_kinds[i].id, r == 1, map_kinds[i].required);

        if (r == 1) {
            DETAIL(c, "%s", map_kinds[i].what);
            continue;
        }
        DETAIL(c, "the kernel makes no %s: %s", map_kinds[i].what, map_kinds[i].without);
        if (!probe_ok(p, "privilege"))
            CURE(c, "run it as root to find out");
        else if (map_kinds[i].type == BPF_MAP_TYPE_INODE_STORAGE && !probe_ok(p, "bpf-lsm"))
            CURE(c, "the same as for bpf-lsm");
        else if (map_kinds[i].type != BPF_MAP_TYPE_TASK_STORAGE)
            CURE(c, "a kernel of version 5.10 or later with CONFIG_BPF_LSM=y");
    }
}

static void preemption_cure(struct sensor_probe *p)
{
    for (size_t i = 0; i < p->n_capabilities; i++) {
        struct sensor_capability *c = &p->capabilities[i];

        if (!streq(c->id, "preemption") || c->ok)
            continue;
        if (p->attach == SENSOR_ATTACH_LSM) {
            // Programs on LSM hooks run for every task on every model.
            c->ok = true;
            continue;
        }
        CURE(
            c,
            "make bpf an active security module (see bpf-lsm); or preempt=voluntary on the kernel's "
            "command line, where the kernel still offers it");
    }
}

void probe_conclude(struct sensor_probe *p)
{
    bool required = true;

    for (size_t i = 0; i < p->n_capabilities; i++)
        required = required && (p->capabilities[i].ok || !p->capabilities[i].required);
    p->attach = SENSOR_ATTACH_NONE;
    if (probe_ok(p, "bpf-lsm") && probe_ok(p, "bpf-lsm-hooks") && probe_ok(p, "inode-storage") &&
        !refused(p, "try-lsm"))
        p->attach = SENSOR_ATTACH_LSM;
    else if (probe_ok(p, "fmod-ret") && !refused(p, "try-fmod-ret"))
        p->attach = SENSOR_ATTACH_FMOD_RET;
    p->can_record = required && p->attach != SENSOR_ATTACH_NONE;
    p->can_enforce = p->can_record && (p->attach == SENSOR_ATTACH_LSM || probe_ok(p, "preemption"));
    preemption_cure(p);
}

int sensor_probe(struct sensor_probe *ret)
{
    struct sensor_probe p = {};
    struct capture quiet;
    struct utsname u;
    struct btf *btf = NULL;
    int r;

    if (uname(&u) < 0)
        return -errno;
    (void)snprintf(p.release, sizeof(p.release), "%s", u.release);
    (void)snprintf(p.machine, sizeof(p.machine), "%s", u.machine);
    capture_begin(&quiet);
    probe_files(&p, "", u.version);
    r = kernel_btf(&btf);
    probe_btf(&p, btf, r);
    probe_maps(&p);
    probe_try(&p, btf);
    btf__free(btf);
    capture_end(&quiet);
    probe_conclude(&p);
    *ret = p;
    return 0;
}
