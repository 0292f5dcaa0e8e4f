// SPDX-License-Identifier: Apache-2.0
//
// sg-udp plain|names N: datagrams between two sockets of this process over loopback, N there and N back. Prints the nanoseconds of a
// pair, there and back. plain: of 43 bytes to port 9; names: a question for a name to port 53 and its answer, with one address.
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WARM 200

static const char question[] = "\0\1\1\0\0\1\0\0\0\0\0\0"
                               "\3www\7example\6domain\3org\0\0\1\0\1";
static const char answer[] = "\0\1\x81\x80\0\1\0\1\0\0\0\0"
                             "\3www\7example\6domain\3org\0\0\1\0\1"
                             "\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\xc0\0\2\1";

static int fail(const char *what)
{
    perror(what);
    return 1;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int bound(uint16_t port, struct sockaddr_in *ret)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) < 0)
        return -1;
    *ret = a;
    return fd;
}

static int send_over(int from, const struct sockaddr_in *to, int receiver, const char *bytes,
                     size_t len)
{
    char buf[512];

    if (sendto(from, bytes, len, 0, (const struct sockaddr *)to, sizeof(*to)) != (ssize_t)len)
        return -1;
    return recv(receiver, buf, sizeof(buf), 0) == (ssize_t)len ? 0 : -1;
}

int main(int argc, char **argv)
{
    int names = argc == 3 && strcmp(argv[1], "names") == 0, client, server;
    struct sockaddr_in client_at, server_at;
    size_t n = argc == 3 ? strtoul(argv[2], NULL, 10) : 0, back;
    uint64_t start = 0;

    if (n == 0)
        return 2;
    client = bound(0, &client_at);
    server = bound(names ? 53 : 9, &server_at);
    if (client < 0 || server < 0)
        return fail("socket");
    back = names ? sizeof(answer) - 1 : sizeof(question) - 1;
    for (size_t i = 0; i < n + WARM; i++) {
        if (i == WARM)
            start = now_ns();
        if (send_over(client, &server_at, server, question, sizeof(question) - 1) < 0 ||
            send_over(server, &client_at, client, names ? answer : question, back) < 0)
            return fail("a datagram");
    }
    (void)printf("%llu\n", (unsigned long long)((now_ns() - start) / n));
    return 0;
}
