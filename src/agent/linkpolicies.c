// SPDX-License-Identifier: Apache-2.0
//
// Policies of the server. What comes down is written beside what is in use, by the thread that builds policies, and tried
// by the next build together with the policies of this host. When that is in force it takes the place of what was in
// use; when it is refused, what was in use stays, and the server is told why. It is tried again with every later
// build, since what was wrong may have been a policy of this host.
#include <errno.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/bundle.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#define AGAIN_NS (60 * NS_PER_SEC)

struct bundle_job {
    struct job job;
    struct agent *agent;
    char path[4096];
    char id[BUNDLE_ID_TEXT]; // "": none
    struct bundle_file *files;
    size_t n;
    bool replace; // in use from now on: nothing is written
    char to[4096];
    struct error error;
    int result;
};

static void job_free(struct bundle_job *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->n; i++) {
        free((char *)b->files[i].name);
        free((char *)b->files[i].text);
    }
    free(b->files);
    free(b);
}

static void run_write(struct job *job, struct worker *w _unused_)
{
    struct bundle_job *b = container_of(job, struct bundle_job, job);

    if (b->replace)
        b->result = bundle_dir_replace(b->id[0] ? b->path : NULL, b->to, &b->error);
    else if (b->id[0])
        b->result = bundle_dir_write(b->path, b->id, b->files, b->n, &b->error);
}

static void refuse(struct agent *a, const struct error *err)
{
    struct uplink *u = &a->uplink;
    _cleanup_(sb_done) struct strbuf sb = {};

    u->refused = true;
    u->refusal = *err;
    uplink_rows_changed(a);
    sb_puts(&sb, "the policies that the server sent were refused: ");
    if (err->line)
        sb_printf(&sb, "%s:%u:%u: ", err->file, err->line, err->column);
    sb_printf(&sb, "%s; those before them stay", err->what);
    notice(a, &(struct notice){.kind = "policy",
                               .severity = NOTICE_HIGH,
                               .message = sb_str(&sb),
                               .cure = err->cure[0] ? err->cure : NULL});
}

static void write_done(struct job *job, bool ran)
{
    struct bundle_job *b = container_of(job, struct bundle_job, job);
    struct agent *a = b->agent;
    struct uplink *u = &a->uplink;

    if (!ran || a->stopping) {
        job_free(b);
        return;
    }
    if (b->result < 0) {
        refuse(a, &b->error);
        u->coming = b; // the disk may have room again
        u->coming_ns = now_ns(CLOCK_MONOTONIC) + AGAIN_NS;
        return;
    }
    if (streq(b->id, u->wanted)) {
        u->trying = u->first_try = true;
        u->trying_none = !b->id[0];
        u->refused = false;
        policies_reload(a, "the server has other policies for this host");
    }
    job_free(b);
}

static void replace_done(struct job *job, bool ran)
{
    struct bundle_job *b = container_of(job, struct bundle_job, job);

    if (ran && b->result < 0) {
        struct uplink *u = &b->agent->uplink;

        (void)log_error_struct(&b->error);
        // What is in force lies where it was tried: builds read it there until it can take its place.
        u->trying = u->trying || streq(b->id, u->wanted);
    }
    job_free(b);
}

// A job for the thread that builds; what it cannot take now it gets with a later tick.
static void submit_coming(struct agent *a)
{
    struct uplink *u = &a->uplink;

    if (worker_submit(a->builder, &u->coming->job) == 0)
        u->coming = NULL;
    else
        u->coming_ns = now_ns(CLOCK_MONOTONIC) + NS_PER_SEC;
}

static struct bundle_job *job_new(struct agent *a, const char *id)
{
    struct bundle_job *b = new0(struct bundle_job, 1);

    if (!b)
        return NULL;
    b->agent = a;
    (void)snprintf(b->id, sizeof(b->id), "%s", id);
    (void)snprintf(b->path, sizeof(b->path), "%s", a->uplink.trying_path);
    (void)snprintf(b->to, sizeof(b->to), "%s", a->uplink.policies_path);
    b->job = (struct job){.run = run_write, .done = write_done};
    return b;
}

