// SPDX-License-Identifier: Apache-2.0
//
// The sensor from inside: its state, and what its files offer one another. One file, one part of the state:
//
//   sensor.c   new, free, detach; the order in which the others are called
//   choose.c   which program serves which hook on this kernel
//   object.c   the object: opened for this kernel, maps made or taken over, words shared with programs
//   pins.c     directories in bpffs: what is there, of which build, how one set replaces another
//   links.c    attached programs: changed in one piece, or not at all
//   credentials.c  the switch of the programs that watch credentials
//   quick.c    whether these have the quick decisions, and why not
//   image.c    the policy: images, roots, pinned objects, switches
//   rings.c    records; merged.c  records that stand for many
//   canary.c   the self-test (canary.h)
//   hooks.c    what became of each hook, for people
#pragma once

#include <sys/types.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "base/table.h"
#include "sensor/canary.h"
#include "sensor/rows.h"
#include "sensor/sensor.h"

struct bpf_object;
struct bpf_map;
struct bpf_link;
struct btf;
struct ring_buffer;

#define SENSOR_MAPS_MAX 64
#define SENSOR_PATH_MAX 512
#define SENSOR_PIN_DIR  "/sys/fs/bpf/safeguard"
#define SENSOR_FAILURES \
    "/run/safeguard/verifier.log" // what the kernel said of the last refused program

// choose.c ---------------------------------------------------------------------------------------------

// The program for one hook or one extra row on this kernel; empty name: this kernel cannot.
struct choice {
    char program[PROGRAM_NAME];
    char reason[160]; // when there is none
    bool needless;    // there is none, and this kernel does without
};

struct choices {
    struct choice hooks[HOOKS];
    struct choice extras[EXTRAS_MAX];
    bool typed; // first guess for sg_typed
};

// Chooses from the programs of the object for this way to attach. `btf` is the kernel's.
void choose_programs(const struct bpf_object *object, const struct btf *btf, const char *release,
                     enum sensor_attach attach, struct choices *ret);

// A list of program names without doubles.
struct names {
    const char *items[HOOKS + EXTRAS_MAX];
    size_t n;
};
bool names_has(const struct names *names, const char *name);
// The extra program of this name. NULL: it is not attached on this kernel.
const struct choice *choice_extra(const struct choices *c, const char *program);
// The hook's program that does what the row's does, too; NULL: none.
const struct choice *choice_within(const struct choices *c, const struct extra_row *row);

// What programs are attached for.
struct wants {
    uint32_t ops;      // SG_OP_* of rules
    uint32_t needs;    // SG_NEED_* of their subjects
    uint64_t controls; // kinds of abi/control.def that rules speak of
    uint32_t features; // SENSOR_FEATURE_*: what no rule asks for
    bool old_descriptors;
};

// The programs that all of this calls for. -ENOTSUP with err: a required one is not there.
int choose_wanted(const struct choices *c, const struct wants *wants, struct names *ret,
                  struct error *err);

// object.c ---------------------------------------------------------------------------------------------

struct sensor_map {
    char name[32]; // as in the object, without the object's own prefix: "sg_images", "bss"
    int fd;
    uint32_t type, key_size, value_size, max_entries;
};

// Words that programs and the sensor share, in maps that are mapped into memory.
struct shared_words {
    uint64_t *generation;
    uint32_t *policy_id;
    uint64_t (*subjects_on)[SG_SUBJECT_WORDS]; // [2], see SG_SWITCHES()
    uint32_t *subject_epoch;
    uint32_t *host_mnt_ns;
    struct sg_env_names *env_names;
    uint64_t *canary;
    uint32_t *cred_mode;  // enum sensor_credentials
    uint64_t *cred_epoch; // the kernel raises it, too
    struct {
        size_t map; // index of the map
        void *address;
        size_t size;
    } mapped[4];
    size_t n_mapped;
};

