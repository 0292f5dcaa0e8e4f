// SPDX-License-Identifier: Apache-2.0
//
// What was executed on a host, and what was not allowed to be: the newest first, with what became of it.
#include <errno.h>
#include <string.h>

#include <json-c/json.h>

#include "base/alloc.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "server/process_ask.h"
#include "server/write.h"

#define DEPTH_MAX 32
#define PAGE_MAX  200
#define DENIALS   (1u << STORE_DENIED | 1u << STORE_WOULD_DENY | 1u << STORE_NOT_HELD)

struct exec {
    char id[STORE_ID_SIZE];
    uint64_t time_ms;
    enum store_outcome outcome;
    char *rule;
    struct json_object *root; // NULL: it cannot be read
};

struct execs {
    struct process_ask *ask;
    struct exec items[PAGE_MAX];
    size_t n;
};

static int keep_exec(void *ctx, const struct store_row *row)
{
    struct execs *e = ctx;
    struct exec *x;

    if (e->n == PAGE_MAX)
        return -E2BIG;
    x = &e->items[e->n++];
    memcpy(x->id, row->id, strnlen(row->id, sizeof(x->id) - 1));
    x->time_ms = row->columns.time_ms;
    x->outcome = row->columns.outcome;
    x->root = row->columns.unreadable ? NULL : json_parse(row->line, row->len, DEPTH_MAX);
    if (row->columns.rule.s) {
        x->rule = mallocz(row->columns.rule.len + 1);
        if (!x->rule)
            return -ENOMEM;
        memcpy(x->rule, row->columns.rule.s, row->columns.rule.len);
    }
    return process_tree_add(e->ask->tree, row);
}

static bool is_open(const struct process_node *n)
{
    return n->launched && n->ended_ms == 0;
}

// The file: of the program, or of what was not allowed to be executed, where no process was there yet that the record could be about.
static struct json_object *file_of(const struct exec *x, struct json_object *process)
{
    struct json_object *file = json_get(process, "file");

    return file ? file : json_get(x->root, "file");
}

static void write_parent(struct jw *out, struct json_object *own)
{
    struct json_object *parent = json_get(own, "parent_process");

    if (!json_object_is_type(parent, json_type_object)) {
        jw_kv_null(out, "parent");
        return;
    }
    jw_kv_object(out, "parent");
    process_write_number(out, "pid", json_get_i64(parent, "pid", -1));
    write_text(out, "name", json_get_str(parent, "name", NULL));
    write_text(out, "path", json_get_str(parent, "path", NULL));
    write_text(out, "uid", json_get_str(parent, "uid", NULL));
    jw_end_object(out);
}

static void write_life(struct execs *e, const struct exec *x, const char *uid, struct jw *out)
{
    const struct process_node *node = process_tree_find(e->ask->tree, uid);
    bool refused = x->outcome == STORE_DENIED;

    jw_kv_str(out, "state",
              refused ? "refused"
              : node  ? process_state_name(process_tree_state(node, e->ask->boot_id))
                      : process_state_name(PROCESS_UNKNOWN));
    write_time(out, "ended", node && !refused ? node->ended_ms : 0);
    process_write_number(out, "exit_code", node && !refused ? node->exit_code : -1);
}

static void write_exec(struct execs *e, const struct exec *x, struct jw *out)
{
    struct json_object *actor = json_get(json_get(x->root, "actor"), "process"),
                       *process = json_get(x->root, "process"), *own = process ? process : actor,
                       *file = file_of(x, process);
    const char *uid = json_get_str(own, "uid", NULL);

    jw_begin_object(out);
    jw_kv_str(out, "id", x->id);
    jw_kv_u64(out, "time", x->time_ms);
    jw_kv_str(out, "outcome", store_outcome_name(x->outcome));
    write_text(out, "rule", x->rule);
    write_text(out, "uid", uid);
    process_write_number(out, "pid", json_get_i64(own, "pid", -1));
    write_text(out, "name",
               json_get_str(process, "name",
                            json_get_str(file, "name", json_get_str(own, "name", NULL))));
    write_text(out, "program", json_get_str(file, "path", NULL));
    write_text(out, "cmd_line", json_get_str(process, "cmd_line", NULL));
    write_text(out, "working_directory", json_get_str(process, "working_directory", NULL));
    write_text(out, "script", json_get_str(json_get(x->root, "unmapped"), "script", NULL));
    write_text(out, "terminal", json_get_str(json_get(own, "session"), "terminal", NULL));
    write_text(out, "user",
               json_get_str(json_get(own, "user"), "name",
                            json_get_str(json_get(own, "user"), "uid", NULL)));
    process_write_session(out, x->root, own);
    write_parent(out, own);
    write_life(e, x, uid, out);
    jw_end_object(out);
}

static void read_filter(const struct api_request *rq, const char *values[STORE_MARKS][2],
                        struct store_filter *f)
{
    static const char *const exec[] = {"exec", NULL};
    static const struct {
        enum store_mark mark;
        const char *param;
    } rows[] = {{STORE_MARK_RUN_USER, "user"},
                {STORE_MARK_SESSION, "session"},
                {STORE_MARK_CONTAINER, "container"},
                {STORE_MARK_PARENT, "parent"},
                {STORE_MARK_PROCESS, "process"}};

    *f = (struct store_filter){.from_ms = api_query_time(rq, "from", 0),
                               .to_ms = api_query_time(rq, "to", 0),
                               .path = api_query_str(rq, "program", NULL),
                               .user = api_query_str(rq, "login_user", NULL),
                               .cmd_line = api_query_str(rq, "q", NULL),
                               .outcomes = api_query_bool(rq, "denied", false) ? DENIALS : 0};
    f->marks[STORE_MARK_LAUNCH] = exec;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        values[rows[i].mark][0] = api_query_str(rq, rows[i].param, NULL);
        if (values[rows[i].mark][0])
            f->marks[rows[i].mark] = values[rows[i].mark];
    }
}

static void execs_free(struct execs *e)
{
    for (size_t i = 0; e && i < e->n; i++) {
        json_object_put(e->items[i].root);
        free(e->items[i].rule);
    }
    free(e);
}

static int write_execs(struct execs *e, const struct store_page *page, struct jw *out)
{
    begin_items(out);
    for (size_t i = 0; i < e->n; i++)
        write_exec(e, &e->items[i], out);
    jw_end_array(out);
    write_text(out, "next", page->more ? page->cursor : NULL);
    jw_kv_bool(out, "truncated", page->truncated);
    jw_end_object(out);
    return 0;
}

int route_host_processes(struct server *s, struct api_request *rq, struct jw *out,
                         struct error *err)
{
    struct execs *e = new0(struct execs, 1);
    const char *values[STORE_MARKS][2] = {};
    struct store_page page = {};
    struct store_filter filter;
    struct process_ask a;
    int r = process_ask_begin(&a, s, rq, err);

    if (r == 0 && !e)
        r = error_set(err, -ENOMEM, "no memory for processes");
    read_filter(rq, values, &filter);
    if (r == 0) {
        e->ask = &a;
        r = process_ask_rows(&a, &filter,
                             (uint32_t)MIN(api_query_u64(rq, "limit", 100), (uint64_t)PAGE_MAX),
                             api_query_str(rq, "cursor", NULL), true, keep_exec, e, &page);
    }
    if (r == 0)
        r = process_ask_ends(&a, is_open);
    if (r == 0)
        r = write_execs(e, &page, out);
    execs_free(e);
    process_ask_end(&a);
    return r;
}
