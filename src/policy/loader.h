// SPDX-License-Identifier: Apache-2.0
//
// What the readers of the YAML tree share. Private to the room. Readers return 0 or -ENOMEM; a
// mistake of the author is reported, remembered in `bad`, and reading goes on, so that one run
// shows all of them.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/table.h"
#include "policy/arena.h"
#include "policy/policy.h"
#include "policy/yaml.h"

struct loader {
    struct policy_arena *arena;
    struct policy_diags *diags;
    const struct policy_resolver *resolver;

    struct policy_source *files;
    size_t n_files, cap_files;
    struct policy_subject *subjects;
    size_t n_subjects, cap_subjects;
    struct policy_rule *rules;
    size_t n_rules, cap_rules;
    size_t n_patterns;            // of all rules
    struct packet_draft *packets; // policy/packets.h
    size_t n_packets, cap_packets;
    const char **record_env;
    size_t n_record_env, cap_record_env;

    // of the file at hand
    struct map *names; // subject's name → index + 1
    bool *used;        // by index of the subject
    size_t cap_used;
    size_t first_subject;
    bool bad; // of any file
};

// A row of a table of keys. `read` gets the value; `refuse` instead of it is why the key cannot be
// used.
struct key_row {
    const char *name;
    int (*read)(struct loader *ld, const struct yaml_node *key, const struct yaml_node *value,
                void *ctx);
    const char *refuse, *cure;
    const char *help; // for the manual page
};

// The tables of a file's keys, a rule's and a subject's.
const struct key_row *read_file_keys(size_t *ret_n);
const struct key_row *read_rule_keys(size_t *ret_n); // those that rules of all sections have
const struct key_row *read_subject_keys(size_t *ret_n);
const struct key_row *read_record_keys(size_t *ret_n);

// Reads a map by a table. Unknown keys are errors with a suggestion. `what` names the map in
// messages.
int read_map(struct loader *ld, const struct yaml_node *map, const struct key_row *rows,
             size_t n_rows, const char *what, void *ctx);

// Calls fn for a scalar, or for each element of a list of scalars; everything else is an error that
// says `expected`.
typedef int (*read_one_fn)(struct loader *ld, const struct yaml_node *node, void *ctx);
int read_each(struct loader *ld, const struct yaml_node *node, const char *expected, read_one_fn fn,
              void *ctx);

// True when node is a scalar that is not empty; otherwise reports what was expected.
bool read_is_word(struct loader *ld, const struct yaml_node *node, const char *expected);

struct policy_pos read_pos(const struct loader *ld, const struct yaml_node *node);

// A mistake or warning at a node. The result goes to policy_diag_expected() and _cure().
struct policy_diag *read_error(struct loader *ld, const struct yaml_node *node, const char *fmt,
                               ...) _printf_(3, 4);
struct policy_diag *read_warning(struct loader *ld, const struct yaml_node *node, const char *fmt,
                                 ...) _printf_(3, 4);

// "'rad' is not an access; did you mean 'read'?" with all words as what was expected.
void read_unknown_word(struct loader *ld, const struct yaml_node *node, const char *what,
                       const char *const *words, size_t n_words);

struct policy_diag *read_warning_at(struct loader *ld, struct policy_pos pos, const char *fmt, ...)
    _printf_(3, 4);

// Patterns while they are read.
struct pattern_list {
    struct policy_pattern *items;
    size_t n, cap;
    bool cgroup;
};
void pattern_list_done(struct pattern_list *l);
// A copy in the arena. -ENOMEM.
int pattern_list_keep(struct loader *ld, const struct pattern_list *list,
                      struct policy_patterns *ret_patterns);

// One more path for a struct pattern_list.
int read_pattern(struct loader *ld, const struct yaml_node *node, void *ctx);

// One path pattern, or a list of them.
int read_patterns(struct loader *ld, const struct yaml_node *node, bool cgroup,
                  struct policy_patterns *ret_patterns);

// "enforce" or "monitor".
void read_mode_word(struct loader *ld, const struct yaml_node *value, bool *ret_monitor);

// A rule while it is read.
struct rule_draft {
    struct policy_rule r;
    struct pattern_list paths;
    uint32_t *by; // of the key at hand
    size_t n_by, cap_by;
    bool verdict;
    const struct yaml_node *access;    // value of the key; NULL: it is not there
    bool several;                      // it says so by more than one
    const struct yaml_node *to;        // the key; NULL: it is not there
    const struct yaml_node *what;      // the last key that says what the rule is about
    const struct yaml_node **syscalls; // values of `syscall`
    size_t n_syscalls, cap_syscalls;
    // `network`: values of its keys, NULL where they are not there; kinds of abi/control.def as bits.
    struct {
        const struct yaml_node *end, *direction, *protocol, *ports;
        uint64_t side;  // those that `to`, `from` or `at` is about
        uint64_t kinds; // those that are named
    } net;
};

// A section: which keys its rules have besides by, not_by, do and mode, and what has to hold of a whole rule
// (check; NULL: nothing).
struct section {
    enum policy_section id;
    const struct key_row *keys;
    size_t n_keys;
    const char *example; // "a list of rules" is explained with it
    void (*check)(struct loader *ld, const struct yaml_node *node, struct rule_draft *d);
    // Makes paths of what several keys say together, before check(); NULL: each key does it by itself. 0 or -ENOMEM.
    int (*finish)(struct loader *ld, const struct yaml_node *node, struct rule_draft *d);
};
extern const struct section section_files, section_processes, section_control, section_network;

// `to`: the process that is asked about, as one of these subjects or of another user.
int read_to(struct loader *ld, const struct yaml_node *key, const struct yaml_node *value,
            void *ctx);

// The rules of a section.
int read_rules(struct loader *ld, const struct section *section, const struct yaml_node *node);

// A user or group by name or number. -EINVAL: it was reported. -ENOMEM.
int read_host_id(struct loader *ld, const struct yaml_node *node, bool group, uint32_t *ret_id);

// The value of `container`: patterns over control groups, and the names as they were written.
int read_containers(struct loader *ld, const struct yaml_node *node,
                    struct policy_patterns *ret_patterns, const char **ret_names);

// A map that describes a subject (name NULL: inline). Appends it; *ret_index is UINT32_MAX when it
// is bad.
int read_subject(struct loader *ld, const struct yaml_node *node, const char *name,
                 uint32_t *ret_index);
int read_subjects(struct loader *ld, const struct yaml_node *node);

// The map `record` of a file; and, when all files were read, what their subjects add to it.
int read_record(struct loader *ld, const struct yaml_node *node);
int record_subjects(struct loader *ld);

// A window of time: "08:00-18:00", "mon-fri", "mon,wed 22:00-06:00". NULL, or what is wrong.
const char *window_parse(const char *text, struct policy_window *ret_window);

// One whole file. The text is kept.
int read_file(struct loader *ld, const char *path, const char *text, size_t len);
