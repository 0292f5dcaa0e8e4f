// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "process/table.h"

// Records come in bursts of a few processes each; two of a set are enough for what one event needs.
#define SETS 64
#define WAYS 2

// Handed out between two calls of who_release(): the actor and the target of an event.
#define LENT_MAX 2

// A record that was put together, with everything that its texts lie in.
struct slot {
    uint64_t stamp; // of all that it was made from; 0: empty
    // Its stamp need not be asked for again for the same process as long as nothing has changed in the table.
    const struct process *process;
    const struct image *image;
    uint64_t as_of; // next_serial of the table
    bool lent;      // handed out since who_release()
    uint8_t n_refs;
    struct istr *refs[2 + WHO_ANCESTORS_MAX];
    struct cgroup *cgroup;
    char comms[1 + WHO_ANCESTORS_MAX][16];
    struct who who;
};

struct who_cache {
    uint8_t next[SETS]; // way to replace next
    uint8_t n_lent;
    struct slot *lent[LENT_MAX];
    struct slot slots[SETS][WAYS];
};

size_t who_cache_memory(void)
{
    return sizeof(struct who_cache);
}

int who_cache_new(struct who_cache **ret_cache)
{
    struct who_cache *cache = new0(struct who_cache, 1);

    if (!cache)
        return -ENOMEM;
    *ret_cache = cache;
    return 0;
}

static void slot_clear(struct process_table *t, struct slot *slot)
{
    while (slot->n_refs > 0)
        (void)intern_put(&t->texts, slot->refs[--slot->n_refs]);
    slot->cgroup = cgroup_unref(slot->cgroup);
    slot->stamp = 0;
    slot->process = NULL;
    slot->lent = false;
}

void who_clear(struct process_table *t)
{
    for (size_t set = 0; set < SETS; set++) {
        for (size_t way = 0; way < WAYS; way++)
            slot_clear(t, &t->who->slots[set][way]);
    }
    t->who->n_lent = 0;
}

struct who_cache *who_cache_free(struct process_table *t, struct who_cache *cache)
{
    if (cache) {
        who_clear(t);
        free(cache);
    }
    return NULL;
}

void who_release(struct process_table *t)
{
    struct who_cache *cache = t->who;

    while (cache->n_lent > 0)
        cache->lent[--cache->n_lent]->lent = false;
}

static const struct who *lend(struct who_cache *cache, struct slot *slot)
{
    if (!slot->lent) {
        assert(cache->n_lent < LENT_MAX);
        slot->lent = true;
        cache->lent[cache->n_lent++] = slot;
    }
    return &slot->who;
}

