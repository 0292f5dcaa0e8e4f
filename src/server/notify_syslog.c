// SPDX-License-Identifier: Apache-2.0
//
// Syslog as RFC 5424 has it, by UDP (one datagram) or TCP (with the length in front, RFC 6587).
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "base/utf8.h"
#include "server/notify.h"

#define FACILITY     16   // local0
#define DATAGRAM_MAX 2048 // what every receiver takes, RFC 5424 6.1
#define MESSAGE_MAX  8192

// "udp://host:port", "tcp://[::1]:601".
struct where {
    int type;
    char host[256], port[8];
};

static int parse(const char *target, struct where *ret)
{
    const char *rest = str_startswith(target, "udp://"), *end, *port;
    uint32_t number;
    size_t len;

    *ret = (struct where){.type = rest ? SOCK_DGRAM : SOCK_STREAM};
    if (!rest)
        rest = str_startswith(target, "tcp://");
    if (!rest)
        return -EINVAL;
    if (*rest == '[') {
        rest++;
        end = strchr(rest, ']');
        port = end ? end + 1 : NULL;
    } else {
        end = strchr(rest, ':');
        port = end ? end : rest + strlen(rest);
        end = port;
    }
    len = end ? (size_t)(end - rest) : 0;
    if (len == 0 || len >= sizeof(ret->host) || memchr(rest, '/', len))
        return -EINVAL;
    memcpy(ret->host, rest, len);
    if (!*port) {
        (void)snprintf(ret->port, sizeof(ret->port), "%s", ret->type == SOCK_DGRAM ? "514" : "601");
        return 0;
    }
    if (*port != ':' || parse_u32(port + 1, &number) < 0 || number == 0 || number > 65535)
        return -EINVAL;
    (void)snprintf(ret->port, sizeof(ret->port), "%u", number);
    return 0;
}

static int check(const char *target, struct error *err)
{
    struct where where;

    if (parse(target, &where) == 0)
        return 0;
    (void)error_set(err, -EINVAL, "'%.200s' is no address of a syslog server", target);
    error_expected(err, "udp://host:514 or tcp://host:601");
    return -EINVAL;
}

// Ours are 1 … 6, the worse the higher; theirs 0 … 7, the worse the lower.
static unsigned severity_of(unsigned severity)
{
    static const unsigned char map[] = {5, 6, 5, 4, 3, 2, 1};

    return map[severity < ARRAY_SIZE(map) ? severity : 0];
}

// PARAM-VALUE: a backslash before '"', '\' and ']'; nothing that ends a line.
static void put_param(struct strbuf *sb, const char *name, const char *value)
{
    _cleanup_(sb_done) struct strbuf safe = {};

    if (str_isempty(value))
        return;
    utf8_escape(&safe, value, strlen(value));
    sb_printf(sb, " %s=\"", name);
    for (const char *p = sb_str(&safe); *p; p++) {
        if (strchr("\"\\]", *p))
            sb_putc(sb, '\\');
        sb_putc(sb, *p);
    }
    sb_putc(sb, '"');
}

static void put_message(struct strbuf *sb, const struct notification *n)
{
    struct json_object *alert = json_get(n->json, "alert");
    char time[RFC3339_MS_SIZE] = "-", host[256] = "-", id[24] = "";

    (void)format_rfc3339_ms(n->time_ms * NS_PER_MS, time, sizeof(time));
    (void)gethostname(host, sizeof(host) - 1);
    sb_printf(sb, "<%u>1 %s %s safeguard %d %s [safeguard@32473",
              FACILITY * 8 + severity_of(n->severity), time, host, (int)getpid(),
              json_get_str(n->json, "kind", "-"));
    if (alert) {
        (void)snprintf(id, sizeof(id), "%llu", (unsigned long long)json_get_u64(alert, "id", 0));
        put_param(sb, "alert", id);
        put_param(sb, "host", json_get_str(alert, "host_name", ""));
        put_param(sb, "hostId", json_get_str(alert, "host", ""));
        put_param(sb, "outcome", json_get_str(alert, "outcome", ""));
        put_param(sb, "policy", json_get_str(alert, "policy", ""));
        put_param(sb, "rule", json_get_str(alert, "rule", ""));
        put_param(sb, "program", json_get_str(alert, "program", ""));
        put_param(sb, "user", json_get_str(alert, "user", ""));
        put_param(sb, "path", json_get_str(alert, "path", ""));
    }
    sb_printf(sb, "] \xef\xbb\xbf%s", n->subject);
}

// Cut between two characters.
static size_t cut(const struct strbuf *sb, size_t max)
{
    size_t len = MIN(sb->len, max);

    while (len > 0 && len < sb->len && ((unsigned char)sb->s[len] & 0xc0) == 0x80)
        len--;
    return len;
}

static int open_socket(const struct where *where, struct error *err)
{
    const struct addrinfo hints = {.ai_socktype = where->type, .ai_flags = AI_ADDRCONFIG};
    const struct timeval timeout = {.tv_sec = NOTIFY_TIMEOUT_S};
    struct addrinfo *list = NULL;
    int fd = -1, r = getaddrinfo(where->host, where->port, &hints, &list);

    if (r != 0)
        return error_set(err, -EREMOTEIO, "%s: %s", where->host, gai_strerror(r));
    errno = EADDRNOTAVAIL;
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd < 0)
            continue;
        // Connecting waits no longer than this either.
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
        if (connect(fd, a->ai_addr, a->ai_addrlen) < 0)
            fd = safe_close(fd);
    }
    r = negative_errno();
    freeaddrinfo(list);
    return fd >= 0 ? fd
                   : error_set(err, r, "the syslog server %s:%s cannot be reached: %m", where->host,
                               where->port);
}

// A peer that has gone is an error and no signal.
static int send_bytes(int fd, const char *p, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static int send_syslog(const struct notification *n, bool *ret_for_ever _unused_, struct error *err)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    _cleanup_close_ int fd = -1;
    struct where where;
    char length[24];
    size_t len;
    int r = parse(n->target, &where);

    if (r < 0)
        return error_set(err, r, "this is no address of a syslog server");
    put_message(&sb, n);
    if (sb.failed)
        return error_set(err, -ENOMEM, "out of memory");
    len = cut(&sb, where.type == SOCK_DGRAM ? DATAGRAM_MAX : MESSAGE_MAX);
    fd = open_socket(&where, err);
    if (fd < 0)
        return fd;
    (void)snprintf(length, sizeof(length), "%zu ", len);
    if (where.type == SOCK_STREAM)
        r = send_bytes(fd, length, strlen(length));
    if (r == 0)
        r = send_bytes(fd, sb.s, len);
    return r < 0 ? error_set(err, r, "the syslog server %s:%s: %s", where.host, where.port,
                             strerror(-r))
                 : 0;
}

const struct notify_kind notify_syslog = {check, send_syslog};
