// SPDX-License-Identifier: Apache-2.0
//
// What the self-test tries, each in the directory named after its kind. Runs in a process that was forked
// from a program with threads: only system calls, nothing that allocates or locks. Every act is one that
// harms nothing when it is allowed.
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/macro.h"
#include "sensor/internal.h"

#define NR_FILE_SETATTR 469 // on every processor; the C library does not have it yet

// canary.h says what comes back.
typedef int (*act_fn)(const struct canary *c);

int act_open(const struct canary *c)
{
    (void)c;
    return outcome_fd(open("open/file", O_RDONLY | O_CLOEXEC));
}

int act_truncate(const struct canary *c)
{
    (void)c;
    return outcome(truncate("truncate/file", 3));
}

int act_ftruncate(const struct canary *c)
{
    return outcome(ftruncate(c->old_fd, 4096));
}

// Without open(2): what the hook lets through, the one for opens would still refuse.
int act_create(const struct canary *c)
{
    int r = outcome(mknod("create/new", S_IFREG | 0600, 0));

    (void)c;
    if (r == 0)
        (void)unlink("create/new");
    return r;
}

int act_mkdir(const struct canary *c)
{
    int r = outcome(mkdir("mkdir/new", 0700));

    (void)c;
    if (r == 0)
        (void)rmdir("mkdir/new");
    return r;
}

int act_mknod(const struct canary *c)
{
    int r = outcome(mknod("mknod/new", S_IFIFO | 0600, 0));

    (void)c;
    if (r == 0)
        (void)unlink("mknod/new");
    return r;
}

int act_symlink(const struct canary *c)
{
    int r = outcome(symlink("file", "symlink/new"));

    (void)c;
    if (r == 0)
        (void)unlink("symlink/new");
    return r;
}

int act_link(const struct canary *c)
{
    int r = outcome(link("link/file", "link/new"));

    (void)c;
    if (r == 0)
        (void)unlink("link/new");
    return r;
}

int act_rename(const struct canary *c)
{
    int r = outcome(rename("rename/file", "rename/new"));

    (void)c;
    if (r == 0)
        (void)rename("rename/new", "rename/file");
    return r;
}

int act_unlink(const struct canary *c)
{
    int r = outcome(unlink("unlink/file"));

    (void)c;
    if (r == 0)
        (void)mknod("unlink/file", S_IFREG | 0600, 0);
    return r;
}

int act_rmdir(const struct canary *c)
{
    int r = outcome(rmdir("rmdir/dir"));

    (void)c;
    if (r == 0)
        (void)mkdir("rmdir/dir", 0700);
    return r;
}

int act_chmod(const struct canary *c)
{
    (void)c;
    return outcome(chmod("chmod/file", 0600));
}

int act_setxattr(const struct canary *c)
{
    (void)c;
    return outcome(setxattr("setxattr/file", "trusted.safeguard", "1", 1, 0));
}

int act_removexattr(const struct canary *c)
{
    (void)c;
    return outcome(removexattr("removexattr/file", "trusted.safeguard"));
}

// linux/posix_acl_xattr.h: version 2, entries of tag, permissions, id: owner rw-, group ---, others ---.
static const struct {
    uint32_t version;
    struct {
        uint16_t tag, perm;
        uint32_t id;
    } entries[3];
} acl = {2, {{0x01, 6, UINT32_MAX}, {0x04, 0, UINT32_MAX}, {0x20, 0, UINT32_MAX}}};

int act_set_acl(const struct canary *c)
{
    (void)c;
    return outcome(setxattr("set_acl/file", "system.posix_acl_access", &acl, sizeof(acl), 0));
}

int act_remove_acl(const struct canary *c)
{
    (void)c;
    return outcome(removexattr("remove_acl/file", "system.posix_acl_access"));
}

int act_mmap(const struct canary *c)
{
    void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, c->old_fd, 0);

    return p == MAP_FAILED ? errno : 0;
}

int act_mprotect(const struct canary *c)
{
    return outcome(mprotect(c->old_map, 4096, PROT_READ | PROT_WRITE));
}

int act_receive(const struct canary *c)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    char byte = 0;
    struct iovec iov = {&byte, 1};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof(control)};
    int pair[2];

    memcpy(CMSG_DATA(&control.header), &c->old_fd, sizeof(int));
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    if (sendmsg(pair[0], &m, 0) < 0)
        return -errno;
    m.msg_controllen = sizeof(control);
    if (recvmsg(pair[1], &m, 0) < 0)
        return -errno;
    // A refused descriptor is left out; the rest of the message arrives.
    return m.msg_controllen >= CMSG_LEN(sizeof(int)) && !(m.msg_flags & MSG_CTRUNC) ? 0 : EPERM;
}

