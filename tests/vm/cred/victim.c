// SPDX-License-Identifier: Apache-2.0
//
// A process whose credentials are tampered with, and that uses them then: sg-victim WAY ACT [PID]
//
// WAY is one of tamper.kmod.c's, ACT what it does as soon as it has been done to it. Begins as whoever starts it, in a user namespace
// of its own for the way "user_ns". Exits with 0 when the act was done, with 1 when it was refused, with 2 when the test could not
// be made; what else ends it is the answer. PID: whom some acts are done to.
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/ioprio.h>
#include <linux/keyctl.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/macro.h"

#define SECRET "/srv/secret" // root's, and its group's

// Whoever gets it has it: the case looks whether these words were printed.
static int act_open(void)
{
    char text[64] = "";
    int fd = open(SECRET, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
        return -1;
    (void)!write(STDOUT_FILENO, text, strlen(text));
    return 0;
}

static int act_exec(void)
{
    char program[] = "cat", path[] = SECRET;
    char *const arguments[] = {program, path, NULL};

    return execve("/usr/bin/cat", arguments, environ);
}

static int act_kill(void)
{
    return kill(1, 0);
}

static int act_socket(void)
{
    return socket(AF_INET, SOCK_RAW, 1) < 0 ? -1 : 0;
}

static int act_setuid(void)
{
    return setresuid(0, 0, 0);
}

static int act_setgid(void)
{
    return setresgid(1001, 1001, 1001);
}

static int act_capset(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {};

    if (syscall(SYS_capget, &head, data) < 0)
        return -1;
    return (int)syscall(SYS_capset, &head, data);
}

static int act_chown(void)
{
    return chown(SECRET, 0, 0);
}

static int act_trace(void)
{
    char text[16];
    int fd = open("/proc/1/environ", O_RDONLY | O_CLOEXEC);

    return fd < 0 || read(fd, text, sizeof(text)) < 0 ? -1 : 0;
}

static int act_unlink(void)
{
    return unlink("/srv/root/file");
}

static int act_rename(void)
{
    return rename("/srv/root/file", "/srv/root/other");
}

static int act_mkdir(void)
{
    return mkdir("/srv/root/new", 0755);
}

static int act_rmdir(void)
{
    return rmdir("/srv/root/dir");
}

static int act_mknod(void)
{
    return mknod("/srv/root/new", S_IFIFO | 0644, 0);
}

static int act_symlink(void)
{
    return symlink("file", "/srv/root/new");
}

static int act_setxattr(void)
{
    return setxattr("/srv/root/file", "user.a", "b", 1, 0);
}

static int act_removexattr(void)
{
    return removexattr("/srv/root/file", "user.a");
}

// For its owner, its group and the others, as its mode has them: of linux/posix_acl_xattr.h.
static int act_acl(void)
{
    struct {
        __le32 version;
        struct posix_acl_xattr_entry entries[3];
    } acl = {POSIX_ACL_XATTR_VERSION,
             {{ACL_USER_OBJ, ACL_READ | ACL_WRITE, 0},
              {ACL_GROUP_OBJ, ACL_READ, 0},
              {ACL_OTHER, ACL_READ, 0}}};

    return setxattr("/srv/root/file", "system.posix_acl_access", &acl, sizeof(acl), 0);
}

static int act_no_acl(void)
{
    return removexattr("/srv/root/file", "system.posix_acl_access");
}

// What some acts need, made before anything is done to the process: only the last step is to be looked at.
static struct {
    struct sockaddr_un name;
    int fd, listens, queue;
    long key;
} made;

static void make_sockets(int type)
{
    made.name.sun_family = AF_UNIX;
    (void)snprintf(made.name.sun_path + 1, sizeof(made.name.sun_path) - 1, "victim-%d", getpid());
    made.listens = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    made.fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (made.listens < 0 || made.fd < 0 ||
        bind(made.listens, (struct sockaddr *)&made.name, sizeof(made.name)) < 0 ||
        (type == SOCK_STREAM && listen(made.listens, 1) < 0))
        err(2, "sockets");
}

static void make_stream(void)
{
    make_sockets(SOCK_STREAM);
}

static void make_datagrams(void)
{
    make_sockets(SOCK_DGRAM);
}

static void make_queue(void)
{
    made.queue = msgget(IPC_PRIVATE, 0666);
    if (made.queue < 0)
        err(2, "msgget");
}

static void make_key(void)
{
    made.key = syscall(SYS_add_key, "user", "victim", "x", 1, KEY_SPEC_PROCESS_KEYRING);
    if (made.key < 0)
        err(2, "add_key");
}

static int act_connect(void)
{
    return connect(made.fd, (struct sockaddr *)&made.name, sizeof(made.name));
}

static int act_send(void)
{
    return sendto(made.fd, "x", 1, 0, (struct sockaddr *)&made.name, sizeof(made.name)) < 0 ? -1
                                                                                            : 0;
}

static int act_ipc(void)
{
    struct {
        long type;
        char text[1];
    } message = {1, "x"};

    return msgsnd(made.queue, &message, sizeof(message.text), IPC_NOWAIT);
}

static int act_key(void)
{
    char text[8];

    return syscall(SYS_keyctl, KEYCTL_READ, made.key, text, sizeof(text)) < 0 ? -1 : 0;
}

// A process of root's without capabilities and of the victim's group: what else is asked for stops others sooner.
static pid_t target = 1;

static int act_prlimit(void)
{
    struct rlimit limit;

    return prlimit(target, RLIMIT_CORE, NULL, &limit);
}

static int act_scheduler(void)
{
    const struct sched_param param = {};

    return sched_setscheduler(target, SCHED_OTHER, &param);
}

static int act_nice(void)
{
    return setpriority(PRIO_PROCESS, (id_t)target, 0);
}

static int act_ioprio(void)
{
    return (int)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, target,
                        IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, IOPRIO_NORM));
}

