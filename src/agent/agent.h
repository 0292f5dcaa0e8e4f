// SPDX-License-Identifier: Apache-2.0
//
// The agent from inside: its state, and what its files offer one another. One process, one loop; whatever
// may take long is a job of a worker (worker.h). main.c wires the parts; every part keeps going when
// another fails, and says so in its piece of the status.
//
//   config.c      settings               build.c     policies → image (in a worker)
//   policies.c    which policy is in force, when it is built again
//   policywatch.c its directory          policyreport.c  what is said of policies
//   mountwatch.c  mounts that come and go
//   records.c     ring → event → who → rule → OCSF → output and subscribers
//   programs.c    what is executed: hashes, packages      held.c   records that wait for that
//   notices.c     what the agent has to say about itself, as records
//   output.c      lines → file, stdout, journal     sink.c, worker.c
//   health.c      self-tests               losses.c    what was not delivered
//   times.c       time windows
//   defence.c     safeguard's own defence: its window, its records   defencewatch.c  what no hook sees   secret.c
//   manager.c     the service manager, asked whether the host goes down
//   links.c       files with several names          descriptors.c  what was open before its rule came
//   status.c      the status               control.c   the commands of the local socket
//   cut.c         connections that a new policy denies
//   isolation.c   this host cut off from everything but its server
//   link*.c       the server: see uplink.h  bundle.c    its policies on the disk
//   enrolling.c   "safeguard-agent enrol"   top.c       what processes do      net*.c   who talks to whom
//   packets.c     rules about packets
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "agent/build.h"
#include "agent/config.h"
#include "agent/isolation_spec.h"
#include "agent/mounts.h"
#include "agent/net.h"
#include "agent/objects.h"
#include "agent/opened.h"
#include "agent/output.h"
#include "agent/packets.h"
#include "agent/schedule.h"
#include "agent/secret.h"
#include "agent/top.h"
#include "agent/uplink.h"
#include "agent/worker.h"
#include "base/json.h"
#include "base/loop.h"
#include "control/server.h"
#include "files/files.h"
#include "model/event.h"
#include "model/host.h"
#include "ocsf/ocsf.h"
#include "process/process.h"
#include "sensor/sensor.h"

#define AGENT_CALLERS_MAX CONTROL_PEERS_MAX

struct agent;

// policies.c -------------------------------------------------------------------------------------------

#define POLICIES_BEFORE 4

struct policies {
    struct loaded *now; // in force; NULL: nothing that this agent put there
    struct loaded
        *before[POLICIES_BEFORE]; // the latest first, for records that are still on their way
    bool building;
    const char *again; // why another build has to follow; NULL: none
    int step;          // of the start: what is tried next when a build fails, see policies.c
    struct control_caller callers[AGENT_CALLERS_MAX]; // who waits for the build that runs
    size_t n_callers, n_served;                       // n_served of them by the build that runs
    uint64_t changed_ns; // CLOCK_REALTIME: the policy in force was put there
    uint64_t refused_ns; // the last refusal; 0: what was read last is in force
    char *diags;         // JSON of what was found when the policies were read last, NULL: not yet
    struct error error;  // of the last refusal
    struct error unfinished; // what failed after the policy in force had come into force
    uint64_t n_changes, n_refusals;
    bool trim_due;   // memory is to be given back once the scans of a new policy have ended
    bool quick_told; // that, and why, quick decisions are limited
};

int policies_start(struct agent *a, struct error *err);
void policies_stop(struct agent *a);
void policies_tick(struct agent *a);
// Reads the directory again; `why` is a literal, for the log.
void policies_reload(struct agent *a, const char *why);
// The same, and answers the caller when it is done. -EBUSY: too many wait already.
int policies_reload_for(struct agent *a, const struct control_caller *caller);
// The rule of a record, NULL when it has none or its policy is not known any more.
const struct rule_ref *policies_rule(const struct agent *a, uint32_t policy_id, uint16_t rule);
// Is it a rule of the agent's own?
bool policies_rule_is_own(const struct agent *a, uint32_t policy_id, uint16_t rule);

// policywatch.c ----------------------------------------------------------------------------------------

struct policy_watch {
    int fd;          // of inotify; -1: there is none
    int dir, parent; // what it watches
    int error;       // negative errno: why changes are not noticed; 0: they are
    struct loop_source *source, *debounce;
    uint64_t unsettled_ns; // CLOCK_MONOTONIC: the directory began to change; 0: it does not
};

#define POLICYWATCH_CURE \
    "raise fs.inotify.max_user_watches and max_user_instances (sysctl), then 'safeguard policy reload'"

