// SPDX-License-Identifier: Apache-2.0
/* A known number of opens and creates as fast as possible, for tests that count records: every
 * process takes turns between opening a file that was there and creating one that was not. */
#include "attack.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXISTING 64

struct done {
    uint64_t opened, created, open_denied, create_denied, failed;
    int first_error;
};

static void count(struct done *d, int fd, uint64_t *ok, uint64_t *denied)
{
    if (fd >= 0) {
        close(fd);
        ++*ok;
    } else if (errno == EPERM || errno == EACCES) {
        ++*denied;
    } else {
        d->failed++;
        d->first_error = d->first_error ? d->first_error : errno;
    }
}

static void burst_child(int dir, unsigned number, uint64_t n, struct done *d)
{
    char name[64];

    for (uint64_t i = 0; i < n; i++) {
        if (i % 2 == 0) {
            snprintf(name, sizeof(name), "existing.%u", (unsigned)(i / 2 % EXISTING));
            count(d, openat(dir, name, O_RDONLY | O_CLOEXEC), &d->opened, &d->open_denied);
        } else {
            snprintf(name, sizeof(name), "new.%d.%u.%llu", (int)getppid(), number,
                     (unsigned long long)i);
            count(d, openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644), &d->created,
                  &d->create_denied);
        }
    }
}

/* Returns how many had to be made, or a negative errno. */
static int make_existing(int dir)
{
    char name[64];
    int made = 0;

    for (unsigned i = 0; i < EXISTING; i++) {
        int fd;

        snprintf(name, sizeof(name), "existing.%u", i);
        if (faccessat(dir, name, F_OK, 0) == 0)
            continue;
        fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0)
            return -errno;
        close(fd);
        made++;
    }
    return made;
}

static double seconds_since(const struct timespec *start)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

int burst_main(const char *path, uint64_t total, unsigned n_proc)
{
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), status, made;
    struct done *d = mmap(NULL, n_proc * sizeof(*d), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct timespec start;
    struct done t = {0};
    bool ok = true;

    made = dir < 0 ? -errno : make_existing(dir);
    if (made < 0 || d == MAP_FAILED) {
        fprintf(stderr, "sg-attack: cannot prepare %s: %s\n", path,
                strerror(made < 0 ? -made : errno));
        return 2;
    }
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (unsigned i = 0; i < n_proc; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            burst_child(dir, i, total / n_proc + (i < total % n_proc), &d[i]);
            _exit(0);
        }
        ok &= pid > 0;
    }
    while (wait(&status) > 0)
        ok &= status == 0;
    for (unsigned i = 0; i < n_proc; i++) {
        t.opened += d[i].opened;
        t.created += d[i].created;
        t.open_denied += d[i].open_denied;
        t.create_denied += d[i].create_denied;
        t.failed += d[i].failed;
        t.first_error = t.first_error ? t.first_error : d[i].first_error;
    }
    printf(
        "{\"processes\":%u,\"prepared\":%d,\"opened\":%llu,\"created\":%llu,\"open_denied\":%llu,"
        "\"create_denied\":%llu,\"failed\":%llu,\"first_error\":\"%s\",\"seconds\":%.6f}\n",
        n_proc, made, (unsigned long long)t.opened, (unsigned long long)t.created,
        (unsigned long long)t.open_denied, (unsigned long long)t.create_denied,
        (unsigned long long)t.failed, t.first_error ? strerrorname_np(t.first_error) : "",
        seconds_since(&start));
    return ok && t.failed == 0 ? 0 : 1;
}
