// SPDX-License-Identifier: Apache-2.0
#include "spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"
#include "spool/internal.h"

#define SEGMENT_BYTES_MIN ((uint64_t)4 << 10)

static uint64_t boottime_ms(void *ctx _unused_)
{
    return now_ns(CLOCK_BOOTTIME) / NS_PER_MS;
}

uint64_t spool_now(struct spool *s)
{
    uint64_t now = s->clock_base + s->options.clock_ms(s->options.ctx);

    s->clock_last = MAX(s->clock_last, now);
    return s->clock_last;
}

void segment_name(const struct segment_label *label, char ret_name[SPOOL_NAME_SIZE])
{
    (void)snprintf(ret_name, SPOOL_NAME_SIZE, "%s-%016llx.seg", stream_class_name(label->class),
                   (unsigned long long)label->order);
}

struct segment *queue_find(const struct queue *q, uint64_t order)
{
    for (struct segment *seg = q->first; seg; seg = seg->next)
        if (seg->label.order == order)
            return seg;
    return NULL;
}

void queue_add(struct queue *q, struct segment *seg)
{
    seg->next = NULL;
    if (q->last)
        q->last->next = seg;
    else
        q->first = seg;
    q->last = seg;
    q->n_segments++;
}

void queue_remove(struct queue *q, struct segment *seg)
{
    struct segment *before = NULL;

    for (struct segment *at = q->first; at != seg; at = at->next)
        before = at;
    if (before)
        before->next = seg->next;
    else
        q->first = seg->next;
    if (q->last == seg)
        q->last = before;
    q->n_segments--;
    free(seg);
}

bool queue_waits(const struct queue *q)
{
    for (const struct segment *seg = q->first; seg; seg = seg->next)
        if (seg->index < seg->n)
            return true;
    return false;
}

static int check_options(struct spool *s, const struct spool_options *options, struct error *err)
{
    uint64_t most = options->max_bytes / 8;
    char digits[STREAM_ID_TEXT];
    size_t n = 0;

    if (options->max_bytes < SPOOL_BYTES_MIN)
        return error_set(err, -EINVAL, "a spool of %llu bytes is too small: %llu at the least",
                         (unsigned long long)options->max_bytes,
                         (unsigned long long)SPOOL_BYTES_MIN);
    for (const char *c = options->boot_id; *c && n < STREAM_ID_TEXT; c++)
        if (*c != '-')
            digits[n++] = *c;
    digits[MIN(n, (size_t)STREAM_ID_TEXT - 1)] = '\0';
    if (n != STREAM_ID_TEXT - 1 || stream_id_parse(digits, &s->boot) < 0)
        return error_set(err, -EINVAL, "'%s' is not the id of a boot", options->boot_id);

    s->options = *options;
    s->options.boot_id = NULL; // loans
    s->options.dir = NULL;
    if (!s->options.clock_ms)
        s->options.clock_ms = boottime_ms;
    if (!s->options.segment_bytes)
        s->options.segment_bytes = SPOOL_SEGMENT_BYTES;
    s->options.segment_bytes = CLAMP(MIN(s->options.segment_bytes, SEGMENT_BYTES_MAX),
                                     SEGMENT_BYTES_MIN, most);
    return 0;
}

static int open_dir(struct spool *s, struct error *err)
{
    int r = mkdir_p(AT_FDCWD, s->dir, 0700);

    if (r == 0) {
        s->dirfd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = s->dirfd < 0 ? negative_errno() : 0;
    }
    if (r < 0) {
        (void)error_set(err, r, "the spool cannot be opened: %m");
        error_where(err, s->dir, 0, 0);
        error_cure(err, "name a directory that can be made, or written to (spool_dir)");
        return r;
    }
    if (flock(s->dirfd, LOCK_EX | LOCK_NB) < 0) {
        r = errno == EWOULDBLOCK ? -EBUSY : negative_errno();
        (void)error_set(err, r, "the spool cannot be locked: %m");
        error_where(err, s->dir, 0, 0);
        if (r == -EBUSY)
            error_cure(err, "another process uses it: end that one, or name another directory");
        return r;
    }
    return 0;
}

