// SPDX-License-Identifier: Apache-2.0
//
// Every way in which a process changes its credentials by system calls, each followed by accesses at which they are looked at:
// none of it is a finding. To be run as root. Exits with 0 when all of it could be done.
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macro.h"
#include "tests/vm/do/ring.h"

#define ROUNDS 3

static const uid_t ids[] = {0, 1000, 1001, (uid_t)-1};

// Opens, signals, sockets, capabilities: whether they are allowed is of no interest.
static void look(void)
{
    int fd = open("/etc/shadow", O_RDONLY | O_CLOEXEC);

    if (fd >= 0)
        (void)close(fd);
    fd = open("/etc/hostname", O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        (void)close(fd);
    (void)kill(getppid(), 0);
    fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1);
    if (fd >= 0)
        (void)close(fd);
    (void)!chroot("/");
}

// Whatever a step does to itself is over with it.
static void step(const char *name, void (*fn)(void))
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        look();
        fn();
        look();
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        errx(1, "%s: status %#x", name, (unsigned)status);
    (void)printf("%s\n", name);
}

static void each_uid(int (*set)(uid_t, uid_t, uid_t))
{
    for (size_t r = 0; r < ARRAY_SIZE(ids); r++) {
        for (size_t e = 0; e < ARRAY_SIZE(ids); e++) {
            for (size_t s = 0; s < ARRAY_SIZE(ids); s++) {
                pid_t pid = fork();

                if (pid == 0) {
                    (void)set(ids[r], ids[e], ids[s]);
                    look();
                    (void)set((uid_t)-1, ids[s], (uid_t)-1); // back, where the saved one allows it
                    (void)set(ids[r], ids[r], (uid_t)-1);
                    look();
                    _exit(0);
                }
                if (pid < 0 || waitpid(pid, &(int){0}, 0) != pid)
                    err(1, "fork");
            }
        }
    }
}

static int set_gid(uid_t r, uid_t e, uid_t s)
{
    return setresgid(r, e, s);
}

static int set_uid(uid_t r, uid_t e, uid_t s)
{
    return setresuid(r, e, s);
}

static void uids(void)
{
    each_uid(set_uid);
}

static void gids(void)
{
    each_uid(set_gid);
}

// Without a look in between: several changes are one to who looks then.
static void several(void)
{
    const gid_t groups[] = {4, 24, 1000};

    if (setgroups(ARRAY_SIZE(groups), groups) < 0 || setregid(1000, 1000) < 0 ||
        prctl(PR_SET_KEEPCAPS, 1) < 0 || setreuid(1000, 1000) < 0 || prctl(PR_SET_KEEPCAPS, 0) < 0)
        err(1, "several");
    look();
    if (setuid(1000) < 0)
        err(1, "setuid");
}

static void effective(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (seteuid(1000) < 0 || setegid(1000) == 0)
            err(1, "seteuid");
        look();
        if (seteuid(0) < 0 || setegid(1000) < 0)
            err(1, "seteuid back");
        look();
        if (setegid(0) < 0)
            err(1, "setegid back");
    }
}

static void fsids(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        (void)setfsgid(1000);
        (void)setfsuid(1000);
        look();
        (void)setfsuid(0);
        (void)setfsgid(0);
        look();
    }
}

static struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};

static void set_caps(const struct __user_cap_data_struct data[2])
{
    if (syscall(SYS_capset, &head, data) < 0)
        err(1, "capset");
    look();
}

static void caps(void)
{
    struct __user_cap_data_struct all[2] = {}, some[2];

    if (syscall(SYS_capget, &head, all) < 0)
        err(1, "capget");
    memcpy(some, all, sizeof(some));
    some[0].effective = some[1].effective = 0;
    set_caps(some);
    set_caps(all); // effective ones come back from the permitted
    memcpy(some, all, sizeof(some));
    some[0].inheritable = some[0].permitted;
    some[1].inheritable = some[1].permitted;
    set_caps(some);
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0) < 0)
        err(1, "ambient");
    look();
    if (prctl(PR_CAPBSET_DROP, CAP_SYS_MODULE, 0, 0, 0) < 0)
        err(1, "bounding set");
    look();
    if (prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_NO_SETUID_FIXUP) < 0)
        err(1, "securebits");
    look();
    if (setresuid(1000, 1000, 1000) < 0)
        err(1, "setresuid");
    look();
    some[0].permitted = some[0].effective = some[0].inheritable = 1u << CAP_NET_RAW;
    some[1].permitted = some[1].effective = some[1].inheritable = 0;
    set_caps(some);
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        err(1, "%s", path);
    (void)close(fd);
}

static void user_namespaces(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (unshare(CLONE_NEWUSER | (i ? CLONE_NEWNS : 0)) < 0)
            err(1, "unshare");
        look();
        put("/proc/self/uid_map", "0 0 1");
        put("/proc/self/setgroups", "deny");
        put("/proc/self/gid_map", "0 0 1");
        look();
        if (setresuid(0, 0, 0) < 0 || setresgid(0, 0, 0) < 0)
            err(1, "set*id in a namespace");
    }
}

