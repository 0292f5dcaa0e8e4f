// SPDX-License-Identifier: Apache-2.0
//
// Lines into segments. Heads are filled in when a buffer is written, since only then it is known which file it
// goes to. What was not written as a whole is written again at the same place: nobody looks behind `end`.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "spool/internal.h"

// A file is not appended to for longer than this share of the age that drops it as a whole.
#define AGE_SHARE 8

// In front of a line in the buffer, where its head will be.
struct waiting {
    uint64_t at_ms;
    uint32_t len; // with the newline
    uint8_t zero[SEGMENT_HEAD - 12];
} __attribute__((packed));

STATIC_ASSERT(sizeof(struct waiting) == SEGMENT_HEAD, "a head fits where it will be");

static int pwrite_all(int fd, const void *buf, size_t len, uint64_t at)
{
    const uint8_t *p = buf;

    while (len > 0) {
        ssize_t n = pwrite(fd, p, len, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? negative_errno() : -EIO;
        p += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

// Without a foot (there is no room for it) the records are counted when the spool is opened.
void writer_seal(struct spool *s, struct queue *q)
{
    struct segment *seg = q->last;
    uint8_t foot[SEGMENT_HEAD];

    if (q->fd < 0)
        return;
    segment_foot_encode(seg->label.seed, seg->n, (uint32_t)(seg->newest_ms - seg->label.created_ms),
                        foot);
    // First what a write that failed may have left behind the end.
    if (ftruncate(q->fd, (off_t)seg->end) == 0)
        (void)pwrite_all(q->fd, foot, sizeof(foot), seg->end);
    q->fd = safe_close(q->fd);
    locked(&s->lock);
    seg->sealed = true;
    unlocked(&s->lock);
}

// Somebody has removed the directory, which frees its files once they are closed.
int writer_reopen_dir(struct spool *s)
{
    _cleanup_close_ int fd = -1, state = -1;
    int r = mkdir_p(AT_FDCWD, s->dir, 0700);

    if (r < 0)
        return r;
    fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return negative_errno();
    // In place: the other thread may be using the number.
    if (dup3(fd, s->dirfd, O_CLOEXEC) < 0)
        return negative_errno();
    state = openat(s->dirfd, "state", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (state >= 0 && s->state_fd >= 0)
        (void)dup3(state, s->state_fd, O_CLOEXEC);
    return 0;
}

static int write_label(int fd, const struct segment_label *label)
{
    uint8_t bytes[SEGMENT_DATA] = {};

    segment_label_encode(label, bytes);
    segment_label_encode(label, bytes + SEGMENT_LABEL_AT);
    return pwrite_all(fd, bytes, sizeof(bytes), 0);
}

static int create_file(struct spool *s, const struct segment_label *label, int *ret_fd)
{
    _cleanup_close_ int fd = -1;
    char name[SPOOL_NAME_SIZE];
    int r;

    segment_name(label, name);
    for (int again = 0; fd < 0; again++) {
        fd = openat(s->dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd >= 0)
            break;
        r = negative_errno();
        if (r == -ENOENT && !again)
            r = writer_reopen_dir(s);
        if (r < 0)
            return r;
    }
    r = write_label(fd, label);
    if (r < 0) {
        (void)unlinkat(s->dirfd, name, 0);
        return r;
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int begin_segment(struct spool *s, struct queue *q, enum stream_class class)
{
    _cleanup_free_ struct segment *seg = new0(struct segment, 1);
    int r;

    if (!seg)
        return -ENOMEM;
    if (getrandom(&seg->label.seed, sizeof(seg->label.seed), 0) != sizeof(seg->label.seed))
        return -EIO;
    locked(&s->lock);
    seg->label.class = class;
    seg->label.order = q->next_order;
    seg->label.stream = q->stream;
    seg->label.boot = s->boot;
    seg->label.first_seq = q->next_seq;
    seg->label.created_ms = seg->newest_ms = spool_now(s);
    seg->at = seg->end = SEGMENT_DATA;
    unlocked(&s->lock);
    r = create_file(s, &seg->label, &q->fd);
    if (r == -EEXIST) {
        // A file that was not there when the spool was opened; not ours to overwrite.
        locked(&s->lock);
        q->next_order++;
        unlocked(&s->lock);
        return -EAGAIN;
    }
    if (r < 0)
        return r;
    locked(&s->lock);
    q->next_order++;
    queue_add(q, TAKE_PTR(seg));
    unlocked(&s->lock);
    return 0;
}

static bool is_due(struct spool *s, const struct queue *q)
{
    const struct segment *seg = q->last;
    char name[SPOOL_NAME_SIZE];
    bool old;

    locked(&s->lock);
    old = s->options.max_age_ms &&
          spool_now(s) - seg->label.created_ms > s->options.max_age_ms / AGE_SHARE;
    unlocked(&s->lock);
    if (seg->n == 0)
        return false;
    if (old || seg->end + q->buf.len > s->options.segment_bytes ||
        seg->n > SEGMENT_INDEX_MAX - q->buf_n)
        return true;
    // Somebody has removed it: nobody would ever read what is appended.
    segment_name(&seg->label, name);
    return faccessat(s->dirfd, name, F_OK, 0) < 0 && errno == ENOENT;
}

static uint64_t fill_heads(struct queue *q, const struct segment *seg)
{
    uint8_t *p = (uint8_t *)q->buf.s, *end = p + q->buf.len;
    uint64_t newest = seg->newest_ms;
    uint32_t index = seg->n;

    while (p < end) {
        struct waiting w;
        uint64_t age;

        memcpy(&w, p, sizeof(w));
        age = w.at_ms > seg->label.created_ms ? w.at_ms - seg->label.created_ms : 0;
        newest = MAX(newest, w.at_ms);
        segment_head_encode(seg->label.seed, index++, (uint32_t)MIN(age, (uint64_t)UINT32_MAX),
                            w.len, p);
        p += SEGMENT_HEAD + w.len;
    }
    return newest;
}

// The buffer's heads, as they were before fill_heads(): for the next attempt, maybe in another file.
static void empty_heads(struct queue *q, const struct segment *seg)
{
    uint8_t *p = (uint8_t *)q->buf.s, *end = p + q->buf.len;

    while (p < end) {
        struct segment_record record = {};
        struct waiting w = {};

        (void)segment_record_decode(seg->label.seed, p, (size_t)(end - p), &record);
        w.at_ms = seg->label.created_ms + record.age_ms;
        w.len = record.len;
        memcpy(p, &w, sizeof(w));
        p += SEGMENT_HEAD + w.len;
    }
}

static void published(struct spool *s, struct queue *q, uint64_t oldest, uint64_t newest)
{
    struct segment *seg = q->last;

    locked(&s->lock);
    if (!queue_waits(q))
        q->oldest_ms = oldest;
    seg->end += q->buf.len;
    seg->n += q->buf_n;
    seg->newest_ms = newest;
    q->next_seq += q->buf_n;
    q->accepted += q->buf_n;
    s->error = 0;
    unlocked(&s->lock);
    sb_reset(&q->buf);
    if (q->buf.cap > 2 * SPOOL_BUFFER)
        sb_done(&q->buf); // a burst of long lines is not kept room for
    __atomic_store_n(&q->buf_n, 0, __ATOMIC_RELAXED);
}

static int try_write(struct spool *s, struct queue *q, enum stream_class class)
{
    struct waiting oldest;
    uint64_t newest;
    int r;

    if (q->fd >= 0 && is_due(s, q))
        writer_seal(s, q);
    if (q->fd < 0) {
        r = begin_segment(s, q, class);
        if (r < 0)
            return r;
    }
    memcpy(&oldest, q->buf.s, sizeof(oldest));
    newest = fill_heads(q, q->last);
    r = pwrite_all(q->fd, q->buf.s, q->buf.len, q->last->end);
    if (r < 0) {
        empty_heads(q, q->last);
        // A bad place of the disk is not tried for ever.
        if (r == -EIO)
            writer_seal(s, q);
        return r;
    }
    published(s, q, oldest.at_ms, newest);
    return 0;
}

static bool is_full(int r)
{
    return r == -ENOSPC || r == -EDQUOT || r == -EFBIG;
}

// 1: something was written.
static int flush_queue(struct spool *s, enum stream_class class)
{
    struct queue *q = &s->queues[class];
    int r;

    if (q->buf_n == 0)
        return 0;
    spool_bound(s, q->buf.len + SEGMENT_DATA);
    do
        r = try_write(s, q, class);
    while (r == -EAGAIN || (class == STREAM_SECURITY && is_full(r) && spool_make_room(s)));
    if (r == 0)
        return 1;
    locked(&s->lock);
    s->error = r;
    s->write_failures++;
    s->retry_ms = spool_now(s) + SPOOL_RETRY_MS;
    unlocked(&s->lock);
    return r;
}

// What a full disk has refused is known to the file of states alone, which has its room already.
static void tell(struct spool *s, bool wrote, bool failed)
{
    if (wrote || failed)
        state_save(s, false);
    if (wrote && s->options.written)
        s->options.written(s->options.ctx);
}

static int flush_all(struct spool *s, bool *wrote)
{
    int result = 0;

    for (int c = 0; c < STREAM_CLASSES; c++) {
        int r = flush_queue(s, (enum stream_class)c);

        *wrote = *wrote || r > 0;
        if (r < 0)
            result = r;
    }
    return result;
}

int spool_flush(struct spool *s)
{
    bool wrote = false;
    int r;

    locked(&s->writing);
    r = flush_all(s, &wrote);
    unlocked(&s->writing);
    tell(s, wrote, r < 0);
    return r;
}

void spool_tend(struct spool *s)
{
    bool overdue, again, wrote = false;

    locked(&s->lock);
    overdue = spool_overdue(s);
    again = s->error < 0 && spool_now(s) >= s->retry_ms;
    unlocked(&s->lock);
    if ((!overdue && !again) || pthread_mutex_trylock(&s->writing) != 0)
        return;
    if (again)
        (void)flush_all(s, &wrote);
    if (overdue)
        spool_bound(s, 0);
    unlocked(&s->writing);
    if (wrote)
        state_save(s, false);
}

static void refused(struct spool *s, struct queue *q, enum spool_reason reason, size_t len)
{
    locked(&s->lock);
    q->dropped[reason].records++;
    q->dropped[reason].bytes += len;
    unlocked(&s->lock);
}

// The buffer is full: 0 when it is not any more.
static int make_way(struct spool *s, enum stream_class class, bool *wrote)
{
    bool wait;
    int r;

    locked(&s->lock);
    r = s->error;
    wait = r < 0 && spool_now(s) < s->retry_ms;
    unlocked(&s->lock);
    if (wait)
        return r;
    r = flush_queue(s, class);
    *wrote = r > 0;
    return MIN(r, 0);
}

static int take(struct spool *s, struct queue *q, const char *line, size_t len)
{
    struct waiting w = {.len = (uint32_t)len + 1};
    size_t before = q->buf.len;

    locked(&s->lock);
    w.at_ms = spool_now(s);
    unlocked(&s->lock);
    sb_add(&q->buf, &w, sizeof(w));
    sb_add(&q->buf, line, len);
    sb_putc(&q->buf, '\n');
    if (q->buf.failed) {
        q->buf.failed = false;
        sb_truncate(&q->buf, before);
        return -ENOMEM;
    }
    __atomic_store_n(&q->buf_n, q->buf_n + 1, __ATOMIC_RELAXED);
    return 0;
}

int spool_append(struct spool *s, enum stream_class class, const char *line, size_t len)
{
    struct queue *q = &s->queues[class];
    enum spool_reason reason = SPOOL_TOO_LONG;
    bool wrote = false;
    int r = 0;

    if (len > RECORD_MAX)
        r = -EMSGSIZE;
    else if (len == 0 || memchr(line, '\n', len))
        r = -EINVAL;
    if (r == 0) {
        reason = SPOOL_NO_SPACE;
        locked(&s->writing);
        if (q->buf.len >= SPOOL_BUFFER)
            r = make_way(s, class, &wrote);
        if (r == 0)
            r = take(s, q, line, len);
        unlocked(&s->writing);
    }
    if (r < 0)
        refused(s, q, reason, len);
    tell(s, wrote, false);
    return r;
}
