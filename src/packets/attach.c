// SPDX-License-Identifier: Apache-2.0
//
// Programs on interfaces. At tc a link (tcx, from 6.6 on), elsewhere a filter of a clsact qdisc under a handle of our own; at XDP a
// link, by the driver or, where it cannot, in front of the stack. What others have put there stays.
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "packets/internal.h"

// Headers of before 6.6 do not have these.
#define TCX_INGRESS 46
#define TCX_EGRESS  47

#define FILTER_HANDLE     0x5347u
#define FILTER_PRIORITIES 8u // that are tried: another kind of filter may have one

static void pin_path(const struct packets *p, const char *what, uint32_t ifindex,
                     char path[PACKETS_PATH_MAX])
{
    (void)snprintf(path, PACKETS_PATH_MAX, "%.400s/%s-%u", p->pin_dir, what, ifindex);
}

static int bpf_call(int cmd, union bpf_attr *attr)
{
    long r = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

    return r < 0 ? -errno : (int)r;
}

static int link_create(int prog_fd, uint32_t ifindex, uint32_t type, uint32_t flags)
{
    union bpf_attr attr = {};

    attr.link_create.prog_fd = (uint32_t)prog_fd;
    attr.link_create.target_ifindex = ifindex;
    attr.link_create.attach_type = type;
    attr.link_create.flags = flags;
    return bpf_call(BPF_LINK_CREATE, &attr);
}

static int link_update(int link_fd, int prog_fd)
{
    union bpf_attr attr = {};

    attr.link_update.link_fd = (uint32_t)link_fd;
    attr.link_update.new_prog_fd = (uint32_t)prog_fd;
    return bpf_call(BPF_LINK_UPDATE, &attr);
}

// A link that an earlier process, or object, has left: our program takes the place of the one in it, with no packet in between.
static int link_take_over(const struct packets *p, const char *what, uint32_t ifindex, int prog_fd)
{
    char path[PACKETS_PATH_MAX];
    int fd, r;

    pin_path(p, what, ifindex, path);
    fd = bpf_obj_get(path);
    if (fd < 0)
        return -errno;
    r = link_update(fd, prog_fd);
    if (r >= 0)
        return fd;
    (void)safe_close(fd);
    (void)unlink(path);
    return r;
}

static int link_pin(const struct packets *p, const char *what, uint32_t ifindex, int fd)
{
    char path[PACKETS_PATH_MAX];

    pin_path(p, what, ifindex, path);
    (void)unlink(path);
    return bpf_obj_pin(fd, path) < 0 ? -errno : 0;
}

static void link_drop(const struct packets *p, const char *what, uint32_t ifindex, int *fd)
{
    char path[PACKETS_PATH_MAX];

    pin_path(p, what, ifindex, path);
    (void)unlink(path);
    *fd = safe_close(*fd);
}

static const char *name_of(bool out)
{
    return out ? "packet_egress" : "packet_ingress";
}

static bool is_ours(uint32_t prog_id, bool out)
{
    _cleanup_close_ int fd = bpf_prog_get_fd_by_id(prog_id);
    struct bpf_prog_info info = {};
    uint32_t len = sizeof(info);

    return fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len) == 0 &&
           strncmp(info.name, name_of(out), sizeof(info.name) - 1) == 0;
}

// The priority that our filter has there; 0: there is none.
static uint32_t filter_find(uint32_t ifindex, bool out)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
                .attach_point = out ? BPF_TC_EGRESS : BPF_TC_INGRESS);

    for (uint32_t priority = 1; priority <= FILTER_PRIORITIES; priority++) {
        LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = priority);

        if (bpf_tc_query(&hook, &opts) == 0 && is_ours(opts.prog_id, out))
            return priority;
    }
    return 0;
}

static int filter_put(uint32_t ifindex, bool out, int prog_fd)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
                .attach_point = out ? BPF_TC_EGRESS : BPF_TC_INGRESS);
    uint32_t own = filter_find(ifindex, out);
    int r = -EBUSY;

    for (uint32_t priority = own ? own : 1; priority <= FILTER_PRIORITIES; priority++) {
        LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = priority,
                    .prog_fd = prog_fd, .flags = own ? BPF_TC_F_REPLACE : 0);

        r = bpf_tc_attach(&hook, &opts);
        if (r == 0 || own)
            return r;
    }
    return r;
}

static void filter_drop(uint32_t ifindex, bool out)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
                .attach_point = out ? BPF_TC_EGRESS : BPF_TC_INGRESS);
    LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = filter_find(ifindex, out));

    if (opts.priority)
        (void)bpf_tc_detach(&hook, &opts);
}

// The qdisc that filters hang on. Whether it was made here is remembered beside the pins.
static int qdisc_make(const struct packets *p, uint32_t ifindex)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
                .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
    char path[PACKETS_PATH_MAX];
    int r = bpf_tc_hook_create(&hook);

    if (r == -EEXIST)
        return 0;
    if (r == 0) {
        pin_path(p, "clsact", ifindex, path);
        (void)mkdir(path, 0700);
    }
    return r;
}

