// SPDX-License-Identifier: Apache-2.0
#include "flows/diag.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/inet.h"
#include "base/macro.h"

#define BUFFER   ((size_t)64 << 10)
#define TCP_ENDS 10 // TCP_LISTEN of the kernel's states: those are no connections

static void take_address(uint8_t to[16], const __be32 from[4], uint8_t family)
{
    memset(to, 0, 16);
    if (family == AF_INET6) {
        memcpy(to, from, 16);
        return;
    }
    to[10] = to[11] = 0xff;
    memcpy(to + INET_MAPPED_BYTES, from, 4);
}

// Older kernels have a shorter one: what is not there is 0.
static void take_info(struct diag_row *row, const void *data, size_t len)
{
    struct tcp_info info = {};

    memcpy(&info, data, MIN(len, sizeof(info)));
    row->sums = (struct sg_flow_sums){
        .bytes_out = info.tcpi_bytes_sent - MIN(info.tcpi_bytes_retrans, info.tcpi_bytes_sent),
        .bytes_in = info.tcpi_bytes_received,
        .packets_out = info.tcpi_segs_out,
        .packets_in = info.tcpi_segs_in,
    };
    row->rtt_us = info.tcpi_rtt;
    row->retransmits = info.tcpi_total_retrans;
}

static int take_message(const uint8_t *data, size_t len, diag_fn fn, void *ctx)
{
    struct inet_diag_msg msg;
    struct diag_row row = {};
    size_t at = NLMSG_ALIGN(sizeof(msg));

    if (len < sizeof(msg))
        return -EBADMSG;
    memcpy(&msg, data, sizeof(msg));
    if (msg.idiag_family != AF_INET && msg.idiag_family != AF_INET6)
        return -EBADMSG;
    take_address(row.local, msg.id.idiag_src, msg.idiag_family);
    take_address(row.remote, msg.id.idiag_dst, msg.idiag_family);
    row.local_port = ntohs(msg.id.idiag_sport);
    row.remote_port = ntohs(msg.id.idiag_dport);
    row.listens = msg.idiag_state == TCP_ENDS;
    row.family = msg.idiag_family;
    row.inode = msg.idiag_inode;
    row.id = msg.id;
    while (at + sizeof(struct nlattr) <= len) {
        struct nlattr attr;

        memcpy(&attr, data + at, sizeof(attr));
        if (attr.nla_len < sizeof(attr) || attr.nla_len > len - at)
            return -EBADMSG;
        if ((attr.nla_type & NLA_TYPE_MASK) == INET_DIAG_INFO)
            take_info(&row, data + at + sizeof(attr), attr.nla_len - sizeof(attr));
        at += NLA_ALIGN(attr.nla_len);
    }
    return fn(ctx, &row);
}

int diag_parse(const void *buf, size_t len, diag_fn fn, void *ctx)
{
    const uint8_t *bytes = buf;
    int r;

    for (size_t at = 0; at + sizeof(struct nlmsghdr) <= len;) {
        const uint8_t *data = bytes + at + NLMSG_HDRLEN;
        struct nlmsghdr head;
        size_t n;
        int error;

        memcpy(&head, bytes + at, sizeof(head));
        if (head.nlmsg_len < NLMSG_HDRLEN || head.nlmsg_len > len - at)
            return -EBADMSG;
        n = head.nlmsg_len - NLMSG_HDRLEN;
        if (head.nlmsg_type == NLMSG_DONE)
            return 1;
        if (head.nlmsg_type == NLMSG_ERROR) {
            if (n < sizeof(error))
                return -EBADMSG;
            memcpy(&error, data, sizeof(error));
            return error < 0 ? error : 1;
        }
        if (head.nlmsg_type == SOCK_DIAG_BY_FAMILY) {
            r = take_message(data, n, fn, ctx);
            if (r < 0)
                return r;
        }
        at += NLMSG_ALIGN(head.nlmsg_len);
    }
    return 0;
}

struct bounded {
    diag_fn fn;
    void *ctx;
    size_t n;
};

static int on_row(void *ctx, const struct diag_row *row)
{
    struct bounded *b = ctx;

    return b->n++ < DIAG_ROWS_MAX ? b->fn(b->ctx, row) : -E2BIG;
}

static int dump(int fd, uint8_t family, uint32_t states, uint8_t *buf, struct bounded *to)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 req;
    } ask = {
        .head = {.nlmsg_len = sizeof(ask),
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .req = {.sdiag_family = family,
                .sdiag_protocol = IPPROTO_TCP,
                .idiag_ext = 1 << (INET_DIAG_INFO - 1),
                .idiag_states = states},
    };
    ssize_t n;
    int r = 0;

    if (send(fd, &ask, sizeof(ask), 0) < 0)
        return -errno;
    while (r == 0) {
        n = recv(fd, buf, BUFFER, 0);
        if (n < 0 && errno == EINTR)
            continue;
        r = n < 0 ? -errno : diag_parse(buf, (size_t)n, on_row, to);
    }
    return MIN(r, 0);
}

static int read_states(uint32_t states, diag_fn fn, void *ctx)
{
    _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    _cleanup_free_ uint8_t *buf = new0(uint8_t, BUFFER);
    struct bounded to = {fn, ctx, 0};
    int r;

    if (fd < 0)
        return -errno;
    if (!buf)
        return -ENOMEM;
    r = dump(fd, AF_INET, states, buf, &to);
    return r < 0 ? r : dump(fd, AF_INET6, states, buf, &to);
}

int diag_read(diag_fn fn, void *ctx)
{
    return read_states(~(1u << TCP_ENDS), fn, ctx);
}

int diag_read_all(diag_fn fn, void *ctx)
{
    return read_states(~0u, fn, ctx);
}

static int no_row(void *ctx, const struct diag_row *row)
{
    (void)ctx;
    (void)row;
    return 0;
}

int diag_destroy(const struct diag_row *row)
{
    _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 req;
    } ask = {
        .head = {.nlmsg_len = sizeof(ask),
                 .nlmsg_type = SOCK_DESTROY,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
        .req = {.sdiag_family = row->family,
                .sdiag_protocol = IPPROTO_TCP,
                .idiag_states = ~0u,
                .id = row->id},
    };
    uint8_t answer[1024];
    ssize_t n;
    int r;

    if (fd < 0 || send(fd, &ask, sizeof(ask), 0) < 0)
        return -errno;
    do
        n = recv(fd, answer, sizeof(answer), 0);
    while (n < 0 && errno == EINTR);
    r = n < 0 ? -errno : diag_parse(answer, (size_t)n, no_row, NULL);
    return r < 0 ? r : 0;
}
