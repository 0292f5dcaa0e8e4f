// SPDX-License-Identifier: Apache-2.0
//
// The agent: options, settings, and the order in which its parts start and end.
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/enrolling.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/options.h"

#define LARGE_PIECE   (128 << 10) // bytes
#define TICK_MS       1000
#define TICK_ACCURACY 250
#define OOM_SCORE     "-900\n"

enum {
    OPT_CONFIG = CONFIG_ID_COUNT,
    OPT_CHECK,
    OPT_GENERATE,
    OPT_HELP,
    OPT_VERSION,
};

static const struct option_row own_rows[] = {
    {'c', "config", "FILE", "read settings from FILE (default: " CONFIG_PATH_DEFAULT ")",
     OPTION_ARG, OPT_CONFIG, "FILE"},
    {0, "check", NULL, "check the settings, say what this kernel can do, and end", OPTION_FLAG,
     OPT_CHECK, NULL},
    {0, "generate", "WHAT", "write man, man-config or completion to standard output", OPTION_ARG,
     OPT_GENERATE, "man man-config completion"},
    {'h', "help", NULL, "show this help", OPTION_FLAG, OPT_HELP, NULL},
    {'V', "version", NULL, "show the version", OPTION_FLAG, OPT_VERSION, NULL},
};

#define N_OPTIONS (ARRAY_SIZE(own_rows) + CONFIG_ID_COUNT - 1)

static const char description[] =
    "Loads the policies, has the kernel decide by them, proves that it does, and writes records of what "
    "was denied or is to be audited. Reads its settings from " CONFIG_PATH_DEFAULT
    "; options win over the "
    "file.\n\n"
    "'safeguard-agent enrol' makes this host known to a server; see its --help.\n\n"
    "SIGHUP reads the policies again, SIGUSR1 begins a new file of records at its path, SIGTERM ends the agent. "
    "Enforcement outlives the agent; 'safeguard stop --detach' ends both.\n\n"
    "Exit status: 0 asked to end, 1 failure, 2 wrong usage, 77 not root, 78 the settings are wrong or "
    "this kernel cannot deny.";

// What the command line says, kept until the file has been read.
struct command_line {
    const char *values[CONFIG_ID_COUNT];
    const char *config, *generate;
    bool check, help, version;
};

static int on_option(void *ctx, int id, const char *arg, struct error *err)
{
    struct command_line *c = ctx;

    (void)err;
    switch (id) {
    case OPT_CONFIG: c->config = arg; break;
    case OPT_CHECK: c->check = true; break;
    case OPT_GENERATE: c->generate = arg; break;
    case OPT_HELP: c->help = true; break;
    case OPT_VERSION: c->version = true; break;
    default: c->values[id] = arg; break;
    }
    return 0;
}

static int generate(const struct options *o, const char *what)
{
    _cleanup_(sb_done) struct strbuf sb = {};

    if (streq(what, "man"))
        options_man(o, &enrol_options_table, 1, 8, SAFEGUARD_VERSION, &sb);
    else if (streq(what, "man-config"))
        config_man(&sb);
    else if (streq(what, "completion"))
        options_completion_bash(o, &enrol_options_table, 1, &sb);
    else if (streq(what, "help"))
        options_help(o, 0, &sb);
    else
        return -EINVAL;
    return write_all(STDOUT_FILENO, sb_str(&sb), sb.len);
}

static int settle_config(struct config *config, const struct command_line *line)
{
    struct error err = {};
    int r;

    r = config_init(config);
    r = r < 0 ? r : config_read_file(config, line->config);
    for (int id = 1; id < CONFIG_ID_COUNT && r == 0; id++)
        if (line->values[id])
            r = config_set(config, (enum config_id)id, line->values[id], &err);
    error_print(&err, stderr);
    return r;
}

// What this kernel cannot do, with the cures. True: good enough for these settings.
static bool kernel_will_do(const struct agent *a)
{
    const struct sensor_probe *p = &a->probe;

    if (p->can_enforce)
        return true;
    log_error("Linux %s cannot be trusted to deny as it runs now:", p->release);
    for (size_t i = 0; i < p->n_capabilities; i++) {
        const struct sensor_capability *c = &p->capabilities[i];

        if (!c->ok)
            log_error("  %s: %s%s%s", c->id, c->detail, c->cure[0] ? "; to do: " : "", c->cure);
    }
    if (!p->can_record) {
        log_error(
            "it cannot even record here; 'safeguard doctor' shows everything that was looked at");
        return false;
    }
    if (a->config.degraded) {
        log_warning(
            "degraded: accesses are recorded, but that they are refused cannot be relied on");
        return true;
    }
    log_error(
        "with --degraded=yes (degraded: yes in agent.yaml) the agent runs all the same: it records, and what it refuses cannot be relied on");
    return false;
}

