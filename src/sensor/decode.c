// SPDX-License-Identifier: Apache-2.0
#include "sensor/decode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/sort.h"
#include "sensor/decode_fields.h"
#include "sensor/decode_internal.h"

#define MAX_ERRNO 4095 // include/linux/err.h

static int compare_bytes(struct bytes a, struct bytes b)
{
    int r = memcmp(a.s, b.s, MIN(a.len, b.len));

    return r ? r : (a.len > b.len) - (a.len < b.len);
}

static int compare_mounts(const void *pa, const void *pb)
{
    const struct decode_mount *a = pa, *b = pb;

    if (a->dev != b->dev)
        return a->dev < b->dev ? -1 : 1;
    if (a->root.len != b->root.len)
        return a->root.len > b->root.len ? -1 : 1;
    return compare_bytes(a->point, b->point);
}

void decode_mounts_sort(struct decode_mount *mounts, size_t n)
{
    if (n > 1)
        qsort(mounts, n, sizeof(*mounts), compare_mounts);
}

// The mounts of a device, and the length of their longest mount point.
struct mounts {
    const struct decode_mount *items;
    size_t n;
    uint32_t longest;
};

static struct mounts mounts_of(const struct decode_context *ctx, uint32_t dev)
{
    const struct decode_mount *end = ctx->mounts + ctx->n_mounts;
    struct mounts m = {};

    m.items = ctx->mounts + LOWER_BOUND(ctx->n_mounts, i, ctx->mounts[i].dev < dev);
    for (const struct decode_mount *i = m.items; i < end && i->dev == dev; i++) {
        m.longest = MAX(m.longest, i->point.len);
        m.n++;
    }
    return m;
}

// What is left of a path below `root`, with its '/' in front or empty; false when it lies
// elsewhere.
static bool below(struct bytes path, struct bytes root, struct bytes *ret_rest)
{
    if (root.len == 1) // "/"
        root.len = 0;
    if (path.len < root.len || (root.len && memcmp(path.s, root.s, root.len) != 0))
        return false;
    if (path.len > root.len && path.s[root.len] != '/')
        return false;
    *ret_rest = (struct bytes){path.s + root.len, path.len - root.len};
    return true;
}

// Puts the mount point in front of a path within its file system. `path` lies in the arena; the
// bytes before it, as many as the longest mount point of the device has, are free.
static void put_mount(const struct mounts *mounts, struct event_path *path)
{
    struct bytes whole = path->bytes, rest;

    if (whole.len == 1) // "/", the root itself
        whole.len = 0;
    for (size_t i = 0; i < mounts->n; i++) {
        struct bytes point = mounts->items[i].point;
        char *start;

        if (!below(whole, mounts->items[i].root, &rest))
            continue;
        path->kind = EVENT_PATH_HOST;
        if (point.len == 1)
            point.len = 0;
        start = (char *)rest.s - point.len;
        if (point.len)
            memcpy(start, point.s, point.len);
        path->bytes = (struct bytes){start, rest.len + point.len};
        if (path->bytes.len == 0)
            path->bytes = BYTES("/");
        return;
    }
    path->kind = EVENT_PATH_FILESYSTEM;
}

// Turns components, leaf first, each followed by NUL, into "/a/b/leaf" (-> "/" when there are
// none). Filled from the end, since the leaf comes first. Whatever is behind the last NUL is a
// component that did not fit whole: allowed only when the record says that the path was cut, and
// dropped.
static int reverse(struct bytes list, bool cut, char *room, struct bytes *ret_path)
{
    const char *at = list.s, *end = list.s + list.len;
    char *to = room + list.len + 1;

    if (memchr(list.s, '/', list.len))
        return -EBADMSG;
    while (at < end) {
        const char *nul = memchr(at, '\0', (size_t)(end - at));
        size_t len;

        if (!nul && !cut)
            return -EBADMSG;
        if (!nul)
            break;
        len = (size_t)(nul - at);
        if (len == 0 || len > SG_NAME_MAX)
            return -EBADMSG;
        to -= len;
        memcpy(to, at, len);
        *--to = '/';
        at = nul + 1;
    }
    if (to == room + list.len + 1)
        *--to = '/';
    *ret_path = (struct bytes){to, (uint32_t)(room + list.len + 1 - to)};
    return 0;
}

// Reasons after which the components end somewhere on the way to the root.
static const bool loses_way[SG_REASON_COUNT] = {
    [SG_REASON_DISCONNECTED] = true,
    [SG_REASON_DEPTH] = true,
    [SG_REASON_RACE] = true,
};

int decode_path(const struct decode_context *ctx, struct bytes list, uint32_t dev, bool cut,
                struct event *ev, struct event_path *ret_path)
{
    struct mounts mounts = mounts_of(ctx, dev);
    struct event_path path = {};
    char *room;
    int r;

    if (list.len > SG_PATH_BYTES_MAX)
        return -EBADMSG;
    room = event_alloc(ev, mounts.longest + list.len + 1);
    if (!room)
        return -ENOBUFS;
    r = reverse(list, cut, room + mounts.longest, &path.bytes);
    if (r < 0)
        return r;
    if (cut) {
        path.kind = EVENT_PATH_CUT;
        path.bytes.s++;
        path.bytes.len--;
    } else {
        put_mount(&mounts, &path);
    }
    *ret_path = path;
    return 0;
}