static uint64_t mix(uint64_t h, uint64_t value)
{
    h = (h ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

// A number for everything that the record shows: the process, its ancestors as they are now, names.
static uint64_t stamp_of(const struct process_table *t, const struct process *p, bool before)
{
    uint64_t h = mix(t->users_version * 2 + before, p->serial);
    int depth = 0;

    while ((p = table_get(t, p->parent)) && depth++ < WHO_ANCESTORS_MAX)
        h = mix(h, p->serial);
    return h ? h : 1;
}

static struct bytes keep_text(struct slot *slot, struct istr *str)
{
    if (str)
        slot->refs[slot->n_refs++] = intern_ref(str);
    return istr_bytes(str);
}

static struct bytes keep_comm(struct slot *slot, size_t at, const struct image *image)
{
    memcpy(slot->comms[at], image->comm, sizeof(slot->comms[at]));
    return (struct bytes){slot->comms[at], image->comm_len};
}

static void build_program(struct slot *slot, const struct image *image)
{
    struct who *w = &slot->who;

    w->exe = keep_text(slot, image->exe);
    w->cmdline = keep_text(slot, image->cmdline);
    w->comm = keep_comm(slot, 0, image);
    w->exe_deleted = image->exe_deleted;
    w->exe_foreign = image->exe_foreign;
    w->cmdline_cut = image->cmdline_cut;
}

static void build_ids(const struct process_table *t, const struct process *p, struct who *w)
{
    w->uid = p->ids.uid;
    w->euid = p->ids.euid;
    w->gid = p->ids.gid;
    w->egid = p->ids.egid;
    w->login_uid = p->ids.login_uid;
    w->session_id = p->ids.session_id;
    w->pid_ns = p->ids.pid_ns;
    w->mnt_ns = p->ids.mnt_ns;
    w->user = users_name(t->users, w->euid);
    w->group = users_group(t->users, w->egid);
    if (w->login_uid != ID_NONE)
        w->login_user = users_name(t->users, w->login_uid);
}

static void build_cgroup(struct slot *slot, const struct process *p)
{
    struct who *w = &slot->who;

    w->cgroup_id = p->cgroup_id;
    if (!p->cgroup)
        return;
    slot->cgroup = cgroup_ref(p->cgroup);
    w->cgroup = p->cgroup->path;
    w->container_id = p->cgroup->container_id;
    w->container_runtime = p->cgroup->runtime;
    w->pod_uid = p->cgroup->pod_uid;
}

static void build(struct process_table *t, struct process *p, const struct image *image,
                  struct slot *slot)
{
    struct who *w = &slot->who;

    // Ancestors behind n_ancestors are never looked at.
    memset(w, 0, offsetof(struct who, ancestors));
    w->serial = slot->stamp;
    w->ref = p->ref;
    w->kthread = p->kthread;
    w->incomplete = p->incomplete;
    w->session = (enum sg_session)p->session;
    build_program(slot, image);
    build_ids(t, p, w);
    build_cgroup(slot, p);
    while ((p = table_get(t, p->parent)) && w->n_ancestors < WHO_ANCESTORS_MAX) {
        struct ancestor *a = &w->ancestors[w->n_ancestors++];

        a->ref = p->ref;
        a->exe = keep_text(slot, p->image.exe);
        a->comm = keep_comm(slot, w->n_ancestors, &p->image);
    }
}

static struct slot *find_unchanged(const struct process_table *t, const struct process *p,
                                   const struct image *image, struct slot set[WAYS])
{
    for (size_t way = 0; way < WAYS; way++) {
        if (set[way].process == p && set[way].image == image && set[way].as_of == t->next_serial)
            return &set[way];
    }
    return NULL;
}

static struct slot *find_equal(uint64_t stamp, struct slot set[WAYS])
{
    for (size_t way = 0; way < WAYS; way++) {
        if (set[way].stamp == stamp)
            return &set[way];
    }
    return NULL;
}

static struct slot *make_room(struct process_table *t, size_t set)
{
    struct who_cache *cache = t->who;
    struct slot *slot;

    do {
        slot = &cache->slots[set][cache->next[set]];
        cache->next[set] ^= 1;
    } while (slot->lent);
    slot_clear(t, slot);
    return slot;
}

const struct who *who_get(struct process_table *t, struct process *p, uint64_t time_ns)
{
    size_t set = p->index & (SETS - 1);
    const struct image *image = &p->image;
    struct slot *slot;
    uint64_t stamp;

    if (p->before && time_ns && time_ns < p->image.since_ns) {
        image = p->before;
        t->counters.late++;
    }
    slot = find_unchanged(t, p, image, t->who->slots[set]);
    if (slot) {
        t->counters.who_reused++;
        return lend(t->who, slot);
    }
    stamp = stamp_of(t, p, image != &p->image);
    slot = find_equal(stamp, t->who->slots[set]);
    if (slot) {
        t->counters.who_reused++;
    } else {
        slot = make_room(t, set);
        slot->stamp = stamp;
        build(t, p, image, slot);
        t->counters.who_built++;
    }
    slot->process = p;
    slot->image = image;
    slot->as_of = t->next_serial;
    return lend(t->who, slot);
}