int act_ioctl(const struct canary *c)
{
    int flags = 0;

    return outcome(ioctl(c->old_fd, FS_IOC_SETFLAGS, &flags));
}

#ifdef __x86_64__
#define NR32_IOCTL      54
#define NO_32_BIT_CALLS 255 // an exit status that is no errno

static _Noreturn void no_32_bit_calls(int number)
{
    (void)number;
    _exit(NO_32_BIT_CALLS);
}

// A kernel that was told to know no such calls answers them with a fault: in a process of its own, which dies in silence.
static _Noreturn void ioctl_compat_child(int fd)
{
    struct sigaction fault = {.sa_handler = no_32_bit_calls};
    int *flags;
    long r;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)sigaction(SIGSEGV, &fault, NULL);
    // Where 32 bits can point to.
    flags = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1,
                 0);
    if (flags == MAP_FAILED)
        _exit(NO_32_BIT_CALLS);
    __asm__ volatile("int $0x80"
                     : "=a"(r)
                     : "a"((long)NR32_IOCTL), "b"((long)fd), "c"((long)FS_IOC32_SETFLAGS),
                       "d"(flags)
                     : "memory", "r8", "r9", "r10", "r11");
    _exit(r < 0 ? (int)-r : 0);
}

int act_ioctl_compat(const struct canary *c)
{
    int status;
    pid_t pid;

    // A filter that wants native calls only (as our unit has) kills for it and has it logged.
    if (prctl(PR_GET_SECCOMP) > 0)
        return -EACCES;
    // It shares this process's memory, which nobody else has any more: a copy would cost more than all other acts together.
    pid = vfork();
    if (pid < 0)
        return -errno;
    if (pid == 0)
        ioctl_compat_child(c->old_fd);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    if (!WIFEXITED(status) || WEXITSTATUS(status) == NO_32_BIT_CALLS)
        return -ENOSYS;
    return WEXITSTATUS(status);
}
#else
// The 32-bit calls of other processors take a 32-bit program.
int act_ioctl_compat(const struct canary *c)
{
    (void)c;
    return -ENOSYS;
}
#endif

// A file system that has flags, but no flags of this kind, says so after the hook.
int act_file_setattr(const struct canary *c)
{
    const struct {
        uint64_t xflags;
        uint32_t extsize, nextents, projid, cowextsize;
    } attr = {};
    long r = syscall(NR_FILE_SETATTR, AT_FDCWD, "file_setattr/file", &attr, sizeof(attr), 0);

    (void)c;
    return r < 0 && errno == ENOSYS ? -ENOSYS : outcome(r);
}

int act_permission(const struct canary *c)
{
    char byte;

    return outcome(pread(c->old_fd, &byte, 1, 0));
}

// Nothing to refuse here: the record of the close is what is waited for.
int act_io(const struct canary *c)
{
    int fd = open("io/file", O_RDONLY | O_CLOEXEC);
    char byte;

    (void)c;
    if (fd < 0)
        return -errno;
    if (read(fd, &byte, 1) != 1) {
        int r = -errno;

        (void)close(fd);
        return r;
    }
    (void)close(fd);
    return 0;
}

// Mounts are guarded where paths of the host lead: at the self-test's one mount there.
int act_mount(const struct canary *c)
{
    int r = outcome(mount("none", c->umount_path, "tmpfs", 0, "size=4k"));

    if (r == 0)
        (void)umount2(c->umount_path, MNT_DETACH);
    return r;
}

int act_move_mount(const struct canary *c)
{
    int context, from, r;

    context = fsopen("tmpfs", FSOPEN_CLOEXEC);
    if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -errno;
    from = fsmount(context, FSMOUNT_CLOEXEC, 0);
    if (from < 0)
        return -errno;
    r = outcome(move_mount(from, "", AT_FDCWD, c->umount_path, MOVE_MOUNT_F_EMPTY_PATH));
    if (r == 0)
        (void)umount2(c->umount_path, MNT_DETACH);
    return r;
}

int act_pivot_root(const struct canary *c)
{
    // The root that is left cannot be put where it is itself: refused after the hook, whatever the hook says.
    return outcome(syscall(SYS_pivot_root, c->umount_path, "/"));
}

