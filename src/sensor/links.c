// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "sensor/capture.h"
#include "sensor/internal.h"
#include "sensor/kernel.h"

// A link is pinned under its program's name; until the change that it belongs to is done with this in front.
#define PENDING '+'

const struct link *links_get(const struct links *l, const char *program)
{
    // Names begin alike, and this is asked for every row of every table: most end in another letter.
    size_t len = strlen(program), last = len ? MIN(len, (size_t)PROGRAM_NAME) - 1 : 0;

    for (size_t i = 0; i < l->n; i++)
        if (l->items[i].program[last] == program[last] && streq(l->items[i].program, program))
            return &l->items[i];
    return NULL;
}

const struct link *links_of(const struct links *l, const struct choice *c)
{
    return *c->program ? links_get(l, c->program) : NULL;
}

void links_free(struct links *l)
{
    for (size_t i = 0; i < l->n; i++)
        (void)bpf_link__destroy(l->items[i].link);
    free(l->items);
    *l = (struct links){};
}

// Takes the link, also on failure. `like` says what else there is to know of it.
static int links_add(struct links *l, const char *program, struct bpf_link *link,
                     const struct link *like)
{
    struct link *one;

    if (!GREEDY(l->items, l->cap, l->n + 1)) {
        (void)bpf_link__destroy(link);
        return -ENOMEM;
    }
    one = &l->items[l->n++];
    *one = *like;
    one->link = link;
    (void)snprintf(one->program, PROGRAM_NAME, "%s", program);
    return 0;
}

static int program_of(struct bpf_link *link, uint32_t *ret_id)
{
    struct bpf_link_info info = {};
    uint32_t len = sizeof(info);

    if (bpf_obj_get_info_by_fd(bpf_link__fd(link), &info, &len) < 0)
        return negative_errno();
    *ret_id = info.prog_id;
    return 0;
}

static void links_drop(struct links *l, size_t i)
{
    (void)bpf_link__destroy(l->items[i].link);
    l->items[i] = l->items[--l->n];
}

static int pin_path(const struct sensor *s, const char *program, bool pending, char *ret_path,
                    size_t size)
{
    int n = snprintf(ret_path, size, "%s/%.*s%s", s->pins.links, pending, &(const char){PENDING},
                     program);

    return n > 0 && (size_t)n < size ? 0 : -ENAMETOOLONG;
}

static int settle_pending(void *ctx, int dir, const struct dirent *entry)
{
    (void)ctx;
    if (entry->d_name[0] != PENDING)
        return 0;
    return renameat(dir, entry->d_name, dir, entry->d_name + 1) < 0 ? -errno : 0;
}

struct adopting {
    struct sensor *s;
    bool stale;
};

static int adopt_entry(void *ctx, int dir, const struct dirent *entry)
{
    const struct adopting *a = ctx;
    struct link like = {.stale = a->stale};
    char path[SENSOR_PATH_MAX];
    struct bpf_link *link;
    int r;

    (void)dir;
    r = pin_path(a->s, entry->d_name, false, path, sizeof(path));
    if (r < 0)
        return r;
    link = bpf_link__open(path);
    r = (int)libbpf_get_error(link);
    if (r < 0)
        return r;
    r = program_of(link, &like.prog_id);
    if (r < 0) {
        (void)bpf_link__destroy(link);
        return r;
    }
    if (!a->stale)
        like.quick = quick_of_program(&a->s->quick, like.prog_id, a->s->typed);
    return links_add(&a->s->links, entry->d_name, link, &like);
}

// What this kernel refused to an earlier agent of this build it would refuse again.
static void take_over_typed(struct sensor *s)
{
    for (size_t i = 0; i < s->links.n && s->typed; i++) {
        if (s->links.items[i].stale || s->links.items[i].quick)
            continue;
        s->typed = false;
        s->quick.inherited = true;
    }
}