// Last to be killed when memory ends; what it forks for tests lives for moments.
static void adjust_oom(void)
{
    _cleanup_close_ int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write_all(fd, OOM_SCORE, strlen(OOM_SCORE)) < 0)
        (void)log_warning_code(negative_errno(),
                               "the agent may be killed early when memory ends: %m");
}

static int on_end(void *ctx, int signo)
{
    struct agent *a = ctx;

    if (!defence_may_end(a, signo))
        return 0;
    log_info("%s: ending", strsignal(signo));
    agent_stop(a, false);
    return 0;
}

static int on_hup(void *ctx, int signo _unused_)
{
    policies_reload(ctx, "SIGHUP");
    return 0;
}

static int on_usr1(void *ctx, int signo _unused_)
{
    struct agent *a = ctx;

    output_reopen(a->output);
    return 0;
}

static void measure_cpu(struct agent *a)
{
    uint64_t now = now_ns(CLOCK_MONOTONIC), used = now_ns(CLOCK_PROCESS_CPUTIME_ID);

    // Over ten seconds: a single one says little.
    if (a->cpu_wall_ns && now - a->cpu_wall_ns < 10 * NS_PER_SEC)
        return;
    if (a->cpu_wall_ns)
        a->cpu_permille = (uint32_t)((used - a->cpu_ns) * 1000 / (now - a->cpu_wall_ns));
    a->cpu_ns = used;
    a->cpu_wall_ns = now;
}

static int on_tick(void *ctx)
{
    struct agent *a = ctx;

    if (a->stopping)
        return 0;
    records_tick(a);
    policies_tick(a);
    times_tick(a);
    defence_tick(a);
    isolation_tick(a);
    losses_tick(a);
    uplink_tick(a);
    mountwatch_tick(a);
    descriptors_tick(a);
    health_tick(a);
    top_tick(a);
    net_tick(a);
    schedule_tick(a);
    packets_second(a);
    measure_cpu(a);
    return 0;
}

static int make_dirs(struct agent *a, struct error *err)
{
    _cleanup_(sb_done) struct strbuf socket = {}, accepted = {}, linked = {};
    int r;

    r = mkdir_p(AT_FDCWD, a->config.run_dir, 0755);
    if (r < 0)
        return error_set(err, r, "%s: %m", a->config.run_dir);
    r = mkdir_p(AT_FDCWD, a->config.state_dir, 0700);
    if (r < 0)
        return error_set(err, r, "%s: %m", a->config.state_dir);
    // It may come to be later; then what an earlier agent's policy says of it holds until the next start.
    if (a->output_dir)
        (void)mkdir_p(AT_FDCWD, a->output_dir, 0750);
    sb_printf(&socket, "%s/control.sock", a->config.run_dir);
    sb_printf(&accepted, "%s/accepted-policies.json", a->config.state_dir);
    sb_printf(&linked, "%s/linked-files", a->config.state_dir);
    r = sb_finish(&socket, &a->socket_path);
    r = r < 0 ? r : sb_finish(&accepted, &a->accepted_path);
    r = r < 0 ? r : sb_finish(&linked, &a->linked_path);
    r = r < 0 ? r : uplink_paths(a);
    if (r == 0 && uplink_wanted(a))
        (void)mkdir_p(AT_FDCWD, a->config.spool_dir, 0700);
    return r < 0 ? error_set(err, r, "%m") : 0;
}

// The agent is not subject to its own policies: it reads what nobody may read, and writes to its own places.
static struct sensor_claim claim_of(const struct agent *a)
{
    return (struct sensor_claim){
        .pin_dir = a->config.pin_dir,
        .dirs = {a->config.run_dir, a->config.state_dir, a->output_dir, a->config.spool_dir},
        .kept_rules = BUILD_KEPT_RULES,
    };
}

static int find_output_dir(struct agent *a)
{
    _cleanup_free_ char *copy = NULL;

    if (a->config.output != CONFIG_OUTPUT_FILE)
        return 0;
    copy = xstrndup(a->config.output_path, strlen(a->config.output_path));
    a->output_dir = copy ? xstrndup(dirname(copy), strlen(a->config.output_path)) : NULL;
    return a->output_dir ? 0 : -ENOMEM;
}

