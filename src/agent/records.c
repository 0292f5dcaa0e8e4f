// SPDX-License-Identifier: Apache-2.0
//
// The way of a record through the agent: ring → event → who did it → which rule → OCSF → output and
// subscribers. Nothing here waits, and no record ends the agent.
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "model/secrets.h"
#include "sensor/decode.h"

#define DATA_MAX  ((size_t)1 << 20) // bytes that are put in order at once
#define DATA_KEPT ((size_t)128 << 10)

// Records between two looks at the loop's other work, such as handing their lines to the output's worker.
#define AT_ONCE     128
#define DRAIN_TURNS 64

// Milliseconds in which nobody looks at the rings, and what is many or few records for one of them. A ring
// of 4 MiB has room for some 12,000 records.
#define PAUSE_FIRST_MS UINT64_C(1)
#define PAUSE_LAST_MS  UINT64_C(16)
#define PAUSE_MANY     1500
#define PAUSE_FEW      500

// The rings that records of each kind come through (bpf/lib/emit.bpf.h): the sensor hands them on
// without saying.
static enum event_ring ring_of(const struct sg_record *r)
{
    switch (r->type) {
    case SG_RECORD_EXEC:
        return r->verdict >= SG_DENY && r->error ? EVENT_RING_SECURITY : EVENT_RING_PROCESS;
    case SG_RECORD_FORK:
    case SG_RECORD_EXIT:
    case SG_RECORD_ENTERED:
    case SG_RECORD_MOUNT: return EVENT_RING_PROCESS;
    case SG_RECORD_FINDING: return EVENT_RING_SECURITY;
    default: return r->verdict >= SG_DENY ? EVENT_RING_SECURITY : EVENT_RING_AUDIT;
    }
}

// A rule was asked, or something is wrong; all else is the life of processes.
static bool is_access(const struct event *ev)
{
    return ev->kind == EVENT_FILE || ev->kind == EVENT_FINDING || ev->verdict != SG_ALLOW;
}

static void count(struct records *r, const struct event *ev)
{
    if (ev->kind == EVENT_FINDING) {
        r->findings += ev->count;
        return;
    }
    switch (ev->outcome) {
    case EVENT_OUTCOME_DENIED:
    case EVENT_OUTCOME_KILLED:
    case EVENT_OUTCOME_STOPPED: r->denied += ev->count; break;
    case EVENT_OUTCOME_WOULD_DENY:
    case EVENT_OUTCOME_NOT_HELD: r->would_deny += ev->count; break;
    case EVENT_OUTCOME_PASSED: *(is_access(ev) ? &r->audited : &r->lifecycle) += 1; break;
    }
}

static bool is_behind(const struct agent *a)
{
    return output_is_behind(a->output) || uplink_is_behind(a);
}

void records_put(struct agent *a, const struct event *ev)
{
    bool denial = ev->verdict >= SG_DENY || ev->kind == EVENT_FINDING;
    struct strbuf *lines;
    size_t start;
    int r;

    if (held_any(a) || (ev->file && ev->file->hash == FILE_HASH_WAITING)) {
        held_put(a, ev, denial);
        return;
    }
    lines = output_begin(a->output);
    start = lines->len;
    r = ocsf_write(a->ocsf, ev, lines);
    if (r == -EOPNOTSUPP)
        return;
    lines->failed = lines->failed || r < 0; // then it counts as dropped
    if (r == 0 && control_server_has_subscribers(a->control))
        control_server_publish(a->control, lines->s + start, lines->len - start);
    if (r == 0 && !lines->failed)
        uplink_record(a, denial ? STREAM_SECURITY : STREAM_AUDIT, denial, lines->s + start,
                      lines->len - start);
    (void)output_end(a->output, denial);
}

static bool is_own_test(const struct agent *a, const struct event *ev)
{
    return ev->kind == EVENT_FILE && ev->process.ref.tgid == a->records.own_tgid &&
           policies_rule_is_own(a, ev->policy_id, ev->rule_index);
}

// The agent looks through directories for files with several names; what its own policy does not let it see
// there is in the status, and no news.
static bool is_own_look(const struct agent *a, const struct event *ev)
{
    return ev->kind == EVENT_FILE && ev->process.ref.tgid == a->records.own_tgid &&
           ev->access == SG_OP_READ && S_ISDIR(ev->mode_bits);
}

// Was it refused by safeguard's own defence: by one of its programs, or by a built-in rule about a file?
static bool is_defence(const struct agent *a, const struct event *ev)
{
    return ev->rule_index == SG_RULE_DEFENCE ||
           (ev->kind == EVENT_FILE && ev->verdict >= SG_DENY &&
            policies_rule_is_own(a, ev->policy_id, ev->rule_index));
}

