// SPDX-License-Identifier: Apache-2.0
/* Signals by whom they are for, and those that descriptors send. */
#include "control.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define GUARDED "guarded"
#define WATCHED 4250 /* a user that rules name as the target */
#define SENDER  4251 /* one that they name as the sender */
#define ENDS_MS 2000 /* until a signal that was sent has ended its process */

int wait_for_signals(void)
{
    (void)!write(1, "", 1);
    for (;;)
        (void)pause();
}

/* Does not run the program again: it is one by what it descends from. */
int wait_as_child(void)
{
    static char name[] = "sg-control", word[] = "wait";
    char *const argv[] = {name, word, NULL};
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv("/srv/control/code", argv);
        _exit(1);
    }
    printf("%d\n", pid);
    fflush(stdout);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return 0;
}

/* A process that waits, as these users and, where `word` is given, in the program `guarded`. < 0: there is none. */
static pid_t start(uid_t real, uid_t saved, char *word, int *ret_output)
{
    static char name[] = "sg-control";
    char *const argv[] = {name, word, NULL};
    int fds[2];
    pid_t pid;
    char byte;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -1;
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(fds[1], 1);
        if (setresuid(real, real, saved) < 0)
            _exit(1);
        if (word)
            execv(GUARDED, argv);
        else
            wait_for_signals();
        _exit(1);
    }
    close(fds[1]);
    if (pid > 0 && (!ret_output ? read(fds[0], &byte, 1) != 1 : 0))
        pid = -1;
    if (ret_output)
        *ret_output = fds[0];
    else
        close(fds[0]);
    return pid;
}

static char wait_word[] = "wait", child_word[] = "child";

static int kill_one(pid_t pid, int number)
{
    int r = pid < 0 ? 201 : errno_of(kill(pid, number));

    if (pid > 0)
        kill(pid, SIGKILL);
    return r;
}

int way_to_guarded(const struct way_ctx *c)
{
    (void)c;
    return kill_one(start(0, 0, wait_word, NULL), SIGALRM);
}

int way_to_older(const struct way_ctx *c)
{
    FILE *f = fopen("older", "re");
    int pid = -1;

    (void)c;
    if (!f || fscanf(f, "%d", &pid) != 1)
        return 202;
    fclose(f);
    return errno_of(kill(pid, SIGALRM));
}

int way_to_descendant(const struct way_ctx *c)
{
    int output = -1, r;
    pid_t pid = start(0, 0, child_word, &output);
    char text[32];
    size_t n = 0;

    (void)c;
    // Its number, from its parent, and the NUL that it is ready with; in either order.
    while (pid > 0 && (n < 2 || text[n - 1] != '\n' || !memchr(text, 0, n)) &&
           (n == 0 || !memchr(text, 0, n) || !memchr(text, '\n', n))) {
        if (n == sizeof(text) - 1 || read(output, text + n, 1) != 1)
            return 203;
        n++;
    }
    text[n] = '\0';
    if (n > 0 && text[0] == '\0')
        memmove(text, text + 1, n);
    r = errno_of(kill((pid_t)strtol(text, NULL, 10), SIGALRM));
    kill(pid, SIGKILL);
    return r;
}

#define TO(name, real, saved, number)                            \
    int name(const struct way_ctx *c)                            \
    {                                                            \
        (void)c;                                                 \
        return kill_one(start(real, saved, NULL, NULL), number); \
    }
TO(way_to_other, 0, 0, SIGALRM)
TO(way_to_user, WATCHED, WATCHED, SIGVTALRM)
TO(way_to_not_user, 4252, 4252, SIGVTALRM)
TO(way_to_other_user, WATCHED, WATCHED, SIGPROF)
TO(way_to_saved_user, WATCHED, 0, SIGPROF)
TO(way_to_same_user, 0, 0, SIGPROF)
TO(way_by_other_to_user, WATCHED, WATCHED, SIGXCPU)
TO(way_allowed_to_user, WATCHED, WATCHED, SIGXFSZ)
TO(way_allowed_to_not_user, 0, 0, SIGXFSZ)

/* As the sender's user, who is allowed to by the kernel: the target's saved user is his. */
static int by_sender(uid_t real)
{
    pid_t pid = start(real, SENDER, NULL, NULL);
    int r;

    if (pid < 0 || setresuid(-1, SENDER, -1) < 0)
        return 204;
    r = errno_of(kill(pid, SIGXCPU));
    if (seteuid(0) == 0)
        kill(pid, SIGKILL);
    return r;
}