static int start_signals(struct agent *a)
{
    static const struct {
        int signo;
        loop_signal_fn fn;
    } rows[] = {{SIGTERM, on_end}, {SIGINT, on_end}, {SIGHUP, on_hup}, {SIGUSR1, on_usr1}};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    int r = 0;

    // Whoever reads our output may go away, and nobody's stray SIGUSR2 is a reason to end.
    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)sigaction(SIGUSR2, &ignore, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(rows) && r == 0; i++)
        r = loop_add_signal(a->loop, rows[i].signo, rows[i].fn, a, NULL);
    return r;
}

static int start_sensor(struct agent *a, struct error *err)
{
    _cleanup_(sb_done) struct strbuf canary = {};
    struct sensor_options options = {.pin_dir = a->config.pin_dir, .claim = claim_of(a)};
    int r;

    sb_printf(&canary, "%s/canary", a->config.run_dir);
    options.canary_dir = sb_str(&canary);
    defence_options(a, &options);
    if (a->config.credentials != CONFIG_CREDENTIALS_OFF)
        options.features |= SENSOR_FEATURE_CREDENTIALS;
    options.credentials = a->config.credentials == CONFIG_CREDENTIALS_ENFORCE &&
                                  a->config.mode != CONFIG_MODE_MONITOR
                              ? SENSOR_CREDENTIALS_ENFORCE
                              : SENSOR_CREDENTIALS_RECORD;
    options.ring_bytes = (uint32_t)MIN(a->config.ring_size, (uint64_t)1 << 30);
    r = sensor_new(&options, &a->sensor, err);
    if (r == -EBUSY)
        error_cure(err, "end the other agent first: safeguard stop");
    if (r == 0)
        defence_start(a);
    return r;
}

static int start(struct agent *a, struct error *err)
{
    int r;

    r = make_dirs(a, err);
    if (r == 0) {
        r = loop_new(&a->loop);
        r = r < 0 ? r : start_signals(a);
        if (r < 0)
            (void)error_set(err, r, "no event loop: %m");
    }
    r = r < 0 ? r : start_sensor(a, err);
    r = r < 0 ? r : rooms_start(a, err);
    if (r == 0) {
        isolation_start(a);
        uplink_start(a);
    }
    r = r < 0 ? r : control_start(a, err);
    r = r < 0 ? r : mountwatch_start(a, err);
    r = r < 0 ? r : records_start(a, err);
    if (r < 0)
        return r;
    losses_start(a);
    links_start(a);
    descriptors_start(a);
    top_start(a);
    schedule_start(a);
    r = net_start(a, err);
    if (r < 0)
        return r;
    r = loop_add_timer(a->loop, TICK_MS, TICK_MS, TICK_ACCURACY, on_tick, a, &a->tick);
    if (r < 0)
        return error_set(err, r, "no timer: %m");
    return policies_start(a, err);
}

// What nobody can tell of later: records that could not be written, and those that found no room since that was told.
static void stop_output(struct agent *a)
{
    struct output_lost lost;
    uint64_t dropped;

    if (!a->output)
        return;
    dropped = losses_records_untold(a);
    output_stop(a->output, &lost);
    if (lost.lines)
        (void)log_error_code(
            lost.error,
            "%s%llu records (%llu bytes) that waited to be written are lost: %m; to do: make room or "
            "repair the destination of the records",
            lost.error == -ETIMEDOUT ? "up to " : "", (unsigned long long)lost.lines,
            (unsigned long long)lost.bytes);
    if (dropped)
        log_error("%llu records were dropped: more waited to be written than there is room for",
                  (unsigned long long)dropped);
    a->output = output_free(a->output);
}

// The way back. False: a worker did not come back, so that nothing it may touch can be freed.
static bool finish(struct agent *a)
{
    bool stopped;

    a->stopping = true;
    if (a->sensor)
        schedule_stop(a, a->detach);
    packets_stop(a);
    stopped = worker_stop(a->builder);
    stopped = worker_stop(a->scanner) && stopped;
    stopped = worker_stop(a->watcher) && stopped;
    stopped = worker_stop(a->programs.worker) && stopped;
    // Before the table of processes and the output go, of which it needs both.
    net_stop(a);
    if (a->sensor)
        records_stop(a);
    a->tick = loop_source_free(a->tick);
    a->control = control_server_free(a->control);
    stop_output(a);
    stopped = uplink_stop(a) && stopped;
    if (!stopped)
        return false;
    a->builder = worker_free(a->builder);
    a->scanner = worker_free(a->scanner);
    a->watcher = worker_free(a->watcher);
    programs_stop(a);
    policies_stop(a);
    mountwatch_stop(a);
    descriptors_stop(a);
    top_stop(a);
    isolation_stop(a);
    a->processes = process_table_free(a->processes);
    a->ocsf = ocsf_free(a->ocsf);
    a->event = event_free(a->event);
    a->sensor = sensor_free(a->sensor);
    a->loop = loop_free(a->loop);
    free(a->socket_path);
    free(a->accepted_path);
    free(a->linked_path);
    free(a->output_dir);
    sb_done(&a->links.known);
    object_names_done(&a->links.names);
    config_done(&a->config);
    return true;
}