static int copy_files(struct bundle_job *b, const struct bundle_file *files, size_t n)
{
    b->files = new0(struct bundle_file, n);
    if (!b->files)
        return -ENOMEM;
    for (; b->n < n; b->n++) {
        b->files[b->n] = files[b->n];
        b->files[b->n].name = xstrndup(files[b->n].name, BUNDLE_NAME_MAX);
        b->files[b->n].text = memdup(files[b->n].text, files[b->n].len);
        if (!b->files[b->n].name || !b->files[b->n].text) {
            b->n++;
            return -ENOMEM;
        }
    }
    return 0;
}

void uplink_bundle(void *ctx, const char *id, const struct bundle_file *files, size_t n)
{
    struct agent *a = ctx;
    struct uplink *u = &a->uplink;
    struct bundle_job *b;

    (void)snprintf(u->wanted, sizeof(u->wanted), "%s", strempty(id));
    u->known = true;
    u->trying = false; // what was tried before is not wanted any more
    free(u->refusal_diags);
    u->refusal_diags = NULL;
    u->refused = false;
    if (a->policies.now && !a->policies.now->accepted && streq(a->policies.now->bundle, u->wanted))
        return;
    b = job_new(a, strempty(id));
    if (!b || copy_files(b, files, n) < 0) {
        job_free(b);
        log_error(
            "no memory for the policies that the server sent; they come again when the agent starts");
        return;
    }
    log_info("the server has %s for this host", id ? "other policies" : "no policies");
    job_free(u->coming);
    u->coming = b;
    submit_coming(a);
}

bool uplink_build_begins(struct agent *a, bool ordinary, struct build_options *options)
{
    struct uplink *u = &a->uplink;
    bool trying = ordinary && u->trying && !u->without;

    u->without = false;
    options->server_shown = u->policies_path;
    options->server_dir = u->policies_path;
    if (trying && u->trying_none) {
        options->server_dir = NULL;
    } else if (trying) {
        options->server_dir = u->trying_path;
        memcpy(options->server_id, u->wanted, sizeof(options->server_id));
    }
    return trying;
}

// What was tried is in force: it takes the place of what was in use, before anything else is built.
void uplink_build_in_force(struct agent *a)
{
    struct uplink *u = &a->uplink;
    struct bundle_job *b;

    // The server wants others by now, which are about to be tried at the same place.
    if (!u->trying || !streq(a->policies.now->bundle, u->wanted))
        return;
    b = job_new(a, u->wanted);
    if (!b)
        return; // the next build tries it again
    b->replace = true;
    b->job.done = replace_done;
    if (worker_submit(a->builder, &b->job) < 0) {
        job_free(b);
        return;
    }
    u->trying = u->first_try = false;
    u->refused = false;
    free(u->refusal_diags);
    u->refusal_diags = NULL;
}

bool uplink_build_refused(struct agent *a, const struct policy_diags *diags, struct error *err)
{
    struct uplink *u = &a->uplink;
    _cleanup_(sb_done) struct strbuf sb = {};
    bool first = u->first_try;
    struct jw jw;
    char *text;

    if (!u->trying) // others are wanted by now
        return a->policies.n_callers > 0 || !a->policies.now;
    u->first_try = false;
    policyreport_first(diags, err);
    jw_init(&jw, &sb);
    policy_diags_json(diags, &jw);
    if (jw_finish(&jw) == 0 && sb_finish(&sb, &text) == 0) {
        free(u->refusal_diags);
        u->refusal_diags = text;
    }
    if (first)
        refuse(a, err);
    u->refusal = *err;
    u->without = !first || a->policies.n_callers > 0 || !a->policies.now;
    return u->without;
}

void uplink_policies_tick(struct agent *a)
{
    struct uplink *u = &a->uplink;

    if (u->coming && now_ns(CLOCK_MONOTONIC) >= u->coming_ns)
        submit_coming(a);
}

void uplink_policies_stop(struct agent *a)
{
    job_free(a->uplink.coming);
    a->uplink.coming = NULL;
    free(a->uplink.refusal_diags);
    a->uplink.refusal_diags = NULL;
}
