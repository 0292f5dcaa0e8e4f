// SPDX-License-Identifier: Apache-2.0
/* Other processes of a way: what the exempt program does for it (the same binary, executed as
 * <root>/bin/sg-exempt with a verb), and how a way goes on in a program that was executed. */
#include "attack.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

pid_t fork_helper(void)
{
    pid_t parent = getpid(), pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent &&
            getppid() != 0) /* 0: the parent lives outside our pid namespace */
            _exit(1);
    }
    return pid;
}

pid_t exempt_start(struct attack *a, const char *verb, const char *path, const char *more)
{
    pid_t pid = fork_helper();

    a->out->prepared = 1;
    if (pid == 0) {
        execl(a->exempt, a->exempt, verb, path, more, (char *)NULL);
        _exit(127);
    }
    return pid;
}

void exempt_wait(struct attack *a, const char *verb, pid_t pid)
{
    int status;

    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
        WEXITSTATUS(status) != 0) {
        attack_step(a, verb);
        attack_failed(a, "the exempt program failed");
    }
}

void exempt_do(struct attack *a, const char *verb, const char *path, const char *more)
{
    exempt_wait(a, verb, exempt_start(a, verb, path, more));
}

void exempt_remove(struct attack *a, const char *path, _unused_ int fd)
{
    exempt_do(a, "x-remove", path, NULL);
}

void exempt_hold(struct attack *a, int flags, struct helper *ret, char *ret_line, size_t size)
{
    int in[2], out[2];
    ssize_t n;

    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
        attack_failed(a, "no pipe");
    ret->pid = fork_helper();
    if (ret->pid == 0) {
        char number[16];

        snprintf(number, sizeof(number), "%d", flags);
        if (dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0)
            _exit(126);
        execl(a->exempt, a->exempt, "x-hold", a->target, number, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    ret->to = in[1];
    ret->from = out[0];
    n = read(out[0], ret_line, size - 1);
    if (ret->pid < 0 || n <= 0) {
        attack_step(a, "x-hold");
        attack_failed(a, "the exempt program failed");
    }
    ret_line[n] = 0;
}

int exempt_send(struct attack *a, const char *verb, int flags, int type)
{
    int pair[2];
    pid_t pid;

    MUST(a, socketpair(AF_UNIX, type, 0, pair));
    pid = (pid_t)MUST(a, fork_helper());
    if (pid == 0) {
        execl(a->exempt, a->exempt, verb, a->target, fmt("%d", flags), fmt("%d", pair[1]),
              (char *)NULL);
        _exit(127);
    }
    close(pair[1]);
    return pair[0];
}

int message_fd(struct attack *a, struct msghdr *mh)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(mh);
    int fd;

    if (!c || c->cmsg_type != SCM_RIGHTS)
        attack_withheld(a, "the message came without its descriptor");
    memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    return fd;
}

int receive_fd(struct attack *a, int sock)
{
    char control[CMSG_SPACE(sizeof(int))] = {0}, byte;
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr mh = {.msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = control,
                        .msg_controllen = sizeof(control)};

    if (GUARD(a, recvmsg(sock, &mh, 0)) == 0)
        attack_failed(a, "the exempt program sent nothing");
    return message_fd(a, &mh);
}

char *const *resume_argv(const struct attack *a, const char *argv0, int fd)
{
    const char **v = calloc(9, sizeof(*v));

    if (!v)
        abort();
    fcntl(a->out_fd, F_SETFD, 0);
    v[0] = argv0;
    v[1] = "x-resume";
    v[2] = a->root;
    v[3] = a->way->name;
    v[4] = fmt("%d", a->out_fd);
    v[5] = a->tmp;
    v[6] = fmt("%d", fd);
    return (char *const *)v;
}

/* x-resume ROOT WAY OUT-FD TMP FD */
int resume_main(int argc, char *const argv[])
{
    char nonce[NONCE_LEN + 1], self[4096];
    struct attack a = {0};
    ssize_t n;
    int fd;

    if (argc != 7)
        return 2;
    a.root = argv[2];
    a.way = way_find(argv[3]);
    a.out_fd = (int)strtol(argv[4], NULL, 10);
    a.tmp = argv[5];
    fd = (int)strtol(argv[6], NULL, 10);
    n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    a.out = mmap(NULL, sizeof(*a.out), PROT_READ | PROT_WRITE, MAP_SHARED, a.out_fd, 0);
    if (!a.way || n < 0 || a.out == MAP_FAILED)
        return 2;
    self[n] = 0;
    a.self = self;
    a.exempt = in_root(&a, "bin/sg-exempt");
    a.target = tree_object(a.root, a.way->object);
    if (tree_nonce(a.root, nonce) < 0)
        attack_failed(&a, "no nonce");
    a.want = fmt("%s%s", way_mark(a.way), nonce);
    if (fd < 0)
        fd = (int)GUARD(&a, open(a.target, a.way->deed->flags | O_CLOEXEC));
    way_use(&a, fd);
}

/* x-exec PATH FLAGS PROGRAM ARG…: opens, then becomes the program, which finds HANDED_FD open. */
static int do_exec(int argc, char *const argv[])
{
    int fd;

    if (argc < 5)
        return 2;
    fd = open(argv[2], (int)strtol(argv[3], NULL, 10));
    if (fd < 0 || dup2(fd, HANDED_FD) < 0)
        return 1;
    close(fd);
    execv(argv[4], argv + 4);
    return errno == EPERM || errno == EACCES ? EXIT_EXEC_REFUSED : 1;
}

static int send_fd(int sock, int fd)
{
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {.iov_base = (char[]){'f'}, .iov_len = 1};
    struct msghdr mh = {.msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = control,
                        .msg_controllen = sizeof(control)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&mh);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    return sendmsg(sock, &mh, 0) == 1 ? 0 : 1;
}

/* x-chain PATH FLAGS SOCKET: a socket on which a socket waits on which the descriptor waits. */
static int do_chain(const char *path, int flags, int sock)
{
    int outer[2], inner[2], fd = open(path, flags);

    if (fd < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, outer) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, inner) < 0)
        return 1;
    return send_fd(inner[1], fd) || send_fd(outer[1], inner[0]) || send_fd(sock, outer[0]);
}

