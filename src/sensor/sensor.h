// SPDX-License-Identifier: Apache-2.0
/*
 * The sensor: everything between the agent and the kernel programs.
 *
 * It probes what this kernel can do, loads and attaches exactly the programs that the loaded rules need, proves each hook
 * by a denial of its own, swaps policies without a gap, keeps everything pinned so that enforcement outlives the agent,
 * and reads the rings. Called by src/agent only. Owns the BPF object, its links, pins and ring buffers. Never decides
 * anything about a policy, never logs, never touches YAML: it is handed a compiled image.
 *
 * Not thread safe: one thread owns a sensor.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/event.h"
#include "abi/guard.h"
#include "abi/policy.h"
#include "abi/shared.h"
#include "base/cleanup.h"
#include "base/error.h"

/* What to do when memory has ended. */
#define SENSOR_MEMORY_CURE \
    "more memory, or a higher limit of it: MemoryMax= of the service or cgroup, 'ulimit -v'"

/* How a hook is attached, and what that is worth (KRSI; fmod_ret fails open when preempted). */
enum sensor_attach {
    SENSOR_ATTACH_NONE = 0,
    SENSOR_ATTACH_LSM,      /* enforces on every preemption model */
    SENSOR_ATTACH_FMOD_RET, /* enforces only where the kernel never preempts inside it */
};

enum sensor_preemption {
    SENSOR_PREEMPT_UNKNOWN = 0,
    SENSOR_PREEMPT_NONE,
    SENSOR_PREEMPT_VOLUNTARY,
    SENSOR_PREEMPT_FULL,
    SENSOR_PREEMPT_LAZY,
    SENSOR_PREEMPT_RT,
};

/* What this kernel can do. Every "no" comes with a reason and a cure that a person can follow. */
struct sensor_capability {
    const char *
        id; /* "bpf-lsm", "btf", "ringbuf", "inode-storage", "task-storage", "lockdown", "jit", "fmod-ret", "preemption", "try-lsm", … */
    bool ok;
    bool required;    /* without it nothing is enforced */
    char detail[400]; /* what was found */
    char cure[256];   /* what to do; empty when ok */
};
#define SENSOR_CAPABILITIES_MAX 32

struct sensor_probe {
    char release[65], machine[65];
    char lsm[256]; /* the active list as the kernel prints it */
    enum sensor_preemption preemption;
    enum sensor_attach attach; /* what will be used */
    bool can_enforce;          /* with that attach type and this preemption model */
    bool can_record;
    struct sensor_capability capabilities[SENSOR_CAPABILITIES_MAX];
    size_t n_capabilities;
};

/* Reads /proc, /sys and asks the kernel by small BPF calls of its own; leaves nothing behind. Does not need root to say that root is needed. */
int sensor_probe(struct sensor_probe *ret);

/*
 * Adds one more row, "quick-decisions": the program for opens is loaded as an agent would load it, and let go. Takes up to
 * seconds on a slow machine; for people who ask, not for the agent, which finds out anyway.
 */
void sensor_probe_quick(struct sensor_probe *p);

/*
 * Which hooks this kernel has, attached in this way, by their number (ret_has has room for SG_HOOK_COUNT): nothing is loaded, no privileges are needed.
 * 0, or the negative errno of reading the kernel's types; then nothing is written.
 */
int sensor_hooks_here(const struct sensor_probe *p, enum sensor_attach attach, bool *ret_has);

/*
 * Makes the calling process the one that policies cannot blind (struct sg_agent): it may read everything, and change what
 * lies below its own directories. To be called before anything else is read, and by sensor_new() again once no other
 * process can hold the same set. Without effect when nothing is pinned there, or while another agent runs.
 */
struct sensor_claim {
    const char *pin_dir; /* NULL: /sys/fs/bpf/safeguard */
    const char *dirs
        [4]; /* its directories beside pin_dir; NULL: none; those that are not there are left out */
    uint32_t kept_rules; /* how many first rules of a policy hold for this process, too */
};
void sensor_claim(const struct sensor_claim *claim);

