// SPDX-License-Identifier: Apache-2.0
#include "schedule/group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "schedule/affinity.h"

#define PERIOD_US 100000u // the usual one of cpu.max
#define BFQ_MAX   1000u   // Documentation/block/bfq-iosched.rst
#define TEXT_MAX  ((size_t)1 << 20)
#define ROUNDS    16 // to send threads back: they make further ones meanwhile

static const struct {
    const char *file, *controller;
    uint32_t bit;
} files[GROUP_FILES] = {
    [GROUP_WEIGHT] = {"cpu.weight", "cpu", SCHEDULE_WEIGHT},
    [GROUP_QUOTA] = {"cpu.max", "cpu", SCHEDULE_QUOTA},
    [GROUP_CPUS] = {"cpuset.cpus", "cpuset", SCHEDULE_CPUS},
    [GROUP_BFQ] = {"io.bfq.weight", "io", SCHEDULE_IO_WEIGHT},
    [GROUP_IO] = {"io.weight", "io", SCHEDULE_IO_WEIGHT},
};

const char *group_file_name(enum group_file file)
{
    return files[file].file;
}

bool group_file_optional(enum group_file file)
{
    return file == GROUP_BFQ;
}

uint32_t group_file_bit(enum group_file file)
{
    return files[file].bit;
}

void group_wanted(const struct schedule *rule, enum group_file file, char ret[GROUP_VALUE])
{
    switch (file) {
    case GROUP_WEIGHT: (void)snprintf(ret, GROUP_VALUE, "%u", rule->weight); break;
    case GROUP_QUOTA:
        (void)snprintf(ret, GROUP_VALUE, "%llu %u",
                       (unsigned long long)rule->quota_permille * PERIOD_US / 1000, PERIOD_US);
        break;
    case GROUP_CPUS: (void)snprintf(ret, GROUP_VALUE, "%s", rule->cpus); break;
    case GROUP_BFQ:
        (void)snprintf(ret, GROUP_VALUE, "default %u", MIN(rule->io_weight, BFQ_MAX));
        break;
    case GROUP_IO: (void)snprintf(ret, GROUP_VALUE, "default %u", rule->io_weight); break;
    case GROUP_FILES: break;
    }
}

// CPUs as a set, since "0,1" and "0-1" are the same.
#define SET_CPUS 8192
static void set_of(const char *text, uint8_t set[SET_CPUS / 8])
{
    memset(set, 0, SET_CPUS / 8);
    while (*text >= '0' && *text <= '9') {
        char *end;
        unsigned long from = strtoul(text, &end, 10), to = from;

        if (*end == '-')
            to = strtoul(end + 1, &end, 10);
        for (unsigned long i = from; i <= to && i < SET_CPUS; i++)
            set[i / 8] |= (uint8_t)(1u << i % 8);
        text = *end == ',' ? end + 1 : end;
    }
}

int group_same(enum group_file file, const char *has, const char *wanted)
{
    uint8_t a[SET_CPUS / 8], b[SET_CPUS / 8];

    if (file == GROUP_IO || file == GROUP_BFQ) // lines for devices may follow
        return strncmp(has, wanted, strlen(wanted)) == 0 &&
               (has[strlen(wanted)] == '\0' || has[strlen(wanted)] == '\n');
    if (file != GROUP_CPUS)
        return streq(has, wanted);
    set_of(has, a);
    set_of(wanted, b);
    return memcmp(a, b, sizeof(a)) == 0;
}

static int path_of(const char *root, const char *group, const char *file, char *ret, size_t size)
{
    int n = snprintf(ret, size, "%s%s/%s", root, streq(group, "/") ? "" : group, file);

    return n > 0 && (size_t)n < size ? 0 : -ENAMETOOLONG;
}

static int dir_of(const char *root, const char *group, char *ret, size_t size)
{
    int n = snprintf(ret, size, "%s%s", root, group);

    return n > 0 && (size_t)n < size ? 0 : -ENAMETOOLONG;
}

static int read_text(const char *root, const char *group, const char *file, char **ret)
{
    char path[GROUP_PATH_MAX + 128];
    int r = path_of(root, group, file, path, sizeof(path));

    return r < 0 ? r : read_file_bounded(AT_FDCWD, path, TEXT_MAX, ret, NULL);
}

