/* SPDX-License-Identifier: GPL-2.0-only */
/* Control kinds about the kernel itself: modules, other kernels, bpf, keys, io_uring, sockets, the clock, its log, counters. */
#ifndef SG_BPF_CONTROL_KERNEL_H
#define SG_BPF_CONTROL_KERNEL_H

#include "lib/control.bpf.h"
#include "lib/kernel_sock.h"
#include "lib/short_name.bpf.h"
#include "lib/syscall.bpf.h"
#include "lib/uring.bpf.h"

#define READING_MODULE            2 /* include/linux/kernel_read_file.h, the same in kernel_load_data.h */
#define READING_KEXEC_IMAGE       3
#define READING_MODULE_COMPRESSED 7 /* in the newest; before it 2 as well */
#define KEY_SYSADMIN_OVERRIDE     8 /* include/linux/key.h */
#define KEY_AUTHTOKEN_OVERRIDE    9

/* Modules. ---------------------------------------------------------------------------------------------------------- */

#define SG_SIGNATURE_LEN 28 /* "~Module signature appended~\n" */
#define SG_ELF_MAGIC     0x464c457fu

static const volatile char sg_word_memory[] = SG_MODULE_MEMORY;
static const volatile char sg_word_unsigned[] = SG_MODULE_UNSIGNED;
static const volatile char sg_word_compressed[] = SG_MODULE_COMPRESSED;

/*
 * The name that a module of this file has, where the file was not renamed: what stands before its first dot, '-' as '_'. Its
 * address, for this thread until it asks again; 0: there is no room.
 */
static __always_inline __u64 sg_module_name(const struct file *file)
{
    return sg_short_name((__u64)BPF_CORE_READ(file, f_path.dentry, d_name.name), 1);
}

static __always_inline int sg_ask_module(__u16 hook, __u64 name)
{
    struct sg_asked a = {.kind = SG_CONTROL_module,
                         .hook = hook,
                         .arg = SG_CONTROL_ARG_NAME,
                         .n = 1,
                         .value = {name}};

    return sg_control(&a);
}

static __always_inline int sg_on_read_file(struct file *file, int id)
{
    if (id == READING_KEXEC_IMAGE)
        return sg_control_any(SG_KIND_BIT(kexec))
                   ? sg_control_ask_number(SG_CONTROL_kexec, SG_HOOK_kernel_read_file,
                                           SG_KEXEC_FILE)
                   : 0;
    if ((id != READING_MODULE && id != READING_MODULE_COMPRESSED) ||
        !sg_control_any(SG_KIND_BIT(module)))
        return 0;
    /* The same hook is asked for firmware and the like without a file; modules have one. */
    return sg_address(file) ? sg_ask_module(SG_HOOK_kernel_read_file, sg_module_name(file)) : 0;
}

SG_CONTROL_PROGRAMS(kernel_read_file, kernel_read_file, kernel_read_file, sg_on_read_file(file, id),
                    struct file *file, int id)

static __always_inline int sg_on_load_data(int id)
{
    if (id == READING_KEXEC_IMAGE)
        return sg_control_any(SG_KIND_BIT(kexec))
                   ? sg_control_ask_number(SG_CONTROL_kexec, SG_HOOK_kernel_load_data,
                                           SG_KEXEC_MEMORY)
                   : 0;
    if (id != READING_MODULE || !sg_control_any(SG_KIND_BIT(module)))
        return 0;
    return sg_control_ask_name(SG_CONTROL_module, SG_HOOK_kernel_load_data, sg_word_memory);
}

SG_CONTROL_PROGRAMS(kernel_load_data, kernel_load_data, kernel_load_data, sg_on_load_data(id),
                    int id)

/* 0: it is signed, as far as the mark at its end says; the kernel looks at the signature itself when it is told to. */
__noinline __u64 sg_module_lacks(__u64 bytes, __u64 size)
{
    char end[SG_SIGNATURE_LEN + 4] = {};
    static const char mark[] = "~Module signature appended~\n";
    __u32 magic = 0, differs = 0;

    if (!bytes || size < SG_SIGNATURE_LEN ||
        bpf_probe_read_kernel(&magic, sizeof(magic), (void *)bytes))
        return sg_address((const void *)sg_word_unsigned);
    if (magic != SG_ELF_MAGIC)
        return sg_address((const void *)sg_word_compressed);
    bpf_probe_read_kernel(end, SG_SIGNATURE_LEN, (void *)(bytes + size - SG_SIGNATURE_LEN));
#pragma unroll
    for (int i = 0; i < SG_SIGNATURE_LEN; i++)
        differs |= end[i] ^ mark[i];
    return differs ? sg_address((const void *)sg_word_unsigned) : 0;
}

