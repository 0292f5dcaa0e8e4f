// SPDX-License-Identifier: Apache-2.0
#include "ocsf/ocsf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "model/names.h"
#include "ocsf/objects.h"
#include "ocsf/parts.h"
#include "ocsf/rules.h"
#include "ocsf/template.h"

#define FIRST_ROOM    8192u      // most records fit
#define LARGEST       (4u << 20) // a record with the longest paths, every byte escaped, takes less
#define OPS_MAX       128
#define DEFAULT_CACHE (2u << 20)

struct ocsf {
    struct ocsf_context context;
    uint16_t first_op[OCSF_HOOK_KEYS];
    struct bytes heads[OPS_MAX]; // by op: "{" and event_kind
    struct bytes phrases[OPS_MAX][OCSF_OUTCOME_COUNT];
    struct bytes outcomes[OCSF_OUTCOME_COUNT]; // event_outcome
    struct bytes host;                         // event_host, and metadata up to what differs
    struct bytes accesses[SG_OP_COUNT];        // unmapped_access, of one bit
    struct bytes hooks[SG_HOOK_COUNT];         // unmapped_hook
    struct bytes decisions[SG_VERDICT_COUNT][EVENT_MODE_COUNT]; // unmapped_decision
    char *prepared;                                             // what these lie in
    struct parts *parts;
    struct rules rules;
    struct templates templates;
    struct launch_view launch; // of the record at hand
    struct later later;        // of the last one
    uint64_t records, copied;
};

// Room for everything that is prepared at start: two passes are not worth it.
#define PREPARED_SIZE (192u << 10)

static struct bytes take(struct out *out, char **start)
{
    struct bytes part = {*start, (uint32_t)(out->p - *start)};

    *start = out->p;
    return part;
}

static void prepare_rings(struct ocsf *o, uint64_t run, struct out *out, char **start)
{
    struct ocsf_context *c = &o->context;

    for (size_t i = 0; i < EVENT_RING_COUNT; i++) {
        const char *name = event_ring_name((enum event_ring)i);

        out_bytes(out, c->boot_id);
        out_char(out, ':');
        out_u64(out, run);
        out_char(out, ':');
        out_raw(out, name, strlen(name));
        out_char(out, ':');
        c->uid_starts[i] = take(out, start);
    }
}

static void prepare_phrases(struct ocsf *o, struct out *out, char **start)
{
    for (size_t i = 0; i < ocsf_n_ops; i++) {
        for (size_t k = 0; k < OCSF_OUTCOME_COUNT; k++) {
            ocsf_put_phrase(out, &ocsf_ops[i], &ocsf_outcomes[k]);
            o->phrases[i][k] = take(out, start);
        }
    }
}

static void prepare_unmapped(struct ocsf *o, struct out *out, char **start)
{
    for (size_t i = 0; i < SG_OP_COUNT; i++) {
        ocsf_put_unmapped_access(out, 1u << i);
        o->accesses[i] = take(out, start);
    }
    for (size_t i = SG_HOOK_NONE + 1; i < SG_HOOK_COUNT; i++) {
        ocsf_put_unmapped_hook(out, (enum sg_hook)i);
        o->hooks[i] = take(out, start);
    }
    for (size_t i = 0; i < SG_VERDICT_COUNT; i++) {
        for (size_t k = 0; k < EVENT_MODE_COUNT; k++) {
            ocsf_put_unmapped_decision(out, (enum sg_verdict)i, (enum event_mode)k);
            o->decisions[i][k] = take(out, start);
        }
    }
}

