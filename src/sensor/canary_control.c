// SPDX-License-Identifier: Apache-2.0
//
// What the self-test asks of the hooks of the section `control`: things that harm nobody where they are allowed. While one of
// these acts runs, the kernel side takes what this process asks of that one hook for the argument that only the agent's own
// rule speaks of (abi/control.h), and lets its other questions pass.
//
// Runs in the process of the self-test, like canary_acts.c: only system calls, nothing that allocates or locks.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/quota.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macro.h"
#include "sensor/internal.h"

#define NEVER_A_FAMILY 22 // AF_ASH: the kernel has never had it, and asks for a module
#define OWN_PROGRAM    "/proc/self/exe"

int act_setuid(const struct canary *c)
{
    (void)c;
    return outcome(syscall(SYS_setresuid, -1, -1, 1));
}

int act_setgid(const struct canary *c)
{
    (void)c;
    return outcome(syscall(SYS_setresgid, -1, -1, 1));
}

int act_setgroups(const struct canary *c)
{
    const gid_t group = 1;

    (void)c;
    return outcome(syscall(SYS_setgroups, 1, &group));
}

// By what the policy speaks of: a capability, or what is known by one.
int act_capable(const struct canary *c)
{
    if (c->now.controls & SG_BIT(SG_CONTROL_capability))
        return outcome(prctl(PR_CAPBSET_DROP, 35)); // CAP_WAKE_ALARM
    if (c->now.controls & SG_BIT(SG_CONTROL_mount))
        return outcome_fd(syscall(SYS_open_tree, AT_FDCWD, ".", OPEN_TREE_CLONE));
    if (c->now.controls & SG_BIT(SG_CONTROL_unshare))
        return outcome(unshare(CLONE_NEWUTS));
    return outcome(setns(c->uts_ns_fd, CLONE_NEWUTS));
}

static _Noreturn int wait_to_be_looked_at(void *arg _unused_)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        (void)pause();
}

