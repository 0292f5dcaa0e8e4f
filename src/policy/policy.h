// SPDX-License-Identifier: Apache-2.0
//
// Policies as people write them: YAML files → checked rules. Called by the agent (to load), by
// `safeguard policy` (to check and explain) and by the server (to check before it sends). The
// result is immutable and owns everything it points to; compile.h turns it into the image that
// decides. Never prints, never looks at the running system except for the names of users and
// groups.
//
// A file is one YAML document:
//
//     safeguard: 1
//     name: web-host
//     mode: enforce
//     subjects: {backup: {exe: /usr/bin/restic, user: root}}
//     files:
//       - {path: /etc/shadow, access: read, not_by: backup, do: deny}
//
// Subjects belong to the file that names them. Rules of all files make one list, in the order of
// the files' names; the first rule that matches decides.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "abi/policy.h"
#include "base/cleanup.h"
#include "model/packet.h"
#include "model/schedule.h"
#include "policy/diag.h"

#define POLICY_VERSION      1
#define POLICY_FILE_MAX     (4u << 20) // bytes of one file
#define POLICY_FILES_MAX    1024
#define POLICY_DEPTH_MAX    16      // nesting of the YAML
#define POLICY_NODES_MAX    2000000 // values and keys in one file
#define POLICY_PATTERN_MAX  4096    // bytes of one path pattern, as PATH_MAX
#define POLICY_PATTERNS_MAX 262144  // in all rules
#define POLICY_SUBJECTS_MAX 4096    // named and inline, before equal ones are merged
#define POLICY_LIST_MAX     1024    // entries of one list in a subject
#define POLICY_NAME_MAX     64      // bytes of a policy's or subject's name
#define POLICY_RULES_MAX    SG_RULES_MAX

// Variables that records of programs have because policies name them, in all files.
#define POLICY_RECORD_ENV_MAX 28

// Where something stands. `file` is an index into policy.files.
struct policy_pos {
    uint32_t file, line, column, width;
};

// What a rule says of a kind of abi/control.def.
enum policy_control_what {
    POLICY_CONTROL_ANY,
    POLICY_CONTROL_NUMBER,
    POLICY_CONTROL_ID,
    POLICY_CONTROL_NAME, // a pattern: `*` for any number of bytes, `?` for one
    POLICY_CONTROL_ENDS,
};

struct policy_ends; // policy/ends.h

struct policy_control {
    enum sg_control kind;
    enum policy_control_what what;
    uint32_t number;                // NUMBER, ID
    const char *name;               // NAME; ENDS: as it was written
    const struct policy_ends *ends; // ENDS: of a rule
};

// One path pattern, checked and normalised (no trailing slash); see glob.h for its meaning.
struct policy_pattern {
    const char *text; // with `control`: as it was written
    uint32_t len;
    bool cgroup;                          // runs over cgroup paths
    bool env;                             // "NAME=value", runs over the variables of environments
    const struct policy_control *control; // not a path but this; NULL: a path
    bool unsaid;                          // stands beside another pattern that the rule's text has
    struct policy_pos pos;
};

struct policy_patterns {
    struct policy_pattern *items;
    uint32_t n;
};

struct policy_ids {
    uint32_t *items;
    uint32_t n;
};

// A time window of local time. from == to: the whole day. to < from: ends on the next day.
struct policy_window {
    uint8_t days;      // bit 0: Sunday … bit 6: Saturday; the day on which it starts
    uint16_t from, to; // minutes of the day, 0 … 1440
};

enum policy_key {
    POLICY_KEY_EXE = 1u << 0,
    POLICY_KEY_PARENT = 1u << 1,
    POLICY_KEY_ANCESTOR = 1u << 2,
    POLICY_KEY_USER = 1u << 3,
    POLICY_KEY_GROUP = 1u << 4,
    POLICY_KEY_LOGIN = 1u << 5,
    POLICY_KEY_CAP = 1u << 6,
    POLICY_KEY_CGROUP = 1u << 7,
    POLICY_KEY_CONTAINER = 1u << 8,
    POLICY_KEY_SESSION = 1u << 9,
    POLICY_KEY_NAMESPACE = 1u << 10,
    POLICY_KEY_TIME = 1u << 11,
    POLICY_KEY_DESCENDANTS = 1u << 12,
    POLICY_KEY_ENV = 1u << 13,
    POLICY_KEY_LAUNCHED = 1u << 14,
};

// A variable of the environment: any of its values.
struct policy_env {
    const char *name;
    struct policy_patterns values;
};

// All keys that are set must match; within one key any entry does (capability: all of them).
struct policy_subject {
    const char *name; // NULL: written inline
    struct policy_pos pos;
    uint32_t keys; // POLICY_KEY_*
    struct policy_patterns exe, parent, ancestor;
    struct policy_patterns cgroup;           // with everything beneath
    struct policy_patterns container;        // cgroup patterns that the containers' names stand for
    const char *container_names;             // as they were written, separated by blanks
    struct policy_patterns launched;         // the control group of what this policy launches
    struct policy_ids users, groups, logins; // logins: (uid_t)-1 is "none"
    uint64_t caps;                           // all must be effective
    uint32_t sessions;                       // bit 1 << enum sg_session
    uint32_t namespaces;                     // bit 0: host, bit 1: container
    struct policy_window *windows;
    uint32_t n_windows;
    struct policy_env *envs; // all of them must match
    uint32_t n_envs;
    bool descendants;
};

