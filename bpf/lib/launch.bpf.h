/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an exec's record says beside who and which file: arguments, chosen variables, working directory, descriptors 0-2,
 * namespaces, capabilities, terminal. Parts are global functions over the number of a buffer, verified once each.
 *
 * Nothing here decides anything. What cannot be read now (a page that is not in memory) is left out, and a flag says so.
 */
#ifndef SG_BPF_LAUNCH_H
#define SG_BPF_LAUNCH_H

#include <bpf/bpf_endian.h>

#include "emit.bpf.h"
#include "kernel_exec.h"

#define SG_DEV_NULL (1u << 20 | 3) /* Documentation/admin-guide/devices.txt */
/* Terminals by the numbers of their drivers; see SG_STAYS_OPEN. */
#define SG_IS_TTY(major)                                                                     \
    ((major) == 4 || (major) == 5 || ((major) >= 128 && (major) <= 143) || (major) == 204 || \
     (major) == 229)

/* How every record of an exec begins. */
struct sg_launch_head {
    struct sg_record record;
    struct sg_field launch_field;
    struct sg_launch launch;
    struct sg_field stdio_field;
    struct sg_stdio stdio[3];
};

/* Which variables are recorded; set by the sensor, while programs run. */
volatile struct sg_env_names sg_env_names = {};

/*
 * A field of the current task, by plain loads where the kernel lends it typed. `typed` and `plain` are both made by
 * SG_LAUNCH_TASK() in the same function.
 */
#define SG_LENT bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf)
#define SG_LAUNCH_TASK(typed, plain)                                   \
    struct task_struct___exec *plain = (void *)bpf_get_current_task(); \
    struct task_struct___exec *typed = SG_LENT ? (void *)bpf_get_current_task_btf() : NULL
#define SG_GET2(a, b)       (SG_LENT ? typed->a->b : BPF_CORE_READ(plain, a, b))
#define SG_GET3(a, b, c)    (SG_LENT ? typed->a->b->c : BPF_CORE_READ(plain, a, b, c))
#define SG_GET4(a, b, c, d) (SG_LENT ? typed->a->b->c->d : BPF_CORE_READ(plain, a, b, c, d))

static __always_inline struct sg_launch_head *sg_launch_head(__u32 slot)
{
    struct sg_buffer *b = sg_buffer_of(slot);

    _Static_assert(sizeof(struct sg_launch_head) == 448, "no padding between the fields");
    return b ? (struct sg_launch_head *)b->bytes : NULL;
}

static __always_inline __u64 sg_caps_at(const void *address)
{
    __u64 caps = 0;

    /* Two 32-bit words up to 6.2, one 64-bit word later: the same bytes on little-endian machines. */
    bpf_probe_read_kernel(&caps, sizeof(caps), address);
    return caps;
}

static __always_inline void sg_launch_caps(struct sg_launch *l, const struct cred___exec *cred)
{
    l->caps_effective = sg_caps_at(__builtin_preserve_access_index(&cred->cap_effective));
    l->caps_permitted = sg_caps_at(__builtin_preserve_access_index(&cred->cap_permitted));
    l->caps_ambient = sg_caps_at(__builtin_preserve_access_index(&cred->cap_ambient));
}

/* Device number of the controlling terminal; 0: none. */
static __always_inline __u32 sg_tty_number(void)
{
    SG_LAUNCH_TASK(typed, plain);
    __u32 major = SG_GET4(signal, tty, driver, major);

    return major ? major << 20 |
                       (SG_GET4(signal, tty, driver, minor_start) + SG_GET3(signal, tty, index))
                 : 0;
}

/*
 * The numbers of the current task, with which the record's fields begin. 0: there is no such buffer. What the caller knows of
 * the exec itself it adds.
 */
