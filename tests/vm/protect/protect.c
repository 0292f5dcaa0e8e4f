// SPDX-License-Identifier: Apache-2.0
//
// sg-protect: puts a policy in force and runs a command under it, then prints what the kernel recorded.
//
// The shortest way from a policy to the kernel, without the agent: tests that ask whether the kernel side
// is right use it, so that a failure there is not one of the agent's. Loads the files given with -p,
// compiles them against this host's mounts, hands the image to a sensor, runs COMMAND, prints one line for
// each record, detaches. Exit status: COMMAND's own; 99 when the policy could not be put in force.
#include <arpa/inet.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/macro.h"
#include "base/strbuf.h"
#include "force.h"
#include "model/names.h"

#define LINKED_MAX 4096

struct protect {
    struct force force;
    const char *tree; // files in it that have several names are known by all of them
    struct sensor_object linked[LINKED_MAX];
    FILE *out;
    uint64_t flushed_ns;
    time_t when; // 0: all time windows are open
    size_t fill; // the table of roots is to be full: by so many file systems too many
};

static void put_path(struct jw *jw, const char *key, const struct event_path *path)
{
    char kind[32];

    if (path->kind == EVENT_PATH_NONE)
        return;
    jw_kv_strn(jw, key, path->bytes.s, path->bytes.len);
    snprintf(kind, sizeof(kind), "%s_kind", key);
    jw_kv_str(jw, kind, event_path_kind_name(path->kind));
}

static void put_words(struct jw *jw, const char *key, unsigned bits, unsigned n,
                      const char *(*name)(unsigned))
{
    jw_kv_array(jw, key);
    for (unsigned i = 0; i < n; i++)
        if (bits >> i & 1)
            jw_cstr(jw, name(i));
    jw_end_array(jw);
}

static void put_file(struct jw *jw, const struct event *ev)
{
    jw_kv_str(jw, "outcome", event_outcome_name(ev->outcome));
    jw_kv_str(jw, "hook", event_hook_name(ev->hook));
    jw_kv_str(jw, "reason", event_reason_name(ev->reason));
    jw_kv_u64(jw, "rule", ev->rule_index);
    jw_kv_u64(jw, "error", ev->error);
    jw_kv_u64(jw, "count", ev->count);
    put_words(jw, "ops", ev->access, SG_OP_COUNT, access_name);
    put_words(jw, "flags", ev->flags, EVENT_FLAG_COUNT, event_flag_name);
    put_path(jw, "path", &ev->path);
    put_path(jw, "path2", &ev->path2);
    jw_kv_u64(jw, "ino", ev->ino);
    if (ev->access & SG_OP_IO) {
        jw_kv_u64(jw, "bytes_read", ev->bytes_read);
        jw_kv_u64(jw, "bytes_written", ev->bytes_written);
        jw_kv_u64(jw, "open_ns", ev->time_ns - ev->first_ns);
    }
}

static void put_list(struct jw *jw, const char *key, struct bytes list)
{
    jw_kv_array(jw, key);
    while (list.len > 0) {
        size_t len = strnlen(list.s, list.len), step = MIN(len + 1, (size_t)list.len);

        jw_str(jw, list.s, len);
        list.s += step;
        list.len -= (uint32_t)step;
    }
    jw_end_array(jw);
}

static void put_address(struct jw *jw, const char *key, const struct launch_fd *fd,
                        const uint8_t *address)
{
    char text[INET6_ADDRSTRLEN];

    if (inet_ntop(fd->family, address, text, sizeof(text)))
        jw_kv_str(jw, key, text);
}

static void put_descriptor(struct jw *jw, const struct launch_fd *fd)
{
    static const char *const kinds[SG_STDIO_COUNT] = {"closed", "file", "tty",  "pipe",
                                                      "socket", "null", "other"};

    jw_begin_object(jw);
    jw_kv_str(jw, "kind", kinds[fd->kind]);
    jw_kv_u64(jw, "ino", fd->ino);
    jw_kv_u64(jw, "dev", fd->dev);
    put_path(jw, "path", &fd->path);
    if (fd->kind == SG_STDIO_SOCKET) {
        uint64_t other;

        jw_kv_u64(jw, "family", fd->family);
        jw_kv_u64(jw, "protocol", fd->protocol);
        jw_kv_u64(jw, "local_port", fd->local_port);
        jw_kv_u64(jw, "remote_port", fd->remote_port);
        put_address(jw, "local", fd, fd->local);
        put_address(jw, "remote", fd, fd->remote);
        memcpy(&other, fd->remote, sizeof(other));
        if (fd->family == AF_UNIX)
            jw_kv_u64(jw, "other", other);
    }
    jw_end_object(jw);
}

