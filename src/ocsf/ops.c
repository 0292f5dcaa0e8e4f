// SPDX-License-Identifier: Apache-2.0
#include "ocsf/ops.h"

#include <string.h>

#include "abi/control.h"
#include "base/macro.h"
#include "model/network.h"

#define SCOPE_FILE    static
#define SCOPE_PROCESS static
#define SCOPE_FINDING static
#define SCOPE_KERNEL
#define SCOPE_MEMORY
#define SCOPE_MODULE
#define SCOPE_NETWORK
#define SCOPE_DNS
#define class_KERNEL  ocsf_class_kernel
#define class_MEMORY  ocsf_class_memory
#define class_MODULE  ocsf_class_module
#define class_NETWORK ocsf_class_network
#define class_DNS     ocsf_class_dns
#define OCSF_CLASS(class, uid, category, caption) \
    SCOPE_##class const struct ocsf_class class_##class = {uid, category};
#include "ocsf/classes.def"

#define OP(key, access, id, launch, class, name, verb, past, tail, joiner) \
    {access, key, id, launch, 0, class, name, BYTES(verb), BYTES(past), BYTES(tail), BYTES(joiner)},

const struct ocsf_op ocsf_ops[] = {
#define OCSF_FILE_OP(hook, access, id, name, verb, past, tail, joiner) \
    OP(SG_HOOK_##hook, access, id, 0, &class_FILE, name, verb, past, tail, joiner)
#include "ocsf/classes.def"
#define OCSF_PROCESS_OP(kind, id, name, launch, verb, past) \
    OP(EVENT_##kind, 0, id, launch, &class_PROCESS, name, verb, past, "", "")
#include "ocsf/classes.def"
#define OCSF_FINDING_OP(kind, id, name) \
    OP(EVENT_##kind, 0, id, 0, &class_FINDING, name, "", "", "", "")
#include "ocsf/classes.def"
#define CONTROL(key, access, class, id, name, verb, past, object)                \
    {access, key,         id,          0,         OCSF_##object, &class_##class, \
     name,   BYTES(verb), BYTES(past), BYTES(""), BYTES("")},
#define ANY (-1)
#define OCSF_CONTROL_OP(kind, number, class, id, name, verb, past, object) \
    CONTROL(SG_CONTROL_##kind, 1u + (unsigned)(number), class, id, name, verb, past, object)
#include "ocsf/classes.def"
#define OCSF_DEFENCE_OP(act, class, id, name, verb, past, object) \
    CONTROL(OCSF_DEFENCE_KEY + SG_GUARD_##act, 0, class, id, name, verb, past, object)
#include "ocsf/classes.def"
#define SG_FLOW_ANY (-1)
#define OCSF_FLOW_OP(type, reason, id, name, past, object)                                      \
    CONTROL(OCSF_FLOW_KEY + SG_FLOW_##type, 1u + (unsigned)SG_FLOW_##reason, NETWORK, id, name, \
            "", past, object)
#include "ocsf/classes.def"
#define OCSF_DNS_OP(answered, id, name, past) \
    CONTROL(OCSF_DNS_KEY + (answered), 0, DNS, id, name, "", past, ASKED)
#include "ocsf/classes.def"
};
const size_t ocsf_n_ops = ARRAY_SIZE(ocsf_ops);

const struct ocsf_outcome ocsf_outcomes[OCSF_OUTCOME_COUNT] = {
#define OCSF_OUTCOME(key, severity, status, action, disposition, alert, before, after) \
    [OCSF_##key] = {severity, status, action, disposition, alert, BYTES(before), BYTES(after)},
#include "ocsf/classes.def"
};

const struct ocsf_caption ocsf_captions[OCSF_TABLE_COUNT][OCSF_CAPTIONS_MAX] = {
#define OCSF_CAPTION(table, id, caption) \
    [OCSF_TABLE_##table][(id) % OCSF_CAPTIONS_MAX] = {id, BYTES(caption)},
#include "ocsf/classes.def"
};

const struct ocsf_activity ocsf_activities[] = {
#define OCSF_ACTIVITY(class, id, name) {&class_##class, id, name},
#include "ocsf/classes.def"
};
const size_t ocsf_n_activities = ARRAY_SIZE(ocsf_activities);

void ocsf_ops_index(uint16_t first[OCSF_HOOK_KEYS])
{
    for (size_t i = 0; i < OCSF_HOOK_KEYS; i++)
        first[i] = (uint16_t)ocsf_n_ops;
    for (size_t i = ocsf_n_ops; i-- > 0;) {
        if (ocsf_ops[i].class == &class_FILE)
            first[ocsf_ops[i].key] = (uint16_t)i;
    }
}

// Names of extended attributes that the kernel asks when it decides about access: xattr(7).
static bool decides_access(struct bytes name)
{
    static const struct bytes prefixes[] = {BYTES("security."), BYTES("system.posix_acl_")};

    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        if (name.len >= prefixes[i].len && memcmp(name.s, prefixes[i].s, prefixes[i].len) == 0)
            return true;
    }
    return false;
}

static size_t file_op(const uint16_t first[OCSF_HOOK_KEYS], const struct event *ev)
{
    uint32_t access = ev->access;
    uint16_t hook = (uint16_t)ev->hook;
    size_t i;

    if (access & SG_OP_IO) {
        hook = SG_HOOK_NONE;
        access = ev->bytes_written ? SG_OP_WRITE : 0;
    }
    if (ev->xattr.len && decides_access(ev->xattr))
        access |= OCSF_OP_SECURITY;
    if (first[hook] == ocsf_n_ops)
        hook = SG_HOOK_COUNT;
    for (i = first[hook]; i < ocsf_n_ops && ocsf_ops[i].key == hook; i++) {
        if ((access & ocsf_ops[i].access) == ocsf_ops[i].access)
            return i;
    }
    return ocsf_n_ops;
}

static uint16_t control_key(const struct event *ev)
{
    return ev->control.defence ? (uint16_t)(OCSF_DEFENCE_KEY + ev->control.defence - 1)
                               : (uint16_t)ev->control.kind;
}

static size_t object_op(uint16_t key, uint64_t number)
{
    for (size_t i = 0; i < ocsf_n_ops; i++) {
        const struct ocsf_op *op = &ocsf_ops[i];

        if (op->object && op->key == key && (op->access == 0 || op->access - 1 == number))
            return i;
    }
    return ocsf_n_ops;
}

static uint16_t network_key(const struct event *ev, uint32_t *ret_reason)
{
    const struct network_event *n = ev->network;

    *ret_reason = n->flow ? n->flow->reason : 0;
    return (uint16_t)(n->flow ? OCSF_FLOW_KEY + (unsigned)n->flow->type
                              : OCSF_DNS_KEY + (n->dns->is_answer ? 1u : 0u));
}

size_t ocsf_op_of(const uint16_t first[OCSF_HOOK_KEYS], const struct event *ev)
{
    uint32_t reason;

    if (ev->kind == EVENT_FILE)
        return file_op(first, ev);
    if (ev->kind == EVENT_CONTROL)
        return object_op(control_key(ev), ev->control.number[0]);
    if (ev->network) {
        uint16_t key = network_key(ev, &reason);

        return object_op(key, reason);
    }
    for (size_t i = 0; i < ocsf_n_ops; i++) {
        if (ocsf_ops[i].class != &class_FILE && !ocsf_ops[i].object &&
            ocsf_ops[i].key == (uint16_t)ev->kind)
            return i;
    }
    return ocsf_n_ops;
}

// Whatever was to be done about it and was not, it was found.
static enum ocsf_outcome_key finding_outcome(enum event_outcome outcome)
{
    switch (outcome) {
    case EVENT_OUTCOME_KILLED: return OCSF_FOUND_KILLED;
    case EVENT_OUTCOME_DENIED: return OCSF_FOUND_DENIED;
    default: return OCSF_FOUND;
    }
}

// Nobody was there, or nobody let it in; or nothing was answered, or that there is no such name.
static bool network_failed(const struct network_event *n)
{
    if (n->dns)
        return n->unanswered || (n->dns->is_answer && SG_DNS_RCODE(n->dns->header));
    return n->flow->reason == SG_FLOW_TIMED_OUT || n->flow->reason == SG_FLOW_REFUSED ||
           n->flow->reason == SG_FLOW_UNREACHABLE || n->flow->reason == SG_FLOW_FAILED;
}

enum ocsf_outcome_key ocsf_outcome_of(const struct event *ev)
{
    static const enum ocsf_outcome_key keys[EVENT_OUTCOME_COUNT] = {
        [EVENT_OUTCOME_PASSED] = OCSF_ALLOWED,    [EVENT_OUTCOME_WOULD_DENY] = OCSF_WOULD_DENY,
        [EVENT_OUTCOME_NOT_HELD] = OCSF_NOT_HELD, [EVENT_OUTCOME_DENIED] = OCSF_DENIED,
        [EVENT_OUTCOME_KILLED] = OCSF_KILLED,     [EVENT_OUTCOME_STOPPED] = OCSF_STOPPED,
    };

    if (ev->network)
        return network_failed(ev->network) ? OCSF_FAILED : OCSF_PLAIN;
    if (ev->kind == EVENT_FINDING)
        return finding_outcome(ev->outcome);
    if (ev->kind == EVENT_CONTROL && ev->control.defence)
        return OCSF_DEFENDED;
    // That a process started or ended is no access, unless a rule was asked.
    if (ev->kind != EVENT_FILE && ev->kind != EVENT_CONTROL && ev->verdict == SG_ALLOW)
        return OCSF_PLAIN;
    if (ev->outcome == EVENT_OUTCOME_PASSED && ev->verdict == SG_AUDIT)
        return OCSF_AUDITED;
    return keys[ev->outcome];
}
