// SPDX-License-Identifier: Apache-2.0
//
// The rows of classes.def as tables, and the search in them. Private to src/ocsf.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/flow.h"
#include "base/macro.h"
#include "model/event.h"

// An extended attribute in which the kernel keeps who may do what; above all bits of enum sg_op.
#define OCSF_OP_SECURITY (1u << 16)

struct ocsf_class {
    uint32_t uid;
    uint32_t category;
};

// A kind of record: class, activity and the words for it.
struct ocsf_op {
    uint32_t access; // all these bits; of control kinds 1 + the number that is asked with, 0: any
    uint16_t
        key; // enum sg_hook, enum event_kind, enum sg_control, or OCSF_DEFENCE_KEY + enum sg_guard_act
    uint8_t activity;
    uint8_t launch_type; // 0: none
    uint8_t object;      // enum ocsf_object, of control kinds; 0: of none
    const struct ocsf_class *class;
    const char *name;
    struct bytes verb, past, tail, joiner;
};

#define OCSF_DEFENCE_KEY SG_CONTROL_MAX
#define OCSF_FLOW_KEY \
    (OCSF_DEFENCE_KEY + 64) // + enum sg_flow_type; `access` is 1 + enum sg_flow_reason, 0: any
#define OCSF_DNS_KEY (OCSF_FLOW_KEY + 64) // + whether it is answered
STATIC_ASSERT(SG_GUARD_COUNTS <= 64 && SG_FLOW_TYPES <= 64, "room between the keys");

// What stands behind the verb in the sentence of a control kind.
enum ocsf_object {
    OCSF_NOT_CONTROL,
    OCSF_NONE,
    OCSF_ARGUMENT,
    OCSF_IN_BRACKETS,
    OCSF_TARGET,
    OCSF_SENT,
    OCSF_OTHER_END,
    OCSF_OWN_END,
    OCSF_BOTH_ENDS,
    OCSF_ASKED,
};

extern const struct ocsf_class ocsf_class_kernel, ocsf_class_memory, ocsf_class_module,
    ocsf_class_network, ocsf_class_dns;

enum ocsf_outcome_key {
#define OCSF_OUTCOME(key, ...) OCSF_##key,
#include "ocsf/classes.def"
    OCSF_OUTCOME_COUNT,
};

struct ocsf_outcome {
    uint8_t severity, status, action, disposition; // 0: none
    bool alert;
    struct bytes before, after;
};

extern const struct ocsf_op ocsf_ops[];
extern const size_t ocsf_n_ops;
extern const struct ocsf_outcome ocsf_outcomes[OCSF_OUTCOME_COUNT];

#define OCSF_HOOK_KEYS ((size_t)SG_HOOK_COUNT + 1)

// Index in ocsf_ops of what an event is; ocsf_n_ops when it has no class. `first` is the table made
// by ocsf_ops_index().
void ocsf_ops_index(uint16_t first[OCSF_HOOK_KEYS]);
size_t ocsf_op_of(const uint16_t first[OCSF_HOOK_KEYS], const struct event *ev);

enum ocsf_outcome_key ocsf_outcome_of(const struct event *ev);

// Numbers with captions, by table; a number stands at its remainder.
enum ocsf_table {
    OCSF_TABLE_severity,
    OCSF_TABLE_status,
    OCSF_TABLE_action,
    OCSF_TABLE_disposition,
    OCSF_TABLE_kernel_type,
    OCSF_TABLE_load_type,
    OCSF_TABLE_direction,
    OCSF_TABLE_boundary,
    OCSF_TABLE_protocol_version,
    OCSF_TABLE_rcode,
    OCSF_TABLE_launch_type,
    OCSF_TABLE_file_type,
    OCSF_TABLE_algorithm,
    OCSF_TABLE_device_type,
    OCSF_TABLE_os_type,
    OCSF_TABLE_COUNT,
};
#define OCSF_CAPTIONS_MAX 32

struct ocsf_caption {
    uint32_t id;
    struct bytes caption; // empty: no such number
};
extern const struct ocsf_caption ocsf_captions[OCSF_TABLE_COUNT][OCSF_CAPTIONS_MAX];

static inline struct bytes ocsf_caption(enum ocsf_table table, uint32_t id)
{
    return ocsf_captions[table][id % OCSF_CAPTIONS_MAX].caption;
}

struct ocsf_activity {
    const struct ocsf_class *class;
    uint32_t id;
    const char *name;
};
extern const struct ocsf_activity ocsf_activities[];
extern const size_t ocsf_n_activities;
