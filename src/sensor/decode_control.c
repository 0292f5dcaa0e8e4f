// SPDX-License-Identifier: Apache-2.0
//
// Records of what rules decide besides files (abi/control.def): part of decode_record().
#include <errno.h>
#include <string.h>

#include "sensor/decode_fields.h"

int decode_control(struct bytes field, struct bytes name, struct event *ev)
{
    struct sg_control_field f;

    if (field.len != sizeof(f))
        return -EBADMSG;
    memcpy(&f, field.s, sizeof(f));
    if (f.kind >= SG_CONTROL_COUNT || f.target_tgid > INT32_MAX)
        return -EBADMSG;
    ev->control.kind = (enum sg_control)f.kind;
    ev->control.target = (struct process_ref){f.target_tgid, f.target_start_ns};
    memcpy(ev->control.number, f.number, sizeof(ev->control.number));
    if (ev->rule_index == SG_RULE_DEFENCE) {
        if (f.number[1] >= SG_GUARD_ACTS)
            return -EBADMSG;
        ev->control.defence = (uint8_t)(f.number[1] + 1);
    }
    // The numbers stand for the access there, and are of no object.
    ev->ino = 0;
    ev->dev = ev->dev2 = 0;
    if (name.len == 0)
        return 0;
    if (name.len > SG_CONTROL_NAME_MAX)
        return -EBADMSG;
    return decode_text(name, ev, &ev->control.name);
}