void policywatch_start(struct agent *a);
void policywatch_retry(struct agent *a); // where it failed
void policywatch_stop(struct agent *a);

// policyreport.c ---------------------------------------------------------------------------------------

// Keeps what was found when the policies were read, for the status.
void policyreport_diags(struct agent *a, const struct policy_diags *diags);
void policyreport_in_force(struct agent *a, const struct loaded *l,
                           const struct policy_diags *diags);
#define POLICY_UNFINISHED_CURE "'safeguard policy reload' tries again"
// The first mistake stands for all of them where there is room for one; *err is left alone when there is none.
void policyreport_first(const struct policy_diags *diags, struct error *err);
// Where there are mistakes, *err becomes the first of them.
void policyreport_refused(struct agent *a, const struct policy_diags *diags, struct error *err);

// mountwatch.c -----------------------------------------------------------------------------------------

struct mount_watch {
    struct mount_view view;
    int fd; // of mountinfo
    struct loop_source *source, *settle;
    bool settling;
    uint64_t rebuilt_ns; // CLOCK_MONOTONIC: another image was asked for
    bool rebuild;        // another one has to be
    // Digests of the tables whose roots the policy in force has, and the one that is about to come; 0: others.
    uint64_t set, coming;
    uint64_t n_changes;
    struct error error;      // of roots that could not be set under the policy in force
    int unread;              // why the table could not be read last, a negative errno
    size_t n_bad, n_dropped; // of the table, as was told last
};

int mountwatch_start(struct agent *a, struct error *err);
void mountwatch_stop(struct agent *a);
void mountwatch_changed(struct agent *a); // a record said so
void mountwatch_tick(struct agent *a);
// Called right before a policy comes into force, and right after: what was mounted since its image was built belongs to it.
void mountwatch_coming(struct agent *a, const struct loaded *l);
void mountwatch_came(struct agent *a, const struct loaded *l);
void mountwatch_apply(
    struct agent *a); // the policy in force is a->policies.now, another one or still

// records.c --------------------------------------------------------------------------------------------

struct waiting_record {
    uint64_t time_ns;
    size_t offset, len; // in data
};

struct records {
    struct loop_source *source, *pause;
    uint64_t pause_ms;    // the last one; 0: none since it was quiet
    uint64_t since_pause; // records
    char *data;           // records of one turn, each at a multiple of 8
    size_t n_data, cap_data;
    struct waiting_record *waiting;
    size_t n_waiting, cap_waiting;
    int64_t realtime_offset_ns;
    uint64_t read, bad,
        unknown; // records; that contradict themselves; of kinds this agent does not know
    uint64_t denied, would_deny, audited, lifecycle, own, findings;
    uint64_t n_errors;   // reading the rings failed
    uint64_t lives_lost; // records of processes, that the table was told of
    uint32_t own_tgid;
};

int records_start(struct agent *a, struct error *err);
void records_stop(struct agent *a);
void records_tick(struct agent *a);
void records_drain(struct agent *a); // what waits in the rings now
// A record of somebody else's, to output, subscribers and server: behind those that wait.
void records_put(struct agent *a, const struct event *ev);

// programs.c -------------------------------------------------------------------------------------------

#define PROGRAMS_ASKS_MAX 2048 // questions that wait

struct program_ask;

struct programs {
    struct worker *worker; // NULL: files are not hashed
    struct files *files;   // the worker's, while it runs
    struct program_ask *first, **last;
    size_t n; // with those in the worker
    bool running, refreshing;
    uint64_t refreshed_ns; // CLOCK_MONOTONIC
    uint64_t next_id;      // of the last question for a record
    uint64_t n_busy;
    uint32_t cursor;                // of the look for programs that nobody asked about
    struct files_counters counters; // as of the last batch
};

int programs_start(struct agent *a);
void programs_stop(struct agent *a);
// What is executed by a record that will be written: ev->file says whether the answer comes later. Then programs_asked(), once for
// all of a turn.
void programs_ask(struct agent *a, struct event *ev);
void programs_asked(struct agent *a);
void programs_tick(struct agent *a);
void programs_json(const struct agent *a, struct jw *jw); // a whole value

// held.c -----------------------------------------------------------------------------------------------

#define HELD_MS    UINT64_C(250)
#define HELD_BYTES ((size_t)1 << 20)

struct held_record;

struct held {
    struct held_record *first, *last;
    size_t bytes;
    uint64_t n_late;
    struct loop_source *timer;
};

