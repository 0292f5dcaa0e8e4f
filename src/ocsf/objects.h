// SPDX-License-Identifier: Apache-2.0
//
// The rows of objects.def as functions: each writes one object, or a part of one. Private to
// src/ocsf.
#pragma once

#include <sys/wait.h>

#include "model/file.h"
#include "model/finding.h"
#include "model/host.h"
#include "model/network.h"
#include "ocsf/ops.h"
#include "ocsf/out.h"

// What all writers need to know of the host.
struct ocsf_context {
    struct host host;
    struct bytes boot_id;                      // of host
    struct bytes uid_starts[EVENT_RING_COUNT]; // of metadata.uid
};

struct file_view {
    struct bytes path, name;
    uint8_t type; // caption table file_type
    bool deleted;
    uint32_t mode, nlink, dev;
    uint64_t ino;                   // 0: does not exist yet, or not known
    struct bytes escaped;           // the path, as it was written
    const struct file_facts *facts; // NULL: not asked for
};

struct user_view {
    uint32_t id;
    struct bytes name;
};

// A process, as far as it is not in struct who already.
struct process_view {
    const struct who *w;
    struct bytes name;
    struct file_view exe;
    struct bytes cmdline; // as CMD_LINE
    struct user_view user, login;
    bool has_session;
    bool has_comm; // another one than the kernel makes of the name
};

struct env_view {
    struct bytes name, value;
};

struct endpoint_view {
    const uint8_t *address;
    uint16_t family, port;
    struct bytes name;      // by which the address was learnt; empty
    struct bytes interface; // empty
};

struct answer_view {
    struct endpoint_view end;
    uint32_t ttl_s;
};

// A record of a socket (network.c).
struct network_view {
    const struct sg_ends *ends; // of the event
    struct endpoint_view local, remote, src, dst;
    bool has_local, has_remote, has_src, has_dst;
    uint8_t direction;            // caption table
    const struct flow *flow;      // FLOW
    const struct dns_record *dns; // DNS
    enum network_wide wide;
    bool unanswered;
    struct sg_ends asked; // of dns
    struct answer_view answers[SG_DNS_TOLD_MAX];
};

struct descriptor_view {
    const struct launch_fd *fd;
    uint32_t number;
    bool is_inet, is_connected;
    struct endpoint_view local, remote;
};

#define LAUNCH_ENV_MAX 64

// An exec (launch.c).
struct launch_view {
    const struct event *ev;
    const struct launch *launch; // of ev
    const struct file_facts *facts;
    const struct who *who; // whose numbers hold for the new program
    struct who unknown;    // `who` of somebody of whom nothing but the record is known
    struct process_view process;
    struct env_view env[LAUNCH_ENV_MAX];
    uint32_t n_env, n_args, flags;
    bool env_cut;   // there are more than fit here
    bool ambiguous; // joined by blanks the arguments cannot be told apart
    bool has_session, has_namespaces;
    struct descriptor_view fd[3];
};

// A record.
struct record_view {
    const struct event *ev;
    const struct ocsf_op *op;
    const struct ocsf_outcome *outcome;
    struct file_view file, result;
    bool has_result;
    const struct finding_kind *finding; // FINDING
    bool finding_evidence;              // it was done to somebody or something
    bool has_thread_comm;               // another name than that of the process
    bool truncated;
    bool path_not_utf8, path2_not_utf8;
    // Already escaped, for the sentence:
    struct bytes path, path2;
    struct bytes actor;  // "cat (pid 7, user ann)"
    struct bytes phrase; // " was not allowed to open "
    struct bytes rule;   // " (rule shadow)"
};

// As a shell has it: 128 and the signal for what a signal ended.
static inline uint32_t exit_code(uint32_t status)
{
    return WIFSIGNALED((int)status) ? 128u + (uint32_t)WTERMSIG((int)status)
                                    : (uint32_t)WEXITSTATUS((int)status);
}

// It stands for a time and not for a moment: many equal ones, an open file from its open to its close, or the life of a process.
static inline bool has_span(const struct event *ev)
{
    return ev->count > 1 || ev->access & SG_OP_IO ||
           ((ev->kind == EVENT_EXIT || ev->kind == EVENT_FLOW) && ev->first_ns < ev->time_ns);
}

