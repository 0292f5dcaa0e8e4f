// SPDX-License-Identifier: Apache-2.0
#include "agent/opened.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/mounts.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/namespaces.h"
#include "base/strutil.h"
#include "model/event.h"

#define TEXT_MAX    ((size_t)64 << 10)
#define ENVIRON_MAX ((size_t)1 << 20)

struct search {
    const struct policy_image *image;
    const struct policy_mounts *host;
    const struct opened_entered *entered;
    size_t n_entered;
    bool (*stop)(void *ctx);
    void *ctx;
    struct opened *o;

    int pid_dir; // of the process at hand
    uint32_t pid;
    struct policy_mounts *own; // its mount table, when it is not the host's
    bool own_read;
    bool task_added;
};

void opened_done(struct opened *o)
{
    for (size_t i = 0; i < o->n_files; i++) {
        free(o->files[i].path);
        free(o->files[i].shown);
    }
    for (size_t i = 0; i < o->n_tasks; i++)
        free(o->tasks[i].env);
    free(o->files);
    free(o->tasks);
    *o = (struct opened){};
}

// What follows `key` in a file of "key:\tvalue" lines, or NULL.
static const char *find_line(const char *text, const char *key)
{
    size_t len = strlen(key);

    for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL)
        if (strncmp(line, key, len) == 0)
            return line + len + strspn(line + len, "\t ");
    return NULL;
}

static bool read_number(const char *text, int base, uint64_t *ret)
{
    char *end;

    if (!text)
        return false;
    errno = 0;
    *ret = strtoull(text, &end, base);
    return errno == 0 && end != text;
}

static void read_status(int pid_dir, struct opened_task *t)
{
    _cleanup_free_ char *text = NULL;
    const char *groups;
    uint64_t gid;

    if (read_file_bounded(pid_dir, "status", TEXT_MAX, &text, NULL) < 0)
        return;
    (void)read_number(find_line(text, "CapEff:"), 16, &t->caps);
    // "Gid: real effective saved fs"; then the supplementary ones.
    groups = find_line(text, "Gid:");
    if (groups && read_number(groups + strcspn(groups, "\t "), 10, &gid))
        t->gids[t->n_gids++] = (uint32_t)gid;
    groups = find_line(text, "Groups:");
    while (groups && *groups != '\n' && t->n_gids < OPENED_GIDS_MAX &&
           read_number(groups, 10, &gid)) {
        t->gids[t->n_gids++] = (uint32_t)gid;
        groups += strcspn(groups, " \n");
        groups += *groups == ' ';
    }
}

// "pid (comm) S ppid ...": the comm may hold anything, so from the last ')' on; start is the 20th behind it.
static bool read_stat(int pid_dir, struct opened_task *t)
{
    _cleanup_free_ char *text = NULL;
    const char *p, *open;
    uint64_t ticks;

    if (read_file_bounded(pid_dir, "stat", TEXT_MAX, &text, NULL) < 0)
        return false;
    open = strchr(text, '(');
    p = strrchr(text, ')');
    if (!open || !p || p < open)
        return false;
    (void)snprintf(t->comm, sizeof(t->comm), "%.*s", (int)(p - open - 1), open + 1);
    for (int i = 0; i < 20 && p; i++) {
        p = strchr(p, ' ');
        p += p != NULL;
    }
    if (!read_number(p, 10, &ticks))
        return false;
    t->start_ns = ticks * PROCESS_TICK_NS;
    return true;
}

static int add_task(struct search *s)
{
    struct opened_task t = {.pid = s->pid};
    struct opened *o = s->o;

    if (s->task_added)
        return 0;
    if (!read_stat(s->pid_dir, &t))
        return -ESRCH;
    read_status(s->pid_dir, &t);
    t.container = process_contained(s->pid_dir);
    if (!process_in_first_user_ns(s->pid_dir))
        t.caps = 0;
    if (policy_image_head(s->image)->needs & SG_NEED_ENV)
        (void)read_file_bounded(s->pid_dir, "environ", ENVIRON_MAX, &t.env, &t.env_len);
    if (!GREEDY(o->tasks, o->cap_tasks, o->n_tasks + 1)) {
        free(t.env);
        return -ENOMEM;
    }
    o->tasks[o->n_tasks++] = t;
    s->task_added = true;
    return 0;
}

static int add_file(struct search *s, int32_t fd, uint32_t ops, const uint32_t *dev,
                    const char *path, const char *shown)
{
    struct opened *o = s->o;
    struct opened_file f = {.fd = fd, .ops = ops, .host = !dev, .dev = dev ? *dev : 0};
    int r;

    if (o->n_files >= OPENED_MAX) {
        o->cut = true;
        return 0;
    }
    r = add_task(s);
    if (r < 0)
        return r == -ESRCH ? 0 : r;
    f.task = o->n_tasks - 1;
    f.path = strdup(path);
    f.shown = strdup(shown);
    if (!f.path || !f.shown || !GREEDY(o->files, o->cap_files, o->n_files + 1)) {
        free(f.path);
        free(f.shown);
        return -ENOMEM;
    }
    o->files[o->n_files++] = f;
    return 0;
}