static int write_text(const char *root, const char *group, const char *file, const char *text)
{
    char path[GROUP_PATH_MAX + 128];
    _cleanup_close_ int fd = -1;
    int r = path_of(root, group, file, path, sizeof(path));

    if (r < 0)
        return r;
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    // An empty text has to be written, too.
    return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

int group_read(const char *root, const char *group, enum group_file file, char ret[GROUP_VALUE])
{
    _cleanup_free_ char *text = NULL;
    int r = read_text(root, group, files[file].file, &text);

    if (r < 0)
        return r;
    text[strcspn(text, "\n")] = '\0';
    (void)snprintf(ret, GROUP_VALUE, "%s", text);
    return 0;
}

int group_write(const char *root, const char *group, enum group_file file, const char *text)
{
    // No CPUs at all are a line without any.
    return write_text(root, group, files[file].file, *text ? text : "\n");
}

static bool has_word(const char *text, const char *word)
{
    size_t len = strlen(word);

    for (const char *p = text; (p = strstr(p, word)); p += len)
        if ((p == text || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\n' || p[len] == '\0'))
            return true;
    return false;
}

// One controller for the children of one group.
static int enable_in(const char *root, const char *group, const char *controller, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    char word[32];
    int r = read_text(root, group, "cgroup.subtree_control", &text);

    if (r == 0 && has_word(text, controller))
        return 0;
    (void)snprintf(word, sizeof(word), "+%s", controller);
    r = r < 0 ? r : write_text(root, group, "cgroup.subtree_control", word);
    if (r < 0)
        return error_set(err, r, "controller %s cannot be switched on beneath control group %s: %s",
                         controller, group, strerror(-r));
    return 0;
}

// Calls for the root, then for each group on the way to `group` itself, without it.
static int enable_above(const char *root, const char *group, const char *controller,
                        struct error *err)
{
    char at[GROUP_PATH_MAX];
    int r;

    if (streq(group, "/"))
        return 0;
    r = enable_in(root, "/", controller, err);
    for (const char *slash = strchr(group + 1, '/'); r == 0 && slash;
         slash = strchr(slash + 1, '/')) {
        (void)snprintf(at, sizeof(at), "%.*s", (int)(slash - group), group);
        r = enable_in(root, at, controller, err);
    }
    return r;
}

int group_enable(const char *root, const char *group, uint32_t set, struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < GROUP_FILES && r == 0; i++)
        if (set & files[i].bit)
            r = enable_above(root, group, files[i].controller, err);
    return r;
}

static int child_path(const char *parent, const char *name, char ret[GROUP_PATH_MAX])
{
    int n = snprintf(ret, GROUP_PATH_MAX, "%s/%s", streq(parent, "/") ? "" : parent, name);

    return n > 0 && n < GROUP_PATH_MAX ? 0 : -ENAMETOOLONG;
}

int group_make(const char *root, const char *parent, const char *name, uint32_t set,
               struct error *err)
{
    _cleanup_free_ char *type = NULL;
    char child[GROUP_PATH_MAX], path[GROUP_PATH_MAX + 64];
    int r = child_path(parent, name, child);

    r = r < 0 ? r : dir_of(root, child, path, sizeof(path));
    if (r < 0)
        return error_set(err, r, "control group %s: %s", parent, strerror(-r));
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return error_set(err, -errno, "control group %s cannot be made: %m", child);
    // Before any controller is on beneath the parent: while it has processes, only those of threads may be.
    r = read_text(root, child, "cgroup.type", &type);
    if (r == 0 && !has_word(type, "threaded"))
        r = write_text(root, child, "cgroup.type", "threaded");
    if (r < 0)
        (void)error_set(err, r, "control group %s cannot hold single processes: %s", child,
                        strerror(-r));
    r = r < 0 ? r : group_enable(root, child, set, err);
    if (r < 0)
        (void)rmdir(path);
    return r;
}

int group_move(const char *root, const char *group, uint32_t pid, bool own_cpus)
{
    _cleanup_(affinities_done) struct affinities before = {};
    char text[16];
    int r;

    // Without them it is moved all the same.
    if (own_cpus)
        (void)affinities_read(pid, &before);
    (void)snprintf(text, sizeof(text), "%u", pid);
    r = write_text(root, group, "cgroup.procs", text);
    if (r == 0)
        affinities_put_back(&before);
    return r;
}

int group_remove_empty(const char *root, const char *parent, const char *name)
{
    char child[GROUP_PATH_MAX], path[GROUP_PATH_MAX + 64];
    int r = child_path(parent, name, child);

    r = r < 0 ? r : dir_of(root, child, path, sizeof(path));
    if (r < 0)
        return r;
    return rmdir(path) < 0 && errno != ENOENT ? -errno : 0;
}

// One thread to another group; its CPUs are those that the group it leaves gave it, or its own.
static void move_thread(const char *root, const char *group, const char *tid, bool own_cpus)
{
    struct affinity before;
    bool known = own_cpus && affinity_read((uint32_t)strtoul(tid, NULL, 10), &before) == 0;

    if (write_text(root, group, "cgroup.threads", tid) == 0 && known)
        affinity_put_back(&before);
}

int group_remove(const char *root, const char *parent, const char *name, uint32_t set)
{
    char child[GROUP_PATH_MAX];
    int r = child_path(parent, name, child);

    for (int round = 0; round < ROUNDS && r == 0; round++) {
        _cleanup_free_ char *text = NULL;

        r = group_remove_empty(root, parent, name);
        if (r != -EBUSY)
            return r;
        r = read_text(root, child, "cgroup.threads", &text);
        for (char *line = text, *end; r == 0 && line && *line; line = end) {
            end = line + strcspn(line, "\n");
            end += *end == '\n' ? (*end = '\0', 1) : 0;
            move_thread(root, parent, line, !(set & SCHEDULE_CPUS));
        }
    }
    return r < 0 ? r : -EBUSY;
}

int group_of(const char *proc, uint32_t pid, char ret[GROUP_PATH_MAX])
{
    _cleanup_free_ char *text = NULL;
    const char *line;
    char path[64];
    int r;

    (void)snprintf(path, sizeof(path), "%s/%u/cgroup", proc, pid);
    r = read_file_bounded(AT_FDCWD, path, TEXT_MAX, &text, NULL);
    if (r < 0)
        return r == -ENOENT ? -ESRCH : r;
    line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
    if (!line)
        return -ENOENT;
    line += (*line == '\n') + 3;
    if ((size_t)snprintf(ret, GROUP_PATH_MAX, "%.*s", (int)strcspn(line, "\n"), line) >=
        GROUP_PATH_MAX)
        return -ENAMETOOLONG;
    return *ret == '/' ? 0 : -ENOENT;
}

int group_id(const char *root, const char *group, uint64_t *ret_id)
{
    char path[GROUP_PATH_MAX + 64];
    struct stat st;
    int r = path_of(root, group, ".", path, sizeof(path));

    if (r < 0)
        return r;
    if (stat(path, &st) < 0)
        return -errno;
    *ret_id = st.st_ino;
    return 0;
}
