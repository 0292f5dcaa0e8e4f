// SPDX-License-Identifier: Apache-2.0
//
// The sentence of a finding: "x (pid 7, user ann) has user or group ids that no system call gave it (euid 1000 is now 0), and was
// killed".
#include <stddef.h>

#include "base/macro.h"
#include "ocsf/objects.h"

enum number_kind { NUMBER_32, NUMBER_CAPS };

// What credentials consist of, as people call it.
static const struct {
    enum number_kind kind;
    size_t at;
    struct bytes name;
} numbers[] = {
#define ID(member)                                                         \
    {                                                                      \
        NUMBER_32, offsetof(struct sg_credentials, member), BYTES(#member) \
    }
#define CAPS(member, name)                                                \
    {                                                                     \
        NUMBER_CAPS, offsetof(struct sg_credentials, member), BYTES(name) \
    }
    ID(uid),
    ID(euid),
    ID(suid),
    ID(fsuid),
    ID(gid),
    ID(egid),
    ID(sgid),
    ID(fsgid),
    CAPS(caps_effective, "effective capabilities"),
    CAPS(caps_permitted, "permitted capabilities"),
    CAPS(caps_inheritable, "inheritable capabilities"),
    CAPS(caps_bounding, "bounding set"),
    CAPS(caps_ambient, "ambient capabilities"),
    {NUMBER_32, offsetof(struct sg_credentials, user_ns), BYTES("user namespace")},
#undef ID
#undef CAPS
};

static uint64_t number_of(const struct sg_credentials *c, size_t i)
{
    const char *at = (const char *)c + numbers[i].at;
    uint64_t caps;
    uint32_t id;

    if (numbers[i].kind == NUMBER_CAPS) {
        memcpy(&caps, at, sizeof(caps));
        return caps;
    }
    memcpy(&id, at, sizeof(id));
    return id;
}

static void put_number(struct out *out, enum number_kind kind, uint64_t number)
{
    if (kind == NUMBER_CAPS)
        out_caps(out, number);
    else
        out_u64(out, number);
}

// " (uid 1000 is now 0, euid 1000 is now 0)".
static void put_differences(struct out *out, const struct finding *f)
{
    bool any = false;

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        uint64_t before = number_of(&f->before, i), after = number_of(&f->after, i);
        struct bytes name = numbers[i].name;

        if (before == after)
            continue;
        if (any)
            out_lit(out, ", ");
        else
            out_lit(out, " (");
        any = true;
        out_bytes(out, name);
        out_char(out, ' ');
        put_number(out, numbers[i].kind, before);
        out_lit(out, " is now ");
        put_number(out, numbers[i].kind, after);
    }
    if (any)
        out_char(out, ')');
}

void ocsf_put_finding_sentence(struct out *out, const struct record_view *v)
{
    const struct event *ev = v->ev;
    struct bytes text = v->finding->text, after = v->outcome->after;

    out_char(out, ' ');
    out_bytes(out, text);
    if (ev->path.kind != EVENT_PATH_NONE) {
        out_lit(out, ": ");
        out_text(out, ev->path.bytes);
    }
    if (ev->finding.target.tgid) {
        out_lit(out, ", process ");
        out_u64(out, ev->finding.target.tgid);
    }
    if (ev->finding.has_credentials)
        put_differences(out, &ev->finding);
    out_bytes(out, after);
    if (ev->count > 1) {
        out_lit(out, ", ");
        out_u64(out, ev->count);
        out_lit(out, " times");
    }
}
