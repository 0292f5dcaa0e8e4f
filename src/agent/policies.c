// SPDX-License-Identifier: Apache-2.0
//
// Which policy is in force. It is built by a worker whenever the directory, the mount table or a person asks
// for it; what cannot be built or not be put in force changes nothing. Only at the start there is something
// to choose: the directory, else what was accepted last, else what an earlier agent left in the kernel,
// else nothing but the agent's own rule.
#include <errno.h>
#include <libgen.h>
#include <malloc.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/strutil.h"

#define DEBOUNCE_MS     200
#define DEBOUNCE_MAX_NS (2 * NS_PER_SEC)
#define LOGGED_MAX      20               // mistakes; the status has all
#define FIRST_LOOK_NS   (2 * NS_PER_SEC) // for files with several names, before anything is in force
#define LOOK_NS         (10 * NS_PER_SEC) // ... while the policy before still is

enum step {
    STEP_DIR,
    STEP_ACCEPTED,
    STEP_OWN,
    STEP_RUNNING, // the start is over
};

struct build {
    struct job job;
    struct agent *agent;
    struct build_options options;
    struct policy_mounts *mounts;
    struct policy_diags diags;
    struct error error;
    struct loaded *loaded;
    struct objects objects;
    struct strbuf known; // files with several names that were found before
    struct worker *worker;
    bool first; // nothing is in force yet: protection waits for this
    int result;
};

static void build_free(struct build *b)
{
    mounts_free(b->mounts);
    objects_done(&b->objects);
    sb_done(&b->known);
    policy_diags_done(&b->diags);
    loaded_unref(b->loaded);
    free(b);
}

static bool stop_build(void *ctx)
{
    struct build *b = ctx;

    return worker_stopping(b->worker);
}

static void run_build(struct job *job, struct worker *w)
{
    struct build *b = container_of(job, struct build, job);
    const struct objects_limits limits = {
        .max_ns = b->first ? FIRST_LOOK_NS : LOOK_NS,
        .skip = b->options.run_dir,
        .stop = stop_build,
        .ctx = b,
    };

    b->worker = w;
    b->result = build_policy(&b->options, &b->diags, &b->loaded, &b->error);
    if (b->result == 0)
        (void)objects_find(b->loaded->image, b->mounts, &b->known, &limits, &b->objects);
}

// Keeping the texts of what is in force: another job, since it waits for the disk.
struct keep {
    struct job job;
    struct agent *agent;
    struct loaded *loaded;
    int result;
};

static void run_keep(struct job *job, struct worker *w _unused_)
{
    struct keep *k = container_of(job, struct keep, job);

    k->result = build_keep(k->loaded, k->agent->accepted_path);
}

static void keep_done(struct job *job, bool ran)
{
    struct keep *k = container_of(job, struct keep, job);

    if (ran && k->result < 0)
        (void)
            log_warning_code(k->result,
                             "the policy in force could not be kept in %s: %m; should its files be "
                             "broken when the agent starts next, it has nothing to go on with",
                             k->agent->accepted_path);
    loaded_unref(k->loaded);
    free(k);
}

static void keep(struct agent *a, struct loaded *l)
{
    struct keep *k = new0(struct keep, 1);

    if (!k)
        return;
    *k = (struct keep){.job = {.run = run_keep, .done = keep_done},
                       .agent = a,
                       .loaded = loaded_ref(l)};
    if (worker_submit(a->builder, &k->job) < 0)
        keep_done(&k->job, false);
}

static void remember_diags(struct policies *p, const struct policy_diags *diags)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    char *text;
    struct jw jw;

    jw_init(&jw, &sb);
    policy_diags_json(diags, &jw);
    if (jw_finish(&jw) < 0 || sb_finish(&sb, &text) < 0)
        return;
    free(p->diags);
    p->diags = text;
}

