// SPDX-License-Identifier: Apache-2.0
//
// Arguments, environment, working directory and descriptors of what is executed.
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "exec.h"

/* As in linux/ipv6.h, which does not go together with the C library's headers. */
struct in6_ifreq {
    struct in6_addr ifr6_addr;
    uint32_t ifr6_prefixlen;
    int ifr6_ifindex;
};

#define ARGV(...) ((char *const[]){__VA_ARGS__, NULL})

void way_args_none(const struct run *r)
{
    go(r, r->target, ARGV(NULL), NULL);
}

void way_args_null(const struct run *r)
{
    char *const none[] = {NULL};
    char **volatile argv = NULL;

    execve(r->target, argv, none);
    refused(r, errno);
}

/* A text of one letter. */
static char *text_of(const struct run *r, size_t len, char c)
{
    char *text = malloc(len + 1);

    if (!text)
        must(r, -1, "malloc");
    memset(text, c, len);
    text[len] = '\0';
    return text;
}

void way_args_megabytes(const struct run *r)
{
    char *argv[22] = {"first"};

    for (int i = 1; i < 21; i++)
        argv[i] = text_of(r, 95000, 'y');
    go(r, r->target, argv, NULL);
}

void way_args_many(const struct run *r)
{
    char **argv = calloc(10001, sizeof(*argv));

    for (int i = 0; argv && i < 10000; i++)
        argv[i] = "arg";
    go(r, r->target, argv, NULL);
}

void way_args_long0(const struct run *r)
{
    go(r, r->target, ARGV(text_of(r, 100000, 'z')), NULL);
}

void way_args_exact(const struct run *r)
{
    go(r, r->target, ARGV("1234567", text_of(r, 4096 - 8 - 1, 'e')), NULL);
}

void way_args_bytes(const struct run *r)
{
    go(r, r->target, ARGV("a\nb", "", "\xff\xfe", "end"), NULL);
}

void way_env_chosen(const struct run *r)
{
    go(r, r->target, NULL,
       ARGV("PATH=/bin", "LD_AUDIT=", "SSH_CLIENT=a b", "LD_PRELOADED=no", "SSH=no", "LD_PRELOAD=x",
            "="));
}

void way_env_named(const struct run *r)
{
    go(r, r->target, NULL,
       ARGV("SG_NAMED=1", "SG_NAMED_NOT=no", "SG_ALL_A=2", "SG_ALL=no", "SG_SUBJECT=3",
            "LD_PRELOAD=x"));
}

void way_env_huge(const struct run *r)
{
    char **envp = calloc(2002, sizeof(*envp));

    for (int i = 0; envp && i < 2000; i++)
        envp[i] = "SOME_VARIABLE=with a value";
    if (envp)
        envp[2000] = text_of(r, 100000, 'E');
    go(r, r->target, NULL, envp);
}

void way_cwd_deleted(const struct run *r)
{
    const char *dir = in_root(r, "free/gone-%M");

    make_dir(r, dir);
    MUST(r, chdir(dir));
    MUST(r, rmdir(dir));
    go(r, r->target, NULL, NULL);
}

void way_cwd_mount(const struct run *r)
{
    MUST(r, chdir(in_area(r, "tmpfs/dir")));
    go(r, r->target, NULL, NULL);
}

static _Noreturn void with(const struct run *r, int in, int out)
{
    if (in >= 0)
        MUST(r, dup2(in, 0));
    if (out >= 0)
        MUST(r, dup2(out, 1));
    go(r, r->target, NULL, NULL);
}

void way_stdin_closed(const struct run *r)
{
    (void)close(0);
    go(r, r->target, NULL, NULL);
}

void way_all_closed(const struct run *r)
{
    (void)close(0);
    (void)close(1);
    (void)close(2);
    go(r, r->target, NULL, NULL);
}

void way_stdin_pipe(const struct run *r)
{
    int fd[2];

    MUST(r, pipe(fd));
    with(r, fd[0], -1);
}