int held_start(struct agent *a);
void held_stop(struct agent *a);
bool held_any(const struct agent *a); // then every record has to queue
void held_put(struct agent *a, const struct event *ev, bool denial);
void held_answer(struct agent *a, uint64_t id, const struct file_facts *facts);
void held_flush(struct agent *a);

// notices.c --------------------------------------------------------------------------------------------

// The severities of OCSF.
enum { NOTICE_INFO = 1, NOTICE_LOW = 2, NOTICE_MEDIUM = 3, NOTICE_HIGH = 4, NOTICE_CRITICAL = 5 };

struct notice_number {
    const char *key;
    uint64_t value;
};

struct notice {
    const char *kind; // "loss", "policy", "self-test", "mounts", "agent"
    int severity;
    const char *message;
    const char *cure;                    // NULL: nothing to do
    const struct notice_number *numbers; // NULL: none
    size_t n_numbers;
};

// Writes the record, logs the message, and tells subscribers.
void notice(struct agent *a, const struct notice *n);
// The record alone, as a line without its newline, for notice() and tests.
int notice_format(const struct host *host, uint64_t time_ns, uint64_t sequence,
                  const struct notice *n, struct strbuf *out);

// health.c ---------------------------------------------------------------------------------------------

struct health {
    uint64_t tested_ns; // CLOCK_REALTIME of the last one
    uint64_t due_ns;    // CLOCK_MONOTONIC
    uint64_t rounds;
    bool failed[SENSOR_HOOKS_MAX]; // row i of sensor_hooks()
    uint32_t failing;              // how many of them
    struct error error;            // of a self-test that could not be run
};

void health_test(struct agent *a); // proves all hooks
void health_tick(struct agent *a);

// losses.c ---------------------------------------------------------------------------------------------

#define LOSSES_MAX 48 // rows of losses.def

struct losses {
    uint64_t counters[SG_COUNT_MAX];  // the kernel's, at the last tick
    uint64_t skipped;                 // likewise: sensor_skipped()
    uint64_t reported[LOSSES_MAX];    // by row
    uint64_t reported_ns[LOSSES_MAX]; // CLOCK_MONOTONIC
    bool output_failing;
};

void losses_start(struct agent *a);
void losses_tick(struct agent *a);
// What a spool of earlier runs has dropped and told is no news.
void losses_spool_opened(struct agent *a);
// Records that found no room to wait in, and of which nothing was said yet.
uint64_t losses_records_untold(const struct agent *a);
void losses_json(const struct agent *a, struct jw *jw);
// Those of the kernel side by the CPU that counted them.
void losses_by_cpu_json(const struct agent *a, struct jw *jw);

// defence.c, defencewatch.c ----------------------------------------------------------------------------

struct defence_watch {
    char cgroup[1024], oom[16]; // of the agent when it started; "": not known
    int64_t clock_offset_ns;    // CLOCK_REALTIME minus CLOCK_BOOTTIME
    uint64_t looked_ns;         // CLOCK_MONOTONIC; 0: time that has passed says nothing
    uint64_t repairs;
    // kernel.ftrace_enabled was found to be 0: when last and when told last (CLOCK_MONOTONIC, 0: never), how often since it was told
    uint64_t ftrace_ns, ftrace_told_ns, ftrace_times;
    bool ftrace_off, guard_gone;
    int ftrace_fd, oom_fd; // what is read every second; -1: not opened yet
    bool attached;         // there are programs of the defence
};

struct defence {
    struct sensor_guard guard; // as the kernel has it
    bool on, was_open;
    bool was_on;     // of the agent before, whose policy may still be in force
    int write_error; // negative errno of the last try to tell the kernel
    char secret_path[4096];
    char opened_by[160];
    uint64_t attempts; // refusals that there are records of
    uint64_t counts[SG_GUARD_COUNTS];
    unsigned wrong_guesses;
    uint64_t guess_after_ns; // CLOCK_MONOTONIC
    struct defence_watch watch;
};

void defence_options(const struct agent *a, struct sensor_options *options);
void defence_start(struct agent *a); // once there is a sensor
void defence_tick(struct agent *a);
bool defence_locked(const struct agent *a);
void defence_tell(struct agent *a, int severity, const char *cure, const char *message);

// Opens the window for for_ms (0: ten minutes). trusted: whoever asks needs no secret (the server's command, which has an audit trail
// there). `by` is for records. -EACCES: not the secret; -EAGAIN: too many were wrong; -ENOENT: there is none; -ERANGE; -EALREADY: the
// defence is off.
int defence_unlock(struct agent *a, const char *secret, bool trusted, uint64_t for_ms,
                   const char *by, struct error *err);
