// SPDX-License-Identifier: Apache-2.0
/* Executing a protected file, or making the kernel open one on the way to executing another. */
#include "attack.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A program that ran ends with EXIT_EXECUTED, which the runner takes for "passed". */
static _noreturn_ void execute(struct attack *a, int dir, const char *path, int flags)
{
    char *argv[] = {(char *)path, NULL}, *envp[] = {NULL};
    char dummy[256];

    if (elf_tiny(NULL, dummy, sizeof(dummy)) < 0)
        attack_skip(a, "no program for this processor");
    GUARD(a, syscall(SYS_execveat, dir, path, argv, envp, flags));
    attack_failed(a, "execveat came back");
}

int reach_execve(struct attack *a, _unused_ int flags)
{
    char *argv[] = {(char *)a->target, NULL}, *envp[] = {NULL};
    char dummy[256];

    if (elf_tiny(NULL, dummy, sizeof(dummy)) < 0)
        attack_skip(a, "no program for this processor");
    GUARD(a, execve(a->target, argv, envp));
    return -1;
}

int reach_execve_cold(struct attack *a, int flags)
{
    if (!drop_caches())
        attack_skip(a, "caches cannot be dropped");
    return reach_execve(a, flags);
}

int reach_execveat_dirfd(struct attack *a, _unused_ int flags)
{
    int dir = (int)MUST(a, open(parent_of(a->target), O_PATH | O_DIRECTORY));

    execute(a, dir, leaf_of(a->target), 0);
}

int reach_execveat_path_fd(struct attack *a, _unused_ int flags)
{
    int fd = (int)MUST(a, open(a->target, O_PATH));

    execute(a, fd, "", AT_EMPTY_PATH);
}

int reach_exec_proc_fd(struct attack *a, _unused_ int flags)
{
    int fd = (int)MUST(a, open(a->target, O_PATH));

    execute(a, AT_FDCWD, fmt("/proc/self/fd/%d", fd), 0);
}

int reach_exec_symlink(struct attack *a, _unused_ int flags)
{
    char *l = in_tmp(a, "link");

    MUST(a, symlink(a->target, l));
    execute(a, AT_FDCWD, l, 0);
}

int reach_exec_bind(struct attack *a, _unused_ int flags)
{
    char *at = in_tmp(a, "mnt");

    write_text(a, at, "");
    GUARD(a, mount(a->target, at, NULL, MS_BIND, NULL));
    execute(a, AT_FDCWD, at, 0);
}

/* An unprotected script whose interpreter is the object. */
int reach_exec_interpreter(struct attack *a, _unused_ int flags)
{
    execute(a, AT_FDCWD, in_root(a, "open/script-interp"), 0);
}

/* An unprotected program whose ELF interpreter (its ld.so) is the object. */
int reach_exec_elf_interpreter(struct attack *a, _unused_ int flags)
{
    execute(a, AT_FDCWD, in_root(a, "open/elf-interp"), 0);
}

static void undo_binfmt(_unused_ struct attack *a, const char *entry, _unused_ int fd)
{
    int f = open(entry, O_WRONLY | O_CLOEXEC);

    if (f >= 0 && write(f, "-1", 2) == 2)
        close(f);
}

static _noreturn_ void binfmt(struct attack *a, const char *kind)
{
    char *at = in_tmp(a, "mnt"), *magic = in_tmp(a, "magic"), *row, *path;
    char *argv[] = {magic, NULL}, *envp[] = {NULL};
    int status, fd;
    pid_t pid;

    MUST(a, mkdir(at, 0755));
    attack_step(a, "mount binfmt_misc");
    if (mount("binfmt_misc", at, "binfmt_misc", 0, NULL) < 0)
        attack_skip(a, "no binfmt_misc here: %s", strerrorname_np(errno));
    path = fmt("%s/register", at);
    row = fmt(":sgattack%s:M::SGATTACKMAGIC::%s:%s", kind, a->target, kind);
    fd = (int)MUST(a, open(path, O_WRONLY | O_CLOEXEC));
    GUARD(a, write(fd, row, strlen(row)));
    attack_defer(a, undo_binfmt, fmt("%s/sgattack%s", at, kind), -1);
    write_text(a, magic, "SGATTACKMAGIC");
    MUST(a, chmod(magic, 0755));
    pid = fork_helper();
    if (pid == 0) {
        GUARD(a, execve(magic, argv, envp));
        _exit(1);
    }
    MUST(a, waitpid(pid, &status, 0));
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_EXECUTED)
        attack_passed(a, "the program ran");
    if (a->out->verdict == VERDICT_NONE)
        attack_failed(a, "the interpreter did not run");
    attack_finish(a, (enum verdict)a->out->verdict, a->out->err, a->out->detail);
}

int reach_binfmt(struct attack *a, _unused_ int flags)
{
    binfmt(a, "");
}

/* F: the interpreter is opened when it is registered, and later executed by that file. */
int reach_binfmt_fixed(struct attack *a, _unused_ int flags)
{
    binfmt(a, "F");
}
