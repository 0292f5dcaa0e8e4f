// SPDX-License-Identifier: Apache-2.0
//
// Processes of a host, from its records: what was executed, one of them, its tree, and what runs as far as records tell. All of it is
// asked of the store each time; nothing is kept here.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "base/alloc.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "server/process_ask.h"
#include "server/server.h"
#include "server/write.h"
#include "store/store.h"

#define CLASS_PROCESS   1007
#define ACTIVITY_END    2
#define DEPTH_MAX       32
#define TREE_LEVELS     8
#define TREE_CHILDREN   300 // records that are looked at for a level
#define TREE_SIBLINGS   40
#define DENIALS_MAX     500
#define RUNNING_RECORDS 600
#define NOT_DENIED      (~(1u << STORE_DENIED) & ((1u << STORE_OUTCOMES) - 1))
#define DENIALS         (1u << STORE_DENIED | 1u << STORE_WOULD_DENY | 1u << STORE_NOT_HELD)

static const char *const of_exec[] = {"exec", NULL}, *const of_fork[] = {"fork", NULL},
                         *const of_launch[] = {"exec", "fork", NULL};

static int add_row(void *ctx, const struct store_row *row)
{
    return process_tree_add(((struct process_ask *)ctx)->tree, row);
}

static int into_tree(struct process_ask *a, const struct store_filter *f, uint32_t limit,
                     bool newest_first, bool *ret_more)
{
    struct store_page page;
    int r = process_ask_rows(a, f, limit, NULL, newest_first, add_row, a, &page);

    *ret_more = page.more;
    return r;
}

// ---- one process

// Records of its life, and without such the newest one in which it acts.
struct life {
    struct process_ask *a;
    char exec[STORE_ID_SIZE], end[STORE_ID_SIZE], last[STORE_ID_SIZE];
    char *line; // of the newest record that says most
    size_t len;
    uint64_t last_ms;
    int64_t signal;
    const char *uid;
    char *into; // which of the ids
};

static int keep_record(void *ctx, const struct store_row *row)
{
    struct life *l = ctx;

    (void)snprintf(l->into, STORE_ID_SIZE, "%s", row->id);
    l->last_ms = MAX(l->last_ms, row->columns.time_ms);
    if (!l->line && !row->columns.unreadable) {
        l->line = memdup(row->line, row->len);
        l->len = row->len;
        if (!l->line)
            return -ENOMEM;
    }
    if (l->into == l->end) {
        struct json_object *root = json_parse(row->line, row->len, DEPTH_MAX);

        l->signal = json_get_i64(json_get(root, "unmapped"), "signal", -1);
        json_object_put(root);
    }
    return process_tree_add(l->a->tree, row);
}

static int read_life(struct process_ask *a, const char *uid, struct life *l)
{
    const char *const uids[] = {uid, NULL};
    const struct store_filter of_it = {.marks[STORE_MARK_PROCESS] = uids};
    struct store_filter f = of_it;
    struct store_page page;
    bool more;
    int r;

    *l = (struct life){.a = a, .uid = uid, .signal = -1, .into = l->exec};
    // What was refused is none of its life.
    f.marks[STORE_MARK_LAUNCH] = of_exec;
    f.outcomes = NOT_DENIED;
    r = process_ask_rows(a, &f, 1, NULL, true, keep_record, l, &page);
    f.marks[STORE_MARK_LAUNCH] = of_fork;
    if (r == 0) // its own birth comes before those of its children
        r = into_tree(a, &f, 1, false, &more);
    f = of_it;
    f.class_uid = CLASS_PROCESS;
    f.activity = ACTIVITY_END;
    l->into = l->end;
    if (r == 0)
        r = process_ask_rows(a, &f, 1, NULL, true, keep_record, l, &page);
    l->into = l->last;
    if (r == 0)
        r = process_ask_rows(a, &of_it, 1, NULL, true, keep_record, l, &page);
    return r;
}

// The part of the record that is about the process: the program that it became, or who acted.
static struct json_object *own_part(struct json_object *root, const char *uid)
{
    struct json_object *about = json_get(root, "process"),
                       *actor = json_get(json_get(root, "actor"), "process");

    return streq(json_get_str(about, "uid", ""), uid) ? about : actor;
}

static void write_part(struct jw *out, const char *key, struct json_object *o)
{
    write_json(out, key, o ? json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN) : NULL);
}

struct outcomes {
    uint64_t n[STORE_OUTCOMES];
};

static int on_bucket(void *ctx, uint64_t from_ms _unused_,
                     const struct store_count counts[STORE_OUTCOMES])
{
    struct outcomes *o = ctx;

    for (unsigned i = 0; i < STORE_OUTCOMES; i++)
        o->n[i] += counts[i].events;
    return 0;
}

