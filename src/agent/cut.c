// SPDX-License-Identifier: Apache-2.0
//
// Connections from before a policy that denies them. Whoever uses one is refused; its peer goes on to wait, and so does a process that
// only reads. Where the settings ask for it, and on an isolated host, they are ended when the policy comes into force: each whose every
// process is denied it. Which connections there are and whose they are is looked up in a worker (sock_diag, procfs); what rules say of
// them is decided by the same code that decides in the kernel.
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/facts.h"
#include "agent/opened.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/inet.h"
#include "base/log.h"
#include "base/strutil.h"
#include "flows/diag.h"
#include "policy/explain.h"

#define OWNERS_MAX 4096u // of all connections together

struct owner {
    size_t row, task;
};

struct cut {
    struct job job;
    struct agent *agent;
    struct loaded *loaded;
    struct worker *worker;
    struct diag_row *rows;
    size_t n_rows, cap_rows;
    struct map *by_inode; // of rows: their number, plus one
    uint8_t listening[65536 / 8];
    struct opened_task *tasks;
    size_t n_tasks, cap_tasks;
    struct owner *owners;
    size_t n_owners, cap_owners;
    bool more; // owners than there is room for
    int result;
};

static void cut_free(struct cut *c)
{
    for (size_t i = 0; i < c->n_tasks; i++)
        opened_task_done(&c->tasks[i]);
    free(c->tasks);
    free(c->owners);
    free(c->rows);
    map_free(c->by_inode);
    loaded_unref(c->loaded);
    free(c);
}

// In the worker ----------------------------------------------------------------------------------------------

static int keep_row(void *ctx, const struct diag_row *row)
{
    struct cut *c = ctx;

    if (row->listens) {
        c->listening[row->local_port / 8] |= (uint8_t)(1u << row->local_port % 8);
        return 0;
    }
    // Who talks to himself is nobody's way out.
    if (!row->inode || inet_is_loopback(row->remote))
        return 0;
    if (!GREEDY(c->rows, c->cap_rows, c->n_rows + 1))
        return -ENOMEM;
    c->rows[c->n_rows++] = *row;
    return map_put_mem(c->by_inode, &row->inode, sizeof(row->inode), (void *)(uintptr_t)c->n_rows);
}

struct process {
    struct cut *cut;
    int dir;
    uint32_t pid;
    size_t task; // SIZE_MAX: not read yet
};

static int add_owner(struct process *p, size_t row)
{
    struct cut *c = p->cut;

    if (c->n_owners == OWNERS_MAX) {
        c->more = true;
        return 0;
    }
    if (p->task == SIZE_MAX) {
        int r;

        if (!GREEDY(c->tasks, c->cap_tasks, c->n_tasks + 1))
            return -ENOMEM;
        r = opened_task_read(p->dir, p->dir, p->pid, c->loaded->image, &c->tasks[c->n_tasks]);
        if (r < 0)
            return r == -ESRCH ? 0 : r;
        p->task = c->n_tasks++;
    }
    if (!GREEDY(c->owners, c->cap_owners, c->n_owners + 1))
        return -ENOMEM;
    c->owners[c->n_owners++] = (struct owner){row, p->task};
    return 0;
}

static int on_descriptor(void *ctx, int dir, const struct dirent *entry)
{
    struct process *p = ctx;
    char text[64];
    ssize_t n = readlinkat(dir, entry->d_name, text, sizeof(text) - 1);
    const char *number;
    uint32_t inode;
    size_t row;

    if (n <= 0)
        return 0;
    text[n] = '\0';
    number = str_startswith(text, "socket:[");
    if (!number)
        return 0;
    text[n - 1] = '\0';
    if (parse_u32(number, &inode) < 0)
        return 0;
    row = (size_t)(uintptr_t)map_get_mem(p->cut->by_inode, &inode, sizeof(inode));
    return row ? add_owner(p, row - 1) : 0;
}

