// SPDX-License-Identifier: Apache-2.0
#include "server/process_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "base/table.h"

#define DEPTH_MAX      32
#define LAUNCH_FORK    2
#define CLASS_PROCESS  1007
#define ACTIVITY_BEGIN 1
#define ACTIVITY_END   2
#define ACTION_DENIED  2

struct process_tree {
    struct process_node *nodes[PROCESS_TREE_MAX];
    size_t n;
    struct map *by_uid;
    bool full;
};

const char *process_state_name(enum process_state state)
{
    static const char *const names[] = {[PROCESS_UNKNOWN] = "unknown",
                                        [PROCESS_RUNNING] = "running",
                                        [PROCESS_ENDED] = "ended",
                                        [PROCESS_GONE] = "gone"};

    return names[state];
}

static void node_free(void *p)
{
    struct process_node *n = p;

    free(n->uid);
    free(n->parent);
    free(n->name);
    free(n->program);
    free(n->cmd_line);
    free(n->user);
    free(n);
}

int process_tree_new(struct process_tree **ret_t)
{
    struct process_tree *t = new0(struct process_tree, 1);

    if (!t || map_new(MAP_STR, PROCESS_TREE_MAX, node_free, &t->by_uid) < 0) {
        free(t);
        return -ENOMEM;
    }
    *ret_t = t;
    return 0;
}

struct process_tree *process_tree_free(struct process_tree *t)
{
    if (t)
        map_free(t->by_uid);
    free(t);
    return NULL;
}

bool process_tree_full(const struct process_tree *t)
{
    return t->full;
}

struct process_node *process_tree_find(struct process_tree *t, const char *uid)
{
    return uid ? map_get_str(t->by_uid, uid) : NULL;
}

struct process_node *process_tree_at(struct process_tree *t, size_t i)
{
    return i < t->n ? t->nodes[i] : NULL;
}

enum process_state process_tree_state(const struct process_node *node, const char *boot_id)
{
    size_t len = strlen(boot_id);

    if (node->ended_ms)
        return PROCESS_ENDED;
    if (len && (strncmp(node->uid, boot_id, len) != 0 || node->uid[len] != ':'))
        return PROCESS_GONE;
    return node->launched ? PROCESS_RUNNING : PROCESS_UNKNOWN;
}

// ---- taking in

// 1: it has a node now, 0: it cannot have one, -ENOMEM.
static int node_of(struct process_tree *t, struct json_object *process, struct process_node **ret)
{
    const char *uid = json_get_str(process, "uid", "");
    struct process_node *node = map_get_str(t->by_uid, uid);

    *ret = node;
    if (node)
        return 1;
    if (!*uid || strlen(uid) > PROCESS_UID_MAX)
        return 0;
    if (t->n == PROCESS_TREE_MAX) {
        t->full = true;
        return 0;
    }
    node = new0(struct process_node, 1);
    if (!node)
        return -ENOMEM;
    node->pid = node->exit_code = -1;
    node->uid = strdup(uid);
    if (!node->uid || map_put_str(t->by_uid, uid, node) < 0) {
        node_free(node);
        return -ENOMEM;
    }
    t->nodes[t->n++] = node;
    *ret = node;
    return 1;
}

// Of UTF-8: no character is cut.
static size_t cut(const char *s)
{
    size_t len = strnlen(s, PROCESS_TEXT_MAX + 1);

    if (len <= PROCESS_TEXT_MAX)
        return len;
    for (len = PROCESS_TEXT_MAX; len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80;)
        len--;
    return len;
}

static int keep(char **to, const char *s, bool anew)
{
    char *copy;

    if (!s || !*s || (*to && !anew))
        return 0;
    copy = strndup(s, cut(s));
    if (!copy)
        return -ENOMEM;
    free(*to);
    *to = copy;
    return 0;
}