// What a child does with what its parent has.
static int act_fork(void)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        _exit(act_open() < 0);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    // As a shell says it; a signal to itself would be one more act.
    if (WIFSIGNALED(status))
        _exit(128 + WTERMSIG(status));
    errno = EPERM;
    return WEXITSTATUS(status) == 0 ? 0 : -1;
}

static const struct {
    const char *name;
    int (*act)(void);
    void (*make)(void);
} acts[] = {
    {"open", act_open},
    {"exec", act_exec},
    {"kill", act_kill},
    {"socket", act_socket},
    {"setuid", act_setuid},
    {"setgid", act_setgid},
    {"capset", act_capset},
    {"chown", act_chown},
    {"fork", act_fork},
    {"trace", act_trace},
    {"unlink", act_unlink},
    {"rename", act_rename},
    {"mkdir", act_mkdir},
    {"rmdir", act_rmdir},
    {"mknod", act_mknod},
    {"symlink", act_symlink},
    {"setxattr", act_setxattr},
    {"removexattr", act_removexattr},
    {"acl", act_acl},
    {"no_acl", act_no_acl},
    {"connect", act_connect, make_stream},
    {"send", act_send, make_datagrams},
    {"ipc", act_ipc, make_queue},
    {"key", act_key, make_key},
    {"prlimit", act_prlimit},
    {"scheduler", act_scheduler},
    {"nice", act_nice},
    {"ioprio", act_ioprio},
};

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        err(2, "%s", path);
    (void)close(fd);
}

static void own_user_namespace(void)
{
    char map[64];
    unsigned uid = getuid();

    if (unshare(CLONE_NEWUSER) < 0)
        err(2, "unshare");
    (void)snprintf(map, sizeof(map), "0 %u 1", uid);
    put("/proc/self/uid_map", map);
}

int main(int argc, char **argv)
{
    char order[64];
    int fd;

    if (argc < 3 || argc > 4)
        errx(2, "usage: sg-victim WAY ACT [PID]");
    if (argc > 3)
        target = (pid_t)strtol(argv[3], NULL, 10);
    if (strcmp(argv[1], "user_ns") == 0)
        own_user_namespace();
    fd = open("/sys/module/tamper/parameters/do", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        err(2, "the module's parameter");
    for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
        if (strcmp(acts[i].name, argv[2]) != 0)
            continue;
        if (acts[i].make)
            acts[i].make();
        (void)snprintf(order, sizeof(order), "%d %s", getpid(), argv[1]);
        if (write(fd, order, strlen(order)) < 0)
            err(2, "%s", order);
        if (acts[i].act() == 0)
            return 0;
        warn("%s", argv[2]);
        return 1;
    }
    errx(2, "no act %s", argv[2]);
}