__noinline __u32 sg_launch_numbers(__u32 slot)
{
    SG_LAUNCH_TASK(typed, plain);
    struct sg_launch_head *head = sg_launch_head(slot);
    struct sg_launch *l;

    if (!head)
        return 0;
    l = &head->launch;
    __builtin_memset(l, 0, sizeof(*l));
    head->launch_field.type = SG_FIELD_LAUNCH;
    head->launch_field.len = sizeof(*l);
    head->launch_field.reserved = 0;
    sg_launch_caps(l, BPF_CORE_READ(plain, real_cred));
    l->user_ns = SG_GET3(real_cred, user_ns, ns.inum);
    l->uts_ns = SG_GET3(nsproxy, uts_ns, ns.inum);
    l->ipc_ns = SG_GET3(nsproxy, ipc_ns, ns.inum);
    l->mnt_ns = SG_GET3(nsproxy, mnt_ns, ns.inum);
    l->pid_ns = head->record.pid_ns;
    l->net_ns = SG_GET3(nsproxy, net_ns, ns.inum);
    l->cgroup_ns = SG_GET3(nsproxy, cgroup_ns, ns.inum);
    l->timens = SG_GET3(nsproxy, time_ns, ns.inum);
    l->tty = sg_tty_number();
    return 1;
}

/* Both ends of a socket. */
static __always_inline void sg_stdio_inet(struct sg_stdio *s, struct sock *sk)
{
    s->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
    s->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
    if (s->family == AF_INET) {
        bpf_core_read(s->local, 4, &sk->__sk_common.skc_rcv_saddr);
        bpf_core_read(s->remote, 4, &sk->__sk_common.skc_daddr);
    } else if (bpf_core_field_exists(sk->__sk_common.skc_v6_daddr)) {
        bpf_core_read(s->local, 16, &sk->__sk_common.skc_v6_rcv_saddr);
        bpf_core_read(s->remote, 16, &sk->__sk_common.skc_v6_daddr);
    }
}

/* The inode of the socket that a sock belongs to, as an address; 0: nobody has it open. */
static __always_inline struct inode *sg_socket_inode(struct sock *sk)
{
    __u64 socket = (__u64)BPF_CORE_READ(sk, sk_socket);

    if (!socket)
        return NULL;
    return (struct inode *)(socket - bpf_core_field_offset(struct socket_alloc, socket) +
                            bpf_core_field_offset(struct socket_alloc, vfs_inode));
}

static __always_inline struct sock *sg_sock_of(struct file *file)
{
    struct socket *socket = (struct socket *)BPF_CORE_READ((struct file___socket *)file,
                                                           private_data);

    return BPF_CORE_READ(socket, sk);
}

static __always_inline void sg_stdio_socket(struct sg_stdio *s, struct file *file)
{
    struct sock *sk = sg_sock_of(file);
    struct inode *other;
    __u64 ino = 0;

    s->kind = SG_STDIO_SOCKET;
    s->family = BPF_CORE_READ(sk, __sk_common.skc_family);
    s->protocol = (__u8)BPF_CORE_READ(sk, sk_protocol);
    if (s->family == AF_INET || s->family == AF_INET6) {
        sg_stdio_inet(s, sk);
    } else if (s->family == AF_UNIX && bpf_core_type_exists(struct unix_sock)) {
        other = sg_socket_inode(BPF_CORE_READ((struct unix_sock *)sk, peer));
        if (other)
            ino = BPF_CORE_READ(other, i_ino);
        __builtin_memcpy(s->remote, &ino, sizeof(ino));
    }
}

static __always_inline void sg_stdio_device(struct sg_stdio *s, struct inode *inode)
{
    __u32 number = BPF_CORE_READ(inode, i_rdev), major = number >> 20;

    s->kind = SG_STDIO_OTHER;
    if (number == SG_DEV_NULL)
        s->kind = SG_STDIO_NULL;
    else if (SG_IS_TTY(major))
        s->kind = SG_STDIO_TTY;
    if (s->kind == SG_STDIO_TTY)
        s->dev = number;
}

/* What an open file is. */
static __always_inline void sg_stdio_of(struct sg_stdio *s, struct file *file)
{
    struct inode *inode = BPF_CORE_READ(file, f_inode);
    __u16 mode = BPF_CORE_READ(inode, i_mode) & S_IFMT;

    s->ino = BPF_CORE_READ(inode, i_ino);
    s->dev = s->path_dev = BPF_CORE_READ(inode, i_sb, s_dev);
    switch (mode) {
    case S_IFREG:
    case S_IFDIR: s->kind = SG_STDIO_FILE; break;
    case S_IFIFO: s->kind = SG_STDIO_PIPE; break;
    case S_IFSOCK: sg_stdio_socket(s, file); break;
    case S_IFCHR: sg_stdio_device(s, inode); break;
    default: s->kind = SG_STDIO_OTHER; break;
    }
}

