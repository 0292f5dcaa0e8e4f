// SPDX-License-Identifier: Apache-2.0
/* Commands run by tasks that ordinary tools do not make. */
#include "do.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t start(char **words)
{
    pid_t pid = fork();

    if (pid == 0) {
        execvp(words[0], words);
        _exit(FAILED);
    }
    return pid;
}

/* Waits for all that comes of a command, orphans too, in whatever order they end; the status of one that failed. */
int reap(char **words)
{
    int status = 0, worst = DONE;

    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || start(words) < 0)
        return do_failed("a child");
    while (wait(&status) > 0)
        if (status)
            worst = WIFEXITED(status) ? WEXITSTATUS(status) : FAILED;
    return errno == ECHILD ? worst : do_failed("wait");
}

static void *execute(void *words)
{
    execvp(*(char **)words, words);
    _exit(do_failed("exec"));
}

/* In a child that is told by a signal when its parent is gone. */
static int as_orphan(char **words, int ready)
{
    sigset_t gone;
    pthread_t thread;
    int number;

    sigemptyset(&gone);
    sigaddset(&gone, SIGUSR1);
    if (sigprocmask(SIG_BLOCK, &gone, NULL) < 0 || prctl(PR_SET_PDEATHSIG, SIGUSR1) < 0 ||
        write(ready, "", 1) != 1 || sigwait(&gone, &number) != 0)
        return do_failed("an orphan");
    errno = pthread_create(&thread, NULL, execute, words);
    if (errno)
        return do_failed("a thread");
    for (;;)
        pause();
}

/* A command executed by the second thread of a process whose parent is gone. */
int orphan_thread(char **words)
{
    int ready[2];
    pid_t pid;
    char byte;

    if (pipe(ready) < 0)
        return do_failed("pipe");
    pid = fork();
    if (pid == 0)
        _exit(as_orphan(words, ready[1]));
    close(ready[1]);
    return pid > 0 && read(ready[0], &byte, 1) == 1 ? DONE : do_failed("fork");
}
