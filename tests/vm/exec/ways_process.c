// SPDX-License-Identifier: Apache-2.0
//
// Users, processes and threads that execute.
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "exec.h"

#define ARGV(...) ((char *const[]){__VA_ARGS__, NULL})

static void as_user(const struct run *r)
{
    MUST(r, setresgid(3000, 3000, 3000));
    MUST(r, setresuid(3000, 3000, 3000));
}

void way_setuid(const struct run *r)
{
    as_user(r);
    go(r, in_area(r, "setuid"), NULL, NULL);
}

void way_setgid(const struct run *r)
{
    as_user(r);
    go(r, in_area(r, "setgid"), NULL, NULL);
}

void way_file_caps(const struct run *r)
{
    const struct vfs_cap_data data = {
        .magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
        .data = {{.permitted = 1u << CAP_NET_BIND_SERVICE}},
    };

    MUST(r, setxattr(in_area(r, "caps"), "security.capability", &data, XATTR_CAPS_SZ_2, 0));
    as_user(r);
    go(r, in_area(r, "caps"), NULL, NULL);
}

void way_no_new_privs(const struct run *r)
{
    as_user(r);
    MUST(r, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    go(r, in_area(r, "setuid"), NULL, NULL);
}

void way_user_ns(const struct run *r)
{
    if (unshare(CLONE_NEWUSER) < 0)
        skip(r, "no user namespaces: %s", strerror(errno));
    go(r, r->target, NULL, NULL);
}

/* A program of 32 bits: exit(RAN). */
int elf32(const struct run *r, const char *path)
{
    static const unsigned char
        program[] =
            {
                0x7f, 'E',  'L', 'F',  1,    1, 1, 0,    0,    0,    0,    0,    0,
                0,    0,    0,                                                   /* ELFCLASS32 */
                2,    0,    3,   0,    1,    0, 0, 0,    0x54, 0x80, 0x04, 0x08, /* EXEC, 386, entry */
                0x34, 0,    0,   0,    0,    0, 0, 0,    0,    0,    0,    0,    0x34,
                0,    0x20, 0,   1,    0,    0, 0, 0,    0,    0,    0,    1,    0,
                0,    0,    0,   0,    0,    0, 0, 0x80, 0x04, 0x08, 0,    0x80, 0x04,
                0x08, /* LOAD */
                0x60, 0,    0,   0,    0x60, 0, 0, 0,    5,    0,    0,    0,    0,
                0x10, 0,    0,   0xb8, 1,    0, 0, 0,    0xbb, RAN,  0,    0,    0,
                0xcd, 0x80, /* mov eax, 1; mov ebx, RAN; int 0x80 */
            };
    int fd = (int)MUST(r, open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755));

    MUST(r, write(fd, program, sizeof(program)));
    return close(fd);
}

void way_compat(const struct run *r)
{
    MUST(r, elf32(r, in_area(r, "compat")));
    go(r, in_area(r, "compat"), NULL, NULL);
}

void way_compat_call(const struct run *r)
{
#ifdef __x86_64__
    struct low {
        uint32_t argv[3], envp[1];
        char path[300], a[8], b[8];
    } *low = mmap(NULL, sizeof(*low), PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    long result;

    if (low == MAP_FAILED)
        must(r, -1, "mmap");
    snprintf(low->path, sizeof(low->path), "%s", r->target);
    snprintf(low->a, sizeof(low->a), "a");
    snprintf(low->b, sizeof(low->b), "b c");
    low->argv[0] = (uint32_t)(uintptr_t)low->a;
    low->argv[1] = (uint32_t)(uintptr_t)low->b;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(11L), "b"(low->path), "c"(low->argv), "d"(low->envp)
                     : "memory", "r8", "r9", "r10", "r11");
    refused(r, (int)-result);
#else
    skip(r, "not on this processor");
#endif
}

/* What a child that executes comes to is what this one comes to. */
static _Noreturn void after(const struct run *r, pid_t pid)
{
    int status = 0;

    MUST(r, pid);
    r->told->pid = pid;
    MUST(r, waitpid(pid, &status, 0));
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 96);
}

void way_vfork(const struct run *r)
{
    pid_t pid = vfork();

    if (pid == 0) {
        execve(r->target, ARGV((char *)r->target), ARGV(NULL));
        r->told->error = errno;
        _exit(1);
    }
    after(r, pid);
}