void way_stdin_fifo(const struct run *r)
{
    const char *path = in_root(r, "free/fifo-%M");

    MUST(r, mkfifo(path, 0600));
    with(r, (int)MUST(r, open(path, O_RDWR)), -1);
}

void way_stdin_file(const struct run *r)
{
    const char *path = in_root(r, "free/input");

    write_file(r, path, 0644, "input");
    MUST(r, dup2((int)MUST(r, open(path, O_RDWR)), 2));
    with(r, (int)MUST(r, open(path, O_RDONLY)), -1);
}

void way_stdin_null(const struct run *r)
{
    with(r, (int)MUST(r, open("/dev/null", O_RDONLY)), -1);
}

void way_stdin_tty(const struct run *r)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY), tty;

    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
        skip(r, "no terminals: %s", strerror(errno));
    MUST(r, setsid());
    tty = (int)MUST(r, open(ptsname(master), O_RDWR));
    MUST(r, ioctl(tty, TIOCSCTTY, 0));
    with(r, tty, tty);
}

/* A connection to itself from another address; the ports go to the runner as arguments of the program. */
static _Noreturn void connected(const struct run *r, int family, const struct sockaddr *any,
                                const struct sockaddr *other, socklen_t len)
{
    struct sockaddr_storage address, own;
    int server = socket(family, SOCK_STREAM, 0), client = socket(family, SOCK_STREAM, 0);
    char port[16], own_port[16];

    if (server < 0 || bind(server, any, len) < 0)
        skip(r, "no sockets of this family: %s", strerror(errno));
    MUST(r, listen(server, 1));
    MUST(r, getsockname(server, (struct sockaddr *)&address, &len));
    MUST(r, bind(client, other, len));
    MUST(r, connect(client, (struct sockaddr *)&address, len));
    MUST(r, getsockname(client, (struct sockaddr *)&own, &len));
    /* The port is at the same place in both. */
    snprintf(port, sizeof(port), "%u", ntohs(((struct sockaddr_in *)&address)->sin_port));
    snprintf(own_port, sizeof(own_port), "%u", ntohs(((struct sockaddr_in *)&own)->sin_port));
    MUST(r, dup2(client, 0));
    go(r, r->target, ARGV("ports", port, own_port), NULL);
}

void way_stdin_tcp(const struct run *r)
{
    const struct sockaddr_in any = {.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct sockaddr_in other = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1)};

    connected(r, AF_INET, (const struct sockaddr *)&any, (const struct sockaddr *)&other,
              sizeof(any));
}

void way_stdin_tcp6(const struct run *r)
{
    const struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in6 other = {.sin6_family = AF_INET6};
    struct in6_ifreq more = {.ifr6_prefixlen = 128, .ifr6_ifindex = (int)if_nametoindex("lo")};
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);

    /* The loopback interface has one address of IPv6. */
    (void)inet_pton(AF_INET6, "fd00::2", &other.sin6_addr);
    more.ifr6_addr = other.sin6_addr;
    if (fd < 0 || (ioctl(fd, SIOCSIFADDR, &more) < 0 && errno != EEXIST))
        skip(r, "no second address of IPv6: %s", strerror(errno));
    (void)close(fd);
    connected(r, AF_INET6, (const struct sockaddr *)&any, (const struct sockaddr *)&other,
              sizeof(any));
}

void way_stdin_unix(const struct run *r)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int server = (int)MUST(r, socket(AF_UNIX, SOCK_STREAM, 0)),
        client = (int)MUST(r, socket(AF_UNIX, SOCK_STREAM, 0));

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", in_root(r, "free/unix-%M"));
    MUST(r, bind(server, (struct sockaddr *)&address, sizeof(address)));
    MUST(r, listen(server, 1));
    MUST(r, connect(client, (struct sockaddr *)&address, sizeof(address)));
    with(r, (int)MUST(r, accept(server, NULL, NULL)), -1);
}

void way_stdin_pair(const struct run *r)
{
    int fd[2];

    MUST(r, socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
    with(r, fd[0], fd[1]);
}

void way_stdin_event(const struct run *r)
{
    with(r, (int)MUST(r, eventfd(0, 0)), -1);
}
