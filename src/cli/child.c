// SPDX-License-Identifier: Apache-2.0
#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/strutil.h"

#define LOG_TAIL         ((off_t)4096)
#define EXIT_NOT_STARTED 126

// An address that only this process has: the kernel chooses it. Who sends to it is checked by pid.
static int open_notify(char ret_address[108], int *ret_fd)
{
    const int on = 1;
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t len = sizeof(address.sun_family);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
        return negative_errno();
    len = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        return negative_errno();
    ret_address[0] = '@';
    memcpy(ret_address + 1, address.sun_path + 1, len - sizeof(address.sun_family) - 1);
    ret_address[len - sizeof(address.sun_family)] = '\0';
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static _Noreturn void become(const char *program, char *const *argv, uid_t uid, gid_t gid,
                             pid_t parent)
{
    struct sigaction usual = {.sa_handler = SIG_DFL};
    sigset_t none;

    // Ctrl-C at the terminal is for us, who end them in order.
    (void)setsid();
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)sigaction(SIGPIPE, &usual, NULL);
    if (uid &&
        (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0))
        _exit(EXIT_NOT_STARTED);
    // After the change of user, which forgets it. Whoever was ours may have died before.
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(EXIT_NOT_STARTED);
    (void)execv(program, argv);
    _exit(EXIT_NOT_STARTED);
}

static bool from_child(const struct child *c, struct msghdr *message)
{
    for (struct cmsghdr *h = CMSG_FIRSTHDR(message); h; h = CMSG_NXTHDR(message, h)) {
        struct ucred cred;

        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_CREDENTIALS)
            continue;
        memcpy(&cred, CMSG_DATA(h), sizeof(cred));
        return cred.pid == c->pid;
    }
    return false;
}

static int on_notify(void *ctx, int fd, uint32_t events _unused_)
{
    struct child *c = ctx;
    char text[4097], control[CMSG_SPACE(sizeof(struct ucred))];
    struct iovec iov = {text, sizeof(text) - 1};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);

    if (n < 0)
        return 0;
    text[n] = '\0';
    if (c->ready || !from_child(c, &message) || !strstr(text, "READY=1"))
        return 0;
    c->ready = true;
    return c->changed(c->ctx, c);
}

static int on_exit_of(void *ctx, int fd _unused_, uint32_t events _unused_)
{
    struct child *c = ctx;

    if (waitpid(c->pid, &c->status, WNOHANG) != c->pid)
        return 0;
    c->ended = true;
    (void)loop_source_enable(c->exit_source, false);
    return c->changed(c->ctx, c);
}

static int fork_child(struct child *c, const char *address, int log)
{
    const pid_t parent = getpid();

    c->pid = fork();
    if (c->pid < 0) {
        c->pid = 0;
        return negative_errno();
    }
    if (c->pid > 0)
        return 0;
    (void)setenv("NOTIFY_SOCKET", address, 1);
    (void)unsetenv("WATCHDOG_USEC");
    (void)dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
    (void)dup2(log, STDOUT_FILENO);
    (void)dup2(log, STDERR_FILENO);
    become(c->program, c->argv, c->uid, c->gid, parent);
}

int child_start(struct child *c, struct loop *loop, struct error *err)
{
    _cleanup_close_ int log = open(c->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
                                   0600);
    char address[108];
    int r;

    c->pidfd = c->notify = -1;
    if (log < 0)
        return error_set(err, negative_errno(), "%s: %m", c->log);
    r = open_notify(address, &c->notify);
    r = r < 0 ? r : fork_child(c, address, log);
    if (r < 0) {
        child_done(c);
        return error_set(err, r, "%s cannot be started: %m", c->name);
    }
    c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
    r = c->pidfd < 0 ? negative_errno() : 0;
    if (r == 0)
        r = loop_add_fd(loop, c->pidfd, EPOLLIN, on_exit_of, c, &c->exit_source);
    if (r == 0)
        r = loop_add_fd(loop, c->notify, EPOLLIN, on_notify, c, &c->notify_source);
    if (r < 0) {
        (void)kill(c->pid, SIGKILL);
        (void)waitpid(c->pid, NULL, 0);
        c->pid = 0;
        child_done(c);
        return error_set(err, r, "%s cannot be watched: %m", c->name);
    }
    return 0;
}

void child_signal(const struct child *c, int signo)
{
    if (c->pid && !c->ended)
        (void)syscall(SYS_pidfd_send_signal, c->pidfd, signo, NULL, 0);
}

bool child_wait(struct child *c, uint64_t ms)
{
    struct pollfd fd = {c->pidfd, POLLIN, 0};

    if (!c->pid || c->ended)
        return true;
    // A signal that comes meanwhile asks for what is being done.
    while (poll(&fd, 1, (int)MIN(ms, (uint64_t)INT_MAX)) < 0 && errno == EINTR)
        ;
    c->ended = waitpid(c->pid, &c->status, WNOHANG) == c->pid;
    return c->ended;
}

