// SPDX-License-Identifier: Apache-2.0
//
// Peers of a sender of messages: an HTTP server, a mail server and a syslog server, each as small as can be. What comes is
// handed to the test through a pipe, one message after the other.
#pragma once

#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#define SINK_MAX     65536
#define SINK_WAIT_MS 20000

enum sink_kind { SINK_HTTP, SINK_SMTP, SINK_UDP, SINK_TCP };

struct sink {
    enum sink_kind kind;
    pthread_t thread;
    int listener, port;
    int to_test[2]; // a message: its length, then it
    int status;     // that HTTP answers, or SMTP to the data; atomic
    int gate[2];    // with `gated`, HTTP answers when a byte comes through it
    bool gated;     // set before the peer is used
    char last[SINK_MAX];
};

static inline void sink_hand(struct sink *s, const char *data, size_t len)
{
    uint32_t n = (uint32_t)len;

    assert_int_equal(write(s->to_test[1], &n, sizeof(n)), sizeof(n));
    assert_int_equal(write(s->to_test[1], data, len), len);
}

static inline void sink_say(int fd, const char *text)
{
    (void)!write(fd, text, strlen(text));
}

// Head and body, by Content-Length.
static inline void sink_http(struct sink *s, int fd)
{
    static char buf[SINK_MAX];
    char answer[128], gate, *end, *at;
    size_t len = 0, want = SIZE_MAX;
    ssize_t n;

    while (len < want && (n = read(fd, buf + len, sizeof(buf) - 1 - len)) > 0) {
        len += (size_t)n;
        buf[len] = '\0';
        end = strstr(buf, "\r\n\r\n");
        at = end ? strcasestr(buf, "Content-Length: ") : NULL;
        if (end)
            want = (size_t)(end - buf) + 4 + (at ? strtoul(at + 16, NULL, 10) : 0);
    }
    if (len == 0)
        return;
    (void)snprintf(answer, sizeof(answer),
                   "HTTP/1.1 %d X\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
                   __atomic_load_n(&s->status, __ATOMIC_RELAXED));
    sink_hand(s, buf, len);
    if (s->gated)
        assert_int_equal(read(s->gate[0], &gate, 1), 1);
    sink_say(fd, answer);
}

// All that the client says, commands and message.
static inline void sink_smtp(struct sink *s, int fd)
{
    static char buf[SINK_MAX];
    size_t len = 0, seen = 0;
    bool data = false, over = false;
    char answer[64];
    ssize_t n;

    sink_say(fd, "220 sink ESMTP\r\n");
    while (!over && (n = read(fd, buf + len, sizeof(buf) - 1 - len)) > 0) {
        char *line, *end;

        len += (size_t)n;
        buf[len] = '\0';
        while (!over && (line = buf + seen, end = strstr(line, "\r\n"))) {
            seen = (size_t)(end - buf) + 2;
            if (data && strncmp(line, ".\r\n", 3) == 0) {
                data = false;
                (void)snprintf(answer, sizeof(answer), "%d done\r\n",
                               __atomic_load_n(&s->status, __ATOMIC_RELAXED));
                sink_say(fd, answer);
            } else if (data) {
                continue;
            } else if (strncasecmp(line, "DATA", 4) == 0) {
                data = true;
                sink_say(fd, "354 go on\r\n");
            } else if (strncasecmp(line, "QUIT", 4) == 0) {
                sink_say(fd, "221 bye\r\n");
                over = true;
            } else {
                sink_say(fd, "250 ok\r\n");
            }
        }
    }
    if (len > 0)
        sink_hand(s, buf, len);
}

static inline void *sink_work(void *ctx)
{
    static char buf[SINK_MAX];
    struct sink *s = ctx;

    for (;;) {
        struct pollfd p = {.fd = s->listener, .events = POLLIN};
        int fd;
        ssize_t n;

        if (poll(&p, 1, -1) < 0 || !(p.revents & POLLIN))
            return NULL;
        if (s->kind == SINK_UDP) {
            n = recv(s->listener, buf, sizeof(buf), 0);
            // An empty datagram ends it.
            if (n <= 0)
                return NULL;
            sink_hand(s, buf, (size_t)n);
            continue;
        }
        fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            return NULL;
        if (s->kind == SINK_HTTP) {
            sink_http(s, fd);
        } else if (s->kind == SINK_SMTP) {
            sink_smtp(s, fd);
        } else {
            size_t len = 0;

            while ((n = read(fd, buf + len, sizeof(buf) - len)) > 0)
                len += (size_t)n;
            if (len > 0)
                sink_hand(s, buf, len);
        }
        (void)close(fd);
    }
}

static inline void sink_start(struct sink *s, enum sink_kind kind)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);

    *s = (struct sink){.kind = kind, .status = kind == SINK_SMTP ? 250 : 200};
    s->listener = socket(AF_INET, (kind == SINK_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    assert_true(s->listener >= 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&a, sizeof(a)), 0);
    if (kind != SINK_UDP)
        assert_int_equal(listen(s->listener, 8), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&a, &len), 0);
    s->port = ntohs(a.sin_port);
    assert_int_equal(pipe2(s->to_test, O_CLOEXEC), 0);
    assert_int_equal(pipe2(s->gate, O_CLOEXEC), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, sink_work, s), 0);
}

// The next message, in s->last; NULL: none came.
static inline const char *sink_next(struct sink *s, int wait_ms)
{
    struct pollfd p = {.fd = s->to_test[0], .events = POLLIN};
    uint32_t n;

    if (poll(&p, 1, wait_ms) != 1)
        return NULL;
    assert_int_equal(read(s->to_test[0], &n, sizeof(n)), sizeof(n));
    assert_true(n < SINK_MAX);
    assert_int_equal(read(s->to_test[0], s->last, n), n);
    s->last[n] = '\0';
    return s->last;
}

static inline void sink_stop(struct sink *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons((uint16_t)s->port)};
    int fd;

    if (s->kind == SINK_UDP) {
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        (void)sendto(fd, "", 0, 0, (struct sockaddr *)&a, sizeof(a));
        (void)close(fd);
    } else {
        (void)shutdown(s->listener, SHUT_RDWR);
    }
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    (void)close(s->listener);
    (void)close(s->to_test[0]);
    (void)close(s->to_test[1]);
    (void)close(s->gate[0]);
    (void)close(s->gate[1]);
}
