// SPDX-License-Identifier: Apache-2.0
//
// Which interfaces there are, and what rules want on each. What the kernel says of changes only says that there are any: the list is
// read anew, so that nothing depends on a message that got lost.
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/strutil.h"
#include "packets/internal.h"

static void look_at(struct packets_interface *i)
{
    _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq req = {};

    (void)snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", i->name);
    if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &req) < 0)
        return;
    i->loopback = req.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK;
    i->raw = req.ifr_hwaddr.sa_family != ARPHRD_ETHER && !i->loopback;
}

static struct packets_interface *find(struct packets *p, uint32_t ifindex)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->items[i].ifindex == ifindex)
            return &p->items[i];
    return NULL;
}

static int add(struct packets *p, const struct if_nameindex *of)
{
    struct packets_interface *i = find(p, of->if_index);

    if (!i && p->n == SG_PACKET_INTERFACES_MAX) {
        packets_add_problem(
            p, "name the interfaces that rules are about, so that others need no place",
            "%s: more than %u interfaces", of->if_name, SG_PACKET_INTERFACES_MAX);
        return 0;
    }
    if (!i) {
        if (!GREEDY(p->items, p->cap, p->n + 1))
            return -ENOMEM;
        i = &p->items[p->n++];
        *i = (struct packets_interface){.ifindex = of->if_index,
                                        .in_fd = -1,
                                        .out_fd = -1,
                                        .early_fd = -1};
    }
    (void)snprintf(i->name, sizeof(i->name), "%.15s", of->if_name);
    look_at(i);
    return 0;
}

int packets_scan(struct packets *p)
{
    struct if_nameindex *list = if_nameindex();
    int r = list ? 0 : -errno;

    if (r < 0)
        return r;
    for (size_t k = 0; k < p->n;) {
        bool there = false;

        for (const struct if_nameindex *of = list; of->if_index && !there; of++)
            there = of->if_index == p->items[k].ifindex;
        if (there) {
            k++;
            continue;
        }
        packets_forget(p, &p->items[k]);
        p->items[k] = p->items[--p->n];
    }
    for (const struct if_nameindex *of = list; of->if_index && r == 0; of++)
        r = add(p, of);
    if_freenameindex(list);
    return r;
}

static int want(struct compiled *c, struct packets_interface *i)
{
    bool early[2], drops[2];
    uint16_t row[2];

    for (unsigned out = 0; out < 2; out++) {
        int r = compiled_interface(c, i->name, i->loopback, out, &row[out], &early[out],
                                   &drops[out]);

        if (r < 0)
            return r;
        i->entry.row[out] = row[out];
        i->entry.drops_bad[out] = drops[out];
    }
    i->wanted = row[0] || row[1];
    for (unsigned out = 0; out < 2; out++)
        i->want[out] = row[out] || (i->wanted && c->tables->flags & SG_PACKET_REWRITES);
    i->want_early = early[0] && !i->raw;
    i->entry.flags = (uint16_t)((i->raw ? SG_PACKET_IF_RAW : 0) |
                                (i->want_early && i->early ? SG_PACKET_IF_EARLY : 0));
    return 0;
}

int packets_want(struct packets *p, struct compiled *c)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < p->n; i++)
        r = want(c, &p->items[i]);
    return r;
}

void packets_settle(struct packets *p)
{
    for (size_t k = 0; k < p->n; k++) {
        struct packets_interface *i = &p->items[k];

        if (i->wanted)
            packets_attach(p, i);
        else if (i->in || i->out || i->early)
            packets_detach(p, i);
    }
}

int packets_watch(struct packets *p, struct error *err)
{
    struct sockaddr_nl addr = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK | RTMGRP_TC};
    _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                                    NETLINK_ROUTE);

    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        return error_set(err, -errno, "changes of interfaces cannot be seen: %m");
    p->netlink_fd = TAKE_FD(fd);
    return 0;
}

void packets_drain(struct packets *p)
{
    bool any = false;
    char buf[8192];

    // ENOBUFS: messages were lost, which is one more reason to look.
    for (;;) {
        if (recv(p->netlink_fd, buf, sizeof(buf), 0) >= 0 || errno == ENOBUFS)
            any = true;
        else if (errno != EINTR)
            break;
    }
    if (!any || !p->compiled)
        return;
    p->n_problems = 0;
    if (packets_scan(p) < 0 || packets_want(p, p->compiled) < 0) {
        packets_add_problem(p, "look whether memory has ended, and load the policy again",
                            "interfaces that have come are without rules about packets");
        return;
    }
    packets_resolve(p);
    for (size_t k = 0; k < p->n; k++)
        if (packets_put_interface(p, &p->items[k]) < 0)
            packets_add_problem(p, "name the interfaces that rules are about",
                                "%s: its rules cannot be put into the kernel", p->items[k].name);
    packets_settle(p);
    packets_find_problems(p);
}
