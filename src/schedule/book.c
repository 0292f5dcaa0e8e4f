// SPDX-License-Identifier: Apache-2.0
#include "schedule/book.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/jsonget.h"
#include "base/macro.h"
#include "model/event.h"
#include "schedule/group.h"
#include "schedule/task.h"

#define FILE_MAX ((size_t)16 << 20)

// `before.set` is what was changed.
struct process_entry {
    uint32_t pid;
    uint64_t start_ns;
    char name[BOOK_NAME];
    struct task_schedule before;
};

struct group_entry {
    char *group;          // the one that was changed, or the parent of our own
    bool own;             // `group`/`name` is ours
    char name[BOOK_NAME]; // of the rule
    uint32_t set;         // values that were changed; of our own: those that it has
    char *before[GROUP_FILES];
};

struct book {
    char *root, *proc, *path;
    struct process_entry *processes;
    size_t n_processes, cap_processes;
    struct group_entry *groups;
    size_t n_groups, cap_groups;
    uint64_t unbooked;
    bool changed;
};

static void group_entry_done(struct group_entry *g)
{
    free(g->group);
    for (size_t i = 0; i < GROUP_FILES; i++)
        free(g->before[i]);
}

struct book *book_free(struct book *b)
{
    if (!b)
        return NULL;
    for (size_t i = 0; i < b->n_groups; i++)
        group_entry_done(&b->groups[i]);
    free(b->groups);
    free(b->processes);
    free(b->root);
    free(b->proc);
    free(b->path);
    free(b);
    return NULL;
}

static struct process_entry *find_process(const struct book *b, uint32_t pid, uint64_t start_ns)
{
    const struct process_ref ref = {pid, start_ns};

    for (size_t i = 0; i < b->n_processes; i++) {
        const struct process_ref one = {b->processes[i].pid, b->processes[i].start_ns};

        if (process_ref_same(&one, &ref))
            return &b->processes[i];
    }
    return NULL;
}

static struct group_entry *find_group(const struct book *b, const char *group, const char *name,
                                      bool own)
{
    for (size_t i = 0; i < b->n_groups; i++)
        if (b->groups[i].own == own && streq(b->groups[i].name, name) &&
            streq(b->groups[i].group, group))
            return &b->groups[i];
    return NULL;
}

// -ENOSPC: the book is full.
static int add_process(struct book *b, const struct process_entry *e)
{
    if (b->n_processes == BOOK_MAX) {
        b->unbooked++;
        return -ENOSPC;
    }
    if (!GREEDY(b->processes, b->cap_processes, b->n_processes + 1))
        return -ENOMEM;
    b->processes[b->n_processes++] = *e;
    b->changed = true;
    return 0;
}

static int add_group(struct book *b, const char *group, const char *name, bool own,
                     struct group_entry **ret)
{
    struct group_entry e = {.own = own};

    if (b->n_groups == BOOK_MAX) {
        b->unbooked++;
        return -ENOSPC;
    }
    e.group = xstrndup(group, strlen(group));
    if (!e.group || !GREEDY(b->groups, b->cap_groups, b->n_groups + 1)) {
        free(e.group);
        return -ENOMEM;
    }
    (void)snprintf(e.name, sizeof(e.name), "%s", name);
    b->groups[b->n_groups] = e;
    *ret = &b->groups[b->n_groups++];
    b->changed = true;
    return 0;
}

static int task_error(struct error *err, uint32_t pid, int r)
{
    return error_set(err, r, "process %u cannot be scheduled as its rule says: %s", pid,
                     strerror(-r));
}

static int apply_task(struct book *b, uint32_t pid, uint64_t start_ns, const char *name,
                      const struct schedule *rule, struct error *err)
{
    struct process_entry *known = find_process(b, pid, start_ns), e = {pid, start_ns, "", {}};
    struct task_schedule wanted;
    int r;

    task_wanted(rule, &wanted);
    if (!wanted.set)
        return 0;
    if (!known || (known->before.set | wanted.set) != known->before.set) {
        r = task_read(pid, &e.before);
        if (r < 0)
            return r == -ESRCH ? r : task_error(err, pid, r);
        e.before.set = wanted.set;
    }
    if (!known) {
        (void)snprintf(e.name, sizeof(e.name), "%s", name);
        r = add_process(b, &e);
        if (r == -ENOMEM)
            return error_set(err, r, "%m");
    } else if (!streq(known->name, name)) {
        // How it was before any rule stays what it is.
        (void)snprintf(known->name, sizeof(known->name), "%s", name);
        known->before.set |= wanted.set;
        b->changed = true;
    }
    r = task_apply(pid, &wanted);
    return r < 0 && r != -ESRCH ? task_error(err, pid, r) : r;
}

