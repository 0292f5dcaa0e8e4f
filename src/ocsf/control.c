// SPDX-License-Identifier: Apache-2.0
//
// What rules decide besides files, in words: "gdb (pid 7, user ann) was not allowed to trace sshd (pid 1)".
#include <string.h>

#include "model/names.h"
#include "ocsf/network.h"

struct bytes ocsf_argument(const struct event *ev)
{
    const char *word;

    // Of a socket it is the name of its other end, which has a place of its own.
    if (is_network(ev))
        return (struct bytes){};
    if (ev->control.name.len)
        return ev->control.name;
    // Numbers of the defence are those of the kernel's own interfaces, and of the words only signals are.
    if (ev->control.defence && ev->control.kind != SG_CONTROL_signal)
        return (struct bytes){};
    word = control_word(ev->control.kind, ev->control.number[0]);
    return word ? (struct bytes){word, (uint32_t)strlen(word)} : (struct bytes){};
}

static void put_argument(struct out *out, const struct event *ev)
{
    struct bytes argument = ocsf_argument(ev);

    if (argument.len)
        out_text(out, argument);
    else
        out_u64(out, ev->control.number[0]);
}

static void put_target(struct out *out, const struct event *ev)
{
    const struct who *w = ev->target;
    struct bytes name = {};

    if (w)
        name = w->exe.len ? bytes_basename(w->exe) : w->comm;
    if (name.len)
        out_text(out, name);
    else
        out_lit(out, "process");
    out_lit(out, " (pid ");
    out_u64(out, ev->control.target.tgid);
    out_char(out, ')');
}

void ocsf_put_control_sentence(struct out *out, const struct record_view *v)
{
    const struct event *ev = v->ev;
    struct bytes after = v->outcome->after;

    out_bytes(out, v->phrase);
    // Every phrase ends with a blank, whether anything comes or not.
    switch ((enum ocsf_object)v->op->object) {
    case OCSF_ARGUMENT: put_argument(out, ev); break;
    case OCSF_TARGET: put_target(out, ev); break;
    case OCSF_IN_BRACKETS:
        out_char(out, '(');
        put_argument(out, ev);
        out_char(out, ')');
        break;
    case OCSF_SENT:
        put_argument(out, ev);
        out_lit(out, " to ");
        put_target(out, ev);
        break;
    case OCSF_OTHER_END: ocsf_put_ends(out, ev, true, false); break;
    case OCSF_OWN_END: ocsf_put_ends(out, ev, false, true); break;
    case OCSF_BOTH_ENDS: ocsf_put_ends(out, ev, true, true); break;
    case OCSF_NONE: out->p--; break;
    case OCSF_ASKED:
    case OCSF_NOT_CONTROL: break;
    }
    out_bytes(out, after);
    if (ev->count > 1) {
        out_lit(out, ", ");
        out_u64(out, ev->count);
        out_lit(out, " times");
    }
    out_bytes(out, v->rule);
}
