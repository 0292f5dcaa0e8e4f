// SPDX-License-Identifier: Apache-2.0
//
// What was open before its rule came. After a policy is put in force, all descriptors of all processes are
// looked through (opened.h); those whose file is denied to their process are reported, and as long as there
// are any, the hook on every read and write is attached, which is too dear for always.
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "agent/agent.h"
#include "agent/facts.h"
#include "agent/opened.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/strutil.h"
#include "policy/explain.h"

#define AGAIN_NS (5 * NS_PER_SEC)

struct scan {
    struct job job;
    struct agent *agent;
    struct loaded *loaded;
    struct worker *worker;
    struct mount_view view;
    struct opened opened;
    struct opened_entered *entered; // a copy
    size_t n_entered;
    struct object_names linked;
    bool settled; // all files with several names that it has to know are among these
    int result;
};

static void entered_free(struct opened_entered *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(list[i].path);
    free(list);
}

static int entered_add(struct opened_entered **list, size_t *n, size_t *cap, uint32_t dev,
                       uint64_t ino, const char *path, size_t len)
{
    char *copy = xstrndup(path, len);

    if (!copy || !GREEDY(*list, *cap, *n + 1)) {
        free(copy);
        return -ENOMEM;
    }
    (*list)[(*n)++] = (struct opened_entered){.dev = dev, .ino = ino, .path = copy};
    return 0;
}

static bool stop_scan(void *ctx)
{
    struct scan *s = ctx;

    return worker_stopping(s->worker);
}

static void run_scan(struct job *job, struct worker *w)
{
    struct scan *s = container_of(job, struct scan, job);

    s->worker = w;
    s->result = mount_view_read("/proc/self/mountinfo", &s->view);
    if (s->result == 0)
        s->result = opened_find("/proc",
                                &(struct opened_search){.image = s->loaded->image,
                                                        .mounts = s->view.all,
                                                        .entered = s->entered,
                                                        .n_entered = s->n_entered,
                                                        .linked = s->linked,
                                                        .stop = stop_scan,
                                                        .ctx = s},
                                &s->opened);
}

// True when a rule denies this process what the descriptor was opened for.
static bool denied(struct agent *a, const struct scan *s, const struct opened_file *file,
                   struct policy_op_decision *ret)
{
    const struct opened_task *t = &s->opened.tasks[file->task];
    const struct process_ref ref = {t->pid, t->start_ns};
    _cleanup_(facts_done) struct facts facts = {};
    struct policy_query query = {
        .path = file->path,
        .path_len = strlen(file->path),
        .has_dev = !file->host,
        .dev = file->dev,
        .ops = file->ops,
        .has_when = true,
        .when = time(NULL),
    };
    struct policy_decision decision;
    const struct who *who;

    who = process_table_who(a->processes, &ref);
    if (!who || facts_of(who, t, &facts) < 0)
        return false;
    query.facts = facts.facts;
    if (policy_explain(s->loaded->image, &query, &decision) < 0)
        return false;
    *ret = decision.overall;
    return decision.overall.matched && decision.overall.verdict >= SG_DENY;
}

static void list(struct descriptor_scan *d, const struct scan *s, const struct opened_file *file,
                 const struct policy_op_decision *decision)
{
    struct open_descriptor *e;

    if (d->n_listed == DESCRIPTORS_LISTED)
        return;
    e = &d->list[d->n_listed++];
    *e = (struct open_descriptor){
        .pid = s->opened.tasks[file->task].pid,
        .fd = file->fd,
        .ops = file->ops,
        .rule = decision->rule,
        .monitor = decision->monitor,
    };
    memcpy(e->comm, s->opened.tasks[file->task].comm, sizeof(e->comm));
    (void)snprintf(e->path, sizeof(e->path), "%s", file->shown);
}

static void tell(struct agent *a, uint64_t digest)
{
    struct descriptor_scan *d = &a->descriptors;
    const struct notice_number number = {"descriptors", d->found};
    const struct open_descriptor *e = &d->list[0];
    char text[512];

    if (digest == d->reported_digest)
        return;
    d->reported_digest = digest;
    if (d->found == 0) {
        log_info("no descriptor from before the policy is open any more");
        return;
    }
    (void)snprintf(
        text, sizeof(text),
        "%llu descriptors from before the policy are open that it denies now, the first: %s "
        "(pid %u) has %s as %d; %s",
        (unsigned long long)d->found, e->comm, e->pid, e->path, e->fd,
        d->on ? "every use of them is checked while there are any"
              : "their use cannot be checked: reads and writes through them pass");
    notice(a, &(struct notice){.kind = "descriptors",
                               .severity = d->on ? NOTICE_MEDIUM : NOTICE_CRITICAL,
                               .message = text,
                               .cure = "restart the processes that 'safeguard status' lists",
                               .numbers = &number,
                               .n_numbers = 1});
}

