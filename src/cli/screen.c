// SPDX-License-Identifier: Apache-2.0
#include "cli/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"

int interval_parse(const char *text, uint32_t *ret_ms)
{
    char *end;
    unsigned long long n;

    errno = 0;
    n = strtoull(text, &end, 10);
    if (end == text || errno || n > INTERVAL_MAX_MS || *text == '-')
        return -EINVAL;
    if (streq(end, "s") || *end == '\0')
        n *= 1000;
    else if (!streq(end, "ms"))
        return -EINVAL;
    if (n < INTERVAL_MIN_MS || n > INTERVAL_MAX_MS)
        return -EINVAL;
    *ret_ms = (uint32_t)n;
    return 0;
}

void screen_enter(struct screen *s)
{
    static const char enter[] = "\033[?1049h\033[?25l"; // a screen of our own, without a cursor
    struct termios raw;
    sigset_t set;

    *s = (struct screen){.signals = -1};
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &s->before) < 0)
        return;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    s->signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (s->signals < 0)
        return;
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    raw = s->before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    s->on = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    if (s->on)
        (void)write_all(STDOUT_FILENO, enter, sizeof(enter) - 1);
}

void screen_leave(void *screen)
{
    static const char leave[] = "\033[?25h\033[?1049l";
    struct screen *s = screen;

    if (s->on) {
        s->on = false;
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &s->before);
        (void)write_all(STDOUT_FILENO, leave, sizeof(leave) - 1);
    }
    s->signals = safe_close(s->signals);
}

int screen_wait(const struct screen *s, uint32_t ms, char *ret_key)
{
    uint64_t until = now_ns(CLOCK_MONOTONIC) + ms * NS_PER_MS;

    for (;;) {
        uint64_t now = now_ns(CLOCK_MONOTONIC);
        struct pollfd p[] = {
            {.fd = s->on ? STDIN_FILENO : -1, .events = POLLIN},
            {.fd = s->signals, .events = POLLIN},
        };
        int n;

        if (now >= until)
            return 0;
        n = poll(p, ARRAY_SIZE(p), (int)((until - now + NS_PER_MS - 1) / NS_PER_MS));
        if ((n < 0 && errno != EINTR) || (n > 0 && p[1].revents))
            return -1;
        if (n > 0)
            return read(STDIN_FILENO, ret_key, 1) == 1 ? 1 : -1;
    }
}

void screen_begin(const struct screen *s, struct strbuf *sb, unsigned *ret_lines,
                  unsigned *ret_width)
{
    struct winsize size = {};

    *ret_lines = *ret_width = 0;
    if (!s->on || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_row)
        return;
    // From the top; what is left of the picture before goes.
    sb_puts(sb, "\033[H\033[J");
    *ret_lines = size.ws_row;
    *ret_width = size.ws_col;
}
