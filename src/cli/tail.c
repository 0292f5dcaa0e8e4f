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
#define TRIES       16    // to find the next file while files are being rotated

struct tail {
    char *path;
    int fd, inotify_fd;
    char *buf;
    size_t begin, end, cap;
    bool skipping; // a line that is too long
    bool over;     // nothing is added any more to the file that is read
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

static int name_of(const struct tail *t, unsigned number, struct strbuf *sb)
{
    sb_reset(sb);
    sb_puts(sb, t->path);
    if (number)
        sb_printf(sb, ".%u", number);
    return sb->failed ? -ENOMEM : 0;
}

static int open_number(const struct tail *t, unsigned number)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    int fd;

    if (name_of(t, number, &sb) < 0)
        return -ENOMEM;
    fd = open(sb_str(&sb), O_RDONLY | O_CLOEXEC);
    return fd < 0 ? negative_errno() : fd;
}

static bool stat_number(const struct tail *t, unsigned number, struct stat *ret)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    return name_of(t, number, &sb) == 0 && stat(sb_str(&sb), ret) == 0;
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
    t->path = xstrndup(path, 4096);
    if (!t->path)
        return -ENOMEM;
    if (follow) {
        r = watch(t);
        if (r < 0)
            return r;
    }
    t->fd = open_number(t, rotated ? oldest(t) : 0);
    if (t->fd < 0 && !(follow && t->fd == -ENOENT))
        return t->fd;
    *ret_tail = TAKE_PTR(t);
    return 0;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

static bool younger_or_same(const struct stat *a, const struct stat *b)
{
    return a->st_mtim.tv_sec != b->st_mtim.tv_sec ? a->st_mtim.tv_sec > b->st_mtim.tv_sec
                                                  : a->st_mtim.tv_nsec >= b->st_mtim.tv_nsec;
}

// The number that an open file has now: it grows while files are rotated. -ENOENT: none, it was removed or moved away.
static int number_of(const struct tail *t, const struct stat *ours)
{
    struct stat st;

    for (unsigned i = 0; i <= ROTATED_MAX; i++)
        if (stat_number(t, i, &st) && same_file(&st, ours))
            return (int)i;
    return -ENOENT;
}

// Where to look for what is younger than a file that has no number any more: at the oldest one that was written to after it.
static int number_after(const struct tail *t, const struct stat *ours)
{
    struct stat st;
    int i = (int)ROTATED_MAX;

    while (i > 0 && !(stat_number(t, (unsigned)i, &st) && younger_or_same(&st, ours)))
        i--;
    return i + 1;
}

// The first one that is there below a number: in the middle of a rotation one is missing. -ENOENT: none.
static int open_below(const struct tail *t, int number, int *ret_number)
{
    int fd = -ENOENT;

    while (fd == -ENOENT && number-- > 0)
        fd = open_number(t, (unsigned)number);
    *ret_number = number;
    return fd;
}

// A descriptor of the next younger file. -ENOENT: there is none (yet). Files may be rotated meanwhile: what was found counts
// when it still is where it was.
static int open_younger(const struct tail *t)
{
    for (int i = 0; i < TRIES; i++) {
        struct stat ours, found, between;
        int at, number, fd;

        if (fstat(t->fd, &ours) < 0)
            return negative_errno();
        at = number_of(t, &ours);
        if (at == 0)
            return -ENOENT;
        fd = open_below(t, at < 0 ? number_after(t, &ours) : at, &number);
        if (fd < 0)
            return fd;
        if (at < 0 || (fstat(fd, &found) == 0 && number_of(t, &found) == number &&
                       number_of(t, &ours) == at &&
                       (number == at - 1 || !stat_number(t, (unsigned)at - 1, &between))))
            return fd;
        (void)close(fd);
    }
    return -EAGAIN;
}

// After the end of a file: the next younger one. 1: there is one, or more may be in this one; 0: none.
static int next_file(struct tail *t)
{
    int fd = t->fd < 0 ? open_number(t, 0) : open_younger(t);

    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    // What was added between its end and its rotation has to be read first.
    if (t->fd >= 0 && !t->over) {
        (void)close(fd);
        t->over = true;
        return 1;
    }
    t->over = false;
    (void)safe_close(t->fd);
    t->fd = fd;
    // A line without an end at the end of a file never gets one.
    t->begin = t->end = 0;
    t->skipping = false;
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