// Those that nobody has open any more. Others are found by the names that they have now.
static void forget_closed(struct descriptor_scan *d, const struct opened *o)
{
    size_t kept = 0;

    for (size_t i = 0; i < d->n_entered; i++) {
        bool open = false;

        for (size_t k = 0; k < o->n_files && !open; k++)
            open = o->files[k].host && streq(o->files[k].path, d->entered[i].path);
        if (open)
            d->entered[kept++] = d->entered[i];
        else
            free(d->entered[i].path);
    }
    d->n_entered = kept;
}

// What status says of the time between such a record and the end of the scans that it asks for.
static const char why_entered[] = "files got protected names, and are looked for";

static void switch_on(struct agent *a, const char *why)
{
    struct descriptor_scan *d = &a->descriptors;
    struct error err = {};

    if (sensor_set_old_descriptors(a->sensor, why != NULL, &err) < 0) {
        (void)log_error_struct(&err);
        why = NULL;
    }
    d->on = why != NULL;
    d->why = why;
}

// What the kernel was told to remember belongs to what a scan has to look for: only one that begins after it is complete.
static void want_links(struct agent *a)
{
    links_scan(a);
    a->descriptors.links_wanted = a->links.asked;
}

static bool links_complete(const struct agent *a)
{
    return a->links.covered >= a->descriptors.links_wanted;
}

static const char *reason(const struct descriptor_scan *d, const struct scan *s)
{
    if (d->found)
        return "descriptors from before the policy are open";
    if (s->opened.cut)
        return "more descriptors of protected files are open than can be judged at once";
    if (d->again || d->missed || !s->settled)
        return why_entered;
    return NULL;
}

static uint64_t find_denied(struct agent *a, const struct scan *s)
{
    struct descriptor_scan *d = &a->descriptors;
    const struct opened_file *last = NULL;
    struct policy_op_decision decision;
    uint64_t digest = 0;

    d->found = d->n_listed = 0;
    for (size_t i = 0; i < s->opened.n_files; i++) {
        const struct opened_file *file = &s->opened.files[i];
        const uint64_t id[] = {digest, s->opened.tasks[file->task].pid, (uint64_t)file->fd};

        // Once, however many names of it are denied.
        if ((last && last->task == file->task && last->fd == file->fd) ||
            !denied(a, s, file, &decision))
            continue;
        last = file;
        d->found++;
        list(d, s, file, &decision);
        digest = XXH3_64bits(id, sizeof(id));
    }
    return digest;
}

static void judge(struct agent *a, const struct scan *s)
{
    struct descriptor_scan *d = &a->descriptors;
    uint64_t digest = find_denied(a, s);
    const char *why;

    d->looked_at = s->opened.looked_at;
    d->scanned_ns = now_ns(CLOCK_REALTIME);
    why = reason(d, s);
    switch_on(a, why);
    if (s->settled && !s->opened.cut && !d->again && !d->missed)
        forget_closed(d, &s->opened);
    // The look at names may have failed.
    if (!links_complete(a) && !a->links.running)
        want_links(a);
    d->due_ns = why ? now_ns(CLOCK_MONOTONIC) + AGAIN_NS : 0;
    tell(a, digest);
}

static void scan_free(struct scan *s)
{
    mount_view_done(&s->view);
    opened_done(&s->opened);
    entered_free(s->entered, s->n_entered);
    object_names_done(&s->linked);
    loaded_unref(s->loaded);
    free(s);
}

static void scan_done(struct job *job, bool ran)
{
    struct scan *s = container_of(job, struct scan, job);
    struct descriptor_scan *d = &s->agent->descriptors;
    struct agent *a = s->agent;

    d->running = false;
    if (ran && !a->stopping && a->policies.now == s->loaded) {
        if (s->result == 0) {
            judge(a, s);
        } else {
            (void)log_warning_code(s->result,
                                   "open descriptors could not be looked through: %m; it is "
                                   "tried again");
            d->due_ns = now_ns(CLOCK_MONOTONIC) + AGAIN_NS;
        }
    }
    scan_free(s);
    if (d->again && !a->stopping)
        descriptors_scan(a);
}