/* Programs that no rule asks for. */
enum sensor_feature {
    SENSOR_FEATURE_DEFENCE = 1u << 0, /* safeguard's own defence */
    SENSOR_FEATURE_CREDENTIALS =
        1u << 1, /* credentials that changed without a legitimate transition */
    SENSOR_FEATURE_SCHEDULING = 1u << 2, /* run-queue delay, on- and off-CPU time */
};

/* What is done about credentials that no system call gave (SENSOR_FEATURE_CREDENTIALS); values as the kernel side has them. */
enum sensor_credentials {
    SENSOR_CREDENTIALS_OFF = 0,
    SENSOR_CREDENTIALS_RECORD = 1,
    SENSOR_CREDENTIALS_ENFORCE =
        2, /* the process is killed; where programs can be trusted to deny */
};

struct sensor_options {
    uint32_t features; /* SENSOR_FEATURE_* */
    enum sensor_credentials credentials;
    const char *pin_dir;       /* NULL: /sys/fs/bpf/safeguard */
    const char *canary_dir;    /* NULL: /run/safeguard/canary */
    enum sensor_attach force;  /* SENSOR_ATTACH_NONE: choose */
    uint32_t ring_bytes;       /* each ring, rounded up to a power of two pages; 0: 8 MiB */
    struct sensor_claim claim; /* pin_dir is taken from above */
    uint32_t
        guard_rules; /* rules of every policy, after claim.kept_rules, that yield to the defence's window */
};

struct sensor;

/*
 * Opens, or takes over what an earlier agent left pinned: maps are reused, programs are replaced one by one (new link
 * first, then the old one goes), so that nothing is undecided in between. Nothing is attached before a policy is set.
 * Returns 0 or a negative errno with `err` filled.
 */
int sensor_new(const struct sensor_options *options, struct sensor **ret, struct error *err);

/* Variables that records of executed programs have besides SG_ENV_NAMES_ALWAYS, from the next exec on: "NAME", or "NAME_*" for all
 * that begin so. What an earlier agent said holds until then. -EINVAL, -E2BIG: names that cannot be had; nothing changed. */
int sensor_set_env_names(struct sensor *s, const char *const *names, size_t n);

/* Releases the memory and descriptors. What is pinned stays and goes on enforcing. */
struct sensor *sensor_free(struct sensor *s);
DEFINE_CLEANUP(struct sensor *, sensor_free)

/* Detaches everything and removes the pins: the host is as it was. -EBUSY while ftrace is switched off: the kernel would lose
 * it until the next boot; nothing was done then. 1: there is nothing left that this sensor could detach, but something stays,
 * and `err` says what; sensor_left() knows whether programs are among it. */
int sensor_detach(struct sensor *s, struct error *err);

/* The table of names by address (abi/names.h) that rules by domain names look into: for who fills it. On loan; -ENOENT. */
int sensor_names_fd(const struct sensor *s);

/*
 * Safeguard's own defence (SENSOR_FEATURE_DEFENCE, abi/guard.h). What is written here is in a pinned map: a window ends by itself,
 * and what was on stays on when the agent has gone.
 */
struct sensor_guard {
    uint64_t unlocked_until_ns; /* CLOCK_BOOTTIME; in the past: locked */
    uint64_t alive_ns; /* CLOCK_BOOTTIME, now: to be told again well within SG_GUARD_ALIVE_NS */
    bool ending, on;
    uint32_t cgroup; /* struct sg_guard */
    struct sg_guard_program programs[SG_GUARD_PROGRAMS];
};
int sensor_guard(struct sensor *s, const struct sensor_guard *g);
/* What an earlier agent left: on, the window, the programs. */
void sensor_guard_before(const struct sensor *s, struct sensor_guard *ret);
int sensor_guard_counts(struct sensor *s, uint64_t ret[SG_GUARD_COUNTS]);
/* The identity of the program at a path. */
int sensor_guard_program(const char *path, uint32_t whom, struct sg_guard_program *ret);
/* How many programs of the defence are attached, and what is lost without the first that is not ("": none is missing). */
size_t sensor_guard_attached(const struct sensor *s, char *ret_missing, size_t size);

