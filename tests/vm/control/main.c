// SPDX-License-Identifier: Apache-2.0
//
// sg-control: the ways of ways.def, each in a process of its own.
//
//   sg-control list              one line a way: id, since, error, kind, argument, outcome, with tabs between
//   sg-control prepare DIR       what they need there
//   sg-control cost N            uses a capability N times, says what one costs in nanoseconds
//   sg-control run DIR [PART]    runs them, those whose id has PART in it; one line a way: id, process, errno, with tabs
#include "control.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

static const struct {
    const char *id;
    way_fn function;
    int since, error;
    const char *kind, *argument, *outcome;
} ways[] = {
#define WAY(id, function, since, error, kind, argument, outcome) \
    {#id, function, since, error, #kind, argument, outcome},
#include "ways.def"
};
#define N_WAYS (sizeof(ways) / sizeof(ways[0]))

static int list(void)
{
    for (size_t i = 0; i < N_WAYS; i++)
        printf("%s\t%d\t%d\t%s\t%s\t%s\n", ways[i].id, ways[i].since, ways[i].error, ways[i].kind,
               ways[i].argument, ways[i].outcome);
    return 0;
}

static int put_file(const char *name, const void *bytes, size_t len, mode_t mode)
{
    int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0700), r = 0;

    if (fd < 0 || write(fd, bytes, len) != (ssize_t)len || fchmod(fd, mode) < 0)
        r = -1;
    if (fd >= 0)
        close(fd);
    return r;
}

static int copy_file(const char *from, const char *to, uid_t uid, gid_t gid, mode_t mode)
{
    static char bytes[16 << 20];
    int fd = open(from, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));

    if (fd >= 0)
        close(fd);
    if (len < 0 || put_file(to, bytes, (size_t)len, 0700) < 0 || chown(to, uid, gid) < 0)
        return -1;
    return chmod(to, mode);
}

/* What is no module, packed as one may be: 4,096 bytes, the first four those of an ELF. By xz --check=crc32. */
static const char packed[] =
    "\375\067\172\130\132\000\000\001\151\042\336\066\002\000\041\001\010\000\000\000"
    "\330\017\043\023\340\017\377\000\036\135\000\077\221\105\204\150\063\151\242\243"
    "\210\104\077\250\257\030\351\174\240\074\000\000\123\113\057\276\235\107\245\210"
    "\350\000\000\000\002\202\177\136\000\001\066\200\040\000\000\000\301\057\242\000"
    "\076\060\015\213\002\000\000\000\000\001\131\132";

#define ID_TYPE 10 /* of the signature, before its end (struct module_signature) */
#define PKCS7   2

/*
 * Bytes that end as a signed module does, and are none: by a kind of key that there is not, and by a signature that cannot be read,
 * which the kernel refuses before it asks anybody.
 */
static int put_modules(void)
{
    static char image[4096] = "\177ELF";
    static const char mark[] = "~Module signature appended~\n";
    char *end = image + sizeof(image) - (sizeof(mark) - 1);

    memcpy(end, mark, sizeof(mark) - 1);
    if (put_file("sg-strange.ko", image, sizeof(image), 0600) < 0)
        return -1;
    end[-ID_TYPE] = PKCS7;
    if (put_file("sg-denied.ko", image, sizeof(image), 0600) < 0 ||
        put_file("sg-other.ko", image, sizeof(image), 0600) < 0)
        return -1;
    image[sizeof(image) - 2] = '!';
    if (put_file("sg-plain.ko", image, sizeof(image), 0600) < 0)
        return -1;
    return put_file("sg-packed.ko.xz", packed, sizeof(packed) - 1, 0600);
}

static int prepare(const char *dir)
{
    if ((mkdir(dir, 0755) < 0 && errno != EEXIST) || chdir(dir) < 0)
        return 1;
    mkdir("a", 0755);
    mkdir("b", 0755);
    mkdir("m", 0755);
    if (put_modules() < 0 || copy_file("/proc/self/exe", "setuid", 4242, 0, 04755) < 0 ||
        copy_file("/proc/self/exe", "setgid", 0, 4242, 02755) < 0 ||
        copy_file("/proc/self/exe", "code", 0, 0, 0755) < 0 ||
        copy_file("/proc/self/exe", "guarded", 0, 0, 0755) < 0)
        return 1;
    return mount("none", "m", "ramfs", 0, NULL) < 0 || mount(NULL, "m", NULL, MS_PRIVATE, NULL) < 0;
}

static pid_t start_other(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
        handle(SIGUSR1, SIG_IGN);
        handle(SIGUSR2, SIG_IGN);
        setpgid(0, 0);
        for (;;)
            pause();
    }
    setpgid(pid, pid);
    return pid;
}

static int run_one(size_t i, const struct way_ctx *c)
{
    int status;
    pid_t pid = fork();

    if (pid < 0)
        return 1;
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(ways[i].function(c));
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    printf("%s\t%d\t%d\n", ways[i].id, pid,
           WIFEXITED(status)             ? WEXITSTATUS(status)
           : WTERMSIG(status) == SIGKILL ? 255
                                         : 254);
    fflush(stdout);
    return 0;
}

static int run(const char *dir, const char *part)
{
    struct way_ctx c = {.dir = dir, .other = start_other()};

    if (chdir(dir) < 0 || c.other < 0)
        return 1;
    for (size_t i = 0; i < N_WAYS; i++)
        if (!part || strstr(ways[i].id, part))
            run_one(i, &c);
    kill(c.other, SIGKILL);
    return 0;
}

/* A capability that is there is asked for, and nothing is done: there is no capability with this number. */
static int cost(long n)
{
    struct timespec start, end;
    double ns;

    for (int turn = 0; turn < 2; turn++) {
        clock_gettime(CLOCK_MONOTONIC, &start);
        for (long i = 0; i < n; i++)
            if (prctl(PR_CAPBSET_DROP, 63) == 0 || errno != EINVAL)
                return 1;
        clock_gettime(CLOCK_MONOTONIC, &end);
    }
    ns = (double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec);
    printf("%.0f\n", ns / (double)n);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "list") == 0)
        return list();
    if (argc == 3 && strcmp(argv[1], "prepare") == 0)
        return prepare(argv[2]);
    if (argc == 3 && strcmp(argv[1], "cost") == 0)
        return cost(strtol(argv[2], NULL, 10));
    if (argc >= 3 && strcmp(argv[1], "run") == 0)
        return run(argv[2], argc > 3 ? argv[3] : NULL);
    if (argc == 2 && strcmp(argv[1], "nothing") == 0)
        return 0;
    if (argc == 2 && strcmp(argv[1], "wait") == 0)
        return wait_for_signals();
    if (argc == 2 && strcmp(argv[1], "child") == 0)
        return wait_as_child();
    fprintf(stderr, "usage: sg-control list | prepare DIR | run DIR [PART]\n");
    return 2;
}