static void log_diags(const struct policy_diags *diags)
{
    for (size_t i = 0; i < diags->n && i < LOGGED_MAX; i++) {
        const struct policy_diag *d = &diags->items[i];
        struct error err = {};

        (void)error_at(&err, -EINVAL, d->file, d->line, d->column, "%s", strempty(d->message));
        if (d->expected)
            error_expected(&err, "%s", d->expected);
        if (d->cure)
            error_cure(&err, "%s", d->cure);
        (void)(d->severity == POLICY_ERROR ? log_error_struct(&err) : log_warning_struct(&err));
    }
    if (diags->n > LOGGED_MAX)
        log_warning("and %zu more: safeguard policy check", diags->n - LOGGED_MAX);
}

// The first mistake stands for all of them where there is room for one.
static void first_error(const struct policy_diags *diags, struct error *err)
{
    for (size_t i = 0; i < diags->n; i++) {
        const struct policy_diag *d = &diags->items[i];

        if (d->severity != POLICY_ERROR)
            continue;
        (void)error_at(err, -EINVAL, d->file, d->line, d->column, "%s", strempty(d->message));
        if (d->expected)
            error_expected(err, "%s", d->expected);
        error_cure(err, "%s%s'safeguard policy check' shows everything", strempty(d->cure),
                   d->cure ? "; " : "");
        return;
    }
}

static const char *what_stays(const struct agent *a)
{
    struct sensor_facts facts;

    if (a->policies.now)
        return "the policy before it stays in force";
    sensor_facts(a->sensor, &facts);
    return facts.policy_id ? "what an earlier agent put in force stays" : "no policy is in force";
}

static void refuse(struct agent *a, struct build *b)
{
    struct policies *p = &a->policies;
    _cleanup_(sb_done) struct strbuf sb = {};

    if (b->diags.n_errors)
        first_error(&b->diags, &b->error);
    p->error = b->error;
    p->refused_ns = now_ns(CLOCK_REALTIME);
    p->n_refusals++;
    log_diags(&b->diags);
    sb_printf(&sb, "the policies were refused: ");
    if (b->error.file[0])
        sb_printf(&sb, "%s:%u:%u: ", b->error.file, b->error.line, b->error.column);
    sb_printf(&sb, "%s; %s", b->error.what, what_stays(a));
    notice(a, &(struct notice){.kind = "policy",
                               .severity = NOTICE_HIGH,
                               .message = sb_str(&sb),
                               .cure = b->error.cure[0] ? b->error.cure : NULL});
}

// Files with several names and time windows come into force with the policy, not after it.
static int set_policy(struct agent *a, struct loaded *l, const struct objects *linked,
                      struct error *err)
{
    _cleanup_free_ struct sensor_root *roots = new0(struct sensor_root, l->image->n_roots);
    uint64_t on[SG_SUBJECT_WORDS];
    struct sensor_facts facts;
    time_t next;
    int r;

    if (!roots)
        return error_set(err, -ENOMEM, "%m");
    for (size_t i = 0; i < l->image->n_roots; i++)
        roots[i] = (struct sensor_root){l->image->roots[i].dev, l->image->roots[i].root};
    policy_time_subjects(l->image, time(NULL), on, &next);
    sensor_stage(a->sensor,
                 &(struct sensor_stage){.objects = linked->pins, .n_objects = linked->n, .on = on});
    agent_patience(a, true);
    r = sensor_set_policy(a->sensor, l->image->mem, l->image->size, l->ops, roots,
                          l->image->n_roots, err);
    agent_patience(a, false);
    // Its number in records is the sensor's to give.
    sensor_facts(a->sensor, &facts);
    l->id = facts.policy_id;
    return r;
}

static void announce(struct agent *a, const struct loaded *l, size_t n_warnings)
{
    const struct notice_number numbers[] = {
        {"policy_id", l->id},
        {"files", l->policy->n_files - 1},
        {"rules", l->n_rules - l->n_own},
        {"warnings", n_warnings},
    };
    _cleanup_(sb_done) struct strbuf sb = {};

    sb_printf(&sb, "policy %u is in force: %zu rule%s of %u file%s", l->id, l->n_rules - l->n_own,
              l->n_rules - l->n_own == 1 ? "" : "s", l->policy->n_files - 1,
              l->policy->n_files == 2 ? "" : "s");
    if (a->config.mode == CONFIG_MODE_MONITOR)
        sb_puts(&sb, ", nothing is blocked (mode: monitor)");
    if (l->accepted)
        sb_puts(&sb,
                "; these are the ones that were accepted last, those in the directory are broken");
    notice(a, &(struct notice){.kind = "policy",
                               .severity = l->accepted ? NOTICE_HIGH : NOTICE_INFO,
                               .message = sb_str(&sb),
                               .numbers = numbers,
                               .n_numbers = ARRAY_SIZE(numbers)});
}

