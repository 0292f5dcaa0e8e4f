// SPDX-License-Identifier: Apache-2.0
//
// sg-protect: puts a policy in force and runs a command under it, then prints what the kernel recorded.
//
// The shortest way from a policy to the kernel, without the agent: tests that ask whether the kernel side
// is right use it, so that a failure there is not one of the agent's. Loads the files given with -p,
// compiles them against this host's mounts, hands the image to a sensor, runs COMMAND, prints one line for
// each record, detaches. Exit status: COMMAND's own; 99 when the policy could not be put in force.
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macro.h"
#include "force.h"

#define LINKED_MAX 4096

struct protect {
    struct force force;
    const char *tree; // files in it that have several names are known by all of them
    struct sensor_object linked[LINKED_MAX];
    FILE *out;
    uint64_t n_records;
};

static int print_record(void *userdata, const void *data, size_t len)
{
    struct protect *p = userdata;
    const struct sg_record *r = data;
    const struct event_path *path = &p->force.event->path;
    int k = force_decode(&p->force, data, len);

    if (k < 0) {
        fprintf(p->out, "undecodable record of %zu bytes: %s\n", len, strerror(-k));
        return 0;
    }
    if (r->type != SG_RECORD_FILE)
        return 0;
    p->n_records++;
    fprintf(
        p->out,
        "record verdict=%u monitor=%d error=%u hook=%u rule=%u access=%#x reason=%u relabel=%d pid=%u count=%u path=%.*s\n",
        r->verdict, !!(r->flags & SG_RECORD_MONITOR), r->error, r->hook, r->rule, r->access,
        r->reason, !!(r->flags & SG_RECORD_RELABEL), r->tgid, r->count, (int)path->bytes.len,
        path->bytes.s);
    return 0;
}

static int put_in_force(struct protect *p, const char *const *files, size_t n_files)
{
    struct policy_image *image = NULL;
    struct sensor_stage stage = {.objects = p->linked};
    int r = force_open(&p->force, &(struct sensor_options){0});

    r = r < 0 ? r : force_compile_files(&p->force, files, n_files, &image);
    if (r >= 0 && p->tree)
        r = force_find_linked(&p->force, image, p->tree, p->linked, LINKED_MAX, &stage.n_objects);
    if (r >= 0) {
        sensor_stage(p->force.sensor, &stage);
        r = force_set(&p->force, image, force_ops(image));
    }
    policy_image_free(image);
    return r;
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
    while (poll(fds, ARRAY_SIZE(fds), -1) >= 0 && !fds[0].revents)
        sensor_consume(s, print_record, p);
    close(fds[0].fd);
    waitpid(pid, &status, 0);
    sensor_consume(s, print_record, p);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void print_counters(struct protect *p)
{
    uint64_t n[SG_COUNT_MAX];

    if (sensor_counters(p->force.sensor, n) < 0)
        return;
    for (int i = 0; i < SG_COUNT_MAX; i++)
        if (n[i])
            fprintf(p->out, "counter %d %llu\n", i, (unsigned long long)n[i]);
}

int main(int argc, char **argv)
{
    static struct protect p;
    const char *files[32];
    size_t n_files = 0;
    int c, status;

    p.out = stdout;
    while ((c = getopt(argc, argv, "+p:o:t:")) != -1) {
        if (c == 'p' && n_files < ARRAY_SIZE(files))
            files[n_files++] = optarg;
        else if (c == 't')
            p.tree = optarg;
        else if (c == 'o')
            p.out = fopen(optarg, "we");
        else
            return 2;
    }
    if (!n_files || optind == argc || !p.out) {
        fprintf(stderr, "usage: sg-protect -p POLICY.yaml... [-t TREE] [-o RECORDS] COMMAND...\n");
        return 2;
    }
    setvbuf(p.out, NULL, _IOLBF, 0);
    if (put_in_force(&p, files, n_files) < 0)
        return EXIT_NOT_IN_FORCE;
    status = run_command(&p, argv + optind);
    print_counters(&p);
    return force_close(&p.force) < 0 ? EXIT_NOT_IN_FORCE : status;
}
