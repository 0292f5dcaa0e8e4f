// SPDX-License-Identifier: Apache-2.0
//
// sg-bench-work: makes batches of one file operation after another, prints what one of each cost.
//
//     sg-bench-work [-cdq] [-l DIRECTORY] OPERATION:PATH...
//
// For each argument one line: operation, path, median, 1st and 9th decile over the batches, in
// nanoseconds for one operation. In a guest that counts instructions that is
// instructions. An '@' in a path stands for a running number: every repeat has a file of its own.
//
//     -c  by this thread's processor time, without what others do meanwhile (and without children)
//     -d  the kernel forgets names and inodes before the batches of each operation
//     -l  under a Landlock ruleset that allows everything beneath DIRECTORY
//     -q  fewer batches
//
// An operation that does not end as its row says ends the program: what failed has not been
// measured. A static program, so that one exec of it is the same everywhere.
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macro.h"

#define BATCHES_MAX 64
#define FILES_MAX   1024

struct target {
    const char *path; // of the batch's first operation
    const char *const *files;
    int fd;
};

struct operation {
    const char *name;
    unsigned per_batch, batches, quick;
    int open_flags; // of target.fd; -1: none
    bool numbered;  // every repeat has a file of its own
    bool again;     // of which each was met before, over a second ago
    bool (*once)(const struct target *t, unsigned i);
};

static bool once_open(const struct target *t, unsigned i)
{
    int fd = open(t->path, O_RDONLY | O_CLOEXEC);

    (void)i;
    return fd >= 0 && close(fd) == 0;
}

static bool once_open_numbered(const struct target *t, unsigned i)
{
    int fd = open(t->files[i], O_RDONLY | O_CLOEXEC);

    return fd >= 0 && close(fd) == 0;
}

static bool once_refused(const struct target *t, unsigned i)
{
    (void)i;
    return open(t->path, O_RDONLY | O_CLOEXEC) < 0 && errno == EPERM;
}

static bool once_refused_numbered(const struct target *t, unsigned i)
{
    return open(t->files[i], O_RDONLY | O_CLOEXEC) < 0 && errno == EPERM;
}

static bool once_stat(const struct target *t, unsigned i)
{
    struct stat st;

    (void)i;
    return stat(t->path, &st) == 0;
}

static bool once_read(const struct target *t, unsigned i)
{
    char byte;

    (void)i;
    return pread(t->fd, &byte, 1, 0) == 1;
}

static bool once_write(const struct target *t, unsigned i)
{
    (void)i;
    return pwrite(t->fd, "x", 1, 0) == 1;
}

