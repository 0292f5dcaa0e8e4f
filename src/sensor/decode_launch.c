// SPDX-License-Identifier: Apache-2.0
//
// What the record of an exec says besides who executed which file.
#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "sensor/decode_fields.h"

static int take_launch(struct bytes field, struct event *ev, struct sg_launch *l)
{
    struct launch *to = &ev->launch;

    if (field.len < sizeof(*l))
        return -EBADMSG;
    memcpy(l, field.s, sizeof(*l));
    to->known = true;
    to->flags = l->flags;
    to->caps_effective = l->caps_effective;
    to->caps_permitted = l->caps_permitted;
    to->caps_ambient = l->caps_ambient;
    to->mnt_ns = l->mnt_ns;
    to->pid_ns = l->pid_ns;
    to->net_ns = l->net_ns;
    to->user_ns = l->user_ns;
    to->uts_ns = l->uts_ns;
    to->ipc_ns = l->ipc_ns;
    to->cgroup_ns = l->cgroup_ns;
    to->timens = l->timens;
    to->tty = l->tty;
    to->argc = l->argc;
    to->envc = l->envc;
    to->script_dev = l->script_dev;
    to->script_ino = l->script_ino;
    ev->args_cut = ev->args_cut || l->flags & SG_LAUNCH_ARGS_CUT;
    return 0;
}

// An earlier descriptor that is the same file: its path is in the record once.
static const struct launch_fd *same_file(const struct launch *l, int fd)
{
    const struct launch_fd *to = &l->fd[fd];

    for (int i = 0; i < fd; i++)
        if (l->fd[i].ino == to->ino && l->fd[i].dev == to->dev && l->fd[i].kind == to->kind)
            return &l->fd[i];
    return NULL;
}

static int take_descriptor(const struct decode_context *ctx, const struct sg_stdio *s,
                           struct bytes path, bool cut, int fd, struct event *ev)
{
    struct launch_fd *to = &ev->launch.fd[fd];
    const struct launch_fd *same;

    if (s->kind >= SG_STDIO_COUNT)
        return -EBADMSG;
    *to = (struct launch_fd){
        .kind = (enum sg_stdio_kind)s->kind,
        .family = s->family,
        .protocol = s->protocol,
        .local_port = s->local_port,
        .remote_port = s->remote_port,
        .dev = s->dev,
        .ino = s->ino,
    };
    memcpy(to->local, s->local, sizeof(to->local));
    memcpy(to->remote, s->remote, sizeof(to->remote));
    if (path.s)
        return decode_path(ctx, path, s->path_dev, cut, ev, &to->path);
    same = same_file(&ev->launch, fd);
    if (same)
        to->path = same->path;
    return 0;
}

static int take_stdio(const struct fields *fields, const struct decode_context *ctx,
                      struct event *ev)
{
    struct bytes field = fields->f[SG_FIELD_STDIO];
    struct sg_stdio stdio[ARRAY_SIZE(ev->launch.fd)];
    int r = 0;

    if (!field.s)
        return 0;
    if (field.len < sizeof(stdio))
        return -EBADMSG;
    memcpy(stdio, field.s, sizeof(stdio));
    for (int fd = 0; r == 0 && fd < (int)ARRAY_SIZE(stdio); fd++)
        r = take_descriptor(ctx, &stdio[fd], fields->f[SG_FIELD_STDIO_PATH0 + fd],
                            ev->launch.flags & SG_LAUNCH_STDIO_CUT, fd, ev);
    return r;
}

// Variables, each with a NUL behind it: one that is cut has it, too.
static int take_env(struct bytes field, struct event *ev)
{
    if (!field.s)
        return 0;
    if (field.len == 0 || field.s[field.len - 1] != '\0')
        return -EBADMSG;
    return decode_copy(field, ev, &ev->launch.env);
}

// What a file in memory was called, in the place of its path, which is none.
static int take_name(struct bytes field, struct event *ev)
{
    struct launch *l = &ev->launch;
    bool of_script = l->flags & SG_LAUNCH_SCRIPT && ev->path.bytes.len > 1;
    struct event_path *path = of_script ? &l->script : &ev->path;
    int r;

    if (!field.s || !(l->flags & SG_LAUNCH_MEMORY))
        return 0;
    r = decode_text(field, ev, &path->bytes);
    if (r == 0)
        path->kind = EVENT_PATH_TEXT;
    return r;
}

int decode_launch(const struct fields *fields, const struct decode_context *ctx, struct event *ev)
{
    const struct bytes *f = fields->f;
    struct launch *l = &ev->launch;
    struct sg_launch launch = {};
    int r;

    if (!f[SG_FIELD_LAUNCH].s)
        return 0;
    r = take_launch(f[SG_FIELD_LAUNCH], ev, &launch);
    if (r == 0 && f[SG_FIELD_CWD].s)
        r = decode_path(ctx, f[SG_FIELD_CWD], launch.cwd_dev, l->flags & SG_LAUNCH_CWD_CUT, ev,
                        &l->cwd);
    if (r == 0 && f[SG_FIELD_SCRIPT].s)
        r = decode_path(ctx, f[SG_FIELD_SCRIPT], launch.script_dev, l->flags & SG_LAUNCH_SCRIPT_CUT,
                        ev, &l->script);
    r = r < 0 ? r : take_name(f[SG_FIELD_NAME], ev);
    r = r < 0 ? r : take_env(f[SG_FIELD_ENV], ev);
    return r < 0 ? r : take_stdio(fields, ctx, ev);
}
