// SPDX-License-Identifier: Apache-2.0
//
// The sentence for people: "cat (pid 7, user ann) was not allowed to open /etc/shadow for reading".
#include "ocsf/network.h"

static void put_path(struct out *out, enum event_path_kind kind, struct bytes escaped)
{
    char *start;

    if (kind == EVENT_PATH_CUT)
        out_lit(out, ".../");
    if (escaped.len == 0)
        out_lit(out, "a file without a path");
    start = out->p;
    out_bytes(out, escaped);
    out_gap(out, GAP_PATH, start);
}

void ocsf_put_phrase(struct out *out, const struct ocsf_op *op, const struct ocsf_outcome *x)
{
    struct bytes verb = x->before.len ? op->verb : op->past;

    out_char(out, ' ');
    if (x->before.len) {
        out_bytes(out, x->before);
        out_char(out, ' ');
    }
    out_bytes(out, verb);
    out_char(out, ' ');
}

static void put_file_sentence(struct out *out, const struct record_view *v)
{
    const struct event *ev = v->ev;
    struct bytes tail = v->op->tail, joiner = v->op->joiner, after = v->outcome->after;

    out_bytes(out, v->phrase);
    put_path(out, ev->path.kind, v->path);
    if (ev->reached_by.len) {
        out_lit(out, " by its further name ");
        out_text(out, ev->reached_by);
    }
    out_bytes(out, tail);
    if (ev->path2.kind == EVENT_PATH_TEXT) {
        out_bytes(out, joiner);
        out_text(out, ev->path2.bytes);
    } else if (v->has_result && joiner.len) {
        out_bytes(out, joiner);
        put_path(out, ev->path2.kind, v->path2);
    }
    out_bytes(out, after);
    if (ev->count > 1) {
        out_lit(out, ", ");
        out_u64(out, ev->count);
        out_lit(out, " times");
    }
    out_bytes(out, v->rule);
}

// A script is what was executed; that it takes an interpreter is how.
static void put_program(struct out *out, const struct event *ev)
{
    const struct event_path *script = &ev->launch.script;

    if (script->kind != EVENT_PATH_NONE) {
        out_text(out, script->bytes);
        out_lit(out, " by ");
    }
    if (ev->path.bytes.len)
        out_text(out, ev->path.bytes);
    else
        out_lit(out, "a file without a path");
}

static void put_process_sentence(struct out *out, const struct record_view *v)
{
    const struct event *ev = v->ev;
    uint32_t signal = term_signal(ev->wait_status);

    out_bytes(out, v->phrase);
    switch (ev->kind) {
    case EVENT_FORK:
        out_lit(out, "process ");
        out_u64(out, ev->child.tgid);
        break;
    case EVENT_EXIT:
        if (signal)
            out_lit(out, "by signal ");
        else
            out_lit(out, "with code ");
        out_u64(out, signal ? signal : exit_code(ev->wait_status));
        break;
    default: put_program(out, ev); break;
    }
    out_bytes(out, v->outcome->after);
    if (ev->count > 1) {
        out_lit(out, ", ");
        out_u64(out, ev->count);
        out_lit(out, " times");
    }
    out_bytes(out, v->rule);
}

void ocsf_put_sentence(struct out *out, const struct record_view *v)
{
    out_bytes(out, v->actor);
    if (v->ev->kind == EVENT_FILE)
        put_file_sentence(out, v);
    else if (v->ev->network)
        ocsf_put_network_sentence(out, v);
    else if (v->ev->kind == EVENT_FINDING)
        ocsf_put_finding_sentence(out, v);
    else if (v->ev->kind == EVENT_CONTROL)
        ocsf_put_control_sentence(out, v);
    else
        put_process_sentence(out, v);
}
