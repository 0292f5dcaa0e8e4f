// SPDX-License-Identifier: Apache-2.0
/* How a way ends, and the small things that every way uses. */
#include "attack.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

void attack_step(struct attack *a, const char *step)
{
    snprintf(a->out->step, sizeof(a->out->step), "%s", step);
}

void attack_finish(struct attack *a, enum verdict v, int err, const char *detail)
{
    a->out->err = err;
    if (a->out->pid == 0)
        a->out->pid = getpid();
    snprintf(a->out->detail, sizeof(a->out->detail), "%s", detail ? detail : "");
    a->out->verdict = v;
    while (a->n_deferred > 0) {
        a->n_deferred--;
        a->deferred[a->n_deferred].fn(a, a->deferred[a->n_deferred].what,
                                      a->deferred[a->n_deferred].fd);
    }
    _exit(0);
}

void attack_passed(struct attack *a, const char *detail)
{
    attack_finish(a, VERDICT_PASSED, 0, detail);
}

void attack_claimed(struct attack *a)
{
    attack_finish(a, VERDICT_CLAIMED, 0, NULL);
}

void attack_failed(struct attack *a, const char *detail)
{
    attack_finish(a, VERDICT_ERROR, 0, detail);
}

void attack_withheld(struct attack *a, const char *detail)
{
    attack_finish(a, VERDICT_DENIED, 0, detail);
}

void attack_skip(struct attack *a, const char *format, ...)
{
    char buf[sizeof(a->out->detail)];
    va_list ap;

    va_start(ap, format);
    vsnprintf(buf, sizeof(buf), format, ap);
    va_end(ap);
    attack_finish(a, VERDICT_SKIPPED, 0, buf);
}

static bool is_denial(int err)
{
    return err == EPERM || err == EACCES;
}

static bool is_absence(int err)
{
    return err == ENOSYS || err == EOPNOTSUPP || err == ENOTTY || err == EINVAL;
}

long attack_guarded(struct attack *a, long rc)
{
    if (rc >= 0)
        return rc;
    attack_finish(a, is_denial(errno) ? VERDICT_DENIED : VERDICT_ERROR, errno, NULL);
}

long attack_needed(struct attack *a, long rc)
{
    if (rc >= 0)
        return rc;
    attack_finish(a, VERDICT_ERROR, errno, "a step of the preparation failed");
}

long attack_available(struct attack *a, long rc)
{
    if (rc >= 0)
        return rc;
    if (is_absence(errno))
        attack_skip(a, "not on this kernel or file system: %s", strerrorname_np(errno));
    attack_finish(a, VERDICT_ERROR, errno, "a step of the preparation failed");
}

long attack_guarded_or_skip(struct attack *a, long rc)
{
    if (rc < 0 && is_denial(errno))
        attack_finish(a, VERDICT_DENIED, errno, NULL);
    return attack_available(a, rc);
}

void attack_defer(struct attack *a, undo_fn fn, const char *what, int fd)
{
    if (a->n_deferred == ARRAY_LEN(a->deferred))
        attack_failed(a, "too many things to undo");
    a->deferred[a->n_deferred].fn = fn;
    a->deferred[a->n_deferred].what = what;
    a->deferred[a->n_deferred].fd = fd;
    a->n_deferred++;
}

bool attack_holds_mark(const struct attack *a, const void *buf, size_t n)
{
    return memmem(buf, n, a->want, strlen(a->want)) != NULL;
}

void attack_got(struct attack *a, const void *buf, size_t n)
{
    if (attack_holds_mark(a, buf, n))
        attack_passed(a, "the content was read");
    attack_failed(a, "reading worked, but the content is not the object's");
}

char *fmt(const char *format, ...)
{
    va_list ap;
    char *s;
    int r;

    va_start(ap, format);
    r = vasprintf(&s, format, ap);
    va_end(ap);
    if (r < 0)
        abort();
    return s;
}

char *in_root(const struct attack *a, const char *rel)
{
    return fmt("%s/%s", a->root, rel);
}

char *in_tmp(const struct attack *a, const char *rel)
{
    return fmt("%s/%s", a->tmp, rel);
}

char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash || slash == path)
        return fmt("/");
    return fmt("%.*s", (int)(slash - path), path);
}

const char *leaf_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

int tmp_file(struct attack *a, const char *name)
{
    return (int)MUST(a, open(in_tmp(a, name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
}

int control_file(struct attack *a, const char *name, size_t size)
{
    int fd = tmp_file(a, name);
    char *buf = calloc(1, size);

    if (!buf)
        attack_failed(a, "out of memory");
    memset(buf, 'c', size);
    MUST(a, pwrite(fd, buf, size, 0));
    free(buf);
    return fd;
}

void write_text(struct attack *a, const char *path, const char *text)
{
    int fd = (int)MUST(a, open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700));

    MUST(a, write(fd, text, strlen(text)));
    close(fd);
}

bool drop_caches(void)
{
    int fd, r;

    sync();
    fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    r = (int)write(fd, "3", 1);
    close(fd);
    return r == 1;
}
