// SPDX-License-Identifier: Apache-2.0
#include "cli/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "base/strbuf.h"

#define READ_SIZE   ((size_t)65536)
#define ROTATED_MAX 1000u // config.def of the agent allows no more

struct tail {
    char *path;
    bool follow;
    unsigned rotated; // number of the rotated file that is read; 0: path itself
    int fd, inotify_fd;
    char *buf;
    size_t begin, end, cap;
    bool skipping; // a line that is too long
    bool eof;      // of a file that nothing is added to any more
};

struct tail *tail_free(struct tail *t)
{
    if (!t)
        return NULL;
    (void)safe_close(t->fd);
    (void)safe_close(t->inotify_fd);
    free(t->path);
    free(t->buf);
    free(t);
    return NULL;
}

static int open_number(const struct tail *t, unsigned number)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    int fd;

    sb_puts(&sb, t->path);
    if (number)
        sb_printf(&sb, ".%u", number);
    if (sb.failed)
        return -ENOMEM;
    fd = open(sb_str(&sb), O_RDONLY | O_CLOEXEC);
    return fd < 0 ? negative_errno() : fd;
}

// The oldest one that is there without a gap.
static unsigned oldest(const struct tail *t)
{
    unsigned n = 0;

    while (n < ROTATED_MAX) {
        int fd = open_number(t, n + 1);

        if (fd < 0)
            break;
        (void)close(fd);
        n++;
    }
    return n;
}

static int watch(struct tail *t)
{
    _cleanup_free_ char *copy = xstrndup(t->path, strlen(t->path));

    if (!copy)
        return -ENOMEM;
    t->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    // The directory: it sees writing to the file as well as its coming and going.
    if (t->inotify_fd < 0 ||
        inotify_add_watch(t->inotify_fd, dirname(copy),
                          IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0)
        return negative_errno();
    return 0;
}

int tail_new(const char *path, bool rotated, bool follow, struct tail **ret_tail)
{
    _cleanup_(tail_freep) struct tail *t = new0(struct tail, 1);
    int r;

    if (!t)
        return -ENOMEM;
    t->fd = t->inotify_fd = -1;
    t->follow = follow;
    t->path = xstrndup(path, 4096);
    if (!t->path)
        return -ENOMEM;
    if (follow) {
        r = watch(t);
        if (r < 0)
            return r;
    }
    t->rotated = rotated ? oldest(t) : 0;
    t->fd = open_number(t, t->rotated);
    if (t->fd < 0 && !(follow && t->fd == -ENOENT))
        return t->fd;
    *ret_tail = TAKE_PTR(t);
    return 0;
}

// Did another file take the place of the one that is read?
static bool replaced(const struct tail *t)
{
    struct stat ours, now;

    if (stat(t->path, &now) < 0)
        return false;
    return t->fd < 0 || fstat(t->fd, &ours) < 0 || ours.st_ino != now.st_ino ||
           ours.st_dev != now.st_dev;
}

// After the end of a file: the next younger one. 1: there is one; 0: none.
static int next_file(struct tail *t)
{
    int fd;

    if (t->rotated > 0)
        fd = open_number(t, --t->rotated);
    else if (t->follow && replaced(t))
        fd = open_number(t, 0);
    else
        return 0;
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    (void)safe_close(t->fd);
    t->fd = fd;
    return 1;
}

static ssize_t fill(struct tail *t)
{
    ssize_t n;

    if (t->fd < 0)
        return 0;
    if (t->begin > 0) {
        memmove(t->buf, t->buf + t->begin, t->end - t->begin);
        t->end -= t->begin;
        t->begin = 0;
    }
    if (t->end > TAIL_LINE_MAX) {
        t->skipping = true;
        t->end = 0;
    }
    if (!GREEDY(t->buf, t->cap, t->end + READ_SIZE))
        return -ENOMEM;
    do
        n = read(t->fd, t->buf + t->end, t->cap - t->end);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return negative_errno();
    t->end += (size_t)n;
    return n;
}

// Takes a line out of what was read.
static bool take_line(struct tail *t, const char **ret_line, size_t *ret_len)
{
    while (t->begin < t->end) {
        char *start = t->buf + t->begin, *newline = memchr(start, '\n', t->end - t->begin);
        bool skip = t->skipping;

        if (!newline)
            return false;
        t->begin += (size_t)(newline - start) + 1;
        t->skipping = false;
        if (skip)
            continue;
        *newline = '\0';
        *ret_line = start;
        *ret_len = (size_t)(newline - start);
        return true;
    }
    return false;
}

int tail_next(struct tail *t, const char **ret_line, size_t *ret_len)
{
    for (;;) {
        ssize_t n;
        int r;

        if (take_line(t, ret_line, ret_len))
            return 1;
        n = fill(t);
        if (n < 0)
            return (int)n;
        if (n > 0)
            continue;
        r = next_file(t);
        if (r <= 0)
            return r;
        // A line without an end at the end of a file never gets one.
        t->begin = t->end = 0;
        t->skipping = false;
    }
}

int tail_wait(struct tail *t, int timeout_ms)
{
    struct pollfd p = {.fd = t->inotify_fd, .events = POLLIN};
    char buf[4096];
    int r;

    r = poll(&p, 1, timeout_ms);
    if (r < 0)
        return negative_errno();
    while (read(t->inotify_fd, buf, sizeof(buf)) > 0)
        ;
    return r;
}
