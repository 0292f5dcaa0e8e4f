// SPDX-License-Identifier: Apache-2.0
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HEADER_SIZE 5U
#define PIECE_SIZE  (32U << 10)

struct input {
    char buffer[HEADER_SIZE + PIECE_SIZE];
    size_t have;
};

void channel_open(const char *device)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    int fd, tries = 0;

    await_device(device);
    // The driver makes the node before it knows the port itself, and says nothing afterwards.
    while ((fd = open(device, O_RDWR | O_CLOEXEC)) < 0 && errno == ENXIO && tries++ < 5000)
        (void)nanosleep(&moment, NULL);
    if (fd < 0 || dup3(fd, CHANNEL_FD, O_CLOEXEC) < 0)
        fail("cannot open the port %s", device);
    (void)close(fd);
}

void channel_send(enum frame type, const void *data, size_t n)
{
    char buffer[HEADER_SIZE + PIECE_SIZE];
    uint32_t length = (uint32_t)n;
    size_t done = 0;

    if (n > PIECE_SIZE)
        return;
    buffer[0] = (char)type;
    memcpy(buffer + 1, &length, sizeof(length));
    if (n > 0)
        memcpy(buffer + HEADER_SIZE, data, n);
    while (done < HEADER_SIZE + n) {
        ssize_t w = write(CHANNEL_FD, buffer + done, HEADER_SIZE + n - done);
        if (w < 0 && errno == EBADF)
            return;
        if (w < 0 && errno != EINTR && errno != EAGAIN)
            end_guest(); // without the port there is nobody to tell
        if (w > 0)
            done += (size_t)w;
    }
}

// Passes one piece on. False when there is nothing more: end of file, or a terminal without users.
static bool pass_on(int fd, enum frame type)
{
    char piece[PIECE_SIZE];
    ssize_t n = read(fd, piece, sizeof(piece));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (n <= 0)
        return false;
    channel_send(type, piece, (size_t)n);
    return true;
}

static void handle_frame(int terminal, char type, const char *data, size_t n)
{
    if (type == FRAME_INPUT) {
        size_t done = 0;
        while (done < n) {
            ssize_t w = write(terminal, data + done, n - done);
            if (w < 0 && errno != EINTR)
                return;
            if (w > 0)
                done += (size_t)w;
        }
    } else if (type == FRAME_WINDOW && n == 4) {
        struct winsize size = {0};
        memcpy(&size.ws_row, data, 2);
        memcpy(&size.ws_col, data + 2, 2);
        (void)ioctl(terminal, TIOCSWINSZ, &size);
    }
}

// Takes what the host sent; a frame may come in pieces.
static void take_input(struct input *input, int terminal)
{
    ssize_t n = read(CHANNEL_FD, input->buffer + input->have, sizeof(input->buffer) - input->have);

    if (n <= 0)
        return;
    input->have += (size_t)n;
    while (input->have >= HEADER_SIZE) {
        uint32_t length;
        memcpy(&length, input->buffer + 1, sizeof(length));
        if (length > PIECE_SIZE)
            fail("the host sent a frame of %u bytes", length);
        if (input->have < HEADER_SIZE + length)
            return;
        handle_frame(terminal, input->buffer[0], input->buffer + HEADER_SIZE, length);
        input->have -= HEADER_SIZE + length;
        memmove(input->buffer, input->buffer + HEADER_SIZE + length, input->have);
    }
}

static _Noreturn void start(const struct options *o, int in, int out, int err)
{
    const int keep[] = {in, out, err};
    sigset_t none;

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setsid();
    if (o->tty)
        (void)ioctl(in, TIOCSCTTY, 0);
    for (int i = 0; i <= STDERR_FILENO; i++)
        (void)dup2(keep[i], i);
    environ = o->environment;
    (void)execvp(o->command[0], o->command);
    int error = errno;
    dprintf(STDERR_FILENO, "tools/vm: cannot run %s in the guest: %s\n", o->command[0],
            strerror(error));
    _exit(error == ENOENT ? 127 : 123);
}

static void open_terminal(const struct options *o, int *ret_master, int *ret_slave)
{
    struct winsize size = {.ws_row = (unsigned short)o->rows, .ws_col = (unsigned short)o->columns};
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
        fail("cannot make a terminal");
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        fail("cannot open the terminal");
    (void)ioctl(master, TIOCSWINSZ, &size);
    *ret_master = master;
    *ret_slave = slave;
}

// Collects every child that ended; orphans of the command are init's too.
static bool reap(pid_t wanted, int *ret_status)
{
    bool found = false;
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == wanted) {
            *ret_status = status;
            found = true;
        }
    return found;
}

// Relays until the command itself has ended, then takes what is left in its pipes. A daemon that
// it leaves behind may hold them open: nobody waits for that.
static void relay(pid_t pid, struct pollfd *polls, nfds_t n, int *ret_status)
{
    struct input input = {0};
    bool ended = false;

    for (;;) {
        int ready = poll(polls, n, ended ? 0 : -1);
        bool moved = false;

        if (ready < 0 && errno != EINTR)
            fail("cannot wait for the command");
        for (nfds_t i = 0; i < 2 && ready > 0; i++)
            if (polls[i].fd >= 0 && polls[i].revents) {
                if (pass_on(polls[i].fd, i == 0 ? FRAME_OUTPUT : FRAME_ERROR))
                    moved = true;
                else
                    polls[i].fd = -1;
            }
        if (n > 3 && (polls[3].revents & POLLIN))
            take_input(&input, polls[0].fd);
        if (polls[2].revents & POLLIN) {
            struct signalfd_siginfo info;
            (void)!read(polls[2].fd, &info, sizeof(info));
            ended = reap(pid, ret_status) || ended;
        } else if (ended && !moved)
            return;
    }
}

void run_command(const struct options *o, int *ret_status)
{
    int out[2] = {-1, -1}, err[2] = {-1, -1}, in;
    sigset_t child;

    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &child, NULL);
    int signals = signalfd(-1, &child, SFD_CLOEXEC);
    if (signals < 0)
        fail("cannot wait for children");

    if (o->tty) {
        open_terminal(o, &out[0], &out[1]);
        in = err[1] = out[1];
    } else {
        in = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (in < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
            fail("cannot make the command's pipes");
    }

    channel_send(FRAME_STARTED, NULL, 0);
    pid_t pid = fork();
    if (pid < 0)
        fail("cannot fork");
    if (pid == 0)
        start(o, in, out[1], err[1]);
    (void)close(out[1]);
    if (!o->tty) {
        (void)close(in);
        (void)close(err[1]);
    }

    struct pollfd polls[] = {
        {.fd = out[0], .events = POLLIN},
        {.fd = err[0], .events = POLLIN},
        {.fd = signals, .events = POLLIN},
        {.fd = CHANNEL_FD, .events = POLLIN},
    };
    relay(pid, polls, o->tty ? 4 : 3, ret_status);
    (void)close(signals);
}

void send_archive(const char *directory)
{
    int ends[2], status;

    if (pipe2(ends, O_CLOEXEC) < 0)
        fail("cannot make a pipe");
    pid_t pid = fork();
    if (pid == 0) {
        char *const tar[] = {"tar", "-C", (char *)directory, "-cf", "-", ".", NULL};
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)execvp(tar[0], tar);
        _exit(127);
    }
    (void)close(ends[1]);
    while (pass_on(ends[0], FRAME_ARCHIVE))
        ;
    (void)close(ends[0]);
    // The signal mask still holds SIGCHLD back; wait for this one directly.
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        errno = 0;
        fail("cannot collect what the command left in %s", directory);
    }
}
