// SPDX-License-Identifier: Apache-2.0
#include "random.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/strutil.h"

#define DIRS   36
#define FILES  130
#define LINKED 12
#define DEPTH  5

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

struct node *model_find(struct model *m, const char *path)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->nodes[i].kind != KIND_NONE && streq(m->nodes[i].path, path))
            return &m->nodes[i];
    return NULL;
}

static struct node *add(struct model *m, const char *path, enum kind kind)
{
    struct node *node = NULL;

    for (size_t i = 0; i < m->n && !node; i++)
        if (m->nodes[i].kind == KIND_NONE)
            node = &m->nodes[i];
    if (!node && m->n < NODES_MAX)
        node = &m->nodes[m->n++];
    if (!node)
        return NULL;
    *node = (struct node){.kind = kind};
    (void)snprintf(node->path, sizeof(node->path), "%s", path);
    return node;
}

struct node *model_pick(struct model *m, struct chance *c, enum kind kind)
{
    uint32_t first = chance_below(c, (uint32_t)m->n);

    for (size_t i = 0; i < m->n; i++) {
        struct node *node = &m->nodes[(first + i) % m->n];

        if (node->kind == kind)
            return node;
    }
    return NULL;
}

bool model_linked_beneath(const struct model *m, const char *path)
{
    const size_t len = strlen(path);

    for (size_t i = 0; i < m->n; i++)
        if (m->nodes[i].kind != KIND_NONE && m->nodes[i].group &&
            strncmp(m->nodes[i].path, path, len) == 0 && m->nodes[i].path[len] == '/')
            return true;
    return false;
}

static size_t depth_of(const char *path)
{
    size_t n = 0;

    for (; *path; path++)
        n += *path == '/';
    return n;
}

bool model_free_name(struct model *m, struct chance *c, char ret_path[HAND_PATH])
{
    for (int i = 0; i < 20; i++) {
        const struct node *dir = model_pick(m, c, KIND_DIR);
        char path[HAND_PATH + 64];
        int n = snprintf(path, sizeof(path), "%s/%s", dir->path, generate_name(c));

        if (n >= HAND_PATH || depth_of(path) > DEPTH + 2 || model_find(m, path))
            continue;
        memcpy(ret_path, path, (size_t)n + 1);
        return true;
    }
    return false;
}

static int make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0777);

    // Not a program: executing it says so once it has been allowed.
    if (fd < 0 || write(fd, "junk", 4) != 4)
        return -errno;
    return close(fd);
}

static void join_group(struct model *m, struct node *a, struct node *b)
{
    struct name_group *g = &m->groups[m->n_groups];

    a->group = b->group = (uint32_t)m->n_groups++;
    *g = (struct name_group){.n = 2, .n_now = 2};
    memcpy(g->names[0], a->path, HAND_PATH);
    memcpy(g->names[1], b->path, HAND_PATH);
}

static int make_linked(struct model *m, struct chance *c)
{
    for (int i = 0; i < LINKED; i++) {
        struct node *a = model_pick(m, c, KIND_FILE), *b;
        char path[HAND_PATH];

        if (!a || a->group || !model_free_name(m, c, path))
            continue;
        if (link(a->path, path) < 0)
            return -errno;
        b = add(m, path, KIND_FILE);
        if (!b)
            return -ENOSPC;
        join_group(m, a, b);
    }
    return 0;
}

int model_make(struct model *m, struct chance *c)
{
    char path[HAND_PATH];
    int r;

    if (nftw(ROOT, remove_one, 16, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT)
        return -errno;
    *m = (struct model){.n_groups = 1};
    (void)umask(0);
    if (mkdir(ROOT, 0777) < 0)
        return -errno;
    (void)add(m, ROOT, KIND_DIR);
    for (int i = 0; i < DIRS + FILES; i++) {
        if (!model_free_name(m, c, path))
            continue;
        if (i < DIRS && depth_of(path) > DEPTH)
            continue;
        r = i < DIRS ? (mkdir(path, 0777) < 0 ? -errno : 0) : make_file(path);
        if (r < 0)
            return r;
        if (!add(m, path, i < DIRS ? KIND_DIR : KIND_FILE))
            return -ENOSPC;
    }
    return make_linked(m, c);
}

static void forget(struct model *m, struct node *node)
{
    const uint32_t group = node->group;

    if (group && --m->groups[group].n_now == 1)
        // The other name is the only one now, and worth what it says itself.
        for (size_t i = 0; i < m->n; i++)
            if (m->nodes[i].group == group)
                m->nodes[i].group = 0;
    node->kind = KIND_NONE;
}

static void move_beneath(struct model *m, const char *from, const char *to)
{
    const size_t len = strlen(from);

    for (size_t i = 0; i < m->n; i++) {
        struct node *node = &m->nodes[i];
        char path[HAND_PATH];

        if (node->kind == KIND_NONE || strncmp(node->path, from, len) != 0 ||
            (node->path[len] != '/' && node->path[len] != '\0'))
            continue;
        (void)snprintf(path, sizeof(path), "%.255s%.255s", to, node->path + len);
        memcpy(node->path, path, sizeof(path));
        if (node->group) {
            struct name_group *g = &m->groups[node->group];

            if (g->n < NAMES_MAX)
                memcpy(g->names[g->n++], path, HAND_PATH);
        }
    }
}

void model_did(struct model *m, const struct hand_order *o)
{
    struct node *node = model_find(m, o->path), *other;

    switch (o->act) {
    case ACT_CREATE: (void)add(m, o->path, KIND_FILE); break;
    case ACT_MKDIR: (void)add(m, o->path, KIND_DIR); break;
    case ACT_MKNOD:
    case ACT_SYMLINK: (void)add(m, o->path, KIND_OTHER); break;
    case ACT_UNLINK:
    case ACT_RMDIR: forget(m, node); break;
    case ACT_RENAME:
        other = model_find(m, o->path2);
        if (other)
            forget(m, other);
        move_beneath(m, o->path, o->path2);
        break;
    case ACT_LINK:
        other = add(m, o->path2, KIND_FILE);
        if (other && m->n_groups < NODES_MAX)
            join_group(m, node, other);
        break;
    default: break;
    }
}

void model_forget_names(struct model *m)
{
    for (size_t g = 1; g < m->n_groups; g++)
        m->groups[g].n = 0;
    for (size_t i = 0; i < m->n; i++) {
        struct name_group *g = &m->groups[m->nodes[i].group];

        if (m->nodes[i].kind != KIND_NONE && m->nodes[i].group)
            memcpy(g->names[g->n++], m->nodes[i].path, HAND_PATH);
    }
}