void defence_lock(struct agent *a, const char *by);
// Makes a secret; the first one is anybody's who is root, later ones are for an open window.
int defence_new_secret(struct agent *a, const char *by, char ret_text[SECRET_TEXT],
                       struct error *err);

// Whether somebody may have the agent end: by the socket, and by a signal (which is told when not).
int defence_may_stop(const struct agent *a, struct error *err);
bool defence_may_end(struct agent *a, int signo);
void defence_ending(struct agent *a); // it does: whoever manages it may help

// What records of its programs' refusals have for a rule.
const struct rule_ref *defence_rule(void);
void defence_refused(struct agent *a, uint32_t count); // as many as the record stands for
void defence_json(struct agent *a, struct jw *jw);
const char *defence_state(const struct defence *d);   // "off", "unlocked", "locked"
uint64_t defence_open_until(const struct defence *d); // CLOCK_BOOTTIME; 0: no window is open
void defence_problems(struct agent *a, uplink_problem_fn fn, void *ctx);

void defence_watch_start(struct agent *a);
void defence_watch_tick(struct agent *a);
void defence_watch_end(struct agent *a);
void defence_watch_problems(const struct agent *a, uplink_problem_fn fn, void *ctx);
bool defence_cgroup(char *ret, size_t size);

bool manager_is_stopping(void); // the host goes down

// isolation.c ------------------------------------------------------------------------------------------

struct isolation_state {
    bool on;
    struct isolation now; // while it is on
    char path[4096];      // where it is kept
    struct error error;   // of what was kept and cannot be read
};

void isolation_start(struct agent *a); // before the link: what is kept goes on
void isolation_stop(struct agent *a);
void isolation_tick(struct agent *a);
// Where the link finds the server; for each new link.
void isolation_pin(struct agent *a);
// From {"for_ms", "allow", "reason"}. `by` is for records. The policies have to be read again after it. -ERANGE, -E2BIG, -EINVAL: what
// is asked for; -EACCES: the server began the one that lasts, and the defence is not open; -EHOSTUNREACH: where the server is, is not known.
int isolation_begin(struct agent *a, struct json_object *args, bool by_server, const char *by,
                    struct error *err);
// -EALREADY: it is not isolated; -EACCES. The policies have to be read again after it.
int isolation_end(struct agent *a, bool by_server, const char *by, struct error *err);
// The rules of it, *ret NULL while there are none.
int isolation_text(const struct agent *a, char **ret);
void isolation_json(const struct agent *a, struct jw *jw);
void isolation_problems(const struct agent *a, uplink_problem_fn fn, void *ctx);

// cut.c: connections from before a policy that has just come into force and denies them.
void cut_policy_changed(struct agent *a);

// times.c ----------------------------------------------------------------------------------------------

struct times {
    time_t last, next; // next: 0: no rule depends on the time
};

// The switches of a policy at this moment; then, from now on, by times_tick().
void times_apply(struct agent *a, const struct policy_image *image);
void times_tick(struct agent *a);

// links.c ----------------------------------------------------------------------------------------------

struct link_scan {
    bool running, again;
    uint64_t asked,
        covered;        // how often a look was asked for; up to which of these one has ended since
    uint64_t looked_ns; // CLOCK_REALTIME
    uint64_t seen, pinned, failed; // entries looked at; objects pinned; pins that did not fit
    const char *incomplete, *told; // why not everything is known, NULL; what was said of it
    int saved;                     // whether their names could be kept the last time
    struct strbuf known;           // paths, each followed by a NUL
    struct object_names names;     // the same, by what they name
};

void links_start(struct agent *a); // what an earlier agent found

// What was found while the policy was built, right after it was put in force; and what is found later.
void links_first(struct agent *a, const struct objects *found);
void links_pin(struct agent *a, const struct objects *found);
void links_scan(struct agent *a);

// descriptors.c ----------------------------------------------------------------------------------------

#define DESCRIPTORS_LISTED 32

struct open_descriptor {
    uint32_t pid;
    int32_t fd;
    uint32_t ops;
    uint16_t rule;
    bool monitor;
    char comm[17];
    char path[256];
};

#define DESCRIPTORS_ENTERED 256