static void put_launch(struct jw *jw, const struct event *ev)
{
    static const char *const flags[SG_LAUNCH_FLAGS] = {"memory",  "deleted",   "foreign",
                                                       "secure",  "script",    "args_cut",
                                                       "env_cut", "compat",    "script_cut",
                                                       "cwd_cut", "stdio_cut", "cwd_deleted",
                                                       "caller"};
    const struct launch *l = &ev->launch;
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {{"argc", l->argc},
                   {"envc", l->envc},
                   {"tty", l->tty},
                   {"mnt_ns", l->mnt_ns},
                   {"pid_ns", l->pid_ns},
                   {"net_ns", l->net_ns},
                   {"user_ns", l->user_ns},
                   {"uts_ns", l->uts_ns},
                   {"ipc_ns", l->ipc_ns},
                   {"cgroup_ns", l->cgroup_ns},
                   {"timens", l->timens},
                   {"cap_effective", l->caps_effective},
                   {"cap_permitted", l->caps_permitted},
                   {"cap_ambient", l->caps_ambient},
                   {"cgroup", ev->process.cgroup_id},
                   {"tid", ev->process.tid}};

    put_list(jw, "args", ev->args);
    jw_kv_bool(jw, "args_cut", ev->args_cut);
    put_list(jw, "env", l->env);
    put_path(jw, "cwd", &l->cwd);
    put_path(jw, "script", &l->script);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        jw_kv_u64(jw, numbers[i].key, numbers[i].value);
    jw_kv_array(jw, "launch");
    for (unsigned i = 0; i < SG_LAUNCH_FLAGS; i++)
        if (l->flags >> i & 1)
            jw_cstr(jw, flags[i]);
    jw_end_array(jw);
    jw_kv_array(jw, "stdio");
    for (size_t i = 0; i < ARRAY_SIZE(l->fd); i++)
        put_descriptor(jw, &l->fd[i]);
    jw_end_array(jw);
}

static void put_ends(struct jw *jw, const struct sg_ends *e)
{
    char text[INET6_ADDRSTRLEN];

    jw_kv_str(jw, "family",
              e->family == AF_INET    ? "inet"
              : e->family == AF_INET6 ? "inet6"
                                      : "other");
    jw_kv_u64(jw, "protocol", e->protocol);
    jw_kv_str(jw, "local", inet_ntop(AF_INET6, e->local, text, sizeof(text)));
    jw_kv_u64(jw, "local_port", e->local_port);
    jw_kv_str(jw, "remote", inet_ntop(AF_INET6, e->remote, text, sizeof(text)));
    jw_kv_u64(jw, "remote_port", e->remote_port);
    jw_kv_u64(jw, "flags", e->flags);
}

static void put_control(struct jw *jw, const struct event *ev)
{
    const struct control_access *c = &ev->control;

    jw_kv_str(jw, "control", event_control_name(c->kind));
    jw_kv_str(jw, "outcome", event_outcome_name(ev->outcome));
    jw_kv_str(jw, "verdict", event_verdict_name(ev->verdict));
    jw_kv_str(jw, "hook", event_hook_name(ev->hook));
    jw_kv_u64(jw, "rule", ev->rule_index);
    jw_kv_u64(jw, "error", ev->error);
    jw_kv_u64(jw, "count", ev->count);
    jw_kv_u64(jw, "number", c->number[0]);
    jw_kv_u64(jw, "number1", c->number[1]);
    jw_kv_u64(jw, "number2", c->number[2]);
    jw_kv_strn(jw, "name", c->name.s, c->name.len);
    jw_kv_u64(jw, "target", c->target.tgid);
    if (c->has_ends)
        put_ends(jw, &c->ends);
}

static void put_end(struct jw *jw, const struct event *ev)
{
    jw_kv_u64(jw, "status", ev->wait_status);
    jw_kv_u64(jw, "lived_ns", ev->time_ns - ev->first_ns);
}

// One line of JSON for each record. Those of a merged denial come twice: when it was the first, and with the
// number of the others and "merged".
static int print_event(struct protect *p, const void *data, size_t len, bool merged)
{
    _cleanup_(sb_done) struct strbuf sb = {0};
    const struct event *ev = p->force.event;
    struct jw jw;
    int k = force_decode(&p->force, data, len);

    if (k < 0) {
        fprintf(p->out, "{\"kind\":\"undecodable\",\"bytes\":%zu,\"error\":%d}\n", len, -k);
        return 0;
    }
    if (ev->kind != EVENT_FILE && ev->kind != EVENT_FORK && ev->kind != EVENT_EXEC &&
        ev->kind != EVENT_EXIT && ev->kind != EVENT_ENTERED && ev->kind != EVENT_CONTROL)
        return 0;
    jw_init(&jw, &sb);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "kind", event_kind_name(ev->kind));
    jw_kv_bool(&jw, "merged", merged);
    jw_kv_u64(&jw, "time_ns", ev->time_ns);
    jw_kv_u64(&jw, "pid", ev->process.ref.tgid);
    jw_kv_u64(&jw, "ppid", ev->process.parent.tgid);
    jw_kv_u64(&jw, "uid", ev->process.uid);
    jw_kv_u64(&jw, "euid", ev->process.euid);
    jw_kv_strn(&jw, "comm", ev->process.comm, ev->process.comm_len);
    if (ev->kind == EVENT_FILE || ev->kind == EVENT_EXEC)
        put_file(&jw, ev);
    if (ev->kind == EVENT_EXEC)
        put_launch(&jw, ev);
    else if (ev->kind == EVENT_FILE)
        ;
    else if (ev->kind == EVENT_CONTROL)
        put_control(&jw, ev);
    else if (ev->kind == EVENT_FORK)
        jw_kv_u64(&jw, "child", ev->child.tgid);
    else if (ev->kind == EVENT_EXIT)
        put_end(&jw, ev);
    else
        put_path(&jw, "path", &ev->path);
    jw_end_object(&jw);
    if (jw_finish(&jw) == 0)
        fprintf(p->out, "%.*s\n", (int)sb.len, sb.s);
    return 0;
}

