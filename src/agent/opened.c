// SPDX-License-Identifier: Apache-2.0
#include "agent/opened.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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

// Tables of descriptors of one process that a further thread is compared with. Threads of a process with more of them
// are all looked at.
#define TABLES_MAX 32u

struct search {
    const struct opened_search *what;
    struct opened *o;

    int pid_dir; // of the process at hand
    uint32_t pid;
    uint32_t tables[TABLES_MAX]; // the threads whose descriptors were looked at
    size_t n_tables;

    int task_dir;              // of the thread at hand
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
    for (size_t i = 0; i < o->n_tasks; i++) {
        free(o->tasks[i].exe);
        free(o->tasks[i].env);
    }
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
    const char *groups, *uids;
    uint64_t gid, uid;

    if (read_file_bounded(pid_dir, "status", TEXT_MAX, &text, NULL) < 0)
        return;
    (void)read_number(find_line(text, "CapEff:"), 16, &t->caps);
    // "Gid: real effective saved fs"; then the supplementary ones.
    groups = find_line(text, "Gid:");
    if (groups && read_number(groups + strcspn(groups, "\t "), 10, &gid))
        t->gids[t->n_gids++] = (uint32_t)gid;
    uids = find_line(text, "Uid:");
    if (uids && read_number(uids + strcspn(uids, "\t "), 10, &uid))
        t->euid = (uint32_t)uid;
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

static char *read_exe(int task_dir)
{
    char exe[4096];
    ssize_t n = readlinkat(task_dir, "exe", exe, sizeof(exe));

    return n > 0 && (size_t)n < sizeof(exe) ? xstrndup(exe, (size_t)n) : NULL;
}

int opened_task_read(int pid_dir, int task_dir, uint32_t pid, const struct policy_image *image,
                     struct opened_task *ret)
{
    uint32_t needs = policy_image_head(image)->needs;
    struct opened_task t = {.pid = pid, .euid = ID_NONE};