struct maps {
    struct sensor_map items[SENSOR_MAPS_MAX];
    size_t n;
    struct shared_words words;
};

// The object that was built with this program.
const void *object_bytes(size_t *ret_len);

// "0123456789abcdef" of the object's bytes, and of everything about its maps that programs of another
// build must agree on to use them: kinds, sizes, layouts of keys and values, places of shared words.
#define OBJECT_HASH 17
void object_build(char ret_hash[OBJECT_HASH]);
int object_layout(const struct bpf_object *object, char ret_hash[OBJECT_HASH]);

struct sensor;

// Opens the object for this kernel: sizes, constants, maps already made by this sensor; no program is
// wanted yet. The caller closes it with bpf_object__close().
int object_open(struct sensor *s, bool typed, struct bpf_object **ret, struct error *err);

// Makes the maps and pins them in `dir`, or opens those pinned there.
int maps_make(struct sensor *s, const char *dir, struct error *err);
int maps_adopt(struct sensor *s, const char *dir, struct error *err);
// Makes the maps, with small rings, and lets them go: what the kernel of this probe says to them.
int maps_try(const struct sensor_probe *p, struct error *err);
void maps_close(struct maps *m);
int map_fd(const struct sensor *s, const char *name); // -ENOENT

// guard.c ----------------------------------------------------------------------------------------------

// Where all cgroups (version 2) are seen, a literal; NULL: nowhere.
const char *guard_cgroup_root(void);
int guard_adopt(struct sensor *s); // what an earlier agent wrote
int guard_write(struct sensor *s);
bool guard_is_up(const struct sensor *s); // would the defence refuse anything now?
void guard_policy_changed(
    struct sensor *s);            // a policy came into force: which rules of it are the defence's
void guard_ids(struct sensor *s); // programs or maps have changed

// claim.c ----------------------------------------------------------------------------------------------

// Writes who the agent is into the map. locked: no other agent can be running, whatever the map says.
int claim_write(int fd, const struct sensor_claim *claim, bool locked);

// pins.c -----------------------------------------------------------------------------------------------

// pin_dir/{maps,links,build-<build>-<layout>} is what is in force; pin_dir/next the same while a set that
// cannot share the maps is being built, and pin_dir/next/ready once it is complete.
struct pins {
    char dir[SENSOR_PATH_MAX];
    char maps[SENSOR_PATH_MAX], links[SENSOR_PATH_MAX]; // of the set that this sensor works on
    bool next;                                          // that set is pin_dir/next
    bool made;                                          // … and has no maps yet
    bool same_build;
    int lock_fd;
};

// Mounts bpffs when it is not there, makes the directory, takes its lock (-EBUSY: another agent), finishes
// or clears away what an earlier agent left half done, and says which set to work on.
int pins_open(struct pins *p, const char *dir, const char *build, const char *layout,
              struct error *err);
void pins_close(struct pins *p);

// The set is as this build has it.
int pins_mark(struct pins *p, const char *build, const char *layout, struct error *err);

// pin_dir/next takes the place of what is in pin_dir.
int pins_swap(struct pins *p, struct error *err);

// Is a program in force whose name has this in it? Of the set in pin_dir, also when another one is worked on, of any build.
bool pins_has_link(const struct pins *p, const char *part);

// Removes everything, the directory too.
int pins_remove(struct pins *p, struct error *err);
// Takes away a set that was made and never came into force.
void pins_discard(struct pins *p);

// links.c ----------------------------------------------------------------------------------------------

struct link {
    char program[PROGRAM_NAME];
    struct bpf_link *link;
    uint32_t prog_id;
    bool stale;   // of another build: to be replaced
    bool quick;   // loaded with sg_typed
    bool pending; // its pin could not be given the name that it has to have
};

struct links {
    struct link *items;
    size_t n, cap;
};

