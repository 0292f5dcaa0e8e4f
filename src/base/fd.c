// SPDX-License-Identifier: Apache-2.0
#include "base/fd.h"

#include <errno.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "base/strbuf.h"
#include "base/strutil.h"

static ssize_t read_again(int fd, void *buf, size_t len)
{
    ssize_t n;

    do
        n = read(fd, buf, len);
    while (n < 0 && errno == EINTR);
    return n;
}

int read_fd_bounded(int fd, size_t max, char **ret_buf, size_t *ret_len)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct stat st;
    size_t step = 4096;

    if (fstat(fd, &st) < 0)
        return negative_errno();
    // procfs says 0; what a file system says is only a hint, and never a reason to allocate more
    // than may be read.
    if (S_ISREG(st.st_mode) && st.st_size > 0)
        step = MIN((size_t)st.st_size, max) + 1;

    for (;;) {
        char *end = sb_reserve(&sb, step);
        ssize_t n;

        if (!end)
            return -ENOMEM;
        n = read_again(fd, end, step);
        if (n < 0)
            return negative_errno();
        sb_written(&sb, (size_t)n);
        if (sb.len > max)
            return -EFBIG;
        if (n == 0)
            break;
        step = CLAMP(sb.len, (size_t)4096, (size_t)1 << 20);
    }
    if (ret_len)
        *ret_len = sb.len;
    return sb_finish(&sb, ret_buf);
}

int read_file_bounded(int dirfd, const char *path, size_t max, char **ret_buf, size_t *ret_len)
{
    _cleanup_close_ int fd = -1;
    struct stat st;

    // O_NONBLOCK: opening a pipe without a writer must not wait.
    fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return negative_errno();
    if (fstat(fd, &st) < 0)
        return negative_errno();
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    return read_fd_bounded(fd, max, ret_buf, ret_len);
}

int write_all(int fd, const void *buf, size_t len)
{
    const char *p = buf;

    while (len > 0) {
        ssize_t n = write(fd, p, len);

        if (n < 0) {
            if (errno == EINTR)
                continue;
            return negative_errno();
        }
        // Nothing written and no error: POSIX leaves it open, going on could be for ever.
        if (n == 0)
            return -EIO;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

// The directory part of path: "." for a plain name, "/" for what lies in the root.
static int parent_of(const char *path, char **ret_parent)
{
    size_t len = strlen(path);
    char *parent;

    while (len > 1 && path[len - 1] == '/')
        len--;
    while (len > 0 && path[len - 1] != '/')
        len--;
    while (len > 1 && path[len - 1] == '/')
        len--;
    parent = len > 0 ? strndup(path, len) : strdup(".");
    if (!parent)
        return -ENOMEM;
    *ret_parent = parent;
    return 0;
}

int fsync_parent(int dirfd, const char *path)
{
    _cleanup_free_ char *parent = NULL;
    _cleanup_close_ int fd = -1;
    int r;

    r = parent_of(path, &parent);
    if (r < 0)
        return r;
    fd = openat(dirfd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return negative_errno();
    return fsync(fd) < 0 ? negative_errno() : 0;
}

// A new file next to path, under a name that nobody can guess and that dir_names() does not list.
static int open_beside(int dirfd, const char *path, char **ret_name, int *ret_fd)
{
    _cleanup_free_ char *parent = NULL;
    int r;

    r = parent_of(path, &parent);
    if (r < 0)
        return r;
    for (int tries = 0; tries < 16; tries++) {
        _cleanup_(sb_done) struct strbuf name = {};
        _cleanup_close_ int fd = -1;
        uint64_t random;

        if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
            return -EIO;
        sb_printf(&name, "%s/.new-%016llx", parent, (unsigned long long)random);
        if (name.failed)
            return -ENOMEM;
        fd = openat(dirfd, name.s, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd >= 0) {
            *ret_fd = TAKE_FD(fd);
            return sb_finish(&name, ret_name); // cannot fail: the buffer has not
        }
        if (errno != EEXIST)
            return negative_errno();
    }
    return -EEXIST;
}

int write_file_atomic(int dirfd, const char *path, const void *buf, size_t len, mode_t mode)
{
    _cleanup_free_ char *name = NULL;
    _cleanup_close_ int fd = -1;
    int r;

    r = open_beside(dirfd, path, &name, &fd);
    if (r < 0)
        return r;
    r = write_all(fd, buf, len);
    if (r == 0 && fchmod(fd, mode) < 0)
        r = negative_errno();
    if (r == 0 && fsync(fd) < 0)
        r = negative_errno();
    if (r == 0 && renameat(dirfd, name, dirfd, path) < 0)
        r = negative_errno();
    if (r < 0) {
        (void)unlinkat(dirfd, name, 0);
        return r;
    }
    return fsync_parent(dirfd, path);
}

static int make_directory(int dirfd, const char *path, mode_t mode)
{
    struct stat st;

    if (mkdirat(dirfd, path, mode) == 0)
        return 0;
    if (errno != EEXIST && errno != EROFS && errno != EACCES && errno != EPERM)
        return negative_errno();
    // On a read-only or foreign file system an existing directory may answer with another error.
    int saved = errno;
    if (fstatat(dirfd, path, &st, 0) < 0)
        return saved == EEXIST ? negative_errno() : -saved;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int mkdir_p(int dirfd, const char *path, mode_t mode)
{
    _cleanup_free_ char *copy = NULL;
    int r;

    if (!*path)
        return -ENOENT;
    copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    for (char *slash = copy + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        r = make_directory(dirfd, copy, mode);
        if (r < 0)
            return r;
        *slash = '/';
    }
    return make_directory(dirfd, copy, mode);
}

int open_nofollow(int dirfd, const char *path, int flags, mode_t mode, int *ret_fd)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0,
        .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int fd;

    do
        fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return negative_errno();
    *ret_fd = fd;
    return 0;
}

int opendir_foreach(int dirfd, const char *path, opendir_fn fn, void *ctx)
{
    _cleanup_closedir_ DIR *dir = NULL;
    _cleanup_close_ int fd = -1;
    const struct dirent *entry;
    int dir_fd, r;

    fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return negative_errno();
    dir = fdopendir(fd);
    if (!dir)
        return negative_errno();
    dir_fd = TAKE_FD(fd); // dir closes it

    while (errno = 0, (entry = readdir(dir))) {
        if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
            continue;
        r = fn(ctx, dir_fd, entry);
        if (r != 0)
            return r;
    }
    return errno ? negative_errno() : 0;
}

struct names {
    char **v;
    size_t n, max;
    const char *suffix;
};

static int add_name(void *ctx, int dir _unused_, const struct dirent *entry)
{
    struct names *names = ctx;

    if (entry->d_name[0] == '.' || !str_endswith(entry->d_name, strempty(names->suffix)))
        return 0;
    if (names->n == names->max)
        return -E2BIG;
    names->n++;
    return strv_append(&names->v, entry->d_name);
}

int dir_names(int dirfd, const char *path, const char *suffix, size_t max, char ***ret_names)
{
    struct names names = {.suffix = suffix, .max = max};
    _cleanup_(strv_freep) char **v = NULL;
    int r;

    v = names.v = new0(char *, 1);
    if (!v)
        return -ENOMEM;
    r = opendir_foreach(dirfd, path, add_name, &names);
    v = names.v;
    if (r < 0)
        return r;
    strv_sort_natural(v);
    *ret_names = TAKE_PTR(v);
    return 0;
}