int links_adopt(struct sensor *s, bool stale, struct error *err)
{
    struct adopting a = {s, stale};
    int r;

    // A change that was cut off had all its programs attached, and may have put its policy in force: what
    // it attached is kept, the next policy drops what it does not need.
    r = opendir_foreach(AT_FDCWD, s->pins.links, settle_pending, NULL);
    r = r < 0 ? r : opendir_foreach(AT_FDCWD, s->pins.links, adopt_entry, &a);
    if (r < 0)
        return error_set(err, r, "%s: %s", s->pins.links, strerror(-r));
    take_over_typed(s);
    return 0;
}

static int attach_error(struct error *err, int r, const struct bpf_program *program)
{
    (void)error_set(err, r, "program %s cannot be attached to %s: %s", bpf_program__name(program),
                    bpf_program__section_name(program), strerror(-r));
    if (r == -EBUSY || r == -E2BIG)
        error_cure(err,
                   "a hook takes 38 programs, those of systemd and other tools counted: see which "
                   "with 'bpftool link', and stop one");
    else if (r == -EPERM)
        error_cure(err, "run it as root; see 'safeguard doctor' for lockdown");
    return r;
}

// Programs of cgroups are attached to the root of them all, and hold for every one.
static struct bpf_link *attach_program(const struct bpf_program *program)
{
    _cleanup_close_ int fd = -1;
    const char *root;

    if (!str_startswith(bpf_program__section_name(program), "cgroup/"))
        return bpf_program__attach(program);
    root = guard_cgroup_root();
    fd = root ? open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    return bpf_program__attach_cgroup(program, fd);
}

static int attach_one(struct sensor *s, const struct bpf_program *program, struct links *added,
                      struct error *err)
{
    const char *name = bpf_program__name(program);
    struct link like = {.quick = s->typed};
    struct bpf_link *link;
    char path[SENSOR_PATH_MAX];
    int r;

    link = attach_program(program);
    r = (int)libbpf_get_error(link);
    if (r < 0)
        return attach_error(err, r, program);
    r = pin_path(s, name, true, path, sizeof(path));
    if (r == 0)
        r = bpf_link__pin(link, path);
    if (r < 0) {
        (void)bpf_link__destroy(link);
        return error_set(err, r, "%s cannot be pinned: %s", path, strerror(-r));
    }
    r = program_of(link, &like.prog_id);
    if (r < 0)
        (void)bpf_link__destroy(link);
    else
        r = links_add(added, name, link, &like);
    if (r < 0) {
        (void)unlink(path);
        return error_set(err, r, "program %s: %s", name, strerror(-r));
    }
    return 0;
}

static int load(struct quick *quick, struct bpf_object *object, struct error *err)
{
    struct capture log;
    int r;

    capture_begin(&log);
    r = bpf_object__load(object);
    if (r < 0) {
        r = kernel_load_error(err, "the programs", r);
        capture_explain(&log, SENSOR_FAILURES, err);
        if (r == -ENOMEM)
            error_cure(err, "%s", SENSOR_MEMORY_CURE);
        capture_said(&log, quick->said, sizeof(quick->said));
    }
    capture_end(&log);
    return r;
}

static int open_wanted(struct sensor *s, const struct names *missing, bool typed,
                       struct bpf_object **ret, struct error *err)
{
    struct bpf_object *object = NULL;
    struct bpf_program *program;
    int r;

    r = object_open(s, typed, &object, err);
    if (r < 0)
        return r;
    bpf_object__for_each_program(program, object)(void)
        bpf_program__set_autoload(program, names_has(missing, bpf_program__name(program)));
    r = load(&s->quick, object, err);
    if (r < 0) {
        bpf_object__close(object);
        return r;
    }
    *ret = object;
    return 0;
}

