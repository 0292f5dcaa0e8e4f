// SPDX-License-Identifier: Apache-2.0
#include "random.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macro.h"

#define CGROUPS "/sys/fs/cgroup"
#define SSHD    "/usr/sbin/sshd"
#define CHAIN   4

static const char *const cgroups[] = {"", "/r1", "/r1/sub", "/r2", "/other"};

// Who there is. The first program of a chain is the oldest ancestor.
static const struct spec {
    const char *what;
    const char *chain[CHAIN];
    uid_t uid;
    gid_t groups[3]; // the first is the effective one
    int login;       // -1: none
    bool weak;       // without some capabilities
    bool contained;  // in a pid namespace of its own
    unsigned cgroup;
} specs[HANDS] = {
    {"root, one", {EXES "/one"}, 0, {0, 0, 0}, -1, false, false, 0},
    {"root, two of one", {EXES "/one", EXES "/two"}, 0, {0, 7, 7}, -1, false, false, 1},
    {"alice, one", {EXES "/one"}, 1000, {1000, 50, 50}, -1, false, false, 0},
    {"alice, sub/three of two",
     {EXES "/two", EXES "/sub/three"},
     1000,
     {1000, 7, 50},
     1000,
     false,
     false,
     2},
    {"bob, two", {EXES "/two"}, 1001, {1001, 7, 7}, 0, false, false, 3},
    {"root, one of sshd", {SSHD, EXES "/one"}, 0, {0, 50, 50}, -1, false, false, 0},
    {"root, two in a container", {EXES "/two"}, 0, {0, 0, 0}, -1, false, true, 2},
    {"root, one without capabilities", {EXES "/one"}, 0, {0, 0, 0}, 0, true, false, 3},
    {"root, sub/three of one of two",
     {EXES "/two", EXES "/one", EXES "/sub/three"},
     0,
     {0, 1000, 7},
     1000,
     false,
     false,
     4},
    {"alice, sub/three of sshd of one",
     {EXES "/one", SSHD, EXES "/sub/three"},
     1000,
     {50, 50, 1000},
     1000,
     false,
     false,
     1},
};

static int write_text(const char *path, const char *text)
{
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd < 0 ? -errno : write_all(fd, text, strlen(text));
}

static int copy_program(const char *to)
{
    char buf[65536];
    _cleanup_close_ int in = open("/opt/safeguard/bin/sg-hand", O_RDONLY | O_CLOEXEC), out = -1;
    ssize_t n;

    (void)unlink(to);
    out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    if (in < 0 || out < 0)
        return -errno;
    while ((n = read(in, buf, sizeof(buf))) > 0)
        if (write_all(out, buf, (size_t)n) < 0)
            return -EIO;
    return n < 0 ? -errno : 0;
}

static int prepare(void)
{
    static const char *const programs[] = {EXES "/one", EXES "/two", EXES "/sub/three", SSHD};
    int r = 0;

    if (mkdir_p(AT_FDCWD, EXES "/sub", 0755) < 0)
        return -errno;
    for (size_t i = 0; i < ARRAY_SIZE(programs) && r >= 0; i++)
        r = copy_program(programs[i]);
    for (size_t i = 1; i < ARRAY_SIZE(cgroups) && r >= 0; i++) {
        char path[128];

        (void)snprintf(path, sizeof(path), CGROUPS "%s", cgroups[i]);
        r = mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
    }
    // What these forbid is no policy's business.
    (void)write_text("/proc/sys/fs/protected_hardlinks", "0");
    (void)write_text("/proc/sys/fs/protected_fifos", "0");
    (void)write_text("/proc/sys/fs/protected_regular", "0");
    return r;
}

static int join_cgroup(int pid, unsigned cgroup)
{
    char path[128], text[16];

    (void)snprintf(path, sizeof(path), CGROUPS "%s/cgroup.procs", cgroups[cgroup]);
    (void)snprintf(text, sizeof(text), "%d", pid);
    return write_text(path, text);
}

static int become(const struct spec *s)
{
    char login[16];
    int r = join_cgroup(getpid(), s->cgroup);

    if (r == 0 && s->login >= 0) {
        (void)snprintf(login, sizeof(login), "%d", s->login);
        r = write_text("/proc/self/loginuid", login);
    }
    if (r == 0 && s->weak &&
        (prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN) < 0 || prctl(PR_CAPBSET_DROP, CAP_NET_RAW) < 0))
        r = -errno;
    if (r == 0 && (setgroups(ARRAY_SIZE(s->groups), s->groups) < 0 || setgid(s->groups[0]) < 0 ||
                   setuid(s->uid) < 0))
        r = -errno;
    return r;
}

