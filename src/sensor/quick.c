// SPDX-License-Identifier: Apache-2.0
//
// Quick decisions (bpf/lib/quick) rest on what a kernel's verifier believes of pointers, which differs between versions
// and builds. Programs that find directories with their inodes are tried first, where a kernel should take them; where they are
// refused the same programs are loaded with a table of directories instead. What became of that is told here.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "sensor/capture.h"
#include "sensor/internal.h"
#include "sensor/probe.h"

_Static_assert(SG_DEAD_DIRS == 4096, "as SENSOR_QUICK_COST says");

#define PROGRAM_MAPS_MAX 64
#define CONSTANTS_MAX    (64u << 10)

// The constants of a program are a map that is frozen. 1, 0: what the word holds; negative: that is not known.
static int read_word(const struct quick *q, uint32_t map_id)
{
    _cleanup_close_ int fd = bpf_map_get_fd_by_id(map_id);
    _cleanup_free_ uint8_t *value = NULL;
    struct bpf_map_info info = {};
    uint32_t len = sizeof(info), first = 0;

    if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
        return -errno;
    if (!strstr(info.name, ".rodata"))
        return -ENOENT;
    if (info.type != BPF_MAP_TYPE_ARRAY || info.value_size > CONSTANTS_MAX ||
        q->at >= info.value_size)
        return -EBADMSG;
    value = mallocz(info.value_size);
    if (!value)
        return -ENOMEM;
    return bpf_map_lookup_elem(fd, &first, value) < 0 ? -errno : value[q->at] != 0;
}

bool quick_of_program(const struct quick *q, uint32_t prog_id, bool unknown)
{
    _cleanup_close_ int fd = bpf_prog_get_fd_by_id(prog_id);
    uint32_t maps[PROGRAM_MAPS_MAX], len;
    struct bpf_prog_info info = {.map_ids = (uintptr_t)maps, .nr_map_ids = PROGRAM_MAPS_MAX};

    len = sizeof(info);
    if (q->size != 1 || fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
        return unknown;
    for (uint32_t i = 0; i < MIN(info.nr_map_ids, (uint32_t)PROGRAM_MAPS_MAX); i++) {
        int r = read_word(q, maps[i]);

        if (r >= 0)
            return r;
    }
    return unknown;
}

static bool all_quick(const struct links *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (!l->items[i].quick)
            return false;
    return true;
}

static void give_reason(const struct quick *q, struct sensor_quick *ret)
{
    if (!q->refused && !q->inherited)
        return;
    ret->refused = true;
    (void)snprintf(ret->log, sizeof(ret->log), "%s", SENSOR_FAILURES);
    (void)snprintf(ret->reason, sizeof(ret->reason), "the kernel refused %s%s%s",
                   q->refused ? "the programs that have them"
                              : "an earlier agent the programs that have them",
                   q->refused && *q->said ? ": " : "", q->refused ? q->said : "");
    (void)snprintf(ret->cure, sizeof(ret->cure),
                   "send %s to the makers of safeguard, with the kernel's version", ret->log);
}

void quick_describe(const struct sensor *s, struct sensor_quick *ret)
{
    // Kernels that are known not to take them have the table by choice: there is nothing to be done, and little lost.
    struct sensor_quick quick = {.on = s->attach == SENSOR_ATTACH_LSM &&
                                       (!s->choices.typed || (s->typed && all_quick(&s->links)))};

    if (s->attach != SENSOR_ATTACH_LSM) {
        (void)snprintf(quick.reason, sizeof(quick.reason),
                       "only programs on hooks of the security module interface have all of them");
        (void)snprintf(quick.cure, sizeof(quick.cure),
                       "make bpf an active security module, see 'safeguard doctor'");
    } else if (!quick.on) {
        give_reason(&s->quick, &quick);
    }
    *ret = quick;
}

// The program for opens, as links_prepare() would load it first.
static int try_open_program(struct sensor *s, struct error *err)
{
    const char *name = s->choices.hooks[SG_HOOK_file_open - 1].program;
    struct bpf_object *object = NULL;
    struct bpf_program *program;
    struct capture log;
    int r;

    r = object_open(s, s->typed, &object, err);
    if (r < 0)
        return r;
    program = bpf_object__find_program_by_name(object, name);
    r = program ? bpf_program__set_autoload(program, true)
                : error_set(err, -ENOENT, "%s", s->choices.hooks[SG_HOOK_file_open - 1].reason);
    if (r == 0) {
        capture_begin(&log);
        r = bpf_object__load(object);
        if (r < 0) {
            (void)error_set(err, r, "the kernel refused it: %s", strerror(-r));
            capture_said(&log, s->quick.said, sizeof(s->quick.said));
        }
        capture_end(&log);
    }
    bpf_object__close(object);
    return r;
}

static int try_quick(const struct sensor_probe *p, struct sensor_quick *ret, struct error *err)
{
    _cleanup_free_ struct sensor *s = new0(struct sensor, 1);
    int r;

    if (!s)
        return error_set(err, -ENOMEM, "out of memory");
    s->probe = *p;
    s->attach = p->attach;
    s->enforcing = p->can_enforce;
    s->ring_bytes = 1;
    r = sensor_study(s, err);
    if (r == 0 && s->attach == SENSOR_ATTACH_LSM && s->typed) {
        r = try_open_program(s, err);
        if (r == -EACCES || r == -EINVAL) {
            s->quick.refused = true;
            s->typed = false;
            r = 0;
        }
    }
    if (r == 0)
        quick_describe(s, ret);
    return r;
}

void sensor_probe_quick(struct sensor_probe *p)
{
    const struct sensor_capability *privilege = probe_get(p, "privilege");
    struct sensor_capability *c;
    struct sensor_quick quick = {};
    struct error err = {};
    int r;

    // Without these nothing can be tried, and there are rows about that.
    if (!privilege || !privilege->ok || !p->can_record)
        return;
    r = try_quick(p, &quick, &err);
    c = probe_add(p, "quick-decisions", r == 0 && quick.on, false);
    if (c->ok) {
        (void)snprintf(c->detail, sizeof(c->detail),
                       "the program for opens that has them was loaded, and let go");
    } else if (r < 0) {
        (void)snprintf(c->detail, sizeof(c->detail), "%.390s", err.what);
        (void)snprintf(c->cure, sizeof(c->cure), "%.250s", err.cure);
    } else {
        (void)snprintf(c->detail, sizeof(c->detail), "%.280s; %s", quick.reason, SENSOR_QUICK_COST);
        (void)snprintf(c->cure, sizeof(c->cure), "%s", quick.cure);
    }
}
