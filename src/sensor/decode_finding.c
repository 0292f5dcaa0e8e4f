// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>

#include "sensor/decode_internal.h"

// Bytes of evidence by kind.
static const size_t evidence_sizes[SG_EVIDENCE_COUNT] = {
    [SG_EVIDENCE_CREDENTIALS] = 2 * sizeof(struct sg_credentials),
};

int decode_finding(struct bytes field, struct finding *ret)
{
    struct sg_finding_field head;
    struct finding f = {};

    if (!field.s || field.len < sizeof(head))
        return -EBADMSG;
    memcpy(&head, field.s, sizeof(head));
    if (head.finding == SG_FINDING_NONE || head.finding >= SG_FINDING_COUNT ||
        head.evidence >= SG_EVIDENCE_COUNT || head.target_tgid > INT32_MAX ||
        field.len != sizeof(head) + evidence_sizes[head.evidence])
        return -EBADMSG;
    f.kind = (enum sg_finding)head.finding;
    f.target = (struct process_ref){head.target_tgid, head.target_start_ns};
    f.has_credentials = head.evidence == SG_EVIDENCE_CREDENTIALS;
    if (f.has_credentials) {
        memcpy(&f.before, field.s + sizeof(head), sizeof(f.before));
        memcpy(&f.after, field.s + sizeof(head) + sizeof(f.before), sizeof(f.after));
    }
    *ret = f;
    return 0;
}
