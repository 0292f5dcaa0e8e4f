// SPDX-License-Identifier: Apache-2.0
//
// Which policy is in force. It is built by a worker whenever the directory, the mount table or a person asks
// for it; what cannot be built or not be put in force changes nothing. Only at the start there is something
// to choose: the directory, else what was accepted last, else what an earlier agent left in the kernel,
// else nothing but the agent's own rule.
#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/strutil.h"

#define FIRST_LOOK_NS (2 * NS_PER_SEC)  // for files with several names, before anything is in force
#define LOOK_NS       (10 * NS_PER_SEC) // ... while the policy before still is

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
    struct guarded_places defended;
    char *isolation;
    struct policy_mounts *mounts;
    struct policy_diags diags;
    struct error error;
    struct loaded *loaded;
    struct objects objects;
    struct strbuf known; // files with several names that were found before
    struct worker *worker;
    bool first;  // nothing is in force yet: protection waits for this
    bool trying; // policies of the server that were not in force before
    int result;
};

static void build_free(struct build *b)
{
    mounts_free(b->mounts);
    objects_done(&b->objects);
    sb_done(&b->known);
    policy_diags_done(&b->diags);
    loaded_unref(b->loaded);
    free(b->isolation);
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

    k->result = build_keep(k->loaded, k->agent->host.boot_id, k->agent->accepted_path);
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

struct coming {
    struct agent *agent;
    struct loaded *loaded;
};

static void on_coming(void *ctx, bool in_force)
{
    const struct coming *c = ctx;

    if (in_force)
        mountwatch_came(c->agent, c->loaded);
    else
        mountwatch_coming(c->agent, c->loaded);
}

static void set_env_names(struct agent *a, const struct policy *p)
{
    int r = sensor_set_env_names(a->sensor, p->record_env.items, p->record_env.n);

    if (r < 0)
        (void)log_warning_code(r, "variables that the policy names are not recorded: %m");
}

// Files with several names and time windows come into force with the policy, not after it.
static int set_policy(struct agent *a, struct loaded *l, const struct objects *linked,
                      struct error *err)
{
    _cleanup_free_ struct sensor_root *roots = new0(struct sensor_root, l->image->n_roots);
    uint64_t on[SG_SUBJECT_WORDS];
    struct coming coming = {a, l};
    struct sensor_facts facts;
    time_t next;
    int r;

    if (!roots)
        return error_set(err, -ENOMEM, "%m");
    for (size_t i = 0; i < l->image->n_roots; i++)
        roots[i] = (struct sensor_root){l->image->roots[i].dev, l->image->roots[i].root};
    policy_time_subjects(l->image, time(NULL), on, &next);
    sensor_stage(a->sensor, &(struct sensor_stage){.objects = linked->pins,
                                                   .n_objects = linked->n,
                                                   .on = on,
                                                   .coming = on_coming,
                                                   .ctx = &coming});
    // Names are learnt before rules ask for them.
    if (l->named)
        net_by_names(a, true);
    agent_patience(a, true);
    r = sensor_set_policy(a->sensor, l->image->mem, l->image->size, l->ops, roots,
                          l->image->n_roots, err);
    agent_patience(a, false);
    if (r >= 0)
        set_env_names(a, l->policy);
    if (r >= 0 && !l->named)
        net_by_names(a, false);
    // Its number in records is the sensor's to give.
    sensor_facts(a->sensor, &facts);
    l->id = facts.policy_id;
    return r;
}

// Takes over the reference.
static void push_before(struct policies *p, struct loaded *l)
{
    if (!l)
        return;
    loaded_drop_names(p->before[POLICIES_BEFORE - 1]);
    memmove(p->before + 1, p->before, (POLICIES_BEFORE - 1) * sizeof(p->before[0]));
    p->before[0] = l;
    loaded_keep_names(l);
}

// 0, or a negative errno with b->error: the policy before is in force.
static int enforce(struct agent *a, struct build *b)
{
    struct policies *p = &a->policies;
    struct loaded *l = b->loaded;
    int r;

    // Records of the policy before are named by its rules.
    records_drain(a);
    r = set_policy(a, l, &b->objects, &b->error);
    if (r < 0) {
        mountwatch_apply(a);
        return r;
    }
    push_before(p, p->now);
    p->now = TAKE_PTR(b->loaded);
    p->unfinished = r > 0 ? b->error : (struct error){};
    error_reset(&b->error);
    p->changed_ns = now_ns(CLOCK_REALTIME);
    p->n_changes++;
    p->step = STEP_RUNNING;
    if (b->options.dir && !b->options.accepted)
        p->refused_ns = 0;
    if (b->trying)
        uplink_build_in_force(a);
    times_apply(a, l->image);
    links_first(a, &b->objects);
    mountwatch_apply(a);
    policyreport_in_force(a, l, &b->diags);
    // Also those that come from there: what is kept has the number of the policy that it is.
    if (b->options.dir)
        keep(a, l);
    if (!a->scanned)
        a->scanned = process_table_scan(a->processes) == 0;
    health_test(a);
    descriptors_scan(a);
    links_scan(a);
    schedule_policy_changed(a);
    packets_policy_changed(a);
    cut_policy_changed(a);
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

// The server's policies were refused: true when those of this host are built without them, for whoever waits for that.
static bool build_again_without(struct agent *a, struct build *b)
{
    if (!uplink_build_refused(a, &b->diags, &b->error))
        return false;
    a->policies.building = false;
    start_build(a, a->policies.step);
    if (!a->policies.building) {
        a->policies.building = true; // it is this one that is answered for
        return false;
    }
    build_free(b);
    return true;
}

static void build_done(struct job *job, bool ran)
{
    struct build *b = container_of(job, struct build, job);
    struct policies *p = &b->agent->policies;
    struct agent *a = b->agent;
    bool refused;

    if (!ran || a->stopping) {
        build_free(b);
        return;
    }
    if ((p->step == STEP_DIR || p->step == STEP_RUNNING) && !(b->trying && b->result < 0))
        policyreport_diags(a, &b->diags);
    // p->building still: what asks for another build meanwhile gets it once the callers of this one have been answered.
    if (b->result == 0)
        b->result = enforce(a, b);
    if (b->trying && b->result < 0 && build_again_without(a, b))
        return;
    refused = b->result < 0 && !b->trying;
    if (refused)
        policyreport_refused(a, &b->diags, &b->error);
    answer_callers(a, b);
    uplink_reloads_done(a, b->result, &b->error);
    build_free(b);
    p->building = false;
    // Compiling and loading programs takes tens of megabytes for moments; the scans that follow take more.
    (void)malloc_trim(0);
    p->trim_due = true;
    if (refused && p->step != STEP_RUNNING)
        next_step(a);
    if (p->again && !p->building) {
        const char *why = TAKE_PTR(p->again);

        policies_reload(a, why);
    } else if (!p->building) {
        agent_reloading(a, false);
    }
}

// What is the agent's own and has a name.
static struct guarded_places places_of(const struct agent *a)
{
    return (struct guarded_places){
        .config_path = a->config_path,
        .policy_dir = a->config.policy_dir,
        .state_dir = a->config.state_dir,
        .spool_dir = a->config.spool_dir,
        .run_dir = a->config.run_dir,
        .pin_dir = a->config.pin_dir,
        .output_path = a->output_dir ? a->config.output_path : NULL,
    };
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
    r = mount_view_read("/proc/self/mountinfo", &view);
    b->mounts = TAKE_PTR(view.all);
    b->defended = places_of(a);
    if (r == 0)
        r = isolation_text(a, &b->isolation);
    b->options = (struct build_options){
        .isolation = b->isolation,
        .dir = step == STEP_OWN ? NULL : a->config.policy_dir,
        .accepted = step == STEP_ACCEPTED ? a->accepted_path : NULL,
        .run_dir = a->config.run_dir,
        .config_path = a->config_path,
        .monitor = a->config.mode == CONFIG_MODE_MONITOR,
        .defended = a->config.defence ? &b->defended : NULL,
        .mounts = b->mounts,
        .mounts_digest = view.digest,
    };
    b->trying = uplink_build_begins(a, step == STEP_DIR || step == STEP_RUNNING, &b->options);
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
    // Who asked means the directory: what is tried in its stead is no answer.
    p->n_served = step == STEP_DIR || step == STEP_RUNNING ? p->n_callers : 0;
    if (step == STEP_DIR || step == STEP_RUNNING)
        uplink_reloads_begin(a);
}

void policies_tick(struct agent *a)
{
    struct policies *p = &a->policies;

    if (!p->trim_due || p->building || a->links.running || a->descriptors.running)
        return;
    p->trim_due = false;
    (void)malloc_trim(0);
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
    policywatch_retry(a);
    agent_reloading(a, true);
    start_build(a, p->step == STEP_RUNNING ? STEP_RUNNING : STEP_DIR);
    if (!p->building)
        agent_reloading(a, false);
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

// The policy that an earlier agent left in force has numbers for its rules in records that still wait.
static void name_inherited(struct agent *a, uint32_t policy_id)
{
    const struct guarded_places defended = places_of(a);
    _cleanup_free_ char *isolation = NULL;
    struct build_options options = {
        .accepted = a->accepted_path,
        .only_names = true,
        .policy_id = policy_id,
        .boot_id = a->host.boot_id,
        .run_dir = a->config.run_dir,
        .config_path = a->config_path,
        // Its built-in rules stand in front of the others, and are counted with them.
        .defended = a->defence.was_on ? &defended : NULL,
    };
    struct policy_diags diags = {};
    int r;

    r = isolation_text(a, &isolation);
    options.isolation = isolation;
    if (r == 0)
        r = build_policy(&options, &diags, &a->policies.before[0], NULL);
    if (r == 0) {
        a->policies.before[0]->id = policy_id;
        loaded_keep_names(a->policies.before[0]);
    }
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
    policywatch_start(a);
    start_build(a, STEP_DIR);
    return a->policies.building ? 0 : -EIO;
}

void policies_stop(struct agent *a)
{
    struct policies *p = &a->policies;

    policywatch_stop(a);
    p->now = loaded_unref(p->now);
    for (size_t i = 0; i < POLICIES_BEFORE; i++)
        p->before[i] = loaded_drop_names(p->before[i]);
    free(p->diags);
    p->diags = NULL;
}