// The group without the part that is ours.
static const char *own_part(char *group)
{
    char *slash = strrchr(group, '/');

    if (!slash || strncmp(slash + 1, BOOK_GROUP, strlen(BOOK_GROUP)) != 0)
        return NULL;
    *slash = '\0';
    return slash + 1;
}

static int write_values(struct book *b, const char *group, const struct schedule *rule,
                        struct error *err)
{
    char has[GROUP_VALUE], wanted[GROUP_VALUE];
    bool changed = false;

    for (unsigned i = 0; i < GROUP_FILES; i++) {
        enum group_file file = (enum group_file)i;
        int r;

        if (!(rule->set & group_file_bit(file)))
            continue;
        group_wanted(rule, file, wanted);
        r = group_read(b->root, group, file, has);
        if (r == 0 && group_same(file, has, wanted))
            continue;
        // Whoever manages the group above may have switched the controller off since: with it its files went.
        if (r == -ENOENT) {
            r = group_enable(b->root, group, group_file_bit(file), err);
            if (r < 0)
                return r;
        }
        r = group_write(b->root, group, file, wanted);
        if (r == -ENOENT && group_file_optional(file))
            continue;
        if (r < 0)
            return error_set(err, r, "%s of control group %s cannot be '%s': %s",
                             group_file_name(file), group, wanted, strerror(-r));
        changed = true;
    }
    return changed;
}

static int move_to_own(struct book *b, uint32_t pid, const char *parent, const char *name,
                       const struct schedule *rule, struct error *err)
{
    uint32_t set = rule->set & SCHEDULE_OF_GROUP & ~SCHEDULE_IO_WEIGHT;
    struct group_entry *e = find_group(b, parent, name, true);
    char child[GROUP_PATH_MAX];
    int r = 0;

    if (!e)
        r = add_group(b, parent, name, true, &e);
    if (r == -ENOMEM)
        return error_set(err, r, "%m");
    if (e)
        e->set = set;
    if ((size_t)snprintf(child, sizeof(child), "%s/%s", streq(parent, "/") ? "" : parent, name) >=
        sizeof(child))
        return error_set(err, -ENAMETOOLONG, "control group %s: %m", parent);
    r = group_make(b->root, parent, name, set, err);
    r = r < 0 ? r : write_values(b, child, rule, err);
    if (r < 0)
        return r;
    r = group_move(b->root, child, pid);
    if (r < 0 && r != -ESRCH)
        return error_set(err, r, "process %u cannot be moved to control group %s: %s", pid, child,
                         strerror(-r));
    return r < 0 ? r : 1;
}

static int apply_own_group(struct book *b, uint32_t pid, const char *name,
                           const struct schedule *rule, struct error *err)
{
    char group[GROUP_PATH_MAX], whole[GROUP_PATH_MAX];
    const char *own;
    int r = group_of(b->proc, pid, group);

    if (r == -ESRCH)
        return r;
    if (r < 0)
        return error_set(err, r, "process %u is in no control group of version 2: %s", pid,
                         strerror(-r));
    memcpy(whole, group, sizeof(whole));
    own = own_part(group);
    if (own && streq(own, name))
        return write_values(b, whole, rule, err);
    return move_to_own(b, pid, *group ? group : "/", name, rule, err);
}

int book_process(struct book *b, uint32_t pid, uint64_t start_ns, const char *name,
                 const struct schedule *rule, struct error *err)
{
    int r = apply_task(b, pid, start_ns, name, rule, err), k = 0;

    if (r == -ESRCH)
        return r;
    // One may work although the other does not.
    if (rule->set & SCHEDULE_OF_GROUP)
        k = apply_own_group(b, pid, name, rule, r < 0 ? NULL : err);
    return r < 0 ? r : k < 0 ? k : r | k;
}

// Keeps how the files were that a rule changes for the first time.
static int remember(struct book *b, struct group_entry *e, const struct schedule *rule)
{
    for (unsigned i = 0; i < GROUP_FILES; i++) {
        uint32_t bit = group_file_bit((enum group_file)i);
        char has[GROUP_VALUE];

        if (!(rule->set & bit) || e->before[i] ||
            group_read(b->root, e->group, (enum group_file)i, has) < 0)
            continue;
        e->before[i] = xstrndup(has, strlen(has));
        if (!e->before[i])
            return -ENOMEM;
        e->set |= bit;
        b->changed = true;
    }
    return 0;
}

int book_group(struct book *b, const char *group, const char *name, const struct schedule *rule,
               struct error *err)
{
    struct group_entry *e = find_group(b, group, name, false);
    char path[GROUP_PATH_MAX + 64];
    struct stat st;
    int r = 0;

