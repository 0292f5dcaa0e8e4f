// SPDX-License-Identifier: Apache-2.0
#include "model/finding.h"

// One object a row, by which the rows of findings name them.
#define SG_TACTIC(id, number, words) \
    static const struct attack_name tactic_##id = {BYTES(number), BYTES(words)};
#define SG_TECHNIQUE(id, number, words) \
    static const struct attack_name technique_##id = {BYTES(number), BYTES(words)};
#include "abi/finding.def"

static const struct finding_kind kinds[SG_FINDING_COUNT] = {
#define SG_FINDING(word, level, tactic_id, technique_id, heading, words) \
    [SG_FINDING_##word] = {                                              \
        .id = BYTES(#word),                                              \
        .severity = (level),                                             \
        .tactic = &tactic_##tactic_id,                                   \
        .technique = &technique_##technique_id,                          \
        .title = BYTES(heading),                                         \
        .text = BYTES(words),                                            \
    },
#include "abi/finding.def"
};

const struct finding_kind *finding_kind(enum sg_finding finding)
{
    if (finding == SG_FINDING_NONE || (unsigned)finding >= SG_FINDING_COUNT)
        return NULL;
    return &kinds[finding];
}