// Copies text up to its first NUL, if it has one.
int decode_text(struct bytes text, struct event *ev, struct bytes *ret_text)
{
    uint32_t len = (uint32_t)strnlen(text.s, text.len);
    char *copy = event_alloc(ev, len);

    if (!copy)
        return -ENOBUFS;
    memcpy(copy, text.s, len);
    *ret_text = (struct bytes){copy, len};
    return 0;
}

int decode_copy(struct bytes text, struct event *ev, struct bytes *ret_text)
{
    char *copy = event_alloc(ev, text.len);

    if (!copy)
        return -ENOBUFS;
    memcpy(copy, text.s, text.len);
    *ret_text = (struct bytes){copy, text.len};
    return 0;
}

static int decode_args(struct bytes args, struct event *ev)
{
    int r = decode_copy(args, ev, &ev->args);

    if (r < 0)
        return r;
    ev->args_cut = args.len > 0 && args.s[args.len - 1] != '\0';
    return 0;
}

// Of a record's PATH or PATH2.
static bool path_is_cut(const struct event *ev, uint16_t cut_flag)
{
    return (ev->flags & cut_flag) || ((ev->flags & SG_RECORD_UNRESOLVED) && loses_way[ev->reason]);
}

// Finds the fields of a record of `size` bytes; each may be there once.
static int find_fields(const uint8_t *data, uint32_t size, struct fields *ret)
{
    uint32_t at = sizeof(struct sg_record);

    while (at < size) {
        struct sg_field field;
        uint32_t len;

        if (size - at < sizeof(field))
            return -EBADMSG;
        memcpy(&field, data + at, sizeof(field));
        at += (uint32_t)sizeof(field);
        len = (field.len + 7u) & ~7u;
        if (len > size - at)
            return -EBADMSG;
        if (field.type < N_FIELDS) {
            if (field.type == 0 || ret->f[field.type].s)
                return -EBADMSG;
            ret->f[field.type] = (struct bytes){(const char *)data + at, field.len};
        }
        at += len;
    }
    return 0;
}

static int check_header(const struct sg_record *r, size_t len)
{
    if (r->size < sizeof(*r) || r->size > len || r->size > SG_RECORD_MAX || r->size % 8 != 0)
        return -EBADMSG;
    if (r->type == 0 || r->type >= EVENT_KIND_COUNT)
        return -EOPNOTSUPP;
    if (r->hook >= SG_HOOK_COUNT || r->verdict >= SG_VERDICT_COUNT || r->reason >= SG_REASON_COUNT)
        return -EBADMSG;
    if (r->count == 0 || r->tgid > INT32_MAX || r->tid > INT32_MAX || r->ppid > INT32_MAX ||
        r->error > MAX_ERRNO)
        return -EBADMSG;
    if (r->type == SG_RECORD_FORK && (r->value[0] == 0 || r->value[0] > INT32_MAX))
        return -EBADMSG;
    return 0;
}

static enum event_outcome outcome_of(const struct sg_record *r)
{
    if (r->verdict < SG_DENY)
        return EVENT_OUTCOME_PASSED;
    if (r->flags & SG_RECORD_MONITOR)
        return EVENT_OUTCOME_WOULD_DENY;
    if (r->error == 0)
        return EVENT_OUTCOME_NOT_HELD;
    return r->verdict == SG_KILL   ? EVENT_OUTCOME_KILLED
           : r->verdict == SG_STOP ? EVENT_OUTCOME_STOPPED
                                   : EVENT_OUTCOME_DENIED;
}

static void take_process(const struct sg_record *r, struct event_process *p)
{
    p->ref = (struct process_ref){r->tgid, r->start_ns};
    p->parent = (struct process_ref){r->ppid, r->parent_start_ns};
    p->tid = r->tid;
    p->uid = r->uid;
    p->euid = r->euid;
    p->gid = r->gid;
    p->egid = r->egid;
    p->login_uid = r->login_uid;
    p->session_id = r->session_id;
    p->cgroup_id = r->cgroup_id;
    p->pid_ns = r->pid_ns;
    p->mnt_ns = r->mnt_ns;
    p->comm_len = (uint8_t)strnlen(r->comm, sizeof(r->comm));
    memcpy(p->comm, r->comm, sizeof(p->comm));
}

static uint64_t first_of(const struct sg_record *r)
{
    uint64_t first = r->type == SG_RECORD_EXIT              ? r->start_ns
                     : r->count > 1 || r->access & SG_OP_IO ? r->first_ns
                                                            : 0;

    return first && first < r->time_ns ? first : r->time_ns;
}

