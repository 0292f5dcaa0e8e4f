// SPDX-License-Identifier: Apache-2.0
//
// Records of what rules decide besides files (abi/control.def): part of decode_record().
#include <errno.h>
#include <string.h>

#include "sensor/decode_fields.h"

// Both ends of a socket.
static int decode_ends(struct bytes field, struct event *ev)
{
    struct sg_ends *ends = &ev->control.ends;

    if (field.len != sizeof(*ends))
        return -EBADMSG;
    memcpy(ends, field.s, sizeof(*ends));
    ev->control.has_ends = true;
    return 0;
}

int decode_control(const struct fields *fields, struct event *ev)
{
    struct bytes field = fields->f[SG_FIELD_CONTROL], name = fields->f[SG_FIELD_NAME];
    struct sg_control_field f;
    int r;

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
    r = fields->f[SG_FIELD_ENDS].s ? decode_ends(fields->f[SG_FIELD_ENDS], ev) : 0;
    if (r < 0 || name.len == 0)
        return r;
    if (name.len > SG_CONTROL_NAME_MAX)
        return -EBADMSG;
    return decode_text(name, ev, &ev->control.name);
}