static int prepare(struct ocsf *o, uint64_t run)
{
    struct out out;
    char *start;

    o->prepared = malloc(PREPARED_SIZE);
    if (!o->prepared)
        return -ENOMEM;
    out = (struct out){.p = o->prepared, .end = o->prepared + PREPARED_SIZE};
    start = out.p;
    assert(ocsf_n_ops <= OPS_MAX);
    for (size_t i = 0; i < ocsf_n_ops; i++) {
        out_char(&out, '{');
        ocsf_put_event_kind(&out, &ocsf_ops[i]);
        o->heads[i] = take(&out, &start);
    }
    for (size_t i = 0; i < OCSF_OUTCOME_COUNT; i++) {
        ocsf_put_event_outcome(&out, &ocsf_outcomes[i]);
        o->outcomes[i] = take(&out, &start);
    }
    ocsf_put_event_host(&out, &o->context);
    out_lit(&out, "\"metadata\":{");
    ocsf_put_metadata_host(&out);
    o->host = take(&out, &start);
    prepare_rings(o, run, &out, &start);
    prepare_phrases(o, &out, &start);
    prepare_unmapped(o, &out, &start);
    return out.full ? -ENOMEM : 0;
}

int ocsf_new(const struct host *host, uint64_t run, size_t max_cached_bytes, struct ocsf **ret_ocsf)
{
    _cleanup_(ocsf_freep) struct ocsf *o = new0(struct ocsf, 1);
    int r;

    if (!o)
        return -ENOMEM;
    o->context.host = *host;
    o->context.boot_id = (struct bytes){o->context.host.boot_id,
                                        (uint32_t)strlen(o->context.host.boot_id)};
    ocsf_ops_index(o->first_op);
    r = parts_new(max_cached_bytes ? max_cached_bytes : DEFAULT_CACHE, &o->parts);
    if (r < 0)
        return r;
    r = prepare(o, run);
    if (r < 0)
        return r;
    *ret_ocsf = TAKE_PTR(o);
    return 0;
}

struct ocsf *ocsf_free(struct ocsf *o)
{
    if (o) {
        (void)parts_free(o->parts);
        rules_done(&o->rules);
        templates_done(&o->templates);
        free(o->prepared);
        free(o);
    }
    return NULL;
}

// S_IFMT shifted down, as it is in st_mode.
static uint8_t file_type(const struct event *ev)
{
    static const uint8_t by_mode[16] = {
        [S_IFIFO >> 12] = 6, [S_IFCHR >> 12] = 3, [S_IFDIR >> 12] = 2,  [S_IFBLK >> 12] = 4,
        [S_IFREG >> 12] = 1, [S_IFLNK >> 12] = 7, [S_IFSOCK >> 12] = 5,
    };
    static const uint8_t by_hook[SG_HOOK_COUNT] = {
        // of what does not exist yet
        [SG_HOOK_inode_create] = 1,
        [SG_HOOK_inode_mkdir] = 2,
        [SG_HOOK_inode_symlink] = 7,
    };

    return ev->mode_bits ? by_mode[(ev->mode_bits & S_IFMT) >> 12] : by_hook[ev->hook];
}

static struct bytes name_of(struct bytes path)
{
    return path.len == 1 ? path : bytes_basename(path); // "/" is called "/"
}

static bool is_name(const struct event_path *path)
{
    return path->kind != EVENT_PATH_NONE && path->kind != EVENT_PATH_TEXT;
}

static void view_files(const struct event *ev, struct record_view *v)
{
    v->file = (struct file_view){
        .path = ev->path.bytes,
        .name = name_of(ev->path.bytes),
        .type = file_type(ev),
        .mode = ev->mode_bits,
        .nlink = ev->nlink,
        .dev = ev->dev,
        .ino = ev->ino,
    };
    if (!is_name(&ev->path2))
        return;
    v->has_result = true;
    v->result = v->file;
    v->result.path = ev->path2.bytes;
    v->result.name = name_of(ev->path2.bytes);
    v->result.dev = ev->dev2;
    // Not a further name of the object, but the program that it would have been handed to.
    if (ev->hook == SG_HOOK_bprm_check_security) {
        v->result.type = 1; // Regular File
        v->result.ino = 0;
        v->result.mode = 0;
        v->result.nlink = 0;
    }
}