/* Descriptors 0-2 of the current task, as addresses of files. */
static __always_inline void sg_stdio_files(__u64 *files)
{
    SG_LAUNCH_TASK(typed, plain);
    struct file **table = SG_GET3(files, fdt, fd);

    bpf_probe_read_kernel(files, 3 * sizeof(*files), table);
}

/* One descriptor; `same`: of an earlier one that is the same file, or -1. */
__noinline __u32 sg_launch_descriptor(__u32 slot, __u64 fd, __u64 file, __u64 same)
{
    struct sg_launch_head *head = sg_launch_head(slot);
    struct sg_stdio *s;

    asm volatile("" : "+r"(fd), "+r"(same)); /* the bounds must hold in these registers */
    if (!head || fd > 2)
        return 0;
    s = &head->stdio[fd];
    if (same <= 2) {
        *s = head->stdio[same];
        return 1;
    }
    __builtin_memset(s, 0, sizeof(*s));
    if (file)
        sg_stdio_of(s, (struct file *)file);
    return 1;
}

__noinline __u32 sg_launch_stdio(__u32 slot)
{
    struct sg_launch_head *head = sg_launch_head(slot);
    __u64 files[3] = {};

    if (!head)
        return 0;
    head->stdio_field.type = SG_FIELD_STDIO;
    head->stdio_field.len = sizeof(head->stdio);
    head->stdio_field.reserved = 0;
    sg_stdio_files(files);
    sg_launch_descriptor(slot, 0, files[0], ~0ull);
    sg_launch_descriptor(slot, 1, files[1], files[1] == files[0] ? 0 : ~0ull);
    sg_launch_descriptor(slot, 2, files[2],
                         files[2] == files[1]   ? 1
                         : files[2] == files[0] ? 0
                                                : ~0ull);
    return 1;
}

/* Appends a path by the address of its dentry; `cut`: SG_LAUNCH_*_CUT. */
static __always_inline __u64 sg_launch_path(__u32 slot, __u64 at, __u64 dentry, __u16 type,
                                            __u32 cut)
{
    struct sg_launch_head *head = sg_launch_head(slot);
    __u64 start = at + sizeof(struct sg_field), end;
    __u16 flags = 0;

    if (!head || !dentry)
        return at;
    end = sg_put_names(slot, start, start, dentry);
    asm volatile("" : "+r"(at), "+r"(end)); /* the bounds must hold in these registers */
    at = sg_end_path((__u8 *)head, at, end, type, 1, &flags);
    if (flags)
        head->launch.flags |= cut;
    return at;
}

/* The name that a socket of AF_UNIX was bound to, or else the other end, as the address of a dentry; 0: none in a file system. */
static __always_inline __u64 sg_unix_name(struct file *file)
{
    struct sock *sk = sg_sock_of(file);
    __u64 dentry;

    if (!bpf_core_type_exists(struct unix_sock))
        return 0;
    dentry = (__u64)BPF_CORE_READ((struct unix_sock *)sk, path.dentry);
    if (!dentry) {
        sk = BPF_CORE_READ((struct unix_sock *)sk, peer);
        dentry = sk ? (__u64)BPF_CORE_READ((struct unix_sock *)sk, path.dentry) : 0;
    }
    return dentry;
}

/* Does it lie in a file system that paths can lead to? Pipes without a name do not. */
static __always_inline int sg_has_name(struct file *file)
{
    return !(BPF_CORE_READ(file, f_inode, i_sb, s_flags) & (SB_KERNMOUNT | SB_NOUSER));
}

static __always_inline int sg_stdio_same(const struct sg_stdio *a, const struct sg_stdio *b)
{
    return a->ino == b->ino && a->dev == b->dev && a->kind == b->kind;
}