// time_ms 0: what is known already is known better.
static int describe(struct process_node *node, struct json_object *p, uint64_t time_ms)
{
    struct json_object *pid = json_get(p, "pid");
    bool anew = time_ms > 0 && time_ms >= node->described_ms;
    const char *path = json_get_str(p, "path", json_get_str(json_get(p, "file"), "path", NULL)),
               *name = json_get_str(p, "name", NULL), *slash;
    int r;

    if (!name && path)
        name = (slash = strrchr(path, '/')) ? slash + 1 : path;
    if (json_object_is_type(pid, json_type_int))
        node->pid = json_object_get_int64(pid);
    if (!node->started_ms)
        node->started_ms = json_get_u64(p, "created_time", 0);
    r = keep(&node->name, name, anew);
    if (r == 0)
        r = keep(&node->program, path, anew);
    if (r == 0)
        r = keep(&node->cmd_line, json_get_str(p, "cmd_line", NULL), anew);
    if (r == 0)
        r = keep(&node->user, json_get_str(json_get(p, "user"), "name", NULL), anew);
    if (anew)
        node->described_ms = time_ms;
    return r;
}

static int set_parent(struct process_node *node, const char *parent, bool of_birth)
{
    if (!parent || strlen(parent) > PROCESS_UID_MAX || streq(parent, node->uid) ||
        (node->parent && (node->of_birth || !of_birth)))
        return 0;
    node->of_birth = of_birth;
    return keep(&node->parent, parent, true);
}

// The parent of a process, then its parent, and so on.
static int add_ancestors(struct process_tree *t, struct process_node *child, struct json_object *p)
{
    struct json_object *list = json_get(p, "ancestry"), *parent = json_get(p, "parent_process");
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    struct process_node *node;
    int r = node_of(t, parent, &node);

    if (r > 0)
        r = describe(node, parent, 0);
    if (r == 0)
        r = set_parent(child, json_get_str(parent, "uid", NULL), false);
    for (size_t i = 0; r == 0 && i < MIN(n, (size_t)PROCESS_ANCESTRY_MAX) && child; i++) {
        struct json_object *above = json_object_array_get_idx(list, i);

        r = node_of(t, above, &node);
        if (r > 0)
            r = describe(node, above, 0);
        if (r == 0)
            r = set_parent(child, json_get_str(above, "uid", NULL), false);
        child = node;
    }
    return r;
}

static int add_process(struct process_tree *t, struct json_object *p, uint64_t time_ms,
                       struct process_node **ret_node)
{
    int r = json_object_is_type(p, json_type_object) ? node_of(t, p, ret_node) : 0;

    if (r <= 0)
        return r;
    r = describe(*ret_node, p, time_ms);
    return r == 0 ? add_ancestors(t, *ret_node, p) : r;
}

// A launch or an end.
static int note_life(const struct store_row *row, struct json_object *root,
                     const struct process_node *actor, struct process_node *about)
{
    bool refused = json_get_u64(root, "action_id", 0) == ACTION_DENIED;

    if (row->columns.class_uid != CLASS_PROCESS || !about || refused)
        return 0;
    if (row->columns.activity == ACTIVITY_END) {
        about->ended_ms = row->columns.time_ms;
        about->exit_code = json_get_i64(root, "exit_code", -1);
        about->launched = true; // its life is recorded
    }
    if (row->columns.activity != ACTIVITY_BEGIN)
        return 0;
    about->launched = true;
    if (json_get_u64(root, "launch_type_id", 0) != LAUNCH_FORK || !actor || actor == about)
        return 0;
    if (!about->started_ms)
        about->started_ms = row->columns.time_ms;
    return set_parent(about, actor->uid, true);
}

static int add_parsed(struct process_tree *t, const struct store_row *row, struct json_object *root)
{
    uint64_t time_ms = row->columns.time_ms;
    struct process_node *actor = NULL, *about = NULL;
    struct json_object *acts = json_get(json_get(root, "actor"), "process"),
                       *process = json_get(root, "process");
    int r = add_process(t, acts, time_ms, &actor);

    // What was refused did not become of the process; it stays what it was.
    if (r == 0 && json_get_u64(root, "action_id", 0) != ACTION_DENIED)
        r = add_process(t, process, time_ms, &about);
    if (r == 0)
        r = note_life(row, root, actor, about);
    if (r == 0 && actor &&
        (row->columns.outcome == STORE_DENIED || row->columns.outcome == STORE_WOULD_DENY ||
         row->columns.outcome == STORE_NOT_HELD))
        actor->denials += row->columns.count;
    return r;
}

int process_tree_add(struct process_tree *t, const struct store_row *row)
{
    struct json_object *root = row->columns.unreadable ? NULL
                                                       : json_parse(row->line, row->len, DEPTH_MAX);
    int r = root ? add_parsed(t, row, root) : 0;

    json_object_put(root);
    return r;
}