static void say_goodbye(const struct agent *a)
{
    if (a->detach)
        log_info("ended; nothing is enforced any more");
    else if (a->ready)
        log_info(
            "ended; enforcement goes on without the agent (records wait in the rings until they are "
            "full), 'safeguard stop --detach' would end it");
}

static int run(struct agent *a)
{
    struct sensor_claim claim;
    struct error err = {};
    int r;

    if (geteuid() != 0) {
        log_error(
            "the agent has to run as root; what this kernel can do, 'safeguard doctor' tells anybody");
        return EX_NOPERM;
    }
    if (find_output_dir(a) < 0)
        return EXIT_FAILURE;
    claim = claim_of(a);
    sensor_claim(&claim);
    r = sensor_probe(&a->probe);
    if (r < 0) {
        (void)log_error_code(r, "the kernel cannot be asked what it can do: %m");
        return EXIT_FAILURE;
    }
    if (!kernel_will_do(a))
        return EX_CONFIG;
    adjust_oom();
    // Compiling needs memory for moments; threads need no heaps of their own, and what is large goes back to the system
    // when it is freed. Left alone, malloc learns from large pieces to keep twice as much.
    (void)mallopt(M_ARENA_MAX, 2);
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_PIECE);
    // Where pages are made huge, 2 MB are taken where 100 KB are used, and what was given back is taken again.
    (void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    a->started_ns = now_ns(CLOCK_REALTIME);
    a->mounts.fd = a->policy_watch.fd = -1;
    r = start(a, &err);
    if (r < 0)
        (void)log_error_struct(&err);
    else
        r = loop_run(a->loop);
    if (r < 0 && !error_is_set(&err))
        (void)log_error_code(r, "the agent ends: %m");
    say_goodbye(a);
    if (!finish(a))
        _exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static enum log_level log_level_of(const struct config *c)
{
    static const enum log_level levels[] = {
        [CONFIG_LOG_ERROR] = LOG_LEVEL_ERROR,
        [CONFIG_LOG_WARNING] = LOG_LEVEL_WARNING,
        [CONFIG_LOG_INFO] = LOG_LEVEL_INFO,
        [CONFIG_LOG_DEBUG] = LOG_LEVEL_DEBUG,
    };

    return c->log_level < ARRAY_SIZE(levels) ? levels[c->log_level] : LOG_LEVEL_INFO;
}

static int check(struct agent *a)
{
    int r = sensor_probe(&a->probe);

    if (r < 0) {
        (void)log_error_code(r, "the kernel cannot be asked what it can do: %m");
        return EXIT_FAILURE;
    }
    if (!kernel_will_do(a))
        return EX_CONFIG;
    (void)printf("the settings are fine, and Linux %s can be made to deny\n", a->probe.release);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct option_row rows[N_OPTIONS];
    const struct options options = {
        .program = "safeguard-agent",
        .summary = "the daemon that protects this host",
        .description = description,
        .rows = rows,
        .n_rows = N_OPTIONS,
    };
    _cleanup_free_ struct agent *agent = new0(struct agent, 1);
    struct command_line line = {};
    struct error err = {};
    int r, first;

    if (argc > 1 && streq(argv[1], "enrol"))
        return enrol_main(argc - 1, argv + 1);
    memcpy(rows, own_rows, sizeof(own_rows));
    config_option_rows(rows + ARRAY_SIZE(own_rows));
    r = options_parse(&options, argc, argv, on_option, &line, &first, &err);
    if (r < 0) {
        error_print(&err, stderr);
        return 2;
    }
    if (line.help || line.generate)
        return generate(&options, line.help ? "help" : line.generate) < 0 ? 2 : 0;
    if (line.version)
        return printf("safeguard-agent %s\n", SAFEGUARD_VERSION) < 0;
    if (!agent || settle_config(&agent->config, &line) < 0)
        return EX_CONFIG;
    agent->config_path = line.config ? line.config : CONFIG_PATH_DEFAULT;
    log_open_as("safeguard-agent", LOG_TARGET_AUTO, log_level_of(&agent->config));
    return line.check ? check(agent) : run(agent);
}
