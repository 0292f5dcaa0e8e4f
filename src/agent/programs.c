// SPDX-License-Identifier: Apache-2.0
//
// What the programs are that are executed: the files room is asked in a thread, since it reads files. Asked are execs that make a
// record, which waits for the answer (held.c), and, a few a second, what runs and nobody has asked about yet. Questions go to
// the thread in batches: one that has much to read does not keep the others from their answers for long.
#include <errno.h>
#include <string.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"

#define BATCH        64u                 // questions
#define BATCH_BYTES  ((uint64_t)8 << 20) // read for one batch, but for a single larger file
#define REFRESH_NS   (5 * NS_PER_SEC)
#define UNASKED_LOOK 1024u // entries of the table that are looked at in a second
#define UNASKED_ASK  16u   // of these, questions

struct program_ask {
    struct program_ask *next;
    struct files_ask ask;
    struct files_answer answer;
    uint64_t id; // of the record that waits; 0: none
    bool done;
    char path[]; // and the script's, each with a NUL
};

struct batch {
    struct job job;
    struct agent *agent;
    struct program_ask *first;
    struct files_counters counters; // afterwards
};

static bool is_stopping(void *ctx)
{
    return worker_stopping(ctx);
}

// In the thread. First those that cost nothing, then the others as far as they go.
static void run_batch(struct job *job, struct worker *w)
{
    struct batch *b = (struct batch *)job;
    struct files *files = b->agent->programs.files;
    uint64_t read = 0;

    for (struct program_ask *q = b->first; q && !worker_stopping(w); q = q->next) {
        if (files_cost(files, &q->ask) > 0)
            continue;
        files_ask(files, &q->ask, is_stopping, w, &q->answer);
        q->done = true;
    }
    for (struct program_ask *q = b->first; q && !worker_stopping(w); q = q->next) {
        if (q->done)
            continue;
        if (read >= BATCH_BYTES)
            break;
        read += files_cost(files, &q->ask);
        files_ask(files, &q->ask, is_stopping, w, &q->answer);
        q->done = true;
    }
    files_counters(files, &b->counters);
}

struct refresh {
    struct job job;
    struct agent *agent;
};

static void run_refresh(struct job *job, struct worker *w _unused_)
{
    files_refresh(((struct refresh *)job)->agent->programs.files);
}

static void refresh_done(struct job *job, bool ran _unused_)
{
    struct refresh *r = (struct refresh *)job;

    r->agent->programs.refreshing = false;
    free(r);
}

// Packages may have come and gone.
static void refresh(struct agent *a)
{
    struct programs *p = &a->programs;
    uint64_t now = now_ns(CLOCK_MONOTONIC);
    struct refresh *r;

    if (p->refreshing || (p->refreshed_ns && now - p->refreshed_ns < REFRESH_NS))
        return;
    r = new0(struct refresh, 1);
    if (!r)
        return;
    r->job = (struct job){.run = run_refresh, .done = refresh_done};
    r->agent = a;
    p->refreshing = true;
    p->refreshed_ns = now;
    if (worker_submit(p->worker, &r->job) < 0)
        refresh_done(&r->job, false);
}

// Its texts are the answer's.
static struct file_facts facts_of(const struct files_fact *fact)
{
    struct file_facts facts = {
        .hash = fact->hash,
        .package = {fact->package, (uint32_t)strlen(fact->package)},
        .version = {fact->version, (uint32_t)strlen(fact->version)},
    };

    memcpy(facts.sha256, fact->sha256, sizeof(facts.sha256));
    return facts;
}

static void answered(struct agent *a, const struct program_ask *q)
{
    const struct file_facts script = facts_of(&q->answer.script);
    struct file_facts facts = facts_of(&q->answer.program);

    if (!q->ask.refused)
        process_table_set_facts(a->processes, &q->ask.ref, q->ask.dev, q->ask.ino, &facts);
    facts.script = script.hash == FILE_HASH_NONE ? NULL : &script;
    if (q->id)
        held_answer(a, q->id, &facts);
}

static void submit(struct agent *a);

static void batch_done(struct job *job, bool ran)
{
    struct batch *b = (struct batch *)job;
    struct programs *p = &b->agent->programs;
    struct program_ask **undone = &p->first, *old = p->first;

    if (ran)
        p->counters = b->counters;
    // Those that were not come to go on where they were: in front.
    p->first = NULL;
    for (struct program_ask *q = b->first, *next; q; q = next) {
        next = q->next;
        q->next = NULL;
        if (!q->done && ran && !b->agent->stopping) {
            *undone = q;
            undone = &q->next;
            continue;
        }
        if (q->done && ran)
            answered(b->agent, q);
        p->n--;
        free(q);
    }
    *undone = old;
    if (!old)
        p->last = undone;
    p->running = false;
    if (!b->agent->stopping)
        submit(b->agent);
    free(b);
}

static void submit(struct agent *a)
{
    struct programs *p = &a->programs;
    struct program_ask **end = &p->first;
    struct batch *b;

    if (p->running || !p->first)
        return;
    b = new0(struct batch, 1);
    if (!b)
        return; // the next question tries again
    b->job = (struct job){.run = run_batch, .done = batch_done};
    b->agent = a;
    b->first = p->first;
    for (unsigned i = 0; i < BATCH && *end; i++)
        end = &(*end)->next;
    p->first = *end;
    *end = NULL;
    if (!p->first)
        p->last = &p->first;
    p->running = true;
    if (worker_submit(p->worker, &b->job) < 0)
        batch_done(&b->job, false);
}