static int write_counts(struct process_ask *a, const char *uid, struct jw *out)
{
    const char *const uids[] = {uid, NULL};
    struct store_filter f = {.marks[STORE_MARK_PROCESS] = uids,
                             .hosts = a->hosts,
                             .n_hosts = 1,
                             .from_ms = 1,
                             .to_ms = STORE_TIME_MAX};
    struct store_chart chart = {};
    struct outcomes o = {};
    int r = process_ask_late(a) ? 0
                                : store_timeline(a->s->store, &f, 1, on_bucket, &o, &chart, a->err);

    if (r < 0)
        return r;
    a->truncated = a->truncated || chart.truncated;
    jw_kv_object(out, "counts");
    for (unsigned i = 0; i < STORE_OUTCOMES; i++)
        if (o.n[i])
            jw_kv_u64(out, store_outcome_name((enum store_outcome)i), o.n[i]);
    jw_end_object(out);
    return 0;
}

static int write_detail(struct process_ask *a, struct life *l, struct jw *out)
{
    const struct process_node *node = process_tree_find(a->tree, l->uid);
    struct json_object *root = l->line ? json_parse(l->line, l->len, DEPTH_MAX) : NULL,
                       *own = root ? own_part(root, l->uid) : NULL;
    const char *parent = node->parent ? node->parent : "";
    int r;

    jw_begin_object(out);
    jw_kv_str(out, "uid", l->uid);
    jw_kv_str(out, "host", a->host);
    jw_kv_str(out, "host_name", a->name);
    process_write_number(out, "pid", node->pid);
    write_text(out, "name", node->name);
    write_text(out, "program", node->program);
    write_text(out, "user", node->user);
    write_text(out, "parent", parent);
    process_write_session(out, root, own);
    jw_kv_str(out, "state", process_state_name(process_tree_state(node, a->boot_id)));
    write_time(out, "started", node->started_ms);
    write_time(out, "ended", node->ended_ms);
    process_write_number(out, "exit_code", node->exit_code);
    process_write_number(out, "signal", l->signal);
    write_time(out, "last_seen", l->last_ms);
    write_text(out, "exec_record", l->exec);
    write_text(out, "end_record", l->end);
    write_text(out, "last_record", l->last);
    write_part(out, "process", own);
    write_part(out, "actor", json_get(root, "actor"));
    write_part(out, "unmapped",
               own && own == json_get(root, "process") ? json_get(root, "unmapped") : NULL);
    r = write_counts(a, l->uid, out);
    jw_kv_bool(out, "truncated", a->truncated);
    jw_end_object(out);
    json_object_put(root);
    return r;
}

// Records that time did not suffice to find are no reason to say that there is no such process.
static int no_process(const struct process_ask *a, struct error *err)
{
    if (a->truncated) {
        (void)error_set(err, -ETIMEDOUT,
                        "the time for looking was over before the process was found");
        error_cure(
            err,
            "files of an older version are searched record by record: look at the records of a time instead");
        return -ETIMEDOUT;
    }
    return error_set(err, -ENOENT, "there is no record of this process, or not any more");
}

int route_host_process(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    struct life l = {};
    struct process_ask a;
    int r = process_ask_begin(&a, s, rq, err);

    if (r == 0)
        r = read_life(&a, api_path(rq, "uid"), &l);
    if (r == 0)
        r = process_tree_find(a.tree, l.uid) ? write_detail(&a, &l, out) : no_process(&a, err);
    free(l.line);
    process_ask_end(&a);
    return r;
}

// ---- trees

static bool is_chosen(const struct process_node *n)
{
    return n->wanted;
}

static bool is_open(const struct process_node *n)
{
    return n->launched && n->ended_ms == 0;
}

static int note_denial(void *ctx, const struct store_row *row)
{
    struct process_ask *a = ctx;
    char uid[PROCESS_UID_MAX + 1];
    struct process_node *node;

    if (row->columns.process.len == 0 || row->columns.process.len > PROCESS_UID_MAX)
        return 0;
    memcpy(uid, row->columns.process.s, row->columns.process.len);
    uid[row->columns.process.len] = '\0';
    node = process_tree_find(a->tree, uid);
    if (node)
        node->denials += row->columns.count;
    return 0;
}

// Counted anew: those that were met on the way are among them.
static int add_denials(struct process_ask *a)
{
    const char *uids[STORE_MARK_MAX + 1];
    struct process_node *node;
    struct store_page page;
    size_t at = 0;
    int r = 0;

    for (size_t i = 0; (node = process_tree_at(a->tree, i)); i++)
        node->denials = 0;
    while (r == 0 && process_ask_uids(a, &at, is_chosen, uids) > 0)
        r = process_ask_rows(a,
                             &(struct store_filter){.marks[STORE_MARK_PROCESS] = uids,
                                                    .outcomes = DENIALS},
                             DENIALS_MAX, NULL, true, note_denial, a, &page);
    return r;
}

