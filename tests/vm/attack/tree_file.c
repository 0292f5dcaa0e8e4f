// SPDX-License-Identifier: Apache-2.0
/* One object of the tree: its content, times, attributes and flags; chains; removal. */
#include "attack.h"
#include "tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Every file carries this time, so any later write or utimensat shows. */
#define FILE_TIME     1577836800 /* 2020-01-01 */
#define SWAP_PAGES    16
#define BIG_SIZE      65536
/* Flags that an attacker may set and that no file system sets by itself. */
#define FLAGS_CHECKED (FS_SYNC_FL | FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL)

static size_t put_mark(const struct tree *t, const char *mark, char *buf, size_t size)
{
    return (size_t)snprintf(buf, size, "%s%s\n", mark, t->nonce);
}

/* What the object has to hold. *ret_buf is the caller's to free. */
static ssize_t object_content(const struct tree *t, const struct object *o, char **ret_buf)
{
    bool secret = strncmp(o->path, "vault/tree/", 11) == 0 || o->kind == KIND_SECRET;
    const char *mark = secret ? MARK_SECRET : MARK_PUBLIC;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = SWAP_PAGES * page + BIG_SIZE;
    char interp[4096], *buf = calloc(1, size);
    ssize_t n = 0;

    if (!buf)
        return -ENOMEM;
    if (o->detail)
        snprintf(interp, sizeof(interp), "%s/%s", t->root, o->detail);
    switch (o->kind) {
    case KIND_TINY:
    case KIND_NEEDS:
        n = elf_tiny(o->kind == KIND_NEEDS ? interp : NULL, buf, size / 2);
        if (n < 0) /* no such program for this processor: the ways that need it are skipped */
            n = 0;
        break;
    case KIND_SCRIPT: n = snprintf(buf, size, "#!%s\n", interp); break;
    case KIND_SWAP:
        swap_header(buf, page, SWAP_PAGES);
        put_mark(t, mark, buf + 3 * page, page);
        n = (ssize_t)(SWAP_PAGES * page);
        break;
    case KIND_BIG:
        memset(buf, 'b', BIG_SIZE);
        put_mark(t, mark, buf, BIG_SIZE);
        n = BIG_SIZE;
        break;
    default: break;
    }
    if (o->kind != KIND_SWAP && o->kind != KIND_BIG)
        n += (ssize_t)put_mark(t, mark, buf + n, size - (size_t)n);
    *ret_buf = buf;
    return n;
}

static bool content_is(int fd, const char *want, size_t n)
{
    char *buf = malloc(n + 1);
    bool same = buf && pread(fd, buf, n + 1, 0) == (ssize_t)n && memcmp(buf, want, n) == 0;

    free(buf);
    return same;
}

void tree_check_flags(struct tree *t, int dir_fd, const char *path)
{
    int fd = openat(dir_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int flags = 0;

    if (fd < 0) {
        tree_differs(t, path, "cannot be opened");
        return;
    }
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FLAGS_CHECKED)) {
        tree_differs(t, path, "inode flags");
        flags &= ~FLAGS_CHECKED;
        if (t->fix && ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0)
            t->err = -errno;
    }
    close(fd);
}

/* Names that other parts of the system give to files. */
static bool is_foreign_xattr(const char *name)
{
    return strncmp(name, "security.", 9) == 0 || strncmp(name, "trusted.overlay.", 16) == 0 ||
           strncmp(name, "user.overlay.", 13) == 0 || strncmp(name, "btrfs.", 6) == 0;
}