// Takes a copy of everything. False: too many wait.
static bool ask(struct agent *a, const struct files_ask *question, struct bytes path,
                struct bytes script, uint64_t id)
{
    struct programs *p = &a->programs;
    struct program_ask *q;

    if (p->n >= PROGRAMS_ASKS_MAX || path.len > SG_PATH_BYTES_MAX ||
        script.len > SG_PATH_BYTES_MAX) {
        p->n_busy++;
        return false;
    }
    q = mallocz(sizeof(*q) + path.len + 1 + script.len + 1);
    if (!q) {
        p->n_busy++;
        return false;
    }
    q->ask = *question;
    q->id = id;
    if (path.len) {
        memcpy(q->path, path.s, path.len);
        q->ask.path = q->path;
    }
    if (script.len) {
        memcpy(q->path + path.len + 1, script.s, script.len);
        q->ask.script = q->path + path.len + 1;
    }
    *p->last = q;
    p->last = &q->next;
    p->n++;
    return true;
}

void programs_ask(struct agent *a, struct event *ev)
{
    static const struct file_facts waiting = {.hash = FILE_HASH_WAITING},
                                   busy = {.hash = FILE_HASH_BUSY};
    struct files_ask question = {
        .ref = ev->process.ref,
        .ino = ev->exe_ino,
        .dev = ev->exe_dev,
        .exec_ns = ev->realtime_ns,
        .refused = ev->error != 0,
        .script_ino = ev->launch.script_ino,
        .script_dev = ev->launch.script_dev,
    };
    struct bytes path = {}, script = {};

    if (!a->programs.worker || ev->kind != EVENT_EXEC || !ev->exe_ino)
        return;
    if (ev->path.kind == EVENT_PATH_HOST && !(ev->launch.flags & SG_LAUNCH_DELETED))
        path = ev->path.bytes;
    if (ev->launch.script.kind == EVENT_PATH_HOST && ev->launch.script_ino)
        script = ev->launch.script.bytes;
    if (!ask(a, &question, path, script, a->programs.next_id + 1)) {
        ev->file = &busy;
        return;
    }
    a->programs.next_id++;
    ev->file = &waiting;
}

void programs_asked(struct agent *a)
{
    if (a->programs.worker)
        submit(a);
}

void programs_tick(struct agent *a)
{
    struct process_program program;
    struct programs *p = &a->programs;

    if (!p->worker)
        return;
    refresh(a);
    for (unsigned i = 0; i < UNASKED_ASK && p->n < PROGRAMS_ASKS_MAX / 2; i++) {
        struct files_ask question = {};

        if (!process_table_unasked(a->processes, &p->cursor, UNASKED_LOOK, &program))
            break;
        question.ref = program.ref;
        question.ino = program.ino;
        question.dev = program.dev;
        (void)ask(a, &question, program.path, (struct bytes){}, 0);
    }
    submit(a);
}

int programs_start(struct agent *a)
{
    const struct files_options options = {.max_bytes = a->config.hash_size};
    struct programs *p = &a->programs;
    int r;

    p->last = &p->first;
    if (a->config.hash_size == 0)
        return 0;
    r = files_new(&options, &p->files);
    r = r < 0 ? r : worker_new(a->loop, "sg-files", 2, true, &p->worker);
    if (r == 0)
        refresh(a); // before anybody asks
    return r;
}

void programs_stop(struct agent *a)
{
    struct programs *p = &a->programs;

    p->worker = worker_free(p->worker);
    while (p->first) {
        struct program_ask *next = p->first->next;

        free(p->first);
        p->first = next;
    }
    p->files = files_free(p->files);
}

void programs_json(const struct agent *a, struct jw *jw)
{
    const struct programs *p = &a->programs;
    const struct files_counters *c = &p->counters;

    jw_begin_object(jw);
    jw_kv_bool(jw, "hashing", p->worker != NULL);
    jw_kv_u64(jw, "asked", c->asked);
    jw_kv_u64(jw, "cached", c->cached);
    jw_kv_u64(jw, "hashed", c->hashed);
    jw_kv_u64(jw, "hashed_again", c->again);
    jw_kv_u64(jw, "bytes", c->bytes);
    jw_kv_u64(jw, "waiting", p->n);
    jw_kv_object(jw, "missing");
    for (enum file_hash i = FILE_HASH_LATE; i < FILE_HASH_COUNT; i++) {
        uint64_t n = i == FILE_HASH_LATE   ? a->held.n_late
                     : i == FILE_HASH_BUSY ? p->n_busy + c->missing[i]
                                           : c->missing[i];

        jw_kv_u64(jw, file_hash_name(i), n);
    }
    jw_end_object(jw);
    jw_kv_u64(jw, "packages", c->packages);
    jw_kv_u64(jw, "package_files", c->package_files);
    jw_kv_u64(jw, "package_files_left_out", c->package_files_dropped);
    jw_kv_u64(jw, "package_bytes", c->package_bytes);
    jw_kv_str(jw, "packages_error", c->package_error ? strerror(-c->package_error) : NULL);
    jw_end_object(jw);
}
