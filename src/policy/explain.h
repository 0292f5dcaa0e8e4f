// SPDX-License-Identifier: Apache-2.0
//
// Which rule decides a case, and why: for `safeguard policy explain` and for tests. Works on the
// image alone, as the kernel does: runs the automaton over the path, evaluates the conditions of
// the subjects, walks the entries. Changes nothing, asks the system nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/json.h"
#include "base/strbuf.h"
#include "policy/compile.h"

#define POLICY_ANCESTORS_MAX 64

// Who asks. What is not known may be left at zero, where said.
struct policy_facts {
    const char *exe;              // canonical path of the executable; NULL: unknown, in no list
    const char *const *ancestors; // executables: parent first, then its parent …
    size_t n_ancestors;
    const uint32_t *ancestor_uids; // their effective users; NULL: all are root's
    uint32_t uid;
    const uint32_t *gids; // the effective group and the supplementary ones
    size_t n_gids;
    uint32_t login_uid;     // (uint32_t)-1: none
    uint64_t caps;          // effective
    const char *const *env; // "NAME=value", as the program was started with
    size_t n_env;
    const char *cgroup; // path below the cgroup root ("/system.slice/x.service"); NULL: the root
    int session;        // enum sg_session; -1: as exe and ancestors say
    bool container;
};

struct policy_query {
    const char *path; // canonical
    size_t path_len;
    const struct policy_control *control; // not a path, but this is asked for (SG_OP_CONTROL): what
                                          // is NUMBER, ID, or NAME without a pattern
    bool has_dev; // path starts at the root of superblock `dev`, not at the host's root
    uint32_t dev;
    uint32_t ops; // SG_OP_*, never SG_OP_CONTROL together with a path
    struct policy_facts facts;
    const struct policy_facts *target; // of a signal: whom it is for; NULL: not known
    bool other_user;                   // it is for one of another user (SG_TARGET_OTHER_USER)
    bool has_when;                     // false: every time window is open
    time_t when;
};

struct policy_op_decision {
    uint32_t op;     // one SG_OP_*
    bool matched;    // a rule decides; otherwise the op is allowed and not recorded
    uint16_t rule;   // index into image->rules
    uint8_t verdict; // enum sg_verdict
    uint8_t error;   // errno of what is refused
    bool monitor;
};

struct policy_decision {
    uint32_t state; // 0: no rule is about this path or anything beneath it
    uint64_t subjects[SG_SUBJECT_WORDS];
    uint64_t preds[SG_PRED_WORDS];
    uint64_t to_subjects[SG_SUBJECT_WORDS], to_preds[SG_PRED_WORDS]; // the same of the target
    struct policy_op_decision ops[SG_OP_COUNT]; // those of the query, in the order of their bits
    size_t n_ops;
    // The one that is recorded for the whole access: enforced denials before monitored ones before
    // audits. `matched` is false when no rule is about it; op is a set here.
    struct policy_op_decision overall;
    bool blocked; // overall is an enforced deny or kill
    // The subject is denied something beneath the path: what moves the directory takes it along.
    bool below_enforced, below_monitored;
};

// The key of a kind of abi/control.def ("ptrace"), and what may stand behind it, for people; NULL: no such kind.
const char *policy_control_name(enum sg_control kind);
const char *policy_control_expected(enum sg_control kind);
// SG_CONTROL_COUNT: there is no such kind.
enum sg_control policy_control_kind(const char *name);

// What is asked for by a word of its kind, by a number (users and groups, too), or by a name, on loan in *ret_control.
// -EINVAL: it is none of these; `any` is not: nobody asks for everything.
int policy_control_from_word(enum sg_control kind, const char *word,
                             struct policy_control *ret_control);

// "ptrace:attach", "setuid:0", "module:nf_tables".
void policy_control_format(const struct policy_control *control, struct strbuf *sb);

// 0; -EINVAL: path, what is asked for or a fact is not of its form (a path has to be absolute and without a slash at
// its end, "/" is the root), or too many ancestors; -ENODEV: the image has no root for `dev`.
int policy_explain(const struct policy_image *image, const struct policy_query *query,
                   struct policy_decision *ret_decision);

// The decision in words: the verdict, the rule (file:line) that decides each operation, the rules
// that were tried before it and which condition of their subjects failed.
void policy_explain_format(const struct policy_image *image, const struct policy_query *query,
                           const struct policy_decision *decision, bool color, struct strbuf *sb);
void policy_explain_json(const struct policy_image *image, const struct policy_query *query,
                         const struct policy_decision *decision, struct jw *jw);
