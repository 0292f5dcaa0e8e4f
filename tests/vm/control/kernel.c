// SPDX-License-Identifier: Apache-2.0
/* Modules, bpf, keys, io_uring, sockets, the clock, the log, counters. */
#include "control.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/quota.h>
#include <stdio.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/quota.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

#define COMPRESSED 4 /* MODULE_INIT_COMPRESSED_FILE */

static int module_of(const char *name, int flags)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);

    return fd < 0 ? errno : errno_of(syscall(SYS_finit_module, fd, "", flags));
}

static int module_of_file(const char *name)
{
    return module_of(name, 0);
}

int way_module_compressed(const struct way_ctx *c)
{
    (void)c;
    return module_of("sg-packed.ko.xz", COMPRESSED);
}

int way_module_strange(const struct way_ctx *c)
{
    (void)c;
    return module_of_file("sg-strange.ko");
}

int way_module_name(const struct way_ctx *c)
{
    (void)c;
    return module_of_file("sg-denied.ko");
}

int way_module_other(const struct way_ctx *c)
{
    (void)c;
    return module_of_file("sg-other.ko");
}

int way_module_unsigned(const struct way_ctx *c)
{
    (void)c;
    return module_of_file("sg-plain.ko");
}

static int module_of_memory(const char *name)
{
    static char bytes[4096];
    int fd = open(name, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || read(fd, bytes, sizeof(bytes)) != sizeof(bytes))
        return errno;
    return errno_of(syscall(SYS_init_module, bytes, sizeof(bytes), ""));
}

int way_module_memory(const struct way_ctx *c)
{
    (void)c;
    return module_of_memory("sg-other.ko");
}

int way_memory_unsigned(const struct way_ctx *c)
{
    (void)c;
    return module_of_memory("sg-plain.ko");
}

/* AF_ASH, which the kernel never had: it looks for a module, and says that there is no such family either way. */
int way_module_request(const struct way_ctx *c)
{
    (void)c;
    return errno_of_fd(socket(22, SOCK_STREAM, 0));
}

static int bpf(int command)
{
    union bpf_attr attr;

    memset(&attr, 0, sizeof(attr));
    return errno_of(syscall(SYS_bpf, command, &attr, sizeof(attr)));
}

int way_bpf(const struct way_ctx *c)
{
    (void)c;
    return bpf(BPF_PROG_GET_NEXT_ID);
}

int way_bpf_other(const struct way_ctx *c)
{
    (void)c;
    return bpf(BPF_MAP_GET_NEXT_ID);
}

int way_key_create(const struct way_ctx *c)
{
    (void)c;
    return errno_of(syscall(SYS_add_key, "user", "control", "1", 1, KEY_SPEC_PROCESS_KEYRING));
}

int way_key_view(const struct way_ctx *c)
{
    char text[256];
    long keyring = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 0);

    (void)c;
    if (keyring < 0)
        return errno_of(keyring);
    return errno_of(syscall(SYS_keyctl, KEYCTL_DESCRIBE, keyring, text, sizeof(text)));
}

/* Of the keyring of the user, by its name: no search leads to it. What passes fails, or changes nothing. */
#define KEY(name, ...)                                     \
    int name(const struct way_ctx *c)                      \
    {                                                      \
        (void)c;                                           \
        return errno_of(syscall(SYS_keyctl, __VA_ARGS__)); \
    }
KEY(way_key_read, KEYCTL_READ, KEY_SPEC_USER_KEYRING, NULL, 0)
KEY(way_key_write, KEYCTL_UPDATE, KEY_SPEC_USER_KEYRING, NULL, 0)
KEY(way_key_search, KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, "user", "control", 0)
KEY(way_key_link, KEYCTL_LINK, KEY_SPEC_USER_KEYRING, KEY_SPEC_USER_SESSION_KEYRING)
KEY(way_key_setattr, KEYCTL_SET_TIMEOUT, KEY_SPEC_USER_KEYRING, 0)
KEY(way_key_unlink, KEYCTL_UNLINK, KEY_SPEC_USER_KEYRING, KEY_SPEC_USER_KEYRING)

static int uring(unsigned flags)
{
    struct io_uring_params p;
    void *ring;
    int fd;

    memset(&p, 0, sizeof(p));
    p.flags = flags;
    fd = (int)syscall(SYS_io_uring_setup, 2, &p);
    if (fd < 0)
        return errno_of(fd);
    /* Up to 5.11 it is known by its mapping. */
    ring = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
    close(fd);
    return ring == MAP_FAILED ? errno : 0;
}