// Into a namespace of a child, as nsenter does it.
static void enter(void)
{
    int ready[2], end[2], fd;
    char path[64], byte;
    pid_t pid;

    if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(end, O_CLOEXEC) < 0)
        err(1, "pipe");
    pid = fork();
    if (pid == 0) {
        (void)close(end[1]);
        if (unshare(CLONE_NEWUSER | CLONE_NEWUTS) < 0 || write(ready[1], "x", 1) != 1)
            _exit(1);
        (void)!read(end[0], &byte, 1);
        look();
        _exit(0);
    }
    if (pid < 0 || read(ready[0], &byte, 1) != 1)
        err(1, "child");
    (void)snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWUSER) < 0)
        err(1, "setns");
    look();
    (void)close(end[1]);
    (void)waitpid(pid, NULL, 0);
}

static void keyrings(void)
{
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0)
        err(1, "session keyring");
    look();
    if (syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_THREAD_KEYRING, 1) < 0)
        err(1, "thread keyring");
    look();
    // The parent's credentials are replaced when it next returns to user space.
    (void)syscall(SYS_keyctl, KEYCTL_SESSION_TO_PARENT);
}

// An io_uring opens files as whoever registered, also by its workers, and goes on as its task.
static void rings(void)
{
    static const uint8_t flags[] = {0, IOSQE_ASYNC};
    struct ring ring;
    long personality;

    if (ring_open(&ring) < 0) {
        (void)printf("io_uring is not here\n");
        return;
    }
    personality = syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_PERSONALITY, NULL, 0);
    if (personality < 0 || setegid(1000) < 0 || seteuid(1000) < 0)
        err(1, "personality");
    for (int i = 0; i < ROUNDS * 2; i++) {
        long fd = ring_do(&ring, &(struct io_uring_sqe){.opcode = IORING_OP_OPENAT,
                                                        .flags = flags[i % 2],
                                                        .fd = AT_FDCWD,
                                                        .addr = (uintptr_t) "/etc/shadow",
                                                        .open_flags = O_RDONLY | O_CLOEXEC,
                                                        .personality = (uint16_t)personality});

        if (fd < 0)
            errx(1, "open as who registered: %ld", fd);
        (void)close((int)fd);
        look();
        if (seteuid(i % 2 ? 1000 : 0) < 0)
            err(1, "seteuid");
    }
    (void)close(ring.fd);
}

// What decides about dumps and tracing is no credential, though it is kept with them.
static void dumps(void)
{
    put("/proc/self/coredump_filter", "0x33");
    (void)prctl(PR_SET_DUMPABLE, 0);
    look();
    if (seteuid(1000) < 0 || seteuid(0) < 0)
        err(1, "seteuid");
    (void)prctl(PR_SET_DUMPABLE, 1);
    look();
}

static void *other_thread(void *arg)
{
    uid_t uid = *(const uid_t *)arg;

    // Past libc, which would have all threads follow.
    for (int i = 0; i < 50; i++) {
        if (syscall(SYS_setresuid, -1, uid, -1) < 0)
            err(1, "setresuid of a thread");
        look();
        if (syscall(SYS_setresuid, -1, 0, -1) < 0)
            err(1, "setresuid of a thread, back");
        look();
    }
    return NULL;
}

static void threads(void)
{
    static const uid_t own[] = {1000, 1001, 0, 65534};
    pthread_t t[ARRAY_SIZE(own)];

    for (size_t i = 0; i < ARRAY_SIZE(own); i++)
        if (pthread_create(&t[i], NULL, other_thread, (void *)(uintptr_t)&own[i]) != 0)
            errx(1, "thread");
    look();
    for (size_t i = 0; i < ARRAY_SIZE(own); i++)
        (void)pthread_join(t[i], NULL);
    // And through libc, by signals to all of them.
    if (setresuid(1000, 1000, 0) < 0)
        err(1, "setresuid");
}

static void run(const char *program)
{
    char *const arguments[] = {(char *)(uintptr_t)program, NULL};

    (void)execve(program, arguments, environ);
    _exit(127);
}

static void vforks(void)
{
    for (int i = 0; i < 20; i++) {
        pid_t pid = vfork();

        if (pid == 0)
            run("/bin/true");
        if (pid < 0 || waitpid(pid, NULL, 0) != pid)
            err(1, "vfork");
    }
}

static void storm(void)
{
    for (int i = 0; i < 300; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            if (i % 2 && setresuid(1000, 1000, 1000) < 0)
                _exit(1);
            if (i % 3 == 0)
                run("/bin/true");
            look();
            _exit(0);
        }
        if (pid < 0)
            err(1, "fork");
    }
    while (waitpid(-1, NULL, 0) > 0)
        ;
}

// A set-user-id program that is traced by who may not trace root stays as it was.
static void traced(void)
{
    int status;
    pid_t pid;

    if (setresgid(1000, 1000, 1000) < 0 || setresuid(1000, 1000, 1000) < 0)
        err(1, "setresuid");
    pid = fork();
    if (pid == 0) {
        (void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        run("/usr/bin/su");
    }
    while (pid > 0 && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
        (void)kill(pid, SIGKILL);
        (void)ptrace(PTRACE_CONT, pid, NULL, NULL);
    }
}

int main(void)
{
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    look();
    step("user ids", uids);
    step("group ids", gids);
    step("several changes at once", several);
    step("effective ids, there and back", effective);
    step("ids of the file system", fsids);
    step("capabilities", caps);
    step("user namespaces", user_namespaces);
    step("a user namespace of somebody else", enter);
    step("keyrings", keyrings);
    look();
    step("io_urings with registered credentials", rings);
    step("dumps", dumps);
    step("threads with ids of their own", threads);
    step("vfork", vforks);
    step("a storm of processes", storm);
    step("a traced set-user-id program", traced);
    look();
    return 0;
}
