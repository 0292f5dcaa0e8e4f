// SPDX-License-Identifier: Apache-2.0
//
// Has the kernel remember the files with several names (objects.h). They are looked for twice: while the
// policy is built, so that they are known the moment it comes into force, and again right after that,
// for what was linked meanwhile. The second time reaches only what the policy lets the agent read, and those
// that are known by name; their names outlive the agent in a file.
#include <errno.h>
#include <string.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

void links_pin(struct agent *a, const struct objects *found)
{
    struct link_scan *l = &a->links;

    for (size_t i = 0; i < found->n; i++)
        if (sensor_pin_object(a->sensor, &found->pins[i]) < 0)
            l->failed++;
    l->pinned = MAX(l->pinned, (uint64_t)found->n);
    l->seen = MAX(l->seen, found->seen);
    if (l->failed)
        l->incomplete = "the kernel's table of files with several names is full";
}

// What is known by name from now on.
static void remember(struct agent *a, const struct objects *found)
{
    struct strbuf known = {};

    sb_add(&known, sb_str(&found->paths), found->paths.len);
    (void)object_names_set(&a->links.names, found);
    if (known.failed)
        return;
    sb_done(&a->links.known);
    a->links.known = known;
}

void links_first(struct agent *a, const struct objects *found)
{
    struct link_scan *l = &a->links;

    l->looked_ns = now_ns(CLOCK_REALTIME);
    l->seen = l->pinned = l->failed = 0;
    l->incomplete = found->incomplete;
    links_pin(a, found);
    remember(a, found);
}

void links_start(struct agent *a)
{
    int r = objects_load(a->linked_path, &a->links.known);

    if (r < 0 && r != -ENOENT)
        (void)log_warning_code(r, "%s cannot be read: %m", a->linked_path);
}

struct scan {
    struct job job;
    struct agent *agent;
    struct loaded *loaded;
    struct worker *worker;
    struct mount_view view;
    struct strbuf known;
    struct objects found;
    uint64_t covers; // of link_scan.asked
    int result, saved;
};

static bool stop_scan(void *ctx)
{
    struct scan *s = ctx;

    return worker_stopping(s->worker);
}

static void run_scan(struct job *job, struct worker *w)
{
    struct scan *s = container_of(job, struct scan, job);
    const struct objects_limits limits = {.skip = s->agent->config.run_dir,
                                          .stop = stop_scan,
                                          .ctx = s};

    s->worker = w;
    s->result = mount_view_read("/proc/self/mountinfo", &s->view);
    if (s->result == 0)
        s->result = objects_find(s->loaded->image, s->view.all, &s->known, &limits, &s->found);
    // What was found counts also where its names cannot be kept.
    s->saved = s->result < 0 ? 0 : objects_save(&s->found, s->agent->linked_path);
}

// Once, until it goes again.
static void tell_saved(struct agent *a, int saved)
{
    if (saved < 0 && a->links.saved == 0)
        (void)log_warning_code(
            saved,
            "the names of files with several names cannot be kept in %s: %m; make room, "
            "or the next agent may not know all of them",
            a->linked_path);
    a->links.saved = saved;
}

static void tell(struct agent *a, const struct scan *s)
{
    struct link_scan *l = &a->links;

    l->looked_ns = now_ns(CLOCK_REALTIME);
    // What could be read while the policy was built is known already.
    if (s->found.incomplete && s->found.refused == 0)
        l->incomplete = s->found.incomplete;
    else if (!s->found.incomplete && !l->failed)
        l->incomplete = NULL;
    if (l->incomplete && l->incomplete != l->told)
        log_warning("files with several names: not all may be known: %s", l->incomplete);
    l->told = l->incomplete;
}

static void scan_free(struct scan *s)
{
    mount_view_done(&s->view);
    objects_done(&s->found);
    sb_done(&s->known);
    loaded_unref(s->loaded);
    free(s);
}

static void scan_done(struct job *job, bool ran)
{
    struct scan *s = container_of(job, struct scan, job);
    struct link_scan *l = &s->agent->links;
    struct agent *a = s->agent;
    bool more = false;

    l->running = false;
    if (ran && !a->stopping && a->policies.now == s->loaded && s->result == 0) {
        more = s->found.paths.len != l->known.len ||
               memcmp(sb_str(&s->found.paths), sb_str(&l->known), l->known.len) != 0;
        links_pin(a, &s->found);
        remember(a, &s->found);
        tell(a, s);
        tell_saved(a, s->saved);
        l->covered = s->covers;
    } else if (ran && s->result < 0) {
        (void)log_warning_code(s->result, "files with several names could not be looked for: %m");
        l->incomplete = "the last look for them failed";
    }
    scan_free(s);
    // By its other names it may be open.
    if (more || (a->descriptors.on && !a->stopping))
        descriptors_scan(a);
    if (l->again && !a->stopping)
        links_scan(a);
}

void links_scan(struct agent *a)
{
    struct link_scan *l = &a->links;
    struct scan *s;

    l->asked++;
    l->again = l->running;
    if (l->running || !a->policies.now)
        return;
    s = new0(struct scan, 1);
    if (!s)
        return;
    *s = (struct scan){
        .job = {.run = run_scan, .done = scan_done},
        .agent = a,
        .loaded = loaded_ref(a->policies.now),
        .covers = l->asked,
    };
    sb_add(&s->known, sb_str(&l->known), l->known.len);
    l->running = worker_submit(a->scanner, &s->job) == 0;
    if (!l->running)
        scan_free(s);
}
