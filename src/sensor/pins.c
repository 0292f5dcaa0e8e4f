// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "sensor/internal.h"

#define BPFFS "/sys/fs/bpf"
#define MARK  "build-" // build-<16 digits>-<16 digits>: what the set was made by

static int join(char *ret_path, size_t size, const char *dir, const char *name)
{
    size_t dir_len = strlen(dir), name_len = strlen(name);

    if (dir_len + 1 + name_len >= size)
        return -ENAMETOOLONG;
    memcpy(ret_path, dir, dir_len + 1);
    ret_path[dir_len] = '/';
    memcpy(ret_path + dir_len + 1, name, name_len + 1);
    return 0;
}

static bool is_bpffs(const char *path)
{
    struct statfs fs;

    return statfs(path, &fs) == 0 && fs.f_type == BPF_FS_MAGIC;
}

static int remove_entry(void *ctx, int dir, const struct dirent *entry)
{
    int r;

    (void)ctx;
    if (unlinkat(dir, entry->d_name, 0) == 0)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -errno;
    r = opendir_foreach(dir, entry->d_name, remove_entry, NULL);
    if (r < 0)
        return r;
    return unlinkat(dir, entry->d_name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

// Removes the directory with all that is in it; none there is fine.
static int remove_tree(const char *path)
{
    int r = opendir_foreach(AT_FDCWD, path, remove_entry, NULL);

    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    return rmdir(path) < 0 ? -errno : 0;
}

struct marks {
    char build[OBJECT_HASH], layout[OBJECT_HASH];
    size_t n;
};

static int read_mark(void *ctx, int dir, const struct dirent *entry)
{
    const char *rest = str_startswith(entry->d_name, MARK);
    struct marks *m = ctx;

    (void)dir;
    if (!rest)
        return 0;
    m->n++;
    if (strlen(rest) != 2 * (OBJECT_HASH - 1) + 1)
        return 0;
    memcpy(m->build, rest, OBJECT_HASH - 1);
    memcpy(m->layout, rest + OBJECT_HASH, OBJECT_HASH - 1);
    return 0;
}

static int remove_mark(void *ctx, int dir, const struct dirent *entry)
{
    const char *keep = ctx;

    if (!str_startswith(entry->d_name, MARK) || (keep && streq(entry->d_name, keep)))
        return 0;
    return unlinkat(dir, entry->d_name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

struct move {
    int to;
};

static int move_mark(void *ctx, int dir, const struct dirent *entry)
{
    const struct move *m = ctx;

    if (!str_startswith(entry->d_name, MARK))
        return 0;
    return renameat(dir, entry->d_name, m->to, entry->d_name) < 0 ? -errno : 0;
}

// Puts a directory of the next set in the place of ours. Done before, when it is not there any more.
static int move_into_place(const char *dir, const char *next, const char *name)
{
    char from[SENSOR_PATH_MAX], to[SENSOR_PATH_MAX];
    struct stat st;
    int r;

    r = join(from, sizeof(from), next, name);
    r = r < 0 ? r : join(to, sizeof(to), dir, name);
    if (r < 0)
        return r;
    if (stat(from, &st) < 0)
        return errno == ENOENT ? 0 : -errno;
    r = remove_tree(to);
    if (r < 0)
        return r;
    return rename(from, to) < 0 ? -errno : 0;
}

// The next set is complete and attached: it takes the place of the old one, links first, so that what was
// in force goes only now. Every step may be repeated.
static int finish_swap(const char *dir, const char *next)
{
    _cleanup_close_ int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct move move = {.to = dir_fd};
    int r;

    if (dir_fd < 0)
        return -errno;
    r = move_into_place(dir, next, "links");
    r = r < 0 ? r : move_into_place(dir, next, "maps");
    if (r < 0)
        return r;
    r = opendir_foreach(AT_FDCWD, dir, remove_mark, NULL);
    r = r < 0 ? r : opendir_foreach(AT_FDCWD, next, move_mark, &move);
    return r < 0 ? r : remove_tree(next);
}

static int open_bpffs(const char *dir, struct error *err)
{
    if (str_startswith(dir, BPFFS "/") && !is_bpffs(BPFFS) &&
        mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0) {
        int r = error_set(err, -errno, "the bpf file system cannot be mounted at %s: %m", BPFFS);

        error_cure(err, "as root: mount -t bpf bpf %s", BPFFS);
        return r;
    }
    return 0;
}

static int open_dir(struct pins *p, const char *dir, struct error *err)
{
    int r;

    r = open_bpffs(dir, err);
    if (r < 0)
        return r;
    r = mkdir_p(AT_FDCWD, dir, 0700);
    if (r < 0) {
        (void)error_set(err, r, "%s: %s", dir, strerror(-r));
        if (r == -EPERM && strchr(dir, '.'))
            error_cure(err, "choose a name without a dot: bpf file systems have none");
        return r;
    }
    if (!is_bpffs(dir)) {
        r = error_set(err, -EMEDIUMTYPE, "%s is not in a bpf file system", dir);
        error_cure(err, "choose a directory below %s", BPFFS);
        return r;
    }
    p->lock_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (p->lock_fd < 0)
        return error_set(err, -errno, "%s: %m", dir);
    if (flock(p->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        r = error_set(err, errno == EWOULDBLOCK ? -EBUSY : -errno, "%s is in use", dir);
        error_cure(err, "stop the other agent first (systemctl stop safeguard-agent)");
        return r;
    }
    return 0;
}

// Which set to work on, and its directories.
static int choose_set(struct pins *p, const char *next, const char *build, const char *layout)
{
    struct marks marks = {};
    struct stat st;
    int r;

    r = join(p->maps, sizeof(p->maps), p->dir, "maps");
    r = r < 0 ? r : join(p->links, sizeof(p->links), p->dir, "links");
    r = r < 0 ? r : opendir_foreach(AT_FDCWD, p->dir, read_mark, &marks);
    if (r < 0)
        return r;
    if (marks.n >= 1 && streq(marks.layout, layout) && stat(p->maps, &st) == 0) {
        p->same_build = marks.n == 1 && streq(marks.build, build);
        return mkdir(p->links, 0700) < 0 && errno != EEXIST ? -errno : 0;
    }
    p->made = true;
    if (marks.n > 0) {
        p->next = true;
        r = mkdir(next, 0700) < 0 ? -errno : 0;
        r = r < 0 ? r : join(p->maps, sizeof(p->maps), next, "maps");
        r = r < 0 ? r : join(p->links, sizeof(p->links), next, "links");
    } else {
        // An agent that ended before its first policy leaves maps that nobody uses.
        r = remove_tree(p->links);
        r = r < 0 ? r : remove_tree(p->maps);
    }
    if (r < 0)
        return r;
    return mkdir(p->maps, 0700) < 0 || mkdir(p->links, 0700) < 0 ? -errno : 0;
}

int pins_open(struct pins *p, const char *dir, const char *build, const char *layout,
              struct error *err)
{
    char next[SENSOR_PATH_MAX], ready[SENSOR_PATH_MAX];
    struct stat st;
    int r;

    *p = (struct pins){.lock_fd = -1};
    if (strlen(dir) + 64 > sizeof(p->dir))
        return error_set(err, -ENAMETOOLONG, "%s: the name is too long", dir);
    (void)snprintf(p->dir, sizeof(p->dir), "%s", dir);
    r = open_dir(p, dir, err);
    if (r < 0) {
        pins_close(p);
        return r;
    }
    r = join(next, sizeof(next), dir, "next");
    r = r < 0 ? r : join(ready, sizeof(ready), next, "ready");
    if (r == 0)
        r = stat(ready, &st) == 0 ? finish_swap(dir, next) : remove_tree(next);
    if (r == 0)
        r = choose_set(p, next, build, layout);
    if (r < 0) {
        pins_close(p);
        return error_set(err, r, "%s cannot be put in order: %s", dir, strerror(-r));
    }
    return 0;
}

void pins_close(struct pins *p)
{
    p->lock_fd = safe_close(p->lock_fd);
}

int pins_mark(struct pins *p, const char *build, const char *layout, struct error *err)
{
    char mark[80], dir[SENSOR_PATH_MAX + 8], path[SENSOR_PATH_MAX + 96];
    int r = 0;

    (void)snprintf(mark, sizeof(mark), MARK "%s-%s", build, layout);
    (void)snprintf(dir, sizeof(dir), "%s%s", p->dir, p->next ? "/next" : "");
    (void)snprintf(path, sizeof(path), "%s/%s", dir, mark);
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        r = -errno;
    r = r < 0 ? r : opendir_foreach(AT_FDCWD, dir, remove_mark, mark);
    if (r < 0)
        return error_set(err, r, "%s: %s", path, strerror(-r));
    p->same_build = true;
    return 0;
}

int pins_swap(struct pins *p, struct error *err)
{
    char next[SENSOR_PATH_MAX], ready[SENSOR_PATH_MAX];
    struct stat st;
    int r;

    if (!p->next)
        return 0;
    r = join(next, sizeof(next), p->dir, "next");
    r = r < 0 ? r : join(ready, sizeof(ready), next, "ready");
    if (r == 0 && mkdir(ready, 0700) < 0 && errno != EEXIST)
        r = -errno;
    if (r == 0) {
        r = finish_swap(p->dir, next);
        // Also when it was cut off: what is pinned from now on goes where the links are.
        if (stat(p->links, &st) < 0) {
            (void)join(p->maps, sizeof(p->maps), p->dir, "maps");
            (void)join(p->links, sizeof(p->links), p->dir, "links");
        }
    }
    if (r < 0)
        return error_set(err, r, "%s does not take the place of what was there: %s", next,
                         strerror(-r));
    p->next = false;
    return 0;
}

int pins_remove(struct pins *p, struct error *err)
{
    char links[SENSOR_PATH_MAX];
    int r;

    // Links first: nothing may decide by maps that are half gone.
    r = join(links, sizeof(links), p->dir, "links");
    r = r < 0 ? r : remove_tree(links);
    r = r < 0 ? r : remove_tree(p->dir);
    if (r < 0)
        return error_set(err, r, "%s cannot be removed: %s", p->dir, strerror(-r));
    return 0;
}

void pins_discard(struct pins *p)
{
    char next[SENSOR_PATH_MAX];

    if (!p->made || p->lock_fd < 0)
        return;
    (void)remove_tree(p->links);
    (void)remove_tree(p->maps);
    // Not while there is anything else in it, such as a set that is in force.
    if (p->next && join(next, sizeof(next), p->dir, "next") == 0)
        (void)rmdir(next);
    (void)rmdir(p->dir);
    p->made = false;
}

static int match_entry(void *ctx, int dir _unused_, const struct dirent *entry)
{
    return strstr(entry->d_name, ctx) ? 1 : 0;
}

bool pins_has_link(const struct pins *p, const char *part)
{
    char links[SENSOR_PATH_MAX], wanted[PROGRAM_NAME];

    (void)snprintf(wanted, sizeof(wanted), "%s", part);
    return join(links, sizeof(links), p->dir, "links") == 0 &&
           opendir_foreach(AT_FDCWD, links, match_entry, wanted) == 1;
}

static int count_entry(void *ctx, int dir _unused_, const struct dirent *entry _unused_)
{
    *(size_t *)ctx += 1;
    return 0;
}

int sensor_left(const char *pin_dir)
{
    char links[SENSOR_PATH_MAX];
    size_t n = 0;
    int r;

    r = join(links, sizeof(links), pin_dir ? pin_dir : SENSOR_PIN_DIR, "links");
    r = r < 0 ? r : opendir_foreach(AT_FDCWD, links, count_entry, &n);
    return r == -ENOENT ? 0 : r < 0 ? r : n > 0;
}