    (void)snprintf(path, sizeof(path), "%s%s", b->root, group);
    if (stat(path, &st) < 0)
        return -errno;
    r = group_enable(b->root, group, rule->set & SCHEDULE_OF_GROUP, err);
    if (r < 0)
        return r;
    if (!e)
        r = add_group(b, group, name, false, &e);
    if (e)
        r = remember(b, e, rule);
    if (r == -ENOMEM)
        return error_set(err, r, "%m");
    return write_values(b, group, rule, err);
}

void book_child(struct book *b, uint32_t pid, uint64_t start_ns, uint32_t parent,
                uint64_t parent_start_ns)
{
    const struct process_entry *from = find_process(b, parent, parent_start_ns);
    struct process_entry e;

    if (!from || find_process(b, pid, start_ns))
        return;
    e = *from;
    e.pid = pid;
    e.start_ns = start_ns;
    (void)add_process(b, &e);
}

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (streq(name, names[i]))
            return true;
    return false;
}

// 0: gone, or as before.
static int undo_process(const struct process_entry *e)
{
    int r = task_apply(e->pid, &e->before);

    return r == -ESRCH || r > 0 ? 0 : r;
}

static int undo_group(const struct book *b, const struct group_entry *e)
{
    int first = 0;

    if (e->own)
        return group_remove(b->root, e->group, e->name, e->set);
    for (unsigned i = 0; i < GROUP_FILES; i++) {
        int r = e->before[i] ? group_write(b->root, e->group, (enum group_file)i, e->before[i]) : 0;

        // The group may be gone, and with it all of it.
        if (r < 0 && r != -ENOENT && r != -ENODEV && !first)
            first = r;
    }
    return first;
}

static bool is_alive(const struct book *b, const struct process_entry *e)
{
    _cleanup_free_ char *text = NULL;
    char path[64];
    const char *p;
    uint64_t ticks;

    (void)snprintf(path, sizeof(path), "%s/%u/stat", b->proc, e->pid);
    if (read_file_bounded(AT_FDCWD, path, 4096, &text, NULL) < 0)
        return false;
    p = strrchr(text, ')');
    // The start is the 20th field behind the name.
    for (int i = 0; i < 20 && p; i++) {
        p = strchr(p, ' ');
        p += p != NULL;
    }
    ticks = p ? strtoull(p, NULL, 10) : 0;
    return ticks == e->start_ns / PROCESS_TICK_NS;
}

static void keep_processes(struct book *b, const char *const *names, size_t n, size_t *failed,
                           struct error *err)
{
    size_t kept = 0;

    for (size_t i = 0; i < b->n_processes; i++) {
        const struct process_entry *e = &b->processes[i];
        bool alive = is_alive(b, e);
        int r = 0;

        if (alive && !is_one_of(e->name, names, n)) {
            r = undo_process(e);
            if (r < 0 && (*failed)++ == 0)
                (void)error_set(err, r, "process %u cannot be scheduled as before: %s", e->pid,
                                strerror(-r));
            alive = r < 0;
        }
        if (alive)
            b->processes[kept++] = *e;
    }
    b->changed |= kept != b->n_processes;
    b->n_processes = kept;
}

static void keep_groups(struct book *b, const char *const *names, size_t n, size_t *failed,
                        struct error *err)
{
    size_t kept = 0;

    for (size_t i = 0; i < b->n_groups; i++) {
        struct group_entry *e = &b->groups[i];
        bool stays = is_one_of(e->name, names, n);
        int r = 0;

        if (!stays)
            r = undo_group(b, e);
        else if (e->own)
            stays = group_remove_empty(b->root, e->group, e->name) < 0;
        if (r < 0 && (*failed)++ == 0)
            (void)error_set(err, r, "control group %s cannot be made as before: %s", e->group,
                            strerror(-r));
        if (stays || r < 0)
            b->groups[kept++] = *e;
        else
            group_entry_done(e);
    }
    b->changed |= kept != b->n_groups;
    b->n_groups = kept;
}

size_t book_keep_only(struct book *b, const char *const *names, size_t n, struct error *err)
{
    size_t failed = 0;

    keep_groups(b, names, n, &failed, err);
    keep_processes(b, names, n, &failed, err);
    return failed;
}

void book_counters(const struct book *b, struct book_counters *ret)
{
    *ret = (struct book_counters){.processes = b->n_processes,
                                  .groups = b->n_groups,
                                  .unbooked = b->unbooked};
}

void book_counters_of(const struct book *b, const char *name, struct book_counters *ret)
{
    *ret = (struct book_counters){};
    for (size_t i = 0; i < b->n_processes; i++)
        ret->processes += streq(b->processes[i].name, name);
    for (size_t i = 0; i < b->n_groups; i++)
        ret->groups += streq(b->groups[i].name, name);
}

// The file ---------------------------------------------------------------------------------------------

