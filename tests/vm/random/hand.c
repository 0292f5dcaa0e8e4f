// SPDX-License-Identifier: Apache-2.0
//
// sg-hand [PROGRAM…]: makes accesses for sg-random. With programs it starts the first of them, which is given the
// rest, and waits for it: so a hand has the ancestors that a case needs. Static: copies of it run anywhere.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "hand.h"

static int opened(int fd)
{
    return fd < 0 ? errno : close(fd);
}

static int done(int result)
{
    return result < 0 ? errno : 0;
}

static int map(const char *path, int *step)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), r;
    void *p;

    if (fd < 0)
        return errno;
    *step = 1;
    p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    r = p == MAP_FAILED ? errno : munmap(p, 4096);
    (void)close(fd);
    return r;
}

static int create(const char *path)
{
    return opened(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0777));
}

static int act(const struct hand_order *o, int *step)
{
    static const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    char *const argv[] = {(char *)(uintptr_t)o->path, NULL}, *const envp[] = {NULL};

    switch (o->act) {
    case ACT_OPEN_READ: return opened(open(o->path, O_RDONLY | O_CLOEXEC));
    case ACT_OPEN_WRITE: return opened(open(o->path, O_WRONLY | O_CLOEXEC));
    case ACT_OPEN_BOTH: return opened(open(o->path, O_RDWR | O_CLOEXEC));
    case ACT_OPEN_TRUNC: return opened(open(o->path, O_WRONLY | O_TRUNC | O_CLOEXEC));
    case ACT_READDIR: return opened(open(o->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    case ACT_MMAP: return map(o->path, step);
    case ACT_EXEC: return done(execve(o->path, argv, envp));
    case ACT_TRUNCATE: return done(truncate(o->path, 4));
    case ACT_CREATE: return create(o->path);
    case ACT_MKDIR: return done(mkdir(o->path, 0777));
    case ACT_MKNOD: return done(mknod(o->path, S_IFIFO | 0777, 0));
    case ACT_SYMLINK: return done(symlink("nowhere", o->path));
    case ACT_UNLINK: return done(unlink(o->path));
    case ACT_RMDIR: return done(rmdir(o->path));
    case ACT_RENAME: return done(rename(o->path, o->path2));
    case ACT_LINK: return done(link(o->path, o->path2));
    case ACT_CHMOD: return done(chmod(o->path, 0777));
    case ACT_UTIMES: return done(utimensat(AT_FDCWD, o->path, times, 0));
    case ACT_CHOWN: return done(chown(o->path, 0, 0));
    case ACT_SETXATTR: return done(setxattr(o->path, "user.sg", "1", 1, 0));
    case ACT_REMOVEXATTR: return done(removexattr(o->path, "user.sg"));
    case ACT_SETEUID: return done(seteuid((uid_t)o->flags));
    default: return EINVAL;
    }
}

static void obey(const struct hand_order *o, struct hand_answer *a)
{
    int fds[2], status;
    pid_t pid;

    if (!o->fresh) {
        a->error = act(o, &a->step);
        return;
    }
    if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
        a->error = ENOMEM;
        return;
    }
    if (pid == 0) {
        a->error = act(o, &a->step);
        _exit(write(fds[1], a, sizeof(*a)) != sizeof(*a));
    }
    (void)close(fds[1]);
    if (read(fds[0], a, sizeof(*a)) != sizeof(*a))
        a->error = EIO;
    (void)close(fds[0]);
    (void)waitpid(pid, &status, 0);
    a->killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static int serve(void)
{
    struct hand_order o;

    (void)umask(0);
    while (read(HAND_FD, &o, sizeof(o)) == sizeof(o)) {
        struct hand_answer a = {0};

        obey(&o, &a);
        if (write(HAND_FD, &a, sizeof(a)) != sizeof(a))
            return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    int status;
    pid_t pid;

    if (argc < 2)
        return serve();
    pid = fork();
    if (pid == 0) {
        execv(argv[1], argv + 1);
        _exit(127);
    }
    (void)close(HAND_FD);
    (void)waitpid(pid, &status, 0);
    return status != 0;
}