static bool is_of(const char *const *parents, const struct process_node *n)
{
    for (size_t i = 0; n->parent && parents[i]; i++)
        if (streq(parents[i], n->parent))
            return true;
    return false;
}

// Children of `parents`: launched, or met otherwise.
static int add_children(struct process_ask *a, const char *const *parents)
{
    struct store_filter f = {.marks[STORE_MARK_PARENT] = parents};
    bool more;
    int r;

    f.marks[STORE_MARK_LAUNCH] = of_launch;
    r = into_tree(a, &f, TREE_CHILDREN, true, &more);
    a->truncated = a->truncated || more;
    f.marks[STORE_MARK_LAUNCH] = NULL;
    f.not_classes = (const uint32_t[]){CLASS_PROCESS};
    f.n_not_classes = 1;
    return r < 0 ? r : into_tree(a, &f, TREE_SIBLINGS, true, &more);
}

static int add_descendants(struct process_ask *a, const char *uid)
{
    const char *level[STORE_MARK_MAX + 1] = {uid}, *next[STORE_MARK_MAX + 1];
    struct process_node *node;
    int r = 0;

    for (unsigned depth = 0; r == 0 && level[0] && depth < TREE_LEVELS && !process_ask_late(a);
         depth++) {
        size_t n = 0;

        r = add_children(a, level);
        for (size_t i = 0; (node = process_tree_at(a->tree, i)); i++) {
            if (!is_of(level, node))
                continue;
            if (n < STORE_MARK_MAX)
                next[n++] = node->uid;
            else
                a->truncated = true;
        }
        next[n] = NULL;
        memcpy(level, next, (n + 1) * sizeof(level[0]));
        a->truncated = a->truncated || (level[0] && depth + 1 == TREE_LEVELS);
    }
    return r;
}

static int add_siblings(struct process_ask *a, const char *uid)
{
    const struct process_node *node = process_tree_find(a->tree, uid);
    const char *const parents[] = {node ? node->parent : NULL, NULL};
    struct store_filter f = {.marks[STORE_MARK_PARENT] = parents};
    bool more;

    if (!parents[0])
        return 0;
    f.marks[STORE_MARK_LAUNCH] = of_exec;
    return into_tree(a, &f, TREE_SIBLINGS, true, &more);
}

static int write_tree(struct process_ask *a, const char *uid, struct jw *out)
{
    int r;

    process_tree_choose(a->tree, uid, a->boot_id);
    r = process_ask_ends(a, is_chosen);
    if (r == 0)
        r = add_denials(a);
    // Of what ended meanwhile nothing is shown where only what runs is asked for.
    process_tree_choose(a->tree, uid, a->boot_id);
    if (r < 0)
        return r;
    jw_begin_object(out);
    jw_kv_str(out, "host", a->host);
    jw_kv_str(out, "host_name", a->name);
    jw_kv_str(out, "process", uid);
    jw_key(out, "nodes");
    r = process_tree_write(a->tree, a->boot_id, out);
    jw_kv_bool(out, "truncated", a->truncated || process_tree_full(a->tree));
    jw_end_object(out);
    return r;
}

int route_host_process_tree(struct server *s, struct api_request *rq, struct jw *out,
                            struct error *err)
{
    struct life l = {};
    struct process_ask a;
    int r = process_ask_begin(&a, s, rq, err);

    if (r == 0)
        r = read_life(&a, api_path(rq, "uid"), &l);
    if (r == 0 && !process_tree_find(a.tree, l.uid))
        r = no_process(&a, err);
    if (r == 0)
        r = add_descendants(&a, l.uid);
    if (r == 0)
        r = add_siblings(&a, l.uid);
    if (r == 0)
        r = write_tree(&a, l.uid, out);
    free(l.line);
    process_ask_end(&a);
    return r;
}

// Launched, and not ended, in the present boot. From the newest launches on.
int route_host_running(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
{
    struct store_filter f = {.outcomes = NOT_DENIED};
    bool more = false;
    struct process_ask a;
    int r = process_ask_begin(&a, s, rq, err);

    f.marks[STORE_MARK_LAUNCH] = of_launch;
    if (r == 0)
        r = into_tree(&a, &f, RUNNING_RECORDS, true, &more);
    a.truncated = a.truncated || more;
    if (r == 0)
        r = process_ask_ends(&a, is_open);
    if (r == 0)
        r = write_tree(&a, NULL, out);
    process_ask_end(&a);
    return r;
}