// An object that was reached by a further name is called by the one that the rule is about: the other one says
// nothing to who wrote the rule.
static void name_object(struct agent *a, struct event *ev)
{
    const struct bytes used = ev->path.bytes;
    const char *name;

    if (ev->kind != EVENT_FILE || ev->verdict == SG_ALLOW || ev->nlink < 2 ||
        S_ISDIR(ev->mode_bits) || ev->path.kind != EVENT_PATH_HOST)
        return;
    name = object_names_find(&a->links.names, ev->dev, ev->ino, used.s, used.len);
    if (!name)
        return;
    ev->reached_by = used;
    ev->path.bytes = (struct bytes){name, (uint32_t)strlen(name)};
}

static void take(struct agent *a, struct event *ev)
{
    if (a->config.mask_secrets && ev->kind == EVENT_EXEC)
        secrets_mask_event(ev);
    // The table learns from every record, also from those that nobody sees.
    (void)process_table_apply(a->processes, ev);
    if (ev->kind == EVENT_MOUNT) {
        mountwatch_changed(a);
        return;
    }
    if (ev->kind == EVENT_ENTERED) {
        descriptors_entered(a, ev);
        return;
    }
    if (is_own_test(a, ev)) {
        a->records.own++;
        return;
    }
    if (is_own_look(a, ev)) {
        a->records.own++;
        return;
    }
    if (is_defence(a, ev))
        defence_refused(a, ev->count);
    ev->rule = ev->rule_index == SG_RULE_DEFENCE ? defence_rule()
                                                 : policies_rule(a, ev->policy_id, ev->rule_index);
    name_object(a, ev);
    count(&a->records, ev);
    if (!is_access(ev) && !a->config.process_records)
        return;
    programs_ask(a, ev);
    records_put(a, ev);
}

static void decode(struct agent *a, const void *data, size_t len)
{
    const struct sg_record *head = data;
    const struct decode_context context = {
        .realtime_offset_ns = a->records.realtime_offset_ns,
        .ring = ring_of(head),
        .mounts = a->mounts.view.decode,
        .n_mounts = a->mounts.view.n_decode,
    };
    int r;

    r = decode_record(data, len, &context, a->event);

    if (r == -EOPNOTSUPP)
        a->records.unknown++;
    else if (r < 0)
        a->records.bad++;
    else
        take(a, a->event);
}

static bool in_order(const struct waiting_record *w, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (w[i].time_ns < w[i - 1].time_ns)
            return false;
    return true;
}