// Has anybody a filter there? An answer that cannot be read counts as one.
static bool has_filters(uint32_t ifindex, uint32_t parent)
{
    struct {
        struct nlmsghdr header;
        struct tcmsg tc;
    } ask = {.header = {.nlmsg_len = sizeof(ask),
                        .nlmsg_type = RTM_GETTFILTER,
                        .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
             .tc = {.tcm_ifindex = (int)ifindex, .tcm_parent = parent}};
    _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    struct timeval patience = {.tv_sec = 2};
    char buf[32768] __attribute__((aligned(NLMSG_ALIGNTO)));
    ssize_t n;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
        send(fd, &ask, sizeof(ask), 0) < 0)
        return true;
    n = recv(fd, buf, sizeof(buf), 0);
    // Only whether the first message is the end: none of what is in others matters.
    return n < (ssize_t)sizeof(struct nlmsghdr) ||
           ((struct nlmsghdr *)buf)->nlmsg_type != NLMSG_DONE;
}

static void qdisc_drop(const char *pin_dir, uint32_t ifindex)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
                .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
    char path[PACKETS_PATH_MAX];

    (void)snprintf(path, sizeof(path), "%.400s/clsact-%u", pin_dir, ifindex);
    if (rmdir(path) < 0)
        return; // it is somebody else's
    if (!has_filters(ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)) &&
        !has_filters(ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)))
        (void)bpf_tc_hook_destroy(&hook);
}

static int attach_tc(struct packets *p, struct packets_interface *i, bool out,
                     enum packets_way *ret_way, int *ret_fd)
{
    int prog_fd = out ? p->egress_fd : p->ingress_fd, r = -EINVAL;
    const char *what = out ? "out" : "in";

    if (!p->no_tcx) {
        r = link_take_over(p, what, i->ifindex, prog_fd);
        if (r < 0) {
            r = link_create(prog_fd, i->ifindex, out ? TCX_EGRESS : TCX_INGRESS, 0);
            if (r >= 0 && link_pin(p, what, i->ifindex, r) < 0)
                packets_add_problem(p, "look whether the bpf file system is full",
                                    "%s: what is in force there ends with the agent", i->name);
        }
        if (r >= 0) {
            *ret_fd = r;
            *ret_way = PACKETS_TCX;
            return 0;
        }
        p->no_tcx = r == -EINVAL;
        if (!p->no_tcx)
            return r;
    }
    r = qdisc_make(p, i->ifindex);
    r = r < 0 ? r : filter_put(i->ifindex, out, prog_fd);
    if (r == 0)
        *ret_way = PACKETS_CLSACT;
    return r;
}

static bool is_generic(uint32_t ifindex)
{
    LIBBPF_OPTS(bpf_xdp_query_opts, opts);

    return bpf_xdp_query((int)ifindex, 0, &opts) == 0 && opts.attach_mode == XDP_ATTACHED_SKB;
}

static void attach_early(struct packets *p, struct packets_interface *i)
{
    int r = link_take_over(p, "xdp", i->ifindex, p->early_fd);

    if (r < 0) {
        r = link_create(p->early_fd, i->ifindex, BPF_XDP, XDP_FLAGS_DRV_MODE);
        if (r < 0 && r != -EBUSY && r != -EEXIST)
            r = link_create(p->early_fd, i->ifindex, BPF_XDP, XDP_FLAGS_SKB_MODE);
        if (r >= 0)
            (void)link_pin(p, "xdp", i->ifindex, r);
    }
    if (r < 0) {
        packets_add_problem(
            p,
            r == -EBUSY || r == -EEXIST
                ? "nothing is lost but speed: to have packets dropped earlier, take the other program away (ip link set … xdp off)"
                : "nothing is lost but speed: tc decides what XDP would have",
            "%s: packets are not dropped at XDP: %s", i->name,
            r == -EBUSY || r == -EEXIST ? "somebody else has a program there" : strerror(-r));
        return;
    }
    i->early_fd = r;
    i->early = is_generic(i->ifindex) ? PACKETS_XDP_GENERIC : PACKETS_XDP_NATIVE;
}

// The entry says whether XDP does its part: before the program goes, and after it came.
static void note_early(struct packets *p, struct packets_interface *i, bool early)
{
    uint16_t was = i->entry.flags;

    i->entry.flags = (uint16_t)(early ? was | SG_PACKET_IF_EARLY : was & ~SG_PACKET_IF_EARLY);
    if (i->entry.flags != was)
        (void)packets_put_interface(p, i);
}

// Stays in the status until the next policy: that it was put back is no reason to forget it.
static void note_tamper(struct packets *p, const char *interface, const char *what)
{
    p->tampers++;
    (void)snprintf(p->tamper.what, sizeof(p->tamper.what),
                   "%s: somebody has taken %s off; it was put back (%llu times on all interfaces)",
                   interface, what, (unsigned long long)p->tampers);
    (void)snprintf(p->tamper.cure, sizeof(p->tamper.cure),
                   "find out who configures this interface (tc qdisc del, bpftool link detach)");
}

