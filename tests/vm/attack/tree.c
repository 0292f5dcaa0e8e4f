// SPDX-License-Identifier: Apache-2.0
/* The tree that is attacked: objects.def says what it holds. One pass over that table serves
 * setup, the check after a way and the repair: whatever differs is counted, named and, if asked,
 * put right. Objects are repaired in place, so that hard links from before the policy stay the
 * same inode. */
#include "tree.h"
#include "attack.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

const struct object objects[] = {
#define OBJ(path, kind, detail) {path, KIND_##kind, detail},
#include "objects.def"
#undef OBJ
};
const size_t n_objects = ARRAY_LEN(objects);

/* a/b/…: 100 and 300 levels; 20 names of 255 bytes make a path that no PATH_MAX holds */
static const struct chain chains[] = {
    {"vault/tree/chain100", 100, 1},
    {"vault/tree/chain300", 300, 1},
    {"vault/tree/long", 20, 255},
    {"open/long", 20, 255},
};

const struct chain *chain_find(const char *object)
{
    for (size_t i = 0; i < ARRAY_LEN(chains); i++)
        if (strcmp(chains[i].object, object) == 0)
            return &chains[i];
    return NULL;
}

void chain_name(const struct chain *ch, char ret[256])
{
    memset(ret, 'd', ch->name_len);
    ret[ch->name_len] = 0;
}

char *tree_object(const char *root, const char *object)
{
    const struct chain *ch = chain_find(object);
    char name[256];
    size_t len, at;
    char *path;

    if (strcmp(object, ".") == 0)
        return fmt("%s", root);
    if (strcmp(object, "..") == 0)
        return parent_of(root);
    if (!ch)
        return fmt("%s/%s", root, object);
    chain_name(ch, name);
    len = strlen(root) + strlen(object) + 3 + ch->depth * (ch->name_len + 1) + sizeof(CHAIN_LEAF);
    path = malloc(len);
    if (!path)
        abort();
    at = (size_t)snprintf(path, len, "%s/%s", root, object);
    for (size_t i = 0; i < ch->depth; i++)
        at += (size_t)snprintf(path + at, len - at, "/%s", name);
    snprintf(path + at, len - at, "/%s", CHAIN_LEAF);
    return path;
}

void tree_differs(struct tree *t, const char *path, const char *why)
{
    if (t->n_diff++ == 0 && t->what)
        snprintf(t->what, t->what_size, "%s: %s", path, why);
}

static void tree_error(struct tree *t, const char *path, const char *what)
{
    if (t->err == 0)
        t->err = -errno;
    fprintf(stderr, "sg-attack: %s/%s: cannot %s: %s\n", t->root, path, what, strerror(errno));
}

static const struct object *object_find(const char *path)
{
    for (size_t i = 0; i < n_objects; i++)
        if (strcmp(objects[i].path, path) == 0)
            return &objects[i];
    return NULL;
}

/* The other name that setup gave the file, if any. */
static const struct object *link_of(const char *path)
{
    for (size_t i = 0; i < n_objects; i++)
        if (objects[i].kind == KIND_LINK && strcmp(objects[i].detail, path) == 0)
            return &objects[i];
    return NULL;
}

static mode_t kind_type(enum kind k)
{
    switch (k) {
    case KIND_DIR:
    case KIND_LOOSE:
    case KIND_CHAIN: return S_IFDIR;
    case KIND_FIFO: return S_IFIFO;
    case KIND_CHAR: return S_IFCHR;
    default: return S_IFREG;
    }
}