static void put_process(struct jw *jw, const struct process_entry *e)
{
    jw_begin_object(jw);
    jw_kv_u64(jw, "pid", e->pid);
    jw_kv_u64(jw, "start_ns", e->start_ns);
    jw_kv_str(jw, "rule", e->name);
    jw_kv_u64(jw, "set", e->before.set);
    jw_kv_i64(jw, "nice", e->before.nice);
    jw_kv_i64(jw, "policy", e->before.policy);
    jw_kv_i64(jw, "priority", e->before.priority);
    jw_kv_i64(jw, "io", e->before.io);
    jw_end_object(jw);
}

static void put_group(struct jw *jw, const struct group_entry *e)
{
    jw_begin_object(jw);
    jw_kv_str(jw, "group", e->group);
    jw_kv_str(jw, "rule", e->name);
    jw_kv_bool(jw, "own", e->own);
    jw_kv_u64(jw, "set", e->set);
    for (unsigned i = 0; i < GROUP_FILES; i++)
        if (e->before[i])
            jw_kv_str(jw, group_file_name((enum group_file)i), e->before[i]);
    jw_end_object(jw);
}

int book_save(struct book *b)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct jw jw;
    int r;

    if (!b->changed || !b->path)
        return 0;
    jw_init(&jw, &sb);
    jw_begin_object(&jw);
    jw_kv_array(&jw, "processes");
    for (size_t i = 0; i < b->n_processes; i++)
        put_process(&jw, &b->processes[i]);
    jw_end_array(&jw);
    jw_kv_array(&jw, "groups");
    for (size_t i = 0; i < b->n_groups; i++)
        put_group(&jw, &b->groups[i]);
    jw_end_array(&jw);
    jw_end_object(&jw);
    r = jw_finish(&jw);
    r = r < 0 ? r : write_file_atomic(AT_FDCWD, b->path, sb_str(&sb), sb.len, 0600);
    if (r == 0)
        b->changed = false;
    return r;
}

static void take_process(struct book *b, struct json_object *o)
{
    struct process_entry e = {
        .pid = (uint32_t)json_get_u64(o, "pid", 0),
        .start_ns = json_get_u64(o, "start_ns", 0),
        .before = {.set = (uint32_t)json_get_u64(o, "set", 0) & SCHEDULE_OF_PROCESS,
                   .nice = (int)json_get_i64(o, "nice", 0),
                   .policy = (int)json_get_i64(o, "policy", 0),
                   .priority = (int)json_get_i64(o, "priority", 0),
                   .io = (int)json_get_i64(o, "io", 0)},
    };

    (void)snprintf(e.name, sizeof(e.name), "%s", json_get_str(o, "rule", ""));
    if (e.pid > 0 && e.pid <= INT32_MAX)
        (void)add_process(b, &e);
}

static void take_group(struct book *b, struct json_object *o)
{
    const char *group = json_get_str(o, "group", ""), *name = json_get_str(o, "rule", "");
    bool own = json_get_bool(o, "own", 0);
    struct group_entry *e;

    if (*group != '/' || strstr(group, "/..") || strlen(name) >= BOOK_NAME || strchr(name, '/') ||
        (own && strncmp(name, BOOK_GROUP, strlen(BOOK_GROUP)) != 0) ||
        add_group(b, group, name, own, &e) < 0)
        return;
    e->set = (uint32_t)json_get_u64(o, "set", 0) & SCHEDULE_OF_GROUP;
    for (unsigned i = 0; i < GROUP_FILES; i++) {
        const char *text = json_get_str(o, group_file_name((enum group_file)i), NULL);

        e->before[i] = text ? xstrndup(text, strlen(text)) : NULL;
    }
}

static void read_book(struct book *b)
{
    _cleanup_free_ char *text = NULL;
    struct json_object *o, *list;
    size_t len = 0;

    if (!b->path || read_file_bounded(AT_FDCWD, b->path, FILE_MAX, &text, &len) < 0)
        return;
    o = json_parse(text, len, 8);
    list = json_get(o, "processes");
    for (size_t i = 0;
         json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++)
        take_process(b, json_object_array_get_idx(list, i));
    list = json_get(o, "groups");
    for (size_t i = 0;
         json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++)
        take_group(b, json_object_array_get_idx(list, i));
    json_object_put(o);
    b->changed = false;
}

int book_new(const struct book_options *options, struct book **ret)
{
    _cleanup_(book_freep) struct book *b = new0(struct book, 1);
    const char *root = options->root ? options->root : GROUP_ROOT;
    const char *proc = options->proc ? options->proc : "/proc";

    if (!b)
        return -ENOMEM;
    b->root = xstrndup(root, strlen(root));
    b->proc = xstrndup(proc, strlen(proc));
    b->path = options->path ? xstrndup(options->path, strlen(options->path)) : NULL;
    if (!b->root || !b->proc || (options->path && !b->path))
        return -ENOMEM;
    read_book(b);
    *ret = TAKE_PTR(b);
    return 0;
}