static __always_inline int sg_on_module_bytes(__u16 hook, __u64 bytes, __u64 size, int id)
{
    __u64 word;

    if ((id != READING_MODULE && id != READING_MODULE_COMPRESSED) ||
        !sg_control_any(SG_KIND_BIT(module)))
        return 0;
    word = sg_module_lacks(bytes, size);
    return word ? sg_ask_module(hook, word) : 0;
}

SG_CONTROL_PROGRAMS(kernel_post_read_file, kernel_post_read_file, kernel_post_read_file,
                    ((void)file, sg_on_module_bytes(SG_HOOK_kernel_post_read_file, (__u64)buf,
                                                    (__u64)size, id)),
                    struct file *file, char *buf, long long size, int id)
SG_CONTROL_PROGRAMS(kernel_post_load_data, kernel_post_load_data, kernel_post_load_data,
                    sg_on_module_bytes(SG_HOOK_kernel_post_load_data, (__u64)buf, (__u64)size, id),
                    char *buf, long long size, int id)

enum lockdown_reason {
    LOCKDOWN_MODULE_SIGNATURE = 1,
};

/*
 * A module is to be loaded that has no signature, or none by a key that the kernel knows: asked when it was unpacked. Other reasons
 * pass without a helper being called: on some 5.10 kernels helpers ask this hook themselves.
 */
static __always_inline int sg_on_locked_down(__u32 reason)
{
    if (reason != bpf_core_enum_value(enum lockdown_reason, LOCKDOWN_MODULE_SIGNATURE) ||
        !sg_control_any(SG_KIND_BIT(module)))
        return 0;
    return sg_control_ask_name(SG_CONTROL_module, SG_HOOK_locked_down, sg_word_unsigned);
}

SG_CONTROL_PROGRAMS(locked_down, locked_down, locked_down, sg_on_locked_down((__u32)reason),
                    int reason)

/* Who makes the kernel look for a module: it is loaded by a helper of the kernel's later, and asked about again then. */
static __always_inline int sg_on_module_request(__u64 name)
{
    return sg_ask_module(SG_HOOK_kernel_module_request, name);
}

SG_CONTROL_PROGRAMS(kernel_module_request, kernel_module_request, kernel_module_request,
                    sg_on_module_request((__u64)name), char *name)

/* bpf, keys. -------------------------------------------------------------------------------------------------------- */

SG_CONTROL_PROGRAMS(bpf, bpf, bpf,
                    sg_control_ask_number(SG_CONTROL_bpf, SG_HOOK_bpf, (__u32)command), int command)

static __always_inline int sg_on_key(int need)
{
    __u32 number = need;

    if (!need || need > KEY_AUTHTOKEN_OVERRIDE)
        return 0; /* no access yet */
    if (need >= KEY_SYSADMIN_OVERRIDE)
        number = SG_KEY_OVERRIDE;
    return sg_control_ask_number(SG_CONTROL_keyctl, SG_HOOK_key_permission, number);
}

SG_CONTROL_PROGRAMS(key_permission, key_permission, key_permission,
                    ((void)key, (void)cred, sg_on_key(need)), void *key, const struct cred *cred,
                    int need)
SG_CONTROL_PROGRAMS(key_alloc, key_alloc, key_alloc,
                    ((void)key,
                     sg_control_ask_number(SG_CONTROL_keyctl, SG_HOOK_key_alloc, SG_KEY_CREATE)),
                    void *key)

/* io_uring, sockets. ------------------------------------------------------------------------------------------------ */

