// SPDX-License-Identifier: Apache-2.0
//
// What there is to say of each finding (abi/finding.def): for records, alerts and people. Constant, owned by nobody.
#pragma once

#include "model/event.h"

struct attack_name {
    struct bytes uid, name; // of MITRE ATT&CK: "T1068"
};

struct finding_kind {
    struct bytes id;   // "credential_ids"
    unsigned severity; // of OCSF
    const struct attack_name *tactic, *technique;
    struct bytes title;
    struct bytes text; // the end of a sentence that begins with who it is about
};

// NULL: there is no such finding.
const struct finding_kind *finding_kind(enum sg_finding finding);