static void start_child(const struct spec *s, int fd)
{
    char *argv[CHAIN + 1] = {NULL};

    for (size_t i = 0; i < CHAIN && s->chain[i]; i++)
        argv[i] = (char *)(uintptr_t)s->chain[i];
    if (dup2(fd, HAND_FD) < 0)
        _exit(126);
    if (s->contained) {
        int status;
        pid_t pid = unshare(CLONE_NEWPID) < 0 ? -1 : fork();

        if (pid != 0) {
            (void)close(HAND_FD);
            (void)waitpid(pid, &status, 0);
            _exit(0);
        }
    }
    if (become(s) < 0)
        _exit(125);
    (void)execv(argv[0], argv);
    _exit(127);
}

// The last of the descendants.
static int leaf_of(int pid)
{
    char path[64];

    for (;;) {
        _cleanup_fclose_ FILE *f = NULL;
        int child;

        (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
        f = fopen(path, "re");
        if (!f)
            return -errno;
        if (fscanf(f, "%d", &child) != 1) // NOLINT(cert-err34-c): the kernel wrote it
            return pid;
        pid = child;
    }
}

int hand_refresh(struct hand *h)
{
    const struct case_facts *own = &h->own;
    struct case_facts *fresh = &h->fresh;
    int r;

    case_done(&h->own);
    case_done(&h->fresh);
    r = case_from_process("/proc", (uint32_t)h->pid, &h->own);
    r = r < 0 ? r : case_set_exe(fresh, own->exe);
    r = r < 0 ? r : case_set_cgroup(fresh, own->cgroup);
    r = r < 0 ? r : case_add_ancestor(fresh, own->exe);
    for (size_t i = 0; i < own->n_ancestors && r == 0; i++)
        r = case_add_ancestor(fresh, own->ancestors[i]);
    fresh->ancestor_uids[0] = own->uid;
    for (size_t i = 1; i < fresh->n_ancestors; i++)
        fresh->ancestor_uids[i] = own->ancestor_uids[i - 1];
    fresh->uid = own->uid;
    fresh->login_uid = own->login_uid;
    memcpy(fresh->gids, own->gids, sizeof(fresh->gids));
    fresh->n_gids = own->n_gids;
    fresh->caps = own->caps;
    fresh->session = own->session;
    fresh->container = own->container;
    h->owner = own->uid == 0;
    return r;
}

int hand_move(struct hand *h, struct chance *c)
{
    int r = join_cgroup(h->pid, chance_below(c, ARRAY_SIZE(cgroups)));

    return r < 0 ? r : hand_refresh(h);
}

int hand_do(const struct hand *h, const struct hand_order *o, struct hand_answer *ret)
{
    if (write(h->fd, o, sizeof(*o)) != sizeof(*o))
        return -EPIPE;
    return read(h->fd, ret, sizeof(*ret)) == sizeof(*ret) ? 0 : -EPIPE;
}

static int start_one(struct hand *h, const struct spec *s)
{
    const struct hand_order hello = {.act = ACT_COUNT};
    struct hand_answer answer;
    int fds[2], r;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    *h = (struct hand){.fd = fds[0], .what = s->what};
    case_init(&h->own);
    case_init(&h->fresh);
    h->pid = fork();
    if (h->pid == 0)
        start_child(s, fds[1]);
    (void)close(fds[1]);
    r = h->pid < 0 ? -errno : hand_do(h, &hello, &answer);
    if (r == 0) {
        h->pid = leaf_of(h->pid);
        r = h->pid < 0 ? h->pid : hand_refresh(h);
    }
    return r;
}

int hands_start(struct hand hands[HANDS])
{
    int r = prepare();

    for (size_t i = 0; i < HANDS && r >= 0; i++) {
        r = start_one(&hands[i], &specs[i]);
        if (r < 0)
            fprintf(stderr, "sg-random: hand '%s': %s\n", specs[i].what, strerror(-r));
    }
    return r;
}

void hands_stop(struct hand hands[HANDS])
{
    for (size_t i = 0; i < HANDS; i++) {
        // Others have copies of the descriptor: closing it would end nobody.
        (void)shutdown(hands[i].fd, SHUT_RDWR);
        hands[i].fd = safe_close(hands[i].fd);
        case_done(&hands[i].own);
        case_done(&hands[i].fresh);
    }
    while (wait(NULL) > 0)
        ;
}
