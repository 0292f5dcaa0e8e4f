// SPDX-License-Identifier: Apache-2.0
#include "base/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fd.h"

void prompt_wipep(char **password)
{
    if (!*password)
        return;
    explicit_bzero(*password, strlen(*password));
    free(*password);
    *password = NULL;
}

// A line of at most PASSWORD_MAX bytes; byte by byte, so that what follows stays for others.
static int read_line(int fd, char ret_line[PASSWORD_MAX + 1])
{
    size_t n = 0;
    char c;

    for (;;) {
        ssize_t got = read(fd, &c, 1);

        if (got < 0)
            return negative_errno();
        if (got == 0 && n == 0)
            return -ENODATA;
        if (got == 0 || c == '\n')
            break;
        if (n == PASSWORD_MAX)
            return -E2BIG;
        ret_line[n++] = c;
    }
    if (n > 0 && ret_line[n - 1] == '\r')
        n--;
    ret_line[n] = '\0';
    return 0;
}

static int ask_hidden(int tty, const char *question, char line[PASSWORD_MAX + 1])
{
    struct termios old, hidden;
    int r;

    if (tcgetattr(tty, &old) < 0)
        return negative_errno();
    hidden = old;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    hidden.c_lflag |= ECHONL;
    if (tcsetattr(tty, TCSAFLUSH, &hidden) < 0)
        return negative_errno();
    (void)write_all(tty, question, strlen(question));
    r = read_line(tty, line);
    (void)tcsetattr(tty, TCSAFLUSH, &old);
    // Ctrl-C came as a character: the terminal must not stay silent.
    return r == 0 && strchr(line, 3) ? -EINTR : r;
}

int prompt_password(const char *question, bool from_stdin, char **ret_password, struct error *err)
{
    _cleanup_close_ int tty = from_stdin ? -1 : open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    char line[PASSWORD_MAX + 1];
    char *copy;
    int r;

    if (!from_stdin && tty < 0) {
        (void)error_set(err, -ENOTTY, "there is no terminal to ask for the password");
        error_cure(err, "give it on standard input with --password-stdin");
        return -ENOTTY;
    }
    r = from_stdin ? read_line(STDIN_FILENO, line) : ask_hidden(tty, question, line);
    if (r < 0)
        (void)error_set(err, r,
                        r == -ENODATA ? "a password is expected on standard input"
                                      : "no password: %m");
    copy = r < 0 ? NULL : strdup(line);
    explicit_bzero(line, sizeof(line));
    if (r == 0 && !copy)
        r = error_set(err, -ENOMEM, "%m");
    if (r == 0)
        *ret_password = copy;
    return r;
}

int prompt_new_password(bool from_stdin, char **ret_password, struct error *err)
{
    _cleanup_(prompt_wipep) char *first = NULL, *second = NULL;
    int r;

    r = prompt_password("Password: ", from_stdin, &first, err);
    if (r == 0 && !from_stdin)
        r = prompt_password("Once more: ", false, &second, err);
    if (r == 0 && !from_stdin && !streq(first, second))
        r = error_set(err, -EINVAL, "these were two different passwords");
    if (r == 0)
        *ret_password = TAKE_PTR(first);
    return r;
}

int prompt_yes(const char *question, struct error *err)
{
    _cleanup_close_ int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    char line[PASSWORD_MAX + 1];
    int r;

    if (tty < 0)
        return error_set(err, -ENOTTY, "there is no terminal to ask");
    (void)write_all(tty, question, strlen(question));
    r = read_line(tty, line);
    return r == 0 ? streq(line, "yes") : error_set(err, r, "%m");
}
