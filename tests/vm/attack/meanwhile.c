// SPDX-License-Identifier: Apache-2.0
/*
 * A file that gets a further name while it is moved under a rule. The kernel asks about both before it locks the file, so
 * whoever holds that lock has either of them wait behind its question: a write does, whose bytes are not there yet.
 */
#include "attack.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE    4096
#define WAIT_MS 2000

/* Where the kernel waits for a file's lock; newer ones leave what takes locks out of the list of callers. */
static const char *const waiting[] = {"rwsem_down_write_slowpath+", "vfs_link+", "vfs_rename+",
                                      "lock_two_nondirectories+"};

struct meanwhile {
    struct attack *a;
    const char *mine, *other; /* the file, and the further name that it gets */
    char *page;               /* what is written */
    int uffd, fd;
    pid_t linker;
    long linked; /* what link() returned; -errno */
    pthread_t writing, linking;
};

static void *write_page(void *ctx)
{
    struct meanwhile *m = ctx;

    return pwrite(m->fd, m->page, strlen(m->a->want), 0) < 0 ? m : NULL;
}

static void *make_link(void *ctx)
{
    struct meanwhile *m = ctx;

    __atomic_store_n(&m->linker, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
    m->linked = link(m->mine, m->other) < 0 ? -errno : 0;
    return NULL;
}

static bool is_waiting(pid_t tid)
{
    char *path = fmt("/proc/%d/stack", (int)tid), text[256] = "", *inner;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool found = false;

    if (fd >= 0) {
        if (read(fd, text, sizeof(text) - 1) < 0)
            text[0] = 0;
        close(fd);
    }
    free(path);
    inner = strchr(text, ' ');
    for (size_t i = 0; inner && i < ARRAY_LEN(waiting); i++)
        found |= strncmp(inner + 1, waiting[i], strlen(waiting[i])) == 0;
    return found;
}

/* Nothing tells when a thread begins to wait for a lock. */
static void await_waiting(struct attack *a, const pid_t *tid, const char *who)
{
    for (int i = 0; i < WAIT_MS; i++) {
        pid_t t = __atomic_load_n(tid, __ATOMIC_ACQUIRE);

        if (t > 0 && is_waiting(t))
            return;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    attack_step(a, who);
    attack_failed(a, "it does not wait for the lock of the file");
}

/* From here on the file is locked. */
static void lock_file(struct meanwhile *m)
{
    struct uffdio_api api = {.api = UFFD_API};
    struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MISSING};
    struct attack *a = m->a;
    struct uffd_msg event;

    m->uffd = (int)HAVE(a, syscall(SYS_userfaultfd, O_CLOEXEC));
    MUST(a, ioctl(m->uffd, UFFDIO_API, &api));
    m->page = (char *)MUST(a, mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                                   -1, 0));
    range.range.start = (unsigned long)m->page;
    range.range.len = PAGE;
    MUST(a, ioctl(m->uffd, UFFDIO_REGISTER, &range));
    m->fd = (int)MUST(a, open(m->mine, O_WRONLY | O_CLOEXEC));
    if (pthread_create(&m->writing, NULL, write_page, m) != 0)
        attack_failed(a, "no thread");
    MUST(a, read(m->uffd, &event, sizeof(event)));
    if (event.event != UFFD_EVENT_PAGEFAULT)
        attack_failed(a, "not the write's page");
}

static void unlock_file(struct meanwhile *m)
{
    char bytes[PAGE] = "";
    struct uffdio_copy copy = {.dst = (unsigned long)m->page,
                               .src = (unsigned long)bytes,
                               .len = PAGE};
    void *failed;

    snprintf(bytes, sizeof(bytes), "%s", m->a->want);
    MUST(m->a, ioctl(m->uffd, UFFDIO_COPY, &copy));
    if (pthread_join(m->writing, &failed) != 0 || failed)
        attack_failed(m->a, "the write failed");
}

static void start_link(struct meanwhile *m)
{
    if (pthread_create(&m->linking, NULL, make_link, m) != 0)
        attack_failed(m->a, "no thread");
    await_waiting(m->a, &m->linker, "link");
}

static pid_t start_rename(struct meanwhile *m)
{
    pid_t pid = exempt_start(m->a, "x-rename", m->mine, m->a->target);

    await_waiting(m->a, &pid, "rename by the exempt program");
    return pid;
}

/* Both names are there in the end: the protected one and the free one, by which the file is opened. */
static int reach_meanwhile(struct attack *a, int flags, bool link_first)
{
    char *mine = in_tmp(a, "mine"), *dir = in_tmp(a, "dir"), *other = in_tmp(a, "dir/other");
    struct meanwhile m = {.a = a, .mine = mine, .other = other};
    pid_t renamer;

    MUST(a, mkdir(dir, 0755));
    write_text(a, mine, fmt("%s\n", a->want));
    attack_defer(a, exempt_remove, a->target, -1);
    lock_file(&m);
    if (link_first)
        start_link(&m);
    renamer = start_rename(&m);
    if (!link_first)
        start_link(&m);
    unlock_file(&m);
    exempt_wait(a, "x-rename", renamer);
    if (pthread_join(m.linking, NULL) != 0)
        attack_failed(a, "no thread");
    errno = (int)-m.linked;
    GUARD(a, m.linked < 0 ? -1 : 0);
    return (int)GUARD(a, open(other, flags, 0600));
}

int reach_late_linked_then_moved(struct attack *a, int flags)
{
    return reach_meanwhile(a, flags, true);
}

int reach_late_moved_then_linked(struct attack *a, int flags)
{
    return reach_meanwhile(a, flags, false);
}
