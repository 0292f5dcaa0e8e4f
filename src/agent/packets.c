// SPDX-License-Identifier: Apache-2.0
#include "agent/packets.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "agent/agent.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"

// Beside the sensor's own pins, so that what protects these protects ours.
static int pin_dir_of(const struct agent *a, char **ret)
{
    struct strbuf sb = {};

    sb_printf(&sb, "%s/packets", a->config.pin_dir);
    return sb_finish(&sb, ret);
}

static uint64_t realtime_of(uint64_t boot_ns)
{
    return now_ns(CLOCK_REALTIME) - (now_ns(CLOCK_BOOTTIME) - boot_ns);
}

static int on_event(void *ctx, const struct packet_event *e)
{
    struct agent *a = ctx;
    struct packet_room *room = &a->packets;
    const struct loaded *now = a->policies.now;
    bool drop = e->record.kind.verdict == SG_PACKET_DROPPED ||
                e->record.kind.verdict == SG_PACKET_LIMITED ||
                e->record.kind.verdict == SG_PACKET_REFUSED;
    struct ocsf_packet p = {
        .event = e,
        .realtime_ns = realtime_of(e->record.time_ns),
        .first_realtime_ns = realtime_of(e->record.packets > 1 ? e->record.first_ns
                                                               : e->record.time_ns),
        .run = a->started_ns / NS_PER_MS,
        .number = ++room->records,
        .policy_id = now ? now->id : 0,
    };
    _cleanup_(sb_done) struct strbuf line = {};

    if (ocsf_packet(&a->host, &p, &line) < 0) {
        room->lost++;
        return 0;
    }
    (void)output_add(a->output, line.s, line.len, drop);
    uplink_record(a, drop ? STREAM_SECURITY : STREAM_AUDIT, drop, line.s, line.len);
    if (a->control && control_server_has_subscribers(a->control))
        control_server_publish(a->control, line.s, line.len);
    return 0;
}

static int on_readable(void *ctx, int fd _unused_, uint32_t events _unused_)
{
    struct agent *a = ctx;

    (void)packets_consume(a->packets.packets, on_event, a);
    return 0;
}

static int open_room(struct agent *a, struct error *err)
{
    struct packet_room *room = &a->packets;
    _cleanup_free_ char *dir = NULL;
    int r;

    if (room->packets)
        return 0;
    r = pin_dir_of(a, &dir);
    if (r < 0)
        return error_set(err, r, "out of memory");
    r = packets_new(dir, &room->packets, err);
    if (r < 0)
        return r;
    r = loop_add_fd(a->loop, packets_fd(room->packets), EPOLLIN, on_readable, a, &room->source);
    if (r < 0)
        room->packets = packets_free(room->packets);
    return r < 0 ? error_set(err, r, "records of packets cannot be waited for: %m") : 0;
}

// The rules of the policy, as this agent is to take them: with `mode: monitor` in its settings, or where the server keeps a policy back,
// they only record.
static int take_rules(const struct agent *a, const struct loaded *now, struct packet_rule **ret)
{
    const struct packet_rules *all = &now->policy->packets;
    struct packet_rule *rules = memdup(all->items, all->n * sizeof(*all->items));

    if (!rules)
        return -ENOMEM;
    for (size_t i = 0; i < all->n; i++) {
        // Of an isolation, which stands behind the agent's own.
        if (now->isolated && rules[i].file == 1)
            continue;
        if (a->config.mode == CONFIG_MODE_MONITOR ||
            (now->kept_back && now->kept_back[rules[i].file]))
            rules[i].actions |= SG_PACKET_DO_MONITOR;
    }
    *ret = rules;
    return 0;
}

static int clear(const struct agent *a, struct error *err)
{
    _cleanup_free_ char *dir = NULL;
    int r = pin_dir_of(a, &dir);

    return r < 0 ? error_set(err, r, "out of memory") : packets_clear(dir, err);
}

void packets_policy_changed(struct agent *a)
{
    struct packet_room *room = &a->packets;
    const struct loaded *now = a->policies.now;
    _cleanup_free_ struct packet_rule *rules = NULL;
    struct error err = {};
    int r;

    if (!now || !now->policy)
        return;
    if (now->policy->packets.n == 0 && !room->packets) {
        r = clear(a, &err); // of an earlier agent's
    } else {
        r = take_rules(a, now, &rules);
        if (r < 0)
            (void)error_set(&err, r, "out of memory");
        r = r < 0 ? r : open_room(a, &err);
        r = r < 0 ? r
                  : packets_apply(room->packets,
                                  &(struct packet_rules){rules, now->policy->packets.n}, &err);
    }
    room->error = err;
    if (r < 0)
        (void)log_error_struct(&err);
}

