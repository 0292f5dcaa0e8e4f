// SPDX-License-Identifier: Apache-2.0
#include "schedule/book_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "base/sort.h"
#include "model/event.h"

void book_group_entry_done(struct group_entry *g)
{
    free(g->group);
    for (size_t i = 0; i < GROUP_FILES; i++)
        free(g->before[i]);
}

// The first one that has this pid, or a higher one.
static size_t place_of(const struct book *b, uint32_t pid)
{
    return LOWER_BOUND(b->n_processes, i, b->processes[i].pid < pid);
}

struct process_entry *book_find_process(const struct book *b, uint32_t pid, uint64_t start_ns)
{
    const struct process_ref ref = {pid, start_ns};

    for (size_t i = place_of(b, pid); i < b->n_processes && b->processes[i].pid == pid; i++) {
        const struct process_ref one = {b->processes[i].pid, b->processes[i].start_ns};

        if (process_ref_same(&one, &ref))
            return &b->processes[i];
    }
    return NULL;
}

struct group_entry *book_find_group(const struct book *b, const char *group, const char *name,
                                    bool own)
{
    for (size_t i = 0; i < b->n_groups; i++)
        if (b->groups[i].own == own && streq(b->groups[i].name, name) &&
            streq(b->groups[i].group, group))
            return &b->groups[i];
    return NULL;
}

int book_add_process(struct book *b, struct process_entry *e, struct process_entry **ret)
{
    size_t at = place_of(b, e->pid);
    int r = -ENOSPC;

    if (b->n_processes < BOOK_MAX)
        r = GREEDY(b->processes, b->cap_processes, b->n_processes + 1) ? 0 : -ENOMEM;
    else
        b->unbooked++;
    if (r < 0) {
        free(e->exe);
        return r;
    }
    memmove(&b->processes[at + 1], &b->processes[at],
            (b->n_processes - at) * sizeof(*b->processes));
    b->processes[at] = *e;
    b->n_processes++;
    b->changed = true;
    *ret = &b->processes[at];
    return 0;
}

void book_drop_process(struct book *b, struct process_entry *e)
{
    size_t at = (size_t)(e - b->processes);

    free(e->exe);
    memmove(e, e + 1, (--b->n_processes - at) * sizeof(*e));
    b->changed = true;
}

int book_add_group(struct book *b, const char *group, const char *name, bool own,
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
