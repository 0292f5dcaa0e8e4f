/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sockets: the kinds that rules of the section `network` are made of.
 *
 * A connection is asked about when it is made, and each time that somebody sends or receives by it: by then it may be in other
 * hands (fork, exec, SCM_RIGHTS), or older than the rule. Datagrams are asked about one by one.
 */
#ifndef SG_BPF_CONTROL_SOCKET_H
#define SG_BPF_CONTROL_SOCKET_H

#include "control_socket_in.bpf.h"

/* What each hook asks about: rows of abi/control.def. */
#define SG_KINDS_CONNECT SG_KIND_BIT(connect)
#define SG_KINDS_BIND    (SG_KIND_BIT(bind) | SG_KIND_BIT(receive))
#define SG_KINDS_LISTEN  (SG_KIND_BIT(listen) | SG_KIND_BIT(accept))
#define SG_KINDS_SEND    (SG_KINDS_RECEIVE | SG_KIND_BIT(send))
#define SG_KINDS_WRITE   (SG_KIND_BIT(connect) | SG_KIND_BIT(send) | SG_KIND_BIT(accept))
#define SG_KINDS_RECEIVE (SG_KIND_BIT(connect) | SG_KIND_BIT(accept) | SG_KIND_BIT(receive))

/*
 * Each program has a function that finds out what is asked, and returns whether a rule may be about it. It is one of its own for the
 * stack's sake: of what it needs nothing is left while the task's subject is looked for.
 */
static __noinline int sg_connect_asks(struct sg_net *a, const struct sock *sk, __u32 traits,
                                      const void *address)
{
    /* To no family at all is how a datagram socket is disconnected. */
    if (!sg_net_begin(a, sk, traits) ||
        !sg_net_take(a, address, a->ends.remote, &a->ends.remote_port, 0))
        return 0;
    sg_net_word_out(a);
    return 1;
}

static __always_inline int sg_on_connect(struct socket *sock, const void *address)
{
    struct sg_net a = {.hook = SG_HOOK_socket_connect,
                       .kinds = {SG_CONTROL_connect, SG_CONTROL_connect}};
    struct sock *sk = sock->sk;

    if (!sk || !sg_control_any(SG_KINDS_CONNECT) ||
        !sg_connect_asks(&a, sk, SG_TRAITS(sk), address))
        return 0;
    return sg_net(&a, SG_KINDS_CONNECT);
}

SG_CONTROL_PROGRAMS(socket_connect, socket_connect, socket_connect,
                    ((void)len, sg_on_connect(sock, address)), struct socket *sock,
                    const void *address, int len)

static __noinline int sg_bind_asks(struct sg_net *a, const struct sock *sk, __u32 traits,
                                   const void *address)
{
    if (!sg_net_begin(a, sk, traits) ||
        !sg_net_take(a, address, a->ends.local, &a->ends.local_port, 1))
        return 0;
    sg_net_word_own(a);
    return 1;
}

static __always_inline int sg_on_bind(struct socket *sock, const void *address)
{
    struct sg_net a = {.hook = SG_HOOK_socket_bind, .kinds = {SG_CONTROL_bind, SG_CONTROL_bind}};
    struct sock *sk = sock->sk;

    if (!sk || !sg_control_any(SG_KINDS_BIND) || !sg_bind_asks(&a, sk, SG_TRAITS(sk), address))
        return 0;
    sg_net_datagrams_for(&a, sk);
    return sg_net(&a, SG_KINDS_BIND);
}

SG_CONTROL_PROGRAMS(socket_bind, socket_bind, socket_bind, ((void)len, sg_on_bind(sock, address)),
                    struct socket *sock, const void *address, int len)

static __noinline int sg_listen_asks(struct sg_net *a, const struct sock *sk, __u32 traits)
{
    if (!sg_net_begin(a, sk, traits))
        return 0;
    if (a->ends.family == AF_INET || a->ends.family == AF_INET6 || a->ends.family == AF_SMC)
        sg_net_word_own(a);
    else if (!sg_net_is_local(a->ends.family))
        sg_net_word_other(a, a->ends.family);
    return a->n;
}