static int by_time(const void *x, const void *y)
{
    const struct waiting_record *a = x, *b = y;

    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

// Each ring has an order of its own: only by their times does it show that a process had become another
// program before it was refused something.
static void take_waiting(struct agent *a)
{
    struct records *r = &a->records;

    if (!in_order(r->waiting, r->n_waiting))
        qsort(r->waiting, r->n_waiting, sizeof(*r->waiting), by_time);
    for (size_t i = 0; i < r->n_waiting; i++)
        decode(a, r->data + r->waiting[i].offset, r->waiting[i].len);
    r->n_waiting = r->n_data = 0;
    programs_asked(a);
    if (r->cap_data > DATA_KEPT) {
        free(r->data);
        free(r->waiting);
        r->data = NULL;
        r->waiting = NULL;
        r->cap_data = r->cap_waiting = 0;
    }
}

static int on_record(void *userdata, const void *data, size_t len)
{
    struct agent *a = userdata;
    struct records *r = &a->records;
    const size_t room = (len + 7) & ~(size_t)7;
    struct sg_record head;

    r->read++;
    if (len < sizeof(head)) {
        r->bad++;
        return 0;
    }
    memcpy(&head, data, sizeof(head));
    if (r->n_data + room > DATA_MAX)
        take_waiting(a);
    if (!GREEDY(r->data, r->cap_data, r->n_data + room) ||
        !GREEDY(r->waiting, r->cap_waiting, r->n_waiting + 1)) {
        decode(a, data, len);
        return 0;
    }
    memcpy(r->data + r->n_data, data, len);
    r->waiting[r->n_waiting++] =
        (struct waiting_record){.time_ns = head.time_ns, .offset = r->n_data, .len = len};
    r->n_data += room;
    return 0;
}

// Returns how many records there were; from AT_ONCE on there may be more.
static unsigned consume(struct agent *a)
{
    int r = sensor_consume_some(a->sensor, AT_ONCE, on_record, a);

    take_waiting(a);
    a->records.since_pause += r > 0 ? (unsigned)r : 0;
    // Said once: it would be said a thousand times a second.
    if (r < 0 && a->records.n_errors++ == 0)
        (void)log_error_code(r, "records cannot be read from the kernel: %m");
    return r < 0 ? 0 : (unsigned)r;
}

// busy: the next pause is as long as the last one was.
static void watch_rings(struct agent *a, bool busy)
{
    if (!busy)
        a->records.pause_ms = a->records.since_pause = 0;
    (void)loop_source_enable(a->records.source, true);
}

// A ring wakes its reader when a record comes and everything before it has been read. Woken for every
// record, we and whoever caused it would pay more for that than for the record. So the first one is taken
// at once, and after it the rings are left alone for a while, in which nobody is woken: shorter when there
// is much, longer when there is little, until a while has passed without any record.
static void pause_rings(struct agent *a)
{
    struct records *r = &a->records;

    if (r->pause_ms == 0)
        r->pause_ms = PAUSE_FIRST_MS;
    else if (r->since_pause > PAUSE_MANY)
        r->pause_ms = MAX(r->pause_ms / 2, PAUSE_FIRST_MS);
    else if (r->since_pause < PAUSE_FEW)
        r->pause_ms = MIN(r->pause_ms * 2, PAUSE_LAST_MS);
    r->since_pause = 0;
    if (loop_source_rearm(r->pause, r->pause_ms) < 0)
        r->pause_ms = 0;
    (void)loop_source_enable(r->source, r->pause_ms == 0);
}

// Readable again at once when there is more: between two turns the loop gets to its other work.
static int on_readable(void *ctx, int fd _unused_, uint32_t events _unused_)
{
    struct agent *a = ctx;

    if (is_behind(a) || consume(a) < AT_ONCE)
        pause_rings(a);
    return 0;
}

static int on_pause_over(void *ctx)
{
    struct agent *a = ctx;
    unsigned n;

    if (is_behind(a)) {
        pause_rings(a);
        return 0;
    }
    n = consume(a);
    if (n > 0 && n < AT_ONCE)
        pause_rings(a);
    else
        watch_rings(a, n > 0);
    return 0;
}

int records_start(struct agent *a, struct error *err)
{
    int r;

    a->records.own_tgid = (uint32_t)getpid();
    a->records.realtime_offset_ns = boottime_to_realtime_offset_ns();
    r = held_start(a);
    r = r < 0 ? r
              : loop_add_fd(a->loop, sensor_fd(a->sensor), EPOLLIN, on_readable, a,
                            &a->records.source);
    r = r < 0 ? r : loop_add_timer(a->loop, 0, 0, 0, on_pause_over, a, &a->records.pause);
    return r < 0 ? error_set(err, r, "the rings cannot be watched: %m") : 0;
}

// Bounded: whoever makes records faster than they are read must not hold us up.
void records_drain(struct agent *a)
{
    for (int i = 0; a->records.source && i < DRAIN_TURNS && consume(a) >= AT_ONCE; i++)
        ;
}

// What is counted in the kernel of denials that were merged belongs to records that only this agent remembers.
static void sweep(struct agent *a)
{
    int r = sensor_sweep_merged(a->sensor, on_record, a);

    take_waiting(a);
    if (r < 0)
        (void)log_error_code(r, "the numbers of merged denials cannot be read: %m");
}

void records_stop(struct agent *a)
{
    records_drain(a);
    if (a->records.source)
        sweep(a);
    held_stop(a);
    a->records.source = loop_source_free(a->records.source);
    a->records.pause = loop_source_free(a->records.pause);
    free(a->records.data);
    free(a->records.waiting);
    a->records.data = NULL;
    a->records.waiting = NULL;
}

void records_tick(struct agent *a)
{
    int r;

    // Somebody may have set the clock.
    a->records.realtime_offset_ns = boottime_to_realtime_offset_ns();
    r = sensor_flush_merged(a->sensor, on_record, a);
    take_waiting(a);
    if (r < 0 && a->records.n_errors++ == 0)
        (void)log_error_code(r, "the numbers of merged denials cannot be read: %m");
    if (a->losses.counters[SG_COUNT_PROCESS_LOST] + a->losses.skipped != a->records.lives_lost) {
        a->records.lives_lost = a->losses.counters[SG_COUNT_PROCESS_LOST] + a->losses.skipped;
        process_table_missed(a->processes);
        // One of them may have said that an object got a name at which somebody is denied it.
        descriptors_missed(a);
    }
    process_table_tick(a->processes, now_ns(CLOCK_BOOTTIME));
    programs_tick(a);
}
