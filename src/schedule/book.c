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
#include "base/macro.h"
#include "base/strutil.h"
#include "model/event.h"
#include "schedule/book_table.h"

struct book *book_free(struct book *b)
{
    if (!b)
        return NULL;
    for (size_t i = 0; i < b->n_groups; i++)
        book_group_entry_done(&b->groups[i]);
    free(b->groups);
    for (size_t i = 0; i < b->n_processes; i++)
        free(b->processes[i].exe);
    free(b->processes);
    free(b->root);
    free(b->proc);
    free(b->path);
    free(b);
    return NULL;
}

static int task_error(struct error *err, uint32_t pid, int r)
{
    return error_set(err, r, "process %u cannot be scheduled as its rule says: %s", pid,
                     strerror(-r));
}

// The group without the part that is ours, which is called as rules are.
static const char *own_part(char *group)
{
    char *slash = strrchr(group, '/');
    const char *digits = slash ? str_startswith(slash + 1, BOOK_GROUP) : NULL;

    if (!digits || strspn(digits, "0123456789abcdef") != BOOK_DIGITS || digits[BOOK_DIGITS])
        return NULL;
    *slash = '\0';
    return slash + 1;
}

// Out of a group of ours, to the one that it lies beneath. 0: it is in none.
static int leave_group(struct book *b, uint32_t pid)
{
    char group[GROUP_PATH_MAX];
    int r = group_of(b->proc, pid, group);
    const char *own = r < 0 ? NULL : own_part(group), *parent;
    const struct group_entry *e;

    if (!own)
        return r == -ENOENT ? 0 : r;
    parent = *group ? group : "/";
    e = book_find_group(b, parent, own, true);
    r = group_move(b->root, parent, pid, e && !(e->set & SCHEDULE_CPUS));
    return r < 0 ? r : 1;
}

static void take_values(struct task_schedule *to, const struct task_schedule *from)
{
    if (from->set & SCHEDULE_NICE)
        to->nice = from->nice;
    if (from->set & SCHEDULE_CLASS) {
        to->policy = from->policy;
        to->priority = from->priority;
    }
    if (from->set & SCHEDULE_IO_CLASS)
        to->io = from->io;
    to->set |= from->set;
}

// -ENOSPC: there is no room for it; 0 otherwise.
static int enter(struct book *b, const struct book_subject *who, const char *name,
                 struct process_entry **ret)
{
    struct process_entry e = {.pid = who->pid, .start_ns = who->start_ns};
    int r = task_read(who->pid, &e.before);

    if (r < 0)
        return r;
    e.before.set = 0;
    (void)snprintf(e.name, sizeof(e.name), "%s", name);
    return book_add_process(b, &e, ret);
}

// What the rule before gave it and this one does not goes back; unless it began another program since: that keeps it, as children do.
static int change_rule(struct book *b, struct process_entry *e, const struct book_subject *who,
                       const char *name, const struct schedule *rule)
{
    struct task_schedule back = e->before;
    int r = 0, k = 0;

    if (e->exe && who->exe && streq(e->exe, who->exe)) {
        back.set &= ~rule->set;
        r = task_apply(who->pid, &back);
        if (r >= 0) {
            e->before.set &= ~back.set;
            e->given.set &= ~back.set;
        }
        k = rule->set & SCHEDULE_OF_GROUP ? 0 : leave_group(b, who->pid);
    }
    (void)snprintf(e->name, sizeof(e->name), "%s", name);
    b->changed = true;
    return r < 0 ? r : k < 0 ? k : 0;
}

// How it was before any rule stays what it is.
static int note_process(struct book *b, const struct book_subject *who, const char *name,
                        const struct schedule *rule, const struct task_schedule *wanted)
{
    struct process_entry *e = book_find_process(b, who->pid, who->start_ns);
    uint32_t set;
    int r = 0;

    if (!e) {
        r = enter(b, who, name, &e);
        if (r < 0)
            return r == -ENOSPC ? 0 : r;
    } else if (!streq(e->name, name)) {
        r = change_rule(b, e, who, name, rule);
    }
    set = e->before.set;
    e->before.set |= wanted->set;
    take_values(&e->given, wanted);
    if (who->exe && (!e->exe || !streq(e->exe, who->exe))) {
        free(e->exe);
        e->exe = xstrndup(who->exe, strlen(who->exe));
        b->changed = true;
    }
    b->changed |= e->before.set != set;
    return r;
}