static __always_inline int sg_on_listen(struct socket *sock)
{
    struct sg_net a = {.hook = SG_HOOK_socket_listen,
                       .kinds = {SG_CONTROL_listen, SG_CONTROL_listen}};
    struct sock *sk = sock->sk;

    if (!sk || !sg_control_any(SG_KINDS_LISTEN) || !sg_listen_asks(&a, sk, SG_TRAITS(sk)))
        return 0;
    if (sg_control_any(SG_KIND_BIT(accept)))
        sg_owner_set(sg_address(sk));
    return sg_net(&a, SG_KINDS_LISTEN);
}

SG_CONTROL_PROGRAMS(socket_listen, socket_listen, socket_listen,
                    ((void)backlog, sg_on_listen(sock)), struct socket *sock, int backlog)

/*
 * Did the other end begin? A connection that came keeps by which interface its first packet did, where sockets of datagrams have
 * their choice for multicast; no program can set it for a stream (net/ipv4/tcp_ipv4.c, net/ipv6/tcp_ipv6.c: *_syn_recv_sock).
 */
static __always_inline int sg_net_is_incoming(const struct sock *sk, const struct sg_ends *e)
{
    const struct inet_sock *inet;

    if (e->flags & SG_ENDS_MPTCP)
        sk = bpf_core_field_exists(struct mptcp_sock, first)
                 ? BPF_CORE_READ((struct mptcp_sock *)sk, first)
                 : NULL; /* up to 5.10: decided when it is asked for, and not when it is used */
    if (!sk)
        return 0;
    inet = (const struct inet_sock *)sk;
    if (BPF_CORE_READ(inet, mc_index))
        return 1;
    return e->family == AF_INET6 && bpf_core_field_exists(inet->pinet6) &&
           BPF_CORE_READ(inet, pinet6, mcast_oif);
}

/* A socket that has another end: what it was connected to, or who came. False: it has none. */
static __always_inline int sg_net_connected(struct sg_net *a, const struct sock *sk, int stream)
{
    if (a->ends.family != AF_INET && a->ends.family != AF_INET6)
        return 0;
    if (sg_net_is_zero(a->ends.remote))
        return 0;
    a->lasting = 1;
    if (stream && sg_net_is_incoming(sk, &a->ends)) {
        a->kinds[0] = a->kinds[1] = SG_CONTROL_accept;
        sg_net_word_in(a);
    } else {
        sg_net_word_out(a);
    }
    return 1;
}

#define SG_IS_STREAM(traits) (SG_TRAITS_TYPE(traits) == SOCK_STREAM)

/* `name`: the address in the message, 0: none that counts. */
static __noinline int sg_send_asks(struct sg_net *a, const struct sock *sk, __u32 traits,
                                   __u64 name)
{
    int stream = SG_IS_STREAM(traits);

    if (!sg_net_begin(a, sk, traits))
        return 0;
    if (!stream)
        a->kinds[0] = SG_CONTROL_send;
    if (name && sg_net_take(a, (void *)name, a->ends.remote, &a->ends.remote_port, 1)) {
        if (!stream && a->ends.protocol != IPPROTO_SCTP)
            a->kinds[1] = SG_CONTROL_send;
        a->unconnected = !stream;
        sg_net_word_out(a);
        return 1;
    }
    if (sg_net_connected(a, sk, stream))
        return 1;
    if (a->ends.family == AF_INET || a->ends.family == AF_INET6 || sg_net_is_local(a->ends.family))
        return 0;
    sg_net_word_other(a, a->ends.family);
    return 1;
}

/* A stream is where it was connected to, whatever is said, unless it is connected by this. */
static __always_inline __u64 sg_named(const struct msghdr *msg, int stream)
{
    return msg->msg_namelen > 0 && (!stream || msg->msg_flags & MSG_FASTOPEN) ? (__u64)msg->msg_name
                                                                              : 0;
}