void packets_second(struct agent *a)
{
    if (a->packets.packets)
        (void)packets_tick(a->packets.packets, on_event, a);
}

void packets_stop(struct agent *a)
{
    struct packet_room *room = &a->packets;

    if (room->packets)
        (void)packets_tick(room->packets, on_event, a);
    room->source = loop_source_free(room->source);
    room->packets = packets_free(room->packets);
}

void packets_detach_all(struct agent *a)
{
    struct error err = {};

    packets_stop(a);
    if (clear(a, &err) < 0)
        (void)log_error_struct(&err);
}

static void put_place(struct jw *jw, const char *key, enum packets_way way)
{
    if (way)
        jw_kv_str(jw, key, packets_way_name(way));
}

static void put_rules(const struct agent *a, struct jw *jw)
{
    const struct loaded *now = a->policies.now;

    jw_kv_array(jw, "rules");
    for (size_t i = 0; now && now->policy && i < now->policy->packets.n; i++) {
        const struct packet_rule *rule = &now->policy->packets.items[i];
        struct sg_packet_sums sums;

        if (packets_sums(a->packets.packets, rule->number, &sums) < 0)
            break;
        jw_begin_object(jw);
        jw_kv_str(jw, "policy", rule->policy);
        jw_kv_u64(jw, "line", rule->line);
        jw_kv_u64(jw, "packets", sums.packets);
        jw_kv_u64(jw, "bytes", sums.bytes);
        jw_kv_u64(jw, "drops", sums.drops);
        jw_end_object(jw);
    }
    jw_end_array(jw);
}

// What was counted besides rules, by its name.
static const struct {
    const char *name;
    uint32_t count;
} counts[] = {
    {"cut", SG_PACKET_CUT},
    {"tags", SG_PACKET_TAGS},
    {"version", SG_PACKET_VERSION},
    {"header", SG_PACKET_HEADER},
    {"length", SG_PACKET_LENGTH},
    {"extensions", SG_PACKET_EXTENSIONS},
    {"tiny_fragments", SG_PACKET_TINY},
    {"malformed_dropped", SG_PACKET_COUNT_BAD_DROPPED},
    {"fragments_unknown", SG_PACKET_COUNT_FRAG_UNKNOWN},
    {"records", SG_PACKET_COUNT_RECORDS},
    {"records_lost", SG_PACKET_COUNT_LOST},
    {"tables_full", SG_PACKET_COUNT_FULL},
    {"connections", SG_PACKET_COUNT_CONNS},
    {"connections_aged", SG_PACKET_COUNT_AGED},
    {"ports_moved", SG_PACKET_COUNT_PORT_MOVED},
    {"no_port", SG_PACKET_COUNT_NO_PORT},
    {"not_rewritable", SG_PACKET_COUNT_UNWRITABLE},
    {"way_back", SG_PACKET_COUNT_BACK},
    {"errors_translated", SG_PACKET_COUNT_QUOTED},
    {"mirror_failed", SG_PACKET_COUNT_MIRROR_FAILED},
    {"no_route", SG_PACKET_COUNT_NO_ROUTE},
    {"edit_failed", SG_PACKET_COUNT_EDIT_FAILED},
    {"no_policy", SG_PACKET_COUNT_NO_POLICY},
};

void packets_json(const struct agent *a, struct jw *jw)
{
    const struct packet_room *room = &a->packets;
    uint64_t all[SG_PACKET_COUNT_MAX];
    struct packets_place place;

    jw_begin_object(jw);
    if (room->packets && packets_counts(room->packets, all) == 0) {
        jw_kv_array(jw, "interfaces");
        for (size_t i = 0; packets_place(room->packets, i, &place); i++) {
            jw_begin_object(jw);
            jw_kv_str(jw, "interface", place.interface);
            put_place(jw, "in", place.in);
            put_place(jw, "out", place.out);
            put_place(jw, "early", place.early);
            jw_end_object(jw);
        }
        jw_end_array(jw);
        put_rules(a, jw);
        jw_kv_object(jw, "counts");
        for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
            jw_kv_u64(jw, counts[i].name, all[counts[i].count]);
        jw_end_object(jw);
    }
    jw_end_object(jw);
}

void packets_problems(const struct agent *a, uplink_problem_fn fn, void *ctx)
{
    const struct packet_room *room = &a->packets;
    const char *what, *cure;

    if (error_is_set(&room->error))
        fn(ctx, "high", room->error.cure[0] ? room->error.cure : NULL, room->error.what);
    for (size_t i = 0; room->packets && packets_problem(room->packets, i, &what, &cure); i++)
        fn(ctx, "medium", cure, what);
}