struct descriptor_scan {
    bool running, again, on;
    const char *why;                // it is on; NULL: it is not
    struct opened_entered *entered; // objects that got a protected name and may be open
    size_t n_entered, cap_entered;
    uint64_t n_moves, n_cut; // how many there were in all; those that there was no room for
    bool missed; // there were some that nothing is known of: all has to be looked for again
    uint64_t missed_due_ns; // CLOCK_MONOTONIC: not before
    uint64_t links_wanted;  // of link_scan.asked: what that look finds may be open, too
    uint64_t scanned_ns;    // CLOCK_REALTIME
    uint64_t due_ns;        // CLOCK_MONOTONIC; 0: not
    uint64_t found, looked_at;
    struct open_descriptor list[DESCRIPTORS_LISTED];
    size_t n_listed;
    uint64_t reported_digest;
};

void descriptors_start(struct agent *a); // what an earlier agent left on
void descriptors_scan(struct agent *a);
// An object got a name at which somebody is denied it. From now on every use of descriptors is asked about, until a scan says
// that nobody has it open who may not.
void descriptors_entered(struct agent *a, const struct event *ev);
// Some may have, and the record of it was lost. The same for all that are open; files with several names are looked for again.
void descriptors_missed(struct agent *a);
void descriptors_stop(struct agent *a);
void descriptors_tick(struct agent *a);
void descriptors_json(const struct agent *a, struct jw *jw);

// status.c, control.c ----------------------------------------------------------------------------------

// Whole values.
void status_json(struct agent *a, struct jw *jw);
void status_hooks_json(struct agent *a, struct jw *jw);
void status_policy_json(const struct agent *a, struct jw *jw);
// What needs somebody's attention: [{"severity", "what", "cure"}].
void status_problems_json(struct agent *a, struct jw *jw);
void status_resources_json(const struct agent *a, struct jw *jw);
void status_self_test_json(const struct agent *a, struct jw *jw);
void status_agent_json(struct agent *a, struct jw *jw);
// Members of an object: which policy is in force, without its files and what was found in them.
void status_policy_summary(const struct agent *a, struct jw *jw);
// A member "files": the first `max` policies in force that are this host's own, not its server's.
#define STATUS_FILE_MAX 80 // bytes of a name
void status_policy_files(const struct agent *a, size_t max, struct jw *jw);
// null when no error is set.
void status_error(struct jw *jw, const char *key, const struct error *err);

// processlist.c: a whole value, what runs from entry `from` of the table on, as much as fits a piece.
// Until the JSON has about `max` bytes: a row more, which has less than 80 KiB.
void processlist_json(struct agent *a, uint32_t from, size_t max, struct jw *jw);
// process.uid of records.
void processlist_uid_json(const struct agent *a, const char *key, const struct process_ref *ref,
                          struct jw *jw);

int control_start(struct agent *a, struct error *err);

// rooms.c ----------------------------------------------------------------------------------------------

// The host, the table of processes, the form of records, the output, the workers. main.c frees them.
int rooms_start(struct agent *a, struct error *err);

// main.c -----------------------------------------------------------------------------------------------

struct agent {
    struct config config;
    struct loop *loop;
    struct host host;
    struct sensor_probe probe;
    struct sensor *sensor;
    struct process_table *processes;
    struct ocsf *ocsf;
    struct event *event;
    struct output *output;
    struct control_server *control;
    struct worker *builder, *scanner, *watcher;
    struct loop_source *tick;
    char *socket_path, *accepted_path, *linked_path;
    const char *config_path;      // of the settings, NULL: there are none
    char *output_dir;             // of the file of records; NULL: they go elsewhere
    uint64_t started_ns;          // CLOCK_REALTIME
    uint64_t cpu_ns, cpu_wall_ns; // at the last tick, for the share of a processor
    uint32_t cpu_permille;
    uint64_t notices;
    bool scanned; // the process table
    bool ready, stopping, detach;

    struct policies policies;
    struct policy_watch policy_watch;
    struct mount_watch mounts;
    struct records records;
    struct programs programs;
    struct held held;
    struct health health;
    struct losses losses;
    struct times times;
    struct defence defence;
    struct isolation_state isolation;
    struct link_scan links;
    struct descriptor_scan descriptors;
    struct uplink uplink;
    struct top top;
    struct net net;
    struct scheduling scheduling;
    struct packet_room packets;
};

// The first policy is in force (or what an earlier agent left is): tells the manager once.
void agent_ready(struct agent *a);
// Asks the manager's watchdog to wait longer (or no longer): loading the programs of a policy is one call into the
// kernel, which takes seconds on a slow machine and minutes on an emulated one.
void agent_patience(const struct agent *a, bool on);
// Policies are being read again, or are no longer.
void agent_reloading(const struct agent *a, bool on);
// Ends the loop. detach: enforcement ends, too.
void agent_stop(struct agent *a, bool detach);