void descriptors_scan(struct agent *a)
{
    struct descriptor_scan *d = &a->descriptors;
    struct scan *s;

    d->again = d->running;
    d->due_ns = 0;
    if (d->running || !a->policies.now)
        return;
    d->due_ns = now_ns(CLOCK_MONOTONIC) + AGAIN_NS; // should there be no memory now
    s = new0(struct scan, 1);
    if (!s)
        return;
    *s = (struct scan){
        .job = {.run = run_scan, .done = scan_done},
        .agent = a,
        .loaded = loaded_ref(a->policies.now),
        .linked = object_names_share(&a->links.names),
        .settled = links_complete(a),
    };
    for (size_t i = 0, cap = 0; i < d->n_entered; i++)
        if (entered_add(&s->entered, &s->n_entered, &cap, d->entered[i].dev, d->entered[i].ino,
                        d->entered[i].path, strlen(d->entered[i].path)) < 0)
            s->settled = false;
    d->running = worker_submit(a->watcher, &s->job) == 0;
    if (d->running)
        d->due_ns = 0;
    else
        scan_free(s);
}

void descriptors_entered(struct agent *a, const struct event *ev)
{
    struct descriptor_scan *d = &a->descriptors;

    d->n_moves++;
    // Asked about first, looked for afterwards: what is open must not be used in between.
    switch_on(a, why_entered);
    if (S_ISDIR(ev->mode_bits)) {
        // The kernel knows the files beneath it by the names that they are met by, and not by those elsewhere.
        want_links(a);
    } else if (ev->path.kind == EVENT_PATH_HOST &&
               (d->n_entered >= DESCRIPTORS_ENTERED ||
                entered_add(&d->entered, &d->n_entered, &d->cap_entered, ev->dev, ev->ino,
                            ev->path.bytes.s, ev->path.bytes.len) < 0)) {
        d->n_cut++;
        d->missed = true;
    }
    descriptors_scan(a);
}

// At once, and from then on at most as often as descriptors are looked at anyway: whoever fills the ring must not
// keep us busy.
static void make_good(struct agent *a)
{
    struct descriptor_scan *d = &a->descriptors;
    uint64_t now = now_ns(CLOCK_MONOTONIC);

    if (!d->missed || !a->policies.now || now < d->missed_due_ns)
        return;
    d->missed = false;
    d->missed_due_ns = now + AGAIN_NS;
    want_links(a);
    descriptors_scan(a);
}

void descriptors_missed(struct agent *a)
{
    a->descriptors.missed = true;
    switch_on(a, "records of files that got protected names may have been lost");
    make_good(a);
}

void descriptors_start(struct agent *a)
{
    struct sensor_facts facts;

    sensor_facts(a->sensor, &facts);
    a->descriptors.on = facts.old_descriptors;
    a->descriptors.why = facts.old_descriptors ? "an earlier agent found a reason" : NULL;
}

void descriptors_stop(struct agent *a)
{
    struct descriptor_scan *d = &a->descriptors;

    entered_free(d->entered, d->n_entered);
    d->entered = NULL;
    d->n_entered = d->cap_entered = 0;
}

void descriptors_tick(struct agent *a)
{
    struct descriptor_scan *d = &a->descriptors;

    make_good(a);
    if (d->due_ns && now_ns(CLOCK_MONOTONIC) >= d->due_ns)
        descriptors_scan(a);
}

void descriptors_json(const struct agent *a, struct jw *jw)
{
    const struct descriptor_scan *d = &a->descriptors;

    jw_begin_object(jw);
    jw_kv_bool(jw, "scanning", d->running);
    jw_kv_u64(jw, "scanned_ms", d->scanned_ns / NS_PER_MS);
    jw_kv_u64(jw, "looked_at", d->looked_at);
    jw_kv_u64(jw, "found", d->found);
    jw_kv_bool(jw, "checked", d->on);
    jw_kv_str(jw, "checked_because", d->why);
    jw_kv_u64(jw, "entered", d->n_moves);
    jw_kv_u64(jw, "entered_unremembered", d->n_cut);
    jw_kv_array(jw, "list");
    for (size_t i = 0; i < d->n_listed; i++) {
        const struct open_descriptor *e = &d->list[i];
        const struct rule_ref *rule = a->policies.now
                                          ? policies_rule(a, a->policies.now->id, e->rule)
                                          : NULL;

        jw_begin_object(jw);
        jw_kv_u64(jw, "pid", e->pid);
        jw_kv_str(jw, "comm", e->comm);
        jw_kv_i64(jw, "fd", e->fd);
        jw_kv_str(jw, "path", e->path);
        jw_kv_bool(jw, "monitor", e->monitor);
        if (rule) {
            jw_kv_strn(jw, "rule_file", rule->file.s, rule->file.len);
            jw_kv_u64(jw, "rule_line", rule->line);
        }
        jw_end_object(jw);
    }
    jw_end_array(jw);
    jw_end_object(jw);
}