/* Makes a missing object, empty; a file that has another name gets that one back. */
static int object_make(struct tree *t, const struct object *o)
{
    const struct object *alias = link_of(o->path);
    int fd;

    switch (kind_type(o->kind)) {
    case S_IFDIR: return mkdirat(t->fd, o->path, 0755);
    case S_IFIFO: return mknodat(t->fd, o->path, S_IFIFO | 0644, 0);
    case S_IFCHR: return mknodat(t->fd, o->path, S_IFCHR | 0644, 0x103); /* null */
    default: break;
    }
    if (alias && linkat(t->fd, alias->path, t->fd, o->path, 0) == 0)
        return 0;
    fd = openat(t->fd, o->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

static void check_link(struct tree *t, const struct object *o)
{
    struct stat a, b;

    if (fstatat(t->fd, o->path, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
        fstatat(t->fd, o->detail, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_ino == b.st_ino &&
        a.st_dev == b.st_dev)
        return;
    tree_differs(t, o->path, "is not the old hard link any more");
    if (!t->fix)
        return;
    tree_remove_at(t->fd, o->path);
    if (linkat(t->fd, o->detail, t->fd, o->path, 0) < 0)
        tree_error(t, o->path, "link");
}

static void check_node(struct tree *t, const struct object *o, const struct stat *st)
{
    mode_t mode = o->kind == KIND_TINY || o->kind == KIND_NEEDS || o->kind == KIND_SCRIPT ||
                          kind_type(o->kind) == S_IFDIR
                      ? 0755
                      : 0644;

    if ((st->st_mode & 07777) != mode) {
        tree_differs(t, o->path, "mode");
        if (t->fix && fchmodat(t->fd, o->path, mode, 0) < 0)
            tree_error(t, o->path, "chmod");
    }
    if (st->st_uid != t->uid || st->st_gid != t->gid) {
        tree_differs(t, o->path, "owner");
        if (t->fix && fchownat(t->fd, o->path, t->uid, t->gid, AT_SYMLINK_NOFOLLOW) < 0)
            tree_error(t, o->path, "chown");
    }
}

static void check_object(struct tree *t, const struct object *o)
{
    struct stat st;

    if (o->kind == KIND_LINK) {
        check_link(t, o);
        return;
    }
    if (fstatat(t->fd, o->path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        (st.st_mode & S_IFMT) != kind_type(o->kind)) {
        tree_differs(t, o->path, "is gone or of another type");
        if (!t->fix)
            return;
        tree_remove_at(t->fd, o->path);
        if (object_make(t, o) < 0 || fstatat(t->fd, o->path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
            tree_error(t, o->path, "make it");
            return;
        }
    }
    if (kind_type(o->kind) != S_IFIFO && kind_type(o->kind) != S_IFCHR)
        tree_check_flags(t, t->fd, o->path);
    check_node(t, o, &st);
    if (kind_type(o->kind) == S_IFREG)
        tree_check_file(t, t->fd, o->path, o, link_of(o->path) ? 2 : 1);
    else
        tree_check_xattrs(t, t->fd, o->path, NULL);
    if (o->kind == KIND_CHAIN)
        tree_check_chain(t, chain_find(o->path));
}

/* Finds what the table does not know. */
static void check_entries(struct tree *t, const struct object *o)
{
    int fd = openat(t->fd, o->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct dirent *e;
    DIR *d;

    if (fd < 0)
        return; /* check_object said so */
    d = fdopendir(fd);
    if (!d) {
        close(fd);
        return;
    }
    while ((e = readdir(d))) {
        char path[4096];

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s", o->path, e->d_name);
        if (object_find(path))
            continue;
        tree_differs(t, path, "is new");
        if (t->fix)
            tree_remove_at(t->fd, path);
    }
    closedir(d);
}

static int tree_pass(const char *root, bool fix, char *what, size_t size)
{
    struct tree t = {.root = root,
                     .fix = fix,
                     .what = what,
                     .what_size = size,
                     .uid = getuid(),
                     .gid = getgid()};

    if (tree_nonce(root, t.nonce) < 0)
        return -errno;
    t.fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t.fd < 0)
        return -errno;
    /* What was moved elsewhere goes before its place is filled again. */
    for (size_t i = 0; i < n_objects; i++)
        if (objects[i].kind == KIND_DIR)
            check_entries(&t, &objects[i]);
    for (size_t i = 0; i < n_objects; i++)
        check_object(&t, &objects[i]);
    close(t.fd);
    return t.err < 0 ? t.err : (int)t.n_diff;
}

int tree_verify(const char *root, bool fix, char *ret_what, size_t size)
{
    return tree_pass(root, fix, ret_what, size);
}

int tree_nonce(const char *root, char ret[NONCE_LEN + 1])
{
    char path[4096];
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "%s/nonce", root);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    n = read(fd, ret, NONCE_LEN);
    close(fd);
    if (n != NONCE_LEN) {
        errno = EINVAL;
        return -1;
    }
    ret[NONCE_LEN] = 0;
    return 0;
}

static int make_nonce(const char *root)
{
    unsigned char raw[NONCE_LEN / 2];
    char text[NONCE_LEN + 1], path[4096];
    int fd, r;

    if (tree_nonce(root, text) == 0)
        return 0;
    if (getrandom(raw, sizeof(raw), 0) != sizeof(raw))
        return -1;
    for (size_t i = 0; i < sizeof(raw); i++)
        snprintf(text + 2 * i, 3, "%02x", raw[i]);
    snprintf(path, sizeof(path), "%s/nonce", root);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return -1;
    r = write(fd, text, NONCE_LEN) == NONCE_LEN ? 0 : -1;
    close(fd);
    return r;
}

int tree_setup(const char *root, const char *self)
{
    char exempt[4096], what[256];
    int fd, r;

    if ((mkdir(root, 0755) < 0 && errno != EEXIST) || make_nonce(root) < 0)
        return -errno;
    r = tree_pass(root, true, NULL, 0);
    if (r < 0)
        return r;
    snprintf(exempt, sizeof(exempt), "%s/bin/sg-exempt", root);
    r = tree_copy_file(self, exempt);
    if (r < 0)
        return r;
    fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || syncfs(fd) < 0) /* swapon(2) wants its blocks allocated */
        return -errno;
    close(fd);
    r = tree_pass(root, false, what, sizeof(what));
    if (r > 0) {
        fprintf(stderr, "sg-attack: the new tree is not as it should be: %s\n", what);
        return -EIO;
    }
    return r;
}