static void put_actor(struct ocsf *o, struct out *out, const struct part *part,
                      const struct event *ev)
{
    out_lit(out, "\"actor\":{");
    if (part->serial) {
        out_bytes(out, part->actor);
        out_lit(out, "\"process\":{");
        out_bytes(out, part->process);
        ocsf_put_process_thread(out, ev);
    } else if (ev->network) {
        out_lit(out, "\"process\":{");
        ocsf_put_process_other(out, &o->context, &ev->process.ref);
    } else {
        out_lit(out, "\"process\":{");
        ocsf_put_process_unknown(out, &o->context, ev, &ev->process.ref);
    }
    out_end(out, '}');
    out_lit(out, "},");
}

// The program that a process became, or would have.
static void put_launched(struct ocsf *o, struct out *out)
{
    out_lit(out, "\"process\":{");
    ocsf_put_process(out, &o->context, &o->launch.process);
    ocsf_put_process_launch(out, &o->launch);
    out_end(out, '}');
    out_char(out, ',');
}

// The process that was started, has ended, or was asked about.
static int put_target(struct ocsf *o, struct out *out, const struct event *ev)
{
    bool other = ev->kind == EVENT_CONTROL && ev->control.target.tgid;
    const struct who *who = ev->kind == EVENT_CONTROL && !other ? ev->who : ev->target;
    const struct part *part = NULL;
    int r = 0;

    out_lit(out, "\"process\":{");
    if (who)
        r = parts_get(o->parts, &o->context, who, &part);
    if (r < 0)
        return r;
    if (part)
        out_bytes(out, part->process);
    else if (other)
        ocsf_put_process_other(out, &o->context, &ev->control.target);
    else
        ocsf_put_process_unknown(out, &o->context, ev,
                                 ev->kind == EVENT_FORK ? &ev->child : &ev->process.ref);
    out_end(out, '}');
    out_char(out, ',');
    return 0;
}

// A rule had something to say.
static bool is_decided(const struct event *ev)
{
    return ev->kind == EVENT_FILE || ev->kind == EVENT_CONTROL || ev->kind == EVENT_FINDING ||
           ev->verdict != SG_ALLOW;
}

static void put_access(struct ocsf *o, struct out *out, uint32_t access)
{
    size_t bit = access ? (size_t)__builtin_ctz(access) : SG_OP_COUNT;

    if (bit < SG_OP_COUNT && access == 1u << bit)
        out_bytes(out, o->accesses[bit]);
    else if (access)
        ocsf_put_unmapped_access(out, access);
}

// The members of unmapped that lie prepared, and the others.
static void put_unmapped(struct ocsf *o, struct out *out, const struct record_view *v,
                         struct bytes actor, struct bytes rule)
{
    const struct event *ev = v->ev;

    out_lit(out, "\"unmapped\":{");
    out_bytes(out, actor);
    out_bytes(out, rule);
    out_bytes(out, o->hooks[ev->hook]);
    put_access(o, out, ev->access);
    if (is_decided(ev)) {
        struct bytes decision = o->decisions[ev->verdict][ev->mode];

        out_bytes(out, decision);
    }
    ocsf_put_unmapped(out, v);
    if (ev->network)
        ocsf_put_unmapped_network(out, &o->context, ev);
    if (ev->kind == EVENT_FINDING)
        ocsf_put_unmapped_finding(out, &ev->finding);
    if (ev->kind == EVENT_EXEC)
        ocsf_put_unmapped_launch(out, &o->context, &o->launch);
    out_end(out, '}');
    out_char(out, ',');
}

static void put_outcome(const struct ocsf *o, struct out *out, enum ocsf_outcome_key key,
                        const struct finding_kind *finding)
{
    struct ocsf_outcome x = ocsf_outcomes[key];

    if (!finding) {
        out_bytes(out, o->outcomes[key]);
        return;
    }
    x.severity = (uint8_t)finding->severity;
    ocsf_put_event_outcome(out, &x);
}

static void put_exec(struct ocsf *o, struct out *out, struct record_view *v)
{
    ocsf_put_event_process(out, v);
    v->path_not_utf8 = !out_is_utf8(v->ev->path.bytes);
    ocsf_view_launch(&o->context, v->ev, &o->launch);
    put_launched(o, out);
}