static __always_inline int sg_on_send(struct socket *sock, struct msghdr *msg)
{
    struct sg_net a = {.hook = SG_HOOK_socket_sendmsg,
                       .kinds = {SG_CONTROL_connect, SG_CONTROL_connect}};
    struct sock *sk = sock->sk;
    __u64 kept = 0;
    int error;

    if (!sk || !sg_control_any(SG_KINDS_SEND) ||
        !sg_send_asks(&a, sk, SG_TRAITS(sk), sg_named(msg, SG_IS_STREAM(SG_TRAITS(sk)))))
        return 0;
    sg_net_datagrams_for(&a, sk);
    if (a.unconnected)
        kept = sg_control_which(SG_KIND_BIT(receive) | SG_KINDS_NAMED_SENDS);
    if (kept & SG_KINDS_NAMED_SENDS)
        sg_net_goes_on(&a, sg_address(sk));
    error = sg_net(&a, SG_KINDS_SEND);
    if (!error && kept)
        sg_net_sent(&a, sg_address(sk));
    return error;
}

SG_CONTROL_PROGRAMS(socket_sendmsg, socket_sendmsg, socket_sendmsg,
                    ((void)size, sg_on_send(sock, msg)), struct socket *sock, struct msghdr *msg,
                    int size)

/*
 * Up to 6.4 what is spliced into a socket (sendfile, splice) is handed to its protocol page by page, and is no message. Ordinary
 * writes come by here, too, and are asked about again: what passes is recorded there.
 */
static __noinline int sg_write_asks(struct sg_net *a, __u64 socket)
{
    struct sock *sk = BPF_CORE_READ((struct socket *)socket, sk);
    __u32 traits = (__u32)BPF_CORE_READ(sk, sk_type) << 16 | BPF_CORE_READ(sk, sk_protocol);

    if (!sg_net_begin(a, sk, traits))
        return 0;
    if (!SG_IS_STREAM(traits))
        a->kinds[0] = SG_CONTROL_send;
    a->denials = 1;
    return sg_net_connected(a, sk, SG_IS_STREAM(traits));
}

static __always_inline int sg_on_write(struct file *file, int mask)
{
    struct sg_net a = {.hook = SG_HOOK_socket_write,
                       .kinds = {SG_CONTROL_connect, SG_CONTROL_connect}};

    if (!(mask & MAY_WRITE) || (file->f_inode->i_mode & S_IFMT) != S_IFSOCK ||
        !sg_control_any(SG_KINDS_WRITE) || !sg_write_asks(&a, (__u64)file->private_data))
        return 0;
    return sg_net(&a, SG_KINDS_WRITE);
}

SG_CONTROL_PROGRAMS(socket_write, file_permission, file_permission, sg_on_write(file, mask),
                    struct file *file, int mask)

/* A socket that has no other end is of interest to who waits for datagrams, and to the self-test. */
static __noinline int sg_receive_asks(struct sg_net *a, const struct sock *sk, __u32 traits)
{
    if (!sg_net_begin(a, sk, traits))
        return 0;
    if (sg_net_connected(a, sk, SG_IS_STREAM(traits)))
        return 1;
    return a->ends.family == AF_INET || a->ends.family == AF_INET6;
}

static __always_inline int sg_on_receive_message(struct socket *sock)
{
    struct sg_net a = {.hook = SG_HOOK_socket_recvmsg,
                       .kinds = {SG_CONTROL_connect, SG_CONTROL_connect}};

    struct sock *sk = sock->sk;

    if (!sk || !sg_control_any(SG_KINDS_RECEIVE) || !sg_receive_asks(&a, sk, SG_TRAITS(sk)))
        return 0;
    sg_net_datagrams_for(&a, sk);
    return sg_net(&a, SG_KINDS_RECEIVE);
}

SG_CONTROL_PROGRAMS(socket_recvmsg, socket_recvmsg, socket_recvmsg,
                    ((void)msg, (void)size, (void)flags, sg_on_receive_message(sock)),
                    struct socket *sock, struct msghdr *msg, int size, int flags)

#endif