const struct link *links_get(const struct links *l, const char *program);
// Of the program that was chosen; NULL: there is none, or it is not attached.
const struct link *links_of(const struct links *l, const struct choice *c);
void links_free(struct links *l); // what is pinned stays

// What an earlier agent left attached.
int links_adopt(struct sensor *s, bool stale, struct error *err);

// First half of a change: loads, attaches and pins what `wanted` has and we do not. Nothing that was
// attached is touched. On failure everything is as it was.
int links_prepare(struct sensor *s, const struct names *wanted, struct links *ret_added,
                  struct error *err);
// Second half: either the new ones take their places and what is not wanted goes, or the new ones go. What of that fails is
// tried again by the next one.
int links_commit(struct sensor *s, const struct names *wanted, struct links *added,
                 struct error *err);
void links_rollback(struct sensor *s, struct links *added);

// quick.c ----------------------------------------------------------------------------------------------

struct quick {
    bool refused;   // the kernel refused programs with sg_typed, and took them without
    bool inherited; // … from an earlier agent
    char said[300]; // the kernel's words to the last ones that it refused
    uint32_t at,
        size; // of sg_typed among the constants of a program; size 0: this build has no such word
};

// Was this loaded program, of our own build, loaded with sg_typed? `unknown` where it cannot be found out.
bool quick_of_program(const struct quick *q, uint32_t prog_id, bool unknown);
void quick_describe(const struct sensor *s, struct sensor_quick *ret);

// credentials.c ----------------------------------------------------------------------------------------

// Before programs go: off, when those that watch credentials are among them, or new (`added`). NULL: all programs go.
void credentials_pause(struct sensor *s, const struct links *added);
// After that: as it was asked for, when all that it takes is attached.
void credentials_resume(struct sensor *s);
enum sensor_credentials credentials_now(const struct sensor *s);

// image.c ----------------------------------------------------------------------------------------------

struct image_view {
    const void *mem;
    size_t len;
};

// The state after `len` bytes of path from `state`, and whether a rule denies everybody `op` there.
uint32_t image_walk(const struct image_view *image, uint32_t state, const char *path, size_t len);
bool image_denies_all(const struct image_view *image, uint32_t state, uint32_t op);

// 0 or -EBADMSG with err: what every later step relies on.
int image_check(const void *image, size_t len, struct error *err);

// The policy in force by the kernel's own account; 0: none.
uint32_t image_current_id(const struct sensor *s);

// Takes over the policy that an earlier agent left in force.
void image_adopt(struct sensor *s);

// Puts image and roots in place and makes them the policy in force. On failure the old one is.
int image_swap(struct sensor *s, const void *image, size_t len, const struct sensor_root *roots,
               size_t n_roots, struct error *err);

// rings.c ----------------------------------------------------------------------------------------------

enum ring { RING_SECURITY, RING_AUDIT, RING_PROCESS, RINGS };

struct queued {
    struct queued *next;
    size_t len;
    uint64_t data[];
};

#define QUEUE_BYTES_MAX ((size_t)4 << 20)

struct rings {
    struct sensor *sensor;
    struct ring_buffer *rings[RINGS];
    int epoll_fd;
    int event_fd; // readable while the queue holds something
    int timer_fd; // readable when it is time to look for records that nobody was woken for
    uint64_t look_ns;
    struct queued *first, **last;
    size_t queued_bytes;
    uint64_t dropped;    // records that the queue had no room for
    sensor_record_fn fn; // during one sensor_consume()
    void *userdata;
    enum ring reading;
    int result;
    size_t budget, handed;
};

int rings_open(struct sensor *s, struct error *err);
void rings_close(struct rings *r);

// Reads the ring of denials, and that of audits when asked to: the self-test's own records go to the canary,
// others into the queue. Waits until something can be read or deadline_ns (CLOCK_MONOTONIC) has passed: 0
// records then.
int rings_drain(struct sensor *s, bool audit, uint64_t deadline_ns);

// The queue has no room for more audits.
bool rings_full(const struct sensor *s);

