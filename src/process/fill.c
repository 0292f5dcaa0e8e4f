// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "process/table.h"

static const struct {
    enum sg_session session;
    struct bytes path;
} session_programs[] = {
#define SESSION_PROGRAM(kind, path) {SG_SESSION_##kind, BYTES(path)},
#include "model/sessions.def"
};

static enum sg_session session_of_program(const struct image *image)
{
    struct bytes exe = istr_bytes(image->exe);

    if (image->exe_foreign)
        return SG_SESSION_NONE;
    for (size_t i = 0; i < ARRAY_SIZE(session_programs); i++) {
        if (bytes_equal(session_programs[i].path, exe))
            return session_programs[i].session;
    }
    return SG_SESSION_NONE;
}

void process_set_session(struct process_table *t, struct process *p)
{
    const struct process *parent = table_get(t, p->parent);
    enum sg_session session = session_of_program(&p->image);

    if (p->kthread)
        session = SG_SESSION_NONE;
    else if (session == SG_SESSION_NONE && p->session != SG_SESSION_NONE)
        return;
    else if (session == SG_SESSION_NONE && parent)
        session = (enum sg_session)parent->session;
    if (session == SG_SESSION_NONE && !p->kthread &&
        (p->ref.tgid == 1 || (parent && parent->ref.tgid == 1)))
        session = SG_SESSION_SERVICE;
    if (p->session != session) {
        p->session = (uint8_t)session;
        process_touch(t, p);
    }
}

static void set_cgroup(struct process *p, struct cgroup *cgroup)
{
    (void)cgroup_unref(p->cgroup);
    p->cgroup = cgroup;
}

// A number that a record brought. The path comes from the kernel by that number, or from procfs
// when the cgroup found there has that number: never a path that only used to be right.
void process_set_cgroup(struct process_table *t, struct process *p, uint64_t cgroup_id)
{
    struct procfs_process *s = &t->scratch;
    struct cgroup *cgroup = NULL;

    p->cgroup_id = cgroup_id;
    process_touch(t, p);
    if (p->cgroup && p->cgroup->id == cgroup_id)
        return;
    if (cgroups_by_id(t->cgroups, cgroup_id, &cgroup) < 0 &&
        procfs_read(t->proc_fd, p->ref.tgid, t->mask_secrets, s) == 0 &&
        process_ref_same(&s->ref, &p->ref) &&
        cgroups_by_path(t->cgroups, (struct bytes){s->cgroup, s->cgroup_len}, &cgroup) == 0 &&
        cgroup->id != cgroup_id)
        cgroup = cgroup_unref(cgroup);
    set_cgroup(p, cgroup);
}

static int fill_image(struct process_table *t, const struct procfs_process *s, struct image *image)
{
    struct image new = {
        .comm_len = s->comm_len,
        .exe_ino = s->exe_ino,
        .exe_dev = s->exe_dev,
        .exe_deleted = s->exe_deleted,
        .exe_foreign = s->mnt_ns && t->host_mnt_ns && s->mnt_ns != t->host_mnt_ns,
        .cmdline_cut = s->cmdline_cut,
    };
    int r;

    memcpy(new.comm, s->comm, sizeof(new.comm));
    r = intern_get(&t->texts, (struct bytes){s->exe, s->exe_len}, &new.exe);
    if (r < 0)
        return r;
    r = intern_get(&t->texts, (struct bytes){s->cmdline, s->cmdline_len}, &new.cmdline);
    if (r < 0) {
        (void)intern_put(&t->texts, new.exe);
        return r;
    }
    image_clear(t, image);
    *image = new;
    return 0;
}

// What t->scratch says, into the entry.
static int fill(struct process_table *t, struct process *p, uint64_t read_ns)
{
    const struct procfs_process *s = &t->scratch;
    struct cgroup *cgroup = NULL;
    int r;

    r = fill_image(t, s, &p->image);
    if (r < 0)
        return r;
    p->ids = (struct ids){
        .uid = s->uid,
        .euid = s->euid,
        .gid = s->gid,
        .egid = s->egid,
        .login_uid = s->login_uid,
        .session_id = s->session_id,
        .pid_ns = s->pid_ns,
        .mnt_ns = s->mnt_ns,
    };
    p->kthread = s->kthread;
    p->incomplete = !s->kthread && s->exe_len == 0; // a zombie has none any more
    p->read_ns = read_ns;
    if (cgroups_by_path(t->cgroups, (struct bytes){s->cgroup, s->cgroup_len}, &cgroup) == 0) {
        set_cgroup(p, cgroup);
        p->cgroup_id = cgroup->id;
    }
    process_touch(t, p);
    return 0;
}

// One process from procfs, without its parent. Without a start in `ref` any process of that number.
static int complete_one(struct process_table *t, const struct process_ref *ref,
                        const struct process *keep, struct process **ret_process,
                        uint32_t *ret_ppid)
{
    struct procfs_process *s = &t->scratch;
    uint64_t read_ns = now_ns(CLOCK_BOOTTIME);
    struct process *p;
    int r;

    r = procfs_read(t->proc_fd, ref->tgid, t->mask_secrets, s);
    if (r < 0)
        return r;
    if (ref->start_ns && !process_ref_same(&s->ref, ref))
        return -ESRCH;
    p = table_find(t, &s->ref);
    if (!p) {
        r = table_add(t, ref->start_ns ? ref : &s->ref, keep, &p);
        if (r < 0)
            return r;
    }
    r = fill(t, p, read_ns);
    if (r < 0)
        return r;
    *ret_ppid = s->ppid;
    *ret_process = p;
    return 0;
}

int table_complete(struct process_table *t, const struct process_ref *ref,
                   struct process **ret_process)
{
    struct process *chain[WHO_ANCESTORS_MAX];
    struct process_ref next = *ref;
    struct handle first;
    uint32_t n = 0, ppid;
    int r;

    while (n < WHO_ANCESTORS_MAX) {
        struct process *known;

        r = complete_one(t, &next, n ? chain[n - 1] : NULL, &chain[n], &ppid);
        if (r < 0)
            break;
        if (n > 0)
            table_set_parent(t, chain[n - 1], chain[n]);
        else
            first = handle_of(chain[0]);
        n++;
        next = (struct process_ref){.tgid = ppid};
        if (!ppid || procfs_start(t->proc_fd, ppid, &next.start_ns) < 0)
            break;
        known = table_find(t, &next);
        if (known) {
            table_set_parent(t, chain[n - 1], known);
            break;
        }
    }
    if (n == 0)
        return r;
    // Sessions are handed down, so from the oldest on. Adding an ancestor to a full table can have
    // evicted the process itself.
    while (n-- > 0) {
        if (chain[n]->state != PROCESS_FREE)
            process_set_session(t, chain[n]);
    }
    *ret_process = table_get(t, first);
    return *ret_process ? 0 : -ESRCH;
}

int table_reread(struct process_table *t, struct process *p)
{
    uint64_t read_ns = now_ns(CLOCK_BOOTTIME);
    int r;

    r = procfs_read(t->proc_fd, p->ref.tgid, t->mask_secrets, &t->scratch);
    if (r == 0 && !process_ref_same(&t->scratch.ref, &p->ref))
        r = -ESRCH;
    if (r < 0)
        return r;
    r = fill(t, p, read_ns);
    if (r == 0)
        process_set_session(t, p);
    return r;
}