// ---- which of them

static void choose_one(struct process_node *node, const char *role)
{
    if (node->wanted)
        return;
    node->wanted = true;
    node->role = role;
}

// Upwards from node, at most as far as there are processes: records can say anything, also that two are each other's parents.
static struct process_node *parent_of(struct process_tree *t, const struct process_node *node)
{
    return process_tree_find(t, node->parent);
}

static bool is_beneath(struct process_tree *t, const struct process_node *node, const char *uid)
{
    for (size_t i = 0; node && node->parent && i < PROCESS_TREE_MAX; i++) {
        if (streq(node->parent, uid))
            return true;
        node = parent_of(t, node);
    }
    return false;
}

static void choose_ancestors(struct process_tree *t, const struct process_node *node)
{
    struct process_node *above = parent_of(t, node);

    for (size_t i = 0; above && !above->wanted && i < PROCESS_TREE_MAX; i++) {
        choose_one(above, "ancestor");
        above = parent_of(t, above);
    }
}

static void choose_running(struct process_tree *t, const char *boot_id)
{
    for (size_t i = 0; i < t->n; i++) {
        if (process_tree_state(t->nodes[i], boot_id) != PROCESS_RUNNING)
            continue;
        choose_one(t->nodes[i], "running");
        choose_ancestors(t, t->nodes[i]);
    }
}

void process_tree_choose(struct process_tree *t, const char *uid, const char *boot_id)
{
    struct process_node *self = process_tree_find(t, uid);

    for (size_t i = 0; i < t->n; i++)
        t->nodes[i]->wanted = false;
    if (!uid)
        choose_running(t, boot_id);
    if (!self)
        return;
    choose_one(self, "self");
    choose_ancestors(t, self);
    for (size_t i = 0; i < t->n; i++) {
        struct process_node *node = t->nodes[i];

        if (is_beneath(t, node, uid))
            choose_one(node, "descendant");
        else if (self->parent && node->parent && streq(node->parent, self->parent))
            choose_one(node, "sibling");
    }
}

// ---- out

static int by_start(const void *a, const void *b)
{
    const struct process_node *x = *(struct process_node *const *)a,
                              *y = *(struct process_node *const *)b;

    if (x->started_ms != y->started_ms)
        return x->started_ms < y->started_ms ? -1 : 1;
    if (x->pid != y->pid)
        return x->pid < y->pid ? -1 : 1;
    return strcmp(x->uid, y->uid);
}

static void write_number(struct jw *out, const char *key, int64_t value)
{
    if (value < 0)
        jw_kv_null(out, key);
    else
        jw_kv_i64(out, key, value);
}

static void write_node(struct process_tree *t, const struct process_node *n, const char *boot_id,
                       struct jw *out)
{
    const struct process_node *parent = parent_of(t, n);

    jw_begin_object(out);
    jw_kv_str(out, "uid", n->uid);
    jw_kv_str(out, "parent", parent && parent->wanted ? parent->uid : NULL);
    jw_kv_str(out, "role", n->role);
    write_number(out, "pid", n->pid);
    jw_kv_str(out, "name", n->name);
    jw_kv_str(out, "program", n->program);
    jw_kv_str(out, "cmd_line", n->cmd_line);
    jw_kv_str(out, "user", n->user);
    write_number(out, "started", n->started_ms ? (int64_t)n->started_ms : -1);
    write_number(out, "ended", n->ended_ms ? (int64_t)n->ended_ms : -1);
    write_number(out, "exit_code", n->exit_code);
    jw_kv_str(out, "state", process_state_name(process_tree_state(n, boot_id)));
    jw_kv_u64(out, "denials", n->denials);
    jw_end_object(out);
}

int process_tree_write(struct process_tree *t, const char *boot_id, struct jw *out)
{
    struct process_node **sorted = new0(struct process_node *, t->n + 1);

    if (!sorted)
        return -ENOMEM;
    if (t->n)
        memcpy(sorted, t->nodes, t->n * sizeof(struct process_node *));
    qsort(sorted, t->n, sizeof(struct process_node *), by_start);
    jw_begin_array(out);
    for (size_t i = 0; i < t->n; i++)
        if (sorted[i]->wanted)
            write_node(t, sorted[i], boot_id, out);
    jw_end_array(out);
    free(sorted);
    return 0;
}