void tree_check_xattrs(struct tree *t, int dir_fd, const char *path, const char *own)
{
    int fd = openat(dir_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char names[4096], value[64];
    ssize_t n, len;

    if (fd < 0)
        return;
    if (own) {
        len = fgetxattr(fd, own, value, sizeof(value));
        if (len < 0 ? errno != EOPNOTSUPP : (len != 1 || value[0] != '1')) {
            tree_differs(t, path, "its extended attribute is lost");
            if (t->fix && fsetxattr(fd, own, "1", 1, 0) < 0 && errno != EOPNOTSUPP)
                t->err = -errno;
        }
    }
    n = flistxattr(fd, names, sizeof(names));
    for (const char *p = names; n > 0 && p < names + n; p += strlen(p) + 1) {
        if (is_foreign_xattr(p) || (own && strcmp(p, own) == 0))
            continue;
        tree_differs(t, path, "extended attribute");
        /* Some file systems show an access list under two names; the second is gone with the
         * first. */
        if (t->fix && fremovexattr(fd, p) < 0 && errno != ENODATA)
            t->err = -errno;
    }
    close(fd);
}

void tree_check_file(struct tree *t, int dir_fd, const char *path, const struct object *o,
                     nlink_t n_links)
{
    struct timespec times[2] = {{.tv_sec = FILE_TIME}, {.tv_sec = FILE_TIME}};
    int fd = openat(dir_fd, path, O_RDWR | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);
    struct stat st;
    char *want = NULL;
    ssize_t n;

    /* Linux 5.10 never again lets a file be written that was a fixed interpreter of binfmt_misc. */
    if (fd < 0 && errno == ETXTBSY)
        fd = openat(dir_fd, path, O_RDONLY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);
    if (fd < 0) {
        tree_differs(t, path, "cannot be opened");
        if (t->fix)
            t->err = -errno;
        return;
    }
    n = object_content(t, o, &want);
    if (n < 0 || fstat(fd, &st) < 0) {
        t->err = n < 0 ? (int)n : -errno;
    } else {
        if (!content_is(fd, want, (size_t)n)) {
            tree_differs(t, path, "content");
            if (t->fix && (ftruncate(fd, 0) < 0 || pwrite(fd, want, (size_t)n, 0) != n))
                t->err = -errno;
        }
        if (st.st_mtim.tv_sec != FILE_TIME || st.st_mtim.tv_nsec != 0)
            tree_differs(t, path, "modification time");
        if (st.st_nlink != n_links)
            tree_differs(t, path, "number of links");
        tree_check_xattrs(t, dir_fd, path, o->detail && o->kind == KIND_SECRET ? o->detail : NULL);
        if (t->fix && futimens(fd, times) < 0)
            t->err = -errno;
    }
    free(want);
    close(fd);
}

/* The next directory of a chain, made if it is missing. */
static int chain_step(struct tree *t, int fd, const char *name, const char *object)
{
    int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (next < 0) {
        tree_differs(t, object, "is broken");
        if (t->fix && mkdirat(fd, name, 0755) == 0)
            next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    return next;
}

/* Nothing but the one expected name may be there. */
static void chain_entries(struct tree *t, int fd, const char *only, const char *object)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *e;

    if (!d)
        return;
    while ((e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            strcmp(e->d_name, only) == 0)
            continue;
        tree_differs(t, object, "has a new entry");
        if (t->fix)
            tree_remove_at(fd, e->d_name);
    }
    closedir(d);
}

void tree_check_chain(struct tree *t, const struct chain *ch)
{
    struct object leaf = {ch->object, KIND_PUBLIC, NULL};
    int fd = openat(t->fd, ch->object, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), next;
    char name[256];

    chain_name(ch, name);
    for (size_t i = 0; fd >= 0 && i < ch->depth; i++) {
        chain_entries(t, fd, name, ch->object);
        next = chain_step(t, fd, name, ch->object);
        close(fd);
        fd = next;
    }
    if (fd < 0)
        return;
    chain_entries(t, fd, CHAIN_LEAF, ch->object);
    if (faccessat(fd, CHAIN_LEAF, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
        tree_differs(t, ch->object, "its file is gone");
        next = t->fix ? openat(fd, CHAIN_LEAF, O_WRONLY | O_CREAT | O_CLOEXEC, 0644) : -1;
        if (next >= 0)
            close(next);
    }
    tree_check_file(t, fd, CHAIN_LEAF, &leaf, 1);
    close(fd);
}

/* Removes a tree without following links and without crossing into a mount. */
static bool remove_dir(int dir_fd, const char *name)
{
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                           .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS};
    int fd = (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;
    bool ok = true;

    if (!d)
        return false;
    while ((e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            ok &= tree_remove_at(fd, e->d_name);
    closedir(d);
    return ok && unlinkat(dir_fd, name, AT_REMOVEDIR) == 0;
}

bool tree_remove_at(int dir_fd, const char *path)
{
    if (unlinkat(dir_fd, path, 0) == 0 || errno == ENOENT)
        return true;
    if (errno == EISDIR)
        return remove_dir(dir_fd, path);
    return false;
}

bool tree_remove(const char *path)
{
    char *parent = parent_of(path);
    int dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    bool ok = dir >= 0 && tree_remove_at(dir, leaf_of(path));

    if (dir >= 0)
        close(dir);
    free(parent);
    return ok;
}

int tree_copy_file(const char *from, const char *to)
{
    int in = open(from, O_RDONLY | O_CLOEXEC), out, r = 0;
    char buf[65536];
    ssize_t n;

    if (in < 0)
        return -errno;
    unlink(to);
    out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    if (out < 0) {
        r = -errno;
        close(in);
        return r;
    }
    while ((n = read(in, buf, sizeof(buf))) > 0)
        if (write(out, buf, (size_t)n) != n)
            break;
    if (n != 0)
        r = errno ? -errno : -EIO;
    close(in);
    if (close(out) < 0 && r == 0)
        r = -errno;
    return r;
}
