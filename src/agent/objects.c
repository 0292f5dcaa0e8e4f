// SPDX-License-Identifier: Apache-2.0
#include "agent/objects.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/mounts.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/generation.h"
#include "base/sort.h"
#include "base/strutil.h"
#include "base/table.h"

#define DEPTH_MAX 128
#define KNOWN_MAX ((size_t)16 << 20) // bytes of paths that are kept

struct walk {
    const struct policy_image *image;
    const struct policy_mounts *mounts;
    const struct objects_limits *limits;
    uint64_t deadline;  // CLOCK_MONOTONIC; UINT64_MAX: none
    struct statx skip;  // stx_mask 0: nothing
    struct strbuf path; // of the directory at hand, "" for the root
    struct map *found;  // paths of pins
    struct objects *o;
};

// File systems without files of anybody, and those that may not answer.
static const char *const skipped[] = {
    "proc",    "sysfs",  "cgroup",     "cgroup2", "bpf",      "devpts", "debugfs",
    "tracefs", "mqueue", "securityfs", "pstore",  "configfs", "autofs", "binfmt_misc",
    "nfs",     "nfs4",   "cifs",       "smb3",    "9p",       "ceph",   "afs",
};

static const struct sg_state *state_at(const struct policy_image *image, uint32_t state)
{
    const struct sg_image *h = policy_image_head(image);

    return (const struct sg_state *)((const char *)image->mem + h->states_off) + state;
}

// Is anything denied strictly beneath a path in this state?
static bool denied_beneath(const struct policy_image *image, uint32_t state)
{
    const struct sg_image *h = policy_image_head(image);
    const struct sg_accept *accepts = (const struct sg_accept *)((const char *)image->mem +
                                                                 h->accepts_off);

    return accepts[state_at(image, state)->accept].below != 0;
}

// The type of a mount's file system, "" when the mount is not known.
static const char *type_of(const struct walk *w, uint64_t mount_id)
{
    for (size_t i = 0; i < w->mounts->n; i++)
        if (w->mounts->items[i].id == mount_id)
            return w->mounts->items[i].fstype;
    return "";
}

static bool skip_mount(const struct walk *w, uint64_t mount_id)
{
    const char *fstype = type_of(w, mount_id);

    for (size_t k = 0; k < ARRAY_SIZE(skipped); k++)
        if (streq(fstype, skipped[k]))
            return true;
    return str_startswith(fstype, "fuse") != NULL;
}

// `name` leads to it from dirfd, `path` from the root.
static int add_pin(struct walk *w, int dirfd, const char *name, const char *path,
                   const struct statx *stx, uint32_t state)
{
    uint32_t dev = mounts_dev(w->mounts, (uint32_t)stx->stx_mnt_id);
    const char *fstype = type_of(w, stx->stx_mnt_id);
    struct objects *o = w->o;
    int r;

    if (!(stx->stx_mask & STATX_MNT_ID) || dev == 0)
        return 0;
    r = map_put_str(w->found, path, o);
    if (r < 0)
        return r == -EEXIST ? 0 : r;
    if (o->n >= OBJECTS_PINS_MAX || o->paths.len + strlen(path) >= KNOWN_MAX) {
        o->incomplete = "there are more files with several names than can be remembered";
        return -ECANCELED;
    }
    if (!GREEDY(o->pins, o->cap, o->n + 1))
        return -ENOMEM;
    sb_add(&o->paths, path, strlen(path) + 1);
    if (o->paths.failed)
        return -ENOMEM;
    o->pins[o->n++] = (struct sensor_object){
        .dev = dev,
        .ino = stx->stx_ino,
        .state = state,
        .generation = file_generation(dirfd, name, fstype, stx->stx_ino),
    };
    return 0;
}

static int look(int dirfd, const char *name, struct statx *ret)
{
    return statx(dirfd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
                 STATX_BASIC_STATS | STATX_MNT_ID, ret) < 0
               ? negative_errno()
               : 0;
}

// A file that some rule is about and that has another name.
static bool matters(const struct walk *w, const struct statx *stx, uint32_t state)
{
    return !S_ISDIR(stx->stx_mode) && stx->stx_nlink > 1 && state_at(w->image, state)->ops != 0;
}

static bool is_skipped(const struct walk *w, const struct statx *stx)
{
    return w->skip.stx_mask && w->skip.stx_ino == stx->stx_ino &&
           w->skip.stx_dev_major == stx->stx_dev_major &&
           w->skip.stx_dev_minor == stx->stx_dev_minor;
}

static int walk_dir(struct walk *w, int parent, const char *name, uint32_t state, int depth);