void child_done(struct child *c)
{
    c->exit_source = loop_source_free(c->exit_source);
    c->notify_source = loop_source_free(c->notify_source);
    if (c->pidfd > 0)
        c->pidfd = safe_close(c->pidfd);
    if (c->notify > 0)
        c->notify = safe_close(c->notify);
}

void child_log_tail(const struct child *c, struct strbuf *sb)
{
    _cleanup_close_ int fd = open(c->log, O_RDONLY | O_CLOEXEC);
    _cleanup_free_ char *text = NULL;
    size_t len = 0;

    if (fd < 0 || (lseek(fd, -LOG_TAIL, SEEK_END) < 0 && lseek(fd, 0, SEEK_SET) < 0) ||
        read_fd_bounded(fd, (size_t)LOG_TAIL * 2, &text, &len) < 0)
        return;
    sb_add(sb, text, len);
}

// Both pipes at once: neither side may wait for the other for ever.
static int talk(int in, int out, const char *input, struct strbuf *answer)
{
    size_t left = input ? strlen(input) : 0;
    _cleanup_close_ int to = in;

    for (;;) {
        struct pollfd fds[] = {{out, POLLIN, 0}, {to, POLLOUT, 0}};
        char buf[4096];
        ssize_t n;

        if (left == 0)
            fds[1].fd = to = safe_close(to);
        if (poll(fds, ARRAY_SIZE(fds), -1) < 0) {
            if (errno == EINTR)
                continue;
            return negative_errno();
        }
        if (fds[1].revents) {
            n = write(to, input, left);
            left = n < 0 ? 0 : left - (size_t)n;
            input += n < 0 ? 0 : n;
        }
        if (!fds[0].revents)
            continue;
        n = read(out, buf, sizeof(buf));
        if (n <= 0)
            return n < 0 ? negative_errno() : 0;
        if (answer->len + (size_t)n > CHILD_ANSWER_MAX)
            return -E2BIG;
        sb_add(answer, buf, (size_t)n);
    }
}

// What a program of ours said: "NAME: WHAT", and perhaps "  to do: CURE" in a line of its own.
static void say_again(const char *name, char *said, struct error *err)
{
    const size_t len = strlen(name);
    char *cure = strstr(said, "\n  to do: ");

    if (strncmp(said, name, len) == 0 && said[len] == ':' && said[len + 1] == ' ')
        said += len + 2;
    said[strcspn(said, "\n")] = '\0';
    (void)error_set(err, -ECHILD, "%s: %s", name, said);
    if (!cure)
        return;
    cure += strlen("\n  to do: ");
    cure[strcspn(cure, "\n")] = '\0';
    error_cure(err, "%s", cure);
}

static int failed(const char *program, int status, char *said, struct error *err)
{
    const char *name = strrchr(program, '/');

    name = name ? name + 1 : program;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NOT_STARTED)
        (void)error_set(err, -ECHILD, "%s cannot be started", program);
    else if (WIFEXITED(status) && *strempty(said))
        say_again(name, said, err);
    else if (WIFEXITED(status))
        (void)error_set(err, -ECHILD, "%s failed", name);
    else
        (void)error_set(err, -ECHILD, "%s was ended by a signal (%s)", name,
                        strsignal(WTERMSIG(status)));
    return -ECHILD;
}

int child_ask(const char *program, char *const *argv, uid_t uid, gid_t gid, const char *input,
              struct strbuf *ret_answer, struct error *err)
{
    _cleanup_close_ int in_r = -1, in_w = -1, out_r = -1, out_w = -1, err_fd = -1;
    _cleanup_free_ char *text = NULL;
    const pid_t parent = getpid();
    int in[2], out[2], status, r;
    pid_t pid;

    if (pipe2(in, O_CLOEXEC) < 0)
        return error_set(err, negative_errno(), "%m");
    in_r = in[0];
    in_w = in[1];
    if (pipe2(out, O_CLOEXEC) < 0)
        return error_set(err, negative_errno(), "%m");
    out_r = out[0];
    out_w = out[1];
    // What it says about itself is read when it has ended.
    err_fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (err_fd < 0)
        return error_set(err, negative_errno(), "/tmp: %m");
    pid = fork();
    if (pid < 0)
        return error_set(err, negative_errno(), "%m");
    if (pid == 0) {
        (void)dup2(in_r, STDIN_FILENO);
        (void)dup2(out_w, STDOUT_FILENO);
        (void)dup2(err_fd, STDERR_FILENO);
        become(program, argv, uid, gid, parent);
    }
    in_r = safe_close(in_r);
    out_w = safe_close(out_w);
    r = talk(TAKE_FD(in_w), out_r, input, ret_answer);
    if (r < 0)
        (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (r < 0)
        return error_set(err, r, "%s: %m", program);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return ret_answer->failed ? error_set(err, -ENOMEM, "%m") : 0;
    if (lseek(err_fd, 0, SEEK_SET) == 0)
        (void)read_fd_bounded(err_fd, CHILD_ANSWER_MAX, &text, NULL);
    return failed(program, status, text, err);
}
