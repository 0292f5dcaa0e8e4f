// SPDX-License-Identifier: Apache-2.0
//
// sg-protect: puts a policy in force and runs a command under it, then prints what the kernel recorded.
//
// The shortest way from a policy to the kernel, without the agent: tests that ask whether the kernel side
// is right use it, so that a failure there is not one of the agent's. Loads the files given with -p,
// compiles them against this host's mounts, hands the image to a sensor, runs COMMAND, prints one line for
// each record, detaches. Exit status: COMMAND's own; 99 when the policy could not be put in force.
#include <fcntl.h>
#include <fts.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/strbuf.h"
#include "model/event.h"
#include "policy/compile.h"
#include "sensor/decode.h"
#include "sensor/sensor.h"

#define EXIT_NOT_IN_FORCE 99

struct protect {
    struct sensor *sensor;
    const char *tree; /* files in it that have several names are pinned */
    struct decode_mount *mounts;
    size_t n_mounts;
    struct event *event;
    FILE *out;
    uint64_t n_records;
};

static int fail(const char *what, const struct error *err)
{
    fprintf(stderr, "sg-protect: %s\n", what);
    if (err)
        error_print(err, stderr);
    return EXIT_NOT_IN_FORCE;
}

static int print_record(void *userdata, const void *data, size_t len)
{
    struct protect *p = userdata;
    const struct sg_record *r = data;
    struct decode_context ctx = {.mounts = p->mounts, .n_mounts = p->n_mounts};
    int k = decode_record(data, len, &ctx, p->event);

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
        r->reason, !!(r->flags & SG_RECORD_RELABEL), r->tgid, r->count,
        (int)p->event->path.bytes.len, p->event->path.bytes.s);
    return 0;
}

/* The mounts of this host for the compiler, and the same for the decoder. */
static int read_mounts(struct protect *p, struct policy_mounts **ret)
{
    _cleanup_free_ char *text = NULL;
    size_t len, n = 0;
    int r = read_file_bounded(AT_FDCWD, "/proc/self/mountinfo", 16 << 20, &text, &len);

    if (r < 0)
        return r;
    r = mounts_parse(text, len, ret);
    if (r < 0)
        return r;
    p->mounts = calloc((*ret)->n + 1, sizeof(*p->mounts));
    if (!p->mounts)
        return -ENOMEM;
    for (size_t i = 0; i < (*ret)->n; i++) {
        const struct policy_mount *m = &(*ret)->items[i];

        if (m->flags & (POLICY_MOUNT_FOREIGN | POLICY_MOUNT_HIDDEN))
            continue;
        p->mounts[n++] = (struct decode_mount){
            .dev = m->dev,
            .root = {.s = m->fs_root, .len = strlen(m->fs_root)},
            .point = {.s = m->mountpoint, .len = strlen(m->mountpoint)},
        };
    }
    p->n_mounts = n;
    decode_mounts_sort(p->mounts, n);
    return 0;
}

/* A file with several names: to be pinned, so that it is worth what its protected name is by whichever name it comes. */
struct several {
    uint32_t dev, state;
    uint64_t ino;
};

static struct several found[4096];
static size_t n_found;

/* Looked for before the policy is in force, which denies the look. */
static int find_several(const struct policy_image *image, const char *tree)
{
    char *const trees[] = {(char *)tree, NULL};
    FTS *fts = fts_open(trees, FTS_PHYSICAL | FTS_XDEV, NULL);
    FTSENT *e;

    if (!fts)
        return -errno;
    while ((e = fts_read(fts))) {
        const struct stat *st = e->fts_statp;
        uint32_t state;

        if (e->fts_info != FTS_F || st->st_nlink < 2)
            continue;
        state = policy_image_walk(image, image->start, e->fts_path, e->fts_pathlen);
        if (!state)
            continue;
        if (n_found == ARRAY_SIZE(found))
            break;
        found[n_found++] = (struct several){
            .dev = policy_dev(major(st->st_dev), minor(st->st_dev)),
            .ino = st->st_ino,
            .state = state,
        };
    }
    fts_close(fts);
    return n_found == ARRAY_SIZE(found) ? -ENOSPC : 0;
}

static int pin_all(struct protect *p)
{
    for (size_t i = 0; i < n_found; i++)
        if (sensor_pin_object(p->sensor, found[i].dev, found[i].ino, found[i].state) < 0)
            return -1;
    return 0;
}

static int put_in_force(struct protect *p, const char *const *files, size_t n_files)
{
    struct policy_diags diags = {0};
    struct policy *policy = NULL;
    struct policy_image *image = NULL;
    struct policy_mounts *mounts = NULL;
    struct sensor_root *roots;
    struct error err = {0};
    uint32_t ops = 0;
    int r = policy_load_files(files, n_files, NULL, &diags, &policy);

    if (r >= 0)
        r = read_mounts(p, &mounts);
    if (r >= 0)
        r = policy_compile(policy, mounts, NULL, &diags, &image);
    if (r < 0) {
        _cleanup_(sb_done) struct strbuf sb = {0};

        policy_diags_format(&diags, false, &sb);
        fprintf(stderr, "%s", sb.s ? sb.s : "");
        return fail("the policy was refused", NULL);
    }
    roots = calloc(image->n_roots + 1, sizeof(*roots));
    if (!roots)
        return fail("out of memory", NULL);
    for (size_t i = 0; i < image->n_roots; i++)
        roots[i] = (struct sensor_root){.dev = image->roots[i].dev, .root = image->roots[i].root};
    for (size_t i = 0; i < image->n_rules; i++)
        ops |= image->rules[i].ops;
    if (p->tree && find_several(image, p->tree) < 0)
        return fail("the tree could not be searched", NULL);
    if (sensor_new(&(struct sensor_options){0}, &p->sensor, &err) < 0)
        return fail("the sensor did not start", &err);
    if (sensor_set_policy(p->sensor, image->mem, image->size, ops, roots, image->n_roots, &err) < 0)
        return fail("the policy could not be put in force", &err);
    if (pin_all(p) < 0)
        return fail("files with several names could not be pinned", NULL);
    free(roots);
    policy_image_free(image);
    mounts_free(mounts);
    policy_free(policy);
    policy_diags_done(&diags);
    return 0;
}

static int run_command(struct protect *p, char **command)
{
    struct pollfd fds[2];
    pid_t pid = fork();
    int status = 0;

    if (pid < 0)
        return fail("fork failed", NULL);
    if (pid == 0) {
        execvp(command[0], command);
        _exit(127);
    }
    fds[0] = (struct pollfd){.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    fds[1] = (struct pollfd){.fd = sensor_fd(p->sensor), .events = POLLIN};
    while (poll(fds, ARRAY_SIZE(fds), -1) >= 0 && !fds[0].revents)
        sensor_consume(p->sensor, print_record, p);
    close(fds[0].fd);
    waitpid(pid, &status, 0);
    sensor_consume(p->sensor, print_record, p);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void print_counters(struct protect *p)
{
    uint64_t n[SG_COUNT_MAX];

    if (sensor_counters(p->sensor, n) < 0)
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
    struct error err = {0};
    int c, status;

    p.out = stdout;
    if (event_new(&p.event) < 0)
        return fail("out of memory", NULL);
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
    status = put_in_force(&p, files, n_files);
    if (status)
        return status;
    status = run_command(&p, argv + optind);
    print_counters(&p);
    if (sensor_detach(p.sensor, &err) < 0)
        return fail("detaching failed", &err);
    sensor_free(p.sensor);
    return status;
}