int way_uring(const struct way_ctx *c)
{
    (void)c;
    return uring(0);
}

int way_uring_sqpoll(const struct way_ctx *c)
{
    (void)c;
    return uring(IORING_SETUP_SQPOLL);
}

/* One request by a ring: what came of it. */
static int uring_do(const struct io_uring_sqe *sqe, int personality)
{
    struct io_uring_params p;
    int fd, r;
    size_t size;
    char *ring;
    struct io_uring_sqe *sqes;

    memset(&p, 0, sizeof(p));
    fd = (int)syscall(SYS_io_uring_setup, 2, &p);
    if (fd < 0)
        return errno_of(fd);
    /* From 5.4 on one mapping has both rings. */
    size = p.sq_off.array + p.cq_off.cqes + 4096;
    ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
    sqes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQES);
    if (ring == MAP_FAILED || sqes == MAP_FAILED)
        return errno;
    sqes[0] = *sqe;
    if (personality)
        sqes[0].personality = (unsigned short)syscall(SYS_io_uring_register, fd,
                                                      IORING_REGISTER_PERSONALITY, NULL, 0);
    ((unsigned *)(ring + p.sq_off.array))[0] = 0;
    __atomic_store_n((unsigned *)(ring + p.sq_off.tail), 1, __ATOMIC_RELEASE);
    r = (int)syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0);
    return r < 0 ? errno : -((struct io_uring_cqe *)(ring + p.cq_off.cqes))->res;
}

int way_uring_personality(const struct way_ctx *c)
{
    const struct io_uring_sqe sqe = {.opcode = IORING_OP_NOP};

    (void)c;
    return uring_do(&sqe, 1);
}

int way_uring_command(const struct way_ctx *c)
{
    struct io_uring_sqe sqe = {.opcode = 46}; /* IORING_OP_URING_CMD */

    (void)c;
    sqe.fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    return sqe.fd < 0 ? errno : uring_do(&sqe, 0);
}

#define SOCKET(name, family, type, protocol)                \
    int name(const struct way_ctx *c)                       \
    {                                                       \
        (void)c;                                            \
        return errno_of_fd(socket(family, type, protocol)); \
    }
SOCKET(way_packet, AF_PACKET, SOCK_DGRAM, 0)
SOCKET(way_packet_old, AF_INET, SOCK_PACKET, 0)
SOCKET(way_raw, AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP)
SOCKET(way_raw6, AF_INET6, SOCK_RAW, IPPROTO_ICMPV6)
SOCKET(way_xdp, AF_XDP, SOCK_RAW, 0)
SOCKET(way_vsock, AF_VSOCK, SOCK_STREAM, 0)
SOCKET(way_alg, AF_ALG, SOCK_SEQPACKET, 0)
SOCKET(way_netlink, AF_NETLINK, SOCK_RAW, 0)
SOCKET(way_udp, AF_INET, SOCK_DGRAM, 0)

int way_settime(const struct way_ctx *c)
{
    (void)c;
    return errno_of(syscall(SYS_settimeofday, NULL, NULL));
}

int way_syslog(const struct way_ctx *c)
{
    char text[256];

    (void)c;
    return errno_of(klogctl(3, text, sizeof(text)));
}

int way_syslog_console(const struct way_ctx *c)
{
    (void)c;
    return errno_of(klogctl(8, NULL, 4));
}

int way_syslog_clear(const struct way_ctx *c)
{
    (void)c;
    return errno_of(klogctl(5, NULL, 0));
}

int way_perf(const struct way_ctx *c)
{
    struct perf_event_attr attr;

    (void)c;
    memset(&attr, 0, sizeof(attr));
    attr.type = PERF_TYPE_SOFTWARE;
    attr.size = sizeof(attr);
    attr.config = PERF_COUNT_SW_DUMMY;
    return errno_of_fd(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

int way_quota(const struct way_ctx *c)
{
    (void)c;
    return errno_of(quotactl(QCMD(Q_SYNC, USRQUOTA), NULL, 0, NULL));
}

/* With a flag that there is not: refused in the end, whatever a rule says. */
int way_kexec(const struct way_ctx *c)
{
    (void)c;
    return errno_of(syscall(SYS_kexec_load, 0ul, 0ul, NULL, 0x8000ul));
}

/* What is no kernel, without an initramfs. */
int way_kexec_file(const struct way_ctx *c)
{
    int fd = open("sg-plain.ko", O_RDONLY | O_CLOEXEC);

    (void)c;
    return fd < 0 ? errno : errno_of(syscall(SYS_kexec_file_load, fd, -1, 0ul, NULL, 4ul));
}