static int on_process(void *ctx, int proc, const struct dirent *entry)
{
    _cleanup_close_ int dir = -1;
    struct process p = {.cut = ctx, .task = SIZE_MAX};
    int r;

    if (worker_stopping(p.cut->worker))
        return -ECANCELED;
    if (parse_u32(entry->d_name, &p.pid) < 0 || p.pid == (uint32_t)getpid())
        return 0;
    dir = p.dir = openat(proc, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return 0;
    r = opendir_foreach(dir, "fd", on_descriptor, &p);
    return r == -ENOMEM ? r : 0; // it may end meanwhile
}

static void run_cut(struct job *job, struct worker *w)
{
    struct cut *c = container_of(job, struct cut, job);

    c->worker = w;
    c->result = map_new(MAP_STR, DIAG_ROWS_MAX, NULL, &c->by_inode);
    if (c->result == 0)
        c->result = diag_read_all(keep_row, c);
    if (c->result == 0 && c->n_rows > 0)
        c->result = opendir_foreach(AT_FDCWD, "/proc", on_process, c);
}

// In the loop ------------------------------------------------------------------------------------------------

// What the connection is to rules: one that came, at a port that somebody waits at, or one that went out.
static int control_of(const struct cut *c, const struct diag_row *row, char *text, size_t size,
                      struct policy_control *ret)
{
    bool came = c->listening[row->local_port / 8] >> row->local_port % 8 & 1;
    char address[INET6_ADDRSTRLEN];

    if (!inet_ntop(AF_INET6, row->remote, address, sizeof(address)))
        return -EINVAL;
    (void)snprintf(text, size, "tcp:[%s]:%u", address, came ? row->local_port : row->remote_port);
    return policy_control_from_word(came ? SG_CONTROL_accept : SG_CONTROL_connect, text, ret);
}

static bool is_denied(const struct cut *c, const struct diag_row *row, const struct opened_task *t)
{
    const struct process_ref ref = {t->pid, t->start_ns};
    _cleanup_(facts_done) struct facts facts = {};
    struct policy_control control;
    struct policy_query query = {.control = &control,
                                 .ops = SG_OP_CONTROL,
                                 .has_when = true,
                                 .when = time(NULL)};
    struct policy_decision decision;
    const struct who *who = process_table_who(c->agent->processes, &ref);
    char text[96];

    if (!who || facts_of(who, t, &facts) < 0 ||
        control_of(c, row, text, sizeof(text), &control) < 0)
        return false;
    query.facts = facts.facts;
    return policy_explain(c->loaded->image, &query, &decision) == 0 && decision.blocked;
}

static void cut_connections(struct cut *c)
{
    _cleanup_free_ uint8_t *says =
        new0(uint8_t, c->n_rows + 1); // 1: somebody is denied it, 2: somebody is not
    struct notice_number number = {"connections", 0};
    uint64_t failed = 0;
    char text[160];
    int error = 0;

    if (!says)
        return;
    for (size_t i = 0; i < c->n_owners; i++)
        says[c->owners[i].row] |=
            is_denied(c, &c->rows[c->owners[i].row], &c->tasks[c->owners[i].task]) ? 1 : 2;
    for (size_t i = 0; i < c->n_rows; i++) {
        int r = says[i] == 1 ? diag_destroy(&c->rows[i]) : -ENOENT;

        if (r == 0)
            number.value++;
        else if (r != -ENOENT) {
            failed++;
            error = r;
        }
    }
    if (failed)
        (void)log_warning_code(error,
                               "%llu connections from before the policy, which it denies, "
                               "could not be ended: %m; they are refused when they are used",
                               (unsigned long long)failed);
    if (!number.value)
        return;
    (void)snprintf(text, sizeof(text),
                   "%llu connections from before the policy were ended, since it denies them",
                   (unsigned long long)number.value);
    notice(c->agent, &(struct notice){.kind = "connections",
                                      .severity = NOTICE_MEDIUM,
                                      .message = text,
                                      .numbers = &number,
                                      .n_numbers = 1});
}

static void cut_done(struct job *job, bool ran)
{
    struct cut *c = container_of(job, struct cut, job);
    struct agent *a = c->agent;

    if (ran && !a->stopping && a->policies.now == c->loaded) {
        // Of whom not all owners are known nobody can say that all are denied.
        if (c->result == 0 && !c->more)
            cut_connections(c);
        else
            (void)
                log_warning_code(c->more ? -E2BIG : c->result,
                                 "connections from before the policy could not be looked through: "
                                 "%m; they are refused when they are used");
    }
    cut_free(c);
}

void cut_policy_changed(struct agent *a)
{
    struct loaded *l = a->policies.now;
    uint64_t kinds = SG_BIT(SG_CONTROL_connect) | SG_BIT(SG_CONTROL_accept);
    struct cut *c;

    // By names: what a connection was made to may have lost its name since.
    if (!(a->config.cut_connections || l->isolated) || (l->named && !l->isolated) ||
        !(policy_image_head(l->image)->controls & kinds))
        return;
    c = new0(struct cut, 1);
    if (!c)
        return;
    c->job = (struct job){.run = run_cut, .done = cut_done};
    c->agent = a;
    c->loaded = loaded_ref(l);
    if (worker_submit(a->watcher, &c->job) < 0)
        cut_free(c);
}