static void take_header(const struct sg_record *r, const struct decode_context *ctx,
                        struct event *ev)
{
    ev->kind = (enum event_kind)r->type;
    ev->flags = r->flags;
    ev->time_ns = r->time_ns;
    ev->realtime_ns = boottime_to_realtime_ns(r->time_ns, ctx->realtime_offset_ns);
    ev->count = r->count;
    ev->first_ns = first_of(r);
    ev->first_realtime_ns = boottime_to_realtime_ns(ev->first_ns, ctx->realtime_offset_ns);
    ev->cpu = r->cpu;
    ev->seq = r->seq;
    ev->ring = (uint8_t)ctx->ring;
    ev->hook = (enum sg_hook)r->hook;
    ev->access = r->access;
    ev->verdict = (enum sg_verdict)r->verdict;
    ev->mode = r->flags & SG_RECORD_MONITOR ? EVENT_MODE_MONITOR : EVENT_MODE_ENFORCE;
    ev->outcome = outcome_of(r);
    ev->reason = (enum sg_reason)r->reason;
    ev->error = r->error;
    ev->policy_id = r->policy_id;
    ev->rule_index = r->rule;
    ev->ino = r->ino;
    ev->dev = ev->dev2 = r->dev;
    ev->mode_bits = r->mode;
    ev->nlink = r->nlink;
    take_process(r, &ev->process);
}

static void take_values(const struct sg_record *r, struct event *ev)
{
    switch (ev->kind) {
    case EVENT_FILE:
        ev->bytes_read = r->value[0];
        ev->bytes_written = r->value[1];
        break;
    case EVENT_FORK: ev->child = (struct process_ref){(uint32_t)r->value[0], r->value[1]}; break;
    case EVENT_EXIT: ev->wait_status = (uint32_t)r->value[0]; break;
    default: break;
    }
}

// The fields of fixed size, which the others need.
static int take_numbers(const struct fields *fields, struct event *ev)
{
    struct bytes dev2 = fields->f[SG_FIELD_DEV2], exe = fields->f[SG_FIELD_EXE_ID];

    if (dev2.s) {
        if (dev2.len != sizeof(ev->dev2))
            return -EBADMSG;
        memcpy(&ev->dev2, dev2.s, sizeof(ev->dev2));
    }
    if (exe.s) {
        if (exe.len < sizeof(ev->exe_ino) + sizeof(ev->exe_dev))
            return -EBADMSG;
        memcpy(&ev->exe_ino, exe.s, sizeof(ev->exe_ino));
        memcpy(&ev->exe_dev, exe.s + sizeof(ev->exe_ino), sizeof(ev->exe_dev));
    } else if (ev->kind == EVENT_EXEC) {
        ev->exe_ino = ev->ino;
        ev->exe_dev = ev->dev;
    }
    return 0;
}

static int take_texts(const struct fields *fields, const struct decode_context *ctx,
                      struct event *ev)
{
    const struct bytes *f = fields->f;
    int r = 0;

    if (f[SG_FIELD_PATH].s)
        r = decode_path(ctx, f[SG_FIELD_PATH], ev->dev, path_is_cut(ev, SG_RECORD_PATH_CUT), ev,
                        &ev->path);
    // A file in memory: what it was called.
    if (r == 0 && ev->kind == EVENT_FILE && f[SG_FIELD_NAME].s) {
        ev->path.kind = EVENT_PATH_TEXT;
        r = decode_text(f[SG_FIELD_NAME], ev, &ev->path.bytes);
    }
    if (r == 0 && f[SG_FIELD_PATH2].s) {
        if (ev->hook == SG_HOOK_inode_symlink) {
            ev->path2.kind = EVENT_PATH_TEXT;
            r = decode_text(f[SG_FIELD_PATH2], ev, &ev->path2.bytes);
        } else {
            r = decode_path(ctx, f[SG_FIELD_PATH2], ev->dev2, path_is_cut(ev, SG_RECORD_PATH2_CUT),
                            ev, &ev->path2);
        }
    }
    if (r == 0 && f[SG_FIELD_XATTR].s)
        r = decode_text(f[SG_FIELD_XATTR], ev, &ev->xattr);
    if (r == 0 && f[SG_FIELD_ARGS].s)
        r = decode_args(f[SG_FIELD_ARGS], ev);
    return r;
}

int decode_record(const void *data, size_t len, const struct decode_context *ctx, struct event *ev)
{
    struct sg_record record;
    struct fields fields = {};
    int r;

    event_reset(ev);
    if (len < sizeof(record))
        return -EBADMSG;
    memcpy(&record, data, sizeof(record));
    r = check_header(&record, len);
    if (r < 0)
        return r;
    r = find_fields(data, record.size, &fields);
    if (r < 0)
        return r;
    take_header(&record, ctx, ev);
    take_values(&record, ev);
    r = take_numbers(&fields, ev);
    if (r == 0 && ev->kind == EVENT_FINDING)
        r = decode_finding(fields.f[SG_FIELD_FINDING], &ev->finding);
    if (r == 0 && ev->kind == EVENT_CONTROL)
        r = decode_control(&fields, ev);
    if (r < 0)
        return r;
    r = take_texts(&fields, ctx, ev);
    if (r == 0 && ev->kind == EVENT_EXEC)
        r = decode_launch(&fields, ctx, ev);
    return r;
}
