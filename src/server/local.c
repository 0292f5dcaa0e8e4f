// SPDX-License-Identifier: Apache-2.0
//
// Commands for a server that runs: a Unix socket, one packet each way. The database has one owner, so that whoever else wants
// something of it asks him.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "server/server.h"

#define PACKET_MAX ((size_t)128 << 10)
#define ARGS_MAX   32
#define WAIT_S     30

struct local {
    struct server *server;
    struct loop_source *source;
    char *path;
    int fd;
};

// "argc\0secret or nothing\0arg\0arg\0…": texts between NULs; the first says whether there is a secret.
static int read_request(char *packet, size_t len, char *argv[ARGS_MAX + 1], int *ret_argc,
                        const char **ret_secret)
{
    char *at = packet, *end = packet + len;
    bool has_secret;
    int argc = 0;

    if (len < 3 || end[-1] != '\0' || (at[0] != 's' && at[0] != '-') || at[1] != '\0')
        return -EBADMSG;
    has_secret = at[0] == 's';
    at += 2;
    *ret_secret = has_secret ? at : NULL;
    if (has_secret)
        at += strlen(at) + 1;
    for (; at < end; at += strlen(at) + 1) {
        if (argc == ARGS_MAX)
            return -E2BIG;
        argv[argc++] = at;
    }
    argv[argc] = NULL;
    *ret_argc = argc;
    return argc > 0 ? 0 : -EBADMSG;
}

static bool may(int fd)
{
    struct ucred who = {};
    socklen_t len = sizeof(who);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
           (who.uid == 0 || who.uid == geteuid());
}

static void answer(struct local *l, int fd, char *packet, size_t len)
{
    _cleanup_(sb_done) struct strbuf out = {}, errs = {}, reply = {};
    char *argv[ARGS_MAX + 1];
    const char *secret = NULL;
    int argc = 0, status = 1;

    if (read_request(packet, len, argv, &argc, &secret) < 0)
        sb_puts(&errs, "the command cannot be read\n");
    else
        status = command_run(l->server, argc, argv, secret, &out, &errs);
    sb_putc(&reply, (char)status);
    sb_add(&reply, sb_str(&out), out.len);
    sb_putc(&reply, '\0');
    sb_add(&reply, sb_str(&errs), errs.len);
    if (reply.len > PACKET_MAX)
        sb_truncate(&reply, PACKET_MAX);
    (void)send(fd, sb_str(&reply), reply.len, MSG_NOSIGNAL);
    explicit_bzero(packet, len);
}

static int on_connect(void *ctx, int fd, uint32_t events _unused_)
{
    const struct timeval patience = {.tv_sec = 1};
    struct local *l = ctx;
    _cleanup_free_ char *packet = NULL;
    _cleanup_close_ int peer = -1;
    ssize_t n;

    peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    if (peer < 0 || !may(peer))
        return 0;
    // Whoever connects sends at once; the loop waits for nobody longer than that.
    (void)setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void)setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    packet = mallocz(PACKET_MAX);
    if (!packet)
        return 0;
    n = recv(peer, packet, PACKET_MAX, 0);
    if (n > 0)
        answer(l, peer, packet, (size_t)n);
    return 0;
}

static int address_of(const char *run_dir, struct sockaddr_un *ret)
{
    int n;

    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    n = snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/admin.sock", run_dir);
    return n < 0 || (size_t)n >= sizeof(ret->sun_path) ? -ENAMETOOLONG : 0;
}

int local_new(struct server *s, struct local **ret, struct error *err)
{
    struct sockaddr_un address;
    struct local *l;
    int r = address_of(s->config.run_dir, &address);

    if (r == 0)
        r = mkdir_p(AT_FDCWD, s->config.run_dir, 0750);
    if (r < 0)
        return error_set(err, r, "%s: %m", s->config.run_dir);
    l = new0(struct local, 1);
    if (!l)
        return error_set(err, -ENOMEM, "%m");
    l->server = s;
    l->path = xstrndup(address.sun_path, sizeof(address.sun_path));
    l->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)unlink(address.sun_path);
    // The mode of a socket before bind() is that of the file which bind() makes.
    if (!l->path || l->fd < 0 || fchmod(l->fd, 0600) < 0 ||
        bind(l->fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(l->fd, 8) < 0)
        r = negative_errno();
    if (r == 0)
        r = loop_add_fd(s->loop, l->fd, EPOLLIN, on_connect, l, &l->source);
    if (r < 0) {
        (void)error_set(err, r, "%s: %m", address.sun_path);
        (void)local_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

struct local *local_free(struct local *l)
{
    if (!l)
        return NULL;
    l->source = loop_source_free(l->source);
    if (l->fd >= 0 && l->path)
        (void)unlink(l->path);
    (void)safe_close(l->fd);
    free(l->path);
    free(l);
    return NULL;
}

static int read_reply(int fd, struct strbuf *out, struct strbuf *errs, int *ret_status)
{
    _cleanup_free_ char *packet = mallocz(PACKET_MAX + 1);
    const char *end;
    ssize_t n;

    if (!packet)
        return -ENOMEM;
    n = recv(fd, packet, PACKET_MAX, 0);
    if (n < 0)
        return negative_errno();
    end = n > 1 ? memchr(packet + 1, '\0', (size_t)n - 1) : NULL;
    if (!end)
        return -EBADMSG;
    *ret_status = (unsigned char)packet[0];
    sb_add(out, packet + 1, (size_t)(end - packet - 1));
    sb_add(errs, end + 1, (size_t)(packet + n - end - 1));
    return 0;
}

int local_ask(const char *run_dir, int argc, char **argv, const char *secret, struct strbuf *out,
              struct strbuf *errs, int *ret_status)
{
    const struct timeval patience = {.tv_sec = WAIT_S};
    _cleanup_(sb_done) struct strbuf request = {};
    struct sockaddr_un address;
    _cleanup_close_ int fd = -1;
    int r = address_of(run_dir, &address);

    if (r < 0)
        return r;
    sb_add(&request, secret ? "s" : "-", 2);
    if (secret)
        sb_add(&request, secret, strlen(secret) + 1);
    for (int i = 0; i < argc; i++)
        sb_add(&request, argv[i], strlen(argv[i]) + 1);
    if (argc > ARGS_MAX || request.len > PACKET_MAX)
        return -E2BIG;
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return negative_errno();
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (send(fd, sb_str(&request), request.len, MSG_NOSIGNAL) < 0)
        return negative_errno();
    return read_reply(fd, out, errs, ret_status);
}