// Is a link still on its interface? Whoever may load programs can find it by its number and take it off.
static bool is_off(int link_fd)
{
    struct bpf_link_info info = {};
    uint32_t len = sizeof(info);

    // The first field of XDP's part and of tcx's is the interface's number alike: 0, when it is off.
    return link_fd >= 0 && bpf_obj_get_info_by_fd(link_fd, &info, &len) == 0 &&
           info.xdp.ifindex == 0;
}

static bool drop_if_off(struct packets *p, struct packets_interface *i, const char *what, int *fd,
                        enum packets_way *way)
{
    if (!is_off(*fd))
        return false;
    link_drop(p, what, i->ifindex, fd);
    *way = PACKETS_NOT;
    return true;
}

void packets_verify(struct packets *p, struct packets_interface *i)
{
    bool off = drop_if_off(p, i, "in", &i->in_fd, &i->in);

    off = drop_if_off(p, i, "out", &i->out_fd, &i->out) || off;
    off = drop_if_off(p, i, "xdp", &i->early_fd, &i->early) || off;
    if (!off)
        return;
    packets_attach(p, i);
    note_tamper(p, i->name, "a program");
}

static void detach_tc(struct packets *p, struct packets_interface *i, bool out)
{
    enum packets_way *way = out ? &i->out : &i->in;
    bool filter = *way == PACKETS_CLSACT;

    link_drop(p, out ? "out" : "in", i->ifindex, out ? &i->out_fd : &i->in_fd);
    if (filter)
        filter_drop(i->ifindex, out);
    *way = PACKETS_NOT;
    if (filter && !i->in && !i->out)
        qdisc_drop(p->pin_dir, i->ifindex);
}

static void settle_tc(struct packets *p, struct packets_interface *i, bool out)
{
    enum packets_way *way = out ? &i->out : &i->in;
    int r;

    // Whoever may configure interfaces may take filters away; a link he has to find first.
    if (*way == PACKETS_CLSACT && i->want[out] && !filter_find(i->ifindex, out)) {
        *way = PACKETS_NOT;
        note_tamper(p, i->name, "the filter of a direction");
    }
    if (!i->want[out] && *way)
        detach_tc(p, i, out);
    if (!i->want[out] || *way)
        return;
    r = attach_tc(p, i, out, way, out ? &i->out_fd : &i->in_fd);
    if (r < 0)
        packets_add_problem(p, "is the interface going away, or has the kernel no NET_CLS_BPF?",
                            "%s: what %s is not decided: %s", i->name,
                            out ? "goes out" : "comes in", strerror(-r));
}

void packets_attach(struct packets *p, struct packets_interface *i)
{
    settle_tc(p, i, false);
    settle_tc(p, i, true);
    if (i->want_early && !i->early)
        attach_early(p, i);
    note_early(p, i, i->want_early && i->early);
    if (!i->want_early && i->early) {
        link_drop(p, "xdp", i->ifindex, &i->early_fd);
        i->early = PACKETS_NOT;
    }
}

void packets_detach(struct packets *p, struct packets_interface *i)
{
    link_drop(p, "xdp", i->ifindex, &i->early_fd);
    i->early = PACKETS_NOT;
    detach_tc(p, i, false);
    detach_tc(p, i, true);
}

void packets_forget(struct packets *p, struct packets_interface *i)
{
    char path[PACKETS_PATH_MAX];

    link_drop(p, "xdp", i->ifindex, &i->early_fd);
    link_drop(p, "in", i->ifindex, &i->in_fd);
    link_drop(p, "out", i->ifindex, &i->out_fd);
    pin_path(p, "clsact", i->ifindex, path);
    (void)rmdir(path);
    i->wanted = false;
    if (p->tables)
        (void)packets_put_interface(p, i);
}

static int renew(int fd, enum packets_way way, uint32_t ifindex, bool out, int prog_fd)
{
    if (way == PACKETS_NOT)
        return 0;
    return fd >= 0 ? link_update(fd, prog_fd) : filter_put(ifindex, out, prog_fd);
}

void packets_renew(struct packets *p, struct packets_interface *i)
{
    int r = renew(i->in_fd, i->in, i->ifindex, false, p->ingress_fd);

    r = r < 0 ? r : renew(i->out_fd, i->out, i->ifindex, true, p->egress_fd);
    if (r >= 0 && i->early)
        r = link_update(i->early_fd, p->early_fd);
    if (r < 0)
        packets_add_problem(p, "load the policy again", "%s: the policy before holds there: %s",
                            i->name, strerror(-r));
}

void packets_detach_stray(const struct packets *p, const struct packets_interface *i)
{
    for (unsigned out = 0; out < 2; out++)
        if (!i->want[out])
            filter_drop(i->ifindex, out);
    if (!i->wanted)
        qdisc_drop(p->pin_dir, i->ifindex);
}

void packets_detach_filters(const char *pin_dir, uint32_t ifindex)
{
    filter_drop(ifindex, false);
    filter_drop(ifindex, true);
    qdisc_drop(pin_dir, ifindex);
}