// Executes a file that no handler knows, so that it never runs, with a descriptor that stays open: no longer than for this, or
// whatever else is executed here would be refused for it.
int act_inherit(const struct canary *c)
{
    static char name[] = "canary";
    char *const argv[] = {name, NULL}, *const envp[] = {NULL};
    int r;

    if (fcntl(c->old_fd, F_SETFD, 0) < 0)
        return -errno;
    r = outcome(syscall(SYS_execveat, c->exe_fd, "program", argv, envp, 0));
    (void)fcntl(c->old_fd, F_SETFD, FD_CLOEXEC);
    return r;
}

int act_umount(const struct canary *c)
{
    // Asks for two things that exclude each other: refused after the hook, whatever the hook says.
    return outcome(umount2(c->umount_path, MNT_EXPIRE | MNT_DETACH));
}

static const act_fn acts[CANARY_COUNT] = {
#define CANARY_GUARD(program, id, act, help) [CANARY_##program] = act,
#include "sensor/canary_guard.def"
#define CANARY(kind, act, help) [CANARY_##kind] = act,
#include "sensor/canary.def"
};

// The hook that a test is for: those of the section `control` have one each.
static uint32_t hook_of(uint32_t kind)
{
    for (size_t i = 0; kind >= CANARY_setuid && i < HOOKS; i++)
        if (hook_row(i)->canary == kind)
            return (uint32_t)i + 1;
    return SG_HOOK_NONE;
}

void canary_ask(const struct canary *c, uint32_t hook)
{
    if (c->asking)
        __atomic_store_n(c->asking, (uint64_t)hook << 32 | (uint32_t)getpid(), __ATOMIC_SEQ_CST);
}

void canary_ask_nobody(const struct canary *c)
{
    if (c->asking)
        __atomic_store_n(c->asking, 0, __ATOMIC_SEQ_CST);
}

bool canary_on_host(uint32_t kind)
{
    return kind == CANARY_mount || kind == CANARY_move_mount || kind == CANARY_pivot_root ||
           kind == CANARY_umount;
}

static int enter_host_ns(const struct canary *c)
{
    if (c->host_ns_fd < 0)
        return 0;
    if (setns(c->host_ns_fd, CLONE_NEWNS) < 0 || fchdir(c->root_fd) < 0)
        return -errno;
    return 0;
}

// The agent's maps, links and connections are nothing that a process which waits to be refused should hold, but for the one link that
// it is refused with.
static void keep_only(int *fds, size_t n)
{
    unsigned first = STDERR_FILENO + 1;

    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0 && fds[k - 1] > fds[k]; k--) {
            int other = fds[k];

            fds[k] = fds[k - 1];
            fds[k - 1] = other;
        }
    for (size_t i = 0; i < n; i++) {
        if (fds[i] < (int)first)
            continue;
        if (fds[i] > (int)first)
            (void)syscall(SYS_close_range, first, (unsigned)fds[i] - 1, 0);
        first = (unsigned)fds[i] + 1;
    }
    (void)syscall(SYS_close_range, first, ~0u, 0);
}

static int try_act(const struct canary *c, uint32_t kind)
{
    int r;

    canary_ask(c, hook_of(kind));
    r = acts[kind](c);
    canary_ask_nobody(c);
    return r;
}

void canary_child(const struct canary *c, const bool kinds[CANARY_COUNT], int end_fd)
{
    int own[] = {end_fd,        c->root_fd,   c->old_fd,        c->exe_fd,
                 c->host_ns_fd, c->uts_ns_fd, c->guard.link_fd, c->guard.ftrace_fd};
    bool entered = false;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    keep_only(own, ARRAY_SIZE(own));
    if (fchdir(c->root_fd) < 0)
        _exit(1);
    for (uint32_t kind = 1; kind < CANARY_COUNT; kind++) {
        struct canary_result *result = &c->results[kind];
        int r = 0;

        if (!kinds[kind])
            continue;
        if (canary_on_host(kind) && !entered) {
            r = enter_host_ns(c);
            entered = r == 0;
        }
        // Not refused, this one does not come back: said before.
        if (kind == CANARY_set_id_exec)
            result->kind = kind;
        if (r == 0)
            r = try_act(c, kind);
        *result = (struct canary_result){.kind = kind, .error = MAX(r, 0), .skipped = MAX(-r, 0)};
    }
    _exit(0);
}
