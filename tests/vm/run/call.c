// SPDX-License-Identifier: Apache-2.0
//
// Makes one system call in many ways and prints what came of it: "ok", or the name of the error.
//
//   sg-call WAY CALL      CALL: getpriority, sethostname, personality, io_uring_setup, setuid, setgroups, clock_settime, connect, semop
//
// Ways: here; twice; thread (one of several); child (after a fork); exec (of this program once more); compat (by the
// entry for 32-bit programs); x32 (by the number for x32). Exit status 77: this processor or kernel has no such way.
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SKIP    77
#define X32_BIT 0x40000000L
#define TIMES   2

static const struct call {
    const char *name;
    long number, compat;
} calls[] = {
    {"getpriority", SYS_getpriority, 96},
    {"sethostname", SYS_sethostname, 74},
    {"personality", SYS_personality, 136},
    {"io_uring_setup", 425, 425},
    // By the number that only 32-bit programs have for it: setuid32, setgroups32, clock_settime64, socketcall, ipc.
    {"setuid", SYS_setuid, 213},
    {"setgroups", SYS_setgroups, 206},
    {"clock_settime", SYS_clock_settime, 404},
    {"connect", SYS_connect, 102},
    {"semop", SYS_semop, 117},
};

static void say(long result)
{
    if (result < 0)
        puts(strerrorname_np((int)-result));
    else
        puts("ok");
    (void)fflush(stdout);
}

// Arguments that do no harm: nothing is changed by a call that passes.
static long by_number(long number)
{
    long r = syscall(number, number == SYS_personality ? 0xffffffffL : 0, 0L, 0L);

    return r < 0 ? -errno : r;
}

#ifdef __x86_64__
static long by_int80(long number)
{
    long result, first = number == 136   ? 0xffffffffL
                         : number == 102 ? 3           // SYS_CONNECT
                         : number == 117 ? 1 | 1 << 16 // SEMOP, version 1
                                         : 0;

    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"(first), "c"(0), "d"(0)
                     : "r8", "r9", "r10", "r11", "memory");
    return (int)result;
}

static void no_entry(int signo)
{
    (void)signo;
    _exit(SKIP);
}
#endif

static void *in_thread(void *arg)
{
    say(by_number(*(const long *)arg));
    return NULL;
}

static void *waits(void *arg)
{
    (void)pthread_barrier_wait(arg);
    return NULL;
}

// While others live.
static int thread(long number)
{
    pthread_barrier_t barrier;
    pthread_t threads[3], one;

    pthread_barrier_init(&barrier, NULL, 4);
    for (int i = 0; i < 3; i++)
        if (pthread_create(&threads[i], NULL, waits, &barrier) != 0)
            return 1;
    if (pthread_create(&one, NULL, in_thread, &number) != 0 || pthread_join(one, NULL) != 0)
        return 1;
    (void)pthread_barrier_wait(&barrier);
    for (int i = 0; i < 3; i++)
        (void)pthread_join(threads[i], NULL);
    return 0;
}

static int child(long number)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        say(by_number(number));
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 1;
    if (WIFSIGNALED(status))
        printf("killed %d\n", WTERMSIG(status));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

static int run(const char *way, const struct call *call)
{
    if (!strcmp(way, "here")) {
        say(by_number(call->number));
    } else if (!strcmp(way, "twice")) {
        for (int i = 0; i < TIMES; i++)
            say(by_number(call->number));
    } else if (!strcmp(way, "thread")) {
        return thread(call->number);
    } else if (!strcmp(way, "child")) {
        return child(call->number);
    } else if (!strcmp(way, "exec")) {
        (void)execl("/proc/self/exe", "sg-call", "here", call->name, (char *)NULL);
        return 1;
#ifdef __x86_64__
    } else if (!strcmp(way, "compat")) {
        (void)sigaction(SIGSEGV, &(struct sigaction){.sa_handler = no_entry}, NULL);
        say(by_int80(call->compat));
    } else if (!strcmp(way, "x32")) {
        say(by_number(call->number | X32_BIT));
#endif
    } else {
        return SKIP;
    }
    return 0;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 3 && i < sizeof(calls) / sizeof(*calls); i++)
        if (!strcmp(argv[2], calls[i].name))
            return run(argv[1], &calls[i]);
    (void)fputs("sg-call WAY CALL\n", stderr);
    return 2;
}