static __always_inline int sg_stdio_is_known(const struct sg_launch_head *head, __u64 fd)
{
    return (fd > 0 && sg_stdio_same(&head->stdio[0], &head->stdio[fd])) ||
           (fd > 1 && sg_stdio_same(&head->stdio[1], &head->stdio[fd]));
}

/* The path of descriptor `fd`, where it has one that is not in the record yet. Returns the new end. */
__noinline __u64 sg_launch_stdio_path(__u32 slot, __u64 at, __u64 fd)
{
    SG_LAUNCH_TASK(typed, plain);
    struct sg_launch_head *head = sg_launch_head(slot);
    struct file *file = NULL;
    struct sg_stdio *s;
    __u64 dentry = 0;

    asm volatile("" : "+r"(fd)); /* the bound must hold in this register */
    if (!head || fd > 2)
        return at;
    s = &head->stdio[fd];
    if (s->kind != SG_STDIO_FILE && s->kind != SG_STDIO_PIPE &&
        (s->kind != SG_STDIO_SOCKET || s->family != AF_UNIX))
        return at;
    if (sg_stdio_is_known(head, fd))
        return at;
    bpf_probe_read_kernel(&file, sizeof(file), SG_GET3(files, fdt, fd) + fd);
    if (s->kind == SG_STDIO_SOCKET)
        dentry = sg_unix_name(file);
    else if (sg_has_name(file))
        dentry = (__u64)BPF_CORE_READ(file, f_path.dentry);
    if (!dentry)
        return at;
    s->path_dev = BPF_CORE_READ((struct dentry *)dentry, d_sb, s_dev);
    return sg_launch_path(slot, at, dentry, (__u16)(SG_FIELD_STDIO_PATH0 + fd),
                          SG_LAUNCH_STDIO_CUT);
}

static __always_inline __u64 sg_launch_stdio_paths(__u32 slot, __u64 at)
{
    at = sg_launch_stdio_path(slot, at, 0);
    at = sg_launch_stdio_path(slot, at, 1);
    return sg_launch_stdio_path(slot, at, 2);
}

/* Ends a field of `len` bytes at `at`; returns where the next one begins. */
static __always_inline __u64 sg_end_field(__u8 *bytes, __u64 at, __u64 len, __u16 type)
{
    struct sg_field *field;

    asm volatile("" : "+r"(at)); /* the bound must hold in this register */
    if (!len || at > SG_RECORD_MAX - 512)
        return at;
    field = (struct sg_field *)(bytes + at);
    field->type = type;
    field->len = (__u16)len;
    field->reserved = 0;
    return (at + sizeof(*field) + len + 7) & ~7ull;
}

/* The arguments as they lie in the new program's memory. Returns the new end. */
__noinline __u64 sg_launch_args(__u32 slot, __u64 at)
{
    SG_LAUNCH_TASK(typed, plain);
    struct sg_launch_head *head = sg_launch_head(slot);
    __u64 start = SG_GET2(mm, arg_start), len = SG_GET2(mm, arg_end) - start;
    __u8 *to;

    asm volatile("" : "+r"(at));
    if (!head || at > SG_RECORD_MAX - SG_ARGS_BYTES_MAX - 512)
        return at;
    if (len > SG_ARGS_BYTES_MAX) {
        len = SG_ARGS_BYTES_MAX;
        head->launch.flags |= SG_LAUNCH_ARGS_CUT;
    }
    asm volatile("" : "+r"(len));
    if (len > SG_ARGS_BYTES_MAX)
        return at;
    to = (__u8 *)head + at + sizeof(struct sg_field);
    if (bpf_probe_read_user(to, len, (void *)start)) {
        head->launch.flags |= SG_LAUNCH_ARGS_CUT;
        return at;
    }
    return sg_end_field((__u8 *)head, at, len, SG_FIELD_ARGS);
}