// What the rules say about a path of a file system, for anybody.
static uint32_t ops_at(const struct policy_image *image, const uint32_t *dev, const char *path)
{
    const struct sg_image *h = policy_image_head(image);
    const struct sg_state *states = (const struct sg_state *)((const char *)image->mem +
                                                              h->states_off);
    uint32_t state = dev ? 0 : image->start;

    for (size_t i = 0; dev && i < image->n_roots; i++)
        if (image->roots[i].dev == *dev)
            state = image->roots[i].root.state;
    if (state != 0)
        state = policy_image_walk(image, state, path, streq(path, "/") ? 0 : strlen(path));
    return states[state].ops;
}

// The descriptor's file as (file system, path): by the host's mount table, or by the process's own.
static bool locate(struct search *s, uint32_t mount_id, const char *shown, char *buf, size_t size,
                   uint32_t *ret_dev, const char **ret_path)
{
    _cleanup_free_ char *text = NULL;
    size_t len;

    if (mounts_locate(s->host, mount_id, shown, buf, size, ret_dev, ret_path))
        return true;
    if (!s->own_read) {
        s->own_read = true;
        if (read_file_bounded(s->pid_dir, "mountinfo", (size_t)32 << 20, &text, &len) == 0)
            (void)mounts_parse(text, len, &s->own);
    }
    return s->own && mounts_locate(s->own, mount_id, shown, buf, size, ret_dev, ret_path);
}

// The descriptor's object among those that are looked for by their numbers.
static const struct opened_entered *find_entered(const struct search *s, const char *fd,
                                                 uint32_t mount_id)
{
    uint32_t dev = mounts_dev(s->host, mount_id);
    char path[32];
    struct stat st;

    if (s->n_entered == 0)
        return NULL;
    (void)snprintf(path, sizeof(path), "fd/%.16s", fd);
    if (fstatat(s->pid_dir, path, &st, 0) < 0)
        return NULL;
    // Subvolumes of btrfs have devices of their own, which the kernel's record does not name.
    if (dev == 0)
        dev = policy_dev(major(st.st_dev), minor(st.st_dev));
    for (size_t i = 0; i < s->n_entered; i++)
        if (s->entered[i].ino == st.st_ino && s->entered[i].dev == dev)
            return &s->entered[i];
    return NULL;
}

static int look_at(struct search *s, const char *name, const char *shown)
{
    _cleanup_free_ char *info = NULL;
    uint64_t flags, mount_id;
    char path[64], buf[8192];
    const char *in_fs;
    const struct opened_entered *entered;
    uint32_t dev, ops, fd;

    (void)snprintf(path, sizeof(path), "fdinfo/%.16s", name);
    if (parse_u32(name, &fd) < 0 || read_file_bounded(s->pid_dir, path, TEXT_MAX, &info, NULL) < 0)
        return 0;
    if (!read_number(find_line(info, "flags:"), 8, &flags) ||
        !read_number(find_line(info, "mnt_id:"), 10, &mount_id) || flags & O_PATH)
        return 0;
    ops = (flags & O_ACCMODE) == O_RDONLY   ? SG_OP_READ
          : (flags & O_ACCMODE) == O_WRONLY ? SG_OP_WRITE
                                            : SG_OP_READ | SG_OP_WRITE;
    entered = find_entered(s, name, (uint32_t)mount_id);
    if (entered && ops & ops_at(s->image, NULL, entered->path))
        return add_file(s, (int32_t)fd, ops & ops_at(s->image, NULL, entered->path), NULL,
                        entered->path, shown);
    if (!locate(s, (uint32_t)mount_id, shown, buf, sizeof(buf), &dev, &in_fs))
        return 0;
    ops &= ops_at(s->image, &dev, in_fs);
    return ops ? add_file(s, (int32_t)fd, ops, &dev, in_fs, shown) : 0;
}

static int on_fd(void *ctx, int dir, const struct dirent *entry)
{
    struct search *s = ctx;
    char shown[4096];
    ssize_t n;

    if (s->stop && s->stop(s->ctx))
        return -ECANCELED;
    n = readlinkat(dir, entry->d_name, shown, sizeof(shown) - 1);
    if (n <= 0)
        return 0;
    shown[n] = '\0';
    s->o->looked_at++;
    // Sockets, pipes; and files that no rule of a path is about any more.
    if (shown[0] != '/' || str_endswith(shown, " (deleted)"))
        return 0;
    return look_at(s, entry->d_name, shown);
}

static int on_process(void *ctx, int dir, const struct dirent *entry)
{
    struct search *s = ctx;
    _cleanup_close_ int pid_dir = -1;
    int r;

    if (parse_u32(entry->d_name, &s->pid) < 0 || s->pid == (uint32_t)getpid())
        return 0;
    pid_dir = openat(dir, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (pid_dir < 0)
        return 0;
    s->pid_dir = pid_dir;
    s->task_added = s->own_read = false;
    r = opendir_foreach(pid_dir, "fd", on_fd, s);
    s->own = mounts_free(s->own);
    // It ended while we looked.
    return r == -ENOMEM || r == -ECANCELED ? r : 0;
}

int opened_find(const char *proc, const struct policy_image *image,
                const struct policy_mounts *mounts, const struct opened_entered *entered,
                size_t n_entered, bool (*stop)(void *ctx), void *ctx, struct opened *o)
{
    struct search s = {.image = image,
                       .host = mounts,
                       .entered = entered,
                       .n_entered = n_entered,
                       .stop = stop,
                       .ctx = ctx,
                       .o = o};

    *o = (struct opened){};
    return opendir_foreach(AT_FDCWD, proc, on_process, &s);
}