    if (!read_stat(pid_dir, &t))
        return -ESRCH;
    read_status(task_dir, &t);
    t.container = needs & SG_NEED_NAMESPACE && process_contained(task_dir);
    if (!(needs & SG_NEED_CAP) || !process_in_first_user_ns(task_dir))
        t.caps = 0;
    if (needs & SG_NEED_ENV)
        (void)read_file_bounded(task_dir, "environ", ENVIRON_MAX, &t.env, &t.env_len);
    t.exe = read_exe(task_dir);
    *ret = t;
    return 0;
}

void opened_task_done(struct opened_task *t)
{
    free(t->exe);
    free(t->env);
    *t = (struct opened_task){};
}

// The process is named by its first thread, which may have ended; what else there is to know is that of the thread.
static int add_task(struct search *s)
{
    struct opened *o = s->o;
    struct opened_task t;
    int r;

    if (s->task_added)
        return 0;
    r = opened_task_read(s->pid_dir, s->task_dir, s->pid, s->what->image, &t);
    if (r < 0)
        return r;
    if (!GREEDY(o->tasks, o->cap_tasks, o->n_tasks + 1)) {
        opened_task_done(&t);
        return -ENOMEM;
    }
    o->tasks[o->n_tasks++] = t;
    s->task_added = true;
    return 0;
}

// As sg_stays_open() of the kernel side.
static bool stays_open(const struct search *s, int32_t fd)
{
    struct statx stx;
    char path[32];

    (void)snprintf(path, sizeof(path), "fd/%d", fd);
    return statx(s->task_dir, path, AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_TYPE, &stx) == 0 &&
           S_ISCHR(stx.stx_mode) && SG_STAYS_OPEN(stx.stx_rdev_major, stx.stx_rdev_minor);
}

static int add_file(struct search *s, int32_t fd, uint32_t ops, const uint32_t *dev,
                    const char *path, const char *shown)
{
    struct opened *o = s->o;
    struct opened_file f = {.fd = fd, .ops = ops, .host = !dev, .dev = dev ? *dev : 0};
    int r;

    if (stays_open(s, fd))
        return 0;
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

    if (mounts_locate(s->what->mounts, mount_id, shown, buf, size, ret_dev, ret_path))
        return true;
    if (!s->own_read) {
        s->own_read = true;
        if (read_file_bounded(s->task_dir, "mountinfo", (size_t)32 << 20, &text, &len) == 0)
            (void)mounts_parse(text, len, &s->own);
    }
    return s->own && mounts_locate(s->own, mount_id, shown, buf, size, ret_dev, ret_path);
}

// One descriptor of the thread at hand.
struct look {
    int32_t fd;
    uint32_t ops, mount_id;
    const char *shown;
};

// Of fdinfo only the head, where the same lines are for all kinds: what follows, such as locks, has no bound.
static bool read_info(const struct search *s, const char *name, struct look *l)
{
    _cleanup_close_ int fd = -1;
    char path[64], head[512];
    uint64_t flags, mount_id;
    ssize_t n;

    (void)snprintf(path, sizeof(path), "fdinfo/%.16s", name);
    fd = openat(s->task_dir, path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, head, sizeof(head) - 1);
    if (n <= 0)
        return false;
    head[n] = '\0';
    if (!read_number(find_line(head, "flags:"), 8, &flags) ||
        !read_number(find_line(head, "mnt_id:"), 10, &mount_id) || flags & O_PATH)
        return false;
    l->mount_id = (uint32_t)mount_id;
    l->ops = (flags & O_ACCMODE) == O_RDONLY   ? SG_OP_READ
             : (flags & O_ACCMODE) == O_WRONLY ? SG_OP_WRITE
                                               : SG_OP_READ | SG_OP_WRITE;
    return true;
}

static int look_by_name(struct search *s, const struct look *l)
{
    char buf[8192];
    const char *in_fs;
    uint32_t dev, ops;

    if (!locate(s, l->mount_id, l->shown, buf, sizeof(buf), &dev, &in_fs))
        return 0;
    ops = l->ops & ops_at(s->what->image, &dev, in_fs);
    return ops ? add_file(s, l->fd, ops, &dev, in_fs, l->shown) : 0;
}

static int look_at_path(struct search *s, const struct look *l, const char *path)
{
    uint32_t ops = l->ops & ops_at(s->what->image, NULL, path);

    return ops ? add_file(s, l->fd, ops, NULL, path, l->shown) : 0;
}

// Is the descriptor's object among those that are looked for by their numbers?
static int look_by_number(struct search *s, const struct look *l, const struct statx *stx)
{
    uint32_t dev = mounts_dev(s->what->mounts, l->mount_id);
    const char *path;
    size_t at = 0;
    int r = 0;

    // Subvolumes of btrfs have devices of their own, which the kernel's record does not name.
    if (dev == 0)
        dev = policy_dev(stx->stx_dev_major, stx->stx_dev_minor);
    for (size_t i = 0; i < s->what->n_entered && r == 0; i++)
        if (s->what->entered[i].ino == stx->stx_ino && s->what->entered[i].dev == dev)
            r = look_at_path(s, l, s->what->entered[i].path);
    while (r == 0 && (path = object_names_next(&s->what->linked, dev, stx->stx_ino, &at)))
        r = look_at_path(s, l, path);
    return r;
}

static int look_at(struct search *s, const char *name, const char *shown)
{
    bool by_number = s->what->n_entered > 0 || s->what->linked.list;
    bool deleted = str_endswith(shown, " (deleted)");
    struct look l = {.shown = shown};
    struct statx stx;
    uint32_t fd;
    char path[32];
    int r = 0;

    if (parse_u32(name, &fd) < 0)
        return 0;
    l.fd = (int32_t)fd;
    (void)snprintf(path, sizeof(path), "fd/%.16s", name);
    // What is known of it will do: nobody waits for a server.
    if ((by_number || deleted) && statx(s->task_dir, path, AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
                                        STATX_INO | STATX_NLINK, &stx) < 0)
        by_number = deleted = false;
    // A file that no rule of a path is about any more. The words could also be its name, or it has further ones.
    if (deleted && stx.stx_nlink == 0)
        return 0;
    if (!read_info(s, name, &l))
        return 0;
    if (by_number)
        r = look_by_number(s, &l, &stx);
    return r < 0 ? r : look_by_name(s, &l);
}

static int on_fd(void *ctx, int dir, const struct dirent *entry)
{
    struct search *s = ctx;
    char shown[4096];
    ssize_t n;

    if (s->what->stop && s->what->stop(s->what->ctx))
        return -ECANCELED;
    n = readlinkat(dir, entry->d_name, shown, sizeof(shown) - 1);
    if (n <= 0)
        return 0;
    shown[n] = '\0';
    s->o->looked_at++;
    // Sockets, pipes.
    return shown[0] == '/' ? look_at(s, entry->d_name, shown) : 0;
}

// Does the thread share the table of one that was looked at? Not when the kernel does not say.
static bool is_known_table(const struct search *s, uint32_t tid)
{
    for (size_t i = 0; i < s->n_tables; i++)
        if (syscall(SYS_kcmp, s->tables[i], tid, KCMP_FILES, 0, 0) == 0)
            return true;
    return false;
}

static int on_thread(void *ctx, int dir, const struct dirent *entry)
{
    struct search *s = ctx;
    _cleanup_close_ int task_dir = -1;
    uint32_t tid;
    int r;

    if (parse_u32(entry->d_name, &tid) < 0 || is_known_table(s, tid))
        return 0;
    task_dir = openat(dir, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (task_dir < 0)
        return 0;
    if (s->n_tables < TABLES_MAX)
        s->tables[s->n_tables++] = tid;
    s->task_dir = task_dir;
    s->task_added = s->own_read = false;
    r = opendir_foreach(task_dir, "fd", on_fd, s);
    s->own = mounts_free(s->own);
    // It ended while we looked.
    return r == -ENOMEM || r == -ECANCELED ? r : 0;
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
    s->n_tables = 0;
    r = opendir_foreach(pid_dir, "task", on_thread, s);
    return r == -ENOMEM || r == -ECANCELED ? r : 0;
}

int opened_find(const char *proc, const struct opened_search *search, struct opened *o)
{
    struct search s = {.what = search, .o = o};

    *o = (struct opened){};
    return opendir_foreach(AT_FDCWD, proc, on_process, &s);
}
