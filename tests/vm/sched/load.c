// SPDX-License-Identifier: Apache-2.0
//
// Loads whose scheduling is known, and a program that says how it is scheduled before it does anything else.
//
//   sg-load hog SECONDS        one thread that never sleeps; then "hog NANOSECONDS-OF-CPU"
//   sg-load threads N MS       N threads, one after the other, each busy for MS and then asleep as long; then as hog
//   sg-load together N         N threads that all run when their process ends; before, its number
//   sg-load nap MS SECONDS     sleeps MS, again and again
//   sg-load wait SECONDS       two threads: one holds a lock that the other waits for
//   sg-load read FILE SECONDS  one thread that reads past the page cache, again and again
//   sg-load stream FILE SECONDS  the same, with 16 requests under way all the time
//   sg-load stopped            stops itself
//   sg-load parent SECONDS     waits, uninterruptibly, for a child that holds it up as vfork(2) does
//   sg-load as UID SECONDS     acts as that user for so long, then again as who it was, without another program
//   sg-load many N SECONDS     N children that sleep
//   sg-load forks N            N children that end at once, one after the other
//   sg-load switch N           two processes that hand a byte to each other; then "switch NANOSECONDS" of one hand-over
//   sg-load who                policy, nice, priority, CPUs, I/O class, control group of this process; what main() sees first
//   sg-load who-child          the same of a child that it forks
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/macro.h"

