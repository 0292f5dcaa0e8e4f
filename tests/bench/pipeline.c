// SPDX-License-Identifier: Apache-2.0
//
// sg-bench-pipeline FILE [RECORDS]: the agent's way of a record without a kernel: audited opens by a
// process of this machine, put together here, are taken in turns, and become lines of FILE. Natively, to
// see where the instructions go:
//
//     valgrind --tool=callgrind --collect-atstart=no --toggle-collect=turn PROGRAM /dev/shm/events 20000
//
// Prints what one record cost, in nanoseconds of processor time: the way to the line, and with it all that
// this program does besides putting records together. In a guest that counts instructions, a nanosecond is one:
//
//     tools/vm run --kernel 6.12 --icount -- sg-bench-pipeline /tmp/events 20000
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

// The way itself, with what is private to it.
#include "agent/records.c"
#include "base/strutil.h"
#include "process/host.h"
#include "tests/unit/model/record.h"

#define TURN AT_ONCE // as the agent takes them

static const struct rule_ref rules[] = {
    {BYTES("(built in)"), BYTES("(built in)"), 1, BYTES("self-test")},
    {BYTES("web-host"), BYTES("/etc/safeguard/policies/50-web.yaml"), 12, BYTES("/bench/**")},
};

static uint64_t cpu_ns(clockid_t clock)
{
    struct timespec ts;

    (void)clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static int answer(void *ctx _unused_, const struct control_caller *caller _unused_,
                  const struct control_request *request _unused_, struct jw *result _unused_,
                  struct error *err _unused_)
{
    return -EOPNOTSUPP;
}

static int start_agent(struct agent *a, struct loaded *policy, const char *path)
{
    const struct sink_options sink = {.kind = CONFIG_OUTPUT_FILE, .path = path};
    _cleanup_(sb_done) struct strbuf socket = {};
    struct error err = {};
    int r;

    *policy = (struct loaded){.rules = (struct rule_ref *)rules, .n_rules = 2, .n_own = 1, .id = 1};
    a->policies.now = policy;
    sb_printf(&socket, "%s.sock", path);
    r = loop_new(&a->loop);
    r = r < 0 ? r : host_read("", &a->host);
    r = r < 0 ? r : event_new(&a->event);
    r = r < 0 ? r : process_table_new(&(struct process_options){}, &a->processes);
    r = r < 0 ? r : ocsf_new(&a->host, 1, 0, &a->ocsf);
    r = r < 0 ? r : output_new(a->loop, &sink, &a->output);
    r = r < 0 ? r : mount_view_read("/proc/self/mountinfo", &a->mounts.view);
    r = r < 0 ? r : control_server_new(a->loop, sb_str(&socket), answer, a, &a->control, &err);
    return r;
}

static void stop_agent(struct agent *a)
{
    a->control = control_server_free(a->control);
    a->output = output_free(a->output);
    a->processes = process_table_free(a->processes);
    a->ocsf = ocsf_free(a->ocsf);
    a->event = event_free(a->event);
    mount_view_done(&a->mounts.view);
    a->loop = loop_free(a->loop);
}

// An open of one of a thousand files by `pid`, as sg_emit() writes it.
static void make_record(struct record *r, pid_t pid, const struct process_ref *self, uint32_t dev,
                        uint64_t n)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/bench/audited/again/%u", (unsigned)(n % 1000));
    record_begin(r, SG_RECORD_FILE);
    r->head.time_ns = now_ns(CLOCK_BOOTTIME);
    r->head.seq = n + 1;
    r->head.tgid = r->head.tid = (uint32_t)pid;
    r->head.start_ns = self->start_ns;
    r->head.ppid = (uint32_t)getpid();
    r->head.cgroup_id = 1;
    r->head.hook = SG_HOOK_file_open;
    r->head.rule = 1;
    r->head.verdict = SG_AUDIT;
    r->head.access = SG_OP_READ;
    r->head.policy_id = 1;
    r->head.ino = 3000 + n % 1000;
    r->head.dev = dev;
    r->head.mode = 0100644;
    r->head.nlink = 1;
    memcpy(r->head.comm, "sg-bench-pipeli", 16);
    record_path(r, SG_FIELD_PATH, path);
}

// As on_readable() does: kept apart, so that callgrind can be told to look at nothing else.
__attribute__((noinline)) void turn(struct agent *a, const struct record *records, size_t n);
void turn(struct agent *a, const struct record *records, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)on_record(a, records[i].bytes, records[i].head.size);
    take_waiting(a);
}

static int run(struct agent *a, pid_t pid, uint64_t n)
{
    struct record *records = calloc(TURN, sizeof(*records));
    struct process_ref self = {.tgid = (uint32_t)pid};
    const struct who *who = process_table_who(a->processes, &self);
    uint64_t loop_ns = 0, made_ns = 0, all_ns = cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    uint32_t dev = a->mounts.view.n_decode ? a->mounts.view.decode[0].dev : 0;

    if (!records || !who)
        return -ENOMEM;
    self = who->ref;
    for (uint64_t i = 0; i < n; i += TURN) {
        uint64_t start = cpu_ns(CLOCK_THREAD_CPUTIME_ID), made;

        for (uint64_t k = 0; k < TURN; k++)
            make_record(&records[k], pid, &self, dev, i + k);
        made = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
        made_ns += made - start;
        turn(a, records, TURN);
        loop_ns += cpu_ns(CLOCK_THREAD_CPUTIME_ID) - made;
        // As on_readable() does: what the worker has not come to waits where it is.
        while (loop_run_once(a->loop, output_is_behind(a->output)) > 0 ||
               output_is_behind(a->output))
            ;
    }
    free(records);
    all_ns = cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - all_ns - made_ns;
    (void)printf("%llu records: %llu ns each to its line, %llu ns each in all, %llu bad\n",
                 (unsigned long long)n, (unsigned long long)(loop_ns / n),
                 (unsigned long long)(all_ns / n), (unsigned long long)a->records.bad);
    return 0;
}

int main(int argc, char **argv)
{
    _cleanup_free_ struct agent *a = new0(struct agent, 1);
    struct loaded policy;
    uint64_t n = 100000;
    pid_t pid;
    int r;

    if (!a || argc < 2 || argc > 3 || (argc > 2 && parse_u64(argv[2], &n) < 0)) {
        (void)fprintf(stderr, "usage: sg-bench-pipeline FILE [RECORDS]\n");
        return 2;
    }
    pid = fork();
    if (pid == 0) {
        (void)pause();
        _exit(0);
    }
    r = pid < 0 ? negative_errno() : start_agent(a, &policy, argv[1]);
    r = r < 0 ? r : run(a, pid, n);
    if (r < 0)
        (void)fprintf(stderr, "sg-bench-pipeline: %s\n", strerror(-r));
    stop_agent(a);
    if (pid > 0 && kill(pid, SIGKILL) == 0)
        (void)waitpid(pid, NULL, 0);
    return r < 0;
}
