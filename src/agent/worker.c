// SPDX-License-Identifier: Apache-2.0
#include "agent/worker.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "base/thread.h"

#define JOIN_SEC 2

struct worker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *waiting, *finished; // oldest first
    size_t n, max;
    atomic_bool stopping;
    bool started, stopped, background;
    int event_fd;
    struct loop_source *source;
};

static void append(struct job **list, struct job *job)
{
    job->next = NULL;
    while (*list)
        list = &(*list)->next;
    *list = job;
}

static struct job *pop(struct job **list)
{
    struct job *job = *list;

    if (job)
        *list = job->next;
    return job;
}

// Failing to become modest is no reason not to work.
static void give_way(void)
{
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), 10);
    (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
}

static void *run(void *arg)
{
    struct worker *w = arg;
    struct job *job;

    if (w->background)
        give_way();
    (void)pthread_mutex_lock(&w->lock);
    for (;;) {
        while (!w->waiting && !w->stopping)
            (void)pthread_cond_wait(&w->wake, &w->lock);
        if (w->stopping)
            break;
        job = pop(&w->waiting);
        (void)pthread_mutex_unlock(&w->lock);
        job->run(job, w);
        (void)pthread_mutex_lock(&w->lock);
        append(&w->finished, job);
        (void)eventfd_write(w->event_fd, 1);
    }
    (void)pthread_mutex_unlock(&w->lock);
    return NULL;
}

// Hands back what is finished.
static int on_event(void *ctx, int fd, uint32_t events _unused_)
{
    struct worker *w = ctx;
    struct job *finished;
    eventfd_t value;

    (void)eventfd_read(fd, &value);
    (void)pthread_mutex_lock(&w->lock);
    finished = TAKE_PTR(w->finished);
    (void)pthread_mutex_unlock(&w->lock);
    while (finished) {
        struct job *job = pop(&finished);

        w->n--;
        job->done(job, true);
    }
    return 0;
}

int worker_new(struct loop *loop, const char *name, size_t max_jobs, bool background,
               struct worker **ret_worker)
{
    _cleanup_(worker_freep) struct worker *w = new0(struct worker, 1);
    int r;

    if (!w)
        return -ENOMEM;
    w->max = max_jobs;
    w->background = background;
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->wake, NULL);
    w->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->event_fd < 0)
        return negative_errno();
    r = loop_add_fd(loop, w->event_fd, EPOLLIN, on_event, w, &w->source);
    r = r < 0 ? r : thread_start(&w->thread, name, 0, run, w);
    w->started = r == 0;
    if (r < 0)
        return r;
    *ret_worker = TAKE_PTR(w);
    return 0;
}

static void take_back(struct job *list, bool ran)
{
    while (list) {
        struct job *job = pop(&list);

        job->done(job, ran);
    }
}

bool worker_stop(struct worker *w)
{
    struct timespec until;

    if (!w || w->stopped)
        return true;
    (void)pthread_mutex_lock(&w->lock);
    w->stopping = true;
    (void)pthread_cond_signal(&w->wake);
    (void)pthread_mutex_unlock(&w->lock);
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += JOIN_SEC;
    w->stopped = !w->started || pthread_timedjoin_np(w->thread, NULL, &until) == 0;
    return w->stopped;
}

struct worker *worker_free(struct worker *w)
{
    if (!w)
        return NULL;
    w->source = loop_source_free(w->source);
    if (!worker_stop(w)) {
        (void)pthread_detach(w->thread);
        return NULL;
    }
    take_back(TAKE_PTR(w->finished), true);
    take_back(TAKE_PTR(w->waiting), false);
    (void)safe_close(w->event_fd);
    (void)pthread_cond_destroy(&w->wake);
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
    return NULL;
}

int worker_submit(struct worker *w, struct job *job)
{
    if (w->n >= w->max)
        return -EBUSY;
    w->n++;
    (void)pthread_mutex_lock(&w->lock);
    append(&w->waiting, job);
    (void)pthread_cond_signal(&w->wake);
    (void)pthread_mutex_unlock(&w->lock);
    return 0;
}

bool worker_stopping(const struct worker *w)
{
    return w->stopping;
}