// Takes over the reference.
static void push_before(struct policies *p, struct loaded *l)
{
    if (!l)
        return;
    loaded_unref(p->before[POLICIES_BEFORE - 1]);
    memmove(p->before + 1, p->before, (POLICIES_BEFORE - 1) * sizeof(p->before[0]));
    p->before[0] = l;
}

// 0, or a negative errno with b->error.
static int enforce(struct agent *a, struct build *b)
{
    struct policies *p = &a->policies;
    struct loaded *l = b->loaded;
    int r;

    // Records of the policy before are named by its rules.
    records_drain(a);
    r = set_policy(a, l, &b->objects, &b->error);
    if (r < 0)
        return r;
    push_before(p, p->now);
    p->now = TAKE_PTR(b->loaded);
    p->changed_ns = now_ns(CLOCK_REALTIME);
    p->n_changes++;
    p->step = STEP_RUNNING;
    if (b->options.dir && !b->options.accepted)
        p->refused_ns = 0;
    times_apply(a, l->image);
    links_first(a, &b->objects);
    mountwatch_apply(a);
    log_diags(&b->diags);
    announce(a, l, b->diags.n_warnings);
    if (b->options.dir && !l->accepted)
        keep(a, l);
    if (!a->scanned)
        a->scanned = process_table_scan(a->processes) == 0;
    health_policy_changed(a);
    links_scan(a);
    descriptors_scan(a);
    agent_ready(a);
    return 0;
}

static void answer_callers(struct agent *a, const struct build *b)
{
    struct policies *p = &a->policies;
    _cleanup_(sb_done) struct strbuf sb = {};
    struct jw jw;

    jw_init(&jw, &sb);
    status_policy_json(a, &jw);
    for (size_t i = 0; i < p->n_served; i++) {
        if (b->result < 0)
            control_server_fail(a->control, &p->callers[i], &b->error);
        else
            control_server_reply(a->control, &p->callers[i], &sb);
    }
    p->n_callers -= p->n_served;
    memmove(p->callers, p->callers + p->n_served, p->n_callers * sizeof(p->callers[0]));
    p->n_served = 0;
}

static void start_build(struct agent *a, enum step step);

// What to do at the start when a build failed.
static void next_step(struct agent *a)
{
    struct policies *p = &a->policies;
    struct sensor_facts facts;

    sensor_facts(a->sensor, &facts);
    if (p->step == STEP_DIR && access(a->accepted_path, R_OK) == 0) {
        log_warning("trying the policy that was accepted last: %s", a->accepted_path);
        start_build(a, STEP_ACCEPTED);
    } else if (p->step != STEP_OWN && !facts.policy_id) {
        start_build(a, STEP_OWN);
    } else if (p->step == STEP_OWN) {
        log_error("not even the agent's own rule can be put in force");
        (void)loop_exit(a->loop, -EIO);
    } else {
        log_warning("what an earlier agent put in force is kept as it is");
        p->step = STEP_RUNNING;
        agent_ready(a);
    }
}

static void build_done(struct job *job, bool ran)
{
    struct build *b = container_of(job, struct build, job);
    struct policies *p = &b->agent->policies;
    struct agent *a = b->agent;

    if (!ran || a->stopping) {
        build_free(b);
        return;
    }
    p->building = false;
    if (p->step == STEP_DIR || p->step == STEP_RUNNING)
        remember_diags(p, &b->diags);
    if (b->result == 0)
        b->result = enforce(a, b);
    if (b->result < 0) {
        refuse(a, b);
        if (p->step != STEP_RUNNING)
            next_step(a);
    }
    answer_callers(a, b);
    build_free(b);
    // Compiling and loading programs takes tens of megabytes for moments.
    (void)malloc_trim(0);
    agent_reloading(a, false);
    if (p->again && !p->building) {
        const char *why = TAKE_PTR(p->again);

        policies_reload(a, why);
    }
}

