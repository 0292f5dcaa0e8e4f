// SPDX-License-Identifier: Apache-2.0
#include "control/client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/macro.h"

#define TIMEOUT_MS 10000

struct control_client {
    int fd;
    uint32_t timeout_ms;
    uint64_t id; // of the last request
    struct control_reader reader;
};

struct control_client *control_client_free(struct control_client *c)
{
    if (!c)
        return NULL;
    (void)safe_close(c->fd);
    control_reader_done(&c->reader);
    free(c);
    return NULL;
}

static int explain_connect(int code, const char *path, struct error *err)
{
    (void)error_set(err, code, "the agent cannot be reached at %s: %m", path);
    if (code == -ENOENT || code == -ECONNREFUSED)
        error_cure(err, "start it: systemctl start safeguard-agent");
    else if (code == -EACCES || code == -EPERM)
        error_cure(err, "run this command as root");
    return code;
}

int control_client_new(const char *path, uint32_t timeout_ms, struct control_client **ret_client,
                       struct error *err)
{
    _cleanup_(control_client_freep) struct control_client *c = new0(struct control_client, 1);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);

    if (!c)
        return error_set(err, -ENOMEM, "%m");
    c->timeout_ms = timeout_ms ? timeout_ms : TIMEOUT_MS;
    if (len >= sizeof(address.sun_path)) {
        c->fd = -1;
        return error_set(err, -ENAMETOOLONG, "%s: %m", path);
    }
    memcpy(address.sun_path, path, len + 1);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return error_set(err, negative_errno(), "no socket: %m");
    if (connect(c->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return explain_connect(negative_errno(), path, err);
    *ret_client = TAKE_PTR(c);
    return 0;
}

static int send_all(int fd, const char *buf, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return negative_errno();
        buf += n;
        len -= (size_t)n;
    }
    return 0;
}

// 1: readable; 0: not within the time. -EINTR only when `signals`.
static int wait_readable(int fd, uint64_t deadline, bool for_ever, bool signals)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    for (;;) {
        uint64_t now = now_ns(CLOCK_MONOTONIC);
        int wait = -1, n;

        if (!for_ever)
            wait = now < deadline ? (int)((deadline - now + NS_PER_MS - 1) / NS_PER_MS) : 0;
        n = poll(&p, 1, wait);
        if (n < 0 && errno == EINTR && !signals)
            continue;
        return n < 0 ? negative_errno() : n;
    }
}

static int broken(int r, struct error *err)
{
    if (r == -EPROTONOSUPPORT) {
        (void)error_set(err, r,
                        "the agent speaks another version of the protocol than this program");
        error_cure(err, "install programs of one version and restart the agent");
    } else {
        (void)error_set(err, r, "what the agent sent cannot be read: %m");
    }
    return r;
}

static int next_frame(struct control_client *c, uint64_t deadline, bool for_ever, bool signals,
                      struct control_frame *ret, struct error *err)
{
    for (;;) {
        int r = control_reader_next(&c->reader, ret);
        ssize_t n;

        if (r != 0)
            return r < 0 ? broken(r, err) : r;
        r = wait_readable(c->fd, deadline, for_ever, signals);
        if (r == -EINTR)
            return r;
        if (r < 0)
            return error_set(err, r, "the connection to the agent failed: %m");
        if (r == 0)
            return 0;
        n = control_reader_fill(&c->reader, c->fd);
        if (n < 0 && n != -EAGAIN)
            return error_set(err, (int)n, "the connection to the agent failed: %m");
        if (n == 0)
            return error_set(err, -ECONNRESET, "the agent closed the connection");
    }
}

int control_client_call(struct control_client *c, enum control_command command, const char *args,
                        struct json_object **ret_result, struct error *err)
{
    uint64_t deadline = now_ns(CLOCK_MONOTONIC) + c->timeout_ms * NS_PER_MS;
    _cleanup_(sb_done) struct strbuf sb = {};
    struct control_response response;
    struct control_frame frame;
    int r;

    r = control_request_write(&sb, ++c->id, command, args);
    if (r < 0)
        return error_set(err, r, "the request cannot be made: %m");
    // A server that has closed may have said why: what it sent is read below.
    r = send_all(c->fd, sb.s, sb.len);
    if (r < 0 && r != -EPIPE)
        return error_set(err, r, "the connection to the agent failed: %m");
    for (;;) {
        r = next_frame(c, deadline, false, false, &frame, err);
        if (r < 0)
            return r;
        if (r == 0)
            return error_set(err, -ETIMEDOUT, "the agent did not answer within %u ms",
                             c->timeout_ms);
        if (frame.kind != CONTROL_RESPONSE)
            continue;
        r = control_response_parse(frame.payload, frame.len, &response, err);
        if (r < 0)
            return r;
        if (response.id == c->id || response.id == 0)
            break;
        json_object_put(response.result);
    }
    if (response.code < 0)
        return response.code;
    *ret_result = response.result;
    return 0;
}

int control_client_next(struct control_client *c, int timeout_ms, struct control_frame *ret_frame,
                        struct error *err)
{
    uint64_t wait = timeout_ms > 0 ? (uint64_t)timeout_ms * NS_PER_MS : 0;

    return next_frame(c, now_ns(CLOCK_MONOTONIC) + wait, timeout_ms < 0, true, ret_frame, err);
}
