// SPDX-License-Identifier: Apache-2.0
//
// The packages of Fedora, openEuler and their relatives, as rpm(8) lists them: its database has had four formats, and the one
// who reads them all is rpm. It runs as a process of its own, so that what parses a damaged database is not the agent.
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strbuf.h"
#include "files/packages.h"

#define ANSWER_MAX ((size_t)128 << 20) // a desktop with everything has 30 MB
#define ANSWER_NS  (UINT64_C(120) * NS_PER_SEC)
#define READ_BYTES ((size_t)64 << 10)

// SQLite's changes stand in a journal beside the database until somebody puts them into it.
static void add_journal(const char *path, struct stat *st)
{
    char journal[PATH_MAX];
    struct stat more;

    if (snprintf(journal, sizeof(journal), "%s-wal", path) >= (int)sizeof(journal) ||
        stat(journal, &more) < 0)
        return;
    st->st_size += more.st_size;
    st->st_mtim = more.st_mtim;
}

bool packages_rpm_database(const char *root, char *ret_dir, size_t size, struct stat *ret_st)
{
    static const char *const dirs[] = {"/usr/lib/sysimage/rpm", "/var/lib/rpm"};
    static const char *const names[] = {"rpmdb.sqlite", "Packages.db", "Packages"};

    for (size_t i = 0; i < ARRAY_SIZE(dirs) * ARRAY_SIZE(names); i++) {
        const char *dir = dirs[i / ARRAY_SIZE(names)];
        char path[PATH_MAX];

        if (snprintf(path, sizeof(path), "%s%s/%s", root, dir, names[i % ARRAY_SIZE(names)]) >=
                (int)sizeof(path) ||
            stat(path, ret_st) < 0 || !S_ISREG(ret_st->st_mode))
            continue;
        add_journal(path, ret_st);
        return snprintf(ret_dir, size, "%s%s", root, dir) < (int)size;
    }
    return false;
}

static int add_one(struct packages *p, const char *text, const char *end)
{
    const char *version = memchr(text, '\n', (size_t)(end - text)), *list;
    int r;

    if (!version)
        return 0;
    version++;
    list = memchr(version, '\n', (size_t)(end - version));
    if (!list || version == list || memchr(text, '\0', (size_t)(list - text)))
        return 0;
    r = packages_add_version_list(p, (struct bytes){text, (uint32_t)(version - 1 - text)},
                                  (struct bytes){version, (uint32_t)(list - version)}, list + 1,
                                  (size_t)(end - list - 1));
    return r == -ENOMEM ? r : 0;
}

int packages_add_rpm(struct packages *p, const char *text, size_t len)
{
    const char *at = text, *end = text + len;
    int r = 0;

    while (r == 0 && at < end) {
        const char *next;

        if (*at == '\n') {
            at++;
            continue;
        }
        next = memmem(at, (size_t)(end - at), "\n\n", 2);
        next = next ? next + 1 : end;
        r = add_one(p, at, next);
        at = next;
    }
    return r;
}

static int spawn(const char *database, int out, pid_t *ret_pid)
{
    char dbpath[PATH_MAX];
    const char *const argv[] = {
        "rpm",
        "--dbpath",
        dbpath,
        "--query",
        "--all",
        "--nosignature",
        "--nodigest",
        "--queryformat",
        "\\n%{NAME}\\n%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\\n[%{FILENAMES}\\n]",
        NULL,
    };
    static const char *const envp[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", "HOME=/", NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    int r;

    if (!realpath(database, dbpath)) // rpm wants it from the root on
        return -errno;
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    r = posix_spawn_file_actions_init(&files);
    if (r != 0)
        return -r;
    r = posix_spawnattr_init(&attr);
    if (r != 0) {
        (void)posix_spawn_file_actions_destroy(&files);
        return -r;
    }
    r = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    r = r ? r : posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    r = r ? r : posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    r = r ? r : posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    r = r ? r : posix_spawnattr_setsigmask(&attr, &none);
    r = r ? r : posix_spawnattr_setsigdefault(&attr, &all);
    r = r ? r
          : posix_spawn(ret_pid, "/usr/bin/rpm", &files, &attr, (char *const *)(uintptr_t)argv,
                        (char *const *)(uintptr_t)envp);
    (void)posix_spawnattr_destroy(&attr);
    (void)posix_spawn_file_actions_destroy(&files);
    return -r;
}

// -ETIMEDOUT, -EFBIG, -ENOMEM.
static int read_answer(int fd, struct strbuf *ret)
{
    const uint64_t end = now_ns(CLOCK_MONOTONIC) + ANSWER_NS;
    _cleanup_free_ char *buf = malloc(READ_BYTES);

    if (!buf)
        return -ENOMEM;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        uint64_t now = now_ns(CLOCK_MONOTONIC);
        ssize_t n;

        if (now >= end || poll(&p, 1, (int)((end - now) / NS_PER_MS) + 1) == 0)
            return -ETIMEDOUT;
        n = read(fd, buf, READ_BYTES);
        if (n == 0)
            return ret->failed ? -ENOMEM : 0;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0 && ret->len + (size_t)n > ANSWER_MAX)
            return -EFBIG;
        if (n > 0)
            sb_add(ret, buf, (size_t)n);
    }
}

static int ask_rpm(const char *database, struct strbuf *ret)
{
    _cleanup_close_ int in = -1, out = -1;
    int pipes[2], status, r;
    pid_t pid;

    if (pipe2(pipes, O_CLOEXEC) < 0)
        return -errno;
    in = pipes[0];
    out = pipes[1];
    r = spawn(database, out, &pid);
    if (r < 0)
        return r;
    out = safe_close(out);
    r = read_answer(in, ret);
    if (r < 0)
        (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return r < 0 ? r : -errno;
    if (r < 0)
        return r;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

int packages_read_rpm(const char *database, const char *root, struct packages **ret_packages)
{
    _cleanup_(packages_freep) struct packages *p = NULL;
    _cleanup_(sb_done) struct strbuf answer = {};
    int r;

    r = packages_new(&p);
    r = r < 0 ? r : packages_read_links(p, root);
    r = r < 0 ? r : ask_rpm(database, &answer);
    r = r < 0 ? r : packages_add_rpm(p, answer.s, answer.len);
    r = r < 0 ? r : packages_finish(p);
    if (r < 0)
        return r;
    *ret_packages = TAKE_PTR(p);
    return 0;
}
