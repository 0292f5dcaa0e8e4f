// SPDX-License-Identifier: Apache-2.0
#include "process/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "process/table.h"

#define DEFAULT_PROCESSES    32768u
#define LEAST_PROCESSES      64u // a process and all its ancestors fit
#define DEFAULT_TEXT_BYTES   (2u << 20)
#define DEFAULT_KEEP_DEAD_NS (60 * NS_PER_SEC)
#define REREAD_NS            NS_PER_SEC
#define BEFORE_KEEP_NS       (30 * NS_PER_SEC) // records are never that late
#define TICK_ENTRIES         64u               // looked at in one tick
#define TICK_LOOKS           4u                // at procfs, which costs a thousand times as much

int process_table_new(const struct process_options *options, struct process_table **ret_table)
{
    _cleanup_(process_table_freep) struct process_table *t = NULL;
    const struct process_options *o = options ? options : &(const struct process_options){};
    int r;

    t = new0(struct process_table, 1);
    if (!t)
        return -ENOMEM;
    t->proc_fd = -1;
    t->max_processes = MAX(o->max_processes ? o->max_processes : DEFAULT_PROCESSES,
                           LEAST_PROCESSES);
    t->max_text_bytes = o->max_text_bytes ? o->max_text_bytes : DEFAULT_TEXT_BYTES;
    t->keep_dead_ns = o->keep_dead_ns ? o->keep_dead_ns : DEFAULT_KEEP_DEAD_NS;
    t->no_lifecycle = o->no_lifecycle;
    t->mask_secrets = o->mask_secrets;
    intern_init(&t->texts);
    t->proc_fd = open(o->proc ? o->proc : "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->proc_fd < 0)
        return -errno;
    t->host_mnt_ns = procfs_namespace(t->proc_fd, 1, "ns/mnt");
    r = table_init(t);
    if (r < 0)
        return r;
    r = users_new(o->passwd ? o->passwd : "/etc/passwd", o->group ? o->group : "/etc/group",
                  &t->users);
    if (r < 0)
        return r;
    r = cgroups_new(o->cgroup_root, &t->cgroups);
    if (r < 0)
        return r;
    r = who_cache_new(&t->who);
    if (r < 0)
        return r;
    (void)users_refresh(t->users, 0);
    *ret_table = TAKE_PTR(t);
    return 0;
}

struct process_table *process_table_free(struct process_table *t)
{
    if (t) {
        t->who = who_cache_free(t, t->who);
        table_done(t);
        intern_done(&t->texts);
        (void)users_free(t->users);
        (void)cgroups_free(t->cgroups);
        (void)safe_close(t->proc_fd);
        free(t);
    }
    return NULL;
}

static int scan_entry(void *ctx, int dir, const struct dirent *entry)
{
    struct process_table *t = ctx;
    struct process_ref ref = {};
    struct process *p;
    int r;

    (void)dir;
    if (parse_u32(entry->d_name, &ref.tgid) < 0 || ref.tgid == 0)
        return 0;
    r = table_complete(t, &ref, &p);
    if (r == 0)
        t->counters.scanned++;
    // Gone, or hidden from us by hidepid: the next one.
    return r == -ENOMEM ? r : 0;
}

int process_table_scan(struct process_table *t)
{
    who_release(t);
    return opendir_foreach(t->proc_fd, ".", scan_entry, t);
}

static struct ids ids_of(const struct event_process *e)
{
    return (struct ids){
        .uid = e->uid,
        .euid = e->euid,
        .gid = e->gid,
        .egid = e->egid,
        .login_uid = e->login_uid,
        .session_id = e->session_id,
        .pid_ns = e->pid_ns,
        .mnt_ns = e->mnt_ns,
    };
}

// The program, control group and session of the process that it was forked from.
static void inherit(struct process_table *t, struct process *p, const struct process *from)
{
    image_clear(t, &p->image);
    p->image = from->image;
    p->image.since_ns = 0;
    (void)intern_ref(p->image.exe);
    (void)intern_ref(p->image.cmdline);
    (void)intern_ref(p->image.facts);
    if (!p->cgroup) {
        p->cgroup_id = from->cgroup_id;
        p->cgroup = cgroup_ref(from->cgroup);
    }
    p->kthread = from->kthread;
    p->session = from->session;
    p->incomplete = from->incomplete;
    process_touch(t, p);
}

// A process that procfs does not show any more: what its records say, and what its parent was.
static int add_from_record(struct process_table *t, const struct event *ev,
                           struct process **ret_process)
{
    const struct event_process *e = &ev->process;
    struct process *p, *parent = table_find(t, &e->parent);
    int r;

    if (!parent && e->parent.tgid)
        (void)table_complete(t, &e->parent, &parent);
    r = table_add(t, &e->ref, parent, &p);
    if (r < 0)
        return r;
    p->incomplete = true;
    p->kthread = ev->flags & SG_RECORD_KTHREAD;
    memcpy(p->image.comm, e->comm, sizeof(p->image.comm));
    p->image.comm_len = e->comm_len;
    if (parent) {
        table_set_parent(t, p, parent);
        p->session = parent->session;
    }
    t->counters.incomplete++;
    *ret_process = p;
    return 0;
}

// memcmp() for a few whole words, without a call.
static inline bool same_words(const void *a, const void *b, size_t size)
{
    uint64_t x, y, different = 0;

    for (size_t i = 0; i < size; i += sizeof(x)) {
        memcpy(&x, (const char *)a + i, sizeof(x));
        memcpy(&y, (const char *)b + i, sizeof(y));
        different |= x ^ y;
    }
    return different == 0;
}

STATIC_ASSERT(sizeof(struct ids) % sizeof(uint64_t) == 0, "compared by words");

static bool comm_changed(const struct event *ev, const struct process *p)
{
    const struct event_process *e = &ev->process;

    // Most often they are equal with all that is behind their end.
    return e->tid == e->ref.tgid && !same_words(p->image.comm, e->comm, sizeof(e->comm)) &&
           (p->image.comm_len != e->comm_len || memcmp(p->image.comm, e->comm, e->comm_len) != 0);
}

// The ids and the control group.
static void refresh_subject(struct process_table *t, const struct event *ev, struct process *p)
{
    struct ids ids = ids_of(&ev->process);

    // On its way out a process has left its namespaces.
    ids.pid_ns = ids.pid_ns ? ids.pid_ns : p->ids.pid_ns;
    ids.mnt_ns = ids.mnt_ns ? ids.mnt_ns : p->ids.mnt_ns;
    if (!same_words(&ids, &p->ids, sizeof(ids))) {
        p->ids = ids;
        process_touch(t, p);
    }
    if (ev->process.cgroup_id != p->cgroup_id)
        process_set_cgroup(t, p, ev->process.cgroup_id);
}

// Takes over what every record says anew about its process.
static void refresh(struct process_table *t, const struct event *ev, struct process *p)
{
    const struct event_process *e = &ev->process;
    bool late = p->before && ev->time_ns < p->image.since_ns;

    p->used = true;
    if (t->no_lifecycle && p->state == PROCESS_LIVE &&
        (comm_changed(ev, p) || ev->time_ns > p->read_ns + REREAD_NS)) {
        t->counters.reread++;
        if (table_reread(t, p) == -ESRCH)
            p->read_ns = ev->time_ns;
    }
    if (p->ref.start_ns != e->ref.start_ns) { // so far only known to the tick
        p->ref.start_ns = e->ref.start_ns;
        process_touch(t, p);
    }
    refresh_subject(t, ev, p);
    if (!late && comm_changed(ev, p)) {
        memcpy(p->image.comm, e->comm, sizeof(p->image.comm));
        p->image.comm_len = e->comm_len;
        process_touch(t, p);
    }
}

// The process that the record is about.
static int observe(struct process_table *t, const struct event *ev, struct process **ret_process)
{
    struct process *p = table_find(t, &ev->process.ref);
    int r = 0;

    if (!p) {
        r = table_complete(t, &ev->process.ref, &p);
        if (r == 0)
            t->counters.completed++;
        else if (r != -ENOMEM)
            r = add_from_record(t, ev, &p);
    }
    if (r < 0)
        return r;
    refresh(t, ev, p);
    *ret_process = p;
    return 0;
}

static int apply_access(struct process_table *t, struct event *ev)
{
    struct process *p;
    int r = observe(t, ev, &p);

    if (r < 0)
        return r;
    ev->who = who_get(t, p, ev->time_ns);
    return 0;
}

// Asked of another process: the record says which, the table who that is.
static int apply_control(struct process_table *t, struct event *ev)
{
    struct process *p = NULL;
    int r = apply_access(t, ev);

    if (r < 0 || ev->control.target.tgid == 0)
        return r;
    p = table_find(t, &ev->control.target);
    if (!p && table_complete(t, &ev->control.target, &p) < 0)
        return 0;
    ev->target = who_get(t, p, ev->time_ns);
    return 0;
}

static int apply_fork(struct process_table *t, struct event *ev)
{
    struct process *parent, *child;
    int r;

    r = observe(t, ev, &parent);
    if (r < 0)
        return r;
    child = table_find(t, &ev->child);
    if (!child) {
        r = table_add(t, &ev->child, parent, &child);
        if (r < 0)
            return r;
        child->incomplete = true;
        child->ids = ids_of(&ev->process);
        t->counters.forked++;
    }
    if (child->incomplete)
        inherit(t, child, parent);
    table_set_forker(t, child, parent);
    ev->who = who_get(t, parent, ev->time_ns);
    ev->target = who_get(t, child, ev->time_ns);
    return 0;
}

// Arguments joined by blanks, as many as are kept: the record's, else those that procfs shows now.
static int intern_args(struct process_table *t, const struct event *ev, bool *cut,
                       struct istr **ret_str)
{
    struct procfs_process *s = &t->scratch;
    struct bytes args = ev->args;

    if (args.len == 0) {
        if (procfs_cmdline(t->proc_fd, &ev->process.ref, t->mask_secrets, s) < 0)
            s->cmdline_len = 0;
        *cut = s->cmdline_len && s->cmdline_cut;
        return intern_get(&t->texts, (struct bytes){s->cmdline, s->cmdline_len}, ret_str);
    }
    while (args.len > 0 && args.s[args.len - 1] == '\0')
        args.len--;
    *cut = ev->args_cut || args.len > sizeof(s->cmdline);
    args.len = MIN(args.len, (uint32_t)sizeof(s->cmdline));
    for (uint32_t i = 0; i < args.len; i++)
        s->cmdline[i] = args.s[i] ? args.s[i] : ' ';
    return intern_get(&t->texts, (struct bytes){s->cmdline, args.len}, ret_str);
}

static int image_of_exec(struct process_table *t, const struct event *ev, struct image *ret_image)
{
    struct image image = {
        .since_ns = ev->time_ns,
        .comm_len = ev->process.comm_len,
        .exe_ino = ev->exe_ino,
        .exe_dev = ev->exe_dev,
        .exe_deleted = ev->launch.flags & SG_LAUNCH_DELETED,
        .exe_foreign = ev->path.kind != EVENT_PATH_HOST,
    };
    int r;

    memcpy(image.comm, ev->process.comm, sizeof(image.comm));
    r = intern_get(&t->texts, ev->path.bytes, &image.exe);
    if (r < 0)
        return r;
    r = intern_args(t, ev, &image.cmdline_cut, &image.cmdline);
    if (r < 0) {
        (void)intern_put(&t->texts, image.exe);
        return r;
    }
    *ret_image = image;
    return 0;
}

// The process as it was when it called exec. One that nobody has seen yet was, as far as anybody
// can know, a copy of its parent: procfs shows it only as it is now.
static int before_exec(struct process_table *t, const struct event *ev,
                       struct process **ret_process)
{
    const struct event_process *e = &ev->process;
    struct process *p = table_find(t, &e->ref), *parent;
    int r;

    if (p) {
        *ret_process = p;
        return 0;
    }
    parent = table_find(t, &e->parent);
    if (!parent && e->parent.tgid)
        (void)table_complete(t, &e->parent, &parent);
    r = table_add(t, &e->ref, parent, &p);
    if (r < 0)
        return r;
    p->ids = ids_of(e);
    if (parent) {
        inherit(t, p, parent);
        table_set_parent(t, p, parent);
    } else {
        p->incomplete = true;
    }
    *ret_process = p;
    return 0;
}

// May the program have other ids than who executed it? If not, he had these already, though there is no record of how he got them:
// setuid(2) and moves to another control group have none.
static bool gives_ids(const struct event *ev)
{
    return ev->launch.flags & SG_LAUNCH_SECURE || ev->mode_bits & (S_ISUID | S_ISGID);
}

static int apply_exec(struct process_table *t, struct event *ev)
{
    struct image image, *before;
    struct process *p;
    int r;

    // A hook refused it: the process is who it was.
    if (ev->error)
        return apply_access(t, ev);
    r = before_exec(t, ev, &p);
    if (r < 0)
        return r;
    // procfs was read after this exec, or a later one was seen already: that is what holds.
    if (p->read_ns > ev->time_ns || p->image.since_ns > ev->time_ns) {
        ev->who = who_get(t, p, ev->time_ns);
        ev->target = who_get(t, p, 0);
        return 0;
    }
    if (!gives_ids(ev))
        refresh_subject(t, ev, p);
    ev->who = who_get(t, p, ev->time_ns);
    r = image_of_exec(t, ev, &image);
    if (r < 0)
        return r;
    table_drop_before(t, p);
    before = memdup(&p->image, sizeof(p->image));
    if (before) {
        p->before = before; // takes over the texts
        t->n_before++;
    } else {
        image_clear(t, &p->image);
    }
    p->image = image;
    p->incomplete = p->kthread = false;
    process_touch(t, p);
    refresh(t, ev, p);
    process_set_session(t, p);
    ev->target = who_get(t, p, 0);
    return 0;
}

static int apply_exit(struct process_table *t, struct event *ev)
{
    struct process *p;
    int r = observe(t, ev, &p);

    if (r < 0)
        return r;
    table_mark_dead(t, p, ev->time_ns);
    ev->who = ev->target = who_get(t, p, ev->time_ns);
    return 0;
}

static int (*const appliers[EVENT_KIND_COUNT])(struct process_table *, struct event *) = {
    [EVENT_FILE] = apply_access,     [EVENT_FINDING] = apply_access, [EVENT_FORK] = apply_fork,
    [EVENT_EXEC] = apply_exec,       [EVENT_EXIT] = apply_exit,      [EVENT_CANARY] = apply_access,
    [EVENT_CONTROL] = apply_control,
};

static void users_changed(struct process_table *t)
{
    t->users_version++;
    t->next_serial++;
}

int process_table_apply(struct process_table *t, struct event *ev)
{
    who_release(t);
    ev->who = ev->target = NULL;
    if (!appliers[ev->kind] || ev->process.ref.tgid == 0)
        return 0;
    if (users_refresh(t->users, ev->time_ns))
        users_changed(t);
    table_bound_texts(t);
    return appliers[ev->kind](t, ev);
}

const struct who *process_table_who(struct process_table *t, const struct process_ref *ref)
{
    struct process *p;

    who_release(t);
    p = table_find(t, ref);
    if (!p) {
        if (table_complete(t, ref, &p) < 0)
            return NULL;
        t->counters.completed++;
    }
    return who_get(t, p, 0);
}

// A living process whose exit nobody told us of.
static void look_at(struct process_table *t, struct process *p, uint64_t now_ns)
{
    struct process_ref found = {.tgid = p->ref.tgid};
    int r;

    r = procfs_start(t->proc_fd, p->ref.tgid, &found.start_ns);
    if (r == -ESRCH || (r == 0 && !process_ref_same(&found, &p->ref))) {
        table_mark_dead(t, p, now_ns);
        t->counters.missed_exits++;
    }
}

static void patrol(struct process_table *t, uint32_t n, uint64_t now_ns)
{
    uint32_t most = t->no_lifecycle || t->hurry ? TICK_ENTRIES : TICK_LOOKS;

    for (uint32_t i = 0, looked = 0; i < n && looked < most; i++) {
        struct process *p = table_at(t, t->patrol);

        t->patrol = t->patrol + 1 < n ? t->patrol + 1 : 0;
        t->hurry -= t->hurry > 0;
        if (p->state != PROCESS_LIVE)
            continue;
        look_at(t, p, now_ns);
        looked++;
    }
}

// What a late record could have asked for.
static void forget_before(struct process_table *t, uint32_t n, uint64_t now_ns)
{
    for (uint32_t i = 0, looked = 0; i < n && looked < TICK_ENTRIES; i++) {
        struct process *p = table_at(t, t->forget);

        t->forget = t->forget + 1 < n ? t->forget + 1 : 0;
        if (p->state == PROCESS_FREE)
            continue;
        if (p->before && p->image.since_ns + BEFORE_KEEP_NS < now_ns)
            table_drop_before(t, p);
        looked++;
    }
}

void process_table_tick(struct process_table *t, uint64_t now_ns)
{
    uint32_t n = (uint32_t)(t->n_slabs << SLAB_SHIFT);

    who_release(t);
    if (users_refresh(t->users, now_ns))
        users_changed(t);
    table_expire(t, now_ns);
    table_bound_texts(t);
    patrol(t, n, now_ns);
    forget_before(t, n, now_ns);
}

void process_table_missed(struct process_table *t)
{
    t->hurry = (uint32_t)(t->n_slabs << SLAB_SHIFT);
}

void process_table_counters(const struct process_table *t, struct process_counters *ret)
{
    *ret = t->counters;
    ret->live = t->n_live;
    ret->dead = t->n_dead;
    ret->text_bytes = t->texts.bytes;
    ret->memory = table_memory(t) + t->texts.bytes + who_cache_memory();
}