int way_by_user_to_user(const struct way_ctx *c)
{
    (void)c;
    return by_sender(WATCHED);
}

int way_by_user_to_other(const struct way_ctx *c)
{
    (void)c;
    return by_sender(SENDER);
}

/* Descriptors. */

static int send_to(int fd, pid_t pid, int number)
{
    return fcntl(fd, F_SETOWN, pid) < 0 || fcntl(fd, F_SETSIG, number) < 0 ||
                   fcntl(fd, F_SETFL, O_ASYNC) < 0
               ? -1
               : 0;
}

/* A pipe whose reading end sends a signal to a process when something is written: whether that process was ended by it. */
static int through(pid_t pid, int number, int (*arm)(int fd, pid_t pid, int number))
{
    int fds[2], r = EPERM, status;

    if (pid < 0 || pipe2(fds, O_CLOEXEC) < 0 || arm(fds[0], pid, number) < 0 ||
        write(fds[1], "", 1) != 1)
        return 205;
    for (int ms = 0; r && ms < ENDS_MS; ms += 20) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            r = WIFSIGNALED(status) && WTERMSIG(status) == number ? 0 : 206;
        else
            poll(NULL, 0, 20);
    }
    if (r == EPERM)
        kill(pid, SIGKILL);
    return r;
}

int way_descriptor(const struct way_ctx *c)
{
    (void)c;
    return through(start(0, 0, NULL, NULL), SIGUSR1, send_to);
}

/* What is in the middle is told by the record, which has to be the parent's own. */
static int send_from_child(int fd, pid_t pid, int number, uid_t uid)
{
    pid_t child = fork();
    int status;

    if (child == 0)
        _exit((uid && setresuid(-1, uid, -1) < 0) || send_to(fd, pid, number) < 0);
    return waitpid(child, &status, 0) == child && status == 0 ? 0 : -1;
}

static int send_as_sender(int fd, pid_t pid, int number)
{
    return setresuid(-1, SENDER, -1) < 0 || send_to(fd, pid, number) < 0 || seteuid(0) < 0 ? -1 : 0;
}

static int send_and_leave(int fd, pid_t pid, int number)
{
    return send_from_child(fd, pid, number, 0);
}

/* The child has gone, and is in the record: the caller's own comes from his own pipe. */
int way_descriptor_left(const struct way_ctx *c)
{
    int r;

    (void)c;
    r = through(start(0, 0, NULL, NULL), SIGUSR1, send_and_leave);
    return r != EPERM ? r : through(start(0, 0, NULL, NULL), SIGUSR1, send_to);
}

static volatile sig_atomic_t got;

static void note(int number)
{
    got = number;
}

/* Another process makes it happen. */
int way_descriptor_self(const struct way_ctx *c)
{
    int fds[2], status;
    pid_t child;

    (void)c;
    handle(SIGUSR1, note);
    if (pipe2(fds, O_CLOEXEC) < 0 || send_to(fds[0], getpid(), SIGUSR1) < 0)
        return 205;
    child = fork();
    if (child == 0)
        _exit(write(fds[1], "", 1) != 1);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return got == SIGUSR1 ? 0 : EPERM;
}

int way_descriptor_same_user(const struct way_ctx *c)
{
    (void)c;
    return through(start(0, 0, NULL, NULL), SIGPROF, send_to);
}

int way_descriptor_other_user(const struct way_ctx *c)
{
    int r;

    (void)c;
    r = through(start(WATCHED, WATCHED, NULL, NULL), SIGPROF, send_to);
    return r == EPERM ? EACCES : r;
}

int way_descriptor_to_guarded(const struct way_ctx *c)
{
    (void)c;
    return through(start(0, 0, wait_word, NULL), SIGALRM, send_to);
}

int way_descriptor_by_user(const struct way_ctx *c)
{
    (void)c;
    return through(start(WATCHED, SENDER, NULL, NULL), SIGXCPU, send_as_sender);
}

int way_descriptor_by_other(const struct way_ctx *c)
{
    (void)c;
    return through(start(WATCHED, WATCHED, NULL, NULL), SIGXCPU, send_to);
}