struct sensor_root {
    uint32_t dev; /* s_dev in the kernel's encoding, major << 20 | minor */
    struct sg_root root;
};

/* A file with several names: worth what any of them is, see abi/policy.h (sg_pin_key). */
struct sensor_object {
    uint32_t dev, state;
    uint64_t ino;
    uint32_t
        generation; /* of the inode, see base/generation.h; 0: not known, whichever has the number */
};

/*
 * What the next sensor_set_policy() starts with: its decisions know it from the first one on. On loan until then. An
 * object that does not fit is left out, as sensor_pin_object() would refuse it with -ENOSPC.
 */
struct sensor_stage {
    const struct sensor_object *objects;
    size_t n_objects;
    const uint64_t *on; /* SG_SUBJECT_WORDS, as for sensor_set_switches(); NULL: all */
    /* Called right before the policy comes into force, when it may call sensor_stage_roots(), and right after, when it may call
     * sensor_set_roots(): attaching programs takes long, and file systems are mounted meanwhile. NULL: nobody. */
    void (*coming)(void *ctx, bool in_force);
    void *ctx;
};
void sensor_stage(struct sensor *s, const struct sensor_stage *stage);

/* Adds roots to those that the policy to come starts with. From `coming` only. */
int sensor_stage_roots(struct sensor *s, const struct sensor_root *roots, size_t n_roots,
                       struct error *err);

/*
 * Puts a compiled image in force: attaches hooks that are newly needed, writes roots, replaces the image in one step,
 * raises the generation, detaches hooks that are no longer needed. On failure the old policy stays in force whole. 1: the new
 * policy is in force, but something that had to follow failed, such as to unpin a program; `err` says what.
 *   image, len   as the policy room built it (abi/policy.h), len a multiple of SG_IMAGE_PAGE
 *   ops          enum sg_op bits that decide which hooks are attached (the canary's own rule not counted)
 */
int sensor_set_policy(struct sensor *s, const void *image, size_t len, uint32_t ops,
                      const struct sensor_root *roots, size_t n_roots, struct error *err);

/* New or gone file systems under the policy in force. Roots that are not named are removed. */
int sensor_set_roots(struct sensor *s, const struct sensor_root *roots, size_t n_roots,
                     struct error *err);

/* Objects with several names (dev, ino → state), see abi/policy.h. */
int sensor_pin_object(struct sensor *s, const struct sensor_object *object);

/* Which subjects of the policy in force are switched on now (time windows). */
int sensor_set_switches(struct sensor *s, const uint64_t on[SG_SUBJECT_WORDS]);

/*
 * Attaches or detaches the hooks for descriptors that were open before their rule came (file_permission). Those that an
 * earlier agent left attached stay until this says otherwise, whatever policy comes.
 */
int sensor_set_old_descriptors(struct sensor *s, bool on, struct error *err);

/* What became of a hook. */
enum sensor_hook_state {
    SENSOR_HOOK_OFF = 0,  /* no loaded rule needs it */
    SENSOR_HOOK_PROVED,   /* its canary was denied and its record seen */
    SENSOR_HOOK_ATTACHED, /* attached; the self-test has not run yet, or could not be made ready */
    SENSOR_HOOK_UNTESTABLE, /* attached; as things are, nothing that a self-test can do could be refused */
    SENSOR_HOOK_RECORDING,   /* attached, sees, but cannot be trusted to deny here */
    SENSOR_HOOK_FAILED,      /* attached but the canary was not denied or not seen */
    SENSOR_HOOK_UNAVAILABLE, /* this kernel does not have it */
};

struct sensor_hook {
    const char *id, *help;
    uint32_t ops;
    enum sensor_hook_state state;
    enum sensor_attach attach;
    uint64_t proved_ns; /* CLOCK_BOOTTIME of the last proof, 0: never */
    uint64_t missed;    /* recursion_misses of its program: times it was skipped */
    char reason[160], cure[200];
};

/* Room for the rows of hooks: those of abi/hooks.def, and of the defence's own programs one an act of abi/guard.def at most. */
#define SENSOR_HOOKS_MAX (SG_HOOK_COUNT + SG_GUARD_ACTS)

