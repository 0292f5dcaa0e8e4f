// SPDX-License-Identifier: Apache-2.0
#include "../unit.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/inet.h"
#include "base/macro.h"
#include "flows/diag.h"

#define SENT 100000u

struct wanted {
    uint16_t local_port, remote_port;
    size_t n, found;
    struct diag_row row;
};

static int on_row(void *ctx, const struct diag_row *row)
{
    struct wanted *w = ctx;

    w->n++;
    if (row->local_port == w->local_port && row->remote_port == w->remote_port) {
        w->found++;
        w->row = *row;
    }
    return 0;
}

// A connection of ours, with what went through it.
static void test_real(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
        client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), server;
    socklen_t len = sizeof(address);
    struct wanted w = {};
    static char data[SENT];

    (void)state;
    assert_int_equal(bind(listener, (void *)&address, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (void *)&address, &len), 0);
    w.remote_port = ntohs(address.sin_port);
    assert_int_equal(connect(client, (void *)&address, len), 0);
    server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(server >= 0);
    assert_int_equal(getsockname(client, (void *)&address, &len), 0);
    w.local_port = ntohs(address.sin_port);
    assert_int_equal(send(client, data, SENT, 0), SENT);
    assert_int_equal(recv(server, data, SENT, MSG_WAITALL), SENT);
    if (diag_read(on_row, &w) == -ENOENT)
        skip(); // a kernel without it
    assert_int_equal(w.found, 1);
    assert_true(inet_is_loopback(w.row.local) && inet_is_loopback(w.row.remote));
    assert_int_equal(w.row.sums.bytes_out, SENT);
    assert_int_equal(w.row.sums.bytes_in, 0);
    assert_true(w.row.sums.packets_out >= 2);
    (void)close(client);
    (void)close(server);
    (void)close(listener);
}

struct message {
    struct nlmsghdr head;
    struct inet_diag_msg msg;
    struct nlattr attr;
    struct tcp_info info;
} __attribute__((packed));

static struct message sound(void)
{
    struct message m = {
        .head = {.nlmsg_len = sizeof(m), .nlmsg_type = SOCK_DIAG_BY_FAMILY},
        .msg = {.idiag_family = AF_INET6,
                .id = {.idiag_sport = htons(40000), .idiag_dport = htons(443)}},
        .attr = {.nla_len = sizeof(m.attr) + sizeof(m.info), .nla_type = INET_DIAG_INFO},
        .info = {.tcpi_bytes_sent = 500, .tcpi_bytes_retrans = 100, .tcpi_rtt = 70},
    };

    return m;
}

static void test_messages(void **state)
{
    struct wanted w = {.local_port = 40000, .remote_port = 443};
    struct message m = sound();
    struct nlmsghdr done = {.nlmsg_len = sizeof(done), .nlmsg_type = NLMSG_DONE};
    struct {
        struct nlmsghdr head;
        int error;
    } failed = {{.nlmsg_len = sizeof(failed), .nlmsg_type = NLMSG_ERROR}, -EPERM};

    (void)state;
    assert_int_equal(diag_parse(&m, sizeof(m), on_row, &w), 0);
    assert_int_equal(w.found, 1);
    assert_int_equal(w.row.sums.bytes_out, 400);
    assert_int_equal(w.row.rtt_us, 70);
    assert_int_equal(diag_parse(&done, sizeof(done), on_row, &w), 1);
    assert_int_equal(diag_parse(&failed, sizeof(failed), on_row, &w), -EPERM);
    // An attribute of an older kernel is shorter.
    m = sound();
    m.attr.nla_len = sizeof(m.attr) + 8;
    m.head.nlmsg_len = NLMSG_HDRLEN + sizeof(m.msg) + m.attr.nla_len;
    assert_int_equal(diag_parse(&m, m.head.nlmsg_len, on_row, &w), 0);
    assert_int_equal(w.row.sums.bytes_out, 0);
}

static void test_bad(void **state)
{
    struct wanted w = {};

#define BAD(change)                                                        \
    do {                                                                   \
        struct message m = sound();                                        \
                                                                           \
        change;                                                            \
        assert_int_equal(diag_parse(&m, sizeof(m), on_row, &w), -EBADMSG); \
    } while (0)

    (void)state;
    BAD(m.head.nlmsg_len = 3);
    BAD(m.head.nlmsg_len = sizeof(m) + 1);
    BAD(m.head.nlmsg_len = NLMSG_HDRLEN + 4);
    BAD(m.msg.idiag_family = AF_UNIX);
    BAD(m.attr.nla_len = 0);
    BAD(m.attr.nla_len = sizeof(m.attr) + sizeof(m.info) + 1);
    BAD(m.head.nlmsg_type = NLMSG_ERROR; m.head.nlmsg_len = NLMSG_HDRLEN);
    assert_int_equal(w.n, 0);
}

UNIT_MAIN(cmocka_unit_test(test_real), cmocka_unit_test(test_messages), cmocka_unit_test(test_bad))