static int print_record(void *userdata, const void *data, size_t len)
{
    return print_event(userdata, data, len, false);
}

static int print_merged(void *userdata, const void *data, size_t len)
{
    return print_event(userdata, data, len, true);
}

static int put_in_force(struct protect *p, const char *const *files, size_t n_files, size_t n_idle)
{
    struct policy_image *image = NULL;
    struct sensor_stage stage = {.objects = p->linked};
    uint64_t on[SG_SUBJECT_WORDS];
    time_t next;
    int r = force_open(&p->force, &(struct sensor_options){0});

    p->force.n_idle = n_idle;
    r = r < 0 ? r : force_compile_files(&p->force, files, n_files, &image);
    if (r >= 0 && p->tree)
        r = force_find_linked(&p->force, image, p->tree, p->linked, LINKED_MAX, &stage.n_objects);
    if (r >= 0 && p->when) {
        policy_time_subjects(image, p->when, on, &next);
        stage.on = on;
    }
    if (r >= 0) {
        sensor_stage(p->force.sensor, &stage);
        r = force_set(&p->force, image, force_ops(image));
    }
    if (r >= 0 && p->fill && !force_fill(&p->force, image, p->fill))
        r = -EINVAL;
    policy_image_free(image);
    return r;
}

// What was merged goes out when its second is over; at the end that is waited for.
static void flush_merged(struct protect *p, bool last)
{
    uint64_t now = now_ns(CLOCK_BOOTTIME);

    if (last)
        poll(NULL, 0, 1000);
    else if (now - p->flushed_ns < NS_PER_SEC)
        return;
    p->flushed_ns = now;
    sensor_flush_merged(p->force.sensor, print_merged, p);
}

static int run_command(struct protect *p, char **command)
{
    struct sensor *s = p->force.sensor;
    struct pollfd fds[2];
    pid_t pid = fork();
    int status = 0;

    if (pid < 0)
        return EXIT_NOT_IN_FORCE;
    if (pid == 0) {
        execvp(command[0], command);
        _exit(127);
    }
    fds[0] = (struct pollfd){.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    fds[1] = (struct pollfd){.fd = sensor_fd(s), .events = POLLIN};
    while (poll(fds, ARRAY_SIZE(fds), 1000) >= 0 && !fds[0].revents) {
        sensor_consume(s, print_record, p);
        flush_merged(p, false);
    }
    close(fds[0].fd);
    waitpid(pid, &status, 0);
    while (sensor_consume(s, print_record, p) > 0)
        ;
    flush_merged(p, true);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void print_counters(struct protect *p)
{
    uint64_t n[SG_COUNT_MAX];

    if (sensor_counters(p->force.sensor, n) < 0)
        return;
    for (int i = 0; i < SG_COUNT_MAX; i++)
        if (n[i])
            fprintf(p->out, "{\"kind\":\"counter\",\"counter\":%d,\"n\":%llu}\n", i,
                    (unsigned long long)n[i]);
}

int main(int argc, char **argv)
{
    static struct protect p;
    const char *files[32];
    size_t n_files = 0, idle = 0;
    int c, status;

    p.out = stdout;
    while ((c = getopt(argc, argv, "+p:o:t:w:i:f:")) != -1) {
        if (c == 'p' && n_files < ARRAY_SIZE(files))
            files[n_files++] = optarg;
        else if (c == 't')
            p.tree = optarg;
        else if (c == 'w')
            p.when = (time_t)strtoll(optarg, NULL, 10);
        else if (c == 'i')
            idle = strtoul(optarg, NULL, 10);
        else if (c == 'f')
            p.fill = strtoul(optarg, NULL, 10);
        else if (c == 'o')
            p.out = fopen(optarg, "we");
        else
            return 2;
    }
    if (!n_files || optind == argc || !p.out) {
        fprintf(
            stderr,
            "usage: sg-protect -p POLICY.yaml... [-t TREE] [-o RECORDS] [-w TIME] [-i IDLE-ROOTS] "
            "[-f ROOTS-TOO-MANY] COMMAND...\n");
        return 2;
    }
    setvbuf(p.out, NULL, _IOLBF, 0);
    if (put_in_force(&p, files, n_files, idle) < 0)
        return EXIT_NOT_IN_FORCE;
    status = run_command(&p, argv + optind);
    print_counters(&p);
    return force_close(&p.force) < 0 ? EXIT_NOT_IN_FORCE : status;
}