void way_spawn(const struct run *r)
{
    pid_t pid = 0;
    int error = posix_spawn(&pid, r->target, NULL, NULL, ARGV((char *)r->target), ARGV(NULL));

    if (error) {
        /* The child is gone, and nobody says which it was. */
        r->told->pid = -getpid();
        refused(r, error);
    }
    after(r, pid);
}

void way_clone_cgroup(const struct run *r)
{
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
            set_tid_size, cgroup;
    } args = {.flags = 0x200000000ull /* CLONE_INTO_CGROUP */, .exit_signal = SIGCHLD};
    int fd;
    pid_t pid;

    (void)mkdir("/sys/fs/cgroup/sg-exec", 0755);
    fd = open("/sys/fs/cgroup/sg-exec", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        skip(r, "no control groups: %s", strerror(errno));
    args.cgroup = (uint64_t)fd;
    pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid < 0)
        skip(r, "clone3: %s", strerror(errno));
    if (pid == 0)
        go(r, r->target, NULL, NULL);
    after(r, pid);
}

static void *execute_by_name(void *arg)
{
    const struct run *r = arg;

    go(r, r->target, ARGV("by a thread"), NULL);
    return NULL;
}

static _Noreturn void by_thread(const struct run *r, void *(*fn)(void *), int n)
{
    pthread_t thread[8];

    for (int i = 0, error; i < n; i++) {
        // While one of them executes a program, the kernel makes no other one (fs/exec.c, check_unsafe_exec()).
        while ((error = pthread_create(&thread[i], NULL, fn, (void *)r)) == EAGAIN)
            (void)sched_yield();
        if (error)
            skip(r, "no threads: %s", strerror(error));
    }
    for (;;)
        pause();
}

void way_thread(const struct run *r)
{
    by_thread(r, execute_by_name, 1);
}

void way_threads(const struct run *r)
{
    by_thread(r, execute_by_name, 8);
}

static void *execute_script(void *arg)
{
    const struct run *r = arg;

    go(r, in_area(r, "script"), NULL, NULL);
    return NULL;
}

void way_thread_script(const struct run *r)
{
    (void)script(r, in_area(r, "script"), in_root(r, "bin/target"));
    by_thread(r, execute_script, 1);
}

void way_again(const struct run *r)
{
    char *const none[] = {NULL};

    write_file(r, in_area(r, "nothing"), 0755, "nothing that can be executed");
    execve(in_area(r, "nothing"), none, none);
    go(r, r->target, NULL, NULL);
}

void way_after_failure(const struct run *r)
{
    char *const none[] = {NULL};
    const char *path = in_root(r, "audit/nothing-free");

    write_file(r, path, 0755, "nothing that can be executed");
    execve(path, none, none);
    go(r, in_root(r, "bin/target"), NULL, NULL);
}

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

void way_namespaces(const struct run *r)
{
    pid_t pid;

    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS |
                CLONE_NEWIPC | CLONE_NEWCGROUP | CLONE_NEWTIME) < 0)
        skip(r, "not all kinds of namespaces: %s", strerror(errno));
    /* The new pid and time namespaces are its children's. */
    pid = (pid_t)MUST(r, fork());
    if (pid == 0) {
        tell_namespaces(r);
        go(r, r->target, NULL, NULL);
    }
    after(r, pid);
}

void way_pid_ns_of_children(const struct run *r)
{
    MUST(r, unshare(CLONE_NEWPID));
    tell_namespaces(r);
    go(r, r->target, NULL, NULL);
}

void way_ends_with_code(const struct run *r)
{
    go(r, r->target, ARGV("ends", "exit", "7"), NULL);
}

static _Noreturn void ends_by_signal(const struct run *r, rlim_t core)
{
    static const char pattern[] = "/tmp/sg-core";
    int fd = (int)MUST(r, open("/proc/sys/kernel/core_pattern", O_WRONLY | O_CLOEXEC));

    MUST(r, write(fd, pattern, sizeof(pattern) - 1));
    MUST(r, setrlimit(RLIMIT_CORE, &(struct rlimit){core, core}));
    go(r, r->target, ARGV("ends", "signal", "11"), NULL);
}

void way_ends_by_signal(const struct run *r)
{
    ends_by_signal(r, 0);
}

void way_ends_with_core(const struct run *r)
{
    ends_by_signal(r, RLIM_INFINITY);
}
