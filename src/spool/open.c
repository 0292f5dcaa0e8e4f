// SPDX-License-Identifier: Apache-2.0
//
// What is found in the directory when a spool is opened. Segments with a foot are taken at their word; one that
// was appended to when its process ended is read through.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "spool/internal.h"

#define ORDER_DIGITS 16
#define SCAN_BYTES   ((size_t)1 << 20)

struct found {
    uint64_t order;
    enum stream_class class;
};

struct listing {
    struct spool *s;
    struct found *v;
    size_t n, cap;
};

static void listing_done(struct listing *l)
{
    free(l->v);
}

// "audit-<16 hexadecimal digits>.seg"
static bool parse_name(const char *name, struct found *ret)
{
    for (int c = 0; c < STREAM_CLASSES; c++) {
        const char *digits = str_startswith(name, stream_class_name((enum stream_class)c));
        char *end;

        if (!digits || *digits++ != '-' || strspn(digits, "0123456789abcdef") != ORDER_DIGITS)
            continue;
        ret->order = strtoull(digits, &end, 16);
        ret->class = (enum stream_class)c;
        return streq(end, ".seg") && ret->order < UINT64_MAX;
    }
    return false;
}

static int list_entry(void *ctx, int dir, const struct dirent *entry)
{
    struct listing *l = ctx;
    struct found found;

    if (parse_name(entry->d_name, &found)) {
        if (!GREEDY(l->v, l->cap, l->n + 1))
            return -ENOMEM;
        l->v[l->n++] = found;
    } else if (str_endswith(entry->d_name, ".seg.corrupt") &&
               strlen(entry->d_name) < SPOOL_NAME_SIZE) {
        struct stat st;

        if (fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
            return 0;
        if (l->s->n_corrupt == SPOOL_CORRUPT_MAX) {
            (void)unlinkat(dir, entry->d_name, 0);
            return 0;
        }
        (void)snprintf(l->s->corrupt[l->s->n_corrupt].name, SPOOL_NAME_SIZE, "%s", entry->d_name);
        l->s->corrupt[l->s->n_corrupt++].bytes = (uint64_t)st.st_size;
    }
    return 0;
}

static int by_order(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    if (x->class != y->class)
        return x->class < y->class ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

// 0, with the records of the foot; -ENOENT: it has none.
static int read_foot(int fd, struct segment *seg, uint64_t size)
{
    struct segment_record foot = {};
    uint8_t bytes[SEGMENT_HEAD];

    if (size < SEGMENT_DATA + SEGMENT_HEAD ||
        pread(fd, bytes, sizeof(bytes), (off_t)(size - SEGMENT_HEAD)) != (ssize_t)sizeof(bytes) ||
        segment_record_decode(seg->label.seed, bytes, sizeof(bytes), &foot) <= 0 || !foot.foot)
        return -ENOENT;
    seg->n = foot.index;
    seg->end = size - SEGMENT_HEAD;
    seg->newest_ms = seg->label.created_ms + foot.age_ms;
    seg->sealed = true;
    return 0;
}

// Where the records end and how many there are. What is behind the last whole one is a torn end.
static int scan(int fd, struct segment *seg, uint64_t size)
{
    struct cursor c = {
        .fd = fd, .seed = seg->label.seed, .limit = size, .off = SEGMENT_DATA, .cap = SCAN_BYTES};
    struct segment_record record;
    uint64_t skipped = 0;
    int64_t bytes;
    int r;

    c.buf = malloc(c.cap);
    if (!c.buf)
        return -ENOMEM;
    seg->end = SEGMENT_DATA;
    while ((r = cursor_next(&c, seg->n, &record, &bytes, &skipped)) > 0) {
        if (record.whole && record.index >= seg->n) {
            seg->damaged = seg->damaged || record.index > seg->n || skipped > 0;
            seg->n = record.index + 1;
            seg->end = c.off + c.p + (uint64_t)bytes;
            seg->newest_ms = seg->label.created_ms + record.age_ms;
        }
        c.p += (size_t)bytes;
    }
    free(c.buf);
    return r;
}

// -ENODATA: its process ended before it had a label, or the power did; nothing of it was handed out.
static int open_segment(struct spool *s, const struct found *found, struct segment *seg)
{
    struct segment_label by_name = {.class = found->class, .order = found->order};
    _cleanup_close_ int fd = -1;
    char name[SPOOL_NAME_SIZE];
    uint8_t label[SEGMENT_DATA];
    struct stat st;
    int r;

    segment_name(&by_name, name);
    fd = openat(s->dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0)
        return negative_errno();
    if (S_ISREG(st.st_mode) && st.st_size == 0)
        return -ENODATA;
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > 2 * SEGMENT_BYTES_MAX ||
        pread(fd, label, sizeof(label), 0) != (ssize_t)sizeof(label))
        return -EBADMSG;
    r = segment_label_decode(label, sizeof(label), &seg->label);
    if (r < 0)
        return r;
    if (seg->label.order != found->order || seg->label.class != found->class)
        return -EBADMSG;
    seg->newest_ms = seg->label.created_ms;
    if (read_foot(fd, seg, (uint64_t)st.st_size) < 0) {
        r = scan(fd, seg, (uint64_t)st.st_size);
        if (r < 0)
            return r;
        s->torn_bytes += (uint64_t)st.st_size - seg->end;
    }
    // What was committed of another stream is not handed out under this one.
    seg->n = MAX(seg->n, seg->label.first_index);
    seg->index = seg->label.first_index;
    seg->at = SEGMENT_DATA;
    return 0;
}

static void remove_empty(struct spool *s, const struct found *found)
{
    struct segment_label by_name = {.class = found->class, .order = found->order};
    char name[SPOOL_NAME_SIZE];

    segment_name(&by_name, name);
    (void)unlinkat(s->dirfd, name, 0);
}

// A file of which nothing can be read, not even whose records are in it.
static void set_aside(struct spool *s, const struct found *found)
{
    struct segment_label by_name = {.class = found->class, .order = found->order};
    struct queue *q = &s->queues[found->class];
    struct chores chores = {};
    char name[SPOOL_NAME_SIZE];
    struct stat st = {};

    segment_name(&by_name, name);
    (void)fstatat(s->dirfd, name, &st, AT_SYMLINK_NOFOLLOW);
    q->dropped[SPOOL_CORRUPT].bytes += (uint64_t)st.st_size;
    corrupt_add(s, name, (uint64_t)st.st_size, &chores);
    chores_do(s, &chores);
}

// Records that a segment should have, because the next one of the stream begins later: whoever reads it to its
// end counts them as lost.
static void find_gap(struct segment *before, const struct segment *seg)
{
    uint64_t gap;

    if (!stream_id_equal(&before->label.stream, &seg->label.stream) ||
        seg->label.first_seq <= segment_last_seq(before) + 1)
        return;
    gap = seg->label.first_seq - segment_last_seq(before) - 1;
    if (gap < SEGMENT_INDEX_MAX - before->n)
        before->n += (uint32_t)gap;
}

static int load_segments(struct spool *s, struct listing *l, bool last_is_bad[STREAM_CLASSES])
{
    for (size_t i = 0; i < l->n; i++) {
        struct queue *q = &s->queues[l->v[i].class];
        _cleanup_free_ struct segment *seg = new0(struct segment, 1);
        int r;

        if (!seg)
            return -ENOMEM;
        q->next_order = MAX(q->next_order, l->v[i].order + 1);
        r = open_segment(s, &l->v[i], seg);
        if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
            return r;
        if (r == -ENODATA) {
            remove_empty(s, &l->v[i]);
            continue;
        }
        last_is_bad[l->v[i].class] = r < 0;
        if (r < 0) {
            set_aside(s, &l->v[i]);
            continue;
        }
        if (q->last)
            find_gap(q->last, seg);
        queue_add(q, TAKE_PTR(seg));
    }
    return 0;
}

static void restore_position(struct queue *q)
{
    const struct lease saved = q->lease;

    q->lease = (struct lease){};
    if (!q->first || q->first->label.order != saved.order || saved.first_index < q->first->index ||
        saved.first_index > q->first->n || saved.begin < SEGMENT_DATA ||
        saved.begin > q->first->end)
        return;
    q->first->index = saved.first_index;
    q->first->at = saved.begin;
}

// Goes on with the segment that was appended to, when nothing speaks against it.
static void resume(struct spool *s, struct queue *q)
{
    struct segment *seg = q->last;
    _cleanup_close_ int fd = -1;
    char name[SPOOL_NAME_SIZE];

    if (!seg || seg->sealed)
        return;
    segment_name(&seg->label, name);
    fd = openat(s->dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || ftruncate(fd, (off_t)seg->end) < 0)
        return;
    if (stream_id_equal(&seg->label.stream, &q->stream) && !seg->damaged &&
        segment_seq(seg, seg->n) == q->next_seq)
        q->fd = TAKE_FD(fd);
}

static void choose_stream(struct spool *s, struct queue *q, bool state_of_boot, bool doubt)
{
    const struct segment *seg = q->last;

    if (!doubt && seg && stream_id_equal(&seg->label.boot, &s->boot)) {
        uint64_t next = segment_seq(seg, seg->n);

        if (state_of_boot && stream_id_equal(&q->stream, &seg->label.stream)) {
            // Written, and the process ended before the state was.
            q->accepted += next > q->next_seq ? next - q->next_seq : 0;
            q->next_seq = MAX(q->next_seq, next);
        } else {
            q->stream = seg->label.stream;
            q->next_seq = next;
            q->leased_seq = next - 1; // not known: as many as can be
            q->acked_seq = 0;
        }
        return;
    }
    if (!doubt && !seg && state_of_boot && !stream_id_is_none(&q->stream))
        return;
    (void)stream_id_new(&q->stream);
    q->next_seq = 1;
    q->leased_seq = q->acked_seq = 0;
}

// All that nobody appends to gets a foot, so that it is not read through again.
static void seal_rest(struct spool *s, struct queue *q)
{
    struct segment *active = q->fd >= 0 ? q->last : NULL;

    for (struct segment *seg = q->first; seg; seg = seg->next) {
        _cleanup_close_ int fd = -1;
        char name[SPOOL_NAME_SIZE];
        uint8_t foot[SEGMENT_HEAD];

        if (seg == active || seg->sealed)
            continue;
        seg->sealed = true;
        segment_name(&seg->label, name);
        segment_foot_encode(seg->label.seed, seg->n,
                            (uint32_t)(seg->newest_ms - seg->label.created_ms), foot);
        fd = openat(s->dirfd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0)
            (void)(pwrite(fd, foot, sizeof(foot), (off_t)seg->end) < 0);
    }
}

// Without the state, the clock goes on where the segments say it was.
static void mend_clock(struct spool *s)
{
    uint64_t now = spool_now(s), newest = 0;

    for (int c = 0; c < STREAM_CLASSES; c++)
        for (const struct segment *seg = s->queues[c].first; seg; seg = seg->next)
            newest = MAX(newest, seg->newest_ms);
    if (newest > now)
        s->clock_base += newest - now;
}

static void find_oldest(struct spool *s)
{
    for (int c = 0; c < STREAM_CLASSES; c++) {
        struct queue *q = &s->queues[c];

        for (const struct segment *seg = q->first; seg && !q->oldest_ms; seg = seg->next)
            if (seg->index < seg->n)
                q->oldest_ms = seg->label.created_ms;
    }
}

int spool_load(struct spool *s, struct error *err)
{
    _cleanup_(listing_done) struct listing l = {.s = s};
    bool found = false, same_boot = false, bad[STREAM_CLASSES] = {};
    int r;

    r = state_load(s, &found, &same_boot);
    if (r == -ENOSPC || r == -EDQUOT)
        r = 0; // known again when there is room
    if (r == 0)
        r = opendir_foreach(s->dirfd, ".", list_entry, &l);
    if (r == 0) {
        if (l.n)
            qsort(l.v, l.n, sizeof(*l.v), by_order);
        r = load_segments(s, &l, bad);
    }
    if (r < 0) {
        (void)error_set(err, r, "the spool cannot be read: %m");
        error_where(err, s->dir, 0, 0);
        return r;
    }
    mend_clock(s);
    for (int c = 0; c < STREAM_CLASSES; c++) {
        struct queue *q = &s->queues[c];

        restore_position(q);
        choose_stream(s, q, same_boot, bad[c]);
        resume(s, q);
        seal_rest(s, q);
        spool_finish(s, (enum stream_class)c);
    }
    find_oldest(s);
    s->loaded = true;
    locked(&s->writing);
    spool_bound(s, 0);
    unlocked(&s->writing);
    state_save(s, true);
    return 0;
}