enum policy_section {
    POLICY_SECTION_FILES,
    POLICY_SECTION_PROCESSES,
    POLICY_SECTION_CONTROL,
    POLICY_SECTION_NETWORK,
};
#define POLICY_SECTION_COUNT 4

struct policy_names {
    const char **items;
    uint32_t n;
};

// A rule of any section.
struct policy_rule {
    struct policy_pos pos;
    enum policy_section section;
    struct policy_patterns paths; // and what is no path, see policy_pattern.control
    struct policy_names syscalls; // `syscall`: the names; "any" is one
    bool launched;                // not in the image: filters of `safeguard run` serve it
    uint32_t ops;                 // SG_OP_*
    uint8_t verdict;              // enum sg_verdict
    uint8_t error;                // errno of a denial; 0: EPERM
    bool monitor;                 // its own mode, or that of its file
    bool by_given;                // `by` is there; then n_by is not 0
    uint32_t *by;                 // indices into policy.subjects
    uint32_t n_by;
    uint32_t *not_by;
    uint32_t n_not_by;
    uint32_t *to; // whom a signal is for; none, and not to_other_user: whoever it is
    uint32_t n_to;
    bool to_other_user;
    const struct schedule *schedule; // how it schedules those whom it names; NULL: it does not
};

struct policy_source {
    const char *path; // as it was given: directory and name
    const char *name; // `name:`, or the file's name without its ending
    bool monitor;     // `mode:`
    const char *text; // the file, for carets in what is found later
    size_t text_len;
};

struct policy_arena;

struct policy {
    struct policy_source *files;
    uint32_t n_files;
    struct policy_subject *subjects;
    uint32_t n_subjects;
    struct policy_rule *rules; // in the order in which they are tried
    uint32_t n_rules;
    struct packet_rules packets; // a list of its own, tried in order as well
    // "NAME", or "NAME*" for all that begin so: of `record`, and of subjects.
    struct policy_names record_env;
    struct policy_arena *arena; // owns everything above
};

// How names become numbers. 0, -ESRCH (no such name), or another negative errno (the directory did
// not answer); the default asks getpwnam_r() and getgrnam_r().
struct policy_resolver {
    int (*user)(void *ctx, const char *name, uint32_t *ret_uid);
    int (*group)(void *ctx, const char *name, uint32_t *ret_gid);
    void *ctx;
};

struct policy_load_options {
    const struct policy_resolver *resolver; // NULL: the system's
};

// A file in memory: `name` is what diagnostics call it.
struct policy_buffer {
    const char *name;
    const char *text;
    size_t len;
};

// Each reads, checks and joins. `diags` (zeroed or filled before; may be NULL) gets every mistake
// and warning; `options` may be NULL. 0 also with warnings. -EINVAL: there were errors, diags says
// which, *ret_policy is untouched. Other negative errno: -ENOENT, -EACCES … of the directory or
// file, -E2BIG (more than POLICY_FILES_MAX files), -ENOMEM.
//
// A directory without policy files is an empty policy with a warning.
int policy_load_dir(const char *dir, const struct policy_load_options *options,
                    struct policy_diags *diags, struct policy **ret_policy);
int policy_load_files(const char *const *paths, size_t n_paths,
                      const struct policy_load_options *options, struct policy_diags *diags,
                      struct policy **ret_policy);
int policy_load_buffers(const struct policy_buffer *buffers, size_t n_buffers,
                        const struct policy_load_options *options, struct policy_diags *diags,
                        struct policy **ret_policy);
int policy_load_buffer(const char *name, const char *text, size_t len,
                       const struct policy_load_options *options, struct policy_diags *diags,
                       struct policy **ret_policy);

struct policy *policy_free(struct policy *p);
DEFINE_CLEANUP(struct policy *, policy_free)

// What a rule is about, as its text says it, for i from 0 on: "/etc/shadow", "ptrace:attach", "memfd", "syscall:mount".
// Appends nothing for what the text does not have. False: there is no i'th.
bool policy_rule_about(const struct policy_rule *rule, uint32_t i, struct strbuf *sb);

// The word of one operation ("read", …; more words are in model/names.h); NULL for what has none.
const char *policy_op_name(uint32_t op_bit);

// "files", …
const char *policy_section_name(enum policy_section section);

// "read, exec": every operation of a set, or the name of the group when it is exactly one.
void policy_ops_format(uint32_t ops, struct strbuf *sb);

// The bits that a word stands for ("write" is a group); 0: no such word.
uint32_t policy_ops_from_word(const char *word);