// merged.c ---------------------------------------------------------------------------------------------

struct merged {
    char *bytes; // struct kept, one behind the other
    size_t cap, n;
    uint64_t base, first, open,
        last; // positions: of bytes[0]; of the oldest; of the first whose window was not over when
              // the kernel's table was looked at; behind the newest
    struct map *index;   // during a pass
    uint64_t swept_ns;   // CLOCK_BOOTTIME
    uint32_t entries;    // of the kernel's table, about
    void *keys, *values; // room for one batch
    uint32_t room;
};

int merged_open(struct merged *m);
void merged_close(struct merged *m);

// What is to be done about the kernel's table at this time (CLOCK_BOOTTIME): nothing; ask for the numbers whose window is over
// by their keys; look through the table for them; or take everything out of it.
enum merged_turn { MERGED_NOTHING, MERGED_ASK, MERGED_LOOK, MERGED_SWEEP };
enum merged_turn merged_turn(struct merged *m, uint64_t now);
// A record that says no more than the key does, for one that was lost. Returns its length.
struct merged_lone {
    struct sg_record record;
    struct sg_field field;
    struct sg_control_field control;
};
size_t merged_lone(const struct sg_merge_key *key, struct merged_lone *ret);
void merged_looked(struct merged *m, uint64_t now); // that was done

// Remembers a denial that was handed on, for the case that others like it are only counted.
void merged_remember(struct merged *m, const struct sg_record *record, size_t len);
// The latest one of this key, on loan until the next is remembered; NULL: there is none (any more).
struct sg_record *merged_find(struct merged *m, const struct sg_merge_key *key, size_t *ret_len);

// sensor.c ---------------------------------------------------------------------------------------------

// What is read from the kernel once: the choice of programs, and what the maps of this build look like.
// Of `s` the probe, the way to attach and what follows from it are needed.
int sensor_study(struct sensor *s, struct error *err);

// Names one more root of the policy in force; sensor_set_roots() is for all of them. A negative errno.
int sensor_add_root(struct sensor *s, const struct sensor_root *root);

// One counter of all CPUs, for who asks often; 0 when it cannot be read.
uint64_t sensor_count(const struct sensor *s, uint32_t counter);

struct proof {
    bool tested, denied, seen;
    int error;   // of the access that was not denied
    int skipped; // errno: could not be tried
    uint64_t proved_ns;
};

// hooks.c ----------------------------------------------------------------------------------------------

// Of row i < PROVED: its program, its test, and whether its answer can be trusted here.
const struct choice *row_choice(const struct sensor *s, size_t i);
const struct link *row_link(const struct sensor *s, size_t i); // NULL: it is not attached
enum canary_kind row_canary(size_t i);
bool row_enforces(const struct sensor *s, size_t i);

struct sensor {
    struct sensor_probe probe;
    enum sensor_attach attach;
    bool enforcing, taken_over, typed;
    uint32_t ring_bytes;
    uint64_t rename_lock, init_cred;     // addresses; 0: unknown
    enum sensor_credentials credentials; // as asked for
    uint32_t host_mnt_ns;
    char build[OBJECT_HASH], layout[OBJECT_HASH];
    struct choices choices;
    struct pins pins;
    struct maps maps;
    struct links links;
    struct quick quick;
    struct rings rings;
    struct merged merged;
    struct canary canary;
    struct map *provisional; // dev → rounds in which nobody named it
    bool in_force;           // a policy was set by this sensor
    struct wants wants;
    struct sg_guard guard;             // as the kernel has it
    uint32_t guard_first, guard_rules; // of every policy to come: the defence's own rules
    uint32_t policy_id;
    struct sensor_stage stage; // for the next policy; on loan
    uint32_t coming_id;        // of the policy that is about to come into force; 0: none
    size_t image_bytes;
    struct proof proofs[PROVED];
    struct sensor_hook hooks[PROVED];
};