/* Does the variable whose first bytes are at `text` begin as one that is to be recorded? */
static __always_inline int sg_env_wanted(const __u64 *text)
{
    __u32 n = sg_env_names.n;

    if (!(sg_env_names.first >> (text[0] & 63) & 1))
        return 0;
    for (__u32 i = 0; i < SG_ENV_NAMES_MAX; i++) {
        __u64 differ = 0;

        if (i >= n)
            break;
        for (int w = 0; w < SG_ENV_NAME_MAX / 8; w++)
            differ |= (text[w] ^ sg_env_names.name[i].text[w]) & sg_env_names.name[i].mask[w];
        if (!differ)
            return 1;
    }
    return 0;
}

#define SG_ENV_IN    (1ull << 32) /* what follows is the rest of the same variable */
#define SG_ENV_KEPT  (1ull << 33)
#define SG_ENV_SHORT (1ull << 34) /* not all of it is kept */

/*
 * Looks at one variable, or the rest of a long one (`rest`), at an address of the current task's; puts it at `at` of the record
 * when it is to be recorded. Returns how many bytes it took, with SG_ENV_*; 0: it could not be read.
 */
__noinline __u64 sg_launch_variable(__u32 slot, __u64 at, __u64 address, __u32 rest)
{
    struct sg_launch_head *head = sg_launch_head(slot);
    __u64 taken, kept = 0;
    __u8 *text;
    long n;

    asm volatile("" : "+r"(at));
    if (!head || at > SG_RECORD_MAX - SG_ENV_VALUE_MAX - 512)
        return 0;
    text = (__u8 *)head + at;
    n = bpf_probe_read_user_str(text, SG_ENV_VALUE_MAX, (void *)address);
    if (n <= 0 || n > (long)SG_ENV_VALUE_MAX)
        return 0;
    if (!rest && sg_env_wanted((const __u64 *)text))
        kept = SG_ENV_KEPT;
    /* A full chunk may not be the end: the next begins where its NUL was put. */
    if (n < (long)SG_ENV_VALUE_MAX)
        return (__u64)n | kept;
    taken = SG_ENV_VALUE_MAX - 1;
    return taken | SG_ENV_IN | kept | (kept ? SG_ENV_SHORT : 0);
}

/* The chosen variables of the new program. Returns the new end. */
__noinline __u64 sg_launch_env(__u32 slot, __u64 at)
{
    SG_LAUNCH_TASK(typed, plain);
    struct sg_launch_head *head = sg_launch_head(slot);
    __u64 from, to, end = at + sizeof(struct sg_field), start = end, found = 0;

    if (!head || !sg_env_names.n || at > SG_RECORD_MAX - SG_ENV_BYTES_MAX - 1024)
        return at;
    from = SG_GET2(mm, env_start);
    to = SG_GET2(mm, env_end);
    for (__u32 i = 0; i < SG_ENV_SCAN_MAX; i++) {
        if (from >= to)
            break;
        found = sg_launch_variable(slot, end, from, !!(found & SG_ENV_IN));
        if (!found)
            break;
        from += (__u32)found;
        if (!(found & SG_ENV_KEPT))
            continue;
        if (end - start + (__u32)found > SG_ENV_BYTES_MAX)
            break;
        end += (__u32)found;
        if (found & SG_ENV_SHORT)
            head->launch.flags |= SG_LAUNCH_ENV_CUT;
    }
    if (from < to)
        head->launch.flags |= SG_LAUNCH_ENV_CUT;
    return sg_end_field((__u8 *)head, at, end - start, SG_FIELD_ENV);
}

/* The working directory. Returns the new end. */
__noinline __u64 sg_launch_cwd(__u32 slot, __u64 at)
{
    SG_LAUNCH_TASK(typed, plain);
    struct sg_launch_head *head = sg_launch_head(slot);
    struct dentry *dentry = SG_GET2(fs, pwd.dentry);
    __u64 address = sg_address(dentry);
    struct dentry *d = (struct dentry *)address;

    if (!head || !address)
        return at;
    head->launch.cwd_dev = BPF_CORE_READ(d, d_sb, s_dev);
    if (!BPF_CORE_READ((struct dentry___hashed *)address, d_hash.pprev) &&
        BPF_CORE_READ(d, d_parent) != d)
        head->launch.flags |= SG_LAUNCH_CWD_DELETED;
    return sg_launch_path(slot, at, address, SG_FIELD_CWD, SG_LAUNCH_CWD_CUT);
}

#endif