static void put_control(struct out *out, const struct record_view *v)
{
    const struct ocsf_class *class = v->op->class;

    if (class == &ocsf_class_kernel)
        ocsf_put_event_kernel(out, v->ev);
    else if (class == &ocsf_class_memory)
        ocsf_put_event_memory(out, v->ev);
    else if (class == &ocsf_class_module)
        ocsf_put_event_module(out, v->ev);
    else if (class == &ocsf_class_network)
        ocsf_put_event_network(out, v->ev);
    else
        ocsf_put_event_process(out, v);
}

// Is there a process beside the actor?
static bool names_process(const struct record_view *v)
{
    return v->ev->kind == EVENT_FORK || v->ev->kind == EVENT_EXIT ||
           (v->ev->kind == EVENT_CONTROL && v->op->class != &ocsf_class_kernel &&
            v->op->class != &ocsf_class_module && v->op->class != &ocsf_class_network);
}

// What only records of its class have.
static void put_class(struct ocsf *o, struct out *out, struct record_view *v)
{
    switch (v->ev->kind) {
    case EVENT_FILE: ocsf_put_event_file(out, v); break;
    case EVENT_FINDING: ocsf_put_event_finding(out, &o->context, v); break;
    case EVENT_CONTROL: put_control(out, v); break;
    case EVENT_EXEC: put_exec(o, out, v); break;
    case EVENT_FLOW: ocsf_put_event_flow(out, v->ev); break;
    case EVENT_DNS: ocsf_put_event_dns(out, v->ev); break;
    default: ocsf_put_event_process(out, v); break;
    }
}

// A record into the room there is; out->full when that is not enough.
static int put_record(struct ocsf *o, struct out *out, size_t op, struct record_view *v)
{
    static const struct part nobody;
    static const struct rule_part no_rule;
    enum ocsf_outcome_key outcome = ocsf_outcome_of(v->ev);
    const struct event *ev = v->ev;
    const struct part *part = &nobody;
    const struct rule_part *rule = &no_rule;
    char unknown[PART_UNKNOWN_MAX];
    int r = 0;

    if (ev->rule)
        r = rules_get(&o->rules, ev, &rule);
    if (r == 0 && ev->who)
        r = parts_get(o->parts, &o->context, ev->who, &part);
    if (r < 0)
        return r;
    v->outcome = &ocsf_outcomes[outcome];
    v->actor = ev->who ? part->sentence : parts_unknown(ev, unknown);
    v->phrase = o->phrases[op][outcome];
    v->rule = rule->sentence;
    out_bytes(out, o->heads[op]);
    put_outcome(o, out, outcome, v->finding);
    out_bytes(out, o->host);
    ocsf_put_metadata(out, &o->context, v);
    out_end(out, '}');
    out_char(out, ',');
    out_bytes(out, rule->event);
    put_actor(o, out, part, ev);
    put_class(o, out, v);
    ocsf_put_event(out, v);
    put_unmapped(o, out, v, part->unmapped, rule->unmapped);
    // The last that needs `part`: another one may be put in its place now.
    if (names_process(v))
        r = put_target(o, out, ev);
    out_end(out, '}');
    return r;
}

