// SPDX-License-Identifier: Apache-2.0
//
// What there is to say of an exec: of one that happened, the process as it is after it; of one that was refused, the
// process that asked, with the program that it would have become.
#include <string.h>
#include <sys/socket.h>

#include "ocsf/objects.h"

// Flags that other attributes say already.
#define FLAGS_ELSEWHERE (SG_LAUNCH_SCRIPT | SG_LAUNCH_ARGS_CUT | SG_LAUNCH_ENV_CUT)

// Whose numbers a record has of whom nothing else is known.
static const struct who *unknown_who(const struct event *ev, struct who *w)
{
    const struct event_process *e = &ev->process;

    // Ancestors behind n_ancestors are never looked at.
    memset(w, 0, offsetof(struct who, ancestors));
    w->ref = e->ref;
    w->uid = e->uid;
    w->euid = e->euid;
    w->gid = e->gid;
    w->egid = e->egid;
    w->login_uid = e->login_uid;
    w->session_id = e->session_id;
    return w;
}

static void view_program(const struct event *ev, struct launch_view *l)
{
    struct process_view *p = &l->process;

    ocsf_view_process(l->who, p);
    if (ev->path.bytes.len) {
        p->name = bytes_basename(ev->path.bytes);
        p->exe = (struct file_view){
            .path = ev->path.bytes,
            .name = p->name,
            .type = 8, // an executable file
            .deleted = ev->launch.flags & SG_LAUNCH_DELETED,
            .ino = ev->exe_ino,
            .dev = ev->exe_dev,
        };
    }
    p->exe.facts = ev->file;
    if (ev->args.len)
        p->cmdline = ev->args;
    else if (ev->error) // what the process was started with says nothing of what it asked for
        p->cmdline = (struct bytes){};
}

// Does a reader of the arguments joined by blanks see where each of them ends?
static void view_args(struct bytes args, struct launch_view *l)
{
    for (uint32_t at = 0; at < args.len; l->n_args++) {
        uint32_t len = (uint32_t)strnlen(args.s + at, args.len - at);

        l->ambiguous = l->ambiguous || len == 0 || memchr(args.s + at, ' ', len);
        at += len + 1;
    }
}

static void view_env(struct bytes env, struct launch_view *l)
{
    for (uint32_t at = 0; at < env.len;) {
        const char *s = env.s + at, *equals;
        uint32_t len = (uint32_t)strnlen(s, env.len - at), name;

        at += len + 1;
        if (l->n_env == LAUNCH_ENV_MAX) {
            l->env_cut = true;
            return;
        }
        equals = memchr(s, '=', len);
        name = equals ? (uint32_t)(equals - s) : len;
        l->env[l->n_env++] = (struct env_view){{s, name},
                                               {s + name + (equals != NULL),
                                                len - name - (equals != NULL)}};
    }
}

static void view_descriptor(const struct launch_fd *fd, uint32_t number, struct descriptor_view *d)
{
    *d = (struct descriptor_view){
        .fd = fd,
        .number = number,
        .is_inet = fd->kind == SG_STDIO_SOCKET && (fd->family == AF_INET || fd->family == AF_INET6),
        .local = {fd->local, fd->family, fd->local_port},
        .remote = {fd->remote, fd->family, fd->remote_port},
    };
    d->is_connected = d->is_inet && fd->remote_port;
}

void ocsf_view_launch(const struct ocsf_context *o, const struct event *ev, struct launch_view *l)
{
    const struct launch *launch = &ev->launch;
    const struct host *h = &o->host;

    l->ev = ev;
    l->launch = launch;
    l->facts = ev->file;
    l->n_env = l->n_args = 0;
    l->env_cut = l->ambiguous = false;
    l->who = ev->target ? ev->target : ev->who ? ev->who : unknown_who(ev, &l->unknown);
    l->flags = launch->flags & ~FLAGS_ELSEWHERE;
    l->has_session = l->who->session != SG_SESSION_NONE || l->who->session_id != ID_NONE;
    l->has_namespaces = differs(launch->mnt_ns, h->mnt_ns) || differs(launch->pid_ns, h->pid_ns) ||
                        differs(launch->net_ns, h->net_ns) ||
                        differs(launch->user_ns, h->user_ns) ||
                        differs(launch->uts_ns, h->uts_ns) || differs(launch->ipc_ns, h->ipc_ns) ||
                        differs(launch->cgroup_ns, h->cgroup_ns) ||
                        differs(launch->timens, h->timens);
    view_program(ev, l);
    view_args(ev->args, l);
    view_env(launch->env, l);
    for (uint32_t i = 0; i < 3; i++)
        view_descriptor(&launch->fd[i], i, &l->fd[i]);
}