// The path names a file that does not exist.
static bool once_create(const struct target *t, unsigned i)
{
    int fd = open(t->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    (void)i;
    return fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0 && unlink(t->path) == 0;
}

// The path names a copy of this program, which ends at once when it is called without arguments.
static bool once_exec(const struct target *t, unsigned i)
{
    int status;
    pid_t pid = fork();

    (void)i;
    if (pid == 0) {
        execv(t->path, (char *[]){NULL});
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

static bool once_nothing(const struct target *t, unsigned i)
{
    (void)t;
    (void)i;
    return true;
}

static const struct operation operations[] = {
    {"open", 32, 41, 11, -1, .once = once_open},
    {"open-first", 1, 64, 21, -1, .numbered = true, .once = once_open_numbered},
    {"open-many", 16, 64, 21, -1, .numbered = true, .once = once_open_numbered},
    {"open-again", 16, 64, 21, -1, .numbered = true, .again = true, .once = once_open_numbered},
    {"refused", 32, 41, 11, -1, .once = once_refused},
    {"refused-many", 16, 64, 21, -1, .numbered = true, .once = once_refused_numbered},
    {"refused-again", 16, 64, 21, -1, .numbered = true, .again = true,
     .once = once_refused_numbered},
    {"stat", 64, 41, 11, -1, .once = once_stat},
    {"read", 64, 41, 11, O_RDONLY, .once = once_read},
    {"write", 32, 41, 11, O_WRONLY, .once = once_write},
    {"create", 4, 61, 11, -1, .once = once_create},
    {"exec", 1, 61, 15, -1, .once = once_exec},
};
static const struct operation nothing = {"nothing", 1, 41, 41, -1, .once = once_nothing};

static clockid_t clock_used = CLOCK_MONOTONIC; // set once, by main()

static int64_t now(void)
{
    struct timespec ts;

    clock_gettime(clock_used, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

// Equal denials within a second are one record: waits until what follows is a record again.
static void pass_merge_window(void)
{
    struct timespec second = {.tv_sec = 1, .tv_nsec = 100 * 1000 * 1000};

    while (clock_nanosleep(CLOCK_BOOTTIME, 0, &second, &second) == EINTR)
        ;
}

// Costs of one operation in each batch, sorted. `overhead` is what reading the clock costs.
static bool measure(const struct operation *op, const struct target *t, bool quick, double overhead,
                    double *ret, unsigned *ret_n)
{
    unsigned n = quick ? op->quick : op->batches, i = 0;

    // What is met once must not be warmed up.
    for (unsigned k = 0; !op->numbered && k < op->per_batch; k++)
        if (!op->once(t, 0))
            return false;
    if (op->again) {
        for (unsigned k = 0; k < n * op->per_batch; k++)
            if (!op->once(t, k))
                return false;
        pass_merge_window();
    }
    for (unsigned b = 0; b < n; b++) {
        int64_t start = now();

        for (unsigned k = 0; k < op->per_batch; k++)
            if (!op->once(t, i++))
                return false;
        ret[b] = ((double)(now() - start) - overhead) / op->per_batch;
    }
    qsort(ret, n, sizeof(*ret), compare);
    *ret_n = n;
    return true;
}

// The files that a path with '@' stands for. After stat() the kernel knows their names, but no hook
// has seen an open.
static const char **number_files(const char *path, unsigned n)
{
    const char *at = strchr(path, '@');
    const char **files = calloc(FILES_MAX, sizeof(*files));
    struct stat st;

    if (!at || !files || n > FILES_MAX)
        return NULL;
    for (unsigned i = 0; i < n; i++) {
        char *name;

        if (asprintf(&name, "%.*s%u%s", (int)(at - path), path, i, at + 1) < 0 ||
            stat(name, &st) < 0)
            return NULL;
        files[i] = name;
    }
    return files;
}

static int drop_caches(void)
{
    _cleanup_close_ int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

    return fd < 0 || write(fd, "2", 1) != 1 ? -errno : 0;
}

static int run_one(const char *argument, bool quick, bool drop, double overhead)
{
    const char *colon = strchr(argument, ':');
    struct target t = {.path = colon ? colon + 1 : "", .fd = -1};
    double costs[BATCHES_MAX];
    const struct operation *op = NULL;
    unsigned n;

    for (size_t i = 0; colon && i < ARRAY_SIZE(operations); i++)
        if (strlen(operations[i].name) == (size_t)(colon - argument) &&
            memcmp(operations[i].name, argument, (size_t)(colon - argument)) == 0)
            op = &operations[i];
    if (!op) {
        fprintf(stderr, "sg-bench-work: %s: no such operation\n", argument);
        return -EINVAL;
    }
    if (op->numbered) {
        t.files = number_files(t.path, op->per_batch * op->batches);
        if (!t.files) {
            fprintf(stderr, "sg-bench-work: %s: %s\n", t.path, strerror(errno));
            return -errno;
        }
    }
    if (op->open_flags >= 0)
        t.fd = open(t.path, op->open_flags | O_CLOEXEC);
    if (drop && drop_caches() < 0) {
        fprintf(stderr, "sg-bench-work: the kernel's caches could not be dropped: %s\n",
                strerror(errno));
        return -errno;
    }
    if (!measure(op, &t, quick, overhead, costs, &n)) {
        fprintf(stderr, "sg-bench-work: %s: did not end as expected: %s\n", argument,
                strerror(errno));
        return -EIO;
    }
    printf("%s %s %.0f %.0f %.0f\n", op->name, t.path, costs[n / 2], costs[n / 10],
           costs[n - 1 - n / 10]);
    safe_close(t.fd);
    return 0;
}

static int landlock(const char *directory)
{
    struct landlock_ruleset_attr ruleset = {
        .handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1};
    struct landlock_path_beneath_attr beneath = {.allowed_access = ruleset.handled_access_fs};
    int fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);

    if (fd < 0)
        return -errno;
    beneath.parent_fd = open(directory, O_PATH | O_CLOEXEC);
    if (beneath.parent_fd < 0 ||
        syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        syscall(SYS_landlock_restrict_self, fd, 0) < 0)
        return -errno;
    safe_close(beneath.parent_fd);
    safe_close(fd);
    return 0;
}

int main(int argc, char **argv)
{
    bool quick = false, drop = false;
    double costs[BATCHES_MAX];
    unsigned n;
    int c, r = 0;

    if (argc <= 1)
        return 0;
    while ((c = getopt(argc, argv, "+cdql:")) != -1) {
        if (c == 'c')
            clock_used = CLOCK_THREAD_CPUTIME_ID;
        else if (c == 'q')
            quick = true;
        else if (c == 'd')
            drop = true;
        else if (c == 'l')
            r = landlock(optarg);
        else
            return 2;
        if (r < 0) {
            fprintf(stderr, "sg-bench-work: Landlock: %s\n", strerror(-r));
            return 1;
        }
    }
    if (!measure(&nothing, NULL, false, 0, costs, &n))
        return 1;
    for (double overhead = costs[n / 2]; optind < argc; optind++)
        if (run_one(argv[optind], quick, drop, overhead) < 0)
            return 1;
    return 0;
}