/* x-hold PATH FLAGS: opens, reads and maps the file, says where, and waits for the end of its
 * input. Line: descriptor, address of the mapping, its length, address of a copy of the content. */
static int do_hold(const char *path, int flags)
{
    int fd = open(path, flags);
    struct stat st;
    char *copy, *map, c;

    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0)
        return 1;
    copy = malloc((size_t)st.st_size);
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (!copy || map == MAP_FAILED)
        return 1;
    memcpy(copy, map, (size_t)st.st_size);
    printf("%d %lx %zx %lx\n", fd, (unsigned long)map, (size_t)st.st_size, (unsigned long)copy);
    fflush(stdout);
    return read(0, &c, 1) < 0 ? 1 : 0;
}

static int do_write(const char *path, const char *text, int flags)
{
    struct timespec times[2] = {{.tv_sec = 1577836800}, {.tv_sec = 1577836800}};
    int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0644), r;

    if (fd < 0)
        return 1;
    r = write(fd, text, strlen(text)) == (ssize_t)strlen(text) && futimens(fd, times) == 0 ? 0 : 1;
    close(fd);
    return r;
}

static int do_open(const char *path)
{
    char buf[64];
    int fd = open(path, O_RDONLY | O_CLOEXEC), r;

    if (fd < 0)
        return 1;
    r = read(fd, buf, sizeof(buf)) < 0 ? 1 : 0;
    close(fd);
    return r;
}

static int do_verify(const char *path, bool fix)
{
    char what[512] = "", root[PATH_MAX] = "";
    int r = realpath(path, root) ? tree_verify(root, fix, what, sizeof(what)) : -errno;

    if (r < 0) {
        fprintf(stderr, "sg-attack: cannot check %s: %s\n", path, strerror(-r));
        return 2;
    }
    if (r == 0)
        puts("ok");
    else
        printf("CHANGED %s\n", what);
    return r > 0 && !fix ? 1 : 0;
}

int exempt_main(int argc, char *const argv[])
{
    const char *verb = argv[1], *path = argc > 2 ? argv[2] : NULL;
    const char *more = argc > 3 ? argv[3] : NULL;

    if (!path)
        return 2;
    if (strcmp(verb, "verify") == 0)
        return do_verify(path, false);
    if (strcmp(verb, "restore") == 0)
        return do_verify(path, true);
    if (strcmp(verb, "x-open") == 0)
        return do_open(path);
    if (strcmp(verb, "x-remove") == 0)
        return tree_remove(path) ? 0 : 1;
    if (strcmp(verb, "x-umount") == 0)
        return umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0 ? 0 : 1;
    if (strcmp(verb, "x-mkdir") == 0)
        return mkdir(path, 0755) == 0 ? 0 : 1;
    if (!more)
        return 2;
    if (strcmp(verb, "x-exec") == 0)
        return do_exec(argc, argv);
    if (strcmp(verb, "x-hold") == 0)
        return do_hold(path, (int)strtol(more, NULL, 10));
    if (strcmp(verb, "x-create") == 0)
        return do_write(path, more, O_CREAT | O_EXCL);
    if (strcmp(verb, "x-write") == 0)
        return do_write(path, more, O_TRUNC);
    if (strcmp(verb, "x-replace") == 0)
        return unlink(path) == 0 ? do_write(path, more, O_CREAT | O_EXCL) : 1;
    if (strcmp(verb, "x-rename") == 0)
        return rename(path, more) == 0 ? 0 : 1;
    if (strcmp(verb, "x-link") == 0)
        return link(path, more) == 0 ? 0 : 1;
    if (strcmp(verb, "x-chain") == 0 && argc > 4)
        return do_chain(path, (int)strtol(more, NULL, 10), (int)strtol(argv[4], NULL, 10));
    if (strcmp(verb, "x-send") == 0 && argc > 4) {
        int fd = open(path, (int)strtol(more, NULL, 10));

        return fd < 0 ? 1 : send_fd((int)strtol(argv[4], NULL, 10), fd);
    }
    return 2;
}
