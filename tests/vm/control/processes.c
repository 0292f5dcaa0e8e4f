// SPDX-License-Identifier: Apache-2.0
/* Signals, tracing, capabilities, namespaces. */
#include "control.h"

#include <fcntl.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

static int pidfd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

#define KILL(name, number)                       \
    int name(const struct way_ctx *c)            \
    {                                            \
        return errno_of(kill(c->other, number)); \
    }
KILL(way_kill, SIGUSR1)
KILL(way_kill_usr2, SIGUSR2)
KILL(way_kill_quit, SIGQUIT)
KILL(way_kill_urg, SIGURG)
KILL(way_kill_winch, SIGWINCH)
KILL(way_kill_cont, SIGCONT)
KILL(way_kill_none, 0)

int way_tgkill(const struct way_ctx *c)
{
    return errno_of(syscall(SYS_tgkill, c->other, c->other, SIGUSR1));
}

int way_pidfd_signal(const struct way_ctx *c)
{
    return errno_of(syscall(SYS_pidfd_send_signal, pidfd(c->other), SIGUSR1, NULL, 0));
}

int way_queue(const struct way_ctx *c)
{
    return errno_of(sigqueue(c->other, SIGUSR1, (union sigval){.sival_int = 1}));
}

int way_kill_group(const struct way_ctx *c)
{
    return errno_of(kill(-c->other, SIGUSR1));
}

int way_kill_self(const struct way_ctx *c)
{
    (void)c;
    handle(SIGUSR1, SIG_IGN);
    return errno_of(kill(getpid(), SIGUSR1));
}

int way_attach(const struct way_ctx *c)
{
    return errno_of(ptrace(PTRACE_ATTACH, c->other, NULL, NULL));
}

int way_seize(const struct way_ctx *c)
{
    return errno_of(ptrace(PTRACE_SEIZE, c->other, NULL, NULL));
}

static int vm(const struct way_ctx *c,
              ssize_t (*call)(pid_t, const struct iovec *, unsigned long, const struct iovec *,
                              unsigned long, unsigned long))
{
    static char bytes[8];
    struct iovec iov = {bytes, sizeof(bytes)};

    return errno_of(call(c->other, &iov, 1, &iov, 1, 0));
}

int way_vm_readv(const struct way_ctx *c)
{
    return vm(c, process_vm_readv);
}

int way_vm_writev(const struct way_ctx *c)
{
    return vm(c, process_vm_writev);
}

int way_proc_mem(const struct way_ctx *c)
{
    char name[64];

    snprintf(name, sizeof(name), "/proc/%d/mem", c->other);
    return errno_of_fd(open(name, O_RDWR | O_CLOEXEC));
}

int way_own_mem(const struct way_ctx *c)
{
    (void)c;
    return errno_of_fd(open("/proc/self/mem", O_RDWR | O_CLOEXEC));
}

int way_pidfd_getfd(const struct way_ctx *c)
{
    return errno_of_fd(syscall(SYS_pidfd_getfd, pidfd(c->other), 0, 0));
}

int way_traceme(const struct way_ctx *c)
{
    (void)c;
    return errno_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

int way_kcmp(const struct way_ctx *c)
{
    return errno_of(syscall(SYS_kcmp, getpid(), c->other, KCMP_VM, 0, 0));
}

int way_chroot(const struct way_ctx *c)
{
    (void)c;
    return errno_of(chroot("/"));
}

int way_nice(const struct way_ctx *c)
{
    (void)c;
    return errno_of(setpriority(PRIO_PROCESS, 0, -5));
}

int way_hostname(const struct way_ctx *c)
{
    (void)c;
    return errno_of(sethostname("control", 7));
}

int way_chroot_in_userns(const struct way_ctx *c)
{
    int r = errno_of(unshare(CLONE_NEWUSER));

    (void)c;
    return r ? r : errno_of(chroot("/"));
}

int way_unshare(const struct way_ctx *c)
{
    (void)c;
    return errno_of(unshare(CLONE_NEWUTS));
}

int way_unshare_two(const struct way_ctx *c)
{
    (void)c;
    return errno_of(unshare(CLONE_NEWIPC | CLONE_NEWUTS));
}

int way_unshare_user(const struct way_ctx *c)
{
    (void)c;
    return errno_of(unshare(CLONE_NEWUSER));
}

int way_unshare_user_denied(const struct way_ctx *c)
{
    return setresuid(4249, 4249, 4249) < 0 ? errno : way_unshare_user(c);
}

int way_unshare_user_uts(const struct way_ctx *c)
{
    (void)c;
    return errno_of(unshare(CLONE_NEWUSER | CLONE_NEWUTS));
}

int way_unshare_ipc(const struct way_ctx *c)
{
    (void)c;
    return errno_of(unshare(CLONE_NEWIPC));
}

int way_unshare_files(const struct way_ctx *c)
{
    (void)c;
    return errno_of(unshare(CLONE_FILES | CLONE_FS));
}

static int clone_with(unsigned long flags)
{
    long pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);

    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    return errno_of(pid);
}

int way_clone(const struct way_ctx *c)
{
    (void)c;
    return clone_with(CLONE_NEWUTS);
}

int way_clone_user(const struct way_ctx *c)
{
    (void)c;
    return clone_with(CLONE_NEWUSER);
}

int way_clone_user_denied(const struct way_ctx *c)
{
    return setresuid(4249, 4249, 4249) < 0 ? errno : way_clone_user(c);
}

int way_clone3(const struct way_ctx *c)
{
    uint64_t args[8] = {CLONE_NEWUTS, 0, 0, 0, SIGCHLD, 0, 0, 0};
    long pid = syscall(SYS_clone3, args, sizeof(args));

    (void)c;
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    return errno_of(pid);
}

int way_unshare_compat(const struct way_ctx *c)
{
#ifdef __x86_64__
    long r;

    (void)c;
    // A kernel without such calls answers with a fault.
    handle(SIGSEGV, SIG_DFL);
    __asm__ volatile("int $0x80"
                     : "=a"(r)
                     : "a"(310L), "b"((long)CLONE_NEWUTS)
                     : "memory", "r8", "r9", "r10", "r11");
    return r == -ENOSYS ? ABSENT : r < 0 ? (int)-r : 0;
#else
    (void)c;
    return ABSENT;
#endif
}

static int enter(const char *name, int type)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);

    return fd < 0 ? errno : errno_of(setns(fd, type));
}

int way_setns(const struct way_ctx *c)
{
    (void)c;
    return enter("/proc/self/ns/uts", CLONE_NEWUTS);
}

int way_setns_any(const struct way_ctx *c)
{
    (void)c;
    return enter("/proc/self/ns/uts", 0);
}

int way_setns_pidfd(const struct way_ctx *c)
{
    return errno_of(setns(pidfd(c->other), CLONE_NEWUTS | CLONE_NEWIPC));
}

int way_setns_ipc(const struct way_ctx *c)
{
    (void)c;
    return enter("/proc/self/ns/ipc", 0);
}