static void start_build(struct agent *a, enum step step)
{
    struct policies *p = &a->policies;
    struct build *b = new0(struct build, 1);
    struct mount_view view = {};
    int r;

    p->step = step;
    if (!b) {
        log_error("no memory to build the policies; they are read again at the next change");
        return;
    }
    b->job = (struct job){.run = run_build, .done = build_done};
    b->agent = a;
    b->first = !p->now;
    sb_add(&b->known, sb_str(&a->links.known), a->links.known.len);
    // A table of its own: the worker reads it while ours may change.
    r = mount_view_read("/proc/self/mountinfo", a->mounts.foreign, &view);
    b->mounts = TAKE_PTR(view.all);
    b->options = (struct build_options){
        .dir = step == STEP_OWN ? NULL : a->config.policy_dir,
        .accepted = step == STEP_ACCEPTED ? a->accepted_path : NULL,
        .run_dir = a->config.run_dir,
        .config_path = a->config_path,
        .monitor = a->config.mode == CONFIG_MODE_MONITOR,
        .mounts = b->mounts,
        .mounts_digest = view.digest,
    };
    mount_view_done(&view);
    if (r == 0)
        r = worker_submit(a->builder, &b->job);
    if (r < 0) {
        (void)log_error_code(
            r, "the policies cannot be built: %m; they are read again at the next change");
        build_free(b);
        return;
    }
    p->building = true;
    p->n_served = p->n_callers;
}

void policies_reload(struct agent *a, const char *why)
{
    struct policies *p = &a->policies;

    if (a->stopping)
        return;
    if (p->building) {
        p->again = why;
        return;
    }
    log_debug("building the policies: %s", why);
    agent_reloading(a, true);
    start_build(a, p->step == STEP_RUNNING ? STEP_RUNNING : STEP_DIR);
}

int policies_reload_for(struct agent *a, const struct control_caller *caller)
{
    struct policies *p = &a->policies;

    if (p->n_callers == AGENT_CALLERS_MAX)
        return -EBUSY;
    p->callers[p->n_callers++] = *caller;
    // A build that runs may have read the files before they were what the caller means: another follows.
    policies_reload(a, "somebody asked for it");
    if (!p->building)
        p->n_callers--;
    return p->building ? 0 : -EIO;
}

static const struct loaded *by_id(const struct agent *a, uint32_t policy_id)
{
    const struct policies *p = &a->policies;

    if (p->now && p->now->id == policy_id)
        return p->now;
    for (size_t i = 0; i < POLICIES_BEFORE; i++)
        if (p->before[i] && p->before[i]->id == policy_id)
            return p->before[i];
    return NULL;
}

const struct rule_ref *policies_rule(const struct agent *a, uint32_t policy_id, uint16_t rule)
{
    const struct loaded *l = by_id(a, policy_id);

    return l && rule < l->n_rules ? &l->rules[rule] : NULL;
}

bool policies_rule_is_own(const struct agent *a, uint32_t policy_id, uint16_t rule)
{
    const struct loaded *l = by_id(a, policy_id);

    return l && rule < l->n_own;
}

static int on_settled(void *ctx)
{
    struct agent *a = ctx;

    a->policies.unsettled_ns = 0;
    policies_reload(a, "the policy directory changed");
    return 0;
}

// Waits until nothing has happened for a while, but not for ever.
static void debounce(struct policies *p)
{
    uint64_t now = now_ns(CLOCK_MONOTONIC);

    if (!p->unsettled_ns)
        p->unsettled_ns = now;
    if (now - p->unsettled_ns < DEBOUNCE_MAX_NS)
        (void)loop_source_rearm(p->debounce, DEBOUNCE_MS);
}