/* Hooks without arguments. */
#define SG_URING_PROGRAMS(hook, number)                              \
    SEC("lsm/" #hook)                                                \
    int lsm_##hook(void *ctx)                                        \
    {                                                                \
        return SG_REFUSE_WITH(sg_ask_uring(SG_HOOK_##hook, number)); \
    }                                                                \
    SEC("fmod_ret/security_" #hook)                                  \
    int fmod_##hook(void *ctx)                                       \
    {                                                                \
        return SG_REFUSE_WITH(sg_ask_uring(SG_HOOK_##hook, number)); \
    }

SG_URING_PROGRAMS(uring_allowed, SG_URING_SETUP)
SG_URING_PROGRAMS(uring_sqpoll, SG_URING_SQPOLL)
SG_URING_PROGRAMS(uring_override_creds, SG_URING_PERSONALITY)
SG_URING_PROGRAMS(uring_cmd, SG_URING_COMMAND)

/* The file of an io_uring, by its name. */
static __always_inline int sg_on_anon_inode(const struct qstr *name)
{
    return sg_is_uring(BPF_CORE_READ(name, name))
               ? sg_ask_uring(SG_HOOK_inode_init_security_anon, SG_URING_SETUP)
               : 0;
}

SG_CONTROL_PROGRAMS(inode_init_security_anon, inode_init_security_anon, inode_init_security_anon,
                    ((void)inode, sg_on_anon_inode(name)), struct inode *inode,
                    const struct qstr *name)

static __always_inline int sg_socket_number(int family, int type)
{
    switch (family) {
    case AF_INET:
    case AF_INET6: return type == SOCK_RAW ? SG_SOCKET_RAW : -1;
    case AF_PACKET: return SG_SOCKET_PACKET;
    case AF_XDP: return SG_SOCKET_XDP;
    case AF_VSOCK: return SG_SOCKET_VSOCK;
    case AF_ALG: return SG_SOCKET_ALG;
    default: return -1;
    }
}

/* Up to 5.11 an io_uring may have a socket of the kernel's (5.10 up to some stable release). */
static __always_inline int sg_on_kernel_socket(int family, int type)
{
    if (SG_HAS_ANON_HOOK || family != AF_UNIX || type != SOCK_RAW ||
        !sg_control_any(SG_KIND_BIT(io_uring)) || sg_call() != SG_CALL_IO_URING_SETUP)
        return 0;
    return sg_ask_uring(SG_HOOK_socket_create, SG_URING_SETUP);
}

static __always_inline int sg_on_socket(int family, int type, int protocol, int kern)
{
    struct sg_asked a = {.kind = SG_CONTROL_socket, .hook = SG_HOOK_socket_create, .n = 1};
    int number;

    if (kern)
        return sg_on_kernel_socket(family, type);
    number = sg_socket_number(family, type);
    if (number < 0 || !sg_control_any(SG_KIND_BIT(socket)))
        return 0;
    a.value[0] = number;
    a.more[0] = family;
    a.more[1] = (__u32)protocol;
    return sg_control(&a);
}

SG_CONTROL_PROGRAMS(socket_create, socket_create, socket_create,
                    sg_on_socket(family, type, protocol, kern), int family, int type, int protocol,
                    int kern)

/* The clock, the log, counters, quotas. ------------------------------------------------------------------------------ */

SG_CONTROL_PROGRAMS(settime, settime, settime64,
                    ((void)ts, sg_control_ask_number(SG_CONTROL_settime, SG_HOOK_settime, 0)),
                    const void *ts)

/* SYSLOG_ACTION_* of include/linux/syslog.h; 0 and 1 open and close and do nothing, 9 and 10 ask for sizes. */
static __always_inline int sg_on_syslog(int type)
{
    __u32 number = type == 4 || type == 5                ? SG_SYSLOG_CLEAR
                   : type == 6 || type == 7 || type == 8 ? SG_SYSLOG_CONSOLE
                                                         : SG_SYSLOG_READ;

    return sg_control_ask_number(SG_CONTROL_syslog, SG_HOOK_syslog, number);
}

SG_CONTROL_PROGRAMS(syslog, syslog, syslog, sg_on_syslog(type), int type)

SEC("lsm/perf_event_open")
int lsm_perf_event_open(void *ctx)
{
    return SG_REFUSE_WITH(sg_control_ask_number(SG_CONTROL_perf, SG_HOOK_perf_event_open, 0));
}

SEC("fmod_ret/security_perf_event_open")
int fmod_perf_event_open(void *ctx)
{
    return SG_REFUSE_WITH(sg_control_ask_number(SG_CONTROL_perf, SG_HOOK_perf_event_open, 0));
}

SG_CONTROL_PROGRAMS(quotactl, quotactl, quotactl,
                    ((void)command, sg_control_ask_number(SG_CONTROL_quota, SG_HOOK_quotactl, 0)),
                    int command)

#endif