/* Loan of n rows in the order of abi/hooks.def, then those of the defence, valid until the next call that takes the sensor. */
const struct sensor_hook *sensor_hooks(struct sensor *s, size_t *ret_n);

/* Runs every attached hook's canary, and those of the defence while it is up, in a child process of its own; reads back the records.
 * 0: all proved; > 0: hooks that failed. Takes milliseconds; seven seconds when the child does not run or records do not come. */
int sensor_self_test(struct sensor *s, struct error *err);

/* Is row i of sensor_hooks() attached and did not prove itself? */
bool sensor_hook_failed(const struct sensor *s, size_t i);

/* One descriptor for the event loop: readable when a ring has records. */
int sensor_fd(struct sensor *s);

/*
 * Hands every waiting record of all rings to `fn`, security first. The memory is the ring's own and lent for the call.
 * Returns how many, or the first negative value of `fn`.
 */
typedef int (*sensor_record_fn)(void *userdata, const void *data, size_t len);
int sensor_consume(struct sensor *s, sensor_record_fn fn, void *userdata);
/* The same, but stops soon after `max` records: fewer than that mean that no more were waiting. */
int sensor_consume_some(struct sensor *s, size_t max, sensor_record_fn fn, void *userdata);

/* Sums over the CPUs, indexed by enum sg_counter. */
int sensor_counters(struct sensor *s, uint64_t ret[SG_COUNT_MAX]);
/*
 * What each CPU counted: counter i of CPU k is (*ret_values)[i * *ret_n_cpus + k]. What the sensor itself dropped while it
 * proved its hooks is not in there. The caller frees the values.
 */
int sensor_counters_by_cpu(struct sensor *s, uint64_t **ret_values, size_t *ret_n_cpus);

/*
 * How often the kernel skipped the programs that see processes begin and end, as it does when a task is preempted inside one and
 * another comes by (recursion_misses; kernels before 5.12 do not count it); where there are two of them, how often both were, at most.
 * Programs on LSM hooks are never skipped.
 */
uint64_t sensor_skipped(const struct sensor *s);

/* Merged denials whose window is over: `fn` gets the record again with its count. Call about once a second. */
int sensor_flush_merged(struct sensor *s, sensor_record_fn fn, void *userdata);
/* All of them, also those whose window is not over: nobody will ask again. */
int sensor_sweep_merged(struct sensor *s, sensor_record_fn fn, void *userdata);

/*
 * Is something attached that an agent pinned in pin_dir (NULL: the usual place), whether or not an agent runs? 1: yes,
 * 0: no, -EACCES: this user may not look, -EPERM: a policy refuses it (sensor_claim).
 */
int sensor_left(const char *pin_dir);

/*
 * Decisions about files and directories that were met before, without a look at the policy. Programs of type fmod_ret have
 * them for directories that no rule speaks of only, by a table; so do others where the kernel's verifier refuses those that keep
 * it with the inodes, although this kernel is one that should take them.
 */
#define SENSOR_QUICK_COST                                                                         \
    "directories are kept in a table of 4096: beyond these an open that no rule speaks of costs " \
    "about four times as much"

struct sensor_quick {
    bool on;          /* all of them */
    bool refused;     /* it was tried, and the kernel refused it */
    char reason[400]; /* why they are limited */
    char log[64];     /* where the kernel's own words are; "" when there are none */
    char cure[256];   /* "": there is nothing to be done */
};

struct sensor_facts {
    enum sensor_attach attach;
    bool enforcing; /* the attach type can be trusted here */
    uint32_t policy_id;
    uint64_t generation;
    size_t image_bytes;
    bool taken_over;
    bool
        old_descriptors; /* what sensor_set_old_descriptors() attaches is wanted: asked for, or taken over */
    enum sensor_credentials credentials; /* OFF, too, where this kernel lacks what it takes */
    struct sensor_quick quick;
};
void sensor_facts(struct sensor *s, struct sensor_facts *ret);

const char *sensor_attach_name(enum sensor_attach a);
const char *sensor_preemption_name(enum sensor_preemption p);
const char *sensor_hook_state_name(enum sensor_hook_state s);