// One entry of a directory; `children` is the state behind the directory's '/'.
static int visit(struct walk *w, int dirfd, const char *name, uint32_t children, int depth)
{
    size_t len = w->path.len;
    struct statx stx;
    uint32_t state;
    int r = 0;

    state = policy_image_walk(w->image, children, name, strlen(name));
    if (state == 0 || look(dirfd, name, &stx) < 0)
        return 0;
    sb_putc(&w->path, '/');
    sb_puts(&w->path, name);
    if (w->path.failed)
        return -ENOMEM;
    if (matters(w, &stx, state)) {
        r = add_pin(w, dirfd, name, w->path.s, &stx, state);
    } else if (S_ISDIR(stx.stx_mode) && denied_beneath(w->image, state) &&
               !skip_mount(w, stx.stx_mnt_id) && !is_skipped(w, &stx)) {
        if (depth < DEPTH_MAX)
            r = walk_dir(w, dirfd, name, state, depth + 1);
        else
            w->o->incomplete = "directories nest deeper than is looked at";
    }
    sb_truncate(&w->path, len);
    return r;
}

static int over(struct walk *w)
{
    if (++w->o->seen >= OBJECTS_ENTRIES_MAX) {
        w->o->incomplete = "the rules reach too many files to look at all of them";
        return -ECANCELED;
    }
    if (w->o->seen % 256 != 0)
        return 0;
    if (now_ns(CLOCK_MONOTONIC) >= w->deadline) {
        w->o->incomplete = "it took too long";
        return -ECANCELED;
    }
    return w->limits->stop && w->limits->stop(w->limits->ctx) ? -ECANCELED : 0;
}

static int walk_dir(struct walk *w, int parent, const char *name, uint32_t state, int depth)
{
    uint32_t children = policy_image_walk(w->image, state, "/", 1);
    _cleanup_closedir_ DIR *dir = NULL;
    const struct dirent *entry;
    int fd, r = 0;

    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        // A policy that is in force already may not let us, either.
        if (errno != ENOENT)
            w->o->refused++;
        return 0;
    }
    dir = fdopendir(fd);
    if (!dir) {
        (void)safe_close(fd);
        return -ENOMEM;
    }
    while (r == 0 && (errno = 0, (entry = readdir(dir)))) {
        if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
            continue;
        r = over(w);
        r = r < 0 ? r : visit(w, fd, entry->d_name, children, depth);
    }
    // Gone meanwhile (-ENOENT) is not an error of the file system's.
    if (r == 0 && errno != 0 && errno != ENOENT)
        w->o->incomplete = "a directory could not be read to its end";
    return r;
}

// A name that was found by an earlier look. Somebody may have put a symlink into its way since: what that leads to is
// no object of the rule's.
static int recheck_one(struct walk *w, const char *path, uint32_t state)
{
    const char *name = strrchr(path, '/');
    _cleanup_free_ char *parent = NULL;
    _cleanup_close_ int dirfd = -1;
    struct statx stx;

    if (!name || name[1] == '\0')
        return 0;
    parent = xstrndup(path, MAX((size_t)(name - path), (size_t)1));
    if (!parent)
        return -ENOMEM;
    name++;
    if (open_nofollow(AT_FDCWD, parent, O_PATH | O_DIRECTORY, 0, &dirfd) < 0 ||
        look(dirfd, name, &stx) < 0 || !matters(w, &stx, state))
        return 0;
    return add_pin(w, dirfd, name, path, &stx, state);
}

// What was found by an earlier look, by its name: its directory may be closed to us by now.
static int recheck(struct walk *w, const struct strbuf *known)
{
    int r = 0;

    for (size_t at = 0; r == 0 && known && at < known->len;) {
        const char *path = known->s + at;
        uint32_t state;

        at += strlen(path) + 1;
        state = policy_image_walk(w->image, w->image->start, path, strlen(path));
        if (state != 0)
            r = recheck_one(w, path, state);
    }
    return r;
}

int objects_find(const struct policy_image *image, const struct policy_mounts *mounts,
                 const struct strbuf *known, const struct objects_limits *limits, struct objects *o)
{
    struct walk w = {.image = image, .mounts = mounts, .limits = limits, .o = o};
    int r;

    *o = (struct objects){};
    r = map_new(MAP_STR, 0, NULL, &w.found);
    if (r < 0)
        return r;
    w.deadline = limits->max_ns ? now_ns(CLOCK_MONOTONIC) + limits->max_ns : UINT64_MAX;
    if (limits->skip && look(AT_FDCWD, limits->skip, &w.skip) < 0)
        w.skip.stx_mask = 0;
    if (denied_beneath(image, image->start))
        r = walk_dir(&w, AT_FDCWD, "/", image->start, 0);
    if (o->refused && !o->incomplete)
        o->incomplete = "there are directories that the agent may not read";
    if (r == 0 || r == -ECANCELED)
        r = recheck(&w, known);
    sb_done(&w.path);
    map_free(w.found);
    if (r < 0 && r != -ECANCELED)
        o->incomplete = "there was no memory to look for all of them";
    return r == -ECANCELED ? 0 : r;
}