// Attribute by attribute. `gaps`: to be noted there, or NULL.
static int write_out(struct ocsf *o, const struct event *ev, struct strbuf *out, struct gaps *gaps)
{
    struct record_view v = {.ev = ev};
    size_t op = ocsf_op_of(o->first_op, ev);
    int r;

    if (op >= ocsf_n_ops)
        return -EOPNOTSUPP;
    v.op = &ocsf_ops[op];
    v.finding = ev->kind == EVENT_FINDING ? finding_kind(ev->finding.kind) : NULL;
    if (ev->kind == EVENT_FINDING && !v.finding)
        return -EOPNOTSUPP;
    v.finding_evidence = ev->finding.target.tgid || ev->path.kind != EVENT_PATH_NONE;
    if (ev->kind == EVENT_FILE || ev->kind == EVENT_FINDING)
        view_files(ev, &v);
    v.has_thread_comm = ev->who &&
                        !bytes_equal(ev->who->comm,
                                     (struct bytes){ev->process.comm, ev->process.comm_len});
    v.truncated = ev->path.kind == EVENT_PATH_CUT || ev->path2.kind == EVENT_PATH_CUT ||
                  (ev->who && ev->who->cmdline_cut) || ev->args_cut ||
                  ev->launch.flags & (SG_LAUNCH_ARGS_CUT | SG_LAUNCH_ENV_CUT);
    for (size_t room = FIRST_ROOM; room <= LARGEST; room *= 2) {
        char *start = sb_reserve(out, room);
        struct out record = {.p = start, .end = start + room, .gaps = gaps, .later = &o->later};

        if (!start)
            return -ENOMEM;
        o->later = (struct later){.line = start};
        if (gaps)
            *gaps = (struct gaps){.line = start};
        r = put_record(o, &record, op, &v);
        if (r < 0)
            return r;
        if (!record.full) {
            sb_written(out, (size_t)(record.p - start));
            return 0;
        }
    }
    return -ENOMEM;
}

int ocsf_write(struct ocsf *o, const struct event *ev, struct strbuf *out)
{
    bool is_new = true;
    struct template *t = template_find(&o->templates, ev, &is_new);
    size_t start = out->len;
    struct gaps gaps;
    int r;

    o->later = (struct later){};
    if (t && t->text) {
        r = template_write(t, ev, out);
        o->copied += r == 0;
    } else {
        r = write_out(o, ev, out, &gaps);
        if (r == 0 && t && !is_new)
            template_keep(t, out->s + start, out->len - start, &gaps);
    }
    o->records += r == 0;
    return r;
}

bool ocsf_later(const struct ocsf *o, struct ocsf_later *ret)
{
    ret->file = o->later.at[LATER_FILE];
    ret->unmapped = o->later.at[LATER_UNMAPPED];
    return ret->file || ret->unmapped;
}

#define FACTS_ROOM \
    8192u // names of packages and versions are short (files/files.h), every byte escaped

// The line up to `to`. What follows members that were put in and ends the object takes the comma of the last one back.
static void put_line(struct out *out, const char **from, const char *to)
{
    if (*from < to && **from == '}' && !out->full && out->p[-1] == ',')
        out->p--;
    out_raw(out, *from, (size_t)(to - *from));
    *from = to;
}

// `unmapped` stands behind the process with its file: so put_record() has it.
int ocsf_complete(const char *line, size_t len, const struct ocsf_later *later,
                  const struct file_facts *facts, struct strbuf *out)
{
    const char *from = line;
    char *start = sb_reserve(out, len + FACTS_ROOM);
    struct out record = {.p = start, .end = start + len + FACTS_ROOM};

    if (!start)
        return -ENOMEM;
    assert(later->file <= len && later->unmapped <= len);
    if (later->file) {
        put_line(&record, &from, line + later->file);
        ocsf_put_file_facts(&record, facts);
    }
    if (later->unmapped) {
        assert(later->unmapped > later->file);
        put_line(&record, &from, line + later->unmapped);
        ocsf_put_unmapped_facts(&record, facts);
    }
    put_line(&record, &from, line + len);
    if (record.full)
        return -ENOMEM;
    sb_written(out, (size_t)(record.p - start));
    return 0;
}

int ocsf_host(const struct host *host, struct strbuf *out)
{
    // Its texts are of fixed sizes: with every byte escaped they fit.
    const size_t room = 6 * sizeof(*host) + FIRST_ROOM;
    char *start = sb_reserve(out, room);
    struct out object = {.p = start, .end = start + room};

    if (!start)
        return -ENOMEM;
    out_char(&object, '{');
    ocsf_put_whole_host(&object, host);
    out_end(&object, '}');
    if (object.full)
        return -ENOMEM;
    sb_written(out, (size_t)(object.p - start));
    return 0;
}

void ocsf_counters(const struct ocsf *o, struct ocsf_counters *ret)
{
    parts_counters(o->parts, ret);
    ret->records = o->records;
    ret->copied = o->copied;
}