// Another process, in this one's memory: a copy of it would cost more than all acts together.
static pid_t start_other(void)
{
    static char stack[8192] __attribute__((aligned(16)));

    return clone(wait_to_be_looked_at, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
}

static void end_other(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

int act_ptrace(const struct canary *c)
{
    pid_t pid = start_other();
    int fd, r;

    (void)c;
    if (pid < 0)
        return -errno;
    // Where it is allowed, there is no such descriptor.
    fd = (int)syscall(SYS_pidfd_open, pid, 0);
    r = fd < 0 ? -errno : outcome(syscall(SYS_pidfd_getfd, fd, INT_MAX, 0));
    (void)safe_close(fd);
    end_other(pid);
    return r == EBADF ? 0 : r;
}

int act_traceme(const struct canary *c)
{
    (void)c;
    return outcome(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

int act_signal(const struct canary *c)
{
    pid_t pid = start_other();
    int r;

    if (pid < 0)
        return -errno;
    r = outcome(kill(pid, SIGCONT));
    canary_ask(c, SG_HOOK_NONE); // the end of it is not the test's
    end_other(pid);
    return r;
}

int act_sigio(const struct canary *c)
{
    int fds[2], r = 0;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    pid = start_other();
    if (pid < 0 || fcntl(fds[0], F_SETOWN, pid) < 0 || fcntl(fds[0], F_SETSIG, SIGCONT) < 0 ||
        fcntl(fds[0], F_SETFL, O_ASYNC) < 0 || write(fds[1], "", 1) < 0)
        r = -errno;
    canary_ask(c, SG_HOOK_NONE);
    if (pid > 0)
        end_other(pid);
    (void)close(fds[0]);
    (void)close(fds[1]);
    return r;
}

int act_clone(const struct canary *c)
{
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUTS | SIGCHLD, NULL, NULL, NULL, NULL);

    (void)c;
    if (pid == 0)
        _exit(0);
    if (pid < 0)
        return errno;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return 0;
}

int act_userns(const struct canary *c)
{
    (void)c;
    return outcome(unshare(CLONE_NEWUSER));
}

// Where credentials cannot be prepared the kernel says that there is no memory for them, whatever the hook said.
int act_userns_old(const struct canary *c)
{
    int r = act_userns(c);

    return r == ENOMEM ? EPERM : r;
}

// Mounts. The root of the self-test's own file system is in no namespace: refused after the hook, whatever the hook says.
int act_control_mount(const struct canary *c)
{
    (void)c;
    return outcome(mount(NULL, ".", NULL, MS_PRIVATE, NULL));
}

int act_control_umount(const struct canary *c)
{
    (void)c;
    return outcome(umount2("/", MNT_EXPIRE | MNT_DETACH)); // they exclude each other
}

static int new_mount(void)
{
    int context = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC), fd;

    if (context < 0)
        return -errno;
    if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
        fd = -errno;
        (void)close(context);
        return fd;
    }
    fd = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
    if (fd < 0)
        fd = -errno;
    (void)close(context);
    return fd;
}

int act_control_move_mount(const struct canary *c)
{
    int from = new_mount(), to = new_mount(), r;

    (void)c;
    if (from < 0 || to < 0)
        return MIN(from, to);
    r = outcome(syscall(SYS_move_mount, from, "", to, "",
                        MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
    (void)close(from);
    (void)close(to);
    return r;
}

// In a mount namespace of its own, since the host's is guarded for rules about files, too.
int act_control_pivotroot(const struct canary *c)
{
    (void)c;
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return -errno;
    return outcome(syscall(SYS_pivot_root, "/", "/"));
}

int act_fsopen(const struct canary *c)
{
    int fd = new_mount();

    (void)c;
    if (fd >= 0)
        (void)close(fd);
    return fd < 0 ? -fd : 0;
}

int act_fsremount(const struct canary *c)
{
    int fd = new_mount(), context, r;

    (void)c;
    if (fd < 0)
        return fd;
    context = (int)syscall(SYS_fspick, fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
    r = context < 0
            ? -errno
            : outcome(syscall(SYS_fsconfig, context, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0));
    (void)close(fd);
    if (context >= 0)
        (void)close(context);
    return r;
}

// Nothing is no module and no kernel: refused after the hook. It is short, since the kernel reads all of it.
static const char nothing[256];

int act_finit_module(const struct canary *c)
{
    int fd = (int)syscall(SYS_memfd_create, "safeguard-self-test", MFD_CLOEXEC), r;

    if (fd < 0)
        return -errno;
    if (write(fd, nothing, sizeof(nothing)) != sizeof(nothing))
        r = -EIO;
    else if (c->now.controls & SG_BIT(SG_CONTROL_module))
        r = outcome(syscall(SYS_finit_module, fd, "", 0));
    else
        r = outcome(syscall(SYS_kexec_file_load, fd, -1, 0UL, NULL, 4UL)); // without an initramfs
    (void)close(fd);
    return r;
}

int act_finit_module_end(const struct canary *c)
{
    return act_finit_module(c);
}

int act_init_module(const struct canary *c)
{
    if (c->now.controls & SG_BIT(SG_CONTROL_module))
        return outcome(syscall(SYS_init_module, nothing, sizeof(nothing), ""));
    return outcome(syscall(SYS_kexec_load, 0UL, 0UL, NULL, 0x8000UL)); // a flag that there is not
}

int act_init_module_end(const struct canary *c)
{
    return act_init_module(c);
}

// Is there something before the hook that keeps such modules out? The word in brackets is what holds.
static bool locked_down_by_kernel(void)
{
    char text[64] = "";
    int fd = open("/sys/kernel/security/lockdown", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

    (void)safe_close(fd);
    return n > 0 && !strstr(text, "[none]");
}

// Asked before it is looked at whether it is a module, by kernels that know signatures and do not insist on them.
int act_locked_down(const struct canary *c)
{
    int r;

    (void)c;
    if (access("/sys/module/module/parameters/sig_enforce", F_OK) < 0 || locked_down_by_kernel())
        return -EOPNOTSUPP;
    r = outcome(syscall(SYS_init_module, nothing, sizeof(nothing), ""));
    return r == EKEYREJECTED ? -EOPNOTSUPP : r;
}

// The kernel answers that it has no such family, whether it was refused to look for one or found none.
int act_request_module(const struct canary *c)
{
    (void)c;
    return outcome_fd(socket(NEVER_A_FAMILY, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

int act_bpf(const struct canary *c)
{
    union bpf_attr attr = {};

    (void)c;
    return outcome(syscall(SYS_bpf, BPF_PROG_GET_NEXT_ID, &attr, sizeof(attr)));
}

// Of the process's own keyring: that of its user is looked up among others first, and the kernel answers ENOKEY to who was refused that.
int act_key_permission(const struct canary *c)
{
    (void)c;
    return outcome(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1));
}

// In a keyring that ends with this process.
int act_key_alloc(const struct canary *c)
{
    (void)c;
    return outcome(syscall(SYS_add_key, "user", "safeguard", "1", 1UL, KEY_SPEC_PROCESS_KEYRING));
}

static int uring_setup(struct io_uring_params *p)
{
    int fd = (int)syscall(SYS_io_uring_setup, 2, p);

    return fd < 0 ? -errno : fd;
}

int act_uring(const struct canary *c)
{
    struct io_uring_params p = {};
    int fd = uring_setup(&p);

    (void)c;
    if (fd >= 0)
        (void)close(fd);
    return fd == -ENOSYS ? fd : fd < 0 ? -fd : 0;
}

int act_uring_anon(const struct canary *c)
{
    return act_uring(c);
}

int act_uring_sqpoll(const struct canary *c)
{
    struct io_uring_params p = {.flags = IORING_SETUP_SQPOLL};
    int fd = uring_setup(&p);

    (void)c;
    if (fd >= 0)
        (void)close(fd);
    return fd == -ENOSYS ? fd : fd < 0 ? -fd : 0;
}

// Does one thing by a ring: the errno of it, 0, or < 0.
static int uring_do(const struct io_uring_sqe *sqe, bool personality)
{
    struct io_uring_params p = {};
    int fd = uring_setup(&p), r = -ENOMEM;
    size_t ring = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
    unsigned *array, *tail;
    char *mem;

    if (fd < 0)
        return fd;
    ring = MAX(ring, p.sq_off.array + p.sq_entries * sizeof(unsigned));
    mem = mmap(NULL, ring, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
    sqes = mmap(NULL, p.sq_entries * sizeof(*sqes), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                IORING_OFF_SQES);
    if (mem != MAP_FAILED && sqes != MAP_FAILED) {
        sqes[0] = *sqe;
        if (personality)
            sqes[0].personality = (uint16_t)syscall(SYS_io_uring_register, fd,
                                                    IORING_REGISTER_PERSONALITY, NULL, 0);
        array = (unsigned *)(mem + p.sq_off.array);
        tail = (unsigned *)(mem + p.sq_off.tail);
        array[0] = 0;
        __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
        r = (int)syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0);
        cqes = (struct io_uring_cqe *)(mem + p.cq_off.cqes);
        r = r < 0 ? errno : cqes[0].res < 0 ? -cqes[0].res : 0;
    }
    (void)close(fd);
    return r;
}

int act_uring_personality(const struct canary *c)
{
    const struct io_uring_sqe sqe = {.opcode = IORING_OP_NOP};

    (void)c;
    return uring_do(&sqe, true);
}

int act_uring_cmd(const struct canary *c)
{
    struct io_uring_sqe sqe = {.opcode = 46}; // IORING_OP_URING_CMD, from 5.19
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC), r;

    (void)c;
    if (fd < 0)
        return -errno;
    sqe.fd = fd;
    r = uring_do(&sqe, false);
    (void)close(fd);
    return r == EOPNOTSUPP || r == EINVAL ? -EOPNOTSUPP : r;
}

int act_socket_create(const struct canary *c)
{
    if (c->now.controls & SG_BIT(SG_CONTROL_socket))
        return outcome_fd(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1));
    return -EOPNOTSUPP; // of an io_uring it sees something on few kernels only
}

int act_control_mmap(const struct canary *c)
{
    void *p;

    if (!(c->now.controls & SG_BIT(SG_CONTROL_memory)))
        return -EOPNOTSUPP; // likewise
    p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? errno : 0;
}

int act_control_mprotect(const struct canary *c)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)c;
    return p == MAP_FAILED ? -errno : outcome(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

int act_shmat(const struct canary *c)
{
    int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600), r;
    void *p;

    (void)c;
    if (id < 0)
        return -errno;
    p = shmat(id, NULL, SHM_EXEC);
    r = p == (void *)-1 ? errno : 0;
    (void)shmctl(id, IPC_RMID, NULL);
    return r;
}

int act_settime(const struct canary *c)
{
    (void)c;
    return outcome(syscall(SYS_settimeofday, NULL, NULL)); // to nothing
}

int act_syslog(const struct canary *c)
{
    (void)c;
    return outcome(syscall(SYS_syslog, 10, NULL, 0)); // the size of its buffer
}

int act_perf(const struct canary *c)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
                                   .size = sizeof(attr),
                                   .config = PERF_COUNT_SW_DUMMY,
                                   .disabled = 1};

    (void)c;
    return outcome_fd(syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC));
}

int act_quotactl(const struct canary *c)
{
    (void)c;
    return outcome(syscall(SYS_quotactl, QCMD(Q_SYNC, USRQUOTA), NULL, 0, NULL));
}

// The last one: where it is allowed, this process becomes the agent's program, says which version it is, and ends.
int act_set_id_exec(const struct canary *c)
{
    static char name[] = "safeguard-self-test", version[] = "--version";
    char *const argv[] = {name, version, NULL}, *const envp[] = {NULL};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    (void)c;
    if (null < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        return -errno;
    return outcome(execve(OWN_PROGRAM, argv, envp));
}