void objects_done(struct objects *o)
{
    free(o->pins);
    sb_done(&o->paths);
    *o = (struct objects){};
}

struct object_name {
    uint32_t dev;
    uint64_t ino;
    size_t path; // offset in object_names.paths
};

static int compare_names(const void *x, const void *y)
{
    const struct object_name *a = x, *b = y;

    if (a->dev != b->dev)
        return a->dev < b->dev ? -1 : 1;
    if (a->ino != b->ino)
        return a->ino < b->ino ? -1 : 1;
    return a->path < b->path ? -1 : a->path > b->path;
}

struct name_list {
    unsigned refs;
    struct object_name *items; // sorted
    size_t n;
    struct strbuf paths;
};

int object_names_set(struct object_names *names, const struct objects *found)
{
    struct object_names new = {};
    struct name_list *l;
    size_t at = 0;

    if (found->n == 0) {
        object_names_done(names);
        return 0;
    }
    new.list = l = new0(struct name_list, 1);
    if (!l)
        return -ENOMEM;
    l->refs = 1;
    l->items = mallocz_array(found->n, sizeof(*l->items));
    sb_add(&l->paths, sb_str(&found->paths), found->paths.len);
    if (!l->items || l->paths.failed) {
        object_names_done(&new);
        return -ENOMEM;
    }
    for (; l->n < found->n; l->n++) {
        const struct sensor_object *p = &found->pins[l->n];

        l->items[l->n] = (struct object_name){.dev = p->dev, .ino = p->ino, .path = at};
        at += strlen(l->paths.s + at) + 1;
    }
    if (l->n > 1)
        qsort(l->items, l->n, sizeof(*l->items), compare_names);
    object_names_done(names);
    *names = new;
    return 0;
}

// The first item of the object, or of the one behind it.
static size_t first_of(const struct name_list *l, uint32_t dev, uint64_t ino)
{
    const struct object_name *items = l->items;

    return LOWER_BOUND(l->n, i, items[i].dev < dev || (items[i].dev == dev && items[i].ino < ino));
}

const char *object_names_next(const struct object_names *names, uint32_t dev, uint64_t ino,
                              size_t *at)
{
    const struct name_list *l = names->list;
    const struct object_name *name;
    size_t i;

    if (!l)
        return NULL;
    i = first_of(l, dev, ino) + *at;
    name = i < l->n ? &l->items[i] : NULL;
    if (!name || name->dev != dev || name->ino != ino)
        return NULL;
    *at += 1;
    return l->paths.s + name->path;
}

const char *object_names_find(const struct object_names *names, uint32_t dev, uint64_t ino,
                              const char *used, size_t used_len)
{
    const char *first = NULL, *path;
    size_t at = 0;

    while ((path = object_names_next(names, dev, ino, &at))) {
        if (strlen(path) == used_len && memcmp(path, used, used_len) == 0)
            return NULL;
        if (!first)
            first = path;
    }
    return first;
}

struct object_names object_names_share(const struct object_names *names)
{
    if (names->list)
        names->list->refs++;
    return *names;
}

void object_names_done(struct object_names *names)
{
    struct name_list *l = TAKE_PTR(names->list);

    if (!l || --l->refs > 0)
        return;
    free(l->items);
    sb_done(&l->paths);
    free(l);
}

int objects_save(const struct objects *o, const char *path)
{
    return write_file_atomic(AT_FDCWD, path, sb_str(&o->paths), o->paths.len, 0600);
}

int objects_load(const char *path, struct strbuf *ret_known)
{
    _cleanup_free_ char *text = NULL;
    size_t len;
    int r;

    r = read_file_bounded(AT_FDCWD, path, KNOWN_MAX, &text, &len);
    if (r < 0)
        return r;
    sb_reset(ret_known);
    sb_add(ret_known, text, len);
    // The end of the last one, should somebody have cut the file.
    if (len > 0 && text[len - 1] != '\0')
        sb_putc(ret_known, '\0');
    return ret_known->failed ? -ENOMEM : 0;
}