// Watches the directory, and the one that it lies in: it may be replaced as a whole.
static void watch_dirs(struct agent *a)
{
    struct policies *p = &a->policies;
    _cleanup_free_ char *copy = xstrndup(a->config.policy_dir, 4096);

    p->dir_watch = inotify_add_watch(p->inotify_fd, a->config.policy_dir,
                                     IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                                         IN_CREATE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF |
                                         IN_ONLYDIR);
    if (copy)
        p->parent_watch = inotify_add_watch(p->inotify_fd, dirname(copy),
                                            IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE |
                                                IN_ONLYDIR);
}

// Does an event ask for another look? Editors leave hidden files beside those they write; "..data" is how
// mounted configurations are replaced as a whole.
static bool concerns(const struct agent *a, const struct inotify_event *e)
{
    const char *name = e->len ? e->name : "";
    struct bytes base;

    if (e->mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED))
        return true;
    if (e->wd == a->policies.dir_watch)
        return name[0] != '.' || streq(name, "..data");
    base = bytes_basename(
        (struct bytes){a->config.policy_dir, (uint32_t)strlen(a->config.policy_dir)});
    return strlen(name) == base.len && memcmp(name, base.s, base.len) == 0;
}

static int on_inotify(void *ctx, int fd, uint32_t events _unused_)
{
    char buf[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
    struct agent *a = ctx;
    bool changed = false;
    ssize_t n;

    while ((n = read(fd, buf, sizeof(buf))) > 0)
        for (char *p = buf; p < buf + n;) {
            const struct inotify_event *e = (const struct inotify_event *)p;

            changed = changed || concerns(a, e);
            p += sizeof(*e) + e->len;
        }
    if (!changed)
        return 0;
    watch_dirs(a);
    debounce(&a->policies);
    return 0;
}

static void start_watching(struct agent *a)
{
    struct policies *p = &a->policies;
    int r;

    p->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    r = p->inotify_fd < 0 ? negative_errno() : 0;
    if (r == 0)
        r = loop_add_timer(a->loop, DEBOUNCE_MS, 0, 10, on_settled, a, &p->debounce);
    if (r == 0)
        r = loop_source_enable(p->debounce, false);
    if (r == 0)
        r = loop_add_fd(a->loop, p->inotify_fd, EPOLLIN, on_inotify, a, &p->watch);
    if (r < 0) {
        (void)log_warning_code(
            r, "changes of %s will not be noticed: %m; use 'safeguard policy reload'",
            a->config.policy_dir);
        return;
    }
    watch_dirs(a);
}

// The policy that an earlier agent left in force has numbers for its rules in records that still wait.
static void name_inherited(struct agent *a, uint32_t policy_id)
{
    const struct build_options options = {
        .accepted = a->accepted_path,
        .only_names = true,
        .run_dir = a->config.run_dir,
        .config_path = a->config_path,
    };
    struct policy_diags diags = {};
    int r;

    r = build_policy(&options, &diags, &a->policies.before[0], NULL);
    if (r == 0)
        a->policies.before[0]->id = policy_id;
    policy_diags_done(&diags);
    if (r < 0)
        log_info(
            "records of policy %u, which an earlier agent put in force, will not name their rules",
            policy_id);
}

int policies_start(struct agent *a, struct error *err _unused_)
{
    struct sensor_facts facts;

    sensor_facts(a->sensor, &facts);
    if (facts.policy_id)
        name_inherited(a, facts.policy_id);
    start_watching(a);
    start_build(a, STEP_DIR);
    return a->policies.building ? 0 : -EIO;
}

void policies_stop(struct agent *a)
{
    struct policies *p = &a->policies;

    p->watch = loop_source_free(p->watch);
    p->debounce = loop_source_free(p->debounce);
    p->inotify_fd = safe_close(p->inotify_fd);
    p->now = loaded_unref(p->now);
    for (size_t i = 0; i < POLICIES_BEFORE; i++)
        p->before[i] = loaded_unref(p->before[i]);
    free(p->diags);
    p->diags = NULL;
}
