// SPDX-License-Identifier: Apache-2.0
#include "ocsf/network.h"

#include "ocsf/ocsf.h"
#include "ocsf/values.h"

// Rows, as statements.

#define OBJECT(object)
#define JOIN(object, into)
#define PART(name, object)

#define ATTR(name, kind, when, value)   \
    if (when) {                         \
        out_lit(out, "\"" #name "\":"); \
        put_##kind(out, value);         \
    }

#define ENUM(name, caption_name, table, when, value)              \
    if (when) {                                                   \
        out_lit(out, "\"" #name "\":");                           \
        put_UINT(out, value);                                     \
        out_lit(out, "\"" #caption_name "\":");                   \
        put_WORD(out, ocsf_caption(OCSF_TABLE_##table, (value))); \
    }

#define ID(name, table, when, value) ATTR(name, UINT, when, value)

#define OBJ(name, object, when, value)   \
    if (when) {                          \
        out_lit(out, "\"" #name "\":{"); \
        write_##object(out, o, value);   \
        out_end(out, '}');               \
        out_char(out, ',');              \
    }

#define LIST(name, object, when, n, item)    \
    if (when) {                              \
        out_lit(out, "\"" #name "\":[");     \
        for (uint32_t i = 0; i < (n); i++) { \
            out_char(out, '{');              \
            write_##object(out, o, item);    \
            out_end(out, '}');               \
            out_char(out, ',');              \
        }                                    \
        out_end(out, ']');                   \
        out_char(out, ',');                  \
    }

// What is known by now stands here, all else comes to this place.
#define LATER(place, when)                     \
    if (when) {                                \
        if ((when)->hash == FILE_HASH_WAITING) \
            out_later(out, LATER_##place);     \
        else                                   \
            later_##place(out, when);          \
    }
#define later_FILE(out, facts)     ocsf_put_file_facts(out, facts)
#define later_UNMAPPED(out, facts) ocsf_put_unmapped_facts(out, facts)

// Kinds that need to know the host.
#define put_UID_PROCESS(out, ref) put_uid_process(out, o, ref)
#define put_UID_EVENT(out, v)     put_uid_event(out, o, v)

static void write_file_xattributes(struct out *out, const struct ocsf_context *o,
                                   const struct file_view *f)
{
    (void)o;
#define OCSF_WANT_file_xattributes
#include "ocsf/objects.def"
#undef OCSF_WANT_file_xattributes
}

static void write_fingerprint(struct out *out, const struct ocsf_context *o,
                              const struct file_facts *facts)
{
    (void)o;
#define OCSF_WANT_fingerprint
#include "ocsf/objects.def"
#undef OCSF_WANT_fingerprint
}

static void write_file_product(struct out *out, const struct ocsf_context *o,
                               const struct file_facts *facts)
{
    (void)o;
#define OCSF_WANT_file_product
#include "ocsf/objects.def"
#undef OCSF_WANT_file_product
}

void ocsf_put_file_facts(struct out *out, const struct file_facts *facts)
{
    const struct ocsf_context *o = NULL;

#define OCSF_WANT_file_facts
#include "ocsf/objects.def"
#undef OCSF_WANT_file_facts
}

static void write_script_file(struct out *out, const struct ocsf_context *o,
                              const struct file_facts *facts)
{
#define OCSF_WANT_script_file
#include "ocsf/objects.def"
#undef OCSF_WANT_script_file
}

void ocsf_put_unmapped_facts(struct out *out, const struct file_facts *facts)
{
    const struct ocsf_context *o = NULL;

#define OCSF_WANT_unmapped_facts
#include "ocsf/objects.def"
#undef OCSF_WANT_unmapped_facts
}

static void write_file(struct out *out, const struct ocsf_context *o, struct file_view *f)
{
#define OCSF_WANT_file
#include "ocsf/objects.def"
#undef OCSF_WANT_file
}

static void write_attack_name(struct out *out, const struct ocsf_context *o,
                              const struct attack_name *a)
{
    (void)o;
#define OCSF_WANT_attack_name
#include "ocsf/objects.def"
#undef OCSF_WANT_attack_name
}

static void write_attack(struct out *out, const struct ocsf_context *o,
                         const struct finding_kind *k)
{
#define OCSF_WANT_attack
#include "ocsf/objects.def"
#undef OCSF_WANT_attack
}

static void write_finding_info(struct out *out, const struct ocsf_context *o,
                               const struct record_view *v)
{
#define OCSF_WANT_finding_info
#include "ocsf/objects.def"
#undef OCSF_WANT_finding_info
}

static void write_evidence_process(struct out *out, const struct ocsf_context *o,
                                   const struct process_ref *ref)
{
#define OCSF_WANT_evidence_process
#include "ocsf/objects.def"
#undef OCSF_WANT_evidence_process
}

static void write_evidence(struct out *out, const struct ocsf_context *o, struct record_view *v)
{
#define OCSF_WANT_evidence
#include "ocsf/objects.def"
#undef OCSF_WANT_evidence
}

static void write_credentials(struct out *out, const struct ocsf_context *o,
                              const struct sg_credentials *c)
{
    (void)o;
#define OCSF_WANT_credentials
#include "ocsf/objects.def"
#undef OCSF_WANT_credentials
}

static void write_os(struct out *out, const struct ocsf_context *o, const struct host *h)
{
    (void)o;
#define OCSF_WANT_os
#include "ocsf/objects.def"
#undef OCSF_WANT_os
}

static void write_whole_os(struct out *out, const struct ocsf_context *o, const struct host *h)
{
    (void)o;
#define OCSF_WANT_whole_os
#include "ocsf/objects.def"
#undef OCSF_WANT_whole_os
}

void ocsf_put_whole_host(struct out *out, const struct host *h)
{
    const struct ocsf_context *o = NULL;

#define OCSF_WANT_whole_host
#include "ocsf/objects.def"
#undef OCSF_WANT_whole_host
}

static void write_device(struct out *out, const struct ocsf_context *o, const struct host *h)
{
#define OCSF_WANT_device
#include "ocsf/objects.def"
#undef OCSF_WANT_device
}

static void write_product(struct out *out, const struct ocsf_context *o, const void *unused)
{
    (void)o;
    (void)unused;
#define OCSF_WANT_product
#include "ocsf/objects.def"
#undef OCSF_WANT_product
}

static void write_policy(struct out *out, const struct ocsf_context *o, const struct event *ev)
{
    (void)o;
#define OCSF_WANT_policy
#include "ocsf/objects.def"
#undef OCSF_WANT_policy
}

static void write_user(struct out *out, const struct ocsf_context *o, const struct user_view *u)
{
    (void)o;
#define OCSF_WANT_user
#include "ocsf/objects.def"
#undef OCSF_WANT_user
}

static void write_group(struct out *out, const struct ocsf_context *o, const struct who *w)
{
    (void)o;
#define OCSF_WANT_group
#include "ocsf/objects.def"
#undef OCSF_WANT_group
}

static void write_session(struct out *out, const struct ocsf_context *o, const struct who *w)
{
    (void)o;
#define OCSF_WANT_session
#include "ocsf/objects.def"
#undef OCSF_WANT_session
}

static void write_container(struct out *out, const struct ocsf_context *o, const struct who *w)
{
    (void)o;
#define OCSF_WANT_container
#include "ocsf/objects.def"
#undef OCSF_WANT_container
}

static void write_parent(struct out *out, const struct ocsf_context *o, const struct ancestor *a)
{
#define OCSF_WANT_parent
#include "ocsf/objects.def"
#undef OCSF_WANT_parent
}

static void write_ancestor(struct out *out, const struct ocsf_context *o, const struct ancestor *a)
{
#define OCSF_WANT_ancestor
#include "ocsf/objects.def"
#undef OCSF_WANT_ancestor
}

static void write_environment_variable(struct out *out, const struct ocsf_context *o,
                                       const struct env_view *e)
{
    (void)o;
#define OCSF_WANT_environment_variable
#include "ocsf/objects.def"
#undef OCSF_WANT_environment_variable
}

static void write_launch_session(struct out *out, const struct ocsf_context *o,
                                 const struct launch_view *l)
{
    (void)o;
#define OCSF_WANT_launch_session
#include "ocsf/objects.def"
#undef OCSF_WANT_launch_session
}

static void write_namespaces(struct out *out, const struct ocsf_context *o,
                             const struct launch_view *l)
{
#define OCSF_WANT_namespaces
#include "ocsf/objects.def"
#undef OCSF_WANT_namespaces
}

static void write_network_endpoint(struct out *out, const struct ocsf_context *o,
                                   const struct endpoint_view *e)
{
    (void)o;
#define OCSF_WANT_network_endpoint
#include "ocsf/objects.def"
#undef OCSF_WANT_network_endpoint
}

static void write_network_traffic(struct out *out, const struct ocsf_context *o,
                                  const struct sg_flow_sums *s)
{
    (void)o;
#define OCSF_WANT_network_traffic
#include "ocsf/objects.def"
#undef OCSF_WANT_network_traffic
}

static void write_dns_query(struct out *out, const struct ocsf_context *o,
                            const struct dns_record *d)
{
    (void)o;
#define OCSF_WANT_dns_query
#include "ocsf/objects.def"
#undef OCSF_WANT_dns_query
}

static void write_dns_answer(struct out *out, const struct ocsf_context *o,
                             const struct answer_view *a)
{
    (void)o;
#define OCSF_WANT_dns_answer
#include "ocsf/objects.def"
#undef OCSF_WANT_dns_answer
}

static void write_connection_info(struct out *out, const struct ocsf_context *o,
                                  const struct network_view *n)
{
    (void)o;
#define OCSF_WANT_connection_info
#include "ocsf/objects.def"
#undef OCSF_WANT_connection_info
}

static void write_endpoint(struct out *out, const struct ocsf_context *o,
                           const struct endpoint_view *e)
{
    (void)o;
#define OCSF_WANT_endpoint
#include "ocsf/objects.def"
#undef OCSF_WANT_endpoint
}

static void write_descriptor(struct out *out, const struct ocsf_context *o,
                             const struct descriptor_view *d)
{
#define OCSF_WANT_descriptor
#include "ocsf/objects.def"
#undef OCSF_WANT_descriptor
}

static void write_kernel(struct out *out, const struct ocsf_context *o, const struct event *ev)
{
    (void)o;
#define OCSF_WANT_kernel
#include "ocsf/objects.def"
#undef OCSF_WANT_kernel
}

static void write_module(struct out *out, const struct ocsf_context *o, const struct event *ev)
{
    (void)o;
#define OCSF_WANT_module
#include "ocsf/objects.def"
#undef OCSF_WANT_module
}

void ocsf_put_event_kind(struct out *out, const struct ocsf_op *op)
{
#define OCSF_WANT_event_kind
#include "ocsf/objects.def"
#undef OCSF_WANT_event_kind
}

void ocsf_put_event_outcome(struct out *out, const struct ocsf_outcome *x)
{
#define OCSF_WANT_event_outcome
#include "ocsf/objects.def"
#undef OCSF_WANT_event_outcome
}

void ocsf_put_event_host(struct out *out, const struct ocsf_context *o)
{
    const struct host *h = &o->host;

#define OCSF_WANT_event_host
#include "ocsf/objects.def"
#undef OCSF_WANT_event_host
}

void ocsf_put_metadata_host(struct out *out)
{
    const struct ocsf_context *o = NULL;

#define OCSF_WANT_metadata_host
#include "ocsf/objects.def"
#undef OCSF_WANT_metadata_host
}

void ocsf_put_event(struct out *out, const struct record_view *v)
{
    const struct event *ev = v->ev;

#define OCSF_WANT_event
#include "ocsf/objects.def"
#undef OCSF_WANT_event
}

void ocsf_put_metadata(struct out *out, const struct ocsf_context *o, const struct record_view *v)
{
    const struct event *ev = v->ev;

#define OCSF_WANT_metadata
#include "ocsf/objects.def"
#undef OCSF_WANT_metadata
}

void ocsf_put_event_file(struct out *out, struct record_view *v)
{
    const struct ocsf_context *o = NULL;

#define OCSF_WANT_event_file
#include "ocsf/objects.def"
#undef OCSF_WANT_event_file
    v->path = v->file.escaped;
    v->path2 = v->result.escaped;
    // What is not UTF-8 got longer.
    v->path_not_utf8 = v->path.len != v->file.path.len && !out_is_utf8(v->file.path);
    v->path2_not_utf8 = v->path2.len != v->result.path.len && !out_is_utf8(v->result.path);
}

void ocsf_put_event_finding(struct out *out, const struct ocsf_context *o, struct record_view *v)
{
#define OCSF_WANT_event_finding
#include "ocsf/objects.def"
#undef OCSF_WANT_event_finding
}

void ocsf_put_event_rule(struct out *out, const struct event *ev)
{
    const struct ocsf_context *o = NULL;

#define OCSF_WANT_event_rule
#include "ocsf/objects.def"
#undef OCSF_WANT_event_rule
}

void ocsf_put_event_process(struct out *out, const struct record_view *v)
{
    const struct event *ev = v->ev;

#define OCSF_WANT_event_process
#include "ocsf/objects.def"
#undef OCSF_WANT_event_process
}

void ocsf_put_event_kernel(struct out *out, const struct event *ev)
{
    const struct ocsf_context *o = NULL;

#define OCSF_WANT_event_kernel
#include "ocsf/objects.def"
#undef OCSF_WANT_event_kernel
}

void ocsf_put_event_memory(struct out *out, const struct event *ev)
{
#define OCSF_WANT_event_memory
#include "ocsf/objects.def"
#undef OCSF_WANT_event_memory
}

void ocsf_put_event_module(struct out *out, const struct event *ev)
{
    const struct ocsf_context *o = NULL;

#define OCSF_WANT_event_module
#include "ocsf/objects.def"
#undef OCSF_WANT_event_module
}

void ocsf_put_event_network(struct out *out, const struct event *ev)
{
    const struct ocsf_context *o = NULL;
    struct network_view view, *n = &view;

    ocsf_view_network(ev, n);
#define OCSF_WANT_event_network
#include "ocsf/objects.def"
#undef OCSF_WANT_event_network
}

void ocsf_put_event_flow(struct out *out, const struct event *ev)
{
    const struct ocsf_context *o = NULL;
    struct network_view view, *n = &view;

    ocsf_view_network(ev, n);
#define OCSF_WANT_event_flow
#include "ocsf/objects.def"
#undef OCSF_WANT_event_flow
}

void ocsf_put_event_dns(struct out *out, const struct event *ev)
{
    const struct ocsf_context *o = NULL;
    struct network_view view, *n = &view;

    ocsf_view_network(ev, n);
#define OCSF_WANT_event_dns
#include "ocsf/objects.def"
#undef OCSF_WANT_event_dns
}

void ocsf_put_unmapped_network(struct out *out, const struct ocsf_context *o,
                               const struct event *ev)
{
    struct network_view view, *n = &view;

    ocsf_view_network(ev, n);
#define OCSF_WANT_unmapped_network
#include "ocsf/objects.def"
#undef OCSF_WANT_unmapped_network
}

void ocsf_put_unmapped(struct out *out, const struct record_view *v)
{
    const struct event *ev = v->ev;

#define OCSF_WANT_unmapped
#include "ocsf/objects.def"
#undef OCSF_WANT_unmapped
}

void ocsf_put_unmapped_finding(struct out *out, const struct finding *f)
{
    const struct ocsf_context *o = NULL;

#define OCSF_WANT_unmapped_finding
#include "ocsf/objects.def"
#undef OCSF_WANT_unmapped_finding
}

void ocsf_put_unmapped_access(struct out *out, uint32_t access)
{
#define OCSF_WANT_unmapped_access
#include "ocsf/objects.def"
#undef OCSF_WANT_unmapped_access
}

void ocsf_put_unmapped_hook(struct out *out, enum sg_hook hook)
{
#define OCSF_WANT_unmapped_hook
#include "ocsf/objects.def"
#undef OCSF_WANT_unmapped_hook
}

void ocsf_put_unmapped_decision(struct out *out, enum sg_verdict verdict, enum event_mode mode)
{
#define OCSF_WANT_unmapped_decision
#include "ocsf/objects.def"
#undef OCSF_WANT_unmapped_decision
}

void ocsf_put_unmapped_rule(struct out *out, const struct event *ev)
{
#define OCSF_WANT_unmapped_rule
#include "ocsf/objects.def"
#undef OCSF_WANT_unmapped_rule
}

void ocsf_put_unmapped_actor(struct out *out, const struct ocsf_context *o,
                             const struct process_view *p)
{
    const struct who *w = p->w;

#define OCSF_WANT_unmapped_actor
#include "ocsf/objects.def"
#undef OCSF_WANT_unmapped_actor
}

void ocsf_put_actor(struct out *out, const struct process_view *p)
{
    const struct ocsf_context *o = NULL;
    const struct who *w = p->w;

#define OCSF_WANT_actor
#include "ocsf/objects.def"
#undef OCSF_WANT_actor
}

void ocsf_put_process(struct out *out, const struct ocsf_context *o, struct process_view *p)
{
    const struct who *w = p->w;

#define OCSF_WANT_process
#include "ocsf/objects.def"
#undef OCSF_WANT_process
}

void ocsf_put_process_thread(struct out *out, const struct event *ev)
{
#define OCSF_WANT_process_thread
#include "ocsf/objects.def"
#undef OCSF_WANT_process_thread
}

void ocsf_put_process_unknown(struct out *out, const struct ocsf_context *o, const struct event *ev,
                              const struct process_ref *ref)
{
#define OCSF_WANT_process_unknown
#include "ocsf/objects.def"
#undef OCSF_WANT_process_unknown
}

void ocsf_put_process_launch(struct out *out, const struct launch_view *l)
{
    const struct ocsf_context *o = NULL;

#define OCSF_WANT_process_launch
#include "ocsf/objects.def"
#undef OCSF_WANT_process_launch
}

void ocsf_put_unmapped_launch(struct out *out, const struct ocsf_context *o,
                              const struct launch_view *l)
{
#define OCSF_WANT_unmapped_launch
#include "ocsf/objects.def"
#undef OCSF_WANT_unmapped_launch
}

void ocsf_put_process_other(struct out *out, const struct ocsf_context *o,
                            const struct process_ref *ref)
{
#define OCSF_WANT_process_other
#include "ocsf/objects.def"
#undef OCSF_WANT_process_other
}