static double now(clockid_t clock)
{
    struct timespec t;

    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void nap(double seconds)
{
    struct timespec t = {.tv_sec = (time_t)seconds,
                         .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};

    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        ;
}

static int hog(double seconds)
{
    double end = now(CLOCK_MONOTONIC) + seconds;
    volatile unsigned long spin = 0;

    while (now(CLOCK_MONOTONIC) < end)
        for (int i = 0; i < 1000; i++)
            spin++;
    return printf("hog %.0f\n", now(CLOCK_PROCESS_CPUTIME_ID) * 1e9) < 0;
}

static void *busy_then_asleep(void *arg)
{
    double seconds = *(double *)arg, end = now(CLOCK_THREAD_CPUTIME_ID) + seconds;

    while (now(CLOCK_THREAD_CPUTIME_ID) < end)
        ;
    for (int i = 0; i < 5; i++)
        nap(seconds / 5);
    return NULL;
}

static int threads(long n, double ms)
{
    double seconds = ms / 1e3;
    pthread_t thread;

    for (long i = 0; i < n; i++)
        if (pthread_create(&thread, NULL, busy_then_asleep, &seconds) != 0 ||
            pthread_join(thread, NULL) != 0)
            return 1;
    return printf("threads %.0f\n", now(CLOCK_PROCESS_CPUTIME_ID) * 1e9) < 0;
}

static int naps(double ms, double seconds)
{
    double end = now(CLOCK_MONOTONIC) + seconds;

    while (now(CLOCK_MONOTONIC) < end)
        nap(ms / 1e3);
    return 0;
}

static atomic_long running;

static void *run_on(void *arg)
{
    (void)arg;
    running++;
    for (;;)
        ;
    return NULL;
}

static int together(long n)
{
    pthread_t thread;

    if (printf("%d\n", getpid()) < 0 || fflush(stdout) != 0)
        return 1;
    for (long i = 0; i < n; i++)
        if (pthread_create(&thread, NULL, run_on, NULL) != 0)
            return 1;
    while (running < n)
        (void)sched_yield();
    _exit(0);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void *wait_for_lock(void *arg)
{
    (void)pthread_mutex_lock(&mutex);
    (void)pthread_mutex_unlock(&mutex);
    return arg;
}

static int waits(double seconds)
{
    pthread_t thread;

    (void)pthread_mutex_lock(&mutex);
    if (pthread_create(&thread, NULL, wait_for_lock, NULL))
        return 1;
    nap(seconds);
    (void)pthread_mutex_unlock(&mutex);
    return pthread_join(thread, NULL);
}

#define READ_SIZE 4096
#define READ_OVER ((off_t)16 << 20) // of the file

static int reads(const char *path, double seconds)
{
    double end = now(CLOCK_MONOTONIC) + seconds;
    int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
    void *buffer = NULL;

    if (fd < 0 || posix_memalign(&buffer, READ_SIZE, READ_SIZE) != 0)
        return 1;
    for (off_t at = 0; now(CLOCK_MONOTONIC) < end; at = (at + READ_SIZE) % READ_OVER)
        if (pread(fd, buffer, READ_SIZE, at) <= 0)
            return 1;
    free(buffer);
    return close(fd);
}

#define STREAM_DEPTH 16

// As io_submit(2) takes them: the C library has no words for these calls.
static int streams(const char *path, double seconds)
{
    double end = now(CLOCK_MONOTONIC) + seconds;
    int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
    struct iocb blocks[STREAM_DEPTH] = {}, *block;
    struct io_event done;
    aio_context_t context = 0;
    void *buffer = NULL;
    off_t at = 0;

    if (fd < 0 || posix_memalign(&buffer, READ_SIZE, READ_SIZE) != 0 ||
        syscall(SYS_io_setup, STREAM_DEPTH, &context) < 0)
        return 1;
    for (unsigned n = 0; now(CLOCK_MONOTONIC) < end; at = (at + READ_SIZE) % READ_OVER) {
        if (n < STREAM_DEPTH) {
            block = &blocks[n++];
        } else {
            if (syscall(SYS_io_getevents, context, 1, 1, &done, NULL) != 1 || done.res != READ_SIZE)
                return 1;
            block = (struct iocb *)(uintptr_t)done.obj;
        }
        *block = (struct iocb){.aio_lio_opcode = IOCB_CMD_PREAD,
                               .aio_fildes = (uint32_t)fd,
                               .aio_buf = (uintptr_t)buffer,
                               .aio_nbytes = READ_SIZE,
                               .aio_offset = at};
        if (syscall(SYS_io_submit, context, 1, &block) != 1)
            return 1;
    }
    // It waits for those that are under way.
    (void)syscall(SYS_io_destroy, context);
    free(buffer);
    return close(fd);
}

static int stopped(void)
{
    return raise(SIGSTOP);
}

static int sleeper(void *arg)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    nap(*(double *)arg);
    return 0;
}

static int parent(double seconds)
{
    static _Alignas(16) char stack[64 << 10];

    return clone(sleeper, stack + sizeof(stack), CLONE_VFORK | SIGCHLD, &seconds) < 0;
}

static int as(uid_t uid, double seconds)
{
    uid_t before = geteuid();

    if (seteuid(uid) < 0)
        return 1;
    nap(seconds);
    if (seteuid(before) < 0)
        return 1;
    nap(seconds);
    return 0;
}

static int many(long n, double seconds)
{
    for (long i = 0; i < n; i++) {
        pid_t pid = fork();

        if (pid == 0)
            _exit(sleeper(&seconds));
        if (pid < 0)
            return 1;
    }
    (void)printf("many\n");
    (void)fflush(stdout);
    nap(seconds);
    return 0;
}

static int forks(long n)
{
    for (long i = 0; i < n; i++) {
        pid_t pid = fork();

        if (pid == 0)
            _exit(0);
        if (pid < 0 || waitpid(pid, NULL, 0) != pid)
            return 1;
    }
    return 0;
}

static int hand_over(int from, int to, long n)
{
    char byte = 0;

    for (long i = 0; i < n; i++)
        if (read(from, &byte, 1) != 1 || write(to, &byte, 1) != 1)
            return 1;
    return 0;
}

static int switches(long n)
{
    int there[2], back[2], status;
    double start;
    pid_t pid;

    if (pipe(there) < 0 || pipe(back) < 0)
        return 1;
    pid = fork();
    if (pid == 0)
        _exit(hand_over(there[0], back[1], n));
    start = now(CLOCK_MONOTONIC);
    if (pid < 0 || write(there[1], "", 1) != 1 || hand_over(back[0], there[1], n - 1))
        return 1;
    if (waitpid(pid, &status, 0) != pid || status)
        return 1;
    return printf("switch %.1f\n", (now(CLOCK_MONOTONIC) - start) * 1e9 / (2.0 * (double)n)) < 0;
}

static int who(void)
{
    struct sched_param param = {};
    char group[512] = "";
    unsigned long cpus = 0;
    cpu_set_t set;
    int fd;

    (void)sched_getparam(0, &param);
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        for (int i = 0; i < 64; i++)
            cpus |= (unsigned long)(CPU_ISSET(i, &set) != 0) << i;
    fd = open("/proc/self/cgroup", O_RDONLY);
    if (fd >= 0 && read(fd, group, sizeof(group) - 1) > 0)
        group[strcspn(group, "\n")] = '\0';
    return printf("policy=%d nice=%d priority=%d cpus=%lx io=%ld cgroup=%s\n",
                  sched_getscheduler(0), getpriority(PRIO_PROCESS, 0), param.sched_priority, cpus,
                  syscall(SYS_ioprio_get, 1, 0), group) < 0;
}

int main(int argc, char **argv)
{
    double a = argc > 2 ? strtod(argv[2], NULL) : 0, b = argc > 3 ? strtod(argv[3], NULL) : 0;
    const char *what = argc > 1 ? argv[1] : "";
    int status;
    pid_t pid;

    if (streq(what, "who"))
        return who();
    if (streq(what, "hog"))
        return hog(a);
    if (streq(what, "threads"))
        return threads((long)a, b);
    if (streq(what, "together"))
        return together((long)a);
    if (streq(what, "nap"))
        return naps(a, b);
    if (streq(what, "wait"))
        return waits(a);
    if (streq(what, "read"))
        return reads(argc > 2 ? argv[2] : "", b);
    if (streq(what, "stream"))
        return streams(argc > 2 ? argv[2] : "", b);
    if (streq(what, "stopped"))
        return stopped();
    if (streq(what, "parent"))
        return parent(a);
    if (streq(what, "as"))
        return as((uid_t)a, b);
    if (streq(what, "many"))
        return many((long)a, b);
    if (streq(what, "switch"))
        return switches((long)a);
    if (streq(what, "forks"))
        return forks((long)a);
    if (streq(what, "who-child")) {
        pid = fork();
        if (pid == 0)
            return who();
        return waitpid(pid, &status, 0) != pid || status;
    }
    return 2;
}
