// SPDX-License-Identifier: Apache-2.0
#include "process/users.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/sort.h"
#include "base/strutil.h"

#define FILE_MAX     (8u << 20) // bytes; a larger file is taken for one without names
#define NAME_LEN_MAX 256u       // LOGIN_NAME_MAX

struct name {
    uint32_t id;
    uint32_t offset, len; // in `text`
};

// One of the two files: "name:password:number:..." a line.
struct id_file {
    char *path;
    struct stat st; // zeroed: not there
    char *text;
    struct name *names; // by id, then by line
    size_t n, cap;
};

struct users {
    struct id_file passwd, group;
    uint64_t next_check_ns;
    bool loaded;
};

static void id_file_clear(struct id_file *f)
{
    free(f->text);
    free(f->names);
    f->text = NULL;
    f->names = NULL;
    f->n = f->cap = 0;
}

static int compare_names(const void *pa, const void *pb)
{
    const struct name *a = pa, *b = pb;

    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    return (a->offset > b->offset) - (a->offset < b->offset);
}

static bool id_file_add(struct id_file *f, char *line, char *end)
{
    char *colon = memchr(line, ':', (size_t)(end - line));
    char *number, *stop;
    uint32_t id;

    if (!colon || colon == line || (size_t)(colon - line) > NAME_LEN_MAX)
        return true;
    number = memchr(colon + 1, ':', (size_t)(end - colon - 1));
    if (!number)
        return true;
    number++;
    stop = memchr(number, ':', (size_t)(end - number));
    *(stop ? stop : end) = '\0';
    if (parse_u32(number, &id) < 0)
        return true;
    if (!GREEDY(f->names, f->cap, f->n + 1))
        return false;
    f->names[f->n++] = (struct name){id, (uint32_t)(line - f->text), (uint32_t)(colon - line)};
    return true;
}

// Leaves a file without names when it cannot be read: numbers are still right.
static void id_file_load(struct id_file *f)
{
    size_t len = 0;

    id_file_clear(f);
    if (read_file_bounded(AT_FDCWD, f->path, FILE_MAX, &f->text, &len) < 0)
        return;
    for (char *line = f->text, *stop = f->text + len; line < stop;) {
        char *end = memchr(line, '\n', (size_t)(stop - line));

        if (!end)
            end = stop; // the NUL after the text
        if (!id_file_add(f, line, end)) {
            id_file_clear(f);
            return;
        }
        line = end + 1;
    }
    if (f->n > 1)
        qsort(f->names, f->n, sizeof(*f->names), compare_names);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

// True when the file is another one than at the last look.
static bool id_file_changed(struct id_file *f)
{
    struct stat st;

    if (stat(f->path, &st) < 0)
        memset(&st, 0, sizeof(st));
    if (same_file(&st, &f->st))
        return false;
    f->st = st;
    return true;
}

int users_new(const char *passwd, const char *group, struct users **ret_users)
{
    _cleanup_(users_freep) struct users *u = new0(struct users, 1);

    if (!u)
        return -ENOMEM;
    u->passwd.path = strdup(passwd);
    u->group.path = strdup(group);
    if (!u->passwd.path || !u->group.path)
        return -ENOMEM;
    *ret_users = TAKE_PTR(u);
    return 0;
}

struct users *users_free(struct users *u)
{
    if (u) {
        id_file_clear(&u->passwd);
        id_file_clear(&u->group);
        free(u->passwd.path);
        free(u->group.path);
        free(u);
    }
    return NULL;
}

bool users_refresh(struct users *u, uint64_t now_ns)
{
    bool changed = false;

    if (u->loaded && now_ns < u->next_check_ns)
        return false;
    u->loaded = true;
    u->next_check_ns = now_ns + USERS_CHECK_NS;
    // The state is taken before the content: a change in between is found at the next look.
    if (id_file_changed(&u->passwd)) {
        id_file_load(&u->passwd);
        changed = true;
    }
    if (id_file_changed(&u->group)) {
        id_file_load(&u->group);
        changed = true;
    }
    return changed;
}

// The first line with that number, as getpwuid(3) has it.
static struct bytes id_file_find(const struct id_file *f, uint32_t id)
{
    size_t at = LOWER_BOUND(f->n, i, f->names[i].id < id);

    if (at == f->n || f->names[at].id != id)
        return (struct bytes){};
    return (struct bytes){f->text + f->names[at].offset, f->names[at].len};
}

struct bytes users_name(const struct users *u, uint32_t uid)
{
    return id_file_find(&u->passwd, uid);
}

struct bytes users_group(const struct users *u, uint32_t gid)
{
    return id_file_find(&u->group, gid);
}