int spool_new(const struct spool_options *options, struct spool **ret_spool, struct error *err)
{
    _cleanup_(spool_freep) struct spool *s = new0(struct spool, 1);
    int r;

    if (!s)
        return error_set(err, -ENOMEM, "no memory for the spool");
    s->dirfd = s->state_fd = -1;
    for (int c = 0; c < STREAM_CLASSES; c++)
        s->queues[c].fd = s->queues[c].read_fd = -1;
    (void)pthread_mutex_init(&s->writing, NULL);
    (void)pthread_mutex_init(&s->saving, NULL);
    (void)pthread_mutex_init(&s->lock, NULL);
    r = check_options(s, options, err);
    if (r < 0)
        return r;
    s->dir = xstrndup(options->dir, strlen(options->dir));
    if (!s->dir)
        return error_set(err, -ENOMEM, "no memory for the spool");
    r = open_dir(s, err);
    if (r == 0)
        r = spool_load(s, err);
    if (r < 0)
        return r;
    *ret_spool = TAKE_PTR(s);
    return 0;
}

struct spool *spool_free(struct spool *s)
{
    if (!s)
        return NULL;
    if (s->loaded) {
        (void)spool_flush(s);
        state_save(s, false);
    }
    for (int c = 0; c < STREAM_CLASSES; c++) {
        struct queue *q = &s->queues[c];

        while (q->first)
            queue_remove(q, q->first);
        (void)safe_close(q->fd);
        (void)safe_close(q->read_fd);
        sb_done(&q->buf);
        free(q->lease.ends);
        free(q->lease.ages);
        free(q->lease.data);
    }
    (void)safe_close(s->state_fd);
    (void)safe_close(s->dirfd);
    (void)pthread_mutex_destroy(&s->writing);
    (void)pthread_mutex_destroy(&s->saving);
    (void)pthread_mutex_destroy(&s->lock);
    free(s->dir);
    free(s);
    return NULL;
}

void spool_counters(struct spool *s, enum stream_class class, struct spool_counters *ret)
{
    struct queue *q = &s->queues[class];
    struct spool_counters c = {.unwritten = __atomic_load_n(&q->buf_n, __ATOMIC_RELAXED)};

    locked(&s->lock);
    c.accepted = q->accepted;
    c.leased = q->leased;
    c.committed = q->committed;
    memcpy(c.dropped, q->dropped, sizeof(c.dropped));
    for (const struct segment *seg = q->first; seg; seg = seg->next) {
        c.waiting += seg->n - seg->index;
        c.waiting_bytes += seg->index < seg->n ? seg->end - seg->at : 0;
    }
    if (q->lease.dropped) {
        c.waiting += q->lease.n;
        c.waiting_bytes += lease_bytes(&q->lease);
    }
    if (c.waiting && q->oldest_ms)
        c.oldest_ms = MAX(spool_now(s) - q->oldest_ms, UINT64_C(1));
    unlocked(&s->lock);
    *ret = c;
}

void spool_health(struct spool *s, struct spool_health *ret)
{
    locked(&s->lock);
    *ret = (struct spool_health){
        .bytes = spool_bytes(s),
        .max_bytes = s->options.max_bytes,
        .segments = s->queues[STREAM_SECURITY].n_segments + s->queues[STREAM_AUDIT].n_segments,
        .corrupt = s->n_corrupt,
        .torn_bytes = s->torn_bytes,
        .sync_failures = s->sync_failures,
        .write_failures = s->write_failures,
        .error = s->error,
    };
    unlocked(&s->lock);
}

bool spool_untold(struct spool *s, enum stream_class class, struct spool_loss ret[SPOOL_REASONS])
{
    const struct queue *q = &s->queues[class];
    bool any = false;

    locked(&s->lock);
    for (int i = 0; i < SPOOL_REASONS; i++) {
        ret[i].records = q->dropped[i].records - q->told[i].records;
        ret[i].bytes = q->dropped[i].bytes - q->told[i].bytes;
        any = any || ret[i].records || ret[i].bytes;
    }
    unlocked(&s->lock);
    return any;
}

void spool_told(struct spool *s, enum stream_class class,
                const struct spool_loss told[SPOOL_REASONS])
{
    struct queue *q = &s->queues[class];

    locked(&s->lock);
    for (int i = 0; i < SPOOL_REASONS; i++) {
        q->told[i].records += told[i].records;
        q->told[i].bytes += told[i].bytes;
    }
    unlocked(&s->lock);
}

const char *spool_reason_name(enum spool_reason reason)
{
    static const char *const names[] = {
        [SPOOL_BY_BYTES] = "by-bytes", [SPOOL_BY_AGE] = "by-age",     [SPOOL_CORRUPT] = "corrupt",
        [SPOOL_NO_SPACE] = "no-space", [SPOOL_TOO_LONG] = "too-long",
    };

    STATIC_ASSERT(ARRAY_SIZE(names) == SPOOL_REASONS, "each reason has a name");
    return (unsigned)reason < SPOOL_REASONS ? names[reason] : NULL;
}