static int apply_task(struct book *b, const struct book_subject *who, const char *name,
                      const struct schedule *rule, struct error *err)
{
    struct task_schedule wanted;
    int r;

    if (!rule->set)
        return 0;
    task_wanted(rule, &wanted);
    r = note_process(b, who, name, rule, &wanted);
    if (r == -ENOMEM)
        return error_set(err, r, "%m");
    r = r < 0 ? r : task_apply(who->pid, &wanted);
    return r < 0 && r != -ESRCH ? task_error(err, who->pid, r) : r;
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
    struct group_entry *e = book_find_group(b, parent, name, true);
    char child[GROUP_PATH_MAX];
    int r = 0;

    if (!e)
        r = book_add_group(b, parent, name, true, &e);
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
    r = group_move(b->root, child, pid, true);
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

int book_process(struct book *b, const struct book_subject *who, const char *name,
                 const struct schedule *rule, struct error *err)
{
    int r = apply_task(b, who, name, rule, err), k = 0;

    if (r == -ESRCH)
        return r;
    // One may work although the other does not.
    if (rule->set & SCHEDULE_OF_GROUP)
        k = apply_own_group(b, who->pid, name, rule, r < 0 ? NULL : err);
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
    struct group_entry *e = book_find_group(b, group, name, false);
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
        r = book_add_group(b, group, name, false, &e);
    if (e)
        r = remember(b, e, rule);
    if (r == -ENOMEM)
        return error_set(err, r, "%m");
    return write_values(b, group, rule, err);
}

static bool has_values(uint32_t pid, const struct task_schedule *given)
{
    struct task_schedule has;

    return task_read(pid, &has) == 0 &&
           (!(given->set & SCHEDULE_NICE) || has.nice == given->nice) &&
           (!(given->set & SCHEDULE_CLASS) ||
            (has.policy == given->policy && has.priority == given->priority)) &&
           (!(given->set & SCHEDULE_IO_CLASS) || has.io == given->io);
}

// Does a process have what was given to another one?
static bool inherited(const struct book *b, uint32_t pid, const struct process_entry *from)
{
    char group[GROUP_PATH_MAX];
    const char *own;

    if (from->given.set)
        return has_values(pid, &from->given);
    own = group_of(b->proc, pid, group) < 0 ? NULL : own_part(group);
    return own && streq(own, from->name);
}

bool book_child(struct book *b, uint32_t pid, uint64_t start_ns, uint32_t parent,
                uint64_t parent_start_ns)
{
    const struct process_entry *from = book_find_process(b, parent, parent_start_ns);
    struct process_entry e, *added;

    if (book_find_process(b, pid, start_ns))
        return true;
    if (!from)
        return false;
    if (inherited(b, pid, from)) {
        e = *from;
        e.pid = pid;
        e.start_ns = start_ns;
        e.exe = from->exe ? xstrndup(from->exe, strlen(from->exe)) : NULL;
        (void)book_add_process(b, &e, &added);
    }
    return true;
}

bool book_knows(const struct book *b, uint32_t pid, uint64_t start_ns, const char **ret_exe)
{
    const struct process_entry *e = book_find_process(b, pid, start_ns);

    if (e)
        *ret_exe = e->exe;
    return e;
}

int book_leave(struct book *b, uint32_t pid, uint64_t start_ns, struct error *err)
{
    struct process_entry *e = book_find_process(b, pid, start_ns);
    int r, k;

    if (!e)
        return 0;
    r = task_apply(pid, &e->before);
    k = r == -ESRCH ? r : leave_group(b, pid);
    if (r == -ESRCH || k == -ESRCH || (r >= 0 && k >= 0)) {
        book_drop_process(b, e);
        return r < 0 ? r : k < 0 ? k : r | k;
    }
    r = r < 0 ? r : k;
    return error_set(err, r,
                     "process %u, which no rule is about any more, cannot be scheduled as"
                     " before: %s",
                     pid, strerror(-r));
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
        else
            free(e->exe);
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
            book_group_entry_done(e);
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
    book_read(b);
    *ret = TAKE_PTR(b);
    return 0;
}