// Is there an end to tell the sums of?
static inline bool has_traffic(const struct flow *f)
{
    return f->type == SG_FLOW_CLOSE || f->datagrams;
}

static inline uint32_t term_signal(uint32_t status)
{
    return WIFSIGNALED((int)status) ? (uint32_t)WTERMSIG((int)status) : 0;
}

static inline bool differs(uint32_t ns, uint32_t host)
{
    return ns && ns != host;
}

// parts.c: what is to be said of a process that the process room knows.
void ocsf_view_process(const struct who *w, struct process_view *ret);

// launch.c
void ocsf_view_launch(const struct ocsf_context *o, const struct event *ev,
                      struct launch_view *ret);

// What a control kind was asked with: a name, or the word of its number; empty: it has no word.
struct bytes ocsf_argument(const struct event *ev);
void ocsf_put_control_sentence(struct out *out, const struct record_view *v);

// The sentence, without quotes; its parts are in *v.
void ocsf_put_sentence(struct out *out, const struct record_view *v);

// sentence_finding.c: what of it follows who it is about.
void ocsf_put_finding_sentence(struct out *out, const struct record_view *v);

// What of the sentence depends on nothing but these.
void ocsf_put_phrase(struct out *out, const struct ocsf_op *op, const struct ocsf_outcome *x);

// Members, each with a comma behind it, without brackets.
void ocsf_put_event_kind(struct out *out, const struct ocsf_op *op);
void ocsf_put_event_outcome(struct out *out, const struct ocsf_outcome *x);
void ocsf_put_event_host(struct out *out, const struct ocsf_context *o);
void ocsf_put_whole_host(struct out *out, const struct host *h);
void ocsf_put_metadata_host(struct out *out);
void ocsf_put_event(struct out *out, const struct record_view *v);
void ocsf_put_metadata(struct out *out, const struct ocsf_context *o, const struct record_view *v);
void ocsf_put_event_file(struct out *out, struct record_view *v); // sets v->path, v->path2
void ocsf_put_event_process(struct out *out, const struct record_view *v);
void ocsf_put_event_finding(struct out *out, const struct ocsf_context *o, struct record_view *v);
void ocsf_put_event_kernel(struct out *out, const struct event *ev);
void ocsf_put_event_memory(struct out *out, const struct event *ev);
void ocsf_put_event_module(struct out *out, const struct event *ev);
void ocsf_put_event_network(struct out *out, const struct event *ev);
void ocsf_put_event_flow(struct out *out, const struct event *ev);
void ocsf_put_event_dns(struct out *out, const struct event *ev);
void ocsf_put_unmapped_network(struct out *out, const struct ocsf_context *o,
                               const struct event *ev);
void ocsf_put_event_rule(struct out *out, const struct event *ev);
void ocsf_put_unmapped(struct out *out, const struct record_view *v);
void ocsf_put_unmapped_finding(struct out *out, const struct finding *f);
void ocsf_put_unmapped_launch(struct out *out, const struct ocsf_context *o,
                              const struct launch_view *l);
void ocsf_put_process_launch(struct out *out, const struct launch_view *l);
void ocsf_put_file_facts(struct out *out, const struct file_facts *facts);
void ocsf_put_unmapped_facts(struct out *out, const struct file_facts *facts);
void ocsf_put_unmapped_access(struct out *out, uint32_t access);
void ocsf_put_unmapped_hook(struct out *out, enum sg_hook hook);
void ocsf_put_unmapped_decision(struct out *out, enum sg_verdict verdict, enum event_mode mode);
void ocsf_put_unmapped_rule(struct out *out, const struct event *ev);
void ocsf_put_unmapped_actor(struct out *out, const struct ocsf_context *o,
                             const struct process_view *p);
void ocsf_put_actor(struct out *out, const struct process_view *p);
void ocsf_put_process(struct out *out, const struct ocsf_context *o, struct process_view *p);
void ocsf_put_process_thread(struct out *out, const struct event *ev);
void ocsf_put_process_other(struct out *out, const struct ocsf_context *o,
                            const struct process_ref *ref);
void ocsf_put_process_unknown(struct out *out, const struct ocsf_context *o, const struct event *ev,
                              const struct process_ref *ref);