static int attach_all(struct sensor *s, struct bpf_object *object, const struct names *missing,
                      struct links *added, struct error *err)
{
    // In the order of the list: what others rely on (lineage) is last there and attached first.
    for (size_t i = missing->n; i-- > 0;) {
        const struct bpf_program *program = bpf_object__find_program_by_name(object,
                                                                             missing->items[i]);
        int r = program ? attach_one(s, program, added, err)
                        : error_set(err, -ENOENT, "no program %s", missing->items[i]);

        if (r < 0)
            return r;
    }
    return 0;
}

int links_prepare(struct sensor *s, const struct names *wanted, struct links *ret_added,
                  struct error *err)
{
    struct bpf_object *object = NULL;
    struct names missing = {};
    struct links added = {};
    struct capture quiet;
    int r;

    for (size_t i = 0; i < wanted->n; i++) {
        const struct link *have = links_get(&s->links, wanted->items[i]);

        if (!have || have->stale)
            missing.items[missing.n++] = wanted->items[i];
    }
    if (missing.n == 0)
        return 0;
    // Room for them now: links_commit() must not fail for want of memory.
    if (!GREEDY(s->links.items, s->links.cap, s->links.n + missing.n))
        return error_set(err, -ENOMEM, "out of memory");
    r = open_wanted(s, &missing, s->typed, &object, err);
    if (r == -EACCES || r == -EINVAL) {
        // What verifiers believe of walked pointers differs also between builds of one version.
        struct error other = {};

        if (open_wanted(s, &missing, !s->typed, &object, &other) == 0) {
            s->quick.refused = s->typed;
            s->typed = !s->typed;
            error_reset(err);
            r = 0;
        }
    }
    if (r < 0)
        return r;
    capture_begin(&quiet);
    r = attach_all(s, object, &missing, &added, err);
    capture_end(&quiet);
    bpf_object__close(object);
    if (r < 0) {
        links_rollback(s, &added);
        return r;
    }
    *ret_added = added;
    return 0;
}

void links_rollback(struct sensor *s, struct links *added)
{
    char path[SENSOR_PATH_MAX];

    for (size_t i = 0; i < added->n; i++)
        if (pin_path(s, added->items[i].program, true, path, sizeof(path)) == 0)
            (void)unlink(path);
    links_free(added);
}

static int settle(struct sensor *s, struct link *link)
{
    char from[SENSOR_PATH_MAX], to[SENSOR_PATH_MAX];
    int r;

    r = pin_path(s, link->program, true, from, sizeof(from));
    r = r < 0 ? r : pin_path(s, link->program, false, to, sizeof(to));
    if (r < 0)
        return r;
    return rename(from, to) < 0 ? -errno : 0;
}

int links_commit(struct sensor *s, const struct names *wanted, struct links *added,
                 struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < added->n; i++) {
        const struct link *old = links_get(&s->links, added->items[i].program);

        added->items[i].pending = true;
        if (old)
            links_drop(&s->links, (size_t)(old - s->links.items));
        s->links.items[s->links.n++] = added->items[i];
    }
    free(added->items);
    *added = (struct links){};
    // Attached and pinned they are either way; under which name matters to the next agent only.
    for (size_t i = 0; i < s->links.n; i++) {
        struct link *link = &s->links.items[i];
        int k = link->pending ? settle(s, link) : 0;

        link->pending = k < 0;
        if (k < 0 && r == 0)
            r = error_set(err, k, "pin of program %s: %s", link->program, strerror(-k));
    }
    for (size_t i = s->links.n; i-- > 0;) {
        char path[SENSOR_PATH_MAX];

        if (names_has(wanted, s->links.items[i].program))
            continue;
        if (pin_path(s, s->links.items[i].program, s->links.items[i].pending, path, sizeof(path)) ==
                0 &&
            unlink(path) < 0 && errno != ENOENT) {
            // What stays pinned stays attached.
            if (r == 0)
                r = error_set(err, -errno, "%s cannot be removed: %m", path);
            continue;
        }
        links_drop(&s->links, i);
    }
    return r;
}
